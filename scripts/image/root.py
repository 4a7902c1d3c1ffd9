"""A root folder of Debian to run steps in: mounted, entered and left by one child process each."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.services.programs import UnavailableError, cache
from streamer.errors import UserError

BASE_IMAGE = "python:3.11-slim-bookworm"
"""The image that the base root stands for."""

PACKAGES = "python3.11,python3.11-venv,python3-distutils,ca-certificates"
"""What Debian's smallest system needs besides, to stand for it."""

FETCH_TIMEOUT_S = 1200
"""Bound on the making of the base root [s]: a minute or two on an idle machine."""


def base_root() -> Path:
    """The base root, made if this is the first time; UnavailableError where it cannot be."""
    folder = cache() / "image" / "base-bookworm"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make_base(folder)
    return folder


def is_prepared() -> bool:
    """Whether the base root is there."""
    return (cache() / "image" / "base-bookworm").exists()


def check_able() -> None:
    """UnavailableError where this process cannot make and enter a root."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UnavailableError("the image's steps are run in a root of their own: this needs Linux and the user root")
    for name in ("debootstrap", "unshare", "chroot"):
        if shutil.which(name) is None:
            raise UnavailableError(f"{name} is not installed: `make deploy-parts` installs it")


def _mirror() -> str:
    """Where Debian's packages come from: $DEBIAN_MIRROR, else where this machine's apt takes them."""
    if named := os.environ.get("DEBIAN_MIRROR"):
        return named
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    mirrors = [line for line in said if line.rstrip("/").endswith("/debian")]
    if not mirrors:
        raise UnavailableError("no mirror of Debian is known here: name one in DEBIAN_MIRROR")
    return mirrors[0]


def _make_base(folder: Path) -> None:
    check_able()
    work = folder.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(work), _mirror()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"debootstrap did not end within {FETCH_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise UnavailableError(f"debootstrap cannot make a Debian system; it ends with: {done.stdout[-300:].strip()}")
    for name in ("python", "python3"):  # as in the image
        (work / "usr/local/bin" / name).symlink_to("/usr/bin/python3.11")
    (work / "etc/pip.conf").touch()  # the machine's own is mounted over it
    shutil.rmtree(work / "var/cache/apt/archives", ignore_errors=True)
    (work / "var/cache/apt/archives/partial").mkdir(parents=True)
    work.rename(folder)


def command_in(
    layers: Sequence[Path],
    upper: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    workdir: str = "/",
    user: str = "0:0",
    binds: Mapping[Path, str] | None = None,
) -> list[str]:
    """The command that runs `arguments` where `layers`, the lowest first, are the root; `upper` takes what is written.

    Nothing of this process's environment goes in. `binds` are this machine's files and folders by their place inside.
    """
    work, merged = upper.with_name(upper.name + ".work"), upper.with_name(upper.name + ".merged")
    for folder in (upper, work, merged):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={':'.join(map(str, reversed(layers)))},upperdir={upper},workdir={work}"
    lines = [f"mount -t overlay overlay -o {shlex.quote(options)} {merged}"]
    lines += [f"mount -t proc proc {merged}/proc", f"mount --rbind /dev {merged}/dev"]
    lines += [f"mount -t tmpfs -o mode=1777 tmpfs {merged}/tmp"]
    lines += [f"mount --bind /etc/resolv.conf {merged}/etc/resolv.conf"]
    for source, target in (binds or {}).items():
        place = f"{merged}{target}"
        made = f"mkdir -p {place}" if source.is_dir() else f"{{ mkdir -p {Path(place).parent}; touch {place}; }}"
        lines += [f"[ -e {place} ] || {made}", f"mount --bind {shlex.quote(str(source))} {place}"]
    given = " ".join(shlex.quote(f"{key}={value}") for key, value in environment.items())
    inside = shlex.join(["/bin/sh", "-c", f'cd {shlex.quote(workdir)} && exec "$@"', "sh", *arguments])
    lines += [f"exec chroot --userspec={user} {merged} /usr/bin/env -i {given} {inside}"]
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", "\n".join(lines)]


def pip_configuration(file: Path) -> None:
    """Writes what this machine's pip is told (its files and PIP_ variables), as one file for the pip of the root."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"pip does not say how it is configured: {done.stderr.strip()}")
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        text = value.strip().strip("'")
        if name != "find-links" or Path(text).exists():
            found[name] = text
    file.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in found.items()))
    file.chmod(0o600)
