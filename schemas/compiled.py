"""Compilation of the hot loops: numba, with the machine code cached on disk where that can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles on first call; keeps the machine code beside the module or in NUMBA_CACHE_DIR, else in memory only."""
    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder to keep the cache in (a read-only container): compile in each process
        return numba.njit(cache=False, nogil=True)(function)  # type: ignore[no-any-return]
