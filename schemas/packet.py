"""A packet: bytes as they came, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a message was first seen: (cluster, topic, partition, offset); over files the path, the
    archive's member, which of that name, and the record inside it.

    Two messages with equal coordinates are one message met twice (a replay after a crash).
    """

    origin: str
    """Kafka cluster name, or the absolute path of the archive or file, as it was given (links are not resolved)."""
    stream: str
    """Kafka topic, or the member's name inside the archive ('' for a loose file)."""
    partition: int = 0
    """Kafka partition; over archives, how many members of the same name came before (0 for a loose file)."""
    offset: int = 0
    """Kafka offset; over files, the record's place inside its Avro container (0 where it holds one)."""

    def __str__(self) -> str:
        return f"{self.origin}|{self.stream}|{self.partition}|{self.offset}"


@dataclass(frozen=True, slots=True)
class Packet:
    """One consumed message, untouched."""

    coordinates: Coordinates
    payload: bytes
    received_unix_s: float
    """When this service took the message in (UTC seconds since 1970)."""
    published_unix_s: float | None = None
    """When the survey published it (UTC seconds since 1970); None over files."""
