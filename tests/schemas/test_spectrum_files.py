"""What must hold of spectra from files: a bad row costs only itself, and is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.time import Time

from schemas.spectrum_files import SpectrumFileError, read_spectra, write_spectra
from tests import made_up

GOOD: dict[str, Any] = {
    "object_id": "ZTF20aaaaaaa",
    "spectrum_mjd": 59_000.25,
    "wavelength_aa": [5000.0, 4000.0, 6000.0],
    "flux": [2.0, 1.0, 3.0],
    "flux_var": [0.2, 0.1, 0.3],
    "redshift": 0.05,
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_times_become_tai_and_bins_ascend(tmp_path: Path) -> None:
    ((spectrum,),) = read_spectra(write(tmp_path / "s.parquet", [GOOD]))
    assert spectrum is not None
    assert spectrum.mjd_tai == pytest.approx(Time(59_000.25, format="mjd", scale="utc").tai.mjd, abs=1e-9)
    assert spectrum.wavelength_aa.tolist() == [4000.0, 5000.0, 6000.0]
    assert spectrum.flux.tolist() == [1.0, 2.0, 3.0]
    assert spectrum.flux_var is not None
    np.testing.assert_allclose(spectrum.flux_var, [0.1, 0.2, 0.3], rtol=1e-6)
    assert spectrum.redshift == 0.05


@pytest.mark.parametrize(
    "broken",
    [
        {"spectrum_mjd": None},
        {"spectrum_mjd": np.nan},
        {"object_id": None},
        {"wavelength_aa": [], "flux": []},
        {"flux": [1.0]},
        {"flux_var": [1.0]},
        {"flux": [1.0, np.nan, np.inf]},
    ],
)
def test_a_row_that_cannot_be_used_is_none_and_its_neighbours_stay(tmp_path: Path, broken: dict[str, Any]) -> None:
    (block,) = read_spectra(write(tmp_path / "s.parquet", [GOOD, GOOD | broken, GOOD]))
    assert [spectrum is None for spectrum in block] == [False, True, False]


def test_columns_that_may_be_absent_may_be(tmp_path: Path) -> None:
    bare = {k: v for k, v in GOOD.items() if k not in ("flux_var", "redshift")}
    ((spectrum,),) = read_spectra(write(tmp_path / "s.parquet", [bare]))
    assert spectrum is not None
    assert (spectrum.flux_var, spectrum.redshift) == (None, None)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{k: v for k, v in GOOD.items() if k != "flux"}], "has no column flux"),
        ([GOOD | {"spectrum_mjd": "yesterday"}], "spectrum_mjd and redshift must be numbers"),
        ([GOOD | {"flux": ["a", "b", "c"]}], "lists of numbers"),
    ],
)
def test_a_file_of_another_kind_is_named_with_what_it_lacks(tmp_path: Path, rows: list[dict], said: str) -> None:
    with pytest.raises(SpectrumFileError, match=said):
        list(read_spectra(write(tmp_path / "s.parquet", rows)))


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    written = [made_up.spectrum_record("ZTF20aaaaaaa"), made_up.spectrum_record("ZTF20aaaaaab", flux_var=())]
    write_spectra(tmp_path / "s.parquet", written)
    ((first, second),) = read_spectra(tmp_path / "s.parquet")
    assert first is not None
    assert second is not None
    assert (first.object_id, second.object_id) == ("ZTF20aaaaaaa", "ZTF20aaaaaab")
    assert first.mjd_tai == pytest.approx(written[0].mjd_tai, abs=1e-9)
    assert tuple(first.wavelength_aa.tolist()) == written[0].wavelength_aa
    assert tuple(first.flux.tolist()) == written[0].flux
    assert first.flux_var is not None
    assert tuple(first.flux_var.tolist()) == written[0].flux_var
    assert (first.redshift, second.flux_var) == (0.05, None)


def test_a_file_of_no_spectra_holds_its_columns(tmp_path: Path) -> None:
    write_spectra(tmp_path / "s.parquet", [])
    assert list(read_spectra(tmp_path / "s.parquet")) == []
