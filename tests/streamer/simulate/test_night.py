from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from schemas.surveys.lsst import LsstSchemas
from schemas.taxonomy import CLASSES
from streamer.processors.decode import Decode
from streamer.simulate import night
from streamer.simulate.night import simulate_night
from streamer.simulate.observing.cadence import NIGHTS, START_SPREAD_DAYS, draw_exposures
from streamer.simulate.observing.cadence import SURVEYS as SURVEYS_SEEN
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.lsst.packets import LsstPackets
from streamer.simulate.ztf.packets import ZtfPackets
from streamer.simulate.sky.populations import INTERESTING, deal
from streamer.simulate.scene import draw_field
from streamer.simulate.source import SimulatorSource

SURVEYS = ("ztf", "lsst")


@pytest.mark.parametrize("survey", SURVEYS)
@pytest.mark.parametrize(
    ("rate", "duration", "count"), [(1.0, 1.0, 1), (7.0, 3.0, 21), (0.5, 0.1, 1), (2.5, 60.0, 150)]
)
def test_a_night_has_exactly_rate_times_duration_packets(survey: str, rate: float, duration: float, count: int) -> None:
    assert sum(1 for _ in simulate_night(survey, rate, duration, 1)) == count


@pytest.mark.parametrize("survey", SURVEYS)
def test_equal_arguments_give_equal_bytes_and_another_seed_gives_others(survey: str) -> None:
    first = [packet.payload for packet in simulate_night(survey, 10.0, 6.0, 3)]
    again = [packet.payload for packet in simulate_night(survey, 10.0, 6.0, 3)]
    other = [packet.payload for packet in simulate_night(survey, 10.0, 6.0, 4)]
    assert first == again
    assert not set(first) & set(other)


@pytest.mark.parametrize("survey", SURVEYS)
def test_fields_follow_one_another_without_repeating_an_id(survey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "PACKETS_PER_FIELD", 40)
    packets = list(simulate_night(survey, 10.0, 10.0, 2))
    fields = [{packet.object_id for packet in packets[i : i + 40]} for i in range(0, 100, 40)]
    assert len(packets) == 100
    assert len({packet.alert_id for packet in packets}) == 100
    assert not fields[0] & fields[1]
    assert not fields[1] & fields[2]
    assert all(a.mjd_tai <= b.mjd_tai for a, b in pairwise(packets))


@pytest.mark.parametrize("survey", SURVEYS)
def test_the_last_field_of_the_longest_night_still_has_room_in_its_ids(survey: str) -> None:
    field = draw_field(survey, START_SPREAD_DAYS - 1, night.MAX_FIELDS - 1, 20, INTERESTING)
    packets = list((ZtfPackets(field) if survey == "ztf" else LsstPackets(field)).packets())
    assert len({packet.alert_id for packet in packets}) == len(packets) >= 20
    assert all(0 < packet.alert_id < 2**63 for packet in packets)


@pytest.mark.parametrize("survey", SURVEYS)
def test_any_seed_gives_a_field_with_a_month_of_exposures(survey: str) -> None:
    for seed in range(300):
        rng = np.random.default_rng(seed)
        exposures = draw_exposures(rng, SURVEYS_SEEN[survey], 61_000.0)
        assert np.all(np.diff(exposures.mjd_tai) > 0.0)
        first = exposures.mjd_tai[exposures.emitted_from]
        assert 61_000.0 <= first < 61_006.0
        assert exposures.mjd_tai[-1] > 61_000.0 + NIGHTS - 6.0
        assert exposures.mjd_tai[0] < 61_000.0 - SURVEYS_SEEN[survey].lookback_days


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
def test_a_night_shows_every_class(survey: str, request: pytest.FixtureRequest) -> None:
    packets = _night(request, survey)
    assert {packet.type for packet in packets} == {population.type for population in INTERESTING}
    assert {packet.label for packet in packets} == {*CLASSES, None}


@pytest.mark.parametrize("survey", SURVEYS)
def test_the_reader_takes_every_packet(survey: str) -> None:
    packets = list(SimulatorSource(survey, 10.0, 12.0, 5))
    batches, rejected = Decode(LsstSchemas(None))(packets)
    assert not rejected
    assert sum(len(batch) for batch in batches) == len(packets) == len(SimulatorSource(survey, 10.0, 12.0, 5)) == 120


def test_the_reader_sees_the_truth(ztf_night: list[tuple[SimulatedPacket, object]]) -> None:
    truth = {packet.alert_id: packet for packet, _ in ztf_night}
    packets = list(SimulatorSource("ztf", 60.0, 10.0, 7))
    batches, _ = Decode(LsstSchemas(None))(packets)
    for batch in batches:
        for alert_id, object_id, mjd in zip(batch.alert_id, batch.object_id, batch.mjd_tai, strict=True):
            assert truth[int(alert_id)].object_id == object_id
            assert truth[int(alert_id)].mjd_tai == pytest.approx(mjd, abs=1e-7)


def test_a_source_gives_each_packet_coordinates_of_its_own() -> None:
    source = SimulatorSource("ztf", 5.0, 4.0, 9)
    coordinates = [packet.coordinates for packet in source]
    assert [c.offset for c in coordinates] == list(range(20))
    assert {(c.origin, c.stream, c.partition) for c in coordinates} == {("simulator:ztf:9", "", 0)}
    assert [packet.coordinates for packet in source] == coordinates


def test_classes_are_dealt_by_their_shares() -> None:
    counts = Counter(deal(0, 2000, INTERESTING).tolist())
    for which, population in enumerate(INTERESTING):
        assert abs(counts[which] - 2000 * population.share) <= 2.0
    assert deal(0, 30, INTERESTING)[10:].tolist() == deal(10, 20, INTERESTING).tolist()


def test_shares_of_the_mixture_add_up_to_one() -> None:
    assert sum(population.share for population in INTERESTING) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("panstarrs", 1.0, 1.0, 1), "expected one of ztf, lsst"),
        (("ztf", 0.0, 1.0, 1), "the rate must be a number above 0"),
        (("ztf", 1.0, -1.0, 1), "the duration must be a number above 0"),
        (("ztf", math.inf, 1.0, 1), "the rate must be a number above 0"),
        (("ztf", math.nan, 1.0, 1), "the rate must be a number above 0"),
        (("lsst", 1e300, 1e300, 1), "at most 750,000 packets"),
        (("ztf", 1.0, 1.0, -1), "the seed must be 0 or more"),
    ],
)
def test_arguments_that_make_no_night_are_refused(arguments: tuple[str, float, float, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        simulate_night(*arguments)
