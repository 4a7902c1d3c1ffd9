"""A simulated night on a real Kafka: what was made is what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import sleep, time
from typing import Any

import pyarrow.parquet as pq
import pytest

from schemas.messages import key_of, read_message
from schemas.surveys.lsst import LsstSchemas
from schemas.surveys.tables import survey_schema
from schemas.times import unix_from_mjd_tai
from schemas.wire import SPECTRUM
from scripts.services import KafkaServer
from streamer.commands.simulate import Wanted
from streamer.commands.simulate_kafka import PARTITIONS, simulate_to_kafka
from streamer.errors import UserError
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.topics import show
from streamer.processors.decode import Decode
from streamer.settings import Settings
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.pace import evenly
from streamer.sinks import packets
from streamer.sinks.packets import KafkaPacketSink
from tests.fakes import packets as packets_of
from tests.services.fixtures import Kafka
from tests.services.registry import SchemaRegistry
from tests.services.running import Scores, json_line, service, unique
from tests.services.running import settings as run_settings


def settings_of(kafka: Kafka) -> Settings:
    return Settings.model_validate({"kafka": {"bootstrap": kafka.bootstrap}})


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_a_night_is_on_the_topic_with_its_truth_beside_it(
    survey: str, kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic, truth = unique("night"), tmp_path / "truth.parquet"
    simulate_to_kafka(Wanted(NightPlan(survey, 20, 7)), settings_of(kafka), topic, truth, None)
    said = capsys.readouterr().err
    assert f"made the topic {topic} with {PARTITIONS} partitions" in said
    assert f"20 on {topic}" in said
    expected = list(simulate_night(NightPlan(survey, 20, 7)))
    found = kafka.read(topic)
    assert sorted(message.value() or b"" for message in found) == sorted(packet.payload for packet in expected)
    assert {message.key() for message in found} == {None}
    told = [alert_id for row in pq.read_table(truth).to_pylist() for alert_id in row["alert_ids"]]
    assert sorted(told) == sorted(packet.alert_id for packet in expected)
    simulate_to_kafka(Wanted(NightPlan(survey, 2, 8)), settings_of(kafka), topic, None, evenly(2.0))
    assert "made the topic" not in capsys.readouterr().err
    assert len(kafka.read(topic)) == 22


def test_a_paced_night_waits_for_each_packets_time_and_an_unpaced_one_never(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(KafkaPacketSink, "wait", lambda sink, seconds: waits.append(seconds))
    plan, topic = NightPlan("lsst", 4, 7), unique("night")
    simulate_to_kafka(Wanted(plan), settings_of(kafka), topic, None, None)
    assert waits == []
    simulate_to_kafka(Wanted(plan), settings_of(kafka), topic, None, evenly(0.01))
    assert [round(seconds, -2) for seconds in waits] == [100.0, 200.0, 300.0]  # nobody waited, so each is whole


def test_a_packet_over_the_limit_is_told_in_one_line(kafka: Kafka) -> None:
    small = Cluster("home", kafka.bootstrap, {}, 2_000)
    with KafkaPacketSink(small, kafka.topic("night")) as sink, pytest.raises(KafkaFailure, match="is larger than"):
        sink.send(bytes(3_000))


def test_a_night_that_cannot_be_made_leaves_no_topic(kafka: Kafka) -> None:
    topic = unique("night")
    with pytest.raises(UserError, match="at least one packet"):
        simulate_to_kafka(Wanted(NightPlan("lsst", 0)), settings_of(kafka), topic, None, None)
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


def test_a_pool_offers_as_many_packets_as_asked_for_seen_of_late(
    kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = unique("pool")
    plan = NightPlan("lsst", 200, 7, mixture="rich")
    simulate_to_kafka(Wanted(plan, pool=30, as_json=True), settings_of(kafka), topic, None, None)
    said = json_line(capsys.readouterr().out)
    assert (said["packets"], said["delivered"], said["topic"], said["objects"]) == (200, 200, topic, None)
    payloads = [message.value() or b"" for message in kafka.read(topic)]
    batches, rejected = Decode(LsstSchemas(None))(packets_of(payloads))
    assert not rejected
    assert len({int(alert_id) for batch in batches for alert_id in batch.alert_id}) == 200
    ages_s = [time() - unix for batch in batches for unix in unix_from_mjd_tai(batch.mjd_tai)]
    assert 0.0 <= min(ages_s) <= 86_400.0


def with_registry(kafka: Kafka, url: str, folder: Path) -> Settings:
    registry = {"url": url, "cache_folder": str(folder / "cache")}
    return Settings.model_validate({"kafka": {"bootstrap": kafka.bootstrap}, "lsst_registry": registry})


def test_the_schema_of_what_is_sent_is_in_the_registry_as_rubins_has_it(
    kafka: Kafka, schema_registry: SchemaRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, topic = with_registry(kafka, schema_registry.url, tmp_path), unique("night")
    wanted = Wanted(NightPlan("lsst", 2, 7))
    simulate_to_kafka(wanted, given, topic, None, None)
    assert "schema 11.1 is not registered: the schema registry at" in capsys.readouterr().err
    assert schema_registry.schemas == {}
    schema_registry.importing.add("alert-packet")
    simulate_to_kafka(wanted, given, topic, None, None)
    assert "schema 11.1 is alert-packet and lsst-alerts-v11.1-value of" in capsys.readouterr().err
    sent = {int.from_bytes((message.value() or b"")[1:5], "big") for message in kafka.read(topic)}
    assert set(schema_registry.schemas) == sent == {1101}


def test_a_migration_is_rehearsed_a_running_worker_scores_old_new_and_unheard_of_schemas(
    kafka: Kafka, schema_registry: SchemaRegistry, tmp_path: Path
) -> None:
    schema_registry.importing.add("alert-packet")
    given, topic = with_registry(kafka, schema_registry.url, tmp_path), kafka.topic("alerts", partitions=2)
    registry = {"url": schema_registry.url, "cache_folder": str(tmp_path / "worker-cache")}
    with service(tmp_path, run_settings(kafka.bootstrap, tmp_path, [topic], lsst_registry=registry)) as running:
        running.wait_ready()
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            for count, (version, seed) in enumerate((("10.0", 1), ("11.1", 2)), start=1):
                simulate_to_kafka(Wanted(NightPlan("lsst", 20, seed, schema=version)), given, topic, None, None)
                scores.wait(20 * count)
            sent = {int.from_bytes((message.value() or b"")[1:5], "big") for message in kafka.read(topic)}
            assert set(schema_registry.schemas) == sent == {1000, 1101}
            schema_registry.add(with_one_field_more("11.1"), 1199)
            unheard_of = [
                b"\0" + (1199).to_bytes(4, "big") + packet.payload[5:] + b"\0"  # the new field is null
                for packet in simulate_night(NightPlan("lsst", 20, 3))
            ]
            kafka.produce(topic, [(None, payload) for payload in unheard_of])
            scores.wait(60)
            assert set(scores.seen.values()) == {1}
        assert kafka.read(f"{running.prefix}.dead_letters") == []


def with_one_field_more(version: str) -> dict[str, Any]:
    """A minor version that nobody has heard of."""
    schema = survey_schema("lsst", version)
    return schema | {"fields": [*schema["fields"], {"name": "novelty", "type": ["null", "float"]}]}


def test_spectra_follow_the_night_under_the_keys_of_their_objects(kafka: Kafka, tmp_path: Path) -> None:
    prefix, truth = unique("sky"), tmp_path / "truth.parquet"
    given = Settings.model_validate({"kafka": {"bootstrap": kafka.bootstrap, "topic_prefix": prefix}})
    plan = NightPlan("ztf", 60, 3, nights=5, mixture="rich", only=("SN Ia", "AGN"))
    simulate_to_kafka(Wanted(plan, spectra=1.0), given, unique("night"), truth, None)
    objects = {row["object_id"] for row in pq.read_table(truth).to_pylist()}
    messages = kafka.read(f"{prefix}.spectra")
    spectra = [read_message(message.value() or b"", SPECTRUM) for message in messages]
    assert len(spectra) > 3
    assert {spectrum["object_id"] for spectrum in spectra} <= objects
    assert {spectrum["published_by"] for spectrum in spectra} == {"streamer simulate"}
    assert [message.key() for message in messages] == [key_of("ztf", s["object_id"]) for s in spectra]
