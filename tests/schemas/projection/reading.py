"""What the columns must hold, worked out from fastavro's record in the plainest way."""

from __future__ import annotations

import io
import math
from typing import Any

import fastavro

from schemas.codec import plain_schema
from schemas.projection import Projection, RowArena, Table


def written(schema: Any, record: Any) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(plain_schema(schema)), record)
    return stream.getvalue()


def read_whole(schema: Any, body: bytes) -> Any:
    stream = io.BytesIO(body)
    record = fastavro.schemaless_reader(stream, fastavro.parse_schema(plain_schema(schema)), None)
    assert stream.tell() == len(body)
    return record


def value_at(record: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if record is None:
            return None
        record = record.get(step)
    return record


def expected_rows(record: Any, table: Table) -> list[list[Any]]:
    items = [record] if not table.path else value_at(record, table.path) or []
    return [[value_at(item, tuple(name.split("."))) for name, _ in table.fields] for item in items]


def found_rows(arena: RowArena, table: Table, packet: int) -> list[list[Any]]:
    """The packet's rows of a table as the columns hold them; None where they say null."""
    rows = arena[table.name]
    chosen = slice(int(rows.offsets[packet]), int(rows.offsets[packet + 1]))
    buffer = arena.buffer(packet)
    columns: list[list[Any]] = []
    for place, (name, kind) in enumerate(table.fields):
        if kind == "span":
            spans = rows.spans[chosen, rows.span_names.index(name)].tolist()
            values = [None if first < 0 else bytes(buffer[first:last]) for first, last in spans]
            assert [value is None for value in values] == rows.is_null[chosen, place].tolist(), name
        else:
            values = rows.column(name)[chosen].tolist()
            for k in rows.is_null[chosen, place].nonzero()[0].tolist():
                assert math.isnan(values[k]) if kind == "float" else values[k] == 0, (name, values[k])
                values[k] = None
        columns.append(values)
    n_rows = chosen.stop - chosen.start
    return [[column[k] for column in columns] for k in range(n_rows)]


def same(found: Any, expected: Any, kind: str) -> bool:
    """Whether a column's value is fastavro's, to the last bit."""
    if found is None or expected is None:
        return found is None and expected is None
    if kind == "span":
        return bool(found == (expected.encode() if isinstance(expected, str) else expected))
    if kind == "float":
        expected = float(expected)
        if math.isnan(expected):
            return math.isnan(found)
        return found == expected and math.copysign(1, found) == math.copysign(1, expected)
    return bool(found == int(expected))


def assert_same(arena: RowArena, projection: Projection, record: Any, packet: int = 0) -> None:
    for table in projection.tables:
        found, expected = found_rows(arena, table, packet), expected_rows(record, table)
        assert len(found) == len(expected), table.name
        for row, (values, wanted) in enumerate(zip(found, expected, strict=True)):
            for (name, kind), value, want in zip(table.fields, values, wanted, strict=True):
                assert same(value, want, kind), f"{table.name}[{row}].{name}: {value!r}, fastavro gives {want!r}"
