"""Where the time goes."""

from __future__ import annotations

from scripts.dashboards.overview import AIM_S
from scripts.dashboards.promql import gained, mean, named, of_all, quantile, rate, series
from scripts.dashboards.spec import GREEN, RED, YELLOW, Board, Choice, Panel, Query, Row, Step, one
from streamer.metrics import definitions as d

_CHOSEN_STAGE = 'stage=~"$stage"'

MESSAGES = Row(
    "From publishing to outcome",
    (
        Panel(
            "Latency of each worker",
            "lines",
            "99 % of each worker's messages were faster. One worker alone above the others has a slow host or a heavy "
            "partition; all together, too few workers or a slow store.",
            "s",
            one(named(quantile(0.99, d.LATENCY, "instance")), "{{slot}}"),
            width=12,
            steps=(Step(None, GREEN), Step(AIM_S, RED)),
            see=("runbooks/StreamerLatencyHigh.md", "runbooks/StreamerClockSkew.md"),
        ),
        Panel(
            "Busy",
            "lines",
            "Share of the time in which each worker has a batch at work. Near 1 for long: more workers are needed.",
            "percentunit",
            one(named(rate(d.STAGE, "instance", "", "_sum")), "{{slot}}"),
            width=12,
            steps=(Step(None, GREEN), Step(0.7, YELLOW), Step(0.95, RED)),
            see=("performance.md",),
        ),
    ),
)

STAGES = Row(
    "Stages of a batch",
    (
        Panel(
            "Mean time of each stage",
            "areas",
            "Mean time of a batch in each stage, one above the other. Classify leads; store, commit and deduplicate "
            "are the store's, transaction is Kafka's.",
            "s",
            one(mean(d.STAGE, "stage"), "{{stage}}"),
            width=12,
            see=("pipeline.md",),
        ),
        Panel(
            "99 % of each stage",
            "lines",
            "99 of 100 batches took less in the stage. A stage that climbs alone says where to look.",
            "s",
            one(quantile(0.99, d.STAGE, "stage"), "{{stage}}"),
            width=12,
            see=("pipeline.md",),
        ),
        Panel(
            "Share of the time",
            "bars",
            "How the time at work was spent in the time shown. A stage of the store above a third means a slow store.",
            "percentunit",
            one(of_all(gained(d.STAGE, "stage", "", "_sum"), gained(d.STAGE, "", "", "_sum")), "{{stage}}"),
            decimals=1,
            most=1,
            see=("performance.md",),
        ),
        Panel(
            "Cost of a message, by stage",
            "lines",
            "Time at work in each stage for one message. It falls as batches grow; it should not change from night "
            "to night.",
            "s",
            one(of_all(rate(d.STAGE, "stage", "", "_sum"), rate(d.MESSAGES)), "{{stage}}"),
            see=("performance.md",),
        ),
        Panel(
            "Batch size",
            "lines",
            "Messages in a batch: mean, and 95 % of them hold no more. Small while the stream is slow, at the "
            "limit while a backlog is worked off.",
            "short",
            (Query(mean(d.BATCH), "mean"), Query(quantile(0.95, d.BATCH), "95 %")),
            see=("configuration.md",),
        ),
        Panel(
            "Times of a batch in the chosen stages",
            "heatmap",
            "How long batches took in the stages chosen at the top. One narrow band is good; a second one above it is "
            "something that is slow at times.",
            "s",
            one(gained(d.STAGE, "le", _CHOSEN_STAGE, "_bucket", "$__rate_interval"), "{{le}}"),
            width=24,
            see=("pipeline.md",),
        ),
    ),
)

LATENCY = Board(
    "streamer-latency",
    "Transient streamer: latency by stage",
    "Where does the time go?",
    (MESSAGES, STAGES),
    (Choice("stage", "Stage", f"label_values({series(d.STAGE, '', '_count')}, stage)"),),
)
