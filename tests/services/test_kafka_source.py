"""Where a source begins, on a real Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamer.kafka.cluster import Cluster
from streamer.kafka.topics import Topics
from streamer.sources.kafka import KafkaSource, Stream
from tests.services.fixtures import Kafka
from tests.services.running import unique, until


class Open:
    """Lets every packet through."""

    def check(self, payload: bytes) -> str | None:
        return None


@contextmanager
def source_of(kafka: Kafka, *topics: str) -> Iterator[KafkaSource]:
    home = Cluster("home", kafka.bootstrap, {"security.protocol": "plaintext"}, 8_000_000)
    streams = [Stream(home, topics, "latest", 0, 0)]
    names, group = Topics(unique("source")), unique("group")
    made = KafkaSource(home, streams, names, group, "slot", 6.0, 2**24, Open(), lambda kind, text: None, 1)
    try:
        yield made
    finally:
        made.close()


def taker(source: KafkaSource) -> Callable[[], list[bytes]]:
    """Gives all payloads that came so far."""
    taken: list[bytes] = []

    def take() -> list[bytes]:
        taken.extend(packet.payload for packet in source.poll(100, 0.1))
        return taken

    return take


def test_latest_passes_over_what_was_there_and_nothing_that_comes_later(kafka: Kafka) -> None:
    old, late = kafka.topic("old"), unique("late")
    kafka.produce(old, [(None, b"before")])
    with source_of(kafka, old, late) as source:
        take = taker(source)
        until(lambda: take() or source.lanes, "the first topic is ours")
        kafka.make(late)
        kafka.produce(late, [(None, b"first of the late one")])
        kafka.produce(old, [(None, b"after")])
        until(lambda: len(take()) == 2, "both messages have come")
        assert sorted(take()) == [b"after", b"first of the late one"]
