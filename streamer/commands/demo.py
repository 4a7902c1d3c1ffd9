"""`streamer demo`: a simulated night through the whole pipeline, watched live, and drawn at the end."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from schemas.alert import DATA_RIGHTS
from schemas.light_curve import BANDS
from schemas.packet import Packet
from schemas.scored import ScoredBatch
from streamer.commands.replay import PREPARING, print_summary
from streamer.errors import UserError
from streamer.factory.replay import STATE_FOLDER, open_replay, open_store_for_reading
from streamer.pictures import draw_night
from streamer.replay import ReplayReport, replay
from streamer.results import Results
from streamer.settings import Settings
from streamer.simulate.night import NightPlan
from streamer.simulate.source import SimulatorSource
from streamer.sinks.base import SinkError
from streamer.sinks.parquet import SCORES_FILE

LIVE_ROWS = 12
"""Scored alerts in the live table."""

WIDTH_WITHOUT_TERMINAL = 120
"""Columns of text where the output goes to a file or a pipe."""

NIGHTS = 10
"""So many evenings are simulated, so that objects come back and their light curves grow."""

BATCH_ALERTS = 64
"""Small batches, so that a person sees the night go by."""

TRANSIENTS: tuple[str, ...] = ("SN I", "SN II", "SLSN", "TDE", "CV", "AGN")
"""Classes of the picture of the night's best."""

PICTURE_FILE = "night.png"
"""Name of that picture in the folder of results."""

MARKER_FILE = ".streamer-demo"
"""Lies in a folder that a demo made, and that a demo may therefore make anew."""


LEGEND = "(score), calibrated: no = no labelled alert of its kind stands behind it; novelty -: not known"
"""Said under the live table."""


class LatestSink:
    """Keeps the last scored alerts for the eye."""

    def __init__(self) -> None:
        self._rows: deque[tuple[str, ...]] = deque(maxlen=LIVE_ROWS)

    def write(self, scored: ScoredBatch) -> None:
        """Takes the last rows of the batch."""
        predicted = scored.predicted_class
        for i in range(max(len(scored) - LIVE_ROWS // 2, 0), len(scored)):
            name = predicted[i]
            score = f"{scored.class_scores[i].max():.2f}" if name else "-"
            calibrated = scored.calibration[i] is not None
            self._rows.append(
                (
                    scored.survey.upper(),
                    scored.object_id[i],
                    f"{scored.mjd_tai[i]:.3f}",
                    str(scored.n_detections[i]),
                    BANDS[scored.last_band[i]] if scored.last_band[i] >= 0 else "-",
                    name or scored.unclassified_reason[i] or "",
                    score if calibrated or not name else f"({score})",
                    "-" if not name else "yes" if calibrated else "[bold yellow]no[/]",
                    "-" if np.isnan(scored.novelty[i]) else f"{scored.novelty[i]:.2f}",
                    DATA_RIGHTS[scored.rights[i]],
                )
            )

    def flush(self) -> None:
        """Nothing to make lasting."""

    def close(self) -> None:
        """Nothing to close."""

    def table(self) -> Table:
        """The rows as a table."""
        table = Table(title="Latest scores", caption=LEGEND, expand=False)
        for name in ("survey", "object", "MJD (TAI)"):
            table.add_column(name)
        for name in ("detections", "band"):
            table.add_column(name, justify="right")
        table.add_column("class", style="bold")
        for name in ("score", "calibrated", "novelty"):
            table.add_column(name, justify="right")
        table.add_column("rights")
        for row in self._rows:
            table.add_row(*row)
        return table


def run_demo(out: Path, alerts: int, seed: int) -> None:
    """Simulates, scores and draws a night into `out`; UserError where that folder is not the demo's own."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    _clear(out)
    console.print(
        f"A simulated night: {alerts:,} ZTF and {alerts:,} LSST alerts, seed {seed}. Nothing here is real sky."
    )
    settings = Settings()
    latest = LatestSink()
    progress = Progress(
        TextColumn("scoring"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}"),
        console=console,
    )
    task = progress.add_task("night", total=2 * alerts, rate="")
    night = [SimulatorSource(NightPlan(survey, alerts, seed, NIGHTS, "rich")) for survey in ("ztf", "lsst")]
    with ExitStack() as stack:
        with console.status(PREPARING):
            pipeline = stack.enter_context(open_replay(settings, out, more_sinks=[latest]))
        live = stack.enter_context(Live(Group(latest.table(), progress), console=console, refresh_per_second=8))

        def show(report: ReplayReport) -> None:
            progress.update(task, completed=report.outcomes.received, rate=f"{report.alerts_per_second:,.0f} alerts/s")
            live.update(Group(latest.table(), progress))

        report = replay(_interleaved(night), pipeline, BATCH_ALERTS, show)
    console.print()
    print_summary(console, report, [], out)
    picture = out / PICTURE_FILE
    with open_store_for_reading(out) as store:
        results = Results(out, store)
        best = [results.subject(survey, alert_id) for survey, alert_id in results.best(2, TRANSIENTS)]
    types = {source.plan.survey: source.types for source in night}
    best = [replace(subject, true_class=types[subject.survey].get(subject.object_id)) for subject in best]
    # A score that nothing stands behind is not compared with one that was calibrated: those come last.
    best.sort(key=lambda subject: (not subject.calibrated, -(subject.best or ("", 0.0))[1]))
    draw_night(best, picture, "Best of a simulated night", f"{report.outcomes.scored:,} scored alerts, seed {seed}")
    first = f"{best[0].survey}:{best[0].object_id}" if best else "ID"
    console.print(f"The night's best transients: {picture}", soft_wrap=True)
    console.print(
        f"Every score: {out / SCORES_FILE}. One object closer: streamer show {first} --in {out}", soft_wrap=True
    )


def _interleaved(sources: list[SimulatorSource]) -> Iterator[Packet]:
    """One packet of each source in turn."""
    return (packet for packet in chain.from_iterable(zip_longest(*sources)) if packet is not None)


def _clear(out: Path) -> None:
    """Removes the results of an earlier demo; a folder that holds anything else is left alone."""
    try:
        if out.exists():
            if not (out / MARKER_FILE).exists() and any(out.iterdir()):
                raise UserError(f"{out} holds something else than a demo's results: name another folder with --out")
            shutil.rmtree(out)
        (out / STATE_FOLDER).mkdir(parents=True)
        (out / MARKER_FILE).touch()
    except OSError as error:
        raise SinkError(f"{out} cannot be written: {error.strerror or error}") from None
