"""The stream of scores for subscribers: an iterator, a context manager, and `poll` for loops of one's own."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import fastavro
from confluent_kafka import Message

from schemas.messages import Schema, read_scored_alert
from schemas.records import RecordFileError, ScoredAlert
from streamer.client.access import cluster_at
from streamer.client.beginning import beginning_ms
from streamer.client.subscription import Subscription, coordinates
from streamer.client.wanted import Wanted
from streamer.errors import ConfigurationError
from streamer.kafka.cluster import Cluster
from streamer.kafka.registry import SchemaRegistry
from streamer.kafka.topics import Topics
from streamer.logs import about

log = logging.getLogger(__name__)

TURN_S = 1.0
"""The iterator asks again after this time [s]; it ends no wait."""

REGISTRY_TURN_S = 0.05
"""A message whose schema is being asked for is tried again after this time [s]."""

REGISTRY_TIMEOUT_S = 5.0
"""Longest wait for one answer of the schema registry [s]; it is asked again."""


class ScoredAlerts:
    """Scored alerts as they are published, each a `schemas.records.ScoredAlert`, exactly as committed.

    Iterating waits for ever, unless `limit` alerts have come, or with `until_eos` all that was there at the start.
    `poll` waits no longer than it is told. An alert counts as received when the next one is asked for (or at `close`):
    only then is its position committed, so that a subscriber that dies meets it again. A message that cannot be read is
    counted in `unreadable` and passed over; the first is logged as a warning, with where it lies.

    Where it begins:

    - neither `group` nor `start_at`: where this same question stopped on this machine; at first with what comes next.
      Two that ask the same at one time, as one user of one machine, share the alerts as a group does: each gets a part.
    - `start_at` alone: there, each time. `earliest`, `latest`, `tonight`, an ISO date or date-time in UTC, a datetime.
    - `group`: where that group stopped; `start_at` (`latest` by default) holds for what the group has never read.
      Subscribers of one group share the alerts among them.
    """

    def __init__(
        self,
        cluster: Cluster | str = "localhost:9092",
        *,
        classes: Iterable[str] = (),
        min_score: float | None = None,
        survey: str | None = None,
        start_at: str | date | None = None,
        group: str | None = None,
        limit: int | None = None,
        until_eos: bool = False,
        restricted: bool = False,
        prefix: str = "streamer",
        username: str | None = None,
        password: str | None = None,
        password_file: Path | str | None = None,
        ca_file: Path | str | None = None,
        tls: bool = False,
        registry: SchemaRegistry | str | None = None,
    ) -> None:
        """Asks for scores at the brokers `host:port` (several with commas between them).

        `classes` names broad classes. With `min_score` one of them must have at least that score; without it one of
        them must be the predicted class. `min_score` alone holds for the predicted class. `restricted` adds the topic
        of scores that rest on non-public data. `username` speaks SCRAM-SHA-512, with a password given here, in a file
        of mode 0600, or in the environment variable STREAMER_PASSWORD. `tls` or a `ca_file` (PEM) encrypts.
        `registry` is the address of the schema registry, where there is one. `prefix` is how the topics begin.

        UserError (one line) where the cluster cannot be reached, refuses the user or has no such topic, or where the
        question makes no sense.
        """
        if limit is not None and limit < 1:
            raise ConfigurationError(f"a limit of {limit} alerts leaves none: give 1 or more")
        self._wanted = Wanted.of(survey, classes, min_score)
        begin_ms = beginning_ms(start_at or "latest", datetime.now(UTC))
        if isinstance(cluster, str):
            cluster = cluster_at(cluster, username, password, password_file, ca_file, tls)
        topics = [Topics(prefix).scored] + ([Topics(prefix).scored_restricted] if restricted else [])
        if group is None and start_at is None:
            group = _usual_group(topics, self._wanted)
        self.unreadable = 0
        """Messages that were no scored alert."""
        self._left = limit
        self._in_hand: Message | None = None
        """What the subscriber was given last, or what waits for its schema."""
        self._is_given = False
        self._schemas: dict[int, Schema] = {}
        self._waited_for: set[int] = set()
        self._registry = _registry(registry)
        self._subscription = Subscription(cluster, topics, group, begin_ms, until_eos)
        self._is_closed = False

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes: closed, `limit` reached, or all read that was there at the start."""
        waits = self._in_hand is not None and not self._is_given
        return self._is_closed or self._left == 0 or (self._subscription.has_ended and not waits)

    def poll(self, timeout_s: float = TURN_S) -> ScoredAlert | None:
        """The next alert; None where none comes within `timeout_s` [s], or ever (`has_ended`).

        KafkaFailure where no waiting helps; a cluster or a registry that is away is waited for.
        """
        if self._is_given:
            self._pass_over()
        deadline = monotonic() + timeout_s
        while not self.has_ended:
            left_s = max(deadline - monotonic(), 0.0)
            if self._in_hand is None:
                self._in_hand = self._subscription.next_message(left_s)
            alert = self._read(self._in_hand, left_s) if self._in_hand is not None else None
            if alert is not None:
                self._is_given = True
                self._left = None if self._left is None else self._left - 1
                return alert
            if monotonic() >= deadline:
                break
        return None

    def close(self) -> None:
        """Commits what was received and lets go; iterating ends."""
        if self._is_closed:
            return
        if self._is_given:
            self._pass_over()
        self._let_go()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ScoredAlert:
        while (alert := self.poll()) is None:
            if self.has_ended:
                self.close()
                raise StopIteration
        return alert

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None:
            self.close()
        else:  # what the subscriber was busy with comes again
            self._let_go()

    def _let_go(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._subscription.close()
            if self._registry is not None:
                self._registry.close()

    def _pass_over(self) -> None:
        if self._in_hand is not None:
            self._subscription.done_with(self._in_hand)
        self._in_hand, self._is_given = None, False

    def _read(self, message: Message, left_s: float) -> ScoredAlert | None:
        """The alert, if it is wanted; what is not is passed over, and what waits for its schema stays in hand."""
        try:
            alert = read_scored_alert(message.value() or b"", self._schema if self._registry else None)
        except _SchemaIsAskedForError:
            sleep(min(REGISTRY_TURN_S, left_s))
            return None
        except RecordFileError as error:
            self.unreadable += 1
            if self.unreadable == 1:
                where = coordinates(message)
                at = self._subscription.place(message)
                log.warning("passed over a message at %s (others are only counted): %s", where, error, extra=about(at))
            alert = None
        if alert is None or not self._wanted.fits(alert):
            self._pass_over()
            return None
        return alert

    def _schema(self, schema_id: int) -> Schema:
        """The writer's schema, parsed; RecordFileError where the registry does not know it."""
        if schema_id not in self._schemas:
            assert self._registry is not None
            found = self._registry.lookup(schema_id)
            if found.state == "unknown":
                raise RecordFileError(found.detail)
            if found.schema is None:
                if found.state == "unreachable" and schema_id not in self._waited_for:
                    self._waited_for.add(schema_id)
                    log.warning("waiting: %s", found.detail, extra=about(like=found.detail))
                raise _SchemaIsAskedForError
            self._schemas[schema_id] = fastavro.parse_schema(found.schema)
        return self._schemas[schema_id]


class _SchemaIsAskedForError(Exception):
    pass


def _registry(given: SchemaRegistry | str | None) -> SchemaRegistry | None:
    if not isinstance(given, str):
        return given
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "transient-streamer" / "schemas"
    return SchemaRegistry(given, cache_folder=cache, timeout_s=REGISTRY_TIMEOUT_S)


def _usual_group(topics: list[str], wanted: Wanted) -> str:
    """A group of this user, machine and question: another question must not take alerts away from this one."""
    who = f"{os.getuid()}@{socket.gethostname()}"
    digest = hashlib.sha256(repr((who, topics, wanted)).encode()).hexdigest()
    return f"scored-alerts-{digest[:16]}"
