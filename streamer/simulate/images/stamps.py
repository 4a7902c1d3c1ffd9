"""Stamps around alerts, drawn in bulk: science, template and difference that agree with the catalogue's fluxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import BANDS, Float32Array, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.images import masks, noise
from streamer.simulate.images.psf import (
    Psf,
    Sources,
    draw,
    join_sources,
    misfit,
    resampling_px,
    science_psf,
    template_psf,
)
from streamer.simulate.images.scenery import Frame, axes, surroundings
from streamer.simulate.images.transients import misplaced_stars, shapes
from streamer.simulate.observing.cadence import LSST_DEPTH_MAG, ZTF_DEPTH_MAG
from streamer.simulate.scene import Field

STAMP_PIXELS = {"ztf": 63, "lsst": 30}
"""Side of the stamps: 1.01 and 0.2 arcsec a pixel."""

TEMPLATE_SKY_RATIO = {"ztf": 0.26, "lsst": 0.35}
"""Noise of the reference image over that of one good exposure: it is a stack of 15 or more."""

_TEMPLATE_FRAMES = 15.0

_ZTF_CLEAR_MAG = np.array([ZTF_DEPTH_MAG.get(name, 20.5) for name in BANDS])

_CLEAR_AREA_PX = {"ztf": 12.0, "lsst": 58.0}
"""Noise area of the seeing for which the depths of clear nights hold."""

_SPECKLE = {"ztf": 0.045, "lsst": 0.012}
"""Grain of a subtraction's error over the light that it took away, 1 sigma; set to residuals of bright stars, whose
root mean square is 1.2 to 1.6 % of the star's peak within 9 x 9 pixels of ZTF; Rubin's are smoother."""

_TEMPLATE_KEY = 15
"""Of the field's random streams."""

_STAR_MISFIT_PX, _STAR_MISFIT = 0.02, 0.004
"""How single stars miss their place and brightness in the reference image, 1 sigma: motions, colours, flat fields;
fitted to the residuals under bright stars."""

_UNSEEN = 0.3
"""Sources of the crowd of less flux than so many template sky noises a pixel are left out."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamps of n alerts, each (n, side, side) float32, in the unit that `draw_stamps` was given."""

    science: Float32Array
    template: Float32Array
    difference: Float32Array
    """ZTF's is template less science where the source has faded, so that what was found is always bright."""
    science_variance: Float32Array
    template_variance: Float32Array
    difference_variance: Float32Array
    science_psf: Psf
    """Of the science and the difference stamps."""
    template_psf: Psf
    centre_px: FloatArray
    """(n, 2) where the source lies from pixel side // 2, x and y."""
    window: IntArray
    """(n, 4) what lies on the chip: first and last-but-one row, first and last-but-one column."""

    def triplet(self, i: int) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Science, template and difference of one alert, cropped at the chip's edge."""
        bottom, top, left, right = self.window[i]
        rows, columns = slice(bottom, top), slice(left, right)
        return self.science[i, rows, columns], self.template[i, rows, columns], self.difference[i, rows, columns]


def draw_stamps(
    rng: np.random.Generator,
    field: Field,
    k: IntArray,
    exposure: IntArray,
    position_px: FloatArray,
    njy_per_unit: FloatArray,
    sky_level: FloatArray,
) -> Stamps:
    """Stamps of objects `k` at exposures `exposure` (both (n,)).

    `position_px` (n, 2) is where the alert says the source is on its chip, x and y; `njy_per_unit` (n,) the stamps'
    unit; `sky_level` (n,) in that unit. The flux that optimal photometry finds in the difference is the catalogue's.
    """
    side = STAMP_PIXELS[field.survey.name]
    return _Drawing(rng, field, k, exposure, position_px, njy_per_unit, side).stamps(sky_level)


def centre_px(survey: str, position_px: FloatArray) -> FloatArray:
    """(n, 2) where a source at chip positions (n, 2) lies from its stamp's pixel side // 2.

    ZTF cuts about the nearest pixel; Rubin's even stamps have the source between the two in the middle.
    """
    offset: FloatArray = position_px - (np.rint(position_px) if survey == "ztf" else np.floor(position_px) + 1.0)
    return offset


def white_noise(field: Field, psf: Psf, k: IntArray, exposure: IntArray, njy_per_unit: FloatArray) -> FloatArray:
    """(n,) 1 sigma of a science pixel's sky: optimal photometry with it is as deep as the exposure's limit says, but
    for the survey's `stamp_noise`.
    """
    limit = flux_from_magnitude(field.limit_mag()[k, exposure])
    sigma: FloatArray = field.survey.stamp_noise * limit / 5.0 / np.sqrt(psf.noise_area_px()) / njy_per_unit
    return sigma


class _Drawing:
    """One call's stamps."""

    def __init__(
        self,
        rng: np.random.Generator,
        field: Field,
        k: IntArray,
        exposure: IntArray,
        position_px: FloatArray,
        njy_per_unit: FloatArray,
        side: int,
    ) -> None:
        self._rng, self._field, self._k, self._exposure, self._side = rng, field, k, exposure, side
        self._position_px, self._unit = position_px, njy_per_unit
        self._band = field.exposures.band[exposure]
        centre = centre_px(field.survey.name, position_px)
        self._frame = Frame(centre, axes(field, exposure), field.survey.pixel_arcsec, njy_per_unit)
        self._psf, self._template_psf = science_psf(field, exposure), template_psf(field, self._band)
        self._flux = field.flux_njy[k, exposure] / njy_per_unit
        self._sky_noise = white_noise(field, self._psf, k, exposure, njy_per_unit)
        self._template_noise = self._sky_of_template()

    def _sky_of_template(self) -> FloatArray:
        """(n,) 1 sigma of the template's sky: that of a clear night's exposure of typical seeing, stacked."""
        field, ztf = self._field, self._field.survey.name == "ztf"
        depth = _ZTF_CLEAR_MAG if ztf else np.array(LSST_DEPTH_MAG)
        clear = flux_from_magnitude(depth) / 5.0 * field.survey.stamp_noise / np.sqrt(_CLEAR_AREA_PX[field.survey.name])
        depths = field.generator(_TEMPLATE_KEY).lognormal(0.0, 0.25, len(clear))
        stacked = clear * TEMPLATE_SKY_RATIO[field.survey.name] * depths
        noise_njy: FloatArray = stacked[self._band]
        return noise_njy / self._unit

    def stamps(self, sky_level: FloatArray) -> Stamps:
        """All of them."""
        rng, field, n, side = self._rng, self._field, len(self._k), self._side
        ztf = field.survey.name == "ztf"
        still, moved = self._still()
        point = draw(self._psf, self._point(np.ones(n)), side)
        shape = shapes(rng, field, self._k, self._exposure, self._frame, self._psf, side)
        # Trails and artefacts are as bright as photometry with the point-spread function finds them.
        seen = noise.psf_flux(shape, point, np.ones_like(point))
        source = shape * _column(self._flux / np.maximum(seen, 0.05))
        _, width = misfit(field, self._exposure)
        template = draw(self._template_psf, still, side)
        matched = draw(self._psf.scaled(width), still, side)
        science = draw(self._psf, moved, side) + source
        electrons = _column(field.survey.njy_per_electron / self._unit)
        science_variance: Float32Array = np.square(_column(self._sky_noise)) + np.maximum(science, 0.0) * electrons
        template_variance: Float32Array = (
            _column(self._template_noise) ** 2 + np.maximum(template, 0.0) * electrons / _TEMPLATE_FRAMES
        )
        matched *= 1.0 + np.float32(_SPECKLE[field.survey.name]) * noise.resampled(rng, matched.shape)
        own = (noise.readout if ztf else noise.white)(rng, science.shape) * np.sqrt(science_variance)
        grain = noise.resampled(rng, template.shape) * np.sqrt(template_variance)
        subtracted = noise.subtracted(own, resampling_px(field, self._exposure))
        level = _column(rng.normal(0.0, 0.05, n) * self._sky_noise)
        difference = science - matched - grain + subtracted + level
        template += grain
        science += own
        # The catalogue's flux was measured on these very pixels.
        difference_variance: Float32Array = science_variance + template_variance
        error = _column(noise.psf_flux(difference, point, difference_variance) - self._flux) * point
        science -= error
        difference -= error
        sky = _column(sky_level)
        science += sky
        template += sky + _column(rng.normal(0.0, 0.06, n) * self._sky_noise)
        whole = np.broadcast_to(np.array([0, side, 0, side]), (n, 4))
        stamps = Stamps(
            science,
            template,
            difference,
            science_variance,
            template_variance,
            difference_variance,
            self._psf,
            self._template_psf,
            self._frame.centre_px,
            whole,
        )
        return self._as_ztf(stamps, moved) if ztf else stamps

    def _point(self, flux: FloatArray) -> Sources:
        centre = self._frame.centre_px
        return Sources(np.arange(len(flux)), centre[:, 0], centre[:, 1], flux, np.zeros(len(flux)))

    def _still(self) -> tuple[Sources, Sources]:
        """What stands still: as the reference image has it, and as it comes to lie in the exposure."""
        rng, field = self._rng, self._field
        o = field.objects
        star = o.counterpart_njy[self._k, self._band] / self._unit
        place, moved = misplaced_stars(rng, field, self._k, star, self._flux, self._psf)
        faintest = _UNSEEN * self._template_noise
        around = surroundings(field, self._k, self._band, self._frame, self._side, faintest)
        n = len(self._k)
        own = self._point(star).changed(place, np.ones(n))
        still = join_sources([own, around])
        shift, _ = misfit(field, self._exposure)
        each = shift[still.row]
        # A galaxy's Gaussians move together: single ones only as points.
        point = (still.width_px == 0.0)[:, None]
        each = each + np.where(point, rng.normal(0.0, _STAR_MISFIT_PX, each.shape), 0.0)
        each[:n] += moved
        factor = np.where(point[:, 0], 1.0 + rng.normal(0.0, _STAR_MISFIT, len(each)), 1.0)
        return still, still.changed(each, factor)

    def _as_ztf(self, stamps: Stamps, sources: Sources) -> Stamps:
        """Masks pixels, turns the differences of what has faded, and says what lies on the chip."""
        field, side = self._field, self._side
        peak = (self._psf.weight / (2.0 * np.pi * self._psf.sigma_px**2)).sum(axis=1)
        mask = masks.masked(self._rng, field, self._exposure, self._position_px, sources, peak, side)
        stamps.difference[self._flux < 0.0] *= -1.0
        for image in (stamps.science, stamps.template, stamps.difference):
            image[mask] = np.nan
        stamps.template[mask & masks.blank_templates(field, self._exposure)[:, None, None]] = masks.BLANK
        window = masks.window(self._position_px, field.survey.cell_px, side)
        return Stamps(
            stamps.science,
            stamps.template,
            stamps.difference,
            stamps.science_variance,
            stamps.template_variance,
            stamps.difference_variance,
            stamps.science_psf,
            stamps.template_psf,
            stamps.centre_px,
            window,
        )


def _column(values: FloatArray) -> Float32Array:
    column: Float32Array = np.asarray(values, dtype=np.float32)[:, None, None]
    return column
