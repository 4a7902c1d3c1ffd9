"""`streamer simulate --to kafka`: a night onto a topic, as its survey would send it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console

from streamer.commands.simulate import print_summary, shown_progress
from streamer.factory.clusters import open_clusters
from streamer.kafka.cluster import Cluster, reach
from streamer.kafka.topics import TopicPlan, make, nights
from streamer.settings import Settings
from streamer.settings.service import HOME
from streamer.simulate.files import NightReport, night_of_packets, writing_to
from streamer.simulate.night import NightPlan
from streamer.simulate.pace import Schedule, paced
from streamer.sinks.packets import KafkaPacketSink

TOPICS = {"ztf": "ztf_{date}_programid1", "lsst": "lsst-alerts-v11"}
"""What the surveys call their topics; `{date}` is tonight as YYYYMMDD (UTC)."""

PARTITIONS = 6
"""Partitions of a rehearsal's topic: fewer than the surveys', for one broker."""

RETENTION_D = 7
"""How long a rehearsal's topic keeps packets [d], as ZTF's do."""

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for the cluster at the start [s]."""


def simulate_to_kafka(
    plan: NightPlan, settings: Settings, topic: str | None, truth: Path | None, due_s: Schedule | None
) -> None:
    """Sends the night, each packet when it is due or as fast as it goes, and says what arrived and how fast.

    A topic that is missing is made, and that is said. UserError where the night cannot be made or sent.
    """
    console = Console(stderr=True)
    packets = night_of_packets(plan)
    name = topic or topic_of(plan.survey, datetime.now(UTC).date())
    home = open_clusters(settings)[HOME]
    if _made(home, name, settings.kafka.replication_factor):
        console.print(f"made the topic {name} with {PARTITIONS} partitions at {home}", soft_wrap=True)
    report = NightReport()
    started_s = perf_counter()
    with KafkaPacketSink(home, name) as sink, shown_progress(console, plan) as after_packet:
        for packet in packets if due_s is None else paced(packets, due_s, sink.wait):
            sink.send(packet.payload)
            report.add(packet)
            after_packet(packet)
        sink.flush()
    seconds = perf_counter() - started_s
    if truth is not None:
        with writing_to(truth):
            report.write_truth(truth)
    where = f"{sink.delivered / seconds:,.1f} packets/s; {sink.delivered:,} on {name} at {home}"
    print_summary(console, plan, report, seconds, where)


def topic_of(survey: str, today: date) -> str:
    """What a survey calls its topic of tonight."""
    return nights(TOPICS[survey], today, 0, 0)[0]


def _made(cluster: Cluster, topic: str, replication: int) -> bool:
    """Whether the topic had to be made."""
    known = reach(cluster, ANSWER_TIMEOUT_S).topics
    if topic in known:
        return False
    plan = TopicPlan(topic, PARTITIONS, RETENTION_D, "streamer simulate", "workers")
    make(cluster, {topic: plan}, replication)
    return True
