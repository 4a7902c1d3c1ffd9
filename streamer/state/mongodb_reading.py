"""Reading the object store on MongoDB: by the workers that write it, or by any other process that only looks."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Self

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch, EncodedCutouts
from schemas.light_curve import ROW_DTYPE, IntArray
from schemas.spectrum import Spectrum
from schemas.surveys.identity import SURVEYS
from streamer.state.mongodb_database import Document, MongodbDatabase
from streamer.state.mongodb_documents import decoded_alert, kept_score, kept_spectrum, spectrum_key
from streamer.state.store import LastScore, StoreError

SPECTRA_CHECK_S = 5.0
"""While no spectrum is known, so often is it looked whether another process has put one [s]: every batch asks."""


class MongodbQueries:
    """What can be asked of an object store on MongoDB. Subclasses open the database."""

    _database: MongodbDatabase

    def __init__(self) -> None:
        self._no_spectra_until = dict.fromkeys(SURVEYS, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the connections; a second time does nothing."""
        self._database.close()

    def light_curve_rows(self, survey: str, object_ids: Sequence[str]) -> tuple[npt.NDArray[np.void], IntArray]:
        """All rows of m objects, (total,) of ROW_DTYPE in no order, equal ones possible, and offsets (m + 1,)."""
        chunks = self._chunks(survey, object_ids)
        parts = [b"".join(chunks.get(object_id, ())) for object_id in object_ids]
        offsets = np.zeros(len(object_ids) + 1, np.int64)
        np.cumsum([len(part) // ROW_DTYPE.itemsize for part in parts], out=offsets[1:])
        return np.frombuffer(b"".join(parts), ROW_DTYPE), offsets

    def spectra(self, survey: str, object_ids: Sequence[str]) -> list[list[Spectrum]]:
        """The spectra of each of m objects, by time."""
        collection = self._collection("spectra", survey)
        held: list[Document] = []
        if object_ids and monotonic() >= self._no_spectra_until[survey]:
            documents = self._database.find(collection, {"_id": {"$in": list(object_ids)}})
            held = [one for document in documents for one in document["s"]]
            if not held and self._database.is_empty(collection):
                self._no_spectra_until[survey] = monotonic() + SPECTRA_CHECK_S
        held += self._spectra_to_come(survey, object_ids)
        found: dict[str, list[Spectrum]] = {object_id: [] for object_id in object_ids}
        for (object_id, *_), one in sorted({spectrum_key(one): one for one in held}.items(), key=lambda item: item[0]):
            found[object_id].append(kept_spectrum(one))
        return [found[object_id] for object_id in object_ids]

    def alert(self, survey: str, alert_id: int) -> AlertBatch | None:
        """One alert as decoded (a batch of 1), without rows, cutouts and payload; None if unknown."""
        held = self._database.find(self._collection("alerts", survey), {"_id": alert_id})
        if not held:
            return None
        names = self._database.find("metadata_names", {"_id": held[0]["a"]["n"]})
        seen = self._database.find(self._collection("seen", survey), {"_id": alert_id})
        return decoded_alert(survey, held[0], names[0]["names"], seen[0]["c"] if seen else None)

    def alert_ids(self, survey: str, object_id: str) -> list[int]:
        """All alerts of an object, by time."""
        held = self._database.find(self._collection("alerts", survey), {"a.o": object_id}, ["a.t"])
        return [alert_id for _, alert_id in sorted((document["a"]["t"], document["_id"]) for document in held)]

    def latest_alert(self, survey: str, object_id: str) -> int | None:
        """The last alert of an object, by time; None if the object is unknown."""
        return next(reversed(self.alert_ids(survey, object_id)), None)

    def last_scores(self, survey: str, object_ids: Sequence[str]) -> list[LastScore | None]:
        """The newest score of each of m objects; None where there is none."""
        held = self._database.find(self._collection("objects", survey), {"_id": {"$in": list(object_ids)}}, ["s"])
        found = {document["_id"]: kept_score(document["s"]) for document in held if "s" in document}
        return [found.get(object_id) for object_id in object_ids]

    def cutouts(self, survey: str, alert_id: int) -> EncodedCutouts | None:
        """The stamps of an alert; None where they were never put, or dropped."""
        held = self._database.find(self._collection("cutouts", survey), {"_id": alert_id}, ["s"])
        if not held:
            return None
        science, template, difference = held[0]["s"]
        return science, template, difference

    def _chunks(self, survey: str, object_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """The chunks of rows in which objects are kept; nothing for an unknown object."""
        collection = self._collection("objects", survey)
        if not object_ids:
            return {}
        held = self._database.find(collection, {"_id": {"$in": list(object_ids)}}, ["c"])
        return {document["_id"]: document.get("c", []) for document in held}

    def _spectra_to_come(self, survey: str, object_ids: Sequence[str]) -> list[Document]:
        """Spectra that the open transaction will put."""
        return []

    @staticmethod
    def _collection(name: str, survey: str) -> str:
        if survey not in SURVEYS:
            raise StoreError(f"the object store knows the surveys {', '.join(SURVEYS)}, not {survey!r}")
        return f"{name}_{survey}"


class MongodbObjectReader(MongodbQueries):
    """Looks into the object store in `database` at `uri`, while workers write it; it needs the right to read only.

    StoreError where there is no store, StoreAway where the server does not answer within `timeout_s`.
    """

    def __init__(
        self,
        uri: str,
        database: str,
        *,
        username: str | None = None,
        password: str | None = None,
        timeout_s: float,
    ) -> None:
        super().__init__()
        self._database = MongodbDatabase(uri, database, username=username, password=password, timeout_s=timeout_s)
        try:
            self._database.check_layout()
        except BaseException:
            self._database.close()
            raise
