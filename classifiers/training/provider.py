"""The data that a configuration names: inputs read by import path, split by object, joined by object id. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from classifiers.data import SPLITS, Labelled, LabelledAlerts, LabelledCurves, LabelledSpectra, labelled, split_of
from classifiers.data.alerts import no_alerts
from classifiers.training.config import ConfigError, DatasetConfig, TrainingConfig
from schemas.light_curve import IntArray, LightCurves
from schemas.taxonomy import CLASSES

TRAIN, CALIBRATE, TEST = range(len(SPLITS))

Kind = TypeVar("Kind", LabelledCurves, LabelledSpectra, LabelledAlerts)


@dataclass(frozen=True, slots=True)
class Input:
    """One named input, with the side of each of its rows."""

    name: str
    rows: Labelled
    side: IntArray
    """(n,) index into `classifiers.data.SPLITS`."""
    weight: float
    train_only: bool

    def on(self, *sides: int) -> Labelled:
        """Its rows on some sides of the split; of one that only trains, those on the training side."""
        chosen = [side for side in sides if side == TRAIN or not self.train_only]
        return self.rows.take(np.flatnonzero(np.isin(self.side, chosen)))


@dataclass(frozen=True, slots=True)
class Data:
    """All inputs of a configuration, by name."""

    inputs: dict[str, Input]

    def of(self, kind: type[Kind], names: list[str], *sides: int) -> list[Kind]:
        """The rows of some inputs on some sides, one noun for each input; ConfigError where one is of another kind.

        Optional inputs that are absent are passed over. Alerts may stand for the light curves that they carry.
        """
        found: list[Kind] = []
        for name in self._here(names):
            each = self.inputs[name]
            rows: Labelled = each.on(*sides)
            if kind is LabelledCurves and isinstance(rows, LabelledAlerts):
                rows = LabelledCurves(object_ids(rows), rows.label, rows.fine, rows.curves)
            if not isinstance(rows, kind):
                raise ConfigError(f"data.{name} holds {type(each.rows).__name__}, where {kind.__name__} are wanted")
            found.append(rows)
        return found

    def all_of(self, kind: type[Kind], *sides: int) -> list[Kind]:
        """The rows of every input of a kind that does more than train."""
        names = [name for name, each in self.inputs.items() if isinstance(each.rows, kind) and not each.train_only]
        return self.of(kind, names, *sides)

    def weights(self, names: list[str]) -> list[float]:
        """How often a row of each input is drawn."""
        return [self.inputs[name].weight for name in self._here(names)]

    def _here(self, names: list[str]) -> list[str]:
        return [name for name in names if name in self.inputs]

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Rows of each class on each side, by input that has classes; of one that only trains, those on that side."""
        return {
            name: {
                side: {label: int(np.sum(each.on(k).label == c)) for c, label in enumerate(CLASSES)}
                for k, side in enumerate(SPLITS)
            }
            for name, each in self.inputs.items()
            if (each.rows.label >= 0).any()
        }


def object_ids(rows: Labelled) -> list[str]:
    """The object of each row."""
    return list(rows.alerts.object_id) if isinstance(rows, LabelledAlerts) else rows.object_id


def joined_curves(parts: list[LabelledCurves]) -> LabelledCurves:
    """Curves of several inputs of one survey, one after another; ConfigError where the surveys differ."""
    surveys = sorted({part.curves.survey for part in parts})
    if len(surveys) > 1:
        raise ConfigError(f"curves of {' and '.join(surveys)} cannot stand together here; name inputs of one survey")
    lengths = np.concatenate([np.empty(0, np.int64), *(np.diff(part.curves.offsets) for part in parts)])
    curves = LightCurves(
        surveys[0] if surveys else "ztf",
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        *(
            np.concatenate([np.empty(0, dtype), *(getattr(part.curves, name) for part in parts)])
            for name, dtype in CURVE_COLUMNS.items()
        ),
    )
    names = [name for part in parts for name in part.object_id]
    return LabelledCurves(names, _together([p.label for p in parts]), _together([p.fine for p in parts]), curves)


def joined_spectra(parts: list[LabelledSpectra]) -> LabelledSpectra:
    """Spectra of several inputs, one after another."""
    return LabelledSpectra(
        [name for part in parts for name in part.object_id],
        _together([part.label for part in parts]),
        _together([part.fine for part in parts]),
        [spectrum for part in parts for spectrum in part.spectra],
    )


def joined_alerts(parts: list[LabelledAlerts]) -> LabelledAlerts:
    """The alerts of the one input that holds any; none where there is no input of alerts."""
    held = [part for part in parts if len(part)]
    if len(held) > 1:
        raise ConfigError("several inputs hold alerts, and calibration takes one: mark the others train_only")
    return held[0] if held else no_alerts()


def _together(columns: list[IntArray]) -> IntArray:
    return np.concatenate([np.empty(0, np.int64), *columns])


CURVE_COLUMNS: dict[str, Any] = {
    "mjd_tai": np.float64,
    "flux_njy": np.float32,
    "flux_err_njy": np.float32,
    "band": np.uint8,
    "kind": np.uint8,
}
"""Columns of `schemas.light_curve.LightCurves`, in order."""


def read_data(config: TrainingConfig, folder: Path) -> Data:
    """Every input that the configuration names and something uses; ConfigError where one cannot be read."""
    used = {name for modality in config.names_on() for name in _used_by(config, modality)} | {*config.trees.data}
    return Data(
        {
            name: _read(name, each, folder)
            for name, each in config.data.items()
            if name in used and not absent(each, folder)
        }
    )


def absent(config: DatasetConfig, folder: Path) -> bool:
    """Whether an optional input's folder is not there."""
    return config.optional and not (config.folder or folder).is_dir()


def _used_by(config: TrainingConfig, modality: str) -> list[str]:
    each = config.modality(modality)
    return [*each.data, *(each.pretraining.data if each.pretraining else [])]


def _read(name: str, config: DatasetConfig, folder: Path) -> Input:
    try:
        rows = labelled(config.reader(config.folder or folder))
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"data.{name}: {config.reader.path} could not read {config.folder or folder}: {error}") from (
            error
        )
    return Input(name, rows, split_of(object_ids(rows)), config.weight, config.train_only)
