"""Where ZTF's stamps have no pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.images import masks
from streamer.simulate.images.masks import BLANK, window
from streamer.simulate.images.stamps import Stamps, draw_stamps
from streamer.simulate.night import NightPlan, _pointings
from streamer.simulate.scene import Field, draw_field
from streamer.simulate.sky.mixture import Dealer

CHIP = (3072, 3080)


@pytest.fixture(scope="module")
def field() -> Field:
    pointing = _pointings(NightPlan("ztf", 400, 6), 0, 40)[0]
    return draw_field("ztf", 6, pointing, 400, Dealer("rich"))


def _draw(field: Field, position: npt.NDArray[np.float64] | None = None) -> Stamps:
    k, exposure = field.detections()
    sent = exposure >= field.exposures.emitted_from
    k, exposure = k[sent], exposure[sent]
    if position is None:
        position = np.random.default_rng(1).uniform(60.0, 3_000.0, (len(k), 2))
    unit = np.full(len(k), float(flux_from_magnitude(np.array(26.3))))
    return draw_stamps(np.random.default_rng(2), field, k, exposure, position, unit, 0.0 * unit + 150.0)


@pytest.mark.parametrize(
    ("position", "shape"),
    [
        ((1928.9, 15.565), (47, 63)),
        ((2225.8, 12.31), (43, 63)),
        ((2796.5, 24.45), (55, 63)),
        ((2298.3, 3063.77), (48, 63)),
        ((1500.0, 1500.0), (63, 63)),
        ((20.2, 1500.0), (63, 51)),
        ((3060.0, 1500.0), (63, 44)),
    ],
)
def test_a_stamp_at_the_edge_is_as_large_as_real_ones_there(
    position: tuple[float, float], shape: tuple[int, int]
) -> None:
    bottom, top, left, right = window(np.array([position]), CHIP, 63)[0]
    assert (top - bottom, right - left) == shape


def test_the_three_stamps_of_a_triplet_are_cropped_alike(field: Field) -> None:
    _, exposure = field.detections()
    n = int((exposure >= field.exposures.emitted_from).sum())
    stamps = _draw(field, np.tile([1_000.4, 10.2], (n, 1)))
    science, template, difference = stamps.triplet(0)
    assert science.shape == template.shape == difference.shape == (41, 63)
    # The source keeps its place from the upper edge.
    assert np.array_equal(science, stamps.science[0, 22:], equal_nan=True)


def test_masked_pixels_are_the_same_in_all_three_and_never_on_the_source(field: Field) -> None:
    stamps = _draw(field)
    mask = np.isnan(stamps.science)
    assert np.array_equal(mask, np.isnan(stamps.difference))
    assert np.array_equal(mask, np.isnan(stamps.template) | (stamps.template == BLANK))
    assert not mask[:, 30:33, 30:33].any()
    # 120 of 900 real triplets have some.
    assert 0.05 < mask.any(axis=(1, 2)).mean() < 0.3


def test_some_templates_have_the_lowest_number_in_place_of_nan(field: Field) -> None:
    stamps = _draw(field)
    blank = (stamps.template == BLANK).any(axis=(1, 2))
    masked = np.isnan(stamps.science).any(axis=(1, 2))
    assert not blank[~masked].any()
    assert not np.isnan(stamps.template[blank]).any()


def test_a_saturated_star_is_masked(field: Field) -> None:
    o = field.objects
    kept = o.neighbour_njy[:, 0].copy(), o.neighbour_offset_arcsec[:, 0].copy(), o.neighbour_radius_arcsec[:, 0].copy()
    o.neighbour_njy[:, 0] = flux_from_magnitude(np.array(9.5))
    o.neighbour_offset_arcsec[:, 0] = (22.0, 22.0)
    o.neighbour_radius_arcsec[:, 0] = 0.0
    try:
        stamps = _draw(field)
    finally:
        o.neighbour_njy[:, 0], o.neighbour_offset_arcsec[:, 0], o.neighbour_radius_arcsec[:, 0] = kept
    # East is to the left and north down.
    place = 31 - round(22.0 / 1.01)
    assert np.isnan(stamps.science[:, place, place]).all()


def test_strips_at_the_chips_edge_are_masked_where_the_template_ends(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masks, "_EDGE_CHANCE", (1.0, 0.0, 0.0, 0.0))
    _, exposure = field.detections()
    n = int((exposure >= field.exposures.emitted_from).sum())
    rng = np.random.default_rng(3)
    near = _draw(field, np.column_stack([rng.uniform(60.0, 220.0, n), np.full(n, 1_500.0)]))
    far = _draw(field, np.full((n, 2), 1_500.0))
    strip = [np.isnan(stamps.science[:, :, 0]).all(axis=1).mean() for stamps in (near, far)]
    assert strip[0] > 0.03
    assert strip[1] < 0.02
