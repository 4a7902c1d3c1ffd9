"""Whether a modality helps, by five-fold cross-validation over the objects with alerts and a light curve. Needs torch.

The alerts' classes have too few objects for one side of the split, so every stage of training is refitted in each fold,
the light curve's encoder and trees too, by the same code as a bundle's; each alert is scored at its own time, from what
its own packet tells, by networks that have seen nothing of its object.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from classifiers.calibration import softmax
from classifiers.data import LabelledAlerts, LabelledCurves
from classifiers.data.labelled import fifth_of
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from classifiers.training.config import TrainingConfig
from classifiers.training.encoders import encode
from classifiers.training.examples import arrays_of
from classifiers.training.gains import gain_tables, write_predictions
from classifiers.training.joining import blend
from classifiers.training.provider import CALIBRATE, TEST, TRAIN, Data, object_ids
from classifiers.training.run import Run
from classifiers.training.tracking import Tracker
from classifiers.training.train import STAGES, Work, fit_quality
from schemas.light_curve import Float32Array, IntArray
from schemas.taxonomy import MODALITIES

FOLDS = 5
"""Folds; the fifths of the split by object."""

GAINS = "modality_gains.json"
"""The tables, in the folder of the results."""

ASKED: tuple[str, ...] = ("light_curve", "metadata", "cutouts")
"""Modalities whose every set is scored."""

FITTING = STAGES[: STAGES.index(fit_quality)]
"""Stages of a training run that fit something."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Scores of n alerts by networks that have not seen their objects."""

    object_id: list[str]
    alert_id: IntArray
    label: IntArray
    fold: IntArray
    scores: dict[str, Float32Array]
    """By set of modalities, (n, classes); NaN where an alert lacks one of them."""


def cross_validate(config: TrainingConfig, folder: Path, out: Path, console: Console) -> dict[str, Any]:
    """Scores every alert out of its fold; writes the scores and the gains of each modality to `out`."""
    parts = []
    for fold in range(FOLDS):
        place = out / f"fold-{fold}"
        run = Run(config, place, Tracker(config.tracking, place, config.bundle.name, console))
        console.print(f"fold {fold + 1} of {FOLDS}")
        parts.append(_scored(_fitted(run, folder, fold), fold))
    whole = _joined(parts)
    write_predictions(out, whole.object_id, whole.alert_id, whole.label, whole.fold, whole.scores)
    tables = gain_tables(whole.object_id, whole.label, whole.scores)
    (out / GAINS).write_text(json.dumps(tables, indent=1), encoding="utf-8")
    return tables


def _fitted(run: Run, folder: Path, fold: int) -> Work:
    """A run up to its fusion, with one fold held aside and the next one to choose shares and strengths by."""
    work = Work(run, folder, run.folder)
    for stage in FITTING:
        stage(work)
        if stage is FITTING[0]:
            work.data = folded(work.data, fold)
    return work


def folded(data: Data, fold: int) -> Data:
    """The data with one fifth of the objects as the test side and the next as the calibration side."""
    inputs = {}
    for name, each in data.inputs.items():
        fifth = fifth_of(object_ids(each.rows))
        side = np.where(fifth == fold, TEST, np.where(fifth == (fold + 1) % FOLDS, CALIBRATE, TRAIN))
        inputs[name] = replace(each, side=side)
    return Data(inputs)


def _scored(work: Work, fold: int) -> OutOfFold:
    """Scores of the fold's alerts whose object has a light curve too, for every set of the asked modalities."""
    run, data = work.run, work.data
    (alerts,) = data.of(LabelledAlerts, run.config.modality("metadata").data, TEST)
    curves = data.of(LabelledCurves, run.config.modality("light_curve").data, TEST)
    with_curve = {name for part in curves for name in part.object_id}
    alerts = alerts.take(np.flatnonzero([name in with_curve for name in alerts.alerts.object_id]))
    tokens = np.zeros((len(alerts), len(MODALITIES), TOKEN_WIDTH), np.float32)
    logits = np.zeros((len(alerts), len(MODALITIES), CLASS_COUNT), np.float32)
    present = np.zeros((len(alerts), len(MODALITIES)), np.float32)
    for name in work.encoders:
        if name in ASKED:
            place = MODALITIES.index(name)
            rows, said = _said(work, name, alerts)
            tokens[rows, place], logits[rows, place] = said
            present[rows, place] = 1.0
    scores = {}
    for chosen in _sets(work):
        wanted = np.isin(MODALITIES, chosen).astype(np.float32)
        with torch.no_grad():
            arrays = (run.tensor(array) for array in (tokens, logits, present * wanted))
            fused = work.fusion(*arrays)[0].cpu().numpy()
        whole = np.logical_and.reduce(present >= wanted, axis=1)
        scores["+".join(chosen)] = np.where(whole[:, None], softmax(fused), np.nan).astype(np.float32)
    n = np.full(len(alerts), fold)
    return OutOfFold(list(alerts.alerts.object_id), alerts.alerts.alert_id, alerts.label, n, scores)


def _said(work: Work, name: str, alerts: LabelledAlerts) -> tuple[IntArray, tuple[Float32Array, Float32Array]]:
    """The alerts that have a modality, and the tokens and logits that its encoder gives for them."""
    if name == "light_curve":
        rows = np.flatnonzero(np.diff(alerts.curves.offsets))
        return rows, blend(work.run, work.fitted, alerts.curves.take(rows))
    arrays, usable = arrays_of(name, alerts)
    rows = np.flatnonzero(usable)
    return rows, encode(work.run, work.encoders[name], tuple(array[rows] for array in arrays))


def _sets(work: Work) -> Iterator[tuple[str, ...]]:
    fitted = [name for name in ASKED if name in work.encoders]
    for size in range(1, len(fitted) + 1):
        yield from itertools.combinations(fitted, size)


def _joined(parts: list[OutOfFold]) -> OutOfFold:
    return OutOfFold(
        [name for part in parts for name in part.object_id],
        np.concatenate([part.alert_id for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.fold for part in parts]),
        {key: np.concatenate([part.scores[key] for part in parts]) for key in parts[0].scores},
    )
