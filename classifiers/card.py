"""The card for people: what a bundle is, what its figures rest on, and where it must not be trusted."""

from __future__ import annotations

from typing import Any

from schemas.taxonomy import CLASSES, MODALITIES

VERSION = "1.1.1"
"""Version of the shipped bundle: to be raised with every one that answers otherwise."""

LIMITS: tuple[str, ...] = (
    "A first bundle: small networks, no pretraining, no simulated objects.",
    "CV, AGN and TDE curves come from other sources than the supernovae: how they were sampled betrays them in part.",
    "Detections only: forced photometry and upper limits are not looked at.",
    "Metadata and cutouts were fitted on few objects, some labelled by a catalogue position only; used for ZTF alone.",
    "No labelled LSST alert stands behind LSST scores: they have no calibration, prediction set or novelty.",
    "Scores suppose all classes equally common. On a real stream most transients are SN I: weigh by your own prior.",
    "Most spectra's labels were assigned from these very spectra.",
    "Novelty is a distance in the embedding; it was not tested on objects of unknown classes.",
)
"""Limits of the shipped bundle, as printed in its card, before `simulated_limit`."""

PRIOR = "all classes alike"
"""The class prior that the scores suppose; training weighs classes so."""


def simulated_limit(table: dict[str, Any]) -> str:
    """The limit that the figures of `evaluate.simulated_figures` show."""
    name, called = table["most_called"], table["most_called_n"]
    return (
        f"LSST scores are not to be trusted: on a simulated night of parametric curves (`{table['made_by']}`; "
        f"{table['n']} alerts of {table['n_objects']} objects that have a class, each with its packet's own history) "
        f"accuracy is {table['accuracy']:.2f}, balanced {table['balanced_accuracy']:.2f}, and {called} are called "
        f"{name} (truly {table['classes'].get(name, {'n': 0})['n']})."
    )


def counts(label: Any, split: Any) -> dict[str, dict[str, int]]:
    """Rows of each class on each side of the split."""
    sides = ("train", "calibrate", "test")
    return {
        side: {name: int(((label == c) & (split == k)).sum()) for c, name in enumerate(CLASSES)}
        for k, side in enumerate(sides)
    }


def card_text(card: dict[str, Any]) -> str:
    """A card as text of some forty lines."""
    lines = [f"{card['name']} {card['version']}", "", card["training"]["data"], ""]
    lines += ["Modalities: " + "; ".join(_modality(card, name) for name in MODALITIES), ""]
    lines += ["Training rows by class (train / calibrate / test):"]
    for kind, sides in card["training"]["counts"].items():
        parts = (f"{name} {' / '.join(str(sides[side][name]) for side in sides)}" for name in CLASSES)
        lines.append(f"  {kind}: " + ", ".join(parts))
    metrics = card.get("metrics")
    if metrics:
        lines += ["", *metrics_text(metrics)]
    lines += [
        "",
        f"Class prior of the scores: {card['prior']}",
        "Limits:",
        *(f"  - {limit}" for limit in card["limits"]),
    ]
    return "\n".join(lines)


def metrics_text(metrics: dict[str, Any]) -> list[str]:
    """The tables of `evaluate` as lines."""
    lines = [
        f"Objects of the sides {', '.join(metrics['sides'])}: n, accuracy, balanced [90 %], macro-AUPRC, ECE;",
        "then the paired gain in balanced accuracy: ours over a baseline, or a subset over the light curve alone",
    ]
    for count, table in metrics["light_curves"].items():
        lines.append(_line(f"light curve, {count} detections", table))
    for group in ("baselines", "spectra", "alerts"):
        lines += [_line(f"{group}: {name.replace('_', ' ')}", table) for name, table in metrics[group].items()]
    if simulated := metrics.get("simulated_lsst"):
        lines.append(_line("simulated LSST alerts (uncalibrated)", simulated))
    every = metrics["light_curves"].get("all")
    if every:
        recalls = (f"{name} {_recall(each)}" for name, each in every["classes"].items())
        lines.append("  recall, all detections: " + ", ".join(recalls))
    return lines


def _modality(card: dict[str, Any], name: str) -> str:
    surveys = card["modalities"][name]["surveys"]
    return f"{name.replace('_', ' ')} ({', '.join(surveys) if surveys else 'off'})"


def _line(name: str, table: dict[str, Any]) -> str:
    low, high = table["balanced_accuracy_interval"]
    line = (
        f"  {name:<52} n={table['n']:<4} {table['accuracy']:.3f}  {table['balanced_accuracy']:.3f} "
        f"[{low:.3f}, {high:.3f}]  {table['macro_auprc']:.3f}  {table['ece']:.3f}"
    )
    if "gain" in table:
        gained, (low, high) = table["gain"]["balanced_accuracy"], table["gain"]["interval"]
        line += f"  {gained:+.3f} [{low:+.3f}, {high:+.3f}]{_verdict(low, high)}"
    return line


def _verdict(low: float, high: float) -> str:
    """What the interval of a gain shows: nothing to add to a gain, a loss, or neither."""
    return "" if low > 0 else " worse" if high < 0 else " not shown"


def _recall(each: dict[str, Any]) -> str:
    return f"n={each['n']}" if each["recall"] is None else f"{each['recall']:.2f} (n={each['n']})"
