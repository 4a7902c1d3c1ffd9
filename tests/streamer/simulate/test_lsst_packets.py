from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits

from schemas.light_curve import BANDS
from tests.streamer.simulate.conftest import Night, Record

STAMPS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
STATISTICS = (
    "psfFluxMean psfFluxMeanErr psfFluxSigma psfFluxMin psfFluxMax psfFluxMaxSlope psfFluxErrMean scienceFluxMean"
).split()


def _pixels(record: Record, stamp: str, hdu: int = 0) -> npt.NDArray[np.float64]:
    with fits.open(io.BytesIO(record[stamp])) as hdus:
        return np.asarray(hdus[hdu].data, dtype=np.float64)


def test_stamps_are_three_images_that_say_how_the_sky_lies_in_them(lsst_night: Night) -> None:
    turns = set()
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
                assert [hdu.name for hdu in hdus[1:]] == ["UNCERT", "PSFIMAGE"]
                header = hdus[0].header
            # The source lies between the two pixels in the middle, where the catalogue has it on the detector.
            for axis, pixel in ((1, source["x"]), (2, source["y"])):
                assert 15.0 <= header[f"CRPIX{axis}"] < 16.0
                assert header[f"CRPIX{axis}"] + header[("CUTMINX", "CUTMINY")[axis - 1]] == pytest.approx(
                    pixel, abs=1e-3
                )
            assert (header["CRVAL1"], header["CRVAL2"]) == pytest.approx((source["ra"], source["dec"]), abs=1e-9)
            matrix = np.array([[header["PC1_1"], header["PC1_2"]], [header["PC2_1"], header["PC2_2"]]]) * 3600.0
            assert np.linalg.det(matrix) == pytest.approx(-0.04, rel=1e-6)
            assert np.degrees(np.arctan2(matrix[0, 1], matrix[1, 1])) % 360.0 == pytest.approx(
                header["ROTPA"], abs=1e-6
            )
            turns.add(header["ROTPA"])
    assert len(turns) > 3


def test_host_galaxies_lie_where_the_header_says(lsst_night: Night) -> None:
    """A template's galaxy is off to one and the same side of the sky, however the camera is held."""
    along = []
    for packet, record in lsst_night:
        if packet.label != "SN I":
            continue
        with fits.open(io.BytesIO(record["cutoutTemplate"])) as hdus:
            image, header = np.asarray(hdus[0].data, dtype=np.float64), hdus[0].header
            matrix = np.array([[header["PC1_1"], header["PC1_2"]], [header["PC2_1"], header["PC2_2"]]]) * 3600.0
        image = np.clip(image - np.median(image), 0.0, None)
        if image.max() < 5.0 * record["diaSource"]["templateFluxErr"] / 4.0:
            continue
        rows, columns = np.mgrid[:30, :30]
        centroid = np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()
        sky = matrix @ (centroid + 1.0 - (header["CRPIX1"], header["CRPIX2"]))
        along.append((packet.object_id, sky))
    by_object: dict[str, list[npt.NDArray[np.float64]]] = {}
    for object_id, sky in along:
        by_object.setdefault(object_id, []).append(sky / np.linalg.norm(sky))
    agreement = [float(np.dot(a, b)) for several in by_object.values() for a, b in pairwise(several)]
    assert len(agreement) >= 5
    assert np.median(agreement) > 0.7


def _psf_at_source(record: Record, stamp: str) -> npt.NDArray[np.float64]:
    """The packet's own point-spread function, moved by parts of a pixel to where the source is in the stamp."""
    with fits.open(io.BytesIO(record[stamp])) as hdus:
        psf, header = np.asarray(hdus[2].data, dtype=np.float64), hdus[0].header
        side = hdus[0].data.shape[0]
    middle = psf.shape[0] // 2
    corner = middle - side // 2
    offset = np.array([header["CRPIX2"], header["CRPIX1"]]) - 1.0 - side // 2
    phase = [np.exp(-2j * np.pi * np.fft.fftfreq(psf.shape[0]) * step) for step in offset]
    moved = np.fft.ifft2(np.fft.fft2(psf) * np.outer(*phase)).real
    return np.asarray(moved[corner : corner + side, corner : corner + side])


def test_the_difference_stamp_holds_the_catalogue_flux(lsst_night: Night) -> None:
    """Photometry with the packet's own point-spread function and variance."""
    pulls = []
    for packet, record in lsst_night[::3]:
        if packet.type == "bogus":
            continue
        image, variance = (_pixels(record, "cutoutDifference", hdu) for hdu in (0, 1))
        model = _psf_at_source(record, "cutoutDifference")
        weight = model / variance
        flux = (image * weight).sum() / (model * weight).sum()
        pulls.append((flux - record["diaSource"]["psfFlux"]) / (model * weight).sum() ** -0.5)
    assert len(pulls) > 100
    assert abs(np.median(pulls)) < 0.3
    assert np.quantile(np.abs(pulls), 0.9) < 1.5


def test_histories_hold_the_objects_own_earlier_sources_and_grow(lsst_night: Night) -> None:
    sent: dict[str, list[Record]] = {}
    grown = 0
    for packet, record in lsst_night:
        if record["diaObject"] is None:
            continue
        source = record["diaSource"]
        history = record["prvDiaSources"] or []
        before = sent.setdefault(packet.object_id, [])
        # The alert's own source says that it is of no Solar System object; a history row says nothing.
        assert history[len(history) - len(before) :] == [{**row, "ssObjectId": None} for row in before]
        assert source["ssObjectId"] == 0
        times = [row["midpointMjdTai"] for row in history]
        assert times == sorted(times)
        assert all(source["midpointMjdTai"] - 365.0 <= t < source["midpointMjdTai"] for t in times)
        assert {row["diaObjectId"] for row in history} <= {source["diaObjectId"]}
        assert record["diaObject"]["nDiaSources"] >= len(history) + 1
        grown += len(before) > 3
        before.append(source)
    assert grown > 40


def test_forced_photometry_begins_with_the_second_source_and_ends_with_the_packets_own_visit(lsst_night: Night) -> None:
    begun = 0
    for _, record in lsst_night:
        if record["diaObject"] is None:
            assert record["prvDiaForcedSources"] is None
            continue
        source, known = record["diaSource"], record["diaObject"]
        forced, history = record["prvDiaForcedSources"], record["prvDiaSources"] or []
        if known["nDiaSources"] == 1:
            assert forced == []
            continue
        assert forced[-1]["visit"] == source["visit"]
        times = [row["midpointMjdTai"] for row in forced]
        assert times == sorted(set(times))
        if known["nDiaSources"] == len(history) + 1:
            assert forced[0]["visit"] == [*history, source][1]["visit"]
            begun += 1
    assert begun > 100


def test_forced_photometry_agrees_with_the_sources_and_shows_noise_without_one(lsst_night: Night) -> None:
    ids: dict[int, Record] = {}
    pulls, without = [], []
    for _, record in lsst_night:
        sources = {row["visit"]: row for row in [*(record["prvDiaSources"] or []), record["diaSource"]]}
        for row in record["prvDiaForcedSources"] or []:
            assert ids.setdefault(row["diaForcedSourceId"], row) == row
            known = sources.get(row["visit"])
            if known is None:
                without.append(row["psfFlux"] / row["psfFluxErr"])
            else:
                assert row["detector"] == known["detector"]
                pulls.append((row["psfFlux"] - known["psfFlux"]) / row["psfFluxErr"])
    assert len(pulls) > 500
    assert len(without) > 500
    assert 0.05 < np.std(pulls) < 0.4
    assert np.quantile(np.abs(without), 0.95) < 5.6


def test_a_new_object_has_no_history_and_takes_its_first_sources_id_and_place(lsst_night: Night) -> None:
    new = [record for _, record in lsst_night if record["diaObject"] and record["diaObject"]["nDiaSources"] == 1]
    assert new
    for record in new:
        known, source = record["diaObject"], record["diaSource"]
        assert known["diaObjectId"] == source["diaSourceId"]
        assert [known[name] for name in ("ra", "dec", "raErr")] == [source[name] for name in ("ra", "dec", "raErr")]
        assert record["prvDiaSources"] is None
        assert record["prvDiaForcedSources"] == []


def test_object_statistics_follow_from_the_sources_in_the_packets_band(lsst_night: Night) -> None:
    compared = 0
    for _, record in lsst_night[::7]:
        known = record["diaObject"]
        rows = [*(record["prvDiaSources"] or []), record["diaSource"]]
        if known is None or known["nDiaSources"] != len(rows):
            continue
        assert known["ra"] == pytest.approx(np.mean([row["ra"] for row in rows]), abs=1e-9)
        assert known["raErr"] == rows[0]["raErr"]
        for band in BANDS:
            flux, error, mjd, science = (
                np.array([row[name] for row in rows if row["band"] == band])
                for name in ("psfFlux", "psfFluxErr", "midpointMjdTai", "scienceFlux")
            )
            statistics = {name: known[f"{band}_{name}"] for name in STATISTICS}
            if band != record["diaSource"]["band"]:
                assert known[f"{band}_psfFluxNdata"] == 0
                assert set(statistics.values()) == {None}
                continue
            assert known[f"{band}_psfFluxNdata"] == len(flux)
            assert statistics["psfFluxMean"] == pytest.approx(np.average(flux, weights=error**-2), rel=1e-4, abs=0.1)
            assert statistics["psfFluxMeanErr"] == pytest.approx((error**-2).sum() ** -0.5, rel=1e-5)
            assert (statistics["psfFluxMin"], statistics["psfFluxMax"]) == (flux.min(), flux.max())
            assert statistics["psfFluxErrMean"] == pytest.approx(error.mean(), rel=1e-5)
            assert science.min() - 1.0 <= statistics["scienceFluxMean"] <= science.max() + 1.0
            if len(flux) == 1:
                assert statistics["psfFluxSigma"] is None
                assert statistics["psfFluxMaxSlope"] is None
                continue
            assert statistics["psfFluxSigma"] == pytest.approx(flux.std(ddof=1), rel=1e-4)
            assert statistics["psfFluxMaxSlope"] == pytest.approx((np.diff(flux) / np.diff(mjd)).max(), rel=1e-3)
            compared += 1
    assert compared > 30


def test_no_id_stands_for_two_things(lsst_night: Night) -> None:
    named: dict[tuple[str, int], tuple[object, ...]] = {}
    for _, record in lsst_night:
        sources = [*(record["prvDiaSources"] or []), record["diaSource"]]
        rows = [("source", row["diaSourceId"], row) for row in sources]
        rows += [("forced", row["diaForcedSourceId"], row) for row in record["prvDiaForcedSources"] or []]
        for kind, number, row in rows:
            assert 0 < number < 2**63
            what = (row["visit"], row["detector"], row["psfFlux"], row["midpointMjdTai"])
            assert named.setdefault((kind, number), what) == what
            date, day = divmod(row["visit"], 100_000)[0], np.floor(row["midpointMjdTai"] - 0.5)
            assert str(date) == str(np.datetime64("1858-11-17") + np.timedelta64(int(day), "D")).replace("-", "")
    assert len({record["diaSource"]["diaSourceId"] for _, record in lsst_night}) == len(lsst_night)


def test_reliability_tells_bogus_from_real_on_the_whole_and_is_never_below_a_tenth(lsst_night: Night) -> None:
    rows = [(packet.type, record["diaSource"]) for packet, record in lsst_night]
    bogus = [row["reliability"] for name, row in rows if name == "bogus"]
    sure = [
        row["reliability"] for name, row in rows if name != "bogus" and row["snr"] > 10 and row["templateFlux"] < 1e3
    ]
    assert min(row["reliability"] for _, row in rows) >= 0.1
    assert np.median(sure) > 0.95
    assert np.median(bogus) < 0.5
