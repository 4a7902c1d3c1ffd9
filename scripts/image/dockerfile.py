"""A reader of deploy/Dockerfile that takes what stands there and nothing else: what it does not know is an error."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from streamer.errors import UserError

KNOWN = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "USER",
    "VOLUME", "WORKDIR",
}  # fmt: skip
"""The instructions that are understood."""

VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Instruction:
    """One instruction with its continuation lines joined."""

    line: int
    name: str
    text: str

    def words(self) -> list[str]:
        """Its arguments as a shell splits them."""
        return shlex.split(self.text)

    def listed(self, text: str | None = None) -> list[str]:
        """The JSON list that its argument is; UserError where it is none."""
        try:
            found = json.loads(self.text if text is None else text)
        except json.JSONDecodeError:
            found = None
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise self.refused('takes a list here, as ["program", "argument"]')
        return found

    def pairs(self) -> dict[str, str]:
        """Its arguments of the form key=value."""
        words = self.words()
        if not all("=" in word for word in words):
            raise self.refused("takes key=value")
        return dict(word.split("=", 1) for word in words)

    def refused(self, why: str) -> UserError:
        """The error that this instruction cannot be followed."""
        return UserError(f"Dockerfile, line {self.line}: {self.name} {why}")


@dataclass
class Stage:
    """What follows one FROM."""

    name: str
    base: str
    steps: list[Instruction] = field(default_factory=list)


def read_stages(file: Path) -> list[Stage]:
    """The stages in their order; UserError where something is not understood."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for step in _instructions(file.read_text(encoding="utf-8")):
        if step.name not in KNOWN:
            raise step.refused("is not known to this reader")
        if step.name == "ARG":
            if stages:
                raise step.refused("is understood before the first FROM only")
            arguments |= step.pairs()
        elif step.name == "FROM":
            stages.append(_stage(step, arguments))
        elif not stages:
            raise step.refused("comes before FROM")
        else:
            stages[-1].steps.append(step)
    if not stages:
        raise UserError(f"{file} has no FROM")
    return stages


def _stage(step: Instruction, arguments: dict[str, str]) -> Stage:
    words = step.words()
    if len(words) != 3 or words[1].upper() != "AS":
        raise step.refused("must be of the form FROM image AS name")
    missing = [name for name in VARIABLE.findall(words[0]) if name not in arguments]
    if missing:
        raise step.refused(f"names {missing[0]}, which no ARG gives a value")
    return Stage(words[2], VARIABLE.sub(lambda found: arguments[found[1]], words[0]))


def _instructions(text: str) -> list[Instruction]:
    found: list[Instruction] = []
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not parts:
            first = number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            name, _, rest = " ".join(parts).partition(" ")
            found.append(Instruction(first, name.upper(), rest.strip()))
            parts = []
    if parts:
        raise UserError(f"Dockerfile, line {first}: the last line ends with a backslash")
    return found


class Ignored:
    """What the context leaves out: `*`, then `!path` for what is taken, `**/pattern` for what is left out of that."""

    def __init__(self, file: Path) -> None:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if not lines or lines[0] != "*":
            raise UserError(f"{file}: its first line must be *")
        self.taken = {line[1:] for line in lines if line.startswith("!")}
        self._left_out = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
        if unknown := [line for line in lines[1:] if not line.startswith(("!", "**/"))]:
            raise UserError(f"{file}: {unknown[0]} is not of a form that this reader knows")

    def takes(self, source: str) -> bool:
        """Whether a COPY finds this path of the context."""
        return any(source == path or source.startswith(f"{path}/") for path in self.taken)

    def leave_out(self, folder: str, names: list[str]) -> set[str]:
        """For shutil.copytree: the names of a folder that are left out."""
        return {name for name in names if any(fnmatch(name, pattern) for pattern in self._left_out)}
