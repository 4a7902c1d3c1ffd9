"""`streamer topics`: makes our topics, and shows them beside those that alerts are read from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from streamer.factory.clusters import open_clusters
from streamer.kafka.cluster import Cluster
from streamer.kafka.topics import MS_PER_DAY, Topics, TopicState, create, nights, show
from streamer.settings import Settings
from streamer.settings.service import HOME

DIFFERS = 1
"""Exit code where a topic is not as it must be."""

_STYLES = {"missing": "yellow", "differs": "red", "made": "green"}


def create_topics(settings: Settings, as_json: bool) -> int:
    """Makes our missing topics and prints how all are; the exit code. What is there is never changed."""
    home = open_clusters(settings)[HOME]
    states = create(home, Topics(settings.kafka.topic_prefix), settings.kafka.replication_factor)
    _print({HOME: states}, as_json)
    return DIFFERS if any(state.differences for state in states) else 0


def show_topics(settings: Settings, as_json: bool) -> None:
    """Prints how our topics are, and those of every configured stream."""
    clusters = open_clusters(settings)
    plans = Topics(settings.kafka.topic_prefix).plans()
    found = {HOME: show(clusters[HOME], plans)}
    for name, cluster in clusters.items():
        sources = source_topics(settings, cluster)
        if sources:
            found[name] = [*found.get(name, ()), *sources]
    _print(found, as_json)


def source_topics(settings: Settings, cluster: Cluster) -> list[TopicState]:
    """The topics that alerts are read from at a cluster; nights that have none are left out while another night has."""
    today = datetime.now(UTC).date()
    found: dict[str, TopicState] = {}
    for stream in settings.streams:
        for pattern in stream.topics if stream.cluster == cluster.name else ():
            names = nights(pattern, today, stream.nights_back, stream.nights_ahead)
            there = [state for state in show(cluster, dict.fromkeys(names)) if state.state != "missing"]
            found |= {state.name: state for state in there or [TopicState(pattern, "missing")]}
    return list(found.values())


def _print(found: Mapping[str, Sequence[TopicState]], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"topics": [{"cluster": name} | asdict(state) for name in found for state in found[name]]}))
        return
    console = Console()
    for name, states in found.items():
        table = Table(title=f"Topics of the cluster {name}")
        table.add_column("topic", no_wrap=True)
        table.add_column("state")
        for title in ("partitions", "messages", "kept"):
            table.add_column(title, justify="right", no_wrap=True)
        for state in states:
            told = [str(state.partitions), f"{state.messages:,}", _kept(state)] if state.partitions else []
            table.add_row(state.name, state.state, *told, style=_STYLES.get(state.state))
        console.print(table)
        for state in states:
            for difference in state.differences:
                console.print(f"{state.name}: {difference}", style="red", highlight=False, soft_wrap=True)


def _kept(state: TopicState) -> str:
    """How long messages are kept, for people."""
    if state.retention_ms is None:
        return "by key" if state.cleanup else ""
    return "for ever" if state.retention_ms < 0 else f"{state.retention_ms / MS_PER_DAY:g} d"
