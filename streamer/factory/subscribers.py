"""What looks at a deployment from outside: a subscriber, and whoever asks how it does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from streamer.client import ScoredAlerts
from streamer.factory.clusters import open_clusters, open_registry
from streamer.kafka.progress import DeploymentWatch, Watched
from streamer.kafka.topics import Topics, nights
from streamer.settings import Settings
from streamer.settings.service import HOME


def open_watch(settings: Settings) -> DeploymentWatch:
    """Asks how the configured deployment does, from outside."""
    home = open_clusters(settings)[HOME]
    return DeploymentWatch(home, home.group_id(settings.deployment), Topics(settings.kafka.topic_prefix).status)


def watched_topics(settings: Settings) -> list[Watched]:
    """The topics that the configured deployment reads today."""
    clusters, topics, today = open_clusters(settings), Topics(settings.kafka.topic_prefix), datetime.now(UTC).date()
    return [
        Watched(
            clusters[stream.cluster],
            topic,
            None if stream.cluster == HOME else topics.positions(stream.cluster, topic),
            stream.start_at,
        )
        for stream in settings.streams
        for pattern in stream.topics
        for topic in nights(pattern, today, stream.nights_back, stream.nights_ahead)
    ]


def open_scored_alerts(settings: Settings, **question: Any) -> ScoredAlerts:
    """The scores of the configured deployment for a subscriber; `question` is what `ScoredAlerts` takes of its own."""
    home, registry = open_clusters(settings)[HOME], open_registry(settings.kafka.registry)
    return ScoredAlerts(home, prefix=settings.kafka.topic_prefix, registry=registry, **question)
