"""What the servers are started from: Java, Maven and the jars it fetches once, Debian's Prometheus."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from streamer.errors import UserError

JAVA_VERSION = 17
"""The oldest Java that Kafka 4 and the MongoDB-protocol server run on."""

JVM = ("-XX:+UseSerialGC",)
"""How each server's Java collects: heaps are small, and its own threads would take the cores of the workers."""

FETCH_TIMEOUT_S = 600
"""Bound on one run of Maven [s]: Kafka is 43 MB, seconds on a good line."""

PACKAGES = {
    "java": "default-jre-headless",
    "mvn": "maven",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "openssl": "openssl",
}
"""Debian's package of each program."""


class UnavailableError(UserError):
    """The machine lacks a program or a library that a server is made of."""


def program(name: str) -> str:
    """The path of the program `name`; UnavailableError if it is not installed."""
    if path := shutil.which(name):
        return path
    raise UnavailableError(f"{name} is not installed: install it (on Debian: apt-get install {PACKAGES[name]})")


def java() -> str:
    """The path of Java; UnavailableError if there is none or it is too old."""
    path = program("java")
    said = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JAVA_VERSION:
        raise UnavailableError(
            f"{path} is not Java {JAVA_VERSION} or newer: install one (on Debian: apt-get install {PACKAGES['java']})"
        )
    return path


def class_path(pom: Path) -> str:
    """Java's class path of the libraries that `pom` names, fetched with Maven if this is the first time.

    Kept in the user's cache, in a folder named by the pom's content; a process that comes while another fetches waits.
    UnavailableError if they cannot be fetched.
    """
    content = pom.read_bytes()
    folder = cache() / "jars" / f"{pom.parent.name}-{hashlib.sha256(content).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(pom.parent.name, content, folder)
    return f"{folder}/*"


def cache() -> Path:
    """The user's cache folder of this project."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "transient-streamer"


def _fetch(name: str, pom: bytes, folder: Path) -> None:
    """Fetches into a folder beside it and renames that: `folder` is complete or absent."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        work = Path(scratch)
        (work / "pom.xml").write_bytes(pom)
        command = [program("mvn"), "-q", "-B", "-Dstyle.color=never", "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={work / 'jars'}"]
        try:
            done = subprocess.run(
                command, cwd=work, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(
                f"Maven did not fetch the jars of {name} within {FETCH_TIMEOUT_S} s: check the network and try again"
            ) from None
        if done.returncode != 0:
            said = [line.removeprefix("[ERROR] ") for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise UnavailableError(
                f"Maven cannot fetch the jars of {name}: {said[0] if said else 'it does not say why'}"
            )
        (work / "jars").rename(folder)
