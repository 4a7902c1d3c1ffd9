"""The object store of a deployment: MongoDB, for any number of workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pymongo import UpdateOne

from schemas.alert import AlertBatch, EncodedCutouts
from schemas.light_curve import ROW_DTYPE, IntArray
from schemas.rows import merge_rows
from schemas.scored import ScoredBatch
from schemas.spectrum import Spectrum
from streamer.state.mongodb_changes import Changes, Claims, Writes, add_claims
from streamer.state.mongodb_claims import ClaimDesk
from streamer.state.mongodb_database import Document, MongodbDatabase, Retention
from streamer.state.mongodb_documents import (
    alert_documents,
    names_document,
    score_documents,
    spectrum_document,
    spectrum_key,
)
from streamer.state.mongodb_reading import MongodbQueries
from streamer.state.store import Seen, StoreError

COMPACT_CHUNKS = 16
"""An object's rows are merged into one chunk when it is read in more chunks than this."""

STAMPS_MAX_BYTES = 4 * 2**20
"""An alert with more stamps than this is kept without them [byte]: MongoDB takes documents up to 16 MB."""


class MongodbObjectStore(MongodbQueries):
    """Keeps objects in `database` at `uri`, made if absent; documents expire after the days that `retention` says.

    StoreAway where the server cannot be reached, or does not answer within `timeout_s`: nothing is lost, and the batch
    can be tried again on the same store object. StoreError where the server refuses.

    **Without transactions.** Writes are gathered in memory and sent by `commit`, one round trip a collection. Each is
    commutative and idempotent, so a commit that failed half-way is made whole by taking the batch again. Only claims
    (`see`, `supersede`) are made at once: of two workers with two copies of one alert, one wins. Claims of what was
    undone are given back before the next transaction does anything else; a claim that a crash leaves behind belongs to
    a message that will come again, which has it then.
    """

    def __init__(
        self,
        uri: str,
        database: str,
        *,
        username: str | None = None,
        password: str | None = None,
        retention: Retention,
        timeout_s: float,
    ) -> None:
        super().__init__()
        self._retention = retention
        self._open: list[Changes] = []
        """The transaction, and the trial inside it."""
        self._undone: Claims = {}
        """Claims of what was undone, still to be given back, or taken up again by the same message."""
        self._named: set[str] = set()
        self._many_chunks: dict[str, set[str]] = {}
        self._database = MongodbDatabase(uri, database, username=username, password=password, timeout_s=timeout_s)
        try:
            self._database.make(retention)
            self._desk = ClaimDesk(self._database)
        except BaseException:
            self._database.close()
            raise

    def begin(self) -> None:
        """Starts a transaction."""
        if self._open:
            raise StoreError("a transaction is open in the object store already")
        self._open.append(Changes())

    def commit(self) -> None:
        """Makes all since `begin` lasting. Where it fails the transaction is over: take the batch again."""
        changes = self._changes
        try:
            self._give_back(list(self._undone))
            self._database.side_by_side(
                [call for survey, writes in changes.writes.items() for call in writes.calls(self._database, survey)]
            )
            self._no_spectra_until |= {survey: 0.0 for survey, writes in changes.writes.items() if writes.spectra}
            self._compact()
        except BaseException:
            self.rollback()
            raise
        self._open.clear()

    def rollback(self) -> None:
        """Undoes all since `begin`; does nothing where no transaction is open. It needs no server."""
        while self._open:
            self._undo()

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Undoes what is written inside if that fails, and nothing else of the transaction."""
        before, trial = self._changes, Changes()
        self._open.append(trial)
        try:
            yield
        except BaseException:
            self._undo()
            raise
        self._open.pop()
        before.add(trial)

    def close(self) -> None:
        """Undoes an open transaction and lets go of the connections; a second time does nothing."""
        self.rollback()
        with suppress(StoreError):  # the messages of claims that stay will come again
            self._give_back(list(self._undone))
        super().close()

    def see(self, survey: str, alert_ids: IntArray, messages: Sequence[Seen]) -> list[Seen]:
        """Records the messages that carry n alerts unless others are recorded, in order; answers what is recorded."""
        claims, ids = self._changes.claims, alert_ids.tolist()
        self._collection("seen", survey)
        first: dict[int, Seen] = {}
        for key, seen in zip(ids, messages, strict=True):
            first.setdefault(key, seen)
        undone = {(survey, key): self._undone[survey, key] for key in first if (survey, key) in self._undone}
        again = {
            key: claim
            for key, claim in undone.items()
            if claim.is_sure and claim.seen.coordinates == first[key[1]].coordinates
        }
        self._give_back(list(undone.keys() - again))
        for key in again:
            del self._undone[key]
        add_claims(claims, again)
        held = {key: claim.seen for (_, key), claim in again.items()}
        held |= self._desk.claim(survey, {key: seen for key, seen in first.items() if key not in held}, claims)
        return [held[key] for key in ids]

    def supersede(self, survey: str, alert_ids: IntArray, messages: Sequence[Seen]) -> None:
        """Records reprocessed alerts: a later processing time than the recorded one replaces what was seen."""
        claims = self._changes.claims
        self._collection("seen", survey)
        newest: dict[int, Seen] = {}
        for key, seen in zip(alert_ids.tolist(), messages, strict=True):
            if key not in newest or seen.processed_mjd_tai > newest[key].processed_mjd_tai:
                newest[key] = seen
        self._give_back([(survey, key) for key in newest if (survey, key) in self._undone])
        self._desk.claim_newer(survey, newest, claims)

    def add_light_curve_rows(
        self, survey: str, object_ids: Sequence[str], rows: npt.NDArray[np.void], offsets: IntArray
    ) -> None:
        """Adds `rows[offsets[i]:offsets[i + 1]]` to object i. Pass only rows that add something: it costs space."""
        added, held = self._writes(survey).rows, rows.tobytes()
        places = (offsets * ROW_DTYPE.itemsize).tolist()
        for object_id, (start, end) in zip(object_ids, pairwise(places), strict=True):
            if end > start:
                added[object_id].append(held[start:end])

    def put_spectra(self, spectra: Sequence[Spectrum], survey: str) -> None:
        """Adds spectra; equal ones are one."""
        put = self._writes(survey).spectra
        for one in spectra:
            document = spectrum_document(one)
            put[spectrum_key(document)] = document

    def put_alerts(self, alerts: AlertBatch) -> None:
        """Keeps alerts as decoded, for a re-score: all columns but rows and cutouts."""
        put = self._writes(alerts.survey).alerts
        names = names_document(alerts.metadata_names)
        if names["_id"] not in self._named:
            self._database.insert_absent("metadata_names", [names])  # changes no answer, whatever becomes of the batch
            self._named.add(names["_id"])
        put += zip(alerts.alert_id.tolist(), alert_documents(alerts, names["_id"]), strict=True)

    def put_scores(self, scored: ScoredBatch) -> None:
        """Keeps the newest score of each object."""
        writes = self._writes(scored.survey)
        for object_id, score in zip(scored.object_id, score_documents(scored), strict=True):
            writes.add_score(object_id, score)

    def put_cutouts(self, survey: str, alert_ids: IntArray, cutouts: Sequence[EncodedCutouts]) -> None:
        """Keeps the stamps of n alerts as sent, those that were put first, until they expire."""
        put = self._writes(survey).cutouts
        if not self._retention.cutouts_days:
            return
        for key, stamps in zip(alert_ids.tolist(), cutouts, strict=True):
            if 0 < sum(len(stamp or b"") for stamp in stamps) <= STAMPS_MAX_BYTES:
                held = [None if stamp is None else bytes(stamp) for stamp in stamps]
                put.setdefault(key, {"_id": key, "s": held})

    @property
    def _changes(self) -> Changes:
        if not self._open:
            raise StoreError("the object store is written between begin() and commit() only")
        return self._open[-1]

    def _writes(self, survey: str) -> Writes:
        self._collection("objects", survey)
        return self._changes.writes[survey]

    def _undo(self) -> None:
        claims = self._open.pop().claims
        add_claims(claims, self._undone)
        self._undone = claims

    def _give_back(self, keys: Sequence[tuple[str, int]]) -> None:
        self._desk.give_back({key: self._undone[key] for key in keys})
        for key in keys:
            del self._undone[key]

    def _chunks(self, survey: str, object_ids: Sequence[str]) -> dict[str, list[bytes]]:
        chunks = super()._chunks(survey, object_ids)
        self._many_chunks.setdefault(survey, set()).update(
            object_id for object_id, held in chunks.items() if len(held) > COMPACT_CHUNKS
        )
        for changes in self._open:
            added = changes.writes[survey].rows
            for object_id in added.keys() & set(object_ids):
                chunks[object_id] = [*chunks.get(object_id, ()), *added[object_id]]
        return chunks

    def _spectra_to_come(self, survey: str, object_ids: Sequence[str]) -> list[Document]:
        put = [one for changes in self._open for one in changes.writes[survey].spectra.values()]
        return [one for one in put if one["o"] in object_ids]

    def _compact(self) -> None:
        """Writes objects of many chunks as one: first it, then without the others, so that no row is ever away."""
        while self._many_chunks:
            survey, object_ids = self._many_chunks.popitem()
            collection = self._collection("objects", survey)
            held = self._database.find(collection, {"_id": {"$in": list(object_ids)}}, ["c"]) if object_ids else []
            joined = {one["_id"]: merge_rows(np.frombuffer(b"".join(one["c"]), ROW_DTYPE)).tobytes() for one in held}
            self._database.apply(
                collection, [UpdateOne({"_id": key}, {"$addToSet": {"c": chunk}}) for key, chunk in joined.items()]
            )
            parts = {one["_id"]: [chunk for chunk in one["c"] if chunk != joined[one["_id"]]] for one in held}
            self._database.apply(
                collection, [UpdateOne({"_id": key}, {"$pullAll": {"c": chunks}}) for key, chunks in parts.items()]
            )
