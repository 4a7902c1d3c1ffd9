"""Packets already in memory: for tests and benches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.packet import Coordinates, Packet


class MemorySource:
    """The given payloads in order, with coordinates of their own."""

    def __init__(self, payloads: Sequence[bytes], name: str = "memory") -> None:
        self._payloads = payloads
        self._name = name

    def __iter__(self) -> Iterator[Packet]:
        for offset, payload in enumerate(self._payloads):
            yield Packet(Coordinates(self._name, "", 0, offset), payload, 0.0)
