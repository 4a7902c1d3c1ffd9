"""Avro by pieces: single values, many integers at once, arrays of encoded items, containers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.light_curve import ByteArray, IntArray
from schemas.surveys.tables import survey_schema

ABSENT, PRESENT = b"\x00", b"\x02"
"""Branch of a union written `null|something`."""


def encode_long(value: int) -> bytes:
    """An Avro int or long: zigzag, seven bits a byte."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def varints(values: npt.NDArray[np.integer]) -> tuple[ByteArray, IntArray]:
    """Many Avro ints or longs: (n, width) bytes, of which the first so many count, and how many, (n,)."""
    signed = values.astype(np.int64)
    zigzag = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
    width = max((int(zigzag.max(initial=0)).bit_length() + 6) // 7, 1)
    groups = zigzag[:, None] >> (7 * np.arange(width, dtype=np.uint64))
    lengths = np.maximum((groups > 0).sum(axis=1), 1)
    digits = (groups & np.uint64(0x7F)).astype(np.uint8)
    digits[np.arange(width) < lengths[:, None] - 1] |= 0x80
    return digits, lengths


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
