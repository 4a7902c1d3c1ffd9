"""The panels that pictures are put together from: a light curve, a stamp, the class scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from schemas.cutout import PIXEL_SCALE_ARCSEC
from schemas.light_curve import BANDS, DETECTION, FORCED, LIMIT
from schemas.surveys.columns import ZERO_POINT_AB_NJY, flux_from_magnitude
from schemas.taxonomy import CLASSES
from streamer.pictures.subject import Subject

INK, MUTED, FAINT, PAPER = "#1b1f24", "#6a7178", "#d5d9dd", "#ffffff"
"""Colours of text and lines, of what is secondary, of frames, and of the ground."""

ACCENT = "#0072b2"
"""Colour of what is said to be true: members of the prediction set, the alert's own time."""

WARNING = "#b5400a"
"""Colour of a score that no calibration stands behind."""

UNCALIBRATED = "uncalibrated"
"""The word for such a score, wherever one is shown."""


class BandStyle(NamedTuple):
    """How a band is drawn; bands differ in colour and in shape, so that neither is needed alone."""

    colour: str
    marker: str


BAND_STYLES: dict[str, BandStyle] = {
    "u": BandStyle("#0072b2", "p"),
    "g": BandStyle("#009e73", "o"),
    "r": BandStyle("#d55e00", "s"),
    "i": BandStyle("#a6478a", "^"),
    "z": BandStyle("#b8860b", "D"),
    "y": BandStyle("#56504a", "X"),
}
"""Colours after Okabe & Ito (2008), darkened where needed: told apart with any common colour blindness."""

FLUX_UNITS: tuple[tuple[float, str], ...] = ((1e6, "mJy"), (1e3, "µJy"), (1.0, "nJy"))
"""Units of a flux axis and their size [nJy], largest first."""

SCALE_BARS_ARCSEC: tuple[float, ...] = (1, 2, 5, 10, 20, 30, 60)
"""Lengths that a stamp's scale bar may have [arcsec]."""

LEAST_BOUND = 2.0
"""Brightest level of a stamp is at least this (11 sigma), so that mere noise stays pale."""

SOFTENING_SIGMA = 3.0
"""Where the stretch of a stamp turns from linear to logarithmic [sigma of its background]."""


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure of its own, apart from any global state of matplotlib, sizes in inches."""
    return Figure(figsize=(width_in, height_in), dpi=120, facecolor=PAPER)


def style(axes: Axes, *, size: float = 8.5) -> None:
    """The house's frame: thin lines, small ticks."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.7)
    axes.tick_params(labelsize=size, colors=MUTED, labelcolor=INK, length=3, width=0.7)


def light_curve(axes: Axes, subject: Subject, *, small: bool = False) -> None:
    """Flux against days since the first detection: detections filled, forced points open, limits as arrows.

    The right-hand axis gives AB magnitudes of positive fluxes: m = 31.4 - 2.5 log10(f / nJy).
    """
    curve = subject.light_curve
    style(axes, size=6.5 if small else 8.5)
    finite = np.isfinite(curve.flux_err_njy) & (np.isfinite(curve.flux_njy) | (curve.kind == LIMIT))
    if not finite.any():
        empty(axes, "no photometry", small=small)
        return
    detected = finite & (curve.kind == DETECTION)
    start = float(curve.mjd_tai[detected].min() if detected.any() else curve.mjd_tai[finite].min())
    days = curve.mjd_tai - start
    level = np.where(curve.kind == LIMIT, 5.0 * curve.flux_err_njy, curve.flux_njy).astype(np.float64)
    largest = float(np.max(np.abs(level[finite])))
    scale, unit = next(((size, name) for size, name in FLUX_UNITS if largest >= size), FLUX_UNITS[-1])
    axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
    axes.axvline(subject.mjd_tai - start, color=ACCENT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    dot = 3.2 if small else 5.0
    for index, band in enumerate(BANDS):
        colour, marker = BAND_STYLES[band]
        for kind in (LIMIT, FORCED, DETECTION):
            rows = finite & (curve.band == index) & (curve.kind == kind)
            if not rows.any():
                continue
            x, y, e = days[rows], level[rows] / scale, curve.flux_err_njy[rows] / scale
            if kind == LIMIT:
                axes.plot(x, y, linestyle="", marker=mpl.markers.CARETDOWN, markersize=dot, color=colour, alpha=0.45)
                continue
            full = kind == DETECTION
            axes.errorbar(
                x, y, e, linestyle="", marker=marker, color=colour, elinewidth=0.7, alpha=1.0 if full else 0.6,
                markersize=dot if full else 0.75 * dot, markerfacecolor=colour if full else PAPER, markeredgewidth=0.8,
            )  # fmt: skip
    _limits(axes, days[finite], level[finite] / scale, curve.flux_err_njy[finite] / scale)
    axes.yaxis.set_major_locator(MaxNLocator(4 if small else 6))
    axes.xaxis.set_major_locator(MaxNLocator(4 if small else 7, min_n_ticks=2))
    label = 6.5 if small else 9
    axes.set_ylabel(f"difference flux [{unit}]" if not small else unit, fontsize=label, color=INK, labelpad=2)
    axes.set_xlabel("days" if small else "days since first detection", fontsize=label, color=INK, labelpad=1)
    if not small:
        _magnitudes(axes, scale)
        _legend(axes, subject)


def _limits(axes: Axes, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], error: npt.NDArray[Any]) -> None:
    """Room around the points; huge error bars do not set the scale."""
    bars = np.minimum(error, np.max(np.abs(y)))
    low, high = min(0.0, float((y - bars).min())), max(0.0, float((y + bars).max()))
    pad = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - pad, high + pad)
    margin = max(0.04 * float(x.max() - x.min()), 0.5)
    axes.set_xlim(float(x.min()) - margin, float(x.max()) + margin)


def _magnitudes(axes: Axes, scale: float) -> None:
    """AB magnitudes on the right, at whole or half magnitudes that do not crowd."""
    low, high = axes.get_ylim()
    twin = axes.twinx()
    twin.set_ylim(low, high)
    places: list[float] = []
    names: dict[float, str] = {}
    faintest = ZERO_POINT_AB_NJY - 2.5 * np.log10(max(high * scale * 0.02, 1e-3))
    brightest = ZERO_POINT_AB_NJY - 2.5 * np.log10(max(high * scale, 1e-3))
    for magnitude in np.arange(np.ceil(brightest * 2) / 2, faintest, 0.5):
        place = float(flux_from_magnitude(magnitude)) / scale
        if not places or places[-1] - place > 0.07 * (high - low):
            places.append(place)
            names[place] = f"{magnitude:.1f}"
    twin.yaxis.set_major_locator(FixedLocator(places))
    twin.yaxis.set_major_formatter(FuncFormatter(lambda place, _: names.get(place, "")))
    style(twin)
    twin.spines["left"].set_visible(False)
    twin.spines["right"].set_visible(True)
    twin.set_ylabel("AB magnitude", fontsize=9, color=INK)


def _legend(axes: Axes, subject: Subject) -> None:
    """The bands and kinds that are drawn, in one line above the panel."""
    curve = subject.light_curve
    handles: list[Any] = []
    for index, band in enumerate(BANDS):
        if (curve.band == index).any():
            colour, marker = BAND_STYLES[band]
            handles += axes.plot([], [], linestyle="", marker=marker, color=colour, markersize=5, label=band)
    if (curve.kind == FORCED).any():
        handles += axes.plot([], [], linestyle="", marker="o", color=MUTED, mfc=PAPER, markersize=4, label="forced")
    if (curve.kind == LIMIT).any():
        caret = mpl.markers.CARETDOWN
        handles += axes.plot([], [], linestyle="", marker=caret, color=MUTED, markersize=5, label="5$\\sigma$ limit")
    handles += axes.plot([], [], color=ACCENT, linewidth=0.8, linestyle=(0, (2, 2)), label="this alert")
    axes.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(handles), frameon=False, fontsize=8,
        handletextpad=0.2, columnspacing=1.0, borderaxespad=0.1, labelcolor=INK,
    )  # fmt: skip


def stamp(axes: Axes, image: npt.NDArray[np.float32] | None, name: str, survey: str, *, small: bool = False) -> None:
    """A cutout with an asinh stretch; masked pixels are hatched. The difference has its sign in colour."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    if name and not small:
        axes.set_title(name, fontsize=9, color=INK, pad=3)
    if image is None or image.size == 0 or not np.isfinite(image).any():
        empty(axes, "no cutout" if image is None or image.size == 0 else "all pixels masked", small=small)
        return
    shown, bound = stretched(image)
    signed = name == "difference"
    axes.set_facecolor("#f2f3f4")
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor(FAINT)
    axes.imshow(
        np.ma.masked_invalid(shown),
        cmap="RdBu_r" if signed else "gray",
        vmin=-bound if signed else -1.0,
        vmax=bound,
        origin="lower",
        interpolation="nearest",
    )
    _crosshair(axes, image.shape, "#1b1f24" if signed else "#ffd54f")
    _scale_bar(axes, image.shape, survey, INK if signed else "white", small=small)


def stretched(image: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], float]:
    """(asinh of the image above its background in units of its noise, value of the brightest percentile).

    The background is the median, the noise 1.4826 times the median absolute deviation. Pixels that are not finite come
    back as NaN; values up to the largest float32 are safe, as the sum is done in float64.
    """
    pixels = np.where(np.isfinite(image), image, np.nan).astype(np.float64)
    middle = np.nanmedian(pixels)
    noise = 1.4826 * float(np.nanmedian(np.abs(pixels - middle)))
    if not noise > 0.0:
        noise = float(np.nanmax(np.abs(pixels - middle))) or 1.0
    shown = np.arcsinh((pixels - middle) / (SOFTENING_SIGMA * noise))
    return shown, max(float(np.nanpercentile(np.abs(shown), 99.7)), LEAST_BOUND)


def _crosshair(axes: Axes, shape: tuple[int, ...], colour: str) -> None:
    """Two short lines that point at the centre without covering it."""
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    gap, reach = 0.06 * max(shape), 0.14 * max(shape)
    axes.plot([x + gap, x + reach], [y, y], color=colour, linewidth=1.0, scalex=False, scaley=False)
    axes.plot([x, x], [y + gap, y + reach], color=colour, linewidth=1.0, scalex=False, scaley=False)


def _scale_bar(axes: Axes, shape: tuple[int, ...], survey: str, colour: str, *, small: bool) -> None:
    pixel = PIXEL_SCALE_ARCSEC.get(survey)
    fitting = [length for length in SCALE_BARS_ARCSEC if pixel and length / pixel <= 0.4 * shape[1]]
    if pixel is None or not fitting:
        return
    width, x, y = fitting[-1] / pixel, 0.05 * shape[1], 0.05 * shape[0]
    axes.plot([x, x + width], [y, y], color=colour, linewidth=1.5, scalex=False, scaley=False)
    if not small:
        label = axes.text(
            x + width / 2, y + 0.025 * shape[0], f'{fitting[-1]:g}"', color=colour, fontsize=8, ha="center"
        )
        label.set_path_effects([withStroke(linewidth=2, foreground="black" if colour == "white" else PAPER)])


def verdict(subject: Subject) -> tuple[str, str]:
    """The likeliest class with its score, and the colour to write it in; an uncalibrated score stands in brackets."""
    if subject.best is None:
        return "not classified", MUTED
    name, score = subject.best
    return (f"{name} {score:.2f}", ACCENT) if subject.calibrated else (f"{name} ({score:.2f})", WARNING)


def class_scores(axes: Axes, subject: Subject, *, small: bool = False) -> None:
    """Bars of the class scores: members of the prediction set in full colour; all hatched where uncalibrated."""
    style(axes, size=6.5 if small else 8.5)
    if subject.class_scores is None or not subject.classified:
        empty(axes, f"not classified: {subject.unclassified_reason or 'no scores'}", small=small)
        return
    scores = np.asarray(subject.class_scores, dtype=np.float64)
    places = np.arange(len(CLASSES))
    if subject.calibrated:
        members = subject.prediction_set if subject.prediction_set is not None else scores == scores.max()
        axes.barh(places, scores, color=[ACCENT if member else FAINT for member in members], height=0.72)
    else:
        axes.barh(places, scores, color=PAPER, edgecolor=WARNING, hatch="//////", linewidth=0.7, height=0.72)
    for place, score in enumerate(scores.tolist()):
        if not small or score >= 0.005:
            text = f"{score:.2f}" if subject.calibrated else f"({score:.2f})"
            axes.text(score + 0.015, place, text, va="center", fontsize=6 if small else 8.5, color=INK)
    if small and not subject.calibrated:
        low = scores.argmax() < len(CLASSES) // 2  # the word stands where the longest bar is not
        axes.text(
            0.99, 0.04 if low else 0.96, UNCALIBRATED, transform=axes.transAxes, ha="right", color=WARNING, fontsize=9,
            weight="bold", va="bottom" if low else "top",
        )  # fmt: skip
    axes.set_yticks(places, CLASSES)
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.14 if subject.calibrated else 1.2)
    axes.set_xticks([] if small else [0.0, 0.5, 1.0])
    axes.spines["bottom"].set_visible(not small)
    axes.tick_params(axis="y", length=0, pad=2)


def empty(axes: Axes, text: str, *, small: bool = False) -> None:
    """A panel that says why it shows nothing."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("#f6f7f8")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=6.5 if small else 9,
        wrap=True,
    )  # fmt: skip
