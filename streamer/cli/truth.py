"""Commands over the truth of simulated nights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.archives import PANEL
from streamer.cli.options import AsJson

truth = typer.Typer()


@truth.command("score-truth", rich_help_panel=PANEL)
def score_truth(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="A truth.parquet, or the folder that holds it.")],
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES",
            help="A folder of results, or any broker's table (Parquet, CSV, JSON lines) with alert_id or object_id and "
            "either predicted_class or p_sn_i, p_sn_ii, p_slsn, p_cv, p_agn, p_tde, p_other.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for figures.json, confusion.png and reliability.png."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how good scores are, beside the truth of a simulated night.

    Asteroids and bogus detections have no class: they are told apart, as what was let through.
    """
    from streamer.commands.score_truth import run_score_truth

    run_score_truth(truth, scores, out, as_json)
