"""A field of the simulated sky: what is measured, and what of it is sent."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.light_curve import BANDS
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.night import NightPlan, _pointings, check_plan
from streamer.simulate.observing.cadence import Pointing
from streamer.simulate.observing.surveys import SURVEYS
from streamer.simulate.scene import DETECTION_SNR, EDGE_PX, Field, draw_field, lives_on_star, psf_share
from streamer.simulate.sky.mixture import Dealer
from streamer.simulate.sky.objects import SOURCE


def field(survey: str, packets: int = 120, nights: int = 1, only: tuple[str, ...] = (), seed: int = 4) -> Field:
    pointing = _pointings(NightPlan(survey, packets, seed, nights), 0, 40)[0]
    return draw_field(survey, seed, pointing, packets, Dealer("rich", only))


@pytest.fixture(scope="module", params=list(SURVEYS))
def drawn(request: pytest.FixtureRequest) -> Field:
    return field(request.param)


def test_every_object_sends_and_hardly_more_than_asked_is_sent(drawn: Field) -> None:
    sent = drawn.sent()
    assert sent.min() >= 1
    assert 120 <= sent.sum() <= 120 + sent.max()


def test_what_is_detected_stands_out_by_five_sigma_and_is_in_the_frame(drawn: Field) -> None:
    snr = np.abs(drawn.flux_njy) / drawn.error_njy
    assert np.all(snr[drawn.detected] >= DETECTION_SNR)
    assert np.all(drawn.covered[drawn.detected])
    missed = drawn.covered & ~drawn.detected & (drawn.objects.artefact == SOURCE)[:, None]
    bright = np.abs(drawn.true_njy) > flux_from_magnitude(np.array(drawn.survey.bright_mag))
    assert np.all(snr[missed & ~bright] < DETECTION_SNR)


def test_measured_fluxes_scatter_about_the_true_ones_by_their_noise(drawn: Field) -> None:
    pull = (drawn.flux_njy - drawn.true_njy) / drawn.noise_njy
    quiet = drawn.exposures.night < drawn.exposures.night[-1]  # the night that is sent is chosen for what it shows
    assert abs(pull[:, quiet].mean()) < 0.05
    assert pull[:, quiet].std() == pytest.approx(1.0, abs=0.03)


def still_light(drawn: Field) -> np.ndarray:
    o, band = drawn.objects, drawn.exposures.band
    share = psf_share(o.host_radius_arcsec[:, None], drawn.exposures.seeing_arcsec[None, :])
    return o.counterpart_njy[:, band] + share * o.host_njy[:, band]


def test_noise_follows_depth_light_and_the_surveys_floors(drawn: Field) -> None:
    survey, still = drawn.survey, still_light(drawn)
    sky = survey.sky_factor * flux_from_magnitude(drawn.limit_mag()) / 5.0
    variance = (
        sky**2
        + (np.abs(drawn.true_njy) + still) * survey.njy_per_electron
        + (survey.flux_floor * drawn.true_njy) ** 2
        + (survey.still_floor * still) ** 2
    )
    assert drawn.noise_njy**2 == pytest.approx(variance, rel=1e-9)


def test_lsst_quotes_its_noise_and_ztf_more_the_brighter_a_source_is_and_the_star_it_lies_on() -> None:
    lsst = field("lsst")
    assert np.array_equal(lsst.error_njy, lsst.noise_njy)
    ztf = field("ztf", 600)
    depth = flux_from_magnitude(ztf.limit_mag()) / 5.0
    x, ratio = np.abs(ztf.flux_njy) / depth, still_light(ztf) / np.abs(ztf.flux_njy)
    quoted = ztf.error_njy / depth

    def median(low: float, high: float, on_star: bool) -> float:
        chosen = ztf.detected & (x > low) & (x < high) & ((ratio > 5.0) if on_star else (ratio < 0.3))
        assert chosen.sum() > 15
        return float(np.median(quoted[chosen]))

    # Medians of 900 real packets.
    assert median(6.0, 8.0, False) == pytest.approx(1.17, abs=0.12)
    assert median(12.0, 20.0, False) == pytest.approx(1.46, abs=0.2)
    assert median(20.0, 40.0, False) == pytest.approx(1.87, abs=0.25)
    assert median(12.0, 20.0, True) > 1.05 * median(12.0, 20.0, False)
    assert np.median((ztf.error_njy / ztf.noise_njy)[ztf.detected]) > 1.3


def test_objects_keep_off_the_edges_and_within_their_chips(drawn: Field) -> None:
    o, (width, height) = drawn.objects, drawn.survey.cell_px
    assert o.x_px.min() >= EDGE_PX
    assert o.y_px.min() >= EDGE_PX
    assert o.x_px.max() <= width - EDGE_PX
    assert o.y_px.max() <= height - EDGE_PX
    assert o.cell.max() < drawn.survey.cells


def test_light_comes_through_the_galaxys_dust() -> None:
    """Hosts of one class are redder and fainter behind more dust."""
    o = field("ztf", 1_500, only=("SN Ia",)).objects
    reddened = o.ebv_mag > np.quantile(o.ebv_mag, 0.7)
    clear = o.ebv_mag < np.quantile(o.ebv_mag, 0.3)
    colour = -2.5 * np.log10(o.host_njy[:, BANDS.index("u")] / o.host_njy[:, BANDS.index("z")])
    excess = np.median(colour[reddened]) - np.median(colour[clear])
    dust = np.median(o.ebv_mag[reddened]) - np.median(o.ebv_mag[clear])
    assert excess == pytest.approx(dust * (4.239 - 1.263), abs=0.35)


def test_what_varies_for_good_was_seen_before_and_what_flares_once_was_not() -> None:
    both = field("ztf", 500, only=("RR Lyrae", "SN Ia"))
    star = lives_on_star(both)
    assert star.any()
    assert not star.all()
    assert np.median(both.objects.detected_before[star]) > 20
    assert np.all(both.objects.detected_before[~star] == 0)
    assert np.all(both.objects.detected_before <= both.objects.covered_before)


def test_a_packet_carries_the_truth_behind_it(drawn: Field) -> None:
    k, exposure = (int(found[0]) for found in np.nonzero(drawn.detected))
    packet = drawn.packet(k, exposure, 17, "object", b"payload")
    assert packet.true_njy == drawn.true_njy[k, exposure]
    assert packet.band == BANDS[drawn.exposures.band[exposure]]
    assert packet.type == drawn.population(k).type
    assert packet.parameters["ebv_mag"] == drawn.objects.ebv_mag[k]
    assert all(value == value for value in packet.parameters.values())
    assert packet.without_payload().payload == b""


def test_more_nights_see_the_same_objects_again() -> None:
    once, often = field("ztf", 300), field("ztf", 300, nights=20)
    assert len(often.objects) < 0.6 * len(once.objects)
    assert len(np.unique(often.exposures.night[often.exposures.emitted_from :])) >= 4


def test_asteroids_move_through_the_field() -> None:
    rocks = field("lsst", 60, only=("asteroid",))
    k, exposure = rocks.detections()
    ra, dec = rocks.position_deg(k, exposure)
    assert np.all(rocks.objects.moving)
    for i in np.unique(k)[:20]:
        seen = k == i
        if seen.sum() > 1:
            arcsec = np.hypot(np.ptp(ra[seen]) * np.cos(np.radians(dec[seen][0])), np.ptp(dec[seen])) * 3_600.0
            days = np.ptp(rocks.exposures.mjd_tai[exposure[seen]])
            speed = np.hypot(*rocks.objects.motion_arcsec_per_day[i])
            assert arcsec == pytest.approx(speed * days, rel=0.08)  # paths bend


def test_the_same_pointing_gives_the_same_field_and_another_index_another() -> None:
    one, same = field("lsst", 60), field("lsst", 60)
    assert np.array_equal(one.flux_njy, same.flux_njy)
    pointing = Pointing(1, 61_104, 1, (361, 400))
    other = draw_field("lsst", 4, pointing, 60, Dealer("rich"))
    assert other.ra_deg != one.ra_deg


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (NightPlan("panstarrs", 1), "expected one of ztf, lsst"),
        (NightPlan("ztf", 0), "at least one packet"),
        (NightPlan("ztf", 1, nights=0), "at least one night"),
        (NightPlan("ztf", 1, seed=-1), "the seed must be 0 or more"),
        (NightPlan("ztf", 1, mixture="poor"), "expected one of sky, rich"),
        (NightPlan("ztf", 1, only=("SN Ia", "nova")), "unknown type 'nova'"),
        (NightPlan("lsst", 10**9), "simulate more seeds"),
        (NightPlan("lsst", 10**6, nights=30), "30 nights hold at most"),
    ],
)
def test_plans_that_make_no_night_are_refused(plan: NightPlan, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_plan(plan)
