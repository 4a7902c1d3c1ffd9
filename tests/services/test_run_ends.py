"""How the workers of `streamer run` end, and what stays behind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from tests.fakes import night
from tests.services.fixtures import Kafka
from tests.services.running import Scores, service, settings, until

RECOVERED_S = 15.0
"""A worker that was killed must score again within this time, on a machine that has nothing else to do [s]."""

LOADED = 4
"""So many times longer it may take while other tests keep the machine busy."""


def rows(payloads: list[bytes]) -> list[tuple[None, bytes]]:
    return [(None, payload) for payload in payloads]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_worker_scores_again_soon_and_workers_follow_a_killed_supervisor(kafka: Kafka, tmp_path: Path) -> None:
    topic, alerts = kafka.topic("alerts"), rows(night("ztf", 20))
    with service(tmp_path, settings(kafka.bootstrap, tmp_path, [topic])) as running:
        running.wait_ready()
        kafka.produce(topic, alerts[:10])
        with Scores(kafka, f"{running.prefix}.scored") as scores:
            scores.wait(10)
            started = time.monotonic()
            os.kill(running.worker_pids()[0], signal.SIGKILL)
            kafka.produce(topic, alerts[10:])
            scores.wait(20)
            print(f"recovered {time.monotonic() - started:.1f} s after the kill")
            assert time.monotonic() - started < LOADED * RECOVERED_S
            assert set(scores.seen.values()) == {1}
        running.wait_said("worker 0 was ended by SIGKILL: it is started again in 0.2 s")
        (worker,) = running.worker_pids()
        running.kill()
        until(lambda: not is_running(worker), "the worker has followed its supervisor", timeout_s=10.0)


def test_too_many_dead_letters_end_all_workers_with_code_4_and_nothing_is_lost(
    kafka: Kafka, mongodb_uri: str, mongodb_database: str, tmp_path: Path
) -> None:
    topic = kafka.topic("alerts", partitions=2)
    state = {"store": "mongodb", "mongodb": {"uri": mongodb_uri, "database": mongodb_database}}
    limit = {"max_fraction": 0.5, "window_alerts": 10}
    given = settings(kafka.bootstrap, tmp_path, [topic], state=state, dead_letters=limit)
    with service(tmp_path, given, workers=2) as running:
        running.wait_ready()
        kafka.produce(topic, [(None, b"foreign bytes")] * 20, partition=1)
        assert running.wait() == 4, running.said()
        assert "messages became dead letters (lately: wrong_magic). Nothing is lost" in running.said()
    words = {message.key(): json.loads(message.value() or b"") for message in kafka.read(f"{running.prefix}.status")}
    assert [word["state"] for word in words.values()] == ["stopping", "stopping"]
    (last,) = [word for word in words.values() if word["last_error"] is not None]
    assert last["last_error"]["kind"] == "dead_letter_limit"
    # What was counted is committed: every letter is there, and a new start does not meet its message again.
    assert len(kafka.read(f"{running.prefix}.dead_letters")) == last["outcomes"]["dead_letter"]["wrong_magic"]


def test_of_two_services_with_one_place_the_later_one_keeps_it_and_the_other_ends_with_code_3(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("alerts", partitions=2), rows(night("ztf", 30))
    given = settings(kafka.bootstrap, tmp_path / "first", [topic], host="node-1")
    other = given | {"state": {"store": "sqlite", "folder": str(tmp_path / "second" / "state")}}
    elsewhere = tmp_path / "tmp"  # locks lie there: as if it were another machine
    elsewhere.mkdir()
    with service(tmp_path / "first", given) as first:
        first.wait_ready()
        kafka.produce(topic, alerts[:10])
        with Scores(kafka, f"{first.prefix}.scored") as scores:
            scores.wait(10)
            with service(tmp_path / "second", other, TMPDIR=str(elsewhere)) as second:
                assert first.wait() == 3, first.said()
                assert "another worker has begun to run as node-1-0, and keeps that place" in first.said()
                assert "started again" not in first.said()
                kafka.produce(topic, alerts[10:])
                scores.wait(30)
                assert set(scores.seen.values()) == {1}
                assert "started again" not in second.said()
