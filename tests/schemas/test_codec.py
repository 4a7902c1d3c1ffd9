"""Frames and containers: what is read, and what each kind of damage is called."""

from __future__ import annotations

import io
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastavro
import pytest

from schemas import codec
from schemas.codec import (
    CONTAINER_MAGIC,
    PacketError,
    plain_schema,
    read_container,
    read_frame,
    read_record,
    split_container,
    write_frame,
)

SCHEMA = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}


def _container(count: int = 1, packed: str = "null", schema: Any = SCHEMA, **options: Any) -> bytes:
    stream = io.BytesIO()
    records = [{"id": k, "name": f"ZTF{k}", "at": 10 + k} for k in range(count)]
    fastavro.writer(stream, schema, records, codec=packed, **options)
    return stream.getvalue()


def _reason(payload: bytes, read: Any = read_container) -> str:
    with pytest.raises(PacketError) as caught:
        read(payload)
    assert caught.value.detail
    assert str(caught.value).startswith(caught.value.reason)
    return caught.value.reason


def test_a_frame_gives_the_schema_id_big_endian_and_where_the_body_begins() -> None:
    assert read_frame(b"\x00\x00\x00\x04\x4dbody") == (1101, 5)
    assert write_frame(1101, b"body") == b"\x00\x00\x00\x04\x4dbody"


def test_a_bad_frame_is_named() -> None:
    assert _reason(b"", read_frame) == "truncated"
    assert _reason(b"\x00\x00\x00", read_frame) == "truncated"
    assert _reason(b"\x01\x00\x00\x04\x4dbody", read_frame) == "wrong_magic"


@pytest.mark.parametrize("packed", ["null", "deflate"])
def test_a_containers_record_is_found_with_its_schema(packed: str) -> None:
    payload = _container(packed=packed)
    body = read_container(payload)
    assert (body.buffer is payload) == (packed == "null")
    record = read_record(body.schema, body.buffer, body.start, body.end)
    assert record == {"id": 0, "name": "ZTF0", "at": 10}


def test_equal_schemas_have_one_key_though_each_file_has_its_own_sync_marker() -> None:
    bodies = [read_container(_container(sync_marker=bytes([k]) * 16)) for k in range(3)]
    assert len({body.schema_key for body in bodies}) == 1
    assert bodies[0].schema is bodies[2].schema
    other = read_container(_container(schema=SCHEMA | {"name": "other"}))
    assert other.schema_key != bodies[0].schema_key


def test_headers_are_parsed_once_and_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_recent_headers", ())
    parsed = []
    monkeypatch.setattr(
        codec, "_parse_header", lambda payload, real=codec._parse_header: parsed.append(1) or real(payload)
    )
    many = [_container(schema=SCHEMA | {"name": f"n{k}"}) for k in range(codec._KNOWN_HEADERS + 5)]
    for payload in (many[0], many[1], many[0], many[1]):
        read_container(payload)
    assert len(parsed) == 2
    for payload in many:
        read_container(payload)
    assert len(codec._recent_headers) == codec._KNOWN_HEADERS


@pytest.mark.parametrize("packed", ["null", "deflate"])
def test_a_container_cut_at_any_byte_is_a_packet_error(packed: str) -> None:
    payload = _container(packed=packed)
    for end in range(len(payload)):
        reason = _reason(payload[:end])
        # At the end of the header the container is whole, but empty.
        assert reason == "truncated" or (
            reason == "no_records" and payload[:end] == payload[: len(_container(0, packed))]
        )


def test_damage_is_named() -> None:
    payload = _container()
    assert _reason(b"PK\x03\x04" + payload[4:]) == "wrong_magic"
    assert _reason(b"") == "truncated"
    assert _reason(payload[:-1] + b"?") == "bad_container"
    assert _reason(_container(0)) == "no_records"
    assert _reason(_container(3)) == "several_records"
    assert _reason(payload.replace(b'"alert"', b'alert""')) == "bad_schema"
    assert _reason(payload.replace(b'"alert"', b"[[[[[[]")) == "bad_schema"
    assert _reason(payload.replace(b"avro.schema", b"avro.schemx")) == "bad_schema"
    assert _reason(payload.replace(b"\x08null", b"\x08zstd")) == "unsupported_codec"
    body = read_container(payload)
    negative = payload[: body.start - 1] + b"\x01" + payload[body.start :]
    assert _reason(negative) == "bad_container"
    endless = payload[: body.start - 2] + b"\x80" * 30
    assert _reason(endless) == "bad_container"
    assert _reason(CONTAINER_MAGIC + b"\x80" * 30) == "bad_container"
    assert _reason(CONTAINER_MAGIC + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01") == "truncated"


def test_a_schema_nested_without_end_is_a_packet_error() -> None:
    text = b'{"type":"array","items":' * 5000 + b'"int"' + b"}" * 5000
    payload = CONTAINER_MAGIC + b"\x02" + codec._varint(11) + b"avro.schema" + codec._varint(len(text)) + text + b"\0"
    assert _reason(payload + bytes(16)) == "bad_schema"


def test_a_compressed_block_is_unpacked_only_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_BODY_BYTES", 100_000)
    payload = _container(packed="deflate")
    head = payload[: len(_container(0, "deflate"))]
    for size, reason in ((100_001, "too_large"), (100_000, None)):
        packed = codec._deflate(bytes(size))
        bomb = head + codec._varint(1) + codec._varint(len(packed)) + packed + head[-16:]
        if reason:
            assert _reason(bomb) == reason
        else:
            assert len(read_container(bomb).buffer) == size
    garbage = b"\xff\xff\xff"
    assert _reason(head + codec._varint(1) + codec._varint(3) + garbage + head[-16:]) == "bad_container"
    cut = codec._deflate(bytes(500))[:-2]
    assert _reason(head + codec._varint(1) + codec._varint(len(cut)) + cut + head[-16:]) == "truncated"


@pytest.mark.parametrize("packed", ["null", "deflate"])
@pytest.mark.parametrize("sync_interval", [1, 16_000])
def test_a_container_of_several_records_becomes_one_whole_container_each(packed: str, sync_interval: int) -> None:
    parts = split_container(_container(4, packed, sync_interval=sync_interval))
    assert len(parts) == 4
    for k, part in enumerate(parts):
        assert [record["id"] for record in fastavro.reader(io.BytesIO(part))] == [k]
        assert split_container(part) == [part]
        body = read_container(part)
        assert read_record(body.schema, body.buffer, body.start, body.end)["id"] == k


def test_a_container_of_one_record_is_given_back_uncopied() -> None:
    payload = _container()
    assert split_container(payload)[0] is payload


def test_a_container_that_cannot_be_split_is_a_packet_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _reason(_container(0), split_container) == "no_records"
    empty = {"type": "record", "name": "nothing", "fields": []}
    stream = io.BytesIO()
    fastavro.writer(stream, empty, [{}] * 5, codec="null")
    assert _reason(stream.getvalue(), split_container) == "bad_container"
    payload = _container(3)
    damaged = payload.replace(b"\x08ZTF1", b"\x7eZTF1")
    assert _reason(damaged, split_container) == "bad_avro"
    monkeypatch.setattr(codec, "MAX_SPLIT_BYTES", 2 * len(payload))
    assert _reason(_container(9), split_container) == "too_large"


def test_the_whole_record_is_refused_where_the_interpreter_refuses_it() -> None:
    schema = fastavro.parse_schema(
        {"type": "record", "name": "r", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]}
    )
    endless = b"\xfe\xff\xff\xff\xff\xff\xff\x1f"
    with pytest.raises(PacketError) as caught:
        read_record(schema, endless, 0, len(endless))
    assert caught.value.reason == "bad_avro"
    recursive = {"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "r"]}]}
    with pytest.raises(PacketError) as caught:
        read_record(recursive, b"\0", 0, 1)
    assert caught.value.reason == "bad_schema"
    text = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "string"}]}
    with pytest.raises(PacketError) as caught:
        read_record(text, b"\x04\xff\xfe", 0, 3)
    assert caught.value.reason == "bad_avro"


def test_logical_types_are_left_out_of_a_plain_schema_and_nothing_else() -> None:
    plain = plain_schema(SCHEMA)
    assert "logicalType" not in json.dumps(plain)
    assert plain["fields"][:2] == SCHEMA["fields"][:2]
    assert plain["fields"][2] == {"name": "at", "type": {"type": "long"}}


def test_a_packet_error_has_a_documented_reason() -> None:
    with pytest.raises(ValueError, match="unknown reason"):
        PacketError("surprise", "")


def test_deflated_bodies_are_raw_deflate() -> None:
    assert zlib.decompress(codec._deflate(b"abc"), -15) == b"abc"


def test_threads_may_read_containers_at_once() -> None:
    payloads = [_container(schema=SCHEMA | {"name": f"thread{k}"}) for k in range(8)]
    keys = [read_container(payload).schema_key for payload in payloads]

    def read(turn: int) -> bool:
        return read_container(payloads[turn % 8]).schema_key == keys[turn % 8]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(4000)))


def test_a_container_whose_array_never_ends_is_refused_at_once() -> None:
    items = {"type": "array", "items": "null"}
    head = _container(0, schema={"type": "record", "name": "endless", "fields": [{"name": "a", "type": items}]})
    block = codec._varint(2**60) + b"\0" + codec._varint(1) + b"\0"
    payload = head + codec._varint(2) + codec._varint(len(block)) + block + head[-16:]
    assert _reason(payload, split_container) == "bad_avro"
    recursive = {"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "r"]}]}
    head = _container(0, schema=recursive)
    payload = head + codec._varint(2) + codec._varint(2) + b"\0\0" + head[-16:]
    assert _reason(payload, split_container) == "bad_schema"
