"""Which message carries an alert, on MongoDB: claimed at once, so that of two workers one wins, and given back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby

from bson import ObjectId
from pymongo import DeleteOne, ReplaceOne, UpdateOne

from streamer.state.mongodb_changes import Changes
from streamer.state.mongodb_database import WRITTEN, Change, Document, MongodbDatabase
from streamer.state.store import Seen

# A claim is a document {_id: alert id, c: coordinates, p: processing time, w: token}. Whoever claims an alert for a
# message that claimed it before (it came again after a crash) puts a token of its own there. The former worker may only
# have been frozen: the claim is then no longer its own to give back.


def claim(database: MongodbDatabase, survey: str, wanted: Mapping[int, Seen], changes: Changes) -> dict[int, Seen]:
    """Claims alerts for messages unless others have them; answers whose each of them is. It counts at once."""
    collection, mine = f"seen_{survey}", dict(wanted)
    held: dict[int, Seen] = {}
    while left := [key for key in wanted if key not in held]:
        for key in left:
            changes.claims.setdefault((survey, key), None)  # before it is sent: the answer may be lost
        there = database.insert_absent(collection, [_document(key, mine[key], changes.token) for key in left])
        known = {document["_id"] for document in there}
        held |= {key: mine[key] for key in left if key not in known}
        again: list[Change] = []
        for document in database.find(collection, {"_id": {"$in": list(known)}}) if known else ():
            key, is_mine = document["_id"], document["c"] == mine[document["_id"]].coordinates
            if document["w"] in changes.tokens:
                held[key] = Seen(document["c"], document["p"])
            elif is_mine:
                changes.claims[survey, key] = document
                again.append(UpdateOne(_as_it_was(document), {"$set": {"w": changes.token}}))
            else:
                held[key] = Seen(document["c"], document["p"])
                del changes.claims[survey, key]
        database.apply(collection, again)
    return held


def claim_newer(database: MongodbDatabase, survey: str, wanted: Mapping[int, Seen], changes: Changes) -> None:
    """Claims alerts for messages with a later processing time than what is recorded. It counts at once."""
    collection, left = f"seen_{survey}", dict(wanted)
    while left:
        held = {document["_id"]: document for document in database.find(collection, {"_id": {"$in": list(left)}})}
        left = {key: new for key, new in left.items() if key not in held or new.processed_mjd_tai > held[key]["p"]}
        for key in left:
            if key not in held:
                changes.claims.setdefault((survey, key), None)
            elif held[key]["w"] not in changes.tokens:
                changes.claims[survey, key] = held[key]
        absent = [_document(key, new, changes.token) for key, new in left.items() if key not in held]
        database.insert_absent(collection, absent)
        database.apply(
            collection,
            [
                ReplaceOne(_as_it_was(held[key]), _document(key, new, changes.token))
                for key, new in left.items()
                if key in held
            ],
        )


def give_back(database: MongodbDatabase, changes: Changes) -> None:
    """Undoes claims that are still those of `changes`; again, it changes nothing."""

    def restored() -> Iterator[tuple[str, Change]]:
        for (survey, key), before in sorted(changes.claims.items(), key=lambda item: item[0]):
            still_mine = {"_id": key, "w": {"$in": changes.tokens}}
            yield survey, DeleteOne(still_mine) if before is None else ReplaceOne(still_mine, before)

    for survey, undoing in groupby(restored(), key=lambda one: one[0]):
        database.apply(f"seen_{survey}", [change for _, change in undoing])


def _document(key: int, seen: Seen, token: ObjectId) -> Document:
    return {
        "_id": key,
        "c": seen.coordinates,
        "p": seen.processed_mjd_tai,
        "w": token,
        WRITTEN: datetime.now(UTC),
    }


def _as_it_was(document: Document) -> Document:
    return {field: document[field] for field in ("_id", "c", "p", "w")}
