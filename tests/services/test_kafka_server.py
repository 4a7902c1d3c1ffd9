"""The Kafka that the tests start: it keeps what it was given, and lets in whom it should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient

from scripts.services import KafkaServer, PortTakenError
from tests.services.fixtures import Kafka

StartKafka = Callable[..., KafkaServer]


def test_what_is_produced_is_read_in_order_from_every_partition(kafka: Kafka) -> None:
    topic = kafka.topic("order", partitions=2)
    kafka.produce(topic, [(b"a", b"1"), (b"a", b"2")], partition=0)
    kafka.produce(topic, [(b"b", b"3")], partition=1)
    assert [(m.partition(), m.key(), m.value()) for m in kafka.read(topic)] == [
        (0, b"a", b"1"),
        (0, b"a", b"2"),
        (1, b"b", b"3"),
    ]


def test_a_read_committed_reader_does_not_see_an_aborted_transaction(kafka: Kafka) -> None:
    topic = kafka.topic("aborted")
    producer = Producer(kafka.client | {"transactional.id": topic})
    producer.init_transactions(30)
    for value, finish in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        finish(30)
    assert [m.value() for m in kafka.read(topic)] == [b"committed"]
    assert [m.value() for m in kafka.read(topic, "read_uncommitted")] == [b"aborted", b"committed"]


def test_topics_are_not_made_by_asking_for_them(kafka: Kafka) -> None:
    found = Producer(kafka.client).list_topics("nobody-made-this", 30).topics["nobody-made-this"]
    assert found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


@pytest.mark.parametrize("end", [KafkaServer.stop, KafkaServer.kill])
def test_what_was_produced_is_there_after_an_end_and_a_new_start(
    end: Callable[[KafkaServer], None], start_kafka: StartKafka
) -> None:
    server = start_kafka()
    before = Kafka(server.client())
    topic = before.topic("kept")
    before.produce(topic, [(b"k", b"v")])
    end(server)
    server.start()
    after = Kafka(server.client())
    assert after.bootstrap == before.bootstrap
    assert [m.value() for m in after.read(topic)] == [b"v"]


def test_a_folder_is_taken_up_again_by_another_server_on_another_port(start_kafka: StartKafka) -> None:
    first = start_kafka()
    topic = Kafka(first.client()).topic("moved")
    first.stop()
    with KafkaServer(first.folder) as second:
        assert second.port != first.port
        assert topic in AdminClient(second.client()).list_topics(timeout=30).topics


def test_with_users_a_right_password_is_let_in_and_a_wrong_one_is_not(start_kafka: StartKafka) -> None:
    server = start_kafka(users={"admin": "of the broker", "reader": "of mine"})
    reader = Kafka(server.client("reader"))
    topic = reader.topic("guarded")
    reader.produce(topic, [(None, b"v")])
    assert [m.value() for m in reader.read(topic)] == [b"v"]
    assert _refusal(server.client("reader") | {"sasl.password": "guessed"}).code() == KafkaError._AUTHENTICATION


def test_with_tls_a_client_must_trust_the_certificate(start_kafka: StartKafka) -> None:
    server = start_kafka(users={"admin": "of the broker"}, tls=True)
    trusting = Kafka(server.client())
    assert trusting.client["security.protocol"] == "SASL_SSL"
    topic = trusting.topic("encrypted")
    trusting.produce(topic, [(None, b"v")])
    assert [m.value() for m in trusting.read(topic)] == [b"v"]
    wary = server.client()
    del wary["ssl.ca.location"]
    assert "certificate verify failed" in _refusal(wary).str()  # its code is _SSL, or _TRANSPORT of a quick broker


def test_a_taken_port_is_said_in_one_line(start_kafka: StartKafka, tmp_path: Path) -> None:
    port = start_kafka().port
    with pytest.raises(PortTakenError, match=rf"^Kafka cannot listen on 127.0.0.1:{port}, which is taken: stop .*$"):
        KafkaServer(tmp_path / "second", port).start()


def _refusal(client: dict[str, str]) -> KafkaError:
    """The first error that a client is told."""
    errors: list[KafkaError] = []
    producer = Producer(client | {"error_cb": errors.append})
    for _ in range(300):
        producer.poll(0.1)
        if errors:
            return errors[0]
    raise AssertionError("no refusal within 30 s")
