"""The subscriber's client on a real Kafka: every score once, from where it was asked, and nothing in silence."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.messages import FramedEncoder
from schemas.wire import SCORED_ALERT, schema_text, scored_alert_records
from scripts.services import KafkaServer
from streamer.client import ScoredAlert, ScoredAlerts, subscription
from streamer.client.access import cluster_at
from streamer.errors import ConfigurationError
from streamer.kafka.cluster import KafkaFailure, Refused, Unreachable
from streamer.kafka.topics import Topics, make
from tests import made_up
from tests.services.fixtures import Kafka
from tests.services.registry import SchemaRegistry
from tests.services.running import until
from tests.services.scores import Stream, made, values

PAGE = Path(__file__).resolve().parents[2] / "docs" / "subscribers.md"


@pytest.fixture
def stream(kafka: Kafka) -> Stream:
    return made(kafka)


def test_a_subscriber_meets_every_score_once_as_a_typed_object(stream: Stream) -> None:
    ids = [*range(50), made_up.BIG_ID]
    stream.publish(ids)
    with stream.alerts(start_at="earliest", until_eos=True) as alerts:
        found = list(alerts)
    assert all(isinstance(alert, ScoredAlert) for alert in found)
    assert sorted(alert.alert_id for alert in found) == ids
    assert alerts.unreadable == 0


def test_only_what_was_asked_for_is_handed_out(stream: Stream) -> None:
    stream.publish([1, 2, 3])
    stream.publish([4, 5], survey="lsst")
    assert stream.ids(start_at="earliest", survey="lsst") == [4, 5]
    scores = {alert.alert_id: alert for alert in stream.alerts(start_at="earliest", until_eos=True)}
    wanted = sorted(i for i, alert in scores.items() if alert.class_scores and alert.class_scores.p_tde >= 0.15)
    assert stream.ids(start_at="earliest", classes=["tde"], min_score=0.15) == wanted


def test_undone_scores_are_never_seen_and_marks_of_transactions_keep_no_end_waiting(stream: Stream) -> None:
    producer = Producer(stream.kafka.client | {"transactional.id": stream.prefix})
    producer.init_transactions(30)
    for alert_id, end in ((1, producer.commit_transaction), (2, producer.abort_transaction)):
        producer.begin_transaction()
        for key, value in values([alert_id]):
            producer.produce(f"{stream.prefix}.scored", value, key, partition=0)
        producer.flush(30)
        end(30)
    assert stream.ids(start_at="earliest") == [1]


def test_the_end_is_where_it_was_at_the_start(stream: Stream) -> None:
    stream.publish([1, 2], partition=0)
    alerts = stream.alerts(start_at="earliest", until_eos=True)
    stream.publish([3], partition=0)
    stream.publish([4], partition=1)
    assert [alert.alert_id for alert in alerts] == [1, 2]
    assert alerts.has_ended
    assert alerts.poll(0.0) is None


def test_an_empty_stream_ends_at_once(stream: Stream) -> None:
    assert stream.ids(start_at="earliest") == []
    stream.publish([1])
    assert stream.ids(start_at="latest") == []


def test_a_limit_ends_the_stream(stream: Stream) -> None:
    stream.publish(range(20))
    assert len(list(stream.alerts(start_at="earliest", limit=3))) == 3


def test_poll_gives_none_when_the_time_is_over_and_what_comes_when_it_comes(stream: Stream) -> None:
    with stream.alerts(start_at="latest") as alerts:
        assert alerts.poll(0.0) is None
        assert not alerts.has_ended
        stream.publish([7])
        found = alerts.poll(30.0)
        assert found is not None
        assert found.alert_id == 7
    assert alerts.has_ended
    assert alerts.poll(30.0) is None


def test_a_time_starts_with_what_was_published_then(stream: Stream) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    begin_ms = round(begin.timestamp() * 1000)
    stream.publish([1], partition=0, timestamp=begin_ms - 1)
    stream.publish([2], partition=0, timestamp=begin_ms)
    stream.publish([3], partition=1, timestamp=begin_ms - 1)
    assert stream.ids(start_at=begin) == stream.ids(start_at=begin.isoformat()) == [2]
    assert stream.ids(start_at=begin - timedelta(seconds=1)) == [1, 2, 3]


def test_start_at_alone_starts_there_each_time_and_leaves_no_trace(stream: Stream) -> None:
    stream.publish([1, 2])
    assert stream.ids(start_at="earliest") == stream.ids(start_at="earliest") == [1, 2]


def test_a_named_group_goes_on_where_it_stopped(stream: Stream) -> None:
    stream.publish(range(10))
    group = f"group-{stream.prefix}"
    with stream.alerts(start_at="earliest", group=group, limit=4) as alerts:
        first = [alert.alert_id for alert in alerts]
    second = stream.ids(start_at="earliest", group=group)
    assert sorted([*first, *second]) == list(range(10))
    stream.publish([10])
    assert stream.ids(start_at="earliest", group=group) == [10]


def test_without_a_word_the_same_question_goes_on_and_another_one_takes_nothing_from_it(stream: Stream) -> None:
    with stream.alerts() as alerts:
        assert not any(alerts.poll(0.2) for _ in range(10))  # joins, and begins with what comes next
    stream.publish([1])
    stream.publish([2], survey="lsst")
    with stream.alerts(survey="lsst") as alerts:
        assert not any(alerts.poll(0.2) for _ in range(10))  # another question, at its own beginning
    assert stream.ids() == [1, 2]
    assert stream.ids() == []


def test_what_was_handed_out_counts_as_received_only_when_the_next_is_asked_for(stream: Stream) -> None:
    stream.publish([1, 2, 3], partition=0)
    group = f"group-{stream.prefix}"

    def break_off_at_the_second() -> None:
        with stream.alerts(start_at="earliest", group=group) as alerts:
            for alert in alerts:
                assert committed(stream, group) < alert.alert_id
                if alert.alert_id == 2:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off_at_the_second()
    assert committed(stream, group) == 1
    assert stream.ids(group=group) == [2, 3]


def committed(stream: Stream, group: str) -> int:
    consumer = Consumer(stream.kafka.client | {"group.id": group})
    try:
        (at,) = consumer.committed([TopicPartition(f"{stream.prefix}.scored", 0)], timeout=30)
        return max(at.offset, 0)
    finally:
        consumer.close()


def test_a_subscriber_killed_amid_its_work_meets_the_alert_again(stream: Stream) -> None:
    stream.publish([1, 2, 3], partition=0)
    group = f"group-{stream.prefix}"
    code = f"""
        import os
        from streamer.client import ScoredAlerts
        question = dict(prefix={stream.prefix!r}, group={group!r}, start_at="earliest")
        for alert in ScoredAlerts({stream.kafka.bootstrap!r}, **question):
            print(alert.alert_id, flush=True)
            if alert.alert_id == 2:
                os._exit(9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (9, "1\n2\n")
    assert set(stream.ids(group=group)) >= {2, 3}


def test_members_of_a_group_share_the_alerts_and_none_is_lost_when_one_leaves(stream: Stream) -> None:
    published: list[int] = []
    seen: dict[str, set[int]] = {"stays": set(), "leaves": set()}

    def publish_one() -> None:
        published.append(len(published))
        stream.publish_values(values(published[-1:]), partition=len(published) % 12)

    def take(who: str, alerts: ScoredAlerts) -> set[int]:
        alert = alerts.poll(0.1)
        seen[who] |= {alert.alert_id} if alert is not None else set()
        return seen[who]

    question = {"start_at": "earliest", "group": f"group-{stream.prefix}"}
    with stream.alerts(**question) as stays:
        publish_one()
        until(lambda: take("stays", stays), "the first member has something")
        with stream.alerts(**question) as leaves:

            def second_has_something() -> bool:
                publish_one()
                take("stays", stays)
                return bool(take("leaves", leaves))

            until(second_has_something, "the second member has something")
        until(lambda: take("stays", stays) | seen["leaves"] == set(published), "all is taken")


def test_foreign_bytes_are_counted_and_the_first_is_told_with_its_place(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    stream.publish([1], partition=0)
    stream.publish_values([(None, b"hello"), (b"k", None), (None, b"\0\0\0\0\7framed")], partition=0)
    stream.publish([2], partition=0)
    with (
        caplog.at_level(logging.WARNING, "streamer.client"),
        stream.alerts(start_at="earliest", until_eos=True) as alerts,
    ):
        assert [alert.alert_id for alert in alerts] == [1, 2]
    assert alerts.unreadable == 3
    (warning,) = caplog.messages
    assert f"{stream.prefix}.scored, partition 0, offset 1" in warning
    assert "neither an Avro container nor in Confluent's frame" in warning


def test_scores_of_non_public_data_come_on_request(stream: Stream) -> None:
    stream.publish([1])
    stream.publish([2], to="scored.restricted")
    assert stream.ids(start_at="earliest") == [1]
    assert stream.ids(start_at="earliest", restricted=True) == [1, 2]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def publish_framed(stream: Stream, alert_id: int, schema_id: int) -> None:
    (record,) = scored_alert_records(made_up.scored([alert_id]))
    stream.publish_values([(None, FramedEncoder(SCORED_ALERT, schema_id).encode(record))], partition=0)


@pytest.mark.usefixtures("cache")
def test_framed_scores_are_read_with_the_registrys_schema(stream: Stream, schema_registry: SchemaRegistry) -> None:
    schema_registry.add(schema_text(SCORED_ALERT), 7)
    publish_framed(stream, 1, 7)
    publish_framed(stream, 2, 8)  # which nobody registered
    with stream.alerts(start_at="earliest", until_eos=True, registry=schema_registry.url) as alerts:
        assert [alert.alert_id for alert in alerts] == [1]
    assert alerts.unreadable == 1


@pytest.mark.usefixtures("cache")
def test_a_registry_that_is_away_is_waited_for_and_nothing_is_passed_over(
    stream: Stream, schema_registry: SchemaRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    schema_registry.add(schema_text(SCORED_ALERT), 7)
    schema_registry.status = 500
    publish_framed(stream, 1, 7)
    with stream.alerts(start_at="earliest", until_eos=True, registry=schema_registry.url) as alerts:
        assert not any(alerts.poll(0.2) for _ in range(5))
        assert not alerts.has_ended
        schema_registry.status = None
        assert [alert.alert_id for alert in alerts] == [1]
    assert alerts.unreadable == 0
    (warning,) = caplog.messages
    assert "HTTP 500" in warning


def test_a_missing_topic_is_one_line_that_says_what_to_do(kafka: Kafka) -> None:
    with pytest.raises(KafkaFailure, match=r"has no topic nobody\.scored: is the prefix right\?"):
        ScoredAlerts(kafka.bootstrap, prefix="nobody")


def test_an_unreachable_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.kafka.offsets.ANSWER_TIMEOUT_S", 1.0)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1\) cannot be reached"):
        ScoredAlerts("127.0.0.1:1")


def test_a_question_that_makes_no_sense_is_one_line_before_any_cluster_is_asked() -> None:
    for question in ({"classes": ["kilonova"]}, {"limit": 0}, {"start_at": "soon"}, {"survey": "gaia"}):
        with pytest.raises(ConfigurationError):
            ScoredAlerts("127.0.0.1:1", **question)


def test_users_are_let_in_by_their_password_over_tls(start_kafka: Callable[..., KafkaServer]) -> None:
    server = start_kafka(users={"admin": "admin-secret", "anna": "anna-secret"}, tls=True)
    stream = Stream(Kafka(server.client()), "streamer")
    options = {key: value for key, value in server.client().items() if key != "bootstrap.servers"}
    home = cluster_at(server.bootstrap, "admin", "admin-secret", ca_file=server.ca_file)
    assert options["security.protocol"].lower() == home.options["security.protocol"]
    make(home, {"streamer.scored": Topics("streamer").plans()["streamer.scored"]}, replication=1)
    stream.publish([1])
    access = {"username": "anna", "ca_file": server.ca_file}
    for question in ({"start_at": "earliest"}, {"start_at": "earliest", "group": "mine"}):
        with ScoredAlerts(server.bootstrap, password="anna-secret", until_eos=True, **access, **question) as alerts:
            assert [alert.alert_id for alert in alerts] == [1]
    assert committed_group(server.client(), "anna-mine")
    with pytest.raises(Refused, match="refuses the user anna"):
        ScoredAlerts(server.bootstrap, password="wrong", **access)


def committed_group(client: dict[str, str], group: str) -> bool:
    consumer = Consumer(client | {"group.id": group})
    try:
        held = consumer.committed([TopicPartition("streamer.scored", number) for number in range(12)], timeout=30)
        return any(at.offset > 0 for at in held)
    finally:
        consumer.close()


def test_a_subscriber_outlives_a_restart_of_the_broker(
    start_kafka: Callable[..., KafkaServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "SESSION_TIMEOUT_MS", 3_000)  # the group waits for so long for its member
    server = start_kafka()
    stream = made(Kafka(server.client()))
    stream.publish([1])
    with stream.alerts(start_at="earliest", group="outlives") as alerts:
        assert next(alerts).alert_id == 1
        server.stop()
        assert alerts.poll(0.5) is None
        server.start()
        stream.publish([2])
        assert 2 in (alert.alert_id for alert in alerts)


def code_of_page(marker: str) -> str:
    """The block of Python in the docs that holds a text."""
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    (found,) = [block.split("```")[0] for block in blocks if marker in block]
    return found


def run(code: str, folder: Path) -> str:
    """What a script prints that runs in an empty folder."""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_lines_of_the_docs_give_tonights_young_supernovae(stream: Stream, tmp_path: Path) -> None:
    class_scores = np.tile(np.array([0.75, 0.25, 0, 0, 0, 0, 0], np.float32), (30, 1))
    class_scores[::3] = class_scores[0, [1, 2, 3, 4, 5, 0, 6]]  # a TDE
    stream.publish_values(values(range(30), class_scores=class_scores))
    code = code_of_page("from streamer.client import ScoredAlerts\n\nfor alert in")
    assert len([text for text in code.splitlines() if text]) == 3
    asked = f'"{stream.kafka.bootstrap}", prefix="{stream.prefix}", until_eos=True'
    lines = run(code.replace('"localhost:9092"', asked), tmp_path).splitlines()
    expected = stream.alerts(classes=["SN I", "SN II"], min_score=0.5, start_at="earliest", until_eos=True)
    assert sorted(lines) == sorted(f"{a.object_id} {a.predicted_class} {a.n_detections}" for a in expected)
    assert len(lines) == 20


def test_a_plain_consumer_with_any_avro_reader_reads_the_scores_without_our_code(
    stream: Stream, tmp_path: Path
) -> None:
    stream.publish([3, made_up.BIG_ID])
    code = code_of_page("import fastavro").replace("localhost:9092", stream.kafka.bootstrap)
    code = code.replace("streamer.scored", f"{stream.prefix}.scored")
    code = f"{code}\nimport sys\nprint(sorted({{'schemas', 'streamer', 'classifiers'}} & set(sys.modules)))\n"
    *lines, ours = run(code, tmp_path).splitlines()
    assert ours == "[]"
    alerts = {alert.alert_id: alert for alert in stream.alerts(start_at="earliest", until_eos=True)}
    assert sorted(lines) == sorted(
        f"{a.survey} {a.alert_id} {a.object_id} {a.predicted_class}" for a in alerts.values()
    )
