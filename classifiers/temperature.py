"""From fused logits to class scores and prediction sets: one temperature, the prior, and a threshold; NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.light_curve import Float32Array, FloatArray, IntArray
from schemas.taxonomy import FINE_LEAVES, FINE_PARENT, MODALITIES

TERMS: tuple[str, ...] = ("level", "log_detections", *MODALITIES)
"""What the logarithm of the temperature may depend on: a constant, ln of the detections, each modality in use."""

BoolArray = npt.NDArray[np.bool_]


def temperature_terms(n_detections: IntArray, present: BoolArray) -> FloatArray:
    """Values of `TERMS`, (n, 6), of alerts with `n_detections`, (n,), and modalities `present`, (n, 4)."""
    log_n = np.log(np.maximum(n_detections, 1))
    return np.column_stack([np.ones(len(log_n)), log_n, present]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Temperature:
    """One temperature for all alerts, smooth in the logarithm of the detections and in the modalities in use."""

    weights: FloatArray
    """(6,) of `TERMS`, in the logarithm of the temperature."""

    @classmethod
    def of_card(cls, part: Mapping[str, float]) -> Temperature:
        """From the weights by term that a card has; a term that it does not name has none."""
        return cls(np.array([part.get(name, 0.0) for name in TERMS]))

    def __call__(self, n_detections: IntArray, present: BoolArray) -> FloatArray:
        """Temperature of each alert, (n,)."""
        temperature: FloatArray = np.exp(temperature_terms(n_detections, present) @ self.weights)
        return temperature


@dataclass(frozen=True, slots=True)
class Population:
    """Objects on which scores were calibrated, and the smallest score that enters a prediction set for such as them."""

    threshold: float
    objects: int
    domain: str
    method: str

    def said(self) -> dict[str, Any]:
        """What a score says of its calibration."""
        return {"domain": self.domain, "n": self.objects, "method": self.method}

    def sets(self, scores: Float32Array) -> BoolArray:
        """Marginal split-conformal sets, (n, classes): classes at or above the threshold, and always the likeliest."""
        chosen = scores >= self.threshold
        chosen[np.arange(len(scores)), scores.argmax(1)] = True
        return chosen


def class_scores(
    logits: npt.NDArray[np.floating],
    temperature: FloatArray,
    log_prior: FloatArray,
    log_ratio: FloatArray | float = 0.0,
) -> Float32Array:
    """Scores, (n, classes), rows summing to 1, of `logits` that suppose all classes alike.

    The temperature tempers evidence and card's prior together, which is what it was fitted on. `log_ratio`: logarithm
    of an operator's prior over the card's, by which calibrated scores move to the operator's mixture of classes by
    Bayes' rule (Saerens, Latinne & Decaestecker 2002, eq. 2.4).
    """
    return softmax((logits + log_prior) / temperature[:, None] + log_ratio).astype(np.float32)


def fine_scores(scores: Float32Array, logits: npt.NDArray[np.floating]) -> Float32Array:
    """Scores of `FINE_LEAVES`, (n, 6): each parent's score shared among its leaves as `logits`, (n, 6), say."""
    out = np.empty((len(scores), len(FINE_LEAVES)), np.float32)
    for parent in dict.fromkeys(FINE_PARENT):
        leaves = [leaf for leaf, above in enumerate(FINE_PARENT) if above == parent]
        out[:, leaves] = scores[:, parent, None] * softmax(logits[:, leaves])
    return out


def softmax(logits: npt.NDArray[np.floating]) -> FloatArray:
    """Softmax of each row."""
    raised = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True, initial=-np.inf))
    shares: FloatArray = raised / raised.sum(1, keepdims=True)
    return shares
