"""Avro rows in bulk: the columns of many records become their bytes in one pass, without a loop over rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.light_curve import ByteArray, IntArray
from schemas.surveys.tables import Schema
from streamer.simulate.scene import BoolArray
from streamer.simulate.wire import varints

Columns = Mapping[str, npt.NDArray[Any]]
"""Values of n records by field name: NaN in a nullable floating-point field stands for null, so does no column."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The bodies of n records, one behind the other: those of neighbours are one slice."""

    body: bytes
    ends: IntArray
    """(n + 1,) where each record begins, and where the last one ends."""

    def __len__(self) -> int:
        return len(self.ends) - 1

    def slice(self, begin: int, end: int) -> bytes:
        """Records `begin` to `end` (without)."""
        return self.body[self.ends[begin] : self.ends[end]]

    def __getitem__(self, row: int) -> bytes:
        return self.slice(row, row + 1)


class RowEncoder:
    """Encodes records of one layout.

    A column that the layout does not have is left out; KeyError where it needs one that is not there.
    """

    def __init__(self, layout: Schema) -> None:
        self._fields = [_field(field) for field in layout["fields"]]

    def encode(self, columns: Columns, n: int) -> Rows:
        """The bodies of n records."""
        parts = [_encode_field(field, columns.get(field.name), n) for field in self._fields]
        values = np.concatenate([part[0] for part in parts], axis=1)
        kept = np.concatenate([part[1] for part in parts], axis=1)
        ends = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
        return Rows(values[kept].tobytes(), ends)


def join_rows(parts: list[Rows]) -> Rows:
    """The records of the parts, one part behind the other."""
    lengths = [np.diff(part.ends) for part in parts]
    return Rows(b"".join(part.body for part in parts), np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    primitive: str
    nullable: bool


def _field(field: Mapping[str, Any]) -> _Field:
    kind = field["type"]
    nullable = isinstance(kind, list)
    if nullable:
        if len(kind) != 2 or kind[0] != "null":
            raise ValueError(f"{field['name']}: a union of other than null and one type")
        kind = kind[1]
    return _Field(field["name"], kind["type"] if isinstance(kind, dict) else kind, nullable)


def _encode_field(field: _Field, column: npt.NDArray[Any] | None, n: int) -> tuple[ByteArray, BoolArray]:
    """(n, width) bytes of one field and which of them count."""
    if column is None:
        if not field.nullable:
            raise KeyError(f"{field.name} may not be null")
        return np.zeros((n, 1), dtype=np.uint8), np.ones((n, 1), dtype=bool)
    values, kept = _ENCODERS[field.primitive](column)
    if not field.nullable:
        return values, kept
    here = np.isfinite(column) if column.dtype.kind == "f" else np.ones(n, dtype=bool)
    branch = np.where(here, 2, 0).astype(np.uint8)[:, None]
    return np.hstack([branch, values]), np.hstack([np.ones((n, 1), dtype=bool), kept & here[:, None]])


def _floating(dtype: str, column: npt.NDArray[Any]) -> tuple[ByteArray, BoolArray]:
    width = np.dtype(dtype).itemsize
    values = np.ascontiguousarray(column, dtype=dtype).view(np.uint8).reshape(len(column), width)
    return values, np.ones(values.shape, dtype=bool)


def _boolean(column: npt.NDArray[Any]) -> tuple[ByteArray, BoolArray]:
    return column.astype(np.uint8)[:, None], np.ones((len(column), 1), dtype=bool)


def _long(column: npt.NDArray[Any]) -> tuple[ByteArray, BoolArray]:
    digits, lengths = varints(column)
    return digits, np.arange(digits.shape[1]) < lengths[:, None]


def _string(column: npt.NDArray[Any]) -> tuple[ByteArray, BoolArray]:
    """Texts below 64 bytes."""
    texts, which = np.unique(column, return_inverse=True)
    encoded = [bytes([2 * len(text.encode())]) + text.encode() for text in texts.tolist()]
    width = max(map(len, encoded), default=1)
    table = np.frombuffer(b"".join(text.ljust(width, b"\x00") for text in encoded), dtype=np.uint8).reshape(-1, width)
    lengths = np.array([len(text) for text in encoded], dtype=np.int64)
    return table[which], np.arange(width) < lengths[which][:, None]


_ENCODERS = {
    "float": lambda column: _floating("<f4", column),
    "double": lambda column: _floating("<f8", column),
    "boolean": _boolean,
    "int": _long,
    "long": _long,
    "string": _string,
}
