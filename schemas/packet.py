"""A packet: bytes as they came, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a message was first seen: (cluster, topic, partition, offset), over files (archive, member, 0, ordinal).

    Two messages with equal coordinates are one message met twice (a replay after a crash).
    """

    origin: str
    """Kafka cluster name, or the resolved path of the archive or folder-less file."""
    stream: str
    """Kafka topic, or the member's name inside the archive ('' for a loose file)."""
    partition: int = 0
    offset: int = 0

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
