"""How a subscriber gets at a cluster without a configuration file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamer.client.access import cluster_at
from streamer.errors import ConfigurationError


def test_without_a_user_nothing_is_proved_and_nothing_encrypted() -> None:
    cluster = cluster_at("broker:9092")
    assert cluster.options == {"security.protocol": "plaintext"}
    assert (cluster.bootstrap, cluster.username) == ("broker:9092", None)


def test_a_password_comes_from_the_call_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n")
    file.chmod(0o600)
    monkeypatch.setenv("STREAMER_PASSWORD", "from the environment")
    passwords = [
        cluster_at("b:1", "anna", password="given").options["sasl.password"],
        cluster_at("b:1", "anna", password_file=file).options["sasl.password"],
        cluster_at("b:1", "anna").options["sasl.password"],
    ]
    assert passwords == ["given", "from the file", "from the environment"]


@pytest.mark.parametrize(
    ("username", "tls", "ca_file", "protocol"),
    [
        ("anna", False, None, "sasl_plaintext"),
        ("anna", True, None, "sasl_ssl"),
        ("anna", False, "ca.pem", "sasl_ssl"),
        (None, True, None, "ssl"),
    ],
)
def test_tls_is_spoken_where_it_is_asked_for(
    username: str | None, tls: bool, ca_file: str | None, protocol: str
) -> None:
    options = cluster_at("b:1", username, "secret", None, ca_file, tls).options
    assert options["security.protocol"] == protocol
    assert options.get("ssl.ca.location") == ca_file
    assert options.get("sasl.mechanism") == ("SCRAM-SHA-512" if username else None)


def test_a_password_that_others_may_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        cluster_at("b:1", "anna", password_file=file)


def test_a_user_without_a_password_is_told_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMER_PASSWORD", raising=False)
    with pytest.raises(ConfigurationError, match="give password_file, or set STREAMER_PASSWORD"):
        cluster_at("b:1", "anna")
    with pytest.raises(ConfigurationError, match=r"the password file .* cannot be read: No such file"):
        cluster_at("b:1", "anna", password_file=tmp_path / "absent")


def test_importing_the_client_brings_no_models_and_no_compiler() -> None:
    heavy = {"numba", "onnxruntime", "lightgbm", "lancedb", "pyarrow", "matplotlib", "pymongo", "classifiers"}
    code = f"import sys, streamer.client; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
