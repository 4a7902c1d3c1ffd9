"""Packets from archives, folders and single files."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from time import time
from typing import IO

from isal import igzip_threaded, isal_zlib

from schemas.codec import CONTAINER_MAGIC, PacketError, split_container
from schemas.packet import Coordinates, Packet
from schemas.surveys.reading import Rejected
from streamer.sources.tar_archive import ArchiveError, Kind, TarReader

_IsalError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says an instance

PACKET_SUFFIXES = (".avro", ".bin")
"""Names of packets inside folders and archives."""

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar")
"""Names of archives; in folders only `.tar.gz` ones are taken."""

MAX_PACKET_BYTES = 64 * 2**20
"""A larger file or member is refused: a packet is 50 KB to 1 MB, and this bounds the memory [byte]."""

UNPACKED_BLOCK_BYTES = 131_072
"""What is unpacked at a time; so much before the damage in an archive is lost with it [byte]."""

KEPT_OF_TOO_LARGE = 65_536
"""So much of a packet that is too large goes into its dead letter [byte]."""


class FileSource:
    """The packets of files, folders and archives, in a stable order; equal path and member give equal coordinates."""

    def __init__(self, paths: Sequence[Path], leave_out: Sequence[Path] = ()) -> None:
        """Lists the files now, each once, nothing in or below `leave_out` (results); OSError names what is amiss."""
        self.skipped: list[str] = []
        """Files and members that are no packets by their name or kind: listed, not received."""
        self.bytes_read = 0
        """How far the reading is, in bytes of the files as they lie on disk."""
        self._sizes: dict[Path, int] = {}
        self._unreadable: dict[Path, OSError] = {}
        self._folders: set[tuple[int, int]] = set()
        self._leave_out = [path.resolve() for path in leave_out]
        for path in paths:
            named = Path(os.path.abspath(path))  # noqa: PTH100  # a link keeps the name it was given
            status = named.stat()
            if S_ISDIR(status.st_mode):
                self._list_folder(named)
            elif S_ISREG(status.st_mode):
                with named.open("rb"):  # fails here, with the path, rather than in the middle of the night
                    self._sizes[named] = status.st_size
            else:  # a pipe would be waited for, without end
                raise OSError(errno.EINVAL, "it is neither a file nor a folder", str(named))
        self.bytes_total = sum(self._sizes.values())

    def _list_folder(self, top: Path) -> None:
        """Takes the packets below a folder, behind links too; a folder met again, as in a loop of links, is left."""

        def refuse(error: OSError) -> None:
            if error.filename == str(top):
                raise error
            self._unreadable[Path(error.filename)] = error

        below: list[Path] = []
        for name, subfolders, files in os.walk(top, onerror=refuse, followlinks=True):
            folder = Path(name)
            status = folder.stat()
            met = (status.st_dev, status.st_ino)
            if met in self._folders or self._is_left_out(folder):
                subfolders.clear()
                continue
            self._folders.add(met)
            subfolders.sort()  # which of several links to a folder is followed must not hang on chance
            below += [folder / file for file in files]
        for path in sorted({*below, *self._unreadable} - self._sizes.keys()):
            if not self._is_left_out(path):
                self._list_file(path)

    def _is_left_out(self, path: Path) -> bool:
        resolved = path.resolve() if self._leave_out else path
        return any(resolved.is_relative_to(left_out) for left_out in self._leave_out)

    def _list_file(self, path: Path) -> None:
        is_packet = path.name.endswith((*PACKET_SUFFIXES, ".tar.gz"))
        size = None
        try:
            status = path.stat()
            size = status.st_size if S_ISREG(status.st_mode) else None
        except OSError as error:
            if is_packet:
                self._unreadable[path] = error
        if path in self._unreadable:
            self._sizes[path] = 0
        elif is_packet and size is not None:
            self._sizes[path] = size
        else:
            self.skipped.append(_text(path))

    def __iter__(self) -> Iterator[Packet | Rejected]:
        """Every packet once; what cannot be read comes as `Rejected`, so that it is counted."""
        done = 0
        for path, size in self._sizes.items():
            try:
                if path in self._unreadable:
                    raise self._unreadable[path]
                file = path.open("rb")
            except OSError as error:
                yield _rejected(path, "unreadable_file", str(error))
            else:
                with file:
                    yield from self._archive(path, file, done) if _is_archive(path) else _loose(path, file)
            done += size
            self.bytes_read = done

    def _archive(self, path: Path, raw: IO[bytes], done: int) -> Iterator[Packet | Rejected]:
        """Streams a tar archive; where it breaks off, what is left is one dead letter."""
        occurrences: Counter[str] = Counter()
        try:
            with _unpacked(path, raw) as stream:
                for member in TarReader(stream).members(PACKET_SUFFIXES, MAX_PACKET_BYTES + 1):
                    self.bytes_read = done + raw.tell()
                    if member.kind is Kind.FOLDER:
                        continue
                    if member.kind is Kind.OTHER or not member.name.endswith(PACKET_SUFFIXES):
                        self.skipped.append(f"{_text(path)}:{member.name}")
                        continue
                    where = Coordinates(_text(path), member.name, occurrences[member.name])
                    occurrences[member.name] += 1
                    if member.kind is Kind.SPARSE:
                        detail = "a sparse file, which is not read; pack it without --sparse"
                        yield Rejected(Packet(where, b"", time()), "unreadable_file", detail)
                    else:
                        yield from _packets(where, member.head)
        except (ArchiveError, EOFError, OSError, _IsalError) as error:
            yield _rejected(path, "broken_archive", f"{type(error).__name__}: {error}")


def _loose(path: Path, file: IO[bytes]) -> Iterator[Packet | Rejected]:
    try:
        payload = file.read(MAX_PACKET_BYTES + 1)
    except OSError as error:
        yield _rejected(path, "unreadable_file", str(error))
    else:
        yield from _packets(Coordinates(_text(path), ""), payload)


def _rejected(path: Path, reason: str, detail: str) -> Rejected:
    """The dead letter of a file as a whole, without a payload."""
    return Rejected(Packet(Coordinates(_text(path), ""), b"", time()), reason, detail)


def _is_archive(path: Path) -> bool:
    return path.name.endswith(ARCHIVE_SUFFIXES)


def _text(name: str | Path) -> str:
    """A file's name as text that can be stored and shown, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _unpacked(path: Path, raw: IO[bytes]) -> IO[bytes]:
    if path.name.endswith(".tar"):
        return raw
    # Unpacks in a thread of its own; where it fails it drops the unfinished block: a packet or two.
    return igzip_threaded.open(raw, "rb", threads=1, block_size=UNPACKED_BLOCK_BYTES)  # type: ignore[no-any-return]


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
