"""Clusters, their schema registries, and the passwords of all that asks for one."""

from __future__ import annotations

import os
from pathlib import Path

from streamer.errors import ConfigurationError
from streamer.kafka.cluster import Cluster
from streamer.kafka.registry import SchemaRegistry
from streamer.passwords import read_password
from streamer.settings import Settings
from streamer.settings.service import HOME, Credentials, RegistrySettings, Security

BYTES_PER_MB = 1_000_000
"""[byte / MB]"""


def open_clusters(settings: Settings) -> dict[str, Cluster]:
    """Every configured Kafka cluster by its name, `home` first; nothing is asked of them yet.

    ConfigurationError where a password or a file of certificates cannot be had.
    """
    message_max_bytes = settings.kafka.message_max_mb * BYTES_PER_MB
    places = [(HOME, settings.kafka.bootstrap, settings.kafka.security)]
    places += [(cluster.name, cluster.bootstrap, cluster.security) for cluster in settings.clusters]
    return {
        name: Cluster(name, bootstrap, _security_options(security), message_max_bytes, security.username)
        for name, bootstrap, security in places
    }


def password_of(credentials: Credentials) -> str | None:
    """The password, from where the settings say it is; None without a user. ConfigurationError says what is amiss."""
    if credentials.password_env is not None:
        password = os.environ.get(credentials.password_env, "")
        if not password:
            raise ConfigurationError(f"the environment variable {credentials.password_env} holds no password: set it")
        return password
    if credentials.password_file is None:
        return None
    return read_password(Path(credentials.password_file))


def _security_options(security: Security) -> dict[str, str]:
    """librdkafka's properties of one cluster's security."""
    options: dict[str, str] = {"security.protocol": security.protocol}
    if security.protocol.startswith("sasl"):
        options["sasl.mechanism"] = security.mechanism
        options["sasl.username"] = security.username or ""
        options["sasl.password"] = password_of(security) or ""
    if security.protocol.endswith("ssl"):
        for key, path in (
            ("ssl.ca.location", security.ca_file),
            ("ssl.certificate.location", security.certificate_file),
            ("ssl.key.location", security.key_file),
        ):
            if path is not None:
                options[key] = readable(path)
    return options


def readable(path: str) -> str:
    """The path, when a file can be read there; ConfigurationError otherwise."""
    try:
        with Path(path).open("rb"):
            return path
    except OSError as error:
        raise ConfigurationError(f"the file {path} cannot be read: {error.strerror}") from None


def open_registry(settings: RegistrySettings) -> SchemaRegistry | None:
    """The configured schema registry; None where none is."""
    if settings.url is None:
        return None
    return SchemaRegistry(
        settings.url,
        cache_folder=Path(settings.cache_folder),
        timeout_s=settings.timeout_s,
        username=settings.username,
        password=password_of(settings),
        ca_file=None if settings.ca_file is None else Path(settings.ca_file),
    )
