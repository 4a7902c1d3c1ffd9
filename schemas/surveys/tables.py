"""The surveys' own record layouts, as tables of facts: field names, order, types, nullability.

A table file holds one `record NAME` block for each record, the top record first, and a line `field type` for each
field. A type is an Avro primitive (`long@timestamp-millis` with its logical type), the NAME of a record, `[type]` for
an array, or a union written `a|b`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
"""Avro's primitive type names."""

LSST_VERSIONS: tuple[str, ...] = ("7.1", "7.2", "7.3", "7.4", "8.0", "9.0", "10.0", "11.0", "11.1")
"""LSST alert versions whose layout is known without a registry, oldest first."""

ZTF_VERSIONS: tuple[str, ...] = ("3.2", "3.3", "4.01", "4.02")
"""ZTF alert versions whose layout is known (reading needs none: a ZTF packet carries its schema)."""

Schema = dict[str, Any]


@cache
def survey_schema(survey: str, version: str) -> Schema:
    """The Avro schema of a survey's alert version, from our tables; KeyError where the version is not known."""
    name = f"{survey}_v{version.replace('.', '_')}.table"
    file = resources.files("schemas.surveys").joinpath("layouts").joinpath(name)
    if not file.is_file():
        raise KeyError(f"no table of {survey} alerts version {version}")
    return parse_table(file.read_text(encoding="utf-8"))


def lsst_schema_id(version: str) -> int:
    """The writer's id of an LSST alert version, MAJOR * 100 + MINOR: '11.1' -> 1101."""
    major, minor = version.split(".")
    return int(major) * 100 + int(minor)


def parse_table(text: str) -> Schema:
    """Builds the Avro schema of a table's first record; ValueError on a line that cannot be read."""
    records: dict[str, list[tuple[str, str]]] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        words = raw.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 2:
            raise ValueError(f"line {number}: expected 'record NAME' or 'field type', found {raw!r}")
        if words[0] == "record" and not raw.startswith(" "):
            records[words[1]] = []
        elif not records:
            raise ValueError(f"line {number}: a field before the first 'record NAME'")
        else:
            records[next(reversed(records))].append((words[0], words[1]))
    return _record(next(iter(records)), records, set())


def _record(name: str, records: dict[str, list[tuple[str, str]]], defined: set[str]) -> Schema:
    defined.add(name)
    fields = [{"name": field, "type": _type(kind, records, defined)} for field, kind in records[name]]
    return {"type": "record", "name": name, "fields": fields}


def _type(text: str, records: dict[str, list[tuple[str, str]]], defined: set[str]) -> Any:
    if "|" in text:
        return [_type(part, records, defined) for part in text.split("|")]
    if text.startswith("["):
        return {"type": "array", "items": _type(text[1:-1], records, defined)}
    if "@" in text:
        primitive, logical = text.split("@")
        return {"type": primitive, "logicalType": logical}
    if text in PRIMITIVES or text in defined:
        return text
    return _record(text, records, defined)
