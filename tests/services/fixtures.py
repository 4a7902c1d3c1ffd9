"""Fixtures of real servers, loaded by tests/conftest.py.

One Kafka and one MongoDB-protocol server serve all tests of a process of pytest-xdist, and a file of this folder stays
in one process. KAFKA_BOOTSTRAP and MONGODB_URI name servers to use instead of starting any.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import pymongo
import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic
from xdist.scheduler import LoadScopeScheduling

from scripts.services import KafkaServer, MongoServer, PrometheusServer, UnavailableError
from scripts.services.__main__ import fetch
from scripts.services.process import Server
from tests.services.registry import SchemaRegistry

SERVERS = {"service_parts", "kafka", "mongodb_uri", "start_kafka", "start_mongodb", "prometheus"}
"""The fixtures that start a server: each test that uses one, by whatever way, is marked `services`."""

FOLDER = "tests/services/"
"""How the ids of this folder's tests begin."""

WAIT_S = 90.0
"""Bound on one exchange with Kafka [s]; each takes a few ms, on a machine with nothing else to do."""

S = TypeVar("S", bound=Server)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks what needs a server."""
    if SERVERS & set(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.services)


class FilesOfServicesWhole(LoadScopeScheduling):
    """Gives each file of this folder to one process as a whole: no process starts servers for a test or two.

    By the file's name, since xdist 3.8 does not see its own groups (`--dist loadgroup`) under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(FOLDER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesOfServicesWhole:
    """Called by pytest-xdist when tests run in several processes."""
    return FilesOfServicesWhole(config, log)


@dataclass
class Kafka:
    """A Kafka cluster as a test sees it; `client` is what a client needs to connect (librdkafka's names)."""

    client: dict[str, Any]

    @property
    def bootstrap(self) -> str:
        return str(self.client["bootstrap.servers"])

    def topic(self, name_prefix: str, partitions: int = 1, **config: str) -> str:
        """Makes a topic with a name of its own; `config` with underscores for dots (cleanup_policy="compact")."""
        name = f"{name_prefix}-{uuid.uuid4().hex[:8]}"
        self.make(name, partitions, **config)
        return name

    def make(self, name: str, partitions: int = 1, **config: str) -> None:
        """Makes a topic of this very name."""
        settings = {"retention.ms": "-1"}  # messages of 2023 stay too
        settings |= {key.replace("_", "."): value for key, value in config.items()}
        admin = AdminClient(self.client)  # must outlive its answer
        admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(WAIT_S)
        end = monotonic() + WAIT_S
        while (
            name not in admin.list_topics(timeout=WAIT_S).topics and monotonic() < end
        ):  # a broker may hear of it later
            sleep(0.05)

    def produce(self, topic: str, rows: Iterable[tuple[bytes | str | None, bytes | None]], **options: Any) -> None:
        """Sends (key, value) rows and waits until all are written; `options` are those of Producer.produce."""
        failed: list[KafkaError] = []
        producer = Producer(self.client | {"linger.ms": "5", "message.max.bytes": "8388608"})

        def note(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        for key, value in rows:
            producer.produce(topic, value=value, key=key, on_delivery=note, **options)
            producer.poll(0)
        left = producer.flush(WAIT_S)
        assert left == 0, f"{left} messages were not sent"
        if failed:
            raise KafkaException(failed[0])

    def read(self, topic: str, isolation: str = "read_committed") -> list[Message]:
        """Every message of the topic from its beginning to its present end, partition by partition in order."""
        consumer = Consumer(
            self.client
            | {"group.id": f"reader-{uuid.uuid4()}", "auto.offset.reset": "earliest", "isolation.level": isolation}
            | {"enable.partition.eof": "true", "enable.auto.commit": "false"}
        )
        try:
            partitions = consumer.list_topics(topic, WAIT_S).topics[topic].partitions
            return [message for partition in partitions for message in _to_the_end(consumer, topic, partition)]
        finally:
            consumer.close()


def _to_the_end(consumer: Consumer, topic: str, partition: int) -> Iterator[Message]:
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    while True:
        message = consumer.poll(WAIT_S)
        assert message is not None, f"no word from Kafka on {topic} within {WAIT_S:.0f} s"
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        else:
            raise KafkaException(error)


def started(server: S, stack: ExitStack) -> S:
    """The server, started until `stack` closes; the test skips where the machine lacks what the server is made of."""
    try:
        stack.enter_context(server)
    except UnavailableError as error:
        pytest.skip(str(error))
    return server


@pytest.fixture(scope="session")
def service_parts() -> None:
    """Skips where the machine lacks what `make services` starts."""
    try:
        fetch()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """The run's Kafka: make topics of your own on it, and do not stop it."""
    if bootstrap := os.environ.get("KAFKA_BOOTSTRAP"):
        yield Kafka({"bootstrap.servers": bootstrap})
        return
    with ExitStack() as stack:
        yield Kafka(started(KafkaServer(tmp_path_factory.mktemp("kafka")), stack).client())


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the run's MongoDB, or what speaks its protocol, listens."""
    if uri := os.environ.get("MONGODB_URI"):
        yield uri
        return
    with ExitStack() as stack:
        yield started(MongoServer(tmp_path_factory.mktemp("mongodb")), stack).uri


@pytest.fixture
def mongodb_database(mongodb_uri: str) -> Iterator[str]:
    """The name of a database of the test's own, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.drop_database(name)


@pytest.fixture
def start_kafka(tmp_path: Path) -> Iterator[Callable[..., KafkaServer]]:
    """Starts a Kafka of the test's own, to be stopped, killed and started again; arguments as KafkaServer's."""
    with ExitStack() as stack:
        yield lambda **options: started(KafkaServer(tmp_path / f"kafka-{uuid.uuid4().hex[:6]}", **options), stack)


@pytest.fixture
def start_mongodb(tmp_path: Path) -> Iterator[Callable[..., MongoServer]]:
    """Starts a MongoDB-protocol server of the test's own, to be stopped and started again."""
    with ExitStack() as stack:
        yield lambda **options: started(MongoServer(tmp_path / f"mongodb-{uuid.uuid4().hex[:6]}", **options), stack)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[list[str]], PrometheusServer]]:
    """Starts a Prometheus that scrapes the given `host:port` targets each second."""
    with ExitStack() as stack:
        yield lambda targets: started(PrometheusServer(tmp_path / f"prometheus-{uuid.uuid4().hex[:6]}", targets), stack)


@pytest.fixture
def schema_registry() -> Iterator[SchemaRegistry]:
    """A running schema registry of the test's own, empty, that fails on demand."""
    with SchemaRegistry() as registry:
        yield registry
