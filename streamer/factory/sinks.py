"""Sinks that follow our topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from schemas.messages import ContainerEncoder, FramedEncoder
from schemas.wire import DEAD_LETTER, schema_text
from streamer.factory.clusters import open_clusters, open_registry, password_of
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.settings.service import HOME, SinkSettings
from streamer.sinks.acknowledged import AcknowledgedProducer
from streamer.sinks.folder_lock import only_writer
from streamer.sinks.following import Destination, Follower, Limits, asking
from streamer.sinks.kafka import KafkaDeadLetterSink
from streamer.sinks.lance import LanceSink
from streamer.sinks.mongodb import MongodbSink
from streamer.sinks.nightly_parquet import NightlyParquet
from streamer.sinks.subscription import Subscription

SinkKind = Literal["parquet", "lancedb", "mongodb"]
"""Tables that `streamer sink` writes."""


@contextmanager
def open_sink(settings: Settings, kind: SinkKind, is_stopping: Callable[[], bool]) -> Iterator[Follower]:
    """A sink over the home cluster's topics, alone in its folder and its group.

    SinkError where the table is not ours to write, KafkaFailure where the cluster refuses or has no such topics,
    Unreachable where it is away: each is a UserError.
    """
    home, topics = open_clusters(settings)[HOME], Topics(settings.kafka.topic_prefix)
    public, restricted = topics.scored, topics.scored_restricted
    if kind == "lancedb":
        public, restricted = topics.embeddings, topics.embeddings_restricted
    with ExitStack() as stack:
        destination = stack.enter_context(_open_destination(settings.sinks, kind))
        registry = open_registry(settings.kafka.registry)
        letters: ContainerEncoder | FramedEncoder = ContainerEncoder(DEAD_LETTER)
        if registry is not None:
            stack.callback(registry.close)
            schema_id = registry.register(f"{topics.dead_letters}-value", schema_text(DEAD_LETTER))
            letters = FramedEncoder(DEAD_LETTER, schema_id)
        subscription = Subscription(
            home,
            [public, restricted] if settings.sinks.restricted == "include" else [public],
            f"{settings.deployment}.sink.{kind}",
            kind,
            settings.kafka.session_timeout_s,
        )
        stack.callback(subscription.close)
        producer = AcknowledgedProducer(home)
        yield Follower(
            subscription,
            home.name,
            destination,
            KafkaDeadLetterSink(producer.send, topics, letters, home.message_max_bytes),
            producer,
            None if registry is None else asking(registry),
            Limits(settings.sinks.max_rows, settings.sinks.max_wait_s, settings.sinks.quiet_s),
            is_stopping,
        )


@contextmanager
def _open_destination(settings: SinkSettings, kind: SinkKind) -> Iterator[Destination]:
    if kind == "mongodb":
        at = settings.mongodb
        sink = MongodbSink(at.uri, at.database, at.username, password_of(at))
        try:
            yield sink
        finally:
            sink.close()
        return
    folder = Path(settings.parquet_folder if kind == "parquet" else settings.lancedb_folder)
    with only_writer(folder):
        yield NightlyParquet(folder) if kind == "parquet" else LanceSink(folder)
