"""select: which alerts go on to the classifier; the others end as filtered, with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from schemas.alert import ASSESSED_FIELDS, QUALITY_BIT, AlertBatch
from schemas.light_curve import FloatArray, IntArray, LightCurves

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cut:
    """One condition on one field of an alert (see `AlertBatch.field`), in its own units."""

    field: str
    at_least: float | None = None
    at_most: float | None = None
    missing: str = "drop"
    """What a missing field means: 'keep' passes, 'drop' does not, 'only' passes nothing but alerts without it."""

    def passes(self, alerts: AlertBatch) -> Mask:
        """Whether each alert meets the condition, shape (n,)."""
        values = alerts.field(self.field)
        absent = np.isnan(values)
        if self.missing == "only":
            return absent
        inside = np.ones(len(alerts), dtype=bool)
        if self.at_least is not None:
            inside &= values >= self.at_least
        if self.at_most is not None:
            inside &= values <= self.at_most
        inside[absent] = self.missing == "keep"
        return inside


class ScoreModel(Protocol):
    """A model of a selection: a score in 0 to 1 of alerts that were assessed, with their light curves."""

    def score(self, alerts: AlertBatch, curves: LightCurves) -> FloatArray:
        """Scores of all alerts, shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """A named rule for one survey: every cut holds, and the model's score, where it has one, reaches the threshold."""

    name: str
    cuts: tuple[Cut, ...] = ()
    solar_system: bool = False
    """Whether known solar-system objects pass."""
    model: ScoreModel | None = None
    threshold: float = 0.5

    @property
    def early_cuts(self) -> tuple[Cut, ...]:
        """Cuts on what the packet says; nobody need look at its stamps for them."""
        return tuple(cut for cut in self.cuts if cut.field not in ASSESSED_FIELDS)

    @property
    def late_cuts(self) -> tuple[Cut, ...]:
        """Cuts on what its stamps say."""
        return tuple(cut for cut in self.cuts if cut.field in ASSESSED_FIELDS)


@dataclass(slots=True)
class Selected:
    """What the selections of a survey say of n alerts."""

    reason: list[str | None]
    """(n,) why an alert goes no further; None where it is selected."""
    names: list[tuple[str, ...]]
    """(n,) the selections that it passed."""
    scores: dict[str, FloatArray] = field(default_factory=dict)
    """(n,) by selection: the score of its model, NaN where the cuts had already failed."""

    def take(self, index: IntArray) -> Selected:
        """The same of the alerts in `index`, in that order."""
        return Selected(
            [self.reason[i] for i in index],
            [self.names[i] for i in index],
            {name: scores[index] for name, scores in self.scores.items()},
        )


class Select:
    """An alert is selected when at least one selection of its survey passes; injected and withdrawn ones never are."""

    def __init__(self, selections: Mapping[str, Sequence[Selection]]) -> None:
        self._selections = selections

    def likely(self, alerts: AlertBatch) -> IntArray:
        """Places of the alerts that may still be selected by what their packets say: only these are to be assessed."""
        found = np.zeros(len(alerts), dtype=bool)
        for selection in self._selections.get(alerts.survey, ()):
            passed = np.ones(len(alerts), dtype=bool) if selection.solar_system else ~alerts.solar_system
            for cut in selection.early_cuts:
                passed &= cut.passes(alerts)
            found |= passed
        return np.flatnonzero(found & ~alerts.withdrawn & ((alerts.quality & QUALITY_BIT["injected"]) == 0))

    def __call__(self, alerts: AlertBatch, curves: LightCurves) -> Selected:
        """Names, scores and reasons for every alert of the batch; the likely ones have been assessed."""
        n = len(alerts)
        reasons: list[str | None] = ["no_selection"] * n
        names: list[tuple[str, ...]] = [()] * n
        scores: dict[str, FloatArray] = {}
        taken = np.zeros(n, dtype=bool)
        for selection in self._selections.get(alerts.survey, ()):
            passed, why = self._apply(selection, alerts, curves, scores)
            for index in np.flatnonzero(passed):
                names[index] = (*names[index], selection.name)
            for index in np.flatnonzero(~passed):
                if reasons[index] in ("no_selection", "solar_system"):
                    reasons[index] = why[index]
            taken |= passed
        for never, mask in (
            ("injected", (alerts.quality & QUALITY_BIT["injected"]) != 0),
            ("withdrawn", alerts.withdrawn),
        ):
            taken &= ~mask
            for index in np.flatnonzero(mask):
                reasons[index] = never
        for index in np.flatnonzero(taken):
            reasons[index] = None
        return Selected(reasons, names, scores)

    @staticmethod
    def _apply(
        selection: Selection, alerts: AlertBatch, curves: LightCurves, scores: dict[str, FloatArray]
    ) -> tuple[Mask, list[str]]:
        passed = np.ones(len(alerts), dtype=bool)
        why = [""] * len(alerts)

        def drop(mask: Mask, reason: str) -> None:
            for index in np.flatnonzero(passed & mask):
                why[index] = reason
            passed[mask] = False

        if not selection.solar_system:
            drop(alerts.solar_system, "solar_system")
        for cut in (*selection.early_cuts, *selection.late_cuts):
            drop(~cut.passes(alerts), f"{selection.name}:{cut.field}")
        if selection.model is not None:
            asked = np.flatnonzero(passed)
            score = np.full(len(alerts), np.nan)
            if len(asked):
                score[asked] = selection.model.score(alerts.take(asked), curves.take(asked))
            scores[selection.name] = score
            drop(~(score >= selection.threshold), f"{selection.name}:score")
        return passed, why
