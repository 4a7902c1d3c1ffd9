"""The alert rules are sound, each is tested both ways, and each has a runbook that is about it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.alerts_page import GATE, RULES, alerts
from scripts.services.programs import UnavailableError, program
from streamer.metrics.definitions import SINK, WORKER

PROMETHEUS = RULES.parent
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
RUNBOOKS = PROMETHEUS.parent.parent / "docs" / "runbooks"
NAMES = [rule["alert"] for rule in alerts()]

SCRAPED = {"up": set[str](), "process_start_time_seconds": set[str](), "process_resident_memory_bytes": set[str]()}
"""Series that are not in our table: Prometheus's own, and those of prometheus_client about the process."""

TARGET = {"job", "instance"}
"""Labels that Prometheus gives to whatever it scrapes."""

SECTIONS = ["**At stake.**", "## Look first", "## Do", "**Over when**", "**False alarms.**"]

WORDS = {"by", "on", "and", "or", "unless", "bool", "offset", "group_left", "ignoring", "inf"}
"""Words of PromQL that look like the name of a series or a label."""


def promtool(*arguments: str | Path) -> str:
    """What promtool says; the test skips where it is missing, and fails where it refuses."""
    try:
        done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    except UnavailableError as error:
        pytest.skip(str(error))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shown() -> dict[str, set[str]]:
    """Every series that can be scraped or is recorded, with the labels that it may have."""
    series = {name: labels | TARGET for name, labels in SCRAPED.items()}
    for each in (*WORKER, *SINK):
        labels = set(each.labels) | TARGET
        for name in (f"{each.name}_bucket", f"{each.name}_count", f"{each.name}_sum") if each.buckets else (each.name,):
            series[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return series


def figures() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((RULES / "figures.yml").read_text())["groups"]
    return list(group["rules"])


def queries(name: str) -> Iterator[str]:
    """The PromQL of a runbook, one query a line."""
    for block in re.findall(r"```promql\n(.*?)```", (RUNBOOKS / f"{name}.md").read_text(), re.DOTALL):
        yield from block.splitlines()


def bare(expression: str) -> str:
    """An expression without texts, durations and numbers."""
    return re.sub(r'"[^"]*"|\[[^\]]*\]|offset \w+|\b\d[\w.]*', " ", expression)


def unknown(expression: str) -> set[str]:
    """Series and labels in an expression that nobody shows."""
    known = shown() | {
        rule["record"]: {"survey", "class", "modality", "cluster", "topic", "sink"} for rule in figures()
    }
    text = bare(expression)
    labels = set(re.findall(r"(\w+)\s*(?:=~|!=|=)(?!=)", text))
    for inside in re.findall(r"\b(?:by|on|ignoring|group_left)\s*\(([^)]*)\)", text):
        labels |= set(re.findall(r"\w+", inside))
    text = re.sub(r"\{[^}]*\}|\b(?:by|on|ignoring|group_left)\s*\([^)]*\)", " ", text)
    used = set(re.findall(r"(?<![\w:])[a-zA-Z_][\w:]*(?!\s*\()(?![\w:])", text)) - WORDS
    used = {name for name in used if not re.search(rf"\b{name}\s*\(", text)}
    allowed = set[str]().union(*(known[name] for name in used & known.keys()))
    return (used - known.keys()) | (labels - allowed)


def cases() -> Iterator[tuple[str, bool]]:
    """(alert, whether it is expected to fire) of each case."""
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", ()):
                yield case["alertname"], bool(case["exp_alerts"])


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert f"{len(alerts())} rules found" in said
    assert f"{len(figures())} rules found" in said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_each_alert_fires_when_it_should_and_not_when_it_should_not(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_cases_of_both_kinds(name: str) -> None:
    assert {fires for alert, fires in cases() if alert == name} == {True, False}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_must(rule: dict[str, Any]) -> None:
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "description", "when", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == "{{ $externalLabels.runbooks }}/" + rule["alert"] + ".html"


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_sleeps_by_day_if_and_only_if_it_says_so(rule: dict[str, Any]) -> None:
    is_gated = re.search(rf"\band on \((survey)?\) \({GATE} == 1\)$", rule["expr"]) is not None
    assert is_gated == (GATE in rule["expr"]), "the gate closes the whole expression, or it is no gate"
    assert is_gated == rule["annotations"]["when"].startswith("By night")


@pytest.mark.parametrize("rule", [*figures(), *alerts()], ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_series_and_labels_that_are_shown(rule: dict[str, Any]) -> None:
    assert unknown(rule["expr"]) == set()


def test_a_series_or_a_label_that_nobody_shows_is_found() -> None:
    assert unknown('sum by (nobody) (rate(streamer_messages_total{outcome="x"}[5m])) > 1') == {"nobody"}
    assert unknown('max(streamer_no_such_thing{outcome="x"}) or vector(0)') == {"streamer_no_such_thing", "outcome"}
    assert unknown("streamer_lag_messages unless on (instance, reason) streamer_ready") == {"reason"}


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "index") == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_about_its_alert_and_has_every_part(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    places = [text.find(part) for part in SECTIONS]
    assert places == sorted(places)
    assert places[0] > 0
    for query in queries(name):
        assert unknown(query) == set(), query


def test_prometheus_can_parse_every_query_of_the_pages(tmp_path: Path) -> None:
    asked = [query for name in NAMES for query in queries(name)]
    assert asked
    rules = [{"record": f"asked:{number}", "expr": query} for number, query in enumerate(asked)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", path)
