"""The arena: decoded packets as columns, reused from batch to batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.projection import kernel
from schemas.projection.layout import Kind, Projection, Table
from schemas.projection.program import Program

FIRST_ROWS = 64
"""Rows that a table of a new arena has room for."""
FIRST_PACKETS = 64
"""Packets that a new arena has room for."""


class DecodeError(Exception):
    """The bytes are no packet of this schema; the message says what is wrong and where."""


@dataclass(slots=True)
class Rows:
    """The decoded rows of one table: views into the arena, good until it is cleared or decodes another packet.

    Rows of packet p are `offsets[p]:offsets[p + 1]`.
    """

    floats: npt.NDArray[np.float64]
    """(rows, float fields) NaN where null or absent."""
    ints: npt.NDArray[np.int64]
    """(rows, int fields) booleans as 0 and 1; 0 where null or absent."""
    spans: npt.NDArray[np.int64]
    """(rows, span fields, 2) first byte and byte after the last, in the packet's buffer; (-1, -1) where null."""
    is_null: npt.NDArray[np.bool_]
    """(rows, fields) in the order of the table's fields; an absent field counts as null."""
    offsets: npt.NDArray[np.int64]
    """(packets + 1,)"""
    float_names: tuple[str, ...]
    int_names: tuple[str, ...]
    span_names: tuple[str, ...]
    field_names: tuple[str, ...]
    """All fields, in the order of the columns of `is_null`."""

    def __len__(self) -> int:
        return len(self.is_null)

    def column(self, name: str) -> npt.NDArray[np.float64] | npt.NDArray[np.int64]:
        """One number for each row, shape (rows,), a view; KeyError where the table keeps no such number."""
        if name in self.float_names:
            return self.floats[:, self.float_names.index(name)]
        if name in self.int_names:
            return self.ints[:, self.int_names.index(name)]
        raise KeyError(f"no number {name} is kept in this table")


class RowArena:
    """Decodes packets of one survey into growing tables; `clear()` begins the next batch in the same memory."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.n_packets = 0
        tables = len(projection.tables)
        self._number = {table.name: number for number, table in enumerate(projection.tables)}
        self._names = [
            (table.names("float"), table.names("int"), table.names("span"), tuple(name for name, _ in table.fields))
            for table in projection.tables
        ]
        self._capacity = [FIRST_ROWS] * tables
        self._state = np.zeros(tables * kernel.TABLE_WIDTH + kernel.SCRATCH, dtype=np.int64)
        self._tables = self._state[: tables * kernel.TABLE_WIDTH].reshape(tables, kernel.TABLE_WIDTH)
        self._scratch = self._state[tables * kernel.TABLE_WIDTH :]
        self._offsets = np.zeros((FIRST_PACKETS + 1, tables), dtype=np.int64)
        self._buffers: list[memoryview] = []
        self._floats, self._ints, self._spans, self._nulls = self._lay_out()

    def clear(self) -> None:
        """Forgets all packets, keeps the memory."""
        self.n_packets = 0
        self._tables[:, kernel.ROWS] = 0
        self._buffers.clear()

    def decode(self, program: Program, payload: bytes | memoryview, start: int = 0, end: int | None = None) -> None:
        """Adds the packet whose Avro body is `payload[start:end]`; spans point into `payload`.

        Raises DecodeError where the body is cut short, hostile or followed by other bytes; the arena is then as it was
        before. Text is not checked to be UTF-8: who decodes a span finds out.
        """
        view = memoryview(payload)
        stop = len(view) if end is None else end
        status = self._run(program, view, start, stop)
        if status:
            raise DecodeError(f"{kernel.REASONS[status]} (byte {int(self._scratch[kernel.PLACE])})")
        self._buffers.append(view)
        self.n_packets += 1

    def record_end(self, program: Program, payload: bytes | memoryview, start: int) -> int:
        """The place after the record that begins at `start`, other bytes may follow; the arena must hold no packet.

        Raises DecodeError as `decode` does.
        """
        if self.n_packets:
            raise ValueError("records are measured in an empty arena")
        status = self._run(program, memoryview(payload), start, len(payload))
        self.clear()
        place = int(self._scratch[kernel.PLACE])
        if status not in (0, kernel.TRAILING):
            raise DecodeError(f"{kernel.REASONS[status]} (byte {place})")
        return place

    def _run(self, program: Program, view: memoryview, start: int, stop: int) -> int:
        """Runs the program, growing the tables as it asks for; its status."""
        if program.projection is not self.projection:
            raise ValueError("the program was compiled for another projection")
        if not 0 <= start <= stop <= len(view):
            raise DecodeError(f"the body from byte {start} to {stop} lies outside the packet's {len(view)} bytes")
        data = np.frombuffer(view, dtype=np.uint8) if len(view) else np.zeros(0, dtype=np.uint8)
        data.setflags(write=False)  # one type of array, so one compilation
        self._room_for_packet()
        while status := kernel.run(
            data,
            start,
            stop,
            program.code,
            self._state,
            self._offsets,
            self.n_packets + 1,
        ):
            if status != kernel.GROW:
                return status
            self._grow(int(self._scratch[kernel.GROW_TABLE]), int(self._scratch[kernel.GROW_ROWS]))
        return 0

    def append_record(self, record: Mapping[str, Any]) -> None:
        """Adds a packet that fastavro has decoded (by a schema without logical types) to the same columns.

        Its spans point into a buffer of their own. Raises DecodeError where a kept field has a type that its kind
        cannot hold; the arena is then as it was before.
        """
        self._room_for_packet()
        text = bytearray()
        before = self._tables[:, kernel.ROWS].copy()
        try:
            for number, table in enumerate(self.projection.tables):
                for item in _records(record, table):
                    self._append_row(number, table, item, text)
        except DecodeError:
            self._tables[:, kernel.ROWS] = before
            raise
        self._offsets[self.n_packets + 1] = self._tables[:, kernel.ROWS]
        self._buffers.append(memoryview(bytes(text)))
        self.n_packets += 1

    def __getitem__(self, table_name: str) -> Rows:
        number = self._number[table_name]
        rows = int(self._tables[number, kernel.ROWS])
        floats, ints, spans, nulls = self._blocks(number)
        return Rows(
            floats[:rows],
            ints[:rows],
            spans[:rows].reshape(rows, len(self._names[number][2]), 2),
            nulls[:rows],
            self._offsets[: self.n_packets + 1, number],
            *self._names[number],
        )

    def buffer(self, packet: int) -> memoryview:
        """The bytes that the spans of a packet point into."""
        return self._buffers[packet]

    def span(self, table: str, row: int, name: str) -> memoryview | None:
        """The bytes of one string or bytes field, uncopied; None where it is null."""
        rows = self[table]
        first, last = (int(place) for place in rows.spans[row, rows.span_names.index(name)])
        if first < 0:
            return None
        packet = int(np.searchsorted(rows.offsets, row, side="right")) - 1
        return self._buffers[packet][first:last]

    def _append_row(self, number: int, table: Table, item: Mapping[str, Any], text: bytearray) -> None:
        row = int(self._tables[number, kernel.ROWS])
        if row >= self._capacity[number]:
            self._grow(number, row + 1)
        floats, ints, spans, nulls = self._blocks(number)
        floats[row], ints[row], spans[row], nulls[row] = np.nan, 0, -1, True
        columns: dict[Kind, int] = {"float": 0, "int": 0, "span": 0}
        for null_column, (name, kind) in enumerate(table.fields):
            column = columns[kind]
            columns[kind] += 1
            value = _field(item, name)
            if value is None:
                continue
            nulls[row, null_column] = False
            if kind == "float":
                floats[row, column] = _as_float(value, name)
            elif kind == "int":
                ints[row, column] = _as_int(value, name)
            else:
                first = len(text)
                text += _as_bytes(value, name)
                spans[row, 2 * column : 2 * column + 2] = first, len(text)
        self._tables[number, kernel.ROWS] = row + 1

    def _room_for_packet(self) -> None:
        if self.n_packets + 1 >= len(self._offsets):
            self._offsets = np.concatenate([self._offsets, np.zeros_like(self._offsets)])

    def _grow(self, number: int, rows: int) -> None:
        """Makes room for `rows` rows of a table, at least twice what it had."""
        before = [self._blocks(table) for table in range(len(self._capacity))]
        self._capacity[number] = max(rows, 2 * self._capacity[number])
        self._floats, self._ints, self._spans, self._nulls = self._lay_out()
        for table, old in enumerate(before):
            rows_kept = int(self._tables[table, kernel.ROWS])
            for block, old_block in zip(self._blocks(table), old, strict=True):
                block[:rows_kept] = old_block[:rows_kept]

    def _lay_out(
        self,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """New memory for all tables, each kind in one flat array, tables one behind the other."""
        totals = [0, 0, 0, 0]
        for number, (table, capacity) in enumerate(zip(self.projection.tables, self._capacity, strict=True)):
            widths = (
                len(table.names("float")),
                len(table.names("int")),
                2 * len(table.names("span")),
                len(table.fields),
            )
            for block, width in enumerate(widths):
                self._tables[number, 2 * block : 2 * block + 2] = totals[block], width
                totals[block] += width * capacity
            self._tables[number, kernel.CAPACITY] = capacity
        floats = np.empty(totals[0], dtype=np.float64)
        ints = np.empty(totals[1], dtype=np.int64)
        spans = np.empty(totals[2], dtype=np.int64)
        nulls = np.empty(totals[3], dtype=np.bool_)
        addresses = [block.ctypes.data for block in (floats, ints, spans, nulls)]
        self._scratch[kernel.FLOATS : kernel.FLOATS + 4] = addresses
        return floats, ints, spans, nulls

    def _blocks(self, number: int) -> tuple[npt.NDArray[Any], ...]:
        """One table's floats, ints, spans and nulls, each (capacity, columns)."""
        capacity = self._capacity[number]
        blocks = []
        for block, flat in enumerate((self._floats, self._ints, self._spans, self._nulls)):
            base, width = (int(word) for word in self._tables[number, 2 * block : 2 * block + 2])
            blocks.append(flat[base : base + width * capacity].reshape(capacity, width))
        return tuple(blocks)


def warm_up() -> None:
    """Compiles the interpreter, or loads it from its cache, by decoding one packet."""
    from schemas.projection.program import compile_program

    projection = Projection((Table("warm", (), (("x", "float"),)),))
    schema = {"type": "record", "name": "warm", "fields": [{"name": "x", "type": "float"}]}
    RowArena(projection).decode(compile_program(schema, projection), bytes(4))


def _records(record: Mapping[str, Any], table: Table) -> list[Mapping[str, Any]]:
    """The records of a table in a decoded packet; an array's null item is a record without values."""
    if not table.path:
        return [_mapping(record, "the record")]
    items = _field(record, ".".join(table.path))
    if items is None:
        return []
    if not isinstance(items, list):
        raise DecodeError(f"{'.'.join(table.path)} is no array")
    if len(items) > kernel.MAX_ROWS:
        raise DecodeError(kernel.REASONS[kernel.TOO_MANY_ROWS])
    return [{} if item is None else _mapping(item, f"{table.name}[]") for item in items]


def _field(record: Mapping[str, Any], name: str) -> Any:
    """The value at a dotted name; None where any step of it is null or absent."""
    value: Any = record
    for step in name.split("."):
        if value is None:
            return None
        value = _mapping(value, name).get(step)
    return value


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DecodeError(f"{name}: a {type(value).__name__} where a record is expected")
    return value


def _as_float(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DecodeError(f"{name}: a {type(value).__name__} where a number is expected")
    return float(value)


def _as_int(value: Any, name: str) -> int:
    if not isinstance(value, int) or not -(1 << 63) <= value < 1 << 63:
        raise DecodeError(f"{name}: {value!r} where a whole number of 64 bits is expected")
    return int(value)


def _as_bytes(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bytes):
        return value
    raise DecodeError(f"{name}: a {type(value).__name__} where text or bytes are expected")
