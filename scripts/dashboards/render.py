"""Makes Grafana's dashboards of ours, with Grafana's own library."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from scripts.dashboards.promql import PROCESS_START, series
from scripts.dashboards.spec import BLUE, GREEN, YELLOW, Board, Choice, Panel
from streamer.metrics import definitions as d

DATASOURCE_UID = "prometheus"
"""Of the data source that provisioning brings; another can be chosen at the top."""

DOCS_URL = "https://docs.example.org/transient-streamer"
"""Where the docs site is, as the variable `docs`; alerts have it from deploy/prometheus/prometheus.yml."""

FROM = "now-18h/d+18h"
"""18 h UTC, when it is daylight at Palomar and at Cerro Pachon, is when a night begins."""

REFRESH = "30s"

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

TAG = "transient-streamer"

MARKS = (
    ("Starts of a process", f"max by (instance) (changes({series(PROCESS_START)}[1m])) > 0", YELLOW),
    (
        "Another model answers",
        f"max by (bundle_hash) ({series(d.MODEL)}) unless on (bundle_hash) ({series(d.MODEL)} offset 2m)",
        BLUE,
    ),
)
"""Annotations: name, query, colour."""

_BUILDERS: dict[str, Any] = {
    "stat": stat.Panel,
    "bars": bargauge.Panel,
    "lines": timeseries.Panel,
    "areas": timeseries.Panel,
    "shares": timeseries.Panel,
    "heatmap": heatmap.Panel,
    "timeline": statetimeline.Panel,
    "table": table.Panel,
}
_INSTANT = ("stat", "bars", "table")


def written(board: Board) -> str:
    """The dashboard as Grafana's JSON."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.answers)
        .tags([TAG])
        .timezone("utc")
        .time(FROM, "now")
        .refresh(REFRESH)
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Transient streamer")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
        .link(dashboard.DashboardLink("Docs").type(models.DashboardLinkType.LINK).url("${docs}/operations.html"))
        .with_variable(_datasource())
        .with_variable(_query("deployment", "Deployment", f"label_values({d.BUILD.name}, deployment)", is_one=True))
    )
    of_deployment = f'label_values({d.BUILD.name}{{deployment=~"$deployment"}}, instance)'
    for choice in (Choice("instance", "Worker or sink", of_deployment), *board.choices):
        made.with_variable(_query(choice.name, choice.label, choice.query))
    made.with_variable(dashboard.ConstantVariable("docs").label("Docs site").value(DOCS_URL))
    for name, expression, color in MARKS:
        made.annotation(
            dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(color).expr(expression)
        )
    number = 0
    for row in board.rows:
        number += 1
        made.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            made.with_panel(_panel(panel).id(number))
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _datasource() -> dashboard.DatasourceVariable:
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Prometheus")
        .type("prometheus")
        .current(models.VariableOption(text="Prometheus", value=DATASOURCE_UID))
    )


def _query(name: str, label: str, query: str, is_one: bool = False) -> dashboard.QueryVariable:
    """A choice among a label's values: one of them, or any number, all at first."""
    made = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if is_one:
        return made
    return made.multi(True).include_all(True).current(models.VariableOption(text=["All"], value=["$__all"]))


def _panel(panel: Panel) -> Any:
    made = (
        _BUILDERS[panel.kind]()
        .title(panel.title)
        .description(panel.meaning)
        .datasource(SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
        .links(list(_links(panel.see)))
        .thresholds(_thresholds(panel))
    )
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.least is not None and panel.kind not in ("table", "timeline"):
        made.min(panel.least)
    if panel.most is not None:
        made.max(panel.most)
    if panel.words:
        made.mappings([models.ValueMap({str(int(v)): _word(text, color) for v, text, color in panel.words})])
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        made.with_target(_target(panel, query.expression, query.legend).ref_id(letter))
    return _LOOKS[panel.kind](made, panel)


def _target(panel: Panel, expression: str, legend: str) -> prometheus.Dataquery:
    made = prometheus.Dataquery().datasource(SOURCE).expr(expression).legend_format(legend or "__auto")
    if panel.kind == "table":
        return made.instant().format(prometheus_models.PromQueryFormat.TABLE)
    if panel.kind == "heatmap":
        return made.range().format(prometheus_models.PromQueryFormat.HEATMAP)
    return made.instant() if panel.kind in _INSTANT else made.range()


def _links(pages: Iterable[str]) -> Iterable[dashboard.DashboardLink]:
    for page in pages:
        name = page.removesuffix(".md")
        made = dashboard.DashboardLink(name.replace("runbooks/", "Runbook: "))
        yield made.type(models.DashboardLinkType.LINK).url(f"${{docs}}/{name}.html").target_blank(True)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(step.value, step.color) for step in panel.steps] or [models.Threshold(None, GREEN)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _word(text: str, color: str) -> models.ValueMappingResult:
    return models.ValueMappingResult(text=text, color=color)


def _stat(made: Any, _: Panel) -> Any:
    return (
        made.graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .text_mode(common_models.BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _bars(made: Any, _: Panel) -> Any:
    return (
        made.orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _lines(made: Any, panel: Panel) -> Any:
    made.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
    ).tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    if panel.steps:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED))
    if panel.kind == "lines":
        return made.fill_opacity(0)
    stacking = common_models.StackingMode.PERCENT if panel.kind == "shares" else common_models.StackingMode.NORMAL
    return made.fill_opacity(40).stacking(common.StackingConfig().mode(stacking).group("A"))


def _heatmap(made: Any, panel: Panel) -> Any:
    return (
        made.calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            .scheme("Viridis")
            .scale(heatmap_models.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .cell_values(heatmap.CellValues().unit("short"))
        .show_legend()
    )


def _timeline(made: Any, _: Panel) -> Any:
    return made.fill_opacity(80).legend(common.VizLegendOptions().show_legend(False))


def _table(made: Any, _: Panel) -> Any:
    hidden = ("Time", "__name__", "job")
    return made.with_transformation(
        models.DataTransformerConfig("organize", options={"excludeByName": dict.fromkeys(hidden, True)})
    )


_LOOKS: dict[str, Any] = {
    "stat": _stat,
    "bars": _bars,
    "lines": _lines,
    "areas": _lines,
    "shares": _lines,
    "heatmap": _heatmap,
    "timeline": _timeline,
    "table": _table,
}
