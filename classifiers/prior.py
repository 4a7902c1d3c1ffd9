"""How common the classes are taken to be: the card's shares, or an operator's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from schemas.light_curve import FloatArray
from schemas.taxonomy import CLASSES


def prior_shares(prior: Mapping[str, float]) -> FloatArray:
    """Shares of the classes, (7,), summing to 1, of shares or counts by class name.

    ValueError unless every class is named, with a number of 0 or more, and one is above 0.
    """
    if missing := [name for name in CLASSES if name not in prior]:
        raise ValueError(f"a prior names every class; this one lacks {', '.join(missing)}")
    if unknown := [name for name in prior if name not in CLASSES]:
        raise ValueError(f"a prior names no other class than {', '.join(CLASSES)}; this one has {', '.join(unknown)}")
    shares = np.array([prior[name] for name in CLASSES], np.float64)
    if not (np.isfinite(shares) & (shares >= 0.0)).all() or not shares.any():
        raise ValueError("a prior's shares are numbers of 0 or more, and not all of them 0")
    scaled: FloatArray = shares / shares.sum()
    return scaled


def log_prior(shares: FloatArray) -> FloatArray:
    """What a prior adds to log likelihoods, (7,); minus infinity for a class that it rules out."""
    with np.errstate(divide="ignore"):
        logarithm: FloatArray = np.log(shares)
    return logarithm


def prior_mark(shares: FloatArray) -> str:
    """A hash of a prior: scores under another one are another version's."""
    return hashlib.sha256(json.dumps(np.round(shares, 9).tolist()).encode()).hexdigest()
