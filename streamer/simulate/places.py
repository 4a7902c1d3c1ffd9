"""Where the fields of a packet stand in its bytes: a walk over the writer's schema that keeps places, not values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Schema = dict[str, Any]

_FIXED_BYTES = {"null": 0, "boolean": 1, "float": 4, "double": 8}


class Place(NamedTuple):
    """One value of a field that was asked for."""

    kind: str
    """What was asked for: the value of `wanted`."""
    path: tuple[str, ...]
    """Fields on the way to it, its own last."""
    begin: int
    end: int
    """Its bytes are `data[begin:end]`, without its union's branch and without a string's length."""


_Step = Callable[[bytes, int, list[Place]], int]
"""Walks over one value: data, its place, what was found so far; returns the place after it."""


class Walk:
    """Finds fields by their names, wherever they stand in a record; nulls are no values."""

    def __init__(self, schema: Schema, wanted: Mapping[str, str]) -> None:
        """`wanted` gives a kind to each field name. KeyError for a type that no survey uses (enum, fixed, map)."""
        self._wanted = wanted
        self._named: dict[str, Schema] = {}
        self._step = self._compiled(schema, (), None)

    def places(self, data: bytes, begin: int) -> list[Place]:
        """The wanted values of the record that begins at `begin`, in order; IndexError where the data end before."""
        found: list[Place] = []
        self._step(data, begin, found)
        return found

    def _compiled(self, schema: Any, path: tuple[str, ...], kind: str | None) -> _Step:
        if isinstance(schema, list):
            return _union([self._compiled(branch, path, kind) for branch in schema])
        if isinstance(schema, str) and schema in self._named:
            return self._compiled(self._named[schema], path, kind)
        if isinstance(schema, dict) and schema["type"] == "record":
            self._named[schema["name"]] = schema
            fields = [(field["name"], field["type"]) for field in schema["fields"]]
            return _record([self._compiled(type_, (*path, name), self._wanted.get(name)) for name, type_ in fields])
        if isinstance(schema, dict) and schema["type"] == "array":
            return _array(self._compiled(schema["items"], path, None))
        return _leaf(schema["type"] if isinstance(schema, dict) else schema, path, kind)


def read_long(data: bytes, place: int) -> tuple[int, int]:
    """An Avro int or long, and the place after it."""
    value = shift = 0
    while (byte := data[place]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift += 7
        place += 1
    value |= byte << shift
    return (value >> 1) ^ -(value & 1), place + 1


def _leaf(primitive: str, path: tuple[str, ...], kind: str | None) -> _Step:
    skip: _Step
    if primitive in ("bytes", "string"):
        skip = _skip_bytes
    elif primitive in ("int", "long"):
        skip = _skip_long
    else:
        skip = _skip_fixed(_FIXED_BYTES[primitive])
    if kind is None or primitive == "null":
        return skip

    def keep(data: bytes, place: int, found: list[Place]) -> int:
        end = skip(data, place, found)
        begin = read_long(data, place)[1] if primitive in ("bytes", "string") else place
        found.append(Place(kind, path, begin, end))
        return end

    return keep


def _skip_fixed(size: int) -> _Step:
    return lambda data, place, found: place + size


def _skip_long(data: bytes, place: int, found: list[Place]) -> int:
    while data[place] > 0x7F:
        place += 1
    return place + 1


def _skip_bytes(data: bytes, place: int, found: list[Place]) -> int:
    length, place = read_long(data, place)
    return place + length


def _union(branches: list[_Step]) -> _Step:
    def walk(data: bytes, place: int, found: list[Place]) -> int:
        return branches[data[place] >> 1](data, place + 1, found)  # no survey has a union of 64 branches

    return walk


def _record(fields: list[_Step]) -> _Step:
    def walk(data: bytes, place: int, found: list[Place]) -> int:
        for field in fields:
            place = field(data, place, found)
        return place

    return walk


def _array(item: _Step) -> _Step:
    def walk(data: bytes, place: int, found: list[Place]) -> int:
        while True:
            count, place = read_long(data, place)
            if count == 0:
                return place
            if count < 0:  # a block whose length in bytes is given
                place = read_long(data, place)[1]
            for _ in range(abs(count)):
                place = item(data, place, found)

    return walk
