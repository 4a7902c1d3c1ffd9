"""The report as files: predictions, `metrics.json`, tables as CSV, figures as PNG."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from classifiers.evaluation.fair import SUPERNOVAE
from classifiers.evaluation.figures import draw_all
from classifiers.evaluation.predictions import (
    ALERT_PREDICTIONS,
    PREDICTION_SCHEMA,
    PREDICTIONS,
    SPECTRUM_PREDICTIONS,
    write_tables,
)
from classifiers.evaluation.report import Report
from classifiers.evaluation.tables import CLASS_FIGURES, FIVE_CLASSES, HEADLINES, MACRO_FIGURES, Cell
from classifiers.metrics import FEWEST
from schemas.taxonomy import CLASSES

Line = dict[str, Any]

CLASSES_OF: dict[str, tuple[str, ...]] = {"five": FIVE_CLASSES, "seven": CLASSES, "two": SUPERNOVAE}
"""Classes of each part of a cell."""

FIGURE_COLUMNS = "table of cut modalities population classes class objects figure value low high".split()
"""Columns of `figures.csv`: one line a figure."""

GAIN_COLUMNS = "table what over cut objects figure value low high".split()
"""Columns of `gains.csv`."""

CONFUSION_COLUMNS = "table of cut modalities population classes true predicted n".split()
"""Columns of `confusion.csv`."""


def save(report: Report, out: Path) -> list[Path]:
    """Writes figures, tables and pictures of a report into the folder `out`; returns what is there now."""
    save_predictions(report, out)
    text = json.dumps(report.metrics, indent=1, allow_nan=False)
    (out / "metrics.json").write_text(text + "\n", encoding="utf-8")
    _write_csv(out / "figures.csv", FIGURE_COLUMNS, figure_lines(report.metrics))
    _write_csv(out / "gains.csv", GAIN_COLUMNS, gain_lines(report.metrics))
    _write_csv(out / "confusion.csv", CONFUSION_COLUMNS, _confusions(report.metrics))
    draw_all(report.metrics, out)
    return sorted(path for path in out.iterdir() if path.is_file())


def save_predictions(report: Report, out: Path) -> None:
    """Writes what the bundle said into the folder `out`, which is made; `predictions.parquet` even without a row."""
    out.mkdir(parents=True, exist_ok=True)
    write_tables(out / PREDICTIONS, report.predictions or [PREDICTION_SCHEMA.empty_table()])
    write_tables(out / SPECTRUM_PREDICTIONS, report.spectrum_predictions)
    write_tables(out / ALERT_PREDICTIONS, report.alert_predictions)


def cells_of(metrics: dict[str, Any]) -> Iterator[tuple[Line, Cell]]:
    """Every cell with what it is of."""
    for name in ("cells", "spectra", "alerts"):
        for cell in metrics[name]:
            redshift = {True: " with redshift", False: " without redshift"}.get(cell.get("with_redshift"), "")
            unit = cell.get("unit", "object" if name == "cells" else "alert")
            what = {"table": name, "of": f"this bundle, {unit}{redshift}"}
            yield what | {key: cell[key] for key in ("cut", "modalities", "population")}, cell
    for name, cell in metrics["leaks"].items():
        yield {"table": "leaks", "of": name, "cut": "all"}, cell
    for cut, told in metrics["baselines"].items():
        for name, cell in told.items():
            yield {"table": "baselines", "of": name, "cut": cut, "modalities": "light_curve"}, cell
    for told in metrics["matched"]:
        level = "brightness kept" if told["brightness"] else "brightness removed"
        for name, cell in told.items():
            if isinstance(cell, dict) and name != "gain":
                yield {"table": "matched", "of": name, "cut": str(told["n_detections"]), "population": level}, cell
    for name, cell in metrics["one_source"].items():
        yield {"table": "one source", "of": name, "cut": "all"}, {"two": cell}


def figure_lines(metrics: dict[str, Any]) -> Iterator[Line]:
    """Lines of `figures.csv`; a figure that rests on too few objects has no line, their number has."""
    for what, cell in cells_of(metrics):
        for classes in CLASSES_OF:
            if classes not in cell:
                continue
            told = cell[classes]
            line = what | {"classes": classes}
            yield line | {"class": "all", "objects": told["n_objects"], "figure": "rows", "value": told["n"]}
            yield from _figures(line | {"class": "all", "objects": told["n_objects"]}, told, HEADLINES)
            rest = {"class": f"all of {FEWEST} objects or more", "objects": told["n_objects"]}
            yield from _figures(line | rest, told.get("without_few", {}), tuple(MACRO_FIGURES))
            for name, each in told["classes"].items():
                own = line | {"class": name, "objects": each["n_objects"]}
                yield own | {"figure": "rows", "value": each["n"]}
                yield from _figures(own, each, CLASS_FIGURES)
        objects = cell.get("seven", {}).get("n_objects")
        line = what | {"classes": "seven", "class": "all", "objects": objects}
        yield from _figures(line, cell, ("coverage", "set_size"))


def gain_lines(metrics: dict[str, Any]) -> Iterator[Line]:
    """Lines of `gains.csv`: paired gains, of modalities and over baselines."""
    for cell in metrics["cells"]:
        for part, told in cell.get("gains", {}).items():
            yield from _gain({"table": "cells", "what": part, "over": told["over"], "cut": cell["cut"]}, told)
    for cut, baselines in metrics["baselines"].items():
        for name, told in baselines.items():
            line = {"table": "baselines", "what": "this bundle", "over": name, "cut": cut}
            yield from _gain(line, told["gain"]["five"])
    for told in metrics["matched"]:
        if told["gain"]:
            what = "this bundle, brightness " + ("kept" if told["brightness"] else "removed")
            line = {"table": "matched", "what": what, "over": told["gain"]["over"], "cut": str(told["n_detections"])}
            yield from _gain(line, told["gain"]["five"])


def _figures(line: Line, told: Cell, names: tuple[str, ...]) -> Iterator[Line]:
    for name in names:
        if told.get(name) is not None:
            yield line | dict(zip(("figure", "value", "low", "high"), (name, *told[name]), strict=True))


def _gain(line: Line, told: Cell) -> Iterator[Line]:
    yield from _figures(line | {"objects": told["n_objects"]}, told, ("macro_auprc", "balanced_accuracy"))


def _confusions(metrics: dict[str, Any]) -> Iterator[Line]:
    for what, cell in cells_of(metrics):
        for classes in CLASSES_OF:
            counts = cell.get(classes, {}).get("confusion")
            if counts is None:
                continue
            names = CLASSES_OF[classes]
            for true, row in zip(names, counts, strict=True):
                for predicted, n in zip(names, row, strict=True):
                    if n:
                        yield what | {"classes": classes, "true": true, "predicted": predicted, "n": n}


def _write_csv(path: Path, columns: list[str], lines: Iterator[Line]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)
