"""What must hold of the figures, and of the command that prints them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from classifiers.cli import app
from classifiers.evaluate import evaluate
from classifiers.metrics import average_precision, figures, paired_gain
from classifiers.serving import BundleClassifier

RUNNER = CliRunner()


def test_figures_of_known_answers_are_known() -> None:
    label = np.array([0] * 30 + [1] * 10)
    scores = np.zeros((40, 7))
    scores[:30, 0] = 1.0
    scores[30:35, 1] = 1.0
    scores[35:, 0] = 1.0
    table = figures(label, scores)
    assert table["accuracy"] == 0.875
    assert table["balanced_accuracy"] == 0.75
    assert table["balanced_accuracy_interval"][0] < 0.75 < table["balanced_accuracy_interval"][1]
    assert table["classes"]["SN II"] == {"n": 10, "recall": 0.5}
    assert table["ece"] == 0.125


def test_a_class_with_few_objects_gets_its_number_and_no_figure() -> None:
    table = figures(np.array([0] * 20 + [5] * 3), np.eye(7)[[0] * 23])
    assert table["classes"]["TDE"] == {"n": 3, "recall": None}


def test_average_precision_is_that_of_the_textbook() -> None:
    truth, score = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])
    assert average_precision(truth, score) == pytest.approx((1 + 2 / 3) / 2)


def test_a_gain_is_counted_in_pairs_and_its_interval_holds_it() -> None:
    label = np.array([0, 1] * 40)
    ours, theirs = label.copy(), label.copy()
    ours[:4] = 2
    theirs[:24] = 2
    names = [str(i // 2) for i in range(80)]
    gain = paired_gain(label, ours, theirs, names)
    assert gain["balanced_accuracy"] == 0.25
    assert 0.1 < gain["interval"][0] < 0.25 < gain["interval"][1] < 0.4
    assert paired_gain(label, ours, ours, names) == {"balanced_accuracy": 0.0, "interval": [0.0, 0.0]}


def test_the_shipped_bundle_earns_the_figures_on_its_card(classifier: BundleClassifier, shared_data: Path) -> None:
    metrics = evaluate(classifier, shared_data)
    told = classifier.card["metrics"]
    assert metrics["light_curves"]["all"]["n"] == told["light_curves"]["all"]["n"]
    for count, table in metrics["light_curves"].items():
        assert table["balanced_accuracy"] == pytest.approx(told["light_curves"][count]["balanced_accuracy"], abs=0.01)
    ours = metrics["light_curves"]["all"]["balanced_accuracy"]
    for table in metrics["baselines"].values():
        assert ours > table["balanced_accuracy"]
        assert table["gain"]["interval"][0] > 0


def test_evaluating_a_folder_with_only_light_curves_prints_what_there_is(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "light_curves.parquet").symlink_to(shared_data / "light_curves.parquet")
    out = tmp_path / "out"
    result = RUNNER.invoke(app, ["evaluate", "--data", str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "light curve, all detections" in result.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["spectra"] == metrics["alerts"] == {}


def test_the_card_is_printed_for_people() -> None:
    result = RUNNER.invoke(app, ["card"])
    assert result.exit_code == 0
    assert "light curve, all detections" in result.output
    assert "Limits:" in result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["card", "--bundle", "nowhere"], "no bundle at nowhere"),
        (["evaluate", "--data", "nowhere"], "no folder nowhere"),
        (["evaluate", "--data", "."], "holds none of light_curves.parquet"),
    ],
)
def test_bad_input_gives_one_clear_line_and_exit_code_2(
    arguments: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2
    assert expected in result.output
    assert "Traceback" not in result.output


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed here")
def test_training_without_torch_says_what_to_install(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["train", "--data", str(tmp_path), "--out", str(tmp_path / "b")])
    assert result.exit_code == 2
    assert "needs torch" in result.output
