"""When and how deep the simulated surveys look."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.time import Time

from streamer.simulate.night import FIELDS_PER_GROUP, GROUPS_PER_NIGHT, NightPlan, _pointings
from streamer.simulate.observing import heavens
from streamer.simulate.observing.cadence import (
    NIGHT_SLOTS,
    START_SPREAD_DAYS,
    Exposures,
    Pointing,
    draw_exposures,
    draw_place,
    start_mjd,
    weather,
)
from streamer.simulate.observing.surveys import SURVEYS

LONGITUDE_DEG = {"ztf": -116.86, "lsst": -70.75}


def drawn(survey: str, seed: int, nights: int = 1, slot: int = 200) -> tuple[float, float, Exposures]:
    rng = np.random.default_rng(seed)
    pointing = Pointing(seed, int(start_mjd(seed)), nights, (slot, slot + 60))
    ra, dec = draw_place(rng, SURVEYS[survey], pointing)
    return ra, dec, draw_exposures(rng, SURVEYS[survey], seed, pointing, ra, dec)


@pytest.mark.parametrize("mjd", [61_100.2, 61_400.7, 61_990.0])
def test_sun_and_moon_stand_where_astropy_has_them(mjd: float) -> None:
    time = Time(mjd, format="mjd")
    for ours, body, tolerance in (
        (heavens.sun_longitude_deg(np.array(mjd)), "sun", 3.0),
        (heavens.moon_longitude_deg(np.array(mjd)), "moon", 12.0),
    ):
        ra, dec = heavens.equatorial(ours)
        there = get_body(body, time)
        ours_there = SkyCoord(ra * units.deg, dec * units.deg, frame=there.frame.replicate_without_data())
        assert ours_there.separation(there).deg < tolerance


@pytest.mark.parametrize("survey", SURVEYS)
def test_fields_are_up_at_night_when_they_are_seen(survey: str) -> None:
    telescope = SURVEYS[survey]
    site = EarthLocation(lat=telescope.latitude_deg * units.deg, lon=LONGITUDE_DEG[survey] * units.deg)
    for seed in range(0, 40, 5):
        ra, dec, exposures = drawn(survey, seed, slot=(seed * 37) % (NIGHT_SLOTS - 60))
        sent = exposures.mjd_tai[exposures.emitted_from :]
        frame = AltAz(obstime=Time(sent, format="mjd", scale="tai"), location=site)
        altitude = SkyCoord(ra * units.deg, dec * units.deg).transform_to(frame).alt.deg
        sun = get_body("sun", frame.obstime).transform_to(frame).alt.deg
        assert altitude.min() > 0.0
        assert sun.max() < -5.0
        assert 1.0 / np.sin(np.radians(altitude.clip(20.0))) == pytest.approx(
            exposures.airmass[exposures.emitted_from :], abs=0.25
        )


@pytest.mark.parametrize("survey", SURVEYS)
def test_any_seed_gives_a_field_with_a_history_and_a_pair_on_its_night(survey: str) -> None:
    telescope = SURVEYS[survey]
    for seed in range(200):
        _, _, exposures = drawn(survey, seed)
        assert np.all(np.diff(exposures.mjd_tai) > 0.0)
        night = int(start_mjd(seed))
        assert exposures.night[exposures.emitted_from :].tolist() == [night, night]
        gap_s = np.diff(exposures.mjd_tai[-2:])[0] * 86_400.0
        assert gap_s == pytest.approx(60 * telescope.slot_s, abs=0.01)
        assert exposures.emitted_from >= 4
        assert np.all(exposures.mjd_tai[: exposures.emitted_from] < night)


def test_ztf_sees_g_and_r_and_some_fields_i_and_lsst_pairs_of_neighbouring_bands() -> None:
    fields = [drawn("ztf", seed)[2] for seed in range(60)]
    assert all(set(field.band[field.emitted_from :].tolist()) == {1, 2} for field in fields)
    with_i = [field for field in fields if 3 in field.band]
    assert 3 < len(with_i) < 30
    assert {band for field in fields for band in field.band.tolist()} == {1, 2, 3}
    for seed in range(20):
        _, _, lsst = drawn("lsst", seed)
        pairs = {tuple(lsst.band[lsst.night == night].tolist()) for night in np.unique(lsst.night)}
        assert {pair for pair in pairs if len(pair) == 2} <= {(0, 1), (1, 2), (2, 3), (1, 3), (3, 4), (4, 5)}


def test_histories_of_ztf_are_as_long_as_real_ones() -> None:
    """Of 900 real packets the middle half has 13 to 26 earlier exposures in 30 days, one in ten over 43."""
    lengths = [
        int((field.mjd_tai[: field.emitted_from] > field.mjd_tai[-1] - 30.0).sum())
        for field in (drawn("ztf", seed)[2] for seed in range(300))
    ]
    low, middle, high, most = np.quantile(lengths, [0.25, 0.5, 0.75, 0.95])
    assert 10 <= low <= 16
    assert 15 <= middle <= 22
    assert 20 <= high <= 30
    assert most > 34


def test_ztf_comes_back_every_two_to_three_nights_in_the_median() -> None:
    gaps = np.concatenate([np.diff(np.unique(drawn("ztf", seed)[2].night)) for seed in range(60)])
    assert 2.0 <= np.median(gaps) <= 3.0
    assert gaps.max() > 6.0  # weather and Moon leave holes


def test_a_year_of_lsst_has_a_season_and_six_bands() -> None:
    years = [drawn("lsst", seed)[2] for seed in range(30)]
    assert {band for year in years for band in np.unique(year.band).tolist()} == set(range(6))
    assert 60 < np.median([len(year) for year in years]) < 220
    assert np.median([np.diff(np.unique(year.night)).max() for year in years]) > 60.0


def test_nights_share_their_weather_which_comes_in_spells() -> None:
    evenings = np.arange(60_000, 61_101)
    good, cloud = weather(SURVEYS["ztf"], 0, evenings)
    again, _ = weather(SURVEYS["ztf"], 0, evenings[700:])
    other, _ = weather(SURVEYS["ztf"], 1, evenings)
    assert 0.15 < 1.0 - good.mean() < 0.35
    lost = np.flatnonzero(~good[:-1])
    assert (~good[lost + 1]).mean() > 1.5 * (1.0 - good.mean())
    assert np.quantile(cloud, 0.5) < 0.1 < np.quantile(cloud, 0.95)
    assert np.array_equal(again, good[700:])
    assert not np.array_equal(other, good)


def test_the_moon_brightens_the_blue_and_costs_depth() -> None:
    years = [drawn("lsst", seed)[2] for seed in range(40)]

    def of(band: int, bright: bool) -> tuple[float, float]:
        chosen = [
            (year.sky_mag_arcsec2[m], year.limit_mag[m])
            for year in years
            if (m := (year.band == band) & ((heavens.moon_illumination(year.mjd_tai) > 0.6) == bright)).any()
        ]
        return tuple(float(np.median(np.concatenate(column))) for column in zip(*chosen, strict=True))  # type: ignore[return-value]

    assert of(1, False)[0] - of(1, True)[0] > 0.7
    assert of(1, False)[1] - of(1, True)[1] > 0.3
    assert of(4, False)[0] - of(4, True)[0] < of(1, False)[0] - of(1, True)[0]


def test_clouds_bad_seeing_and_bright_sky_make_an_exposure_shallow() -> None:
    many = [drawn("ztf", seed)[2] for seed in range(80)]
    cloud, seeing, sky, airmass, band, limit = (
        np.concatenate([getattr(one, name) for one in many])
        for name in ("cloud_mag", "seeing_arcsec", "sky_mag_arcsec2", "airmass", "band", "limit_mag")
    )
    g = band == 1
    columns = np.column_stack([np.ones(g.sum()), cloud[g], 2.5 * np.log10(seeing[g]), sky[g], airmass[g]])
    slope = np.linalg.lstsq(columns, limit[g], rcond=None)[0]
    assert slope[1:] == pytest.approx([-1.0, -1.0, 0.5, -0.21], abs=0.02)


@pytest.mark.parametrize("survey", SURVEYS)
def test_no_two_exposures_of_a_night_share_their_slot_and_pairs_are_as_far_apart_as_the_surveys_have_them(
    survey: str,
) -> None:
    plan = NightPlan(survey, 10**4, 5)
    pointings = [one for group in range(GROUPS_PER_NIGHT) for one in _pointings(plan, group, 10**4)]
    assert len(pointings) == GROUPS_PER_NIGHT * FIELDS_PER_GROUP
    slots = np.array([one.slots for one in pointings])
    assert len(np.unique(slots)) == slots.size
    assert slots.max() < NIGHT_SLOTS
    assert np.all(slots[:, 0] < slots[:, 1])
    gap_d = np.median(slots[:, 1] - slots[:, 0]) * SURVEYS[survey].slot_s / 86_400.0
    assert gap_d == pytest.approx({"ztf": 0.0436, "lsst": 0.023}[survey], rel=0.3)


def test_two_seeds_start_apart_and_both_surveys_share_a_seeds_night() -> None:
    assert start_mjd(3) != start_mjd(4)
    assert start_mjd(START_SPREAD_DAYS) == start_mjd(0)
