"""The command line: options and help; what a command does is in `streamer.commands`."""

from __future__ import annotations

import os
import sys

import typer

from streamer.cli import archives, bench, service, size, truth
from streamer.errors import UserError

__all__ = ["app", "main"]

app = typer.Typer(
    name="streamer",
    help="Turns ZTF and Rubin/LSST alerts into science-ready scores.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(archives.archives)
app.add_typer(truth.truth)
app.add_typer(service.topics, name="topics", rich_help_panel=service.PANEL)
app.add_typer(service.service)
app.add_typer(size.sizing)
app.add_typer(service.sink, name="sink", rich_help_panel=service.PANEL)
app.add_typer(bench.bench, name="bench", rich_help_panel=bench.PANEL)


def main() -> None:
    """Runs the command line; what the caller can mend is one line on stderr and exit code 2."""
    # The simulator's matrices are small: BLAS threads that wait for one another cost eight times what they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except UserError as error:
        print(f"streamer: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("streamer: stopped", file=sys.stderr)
        sys.exit(130)
