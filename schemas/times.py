"""Time scales: everything inside is MJD TAI; this is where UTC becomes TAI."""

from __future__ import annotations

from functools import cache

import erfa
import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray

SECONDS_PER_DAY = 86_400.0
"""[s]"""

MJD_UNIX_EPOCH = 40_587.0
"""MJD of 1970-01-01T00:00 UTC [d]."""


@cache
def _leap_seconds() -> tuple[FloatArray, FloatArray]:
    """(MJD UTC from which it holds, TAI - UTC in seconds); the table that astropy itself uses (erfa's, no download)."""
    table = erfa.leap_seconds.get()
    jd1, jd2 = erfa.cal2jd(table["year"], table["month"], np.ones(len(table), dtype=int))
    return np.asarray(jd1 + jd2 - 2_400_000.5, dtype=np.float64), np.asarray(table["tai_utc"], dtype=np.float64)


def mjd_tai_from_utc(mjd_utc: npt.ArrayLike) -> FloatArray:
    """MJD UTC [d] to MJD TAI [d], any shape; NaN stays NaN."""
    since, tai_minus_utc_s = _leap_seconds()
    mjd_utc = np.asarray(mjd_utc, dtype=np.float64)
    place = np.searchsorted(since, mjd_utc, side="right") - 1
    offset = tai_minus_utc_s[np.clip(place, 0, len(since) - 1)]
    return np.asarray(mjd_utc + offset / SECONDS_PER_DAY, dtype=np.float64)


def mjd_utc_from_tai(mjd_tai: npt.ArrayLike) -> FloatArray:
    """MJD TAI [d] to MJD UTC [d], any shape (good to a second beside a leap second)."""
    mjd_tai = np.asarray(mjd_tai, dtype=np.float64)
    return np.asarray(mjd_tai - _tai_minus_utc_s(mjd_tai) / SECONDS_PER_DAY, dtype=np.float64)


def unix_from_mjd_tai(mjd_tai: FloatArray) -> FloatArray:
    """MJD TAI [d] to UTC seconds since 1970, any shape (good to a second beside a leap second)."""
    return np.asarray((mjd_tai - MJD_UNIX_EPOCH) * SECONDS_PER_DAY - _tai_minus_utc_s(mjd_tai), dtype=np.float64)


def _tai_minus_utc_s(mjd_tai: FloatArray) -> FloatArray:
    """TAI - UTC [s] at times in TAI, same shape."""
    since, tai_minus_utc_s = _leap_seconds()
    place = np.searchsorted(since + tai_minus_utc_s / SECONDS_PER_DAY, mjd_tai, side="right") - 1
    return np.asarray(tai_minus_utc_s[np.clip(place, 0, len(since) - 1)], dtype=np.float64)
