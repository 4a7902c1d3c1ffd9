"""The card of a bundle before it is calibrated and measured. Needs no torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.card import limits_of
from classifiers.features import feature_spec, spec_hash
from classifiers.serving import EVIDENCE_GROUPS
from classifiers.training.config import TrainingConfig
from schemas.taxonomy import CLASSES, MODALITIES

UNCALIBRATED: dict[str, Any] = {"surveys": [], "temperature": {}, **dict.fromkeys(EVIDENCE_GROUPS)}
"""What a card says of its calibration before there is one: temperature 1, no sets, no novelty."""


def card_of(config: TrainingConfig, note: dict[str, Any], differences: dict[str, float]) -> dict[str, Any]:
    """The card of a configuration's bundle, from what a run noted and what its files' verification found."""
    on = config.names_on()
    card = {
        "name": config.bundle.name,
        "version": config.bundle.version,
        "taxonomy": list(CLASSES),
        "prior": prior_of(config, note["counts"]),
        "feature_spec": feature_spec(),
        "feature_spec_sha256": spec_hash(),
        "modalities": {
            name: {
                "surveys": config.modality(name).surveys if name in on else [],
                "strength": round(float(note["strengths"].get(name, 0.0)), 4),
            }
            for name in MODALITIES
        },
        "tree_share": note["tree_share"],
        "training": {
            "data": config.bundle.data,
            "seed": config.seed,
            "counts": note["counts"],
            "config": config.model_dump(mode="json", exclude={"tracking", "checkpoints", "tuning"}),
        },
        "calibration": UNCALIBRATED,
        "worst_difference_torch_to_onnx": {name: float(f"{value:.2g}") for name, value in differences.items()},
    }
    return card | {"limits": limits_of(card)}


def prior_of(config: TrainingConfig, counts: dict[str, Any]) -> dict[str, float]:
    """Share of each class that the scores suppose."""
    if isinstance(config.prior, dict):
        return config.prior
    if config.prior == "alike":
        return {name: round(1.0 / len(CLASSES), 6) for name in CLASSES}
    largest = counts[config.modality("light_curve").data[0]]["train"]
    share = np.array([largest[name] for name in CLASSES], np.float64) + 1.0  # no class is ruled out by its absence
    return {name: round(float(value), 6) for name, value in zip(CLASSES, share / share.sum(), strict=True)}
