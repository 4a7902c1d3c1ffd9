"""Embeddings in a LanceDB table."""

from __future__ import annotations

import re
import zlib
from datetime import timedelta
from pathlib import Path

import lancedb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import EMBEDDINGS_SCHEMA, KEY, embeddings_table, last_of_equal
from schemas.scored import ScoredBatch
from streamer.sinks.base import SinkError

TABLE = "embeddings"

FLUSH_ROWS = 8_192
"""Rows kept in memory before they are added; each addition is a file of its own until `close` joins them."""

KEEP_FORMER = timedelta(minutes=1)
"""Former versions of the table are removed at `close` when older than this: who reads one has this long to end."""

_FAILURES = (OSError, RuntimeError, ValueError)
"""What LanceDB raises where a folder or a file is not as it should be."""

_SOURCE_PLACE = re.compile(r"[\s,;:(]+(?:at )?[^\s,]*\.rs:\d+")
"""A file and a line of the machine that LanceDB was built on."""


class LanceSink:
    """Writes `directory`/embeddings.lance, one row for each key: of equal keys the last written stays.

    An existing table is continued. Alerts without an embedding are left out.
    """

    def __init__(self, directory: Path | str) -> None:
        self._file = Path(directory) / f"{TABLE}.lance"
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._added = False
        try:
            Path(directory).mkdir(parents=True, exist_ok=True)
            self._table = lancedb.connect(str(directory)).create_table(TABLE, schema=EMBEDDINGS_SCHEMA, exist_ok=True)
            self._known = key_hashes(self._table.search().select(list(KEY)).to_arrow())
        except _FAILURES as error:
            raise SinkError(f"cannot use {self._file} ({_line(error)}): move it away, or use another folder") from None

    def write(self, scored: ScoredBatch) -> None:
        """Takes a batch."""
        table = embeddings_table(scored)
        self._waiting.append(table)
        self._waiting_rows += len(table)
        if self._waiting_rows >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Adds what waits; only rows whose key may be there already pay for a search."""
        if not self._waiting_rows:
            return
        rows = pa.concat_tables(self._waiting)
        rows = rows.filter(pa.array(last_of_equal(rows)))
        hashes = key_hashes(rows)
        known = np.isin(hashes, self._known)
        try:
            if known.any():
                merge = self._table.merge_insert(list(KEY)).when_matched_update_all().when_not_matched_insert_all()
                merge.execute(rows)
            else:
                self._table.add(rows)
        except _FAILURES as error:
            raise SinkError(f"cannot write {self._file}: {_line(error)}") from None
        self._known = np.concatenate([self._known, hashes[~known]])
        self._waiting, self._waiting_rows = [], 0
        self._added = True

    def close(self) -> None:
        """Adds what waits, and joins the table's files."""
        self.flush()
        if not self._added:
            return
        try:
            self._table.optimize(cleanup_older_than=KEEP_FORMER)
        except _FAILURES as error:
            raise SinkError(f"cannot write {self._file}: {_line(error)}") from None


def _line(error: BaseException) -> str:
    """The first sentence: LanceDB's messages go on with a place in its own source, or a trace."""
    line = next(iter(str(error).splitlines()), "")
    return _SOURCE_PLACE.split(line)[0].split(". ")[0].strip(" .,:;") or type(error).__name__


def key_hashes(rows: pa.Table) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each row's key, shape (n,); two keys with one hash only cost a needless search."""
    mixed: npt.NDArray[np.uint64] = rows.column("alert_id").to_numpy().view(np.uint64)
    for name in KEY:
        if name == "alert_id":
            continue
        column = rows.column(name)
        values = pc.unique(column)
        checks = np.array([zlib.crc32(str(value).encode()) for value in values.to_pylist()], np.uint64)
        mixed = (mixed ^ checks[pc.index_in(column, value_set=values).to_numpy()]) * np.uint64(0x9E3779B97F4A7C15)
    return mixed
