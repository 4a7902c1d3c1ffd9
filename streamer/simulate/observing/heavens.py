"""Where Sun, Moon and stars are, to a degree: enough to say which field is up, and how bright the sky is."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray

OBLIQUITY_RAD = np.radians(23.4393)
"""Of the ecliptic to the equator, J2000."""

_J2000_MJD = 51_544.5


def equatorial(longitude_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Right ascension and declination of points on the ecliptic [deg], same shape."""
    longitude = np.radians(longitude_deg)
    ra = np.degrees(np.arctan2(np.cos(OBLIQUITY_RAD) * np.sin(longitude), np.cos(longitude))) % 360.0
    dec = np.degrees(np.arcsin(np.sin(OBLIQUITY_RAD) * np.sin(longitude)))
    return ra, dec


def sun_longitude_deg(mjd: FloatArray) -> FloatArray:
    """The Sun's mean ecliptic longitude (Meeus 1998, Astronomical Algorithms, chapter 25), same shape."""
    longitude: FloatArray = (280.466 + 0.98564736 * (mjd - _J2000_MJD)) % 360.0
    return longitude


def moon_longitude_deg(mjd: FloatArray) -> FloatArray:
    """The Moon's mean ecliptic longitude (Meeus 1998, chapter 47), same shape; true to 8 deg."""
    longitude: FloatArray = (218.316 + 13.17639648 * (mjd - _J2000_MJD)) % 360.0
    return longitude


def moon_illumination(mjd: FloatArray) -> FloatArray:
    """Lit fraction of the Moon's disc, 0 to 1, same shape."""
    elongation = np.radians(moon_longitude_deg(mjd) - sun_longitude_deg(mjd))
    lit: FloatArray = 0.5 * (1.0 - np.cos(elongation))
    return lit


def separation_deg(ra1: FloatArray, dec1: FloatArray, ra2: FloatArray, dec2: FloatArray) -> FloatArray:
    """Great-circle separation [deg], broadcast."""
    a1, d1, a2, d2 = (np.radians(np.asarray(angle, dtype=np.float64)) for angle in (ra1, dec1, ra2, dec2))
    cosine = np.sin(d1) * np.sin(d2) + np.cos(d1) * np.cos(d2) * np.cos(a1 - a2)
    separation: FloatArray = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return separation


def airmass(hour_angle_deg: FloatArray, dec_deg: float, latitude_deg: float) -> FloatArray:
    """Secant of the zenith distance, 3 at most, same shape as the hour angle."""
    hour, dec, latitude = np.radians(hour_angle_deg), np.radians(dec_deg), np.radians(latitude_deg)
    cosine = np.sin(latitude) * np.sin(dec) + np.cos(latitude) * np.cos(dec) * np.cos(hour)
    secant: FloatArray = 1.0 / np.maximum(cosine, 1.0 / 3.0)
    return secant
