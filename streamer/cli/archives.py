"""Commands over alerts in files, real or simulated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.options import AsJson, Config, Schemas, settings_of
from streamer.cli.simulate import simulate

PANEL = "Archives"
"""Title of these commands in the help."""

archives = typer.Typer()


@archives.command(rich_help_panel=PANEL)
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")] = Path("demo-output"),
    alerts: Annotated[int, typer.Option("--alerts", min=20, help="Alerts of each survey.")] = 1500,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same night.")] = 1,
) -> None:
    """Run a simulated night of ZTF and LSST alerts through the whole pipeline, and draw its best transients."""
    from streamer.commands.demo import run_demo

    run_demo(out, alerts, seed)


@archives.command(rich_help_panel=PANEL)
def replay(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Archives (tar.gz), packets (.avro, .bin), folders, or topics: kafka://TOPIC, kafka://CLUSTER/TOPIC.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results; continued if it exists.")],
    begin: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="Of topics: from this date or date-time (UTC) on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Of topics: what came before this time (UTC).")
    ] = None,
    spectra: Annotated[
        Path | None,
        typer.Option("--spectra", metavar="FILE.parquet", help="Spectra, each used from its own time on."),
    ] = None,
    schemas: Schemas = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline over archives, or over what a topic holds.

    Writes scores.parquet, embeddings.lance, dead_letters/ and a state of its own to DIR. Packets that cannot be read
    become dead letters and never stop a replay. A topic is read to its present end; the live service is not touched.
    """
    from streamer.commands.replay import run_replay

    run_replay(source, out, settings_of(config), begin, until, spectra, schemas, as_json)


@archives.command(rich_help_panel=PANEL)
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A packet, or an archive of packets.")],
    schemas: Schemas = None,
    as_json: AsJson = False,
) -> None:
    """Say what a packet is and holds, or why it cannot be read (exit code 1)."""
    from streamer.commands.inspect import run_inspect

    raise typer.Exit(0 if run_inspect(file, schemas, as_json) else 1)


@archives.command(rich_help_panel=PANEL)
def show(
    name: Annotated[
        str, typer.Argument(metavar="[SURVEY:]ID", help="An alert id or an object id; SURVEY is ztf or lsst.")
    ],
    folder: Annotated[Path, typer.Option("--in", metavar="DIR", help="A folder of results, as replay makes it.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PNG", help="Where the picture goes; else ID.png in this folder.")
    ] = None,
) -> None:
    """Draw an alert, or the last alert of an object: light curve, cutouts, scores."""
    from streamer.commands.show import run_show

    run_show(name, folder, out)


archives.command(rich_help_panel=PANEL)(simulate)


@archives.command("check-config", rich_help_panel=PANEL)
def check_config_command(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The configuration to check.")] = None,
    print_default: Annotated[
        bool, typer.Option("--print-default", help="Print a commented configuration with every default.")
    ] = False,
) -> None:
    """Check a configuration: name the wrong key, its place and what was expected."""
    from streamer.commands.check_config import check_config

    text, code = check_config(file, print_default=print_default)
    print(text, file=sys.stderr if code else sys.stdout)
    raise typer.Exit(code)
