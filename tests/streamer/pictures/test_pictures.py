"""Pictures can be drawn of whatever an alert has, and show what they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.cutout import CutoutTriplet
from schemas.light_curve import BANDS, LIMIT
from streamer.pictures import Subject, draw_alert, draw_night
from streamer.pictures.night import COLUMNS, MOST
from streamer.pictures.panels import (
    BAND_STYLES,
    UNCALIBRATED,
    WARNING,
    class_scores,
    light_curve,
    new_figure,
    stamp,
    stretched,
    verdict,
)
from tests.streamer.pictures.subjects import curve, empty_curve, subject, triplet


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_an_alert_is_drawn(tmp_path: Path, survey: str) -> None:
    draw_alert(subject(survey), tmp_path / "alert.png")
    image = pixels(tmp_path / "alert.png")
    assert image.shape == (792, 1320, 3)
    assert (image < 250).mean() > 0.1


def test_two_pictures_of_one_alert_are_the_same_file(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        draw_alert(subject(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"light_curve": empty_curve(), "cutouts": None, "class_scores": None, "prediction_set": None, "modalities": ()},
        {"class_scores": np.full(7, np.nan, dtype=np.float32), "unclassified_reason": "no_photometry"},
        {"real_score": None, "novelty": float("nan"), "true_class": "SN Ia", "data_rights": "caltech"},
        {"cutouts": CutoutTriplet("ztf", np.full((63, 63), np.nan, dtype=np.float32), None, None)},
        {"cutouts": CutoutTriplet("ztf", *[np.zeros((63, 63), dtype=np.float32)] * 3)},
        {"cutouts": CutoutTriplet("ztf", *[np.full((1, 63), 3.4e38, dtype=np.float32)] * 3)},
        {"light_curve": curve("ztf", nights=1)},
        {"light_curve": curve("ztf", nights=3000)},
        {"light_curve": curve("ztf", peak_njy=-50_000.0)},
        {"survey": "another", "object_id": "X" * 40},
    ],
    ids=["bare", "unclassified", "no numbers", "masked", "zero", "saturated row", "1", "3000", "negative", "unknown"],
)
def test_whatever_is_missing_or_odd_is_drawn_without_a_warning(tmp_path: Path, changes: dict[str, object]) -> None:
    odd = subject(**changes)
    draw_alert(odd, tmp_path / "alert.png")
    draw_night([odd], tmp_path / "night.png", "night")
    assert pixels(tmp_path / "alert.png").shape == (792, 1320, 3)


@pytest.mark.parametrize(("n", "rows"), [(0, 1), (1, 1), (3, 1), (4, 2), (40, -(-MOST // COLUMNS))])
def test_a_sheet_grows_by_rows_up_to_its_most(tmp_path: Path, n: int, rows: int) -> None:
    draw_night([subject(seed=1)] * n, tmp_path / "night.png", "Best of the night", "1 alert")
    height, width, _ = pixels(tmp_path / "night.png").shape
    assert (width, height) == (1584, round((0.75 + 2.15 * rows) * 120))


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        draw_alert(subject(), tmp_path / "absent" / "alert.png")


def test_every_band_has_its_own_colour_and_shape() -> None:
    assert tuple(BAND_STYLES) == BANDS
    assert len({style.colour for style in BAND_STYLES.values()}) == len(BANDS)
    assert len({style.marker for style in BAND_STYLES.values()}) == len(BANDS)


def test_a_limit_stands_at_five_sigma_and_a_point_at_its_flux() -> None:
    drawn: Subject = subject(light_curve=curve("ztf", seed=2))
    axes = new_figure(4, 3).add_subplot()
    light_curve(axes, drawn)
    shown = {round(float(y), 3) for line in axes.get_lines() for y in np.asarray(line.get_ydata(), dtype=float)}
    rows = drawn.light_curve
    level = np.where(rows.kind == LIMIT, 5 * rows.flux_err_njy, rows.flux_njy)
    assert {round(float(flux) / 1e3, 3) for flux in level} <= shown


def test_the_bars_are_the_class_scores_and_the_set_is_in_colour() -> None:
    drawn = subject(seed=4)
    axes = new_figure(4, 3).add_subplot()
    class_scores(axes, drawn)
    assert drawn.class_scores is not None
    assert drawn.prediction_set is not None
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], drawn.class_scores)
    coloured = [bar.get_facecolor() for bar, member in zip(axes.patches, drawn.prediction_set, strict=True) if member]
    others = [bar.get_facecolor() for bar, member in zip(axes.patches, drawn.prediction_set, strict=True) if not member]
    assert len(set(coloured)) == 1
    assert not set(coloured) & set(others)


@pytest.mark.parametrize("small", [False, True])
def test_uncalibrated_scores_are_hatched_and_in_brackets_and_calibrated_ones_never(small: bool) -> None:
    for calibrated in (True, False):
        axes = new_figure(4, 3).add_subplot()
        class_scores(axes, subject(seed=4, calibrated=calibrated), small=small)
        assert all(bool(bar.get_hatch()) is not calibrated for bar in axes.patches)
        texts = [text.get_text() for text in axes.texts]
        assert (UNCALIBRATED in texts) is (small and not calibrated)
        assert all(text.startswith("(") is not calibrated for text in texts if text != UNCALIBRATED)


def test_the_verdict_puts_an_uncalibrated_score_in_brackets_and_in_another_colour() -> None:
    sure, bare = (verdict(subject(seed=4, calibrated=calibrated)) for calibrated in (True, False))
    assert "(" not in sure[0]
    assert "(" in bare[0]
    assert bare[1] == WARNING != sure[1]


@pytest.mark.parametrize("calibrated", [True, False])
def test_pictures_warn_of_uncalibrated_scores_and_of_nothing_else(tmp_path: Path, calibrated: bool) -> None:
    drawn = subject(calibrated=calibrated)
    draw_alert(drawn, tmp_path / "alert.png")
    draw_night([drawn], tmp_path / "night.png", "night")
    warning = [int(WARNING[i : i + 2], 16) for i in (1, 3, 5)]
    for name in ("alert.png", "night.png"):
        assert bool((pixels(tmp_path / name) == warning).all(axis=2).any()) is not calibrated
    head = pixels(tmp_path / "night.png")[:90]  # the legend stands under the title
    assert bool((head == warning).all(axis=2).any()) is not calibrated


def test_a_stretch_keeps_the_order_of_pixels_and_masks_what_is_not_finite() -> None:
    image = triplet("ztf").science
    assert image is not None
    image = image.copy()
    image[0, 0], image[0, 1] = np.inf, 3.4e38
    shown, bound = stretched(image)
    finite = np.isfinite(image)
    assert np.isnan(shown[~finite]).all()
    order = np.argsort(image[finite], kind="stable")
    assert (np.diff(shown[finite][order]) >= 0).all()
    assert np.isfinite(bound)


def test_the_scale_bar_has_the_length_it_says() -> None:
    for survey, pixel in (("ztf", 1.01), ("lsst", 0.2)):
        axes = new_figure(2, 2).add_subplot()
        stamp(axes, triplet(survey).science, "science", survey)
        [text] = [text.get_text() for text in axes.texts]
        x = np.asarray(axes.get_lines()[-1].get_xdata(), dtype=float)
        assert float(text.rstrip('"')) == pytest.approx((x[1] - x[0]) * pixel)
