"""`classifiers evaluate` and `classifiers card`: figures of a bundle on any folder, and its card, for people."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from classifiers.bundle import DEFAULT_BUNDLE, BundleError, open_bundle
from schemas.taxonomy import MODALITIES

PARTS: tuple[str, ...] = ("light_curves.parquet", "spectra.parquet", "ztf_alerts", "lsst_alerts")
"""Parts of a data folder with objects in them; one of them is enough."""


class Objects(StrEnum):
    """Which objects of a folder are judged."""

    all = "all"
    held_aside = "held-aside"


BundleOption = Annotated[str, typer.Option("--bundle", help="Bundle folder, or 'default' for the shipped one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON instead of tables.")]


def evaluate(
    data: Annotated[Path, typer.Option(help=f"Folder with any of {', '.join(PARTS)}, and labels.csv if there is one.")],
    out: Annotated[Path, typer.Option(help="Folder for predictions.parquet, metrics.json, tables and pictures.")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    objects: Annotated[
        Objects, typer.Option(help="All objects, or those that the hash of their name holds aside from training.")
    ] = Objects.all,
    n_detections: Annotated[
        str, typer.Option(metavar="N,...", help="Numbers of first detections at which objects are judged.")
    ] = "1,3,5,10,20,all",
    modalities: Annotated[
        str, typer.Option(metavar="NAME,...", help="Modalities of which every set is asked.")
    ] = ",".join(MODALITIES),
    as_json: AsJson = False,
) -> None:
    """Judge a bundle on the objects of a folder, through the code that serves: predictions, tables, pictures."""
    counts, chosen = _counts(n_detections), _modalities(modalities)
    _check_data(data)
    from classifiers import load_bundle
    from classifiers.data.rows import DataError
    from classifiers.evaluation.printing import new_console, print_report
    from classifiers.evaluation.report import evaluate as report_of
    from classifiers.evaluation.saving import save, save_predictions

    console = Console(stderr=True)
    try:
        with console.status("loading the bundle") as status:
            # A log keeps each step on a line of its own; a terminal shows the present one.
            progress = status.update if console.is_terminal else console.print
            answered = partial(save_predictions, out=out)
            aside = objects is Objects.held_aside
            report = report_of(load_bundle(bundle), data, aside, counts, chosen, progress, answered)
            progress(f"writing to {out}")
            files = save(report, out)
    except (BundleError, DataError, OSError) as error:
        _stop(str(error))
    if as_json:
        print(json.dumps(report.metrics, allow_nan=False))
        return
    print_report(report.metrics, new_console())
    typer.echo(f"{len(files)} files in {out}")


def card(
    bundle: BundleOption = DEFAULT_BUNDLE,
    out: Annotated[Path | None, typer.Option(help="Folder for pictures: reliability and others.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the card of a bundle: what it rests on, its figures with intervals, its limits."""
    from classifiers.evaluation.card_text import draw, print_card
    from classifiers.evaluation.printing import new_console

    try:
        opened = open_bundle(bundle)
        written = draw(opened.card, out) if out is not None else []
    except (BundleError, OSError) as error:
        _stop(str(error))
    if as_json:
        print(json.dumps(opened.card))
        return
    print_card(opened.card, new_console(), opened.folder)
    if out is not None:
        typer.echo(f"{len(written)} pictures in {out}")


def _counts(text: str) -> list[int]:
    """Numbers of detections, 0 for all."""
    try:
        counts = [0 if part.strip() == "all" else int(part) for part in text.split(",")]
    except ValueError:
        counts = [-1]
    if min(counts) < 0 or "0" in [part.strip() for part in text.split(",")]:
        _stop(f"--n-detections takes numbers of 1 or more and 'all', with commas between, not {text!r}")
    return list(dict.fromkeys(counts))


def _modalities(text: str) -> list[int]:
    names = [part.strip() for part in text.split(",")]
    if unknown := [name for name in names if name not in MODALITIES]:
        _stop(f"--modalities takes {', '.join(MODALITIES)}, with commas between, not {', '.join(unknown)!r}")
    return sorted({MODALITIES.index(name) for name in names})


def _check_data(folder: Path) -> None:
    if not folder.is_dir():
        _stop(f"no folder {folder}")
    if not any((folder / part).exists() for part in PARTS):
        _stop(f"{folder} holds none of {', '.join(PARTS)}")


def _stop(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)
