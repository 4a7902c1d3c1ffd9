"""Tries configurations of one modality with Optuna, in a study that can be continued. Needs the `train` extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console
from rich.table import Table

from classifiers.data import LabelledCurves, cut_short
from classifiers.metrics import average_precision
from classifiers.temperature import softmax
from classifiers.training.config import ConfigError, Range, TrackingConfig, TrainingConfig, TuningConfig, config_from
from classifiers.training.encoders import encode, encode_curves, fit_encoder, pretrain
from classifiers.training.examples import examples_of
from classifiers.training.provider import CALIBRATE, Data, joined_curves, read_data
from classifiers.training.run import Run
from classifiers.training.tracking import Tracker
from schemas.light_curve import FloatArray, IntArray
from schemas.taxonomy import CLASSES

BEST = "best.yaml"
"""The configuration of the best trial, in the study's folder; for `--config`."""

COPIES = 4
"""Random truncations of each calibration curve by which a trial is judged."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study has found."""

    study: optuna.Study
    best: Path
    """The configuration file of the best trial."""


def tune(config: TrainingConfig, folder: Path, out: Path, trials: int, console: Console) -> Tuned:
    """Fits the tuned modality's encoder `trials` times in all, those of earlier starts counted; the best is written.

    Each trial is judged by the macro-AUPRC of its encoder's logits on the calibration side; the test side is not read.
    """
    told = _tuning(config)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(out / "study.log")))
    study = optuna.create_study(storage=storage, study_name=told.modality, direction="maximize", load_if_exists=True)
    done = len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + done)
    data = read_data(config, folder)

    def objective(trial: optuna.Trial) -> float:
        tried = changed(config, {key: _suggested(trial, key, space) for key, space in told.space.items()})
        silent = TrackingConfig(tensorboard=None, mlflow=None)
        run = Run(tried, out / "trials" / str(trial.number), Tracker(silent, out, told.modality, console))
        console.print(f"[bold]trial {trial.number}[/bold]: {_said(trial.params)}", highlight=False)
        encoder = pretrain(run, data, told.modality)
        fit_encoder(run, data, told.modality, encoder)
        return macro_auprc(*judged(run, data, told.modality, encoder))

    study.optimize(objective, n_trials=max(trials - done, 0))
    best = out / BEST
    best.write_text(
        yaml.safe_dump(changed(config, study.best_params).model_dump(mode="json"), sort_keys=False), encoding="utf-8"
    )
    return Tuned(study, best)


def judged(run: Run, data: Data, modality: str, encoder: Any) -> tuple[IntArray, FloatArray]:
    """Labels of the calibration side and the encoder's class scores of them."""
    config = run.config.modality(modality)
    if modality != "light_curve":
        known = examples_of(modality, config, data, CALIBRATE)
        return known.label, softmax(encode(run, encoder, known.arrays)[1])
    side = joined_curves(data.of(LabelledCurves, config.data, CALIBRATE))
    rng = run.rng("judged")
    cut = [cut_short(side.curves, max(config.lengths), rng) for _ in range(COPIES)]
    logits = np.concatenate([encode_curves(run, encoder, curves)[1] for curves in cut])
    return np.tile(side.label, COPIES), softmax(logits)


def macro_auprc(label: IntArray, scores: FloatArray) -> float:
    """Mean area under the precision-recall curve of the classes that are there; ConfigError where none is."""
    there = [c for c in range(len(CLASSES)) if np.any(label == c)]
    if not there:
        raise ConfigError("no labelled object on the calibration side: nothing to judge a trial by")
    return float(np.mean([average_precision(label == c, scores[:, c]) for c in there]))


def changed(config: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """The configuration with other values at some keys, such as `modalities.light_curve.fit.rate`."""
    told = config.model_dump(mode="json")
    for key, value in values.items():
        *path, last = key.split(".")
        place: Any = told
        for step in path:
            place = place.get(step) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise ConfigError(f"tuning.space: no key {key} in the configuration")
        place[last] = value
    return config_from(told, "tuning.space")


def table(study: optuna.Study) -> Table:
    """The trials, best first."""
    finished = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    names = sorted({name for trial in finished for name in trial.params})
    found = Table("trial", "macro-AUPRC", *names)
    for trial in sorted(finished, key=lambda each: -float(each.value or 0.0)):
        cells = (_number(trial.params[name]) if name in trial.params else "" for name in names)
        found.add_row(str(trial.number), f"{trial.value:.4f}", *cells)
    return found


def _tuning(config: TrainingConfig) -> TuningConfig:
    if config.tuning is None or not config.tuning.space:
        raise ConfigError("tuning: the configuration says neither which modality to tune nor which keys")
    if not config.modality(config.tuning.modality).enabled:
        raise ConfigError(f"tuning.modality: {config.tuning.modality} is not enabled")
    return config.tuning


def _suggested(trial: optuna.Trial, key: str, space: Range) -> Any:
    if space.choices is not None:
        return trial.suggest_categorical(key, space.choices)
    low, high = float(space.low or 0.0), float(space.high or 0.0)
    if space.whole:
        return trial.suggest_int(key, int(low), int(high), log=space.log)
    return trial.suggest_float(key, low, high, log=space.log)


def _said(values: Mapping[str, Any]) -> str:
    return ", ".join(_parts(values))


def _parts(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key.rpartition('.')[2]} {_number(value)}" for key, value in values.items())


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
