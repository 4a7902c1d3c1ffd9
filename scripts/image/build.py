"""Builds the image as Docker would: step by step, each step's files a layer that is kept until what it was made of
changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.image.dockerfile import Ignored, Instruction, Stage, read_stages
from scripts.image.root import BASE_IMAGE, base_root, command_in, pip_configuration
from scripts.services.programs import cache
from streamer.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"

PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the base image."""

STEP_TIMEOUT_S = 1200
"""Bound on one step [s]; the longest installs the libraries, half a minute from pip's cache."""

CERTIFICATES = Path("/etc/ssl/certs")
"""The machine's own: its package registry may have one that Debian does not know."""


@dataclass
class Done:
    """One step that was followed."""

    stage: str
    text: str
    seconds: float
    is_kept: bool
    """Whether its layer was there."""


@dataclass
class Image:
    """What one stage came to."""

    name: str
    layers: list[Path]
    """Its root, the lowest first; the first is the base."""
    key: str = ""
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    workdir: str = "/"
    user: str = "0:0"
    labels: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"
    healthcheck: list[str] = field(default_factory=list)
    healthcheck_options: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def container(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        binds: Mapping[Path, str] | None = None,
    ) -> list[str]:
        """The command that runs `arguments` as in a container of this image; `folder` takes what it writes."""
        given = self.environment | {"HOME": self.workdir} | dict(environment or {})
        return command_in(
            self.layers, folder, arguments, environment=given, workdir=self.workdir, user=self.user, binds=binds
        )

    def warm(self) -> Path:
        """A kept folder for the cache volume, which belongs to the image's user: loops compiled once stay compiled."""
        folder = cache() / "image" / "volumes" / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, *map(int, self.user.split(":")))
        return folder

    def size_mb(self) -> float:
        """What its own layers hold [MB], the base not counted."""
        out = subprocess.run(["du", "-csxm", *map(str, self.layers[1:])], capture_output=True, text=True, check=True)
        return float(out.stdout.split()[-2])


class Builder:
    """Follows the Dockerfile; what was done stands in `done`."""

    def __init__(self, dockerfile: Path = DOCKERFILE, context: Path = ROOT, folder: Path | None = None) -> None:
        self.stages = read_stages(dockerfile)
        self._ignored = Ignored(dockerfile.with_name(dockerfile.name + ".dockerignore"))
        self._context = context
        self._folder = folder or cache() / "image"
        self._layers = self._folder / "layers"
        self._images: dict[str, Image] = {}
        self.done: list[Done] = []

    def build(self) -> Image:
        """The last stage; UserError where a step fails. Layers that this build does not have are deleted."""
        self._layers.mkdir(parents=True, exist_ok=True)
        with (self._folder / "build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            pip_configuration(self._folder / "pip.conf")
            for stage in self.stages:
                self._images[stage.name] = self._stage(stage)
            used = {layer for image in self._images.values() for layer in image.layers}
            for layer in self._layers.iterdir():
                if layer not in used:
                    shutil.rmtree(layer)
        return self._images[self.stages[-1].name]

    def _stage(self, stage: Stage) -> Image:
        if stage.base != BASE_IMAGE:
            raise UserError(f"stage {stage.name}: the base root stands for {BASE_IMAGE}, not for {stage.base}")
        image = Image(stage.name, [base_root()], stage.base)
        for step in stage.steps:
            began = time.monotonic()
            before = len(image.layers)
            is_kept = getattr(self, f"_{step.name.lower()}")(image, step) or False
            if len(image.layers) > before:
                self.done.append(Done(stage.name, f"{step.name} {step.text}", time.monotonic() - began, is_kept))
        return image

    def _run(self, image: Image, step: Instruction) -> bool:
        binds = {self._folder / "pip.conf": "/etc/pip.conf", CERTIFICATES: str(CERTIFICATES)}
        text = step.text
        while text.startswith("--"):
            option, _, text = text.partition(" ")
            target = option.removeprefix("--mount=type=cache,target=")
            if not target.startswith("/"):
                raise step.refused(f"{option} is not known to this reader")
            kept = self._folder / "mounts" / target.strip("/").replace("/", "-")
            kept.mkdir(parents=True, exist_ok=True)
            binds[kept] = target
        return self._layer(image, step, ["/bin/sh", "-c", text], step.text, binds)

    def _workdir(self, image: Image, step: Instruction) -> bool:
        image.workdir = step.text
        made = ["install", "-d", "-o", image.user.split(":")[0], "-g", image.user.split(":")[1], step.text]
        return self._layer(image, step, ["/bin/sh", "-c", f"[ -d {step.text} ] || {shlex.join(made)}"], step.text, {})

    def _copy(self, image: Image, step: Instruction) -> bool:
        words = step.words()
        origin = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
        if words[0].startswith("--") or len(words) < 2:
            raise step.refused("is understood with --from only, and needs a source and a target")
        *sources, target = words
        if origin is not None:
            return self._copy_stage(image, step, origin, sources, target)
        if unknown := [source for source in sources if not self._ignored.takes(source)]:
            raise step.refused(f"{unknown[0]} is left out by the .dockerignore")
        place = Path(image.workdir, target).relative_to("/")
        into = target.endswith("/")
        if len(sources) > 1 and not into:
            raise step.refused("with several sources needs a target that ends with /")
        staging = self._folder / "copying"
        shutil.rmtree(staging, ignore_errors=True)
        for source in sources:
            self._take(self._context / source, staging / place / Path(source).name if into else staging / place)
        return self._layer(image, step, None, step.text + _digest(staging), {}, staging)

    def _take(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=self._ignored.leave_out)
        else:
            shutil.copy2(source, target)

    def _copy_stage(self, image: Image, step: Instruction, origin: str, sources: list[str], target: str) -> bool:
        if origin not in self._images or len(sources) != 1:
            raise step.refused("with --from takes one path of an earlier stage")
        other = self._images[origin]
        staging = self._folder / "copying"
        shutil.rmtree(staging, ignore_errors=True)
        key = f"{step.text}\n{other.key}"
        if not (self._layers / _key(image.key, step.name, key)).exists():
            (staging / target.lstrip("/")).parent.mkdir(parents=True)
            _empty(self._folder / "making")
            copied = command_in(
                other.layers,
                self._folder / "making",
                ["cp", "-aT", sources[0], f"/mnt/{target.lstrip('/')}"],
                environment={"PATH": PATH},
                binds={staging: "/mnt"},
            )
            self._must(step, copied)
        return self._layer(image, step, None, key, {}, staging)

    def _layer(
        self,
        image: Image,
        step: Instruction,
        command: list[str] | None,
        made_of: str,
        binds: Mapping[Path, str],
        content: Path | None = None,
    ) -> bool:
        """Adds the layer that a command writes, or that `content` is; whether it was there already."""
        image.key = _key(image.key, step.name, made_of + str(sorted(image.environment.items())) * bool(command))
        layer = self._layers / image.key
        is_kept = layer.exists()
        if not is_kept:
            scratch = self._folder / "making"
            _empty(scratch)
            if command is None:
                assert content is not None
                content.rename(scratch)
            else:
                self._execute(image, step, command, scratch, binds)
            scratch.rename(layer)
        image.layers.append(layer)
        return is_kept

    def _execute(
        self, image: Image, step: Instruction, command: list[str], scratch: Path, binds: Mapping[Path, str]
    ) -> None:
        whole = command_in(
            image.layers,
            scratch,
            command,
            environment=image.environment | {"HOME": "/root"},
            workdir=image.workdir if step.name == "RUN" else "/",
            user=image.user if step.name == "RUN" else "0:0",
            binds=binds,
        )
        self._must(step, whole)

    def _must(self, step: Instruction, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=STEP_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise step.refused(f"{step.text[:60]} ends with {done.returncode}: {(done.stdout + done.stderr)[-600:]}")

    def _env(self, image: Image, step: Instruction) -> None:
        image.environment |= step.pairs()

    def _label(self, image: Image, step: Instruction) -> None:
        image.labels |= step.pairs()

    def _user(self, image: Image, step: Instruction) -> None:
        if not all(part.isdigit() for part in step.text.split(":")) or ":" not in step.text:
            raise step.refused("must be two numbers: a cluster that forbids root cannot look a name up")
        image.user = step.text

    def _volume(self, image: Image, step: Instruction) -> None:
        image.volumes += step.listed()

    def _expose(self, image: Image, step: Instruction) -> None:
        image.ports += step.words()

    def _stopsignal(self, image: Image, step: Instruction) -> None:
        image.stop_signal = step.text

    def _entrypoint(self, image: Image, step: Instruction) -> None:
        image.entrypoint = step.listed()

    def _cmd(self, image: Image, step: Instruction) -> None:
        image.command = step.listed()

    def _healthcheck(self, image: Image, step: Instruction) -> None:
        options, found, command = step.text.partition("CMD ")
        if not found:
            raise step.refused("must have CMD")
        image.healthcheck = step.listed(command)
        image.healthcheck_options = dict(word.removeprefix("--").split("=", 1) for word in options.split())


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _digest(folder: Path) -> str:
    """What a folder holds: names, whether they can be run, and contents."""
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            can_run = bool(file.stat().st_mode & 0o111)
            found.update(f"{file.relative_to(folder)}\0{can_run}\0".encode() + file.read_bytes())
    return found.hexdigest()


def _empty(scratch: Path) -> None:
    for folder in (scratch, scratch.with_name("making.work"), scratch.with_name("making.merged")):
        shutil.rmtree(folder, ignore_errors=True)
