"""Schemas by their id from a schema registry: asked for in the background, so that no worker ever waits for one."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal, Self
from urllib.parse import quote

from streamer.kafka.registry_api import RegistryApi, RegistryError, Schema
from streamer.kafka.schema_cache import SchemaCache
from streamer.logs import about

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.5
"""A question without an answer is asked again after this time, then after twice as long, and so on [s]."""

LONGEST_DELAY_S = 30.0
"""Longest time between two tries: so long a lane may wait after the registry has come back [s]."""

DENIAL_S = 60.0
"""So long it is believed that the registry does not know an id: a schema may be registered a moment later [s]."""

LARGEST_ID = 2**31 - 1
"""Ids of Confluent's registries are Java's positive ints; behind a larger one there is no packet."""

CLOSING_S = 1.0
"""Longest wait for the thread at the end; it may be amid a question, and dies with the process [s]."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is known of a schema id at this moment."""

    state: Literal["known", "unknown", "asking", "unreachable"]
    """`unknown`: the registry says so. `unreachable`: it gave no usable answer, and is asked again."""
    detail: str
    """For people: what is waited for, or what is wrong and what to do."""
    schema: Schema | None = None
    """The Avro record, where it is known."""


@dataclass(slots=True)
class _Question:
    """An id that the registry is to be asked for."""

    due_s: float
    delay_s: float = 0.0
    """How long it was put off last [s]."""

    def put_off(self) -> None:
        self.delay_s = next_delay_s(self.delay_s)
        self.due_s = monotonic() + self.delay_s


def next_delay_s(delay_s: float) -> float:
    """How long to wait after one more try in vain, where the wait before it was `delay_s` (0: there was none) [s]."""
    return min(2.0 * delay_s, LONGEST_DELAY_S) if delay_s else FIRST_DELAY_S


class SchemaRegistry:
    """A Confluent-compatible schema registry and a cache of it on disk; a thread of its own does the asking."""

    def __init__(
        self,
        url: str,
        *,
        cache_folder: Path,
        timeout_s: float,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """Asks nothing yet; ConfigurationError where the url, the certificates or the folder cannot be used."""
        self._api = RegistryApi(url, timeout_s=timeout_s, username=username, password=password, ca_file=ca_file)
        # Another registry may give the same id to another schema: each has a folder of its own.
        self._cache = SchemaCache(cache_folder / quote(self._api.url.split("://", 1)[-1], safe=""))
        self._changed = threading.Condition()
        self._answers: dict[int, Lookup] = {}
        self._questions: dict[int, _Question] = {}
        self._denied_until_s: dict[int, float] = {}
        """Ids that the registry does not know, the first to be doubted first."""
        self._fetched: dict[int, Schema] = {}
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def __str__(self) -> str:
        return str(self._api)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lookup(self, schema_id: int) -> Lookup:
        """What is known of a schema now. Never waits for the registry: a new id is `asking`, so come again."""
        if schema_id > LARGEST_ID:
            return Lookup("unknown", f"no schema registry has an id as large as {schema_id}")
        with self._changed:
            self._doubt_old_denials()
            answer = self._answers.get(schema_id)
            if answer is None:
                kept = self._cache.schema(schema_id)
                answer = self._ask_later(schema_id) if kept is None else self._known(schema_id, kept)
                self._answers[schema_id] = answer
            return answer

    def fetch(self, schema_id: int) -> Schema:
        """The schema with this id, waited for (for readers that have nothing else to do); RegistryError without it."""
        schema = self._fetched.get(schema_id) or self._cache.schema(schema_id)
        if schema is None:
            schema = self._api.schema(schema_id)
            if schema is None:
                raise RegistryError(f"{self} knows no schema with id {schema_id}: is it the one that the writer uses?")
            self._cache.keep_schema(schema_id, schema)
        self._fetched[schema_id] = schema
        return schema

    def register(self, subject: str, schema_text: str) -> int:
        """The id of a schema under this subject, waited for; asking twice gives the same one.

        A registry that is away is done without where it has registered this very text before; else RegistryError.
        """
        try:
            schema_id = self._api.register(subject, schema_text)
        except RegistryError as error:
            kept = self._cache.registered(subject, schema_text)
            if kept is None:
                raise
            log.warning(
                "%s; %s goes on with id %d of an earlier start", error, subject, kept, extra=about(like=subject)
            )
            return kept
        self._cache.keep_registered(subject, schema_text, schema_id)
        return schema_id

    def register_as(self, subject: str, schema_text: str, schema_id: int) -> None:
        """Registers a schema under this very id, unless the registry has it so; RegistryError, see `RegistryApi`."""
        if self._api.registered(subject, schema_text) != schema_id:
            self._api.register_as(subject, schema_text, schema_id)

    def close(self) -> None:
        """Asks no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(CLOSING_S)

    def _ask_later(self, schema_id: int) -> Lookup:
        if self._thread is None:
            self._thread = threading.Thread(target=self._ask_all, name="schema registry", daemon=True)
            self._thread.start()
        self._questions[schema_id] = _Question(monotonic())
        self._changed.notify()
        return Lookup("asking", f"{self} is asked for schema {schema_id}")

    def _doubt_old_denials(self) -> None:
        now = monotonic()
        while self._denied_until_s and next(iter(self._denied_until_s.values())) <= now:
            schema_id = next(iter(self._denied_until_s))
            del self._denied_until_s[schema_id], self._answers[schema_id]

    def _ask_all(self) -> None:
        """The thread: asks each question when it is due, until the end."""
        while (schema_id := self._wait_for_question()) is not None:
            answer = self._ask(schema_id)
            with self._changed:
                self._answers[schema_id] = answer
                if answer.state == "unreachable":
                    self._questions[schema_id].put_off()
                    continue
                del self._questions[schema_id]
                if answer.state == "unknown":
                    self._denied_until_s[schema_id] = monotonic() + DENIAL_S

    def _wait_for_question(self) -> int | None:
        """The id to be asked for next, waited for; None at the end."""
        with self._changed:
            while not self._is_closed:
                first = min(self._questions.items(), key=lambda item: item[1].due_s, default=None)
                wait_s = None if first is None else first[1].due_s - monotonic()
                if first is not None and wait_s is not None and wait_s <= 0:
                    return first[0]
                self._changed.wait(wait_s)
        return None

    def _ask(self, schema_id: int) -> Lookup:
        try:
            schema = self._api.schema(schema_id)
        except RegistryError as error:
            return Lookup("unreachable", f"schema {schema_id} is not known yet: {error}")
        if schema is None:
            return Lookup("unknown", f"{self} knows no schema with id {schema_id}")
        self._cache.keep_schema(schema_id, schema)
        return self._known(schema_id, schema)

    def _known(self, schema_id: int, schema: Schema) -> Lookup:
        return Lookup("known", f"schema {schema_id} of {self}", schema)
