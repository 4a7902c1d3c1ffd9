"""Fits what stands between fused logits and a score, on the calibrate side of labelled objects; NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.data import (
    SPLITS,
    LabelledAlerts,
    LabelledCurves,
    LabelledSpectra,
    cut_short,
    read_light_curves,
    read_spectra,
    read_ztf_alerts,
    split_of,
)
from classifiers.features import pool_nights
from classifiers.novelty import Novelty, fit_novelty, left_out_auc
from classifiers.prior import log_prior, prior_shares
from classifiers.serving import EVIDENCE_GROUPS, BundleClassifier, Encoded, evidence_group
from classifiers.temperature import TERMS, BoolArray, class_scores, softmax, temperature_terms
from schemas.light_curve import Float32Array, FloatArray, IntArray
from schemas.taxonomy import CLASSES

__all__ = ["COVERAGE", "Objects", "calibrate", "calibrate_on", "conformal_threshold", "fit_temperature", "softmax"]

COVERAGE = 0.9
"""Share of objects whose true class the prediction set is to hold."""

COPIES = 8
"""Truncations of each calibration curve that the temperature rests on."""

LONGEST = 256
"""Most detections of a truncation."""

FOLDS = 5
"""Parts of the objects for the choice of the temperature's terms."""

FEWEST_OBJECTS = 30
"""Objects below which an evidence group is not calibrated: its threshold would be a guess."""

PULL = 1e-3
"""Weak pull of every term to 0, so that one that the objects say nothing of stays there."""

DOMAINS: dict[str, str] = dict.fromkeys(EVIDENCE_GROUPS, "labelled objects of the calibration side")
"""Population on which each evidence group was calibrated, where the configuration says no more."""


@dataclass(frozen=True, slots=True)
class Objects:
    """Labelled data to calibrate on; the split by object takes its calibrate side, and its train side for novelty."""

    curves: LabelledCurves
    spectra: LabelledSpectra
    alerts: LabelledAlerts


@dataclass(frozen=True, slots=True)
class Sightings:
    """n times that an object was seen, as the encoders saw it."""

    encoded: Encoded
    label: IntArray
    """(n,) index into `CLASSES`."""
    owner: IntArray
    """(n,) number of the object."""
    kind: IntArray
    """(n,) what was seen of it: each object of a kind has one weight, however often it was seen so."""
    copy: IntArray
    """(n,) 0 for the one sighting of a curve that sets and novelty rest on."""


def calibrate(
    classifier: BundleClassifier, folder: Path, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, Novelty]]:
    """`calibrate_on` the labelled ZTF objects of a data folder."""
    objects = Objects(read_light_curves(folder), read_spectra(folder), read_ztf_alerts(folder))
    return calibrate_on(classifier, objects, rng)


def calibrate_on(
    classifier: BundleClassifier,
    objects: Objects,
    rng: np.random.Generator,
    surveys: Sequence[str] = ("ztf",),
    copies: int = COPIES,
    domains: Mapping[str, str] = DOMAINS,
) -> tuple[dict[str, Any], dict[str, Novelty]]:
    """The card's `calibration`, and the novelty of each evidence group, through the code that serves.

    All of it under the card's prior: an object weighs as much as makes its class as common as the prior says.
    `surveys`: those of the objects; no other may call itself calibrated. `domains`: what the objects of each evidence
    group are, in words.
    """
    trained, known = (
        sightings(classifier, objects, side, rng, count) for side, count in (("train", 1), ("calibrate", copies))
    )
    shares = prior_shares(classifier.card["prior"])
    prior = log_prior(shares)
    fused = classifier.fuse(known.encoded, np.arange(len(known.label)))
    terms = temperature_terms(known.encoded.n_detections, known.encoded.present)
    weight = object_weights(known, shares)
    chosen, losses = choose_terms(fused.logits + prior, known, weight, terms, rng)
    theta = fit_temperature(fused.logits + prior, known.label, weight, terms * chosen)
    scores = class_scores(fused.logits, np.exp(terms @ theta), prior)
    named = ", ".join(name for name, kept in zip(TERMS, chosen, strict=True) if kept)
    method = f"temperature ({named}) by log loss over objects; sets: marginal split conformal, {COVERAGE:.0%}"
    embedding = classifier.fuse(trained.encoded, np.arange(len(trained.label))).embedding
    card: dict[str, Any] = {
        "surveys": list(surveys),
        "coverage": COVERAGE,
        "temperature": {name: round(float(value), 6) for name, value in zip(TERMS, theta, strict=True) if value},
        "log_loss": losses,
        "novelty_auc_of_a_class_left_out": {},
    }
    novelty: dict[str, Novelty] = {}
    for group, name in enumerate(EVIDENCE_GROUPS):
        rows = _one_each(known, np.flatnonzero(evidence_group(known.encoded.present) == group), rng)
        learnt = np.flatnonzero(evidence_group(trained.encoded.present) == group)
        if len(rows) < FEWEST_OBJECTS or not len(learnt):
            card[name], novelty[name] = None, Novelty.unknown()
            continue
        threshold = conformal_threshold(scores[rows], known.label[rows], class_ratio(known.label[rows], shares))
        part = {"threshold": round(threshold, 6), "objects": len(rows), "domain": domains[name], "method": method}
        card[name] = part
        density = embedding[learnt], trained.label[learnt]
        novelty[name] = fit_novelty(*density, fused.embedding[rows])
        auc = left_out_auc(*density, fused.embedding[rows], known.label[rows])
        card["novelty_auc_of_a_class_left_out"][name] = {CLASSES[c]: round(value, 3) for c, value in auc.items()}
    return card, novelty


def sightings(
    classifier: BundleClassifier, objects: Objects, side: str, rng: np.random.Generator, copies: int
) -> Sightings:
    """The objects of one side as the encoders see them, each kind that a stream may bring.

    Curves cut short at random, `copies` times; alerts at their own time with all that they carry; spectra alone, and
    beside their object's curve, cut short too. What the bundle leaves out of an alert is not seen.
    """
    curves, spectra, alerts = objects.curves, objects.spectra, objects.alerts
    wanted = SPLITS.index(side)
    curves = curves.take(np.flatnonzero(split_of(curves.object_id) == wanted))
    spectra = spectra.take(np.flatnonzero(split_of(spectra.object_id) == wanted))
    alerts = alerts.take(np.flatnonzero(split_of(alerts.alerts.object_id) == wanted))
    place = {name: i for i, name in enumerate(curves.object_id)}
    paired = np.array([i for i, name in enumerate(spectra.object_id) if name in place], np.int64)
    partner = np.array([place[spectra.object_id[i]] for i in paired], np.int64)

    def seen(which: IntArray | None, spectrum: IntArray | None) -> Encoded:
        rows = which if which is not None else spectrum
        encoded = classifier.blank(0 if rows is None else len(rows))
        if which is not None:
            classifier.add_light_curves(encoded, pool_nights(cut_short(curves.curves.take(which), LONGEST, rng)))
        if spectrum is not None:
            classifier.add_spectra(encoded, np.arange(len(spectrum)), [spectra.spectra[i] for i in spectrum])
        return encoded

    every = np.arange(len(curves.label))
    parts = [(seen(every, None), curves.label, curves.object_id, 0, copy) for copy in range(copies)]
    parts.append((classifier.encode(alerts.evidence()), alerts.label, alerts.alerts.object_id, 1, 0))
    parts.append((seen(None, np.arange(len(spectra.label))), spectra.label, spectra.object_id, 2, 0))
    names = [spectra.object_id[i] for i in paired]
    parts.append((seen(partner, paired), spectra.label[paired], names, 3, 0))
    owner = np.unique([name for part in parts for name in part[2]], return_inverse=True)[1].astype(np.int64)
    found = Sightings(
        Encoded.joined([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        owner,
        np.concatenate([np.full(len(part[1]), part[3]) for part in parts]),
        np.concatenate([np.full(len(part[1]), part[4]) for part in parts]),
    )
    return _usable(found)


def object_weights(seen: Sightings, shares: FloatArray) -> FloatArray:
    """Weight of each sighting: in each kind one for each object, times what makes its class as common as `shares`."""
    weight = np.zeros(len(seen.label))
    for kind in np.unique(seen.kind):
        rows = np.flatnonzero(seen.kind == kind)
        _, first, place, count = np.unique(seen.owner[rows], return_index=True, return_inverse=True, return_counts=True)
        weight[rows] = (class_ratio(seen.label[rows][first], shares) / count)[place]
    return weight


def class_ratio(label: IntArray, shares: FloatArray) -> FloatArray:
    """Weight of each object, (n,), mean 1, under which the classes that are there are as common as `shares` says."""
    found = np.bincount(label, minlength=len(CLASSES)) / max(len(label), 1)
    ratio = np.divide(shares, found, out=np.zeros(len(CLASSES)), where=found > 0)[label]
    return ratio / ratio.mean() if ratio.any() else np.ones(len(label))


def choose_terms(
    logits: npt.NDArray[np.floating],
    seen: Sightings,
    weight: FloatArray,
    terms: FloatArray,
    rng: np.random.Generator,
) -> tuple[BoolArray, dict[str, float]]:
    """Which of `TERMS` the temperature has, and the log loss on objects left out of each step.

    The level always; then, one by one, the term that helps most, as long as it helps the objects left out of `FOLDS`
    fits by more than the standard error of the gain over objects.
    """
    fold = (rng.permutation(int(seen.owner.max()) + 1) % FOLDS)[seen.owner]

    def left_out(chosen: BoolArray) -> FloatArray:
        """Weighted log loss of each object, by a temperature fitted without it."""
        loss = np.zeros(len(fold))
        for part in range(FOLDS):
            fit, rest = fold != part, fold == part
            theta = fit_temperature(logits[fit], seen.label[fit], weight[fit], terms[fit] * chosen)
            loss[rest] = log_losses(logits[rest], seen.label[rest], terms[rest] @ theta)
        total: FloatArray = np.bincount(seen.owner, loss * weight) / weight.sum()
        return total

    chosen = np.arange(len(TERMS)) == 0
    best = left_out(chosen)
    said = {TERMS[0]: round(float(best.sum()), 5)}
    while not chosen.all():
        tried = {k: left_out(chosen | (np.arange(len(TERMS)) == k)) for k in np.flatnonzero(~chosen).tolist()}
        k = min(tried, key=lambda term: float(tried[term].sum()))
        gain = best - tried[k]
        if not gain.sum() > np.sqrt(len(gain)) * gain.std():
            break
        chosen, best = chosen | (np.arange(len(TERMS)) == k), tried[k]
        said["+ " + TERMS[k]] = round(float(best.sum()), 5)
    return chosen, said


def fit_temperature(
    logits: npt.NDArray[np.floating], label: IntArray, weight: FloatArray, terms: FloatArray
) -> FloatArray:
    """Weights of the `terms`, (n, k), in ln temperature that minimise the weighted log loss: Newton's method.

    With s = 1 / temperature, the loss has the slope E[logit] - own logit and the curvature Var[logit] in s.
    """
    theta = np.zeros(terms.shape[1])
    rows, share = np.arange(len(label)), weight / weight.sum()
    wide = logits.astype(np.float64)

    def loss(at: FloatArray) -> float:
        return float(share @ log_losses(wide, label, terms @ at) + PULL * at @ at)

    now = loss(theta)
    for _ in range(50):
        sharp = np.exp(-(terms @ theta))
        chance = softmax(wide * sharp[:, None])
        mean = (chance * wide).sum(1)
        slope = share * sharp * (wide[rows, label] - mean)
        bend = share * sharp**2 * ((chance * wide**2).sum(1) - mean**2)
        gradient = terms.T @ slope + 2.0 * PULL * theta
        step = np.linalg.solve((terms * bend[:, None]).T @ terms + 2.0 * PULL * np.eye(len(theta)), gradient)
        while (then := loss(theta - step)) > now and np.abs(step).max() > 1e-9:
            step = step / 2.0
        if then >= now:
            break
        done, theta, now = now - then < 1e-10, theta - step, then
        if done:
            break
    return theta


def log_losses(logits: npt.NDArray[np.floating], label: IntArray, log_temperature: FloatArray) -> FloatArray:
    """Minus the logarithm of each row's score of its true class, (n,)."""
    scores = softmax(logits / np.exp(log_temperature)[:, None])
    loss: FloatArray = -np.log(np.maximum(scores[np.arange(len(label)), label], 1e-12))
    return loss


def conformal_threshold(scores: Float32Array, label: IntArray, weight: FloatArray) -> float:
    """Smallest score of the true class that `COVERAGE` of the calibration objects reach (split conformal).

    The objects count by `weight`, (n,), and one more of mean weight stands for the object to come (Tibshirani et al.
    2019, "Conformal prediction under covariate shift", eq. 7, with weights by class).
    """
    own = scores[np.arange(len(label)), label]
    order = np.argsort(own, kind="stable")
    reached = np.cumsum(weight[order])
    place = int(np.searchsorted(reached, (reached[-1] + weight.mean()) * (1.0 - COVERAGE) * (1 + 1e-12), "right")) - 1
    return float(own[order][place]) if place >= 0 else 0.0


def _usable(seen: Sightings) -> Sightings:
    """Without the sightings in which no encoder saw anything."""
    rows = np.flatnonzero(seen.encoded.present.any(1))
    return Sightings(seen.encoded.take(rows), seen.label[rows], seen.owner[rows], seen.kind[rows], seen.copy[rows])


def _one_each(seen: Sightings, rows: IntArray, rng: np.random.Generator) -> IntArray:
    """Of `rows`, one sighting of each object, at random among those of copy 0."""
    shuffled = rng.permutation(rows[seen.copy[rows] == 0])
    return shuffled[np.unique(seen.owner[shuffled], return_index=True)[1]]
