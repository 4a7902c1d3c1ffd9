"""The worker's turn: when a batch is kept, when it is let go, and when the worker must end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.packet import Coordinates, Packet
from schemas.records import DeadLetter
from schemas.surveys.reading import Rejected
from streamer import worker as module
from streamer.errors import UserError
from streamer.health import Health
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.lane import Lane
from streamer.kafka.slot import ShutOut, SlotTaken
from streamer.kafka.topics import Topics
from streamer.metrics import WorkerMetrics
from streamer.outcomes import Outcomes, letter_of
from streamer.sinks.said_letters import SaidLetters
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
        self.proof, self.parked = object(), dict[Lane, str]()
        self.missing = list[str]()
        self.lanes = [Lane("home", "alerts", 0)]
        self.lasting = 0
        """How often it was told that positions are lasting."""

    def poll(self, max_alerts: int, max_wait_s: float) -> list[Packet]:
        return self._batches.pop() if self._batches else []

    def keep(self, packets: Sequence[Packet]) -> list[Packet]:
        return [packet for packet in packets if packet not in self._lost]

    def positions(self, packets: Sequence[Packet]) -> list[Packet]:
        return list(packets)

    def committed(self) -> None:
        self.lasting += 1

    def keep_alive(self, timeout_s: float = 0.0) -> None: ...

    def lag(self) -> dict[Lane, int]:
        return {}


class Transactions:
    """Notes what is committed; fails at its first commits as told, `words` that of the report."""

    def __init__(self, *failures: Exception, words: Sequence[Exception] = ()) -> None:
        self._failures, self._word_failures = list(failures), list(words)
        self._is_open = False
        self.proofs: list[object] = []
        self.committed: list[list[Packet]] = []
        self.words: list[dict[str, Any]] = []
        self.aborted = 0

    def begin(self) -> None:
        assert not self._is_open
        self._is_open = True

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        self.words.append(json.loads(value))

    def commit(self, positions: list[Packet], proof: Any) -> None:
        self.proofs.append(proof)
        failures = self._failures if positions else self._word_failures
        if failures:
            raise failures.pop(0)
        self._is_open = False
        if positions:
            self.committed.append(positions)

    def abort(self) -> None:
        self.aborted += self._is_open
        self._is_open = False


class Pipeline:
    """Scores whatever it gets; fails at first as told."""

    def __init__(self, *failures: Exception, dead: int = 0) -> None:
        self._failures, self._dead = list(failures), dead
        self.seconds: dict[str, float] = {}
        self.dead_letters = SaidLetters(NullLetters())

    def process(self, packets: Sequence[Packet]) -> Outcomes:
        if self._failures:
            raise self._failures.pop(0)
        rejected = [Rejected(bad, "foreign_bytes", "no alert", "ztf", 42) for bad in packets[: self._dead]]
        self.dead_letters.write([letter_of(bad, "decode") for bad in rejected])
        return outcomes(len(packets), self._dead)


class NullLetters:
    """A sink of dead letters that keeps none."""

    def write(self, letters: Sequence[DeadLetter]) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


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
    health: Health | None = None,
) -> WorkerMetrics:
    """Lets a worker have some turns."""
    metrics = WorkerMetrics(
        deployment="d", slot="s", host="h", software="1", model="m", model_version="1", bundle_hash="0", store="sqlite",
        metrics_url="",
    )  # fmt: skip
    health, limit, letters = health or Health(CONDITIONS), DeadLetterLimit(0.5, 10), pipeline.dead_letters
    made = Worker(
        source, pipeline, transactions, letters, metrics, health, limit, Topics("t"), "s", last_word, 100, 0.0
    )  # type: ignore[arg-type]
    left = iter([False] * turns)
    made.run(lambda: next(left, True))
    return metrics


CONDITIONS = ("models", "store", "assigned")

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


@pytest.mark.parametrize(
    ("pipeline", "transactions"),
    [(Pipeline(StoreAway("away")), Transactions()), (Pipeline(), Transactions(TakenBack("shared out anew")))],
)
def test_a_worker_that_lost_all_it_had_in_hand_waits_for_nothing(
    pipeline: Pipeline, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPORT_S", 0.0)
    health = Health(CONDITIONS)
    run(Source(BATCH, lost=BATCH), pipeline, transactions, health=health)
    assert transactions.committed == []
    assert transactions.words[0]["last_error"] is not None
    assert {word["state"] for word in transactions.words[:-1]} == {"running"}
    assert health.conditions["store"]


def test_a_worker_is_not_ready_while_its_store_is_away() -> None:
    health, was_ready = Health(CONDITIONS), list[bool]()
    source = Source(BATCH)
    source.keep_alive = lambda timeout_s=0.0: was_ready.append(health.conditions["store"])  # type: ignore[method-assign]
    run(source, Pipeline(StoreAway("away")), Transactions(), health=health)
    assert was_ready == [False]
    assert health.conditions["store"]


def test_each_transaction_carries_the_membership_under_which_its_batch_was_fetched() -> None:
    source, transactions = Source(BATCH), Transactions()
    run(source, Pipeline(), transactions)
    assert transactions.proofs
    assert all(proof is source.proof for proof in transactions.proofs)


def test_positions_are_lasting_only_after_a_commit() -> None:
    source = Source(BATCH, lost=BATCH)
    run(source, Pipeline(), Transactions(TakenBack("no"), words=[TakenBack("no"), TakenBack("no")]))
    assert source.lasting == 0
    source = Source(BATCH)
    run(source, Pipeline(), Transactions())
    assert source.lasting == 3  # the batch, and the first and the last word


def test_a_report_that_is_taken_back_is_undone_and_the_work_goes_on() -> None:
    transactions = Transactions(words=[TakenBack("shared out anew")])
    metrics = run(Source(BATCH), Pipeline(), transactions)
    assert transactions.aborted == 1
    assert transactions.committed == [BATCH]
    last = metrics.status().last_error
    assert last is not None
    assert last.kind == "taken_back"


def test_each_try_waits_twice_as_long_as_the_last_one_and_a_success_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 1.0)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 3.0)
    waits: list[float] = []
    monkeypatch.setattr(Worker, "_wait", lambda worker, is_stopping: waits.append(worker._wait_s))
    source = Source(BATCH)
    source._batches.append(list(BATCH))
    away = StoreAway("away")
    pipeline = Pipeline(away, away, away)
    committed = Transactions()
    commit = committed.commit

    def then_fail(positions: list[Packet], proof: Any) -> None:
        commit(positions, proof)
        if positions and len(committed.committed) == 1:
            pipeline._failures.append(away)

    committed.commit = then_fail  # type: ignore[method-assign]
    run(source, pipeline, committed, turns=7)
    assert waits == [1.0, 2.0, 3.0, 1.0]


def test_the_last_word_says_that_the_worker_stops() -> None:
    transactions = Transactions()
    run(Source(BATCH), Pipeline(), transactions)
    assert [word["state"] for word in transactions.words] == ["running", "stopping"]


def test_a_worker_that_ends_by_an_error_says_so_last() -> None:
    transactions = Transactions()
    with pytest.raises(UserError):
        run(Source(BATCH), Pipeline(UserError("the database refuses the user")), transactions)
    assert transactions.committed == []
    word = transactions.words[-1]
    assert (word["state"], word["last_error"]["text"]) == ("stopping", "the database refuses the user")


def test_too_many_dead_letters_are_committed_and_said_before_the_worker_ends() -> None:
    transactions, batch = Transactions(), [packet(offset) for offset in range(12)]
    with pytest.raises(TooManyDeadLetters):
        run(Source(batch), Pipeline(dead=12), transactions)
    assert transactions.committed == [batch]
    assert transactions.words[-1]["last_error"]["kind"] == "dead_letter_limit"


LATER, BEFORE = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def word(started: str, updated: str) -> bytes:
    return json.dumps({"started": started, "updated": updated}).encode()


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (None, ShutOut),  # it cannot be seen that another is there: a new start may help
        (b"own", ShutOut),
        (b"\xff foreign bytes", ShutOut),
        (b'{"started": "own"}', ShutOut),
        (word(LATER, LATER), SlotTaken),
        (word(BEFORE, BEFORE), SlotTaken),  # its clock is another's, and it spoke after us
    ],
)
def test_a_worker_that_is_shut_out_lets_whoever_speaks_under_its_slot_go_on(
    newest: bytes | None, expected: type[Exception]
) -> None:
    transactions = Transactions()

    def last_word() -> bytes | None:
        return json.dumps(transactions.words[-1]).encode() if newest == b"own" else newest

    source = Source([])

    def poll(max_alerts: int, max_wait_s: float) -> list[Packet]:
        if transactions.words:
            raise ShutOut("shut out")
        return []

    source.poll = poll  # type: ignore[method-assign]
    with pytest.raises(expected):
        run(source, Pipeline(), transactions, last_word=last_word)


@pytest.mark.parametrize(("newest", "expected"), [(word(BEFORE, BEFORE), ShutOut), (word(BEFORE, LATER), SlotTaken)])
def test_a_worker_that_is_shut_out_before_its_first_word_lets_whoever_spoke_since_its_start_go_on(
    newest: bytes, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        run(Source(BATCH), Pipeline(), Transactions(ShutOut("shut out")), last_word=lambda: newest)


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
    made = KafkaSource(home, streams, Topics("t"), "g", "s", 10.0, 1_000_000, OpenGate(), lambda kind, text: None, 1)
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


def test_a_dead_letter_is_said_once_when_it_is_lasting_with_all_that_is_known(caplog: pytest.LogCaptureFixture) -> None:
    pipeline, transactions = Pipeline(dead=1), Transactions(TakenBack("the group has changed"))
    with caplog.at_level("WARNING"):
        run(Source(BATCH), pipeline, transactions)
    assert transactions.committed == [BATCH]
    (line,) = [record for record in caplog.records if "dead letter" in record.message]
    assert line.message == "a message became a dead letter: foreign_bytes: no alert"
    fields = ("cluster", "topic", "partition", "offset", "survey", "alert_id", "stage", "reason")
    assert [getattr(line, name) for name in fields] == ["home", "alerts", 0, 0, "ztf", 42, "decode", "foreign_bytes"]


def test_what_is_said_is_not_said_again_with_the_next_batch(caplog: pytest.LogCaptureFixture) -> None:
    letters = SaidLetters(NullLetters())
    for offset in (0, 1):
        letters.write([letter_of(Rejected(packet(offset), "foreign_bytes", "no alert"), "decode")])
        letters.committed()
    assert [record.offset for record in caplog.records] == [0, 1]  # type: ignore[attr-defined]


def test_letters_of_a_batch_that_another_worker_has_now_are_not_said(caplog: pytest.LogCaptureFixture) -> None:
    pipeline, transactions = Pipeline(dead=1), Transactions(TakenBack("the group has changed"))
    run(Source(BATCH, lost=BATCH), pipeline, transactions)
    assert transactions.committed == []
    assert "dead letter" not in caplog.text
