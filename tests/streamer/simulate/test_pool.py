"""A pooled packet is a packet like any other: only who it is of, when and where it was seen has changed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import fastavro
import numpy as np
import pytest

from schemas.surveys.lsst import LsstSchemas
from schemas.surveys.tables import survey_schema
from streamer.processors.decode import Decode
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.offered import PooledNight, of_late
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.pool import COPIES, EAST_DEG, PacketPool, Turn
from tests.fakes import packets as as_packets

SURVEYS = ("ztf", "lsst")
TURN = Turn(copy=3, visit=0, nights=2)


@pytest.fixture(scope="module", params=SURVEYS)
def made(request: pytest.FixtureRequest) -> list[SimulatedPacket]:
    """Packets of ten nights, so that some objects come back."""
    return list(simulate_night(NightPlan(request.param, 120, 3, nights=10, mixture="rich")))


@pytest.fixture(scope="module")
def pool(made: list[SimulatedPacket]) -> PacketPool:
    return PacketPool(made[0].survey, [packet.payload for packet in made])


def record_of(survey: str, payload: bytes) -> dict[str, Any]:
    if survey == "ztf":
        return next(iter(fastavro.reader(io.BytesIO(payload))))  # type: ignore[return-value]
    schema = fastavro.parse_schema(survey_schema("lsst", "11.1"))
    return fastavro.schemaless_reader(io.BytesIO(payload[5:]), schema, None)  # type: ignore[return-value]


def leaves(record: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each value with its field's name."""
    if isinstance(record, dict):
        for key, value in record.items():
            yield from leaves(value, key)
    elif isinstance(record, list):
        for item in record:
            yield from leaves(item, name)
    else:
        yield name, record


def changes(pool: PacketPool, made: list[SimulatedPacket], turn: Turn) -> Iterator[tuple[str, Any, Any]]:
    """(field, before, after) of every value of every packet that is not the same."""
    for place, kept in enumerate(pool.kept):
        before = leaves(record_of(pool.survey, made[kept].payload))
        after = leaves(record_of(pool.survey, pool.packet(place, turn)))
        for (name, old), (same_name, new) in zip(before, after, strict=True):
            assert name == same_name
            if old != new and not (old != old and new != new):
                yield name, old, new


CHANGED = {
    "ztf": "objectId candid pid nid jd jdstarthist jdendhist ra ranr".split(),
    "lsst": (
        "diaSourceId diaForcedSourceId diaObjectId visit midpointMjdTai timeProcessedMjdTai validityStartMjdTai ra "
        "trailRa"
    ).split(),
}


def test_ids_times_and_right_ascensions_change_and_nothing_else(pool: PacketPool, made: list[SimulatedPacket]) -> None:
    assert {name for name, _, _ in changes(pool, made, TURN)} == set(CHANGED[pool.survey])


def test_one_id_becomes_one_id_wherever_it_stands(pool: PacketPool, made: list[SimulatedPacket]) -> None:
    # A source's number may be an object's too, as in Rubin's own packets, and stays the same for both.
    ids = {(old, new) for name, old, new in changes(pool, made, TURN) if name.endswith(("Id", "id"))}
    assert len({old for old, _ in ids}) == len({new for _, new in ids}) == len(ids) > 500


def test_times_move_by_whole_nights_and_visits_and_nights_with_them(
    pool: PacketPool, made: list[SimulatedPacket]
) -> None:
    for name, old, new in changes(pool, made, TURN):
        if name.startswith("jd") or name.endswith("MjdTai") or name == "nid":
            assert new - old == TURN.nights
        elif name == "visit":
            dates = [np.datetime64(f"{n // 10**9}-{n // 10**7 % 100:02d}-{n // 10**5 % 100:02d}") for n in (old, new)]
            assert dates[1] - dates[0] == np.timedelta64(TURN.nights, "D")
            assert new % 10**5 == old % 10**5


def test_each_copy_lies_further_east(pool: PacketPool, made: list[SimulatedPacket]) -> None:
    for name, old, new in changes(pool, made, TURN):
        if name in ("ra", "ranr", "trailRa"):
            assert (new - old) % 360.0 == pytest.approx(TURN.copy * EAST_DEG)


def test_the_reader_takes_every_pooled_packet_and_finds_the_ids_that_the_pool_names(pool: PacketPool) -> None:
    payloads = [pool.packet(place, TURN) for place in range(len(pool))]
    batches, rejected = Decode(LsstSchemas(None))(as_packets(payloads))
    assert not rejected
    read = {(int(a), o) for batch in batches for a, o in zip(batch.alert_id, batch.object_id, strict=True)}
    assert read == {(pool.alert_id(place, TURN), pool.object_id(place, TURN)) for place in range(len(pool))}
    assert len(read) == len(pool)


def ids_of(pool: PacketPool, turn: Turn) -> set[int]:
    return {pool.alert_id(place, turn) for place in range(len(pool))}


def objects_of(pool: PacketPool, turn: Turn) -> set[str]:
    return {pool.object_id(place, turn) for place in range(len(pool))}


def test_no_copy_shares_an_alert_or_an_object_with_another(pool: PacketPool) -> None:
    turns = [Turn(copy) for copy in (0, 1, 2, 50, 51)]
    for one, other in pairwise(turns):
        assert not ids_of(pool, one) & ids_of(pool, other)
        assert not objects_of(pool, one) & objects_of(pool, other)


def test_another_visit_is_another_alert_of_the_same_object_with_the_same_history(pool: PacketPool) -> None:
    first, second = Turn(copy=1, visit=0), Turn(copy=1, visit=1)
    assert objects_of(pool, first) == objects_of(pool, second)
    assert not ids_of(pool, first) & ids_of(pool, second)
    before = leaves(record_of(pool.survey, pool.packet(5, first)))
    after = leaves(record_of(pool.survey, pool.packet(5, second)))
    other = {name for (name, old), (_, new) in zip(before, after, strict=True) if old != new and old == old}
    assert other == {"candid"} if pool.survey == "ztf" else other == {"diaSourceId"}


def test_turns_may_be_taken_to_and_fro(pool: PacketPool) -> None:
    turns = [Turn(5), Turn(6), Turn(7)]
    once = [pool.packet(9, turn) for turn in turns]
    assert [pool.packet(9, turn) for turn in reversed(turns)] == once[::-1]
    assert len(set(once)) == 3


def test_lanes_share_no_id_and_equal_turns_are_equal_bytes(pool: PacketPool, made: list[SimulatedPacket]) -> None:
    again, other = (PacketPool(pool.survey, [packet.payload for packet in made], lane) for lane in (0, 1))
    assert pool.packet(7, TURN) == again.packet(7, TURN)
    assert not ids_of(pool, Turn()) & ids_of(other, Turn())
    assert not objects_of(pool, Turn()) & objects_of(other, Turn())


def test_asteroids_of_lsst_are_left_out(pool: PacketPool, made: list[SimulatedPacket]) -> None:
    left_out = {packet.type for place, packet in enumerate(made) if place not in pool.kept}
    assert left_out == ({"asteroid"} if pool.survey == "lsst" else set())


def test_more_turns_than_the_ids_have_room_for_are_refused(pool: PacketPool) -> None:
    with pytest.raises(ValueError, match="have room for"):
        pool.packet(0, Turn(copy=COPIES - 1, visit=10**9))


def test_packets_without_an_object_make_no_pool() -> None:
    asteroids = simulate_night(NightPlan("lsst", 3, only=("asteroid",)))
    with pytest.raises(ValueError, match="none of 3 LSST packets names an object"):
        PacketPool("lsst", [packet.payload for packet in asteroids])


@pytest.mark.parametrize("survey", SURVEYS)
def test_a_pooled_night_is_as_long_as_asked_for_and_repeats_no_alert(survey: str) -> None:
    plan = NightPlan(survey, 100, 5, mixture="rich")
    packets = list(PooledNight(plan, 30))
    assert len(packets) == len({packet.alert_id for packet in packets}) == 100
    assert [packet.payload for packet in packets] == [packet.payload for packet in PooledNight(plan, 30)]
    batches, rejected = Decode(LsstSchemas(None))(as_packets([packet.payload for packet in packets]))
    assert not rejected
    told = {packet.alert_id: packet for packet in packets}
    for batch in batches:
        for alert_id, object_id, mjd in zip(batch.alert_id, batch.object_id, batch.mjd_tai, strict=True):
            assert told[int(alert_id)].object_id == object_id
            assert told[int(alert_id)].mjd_tai == pytest.approx(mjd, abs=1e-7)


def test_a_pool_of_late_was_seen_within_the_last_day() -> None:
    from time import time

    from schemas.times import unix_from_mjd_tai

    packets = list(PooledNight(NightPlan("ztf", 20, 5), 10, of_late))
    latest = float(unix_from_mjd_tai(np.array([max(packet.mjd_tai for packet in packets)]))[0])
    assert 0.0 <= time() - latest <= 86_400.0
