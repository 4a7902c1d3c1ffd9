"""Figures of answers beside the truth, as plain values: one cell for each cut, set of modalities and population."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.evaluation.answers import Answers, subset_name
from classifiers.evaluation.folder import UNLABELLED, BoolArray, Holdings
from classifiers.metrics import (
    FEWEST,
    Measure,
    confusion,
    measures,
    object_weights,
    reliability,
    rounded,
)
from schemas.light_curve import FloatArray, IntArray
from schemas.taxonomy import CLASS_INDEX, CLASSES, MODALITIES

FIVE_CLASSES: tuple[str, ...] = ("SN I", "SN II", "CV", "AGN", "TDE")
"""The published task, in the order of `CLASSES`: true SLSN and other are left out, these five scores sum to 1."""

HEADLINES: tuple[str, ...] = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auprc", "ece")
"""Figures of a whole cell."""

CLASS_FIGURES: tuple[str, ...] = ("precision", "recall", "f1", "auprc")
"""Figures of one class of a cell."""

MACRO_FIGURES: dict[str, str] = {"balanced_accuracy": "recall", "macro_f1": "f1", "macro_auprc": "auprc"}
"""Headlines that are means over the classes, and what of each class."""

OF_SPECTRA = frozenset({"SEDM_ML_sample", "CCSNscore"})
"""Label lists made of the very spectra."""

OF_SURVEY = frozenset({"applecider_cider_BTS", "BTS_csv", "superphot_plus", "superphot_plus_tests", "TNS_xmatch_fink"})
"""Label lists of the programmes that took the spectra, or that hold their classes among others'."""

Cell = dict[str, Any]


def cell(
    label: IntArray, scores: npt.NDArray[np.floating], names: Sequence[str], sets: BoolArray | None = None
) -> Cell:
    """Figures of n labelled rows under seven classes and under five, with 90 % intervals by object (`names`).

    A figure is [value, low, high], or None where it would rest on fewer than `FEWEST` objects.
    """
    rows, five_label, five = narrowed(label, scores, FIVE_CLASSES)
    told = {
        "seven": of_classes(label, scores, names, CLASSES),
        "five": of_classes(five_label, five, [names[i] for i in rows.tolist()], FIVE_CLASSES),
    }
    return told | _of_sets(label, sets, names)


def narrowed(
    label: IntArray, scores: npt.NDArray[np.floating], classes: tuple[str, ...]
) -> tuple[IntArray, IntArray, FloatArray]:
    """The rows of some of the classes, their labels counted through these, and their scores scaled to sum to 1."""
    place = np.array([CLASS_INDEX[name] for name in classes])
    rows = np.flatnonzero(np.isin(label, place))
    kept = scores[rows][:, place].astype(np.float64)
    return rows, np.searchsorted(place, label[rows]), kept / np.maximum(kept.sum(1, keepdims=True), 1e-30)


def object_cells(holdings: Holdings, answers: Sequence[Answers]) -> Iterator[Cell]:
    """Cells of answers about objects at one cut: for each set of modalities, each population, gains of each part."""
    by_set = {each.modalities: each for each in answers}
    for subset, each in by_set.items():
        for population, rows in populations(holdings, each):
            if len(rows):
                yield _described(holdings, each, rows, population) | (
                    {"gains": _gains(holdings, by_set, subset)} if population == "labelled" and len(subset) > 1 else {}
                )


def part_cells(holdings: Holdings, answers: Sequence[Answers], certain: BoolArray | None = None) -> Iterator[Cell]:
    """Cells of answers about single alerts or spectra; of the spectra only those whose own type is certain."""
    for each in answers:
        good = _labelled(holdings, each)
        kept = good if certain is None else good & certain[each.part]
        populated = [("labelled", np.flatnonzero(kept)), *_of_lists(holdings, each, kept)]
        if certain is not None:
            populated.append(("type in doubt or unlike the object's", np.flatnonzero(good & ~certain[each.part])))
        for population, rows in populated:
            if len(rows):
                yield _described(holdings, each, rows, population)


def populations(holdings: Holdings, answers: Answers) -> list[tuple[str, IntArray]]:
    """Rows of each population that is told apart: `labelled` is all real objects with a class."""
    label = holdings.label[answers.owner]
    simulated = np.array([holdings.objects[i].simulated for i in answers.owner.tolist()], np.bool_)
    good = _labelled(holdings, answers)
    told = [("labelled", good), ("simulated", (label != UNLABELLED) & simulated)]
    if answers.cut.n_detections and not answers.reached[good].all():
        told.append(("labelled, reached", good & answers.reached))
    if set(answers.modalities) == {0}:
        quality = [holdings.objects[i].label_quality for i in answers.owner.tolist()]
        told += [
            (f"{name} label", good & np.array([each == name for each in quality], np.bool_))
            for name in sorted({each for each in quality if each})
        ]
    rows = [(name, np.flatnonzero(chosen)) for name, chosen in told]
    return rows + (_of_lists(holdings, answers, good) if set(answers.modalities) == {3} else [])


def _labelled(holdings: Holdings, answers: Answers) -> BoolArray:
    label = holdings.label[answers.owner]
    real = np.array([not holdings.objects[i].simulated for i in answers.owner.tolist()], np.bool_)
    labelled: BoolArray = (label != UNLABELLED) & real
    return labelled


def _of_lists(holdings: Holdings, answers: Answers, good: BoolArray) -> list[tuple[str, IntArray]]:
    """Rows with a spectrum by who gave the object's label; none where no list is named."""
    if 3 not in answers.modalities:
        return []
    lists = [holdings.objects[i].label_source for i in answers.owner.tolist()]
    named = np.array([bool(each) for each in lists], np.bool_)
    own = np.array([each <= OF_SPECTRA for each in lists], np.bool_)
    apart = np.array([bool(each - OF_SPECTRA - OF_SURVEY) for each in lists], np.bool_)
    groups = {
        "label from these spectra": named & own,
        "label from survey lists": named & ~own & ~apart,
        "label independent of them": named & apart,
    }
    return [(name, np.flatnonzero(good & chosen)) for name, chosen in groups.items()]


def _described(holdings: Holdings, answers: Answers, rows: IntArray, population: str) -> Cell:
    owner = answers.owner[rows]
    names = [holdings.objects[i].object_id for i in owner.tolist()]
    return {
        "cut": answers.cut.name,
        "modalities": answers.name,
        "population": population,
        **cell(holdings.label[owner], answers.scores[rows], names, answers.sets[rows]),
    }


def _gains(holdings: Holdings, by_set: dict[tuple[int, ...], Answers], subset: tuple[int, ...]) -> Cell:
    """What each part of a set adds to the rest of it, on the objects that have the whole set."""
    whole = by_set[subset]
    good = np.flatnonzero(_labelled(holdings, whole))
    told: Cell = {}
    for part in subset:
        rest = by_set.get(tuple(m for m in subset if m != part))
        if rest is None:
            continue
        place = {owner: i for i, owner in enumerate(rest.owner.tolist())}
        rows = np.array([i for i in good.tolist() if whole.owner[i] in place], np.int64)
        others = np.array([place[owner] for owner in whole.owner[rows].tolist()], np.int64)
        names = [holdings.objects[i].object_id for i in whole.owner[rows].tolist()]
        label = holdings.label[whole.owner[rows]]
        told[MODALITIES[part]] = {
            "over": subset_name(rest.modalities),
            **gain(label, whole.scores[rows], rest.scores[others], names),
        }
    return told


def gain(
    label: IntArray,
    ours: npt.NDArray[np.floating],
    theirs: npt.NDArray[np.floating],
    names: Sequence[str],
    classes: int = len(CLASSES),
) -> Cell:
    """Paired gain of one set of scores over another's on the same rows: [value, low, high], None below `FEWEST`."""
    figures = ("macro_auprc", "balanced_accuracy")
    if len(set(names)) < FEWEST:
        return {"n_objects": len(set(names)), **dict.fromkeys(figures)}
    weights = object_weights(names)
    one, other = measures(label, ours, weights, classes), measures(label, theirs, weights, classes)
    return {"n_objects": len(set(names)), **{name: (one[name] - other[name]).said() for name in figures}}


def of_classes(
    label: IntArray, scores: npt.NDArray[np.floating], names: Sequence[str], classes: tuple[str, ...]
) -> Cell:
    """Figures of n rows whose `label` and whose columns of `scores` count through `classes`."""
    objects = [
        len({name for name, k in zip(names, label.tolist(), strict=True) if k == c}) for c in range(len(classes))
    ]
    told: Cell = {
        "n": len(label),
        "n_objects": len(set(names)),
        "classes": {classes[c]: {"n": int(np.sum(label == c)), "n_objects": n} for c, n in enumerate(objects) if n},
        "few": [classes[c] for c, n in enumerate(objects) if 0 < n < FEWEST],
        **dict.fromkeys(HEADLINES),
    }
    if told["n_objects"] < FEWEST:
        return told
    found = measures(label, scores, object_weights(names), len(classes))
    told |= {name: found[name].said() for name in HEADLINES}
    for c, n in enumerate(objects):
        if n:
            figures = {name: found[f"{name}.{c}"].said() if n >= FEWEST else None for name in CLASS_FIGURES}
            told["classes"][classes[c]] |= figures
    known = [c for c, n in enumerate(objects) if n >= FEWEST]
    if told["few"] and len(known) > 1:
        told["without_few"] = {name: _mean_of(found, part, known) for name, part in MACRO_FIGURES.items()}
    predicted, confidence = scores.argmax(1), scores.max(1)
    bins = reliability(confidence, predicted == label)
    told["confusion"] = confusion(label, predicted, len(classes)).tolist()
    told["reliability"] = [
        {"n": int(n), "confidence": _or_none(said), "right": _or_none(right)}
        for n, said, right in zip(bins.n, bins.confidence, bins.right, strict=True)
    ]
    return told


def _mean_of(found: dict[str, Measure], part: str, classes: Sequence[int]) -> list[float] | None:
    """The mean of a figure over some of the classes; a resampling that misses one counts with the others."""
    drawn = np.stack([found[f"{part}.{c}"].drawn for c in classes])
    known = np.isfinite(drawn)
    means = np.where(known, drawn, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return Measure(float(np.mean([found[f"{part}.{c}"].value for c in classes])), means).said()


def _of_sets(label: IntArray, sets: BoolArray | None, names: Sequence[str]) -> Cell:
    """Coverage and mean size of the prediction sets, over the rows that have one."""
    told = {"n_with_set": 0, "coverage": None, "set_size": None}
    if sets is None:
        return told
    rows = np.flatnonzero(sets.any(1))
    kept = [names[i] for i in rows.tolist()]
    told["n_with_set"] = len(rows)
    if len(set(kept)) < FEWEST:
        return told
    weights = object_weights(kept)
    held = sets[rows, label[rows]].astype(np.float64)
    return told | {"coverage": _mean(held, weights), "set_size": _mean(sets[rows].sum(1).astype(np.float64), weights)}


def _mean(values: FloatArray, weights: npt.NDArray[np.floating]) -> list[float] | None:
    means = (weights @ values) / np.maximum(weights.sum(1), 1e-300)
    return Measure(float(means[0]), means[1:]).said()


def _or_none(value: float) -> float | None:
    return rounded(value) if np.isfinite(value) else None
