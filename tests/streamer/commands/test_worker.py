"""A worker does not stand still."""

from __future__ import annotations

from threading import Event

import pytest

from streamer.commands import worker as command
from streamer.health import Health
from streamer.supervisor import Ended


def test_a_worker_whose_work_stands_still_ends_and_may_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, codes = Event(), list[int]()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(command.os, "_exit", end)
    monkeypatch.setattr(command, "HUNG_TURN_S", 0.001)
    now = 0.0
    health = Health((), clock=lambda: now)
    health.polled()
    command._end_when_silent(health)
    assert not ended.wait(0.05)
    now = command.HUNG_S
    assert ended.wait(10.0)
    assert codes == [Ended.START_AGAIN]
