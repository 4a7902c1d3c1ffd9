"""Pictures of a comparison, simulated beside real: distributions, light curves by class, stamps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classifiers.features.light_curve import MAG_PER_RELATIVE_ERROR
from schemas.cutout import STAMPS
from schemas.light_curve import BANDS, FloatArray
from streamer.compare.comparison import Comparison
from streamer.compare.curves import SPAN_DAYS, Curve, CurveSets
from streamer.compare.histories import magnitudes
from streamer.compare.matching import Matched
from streamer.compare.sample import HISTORY, METADATA, Sample
from streamer.compare.stamps import RING_EDGES_PX, ring_profile
from streamer.compare.telling import LEAST
from streamer.pictures.panels import ACCENT, BAND_STYLES, INK, MUTED, empty, new_figure, stamp, style

REAL_COLOUR = "#b5400a"
SIMULATED_COLOUR = ACCENT

_TRIPLETS = 2
"""Shown of each kind and side."""

_PHASE_BINS_D = np.arange(-22.0, SPAN_DAYS, 4.0)
"""About the brightest detection [d]."""

_LEAST_IN_BIN = 5
"""Objects of which a median is drawn at least."""

_MOST_COLOUR = 3.0
"""Pairs of a positive and a negative flux have levels further apart than this [mag]."""

Read = Callable[[Sample], FloatArray]


def draw_comparison(found: Comparison, out: Path) -> None:
    """Writes the PNG files of a comparison into the folder `out`; OSError where they cannot be written."""
    for row, matched in found.matched.items():
        name = row.lower().replace(" ", "_").replace("-", "_")
        _save(draw_distributions(row, matched), out / f"{name}_distributions.png")
        _save(draw_profiles(row, matched), out / f"{name}_profiles.png")
        _save(draw_triplets(row, matched), out / f"{name}_cutouts.png")
    if found.curves:
        _save(draw_curves(found.curves), out / "ztf_light_curves.png")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", metadata={"Software": None})


def _of(group: str, name: str) -> Read:
    return lambda sample: sample.groups[group].column(name)


def _real_only(group: str, name: str) -> Read:
    """A number without the survey's sentinels."""

    def read(sample: Sample) -> FloatArray:
        column = sample.groups[group].column(name)
        return np.where(column > -90.0, column, np.nan)

    return read


def _host_distance(sample: Sample) -> FloatArray:
    """Of the nearest catalogued source where that is a galaxy [arcsec]."""
    metadata = sample.groups[METADATA]
    galaxy = (metadata.column("sgscore1") < 0.5) & (metadata.column("sgscore1") >= 0.0)
    return np.where(galaxy, metadata.column("distpsnr1"), np.nan)


def _log(read: Read) -> Read:
    def logarithm(sample: Sample) -> FloatArray:
        column = read(sample)
        found: FloatArray = np.log10(np.where(column > 0.0, column, np.nan))
        return found

    return logarithm


def _lsst_error(sample: Sample) -> FloatArray:
    metadata = sample.groups[METADATA]
    relative = metadata.column("diaSource.psfFluxErr") / np.abs(metadata.column("diaSource.psfFlux"))
    error: FloatArray = MAG_PER_RELATIVE_ERROR * relative
    return error


def _colour(sample: Sample) -> FloatArray:
    """Of the last pair of detections of equal sign [mag]."""
    colour = -sample.groups[HISTORY].column("g_minus_r_last")
    return np.where(np.abs(colour) < _MOST_COLOUR, colour, np.nan)


_COMMON: list[tuple[str, Read]] = [
    ("magnitude", lambda sample: sample.keys.mag),
    ("detections in the packet, log10", _log(_of(HISTORY, "detections"))),
    ("gap between nights of detection [d]", _of(HISTORY, "gap between nights [d]")),
    ("gap within a night [d]", _of(HISTORY, "exposures gap within a night [d]")),
    ("colour g - r, last pair [mag]", _colour),
]

SHOWN: dict[str, list[tuple[str, Read]]] = {
    "ztf": [
        *_COMMON,
        ("error [mag]", _of(METADATA, "sigmapsf")),
        ("limiting magnitude", _real_only(METADATA, "diffmaglim")),
        ("drb", _of(METADATA, "drb")),
        ("distance to the nearest galaxy [arcsec]", _host_distance),
        ("distance to the reference source [arcsec]", _real_only(METADATA, "distnr")),
        ("ndethist, log10", _log(_of(METADATA, "ndethist"))),
        ("fwhm [pixel]", _real_only(METADATA, "fwhm")),
    ],
    "lsst": [
        *_COMMON,
        ("error [mag]", _lsst_error),
        ("reliability", _of(METADATA, "diaSource.reliability")),
        ("nDiaSources, log10", _log(_of(METADATA, "diaObject.nDiaSources"))),
        ("template flux [nJy], log10", _log(_of(METADATA, "diaSource.templateFlux"))),
        ("science flux [nJy], log10", _log(_of(METADATA, "diaSource.scienceFlux"))),
        ("ixx [arcsec^2]", _of(METADATA, "diaSource.ixx")),
        ("box size [pixel], log10", _log(_of(METADATA, "diaSource.bboxSize"))),
    ],
}
"""What is drawn as histograms: names, and how each is read from a sample."""


def _titled(title: str, width: float, height: float) -> Figure:
    figure = new_figure(width, height)
    figure.text(0.012, 1.0 - 0.16 / height, title, fontsize=12, weight="bold", color=INK, va="top")
    figure.text(0.988, 1.0 - 0.18 / height, "simulated", fontsize=11, color=SIMULATED_COLOUR, va="top", ha="right")
    figure.text(0.988 - 0.95 / width, 1.0 - 0.18 / height, "real", fontsize=11, color=REAL_COLOUR, va="top", ha="right")
    return figure


def draw_distributions(row: str, matched: Matched) -> Figure:
    """Histograms of both sides; simulated packets weigh as they were matched."""
    figure = _titled(f"{row}: {len(matched.real)} real, {len(matched.simulated)} simulated packets", 11.0, 7.2)
    grid = figure.subplots(3, 4)
    figure.subplots_adjust(left=0.045, right=0.985, top=0.91, bottom=0.075, hspace=0.42, wspace=0.2)
    for axes, (name, read) in zip(grid.flat, SHOWN[matched.real.survey], strict=True):
        _histogram(axes, name, read(matched.real), read(matched.simulated), matched.weight)
    return figure


def _histogram(axes: Axes, name: str, real: FloatArray, simulated: FloatArray, weight: FloatArray) -> None:
    style(axes, size=7.5)
    axes.set_xlabel(name, fontsize=8.5, color=INK, labelpad=2)
    axes.set_yticks([])
    there = np.isfinite(real), np.isfinite(simulated)
    if not there[0].any() and not there[1].any():
        empty(axes, "neither side has it")
        axes.set_xlabel(name, fontsize=8.5, color=INK, labelpad=2)
        return
    both = np.concatenate([real[there[0]], simulated[there[1]]])
    low, high = np.percentile(both, [0.5, 99.5])
    edges = list(np.linspace(low, high if high > low else low + 1.0, 25))
    # Shares of all packets, so that a side that often has no such number is lower.
    shares = {"real": np.full(there[0].sum(), 1.0 / len(real)), "simulated": weight[there[1]] / weight.sum()}
    axes.hist(np.clip(real[there[0]], low, high), edges, weights=shares["real"], color=REAL_COLOUR, alpha=0.35)
    axes.hist(
        np.clip(simulated[there[1]], low, high), edges, weights=shares["simulated"], histtype="step",
        color=SIMULATED_COLOUR, linewidth=1.4,
    )  # fmt: skip


def draw_profiles(row: str, matched: Matched) -> Figure:
    """Radial profiles of the stamps over their noise: medians, and where two thirds lie."""
    figure = _titled(f"{row}: profiles of the stamps", 11.0, 3.6)
    middle = 0.5 * (np.array(RING_EDGES_PX[1:]) + np.array(RING_EDGES_PX[:-1]))
    for axes, name in zip(figure.subplots(1, 3), STAMPS, strict=True):
        style(axes, size=7.5)
        sides = (
            (matched.simulated, SIMULATED_COLOUR, matched.weight),
            (matched.real, REAL_COLOUR, np.ones(len(matched.real))),
        )
        for sample, colour, weight in sides:
            images = [getattr(triplet, name) for triplet in sample.triplets]
            used = [i for i, image in enumerate(images) if image is not None and np.isfinite(image).any()]
            if used:
                rings = np.array([np.arcsinh(ring_profile(images[i])) for i in used])
                _band(axes, middle, rings, weight[used], colour)
        axes.set_title(name, fontsize=9, color=INK, pad=3)
        axes.set_xlabel("from the middle [pixel]", fontsize=8.5, color=INK)
    figure.axes[0].set_ylabel("asinh(mean above the median / noise)", fontsize=8.5, color=INK)
    figure.subplots_adjust(left=0.06, right=0.985, top=0.83, bottom=0.13, wspace=0.15)
    return figure


def _band(axes: Axes, x: FloatArray, rows: FloatArray, weight: FloatArray, colour: str) -> None:
    quantiles = np.array([_quantiles(rows[:, i], weight) for i in range(rows.shape[1])])
    axes.fill_between(x, quantiles[:, 0], quantiles[:, 2], color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, quantiles[:, 1], color=colour, linewidth=1.4)


def _quantiles(values: FloatArray, weight: FloatArray) -> FloatArray:
    """16, 50 and 84 % of weighted values; NaN where too few are finite."""
    there = np.isfinite(values)
    if there.sum() < _LEAST_IN_BIN:
        return np.full(3, np.nan)
    order = np.argsort(values[there])
    total = np.cumsum(weight[there][order])
    found: FloatArray = np.interp(np.array([0.16, 0.5, 0.84]) * total[-1], total - 0.5 * total[0], values[there][order])
    return found


def draw_triplets(row: str, matched: Matched) -> Figure:
    """Stamps of packets of each kind, simulated ones on the left and real ones on the right."""
    kinds = [str(kind) for kind in np.unique(matched.real.keys.kind)]
    height = 1.05 * len(kinds) + 0.7
    figure = new_figure(2 * _TRIPLETS * 3 * 0.72 + 1.6, height)
    figure.text(0.012, 1.0 - 0.16 / height, f"{row}: stamps by class", fontsize=12, weight="bold", color=INK, va="top")
    grid = figure.subplots(len(kinds), 2 * _TRIPLETS * 3, squeeze=False)
    figure.subplots_adjust(
        left=0.095, right=0.995, top=1.0 - 0.62 / height, bottom=0.05 / height, wspace=0.06, hspace=0.08
    )
    for line, kind in zip(grid, kinds, strict=True):
        for side, sample in enumerate((matched.simulated, matched.real)):
            part = line[side * _TRIPLETS * 3 : (side + 1) * _TRIPLETS * 3]
            _triplets(part, sample, np.flatnonzero(sample.keys.kind == kind))
        line[0].set_ylabel(kind, fontsize=8.5, color=INK, rotation=0, ha="right", va="center")
    for side, (name, colour) in enumerate((("simulated", SIMULATED_COLOUR), ("real", REAL_COLOUR))):
        grid[0, side * _TRIPLETS * 3 + _TRIPLETS].set_title(name, fontsize=11, color=colour, pad=5)
    return figure


def _triplets(line: npt.NDArray[np.object_], sample: Sample, rows: npt.NDArray[np.integer]) -> None:
    places = iter(line)
    for i in range(_TRIPLETS):
        for name in STAMPS:
            axes = next(places)
            if i < len(rows):
                stamp(axes, getattr(sample.triplets[int(rows[i])], name), name, sample.survey, small=True)
            else:
                axes.set_axis_off()


def draw_curves(curves: CurveSets) -> Figure:
    """Light curves by class as medians and where two thirds lie, below the brightest detection in the band."""
    shown = {label: pair for label, pair in curves.items() if min(len(pair.real), len(pair.simulated)) >= LEAST}
    figure = _titled("Light curves by class, of equal peak magnitudes", 11.0, 4.8)
    if not shown:
        empty(figure.add_subplot(), "fewer than ten light curves of any class on one side")
        return figure
    grid = figure.subplots(2, len(shown), sharex=True, sharey=True, squeeze=False)
    for column, (label, pair) in enumerate(shown.items()):
        for line, band in enumerate(("g", "r")):
            axes = grid[line, column]
            style(axes, size=7.5)
            middle = 0.5 * (_PHASE_BINS_D[1:] + _PHASE_BINS_D[:-1])
            for side, weight, colour in (
                (pair.simulated, pair.weight, SIMULATED_COLOUR),
                (pair.real, np.ones(len(pair.real)), REAL_COLOUR),
            ):
                _band(axes, middle, np.array([_about_peak(curve, band) for curve in side]), weight, colour)
            if column == 0:
                axes.set_ylabel(f"{band}: mag below peak", fontsize=8.5, color=BAND_STYLES[band].colour)
            if line == 1:
                axes.set_xlabel("days from peak", fontsize=8.5, color=INK)
        title = f"{label}: {len(pair.real)} real, {len(pair.simulated)} simulated"
        grid[0, column].set_title(title, fontsize=8, color=MUTED, pad=3)
    grid[0, 0].invert_yaxis()
    figure.subplots_adjust(left=0.055, right=0.99, top=0.86, bottom=0.1, wspace=0.06, hspace=0.08)
    return figure


def _about_peak(curve: Curve, band: str) -> FloatArray:
    """(phase bins,) mean magnitude below the band's brightest detection; NaN where there is none."""
    rows = curve.band == BANDS.index(band)
    bins = len(_PHASE_BINS_D) - 1
    if rows.sum() < 2:
        return np.full(bins, np.nan)
    magnitude, mjd = magnitudes(curve.flux_njy[rows]), curve.mjd[rows]
    peak = int(np.argmin(magnitude))
    place = np.searchsorted(_PHASE_BINS_D, mjd - mjd[peak], side="right") - 1
    inside = (place >= 0) & (place < bins)
    count = np.bincount(place[inside], minlength=bins)
    total = np.bincount(place[inside], magnitude[inside] - magnitude[peak], minlength=bins)
    found: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found
