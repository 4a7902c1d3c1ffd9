"""Nuclei of galaxies: what accretes for good, and stars that were torn apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.spectra.galaxies import nebular
from streamer.simulate.spectra.grid import Line, black_body, emission

_BROAD: tuple[tuple[float, float, float], ...] = (
    *((1215.7, 93.0, 1.0), (1549.0, 24.0, 1.0), (1909.0, 21.0, 1.3), (2798.0, 32.0, 1.0), (3200.0, 25.0, 9.0)),
    *((4101.7, 5.0, 1.0), (4340.5, 12.6, 1.0), (4570.0, 19.0, 3.5), (4861.3, 46.0, 1.0), (5250.0, 16.0, 4.5)),
    *((5876.0, 5.0, 1.1), (6562.8, 195.0, 0.9)),
)
"""Lines of quasars: wavelength, equivalent width [angstrom], width over that of H beta; Fe II as broad humps (Vanden
Berk et al. 2001, AJ 122, 549, table 2)."""

_SLOPE = -1.56
"""Of the power law by wavelength (Vanden Berk et al. 2001)."""


@dataclass(frozen=True, slots=True)
class Nucleus:
    """A smooth continuum with lines of any width."""

    temperature_k: float | None
    """Of a black body; None for the power law of a quasar."""
    slope: float
    """Of that power law, by wavelength."""
    lines: tuple[Line, ...]

    def spectrum(self, rest_aa: FloatArray) -> FloatArray:
        """Flux density by wavelength, any scale, same shape; blueward of Lyman alpha as the forest leaves it."""
        if self.temperature_k is not None:
            return emission(black_body(rest_aa, self.temperature_k), rest_aa, self.lines)
        flux = emission((rest_aa / 5_500.0) ** self.slope, rest_aa, self.lines)
        return np.where(rest_aa < 1_215.7, 0.65 * flux, flux)


def agn(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Nucleus:
    """A quasar or Seyfert 1: H beta of 2,000 to 10,000 km/s; strong [O III] goes with weak Fe II (Boroson & Green 1992,
    ApJS 80, 109).
    """
    fwhm = float(np.clip(rng.lognormal(np.log(4_000.0), 0.4), 1_500.0, 12_000.0))
    strength = rng.lognormal(0.0, 0.25)
    iron = rng.lognormal(0.0, 0.5)
    humps = (3200.0, 4570.0, 5250.0)
    broad = [(c, w * strength * (iron if c in humps else 1.0), f * fwhm) for c, w, f in _BROAD]
    narrow = nebular(6.0, 2.5, rng.lognormal(np.log(7.0 / iron), 0.4), 1.0)
    return Nucleus(None, rng.normal(_SLOPE, 0.3), tuple(broad + narrow))


def tde(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Nucleus:
    """A tidal disruption, `days` after maximum: hydrogen, hydrogen and helium, or helium alone, in the shares of van
    Velzen et al. 2021 (ApJ 908, 4); 15,000 km/s wide at maximum and narrower later (Charalampopoulos et al. 2022, A&A
    659, A34).
    """
    kind = rng.choice(3, p=(0.42, 0.45, 0.13))
    fwhm = rng.lognormal(np.log(15_000.0), 0.25) * float(np.interp(days, (0.0, 100.0), (1.0, 0.6)))
    grown = rng.lognormal(0.0, 0.35) * float(np.interp(days, (-20.0, 20.0, 80.0), (0.5, 1.0, 1.6)))
    hydrogen: list[Line] = [
        (6562.8, 75.0 * grown, fwhm),
        (4861.3, 18.0 * grown, 0.9 * fwhm),
        (4340.5, 8.0 * grown, 0.9 * fwhm),
    ]
    helium: list[Line] = [
        (4686.0, 40.0 * grown, fwhm),
        (4640.0, 20.0 * grown, 0.7 * fwhm),
        (5875.6, 12.0 * grown, fwhm),
    ]
    lines = (hydrogen, hydrogen + helium, helium)[kind]
    return Nucleus(parameters.get("temperature_k", 20_000.0), 0.0, tuple(lines))
