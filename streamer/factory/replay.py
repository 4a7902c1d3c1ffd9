"""A replay: the pipeline over a results folder, and what is read there afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from schemas.assembling import warm_up as warm_up_assembling
from schemas.projection import warm_up as warm_up_decoder
from schemas.surveys.lsst import LsstSchemas
from streamer.factory.clusters import BYTES_PER_MB
from streamer.factory.pipeline import build_pipeline
from streamer.pipeline import Pipeline
from streamer.settings import Settings
from streamer.sinks.base import Sink
from streamer.sinks.dead_letters import LETTERS_FOLDER, AvroDeadLetterSink
from streamer.sinks.lance import TABLE, LanceSink
from streamer.sinks.parquet import PARTS_FOLDER, SCORES_FILE, ParquetSink
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.sqlite_reading import SqliteObjectReader
from streamer.state.store import ObjectReader

STATE_FOLDER = "state"
"""Where a results folder keeps the replay's object store."""


@contextmanager
def open_replay(
    settings: Settings, out: Path, schemas: Path | None = None, more_sinks: Sequence[Sink] = ()
) -> Iterator[Pipeline]:
    """The pipeline over a results folder, made or continued, compiled and warm; closes store and sinks at the end.

    StoreError or SinkError where the folder cannot be written or is in use by another process, ConfigurationError where
    the settings ask for what cannot be had: each is a UserError.
    """
    with ExitStack() as stack:
        cutouts_max_bytes = settings.state.cutouts_max_mb * BYTES_PER_MB
        store = stack.enter_context(SqliteObjectStore(out / STATE_FOLDER, cutouts_max_bytes))
        own: list[Sink] = [ParquetSink(out), LanceSink(out)]
        sinks = [*own, *more_sinks]
        for sink in sinks:
            stack.callback(sink.close)
        dead_letters = AvroDeadLetterSink(out)
        stack.callback(dead_letters.close)
        warm_up_decoder()
        warm_up_assembling()
        yield build_pipeline(settings, store, sinks, dead_letters, LsstSchemas(schemas))


def result_paths(out: Path) -> list[Path]:
    """What a replay itself writes below a results folder: never a source of packets."""
    return [out / name for name in (STATE_FOLDER, SCORES_FILE, PARTS_FOLDER, f"{TABLE}.lance", LETTERS_FOLDER)]


def open_store_for_reading(out: Path) -> ObjectReader:
    """What a replay keeps in a results folder, to be looked at; UserError where there is nothing, or it is unreadable.

    A replay may be writing it meanwhile.
    """
    return SqliteObjectReader(out / STATE_FOLDER)
