"""What is kept of each survey's packets: every number, flag and text that any known version has, under its own name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.projection import Kind, Projection, Table
from schemas.surveys.tables import LSST_VERSIONS, ZTF_VERSIONS, survey_schema

_KIND: dict[str, Kind] = {
    "boolean": "int",
    "int": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "string": "span",
    "bytes": "span",
}

Fields = list[tuple[str, Kind]]


def _derive(survey: str, versions: tuple[str, ...], top: tuple[str, ...], arrays: tuple[str, ...]) -> Projection:
    """The union of all versions' fields, newest version's order first.

    `top` are the prefixes kept of the top record: a field's name, or `record.` for all of that record's fields.
    """
    newest_first = [survey_schema(survey, version) for version in reversed(versions)]
    tables = [Table("alert", (), tuple(_united(newest_first, top)))]
    for name in arrays:
        items = [item for schema in newest_first if (item := _items(schema, name)) is not None]
        tables.append(Table(name, (name,), tuple(_united(items, ("",)))))
    return Projection(tuple(tables))


def _united(schemas: list[dict[str, Any]], prefixes: tuple[str, ...]) -> Iterator[tuple[str, Kind]]:
    """Fields of any of the schemas, by first appearance; a whole number in one and a float in another is a float."""
    found: dict[str, Kind] = {}
    for schema in schemas:
        named: dict[str, Any] = {}
        for name, primitive in _leaves(schema, "", named):
            if name in prefixes or any(prefix[-1:] in ("", ".") and name.startswith(prefix) for prefix in prefixes):
                kind = _KIND[primitive]
                known = found.setdefault(name, kind)
                if {known, kind} == {"int", "float"}:
                    found[name] = "float"
                elif known != kind:
                    raise ValueError(f"{name} is {known} in one version and {kind} in another")
    yield from found.items()


def _leaves(schema: Any, prefix: str, named: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Dotted names and primitive types below a record, arrays left out."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _leaves(branch, prefix, named)
    elif isinstance(schema, str):
        if schema in named:
            yield from _leaves(named[schema], prefix, named)
        elif schema != "null":
            yield prefix, schema
    elif schema["type"] == "record":
        named[schema["name"]] = schema
        for field in schema["fields"]:
            yield from _leaves(field["type"], f"{prefix}.{field['name']}" if prefix else field["name"], named)
    elif schema["type"] == "array":
        for _ in _leaves(schema["items"], prefix, named):  # its records may be met again by name
            pass
    else:
        yield prefix, schema["type"]


def _items(schema: dict[str, Any], name: str) -> Any:
    """The record that the array `name` of the top record holds; None where this version has no such array."""
    named: dict[str, Any] = {}
    for _ in _leaves(schema, "", named):
        pass
    for field in schema["fields"]:
        if field["name"] == name:
            branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
            items = next(branch["items"] for branch in branches if branch != "null")
            return named[items] if isinstance(items, str) else items
    return None


LSST_PROJECTION = _derive(
    "lsst",
    LSST_VERSIONS,
    (
        "diaSourceId",
        "alertId",
        "diaSource.",
        "diaObject.",
        "ssSource.ssObjectId",
        "ssObject.ssObjectId",
        "cutoutDifference",
        "cutoutScience",
        "cutoutTemplate",
    ),
    ("prvDiaSources", "prvDiaForcedSources", "prvDiaNondetectionLimits"),
)
"""LSST 7.1 to 11.1: tables `alert`, `prvDiaSources`, `prvDiaForcedSources`, `prvDiaNondetectionLimits` (v7).

Names are each version's own; times that v7 and v8 give as timestamps are whole microseconds."""

ZTF_PROJECTION = _derive(
    "ztf",
    ZTF_VERSIONS,
    (
        "schemavsn",
        "publisher",
        "objectId",
        "candid",
        "candidate.",
        "cutoutScience.stampData",
        "cutoutTemplate.stampData",
        "cutoutDifference.stampData",
    ),
    ("prv_candidates", "fp_hists"),
)
"""ZTF 3.2 to 4.02: tables `alert`, `prv_candidates`, `fp_hists` (since 4.01)."""
