"""Fits the encoders and the fusion with torch; every function takes what it needs and returns the fitted network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from classifiers.data import LabelledCurves
from classifiers.data.augment import augmented
from classifiers.features import light_curve_tokens, pool_nights
from classifiers.models.encoders import LightCurveEncoder
from classifiers.models.fusion import Fusion
from classifiers.models.layers import CLASS_COUNT
from classifiers.trees import class_weights
from schemas.light_curve import Float32Array, IntArray

Progress = Callable[[str], None]
"""Told one line now and then."""

LABEL_SMOOTHING = 0.05
"""Label smoothing of every loss."""

LIGHT_CURVE_STEPS = 1800
"""Optimiser steps of the light-curve encoder."""

FUSION_STEPS = 1500
"""Optimiser steps of the fusion."""

CONTRASTIVE_WEIGHT = 0.1
"""Weight of the contrastive term beside the class loss."""

BATCH = 128
"""Objects of one step."""

STEP_LENGTHS: tuple[tuple[int, float], ...] = ((16, 0.3), (32, 0.3), (64, 0.25), (128, 0.15))
"""Longest curve of a step and how often such a step comes."""


def _optimiser(
    network: nn.Module, rate: float, decay: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps, pct_start=0.1)
    return optimiser, schedule


def _descend(
    network: nn.Module,
    batches: Iterable[Tensor],
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    progress: Progress,
) -> None:
    """One step for each loss that `batches` yields."""
    network.train()
    total, report = 0.0, 200
    for step, loss in enumerate(batches, 1):
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        total += float(loss.detach())
        if step % report == 0:
            progress(f"step {step}: loss {total / report:.3f}")
            total = 0.0
    network.eval()


def _draw(label: IntArray, size: int, rng: np.random.Generator) -> IntArray:
    """Rows drawn with classes between as they come and alike (square root of their counts)."""
    weight = np.sqrt(class_weights(label))
    return rng.choice(len(label), size, p=weight / weight.sum())


def _loss(logits: Tensor, label: IntArray, weight: Tensor) -> Tensor:
    """Cross entropy that, with `_draw`, weighs all classes alike."""
    return nn.functional.cross_entropy(logits, torch.from_numpy(label), weight=weight, label_smoothing=LABEL_SMOOTHING)


def _loss_weight(label: IntArray) -> Tensor:
    """Square roots of the class weights: the other half of the balance."""
    weight = np.zeros(CLASS_COUNT)
    weight[label] = np.sqrt(class_weights(label))
    return torch.tensor(weight / weight[label].mean(), dtype=torch.float32)


def fit_light_curve(curves: LabelledCurves, rng: np.random.Generator, progress: Progress) -> LightCurveEncoder:
    """The light-curve encoder on curves cut short at random."""
    network = LightCurveEncoder()
    optimiser, schedule = _optimiser(network, 2e-3, 0.02, LIGHT_CURVE_STEPS)
    weight = _loss_weight(curves.label)
    lengths, share = zip(*STEP_LENGTHS, strict=True)

    def batches() -> Iterable[Tensor]:
        for _ in range(LIGHT_CURVE_STEPS):
            rows = _draw(curves.label, BATCH, rng)
            longest = int(rng.choice(lengths, p=share))
            pooled = pool_nights(augmented(curves.curves.take(rows), longest, rng))
            tokens, mask = light_curve_tokens(pooled, np.arange(len(rows)), longest)
            _, logits = network(torch.from_numpy(tokens), torch.from_numpy(mask))
            yield _loss(logits, curves.label[rows], weight)

    _descend(network, batches(), optimiser, schedule, progress)
    return network


def fit_arrays(
    network: nn.Module,
    arrays: tuple[Float32Array, ...],
    label: IntArray,
    change: Callable[[tuple[Float32Array, ...], np.random.Generator], tuple[Float32Array, ...]],
    steps: int,
    rng: np.random.Generator,
    progress: Progress,
) -> nn.Module:
    """Any encoder of fixed-size arrays, with a random `change` of each drawn batch."""
    optimiser, schedule = _optimiser(network, 2e-3, 0.05, steps)
    weight = _loss_weight(label)
    size = min(BATCH, 2 * len(label))

    def batches() -> Iterable[Tensor]:
        for _ in range(steps):
            rows = _draw(label, size, rng)
            changed = change(tuple(array[rows] for array in arrays), rng)
            _, logits = network(*(torch.from_numpy(np.ascontiguousarray(array)) for array in changed))
            yield _loss(logits, label[rows], weight)

    _descend(network, batches(), optimiser, schedule, progress)
    return network


def fit_fusion(
    fusion: Fusion,
    tokens: Float32Array,
    logits: Float32Array,
    present: Float32Array,
    label: IntArray,
    object_index: IntArray,
    rng: np.random.Generator,
    progress: Progress,
) -> None:
    """The embedding, its head and the missing tokens, over what the fitted encoders said of the training objects.

    `tokens` (rows, modalities, width), `logits` (rows, modalities, classes), `present` (rows, modalities). Modalities
    are dropped at random, and two different subsets of one object are pulled together (a contrastive term, as in
    CLIP), so that an image, a light curve and a spectrum of one kind lie near each other.
    """
    optimiser, schedule = _optimiser(fusion, 2e-3, 0.02, FUSION_STEPS)
    weight = _loss_weight(label)
    arrays = torch.from_numpy(tokens), torch.from_numpy(present)

    def batches() -> Iterable[Tensor]:
        for _ in range(FUSION_STEPS):
            rows = _draw(label, BATCH, rng)
            views = [fusion.embed(arrays[0][rows], _some(arrays[1][rows], rng)) for _ in range(2)]
            loss = sum((_loss(fusion.head_logits(view), label[rows], weight) for view in views), torch.zeros(()))
            yield loss + CONTRASTIVE_WEIGHT * _contrast(views[0], views[1], torch.from_numpy(object_index[rows]))

    _descend(fusion, batches(), optimiser, schedule, progress)


def _some(present: Tensor, rng: np.random.Generator) -> Tensor:
    """A random subset of the present modalities of each row, never empty."""
    draw = torch.from_numpy(rng.random(present.shape).astype(np.float32)) * present
    kept = draw > torch.from_numpy(rng.choice([0.0, 0.3, 0.6], (len(present), 1)).astype(np.float32))
    best = draw >= draw.amax(1, keepdim=True)
    return present * (kept | best).float()


def _contrast(one: Tensor, other: Tensor, object_index: Tensor) -> Tensor:
    """InfoNCE between two views; rows of one object are never each other's negatives."""
    similarity = one @ other.T / 0.2
    same = object_index[:, None] == object_index[None, :]
    same.fill_diagonal_(False)
    return nn.functional.cross_entropy(similarity.masked_fill(same, -1e4), torch.arange(len(one)))
