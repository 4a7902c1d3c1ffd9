"""`streamer topics` on a real Kafka: made once, never changed, and what differs is told."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from streamer.commands.topics import create_topics, show_topics
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.topics import TOPICS, Topics, create, make_positions, show
from streamer.settings import Settings
from tests.services.fixtures import Kafka
from tests.services.running import json_line, streamer, unique


def cluster_of(kafka: Kafka, name: str = "home") -> Cluster:
    return Cluster(name, kafka.bootstrap, {}, 2_000_000)


def settings_of(kafka: Kafka, prefix: str, streams: list[dict[str, Any]] | None = None) -> Settings:
    keys = {"bootstrap": kafka.bootstrap, "topic_prefix": prefix, "message_max_mb": 2}
    return Settings.model_validate({"kafka": keys, "streams": streams or []})


def made(kafka: Kafka, topic: NewTopic) -> None:
    admin = AdminClient(kafka.client)  # must outlive its answers
    admin.create_topics([topic])[topic.topic].result(30)


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {topic["name"]: topic for topic in json.loads(capsys.readouterr().out)["topics"]}


def test_topics_are_made_once_as_the_table_has_them(kafka: Kafka) -> None:
    topics = Topics(unique("ours"))
    first = create(cluster_of(kafka), topics, 1)
    assert [state.state for state in first] == ["made"] * len(TOPICS)
    again = create(cluster_of(kafka), topics, 1)
    assert [state.state for state in again] == ["there"] * len(TOPICS)
    assert {state.name: state.partitions for state in again} == {
        name: plan.partitions for name, plan in topics.plans().items()
    }
    assert [(state.name, state.retention_ms) for state in first] == [
        (state.name, state.retention_ms) for state in again
    ]


def test_a_topic_that_is_not_as_it_must_be_is_told_and_left_alone(
    kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = unique("ours")
    name = f"{prefix}.scored"
    wrong = NewTopic(name, 3, 1, config={"cleanup.policy": "compact", "max.message.bytes": "2000000"})
    made(kafka, wrong)
    for _ in range(2):
        assert create_topics(settings_of(kafka, prefix), as_json=True) == 1
        told = shown(capsys)[name]
        assert (told["state"], told["partitions"]) == ("differs", 3)
        assert told["differences"] == ["partitions: 3, expected 12", "cleanup.policy: compact, expected delete"]
    create_topics(settings_of(kafka, prefix), as_json=False)
    assert f"{name}: partitions: 3, expected 12" in capsys.readouterr().out


def test_workers_that_start_together_make_the_topics_together(kafka: Kafka) -> None:
    topics = Topics(unique("ours"))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: create(cluster_of(kafka), topics, 1), range(4)))
    for states in zip(*found, strict=True):
        assert sorted({state.state for state in states}) == ["made", "there"]
        assert [state.state for state in states].count("made") == 1


def test_more_copies_than_brokers_are_refused_in_one_line(kafka: Kafka) -> None:
    with pytest.raises(KafkaFailure, match=r"cannot be made: .* has fewer brokers than kafka.replication_factor asks"):
        create(cluster_of(kafka), Topics(unique("ours")), 99)


def test_show_counts_messages_and_knows_the_topics_of_the_streams(
    kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix, today = unique("ours"), datetime.now(UTC).date()
    night = unique("night")
    nightly = f"{night}_{today - timedelta(days=1):%Y%m%d}"
    made(kafka, NewTopic(nightly, 2, 1))
    kafka.produce(nightly, [(None, b"1"), (None, b"2"), (None, b"3")])
    streams = [{"topics": [f"{night}_{{date}}", "other_{date}", "plain"]}]
    show_topics(settings_of(kafka, prefix, streams), as_json=True)
    found = shown(capsys)
    assert (found[nightly]["state"], found[nightly]["messages"], found[nightly]["partitions"]) == ("there", 3, 2)
    assert not any(name.startswith(night) and name != nightly for name in found)  # other nights are no loss
    assert found["other_{date}"]["state"] == found["plain"]["state"] == "missing"
    assert found[f"{prefix}.scored"]["state"] == "missing"
    show_topics(settings_of(kafka, prefix, streams), as_json=False)
    assert "plain" in capsys.readouterr().out


def test_a_topic_of_positions_grows_with_the_one_that_it_stands_for(kafka: Kafka) -> None:
    admin, name = AdminClient(kafka.client), Topics(unique("ours")).positions("rubin", "alerts")
    for partitions in (2, 2, 5, 3):
        make_positions(admin, name, partitions, 1)
    [state] = show(cluster_of(kafka), {name: None})
    assert (state.partitions, state.messages) == (5, 0)


def test_the_command_makes_topics_and_ends_in_one_line_where_it_cannot(kafka: Kafka, tmp_path: Path) -> None:
    config = tmp_path / "streamer.yaml"
    prefix = unique("ours")
    config.write_text(f"kafka: {{bootstrap: '{kafka.bootstrap}', topic_prefix: {prefix}}}\n")
    done = streamer("topics", "create", "--config", config, "--json")
    assert done.returncode == 0, done.stderr
    assert {topic["state"] for topic in json_line(done.stdout)["topics"]} == {"made"}
    config.write_text("kafka: {bootstrap: 'no-such-host.invalid:9092'}\n")
    done = streamer("topics", "show", "--config", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert "has a host name that is not known: check bootstrap" in done.stderr
    assert done.stderr.count("\n") == 1
