"""The report for people: tables on the terminal, as wide as they need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from classifiers.evaluation.tables import HEADLINES, Cell
from classifiers.metrics import FEWEST
from schemas.taxonomy import CLASSES

WIDTH = 180
"""Columns of a table where no terminal says how wide it is."""

MOST_NAMED = 2
"""Classes of few objects that a line names; of more it tells how many, and `figures.csv` which."""

TITLES: dict[str, str] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro-F1",
    "macro_auprc": "macro-AUPRC",
    "ece": "ECE",
}
"""Headings of `HEADLINES`."""

SETS_OF_CLASSES: dict[str, str] = {"five": "five classes", "seven": "seven classes"}

Row = tuple[Sequence[str], Cell]
"""What a line begins with, and the cell that it tells."""


def new_console() -> Console:
    """A console that does not fold tables where the output is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def print_report(metrics: dict[str, Any], console: Console) -> None:
    """All tables of a report; a cell of fewer than `FEWEST` objects is saved and not printed."""
    bundle = metrics["bundle"]
    console.print(f"[bold]{bundle['name']} {bundle['version']}[/bold], objects: {metrics['objects']}")
    print_figures(metrics, console)


def print_figures(metrics: dict[str, Any], console: Console) -> None:
    """The tables of a report, or of what a card keeps of one."""
    _print_objects(metrics, console)
    cells = [each for each in metrics["cells"] if each["population"] == "labelled"]
    by_number = [each for each in cells if not each["cut"].endswith(" d")]
    by_days = [each for each in cells if each["cut"].endswith(" d")]
    moments = ("modalities in hand", "detections")
    print_cells(console, "By number of detections", moments, _rows(by_number, "modalities", "cut"))
    moments = ("modalities in hand", "days")
    print_cells(console, "By days since first detection", moments, _rows(by_days, "modalities", "cut"))
    _print_gains(console, [each for each in by_number if each["cut"] == "all"])
    whole = [each for each in by_number if each["cut"] == "all" and each["modalities"] in WHOLE]
    for each in whole:
        _print_classes(console, f"{each['modalities']}, all detections", each)
        _print_confusion(console, f"{each['modalities']}, all detections", each)
    _print_sets(console, by_number)
    apart = [each for each in metrics["cells"] if each["population"] != "labelled" and each["cut"] == "all"]
    print_cells(console, "Apart, all detections", ("in hand", "objects"), _rows(apart, "modalities", "population"))
    spectra = [
        ((each["unit"], "with" if each["with_redshift"] else "without", each["population"]), each)
        for each in metrics["spectra"]
    ]
    print_cells(console, "Spectra alone", ("each", "redshift", "spectra of"), spectra)
    alerts = _rows(metrics["alerts"], "modalities", "population")
    print_cells(console, "Alerts at their own time", ("in hand", "alerts of"), alerts)
    print_comparisons(metrics, console)


WHOLE: tuple[str, ...] = ("light_curve", "spectrum", "light_curve+spectrum")
"""Sets of modalities whose classes are printed one by one; the others are saved."""


def print_comparisons(metrics: dict[str, Any], console: Console) -> None:
    """Leaks, baselines, and the tests where the leak cannot help."""
    print_cells(console, "Leaks: what tells the class without a magnitude", ("from",), _named(metrics["leaks"]))
    baselines = [((cut, name), each) for cut, told in metrics["baselines"].items() for name, each in told.items()]
    print_cells(console, "LightGBM of our own, light curves alone", ("detections", "baseline"), baselines)
    gained = [(f"{cut} detections", name, each["gain"]["five"]) for (cut, name), each in baselines]
    print_gain_lines(console, "Gain of this bundle's light curve over it, five classes", gained)
    if told := metrics["one_source"]:
        table = _headed("SN I against SN II within the ANTARES curves, all detections", ("scores of",))
        for name, each in told.items():
            _add(table, (name,), each)
        console.print(table)
    rows, gains = [], []
    for cell in metrics["matched"]:
        kept = "kept" if cell["brightness"] else "removed"
        head = f"{cell['n_detections']} detections, brightness {kept}"
        rows += [((head, name), each) for name, each in cell.items() if isinstance(each, dict) and name != "gain"]
        if cell["gain"]:
            gains.append((head, f"over {cell['gain']['over']}", cell["gain"]["five"]))
    print_cells(console, "Matched curves: cadence, length and noise alike", ("cut", "scores of"), rows)
    print_gain_lines(console, "Gain of this bundle on matched curves, five classes", gains)


def print_cells(console: Console, title: str, heads: Sequence[str], rows: Iterable[Row]) -> None:
    """One table for five classes and one for seven, a line for each cell of `FEWEST` objects or more."""
    rows = list(rows)
    for key, words in SETS_OF_CLASSES.items():
        kept = [(head, cell[key]) for head, cell in rows if cell[key]["n_objects"] >= FEWEST]
        if not kept:
            continue
        table = _headed(f"{title}: {words}", heads)
        for head, cell in kept:
            _add(table, head, cell)
        console.print(table)


def figure(value: list[float] | None, sign: bool = False) -> str:
    """A figure with its interval, `.850 [.821, .882]`; a dash where there is none."""
    if value is None:
        return "-"
    form = "+.3f" if sign else ".3f"
    told, low, high = (f"{each:{form}}".replace("0.", ".", 1) for each in value)
    return f"{told} \\[{low}, {high}]"


def verdict(gain: list[float] | None) -> str:
    """What the interval of a gain shows."""
    if gain is None:
        return f"fewer than {FEWEST} objects"
    return "shown" if gain[1] > 0 else "worse" if gain[2] < 0 else "not shown"


def _headed(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head)
    table.add_column("objects", justify="right")
    for name in HEADLINES:
        table.add_column(TITLES[name], justify="right")
    table.add_column("few")
    return table


def _add(table: Table, head: Sequence[str], cell: Cell) -> None:
    few = ", ".join(f"{name} {cell['classes'][name]['n_objects']}" for name in cell["few"])
    if len(cell["few"]) > MOST_NAMED:
        few = f"{len(cell['few'])} classes"
    table.add_row(*head, str(cell["n_objects"]), *(figure(cell[name]) for name in HEADLINES), few)
    if rest := cell.get("without_few"):
        values = (figure(rest[name]) if name in rest else "" for name in HEADLINES)
        table.add_row(*("" for _ in head), "", *values, "without these", style="dim")


def _rows(cells: Iterable[Cell], *keys: str) -> list[Row]:
    """Cells by their modalities, few before many, otherwise as they come."""
    ordered = sorted(cells, key=lambda each: (each["modalities"].count("+"), each["modalities"]))
    return [(tuple(str(each[key]) for key in keys), each) for each in ordered]


def _named(cells: dict[str, Cell]) -> list[Row]:
    return [((name,), each) for name, each in cells.items()]


def _print_objects(metrics: dict[str, Any], console: Console) -> None:
    for survey, said in metrics["surveys"].items():
        if not said["n_in_folder"]:
            console.print(f"{survey}: nothing" + "".join(f"\n  {note}" for note in said["notes"]))
            continue
        classes = ", ".join(f"{name} {n}" for name, n in said["classes"].items()) or "none has a class"
        console.print(
            f"{survey}: {said['n_objects']:,} of {said['n_in_folder']:,} objects ({said['with_light_curve']:,} with a "
            f"light curve, {said['with_alerts']:,} with alerts, {said['with_spectrum']:,} with spectra); {classes}"
        )
        for note in said["notes"]:
            console.print(f"  {note}")
        if trained := said["n_that_may_have_trained"]:
            console.print(
                f"  [red]{trained:,} of them may have trained the bundle: if it was trained on these data, figures of "
                "theirs are no results. `--objects held-aside` leaves them out.[/red]"
            )
    console.print(
        "[dim]Figures: value \\[5 %, 95 % of resamplings by object]. few: classes of fewer than "
        f"{FEWEST} objects, inside the macro figures but without their own; the line below leaves them out.[/dim]"
    )


def _print_gains(console: Console, cells: Sequence[Cell]) -> None:
    lines = [
        (part, f"to {told['over']}", told)
        for each in cells
        for part, told in each.get("gains", {}).items()
        if told["n_objects"] >= FEWEST
    ]
    title = "What each modality adds, all detections, seven classes, on the objects that have all of them"
    print_gain_lines(console, title, lines)


def print_gain_lines(console: Console, title: str, lines: Sequence[tuple[str, str, Cell]]) -> None:
    """One table of gains, each with what its interval shows; nothing where there is none."""
    if not lines:
        return
    table = Table(title=title, title_justify="left")
    for head in ("", "", "objects", "macro-AUPRC", "", "balanced", ""):
        table.add_column(head, justify="right" if head else "left")
    for one, other, told in lines:
        gains = [told["macro_auprc"], told["balanced_accuracy"]]
        table.add_row(one, other, str(told["n_objects"]), *(t for g in gains for t in (figure(g, True), verdict(g))))
    console.print(table)


def _print_classes(console: Console, title: str, cell: Cell) -> None:
    for key, words in SETS_OF_CLASSES.items():
        if cell[key]["accuracy"] is None:
            continue
        table = Table(title=f"{title}: {words}", title_justify="left")
        for head in ("class", "objects", "precision", "recall", "F1", "AUPRC"):
            table.add_column(head, justify="left" if head == "class" else "right")
        for name, told in cell[key]["classes"].items():
            few = told["n_objects"] < FEWEST
            values = ("" if few else figure(told[each]) for each in ("precision", "recall", "f1", "auprc"))
            table.add_row(name, str(told["n_objects"]), *values)
        console.print(table)


def _print_confusion(console: Console, title: str, cell: Cell) -> None:
    counts = cell["seven"].get("confusion")
    if counts is None:
        return
    table = Table(title=f"{title}: true by row, predicted by column", title_justify="left")
    for head in ("", *CLASSES):
        table.add_column(head, justify="right" if head else "left")
    for name, row in zip(CLASSES, counts, strict=True):
        if any(row):
            table.add_row(name, *(str(n) if n else "" for n in row))
    console.print(table)


def _print_sets(console: Console, cells: Sequence[Cell]) -> None:
    told = [each for each in cells if each["coverage"] is not None]
    if not told:
        return
    table = Table(title="Prediction sets", title_justify="left")
    for head in ("modalities in hand", "detections", "rows", "coverage", "mean size"):
        table.add_column(head, justify="right" if head not in ("modalities in hand", "detections") else "left")
    for (modalities, cut), each in _rows(told, "modalities", "cut"):
        table.add_row(modalities, cut, str(each["n_with_set"]), figure(each["coverage"]), figure(each["set_size"]))
    console.print(table)
