"""The one file that says what is trained, from which data, and how; read without torch."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.taxonomy import CLASSES, MODALITIES


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key and what was expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_path(text: str) -> str:
    if "." not in text or not all(part.isidentifier() for part in text.split(".")):
        raise ValueError("expected an import path such as my_models.MyEncoder")
    return text


class Part(_Strict):
    """Something named by its import path, called with options: a model, a loss, a change, a reader."""

    path: Annotated[str, AfterValidator(_is_path)]
    options: dict[str, Any] = {}

    def load(self) -> Callable[..., Any]:
        """The function or class itself; ConfigError where it cannot be imported."""
        module, _, name = self.path.rpartition(".")
        try:
            return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{self.path} cannot be imported: {error}") from error

    def __call__(self, *arguments: Any) -> Any:
        """What it returns for these arguments and its options; ConfigError where it knows no such option."""
        called = self.load()
        try:
            return called(*arguments, **self.options)
        except TypeError as error:
            if any(f"'{name}'" in str(error) for name in self.options):
                raise ConfigError(f"{self.path} does not take these options: {error}") from error
            raise


class DatasetConfig(_Strict):
    """One named input: labelled objects of one kind, joined with those of the others by object id."""

    reader: Part
    folder: Path | None = None
    """Where it is read; the folder given by --data where it is null."""
    optional: bool = False
    """Left out, and said so, where its folder is absent."""
    train_only: bool = False
    """Its objects train and nothing else: simulated ones, templates. Those that the hash holds aside are left out."""
    weight: float = Field(1.0, gt=0)
    """How often one of its objects is drawn, beside 1 for those of other inputs."""


class FitConfig(_Strict):
    """One fit: AdamW on a one-cycle schedule."""

    steps: int = Field(ge=1)
    batch: int = Field(128, ge=1)
    rate: float = Field(2e-3, gt=0)
    decay: float = Field(0.02, ge=0)


class PretrainingConfig(_Strict):
    """Fits an encoder to data without labels before it sees one."""

    data: list[str] = Field(min_length=1)
    method: Part
    fit: FitConfig


class ModalityConfig(_Strict):
    """One modality: its encoder, what it is fitted on and how."""

    enabled: bool = True
    data: list[str] = Field(min_length=1)
    surveys: list[Literal["ztf", "lsst"]]
    model: Part
    loss: Part
    change: Part
    fit: FitConfig
    fine_weight: float = Field(0.0, ge=0)
    strength_from: Literal["calibrate", "folds"] = "calibrate"
    lengths: dict[int, float] = {}
    pretraining: PretrainingConfig | None = None


class TreesConfig(_Strict):
    """The light-curve trees and how large a share they may have in the light curve's logits."""

    data: list[str] = Field(min_length=1)
    method: Part
    shares: list[Annotated[float, Field(ge=0, le=1)]] = Field(min_length=1)


class FusionConfig(_Strict):
    """The fusion: fitted on what the encoders say of changed copies of the training objects."""

    model: Part
    loss: Part
    fit: FitConfig
    copies: int = Field(ge=1)
    longest: int = Field(ge=1)
    contrastive_weight: float = Field(ge=0)
    contrastive_temperature: float = Field(gt=0)
    fine_weight: float = Field(ge=0)
    head_strength: float = Field(ge=0)


class QualityConfig(_Strict):
    """Trees of real score and interest, without which the stream takes no bundle."""

    bundle: str | None
    """A bundle, such as `default`, whose trees are taken as they are; null: they are fitted to the data folder."""
    simulated: Path | None = None
    """Nights of `streamer simulate` for the fit, in folders ztf, ztf-test, lsst and lsst-test."""


class CalibrationConfig(_Strict):
    """Temperatures, sets and novelty."""

    surveys: list[Literal["ztf", "lsst"]]
    copies: int = Field(ge=1)
    domains: dict[Literal["light_curve", "alert", "spectrum"], str] = Field(default_factory=dict)
    """What the labelled objects of each evidence group are, for the card."""

    def domains_told(self) -> dict[str, str]:
        """`domains` by plain names."""
        return {str(name): said for name, said in self.domains.items()}


class TrackingConfig(_Strict):
    """Folders of the logs, below the run's own folder unless absolute; null switches a log off."""

    tensorboard: Path | None
    mlflow: Path | None


class CheckpointConfig(_Strict):
    """How often a fit that is under way is saved."""

    every_steps: int = Field(ge=1)


class Range(_Strict):
    """What `tune` tries for one key: numbers between two ends, or one of several values."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: list[Any] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Range:
        ends = self.low is not None and self.high is not None
        if ends == (self.choices is not None):
            raise ValueError("expected either low and high, or choices")
        return self


class TuningConfig(_Strict):
    """What `classifiers tune` changes and by which modality's figure it judges."""

    modality: Literal["light_curve", "metadata", "cutouts", "spectrum"]
    space: dict[str, Range]


class BundleConfig(_Strict):
    """What the bundle calls itself."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    data: str
    """A sentence on the training data, for the card."""
    limits: list[str] = Field(default_factory=list)
    """Sentences on what that data cannot show, for the card; what follows from the rest of the card comes by itself."""


class TrainingConfig(_Strict):
    """Everything that a training run is told."""

    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda"]
    threads: int = Field(ge=1)
    bundle: BundleConfig
    data: dict[str, DatasetConfig]
    modalities: dict[Literal["light_curve", "metadata", "cutouts", "spectrum"], ModalityConfig]
    trees: TreesConfig
    fusion: FusionConfig
    prior: dict[str, float] | Literal["alike", "training"]
    quality: QualityConfig | None
    calibration: CalibrationConfig
    tracking: TrackingConfig
    checkpoints: CheckpointConfig
    tuning: TuningConfig | None = None

    @model_validator(mode="after")
    def _names_agree(self) -> TrainingConfig:
        if missing := [name for name in MODALITIES if name not in self.modalities]:
            raise ValueError(f"modalities lacks {', '.join(missing)}; one that you do not want has enabled: false")
        for name, each in self.modalities.items():
            if each.enabled:
                self._known(f"modalities.{name}.data", each.data)
                if each.pretraining:
                    self._known(f"modalities.{name}.pretraining.data", each.pretraining.data)
        self._known("trees.data", self.trees.data)
        if not self.modalities["light_curve"].lengths:
            raise ValueError("modalities.light_curve.lengths: expected the longest curve of a step and its share")
        if isinstance(self.prior, dict) and set(self.prior) != set(CLASSES):
            raise ValueError(f"prior: expected a share for each of {', '.join(CLASSES)}")
        return self

    def _known(self, key: str, names: list[str]) -> None:
        for name in names:
            if name not in self.data:
                raise ValueError(f"{key}: no input {name!r} under data; it has {', '.join(self.data)}")

    def modality(self, name: str) -> ModalityConfig:
        """What is told of one of `MODALITIES`."""
        return {str(key): each for key, each in self.modalities.items()}[name]

    def names_on(self) -> list[str]:
        """The modalities that are on, in the order of `MODALITIES`."""
        return [name for name in MODALITIES if self.modality(name).enabled]


def default_text() -> str:
    """The shipped configuration, with its comments."""
    return (resources.files("classifiers.training") / "default.yaml").read_text(encoding="utf-8")


def read_config(path: Path | None = None) -> TrainingConfig:
    """The configuration in a file, laid over the shipped one; that one alone where no file is given.

    Modules beside the file can be imported.
    """
    shipped = yaml.safe_load(default_text())
    if path is None:
        return config_from(shipped, "default.yaml")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: expected keys and values")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if "bundle" in given or "data" in given:  # what is said of our data is not true of another's
        del shipped["bundle"]["limits"], shipped["calibration"]["domains"]
    return config_from(merged(shipped, given), str(path))


WHOLE: tuple[str, ...] = ("data", "lengths", "prior", "space")
"""Keys whose value in a file replaces the shipped one whole."""


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One mapping laid over another, key by key; another part brings its own options."""
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and key not in WHOLE and _same_part(old, value):
            out[key] = merged(old, value)
        else:
            out[key] = value
    return out


def _same_part(below: dict[str, Any], above: dict[str, Any]) -> bool:
    return "path" not in above or above["path"] == below.get("path")


def config_from(values: dict[str, Any], where: str) -> TrainingConfig:
    """The checked configuration; ConfigError with every fault, each on a line with its key."""
    try:
        return TrainingConfig.model_validate(values)
    except ValidationError as error:
        lines = [f"{where}: {_said(fault)}" for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _said(fault: Any) -> str:
    places = [str(place) for place in fault["loc"]]
    key = ".".join(places)
    if fault["type"] == "extra_forbidden":
        known = _fields_at(places[:-1])
        near = difflib.get_close_matches(places[-1], known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(known)}" if known else ""
        return f"{key}: unknown key{hint}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def _fields_at(places: list[str]) -> list[str]:
    """Keys that the mapping at these places may have."""
    model: Any = TrainingConfig
    for place in places:
        field = model.model_fields.get(place) if isinstance(model, type) and issubclass(model, BaseModel) else None
        model = _model_in(field.annotation) if field is not None else model
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_model_in(part) for part in getattr(annotation, "__args__", ())]
    return next((model for model in found if model is not None), None)
