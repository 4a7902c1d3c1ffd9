"""The object store of the workers, and the tables of the sinks."""

from __future__ import annotations

from scripts.dashboards.promql import gained, mean, named, rate, series, total
from scripts.dashboards.spec import GREEN, RED, Board, Panel, Row, one
from streamer.metrics import definitions as d

OF_THE_STORE = 'stage=~"deduplicate|assemble|store|commit"'

OBJECTS = Row(
    "Object store",
    (
        Panel(
            "Store and tables reachable",
            "timeline",
            "A worker's store, a sink's table and its cluster. Of a store: no from the first batch that fails on it "
            "until one passes. Yes all night.",
            "short",
            one(named(series(d.READY, 'condition=~"store|table|cluster"')), "{{slot}} {{condition}}"),
            width=8,
            words=((0.0, "no", RED), (1.0, "yes", GREEN)),
            see=("runbooks/StreamerStoreAway.md", "runbooks/StreamerSinkAway.md"),
        ),
        Panel(
            "Tries that found something away",
            "areas",
            "store_away: a batch that failed on the store, and is tried again; away: a sink on its table or its "
            "cluster, or a worker at its start. None.",
            "short",
            one(gained(d.FAILURES, "kind", 'kind=~"store_away|away"', "", "$__rate_interval"), "{{kind}}"),
            width=8,
            see=("runbooks/StreamerStoreAway.md", "runbooks/StreamerSinkAway.md"),
        ),
        Panel(
            "Mean time in the store's stages",
            "areas",
            "Mean time of a batch in what asks the store: is it new, what is known of the object, remember it, commit. "
            "It grows with the batches, not with the nights.",
            "s",
            one(mean(d.STAGE, "stage", OF_THE_STORE), "{{stage}}"),
            width=8,
            see=("performance.md",),
        ),
    ),
)

TABLES = Row(
    "Sinks",
    (
        Panel(
            "Messages written",
            "lines",
            "Messages that each sink has committed, a second; `unreadable` ones became dead letters. It follows the "
            "rate of scores, in steps of a batch.",
            "short",
            one(rate(d.SINK_MESSAGES, "sink, outcome"), "{{sink}} {{outcome}}"),
            see=("runbooks/StreamerSinkUnreadable.md", "sinks.md"),
        ),
        Panel(
            "Messages not yet read by a sink",
            "areas",
            "Messages on our topics that a sink has not read. It rises while a table is away and falls afterwards.",
            "short",
            one(total(series(d.SINK_LAG), "sink, topic"), "{{sink}} {{topic}}"),
            see=("runbooks/StreamerSinkBehind.md",),
        ),
        Panel(
            "Read and not yet written",
            "lines",
            "Messages in a sink's hands. A saw: up while it gathers, to 0 with each batch.",
            "short",
            one(f"max by (sink) ({series(d.SINK_WAITING)})", "{{sink}}"),
            see=("sinks.md",),
        ),
        Panel(
            "Time of a write",
            "lines",
            "Mean time to make a batch lasting, waits for what is away included.",
            "s",
            one(mean(d.SINK_WRITE, "sink"), "{{sink}}"),
            width=12,
            see=("sinks.md",),
        ),
        Panel(
            "Since the last write",
            "lines",
            "Time since each sink last committed a batch. By night little more than `sinks.max_wait_s`; by day it "
            "grows.",
            "s",
            one(f"time() - max by (sink) ({series(d.SINK_LAST_WRITE)})", "{{sink}}"),
            width=12,
            see=("runbooks/StreamerSinkBehind.md",),
        ),
    ),
)

STORES = Board(
    "streamer-stores",
    "Transient streamer: stores and sinks",
    "Do the object store and the tables keep up?",
    (OBJECTS, TABLES),
)
