"""Bytes that are no packet are refused at once, without a read past their end and without memory by their claim."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from schemas.projection import DecodeError, Program, Projection, RowArena, Table, compile_program, kernel
from schemas.surveys.projections import LSST_PROJECTION, ZTF_PROJECTION
from schemas.surveys.tables import survey_schema
from streamer.bench.random_records import Shape, random_record
from tests.schemas.projection.reading import assert_same, read_whole, written

PROJECTIONS = {"lsst": LSST_PROJECTION, "ztf": ZTF_PROJECTION}
CASES = [("lsst", "11.1"), ("lsst", "7.4"), ("ztf", "4.02")]


def _packet(survey: str, version: str) -> tuple[Any, bytes]:
    schema = survey_schema(survey, version)
    return schema, written(schema, random_record(schema, np.random.default_rng(11), Shape(0.2, 3)))


@pytest.mark.parametrize(("survey", "version"), CASES)
def test_a_packet_cut_at_any_byte_is_refused_though_the_bytes_beyond_are_there(survey: str, version: str) -> None:
    schema, body = _packet(survey, version)
    projection = PROJECTIONS[survey]
    program = compile_program(schema, projection)
    arena = RowArena(projection)
    arena.decode(program, body)
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            arena.decode(program, body, 0, end)
        with pytest.raises(DecodeError):
            arena.decode(program, body[:end])
    assert arena.n_packets == 1
    assert_same(arena, projection, read_whole(schema, body))
    arena.decode(program, body)
    assert_same(arena, projection, read_whole(schema, body), 1)


@pytest.mark.parametrize(("survey", "version"), CASES)
def test_flipped_bytes_are_refused_or_read_as_fastavro_reads_them(survey: str, version: str) -> None:
    schema, body = _packet(survey, version)
    parsed = fastavro.parse_schema(schema)
    projection = PROJECTIONS[survey]
    program = compile_program(schema, projection)
    rng = np.random.default_rng(5)
    arena = RowArena(projection)
    agreed = refused = 0
    for _ in range(600):
        flipped = bytearray(body)
        for place in rng.integers(len(body), size=int(rng.integers(1, 4))):
            flipped[place] ^= 1 << int(rng.integers(8))
        stream = io.BytesIO(bytes(flipped))
        try:
            record: Any = fastavro.schemaless_reader(stream, parsed, None)
        except Exception as error:  # noqa: BLE001
            record = error
        refusal = _refusal(arena, program, bytes(flipped))
        if refusal:
            # We alone refuse: bytes left over, branches counted from the end, integers of more than 64 bits.
            ours = ("left over", "union branch", "64 bits")
            assert isinstance(record, Exception) or any(word in refusal for word in ours), refusal
            assert arena.n_packets == 0
            refused += 1
        elif isinstance(record, Exception):
            assert isinstance(record, UnicodeDecodeError), record
        else:
            assert_same(arena, projection, record)
            agreed += 1
    assert agreed > 50
    assert refused > 10


def _refusal(arena: RowArena, program: Program, body: bytes) -> str:
    """Why the only packet of a cleared arena is refused; empty if it is not."""
    arena.clear()
    try:
        arena.decode(program, body)
    except DecodeError as error:
        return str(error)
    return ""


def _number(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _one_field(kind: Any) -> Any:
    return {"type": "record", "name": "top", "fields": [{"name": "a", "type": kind}]}


EMPTY_ITEM = {"type": "record", "name": "empty", "fields": []}
ROW = {"type": "record", "name": "row", "fields": [{"name": "x", "type": "boolean"}]}
NOTHING = Projection((Table("top", (), ()),))
TEXT = Projection((Table("top", (), (("a", "span"),)),))
NUMBER = Projection((Table("top", (), (("a", "int"),)),))
ROWS = Projection((Table("rows", ("a",), (("x", "int"), ("y", "float"))),))


@pytest.mark.parametrize(
    ("kind", "projection", "body", "message"),
    [
        ({"type": "array", "items": "null"}, NOTHING, _number(2**60) + b"\0", "more items"),
        ({"type": "array", "items": EMPTY_ITEM}, ROWS, _number(2**60) + b"\0", "more items"),
        ({"type": "array", "items": ROW}, ROWS, _number(2**60) + b"\0" * 50, "more items"),
        ({"type": "array", "items": ROW}, ROWS, _number(-(2**63)) + _number(1) + b"\0" * 50, "more items"),
        ({"type": "array", "items": {"type": "array", "items": "null"}}, NOTHING, _number(10**9), "more items"),
        ({"type": "map", "values": "null"}, NOTHING, _number(2**62) + b"\0" * 9, "more items"),
        ("string", TEXT, _number(2**62) + b"abc", "ends inside"),
        ("string", TEXT, _number(-4) + b"abcdefgh", "length"),
        ("bytes", NOTHING, _number(2**63 - 1), "ends inside"),
        ("long", NUMBER, b"\xff" * 10 + b"\x01", "64 bits"),
        ("long", NUMBER, b"\xff" * 9 + b"\x02", "64 bits"),
        ("long", NUMBER, b"\x80" * 5000, "64 bits"),
        ("long", NUMBER, b"", "ends inside"),
        (["null", "long"], NUMBER, b"\x04\x00", "branch"),
        (["null", "long"], NUMBER, b"\x01\x00", "branch"),
        (["null", "int", "long"], NUMBER, b"\x06\x00", "branch"),
        (["null", "int", "long"], NUMBER, b"\x01\x00", "branch"),
        ({"type": "fixed", "name": "f", "size": 2**39}, TEXT, b"abc", "ends inside"),
        ({"type": "fixed", "name": "f", "size": 2**39}, NOTHING, b"abc", "ends inside"),
        ("boolean", NUMBER, b"\x01\x00", "left over"),
    ],
)
def test_hostile_claims_are_refused_quickly(kind: Any, projection: Projection, body: bytes, message: str) -> None:
    program = compile_program(_one_field(kind), projection)
    arena = RowArena(projection)
    begun = time.perf_counter()
    with pytest.raises(DecodeError, match=message):
        arena.decode(program, body)
    assert time.perf_counter() - begun < 1.0  # the claims would take years
    assert arena.n_packets == 0
    assert all(len(arena[table.name]) == 0 for table in projection.tables)


def test_rows_of_one_packet_are_bounded() -> None:
    program = compile_program(_one_field({"type": "array", "items": ROW}), ROWS)
    arena = RowArena(ROWS)
    fits = kernel.MAX_ROWS
    arena.decode(program, _number(fits) + b"\1" * fits + b"\0")
    assert len(arena["rows"]) == fits
    with pytest.raises(DecodeError, match="more rows"):
        arena.decode(program, _number(fits) + b"\1" * fits + _number(1) + b"\1\0")
    assert len(arena["rows"]) == fits


def test_a_boolean_of_any_other_byte_is_true_as_fastavro_has_it() -> None:
    program = compile_program(_one_field("boolean"), NUMBER)
    for byte, wanted in ((0, 0), (1, 1), (2, 1), (255, 1)):
        arena = RowArena(NUMBER)
        arena.decode(program, bytes([byte]))
        assert arena["top"].column("a").tolist() == [wanted]
        assert read_whole(_one_field("boolean"), bytes([byte])) == {"a": bool(wanted)}


def test_nothing_is_read_beyond_the_end_of_the_packet() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs mprotect")
    checkout = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "tests.schemas.projection.guard_page"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.removeprefix("refused ")) > 1000


def test_a_body_outside_the_payload_is_refused() -> None:
    program = compile_program(_one_field("boolean"), NUMBER)
    for start, end in ((0, 5), (-1, 1), (2, 1), (4, None)):
        with pytest.raises(DecodeError, match="outside"):
            RowArena(NUMBER).decode(program, b"\1\1", start, end)
