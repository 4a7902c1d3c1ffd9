"""What a batch will write to the object store on MongoDB: gathered in memory, sent at its commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pymongo import UpdateOne

from streamer.state.mongodb_database import WRITTEN, Document, MongodbDatabase
from streamer.state.store import Seen


@dataclass(slots=True)
class Writes:
    """What will be written of one survey."""

    rows: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    """Rows to add to each object."""
    scores: dict[str, Document] = field(default_factory=dict)
    """The newest score of each object."""
    alerts: list[tuple[int, Document]] = field(default_factory=list)
    """Ids, and alerts as decoded."""
    spectra: dict[tuple[str, float, bytes], Document] = field(default_factory=dict)
    cutouts: dict[int, Document] = field(default_factory=dict)

    def add_score(self, object_id: str, score: Document) -> None:
        """Keeps the newer of two scores of an object, so that each object is changed once."""
        held = self.scores.get(object_id)
        if held is None or _order(score) > _order(held):
            self.scores[object_id] = score

    def add(self, other: Writes) -> None:
        """Writes `other` too, which came later."""
        for object_id, chunks in other.rows.items():
            self.rows[object_id] += chunks
        for object_id, score in other.scores.items():
            self.add_score(object_id, score)
        self.alerts += other.alerts
        self.spectra |= other.spectra
        self.cutouts = other.cutouts | self.cutouts

    def calls(self, database: MongodbDatabase, survey: str) -> Iterator[Callable[[], object]]:
        """What writes all: one round trip a collection, in any order; again, it changes nothing."""
        now = datetime.now(UTC)
        alerts = [
            UpdateOne({"_id": alert_id}, {"$max": {"a": alert}, "$setOnInsert": {WRITTEN: now}}, upsert=True)
            for alert_id, alert in self.alerts
        ]
        spectra = [
            UpdateOne({"_id": one["o"]}, {"$addToSet": {"s": one}, "$max": {WRITTEN: now}}, upsert=True)
            for one in self.spectra.values()
        ]
        for name, changes in (("objects", list(self._of_objects(now))), ("alerts", alerts), ("spectra", spectra)):
            yield partial(database.apply, f"{name}_{survey}", changes)
        cutouts = [one | {WRITTEN: now} for one in self.cutouts.values()]
        yield partial(database.insert_absent, f"cutouts_{survey}", cutouts)

    def _of_objects(self, now: datetime) -> Iterator[UpdateOne]:
        for object_id in self.rows.keys() | self.scores.keys():
            largest: dict[str, Any] = {WRITTEN: now}
            if object_id in self.scores:
                largest["s"] = self.scores[object_id]
            change: dict[str, Any] = {"$max": largest}
            if object_id in self.rows:
                change["$addToSet"] = {"c": b"".join(self.rows[object_id])}
            yield UpdateOne({"_id": object_id}, change, upsert=True)


def _order(score: Document) -> tuple[Any, ...]:
    return score["t"], score["r"], score["a"], score["u"]


@dataclass(frozen=True, slots=True)
class Claim:
    """That a message carries an alert, and how to give it back."""

    seen: Seen
    before: Document | None = None
    """The claim that was there; None where nothing was recorded."""
    is_sure: bool = False
    """Whether the server has said so. Until then it may be another message's."""

    @property
    def is_shared(self) -> bool:
        """Whether the message had claimed the alert already, for another worker or before a crash."""
        return self.before is not None and self.before["c"] == self.seen.coordinates

    def on(self, earlier: Claim | None) -> Claim:
        """The claim, to be given back together with an earlier one of the same alert."""
        return self if earlier is None else replace(self, before=earlier.before)


Claims = dict[tuple[str, int], Claim]
"""By survey and alert id."""


@dataclass(slots=True)
class Changes:
    """All that a transaction, or a trial inside it, has done: claims made at once, writes to come."""

    claims: Claims = field(default_factory=dict)
    writes: defaultdict[str, Writes] = field(default_factory=lambda: defaultdict(Writes))
    """By survey."""

    def add(self, other: Changes) -> None:
        """Takes over what a trial has done that went well."""
        add_claims(self.claims, other.claims)
        for survey, writes in other.writes.items():
            self.writes[survey].add(writes)


def add_claims(earlier: Claims, later: Claims) -> None:
    """Adds claims to those made before them."""
    earlier |= {key: claim.on(earlier.get(key)) for key, claim in later.items()}
