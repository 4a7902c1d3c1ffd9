"""The command line: options and help; what a command does is in `streamer.commands`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer.errors import UserError

app = typer.Typer(
    name="streamer",
    help="Turns ZTF and Rubin/LSST alerts into science-ready scores.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration; without it the defaults hold."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The last line on stdout is one JSON object.")]


class Survey(StrEnum):
    """Surveys that can be simulated."""

    ztf = "ztf"
    lsst = "lsst"


@app.command()
def replay(
    source: Annotated[
        list[Path], typer.Argument(metavar="SOURCE...", help="Archives (tar.gz), packets (.avro, .bin), or folders.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results; continued if it exists.")],
    spectra: Annotated[
        Path | None,
        typer.Option("--spectra", metavar="FILE.parquet", help="Spectra, each used from its own time on."),
    ] = None,
    schemas: Annotated[
        Path | None,
        typer.Option(
            "--schemas", metavar="DIR", help="Folder of LSST writer schemas, <id>.avsc, beside the known ones."
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline over archives.

    Writes scores.parquet, embeddings.lance, dead_letters/ and a state of its own to DIR. Packets that cannot be read
    become dead letters and never stop a replay.
    """
    from streamer.commands.replay import run_replay
    from streamer.settings import load_settings

    run_replay(source, out, load_settings(config), spectra, schemas, as_json)


@app.command("check-config")
def check_config_command(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The configuration to check.")] = None,
    print_default: Annotated[
        bool, typer.Option("--print-default", help="Print a commented configuration with every default.")
    ] = False,
) -> None:
    """Check a configuration: name the wrong key, its place and what was expected."""
    from streamer.check_config import check_config

    text, code = check_config(file, print_default=print_default)
    print(text, file=sys.stderr if code else sys.stdout)
    raise typer.Exit(code)


def main() -> None:
    """Runs the command line; what the caller can mend is one line on stderr and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"streamer: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("streamer: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
