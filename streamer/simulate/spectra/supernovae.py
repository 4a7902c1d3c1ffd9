"""Supernovae: a black body that cools, under the P-Cygni lines of their ions.

Velocities and temperatures are published means; optical depths were set so that lines are as deep as reviews show them
(Filippenko 1997, ARA&A 35, 309; Gal-Yam 2017, Handbook of Supernovae, 195).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.sky import light_curves as lc
from streamer.simulate.spectra.grid import LIGHT_KMS, Line, black_body, emission, gaussians, lorentzian
from streamer.simulate.spectra.p_cygni import profile

IONS: Mapping[str, tuple[tuple[float, float], ...]] = {
    "H": ((6562.8, 1.0), (4861.3, 0.75), (4340.5, 0.5), (4101.7, 0.35)),
    "He I": ((5875.6, 1.0), (6678.2, 0.45), (7065.2, 0.5), (4471.5, 0.45), (5015.7, 0.35)),
    "C II": ((6580.0, 1.0), (7234.0, 0.6)),
    "O I": ((7774.0, 1.0), (8446.0, 0.2)),
    "O II": ((4650.7, 1.0), (4357.9, 1.0), (4115.2, 0.9), (3959.3, 0.8), (3737.6, 0.7)),
    "Na I": ((5892.0, 1.0),),
    "Mg II": ((4481.2, 1.0), (7887.0, 0.25)),
    "Si II": ((6347.1, 1.0), (6371.4, 0.6), (4129.0, 0.35), (5051.0, 0.3), (3858.0, 0.5)),
    "Si II 5972": ((5957.6, 0.7), (5979.0, 1.0)),
    "Si III": ((4560.0, 1.0), (5740.0, 0.3)),
    "S II": ((5454.0, 1.0), (5432.0, 0.6), (5640.0, 1.0), (5606.0, 0.6)),
    "Ca II": ((3933.7, 1.0), (3968.5, 0.6)),
    "Ca II infrared": ((8542.1, 1.0), (8662.1, 0.7), (8498.0, 0.25)),
    "Ti II": ((4300.0, 0.8), (4395.0, 1.0), (4444.0, 0.9), (4468.5, 0.9), (4172.0, 0.6), (4549.6, 0.6)),
    "Fe II": (
        (5169.0, 1.0),
        (5018.4, 0.75),
        (4923.9, 0.6),
        (4583.8, 0.6),
        (4549.5, 0.55),
        (4233.2, 0.4),
        (5316.6, 0.5),
    ),
    "Fe III": ((4404.0, 0.9), (4419.6, 0.9), (5129.0, 1.0), (5156.1, 1.0)),
    "Co II": ((4161.0, 0.8), (4660.0, 0.5), (4569.0, 0.6)),
}
"""Lines of each ion: rest wavelength in air [angstrom], and optical depth over that of the ion (NIST; blends of O II as
in Quimby et al. 2018, ApJ 855, 2)."""

Track = tuple[tuple[float, float], ...]
"""(days, value) between which a quantity runs straight; constant before the first and after the last."""


@dataclass(frozen=True, slots=True)
class Atmosphere:
    """A supernova at one time."""

    temperature_k: float
    velocity_kms: float
    """Of the photosphere."""
    depth: Mapping[str, float]
    """Optical depth of ions of `IONS` at the photosphere."""
    faster: Mapping[str, float]
    """Ions whose lines form further out, and by what factor."""
    falling: float
    """E-folding of the optical depth [velocities of the photosphere]."""
    blanketing: float
    """Share of the near ultraviolet that iron-group lines take."""
    lines: tuple[Line, ...] = ()
    """Net emission over the scattered light."""
    red_fall: float = 0.0
    """Power of wavelength by which it falls below a black body redward of 6,500 angstrom, where little scatters."""

    def spectrum(self, rest_aa: FloatArray) -> FloatArray:
        """Flux density by wavelength, any scale, same shape."""
        flux = black_body(rest_aa, self.temperature_k) * lc.blanketing(rest_aa, self.blanketing)
        flux = flux * np.maximum(rest_aa / 6_500.0, 1.0) ** -self.red_fall
        for ion, depth in self.depth.items():
            velocity = self.velocity_kms * self.faster.get(ion, 1.0)
            for centre, weight in IONS[ion]:
                if depth * weight > 0.01:
                    flux = flux * profile(rest_aa, centre, depth * weight, velocity, self.falling)
        return emission(flux, rest_aa, self.lines)


_IA: Mapping[str, Track] = {
    "Si II": ((-15.0, 0.6), (-5.0, 1.1), (0.0, 1.5), (10.0, 1.5), (22.0, 0.5), (35.0, 0.1)),
    "Si II 5972": ((-10.0, 0.2), (0.0, 0.35), (10.0, 0.5), (22.0, 0.2), (30.0, 0.0)),
    "Si III": ((-15.0, 0.6), (-5.0, 0.35), (3.0, 0.0)),
    "S II": ((-12.0, 0.15), (-3.0, 0.45), (3.0, 0.45), (10.0, 0.2), (16.0, 0.0)),
    "Ca II": ((-12.0, 4.0), (0.0, 3.0), (15.0, 8.0), (40.0, 15.0)),
    "Ca II infrared": ((-12.0, 1.4), (0.0, 1.0), (10.0, 2.2), (25.0, 6.0), (60.0, 6.0)),
    "O I": ((-10.0, 0.3), (0.0, 0.5), (10.0, 0.5), (25.0, 0.1)),
    "Mg II": ((-12.0, 0.9), (0.0, 0.9), (10.0, 0.4), (20.0, 0.0)),
    "Fe II": ((-12.0, 0.2), (0.0, 0.5), (10.0, 1.4), (20.0, 2.6), (60.0, 3.5)),
    "Fe III": ((-15.0, 0.8), (0.0, 0.35), (6.0, 0.0)),
    "Co II": ((0.0, 0.0), (10.0, 0.8), (25.0, 1.8), (60.0, 1.2)),
    "Na I": ((8.0, 0.0), (20.0, 0.5), (35.0, 1.2), (60.0, 1.6)),
}

_IB: Mapping[str, Track] = {
    "He I": ((-12.0, 0.6), (0.0, 1.4), (12.0, 2.6), (30.0, 3.0), (60.0, 1.5)),
    "Ca II": ((-10.0, 5.0), (30.0, 12.0)),
    "Ca II infrared": ((-10.0, 0.6), (5.0, 1.5), (30.0, 5.0)),
    "Fe II": ((-10.0, 0.7), (0.0, 1.3), (20.0, 2.3), (60.0, 2.0)),
    "O I": ((-5.0, 0.3), (15.0, 0.8), (40.0, 1.5)),
    "Si II": ((-10.0, 0.3), (5.0, 0.15), (15.0, 0.0)),
}

_IC: Mapping[str, Track] = {
    "O I": ((-10.0, 0.8), (0.0, 1.8), (20.0, 2.5)),
    "Ca II": ((-10.0, 6.0), (30.0, 12.0)),
    "Ca II infrared": ((-10.0, 1.2), (5.0, 2.5), (30.0, 6.0)),
    "Fe II": ((-10.0, 0.7), (0.0, 1.5), (20.0, 2.4), (60.0, 2.0)),
    "Si II": ((-10.0, 0.8), (5.0, 0.6), (20.0, 0.1)),
    "Na I": ((-5.0, 0.4), (10.0, 1.0), (40.0, 1.8)),
    "Mg II": ((-10.0, 0.6), (10.0, 0.6), (25.0, 0.0)),
    "C II": ((-10.0, 0.25), (5.0, 0.1), (15.0, 0.0)),
}

_IIB: Mapping[str, Track] = {
    **_IB,
    "H": ((-12.0, 3.0), (0.0, 2.2), (15.0, 0.9), (40.0, 0.3)),
    "He I": ((-12.0, 0.3), (0.0, 0.8), (15.0, 1.8), (40.0, 2.0)),
}

_IIP: Mapping[str, Track] = {
    "H": ((1.0, 0.15), (8.0, 1.2), (20.0, 4.0), (50.0, 6.0), (120.0, 5.0)),
    "He I": ((1.0, 0.1), (6.0, 0.5), (15.0, 0.2), (22.0, 0.0)),
    "Fe II": ((10.0, 0.0), (20.0, 0.8), (50.0, 2.5), (100.0, 3.5)),
    "Ca II": ((6.0, 0.5), (20.0, 6.0), (60.0, 12.0)),
    "Ca II infrared": ((12.0, 0.0), (30.0, 1.8), (60.0, 4.0), (100.0, 6.0)),
    "Na I": ((25.0, 0.0), (50.0, 0.9), (100.0, 1.8)),
    "O I": ((25.0, 0.0), (60.0, 0.35), (100.0, 0.5)),
    "Ti II": ((18.0, 0.0), (50.0, 0.5), (100.0, 0.8)),
}

_SLSN_HOT: Mapping[str, float] = {"O II": 0.75, "C II": 0.15, "Ca II": 0.5}
_SLSN_COOL: Mapping[str, float] = {
    "O I": 1.2,
    "Ca II": 5.0,
    "Ca II infrared": 1.2,
    "Fe II": 2.2,
    "Mg II": 0.8,
    "Si II": 0.5,
}


def sn_ia(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Atmosphere:
    """Type Ia, `days` after maximum in its rest frame.

    Si II slows as Foley, Sanders & Kirshner 2011 (ApJ 742, 89) have it: v = v0 (1 - 0.0322 t) - 0.285 t in 1,000 km/s.
    What fades fast is cooler, with Ti II and a strong 5972 line (SN 1991bg); what fades slowly is hotter, with Fe III
    in place of Si II before maximum (SN 1991T); Branch et al. 2006 (PASP 118, 560).
    """
    stretch = parameters.get("stretch", 1.0)
    days = days / max(stretch, 0.6)
    at_maximum = -rng.normal(11.4, 1.0)
    t = float(np.clip(days, -14.0, 18.0))
    velocity = float(np.clip(-(at_maximum * (1.0 - 0.0322 * t) - 0.285 * t), 7.5, 17.0)) * 1e3
    cool, hot = float(np.clip((0.88 - stretch) / 0.12, 0.0, 1.0)), float(np.clip((stretch - 1.05) / 0.1, 0.0, 1.0))
    early = float(np.clip((4.0 - days) / 8.0, 0.0, 1.0))
    depth = _at(_IA, days)
    depth["Si II"] *= 1.0 - 0.85 * hot * early
    depth["S II"] *= (1.0 - 0.85 * hot * early) * (1.0 - 0.6 * cool)
    depth["Ca II"] *= 1.0 - 0.8 * hot * early
    depth["Ca II infrared"] *= 1.0 - 0.8 * hot * early
    depth["Fe III"] *= 1.0 + 1.2 * hot - 0.9 * cool
    depth["Si II 5972"] *= 1.0 + 2.0 * cool - 0.8 * hot
    depth["O I"] *= 1.0 + 2.0 * cool
    depth["Ti II"] = 1.8 * cool
    warm = 1.0 + 0.15 * hot - 0.22 * cool
    temperature = warm * (5_600.0 + 7_400.0 / (1.0 + np.exp((days - 5.0) / 6.0)))
    blanketing = float(np.interp(days, (-10.0, 5.0, 25.0), (0.2, 0.4, 0.7)))
    # The second maximum in the near infrared fills the gap (Kasen 2006, ApJ 649, 939).
    red_fall = float(np.interp(days, (8.0, 25.0), (0.9, 0.0)))
    faster = {"Ca II": 1.15, "Ca II infrared": 1.1}
    return Atmosphere(temperature, velocity, depth, faster, 0.22, blanketing, red_fall=red_fall)


def sn_ib(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Atmosphere:
    """Type Ib, `days` after maximum: He I at 10,000 km/s then (Liu et al. 2016, ApJ 827, 90)."""
    return _stripped(rng, days, parameters, _IB, 10_000.0, 0.5)


def sn_ic(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Atmosphere:
    """Type Ic, `days` after maximum: O I, Ca II and Fe II, no helium, at 11,000 km/s then (Modjaz et al. 2016, ApJ 832,
    108).
    """
    return _stripped(rng, days, parameters, _IC, 11_000.0, 0.5)


def sn_iib(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Atmosphere:
    """Type IIb, `days` after maximum: hydrogen that gives way to helium (Liu et al. 2016)."""
    return _stripped(rng, days, parameters, _IIB, 9_500.0, 0.45)


def _stripped(
    rng: np.random.Generator,
    days: float,
    parameters: Mapping[str, float],
    ions: Mapping[str, Track],
    at_maximum_kms: float,
    blanketing: float,
) -> Atmosphere:
    days = days / parameters.get("stretch", 1.0)
    velocity = rng.normal(at_maximum_kms, 1_200.0) * float(np.clip(1.0 - 0.010 * days, 0.55, 1.3))
    temperature = 4_900.0 + 4_800.0 / (1.0 + np.exp((days - 3.0) / 5.0))
    depth = {ion: value * rng.lognormal(0.0, 0.25) for ion, value in _at(ions, days).items()}
    hydrogen = depth.get("H", 0.0)
    lines: tuple[Line, ...] = ((6562.8, 12.0 * hydrogen, 1.3 * velocity),) if hydrogen else ()
    return Atmosphere(temperature, velocity, depth, {"H": 1.3}, 0.3, blanketing, lines, 0.4)


def sn_ii(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Atmosphere:
    """Type IIP and IIL, `days` after explosion.

    Fe II at 3,700 km/s after 50 days, slowing as t^-0.58 (Faran et al. 2014, MNRAS 442, 844); hydrogen 1.5 times as
    fast, its emission growing and its peak blueshifted at first (Gutierrez et al. 2017, ApJ 850, 89; Anderson et al.
    2014, MNRAS 441, 671); what declines fast absorbs less.
    """
    days = max(days, 1.0)
    decline = parameters.get("decline_mag_100d", 1.3)
    velocity = float(np.clip(rng.normal(3_700.0, 600.0) * (days / 50.0) ** -0.58, 2_000.0, 14_000.0))
    temperature = 5_700.0 + 13_000.0 * np.exp(-days / 10.0)
    depth = _at(_IIP, days)
    depth["H"] *= float(np.clip(1.2 - 0.25 * decline, 0.2, 1.4))
    grown = float(np.interp(days, (2.0, 15.0, 40.0, 90.0), (6.0, 32.0, 70.0, 110.0))) * rng.lognormal(0.0, 0.2)
    shifted = 6562.8 * (1.0 - 0.3 * velocity / LIGHT_KMS * np.exp(-days / 35.0))
    lines = ((shifted, grown, 2.0 * velocity), (4861.3, 0.12 * grown, 2.0 * velocity))
    blanketing = float(np.interp(days, (5.0, 25.0, 60.0), (0.0, 0.25, 0.6)))
    return Atmosphere(temperature, velocity, depth, {"H": 1.5, "He I": 1.3}, 0.35, blanketing, lines, 0.4)


@dataclass(frozen=True, slots=True)
class Interacting:
    """Type IIn: a black body with Balmer lines whose photons electrons have scattered, narrow cores on broad feet."""

    temperature_k: float
    width_aa: float
    """Equivalent width of H alpha."""
    fwhm_kms: float

    def spectrum(self, rest_aa: FloatArray) -> FloatArray:
        """Flux density by wavelength, any scale, same shape."""
        lines = np.zeros_like(rest_aa)
        for centre, share in ((6562.8, 1.0), (4861.3, 0.28), (4340.5, 0.12), (4101.7, 0.06), (5875.6, 0.08)):
            lines += lorentzian(rest_aa, centre, share * self.width_aa, self.fwhm_kms)
        feet = gaussians(rest_aa, ((6562.8, 0.3 * self.width_aa, 6.0 * self.fwhm_kms),))
        return black_body(rest_aa, self.temperature_k) * lc.blanketing(rest_aa, 0.2) * (1.0 + lines + feet)


def sn_iin(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Interacting:
    """Type IIn, `days` after maximum: lines of 1,000 to 3,000 km/s that grow over the continuum (Taddia et al. 2013,
    A&A 555, A10).
    """
    temperature = 6_800.0 + 6_500.0 * np.exp(-max(days + 20.0, 0.0) / 40.0)
    width = rng.lognormal(np.log(45.0), 0.5) * float(np.interp(days, (-20.0, 0.0, 60.0, 120.0), (0.7, 1.0, 2.5, 4.0)))
    return Interacting(temperature, width, rng.lognormal(np.log(1_500.0), 0.4))


def slsn_i(rng: np.random.Generator, days: float, parameters: Mapping[str, float]) -> Atmosphere:
    """Type I superluminous, `days` after explosion: O II while above 11,000 K, then as a type Ic (Quimby et al. 2018,
    ApJ 855, 2); 10,400 +- 1,800 km/s (Liu, Modjaz & Bianco 2017, ApJ 845, 85).
    """
    temperature = 6_500.0 + 10_500.0 * np.exp(-max(days - 10.0, 0.0) / parameters.get("diffusion_d", 36.0))
    hot = float(np.clip((temperature - 9_000.0) / 3_000.0, 0.0, 1.0))
    depth = {ion: value * hot for ion, value in _SLSN_HOT.items()}
    for ion, value in _SLSN_COOL.items():
        depth[ion] = depth.get(ion, 0.0) + value * (1.0 - hot)
    velocity = float(np.clip(rng.normal(10_400.0, 1_500.0), 7_000.0, 15_000.0))
    return Atmosphere(temperature, velocity, depth, {}, 0.3, 0.4 + 0.3 * (1.0 - hot))


def _at(tracks: Mapping[str, Track], days: float) -> dict[str, float]:
    """The value of each track at a time."""
    return {
        name: float(np.interp(days, [t for t, _ in track], [v for _, v in track])) for name, track in tracks.items()
    }
