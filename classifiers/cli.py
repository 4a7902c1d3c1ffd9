"""The command line: make a bundle, evaluate it, print its card or write it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifiers.bundle import DEFAULT_BUNDLE, BundleError
from classifiers.evaluation.command import card, evaluate
from classifiers.evaluation.cross_survey_command import cross_survey
from classifiers.quality.command import quality
from classifiers.training.command import calibrate, export, gains, train, train_config, tune

app = typer.Typer(
    no_args_is_help=True, help="Train, evaluate and describe the classifiers.", pretty_exceptions_enable=False
)

BundleOption = Annotated[str, typer.Option(help="Bundle folder, or 'default' for the shipped one.")]
DataOption = Annotated[Path, typer.Option(help="Folder of light_curves.parquet, spectra.parquet and ztf_alerts/.")]


for command in (train, export, calibrate, tune, gains, train_config, quality, evaluate, cross_survey, card):
    app.command()(command)


@app.command("refresh-card")
def refresh_card(
    data: DataOption,
    simulated: Annotated[Path, typer.Option(help="Folder of `streamer simulate --survey lsst`.")],
    made_by: Annotated[str, typer.Option(help="The command that made that folder, without its --to.")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    gains: Annotated[Path | None, typer.Option(help="modality_gains.json of `classifiers gains`.")] = None,
    other_surveys: Annotated[
        Path | None, typer.Option("--cross-survey", help="cross_survey.json of `classifiers cross-survey`.")
    ] = None,
) -> None:
    """Measure a bundle again and write its card anew; its weights stay as they are."""
    _check_data(data)
    if not (simulated / "truth.parquet").is_file():
        _stop(f"{simulated} holds no truth.parquet: make a night with `streamer simulate --survey lsst`")
    from classifiers.evaluation.card_text import card_text
    from classifiers.training.refresh import refresh_card as refreshed

    try:
        beside = {"modality_gains": gains, "cross_survey": other_surveys}
        given = {name: file for name, file in beside.items() if file is not None}
        typer.echo(card_text(refreshed(bundle, data, simulated, made_by, given)))
    except BundleError as error:
        _stop(str(error))


def _check_data(folder: Path) -> None:
    if not folder.is_dir():
        _stop(f"no folder {folder}")
    parts = ("light_curves.parquet", "spectra.parquet", "ztf_alerts")
    if not any((folder / part).exists() for part in parts):
        _stop(f"{folder} holds none of {', '.join(parts)}")


def _stop(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(2)


def main() -> None:
    """Entry point of the `classifiers` command."""
    app()


if __name__ == "__main__":
    main()
