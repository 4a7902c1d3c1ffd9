"""The table of the alert rules, made from the rules: docs/runbooks/index.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).resolve().parent.parent / "deploy" / "prometheus" / "rules"

GATE = "streamer:night_active"
"""A rule whose expression holds this series is asleep while no survey has night."""

HEAD = """\
# Runbooks

One page for each alert: what it means, what to look at first, what to do, when it is over. [Alerts](../alerts.md) says
how they are made and how a threshold is changed.

*page*: now, at night too. *ticket*: in the morning. *asleep by day*: the rule is silent while no survey has night.
"""


def alerts() -> list[dict[str, Any]]:
    """The alert rules, in the order of their file."""
    return [rule for group in alert_groups() for rule in group["rules"]]


def alert_groups() -> list[dict[str, Any]]:
    """The groups of alert rules, as Prometheus reads them."""
    groups: list[dict[str, Any]] = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return groups


def runbooks(note: str) -> str:
    """The text of the page; `note` says that it is made."""
    parts = [HEAD.replace("\n", f"\n\n{note}\n", 1)]
    for group in alert_groups():
        title = group["name"].removeprefix("streamer-").capitalize()
        parts.append(f"## {title}\n\n| alert | severity | after | asleep by day | why |\n|---|---|---|---|---|")
        for rule in group["rules"]:
            name, severity = rule["alert"], rule["labels"]["severity"]
            asleep = "yes" if GATE in rule["expr"] else "no"
            why = rule["annotations"]["when"]
            parts[-1] += f"\n| [{name}]({name}.md) | {severity} | {rule.get('for', 'at once')} | {asleep} | {why} |"
        parts[-1] += "\n"
    return "\n".join(parts)
