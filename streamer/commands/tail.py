"""`streamer tail`: scores as they come, a line each, for people or for machines."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from schemas.records import ScoredAlert
from schemas.surveys.columns import ZERO_POINT_AB_NJY
from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from streamer.client import ScoredAlerts

BAR_CELLS = 5
"""Width of the bar of a score [characters]."""


class Column(NamedTuple):
    """A column of the lines for people."""

    heading: str
    width: int
    """[characters]; what is longer is cut."""
    is_number: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("day, UTC", 11),
    Column("object", 23),
    Column("real", 4),
    Column("class", 5),
    Column("score", BAR_CELLS + 7),
    Column("set", 12),
    Column("new", 4, is_number=True),
    Column("det", 4, is_number=True),
    Column("last", 7, is_number=True),
    Column("model", 9),
)
"""What a line shows of an alert: 100 characters with the spaces between, since a terminal may have no more."""

DOUBTFUL = 0.5
"""Real scores below this are shown in red."""

CLASS_STYLES = {
    "SN I": "bright_blue",
    "SN II": "cyan",
    "SLSN": "magenta",
    "CV": "green",
    "AGN": "yellow",
    "TDE": "bright_red",
    "other": "white",
}
"""Colour of each class in a terminal."""

_COLUMN = dict(zip(CLASSES, CLASS_COLUMNS, strict=True))


def run_tail(alerts: ScoredAlerts, as_json: bool, details: bool = False) -> None:
    """Prints the alerts until they end, and says on stderr where there was none; quiet when the reader goes away."""
    show = _print_json if as_json else Lines(Console(), details).show
    messages = Console(stderr=True)
    try:
        with alerts:  # an alert that nobody could read is not passed over in a group
            shown = _show_all(alerts, show)
    except BrokenPipeError:
        # Whoever read the lines (`head`) has enough; what Python still holds of them goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if not shown:
        messages.print("no score fits: nothing was shown")
    if alerts.unreadable:
        messages.print(f"{alerts.unreadable:,} messages were no scored alerts and were passed over")


def _show_all(alerts: Iterable[ScoredAlert], show: Callable[[ScoredAlert], None]) -> int:
    shown = 0
    for alert in alerts:
        show(alert)
        shown += 1
    return shown


def _print_json(alert: ScoredAlert) -> None:
    print(alert.model_dump_json(), flush=True)


class Lines:
    """Alerts for people, a line each, under one heading; with `details` each has its reasons below it."""

    def __init__(self, console: Console, details: bool = False) -> None:
        self._console = console
        self._details = details
        self._has_heading = False

    def show(self, alert: ScoredAlert) -> None:
        """Prints one alert."""
        if not self._has_heading:
            self._print(Text(_row(column.heading for column in COLUMNS), style="bold underline"))
            self._has_heading = True
        self._print(line(alert))
        if self._details:
            for reason in reasons(alert):
                self._print(Text(f"    {reason}", style="dim"))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
        self._console.file.flush()


def line(alert: ScoredAlert) -> Text:
    """One alert in the columns of `COLUMNS`."""
    name, curve = alert.predicted_class, alert.light_curve
    is_uncalibrated = name is not None and alert.calibration is None
    style = CLASS_STYLES.get(name, "white") if name else "dim"
    texts: list[tuple[str, str]] = [
        (f"{alert.scored:%d %H:%M:%S}", "dim"),
        (f"{alert.survey}:{alert.object_id}", "bold"),
        _real(alert),
        (name or "-", style),
        (_score(alert), style),
        ("uncalibrated", "bold yellow") if is_uncalibrated else (",".join(alert.prediction_set), ""),
        ("-" if alert.novelty is None else f"{alert.novelty:.2f}", ""),
        (f"{alert.n_detections}", ""),
        (f"{curve.last_band or ''} {magnitude(curve.last_flux_njy)}".strip(), ""),
        (f"{alert.model} {alert.version}", "dim"),
    ]
    found = Text(" ").join(
        Text(_cell(text, column), style=style) for (text, style), column in zip(texts, COLUMNS, strict=True)
    )
    found.rstrip()
    return found


def reasons(alert: ScoredAlert) -> list[str]:
    """What the answer rests on, a line each: modalities, finer classes, the light-curve features that spoke loudest."""
    said = {
        "rests on": [f"{name} {weight:.0%}" for name, weight in _largest_first(alert.modality_weights)],
        "classes asked for": [f"{name} {score:.2f}" for name, score in _largest_first(alert.taxonomy_scores)],
        f"for or against {alert.predicted_class}": [
            f"{each.name} {'unknown' if each.value is None else f'{each.value:.3g}'} ({each.contribution:+.2f})"
            for each in alert.top_contributions
        ],
    }
    return [_harmless(f"{what}: {', '.join(parts)}") for what, parts in said.items() if parts]


def _largest_first(shares: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda pair: -pair[1])


def magnitude(flux_njy: float | None) -> str:
    """AB magnitude of a difference flux; `-` for none, `faded` for an object below its template."""
    if flux_njy is None:
        return "-"
    return f"{ZERO_POINT_AB_NJY - 2.5 * math.log10(flux_njy):.2f}" if flux_njy > 0 else "faded"


def _real(alert: ScoredAlert) -> tuple[str, str]:
    """The real score as `.98`, with `!` where a quality flag is set, and its style: red for what is hardly real."""
    if alert.real_score is None:
        return "-", "dim"
    hundredths = f"{alert.real_score:.2f}".removeprefix("0") if alert.real_score < 0.995 else "1.0"
    return hundredths + ("!" if alert.quality_flags else ""), "red" if alert.real_score < DOUBTFUL else "dim"


def _score(alert: ScoredAlert) -> str:
    """The predicted class's score as a bar and a number, in brackets if uncalibrated; else the reason."""
    if alert.class_scores is None or alert.predicted_class is None:
        return alert.unclassified_reason or ""
    column = _COLUMN.get(alert.predicted_class)
    if column is None:
        return "?"  # a class of a later taxonomy
    score: float = getattr(alert.class_scores, column)
    number = f"{score:.2f}" if alert.calibration is not None else f"({score:.2f})"
    full = round(score * BAR_CELLS)
    return f"{'█' * full}{'░' * (BAR_CELLS - full)} {number}"


def _row(texts: Iterable[str]) -> str:
    return " ".join(_cell(text, column) for text, column in zip(texts, COLUMNS, strict=True)).rstrip()


def _harmless(text: str) -> str:
    """The text without a terminal's own codes."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _cell(text: str, column: Column) -> str:
    """The text in a column's width; what is longer is cut, and shows it."""
    text = _harmless(text)
    if len(text) > column.width:
        return f"{text[: column.width - 1]}…"
    return text.rjust(column.width) if column.is_number else text.ljust(column.width)
