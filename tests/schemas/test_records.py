"""What goes out over the wire: our Avro schemas, the typed records, and batches as records."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas import records
from schemas.alert import DATA_RIGHTS, QUALITY_FLAGS
from schemas.describe import avro_rows
from schemas.packet import Coordinates, Packet
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import CLASS_COLUMNS
from schemas.wire import (
    DEAD_LETTER,
    EMBEDDING,
    SCORED_ALERT,
    SPECTRUM,
    embedding_records,
    parsed_schema,
    schema_text,
    scored_alert_records,
    unix_micros,
)
from tests import made_up

MODELS: dict[str, type[BaseModel]] = {
    SCORED_ALERT: records.ScoredAlert,
    EMBEDDING: records.Embedding,
    DEAD_LETTER: records.DeadLetter,
    SPECTRUM: records.Spectrum,
}
READERS: dict[str, Any] = {
    SCORED_ALERT: (records.read_scored_alerts, records.write_scored_alerts),
    EMBEDDING: (records.read_embeddings, records.write_embeddings),
    DEAD_LETTER: (records.read_dead_letters, records.write_dead_letters),
    SPECTRUM: (records.read_spectra, records.write_spectra),
}

text = st.text(st.characters(codec="utf-8"), max_size=8)
float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
float64 = st.floats(allow_nan=False, allow_infinity=False)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that the Avro type `kind` allows."""
    if isinstance(kind, list):
        return st.one_of([values_of(branch) for branch in kind])
    if isinstance(kind, dict):
        if kind.get("logicalType") == "timestamp-micros":
            return st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
        if kind["type"] == "array":
            return st.lists(values_of(kind["items"]), max_size=3)
        if kind["type"] == "map":
            return st.dictionaries(text, values_of(kind["values"]), max_size=3)
        if kind["type"] == "enum":
            return st.sampled_from(kind["symbols"])
        return st.fixed_dictionaries({field["name"]: values_of(field["type"]) for field in kind["fields"]})
    simple: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "float": float32,
        "double": float64,
        "bytes": st.binary(max_size=20),
        "string": text,
    }
    return simple[kind]


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
def test_whatever_the_schema_allows_is_read_into_the_model_and_written_back_the_same(
    name: str, data: st.DataObject
) -> None:
    read, write = READERS[name]
    record = data.draw(values_of(json.loads(schema_text(name))))
    file = io.BytesIO()
    fastavro.writer(file, parsed_schema(name), [record])
    (model,) = read(file.getvalue())
    again = io.BytesIO()
    write(again, [model])
    assert list(fastavro.reader(io.BytesIO(again.getvalue()))) == list(fastavro.reader(io.BytesIO(file.getvalue())))


@pytest.mark.parametrize("name", MODELS)
def test_the_model_and_the_schema_have_the_same_fields_in_the_same_order(name: str) -> None:
    def fields(model: type[BaseModel], prefix: str = "") -> list[str]:
        found = []
        for field, info in model.model_fields.items():
            found.append(prefix + field)
            for kind in (info.annotation, *getattr(info.annotation, "__args__", ())):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    found += fields(kind, f"{prefix}{field}.")
        return found

    assert fields(MODELS[name]) == [field for field, _, _ in avro_rows(json.loads(schema_text(name)))]


def test_the_schemas_name_our_rights_and_class_columns() -> None:
    fields = {field["name"]: field["type"] for field in json.loads(schema_text(SCORED_ALERT))["fields"]}
    assert tuple(fields["data_rights"]["symbols"]) == DATA_RIGHTS
    assert tuple(field["name"] for field in fields["class_scores"][1]["fields"]) == CLASS_COLUMNS


def test_a_batchs_records_are_valid_by_the_schema_and_read_by_any_avro_reader() -> None:
    batch = made_up.scored([1, 2, made_up.BIG_ID], unclassified=[1])
    out = io.BytesIO()
    fastavro.writer(out, json.loads(schema_text(SCORED_ALERT)), scored_alert_records(batch), validator=True)
    first, second, third = list(fastavro.reader(io.BytesIO(out.getvalue())))
    assert (first["survey"], first["alert_id"], first["model"], first["version"], first["revision"]) == (
        *("ztf", 1, "default", "1.0", 0),
    )
    assert third["alert_id"] == made_up.BIG_ID
    assert sum(first["class_scores"].values()) == pytest.approx(1, abs=1e-6)
    best = max(first["class_scores"], key=first["class_scores"].__getitem__)
    assert first["predicted_class"] == dict(zip(CLASS_COLUMNS, _class_names(), strict=True))[best]
    assert first["received"] == datetime(2023, 11, 14, 22, 13, 20, 500000, UTC)
    assert first["scored"] - first["received"] == timedelta(microseconds=500001)
    assert first["published"] == datetime(2020, 9, 13, 12, 26, 40, 250000, UTC)
    assert first["supersedes"] is None
    assert first["modalities"] == ["light_curve", "metadata"]
    assert first["modality_weights"] == {"light_curve": 0.75, "metadata": 0.25}
    assert first["top_contributions"] == [
        {"name": "fall_days", "value": 7.5, "contribution": 1.5},
        {"name": "rise_days", "value": None, "contribution": -1.0},
        {"name": "g_minus_r_last", "value": -0.25, "contribution": 0.5},
    ]
    assert third["top_contributions"] == []
    assert set(first["taxonomy_scores"]) == set(made_up.CUT)
    assert sum(first["taxonomy_scores"].values()) == pytest.approx(first["class_scores"]["p_sn_i"], abs=1e-6)
    assert second["taxonomy_scores"] == {}
    assert first["quality_flags"] == [QUALITY_FLAGS[0], QUALITY_FLAGS[2]]
    assert first["selection_scores"] == {"nuclear": 0.5}
    assert first["real_score"] is None
    assert first["data_rights"] == "partnership"
    assert first["light_curve"]["bands_used"] == ["g", "r"]
    assert first["light_curve"]["peak_band"] == "g"
    assert second["light_curve"]["last_band"] is None
    assert second["light_curve"]["last_detection_mjd_tai"] is None
    assert second["published"] is None
    assert second["class_scores"] is None
    assert second["predicted_class"] is None
    assert second["novelty"] is None
    assert second["prediction_set"] == []
    assert second["unclassified_reason"] == "no usable light curve"
    assert second["context"] == {"host": "NGC 1", "distance_kpc": 1.5, "n": 2, "nuclear": True}
    assert second["calibration"] == {"domain": "made up", "n": 10, "method": "temperature"}


def _class_names() -> tuple[str, ...]:
    return ("SN I", "SN II", "SLSN", "CV", "AGN", "TDE", "other")


def test_times_are_rounded_to_the_microsecond() -> None:
    steps = np.arange(1000)
    np.testing.assert_array_equal(unix_micros(1.7e9 + steps * 1e-6), 1_700_000_000_000_000 + steps)


def test_a_later_revision_says_what_it_replaces() -> None:
    (record,) = scored_alert_records(made_up.scored([1], revision=2))
    assert (record["revision"], record["supersedes"], record["trigger"]) == (2, 1, "spectrum")


def test_alerts_without_an_embedding_have_no_embedding_record() -> None:
    batch = made_up.scored([1, 2, 3], unclassified=[1])
    out = io.BytesIO()
    fastavro.writer(out, parsed_schema(EMBEDDING), embedding_records(batch), validator=True)
    found = list(records.read_embeddings(out.getvalue()))
    assert [embedding.alert_id for embedding in found] == [1, 3]
    assert len(found[0].embedding) == EMBEDDING_LENGTH
    np.testing.assert_array_equal(np.array(found[1].embedding, np.float32), batch.embedding[2])


def test_a_dead_letter_keeps_the_bytes_and_where_they_came_from(tmp_path: Path) -> None:
    packet = Packet(Coordinates("/a|b", "m.avro", 3, 2**40), b"\x00\xff broken", 1.7e9 + 0.125, 1.6e9)
    letter = records.DeadLetter.of(
        packet, reason="truncated", stage="decode", detail="ends early", survey="ztf", alert_id=2**60 + 1
    )
    records.write_dead_letters(tmp_path / "one.avro", [letter])
    (found,) = records.read_dead_letters(tmp_path / "one.avro")
    assert found == letter
    assert found.payload == packet.payload
    assert str(found.coordinates) == str(packet.coordinates)
    assert found.received == datetime.fromtimestamp(1.7e9, UTC) + timedelta(microseconds=125000)
    assert (found.survey, found.stage, found.reason, found.detail) == ("ztf", "decode", "truncated", "ends early")
    assert found.alert_id == 2**60 + 1
    (plain,) = fastavro.reader(io.BytesIO((tmp_path / "one.avro").read_bytes()))
    assert plain["payload"] == packet.payload


def test_a_dead_letter_may_speak_of_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    packet = Packet(made_up.coordinates(1), b"", 0.0)
    letter = records.DeadLetter.of(packet, reason="broken_archive", stage="source", detail="member \udcff breaks off")
    records.write_dead_letters(tmp_path / "one.avro", [letter])
    (found,) = records.read_dead_letters(tmp_path / "one.avro")
    assert found.detail == "member \\udcff breaks off"


def test_records_cannot_be_changed() -> None:
    (letter,) = [records.DeadLetter.of(Packet(made_up.coordinates(1), b"", 0.0), reason="r", stage="s", detail="d")]
    with pytest.raises(ValidationError, match="frozen"):
        letter.reason = "other"


@pytest.mark.parametrize("broken", [b"", b"not avro", b"Obj\x01"])
def test_bytes_that_are_no_container_are_one_clear_line(broken: bytes) -> None:
    with pytest.raises(records.RecordFileError, match="cannot be read as scored_alert_v1"):
        list(records.read_scored_alerts(broken))


def test_a_container_cut_anywhere_is_an_error_or_shorter_never_a_traceback_of_another_kind() -> None:
    out = io.BytesIO()
    fastavro.writer(out, parsed_schema(SCORED_ALERT), scored_alert_records(made_up.scored([1, 2])))
    whole = out.getvalue()
    for end in range(0, len(whole) - 1, 7):
        with pytest.raises(records.RecordFileError):
            assert len(list(records.read_scored_alerts(whole[:end]))) == 2


def test_a_container_of_another_kind_is_one_clear_line(tmp_path: Path) -> None:
    records.write_dead_letters(tmp_path / "letters.avro", [])
    with pytest.raises(records.RecordFileError, match=r"letters\.avro cannot be read as embedding_v1: it holds"):
        list(records.read_embeddings(tmp_path / "letters.avro"))


def test_the_page_of_schemas_is_up_to_date() -> None:
    from schemas.describe import page

    written = Path(__file__).resolve().parents[2] / "docs" / "schemas.md"
    assert written.read_text(encoding="utf-8") == page(), "run: python -m schemas.describe > docs/schemas.md"
