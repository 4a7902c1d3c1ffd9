"""`streamer simulate --to kafka`: a night onto a topic, as its survey would send it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console

from schemas.messages import ContainerEncoder, FramedEncoder, key_of
from schemas.records import Spectrum
from schemas.surveys.tables import LSST_VERSIONS
from schemas.wire import SPECTRUM, schema_text
from streamer.commands.simulate import Wanted, follow_up, say, shown_progress
from streamer.errors import UserError
from streamer.factory.clusters import open_clusters, open_registry
from streamer.kafka.cluster import Cluster, reach
from streamer.kafka.registry_api import IdsNotTakenError
from streamer.kafka.survey_schemas import register_lsst_schema
from streamer.kafka.topics import TopicPlan, Topics, make, nights
from streamer.settings import Settings
from streamer.settings.service import HOME
from streamer.simulate.files import NightReport, writing_to
from streamer.simulate.night import NightPlan
from streamer.simulate.offered import of_late
from streamer.simulate.pace import Schedule, Visits, evenly, paced
from streamer.sinks.packets import KafkaPacketSink

TOPICS = {"ztf": "ztf_{date}_programid1", "lsst": "lsst-alerts-v{major}"}
"""What the surveys call their topics; `{date}` is tonight as YYYYMMDD (UTC), `{major}` that of the schema's version."""

PARTITIONS = 6
"""Partitions of a rehearsal's topic: fewer than the surveys', for one broker."""

RETENTION_D = 7
"""How long a rehearsal's topic keeps packets [d], as ZTF's do."""

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for the cluster at the start [s]."""


def simulate_to_kafka(
    wanted: Wanted, settings: Settings, topic: str | None, truth: Path | None, due_s: Schedule | None
) -> None:
    """Sends the packets, each when it is due or as fast as it goes, and says what arrived and how fast.

    A topic that is missing is made, LSST's schema is registered where its registry is configured, and both are said.
    UserError where the packets cannot be made or sent.
    """
    console, plan = Console(stderr=True), wanted.plan
    packets = wanted.packets(console, of_late)
    name = topic or topic_of(plan.survey, datetime.now(UTC).date(), plan.schema)
    home = open_clusters(settings)[HOME]
    if _made(home, name, settings.kafka.replication_factor):
        console.print(f"made the topic {name} with {PARTITIONS} partitions at {home}", soft_wrap=True)
    if plan.survey == "lsst":
        _register(console, settings, plan.schema or LSST_VERSIONS[-1])
    # The truth of a pool would grow without end.
    report = NightReport(keeps_truth=truth is not None or wanted.spectra > 0.0 or wanted.pool is None)
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
    where = f"{sink.delivered:,} on {name} at {home}"
    more: dict[str, object] = {"to": "kafka", "topic": name, "delivered": sink.delivered}
    if wanted.spectra:
        spectra = follow_up(wanted, report)
        spectra_topic = _send_spectra(spectra, settings, home)
        where += f"; {len(spectra):,} spectra on {spectra_topic}"
        more |= {"spectra": len(spectra), "spectra_topic": spectra_topic}
    say(console, wanted, report, seconds, where, more)


def schedule_of(plan: NightPlan, rate_per_s: float, unpaced: bool, visits: bool, burst: int | None) -> Schedule | None:
    """When packets are due, None for as fast as it goes; UserError where the options contradict one another."""
    if unpaced and visits:
        raise UserError("--visits says when packets are due, and --unpaced that none is: give one of them")
    if burst is not None and not visits:
        raise UserError("--burst is one visit among others: add --visits")
    if not visits:
        return None if unpaced else evenly(rate_per_s)
    try:
        return Visits(rate_per_s, plan.packets, burst)
    except ValueError as error:
        raise UserError(str(error)) from None


def topic_of(survey: str, today: date, schema: str | None) -> str:
    """What a survey calls its topic of tonight."""
    major = (schema or LSST_VERSIONS[-1]).partition(".")[0]
    return nights(TOPICS[survey].replace("{major}", major), today, 0, 0)[0]


def _send_spectra(spectra: Sequence[Spectrum], settings: Settings, home: Cluster) -> str:
    """Sends spectra to our topic of them, which is made where it is missing; returns its name."""
    topics = Topics(settings.kafka.topic_prefix)
    name = topics.spectra
    if name not in reach(home, ANSWER_TIMEOUT_S).topics:
        make(home, {name: topics.plans()[name]}, settings.kafka.replication_factor)
    encoder = _spectrum_encoder(settings, name)
    with KafkaPacketSink(home, name) as sink:
        for spectrum in spectra:
            sink.send(encoder.encode(spectrum.model_dump()), key_of(spectrum.survey, spectrum.object_id))
        sink.flush()
    return name


def _spectrum_encoder(settings: Settings, topic: str) -> ContainerEncoder | FramedEncoder:
    """As our other topics: containers, or frames where a registry of ours is configured."""
    registry = open_registry(settings.kafka.registry)
    if registry is None:
        return ContainerEncoder(SPECTRUM)
    with registry:
        return FramedEncoder(SPECTRUM, registry.register(f"{topic}-value", schema_text(SPECTRUM)))


def _register(console: Console, settings: Settings, version: str) -> None:
    registry = open_registry(settings.lsst_registry)
    if registry is None:
        return
    with registry:
        try:
            subjects = register_lsst_schema(registry, version)
        except IdsNotTakenError as refused:
            console.print(f"schema {version} is not registered: {refused}", soft_wrap=True)
        else:
            console.print(f"schema {version} is {' and '.join(subjects)} of {registry}", soft_wrap=True)


def _made(cluster: Cluster, topic: str, replication: int) -> bool:
    """Whether the topic had to be made."""
    known = reach(cluster, ANSWER_TIMEOUT_S).topics
    if topic in known:
        return False
    plan = TopicPlan(topic, PARTITIONS, RETENTION_D, "streamer simulate", "workers")
    make(cluster, {topic: plan}, replication)
    return True
