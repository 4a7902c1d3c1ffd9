"""Writes the docs pages made from the code: configuration, command line, metrics, schemas. Run by `make docs-pages`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from classifiers.cli import app as classifiers_app
from schemas import describe
from scripts.alerts_page import runbooks
from scripts.dashboards.page import dashboards
from scripts.logs_page import logs
from scripts.sizing_page import sizing
from scripts.sky_page import simulated_sky
from streamer.cli import app
from streamer.metrics.definitions import SINK, WORKER, Metric
from streamer.settings import Settings, default_yaml
from streamer.settings.describing import expectation, sections

DOCS = Path(__file__).resolve().parent.parent / "docs"

MADE = "<!-- Made by `make docs-pages`; do not edit. -->"

CONFIGURATION = """\
# Configuration

One YAML file, given with `--config FILE`. Every key may be left out, and an unknown key is an error. `streamer
check-config FILE` says whether a file can be used; if not, it names each wrong key, its place and what was expected:

```console
$ streamer check-config streamer.yaml
streamer.yaml:2:3: batch.max_alert: unknown key; expected one of max_alerts; did you mean 'max_alerts'?
```

`streamer check-config --print-default` prints the file at the end of this page. A path that is not absolute starts at
the folder of the file; without a file, where the command is called.

An alert is *selected* when at least one selection of its survey passes. A selection passes when every cut passes and,
where it has a model, the model's score is at or over the threshold. Alerts that the survey has withdrawn, and alerts of
injected sources, are never selected. What is not selected still updates its object, and is counted as filtered with
the reason.
"""

CLI = """\
# Command line

Bad input of yours (a missing file, a wrong configuration, a folder that cannot be written) gives one clear line on
stderr and exit code 2. Bad packets never stop a replay: they become dead letters.
"""

TOP = "The file"
"""Title of the table of the keys that stand in no block."""

METRICS = """\
# Metrics and health

Each worker of `streamer run` listens on a port of its own: the first one on `metrics.port`, each further one on the
next. So does each always-on sink, from `metrics.sinks_port` on: `parquet`, `lancedb`, `mongodb`; one with `--until-eos`
does not. Prometheus scrapes `/metrics`; whoever keeps them running asks the two others. The [dashboards](dashboards.md)
and [alert rules](alerts.md) rest on what stands here.

| path | answers |
|---|---|
| `/metrics` | what stands below, and the process's own memory, CPU time and files as `process_...` |
| `/healthz` | 200 until the worker polls and while it does, 503 when it has not for 30 s (a sink: 600 s), and why |
| `/readyz` | 200 when partitions are assigned, models warm and stores reachable (a sink: when its cluster and its \
table answer), else 503; JSON with each of them |
| `/readyz?exclude=assigned` | the same without that condition: a worker is ready though no partition is left for it |

A worker that waits for a store or a cluster polls on: one that answers 503 at `/healthz` is to be killed and started
again; by itself it ends after 60 s (a sink after an hour). The first start on a machine compiles before it polls: for
half a minute, or a minute or two where other programs run. `/healthz` answers 200 meanwhile, and `/readyz` 503.

The store counts as reachable from a worker's start until a batch has failed on it, and again when that batch has passed
or is another worker's: a worker without alerts does not notice that its store is away.

Series of a partition end when the worker loses it. A counter begins at zero with each start.
"""


def pages() -> dict[str, str]:
    """The text of each made page, by its name in docs/."""
    return {
        "configuration.md": configuration(),
        "cli.md": command_line(),
        "dashboards.md": dashboards(MADE),
        "logs.md": logs(MADE),
        "simulated-sky.md": MADE + "\n\n" + simulated_sky(),
        "metrics.md": metrics(),
        "runbooks/index.md": runbooks(MADE),
        "schemas.md": describe.page(),
        "sizing.md": sizing(MADE),
    }


def configuration() -> str:
    parts = [CONFIGURATION.replace("\n", f"\n\n{MADE}\n", 1), "## Keys\n"]
    parts += _tables(TOP, Settings, Settings())
    parts += ["## The defaults, commented\n", f"```yaml\n{default_yaml()}```\n"]
    return "\n".join(parts)


def metrics() -> str:
    bounds = [
        f"`{each.name}`: {', '.join(f'{bound:g}' for bound in each.buckets)}."
        for each in (*WORKER, *SINK)
        if each.buckets
    ]
    parts = [METRICS.replace("\n", f"\n\n{MADE}\n", 1), "## Series of a worker\n", _series(WORKER)]
    parts += ["## Series of a sink\n", _series(SINK)]
    return "\n".join([*parts, "## Bounds of the histograms\n", "\n\n".join(bounds) + "\n"])


def _series(metrics: tuple[Metric, ...]) -> str:
    lines = ["| name | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
    for each in metrics:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        kind = each.kind.__name__.removeprefix("Batch").lower()
        lines.append(f"| `{each.name}` | {kind} | {each.unit} | {labels} | {_cell(each.meaning)} |")
    return "\n".join(lines) + "\n"


def _tables(title: str, annotation: Any, block: BaseModel | None) -> Iterator[str]:
    """A table of a block's keys, then the tables of the blocks below it (blocks of one kind share theirs).

    `block` holds the defaults; None for the blocks of a list.
    """
    model = sections(annotation)
    assert model is not None
    lines = [f"### {title}\n", "| key | takes | default | meaning |", "|---|---|---|---|"]
    below: dict[type[BaseModel], tuple[str, BaseModel | None]] = {}
    for key, field in model.model_fields.items():
        inner = sections(field.annotation)
        value = field.default if block is None else getattr(block, key)
        if inner is not None:
            below.setdefault(inner, (_title(title, key), value if isinstance(value, BaseModel) else None))
        default = "required" if field.is_required() else _default(value)
        lines.append(f"| `{key}` | {_cell(expectation(field))} | {default} | {_cell(field.description or '')} |")
    yield "\n".join(lines) + "\n"
    for inner, (name, value) in below.items():
        yield from _tables(name, inner, value)


def _title(above: str, key: str) -> str:
    if above == "`selections`":
        return "A selection"
    return f"`{key}`" if above == TOP else f"{above}: `{key}`"


def _default(value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple | BaseModel):
        return "see below"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def command_line() -> str:
    parts = [CLI.replace("\n", f"\n\n{MADE}\n", 1)]
    parts += _group("streamer", typer.main.get_command(app))
    parts += _group("classifiers", typer.main.get_command(classifiers_app))
    return "\n".join(parts)


def _group(name: str, group: Any) -> Iterator[str]:
    for sub, command in group.commands.items():
        if hasattr(command, "commands"):
            yield f"## `{name} {sub}`\n\n{_help(command)}\n"
            yield from _group(f"{name} {sub}", command)
        elif not command.hidden:
            yield from _command(f"{name} {sub}", command)


def _command(name: str, command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name)
    pieces = [re.sub(r"[{}]", "", piece) for piece in command.collect_usage_pieces(context)]
    usage = " ".join([f"$ {name}", *pieces])
    yield f"## `{name}`\n\n{_help(command)}\n\n```console\n{usage}\n```\n"
    records = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    rows = [
        f"| `{option.replace('|', chr(92) + '|')}` | {_cell(text)} |"
        for option, text in records
        if "--help" not in option
    ]
    if rows:
        yield "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n"


def _help(command: Any) -> str:
    return "\n".join(line.strip() for line in (command.help or "").strip().splitlines())


def main() -> None:
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
