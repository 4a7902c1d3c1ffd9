"""A topic from a time to a time, on a real Kafka, and what a replay leaves alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from scripts.services import KafkaServer
from streamer.commands.replay import run_replay
from streamer.errors import UserError
from streamer.kafka.cluster import Cluster, KafkaFailure, Unreachable
from streamer.settings import Settings
from streamer.simulate.night import NightPlan, simulate_night
from streamer.sources import kafka_topic
from streamer.sources.kafka_topic import KafkaTopicSource
from tests.services.fixtures import Kafka
from tests.services.running import json_line, streamer, unique, until


def cluster_of(kafka: Kafka) -> Cluster:
    return Cluster("home", kafka.bootstrap, {}, 8_000_000)


def payloads(kafka: Kafka, topic: str, begin: float | None = None, end: float | None = None) -> list[bytes]:
    with KafkaTopicSource(cluster_of(kafka), topic, begin, end) as source:
        found = [packet.payload for packet in source]
        assert source.offsets_read == source.offsets_total
        return found


def test_every_message_comes_once_with_the_coordinates_of_the_live_service(kafka: Kafka) -> None:
    topic = kafka.topic("replay", partitions=3)
    for partition in range(3):
        kafka.produce(topic, [(None, b"%d-%d" % (partition, n)) for n in range(5)], partition=partition)
    with KafkaTopicSource(cluster_of(kafka), topic) as source:
        assert (source.offsets_read, source.offsets_total) == (0, 15)
        packets = list(source)
        again = [packet.coordinates for packet in source]
    places = {(p.coordinates.partition, p.coordinates.offset): p.payload for p in packets}
    assert places == {(partition, n): b"%d-%d" % (partition, n) for partition in range(3) for n in range(5)}
    assert {(p.coordinates.origin, p.coordinates.stream) for p in packets} == {("home", topic)}
    assert all(p.published_unix_s and abs(p.published_unix_s - time.time()) < 600 for p in packets)
    assert sorted(map(str, again)) == sorted(str(p.coordinates) for p in packets)


def test_marks_of_transactions_and_undone_messages_hold_nothing_and_keep_no_end_waiting(kafka: Kafka) -> None:
    topic = kafka.topic("replay")
    producer = Producer(kafka.client | {"transactional.id": topic})
    producer.init_transactions(30)
    for value in (b"kept", None, b"kept too", None):
        producer.begin_transaction()
        producer.produce(topic, value or b"undone")
        producer.flush(30)
        (producer.abort_transaction if value is None else producer.commit_transaction)(30)
    assert payloads(kafka, topic) == [b"kept", b"kept too"]
    producer.begin_transaction()
    producer.produce(topic, b"open")
    producer.flush(30)
    assert payloads(kafka, topic) == [b"kept", b"kept too"]
    producer.abort_transaction(30)


def test_what_comes_after_the_start_is_not_read(kafka: Kafka) -> None:
    topic = kafka.topic("replay")
    kafka.produce(topic, [(None, b"before")])
    with KafkaTopicSource(cluster_of(kafka), topic) as source:
        kafka.produce(topic, [(None, b"after")] * 20)
        assert [packet.payload for packet in source] == [b"before"]


def test_a_window_of_time_is_cut_out_at_both_ends(kafka: Kafka) -> None:
    topic = kafka.topic("replay", partitions=2)
    for second in range(10):
        kafka.produce(
            topic, [(None, b"%d" % second)], timestamp=1_700_000_000_000 + 1000 * second, partition=second % 2
        )
    begin = 1_700_000_000.0
    assert sorted(payloads(kafka, topic, begin + 2.5)) == [b"%d" % second for second in range(3, 10)]
    assert sorted(payloads(kafka, topic, begin + 2, begin + 6)) == [b"2", b"3", b"4", b"5"]
    assert sorted(payloads(kafka, topic, None, begin + 1)) == [b"0"]
    with pytest.raises(
        KafkaFailure, match=r"holds no message from 2023-11-14 22:13:30 UTC until 2023-11-14 22:14:10 UTC$"
    ):
        payloads(kafka, topic, begin + 10, begin + 50)


def test_an_empty_topic_and_a_missing_one_are_told_in_one_line(kafka: Kafka) -> None:
    topic, admin = kafka.topic("replay"), AdminClient(kafka.client)
    until(lambda: topic in admin.list_topics(timeout=30).topics, "the broker knows the topic")
    with pytest.raises(KafkaFailure, match=rf"the topic {topic} of the Kafka cluster home \(.*\) holds no message$"):
        payloads(kafka, topic)
    with pytest.raises(KafkaFailure, match=rf"has no topic {topic}s: did you mean {topic}\?$"):
        payloads(kafka, topic + "s")


def test_messages_that_are_deleted_while_they_are_read_stop_the_replay(kafka: Kafka) -> None:
    topic = kafka.topic("replay")
    kafka.produce(topic, [(None, b"%d" % n) for n in range(5)])
    source = KafkaTopicSource(cluster_of(kafka), topic)
    _delete_before(kafka, topic, 3)
    with source, pytest.raises(KafkaFailure, match=r"were deleted before they were read: start again, with a later"):
        list(source)


def _delete_before(kafka: Kafka, topic: str, offset: int) -> None:
    place = TopicPartition(topic, 0, offset)
    admin = AdminClient(kafka.client)  # must outlive its answers
    admin.delete_records([place])[place].result(30)


def test_a_cluster_that_goes_away_for_long_ends_the_replay_in_one_line(
    start_kafka: Callable[..., KafkaServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_topic, "PATIENCE_S", 2.0)
    server = start_kafka()
    kafka = Kafka(server.client())
    topic = kafka.topic("replay")
    kafka.produce(topic, [(None, b"1")])
    with KafkaTopicSource(cluster_of(kafka), topic) as source:
        server.stop()
        with pytest.raises(Unreachable, match=r"went away: when it is back, the same command goes on$"):
            list(source)


def test_a_replay_scores_topics_and_files_and_leaves_no_group_behind(
    kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = kafka.topic("replay", partitions=2)
    packets = list(simulate_night(NightPlan("lsst", 20, 5)))
    kafka.produce(topic, [(None, packet.payload) for packet in packets[:15]])
    (tmp_path / "files").mkdir()
    for packet in packets[15:]:
        (tmp_path / "files" / packet.file_name).write_bytes(packet.payload)
    settings = Settings.model_validate({"kafka": {"bootstrap": kafka.bootstrap}})
    out = tmp_path / "out"
    names = [f"kafka://{topic}", str(tmp_path / "files")]
    groups = _groups(kafka)
    for _ in range(2):  # the same messages met again are known by their coordinates
        run_replay(names, out, settings, None, None, None, None, True)
        found = json_line(capsys.readouterr().out)
        assert (found["received"], found["duplicate"], found["dead_letter"]) == (20, 0, 0)
    assert pq.read_table(out / "scores.parquet").num_rows == found["scored"]
    assert _groups(kafka) == groups


def _groups(kafka: Kafka) -> set[str]:
    admin = AdminClient(kafka.client)
    listed = admin.list_consumer_groups().result(30)
    return {group.group_id for group in listed.valid}


def test_foreign_bytes_on_the_topic_are_dead_letters(kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.topic("replay")
    kafka.produce(topic, [(None, b"no packet at all"), (b"key", None)])
    config = tmp_path / "streamer.yaml"
    config.write_text(f"kafka: {{bootstrap: '{kafka.bootstrap}'}}\n")
    done = streamer("replay", f"kafka://home/{topic}", "--out", tmp_path / "out", "--config", config, "--json")
    assert done.returncode == 0, done.stderr
    found = json_line(done.stdout)
    assert (found["received"], found["dead_letter"]) == (2, 2)


def test_a_topic_of_an_unknown_name_stops_before_anything_is_made(kafka: Kafka, tmp_path: Path) -> None:
    settings = Settings.model_validate({"kafka": {"bootstrap": kafka.bootstrap}})
    with pytest.raises(UserError, match="has no topic"):
        run_replay([f"kafka://{unique('none')}"], tmp_path / "out", settings, None, None, None, None, False)
    assert not (tmp_path / "out").exists()
