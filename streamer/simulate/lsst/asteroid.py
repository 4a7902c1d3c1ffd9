"""Rubin's records of an asteroid: where its orbit says it is, and the orbit, as the Minor Planet Center lists it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from streamer.simulate.lsst.identity import designation
from streamer.simulate.lsst.rows import Columns
from streamer.simulate.lsst.source import Detections
from streamer.simulate.scene import Field
from streamer.simulate.sky import dust, orbits
from streamer.simulate.sky.light_curves import asteroid_magnitude

_AU_D_KM_S = 149_597_870.7 / 86_400.0
_EPHEMERIS_ERROR_ARCSEC = 0.05
"""Scatter of the orbit's prediction, along its track; half of it across (offsets of 16 real packets)."""
_SLOPE_G = 0.15
"""Slope parameter of the phase function where none was measured (Bowell et al. 1989)."""
_EPOCH_STEP_DAYS = 200.0
"""Orbits are given for the round days that the Minor Planet Center uses."""


@dataclass(frozen=True, slots=True)
class Asteroids:
    """The orbits of a field's M moving objects."""

    k: IntArray
    """(M,) which objects they are."""
    motion: orbits.Motion
    """In space, when the objects are at their drawn places."""
    h_mag: FloatArray
    designations: list[tuple[str, str]]
    """(packed, readable) of each."""


def asteroids_of(field: Field) -> Asteroids:
    """The orbits of a field's moving objects."""
    k = np.flatnonzero(field.objects.moving)
    names = [designation(field.index, number) for number in range(len(k))]
    return Asteroids(k, field.drawn_motion(k), field.objects.h_mag[k], names)


def ephemeris_columns(field: Field, asteroids: Asteroids, detections: Detections, rows: IntArray) -> Columns:
    """`ssSource` of the detections in `rows`, all of moving objects; distances in au, velocities in km/s."""
    k, exposure = detections.k[rows], detections.exposure[rows]
    which = np.searchsorted(asteroids.k, k)
    motion = field.moved(k, exposure)
    helio, topo, phase, elongation = orbits.geometry(motion)
    source = {name: detections.columns[name][rows] for name in ("diaSourceId", "ssObjectId", "ra", "dec")}
    seen_deg = field.position_deg(k, exposure)
    rate, _ = orbits.rates(motion, seen_deg)
    speed = np.hypot(rate[:, 0], rate[:, 1])
    track = rate / speed[:, None]
    # The orbit is wrong by the same bit on every visit.
    wrong = field.generator(6).normal(0.0, _EPHEMERIS_ERROR_ARCSEC, (len(asteroids.k), 2))[which] * (1.0, 0.5)
    east = wrong[:, 0] * track[:, 0] - wrong[:, 1] * track[:, 1]
    north = wrong[:, 0] * track[:, 1] + wrong[:, 1] * track[:, 0]
    ra, dec = seen_deg
    cos_dec = np.cos(np.radians(dec))
    predicted_ra, predicted_dec = (ra + east / 3600.0 / cos_dec) % 360.0, dec + north / 3600.0
    off_ra = ((source["ra"] - predicted_ra + 180.0) % 360.0 - 180.0) * cos_dec * 3600.0
    off_dec = (source["dec"] - predicted_dec) * 3600.0
    longitude, latitude = orbits.ecliptic_deg(orbits.directions(source["ra"], source["dec"])[0])
    galactic_longitude, galactic_latitude = dust.galactic_deg(source["ra"], source["dec"])
    columns = {
        "diaSourceId": source["diaSourceId"],
        "ssObjectId": source["ssObjectId"],
        "designation": np.array([readable for _, readable in asteroids.designations])[which],
        "eclLambda": longitude,
        "eclBeta": latitude,
        "galLon": galactic_longitude,
        "galLat": galactic_latitude,
        "elongation": elongation,
        "phaseAngle": phase,
        "topoRange": topo,
        "topoRangeRate": (motion.topo_au * motion.topo_au_d).sum(axis=1) / topo * _AU_D_KM_S,
        "helioRange": helio,
        "helioRangeRate": (motion.helio_au * motion.helio_au_d).sum(axis=1) / helio * _AU_D_KM_S,
        "ephRa": predicted_ra,
        "ephDec": predicted_dec,
        "ephVmag": asteroid_magnitude(asteroids.h_mag[which], helio, topo, phase),
        "ephRate": speed,
        "ephRateRa": rate[:, 0],
        "ephRateDec": rate[:, 1],
        "ephOffset": np.hypot(off_ra, off_dec),
        "ephOffsetRa": off_ra,
        "ephOffsetDec": off_dec,
        "ephOffsetAlongTrack": off_ra * track[:, 0] + off_dec * track[:, 1],
        "ephOffsetCrossTrack": off_dec * track[:, 0] - off_ra * track[:, 1],
        "diaDistanceRank": np.ones(len(rows), dtype=np.int64),
    }
    for origin, place, velocity in (
        ("helio", motion.helio_au, motion.helio_au_d),
        ("topo", motion.topo_au, motion.topo_au_d),
    ):
        for axis, name in enumerate("xyz"):
            columns[f"{origin}_{name}"] = place[:, axis]
            columns[f"{origin}_v{name}"] = velocity[:, axis] * _AU_D_KM_S
        columns[f"{origin}_vtot"] = np.linalg.norm(velocity, axis=1) * _AU_D_KM_S
    return columns


_UNCERTAINTY = {
    "a_unc": 1e-8,
    "q_unc": 6e-8,
    "e_unc": 2e-8,
    "i_unc": 4e-6,
    "node_unc": 2e-5,
    "argperi_unc": 3e-5,
    "peri_time_unc": 4e-5,
    "mean_anomaly_unc": 8e-6,
    "period_unc": 6e-6,
    "mean_motion_unc": 1e-9,
}
"""Medians of ten real orbits, in the elements' units."""


def orbit_columns(field: Field, asteroids: Asteroids) -> Columns:
    """`mpc_orbits` of all moving objects of a field, (M,) each."""
    rng = field.generator(7)
    n = len(asteroids.k)
    found = orbits.elements(asteroids.motion.helio_au, asteroids.motion.helio_au_d)
    at_mjd = field.objects.epoch_mjd[asteroids.k]
    mean_motion = np.degrees(np.sqrt(orbits.SUN_AU3_D2 / found.a_au**3))
    epoch = np.floor(at_mjd / _EPOCH_STEP_DAYS) * _EPOCH_STEP_DAYS
    anomaly = (found.mean_anomaly_deg + mean_motion * (epoch - at_mjd)) % 360.0
    from_perihelion = (anomaly + 180.0) % 360.0 - 180.0
    oppositions = 1 + rng.poisson(8.0, n)
    observations = oppositions * (8 + rng.poisson(12.0, n))
    arc = (oppositions * 470.0 + rng.uniform(-60.0, 60.0, n)).round(6)
    quality = rng.lognormal(0.0, 0.7, n) * 8.0 / oppositions
    packed, readable = (np.array([names[part] for names in asteroids.designations]) for part in (0, 1))
    zero = np.zeros(n, dtype=np.int64)
    return {
        "id": zero,
        "designation": readable,
        "packed_primary_provisional_designation": packed,
        "unpacked_primary_provisional_designation": readable,
        "created_at": zero,
        "updated_at": zero,
        "fitting_datetime": zero,
        "orbit_type_int": zero - 1,
        "u_param": zero,
        "nopp": oppositions,
        "arc_length_total": arc,
        "arc_length_sel": arc,
        "nobs_total": observations,
        "nobs_total_sel": (observations * 0.97).astype(np.int64),
        "a": found.a_au,
        "q": found.a_au * (1.0 - found.e),
        "e": found.e,
        "i": found.i_deg,
        "node": found.node_deg,
        "argperi": found.argperi_deg,
        "peri_time": epoch - from_perihelion / mean_motion,
        "mean_anomaly": anomaly,
        "period": 360.0 / mean_motion,
        "mean_motion": mean_motion,
        "epoch_mjd": epoch,
        "h": asteroids.h_mag,
        "g": np.full(n, _SLOPE_G),
        "normalized_rms": rng.normal(0.85, 0.1, n),
        "earth_moid": _distance_from_earths_orbit(found),
        **{name: typical * quality for name, typical in _UNCERTAINTY.items()},
    }


def _distance_from_earths_orbit(found: orbits.Elements) -> FloatArray:
    """(n,) least distance of the orbits from Earth's, taken as a circle of 1 au [au]."""
    columns = {field.name: getattr(found, field.name)[:, None] for field in fields(found)}
    true = np.radians(np.linspace(0.0, 360.0, 720, endpoint=False))[None, :]
    distance = columns["a_au"] * (1.0 - columns["e"] ** 2) / (1.0 + columns["e"] * np.cos(true))
    above = distance * np.sin(true + np.radians(columns["argperi_deg"])) * np.sin(np.radians(columns["i_deg"]))
    in_plane = np.sqrt(distance**2 - above**2)
    least: FloatArray = np.hypot(in_plane - 1.0, above).min(axis=1)
    return least
