"""Values of our topics: what one writes any Avro reader reads, and foreign bytes are one clear line."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest

from schemas import records
from schemas.messages import ContainerEncoder, FramedEncoder, key_of, read_message, read_scored_alert
from schemas.packet import Coordinates, Packet
from schemas.wire import (
    DEAD_LETTER,
    EMBEDDING,
    SCORED_ALERT,
    SPECTRUM,
    embedding_records,
    parsed_schema,
    schema_text,
    scored_alert_records,
)
from tests import made_up

RECORDS: dict[str, list[dict[str, Any]]] = {
    SCORED_ALERT: scored_alert_records(made_up.scored([1, 2, made_up.BIG_ID], unclassified=[1])),
    EMBEDDING: embedding_records(made_up.scored([1, 2])),
    DEAD_LETTER: [
        records.DeadLetter.of(
            Packet(Coordinates("home", "ztf_20261121_programid1", 3, 2**40), b"\x00\xff broken", 1.7e9 + 0.125),
            reason="truncated",
            stage="decode",
            detail="ends early",
        ).model_dump()
    ],
    SPECTRUM: [made_up.spectrum_record().model_dump(), made_up.spectrum_record(flux_var=()).model_dump()],
}
READERS = {
    SCORED_ALERT: records.read_scored_alerts,
    EMBEDDING: records.read_embeddings,
    DEAD_LETTER: records.read_dead_letters,
    SPECTRUM: records.read_spectra,
}
SCORE = RECORDS[SCORED_ALERT][0]


@pytest.mark.parametrize("name", RECORDS)
def test_a_container_is_what_any_avro_reader_reads_with_its_schema_inside(name: str) -> None:
    encoder = ContainerEncoder(name)
    for record in RECORDS[name]:
        value = encoder.encode(record)
        (expected,) = fastavro.reader(io.BytesIO(_written_by_fastavro(name, record)))
        container = fastavro.reader(io.BytesIO(value))
        assert container.codec == "null"
        assert list(container) == [expected]
        assert len(list(READERS[name](value))) == 1


@pytest.mark.parametrize("name", RECORDS)
def test_a_container_and_a_framed_value_give_the_same_record(name: str) -> None:
    container, framed = ContainerEncoder(name), FramedEncoder(name, 70_000)
    for record in RECORDS[name]:
        value = framed.encode(record)
        assert value[:5] == b"\x00\x00\x01\x11\x70"
        read = read_message(value, name, {70_000: parsed_schema(name)}.__getitem__)
        assert read == read_message(container.encode(record), name)
        assert read == next(fastavro.reader(io.BytesIO(_written_by_fastavro(name, record))))


def test_equal_records_give_equal_bytes() -> None:
    assert ContainerEncoder(SCORED_ALERT).encode(SCORE) == ContainerEncoder(SCORED_ALERT).encode(SCORE)


def test_the_schema_in_a_container_is_ours_without_its_texts() -> None:
    container = fastavro.reader(io.BytesIO(ContainerEncoder(SCORED_ALERT).encode(SCORE)))
    text = container.metadata["avro.schema"]
    assert '"doc"' not in text
    assert len(text) < len(schema_text(SCORED_ALERT)) / 2
    assert fastavro.schema.fingerprint(
        fastavro.schema.to_parsing_canonical_form(json.loads(text)), "md5"
    ) == fastavro.schema.fingerprint(
        fastavro.schema.to_parsing_canonical_form(json.loads(schema_text(SCORED_ALERT))), "md5"
    )


def test_a_score_becomes_a_checked_object() -> None:
    value = ContainerEncoder(SCORED_ALERT).encode(RECORDS[SCORED_ALERT][2])
    alert = read_scored_alert(value)
    assert alert == next(records.read_scored_alerts(value))
    assert alert.alert_id == made_up.BIG_ID


def test_a_record_of_a_later_writer_is_read_by_name_and_what_we_do_not_know_is_left_out() -> None:
    later = json.loads(schema_text(SCORED_ALERT))
    later["fields"].insert(0, {"name": "host_name", "type": ["null", "string"], "default": None})
    later = fastavro.parse_schema(later)
    record = SCORE | {"host_name": "NGC 1"}
    out = io.BytesIO()
    fastavro.writer(out, later, [record])
    body = io.BytesIO()
    fastavro.schemaless_writer(body, later, record)
    expected = read_message(ContainerEncoder(SCORED_ALERT).encode(SCORE), SCORED_ALERT)
    assert read_message(out.getvalue(), SCORED_ALERT) == expected
    assert read_message(b"\0\0\0\0\7" + body.getvalue(), SCORED_ALERT, lambda _: later) == expected


def test_keys_keep_the_surveys_apart_and_an_object_together() -> None:
    assert key_of("ztf", "ZTF18abcdefg") == b"ztf:ZTF18abcdefg"
    assert key_of("lsst", "313888633170264064") == b"lsst:313888633170264064"


@pytest.mark.parametrize("foreign", [b"", b"hello", b'{"candid": 1}', b"\x00\x00", b"Obj\x01", b"Obj\x02" + b"x" * 99])
def test_foreign_bytes_are_one_clear_line(foreign: bytes) -> None:
    with pytest.raises(records.RecordFileError, match=r"^the message is no scored_alert_v1: ") as caught:
        read_message(foreign, SCORED_ALERT)
    assert "\n" not in str(caught.value)


def test_a_message_cut_anywhere_or_with_bytes_behind_it_is_refused() -> None:
    whole = ContainerEncoder(SCORED_ALERT).encode(SCORE)
    framed = FramedEncoder(SCORED_ALERT, 7).encode(SCORE)
    for end in range(0, len(whole), 5):
        with pytest.raises(records.RecordFileError):
            read_message(whole[:end], SCORED_ALERT)
    for end in (*range(len(framed)), None):
        value = framed + b"x" if end is None else framed[:end]
        with pytest.raises(records.RecordFileError):
            read_message(value, SCORED_ALERT, lambda _: parsed_schema(SCORED_ALERT))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (ContainerEncoder(EMBEDDING).encode(RECORDS[EMBEDDING][0]), "it holds transient_streamer.v1.Embedding"),
        (FramedEncoder(EMBEDDING, 7).encode(RECORDS[EMBEDDING][0]), "it holds transient_streamer.v1.Embedding"),
    ],
)
def test_a_record_of_another_kind_is_refused_by_its_name(value: bytes, reason: str) -> None:
    with pytest.raises(records.RecordFileError, match=reason):
        read_message(value, SCORED_ALERT, lambda _: parsed_schema(EMBEDDING))


def test_a_framed_value_without_a_registry_says_what_is_missing() -> None:
    with pytest.raises(records.RecordFileError, match="schema number 7: name the schema registry"):
        read_message(FramedEncoder(SCORED_ALERT, 7).encode(SCORE), SCORED_ALERT)


def test_what_the_registry_raises_reaches_the_caller() -> None:
    def away(schema_id: int) -> dict[str, Any]:
        raise KeyError(schema_id)

    with pytest.raises(KeyError):
        read_message(FramedEncoder(SCORED_ALERT, 7).encode(SCORE), SCORED_ALERT, away)


def test_a_compressed_container_or_one_of_several_records_is_refused() -> None:
    for kept, codec in (([SCORE, SCORE], "null"), ([SCORE], "deflate"), ([], "null")):
        out = io.BytesIO()
        fastavro.writer(out, parsed_schema(SCORED_ALERT), kept, codec=codec)
        with pytest.raises(records.RecordFileError, match="scored_alert_v1"):
            read_message(out.getvalue(), SCORED_ALERT)


def test_a_score_of_a_value_that_no_field_can_have_is_refused() -> None:
    value = ContainerEncoder(SCORED_ALERT).encode(SCORE | {"received": 2**62})
    with pytest.raises(records.RecordFileError, match="scored_alert_v1"):
        read_scored_alert(value)


def _written_by_fastavro(name: str, record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, parsed_schema(name), [record])
    return out.getvalue()
