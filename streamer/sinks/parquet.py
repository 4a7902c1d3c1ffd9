"""Scores in a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import KEY, SCORES_SCHEMA, last_of_equal, scores_table
from schemas.scored import ScoredBatch
from streamer.sinks.base import SinkError

SCORES_FILE = "scores.parquet"
"""Name of the table of scores in a folder of results."""

PARTS_FOLDER = "scores.parts"
"""Holds rows until a run ends; what a killed run left stays there for the next one."""

FLUSH_ROWS = 16_384
"""Rows kept in memory before they are written as a part."""


class ParquetSink:
    """Writes `directory`/scores.parquet at `close`, one row for each key: of equal keys the last written stays.

    Until then rows go to parts in `directory`/scores.parts, each whole or not at all; parts that a killed run left are
    merged by the next one. An existing scores.parquet is continued.
    """

    def __init__(self, directory: Path | str) -> None:
        self._file = Path(directory) / SCORES_FILE
        self._parts = Path(directory) / PARTS_FOLDER
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            for file in self._written():
                _check(file)
        except OSError as error:
            raise SinkError(f"cannot use the folder {directory}: {error.strerror or error}") from None
        self._next = 1 + max((int(part.stem) for part in self._parts.glob("*.parquet")), default=0)

    def write(self, scored: ScoredBatch) -> None:
        """Takes a batch."""
        self._waiting.append(scores_table(scored))
        self._waiting_rows += len(scored)
        if self._waiting_rows >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Writes what waits as one part."""
        if not self._waiting:
            return
        part = self._parts / f"{self._next:06d}.parquet"
        unfinished = part.with_suffix(".unfinished")
        try:
            pq.write_table(pa.concat_tables(self._waiting), unfinished)
            unfinished.replace(part)
        except (OSError, pa.ArrowException) as error:
            raise SinkError(f"cannot write {part}: {error}") from None
        self._next += 1
        self._waiting, self._waiting_rows = [], 0

    def close(self) -> None:
        """Merges the former file and all parts into scores.parquet, then removes the parts."""
        self.flush()
        files = self._written()
        unfinished = self._file.with_suffix(".unfinished")
        try:
            if files != [self._file]:
                with pq.ParquetWriter(unfinished, SCORES_SCHEMA) as writer:
                    for table in _last_of_each_key(files):
                        writer.write_table(table)
                unfinished.replace(self._file)
            for leftover in self._parts.iterdir():
                leftover.unlink()
            self._parts.rmdir()
        except (OSError, pa.ArrowException) as error:
            raise SinkError(f"cannot write {self._file}: {error}") from None

    def _written(self) -> list[Path]:
        """The former file, if any, then the parts in the order of their writing."""
        former = [self._file] if self._file.exists() else []
        return former + sorted(self._parts.glob("*.parquet"))


def _check(file: Path) -> None:
    try:
        schema = pq.read_schema(file)
    except pa.ArrowInvalid as error:
        raise SinkError(f"{file} is not Parquet ({error}): move it away, or use another folder") from None
    if not schema.equals(SCORES_SCHEMA):
        raise SinkError(f"{file} has other columns than this version writes: move it away, or use another folder")


def _last_of_each_key(files: list[Path]) -> Iterator[pa.Table]:
    """The files' rows, a row group at a time, without those whose key comes again later."""
    if not files:
        return
    keep = last_of_equal(pa.concat_tables([pq.read_table(file, columns=list(KEY)) for file in files]))
    start = 0
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group)
                kept = keep[start : start + len(table)]
                start += len(table)
                yield table if kept.all() else table.filter(pa.array(kept))
