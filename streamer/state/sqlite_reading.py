"""Reading the embedded object store: by the process that writes it, or by any other that only looks."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch, EncodedCutouts
from schemas.light_curve import ROW_DTYPE, IntArray
from schemas.spectrum import Spectrum
from schemas.surveys.identity import SURVEYS
from streamer.state.cutout_ring import Slot, read_stamps
from streamer.state.packing import alert_batch, last_score, spectrum
from streamer.state.store import LastScore, StoreError
from streamer.state.tables import check_layout

DATABASE_FILE = "objects.sqlite"
"""All but the cutouts, in the store's folder."""

RING_FILE = "cutouts.ring"
"""The cutouts, in the store's folder."""

KEYS = "(SELECT value FROM json_each(?))"
"""Any number of keys as one bound value: a statement is then prepared once for all batch sizes."""


class SqliteQueries:
    """What can be asked of an open embedded store. Subclasses open it, and say where its stamps are."""

    _path: Path
    _database: sqlite3.Connection

    def light_curve_rows(self, survey: str, object_ids: Sequence[str]) -> tuple[npt.NDArray[np.void], IntArray]:
        """All rows of m objects, (total,) of ROW_DTYPE in no order, equal ones possible, and offsets (m + 1,)."""
        chunks = self._chunks(survey, object_ids)
        parts: list[bytes] = []
        offsets = np.zeros(len(object_ids) + 1, np.int64)
        total = 0
        for index, object_id in enumerate(object_ids, 1):
            for chunk in chunks.get(object_id, ()):
                parts.append(chunk)
                total += len(chunk)
            offsets[index] = total
        return np.frombuffer(b"".join(parts), ROW_DTYPE), offsets // ROW_DTYPE.itemsize

    def spectra(self, survey: str, object_ids: Sequence[str]) -> list[list[Spectrum]]:
        """The spectra of each of m objects, by time."""
        table = self._table("spectra", survey)
        columns = "object_id, mjd_tai, wavelength_aa, flux, flux_var, redshift"
        query = f"SELECT {columns} FROM {table} WHERE object_id IN {KEYS} ORDER BY mjd_tai, digest"
        found: dict[str, list[Spectrum]] = {}
        for row in self._all(query, (json.dumps(object_ids),)):
            found.setdefault(row[0], []).append(spectrum(*row))
        return [found.get(object_id, []) for object_id in object_ids]

    def alert(self, survey: str, alert_id: int) -> AlertBatch | None:
        """One alert as decoded (a batch of 1), without rows, cutouts and payload; None if unknown."""
        query = (
            f"SELECT a.*, s.coordinates, n.names FROM {self._table('alerts', survey)} a "
            f"JOIN metadata_names n ON n.id = a.names LEFT JOIN {self._table('seen', survey)} s USING (alert_id) "
            "WHERE alert_id = ?"
        )
        row = self._one(query, (alert_id,))
        return None if row is None else alert_batch(survey, row)

    def alert_ids(self, survey: str, object_id: str) -> list[int]:
        """All alerts of an object, by time."""
        query = f"SELECT alert_id FROM {self._table('alerts', survey)} WHERE object_id = ? ORDER BY mjd_tai, alert_id"
        return [row[0] for row in self._all(query, (object_id,))]

    def latest_alert(self, survey: str, object_id: str) -> int | None:
        """The last alert of an object, by time; None if the object is unknown."""
        return next(reversed(self.alert_ids(survey, object_id)), None)

    def last_scores(self, survey: str, object_ids: Sequence[str]) -> list[LastScore | None]:
        """The newest score of each of m objects; None where there is none."""
        query = f"SELECT * FROM {self._table('scores', survey)} WHERE object_id IN {KEYS}"
        found = {row[0]: last_score(row) for row in self._all(query, (json.dumps(object_ids),))}
        return [found.get(object_id) for object_id in object_ids]

    def cutouts(self, survey: str, alert_id: int) -> EncodedCutouts | None:
        """The stamps of an alert; None where they were never put, or dropped."""
        row = self._one(f"SELECT * FROM {self._table('cutouts', survey)} WHERE alert_id = ?", (alert_id,))
        return None if row is None else self._stamps(Slot(*row[1:]))

    def _stamps(self, slot: Slot) -> EncodedCutouts | None:
        raise NotImplementedError

    def _chunks(self, survey: str, object_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """The chunks of rows in which objects are kept; nothing for an unknown object."""
        query = f"SELECT object_id, rows FROM {self._table('chunks', survey)} WHERE object_id IN {KEYS}"
        chunks: dict[str, list[bytes]] = {}
        for object_id, chunk in self._all(query, (json.dumps(object_ids),)):
            chunks.setdefault(object_id, []).append(chunk)
        return chunks

    @staticmethod
    def _table(name: str, survey: str) -> str:
        if survey not in SURVEYS:
            raise StoreError(f"the object store knows the surveys {', '.join(SURVEYS)}, not {survey!r}")
        return f"{name}_{survey}"

    def _run(self, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def _all(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        return self._run(query, values).fetchall()

    def _one(self, query: str, values: tuple[Any, ...]) -> Any:
        return self._run(query, values).fetchone()

    def _failed(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"the object store {self._path} failed: {error}")


class SqliteObjectReader(SqliteQueries):
    """Looks into the store in the folder `path`, also while another process writes it; it sees what is committed.

    It changes nothing of what is kept, takes no lock and needs no right to write. StoreError where there is no store,
    or it cannot be read.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        file = self._path / DATABASE_FILE
        if not file.is_file():
            raise StoreError(f"there is no object store in {self._path}")
        try:
            self._database = sqlite3.connect(_address(file), uri=True, isolation_level=None)
            try:
                check_layout(self._database, file)
            except BaseException:
                self._database.close()
                raise
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the object store {file}: {error}") from None
        try:
            self._ring = os.open(self._path / RING_FILE, os.O_RDONLY)
        except OSError:
            self._ring = -1  # the pictures lack their stamps; all else is there

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the files; a second time does nothing."""
        self._database.close()
        if self._ring >= 0:
            os.close(self._ring)
            self._ring = -1

    def _stamps(self, slot: Slot) -> EncodedCutouts | None:
        # The ring is asked for each time: a writer moves it on.
        ring = self._one("SELECT capacity, end FROM ring", ())
        return None if ring is None or self._ring < 0 else read_stamps(self._ring, slot, *ring)


def _address(file: Path) -> str:
    """SQLite's address of a database that is only read.

    A database in write-ahead mode wants files beside it. Where none can be made and there is no log of a writer, it is
    said to be unchangeable, and SQLite does without.
    """
    log, index = file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")
    logged = log.exists() and (log.stat().st_size > 0 or index.exists())
    frozen = not os.access(file.parent, os.W_OK) and not logged
    return f"file:{quote(str(file))}?mode=ro" + ("&immutable=1" if frozen else "")
