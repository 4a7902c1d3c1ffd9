"""A MongoDB database as the object store uses it: its layout, its time limits, and its failures in one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from schemas.surveys.identity import SURVEYS
from streamer.mongodb_client import Failing, explain, open_client, without_user
from streamer.state.store import StoreAway, StoreError, StoreRefused

Document = dict[str, Any]
Change = UpdateOne | ReplaceOne[Document] | DeleteOne

LAYOUT = 3
"""Version of the collections and fields (docs/decisions/0009), kept in the database."""

WRITTEN = "x"
"""Field of every document that expires: when it was written, for an object when it was last added to."""

DAY_S = 86_400
"""[s]"""

SIDE_BY_SIDE = 4
"""Connections for what needs no order: a batch of both surveys writes six collections, and a server has some cores."""

BUSY_TRIES = 5
"""Two workers that insert one document at once: the server refuses one of them, which then finds it there."""

_DUPLICATE_KEY, _NO_SUCH_COMMAND = 11000, 59

_ERRORS = {Failing.AWAY: StoreAway, Failing.REFUSED: StoreRefused, Failing.BROKEN: StoreError}


@dataclass(frozen=True, slots=True)
class Retention:
    """How long documents are kept after they were written [d]."""

    seen_days: int
    """Which message brought an alert."""
    alerts_days: int
    """Alerts as decoded."""
    light_curves_days: int
    """Objects (light curve and last score), after they were last added to; and spectra."""
    cutouts_days: int
    """Stamps of scored alerts; 0 keeps none."""


class MongodbDatabase:
    """One database, spoken to with time limits; every failure is a StoreError.

    StoreAway where the server cannot be reached, or does not answer within `timeout_s`. What was committed here
    outlives a crash of the server, and the positions in Kafka are committed only afterwards. ConfigurationError where
    the address cannot be used.
    """

    def __init__(
        self, uri: str, database: str, *, username: str | None, password: str | None, timeout_s: float
    ) -> None:
        self._timeout_s = timeout_s
        self._username = username
        self.name = f"MongoDB database {database} at {without_user(uri)}"
        """For messages: what and where, never a password."""
        self._client = open_client(uri, username, password, timeout_s)
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="mongodb")
        self._database = self._client[database]

    def close(self) -> None:
        """Lets go of the connections; a second time does nothing."""
        self._threads.shutdown()
        self._client.close()

    def drop(self) -> None:
        """Deletes the database with all that it holds."""
        with self._failing_clearly():
            self._client.drop_database(self._database)

    def layout(self) -> int | None:
        """Version of the layout that the database has; None where it holds no object store."""
        held = self.find("layout", {"_id": "layout"})
        return held[0]["version"] if held else None

    def check_layout(self) -> None:
        """StoreError where there is no object store, or one of another layout than this version's."""
        layout = self.layout()
        if layout is None:
            raise StoreError(f"there is no object store in the {self.name}")
        if layout != LAYOUT:
            raise StoreError(f"the {self.name} has layout {layout}, this version reads {LAYOUT}: use another database")

    def make(self, retention: Retention) -> None:
        """Makes what is absent: the layout's version, indexes, and the times after which documents expire."""
        if self.layout() is None:
            self.insert_absent("layout", [{"_id": "layout", "version": LAYOUT}])
        self.check_layout()
        for survey in SURVEYS:
            with self._failing_clearly():
                self._database[f"alerts_{survey}"].create_index("a.o")
            self._expire(f"seen_{survey}", retention.seen_days)
            self._expire(f"alerts_{survey}", retention.alerts_days)
            self._expire(f"objects_{survey}", retention.light_curves_days)
            self._expire(f"spectra_{survey}", retention.light_curves_days)
            self._expire(f"cutouts_{survey}", retention.cutouts_days)

    def _expire(self, name: str, days: int) -> None:
        """Lets documents of a collection expire; another time than before counts for those that are there too."""
        collection, seconds = self._database[name], days * DAY_S
        index = f"{WRITTEN}_1"
        with self._failing_clearly():
            held = collection.index_information().get(index)
            if held is None:
                collection.create_index(WRITTEN, name=index, expireAfterSeconds=seconds)
            elif held["expireAfterSeconds"] != seconds:
                change = {"name": index, "expireAfterSeconds": seconds}
                try:
                    self._database.command("collMod", name, index=change)
                except OperationFailure as error:
                    if error.code != _NO_SUCH_COMMAND:
                        raise
                    collection.drop_index(index)  # servers that only speak MongoDB's protocol
                    collection.create_index(WRITTEN, name=index, expireAfterSeconds=seconds)

    def find(self, name: str, wanted: Mapping[str, Any], fields: Sequence[str] | None = None) -> list[Document]:
        """The documents of a collection that are as `wanted`, with `_id` and `fields` (all by default)."""
        with self._failing_clearly():
            return list(self._database[name].find(wanted, fields))

    def is_empty(self, name: str) -> bool:
        """Whether a collection holds nothing."""
        with self._failing_clearly():
            return self._database[name].find_one({}, ["_id"]) is None

    def insert_absent(self, name: str, documents: Sequence[Document]) -> list[Document]:
        """Inserts documents in one round trip; returns those whose `_id` was there already, which change nothing."""
        if not documents:
            return []
        with self._failing_clearly():
            try:
                self._database[name].insert_many(documents, ordered=False)
            except BulkWriteError as error:
                return [documents[place] for place in _duplicates(error)]
        return []

    def apply(self, name: str, changes: Sequence[Change]) -> None:
        """Makes changes to a collection in one round trip, in no order."""
        left = list(changes)
        for _ in range(BUSY_TRIES):
            if not left:
                return
            with self._failing_clearly():
                try:
                    self._database[name].bulk_write(left, ordered=False)
                    return
                except BulkWriteError as error:
                    left = [left[place] for place in _duplicates(error)]
        raise StoreAway(
            f"the {self.name} refused {len(left)} changes to {name} {BUSY_TRIES} times: others make them too"
        )

    def side_by_side(self, calls: Sequence[Callable[[], object]]) -> None:
        """Makes calls that need no order at once, and waits for all; then the first failure is raised."""
        answers = [self._threads.submit(call) for call in calls]
        wait(answers)
        for answer in answers:
            answer.result()

    @contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except PyMongoError as error:
            failing, line = explain(error, self.name, self._username, self._timeout_s)
            raise _ERRORS[failing](line) from None


def _duplicates(error: BulkWriteError) -> Iterable[int]:
    """Places in a bulk of what was refused because it is there; any other refusal is raised again."""
    details: Any = error.details
    if details["writeConcernErrors"] or any(part["code"] != _DUPLICATE_KEY for part in details["writeErrors"]):
        raise error
    return [part["index"] for part in details["writeErrors"]]
