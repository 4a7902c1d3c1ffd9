"""What the compiler takes and what it leaves to fastavro; and what the arena does around the compiled call."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from schemas.projection import (
    CannotCompile,
    DecodeError,
    Projection,
    RowArena,
    Table,
    compile_program,
    kernel,
    warm_up,
)
from schemas.projection.program import MAX_VALUES


def _record(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "top", "fields": [{"name": name, "type": kind} for name, kind in fields]}


def _keep(name: str, kind: Any) -> Projection:
    return Projection((Table("top", (), ((name, kind),)),))


ENUM = {"type": "enum", "name": "e", "symbols": ["A", "B"]}


@pytest.mark.parametrize(
    ("schema", "projection", "message"),
    [
        (_record(("a", "double")), _keep("a", "int"), "cannot be kept as int"),
        (_record(("a", ["null", "float"])), _keep("a", "int"), "cannot be kept as int"),
        (_record(("a", "string")), _keep("a", "float"), "cannot be kept as float"),
        (_record(("a", "boolean")), _keep("a", "float"), "cannot be kept as float"),
        (_record(("a", ["null", "int", "string"])), _keep("a", "int"), "cannot be kept as int"),
        (_record(("a", ENUM)), _keep("a", "span"), "cannot be kept as span"),
        (_record(("a", {"type": "array", "items": "int"})), _keep("a", "int"), "items cannot be kept"),
        (_record(("a", "int")), _keep("a.b", "int"), "fields below it are wanted"),
        (_record(("a", _record(("b", "int")) | {"name": "r"})), _keep("a", "int"), "is a record"),
        (_record(("a", ["null", "top"])), _keep("b", "int"), "holds itself"),
        (_record(("a", {"type": "array", "items": "top"})), _keep("b", "int"), "holds itself"),
        (_record(("a", "nosuch")), _keep("a", "int"), "cannot be read"),
        ({"type": "nosuch"}, _keep("a", "int"), "cannot be read"),
        (_record(("a", {"type": "fixed", "name": "f", "size": -1})), _keep("a", "span"), "fixed type of -1"),
        (_record(("a", {"type": "fixed", "name": "f", "size": 1 << 60})), _keep("b", "span"), "fixed type of"),
        (
            _record(("rows", {"type": "map", "values": "int"})),
            Projection((Table("rows", ("rows",), ()),)),
            "items cannot be kept",
        ),
        (_record(("rows", "int")), Projection((Table("rows", ("rows",), ()),)), "fields below it are wanted"),
        (
            _record(("rows", {"type": "array", "items": "int"})),
            Projection((Table("rows", ("rows",), (("x", "int"),)),)),
            "fields below it are wanted",
        ),
    ],
)
def test_what_the_interpreter_cannot_take_is_said(schema: Any, projection: Projection, message: str) -> None:
    with pytest.raises(CannotCompile, match=message):
        compile_program(schema, projection)


def test_a_schema_that_unfolds_without_end_is_refused_quickly() -> None:
    inner: Any = {"type": "record", "name": "r0", "fields": [{"name": "x", "type": "null"}]}
    for k in range(1, 64):
        name = inner["name"]
        inner = {
            "type": "record",
            "name": f"r{k}",
            "fields": [{"name": "a", "type": inner}, {"name": "b", "type": name}],
        }
    with pytest.raises(CannotCompile, match="too many values"):
        compile_program(inner, _keep("none", "int"))
    assert MAX_VALUES < 1 << 20


def test_a_schema_nested_too_deep_is_refused() -> None:
    kind: Any = "int"
    for _ in range(kernel.MAX_DEPTH + 1):
        kind = {"type": "array", "items": kind}
    with pytest.raises(CannotCompile, match="nested too deep"):
        compile_program(_record(("a", kind)), _keep("b", "int"))
    for _ in range(3000):
        kind = {"type": "array", "items": kind}
    with pytest.raises(CannotCompile):
        compile_program(_record(("a", kind)), _keep("b", "int"))


def test_the_fallback_refuses_values_that_a_column_cannot_hold_and_leaves_the_arena_as_it_was() -> None:
    projection = Projection(
        (Table("top", (), (("f", "float"), ("s", "span"))), Table("rows", ("rows",), (("i", "int"),)))
    )
    arena = RowArena(projection)
    arena.append_record({"f": 1, "s": b"ab", "rows": [{"i": True}, {"i": -(2**63)}]})
    for bad in (
        {"f": "1.0"},
        {"f": True},
        {"s": 3},
        {"f": 1.0, "rows": [{"i": 1}, {"i": 1.5}]},
        {"rows": [{"i": 2**63}]},
        {"rows": {"i": 1}},
        {"rows": [7]},
    ):
        with pytest.raises(DecodeError):
            arena.append_record(bad)
    assert arena.n_packets == 1
    assert arena["top"].column("f").tolist() == [1.0]
    assert arena["rows"].column("i").tolist() == [1, -(2**63)]
    assert arena.span("top", 0, "s") == b"ab"
    assert arena.buffer(0) == b"ab"


def test_columns_are_found_by_name_and_an_unknown_name_is_an_error() -> None:
    arena = RowArena(Projection((Table("top", (), (("s", "span"), ("f", "float"), ("i", "int"))),)))
    arena.append_record({"s": "x", "f": 2.0, "i": 3})
    rows = arena["top"]
    assert (rows.float_names, rows.int_names, rows.span_names) == (("f",), ("i",), ("s",))
    assert rows.is_null.shape == (1, 3)
    assert rows.spans.shape == (1, 1, 2)
    for name in ("s", "none"):
        with pytest.raises(KeyError):
            rows.column(name)
    with pytest.raises(KeyError):
        arena["none"]


def test_a_program_runs_only_in_an_arena_of_its_projection() -> None:
    program = compile_program(_record(("a", "int")), _keep("a", "int"))
    with pytest.raises(ValueError, match="another projection"):
        RowArena(_keep("b", "int")).decode(program, b"\2")


def test_colliding_tables_and_fields_and_unknown_kinds_are_refused() -> None:
    table = Table("top", (), (("a", "int"),))
    for tables in (
        (table, table),
        (table, Table("other", (), ())),
        (Table("top", (), (("a", "int"), ("a", "float"))),),
        (Table("top", (), (("a", "text"),)),),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError):
            Projection(tables)
    nested = Projection((Table("top", (), (("rows.x", "int"),)), Table("rows", ("rows",), ())))
    with pytest.raises(CannotCompile, match="both a table and a field"):
        compile_program(_record(("a", "int")), nested)


def test_payloads_of_any_buffer_type_share_one_compilation() -> None:
    projection = _keep("a", "int")
    program = compile_program(_record(("a", "int")), projection)
    warm_up()
    before = len(kernel.run.signatures)  # type: ignore[attr-defined]
    arena = RowArena(projection)
    for payload in (b"\2", memoryview(b"\2"), memoryview(bytearray(b"\2"))):
        arena.decode(program, payload)
    np.testing.assert_array_equal(arena["top"].column("a"), [1, 1, 1])
    assert len(kernel.run.signatures) == before == 1  # type: ignore[attr-defined]


def test_it_compiles_where_no_cache_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    real = numba.njit

    def without_cache(*args: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", without_cache)
    assert kernel.jit(lambda x: x + 1)(2) == 3


def test_the_end_of_a_record_is_found_among_further_bytes() -> None:
    projection = _keep("a", "int")
    program = compile_program(_record(("a", "long"), ("b", "string")), projection)
    arena = RowArena(projection)
    body = b"\x02\x06abc"
    assert arena.record_end(program, b"??" + body + b"\x04\x00", 2) == 2 + len(body)
    assert arena.record_end(program, body, 0) == len(body)
    assert len(arena["top"]) == 0
    with pytest.raises(DecodeError, match="ends inside"):
        arena.record_end(program, body[:-1], 0)
    arena.decode(program, body)
    with pytest.raises(ValueError, match="empty arena"):
        arena.record_end(program, body, 0)
