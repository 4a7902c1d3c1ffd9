"""`streamer replay`: archives and topics through the pipeline, into a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from schemas.spectrum import Spectrum
from schemas.spectrum_files import SpectrumFileError, read_spectra
from schemas.surveys.identity import survey_of_object_id
from schemas.taxonomy import CLASSES
from streamer.commands.sources import open_sources
from streamer.errors import UserError
from streamer.factory.replay import open_replay, result_paths
from streamer.replay import ReplayReport, replay
from streamer.settings import Settings
from streamer.state.store import ObjectStore

PREPARING = "preparing (the first run after an install compiles, up to half a minute)"
"""Shown while the pipeline is built."""

SKIPPED_SHOWN = 20
"""Files that are no packets are named up to this number."""


def run_replay(
    names: Sequence[str],
    out: Path,
    settings: Settings,
    begin: str | None,
    until: str | None,
    spectra: Path | None,
    schemas: Path | None,
    as_json: bool,
) -> None:
    """Replays the sources and prints the summary; UserError where a source or the folder cannot be used."""
    console = Console(stderr=True)
    if schemas is not None and not schemas.is_dir():
        raise UserError(f"the folder of schemas {schemas} does not exist")
    with ExitStack() as stack:
        sources = stack.enter_context(open_sources(names, settings, begin, until, result_paths(out)))
        with console.status(PREPARING):
            pipeline = stack.enter_context(open_replay(settings, out, schemas))
        if spectra is not None:
            known, unknown, unusable = import_spectra(pipeline.store, spectra)
            console.print(
                f"{known:,} spectra of ZTF and LSST objects read; left out: {unknown:,} of other objects, "
                f"{unusable:,} without a time, an object or two good bins"
            )
        with _progress(console) as progress:
            task = progress.add_task("replay", total=1.0, rate="", counts="")

            def show(report: ReplayReport) -> None:
                progress.update(
                    task,
                    completed=sources.fraction_read,
                    rate=f"{report.alerts_per_second:,.0f} alerts/s",
                    counts=f"{report.outcomes.received:,} received",
                )

            report = replay(sources, pipeline, settings.batch.max_alerts, show)
            progress.update(task, completed=1.0)
    print_summary(console, report, sources.skipped, out)
    if as_json:
        print(json.dumps(report.as_json() | {"skipped_files": len(sources.skipped), "out": str(out)}))


def import_spectra(store: ObjectStore, path: Path) -> tuple[int, int, int]:
    """Puts a file's spectra into the store; counts those of a survey's objects, of others, and unusable rows."""
    if not path.is_file():
        raise UserError(f"no such file of spectra: {path}")
    known = unknown = unusable = 0
    store.begin()
    try:
        for block in read_spectra(path):
            by_survey: dict[str, list[Spectrum]] = {}
            unusable += sum(spectrum is None for spectrum in block)
            for spectrum in filter(None, block):
                survey = survey_of_object_id(spectrum.object_id)
                if survey is None:
                    unknown += 1
                else:
                    by_survey.setdefault(survey, []).append(spectrum)
            for survey, spectra in by_survey.items():
                store.put_spectra(spectra, survey)
                known += len(spectra)
    except SpectrumFileError as error:
        store.rollback()
        raise UserError(str(error)) from None
    store.commit()
    return known, unknown, unusable


def print_summary(console: Console, report: ReplayReport, skipped: Sequence[str], out: Path) -> None:
    """The outcome of a replay for people: by class and survey, then what was not scored and why."""
    counts = report.outcomes
    surveys = sorted({survey for survey, _ in counts.classes})
    if surveys:
        table = Table(title="Scored alerts by predicted class")
        table.add_column("class")
        for survey in surveys:
            table.add_column(survey.upper(), justify="right")
        for name in (*CLASSES, "unclassified"):
            if any(counts.classes[survey, name] for survey in surveys):
                table.add_row(name, *(f"{counts.classes[survey, name]:,}" for survey in surveys))
        console.print(table)
    for survey, count in (+counts.uncalibrated).items():
        console.print(
            f"[bold yellow]{count:,} {survey.upper()} scores are uncalibrated[/]: no labelled alert of their kind "
            "stands behind them. `classifiers card` says how they do on simulated alerts."
        )
    outcomes = Table(title="What became of the messages")
    outcomes.add_column("outcome")
    outcomes.add_column("reason")
    outcomes.add_column("messages", justify="right")
    outcomes.add_row("scored", "", f"{counts.scored:,}")
    for reason, count in counts.filtered.most_common():
        outcomes.add_row("filtered", reason, f"{count:,}")
    outcomes.add_row("duplicate", "", f"{counts.duplicate:,}")
    for reason, count in counts.dead_letter.most_common():
        outcomes.add_row("dead letter", reason, f"{count:,}", style="red")
    outcomes.add_row("received", "", f"{counts.received:,}", end_section=True, style="bold")
    console.print(outcomes)
    if skipped:
        console.print(f"{len(skipped)} other files, not read:")
        for name in skipped[:SKIPPED_SHOWN]:
            console.print(f"  {name}", highlight=False, soft_wrap=True)
        if len(skipped) > SKIPPED_SHOWN:
            console.print(f"  and {len(skipped) - SKIPPED_SHOWN} more")
    rate = f"{report.seconds:.1f} s, {report.alerts_per_second:,.0f} alerts/s"
    console.print(f"{rate}; results in {out}", soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
