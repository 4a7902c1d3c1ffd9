"""A bundle's card for people: what it is, what its figures rest on, and where it must not be trusted."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from classifiers.evaluation.cross_survey import cross_survey_text
from classifiers.evaluation.figures import draw_card
from classifiers.evaluation.printing import WIDTH, print_cells, print_figures, print_gain_lines
from schemas.taxonomy import CLASSES, MODALITIES

BODY = 1_000_000
"""Bytes of the unit in which a bundle's size is told [byte]."""


def print_card(card: dict[str, Any], console: Console, folder: Path | None = None) -> None:
    """Prints a card; with the bundle's `folder` its size too."""
    console.print(f"[bold]{card['name']} {card['version']}[/bold]")
    console.print(card["training"]["data"])
    if folder is not None:
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        console.print(f"{len(card['files'])} files, {size / BODY:.1f} MB")
    console.print(_modalities(card))
    console.print(_counts(card))
    if metrics := card.get("metrics"):
        console.print("\nFigures on the objects held aside from training by the hash of their name")
        print_figures(metrics, console)
        _print_beside(metrics, console)
    console.print(f"\nClasses as common as the scores suppose: {_prior(card['prior'])}")
    _print_calibration(card, console)
    worst = card.get("worst_difference_torch_to_onnx", {})
    if worst:
        console.print("Worst difference from torch to ONNX: " + ", ".join(f"{k} {v:.2g}" for k, v in worst.items()))
    console.print("\nLimits:")
    for limit in card["limits"]:
        console.print(f"  - {limit}", highlight=False, markup=False)


def card_text(card: dict[str, Any], folder: Path | None = None) -> str:
    """What `print_card` prints, as plain text."""
    out = io.StringIO()
    print_card(card, Console(file=out, width=WIDTH, color_system=None), folder)
    return out.getvalue()


def draw(card: dict[str, Any], out: Path) -> list[Path]:
    """Writes the pictures of a card's figures into the folder `out`, which is made; returns what was written."""
    out.mkdir(parents=True, exist_ok=True)
    before = set(out.iterdir())
    if metrics := card.get("metrics"):
        draw_card(metrics, out)
    return sorted(set(out.iterdir()) - before)


def _modalities(card: dict[str, Any]) -> Table:
    table = Table(title="Modalities", title_justify="left")
    for head in ("modality", "surveys that it is used for", "strength"):
        table.add_column(head)
    for name in MODALITIES:
        told = card["modalities"][name]
        table.add_row(name, ", ".join(told["surveys"]) or "off", f"{told.get('strength', float('nan')):.2f}")
    return table


def _counts(card: dict[str, Any]) -> Table:
    table = Table(title="Rows by class: train / calibrate / test", title_justify="left")
    for head in ("", *CLASSES):
        table.add_column(head, justify="right" if head else "left")
    for kind, sides in card["training"]["counts"].items():
        table.add_row(kind.replace("_", " "), *(" / ".join(str(n[name]) for n in sides.values()) for name in CLASSES))
    return table


def _print_beside(metrics: dict[str, Any], console: Console) -> None:
    """What other commands measured: gains of the modalities by cross-validation, other surveys, a simulated night."""
    if told := metrics.get("modality_gains"):
        objects = ", ".join(f"{name} {n}" for name, n in told["objects"].items())
        title = (
            f"What each modality adds, by cross-validation over {told['n_alerts']} alerts of {told['n_objects']} "
            f"objects ({objects}); macro figures over {', '.join(told['judged_on'])}"
        )
        lines = [
            (name, f"over {less}", {"n_objects": told["n_objects"], **gain})
            for name, each in told["sets"].items()
            for less, gain in each["gains"].items()
            if less.count("+") == name.count("+") - 1
        ]
        print_gain_lines(console, title, lines)
    if told := metrics.get("cross_survey"):
        console.print("Light curves of other surveys; uncalibrated")
        console.print("\n".join(cross_survey_text(told)), highlight=False, markup=False)
    if told := metrics.get("simulated_lsst"):
        print_cells(console, f"Simulated LSST alerts ({told['made_by']}), uncalibrated", (), [((), told)])


def _prior(prior: Any) -> str:
    if not isinstance(prior, dict):
        return str(prior)
    if max(prior.values()) - min(prior.values()) < 1e-3:
        return "all alike"
    return ", ".join(f"{name} {share:.3f}" for name, share in prior.items())


def _print_calibration(card: dict[str, Any], console: Console) -> None:
    calibration = card["calibration"]
    console.print(f"Calibrated for: {', '.join(calibration['surveys']) or 'no survey'}")
    if terms := calibration.get("temperature"):
        told = ", ".join(f"{name} {value:+.3f}" for name, value in terms.items())
        console.print(f"  ln(temperature) = {told}", highlight=False)
    left_out = calibration.get("novelty_auc_of_a_class_left_out", {})
    for name, told in calibration.items():
        if isinstance(told, dict) and "objects" in told:
            console.print(
                f"  {name.replace('_', ' ')}: {told['objects']} objects of {told['domain']}; sets hold every class of "
                f"{told['threshold']:.3f} or more",
                highlight=False,
            )
        if known := left_out.get(name):
            told = ", ".join(f"{each} {value:.2f}" for each, value in known.items())
            console.print(f"    AUC of novelty for a class that it was fitted without: {told}", highlight=False)
