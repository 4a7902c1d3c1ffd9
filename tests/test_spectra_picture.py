"""The docs' picture of simulated spectra shows each type by its best ones."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.spectra_picture import SHOWN, best_by_type, main

NOISE = {"SN Ia": (4.0, 1.0, 2.0), "CV": (1.0,)}
"""Variance of each object's spectrum, by its type."""


@pytest.fixture
def night(tmp_path: Path) -> Path:
    truth, spectra = [], []
    for kind, variances in NOISE.items():
        for variance in variances:
            name = f"{kind} {variance}"
            truth.append({"object_id": name, "type": kind})
            spectrum = {"wavelength_aa": [5000.0, 6000.0], "flux": [1.0, 2.0], "flux_var": [variance] * 2}
            spectra.append({"object_id": name, "redshift": 0.1 if kind != "CV" else None} | spectrum)
    pq.write_table(pa.Table.from_pylist(truth), tmp_path / "truth.parquet")
    pq.write_table(pa.Table.from_pylist(spectra), tmp_path / "spectra.parquet")
    return tmp_path


def test_each_type_is_shown_by_its_spectra_with_the_most_signal_to_noise(night: Path) -> None:
    found = {kind: [row["object_id"] for row in rows] for kind, rows in best_by_type(night).items()}
    assert found == {"CV": ["CV 1.0"], "SN Ia": ["SN Ia 1.0", "SN Ia 2.0"][:SHOWN]}


def test_the_picture_is_drawn_alike_each_time(night: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    assert main([str(night), str(first)]) == main([str(night), str(again)]) == 0
    assert first.read_bytes().startswith(b"\x89PNG")
    assert first.read_bytes() == again.read_bytes()


def test_without_a_night_the_usage_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
