"""Pictures of scores beside the truth: who is taken for whom, and whether confidence is earned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from schemas.taxonomy import CLASSES
from streamer.pictures.panels import ACCENT, FAINT, INK, MUTED, PAPER, new_figure, style


def draw_confusion(counts: Sequence[Sequence[int]], out: Path, unit: str) -> None:
    """Writes the confusion matrix, truth by row, to the PNG file `out`: shares of each row as grey, counts as numbers.

    OSError where that fails.
    """
    table = np.array(counts)
    kept = [index for index in range(len(CLASSES)) if table[index].any() or table[:, index].any()]
    table = table[np.ix_(kept, kept)]
    names = [CLASSES[index] for index in kept]
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    sheet = new_figure(1.9 + 0.75 * len(kept), 1.5 + 0.6 * len(kept))
    axes = sheet.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), count in np.ndenumerate(table):
        if count:
            text = f"{count:,}\n{100 * shares[row, column]:.0f} %"
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=7.5,
                color=PAPER if shares[row, column] > 0.6 else INK,
            )
    style(axes)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted", fontsize=9, color=INK)
    axes.set_ylabel("true", fontsize=9, color=INK)
    axes.set_title(f"{table.sum():,} {unit}s; shares of each row", fontsize=9, color=INK)
    sheet.tight_layout()
    sheet.savefig(out, format="png", metadata={"Software": None})


def draw_reliability(bins: Sequence[dict[str, Any]], out: Path, error: float) -> None:
    """Writes a reliability diagram to the PNG file `out`: share right against confidence, and how many there are.

    OSError where that fails.
    """
    full = [each for each in bins if each["n"]]
    sheet = new_figure(4.2, 4.6)
    axes, below = sheet.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.0)
    sizes = [each["n"] for each in full]
    right = np.array([each["right"] for each in full])
    # One standard deviation of a share of n, and no less than that of a share half a row off 0 or 1.
    spread = np.sqrt(np.maximum(right * (1.0 - right), 0.25 / np.array(sizes)) / np.array(sizes))
    confidence = [each["confidence"] for each in full]
    axes.errorbar(confidence, right, spread, color=ACCENT, marker="o", markersize=4.5, linewidth=1.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_ylabel("share right", fontsize=9, color=INK)
    axes.set_title(f"calibration error {error:.3f}", fontsize=9, color=INK)
    width = 1.0 / len(bins)
    below.bar(
        [(place + 0.5) * width for place in range(len(bins))], [each["n"] for each in bins], 0.9 * width, color=MUTED
    )
    below.set_xlim(0.0, 1.0)
    below.set_xlabel("confidence", fontsize=9, color=INK)
    below.set_ylabel("number", fontsize=9, color=INK)
    for each in (axes, below):
        style(each)
    sheet.tight_layout()
    sheet.savefig(out, format="png", metadata={"Software": None})
