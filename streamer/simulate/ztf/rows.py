"""Many Avro records of one kind at once: columns become bytes in NumPy, and rows are cut out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.surveys.tables import Schema, survey_schema
from streamer.simulate.wire import encode_bytes, encode_long, varints

Column = float | int | str | None | npt.NDArray[Any]
"""One value for all rows, None for null in all rows, or (n,) values."""

Columns = dict[str, Column]

_FIXED = {"float": "<f4", "double": "<f8"}
_Bytes = npt.NDArray[np.uint8]


class RowEncoder:
    """Encodes records of one of ZTF's nested types: flat, of numbers and strings, each perhaps null."""

    def __init__(self, version: str, name: str) -> None:
        found = _find(survey_schema("ztf", version), name)
        if found is None:
            raise KeyError(f"no record {name} in ztf {version}")
        self._fields = [(field["name"], *_kind(field["type"])) for field in found["fields"]]

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the record's fields, in order."""
        return tuple(field[0] for field in self._fields)

    def encode(self, columns: Mapping[str, Column], n: int) -> list[bytes]:
        """n encoded records. A field without a column is null; columns that the record lacks are left out.

        ValueError for a null where the schema has none.
        """
        runs: list[list[bytes]] = []
        fixed: list[_Bytes] = []
        for name, kind, prefix, null in self._fields:
            column = columns.get(name)
            if column is None and null is None:
                raise ValueError(f"{name} must not be null")
            part = _constant(null or b"", n) if column is None else _encoded(column, kind, prefix, n)
            if isinstance(part, list):
                runs += [*_rows(fixed), part]
                fixed = []
            else:
                fixed.append(part)
        runs += _rows(fixed)
        return [b"".join(parts) for parts in zip(*runs, strict=True)]


def _find(schema: Any, name: str) -> Schema | None:
    """The record type of that name within a schema."""
    if isinstance(schema, list):
        return next((found for part in schema if (found := _find(part, name))), None)
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "record":
        return schema if schema["name"] == name else _find([field["type"] for field in schema["fields"]], name)
    return _find(schema.get("items"), name)


def _kind(union: Any) -> tuple[str, bytes, bytes | None]:
    """A field's primitive type, the bytes before a value, and those of a null (None where it may not be null)."""
    if isinstance(union, str):
        return union, b"", None
    kind = next(part for part in union if part != "null")
    return kind, encode_long(union.index(kind)), encode_long(union.index("null"))


def _constant(value: bytes, n: int) -> _Bytes:
    return np.broadcast_to(np.frombuffer(value, dtype=np.uint8), (n, len(value)))


def _encoded(column: Column, kind: str, prefix: bytes, n: int) -> _Bytes | list[bytes]:
    """(n, width) bytes where all rows are of one width, else a list of n."""
    if not isinstance(column, np.ndarray):
        return _constant(prefix + _value(column, kind), n)
    if kind in _FIXED:
        dtype = np.dtype(_FIXED[kind])
        body = np.ascontiguousarray(column, dtype=dtype).view(np.uint8).reshape(n, dtype.itemsize)
        return np.concatenate([_constant(prefix, n), body], axis=1)
    if kind == "string":
        texts = [prefix + encode_bytes(text.encode()) for text in column.tolist()]
        if len({len(text) for text in texts}) == 1:
            return np.frombuffer(b"".join(texts), dtype=np.uint8).reshape(n, -1)
        return texts
    digits, lengths = varints(column)
    if n and lengths.min() == lengths.max():
        return np.concatenate([_constant(prefix, n), digits[:, : lengths[0]]], axis=1)
    flat, width = digits.tobytes(), digits.shape[1]
    return [prefix + flat[width * i : width * i + length] for i, length in enumerate(lengths.tolist())]


def _value(value: object, kind: str) -> bytes:
    if kind in _FIXED:
        return np.array(value, dtype=_FIXED[kind]).tobytes()
    if kind == "string":
        return encode_bytes(str(value).encode())
    return encode_long(int(str(value)))


def _rows(fixed: list[_Bytes]) -> list[list[bytes]]:
    """The rows of matrices side by side, as one list of bytes in a list; none for no matrix."""
    if not fixed:
        return []
    matrix = np.concatenate(fixed, axis=1)
    flat, width = matrix.tobytes(), matrix.shape[1]
    return [[flat[begin : begin + width] for begin in range(0, matrix.shape[0] * width, width)]]


def six_digits(column: Column) -> Column:
    """Rounded to six significant digits, as ZTF's database gives the floats of a history row."""
    if not isinstance(column, np.ndarray) or column.dtype.kind != "f":
        return column
    size = np.floor(np.log10(np.maximum(np.abs(column), 1e-30)))
    scale = 10.0 ** (5.0 - size)
    return np.rint(column * scale) / scale
