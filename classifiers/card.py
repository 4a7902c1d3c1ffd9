"""The limits that a bundle's card states, beside its figures."""

from __future__ import annotations

from typing import Any

ALWAYS: tuple[str, ...] = (
    "Novelty is a distance in the embedding; it was tested on classes that its fit left out, not the networks.",
    "A class of fewer than 10 objects held aside has no figure of its own: what is said of it rests on little.",
)
"""Limits of every bundle, by how it is made."""

SIMULATED_READER = "classifiers.data.simulated.read_simulated_light_curves"

_NAMES = {"light_curve": "Light curves", "metadata": "Metadata", "cutouts": "Cutouts", "spectrum": "Spectra"}


def limits_of(card: dict[str, Any]) -> list[str]:
    """Limits of a bundle, but for `simulated_limit`.

    First those that its configuration states of its data, then those that follow from which modalities are in for which
    surveys, from what is calibrated and from what trained.
    """
    config = card.get("training", {}).get("config", {})
    surveys = {name: told["surveys"] for name, told in card["modalities"].items()}
    told = list(config.get("bundle", {}).get("limits", ()))
    if surveys["light_curve"]:
        told.append("Detections only: forced photometry and upper limits are not looked at.")
    for name, said in _NAMES.items():
        if config.get("modalities", {}).get(name, {}).get("enabled") and not surveys[name]:
            told.append(f"{said} are off. Their encoder is in the bundle.")
    calibrated = config.get("calibration", card["calibration"])["surveys"]
    for survey in sorted({survey for each in surveys.values() for survey in each} - set(calibrated)):
        name, simulated = survey.upper(), ", only simulated ones" if _simulated(card, survey) else ""
        behind = f"No labelled {name} alert stands behind {name} scores{simulated}"
        told.append(f"{behind}: no calibration, prediction set or novelty.")
    return [*told, *ALWAYS]


def _simulated(card: dict[str, Any], survey: str) -> bool:
    """Whether simulated light curves of a survey trained: inputs that were there, named after it or in its folder."""
    training = card.get("training", {})
    config, counts = training.get("config", {}), training.get("counts", {})
    parts = config.get("modalities", {}).get("light_curve", {}), config.get("trees", {})
    used = {name for part in parts for name in part.get("data", ())}
    return any(
        each["reader"]["path"] == SIMULATED_READER and survey in f"{name} {each['folder']}".lower()
        for name, each in config.get("data", {}).items()
        if name in used and name in counts
    )


_HEADLINES = ("accuracy", "balanced_accuracy")


def simulated_limit(table: dict[str, Any]) -> str:
    """The limit that a cell of `classifiers.evaluation.for_card.simulated_figures` shows."""
    name, called, told = table["most_called"], table["most_called_n"], table["seven"]
    accuracy, balanced = ("unknown" if told[key] is None else f"{told[key][0]:.2f}" for key in _HEADLINES)
    return (
        f"LSST scores rest on simulation alone: on a simulated night of parametric curves (`{table['made_by']}`; "
        f"{told['n']} alerts of {told['n_objects']} objects that have a class, each with its packet's own history) "
        f"accuracy is {accuracy}, balanced {balanced}, and {called} are called {name} "
        f"(truly {told['classes'].get(name, {'n': 0})['n']})."
    )
