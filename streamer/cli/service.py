"""Commands of the always-on service: its topics, its workers, its sinks, and what is seen of it."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.cli.options import AsJson, Config, Survey, settings_of
from streamer.errors import UserError

PANEL = "Service"
"""Title of these commands in the help."""

topics = typer.Typer(help="Make our topics on the home Kafka cluster, or show them.", no_args_is_help=True)
service = typer.Typer()
sink = typer.Typer(help="Fill tables from our topics: always-on, one sink a table.", no_args_is_help=True)

UntilEos = Annotated[
    bool, typer.Option("--until-eos", help="End where the topics end as this begins, with the files joined.")
]


@topics.command("create")
def topics_create_command(config: Config = None, as_json: AsJson = False) -> None:
    """Make the topics that are missing. What is there stays as it is; exit code 1 where it is not as it must be."""
    from streamer.commands.topics import create_topics

    raise typer.Exit(create_topics(settings_of(config), as_json))


@topics.command("show")
def topics_show_command(config: Config = None, as_json: AsJson = False) -> None:
    """Show our topics, and those that alerts are read from."""
    from streamer.commands.topics import show_topics

    show_topics(settings_of(config), as_json)


@service.command("run", rich_help_panel=PANEL)
def run_command(
    config: Config = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, max=256, help="Workers on this host.")] = 1,
) -> None:
    """Score alerts as they come, until stopped.

    Workers share the configured topics with all others of the deployment, on any number of hosts. Exit codes:
    0 stopped, 2 configuration, 3 another service has this host's place, 4 too many dead letters.
    """
    from streamer.commands.run import run_service

    raise typer.Exit(run_service(settings_of(config), workers, config))


@service.command("worker", hidden=True)
def worker_command(
    index: Annotated[int, typer.Option("--index", metavar="N", min=0, help="Which of this host's workers it is.")],
    config: Config = None,
) -> None:
    """Be one worker of `streamer run`, which starts it."""
    from streamer.commands.worker import run_worker

    raise typer.Exit(run_worker(settings_of(config), index))


@service.command(rich_help_panel=PANEL)
def status(
    config: Config = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Ask anew every 2 s, until Ctrl-C.")] = False,
) -> None:
    """Say how a running deployment does: workers, rates, latencies, lag, outcomes, errors, models and stores.

    Exit codes: 0 all is well; 1 something is wrong (no worker, a silent one, partitions that wait, too many dead
    letters); 2 the home cluster cannot be asked.
    """
    from streamer.commands.status import run_status, watch_status

    if watch and as_json:
        raise UserError("--watch is for people and --json for programs: give one of them")
    if watch:
        watch_status(settings_of(config))
    raise typer.Exit(0 if run_status(settings_of(config), as_json) else 1)


@service.command(rich_help_panel=PANEL)
def tail(
    classes: Annotated[
        list[str] | None, typer.Option("--class", metavar="CLASS", help="Only this class; may be given several times.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", metavar="P", help="Only from this score of the class on, 0 to 1.")
    ] = None,
    survey: Annotated[Survey | None, typer.Option("--survey", help="Only this survey's alerts.")] = None,
    start_at: Annotated[
        str, typer.Option("--start-at", metavar="WHEN", help="earliest, latest, tonight, or a date or date-time (UTC).")
    ] = "latest",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="End after so many alerts.")] = None,
    until_eos: Annotated[bool, typer.Option("--until-eos", help="End where the stream ends as this begins.")] = False,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Go on where this group stopped; else a fresh look.")
    ] = None,
    restricted: Annotated[bool, typer.Option("--restricted", help="Scores of non-public data too.")] = False,
    config: Config = None,
    details: Annotated[bool, typer.Option("--details", help="Below each score, what it rests on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the record's keys.")] = False,
) -> None:
    """Show scores as they are published, until Ctrl-C.

    With --min-score an alert is shown when one of the classes asked for has that score, predicted or not; without
    classes, when the predicted class has it.
    """
    from streamer.commands.tail import run_tail
    from streamer.factory.subscribers import open_scored_alerts

    alerts = open_scored_alerts(
        settings_of(config),
        classes=classes or (),
        min_score=min_score,
        survey=survey,
        start_at=start_at,
        limit=limit,
        until_eos=until_eos,
        group=group,
        restricted=restricted,
    )
    run_tail(alerts, as_json, details)


@sink.command("parquet")
def sink_parquet(config: Config = None, until_eos: UntilEos = False, as_json: AsJson = False) -> None:
    """Write scored alerts to scores.parquet, a folder of Parquet files by night."""
    from streamer.commands.sink import run_sink

    raise typer.Exit(run_sink(settings_of(config), "parquet", until_eos, as_json))


@sink.command("lancedb")
def sink_lancedb(config: Config = None, until_eos: UntilEos = False, as_json: AsJson = False) -> None:
    """Write embeddings to embeddings.lance, a LanceDB table."""
    from streamer.commands.sink import run_sink

    raise typer.Exit(run_sink(settings_of(config), "lancedb", until_eos, as_json))


@sink.command("mongodb")
def sink_mongodb(config: Config = None, until_eos: UntilEos = False, as_json: AsJson = False) -> None:
    """Write scored alerts to the collection scored_alerts of a MongoDB database."""
    from streamer.commands.sink import run_sink

    raise typer.Exit(run_sink(settings_of(config), "mongodb", until_eos, as_json))
