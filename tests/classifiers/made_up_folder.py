"""Made-up data folders laid out like the shared one, any part or column left out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.taxonomy import CLASSES
from streamer.simulate.files import write_night
from streamer.simulate.night import NightPlan

FIRST_MJD = 59_000.0


def curve_row(name: str, label: str | None, detections: int, seed: int, **changes: Any) -> dict[str, Any]:
    """A row of light_curves.parquet: one detection a night in g and r by turns, slower and fainter class by class."""
    rng = np.random.default_rng(seed)
    k = CLASSES.index(label) if label in CLASSES else 0
    day = np.arange(detections) // 2 * 3.0 + np.arange(detections) % 2 * 0.02
    mag = 17.0 + 0.5 * k + (day - 12.0) ** 2 / (300.0 * (k + 1)) + 0.05 * rng.normal(size=detections)
    row = {
        "object_id": name,
        "type": label,
        "label": label,
        "label_quality": "spectroscopic" if k < 3 else "catalogue",
        "source": "made up (ANTARES)" if k < 2 else "made up, another",
        "mjd": (FIRST_MJD + day).tolist(),
        "band": ["gr"[i % 2] for i in range(detections)],
        "mag": mag.tolist(),
        "mag_err": [0.08] * detections,
        "isdiffpos": [True] * detections,
        "lim_mjd": [FIRST_MJD - 3.0] if k >= 2 else [],
        "flux_mjd": [],
    }
    return row | changes


def spectrum_row(name: str, label: str | None, mjd: float | None, seed: int, **changes: Any) -> dict[str, Any]:
    """A row of spectra.parquet: a blue continuum with one absorption, elsewhere class by class."""
    rng = np.random.default_rng(seed)
    k = CLASSES.index(label) if label in CLASSES else 0
    wavelength = np.linspace(3780.0, 9220.0, 210)
    flux = (5000.0 / wavelength) ** 2 * (1.0 - 0.4 * np.exp(-0.5 * ((wavelength - 5000.0 - 300.0 * k) / 80.0) ** 2))
    row = {
        "object_id": name,
        "type": label,
        "label": label,
        "object_label": label,
        "redshift": 0.03,
        "uncertain": False,
        "spectrum_mjd": mjd,
        "file_name": f"{name}.ascii",
        "wavelength_aa": wavelength.tolist(),
        "flux": (flux + 0.02 * rng.normal(size=210)).tolist(),
        "flux_var": [0.0004] * 210,
    }
    return row | changes


def write_rows(path: Path, rows: Sequence[dict[str, Any]], without: Sequence[str] = ()) -> None:
    """Writes rows as Parquet, some columns left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{k: v for k, v in row.items() if k not in without} for row in rows]), path)


def write_labels(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    """Writes labels.csv of names, labels and lists of who gave them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["object_id", "type", "label", "label_quality", "label_source"])
        writer.writerows([name, label, label, "spectroscopic", lists] for name, label, lists in rows)


def write_folder(
    folder: Path,
    labels: Sequence[str],
    each: int,
    detections: int = 12,
    parts: Sequence[str] = ("light_curves", "spectra", "labels"),
) -> list[tuple[str, str]]:
    """A folder of `each` objects of each label, half of them with a spectrum on day 10; returns names and labels."""
    named = [(f"ZTF20{k}{i:04d}", label) for k, label in enumerate(labels) for i in range(each)]
    folder.mkdir(parents=True, exist_ok=True)
    if "light_curves" in parts:
        rows = [curve_row(name, label, 2 + (i * 5) % detections, i) for i, (name, label) in enumerate(named)]
        write_rows(folder / "light_curves.parquet", rows)
    if "spectra" in parts:
        rows = [spectrum_row(name, label, FIRST_MJD + 10.0, i) for i, (name, label) in enumerate(named[::2])]
        write_rows(folder / "spectra.parquet", rows)
    if "labels" in parts:
        write_labels(folder / "labels.csv", [(name, label, "SEDM_ML_sample") for name, label in named])
    return named


def write_packets(folder: Path, survey: str, count: int) -> None:
    """Simulated packets as loose files, where a data folder has its packets."""
    write_night(NightPlan(survey, count, 3, nights=10, mixture="rich"), folder / f"{survey}_alerts")
