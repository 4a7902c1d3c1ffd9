"""A spectrum of an object, as observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One spectrum; it may be used for alerts at or after `mjd_tai` only."""

    object_id: str
    mjd_tai: float
    """Time of the observation [d]."""
    wavelength_aa: npt.NDArray[np.float64]
    """(bins,) observed wavelength [angstrom], ascending."""
    flux: npt.NDArray[np.float32]
    """(bins,) flux density, any scale."""
    flux_var: npt.NDArray[np.float32] | None = None
    """(bins,) variance of `flux`, if known."""
    redshift: float | None = None
