"""One field of the simulated sky: its objects, what each exposure measures of them, and which become alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing.cadence import Exposures, Pointing, draw_exposures, draw_place
from streamer.simulate.observing.surveys import SURVEYS, Survey
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.sky import dust, orbits
from streamer.simulate.sky.asteroids import put_in_orbit
from streamer.simulate.sky.galaxies import draw_hosts
from streamer.simulate.sky.mixture import Dealer
from streamer.simulate.sky.objects import SOURCE, Objects, empty_objects, join
from streamer.simulate.sky.populations import Curves, Population, Window
from streamer.simulate.sky.stars import draw_neighbours

BoolArray = npt.NDArray[np.bool_]

DETECTION_SNR = 5.0
"""Both surveys send what stands out of the difference image by 5 sigma."""

COVERAGE = 0.94
"""Chance that an exposure of the field holds an object (chip gaps, bad pixels)."""

EDGE_PX = 25.0
"""Nothing is found nearer to the edge of a chip; stamps of half a side further away are cropped."""

_MAX_BATCH = 400
"""Candidates drawn at a time, at most, until enough of a class are detected."""

_MAX_BATCHES = 20

_PROBE = 120
"""Candidates of each class that tell which share of it is detected."""

_SURVEY_KEY = {"ztf": 1, "lsst": 2}


@dataclass(slots=True)
class Field:
    """One field over the nights that are sent and its history before; matrices are (K objects, E exposures)."""

    survey: Survey
    seed: int
    index: int
    """Of the field within its seed."""
    mixture: tuple[Population, ...]
    exposures: Exposures
    ra_deg: float
    dec_deg: float
    objects: Objects
    true_njy: FloatArray
    """True difference flux, as it arrives."""
    flux_njy: FloatArray
    """Measured difference flux."""
    noise_njy: FloatArray
    """Noise of that measurement."""
    error_njy: FloatArray
    """Error that the survey quotes for it where it is a detection."""
    covered: BoolArray
    """Whether the exposure holds the object at all."""
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

    def sent(self) -> IntArray:
        """(K,) how many alerts each object sends."""
        count: IntArray = self.detected[:, self.exposures.emitted_from :].sum(axis=1)
        return count

    def position_deg(self, k: IntArray, exposure: IntArray) -> tuple[FloatArray, FloatArray]:
        """True right ascension and declination of objects at exposures [deg]."""
        ra, dec = self.objects.ra_deg[k], self.objects.dec_deg[k]
        moving = np.flatnonzero(self.objects.moving[k])
        if len(moving):
            ra[moving], dec[moving] = orbits.seen_at_deg(self.moved(k[moving], exposure[moving]))
        return ra, dec

    def drawn_motion(self, k: IntArray) -> orbits.Motion:
        """Asteroids `k` (n,) in space, when they are at their drawn places."""
        o = self.objects
        place = (o.ra_deg[k], o.dec_deg[k])
        rate_deg_d = o.motion_arcsec_per_day[k] / 3600.0
        return orbits.seen_motion(o.epoch_mjd[k], place, o.helio_au[k], rate_deg_d, o.receding_au_d[k])

    def moved(self, k: IntArray, exposure: IntArray) -> orbits.Motion:
        """Asteroids `k` in space at exposures, both (n,): as far as their orbits have carried them."""
        return orbits.carried(self.drawn_motion(k), self.objects.epoch_mjd[k], self.exposures.mjd_tai[exposure])

    def packet(self, k: int, exposure: int, alert_id: int, object_id: str, payload: bytes) -> SimulatedPacket:
        """What object k sends at an exposure, with the truth behind it."""
        o, population = self.objects, self.population(k)
        band = int(self.exposures.band[exposure])
        share = psf_share(o.host_radius_arcsec[k], self.exposures.seeing_arcsec[exposure])
        parameters = {name: float(column[k]) for name, column in o.parameters.items()}
        parameters |= {"epoch_mjd": float(o.epoch_mjd[k]), "ebv_mag": float(o.ebv_mag[k])}
        return SimulatedPacket(
            survey=self.survey.name,
            alert_id=alert_id,
            object_id=object_id,
            type=population.type,
            label=population.label,
            redshift=float(o.redshift[k]),
            mjd_tai=float(self.exposures.mjd_tai[exposure]),
            band=BANDS[band],
            true_njy=float(self.true_njy[k, exposure]),
            still_njy=float(o.counterpart_njy[k, band] + share * o.host_njy[k, band]),
            payload=payload,
            parameters={name: value for name, value in parameters.items() if value == value},
        )

    def generator(self, *key: int) -> np.random.Generator:
        """Random numbers of this field, a stream of its own for each key."""
        return np.random.default_rng([self.seed, _SURVEY_KEY[self.survey.name], self.index, *key])

    def take(self, index: IntArray | BoolArray) -> Field:
        """The same field with the objects in `index` alone."""
        matrices = (self.true_njy, self.flux_njy, self.noise_njy, self.error_njy, self.covered, self.detected)
        return Field(
            self.survey,
            self.seed,
            self.index,
            self.mixture,
            self.exposures,
            self.ra_deg,
            self.dec_deg,
            self.objects.take(index),
            *(matrix[index] for matrix in matrices),  # type: ignore[arg-type]
        )


def cell_depth(survey: Survey, cell: IntArray) -> FloatArray:
    """How much deeper than the average a readout channel or detector sees [mag], same shape as `cell`."""
    depth: FloatArray = 0.12 * np.sin(12.9898 * (cell + 1.0) + len(survey.name))
    return depth


def draw_field(survey_name: str, seed: int, pointing: Pointing, packets: int, dealer: Dealer) -> Field:
    """A field that sends at least `packets` alerts, of as many objects as that takes; each object sends one at least.

    The dealer says which class comes next; candidates of a class are drawn until one is detected on a night that is
    sent, so that what is seen is what its light curves and the night's depth let through.
    """
    survey = SURVEYS[survey_name]
    rng = np.random.default_rng([seed, _SURVEY_KEY[survey_name], pointing.index])
    ra, dec = draw_place(rng, survey, pointing)
    exposures = draw_exposures(rng, survey, seed, pointing, ra, dec)
    sky = _Sky(rng, survey, seed, pointing, exposures, ra, dec, dealer)
    if not dealer.is_informed:
        sky.probe()
    parts: list[Field] = []
    sent = 0
    while sent < packets:
        rate = sent / sum(len(part.objects) for part in parts) if parts else 1.5
        count = max(int((packets - sent) / rate), 1)
        kinds = dealer.deal(rng, count, survey, ra, dec, sky.window)
        for kind in np.unique(kinds):
            part = sky.draw_detected(int(kind), int((kinds == kind).sum()))
            if len(part.objects):
                parts.append(part)
                sent += int(part.sent().sum())
    field = _joined(parts)
    # Classes were drawn one after the other: shuffled, so that what is cut off is of any class.
    field = field.take(rng.permutation(len(field.objects)))
    return field.take(np.arange(int(np.searchsorted(np.cumsum(field.sent()), packets)) + 1))


class _Sky:
    """Draws a field's objects class by class."""

    def __init__(
        self,
        rng: np.random.Generator,
        survey: Survey,
        seed: int,
        pointing: Pointing,
        exposures: Exposures,
        ra: float,
        dec: float,
        dealer: Dealer,
    ) -> None:
        self._rng, self._survey, self._exposures, self._dealer = rng, survey, exposures, dealer
        self._mixture = dealer.populations
        self._of_field = (survey, seed, pointing.index, self._mixture, exposures, ra, dec)
        self._ra, self._dec = ra, dec
        self._covered_before = rng.lognormal(np.log(1_100.0), 0.7)
        self.window = Window(float(pointing.first_night), float(pointing.first_night + pointing.nights))

    def draw_detected(self, kind: int, n: int) -> Field:
        """n objects of a class, or fewer where hardly one of its objects is ever detected in these exposures."""
        kept: list[Field] = []
        found = 0
        for _ in range(_MAX_BATCHES):
            missing = n - found
            count = int(np.clip(1.2 * missing / self._dealer.detected_share(kind), missing, _MAX_BATCH))
            candidates = self._draw(kind, count)
            seen = np.flatnonzero(candidates.sent())
            self._dealer.note(kind, count, len(seen))
            kept.append(candidates.take(seen[:missing]))
            found += len(kept[-1].objects)
            if found == n:
                break
        return _joined(kept)

    def probe(self) -> None:
        """Tells the dealer which share of each class these exposures detect."""
        for kind in range(len(self._mixture)):
            self._dealer.note(kind, _PROBE, int(np.count_nonzero(self._draw(kind, _PROBE).sent())))

    def _draw(self, kind: int, n: int) -> Field:
        rng, survey = self._rng, self._survey
        population = self._mixture[kind]
        o = empty_objects(n)
        o.kind[:] = kind
        self._place(o)
        curves = population.draw(rng, n, survey, self._exposures, self.window)
        self._copy(o, curves)
        if population.host is not None:
            hosts = draw_hosts(rng, o.redshift, population.host)
            o.host_njy, o.host_radius_arcsec, o.host_sersic = hosts.flux_njy, hosts.radius_arcsec, hosts.sersic
            o.host_axis_ratio, o.host_angle_deg = hosts.axis_ratio, hosts.angle_deg
            o.host_offset_arcsec = hosts.offset_arcsec
        dimming = 10.0 ** (-0.4 * o.ebv_mag[:, None] * dust.EXTINCTION_PER_EBV)
        o.counterpart_njy *= dimming
        o.host_njy *= dimming
        true = curves.flux_njy * dimming[:, self._exposures.band]
        return _observe(rng, Field(*self._of_field, o, true, true, true, true, curves.visible, curves.visible))

    def _place(self, o: Objects) -> None:
        """Strews objects over the cells of the focal plane, with the sky that is around them there."""
        rng, survey = self._rng, self._survey
        n = len(o)
        side = int(np.sqrt(survey.cells)) + (survey.cells != 64)
        width, height = survey.cell_px
        o.cell = rng.integers(survey.cells, size=n)
        o.x_px = rng.uniform(EDGE_PX, width - EDGE_PX, n)
        o.y_px = rng.uniform(EDGE_PX, height - EDGE_PX, n)
        scale = survey.pixel_arcsec / 3600.0
        column, row = o.cell % side - side / 2, o.cell // side - side / 2
        # On ZTF's chips north is down (its stamps show it), on the focal plane drawn for LSST up.
        up = -1.0 if survey.name == "ztf" else 1.0
        o.dec_deg = self._dec + up * scale * (row * (height + 100.0) + o.y_px)
        o.ra_deg = (self._ra - scale * (column * (width + 100.0) + o.x_px) / np.cos(np.radians(o.dec_deg))) % 360.0
        _, o.galactic_latitude_deg = dust.galactic_deg(o.ra_deg, o.dec_deg)
        o.ebv_mag = dust.reddening_mag(o.ra_deg, o.dec_deg)
        around = draw_neighbours(rng, o.galactic_latitude_deg)
        o.neighbour_offset_arcsec, o.neighbour_njy = around.offset_arcsec, around.flux_njy
        o.neighbour_radius_arcsec, o.density_arcmin2 = around.radius_arcsec, around.density_arcmin2
        # A chip's objects share its past, whatever they are.
        o.covered_before = np.rint(self._covered_before * (1.0 + 0.02 * np.sin(2.1 * o.cell))).astype(np.int64)

    def _copy(self, o: Objects, curves: Curves) -> None:
        o.redshift = curves.redshift
        o.counterpart_njy = curves.counterpart_njy.copy()
        o.motion_arcsec_per_day = curves.motion_arcsec_per_day
        o.epoch_mjd = curves.epoch_mjd
        for name, column in curves.extra.items():
            setattr(o, name, column)
        o.parameters = dict(curves.parameters)
        if "helio_au" in curves.extra:
            put_in_orbit(self._rng, o)


def psf_share(radius_arcsec: FloatArray | float, seeing_arcsec: FloatArray | float) -> FloatArray:
    """Share of a galaxy's light under the point-spread function, as if spread evenly over its half-light radius."""
    area = (np.asarray(seeing_arcsec) / 2.355) ** 2 * 4.0 * np.pi
    share: FloatArray = area / (area + 2.0 * np.pi * np.asarray(radius_arcsec) ** 2)
    return share


def _observe(rng: np.random.Generator, field: Field) -> Field:
    """Adds noise to the true fluxes and finds what is detected.

    Noise is that of the sky's depth, of the photons of source, host and star, and of what no depth beats: a share of
    the flux and of the starlight that is subtracted. What stands out by 5 times its quoted error is a detection.
    """
    o, survey, exposures = field.objects, field.survey, field.exposures
    field.covered = field.covered & (rng.random(field.covered.shape) < COVERAGE)
    depth = flux_from_magnitude(field.limit_mag()) / DETECTION_SNR
    share = psf_share(o.host_radius_arcsec[:, None], exposures.seeing_arcsec[None, :])
    still = o.counterpart_njy[:, exposures.band] + share * o.host_njy[:, exposures.band]
    shot = (np.abs(field.true_njy) + still) * survey.njy_per_electron
    floor = (survey.flux_floor * field.true_njy) ** 2 + (survey.still_floor * still) ** 2
    field.noise_njy = np.sqrt((survey.sky_factor * depth) ** 2 + shot + floor)
    field.flux_njy = field.true_njy + field.noise_njy * rng.standard_normal(depth.shape)
    quoted = survey.quoted
    field.error_njy = field.noise_njy if quoted is None else quoted.error_njy(rng, field.flux_njy, depth, still)
    bright_enough = np.abs(field.flux_njy) >= DETECTION_SNR * field.error_njy
    # What never was a source is found only where it was put, not by chance in the noise.
    by_chance = (o.artefact != SOURCE)[:, None] & (field.true_njy == 0.0)
    saturated = np.abs(field.true_njy) > flux_from_magnitude(np.array(survey.bright_mag))
    field.detected = field.covered & bright_enough & ~by_chance & ~saturated
    history = field.detected[:, : exposures.emitted_from]
    # What varies for good had varied before the history begins; what flares once had not.
    steady = o.counterpart_njy.max(axis=1) > 0.0
    rate = history.sum(axis=1) / np.maximum(field.covered[:, : exposures.emitted_from].sum(axis=1), 1)
    o.detected_before = np.where(steady, rng.binomial(o.covered_before, rate), 0).astype(np.int64)
    return field


def _joined(parts: list[Field]) -> Field:
    first = parts[0]
    names = ("true_njy", "flux_njy", "noise_njy", "error_njy", "covered", "detected")
    matrices = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Field(
        first.survey,
        first.seed,
        first.index,
        first.mixture,
        first.exposures,
        first.ra_deg,
        first.dec_deg,
        join([part.objects for part in parts]),
        *matrices,
    )


def chunks(total: int, length: int) -> Iterator[slice]:
    """Slices of at most `length` over `total` rows."""
    for begin in range(0, total, length):
        yield slice(begin, min(begin + length, total))


def lives_on_star(field: Field) -> BoolArray:
    """(K,) whether each object's counterpart in the reference image is a star of our Galaxy."""
    has_host = field.objects.host_radius_arcsec > 0.0
    star: BoolArray = (field.objects.counterpart_njy[:, BANDS.index("r")] > 0.0) & ~has_host
    return star
