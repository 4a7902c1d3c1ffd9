"""Which message carries an alert, on MongoDB: claimed at once, so that of two workers one wins, and given back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from bson import ObjectId
from pymongo import DeleteOne, ReplaceOne, UpdateOne

from streamer.state.mongodb_changes import Claim, Claims
from streamer.state.mongodb_database import WRITTEN, Change, Document, MongodbDatabase
from streamer.state.store import Seen


class ClaimDesk:
    """Claims alerts for messages in the name of one worker.

    A claim is a document {_id: alert id, c: coordinates, p: processing time, r: revision, w: the workers that rely on
    it}. A message that comes again, after a crash or in another worker's hands, adds its worker to the claim. A worker
    that was only frozen may then take its own name off, and the claim stays.
    """

    def __init__(self, database: MongodbDatabase) -> None:
        self._database = database
        self._worker = ObjectId()

    def claim(self, survey: str, wanted: Mapping[int, Seen], claims: Claims) -> dict[int, Seen]:
        """Claims alerts unless other messages have them, and notes that in `claims`; answers whose each of them is."""
        collection, held = f"seen_{survey}", dict[int, Seen]()
        while left := [key for key in wanted if key not in held]:
            noted = [key for key in left if (survey, key) not in claims]
            claims |= {(survey, key): Claim(wanted[key]) for key in noted}  # before: the answer may be lost
            there = self._insert(collection, {key: wanted[key] for key in left})
            held |= {key: wanted[key] for key in left if key not in there}
            shared: list[Change] = []
            for document in self._documents(collection, there).values():
                key, seen = document["_id"], Seen(document["c"], document["p"], document["r"])
                if seen.coordinates == wanted[key].coordinates and self._worker not in document["w"]:
                    claims[survey, key] = Claim(seen, document)
                    shared.append(UpdateOne({"_id": key}, {"$addToSet": {"w": self._worker}}))
                    continue
                held[key] = seen
                if key in noted and seen.coordinates != wanted[key].coordinates:
                    del claims[survey, key]
            self._database.apply(collection, shared)
        _answered(claims, [(survey, key) for key in wanted])
        return held

    def claim_newer(self, survey: str, wanted: Mapping[int, Seen], claims: Claims) -> None:
        """Claims alerts from messages with an earlier processing time, and notes that in `claims`."""
        collection, left = f"seen_{survey}", dict(wanted)
        while left:
            held = self._documents(collection, left)
            for key, document in held.items():
                if document["p"] >= left[key].processed_mjd_tai:
                    _settle(claims, (survey, key), left.pop(key), document)
            absent = {key: new for key, new in left.items() if key not in held}
            later = {(survey, key): Claim(new, held.get(key)) for key, new in left.items()}
            claims |= {key: claim.on(claims.get(key)) for key, claim in later.items()}
            self._insert(collection, absent)
            replaced: list[Change] = [
                ReplaceOne(_unchanged(held[key]), self._document(key, new)) for key, new in left.items() if key in held
            ]
            self._database.apply(collection, replaced)

    def give_back(self, claims: Claims) -> None:
        """Undoes claims on which no other worker relies; again, it changes nothing."""
        for survey in {survey for survey, _ in claims}:
            mine = {key: claim for (owner, key), claim in claims.items() if owner == survey}
            released: list[Change] = [
                UpdateOne({"_id": key}, {"$pull": {"w": self._worker}})
                for key, claim in mine.items()
                if claim.before is None or claim.is_shared
            ]
            self._database.apply(f"seen_{survey}", released)
            undone: list[Change] = [
                DeleteOne({"_id": key, "w": []})
                if claim.before is None
                else ReplaceOne({"_id": key, "w": [self._worker]}, claim.before)
                for key, claim in mine.items()
                if not claim.is_shared
            ]
            self._database.apply(f"seen_{survey}", undone)

    def _insert(self, collection: str, wanted: Mapping[int, Seen]) -> set[int]:
        """Inserts claims; the ids of those that somebody has."""
        documents = [self._document(key, seen) for key, seen in wanted.items()]
        return {document["_id"] for document in self._database.insert_absent(collection, documents)}

    def _documents(self, collection: str, keys: Mapping[int, Seen] | set[int]) -> dict[int, Document]:
        if not keys:
            return {}
        return {found["_id"]: found for found in self._database.find(collection, {"_id": {"$in": list(keys)}})}

    def _document(self, key: int, seen: Seen) -> Document:
        now = datetime.now(UTC)
        return {
            "_id": key,
            "c": seen.coordinates,
            "p": seen.processed_mjd_tai,
            "r": seen.revision,
            "w": [self._worker],
            WRITTEN: now,
        }


def _settle(claims: Claims, key: tuple[str, int], new: Seen, document: Document) -> None:
    """Keeps the note of a newer claim if the server has it, and drops it if another message is as new."""
    noted = claims.get(key)
    if noted is not None and noted.seen == new:
        if document["c"] == new.coordinates:
            claims[key] = replace(noted, is_sure=True)
        else:
            del claims[key]


def _answered(claims: Claims, keys: Iterable[tuple[str, int]]) -> None:
    """Notes that the server has answered for these claims."""
    for key in keys:
        if key in claims:
            claims[key] = replace(claims[key], is_sure=True)


def _unchanged(document: Document) -> Document:
    return {field: document[field] for field in ("_id", "c", "p", "w")}
