"""Light-curve rows as a set: which rows are the same, and how two sets become one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.light_curve import ROW_DTYPE

_WORDS = ROW_DTYPE.itemsize // 8
_KNOWN_WORD = int(ROW_DTYPE.fields["known_mjd_tai"][1]) // 8 if ROW_DTYPE.fields is not None else -1
_KEY_WORDS = [word for word in range(_WORDS) if word != _KNOWN_WORD]

NO_ROWS: npt.NDArray[np.void] = np.zeros(0, ROW_DTYPE)
"""No rows at all, shape (0,)."""


def merge_rows(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The set of `rows` (n,) of ROW_DTYPE: of rows equal in every byte but `known_mjd_tai`, the one known first.

    Any grouping and order of the input gives the same bytes: the union with min(known_mjd_tai) is commutative,
    associative and idempotent, so two workers may add to one object in any order. The order of the result is fixed by
    the rows' bytes and has no other meaning.
    """
    if len(rows) == 0:
        return rows
    flat = np.ascontiguousarray(rows)
    words = flat.view(np.uint64).reshape(len(rows), _WORDS)
    order = np.lexsort((flat["known_mjd_tai"], *(words[:, word] for word in _KEY_WORDS)))
    keys = words[order][:, _KEY_WORDS]
    first = np.concatenate([[True], np.any(keys[1:] != keys[:-1], axis=1)])
    merged: npt.NDArray[np.void] = flat[order[first]]
    return merged
