"""Packets from archives, folders and single files."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import time
from typing import IO

from isal import igzip_threaded, isal_zlib

from schemas.codec import CONTAINER_MAGIC, PacketError, split_container
from schemas.packet import Coordinates, Packet
from schemas.surveys.reading import Rejected

_IsalError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says an instance

PACKET_SUFFIXES = (".avro", ".bin")
"""Names of packets inside folders and archives."""

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar")
"""Names of archives; in folders only `.tar.gz` ones are taken."""

MAX_PACKET_BYTES = 64 * 2**20
"""A larger file or member is refused: a packet is 50 KB to 1 MB, and this bounds the memory [byte]."""

KEPT_OF_TOO_LARGE = 65_536
"""So much of a packet that is too large goes into its dead letter [byte]."""


class FileSource:
    """The packets of files, folders and archives, in a stable order; equal path and member give equal coordinates."""

    def __init__(self, paths: Sequence[Path], leave_out: Path | None = None) -> None:
        """Lists the files now, each once, nothing below `leave_out` (where results go); OSError names what is amiss."""
        self.skipped: list[str] = []
        """Files and members that are no packets by their name: listed, not received."""
        self.bytes_read = 0
        """How far the reading is, in bytes of the files as they lie on disk."""
        self._sizes: dict[Path, int] = {}
        self._leave_out = None if leave_out is None else leave_out.resolve()
        for path in paths:
            resolved = path.resolve()
            if resolved.is_dir():
                self._list_folder(resolved)
            else:
                with resolved.open("rb"):  # fails here, with the path, rather than in the middle of the night
                    self._sizes[resolved] = resolved.stat().st_size
        self.bytes_total = sum(self._sizes.values())

    def _list_folder(self, folder: Path) -> None:
        next(folder.iterdir(), None)  # PermissionError if it cannot be listed
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or (self._leave_out is not None and path.is_relative_to(self._leave_out)):
                continue
            if path.name.endswith((*PACKET_SUFFIXES, ".tar.gz")):
                self._sizes[path] = path.stat().st_size
            elif path not in self._sizes:
                self.skipped.append(_text(path))

    def __iter__(self) -> Iterator[Packet | Rejected]:
        """Every packet once; what cannot be read comes as `Rejected`, so that it is counted."""
        done = 0
        for path, size in self._sizes.items():
            if path.name.endswith(ARCHIVE_SUFFIXES):
                yield from self._archive(path, done)
            else:
                yield from self._loose(path)
            done += size
            self.bytes_read = done

    def _loose(self, path: Path) -> Iterator[Packet | Rejected]:
        where = Coordinates(_text(path), "")
        try:
            with path.open("rb") as file:
                payload = file.read(MAX_PACKET_BYTES + 1)
        except OSError as error:
            yield Rejected(Packet(where, b"", time()), "unreadable_file", str(error))
            return
        yield from _packets(where, payload)

    def _archive(self, path: Path, done: int) -> Iterator[Packet | Rejected]:
        """Streams a tar archive; where it breaks off, what is left is one dead letter."""
        occurrences: dict[int, int] = {}
        try:
            with path.open("rb") as raw, _unpacked(path, raw) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    if not member.isfile():
                        continue
                    if not member.name.endswith(PACKET_SUFFIXES):
                        self.skipped.append(_text(f"{path}:{member.name}"))
                        continue
                    file = tar.extractfile(member)
                    payload = file.read(MAX_PACKET_BYTES + 1) if file is not None else b""
                    if len(payload) < min(member.size, MAX_PACKET_BYTES + 1):
                        raise EOFError(f"member {member.name} breaks off")
                    name = hash(member.name)
                    occurrence = occurrences.get(name, 0)
                    occurrences[name] = occurrence + 1
                    self.bytes_read = done + raw.tell()
                    yield from _packets(Coordinates(_text(path), _text(member.name), occurrence), payload)
        except (tarfile.TarError, EOFError, OSError, _IsalError) as error:
            where = Coordinates(_text(path), "")
            yield Rejected(Packet(where, b"", time()), "broken_archive", f"{type(error).__name__}: {error}")


def _text(name: str | Path) -> str:
    """A file's name as text that can be stored and shown, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _unpacked(path: Path, raw: IO[bytes]) -> IO[bytes]:
    if path.name.endswith(".tar"):
        return raw
    return igzip_threaded.open(raw, "rb", threads=1)  # type: ignore[no-any-return]  # unpacks beside the pipeline


def _packets(where: Coordinates, payload: bytes) -> Iterator[Packet | Rejected]:
    """The packet of one file or member; a container of several alerts gives one packet each."""
    if len(payload) > MAX_PACKET_BYTES:
        packet = Packet(where, payload[:KEPT_OF_TOO_LARGE], time())
        yield Rejected(packet, "too_large", f"more than {MAX_PACKET_BYTES} bytes; the letter holds the first of them")
        return
    try:
        parts = split_container(payload) if payload.startswith(CONTAINER_MAGIC) else [payload]
    except PacketError as error:
        yield Rejected(Packet(where, payload, time()), error.reason, error.detail)
        return
    for ordinal, part in enumerate(parts):
        yield Packet(Coordinates(where.origin, where.stream, where.partition, ordinal), part, time())
