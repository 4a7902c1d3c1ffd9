from __future__ import annotations

import io
from pathlib import Path

import fastavro
import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from schemas.light_curve import BANDS
from tests.streamer.simulate.conftest import Night, Record

STAMPS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def _pixels(record: Record, stamp: str) -> npt.NDArray[np.float64]:
    with fits.open(io.BytesIO(record[stamp])) as hdus:
        return np.asarray(hdus[0].data, dtype=np.float64)


def _reads_the_same(night: Night, schema: object) -> None:
    for packet, record in night:
        assert packet.payload[:5] == b"\x00" + (1101).to_bytes(4, "big")
        body = io.BytesIO(packet.payload[5:])
        assert fastavro.schemaless_reader(body, schema, None) == record
        assert not body.read()
        again = io.BytesIO()
        fastavro.schemaless_writer(again, schema, record, strict=True)
        assert again.getvalue() == packet.payload[5:]


def test_every_packet_is_valid_by_rubins_own_schema(lsst_night: Night) -> None:
    packet_library = pytest.importorskip("lsst.alert.packet", reason="needs lsst-alert-packet")
    folder = Path(packet_library.get_schema_path(11, 1))
    _reads_the_same(lsst_night, fastavro.schema.load_schema(str(folder / "lsst.v11_1.alert.avsc")))


def test_packets_are_valid_by_the_schema_kept_with_the_real_ones(lsst_night: Night, shared_data: Path) -> None:
    _reads_the_same(lsst_night[::20], fastavro.schema.load_schema(str(shared_data / "lsst_alerts/schemas/1101.avsc")))


def test_stamps_are_three_images_and_a_projection(lsst_night: Night) -> None:
    for _, record in lsst_night[::60]:
        source = record["diaSource"]
        for stamp in STAMPS:
            with fits.open(io.BytesIO(record[stamp])) as hdus:
                hdus.verify("exception")
                assert [hdu.data.dtype.str for hdu in hdus] == [">f4", ">f4", ">f8"]
                assert hdus[0].data.shape == hdus[1].data.shape == (30, 30)
                assert hdus[2].data.sum() == pytest.approx(1.0, abs=1e-3)
                assert np.all(hdus[1].data > 0.0)
                assert hdus[0].header["BUNIT"] == "nJy"
                projection = WCS(hdus[0].header)
            x, y = projection.world_to_pixel_values(source["ra"], source["dec"])
            assert abs(x - 15.0) <= 0.5
            assert abs(y - 15.0) <= 0.5
            assert projection.wcs.get_pc()[1, 1] * 3600.0 == pytest.approx(0.2)


def test_the_difference_is_science_less_template(lsst_night: Night) -> None:
    for _, record in lsst_night[::25]:
        science, template, difference = (_pixels(record, stamp) for stamp in STAMPS)
        assert np.abs(science - template - difference).max() <= 1e-5 * max(np.abs(science).max(), 1.0)


def test_the_difference_stamp_holds_the_catalogue_flux(lsst_night: Night) -> None:
    """Photometry with the packet's own point-spread function and variance."""
    pulls = []
    for packet, record in lsst_night:
        if packet.type in ("bogus", "asteroid"):
            continue
        with fits.open(io.BytesIO(record["cutoutDifference"])) as hdus:
            image, variance, psf = (np.asarray(hdu.data, dtype=np.float64) for hdu in hdus)
        header = fits.Header.fromstring(record["cutoutDifference"][:2880].decode())
        width = np.sqrt(1.0 / (4.0 * np.pi * (psf**2).sum()))
        pixels = np.arange(30)
        across = np.exp(-0.5 * ((pixels - header["CRPIX1"] + 1.0) / width) ** 2)
        up = np.exp(-0.5 * ((pixels - header["CRPIX2"] + 1.0) / width) ** 2)
        model = np.outer(up / up.sum(), across / across.sum())
        weight = model / variance
        flux = (image * weight).sum() / (model * weight).sum()
        pulls.append((flux - record["diaSource"]["psfFlux"]) / (model * weight).sum() ** -0.5)
    assert abs(np.mean(pulls)) < 0.3
    assert 0.7 < np.std(pulls) < 1.3


def test_histories_hold_the_objects_own_earlier_sources_and_grow(lsst_night: Night) -> None:
    sent: dict[str, list[Record]] = {}
    grown = 0
    for packet, record in lsst_night:
        if record["diaObject"] is None:
            continue
        source = record["diaSource"]
        history = record["prvDiaSources"] or []
        before = sent.setdefault(packet.object_id, [])
        assert history[len(history) - len(before) :] == before
        times = [row["midpointMjdTai"] for row in history]
        assert times == sorted(times)
        assert all(source["midpointMjdTai"] - 365.0 <= t < source["midpointMjdTai"] for t in times)
        assert {row["diaObjectId"] for row in history} <= {source["diaObjectId"]}
        assert record["diaObject"]["nDiaSources"] >= len(history) + 1
        grown += len(before) > 3
        before.append(source)
    assert grown > 100


def test_forced_photometry_covers_visits_with_and_without_a_source(lsst_night: Night) -> None:
    without = 0
    ids: dict[int, Record] = {}
    for _, record in lsst_night:
        sources = {row["visit"]: row for row in record["prvDiaSources"] or []}
        for row in record["prvDiaForcedSources"] or []:
            assert row["midpointMjdTai"] < record["diaSource"]["midpointMjdTai"]
            assert ids.setdefault(row["diaForcedSourceId"], row) == row
            if row["visit"] in sources:
                assert row["psfFlux"] == sources[row["visit"]]["psfFlux"]
                assert row["detector"] == sources[row["visit"]]["detector"]
            else:
                without += 1
                assert abs(row["psfFlux"]) < 5.6 * row["psfFluxErr"]
    assert without > 500


def test_a_new_object_has_no_history_and_takes_its_first_sources_id(lsst_night: Night) -> None:
    new = [record for _, record in lsst_night if record["diaObject"] and record["diaObject"]["nDiaSources"] == 1]
    assert new
    for record in new:
        assert record["diaObject"]["diaObjectId"] == record["diaSource"]["diaSourceId"]
        assert record["prvDiaSources"] is None
        assert record["prvDiaForcedSources"] == []


def test_object_statistics_follow_from_the_sources(lsst_night: Night) -> None:
    compared = 0
    for _, record in lsst_night[::7]:
        known = record["diaObject"]
        rows = [*(record["prvDiaSources"] or []), record["diaSource"]]
        if known is None or known["nDiaSources"] != len(rows):
            continue
        assert known["firstDiaSourceMjdTai"] == rows[0]["midpointMjdTai"]
        assert known["lastDiaSourceMjdTai"] == rows[-1]["midpointMjdTai"]
        for band in BANDS:
            flux = np.array([row["psfFlux"] for row in rows if row["band"] == band])
            error = np.array([row["psfFluxErr"] for row in rows if row["band"] == band])
            assert known[f"{band}_psfFluxNdata"] == len(flux)
            if not len(flux):
                assert known[f"{band}_psfFluxMean"] is None
                continue
            assert known[f"{band}_psfFluxMean"] == pytest.approx(np.average(flux, weights=error**-2), rel=1e-4)
            assert known[f"{band}_psfFluxMax"] == pytest.approx(flux.max(), rel=1e-6)
            compared += 1
    assert compared > 50


def test_asteroids_have_an_ephemeris_and_no_object(lsst_night: Night) -> None:
    asteroids = [(packet, record) for packet, record in lsst_night if packet.type == "asteroid"]
    assert asteroids
    for packet, record in asteroids:
        source, ephemeris = record["diaSource"], record["ssSource"]
        assert record["diaObject"] is None
        assert record["prvDiaSources"] is None
        assert source["diaObjectId"] == 0
        assert packet.object_id == f"SSO-{source['ssObjectId']}"
        assert ephemeris["ssObjectId"] == source["ssObjectId"]
        assert ephemeris["ephOffset"] < 2.0
        assert record["mpc_orbits"]["designation"]
        # The triangle Sun, Earth, asteroid closes.
        phase = np.radians(ephemeris["phaseAngle"])
        helio, topo = ephemeris["helioRange"], ephemeris["topoRange"]
        assert helio**2 + topo**2 - 2.0 * helio * topo * np.cos(phase) == pytest.approx(1.0, abs=1e-4)
    assert all(record["ssSource"] is None for packet, record in lsst_night if packet.type != "asteroid")
    assert len({packet.object_id for packet, _ in asteroids}) < len(asteroids)


def test_trails_are_longer_for_what_moves_faster(lsst_night: Night) -> None:
    moving = [record for packet, record in lsst_night if packet.type == "asteroid"]
    for record in moving:
        assert record["diaSource"]["trailLength"] >= record["ssSource"]["ephRate"] * 30.0 / 3600.0


def test_reliability_tells_bogus_from_real_on_the_whole(lsst_night: Night) -> None:
    real = [record["diaSource"]["reliability"] for packet, record in lsst_night if packet.type != "bogus"]
    bogus = [record["diaSource"]["reliability"] for packet, record in lsst_night if packet.type == "bogus"]
    assert np.median(real) > 0.9
    assert np.median(bogus) < 0.5
