"""Framing of packets: Confluent's (LSST) and Avro's object container (ZTF). What cannot be read is a PacketError."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fastavro

from schemas.projection import CannotCompile, DecodeError, Program, Projection, RowArena, compile_program

REASONS: tuple[str, ...] = (
    "truncated",  # the bytes end before the packet does
    "wrong_magic",  # neither Confluent's frame nor an Avro container
    "unknown_schema",  # no schema is known for the id in the frame
    "bad_schema",  # the schema inside the container cannot be read
    "bad_container",  # a container whose blocks or sync markers are wrong
    "unsupported_codec",  # a container compressed by something else than deflate
    "too_large",  # unpacks to more than MAX_BODY_BYTES
    "no_records",  # a container without a record
    "several_records",  # a container with more than one, where one is expected
    "bad_avro",  # the body is no record of its schema
    "missing_field",  # a required field is null or absent
    "bad_value",  # a field holds a value that it cannot have
)
"""Why a packet cannot be read, one word each."""

MAX_BODY_BYTES = 64 << 20
"""Most bytes that a compressed block may unpack to; real packets are below 1 MB."""

MAX_SPLIT_BYTES = 1 << 30
"""Most bytes of all the containers that one is split into; each has the schema once more."""

FRAME_BYTES = 5
"""Length of Confluent's frame: a zero byte, then the schema id as a big-endian 4-byte number."""

CONTAINER_MAGIC = b"Obj\x01"
"""First bytes of an Avro object container."""

_SYNC_BYTES = 16
_NOTHING = Projection(())
_KNOWN_HEADERS = 64


class PacketError(Exception):
    """A packet that cannot be read: `reason` is one of `REASONS`, `detail` a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"unknown reason {reason!r}")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Body:
    """One schemaless Avro record: `buffer[start:end]`, and the schema it was written by."""

    schema_key: str
    """Digest of the writer schema's text; equal keys mean equal schemas."""
    schema: dict[str, Any]
    """The writer schema, parsed by fastavro, without logical types."""
    buffer: bytes
    """The packet itself, or its unpacked block."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Header:
    raw: bytes  # magic and metadata, without the sync marker, which every file has of its own
    schema_key: str
    schema: dict[str, Any]
    codec: str


def read_frame(payload: bytes) -> tuple[int, int]:
    """Confluent's frame: (schema id, place where the body begins). PacketError: truncated, wrong_magic."""
    if payload[:1] not in (b"", b"\0"):
        raise PacketError("wrong_magic", f"a framed packet begins with byte 0x00, this one with 0x{payload[0]:02x}")
    if len(payload) < FRAME_BYTES:
        raise PacketError("truncated", f"{len(payload)} bytes, shorter than a frame")
    return int.from_bytes(payload[1:FRAME_BYTES], "big"), FRAME_BYTES


def write_frame(schema_id: int, body: bytes) -> bytes:
    """Puts Confluent's frame before a schemaless Avro body."""
    return struct.pack(">bI", 0, schema_id) + body


_recent_headers: tuple[_Header, ...] = ()
"""Headers met before, last used first: a survey's packets share a few, and comparing is cheaper than parsing.

Replaced as a whole, since archives are read in a thread of their own."""


def read_container(payload: bytes) -> Body:
    """The record of a container that holds one, uncopied unless the container is compressed.

    PacketError: truncated, wrong_magic, bad_schema, bad_container, unsupported_codec, too_large, no_records,
    several_records.
    """
    header = _header(payload)
    blocks = [block for block in _blocks(payload, len(header.raw)) if block[0]]
    if not blocks:
        raise PacketError("no_records", "the container holds no record")
    if len(blocks) > 1 or blocks[0][0] > 1:
        raise PacketError("several_records", "the container holds more than one record")
    _, start, end = blocks[0]
    if header.codec == "null":
        return Body(header.schema_key, header.schema, payload, start, end)
    unpacked = _inflate(payload[start:end])
    return Body(header.schema_key, header.schema, unpacked, 0, len(unpacked))


def split_container(payload: bytes) -> list[bytes]:
    """One whole container for each record; the payload itself, uncopied, where it holds one.

    PacketError as `read_container`, and bad_avro where the records cannot be told apart.
    """
    header = _header(payload)
    blocks = [block for block in _blocks(payload, len(header.raw)) if block[0]]
    if not blocks:
        raise PacketError("no_records", "the container holds no record")
    if len(blocks) == 1 and blocks[0][0] == 1:
        return [payload]
    sync = payload[len(header.raw) : len(header.raw) + _SYNC_BYTES]
    containers = []
    room = MAX_SPLIT_BYTES
    for count, start, end in blocks:
        block = payload[start:end]
        for body in _records(header, block if header.codec == "null" else _inflate(block), count):
            packed = body if header.codec == "null" else _deflate(body)
            room -= len(header.raw) + len(packed)
            if room < 0:
                raise PacketError(
                    "too_large", f"its records fill more than {MAX_SPLIT_BYTES} bytes, one container each"
                )
            containers.append(b"".join((header.raw, sync, _varint(1), _varint(len(packed)), packed, sync)))
    return containers


def read_record(schema: Any, buffer: bytes | memoryview, start: int, end: int) -> dict[str, Any]:
    """The whole record `buffer[start:end]` as fastavro gives it, for what the interpreter cannot take.

    `schema` is one without logical types (see `plain_schema`). PacketError: bad_avro, bad_schema. The bytes are
    walked by the interpreter first, which bounds what a hostile packet can ask of fastavro.
    """
    try:
        RowArena(_NOTHING).decode(_walker(schema), buffer, start, end)
    except DecodeError as bad:
        raise PacketError("bad_avro", str(bad)) from None
    try:
        record = fastavro.schemaless_reader(io.BytesIO(buffer[start:end]), schema, None)
    except Exception as bad:  # noqa: BLE001  fastavro has no error of its own: all it meets in bad bytes comes through
        raise PacketError("bad_avro", f"{type(bad).__name__}: {bad}") from None
    if not isinstance(record, dict):
        raise PacketError("bad_avro", f"a {type(record).__name__} where a record is expected")
    return record


def plain_schema(schema: Any) -> Any:
    """A schema without logical types, so that fastavro gives the numbers that were sent."""
    if isinstance(schema, dict):
        return {key: plain_schema(value) for key, value in schema.items() if key != "logicalType"}
    return [plain_schema(item) for item in schema] if isinstance(schema, list) else schema


def _records(header: _Header, block: bytes, count: int) -> Iterator[bytes]:
    """The encoded records of an unpacked block, told apart by walking each."""
    if count > len(block):
        raise PacketError("bad_container", f"a block of {len(block)} bytes claims {count} records")
    arena = RowArena(_NOTHING)
    program = _walker(header.schema)
    start = 0
    for _ in range(count):
        try:
            end = arena.record_end(program, block, start)
        except DecodeError as bad:
            raise PacketError("bad_avro", str(bad)) from None
        yield block[start:end]
        start = end
    if start != len(block):
        raise PacketError("bad_container", "bytes are left over after a block's records")


def _walker(schema: Any) -> Program:
    """A program that walks a record and keeps nothing of it."""
    try:
        return compile_program(schema, _NOTHING)
    except CannotCompile as bad:
        raise PacketError("bad_schema", str(bad)) from None


def _header(payload: bytes) -> _Header:
    """The container's schema and codec, from the headers met before or parsed."""
    global _recent_headers
    known = _recent_headers
    for place, header in enumerate(known):
        if payload.startswith(header.raw):
            if place:
                _recent_headers = (header, *known[:place], *known[place + 1 :])
            return header
    header = _parse_header(payload)
    _recent_headers = (header, *known[: _KNOWN_HEADERS - 1])
    return header


def _parse_header(payload: bytes) -> _Header:
    if not CONTAINER_MAGIC.startswith(payload[:4]):
        raise PacketError("wrong_magic", "an Avro container begins with 'Obj' and 0x01")
    place = len(CONTAINER_MAGIC)
    metadata: dict[bytes, bytes] = {}
    while True:
        count, place = _read_varint(payload, place)
        if count == 0:
            break
        if count < 0:
            _, place = _read_varint(payload, place)
        for _ in range(abs(count)):
            key, place = _read_bytes(payload, place)
            metadata[key], place = _read_bytes(payload, place)
    codec = metadata.get(b"avro.codec", b"null").decode("utf-8", "replace")
    if codec not in ("null", "deflate"):
        raise PacketError("unsupported_codec", f"compressed by {codec[:40]!r}; null and deflate are read")
    text = metadata.get(b"avro.schema")
    if text is None:
        raise PacketError("bad_schema", "the container has no avro.schema")
    try:
        schema = fastavro.parse_schema(plain_schema(json.loads(text)))
    except Exception as bad:  # noqa: BLE001  json's, fastavro's, and Python's own for a schema nested too deep
        raise PacketError("bad_schema", f"the container's schema cannot be read: {type(bad).__name__}: {bad}") from None
    if not isinstance(schema, dict):
        raise PacketError("bad_schema", "the container's schema is no record")
    return _Header(payload[:place], hashlib.sha256(text).hexdigest(), schema, codec)


def _blocks(payload: bytes, place: int) -> Iterator[tuple[int, int, int]]:
    """Blocks of a container whose metadata end at `place`: (records, first byte, byte after the last)."""
    sync = payload[place : place + _SYNC_BYTES]
    place += _SYNC_BYTES
    if len(sync) < _SYNC_BYTES:
        raise PacketError("truncated", "the container ends inside its header")
    while place < len(payload):
        count, place = _read_varint(payload, place)
        size, start = _read_varint(payload, place)
        if count < 0 or size < 0:
            raise PacketError("bad_container", f"a block of {count} records and {size} bytes")
        place = start + size
        if place + _SYNC_BYTES > len(payload):
            raise PacketError("truncated", f"a block ends at byte {place + _SYNC_BYTES} of {len(payload)}")
        if payload[place : place + _SYNC_BYTES] != sync:
            raise PacketError("bad_container", f"no sync marker at byte {place}")
        yield count, start, place
        place += _SYNC_BYTES


def _read_varint(payload: bytes, place: int) -> tuple[int, int]:
    """A zigzag number and the place after it."""
    value = shift = 0
    while True:
        if place >= len(payload):
            raise PacketError("truncated", f"the container ends inside a number at byte {place}")
        byte = payload[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), place
        shift += 7
        if shift > 63:
            raise PacketError("bad_container", f"a number of more than 64 bits at byte {place}")


def _read_bytes(payload: bytes, place: int) -> tuple[bytes, int]:
    length, place = _read_varint(payload, place)
    if length < 0:
        raise PacketError("bad_container", f"a negative length at byte {place}")
    if place + length > len(payload):
        raise PacketError("truncated", f"the container ends inside its header at byte {place}")
    return payload[place : place + length], place + length


def _varint(value: int) -> bytes:
    """A number from 0 on as Avro writes it."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _inflate(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(-15)
    try:
        unpacked = unpacker.decompress(packed, MAX_BODY_BYTES + 1)
    except zlib.error as bad:
        raise PacketError("bad_container", f"a block cannot be unpacked: {bad}") from None
    if len(unpacked) > MAX_BODY_BYTES:
        raise PacketError("too_large", f"a block unpacks to more than {MAX_BODY_BYTES} bytes")
    if not unpacker.eof:
        raise PacketError("truncated", "a compressed block ends too early")
    return unpacked


def _deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()
