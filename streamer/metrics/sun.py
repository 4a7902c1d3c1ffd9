"""How high the Sun stands over the surveys' telescopes: what alert rules call a night rests on it."""

from __future__ import annotations

from typing import NamedTuple

import erfa
import numpy as np


class Site(NamedTuple):
    """Where a telescope stands."""

    latitude_deg: float
    longitude_deg: float
    """East of Greenwich."""


SITES = {"ztf": Site(33.3563, -116.8648), "lsst": Site(-30.2446, -70.7494)}
"""Palomar and Cerro Pachon (Minor Planet Center's list of observatory codes, I41 and X05), by survey."""

UNIX_EPOCH_JD = 2_440_587.5
"""Julian date of 1970-01-01 UTC [d]."""

SECONDS_PER_DAY = 86_400.0


def altitude_deg(unix_s: float, site: Site) -> float:
    """The Sun's geocentric altitude at a time (UTC seconds since 1970) [deg], without refraction.

    To some 0.01 deg: UTC stands for UT1 and TT, and light takes 8 min. By the IAU 2006 equator (ERFA).
    """
    day = unix_s / SECONDS_PER_DAY
    heliocentric, _ = erfa.epv00(UNIX_EPOCH_JD, day)
    of_date = erfa.pnm06a(UNIX_EPOCH_JD, day) @ -heliocentric["p"]
    right_ascension, declination = erfa.c2s(of_date)
    hour_angle = erfa.gst06a(UNIX_EPOCH_JD, day, UNIX_EPOCH_JD, day) + np.radians(site.longitude_deg) - right_ascension
    _, altitude = erfa.hd2ae(hour_angle, declination, np.radians(site.latitude_deg))
    return float(np.degrees(altitude))
