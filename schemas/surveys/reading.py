"""What both surveys' readers share: compiled decoders by writer schema, and packets that could not be read."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from schemas.codec import PacketError, plain_schema, read_record
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
    """Decodes bodies into an arena by a program compiled once a writer schema, or by fastavro where none can be."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._programs: dict[Hashable, tuple[Program | None, Any]] = {}

    def decode_into(
        self, arena: RowArena, key: Hashable, schema: dict[str, Any], data: bytes | memoryview, start: int, end: int
    ) -> None:
        """Appends the body `data[start:end]`; PacketError where it cannot be read (the arena is then unchanged)."""
        known = self._programs.get(key)
        if known is None:
            known = self._compile(schema)
            if len(self._programs) >= MAX_PROGRAMS:
                self._programs.clear()
            self._programs[key] = known
        program, plain = known
        try:
            if program is not None:
                arena.decode(program, data, start, end)
            else:
                arena.append_record(read_record(plain, data, start, end))
        except DecodeError as error:
            raise PacketError("bad_avro", str(error)) from None

    def _compile(self, schema: dict[str, Any]) -> tuple[Program | None, Any]:
        plain = plain_schema(schema)
        try:
            return compile_program(plain, self._projection), plain
        except CannotCompile:
            return None, plain
