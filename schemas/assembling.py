"""The pure assembling of rows into light curves: what was known of an object at the time of an alert.

The rows of an object form a set (see `docs/decisions/0002`): equal rows are one, and each carries the time of the first
alert that brought it. An alert's light curve is cut from that set at the alert's own time, so that a score depends on
the evidence and not on what came later, nor on how the stream was cut into batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.compiled import compiled
from schemas.light_curve import (
    DETECTION,
    FLAG_BAD,
    FLAG_OWN,
    FLAG_WITHDRAWN,
    FORCED,
    LIMIT,
    ROW_DTYPE,
    UNKNOWN_BAND,
    FloatArray,
    IntArray,
    LightCurves,
)

TIME_TOLERANCE_DAYS = 1e-6
"""Rows up to this much later than the alert count as simultaneous [d]: times are rounded differently in histories."""

MAX_EXPOSURE_ROWS = 1_000
"""Rows of one exposure that are looked at; real exposures have a handful, and every pair of them is compared."""

SAME_SOURCE_FLUX = 1e-4
"""Two rows of one exposure whose fluxes differ by less than this fraction are one source (ZTF: 1e-4 mag)."""

TOKEN_DTYPE = np.dtype(
    [("mjd_tai", "<f8"), ("flux_njy", "<f4"), ("flux_err_njy", "<f4"), ("band", "u1"), ("kind", "u1"), ("rights", "u1")]
)
"""One exposure of an assembled light curve."""

SUMMARY_DTYPE = np.dtype(
    [
        ("first_detection_mjd_tai", "<f8"),
        ("last_detection_mjd_tai", "<f8"),
        ("peak_flux_njy", "<f4"),
        ("last_flux_njy", "<f4"),
        ("last_flux_err_njy", "<f4"),
        ("n_detections", "<i4"),
        ("n_forced", "<i4"),
        ("n_limits", "<i4"),
        ("peak_band", "i1"),
        ("last_band", "i1"),
        ("bands_used", "u1"),  # bit i set: a token in BANDS[i]
        ("rights", "u1"),  # most restricted of the rows used
        ("hash", "<u8"),
    ]
)
"""What is said of a light curve in a score; numbers are NaN and bands -1 where there is no detection."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """The light curves of n alerts, their summaries, and which rows of their packets the store does not hold yet."""

    light_curves: LightCurves
    summary: npt.NDArray[np.void]
    """(n,) of SUMMARY_DTYPE"""
    is_new: npt.NDArray[np.bool_]
    """(packet rows,) whether a row adds to what is stored"""


def assemble(
    survey: str,
    rows: npt.NDArray[np.void],
    row_offsets: IntArray,
    at_mjd_tai: FloatArray,
    object_of_alert: IntArray,
    stored: npt.NDArray[np.void],
    stored_offsets: IntArray,
) -> Assembled:
    """Cuts the light curve of each of n alerts from stored rows, its own packet and earlier packets of the batch.

    rows, row_offsets: the packets' rows of ROW_DTYPE, (n + 1,) offsets. at_mjd_tai: (n,) each alert's own time.
    object_of_alert: (n,) index into the m objects; object o holds `stored[stored_offsets[o]:stored_offsets[o + 1]]`.
    Rows of a packet count for later alerts of the same object in the same batch. One token an exposure:
    detection, else good forced photometry, else limit; of two sources in it the alert's own, else the nearest.
    """
    tokens, offsets, summary, is_new = _assemble(
        rows, row_offsets, at_mjd_tai, _previous(object_of_alert), object_of_alert, stored, stored_offsets
    )
    curves = LightCurves(
        survey,
        offsets,
        np.ascontiguousarray(tokens["mjd_tai"]),
        np.ascontiguousarray(tokens["flux_njy"]),
        np.ascontiguousarray(tokens["flux_err_njy"]),
        np.ascontiguousarray(tokens["band"]),
        np.ascontiguousarray(tokens["kind"]),
    )
    return Assembled(curves, summary, is_new)


def _previous(object_of_alert: IntArray) -> IntArray:
    """For each alert the one before it of the same object in the batch, -1 if it is the first, shape (n,)."""
    previous = np.full(len(object_of_alert), -1, dtype=np.int64)
    order = np.argsort(object_of_alert, kind="stable")
    same = object_of_alert[order[1:]] == object_of_alert[order[:-1]]
    previous[order[1:][same]] = order[:-1][same]
    return previous


@compiled
def _assemble(
    rows: Any, row_offsets: Any, at_mjd_tai: Any, previous: Any, object_of_alert: Any, stored: Any, stored_offsets: Any
) -> Any:
    n = len(at_mjd_tai)
    offsets = np.zeros(n + 1, dtype=np.int64)
    summary = np.zeros(n, dtype=SUMMARY_DTYPE)
    is_new = np.zeros(len(rows), dtype=np.bool_)
    tokens = np.empty(len(rows) + len(stored) + 16, dtype=TOKEN_DTYPE)
    pool = np.empty(1024, dtype=ROW_DTYPE)
    n_tokens = 0
    for alert in range(n):
        first, last = row_offsets[alert], row_offsets[alert + 1]
        held = stored_offsets[object_of_alert[alert]], stored_offsets[object_of_alert[alert] + 1]
        n_pool = last - first + held[1] - held[0]
        earlier = previous[alert]
        while earlier >= 0:
            n_pool += row_offsets[earlier + 1] - row_offsets[earlier]
            earlier = previous[earlier]
        if n_pool > len(pool):
            pool = np.empty(2 * n_pool, dtype=ROW_DTYPE)
        # the packet's own rows come first: pool[k] for k < own is row first + k
        own = last - first
        pool[:own] = rows[first:last]
        place = own
        pool[place : place + held[1] - held[0]] = stored[held[0] : held[1]]
        place += held[1] - held[0]
        earlier = previous[alert]
        while earlier >= 0:
            begin, end = row_offsets[earlier], row_offsets[earlier + 1]
            pool[place : place + end - begin] = rows[begin:end]
            place += end - begin
            earlier = previous[earlier]

        if n_tokens + n_pool > len(tokens):
            larger = np.empty(2 * (n_tokens + n_pool), dtype=TOKEN_DTYPE)
            larger[:n_tokens] = tokens[:n_tokens]
            tokens = larger
        count = _cut(pool, n_pool, own, at_mjd_tai[alert], is_new[first:last], tokens[n_tokens:])
        _summarise(tokens[n_tokens : n_tokens + count], summary[alert : alert + 1])
        n_tokens += count
        offsets[alert + 1] = n_tokens
    return tokens[:n_tokens], offsets, summary, is_new


@compiled
def _cut(pool: Any, n_pool: Any, own: Any, at_mjd_tai: Any, is_new: Any, tokens: Any) -> Any:
    """Fills `tokens` with the chosen row of each exposure, by time; marks the new rows; returns the count."""
    exposures = np.empty(n_pool, dtype=np.int64)
    for k in range(n_pool):
        exposures[k] = pool[k].exposure_id
    order = np.argsort(exposures, kind="mergesort")
    chosen = np.empty(n_pool, dtype=np.int64)
    times = np.empty(n_pool, dtype=np.float64)
    count = 0
    start = 0
    while start < n_pool:
        end = start + 1
        while end < n_pool and exposures[order[end]] == exposures[order[start]]:
            end += 1
        looked_at = min(end, start + MAX_EXPOSURE_ROWS)
        best = -1
        for a in range(start, looked_at):
            k = order[a]
            if k < own:
                is_new[k] = _is_new(pool, order, start, looked_at, k, own)
            if _usable(pool, order, start, looked_at, k, at_mjd_tai):
                if own > 0 and k == 0:  # the alert's own source is the packet's first row: it stands for its exposure
                    best = 0
                elif best < 0 or ((best > 0 or own == 0) and _precedes(pool[k], pool[best])):
                    best = k
        if best >= 0:
            best = _own_copy(pool, order, start, looked_at, best, at_mjd_tai)
            chosen[count] = best
            times[count] = pool[best].mjd_tai
            count += 1
        start = end
    by_time = np.argsort(times[:count], kind="mergesort")
    for token in range(count):
        row = pool[chosen[by_time[token]]]
        tokens[token].mjd_tai = row.mjd_tai
        tokens[token].flux_njy = row.flux_njy
        tokens[token].flux_err_njy = row.flux_err_njy
        tokens[token].band = row.band
        tokens[token].kind = row.kind
        tokens[token].rights = row.rights
    return count


@compiled
def _is_new(pool: Any, order: Any, start: Any, end: Any, k: Any, own: Any) -> Any:
    """Whether no other row of the exposure equals row k and was known as early; of equals in a packet the first."""
    for a in range(start, end):
        other = order[a]
        counts = other < k or (other >= own and pool[other].known_mjd_tai <= pool[k].known_mjd_tai)
        if counts and _same(pool[other], pool[k]):
            return False
    return True


@compiled
def _same(a: Any, b: Any) -> Any:
    """Whether two rows are equal in all but the time at which they became known; NaN equals NaN."""
    return (
        a.source_id == b.source_id
        and a.kind == b.kind
        and a.flags == b.flags
        and a.band == b.band
        and a.rights == b.rights
        and (a.mjd_tai == b.mjd_tai or (a.mjd_tai != a.mjd_tai and b.mjd_tai != b.mjd_tai))
        and a.processed_mjd_tai == b.processed_mjd_tai
        and (a.flux_njy == b.flux_njy or (a.flux_njy != a.flux_njy and b.flux_njy != b.flux_njy))
        and (
            a.flux_err_njy == b.flux_err_njy or (a.flux_err_njy != a.flux_err_njy and b.flux_err_njy != b.flux_err_njy)
        )
        and (
            a.separation_arcsec == b.separation_arcsec
            or (a.separation_arcsec != a.separation_arcsec and b.separation_arcsec != b.separation_arcsec)
        )
    )


@compiled
def _usable(pool: Any, order: Any, start: Any, end: Any, k: Any, at_mjd_tai: Any) -> Any:
    """Whether row k was known at that time, holds a good value, and no newer processing replaces or withdraws it."""
    row = pool[k]
    limit = at_mjd_tai + TIME_TOLERANCE_DAYS
    if not (np.isfinite(row.mjd_tai) and row.mjd_tai <= limit and row.known_mjd_tai <= limit):
        return False
    if row.band == UNKNOWN_BAND or row.flags & (FLAG_BAD | FLAG_WITHDRAWN):
        return False
    if not (row.flux_err_njy > 0.0 and row.flux_err_njy < np.inf):
        return False
    if row.kind != LIMIT and not np.isfinite(row.flux_njy):
        return False
    for a in range(start, end):
        other = pool[order[a]]
        if other.kind == row.kind and other.source_id == row.source_id and other.known_mjd_tai <= limit:
            if other.processed_mjd_tai > row.processed_mjd_tai:
                return False
            if other.processed_mjd_tai == row.processed_mjd_tai and other.flags & FLAG_WITHDRAWN:
                return False
    return True


@compiled
def _own_copy(pool: Any, order: Any, start: Any, end: Any, best: Any, at_mjd_tai: Any) -> Any:
    """The row that its own packet brought of the same source as row `best`, for its exact time; else `best`."""
    if pool[best].flags & FLAG_OWN:
        return best
    found = best
    for a in range(start, end):
        k = order[a]
        row = pool[k]
        same = row.kind == pool[best].kind and row.source_id == pool[best].source_id
        near = abs(row.flux_njy - pool[best].flux_njy) <= SAME_SOURCE_FLUX * abs(pool[best].flux_njy)
        better = found == best or _precedes(row, pool[found])
        if row.flags & FLAG_OWN and same and near and better and _usable(pool, order, start, end, k, at_mjd_tai):
            found = k
    return found


@compiled
def _precedes(x: Any, y: Any) -> Any:
    """Whether row x rather than row y stands for their exposure: by kind, then the nearest; a total order over all
    that a token is made of, so that arrival does not matter.
    """
    if x.kind != y.kind:
        return x.kind < y.kind
    x_far, y_far = _last_if_nan(x.separation_arcsec), _last_if_nan(y.separation_arcsec)
    if x_far != y_far:
        return x_far < y_far
    if x.source_id != y.source_id:
        return x.source_id < y.source_id
    x_flux, y_flux = _last_if_nan(-x.flux_njy), _last_if_nan(-y.flux_njy)
    if x_flux != y_flux:
        return x_flux < y_flux
    if x.flux_err_njy != y.flux_err_njy:
        return x.flux_err_njy < y.flux_err_njy
    if x.mjd_tai != y.mjd_tai:
        return x.mjd_tai < y.mjd_tai
    if x.band != y.band:
        return x.band < y.band
    return x.rights > y.rights


@compiled
def _last_if_nan(number: Any) -> Any:
    return np.float64(number) if number == number else np.inf


@compiled
def _summarise(tokens: Any, summary: Any) -> Any:
    out = summary[0]
    out.first_detection_mjd_tai = np.nan
    out.last_detection_mjd_tai = np.nan
    out.peak_flux_njy = np.nan
    out.last_flux_njy = np.nan
    out.last_flux_err_njy = np.nan
    out.peak_band = -1
    out.last_band = -1
    rights = 0
    bands = 0
    state = np.uint64(0x9E3779B97F4A7C15)
    for k in range(len(tokens)):
        token = tokens[k]
        rights = max(rights, token.rights)
        bands |= 1 << token.band
        state = _mix(state, np.float64(token.mjd_tai))
        state = _mix(state, np.float64(token.flux_njy))
        state = _mix(state, np.float64(token.flux_err_njy))
        state = _mix(state, np.float64(token.band * 4 + token.kind))
        if token.kind == FORCED:
            out.n_forced += 1
        elif token.kind == LIMIT:
            out.n_limits += 1
        elif token.kind == DETECTION:
            if out.n_detections == 0:
                out.first_detection_mjd_tai = token.mjd_tai
            if out.n_detections == 0 or token.flux_njy > out.peak_flux_njy:
                out.peak_flux_njy = token.flux_njy
                out.peak_band = token.band
            out.n_detections += 1
            out.last_detection_mjd_tai = token.mjd_tai
            out.last_flux_njy = token.flux_njy
            out.last_flux_err_njy = token.flux_err_njy
            out.last_band = token.band
    out.bands_used = bands
    out.rights = rights
    out.hash = state


@compiled
def _mix(state: Any, number: Any) -> Any:
    """One step of a 64-bit hash over the bits of a float64; every NaN counts as the same (splitmix64's finaliser)."""
    bits = np.uint64(0x7FF8000000000000) if number != number else np.float64(number).view(np.uint64)
    x = (state ^ bits) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled
def hash_rows(state: Any, values: Any) -> Any:
    """Mixes each row of a float64 array (n, fields) into a hash (n,) uint64; returns the new hash."""
    mixed = state.copy()
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            mixed[i] = _mix(mixed[i], values[i, j])
    return mixed


def warm_up() -> None:
    """Compiles the loops, or loads them from their cache, by assembling one row."""
    row = np.zeros(1, dtype=ROW_DTYPE)
    one, nothing = np.array([0, 1]), np.array([0, 0])
    assembled = assemble("ztf", row, one, np.zeros(1), np.zeros(1, dtype=np.int64), row[:0], nothing)
    hash_rows(assembled.summary["hash"].copy(), np.zeros((1, 1)))
