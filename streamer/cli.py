"""The command line: options and help; what a command does is in `streamer.commands`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.errors import UserError

if TYPE_CHECKING:
    from streamer.settings import Settings

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
Schemas = Annotated[
    Path | None,
    typer.Option("--schemas", metavar="DIR", help="Folder of LSST writer schemas, <id>.avsc, beside the known ones."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The last line on stdout is one JSON object.")]


class Survey(StrEnum):
    """Surveys that can be simulated."""

    ztf = "ztf"
    lsst = "lsst"


class StoreName(StrEnum):
    """Object stores of the service."""

    mongodb = "mongodb"
    sqlite = "sqlite"


@app.command()
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

    run_replay(source, out, _settings(config), begin, until, spectra, schemas, as_json)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A packet, or an archive of packets.")],
    schemas: Schemas = None,
    as_json: AsJson = False,
) -> None:
    """Say what a packet is and holds, or why it cannot be read (exit code 1)."""
    from streamer.commands.inspect import run_inspect

    raise typer.Exit(0 if run_inspect(file, schemas, as_json) else 1)


@app.command()
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


@app.command()
def simulate(
    survey: Annotated[Survey, typer.Option("--survey", help="Whose packets to make.")],
    rate: Annotated[float, typer.Option("--rate", metavar="R", help="Packets a second.")],
    duration: Annotated[float, typer.Option("--duration", metavar="S", help="Seconds; R x S packets are made.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DIR|kafka",
            help="Folder for the packets, written unpaced; or `kafka`, the home cluster, paced as the sky would send "
            "them (a folder of that name is ./kafka).",
        ),
    ],
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same night.")] = 0,
    topic: Annotated[
        str | None,
        typer.Option("--topic", metavar="NAME", help="With kafka: the topic; else as the survey names tonight's."),
    ] = None,
    unpaced: Annotated[bool, typer.Option("--unpaced", help="With kafka: as fast as it goes.")] = False,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", metavar="FILE.parquet", help="With kafka: where to write what each object is."),
    ] = None,
    config: Config = None,
) -> None:
    """Make a night of packets: schema-valid, with histories that grow as objects come back.

    The sky's time runs faster than the clock. truth.parquet beside the packets says what each object is.
    """
    from streamer.commands.simulate import KAFKA, Night, check_options, simulate_to_folder

    check_options(to, topic, truth, config, unpaced)
    night = Night(survey.value, rate, duration, seed)
    if to == KAFKA:
        from streamer.commands.simulate_kafka import simulate_to_kafka

        simulate_to_kafka(night, _settings(config), topic, truth, not unpaced)
    else:
        simulate_to_folder(night, Path(to))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")] = Path("demo-output"),
    alerts: Annotated[int, typer.Option("--alerts", min=20, help="Alerts of each survey.")] = 1500,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same night.")] = 1,
) -> None:
    """Run a simulated night of ZTF and LSST alerts through the whole pipeline, and draw its best transients."""
    from streamer.commands.demo import run_demo

    run_demo(out, alerts, seed)


topics = typer.Typer(help="Make our topics on the home Kafka cluster, or show them.", no_args_is_help=True)
app.add_typer(topics, name="topics")


@topics.command("create")
def topics_create_command(config: Config = None, as_json: AsJson = False) -> None:
    """Make the topics that are missing. What is there stays as it is; exit code 1 where it is not as it must be."""
    from streamer.commands.topics import create_topics

    raise typer.Exit(create_topics(_settings(config), as_json))


@topics.command("show")
def topics_show_command(config: Config = None, as_json: AsJson = False) -> None:
    """Show our topics, and those that alerts are read from."""
    from streamer.commands.topics import show_topics

    show_topics(_settings(config), as_json)


bench = typer.Typer(help="Measure this machine: rates, latencies, and what each stage costs.", no_args_is_help=True)
app.add_typer(bench, name="bench")

BenchData = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Real packets, laid out as the shared data; else simulated ones."),
]


@bench.command("decode")
def bench_decode_command(data: BenchData = None, as_json: AsJson = False) -> None:
    """Decode rates beside fastavro's in the same run."""
    from streamer.commands.bench import run_bench_decode

    run_bench_decode(data, as_json)


@bench.command("pipeline")
def bench_pipeline_command(data: BenchData = None, as_json: AsJson = False) -> None:
    """Alerts a second on one core, milliseconds for each stage and kernel, and their ratio."""
    from streamer.commands.bench import run_bench_pipeline

    run_bench_pipeline(data, as_json)


Store = Annotated[StoreName, typer.Option("--store", help="Where the workers keep objects.")]


@bench.command("kafka")
def bench_kafka_command(
    config: Config = None,
    data: BenchData = None,
    alerts: Annotated[int, typer.Option("--alerts", metavar="N", min=10, help="Alerts of each case.")] = 6_000,
    workers: Annotated[
        str, typer.Option("--workers", metavar="N,...", help="Numbers of workers, one case after the other.")
    ] = "1,2",
    store: Store = StoreName.mongodb,
    as_json: AsJson = False,
) -> None:
    """Alerts a second through Kafka and the stores, over an empty store and a filled one.

    Needs Kafka, and MongoDB: those of the configuration, or of `make services`. Names of its own; nothing is left.
    """
    from streamer.commands.bench_service import run_bench_kafka

    run_bench_kafka(_settings(config), data, alerts, workers, store.value, as_json)


@bench.command("latency")
def bench_latency_command(
    config: Config = None,
    data: BenchData = None,
    rate: Annotated[float, typer.Option("--rate", metavar="R", min=1.0, help="Alerts a second.")] = 270.0,
    duration: Annotated[float, typer.Option("--duration", metavar="S", min=1.0, help="For so many seconds.")] = 60.0,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, max=256, help="Workers.")] = 1,
    store: Store = StoreName.mongodb,
    as_json: AsJson = False,
) -> None:
    """Time from an alert's publishing until a subscriber has its score, at a given rate.

    Needs Kafka, and MongoDB: those of the configuration, or of `make services`. Names of its own; nothing is left.
    """
    from streamer.commands.bench_service import run_bench_latency

    run_bench_latency(_settings(config), data, rate, duration, workers, store.value, as_json)


@app.command("check-config")
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


@app.command("run")
def run_command(
    config: Config = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, max=256, help="Workers on this host.")] = 1,
) -> None:
    """Score alerts as they come, until stopped.

    Workers share the configured topics with all others of the deployment, on any number of hosts. Exit codes:
    0 stopped, 2 configuration, 3 another service has this host's place, 4 too many dead letters.
    """
    from streamer.commands.run import run_service

    raise typer.Exit(run_service(_settings(config), workers, config))


@app.command("worker", hidden=True)
def worker_command(
    index: Annotated[int, typer.Option("--index", metavar="N", min=0, help="Which of this host's workers it is.")],
    config: Config = None,
) -> None:
    """Be one worker of `streamer run`, which starts it."""
    from streamer.commands.run import run_worker

    raise typer.Exit(run_worker(_settings(config), index))


@app.command()
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
        watch_status(_settings(config))
    raise typer.Exit(0 if run_status(_settings(config), as_json) else 1)


@app.command()
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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the record's keys.")] = False,
) -> None:
    """Show scores as they are published, until Ctrl-C.

    With --min-score an alert is shown when one of the classes asked for has that score, predicted or not; without
    classes, when the predicted class has it.
    """
    from streamer.commands.tail import run_tail
    from streamer.factory.subscribers import open_scored_alerts

    alerts = open_scored_alerts(
        _settings(config),
        classes=classes or (),
        min_score=min_score,
        survey=survey,
        start_at=start_at,
        limit=limit,
        until_eos=until_eos,
        group=group,
        restricted=restricted,
    )
    run_tail(alerts, as_json)


sink = typer.Typer(help="Fill tables from our topics: always-on, one sink a table.", no_args_is_help=True)
app.add_typer(sink, name="sink")

UntilEos = Annotated[
    bool, typer.Option("--until-eos", help="End where the topics end as this begins, with the files joined.")
]


@sink.command("parquet")
def sink_parquet(config: Config = None, until_eos: UntilEos = False, as_json: AsJson = False) -> None:
    """Write scored alerts to scores.parquet, a folder of Parquet files by night."""
    from streamer.commands.sink import run_sink

    run_sink(_settings(config), "parquet", until_eos, as_json)


@sink.command("lancedb")
def sink_lancedb(config: Config = None, until_eos: UntilEos = False, as_json: AsJson = False) -> None:
    """Write embeddings to embeddings.lance, a LanceDB table."""
    from streamer.commands.sink import run_sink

    run_sink(_settings(config), "lancedb", until_eos, as_json)


@sink.command("mongodb")
def sink_mongodb(config: Config = None, until_eos: UntilEos = False, as_json: AsJson = False) -> None:
    """Write scored alerts to the collection scored_alerts of a MongoDB database."""
    from streamer.commands.sink import run_sink

    run_sink(_settings(config), "mongodb", until_eos, as_json)


def _settings(config: Path | None) -> Settings:
    """The configuration's settings, or the defaults."""
    from streamer.settings import Settings, SettingsError, load_settings

    if config is None:
        return Settings()
    try:
        return load_settings(config)
    except SettingsError as error:
        raise UserError(str(error)) from None


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
