"""A real Kafka that does not let us in: each reason has its own line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.services import KafkaServer
from streamer.errors import ConfigurationError
from streamer.factory.clusters import open_clusters
from streamer.kafka.cluster import Cluster, Refused, Unreachable, reach
from streamer.settings import Settings
from tests.services.fixtures import Kafka

TIMEOUT_S = 20.0
"""Longest wait for an answer [s]; it comes after some two seconds."""


@pytest.fixture
def home(tmp_path: Path) -> Callable[[KafkaServer | Kafka, dict[str, Any]], Cluster]:
    """The home cluster of a configuration with these keys of `security`; the password is `right`."""

    def open_home(server: KafkaServer | Kafka, security: dict[str, Any]) -> Cluster:
        password = tmp_path / "password"
        password.write_text("right\n")
        password.chmod(0o600)
        keys = {"username": "reader", "password_file": str(password)} if "sasl" in security["protocol"] else {}
        kafka = {"bootstrap": server.bootstrap, "security": keys | security}
        return open_clusters(Settings.model_validate({"kafka": kafka}))["home"]

    return open_home


Home = Callable[[KafkaServer | Kafka, dict[str, Any]], Cluster]


def refusal(cluster: Cluster) -> str:
    with pytest.raises(Refused) as caught:
        reach(cluster, TIMEOUT_S)
    assert isinstance(caught.value, ConfigurationError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_passwords_and_mechanisms_are_told_apart(
    start_kafka: Callable[..., KafkaServer], home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = start_kafka(users={"admin": "of the broker", "reader": "right"})
    good = home(server, {"protocol": "sasl_plaintext"})
    assert reach(good, TIMEOUT_S).brokers
    assert good.group_id("g") == "reader-g"
    capfd.readouterr()

    (tmp_path / "wrong").write_text("guessed")
    (tmp_path / "wrong").chmod(0o600)
    wrong = home(server, {"protocol": "sasl_plaintext", "password_file": str(tmp_path / "wrong")})
    assert refusal(wrong).endswith("refuses the user reader: check username and password")
    other = home(server, {"protocol": "sasl_plaintext", "mechanism": "PLAIN"})
    assert refusal(other).endswith("does not take PLAIN: set security.mechanism to SCRAM-SHA-512")
    with pytest.raises(Unreachable, match=r"does it want another security.protocol than plaintext"):
        reach(home(server, {"protocol": "plaintext"}), 2.0)
    assert capfd.readouterr() == ("", "")  # librdkafka says nothing by itself


def test_tls_that_does_not_fit_is_told_from_tls_that_is_not_there(
    start_kafka: Callable[..., KafkaServer], kafka: Kafka, home: Home
) -> None:
    server = start_kafka(tls=True)
    assert reach(home(server, {"protocol": "ssl", "ca_file": str(server.ca_file)}), TIMEOUT_S).brokers
    unknown = refusal(home(server, {"protocol": "ssl"}))
    assert unknown.endswith("shows a certificate that is not trusted: give its authority's as security.ca_file")

    assert "does not speak TLS at this port" in refusal(home(kafka, {"protocol": "ssl"}))
    assert "asks for no password at this port" in refusal(home(kafka, {"protocol": "sasl_plaintext"}))
