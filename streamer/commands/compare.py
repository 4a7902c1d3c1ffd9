"""`streamer simulate --compare`: what tells simulated packets from real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamer.compare.comparison import Comparison, Figure, compare
from streamer.compare.telling import FOLDS, LEAST, Tell
from streamer.errors import UserError
from streamer.simulate.files import writing_to

RESULT_FILE = "comparison.json"


def run_compare(data: Path, out: Path | None, seed: int, survey: str | None, as_json: bool) -> None:
    """Compares nights of this seed with the real packets in `data`; writes figures and numbers to `out` if given.

    UserError where `data` holds no packets, or `out` cannot be written.
    """
    if not data.is_dir():
        raise UserError(f"{data} is no folder; name one that holds ztf_alerts/, lsst_alerts/ or light_curves.parquet")
    console = Console(stderr=True)
    with console.status("reading real packets") as status:
        found = compare(data, survey, seed, status.update)
        if not found.figures:
            raise UserError(
                f"{data} holds nothing to compare with: expected ztf_alerts/*.tar.gz, lsst_alerts/index.csv with its "
                "packets, or light_curves.parquet"
            )
        if out is not None:
            status.update("drawing")
            _write(found, out)
    if as_json:
        print(json.dumps(as_dict(found)))
    else:
        print_comparison(Console(), found)
        if out is not None:
            console.print(f"figures and {RESULT_FILE} in {out}", soft_wrap=True)


def _write(found: Comparison, out: Path) -> None:
    from streamer.compare.figures import draw_comparison

    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / RESULT_FILE).write_text(json.dumps(as_dict(found), indent=1) + "\n", encoding="utf-8")
        draw_comparison(found, out)


def as_dict(found: Comparison) -> dict[str, Any]:
    """The figures for machines; what is not known is null."""
    return {
        "seed": found.seed,
        "figures": [_figure(figure) for figure in found.figures],
        "left_out": found.left_out,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    told, halves = figure.told, figure.halves
    return {
        "packets": figure.row,
        "group": figure.group,
        "n_real": figure.n_real,
        "n_simulated": figure.n_simulated,
        "groups_real": told.groups_real if told else None,
        "groups_simulated": told.groups_simulated if told else None,
        "auc": _rounded(told.auc) if told else None,
        "auc_95": [_rounded(told.low), _rounded(told.high)] if told else None,
        "auc_real_halves": dict(zip(("mean", "least", "largest"), map(_rounded, halves), strict=True))
        if halves
        else None,
        "by_class": {
            kind: {"auc": _rounded(auc), "n_real": n_real, "n_simulated": n_simulated}
            for kind, (auc, n_real, n_simulated) in figure.by_kind.items()
        },
        "tells": [_tell(tell) for tell in told.tells] if told else [],
        "alone": [_tell(tell) for tell in told.alone] if told else [],
    }


def _tell(tell: Tell) -> dict[str, Any]:
    names = ("gain_share", "auc_alone", "real_median", "simulated_median", "real_missing", "simulated_missing")
    return {"name": tell.name, **{name: _rounded(getattr(tell, name)) for name in names}}


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if value == value else None


def print_comparison(console: Console, found: Comparison) -> None:
    """Says what was found, for people."""
    table = Table(title="Simulated told from real: AUC (0.5: not told apart)", title_justify="left")
    for name in ("packets", "features", "real", "simulated", "AUC (95 %)", "real halves (range)"):
        table.add_column(name, justify="right" if name in ("real", "simulated") else "left")
    before = ""
    for figure in found.figures:
        if before and before.split(",")[0] != figure.row.split(",")[0]:
            table.add_section()
        told, halves = figure.told, figure.halves
        table.add_row(
            figure.row if figure.row != before else "",
            figure.group,
            f"{figure.n_real:,}",
            f"{figure.n_simulated:,}",
            f"{told.auc:.3f} ({told.low:.3f}-{told.high:.3f})" if told else "too few",
            f"{halves[0]:.2f} ({halves[1]:.2f}-{halves[2]:.2f})" if halves else "too few",
        )
        before = figure.row
    console.print(table)
    if any(figure.told is None or figure.halves is None for figure in found.figures):
        console.print(f"too few: fewer than {LEAST} packets, or {FOLDS} groups of them, on a side", highlight=False)
    _print_tells(console, found)
    for reason, count in found.left_out.items():
        console.print(f"left out: {count:,} ({reason})", highlight=False, soft_wrap=True)


def _print_tells(console: Console, found: Comparison) -> None:
    for figure in found.figures:
        if figure.told is None:
            continue
        table = Table(
            title=f"{figure.row}, {figure.group}: what gives it away (share of gain, AUC of it alone, medians)",
            title_justify="left",
        )
        table.add_column("feature", overflow="fold")
        for name in ("gain", "AUC alone", "real", "simulated"):
            table.add_column(name, justify="right")
        for tell in figure.told.tells:
            table.add_row(
                escape(tell.name),
                f"{tell.gain_share:.2f}",
                f"{tell.auc_alone:.2f}",
                _median(tell.real_median, tell.real_missing),
                _median(tell.simulated_median, tell.simulated_missing),
            )
        console.print(table)
        if figure.by_kind:
            kinds = (f"{kind} {auc:.2f} (n={n})" for kind, (auc, n, _) in figure.by_kind.items())
            console.print(f"AUC within a class: {', '.join(kinds)}", highlight=False)


def _median(value: float, missing: float) -> str:
    text = f"{value:.4g}" if value == value else "-"
    return f"{text} ({missing:.0%} without)" if missing >= 0.005 else text
