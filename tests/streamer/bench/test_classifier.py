"""What must hold of the classifier's bench: each case has what it says, and its networks are part of its cost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.bench import classifier, workloads
from streamer.cli import app
from tests.classifiers.made_up_bundle import write_bundle


def test_each_case_has_the_modalities_that_it_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workloads, "SIMULATED_PACKETS", 70)
    monkeypatch.setattr(classifier, "TURNS", 1)
    cores = os.sched_getaffinity(0)
    report = classifier.bench_classifier(str(write_bundle(tmp_path / "bundle")), None)
    assert os.sched_getaffinity(0) == cores
    for name in ("points_32", "own_lengths"):
        assert report[name]["alerts"] == 70
        assert report[name]["share_with"]["cutouts"] == report[name]["share_with"]["metadata"] == 1.0
        assert report[name]["source"] == "simulated"
    assert report["points_32"]["detections_per_alert"] == 32
    assert report["points_32"]["share_with"]["light_curve"] == 1.0
    alone = {"light_curve": 0.0, "metadata": 0.0, "cutouts": 0.0, "spectrum": 1.0}
    assert report["spectrum"]["share_with"] == alone
    for name in ("points_32", "own_lengths", "spectrum"):
        assert 0.0 < report[name]["onnx_ms_per_alert"] < report[name]["ms_per_alert"]


def test_a_bundle_that_is_not_there_is_named_in_one_line() -> None:
    result = CliRunner().invoke(app, ["bench", "classifier", "--bundle", "nowhere"])
    assert result.exit_code != 0
    assert "no bundle at nowhere" in result.output + str(result.exception)
