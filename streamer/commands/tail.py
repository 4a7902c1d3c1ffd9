"""`streamer tail`: scores as they come, a line each, for people or for machines."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.text import Text

from schemas.records import ScoredAlert
from schemas.surveys.columns import ZERO_POINT_AB_NJY
from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from streamer.client import ScoredAlerts

BAR_CELLS = 10
"""Width of the bar of a score [characters]."""

COLUMNS: tuple[tuple[str, int], ...] = (
    ("scored (UTC)", 19),
    ("survey", 6),
    ("object", 20),
    ("class", 12),
    ("score", BAR_CELLS + 7),
    ("set", 16),
    ("novelty", 7),
    ("det", 4),
    ("last mag", 9),
    ("model", 12),
)
"""What a line shows of an alert, and how wide [characters]."""

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


def run_tail(alerts: ScoredAlerts, as_json: bool) -> None:
    """Prints the alerts until they end, and says on stderr where there was none; quiet when the reader goes away."""
    show = _print_json if as_json else Lines(Console()).show
    messages = Console(stderr=True)
    with alerts:
        try:
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
    """Alerts for people, a line each, under one heading."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._has_heading = False

    def show(self, alert: ScoredAlert) -> None:
        """Prints one alert."""
        if not self._has_heading:
            heading = "  ".join(_cell(name, width) for name, width in COLUMNS)
            self._print(Text(heading.rstrip(), style="bold underline"))
            self._has_heading = True
        self._print(line(alert))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
        self._console.file.flush()


def line(alert: ScoredAlert) -> Text:
    """One alert in the columns of `COLUMNS`."""
    name, curve = alert.predicted_class, alert.light_curve
    calibrated = alert.calibration is not None
    texts: list[tuple[str, str]] = [
        (f"{alert.scored:%Y-%m-%d %H:%M:%S}", "dim"),
        (alert.survey.upper(), ""),
        (alert.object_id, "bold"),
        (name or "unclassified", CLASS_STYLES[name] if name else "dim"),
        _score(alert),
        (", ".join(alert.prediction_set), "") if calibrated or name is None else ("uncalibrated", "bold yellow"),
        ("-" if alert.novelty is None else f"{alert.novelty:.2f}", ""),
        (f"{alert.n_detections}", ""),
        (f"{curve.last_band or '-'} {magnitude(curve.last_flux_njy)}", ""),
        (f"{alert.model} {alert.version}", "dim"),
    ]
    found = Text("  ").join(
        Text(_cell(text, width), style=style) for (text, style), (_, width) in zip(texts, COLUMNS, strict=True)
    )
    found.rstrip()
    return found


def magnitude(flux_njy: float | None) -> str:
    """AB magnitude of a difference flux; `-` for none, `fainter` for an object below its template."""
    if flux_njy is None:
        return "-"
    return f"{ZERO_POINT_AB_NJY - 2.5 * math.log10(flux_njy):.2f}" if flux_njy > 0 else "fainter"


def _score(alert: ScoredAlert) -> tuple[str, str]:
    """The predicted class's score as a bar and a number, in brackets if uncalibrated; else the reason."""
    name = alert.predicted_class
    if alert.class_scores is None or name is None:
        return alert.unclassified_reason or "", "dim"
    score: float = getattr(alert.class_scores, _COLUMN[name])
    number = f"{score:.2f}" if alert.calibration is not None else f"({score:.2f})"
    full = round(score * BAR_CELLS)
    return f"{'█' * full}{'░' * (BAR_CELLS - full)} {number}", CLASS_STYLES[name]


def _cell(text: str, width: int) -> str:
    """The text in a column's width; what is longer is cut, and shows it."""
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"
