"""Builds everything from the settings; settings stop here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Literal

from classifiers import BundleError, load_bundle
from classifiers.prior import PriorWeighedClassifier
from schemas.assembling import warm_up as warm_up_assembling
from schemas.messages import ContainerEncoder, FramedEncoder
from schemas.prediction import Classifier
from schemas.projection import warm_up as warm_up_decoder
from schemas.surveys.identity import SURVEYS
from schemas.surveys.lsst import LsstSchemas
from schemas.wire import DEAD_LETTER, schema_text
from streamer.client import ScoredAlerts
from streamer.errors import ConfigurationError
from streamer.kafka.cluster import Cluster
from streamer.kafka.progress import DeploymentWatch, Watched
from streamer.kafka.registry import SchemaRegistry
from streamer.kafka.topics import Topics, nights
from streamer.pipeline import Pipeline
from streamer.processors.assemble import Assemble
from streamer.processors.classify import Classify
from streamer.processors.decode import Decode
from streamer.processors.deduplicate import Deduplicate
from streamer.processors.select import Cut, Select, Selection
from streamer.processors.selection_model import LightgbmScore
from streamer.settings import Settings
from streamer.settings.models import Selection as SelectionModel
from streamer.settings.service import HOME, Credentials, RegistrySettings, Security, SinkSettings
from streamer.sinks.acknowledged import AcknowledgedProducer
from streamer.sinks.base import DeadLetterSink, Sink
from streamer.sinks.dead_letters import LETTERS_FOLDER, AvroDeadLetterSink
from streamer.sinks.folder_lock import only_writer
from streamer.sinks.following import Destination, Follower, Limits, asking
from streamer.sinks.kafka import KafkaDeadLetterSink
from streamer.sinks.lance import TABLE, LanceSink
from streamer.sinks.mongodb import MongodbSink
from streamer.sinks.nightly_parquet import NightlyParquet
from streamer.sinks.parquet import PARTS_FOLDER, SCORES_FILE, ParquetSink
from streamer.sinks.subscription import Subscription
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.sqlite_reading import SqliteObjectReader
from streamer.state.store import ObjectReader, ObjectStore

STATE_FOLDER = "state"
"""Where a results folder keeps the replay's object store."""

SinkKind = Literal["parquet", "lancedb", "mongodb"]
"""Tables that `streamer sink` writes."""

BYTES_PER_MB = 1_000_000
"""[byte / MB]"""


@contextmanager
def open_replay(
    settings: Settings, out: Path, schemas: Path | None = None, more_sinks: Sequence[Sink] = ()
) -> Iterator[Pipeline]:
    """The pipeline over a results folder, made or continued, compiled and warm; closes store and sinks at the end.

    StoreError or SinkError where the folder cannot be written or is in use by another process, ConfigurationError where
    the settings ask for what cannot be had: each is a UserError.
    """
    with ExitStack() as stack:
        cutouts_max_bytes = settings.state.cutouts_max_mb * BYTES_PER_MB
        store = stack.enter_context(SqliteObjectStore(out / STATE_FOLDER, cutouts_max_bytes))
        own: list[Sink] = [ParquetSink(out), LanceSink(out)]
        sinks = [*own, *more_sinks]
        for sink in sinks:
            stack.callback(sink.close)
        dead_letters = AvroDeadLetterSink(out)
        stack.callback(dead_letters.close)
        warm_up_decoder()
        warm_up_assembling()
        yield build_pipeline(settings, store, sinks, dead_letters, LsstSchemas(schemas))


def result_paths(out: Path) -> list[Path]:
    """What a replay itself writes below a results folder: never a source of packets."""
    return [out / name for name in (STATE_FOLDER, SCORES_FILE, PARTS_FOLDER, f"{TABLE}.lance", LETTERS_FOLDER)]


def open_store_for_reading(out: Path) -> ObjectReader:
    """What a replay keeps in a results folder, to be looked at; UserError where there is nothing, or it is unreadable.

    A replay may be writing it meanwhile.
    """
    return SqliteObjectReader(out / STATE_FOLDER)


def build_pipeline(
    settings: Settings,
    store: ObjectStore,
    sinks: Sequence[Sink],
    dead_letters: DeadLetterSink,
    schemas: LsstSchemas | None = None,
    classifier: Classifier | None = None,
) -> Pipeline:
    """The one pipeline object, whatever stands before and behind it."""
    return Pipeline(
        decode=Decode(schemas),
        deduplicate=Deduplicate(store),
        assemble=Assemble(store),
        select=Select({survey: build_selections(getattr(settings.selections, survey)) for survey in SURVEYS}),
        classify=Classify(classifier or load_classifier(settings), time),
        store=store,
        sinks=sinks,
        dead_letters=dead_letters,
    )


def load_classifier(settings: Settings) -> Classifier:
    """The classifier of the configured bundle and prior, warm; ConfigurationError where it cannot be used."""
    try:
        classifier = load_bundle(settings.classifier.bundle)
    except BundleError as error:
        raise ConfigurationError(str(error)) from None
    classifier.warm_up()
    prior = settings.classifier.prior
    if prior is None:
        return classifier
    return PriorWeighedClassifier(classifier, {str(name): weight for name, weight in prior.items()})


def build_selections(configured: Sequence[SelectionModel]) -> list[Selection]:
    """The configured selections of one survey as rules."""
    return [
        Selection(
            name=selection.name,
            cuts=tuple(Cut(cut.field, cut.at_least, cut.at_most, cut.missing) for cut in selection.cuts),
            solar_system=selection.solar_system,
            model=LightgbmScore(Path(selection.model.file), selection.model.features) if selection.model else None,
            threshold=selection.model.threshold if selection.model else 0.0,
        )
        for selection in configured
    ]


def open_watch(settings: Settings) -> DeploymentWatch:
    """Asks how the configured deployment does, from outside."""
    home = open_clusters(settings)[HOME]
    return DeploymentWatch(home, home.group_id(settings.deployment), Topics(settings.kafka.topic_prefix).status)


def watched_topics(settings: Settings) -> list[Watched]:
    """The topics that the configured deployment reads today."""
    clusters, topics, today = open_clusters(settings), Topics(settings.kafka.topic_prefix), datetime.now(UTC).date()
    return [
        Watched(
            clusters[stream.cluster],
            topic,
            None if stream.cluster == HOME else topics.positions(stream.cluster, topic),
            stream.start_at,
        )
        for stream in settings.streams
        for pattern in stream.topics
        for topic in nights(pattern, today, stream.nights_back, stream.nights_ahead)
    ]


def open_clusters(settings: Settings) -> dict[str, Cluster]:
    """Every configured Kafka cluster by its name, `home` first; nothing is asked of them yet.

    ConfigurationError where a password or a file of certificates cannot be had.
    """
    message_max_bytes = settings.kafka.message_max_mb * BYTES_PER_MB
    places = [(HOME, settings.kafka.bootstrap, settings.kafka.security)]
    places += [(cluster.name, cluster.bootstrap, cluster.security) for cluster in settings.clusters]
    return {
        name: Cluster(name, bootstrap, _security_options(security), message_max_bytes, security.username)
        for name, bootstrap, security in places
    }


def password_of(credentials: Credentials) -> str | None:
    """The password, from where the settings say it is; None without a user. ConfigurationError says what is amiss."""
    if credentials.password_env is not None:
        password = os.environ.get(credentials.password_env, "")
        if not password:
            raise ConfigurationError(f"the environment variable {credentials.password_env} holds no password: set it")
        return password
    if credentials.password_file is None:
        return None
    file = Path(credentials.password_file)
    try:
        if file.stat().st_mode & 0o077:
            raise ConfigurationError(f"others may read the password file {file}: `chmod 600 {file}`")
        password = file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the password file {file} cannot be read: {_reason(error)}") from None
    if not password:
        raise ConfigurationError(f"the password file {file} is empty")
    return password


def _security_options(security: Security) -> dict[str, str]:
    """librdkafka's properties of one cluster's security."""
    options: dict[str, str] = {"security.protocol": security.protocol}
    if security.protocol.startswith("sasl"):
        options["sasl.mechanism"] = security.mechanism
        options["sasl.username"] = security.username or ""
        options["sasl.password"] = password_of(security) or ""
    if security.protocol.endswith("ssl"):
        for key, path in (
            ("ssl.ca.location", security.ca_file),
            ("ssl.certificate.location", security.certificate_file),
            ("ssl.key.location", security.key_file),
        ):
            if path is not None:
                options[key] = _readable(path)
    return options


def _readable(path: str) -> str:
    """The path, when a file can be read there; ConfigurationError otherwise."""
    try:
        with Path(path).open("rb"):
            return path
    except OSError as error:
        raise ConfigurationError(f"the file {path} cannot be read: {_reason(error)}") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is no UTF-8 text"


def open_registry(settings: RegistrySettings) -> SchemaRegistry | None:
    """The configured schema registry; None where none is."""
    if settings.url is None:
        return None
    return SchemaRegistry(
        settings.url,
        cache_folder=Path(settings.cache_folder),
        timeout_s=settings.timeout_s,
        username=settings.username,
        password=password_of(settings),
        ca_file=None if settings.ca_file is None else Path(settings.ca_file),
    )


def open_scored_alerts(settings: Settings, **question: Any) -> ScoredAlerts:
    """The scores of the configured deployment for a subscriber; `question` is what `ScoredAlerts` takes of its own."""
    home, registry = open_clusters(settings)[HOME], open_registry(settings.kafka.registry)
    return ScoredAlerts(home, prefix=settings.kafka.topic_prefix, registry=registry, **question)


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
