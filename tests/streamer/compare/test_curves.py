"""Whole light curves are cut alike on both sides, and matched by class and peak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.compare import curves
from streamer.compare.curves import LEAST_POINTS, SPAN_DAYS, compare_curves, curve_table
from streamer.compare.figures import draw_curves


def supernova(i: int, **other: Any) -> dict[str, Any]:
    """A made-up light curve of 100 days, a night in two from MJD 60,000 on, in g and r."""
    mjd = 60_000.0 + np.arange(0.0, 100.0, 2.0)
    mag = 18.0 + 0.05 * (i % 10) + ((mjd - 60_020.0) / 25.0) ** 2
    row = {
        "object_id": f"made up {i}",
        "label": "SN I",
        "source": "somewhere (ANTARES)",
        "mjd": mjd.tolist(),
        "band": ["g", "r"] * 25,
        "mag": mag.tolist(),
        "mag_err": [0.1] * 50,
        "isdiffpos": [True] * 50,
    }
    return row | other


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "_PACKETS", 600)
    monkeypatch.setattr(curves, "_MOST_SEEDS", 2)


def pairs_of(tmp_path: Path, rows: list[dict[str, Any]]) -> curves.CurveSets:
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "light_curves.parquet")
    return compare_curves(tmp_path / "light_curves.parquet", 3, lambda _: None)


@pytest.mark.usefixtures("few")
def test_curves_are_cut_and_matched_by_peak(tmp_path: Path) -> None:
    (pair,) = pairs_of(tmp_path, [supernova(i) for i in range(20)]).values()
    assert pair.weight.sum() == pytest.approx(len(pair.real))
    for curve in [*pair.real, *pair.simulated]:
        assert len(curve.mjd) >= LEAST_POINTS
        assert np.ptp(curve.mjd) <= SPAN_DAYS
        assert np.all(np.diff(curve.mjd) >= 0.0)
        assert np.all(curve.flux_njy > 0.0)
    assert {len(curve.mjd) for curve in pair.real} == {26}
    lowest, highest = (edge(curve.peak_mag for curve in pair.real) for edge in (min, max))
    assert all(lowest - 0.5 <= curve.peak_mag <= highest + 0.5 for curve in pair.simulated)
    table = curve_table(pair.real)
    assert table.column("median error [mag]") == pytest.approx(0.1, rel=1e-5)
    assert table.column("gap between nights [d]") == pytest.approx(2.0)
    assert len(draw_curves({"SN I": pair}).axes) >= 1


@pytest.mark.usefixtures("few")
def test_negative_detections_are_left_out_of_a_curve(tmp_path: Path) -> None:
    signs = [i >= 6 for i in range(50)]
    (pair,) = pairs_of(tmp_path, [supernova(i, isdiffpos=signs) for i in range(12)]).values()
    assert {float(curve.mjd[0]) for curve in pair.real} == {60_012.0}


@pytest.mark.parametrize(
    "other",
    [
        {"source": "alert_history"},
        {"label": None},
        {"label": "a class that is not simulated"},
        {"band": ["u", "z"] * 25},
    ],
)
def test_curves_that_do_not_serve_are_left_out(tmp_path: Path, other: dict[str, Any]) -> None:
    assert pairs_of(tmp_path, [supernova(i, **other) for i in range(12)]) == {}


def test_without_a_file_or_with_few_curves_nothing_is_compared(tmp_path: Path) -> None:
    assert compare_curves(tmp_path / "none.parquet", 3, lambda _: None) == {}
    assert pairs_of(tmp_path, [supernova(i) for i in range(5)]) == {}
