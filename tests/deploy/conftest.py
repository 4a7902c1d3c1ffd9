"""What the tests of deploy/ share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.deploy_checks import deploy_checks
from scripts.services.programs import UnavailableError

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

Check = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a check with its arguments, and further environment variables by name."""


@pytest.fixture(scope="session")
def check() -> Check:
    """The checks by the libraries of Compose, Helm, Kubernetes and Grafana; skips where Go is missing."""
    try:
        program = deploy_checks()
    except UnavailableError as error:
        pytest.skip(str(error))

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment
        )

    return run
