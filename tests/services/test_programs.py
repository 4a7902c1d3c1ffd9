"""The jars are fetched once, whoever asks; what is missing is said in one line. A script stands in for Maven."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.services.programs import UnavailableError, class_path, java, program

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a cache of its own and `bin`, the first on the path."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "made_jars").mkdir()
    (tmp_path / "made_jars" / "pom.xml").write_text("<project/>")
    return tmp_path


def install(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_two_processes_at_once_fetch_the_jars_once(machine: Path) -> None:
    install(machine, "mvn", f"echo call >> {machine}/calls; sleep 0.5; mkdir jars; echo whole > jars/a.jar")
    code = (
        "import pathlib, sys\n"
        "from scripts.services.programs import class_path\n"
        "print(pathlib.Path(class_path(pathlib.Path(sys.argv[1]))).parent.joinpath('a.jar').read_text())\n"
    )
    command = [sys.executable, "-c", code, str(machine / "made_jars" / "pom.xml")]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["whole", "whole"]
    assert (machine / "calls").read_text() == "call\n"


def test_a_changed_list_of_jars_is_fetched_anew(machine: Path) -> None:
    install(machine, "mvn", "mkdir jars")
    pom = machine / "made_jars" / "pom.xml"
    before = class_path(pom)
    pom.write_text("<project><!-- newer --></project>")
    assert class_path(pom) != before


def test_a_failed_fetch_says_what_maven_said_and_is_tried_again(machine: Path) -> None:
    install(machine, "mvn", "mkdir jars; echo '[ERROR] no route to the repository'; echo '[ERROR] help'; exit 1")
    pom = machine / "made_jars" / "pom.xml"
    with pytest.raises(UnavailableError, match=r"^Maven cannot fetch the jars of made_jars: no route to the repos.*$"):
        class_path(pom)
    install(machine, "mvn", "mkdir jars")
    assert Path(class_path(pom)).parent.is_dir()


@pytest.mark.parametrize(("name", "package"), [("mvn", "maven"), ("promtool", "prometheus")])
def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match=rf"^{name} is not installed: install it .*apt-get install {package}\)$"):
        program(name)


def test_an_old_java_is_not_taken(machine: Path) -> None:
    install(machine, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(UnavailableError, match="is not Java 17 or newer"):
        java()
