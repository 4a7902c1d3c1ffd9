"""Our tables of the surveys' layouts are the surveys' own; what is kept is all that they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.surveys.projections import LSST_PROJECTION, ZTF_PROJECTION
from schemas.surveys.tables import LSST_VERSIONS, ZTF_VERSIONS, lsst_schema_id, parse_table, survey_schema


def _plain(schema: Any, named: dict[str, Any], top: str = "") -> Any:
    """A schema without docs, names, namespaces and defaults: field names, order, types and nullability."""
    if isinstance(schema, list):
        return [_plain(branch, named) for branch in schema]
    if isinstance(schema, str):
        return named.get(schema, schema)
    if schema["type"] == "record":
        plain = [(field["name"], _plain(field["type"], named)) for field in schema["fields"]]
        named[schema["name"]] = plain
        return plain
    if schema["type"] == "array":
        return {"array": _plain(schema["items"], named)}
    if set(schema) - {"type", "logicalType", "doc", "default"}:
        raise AssertionError(f"unexpected {schema}")
    if schema.get("logicalType"):
        return f"{schema['type']}@{schema['logicalType']}"
    return _plain(schema["type"], named)


def _layout(schema: Any) -> Any:
    return _plain(fastavro.parse_schema(schema), {})


@pytest.mark.parametrize("version", LSST_VERSIONS)
def test_lsst_layouts_are_those_of_the_surveys_package(version: str) -> None:
    packet = pytest.importorskip("lsst.alert.packet", reason="needs lsst-alert-packet")
    major, minor = version.split(".")
    path = packet.get_schema_path(int(major), int(minor))
    theirs = packet.Schema.from_file(str(Path(path) / f"lsst.v{major}_{minor}.alert.avsc")).definition
    assert _layout(survey_schema("lsst", version)) == _layout(theirs)


def test_layouts_are_those_of_the_schemas_beside_the_real_packets(shared_data: Path) -> None:
    checked = 0
    for version in LSST_VERSIONS:
        path = shared_data / "lsst_alerts" / "schemas" / f"{lsst_schema_id(version)}.avsc"
        if path.is_file():
            assert _layout(survey_schema("lsst", version)) == _layout(json.loads(path.read_text())), version
            checked += 1
    assert checked >= 5


def test_schema_ids_are_major_times_hundred_plus_minor() -> None:
    assert [lsst_schema_id(version) for version in ("7.4", "9.0", "10.0", "11.1")] == [704, 900, 1000, 1101]


def test_an_unknown_version_is_a_key_error() -> None:
    with pytest.raises(KeyError, match=r"12\.0"):
        survey_schema("lsst", "12.0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("record top\n  a int extra", "line 2"),
        ("record top\n\n  a", "line 3"),
        ("  a int\n", "before the first"),
    ],
)
def test_a_table_line_that_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_table(text)


def test_a_table_becomes_a_schema() -> None:
    text = "# remark\nrecord top\n  a null|long@timestamp-micros  # when\n  rows null|[item]\n  last item\n"
    text += "record item\n  x float"
    schema = parse_table(text)
    fastavro.parse_schema(schema)
    item = [("x", "float")]
    assert _layout(schema) == [
        ("a", ["null", "long@timestamp-micros"]),
        ("rows", ["null", {"array": item}]),
        ("last", item),
    ]


def _numbers_and_texts(schema: Any) -> set[str]:
    named: dict[str, Any] = {}

    def leaves(part: Any, prefix: str) -> set[str]:
        if isinstance(part, list):
            return {leaf for branch in part for leaf in leaves(branch, prefix)}
        if isinstance(part, str):
            return leaves(named[part], prefix) if part in named else ({prefix} - {""} if part != "null" else set())
        if part["type"] == "record":
            named[part["name"]] = part
            return {leaf for f in part["fields"] for leaf in leaves(f["type"], f"{prefix}.{f['name']}".strip("."))}
        if part["type"] == "array":
            return {f"{prefix}[]{leaf}" for leaf in leaves(part["items"], "")}
        return {prefix}

    return leaves(schema, "")


@pytest.mark.parametrize(
    ("survey", "version"), [("lsst", v) for v in LSST_VERSIONS] + [("ztf", v) for v in ZTF_VERSIONS]
)
def test_every_number_flag_and_text_of_a_source_an_object_and_the_histories_is_kept(survey: str, version: str) -> None:
    kept = {
        f"{'.'.join(table.path)}[]{name}" if table.path else name
        for table in (LSST_PROJECTION if survey == "lsst" else ZTF_PROJECTION).tables
        for name, _ in table.fields
    }
    left_out = _numbers_and_texts(survey_schema(survey, version)) - kept
    if survey == "ztf":
        assert left_out <= {f"cutout{stamp}.fileName" for stamp in ("Science", "Template", "Difference")}
    else:
        orbit = ("ssSource.", "ssObject.", "MPCORB.", "mpc_orbits.", "observation_reason", "target_name")
        assert not [name for name in left_out if not name.startswith(orbit)]


def test_a_field_that_is_whole_here_and_real_there_is_kept_as_a_float() -> None:
    kinds: dict[tuple[str, str], set[str]] = {}
    for survey, versions in (("lsst", LSST_VERSIONS), ("ztf", ZTF_VERSIONS)):
        for version in versions:
            for name, kind in _top_numbers(survey_schema(survey, version)):
                kinds.setdefault((survey, name), set()).add(kind)
    kept = {("lsst", n): k for t in LSST_PROJECTION.tables if not t.path for n, k in t.fields}
    kept |= {("ztf", n): k for t in ZTF_PROJECTION.tables if not t.path for n, k in t.fields}
    for key, found in kinds.items():
        if key in kept:
            assert kept[key] == ("float" if "float" in found else "int"), key


def _top_numbers(schema: Any) -> list[tuple[str, str]]:
    found = []
    named: dict[str, Any] = {}
    for field in schema["fields"]:
        for branch in field["type"] if isinstance(field["type"], list) else [field["type"]]:
            record = named.get(branch) if isinstance(branch, str) else branch
            if record and record["type"] == "array":
                record = record["items"]
            if record and isinstance(record, dict) and record["type"] == "record":
                named[record["name"]] = record
                for inner in record["fields"]:
                    kinds = inner["type"] if isinstance(inner["type"], list) else [inner["type"]]
                    for kind in (k if isinstance(k, str) else k["type"] for k in kinds):
                        if kind in ("int", "long", "boolean", "float", "double"):
                            real = "float" if kind in ("float", "double") else "int"
                            found.append((f"{field['name']}.{inner['name']}", real))
    return found
