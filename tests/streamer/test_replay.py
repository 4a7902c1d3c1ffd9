"""What must hold of how a source is cut into batches."""

from __future__ import annotations

import pytest

from schemas.packet import Coordinates, Packet
from streamer import replay
from streamer.replay import in_batches


def packet(size: int) -> Packet:
    return Packet(Coordinates("t", ""), bytes(size), 0.0)


def test_batches_are_bounded_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BATCH_MAX_BYTES", 1000)
    sizes = [len(batch) for batch in in_batches([packet(10)] * 7, 3)]
    assert sizes == [3, 3, 1]
    assert [len(batch) for batch in in_batches([packet(600)] * 5, 100)] == [2, 2, 1]
    assert list(in_batches([], 3)) == []
