"""What must hold of simulated light curves and of real ones as Rubin would see them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from classifiers import load_bundle
from classifiers.data.cross_survey import VISIT_GAP_DAYS, thinned_to_rubin
from classifiers.data.simulated import read_simulated_light_curves
from classifiers.evaluation.cross_survey import COUNTS, HEADLINES, cross_survey_figures, cross_survey_text
from classifiers.evaluation.cross_survey_command import cross_survey
from schemas.light_curve import BANDS, DETECTION, LightCurves
from schemas.taxonomy import CLASSES, FINE_LEAVES
from streamer.simulate.night import NightPlan
from streamer.simulate.photometry import write_light_curves

ONE_EACH = ("SN Ia", "SN IIP", "SLSN-I", "CV", "AGN", "TDE", "RR Lyrae", "bogus")
"""A type of each class, and one without."""


def nightly(n: int, nights: int) -> LightCurves:
    """n curves seen once a night in each of g, r, i."""
    tokens = 3 * nights
    mjd = 60_000.0 + np.repeat(np.arange(nights), 3) + np.tile([0.0, 0.03, 0.06], nights)
    size = n * tokens
    return LightCurves(
        "ztf",
        np.arange(n + 1, dtype=np.int64) * tokens,
        np.tile(mjd, n),
        np.full(size, 1e4, np.float32),
        np.full(size, 5e2, np.float32),
        np.tile(np.array([BANDS.index(name) for name in "gri"] * nights, np.uint8), n),
        np.full(size, DETECTION, np.uint8),
    )


def test_thinned_curves_are_seen_as_often_as_rubin_would_and_hold_only_what_was_there() -> None:
    curves = nightly(60, 180)
    thinned = thinned_to_rubin(curves, np.random.default_rng(1))
    assert len(thinned) == 60
    for name, gap in VISIT_GAP_DAYS.items():
        seen = np.sum(thinned.band == BANDS.index(name)) / 60
        assert seen == pytest.approx(180.0 / gap, rel=0.1)
    assert set(thinned.mjd_tai.tolist()) <= set(curves.mjd_tai.tolist())
    assert np.diff(thinned.offsets).max() < 80
    for first, last in zip(thinned.offsets[:-1], thinned.offsets[1:], strict=True):
        assert np.all(np.diff(thinned.mjd_tai[first:last]) > 0)


def test_a_curve_that_no_visit_catches_is_left_empty() -> None:
    curves = nightly(200, 1)
    lengths = np.diff(thinned_to_rubin(curves, np.random.default_rng(2)).offsets)
    assert np.mean(lengths == 0) == pytest.approx(0.25, abs=0.15)
    assert len(thinned_to_rubin(curves.take(np.empty(0, np.int64)), np.random.default_rng(2))) == 0


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curves")
    write_light_curves(NightPlan("lsst", 300, 3, 10, "rich", ONE_EACH), folder)
    return folder


def test_simulated_objects_are_read_with_their_class_their_type_and_signed_fluxes(simulated: Path) -> None:
    labelled = read_simulated_light_curves(simulated)
    rows = {row["object_id"]: row for row in pq.read_table(simulated / "light_curves.parquet").to_pylist()}
    assert labelled.curves.survey == "lsst"
    assert set(labelled.label.tolist()) == set(range(len(CLASSES)))
    assert len(labelled.object_id) == sum(row["label"] is not None for row in rows.values())
    for i, name in enumerate(labelled.object_id):
        row = rows[name]
        own = slice(labelled.curves.offsets[i], labelled.curves.offsets[i + 1])
        assert CLASSES[labelled.label[i]] == row["label"]
        if row["type"] in FINE_LEAVES:
            assert FINE_LEAVES[labelled.fine[i]] == row["type"]
        assert [BANDS[band] for band in labelled.curves.band[own]] == row["band"]
        assert (labelled.curves.flux_njy[own] > 0).tolist() == row["isdiffpos"]
        forced = dict(zip(row["flux_mjd"], row["flux_njy"], strict=True))
        told = [forced[time] for time in row["mjd"]]
        np.testing.assert_allclose(labelled.curves.flux_njy[own], told, rtol=1e-4)


def test_real_objects_are_not_read_as_simulated_ones(tmp_path: Path, simulated: Path) -> None:
    table = pq.read_table(simulated / "light_curves.parquet")
    real = table.set_column(0, "object_id", pa.array([f"ZTF{i}" for i in range(len(table))]))
    pq.write_table(real, tmp_path / "light_curves.parquet")
    with pytest.raises(ValueError, match="must hold simulated objects of one survey"):
        read_simulated_light_curves(tmp_path)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some real-looking curves under names of their own."""
    folder = tmp_path_factory.mktemp("real")
    made = tmp_path_factory.mktemp("made")
    table = write_light_curves(NightPlan("ztf", 500, 4, 30, "rich", ONE_EACH), made)
    names = pa.array([f"ZTF20{i:05d}" for i in range(len(table))])
    pq.write_table(table.set_column(0, "object_id", names), folder / "light_curves.parquet")
    return folder


def test_sets_are_apart_and_the_loss_is_of_pairs(made_up_bundle: Path, real: Path, simulated: Path) -> None:
    figures = cross_survey_figures(load_bundle(made_up_bundle), real, [simulated])
    assert list(figures["sets"]) == ["ztf", "ztf_thinned_to_rubin", "simulated_lsst"]
    ours, thinned = (figures["sets"][name] for name in ("ztf", "ztf_thinned_to_rubin"))
    assert ours["classes"] == thinned["classes"]
    assert set(ours["n_detections"]) == {str(count or "all") for count in COUNTS}
    for count, row in figures["loss"].items():
        for key in HEADLINES:
            difference = thinned["n_detections"][count][key][0] - ours["n_detections"][count][key][0]
            assert row[key][0] == pytest.approx(difference, abs=2e-4)
            low, high = ours["n_detections"][count][key][1:]
            assert 0.0 <= low <= high <= 1.0
    text = cross_survey_text(figures)
    assert len(text) == 2 + 4 * len(HEADLINES)


def test_the_command_prints_a_table_and_saves_the_figures(
    made_up_bundle: Path, real: Path, simulated: Path, tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command()(cross_survey)
    asked = ["--data", str(real), "--bundle", str(made_up_bundle)]
    done = CliRunner().invoke(app, [*asked, "--simulated", str(simulated), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "simulated_lsst" in done.output
    assert "simulated_lsst" in json.loads((tmp_path / "cross_survey.json").read_text())["sets"]
    bad = CliRunner().invoke(app, [*asked, "--simulated", str(real)])
    assert bad.exit_code == 2
    assert "must hold simulated objects" in bad.output
