"""The dashboards that Grafana is given: made by the generator, laid out well, and asking for nothing that is not there.

What their queries answer is seen in tests/services/test_panels.py.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.dashboards.boards import BOARDS, FOLDER
from scripts.dashboards.promql import PROCESS_CPU, PROCESS_MEMORY, PROCESS_START, at_most
from scripts.dashboards.render import DATASOURCE_UID, written
from streamer.metrics.definitions import LATENCY, SINK, WORKER
from streamer.metrics.histogram import BatchHistogram

ROOT = Path(__file__).resolve().parents[2]
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"

METRICS = {metric.name: metric for metric in (*WORKER, *SINK)}
OF_PROCESSES = {PROCESS_CPU, PROCESS_MEMORY, PROCESS_START}

OF_SCRAPES = {"instance", "job"}
"""Labels that Prometheus adds."""

ON_NO_PANEL = {"streamer_store_info", "streamer_missing_topics"}
"""Where the objects are is the configuration's; nobody watches it change. What is missing is an alert's to say."""

FILES = sorted(FOLDER.glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: dict[str, Any]) -> list[str]:
    """Every query of its panels, annotations and variables."""
    asked = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    marks = [mark["expr"] for mark in board["annotations"]["list"]]
    variables = [
        query["query"].removeprefix("label_values(").rpartition(",")[0]
        for query in board["templating"]["list"]
        if query["type"] == "query"
    ]
    return [*asked, *marks, *variables]


def labels_of(series: str) -> set[str]:
    """The labels of a series by its full name; KeyError where nothing of ours is called so."""
    if series in OF_PROCESSES:
        return OF_SCRAPES
    name = next((name for name in METRICS if re.fullmatch(f"{name}(_bucket|_sum|_count)?", series)), series)
    metric = METRICS[name]
    is_histogram = metric.kind is BatchHistogram
    if is_histogram != (series != name):
        raise KeyError(f"{series}: a histogram has _bucket, _sum and _count, others have none")
    return {*metric.labels, *OF_SCRAPES} | ({"le"} if series.endswith("_bucket") else set())


def check_expression(expression: str) -> None:
    """AssertionError where a query names a metric or a label that is not there."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    used = set(re.findall(r"\b(?:streamer|process)_\w+", bare))
    assert used, expression
    known = set().union(*(labels_of(series) for series in used))
    for series, matchers in re.findall(r"(\w+)\{([^}]*)\}", bare):
        assert set(re.findall(r'(\w+)\s*(?:=|!=|=~|!~)\s*"', matchers)) <= labels_of(series), expression
    for names in re.findall(r"\b(?:by|on|group_left|without|ignoring)\s*\(([^)]*)\)", bare):
        assert {name.strip() for name in names.split(",")} <= known, expression


def test_the_files_are_what_the_generator_writes() -> None:
    made = {f"{board.uid}.json": written(board) for board in BOARDS}
    assert {path.name: path.read_text(encoding="utf-8") for path in FILES} == made, "run `make dashboards`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_asks_only_for_metrics_and_labels_that_there_are(path: Path) -> None:
    for expression in expressions(read(path)):
        check_expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "sum(streamer_no_such_total)",
        'streamer_lag_messages{topik="ztf"}',
        "sum by (survey) (streamer_lag_messages)",
        "rate(streamer_latency_seconds[1m])",
        "streamer_lag_messages * on (instance) group_left (slott) streamer_build_info",
    ],
)
def test_a_name_that_is_not_there_is_found(expression: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        check_expression(expression)


def test_a_share_asks_for_a_bucket_that_there_is() -> None:
    assert 'le="0.5"' in at_most(LATENCY, 0.5)
    with pytest.raises(ValueError, match="no bucket"):
        at_most(LATENCY, 0.4)


def test_every_metric_is_on_a_panel() -> None:
    asked = " ".join(expression for path in FILES for expression in expressions(read(path)))
    assert {name for name in METRICS if not re.search(rf"\b{name}(_bucket|_sum|_count)?\b", asked)} == ON_NO_PANEL


def test_uids_and_titles_and_panels_numbers_are_unique() -> None:
    boards = [read(path) for path in FILES]
    assert max(Counter(board["uid"] for board in boards).values()) == 1
    assert max(Counter(board["title"] for board in boards).values()) == 1
    for board in boards:
        assert max(Counter(panel["id"] for panel in board["panels"]).values()) == 1
        assert max(Counter(panel["title"] for panel in panels(board)).values()) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_fill_their_rows_and_lie_beside_one_another(path: Path) -> None:
    cells: Counter[tuple[int, int]] = Counter()
    for panel in read(path)["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
    assert max(cells.values()) == 1
    assert len(cells) == 24 * (max(y for _, y in cells) + 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_says_what_it_means_in_which_unit_and_where_more_is_said(path: Path) -> None:
    for panel in panels(read(path)):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"], panel["title"]
        assert panel["links"], panel["title"]
        for link in panel["links"]:
            page = link["url"].removeprefix("${docs}/").replace(".html", ".md")
            assert (ROOT / "docs" / page).is_file(), f"{panel['title']}: {link['url']}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dashboard_is_in_utc_refreshes_itself_and_leads_to_the_others(path: Path) -> None:
    board = read(path)
    assert (board["timezone"], board["refresh"], board["time"]) == (
        "utc",
        "30s",
        {"from": "now-18h/d+18h", "to": "now"},
    )
    assert board["links"][0]["tags"] == board["tags"] == ["transient-streamer"]
    names = [variable["name"] for variable in board["templating"]["list"]]
    assert names[:3] == ["datasource", "deployment", "instance"]


def test_provisioning_names_the_datasource_and_the_folder_that_the_dashboards_are_in() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"], source["url"]) == (DATASOURCE_UID, "prometheus", "${PROMETHEUS_URL}")
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "transient-streamer.yaml").read_text())["providers"]
    grafana = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["grafana"]
    mounted = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    assert mounted["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert grafana["environment"]["PROMETHEUS_URL"].startswith("http://prometheus:")
