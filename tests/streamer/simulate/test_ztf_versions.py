from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.surveys.tables import ZTF_VERSIONS, survey_schema
from streamer.simulate.night import NightPlan, simulate_night

Record = dict[str, Any]


@pytest.fixture(scope="module")
def by_version() -> dict[str, list[tuple[bytes, Record]]]:
    """The same small night in every version: payloads and what fastavro reads from them."""
    nights = {}
    for version in ZTF_VERSIONS:
        packets = simulate_night(NightPlan("ztf", 40, 11, mixture="rich", schema=version))
        nights[version] = [(p.payload, next(iter(fastavro.reader(io.BytesIO(p.payload))))) for p in packets]
    return nights


@pytest.mark.parametrize("version", ZTF_VERSIONS)
def test_every_packet_is_strictly_valid_by_its_own_version(
    version: str, by_version: dict[str, list[tuple[bytes, Record]]]
) -> None:
    schema = fastavro.parse_schema(survey_schema("ztf", version))
    for payload, record in by_version[version]:
        assert record["schemavsn"] == version
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, record, strict=True)
        assert body.getvalue() in payload


@pytest.mark.parametrize("version", ZTF_VERSIONS)
def test_every_packet_is_strictly_valid_by_the_surveys_own_schema(
    version: str, by_version: dict[str, list[tuple[bytes, Record]]], shared_data: Path
) -> None:
    schema = fastavro.schema.load_schema(str(shared_data / "ztf_alerts" / "schemas" / f"ztf_alert_{version}.avsc"))
    for payload, record in by_version[version]:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, record, strict=True)
        assert body.getvalue() in payload
        body.seek(0)
        assert fastavro.schemaless_reader(body, schema, None) == record


def test_versions_differ_by_what_each_has(by_version: dict[str, list[tuple[bytes, Record]]]) -> None:
    for version, night in by_version.items():
        for _, record in night:
            assert ("drb" in record["candidate"]) == (version != "3.2")
            assert ("fp_hists" in record) == version.startswith("4")
    assert any(record["fp_hists"] for _, record in by_version["4.01"])
    assert {record["candidate"]["rbversion"] for _, record in by_version["3.2"]} == {"t8_f5_c3"}


def test_versions_tell_of_the_same_sky(by_version: dict[str, list[tuple[bytes, Record]]]) -> None:
    def told(version: str) -> list[tuple[Any, ...]]:
        return [
            (record["objectId"], record["candid"], record["candidate"]["magpsf"], len(record["prv_candidates"] or []))
            for _, record in by_version[version]
        ]

    assert told("3.2") == told("3.3") == told("4.01") == told("4.02")


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown ZTF schema '3\.9': expected one of 3\.2, 3\.3, 4\.01, 4\.02"):
        simulate_night(NightPlan("ztf", 10, 1, schema="3.9"))
