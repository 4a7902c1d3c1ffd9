"""What the stamps of an alert are like: noise, shape of what is in the middle, and how the three belong together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.cutout import STAMPS, CutoutTriplet
from schemas.light_curve import FloatArray, IntArray
from streamer.compare.tables import Table, table_of

RING_EDGES_PX = (0.0, 1.2, 2.3, 3.3, 5.0, 7.0, 10.0, 15.0, 22.0, 31.0)
"""Rings about the stamp's middle in which the profile is taken [pixel]."""

_QUANTILES = (0.001, 0.01, 0.1, 0.25, 0.75, 0.9, 0.99, 0.999)

_CORE_PX = 6.0
"""Moments are taken within this of the middle [pixel]."""

_LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (0, 4), (4, 0))

_SOFT = 5.0
"""Autocorrelation is of pixels clipped at so many sigma, so that it is the noise's and not a star's."""

Image = npt.NDArray[np.float32]


def stamp_table(triplets: Sequence[CutoutTriplet]) -> Table:
    """Numbers of each alert's stamps."""
    return table_of([_numbers(triplet) for triplet in triplets])


def ring_profile(image: Image) -> FloatArray:
    """(rings,) mean of each ring about the middle, above the median and in units of the noise; NaN where none is."""
    scaled, _, _ = _standardised(image)
    return _rings(scaled)


def _numbers(triplet: CutoutTriplet) -> dict[str, float]:
    numbers: dict[str, float] = {}
    scaled: dict[str, FloatArray] = {}
    for name in STAMPS:
        image = getattr(triplet, name)
        numbers[f"{name} there"] = float(image is not None)
        if image is not None and image.size and np.isfinite(image).any():
            scaled[name], level, noise = _standardised(image)
            numbers |= {f"{name} {what}": value for what, value in _of_one(image, scaled[name], level, noise).items()}
    if len(scaled) == len(STAMPS) and len({image.shape for image in scaled.values()}) == 1:
        numbers |= _together(triplet, scaled)
    return numbers


def _standardised(image: Image) -> tuple[FloatArray, float, float]:
    """(pixels above the median over the noise, median, noise = 1.4826 median absolute deviation)."""
    pixels = image.astype(np.float64)
    level = float(np.nanmedian(pixels))
    noise = 1.4826 * float(np.nanmedian(np.abs(pixels - level))) or 1.0
    return (pixels - level) / noise, level, noise


def _of_one(image: Image, scaled: FloatArray, level: float, noise: float) -> dict[str, float]:
    good = np.isfinite(scaled)
    filled = np.where(good, scaled, 0.0)
    ordered = np.sort(scaled[good])
    numbers = {
        "rows": float(image.shape[0]),
        "columns": float(image.shape[1]),
        "masked pixels": float((~good).sum()),
        "zero pixels": float((image == 0.0).sum()),
        "log noise": float(np.log10(noise)),
        "level": float(np.arcsinh(level)),
        "scatter of rows": float(np.std(filled.mean(1))),
        "scatter of columns": float(np.std(filled.mean(0))),
    }
    places = (np.array(_QUANTILES) * (len(ordered) - 1)).round().astype(int)
    numbers |= {f"quantile {q:g}": float(np.arcsinh(ordered[p])) for q, p in zip(_QUANTILES, places, strict=True)}
    numbers |= {f"ring {i}": float(np.arcsinh(mean)) for i, mean in enumerate(_rings(scaled))}
    soft = np.clip(filled, -_SOFT, _SOFT)
    power = float((soft**2).sum()) or 1.0
    for down, right in _LAGS:
        numbers[f"autocorrelation {down} {right}"] = _product(soft, down, right) / power
    return numbers | _moments(filled)


def _product(image: FloatArray, down: int, right: int) -> float:
    rows, columns = image.shape
    first = image[: rows - down, max(-right, 0) : columns - max(right, 0)]
    second = image[down:, max(right, 0) : columns + min(right, 0)]
    return float((first * second).sum())


@lru_cache(maxsize=64)
def _radii(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    y, x = np.indices(shape, dtype=np.float64)
    y -= shape[0] // 2
    x -= shape[1] // 2
    radius = np.hypot(x, y)
    ring: IntArray = np.searchsorted(RING_EDGES_PX, radius, side="right").astype(np.int64) - 1
    return x, y, radius, ring


def _rings(scaled: FloatArray) -> FloatArray:
    *_, ring = _radii((scaled.shape[0], scaled.shape[1]))
    good = np.isfinite(scaled)
    rings = len(RING_EDGES_PX)
    total = np.bincount(ring[good], scaled[good], minlength=rings)[: rings - 1]
    count = np.bincount(ring[good], minlength=rings)[: rings - 1]
    mean: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _moments(filled: FloatArray) -> dict[str, float]:
    """Place and width of what stands out in the middle, of whichever sign weighs more."""
    x, y, radius, _ = _radii((filled.shape[0], filled.shape[1]))
    core = radius <= _CORE_PX
    light = filled[core]
    sign = 1.0 if light.sum() >= 0.0 else -1.0
    weight = np.maximum(sign * light, 0.0) + 1e-9
    weight /= weight.sum()
    mx, my = float(weight @ x[core]), float(weight @ y[core])
    xx = float(weight @ (x[core] - mx) ** 2)
    yy = float(weight @ (y[core] - my) ** 2)
    xy = float(weight @ ((x[core] - mx) * (y[core] - my)))
    opposite = float(np.maximum(-sign * light, 0.0).sum() / (np.abs(light).sum() + 1e-9))
    return {
        "core sign": sign,
        "core off centre": float(np.hypot(mx, my)),
        "core width": float(np.sqrt(xx + yy)),
        "core elongation": float(np.hypot(xx - yy, 2.0 * xy) / (xx + yy)),
        "core of opposite sign": opposite,
        "core peak share": float(np.abs(light).max() / (np.abs(light).sum() + 1e-9)),
    }


def _together(triplet: CutoutTriplet, scaled: dict[str, FloatArray]) -> dict[str, float]:
    """How science, template and difference agree."""
    images = [np.asarray(getattr(triplet, name), dtype=np.float64) for name in STAMPS]
    missing = [~np.isfinite(image) for image in images]
    good = ~np.any(missing, axis=0)
    if good.sum() < 16:
        return {}
    science, template, difference = (image[good] for image in images)
    rest = (science - np.median(science)) - (template - np.median(template))
    shown = [np.arcsinh(scaled[name][good]) for name in STAMPS]
    noise = [_scatter(pixels) for pixels in (science, template, difference, rest)]
    unexplained = _scatter(difference - rest)
    return {
        "science ~ template": _correlation(shown[0], shown[1]),
        "science ~ difference": _correlation(shown[0], shown[2]),
        "template ~ difference": _correlation(shown[1], shown[2]),
        "science - template ~ difference": _correlation(np.arcsinh(rest / noise[3]), shown[2]),
        "log noise, template over science": float(np.log10(noise[1] / noise[0])),
        "log noise, difference over science": float(np.log10(noise[2] / noise[0])),
        "log noise, science - template over difference": float(np.log10(noise[3] / noise[2])),
        "log left over of science - template - difference": float(np.log10(unexplained / noise[2])),
        "masked in template only": float((missing[1] & ~missing[0]).sum()),
        "masked in difference only": float((missing[2] & ~missing[0] & ~missing[1]).sum()),
        "masked in science only": float((missing[0] & ~missing[2]).sum()),
    }


def _scatter(pixels: FloatArray) -> float:
    return max(1.4826 * float(np.median(np.abs(pixels - np.median(pixels)))), 1e-6)


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a @ b) / (np.sqrt((a @ a) * (b @ b)) + 1e-12))
