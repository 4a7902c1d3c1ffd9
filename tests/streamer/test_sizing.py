"""What must hold of `streamer size`: it follows from its costs, and from what was asked and configured."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.cli import main
from streamer.commands.size import bytes_text, count_of, question_of
from streamer.errors import UserError
from streamer.kafka.topics import TOPICS
from streamer.settings import Settings
from streamer.sizing.costs import HERE, SIZES, measured_of
from streamer.sizing.plan import BUSY_AT_PEAK, Kept, Plan, Question, size

QUESTION = question_of(
    Settings(), "lsst", 10_000_000, hours_per_night=10.0, peak=2.0, scored_share=1.0, alerts_per_object=10.0,
    copy_days=7.0, replication=None,
)  # fmt: skip


def plan(**changes: Any) -> Plan:
    return size(replace(QUESTION, **changes), HERE)


def test_cutouts_that_are_not_kept_are_not_sent_and_a_mirror_has_its_part_of_the_network() -> None:
    kept, dropped = plan(cutouts_days=1).network_mbit_s, plan(cutouts_days=0).network_mbit_s
    assert dropped["workers to MongoDB"] < kept["workers to MongoDB"] / 5
    mirror = "the survey's packets, to MirrorMaker, and the same from it"
    assert plan(copy_days=0).network_mbit_s[mirror] == 0.0
    assert plan(copy_days=7).network_mbit_s[mirror] == kept["the survey's packets, to the workers"]


def by_name(all_kept: tuple[Kept, ...]) -> dict[str, Kept]:
    return {kept.name: kept for kept in all_kept}


def case(workers: int, busy_ms: float, store: str = "mongodb") -> dict[str, Any]:
    """A case as `streamer bench kafka --json` reports it."""
    return {
        "workers": workers, "store": store, "filled": False, "alerts_per_s": 900.0, "cores_used": 1.5,
        "stage_ms": {"decode": busy_ms / 4, "commit": 3 * busy_ms / 4},
        "cpu_ms": {"workers": 1.0, "bench": 0.1, "broker": 0.2, "MongoDB": 0.7},
        "rss_mb": {"start": [300], "middle": [500], "end": [400]},
    }  # fmt: skip


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    monkeypatch.setattr("sys.argv", ["streamer", "size", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_costs_of_one_worker_tell_what_more_of_them_drain() -> None:
    base = next(drain for drain in HERE.drains if drain.workers == 1 and drain.filled)
    others = [drain for drain in HERE.drains if drain.filled]
    assert [drain.workers for drain in others] == [1, 2, 3, 4]
    for drain in others:
        assert HERE.expected_per_s(drain.workers, base) == pytest.approx(drain.alerts_per_s, rel=0.06)


def test_the_workers_hold_the_peak_without_the_one_to_spare() -> None:
    for alerts in (1, 100_000, 10_000_000, 123_456_789):
        for peak in (1.0, 3.0):
            found = plan(alerts_per_night=alerts, peak=peak)
            for count, rate in zip(found.workers, reversed(found.worker_per_s), strict=True):
                assert (count - 1) * rate * BUSY_AT_PEAK >= found.peak_per_s
                assert (count - 2) * rate * BUSY_AT_PEAK < found.peak_per_s
            assert min(found.catch_up_s) > 0
            assert found.partitions["the survey's topic, at least"] == found.workers[1]


def test_rates_follow_from_the_night() -> None:
    found = plan(alerts_per_night=3_600_000, hours_per_night=10.0, peak=3.0)
    assert (found.mean_per_s, found.peak_per_s) == (100.0, 300.0)
    assert found.visit_alerts == 300.0 * 37.0
    assert plan(alerts_per_night=3_600_000, hours_per_night=5.0).mean_per_s == 200.0


def test_twice_the_alerts_take_twice_the_cores_network_and_disks() -> None:
    once, twice = plan(), plan(alerts_per_night=20_000_000)
    for name, cores in once.cores.items():
        assert twice.cores[name] == pytest.approx([2 * each for each in cores])
    for name, rate in once.network_mbit_s.items():
        assert twice.network_mbit_s[name] == pytest.approx(2 * rate)
    for part in ("topics", "collections", "tables"):
        for one, two in zip(getattr(once, part), getattr(twice, part), strict=True):
            assert two.night_bytes == pytest.approx(2 * one.night_bytes)
            assert (two.steady_bytes or 0.0) == pytest.approx(2 * (one.steady_bytes or 0.0))


def test_disks_are_bytes_times_days_times_copies() -> None:
    found = plan(alerts_per_night=1_000_000, replication=3, copy_days=2.0)
    topics, collections, tables = by_name(found.topics), by_name(found.collections), by_name(found.tables)
    assert topics["the survey's, copied"].steady_bytes == 1e6 * 60_968 * 2 * 3
    assert topics["scored"].steady_bytes == 1e6 * (201 + 104) * 7 * 3
    assert collections["cutouts"].steady_bytes == pytest.approx(1e6 * (15_640 + 2 * 24) * 14)
    assert collections["objects"].night_bytes == pytest.approx(0.597 * (1e5 * 210 + 1e6 * 2.3 * 56))
    assert tables["scores.parquet"].night_bytes == 1e6 * 207
    assert all(kept.steady_bytes is None for kept in found.tables)


def test_without_a_copy_of_the_surveys_topics_only_our_own_are_kept() -> None:
    assert set(by_name(plan(copy_days=0.0).topics)) == {"scored", "embeddings", "dead_letters"}
    assert plan(copy_days=0.0).memory_gb["Kafka brokers"] < plan().memory_gb["Kafka brokers"]


def test_a_registry_spares_the_schemas() -> None:
    framed, contained = by_name(plan(framed=True).topics), by_name(plan(framed=False).topics)
    assert contained["scored"].night_bytes - framed["scored"].night_bytes == pytest.approx(1e7 * 104)


def test_what_is_not_scored_takes_no_cutouts_messages_and_rows() -> None:
    none = plan(scored_share=0.0)
    for kept in (*none.tables, by_name(none.topics)["scored"], by_name(none.collections)["cutouts"]):
        assert kept.night_bytes == 0
    assert by_name(none.collections)["objects"] == by_name(plan().collections)["objects"]


def test_retention_copies_and_the_session_come_from_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {"seen_days": 8, "alerts_days": 9, "light_curves_days": 10, "cutouts_days": 0}
    kafka = {"replication_factor": 2, "session_timeout_s": 33, "registry": {"url": "http://localhost:1"}}
    file = tmp_path / "streamer.yaml"
    file.write_text(yaml.safe_dump({"state": state, "kafka": kafka}))
    options = ["--survey", "ztf", "--alerts-per-night", "1_000", "--config", str(file), "--json"]
    code, out, _ = said(monkeypatch, capsys, *options)
    report = json.loads(out)
    assert code == 0
    assert {kept["name"]: kept["days"] for kept in report["collections"]} == {"seen": 8, "alerts": 9, "objects": 10}
    asked = report["question"]
    assert (asked["replication"], asked["session_timeout_s"], asked["framed"]) == (2, 33, True)
    planned = {each.name: each.retention_d for each in TOPICS}
    assert all(kept["days"] == planned[kept["name"]] for kept in report["topics"][1:])
    code, out, _ = said(monkeypatch, capsys, *options, "--replication", "3")
    assert json.loads(out)["question"]["replication"] == 3


def test_costs_of_ones_own_machine_stand_in_the_place_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.json"
    report = {"cores": 8, "cases": [case(1, 1.0), case(1, 2.0), case(4, 0.5), case(1, 0.1, store="sqlite")]}
    file.write_text(f"some line before\n{json.dumps(report)}\n")
    options = ["--survey", "lsst", "--alerts-per-night", "10,000,000", "--measured", str(file)]
    code, out, _ = said(monkeypatch, capsys, *options, "--json")
    found = json.loads(out)
    assert (code, found["worker_per_s"], found["workers"]) == (0, [500.0, 1000.0], [2, 3])
    assert found["cores"]["MongoDB"] == pytest.approx([found["peak_per_s"] * 0.7e-3 / BUSY_AT_PEAK] * 2)
    assert "mine.json" in "".join(said(monkeypatch, capsys, *options)[1].split())  # a long path is folded


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "no json", '{"cores": 2, "cases": []}', '{"cores": 2, "cases": [{"store": "mongodb"}]}',
     json.dumps({"cores": 2, "cases": [case(1, 1.0, store="sqlite")]}),
     *(json.dumps({"cores": 2, "cases": [case(1, busy_ms)]}) for busy_ms in (0.0, -1.0, math.nan, math.inf)),
     json.dumps({"cores": 2, "cases": [case(1, 1.0) | {"cpu_ms": {"workers": 1.0, "MongoDB": math.nan}}]}),
     json.dumps({"cores": 2, "cases": [case(1, 1.0) | {"cpu_ms": {"workers": 1.0, "MongoDB": -3.0}}]}),
     json.dumps({"cores": 2, "cases": [case(1, 1.0) | {"workers": math.inf}]}),
     "[" * 100_000],
    ids=range(15),
)  # fmt: skip
def test_a_file_that_is_no_measurement_is_refused_in_one_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text)
    options = ["--survey", "lsst", "--alerts-per-night", "1000", "--measured", str(file)]
    code, out, err = said(monkeypatch, capsys, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "mine.json is no report of `streamer bench kafka" in err


def test_a_missing_measurement_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--survey", "lsst", "--alerts-per-night", "1000", "--measured", str(tmp_path / "none.json")]
    code, _, err = said(monkeypatch, capsys, *options)
    assert (code, err) == (2, f"streamer: {tmp_path / 'none.json'} cannot be read: No such file or directory\n")


@pytest.mark.parametrize("text", ["10000000", "10_000_000", "10,000,000", " 10_000_000 "])
def test_a_number_of_alerts_may_be_written_in_groups(text: str) -> None:
    assert count_of(text) == 10_000_000


@pytest.mark.parametrize("text", ["", "0", "-5", "1e7", "1.5", "ten", "٣", "10000000000000", "_"])
def test_what_is_no_number_of_alerts_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--alerts-per-night takes a whole number from 1 to 10\^12"):
        count_of(text)


@pytest.mark.parametrize("option", ["--peak", "--hours-per-night", "--copy-days", "--scored-share"])
@pytest.mark.parametrize("value", ["nan", "-1", "inf"])
def test_what_cannot_be_reckoned_with_is_refused(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(monkeypatch, capsys, "--survey", "lsst", "--alerts-per-night", "9", option, value)
    assert (code, out) == (2, "")
    assert option in err


def test_both_surveys_and_each_collection_appear_in_the_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for survey in SIZES:
        code, out, _ = said(monkeypatch, capsys, "--survey", survey, "--alerts-per-night", "1")
        assert code == 0
        for name in ("seen", "alerts", "objects", "cutouts", "embeddings.lance", "[GB]", "[s]", "scored"):
            assert name in out


def test_a_night_of_which_nothing_is_scored_fills_no_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(monkeypatch, capsys, "--survey", "ztf", "--alerts-per-night", "1000", "--scored-share", "0")
    (row,) = (line for line in out.splitlines() if "scores.parquet" in line)
    assert code == 0
    assert [cell.strip() for cell in row.strip("│").split("│")[1:]] == ["0 B", "0 B", "-"]


def test_a_report_says_the_same_as_the_costs_in_the_code() -> None:
    measured = measured_of({"cores": 2, "cases": [case(1, 2.0)]})
    (drain,) = measured.drains
    assert (drain.busy_ms, drain.workers_ms, drain.mongodb_ms, drain.rss_mb) == (2.0, 1.0, 0.7, 500.0)
    assert measured.expected_per_s(1, drain) == 500.0
    assert measured.expected_per_s(4, drain) == 1000.0
    assert size(QUESTION, measured).worker_per_s == (500.0, 500.0)


def test_sizes_are_written_for_people() -> None:
    texts = {0.0: "0 B", 999.0: "999 B", 1500.0: "1.5 kB", 2.5e8: "250 MB", 12.84e12: "12.8 TB", 5e15: "5,000 TB"}
    assert {value: bytes_text(value) for value in texts} == texts


def test_a_small_night_needs_no_database_server() -> None:
    assert plan(alerts_per_night=300_000).sqlite_would_do
    assert not plan(alerts_per_night=100_000_000).sqlite_would_do
    elsewhere = measured_of({"cores": 2, "cases": [case(1, 2.0)]})
    assert not size(replace(QUESTION, alerts_per_night=1), elsewhere).sqlite_would_do  # nobody measured it there


def test_a_question_holds_what_was_asked() -> None:
    assert isinstance(QUESTION, Question)
    assert (QUESTION.replication, QUESTION.cutouts_days) == (1, Settings().state.cutouts_days)
