"""Scores as documents of a MongoDB collection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, IndexModel, ReplaceOne
from pymongo.errors import PyMongoError

from schemas.columns import KEY
from schemas.records import RecordFileError
from schemas.wire import SCORED_ALERT, Record
from streamer.mongodb_client import Failing, explain, open_client
from streamer.sinks.base import Away, SinkError

COLLECTION = "scored_alerts"

ANSWER_TIMEOUT_S = 10.0
"""A server that has not taken one round trip's documents after this time is away [s]."""

ROUND_TRIP = 1_000
"""So many are written in one round trip [documents]."""

INDEXES = (
    IndexModel([("object_id", ASCENDING)]),
    IndexModel([("predicted_class", ASCENDING), ("mjd_tai", DESCENDING)]),
)
"""For all scores of an object, and for the latest of a class."""


class MongodbSink:
    """Puts each scored alert into `scored_alerts`, with its key as text for `_id`: `ztf|123|default|1.0|0`.

    The document has the record's fields, and `updated`. A key that comes again replaces its document. What is made here
    asks the server nothing: it may be away at the start. ConfigurationError where the address cannot be one.
    """

    schema_name = SCORED_ALERT

    def __init__(self, uri: str, database: str, username: str | None = None, password: str | None = None) -> None:
        self._username = username
        self._client = open_client(uri, username, password, ANSWER_TIMEOUT_S)
        self._collection = self._client[database][COLLECTION]
        self._name = f"MongoDB collection {database}.{COLLECTION}"
        self._has_indexes = False
        self._taken: dict[str, RawBSONDocument] = {}

    def begin(self, since: str) -> None:
        """Forgets what was taken and not flushed."""
        self._taken = {}

    def take(self, records: Sequence[Record]) -> None:
        """Takes records of scored_alert v1 into memory; RecordFileError where one makes no document."""
        updated = datetime.now(UTC)
        documents = {}
        for record in records:
            key = "|".join(str(record[name]) for name in KEY)
            try:
                documents[key] = RawBSONDocument(bson.encode({"_id": key} | record | {"updated": updated}))
            except (BSONError, OverflowError) as error:
                raise RecordFileError(f"the message makes no document: {error}") from None
        self._taken.update(documents)

    def flush(self) -> None:
        """Writes what was taken. Away where the server is, or does not answer; SinkError where it refuses."""
        try:
            if not self._has_indexes:
                self._collection.create_indexes(list(INDEXES))
                self._has_indexes = True
            while self._taken:
                some = dict(islice(self._taken.items(), ROUND_TRIP))
                upserts: list[ReplaceOne[Any]] = [ReplaceOne({"_id": key}, some[key], upsert=True) for key in some]
                self._collection.bulk_write(upserts, ordered=False)
                for key in some:
                    del self._taken[key]
        except PyMongoError as error:
            failing, line = explain(error, self._name, self._username, ANSWER_TIMEOUT_S)
            raise (Away if failing is Failing.AWAY else SinkError)(line) from None

    def join(self) -> None:
        """Nothing to do: the server keeps its own order."""

    def close(self) -> None:
        """Lets go of the server."""
        self._client.close()
