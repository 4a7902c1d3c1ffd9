"""Columns are exactly what fastavro gives: on real packets, on random records of every version, on random schemas."""

from __future__ import annotations

import json
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas.codec import read_container, read_frame
from schemas.projection import CannotCompile, DecodeError, Projection, RowArena, Table, compile_program
from schemas.projection import arena as arena_module
from schemas.surveys.projections import LSST_PROJECTION, ZTF_PROJECTION
from schemas.surveys.tables import LSST_VERSIONS, ZTF_VERSIONS, survey_schema
from streamer.bench.random_records import Shape, random_record
from tests.schemas.projection.reading import assert_same, read_whole, written

VERSIONS = [("lsst", version) for version in LSST_VERSIONS] + [("ztf", version) for version in ZTF_VERSIONS]
PROJECTIONS = {"lsst": LSST_PROJECTION, "ztf": ZTF_PROJECTION}
PROGRAMS = {
    (survey, version): compile_program(survey_schema(survey, version), PROJECTIONS[survey])
    for survey, version in VERSIONS
}


@pytest.mark.parametrize(("survey", "version"), VERSIONS)
@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32),
    null_share=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    array_length=st.integers(0, 4),
    bytes_length=st.sampled_from([0, 1, 300]),
)
def test_random_records_of_every_version_are_as_fastavro_reads_them(
    survey: str, version: str, seed: int, null_share: float, array_length: int, bytes_length: int
) -> None:
    schema = survey_schema(survey, version)
    shape = Shape(null_share, array_length, bytes_length)
    body = written(schema, random_record(schema, np.random.default_rng(seed), shape))
    arena = RowArena(PROJECTIONS[survey])
    arena.decode(PROGRAMS[survey, version], body)
    assert_same(arena, PROJECTIONS[survey], read_whole(schema, body))


@pytest.mark.parametrize(("survey", "version"), [("lsst", "11.1"), ("lsst", "7.1"), ("ztf", "4.02")])
def test_a_history_of_thousands_of_rows_is_whole(survey: str, version: str) -> None:
    schema = survey_schema(survey, version)
    record = random_record(schema, np.random.default_rng(1), Shape(null_share=0.0, array_length=40))
    record.update({name: value * 250 for name, value in record.items() if isinstance(value, list)})
    arena = RowArena(PROJECTIONS[survey])
    arena.decode(PROGRAMS[survey, version], written(schema, record))
    table, name = ("prvDiaSources", "midpointMjdTai") if survey == "lsst" else ("prv_candidates", "jd")
    assert len(record[table]) == 10_000
    np.testing.assert_array_equal(arena[table].column(name), [row[name] for row in record[table]])


@pytest.mark.parametrize("first_rows", [1, arena_module.FIRST_ROWS])
def test_packets_follow_one_another_in_one_arena_and_a_cleared_arena_starts_anew(
    first_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arena_module, "FIRST_ROWS", first_rows)
    monkeypatch.setattr(arena_module, "FIRST_PACKETS", first_rows)
    schema = survey_schema("lsst", "10.0")
    rng = np.random.default_rng(7)
    bodies = [written(schema, random_record(schema, rng, Shape(0.3, k % 5))) for k in range(150)]
    arena = RowArena(LSST_PROJECTION)
    for _ in range(2):
        arena.clear()
        assert arena.n_packets == 0
        assert len(arena["alert"]) == 0
        for body in bodies:
            arena.decode(PROGRAMS["lsst", "10.0"], body)
        assert arena.n_packets == len(bodies)
        for packet in range(0, 150, 7):
            assert_same(arena, LSST_PROJECTION, read_whole(schema, bodies[packet]), packet)


def test_the_fastavro_fallback_fills_the_same_columns() -> None:
    for survey, version in VERSIONS:
        schema, projection = survey_schema(survey, version), PROJECTIONS[survey]
        body = written(schema, random_record(schema, np.random.default_rng(3), Shape(0.3, 70)))
        compiled, fallback = RowArena(projection), RowArena(projection)
        compiled.decode(PROGRAMS[survey, version], body)
        fallback.append_record(read_whole(schema, body))
        assert_same(fallback, projection, read_whole(schema, body))
        for table in projection.tables:
            one, other = compiled[table.name], fallback[table.name]
            np.testing.assert_array_equal(one.floats, other.floats)
            np.testing.assert_array_equal(one.ints, other.ints)
            np.testing.assert_array_equal(one.is_null, other.is_null)
            np.testing.assert_array_equal(one.offsets, other.offsets)


def test_every_real_lsst_packet_is_as_fastavro_reads_it(shared_data: Path) -> None:
    folder = shared_data / "lsst_alerts"
    programs: dict[int, Any] = {}
    packets = sorted(folder.glob("v*/*.bin"))
    assert packets
    arena = RowArena(LSST_PROJECTION)
    for path in packets:
        payload = path.read_bytes()
        schema_id, start = read_frame(payload)
        schema = json.loads((folder / "schemas" / f"{schema_id}.avsc").read_text())
        if schema_id not in programs:
            programs[schema_id] = compile_program(schema, LSST_PROJECTION)
        arena.clear()
        arena.decode(programs[schema_id], payload, start)
        record = read_whole(schema, payload[start:])
        assert_same(arena, LSST_PROJECTION, record)


def test_every_real_ztf_packet_is_as_fastavro_reads_it(shared_data: Path) -> None:
    programs: dict[str, Any] = {}
    arena = RowArena(ZTF_PROJECTION)
    count = 0
    for path in sorted((shared_data / "ztf_alerts").glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                assert stream is not None
                body = read_container(stream.read())
                if body.schema_key not in programs:
                    programs[body.schema_key] = compile_program(body.schema, ZTF_PROJECTION)
                arena.clear()
                arena.decode(programs[body.schema_key], body.buffer, body.start, body.end)
                assert_same(arena, ZTF_PROJECTION, read_whole(body.schema, body.buffer[body.start : body.end]))
                count += 1
    assert count


PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"]


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A record of random nested types, as no survey sends them."""
    names = iter(range(10_000))

    def any_type(depth: int, in_union: bool = False) -> Any:
        nested = ["record", "array", "map", "fixed", "enum"] + ([] if in_union else ["union", "union"])
        kind = draw(st.sampled_from(PRIMITIVES + (nested if depth < 4 else [])))
        if kind == "record":
            fields = [{"name": f"f{k}", "type": any_type(depth + 1)} for k in range(draw(st.integers(0, 4)))]
            return {"type": "record", "name": f"R{next(names)}", "fields": fields}
        if kind == "array":
            # Items of no bytes at all are refused by us beyond the packet's length, see test_hostile.
            return {"type": "array", "items": ["null", "int"] if draw(st.booleans()) else any_type(depth + 1)}
        if kind == "map":
            return {"type": "map", "values": any_type(depth + 1)}
        if kind == "fixed":
            return {"type": "fixed", "name": f"F{next(names)}", "size": draw(st.integers(0, 9))}
        if kind == "enum":
            return {"type": "enum", "name": f"E{next(names)}", "symbols": ["A", "B", "C"]}
        if kind == "union":
            branches: dict[str, Any] = {}
            for branch in (any_type(depth + 1, True) for _ in range(draw(st.integers(1, 4)))):
                branches[branch if isinstance(branch, str) else branch["type"]] = branch
            return list(branches.values())
        return kind

    fields = [{"name": f"f{k}", "type": any_type(0)} for k in range(draw(st.integers(1, 6)))]
    return {"type": "record", "name": "top", "fields": fields}


def _kept(schema: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Leaves of a schema that a projection could keep, with a kind that fits."""
    if isinstance(schema, list):
        found = [leaf for branch in schema for leaf in _kept(branch, prefix)]
        kinds = {kind for name, kind in found if name == ".".join(prefix)}
        inner = [(name, kind) for name, kind in found if name != ".".join(prefix)]
        if inner and any(branch != "null" and not _is_record(branch) for branch in schema):
            return []  # a field below something that is no record in another branch
        if kinds == {"float", "int"}:
            kinds = {"float"}
        return inner + [(".".join(prefix), kind) for kind in kinds if len(kinds) == 1 and not inner]
    if _is_record(schema):
        return [leaf for field in schema["fields"] for leaf in _kept(field["type"], (*prefix, field["name"]))]
    name = schema if isinstance(schema, str) else schema["type"]
    kind = {"int": "int", "long": "int", "boolean": "int", "float": "float", "double": "float"}.get(name)
    if name in ("string", "bytes", "fixed"):
        kind = "span"
    return [(".".join(prefix), kind)] if kind else []


def _is_record(schema: Any) -> bool:
    return isinstance(schema, dict) and schema["type"] == "record"


@settings(max_examples=150)
@given(schema=schemas(), seed=st.integers(0, 2**32), data=st.data())
def test_random_schemas_are_read_as_fastavro_reads_them(schema: dict[str, Any], seed: int, data: st.DataObject) -> None:
    tables = [Table("top", (), tuple({**dict(_kept(schema)), "absent": "float", "none.such": "span"}.items()))]  # type: ignore[arg-type]
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, dict) and kind["type"] == "array" and _is_record(kind["items"]):
            leaves = tuple(dict(_kept(kind["items"])).items())
            tables.append(Table(field["name"], (field["name"],), leaves))  # type: ignore[arg-type]
    projection = Projection(tuple(tables))
    body = written(schema, random_record(schema, np.random.default_rng(seed), Shape(0.3, data.draw(st.integers(0, 3)))))
    try:
        program = compile_program(schema, projection)
    except CannotCompile:
        event("not compiled")
        assert _is_mixed(schema)
        return
    arena = RowArena(projection)
    try:
        arena.decode(program, body)
    except DecodeError:
        event("refused")
        # Only items of no bytes may be refused, when they are more than the packet has bytes.
        assert _has_empty_items(schema)
        return
    event("compared")
    assert_same(arena, projection, read_whole(schema, body))


def _walk(schema: Any) -> Any:
    yield schema
    if isinstance(schema, list):
        for branch in schema:
            yield from _walk(branch)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            yield from _walk(field["type"])
        for part in ("items", "values"):
            if part in schema:
                yield from _walk(schema[part])


def _is_mixed(schema: Any) -> bool:
    """Whether a union mixes kinds, or an enum with what can be kept: the fallback is for these."""
    return any(isinstance(part, list) and len([b for b in part if b != "null"]) > 1 for part in _walk(schema))


def _has_empty_items(schema: Any) -> bool:
    def least(part: Any) -> int:
        if part == "null":
            return 0
        if isinstance(part, dict) and part["type"] == "record":
            return sum(least(field["type"]) for field in part["fields"])
        if isinstance(part, dict) and part["type"] == "fixed":
            return int(part["size"])
        return 1

    return any(
        isinstance(part, dict) and part["type"] == "array" and least(part["items"]) == 0 for part in _walk(schema)
    )


def _long(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


ITEM = {"type": "record", "name": "item", "fields": [{"name": "x", "type": "double"}, {"name": "s", "type": "string"}]}
BLOCKS_SCHEMA = {
    "type": "record",
    "name": "top",
    "fields": [
        {"name": "skipped", "type": {"type": "map", "values": "int"}},
        {"name": "rows", "type": ["null", {"type": "array", "items": ITEM}]},
        {"name": "tail", "type": "long"},
    ],
}
BLOCKS = Projection((Table("top", (), (("tail", "int"),)), Table("rows", ("rows",), (("s", "span"), ("x", "float")))))


def test_blocks_with_negative_counts_and_several_blocks_are_read() -> None:
    def item(x: float, s: str) -> bytes:
        return struct.pack("<d", x) + _long(len(s.encode())) + s.encode()

    first, second = item(1.5, "ü") + item(-2.5, ""), item(3.5, "z")
    sized_map = _long(1) + b"k" + _long(9)
    body = (
        _long(-1) + _long(len(sized_map)) + sized_map + _long(0)
        + _long(1) + _long(-2) + _long(len(first)) + first + _long(1) + second + _long(0)
        + _long(-(2**63))
    )  # fmt: skip
    arena = RowArena(BLOCKS)
    arena.decode(compile_program(BLOCKS_SCHEMA, BLOCKS), body)
    record = read_whole(BLOCKS_SCHEMA, body)
    assert [row["x"] for row in record["rows"]] == [1.5, -2.5, 3.5]
    assert_same(arena, BLOCKS, record)
    assert arena["top"].column("tail")[0] == -(2**63)


def test_an_array_of_nullable_records_gives_empty_rows_for_its_nulls() -> None:
    schema = {
        "type": "record",
        "name": "top",
        "fields": [
            {"name": "rows", "type": {"type": "array", "items": ["null", ITEM]}},
            {"name": "tail", "type": "int"},
        ],
    }
    body = written(schema, {"rows": [None, {"x": 1.0, "s": "a"}, None], "tail": 4})
    arena, fallback = RowArena(BLOCKS), RowArena(BLOCKS)
    arena.decode(compile_program(schema, BLOCKS), body)
    fallback.append_record(read_whole(schema, body))
    for found in (arena, fallback):
        np.testing.assert_array_equal(found["rows"].column("x"), [np.nan, 1.0, np.nan])
        assert found["rows"].is_null.tolist() == [[True, True], [False, False], [True, True]]
        assert found["top"].column("tail").tolist() == [4]


def test_the_null_branch_may_come_second_and_branches_may_be_written_longer_than_need_be() -> None:
    schema = {
        "type": "record",
        "name": "top",
        "fields": [{"name": "a", "type": ["float", "null"]}, {"name": "b", "type": ["null", "float"]}],
    }
    projection = Projection((Table("top", (), (("a", "float"), ("b", "float"))),))
    program = compile_program(schema, projection)
    value = struct.pack("<f", 2.5)
    for body, wanted in [
        (b"\x00" + value + b"\x00", [2.5, None]),
        (b"\x02\x02" + value, [None, 2.5]),
        (b"\x80\x00" + value + b"\x82\x80\x00" + value, [2.5, 2.5]),
    ]:
        arena = RowArena(projection)
        arena.decode(program, body)
        record = read_whole(schema, body)
        assert list(record.values()) == wanted
        assert_same(arena, projection, record)
