"""What the readers make of real packets, against an independent reading by fastavro and the formulas of the surveys."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import fastavro
import numpy as np
import pytest
from astropy.time import Time

from schemas.alert import AlertBatch
from schemas.light_curve import DETECTION, FLAG_OWN, FLAG_WITHDRAWN, FORCED, LIMIT
from schemas.packet import Coordinates, Packet
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader

ARCHIVES = ("ztf_public_v3_sample.tar.gz", "ztf_public_v4_sample.tar.gz")


def packet(payload: bytes, name: str = "p") -> Packet:
    return Packet(Coordinates("test", name), payload, 0.0)


def archive(path: Path) -> Iterator[bytes]:
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            yield file.read()


@pytest.fixture(scope="module", params=ARCHIVES)
def ztf(shared_data: Path, request: pytest.FixtureRequest) -> tuple[AlertBatch, list[dict]]:
    payloads = list(archive(shared_data / "ztf_alerts" / request.param))
    alerts, rejected = ZtfReader().read([packet(payload) for payload in payloads])
    assert rejected == []
    return alerts, [next(iter(fastavro.reader(io.BytesIO(payload)))) for payload in payloads]


@pytest.fixture(scope="module")
def lsst(shared_data: Path) -> tuple[AlertBatch, list[dict]]:
    paths = sorted((shared_data / "lsst_alerts").glob("v*/*.bin"))
    payloads = [path.read_bytes() for path in paths]
    alerts, rejected = LsstReader().read([packet(payload) for payload in payloads])
    assert rejected == []
    schemas = {}
    records = []
    for payload in payloads:
        schema_id = int.from_bytes(payload[1:5], "big")
        if schema_id not in schemas:
            text = (shared_data / "lsst_alerts" / "schemas" / f"{schema_id}.avsc").read_text(encoding="utf-8")
            schemas[schema_id] = fastavro.parse_schema(json.loads(text))
        records.append(fastavro.schemaless_reader(io.BytesIO(payload[5:]), schemas[schema_id], None))
    return alerts, records


def test_ztf_times_are_mid_exposure_tai(ztf: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = ztf
    start = Time([r["candidate"]["jd"] for r in records], format="jd", scale="utc")
    exptime_s = np.array([r["candidate"].get("exptime") or 30.0 for r in records])
    np.testing.assert_allclose(alerts.mjd_tai, start.tai.mjd + exptime_s / 2 / 86_400, rtol=0, atol=1e-8)


def test_ztf_own_fluxes_are_signed_njy(ztf: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = ztf
    own = alerts.rows[alerts.row_offsets[:-1]]
    sign = np.array([1.0 if r["candidate"]["isdiffpos"] in ("t", "1") else -1.0 for r in records])
    magnitude = np.array([r["candidate"]["magpsf"] for r in records])
    np.testing.assert_allclose(own["flux_njy"], sign * 3631e9 * 10 ** (-0.4 * magnitude), rtol=1e-3)
    np.testing.assert_allclose(own["flux_njy"], sign * 10 ** ((31.4 - magnitude) / 2.5), rtol=1e-6)
    error = np.array([r["candidate"]["sigmapsf"] for r in records])
    np.testing.assert_allclose(own["flux_err_njy"] / np.abs(own["flux_njy"]), error * np.log(10) / 2.5, rtol=1e-5)


def test_ztf_histories_keep_every_row(ztf: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = ztf
    for index, record in enumerate(records):
        rows = alerts.rows[alerts.row_offsets[index] : alerts.row_offsets[index + 1]]
        history = record["prv_candidates"] or []
        assert np.count_nonzero(rows["kind"] == LIMIT) == sum(p["magpsf"] is None for p in history)
        assert np.count_nonzero(rows["kind"] == DETECTION) == 1 + sum(p["magpsf"] is not None for p in history)
        assert np.count_nonzero(rows["kind"] == FORCED) == len(record.get("fp_hists") or [])
        assert rows["flags"][0] & FLAG_OWN
        limits = [10 ** ((31.4 - p["diffmaglim"]) / 2.5) / 5 for p in history if p["magpsf"] is None]
        np.testing.assert_allclose(rows["flux_err_njy"][rows["kind"] == LIMIT], limits, rtol=1e-6)


def test_ztf_forced_photometry_is_njy_by_its_own_zero_point(ztf: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = ztf
    for index, record in enumerate(records):
        rows = alerts.rows[alerts.row_offsets[index] : alerts.row_offsets[index + 1]]
        forced = rows[rows["kind"] == FORCED]
        for row, fp in zip(forced, record.get("fp_hists") or [], strict=True):
            if fp["forcediffimflux"] is None or fp["forcediffimflux"] <= -99_998:
                assert np.isnan(row["flux_njy"])
            else:
                expected = fp["forcediffimflux"] * 10 ** (0.4 * (31.4 - fp["magzpsci"]))
                np.testing.assert_allclose(row["flux_njy"], expected, rtol=1e-5)


def test_ztf_identity_and_metadata_come_through(ztf: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = ztf
    assert alerts.alert_id.tolist() == [r["candid"] for r in records]
    assert alerts.object_id == [r["objectId"] for r in records]
    assert alerts.schema_version == [r["schemavsn"] for r in records]
    for name in ("drb", "rb", "sgscore1", "distpsnr1", "ndethist", "magpsf", "ssdistnr"):
        raw = np.array(
            [np.nan if r["candidate"].get(name) is None else r["candidate"][name] for r in records], dtype=float
        )
        raw[np.isin(raw, (-999.0, -99.0, -99_999.0))] = np.nan
        np.testing.assert_array_equal(alerts.field(f"candidate.{name}"), raw.astype(np.float64))
    assert set(alerts.rights.tolist()) == {0}


def test_lsst_identity_times_and_fluxes_come_through(lsst: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = lsst
    sources = [record["diaSource"] for record in records]
    assert alerts.alert_id.tolist() == [source["diaSourceId"] for source in sources]
    assert alerts.mjd_tai.tolist() == [source["midpointMjdTai"] for source in sources]
    own = alerts.rows[alerts.row_offsets[:-1]]
    flux = np.array([np.nan if s["psfFlux"] is None else s["psfFlux"] for s in sources], dtype=np.float32)
    np.testing.assert_array_equal(own["flux_njy"], flux)
    assert alerts.field("diaSource.snr").tolist() == pytest.approx(
        [np.nan if s["snr"] is None else s["snr"] for s in sources], nan_ok=True
    )
    for index, record in enumerate(records):
        rows = alerts.rows[alerts.row_offsets[index] : alerts.row_offsets[index + 1]]
        assert np.count_nonzero(rows["kind"] == DETECTION) == 1 + len(record["prvDiaSources"] or [])
        assert np.count_nonzero(rows["kind"] == FORCED) == len(record["prvDiaForcedSources"] or [])
        assert np.count_nonzero(rows["kind"] == LIMIT) == len(record.get("prvDiaNondetectionLimits") or [])


def test_lsst_object_ids_follow_the_rule(lsst: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = lsst
    for object_id, record in zip(alerts.object_id, records, strict=True):
        source = record["diaSource"]
        if record["diaObject"] is not None:
            assert object_id == str(record["diaObject"]["diaObjectId"])
        elif (source["diaObjectId"] or 0) > 0:
            assert object_id == str(source["diaObjectId"])
        elif (source["ssObjectId"] or 0) > 0:
            assert object_id == f"SSO-{source['ssObjectId']}"
        else:
            assert object_id == f"DS-{source['diaSourceId']}"


def test_lsst_withdrawn_and_solar_system_alerts_are_marked(lsst: tuple[AlertBatch, list[dict]]) -> None:
    alerts, records = lsst
    own = alerts.rows[alerts.row_offsets[:-1]]
    for index, record in enumerate(records):
        source = record["diaSource"]
        withdrawn = (source.get("timeWithdrawnMjdTai") or 0.0) > 0  # NaN is none
        assert alerts.withdrawn[index] == withdrawn == bool(own["flags"][index] & FLAG_WITHDRAWN)
        assert alerts.solar_system[index] or (source["ssObjectId"] or 0) <= 0


def test_the_alerts_in_three_lsst_versions_are_equal(shared_data: Path) -> None:
    reader = LsstReader()
    folders = [shared_data / "lsst_alerts" / version for version in ("v10_0", "v11_0", "v11_1")]
    names = set.intersection(*({path.name for path in folder.glob("*.bin")} for folder in folders)) - {"1231321321.bin"}
    assert len(names) == 18
    batches = [reader.read([packet((folder / name).read_bytes()) for name in sorted(names)])[0] for folder in folders]
    for batch in batches[1:]:
        assert batch.object_id == batches[0].object_id
        assert batch.rows.tobytes() == batches[0].rows.tobytes()
        np.testing.assert_array_equal(batch.metadata, batches[0].metadata)
