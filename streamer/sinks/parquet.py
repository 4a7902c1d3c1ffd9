"""Scores in a Parquet file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from schemas.columns import scores_table
from schemas.scored import ScoredBatch
from streamer.sinks.base import SinkError
from streamer.sinks.parquet_files import check_columns, last_of_each_key, write_whole

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
                check_columns(file)
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
        write_whole(self._parts / f"{self._next:06d}.parquet", [pa.concat_tables(self._waiting)])
        self._next += 1
        self._waiting, self._waiting_rows = [], 0

    def close(self) -> None:
        """Merges the former file and all parts into scores.parquet, then removes the parts."""
        self.flush()
        files = self._written()
        try:
            if files != [self._file]:
                write_whole(self._file, last_of_each_key(files))
            for leftover in self._parts.iterdir():
                leftover.unlink()
            self._parts.rmdir()
        except (OSError, pa.ArrowException) as error:
            raise SinkError(f"cannot write {self._file}: {error}") from None

    def _written(self) -> list[Path]:
        """The former file, if any, then the parts in the order of their writing."""
        former = [self._file] if self._file.exists() else []
        return former + sorted(self._parts.glob("*.parquet"))
