from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from schemas.surveys.lsst import LsstSchemas
from schemas.taxonomy import CLASSES
from streamer.processors.decode import Decode
from streamer.simulate import night
from streamer.simulate.night import MAX_DAYS, NightPlan, check_plan, packet_count, simulate_night
from streamer.simulate.observing.cadence import START_SPREAD_DAYS
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.sky.mixture import POPULATIONS
from streamer.simulate.source import SimulatorSource

SURVEYS = ("ztf", "lsst")


@pytest.mark.parametrize(
    ("rate", "duration", "count"), [(1.0, 1.0, 1), (7.0, 3.0, 21), (0.5, 0.1, 1), (2.5, 60.0, 150)]
)
def test_a_rate_for_so_long_is_so_many_packets_and_one_at_least(rate: float, duration: float, count: int) -> None:
    assert packet_count(rate, duration) == count


@pytest.mark.parametrize(
    ("rate", "duration", "says"),
    [
        (0.0, 1.0, "the rate must be a number above 0"),
        (1.0, -1.0, "the duration must be a number above 0"),
        (math.inf, 1.0, "the rate must be a number above 0"),
        (math.nan, 1.0, "the rate must be a number above 0"),
        (1e300, 1e300, "at most 1,000,000,000 packets"),
    ],
)
def test_a_rate_or_a_duration_that_makes_no_packets_is_refused(rate: float, duration: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        packet_count(rate, duration)


@pytest.mark.parametrize("survey", SURVEYS)
@pytest.mark.parametrize("count", [1, 7, 150])
def test_a_night_has_exactly_as_many_packets_as_are_asked_for(survey: str, count: int) -> None:
    assert sum(1 for _ in simulate_night(NightPlan(survey, count, 1))) == count


@pytest.mark.parametrize("survey", SURVEYS)
def test_equal_plans_give_equal_bytes_and_another_seed_gives_others(survey: str) -> None:
    first = [packet.payload for packet in simulate_night(NightPlan(survey, 60, 3))]
    again = [packet.payload for packet in simulate_night(NightPlan(survey, 60, 3))]
    other = [packet.payload for packet in simulate_night(NightPlan(survey, 60, 4))]
    assert first == again
    assert not set(first) & set(other)


@pytest.mark.parametrize("survey", SURVEYS)
@pytest.mark.parametrize("nights", [1, 3])
def test_groups_follow_one_another_without_repeating_an_id(
    survey: str, nights: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night, "PACKETS_PER_GROUP", 40)
    packets = list(simulate_night(NightPlan(survey, 100, 2, nights)))
    groups = [{packet.object_id for packet in packets[i : i + 40]} for i in range(0, 100, 40)]
    assert len(packets) == len({packet.alert_id for packet in packets}) == 100
    assert not groups[0] & groups[1]
    assert not groups[1] & groups[2]
    assert all(a.mjd_tai <= b.mjd_tai for a, b in pairwise(packets))


@pytest.mark.parametrize("survey", SURVEYS)
def test_the_last_night_that_can_be_asked_for_still_has_room_in_its_ids(
    survey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night, "PACKETS_PER_GROUP", 1)
    packets = list(simulate_night(NightPlan(survey, 3, START_SPREAD_DAYS - 1, MAX_DAYS // 3)))
    assert len({packet.alert_id for packet in packets}) == 3
    assert all(0 < packet.alert_id < 2**63 for packet in packets)


def _night(request: pytest.FixtureRequest, survey: str) -> list[SimulatedPacket]:
    return [packet for packet, _ in request.getfixturevalue(f"{survey}_night")]


@pytest.mark.parametrize("survey", SURVEYS)
def test_alert_ids_are_distinct_and_times_do_not_go_back(survey: str, request: pytest.FixtureRequest) -> None:
    packets = _night(request, survey)
    assert len({packet.alert_id for packet in packets}) == len(packets) == 600
    assert np.all(np.diff([packet.mjd_tai for packet in packets]) >= 0.0)


@pytest.mark.parametrize("survey", SURVEYS)
def test_objects_come_back_over_nights(survey: str, request: pytest.FixtureRequest) -> None:
    nights: dict[str, set[int]] = {}
    for packet in _night(request, survey):
        nights.setdefault(packet.object_id, set()).add(math.floor(packet.mjd_tai))
    assert sum(len(seen) >= 3 for seen in nights.values()) >= 15


@pytest.mark.parametrize("survey", SURVEYS)
def test_a_rich_night_shows_every_broad_class(survey: str, request: pytest.FixtureRequest) -> None:
    packets = _night(request, survey)
    assert {packet.type for packet in packets} <= {population.type for population in POPULATIONS}
    assert {packet.label for packet in packets} == {*CLASSES, None}


@pytest.mark.parametrize("survey", SURVEYS)
def test_only_the_types_asked_for_are_shown(survey: str) -> None:
    packets = simulate_night(NightPlan(survey, 30, 1, mixture="rich", only=("SN Ia", "TDE")))
    assert {packet.type for packet in packets} == {"SN Ia", "TDE"}


@pytest.mark.parametrize("survey", SURVEYS)
def test_the_reader_takes_every_packet_and_sees_the_truth(survey: str) -> None:
    source = SimulatorSource(NightPlan(survey, 120, 5, mixture="rich"))
    batches, rejected = Decode(LsstSchemas(None))(list(source))
    assert not rejected
    assert sum(len(batch) for batch in batches) == len(source) == 120
    truth = {packet.alert_id: packet for packet in simulate_night(source.plan)}
    for batch in batches:
        for alert_id, object_id, mjd in zip(batch.alert_id, batch.object_id, batch.mjd_tai, strict=True):
            assert truth[int(alert_id)].object_id == object_id
            assert truth[int(alert_id)].mjd_tai == pytest.approx(mjd, abs=1e-7)
            assert source.types[object_id] == truth[int(alert_id)].type


def test_a_source_gives_each_packet_coordinates_of_its_own() -> None:
    source = SimulatorSource(NightPlan("ztf", 20, 9))
    coordinates = [packet.coordinates for packet in source]
    assert [c.offset for c in coordinates] == list(range(20))
    assert {(c.origin, c.stream, c.partition) for c in coordinates} == {("simulator:ztf:9", "", 0)}
    assert [packet.coordinates for packet in source] == coordinates


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (NightPlan("panstarrs", 1), "expected one of ztf, lsst"),
        (NightPlan("ztf", 0), "at least one packet"),
        (NightPlan("ztf", 1, nights=0), "at least one night"),
        (NightPlan("lsst", 10**9), "nights hold at most"),
        (NightPlan("ztf", 1, -1), "the seed must be 0 or more"),
        (NightPlan("ztf", 1, mixture="poor"), "expected one of sky, rich"),
        (NightPlan("ztf", 1, only=("SN Ia", "UFO")), "unknown type 'UFO'"),
    ],
)
def test_plans_that_make_no_night_are_refused(plan: NightPlan, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_plan(plan)
    with pytest.raises(ValueError, match=says):
        simulate_night(plan)
    with pytest.raises(ValueError, match=says):
        SimulatorSource(plan)
