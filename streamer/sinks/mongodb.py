"""Scores as documents of a MongoDB collection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient, ReplaceOne
from pymongo.errors import BulkWriteError, ConnectionFailure, InvalidURI, OperationFailure, PyMongoError

from schemas.columns import KEY
from schemas.records import RecordFileError
from schemas.wire import SCORED_ALERT, Record
from streamer.errors import ConfigurationError
from streamer.sinks.base import Away, SinkError

COLLECTION = "scored_alerts"

ANSWER_TIMEOUT_MS = 5_000
"""A server that has not been found after this time is away [ms]."""

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
        user: dict[str, Any] = {} if username is None else {"username": username, "password": password}
        try:
            self._client: MongoClient[Any] = MongoClient(
                uri, serverSelectionTimeoutMS=ANSWER_TIMEOUT_MS, appname="transient-streamer", connect=False, **user
            )
        except (InvalidURI, PyMongoError, ValueError) as error:
            raise ConfigurationError(f"sinks.mongodb.uri cannot be used: {error}") from None
        self._collection = self._client[database].get_collection(COLLECTION)
        self._where = f"the MongoDB collection {database}.{COLLECTION}"
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
        """Writes what was taken, in one round trip. Away where the server is, SinkError where it refuses."""
        upserts: list[ReplaceOne[Any]] = [
            ReplaceOne({"_id": key}, document, upsert=True) for key, document in self._taken.items()
        ]
        try:
            if not self._has_indexes:
                self._collection.create_indexes(list(INDEXES))
                self._has_indexes = True
            if upserts:
                self._collection.bulk_write(upserts, ordered=False)
        except ConnectionFailure as error:
            raise Away(f"{self._where} cannot be reached ({_line(error)})") from None
        except BulkWriteError as error:
            first = error.details["writeErrors"][:1] or error.details["writeConcernErrors"][:1]
            raise SinkError(f"{self._where} refuses documents: {first[0].get('errmsg', '?')}") from None
        except OperationFailure as error:
            raise SinkError(f"{self._where} refuses: {_line(error)}; check the user of sinks.mongodb") from None
        except PyMongoError as error:
            raise SinkError(f"{self._where} cannot be written: {_line(error)}") from None
        self._taken = {}

    def join(self) -> None:
        """Nothing to do: the server keeps its own order."""

    def close(self) -> None:
        """Lets go of the server."""
        self._client.close()


def _line(error: PyMongoError) -> str:
    """The first sentence: the driver's messages go on with the state of each server."""
    return str(error).split(", full error:")[0].split(" (configured timeouts")[0].split(", Timeout:")[0]
