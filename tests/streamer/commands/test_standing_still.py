"""An always-on process does not stand still."""

from __future__ import annotations

from threading import Event

import pytest

from streamer.commands import standing_still as command
from streamer.health import Health
from streamer.supervisor import Ended


def test_a_process_whose_work_stands_still_ends_and_may_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, codes = Event(), list[int]()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(command.os, "_exit", end)
    monkeypatch.setattr(command, "TURN_S", 0.001)
    now = 0.0
    health = Health((), clock=lambda: now)
    health.polled()
    command.end_when_silent(health, 60.0)
    assert not ended.wait(0.05)
    now = 60.0
    assert ended.wait(10.0)
    assert codes == [Ended.START_AGAIN]
