"""The sign of a difference flux as tables spell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

POSITIVE: frozenset[str] = frozenset({"true", "t", "y", "1", "1.0", "+1"})
NEGATIVE: frozenset[str] = frozenset({"false", "f", "n", "0", "0.0", "-1", "-1.0"})


def are_positive(signs: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Whether each value of `isdiffpos` says brighter than the reference; null counts as that.

    ValueError for a spelling that is neither of `POSITIVE` nor of `NEGATIVE`, in any letters.
    """
    return np.array([_is_positive(value) for value in signs], np.bool_)


def _is_positive(value: Any) -> bool:
    if value is None or value != value:  # NaN stands for null in tables of floats
        return True
    text = str(value).strip().lower()
    if text not in POSITIVE and text not in NEGATIVE:
        raise ValueError(f"isdiffpos {value!r} is no sign: expected true or false, t or f, y or n, 1 or 0, 1 or -1")
    return text in POSITIVE
