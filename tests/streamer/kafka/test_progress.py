"""What must hold of the questions about a deployment's progress."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streamer.kafka import progress
from streamer.kafka.cluster import Cluster, KafkaFailure
from streamer.kafka.progress import OFFSETS_TOPIC, DeploymentWatch


class Loading:
    """A cluster whose coordinator answers only after it was asked so often."""

    def __init__(self, code: int, times: int) -> None:
        self.code, self.times = code, times

    def list_consumer_group_offsets(self, groups: Any, request_timeout: float) -> dict[str, Any]:
        return {"alerts": self}

    def result(self) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise KafkaException(KafkaError(self.code))
        return SimpleNamespace(topic_partitions=[TopicPartition("lsst", 3, 17)])


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> DeploymentWatch:
    monkeypatch.setattr(progress, "reach", lambda *_: SimpleNamespace(topics={OFFSETS_TOPIC: None}))
    monkeypatch.setattr(progress, "LOADING_TURN_S", 0.001)
    return DeploymentWatch(Cluster("home", "127.0.0.1:1", {}, 1_000_000), "alerts", "status")


def test_a_group_whose_coordinator_has_just_begun_is_asked_again(
    watch: DeploymentWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Loading(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, 3)
    monkeypatch.setattr(watch, "_admin", lambda _: cluster)
    assert watch._positions() == {("lsst", 3): 17}


@pytest.mark.parametrize(
    ("code", "timeout_s"),
    [(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, 0.0), (KafkaError.GROUP_AUTHORIZATION_FAILED, 60.0)],
)
def test_what_does_not_pass_is_said(
    watch: DeploymentWatch, monkeypatch: pytest.MonkeyPatch, code: int, timeout_s: float
) -> None:
    monkeypatch.setattr(progress, "ANSWER_TIMEOUT_S", timeout_s)
    monkeypatch.setattr(watch, "_admin", lambda _: Loading(code, 1))
    with pytest.raises(KafkaFailure):
        watch._positions()
