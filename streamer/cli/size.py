"""`streamer size`: what a deployment needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.options import AsJson, Config, Survey, settings_of
from streamer.cli.service import PANEL

sizing = typer.Typer()


@sizing.command("size", rich_help_panel=PANEL)
def size_command(
    survey: Annotated[Survey, typer.Option("--survey", help="Whose alerts.")],
    alerts_per_night: Annotated[
        str, typer.Option("--alerts-per-night", metavar="N", help="How many come in a night; as 10_000_000 too.")
    ],
    hours_per_night: Annotated[
        float, typer.Option("--hours-per-night", metavar="H", min=0.1, max=24.0, help="In so many hours.")
    ] = 10.0,
    peak: Annotated[
        float,
        typer.Option("--peak", metavar="X", min=1.0, max=1_000.0, help="Rate in the densest fields over the mean."),
    ] = 2.0,
    scored_share: Annotated[
        float, typer.Option("--scored-share", metavar="P", min=0.0, max=1.0, help="Share that the selections let pass.")
    ] = 1.0,
    alerts_per_object: Annotated[
        float,
        typer.Option("--alerts-per-object", metavar="K", min=1.0, max=1e6, help="Alerts of an object while kept."),
    ] = 10.0,
    copy_days: Annotated[
        float,
        typer.Option(
            "--copy-days", metavar="D", min=0.0, max=3_650.0, help="How long the home cluster keeps a copy of the "
            "survey's topics; 0 where the workers read the survey's own.",
        ),
    ] = 7.0,
    replication: Annotated[
        int | None,
        typer.Option("--replication", metavar="R", min=1, max=100, help="Copies of each message; else as configured."),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option("--measured", metavar="FILE", help="What `streamer bench kafka --json` said on your machine."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what a number of alerts a night takes: workers, cores, memory, network, partitions, and disks as they fill.

    How long everything is kept comes from the configuration. Costs are measured ones; the documentation's page on
    sizing says where, and what follows.
    """
    from streamer.commands.size import count_of, question_of, run_size

    question = question_of(
        settings_of(config),
        survey.value,
        count_of(alerts_per_night),
        hours_per_night=hours_per_night,
        peak=peak,
        scored_share=scored_share,
        alerts_per_object=alerts_per_object,
        copy_days=copy_days,
        replication=replication,
    )
    run_size(question, measured, as_json)
