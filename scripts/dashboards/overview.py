"""The first look: the night, the stream, the workers."""

from __future__ import annotations

from scripts.dashboards.promql import (
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_START,
    SHOWN,
    at_most,
    gained,
    named,
    quantile,
    rate,
    series,
    share,
    total,
)
from scripts.dashboards.spec import ANY_IS_BAD, BLUE, GREEN, GREY, RED, YELLOW, Board, Panel, Query, Row, Step, one
from streamer.metrics import definitions as d

AIM_S = 0.5
"""From publishing to a committed outcome, for 99 of 100 alerts [s]."""

STATES = (("starting", BLUE), ("running", GREEN), ("waiting", YELLOW), ("parked", "orange"), ("stopping", RED))
"""In the order in which the timeline numbers them, from 1 on."""

SUPERNOVAE = 'class=~"SN I|SN II|SLSN"'

NOVEL = 0.9
"""Above it, less than a tenth of the alerts that the bundle was calibrated with are as strange."""

_STATE = " or ".join(series(d.STATE, f'state="{name}"') + f" * {number}" for number, (name, _) in enumerate(STATES, 1))

TONIGHT = Row(
    "Tonight",
    (
        Panel(
            "The Sun",
            "stat",
            "Altitude of the Sun at each telescope. Below -12 degrees (blue) alerts are to be expected.",
            "degree",
            one(f"max by (survey) ({series(d.SUN)})", "{{survey}}"),
            width=4,
            height=5,
            steps=(Step(None, BLUE), Step(-12, YELLOW), Step(0, GREY)),
            decimals=1,
            least=None,
            see=("metrics.md",),
        ),
        Panel(
            "Alerts",
            "stat",
            "Alerts read in the time shown, duplicates and filtered ones included. On a clear night ZTF sends hundreds "
            "of thousands and LSST millions; none while the Sun is down means clouds, maintenance, or trouble here.",
            "short",
            one(gained(d.ALERTS, "survey"), "{{survey}}"),
            width=4,
            height=5,
            decimals=0,
            see=("operations.md", "runbooks/StreamerSurveySilent.md"),
        ),
        Panel(
            "Scored",
            "stat",
            "Alerts that passed a selection and got a score. The share of all should be that of other nights.",
            "short",
            one(gained(d.SCORES, "survey"), "{{survey}}"),
            width=4,
            height=5,
            decimals=0,
            see=("scores.md",),
        ),
        Panel(
            "Young supernovae",
            "stat",
            "Scored alerts of objects with at most 5 detections that look like a supernova (SN I, SN II, SLSN): those "
            "to follow up before they peak. An object's alerts count each.",
            "short",
            one(gained(d.YOUNG, "survey", SUPERNOVAE), "{{survey}}"),
            width=4,
            height=5,
            decimals=0,
            see=("scores.md", "subscribers.md"),
        ),
        Panel(
            "TDE candidates",
            "stat",
            "Scored alerts whose likeliest class is a tidal disruption event. Few: each is worth a look.",
            "short",
            one(gained(d.SCORES, "survey", 'class="TDE"'), "{{survey}}"),
            width=4,
            height=5,
            decimals=0,
            see=("scores.md", "subscribers.md"),
        ),
        Panel(
            "Highly novel",
            "stat",
            f"Calibrated alerts with a novelty above {NOVEL}: unlike nearly all that the classifier was made with. "
            "About a tenth of all on a night like those; far more means a new kind of object, or odd data.",
            "short",
            one(f"{gained(d.NOVELTY, 'survey', '', '_count')} - {at_most(d.NOVELTY, NOVEL, 'survey')}", "{{survey}}"),
            width=4,
            height=5,
            decimals=0,
            see=("scores.md",),
        ),
        Panel(
            "Classes",
            "bars",
            "Scored alerts by their likeliest class. On a night limited by depth, SN I, AGN and `other` lead.",
            "short",
            one(gained(d.SCORES, "class"), "{{class}}"),
            decimals=0,
            see=("scores.md",),
        ),
        Panel(
            "Selections",
            "bars",
            "Scored alerts by the selections that they passed; an alert may pass several. A selection at 0 for a whole "
            "night is too narrow, or its field is no longer sent.",
            "short",
            one(gained(d.SELECTED, "survey, selection"), "{{survey}} {{selection}}"),
            decimals=0,
            see=("configuration.md",),
        ),
        Panel(
            "Quality flags",
            "bars",
            "Alerts whose stamps were looked at and that have a flag. A flag that is suddenly common is the "
            "camera's or the subtraction's.",
            "short",
            one(gained(d.QUALITY, "flag"), "{{flag}}"),
            decimals=0,
            see=("quality.md",),
        ),
        Panel(
            "Uncertain answers",
            "stat",
            "Share of the classified alerts whose likeliest class has a score of 0.5 or less: as much speaks against "
            "it. It should be that of other nights. The models dashboard shows the prediction sets.",
            "percentunit",
            one(share(at_most(d.TOP_SCORE, 0.5, "survey"), gained(d.TOP_SCORE, "survey", "", "_count")), "{{survey}}"),
            width=8,
            height=4,
            decimals=1,
            most=1,
            see=("scores.md",),
        ),
        Panel(
            "Outcome within 0.5 s",
            "stat",
            "Share of the messages whose outcome was committed within half a second of their publishing. Aim: 99 %.",
            "percentunit",
            one(share(at_most(d.LATENCY, AIM_S), gained(d.LATENCY, "", "", "_count"))),
            width=8,
            height=4,
            steps=(Step(None, RED), Step(0.9, YELLOW), Step(0.99, GREEN)),
            decimals=1,
            most=1,
            see=("runbooks/StreamerLatencyHigh.md",),
        ),
        Panel(
            "Since the last batch",
            "stat",
            "Time since any worker last committed a batch. At night seconds; by day as long as nothing comes.",
            "s",
            one(f"time() - max({series(d.LAST_BATCH)} > 0)"),
            width=8,
            height=4,
            decimals=0,
            see=("runbooks/StreamerNoWorker.md", "runbooks/StreamerSurveySilent.md"),
        ),
    ),
)

STREAM = Row(
    "The stream",
    (
        Panel(
            "Alerts a second",
            "lines",
            "Alerts read a second, by survey. LSST comes in bursts, a visit each 37 s; ZTF flows.",
            "short",
            one(rate(d.ALERTS, "survey"), "{{survey}}"),
            see=("runbooks/StreamerSurveySilent.md", "performance.md"),
        ),
        Panel(
            "Lag",
            "areas",
            "Messages published and not yet taken, by topic. It rises with a visit and is gone before the next; a lag "
            "that only rises means too few workers.",
            "short",
            one(total(series(d.LAG), "cluster, topic"), "{{cluster}} {{topic}}"),
            see=("runbooks/StreamerFallsBehind.md", "runbooks/StreamerBacklogStays.md"),
        ),
        Panel(
            "What became of the messages",
            "areas",
            "Each message has one outcome. Most are filtered or scored; duplicates come in a survey's repeats and "
            "after a restart; dead letters are rare.",
            "short",
            one(rate(d.MESSAGES, "outcome, reason"), "{{outcome}} {{reason}}"),
            see=("runbooks/StreamerDeadLetters.md", "runbooks/StreamerDeadLettersNearLimit.md"),
        ),
        Panel(
            "Latency, all messages",
            "heatmap",
            "From a message's publishing by the survey to its committed outcome. A good night is a dark band below "
            "half a second; a second band far above is a backlog that is worked off.",
            "s",
            one(gained(d.LATENCY, "le", "", "_bucket", "$__rate_interval"), "{{le}}"),
            width=12,
            see=("runbooks/StreamerLatencyHigh.md", "performance.md"),
        ),
        Panel(
            "Latency, quantiles",
            "lines",
            "The same as median, 95 % and 99 %; the line is the aim for 99 %: half a second.",
            "s",
            tuple(Query(quantile(q, d.LATENCY), f"{100 * q:.0f} %") for q in (0.5, 0.95, 0.99)),
            width=12,
            steps=(Step(None, GREEN), Step(AIM_S, RED)),
            see=("runbooks/StreamerLatencyHigh.md", "performance.md"),
        ),
    ),
)

WORKERS = Row(
    "Workers and sinks",
    (
        Panel(
            "State of each worker",
            "timeline",
            "starting, running, waiting (what it stands on is away), parked (all its partitions wait for a schema) or "
            "stopping. All green on a good night.",
            "short",
            one(named(f"sum by (instance) ({_STATE})"), "{{slot}}"),
            width=12,
            words=tuple((float(number), name, color) for number, (name, color) in enumerate(STATES, 1)),
            see=("runbooks/StreamerNoneReady.md", "runbooks/StreamerNoWorker.md"),
        ),
        Panel(
            "Ready",
            "timeline",
            "What must hold for a worker (models, store, assigned) and a sink (table, cluster) to be ready. A worker "
            "without a partition is not: there are more workers than partitions.",
            "short",
            one(named(series(d.READY)), "{{slot}} {{condition}}"),
            width=12,
            words=((0.0, "no", RED), (1.0, "yes", GREEN)),
            see=("runbooks/StreamerWorkerNotReady.md", "metrics.md"),
        ),
        Panel(
            "Starts",
            "stat",
            "How often a process was started anew in the time shown. 0 on a good night.",
            "short",
            one(total(f"changes({series(PROCESS_START)}[{SHOWN}])")),
            width=4,
            height=7,
            steps=ANY_IS_BAD,
            decimals=0,
            see=("runbooks/StreamerWorkerRestarts.md",),
        ),
        Panel(
            "Failures",
            "areas",
            "What went wrong and was waited out or done again: store_away, away (a dependency at the start, a sink's "
            "table or cluster), taken_back (a batch), expired (messages deleted unread), missing (a topic). None.",
            "short",
            one(gained(d.FAILURES, "kind", "", "", "$__rate_interval"), "{{kind}}"),
            width=10,
            height=7,
            see=("runbooks/StreamerStoreAway.md", "runbooks/StreamerSinkAway.md"),
        ),
        Panel(
            "Lines logged",
            "areas",
            "Warnings and errors a minute, those that were held back as repeats included. Few.",
            "short",
            one(
                f"60 * {rate(d.LOG_LINES, 'level')}",
                "{{level}}",
            ),
            width=10,
            height=7,
            see=("logs.md",),
        ),
        Panel(
            "CPU",
            "lines",
            "Cores that each process keeps busy. A worker uses about one; at 1 for long, it is at its limit.",
            "short",
            one(named(f"rate({series(PROCESS_CPU)}[$__rate_interval])"), "{{slot}}"),
            see=("performance.md",),
        ),
        Panel(
            "Memory",
            "lines",
            "Memory of each process. It rises in the first minutes and then stays.",
            "bytes",
            one(named(series(PROCESS_MEMORY)), "{{slot}}"),
            see=("runbooks/StreamerMemoryHigh.md",),
        ),
        Panel(
            "Who runs",
            "table",
            "Every worker and sink that is scraped, with its version and how long it has run [s].",
            "s",
            one(
                f"(time() - {series(PROCESS_START)}) * on (instance) group_left (slot, host, version) {series(d.BUILD)}"
            ),
            decimals=0,
            see=("runbooks/StreamerMixedVersions.md", "runbooks/StreamerTargetDown.md"),
        ),
    ),
)

OVERVIEW = Board(
    "streamer-overview",
    "Transient streamer: overview",
    "How is the night, and does the service keep up?",
    (TONIGHT, STREAM, WORKERS),
)
