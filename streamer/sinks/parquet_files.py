"""Parquet files of scores: checked, read without repeated keys, and written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import KEY, SCORES_SCHEMA, last_of_equal
from streamer.sinks.base import SinkError

UNFINISHED = ".{}.unfinished"
"""Name of a file while it is written; readers of a folder of Parquet files pass over names with a leading dot."""


def check_columns(file: Path) -> None:
    """SinkError where the file is not Parquet, or not of this version's columns."""
    try:
        schema = pq.read_schema(file)
    except pa.ArrowInvalid as error:
        raise SinkError(f"{file} is not Parquet ({error}): move it away, or use another folder") from None
    if not schema.equals(SCORES_SCHEMA):
        raise SinkError(f"{file} has other columns than this version writes: move it away, or use another folder")


def write_whole(file: Path, tables: Iterable[pa.Table]) -> None:
    """Writes the tables as one file, which is there when all of it is on disk; SinkError where it cannot be."""
    put_in_place(write_unfinished(file, tables), file)


def write_unfinished(file: Path, tables: Iterable[pa.Table]) -> Path:
    """Writes all but the name; the path under which the content lies, on disk. SinkError where it cannot be."""
    unfinished = file.with_name(UNFINISHED.format(file.name))
    try:
        with unfinished.open("wb") as output:
            with pq.ParquetWriter(output, SCORES_SCHEMA) as writer:
                for table in tables:
                    writer.write_table(table)
            output.flush()
            os.fsync(output.fileno())
    except (OSError, pa.ArrowException) as error:
        raise SinkError(f"cannot write {file}: {error}") from None
    return unfinished


def put_in_place(unfinished: Path, file: Path) -> None:
    """Gives a file its name, lastingly; SinkError where it cannot be."""
    try:
        unfinished.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise SinkError(f"cannot write {file}: {error}") from None


def last_of_each_key(files: Sequence[Path]) -> Iterator[pa.Table]:
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
