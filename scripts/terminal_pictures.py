"""Draws what a command prints as an SVG picture of a terminal, for the docs.

    python -m scripts.terminal_pictures docs/images/status.svg streamer status --config streamer.yaml

The command runs as it would for a person, in colour and WIDTH columns wide; its exit code does not matter.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100
"""Columns of the pictured terminal: the docs' own width."""

WEB_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""Fonts that rich would have a reader's browser fetch; the system's monospace does."""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 2:
        print("usage: python -m scripts.terminal_pictures OUT.svg COMMAND [ARGUMENT]...", file=sys.stderr)
        return 2
    out, command = Path(arguments[0]), arguments[1:]
    out.write_text(draw(command, run(command)), encoding="utf-8")
    print(out)
    return 0


def run(command: Sequence[str]) -> str:
    """What the command prints to a terminal, with its colours as ANSI codes."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def draw(command: Sequence[str], printed: str) -> str:
    """The SVG of a terminal in which `command` printed this; paths are shown by their last part."""
    console = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True)
    console.print(Text("$ " + " ".join(Path(word).name for word in command), style="bold"))
    console.print(Text.from_ansi(printed.rstrip()))
    return WEB_FONTS.sub("", console.export_svg(title=Path(command[0]).name, unique_id=Path(command[0]).name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
