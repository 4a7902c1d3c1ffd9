"""What must hold of quality flags from stamps, of the real score and of the interest score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifiers.bundle import Bundle, BundleError
from classifiers.data.judged import read_judged_night
from classifiers.forest import Forest
from classifiers.quality import load_quality
from classifiers.quality.features import (
    INTEREST_FEATURES,
    interest_features,
    measure,
    quality_feature_names,
    quality_features,
)
from classifiers.quality.fit import Examples, fit_binary, fit_quality, real_examples
from classifiers.quality.flags import flags_of_measures
from classifiers.quality.serving import REAL_TREES, SELECTION_TREES
from classifiers.quality.stamps import STAMP_MEASURES, stamp_measures
from schemas.alert import QUALITY_BIT
from schemas.cutout import CutoutTriplet
from schemas.light_curve import Float32Array
from streamer.simulate.files import write_night
from streamer.simulate.night import NightPlan

WIDTH = {"ztf": 2.5, "lsst": 4.3}
SIDE = {"ztf": 63, "lsst": 30}


def blob(survey: str, dx: float = 0.0, dy: float = 0.0, width: float | None = None, long: float = 1.0) -> Float32Array:
    """A Gaussian of peak 1, `long` times as wide along x."""
    side = SIDE[survey]
    sigma = (width or WIDTH[survey]) / 2.3548
    y, x = np.mgrid[:side, :side] - side // 2
    return np.exp(-0.5 * (((x - dx) / (sigma * long)) ** 2 + ((y - dy) / sigma) ** 2)).astype(np.float32)


def stamps(survey: str, difference: Float32Array, template: Float32Array | float = 0.0) -> CutoutTriplet:
    """A triplet with white noise of 1 in each stamp; the science stamp is template and difference together."""
    rng = np.random.default_rng(7)
    below, noise = np.zeros_like(difference) + template, rng.normal(size=(3, *difference.shape))
    images = (below + difference, below, difference)
    science, template_stamp, difference_stamp = (
        (image + one).astype(np.float32) for image, one in zip(images, noise, strict=True)
    )
    return CutoutTriplet(survey, science, template_stamp, difference_stamp)


def flags(triplet: CutoutTriplet) -> set[str]:
    measures = stamp_measures([triplet], np.array([WIDTH[triplet.survey]]))
    bits = int(flags_of_measures(measures, triplet.survey)[0])
    return {name for name, bit in QUALITY_BIT.items() if bits & bit}


def hit(survey: str) -> Float32Array:
    """A cosmic ray: two pixels."""
    image = np.zeros((SIDE[survey],) * 2, np.float32)
    image[SIDE[survey] // 2, SIDE[survey] // 2 : SIDE[survey] // 2 + 2] = (60.0, 25.0)
    return image


def ringed(survey: str) -> Float32Array:
    """What a wrong PSF leaves of a star: a peak within a negative ring within a positive one."""
    side, width = SIDE[survey], WIDTH[survey]
    y, x = np.mgrid[:side, :side] - side // 2
    wave = np.cos(2.0 * np.pi * np.hypot(x, y) / (1.4 * width))
    return (90.0 * wave * blob(survey, width=2.0 * width)).astype(np.float32)


def masked(survey: str) -> Float32Array:
    """A source three pixels from the end of the image."""
    image = 40.0 * blob(survey)
    image[: SIDE[survey] // 2 - 3] = np.nan
    return image


SURVEYS = pytest.mark.parametrize("survey", ["ztf", "lsst"])


@SURVEYS
@pytest.mark.parametrize("snr", [6.0, 20.0, 100.0, 800.0])
@pytest.mark.parametrize("below", [0.0, 30.0, 900.0])
def test_a_good_source_has_no_flag_however_bright_and_whatever_lies_below(
    survey: str, snr: float, below: float
) -> None:
    assert flags(stamps(survey, snr * blob(survey), below * blob(survey))) == set()


@SURVEYS
def test_each_fault_sets_its_flag_and_no_other(survey: str) -> None:
    star = 2000.0 * blob(survey)
    width = WIDTH[survey]
    shifted = 80.0 * (blob(survey, dx=0.4 * width) - blob(survey, dx=-0.4 * width))
    assert flags(stamps(survey, shifted, star)) == {"dipole"}
    assert flags(stamps(survey, 20.0 * blob(survey, long=4.0))) == {"trail"}
    assert flags(stamps(survey, hit(survey))) == {"cosmic_ray"}
    assert flags(stamps(survey, 12.0 * blob(survey, width=2.6 * width))) == {"ghost"}
    assert flags(stamps(survey, ringed(survey), star)) == {"bad_subtraction"}
    assert flags(stamps(survey, masked(survey))) == {"edge"}


def test_a_saturated_star_is_told_from_ztf_s_pixels_alone() -> None:
    assert flags(stamps("ztf", 100.0 * blob("ztf"), 50_000.0 * blob("ztf"))) == {"saturated"}
    assert "saturated" not in flags(stamps("lsst", 100.0 * blob("lsst"), 50_000.0 * blob("lsst")))


@SURVEYS
def test_a_fading_source_is_measured_like_a_rising_one(survey: str) -> None:
    triplet = stamps(survey, 40.0 * blob(survey))
    turned = CutoutTriplet(survey, triplet.science, triplet.template, -np.asarray(triplet.difference))
    width = np.array([WIDTH[survey]])
    both = [dict(zip(STAMP_MEASURES, stamp_measures([each], width)[0], strict=True)) for each in (triplet, turned)]
    for name in ("peak_snr", "net_share", "lobe_ratio", "extent", "elongation", "narrowness", "diffuseness"):
        assert both[0][name] == pytest.approx(both[1][name], rel=1e-5), name


def test_measures_do_not_depend_on_units_or_on_what_else_is_in_the_batch() -> None:
    triplets = [stamps("lsst", snr * blob("lsst"), 50.0 * blob("lsst")) for snr in (8.0, 30.0)]
    width = np.full(2, WIDTH["lsst"])
    together = stamp_measures(triplets, width)
    np.testing.assert_array_equal(together[1], stamp_measures(triplets[1:], width[1:])[0])
    scaled = [CutoutTriplet("lsst", *(1000.0 * s for s in (t.science, t.template, t.difference))) for t in triplets]
    unlike = STAMP_MEASURES.index("science_brightest")
    np.testing.assert_allclose(
        np.delete(stamp_measures(scaled, width), unlike, 1), np.delete(together, unlike, 1), rtol=1e-3, atol=1e-5
    )


def test_where_the_pixels_do_not_tell_nothing_is_measured_and_no_flag_is_set() -> None:
    blank = np.full((63, 63), np.nan, np.float32)
    flat = np.zeros((63, 63), np.float32)
    cropped = np.ones((63, 40), np.float32)
    cases = [
        CutoutTriplet("ztf", None, None, None),
        CutoutTriplet("ztf", blank, blank, blank),
        CutoutTriplet("ztf", flat, flat, flat),
        CutoutTriplet("ztf", cropped, cropped, cropped),
    ]
    measures = stamp_measures(cases, np.full(len(cases), np.nan))
    assert np.isnan(measures).all()
    assert not flags_of_measures(measures, "ztf").any()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small simulated nights of both surveys, laid out as the fit wants them."""
    folder = tmp_path_factory.mktemp("simulated")
    for survey in ("ztf", "lsst"):
        for name, seed in ((survey, 11), (f"{survey}-test", 12)):
            write_night(NightPlan(survey, 240, seed, nights=2, mixture="rich"), folder / name)
    return folder


@pytest.fixture(scope="module")
def fitted(nights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, dict[str, Any]]:
    """Trees fitted on these nights alone, and the card's part on them."""
    out = tmp_path_factory.mktemp("trees")
    part = fit_quality(out, out, np.random.default_rng(1), nights, lambda _: None)
    files = {file.name: "" for file in out.iterdir()}
    return Bundle(out, {"files": files}, ""), part


def test_trees_of_simulated_nights_tell_bogus_of_another_night(fitted: tuple[Bundle, dict[str, Any]]) -> None:
    figures = fitted[1]["metrics"]
    assert figures["ztf"]["simulated alerts"]["auc, survey's score unseen"] > 0.95
    assert figures["lsst"]["simulated alerts"]["auc, survey's score unseen"] > 0.8
    assert figures["interest"]["simulated ztf alerts"]["auc"] > 0.9
    assert figures["ztf"]["real alerts"]["n"] == 0


def test_serving_gives_the_scores_and_flags_that_training_saw(
    fitted: tuple[Bundle, dict[str, Any]], nights: Path
) -> None:
    quality = load_quality(fitted[0])
    quality.warm_up()
    for survey in ("ztf", "lsst"):
        night = read_judged_night(nights / survey, survey)
        measures, bits = measure(night.alerts, night.cutouts)
        served = read_judged_night(nights / survey, survey)
        quality.assess(served.alerts, served.cutouts)
        np.testing.assert_array_equal(served.alerts.quality, night.alerts.quality | bits)
        night.alerts.quality = night.alerts.quality | bits
        forest = Forest.read(fitted[0].file(REAL_TREES[survey]))
        np.testing.assert_array_equal(
            served.alerts.real_score, forest.predict(quality_features(night.alerts, measures))
        )
        assert ((served.alerts.real_score >= 0) & (served.alerts.real_score <= 1)).all()
        interest = quality.interest(served.alerts, served.curves)
        assert interest.shape == (len(served),)
        assert np.isfinite(interest).all()


def test_an_alert_without_survey_score_or_stamps_is_judged_by_what_is_left(
    fitted: tuple[Bundle, dict[str, Any]], nights: Path
) -> None:
    night = read_judged_night(nights / "ztf-test", "ztf")
    night.alerts.metadata[:] = np.nan
    night.alerts.quality[:] = 0
    load_quality(fitted[0]).assess(night.alerts, [CutoutTriplet("ztf", None, None, None)] * len(night))
    assert np.isfinite(night.alerts.real_score).all()


def test_a_bundle_without_the_trees_or_with_other_features_is_refused(
    fitted: tuple[Bundle, dict[str, Any]], tmp_path: Path
) -> None:
    bundle = fitted[0]
    without = {name: "" for name in bundle.card["files"] if name != SELECTION_TREES}
    with pytest.raises(BundleError, match=SELECTION_TREES):
        load_quality(Bundle(bundle.folder, {"files": without}, ""))
    for name in bundle.card["files"]:
        (tmp_path / name).write_bytes(bundle.file(name).read_bytes())
    text = (tmp_path / SELECTION_TREES).read_text(encoding="utf-8")
    (tmp_path / SELECTION_TREES).write_text(text.replace("real_score", "other_score"), encoding="utf-8")
    with pytest.raises(BundleError, match="other features"):
        load_quality(Bundle(tmp_path, bundle.card, ""))


def test_names_of_features_are_as_many_as_the_features(nights: Path) -> None:
    for survey in ("ztf", "lsst"):
        night = read_judged_night(nights / survey, survey)
        measures, _ = measure(night.alerts, night.cutouts)
        names = quality_feature_names(survey)
        assert quality_features(night.alerts, measures).shape == (len(night), len(names))
        assert len(set(names)) == len(names)
        assert interest_features(night.alerts, night.curves).shape == (len(night), len(INTEREST_FEATURES))


def test_a_soft_target_pulls_the_score_to_itself() -> None:
    n = 400
    features = np.repeat(np.array([[0.0], [1.0], [2.0]], np.float32), n, axis=0)
    target = np.repeat([0.0, 0.3, 1.0], n)
    model = fit_binary(Examples(features, target, np.ones(3 * n)), ("x",), 1)
    score = Forest.of_text(model.model_to_string()).predict(np.array([[0.0], [1.0], [2.0]], np.float32))
    np.testing.assert_allclose(score, [0.0, 0.3, 1.0], atol=0.03)


def test_certain_bogus_and_certain_real_weigh_the_same(nights: Path) -> None:
    night = read_judged_night(nights / "lsst", "lsst")
    measures, _ = measure(night.alerts, night.cutouts)
    examples = real_examples(night, quality_features(night.alerts, measures))
    assert len(examples.target) == 3 * len(night)
    bogus = examples.target == 0.0
    assert examples.weight[bogus].sum() == pytest.approx(examples.weight[~bogus].sum())


def test_a_night_s_truth_says_what_is_bogus(nights: Path) -> None:
    night = read_judged_night(nights / "ztf", "ztf")
    assert night.is_certain.all()
    assert set(night.real.tolist()) == {0.0, 1.0}
    assert (night.label[night.real == 0.0] == -1).all()
