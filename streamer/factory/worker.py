"""A worker of the always-on service: everything it stands on, waited for where it is away."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from schemas.assembling import warm_up as warm_up_assembling
from schemas.messages import ContainerEncoder, FramedEncoder
from schemas.projection import warm_up as warm_up_decoder
from schemas.surveys.identity import SURVEYS
from schemas.surveys.lsst import LsstSchemas
from schemas.wire import DEAD_LETTER, EMBEDDING, SCORED_ALERT, schema_text
from streamer.factory.clusters import BYTES_PER_MB, open_clusters, open_registry, password_of
from streamer.factory.pipeline import build_pipeline, load_classifier
from streamer.factory.waiting import wait_for
from streamer.health import Health, HealthServer, metrics_url, software_version
from streamer.kafka.cluster import Cluster, reach
from streamer.kafka.progress import DeploymentWatch
from streamer.kafka.slot import host_name, slot_name
from streamer.kafka.topics import Topics, create
from streamer.logs import about, counting
from streamer.metrics import WorkerMetrics
from streamer.settings import Settings
from streamer.settings.service import HOME, StreamSettings
from streamer.sinks.kafka import Encoder, KafkaDeadLetterSink, KafkaSink
from streamer.sinks.said_letters import SaidLetters
from streamer.sinks.transactions import Transactions
from streamer.sources.kafka import KafkaSource, Stream
from streamer.sources.schema_gate import SchemaGate, advice
from streamer.state.mongodb import MongodbObjectStore
from streamer.state.mongodb_database import Retention
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.store import ObjectStore
from streamer.worker import DeadLetterLimit, Worker

log = logging.getLogger(__name__)

REACH_S = 10.0
"""A cluster that has not answered after this time is away [s]."""

STORE_TIMEOUT_S = 5.0
"""A database that has not answered after this time is away [s]."""

T = TypeVar("T")


@contextmanager
def open_worker(settings: Settings, index: int, is_stopping: Callable[[], bool]) -> Iterator[Worker]:
    """A worker, warm and connected; what is away is waited for, while its health says so.

    ConfigurationError where the settings ask for what cannot be had; another UserError where a new start may help.
    """
    slot = slot_name(settings.host, index)
    with ExitStack() as stack:
        classifier = load_classifier(settings)
        address, port = settings.metrics.address, settings.metrics.port + index
        metrics = WorkerMetrics(
            deployment=settings.deployment,
            slot=slot,
            host=host_name(settings.host),
            software=software_version(),
            model=classifier.name,
            model_version=classifier.version,
            bundle_hash=classifier.bundle_hash,
            store=settings.state.store,
            metrics_url=metrics_url(address, port, socket.gethostname()),
        )
        for survey in SURVEYS:
            metrics.selects(survey, [selection.name for selection in getattr(settings.selections, survey)])
        stack.enter_context(counting(metrics.logged))
        health = Health(("models", "store", "assigned"))
        server = HealthServer(address, port, metrics.registry, health)
        server.start()
        stack.callback(server.stop)
        log.info("makes itself ready; the first start on a machine compiles, and that may take a minute")
        warm_up_decoder()
        warm_up_assembling()
        health.ready("models", True)

        def patiently(ask: Callable[[], T]) -> T:
            return wait_for(ask, health.polled, metrics.failed, is_stopping)

        clusters = open_clusters(settings)
        home = clusters[HOME]
        topics = Topics(settings.kafka.topic_prefix)
        patiently(lambda: reach(home, REACH_S))
        for topic in patiently(lambda: create(home, topics, settings.kafka.replication_factor)):
            if topic.state == "differs":
                differences = "; ".join(topic.differences)
                at = about((HOME, topic.name), like=topic.name)
                log.warning("the topic %s is not as it must be (%s)", topic.name, differences, extra=at)
        store = patiently(lambda: open_store(settings))
        stack.callback(store.close)
        health.ready("store", True)
        registry = open_registry(settings.lsst_registry)
        if registry is not None:
            stack.callback(registry.close)
        schemas = LsstSchemas(advice=advice(registry))
        source = KafkaSource(
            home,
            [_stream(stream, clusters) for stream in settings.streams],
            topics,
            settings.deployment,
            slot,
            settings.kafka.session_timeout_s,
            settings.kafka.fetch_max_mb * BYTES_PER_MB,
            SchemaGate(schemas, registry),
            metrics.failed,
            settings.kafka.replication_factor,
        )
        stack.callback(source.close)
        transactions = Transactions(
            home, settings.deployment, slot, settings.kafka.transaction_timeout_s, health.polled
        )
        stack.callback(transactions.close)
        patiently(transactions.open)
        scored, embeddings, letters = patiently(lambda: _encoders(settings, topics))
        said_letters = SaidLetters(KafkaDeadLetterSink(transactions.send, topics, letters, home.message_max_bytes))
        pipeline = build_pipeline(
            settings,
            store,
            [KafkaSink(transactions.send, topics, scored, embeddings)],
            said_letters,
            schemas,
            classifier,
            revises=True,
        )
        limit = DeadLetterLimit(settings.dead_letters.max_fraction, settings.dead_letters.window_alerts)
        group = home.group_id(settings.deployment)
        watch = cache(lambda: stack.enter_context(DeploymentWatch(home, group, topics.status)))
        yield Worker(
            source,
            pipeline,
            transactions,
            said_letters,
            metrics,
            health,
            limit,
            topics,
            slot,
            lambda: watch().last_words().get(slot),
            settings.batch.max_alerts,
            settings.batch.max_wait_ms / 1000,
        )


def open_store(settings: Settings) -> ObjectStore:
    """The object store of the service; StoreAway where it does not answer now."""
    state = settings.state
    if state.store == "sqlite":
        return SqliteObjectStore(Path(state.folder), state.cutouts_max_mb * BYTES_PER_MB)
    return MongodbObjectStore(
        state.mongodb.uri,
        state.mongodb.database,
        username=state.mongodb.username,
        password=password_of(state.mongodb),
        retention=Retention(state.seen_days, state.alerts_days, state.light_curves_days, state.cutouts_days),
        timeout_s=STORE_TIMEOUT_S,
    )


def _stream(settings: StreamSettings, clusters: Mapping[str, Cluster]) -> Stream:
    return Stream(
        clusters[settings.cluster], settings.topics, settings.start_at, settings.nights_back, settings.nights_ahead
    )


def _encoders(settings: Settings, topics: Topics) -> tuple[Encoder, Encoder, Encoder]:
    """Writers of scores, embeddings and dead letters: containers, or frames where a registry is configured."""
    registry = open_registry(settings.kafka.registry)
    if registry is None:
        return ContainerEncoder(SCORED_ALERT), ContainerEncoder(EMBEDDING), ContainerEncoder(DEAD_LETTER)

    def framed(schema: str, *names: str) -> FramedEncoder:
        ids = [registry.register(f"{name}-value", schema_text(schema)) for name in names]
        return FramedEncoder(schema, ids[0])

    with registry:
        return (
            framed(SCORED_ALERT, topics.scored, topics.scored_restricted),
            framed(EMBEDDING, topics.embeddings, topics.embeddings_restricted),
            framed(DEAD_LETTER, topics.dead_letters),
        )
