"""The docs page on sizing: measured costs as the code has them, and what the command says of two nights."""

from __future__ import annotations

import shlex
from dataclasses import fields

from typer.testing import CliRunner

from streamer.cli import app
from streamer.sizing.costs import HERE, SIZES, Sizes
from streamer.sizing.plan import BUSY_AT_PEAK, DEAD_SHARE, ROOM

WIDTH = "100"
"""Columns of the printed examples."""

EXAMPLES = {
    "ZTF, 300,000 alerts a night, one host": "--survey ztf --alerts-per-night 300_000 --hours-per-night 9",
    "LSST, 10 million alerts a night, three brokers": "--survey lsst --alerts-per-night 10_000_000 --replication 3",
}

TOP = """\
# Sizing

`streamer size` says what a number of alerts a night takes: workers, cores, memory, network, partitions, and the disks
of Kafka, of MongoDB and of the tables as they fill.

```console
$ streamer size --survey lsst --alerts-per-night 10_000_000 --config streamer.yaml
```

How long everything is kept, how many copies Kafka makes and whether messages carry their schema come from the
configuration (`state`, `kafka`). The rest is asked for by [options](cli.md#streamer-size): hours of a night, the
peak, the share of alerts that is scored, how long a copy of the survey's topics is kept. `--json` gives the same as
one object, in bytes and seconds.

It reckons with costs that were measured, not with guesses; where they were measured stands below. Your machine is
another one: let it speak for itself.

```console
$ streamer bench kafka --config streamer.yaml --workers 1,2 --json > mine.json
$ streamer size --survey lsst --alerts-per-night 10_000_000 --measured mine.json
```
"""

BUSY = f"{100 * BUSY_AT_PEAK:g} %"

FORMULAS = f"""\
## How it reckons

**Rates.** The mean is the alerts over the night's seconds. The peak is `--peak` times that: dense fields send more
alerts a visit than others. A visit's alerts come at once and the next visit 37 s later, so the rate of the peak is
that of a few dense visits in a row, and workers must hold it.

**Workers.** A worker takes its batches in one line: decode, deduplicate, assemble, and so on to the transaction. Its
rate is one second over the wall time that an alert spends in that line. Workers are the peak's rate over {BUSY} of a
worker's rate, rounded up, and one to spare. The range goes from the fastest to the slowest case measured with the
fewest workers.

**Cores.** CPU time of an alert in workers, brokers and MongoDB, times the peak's rate, over {BUSY}.
The range goes from the cheapest to the dearest case of all. Sinks, Prometheus, Grafana and the schema registry are
not in it: one core for all of them.

**Memory.** A worker gets {ROOM:g} times what the largest one took, the brokers a heap for each copy and ten minutes
of the peak for the page cache. MongoDB should at least hold the objects that a night touches, with the index on their
ids. Best it holds all objects; between the two it reads its disk.

**A lost worker.** Its partitions wait until its session has ended (`kafka.session_timeout_s`), then the others have
them. What waited is worked off with what their rates leave over the peak's. A lost host is the same with as many
workers as it had: keep so many to spare, on other hosts.

**Disks.** Bytes of an alert as packed, times alerts, times days. An object takes its document once, and each of its
alerts the rows that come with it; `--alerts-per-object` says how many alerts share the document. Objects are reckoned
as if each row left after `state.light_curves_days`; MongoDB drops an object so long after it was last added to, and
one that never rests stays. Dead letters are taken as {1000 * DEAD_SHARE:g} in a thousand messages, and there should
be none. Days are reckoned as if each had a night.

**Not in it:** copies of MongoDB's replica set (multiply by its members), its journal, room for backups, filesystems
that want a fifth of themselves free.
"""

REASONING = """\
## Beyond this machine

What was measured is two cores. This is what holds and what does not on the way to 10 million alerts a night, which
are 278 alerts/s for ten hours.

**The rate is within reach of one machine.** Two cores, broker and database included, drained more than 278 alerts/s
in every case of the table above. The peak's 556 two workers or more held over a filled store, and only just over an
empty one, as it is on the first night (another run, on the same machine with nothing else running, drained 540 there).
So 10 million alerts a night are no question of hundreds of cores but of four workers with some cores each, and of room
to fall behind and catch up.

**Bursts.** Rubin sends a visit's alerts within seconds, some 10,000 on average and twice that in dense fields. They
wait on the topics until workers have them; the last one of a visit is scored when the whole visit is. More workers
shorten that, as long as the topic has partitions for them and MongoDB takes the writes: the time is the visit's
alerts over the workers' common rate. It may be as long as a visit, 37 s: beyond that the queue grows from visit to
visit.

**One partition, one worker.** Within the group each partition has one reader, so a survey's topic of 4 partitions
feeds 4 workers and no fifth. Nobody but the survey sets that on its own cluster; on a copy of yours MirrorMaker keeps
the survey's number. If it is too small, let a selection upstream thin the stream, or ask for more. Our own topics
have 12 partitions: at the peak each takes some 50 scores a second, which is little.

**MongoDB takes the writes.** Each batch is a handful of bulk writes, most of their bytes stamps (`state.cutouts_days:
0` leaves those out). Documents are looked up and written by `_id` alone, which is a key that shards well: `seen`,
`alerts` and `cutouts` by hashed alert id, `objects` by hashed object id. Nothing is a transaction of the database's
([why](decisions/0009-mongodb-without-transactions.md)), so shards need not agree with each other. The one other index
is on an alert's object in `alerts`: only people ask by it, and a sharded database asks all shards then.

**What breaks first**, in this order:

1. *The disk under the copy of the survey's packets*, where there is one: nearly all that Kafka keeps. Read the
   survey's own cluster (`--copy-days 0`), or keep the copy for two days.
2. *MongoDB's disk*, and most of it stamps and alerts as decoded: shorten `state.cutouts_days` and
   `state.alerts_days`. Light curves are small.
3. *MongoDB's memory*, once the objects of a night no longer fit: every batch then waits for a disk, and the workers'
   `assemble` and `commit` stages show it. Shard, or give it memory, before adding workers.
4. *The survey's partitions*, for more workers than there are.
5. *The workers' cores*: the only thing that more of the same hosts mend at once.

**What we do not know.** Nobody has run 10 million alerts through this. A real MongoDB was not measured: the one here
is a stand-in written in Java, which takes more CPU than a real one, and whose disk says nothing of a real one's.
Indexes are reckoned. The first nights cost more than later ones: an object that comes for the first time brings the
history in its packet, up to the bytes of the table's last line, where later alerts bring a few rows. Rubin's packets
of the first year hold shorter histories than those of later ones.
"""


def sizing(made: str) -> str:
    """The page."""
    parts = [TOP.replace("\n", f"\n\n{made}\n", 1), _drains(), _sizes(), FORMULAS]
    for title, options in EXAMPLES.items():
        parts.append(f"## {title}\n\n```console\n$ streamer size {options}\n{said(options)}```\n")
    return "\n".join([*parts, REASONING])


def said(options: str) -> str:
    """What `streamer size` prints."""
    result = CliRunner().invoke(app, ["size", *shlex.split(options)], env={"COLUMNS": WIDTH, "NO_COLOR": "1"})
    if result.exit_code:
        raise RuntimeError(f"streamer size {options}: {result.output}")
    return "".join(f"{line.rstrip()}\n" for line in result.output.splitlines())


DRAINS = """\
## Workers against throughput

`streamer bench kafka --data ../shared/data --alerts 5000`, 26 November 2026: a backlog of real packets, half LSST,
half ZTF, drains through Kafka and MongoDB's stand-in on a machine of two cores (AMD EPYC) that other programs used
too (load average 1.5 to 3.4). One run each. *Expected* is what `streamer size` takes from the run of one worker with
a filled store: as many lines as workers, or all cores full, whichever is less.

| workers | store | alerts/s | expected | cores used | CPU of an alert: workers, broker, MongoDB [ms] | worker [MB] |
|---|---|---|---|---|---|---|
"""

DRAINED = f"""\

From two workers on the two cores are full, and more workers only share them: so says the expectation, and so it was
measured. The first case was the first after the servers' start. One worker with the sqlite store, no
database server beside it, drained {HERE.sqlite_per_s:,.0f} alerts/s: MongoDB's stand-in takes half of a worker's time.
"""

BYTES = """\
## Bytes of an alert

`streamer bench sizes`, 26 November 2026: packets went through the pipeline into the real stores and tables, and what
lay there was counted. As written / as its server packs it: packets with snappy, documents with snappy in pages of 32
KiB, messages with zstd, ten together. A real broker kept as much of a score, and less of an embedding, while a
backlog drained. In a thin, even stream messages come alone, and up to the bytes as written are kept. LSST: 106 real
packets of v10 and v11; ZTF: 450 of the public sample; the tables, and ZTF's rows an alert: 768 simulated packets of
one night. Nothing is timed, so other programs do no harm.

| what | LSST | ZTF |
|---|---|---|
"""


def _drains() -> str:
    base = next(drain for drain in HERE.drains if drain.workers == 1 and drain.filled)
    rows = (
        f"| {drain.workers} | {'filled' if drain.filled else 'empty'} | {drain.alerts_per_s:,.0f} "
        f"| {HERE.expected_per_s(drain.workers, base):,.0f} | {drain.cores_used:.2f} "
        f"| {drain.workers_ms:.2f}, {drain.broker_ms:.2f}, {drain.mongodb_ms:.2f} | {drain.rss_mb:,.0f} |\n"
        for drain in HERE.drains
    )
    return DRAINS + "".join(rows) + DRAINED


def _sizes() -> str:
    rows = {
        "packet, as sent / with snappy": ("packet", "packet_packed"),
        "score on our topic, framed": ("scored", "scored_packed"),
        "its schema, packed, without a schema registry": ("scored_schema_packed",),
        "embedding on our topic, framed": ("embedding", "embedding_packed"),
        "its schema, packed": ("embedding_schema_packed",),
        "`seen`": ("seen", "seen_packed"),
        "`alerts`": ("alert", "alert_packed"),
        "`cutouts`": ("cutouts", "cutouts_packed"),
        "`objects`, an object without rows": ("object",),
        "light-curve rows an alert": ("rows_per_alert",),
        "a row": ("row",),
        "what packing leaves of an object, as a share": ("object_share",),
        "document of the MongoDB sink": ("document", "document_packed"),
        "row of `scores.parquet`": ("parquet",),
        "row of `embeddings.lance`": ("lance",),
        "`objects`, an object that comes for the first time": ("first_object",),
    }
    assert {name for names in rows.values() for name in names} == {each.name for each in fields(Sizes)}
    cells = {
        title: [" / ".join(f"{getattr(SIZES[survey], name):,}" for name in names) for survey in ("lsst", "ztf")]
        for title, names in rows.items()
    }
    return BYTES + "".join(f"| {title} | {' | '.join(each)} |\n" for title, each in cells.items())
