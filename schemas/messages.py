"""Values of our topics: one record a message, as a whole Avro container or in Confluent's frame.

A container carries its schema, so any Avro reader understands a message by itself; compression is Kafka's matter.
A framed value names its schema by the number that a registry gave it.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import fastavro
from pydantic import ValidationError

from schemas.records import UNREADABLE, RecordFileError, ScoredAlert
from schemas.wire import SCORED_ALERT, Record, parsed_schema, schema_text

Schema = dict[str, Any]
"""An Avro schema as parsed by fastavro."""

WriterSchema = Callable[[int], Schema]
"""Gives the writer's schema of a framed value by its number in the registry; what it raises reaches the caller."""

KNOWN_SCHEMAS = 64
"""Writer schemas of containers that are kept parsed; a topic holds one for each version of this software."""

_FRAME = struct.Struct(">bI")
_MAGIC = b"Obj\x01"
_ONE_RECORD = b"\x02"
_CONTAINER: Schema = fastavro.parse_schema(
    {
        "type": "record",
        "name": "ContainerOfOneBlock",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "Magic", "size": 4}},
            {"name": "meta", "type": {"type": "map", "values": "bytes"}},
            {"name": "sync", "type": {"type": "fixed", "name": "Sync", "size": 16}},
            {"name": "count", "type": "long"},
            {"name": "body", "type": "bytes"},
            {"name": "end", "type": "Sync"},
        ],
    }
)
"""The layout of an Avro container of one block, itself in Avro (Avro specification 1.12, Object Container Files)."""


class ContainerEncoder:
    """Writes records of one of our schemas as whole Avro containers, uncompressed. Equal records give equal bytes."""

    def __init__(self, schema_name: str) -> None:
        self._schema = parsed_schema(schema_name)
        text = json.dumps(_without_docs(json.loads(schema_text(schema_name))), separators=(",", ":")).encode()
        self._sync = hashlib.sha256(text).digest()[:16]
        empty = {
            "magic": _MAGIC,
            "meta": {"avro.schema": text, "avro.codec": b"null"},
            "sync": self._sync,
            "count": 0,
            "body": b"",
            "end": self._sync,
        }
        written = _body(_CONTAINER, empty)
        # What follows the first marker is a count and a length of one byte each, then the second marker.
        self._head = written[: -len(self._sync) - 2] + _ONE_RECORD

    def encode(self, record: Record) -> bytes:
        """The container of one record."""
        return b"".join((self._head, _body("bytes", _body(self._schema, record)), self._sync))


class FramedEncoder:
    """Writes records of one of our schemas in Confluent's frame: 0x00, schema number (4 bytes, big-endian), body."""

    def __init__(self, schema_name: str, schema_id: int) -> None:
        self._schema = parsed_schema(schema_name)
        self._head = _FRAME.pack(0, schema_id)

    def encode(self, record: Record) -> bytes:
        """The framed body of one record."""
        return self._head + _body(self._schema, record)


def key_of(survey: str, object_id: str) -> bytes:
    """The key of all messages of one object, such as b"ztf:ZTF18abcdefg": they share a partition, in order."""
    return f"{survey}:{object_id}".encode()


def read_message(value: bytes, schema_name: str, writer_schema: WriterSchema | None = None) -> Record:
    """The record in a message's value, of either kind, with the fields of our own schema of that name.

    `writer_schema` is asked for framed values only; without it they cannot be read. RecordFileError on foreign bytes.
    """
    written = None
    if value[:1] == b"\0" and len(value) >= _FRAME.size:
        _, schema_id = _FRAME.unpack_from(value)
        if writer_schema is None:
            raise RecordFileError(f"the message is framed with schema number {schema_id}: name the schema registry")
        written = writer_schema(schema_id)
    try:
        if written is not None:
            return _read_body(value[_FRAME.size :], *_resolution(written, schema_name))
        return _read_container(value, schema_name)
    except UNREADABLE as error:
        detail = str(error) or type(error).__name__
        raise RecordFileError(f"the message is no {schema_name}: {detail}") from None


def read_scored_alert(value: bytes, writer_schema: WriterSchema | None = None) -> ScoredAlert:
    """The scored alert in a message's value, checked; RecordFileError on foreign bytes."""
    record = read_message(value, SCORED_ALERT, writer_schema)
    try:
        return ScoredAlert.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordFileError(f"the message is no {SCORED_ALERT}: {where}: {first['msg']}") from None


def _read_container(value: bytes, schema_name: str) -> Record:
    if not value.startswith(_MAGIC):
        raise ValueError("neither an Avro container nor in Confluent's frame")
    container: Any = fastavro.schemaless_reader(io.BytesIO(value), _CONTAINER, None)
    codec = container["meta"].get("avro.codec", b"null").decode()
    if codec != "null" or container["count"] != 1 or container["end"] != container["sync"]:
        raise ValueError(f"not a container of one record as it is, but of {container['count']} with the codec {codec}")
    return _read_body(container["body"], *_container_schemas(container["meta"]["avro.schema"], schema_name))


def _read_body(body: bytes, written: Schema, wanted: Schema | None) -> Record:
    stream = io.BytesIO(body)
    record: Any = fastavro.schemaless_reader(stream, written, wanted)
    if stream.read(1):
        raise ValueError("bytes are left behind the record")
    return record  # type: ignore[no-any-return]


@lru_cache(KNOWN_SCHEMAS)
def _container_schemas(text: bytes, schema_name: str) -> tuple[Schema, Schema | None]:
    """The writer's schema of a container, and ours where the two differ: resolving costs as much again as reading."""
    document = json.loads(text)
    if _without_docs(document) == _own_without_docs(schema_name):
        return parsed_schema(schema_name), None
    return _resolution(fastavro.parse_schema(document), schema_name)


def _resolution(written: Any, schema_name: str) -> tuple[Schema, Schema]:
    wanted = parsed_schema(schema_name)
    kind = written.get("name") if isinstance(written, dict) else written
    if kind != wanted["name"]:
        raise ValueError(f"it holds {kind}")
    return written, wanted


@cache
def _own_without_docs(schema_name: str) -> Any:
    return _without_docs(json.loads(schema_text(schema_name)))


def _without_docs(schema: Any) -> Any:
    """The schema without its `doc` texts: half of its length, and no reader needs them."""
    if isinstance(schema, dict):
        return {name: _without_docs(value) for name, value in schema.items() if name != "doc"}
    return [_without_docs(item) for item in schema] if isinstance(schema, list) else schema


def _body(schema: Any, record: Any) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, record)
    return stream.getvalue()
