"""A file of fixed size that holds the newest stamps, written over in turn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from schemas.alert import EncodedCutouts


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
    """Stamps in a ring of `capacity` bytes: dropping the oldest costs nothing.

    The caller keeps the slots, and with them `capacity` and `end`, in one transaction, so that all are undone together.
    OSError where the file cannot be written.
    """

    def __init__(self, path: Path, capacity: int, end: int) -> None:
        self.end = end
        """Bytes ever written: position of the next slot."""
        self.capacity = capacity
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    @property
    def oldest(self) -> int:
        """Slots before this position are written over."""
        return self.end - self.capacity

    def write(self, cutouts: Sequence[EncodedCutouts]) -> list[Slot | None]:
        """Writes the stamps of n alerts; None for one without any, or larger than the ring."""
        slots: list[Slot | None] = []
        run: list[memoryview | bytes] = []
        run_start = self.end
        for stamps in cutouts:
            science, template, difference = (None if stamp is None else len(stamp) for stamp in stamps)
            size = (science or 0) + (template or 0) + (difference or 0)
            if size == 0 or size > self.capacity:
                slots.append(None)
                continue
            if self.end % self.capacity + size > self.capacity:
                self._write_at(run_start, run)
                run = []
                run_start = self.end = -(-self.end // self.capacity) * self.capacity
            checksum = 0
            for stamp in stamps:
                if stamp is not None:
                    checksum = isal_zlib.crc32(stamp, checksum)
                    run.append(stamp)
            slots.append(Slot(self.end, science, template, difference, checksum))
            self.end += size
        self._write_at(run_start, run)
        return slots

    def read(self, slot: Slot) -> EncodedCutouts | None:
        """The stamps of a slot; None where they were written over or lost."""
        if slot.position < self.oldest:
            return None
        lengths = slot[1:4]
        held = os.pread(self._file, sum(length or 0 for length in lengths), slot.position % self.capacity)
        if isal_zlib.crc32(held) != slot.checksum:
            return None
        stamps: list[bytes | None] = []
        place = 0
        for length in lengths:
            stamps.append(None if length is None else held[place : place + length])
            place += length or 0
        return (stamps[0], stamps[1], stamps[2])

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)

    def _write_at(self, position: int, run: Sequence[memoryview | bytes]) -> None:
        left = memoryview(b"".join(run))
        place = position % max(self.capacity, 1)
        while left:
            written = os.pwrite(self._file, left, place)
            left = left[written:]
            place += written
