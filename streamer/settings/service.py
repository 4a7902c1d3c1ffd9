"""Settings of the always-on service: clusters, streams, stores, limits and what is shown of a running worker."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from streamer.settings.fields import Number, Section, Whole, setting

NAME = r"^[a-z0-9][a-z0-9_-]*$"
"""Form of names that become parts of topics, groups and databases."""

NAME_FORM = "of small letters, digits, underscores and hyphens"

HOME = "home"
"""Name of the cluster that scores go to."""


class Credentials(Section):
    """A user and where the password is; the password itself never stands in the configuration."""

    username: str | None = setting(None, min_length=1, description="User name.", examples=["streamer"])
    password_file: str | None = setting(
        None,
        min_length=1,
        is_path=True,
        description="File that holds the password, readable by its owner only (mode 0600).",
        examples=["password"],
    )
    password_env: str | None = setting(
        None,
        min_length=1,
        description="Name of the environment variable that holds the password.",
        examples=["STREAMER_PASSWORD"],
    )

    @model_validator(mode="after")
    def _password_comes_from_one_place(self) -> Self:
        if self.password_file is not None and self.password_env is not None:
            raise PydanticCustomError("credentials", "give password_file or password_env, not both")
        if self.username is not None and self.password_file is None and self.password_env is None:
            raise PydanticCustomError("credentials", "a username needs password_file or password_env")
        return self


class Security(Credentials):
    """How a cluster is spoken to."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = setting(
        "plaintext", description="Kafka's security protocol; `ssl` is TLS."
    )
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = setting(
        "SCRAM-SHA-512", description="How the password is proved, with the sasl protocols."
    )
    ca_file: str | None = setting(
        None,
        min_length=1,
        is_path=True,
        description="Certificates to trust, PEM; the system's by default.",
        examples=["ca.pem"],
    )
    certificate_file: str | None = setting(
        None,
        min_length=1,
        is_path=True,
        description="Own certificate, PEM, where the cluster asks for one.",
        examples=["client.pem"],
    )
    key_file: str | None = setting(
        None, min_length=1, is_path=True, description="Key of the own certificate, PEM.", examples=["client.key"]
    )

    @model_validator(mode="after")
    def _sasl_needs_a_user(self) -> Self:
        if self.protocol.startswith("sasl") and self.username is None:
            raise PydanticCustomError("credentials", "the sasl protocols need a username")
        return self


class RegistrySettings(Credentials):
    """A Confluent-compatible schema registry."""

    url: str | None = setting(
        None,
        pattern=r"^https?://",
        form="that starts with http:// or https://",
        description="Address of the registry.",
        examples=["https://registry.example.org"],
    )
    ca_file: str | None = setting(
        None,
        min_length=1,
        is_path=True,
        description="Certificates to trust, PEM; the system's by default.",
        examples=["ca.pem"],
    )
    timeout_s: Number = setting(5.0, unit="s", ge=0.1, le=120.0, description="Longest wait for an answer.")
    cache_folder: str = setting(
        "schema-cache",
        min_length=1,
        is_path=True,
        description="Folder where schemas are kept, so that a restart needs no registry.",
    )


class KafkaSettings(Section):
    """The home cluster: scores go there, and the workers share their work through its groups."""

    bootstrap: str = setting(
        "localhost:9092", min_length=1, description="Brokers to ask first, as host:port, with commas between them."
    )
    security: Security = setting(Security(), description="How the cluster is spoken to.")
    topic_prefix: str = setting(
        "streamer", pattern=NAME, form=NAME_FORM, description="Our topics begin with this and a dot."
    )
    replication_factor: Whole = setting(
        1, unit="brokers", ge=1, le=100, description="Copies of each topic that `streamer topics create` makes."
    )
    session_timeout_s: Whole = setting(
        10,
        unit="s",
        ge=1,
        le=1_800,
        description="A worker that is not heard of for this long loses its partitions to the others.",
    )
    transaction_timeout_s: Whole = setting(
        10,
        unit="s",
        ge=1,
        le=900,
        description="A transaction older than this is undone; until then subscribers wait for a worker that died.",
    )
    fetch_max_mb: Whole = setting(
        64, unit="MB", ge=1, le=10_000, description="Most memory of a worker, and of a cluster, for what was fetched."
    )
    message_max_mb: Whole = setting(
        8, unit="MB", ge=1, le=1_000, description="Largest message that is read and written; the topics take as much."
    )
    registry: RegistrySettings = setting(
        RegistrySettings(cache_folder="schema-cache/home"),
        description="Where our own schemas are registered. With a url the values are Confluent-framed; without one "
        "each is an Avro container that any reader understands.",
    )


class ClusterSettings(Section):
    """Another cluster that alerts are read from, such as a survey's own."""

    name: str = setting(
        pattern=NAME, form=NAME_FORM, description="Name of the cluster in streams, coordinates and figures."
    )
    bootstrap: str = setting(min_length=1, description="Brokers to ask first, as host:port, with commas between them.")
    security: Security = setting(Security(), description="How the cluster is spoken to.")

    @model_validator(mode="after")
    def _home_is_taken(self) -> Self:
        if self.name == HOME:
            raise PydanticCustomError("cluster", "`home` is the cluster under kafka: choose another name")
        return self


class StreamSettings(Section):
    """Topics of one cluster to be scored."""

    topics: tuple[str, ...] = setting(
        min_length=1,
        description="Names of topics. `{date}` stands for a night as YYYYMMDD, within the window.",
    )
    cluster: str = setting(HOME, description="Name of the cluster; `home` is the one under kafka.")
    start_at: Literal["earliest", "latest"] = setting(
        "earliest",
        description="Where a partition begins that this deployment has never read. `latest` holds for what is there "
        "when a worker starts; nights and partitions that come later are read from their beginning.",
    )
    nights_back: Whole = setting(
        2, unit="nights", ge=0, le=60, description="Nights before today (UTC) in the window of `{date}`."
    )
    nights_ahead: Whole = setting(
        1, unit="nights", ge=0, le=60, description="Nights after today (UTC) in the window of `{date}`."
    )


class MongodbSettings(Credentials):
    """A MongoDB database."""

    uri: str = setting(
        "mongodb://localhost:27017",
        pattern=r"^mongodb(\+srv)?://[^@]*$",
        form="that starts with mongodb:// or mongodb+srv:// and holds no user and password (their keys are username, "
        "password_file and password_env)",
        description="Address of the server, without user and password.",
    )
    database: str = setting("transient-streamer", pattern=NAME, form=NAME_FORM, description="Name of the database.")


class StateSettings(Section):
    """What is remembered of objects between alerts."""

    store: Literal["sqlite", "mongodb"] = setting(
        "sqlite",
        description="Where `streamer run` keeps objects: `sqlite` in a folder, for one worker; `mongodb` for any "
        "number. A replay always keeps its own, in its results folder.",
    )
    folder: str = setting(
        "streamer-state", min_length=1, is_path=True, description="Folder of the sqlite store of `streamer run`."
    )
    mongodb: MongodbSettings = setting(MongodbSettings(), description="Database of the mongodb store.")
    cutouts_max_mb: Whole = setting(
        512,
        unit="MB",
        ge=0,
        le=10_000_000,
        description="Most space for the cutouts of scored alerts in sqlite; the oldest go first. 0 keeps none.",
    )
    cutouts_days: Whole = setting(
        14, unit="d", ge=0, le=3_650, description="How long mongodb keeps cutouts of scored alerts. 0 keeps none."
    )
    seen_days: Whole = setting(
        30,
        unit="d",
        ge=1,
        le=3_650,
        description="How long mongodb knows which message brought an alert. Keep it above the retention of the topics.",
    )
    alerts_days: Whole = setting(
        365, unit="d", ge=1, le=36_500, description="How long mongodb keeps the metadata of an alert."
    )
    light_curves_days: Whole = setting(
        730,
        unit="d",
        ge=1,
        le=36_500,
        description="How long mongodb keeps an object, its light curve and last score, after it was last added to.",
    )


class DeadLetterSettings(Section):
    """When messages that cannot be processed stop the service."""

    max_fraction: Number = setting(
        0.5,
        ge=0.0,
        le=1.0,
        description="Share of dead letters in the window above which the workers stop loudly. 1 never stops them.",
    )
    window_alerts: Whole = setting(
        1_000, unit="messages", ge=10, le=1_000_000, description="So many of the last messages are looked at."
    )


class MetricsSettings(Section):
    """What running workers and sinks show of themselves over HTTP: /metrics, /healthz, /readyz."""

    address: str = setting("127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for all.")
    port: Whole = setting(
        9464, ge=1, le=65_000, description="Port of the first worker; each further worker takes the next one."
    )
    sinks_port: Whole = setting(
        9454,
        ge=1,
        le=65_000,
        description="Port of the parquet sink; the lancedb sink takes the next one, the mongodb sink the one after.",
    )


class LogSettings(Section):
    """What workers, sinks and their supervisor say on stderr."""

    format: Literal["text", "json"] = setting(
        "text", description="`text` for people; `json` for programs: one object a line."
    )
    level: Literal["debug", "info", "warning"] = setting(
        "info", description="The least that is said. `debug` adds what the Kafka clients say themselves."
    )
    repeat_s: Number = setting(
        60.0,
        unit="s",
        ge=0.0,
        le=86_400.0,
        description="So long after a warning or an error others of its kind are counted instead of said. 0 says all.",
    )


class SinkSettings(Section):
    """What `streamer sink` writes, and how often."""

    parquet_folder: str = setting(
        "scores", min_length=1, is_path=True, description="Folder of the Parquet sink: scores.parquet below it."
    )
    lancedb_folder: str = setting(
        "embeddings", min_length=1, is_path=True, description="Folder of the LanceDB sink: embeddings.lance below it."
    )
    mongodb: MongodbSettings = setting(MongodbSettings(), description="Database of the MongoDB sink.")
    max_rows: Whole = setting(
        16_384, unit="rows", ge=1, le=1_000_000, description="A sink writes when so many rows wait."
    )
    max_wait_s: Number = setting(
        30.0, unit="s", ge=0.1, le=3_600.0, description="A sink writes what waits after this time at the latest."
    )
    quiet_s: Number = setting(
        60.0, unit="s", ge=1.0, le=86_400.0, description="After so long without a message a sink joins its files."
    )
    restricted: Literal["leave_out", "include"] = setting(
        "leave_out", description="Whether scores that rest on non-public data are written too."
    )
