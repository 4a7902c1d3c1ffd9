"""Pictures of a report: confusion, reliability, figures by number of detections, leaks, matched curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classifiers.evaluation.tables import FIVE_CLASSES, Cell
from classifiers.metrics import FEWEST
from schemas.taxonomy import CLASSES

INK, MUTED, FAINT = "#1b2430", "#8a94a3", "#d5dae1"
"""Text, bars of little weight, lines behind."""

COLOURS: tuple[str, ...] = ("#2563a8", "#c8553d", "#3a8f5c", "#8e5ba6", "#b08a2e", "#4a4a4a", "#57a5b8", "#b3567f")
"""One for each line of a picture."""

SHOWN_FIGURES: dict[str, str] = {"macro_auprc": "macro-AUPRC", "balanced_accuracy": "balanced accuracy"}
"""Figures drawn by number of detections."""

DOTS_PER_INCH = 150

FEWEST_DRAWN = 50
"""Objects of a point by number of detections: with fewer the intervals hide everything else."""


def draw_all(metrics: dict[str, Any], out: Path) -> None:
    """Writes every picture that the report has figures for into the folder `out`."""
    for cell in (each for each in metrics["cells"] if each["population"] == "labelled" and each["cut"] == "all"):
        for key, classes, mark in (("seven", CLASSES, ""), ("five", FIVE_CLASSES, "_five")):
            title, name = _titled(cell)
            draw_confusion(cell[key].get("confusion"), classes, title, out / f"confusion{mark}_{name}.png")
    draw_card(metrics, out)


def draw_card(metrics: dict[str, Any], out: Path) -> None:
    """Writes the pictures that a card has figures for: reliability, by number of detections, leaks, matched curves."""
    cells = [each for each in metrics["cells"] if each["population"] == "labelled"]
    for cell in (each for each in cells if each["cut"] == "all"):
        title, name = _titled(cell)
        draw_reliability(cell["seven"].get("reliability", []), title, out / f"reliability_{name}.png")
    draw_by_cut(cells, metrics["baselines"], out / "by_detections.png")
    draw_bars("balanced accuracy, seven classes", _leak_bars(metrics), out / "leaks.png")
    draw_matched(metrics["matched"], out / "matched.png")


def _titled(cell: Cell) -> tuple[str, str]:
    """Title of a picture of a cell, and what its file's name ends in."""
    return f"{cell['modalities'].replace('_', ' ')}, all detections", cell["modalities"].replace("+", "_")


def draw_confusion(counts: Sequence[Sequence[int]] | None, classes: Sequence[str], title: str, path: Path) -> None:
    """Writes a confusion matrix, truth by row: shares of each row as colour, counts as numbers. Nothing without one."""
    if counts is None or not np.any(counts):
        return
    table = np.array(counts)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    sheet, axes = _sheet(1.6 + 0.72 * len(classes), 1.5 + 0.58 * len(classes))
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), count in np.ndenumerate(table):
        if count:
            colour = "white" if shares[row, column] > 0.6 else INK
            text = f"{count:,}\n{100 * shares[row, column]:.0f} %"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), [f"{name} ({n})" for name, n in zip(classes, table.sum(1), strict=True)])
    _finish(sheet, axes, path, title, "predicted", "true")


def draw_reliability(bins: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Writes a reliability diagram: share right against confidence, with its scatter, and how many there are."""
    full = [each for each in bins if each["n"]]
    if not full:
        return
    sheet = Figure(figsize=(4.0, 4.4), dpi=DOTS_PER_INCH, layout="constrained")
    axes, below = sheet.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.0)
    right, sizes = np.array([each["right"] for each in full]), np.array([each["n"] for each in full])
    # One standard deviation of a share of n, no less than that of a share half a row off 0 or 1.
    spread = np.sqrt(np.maximum(right * (1.0 - right), 0.25 / sizes) / sizes)
    confidence = [each["confidence"] for each in full]
    axes.errorbar(confidence, right, spread, color=COLOURS[0], marker="o", markersize=4.0, linewidth=1.0)
    axes.set_ylim(0.0, 1.02)
    width = 1.0 / len(bins)
    below.bar([(k + 0.5) * width for k in range(len(bins))], [each["n"] for each in bins], 0.9 * width, color=MUTED)
    below.set_xlim(0.0, 1.0)
    _style(below, "", "confidence", "rows")
    _finish(sheet, axes, path, title, "", "share right")


def draw_by_cut(cells: Sequence[Cell], baselines: dict[str, dict[str, Cell]], path: Path) -> None:
    """Writes figures of five classes by number of detections: a line with its interval for each set in hand."""
    shown = [each for each in cells if not each["cut"].endswith(" d") and each["five"]["n_objects"] >= FEWEST_DRAWN]
    cuts = list(dict.fromkeys(each["cut"] for each in shown))
    if not cuts:
        return
    lines: dict[str, list[Cell]] = {}
    for each in shown:
        lines.setdefault(each["modalities"].replace("_", " "), []).append(each)
    for cut, told in baselines.items():
        for name, each in told.items():
            lines.setdefault(name, []).append(each | {"cut": cut})
    sheet = Figure(figsize=(9.5, 4.6), dpi=DOTS_PER_INCH, layout="constrained")
    for axes, (figure, words) in zip(sheet.subplots(1, 2), SHOWN_FIGURES.items(), strict=True):
        for k, (name, row) in enumerate(lines.items()):
            points = [(each["cut"], each["five"].get("without_few", each["five"])[figure]) for each in row]
            known = [(cut, value) for cut, value in points if cut in cuts and value is not None]
            place = np.array([cuts.index(cut) for cut, _ in known]) + 0.06 * (k - (len(lines) - 1) / 2)
            value, low, high = np.array([each for _, each in known]).reshape(-1, 3).T
            style = "--" if name.startswith("LightGBM") else "-"
            axes.errorbar(
                place,
                value,
                (np.maximum(value - low, 0.0), np.maximum(high - value, 0.0)),
                color=COLOURS[k % len(COLOURS)],
                marker="o",
                markersize=3.0,
                linewidth=1.0,
                linestyle=style,
                label=name,
            )
        axes.set_xticks(range(len(cuts)), cuts)
        axes.set_ylim(0.0, 1.02)
        _style(axes, f"five classes, those of {FEWEST} objects or more", "detections", words)
    handles, names = axes.get_legend_handles_labels()
    sheet.legend(handles, names, loc="outside lower center", ncols=3, fontsize=6.5, frameon=False)
    sheet.savefig(path, format="png", metadata={"Software": None})


def draw_bars(words: str, bars: Sequence[tuple[str, list[float] | None, str]], path: Path) -> None:
    """Writes named figures with their intervals as bars; nothing where there is none."""
    known = [(name, value, colour) for name, value, colour in bars if value is not None]
    if not known:
        return
    sheet, axes = _sheet(6.4, 1.0 + 0.36 * len(known))
    for place, (_, (value, low, high), colour) in enumerate(known):
        axes.barh(place, value, 0.7, color=colour)
        axes.plot([low, high], [place, place], color=INK, linewidth=1.0)
    axes.set_yticks(range(len(known)), [name for name, _, _ in known])
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.0)
    _finish(sheet, axes, path, "what tells the class", words, "")


def draw_matched(cells: Sequence[Cell], path: Path) -> None:
    """Writes macro-AUPRC of five classes on matched curves, brightness kept and removed, for each that was scored."""
    if not cells:
        return
    sheet = Figure(figsize=(8.0, 3.6), dpi=DOTS_PER_INCH, layout="constrained")
    for axes, level in zip(sheet.subplots(1, 2, sharey=True), (True, False), strict=True):
        own = [each for each in cells if each["brightness"] is level]
        names = [name for name in (own[0] if own else {}) if name not in ("n_detections", "brightness", "gain")]
        for k, name in enumerate(names):
            known = [each for each in own if name in each and each[name]["five"]["macro_auprc"] is not None]
            place = np.array([each["n_detections"] for each in known]) + 0.12 * (k - 1.5)
            value, low, high = np.array([each[name]["five"]["macro_auprc"] for each in known]).reshape(-1, 3).T
            spread = (np.maximum(value - low, 0.0), np.maximum(high - value, 0.0))
            axes.errorbar(place, value, spread, color=COLOURS[k], marker="o", markersize=3.5, linewidth=1.0, label=name)
        axes.set_ylim(0.0, 1.0)
        axes.set_xticks([each["n_detections"] for each in own])
        _style(
            axes,
            f"brightness {'kept' if level else 'removed'}",
            "detections",
            "macro-AUPRC, five classes" if level else "",
        )
    axes.legend(fontsize=6.5, frameon=False)
    sheet.savefig(path, format="png", metadata={"Software": None})


def _leak_bars(metrics: dict[str, Any]) -> list[tuple[str, list[float] | None, str]]:
    bars = [(name, each["seven"]["balanced_accuracy"], MUTED) for name, each in metrics["leaks"].items()]
    for name, each in metrics["baselines"].get("all", {}).items():
        bars.append((f"{name}, all detections", each["seven"]["balanced_accuracy"], COLOURS[1]))
    ours = [
        each["seven"]["balanced_accuracy"]
        for each in metrics["cells"]
        if (each["cut"], each["modalities"], each["population"]) == ("all", "light_curve", "labelled")
    ]
    return bars + [("this bundle, light curve, all detections", each, COLOURS[0]) for each in ours] if bars else []


def _sheet(width: float, height: float) -> tuple[Figure, Axes]:
    sheet = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    return sheet, sheet.add_subplot()


def _style(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=8.5, color=INK)
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    axes.tick_params(labelsize=7, colors=INK, length=2)
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def _finish(sheet: Figure, axes: Axes, path: Path, title: str, x: str, y: str) -> None:
    _style(axes, title, x, y)
    sheet.savefig(path, format="png", metadata={"Software": None})
