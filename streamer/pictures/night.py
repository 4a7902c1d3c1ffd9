"""The picture of a night: its best transients on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import SubFigure
from matplotlib.patches import Rectangle

from streamer.pictures.panels import (
    BAND_STYLES,
    FAINT,
    INK,
    MUTED,
    UNCALIBRATED,
    WARNING,
    class_scores,
    empty,
    light_curve,
    new_figure,
    stamp,
    verdict,
)
from streamer.pictures.subject import Subject

COLUMNS = 3
"""Alerts beside each other."""

CARD_IN = (4.4, 2.15)
"""Width and height of one alert on the sheet [inch]."""

HEAD_IN = 0.75
"""Height of the sheet's title [inch]."""

MOST = 12
"""Most alerts on a sheet."""

LEGEND = f"{UNCALIBRATED}, in brackets and hatched: no labelled alert of its kind stands behind the score"
"""Said under the title of a sheet that shows such a score."""


def draw_night(subjects: Sequence[Subject], out: Path, title: str, subtitle: str = "") -> None:
    """Writes a sheet of the first `MOST` subjects, best first, to the PNG file `out`; OSError where that fails."""
    shown = list(subjects[:MOST])
    rows = max(1, -(-len(shown) // COLUMNS))
    width, height = COLUMNS * CARD_IN[0], rows * CARD_IN[1] + HEAD_IN
    sheet = new_figure(width, height)
    head, body = sheet.subfigures(2, 1, height_ratios=(HEAD_IN, height - HEAD_IN), hspace=0.0, squeeze=False)[:, 0]
    head.text(0.18 / width, 0.62, title, fontsize=16, weight="bold", color=INK, va="center")
    head.text(1 - 0.18 / width, 0.62, subtitle, fontsize=10, color=MUTED, va="center", ha="right")
    if any(subject.classified and not subject.calibrated for subject in shown):
        head.text(0.18 / width, 0.18, LEGEND, fontsize=10, color=WARNING, va="center")
    if shown:
        cards = body.subfigures(rows, COLUMNS, wspace=0.0, hspace=0.0, squeeze=False)
        for index, subject in enumerate(shown):
            _card(cards[index // COLUMNS, index % COLUMNS], subject)
    else:
        empty(body.add_axes((0.02, 0.05, 0.96, 0.9)), "no transient was scored")
    sheet.savefig(out, format="png", metadata={"Software": None})


def _card(figure: SubFigure, subject: Subject) -> None:
    """One alert: name and verdict, light curve, three stamps, scores."""
    figure.add_artist(
        Rectangle(
            (0.012, 0.025), 0.976, 0.95, transform=figure.transSubfigure, fill=False, edgecolor=FAINT, linewidth=0.8
        )
    )
    head = 0.895
    figure.text(
        0.035, head, f"{subject.survey.upper()} {subject.object_id}", fontsize=9, weight="bold", color=INK, va="center"
    )
    said, colour = verdict(subject)
    truth = f"  (simulated {subject.true_class})" if subject.true_class else ""
    figure.text(0.965, head, said + truth, fontsize=9, color=colour, va="center", ha="right")
    light_curve(figure.add_axes((0.09, 0.17, 0.40, 0.62)), subject, small=True)
    _bands(figure, subject)
    for index, name in enumerate(("science", "template", "difference")):
        image = getattr(subject.cutouts, name) if subject.cutouts is not None else None
        stamp(figure.add_axes((0.52 + 0.153 * index, 0.53, 0.145, 0.30)), image, name, subject.survey, small=True)
    class_scores(figure.add_axes((0.62, 0.07, 0.345, 0.42)), subject, small=True)


def _bands(figure: SubFigure, subject: Subject) -> None:
    """The letters of the bands drawn, in their colours, under the name."""
    x = 0.095
    for index, (band, look) in enumerate(BAND_STYLES.items()):
        if (subject.light_curve.band == index).any():
            figure.text(x, 0.815, band, fontsize=7.5, weight="bold", color=look.colour, va="center")
            x += 0.022
