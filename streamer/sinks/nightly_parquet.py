"""Scores of an always-on service as Parquet: one folder, by night, that reads as one table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import KEY, key_hashes, scores_rows
from schemas.records import RecordFileError
from schemas.wire import SCORED_ALERT, Record
from streamer.sinks.base import SinkError
from streamer.sinks.parquet import SCORES_FILE
from streamer.sinks.parquet_files import (
    UNFINISHED,
    check_columns,
    last_of_each_key,
    put_in_place,
    write_unfinished,
    write_whole,
)

PARTS_FOLDER = "waiting"
"""Holds the parts, in the order of their coming, until they are joined into their nights."""

JOIN_ROWS = 500_000
"""So many rows in parts are joined even where no quiet time comes: many small files read slowly [rows]."""

FILE_ROWS = 1_000_000
"""A night's last file grows by joining up to this size; then the next one begins [rows]."""

NIGHT_BEGINS_D = 0.75
"""Fraction of a day (18 h UTC) at which a night begins: it is daylight then at Palomar and at Cerro Pachón."""

MJD_ZERO = date(1858, 11, 17)
"""Date of MJD 0."""

LAST_NIGHT = 146_000
"""MJD of the year 2258: what is later is no time of an alert, nor is what is none [d]."""

_PLAN = ".joining.json"


class NightlyParquet:
    """Writes `directory`/scores.parquet/, a folder of Parquet files; one process at a time.

    A flush writes one part, named by where its batch began on the topics: a batch that is taken again, because it was
    never committed, replaces its former part. `join` moves the parts into one folder a night, without repeated keys:
    the last written stays. The night is that of the alert, so scores with one key always fall in the same.
    """

    schema_name = SCORED_ALERT

    def __init__(self, directory: Path | str) -> None:
        self._folder = Path(directory) / SCORES_FILE
        self._parts = self._folder / PARTS_FOLDER
        self._since = ""
        self._taken: list[pa.Table] = []
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            self._carry_out_plan()
            for leftover in self._folder.rglob(UNFINISHED.format("*")):
                leftover.unlink()
            for file in self._folder.glob("*/*.parquet"):
                check_columns(file)
        except (FileExistsError, NotADirectoryError):
            raise SinkError(f"{self._folder} is a file, as a replay writes it: use another folder") from None
        except OSError as error:
            raise SinkError(f"cannot use the folder {self._folder}: {error.strerror or error}") from None
        self._part_rows = sum(pq.read_metadata(part).num_rows for part in self._written())

    def begin(self, since: str) -> None:
        """Forgets what was taken and not flushed; what is taken now makes the batch of this name."""
        self._since = since
        self._taken = []
        if self._part_rows >= JOIN_ROWS:
            self.join()

    def take(self, records: Sequence[Record]) -> None:
        """Takes records of scored_alert v1 into memory; RecordFileError where one does not fit the columns."""
        try:
            self._taken.append(scores_rows(records))
        except (pa.ArrowException, OverflowError) as error:
            raise RecordFileError(f"the message does not fit the columns of {SCORES_FILE}: {error}") from None

    def flush(self) -> None:
        """Writes what was taken as one part, also where that is nothing: a former part of the batch must not stay."""
        rows = pa.concat_tables([scores_rows([]), *self._taken])
        write_whole(self._parts / f"{self._since}.parquet", [rows])
        self._part_rows += len(rows)
        self._taken = []

    def join(self) -> None:
        """Moves the parts into their nights. The current batch's part stays: it may be taken again."""
        parts = [part for part in self._written() if part.stem != self._since]
        if not parts:
            return
        try:
            nights = np.unique(np.concatenate([nights_of(pq.read_table(part, columns=["mjd_tai"])) for part in parts]))
            arriving = np.sort(np.concatenate([key_hashes(pq.read_table(part, columns=list(KEY))) for part in parts]))
            ready: dict[str, str] = {}
            gone = list(parts)
            for night in nights.tolist():
                folder = self._folder / str(MJD_ZERO + timedelta(days=night))
                folder.mkdir(exist_ok=True)
                numbered = _numbered(folder)
                former = [file for file in numbered if _is_open(file, file == numbered[-1]) or _holds(file, arriving)]
                file = folder / f"{1 + max((int(one.stem) for one in numbered), default=0):06d}.parquet"
                unfinished = write_unfinished(file, _of_night(night, last_of_each_key([*former, *parts])))
                ready[str(unfinished.relative_to(self._folder))] = str(file.relative_to(self._folder))
                gone += former
            self._write_plan(ready, gone)
            self._carry_out_plan()
        except (OSError, pa.ArrowException) as error:
            raise SinkError(f"cannot join the files of {self._folder}: {error}") from None
        self._part_rows = sum(pq.read_metadata(part).num_rows for part in self._written())

    def _written(self) -> list[Path]:
        return sorted(self._parts.glob("*.parquet"))

    def _write_plan(self, ready: dict[str, str], gone: Sequence[Path]) -> None:
        """From now on the join is done, whatever happens: a killed one is carried out at the next start."""
        plan = self._folder / _PLAN
        unfinished = plan.with_name(UNFINISHED.format(_PLAN))
        names = [str(file.relative_to(self._folder)) for file in gone]
        unfinished.write_text(json.dumps({"ready": ready, "gone": names}))
        put_in_place(unfinished, plan)

    def _carry_out_plan(self) -> None:
        plan = self._folder / _PLAN
        if not plan.exists():
            return
        wanted = json.loads(plan.read_text())
        for unfinished, file in wanted["ready"].items():
            if (self._folder / unfinished).exists():
                put_in_place(self._folder / unfinished, self._folder / file)
        for file in wanted["gone"]:
            (self._folder / file).unlink(missing_ok=True)
        plan.unlink()


def nights_of(rows: pa.Table) -> npt.NDArray[np.int64]:
    """MJD of the UTC date on which each alert's night ends, shape (n,); 0 for what is no time of an alert."""
    mjd_tai = rows.column("mjd_tai").to_numpy()
    usable = np.isfinite(mjd_tai) & (mjd_tai > 0) & (mjd_tai < LAST_NIGHT)
    return np.floor(np.where(usable, mjd_tai, 0.0) + (1.0 - NIGHT_BEGINS_D)).astype(np.int64)


def _of_night(night: int, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        yield table.filter(pa.array(nights_of(table) == night))


def _numbered(folder: Path) -> list[Path]:
    """A night's files, oldest first, without what others put there."""
    return sorted(file for file in folder.glob("*.parquet") if file.stem.isdecimal())


def _is_open(file: Path, is_last: bool) -> bool:
    """Whether a night's file takes more rows."""
    return is_last and pq.read_metadata(file).num_rows < FILE_ROWS


def _holds(file: Path, hashes: npt.NDArray[np.uint64]) -> bool:
    """Whether a key of the file may be among these, which are sorted."""
    with pq.ParquetFile(file) as parquet:
        for group in range(parquet.num_row_groups):
            own = key_hashes(parquet.read_row_group(group, columns=list(KEY)))
            places = np.minimum(np.searchsorted(hashes, own), len(hashes) - 1)
            if (hashes[places] == own).any():
                return True
    return False
