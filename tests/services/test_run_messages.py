"""What becomes of each kind of message that `streamer run` may meet, on one service that runs all the while."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.services import PrometheusServer
from tests.fakes import bend_ztf, night
from tests.services.fixtures import Kafka
from tests.services.running import Scores, Service, records, service, settings, unique, until
from tests.services.test_prometheus_server import ask

MESSAGE_MAX_BYTES = 2_000_000
"""What the service is told to write at most [byte]."""


@dataclass
class Running:
    """The service, and alerts that nobody has sent yet."""

    service: Service
    kafka: Kafka
    topic: str
    nightly: str
    """With `{date}` in it."""
    scores: Scores
    sent: int = 0
    """Alerts that must have scores."""
    _left: list[bytes] = field(default_factory=lambda: night("ztf", 60, seed=21))

    def fresh(self) -> bytes:
        """An alert; a score of it is expected on the public topic."""
        self.sent += 1
        return self._left.pop()

    def unexpected(self) -> bytes:
        """An alert that must not be scored on the public topic."""
        return self._left.pop()

    def send(self, *payloads: bytes | None) -> None:
        self.kafka.produce(self.topic, [(None, payload) for payload in payloads], partition=0)

    def letters(self) -> list[dict[str, Any]]:
        """All dead letters, by the offset of their message."""
        read = [row for message in self.read("dead_letters") for row in records(message)]
        return sorted(read, key=lambda row: int(row["coordinates"]["offset"]))

    def lines(self) -> list[dict[str, Any]]:
        """All that the service has said; each line is an object."""
        return [json.loads(text) for text in self.service.said().splitlines()]

    def read(self, name: str) -> list[Any]:
        return self.kafka.read(f"{self.service.prefix}.{name}")


@pytest.fixture(scope="module")
def running(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("messages")
    topic, nightly = kafka.topic("alerts"), unique("night") + "-{date}"
    given = settings(
        kafka.bootstrap, folder, [topic, nightly], dead_letters={"max_fraction": 1.0}, logs={"format": "json"}
    )
    given["kafka"] |= {"fetch_max_mb": 1, "message_max_mb": MESSAGE_MAX_BYTES // 1_000_000}
    given["streams"][0] |= {"nights_back": 1, "nights_ahead": 0}
    for days in (0, 1, 3):
        kafka.make(name_of(nightly, days))
    with service(folder, given) as made:
        made.wait_ready()
        with Scores(kafka, f"{made.prefix}.scored") as scores:
            yield Running(made, kafka, topic, nightly, scores)


def name_of(nightly: str, days_ago: int) -> str:
    return nightly.format(date=f"{datetime.now(UTC) - timedelta(days=days_ago):%Y%m%d}")


def test_what_cannot_be_read_becomes_a_dead_letter_and_its_neighbours_are_scored(running: Running) -> None:
    truncated, unknown = night("ztf", 1, seed=4)[0][:-2_000], b"\0\0\0\x26\xac" + night("lsst", 1)[0][5:]
    bad = [b"foreign bytes", b"", None, truncated, unknown]
    running.send(running.fresh(), *bad, running.fresh())
    running.scores.wait(running.sent)
    letters = until(lambda: running.letters()[:5], "dead letters come")
    assert [row["payload"] for row in letters] == [payload or b"" for payload in bad]
    assert [row["coordinates"] for row in letters] == [
        {"origin": "home", "stream": running.topic, "partition": 0, "offset": offset} for offset in range(1, 6)
    ]
    assert [(row["stage"], row["reason"]) for row in letters] == [
        ("decode", "wrong_magic"),
        ("decode", "truncated"),
        ("decode", "truncated"),
        ("decode", "truncated"),
        ("decode", "unknown_schema"),
    ]
    assert "set lsst_registry.url" in letters[4]["detail"]


def test_each_kind_of_dead_letter_is_said_with_its_place_and_its_repeats_are_counted(running: Running) -> None:
    before = len(running.letters())

    def misplace(record: dict[str, Any]) -> None:
        record["candidate"]["dec"] = 400.0

    running.send(*[bend_ztf(running.unexpected(), misplace) for _ in range(3)], running.fresh())
    running.scores.wait(running.sent)
    letter = running.letters()[before]
    said = until(
        lambda: [line for line in running.lines() if line.get("reason") == "bad_value"], "the dead letter is said"
    )
    assert [(line["level"], line["survey"], line["stage"]) for line in said] == [("WARNING", "ztf", "decode")]
    assert said[0].items() >= {"alert_id": letter["alert_id"], "deployment": running.service.deployment}.items()
    assert (said[0]["cluster"], said[0]["topic"], said[0]["partition"], said[0]["offset"]) == tuple(
        letter["coordinates"][name] for name in ("origin", "stream", "partition", "offset")
    )
    assert letter["alert_id"] > 0
    assert running.service.count("streamer_log_messages_total") >= 3


def test_a_message_larger_than_all_limits_is_cut_into_a_dead_letter_and_the_rest_goes_on(running: Running) -> None:
    before = len(running.letters())
    near, over = b"n" * (MESSAGE_MAX_BYTES - 100_000), b"".join(b"%08d" % n for n in range(750_000))
    running.send(running.fresh(), near, over, running.fresh())
    running.scores.wait(running.sent)
    whole, cut = running.letters()[before:]
    assert whole["payload"] == near
    assert MESSAGE_MAX_BYTES - 100_000 < len(cut["payload"]) < MESSAGE_MAX_BYTES
    assert cut["payload"] == over[: len(cut["payload"])]
    assert f"the first {len(cut['payload'])} of 6000000 bytes" in cut["detail"]


def test_alerts_of_non_public_data_are_on_topics_of_their_own_alone(running: Running) -> None:
    def of_partners(record: dict[str, Any]) -> None:
        record["candidate"]["programid"] = 2

    def of_caltech(record: dict[str, Any]) -> None:
        record["candidate"]["programid"] = 3

    running.send(
        bend_ztf(running.unexpected(), of_partners), bend_ztf(running.unexpected(), of_caltech), running.fresh()
    )
    running.scores.wait(running.sent)
    scores = [row for message in running.read("scored.restricted") for row in records(message)]
    assert sorted(row["data_rights"] for row in scores) == ["caltech", "partnership"]
    embeddings = [row for message in running.read("embeddings.restricted") for row in records(message)]
    assert {row["alert_id"] for row in embeddings} <= {row["alert_id"] for row in scores}
    public = [row for name in ("scored", "embeddings") for message in running.read(name) for row in records(message)]
    assert {row["data_rights"] for row in public} == {"public"}
    assert not {row["alert_id"] for row in public} & {row["alert_id"] for row in scores}


def test_nights_within_the_window_are_read_and_older_ones_are_not(running: Running) -> None:
    running.kafka.produce(name_of(running.nightly, 3), [(None, running.unexpected())])
    for days in (0, 1):
        running.kafka.produce(name_of(running.nightly, days), [(None, running.fresh())])
    running.scores.wait(running.sent)
    running.send(running.fresh())
    running.scores.wait(running.sent)
    assert running.scores.look() == running.sent


def test_prometheus_has_of_a_running_worker_what_was_processed(
    running: Running, prometheus: Callable[[list[str]], PrometheusServer]
) -> None:
    running.send(running.fresh(), running.fresh())
    running.scores.wait(running.sent)
    database = prometheus([f"127.0.0.1:{running.service.port}"])

    def value(query: str) -> float:
        return float(ask(database, query)[0]["value"][1])

    letters, restricted = len(running.letters()), len(running.read("scored.restricted"))
    assert value('streamer_messages_total{outcome="scored"}') == running.sent + restricted
    assert value('sum(streamer_messages_total{outcome="dead_letter"})') == letters
    assert value("streamer_latency_seconds_count") == value("sum(streamer_messages_total)")
    assert value("streamer_assigned_lanes") == 3
    assert value("process_resident_memory_bytes") > 1e7
    assert ask(database, "streamer_build_info")[0]["metric"]["slot"].endswith("-0")


def test_nothing_of_all_that_came_twice_or_stopped_the_worker(running: Running) -> None:
    assert running.scores.look() == running.sent
    assert set(running.scores.seen.values()) <= {1}
    assert {line["level"] for line in running.lines()} <= {"INFO", "WARNING"}
    assert "started again" not in running.service.said()
    assert "Traceback" not in running.service.said()
