"""Packets leave evenly, and nothing is late because something else was."""

from __future__ import annotations

import pytest

from streamer.simulate.pace import paced


class Time:
    """A clock that only waiting, and whoever takes long, moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def test_items_leave_evenly_from_the_first_on() -> None:
    time = Time()
    left = [(item, time.now_s) for item in paced("abc", 4.0, time.wait, lambda: time.now_s)]
    assert left == [("a", 100.0), ("b", 100.25), ("c", 100.5)]


def test_a_late_item_does_not_delay_those_after_it() -> None:
    time, left = Time(), []
    for item in paced("abcd", 1.0, time.wait, lambda: time.now_s):
        left.append((item, time.now_s))
        time.wait(1.6 if item == "a" else 0.1)
    assert left == [("a", 100.0), ("b", pytest.approx(101.6)), ("c", pytest.approx(102.0)), ("d", pytest.approx(103.0))]
