"""What must hold of a bundle before it is trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifiers import BundleError, load_bundle
from classifiers.bundle import bundle_folder, write_card
from classifiers.features.metadata import METADATA_FEATURES
from classifiers.serving import EVIDENCE_GROUPS, BundleClassifier
from classifiers.verification import LEAST_HEARD, TOLERANCE, verify_bundle
from schemas.taxonomy import CLASSES, MODALITIES
from tests.classifiers import made_up
from tests.classifiers.made_up_bundle import Dims, write_encoder, write_fusion

LARGEST_BYTES = 15 * 1024 * 1024


@pytest.fixture
def copied(made_up_bundle: Path, tmp_path: Path) -> Path:
    """A copy of a bundle that a test may spoil."""
    return Path(shutil.copytree(made_up_bundle, tmp_path / "bundle"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def test_the_shipped_bundle_loads_by_name_and_by_path(classifier: BundleClassifier) -> None:
    assert load_bundle(bundle_folder("default")).bundle_hash == classifier.bundle_hash
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


def test_a_changed_card_has_another_bundle_hash(made_up_bundle: Path, copied: Path) -> None:
    before = load_bundle(copied).bundle_hash
    assert before == load_bundle(made_up_bundle).bundle_hash
    rewrite(copied, lambda card: card.update(version="9.9.9"))
    assert load_bundle(copied).bundle_hash != before


def test_a_bundle_whose_prior_or_trees_make_no_sense_is_refused(copied: Path) -> None:
    rewrite(copied, lambda card: card["prior"].pop("TDE"))
    with pytest.raises(BundleError, match="lacks TDE"):
        load_bundle(copied)
    rewrite(copied, lambda card: card["prior"].update(TDE=0.0))
    with pytest.raises(BundleError, match="rules out TDE"):
        load_bundle(copied)
    rewrite(copied, lambda card: card["prior"].update(TDE=0.1))
    trees = (copied / "light_curve_trees.txt").read_text().replace("max_feature_idx=", "max_feature_idx=9")
    (copied / "light_curve_trees.txt").write_text(trees)
    write_card(copied, json.loads((copied / "card.json").read_text()))
    with pytest.raises(BundleError, match="this version knows 7 and"):
        load_bundle(copied)


@pytest.mark.parametrize("path", [("temperature",), ("light_curve", "threshold"), ("spectrum",)])
def test_a_calibration_of_another_form_is_refused(copied: Path, path: tuple[str, ...]) -> None:
    def spoil(card: dict[str, Any]) -> None:
        part = card["calibration"]
        for name in path[:-1]:
            part = part[name]
        del part[path[-1]]

    rewrite(copied, spoil)
    with pytest.raises(BundleError, match=r"calibration of bundle .* cannot be read .*fit it anew"):
        load_bundle(copied)


def test_a_fusion_without_the_finer_types_is_refused(copied: Path) -> None:
    with pytest.raises(BundleError, match="does not answer fine; export it anew"):
        load_bundle(spoilt(copied, fine="other"))


def test_a_bundle_may_leave_a_modality_out(copied: Path) -> None:
    rewrite(copied, lambda card: card["modalities"]["cutouts"].update(surveys=[]))
    (copied / "cutouts.onnx").unlink()
    rewrite(copied, lambda card: card["files"].pop("cutouts.onnx"))
    answer = load_bundle(copied).classify(made_up.evidence([3, 4], spectra=True))
    assert (answer.modalities == [True, True, False, True]).all()


@pytest.mark.parametrize("which", ["shipped", "made-up"])
def test_every_network_of_a_bundle_answers_alike_in_any_batch_and_hears_every_expert(
    which: str, made_up_bundle: Path
) -> None:
    found = verify_bundle("default" if which == "shipped" else made_up_bundle)
    assert found.pop("least_heard_expert") >= LEAST_HEARD
    assert max(found.values()) < TOLERANCE
    assert set(found) >= {"light_curve", "fusion"}


def spoilt(folder: Path, **changes: Any) -> Path:
    """The bundle with another fusion, under a card that names it."""
    write_fusion(folder / "fusion.onnx", np.random.default_rng(2), **changes)
    write_card(folder, json.loads((folder / "card.json").read_text()))
    return folder


def test_a_fusion_with_an_expert_that_is_never_heard_is_refused(copied: Path) -> None:
    assert verify_bundle(spoilt(copied))["least_heard_expert"] > LEAST_HEARD
    with pytest.raises(BundleError, match="an expert that is never heard"):
        verify_bundle(spoilt(copied, hears=(True, False, True)))


def test_a_fusion_that_listens_to_what_is_absent_is_refused(copied: Path) -> None:
    with pytest.raises(BundleError, match="listens to what is absent"):
        verify_bundle(spoilt(copied, masks=False))


def test_an_encoder_that_answers_by_its_neighbours_is_refused(copied: Path) -> None:
    rng = np.random.default_rng(3)
    inputs: dict[str, Dims] = {"values": ("n", len(METADATA_FEATURES)), "known": ("n", len(METADATA_FEATURES))}
    write_encoder(copied, "metadata", inputs, len(METADATA_FEATURES), rng, by_neighbours=True)
    write_card(copied, json.loads((copied / "card.json").read_text()))
    with pytest.raises(BundleError, match=r"metadata\.onnx answers otherwise alone than among others"):
        verify_bundle(copied)


def test_the_shipped_card_names_its_prior_its_limits_and_how_much_each_modality_counts(
    classifier: BundleClassifier,
) -> None:
    card = classifier.card
    assert set(card["prior"]) == set(CLASSES)
    assert min(card["prior"].values()) > 0.0
    assert sum(card["prior"].values()) == pytest.approx(1.0, abs=1e-4)
    assert card["limits"]
    assert min(card["modalities"][name]["strength"] for name in MODALITIES) >= 0.0


def test_the_shipped_card_says_on_how_many_objects_and_of_what_population_it_was_calibrated(
    classifier: BundleClassifier,
) -> None:
    calibration = classifier.card["calibration"]
    assert calibration["surveys"] == ["ztf"]
    assert calibration["light_curve"]["objects"] > 100
    for group in EVIDENCE_GROUPS:
        if calibration[group] is not None:
            assert calibration[group]["domain"]
            assert 0.0 < calibration[group]["threshold"] < 1.0
