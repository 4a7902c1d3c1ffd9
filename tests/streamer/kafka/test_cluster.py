"""A cluster says how it is reached, and in one line what is wrong where it is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from confluent_kafka import KafkaError

from streamer.errors import ConfigurationError
from streamer.kafka.cluster import Cluster, Refused, Unreachable, explain, reach

SASL = {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.password": "hush"}


def cluster(bootstrap: str = "localhost:9092", **options: str) -> Cluster:
    return Cluster("rubin", bootstrap, {"security.protocol": "plaintext"} | options, 8_000_000, "me")


def test_options_of_a_client_come_with_underscores_and_those_of_the_python_client_stay() -> None:
    def heard(error: KafkaError) -> None: ...

    client = cluster().client(enable_auto_commit=False, error_cb=heard)
    assert client["bootstrap.servers"] == "localhost:9092"
    assert client["security.protocol"] == "plaintext"
    assert client["message.max.bytes"] == 8_000_000
    assert client["enable.auto.commit"] is False
    assert client["error_cb"] is heard
    assert cluster().client(client_id="mine")["client.id"] == "mine"


def test_a_group_begins_with_the_user_where_there_is_one() -> None:
    assert cluster().group_id("g") == "me-g"
    assert Cluster("home", "x", {}, 1).group_id("g") == "g"


def test_a_cluster_can_stand_in_a_set_and_never_shows_its_password() -> None:
    secret = Cluster("home", "x", SASL, 1)
    assert len({secret, Cluster("home", "x", dict(SASL), 1)}) == 1
    assert "hush" not in f"{secret} {secret!r}"


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            KafkaError._AUTHENTICATION,
            "sasl_ssl://b:1/bootstrap: SASL authentication error: invalid credentials (after 3ms in state AUTH_REQ)",
            "refuses the user me: check username and password",
        ),
        (
            KafkaError._AUTHENTICATION,
            "b:1/1: mechanism handshake failed: broker's supported mechanisms: SCRAM-SHA-512 (after 1ms in state X)",
            "does not take PLAIN: set security.mechanism to SCRAM-SHA-512",
        ),
        (
            KafkaError._AUTHENTICATION,
            "b:1/1: mechanism handshake failed: broker's supported mechanisms:  (after 1ms in state X)",
            "asks for no password at this port: set security.protocol without sasl, or give another port",
        ),
        (
            KafkaError._SSL,
            "ssl://b:1/bootstrap: SSL handshake failed: certificate verify failed: ...",
            "shows a certificate that is not trusted: give its authority's as security.ca_file",
        ),
        (  # what a broker answers before librdkafka has looked once
            KafkaError._TRANSPORT,
            "ssl://b:1/bootstrap: error:0A000086:SSL routines::certificate verify failed (after 1ms in state X)",
            "shows a certificate that is not trusted: give its authority's as security.ca_file",
        ),
        (
            KafkaError._TRANSPORT,
            "ssl://b:1/bootstrap: error:0A00010B:SSL routines::wrong version number (after 1ms in state X)",
            "does not speak TLS at this port: set security.protocol without ssl, or give another port",
        ),
        (
            KafkaError._TRANSPORT,
            "ssl://b:1/1: error:0A000102:SSL routines::unsupported protocol",
            "cannot be spoken to by TLS (error:0A000102:SSL routines::unsupported protocol): ",
        ),
        (KafkaError._SSL, "ssl://b:1/1: alert bad certificate", "cannot be spoken to by TLS (alert bad certificate): "),
        (KafkaError._RESOLVE, "Failed to resolve", "has a host name that is not known: check bootstrap"),
        (
            KafkaError._TRANSPORT,
            "b:1/bootstrap: Connection refused (after 0ms in state CONNECT)",
            "cannot be reached (Connection refused): is it up, and is bootstrap right?",
        ),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "no", "does not let the user me use this topic: "),
        (KafkaError.INVALID_REPLICATION_FACTOR, "no", "has fewer brokers than kafka.replication_factor asks for"),
        (KafkaError.INVALID_TXN_STATE, "Broker: odd state", "says: Broker: odd state"),
    ],
)
def test_an_error_is_told_by_its_cluster_and_by_what_to_do(code: int, text: str, expected: str) -> None:
    said = explain(KafkaError(code, text), cluster("b:1", **SASL))
    assert said.startswith("the Kafka cluster rubin (b:1) ")
    assert expected in said
    assert "\n" not in said


@contextmanager
def listener(is_rude: bool) -> Iterator[str]:
    """A port that takes connections, and ends them at once or says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return
                if is_rude:
                    taken.pop().close()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in taken:
            connection.close()


def test_a_port_where_nobody_listens_a_silent_one_and_one_that_hangs_up_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(Unreachable, match=r"cannot be reached \(.*Connection refused\): is it up"):
        reach(cluster(nobody), 0.5)
    with listener(is_rude=False) as silent, pytest.raises(Unreachable, match=r"does not answer within 0.5 s"):
        reach(cluster(silent), 0.5)
    with listener(is_rude=True) as rude, pytest.raises(Unreachable, match=r"another security.protocol than plaintext"):
        reach(cluster(rude), 0.5)


def test_certificates_that_are_none_are_a_matter_of_the_configuration() -> None:
    wrong = {"security.protocol": "ssl", "ssl.ca.location": __file__}
    with pytest.raises(ConfigurationError, match=r"the Kafka cluster rubin .* cannot be set up: .*ssl.ca.location"):
        reach(cluster(**wrong), 0.5)


def test_what_is_refused_is_no_matter_of_waiting() -> None:
    assert issubclass(Refused, ConfigurationError)
    assert not issubclass(Unreachable, ConfigurationError)
