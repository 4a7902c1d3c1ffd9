"""What each modality adds to a light curve, on the same alerts: figures of out-of-fold scores. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.metrics import FEWEST, Measure, measures, object_weights
from schemas.light_curve import Float32Array, IntArray
from schemas.taxonomy import CLASS_COLUMNS, CLASSES

FIGURES: dict[str, str] = {"macro_auprc": "auprc", "balanced_accuracy": "recall"}
"""Headline figures, each the mean of a figure of the classes."""

PREDICTIONS = "modality_predictions.parquet"
"""Rows of out-of-fold scores, one for each alert and set of modalities."""


def gain_tables(object_id: Sequence[str], label: IntArray, scores: Mapping[str, Float32Array]) -> dict[str, Any]:
    """Figures of each set of modalities over n alerts, and its paired gains over every set that it contains.

    `scores` by set (`light_curve+metadata`), (n, classes), NaN rows where the set is not in hand: all sets are judged
    on the alerts that have all. An object counts once, whatever its number of alerts. Macro figures are means over the
    classes with at least `FEWEST` objects; of the others the n alone is told. A gain is [value, low, high], and `shown`
    says whether its interval lies above 0.
    """
    whole = np.flatnonzero(np.isfinite(np.stack(list(scores.values()))).all((0, 2)))
    names, truth = [object_id[int(i)] for i in whole], label[whole]
    _, owner, alerts = np.unique(np.array(names), return_inverse=True, return_counts=True)
    weights = object_weights(names) / alerts[owner]
    objects = {c: len(set(owner[truth == c].tolist())) for c in np.unique(truth).tolist()}
    judged = [c for c, n in objects.items() if n >= FEWEST]
    found = {key: _headlines(measures(truth, each[whole], weights), judged) for key, each in scores.items()}
    return {
        "n_alerts": len(whole),
        "n_objects": len(alerts),
        "objects": {CLASSES[c]: n for c, n in objects.items()},
        "judged_on": [CLASSES[c] for c in judged],
        "sets": {
            key: {name: each.said() for name, each in told.items()}
            | {"gains": {less: _gains(told, found[less]) for less in found if _within(less, key)}}
            for key, told in found.items()
        },
    }


def gain_lines(tables: Mapping[str, Any]) -> list[str]:
    """The tables as text, a line for each set of modalities and one for each of its gains over the set without one."""
    counts = ", ".join(f"{name} {n}" for name, n in tables["objects"].items())
    lines = [f"{tables['n_alerts']} alerts of {tables['n_objects']} objects: {counts}"]
    lines += [f"macro figures over {', '.join(tables['judged_on'])}; [5 %, 95 %] by object", ""]
    for key, told in tables["sets"].items():
        lines.append(f"{key}: " + ", ".join(f"{name} {_said(told[name])}" for name in FIGURES))
        for less, gain in told["gains"].items():
            if less.count("+") == key.count("+") - 1:
                parts = (
                    f"{name} {_said(gain[name])} {'shown' if gain['shown'][name] else 'not shown'}" for name in FIGURES
                )
                lines.append(f"  over {less}: {', '.join(parts)}")
    return lines


def _said(figure: Sequence[float] | None) -> str:
    return "none" if figure is None else f"{figure[0]:.3f} [{figure[1]:.3f}, {figure[2]:.3f}]"


def _headlines(told: Mapping[str, Measure], judged: Sequence[int]) -> dict[str, Measure]:
    """Macro figures over the judged classes, and the area under each one's precision-recall curve."""
    heads = {}
    for name, part in FIGURES.items():
        parts = [told[f"{part}.{c}"] for c in judged]
        drawn = np.stack([each.drawn for each in parts])
        heads[name] = Measure(float(np.mean([each.value for each in parts])), np.nanmean(drawn, 0))
    return heads | {f"auprc {CLASSES[c]}": told[f"auprc.{c}"] for c in judged}


def _gains(more: Mapping[str, Measure], less: Mapping[str, Measure]) -> dict[str, Any]:
    gains = {name: (more[name] - less[name]).said() for name in FIGURES}
    return gains | {"shown": {name: said is not None and said[1] > 0.0 for name, said in gains.items()}}


def _within(less: str, more: str) -> bool:
    return less != more and set(less.split("+")) < set(more.split("+"))


def write_predictions(
    folder: Path,
    object_id: Sequence[str],
    alert_id: IntArray,
    label: IntArray,
    fold: IntArray,
    scores: Mapping[str, Float32Array],
) -> None:
    """One row for each alert and set of modalities in hand, as Parquet."""
    tables = []
    for key, each in scores.items():
        rows = np.flatnonzero(np.isfinite(each).all(1))
        columns = {
            "object_id": pa.array([object_id[int(i)] for i in rows], pa.string()),
            "alert_id": pa.array(alert_id[rows]),
            "label": pa.array([CLASSES[c] for c in label[rows]], pa.string()),
            "fold": pa.array(fold[rows]),
            "modalities": pa.array([key] * len(rows), pa.string()),
        }
        tables.append(pa.table(columns | {name: pa.array(each[rows, c]) for c, name in enumerate(CLASS_COLUMNS)}))
    pq.write_table(pa.concat_tables(tables), folder / PREDICTIONS)
