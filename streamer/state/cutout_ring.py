"""A file of fixed size that holds the newest stamps, written over in turn."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from schemas.alert import EncodedCutouts

BLOCK_BYTES = 4096
"""Unit of writing [byte]: what unbuffered writing asks of places, lengths and memory."""

STAGE_BYTES = 4 * 2**20
"""Stamps are gathered in memory up to this size, then written in one go; an alert with more is not kept [byte]."""


class Slot(NamedTuple):
    """Where the stamps of one alert are."""

    position: int
    """Bytes ever written before it; its place in the file is `position % capacity`."""
    science_bytes: int | None
    template_bytes: int | None
    difference_bytes: int | None
    checksum: int
    """crc32 of the three together: a slot that was written over, or lost in a power cut, is told by it."""


class CutoutRing:
    """Stamps in a ring of `capacity` bytes (see `whole_blocks`): dropping the oldest costs nothing.

    The caller keeps the slots, and with them `capacity` and `end`, in one transaction, so that all are undone together.
    Writing goes past the page cache where the file system can: stamps are seldom read again, and caching them takes
    longer than all other work of the store. OSError where the file cannot be written.
    """

    def __init__(self, path: Path, capacity: int, end: int) -> None:
        self.capacity = capacity
        """Size of the ring [byte], a whole number of blocks."""
        self.end = end
        """Bytes ever written: position of the next slot."""
        self._stage = mmap.mmap(-1, STAGE_BYTES)
        self._reading = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        try:
            self._writing = os.open(path, os.O_WRONLY | getattr(os, "O_DIRECT", 0))
        except OSError:
            self._writing = os.open(path, os.O_WRONLY)

    @property
    def oldest(self) -> int:
        """Slots before this position are written over."""
        return self.end - self.capacity

    def write(self, cutouts: Sequence[EncodedCutouts]) -> list[Slot | None]:
        """Writes the stamps of n alerts; None for one without any, or too large to be kept."""
        slots: list[Slot | None] = []
        staged = 0
        for stamps in cutouts:
            lengths = [None if stamp is None else len(stamp) for stamp in stamps]
            size = sum(length or 0 for length in lengths)
            if size == 0 or size > min(self.capacity, STAGE_BYTES):
                slots.append(None)
                continue
            if staged + size > STAGE_BYTES:
                staged = self._flush(staged)
            if (self.end + staged) % self.capacity + size > self.capacity:
                staged = self._flush(staged)
                self.end = _round_up(self.end, self.capacity)
            position = self.end + staged
            checksum = 0
            for stamp, length in zip(stamps, lengths, strict=True):
                if stamp is not None and length:
                    self._stage[staged : staged + length] = stamp
                    checksum = isal_zlib.crc32(stamp, checksum)
                    staged += length
            slots.append(Slot(position, lengths[0], lengths[1], lengths[2], checksum))
        self._flush(staged)
        return slots

    def read(self, slot: Slot) -> EncodedCutouts | None:
        """The stamps of a slot; None where they were written over or lost."""
        return read_stamps(self._reading, slot, self.capacity, self.end)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._reading)
        os.close(self._writing)
        self._stage.close()

    def _flush(self, staged: int) -> int:
        """Writes what is staged, up to a whole block; returns how much is staged now."""
        size = _round_up(staged, BLOCK_BYTES)
        with memoryview(self._stage) as stage:
            written = 0
            while written < size:
                written += os.pwrite(self._writing, stage[written:size], (self.end + written) % self.capacity)
        self.end += size
        return 0


def read_stamps(file: int, slot: Slot, capacity: int, end: int) -> EncodedCutouts | None:
    """The stamps of a slot of the ring open as `file`; None where they were written over or lost."""
    if capacity == 0 or slot.position < end - capacity:
        return None
    lengths = slot[1:4]
    held = os.pread(file, sum(length or 0 for length in lengths), slot.position % capacity)
    if isal_zlib.crc32(held) != slot.checksum:
        return None
    stamps: list[bytes | None] = []
    place = 0
    for length in lengths:
        stamps.append(None if length is None else held[place : place + length])
        place += length or 0
    return (stamps[0], stamps[1], stamps[2])


def whole_blocks(max_bytes: int) -> int:
    """The largest capacity within `max_bytes`."""
    return max_bytes // BLOCK_BYTES * BLOCK_BYTES


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
