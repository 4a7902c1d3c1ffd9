"""Draws simulated stamps by quality flag, for the docs.

    python -m scripts.quality_picture ZTF_NIGHT LSST_NIGHT docs/images/quality_flags.png

Both nights are folders that `streamer simulate` wrote. Of each flag the brightest bogus detections that carry it and
no other are drawn (science, template, difference), real ones where no bogus one carries it; first, alerts without any.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classifiers.data.judged import JudgedAlerts, read_judged_night
from classifiers.quality.features import measure
from schemas.alert import QUALITY_BIT
from schemas.cutout import CutoutTriplet
from schemas.light_curve import Float32Array

FLAGS = ("none", "dipole", "bad_subtraction", "trail", "cosmic_ray", "ghost", "saturated")
"""A row of the picture each."""

EXAMPLES = 2
"""Alerts of each survey in a row."""

SHOWN_PX = 29
"""Side of what is drawn of a stamp [pixels]."""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 3:
        print("usage: python -m scripts.quality_picture ZTF_NIGHT LSST_NIGHT OUT.png", file=sys.stderr)
        return 2
    ztf, lsst, out = map(Path, arguments)
    nights = [read_judged_night(folder, survey) for folder, survey in ((ztf, "ztf"), (lsst, "lsst"))]
    draw(nights).savefig(out, format="png", metadata={"Software": None})
    print(out)
    return 0


def draw(nights: Sequence[JudgedAlerts]) -> Figure:
    """One row a flag, the surveys side by side."""
    columns = 3 * EXAMPLES * len(nights)
    figure = Figure(figsize=(0.85 * columns + 1.3, 0.9 * len(FLAGS) + 0.5), dpi=80)
    grid = figure.subplots(len(FLAGS), columns, squeeze=False)
    figure.subplots_adjust(0.115, 0.005, 0.998, 0.945, 0.04, 0.06)
    for axes in grid.flat:
        axes.set_axis_off()
    for block, night in enumerate(nights):
        first = 3 * EXAMPLES * block
        grid[0, first + 2].set_title(
            f"simulated {night.alerts.survey.upper()}: science, template, difference", fontsize=9, x=1.0
        )
        measures, bits = measure(night.alerts, night.cutouts)
        quality = night.alerts.quality | bits
        for row, name in enumerate(FLAGS):
            wanted = np.uint32(QUALITY_BIT[name] if name != "none" else 0)
            found = np.flatnonzero(quality == wanted)
            order = np.lexsort((-measures[found, 0], night.real[found] if name != "none" else -night.real[found]))
            for k, i in enumerate(found[order][:EXAMPLES].tolist()):
                _draw_triplet(grid[row, first + 3 * k : first + 3 * k + 3], night.cutouts[i])
    for row, name in enumerate(FLAGS):
        box = grid[row, 0].get_position()
        figure.text(0.005, (box.y0 + box.y1) / 2, name, fontsize=9, va="center")
    return figure


def _draw_triplet(panels: Iterable[Axes], triplet: CutoutTriplet) -> None:
    for axes, stamp in zip(panels, (triplet.science, triplet.template, triplet.difference), strict=True):
        if stamp is not None:
            axes.imshow(_shades(stamp), cmap="gray", origin="lower", vmin=-2.0, vmax=4.0, interpolation="nearest")


def _shades(stamp: Float32Array) -> Float32Array:
    """The middle of a stamp, asinh of half its noises above the median."""
    height, width = stamp.shape
    top, left = max(height // 2 - SHOWN_PX // 2, 0), max(width // 2 - SHOWN_PX // 2, 0)
    piece = stamp[top : top + SHOWN_PX, left : left + SHOWN_PX]
    middle = np.nanmedian(piece)
    scatter = 1.4826 * np.nanmedian(np.abs(piece - middle))
    shades: Float32Array = np.arcsinh((piece - middle) / max(float(scatter), 1e-9) / 2.0)
    return shades


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
