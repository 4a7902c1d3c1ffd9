"""Packets leave evenly, and nothing is late because something else was."""

from __future__ import annotations

import pytest

from streamer.simulate.pace import VISIT_S, Visits, evenly, paced


class Time:
    """A clock that only waiting, and whoever takes long, moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def test_items_leave_evenly_from_the_first_on() -> None:
    time = Time()
    left = [(item, time.now_s) for item in paced("abc", evenly(4.0), time.wait, lambda: time.now_s)]
    assert left == [("a", 100.0), ("b", 100.25), ("c", 100.5)]


def test_a_late_item_does_not_delay_those_after_it() -> None:
    time, left = Time(), []
    for item in paced("abcd", evenly(1.0), time.wait, lambda: time.now_s):
        left.append((item, time.now_s))
        time.wait(1.6 if item == "a" else 0.1)
    assert left == [("a", 100.0), ("b", pytest.approx(101.6)), ("c", pytest.approx(102.0)), ("d", pytest.approx(103.0))]


def test_the_packets_of_a_visit_are_due_at_once_and_the_next_visit_later() -> None:
    visits = Visits(4 / VISIT_S, packets=10, burst=None)
    assert visits.sizes == (4, 4, 2)
    assert [visits(place) for place in range(10)] == [0.0] * 4 + [VISIT_S] * 4 + [2 * VISIT_S] * 2


def test_a_rate_of_270_packets_a_second_is_ten_thousand_a_visit() -> None:
    assert Visits(270.3, packets=20_000, burst=None).sizes[0] == pytest.approx(10_000, rel=1e-3)


def test_a_burst_is_one_visit_amid_the_run() -> None:
    visits = Visits(2 / VISIT_S, packets=15, burst=9)
    assert visits.sizes == (2, 9, 2, 2) or visits.sizes == (2, 2, 9, 2)
    assert sum(visits.sizes) == 15
    begin = visits.sizes.index(9) * 2
    assert {visits(place) for place in range(begin, begin + 9)} == {VISIT_S * visits.sizes.index(9)}


@pytest.mark.parametrize(
    ("rate", "burst", "says"), [(0.001, None, "less than one a visit"), (1.0, 11, "needs a run that holds them")]
)
def test_visits_that_hold_nothing_and_bursts_larger_than_the_run_are_refused(
    rate: float, burst: int | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Visits(rate, packets=10, burst=burst)
