"""What must hold of the figures: cells, gains, leaks, matched curves, the card."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from classifiers import load_bundle, metrics
from classifiers.cli import app
from classifiers.data import split_of
from classifiers.evaluation import baselines
from classifiers.evaluation.answers import Asked, subsets_of
from classifiers.evaluation.baselines import (
    STATISTICS,
    fitted_scores,
    folds,
    out_of_fold,
    sampling_statistics,
    usual_statistics,
)
from classifiers.evaluation.card_text import card_text, draw
from classifiers.evaluation.fair import matched_cells, one_source_cells
from classifiers.evaluation.folder import read_holdings
from classifiers.evaluation.for_card import card_figures
from classifiers.evaluation.leaks import baseline_cells, leak_cells
from classifiers.evaluation.matched import (
    COMMON_BRIGHTEST_MAG,
    FIRST_MJD,
    MATCHED_COUNTS,
    WINDOW_DAYS,
    matched,
    merged_by_night,
)
from classifiers.evaluation.moments import Cut
from classifiers.evaluation.printing import figure, print_report, verdict
from classifiers.evaluation.report import evaluate
from classifiers.evaluation.saving import figure_lines, gain_lines, save
from classifiers.evaluation.tables import FIVE_CLASSES, cell, gain, narrowed, object_cells, part_cells
from classifiers.serving import BundleClassifier
from schemas.taxonomy import CLASSES
from tests.classifiers import made_up
from tests.classifiers.made_up_folder import FIRST_MJD as FIRST
from tests.classifiers.made_up_folder import (
    curve_row,
    spectrum_row,
    write_folder,
    write_labels,
    write_rows,
)


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short fits and few resamplings: what must hold does not hang on their number."""
    monkeypatch.setattr(baselines, "ROUNDS", 5)
    monkeypatch.setattr(metrics, "BOOTSTRAPS", 60)


def sure(label: list[int], predicted: list[int], confidence: float = 0.9) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labels, scores of one confidence, and a name for each."""
    scores = np.full((len(label), 7), (1.0 - confidence) / 6)
    scores[np.arange(len(label)), predicted] = confidence
    return np.array(label), scores, [str(i) for i in range(len(label))]


def test_a_cell_of_known_answers_is_known() -> None:
    told = cell(*sure([0] * 30 + [1] * 10, [0] * 30 + [1] * 5 + [0] * 5))["seven"]
    assert told["accuracy"][0] == 0.875
    assert told["balanced_accuracy"][0] == 0.75
    assert told["balanced_accuracy"][1] < 0.75 < told["balanced_accuracy"][2]
    assert told["classes"]["SN II"]["recall"][0] == 0.5
    assert told["classes"]["SN II"]["precision"][0] == 1.0
    assert told["ece"][0] == pytest.approx(0.025)
    assert told["confusion"][1][:2] == [5, 5]


def test_five_classes_leave_out_slsn_and_other_and_scale_the_rest() -> None:
    label = np.array([0, 2, 6, 5])
    scores = np.tile([0.2, 0.1, 0.3, 0.1, 0.0, 0.1, 0.2], (4, 1))
    rows, five, kept = narrowed(label, scores, FIVE_CLASSES)
    assert rows.tolist() == [0, 3]
    assert [FIVE_CLASSES[k] for k in five] == ["SN I", "TDE"]
    np.testing.assert_allclose(kept, np.tile([0.4, 0.2, 0.2, 0.0, 0.2], (2, 1)))


def test_fewer_than_ten_objects_get_their_number_and_no_figure() -> None:
    label, scores, _ = sure([0] * 20 + [5] * 3, [0] * 23)
    told = cell(label, scores, [str(i) for i in range(23)])["seven"]
    assert told["classes"]["TDE"]["n_objects"] == 3
    assert told["classes"]["TDE"]["recall"] is None
    assert told["few"] == ["TDE"]
    assert told["accuracy"] is not None
    assert "without_few" not in told  # one class is left


def test_macro_figures_are_told_without_the_classes_of_few_objects_too() -> None:
    told = cell(*sure([0] * 20 + [1] * 20 + [5] * 3, [0] * 40 + [5] * 3))["seven"]
    assert told["balanced_accuracy"][0] == pytest.approx(2 / 3, abs=1e-4)
    assert told["without_few"]["balanced_accuracy"][0] == 0.5


def test_rows_of_one_object_are_one_object() -> None:
    label, scores, _ = sure([0] * 20 + [5] * 3, [0] * 23)
    same = cell(label, scores, [str(i // 3) for i in range(23)])["seven"]
    assert (same["n"], same["n_objects"], same["accuracy"]) == (23, 8, None)


def test_one_class_alone_and_equal_scores_have_figures() -> None:
    told = cell(np.zeros(15, np.int64), np.full((15, 7), 1 / 7), [str(i) for i in range(15)])
    assert told["seven"]["accuracy"] == [1.0, 1.0, 1.0]
    assert told["seven"]["macro_auprc"] == [1.0, 1.0, 1.0]
    assert cell(np.full(15, 6), np.full((15, 7), 1 / 7), ["a"] * 15)["five"]["n"] == 0


def test_coverage_counts_the_rows_that_have_a_set() -> None:
    label, scores, names = sure([0] * 20, [0] * 20)
    sets = np.zeros((20, 7), bool)
    sets[:10, 0] = True
    sets[:15, 1] = True
    told = cell(label, scores, names, sets)
    assert told["n_with_set"] == 15
    assert told["coverage"][0] == pytest.approx(2 / 3, abs=1e-4)
    assert told["set_size"][0] == pytest.approx(25 / 15, abs=1e-4)


def test_a_gain_is_counted_in_pairs_and_its_interval_says_what_is_shown() -> None:
    label, ours, _ = sure([0, 1] * 40, [0, 1] * 40)
    worse = [2] * 24 + [0, 1] * 28
    _, theirs, _ = sure([0, 1] * 40, worse)
    names = [str(i // 2) for i in range(80)]
    told = gain(label, ours, theirs, names)["balanced_accuracy"]
    assert told[0] == pytest.approx(0.3)
    assert verdict(told) == "shown"
    assert verdict(gain(label, theirs, ours, names)["balanced_accuracy"]) == "worse"
    nothing = gain(label, ours, ours, names)["balanced_accuracy"]
    assert nothing == [0.0, 0.0, 0.0]
    assert verdict(nothing) == "not shown"
    assert verdict(gain(label[:8], ours[:8], theirs[:8], names[:8])["macro_auprc"]) == "fewer than 10 objects"
    assert figure(nothing, sign=True) == r"+.000 \[+.000, +.000]"


@pytest.fixture(scope="module")
def made_up_classifier(made_up_bundle: Path) -> BundleClassifier:
    return load_bundle(made_up_bundle)


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 15 objects of each class."""
    folder = tmp_path_factory.mktemp("seven")
    write_folder(folder, CLASSES, 15)
    return folder


def test_populations_are_told_apart(tmp_path: Path, made_up_classifier: BundleClassifier) -> None:
    rows = [curve_row(f"s{i}", "SN I", 6, i, source="simulated, parametric") for i in range(12)]
    rows += [curve_row(f"r{i}", ("SN II", "AGN")[i % 2], 6, i) for i in range(24)]
    write_rows(tmp_path / "light_curves.parquet", rows)
    spectra = [spectrum_row(f"r{i}", ("SN II", "AGN")[i % 2], FIRST, i, uncertain=i < 4) for i in range(24)]
    write_rows(tmp_path / "spectra.parquet", spectra)
    lists = ["SEDM_ML_sample|CCSNscore", "SEDM_ML_sample|BTS_csv", "SIMBAD|CCSNscore"]
    write_labels(tmp_path / "labels.csv", [(f"r{i}", ("SN II", "AGN")[i % 2], lists[i % 3]) for i in range(24)])
    holdings = read_holdings(tmp_path)
    asked = Asked(made_up_classifier, holdings)
    cells = list(object_cells(holdings, list(asked.objects(Cut(), subsets_of((0, 3))))))
    sizes = {(each["modalities"], each["population"]): each["seven"]["n"] for each in cells}
    assert sizes["light_curve", "labelled"] == 24
    assert sizes["light_curve", "simulated"] == 12
    assert sizes["light_curve", "catalogue label"] == sizes["light_curve", "spectroscopic label"] == 12
    for name in ("label from these spectra", "label from survey lists", "label independent of them"):
        assert sizes["spectrum", name] == 8
    both = next(each for each in cells if each["modalities"] == "light_curve+spectrum")
    assert {part: told["over"] for part, told in both["gains"].items()} == {
        "light_curve": "spectrum",
        "spectrum": "light_curve",
    }
    single = list(part_cells(holdings, [asked.each_spectrum()], holdings.spectrum_certain))
    told = {each["population"]: each["seven"]["n"] for each in single}
    assert told["labelled"] == 20
    assert told["type in doubt or unlike the object's"] == 4


def test_baselines_judge_no_object_that_they_were_fitted_on() -> None:
    names = [f"ZTF{i // 3}" for i in range(300)]
    seen: list[int] = []
    for train, test in folds(names, held_aside=False):
        assert not {names[i] for i in train} & {names[i] for i in test}
        seen += test.tolist()
    assert sorted(seen) == list(range(300))
    ((train, test),) = folds(names, held_aside=True)
    assert len(train) + len(test) < 300
    assert not {names[i] for i in train} & {names[i] for i in test}


def test_too_few_curves_or_one_class_fit_no_baseline() -> None:
    features = np.random.default_rng(0).normal(size=(80, 3))
    assert fitted_scores(features[:20], np.arange(20) % 2, features, 7, True) is None
    assert fitted_scores(features, np.zeros(80, np.int64), features, 7, True) is None
    scores = fitted_scores(features, np.arange(80) % 2 * 5, features, 7, False)
    assert scores is not None
    np.testing.assert_allclose(scores.sum(1), 1.0)
    assert (scores[:, [1, 2, 3, 4, 6]] == 0.0).all()
    assert out_of_fold(features[:10], np.arange(10) % 2, list("abcdefghij"), False, 7, True) is None


def test_statistics_of_sampling_see_no_brightness_and_the_usual_ones_do() -> None:
    curves, brighter = made_up.curves([1, 2, 9, 30]), made_up.curves([1, 2, 9, 30])
    brighter.flux_njy[:] *= 2.0
    assert usual_statistics(curves).shape == (4, STATISTICS)
    np.testing.assert_array_equal(sampling_statistics(curves), sampling_statistics(brighter))
    assert not np.array_equal(usual_statistics(curves), usual_statistics(brighter), equal_nan=True)


def test_a_source_that_holds_one_class_betrays_it(seven: Path) -> None:
    holdings = read_holdings(seven)
    told = leak_cells(holdings, held_aside=False)
    by_name = told["name of the source alone"]["seven"]
    assert by_name["n_objects"] == 105
    assert by_name["balanced_accuracy"][0] == pytest.approx(2 / 7, abs=0.02)  # two sources, seven classes
    assert told["presence of sign, limits, forced points"]["seven"]["balanced_accuracy"][0] < 0.4
    cells, judged = baseline_cells(holdings, Cut(), held_aside=False)
    assert set(cells) == {"LightGBM, unweighted", "LightGBM, class-weighted"}
    assert all(len(rows) == 105 for rows, _ in judged.values())


@pytest.mark.parametrize("n", MATCHED_COUNTS)
def test_matched_curves_are_alike_in_length_span_error_and_time(n: int) -> None:
    curves = made_up.curves([2, 8, 60, 200])
    curves.flux_njy[:5] *= -1.0
    rng = np.random.default_rng(n)
    cut, index = matched(curves, n, rng)
    assert index.tolist() == [i for i, length in enumerate([2, 8, 60, 200]) if length >= n]
    assert (np.diff(cut.offsets) == n).all()
    times = cut.mjd_tai.reshape(-1, n)
    assert (times[:, 0] == FIRST_MJD).all()
    assert (np.diff(times, axis=1) >= 0).all()
    assert (times[:, -1] - times[:, 0] <= WINDOW_DAYS).all()
    assert (cut.flux_njy > 0).all()
    order = np.argsort(cut.flux_njy)
    assert (np.diff((cut.flux_err_njy / cut.flux_njy)[order]) <= 1e-6).all()  # one error for one magnitude
    assert not np.array_equal(cut.flux_njy, matched(curves, n, rng)[0].flux_njy)
    level, _ = matched(curves, n, rng, with_level=False)
    brightest = 31.4 - 2.5 * np.log10(level.flux_njy.reshape(-1, n).max(1))
    np.testing.assert_allclose(brightest, COMMON_BRIGHTEST_MAG, atol=1e-4)


def test_detections_of_one_band_and_night_are_merged_by_their_weight() -> None:
    curves = made_up.curves([4])
    curves.mjd_tai[:] = [1.2, 1.3, 1.4, 2.2]
    curves.band[:] = [1, 1, 2, 1]
    curves.flux_njy[:] = [100.0, -400.0, 50.0, 70.0]
    curves.flux_err_njy[:] = [10.0, 20.0, 5.0, 5.0]
    merged = merged_by_night(curves)
    assert merged.mjd_tai.tolist() == [1.25, 1.4, 2.2]
    np.testing.assert_allclose(merged.flux_njy, [(100 * 4 + 400) / 5, 50.0, 70.0], rtol=1e-6)
    np.testing.assert_allclose(merged.flux_err_njy[0], 20.0 / np.sqrt(5), rtol=1e-6)


def test_the_tests_without_a_leak_need_no_training_side_and_say_what_they_beat(
    seven: Path, made_up_classifier: BundleClassifier
) -> None:
    holdings = read_holdings(seven)
    told = one_source_cells(made_up_classifier, holdings, held_aside=False)
    assert told["this bundle, classes alike"]["n_objects"] == 30
    assert set(told["this bundle, classes alike"]["classes"]) == {"SN I", "SN II"}
    cells = matched_cells(made_up_classifier, holdings, held_aside=False)
    assert [(each["n_detections"], each["brightness"]) for each in cells] == [
        (n, level) for n in MATCHED_COUNTS for level in (True, False)
    ]
    first = cells[0]
    assert first["gain"]["over"].startswith("LightGBM")
    best = max(first[name]["five"]["macro_auprc"][0] for name in first if name.startswith("LightGBM"))
    ours = first["this bundle"]["five"]["macro_auprc"][0]
    assert first["gain"]["five"]["macro_auprc"][0] == pytest.approx(ours - best, abs=2e-4)


def test_everything_is_printed_saved_and_drawn_and_the_card_keeps_the_headlines(
    seven: Path, made_up_classifier: BundleClassifier, tmp_path: Path
) -> None:
    report = evaluate(made_up_classifier, seven, held_aside=False, counts=(3, 0))
    files = {path.name for path in save(report, tmp_path / "out")}
    assert {"predictions.parquet", "spectrum_predictions.parquet", "metrics.json", "figures.csv"} <= files
    pictures = {
        "confusion_light_curve.png",
        "reliability_spectrum.png",
        "by_detections.png",
        "matched.png",
        "leaks.png",
    }
    assert pictures <= files
    assert {line["table"] for line in figure_lines(report.metrics)} == {
        *("cells", "spectra", "leaks", "baselines", "matched", "one source")
    }
    assert {line["table"] for line in gain_lines(report.metrics)} == {"cells", "baselines", "matched"}
    console = Console(record=True, width=150, file=io.StringIO())
    print_report(report.metrics, console)
    text = console.export_text()
    for said in ("By number of detections: five classes", "Matched curves", "not shown", "Leaks", "Spectra alone"):
        assert said in text


def test_a_card_shows_its_figures_with_intervals_and_draws_them(
    seven: Path, made_up_classifier: BundleClassifier, tmp_path: Path
) -> None:
    figures = card_figures(made_up_classifier, seven)
    assert figures["objects"] == "held-aside"
    counts = {side: dict.fromkeys(CLASSES, 5) for side in ("train", "calibrate", "test")}
    training = {"data": "Made-up curves.", "counts": {"light_curves": counts}}
    adds = {"macro_auprc": [0.01, -0.02, 0.04], "balanced_accuracy": [0.1, 0.05, 0.2]}
    figures["modality_gains"] = {
        "n_alerts": 30,
        "n_objects": 20,
        "objects": {"SN I": 20},
        "judged_on": ["SN I"],
        "sets": {"light_curve+cutouts": {"gains": {"light_curve": adds}}},
    }
    card = made_up_classifier.card | {"metrics": figures, "training": training, "limits": ["Made up."]}
    text = card_text(card)
    for said in (card["name"], "Limits:", "- Made up.", "Rows by class", "over light_curve", "not shown", "[."):
        assert said in text
    assert all(path.suffix == ".png" for path in draw(card, tmp_path / "out"))


def test_the_shipped_card_is_printed_for_people() -> None:
    result = CliRunner().invoke(app, ["card"])
    assert result.exit_code == 0, result.output
    for said in ("Matched curves", "Leaks", "Limits:"):
        assert said in result.output


def test_the_shipped_bundle_earns_the_figures_on_its_card(classifier: BundleClassifier, shared_data: Path) -> None:
    holdings = read_holdings(shared_data)
    held = holdings.take(np.flatnonzero(split_of(holdings.object_id) == 2))
    answers = list(Asked(classifier, held).objects(Cut(), subsets_of((0, 3))))
    told = {(each["cut"], each["modalities"], each["population"]): each for each in classifier.card["metrics"]["cells"]}
    found = [each for each in object_cells(held, answers) if each["population"] == "labelled"]
    assert len(found) == 3
    for each in found:
        kept = told["all", each["modalities"], "labelled"]["seven"]
        assert each["seven"]["n"] == kept["n"]
        assert each["seven"]["balanced_accuracy"][0] == pytest.approx(kept["balanced_accuracy"][0], abs=0.01)
