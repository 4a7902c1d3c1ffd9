"""The limits that a bundle's card states, beside its figures."""

from __future__ import annotations

from typing import Any

LIMITS: tuple[str, ...] = (
    "CV, AGN and TDE curves come from other sources than the supernovae: how they were sampled betrays them in part.",
    "Detections only: forced photometry and upper limits are not looked at.",
    "Metadata and cutouts were fitted on few objects, some labelled by a catalogue position only; for ZTF alone.",
    "Cutouts are off: beside metadata they showed no gain. Their encoder is in the bundle.",
    "No labelled LSST alert stands behind LSST scores, only simulated ones: no calibration, prediction set or novelty.",
    "Scores suppose classes as common as among the labelled curves, a bright spectroscopic sample: give yours.",
    "Most spectra's labels were assigned from these very spectra.",
    "The side held aside was looked at twice: after the first look more training curves were cut alike.",
    "Novelty is a distance in the embedding; it was tested on classes that its fit left out, not the networks.",
    "A class of fewer than 10 objects held aside has no figure of its own: what is said of it rests on little.",
)
"""Limits of the shipped bundle, as printed in its card, before `simulated_limit`."""

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
