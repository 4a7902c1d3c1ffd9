from __future__ import annotations

import gzip
import io
from pathlib import Path

import fastavro
import numpy as np
import numpy.typing as npt
import pytest
from astropy.io import fits
from astropy.time import Time

from schemas.surveys.tables import survey_schema
from tests.streamer.simulate.conftest import Night, Record

STAMPS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def _pixels(record: Record, stamp: str) -> npt.NDArray[np.float64]:
    with fits.open(io.BytesIO(gzip.decompress(record[stamp]["stampData"]))) as hdus:
        return np.asarray(hdus[0].data, dtype=np.float64)


def _same(row: Record, alert: Record) -> bool:
    """Whether a history row is what its alert said, to six digits, less what history rows leave out."""
    left_out = {"pdiffimfilename", "ssdistnr", "ssmagnr", "ssnamenr"}
    return all(
        row[name] == alert[name] or row[name] == pytest.approx(alert[name], rel=6e-6) for name in set(row) - left_out
    )


def _detections(record: Record) -> list[Record]:
    return [row for row in record["prv_candidates"] or [] if row["candid"] is not None]


def test_every_packet_is_valid_by_our_table(ztf_night: Night) -> None:
    schema = fastavro.parse_schema(survey_schema("ztf", "4.02"))
    for packet, record in ztf_night:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, record, strict=True)
        assert body.getvalue() in packet.payload


def test_every_packet_reads_the_same_by_the_surveys_own_schema(ztf_night: Night, shared_data: Path) -> None:
    schema = fastavro.schema.load_schema(str(shared_data / "ztf_alerts" / "schemas" / "ztf_alert_4.02.avsc"))
    for packet, record in ztf_night[::20]:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, record)
        assert body.getvalue() in packet.payload
        body.seek(0)
        assert fastavro.schemaless_reader(body, schema, None) == record


def test_a_packet_is_one_uncompressed_container_record(ztf_night: Night) -> None:
    for packet, _ in ztf_night[:5]:
        reader = fastavro.reader(io.BytesIO(packet.payload))
        assert reader.metadata["avro.codec"] == "null"
        assert len(list(reader)) == 1


def test_stamps_are_gzipped_fits_of_63_pixels_at_most(ztf_night: Night) -> None:
    for _, record in ztf_night[::50]:
        for stamp in STAMPS:
            unpacked = gzip.decompress(record[stamp]["stampData"])
            assert len(unpacked) % 2880 == 0
            with fits.open(io.BytesIO(unpacked)) as hdus:
                assert len(hdus) == 1
                assert max(hdus[0].data.shape) == 63
                assert hdus[0].data.dtype == ">f4"
                assert hdus[0].header["BUNIT"] == "DN"


def test_the_difference_stamp_holds_the_catalogue_flux(ztf_night: Night) -> None:
    """What has faded is measured in the reference less the science image; an artefact's stamp holds no point source."""
    pulls = []
    for packet, record in ztf_night:
        difference = _pixels(record, "cutoutDifference")
        if packet.type in ("bogus", "asteroid") or difference.shape != (63, 63) or not np.isfinite(difference).all():
            continue
        candidate = record["candidate"]
        flux = 10.0 ** (0.4 * (candidate["magzpsci"] - candidate["magpsf"]))
        error = flux * candidate["sigmapsf"] / 1.0857
        aperture = difference[31 - 6 : 31 + 7, 31 - 6 : 31 + 7].sum() - 169.0 * np.median(difference)
        noise = np.std(difference[:18]) * 13.0
        pulls.append((aperture - flux) / np.hypot(noise, error))
    assert len(pulls) > 200
    assert abs(np.median(pulls)) < 0.4
    assert np.mean(np.abs(pulls) < 3.0) > 0.9


def test_candids_hold_the_exposure_and_the_sign(ztf_night: Night) -> None:
    for _, record in ztf_night:
        candidate = record["candidate"]
        sign = "015" if candidate["isdiffpos"] == "t" else "010"
        assert str(candidate["candid"]) == f"{candidate['pid']}{sign}{candidate['tblid']:03d}"
        day = candidate["jd"] - 2_457_754.5
        assert candidate["nid"] == int(day)
        expected = f"{int(day)}{int(day % 1.0 * 1e5):05d}{candidate['rcid']:02d}15"
        assert str(candidate["pid"]) == expected


def test_times_are_utc_at_the_exposures_start(ztf_night: Night) -> None:
    for packet, record in ztf_night[::60]:
        middle = Time(record["candidate"]["jd"] + 15.0 / 86_400.0, format="jd", scale="utc")
        assert middle.tai.mjd == pytest.approx(packet.mjd_tai, abs=1e-7)


def test_histories_hold_the_objects_own_earlier_detections_and_grow(ztf_night: Night) -> None:
    sent: dict[str, dict[int, Record]] = {}
    grown = 0
    for packet, record in ztf_night:
        candidate = record["candidate"]
        before = sent.setdefault(packet.object_id, {})
        rows = {row["candid"]: row for row in _detections(record)}
        recent = {candid for candid, row in before.items() if row["jd"] >= candidate["jd"] - 30.0}
        assert recent <= set(rows)
        for candid in recent:
            assert _same(rows[candid], before[candid])
        grown += len(recent) > 3
        assert all(candidate["jd"] - 30.0 <= row["jd"] < candidate["jd"] for row in record["prv_candidates"] or [])
        before[candidate["candid"]] = candidate
    assert grown > 50


def test_non_detections_hold_only_their_image(ztf_night: Night) -> None:
    limits = [row for _, record in ztf_night for row in record["prv_candidates"] or [] if row["candid"] is None]
    assert limits
    for row in limits[::20]:
        assert row["magpsf"] is None
        assert row["ra"] is None
        assert 16.0 < row["diffmaglim"] < 23.0


def test_history_counts_never_fall(ztf_night: Night) -> None:
    last: dict[str, Record] = {}
    for packet, record in ztf_night:
        candidate = record["candidate"]
        assert 1 <= candidate["ndethist"] <= candidate["ncovhist"]
        assert candidate["jdstarthist"] <= candidate["jdendhist"] == candidate["jd"]
        assert len(_detections(record)) < candidate["ndethist"]
        if packet.object_id in last:
            assert candidate["ndethist"] > last[packet.object_id]["ndethist"]
            assert candidate["jdstarthist"] == last[packet.object_id]["jdstarthist"]
        last[packet.object_id] = candidate


def test_forced_photometry_agrees_with_the_detections_of_the_same_image(ztf_night: Night) -> None:
    compared = 0
    for _, record in ztf_night:
        detected = {row["pid"]: row for row in _detections(record)}
        for row in record["fp_hists"] or []:
            if row["pid"] in detected and row["procstatus"] in ("0", "56"):
                magnitude = row["magzpsci"] - 2.5 * np.log10(abs(row["forcediffimflux"]))
                assert magnitude == pytest.approx(detected[row["pid"]]["magpsf"], abs=1e-3)
                assert (row["forcediffimflux"] > 0.0) == (detected[row["pid"]]["isdiffpos"] == "t")
                compared += 1
    assert compared > 500


def test_forced_photometry_comes_newest_first_from_earlier_nights_of_a_month(ztf_night: Night) -> None:
    for _, record in ztf_night:
        now = record["candidate"]["jd"]
        times = [row["jd"] for row in record["fp_hists"] or []]
        assert times == sorted(times, reverse=True)
        assert all(0.4 < now - jd <= 30.0 for jd in times)


def test_forced_photometry_off_the_image_has_no_flux_and_is_of_the_field_beside(ztf_night: Night) -> None:
    rows = [(record["candidate"], row) for _, record in ztf_night for row in record["fp_hists"] or []]
    off = [(candidate, row) for candidate, row in rows if row["procstatus"] == "61"]
    assert 0.1 < len(off) / len(rows) < 0.5
    for candidate, row in off[::10]:
        assert row["forcediffimflux"] == row["forcediffimfluxunc"] == row["magnr"] == -99_999.0
        assert row["field"] == candidate["field"] + 1
    for candidate, row in rows[::10]:
        if row["procstatus"] != "61":
            assert (row["field"], row["rcid"]) == (candidate["field"], candidate["rcid"])


def test_an_asteroid_is_a_new_object_each_time(ztf_night: Night) -> None:
    asteroids = [(packet, record) for packet, record in ztf_night if packet.type == "asteroid"]
    assert len({packet.object_id for packet, _ in asteroids}) == len(asteroids) > 0
    known = [record for _, record in asteroids if record["candidate"]["ssnamenr"] != "null"]
    assert known
    assert all(0.0 <= record["candidate"]["ssdistnr"] <= 30.0 for record in known)
    assert all(not _detections(record) for _, record in asteroids)
    assert np.median([len(record["prv_candidates"] or []) for _, record in asteroids]) >= 5
    forced = [row for _, record in asteroids for row in record["fp_hists"] or [] if row["procstatus"] == "0"]
    assert forced
    pulls = np.array([row["forcediffimflux"] / row["forcediffimfluxunc"] for row in forced])
    assert np.abs(pulls).max() < 5.5
    others = [record["candidate"] for packet, record in ztf_night if packet.type != "asteroid"]
    assert all(candidate["ssdistnr"] == -999.0 for candidate in others)


def test_the_surveys_own_score_tells_bogus_from_real_on_the_whole(ztf_night: Night) -> None:
    real = [record["candidate"]["drb"] for packet, record in ztf_night if packet.type != "bogus"]
    bogus = [record["candidate"]["drb"] for packet, record in ztf_night if packet.type == "bogus"]
    assert np.median(real) > 0.9
    assert np.median(bogus) < 0.5
    assert np.quantile(bogus, 0.75) < np.quantile(real, 0.25)
