"""Extinction by dust, wavelength by wavelength."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray

R_V = 3.1
"""A_V / E(B-V) of the Galaxy's diffuse dust."""

_A = (1.0, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999)
_B = (0.0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002)


def transmission(wavelength_aa: FloatArray, ebv_mag: float) -> FloatArray:
    """Share of light that passes dust of this reddening, same shape.

    Cardelli, Clayton & Mathis 1989 (ApJ 345, 245), equations 1 to 3; blueward of 3,030 angstrom the optical polynomial
    is kept at its end.
    """
    x = np.minimum(1e4 / wavelength_aa, 3.3)
    y = x - 1.82
    optical = np.polynomial.polynomial.polyval(y, _A) + np.polynomial.polynomial.polyval(y, _B) / R_V
    infrared = (0.574 - 0.527 / R_V) * x**1.61
    law = R_V * np.where(x < 1.1, infrared, optical)
    passed: FloatArray = 10.0 ** (-0.4 * ebv_mag * law)
    return passed
