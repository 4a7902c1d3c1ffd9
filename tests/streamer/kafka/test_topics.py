"""Our topics have one table; nightly ones have a window."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streamer.kafka import topics as topics_module
from streamer.kafka.topics import Topics, nights


@pytest.mark.parametrize(
    ("pattern", "back", "ahead", "expected"),
    [
        ("lsst-alerts-v11", 3, 3, ["lsst-alerts-v11"]),
        ("ztf_{date}_programid1", 0, 0, ["ztf_20260301_programid1"]),
        ("ztf_{date}", 2, 1, ["ztf_20260227", "ztf_20260228", "ztf_20260301", "ztf_20260302"]),
    ],
)
def test_a_pattern_stands_for_each_night_of_its_window(
    pattern: str, back: int, ahead: int, expected: list[str]
) -> None:
    assert nights(pattern, date(2026, 3, 1), back, ahead) == expected


def test_every_topic_that_is_written_has_a_plan() -> None:
    topics = Topics("ours")
    written = {
        topics.scored,
        topics.scored_restricted,
        topics.embeddings,
        topics.embeddings_restricted,
        topics.dead_letters,
        topics.status,
    }
    assert written <= set(topics.plans())
    assert topics.positions("rubin", "lsst-alerts-v11") == "ours.positions.rubin.lsst-alerts-v11"


def test_scores_are_kept_for_a_week_and_the_status_by_key() -> None:
    plans = Topics("ours").plans()
    scored, status = plans["ours.scored"].config(8), plans["ours.status"].config(8)
    assert (scored["cleanup.policy"], scored["retention.ms"]) == ("delete", "604800000")
    assert (status["cleanup.policy"], "retention.ms" in status) == ("compact", False)
    assert scored["max.message.bytes"] == status["max.message.bytes"] == "8"


class Asked:
    """A cluster that lets nobody ask for the properties of one topic, or has another trouble."""

    def __init__(self, code: int) -> None:
        self._code = code

    def describe_configs(self, wanted: Any, request_timeout: float) -> dict[Any, Any]:
        refused, given = Future[Any](), Future[Any]()
        refused.set_exception(KafkaException(KafkaError(self._code)))
        given.set_result({"cleanup.policy": SimpleNamespace(value="compact")})
        return {wanted[0]: refused, wanted[1]: given}


def test_properties_that_the_user_may_not_ask_for_stop_nobody() -> None:
    asked: Any = Asked(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert topics_module._configs(asked, ["a", "b"]) == {"a": {}, "b": {"cleanup.policy": "compact"}}
    plan = Topics("streamer").plans()["streamer.scored"]
    state = topics_module._beside_plan("streamer.scored", plan, plan.partitions, {}, 7, 1_000_000)
    assert (state.state, state.cleanup, state.retention_ms, state.differences) == ("there", "", None, ())


def test_another_trouble_with_properties_is_passed_on() -> None:
    asked: Any = Asked(KafkaError._TIMED_OUT)
    with pytest.raises(KafkaException):
        topics_module._configs(asked, ["a", "b"])
