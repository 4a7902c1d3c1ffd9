"""What must hold of the judgement over a deployment: all is well only when it is, and each trouble says what to do."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from streamer.commands.status import render
from streamer.kafka.progress import Progress
from streamer.status import (
    DEAD_LETTER_LIMIT,
    ENDED,
    DeploymentStatus,
    LastError,
    LatencyStatus,
    ModelStatus,
    OutcomeStatus,
    ParkedLane,
    WorkerStatus,
    assess,
    duration,
)

NOW = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)


def worker(slot: str = "node-1-0", silence_s: float = 2.0, **change: Any) -> WorkerStatus:
    """A worker that does well and spoke so long ago."""
    well = WorkerStatus(
        deployment="night-watch",
        slot=slot,
        host="node-1",
        pid=4711,
        software="0.1.0",
        started=NOW - timedelta(hours=3),
        updated=NOW - timedelta(seconds=silence_s),
        state="running",
        model=ModelStatus(name="default", version="1.2.0", hash="0123456789abcdef"),
        store="mongodb",
        assigned=6,
        lag={"home:lsst": 54},
        rate=270.0,
        outcomes=OutcomeStatus(
            received=1_000, scored=700, filtered={"no_selection": 250}, duplicate=40, dead_letter={"unknown_schema": 10}
        ),
        latency=LatencyStatus(p50=0.12, p95=0.3, p99=0.45),
        parked=[],
        missing=[],
        last_error=None,
        metrics_url="http://node-1:9464/metrics",
    )
    return well.model_copy(update=change)


def judged(*workers: WorkerStatus, lag: int = 0, expired: int = 0, away: tuple[str, ...] = ()) -> DeploymentStatus:
    words = {each.slot: each.model_dump_json().encode() for each in workers}
    return assess("night-watch", words, [Progress("home", "lsst", lag, expired)], away, NOW)


def printed(status: DeploymentStatus, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(render(status))
    return out.getvalue()


def test_all_is_well_while_every_worker_speaks_and_runs() -> None:
    status = judged(worker(), worker("node-1-1"), lag=108)
    assert (status.healthy, status.problems) == (True, [])
    assert status.summary == "2 workers, 540 alerts/s, 0.2 s behind"
    assert status.lag == {"home:lsst": 108}


def test_totals_are_of_all_workers_and_rates_of_the_live_ones() -> None:
    totals = judged(worker(), worker("node-1-1", silence_s=60.0)).totals
    assert (totals.received, totals.scored, totals.duplicate) == (2_000, 1_400, 80)
    assert (totals.filtered, totals.dead_letter) == ({"no_selection": 500}, {"unknown_schema": 20})
    assert (totals.live, totals.rate) == (1, 270.0)


@pytest.mark.parametrize(
    ("rate", "lag", "said"),
    [
        (270.0, 0, "1 worker, 270 alerts/s, nothing waits"),
        (270.0, 540, "1 worker, 270 alerts/s, 2.0 s behind"),
        (100.0, 36_000, "1 worker, 100 alerts/s, 6 min behind"),
        (0.0, 1_234, "1 worker, 0 alerts/s, 1,234 messages wait"),
        (0.0, 0, "1 worker, 0 alerts/s, nothing waits"),
    ],
)
def test_how_far_behind_follows_from_what_waits_and_the_rate(rate: float, lag: int, said: str) -> None:
    assert judged(worker(rate=rate), lag=lag).summary == said


def test_no_word_at_all_says_what_to_start() -> None:
    status = judged(lag=5)
    assert status.problems == ["no worker has ever been heard of: start `streamer run`"]
    assert (status.healthy, status.summary, status.lag) == (False, status.problems[0], {"home:lsst": 5})


@pytest.mark.parametrize(
    ("state", "said"),
    [("running", "no worker has been heard of for 3 min"), ("stopping", "the service was stopped 3 min ago")],
)
def test_without_a_live_worker_the_last_word_and_its_age_are_said(state: str, said: str) -> None:
    status = judged(worker(silence_s=180.0, state=state), worker("node-2-0", silence_s=900.0))
    assert status.problems == [f"{said}: start `streamer run`"]


def test_words_that_are_all_forgotten_are_not_taken_for_none() -> None:
    status = judged(worker(silence_s=90_000.0))
    assert status.problems == ["no worker has been heard of for a day: start `streamer run`"]


def test_a_silent_worker_beside_a_live_one_is_wrong_and_one_that_stopped_is_not() -> None:
    silent = judged(worker(), worker("node-2-0", silence_s=42.0, host="node-2"))
    assert silent.problems == ["node-2-0 has been silent for 42 s: look after it on node-2"]
    assert [each.condition for each in silent.workers] == ["live", "silent"]
    stopped = judged(worker(), worker("node-2-0", silence_s=42.0, state="stopping"))
    assert stopped.healthy
    assert [each.condition for each in stopped.workers] == ["live", "stopped"]


def test_a_worker_is_silent_after_three_words_missed_and_forgotten_after_a_day() -> None:
    assert judged(worker(), worker("b", silence_s=15.0)).healthy
    assert not judged(worker(), worker("b", silence_s=15.1)).healthy
    assert len(judged(worker(), worker("b", silence_s=86_401.0)).workers) == 1


def test_a_clock_that_runs_ahead_makes_nobody_silent() -> None:
    assert judged(worker(silence_s=-30.0)).workers[0].silence_s == 0.0


def test_parked_partitions_are_told_together_by_reason() -> None:
    reason = "schema 1200 is not known: the registry answers 500"
    lanes = [ParkedLane(cluster="rubin", topic="lsst-v12", partition=i, reason=reason) for i in range(3)]
    status = judged(worker(parked=lanes[:2]), worker("node-1-1", parked=lanes[2:]))
    assert status.problems == [f"rubin:lsst-v12: 3 partitions wait: {reason}"]
    assert "running, 2 parked" in printed(status)


def test_a_worker_that_backs_off_says_what_it_waits_for() -> None:
    error = LastError(when=NOW - timedelta(seconds=30), kind="store_away", text="MongoDB is away")
    status = judged(worker(state="waiting", last_error=error))
    assert status.problems == ["node-1-0 waits: MongoDB is away"]
    assert "last error of node-1-0, 30 s ago: store_away: MongoDB is away" in printed(status)
    well = judged(worker(last_error=error))
    assert well.healthy
    assert "last error of node-1-0, 30 s ago, it is over: store_away: MongoDB is away" in printed(well)


def test_what_is_missing_is_told_while_it_is_and_is_never_called_over() -> None:
    line = "the Kafka cluster home (b:1) has no topic ztf"
    error = LastError(when=NOW - timedelta(seconds=30), kind="missing", text=line)
    status = judged(worker(missing=[line], last_error=error), worker("node-1-1", missing=[line]))
    assert (status.healthy, status.missing) == (True, [line])  # the night's topic comes with its first alert
    assert f"missing: {line}" in printed(status).splitlines()
    assert f"last error of node-1-0, 30 s ago: missing: {line}" in printed(status)
    silent = worker("node-2-0", silence_s=120.0, missing=[line])
    assert judged(worker(), silent).missing == []


def test_a_stop_over_dead_letters_stays_wrong_though_others_live() -> None:
    error = LastError(when=NOW, kind=DEAD_LETTER_LIMIT, text="600 of the last 1,000 messages became dead letters")
    status = judged(worker(), worker("node-2-0", state="stopping", last_error=error))
    assert status.problems == [f"node-2-0 stopped over dead letters: {error.text}"]


def test_a_worker_that_an_error_ended_was_not_stopped() -> None:
    error = LastError(when=NOW, kind=ENDED, text="the disk is full")
    ended = worker(silence_s=9.0, state="stopping", last_error=error)
    line = "node-1-0 ended 9 s ago: the disk is full"
    assert judged(ended, worker("node-1-1")).problems == [line]
    assert judged(ended).problems == ["no worker has been heard of for 9 s: start `streamer run`", line]


def test_messages_that_were_deleted_unread_are_told() -> None:
    [problem] = judged(worker(), expired=1_234).problems
    assert problem.startswith("home:lsst: 1,234 messages were deleted before they were scored: ")


def test_words_of_another_version_and_clusters_that_are_away_are_told() -> None:
    other = b'{"slot": "b", "mood": "good", "updated": "2026-11-21T02:59:58Z"}'
    words = {"a": worker("a").model_dump_json().encode(), "b": other}
    status = assess("night-watch", words, [], ["the lag at rubin is not known: it is away"], NOW)
    assert status.problems == [
        "what b says cannot be read: use the `streamer` of the same version as its worker",
        "the lag at rubin is not known: it is away",
    ]


@pytest.mark.parametrize(
    "word", [b'{"mood": "good", "updated": "2026-11-20T02:59:58Z"}', b'{"mood": "good"}', b"\xff no word"]
)
def test_words_of_another_version_are_forgotten_after_a_day_and_those_of_no_worker_at_once(word: bytes) -> None:
    words = {"a": worker("a").model_dump_json().encode(), "b": word}
    status = assess("night-watch", words, [], [], NOW)
    assert (status.healthy, [each.slot for each in status.workers]) == (True, ["a"])


def test_the_json_holds_the_whole_judgement() -> None:
    status = judged(worker(), lag=3)
    assert DeploymentStatus.model_validate_json(status.model_dump_json()) == status
    assert {"deployment", "at", "healthy", "workers", "lag", "totals", "problems"} <= status.model_dump().keys()


def test_the_tables_show_every_figure_in_a_terminal_of_usual_width() -> None:
    status = judged(worker(), worker("node-1-1", silence_s=42.0), lag=108)
    text = printed(status, width=80)
    shown = ("node-1-0", "silent for 42 s", "120 ms", "450 ms", "1,400", "no_selection", "500", "unknown_schema")
    for figure in (*shown, "home:lsst", "108", "0.1.0", "default 1.2.0", "0123456789ab", "mongodb", "1 worker"):
        assert figure in text
    assert "…" not in text


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (119.0, "119 s"), (180.0, "3 min"), (7_199.0, "120 min"), (86_400.0, "24 h")]
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_workers_without_any_partition_are_a_problem() -> None:
    status = judged(worker(assigned=0, lag={}), worker("node-1-1", assigned=0, lag={}))
    assert status.problems == [
        "no worker has a partition: `streamer topics show` says which of the configured topics are missing"
    ]
    assert judged(worker(assigned=0), worker("node-1-1")).healthy
