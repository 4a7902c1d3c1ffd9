"""A deployment of the bench's own: topics, store and `streamer run`, all gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Literal
from urllib.error import URLError
from urllib.request import urlopen

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # it is documented
from prometheus_client.parser import text_string_to_metric_families

from schemas.surveys.identity import SURVEYS
from streamer.bench.alerts import AlertPool
from streamer.bench.offering import PARTITIONS, TIMEOUT_S
from streamer.bench.pipeline import EVERYTHING
from streamer.errors import UserError
from streamer.factory.clusters import open_clusters, password_of
from streamer.factory.worker import open_store
from streamer.kafka.cluster import KafkaFailure, Unreachable, explain, reach
from streamer.kafka.topics import Topics, create
from streamer.settings import Settings
from streamer.settings.service import HOME, MetricsSettings, RegistrySettings, StreamSettings
from streamer.state.mongodb_database import MongodbDatabase
from streamer.state.store import StoreAway

StoreKind = Literal["mongodb", "sqlite"]

ADVICE = "start the servers with `make services`, or name yours with --config"

REACH_S = 10.0
"""A server that has not answered after this time is away [s]."""

READY_S = 120.0
"""A worker that has not scored after this time never will [s]: it loads its models in a few seconds."""

END_S = 60.0
"""`streamer run` gets so long to end [s]."""

TOPIC = {
    "retention.bytes": str(512 * 2**20),
    "segment.bytes": str(64 * 2**20),
    "file.delete.delay.ms": "1000",
    "max.message.bytes": str(8 * 2**20),
}
"""A partition of the survey's topics keeps so much: a long bench does not fill the disk."""

SPECTRA_AT_ONCE = 500
"""Spectra that are put into the store together."""


class Deployment:
    """Topics, a store and workers of the bench's own. Used as a context; leaving it removes all of them."""

    def __init__(self, settings: Settings, store: StoreKind, workers: int) -> None:
        self.name = f"bench-{uuid.uuid4().hex[:8]}"
        self.workers, self.store = workers, store
        self.topics = Topics(self.name)
        self.survey_topics = {survey: f"{self.name}.alerts.{survey}" for survey in SURVEYS}
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix=f"{self.name}-")))
        self.settings = self._own(settings)
        self.home = open_clusters(self.settings)[HOME]
        self._admin = AdminClient(self.home.client())

    def __enter__(self) -> Deployment:
        try:
            reach(self.home, REACH_S)
            self._stack.callback(self._remove_topics)
            create(self.home, self.topics, self.settings.kafka.replication_factor)
            wanted = [
                NewTopic(topic, PARTITIONS, self.settings.kafka.replication_factor, config=TOPIC)
                for topic in self.survey_topics.values()
            ]
            for made in self._admin.create_topics(wanted).values():
                made.result(TIMEOUT_S)
            if self.store == "mongodb":
                self._stack.callback(self._remove_database)
            open_store(self.settings).close()
        except BaseException as error:
            self._stack.close()
            if isinstance(error, Unreachable | StoreAway):
                raise UserError(f"{error} ({ADVICE})") from None
            if isinstance(error, KafkaException):
                raise KafkaFailure(explain(error.args[0], self.home)) from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put_spectra(self, pool: AlertPool, count: int) -> None:
        """Makes a spectrum of each of the first `count` objects known to the store."""
        store = open_store(self.settings)
        try:
            for start in range(0, count, SPECTRA_AT_ONCE):
                numbers = range(start, min(start + SPECTRA_AT_ONCE, count))
                store.begin()
                for survey in SURVEYS:
                    store.put_spectra([pool.spectrum(n) for n in numbers if pool.survey(n) == survey], survey)
                store.commit()
        finally:
            store.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """`streamer run`, from its start to its end; UserError with its log's end where it ended by itself."""
        config, log_file = self.folder / "streamer.yaml", self.folder / "log"
        config.write_text(yaml.safe_dump(self.settings.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
        command = [sys.executable, "-m", "streamer", "run", "--config", str(config), "--workers", str(self.workers)]
        with log_file.open("ab") as log:
            # A session of its own: Ctrl-C reaches us alone, and we end it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(self.folder)},
                start_new_session=True,
            )
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def check(self) -> None:
        """UserError with its log's end if the service ended by itself."""
        if self._process.poll() is not None:
            raise UserError(f"the workers ended; their log ends:\n{self.log_end()}")

    def log_end(self) -> str:
        """The last lines that the service wrote."""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-10:])

    def wait_ready(self) -> None:
        """Waits until every worker has partitions; UserError where that does not come."""
        until = monotonic() + READY_S
        while not all(self._get("/readyz", index) is not None for index in range(self.workers)):
            self.check()
            if monotonic() > until:
                raise UserError(f"the workers are not ready within {READY_S:.0f} s; their log ends:\n{self.log_end()}")
            sleep(0.2)

    def figures(self) -> list[Counter[str]]:
        """The metrics of each worker that answers, `name` or `name:value of its one label` to value."""
        texts = (self._get("/metrics", index) for index in range(self.workers))
        return [_figures(text) for text in texts if text is not None]

    def _get(self, path: str, index: int) -> str | None:
        port = self.settings.metrics.port + index
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5.0) as answer:
                return str(answer.read().decode())
        except (URLError, OSError):
            return None

    def _own(self, settings: Settings) -> Settings:
        """The given settings with names, topics and places of our own; everything is selected."""
        kafka = settings.kafka.model_copy(update={"topic_prefix": self.name, "registry": RegistrySettings()})
        mongodb = settings.state.mongodb.model_copy(update={"database": self.name})
        return settings.model_copy(
            update={
                "deployment": self.name,
                "host": "bench",
                "kafka": kafka,
                "clusters": (),
                "streams": (StreamSettings(topics=tuple(self.survey_topics.values())),),
                "lsst_registry": RegistrySettings(),
                "state": settings.state.model_copy(
                    update={"store": self.store, "folder": str(self.folder / "state"), "mongodb": mongodb}
                ),
                "selections": EVERYTHING.selections,
                "metrics": MetricsSettings(port=_free_ports(self.workers)),
            }
        )

    def _remove_topics(self) -> None:
        """Removes whatever is left of us at the cluster, as far as it answers."""
        # By name, not as listed: what was asked for a moment ago may not be in a list yet.
        for done in self._admin.delete_topics([*self.topics.plans(), *self.survey_topics.values()]).values():
            with suppress(KafkaException, TimeoutError):
                done.result(TIMEOUT_S)
        with suppress(KafkaException, TimeoutError):
            self._remove_group()

    def _remove_group(self) -> None:
        """Removes the consumer group once it is empty: workers leave it by being silent for the session's time."""
        group = self.home.group_id(self.name)
        until = monotonic() + self.settings.kafka.session_timeout_s + REACH_S
        while monotonic() < until:
            try:
                self._admin.delete_consumer_groups([group])[group].result(TIMEOUT_S)
                return
            except KafkaException as failed:
                if failed.args[0].code() != KafkaError.NON_EMPTY_GROUP:
                    raise
            sleep(0.5)

    def _remove_database(self) -> None:
        at = self.settings.state.mongodb
        database = MongodbDatabase(
            at.uri, at.database, username=at.username, password=password_of(at), timeout_s=REACH_S
        )
        with suppress(StoreAway):
            database.drop()
        database.close()


def _figures(text: str) -> Counter[str]:
    found: Counter[str] = Counter()  # of floats, though its type says int
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith("_bucket"):
                label = next((value for value in sample.labels.values() if value), "")
                found[f"{sample.name}:{label}" if label else sample.name] += sample.value  # type: ignore[assignment]
    return found


def _free_ports(count: int) -> int:
    """The first of `count` ports in a row on which nobody listens now."""
    while True:
        with ExitStack() as stack, suppress(OSError, OverflowError):
            first = 0
            for offset in range(count):
                probe = stack.enter_context(socket.socket())
                probe.bind(("127.0.0.1", first and first + offset))
                first = first or probe.getsockname()[1]
            return first
