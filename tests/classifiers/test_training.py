"""What must hold of training and of the files it exports; needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from classifiers import load_bundle
from classifiers.cli import app
from classifiers.serving import BundleClassifier
from classifiers.training.config import ConfigError, TrainingConfig, config_from, default_text, merged
from schemas.taxonomy import MODALITIES
from tests.classifiers import made_up
from tests.classifiers.test_training_config import MINE, only_curves

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

QUICK: dict[str, Any] = {
    "threads": 1,
    "bundle": {"name": "quick", "version": "0.0.1", "data": "Made up."},
    "modalities": {
        "light_curve": {"fit": {"steps": 12, "batch": 16}, "lengths": {16: 1.0}},
        "metadata": {"fit": {"steps": 4}},
        "cutouts": {"fit": {"steps": 4, "batch": 8}},
        "spectrum": {"fit": {"steps": 4, "batch": 8}},
    },
    "trees": {"method": {"options": {"copies": 1, "rounds": 3}}},
    "fusion": {"fit": {"steps": 12, "batch": 16}, "copies": 1},
    "quality": None,
    "calibration": {"copies": 1},
    "tracking": {"tensorboard": None, "mlflow": None},
    "checkpoints": {"every_steps": 5},
    "tuning": {"space": {"modalities.light_curve.fit.rate": {"low": 0.001, "high": 0.002}}},
}
"""Changes of the shipped configuration by which a run takes seconds."""


def quick(**more: Any) -> dict[str, Any]:
    return merged(merged(merged(yaml.safe_load(default_text()), QUICK), only_curves(MINE)), more)


def told(**more: Any) -> TrainingConfig:
    return config_from(quick(**more), "quick.yaml")


def trained(config: TrainingConfig, folder: Path, resume: bool = False) -> dict[str, Any]:
    from classifiers.training.train import train

    return train(config, folder, folder / "bundle", folder / "run", resume, Console(quiet=True))


def test_padding_changes_no_token_of_a_light_curve() -> None:
    import torch

    from classifiers.features.light_curve import TOKEN_FEATURES
    from classifiers.training.config import read_config

    torch.manual_seed(0)
    network = read_config().modality("light_curve").model().eval()
    width = len(TOKEN_FEATURES)
    tokens = torch.randn(3, 16, width)
    mask = torch.ones(3, 16)
    short = network(tokens, mask)
    padded = torch.cat([tokens, torch.randn(3, 16, width)], 1)
    long = network(padded, torch.cat([mask, torch.zeros(3, 16)], 1))
    for one, other in zip(short, long, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundle and the run of a quick training that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    trained(told(), folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_of_one_modality_serves_and_calls_itself_so(whole: Path) -> None:
    classifier = load_bundle(whole / "bundle")
    assert [bool(classifier.card["modalities"][name]["surveys"]) for name in MODALITIES] == [True, False, False, False]
    assert max(classifier.card["worst_difference_torch_to_onnx"].values()) < 2e-4
    classifier.warm_up()
    answer = classifier.classify(made_up.evidence([1, 20, 90], spectra=True))
    assert np.isfinite(answer.class_scores).all()
    assert answer.modalities.tolist() == [[True, False, False, False]] * 3


@pytest.mark.parametrize("stopped_in", ["light_curve", "fusion"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bundle(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_in: str
) -> None:
    from classifiers.training import run as running

    class Stopped(KeyboardInterrupt):
        pass

    def save_and_stop(path: Path, step: int, *state: Any) -> None:
        saved(path, step, *state)
        if path.stem == stopped_in and step == 10:
            raise Stopped

    saved = running._save
    monkeypatch.setattr(running, "_save", save_and_stop)
    with pytest.raises(Stopped):
        trained(told(), tmp_path)
    monkeypatch.setattr(running, "_save", saved)
    assert not (tmp_path / "bundle").exists()
    trained(told(), tmp_path, resume=True)
    assert contents(tmp_path / "bundle") == contents(whole / "bundle")


def test_a_run_is_not_written_over_and_not_resumed_under_another_configuration(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--resume"):
        trained(told(), whole)
    with pytest.raises(ConfigError, match=r"another configuration \(seed\)"):
        trained(told(seed=1), whole, resume=True)
    with pytest.raises(ConfigError, match="no run to resume"):
        trained(told(), tmp_path, resume=True)


def test_another_seed_gives_another_bundle(whole: Path, tmp_path: Path) -> None:
    trained(told(seed=1), tmp_path)
    assert (tmp_path / "bundle" / "fusion.onnx").read_bytes() != (whole / "bundle" / "fusion.onnx").read_bytes()


def test_a_run_is_exported_and_calibrated_to_the_bundle_that_training_wrote(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(quick()))
    for arguments in (
        ["export", "--run", str(whole / "run"), "--out", str(tmp_path / "raw")],
        ["calibrate", "--bundle", str(tmp_path / "raw"), "--data", str(whole), "--out", str(tmp_path / "calibrated"),
         "--config", str(tmp_path / "quick.yaml")],
    ):  # fmt: skip
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    raw, calibrated, expected = (
        contents(folder) for folder in (tmp_path / "raw", tmp_path / "calibrated", whole / "bundle")
    )
    assert json.loads(raw["card.json"])["calibration"]["surveys"] == []
    cards = [json.loads(files.pop("card.json")) for files in (calibrated, expected)]
    assert cards[0]["calibration"] == cards[1]["calibration"]
    assert calibrated == expected


def test_a_run_that_has_not_come_to_its_end_is_not_exported(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes((whole / "run" / "config.yaml").read_bytes())
    result = CliRunner().invoke(app, ["export", "--run", str(tmp_path), "--out", str(tmp_path / "raw")])
    assert result.exit_code == 2
    assert "--resume" in result.output


def test_tuning_continues_its_study_and_writes_a_configuration_that_trains(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(quick()))
    for trials in ("1", "2"):
        arguments = ["--data", str(whole), "--out", str(tmp_path / "study"), "--config", str(tmp_path / "quick.yaml")]
        result = CliRunner().invoke(app, ["tune", *arguments, "--trials", trials])
        assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "study" / "trials").iterdir()) == ["0", "1"]
    best = config_from(yaml.safe_load((tmp_path / "study" / "best.yaml").read_text()), "best.yaml")
    assert 0.001 <= best.modality("light_curve").fit.rate <= 0.002


def test_losses_go_to_tensorboard_and_to_mlflow_under_one_run_however_often_it_is_started(tmp_path: Path) -> None:
    import mlflow

    config = told(tracking={"tensorboard": "board", "mlflow": "flow"})
    trained(config, tmp_path)
    trained(config, tmp_path, resume=True)
    assert list((tmp_path / "run" / "board").glob("events.*"))
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'run' / 'flow' / 'mlflow.db'}")
    (logged,) = client.search_runs([client.get_experiment_by_name("quick").experiment_id])
    assert logged.info.status == "FINISHED"
    assert logged.data.params["modalities.light_curve.fit.steps"] == "12"
    assert [each.step for each in client.get_metric_history(logged.info.run_id, "fusion/loss")] == [12]


def test_an_expert_that_the_exported_fusion_drops_is_missed(tmp_path: Path) -> None:
    from classifiers.models.fusion import Fusion
    from classifiers.training.export import ExportError, _every_expert_is_heard, _write_fusion

    fusion = Fusion().eval()
    rng = np.random.default_rng(0)
    assert _write_fusion(fusion, tmp_path / "fusion.onnx", rng) < 2e-4
    silent = Fusion().eval()
    silent.second.data[2] = 0.0
    path = tmp_path / "silent.onnx"
    with pytest.raises(ExportError, match="expert 2"):
        _write_fusion(silent, path, rng)
    case = [np.ones((15, 4, width), np.float32) for width in (64, 7)]
    with pytest.raises(ExportError, match="expert 2"):
        _every_expert_is_heard(silent, path, (*case, np.ones((15, 4), np.float32)))


def test_a_short_training_run_on_real_data_writes_a_bundle_of_all_modalities(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classifiers.training import train as training
    from classifiers.training.train import train

    # Evaluation has tests of its own, and takes longer than all that is trained here.
    monkeypatch.setattr(training, "card_figures", lambda classifier, folder: {})
    config = config_from(merged(yaml.safe_load(default_text()), QUICK), "quick.yaml")
    pretrained = {"fit": {"steps": 3, "batch": 8}}
    views = {"data": ["alerts"], "method": {"path": "classifiers.training.pretraining.pretrain_cutouts"}}
    cutouts = {"surveys": ["ztf"], "pretraining": views | pretrained}
    changes = {"modalities": {"light_curve": {"pretraining": pretrained}, "cutouts": cutouts}}
    config = config_from(merged(config.model_dump(mode="json"), changes), "quick.yaml")
    card = train(config, shared_data, tmp_path / "bundle", tmp_path / "run", False, Console(quiet=True))
    assert max(card["worst_difference_torch_to_onnx"].values()) < 2e-4
    fresh: BundleClassifier = load_bundle(tmp_path / "bundle")
    answer = fresh.classify(made_up.evidence([1, 20, 90], spectra=True))
    assert np.isfinite(answer.class_scores).all()
    assert answer.modalities.all()
