"""Embeddings in a LanceDB table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import BTree

from schemas.columns import EMBEDDINGS_SCHEMA, KEY, embeddings_rows, embeddings_table, key_hashes, last_of_equal
from schemas.records import RecordFileError
from schemas.scored import ScoredBatch
from schemas.wire import EMBEDDING, Record
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

    An existing table is continued. Alerts without an embedding are left out. Whether a key is there already is asked
    of an index on `alert_id`, so nothing of the table is kept in memory.
    """

    schema_name = EMBEDDING

    def __init__(self, directory: Path | str) -> None:
        self._file = Path(directory) / f"{TABLE}.lance"
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._added = False
        try:
            Path(directory).mkdir(parents=True, exist_ok=True)
            self._table = lancedb.connect(str(directory)).create_table(TABLE, schema=EMBEDDINGS_SCHEMA, exist_ok=True)
        except _FAILURES as error:
            raise SinkError(f"cannot use {self._file} ({_line(error)}): move it away, or use another folder") from None

    def write(self, scored: ScoredBatch) -> None:
        """Takes a batch."""
        self._keep(embeddings_table(scored))
        if self._waiting_rows >= FLUSH_ROWS:
            self.flush()

    def begin(self, since: str) -> None:
        """Forgets what was taken and not flushed."""
        self._waiting, self._waiting_rows = [], 0

    def take(self, records: Sequence[Record]) -> None:
        """Takes records of embedding v1 into memory; RecordFileError where one does not fit the columns."""
        try:
            self._keep(embeddings_rows(records))
        except (pa.ArrowException, OverflowError) as error:
            raise RecordFileError(f"the message does not fit the columns of {TABLE}: {error}") from None

    def flush(self) -> None:
        """Adds what waits; only where a key is there already is the table searched for each."""
        if not self._waiting_rows:
            return
        rows = pa.concat_tables(self._waiting)
        rows = rows.filter(pa.array(last_of_equal(rows)))
        try:
            if self._has_any(rows):
                merge = self._table.merge_insert(list(KEY)).when_matched_update_all().when_not_matched_insert_all()
                merge.execute(rows)
            else:
                self._table.add(rows)
        except _FAILURES as error:
            raise SinkError(f"cannot write {self._file}: {_line(error)}") from None
        self._waiting, self._waiting_rows = [], 0
        self._added = True

    def join(self) -> None:
        """Joins the table's files, and brings the index on alert ids up to them."""
        if not self._added:
            return
        try:
            if not self._table.list_indices():
                self._table.create_index("alert_id", config=BTree())
            self._table.optimize(cleanup_older_than=KEEP_FORMER)
        except _FAILURES as error:
            raise SinkError(f"cannot write {self._file}: {_line(error)}") from None
        self._added = False

    def close(self) -> None:
        """Adds what waits, and joins the table's files."""
        self.flush()
        self.join()

    def _keep(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._waiting_rows += len(rows)

    def _has_any(self, rows: pa.Table) -> bool:
        """Whether the table holds a key of the rows."""
        ids = ",".join(map(str, rows.column("alert_id").to_pylist()))
        there = self._table.search().where(f"alert_id IN ({ids})").select(list(KEY)).to_arrow()
        return bool(len(there)) and bool(np.isin(key_hashes(there), key_hashes(rows)).any())


def _line(error: BaseException) -> str:
    """The first sentence: LanceDB's messages go on with a place in its own source, or a trace."""
    line = next(iter(str(error).splitlines()), "")
    return _SOURCE_PLACE.split(line)[0].split(". ")[0].strip(" .,:;") or type(error).__name__
