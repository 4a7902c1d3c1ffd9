"""`streamer status` against real Kafka: it reads the last words and the group's lag, and joins nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE
from typing import NamedTuple

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from scripts.services import KafkaServer
from streamer import cli
from streamer.commands import status as command
from streamer.kafka import progress
from streamer.kafka.cluster import Cluster
from streamer.kafka.progress import DeploymentWatch, Progress, Watched
from tests.services.fixtures import Kafka
from tests.services.running import streamer
from tests.streamer.test_status import worker

DEPLOYMENT = "night-watch"
NOBODY = "127.0.0.1:9"
"""Where nothing listens."""


@pytest.fixture
def home(kafka: Kafka) -> Cluster:
    return cluster("home", kafka.bootstrap)


def cluster(name: str, bootstrap: str) -> Cluster:
    return Cluster(name, bootstrap, {"security.protocol": "plaintext"}, 8_000_000)


def commit(kafka: Kafka, group: str, topic: str, offsets: dict[int, int]) -> None:
    """Puts the group's positions, as a worker's transactions do."""
    consumer = Consumer(kafka.client | {"group.id": group, "enable.auto.commit": "false"})
    partitions = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    consumer.commit(offsets=partitions, asynchronous=False)
    consumer.close()


def test_the_newest_word_of_each_slot_counts(kafka: Kafka, home: Cluster) -> None:
    topic = kafka.topic("status", cleanup_policy="compact")
    kafka.produce(topic, [(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"a", b"2"), (b"c", None)])
    with DeploymentWatch(home, DEPLOYMENT, topic) as watch:
        assert watch.last_words() == {"a": b"2", "b": b"1"}
        assert watch.last_words() == {"a": b"2", "b": b"1"}
        kafka.produce(topic, [(b"b", b"2")])
        assert watch.last_words() == {"a": b"2", "b": b"2"}


def test_words_of_transactions_are_read_once_they_are_committed(kafka: Kafka, home: Cluster) -> None:
    topic = kafka.topic("status", cleanup_policy="compact")
    producer = Producer(kafka.client | {"transactional.id": topic})
    producer.init_transactions(30)
    with DeploymentWatch(home, DEPLOYMENT, topic) as watch:
        for value, finish, read in (
            (b"1", producer.commit_transaction, b"1"),
            (b"2", producer.abort_transaction, b"1"),
            (b"3", producer.commit_transaction, b"3"),
        ):
            producer.begin_transaction()
            producer.produce(topic, value, key=b"a")
            producer.flush(30)
            finish(30)
            assert watch.last_words() == {"a": read}


def test_without_a_topic_of_status_nobody_has_spoken(home: Cluster) -> None:
    with DeploymentWatch(home, DEPLOYMENT, "nobody-made-this.status") as watch:
        assert watch.last_words() == {}


def test_lag_is_what_lies_behind_the_group_s_positions(kafka: Kafka, home: Cluster) -> None:
    topic, group = kafka.topic("alerts", partitions=3), kafka.topic("group")
    for partition in range(3):
        kafka.produce(topic, [(None, b"x")] * 10, partition=partition)
    commit(kafka, group, topic, {0: 4, 1: 10})
    with DeploymentWatch(home, group, "status") as watch:
        found, away = watch.progress([Watched(home, topic, None, "earliest"), Watched(home, "none", None, "earliest")])
        assert (found, away) == ([Progress("home", topic, 6 + 0 + 10, 0)], [])
        assert watch.progress([Watched(home, topic, None, "latest")])[0] == [Progress("home", topic, 6, 0)]


def test_positions_at_a_survey_s_cluster_are_those_of_the_topic_that_stands_for_it(kafka: Kafka, home: Cluster) -> None:
    topic, stand_in = kafka.topic("lsst", partitions=2), kafka.topic("positions", partitions=2)
    kafka.produce(topic, [(None, b"x")] * 10, partition=1)
    commit(kafka, stand_in, stand_in, {0: 0, 1: 7})
    rubin = cluster("rubin", kafka.bootstrap)
    with DeploymentWatch(home, stand_in, "status") as watch:
        assert watch.progress([Watched(rubin, topic, stand_in, "earliest")])[0] == [Progress("rubin", topic, 3, 0)]


def test_an_open_transaction_is_no_lag_and_what_was_deleted_unread_is_told(kafka: Kafka, home: Cluster) -> None:
    topic = kafka.topic("alerts")
    kafka.produce(topic, [(None, b"x")] * 10)
    commit(kafka, topic, topic, {0: 2})
    admin = AdminClient(kafka.client)
    for deleted in admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        deleted.result(30)
    producer = Producer(kafka.client | {"transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"y")
    producer.flush(30)
    with DeploymentWatch(home, topic, "status") as watch:
        assert watch.progress([Watched(home, topic, None, "earliest")])[0] == [Progress("home", topic, 5, 3)]
    producer.abort_transaction(30)


def test_a_worker_s_open_transaction_with_positions_holds_nobody_up(kafka: Kafka, home: Cluster) -> None:
    topic = kafka.topic("alerts")
    kafka.produce(topic, [(None, b"x")] * 10)
    commit(kafka, topic, topic, {0: 2})
    worker = Consumer(kafka.client | {"group.id": topic, "auto.offset.reset": "earliest"})
    producer = Producer(kafka.client | {"transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 9)], worker.consumer_group_metadata(), 30)
    with DeploymentWatch(home, topic, "status") as watch:
        assert watch.progress([Watched(home, topic, None, "earliest")])[0] == [Progress("home", topic, 8, 0)]
        producer.commit_transaction(30)
        assert watch.progress([Watched(home, topic, None, "earliest")])[0] == [Progress("home", topic, 1, 0)]
    worker.close()


def test_a_broker_that_starts_again_while_it_is_asked_does_no_harm(start_kafka: Callable[..., KafkaServer]) -> None:
    server = start_kafka()
    Kafka(server.client()).make("x", partitions=3)
    command = [sys.executable, "-uc", ASKING, server.bootstrap]  # what librdkafka dies of takes its process along
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        for _ in range(3):
            assert "answer\n" in asking.stdout
            server.stop()
            server.start()
        assert "answer\n" in asking.stdout
        asking.stdin.close()
        asking.stdout.read()
    assert asking.returncode == 0


ASKING = """
import select, sys
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.progress import DeploymentWatch, Progress, Watched

home = Cluster("home", sys.argv[1], {}, 1_000_000)
with DeploymentWatch(home, "group", "status") as watch:
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            found = watch.progress([Watched(home, "x", None, "earliest")])
        except KafkaFailure:
            print("none")
        else:
            print("answer" if found == ([Progress("home", "x", 0, 0)], []) else "none")  # x may come back later
"""
"""Asks for progress, a line each time, until its input ends."""


def test_a_survey_s_cluster_that_is_away_costs_its_own_lag_only(
    kafka: Kafka, home: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic("alerts")
    kafka.produce(topic, [(None, b"x")] * 3)
    with DeploymentWatch(home, topic, "status") as watch:
        monkeypatch.setattr(progress, "ANSWER_TIMEOUT_S", 5.0)
        rubin = cluster("rubin", NOBODY)
        found, away = watch.progress([Watched(rubin, "lsst", "p", "earliest"), Watched(home, topic, None, "earliest")])
    assert found == [Progress("home", topic, 3, 0)]
    assert len(away) == 1
    assert away[0].startswith("the lag at rubin is not known: ")


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs `streamer status` over a configuration."""

    def run(configuration: dict[str, object], *options: str) -> Answer:
        file = tmp_path / "streamer.yaml"
        file.write_text(yaml.safe_dump({"deployment": DEPLOYMENT} | configuration))
        monkeypatch.setattr(sys, "argv", ["streamer", "status", "--config", str(file), *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Answer(int(ended.value.code or 0), printed.out, printed.err)

    return run


def deployment(kafka: Kafka) -> tuple[dict[str, object], str]:
    """A configuration whose topic waits at 3 messages, and its topic of status."""
    topic = kafka.topic("alerts")
    kafka.produce(topic, [(None, b"x")] * 3)
    admin = AdminClient(kafka.client)
    for made in admin.create_topics([NewTopic(f"{topic}.status", 1, 1)]).values():
        made.result(30)
    streams = [{"topics": [topic, "ztf_{date}_programid1"]}]
    kafka_settings = {"bootstrap": kafka.bootstrap, "topic_prefix": topic}
    return {"kafka": kafka_settings, "streams": streams, "deployment": topic}, f"{topic}.status"


def test_a_live_worker_is_well_and_its_lag_is_the_cluster_s(kafka: Kafka, ask: Ask) -> None:
    configuration, topic = deployment(kafka)
    well = worker(updated=datetime.now(UTC), rate=3.0)
    kafka.produce(topic, [(well.slot.encode(), well.model_dump_json().encode())])
    code, out, err = ask(configuration, "--json")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert (said["healthy"], said["problems"]) == (True, [])
    assert said["workers"][0]["slot"] == well.slot
    assert list(said["lag"].values()) == [3]
    assert said["totals"]["scored"] == 700
    assert "1 worker, 3 alerts/s, 1.0 s behind" in ask(configuration).out


def test_without_a_live_worker_the_exit_code_is_1_and_the_lag_is_still_told(kafka: Kafka, ask: Ask) -> None:
    configuration, topic = deployment(kafka)
    gone = worker(updated=datetime.now(UTC) - timedelta(minutes=3))
    kafka.produce(topic, [(gone.slot.encode(), gone.model_dump_json().encode())])
    code, out, _ = ask(configuration, "--json")
    assert code == 1
    assert json.loads(out)["problems"] == ["no worker has been heard of for 3 min: start `streamer run`"]
    assert list(json.loads(out)["lag"].values()) == [3]
    code, out, _ = ask(configuration)
    assert code == 1
    assert "silent for 3 min" in out


def test_a_home_cluster_that_is_away_is_one_line_and_exit_code_2(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "ANSWER_TIMEOUT_S", 2.0)
    code, out, err = ask({"kafka": {"bootstrap": NOBODY}}, "--json")
    assert (code, out) == (2, "")
    assert err.startswith("streamer: the Kafka cluster home (127.0.0.1:9) cannot be reached")
    assert err.count("\n") == 1


def test_watching_is_for_people_at_a_terminal(ask: Ask) -> None:
    code, _, err = ask({}, "--json", "--watch")
    assert (code, err) == (2, "streamer: --watch is for people and --json for programs: give one of them\n")
    code, _, err = ask({}, "--watch")
    assert (code, err) == (2, "streamer: --watch needs a terminal: leave it out, or take --json\n")


def test_watching_goes_on_while_the_cluster_is_away(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[float] = []

    def sleep(pause_s: float) -> None:
        turns.append(pause_s)
        if len(turns) == 2:
            raise KeyboardInterrupt

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(progress, "ANSWER_TIMEOUT_S", 1.0)
    monkeypatch.setattr(command.time, "sleep", sleep)
    code, out, err = ask({"kafka": {"bootstrap": NOBODY}}, "--watch")
    assert (code, turns, err) == (130, [command.REPEAT_S] * 2, "")
    assert "cannot be reached" in out


def test_a_cluster_that_never_had_a_group_is_asked_without_harm(
    start_kafka: Callable[..., KafkaServer], tmp_path: Path
) -> None:
    config = tmp_path / "streamer.yaml"
    config.write_text(yaml.safe_dump({"kafka": {"bootstrap": start_kafka().bootstrap}, "streams": [{"topics": ["x"]}]}))
    asked = streamer(
        "status", "--json", "--config", config
    )  # a process of its own: librdkafka would take this one along
    assert asked.returncode == 1, asked.stderr
    assert json.loads(asked.stdout)["healthy"] is False
