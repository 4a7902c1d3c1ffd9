"""A sink's order: rows, dead letters, positions; and what it says meanwhile."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from schemas.messages import ContainerEncoder
from schemas.records import DeadLetter
from schemas.wire import SCORED_ALERT, Record, scored_alert_records
from streamer.kafka.cluster import Unreachable
from streamer.kafka.offsets import Partition
from streamer.sinks import following
from streamer.sinks.base import Away
from streamer.sinks.following import Follower, Limits
from tests import made_up


@dataclass
class Sent:
    """A message as Kafka's client hands it out."""

    place: int
    content: bytes

    def topic(self) -> str:
        return "scored"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.place

    def value(self) -> bytes:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return 0, -1


class Heard:
    """What a sink lets others know of itself."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        self.lags: list[tuple[int, int]] = []
        self.states: list[str] = []

    def alive(self) -> None:
        self.states.append("alive")

    def polled(self, lag: Mapping[Partition, int], waiting: int) -> None:
        self.lags.append((sum(lag.values()), waiting))

    def written(self, messages: int, unreadable: int, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.batches.append((messages, unreadable))

    def away(self, is_table: bool) -> None:
        self.states.append("table away" if is_table else "cluster away")

    def back(self) -> None:
        self.states.append("back")


class Around:
    """All that a sink works with; notes what was asked of it, in order."""

    schema_name = SCORED_ALERT
    since = "0"

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._left = [Sent(place, content) for place, content in enumerate(contents)]
        self._has_begun = False
        self.done: list[str] = []
        self.letters: list[DeadLetter] = []
        self.failures: dict[str, list[Exception]] = {}
        self.watcher = Heard()

    @property
    def is_at_end(self) -> bool:
        return not self._left

    def lag(self) -> dict[Partition, int]:
        return {("scored", 0): len(self._left)}

    def begin(self, since: str | None = None) -> bool:
        is_first, self._has_begun = not self._has_begun, True
        return is_first

    def poll(self, count: int, timeout_s: float) -> list[Sent]:
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def take(self, records: Sequence[Record]) -> None:
        self._note("take")

    def write(self, letters: Sequence[DeadLetter]) -> None:
        self._note("write letter")
        self.letters += letters

    def commit(self, positions: Mapping[Partition, int]) -> bool:
        self._note("commit")
        return True

    def join(self) -> None:
        self._note("join")

    def _note(self, what: str) -> None:
        if self.failures.get(what):
            raise self.failures[what].pop(0)
        self.done.append(what)


class Flushed:
    """The rows or the letters of what is around."""

    def __init__(self, around: Around, what: str) -> None:
        self._around, self._what = around, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._around, name)

    def flush(self) -> None:
        self._around._note(self._what)


def follower(around: Any, max_rows: int, is_stopping: bool = False) -> Follower:
    rows: Any = Flushed(around, "flush rows")
    letters: Any = Flushed(around, "flush letters")
    stop = iter([False, False]) if is_stopping else None
    return Follower(
        around,
        "home",
        rows,
        around,
        letters,
        None,
        Limits(max_rows, 3_600.0, 3_600.0),
        around.watcher,
        lambda: next(stop, True) if stop is not None else False,
    )


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "AGAIN_S", 0.01)


def score(alert_id: int) -> bytes:
    (record,) = scored_alert_records(made_up.scored([alert_id]))
    return ContainerEncoder(SCORED_ALERT).encode(record)


def test_rows_then_dead_letters_are_made_lasting_before_the_positions_are_committed() -> None:
    around = Around([score(1), b"foreign"])
    tally = follower(around, 2).run(until_end=True)
    assert around.done == ["write letter", "take", "flush rows", "flush letters", "commit", "join"]
    assert (tally.messages, tally.written, tally.unreadable) == (2, 1, 1)


def test_what_is_read_written_and_left_over_is_shown() -> None:
    around = Around([score(1), b"foreign", score(2)])
    follower(around, 2).run(until_end=True)
    assert around.watcher.lags == [(1, 2), (0, 1)]
    assert around.watcher.batches == [(2, 1), (1, 0)]


@pytest.mark.parametrize(("error", "said"), [(Unreachable("away"), "cluster away"), (Away("full"), "table away")])
def test_what_is_away_is_shown_and_that_the_sink_goes_on_trying(error: Exception, said: str) -> None:
    around = Around([score(1)])
    around.failures["flush rows"] = [error] * 2
    follower(around, 1).run(until_end=True)
    states = [state for state, _ in itertools.groupby(around.watcher.states)]
    assert states == [said, "alive", said, "alive", "back"]


@pytest.mark.parametrize("step", ["flush rows", "flush letters"])
def test_nothing_is_committed_before_what_is_away_is_back(step: str) -> None:
    around = Around([score(1), b"foreign"])
    around.failures[step] = [Unreachable("away")] * 3
    follower(around, 2).run(until_end=True)
    assert around.done.count("commit") == 1
    assert around.done.index(step) < around.done.index("commit")
    assert around.failures[step] == []


def test_a_dead_letter_that_finds_no_room_waits_for_it() -> None:
    around = Around([b"foreign"])
    around.failures["write letter"] = [Unreachable("away")] * 3
    assert follower(around, 1).run(until_end=True).unreadable == 1
    assert [letter.payload for letter in around.letters] == [b"foreign"]


def test_each_unreadable_message_is_said_with_its_place_as_one_kind(caplog: pytest.LogCaptureFixture) -> None:
    around = Around([b"foreign"] * 60)
    with caplog.at_level(logging.WARNING):
        follower(around, 20).run(until_end=True)
    assert len(around.letters) == 60
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    places = [(letter.coordinates.stream, letter.coordinates.offset) for letter in around.letters]
    assert [(line.topic, line.offset) for line in caplog.records] == places  # type: ignore[attr-defined]
    assert {(line.reason, line.like) for line in caplog.records} == {  # type: ignore[attr-defined]
        ("unreadable_message", "sink unreadable_message")
    }


def test_told_to_stop_while_something_is_away_it_says_what_stays_and_commits_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    around = Around([score(1)])
    around.failures["flush rows"] = [Unreachable("away")] * 1000
    with caplog.at_level(logging.WARNING):
        follower(around, 1, is_stopping=True).run()
    assert "commit" not in around.done
    assert caplog.messages[-1] == "stopped while waiting: what is not committed stays on the topic for the next start"
