"""The docs page of the dashboards, made of what they are."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.dashboards.boards import BOARDS
from scripts.dashboards.spec import Board

HEAD = """\
# Dashboards

Five Grafana dashboards, for Grafana 11.6 and later, with Prometheus behind them. They are JSON in
`deploy/grafana/dashboards`, written from code (`make dashboards`), and their queries are tested: each is put to a real
Prometheus beside a service that lives through a simulated night, and each panel changes by an event that is named for
it.

## First look

With the compose file Grafana is on <http://localhost:3000>, with the dashboards in the folder "Transient streamer".
Open the overview. Its first row, "Tonight", is for a scientist: it covers the time that is shown, and that begins at
18 h UTC, when it is day at both telescopes. In a good night

- the Sun is below -12 degrees and alerts come, from each survey that observes;
- the lag falls to 0 again and again, and 99 % of the outcomes are there within half a second;
- each worker is running, everything is ready, and there are no starts, failures or waiting partitions.

![Panels of the overview](images/dashboard.png)

*Most panels of the overview over five minutes of a simulated night, with a worker killed amid it, on a machine that
other programs used too. Drawn from Prometheus by `scripts/dashboard_picture.py`: Grafana draws them in its own way.*

At the top are the deployment and its workers and sinks, all of them at first. Yellow marks are starts of a process,
blue ones another bundle that answers. Each panel's `i` says what it shows and what a good night looks like; its links
lead to this site, and to the runbook of the [alert](alerts.md) that watches the same.

To compare with a night before, shift the time range by a day; the row "Drift" of the models compares with a week
before, so Prometheus must keep more than that.

## By hand

Any Grafana takes them. Give it the folders `deploy/grafana/provisioning` (as `/etc/grafana/provisioning`) and
`deploy/grafana/dashboards` (as `/var/lib/grafana/dashboards`), and the environment variable `PROMETHEUS_URL`, such as
`http://prometheus:9090`. Or import the JSON files on its page "Dashboards", "New", "Import", and choose the data source
at the top.

- A data source whose scrapes are rarer than each 15 s needs its interval set in Grafana ("Scrape interval"), so that
  rates have samples to stand on.
- The links to this site begin with the variable `docs` of each dashboard: set `DOCS_URL` in
  `scripts/dashboards/render.py` to where your copy is, and call `make dashboards`.
- The dashboards ask by `instance`, and find the instances of a deployment by `streamer_build_info`: no label has to be
  added to the scrapes, and several deployments may share a Prometheus.

A panel is a few lines of `scripts/dashboards/`: the metrics come from the one table that [metrics](metrics.md) is made
of, so a name that does not exist cannot be written. `tests/services/test_panels.py` wants the event that changes it.
"""


def dashboards(made: str) -> str:
    """The page; `made` says that it is made."""
    parts = [HEAD.replace("\n", f"\n\n{made}\n", 1)]
    parts += ["\n".join(_board(board)) + "\n" for board in BOARDS]
    return "\n".join(parts)


def _board(board: Board) -> Iterator[str]:
    name = board.title.removeprefix("Transient streamer: ")
    yield f"## {name[0].upper()}{name[1:]}\n\n{board.answers}"
    for row in board.rows:
        yield f"\n**{row.title}**\n\n| panel | shows |\n|---|---|"
        yield from (f"| {panel.title} | {panel.meaning} |" for panel in row.panels)
