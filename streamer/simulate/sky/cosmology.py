"""Distances in a flat universe with H0 = 70 km/s/Mpc and matter 0.3."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray

_C_KM_S = 299_792.458
_H0 = 70.0
_MATTER = 0.3

_REDSHIFT: FloatArray = np.concatenate([np.linspace(0.0, 0.2, 801), np.linspace(0.2, 5.0, 1201)[1:]])


def _comoving() -> FloatArray:
    rate = 1.0 / np.sqrt(_MATTER * (1.0 + _REDSHIFT) ** 3 + 1.0 - _MATTER)
    steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(_REDSHIFT)
    return np.concatenate([[0.0], np.cumsum(steps)]) * _C_KM_S / _H0


_COMOVING_MPC = _comoving()


def comoving_mpc(redshift: FloatArray) -> FloatArray:
    """Comoving distance [Mpc], same shape; redshifts 0 to 5."""
    return np.asarray(np.interp(redshift, _REDSHIFT, _COMOVING_MPC))


def distance_modulus(redshift: FloatArray) -> FloatArray:
    """m - M [mag] without the K-correction, same shape; redshifts 0 to 5."""
    return np.asarray(5.0 * np.log10(np.maximum(comoving_mpc(redshift), 1e-6) * (1.0 + redshift)) + 25.0)


def kpc_per_arcsec(redshift: FloatArray) -> FloatArray:
    """Proper size of an arcsecond [kpc], same shape."""
    return np.asarray(comoving_mpc(redshift) / (1.0 + redshift) * 1e3 * np.pi / 648_000.0)


def volume_mpc3_per_deg2(redshift: FloatArray) -> FloatArray:
    """Comoving volume of a square degree out to a redshift [Mpc^3], same shape."""
    return np.asarray(comoving_mpc(redshift) ** 3 / 3.0 * (np.pi / 180.0) ** 2)
