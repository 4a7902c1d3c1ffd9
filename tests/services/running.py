"""`streamer run` as an operator has it: a process of its own, with a configuration file."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import fastavro
import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from scripts.services.process import free_port
from tests.services.fixtures import Kafka

STREAMER = Path(sys.executable).parent / "streamer"

LONG_S = 120.0
"""Longest wait for anything; a test that comes to it fails [s]."""


def until(holds: Callable[[], Any], what: str, timeout_s: float = LONG_S) -> Any:
    """Waits until `holds()` is true, and gives what it gave."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s")


class Service:
    """One `streamer run`."""

    def __init__(self, folder: Path, workers: int, settings: dict[str, Any], **environment: str) -> None:
        self.folder, self.workers = folder, workers
        self._environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.deployment = settings.get("deployment")
        self.prefix = settings.get("kafka", {}).get("topic_prefix", "streamer")
        self.config = folder / "streamer.yaml"
        self.config.write_text(yaml.safe_dump({"metrics": {"port": self.port}} | settings))
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [STREAMER, "run", "--config", self.config, "--workers", str(self.workers)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def worker_pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in children.split()]

    def get(self, path: str, index: int = 0) -> tuple[int, str]:
        """What a worker answers over HTTP; (0, "") where it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port + index}{path}", timeout=2.0) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self) -> bool:
        return all(self.get("/readyz", index)[0] == 200 for index in range(self.workers))

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            return self.is_ready()

        try:
            until(ready, "the service is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()}") from None

    def said(self) -> str:
        """All lines so far."""
        return self.log.read_text()

    def wait_said(self, text: str) -> None:
        """Waits for a part of a line."""
        try:
            until(lambda: text in self.said(), f"the service says {text!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def count(self, name: str, index: int = 0) -> float:
        """The sum of a worker's metric over its labels; 0 where it does not answer."""
        lines = self.get("/metrics", index)[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Ends the supervisor at once; its workers follow."""
        os.kill(self.pid, number)

    def stop(self, timeout_s: float = LONG_S) -> int:
        """Ends the service as an operator does; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            for pid in [*self.worker_pids(), self.pid]:
                os.kill(pid, signal.SIGKILL)
            self._process.wait()
            raise

    def wait(self, timeout_s: float = LONG_S) -> int:
        """Waits until the service has ended by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)


@contextmanager
def service(folder: Path, settings: dict[str, Any], workers: int = 1, **environment: str) -> Iterator[Service]:
    """A service that is running, and is ended afterwards whatever happened."""
    running = Service(folder, workers, settings, **environment)
    running.start()
    try:
        yield running
    finally:
        running.stop()


EVERYTHING = {survey: [{"name": "all", "solar_system": True}] for survey in ("ztf", "lsst")}
"""Selections that score every alert, so that what is expected is plain."""


def settings(bootstrap: str, folder: Path, topics: Sequence[str], **more: Any) -> dict[str, Any]:
    """A configuration of one worker over topics of the home cluster, with names of its own; `more` replaces blocks."""
    return {
        "deployment": unique("run"),
        "kafka": {"bootstrap": bootstrap, "topic_prefix": unique("run"), "session_timeout_s": 3},
        "streams": [{"topics": list(topics)}],
        "state": {"store": "sqlite", "folder": str(folder / "state")},
        "selections": EVERYTHING,
    } | more


class Scores:
    """The alerts that read-committed subscribers have scores of, with how often; reads on at each look."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self.seen: Counter[tuple[Any, ...]] = Counter()
        """How often each score came, by its key."""
        self._consumer = Consumer(
            kafka.client
            | {"group.id": unique("scores"), "enable.auto.commit": False, "enable.partition.eof": True}
            | {"isolation.level": "read_committed", "topic.metadata.refresh.interval.ms": 1000}
        )
        partitions = until(lambda: self._partitions(topic), f"the topic {topic} is there")
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def look(self, timeout_s: float = 0.5) -> int:
        """Reads what has come, and waits a little for more; the number of different scores so far."""
        for message in self._consumer.consume(500, timeout_s):
            if message.error() is None:
                self.seen.update(score_keys(message))
        return len(self.seen)

    def wait(self, count: int) -> None:
        """Waits until so many different scores are there."""
        until(lambda: self.look() >= count, f"{count} scores are there")

    def _partitions(self, topic: str) -> list[int]:
        found = self._consumer.list_topics(topic, timeout=5.0).topics[topic]
        return [] if found.error is not None else list(found.partitions)


def score_keys(message: Message) -> Iterator[tuple[Any, ...]]:
    """What makes each score of a message the one that it is."""
    for record in records(message):
        yield tuple(record[name] for name in ("survey", "alert_id", "model", "version", "revision"))


def records(message: Message) -> list[dict[str, Any]]:
    """What a message holds, read by any Avro reader."""
    return list(fastavro.reader(io.BytesIO(message.value() or b"")))  # type: ignore[arg-type]


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def streamer(*arguments: object, timeout_s: float = LONG_S) -> subprocess.CompletedProcess[str]:
    """Runs a command of ours to its end."""
    command = [str(STREAMER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def json_line(text: str) -> Any:
    """The JSON object on the last line of a command's output."""
    return json.loads(text.splitlines()[-1])
