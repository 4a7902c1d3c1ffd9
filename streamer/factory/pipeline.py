"""The pipeline, its classifier and its selections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import time

from classifiers import BundleError, load_bundle
from classifiers.bundle import open_bundle
from classifiers.quality import Quality, load_quality
from schemas.prediction import Classifier
from schemas.surveys.identity import SURVEYS
from schemas.surveys.lsst import LsstSchemas
from streamer.errors import ConfigurationError
from streamer.pipeline import Pipeline
from streamer.processors.assemble import Assemble
from streamer.processors.assess import Assess, QualityModel
from streamer.processors.classify import Classify
from streamer.processors.decode import Decode
from streamer.processors.deduplicate import Deduplicate
from streamer.processors.select import Cut, ScoreModel, Select, Selection
from streamer.processors.selection_model import InterestScore, LightgbmScore
from streamer.settings import Settings
from streamer.settings.models import BUNDLE_MODEL, SelectionModel
from streamer.settings.models import Selection as ConfiguredSelection
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
    quality: QualityModel | None = None,
) -> Pipeline:
    """The one pipeline object, whatever stands before and behind it; `revises` numbers reprocessed alerts' scores.

    `classifier` and `quality` are the configured bundle's where they are not given.
    """
    quality = quality or load_configured_quality(settings)
    return Pipeline(
        decode=Decode(schemas),
        deduplicate=Deduplicate(store, revises),
        assemble=Assemble(store),
        assess=Assess(quality),
        select=Select({survey: build_selections(getattr(settings.selections, survey), quality) for survey in SURVEYS}),
        classify=Classify(classifier or load_classifier(settings), time, settings.classifier.taxonomy or ()),
        store=store,
        sinks=sinks,
        dead_letters=dead_letters,
    )


def load_classifier(settings: Settings) -> Classifier:
    """The classifier of the configured bundle and prior, warm; ConfigurationError where it cannot be used."""
    prior = settings.classifier.prior
    own = None if prior is None else {str(name): share for name, share in prior.items()}
    try:
        classifier = load_bundle(settings.classifier.bundle, own)
    except BundleError as error:
        raise ConfigurationError(str(error)) from None
    classifier.warm_up()
    return classifier


def load_configured_quality(settings: Settings) -> Quality:
    """The quality model of the configured bundle, warm; ConfigurationError where it cannot be used."""
    try:
        quality = load_quality(open_bundle(settings.classifier.bundle))
    except BundleError as error:
        raise ConfigurationError(str(error)) from None
    quality.warm_up()
    return quality


def build_selections(configured: Sequence[ConfiguredSelection], quality: QualityModel) -> list[Selection]:
    """The configured selections of one survey as rules; `quality` is the bundle's, which one of them may ask."""
    return [
        Selection(
            name=selection.name,
            cuts=tuple(Cut(cut.field, cut.at_least, cut.at_most, cut.missing) for cut in selection.cuts),
            solar_system=selection.solar_system,
            model=_score_model(selection.model, quality),
            threshold=selection.model.threshold if selection.model else 0.0,
        )
        for selection in configured
    ]


def _score_model(configured: SelectionModel | None, quality: QualityModel) -> ScoreModel | None:
    if configured is None:
        return None
    if configured.file == BUNDLE_MODEL:
        return InterestScore(quality)
    return LightgbmScore(Path(configured.file), configured.features)
