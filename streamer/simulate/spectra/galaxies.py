"""Light of galaxies: starlight with its break and bands, and the lines of their gas."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.spectra.grid import Line, absorption, black_body, emission

_METALS: tuple[tuple[float, float], ...] = (
    *((3933.7, 8.0), (3968.5, 7.0), (4226.7, 1.3), (4304.0, 5.5), (4383.0, 4.5), (4668.0, 5.0), (5175.0, 4.5)),
    *((5270.0, 2.8), (5335.0, 2.5), (5892.0, 4.0), (6495.0, 1.5), (8498.0, 1.5), (8542.1, 3.8), (8662.1, 3.2)),
)
"""Absorption of an old galaxy [angstrom]: indices of Trager et al. 1998 (ApJS 116, 1) and the calcium triplet."""

_BALMER: tuple[tuple[float, float], ...] = ((6562.8, 2.5), (4861.3, 4.5), (4340.5, 5.5), (4101.7, 6.5), (3889.0, 5.0))
"""Absorption of stars of type A [angstrom]."""

_STARS_KMS = 900.0
"""Width of the bands that blend into one index [km / s]."""

GAS_KMS = 300.0
"""Width of the lines of ionised gas [km / s]; far below what R = 100 shows."""


def early(rest_aa: FloatArray, young: float) -> FloatArray:
    """An old galaxy, of which a share `young` of the light is of stars of type A (after a starburst), same shape."""
    old = black_body(rest_aa, 4_400.0) * _break(rest_aa, 1.85)
    old = absorption(old, rest_aa, [(centre, width, _STARS_KMS) for centre, width in _METALS])
    hot = black_body(rest_aa, 9_000.0) * _break(rest_aa, 1.35)
    hot = absorption(hot, rest_aa, [(centre, width, _STARS_KMS) for centre, width in _BALMER])
    return (1.0 - young) * old + young * hot


def late(rng: np.random.Generator, rest_aa: FloatArray, is_dwarf: bool) -> FloatArray:
    """A galaxy that forms stars, or a metal-poor dwarf that does so fast, same shape.

    Equivalent widths of H alpha of 25 angstrom, in dwarfs 120 (Kennicutt 1992, ApJ 388, 310; Perley et al. 2016, ApJ
    830, 13); line ratios along the sequence of Kewley et al. 2013 (ApJ 774, 100).
    """
    hot_k, young = (15_000.0, 0.7) if is_dwarf else (10_000.0, 0.4)
    stars = (1.0 - young) * black_body(rest_aa, 5_000.0) * _break(rest_aa, 1.4) + young * black_body(rest_aa, hot_k)
    stars = absorption(stars, rest_aa, [(c, (1.0 - young) * w, _STARS_KMS) for c, w in _METALS])
    stars = absorption(stars, rest_aa, [(c, 0.5 * w, _STARS_KMS) for c, w in _BALMER])
    alpha = rng.lognormal(np.log(120.0 if is_dwarf else 25.0), 0.5)
    excitation = rng.lognormal(np.log(4.0 if is_dwarf else 0.7), 0.3)
    nitrogen = 0.05 if is_dwarf else 0.35
    return emission(stars, rest_aa, nebular(alpha, 0.25 * alpha, excitation, nitrogen))


def nebular(alpha_aa: float, beta_aa: float, excitation: float, nitrogen: float) -> list[Line]:
    """Lines of gas by the widths of H alpha and H beta [angstrom], [O III] 5007 / H beta and [N II] 6583 / H alpha."""
    return [
        (6562.8, alpha_aa, GAS_KMS),
        (6583.4, nitrogen * alpha_aa, GAS_KMS),
        (6548.0, nitrogen * alpha_aa / 3.0, GAS_KMS),
        (6716.4, 0.18 * alpha_aa, GAS_KMS),
        (6730.8, 0.14 * alpha_aa, GAS_KMS),
        (4861.3, beta_aa, GAS_KMS),
        (4340.5, 0.42 * beta_aa, GAS_KMS),
        (5006.8, excitation * beta_aa, GAS_KMS),
        (4958.9, excitation * beta_aa / 2.98, GAS_KMS),
        (3727.4, 2.2 * beta_aa, GAS_KMS),
    ]


def _break(rest_aa: FloatArray, strength: float) -> FloatArray:
    """The break at 4,000 angstrom, by the ratio of the light redward and blueward (Balogh et al. 1999, ApJ 527, 54)."""
    step: FloatArray = 1.0 / (1.0 + (strength - 1.0) / (1.0 + np.exp((rest_aa - 3_970.0) / 40.0)))
    return step
