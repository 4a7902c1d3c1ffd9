"""Losses of a fit; a configuration names one, or a user's own, by its import path."""

from __future__ import annotations

from torch import Tensor, nn

from schemas.taxonomy import FINE_PARENT


def class_loss(logits: Tensor, label: Tensor, weight: Tensor, label_smoothing: float = 0.05) -> Tensor:
    """Cross entropy of `logits` (n, classes) with `label` (n,) int64.

    `weight` (classes,) is half of the balance between the classes, in square roots; the draw of rows is the other.
    """
    return nn.functional.cross_entropy(logits, label, weight=weight, label_smoothing=label_smoothing)


def adjusted_loss(logits: Tensor, label: Tensor, weight: Tensor, label_smoothing: float = 0.05) -> Tensor:
    """Cross entropy under the classes' shares in the drawn batches, so that `logits` weigh all classes alike.

    Logit adjustment (Menon et al. 2021, eq. 10): rows are drawn with shares of 1 / `weight`, up to a constant. A class
    without rows has weight 0 and is called improbable.
    """
    shares = -weight.clamp_min(1e-6).log() * (weight > 0) - 30.0 * (weight <= 0)
    return nn.functional.cross_entropy(logits + shares, label, label_smoothing=label_smoothing)


def fine_loss(logits: Tensor, fine: Tensor) -> Tensor:
    """Cross entropy of the leaves within their parents: `logits` (n, leaves), `fine` (n,) int64, -1 unlabelled."""
    known = fine >= 0
    if not bool(known.any()):
        return logits.sum() * 0.0
    parents = logits.new_tensor(FINE_PARENT)
    others = parents[None, :] != parents[fine[known]][:, None]
    return nn.functional.cross_entropy(logits[known].masked_fill(others, -1e4), fine[known])
