"""What must hold of the flags and times that the readers take from single fields."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
import pytest
from astropy.time import Time

from schemas.alert import QUALITY_BIT
from schemas.codec import plain_schema, write_frame
from schemas.packet import Coordinates, Packet
from schemas.surveys import reading
from schemas.surveys.lsst import LsstReader
from schemas.surveys.tables import lsst_schema_id, survey_schema
from schemas.surveys.ztf import ZtfReader
from streamer.bench.random_records import Shape, random_record
from tests.fakes import bend_lsst, bend_ztf, night

ZTF, LSST = night("ztf", 1)[0], night("lsst", 1)[0]
CLEAN_ZTF = {"mindtoedge": 500.0, "sumrat": 1.0, "nbad": 0}


def packet(payload: bytes) -> Packet:
    return Packet(Coordinates("t", ""), payload, 0.0)


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({}, []),
        ({"mindtoedge": 9.0}, ["edge"]),
        ({"mindtoedge": 11.0}, []),
        ({"sumrat": 0.1}, ["dipole"]),
        ({"nbad": 2}, ["bad_subtraction"]),
        ({"mindtoedge": -999.0, "sumrat": -999.0}, []),
    ],
)
def test_ztf_quality_follows_from_its_own_measurements(fields: dict[str, Any], flags: list[str]) -> None:
    alerts, _ = ZtfReader().read([packet(bend_ztf(ZTF, lambda r: r["candidate"].update(CLEAN_ZTF | fields)))])
    assert int(alerts.quality[0]) == sum(QUALITY_BIT[name] for name in flags)


LSST_FLAGS = (
    "pixelFlags_edge pixelFlags_offimage pixelFlags_nodata psfFlux_flag_edge isDipole pixelFlags_streak glint_trail "
    "pixelFlags_cr pixelFlags_crCenter pixelFlags_saturated pixelFlags_saturatedCenter psfFlux_flag pixelFlags_bad "
    "pixelFlags_injected pixelFlags_injected_template"
).split()


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("pixelFlags_offimage", "edge"),
        ("isDipole", "dipole"),
        ("pixelFlags_streak", "trail"),
        ("glint_trail", "trail"),
        ("pixelFlags_crCenter", "cosmic_ray"),
        ("pixelFlags_saturated", "saturated"),
        ("pixelFlags_bad", "bad_subtraction"),
        ("pixelFlags_injected", "injected"),
        ("pixelFlags_injected_template", None),
    ],
)
def test_lsst_quality_follows_from_the_flags_of_the_source(name: str, flag: str | None) -> None:
    def change(record: dict[str, Any]) -> None:
        record["diaSource"] |= dict.fromkeys(LSST_FLAGS, False) | {name: True}

    alerts, _ = LsstReader().read([packet(bend_lsst(LSST, change))])
    assert int(alerts.quality[0]) == (QUALITY_BIT[flag] if flag else 0)


def test_a_solar_system_object_is_known_by_its_source_record_alone() -> None:
    def change(record: dict[str, Any]) -> None:
        record["diaSource"]["ssObjectId"] = None
        record["ssSource"] = random_record(
            next(f["type"][1] for f in survey_schema("lsst", "11.1")["fields"] if f["name"] == "ssSource"),
            np.random.default_rng(0),
            Shape(null_share=0.0),
        ) | {"ssObjectId": 77}

    alerts, rejected = LsstReader().read([packet(bend_lsst(LSST, change))])
    assert rejected == []
    assert alerts.solar_system.tolist() == [True]


def test_version_8_says_the_processing_time_in_microseconds_of_utc() -> None:
    schema = plain_schema(survey_schema("lsst", "8.0"))
    record = random_record(schema, np.random.default_rng(1), Shape(null_share=0.0, odd_floats=False))
    moment = Time("2025-03-04T05:06:07.5", scale="utc")
    record["diaSource"] |= {
        "diaSourceId": 5,
        "midpointMjdTai": 60_700.0,
        "ra": 10.0,
        "dec": -10.0,
        "time_processed": round(moment.unix * 1e6),
    }
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
    alerts, rejected = LsstReader().read([packet(write_frame(lsst_schema_id("8.0"), body.getvalue()))])
    assert rejected == []
    np.testing.assert_allclose(alerts.processed_mjd_tai, moment.tai.mjd, rtol=0, atol=1e-8)


def test_ever_new_schemas_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PROGRAMS", 3)
    reader = ZtfReader()
    for place in range(8):
        schema = {"type": "record", "name": f"r{place}", "fields": [{"name": "x", "type": "long"}]}
        out = io.BytesIO()
        fastavro.writer(out, schema, [{"x": 1}])
        reader.read([packet(out.getvalue())])
    assert len(reader._programs._programs) <= 3
