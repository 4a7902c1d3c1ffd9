"""Random changes of spectra while training, on the arrays that serve. Serving never uses them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifiers.features.spectra import FEATURE_RANGE, GRID_AA, GRID_STEP, SPECTRUM_CHANNELS
from schemas.light_curve import Float32Array, FloatArray

FEATURE, CONTINUUM, NOISE, MASK, REST_FRAME = range(len(SPECTRUM_CHANNELS))

SHIFT_BINS: tuple[float, float] = (0.8, 0.4)
"""Scatter of the shifts along the grid [bins], in the observer's frame and in the rest frame: errors of the wavelengths
and of the redshift. A larger one would move the lines of what is in the Galaxy from where they always are."""

DILUTED, MOST_DILUTED = 0.4, 0.6
"""Share of the spectra that lie on the smooth light of a host, and its largest share of the light."""

HOST_LINES_AA: FloatArray = np.array([3727.0, 4861.0, 4959.0, 5007.0, 6570.0, 6725.0])
"""Lines of a galaxy's gas at SEDM's resolution [angstrom]: O II, H beta, O III twice, H alpha with N II, S II."""

HOST_LINES: FloatArray = np.array([0.5, 0.35, 0.25, 0.75, 1.0, 0.3])
"""Their heights over that of H alpha, in the middle; each scatters."""

LINED, LINE_HEIGHT, LINE_SCATTER = 0.3, 0.12, 0.8
"""Share of the spectra given such lines, H alpha's middle height in units of the continuum, and the scatter in ln."""

LINE_SIGMA_BINS = 1.15
"""Width of what is narrow at SEDM's resolution [bins]."""

LINE_REDSHIFT = 0.1
"""Lines in a spectrum of the observer's frame are at a redshift up to this one: where its own are is not known here."""

NOISY, MOST_NOISE = 0.7, 0.2
"""Share of the spectra with noise added, and its largest scatter in units of the continuum."""

CONTINUUM_HIDDEN, NOISE_HIDDEN = 0.2, 0.3
"""Shares of the spectra whose continuum is hidden, and whose noise is as if the variance were not known."""

CUT, MOST_CUT = 0.5, 0.125
"""How often an end of the spectrum is cut, and by how much of the grid at most."""


def changed_spectra(arrays: tuple[Float32Array, ...], rng: np.random.Generator) -> tuple[Float32Array, ...]:
    """Spectra shifted, diluted, reddened, with lines of a host and more noise, with parts hidden and ends cut.

    `arrays` is what `classifiers.features.spectrum_channels` gives: (n, channels, bins) float32.
    """
    channels = _shifted(arrays[0], rng)
    n, _, bins = channels.shape
    place = np.linspace(-1.0, 1.0, bins)
    mask = channels[:, MASK] * _kept(channels[:, MASK] > 0, rng)
    host = rng.uniform(0.0, MOST_DILUTED, (n, 1)) * (rng.random((n, 1)) < DILUTED)
    channels[:, FEATURE] *= 1.0 - np.clip(host * np.exp(rng.normal(0.0, 0.5, (n, 1)) * place), 0.0, 0.8)
    channels[:, FEATURE] += _host_lines(channels[:, REST_FRAME].max(1) > 0, bins, rng)
    channels[:, FEATURE] += _noise(n, bins, rng) * np.exp(rng.normal(0.0, 0.5, (n, 1)) * place)
    channels[:, FEATURE] = np.clip(channels[:, FEATURE], *FEATURE_RANGE)
    channels[:, CONTINUUM] += rng.normal(0.0, 0.25, (n, 1)) * place + rng.normal(0.0, 0.1, (n, 1))
    channels[rng.random(n) < CONTINUUM_HIDDEN, CONTINUUM] = 0.0
    channels[rng.random(n) < NOISE_HIDDEN, NOISE] = 0.0
    return ((channels * mask[:, None, :]).astype(np.float32),)


def _shifted(channels: Float32Array, rng: np.random.Generator) -> FloatArray:
    """Channels moved along the grid, on straight lines between bins; what has no neighbour on the grid is unseen."""
    n, _, bins = channels.shape
    rest = channels[:, REST_FRAME].any(1)
    start = np.arange(bins) - (rng.normal(size=n) * np.where(rest, SHIFT_BINS[1], SHIFT_BINS[0]))[:, None]
    low = np.floor(start).astype(np.int64)
    share = (start - low)[:, None, :]
    sides = [np.take_along_axis(channels, np.clip(low + k, 0, bins - 1)[:, None, :], 2) for k in (0, 1)]
    seen = (sides[0][:, MASK] > 0) & (sides[1][:, MASK] > 0) & (low >= 0) & (low + 1 < bins)
    moved: FloatArray = ((1.0 - share) * sides[0] + share * sides[1]) * seen[:, None, :]
    return moved


def _kept(seen: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """What is left, (n, bins), after cutting the ends of what is seen."""
    n, bins = seen.shape
    cut = (rng.uniform(0.0, MOST_CUT * bins, (2, n, 1)) * (rng.random((2, n, 1)) < CUT)).astype(np.int64)
    first, last = seen.argmax(1)[:, None], bins - seen[:, ::-1].argmax(1)[:, None]
    place = np.arange(bins)
    kept: npt.NDArray[np.bool_] = (place >= first + cut[0]) & (place < last - cut[1])
    return kept


def _host_lines(rest: npt.NDArray[np.bool_], bins: int, rng: np.random.Generator) -> FloatArray:
    """Narrow emission of the host's gas in some of the spectra, (n, bins) in units of the continuum.

    Many supernovae lie before such gas: its H alpha must not make one of type Ib a supernova of type II.
    """
    n = len(rest)
    given = np.flatnonzero(rng.random(n) < LINED)
    redshift = np.where(rest[given], 0.0, rng.uniform(0.0, LINE_REDSHIFT, len(given)))
    height = LINE_HEIGHT * np.exp(LINE_SCATTER * rng.normal(size=(len(given), 1)))
    heights = height * HOST_LINES * np.exp(0.6 * rng.normal(size=(len(given), len(HOST_LINES))))
    centre = np.log(HOST_LINES_AA * (1.0 + redshift)[:, None] / GRID_AA[0]) / GRID_STEP - 0.5
    away = (np.arange(bins) - centre[:, :, None]) / LINE_SIGMA_BINS
    lines = np.zeros((n, bins))
    lines[given] = (heights[:, :, None] * np.exp(-0.5 * away**2)).sum(1)
    return lines


def _noise(n: int, bins: int, rng: np.random.Generator) -> FloatArray:
    """Noise of neighbouring bins that goes together, as that of pixels wider than bins does."""
    white = rng.normal(size=(n, bins + 1))
    scatter = rng.uniform(0.0, MOST_NOISE, (n, 1)) * (rng.random((n, 1)) < NOISY)
    noise: FloatArray = scatter * (white[:, 1:] + white[:, :-1]) / np.sqrt(2.0)
    return noise
