"""What stands still around an object: its host galaxy, its neighbours, the crowd behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.images.profiles import DISC, SPHEROID, Mixture, is_disc, line_of_gaussians
from streamer.simulate.images.psf import Sources, join_sources
from streamer.simulate.scene import Field
from streamer.simulate.sky.stars import FAINT_MAG, GALAXIES_ARCMIN2

_CROWD_KEY = 13
"""Of the field's random streams: an object has the same surroundings in all its stamps."""

_CROWD_LIMIT_MAG = {"ztf": 22.5, "lsst": 26.5}
"""Faintest source of the crowd (r)."""

_STAR_SLOPE, _GALAXY_SLOPE, _FAINT_GALAXY_SLOPE = 0.22, 0.45, 0.33
"""Counts rise as 10^(slope m); galaxies' flatten below `FAINT_MAG` (Metcalfe et al. 2001, MNRAS 323, 795)."""

_MARGIN_PX = 6.0
"""Sources this far outside of a stamp still shine into it."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """C sources in the squares around a field's objects, beyond those that `Objects` lists."""

    owner: IntArray
    """(C,) object that they surround, rising."""
    offset_arcsec: FloatArray
    """(C, 2) from it, east and north."""
    flux_njy: FloatArray
    """(C, 6) by band."""
    radius_arcsec: FloatArray
    """(C,) half-light radius; 0 for stars."""


def draw_crowd(field: Field, side: int) -> Crowd:
    """The crowd of all objects of a field, out to the corners of stamps of `side` pixels."""
    rng = field.generator(_CROWD_KEY)
    o, survey = field.objects, field.survey
    faint = _CROWD_LIMIT_MAG[survey.name]
    half = (side / 2.0 + _MARGIN_PX) * survey.pixel_arcsec * (np.sqrt(2.0) if survey.name == "lsst" else 1.0)
    area = (2.0 * half / 60.0) ** 2
    stars = np.maximum(o.density_arcmin2 - GALAXIES_ARCMIN2, 0.0) * 10.0 ** (_STAR_SLOPE * (faint - FAINT_MAG))
    slope = _GALAXY_SLOPE if faint < FAINT_MAG else _FAINT_GALAXY_SLOPE
    galaxies = GALAXIES_ARCMIN2 * 10.0 ** (slope * (faint - FAINT_MAG))
    n_stars, n_galaxies = rng.poisson(stars * area), rng.poisson(galaxies * area, len(o))
    each = np.arange(len(o))
    owner = np.concatenate([np.repeat(each, n_stars), np.repeat(each, n_galaxies)])
    is_galaxy = np.arange(len(owner)) >= n_stars.sum()
    offset = rng.uniform(-half, half, (len(owner), 2))
    mag = (faint + np.log10(rng.random(len(owner))) / np.where(is_galaxy, slope, _STAR_SLOPE)).clip(11.0, None)
    # Brighter than `FAINT_MAG`, the object's listed neighbours are all that is nearer than the last of them.
    reach = np.hypot(*o.neighbour_offset_arcsec[:, -1].T)[owner]
    kept = (mag > FAINT_MAG) | (np.hypot(offset[:, 0], offset[:, 1]) > reach)
    order = np.flatnonzero(kept)[np.argsort(owner[kept], kind="stable")]
    mag, is_galaxy, owner, offset = mag[order], is_galaxy[order], owner[order], offset[order]
    redness = np.where(is_galaxy, rng.normal(0.35, 0.15, len(mag)), rng.normal(0.40, 0.22, len(mag)))
    colour = redness[:, None] * np.array([2.6, 1.2, 0.0, -0.5, -0.8, -1.0])
    radius = 0.9 * 10.0 ** (0.12 * (21.0 - mag)) * rng.lognormal(0.0, 0.3, len(mag))
    return Crowd(owner, offset, flux_from_magnitude(mag[:, None] + colour), np.where(is_galaxy, radius, 0.0))


def axes(field: Field, exposure: IntArray) -> FloatArray:
    """(n, 2, 2) pixels for an arcsec east and north.

    ZTF's stamps have east to the left and north down (measured on positions of 364 pairs of alerts of one field and
    channel); Rubin's have +y at `rotation_deg` from north through east, and east left of north.
    """
    scale = field.survey.pixel_arcsec
    if field.survey.name == "ztf":
        return np.broadcast_to(np.array([[-1.0, 0.0], [0.0, -1.0]]) / scale, (len(exposure), 2, 2))
    angle = np.radians(field.exposures.rotation_deg[exposure])
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([-cos, sin], axis=1), np.stack([sin, cos], axis=1)], axis=1) / scale


@dataclass(frozen=True, slots=True)
class Frame:
    """Where n stamps lie on the sky and in which unit they are."""

    centre_px: FloatArray
    """(n, 2) of the object from pixel side // 2, x and y."""
    axes: FloatArray
    """(n, 2, 2) pixels along x and y (rows) for an arcsec east and north (columns)."""
    pixel_arcsec: float
    njy_per_unit: FloatArray
    """(n,)"""

    def place_px(self, row: IntArray, offset_arcsec: FloatArray) -> FloatArray:
        """(M, 2) where offsets (M, 2) east and north of the object fall."""
        place: FloatArray = self.centre_px[row] + np.einsum("mij,mj->mi", self.axes[row], offset_arcsec)
        return place


def surroundings(
    field: Field, k: IntArray, band: npt.NDArray[np.uint8], frame: Frame, side: int, faintest: FloatArray
) -> Sources:
    """All that stands still around objects `k` (n,), but for their own counterparts.

    `faintest` (n,) is the flux below which a source of the crowd is left out.
    """
    crowd = _of_crowd(draw_crowd(field, side), k, band, frame, faintest)
    sources = join_sources([_neighbours(field, k, band, frame), crowd, _hosts(field, k, band, frame)])
    reach = side / 2.0 + _MARGIN_PX + 2.0 * sources.width_px
    return sources.take(np.maximum(np.abs(sources.x_px), np.abs(sources.y_px)) < reach)


def _galaxies(row: IntArray, place: FloatArray, flux: FloatArray, radius_px: FloatArray) -> Sources:
    """Round discs (M,); points where the radius is 0, of which only the first Gaussian is needed."""
    point = radius_px == 0.0
    weight = np.where(point[:, None], np.eye(len(DISC.weight))[0], DISC.weight) * flux[:, None]
    width = np.where(point[:, None], 0.0, DISC.width * radius_px[:, None])
    kept = weight.ravel() > 0.0
    count = weight.shape[1]

    every = np.repeat(np.arange(len(row)), count)
    return Sources(row[every], place[every, 0], place[every, 1], weight.ravel(), width.ravel()).take(kept)


def _neighbours(field: Field, k: IntArray, band: npt.NDArray[np.uint8], frame: Frame) -> Sources:
    o = field.objects
    count = o.neighbour_radius_arcsec.shape[1]
    row = np.repeat(np.arange(len(k)), count)
    place = frame.place_px(row, o.neighbour_offset_arcsec[k].reshape(-1, 2))
    flux = (o.neighbour_njy[k, :, band] / frame.njy_per_unit[:, None]).ravel()
    return _galaxies(row, place, flux, o.neighbour_radius_arcsec[k].ravel() / frame.pixel_arcsec)


def _of_crowd(crowd: Crowd, k: IntArray, band: npt.NDArray[np.uint8], frame: Frame, faintest: FloatArray) -> Sources:
    begin, end = np.searchsorted(crowd.owner, k), np.searchsorted(crowd.owner, k, side="right")
    row = np.repeat(np.arange(len(k)), end - begin)
    index = np.arange(len(row)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin) + begin[row]
    flux = crowd.flux_njy[index, band[row]] / frame.njy_per_unit[row]
    seen = flux > faintest[row]
    row, index, flux = row[seen], index[seen], flux[seen]
    place = frame.place_px(row, crowd.offset_arcsec[index])
    return _galaxies(row, place, flux, crowd.radius_arcsec[index] / frame.pixel_arcsec)


def _hosts(field: Field, k: IntArray, band: npt.NDArray[np.uint8], frame: Frame) -> Sources:
    o = field.objects
    hosted = np.flatnonzero(o.host_radius_arcsec[k] > 0.0)
    disc = is_disc(o.host_sersic[k[hosted]])
    place = frame.place_px(hosted, o.host_offset_arcsec[k[hosted]])
    flux = o.host_njy[k, band][hosted] / frame.njy_per_unit[hosted]
    pa = np.radians(o.host_angle_deg[k[hosted]])
    along = np.einsum("mij,mj->mi", frame.axes[hosted], np.stack([np.sin(pa), np.cos(pa)], axis=1))
    major_px = along * o.host_radius_arcsec[k[hosted], None]
    axis_ratio = o.host_axis_ratio[k[hosted]]
    return join_sources(
        [
            sersic_sources(shape, hosted[of], place[of], flux[of], major_px[of], axis_ratio[of])
            for shape, of in ((DISC, disc), (SPHEROID, ~disc))
        ]
    )


def sersic_sources(
    shape: Mixture, row: IntArray, place: FloatArray, flux: FloatArray, major_px: FloatArray, axis_ratio: FloatArray
) -> Sources:
    """Elliptical galaxies (m,) as round Gaussians: each of the mixture's is a line of them along the major axis.

    `place` (m, 2) is their centre, `major_px` (m, 2) the vector from it to the half-light radius [pixel].
    """
    weight, step = line_of_gaussians()
    along = np.sqrt(1.0 - axis_ratio**2)[:, None, None] * shape.width[:, None] * step
    width = np.hypot(major_px[:, 0], major_px[:, 1])[:, None] * axis_ratio[:, None] * shape.width
    full = along.shape
    every = np.repeat(row, full[1] * full[2])
    x, y = (place[:, None, None, i] + along * major_px[:, None, None, i] for i in (0, 1))
    light = flux[:, None, None] * shape.weight[:, None] * weight
    return Sources(every, x.ravel(), y.ravel(), light.ravel(), np.broadcast_to(width[:, :, None], full).ravel())
