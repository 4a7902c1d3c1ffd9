"""`classifiers cross-survey`: what scores lose on other surveys' light curves, printed and saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classifiers.bundle import DEFAULT_BUNDLE, BundleError
from schemas.taxonomy import CLASSES


def cross_survey(
    data: Annotated[Path, typer.Option(help="Folder that holds the real light_curves.parquet.")],
    simulated: Annotated[
        list[Path] | None,
        typer.Option(help="Folder that `streamer simulate --light-curves` wrote, of one survey; may be given again."),
    ] = None,
    bundle: Annotated[str, typer.Option(help="Bundle folder, or 'default' for the shipped one.")] = DEFAULT_BUNDLE,
    out: Annotated[Path | None, typer.Option(help="Folder for cross_survey.json.")] = None,
) -> None:
    """Print how the scores of real light curves, those thinned to Rubin's visits, and simulated ones compare."""
    from classifiers import load_bundle
    from classifiers.evaluation.cross_survey import cross_survey_figures, cross_survey_text

    # Figures in which all classes weigh the same are of scores that suppose so.
    alike = dict.fromkeys(CLASSES, 1.0)
    try:
        figures = cross_survey_figures(load_bundle(bundle, alike), data, simulated or [])
    except (BundleError, OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo("\n".join(cross_survey_text(figures)))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "cross_survey.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
