"""What comes from Kafka and goes there."""

from __future__ import annotations

from scripts.dashboards.promql import gained, mean, named, quantile, rate, series, total
from scripts.dashboards.spec import Board, Panel, Query, Row, one
from streamer.metrics import definitions as d

_TRANSACTION = 'stage="transaction"'

INPUT = Row(
    "What comes",
    (
        Panel(
            "Lag by partition, the 10 largest",
            "lines",
            "One partition alone that lags is parked, or its worker is slow.",
            "short",
            one(
                f"topk(10, {total(series(d.LAG), 'cluster, topic, partition')})", "{{cluster}} {{topic}} {{partition}}"
            ),
            width=12,
            see=("runbooks/StreamerParked.md", "runbooks/StreamerFallsBehind.md"),
        ),
        Panel(
            "Time to catch up",
            "lines",
            "Lag of each topic, divided by the rate of the last five minutes (a message in 10 s at the least). Seconds "
            "on a good night.",
            "s",
            one(
                f"{total(series(d.LAG), 'cluster, topic')} / scalar(clamp_min({rate(d.MESSAGES, window='5m')}, 0.1))",
                "{{cluster}} {{topic}}",
            ),
            width=12,
            see=("runbooks/StreamerBacklogStays.md", "runbooks/StreamerFallsBehind.md"),
        ),
        Panel(
            "Bytes in",
            "lines",
            "Bytes of the messages taken, a second. It follows the rate; alone it rises when packets grow.",
            "Bps",
            one(rate(d.RECEIVED), "all workers"),
            width=12,
            see=("performance.md",),
        ),
        Panel(
            "Time of a transaction",
            "lines",
            "Time until Kafka has committed a batch's scores and positions: mean, and 99 %. Hundredths of a second.",
            "s",
            (
                Query(mean(d.STAGE, "", _TRANSACTION), "mean"),
                Query(quantile(0.99, d.STAGE, "", _TRANSACTION), "99 %"),
            ),
            width=12,
            see=("performance.md",),
        ),
    ),
)

GROUP = Row(
    "Who reads what",
    (
        Panel(
            "Partitions of each worker",
            "lines",
            "Shared out evenly; a worker with 0 is one too many. The sum is the number of partitions of all topics.",
            "short",
            one(named(series(d.ASSIGNED)), "{{slot}}"),
        ),
        Panel(
            "Changes of assignment",
            "areas",
            "How often a worker's partitions changed. At starts and ends of workers, and with new topics; else none.",
            "short",
            one(named(f"increase({series(d.ASSIGNMENTS)}[$__rate_interval])"), "{{slot}}"),
            see=("runbooks/StreamerRebalances.md",),
        ),
        Panel(
            "Failures on Kafka",
            "areas",
            "taken_back: a batch done again as its transaction did not end well; expired: messages deleted before they "
            "were read; missing: a topic or a survey's cluster. None.",
            "short",
            one(
                gained(d.FAILURES, "kind", 'kind=~"taken_back|expired|missing"', "", "$__rate_interval"),
                "{{kind}}",
            ),
            see=(
                "runbooks/StreamerTakenBack.md",
                "runbooks/StreamerMessagesExpired.md",
                "runbooks/StreamerTopicsMissing.md",
            ),
        ),
        Panel(
            "Parked partitions",
            "table",
            "Each partition that waits for a schema, and why. Empty on a good night.",
            "short",
            one(series(d.PARKED)),
            width=24,
            height=6,
            see=("runbooks/StreamerParked.md",),
        ),
    ),
)

KAFKA = Board(
    "streamer-kafka",
    "Transient streamer: Kafka",
    "What comes, who reads it, and what waits?",
    (INPUT, GROUP),
)
