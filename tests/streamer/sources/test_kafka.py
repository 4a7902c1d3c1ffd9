"""The source's own arithmetic, with clusters that are not there: positions, batches, and how often it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.packet import Coordinates, Packet
from streamer.kafka.cluster import Cluster, Unreachable
from streamer.kafka.lane import Lane
from streamer.kafka.topics import Topics
from streamer.sources import kafka as module
from streamer.sources.kafka import KafkaSource, Stream


def packet(offset: int, payload: bytes = b"bytes") -> Packet:
    return Packet(Coordinates("rubin", "alerts", 0, offset), payload, 0.0, None)


class OpenGate:
    def check(self, payload: bytes) -> str | None:
        return None


@pytest.fixture
def source() -> Iterator[Any]:
    """Two streams of one cluster, and one of the home cluster."""
    home, rubin = (Cluster(name, "127.0.0.1:9", {}, 1_000_000) for name in ("home", "rubin"))
    streams = [Stream(rubin, ("alerts",), "earliest", 0, 0), Stream(rubin, ("more",), "earliest", 0, 0)]
    streams.append(Stream(home, ("own",), "earliest", 0, 0))
    made = KafkaSource(home, streams, Topics("t"), "g", "s", 10.0, 1_000_000, OpenGate(), lambda kind, text: None, 3)
    yield made
    made.close()


def test_a_position_lies_behind_the_furthest_packet_in_whatever_order_they_come(source: Any) -> None:
    (at,) = source.positions([packet(4), packet(9), packet(7)])
    assert at.offset == 10


def test_a_lane_that_was_begun_has_its_position_committed_once(source: Any) -> None:
    source._started[Lane("rubin", "alerts", 3)] = 17
    (at,) = source.positions([])
    assert (at.topic, at.partition, at.offset) == ("t.positions.rubin.alerts", 3, 17)
    source.committed()
    assert source.positions([]) == []


def test_a_batch_is_full_by_its_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_MAX_BYTES", 10)
    batch = module._Batch(100)
    batch.add(packet(0, b"123456789"))
    assert not batch.is_full
    batch.add(packet(1, b"0"))
    assert batch.is_full


def test_a_cluster_is_asked_once_for_its_topics_and_only_what_is_new_or_grew_gets_stand_ins(
    source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    made: list[tuple[str, int, int]] = []
    there = {"alerts": 2, "more": 1, "own": 4}

    def partitions(name: str) -> dict[str, int]:
        asked.append(name)
        return there

    for name, fetcher in source._fetchers.items():
        monkeypatch.setattr(fetcher, "partitions", lambda name=name: partitions(name))
    monkeypatch.setattr(module, "make_positions", lambda admin, *topic: made.append(topic))
    source._look_for_topics()
    assert sorted(asked) == ["home", "rubin"]
    assert made == [("t.positions.rubin.alerts", 2, 3), ("t.positions.rubin.more", 1, 3)]
    made.clear()
    source._look_for_topics()
    assert made == []
    there["more"] = 5
    source._look_for_topics()
    assert made == [("t.positions.rubin.more", 5, 3)]


def test_a_cluster_that_did_not_answer_is_not_asked_at_once_again(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def partitions() -> dict[str, int]:
        nonlocal asked
        asked += 1
        raise Unreachable("the cluster is away")

    monkeypatch.setattr(source._fetchers["rubin"], "partitions", partitions)
    monkeypatch.setattr(source._fetchers["home"], "partitions", dict)
    source._look_for_topics()
    source._look_for_topics()
    assert asked == 1
    assert "the cluster is away" in source._missing
