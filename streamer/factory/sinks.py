"""Sinks that follow our topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, TypeVar, get_args

from schemas.messages import ContainerEncoder, FramedEncoder
from schemas.wire import DEAD_LETTER, schema_text
from streamer.factory.clusters import open_clusters, open_registry, password_of
from streamer.factory.waiting import wait_for
from streamer.health import Health, HealthServer, software_version
from streamer.kafka.offsets import Partition
from streamer.kafka.slot import host_name
from streamer.kafka.topics import Topics
from streamer.logs import counting
from streamer.metrics import SinkMetrics
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
"""Tables that `streamer sink` writes; from `metrics.sinks_port` on, each has the next port."""

SILENCE_MAX_S = 600.0
"""A sink that has done nothing for so long is not alive [s]: it may join the files of a night, which takes minutes."""

T = TypeVar("T")


@contextmanager
def open_sink(
    settings: Settings, kind: SinkKind, is_stopping: Callable[[], bool], watch: Watch, shows: bool = True
) -> Iterator[Follower]:
    """A sink over the home cluster's topics, alone in its folder and its group; what is away is waited for.

    It shows its metrics and its health over HTTP, unless `shows` is false. SinkError where the table is not ours to
    write, KafkaFailure where the cluster refuses or has no such topics, Stopped: each is a UserError.
    """
    home, topics = open_clusters(settings)[HOME], Topics(settings.kafka.topic_prefix)
    public, restricted = topics.scored, topics.scored_restricted
    if kind == "lancedb":
        public, restricted = topics.embeddings, topics.embeddings_restricted
    with ExitStack() as stack:
        stack.enter_context(counting(watch.logged))
        if shows:
            stack.callback(watch.serve(settings, kind).stop)

        def patiently(ask: Callable[[], T]) -> T:
            return wait_for(ask, watch.alive, watch.failed, is_stopping)

        destination = stack.enter_context(_open_destination(settings.sinks, kind))
        registry = open_registry(settings.kafka.registry)
        letters: ContainerEncoder | FramedEncoder = ContainerEncoder(DEAD_LETTER)
        if registry is not None:
            stack.callback(registry.close)
            subject = f"{topics.dead_letters}-value"
            schema_id = patiently(lambda: registry.register(subject, schema_text(DEAD_LETTER)))
            letters = FramedEncoder(DEAD_LETTER, schema_id)
        subscription = patiently(
            lambda: Subscription(
                home,
                [public, restricted] if settings.sinks.restricted == "include" else [public],
                f"{settings.deployment}.sink.{kind}",
                kind,
                settings.kafka.session_timeout_s,
            )
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
            watch,
            is_stopping,
        )


class Watch:
    """What a sink shows of itself: its metrics, whether it moves, and whether its table and its cluster answer."""

    def __init__(self, settings: Settings, kind: SinkKind) -> None:
        self._metrics = SinkMetrics(
            sink=kind, deployment=settings.deployment, host=host_name(settings.host), software=software_version()
        )
        self.health = Health(("table", "cluster"), silence_max_s=SILENCE_MAX_S)

    def serve(self, settings: Settings, kind: SinkKind) -> HealthServer:
        """Shows it on the sink's port; ConfigurationError where that cannot be listened on."""
        at = settings.metrics
        server = HealthServer(
            at.address, at.sinks_port + get_args(SinkKind).index(kind), self._metrics.registry, self.health
        )
        server.start()
        return server

    def alive(self) -> None:
        """The sink waits for something, and goes on trying."""
        self.health.polled()

    def failed(self, kind: str, text: str) -> None:
        """Counts what went wrong before the first message."""
        self._metrics.failed(kind)

    def logged(self, level: str) -> None:
        """Counts a log line of warning and above."""
        self._metrics.logged(level)

    def polled(self, lag: Mapping[Partition, int], waiting: int) -> None:
        """Both answer, as far as is known."""
        self.health.polled()
        self.health.ready("cluster", True)
        self._metrics.lag(lag)
        self._metrics.waiting(waiting)
        if not waiting:
            self.health.ready("table", True)

    def written(self, messages: int, unreadable: int, seconds: float) -> None:
        """A batch is committed."""
        self.health.ready("table", True)
        self._metrics.written(messages, unreadable, seconds)
        self._metrics.waiting(0)

    def away(self, is_table: bool) -> None:
        """One of the two does not answer."""
        self.health.ready("table" if is_table else "cluster", False)
        self._metrics.failed("away")

    def back(self) -> None:
        """Both answer again."""
        self.health.ready("table", True)
        self.health.ready("cluster", True)


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
