"""`streamer score-truth`: how good any broker's scores are, beside the truth of a simulated night."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from schemas.columns import TRUTH_FILE
from schemas.taxonomy import CLASSES
from streamer.errors import UserError
from streamer.pictures.truth import draw_confusion, draw_reliability
from streamer.sinks.parquet import SCORES_FILE
from streamer.truth.comparison import compare
from streamer.truth.figures import Figures, figures
from streamer.truth.night import read_night
from streamer.truth.scores import read_scores

FIGURES_FILE, CONFUSION_FILE, RELIABILITY_FILE = "figures.json", "confusion.png", "reliability.png"
"""What `--out` writes."""


def run_score_truth(truth: Path, scores: Path, out: Path | None, as_json: bool) -> None:
    """Prints how good the scores are, and saves it; UserError where they have nothing in common."""
    night = read_night(_within(truth, TRUTH_FILE, "simulate a night into it first"))
    table = read_scores(_within(scores, SCORES_FILE, "replay into it first, or name a table"), night.fine_types())
    found = figures(compare(night, table))
    found = {"understood": table.understood, **found}
    print_figures(Console(stderr=True), found)
    if out is not None:
        save_figures(found, out)
    if as_json:
        print(json.dumps(found))


def save_figures(found: Figures, out: Path) -> None:
    """Writes the figures as JSON and as pictures; UserError where the folder cannot be written."""
    classes = found["classes"]
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / FIGURES_FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        if classes["n"]:
            draw_confusion(classes["confusion"], out / CONFUSION_FILE, found["unit"])
            if classes["reliability"]:
                draw_reliability(classes["reliability"], out / RELIABILITY_FILE, classes["ece"])
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}") from None


def print_figures(console: Console, found: Figures) -> None:
    """The figures for people."""
    for line in found["understood"]:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    unit, beside = found["unit"], []
    if found["rows_of_others"]:
        beside.append(f"{found['rows_of_others']:,} rows are of no {unit} of this truth")
    if found["rows_replaced"]:
        beside.append(f"{found['rows_replaced']:,} rows are replaced by later ones")
    if beside:
        console.print(f"  {'; '.join(beside)}", highlight=False, soft_wrap=True)
    console.print(_completeness(found))
    classes = found["classes"]
    if not classes["n"]:
        console.print(f"No {unit} that has a class was given one: there is nothing to judge.")
        return
    console.print(_confusion(classes["confusion"], unit))
    console.print(_each(classes))
    console.print(_by_detections(found["by_detections"]))
    console.print(_overall(classes, unit), soft_wrap=True, highlight=False)
    auc = found["real_bogus"]["auc"]
    if auc is not None:
        console.print(f"real/bogus score: AUC {auc:.3f}", highlight=False)


def _within(path: Path, name: str, advice: str) -> Path:
    """The file itself, or the one of that name in the folder; a folder of that name is the table."""
    if not path.exists():
        raise UserError(f"no such file or folder: {path}")
    if path.is_dir() and path.name != name:
        path = path / name
        if not path.exists():
            raise UserError(f"{path.parent} holds no {name}: {advice}")
    return path


def _completeness(found: Figures) -> Table:
    table = Table(title=f"True {found['unit']}s, and how many have a score")
    for heading in ("truth", found["unit"] + "s", "with a row", "given a class", "share"):
        table.add_column(heading, justify="left" if heading == "truth" else "right")
    for name, each in found["completeness"].items():
        counts = (f"{each[key]:,}" for key in ("n", "with_row", "classified"))
        style = None if name in CLASSES else "dim"
        table.add_row(name, *counts, f"{100 * each['share_classified']:.1f} %", style=style)
    return table


def _confusion(counts: list[list[int]], unit: str) -> Table:
    table = Table(title=f"Confusion matrix ({unit}s): truth by row, prediction by column")
    table.add_column("truth")
    called = [index for index in range(len(CLASSES)) if any(row[index] for row in counts) or any(counts[index])]
    for index in called:
        table.add_column(CLASSES[index], justify="right")
    for index, name in enumerate(CLASSES):
        if any(counts[index]):
            cells = (f"[bold]{counts[index][c]:,}[/]" if c == index else f"{counts[index][c]:,}" for c in called)
            table.add_row(name, *cells)
    return table


def _each(classes: dict[str, Any]) -> Table:
    table = Table(title="Each class, with 90 % intervals by object")
    for heading in ("class", "n", "precision", "recall", "F1", "AUPRC"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, each in classes["each"].items():
        figure = (_with_interval(each[key], each[f"{key}_interval"]) for key in ("precision", "recall", "f1"))
        table.add_row(name, f"{each['n']:,}", *figure, _number(each["auprc"]))
    return table


def _by_detections(counts: dict[str, Any]) -> Table:
    table = Table(title="Each object as last judged with at most so many detections")
    for heading in ("detections", "objects", "accuracy", "balanced", "macro F1"):
        table.add_column(heading, justify="right")
    for count, each in counts.items():
        figure = (_number(each[key]) for key in ("accuracy", "balanced_accuracy", "macro_f1"))
        table.add_row(count, f"{each['n_objects']:,}", *figure)
    return table


def _overall(classes: dict[str, Any], unit: str) -> str:
    parts = [
        f"accuracy {_with_interval(classes['accuracy'], classes['accuracy_interval'])}",
        f"balanced {_with_interval(classes['balanced_accuracy'], classes['balanced_accuracy_interval'])}",
        f"macro F1 {_with_interval(classes['macro_f1'], classes['macro_f1_interval'])}",
        f"macro AUPRC {_number(classes['macro_auprc'])}",
        f"calibration error {_number(classes['ece'])}",
    ]
    return f"{classes['n']:,} {unit}s of {classes['n_objects']:,} objects: {', '.join(parts)}"


def _with_interval(value: float | None, bounds: list[float] | None) -> str:
    """The value, and the ends of its interval: short enough for three of them in a line of 80."""
    return _number(value) if bounds is None else f"{value:.2f} {bounds[0]:.2f}-{bounds[1]:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
