"""What must hold of a card that is written anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from classifiers import BundleError, load_bundle
from classifiers.cli import app
from classifiers.training.refresh import refresh_card

MADE_BY = "streamer simulate --survey lsst --rate 120 --duration 1 --seed 3"


@pytest.fixture
def copied(made_up_bundle: Path, tmp_path: Path) -> Path:
    """A copy of a bundle that a test may change."""
    return Path(shutil.copytree(made_up_bundle, tmp_path / "bundle"))


@pytest.fixture
def no_data(tmp_path: Path) -> Path:
    """A data folder without any part, so that nothing but the simulated night is measured."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_card_written_anew_leaves_the_weights_and_says_what_was_measured(
    copied: Path, no_data: Path, lsst_night: Path
) -> None:
    before = contents(copied)
    card = refresh_card(copied, no_data, lsst_night, MADE_BY)
    after = contents(copied)
    assert {name for name in before if before[name] != after[name]} == {"card.json"}
    assert load_bundle(copied).card == card
    table = card["metrics"]["simulated_lsst"]
    assert 0 < table["seven"]["n"] < 120
    assert 0 < table["most_called_n"] <= table["seven"]["n"]
    assert MADE_BY in card["limits"][-1]
    assert f"{table['seven']['n']} alerts" in card["limits"][-1]


def test_figures_that_other_commands_measured_are_taken_in_and_kept(
    copied: Path, no_data: Path, lsst_night: Path, tmp_path: Path
) -> None:
    measured = {"sets": {}, "n_objects": 3}
    (tmp_path / "modality_gains.json").write_text(json.dumps(measured))
    given = {"modality_gains": tmp_path / "modality_gains.json"}
    assert refresh_card(copied, no_data, lsst_night, MADE_BY, given)["metrics"]["modality_gains"] == measured
    assert refresh_card(copied, no_data, lsst_night, MADE_BY)["metrics"]["modality_gains"] == measured
    with pytest.raises(BundleError, match=r"nowhere\.json cannot be read"):
        refresh_card(copied, no_data, lsst_night, MADE_BY, {"cross_survey": tmp_path / "nowhere.json"})


def test_a_changed_weight_is_not_sealed_by_a_new_card(copied: Path, no_data: Path, lsst_night: Path) -> None:
    with (copied / "fusion.onnx").open("ab") as file:
        file.write(b" ")
    before = contents(copied)
    with pytest.raises(BundleError, match=r"fusion\.onnx"):
        refresh_card(copied, no_data, lsst_night, MADE_BY)
    assert contents(copied) == before


def test_other_features_are_not_sealed_where_they_give_other_figures(
    copied: Path, no_data: Path, lsst_night: Path
) -> None:
    card = json.loads((copied / "card.json").read_text())
    (copied / "card.json").write_text(json.dumps(card | {"feature_spec_sha256": "0" * 64}))
    before = contents(copied)
    with pytest.raises(BundleError, match="train it anew"):
        refresh_card(copied, no_data, lsst_night, MADE_BY)
    assert contents(copied) == before


def test_a_folder_without_a_simulated_night_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "ztf_alerts").mkdir()
    arguments = ["--data", str(tmp_path), "--simulated", str(tmp_path), "--made-by", MADE_BY, "--bundle", "nowhere"]
    result = CliRunner().invoke(app, ["refresh-card", *arguments])
    assert result.exit_code == 2
    assert "truth.parquet" in result.output
