"""The image's steps, run in the Dockerfile's order in a root of their own, and what the image then does."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from prometheus_client import CollectorRegistry

from scripts.image.build import DOCKERFILE, ROOT, Builder, Image
from scripts.image.dockerfile import Ignored, read_stages
from scripts.image.root import check_able, is_prepared
from scripts.services.process import free_port
from scripts.services.programs import UnavailableError
from streamer.errors import UserError
from streamer.health import Health, HealthServer

BIG_MB = 1300
"""More than this an image must not have [MB]; torch alone would be beyond it."""

CONFIG = ROOT / "deploy" / "config" / "streamer.yaml"

Inside = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def image() -> Image:
    """The image: each step run, or its layer kept from when it was run with the same files."""
    try:
        check_able()
    except UnavailableError as error:
        pytest.skip(str(error))
    if not is_prepared():
        pytest.skip("the base root is not there: `make deploy-parts` makes it")
    return Builder().build()


@pytest.fixture
def inside(image: Image, tmp_path: Path) -> Inside:
    """Runs a command in a container of the image, as its user and with its environment."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        binds = {image.warm(): "/var/cache/streamer", CONFIG: "/etc/streamer/streamer.yaml"}
        command = image.container(arguments, tmp_path / "container", environment, binds)
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    return run


def test_the_command_runs_as_a_user_without_rights_from_any_folder(image: Image, inside: Inside) -> None:
    assert inside("id", "-u").stdout.strip() == "10001"
    assert inside(*image.entrypoint, *image.command).returncode == 0
    assert inside("touch", "/opt/streamer/bin/streamer").returncode != 0
    assert inside("touch", *(f"{volume}/file" for volume in image.volumes)).returncode == 0


def test_nothing_that_trains_tests_or_installs_is_in_it(image: Image, inside: Inside) -> None:
    for module in ("torch", "onnx", "pytest", "pip"):
        assert f"No module named '{module}'" in inside("python", "-c", f"import {module}").stderr
    assert image.size_mb() < BIG_MB


def test_the_deployed_configuration_is_good_in_it(inside: Inside) -> None:
    done = inside("streamer", "check-config", "/etc/streamer/streamer.yaml", MONGODB_PASSWORD="secret")
    assert (done.returncode, done.stderr) == (0, "")
    assert "good" in done.stdout


def test_a_night_is_scored_in_it(inside: Inside) -> None:
    done = inside("streamer", "demo", "--alerts", "20", "--out", "/var/lib/streamer/demo")
    assert done.returncode == 0, done.stderr
    count = "import pyarrow.parquet as pq; print(pq.read_table('/var/lib/streamer/demo/scores.parquet').num_rows)"
    assert int(inside("python", "-c", count).stdout) > 0


def test_it_is_healthy_exactly_when_each_of_its_workers_is(image: Image, inside: Inside) -> None:
    port = free_port()
    nobody = inside(*image.healthcheck, STREAMER_HEALTH_PORT=str(port))
    assert (nobody.returncode, nobody.stdout.startswith(f"port {port}: ")) == (1, True)
    clock = [0.0]
    health = Health([], clock=lambda: clock[0])
    server = HealthServer("127.0.0.1", port, CollectorRegistry(), health)
    server.start()
    try:
        assert inside(*image.healthcheck, STREAMER_HEALTH_PORT=str(port)).returncode == 0
        second = inside(*image.healthcheck, STREAMER_HEALTH_PORT=str(port), STREAMER_WORKERS="2")
        assert (second.returncode, f"port {port + 1}: " in second.stdout) == (1, True)
        health.polled()
        clock[0] = 1000.0
        silent = inside(*image.healthcheck, STREAMER_HEALTH_PORT=str(port))
        assert (silent.returncode, "not polled for 1000 s" in silent.stdout) == (1, True)
    finally:
        server.stop()


def test_it_is_stopped_as_the_supervisor_wants_it_and_says_what_it_is(image: Image) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert image.labels["org.opencontainers.image.version"] == project["version"]
    assert image.labels["org.opencontainers.image.licenses"] == project["license"]
    assert (image.stop_signal, image.entrypoint) == ("SIGTERM", ["streamer"])
    assert image.environment["STREAMER_HEALTH_PORT"] in image.ports


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM a AS b\nADD x /x", "line 2: ADD is not known"),
        ("RUN true", "line 1: RUN comes before FROM"),
        ("FROM ${NOBODY} AS b", "names NOBODY"),
        ("FROM a", "must be of the form"),
        ("FROM a AS b\nRUN true \\", "ends with a backslash"),
        ("# nothing", "has no FROM"),
    ],
)
def test_a_dockerfile_that_is_not_understood_is_refused_at_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(UserError, match=said):
        read_stages(tmp_path / "Dockerfile")


def test_lines_that_go_on_are_one_instruction_and_comments_between_them_none(tmp_path: Path) -> None:
    text = """\
        ARG IMAGE=python:3
        FROM ${IMAGE} AS build
        # a comment
        RUN one && \\
            # another
            two
        """
    (tmp_path / "Dockerfile").write_text(dedent(text))
    (stage,) = read_stages(tmp_path / "Dockerfile")
    assert (stage.name, stage.base) == ("build", "python:3")
    assert [(step.line, step.name, step.text) for step in stage.steps] == [(4, "RUN", "one && two")]


def test_a_context_takes_what_is_named_and_nothing_else(tmp_path: Path) -> None:
    ignored = Ignored(DOCKERFILE.with_name("Dockerfile.dockerignore"))
    assert ignored.takes("streamer")
    assert ignored.takes("requirements/runtime.lock")
    assert not ignored.takes("requirements/dev.lock")
    assert not ignored.takes("tests")
    assert ignored.leave_out("streamer", ["__pycache__", "cli"]) == {"__pycache__"}
    (tmp_path / "ignore").write_text("*\n*.pyc\n")
    with pytest.raises(UserError, match=r"\*\.pyc is not of a form"):
        Ignored(tmp_path / "ignore")
