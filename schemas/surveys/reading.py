"""What both surveys' readers share: compiled decoders by writer schema, and packets that could not be read."""

from __future__ import annotations

import io
from collections.abc import Hashable
from typing import Any, NamedTuple

import fastavro

from schemas.codec import PacketError
from schemas.packet import Packet
from schemas.projection import CannotCompile, DecodeError, Program, Projection, RowArena, compile_program

MAX_PROGRAMS = 256
"""Compiled decoders kept at most; a stream of ever new schemas must not fill the memory."""


class Rejected(NamedTuple):
    """A packet that could not become an alert."""

    packet: Packet
    reason: str
    detail: str


class ProgramCache:
    """Decodes bodies into an arena by a program compiled once for each writer schema, or by fastavro where none can be."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._programs: dict[Hashable, tuple[Program | None, Any]] = {}

    def decode_into(
        self, arena: RowArena, key: Hashable, schema: dict[str, Any], data: bytes | memoryview, start: int, end: int
    ) -> None:
        """Appends the body `data[start:end]` to `arena`; PacketError where it cannot be read (the arena is unchanged)."""
        known = self._programs.get(key)
        if known is None:
            known = self._compile(schema)
            if len(self._programs) >= MAX_PROGRAMS:
                self._programs.clear()
            self._programs[key] = known
        program, parsed = known
        try:
            if program is not None:
                arena.decode(program, data, start, end)
            else:
                body = io.BytesIO(bytes(data[start:end]))
                arena.append_record(fastavro.schemaless_reader(body, parsed, None))
                if body.tell() != end - start:
                    raise DecodeError("bytes are left after the record")
        except DecodeError as error:
            raise PacketError("bad_avro", str(error)) from None
        except (EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise PacketError("bad_avro", f"{type(error).__name__}: {error}") from None

    def _compile(self, schema: dict[str, Any]) -> tuple[Program | None, Any]:
        try:
            return compile_program(schema, self._projection), None
        except CannotCompile:
            pass
        try:
            return None, fastavro.parse_schema(schema)
        except Exception as error:  # fastavro raises many kinds for a schema that makes no sense
            raise PacketError("unknown_schema", f"the writer's schema cannot be used: {error}") from None
