"""What must hold of a bundle before it is trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from classifiers import BundleError, load_bundle
from classifiers.bundle import bundle_folder
from classifiers.card import card_text, metrics_text
from classifiers.serving import BundleClassifier
from schemas.taxonomy import CLASSES, MODALITIES

LARGEST_BYTES = 15 * 1024 * 1024


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may spoil."""
    return Path(shutil.copytree(bundle_folder("default"), tmp_path / "bundle"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def test_the_shipped_bundle_loads_by_name_and_by_path(classifier: BundleClassifier, copied: Path) -> None:
    assert load_bundle(copied).bundle_hash == classifier.bundle_hash
    assert len(classifier.bundle_hash) == 64
    assert classifier.name
    assert classifier.version


def test_the_shipped_bundle_is_small() -> None:
    assert sum(file.stat().st_size for file in bundle_folder("default").iterdir()) < LARGEST_BYTES


@pytest.mark.parametrize("name", ["fusion.onnx", "light_curve.onnx", "light_curve_trees.txt"])
def test_a_changed_file_is_refused(copied: Path, name: str) -> None:
    with (copied / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match=f"{name} in bundle .* is not the file its card names"):
        load_bundle(copied)


def test_a_missing_file_is_refused(copied: Path) -> None:
    (copied / "cutouts.onnx").unlink()
    with pytest.raises(BundleError, match=r"lacks cutouts\.onnx"):
        load_bundle(copied)


def test_a_file_that_the_card_does_not_name_is_missed(copied: Path) -> None:
    rewrite(copied, lambda card: card["files"].pop("spectrum.onnx"))
    with pytest.raises(BundleError, match=r"does not name spectrum\.onnx"):
        load_bundle(copied)


def test_a_bundle_of_other_features_is_refused(copied: Path) -> None:
    rewrite(copied, lambda card: card.update(feature_spec_sha256="0" * 64))
    with pytest.raises(BundleError, match="other features"):
        load_bundle(copied)


def test_a_bundle_of_other_classes_is_refused(copied: Path) -> None:
    rewrite(copied, lambda card: card.update(taxonomy=["kilonova"]))
    with pytest.raises(BundleError, match="kilonova"):
        load_bundle(copied)


def test_a_card_without_a_needed_part_is_refused(copied: Path) -> None:
    rewrite(copied, lambda card: card.pop("calibration"))
    with pytest.raises(BundleError, match="lacks calibration"):
        load_bundle(copied)


def test_a_card_may_not_name_files_outside_its_bundle(copied: Path) -> None:
    rewrite(copied, lambda card: card["files"].update({"../other.onnx": "0" * 64}))
    with pytest.raises(BundleError, match="outside the bundle"):
        load_bundle(copied)


def test_a_card_that_is_not_json_is_refused(copied: Path) -> None:
    (copied / "card.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        load_bundle(copied)


def test_a_folder_without_a_bundle_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle at"):
        load_bundle(tmp_path / "nowhere")


def test_a_changed_card_has_another_bundle_hash(classifier: BundleClassifier, copied: Path) -> None:
    rewrite(copied, lambda card: card.update(version="9.9.9"))
    assert load_bundle(copied).bundle_hash != classifier.bundle_hash


def test_the_shipped_card_says_what_its_figures_rest_on(classifier: BundleClassifier) -> None:
    card = classifier.card
    counts = card["training"]["counts"]["light_curves"]
    tested = card["metrics"]["light_curves"]["all"]
    assert tested["n"] == sum(counts["test"].values())
    for name in CLASSES:
        assert tested["classes"][name]["n"] == counts["test"][name]
    text = card_text(card)
    for expected in (card["name"], "Limits:", f"n={tested['n']}", *card["limits"]):
        assert expected in text


def test_the_shipped_card_says_it_beats_the_majority_class_and_the_sampling_alone(classifier: BundleClassifier) -> None:
    metrics = classifier.card["metrics"]
    ours = metrics["light_curves"]["all"]["balanced_accuracy"]
    assert ours > metrics["baselines"]["majority_class"]["balanced_accuracy"]
    assert ours > metrics["baselines"]["trees_on_sampling_alone"]["balanced_accuracy"]


def test_every_modality_has_a_strength_and_no_negative_one(classifier: BundleClassifier) -> None:
    strengths = [classifier.card["modalities"][name]["strength"] for name in MODALITIES]
    assert min(strengths) >= 0.0


@pytest.mark.parametrize(
    ("interval", "ending"),
    [
        ([0.01, 0.2], "[+0.010, +0.200]"),
        ([-0.1, 0.2], "not shown"),
        ([-0.38, -0.07], "worse"),
        ([0.0, 0.0], "not shown"),
    ],
)
def test_a_gain_a_loss_and_neither_are_told_apart(
    classifier: BundleClassifier, interval: list[float], ending: str
) -> None:
    table = classifier.card["metrics"]["light_curves"]["all"]
    gain = {"balanced_accuracy": sum(interval) / 2, "interval": interval}
    metrics = {"sides": ["test"], "light_curves": {}, "baselines": {}, "spectra": {}, "alerts": {}}
    (line,) = metrics_text(metrics | {"alerts": {"metadata": table | {"gain": gain}}})[2:]
    assert line.endswith(ending)


def test_the_shipped_card_says_how_lsst_scores_do_and_how_that_was_measured(classifier: BundleClassifier) -> None:
    table = classifier.card["metrics"]["simulated_lsst"]
    assert table["made_by"].startswith("streamer simulate --survey lsst")
    assert any(
        f"accuracy is {table['accuracy']:.2f}" in limit and "LSST" in limit for limit in classifier.card["limits"]
    )
