"""The compiler: a writer's Avro schema and a projection become one flat program for the interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import fastavro
import numpy as np
import numpy.typing as npt

from schemas.projection import kernel
from schemas.projection.layout import KINDS, Kind, Projection, Table

MAX_VALUES = 20_000
"""Most values that a schema may unfold into; LSST v11.1 has 550. Records named twice can make it grow without end."""
MAX_CODE = 200_000
"""Longest program, in integers."""
MAX_ITEM_BYTES = 1 << 40
"""Longest fixed type and least size of an item that is reckoned with; packets are far shorter."""

_TYPES = frozenset("null boolean int long float double string bytes fixed enum record error array map union".split())
_FIXED_BYTES = {"null": 0, "float": 4, "double": 8}
_LEAF_OF_KIND: dict[Kind, dict[str, int]] = {
    "float": {
        "float": kernel.FLOAT,
        "double": kernel.DOUBLE,
        "int": kernel.INT_AS_FLOAT,
        "long": kernel.INT_AS_FLOAT,
    },
    "int": {"int": kernel.INT, "long": kernel.INT, "boolean": kernel.BOOL},
    "span": {"string": kernel.SPAN, "bytes": kernel.SPAN},
}


_BAD_SCHEMA = (
    fastavro.schema.SchemaParseException,
    fastavro.schema.UnknownType,
    RecursionError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
)
"""What fastavro and we may stumble over in a schema that makes no sense."""


class CannotCompile(Exception):  # noqa: N818  it is an answer rather than an error
    """The interpreter cannot take this schema (or this field of it); read the packet by fastavro instead."""


@dataclass(frozen=True, eq=False)
class Program:
    """Code for one writer schema; it runs in arenas of the same projection."""

    projection: Projection
    code: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where a kept field goes: its column among those of its kind, and its column in `is_null`."""

    kind: Kind
    column: int
    null_column: int


@dataclass(slots=True)
class Place:
    """What is kept at one place of the record: a leaf, or things below it, or the rows of a table."""

    leaf: Leaf | None = None
    below: dict[str, Place] = field(default_factory=dict)
    table: int = -1

    def leaves(self) -> Iterator[Leaf]:
        """Leaves of this row at and below this place."""
        if self.table >= 0:
            return
        if self.leaf is not None:
            yield self.leaf
        for place in self.below.values():
            yield from place.leaves()

    def tables(self) -> Iterator[int]:
        """Tables filled at or below this place."""
        if self.table >= 0:
            yield self.table
        for place in self.below.values():
            yield from place.tables()


def compile_program(writer_schema: Any, projection: Projection) -> Program:
    """Compiles a writer schema (as JSON or as fastavro parsed it) for a projection.

    Raises CannotCompile where the schema is no valid Avro, is recursive, unfolds too far, or has a kept field of a type
    that its kind cannot hold.
    """
    try:
        schema = fastavro.parse_schema(writer_schema)
        return Program(projection, _Compiler(projection).compile(schema))
    except _BAD_SCHEMA as bad:
        raise CannotCompile(f"the schema cannot be read: {type(bad).__name__}: {bad}") from None


class _Compiler:
    """Walks the schema in the order of the bytes.

    Each value's code writes every column wanted at its place, so that no row needs presetting.
    """

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.code: list[int] = []
        self.last = -1  # where the last instruction begins, if the next one may be joined to it
        self.named: dict[str, Any] = {}
        self.open: list[str] = []  # records being walked
        self.depth = 0
        self.sizes: dict[str, int] = {}
        self.values = 0

    def compile(self, schema: Any) -> npt.NDArray[np.int64]:
        root = Place()
        for number, table in enumerate(self.projection.tables):
            if not table.path:
                _plant(root, table)
                self.emit(kernel.TOP_ROW, number)
        for number, table in enumerate(self.projection.tables):
            if table.path:
                place = _descend(root, table.path)
                if place.leaf is not None or place.below:
                    raise CannotCompile(f"{'.'.join(table.path)} is both a table and a field")
                place.table = number
        self.value(schema, root, "the record")
        self.emit(kernel.DONE)
        return np.array(self.code, dtype=np.int64)

    def emit(self, *words: int) -> int:
        """Adds an instruction; returns its place."""
        place = len(self.code)
        if place > MAX_CODE:
            raise CannotCompile("the program is too long")
        self.code += [*words, *([0] * (kernel.WIDTH - len(words)))]
        self.last = place
        return place

    def here(self) -> int:
        """The next place, as the target of a jump: nothing is joined across it."""
        self.last = -1
        return len(self.code)

    def run_of(self, op: int, column: int, null_column: int, null_byte: int) -> None:
        """Adds a kept leaf, or lengthens the run before it when its columns follow on."""
        if self.last >= 0:
            before, count, first, first_null, byte = self.code[self.last : self.last + kernel.WIDTH]
            if (before, first + count, first_null + count, byte) == (op, column, null_column, null_byte):
                self.code[self.last + 1] += 1
                return
        self.emit(op, 1, column, null_column, null_byte)

    def skip(self, op: int, count: int) -> None:
        """Adds a skip, or lengthens the one before it."""
        if count and self.last >= 0 and self.code[self.last] == op:
            self.code[self.last + 1] += count
        elif count:
            self.emit(op, count)

    def fill(self, leaves: list[Leaf]) -> None:
        """Writes 'no value' into these columns."""
        ops = (kernel.FILL_FLOAT, kernel.FILL_INT, kernel.FILL_SPAN)
        columns = [
            (op, sorted(leaf.column for leaf in leaves if leaf.kind == kind))
            for op, kind in zip(ops, KINDS, strict=True)
        ]
        for op, wanted in [*columns, (kernel.FILL_NULL, sorted(leaf.null_column for leaf in leaves))]:
            for first, count in _ranges(wanted):
                self.emit(op, count, first)

    def value(self, schema: Any, place: Place, name: str) -> None:
        """Code for one value: keeps what `place` wants of it, skips the rest."""
        self.values += 1
        if self.values > MAX_VALUES:
            raise CannotCompile("the schema unfolds into too many values")
        if isinstance(schema, list):
            self.union(schema, place, name)
            return
        kind, schema = self.resolve(schema)
        if kind == "record":
            self.record(schema, place, name)
        elif kind in ("array", "map"):
            self.loop(schema, kind, place, name)
        elif place.leaf is not None and not place.below:
            self.leaf(schema, kind, place.leaf, name)
        elif kind == "null":
            self.fill(list(place.leaves()))
        elif place.below or place.table >= 0:
            raise CannotCompile(f"{name} is {kind} where fields below it are wanted")
        elif kind in ("int", "long", "enum"):
            self.skip(kernel.SKIP_INT, 1)
        elif kind in ("string", "bytes"):
            self.skip(kernel.SKIP_SPAN, 1)
        else:
            self.skip(kernel.SKIP_BYTES, self.least_bytes(schema))

    def leaf(self, schema: Any, kind: str, leaf: Leaf, name: str) -> None:
        if kind == "null":
            self.fill([leaf])
        elif kind == "fixed" and leaf.kind == "span":
            self.emit(kernel.FIXED, _size(schema), leaf.column, leaf.null_column)
        else:
            self.run_of(self.leaf_op(kind, leaf, name), leaf.column, leaf.null_column, 0)

    def leaf_op(self, kind: str, leaf: Leaf, name: str) -> int:
        op = _LEAF_OF_KIND[leaf.kind].get(kind)
        if op is None:
            raise CannotCompile(f"{name} is {kind}, which cannot be kept as {leaf.kind}")
        return op

    def union(self, branches: list[Any], place: Place, name: str) -> None:
        kinds = [self.resolve(branch)[0] for branch in branches]
        leaf = place.leaf
        if leaf is not None and not place.below and len(kinds) == 2 and kinds.count("null") == 1:
            kind = kinds[1 - kinds.index("null")]
            if kind in _LEAF_OF_KIND[leaf.kind]:
                op = kernel.NULLABLE + self.leaf_op(kind, leaf, name)
                self.run_of(op, leaf.column, leaf.null_column, 2 * kinds.index("null"))
                return
        self.emit(kernel.UNION, len(branches))
        targets = len(self.code)
        self.code += [0] * len(branches)
        leave = []
        for number, branch in enumerate(branches):
            self.code[targets + number] = self.here()
            self.value(branch, place, name)
            if number + 1 < len(branches):
                leave.append(self.emit(kernel.JUMP))
        for jump in leave:
            self.code[jump + 1] = self.here()
        self.last = -1

    def record(self, schema: dict[str, Any], place: Place, name: str) -> None:
        if place.leaf is not None or place.table >= 0:
            raise CannotCompile(f"{name} is a record, not a field to keep")
        with self.inside(schema["name"]):
            present = {inner["name"] for inner in schema["fields"]}
            absent = [place.below[key] for key in place.below if key not in present]
            self.fill([leaf for missing in absent for leaf in missing.leaves()])
            for inner in schema["fields"]:
                self.value(inner["type"], place.below.get(inner["name"], Place()), f"{name}.{inner['name']}")

    def loop(self, schema: dict[str, Any], kind: str, place: Place, name: str) -> None:
        """An array or a map; its items are rows where a table is wanted here, else skipped."""
        item_place = Place()
        if place.leaf is not None or place.below or (place.table >= 0 and kind == "map"):
            raise CannotCompile(f"{name} is {kind}, whose items cannot be kept as one field")
        if place.table >= 0:
            _plant(item_place, self.projection.tables[place.table])
        items = schema["items"] if kind == "array" else schema["values"]
        self.depth += 1
        if self.depth > kernel.MAX_DEPTH:
            raise CannotCompile("arrays and maps are nested too deep")
        enter = self.emit(kernel.LOOP)
        body = self.here()
        if kind == "map":
            self.skip(kernel.SKIP_SPAN, 1)
        self.value(items, item_place, f"{name}[]")
        following = self.here()
        self.emit(kernel.NEXT, body, place.table, self.least_bytes(items) + (kind == "map"))
        self.last = -1
        self.code[enter + 1] = following
        self.depth -= 1

    def resolve(self, schema: Any) -> tuple[str, Any]:
        """The type's own name and its schema; a record met by name is looked up."""
        if isinstance(schema, list):
            return "union", schema
        if isinstance(schema, str):
            if schema in self.named:
                return self.resolve(self.named[schema])
            return _known(schema), schema
        kind = schema["type"]
        if "name" in schema:
            self.named[schema["name"]] = schema
        if isinstance(kind, (dict, list)):
            return self.resolve(kind)
        if kind in self.named:
            return self.resolve(self.named[kind])
        return ("record" if kind == "error" else _known(kind)), schema

    def least_bytes(self, schema: Any) -> int:
        """Fewest bytes that a value of this type takes."""
        kind, schema = self.resolve(schema)
        if kind == "union":
            return 1 + min((self.least_bytes(branch) for branch in schema), default=0)
        if kind == "fixed":
            return _size(schema)
        if kind == "record":
            if schema["name"] not in self.sizes:
                with self.inside(schema["name"]):
                    least = sum(self.least_bytes(inner["type"]) for inner in schema["fields"])
                self.sizes[schema["name"]] = min(least, MAX_ITEM_BYTES)
            return self.sizes[schema["name"]]
        return _FIXED_BYTES.get(kind, 1)

    def inside(self, name: str) -> _Inside:
        return _Inside(self.open, name)


class _Inside:
    """Marks a record as being walked; CannotCompile when it holds itself."""

    def __init__(self, names: list[str], name: str) -> None:
        self.names, self.name = names, name

    def __enter__(self) -> None:
        if self.name in self.names:
            raise CannotCompile(f"record {self.name} holds itself")
        self.names.append(self.name)

    def __exit__(self, *exc: object) -> None:
        self.names.pop()


def _descend(place: Place, path: tuple[str, ...]) -> Place:
    for step in path:
        place = place.below.setdefault(step, Place())
    return place


def _plant(root: Place, table: Table) -> None:
    """Puts a table's fields below the record they are fields of."""
    columns: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    for null_column, (name, kind) in enumerate(table.fields):
        place = _descend(root, tuple(name.split(".")))
        place.leaf = Leaf(kind, columns[kind], null_column)
        columns[kind] += 1


def _known(kind: Any) -> str:
    """The name of a type of Avro's own."""
    if kind not in _TYPES:
        raise CannotCompile(f"an unknown type {kind!r}")
    return str(kind)


def _size(schema: dict[str, Any]) -> int:
    size = schema["size"]
    if not isinstance(size, int) or not 0 <= size <= MAX_ITEM_BYTES:
        raise CannotCompile(f"a fixed type of {size} bytes")
    return size


def _ranges(columns: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of neighbours among sorted column numbers: (first, how many)."""
    start = 0
    for k in range(1, len(columns) + 1):
        if k == len(columns) or columns[k] != columns[k - 1] + 1:
            yield columns[start], k - start
            start = k
