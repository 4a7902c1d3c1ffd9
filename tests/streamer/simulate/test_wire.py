from __future__ import annotations

import io
import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.surveys.tables import survey_schema
from streamer.simulate.wire import ContainerFraming, encode_array, encode_bytes, encode_long
from streamer.simulate.ztf.rows import RowEncoder


@given(st.integers(-(2**63), 2**63 - 1))
def test_longs_read_back(value: int) -> None:
    assert fastavro.schemaless_reader(io.BytesIO(encode_long(value)), {"type": "long"}, None) == value


@given(st.lists(st.binary(max_size=200), max_size=70))
def test_arrays_read_back(items: list[bytes]) -> None:
    body = encode_array([encode_bytes(item) for item in items])
    assert fastavro.schemaless_reader(io.BytesIO(body), {"type": "array", "items": "bytes"}, None) == items


def test_a_container_carries_its_schema() -> None:
    framed = ContainerFraming("ztf", "4.02").frame(b"")
    reader = fastavro.reader(io.BytesIO(framed))
    assert json.loads(reader.metadata["avro.schema"]) == survey_schema("ztf", "4.02")


def test_an_unknown_record_is_named() -> None:
    with pytest.raises(KeyError, match="no record nowhere"):
        RowEncoder("4.02", "nowhere")
