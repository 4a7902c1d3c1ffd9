"""Spreads packets evenly over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


def paced(
    items: Iterable[T], rate_per_s: float, wait: Callable[[float], object], clock: Callable[[], float] = monotonic
) -> Iterator[T]:
    """The items, the first at once and `rate_per_s` of them a second; one that is late never delays the others.

    `wait` takes the seconds that are left until an item is due; `clock` gives seconds.
    """
    start_s = clock()
    for place, item in enumerate(items):
        left_s = start_s + place / rate_per_s - clock()
        if left_s > 0:
            wait(left_s)
        yield item
