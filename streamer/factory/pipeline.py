"""The pipeline, and a replay around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import time

from classifiers import BundleError, load_bundle
from classifiers.prior import PriorWeighedClassifier
from schemas.assembling import warm_up as warm_up_assembling
from schemas.prediction import Classifier
from schemas.projection import warm_up as warm_up_decoder
from schemas.surveys.identity import SURVEYS
from schemas.surveys.lsst import LsstSchemas
from streamer.errors import ConfigurationError
from streamer.factory.clusters import BYTES_PER_MB
from streamer.pipeline import Pipeline
from streamer.processors.assemble import Assemble
from streamer.processors.classify import Classify
from streamer.processors.decode import Decode
from streamer.processors.deduplicate import Deduplicate
from streamer.processors.select import Cut, Select, Selection
from streamer.processors.selection_model import LightgbmScore
from streamer.settings import Settings
from streamer.settings.models import Selection as SelectionModel
from streamer.sinks.base import DeadLetterSink, Sink
from streamer.sinks.dead_letters import LETTERS_FOLDER, AvroDeadLetterSink
from streamer.sinks.lance import TABLE, LanceSink
from streamer.sinks.parquet import PARTS_FOLDER, SCORES_FILE, ParquetSink
from streamer.state.sqlite import SqliteObjectStore
from streamer.state.sqlite_reading import SqliteObjectReader
from streamer.state.store import ObjectReader, ObjectStore

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


def build_pipeline(
    settings: Settings,
    store: ObjectStore,
    sinks: Sequence[Sink],
    dead_letters: DeadLetterSink,
    schemas: LsstSchemas | None = None,
    classifier: Classifier | None = None,
    revises: bool = False,
) -> Pipeline:
    """The one pipeline object, whatever stands before and behind it; `revises` numbers reprocessed alerts' scores."""
    return Pipeline(
        decode=Decode(schemas),
        deduplicate=Deduplicate(store, revises),
        assemble=Assemble(store),
        select=Select({survey: build_selections(getattr(settings.selections, survey)) for survey in SURVEYS}),
        classify=Classify(classifier or load_classifier(settings), time),
        store=store,
        sinks=sinks,
        dead_letters=dead_letters,
    )


def load_classifier(settings: Settings) -> Classifier:
    """The classifier of the configured bundle and prior, warm; ConfigurationError where it cannot be used."""
    try:
        classifier = load_bundle(settings.classifier.bundle)
    except BundleError as error:
        raise ConfigurationError(str(error)) from None
    classifier.warm_up()
    prior = settings.classifier.prior
    if prior is None:
        return classifier
    return PriorWeighedClassifier(classifier, {str(name): weight for name, weight in prior.items()})


def build_selections(configured: Sequence[SelectionModel]) -> list[Selection]:
    """The configured selections of one survey as rules."""
    return [
        Selection(
            name=selection.name,
            cuts=tuple(Cut(cut.field, cut.at_least, cut.at_most, cut.missing) for cut in selection.cuts),
            solar_system=selection.solar_system,
            model=LightgbmScore(Path(selection.model.file), selection.model.features) if selection.model else None,
            threshold=selection.model.threshold if selection.model else 0.0,
        )
        for selection in configured
    ]
