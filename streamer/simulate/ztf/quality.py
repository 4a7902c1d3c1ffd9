"""How a detection looks to ZTF's own checks: shapes, counts of pixels, fits, real/bogus scores.

Each follows from the signal over the noise, from how much brighter the reference image's source is than the
difference, from the image's width, and from what an artefact is. Constants are medians and spreads of 900 public
packets against these; nothing here knows an object's class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from streamer.simulate.sky.objects import BAD_COLUMN, BAD_SUBTRACTION, COSMIC_RAY, GHOST, SOURCE
from streamer.simulate.ztf.rows import Columns

BOX = 5
"""Side of the box about a detection in which negative pixels are counted."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the columns follow from, (n,) each."""

    snr: FloatArray
    """Flux over the image's depth: 5 at diffmaglim."""
    ratio: FloatArray
    """Light of the reference image under the point-spread function over the difference's; a galaxy's counts less, for
    what is smooth subtracts better."""
    width_px: FloatArray
    """FWHM of stars."""
    artefact: IntArray


def quality_columns(rng: np.random.Generator, look: Look, has_deep: bool) -> Columns:
    """All such columns; `has_deep`: whether the schema has the deep-learning score drb."""
    spoilt = _spoilt(rng, look)
    shapes = _shapes(rng, look, spoilt)
    return shapes | _pixels(rng, look, spoilt) | _statistics(rng, look, spoilt) | _scores(rng, look, spoilt, has_deep)


def _spoilt(rng: np.random.Generator, look: Look) -> FloatArray:
    """How much a detection is residual rather than source, 0 to about 1.

    A star that is subtracted leaves a residual that grows with its light over the noise; artefacts are all residual.
    """
    steps = np.log10(np.maximum(look.snr * look.ratio, 1.0) / 40.0).clip(0.0, 2.5) / 2.5
    own = np.where(look.artefact == SOURCE, 0.0, np.where(look.artefact == BAD_SUBTRACTION, 0.75, 0.9))
    return np.maximum(steps * rng.uniform(0.4, 1.3, len(steps)), own * rng.uniform(0.6, 1.3, len(steps)))


def _shapes(rng: np.random.Generator, look: Look, spoilt: FloatArray) -> Columns:
    """Second moments and widths: those of the image's stars within the noise; narrower in residuals."""
    n, snr = len(look.snr), look.snr
    bogus = look.artefact != SOURCE
    stretch = np.hypot(0.55 * snr**-0.72, 0.02 + 0.07 * spoilt + 0.10 * bogus) * rng.lognormal(0.0, 0.5, n)
    elongation = 1.0 + np.where(stretch > 0.6, rng.uniform(0.2, 0.6, n), stretch)
    sharp = np.where(look.artefact == COSMIC_RAY, 0.62, 1.0 - 0.12 * spoilt * rng.uniform(0.0, 2.0, n))
    mean = 0.291 * look.width_px * sharp * np.exp(rng.normal(0.0, 1.0, n) * (0.045 + 0.28 / snr + 0.1 * spoilt))
    major = np.round(mean * np.sqrt(elongation), 3)
    minor = np.round(np.minimum(mean / np.sqrt(elongation), major), 3)
    # Widths that come out below half of the image's, as in narrow or negative residuals, are set to that.
    chance = 0.02 + 0.55 * look.ratio / (look.ratio + 6.0) + 0.45 * bogus + 0.5 / snr**1.2
    narrow = rng.random(n) < np.minimum(chance, 0.8)
    measured = np.round(look.width_px * rng.lognormal(-0.03, 0.12 + 0.55 / snr + 0.12 * spoilt, n), 2)
    floor = look.width_px / 2.0
    floored = narrow | (measured <= floor)
    fwhm = np.where(floored, floor, measured)
    return {
        "fwhm": fwhm,
        "seeratio": np.where(floored, 2.0, look.width_px / fwhm),
        "aimage": major,
        "bimage": minor,
        "aimagerat": major / fwhm,
        "bimagerat": minor / fwhm,
        "elong": major / minor,
    }


def _pixels(rng: np.random.Generator, look: Look, spoilt: FloatArray) -> Columns:
    """Negative pixels among 5x5, and the sum over the sum of absolute values about the centre.

    Counted on a drawn box: the source's Gaussian, white noise, and a residual's negative lobe.
    """
    n, half = len(look.snr), BOX // 2
    sigma = look.width_px / 2.3548
    x, y = np.meshgrid(np.arange(-half, half + 1.0), np.arange(-half, half + 1.0))
    shift = rng.uniform(-0.5, 0.5, (2, n, 1, 1))

    def gaussian(dx: FloatArray, dy: FloatArray) -> FloatArray:
        profile: FloatArray = np.exp(-0.5 * ((x - dx) ** 2 + (y - dy) ** 2) / sigma[:, None, None] ** 2)
        return profile / (2.0 * np.pi * sigma[:, None, None] ** 2)

    angle, away = rng.uniform(0.0, 2.0 * np.pi, n), rng.uniform(1.2, 2.6, n)
    lobe = gaussian(shift[0] + (away * np.cos(angle))[:, None, None], shift[1] + (away * np.sin(angle))[:, None, None])
    depth = (spoilt * rng.beta(0.8, 1.6, n) * 1.25)[:, None, None]
    # The noise of a pixel that makes a fit's error of 1 (King 1983, PASP 95, 163), less what resampling shares.
    noise = 0.74 / (np.sqrt(4.0 * np.pi) * sigma) / look.snr
    box = gaussian(shift[0], shift[1]) - depth * lobe + noise[:, None, None] * rng.standard_normal((n, BOX, BOX))
    centre = np.hypot(x, y) < 2.1
    total = (box * centre).sum(axis=(1, 2))
    return {
        "nneg": (box < 0.0).sum(axis=(1, 2)),
        "nbad": 0,
        "sumrat": (np.abs(total) / (np.abs(box) * centre).sum(axis=(1, 2))).clip(0.35, 1.0),
    }


def _statistics(rng: np.random.Generator, look: Look, spoilt: FloatArray) -> Columns:
    """Fits and significances."""
    n, snr = len(look.snr), look.snr
    bogus = look.artefact != SOURCE
    misfit = 0.0045 * snr**2 / (1.0 + (snr / 120.0) ** 1.3)
    chi = 0.95 + misfit * rng.lognormal(0.0, 0.7, n) + 3.0 * bogus * rng.lognormal(0.0, 0.9, n)
    science = 1.62 * snr * rng.lognormal(0.0, 0.13, n) * (1.0 - 0.1 * (look.ratio > 5.0))
    difference = science * (0.53 + (0.10 + 0.12 * spoilt) * rng.normal(0.0, 1.0, n)).clip(0.1, 1.05)
    # Matched-filter significance: its noise holds what jitter makes of all the light there.
    jitter = 0.012 * (look.ratio + 1.0) * rng.lognormal(0.0, 0.6, n)
    significance = 1.0 / np.hypot(1.0 / (1.33 * snr * rng.lognormal(0.0, 0.15, n)), jitter)
    weak = significance < 5.05
    bright = np.clip((look.ratio * snr / 60.0) ** 0.35, 1.0, 3.5)
    tail = np.where(rng.random(n) < 0.12, 3.5, 1.0)
    on_point = look.ratio / (look.ratio + 1.0)
    dim = np.where(rng.random(n) < 0.72 - 0.3 * on_point, 0.017, np.where(rng.random(n) < 0.8, 0.002, 0.05))
    faint = (0.05 + 0.08 * on_point) * (6.0 / snr) ** (2.6 - 0.9 * on_point)
    shape_doubt = dim * rng.lognormal(0.0, 0.1, n) + faint * rng.lognormal(0.0, 1.2, n)
    return {
        "chipsf": chi * rng.lognormal(0.0, 0.22, n),
        "sky": 0.05 + rng.normal(0.0, 1.0, n) * 0.45 * bright * tail,
        "classtar": np.round((1.0 - shape_doubt * rng.uniform(0.9, 1.1, n)).clip(0.35, 1.0), 3),
        "scorr": np.round(np.where(weak, 5.02 + rng.exponential(1.3, n), significance), 6),
        "ssnrms": science,
        "dsnrms": difference,
        "dsdiff": difference - science,
        "tooflag": 0,
    }


def _scores(rng: np.random.Generator, look: Look, spoilt: FloatArray, has_deep: bool) -> Columns:
    """rb, a forest's vote in steps of 1/700 (Mahabal et al. 2019, PASP 131, 038002), and drb, a network's sigmoid in
    single precision (Duev et al. 2019, MNRAS 489, 3582): surer with signal over noise, in doubt over residuals.
    """
    n = len(look.snr)
    strength = np.log10(look.snr / 5.0).clip(0.0, 0.85)
    common = rng.normal(0.0, 1.0, n)
    residual = np.log10(np.maximum(look.snr * look.ratio, 1.0) / 40.0).clip(0.0, 2.0)
    # Beside a source of its own the forest trusts what is faint more than where nothing was.
    at_home = look.ratio / (look.ratio + 1.0) * (1.0 - strength / 0.4).clip(0.0)
    false = np.select(
        [look.artefact == kind for kind in (BAD_SUBTRACTION, COSMIC_RAY, GHOST, BAD_COLUMN)], [1.5, 2.7, 2.5, 2.8], 0.0
    )
    vote = (
        0.80
        + 2.5 * strength
        + 0.9 * at_home
        - 0.75 * residual
        - 0.5 * false
        + 0.48 * common
        + 0.58 * rng.normal(0.0, 1.0, n)
    )
    forest = np.rint(700.0 / (1.0 + np.exp(-vote.clip(-1.6, 4.0)))) / 700.0
    if not has_deep:
        return {"rb": np.rint(forest * 300.0) / 300.0}
    sure = (
        3.2
        + 3.6 * strength
        - 0.5 * look.ratio / (look.ratio + 1.0)
        - 1.75 * residual
        + 1.05 * common
        + 0.6 * rng.normal(0.0, 1.0, n)
    )
    sure = np.where(look.artefact == SOURCE, sure, 2.2 - 1.4 * false + 1.2 * common)
    deep = (1.0 / (1.0 + 10.0 ** -sure.clip(-12.0, 9.0))).astype(np.float32)
    return {"rb": forest, "drb": deep, "drbversion": "d6_m7"}
