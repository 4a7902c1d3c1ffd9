from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.simulate.lsst.rows import RowEncoder, join_rows

LAYOUT: dict[str, Any] = {
    "type": "record",
    "name": "row",
    "fields": [
        {"name": "number", "type": "long"},
        {"name": "maybe", "type": ["null", "long"]},
        {"name": "small", "type": "int"},
        {"name": "flag", "type": ["null", "boolean"]},
        {"name": "real", "type": ["null", "float"]},
        {"name": "exact", "type": "double"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "unknown", "type": ["null", "double"]},
    ],
}
SCHEMA = fastavro.parse_schema(LAYOUT)

longs = st.integers(-(2**63), 2**63 - 1)
rows = st.fixed_dictionaries(
    {
        "number": longs,
        "maybe": longs,
        "small": st.integers(-(2**31), 2**31 - 1),
        "flag": st.booleans(),
        "real": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
        "exact": st.floats(allow_nan=False),
        "text": st.text(max_size=12).filter(lambda text: "\x00" not in text),
        "when": st.integers(0, 2**52),
    }
)


def _columns(records: list[dict[str, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    kinds = {"flag": np.bool_, "real": np.float64, "exact": np.float64, "text": np.str_}
    return {name: np.array([r[name] for r in records], dtype=kinds.get(name, np.int64)) for name in rows_of(records)}


def rows_of(records: list[dict[str, Any]]) -> list[str]:
    return list(records[0])


def _reference(record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, record)
    return out.getvalue()


@given(st.lists(rows, min_size=1, max_size=20))
def test_bodies_are_those_of_the_reference_writer(records: list[dict[str, Any]]) -> None:
    encoded = RowEncoder(LAYOUT).encode(_columns(records), len(records))
    assert [encoded[i] for i in range(len(encoded))] == [_reference(record) for record in records]
    assert encoded.slice(0, len(records)) == b"".join(map(_reference, records))


def test_rows_of_several_blocks_are_one() -> None:
    records = [
        {"number": i, "maybe": -i, "small": i, "flag": True, "real": None, "exact": 0.5, "text": "g" * i, "when": i}
        for i in range(9)
    ]
    encoder = RowEncoder(LAYOUT)
    joined = join_rows([encoder.encode(_columns(part), len(part)) for part in (records[:2], records[2:3], records[3:])])
    assert len(joined) == 9
    assert [joined[i] for i in range(9)] == [_reference(record) for record in records]


def test_no_rows_are_no_bytes() -> None:
    record = {"number": 1, "maybe": 1, "small": 1, "flag": True, "real": 1.0, "exact": 1.0, "text": "r", "when": 1}
    empty = {name: column[:0] for name, column in _columns([record]).items()}
    assert RowEncoder(LAYOUT).encode(empty, 0).body == b""


def test_a_column_that_may_not_be_null_must_be_there() -> None:
    with pytest.raises(KeyError, match="number may not be null"):
        RowEncoder(LAYOUT).encode({}, 3)
