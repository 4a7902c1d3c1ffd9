"""Spreads packets evenly over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


def paced(
    items: Iterable[T], rate_per_s: float, wait: Callable[[float], object], clock: Callable[[], float] = monotonic
) -> Iterator[T]:
    """The items, the first as soon as it is there, then `rate_per_s` a second; a late one never delays the others.

    `wait` takes the seconds that are left until an item is due; `clock` gives seconds.
    """
    start_s = None
    for place, item in enumerate(items):
        if start_s is None:
            start_s = clock()
        left_s = start_s + place / rate_per_s - clock()
        if left_s > 0:
            wait(left_s)
        yield item
