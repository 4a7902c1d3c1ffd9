"""`classifiers quality`: fits the quality trees and puts them into a bundle that is there."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from classifiers.bundle import CARD, DEFAULT_BUNDLE, bundle_folder, write_card

CARD_PART = "quality"
"""Key of the card under which counts and figures of the quality trees stand."""


def quality(
    data: Annotated[Path, typer.Option(help="Folder of light_curves.parquet, ztf_alerts/ and lsst_alerts/.")],
    simulated: Annotated[
        Path | None, typer.Option(help="Folder with nights of `streamer simulate` in ztf, ztf-test, lsst, lsst-test.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="Bundle folder, or 'default' for the shipped one.")] = DEFAULT_BUNDLE,
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 20,
) -> None:
    """Fit the trees of real score and interest anew; the bundle's other files stay as they are."""
    from classifiers.quality.fit import fit_quality

    folder = bundle_folder(bundle)
    if not (folder / CARD).is_file():
        typer.echo(f"no bundle at {folder}: it has no {CARD}", err=True)
        raise typer.Exit(2)
    with tempfile.TemporaryDirectory() as scratch:
        part = fit_quality(data, Path(scratch), np.random.default_rng(seed), simulated, _say)
        for file in Path(scratch).iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card.pop("files")
    write_card(folder, card | {CARD_PART: part})
    typer.echo(json.dumps(part["metrics"], indent=1))


def _say(text: str) -> None:
    typer.echo(text, err=True)
