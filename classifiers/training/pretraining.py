"""Self-supervised pretraining: what curves and stamps look like, learnt before any label is seen. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from classifiers.data import LabelledAlerts, LabelledCurves, augmented
from classifiers.data.augment import only_detections
from classifiers.features import cutout_images, light_curve_tokens, pool_nights
from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.models.cutouts import CutoutEncoder
from schemas.light_curve import Float32Array

KEPT_PREFIXES: tuple[str, ...] = ("log_days", "wavelength", "blue", "red", "infrared")
"""Beginnings of the token features that stay where a token is hidden: when it is, and in which band."""

HIDDEN_FEATURES: tuple[int, ...] = tuple(
    place for place, name in enumerate(TOKEN_FEATURES) if not name.startswith(KEPT_PREFIXES)
)
"""Places of the token features that are hidden and foretold: all that tells a flux."""

TEMPERATURE = 0.2
"""Of the similarities of two views of a picture (Chen et al. 2020, eq. 1)."""

PROJECTION = 64
"""Length of the vectors in which two views of a picture are compared."""


class Fit(Protocol):
    """What fits a network: some steps of some recipe."""

    batch: int
    """Rows of one step."""

    def __call__(self, network: nn.Module, loss_of: Callable[[np.random.Generator], Tensor]) -> None:
        """Fits `network` in place; `loss_of` gives the loss of one step."""
        ...

    def tensor(self, array: npt.NDArray[Any]) -> Tensor:
        """An array where the network is."""
        ...


def pretrain_light_curve(
    encoder: nn.Module,
    inputs: Sequence[LabelledCurves | LabelledAlerts],
    fit: Fit,
    hidden_share: float = 0.3,
    longest: int = 64,
) -> None:
    """Teaches a light-curve encoder to foretell the flux of hidden tokens; no label is read.

    Masked modelling as of words (Devlin et al. 2019, section 3.1) and of light curves (Donoso-Oliva et al. 2023): a
    hidden token keeps its time and band. `encoder` is a `LightCurveEncoder`; its `embed`, `layers` and `norm` learn.
    """
    parts: Any = encoder
    width = int(parts.norm.normalized_shape[0])
    foretell = nn.Linear(width, len(HIDDEN_FEATURES))
    stand_in = nn.Parameter(torch.zeros(width))
    learning = nn.ModuleList([parts.embed, parts.layers, parts.norm, foretell, nn.ParameterList([stand_in])])
    sizes = np.array([len(each.label) for each in inputs], np.float64)
    hidden_places = list(HIDDEN_FEATURES)

    every = [only_detections(each.curves) for each in inputs]

    def loss_of(rng: np.random.Generator) -> Tensor:
        curves = every[int(rng.choice(len(every), p=sizes / sizes.sum()))]
        changed = augmented(curves.take(rng.integers(0, len(curves), fit.batch)), longest, rng)
        pooled = pool_nights(changed)
        arrays = light_curve_tokens(pooled, np.arange(len(pooled)), max(2, int(pooled.lengths().max())))
        tokens, mask = fit.tensor(arrays[0]), fit.tensor(arrays[1])
        hidden = fit.tensor((rng.random(arrays[1].shape) < hidden_share).astype(np.float32)) * mask
        shown = tokens.clone()
        shown[:, :, hidden_places] *= (1.0 - hidden)[:, :, None]
        x = parts.embed(shown) + hidden[:, :, None] * stand_in
        bias = (mask[:, None, None, :] - 1.0) * 1e4
        for layer in parts.layers:
            x = layer(x, bias)
        wrong = nn.functional.smooth_l1_loss(
            foretell(parts.norm(x)), tokens[:, :, hidden_places], reduction="none", beta=0.25
        )
        loss: Tensor = (wrong.mean(2) * hidden).sum() / hidden.sum().clamp(min=1.0)
        return loss

    fit(learning, loss_of)


def pretrain_cutouts(
    encoder: CutoutEncoder,
    inputs: Sequence[LabelledAlerts],
    fit: Fit,
    largest_shift: int = 1,
    lost_share: float = 0.0,
) -> None:
    """Teaches a cutout encoder that two views of one alert belong together; no label is read. Its body learns.

    SimCLR (Chen et al. 2020, section 2.1). A view is turned, mirrored, shifted by at most `largest_shift` pixels (where
    in its host a transient lies must not be learnt away), made noisier, and loses each stamp with chance `lost_share`.
    """
    seen = [cutout_images(each.cutouts) for each in inputs]
    images = np.concatenate([pictures[present] for pictures, _, present in seen])
    project = nn.Sequential(nn.Linear(encoder.width, PROJECTION), nn.ReLU(), nn.Linear(PROJECTION, PROJECTION))
    size = min(fit.batch, len(images))

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(images), size, replace=False)
        views = [
            project(encoder.pooled(fit.tensor(image_view(images[rows], rng, largest_shift, lost_share))))
            for _ in range(2)
        ]
        return view_loss(nn.functional.normalize(torch.cat(views), dim=1))

    fit(nn.ModuleList([encoder.body, project]), loss_of)


def image_view(images: Float32Array, rng: np.random.Generator, largest_shift: int, lost_share: float) -> Float32Array:
    """One changed copy of each picture, each changed in its own way, of the same shape; masked pixels stay 0."""
    n = len(images)
    out = np.empty_like(images)
    way = rng.integers(0, 8, n)
    for k in range(8):
        turned = np.rot90(images[way == k], k % 4, (2, 3))
        out[way == k] = turned[:, :, :, ::-1] if k >= 4 else turned
    for i, shift in enumerate(rng.integers(-largest_shift, largest_shift + 1, (n, 2)).tolist()):
        out[i] = np.roll(out[i], shift, (1, 2))
    noise = rng.normal(size=out[:, :3].shape) * rng.uniform(0.0, 0.4, (n, 3, 1, 1))
    out[:, :3] = (out[:, :3] * rng.uniform(0.8, 1.25, (n, 3, 1, 1)) + noise) * (out[:, 3:] > 0)
    out[:, :3][rng.random((n, 3)) < lost_share] = 0.0
    return out


def view_loss(views: Tensor) -> Tensor:
    """Cross entropy of finding each row's other view among all rows; `views` (2n, width), unit, the second n last."""
    n = len(views) // 2
    own = torch.eye(2 * n, dtype=torch.bool, device=views.device)
    similarity = (views @ views.T / TEMPERATURE).masked_fill(own, -1e4)
    return nn.functional.cross_entropy(similarity, torch.arange(2 * n, device=views.device).roll(n))
