"""Every query of every dashboard is put to a real Prometheus, beside a service that lives through a simulated night.

Each must answer, and each panel must change by the event that is named for it. PANELS_REPORT=FILE.md keeps the table.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from scripts.services import PrometheusServer
from streamer.commands.simulate import Wanted
from streamer.commands.simulate_kafka import simulate_to_kafka
from streamer.settings import Settings
from streamer.simulate.night import NightPlan
from tests.services.fixtures import Kafka, started
from tests.services.panels import Change, Grafana, Question, Values, questions, told
from tests.services.proxy import Proxy
from tests.services.registry import SchemaRegistry
from tests.services.running import LONG_S, STREAMER, Service, settings, unique, until

BUNDLE = Path(__file__).resolve().parents[2] / "classifiers" / "bundles" / "default"

CHANGE_S = 90.0
"""Longest wait for the changes of an event [s], on a machine that is busy: they take some seconds."""

UNKNOWN_SCHEMA = b"\0" + (9_901).to_bytes(4, "big") + b"what nobody can read yet"

ALERTS_COME = "alerts of both surveys come"
FOREIGN_BYTES = "foreign bytes come"
ALERTS_AGAIN = "the same alerts come again"
TABLE_AWAY = "a sink's table is away, and comes back"
STORE_AWAY = "the store is away, and comes back"
SCHEMA_UNKNOWN = "an alert comes whose schema is not known, and the registry is in trouble"
UNREAD_DELETED = "messages are deleted before they are read"
WORKER_KILLED = "a worker is killed, and comes back with another bundle"
TIME_PASSES = "time passes"

EVENTS: dict[str, tuple[Change, ...]] = {
    ALERTS_COME: (
        Change("overview", "Alerts", where={"survey": "lsst"}),
        Change("overview", "Scored", where={"survey": "lsst"}),
        Change("overview", "Young supernovae"),
        Change("overview", "TDE candidates"),
        Change("overview", "Highly novel"),
        Change("overview", "Classes", where={"class": "TDE"}),
        Change("overview", "Selections"),
        Change("overview", "Quality flags"),
        Change("overview", "Uncertain answers", "differs"),
        Change("overview", "Alerts a second"),
        Change("overview", "Latency, all messages"),
        Change("overview", "Latency, quantiles"),
        Change("overview", "CPU", least=0.02),
        Change("latency", "Latency of each worker"),
        Change("latency", "Busy"),
        Change("latency", "Mean time of each stage", where={"stage": "classify"}),
        Change("latency", "99 % of each stage", where={"stage": "classify"}),
        Change("latency", "Share of the time", "differs"),
        Change("latency", "Cost of a message, by stage"),
        Change("latency", "Batch size"),
        Change("latency", "Times of a batch in the chosen stages"),
        Change("models", "Class mixture", where={"class": "TDE"}),
        Change("models", "Confidence"),
        Change("models", "Size of the prediction sets"),
        Change("models", "Modality missing"),
        Change("models", "Without a class, or without calibration"),
        Change("models", "Real score, all alerts"),
        Change("models", "Quality flags"),
        Change("models", "Class mixture, change", "differs"),
        Change("models", "Confidence, change", "differs"),
        Change("models", "Real score, change", "differs"),
        Change("models", "Novelty, change", "differs"),
        Change("stores", "Mean time in the store's stages", where={"stage": "commit"}),
        Change("stores", "Messages written"),
        Change("kafka", "Bytes in"),
        Change("kafka", "Time of a transaction"),
    ),
    FOREIGN_BYTES: (
        Change("overview", "What became of the messages", where={"outcome": "dead_letter", "reason": "wrong_magic"}),
    ),
    ALERTS_AGAIN: (Change("overview", "What became of the messages", where={"outcome": "duplicate"}),),
    TABLE_AWAY: (
        Change("overview", "Ready", "falls", where={"condition": "table"}),
        Change("stores", "Store and tables reachable", "falls", where={"condition": "table"}),
        Change("stores", "Tries that found something away", where={"kind": "away"}),
        Change("stores", "Messages not yet read by a sink"),
        Change("stores", "Read and not yet written"),
        Change("stores", "Time of a write"),
    ),
    STORE_AWAY: (
        Change("overview", "Failures", where={"kind": "store_away"}),
        Change("overview", "Ready", "falls", where={"condition": "store"}),
        Change("overview", "State of each worker"),
        Change("overview", "Lines logged", where={"level": "warning"}),
        Change("overview", "Outcome within 0.5 s", "falls"),
        Change("overview", "Lag"),
        Change("stores", "Store and tables reachable", "falls", where={"condition": "store"}),
        Change("stores", "Tries that found something away", where={"kind": "store_away"}),
        Change("kafka", "Time to catch up"),
    ),
    SCHEMA_UNKNOWN: (
        Change("kafka", "Parked partitions"),
        Change("kafka", "Lag by partition, the 10 largest"),
    ),
    UNREAD_DELETED: (Change("kafka", "Failures on Kafka", where={"kind": "expired"}),),
    WORKER_KILLED: (
        Change("overview", "Starts"),
        Change("overview", "Memory", "falls"),
        Change("overview", "Who runs", "falls", least=5.0),
        Change("models", "Who answers", "falls"),
        Change("kafka", "Partitions of each worker", "falls"),
        Change("kafka", "Changes of assignment"),
        Change("annotations", "Starts of a process"),
        Change("annotations", "Another model answers"),
    ),
    TIME_PASSES: (
        Change("overview", "The Sun", "differs"),
        Change("overview", "Since the last batch"),
        Change("stores", "Since the last write"),
    ),
}
"""What each event must change; every panel stands here."""

EMPTY_ON_A_GOOD_NIGHT = {("kafka", "Parked partitions"), ("annotations", "Another model answers")}
"""What lists what is wrong answers nothing until it is; it must do so in the event that is named for it."""


QUIET_S = 7.0
"""After so long without a message all rates are 0, and the week before is as tonight: `panels` says what these are."""


@dataclass
class Night:
    """The service, what it stands on, and what has been seen of the panels so far."""

    service: Service
    kafka: Kafka
    grafana: Grafana
    registry: SchemaRegistry
    store: Proxy
    table: Proxy
    topics: dict[str, str]
    folder: Path
    answered: dict[Question, Values] = field(default_factory=dict)
    """The first answer of each query that was not empty."""

    def simulate(self, survey: str, packets: int, seed: int) -> None:
        """A simulated night onto the survey's topic, as fast as it goes."""
        plan = NightPlan(survey, packets, seed, nights=10, mixture="rich")
        home = Settings.model_validate({"kafka": {"bootstrap": self.kafka.bootstrap}})
        simulate_to_kafka(Wanted(plan), home, self.topics[survey], None, None)

    def has(self, query: str) -> Any:
        """What Prometheus knows of the deployment."""
        return self.grafana.now(query)

    def wait_for(self, query: str) -> None:
        """Waits until Prometheus has scraped it."""
        until(lambda: self.has(query), query, CHANGE_S)

    def wait_outcomes(self, more: int) -> Callable[[], None]:
        """Begin before messages are sent: the wait until so many more have their outcome."""
        before = self._outcomes()

        def wait() -> None:
            until(lambda: self._outcomes() >= before + more, f"{more} messages have their outcome")

        return wait

    def _outcomes(self) -> float:
        return sum(self.service.count("streamer_messages_total", index) for index in range(2))


def alerts_come(night: Night) -> None:
    night.simulate("ztf", 80, seed=11)
    night.simulate("lsst", 80, seed=12)


def foreign_bytes_come(night: Night) -> None:
    night.kafka.produce(night.topics["ztf"], [(None, b"foreign bytes")] * 20)


def the_same_alerts_come_again(night: Night) -> None:
    night.simulate("ztf", 80, seed=11)


def a_table_is_away(night: Night) -> None:
    night.table.is_open = False
    night.simulate("ztf", 40, seed=21)
    night.wait_for('streamer_ready{condition="table"} == 0')
    night.wait_for("streamer_sink_lag_messages > 0")
    night.table.is_open = True


def the_store_is_away(night: Night) -> None:
    night.store.is_open = False
    night.simulate("ztf", 40, seed=22)
    night.wait_for('streamer_ready{condition="store"} == 0')
    night.simulate("ztf", 40, seed=23)
    night.wait_for("streamer_lag_messages > 0")
    night.store.is_open = True


def a_schema_is_unknown(night: Night) -> None:
    night.kafka.produce(night.topics["odd"], [(None, UNKNOWN_SCHEMA)] * 4)


def messages_are_deleted_unread(night: Night) -> None:
    before = TopicPartition(night.topics["odd"], 0, 3)
    admin = AdminClient(night.kafka.client)  # must outlive its answer
    admin.delete_records([before])[before].result(30)
    night.registry.status = None


def a_worker_is_killed(night: Night) -> None:
    """The new bundle is the same one, but for its card's bytes, which its hash is of."""
    other = night.folder / "bundle"
    shutil.copytree(BUNDLE, other)
    card = other / "card.json"
    card.write_text(card.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    given = yaml.safe_load(night.service.config.read_text())
    night.service.config.write_text(yaml.safe_dump(given | {"classifier": {"bundle": str(other)}}))
    os.kill(night.service.worker_pids()[-1], signal.SIGKILL)


def time_passes(_: Night) -> None:
    time.sleep(2.0)


PROVOKED: dict[str, Callable[[Night], None]] = {
    ALERTS_COME: alerts_come,
    FOREIGN_BYTES: foreign_bytes_come,
    ALERTS_AGAIN: the_same_alerts_come_again,
    TABLE_AWAY: a_table_is_away,
    STORE_AWAY: the_store_is_away,
    SCHEMA_UNKNOWN: a_schema_is_unknown,
    UNREAD_DELETED: messages_are_deleted_unread,
    WORKER_KILLED: a_worker_is_killed,
    TIME_PASSES: time_passes,
}


@pytest.fixture(scope="module")
def night(kafka: Kafka, mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("panels")
    topics = {name: kafka.topic(name, partitions=2) for name in ("ztf", "lsst")} | {"odd": kafka.topic("odd")}
    mongodb_port = int(mongodb_uri.rpartition(":")[2])
    with SchemaRegistry() as registry, Proxy(mongodb_port) as store, Proxy(mongodb_port) as table, ExitStack() as stack:
        registry.status = 500
        given = settings(kafka.bootstrap, folder, list(topics.values()), dead_letters={"max_fraction": 1.0})
        given["kafka"]["session_timeout_s"] = 20  # a busy machine may stop anybody for a while
        given |= {
            "state": {"store": "mongodb", "mongodb": _database(store)},
            "sinks": {"mongodb": _database(table), "max_rows": 8, "max_wait_s": 1.0},
            "lsst_registry": {"url": registry.url, "cache_folder": str(folder / "cache"), "timeout_s": 0.5},
        }
        running = Service(folder, 2, given)
        sinks_port = running.port + 10
        running.config.write_text(yaml.safe_dump(given | {"metrics": {"port": running.port, "sinks_port": sinks_port}}))
        workers = [f"127.0.0.1:{port}" for port in (running.port, running.port + 1)]
        sinks = [f"127.0.0.1:{sinks_port + 2}"]
        prometheus = started(PrometheusServer(folder / "prometheus", workers, sinks=sinks), stack)
        stack.callback(running.stop)
        running.start()
        running.wait_ready()
        stack.enter_context(_sink(running))  # after the workers, which make its topics
        grafana = Grafana(prometheus.url, given["deployment"])
        yield Night(running, kafka, grafana, registry, store, table, topics, folder)


def _database(proxy: Proxy) -> dict[str, str]:
    return {"uri": f"mongodb://127.0.0.1:{proxy.port}", "database": unique("panels")}


@contextmanager
def _sink(running: Service) -> Iterator[None]:
    """The sink that keeps scores in MongoDB."""
    with (running.folder / "sink.log").open("a") as log:
        sink = subprocess.Popen([STREAMER, "sink", "mongodb", "--config", running.config], stderr=log)
    try:
        yield
    finally:
        sink.terminate()
        sink.wait(LONG_S)


def warm_up(night: Night) -> None:
    """A few alerts of both surveys, one by one, so that there is something of all; then quiet."""
    for survey, seed in (("ztf", 1), ("lsst", 2), ("ztf", 3), ("lsst", 4)):  # each worker begins its series, and adds
        wait = night.wait_outcomes(6)
        night.simulate(survey, 6, seed)
        wait()
    night.wait_for("streamer_sink_messages_total > 0")
    night.wait_for('sum(streamer_ready{condition="assigned"}) == 2')
    time.sleep(QUIET_S)
    night.grafana.choose_all()


ASKED = questions()


def test_every_panel_has_an_event_that_changes_it() -> None:
    expected = {(change.board, change.panel) for changes in EVENTS.values() for change in changes}
    assert expected == {(question.board, question.panel) for question in ASKED}
    assert EVENTS.keys() == PROVOKED.keys()


def test_every_query_answers_and_every_panel_changes_by_its_event(night: Night) -> None:
    warm_up(night)
    rows = [_after(night, None, EVENTS[ALERTS_COME], 2.0)]
    assert [row for row in rows[0] if row["after"]] == [], "these change although nothing happens"
    rows = [_after(night, event, changes, CHANGE_S) for event, changes in EVENTS.items()]
    seen = [row for found in rows for row in found]
    _report(seen)
    unchanged = [f"{row['board']}: {row['panel']}: {row['event']}" for row in seen if not row["after"]]
    unanswered = [f"{asked.board}: {asked.panel}: {asked.expression}" for asked in ASKED if asked not in night.answered]
    assert not unchanged, "these panels did not change by their event:\n" + "\n".join(unchanged)
    assert not unanswered, "these queries had no answer at any time:\n" + "\n".join(unanswered)


def _after(night: Night, event: str | None, changes: Sequence[Change], timeout_s: float) -> list[dict[str, str]]:
    """Provokes an event and waits for its changes: one row for each, whose `after` is empty where it did not come."""
    begin_unix_s = time.time()
    before = {asked: night.grafana.now(asked.expression) for asked in ASKED}
    _note(night, before)
    if event is not None:
        PROVOKED[event](night)
    rows: dict[Change, dict[str, str]] = {}
    end = time.monotonic() + timeout_s
    while len(rows) < len(changes) and time.monotonic() < end:
        for change in changes:
            if change not in rows and (row := _row(night, event or "", change, before, begin_unix_s)):
                rows[change] = row
        time.sleep(0.3)
    _note(night, {asked: night.grafana.now(asked.expression) for asked in ASKED})
    lacking = {"query": "", "before": "", "after": ""}
    return [
        rows.get(change, {"board": change.board, "panel": change.panel, "event": event or ""} | lacking)
        for change in changes
    ]


def _row(
    night: Night, event: str, change: Change, before: dict[Question, Values], begin_unix_s: float
) -> dict[str, str] | None:
    for asked in ASKED:
        if (asked.board, asked.panel) != (change.board, change.panel):
            continue
        for values in night.grafana.since(asked.expression, begin_unix_s):
            _note(night, {asked: values})
            seen = change.seen(before[asked], values)
            if seen is not None:
                labels, old, value = seen
                return {
                    "board": change.board,
                    "panel": change.panel,
                    "event": event,
                    "query": asked.expression,
                    "before": told(labels, old),
                    "after": told(labels, value),
                }
    return None


def _note(night: Night, answers: dict[Question, Values]) -> None:
    for asked, values in answers.items():
        if values:
            night.answered.setdefault(asked, values)


def _report(rows: Sequence[dict[str, str]]) -> None:
    """Keeps the table where it is asked for."""
    path = os.environ.get("PANELS_REPORT")
    if path is None:
        return
    columns = ("board", "panel", "event", "query", "before", "after")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [f"`{row[name]}`" if name == "query" else row[name] for name in columns]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
