"""What must hold of the questions about a deployment's progress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streamer.kafka import progress
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.progress import DeploymentWatch


class Beginning:
    """A group whose coordinator answers only after it was asked so often."""

    def __init__(self, code: int, times: int) -> None:
        self.code, self.times = code, times

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        self.times -= 1
        if self.times >= 0:
            raise KafkaException(KafkaError(self.code))
        return [TopicPartition(at.topic, at.partition, 17 if at.partition == 3 else -1001) for at in partitions]

    def close(self) -> None: ...


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeploymentWatch]:
    monkeypatch.setattr(progress, "AGAIN_S", 0.001)
    with DeploymentWatch(Cluster("home", "127.0.0.1:1", {}, 1_000_000), "alerts", "status") as watch:
        yield watch


@pytest.mark.parametrize("code", [KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR])
def test_a_group_whose_coordinator_begins_or_moves_is_asked_again(
    watch: DeploymentWatch, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(watch, "_group", Beginning(code, 3))
    assert watch._positions([("lsst", 3), ("lsst", 4)]) == {("lsst", 3): 17}


@pytest.mark.parametrize(
    ("code", "timeout_s"),
    [(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, 0.0), (KafkaError.GROUP_AUTHORIZATION_FAILED, 60.0)],
)
def test_what_does_not_pass_is_said(
    watch: DeploymentWatch, monkeypatch: pytest.MonkeyPatch, code: int, timeout_s: float
) -> None:
    monkeypatch.setattr(progress, "ANSWER_TIMEOUT_S", timeout_s)
    monkeypatch.setattr(watch, "_group", Beginning(code, 1))
    with pytest.raises(KafkaFailure):
        watch._positions([("lsst", 3)])
