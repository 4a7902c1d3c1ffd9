"""The commands that make bundles: train, export, calibrate, tune. torch is imported where it is needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from classifiers.bundle import CARD, DEFAULT_BUNDLE, BundleError
from classifiers.training.config import ConfigError, default_text, read_config

STOPPED = 130
"""Exit code of a run that was interrupted, as of any program that Ctrl-C ends."""

DataOption = Annotated[Path, typer.Option(help="Folder of the inputs, such as light_curves.parquet.")]
ConfigOption = Annotated[Path | None, typer.Option(help="YAML file, laid over the shipped configuration.")]
OutOption = Annotated[Path, typer.Option(help="Bundle folder to write; replaced if it holds a bundle.")]


def train(
    data: DataOption,
    out: OutOption,
    config: ConfigOption = None,
    run: Annotated[Path | None, typer.Option(help="Folder of checkpoints and logs.  [default: OUT with .run]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in that folder.")] = False,
) -> None:
    """Train a bundle: read, pretrain, encoders, trees, fusion, export, calibrate, evaluate, card (needs torch).

    Every fit is checkpointed; a run that was stopped goes on with --resume to the same result.
    """
    _need_torch("training")
    with _user_errors():
        told = read_config(config)
        _check_folders(data, out)
        from classifiers.evaluation.card_text import card_text
        from classifiers.training.train import train as train_bundle

        folder = run or out.with_name(out.name + ".run")
        try:
            card = train_bundle(told, data, out, folder, resume, Console())
        except KeyboardInterrupt:
            typer.echo(f"stopped; the run is kept in {folder}: go on with --resume", err=True)
            raise typer.Exit(STOPPED) from None
        typer.echo(card_text(card))


def export(run: Annotated[Path, typer.Option(help="Folder of a run of `classifiers train`.")], out: OutOption) -> None:
    """Write the bundle of a run's checkpoints, verified against torch, not calibrated (needs torch)."""
    _need_torch("exporting")
    with _user_errors():
        _check_out(out)
        from classifiers.training.train import export_run

        card = export_run(run, out, Console())
        worst = max(card["worst_difference_torch_to_onnx"].values())
        typer.echo(f"{out}: {card['name']} {card['version']}, worst difference torch to ONNX {worst:.2g}")
        typer.echo(f"not calibrated: run `classifiers calibrate --bundle {out} --data DIR --out DIR`")


def calibrate(
    data: DataOption,
    out: OutOption,
    bundle: Annotated[str, typer.Option(help="Bundle folder, or 'default' for the shipped one.")] = DEFAULT_BUNDLE,
    config: ConfigOption = None,
) -> None:
    """Fit temperature, prediction sets and novelty of a bundle anew; its networks stay as they are."""
    with _user_errors():
        told = read_config(config)
        _check_folders(data, out)
        from classifiers.training.calibrate import calibrate_bundle

        calibration = calibrate_bundle(bundle, data, out, told)["calibration"]
        terms = ", ".join(f"{name} {value:+.3f}" for name, value in calibration["temperature"].items())
        typer.echo(f"{out}: ln(temperature) = {terms or '0'}")
        for name, part in calibration.items():
            if isinstance(part, dict) and "objects" in part:
                typer.echo(f"  {name}: {part['objects']} objects, sets of classes from {part['threshold']:.3f} up")


def tune(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the study; continued if it holds one.")],
    config: ConfigOption = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of earlier starts counted.")] = 20,
) -> None:
    """Try configurations of one modality with Optuna, and write the best one (needs torch)."""
    _need_torch("tuning")
    with _user_errors():
        told = read_config(config)
        _check_data(data)
        from classifiers.training.tune import table
        from classifiers.training.tune import tune as tuned

        found = tuned(told, data, out, trials, Console())
        Console().print(table(found.study))
        typer.echo(f"best configuration: {found.best}")


def gains(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the scores, the tables and the folds' checkpoints.")],
    config: ConfigOption = None,
) -> None:
    """Cross-validate, by object, what metadata and cutouts add to a light curve (needs torch).

    Every stage of training is refitted in five folds; one that was stopped goes on from its checkpoints.
    """
    _need_torch("cross-validation")
    with _user_errors():
        told = read_config(config)
        _check_data(data)
        from classifiers.training.cross_validation import cross_validate
        from classifiers.training.gains import gain_lines

        typer.echo("\n".join(gain_lines(cross_validate(told, data, out, Console()))))


def train_config(config: ConfigOption = None) -> None:
    """Print the shipped training configuration, or check one of your own."""
    if config is None:
        typer.echo(default_text(), nl=False)
        return
    with _user_errors():
        told = read_config(config)
        typer.echo(f"{config}: {told.bundle.name} {told.bundle.version}, {', '.join(told.names_on())}")


def _need_torch(what: str) -> None:
    if importlib.util.find_spec("torch") is None:
        _stop(f"{what} needs torch: install the `train` extra (pip install '.[train]'), or use .venv-train")


def _check_folders(data: Path, out: Path) -> None:
    _check_data(data)
    _check_out(out)


def _check_data(data: Path) -> None:
    if not data.is_dir():
        _stop(f"no folder {data}")


def _check_out(out: Path) -> None:
    """A folder that holds something else than a bundle is never replaced."""
    if out.exists() and not (out / CARD).is_file() and (not out.is_dir() or any(out.iterdir())):
        _stop(f"{out} is there and holds no bundle: name another --out")


@contextmanager
def _user_errors() -> Iterator[None]:
    """What the user can mend, as one clear message and exit code 2."""
    try:
        yield
    except (BundleError, ConfigError) as error:
        _stop(str(error))


def _stop(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(2)
