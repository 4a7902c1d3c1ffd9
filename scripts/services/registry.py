"""Apicurio, a schema registry with the paths of Confluent's."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from scripts.services.process import Server, free_port
from scripts.services.programs import JVM, UnavailableError, class_path

POM = Path(__file__).resolve().parent / "registry_jars" / "pom.xml"

JAVA_VERSION = 21
"""The oldest Java that it runs on."""


class RegistryServer(Server):
    """Apicurio with its own environment variables; where it listens is set here."""

    name = "Schema registry"
    ready_line = "started in"

    def __init__(self, folder: Path, environment: Mapping[str, str], port: int | None = None) -> None:
        super().__init__(folder, port)
        self._environment = dict(environment)
        self.health_port = free_port()

    @property
    def url(self) -> str:
        """The base of Confluent's paths."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def command(self) -> list[str]:
        """Java over the unpacked archive; its classes are kept in a form that is loaded faster the next time."""
        folder = unpacked()
        given = self._environment | {
            "QUARKUS_HTTP_HOST": "127.0.0.1",
            "QUARKUS_HTTP_PORT": str(self.port),
            "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
            "QUARKUS_MANAGEMENT_PORT": str(self.health_port),
        }
        return [
            *("env", *(f"{key}={value}" for key, value in given.items())),
            *(newer_java(), *JVM, "-XX:TieredStopAtLevel=1", "-Xmx512m", "-XX:+AutoCreateSharedArchive"),
            *(f"-XX:SharedArchiveFile={folder.parent / 'classes.jsa'}", "-jar", str(folder / "quarkus-run.jar")),
        ]

    def is_healthy(self) -> bool:
        """Whether it says that it is ready: some seconds after its first line, once it has read its topic."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/health/ready", timeout=2.0) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False


def newer_java() -> str:
    """The path of a Java that it runs on, of JAVA_HOME, PATH or /usr/lib/jvm; UnavailableError if there is none."""
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    found = [str(home / "bin" / "java") for home in (*homes, *sorted(Path("/usr/lib/jvm").glob("*")))]
    for path in (*found, shutil.which("java")):
        if path is not None and Path(path).exists() and _version(path) >= JAVA_VERSION:
            return path
    raise UnavailableError(f"the schema registry needs Java {JAVA_VERSION} or newer: name it in JAVA_HOME")


def unpacked() -> Path:
    """The folder of the unpacked archive, fetched and unpacked if this is the first time."""
    folder = Path(class_path(POM).removesuffix("/*"))
    target = folder / "unpacked"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            (archive,) = folder.glob("*.tar.gz")
            part = folder / "part"
            shutil.rmtree(part, ignore_errors=True)
            with tarfile.open(archive) as content:
                content.extractall(part, filter="data")
            part.rename(target)
    return target


def _version(java: str) -> int:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0
