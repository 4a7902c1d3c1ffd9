"""What must hold of the checks of deploy/: each refuses what it is there to refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import DEPLOY, Check

BOARD = DEPLOY / "grafana" / "dashboards" / "streamer-overview.json"

PASSWORDS = {"MONGODB_PASSWORD": "a", "MONGODB_ROOT_PASSWORD": "b", "GRAFANA_ADMIN_PASSWORD": "c"}


def board_with(folder: Path, *path: Any, value: Any) -> Path:
    """The overview with one value at a path of its JSON."""
    content = json.loads(BOARD.read_text())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    file = folder / "board.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("panels", 1, "fieldConfg"), {}, "unexpected field 'fieldConfg'"),
        (("schemaVersion",), "thirty", "schemaVersion"),
        (("panels", 1, "targets"), "up", "panels[1]"),
    ],
)
def test_a_dashboard_that_grafana_would_not_understand_is_refused(
    check: Check, tmp_path: Path, path: tuple[Any, ...], value: Any, said: str
) -> None:
    refused = check("dashboard", board_with(tmp_path, *path, value=value))
    assert refused.returncode == 1
    assert said in refused.stderr


def test_every_dashboard_is_read_strictly_into_grafanas_model(check: Check) -> None:
    files = sorted(BOARD.parent.glob("*.json"))
    assert len(files) >= 5
    read = check("dashboard", *files)
    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.parametrize(
    ("given", "broken", "said"),
    [
        ("image:", "imagee:", "imagee"),
        ("condition: service_healthy", "condition: service_happy", "condition"),
        ("restart: unless-stopped", "restart: [always]", "restart"),
    ],
)
def test_a_compose_file_that_compose_would_refuse_is_refused(
    check: Check, tmp_path: Path, given: str, broken: str, said: str
) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert given in text
    file = tmp_path / "compose.yaml"
    file.write_text(text.replace(given, broken, 1))
    refused = check("compose", file, **PASSWORDS)
    assert refused.returncode == 1
    assert said in refused.stderr
