"""A cluster that goes away while partitions are shared out: the subscriber waits, and begins nowhere else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streamer.client import subscription
from streamer.client.subscription import Subscription
from streamer.kafka.cluster import Cluster, KafkaFailure, Unreachable
from streamer.kafka.offsets import LATEST_MS

AWAY = KafkaError(KafkaError._TRANSPORT)

NO_POSITION, NEW_END = -1001, 70


def at(offset: int, error: KafkaError | None = None) -> TopicPartition:
    place = TopicPartition("scored", 0, offset)
    if error is not None:
        place = type("Refused", (), {"topic": "scored", "partition": 0, "offset": offset, "error": error})()
    return place


class FakeConsumer:
    """Gets one partition at the first poll; what it is asked then is answered one after another."""

    def __init__(self, _: dict[str, Any]) -> None:
        self.answers: list[TopicPartition | KafkaException] = []
        self.commits: list[TopicPartition | KafkaException] = []
        self.assigned: list[int] = []
        self._on_assign: Any = None

    def subscribe(self, topics: list[str], on_assign: Any, **_: Any) -> None:
        self._on_assign = on_assign

    def poll(self, timeout_s: float) -> None:
        if self._on_assign is not None:
            on_assign, self._on_assign = self._on_assign, None
            on_assign(self, [TopicPartition("scored", 0)])

    def assign(self, positions: list[TopicPartition]) -> None:
        self.assigned = [position.offset for position in positions]

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return given(self.answers)

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        return given(self.commits) if self.commits else offsets


def given(answers: list[TopicPartition | KafkaException]) -> list[TopicPartition]:
    answer = answers.pop(0)
    if isinstance(answer, KafkaException):
        raise answer
    return [answer]


@pytest.fixture
def subscribed(monkeypatch: pytest.MonkeyPatch) -> tuple[Subscription, FakeConsumer]:
    monkeypatch.setattr(subscription, "Consumer", FakeConsumer)
    monkeypatch.setattr(subscription, "partitions_of", lambda *_: [("scored", 0)])
    monkeypatch.setattr(subscription, "offsets_at", lambda *asked: dict.fromkeys(asked[2], NEW_END))
    made = Subscription(Cluster("home", "broker:1", {}, 1_000_000), ["scored"], "group", LATEST_MS, False)
    return made, made._consumer  # type: ignore[return-value]


def turn(made: Subscription, count: int = 1) -> None:
    for _ in range(count):
        assert made.next_message(0.0) is None


def test_positions_that_cannot_be_read_now_are_asked_again_and_that_is_said_once(
    subscribed: tuple[Subscription, FakeConsumer], caplog: pytest.LogCaptureFixture
) -> None:
    made, consumer = subscribed
    consumer.answers = [KafkaException(AWAY), KafkaException(AWAY), at(NO_POSITION, AWAY), at(7)]
    with caplog.at_level(logging.WARNING):
        turn(made, 3)
        assert consumer.assigned == []
        turn(made)
    assert consumer.assigned == [7]
    assert len(caplog.messages) == 1
    assert "waiting: the Kafka cluster home (broker:1) cannot be reached" in caplog.messages[0]
    turn(made)  # is begun: asks no more
    assert consumer.answers == []


def test_nothing_is_handed_out_before_the_beginning_is_committed(subscribed: tuple[Subscription, FakeConsumer]) -> None:
    made, consumer = subscribed
    consumer.answers = [at(NO_POSITION)] * 3
    consumer.commits = [KafkaException(AWAY), at(NEW_END, AWAY), at(NEW_END)]
    turn(made, 2)
    assert consumer.assigned == []
    turn(made)
    assert consumer.assigned == [NEW_END]


def test_offsets_of_a_time_that_the_cluster_does_not_say_now_are_asked_again(
    subscribed: tuple[Subscription, FakeConsumer], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, consumer = subscribed
    consumer.answers = [at(NO_POSITION)] * 2

    def away(*_: Any) -> None:
        raise Unreachable("away")

    with monkeypatch.context() as patch:
        patch.setattr(subscription, "offsets_at", away)
        turn(made)
        assert consumer.assigned == []
    turn(made)
    assert consumer.assigned == [NEW_END]


def test_what_no_waiting_mends_ends_the_subscription_with_a_line(
    subscribed: tuple[Subscription, FakeConsumer],
) -> None:
    made, consumer = subscribed
    consumer.answers = [KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))]
    with pytest.raises(KafkaFailure, match="does not let anybody without a user name use this consumer group"):
        made.next_message(0.0)
