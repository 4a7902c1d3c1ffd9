"""The supervisor keeps its workers running, and ends them in order."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.supervisor import FIRST_PAUSE_S, LIFELINE, LONGEST_PAUSE_S, STEADY_S, Ended, Supervisor


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Puts the signals' handlers back: a supervisor sets its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def supervisor(*scripts: str) -> Supervisor:
    """One worker for each shell script."""
    return Supervisor(lambda index: ["/bin/sh", "-c", scripts[index]], len(scripts))


@pytest.mark.parametrize("code", [Ended.CONFIGURATION, Ended.SLOT_TAKEN, Ended.DEAD_LETTERS])
def test_an_end_that_a_new_start_would_not_change_ends_the_other_workers_and_the_service(
    code: Ended, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    told = f"trap 'echo told >{ended}; exit 0' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done"
    waits = f"until [ -e {tmp_path}/up ]; do sleep 0.05; done; exit {int(code)}"
    assert supervisor(told, waits).run() == code
    assert ended.read_text() == "told\n"


@pytest.mark.parametrize(
    ("end", "said"),
    [("exit 75", "ended with code 75"), ("exit 0", "ended with code 0"), ("kill -KILL $$", "was ended by SIGKILL")],
)
def test_a_worker_that_ends_otherwise_is_started_again_with_a_line_and_a_longer_pause_each_time(
    end: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    starts = tmp_path / "starts"
    script = f"echo x >>{starts}; [ $(wc -l <{starts}) -eq 3 ] && exit {int(Ended.DEAD_LETTERS)}; {end}"
    with caplog.at_level(logging.WARNING):
        assert supervisor(script).run() == Ended.DEAD_LETTERS
    assert caplog.messages == [
        f"worker 0 {said}: it is started again in {FIRST_PAUSE_S:g} s",
        f"worker 0 {said}: it is started again in {2 * FIRST_PAUSE_S:g} s",
    ]


def test_the_pause_grows_to_its_bound_and_a_steady_worker_begins_with_the_first_one_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr("streamer.supervisor.monotonic", lambda: now)
    held = supervisor("exit 75")
    (worker,) = held._workers

    def ends_after(ran_s: float) -> None:
        nonlocal now
        now = max(now, worker.due)
        held._look_after(worker)
        assert worker.process is not None
        worker.process.wait()
        now += ran_s
        held._look_after(worker)

    for _ in range(10):
        ends_after(1.0)
    assert worker.due == now + LONGEST_PAUSE_S
    ends_after(STEADY_S)
    assert worker.due == now + LONGEST_PAUSE_S
    ends_after(STEADY_S + 1.0)
    assert worker.due == now + FIRST_PAUSE_S


def test_sigterm_ends_the_workers_and_the_service_with_code_0(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    script = f"trap 'echo told >{ended}; exit 0' TERM; kill -TERM {os.getpid()}; while :; do sleep 0.05; done"
    assert supervisor(script).run() == Ended.STOPPED
    assert ended.read_text() == "told\n"


def test_a_worker_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamer.supervisor.END_S", 0.2)
    deaf = f"trap '' TERM; kill -TERM {os.getpid()}; while :; do sleep 0.05; done"
    assert supervisor(deaf).run() == Ended.STOPPED
    assert "does not end: it is killed" in caplog.text


def test_workers_can_see_that_their_supervisor_is_there(tmp_path: Path) -> None:
    script = f"[ -p /dev/fd/${LIFELINE} ] && exit {int(Ended.DEAD_LETTERS)}; exit {int(Ended.CONFIGURATION)}"
    assert supervisor(script).run() == Ended.DEAD_LETTERS
