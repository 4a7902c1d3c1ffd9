"""Messages outside of any transaction: more of them than the client's queue holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamer.kafka.cluster import Cluster, Unreachable
from streamer.sinks import acknowledged
from streamer.sinks.acknowledged import AcknowledgedProducer

ROOM = 10
"""Messages that the client's queue holds here."""


class FakeProducer:
    """Holds a few messages; a cluster that is up takes one at each poll."""

    def __init__(self, is_up: bool) -> None:
        self.is_up = is_up
        self.waiting: list[bytes] = []
        self.taken: list[bytes] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def produce(self, topic: str, value: bytes, key: bytes, on_delivery: Callable[..., None]) -> None:
        if len(self.waiting) >= ROOM:
            raise BufferError("Local: Queue full")
        self.waiting.append(value)

    def poll(self, timeout_s: float) -> int:
        if self.is_up:
            self.taken.append(self.waiting.pop(0))
        return int(self.is_up)


def sending(is_up: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[AcknowledgedProducer, FakeProducer]:
    fake = FakeProducer(is_up)
    monkeypatch.setattr(acknowledged, "Producer", lambda _: fake)
    return AcknowledgedProducer(Cluster("home", "broker:1", {}, 1_000_000)), fake


def test_a_full_queue_is_waited_out_and_no_message_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, fake = sending(True, monkeypatch)
    values = [str(number).encode() for number in range(5 * ROOM)]
    for value in values:
        producer.send("letters", b"k", value)
    assert fake.taken + fake.waiting == values


def test_a_full_queue_of_a_cluster_that_is_away_is_a_state_that_waiting_mends(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, fake = sending(False, monkeypatch)
    for number in range(ROOM):
        producer.send("letters", b"k", str(number).encode())
    with pytest.raises(Unreachable, match="has not taken 10 messages yet"):
        producer.send("letters", b"k", b"more")
    fake.is_up = True
    producer.send("letters", b"k", b"more")
    assert fake.waiting[-1] == b"more"
