"""The command line: make a bundle, evaluate it, print its card or write it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classifiers.bundle import DEFAULT_BUNDLE, BundleError, open_bundle
from classifiers.card import card_text, metrics_text
from classifiers.training.command import calibrate, export, train, train_config, tune

app = typer.Typer(
    no_args_is_help=True, help="Train, evaluate and describe the classifiers.", pretty_exceptions_enable=False
)

BundleOption = Annotated[str, typer.Option(help="Bundle folder, or 'default' for the shipped one.")]
DataOption = Annotated[Path, typer.Option(help="Folder of light_curves.parquet, spectra.parquet and ztf_alerts/.")]


for command in (train, export, calibrate, tune, train_config):
    app.command()(command)


@app.command()
def evaluate(
    data: DataOption,
    bundle: BundleOption = DEFAULT_BUNDLE,
    out: Annotated[Path | None, typer.Option(help="Folder for metrics.json.")] = None,
    objects: Annotated[str, typer.Option(help="'held-aside' or 'all'.")] = "held-aside",
) -> None:
    """Print the figures of a bundle on a data folder, through the code that serves."""
    _check_data(data)
    if objects not in ("held-aside", "all"):
        _stop(f"--objects is 'held-aside' or 'all', not {objects!r}")
    from classifiers import load_bundle
    from classifiers.data import SPLITS
    from classifiers.evaluate import evaluate as figures_of

    try:
        metrics = figures_of(load_bundle(bundle), data, SPLITS if objects == "all" else ("test",))
    except BundleError as error:
        _stop(str(error))
    typer.echo("\n".join(metrics_text(metrics)))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")


@app.command("refresh-card")
def refresh_card(
    data: DataOption,
    simulated: Annotated[Path, typer.Option(help="Folder of `streamer simulate --survey lsst`.")],
    made_by: Annotated[str, typer.Option(help="The command that made that folder, without its --to.")],
    bundle: BundleOption = DEFAULT_BUNDLE,
) -> None:
    """Measure a bundle again and write its card anew; its weights stay as they are."""
    _check_data(data)
    if not (simulated / "truth.parquet").is_file():
        _stop(f"{simulated} holds no truth.parquet: make a night with `streamer simulate --survey lsst`")
    from classifiers.training.refresh import refresh_card as refreshed

    try:
        typer.echo(card_text(refreshed(bundle, data, simulated, made_by)))
    except BundleError as error:
        _stop(str(error))


@app.command()
def card(bundle: BundleOption = DEFAULT_BUNDLE) -> None:
    """Print the card of a bundle."""
    try:
        typer.echo(card_text(open_bundle(bundle).card))
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
