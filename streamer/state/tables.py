"""Tables of the embedded store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from schemas.surveys.identity import SURVEYS
from streamer.state.store import StoreError

LAYOUT = 3
"""Version of the tables below, kept in the file (`PRAGMA user_version`)."""

_PAGES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 8000;
"""

_SHARED_TABLES = """
CREATE TABLE IF NOT EXISTS ring (
    one INTEGER PRIMARY KEY CHECK (one = 1), capacity INTEGER NOT NULL, end INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS metadata_names (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
"""

# Each survey has tables of its own: ids share no key space, and keys of one column are the fastest.
_SURVEY_TABLES = """
CREATE TABLE IF NOT EXISTS seen_{s} (
    alert_id INTEGER PRIMARY KEY, coordinates TEXT NOT NULL, processed_mjd_tai REAL NOT NULL,
    revision INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chunks_{s} (object_id TEXT NOT NULL, rows BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS chunks_{s}_object ON chunks_{s} (object_id);
CREATE TABLE IF NOT EXISTS spectra_{s} (
    object_id TEXT NOT NULL, mjd_tai REAL NOT NULL, digest BLOB NOT NULL, redshift REAL,
    wavelength_aa BLOB NOT NULL, flux BLOB NOT NULL, flux_var BLOB, UNIQUE (object_id, mjd_tai, digest));
CREATE TABLE IF NOT EXISTS alerts_{s} (
    alert_id INTEGER PRIMARY KEY, object_id TEXT NOT NULL, mjd_tai REAL, processed_mjd_tai REAL NOT NULL,
    ra_deg REAL, dec_deg REAL, rights INTEGER NOT NULL, survey_real_score REAL, quality INTEGER NOT NULL,
    solar_system INTEGER NOT NULL, withdrawn INTEGER NOT NULL, schema_version TEXT NOT NULL,
    received_unix_s REAL NOT NULL, published_unix_s REAL, names INTEGER NOT NULL, metadata BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS alerts_{s}_object ON alerts_{s} (object_id);
CREATE TABLE IF NOT EXISTS scores_{s} (
    object_id TEXT PRIMARY KEY, alert_id INTEGER NOT NULL, revision INTEGER NOT NULL, model TEXT NOT NULL,
    version TEXT NOT NULL, mjd_tai REAL, scored_unix_s REAL NOT NULL, class_scores BLOB NOT NULL,
    novelty REAL, n_detections INTEGER NOT NULL, evidence_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cutouts_{s} (
    alert_id INTEGER PRIMARY KEY, position INTEGER NOT NULL, science_bytes INTEGER, template_bytes INTEGER,
    difference_bytes INTEGER, checksum INTEGER NOT NULL);
"""

_ALERT_COLUMNS = (
    "object_id mjd_tai processed_mjd_tai ra_deg dec_deg rights survey_real_score quality solar_system withdrawn "
    "schema_version received_unix_s published_unix_s names metadata"
).split()
_SCORE_COLUMNS = (
    "alert_id revision model version mjd_tai scored_unix_s class_scores novelty n_detections evidence_hash"
).split()

ALERT_UPDATE = ", ".join(f"{name} = excluded.{name}" for name in _ALERT_COLUMNS)
"""Replaces a kept alert."""
SCORE_UPDATE = ", ".join(f"{name} = excluded.{name}" for name in _SCORE_COLUMNS)
"""Replaces a kept score."""


def open_tables(file: Path) -> sqlite3.Connection:
    """Opens the database, with its tables made if absent; sqlite3.Error, or StoreError on another layout."""
    database = sqlite3.connect(file, isolation_level=None)
    try:
        check_layout(database, file, new=0)
        tables = _SHARED_TABLES + "".join(_SURVEY_TABLES.format(s=survey) for survey in SURVEYS)
        database.executescript(f"{_PAGES}{tables}PRAGMA user_version = {LAYOUT};")
    except BaseException:
        database.close()
        raise
    return database


def check_layout(database: sqlite3.Connection, file: Path, new: int = LAYOUT) -> None:
    """StoreError where the tables are of another layout than this version's; `new` is passed too."""
    layout = database.execute("PRAGMA user_version").fetchone()[0]
    if layout not in (new, LAYOUT):
        raise StoreError(f"{file} has layout {layout}, this version reads {LAYOUT}: use another folder")
