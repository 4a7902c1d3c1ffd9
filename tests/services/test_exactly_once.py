"""Workers are killed and frozen while alerts pass; a subscriber has each score exactly once.

CHAOS_ALERTS, CHAOS_KILLS and CHAOS_FREEZES make it longer. What was hit is printed (`pytest -s`, or where it fails).
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.services import KafkaServer
from tests.fakes import night
from tests.services.fixtures import Kafka
from tests.services.running import Scores, Service, score_keys, service, settings, until

ALERTS = int(os.environ.get("CHAOS_ALERTS", "600"))
KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
FREEZES = int(os.environ.get("CHAOS_FREEZES", "1"))

FROZEN_S = 8.0
"""Past a worker's session of 3 s, and past the time-out of 5 s of a transaction that it may have open [s]."""


@pytest.fixture(scope="module")
def payloads() -> list[bytes]:
    """Both surveys' alerts, taking turns."""
    halves = [night(survey, ALERTS // 2, seed=11) for survey in ("ztf", "lsst")]
    return list(itertools.chain.from_iterable(zip(*halves, strict=True)))


class Chaos:
    """Hits workers at random moments while they are amid their work."""

    def __init__(self, running: Service, scores: Scores, send: Callable[[], int]) -> None:
        """`send` sends some more alerts, and gives the number of all that were sent."""
        self._running, self._scores, self._send = running, scores, send
        self._chance = random.Random(3)
        self.hits: Counter[str] = Counter()

    def hit(self, how: str) -> None:
        """Sends alerts, and kills or freezes a worker as they are taken."""
        until(lambda: len(self._running.worker_pids()) == 2, "both workers run")
        before = self._scores.look(0.0)
        sent = self._send()
        until(lambda: self._scores.look(0.05) > before, "scores come")
        time.sleep(self._chance.uniform(0.0, 0.3))
        victim = self._chance.choice(self._running.worker_pids())
        os.kill(victim, signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        self.hits[f"{how} {'amid work' if self._scores.look(0.0) < sent else 'in a pause'}"] += 1
        if how == "kill":
            until(lambda: victim not in self._running.worker_pids(), "the worker is gone")
            return
        self._send()  # the other worker takes over what was the victim's
        time.sleep(FROZEN_S)
        os.kill(victim, signal.SIGCONT)


def check(home: Kafka, source: Kafka, folder: Path, database: str, uri: str, payloads: list[bytes]) -> None:
    topic = source.topic("alerts", partitions=6)
    given = settings(home.bootstrap, folder, [topic], batch={"max_alerts": 16})
    given["state"] = {"store": "mongodb", "mongodb": {"uri": uri, "database": database}}
    given["kafka"]["transaction_timeout_s"] = 5
    if source is not home:
        given["clusters"] = [{"name": "survey", "bootstrap": source.bootstrap}]
        given["streams"][0]["cluster"] = "survey"
    turns = ["kill"] * KILLS + ["freeze"] * FREEZES
    random.Random(5).shuffle(turns)
    size = -(-len(payloads) // (KILLS + 2 * FREEZES + 1))
    chunks = (payloads[start : start + size] for start in range(0, len(payloads), size))

    sent = 0

    def send() -> int:
        nonlocal sent
        chunk = next(chunks)
        source.produce(topic, [(None, payload) for payload in chunk])
        sent += len(chunk)
        return sent

    with service(folder, given, workers=2) as running:
        running.wait_ready()
        with Scores(home, f"{running.prefix}.scored") as scores:
            chaos = Chaos(running, scores, send)
            for how in turns:
                chaos.hit(how)
            send()
            scores.wait(len(payloads))
            running.wait_ready()  # whoever was frozen has come to itself, and tried what it had in hand
            scores.look(1.0)
        print(dict(chaos.hits), *taken_back(running), sep="\n")
    keys = Counter(key for message in home.read(f"{running.prefix}.scored") for key in score_keys(message))
    assert set(keys.values()) == {1}
    assert len(keys) == len(payloads)
    assert "Traceback" not in running.said()


def taken_back(running: Service) -> list[str]:
    """The lines of batches that were refused, and of workers that ended."""
    return [line for line in running.said().splitlines() if " WARNING " in line or " ERROR " in line]


def test_each_score_is_there_exactly_once_from_the_home_cluster(
    kafka: Kafka, mongodb_uri: str, mongodb_database: str, tmp_path: Path, payloads: list[bytes]
) -> None:
    check(kafka, kafka, tmp_path, mongodb_database, mongodb_uri, payloads)


def test_each_score_is_there_exactly_once_from_a_surveys_own_cluster(
    kafka: Kafka,
    start_kafka: Callable[..., KafkaServer],
    mongodb_uri: str,
    mongodb_database: str,
    tmp_path: Path,
    payloads: list[bytes],
) -> None:
    check(kafka, Kafka(start_kafka().client()), tmp_path, mongodb_database, mongodb_uri, payloads)
