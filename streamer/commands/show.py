"""`streamer show`: a picture of an alert or an object out of a folder of results."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from streamer.errors import UserError
from streamer.factory.replay import STATE_FOLDER, open_store_for_reading
from streamer.pictures import draw_alert
from streamer.results import Results


def run_show(name: str, folder: Path, out: Path | None) -> None:
    """Draws the alert or object `[SURVEY:]ID`; UserError where there is none or nothing can be written."""
    if not (folder / STATE_FOLDER).is_dir():
        raise UserError(f"{folder} holds no results: make them with `streamer replay SOURCE --out {folder}`")
    with open_store_for_reading(folder) as store:
        results = Results(folder, store)
        survey, alert_id = results.find(name)
        subject = results.subject(survey, alert_id)
    target = out or Path(f"{name.replace(':', '-')}.png")
    try:
        draw_alert(subject, target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from None
    best = subject.best
    verdict = f"{best[0]} {best[1]:.2f}" if best else (subject.unclassified_reason or "not classified")
    if best and not subject.calibrated:
        verdict = f"{best[0]} ({best[1]:.2f}, uncalibrated)"
    Console(stderr=True).print(
        f"{survey.upper()} alert {alert_id} of {subject.object_id}: {verdict}; drawn to {target}"
    )
