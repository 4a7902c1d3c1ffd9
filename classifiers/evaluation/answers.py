"""A classifier asked about the objects of a folder, at several moments and with each set of modalities in hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.data import first_detections
from classifiers.evaluation.folder import BoolArray, Holdings
from classifiers.evaluation.moments import Cut, Moment, moment
from classifiers.features import cutout_images, metadata_features, pool_nights
from classifiers.serving import CUTOUTS, LIGHT_CURVE, METADATA, SPECTRUM, BundleClassifier, Encoded
from schemas.light_curve import Float32Array, FloatArray, IntArray
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import CLASSES, MODALITIES

SAME_TIME_DAYS = 0.001
"""An alert up to this much later than a detection is the alert of it [d]: a minute and a half.

Tables give the beginning or the middle of an exposure, in UTC or TAI.
"""

SPECTRUM_SAME_TIME_DAYS = 0.02
"""A spectrum up to this much later than a detection counts as in hand with it [d]: half an hour, as it is exposed."""

ROWS_AT_ONCE = 2048
"""Rows fused together."""

NONE = -1
"""Place of an alert or spectrum that is not there."""

Subset = tuple[int, ...]
"""Places in `schemas.taxonomy.MODALITIES`, ascending."""


@dataclass(frozen=True, slots=True)
class Answers:
    """k answers about objects at one cut with one set of modalities in hand."""

    cut: Cut
    modalities: Subset
    owner: IntArray
    """(k,) index of the object."""
    reached: BoolArray
    spectra: IntArray
    """(k,) how many spectra the answer rests on."""
    scores: Float32Array
    """(k, 7)"""
    sets: BoolArray
    """(k, 7) prediction sets; all False where the bundle gives none."""
    novelty: Float32Array
    embedding: Float32Array
    used: BoolArray
    """(k, 4) modalities that the bundle used of those in hand."""
    part: IntArray
    """(k,) index of the alert or spectrum that a row is of; NONE where the row is of the object."""

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def name(self) -> str:
        """Names of the modalities, joined with `+`."""
        return subset_name(self.modalities)

    def take(self, rows: npt.NDArray[np.integer]) -> Answers:
        """Some of the rows."""
        arrays = "owner reached spectra scores sets novelty embedding used part".split()
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})


def subset_name(modalities: Subset) -> str:
    """Names of modalities, joined with `+`, in the order of `MODALITIES`."""
    return "+".join(MODALITIES[m] for m in modalities)


def subsets_of(modalities: Sequence[int]) -> list[Subset]:
    """Every set of some of the modalities, small ones first."""
    return [each for size in range(1, len(modalities) + 1) for each in combinations(sorted(modalities), size)]


class Asked:
    """A classifier asked about a folder's objects: every alert and spectrum is encoded once."""

    def __init__(self, classifier: BundleClassifier, holdings: Holdings, with_redshift: bool = False) -> None:
        """Spectra go in without their redshift unless `with_redshift`: on a stream it is rarely known."""
        self.holdings = holdings
        self._classifier = classifier
        surveys = classifier.card["modalities"]
        self._may = np.array([holdings.survey in surveys[name]["surveys"] for name in MODALITIES])
        spectra = [each if with_redshift else replace(each, redshift=None) for each in holdings.spectra]
        self._spectra = classifier.blank(len(spectra))
        classifier.add_spectra(self._spectra, np.arange(len(spectra)), spectra)
        packets = holdings.packets
        self._alerts = classifier.blank(len(packets.alerts))
        self._carries = np.zeros((len(packets.alerts), len(MODALITIES)), np.bool_)
        if len(packets.alerts):
            metadata, cutouts = metadata_features(packets.alerts), cutout_images(packets.cutouts)
            classifier.add_light_curves(self._alerts, pool_nights(packets.curves))
            classifier.add_metadata(self._alerts, *metadata)
            classifier.add_cutouts(self._alerts, *cutouts)
            self._carries[:, LIGHT_CURVE] = self._alerts.n_detections > 0
            self._carries[:, METADATA], self._carries[:, CUTOUTS] = metadata[1].any(1), cutouts[2]

    def objects(self, cut: Cut, subsets: Sequence[Subset]) -> Iterator[Answers]:
        """One answer for each object that has the whole of a subset in hand at the cut, for each subset.

        Of several spectra in hand each is asked with the rest; the means of scores, novelties and embeddings, these
        scaled to length 1 again, are the object's. Nothing is yielded for a subset that no object has.
        """
        now = moment(self.holdings, cut)
        curves = self._classifier.blank(len(self.holdings))
        if now.kept.any():
            cut_curves = first_detections(self.holdings.curves, now.kept)
            self._classifier.add_light_curves(curves, pool_nights(cut_curves))
        alert = self._newest_alert(now)
        spectra = self._spectra_in_hand(now)
        for subset in subsets:
            kept = self._in_hand(curves, alert, subset)
            if SPECTRUM in subset:
                spectrum = spectra[kept[self.holdings.spectrum_owner[spectra]]]
                owner = self.holdings.spectrum_owner[spectrum]
            else:
                owner = np.flatnonzero(kept)
                spectrum = np.full(len(owner), NONE)
            answered = self._ask(now, subset, owner, (curves, owner), alert[owner], spectrum)
            if len(answered):
                yield by_object(answered) if SPECTRUM in subset else answered

    def each_spectrum(self) -> Answers:
        """One answer for each usable spectrum by itself."""
        now = moment(self.holdings, Cut())
        spectrum = np.flatnonzero(self._spectra.present[:, SPECTRUM])
        owner = self.holdings.spectrum_owner[spectrum]
        none = np.full(len(owner), NONE)
        answered = self._ask(now, (SPECTRUM,), owner, (self._spectra, spectrum), none, spectrum)
        return replace(answered, part=spectrum)

    def each_alert(self, subsets: Sequence[Subset]) -> Iterator[Answers]:
        """Each alert at its own time with the light curve that its packet tells, for each subset of what it carries."""
        now = moment(self.holdings, Cut())
        for subset in (each for each in subsets if SPECTRUM not in each):
            alert = np.flatnonzero(self._carries[:, list(subset)].all(1))
            owner, none = self.holdings.packet_owner[alert], np.full(len(alert), NONE)
            answered = self._ask(now, subset, owner, (self._alerts, alert), alert, none)
            if len(answered):
                yield replace(answered, part=alert)

    def _newest_alert(self, now: Moment) -> IntArray:
        """(n,) the newest alert in hand of each object, NONE where there is none."""
        time, owner = self.holdings.packets.alerts.mjd_tai, self.holdings.packet_owner
        newest = np.full(len(self.holdings), NONE, np.int64)
        order = np.argsort(time, kind="stable")
        order = order[time[order] <= now.until_mjd[owner[order]] + SAME_TIME_DAYS]
        newest[owner[order]] = order  # of several the last, which is the newest
        return newest

    def _spectra_in_hand(self, now: Moment) -> IntArray:
        """The usable spectra in hand; one without a time is in hand with everything, never before."""
        time = np.array([each.mjd_tai for each in self.holdings.spectra])
        until = now.until_mjd[self.holdings.spectrum_owner]
        early = np.where(np.isfinite(time), time, np.inf) <= until + SPECTRUM_SAME_TIME_DAYS
        return np.flatnonzero(early & self._spectra.present[:, SPECTRUM])

    def _in_hand(self, curves: Encoded, alert: IntArray, subset: Subset) -> BoolArray:
        """(n,) whether an object has the subset's light curve, metadata and stamps in hand."""
        kept: BoolArray = (curves.n_detections > 0) | (LIGHT_CURVE not in subset)
        carried = [m for m in subset if m in (METADATA, CUTOUTS)]
        if carried:
            has = np.zeros(len(kept), np.bool_)
            has[alert != NONE] = self._carries[alert[alert != NONE]][:, carried].all(1)
            kept = kept & has
        return kept

    def _ask(
        self,
        now: Moment,
        subset: Subset,
        owner: IntArray,
        curves: tuple[Encoded, IntArray],
        alert: IntArray,
        spectrum: IntArray,
    ) -> Answers:
        """Answers of the rows that have one; what is in hand of a modality that the bundle leaves out is not used."""
        sources = {
            LIGHT_CURVE: curves,
            METADATA: (self._alerts, alert),
            CUTOUTS: (self._alerts, alert),
            SPECTRUM: (self._spectra, spectrum),
        }
        chosen = {m: sources[m] for m in subset if self._may[m]}
        rows = [np.arange(i, min(i + ROWS_AT_ONCE, len(owner))) for i in range(0, len(owner), ROWS_AT_ONCE)]
        parts = [self._gathered({m: (said, index[r]) for m, (said, index) in chosen.items()}, len(r)) for r in rows]
        answers = [self._classifier.answer(part, self.holdings.survey) for part in parts]
        whole = Answers(
            cut=now.cut,
            modalities=subset,
            owner=owner,
            reached=now.reached[owner],
            spectra=np.full(len(owner), int(SPECTRUM in subset)),
            scores=_joined([each.class_scores for each in answers], len(CLASSES)),
            sets=_joined([each.prediction_set for each in answers], len(CLASSES)).astype(np.bool_),
            novelty=_joined([each.novelty[:, None] for each in answers], 1)[:, 0],
            embedding=_joined([each.embedding for each in answers], EMBEDDING_LENGTH),
            used=_joined([each.modalities for each in answers], len(MODALITIES)).astype(np.bool_),
            part=np.full(len(owner), NONE),
        )
        return whole.take(np.flatnonzero(np.isfinite(whole.scores).all(1)))

    def _gathered(self, chosen: dict[int, tuple[Encoded, IntArray]], n: int) -> Encoded:
        """What the encoders said, brought together from where it was said."""
        out = self._classifier.blank(n)
        for m, (said, rows) in chosen.items():
            for each in fields(Encoded):
                if each.name in ("tokens", "logits", "present"):
                    getattr(out, each.name)[:, m] = getattr(said, each.name)[rows, m]
                elif m == LIGHT_CURVE:  # all else is of the light curve
                    setattr(out, each.name, getattr(said, each.name)[rows])
        return out


def _joined(parts: Sequence[npt.NDArray[Any]], width: int) -> Float32Array:
    """Rows of several arrays one after the other, (0, width) where there is none."""
    return np.concatenate([np.empty((0, width), np.float32), *parts]).astype(np.float32)


def by_object(answers: Answers) -> Answers:
    """Answers on single spectra brought to one an object: see `Asked.objects`."""
    owner, first, place = np.unique(answers.owner, return_index=True, return_inverse=True)
    count = np.bincount(place)

    def mean(values: npt.NDArray[np.floating]) -> FloatArray:
        total = np.zeros((len(owner), *values.shape[1:]))
        np.add.at(total, place, values.astype(np.float64))
        each: FloatArray = total / count.reshape(-1, *[1] * (values.ndim - 1))
        return each

    embedding = mean(answers.embedding)
    length = np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    scores = mean(answers.scores).astype(np.float32)
    held = answers.sets[first]
    several = count > 1
    held[several] = mean(answers.sets.astype(np.float32))[several] > 0.5
    held[several, scores[several].argmax(1)] |= answers.sets[first][several].any(1)
    return replace(
        answers.take(first),
        spectra=count,
        scores=scores,
        sets=held,
        novelty=mean(answers.novelty).astype(np.float32),
        embedding=(embedding / length).astype(np.float32),
    )
