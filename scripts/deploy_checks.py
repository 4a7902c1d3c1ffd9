"""The checks of deploy/ by Docker Compose's, Helm's, Kubernetes' and Grafana's own libraries, built with Go once.

`python -m scripts.deploy_checks` builds them now, so that nothing is left to wait for later.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.services.programs import UnavailableError, cache
from streamer.errors import UserError

MODULE = Path(__file__).resolve().parent.parent / "tests" / "deploy" / "checks"
"""The Go module: tests/deploy/checks/main.go says what can be checked."""

BUILD_TIMEOUT_S = 1200
"""Bound on the build [s]: 90 s on two busy cores the first time, with 300 MB of modules to fetch."""


def deploy_checks() -> Path:
    """The program, built where its source has changed; UnavailableError where there is no Go, or no modules."""
    sources = sorted([*MODULE.glob("*.go"), MODULE / "go.mod", MODULE / "go.sum"])
    name = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    program = cache() / "deploy-checks" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise UnavailableError("go is not installed: the checks of deploy/ are built with Go 1.26 or newer")
    if problem := _failure([go, "mod", "download"]):
        raise UnavailableError(f"the modules of the checks of deploy/ cannot be fetched: {problem}")
    part = program.with_suffix(".part")
    if problem := _failure([go, "build", "-trimpath", "-o", str(part), "."]):
        raise UserError(f"the checks of deploy/ cannot be built: {problem}")
    part.rename(program)


def _failure(command: list[str]) -> str | None:
    """Runs Go in the module; what went wrong."""
    environment = os.environ | {"GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    try:
        done = subprocess.run(
            command, cwd=MODULE, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not within {BUILD_TIMEOUT_S} s"
    return None if done.returncode == 0 else done.stderr.strip().replace("\n", "; ") or "Go does not say why"


def main() -> int:
    try:
        print(deploy_checks())
    except UserError as error:
        print(f"{error}; the tests that need them will skip", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
