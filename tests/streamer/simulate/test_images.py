"""Stamps agree with the catalogue, with one another, and with how the sky lies in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from schemas.light_curve import IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.images.noise import psf_flux
from streamer.simulate.images.psf import Sources, draw
from streamer.simulate.images.stamps import STAMP_PIXELS, Stamps, draw_stamps
from streamer.simulate.lsst.cutouts import Placement, header
from streamer.simulate.night import NightPlan, _pointings
from streamer.simulate.scene import Field, draw_field
from streamer.simulate.sky.mixture import Dealer
from streamer.simulate.sky.objects import BAD_COLUMN, BAD_SUBTRACTION, COSMIC_RAY, GHOST, SOURCE

Array = npt.NDArray[np.float64]


@dataclass
class Drawn:
    """Stamps of all alerts of a field."""

    field: Field
    k: IntArray
    exposure: IntArray
    unit: Array
    stamps: Stamps

    @property
    def flux(self) -> Array:
        """Of the catalogue, in the stamps' unit and with the difference's sign."""
        flux: Array = self.field.flux_njy[self.k, self.exposure] / self.unit
        return np.abs(flux) if self.field.survey.name == "ztf" else flux

    def fit(self) -> tuple[Array, Array]:
        """Flux in each difference and its error by the catalogue; NaN where masked pixels are near."""
        stamps, n = self.stamps, len(self.k)
        side = stamps.science.shape[1]
        centre = stamps.centre_px
        point = Sources(np.arange(n), centre[:, 0], centre[:, 1], np.ones(n), np.zeros(n))
        model = draw(stamps.science_psf, point, side)
        flux = psf_flux(stamps.difference, model, stamps.difference_variance)
        return flux, self.field.error_njy[self.k, self.exposure] / self.unit


def _field(survey: str, packets: int = 150, only: tuple[str, ...] = (), seed: int = 6) -> Field:
    pointing = _pointings(NightPlan(survey, packets, seed), 0, 40)[0]
    return draw_field(survey, seed, pointing, packets, Dealer("rich", only))


def _draw(field: Field, rows: slice = slice(None), position: Array | None = None) -> Drawn:
    k, exposure = field.detections()
    sent = np.flatnonzero(exposure >= field.exposures.emitted_from)[rows]
    k, exposure = k[sent], exposure[sent]
    ztf = field.survey.name == "ztf"
    unit = np.full(len(k), float(flux_from_magnitude(np.array(26.3))) if ztf else 1.0)
    sky = np.full(len(k), 150.0 if ztf else 0.0)
    if position is None:
        position = np.random.default_rng(1).uniform(400.0, 2_600.0, (len(k), 2))
    stamps = draw_stamps(np.random.default_rng(2), field, k, exposure, position, unit, sky)
    return Drawn(field, k, exposure, unit, stamps)


@pytest.fixture(scope="module", params=["ztf", "lsst"])
def drawn(request: pytest.FixtureRequest) -> Drawn:
    return _draw(_field(request.param))


def test_the_flux_in_the_difference_is_the_catalogues_with_and_without_a_host(drawn: Drawn) -> None:
    flux, error = drawn.fit()
    o = drawn.field.objects
    real = (o.artefact[drawn.k] == SOURCE) & ~o.moving[drawn.k] & np.isfinite(flux)
    pull = (flux - drawn.flux) / error
    for chosen in (real & (o.host_radius_arcsec[drawn.k] > 0.0), real & (o.host_radius_arcsec[drawn.k] == 0.0)):
        assert chosen.sum() > 15
        assert abs(pull[chosen].mean()) < 0.1
        assert pull[chosen].std() < 0.3


def _empty(field: Field) -> Field:
    """The same field with nothing standing still in it."""
    o = field.objects
    for column in (o.host_njy, o.host_radius_arcsec, o.counterpart_njy, o.neighbour_njy, o.neighbour_radius_arcsec):
        column[:] = 0.0
    o.density_arcmin2[:] = 0.0
    return field


@pytest.fixture(scope="module", params=["ztf", "lsst"])
def lone(request: pytest.FixtureRequest) -> Drawn:
    """Supernovae in front of next to nothing."""
    field = _empty(_field(request.param, 80, only=("SN Ia",)))
    field.flux_njy[:] = 100.0 * field.error_njy
    return _draw(field)


def test_an_aperture_in_science_less_template_holds_the_flux_of_bright_sources(lone: Drawn) -> None:
    """No point-spread function is needed for this."""
    side = STAMP_PIXELS[lone.field.survey.name]
    y, x = np.indices((side, side)) - side // 2
    aperture = np.hypot(x, y) < (9.0 if side == 63 else 12.0)
    rest = lone.stamps.science - lone.stamps.template
    rest = rest - np.nanmedian(rest[:, np.hypot(x, y) > 15.0], axis=1)[:, None, None]
    ratio = (rest * aperture).sum(axis=(1, 2)) / lone.flux
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.08)


def test_the_noise_of_a_difference_is_what_its_variance_says(drawn: Drawn) -> None:
    """ZTF's resampling takes some of it away: one real stamp in twenty has less than 0.73 of the exposure's."""
    stamps = drawn.stamps
    corner = (slice(None), slice(0, 8), slice(0, 8))
    pull = (stamps.difference / np.sqrt(stamps.difference_variance))[corner].reshape(len(drawn.k), -1)
    pull = pull[np.isfinite(pull).any(axis=1)]  # some corners are masked
    width = np.nanmedian(1.4826 * np.nanmedian(np.abs(pull - np.nanmedian(pull, axis=1, keepdims=True)), axis=1))
    assert 0.7 < width < 1.1


def test_template_noise_is_correlated_and_lower_than_the_exposures(lone: Drawn) -> None:
    """Neighbouring pixels of a resampled stack go together."""
    template = lone.stamps.template - np.nanmedian(lone.stamps.template, axis=(1, 2), keepdims=True)
    template = np.where(np.abs(template) < 4.0 * np.nanstd(template, axis=(1, 2), keepdims=True), template, 0.0)
    share = (template[:, 1:] * template[:, :-1]).mean(axis=(1, 2)) / (template**2).mean(axis=(1, 2))
    assert 0.12 < np.median(share) < 0.45
    ratio = np.sqrt(np.median(lone.stamps.template_variance) / np.median(lone.stamps.science_variance))
    assert 0.05 < ratio < 0.6


def test_ztf_turns_the_difference_of_what_has_faded() -> None:
    drawn = _draw(_field("ztf", only=("RR Lyrae", "AGN")))
    signed = drawn.field.flux_njy[drawn.k, drawn.exposure]
    assert (signed < 0.0).sum() > 10
    middle = drawn.stamps.difference[:, 30:33, 30:33].sum(axis=(1, 2))
    assert np.nanmin(middle) > 0.0
    # The exposure's noise enters such a difference turned.
    for science, difference, faded in zip(drawn.stamps.science, drawn.stamps.difference, signed < 0.0, strict=True):
        dark = np.isfinite(science) & (np.abs(difference) < 3.0 * np.nanstd(difference[:12]))
        together = np.corrcoef(science[dark].clip(*np.quantile(science[dark], [0.02, 0.5])), difference[dark])[0, 1]
        assert together < 0.0 if faded else together > 0.0


def test_the_same_stream_gives_the_same_stamps_and_another_one_other_noise() -> None:
    field = _field("ztf", 40)
    first, again = _draw(field), _draw(field)
    for name in ("science", "template", "difference"):
        assert np.array_equal(getattr(first.stamps, name), getattr(again.stamps, name), equal_nan=True)
    k, exposure = first.k, first.exposure
    position = np.full((len(k), 2), 1_500.3)
    sky = np.zeros(len(k))
    other = draw_stamps(np.random.default_rng(3), field, k, exposure, position, first.unit, sky)
    assert not np.array_equal(first.stamps.science, other.science, equal_nan=True)


def test_an_object_has_the_same_surroundings_in_all_its_stamps() -> None:
    field = _field("lsst", 60)
    field.exposures.rotation_deg[:] = 30.0
    k = np.zeros(2, dtype=np.int64)
    same = np.flatnonzero(field.exposures.band == field.exposures.band[-1])[[0, -1]]
    position, ones = np.full((2, 2), 800.4), np.ones(2)
    field.objects.neighbour_njy[:] = 0.0
    field.objects.neighbour_njy[0, 0] = 40_000.0
    field.objects.neighbour_offset_arcsec[0, 0] = (1.0, 1.4)
    stamps = draw_stamps(np.random.default_rng(5), field, k, same, position, ones, 0.0 * ones)
    a, b = stamps.template.reshape(2, -1)
    assert np.corrcoef(a, b)[0, 1] > 0.95


def _peak(image: npt.NDArray[np.float32]) -> tuple[float, float]:
    """x and y of the light's centre about the brightest pixel."""
    row, column = np.unravel_index(np.nanargmax(image), image.shape)
    y, x = np.mgrid[row - 4 : row + 5, column - 4 : column + 5]
    # Squared, so that wings cut off on one side weigh little.
    light = (image[row - 4 : row + 5, column - 4 : column + 5] - np.nanmedian(image)) ** 2
    return float((light * x).sum() / light.sum()), float((light * y).sum() / light.sum())


def _one_neighbour(survey: str, east: float, north: float) -> Field:
    """A field whose objects have one bright star near them and nothing else."""
    field = _empty(_field(survey, 40, only=("SN Ia",)))
    o = field.objects
    o.neighbour_offset_arcsec[:, 0] = (east, north)
    o.neighbour_njy[:, 0] = 3e6 if survey == "ztf" else 1e5
    return field


def test_rubins_stamps_lie_as_their_headers_say() -> None:
    field = _one_neighbour("lsst", 1.5, -0.7)
    position = np.random.default_rng(8).uniform(500.0, 2_500.0, (30, 2))
    drawn = _draw(field, slice(30), position)
    for i, exposure in enumerate(drawn.exposure.tolist()):
        turn = float(field.exposures.rotation_deg[exposure])
        cards = header(Placement(50.0, -30.0, float(position[i, 0]), float(position[i, 1]), 30, turn))
        text = fits.Header.fromstring(cards.decode("ascii"))
        east, north = 1.5 / 3600.0, -0.7 / 3600.0
        # The header is linear: degrees east and north of the source.
        matrix = np.array([[text["PC1_1"], text["PC1_2"]], [text["PC2_1"], text["PC2_2"]]])
        place = np.linalg.solve(matrix, [east, north]) + np.array([text["CRPIX1"], text["CRPIX2"]]) - 1.0
        assert np.allclose(_peak(drawn.stamps.template[i]), place, atol=0.2)
        projection = WCS({**text, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"})
        by_wcs = projection.wcs_world2pix([[50.0 + east / np.cos(np.radians(-30.0)), -30.0 + north]], 0)[0]
        assert np.allclose(by_wcs, place, atol=0.05)


def test_ztfs_stamps_have_east_to_the_left_and_north_down() -> None:
    drawn = _draw(_one_neighbour("ztf", 12.0, 7.0), slice(20))
    for i in range(len(drawn.k)):
        if np.isnan(drawn.stamps.template[i]).any():
            continue
        x, y = _peak(drawn.stamps.template[i])
        assert x == pytest.approx(31.0 + drawn.stamps.centre_px[i, 0] - 12.0 / 1.01, abs=0.2)
        assert y == pytest.approx(31.0 + drawn.stamps.centre_px[i, 1] - 7.0 / 1.01, abs=0.2)


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_artefacts_look_like_what_they_are(survey: str) -> None:
    """Brightest and darkest pixel near the middle, over the flux that photometry finds."""
    field = _empty(_field(survey, 60, only=("SN Ia",)))
    field.flux_njy[:] = 100.0 * field.error_njy
    side = STAMP_PIXELS[survey]
    core = slice(side // 2 - 4, side // 2 + 5)
    looks = {}
    for kind in (SOURCE, BAD_SUBTRACTION, COSMIC_RAY, GHOST, BAD_COLUMN):
        field.objects.artefact[:] = kind
        field.objects.counterpart_njy[:] = 20.0 * np.median(field.flux_njy) if kind == BAD_SUBTRACTION else 0.0
        drawn = _draw(field, slice(24))
        flux, error = drawn.fit()
        assert np.nanmedian(np.abs(flux - drawn.flux) / error) < 0.2
        middle = np.nan_to_num(drawn.stamps.difference[:, core, core])
        looks[kind] = [np.median(edge(axis=(1, 2)) / drawn.flux) for edge in (middle.max, middle.min)]
    assert looks[COSMIC_RAY][0] > 1.1 * looks[SOURCE][0]
    assert looks[GHOST][0] < 0.95 * looks[SOURCE][0]
    assert looks[BAD_SUBTRACTION][1] < 2.0 * looks[SOURCE][1]
    assert looks[BAD_COLUMN][0] > 1.2 * looks[SOURCE][0]


def test_what_moves_fast_leaves_a_trail() -> None:
    field = _field("lsst", 40, only=("asteroid",))
    field.objects.motion_arcsec_per_day[:] = (0.0, 8_640.0)
    field.exposures.rotation_deg[:] = 0.0
    field = replace(field, flux_njy=np.abs(field.flux_njy) + 3e4)
    trailed = _draw(field, slice(10)).stamps.difference.clip(0.0)
    y, x = np.indices((30, 30)) - 14.5
    weight = np.where(trailed > 0.2 * trailed.max(axis=(1, 2), keepdims=True), trailed, 0.0)
    along, across = ((weight * place**2).sum() / weight.sum() for place in (y, x))
    assert along > 2.0 * across
