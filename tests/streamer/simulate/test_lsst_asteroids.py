"""Rubin's moving objects: one ellipse through all that is said of each."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import pytest
from astropy.coordinates import SkyCoord, get_body_barycentric_posvel
from astropy.time import Time

from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.sky import orbits
from tests.streamer.simulate.conftest import Night, Record

AU_KM = 149_597_870.7
GAUSS = 0.01720209895
OBLIQUITY = np.radians(84_381.448 / 3600.0)


@pytest.fixture(scope="module")
def asteroids(lsst_night: Night) -> list[Record]:
    found = [record for packet, record in lsst_night if packet.type == "asteroid"]
    assert len(found) > 20
    return found


def _vector(record: Record, name: str) -> npt.NDArray[np.float64]:
    return np.array([record["ssSource"][f"{name}{axis}"] for axis in "xyz"])


def _place_au(orbit: dict[str, Any], mjd: float) -> npt.NDArray[np.float64]:
    """Equatorial place from the Sun by Kepler's equation."""
    anomaly = np.radians(orbit["mean_anomaly"]) + GAUSS * orbit["a"] ** -1.5 * (mjd - orbit["epoch_mjd"])
    eccentric = anomaly
    for _ in range(60):
        eccentric = anomaly + orbit["e"] * np.sin(eccentric)
    x = orbit["a"] * (np.cos(eccentric) - orbit["e"])
    y = orbit["a"] * np.sqrt(1.0 - orbit["e"] ** 2) * np.sin(eccentric)
    node, tilt, peri = (np.radians(orbit[name]) for name in ("node", "i", "argperi"))
    along, up = x * np.cos(peri) - y * np.sin(peri), x * np.sin(peri) + y * np.cos(peri)
    ecliptic = np.array(
        [
            along * np.cos(node) - up * np.sin(node) * np.cos(tilt),
            along * np.sin(node) + up * np.cos(node) * np.cos(tilt),
            up * np.sin(tilt),
        ]
    )
    cos, sin = np.cos(OBLIQUITY), np.sin(OBLIQUITY)
    return np.asarray(np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ ecliptic)


def test_asteroids_have_an_ephemeris_and_an_orbit_and_no_object(lsst_night: Night, asteroids: list[Record]) -> None:
    for record in asteroids:
        source, ephemeris = record["diaSource"], record["ssSource"]
        assert record["diaObject"] is None
        assert record["prvDiaSources"] is None
        assert record["prvDiaForcedSources"] is None
        assert source["diaObjectId"] == 0
        assert ephemeris["ssObjectId"] == source["ssObjectId"]
        assert ephemeris["diaSourceId"] == source["diaSourceId"]
        packed = record["mpc_orbits"]["packed_primary_provisional_designation"]
        assert source["ssObjectId"].to_bytes(7, "big").decode() == packed
        assert ephemeris["designation"] == record["mpc_orbits"]["designation"]
    assert all(record["ssSource"] is None for packet, record in lsst_night if packet.type != "asteroid")
    names = {packet.object_id for packet, _ in lsst_night if packet.type == "asteroid"}
    assert names == {f"SSO-{record['diaSource']['ssObjectId']}" for record in asteroids}


def test_the_orbit_leads_to_where_the_ephemeris_is(asteroids: list[Record]) -> None:
    for record in asteroids:
        expected = _place_au(record["mpc_orbits"], record["diaSource"]["midpointMjdTai"])
        # What is seen now left the body a quarter of an hour ago.
        assert np.abs(_vector(record, "helio_") - expected).max() < 3e-4
        assert 0.0 < record["mpc_orbits"]["e"] < 0.5
        assert record["mpc_orbits"]["q"] == pytest.approx(record["mpc_orbits"]["a"] * (1.0 - record["mpc_orbits"]["e"]))
        # Nothing stands further from the ecliptic, as the Sun sees it, than its orbit is inclined.
        _, y, z = _vector(record, "helio_") / np.linalg.norm(_vector(record, "helio_"))
        north = np.degrees(np.arcsin(abs(z * np.cos(OBLIQUITY) - y * np.sin(OBLIQUITY))))
        assert north - 0.1 < record["mpc_orbits"]["i"] < 80.0


def test_sun_earth_and_asteroid_stand_where_distances_and_angles_say(asteroids: list[Record]) -> None:
    for record in asteroids:
        ephemeris = record["ssSource"]
        helio, topo = _vector(record, "helio_"), _vector(record, "topo_")
        to_sun = topo - helio
        assert np.linalg.norm(helio) == pytest.approx(ephemeris["helioRange"], rel=1e-5)
        assert np.linalg.norm(topo) == pytest.approx(ephemeris["topoRange"], rel=1e-5)
        assert np.linalg.norm(to_sun) == pytest.approx(1.0, abs=0.018)
        for name, a, b in (("phaseAngle", helio, topo), ("elongation", to_sun, topo)):
            angle = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
            assert ephemeris[name] == pytest.approx(angle, abs=0.1)
        h = record["mpc_orbits"]["h"]
        distances = 5.0 * np.log10(ephemeris["helioRange"] * ephemeris["topoRange"])
        assert h + distances < ephemeris["ephVmag"] < h + distances + 0.05 * ephemeris["phaseAngle"] + 0.5


def test_velocities_are_those_of_the_motion_across_the_sky(asteroids: list[Record]) -> None:
    for record in asteroids:
        ephemeris = record["ssSource"]
        place = np.radians([ephemeris["ephRa"], ephemeris["ephDec"]])
        east = np.array([-np.sin(place[0]), np.cos(place[0]), 0.0])
        towards = _vector(record, "topo_") / ephemeris["topoRange"]
        north = np.cross(towards, east)
        velocity = _vector(record, "topo_v") * 86_400.0 / AU_KM
        for name, axis in (("ephRateRa", east), ("ephRateDec", north)):
            across = np.degrees(velocity @ axis / ephemeris["topoRange"])
            assert ephemeris[name] == pytest.approx(across, abs=0.01)
        assert ephemeris["ephRate"] == pytest.approx(
            np.hypot(ephemeris["ephRateRa"], ephemeris["ephRateDec"]), rel=1e-5
        )
        assert ephemeris["topoRangeRate"] == pytest.approx(_vector(record, "topo_v") @ towards, abs=1e-2)
        assert ephemeris["helio_vtot"] == pytest.approx(np.linalg.norm(_vector(record, "helio_v")), rel=1e-5)
        # Circular at that distance, but for the eccentricity.
        assert ephemeris["helio_vtot"] == pytest.approx(29.785 * ephemeris["helioRange"] ** -0.5, rel=0.3)


def test_two_visits_show_the_rate_that_each_of_them_tells(asteroids: list[Record]) -> None:
    seen: dict[int, Record] = {}
    compared = 0
    for record in asteroids:
        former = seen.get(record["diaSource"]["ssObjectId"])
        seen[record["diaSource"]["ssObjectId"]] = record
        if former is None:
            continue
        days = record["diaSource"]["midpointMjdTai"] - former["diaSource"]["midpointMjdTai"]
        moved = record["ssSource"]["ephDec"] - former["ssSource"]["ephDec"]
        told = (record["ssSource"]["ephRateDec"] + former["ssSource"]["ephRateDec"]) / 2.0
        assert moved / days == pytest.approx(told, abs=2e-3)
        compared += 1
    assert compared > 3


def test_offsets_are_what_lies_between_the_source_and_the_prediction(asteroids: list[Record]) -> None:
    for record in asteroids:
        source, ephemeris = record["diaSource"], record["ssSource"]
        ra = (source["ra"] - ephemeris["ephRa"]) * np.cos(np.radians(source["dec"])) * 3600.0
        dec = (source["dec"] - ephemeris["ephDec"]) * 3600.0
        assert (ephemeris["ephOffsetRa"], ephemeris["ephOffsetDec"]) == pytest.approx((ra, dec), abs=1e-4)
        assert ephemeris["ephOffset"] == pytest.approx(np.hypot(ra, dec), abs=1e-4)
        track = np.array([ephemeris["ephRateRa"], ephemeris["ephRateDec"]]) / ephemeris["ephRate"]
        assert ephemeris["ephOffsetAlongTrack"] == pytest.approx(track @ (ra, dec), abs=1e-4)
        cross = np.hypot(ephemeris["ephOffsetAlongTrack"], ephemeris["ephOffsetCrossTrack"])
        assert cross == pytest.approx(ephemeris["ephOffset"], abs=1e-4)
    assert np.median([record["ssSource"]["ephOffset"] for record in asteroids]) < 0.3


def test_ecliptic_and_galactic_coordinates_are_astropys(asteroids: list[Record]) -> None:
    source = [record["diaSource"] for record in asteroids]
    sky = SkyCoord([row["ra"] for row in source] * u.deg, [row["dec"] for row in source] * u.deg)
    ecliptic, galactic = sky.barycentricmeanecliptic, sky.galactic
    for name, expected in (
        ("eclLambda", ecliptic.lon.deg),
        ("eclBeta", ecliptic.lat.deg),
        ("galLon", galactic.l.deg),
        ("galLat", galactic.b.deg),
    ):
        told = np.array([record["ssSource"][name] for record in asteroids])
        assert np.abs((told - expected + 180.0) % 360.0 - 180.0).max() < 2e-3


def test_earth_is_where_astropy_has_it() -> None:
    mjd = np.linspace(61_000.0, 61_365.0, 25)
    place, velocity = orbits.earth(mjd)
    when = Time(mjd, format="mjd", scale="tdb")
    earth, earth_velocity = get_body_barycentric_posvel("earth", when, ephemeris="builtin")
    sun, sun_velocity = get_body_barycentric_posvel("sun", when, ephemeris="builtin")
    expected = (earth - sun).xyz.to_value(u.au).T
    assert np.linalg.norm(place - expected, axis=1).max() < 0.002
    speed = (earth_velocity - sun_velocity).xyz.to_value(u.au / u.day).T
    assert np.linalg.norm(velocity - speed, axis=1).max() < 1e-4


def test_main_belt_orbits_are_drawn_round_and_flat() -> None:
    rng = np.random.default_rng(1)
    n = 2_000
    mjd = np.full(n, 61_200.0)
    longitude, latitude = rng.uniform(220.0, 310.0, n), rng.normal(0.0, 4.0, n)
    sky = SkyCoord(longitude * u.deg, latitude * u.deg, frame="barycentricmeanecliptic").icrs
    motion = orbits.draw_motion(rng, mjd, (sky.ra.deg, sky.dec.deg), rng.uniform(2.1, 3.2, n))
    found = orbits.elements(motion.helio_au, motion.helio_au_d)
    assert np.median(found.e) == pytest.approx(0.12 * np.sqrt(2.0 * np.log(2.0)), rel=0.08)
    assert 6.0 < np.median(found.i_deg) < 12.0
    assert found.a_au.min() > 1.4
    assert found.a_au.max() < 5.5


def test_what_moves_fast_leaves_a_trail_along_its_way(asteroids: list[Record]) -> None:
    lengths = []
    for record in asteroids:
        source, ephemeris = record["diaSource"], record["ssSource"]
        if source["trailLength"] is not None:
            path = ephemeris["ephRate"] * 3600.0 * 30.0 / 86_400.0
            assert source["trailLength"] >= 0.99 * path
            lengths.append(source["trailLength"])
    assert len(lengths) > 15


def test_a_night_without_asteroids_has_its_packets() -> None:
    packets = list(simulate_night(NightPlan("lsst", 8, 1, only=("SN Ia",))))
    assert [packet.type for packet in packets] == ["SN Ia"] * 8
