"""Avro by pieces: a history row is encoded once and its bytes go into every later packet of its object."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

import fastavro

from schemas.surveys.tables import Schema, survey_schema

Record = dict[str, Any]

ABSENT, PRESENT = b"\x00", b"\x02"
"""Branch of a union written `null|something`."""


class RecordWriter:
    """Encodes one of a survey schema's nested records, found by its name."""

    def __init__(self, survey: str, version: str, name: str) -> None:
        found = _find(survey_schema(survey, version), name)
        if found is None:
            raise KeyError(f"no record {name} in {survey} {version}")
        self._schema = fastavro.parse_schema(found)
        self.field_names: tuple[str, ...] = tuple(field["name"] for field in found["fields"])

    def encode(self, record: Record) -> bytes:
        """The record's body; ValueError or TypeError where it does not fit the schema."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, record)
        return out.getvalue()


def _find(schema: Any, name: str) -> Schema | None:
    if isinstance(schema, list):
        for part in schema:
            if (found := _find(part, name)) is not None:
                return found
    elif isinstance(schema, dict):
        if schema.get("type") == "record":
            if schema["name"] == name:
                return schema
            return _find([field["type"] for field in schema["fields"]], name)
        if "items" in schema:
            return _find(schema["items"], name)
    return None


def encode_long(value: int) -> bytes:
    """An Avro int or long: zigzag, seven bits a byte."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def encode_bytes(value: bytes) -> bytes:
    """An Avro bytes or string value: length, then the bytes."""
    return encode_long(len(value)) + value


def encode_array(items: Sequence[bytes]) -> bytes:
    """An Avro array of encoded items, as one block."""
    if not items:
        return b"\x00"
    return b"".join((encode_long(len(items)), *items, b"\x00"))


class ContainerFraming:
    """Makes whole Avro object containers of one record each, codec null, all with the same header."""

    def __init__(self, survey: str, version: str) -> None:
        schema = json.dumps(survey_schema(survey, version)).encode()
        # A fixed marker keeps packets equal from run to run.
        self._marker = hashlib.md5(schema, usedforsecurity=False).digest()
        entries = {b"avro.schema": schema, b"avro.codec": b"null"}
        metadata = b"".join(encode_bytes(key) + encode_bytes(value) for key, value in entries.items())
        self._header = b"Obj\x01" + encode_long(len(entries)) + metadata + b"\x00" + self._marker

    def frame(self, body: bytes) -> bytes:
        """The container of one encoded record."""
        return b"".join((self._header, b"\x02", encode_long(len(body)), body, self._marker))
