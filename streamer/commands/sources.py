"""What a command reads from, as people name it: files, folders, archives, topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Self

from schemas.packet import Packet
from schemas.surveys.reading import Rejected
from streamer.errors import UserError
from streamer.factory.clusters import open_clusters
from streamer.kafka.cluster import Cluster
from streamer.settings import Settings
from streamer.settings.service import HOME
from streamer.sources.files import FileSource
from streamer.sources.kafka_topic import KafkaTopicSource

KAFKA = "kafka://"
"""Begins the address of a topic: `kafka://TOPIC` at home, or `kafka://CLUSTER/TOPIC`."""


class Sources:
    """Files, then topics, one after another."""

    def __init__(self, files: FileSource | None, topics: Sequence[KafkaTopicSource]) -> None:
        self._files, self._topics = files, topics

    @property
    def skipped(self) -> Sequence[str]:
        """Files that are no packets by their name or kind."""
        return self._files.skipped if self._files is not None else []

    @property
    def fraction_read(self) -> float:
        """How far the reading is, 0 to 1: each topic counts as much as all the files."""
        parts = [topic.offsets_read / topic.offsets_total for topic in self._topics]
        if self._files is not None:
            parts.append(self._files.bytes_read / max(self._files.bytes_total, 1))
        return sum(parts) / len(parts)

    def __iter__(self) -> Iterator[Packet | Rejected]:
        """Every packet once; what cannot be read comes as `Rejected`."""
        if self._files is not None:
            yield from self._files
        for topic in self._topics:
            yield from topic

    def close(self) -> None:
        """Lets go of the clusters."""
        for topic in self._topics:
            topic.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_sources(
    names: Sequence[str], settings: Settings, begin: str | None, until: str | None, leave_out: Sequence[Path]
) -> Sources:
    """The packets of paths and `kafka://` addresses, nothing in or below `leave_out`.

    `begin` and `until` are dates or date-times (UTC) for the topics. UserError names what cannot be read.
    """
    addresses = [name for name in names if name.startswith(KAFKA)]
    paths = [Path(name) for name in names if not name.startswith(KAFKA)]
    if not addresses and (begin or until):
        raise UserError("--from and --until are for topics (kafka://TOPIC): over files all is read")
    begin_unix_s, until_unix_s = _moment(begin, "--from"), _moment(until, "--until")
    if begin_unix_s is not None and begin_unix_s > time():
        raise UserError(f"--from {begin} lies in the future")
    if begin_unix_s is not None and until_unix_s is not None and begin_unix_s >= until_unix_s:
        raise UserError(f"--until {until} is not after --from {begin}")
    files = open_files(paths, leave_out) if paths else None
    clusters = open_clusters(settings) if addresses else {}
    with ExitStack() as opened:
        places = [_place(address, clusters) for address in addresses]
        topics = [
            opened.enter_context(KafkaTopicSource(cluster, topic, begin_unix_s, until_unix_s))
            for cluster, topic in places
        ]
        opened.pop_all()
    return Sources(files, topics)


def open_files(paths: Sequence[Path], leave_out: Sequence[Path] = ()) -> FileSource:
    """The packets of these paths, nothing in or below `leave_out`; UserError names the one that cannot be read."""
    try:
        return FileSource(paths, leave_out)
    except FileNotFoundError as error:
        raise UserError(f"no such file or folder: {error.filename}") from None
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None


def _place(address: str, clusters: dict[str, Cluster]) -> tuple[Cluster, str]:
    """The cluster and the topic of a `kafka://` address."""
    name, _, topic = address.removeprefix(KAFKA).rpartition("/")
    name = name or HOME
    if name not in clusters:
        raise UserError(f"{address} names the cluster {name}; the configuration knows {', '.join(clusters)}")
    if not topic:
        raise UserError(f"{address} names no topic: write kafka://TOPIC or kafka://CLUSTER/TOPIC")
    return clusters[name], topic


def _moment(text: str | None, option: str) -> float | None:
    """A date or date-time, UTC unless it says otherwise, as seconds since 1970."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} {text}: expected a date such as 2026-11-21 or 2026-11-21T03:30 (UTC)") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
