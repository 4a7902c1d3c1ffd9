"""The proof of membership that goes into a transaction, on real Kafka."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Collection, Mapping
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import sleep

from confluent_kafka import TopicPartition

from streamer.errors import UserError
from streamer.kafka.cluster import Cluster
from streamer.sinks.transactions import Transactions
from streamer.sources.membership import HomePartition, Membership
from tests.services.fixtures import Kafka
from tests.services.running import until

SESSION_S = 3.0
"""Whoever is silent for so long is put out of the group [s]."""

BACKGROUND_S = 3.0
"""librdkafka has so long to join the group again behind the worker's back [s]; 2.16 was not seen to do so."""

WAIT_S = 60.0
"""Longest wait for the other process [s]."""


class Member:
    """A worker's membership and its producer, and the partitions it has been told of."""

    def __init__(self, home: Cluster, deployment: str, slot: str, topic: str) -> None:
        self.held: dict[HomePartition, int | None] = {}
        self.membership = Membership(home, deployment, slot, SESSION_S, self._gain, self._lose)
        self.membership.subscribe([topic])
        self.transactions = Transactions(home, deployment, slot, 30.0, lambda: None)
        self.transactions.open()

    def _gain(self, positions: Mapping[HomePartition, int | None]) -> None:
        self.held.update(positions)

    def _lose(self, partitions: Collection[HomePartition]) -> None:
        for partition in partitions:
            self.held.pop(partition, None)

    def holds(self, count: int) -> bool:
        self.membership.poll(0.05)
        return len(self.held) == count

    def commit(self, at: HomePartition, offset: int) -> None:
        self.transactions.begin()
        self.transactions.commit([TopicPartition(*at, offset)], self.membership.proof)

    def close(self) -> None:
        self.transactions.close()
        self.membership.close()


def _work(bootstrap: str, deployment: str, topic: str, pipe: Connection) -> None:
    """A worker of its own process: has all, hears nothing more, and commits what it had in hand when it is told to."""
    with closing(Member(Cluster("home", bootstrap, {}, 1_000_000), deployment, "a", topic)) as member:
        until(lambda: member.holds(2), "the first has all")
        pipe.send("holds all")
        pipe.recv()
        sleep(BACKGROUND_S)
        try:
            member.commit((topic, 0), 2)
        except UserError as refused:
            pipe.send(type(refused).__name__)
        else:
            pipe.send("committed")


def test_a_worker_that_was_frozen_commits_nothing_for_partitions_that_went_through_other_hands(kafka: Kafka) -> None:
    topic, deployment = kafka.topic("shared", partitions=2), f"d-{uuid.uuid4().hex[:8]}"
    home = Cluster("home", kafka.bootstrap, {}, 1_000_000)
    context = get_context("spawn")
    pipe, end = context.Pipe()
    frozen = context.Process(target=_work, args=(kafka.bootstrap, deployment, topic, end))
    frozen.start()
    assert frozen.pid is not None
    try:
        assert pipe.poll(WAIT_S)
        assert pipe.recv() == "holds all"
        os.kill(frozen.pid, signal.SIGSTOP)
        with closing(Member(home, deployment, "b", topic)) as second:
            until(lambda: second.holds(2), "the second has all")
            second.commit((topic, 0), 100)
            os.kill(frozen.pid, signal.SIGCONT)
            pipe.send("commit")
            until(lambda: second.holds(2) and pipe.poll(0.0), "the first has tried")
            assert pipe.recv() in ("TakenBack", "ShutOut")
    finally:
        frozen.kill()
        frozen.join(WAIT_S)
