"""Spectra to train on: each without its redshift, and again with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from classifiers.data.labelled import LabelledSpectra, read_spectra
from schemas.taxonomy import CLASS_INDEX


def read_spectra_both_ways(folder: Path) -> LabelledSpectra:
    """Each spectrum of `read_spectra` without its redshift, and again with it where it is known.

    What is missing must not tell the class: a cataclysmic variable is in the Galaxy, redshift 0, known or not.
    """
    read = read_spectra(folder)
    galactic = read.label == CLASS_INDEX["CV"]
    known = [
        replace(spectrum, redshift=0.0) if at_home and spectrum.redshift is None else spectrum
        for spectrum, at_home in zip(read.spectra, galactic.tolist(), strict=True)
    ]
    again = np.array([i for i, spectrum in enumerate(known) if spectrum.redshift is not None], np.int64)
    rows = np.concatenate([np.arange(len(known)), again]).astype(np.int64)
    both = read.take(rows)
    spectra = [replace(spectrum, redshift=None) for spectrum in known] + [known[i] for i in again.tolist()]
    return LabelledSpectra(both.object_id, both.label, both.fine, spectra)
