"""The worker's turn: when a batch is kept, when it is let go, and when the worker must end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.packet import Coordinates, Packet
from streamer import worker as module
from streamer.health import Health
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.lane import Lane
from streamer.kafka.slot import ShutOut, SlotTaken
from streamer.kafka.topics import Topics
from streamer.metrics import WorkerMetrics
from streamer.outcomes import Outcomes
from streamer.sinks.transactions import TakenBack
from streamer.sources.kafka import KafkaSource, Stream
from streamer.state.store import StoreAway
from streamer.worker import DeadLetterLimit, TooManyDeadLetters, Worker


def outcomes(received: int, dead: int) -> Outcomes:
    return Outcomes(received=received, scored=received - dead, dead_letter=Counter(foreign_bytes=dead))


def packet(offset: int, partition: int = 0, origin: str = "home") -> Packet:
    return Packet(Coordinates(origin, "alerts", partition, offset), b"bytes", 0.0, None)


def test_the_limit_of_dead_letters_holds_over_its_window_and_not_before() -> None:
    limit = DeadLetterLimit(0.5, 100)
    limit.check(outcomes(60, 60))  # no full window yet
    limit.check(outcomes(60, 0))  # exactly half of the last 120
    limit.check(outcomes(60, 60))
    with pytest.raises(TooManyDeadLetters, match=r"81 of the last 120 messages .*\(lately: foreign_bytes\)"):
        limit.check(outcomes(60, 21))


def test_what_lies_before_the_window_does_not_count() -> None:
    limit = DeadLetterLimit(0.5, 100)
    limit.check(outcomes(90, 90))
    for _ in range(3):
        limit.check(outcomes(100, 50))


class Source:
    """Hands out one batch, and remembers what it was asked."""

    def __init__(self, batch: Sequence[Packet], lost: Sequence[Packet] = ()) -> None:
        self._batches = [list(batch)]
        self._lost = list(lost)
        self.proof, self.lanes, self.parked = None, [Lane("home", "alerts", 0)], dict[Lane, str]()

    def poll(self, max_alerts: int, max_wait_s: float) -> list[Packet]:
        return self._batches.pop() if self._batches else []

    def keep(self, packets: Sequence[Packet]) -> list[Packet]:
        return [packet for packet in packets if packet not in self._lost]

    def positions(self, packets: Sequence[Packet]) -> list[Packet]:
        return list(packets)

    def committed(self) -> None: ...

    def keep_alive(self, timeout_s: float = 0.0) -> None: ...

    def lag(self) -> dict[Lane, int]:
        return {}


class Transactions:
    """Notes what is committed; fails at its first commits as told."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.committed: list[list[Packet]] = []
        self.words: list[dict[str, Any]] = []
        self.aborted = 0

    def begin(self) -> None: ...

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        self.words.append(json.loads(value))

    def commit(self, positions: list[Packet], proof: Any) -> None:
        if positions and self._failures:
            raise self._failures.pop(0)
        if positions:
            self.committed.append(positions)

    def abort(self) -> None:
        self.aborted += 1


class Pipeline:
    """Scores whatever it gets; fails at first as told."""

    def __init__(self, *failures: Exception, dead: int = 0) -> None:
        self._failures, self._dead = list(failures), dead
        self.seconds: dict[str, float] = {}

    def process(self, packets: Sequence[Packet]) -> Outcomes:
        if self._failures:
            raise self._failures.pop(0)
        return outcomes(len(packets), self._dead)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(module, "SUCCESSOR_S", 0.05)


def run(
    source: Source,
    pipeline: Pipeline,
    transactions: Transactions,
    turns: int = 4,
    last_word: Callable[[], bytes | None] = lambda: None,
) -> WorkerMetrics:
    """Lets a worker have some turns."""
    metrics = WorkerMetrics(
        deployment="d", slot="s", host="h", software="1", model="m", model_version="1", bundle_hash="0", store="sqlite",
        metrics_url="",
    )  # fmt: skip
    health, limit = Health(("models", "store", "assigned")), DeadLetterLimit(0.5, 10)
    made = Worker(source, pipeline, transactions, metrics, health, limit, Topics("t"), "s", last_word, 100, 0.0)  # type: ignore[arg-type]
    left = iter([False] * turns)
    made.run(lambda: next(left, True))
    return metrics


BATCH = [packet(0), packet(1), packet(5, partition=1)]


@pytest.mark.parametrize(
    ("pipeline", "transactions"),
    [
        (Pipeline(StoreAway("the store is away")), Transactions()),
        (Pipeline(), Transactions(TakenBack("the group has changed"))),
    ],
)
def test_a_batch_that_was_taken_back_is_tried_again_as_far_as_its_lanes_stayed_ours(
    pipeline: Pipeline, transactions: Transactions
) -> None:
    metrics = run(Source(BATCH, lost=BATCH[2:]), pipeline, transactions)
    assert transactions.committed == [BATCH[:2]]
    assert transactions.aborted == 1
    assert metrics.status().outcomes.received == 2


def test_the_last_word_says_that_the_worker_stops() -> None:
    transactions = Transactions()
    run(Source(BATCH), Pipeline(), transactions)
    assert [word["state"] for word in transactions.words] == ["running", "stopping"]


def test_too_many_dead_letters_are_committed_and_said_before_the_worker_ends() -> None:
    transactions, batch = Transactions(), [packet(offset) for offset in range(12)]
    with pytest.raises(TooManyDeadLetters):
        run(Source(batch), Pipeline(dead=12), transactions)
    assert transactions.committed == [batch]
    assert transactions.words[-1]["last_error"]["kind"] == "dead_letter_limit"


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (None, ShutOut),  # it cannot be seen that another is there: a new start may help
        (b'{"started": "own"}', ShutOut),
        (b'{"started": "2026-11-21T00:00:00Z"}', SlotTaken),
    ],
)
def test_a_worker_that_is_shut_out_lets_whoever_speaks_under_its_slot_go_on(
    newest: bytes | None, expected: type[Exception]
) -> None:
    transactions = Transactions()

    def last_word() -> bytes | None:
        own = json.dumps(transactions.words[-1]).encode()
        return own if newest == b'{"started": "own"}' else newest

    source = Source([])

    def poll(max_alerts: int, max_wait_s: float) -> list[Packet]:
        if transactions.words:
            raise ShutOut("shut out")
        return []

    source.poll = poll  # type: ignore[method-assign]
    with pytest.raises(expected):
        run(source, Pipeline(), transactions, last_word=last_word)


def test_a_worker_that_is_shut_out_before_its_first_word_asks_nobody() -> None:
    with pytest.raises(ShutOut):
        run(Source(BATCH), Pipeline(), Transactions(ShutOut("shut out")), last_word=lambda: b"{}")


def test_a_cluster_that_does_not_answer_ends_the_worker_and_leaves_the_batch_uncommitted() -> None:
    transactions = Transactions(KafkaFailure("away"))
    with pytest.raises(KafkaFailure):
        run(Source(BATCH), Pipeline(), transactions)
    assert transactions.committed == []


class OpenGate:
    def check(self, payload: bytes) -> str | None:
        return None


@pytest.fixture
def source() -> Any:
    """A source of two clusters that are not there: nothing is asked of them."""
    home, rubin = (Cluster(name, "127.0.0.1:9", {}, 1_000_000) for name in ("home", "rubin"))
    streams = [Stream(cluster, ("alerts",), "earliest", 0, 0) for cluster in (home, rubin)]
    made = KafkaSource(home, streams, Topics("t"), "g", "s", 10.0, 1_000_000, OpenGate(), lambda kind, text: None)
    yield made
    made.close()


def test_positions_lie_behind_the_last_packet_of_each_lane_and_other_clusters_have_stand_ins(source: Any) -> None:
    packets = [packet(3), packet(7, 1), packet(4), packet(9, 1, "rubin")]
    found = {(at.topic, at.partition): at.offset for at in source.positions(packets)}
    assert found == {("alerts", 0): 5, ("alerts", 1): 8, ("t.positions.rubin.alerts", 1): 10}


def test_packets_of_a_lane_that_went_through_other_hands_are_let_go_even_when_it_came_back(source: Any) -> None:
    source._behind = {"alerts": Lane("home", "alerts", 0), "t.positions.rubin.alerts": Lane("rubin", "alerts", 0)}
    packets = [packet(3), packet(7, 1), packet(9, 1, "rubin")]
    source._lose([("alerts", 1), ("elsewhere", 0)])
    source._gain({("alerts", 1): 7})
    assert source.keep(packets) == [packets[0], packets[2]]
    source._lose([("t.positions.rubin.alerts", 1)])
    assert source.keep(packets) == [packets[0]]
