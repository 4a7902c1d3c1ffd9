"""Stars of our Galaxy: what pulsates, eclipses, flares and erupts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.spectra.grid import LIGHT_KMS, Line, absorption, black_body, emission

_BALMER: tuple[tuple[float, float], ...] = (
    (6562.8, 0.75),
    (4861.3, 0.95),
    (4340.5, 1.0),
    (4101.7, 1.0),
    (3970.1, 0.9),
    (3889.1, 0.8),
)
"""Wavelength [angstrom], and absorption over that of H gamma, in a star of type A or F (Jaschek & Jaschek 1987)."""

_METALS: tuple[tuple[float, float], ...] = (
    *((3933.7, 12.0), (3968.5, 10.0), (4226.7, 3.0), (4304.0, 7.0), (4383.0, 3.0), (5175.0, 6.0), (5270.0, 2.5)),
    *((5892.0, 4.0), (8498.0, 1.4), (8542.1, 3.4), (8662.1, 2.8)),
)
"""Absorption of a star of type K [angstrom]."""

_TIO: tuple[tuple[float, float], ...] = (
    *((4761.0, 0.7), (4954.0, 0.9), (5167.0, 1.1), (5448.0, 0.9), (5847.0, 0.7), (6158.0, 1.0), (6651.0, 0.8)),
    *((7053.0, 1.3), (7589.0, 1.0), (8432.0, 0.7), (8859.0, 0.6)),
)
"""Heads of the bands of titanium oxide [angstrom], and their strengths; each fades to the red (Kirkpatrick, Henry &
McCarthy 1991, ApJS 77, 417)."""

_BAND_AA = 130.0
"""E-folding of a band redward of its head [angstrom]."""


@dataclass(frozen=True, slots=True)
class Star:
    """A photosphere with lines, hot gas before it where there are emission lines."""

    temperature_k: float
    lines: tuple[Line, ...] = ()
    """In emission."""
    titanium_oxide: float = 0.0
    """Optical depth of the bands."""

    def spectrum(self, rest_aa: FloatArray) -> FloatArray:
        """Flux density by wavelength, any scale, same shape."""
        t = self.temperature_k
        hydrogen = 1.0 + 13.0 * np.exp(-0.5 * ((t - 9_300.0) / 1_900.0) ** 2)
        metals = float(np.clip((7_800.0 - t) / 3_300.0, 0.0, 1.2))
        flux = absorption(black_body(rest_aa, t), rest_aa, [(c, hydrogen * w, 1_800.0) for c, w in _BALMER])
        flux = absorption(flux, rest_aa, [(c, metals * w, 900.0) for c, w in _METALS])
        # The Balmer jump of a hot photosphere.
        flux = flux * np.where(rest_aa < 3_700.0, 1.0 - 0.035 * hydrogen, 1.0)
        for head, strength in _TIO if self.titanium_oxide else ():
            band = np.where(rest_aa >= head, np.exp(-(rest_aa - head) / _BAND_AA), 0.0)
            flux = flux * np.exp(-self.titanium_oxide * strength * band)
        return emission(flux, rest_aa, self.lines)


@dataclass(frozen=True, slots=True)
class Disc:
    """An accretion disc: a power law, with lines in absorption when it is thick and in emission when it is thin."""

    slope: float
    absorbed: tuple[Line, ...]
    lines: tuple[Line, ...]

    def spectrum(self, rest_aa: FloatArray) -> FloatArray:
        """Flux density by wavelength, any scale, same shape."""
        continuum = (rest_aa / 5_500.0) ** self.slope
        return emission(absorption(continuum, rest_aa, self.absorbed), rest_aa, self.lines)


def rr_lyrae(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Star:
    """Types A to F by their pulsation, 6,100 to 7,400 K (Smith 1995, RR Lyrae Stars)."""
    return Star(rng.uniform(6_100.0, 7_400.0))


def contact_binary(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Star:
    """Types F to K: cooler where the period is short (Rucinski & Pribulla 2008, MNRAS 388, 1831)."""
    period = parameters.get("period_d", 0.36)
    return Star(float(np.clip(5_700.0 + 6_500.0 * (period - 0.36) + rng.normal(0.0, 250.0), 4_300.0, 7_500.0)))


def detached_binary(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Star:
    """Types A to G."""
    return Star(rng.uniform(5_500.0, 10_500.0))


def long_period(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Star:
    """A giant of type M: deep bands; what pulsates much shows Balmer emission from its shocks."""
    strong = parameters.get("amplitude_mag", 0.8) > 2.0
    lines: tuple[Line, ...] = ((4101.7, 15.0, 300.0), (4340.5, 10.0, 300.0), (6562.8, 3.0, 300.0)) if strong else ()
    return Star(rng.normal(3_100.0, 150.0), lines, rng.uniform(0.7, 1.6))


def m_dwarf(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Star:
    """The star of a flare, quiet again: type M, with the Balmer emission of an active chromosphere (West et al. 2011,
    AJ 141, 97).
    """
    alpha = rng.lognormal(np.log(4.0), 0.5)
    lines = ((6562.8, alpha, 150.0), (4861.3, 1.2 * alpha, 150.0), (4340.5, 1.3 * alpha, 150.0), (3933.7, 8.0, 150.0))
    return Star(rng.normal(3_250.0, 120.0), lines, rng.uniform(0.5, 1.0))


def cataclysmic(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Disc:
    """A dwarf nova, `outburst` 0 in quiet to 1 at maximum.

    The disc's f ~ lambda^(-7/3) (Lynden-Bell 1969, Nature 223, 690), steeper by its hot middle, and broad Balmer
    absorption with weak cores in outburst; strong double-peaked Balmer and helium emission of 500 to 800 km/s to
    either side in quiet (Warner 1995, chapters 2 and 3).
    """
    outburst = parameters.get("outburst", 1.0)
    apart, strength = rng.uniform(500.0, 800.0), rng.lognormal(np.log(75.0), 0.5)
    emitted = strength * (0.05 + 0.95 * (1.0 - outburst) ** 1.5)
    shares = (
        *((6562.8, 1.0), (4861.3, 0.75), (4340.5, 0.6), (4101.7, 0.45), (3970.1, 0.35)),
        *((5875.6, 0.3), (6678.2, 0.13), (4471.5, 0.13), (4685.7, 0.12 + 0.25 * outburst)),
    )
    lines = [
        (centre * (1.0 + side * apart / LIGHT_KMS), 0.5 * share * emitted, 800.0)
        for centre, share in shares
        for side in (-1.0, 1.0)
    ]
    wide = 11.0 * outburst
    absorbed = tuple((c, wide * w, 3_000.0) for c, w in _BALMER if c != 6562.8)
    return Disc(-7.0 / 3.0 * (0.75 + 0.35 * outburst) + rng.normal(0.0, 0.25), absorbed, tuple(lines))
