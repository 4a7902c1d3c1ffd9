"""When each packet is due: evenly, or visit by visit as an observatory's alerts come."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

VISIT_S = 37.0
"""From one LSST visit to the next: two exposures of 15 s or one of 30 s, readout and slew (Rubin DMTN-102) [s]."""

Schedule = Callable[[int], float]
"""Seconds after the first packet at which the packet of a place, counted from 0, is due."""


def evenly(rate_per_s: float) -> Schedule:
    """So many packets a second, each at its own moment."""
    return lambda place: place / rate_per_s


class Visits:
    """Packets of a visit are due at once, and the next visit's `VISIT_S` later."""

    def __init__(self, rate_per_s: float, packets: int, burst: int | None) -> None:
        """`rate_per_s` is the mean over visits; `burst` is how many packets the middle visit has instead.

        ValueError where a visit has less than one packet, or where the burst is not among `packets`.
        """
        each = round(rate_per_s * VISIT_S)
        if each < 1:
            raise ValueError(f"{rate_per_s:g} packets/s are less than one a visit of {VISIT_S:g} s: raise the rate")
        if burst is not None and not 0 < burst <= packets:
            raise ValueError(f"a burst of {burst:,} packets needs a run that holds them, and this one has {packets:,}")
        sizes = _sizes(packets - (burst or 0), each)
        if burst is not None:
            sizes.insert(len(sizes) // 2, burst)
        self.sizes: tuple[int, ...] = tuple(sizes)
        """Packets of each visit."""
        self._ends = list(accumulate(sizes))

    def __call__(self, place: int) -> float:
        """When the packet of a place is due [s]."""
        return VISIT_S * bisect_right(self._ends, place)


def _sizes(packets: int, each: int) -> list[int]:
    """Whole visits, and what is left over as the last one."""
    whole, rest = divmod(packets, each)
    return [each] * whole + [rest] * (rest > 0)


def paced(
    items: Iterable[T], due_s: Schedule, wait: Callable[[float], object], clock: Callable[[], float] = monotonic
) -> Iterator[T]:
    """The items, the first as soon as it is there, the others when they are due; a late one never delays the others.

    `wait` takes the seconds that are left until an item is due; `clock` gives seconds.
    """
    start_s = None
    for place, item in enumerate(items):
        if start_s is None:
            start_s = clock()
        left_s = start_s + due_s(place) - clock()
        if left_s > 0:
            wait(left_s)
        yield item
