"""Tar archives, read forwards once, so that a damaged one is never taken for a whole one.

tarfile will not do: its stream mode ends in silence at a damaged header, and where a file is cut at the edge of one; it
reads extension headers of any size, and keeps every member. The format: POSIX.1-2017, pax, "ustar Interchange Format"
and "pax Header Block"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import IO, NamedTuple

BLOCK_BYTES = 512
"""Headers are one block; data fill whole blocks [byte]."""

MAX_EXTENSION_BYTES = 2**20
"""A longer extension header is refused unread: names and sizes need a few hundred [byte]."""

SKIPPED_AT_ONCE = 2**20
"""So much of what nobody wants is read in one go [byte]."""

_PAX_RECORD = re.compile(rb"([1-9]\d{0,7}) ([^=]+)=")
_PAX_KEPT = (b"path", b"size", b"GNU.sparse.name", b"GNU.sparse.size", b"GNU.sparse.realsize")
_ZEROS = bytes(BLOCK_BYTES)


class ArchiveError(Exception):
    """An archive cannot be read any further; the text says why and at which byte of the unpacked archive."""


class Kind(Enum):
    """What a member is."""

    FILE = "file"
    SPARSE = "sparse file"
    """Its data have gaps, and are not put together here."""
    FOLDER = "folder"
    OTHER = "link or device"


class Member(NamedTuple):
    """One member of an archive."""

    name: str
    """As it is stored; bytes that are no UTF-8 are escaped."""
    kind: Kind
    head: bytes
    """The beginning of a wanted file, whole where it is not longer than the limit; else empty."""


class TarReader:
    """The members of an archive, from an unpacked stream that is read forwards only."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._place = 0
        self._for_all: dict[bytes, bytes] = {}

    def members(self, wanted: tuple[str, ...], limit: int) -> Iterator[Member]:
        """Every member in order, with up to `limit` bytes of each file whose name ends as `wanted` says.

        Ends only at a proper end of archive, with the stream read to its own end (where a gzip checksum is); else
        ArchiveError follows the last member that could be read. What the stream itself raises is passed on.
        """
        while (found := self._next_header()) is not None:
            name, kind, size = found
            head = b""
            if kind is Kind.FILE and name.endswith(wanted):
                head = self._take(min(size, limit), f"member {name}")
            yield Member(name, kind, head)
            self._skip(_whole_blocks(size) - len(head), f"member {name}")
        self._check_end()

    def _next_header(self) -> tuple[str, Kind, int] | None:
        """Name, kind and stored bytes of the next member, its extension headers applied; None at the zero block."""
        extended: dict[bytes, bytes] = {}
        while (block := self._take(BLOCK_BYTES, "a header")) != _ZEROS:
            if not _checksum_holds(block):
                raise ArchiveError(f"no header at byte {self._place - BLOCK_BYTES}: its checksum does not hold")
            kind, size = block[156:157], self._number(block[124:136])
            if kind in b"xXgLK":
                self._extend(kind, size, extended)
                continue
            return self._member(block, kind, size, self._for_all | extended)
        if extended:
            raise ArchiveError(f"the archive ends at byte {self._place} between a member's extension and its header")
        return None

    def _member(self, block: bytes, kind: bytes, size: int, known: dict[bytes, bytes]) -> tuple[str, Kind, int]:
        stored = _until_null(block[:100])
        if block[257:263] == b"ustar\0" and block[345]:
            stored = _until_null(block[345:500]) + b"/" + stored
        name = known.get(b"GNU.sparse.name", known.get(b"path", stored)).decode("utf-8", "backslashreplace")
        if (text := known.get(b"size")) is not None:
            if not text.isdigit() or len(text) > 20:
                raise ArchiveError(f"member {name} has no size that can be read, at byte {self._place}")
            size = int(text)
        if kind == b"5" or (kind == b"\0" and name.endswith("/")):
            return name, Kind.FOLDER, 0
        if kind in b"12346":
            return name, Kind.OTHER, 0  # links and devices have no data, whatever their size says
        if kind == b"S":
            self._skip_sparse_map(block)
        if kind == b"S" or any(key.startswith(b"GNU.sparse.") for key in known):
            return name, Kind.SPARSE, size
        return name, Kind.FILE if kind in b"\x0007" else Kind.OTHER, size

    def _extend(self, kind: bytes, size: int, extended: dict[bytes, bytes]) -> None:
        """Reads an extension header: pax for one member (x, X) or all after it (g), GNU long name (L) or link (K)."""
        if size > MAX_EXTENSION_BYTES:
            raise ArchiveError(f"an extension header of {size} bytes at byte {self._place - BLOCK_BYTES}")
        data = self._take(_whole_blocks(size), "an extension header")[:size]
        if kind == b"L":
            extended[b"path"] = _until_null(data)
        elif kind == b"g":
            self._for_all |= self._pax_records(data)
        elif kind != b"K":
            extended |= self._pax_records(data)

    def _pax_records(self, data: bytes) -> dict[bytes, bytes]:
        """Those of the records `length key=value` that say where a member's data are and how it is called."""
        records = {}
        place = 0
        while place < len(data) and data[place]:
            found = _PAX_RECORD.match(data, place)
            end = place + int(found[1]) if found else 0
            if found is None or not found.end() < end <= len(data) or data[end - 1 : end] != b"\n":
                raise ArchiveError(f"an extension header that cannot be read, before byte {self._place}")
            if found[2] in _PAX_KEPT:
                records[found[2]] = data[found.end() : end - 1]
            place = end
        return records

    def _skip_sparse_map(self, block: bytes) -> None:
        more = block[482]
        while more:
            more = self._take(BLOCK_BYTES, "a sparse file's map")[504]

    def _number(self, field: bytes) -> int:
        """A size: octal digits, or base 256 where the first bit is set (GNU)."""
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        digits = _until_null(field).strip()
        if not re.fullmatch(rb"[0-7]*", digits):
            raise ArchiveError(f"a header without a size that can be read, at byte {self._place - BLOCK_BYTES}")
        return int(digits or b"0", 8)

    def _take(self, size: int, what: str) -> bytes:
        data = self._stream.read(size)
        self._place += len(data)
        if len(data) < size:
            raise ArchiveError(f"cut off at byte {self._place}, where {what} should go on")
        return data

    def _skip(self, size: int, what: str) -> None:
        while size > 0:
            size -= len(self._take(min(size, SKIPPED_AT_ONCE), what))

    def _check_end(self) -> None:
        while block := self._stream.read(SKIPPED_AT_ONCE):
            if block.count(0) != len(block):
                raise ArchiveError(f"something follows the archive's end at byte {self._place}")


def _checksum_holds(block: bytes) -> bool:
    """Whether the sum over the header, its own field as spaces, is the one it names; old archives sum signed bytes."""
    named = _until_null(block[148:156]).strip()
    if not re.fullmatch(rb"[0-7]+", named):
        return False
    summed = block[:148] + b" " * 8 + block[156:]
    beyond = sum(summed) - int(named, 8)
    return beyond == 0 or beyond == 256 * sum(byte > 127 for byte in summed)


def _until_null(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
