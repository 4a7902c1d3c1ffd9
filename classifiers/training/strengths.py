"""How much each modality's opinion counts beside the others': fitted on objects that no encoder was trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifiers.calibration import softmax
from schemas.light_curve import FloatArray, IntArray

PULL = 0.02
"""Weight of the squared distance from the first guess beside the log loss: 60 alerts decide little by themselves."""

ROUNDS = 200
"""Newton steps, each by half; the loss is convex, so they arrive."""


def fit_strengths(
    logits: npt.NDArray[np.floating],
    label: IntArray,
    weight: FloatArray,
    start: FloatArray,
    free: npt.NDArray[np.bool_],
) -> FloatArray:
    """Strengths (k,), none below 0, of k opinions whose weighted sum has the least class-weighted log loss.

    `logits` (n, k, classes), zeros where a row lacks an opinion, so that such rows do not bear on it; `label` and
    `weight` (n,). Those not `free` (k,) keep their `start`. Fitted together and not one by one, opinions that say the
    same thing twice share its weight; one that tells nothing new goes to 0, and leaves the others' sum as it was.
    """
    strength = np.array(start, np.float64)
    if not len(label) or not free.any():
        return strength
    share = weight / weight.sum()
    own = logits[np.arange(len(label)), :, label]
    for _ in range(ROUNDS):
        chance = softmax(np.einsum("k,nkc->nc", strength, logits))
        mean = np.einsum("nc,nkc->nk", chance, logits)
        spread = np.einsum("nc,nkc->nk", chance, np.square(logits)) - mean**2
        slope = share @ (mean - own) + 2.0 * PULL * (strength - start)
        curve = share @ spread + 2.0 * PULL
        strength = np.where(free, np.maximum(strength - 0.5 * slope / curve, 0.0), strength)
    return strength
