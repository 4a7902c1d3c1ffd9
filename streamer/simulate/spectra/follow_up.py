"""Which objects of a night get a spectrum, when, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from schemas.light_curve import WAVELENGTH_AA as BAND_AA
from schemas.light_curve import FloatArray
from schemas.records import Spectrum
from schemas.surveys.columns import ZERO_POINT_AB_NJY
from streamer.simulate.spectra import galaxies, nuclei, stars, supernovae
from streamer.simulate.spectra.dust import transmission
from streamer.simulate.spectra.grid import GRID_AA, LIGHT_KMS
from streamer.simulate.spectra.spectrograph import FLUX_UNIT, SPECTROGRAPHS, WAVELENGTH_AA, observe
from streamer.simulate.truth import ObjectTruth, Truth

PUBLISHED_BY = "streamer simulate"
"""Who says so."""

DELAY_DAYS, DELAY_SCATTER, LONGEST_DAYS = 2.5, 0.6, 12.0
"""From the alert to its spectrum [d]: median, scatter in ln, and the longest wait."""

COMPLETENESS_MAG = 0.35
"""How softly the magnitude limit cuts [mag]."""

_CLOSE_DAYS = 6.0
"""Photometry so near in time gives the spectrum its colour [d]."""

_BAND_WIDTH = 0.09
"""Half of a band's width in ln(wavelength)."""

_SEED_KEY = 3


class Emitter(Protocol):
    """What shines."""

    def spectrum(self, rest_aa: FloatArray) -> FloatArray:
        """Flux density by wavelength, any scale, same shape."""
        ...


Make = Callable[[np.random.Generator, float, Mapping[str, float]], Emitter]
"""Makes one by (random numbers, rest-frame days since the object's epoch, its parameters)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a type's spectra are made."""

    make: Make
    light: Literal["transient", "all", "still"]
    """What the spectrum is of: the difference flux over some of its host, the whole light, or the quiet star alone."""
    early_host: float = 0.0
    """Chance that the host is an old galaxy."""
    dwarf_host: float = 0.0
    """Chance that it is a metal-poor dwarf."""
    host_left: float = 0.2
    """Share of the host's light under the transient that its extraction leaves, on average."""


KINDS: Mapping[str, Kind] = {
    "SN Ia": Kind(supernovae.sn_ia, "transient", early_host=0.35),
    "SN Ib": Kind(supernovae.sn_ib, "transient", early_host=0.03),
    "SN Ic": Kind(supernovae.sn_ic, "transient", early_host=0.02, dwarf_host=0.1),
    "SN IIb": Kind(supernovae.sn_iib, "transient", early_host=0.03, dwarf_host=0.1),
    "SN IIP": Kind(supernovae.sn_ii, "transient", early_host=0.02, dwarf_host=0.1),
    "SN IIn": Kind(supernovae.sn_iin, "transient", early_host=0.03, dwarf_host=0.2),
    "SLSN-I": Kind(supernovae.slsn_i, "transient", dwarf_host=0.85),
    "TDE": Kind(nuclei.tde, "transient", early_host=0.85, host_left=0.75),
    "AGN": Kind(nuclei.agn, "all", early_host=0.4),
    "CV": Kind(stars.cataclysmic, "all"),
    "RR Lyrae": Kind(stars.rr_lyrae, "all"),
    "EW": Kind(stars.contact_binary, "all"),
    "EA": Kind(stars.detached_binary, "all"),
    "LPV": Kind(stars.long_period, "all"),
    "M flare": Kind(stars.m_dwarf, "still"),
}
"""By fine type. Asteroids and bogus detections get no spectrum."""


def draw_spectra(truth: Truth, fraction: float, seed: int) -> Iterator[Spectrum]:
    """Spectra of this share of the objects that the survey's spectrograph reaches, by time; the seed decides which.

    Each is taken some days after an alert that is bright enough. ValueError where `fraction` is no share.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"the fraction of objects with spectra must be from 0 to 1, not {fraction}")
    drawn = []
    for index, known in enumerate(truth.objects.values()):
        rng = np.random.default_rng([seed, _SEED_KEY, index])
        alert = _trigger(rng, known, fraction) if known.type in KINDS else None
        if alert is not None:
            drawn.append(_taken(rng, known, alert))
    return iter(sorted(drawn, key=lambda spectrum: spectrum.mjd_tai))


def _trigger(rng: np.random.Generator, known: ObjectTruth, fraction: float) -> int | None:
    """The alert that asks for a spectrum; None where nobody does."""
    limit = SPECTROGRAPHS[known.survey].limit_mag
    magnitude = ZERO_POINT_AB_NJY - 2.5 * np.log10(np.maximum(_light_njy(known), 1e-3))
    chance = 1.0 / (1.0 + np.exp((magnitude - limit) / COMPLETENESS_MAG))
    if rng.random() >= fraction * chance.max():
        return None
    return int(np.flatnonzero(chance >= 0.5 * chance.max())[0])


def _light_njy(known: ObjectTruth) -> FloatArray:
    """(alerts,) light that a spectrum would be of [nJy]."""
    true, still = np.array(known.true_njy), np.array(known.still_njy)
    light = KINDS[known.type].light
    return true if light == "transient" else still if light == "still" else true + still


def _taken(rng: np.random.Generator, known: ObjectTruth, alert: int) -> Spectrum:
    """The spectrum of an object some days after one of its alerts."""
    delay = min(rng.lognormal(np.log(DELAY_DAYS), DELAY_SCATTER), LONGEST_DAYS)
    mjd_tai = known.mjd_tai[alert] + delay
    redshift = known.redshift if known.redshift == known.redshift else 0.0
    flux, magnitude = _seen(rng, known, mjd_tai, redshift)
    spectrograph = SPECTROGRAPHS[known.survey]
    measured, variance = observe(rng, spectrograph, flux, magnitude)
    return Spectrum(
        survey=known.survey,
        object_id=known.object_id,
        mjd_tai=mjd_tai,
        instrument=spectrograph.name,
        published_by=PUBLISHED_BY,
        flux_unit=FLUX_UNIT,
        redshift=redshift,
        data_rights="public",
        wavelength_aa=tuple(WAVELENGTH_AA.tolist()),
        flux=tuple(measured.tolist()),
        flux_var=tuple(variance.tolist()),
    )


def _seen(rng: np.random.Generator, known: ObjectTruth, mjd_tai: float, redshift: float) -> tuple[FloatArray, float]:
    """What arrives on `GRID_AA` [erg/s/cm^2/angstrom], scaled and tilted to the photometry of that time; and its
    magnitude.
    """
    kind, parameters = KINDS[known.type], known.parameters
    days = (mjd_tai - parameters.get("epoch_mjd", mjd_tai)) / (1.0 + redshift)
    alerts = _near(known, mjd_tai)
    light = _light_njy(known)[alerts]
    if kind.make is stars.cataclysmic:
        parameters = {**parameters, "outburst": _outburst(known, alerts)}
    rest_aa = GRID_AA / (1.0 + redshift)
    dust = transmission(GRID_AA, parameters.get("ebv_mag", 0.0))
    wavelengths = np.array(BAND_AA[known.survey])[[known.band[i] for i in alerts]]
    source = kind.make(rng, days, parameters).spectrum(rest_aa)
    source *= dust * transmission(rest_aa, max(parameters.get("host_ebv_mag", 0.0), 0.0))
    if known.type == "AGN":
        nucleus = _nucleus_share(parameters, known.still_njy[alerts[0]])
        host = _host(rng, kind, rest_aa) * dust
        anchor = wavelengths[:1]
        source = nucleus * source / _in_bands(source, anchor) + (1.0 - nucleus) * host / _in_bands(host, anchor)
    flux = _scaled(source, wavelengths, light)
    if kind.light == "transient" and known.still_njy[alerts[0]] > 0.0:
        host = _host(rng, kind, rest_aa) * dust
        left = rng.beta(5.0 * kind.host_left, 5.0 * (1.0 - kind.host_left)) * known.still_njy[alerts[0]]
        flux = flux + _scaled(host, wavelengths[:1], np.array([left]))
    return flux, float(ZERO_POINT_AB_NJY - 2.5 * np.log10(max(light[0], 1.0)))


def _near(known: ObjectTruth, mjd_tai: float) -> list[int]:
    """The alert nearest in time of each band, nearest first; those far from the nearest in time are left out."""
    apart = np.where(_light_njy(known) > 0.0, np.abs(np.array(known.mjd_tai) - mjd_tai), np.inf)
    nearest: dict[int, int] = {}
    for index in np.argsort(apart, kind="stable").tolist():
        if apart[index] <= apart.min() + _CLOSE_DAYS:
            nearest.setdefault(known.band[index], index)
    return list(nearest.values())


def _in_bands(flux: FloatArray, wavelengths_aa: FloatArray) -> FloatArray:
    """Mean f_nu in bands about these wavelengths, up to a constant."""
    apart = np.abs(np.log(GRID_AA[:, None] / wavelengths_aa))
    inside = apart < _BAND_WIDTH
    means: FloatArray = ((flux * GRID_AA**2)[:, None] * inside).sum(0) / inside.sum(0)
    return means


def _scaled(flux: FloatArray, wavelengths_aa: FloatArray, njy: FloatArray) -> FloatArray:
    """The spectrum in erg/s/cm^2/angstrom, through the photometry of one band, or of several by a tilt."""
    # 1 nJy is 1e-32 erg/s/cm^2/Hz, and f_lambda = f_nu c / lambda^2.
    ratio = np.log(njy * 1e-32 * LIGHT_KMS * 1e13 / _in_bands(flux, wavelengths_aa))
    if len(njy) == 1:
        scaled: FloatArray = flux * np.exp(ratio[0])
        return scaled
    slope, level = np.polyfit(np.log(wavelengths_aa / 6_000.0), ratio, 1)
    scaled = flux * np.exp(level + float(np.clip(slope, -2.0, 2.0)) * np.log(GRID_AA / 6_000.0))
    return scaled


def _host(rng: np.random.Generator, kind: Kind, rest_aa: FloatArray) -> FloatArray:
    if rng.random() < kind.early_host:
        return galaxies.early(rest_aa, rng.beta(1.0, 4.0))
    return galaxies.late(rng, rest_aa, rng.random() < kind.dwarf_host)


def _nucleus_share(parameters: Mapping[str, float], still_njy: float) -> float:
    """Of the reference image's light, what is the nucleus's and not its galaxy's."""
    mean_mag = parameters.get("mean_mag")
    if mean_mag is None or still_njy <= 0.0:
        return 0.6
    passed = float(transmission(np.array([6_200.0]), parameters.get("ebv_mag", 0.0))[0])
    return float(np.clip(10.0 ** (0.4 * (ZERO_POINT_AB_NJY - mean_mag)) * passed / still_njy, 0.1, 1.0))


def _outburst(known: ObjectTruth, alerts: list[int]) -> float:
    """0 for a cataclysmic variable in quiet, 1 where it outshines its quiet self by 2.5 mag."""
    index = alerts[0]
    still = max(known.still_njy[index], 1e-3)
    return float(np.clip(np.log10(max(1.0 + known.true_njy[index] / still, 1.0)), 0.0, 1.0))
