"""The pipeline, its classifier and its selections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import time

from classifiers import BundleError, load_bundle
from classifiers.prior import PriorWeighedClassifier
from schemas.prediction import Classifier
from schemas.surveys.identity import SURVEYS
from schemas.surveys.lsst import LsstSchemas
from streamer.errors import ConfigurationError
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
from streamer.state.store import ObjectStore


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
