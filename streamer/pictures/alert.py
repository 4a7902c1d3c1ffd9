"""The picture of one alert: light curve, cutouts, scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from schemas.cutout import STAMPS
from schemas.light_curve import DETECTION, FORCED, LIMIT
from streamer.pictures.panels import (
    INK,
    MUTED,
    UNCALIBRATED,
    WARNING,
    class_scores,
    light_curve,
    new_figure,
    stamp,
    verdict,
)
from streamer.pictures.subject import Subject


def draw_alert(subject: Subject, out: Path) -> None:
    """Writes one alert's picture to the PNG file `out`; OSError where it cannot be written."""
    figure = new_figure(11.0, 6.6)
    grid = figure.add_gridspec(
        2, 12, left=0.065, right=0.975, top=0.865, bottom=0.045, hspace=0.3, wspace=0.25, height_ratios=(1.15, 1.0)
    )
    light_curve(figure.add_subplot(grid[0, :8]), subject)
    scores = figure.add_subplot(grid[0, 9:])
    class_scores(scores, subject)
    scores.set_title(
        ("class scores" if subject.calibrated else f"class scores, {UNCALIBRATED}") if subject.classified else "",
        fontsize=9, color=INK if subject.calibrated else WARNING, loc="left", pad=5,
    )  # fmt: skip
    for index, name in enumerate(STAMPS):
        image = getattr(subject.cutouts, name) if subject.cutouts is not None else None
        stamp(figure.add_subplot(grid[1, 3 * index : 3 * index + 3]), image, name, subject.survey)
    facts = figure.add_subplot(grid[1, 9:])
    facts.set_axis_off()
    for row, (name, value) in enumerate(_facts(subject)):
        y = 0.97 - 0.105 * row
        facts.text(0.0, y, name, transform=facts.transAxes, fontsize=8, color=MUTED, va="top")
        facts.text(0.40, y, value, transform=facts.transAxes, fontsize=8, color=INK, va="top")
    figure.text(
        0.02,
        0.955,
        f"{subject.survey.upper()}  {subject.object_id}",
        fontsize=15,
        color=INK,
        weight="bold",
        va="center",
    )
    said, colour = verdict(subject)
    if subject.classified and not subject.calibrated:
        said += f"  {UNCALIBRATED}"
    figure.text(0.975, 0.955, said, fontsize=13, color=colour, ha="right", va="center")
    figure.savefig(out, format="png", metadata={"Software": None})


def _facts(subject: Subject) -> list[tuple[str, str]]:
    """What is said beside the cutouts, as (name, value)."""
    kind = subject.light_curve.kind
    counts = [(DETECTION, "det"), (FORCED, "forced"), (LIMIT, "limits")]
    points = ", ".join(f"{np.count_nonzero(kind == k)} {name}" for k, name in counts if (kind == k).any())
    rows = [
        ("alert", str(subject.alert_id)),
        ("MJD (TAI)", f"{subject.mjd_tai:.5f}"),
        ("RA, Dec [deg]", f"{subject.ra_deg:.5f}, {subject.dec_deg:+.5f}"),
        ("points", points or "none"),
        ("real score", _number(subject.real_score)),
        ("novelty", _number(subject.novelty)),
        ("rests on", "\n".join(name.replace("_", " ") for name in subject.modalities) or "-"),
    ]
    rows[6:6] = [("data rights", subject.data_rights)] if subject.data_rights != "public" else []
    rows[6:6] = [("simulated as", subject.true_class)] if subject.true_class else []
    rows[6:6] = [("model", subject.model)] if subject.model else []
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.2f}"
