"""What the pixels say of a detection: shape, lobes, sharpness, masks of its stamps, in units of its noise and PSF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.compiled import compiled
from schemas.cutout import STAMPS, CutoutTriplet
from schemas.light_curve import Float32Array, FloatArray
from schemas.stamps import ZTF_SIDE

SIDE = 29
"""Side of the square about the source that is looked at [pixels], odd; LSST's smallest stamps have 30."""

STAMP_MEASURES: tuple[str, ...] = (
    "peak_snr",
    "net_share",
    "lobe_ratio",
    "weaker_lobe_snr",
    "lobe_separation",
    "extent",
    "elongation",
    "connected_area",
    "diffuseness",
    "narrowness",
    "wide_ratio",
    "offset",
    "busy_share",
    "science_match",
    "template_match",
    "science_snr",
    "template_snr",
    "science_brightest",
    "science_plateau",
    "masked_core",
    "masked_share",
    "edge_distance",
)
"""Measures of an alert, in order. Lengths are in units of the PSF's full width at half maximum, areas of its square.

Of the difference, z = (pixel - median) / scatter, both of the pixels around the source:
`peak_snr` largest |z| within one width; `net_share` |sum| / sum of |pixels| there; `lobe_ratio` weaker over stronger
of the sums of pixels above +3 and below -3 within 1.5 widths, `weaker_lobe_snr` the weaker over its own noise,
`lobe_separation` from centroid to centroid; `extent`, `elongation`, `connected_area` of the pixels above 3 that touch
the peak (the extent over a PSF's), `diffuseness` that area over the area of a PSF with this peak; `narrowness` least
mean of two opposite neighbours of the peak over the peak, as a fraction of a PSF's; `wide_ratio` sum between 1.5 and
2.5 widths over that within 1.5; `offset` of the peak; `busy_share` of the pixels beyond 2.5 widths with |z| above 5.
`science_match`, `template_match`: correlation of the difference with those stamps within 2.5 widths; `science_snr`,
`template_snr` their largest z within one width; `science_brightest` largest pixel within 2.5 widths in the survey's
units, `science_plateau` pixels within 5 % of it; `masked_core`, `masked_share`: share of pixels without value of all
three stamps, within 1.5 widths and in all; `edge_distance` to the nearest row or column without any value.
"""

(
    _PEAK_SNR, _NET_SHARE, _LOBE_RATIO, _WEAKER_LOBE_SNR, _LOBE_SEPARATION, _EXTENT, _ELONGATION, _CONNECTED_AREA,
    _DIFFUSENESS, _NARROWNESS, _WIDE_RATIO, _OFFSET, _BUSY_SHARE, _SCIENCE_MATCH, _TEMPLATE_MATCH, _SCIENCE_SNR,
    _TEMPLATE_SNR, _SCIENCE_BRIGHTEST, _SCIENCE_PLATEAU, _MASKED_CORE, _MASKED_SHARE, _EDGE_DISTANCE,
) = range(len(STAMP_MEASURES))  # fmt: skip
_HALF = SIDE // 2
_LOBE_SIGMA = 3.0
_BUSY_SIGMA = 5.0
_PLATEAU = 0.95
_SCATTER_OF_MAD = 1.4826
_FWHM_OF_SIGMA = 2.3548
_MIN_WIDTH, _MAX_WIDTH = 1.6, 6.0


def stamp_measures(cutouts: Sequence[CutoutTriplet], width_px: FloatArray) -> Float32Array:
    """Measures of n alerts, float32 (n, len(STAMP_MEASURES)), NaN where the pixels do not tell.

    `width_px`, (n,): full width at half maximum of the PSF. A ZTF stamp that was cropped at the chip's edge does not
    have its source in the middle: of such an alert, and of one without a difference stamp, nothing is measured.
    """
    n = len(cutouts)
    pixels = np.full((n, len(STAMPS), SIDE, SIDE), np.nan, np.float32)
    for i, triplet in enumerate(cutouts):
        for k, stamp in enumerate((triplet.science, triplet.template, triplet.difference)):
            if stamp is not None and not (triplet.survey == "ztf" and stamp.shape != (ZTF_SIDE, ZTF_SIDE)):
                _place(stamp, pixels[i, k])
    out = np.full((n, len(STAMP_MEASURES)), np.nan, np.float32)
    _measure(pixels, np.clip(np.nan_to_num(width_px, nan=3.0), _MIN_WIDTH, _MAX_WIDTH), out)
    return out


def _place(stamp: Float32Array, out: Float32Array) -> None:
    """Copies the middle of a stamp into `out`, centre on centre."""
    height, width = stamp.shape
    top, left = height // 2 - _HALF, width // 2 - _HALF
    rows, columns = slice(max(top, 0), top + SIDE), slice(max(left, 0), left + SIDE)
    piece = stamp[rows, columns]
    down, right = max(-top, 0), max(-left, 0)
    out[down : down + piece.shape[0], right : right + piece.shape[1]] = piece


@compiled
def _measure(pixels: Any, widths: Any, out: Any) -> None:
    radius = np.empty((SIDE, SIDE), np.float64)
    for y in range(SIDE):
        for x in range(SIDE):
            radius[y, x] = np.hypot(y - _HALF, x - _HALF)
    z = np.empty((3, SIDE, SIDE), np.float64)
    work = np.empty(SIDE * SIDE, np.float64)
    mark = np.zeros((SIDE, SIDE), np.uint8)
    stack = np.empty((SIDE * SIDE, 2), np.int64)
    for i in range(len(pixels)):
        width = widths[i]
        known = np.zeros(3, np.bool_)
        for k in range(3):
            known[k] = _standardise(pixels[i, k], radius, 2.0 * width, work, z[k])
        if not known[2]:
            continue
        row = out[i]
        _masks(pixels[i], radius, width, row)
        peak_y, peak_x = _core(z[2], radius, width, row)
        if peak_y < 0:
            continue
        _lobes(z[2], radius, width, row)
        _shape(z[2], peak_y, peak_x, width, mark, stack, row)
        row[_NARROWNESS] = _narrowness(z[2], peak_y, peak_x, width)
        if known[0]:
            row[_SCIENCE_MATCH] = _correlation(z[2], z[0], radius, 2.5 * width)
            row[_SCIENCE_SNR] = _largest(z[0], radius, width)
            _brightest(pixels[i, 0], radius, 2.5 * width, row)
        if known[1]:
            row[_TEMPLATE_MATCH] = _correlation(z[2], z[1], radius, 2.5 * width)
            row[_TEMPLATE_SNR] = _largest(z[1], radius, width)


@compiled
def _standardise(stamp: Any, radius: Any, inner: Any, work: Any, z: Any) -> Any:
    """Fills z = (pixel - median) / scatter of the pixels beyond `inner`; False where hardly any has a value.

    Every other of these pixels is taken, as on a chessboard: as robust at half the cost.
    """
    count = 0
    for y in range(SIDE):
        for x in range(y % 2, SIDE, 2):
            if radius[y, x] > inner and np.isfinite(stamp[y, x]):
                work[count] = stamp[y, x]
                count += 1
    if count < 40:
        return False
    middle = np.median(work[:count])
    for j in range(count):
        work[j] = abs(work[j] - middle)
    scatter = _SCATTER_OF_MAD * np.median(work[:count])
    if not scatter > 0.0:
        scatter = np.mean(work[:count])
    if not scatter > 0.0:
        return False
    for y in range(SIDE):
        for x in range(SIDE):
            z[y, x] = (stamp[y, x] - middle) / scatter
    return True


@compiled
def _masks(pixels: Any, radius: Any, width: Any, row: Any) -> None:
    """Shares of pixels without value, and the distance to the nearest row or column that has none."""
    core, masked_core, masked = 0, 0, 0
    for k in range(3):
        for y in range(SIDE):
            for x in range(SIDE):
                bad = not np.isfinite(pixels[k, y, x])
                masked += bad
                if radius[y, x] <= 1.5 * width:
                    core += 1
                    masked_core += bad
    row[_MASKED_CORE] = masked_core / core
    row[_MASKED_SHARE] = masked / (3.0 * SIDE * SIDE)
    nearest = _HALF + 1.0
    for j in range(SIDE):
        rows, columns = 0, 0
        for t in range(SIDE):
            rows += np.isfinite(pixels[2, j, t])
            columns += np.isfinite(pixels[2, t, j])
        if rows == 0 or columns == 0:
            nearest = min(nearest, abs(j - _HALF))
    row[_EDGE_DISTANCE] = nearest / width


@compiled
def _core(z: Any, radius: Any, width: Any, row: Any) -> Any:
    """Peak, net share, wide ratio and busy share; returns the place of the largest |z| within one width."""
    peak, peak_y, peak_x = 0.0, -1, -1
    net, absolute, inside, wide, busy, beyond = 0.0, 0.0, 0.0, 0.0, 0, 0
    for y in range(SIDE):
        for x in range(SIDE):
            value = z[y, x]
            if not np.isfinite(value):
                continue
            if radius[y, x] <= width:
                net += value
                absolute += abs(value)
                if abs(value) > peak:
                    peak, peak_y, peak_x = abs(value), y, x
            if radius[y, x] <= 1.5 * width:
                inside += value
            elif radius[y, x] <= 2.5 * width:
                wide += value
            else:
                beyond += 1
                busy += abs(value) > _BUSY_SIGMA
    if peak_y < 0:
        return peak_y, peak_x
    row[_PEAK_SNR] = peak
    row[_NET_SHARE] = abs(net) / absolute
    row[_WIDE_RATIO] = wide / inside if abs(inside) > 1.0 else np.nan
    row[_OFFSET] = radius[peak_y, peak_x] / width
    row[_BUSY_SHARE] = busy / beyond if beyond else np.nan
    return peak_y, peak_x


@compiled
def _lobes(z: Any, radius: Any, width: Any, row: Any) -> None:
    """Positive and negative pixels beyond the noise: how alike their sums are and how far apart they lie."""
    total = np.zeros(2)
    count = np.zeros(2)
    moment = np.zeros((2, 2))
    for y in range(SIDE):
        for x in range(SIDE):
            value = z[y, x]
            if radius[y, x] <= 1.5 * width and abs(value) > _LOBE_SIGMA:  # NaN is beyond nothing
                k = 0 if value > 0.0 else 1
                total[k] += abs(value)
                count[k] += 1
                moment[k, 0] += abs(value) * y
                moment[k, 1] += abs(value) * x
    weak = 0 if total[0] < total[1] else 1
    strong = 1 - weak
    if total[strong] <= 0.0:
        return
    row[_LOBE_RATIO] = total[weak] / total[strong]
    row[_WEAKER_LOBE_SNR] = total[weak] / np.sqrt(count[weak]) if count[weak] else 0.0
    if count[weak]:
        away = moment[weak] / total[weak] - moment[strong] / total[strong]
        row[_LOBE_SEPARATION] = np.hypot(away[0], away[1]) / width


@compiled
def _shape(z: Any, peak_y: Any, peak_x: Any, width: Any, mark: Any, stack: Any, row: Any) -> None:
    """Second moments of the pixels above the noise that touch the peak, with its sign."""
    sign = 1.0 if z[peak_y, peak_x] > 0.0 else -1.0
    mark[:] = 0
    stack[0, 0], stack[0, 1] = peak_y, peak_x
    mark[peak_y, peak_x] = 1
    depth, count = 1, 0
    weight, sum_y, sum_x, sum_yy, sum_xx, sum_xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    while depth > 0:
        depth -= 1
        y, x = stack[depth, 0], stack[depth, 1]
        value = np.sqrt(sign * z[y, x])  # the root: the bright middle must not hide a long tail
        dy, dx = float(y - peak_y), float(x - peak_x)
        count += 1
        weight += value
        sum_y += value * dy
        sum_x += value * dx
        sum_yy += value * dy * dy
        sum_xx += value * dx * dx
        sum_xy += value * dx * dy
        for step_y in range(-1, 2):
            for step_x in range(-1, 2):
                v, u = y + step_y, x + step_x
                if 0 <= v < SIDE and 0 <= u < SIDE and mark[v, u] == 0 and sign * z[v, u] > _LOBE_SIGMA:
                    mark[v, u] = 1
                    stack[depth, 0], stack[depth, 1] = v, u
                    depth += 1
    yy = sum_yy / weight - (sum_y / weight) ** 2 + 1.0 / 12.0
    xx = sum_xx / weight - (sum_x / weight) ** 2 + 1.0 / 12.0
    xy = sum_xy / weight - sum_x * sum_y / weight**2
    middle, half = (yy + xx) / 2.0, np.hypot((yy - xx) / 2.0, xy)
    row[_EXTENT] = np.sqrt(middle + half) * _FWHM_OF_SIGMA / width
    row[_ELONGATION] = np.sqrt((middle + half) / max(middle - half, 1.0 / 24.0))
    row[_CONNECTED_AREA] = count / width**2
    peak = max(abs(z[peak_y, peak_x]), 1.1 * _LOBE_SIGMA)
    row[_DIFFUSENESS] = count / width**2 / (np.pi / 4.0 / np.log(2.0) * np.log(peak / _LOBE_SIGMA))


@compiled
def _narrowness(z: Any, peak_y: Any, peak_x: Any, width: Any) -> Any:
    """Least mean of two opposite neighbours over the peak, each direction over what a Gaussian PSF has there."""
    least = np.inf
    for step_y, step_x in ((0, 1), (1, 0), (1, 1), (1, -1)):
        mean = (z[peak_y + step_y, peak_x + step_x] + z[peak_y - step_y, peak_x - step_x]) / 2.0
        expected = np.exp(-4.0 * np.log(2.0) * (step_y**2 + step_x**2) / width**2)
        least = min(least, mean / z[peak_y, peak_x] / expected)
    return least if np.isfinite(least) else np.nan


@compiled
def _correlation(a: Any, b: Any, radius: Any, within: Any) -> Any:
    """Correlation of two images about the source, each clipped at 50 so that no single pixel decides."""
    n, sa, sb, saa, sbb, sab = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(SIDE):
        for x in range(SIDE):
            p, q = a[y, x], b[y, x]
            if radius[y, x] <= within and np.isfinite(p) and np.isfinite(q):
                p, q = min(max(p, -50.0), 50.0), min(max(q, -50.0), 50.0)
                n += 1
                sa += p
                sb += q
                saa += p * p
                sbb += q * q
                sab += p * q
    if n < 9:
        return np.nan
    va, vb = saa - sa * sa / n, sbb - sb * sb / n
    if not (va > 0.0 and vb > 0.0):
        return np.nan
    return (sab - sa * sb / n) / np.sqrt(va * vb)


@compiled
def _largest(z: Any, radius: Any, within: Any) -> Any:
    best = np.nan
    for y in range(SIDE):
        for x in range(SIDE):
            if radius[y, x] <= within and np.isfinite(z[y, x]) and not z[y, x] <= best:
                best = z[y, x]
    return best


@compiled
def _brightest(stamp: Any, radius: Any, within: Any, row: Any) -> None:
    """Largest pixel near the source and how many come near it: saturated stars have a flat top."""
    best = _largest(stamp, radius, within)
    if not np.isfinite(best):
        return
    row[_SCIENCE_BRIGHTEST] = best
    flat = 0
    for y in range(SIDE):
        for x in range(SIDE):
            flat += radius[y, x] <= within and stamp[y, x] >= _PLATEAU * best
    row[_SCIENCE_PLATEAU] = flat
