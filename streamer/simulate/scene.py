"""One field of the simulated sky: its objects, what each exposure measures of them, and which become alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing import NIGHTS, SURVEYS, Exposures, Survey, draw_exposures, start_mjd
from streamer.simulate.populations import GALAXY, NUCLEUS, STAR, Curves, Population, deal, host_colours

BoolArray = npt.NDArray[np.bool_]

DETECTION_SNR = 5.0
"""Both surveys send what stands out of the difference image by 5 sigma."""

BLOCK = 128
"""Objects drawn at a time."""

PACKETS_PER_OBJECT = 8
"""A night takes at least one object for so many packets: short nights show many objects over fewer nights."""

COVERAGE = 0.94
"""Chance that an exposure of the field holds an object (chip gaps, bad pixels)."""

_SURVEY_KEY = {"ztf": 1, "lsst": 2}


@dataclass(slots=True)
class Objects:
    """K objects as columns, (K,) unless said otherwise."""

    kind: IntArray
    """Index into the field's mixture."""
    ra_deg: FloatArray
    dec_deg: FloatArray
    cell: IntArray
    """Readout channel or detector that the object falls on."""
    x_px: FloatArray
    y_px: FloatArray
    redshift: FloatArray
    counterpart_njy: FloatArray
    """(K, 6) point source in the reference image, by band."""
    host_njy: FloatArray
    """(K, 6) galaxy in the reference image, by band; 0 where there is none."""
    host_radius_arcsec: FloatArray
    """Half-light radius."""
    host_offset_arcsec: FloatArray
    """(K, 2) of the galaxy's centre from the object, east and north."""
    motion_arcsec_per_day: FloatArray
    """(K, 2)"""
    epoch_mjd: FloatArray
    artefact: IntArray
    """0 a source, else `populations.DIPOLE`, `COSMIC_RAY` or `BAD_COLUMN`."""
    h_mag: FloatArray
    helio_au: FloatArray
    topo_au: FloatArray
    phase_deg: FloatArray
    neighbour_arcsec: FloatArray
    """Distance of the nearest unrelated star of the catalogues."""
    neighbour_mag: FloatArray
    covered_before: IntArray
    """How often the survey had covered the place before this field's first exposure."""


@dataclass(slots=True)
class Field:
    """One field over `NIGHTS` nights; matrices are (K objects, E exposures)."""

    survey: Survey
    seed: int
    index: int
    mixture: tuple[Population, ...]
    exposures: Exposures
    ra_deg: float
    dec_deg: float
    objects: Objects
    flux_njy: FloatArray
    """Measured difference flux."""
    error_njy: FloatArray
    covered: BoolArray
    detected: BoolArray

    def population(self, k: int) -> Population:
        """The class of object k."""
        return self.mixture[int(self.objects.kind[k])]

    def limit_mag(self) -> FloatArray:
        """(K, E) 5-sigma depth where each object lies."""
        depth: FloatArray = self.exposures.limit_mag[None, :] + cell_depth(self.survey, self.objects.cell)[:, None]
        return depth

    def detections(self) -> tuple[IntArray, IntArray]:
        """(objects, exposures) of all detections, history included, by time."""
        exposure, k = np.nonzero(self.detected.T)
        return k, exposure

    def position_deg(self, k: IntArray, exposure: IntArray) -> tuple[FloatArray, FloatArray]:
        """True right ascension and declination of objects at exposures [deg]."""
        o = self.objects
        days = self.exposures.mjd_tai[exposure] - o.epoch_mjd[k]
        dec = o.dec_deg[k] + o.motion_arcsec_per_day[k, 1] * days / 3600.0
        ra = o.ra_deg[k] + o.motion_arcsec_per_day[k, 0] * days / 3600.0 / np.cos(np.radians(dec))
        return ra % 360.0, dec

    def generator(self, *key: int) -> np.random.Generator:
        """Random numbers of this field, a stream of its own for each key."""
        return np.random.default_rng([self.seed, _SURVEY_KEY[self.survey.name], self.index, *key])


def cell_depth(survey: Survey, cell: IntArray) -> FloatArray:
    """How much deeper than the average a readout channel or detector sees [mag], same shape as `cell`."""
    depth: FloatArray = 0.12 * np.sin(12.9898 * (cell + 1.0) + len(survey.name))
    return depth


def draw_field(survey_name: str, seed: int, index: int, packets: int, mixture: tuple[Population, ...]) -> Field:
    """A field that sends at least `packets` alerts, one object in `PACKETS_PER_OBJECT` or as many as that takes."""
    survey = SURVEYS[survey_name]
    rng = np.random.default_rng([seed, _SURVEY_KEY[survey_name], index])
    first_mjd = start_mjd(seed) + NIGHTS * index
    exposures = draw_exposures(rng, survey, first_mjd)
    ra = float(rng.uniform(0.0, 360.0))
    dec = float(rng.uniform(-20.0, 60.0) if survey_name == "ztf" else rng.uniform(-60.0, 0.0))
    blocks: list[Field] = []
    sent = 0
    while sent < packets or BLOCK * len(blocks) * PACKETS_PER_OBJECT < packets:
        dealt = deal(BLOCK * len(blocks), BLOCK, mixture)
        objects, curves = _draw_objects(rng, survey, exposures, mixture, dealt, ra, dec)
        block = _observe(rng, Field(survey, seed, index, mixture, exposures, ra, dec, objects, *curves))
        blocks.append(block)
        sent += int(block.detected[:, exposures.emitted_from :].sum())
    return _cut(blocks, packets)


def _cut(blocks: list[Field], packets: int) -> Field:
    """One field of the blocks' first objects, as many as it takes to send `packets`."""
    field = blocks[0]
    detected = np.concatenate([block.detected for block in blocks])
    sent = np.cumsum(detected[:, field.exposures.emitted_from :].sum(axis=1))
    keep = max(int(np.searchsorted(sent, packets)) + 1, -(-packets // PACKETS_PER_OBJECT))
    columns = [
        np.concatenate([getattr(block.objects, column.name) for block in blocks])[:keep] for column in fields(Objects)
    ]
    field.objects = Objects(*columns)
    for name in ("flux_njy", "error_njy", "covered", "detected"):
        setattr(field, name, np.concatenate([getattr(block, name) for block in blocks])[:keep])
    return field


def _draw_objects(
    rng: np.random.Generator,
    survey: Survey,
    exposures: Exposures,
    mixture: tuple[Population, ...],
    kind: IntArray,
    ra: float,
    dec: float,
) -> tuple[Objects, tuple[FloatArray, FloatArray, BoolArray, BoolArray]]:
    n = len(kind)
    flux = np.zeros((n, len(exposures)))
    visible = np.ones(flux.shape, dtype=bool)
    o = _empty_objects(n)
    o.kind = kind
    _place(rng, survey, o, ra, dec)
    for which, population in enumerate(mixture):
        members = np.flatnonzero(kind == which)
        if not len(members):
            continue
        curves = population.draw(rng, len(members), survey, exposures)
        flux[members], visible[members] = curves.flux_njy, curves.visible
        _copy(o, members, curves)
        _host(rng, survey, o, members, population.host)
    return o, (flux, np.empty_like(flux), visible, np.empty_like(visible))


def _empty_objects(n: int) -> Objects:
    columns: list[npt.NDArray[np.generic]] = []
    for column in fields(Objects):
        if column.name.endswith("_njy"):
            columns.append(np.zeros((n, len(BANDS))))
        elif column.name in ("host_offset_arcsec", "motion_arcsec_per_day"):
            columns.append(np.zeros((n, 2)))
        else:
            columns.append(np.zeros(n, dtype=np.int64 if column.type == "IntArray" else np.float64))
    return Objects(*columns)  # type: ignore[arg-type]


def _place(rng: np.random.Generator, survey: Survey, o: Objects, ra: float, dec: float) -> None:
    """Strews objects over the cells of the focal plane, at least 60 pixels from a cell's edge."""
    n = len(o.kind)
    side, pixels = (8, 3072) if survey.name == "ztf" else (15, 4000)
    o.cell = rng.integers(survey.cells, size=n)
    o.x_px, o.y_px = rng.uniform(60.0, pixels - 60.0, (2, n))
    scale = survey.pixel_arcsec / 3600.0
    column, row = o.cell % side - side / 2, o.cell // side - side / 2
    o.dec_deg = dec + scale * (row * (pixels + 100.0) + o.y_px)
    o.ra_deg = (ra - scale * (column * (pixels + 100.0) + o.x_px) / np.cos(np.radians(o.dec_deg))) % 360.0
    o.neighbour_arcsec = 3.0 + 12.0 * np.sqrt(rng.random(n))
    o.neighbour_mag = survey.reference_limit_mag - rng.exponential(1.8, n)
    o.covered_before = rng.integers(200, 1500, n)


def _copy(o: Objects, members: IntArray, curves: Curves) -> None:
    o.redshift[members] = curves.redshift
    o.counterpart_njy[members] = curves.counterpart_njy
    o.motion_arcsec_per_day[members] = curves.motion_arcsec_per_day
    o.epoch_mjd[members] = curves.epoch_mjd
    for name, column in curves.extra.items():
        getattr(o, name)[members] = column


def _host(rng: np.random.Generator, survey: Survey, o: Objects, members: IntArray, host: str) -> None:
    """Galaxies of absolute magnitude about -20.5 at the object's redshift, the object within their light."""
    if host not in (GALAXY, NUCLEUS):
        return
    n = len(members)
    z = o.redshift[members]
    # Good to 0.1 mag up to redshift 1: hosts scatter by far more.
    modulus = 43.2 + 5.0 * np.log10(np.maximum(z, 1e-3) * (1.0 + 0.5 * z))
    mag = rng.normal(-20.3, 1.2, n) + modulus
    o.host_njy[members] = flux_from_magnitude(mag[:, None]) * host_colours(rng, n)
    kpc_per_arcsec = 20.0 * z / (1.0 + z)
    radius = rng.lognormal(np.log(3.5), 0.4, n) / np.maximum(kpc_per_arcsec, 0.05)
    o.host_radius_arcsec[members] = radius.clip(0.3, 12.0)
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    distance = rng.gamma(2.0, 0.6, n) * o.host_radius_arcsec[members] if host == GALAXY else rng.normal(0.0, 0.05, n)
    o.host_offset_arcsec[members] = np.column_stack([distance * np.cos(angle), distance * np.sin(angle)])


def _observe(rng: np.random.Generator, field: Field) -> Field:
    """Adds noise to the true fluxes and finds what is detected."""
    o, survey, exposures = field.objects, field.survey, field.exposures
    field.covered &= rng.random(field.covered.shape) < COVERAGE
    sky = flux_from_magnitude(field.limit_mag()) / DETECTION_SNR
    # Light of the host under the point-spread function, as if spread evenly over its half-light radius.
    psf_area = (exposures.seeing_arcsec / 2.355) ** 2 * 4.0 * np.pi
    share = psf_area[None, :] / (psf_area[None, :] + 2.0 * np.pi * o.host_radius_arcsec[:, None] ** 2 + 1e-9)
    light = np.abs(field.flux_njy) + o.counterpart_njy[:, exposures.band] + share * o.host_njy[:, exposures.band]
    field.error_njy = np.sqrt(sky**2 + light * survey.njy_per_electron + (0.01 * field.flux_njy) ** 2)
    field.flux_njy = field.flux_njy + field.error_njy * rng.standard_normal(sky.shape)
    bright_enough = np.abs(field.flux_njy) >= DETECTION_SNR * field.error_njy
    # What never was a source is found only where it was put, not by chance in the noise.
    by_chance = (o.artefact > 0)[:, None] & (np.abs(field.flux_njy) < 5.5 * field.error_njy)
    field.detected = field.covered & bright_enough & ~by_chance
    return field


def chunks(total: int, length: int) -> Iterator[slice]:
    """Slices of at most `length` over `total` rows."""
    for begin in range(0, total, length):
        yield slice(begin, min(begin + length, total))


def lives_on_star(field: Field) -> BoolArray:
    """(K,) whether each object is a star of our Galaxy."""
    return np.array([field.mixture[i].host == STAR for i in field.objects.kind])
