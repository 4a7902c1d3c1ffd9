"""A simulated night on a real Kafka: what was made is what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import sleep

import pyarrow.parquet as pq
import pytest

from scripts.services import KafkaServer
from streamer.commands.simulate_kafka import PARTITIONS, simulate_to_kafka
from streamer.errors import UserError
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.topics import show
from streamer.settings import Settings
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.pace import evenly
from streamer.sinks import packets
from streamer.sinks.packets import KafkaPacketSink
from tests.services.fixtures import Kafka
from tests.services.running import unique


def settings_of(kafka: Kafka) -> Settings:
    return Settings.model_validate({"kafka": {"bootstrap": kafka.bootstrap}})


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_a_night_is_on_the_topic_with_its_truth_beside_it(
    survey: str, kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic, truth = unique("night"), tmp_path / "truth.parquet"
    simulate_to_kafka(NightPlan(survey, 20, 7), settings_of(kafka), topic, truth, None)
    said = capsys.readouterr().err
    assert f"made the topic {topic} with {PARTITIONS} partitions" in said
    assert f"20 on {topic}" in said
    expected = list(simulate_night(NightPlan(survey, 20, 7)))
    found = kafka.read(topic)
    assert sorted(message.value() or b"" for message in found) == sorted(packet.payload for packet in expected)
    assert {message.key() for message in found} == {None}
    told = [alert_id for row in pq.read_table(truth).to_pylist() for alert_id in row["alert_ids"]]
    assert sorted(told) == sorted(packet.alert_id for packet in expected)
    simulate_to_kafka(NightPlan(survey, 2, 8), settings_of(kafka), topic, None, evenly(2.0))
    assert "made the topic" not in capsys.readouterr().err
    assert len(kafka.read(topic)) == 22


def test_a_paced_night_waits_for_each_packets_time_and_an_unpaced_one_never(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(KafkaPacketSink, "wait", lambda sink, seconds: waits.append(seconds))
    plan, topic = NightPlan("lsst", 4, 7), unique("night")
    simulate_to_kafka(plan, settings_of(kafka), topic, None, None)
    assert waits == []
    simulate_to_kafka(plan, settings_of(kafka), topic, None, evenly(0.01))
    assert [round(seconds, -2) for seconds in waits] == [100.0, 200.0, 300.0]  # nobody waited, so each is whole


def test_a_packet_over_the_limit_is_told_in_one_line(kafka: Kafka) -> None:
    small = Cluster("home", kafka.bootstrap, {}, 2_000)
    with KafkaPacketSink(small, kafka.topic("night")) as sink, pytest.raises(KafkaFailure, match="is larger than"):
        sink.send(bytes(3_000))


def test_a_night_that_cannot_be_made_leaves_no_topic(kafka: Kafka) -> None:
    topic = unique("night")
    with pytest.raises(UserError, match="at least one packet"):
        simulate_to_kafka(NightPlan("lsst", 0), settings_of(kafka), topic, None, None)
    [state] = show(Cluster("home", kafka.bootstrap, {}, 8_000_000), {topic: None})
    assert state.state == "missing"


def test_a_broker_that_comes_back_is_waited_for_and_one_that_does_not_is_told(
    start_kafka: Callable[..., KafkaServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_kafka()
    kafka = Kafka(server.client())
    topic, home = kafka.topic("night"), Cluster("home", server.bootstrap, {}, 8_000_000)
    with KafkaPacketSink(home, topic) as sink:
        sink.send(b"before")
        sink.flush()
        server.stop()
        back = Thread(target=lambda: (sleep(1.0), server.start()))
        back.start()
        sink.send(b"meanwhile")
        sink.flush()
        back.join()
        assert sink.delivered == 2
    assert [message.value() for message in kafka.read(topic)] == [b"before", b"meanwhile"]
    monkeypatch.setattr(packets, "PATIENCE_S", 2.0)
    with KafkaPacketSink(home, topic) as sink:
        sink.send(b"again")
        sink.flush()
        server.stop()
        sink.send(b"never")
        with pytest.raises(KafkaFailure, match=rf"took no packet for 2 s; 1 are on {topic}: is it up\?"):
            sink.flush()
