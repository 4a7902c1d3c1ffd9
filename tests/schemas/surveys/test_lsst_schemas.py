"""Which LSST writer schemas are known, what version they are, and which can be read by the names of their fields."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import PacketError
from schemas.surveys.lsst import REQUIRED_FIELDS, LsstSchemas, missing_fields
from schemas.surveys.tables import LSST_VERSIONS, lsst_schema_id, survey_schema

Schema = dict[str, Any]


def changed(change: Callable[[list[Schema]], object], record: str = "lsst.v11_1.diaSource") -> Schema:
    """The schema of 11.1 with the fields of one of its records changed."""
    schema = copy.deepcopy(survey_schema("lsst", "11.1"))
    change(fields_of(schema, record))
    return schema


def fields_of(schema: Any, record: str) -> list[Schema]:
    found = [part for part in walk(schema) if part.get("name") == record and "fields" in part]
    return found[0]["fields"]


def walk(schema: Any) -> list[Schema]:
    if isinstance(schema, list):
        return [found for part in schema for found in walk(part)]
    if isinstance(schema, dict):
        return [schema, *(found for part in schema.values() for found in walk(part))]
    return []


def rename(name: str) -> Callable[[list[Schema]], object]:
    return lambda fields: next(f for f in fields if f["name"] == name).update(name=f"{name}New")


def retype(name: str, kind: Any) -> Callable[[list[Schema]], object]:
    return lambda fields: next(f for f in fields if f["name"] == name).update(type=kind)


@pytest.mark.parametrize("version", LSST_VERSIONS)
def test_every_known_version_has_all_that_is_required(version: str) -> None:
    assert missing_fields(survey_schema("lsst", version)) == []


def test_the_surveys_own_schemas_have_all_that_is_required(shared_data: Path) -> None:
    files = sorted((shared_data / "lsst_alerts" / "schemas").glob("*.avsc"))
    assert files
    for file in files:
        assert missing_fields(json.loads(file.read_text(encoding="utf-8"))) == [], file.name


@pytest.mark.parametrize("field", sorted(REQUIRED_FIELDS))
def test_a_required_field_under_another_name_is_missing(field: str) -> None:
    top, name = field.split(".")
    record = {"prvDiaSources": "diaSource", "prvDiaForcedSources": "diaForcedSource"}.get(top, top)
    missing = missing_fields(changed(rename(name), f"lsst.v11_1.{record}"))
    shared = {"diaSource.", "prvDiaSources."} if record == "diaSource" else {f"{top}."}
    assert set(missing) == {f"{prefix}{name}" for prefix in shared} & REQUIRED_FIELDS
    assert field in missing


def test_without_a_whole_record_each_of_its_required_fields_is_missing() -> None:
    missing = missing_fields(changed(rename("prvDiaForcedSources"), "lsst.v11_1.alert"))
    assert missing
    assert set(missing) == {field for field in REQUIRED_FIELDS if field.startswith("prvDiaForcedSources.")}


def test_a_field_that_is_not_required_may_go() -> None:
    assert missing_fields(changed(rename("snr"))) == []
    assert missing_fields(changed(rename("mpc_orbits"), "lsst.v11_1.alert")) == []


def test_fields_may_come_in_any_order_and_new_ones_may_be_added() -> None:
    assert missing_fields(changed(list.reverse)) == []
    assert missing_fields(changed(lambda fields: fields.append({"name": "colour", "type": {"type": "string"}}))) == []


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (["null", "float", "double"], None),
        ({"type": "long", "logicalType": "timestamp-micros"}, None),
        (["null", {"type": "int"}], None),
        ("string", "string"),
        (["null", "float", "string"], "float|null|string"),
        ({"type": "array", "items": "float"}, "array"),
        ({"type": "record", "name": "value_with_unit", "fields": [{"name": "value", "type": "float"}]}, "record"),
        ({"type": "enum", "name": "level", "symbols": ["low"]}, "enum"),
    ],
)
def test_a_kept_field_of_another_type_is_taken_where_it_can_be_kept(kind: Any, missing: str | None) -> None:
    expected = [] if missing is None else [f"{path}.snr (now {missing})" for path in ("diaSource", "prvDiaSources")]
    assert missing_fields(changed(retype("snr", kind))) == expected


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    holds_itself = changed(lambda fields: fields.append({"name": "parent", "type": ["null", "lsst.v11_1.diaSource"]}))
    assert missing_fields(holds_itself) == []


@pytest.mark.parametrize(
    ("schema_id", "name", "version"),
    [
        (1102, {"namespace": "lsst.v11_2", "name": "alert"}, "11.2"),
        (1102, {"name": "lsst.v11_2.alert"}, "11.2"),
        (1102, {"name": "alert"}, "11.2"),
        (1200, {"namespace": "rubin", "name": "alert"}, "12.0"),
        (7, {"namespace": "lsst.v11_1", "name": "alert"}, "11.1"),
        (7, {"name": "lsst.v11_1"}, "11.1"),
        (7, {"name": "alert"}, "id 7"),
        (700, {"name": "alert"}, "id 700"),
        (4242, {"namespace": "lsst.v11_1", "name": "alert"}, "11.1"),
    ],
)
def test_a_version_is_what_the_schema_says_else_what_its_id_says(
    schema_id: int, name: dict[str, str], version: str
) -> None:
    schemas = LsstSchemas()
    schemas.add(schema_id, {"type": "record", "fields": [], **name})
    assert schemas.version(schema_id) == version


@pytest.mark.parametrize("version", LSST_VERSIONS)
def test_our_own_tables_give_their_version(version: str) -> None:
    assert LsstSchemas().version(lsst_schema_id(version)) == version


def test_a_schema_is_known_once_it_is_added() -> None:
    schemas = LsstSchemas(advice="ask somebody")
    assert 1101 in schemas
    assert 1200 not in schemas
    with pytest.raises(PacketError, match=r"no LSST schema has id 1200 \(known: 701, .*, 1101\); ask somebody"):
        schemas.schema(1200)
    schemas.add(1200, survey_schema("lsst", "11.1"))
    assert 1200 in schemas
    assert schemas.schema(1200) == survey_schema("lsst", "11.1")
