"""Rubin's records of an object (statistics over its sources so far) and of an asteroid (ephemeris, orbit)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.light_curve import BANDS, FloatArray
from streamer.simulate.scene import Field

Record = dict[str, Any]

_ECLIPTIC = np.array([[1.0, 0.0, 0.0], [0.0, 0.917482, 0.397777], [0.0, -0.397777, 0.917482]])
"""Equatorial to ecliptic directions (J2000, obliquity 23.4393 deg)."""

_GALACTIC = np.array(
    [
        [-0.0548755604, -0.8734370902, -0.4838350155],
        [0.4941094279, -0.4448296300, 0.7469822445],
        [-0.8676661490, -0.1980763734, 0.4559837762],
    ]
)
"""Equatorial to galactic directions (The Hipparcos Catalogue 1997, volume 1, equation 1.5.11)."""

_ORBITAL_SPEED_KM_S = 29.785
_KM_S_PER_ARCSEC_H_AU = 0.20147
"""Earth's speed; speed across the line of sight for one arcsec an hour at 1 au."""

_STATISTICS = (
    "psfFluxMean psfFluxMeanErr psfFluxSigma fpFluxMean fpFluxMeanErr scienceFluxMean scienceFluxMeanErr "
    "psfFluxMin psfFluxMax psfFluxMaxSlope psfFluxErrMean"
).split()
"""Statistics of a diaObject in each band, null where the band has no source."""

_EMPTY: Record = {f"{band}_{name}": None for band in BANDS for name in _STATISTICS} | {
    f"{band}_psfFluxNdata": 0 for band in BANDS
}


class Measurement(NamedTuple):
    """What an object's statistics need of one of its sources."""

    band: str
    mjd_tai: float
    flux_njy: float
    error_njy: float
    science_njy: float
    science_error_njy: float


def measurement(source: Record) -> Measurement:
    """The part of a diaSource that its object's statistics need."""
    flux, error = source["psfFlux"], source["psfFluxErr"]
    return Measurement(
        source["band"], source["midpointMjdTai"], flux, error, source["scienceFlux"], source["scienceFluxErr"]
    )


def object_record(field: Field, k: int, latest: Record, measured: list[Measurement]) -> Record:
    """The `diaObject` after its `latest` source; `measured` are all its sources so far, by time."""
    record = _EMPTY | {
        "diaObjectId": latest["diaObjectId"],
        "validityStartMjdTai": latest["timeProcessedMjdTai"] + 1e-4,
        "ra": float(field.objects.ra_deg[k]),
        "raErr": latest["raErr"],
        "dec": float(field.objects.dec_deg[k]),
        "decErr": latest["decErr"],
        "ra_dec_Cov": latest["ra_dec_Cov"],
        "firstDiaSourceMjdTai": measured[0].mjd_tai,
        "lastDiaSourceMjdTai": measured[-1].mjd_tai,
        "nDiaSources": len(measured),
    }
    for band in BANDS:
        rows = [row[1:] for row in measured if row.band == band]
        if rows:
            record |= _band_statistics(band, np.array(rows))
    return record


def _band_statistics(band: str, rows: FloatArray) -> Record:
    """Mean weighted by inverse variance, scatter, extremes and steepest change of one band's difference fluxes.

    `rows` is (n, 5): a `Measurement` without its band.
    """
    mjd, flux, error, science, science_error = rows.T
    weight, science_weight = error**-2.0, science_error**-2.0
    several = len(rows) > 1
    return {
        f"{band}_psfFluxMean": float((flux * weight).sum() / weight.sum()),
        f"{band}_psfFluxMeanErr": float(weight.sum() ** -0.5),
        f"{band}_psfFluxSigma": float(flux.std(ddof=1)) if several else None,
        f"{band}_psfFluxNdata": len(rows),
        f"{band}_psfFluxMin": float(flux.min()),
        f"{band}_psfFluxMax": float(flux.max()),
        f"{band}_psfFluxMaxSlope": float((np.abs(np.diff(flux)) / np.diff(mjd)).max()) if several else None,
        f"{band}_psfFluxErrMean": float(error.mean()),
        f"{band}_scienceFluxMean": float((science * science_weight).sum() / science_weight.sum()),
        f"{band}_scienceFluxMeanErr": float(science_weight.sum() ** -0.5),
    }


def designation(ss_object_id: int) -> tuple[str, str]:
    """(packed, readable) provisional designation of a made-up asteroid, `K17SA9A` and `2017 SA109` in form."""
    year = 2000 + ss_object_id % 25
    half_month = "ABCDEFGHJKLMNOPQRSTUVWXY"[ss_object_id // 25 % 24]
    letter = "ABCDEFGHJKLMNOPQRSTUVWXYZ"[ss_object_id // 600 % 25]
    cycle = ss_object_id // 15_000 % 100
    return f"K{year % 100:02d}{half_month}{cycle:02d}{letter}", f"{year} {half_month}{letter}{cycle or ''}"


def asteroid_records(field: Field, k: int, exposure: int, source: Record) -> tuple[Record, Record]:
    """`ssSource` and `mpc_orbits` of an asteroid's detection: circular orbit, distances as drawn for its field."""
    o = field.objects
    ra, dec = (float(column[0]) for column in field.position_deg(np.array([k]), np.array([exposure])))
    helio, topo = float(o.helio_au[k]), float(o.topo_au[k])
    east, north = (float(v) / 24.0 for v in o.motion_arcsec_per_day[k])
    offset_ra = (source["ra"] - ra) * 3600.0 * np.cos(np.radians(dec))
    offset_dec = (source["dec"] - dec) * 3600.0
    direction = _unit(ra, dec)
    longitude, latitude = _angles(_ECLIPTIC @ direction)
    galactic_longitude, galactic_latitude = _angles(_GALACTIC @ direction)
    packed, readable = designation(source["ssObjectId"])
    # Earth's place is not modelled: what depends on it beyond the distances stays null.
    vectors: Record = {f"topo_{axis}": topo * float(along) for axis, along in zip("xyz", direction, strict=True)}
    ephemeris: Record = {
        "diaSourceId": source["diaSourceId"],
        "ssObjectId": source["ssObjectId"],
        "designation": packed,
        "eclLambda": longitude,
        "eclBeta": latitude,
        "galLon": galactic_longitude,
        "galLat": galactic_latitude,
        "elongation": float(np.degrees(np.arccos((1.0 + topo**2 - helio**2) / (2.0 * topo)))),
        "phaseAngle": float(o.phase_deg[k]),
        "topoRange": topo,
        "topoRangeRate": 0.0,
        "helioRange": helio,
        "helioRangeRate": 0.0,
        "ephRa": ra,
        "ephDec": dec,
        "ephVmag": float(o.h_mag[k] + 5.0 * np.log10(helio * topo) + 0.035 * o.phase_deg[k]),
        "ephRate": float(np.hypot(east, north)),
        "ephRateRa": east,
        "ephRateDec": north,
        "ephOffset": float(np.hypot(offset_ra, offset_dec)),
        "ephOffsetRa": float(offset_ra),
        "ephOffsetDec": float(offset_dec),
        "ephOffsetAlongTrack": None,
        "ephOffsetCrossTrack": None,
        **vectors,
        "helio_vtot": _ORBITAL_SPEED_KM_S * helio**-0.5,
        "topo_vtot": float(np.hypot(east, north)) * topo * _KM_S_PER_ARCSEC_H_AU,
        "diaDistanceRank": 1,
    }
    orbit: Record = {
        "id": 0,
        "designation": readable,
        "packed_primary_provisional_designation": packed,
        "unpacked_primary_provisional_designation": readable,
        "a": helio,
        "q": helio,
        "e": 0.0,
        "i": abs(latitude),
        "node": (longitude - 90.0) % 360.0,
        "argperi": 0.0,
        "h": float(o.h_mag[k]),
        "g": 0.15,
        "epoch_mjd": float(np.floor(source["midpointMjdTai"])),
    }
    return ephemeris, orbit


def _unit(longitude_deg: float, latitude_deg: float) -> FloatArray:
    """(3,) direction of two angles."""
    longitude, latitude = np.radians([longitude_deg, latitude_deg])
    return np.array([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])


def _angles(direction: FloatArray) -> tuple[float, float]:
    """Longitude (0 to 360) and latitude of a direction [deg]."""
    longitude = float(np.degrees(np.arctan2(direction[1], direction[0]))) % 360.0
    return longitude, float(np.degrees(np.arcsin(np.clip(direction[2], -1.0, 1.0))))
