"""`streamer simulate`: packets of a sky that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.options import AsJson, Config, Survey, settings_of
from streamer.errors import UserError

_WHAT, _SKY, _SENT, _TOLD = "What to make", "The sky", "How it is sent", "What is told of it"
"""Titles of the options in the help."""


def simulate(
    survey: Annotated[
        Survey | None, typer.Option("--survey", help="Whose packets to make.", rich_help_panel=_WHAT)
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="R", help="Packets a second.", rich_help_panel=_WHAT)
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option("--duration", metavar="S", help="Seconds; R x S packets are made.", rich_help_panel=_WHAT),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="DIR|NAME.tar.gz|kafka",
            help="Folder for the packets, or a nightly archive of them, written unpaced; or `kafka`, the home cluster, "
            "paced as the sky would send them (a folder of that name is ./kafka).",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="The same seed gives the same night.", rich_help_panel=_WHAT)
    ] = 0,
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="VERSION", help="As 4.01 or 10.0; else the newest.", rich_help_panel=_WHAT),
    ] = None,
    pool: Annotated[
        int | None,
        typer.Option(
            "--pool",
            metavar="N",
            min=1,
            help="For load: make N packets, and send them again and again as other objects'.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    light_curves: Annotated[
        bool,
        typer.Option(
            "--light-curves",
            help="No packets: the light curves of the objects that R x S alerts would be of, as light_curves.parquet; "
            "some hundred objects a second, for training classifiers.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    nights: Annotated[
        int,
        typer.Option("--nights", metavar="N", help="Evenings on which the same fields are seen.", rich_help_panel=_SKY),
    ] = 1,
    mixture: Annotated[
        str,
        typer.Option(
            "--mixture",
            metavar="sky|rich",
            help="As a night limited by depth has it, or the rare classes made common.",
            rich_help_panel=_SKY,
        ),
    ] = "sky",
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="TYPES", help="These alone, as 'SN Ia,TDE'.", rich_help_panel=_SKY),
    ] = None,
    spectra: Annotated[
        float,
        typer.Option(
            "--spectra",
            metavar="FRACTION",
            min=0.0,
            max=1.0,
            help="Share of the objects in a spectrograph's reach that get a spectrum: in spectra.parquet, or on the "
            "topic of spectra.",
            rich_help_panel=_SKY,
        ),
    ] = 0.0,
    report: Annotated[
        bool, typer.Option("--report", help="Draw the night's page of figures into the folder.", rich_help_panel=_TOLD)
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="DIR",
            help="Simulate beside the real packets in DIR and say what tells them apart; --to names a folder for the "
            "figures.",
            rich_help_panel=_TOLD,
        ),
    ] = None,
    topic: Annotated[
        str | None,
        typer.Option(
            "--topic",
            metavar="NAME",
            help="With kafka: the topic; else as the survey names tonight's.",
            rich_help_panel=_SENT,
        ),
    ] = None,
    unpaced: Annotated[
        bool, typer.Option("--unpaced", help="With kafka: as fast as it goes.", rich_help_panel=_SENT)
    ] = False,
    visits: Annotated[
        bool,
        typer.Option(
            "--visits",
            help="With kafka: a visit's alerts at once, a visit every 37 s, as LSST's come.",
            rich_help_panel=_SENT,
        ),
    ] = False,
    burst: Annotated[
        int | None,
        typer.Option(
            "--burst",
            metavar="N",
            min=1,
            help="With --visits: the middle visit has N alerts, as 40000.",
            rich_help_panel=_SENT,
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="FILE.parquet",
            help="With kafka: where to write what each object is.",
            rich_help_panel=_SENT,
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make nights of packets that look like the sky: schema-valid, with histories, stamps and the truth beside them.

    truth.parquet beside the packets says what each object is; `streamer score-truth` scores any broker against it.
    """
    from streamer.commands.simulate import (
        KAFKA,
        Wanted,
        check_alone,
        check_options,
        plan_of,
        simulate_light_curves,
        simulate_to_files,
    )

    if compare is not None:
        from streamer.commands.compare import run_compare

        of_a_night = {
            "--rate": rate, "--duration": duration, "--schema": schema, "--pool": pool, "--nights": nights != 1,
            "--mixture": mixture != "sky", "--only": only, "--spectra": spectra, "--report": report,
            "--light-curves": light_curves, "--topic": topic, "--unpaced": unpaced, "--visits": visits,
            "--burst": burst, "--truth": truth, "--config": config,
        }  # fmt: skip
        check_alone("--compare", "simulates nights of its own", of_a_night)
        run_compare(compare, Path(to) if to else None, seed, survey.value if survey else None, as_json)
        return
    if survey is None or rate is None or duration is None or not to:
        raise UserError("streamer simulate needs --survey, --rate, --duration and --to, or --compare")
    for_kafka = {
        "--topic": topic,
        "--truth": truth,
        "--config": config,
        "--unpaced": unpaced,
        "--visits": visits,
        "--burst": burst,
    }
    check_options(to, for_kafka, {"--report": report, "--light-curves": light_curves})
    plan = plan_of(survey.value, rate, duration, seed, nights, mixture, only, schema)
    wanted = Wanted(plan, pool, spectra, as_json)
    if light_curves:
        of_packets = {"--pool": pool, "--schema": schema, "--spectra": spectra, "--report": report}
        check_alone("--light-curves", "makes no packets", of_packets)
        simulate_light_curves(wanted, Path(to))
    elif to == KAFKA:
        from streamer.commands.simulate_kafka import schedule_of, simulate_to_kafka

        due_s = schedule_of(plan, rate, unpaced, visits, burst)
        simulate_to_kafka(wanted, settings_of(config), topic, truth, due_s)
    else:
        simulate_to_files(wanted, Path(to), report)
