from __future__ import annotations

import io

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.surveys.tables import survey_schema
from streamer.simulate.wire import encode_long, varints
from streamer.simulate.ztf.rows import Columns, RowEncoder, six_digits


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
def test_bulk_integers_are_those_written_one_by_one(values: list[int]) -> None:
    digits, lengths = varints(np.array(values, dtype=np.int64))
    for value, row, length in zip(values, digits, lengths, strict=True):
        assert row[:length].tobytes() == encode_long(value)


@pytest.mark.parametrize("version", ["3.2", "4.02"])
def test_bulk_rows_read_as_fastavro_reads_them(version: str) -> None:
    encoder = RowEncoder(version, "ztf.alert.prv_candidate")
    n = 7
    columns: Columns = {
        "jd": 2_461_000.5 + np.arange(n),
        "fid": np.array([1, 2, 1, 2, 1, 2, 1]),
        "pid": np.array([1, 10**12, 200, 3, 4, 5, 6]),
        "programid": 1,
        "programpi": np.array(["Kulkarni", "Kasliwal/Graham", "x", "y", "z", "u", "v"]),
        "magpsf": np.linspace(15.0, 20.0, n),
        "sky": -0.25,
        "candid": np.arange(n) - 3,
        "rbversion": "t17_f5_c3",
    }
    schema = survey_schema("ztf", version)["fields"][5]["type"]
    row_type = next(part for part in schema if part != "null")["items"]
    parsed = fastavro.parse_schema(row_type)
    for i, row in enumerate(encoder.encode(columns, n)):
        record = fastavro.schemaless_reader(io.BytesIO(row), parsed, None)
        assert record["jd"] == 2_461_000.5 + i
        assert record["pid"] == [1, 10**12, 200, 3, 4, 5, 6][i]
        assert record["candid"] == i - 3
        assert record["programpi"] == ["Kulkarni", "Kasliwal/Graham", "x", "y", "z", "u", "v"][i]
        assert record["magpsf"] == pytest.approx(15.0 + 5.0 * i / 6.0, rel=1e-6)
        assert record["sky"] == -0.25
        assert record["isdiffpos"] is None
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, record, strict=True)
        assert out.getvalue() == row


def test_a_null_where_the_schema_has_none_is_refused() -> None:
    with pytest.raises(ValueError, match="jd must not be null"):
        RowEncoder("4.02", "ztf.alert.prv_candidate").encode({}, 2)


def test_history_floats_have_six_digits() -> None:
    rounded = six_digits(np.array([16.3962049, 2_491.1123, 3.7380004e-06, -999.0, 0.0]))
    assert isinstance(rounded, np.ndarray)
    assert rounded == pytest.approx([16.3962, 2_491.11, 3.738e-06, -999.0, 0.0], rel=1e-12)
