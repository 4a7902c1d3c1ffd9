"""What the simulated sky is made of: rates, distances, dust, hosts, neighbours, classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM

from schemas.taxonomy import CLASSES
from streamer.simulate.observing.cadence import Exposures, Pointing, draw_exposures
from streamer.simulate.observing.surveys import SURVEYS
from streamer.simulate.sky import cosmology, dust, explosions, variables
from streamer.simulate.sky.artefacts import draw_artefacts
from streamer.simulate.sky.galaxies import HostKind, draw_hosts
from streamer.simulate.sky.mixture import MIXTURES, POPULATIONS, Dealer
from streamer.simulate.sky.objects import BAD_SUBTRACTION, SOURCE, empty_objects, join
from streamer.simulate.sky.populations import Place, Window
from streamer.simulate.sky.stars import GALAXIES_ARCMIN2, NEIGHBOURS, draw_neighbours, star_density_arcmin2
from streamer.simulate.sky.volumetric import Explosions

WINDOW = Window(61_100.0, 61_101.0)
ZTF = SURVEYS["ztf"]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def exposures() -> Exposures:
    """A field that LSST sees for a year, of good nights."""
    return draw_exposures(rng(), SURVEYS["lsst"], 0, Pointing(0, 61_100, 1, (100, 160)), 180.0, -30.0)


def test_distances_are_those_of_astropy() -> None:
    redshift = np.array([0.01, 0.1, 0.5, 1.0, 3.0])
    universe = FlatLambdaCDM(H0=70.0, Om0=0.3, Tcmb0=0.0)
    assert cosmology.distance_modulus(redshift) == pytest.approx(universe.distmod(redshift).value, abs=2e-3)
    square_degree = (1.0 * units.deg**2).to(units.sr).value / (4.0 * np.pi)
    volume = universe.comoving_volume(redshift).value * square_degree
    assert cosmology.volume_mpc3_per_deg2(redshift) == pytest.approx(volume, rel=5e-3)
    assert cosmology.kpc_per_arcsec(redshift) == pytest.approx(
        1.0 / universe.arcsec_per_kpc_proper(redshift).value, rel=2e-3
    )


def test_galactic_coordinates_are_those_of_astropy() -> None:
    ra, dec = np.array([0.0, 83.6, 192.9, 266.4, 310.0]), np.array([-40.0, 22.0, 27.1, -29.0, 41.0])
    ours = dust.galactic_deg(ra, dec)
    there = SkyCoord(ra * units.deg, dec * units.deg).galactic
    assert ours[0] == pytest.approx(there.l.deg, abs=1e-3)
    assert ours[1] == pytest.approx(there.b.deg, abs=1e-3)


def at(longitude: float, latitude: float, n: int = 2_000, spread_deg: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """Places about a galactic one."""
    scatter = rng().uniform(-spread_deg, spread_deg, (2, n))
    place = SkyCoord(longitude + scatter[0], latitude + 0.2 * scatter[1], unit="deg", frame="galactic").icrs
    return place.ra.deg, place.dec.deg


def test_dust_is_a_map_that_grows_towards_the_plane() -> None:
    of_plane, of_pole = dust.reddening_mag(*at(30.0, 2.0)), dust.reddening_mag(*at(30.0, 80.0))
    assert 0.01 < np.median(of_pole) < 0.04
    assert np.median(of_plane) > 10.0 * np.median(of_pole)
    scattered = dust.reddening_mag(*at(120.0, 45.0, spread_deg=60.0)) / np.median(dust.reddening_mag(*at(120.0, 45.0)))
    assert 0.2 < np.std(np.log(scattered)) < 0.6
    ra, dec = at(120.0, 45.0)
    nearby = dust.reddening_mag(ra, dec + 10.0 / 3_600.0) / dust.reddening_mag(ra, dec)
    assert np.abs(nearby - 1.0).max() < 0.05


def test_neighbours_lie_by_chance_at_the_density_of_their_latitude() -> None:
    for latitude in (5.0, 70.0):
        around = draw_neighbours(rng(), np.full(4_000, latitude))
        distance = np.hypot(around.offset_arcsec[..., 0], around.offset_arcsec[..., 1])
        assert np.all(np.diff(distance, axis=1) > 0.0)
        assert distance.shape == (4_000, NEIGHBOURS)
        density = star_density_arcmin2(np.array(latitude)) + GALAXIES_ARCMIN2
        # The mean distance of the nearest of a random scatter is 0.5 / sqrt(density).
        assert distance[:, 0].mean() == pytest.approx(60.0 * 0.5 / np.sqrt(density), rel=0.05)


@pytest.mark.parametrize("nuclear", [True, False])
def test_transients_lie_in_their_hosts_light(nuclear: bool) -> None:
    hosts = draw_hosts(rng(), np.full(3_000, 0.05), HostKind(-20.5, 1.0, 0.3, nuclear))
    distance = np.hypot(hosts.offset_arcsec[:, 0], hosts.offset_arcsec[:, 1])
    if nuclear:
        assert distance.max() < 0.2
    else:
        pa = np.radians(hosts.angle_deg)
        east, north = -hosts.offset_arcsec[:, 0], -hosts.offset_arcsec[:, 1]
        along, across = east * np.sin(pa) + north * np.cos(pa), east * np.cos(pa) - north * np.sin(pa)
        elliptical = np.hypot(along, across / hosts.axis_ratio) / hosts.radius_arcsec
        assert np.median(elliptical[hosts.sersic == 1.0]) == pytest.approx(1.0, abs=0.06)


def test_early_types_are_redder_than_late_ones() -> None:
    hosts = draw_hosts(rng(), np.full(3_000, 0.05), HostKind(-20.5, 1.0, 0.5, False))
    g_r = -2.5 * np.log10(hosts.flux_njy[:, 1] / hosts.flux_njy[:, 2])
    assert np.median(g_r[hosts.sersic == 4.0]) - np.median(g_r[hosts.sersic == 1.0]) > 0.2


def test_rates_give_the_counts_of_a_limited_volume() -> None:
    """Equal candles without evolution: their number is the rate times the volume they are bright enough in."""
    candles = Explosions(1e-4, 0.0, -19.0, 1e-6, 0.0)
    year = Window(61_000.0, 61_365.25)
    counted = candles.density_deg2(ZTF, Place(60.0, 30.0), year)
    grid = np.linspace(1e-4, 0.6, 6_000)
    seen = -19.0 + cosmology.distance_modulus(grid) - 2.5 * np.log10(1.0 + grid) < ZTF.peak_mag + 0.5
    shells = np.diff(cosmology.volume_mpc3_per_deg2(grid), prepend=0.0)[seen] / (1.0 + grid[seen])
    assert counted == pytest.approx(1e-4 * shells.sum(), rel=0.05)


def test_drawn_explosions_are_bright_enough_and_fainter_ones_are_nearer() -> None:
    magnitude, z = Explosions(1e-5, 0.0, -18.0, 1.0, 100.0).draw(rng(), 4_000, ZTF)
    apparent = magnitude + cosmology.distance_modulus(z) - 2.5 * np.log10(1.0 + z)
    assert apparent.max() < ZTF.peak_mag + 0.5
    assert magnitude.mean() < -18.3  # Malmquist 1922: what is limited by brightness is brighter than what is there.
    assert np.corrcoef(magnitude[:, 0], z[:, 0])[0, 1] < -0.5


def test_a_sample_limited_by_brightness_is_mixed_as_the_bright_transient_surveys() -> None:
    """Perley et al. 2020 (ApJ 904, 35), to 18.5 mag: 72 % Ia, 15 % II, 4 % IIn, 6 % stripped, 1.6 % SLSN, 0.6 % TDE."""
    survey = replace(ZTF, peak_mag=18.0)
    year = Window(61_000.0, 61_365.25)

    def a_year(*kinds: Explosions) -> float:
        return sum(replace(kind, visible_days=0.0).density_deg2(survey, Place(60.0, 30.0), year) for kind in kinds)

    ia = a_year(explosions.SN_IA)
    stripped = a_year(explosions.SN_IB, explosions.SN_IC, explosions.SN_IIB)
    others = [a_year(kind) for kind in (explosions.SN_IIP, explosions.SN_IIN, explosions.SLSN, explosions.TDE)]
    shares = np.array([ia, stripped, *others]) / (ia + stripped + sum(others))
    assert 0.65 < shares[0] < 0.8
    assert 0.04 < shares[1] < 0.12
    assert 0.09 < shares[2] < 0.17
    assert 0.02 < shares[3] < 0.07
    assert 0.01 < shares[4] < 0.03
    assert 0.004 < shares[5] < 0.012
    # The survey found 1,000 to 1,500 Ia a year over a third to a half of the sky.
    assert 2_000 < 41_253 * ia < 6_000


def daily(band: int) -> Exposures:
    """An exposure a day in one band, from long before the window to its end."""
    mjd = np.arange(WINDOW.first_mjd - 200.0, WINDOW.end_mjd)
    same = np.ones(len(mjd))
    night = mjd.astype(np.int64)
    bands = np.full(len(mjd), band, np.uint8)
    return Exposures(mjd, bands, 24.0 * same, same, 21.0 * same, 0.0 * same, same, 0.0 * same, night, len(mjd) - 1)


def test_type_ia_have_a_second_maximum_in_the_red_alone() -> None:
    def late_over_early(band: int) -> float:
        seen = daily(band)
        curves = explosions.draw_sn_ia(rng(), 5_000, SURVEYS["lsst"], seen, WINDOW)
        rest = (seen.mjd_tai[None, :] - curves.epoch_mjd[:, None]) / (1.0 + curves.redshift[:, None])
        rest = rest / curves.parameters["stretch"][:, None]
        near = np.flatnonzero((curves.redshift < 0.3) & (rest[:, -1] > 30.0) & (rest[:, 0] < 0.0))
        assert len(near) > 20
        level = [[np.interp(day, rest[k], curves.flux_njy[k]) for day in (15.0, 25.0)] for k in near]
        early, late = np.median(np.array(level) / np.array(level)[:, :1], axis=0)
        return float(late / early)

    assert late_over_early(5) > 0.95
    assert late_over_early(1) < 0.5


def test_type_ia_that_decline_slower_are_brighter_and_redder_ones_fainter(exposures: Exposures) -> None:
    curves = explosions.draw_sn_ia(rng(), 3_000, ZTF, exposures, WINDOW)
    x1, colour, magnitude = (curves.parameters[name] for name in ("x1", "colour", "peak_abs_mag"))
    fit = np.linalg.lstsq(np.column_stack([np.ones(len(x1)), x1, colour]), magnitude, rcond=None)[0]
    assert fit[1] == pytest.approx(-0.14, abs=0.03)
    assert np.std(magnitude - np.column_stack([np.ones(len(x1)), x1, colour]) @ fit) < 0.2


def test_a_tidal_disruption_stays_bluer_than_a_type_ia(exposures: Exposures) -> None:
    lsst = SURVEYS["lsst"]
    g, r = exposures.band == 1, exposures.band == 2

    def late_colour(draw: object) -> float:
        curves = draw(rng(), 3_000, lsst, exposures, WINDOW)  # type: ignore[operator]
        days = exposures.mjd_tai[None, :] - curves.epoch_mjd[:, None]
        near = (curves.redshift < 0.3)[:, None] & (days > 20.0) & (days < 45.0)
        flux = [np.median(curves.flux_njy[:, band][near[:, band]]) for band in (g, r)]
        return float(-2.5 * np.log10(flux[0] / flux[1]))

    assert late_colour(explosions.draw_sn_ia) - late_colour(explosions.draw_tde) > 0.5


def test_quasars_vary_less_in_the_red_and_more_the_longer_one_waits(exposures: Exposures) -> None:
    curves = variables.draw_agn(rng(), 2_000, SURVEYS["lsst"], exposures, WINDOW)
    relative = curves.flux_njy / curves.counterpart_njy[:, exposures.band]
    scatter = [relative[:, exposures.band == band].std() for band in (1, 4)]
    assert scatter[0] > 1.1 * scatter[1]
    of_g = np.flatnonzero(exposures.band == 1)
    soon = of_g[np.searchsorted(exposures.mjd_tai[of_g], exposures.mjd_tai[of_g[0]] + 20.0)]
    changed = [np.abs(relative[:, later] - relative[:, of_g[0]]).mean() for later in (soon, of_g[-1])]
    assert changed[1] > 1.2 * changed[0]


def test_residuals_lie_on_bright_stars_and_grow_on_bad_nights() -> None:
    survey = SURVEYS["ztf"]
    pointing = Pointing(0, 61_100, 1, (100, 160))
    exposures = draw_exposures(rng(3), survey, 0, pointing, 180.0, 20.0)
    curves = draw_artefacts(rng(), 20_000, survey, exposures, WINDOW)
    on_star = curves.extra["artefact"] == BAD_SUBTRACTION
    assert np.all((curves.counterpart_njy[:, 2] > 0.0) == on_star)
    assert 0.6 < on_star.mean() < 0.8
    share = np.abs(curves.flux_njy[on_star]) / curves.counterpart_njy[on_star][:, exposures.band]
    typical = np.array([np.median(column[column > 0.0]) for column in share.T])
    of_lsst = draw_artefacts(rng(), 20_000, SURVEYS["lsst"], exposures, WINDOW)
    assert 0.6 < (of_lsst.extra["artefact"] == SOURCE).mean() < 0.75
    worse = exposures.cloud_mag + np.maximum(exposures.seeing_arcsec / np.median(exposures.seeing_arcsec) - 1.0, 0.0)
    assert typical[np.argmax(worse)] > 1.2 * typical[np.argmin(worse)]


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: population.type)
@pytest.mark.parametrize("survey", SURVEYS)
def test_every_class_has_a_source_and_curves_of_its_own(survey: str, population: object, exposures: Exposures) -> None:
    telescope = SURVEYS[survey]
    of_survey = draw_exposures(rng(), telescope, 0, Pointing(0, 61_100, 1, (100, 160)), 180.0, 0.0)
    curves = population.draw(rng(), 40, telescope, of_survey, WINDOW)  # type: ignore[attr-defined]
    assert curves.flux_njy.shape == curves.visible.shape == (40, len(of_survey))
    assert np.all(np.isfinite(curves.flux_njy))
    assert np.all(curves.counterpart_njy >= 0.0)
    # Nothing takes more light away than the reference image holds, but for residuals of bad subtractions.
    if population.label is not None:  # type: ignore[attr-defined]
        assert np.all(curves.flux_njy >= -1.0001 * curves.counterpart_njy[:, of_survey.band])
    assert np.all(np.isnan(curves.redshift) == (population.host is None))  # type: ignore[attr-defined]
    assert curves.parameters
    assert population.density_deg2(telescope, Place(40.0, 10.0), WINDOW) > 0.0  # type: ignore[attr-defined]
    again = population.draw(rng(), 40, telescope, of_survey, WINDOW)  # type: ignore[attr-defined]
    assert np.array_equal(again.flux_njy, curves.flux_njy)
    assert population.draw.__doc__  # type: ignore[attr-defined]
    assert {"20", "19"} & {word.strip("(,;:.)")[:2] for word in population.draw.__doc__.split()} or not population.label  # type: ignore[attr-defined]


def test_the_broad_classes_are_all_there() -> None:
    assert {population.label for population in POPULATIONS} == {*CLASSES, None}
    assert sum(population.share for population in POPULATIONS) == pytest.approx(1.0)


def test_the_rich_mixture_deals_classes_by_their_shares() -> None:
    dealer = Dealer("rich")
    dealt = np.concatenate([dealer.deal(rng(), n, ZTF, 180.0, 30.0, WINDOW) for n in (7, 393, 1_600)])
    counts = np.bincount(dealt, minlength=len(POPULATIONS))
    assert counts == pytest.approx([2_000 * population.share for population in POPULATIONS], abs=2.0)


def test_the_mixture_of_the_sky_follows_rates_latitude_and_what_is_detected() -> None:
    assert set(MIXTURES) == {"sky", "rich"}
    dealer = Dealer("sky", ("SN Ia", "RR Lyrae", "asteroid"))
    types = [population.type for population in dealer.populations]
    for kind in range(3):
        dealer.note(kind, 1_000, 100)

    def counts(ra: float, dec: float) -> dict[str, int]:
        dealt = dealer.deal(rng(), 20_000, ZTF, ra, dec, WINDOW)
        return dict(zip(types, np.bincount(dealt, minlength=3).tolist(), strict=True))

    pole, plane, ecliptic = counts(192.9, 27.1), counts(290.0, 12.0), counts(0.0, 0.0)
    assert plane["RR Lyrae"] / plane["SN Ia"] > 2.0 * pole["RR Lyrae"] / pole["SN Ia"]
    assert ecliptic["asteroid"] / ecliptic["SN Ia"] > 5.0 * pole["asteroid"] / pole["SN Ia"]
    dealer.note(types.index("SN Ia"), 100_000, 0)
    assert counts(192.9, 27.1)["SN Ia"] < pole["SN Ia"] / 10


def test_objects_are_joined_with_nan_where_a_class_has_no_such_parameter() -> None:
    first, second = empty_objects(2), empty_objects(1)
    first.parameters, second.parameters = {"stretch": np.array([1.0, 2.0])}, {"period_d": np.array([0.5])}
    joined = join([first, second])
    assert len(joined) == 3
    assert joined.parameters["stretch"].tolist()[:2] == [1.0, 2.0]
    assert np.isnan(joined.parameters["stretch"][2])
    assert np.isnan(joined.parameters["period_d"][0])
    taken = joined.take(np.array([2]))
    assert taken.parameters["period_d"].tolist() == [0.5]
    assert not taken.moving.any()
