"""All settings as one model: every field with its unit, bounds and meaning. Unknown keys are errors."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.taxonomy import CLASSES, checked_cut
from streamer.settings.fields import Number, Section, Switch, Whole, setting
from streamer.settings.service import (
    HOME,
    NAME,
    NAME_FORM,
    ClusterSettings,
    DeadLetterSettings,
    KafkaSettings,
    LogSettings,
    MetricsSettings,
    RegistrySettings,
    SinkSettings,
    StateSettings,
    StreamSettings,
)

ClassName = Literal["SN I", "SN II", "SLSN", "CV", "AGN", "TDE", "other"]
"""One of `schemas.taxonomy.CLASSES` (a test holds the two together)."""

NodeName = Literal[ClassName, "SN Ia", "SN Ib", "SN Ic", "SN IIP", "SN IIn", "SN IIb"]
"""One of `schemas.taxonomy.NODES` (a test holds the two together)."""


class BatchSettings(Section):
    """How many alerts go through the pipeline together."""

    max_alerts: Whole = setting(
        256,
        unit="alerts",
        ge=1,
        le=10_000,
        description="Most alerts in a batch. Larger batches cost less for each alert and more memory.",
    )
    max_wait_ms: Whole = setting(
        50,
        unit="ms",
        ge=1,
        le=60_000,
        description="A batch that is not full goes on after this time. Shorter waits give earlier scores, longer ones "
        "larger batches. Over archives nothing waits.",
    )


class ClassifierSettings(Section):
    """Which classifier bundle answers, and for which mixture of classes."""

    bundle: str = setting(
        "default",
        min_length=1,
        is_path=True,
        description="The bundle to load: `default`, the one that ships, or the folder of another one.",
    )
    prior: dict[ClassName, Annotated[Number, Field(ge=0.0)]] | None = setting(
        None,
        min_length=1,
        description="How common the classes are in your stream: a share or a count for every class, in the place of "
        "the bundle's own (`classifiers card` shows it). The scores move to it by Bayes' rule; prediction sets and "
        "novelty stay.",
        examples=[{"SN I": 70, "SN II": 17, "SLSN": 1, "CV": 5, "AGN": 4, "TDE": 1, "other": 2}],
    )
    taxonomy: tuple[NodeName, ...] | None = setting(
        None,
        min_length=1,
        description="Classes whose scores are wanted in `taxonomy_scores`, at any depth of the tree: each broad class, "
        "or all of its finer types in its place, once. The broad classes' scores are given in any case.",
        examples=[["SN Ia", "SN Ib", "SN Ic", "SN II", "SLSN", "CV", "AGN", "TDE", "other"]],
    )

    @model_validator(mode="after")
    def _prior_names_every_class(self) -> Self:
        if self.prior is not None:
            if missing := [name for name in _class_names() if name not in self.prior]:
                raise PydanticCustomError("prior", f"a prior names every class; {', '.join(missing)} missing")
            if not any(self.prior.values()):
                raise PydanticCustomError("prior", "at least one class needs a share above 0")
        return self

    @model_validator(mode="after")
    def _taxonomy_is_a_cut(self) -> Self:
        if self.taxonomy is not None:
            try:
                checked_cut(self.taxonomy)
            except ValueError as error:
                raise PydanticCustomError("taxonomy", "{fault}", {"fault": str(error)}) from None
        return self


class Cut(Section):
    """A range that one numeric field of the alert must lie in."""

    field: str = setting(
        min_length=1,
        description="The survey's own field by its full name, for example `candidate.drb` or `diaSource.snr`; or "
        "`real_score` (ours, 0 bogus to 1 real), `survey_real_score` (the survey's own), or a quality flag, 0 or 1, "
        "as `quality_flags.dipole`.",
    )
    at_least: Number | None = setting(
        None, unit="the field's own", description="Smallest value that passes.", examples=[0.5]
    )
    at_most: Number | None = setting(
        None, unit="the field's own", description="Largest value that passes.", examples=[1.0]
    )
    missing: Literal["keep", "drop", "only"] = setting(
        "drop",
        description="What an alert without this field does: `keep` passes, `drop` does not; with `only`, alerts "
        "without the field are the only ones to pass (and bounds make no sense).",
    )

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> Self:
        bounded = self.at_least is not None or self.at_most is not None
        if self.missing == "only" and bounded:
            raise PydanticCustomError("cut", "`missing: only` lets no value pass: leave out at_least and at_most")
        if self.missing != "only" and not bounded:
            raise PydanticCustomError("cut", "a cut needs at_least, at_most or both (or `missing: only`)")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise PydanticCustomError("cut", "at_least is above at_most, so no alert could pass")
        return self


BUNDLE_MODEL = "bundle"
"""Stands for the bundle's own model in the place of a selection's model file."""


class SelectionModel(Section):
    """A LightGBM model whose score an alert must reach."""

    file: str = setting(
        min_length=1,
        is_path=True,
        description="`bundle`, the classifier bundle's own model of what is interesting (a supernova or a tidal "
        "disruption), or a LightGBM model in text form.",
    )
    features: tuple[str, ...] = setting(
        (),
        description="The fields that a model of your own takes, in its own order, by their full names; the bundle's "
        "knows its own.",
    )
    threshold: Number = setting(description="Smallest score that passes.")

    @model_validator(mode="after")
    def _features_are_named_where_needed(self) -> Self:
        if self.file == BUNDLE_MODEL and self.features:
            raise PydanticCustomError("selection", "the bundle's model knows its features: leave `features` out")
        if self.file != BUNDLE_MODEL and not self.features:
            raise PydanticCustomError("selection", "a model of your own needs `features`")
        return self


class Selection(Section):
    """One way for an alert to be selected. It passes when every cut passes and the model's score is high enough."""

    name: str = setting(
        pattern=r"^[a-z][a-z0-9_]*$",
        form="of small letters, digits and underscores, a letter first",
        description="Name of the selection, as it stands in the scores.",
    )
    cuts: tuple[Cut, ...] = setting((), description="Ranges that fields must lie in; all of them must pass.")
    solar_system: Switch = setting(
        False, description="Whether alerts of known solar-system objects may pass; with false they are dropped."
    )
    model: SelectionModel | None = setting(
        None,
        description="A LightGBM model that must agree.",
        examples=[{"file": "interest.txt", "features": ["candidate.drb", "candidate.magpsf"], "threshold": 0.5}],
    )


class SelectionSettings(Section):
    """Which alerts are worth a score. One selection that passes is enough; the others update their objects."""

    ztf: tuple[Selection, ...] = setting(
        (
            Selection(
                name="real", cuts=(Cut(field="candidate.drb", at_least=0.1), Cut(field="real_score", at_least=0.1))
            ),
            Selection(
                name="real_without_drb",
                cuts=(
                    Cut(field="candidate.drb", missing="only"),
                    Cut(field="candidate.rb", at_least=0.1),
                    Cut(field="real_score", at_least=0.1),
                ),
            ),
        ),
        min_length=1,
        description="Selections of ZTF alerts. The default drops clear bogus: drb below 0.1 (rb where drb is missing), "
        "then a real score below 0.1. Among 331 labelled public alerts the lowest scores are drb 0.38 (322 with drb) "
        "and rb 0.43 (9 without), and a real score below 0.1 has one of them, scored by trees that did not "
        "see their objects; of simulated bogus detections 69 % pass the survey's score alone and 3 % both.",
    )
    lsst: tuple[Selection, ...] = setting(
        (
            Selection(
                name="real",
                cuts=(
                    Cut(field="diaSource.reliability", at_least=0.05, missing="keep"),
                    Cut(field="real_score", at_least=0.1),
                ),
            ),
        ),
        min_length=1,
        description="Selections of LSST alerts. The default drops clear bogus: reliability below 0.05, then a real "
        "score below 0.1. The lowest reliability of 67 on-sky v10.0 alerts is 0.12, and 2 of the 67 have a real score "
        "below 0.1; of simulated bogus detections all pass the survey's score and 23 % both.",
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for survey, selections in (("ztf", self.ztf), ("lsst", self.lsst)):
            names = [selection.name for selection in selections]
            for name in names:
                if names.count(name) > 1:
                    raise PydanticCustomError(
                        "selection",
                        "two {survey} selections are named '{name}'; names must differ",
                        {"survey": survey, "name": name},
                    )
        return self


class Settings(Section):
    """All settings. Every key may be left out."""

    deployment: str = setting(
        "transient-streamer",
        pattern=NAME,
        form=NAME_FORM,
        description="Name of this deployment: its workers share one consumer group, whatever host they run on.",
    )
    host: str | None = setting(
        None,
        min_length=1,
        description="Name of this host among those of the deployment, the same after every restart (a pod's name, "
        "for example); the machine's own name by default. Two hosts must differ.",
        examples=["node-1"],
    )
    kafka: KafkaSettings = setting(
        KafkaSettings(), description="The home cluster: scores go there, and the workers share their work through it."
    )
    clusters: tuple[ClusterSettings, ...] = setting(
        (),
        description="Other clusters that alerts are read from.",
        examples=[[{"name": "rubin", "bootstrap": "broker.example.org:9092"}]],
    )
    streams: tuple[StreamSettings, ...] = setting(
        (),
        description="Topics to be scored by `streamer run`, of any number of surveys.",
        examples=[[{"topics": ["ztf_{date}_programid1", "lsst-alerts-v11"]}]],
    )
    lsst_registry: RegistrySettings = setting(
        RegistrySettings(),
        description="Schema registry of LSST's alerts, asked for schemas that this version does not know.",
    )
    batch: BatchSettings = setting(BatchSettings(), description="How many alerts go through the pipeline together.")
    state: StateSettings = setting(StateSettings(), description="What is remembered of objects between alerts.")
    classifier: ClassifierSettings = setting(
        ClassifierSettings(), description="Which classifier bundle answers, and for which mixture of classes."
    )
    selections: SelectionSettings = setting(
        SelectionSettings(),
        description="Which alerts are worth a score. One selection that passes is enough; an alert that passes none "
        "still updates its object and is counted as filtered, with the reason.",
    )
    dead_letters: DeadLetterSettings = setting(
        DeadLetterSettings(), description="When messages that cannot be processed stop the service."
    )
    metrics: MetricsSettings = setting(
        MetricsSettings(), description="What running workers and sinks show over HTTP: /metrics, /healthz, /readyz."
    )
    logs: LogSettings = setting(LogSettings(), description="What workers, sinks and their supervisor say on stderr.")
    sinks: SinkSettings = setting(SinkSettings(), description="What `streamer sink` writes, and how often.")

    @model_validator(mode="after")
    def _clusters_are_known(self) -> Self:
        names = [HOME, *(cluster.name for cluster in self.clusters)]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError("cluster", "two clusters are named '{name}'", {"name": name})
        for stream in self.streams:
            if stream.cluster not in names:
                raise PydanticCustomError(
                    "cluster",
                    "a stream names the cluster '{name}'; known are {names}",
                    {"name": stream.cluster, "names": ", ".join(names)},
                )
        return self


def _class_names() -> tuple[ClassName, ...]:
    return CLASSES  # type: ignore[return-value]
