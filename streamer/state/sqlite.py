"""The embedded object store: SQLite, for one process."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch, EncodedCutouts
from schemas.light_curve import ROW_DTYPE, IntArray
from schemas.rows import merge_rows
from schemas.scored import ScoredBatch
from schemas.spectrum import Spectrum
from schemas.surveys.identity import SURVEYS
from streamer.file_lock import FileLock, Held
from streamer.state.cutout_ring import CutoutRing, Slot, whole_blocks
from streamer.state.packing import alert_rows, spectrum_row
from streamer.state.sqlite_reading import DATABASE_FILE, KEYS, RING_FILE, SqliteQueries
from streamer.state.store import Seen, StoreBusy, StoreError
from streamer.state.tables import ALERT_UPDATE, SCORE_UPDATE, open_tables

COMPACT_CHUNKS = 16
"""An object's rows are merged into one chunk when it is read in more chunks than this."""


class SqliteObjectStore(SqliteQueries):
    """Keeps objects in the folder `path` (made if absent): a database, and a file of a fixed size for the cutouts.

    `cutouts_max_bytes` bounds all cutouts together; the first cutouts put under another bound than before replace all
    former ones. StoreBusy where another process, or another store of this one, has the folder open; StoreError where it
    cannot be read or written.
    """

    def __init__(self, path: Path | str, cutouts_max_bytes: int) -> None:
        self._path = Path(path)
        self._capacity = whole_blocks(cutouts_max_bytes)
        self._is_closed = False
        self._lock = self._take_lock()
        try:
            self._database = self._open()
            self._ring = self._open_ring()
        except BaseException:
            self._lock.close()
            raise
        self._load()

    def _take_lock(self) -> FileLock:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            return FileLock(self._path / "lock")
        except OSError as error:
            raise StoreError(f"cannot write the object store {self._path}: {error.strerror}") from None
        except Held as owner:
            raise StoreBusy(
                f"the object store {self._path} is open in process {owner}: "
                "wait until it ends, or use another folder (an embedded store serves one process)"
            ) from None

    def _open(self) -> sqlite3.Connection:
        file = self._path / DATABASE_FILE
        try:
            return open_tables(file)
        except sqlite3.Error as error:
            raise StoreError(f"cannot open the object store {file}: {error}") from None

    def _open_ring(self) -> CutoutRing:
        self._run("INSERT OR IGNORE INTO ring VALUES (1, ?, 0)", (self._capacity,))
        capacity, end = self._one("SELECT capacity, end FROM ring", ())
        file = self._path / RING_FILE
        try:
            ring = CutoutRing(file, capacity, end)
            if file.stat().st_size > capacity:
                os.truncate(file, capacity)
        except OSError as error:
            raise StoreError(f"cannot write {file}: {error.strerror}") from None
        return ring

    def _load(self) -> None:
        """What is kept in memory, read afresh after opening and after a rollback."""
        self._forget()
        self._committed_ring = (self._ring.capacity, self._ring.end)

    def _forget(self) -> None:
        """Forgets what is remembered of the tables: they were set back."""
        self._has_spectra = {s for s in SURVEYS if self._one(f"SELECT 1 FROM spectra_{s} LIMIT 1", ()) is not None}
        self._names: dict[tuple[str, ...], int] = {}
        self._many_chunks: dict[str, set[str]] = {survey: set() for survey in SURVEYS}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Starts a transaction."""
        self._run("BEGIN IMMEDIATE", ())

    def commit(self) -> None:
        """Makes all since `begin` lasting, together."""
        ring = (self._ring.capacity, self._ring.end)
        if ring != self._committed_ring:
            self._write("UPDATE ring SET capacity = ?, end = ?", [ring])
        self._run("COMMIT", ())
        self._committed_ring = ring

    def rollback(self) -> None:
        """Undoes all since `begin`; does nothing where no transaction is open."""
        if self._database.in_transaction:
            self._run("ROLLBACK", ())
            self._ring.capacity, self._ring.end = self._committed_ring
            self._load()

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Undoes what is written inside if that fails, and nothing else of the transaction."""
        ring = (self._ring.capacity, self._ring.end)
        self._run("SAVEPOINT trial", ())
        try:
            yield
        except BaseException:
            self._run("ROLLBACK TO trial", ())
            self._ring.capacity, self._ring.end = ring
            self._forget()
            raise
        finally:
            self._run("RELEASE trial", ())

    def close(self) -> None:
        """Undoes an open transaction and lets go of the folder; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self.rollback()
        self._database.close()
        self._ring.close()
        self._lock.close()

    def see(self, survey: str, alert_ids: IntArray, messages: Sequence[Seen]) -> list[Seen]:
        """Records the messages that carry n alerts unless others are recorded, in order; answers what is recorded."""
        table = self._table("seen", survey)
        ids = alert_ids.tolist()
        rows = [(key, *seen) for key, seen in zip(ids, messages, strict=True)]
        if self._write(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?)", rows) == len(ids):
            return list(messages)
        query = f"SELECT alert_id, coordinates, processed_mjd_tai, revision FROM {table} WHERE alert_id IN {KEYS}"
        held = {key: Seen(*seen) for key, *seen in self._all(query, (json.dumps(ids),))}
        return [held[key] for key in ids]

    def supersede(self, survey: str, alert_ids: IntArray, messages: Sequence[Seen]) -> None:
        """Records reprocessed alerts: a later processing time than the recorded one replaces what was seen."""
        self._write(
            f"INSERT INTO {self._table('seen', survey)} VALUES (?, ?, ?, ?) ON CONFLICT (alert_id) DO UPDATE SET "
            "coordinates = excluded.coordinates, processed_mjd_tai = excluded.processed_mjd_tai, "
            "revision = excluded.revision WHERE excluded.processed_mjd_tai > processed_mjd_tai",
            [(key, *seen) for key, seen in zip(alert_ids.tolist(), messages, strict=True)],
        )

    def add_light_curve_rows(
        self, survey: str, object_ids: Sequence[str], rows: npt.NDArray[np.void], offsets: IntArray
    ) -> None:
        """Adds `rows[offsets[i]:offsets[i + 1]]` to object i. Pass only rows that add something: it costs space."""
        table = self._table("chunks", survey)
        places = (offsets * ROW_DTYPE.itemsize).tolist()
        held = memoryview(rows.tobytes())
        self._write(
            f"INSERT INTO {table} VALUES (?, ?)",
            [
                (object_id, held[start:end])
                for object_id, (start, end) in zip(object_ids, pairwise(places), strict=True)
                if end > start
            ],
        )
        if self._many_chunks[survey]:
            self._compact(survey, sorted(self._many_chunks[survey]))

    def _chunks(self, survey: str, object_ids: Sequence[str]) -> dict[str, list[bytes]]:
        chunks = super()._chunks(survey, object_ids)
        self._many_chunks[survey].update(name for name, held in chunks.items() if len(held) > COMPACT_CHUNKS)
        return chunks

    def _compact(self, survey: str, object_ids: list[str]) -> None:
        """Writes each object's rows as one chunk."""
        table = self._table("chunks", survey)
        rows, offsets = self.light_curve_rows(survey, object_ids)
        merged = [merge_rows(rows[start:end]).tobytes() for start, end in pairwise(offsets)]
        self._write(f"DELETE FROM {table} WHERE object_id = ?", [(object_id,) for object_id in object_ids])
        self._write(f"INSERT INTO {table} VALUES (?, ?)", zip(object_ids, merged, strict=True))
        self._many_chunks[survey].clear()

    def put_spectra(self, spectra: Sequence[Spectrum], survey: str) -> None:
        """Adds spectra; equal ones are one."""
        table = self._table("spectra", survey)
        self._write(
            f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (object_id, mjd_tai, digest) DO NOTHING",
            [spectrum_row(one) for one in spectra],
        )
        if spectra:
            self._has_spectra.add(survey)

    def spectra(self, survey: str, object_ids: Sequence[str]) -> list[list[Spectrum]]:
        """The spectra of each of m objects, by time."""
        if survey in SURVEYS and survey not in self._has_spectra:
            return [[] for _ in object_ids]  # most stores hold none, and every batch asks
        return super().spectra(survey, object_ids)

    def put_alerts(self, alerts: AlertBatch) -> None:
        """Keeps alerts as decoded, for a re-score: all columns but rows and cutouts."""
        table = self._table("alerts", alerts.survey)
        self._write(
            f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            f"ON CONFLICT (alert_id) DO UPDATE SET {ALERT_UPDATE} "
            "WHERE (excluded.processed_mjd_tai, excluded.metadata) > (processed_mjd_tai, metadata)",
            alert_rows(alerts, self._names_id(alerts.metadata_names)),
        )

    def _names_id(self, names: tuple[str, ...]) -> int:
        if names not in self._names:
            text = json.dumps(names)
            self._write("INSERT OR IGNORE INTO metadata_names (names) VALUES (?)", [(text,)])
            row = self._one("SELECT id FROM metadata_names WHERE names = ?", (text,))
            assert row is not None
            self._names[names] = row[0]
        return self._names[names]

    def put_scores(self, scored: ScoredBatch) -> None:
        """Keeps the newest score of each object."""
        class_scores = memoryview(np.ascontiguousarray(scored.class_scores, np.float32).tobytes())
        width = scored.class_scores.shape[1] * 4
        self._write(
            f"INSERT INTO {self._table('scores', scored.survey)} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            f"ON CONFLICT (object_id) DO UPDATE SET {SCORE_UPDATE} "
            "WHERE (excluded.mjd_tai, excluded.revision, excluded.alert_id, excluded.scored_unix_s) "
            "> (mjd_tai, revision, alert_id, scored_unix_s)",
            zip(
                scored.object_id,
                scored.alert_id.tolist(),
                scored.revision.tolist(),
                [scored.model] * len(scored),
                [scored.version] * len(scored),
                scored.mjd_tai.tolist(),
                scored.scored_unix_s.tolist(),
                [class_scores[start : start + width] for start in range(0, len(class_scores), width)],
                scored.novelty.tolist(),
                scored.n_detections.tolist(),
                scored.evidence_hash,
                strict=True,
            ),
        )

    def put_cutouts(self, survey: str, alert_ids: IntArray, cutouts: Sequence[EncodedCutouts]) -> None:
        """Keeps the stamps of n alerts as sent, up to the store's size for all of them, the oldest dropped first."""
        table = self._table("cutouts", survey)
        if self._ring.capacity != self._capacity:
            for other in SURVEYS:
                self._write(f"DELETE FROM cutouts_{other}", [()])
            self._ring.capacity, self._ring.end = self._capacity, 0
        ids = alert_ids.tolist()
        query = f"SELECT alert_id FROM {table} WHERE position >= ? AND alert_id IN {KEYS}"
        held = {row[0] for row in self._all(query, (self._ring.oldest, json.dumps(ids)))}
        wanted = {key: stamps for key, stamps in zip(ids, cutouts, strict=True) if key not in held}
        try:
            slots = self._ring.write(list(wanted.values()))
        except OSError as error:
            raise StoreError(f"cannot write {self._path / RING_FILE}: {error.strerror}") from None
        self._write(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?)",
            [(key, *slot) for key, slot in zip(wanted, slots, strict=True) if slot is not None],
        )

    def _stamps(self, slot: Slot) -> EncodedCutouts | None:
        return self._ring.read(slot)

    def _write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> int:
        """Runs a statement for each of `rows`, returns how many rows of the table changed."""
        if not self._database.in_transaction:
            raise StoreError("the object store is written between begin() and commit() only")
        try:
            return self._database.executemany(statement, rows).rowcount
        except sqlite3.Error as error:
            raise self._failed(error) from None
