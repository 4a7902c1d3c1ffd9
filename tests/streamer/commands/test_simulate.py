"""A simulated night goes to a folder, an archive or Kafka, and options belong to one of them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from streamer.commands.simulate import KAFKA, check_alone, check_options, plan_of
from streamer.commands.simulate_kafka import schedule_of, topic_of
from streamer.errors import UserError
from streamer.simulate.night import NightPlan
from streamer.simulate.pace import VISIT_S, Visits

PLAN = NightPlan("lsst", 20_000)


def test_tonights_topics_are_called_as_the_surveys_call_them() -> None:
    assert topic_of("ztf", date(2026, 11, 21), None) == "ztf_20261121_programid1"
    assert topic_of("lsst", date(2026, 11, 21), None) == "lsst-alerts-v11"
    assert topic_of("lsst", date(2026, 11, 21), "9.0") == "lsst-alerts-v9"


@pytest.mark.parametrize("place", ["night", "night.tar.gz", f"./{KAFKA}"])
def test_what_is_for_kafka_is_refused_with_files(place: str) -> None:
    check_options(KAFKA, {"--topic": "a"}, {})
    check_options(place, {"--topic": None, "--unpaced": False}, {"--report": True})
    with pytest.raises(UserError, match=r"^--topic is for `--to kafka`"):
        check_options(place, {"--unpaced": False, "--topic": "a"}, {})


def test_what_is_for_files_is_refused_with_kafka() -> None:
    with pytest.raises(UserError, match=r"^--report is for files"):
        check_options(KAFKA, {}, {"--report": True})


def test_the_options_make_a_plan() -> None:
    plan = plan_of("ztf", 2.0, 30.0, 4, nights=3, mixture="rich", only="SN Ia, TDE", schema="4.01")
    assert plan == NightPlan("ztf", 60, 4, 3, "rich", ("SN Ia", "TDE"), "4.01")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rate_per_s": 0.0}, "the rate must be a number above 0"),
        ({"nights": 0}, "at least one night"),
        ({"mixture": "poor"}, "expected one of sky, rich"),
        ({"only": "UFO"}, "unknown type 'UFO'"),
        ({"schema": "4.01"}, "unknown LSST schema '4.01'"),
    ],
)
def test_options_that_make_no_plan_are_one_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        plan_of(**{"survey": "lsst", "rate_per_s": 1.0, "duration_s": 1.0, "seed": 0} | options)


def test_packets_are_due_evenly_or_at_once_or_by_visits() -> None:
    evenly = schedule_of(PLAN, 4.0, unpaced=False, visits=False, burst=None)
    assert evenly is not None
    assert [evenly(place) for place in range(3)] == [0.0, 0.25, 0.5]
    assert schedule_of(PLAN, 4.0, unpaced=True, visits=False, burst=None) is None
    visits = schedule_of(PLAN, 5_000 / VISIT_S, unpaced=False, visits=True, burst=10_000)
    assert isinstance(visits, Visits)
    assert visits.sizes == (5_000, 10_000, 5_000)


@pytest.mark.parametrize(
    ("unpaced", "visits", "burst", "says"),
    [(True, True, None, "give one of them"), (False, False, 9, "add --visits"), (False, True, 10**6, "holds them")],
)
def test_schedules_that_contradict_themselves_are_one_line(
    unpaced: bool, visits: bool, burst: int | None, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        schedule_of(PLAN, 4.0, unpaced, visits, burst)


def test_a_comparison_takes_no_option_of_a_night() -> None:
    check_alone("--compare", "simulates nights of its own", {"--pool": None, "--report": False, "--nights": False})
    with pytest.raises(UserError, match="--compare simulates nights of its own: leave --pool out"):
        check_alone("--compare", "simulates nights of its own", {"--report": False, "--pool": 4})
