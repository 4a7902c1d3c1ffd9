"""Draws the spectra of a simulated night by type, for the docs.

    python -m scripts.spectra_picture NIGHT docs/images/spectra.png

NIGHT is a folder that `streamer simulate --spectra` wrote. Of each type the SHOWN spectra with the most signal to noise
are drawn, in the rest frame of what has a redshift.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from matplotlib.figure import Figure

SHOWN = 2
"""Spectra of each type."""

COLUMNS = 4
"""Panels beside each other."""

INKS = ("#0072b2", "#d55e00")
"""One for each spectrum of a panel; told apart by those who see few colours (Okabe & Ito 2008)."""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m scripts.spectra_picture NIGHT OUT.png", file=sys.stderr)
        return 2
    night, out = map(Path, arguments)
    draw(best_by_type(night)).savefig(out, format="png", metadata={"Software": None})
    print(out)
    return 0


def best_by_type(night: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of spectra.parquet with the most signal to noise, by the type that the truth gives their object."""
    types = {row["object_id"]: row["type"] for row in pq.read_table(night / "truth.parquet").to_pylist()}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in pq.read_table(night / "spectra.parquet").to_pylist():
        found[types[row["object_id"]]].append(row)
    return {name: sorted(rows, key=_signal, reverse=True)[:SHOWN] for name, rows in sorted(found.items())}


def draw(found: dict[str, list[dict[str, Any]]]) -> Figure:
    """One panel for each type: flux over its median, the second one below, redshifts in their colours."""
    lines = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(12.0, 2.1 * lines), dpi=80, layout="constrained")
    panels = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_visible(False)
    for panel, (name, rows) in zip(panels, found.items(), strict=False):
        panel.set_visible(True)
        panel.set_title(name, fontsize=10, loc="left")
        panel.set_yticks([])
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        for place, (row, ink) in enumerate(zip(rows, INKS, strict=False)):
            redshift = row["redshift"] or 0.0
            flux = np.array(row["flux"])
            wavelength_aa = np.array(row["wavelength_aa"]) / (1.0 + redshift)
            panel.plot(wavelength_aa, flux / np.median(flux) - 1.5 * place, color=ink, linewidth=0.9)
            if redshift:
                where = (1.0 - 0.27 * (len(rows) - 1 - place), 1.03)
                panel.text(*where, f"z = {redshift:.2f}", color=ink, fontsize=8, ha="right", transform=panel.transAxes)
    figure.supxlabel("wavelength at rest [angstrom]", fontsize=9)
    figure.supylabel("flux over its median, shifted", fontsize=9)
    return figure


def _signal(row: dict[str, Any]) -> float:
    """Median signal to noise of a bin."""
    return float(np.median(np.array(row["flux"]) / np.sqrt(np.array(row["flux_var"]))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
