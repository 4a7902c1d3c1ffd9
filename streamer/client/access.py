"""How a subscriber gets at a cluster without a configuration file."""

from __future__ import annotations

import os
from pathlib import Path

from streamer.errors import ConfigurationError
from streamer.kafka.cluster import Cluster
from streamer.passwords import read_password

PASSWORD_VARIABLE = "STREAMER_PASSWORD"
"""Environment variable that holds the password where neither it nor a file is given."""

MESSAGE_MAX_BYTES = 8_000_000
"""Largest message that is read [byte]: scores have some kB, and the topics take as much by default."""


def cluster_at(
    bootstrap: str,
    username: str | None = None,
    password: str | None = None,
    password_file: Path | str | None = None,
    ca_file: Path | str | None = None,
    tls: bool = False,
) -> Cluster:
    """The cluster at `host:port`, by SCRAM-SHA-512 where there is a user, by TLS where it is asked or `ca_file` given.

    ConfigurationError where a user has no password, or its file may be read by others.
    """
    options: dict[str, str | int] = {}
    encrypted = tls or ca_file is not None
    protocol = "ssl" if encrypted else "plaintext"
    if username is not None:
        protocol = f"sasl_{protocol}"
        options["sasl.mechanism"] = "SCRAM-SHA-512"
        options["sasl.username"] = username
        options["sasl.password"] = password or _password(username, password_file)
    if ca_file is not None:
        options["ssl.ca.location"] = str(Path(ca_file).expanduser())
    options["security.protocol"] = protocol
    return Cluster("home", bootstrap, options, MESSAGE_MAX_BYTES, username)


def _password(username: str, file: Path | str | None) -> str:
    if file is None:
        found = os.environ.get(PASSWORD_VARIABLE)
        if not found:
            raise ConfigurationError(f"{username} has no password: give password_file, or set {PASSWORD_VARIABLE}")
        return found
    return read_password(Path(file).expanduser())
