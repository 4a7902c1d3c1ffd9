"""`streamer sink` on real Kafka: each score once in its table, whatever ends the sink."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import lancedb
import numpy as np
import pyarrow.parquet as pq
import pymongo
import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.columns import KEY
from schemas.messages import ContainerEncoder, FramedEncoder, key_of
from schemas.records import read_dead_letters
from schemas.wire import EMBEDDING, SCORED_ALERT, embedding_records, schema_text, scored_alert_records
from scripts.services import KafkaServer, MongoServer
from scripts.services.process import free_port
from streamer.factory.sinks import Watch, open_sink
from streamer.settings import load_settings
from streamer.sinks.folder_lock import only_writer
from streamer.sinks.following import Follower, Tally
from streamer.sinks.subscription import Subscription
from tests import made_up
from tests.services.fixtures import Kafka
from tests.services.registry import SchemaRegistry

STREAMER = Path(sys.executable).parent / "streamer"

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}

LONG_S = 90.0
"""Longest wait for anything; a test that comes to it fails [s]."""


@dataclass
class Deployment:
    """A deployment's topics, of a prefix of their own, and the configuration of its sinks."""

    kafka: Kafka
    folder: Path
    settings: dict[str, Any]

    @property
    def prefix(self) -> str:
        return str(self.settings["kafka"]["topic_prefix"])

    @property
    def config(self) -> Path:
        file = self.folder / "streamer.yaml"
        file.write_text(yaml.safe_dump(self.settings))
        return file

    def publish(
        self, ids: Sequence[int], restricted: bool = False, framed: tuple[int, int] | None = None, **changes: Any
    ) -> None:
        """Sends scores and embeddings of these alerts in one transaction, after one that is undone."""
        ending = ".restricted" if restricted else ""
        kinds: list[Any] = [
            (scored_alert_records, SCORED_ALERT, f"{self.prefix}.scored{ending}"),
            (embedding_records, EMBEDDING, f"{self.prefix}.embeddings{ending}"),
        ]
        producer = Producer(self.kafka.client | {"transactional.id": f"{self.prefix}-{uuid.uuid4()}", "log_level": 0})
        producer.init_transactions(LONG_S)
        for batch, end in ((ids[:50], producer.abort_transaction), (ids, producer.commit_transaction)):
            producer.begin_transaction()
            columns = {name: value[: len(batch)] if np.ndim(value) else value for name, value in changes.items()}
            scored = made_up.scored(batch, **({"mjd_tai": 60000.3} | columns))
            for place, (records, schema, topic) in enumerate(kinds):
                encoder = FramedEncoder(schema, framed[place]) if framed else ContainerEncoder(schema)
                for record in records(scored):
                    producer.produce(topic, encoder.encode(record), key_of(record["survey"], record["object_id"]))
            producer.flush(LONG_S)
            end(LONG_S)

    def command(self, kind: str) -> list[Any]:
        return [STREAMER, "sink", kind, "--config", self.config]

    def run(self, kind: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Runs a sink to its end."""
        command = [*self.command(kind), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False, env=ENVIRONMENT)

    def opened(self, kind: Any, is_stopping: Callable[[], bool] = lambda: False) -> AbstractContextManager[Follower]:
        """A sink in this process."""
        settings = load_settings(self.config)
        return open_sink(settings, kind, is_stopping, Watch(settings, kind), shows=False)

    def to_the_end(self, kind: str) -> Tally:
        """Runs a sink to the end of the topics, in this process: what it did."""
        with self.opened(kind) as sink:
            return sink.run(until_end=True)

    @contextmanager
    def always_on(self, kind: str) -> Iterator[subprocess.Popen[str]]:
        """A sink that runs meanwhile, asked to end and waited for afterwards."""
        with (self.folder / f"{kind}.log").open("a") as log:
            sink = subprocess.Popen(self.command(kind), stderr=log, text=True, env=ENVIRONMENT)
        try:
            yield sink
        finally:
            if sink.poll() is None:
                sink.terminate()
            sink.wait(LONG_S)

    def said(self, kind: str) -> str:
        return (self.folder / f"{kind}.log").read_text()

    def rows(self, kind: str) -> Counter[tuple[Any, ...]]:
        """How often each key stands in the table."""
        keys = list(KEY)
        if kind == "mongodb":
            at = self.settings["sinks"]["mongodb"]
            with pymongo.MongoClient[Any](at["uri"]) as client:
                found = [tuple(row[name] for name in keys) for row in client[at["database"]].scored_alerts.find()]
            return Counter(found)
        if kind == "lancedb":
            table = lancedb.connect(str(self.folder / "embeddings")).open_table("embeddings").to_arrow()
        else:
            table = pq.read_table(self.folder / "scores" / "scores.parquet")
        return Counter(zip(*(table.column(name).to_pylist() for name in keys), strict=True))


def keys_of(ids: Sequence[int], revision: int = 0) -> Counter[tuple[Any, ...]]:
    return Counter(("ztf", alert_id, "default", "1.0", revision) for alert_id in ids)


def until(holds: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {LONG_S:.0f} s"
        time.sleep(0.05)


def make_deployment(kafka: Kafka, folder: Path, **sinks: Any) -> Deployment:
    prefix = f"t{uuid.uuid4().hex[:8]}"
    names = ("scored", "scored.restricted", "embeddings", "embeddings.restricted", "dead_letters")
    admin = AdminClient(kafka.client)
    for future in admin.create_topics([NewTopic(f"{prefix}.{name}", 3, 1) for name in names]).values():
        future.result(LONG_S)
    return Deployment(
        kafka,
        folder,
        {
            "deployment": prefix,
            "kafka": {"bootstrap": kafka.bootstrap, "topic_prefix": prefix},
            "metrics": {"sinks_port": free_port()},
            "sinks": {"max_rows": 200, "max_wait_s": 0.2, "quiet_s": 1.0} | sinks,
        },
    )


@pytest.fixture
def deployment(kafka: Kafka, tmp_path: Path) -> Deployment:
    return make_deployment(kafka, tmp_path)


@pytest.fixture(params=["parquet", "lancedb", "mongodb"])
def kind(request: pytest.FixtureRequest, deployment: Deployment) -> str:
    if request.param == "mongodb":
        uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database")
        deployment.settings["sinks"]["mongodb"] = {"uri": uri, "database": database}
    return str(request.param)


def test_each_score_is_in_the_table_once_and_a_second_run_adds_what_is_new(kind: str, deployment: Deployment) -> None:
    deployment.publish(range(1000))
    assert deployment.to_the_end(kind).written == 1000
    assert deployment.rows(kind) == keys_of(range(1000))
    deployment.publish(range(1000, 1100))
    deployment.publish(range(10), revision=1)
    assert deployment.to_the_end(kind).written == 110
    assert deployment.rows(kind) == keys_of(range(1100)) + keys_of(range(10), revision=1)


def test_the_command_ends_with_the_topics_and_says_what_it_did(deployment: Deployment) -> None:
    deployment.publish(range(10))
    said = deployment.run("parquet", "--until-eos", "--json")
    assert said.returncode == 0, said.stderr
    tally = json.loads(said.stdout)
    assert {name: tally[name] for name in ("sink", "messages", "written", "unreadable")} == {
        "sink": "parquet",
        "messages": 10,
        "written": 10,
        "unreadable": 0,
    }
    assert ": 10 messages written in 1 batches, 0 unreadable ones" in said.stderr.splitlines()[-1]


def test_a_sink_killed_again_and_again_has_each_score_once(kind: str, deployment: Deployment) -> None:
    published = 0
    for kill_after_s in (0.0, 0.05, 0.15, 0.3):
        with deployment.always_on(kind) as sink:
            batches = deployment.said(kind).count("messages written")
            deployment.publish(range(published, published + 2000))
            published += 2000
            until(lambda: deployment.said(kind).count("messages written") > batches + 2, "writing")  # noqa: B023
            time.sleep(kill_after_s)
            sink.kill()
    deployment.to_the_end(kind)
    assert deployment.rows(kind) == keys_of(range(published))


class Killed(BaseException):
    """Ends a sink where it stands."""


def test_a_sink_killed_between_writing_and_committing_has_each_score_once(
    kind: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.publish(range(500))

    def kill(*_: object) -> bool:
        raise Killed

    for _ in range(2):
        with deployment.opened(kind) as sink, monkeypatch.context() as patch:
            patch.setattr(Subscription, "commit", kill)
            with pytest.raises(Killed):
                sink.run(until_end=True)
    assert max(deployment.rows(kind).values()) == 1
    assert deployment.to_the_end(kind).written == 500
    assert deployment.rows(kind) == keys_of(range(500))


def test_a_score_that_is_made_anew_replaces_the_former_one(kind: str, deployment: Deployment) -> None:
    deployment.publish(range(300))
    deployment.to_the_end(kind)
    deployment.publish(range(100), ra_deg=np.full(100, 123.0))
    deployment.to_the_end(kind)
    assert deployment.rows(kind) == keys_of(range(300))
    if kind == "parquet":
        rows = pq.read_table(deployment.folder / "scores" / "scores.parquet").to_pylist()
        assert {row["alert_id"] for row in rows if row["ra_deg"] == 123.0} == set(range(100))


def test_told_to_stop_a_sink_writes_what_waits_commits_and_leaves(kind: str, deployment: Deployment) -> None:
    deployment.settings["sinks"] |= {"max_rows": 100_000, "max_wait_s": 3_600.0}
    deployment.publish(range(300))
    took: list[int] = []
    with deployment.opened(kind, lambda: sum(took) == 300) as sink:
        take = sink._destination.take
        sink._destination.take = lambda records: (take(records), took.append(len(records)))[0]  # type: ignore[method-assign]
        assert sink.run().written == 300
    assert deployment.rows(kind) == keys_of(range(300))
    assert deployment.to_the_end(kind).messages == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_well_when_told_to(number: signal.Signals, deployment: Deployment) -> None:
    with deployment.always_on("parquet") as sink:
        until(lambda: "started" in deployment.said("parquet"), "starting")
        sink.send_signal(number)
        assert sink.wait(LONG_S) == 0
    assert "Traceback" not in deployment.said("parquet")


def test_what_is_no_score_becomes_a_dead_letter_and_the_rest_is_written(kind: str, deployment: Deployment) -> None:
    deployment.publish(range(100))
    topic = f"{deployment.prefix}.{'embeddings' if kind == 'lancedb' else 'scored'}"
    deployment.kafka.produce(topic, [(b"k", b"foreign"), (b"k", None)], partition=1)
    deployment.publish(range(100, 200))
    tally = deployment.to_the_end(kind)
    assert (tally.messages, tally.written, tally.unreadable) == (202, 200, 2)
    assert deployment.rows(kind) == keys_of(range(200))
    sent = deployment.kafka.read(f"{deployment.prefix}.dead_letters")
    letters = [letter for message in sent for letter in read_dead_letters(message.value() or b"")]
    assert {(one.stage, one.reason, one.payload) for one in letters} == {
        ("sink", "unreadable_message", b"foreign"),
        ("sink", "unreadable_message", b""),
    }
    assert {(one.coordinates.origin, one.coordinates.stream, one.coordinates.partition) for one in letters} == {
        ("home", topic, 1)
    }


def test_an_embedding_of_another_length_becomes_a_dead_letter(deployment: Deployment) -> None:
    deployment.publish(range(10))
    (record,) = embedding_records(made_up.scored([99]))
    short = ContainerEncoder(EMBEDDING).encode(record | {"embedding": [1.0, 0.0]})
    deployment.kafka.produce(f"{deployment.prefix}.embeddings", [(b"k", short)])
    assert deployment.to_the_end("lancedb").unreadable == 1
    assert deployment.rows("lancedb") == keys_of(range(10))


def test_scores_of_non_public_data_are_written_when_asked_for(kind: str, deployment: Deployment) -> None:
    deployment.publish(range(10))
    deployment.publish(range(10, 20), restricted=True)
    deployment.to_the_end(kind)
    assert deployment.rows(kind) == keys_of(range(10))
    deployment.settings["sinks"]["restricted"] = "include"
    deployment.to_the_end(kind)
    assert deployment.rows(kind) == keys_of(range(20))
    deployment.settings["sinks"]["restricted"] = "leave_out"
    deployment.publish(range(20, 30), restricted=True)
    assert deployment.to_the_end(kind).messages == 0


def test_framed_values_are_read_with_the_registrys_schemas_also_when_it_comes_late(
    deployment: Deployment, schema_registry: SchemaRegistry
) -> None:
    schema_registry.add(schema_text(SCORED_ALERT), 7)
    deployment.settings["kafka"]["registry"] = {"url": schema_registry.url}
    deployment.publish(range(50), framed=(7, 8))
    deployment.publish(range(50, 60), framed=(404, 8))
    assert deployment.to_the_end("parquet").unreadable == 10
    assert deployment.rows("parquet") == keys_of(range(50))
    schema_registry.add(schema_text(SCORED_ALERT), 9)
    deployment.publish(range(60, 70), framed=(9, 8))
    schema_registry.status = 500
    with deployment.always_on("parquet"):
        until(lambda: "waiting for it" in deployment.said("parquet"), "saying that the registry is away")
        schema_registry.status = None
        until(lambda: "messages written" in deployment.said("parquet"), "going on")
    assert deployment.rows("parquet") == keys_of([*range(50), *range(60, 70)])


@pytest.mark.parametrize("kind", ["parquet", "lancedb"])
def test_a_second_sink_on_a_folder_is_refused_in_one_line(kind: str, deployment: Deployment) -> None:
    folder = deployment.folder / ("scores" if kind == "parquet" else "embeddings")
    with only_writer(folder):
        refused = deployment.run(kind)
    assert refused.returncode == 2
    assert f" ERROR sink {kind}: the folder {folder} is written by process {os.getpid()}: " in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_of_two_sinks_of_a_deployment_the_later_one_goes_on(deployment: Deployment, tmp_path: Path) -> None:
    deployment.publish(range(10))
    with deployment.always_on("parquet") as first:
        until(lambda: "messages written" in deployment.said("parquet"), "writing")
        deployment.settings["sinks"]["parquet_folder"] = str(tmp_path / "elsewhere")
        assert deployment.run("parquet", "--until-eos").returncode == 0
        assert first.wait(LONG_S) == 2
    assert "another parquet sink of this deployment has taken over" in deployment.said("parquet").splitlines()[-1]


def test_a_sink_shows_its_figures_and_its_health(deployment: Deployment) -> None:
    def get(path: str) -> str:
        port = deployment.settings["metrics"]["sinks_port"]
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:  # 503 is one too
            return str(answer.read().decode())
        return ""

    deployment.publish(range(250))
    with deployment.always_on("parquet"):
        until(lambda: 'streamer_sink_messages_total{outcome="written",sink="parquet"} 250.0' in get("/metrics"), "250")
        assert '"ready": true' in get("/readyz")
        assert "polled" in get("/healthz")
        # Marks of transactions behind the messages are no lag.
        until(lambda: len(re.findall(r"^streamer_sink_lag_messages.* 0\.0$", get("/metrics"), re.M)) == 3, "no lag")


def test_a_missing_topic_is_named_with_what_to_do(deployment: Deployment) -> None:
    deployment.settings["kafka"]["topic_prefix"] = "nobody"
    refused = deployment.run("parquet")
    assert refused.returncode == 2
    assert "has no topic nobody.scored: is the prefix right? `streamer topics create` makes it" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_broker_that_goes_away_is_waited_for(start_kafka: Callable[..., KafkaServer], tmp_path: Path) -> None:
    server = start_kafka()
    deployment = make_deployment(Kafka(server.client()), tmp_path)
    deployment.publish(range(100))
    with deployment.always_on("parquet") as sink:
        until(lambda: "messages written" in deployment.said("parquet"), "writing")
        server.kill()
        until(lambda: "waiting for it" in deployment.said("parquet"), "saying that the broker is away")
        server.start()
        deployment.publish(range(100, 300))
        until(lambda: deployment.rows("parquet").total() >= 300, "going on")
        assert sink.poll() is None
    assert deployment.to_the_end("parquet").unreadable == 0
    assert deployment.rows("parquet") == keys_of(range(300))


def test_a_mongodb_that_is_away_at_the_start_is_waited_for(
    deployment: Deployment, start_mongodb: Callable[..., MongoServer]
) -> None:
    server = start_mongodb()
    deployment.settings["sinks"]["mongodb"] = {"uri": server.uri, "database": "scores"}
    server.stop()
    deployment.publish(range(100))
    with deployment.always_on("mongodb") as sink:
        until(lambda: "did not answer within" in deployment.said("mongodb"), "saying that the server is away")
        server.start()
        until(lambda: "messages written" in deployment.said("mongodb"), "going on")
        assert sink.poll() is None
    assert deployment.rows("mongodb") == keys_of(range(100))


def test_documents_have_the_records_fields_and_are_found_by_indexes(
    deployment: Deployment, mongodb_uri: str, mongodb_database: str
) -> None:
    deployment.settings["sinks"]["mongodb"] = {"uri": mongodb_uri, "database": mongodb_database}
    deployment.publish([1, made_up.BIG_ID])
    deployment.to_the_end("mongodb")
    with pymongo.MongoClient[Any](mongodb_uri, tz_aware=True) as client:
        collection = client[mongodb_database].scored_alerts
        document = collection.find_one({"_id": f"ztf|{made_up.BIG_ID}|default|1.0|0"})
        indexes = {tuple(index["key"]) for index in collection.list_indexes()}
    assert document is not None
    assert document.pop("updated").tzinfo is not None
    (record,) = scored_alert_records(made_up.scored([made_up.BIG_ID], mjd_tai=60000.3))
    assert document.keys() - {"_id"} == record.keys()
    assert document["alert_id"] == made_up.BIG_ID
    assert document["light_curve"] == record["light_curve"]
    assert indexes == {("_id",), ("object_id",), ("predicted_class", "mjd_tai")}
