"""Spectra to train on: each without its redshift, again with it, and as if it had another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from classifiers.data.labelled import LabelledSpectra, read_spectra
from schemas.taxonomy import CLASS_INDEX

MOVED = 0.015
"""Scatter of the moves of `read_moved_spectra` in ln(wavelength): redshifts that differ by as much."""


def read_spectra_both_ways(folder: Path) -> LabelledSpectra:
    """Each spectrum of `read_spectra` without its redshift, and again with it where it is known.

    What is missing must not tell the class: a cataclysmic variable is in the Galaxy, redshift 0, known or not.
    """
    read = read_spectra(folder)
    galactic = _in_the_galaxy(read)
    known = [
        replace(spectrum, redshift=0.0) if at_home and spectrum.redshift is None else spectrum
        for spectrum, at_home in zip(read.spectra, galactic, strict=True)
    ]
    again = [i for i, spectrum in enumerate(known) if spectrum.redshift is not None]
    both = read.take(np.array([*range(len(known)), *again], np.int64))
    spectra = [replace(spectrum, redshift=None) for spectrum in known] + [known[i] for i in again]
    return LabelledSpectra(both.object_id, both.label, both.fine, spectra)


def read_moved_spectra(folder: Path, seed: int = 7) -> LabelledSpectra:
    """Each spectrum of `read_spectra` without its redshift, moved along the wavelengths; to train on and no more.

    Those of cataclysmic variables stay where they are: no redshift moves their lines.
    """
    read = read_spectra(folder)
    moves = np.exp(MOVED * np.random.default_rng(seed).normal(size=len(read.spectra)))
    moves[_in_the_galaxy(read)] = 1.0
    spectra = [
        replace(spectrum, redshift=None, wavelength_aa=spectrum.wavelength_aa * move)
        for spectrum, move in zip(read.spectra, moves.tolist(), strict=True)
    ]
    return LabelledSpectra(read.object_id, read.label, read.fine, spectra)


def _in_the_galaxy(read: LabelledSpectra) -> list[bool]:
    galactic: list[bool] = (read.label == CLASS_INDEX["CV"]).tolist()
    return galactic
