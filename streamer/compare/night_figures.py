"""The figures of a simulated night: what it is made of, where and how deep, and what its alerts look like."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from schemas.cutout import STAMPS
from schemas.light_curve import BANDS
from schemas.taxonomy import CLASSES
from streamer.compare.figures import SHOWN, Read
from streamer.compare.night import EXAMPLES, SimulatedNight
from streamer.pictures.panels import (
    ACCENT,
    BAND_STYLES,
    FAINT,
    INK,
    MUTED,
    empty,
    light_curve,
    new_figure,
    stamp,
    style,
)

_PARTS: dict[str, str] = {
    "transients and AGN": ACCENT,
    "other variables": "#009e73",
    "asteroids": "#b8860b",
    "bogus": "#a6478a",
}
"""What a night's alerts are told apart by in histograms, and their colours."""

_TRIPLETS = 3
"""Shown of each type."""

_MOST_POINTS = 6_000
"""Drawn in a scatter plot."""


def parts_of(night: SimulatedNight) -> dict[str, npt.NDArray[np.bool_]]:
    """Which alerts belong to each of the parts, (n,) each."""
    label, kind = night.label, night.sample.keys.kind
    return {
        "transients and AGN": np.isin(label, [name for name in CLASSES if name != "other"]),
        "other variables": label == "other",
        "asteroids": (label == "") & (kind == "asteroid"),
        "bogus": (label == "") & (kind != "asteroid"),
    }


def draw_mixture(night: SimulatedNight) -> Figure:
    """How many packets and objects there are of each type."""
    names = [name for name, _ in night.alerts.most_common()]
    figure = new_figure(9.0, 0.9 + 0.24 * len(names))
    axes = figure.add_subplot()
    style(axes)
    places = np.arange(len(names))
    axes.barh(places - 0.2, [night.alerts[name] for name in names], height=0.38, color=ACCENT, label="packets")
    axes.barh(places + 0.2, [night.objects[name] for name in names], height=0.38, color=FAINT, label="objects")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(left=0.7)
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    axes.set_xlabel("number", fontsize=9, color=INK)
    figure.subplots_adjust(left=0.2, right=0.97, top=0.97, bottom=0.5 / figure.get_figheight())
    return figure


def draw_distributions(night: SimulatedNight) -> Figure:
    """Histograms of what the packets say, by part."""
    figure = new_figure(11.0, 7.6)
    grid = figure.subplots(3, 4)
    figure.subplots_adjust(left=0.045, right=0.985, top=0.93, bottom=0.07, hspace=0.42, wspace=0.22)
    parts = parts_of(night)
    for axes, (name, read) in zip(grid.flat, SHOWN[night.survey], strict=True):
        _stacked(axes, name, read, night, parts)
    handles = [Patch(color=colour) for colour in _PARTS.values()]
    figure.legend(handles, list(_PARTS), loc="upper right", ncols=len(_PARTS), frameon=False, fontsize=9)
    return figure


def _stacked(axes: Axes, name: str, read: Read, night: SimulatedNight, parts: dict[str, npt.NDArray[np.bool_]]) -> None:
    style(axes, size=7.5)
    values = read(night.sample)
    there = np.isfinite(values)
    if there.any():
        low, high = np.percentile(values[there], [0.5, 99.5])
        edges = np.linspace(low, high if high > low else low + 1.0, 31)
        shown = [np.clip(values[there & part], low, high) for part in parts.values()]
        axes.hist(shown, list(edges), stacked=True, color=list(_PARTS.values()))
    else:
        empty(axes, "no packet says")
    axes.set_xlabel(name, fontsize=8.5, color=INK, labelpad=2)


def draw_redshifts(night: SimulatedNight) -> Figure:
    """Redshifts of the objects of each class, from the truth."""
    figure = new_figure(9.0, 2.9)
    axes = figure.add_subplot()
    style(axes)
    if night.redshift:
        every = np.concatenate(list(night.redshift.values()))
        edges = list(np.geomspace(max(every.min(), 1e-3), max(every.max(), 2e-3), 31))
        for index, (name, values) in enumerate(night.redshift.items()):
            colour = list(BAND_STYLES.values())[index % len(BAND_STYLES)].colour
            axes.hist(values, edges, histtype="step", linewidth=1.4, color=colour, label=f"{name} ({len(values):,})")
        axes.set_xscale("log")
        axes.legend(frameon=False, fontsize=8.5, loc="upper left")
        axes.set_xlabel("redshift", fontsize=9, color=INK)
        axes.set_ylabel("objects", fontsize=9, color=INK)
    else:
        empty(axes, "no object has a redshift")
    figure.subplots_adjust(left=0.08, right=0.98, top=0.96, bottom=0.18)
    return figure


def draw_sky(night: SimulatedNight) -> Figure:
    """Where the alerts lie, and how deep the exposures went over time."""
    figure = new_figure(11.0, 3.9)
    grid = figure.add_gridspec(
        1, 2, width_ratios=(1.25, 1.0), left=0.03, right=0.985, top=0.93, bottom=0.14, wspace=0.14
    )
    sky = figure.add_subplot(grid[0], projection="mollweide")
    sky.grid(color=FAINT, linewidth=0.6)
    sky.tick_params(labelsize=7, colors=MUTED)
    some = np.arange(len(night.ra_deg)) % max(len(night.ra_deg) // _MOST_POINTS, 1) == 0
    east = -((night.ra_deg[some] + 180.0) % 360.0 - 180.0)  # east to the left, as one sees it
    sky.plot(np.radians(east), np.radians(night.dec_deg[some]), ".", color=ACCENT, markersize=2.5)
    sky.set_xticks(np.radians(np.arange(-120, 121, 60)), [f"{-x % 360}" for x in range(-120, 121, 60)])
    depth = figure.add_subplot(grid[1])
    style(depth, size=7.5)
    start = float(np.floor(night.limits.mjd_tai.min()))
    for index, band in enumerate(BANDS):
        rows = np.flatnonzero((night.limits.band == index) & np.isfinite(night.limits.mag))
        if len(rows):
            rows = rows[:: max(len(rows) // _MOST_POINTS, 1)]
            colour, marker = BAND_STYLES[band]
            days = night.limits.mjd_tai[rows] - start
            depth.plot(days, night.limits.mag[rows], marker, color=colour, markersize=2.2, alpha=0.5, label=band)
    depth.invert_yaxis()
    depth.set_xlabel(f"days from MJD {start:.0f}", fontsize=8.5, color=INK)
    depth.set_ylabel("5-sigma limit [mag]", fontsize=8.5, color=INK)
    depth.legend(frameon=False, fontsize=8, ncols=6, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)
    return figure


def draw_light_curves(night: SimulatedNight) -> Figure:
    """The light curves of the packets of most detections, by type."""
    rows = len(night.examples)
    figure = new_figure(11.0, 1.25 * rows + 0.3)
    grid = figure.subplots(rows, EXAMPLES, squeeze=False)
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=0.13, right=0.99, top=1.0 - 0.1 / height, bottom=0.35 / height, wspace=0.25, hspace=0.45
    )
    for line, (name, subjects) in zip(grid, night.examples.items(), strict=True):
        _named(line[0], name)
        for axes, subject in zip(line, [*subjects, *[None] * EXAMPLES][:EXAMPLES], strict=True):
            if subject is None:
                axes.set_axis_off()
            else:
                light_curve(axes, subject, small=True)
                axes.set_xlabel("")
    figure.text(0.56, 0.08 / height, "days since the first detection", fontsize=8.5, color=INK, ha="center")
    return figure


def draw_cutouts(night: SimulatedNight) -> Figure:
    """Science, template and difference stamps of some alerts of each type."""
    rows = len(night.examples)
    figure = new_figure(11.0, 0.95 * rows + 0.4)
    grid = figure.subplots(rows, len(STAMPS) * _TRIPLETS, squeeze=False)
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=0.13, right=0.995, top=1.0 - 0.3 / height, bottom=0.05 / height, wspace=0.05, hspace=0.06
    )
    for line, (name, subjects) in zip(grid, night.examples.items(), strict=True):
        _named(line[0], name)
        for place, axes in enumerate(line):
            i, which = divmod(place, len(STAMPS))
            if i < len(subjects) and subjects[i].cutouts is not None:
                image = getattr(subjects[i].cutouts, STAMPS[which])
                stamp(axes, image, STAMPS[which], night.survey, small=True)
            else:
                axes.set_axis_off()
    for axes, name in zip(grid[0], STAMPS * _TRIPLETS, strict=True):
        axes.set_title(name, fontsize=8.5, color=INK, pad=3)
    return figure


def _named(axes: Axes, name: str) -> None:
    axes.text(
        -0.38,
        0.5,
        name.replace(" ", "\n", 1),
        transform=axes.transAxes,
        fontsize=8.5,
        color=INK,
        ha="right",
        va="center",
    )
