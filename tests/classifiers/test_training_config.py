"""What must hold of the training configuration and of the data that it names; needs no torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from classifiers.bundle import bundle_folder
from classifiers.card import limits_of
from classifiers.data import LabelledAlerts, LabelledCurves, LabelledSpectra, split_of
from classifiers.serving import EVIDENCE_GROUPS
from classifiers.training.cards import card_of
from classifiers.training.config import (
    ConfigError,
    Part,
    TrainingConfig,
    config_from,
    default_text,
    merged,
    read_config,
)
from classifiers.training.provider import CALIBRATE, TEST, TRAIN, joined_curves, read_data
from schemas.taxonomy import CLASSES, MODALITIES

MINE = {"path": "tests.classifiers.my_training.MyCurves"}


def overlaid(changes: dict[str, Any]) -> Any:
    return config_from(merged(yaml.safe_load(default_text()), changes), "my.yaml")


def only_curves(reader: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Changes by which a configuration reads one input of light curves alone."""
    off = {name: {"enabled": False} for name in MODALITIES[1:]}
    curves = {"data": ["mine"], "pretraining": None}
    return {
        "data": {"mine": {"reader": reader, **more}},
        "modalities": {**off, "light_curve": curves},
        "trees": {"data": ["mine"]},
    }


def test_the_shipped_configuration_names_things_that_can_be_imported() -> None:
    config = read_config()
    for modality in config.modalities.values():
        modality.change.load()
    for data in config.data.values():
        data.reader.load()
    config.trees.method.load()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sede": 1}, "my.yaml: sede: unknown key; did you mean 'seed'?"),
        ({"seed": -1}, "my.yaml: seed: Input should be greater than or equal to 0"),
        ({"modalities": {"cutouts": {"fit": {"step": 3}}}}, "modalities.cutouts.fit.step: unknown key; did you mean"),
        ({"modalities": {"cutouts": {"data": ["stamps"]}}}, "modalities.cutouts.data: no input 'stamps' under data"),
        ({"modalities": {"radio": {}}}, "modalities.radio"),
        ({"trees": {"method": {"path": "train_trees"}}}, "trees.method.path: expected an import path"),
        ({"prior": {"SN I": 1.0}}, "prior: expected a share for each of"),
        ({"tuning": {"space": {"seed": {"low": 1.0}}}}, "tuning.space.seed: expected either low and high, or choices"),
    ],
)
def test_a_wrong_key_is_named_with_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        overlaid(changes)
    assert message in str(raised.value)


def test_what_is_not_named_stays_as_shipped_and_a_new_part_brings_its_own_options() -> None:
    change = {"modalities": {"light_curve": {"fit": {"steps": 7}, "loss": {"path": "my.loss"}}}}
    config, shipped = overlaid(change), read_config()
    assert config.modality("light_curve").fit == shipped.modality("light_curve").fit.model_copy(update={"steps": 7})
    assert config.modality("light_curve").loss == Part(path="my.loss")
    assert config.modality("spectrum") == shipped.modality("spectrum")


def test_a_part_that_cannot_be_imported_or_does_not_know_an_option_says_so() -> None:
    with pytest.raises(ConfigError, match=r"no_such_module\.Model cannot be imported"):
        Part(path="no_such_module.Model")()
    wrong = Part(path="classifiers.data.read_light_curves", options={"filename": "x"})
    with pytest.raises(ConfigError, match="filename"):
        wrong(Path())


def test_a_module_beside_the_configuration_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_the_file.py").write_text("def answer(x): return x + 1\n")
    (tmp_path / "my.yaml").write_text("seed: 5\n")
    assert read_config(tmp_path / "my.yaml").seed == 5
    assert Part(path="beside_the_file.answer")(1) == 2


def test_a_dataset_of_ones_own_becomes_labelled_curves_split_by_object(tmp_path: Path) -> None:
    data = read_data(overlaid(only_curves(MINE)), tmp_path)
    everything = joined_curves(data.of(LabelledCurves, ["mine"], TRAIN, CALIBRATE, TEST))
    sides = [joined_curves(data.of(LabelledCurves, ["mine"], side)) for side in (TRAIN, CALIBRATE, TEST)]
    assert sum(len(side.label) for side in sides) == len(everything.label) == 90
    for k, side in enumerate(sides):
        assert (split_of(side.object_id) == k).all()
    assert set(everything.label.tolist()) == {0, 1, 2}
    for i in range(len(everything.curves)):
        span = slice(everything.curves.offsets[i], everything.curves.offsets[i + 1])
        assert (np.diff(everything.curves.mjd_tai[span]) >= 0).all()


def test_an_input_that_only_trains_leaves_out_what_the_hash_holds_aside(tmp_path: Path) -> None:
    data = read_data(overlaid(only_curves(MINE, train_only=True)), tmp_path)
    (held,) = data.of(LabelledCurves, ["mine"], CALIBRATE, TEST)
    (trained,) = data.of(LabelledCurves, ["mine"], TRAIN)
    assert len(held.label) == 0
    assert 0 < len(trained.label) < 90
    assert (split_of(trained.object_id) == TRAIN).all()
    assert data.counts()["mine"]["test"] == dict.fromkeys(CLASSES, 0)


def test_an_input_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    data = read_data(overlaid(only_curves(MINE)), tmp_path)
    for kind in (LabelledSpectra, LabelledAlerts):
        with pytest.raises(ConfigError, match=r"data\.mine holds LabelledCurves"):
            data.of(kind, ["mine"], TRAIN)


def test_a_reader_that_fails_is_named_with_its_input(tmp_path: Path) -> None:
    config = overlaid(only_curves({"path": "tests.classifiers.my_training.MyCurves", "options": {"objects": 0}}))
    with pytest.raises(ConfigError, match=r"data\.mine: tests\.classifiers\.my_training\.MyCurves could not read"):
        read_data(config, tmp_path)


@pytest.mark.parametrize(
    "own", [{"bundle": {"name": "mine", "version": "0.1.0", "data": "Mine."}}, only_curves({"path": "mine.read"})]
)
def test_what_the_shipped_bundle_says_of_its_data_is_not_said_of_anothers(tmp_path: Path, own: dict[str, Any]) -> None:
    """Both would be false of it: the limits, and the population of the calibration."""
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(own))
    config = read_config(path)
    assert (config.bundle.limits, config.calibration.domains) == ([], {})
    shipped = read_config()
    assert shipped.bundle.limits
    assert set(shipped.calibration.domains) == set(EVIDENCE_GROUPS)


def test_the_limits_of_a_card_follow_from_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("bundle: { name: mine, version: 0.1.0, data: Mine., limits: [Few objects.] }\n")
    counts = {"light_curves": {"train": dict.fromkeys(CLASSES, 3)}}
    note = {"counts": counts, "strengths": {}, "tree_share": 0.5}
    config = read_config(path)
    told = " ".join(card_of(config, note, {})["limits"])
    assert told.startswith("Few objects.")
    assert "Cutouts are off." in told
    assert "behind LSST scores: no calibration" in told
    with_simulated = card_of(config, note | {"counts": counts | {"simulated_lsst": counts["light_curves"]}}, {})
    assert "behind LSST scores, only simulated ones" in " ".join(with_simulated["limits"])
    values = config.model_dump()
    values["modalities"]["cutouts"]["enabled"] = False
    values["modalities"]["light_curve"]["surveys"] = values["modalities"]["spectrum"]["surveys"] = ["ztf"]
    told = " ".join(card_of(TrainingConfig.model_validate(values), note, {})["limits"])
    assert "Cutouts" not in told
    assert "LSST" not in told


def test_the_shipped_card_states_the_limits_of_the_shipped_configuration() -> None:
    card = json.loads((bundle_folder("default") / "card.json").read_text())
    assert card["training"]["config"]["bundle"]["limits"] == read_config().bundle.limits
    assert card["limits"][: len(limits_of(card))] == limits_of(card)
