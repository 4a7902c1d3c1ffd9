"""What both surveys' normalisation shares: columns of a decoded arena into columns of an `AlertBatch`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, ROW_DTYPE, UNKNOWN_BAND, ByteArray, FloatArray, IntArray
from schemas.projection import RowArena, Rows

ZERO_POINT_AB_NJY = 31.4
"""AB magnitude of 1 nJy."""

_BAND_OF_LETTER = np.full(256, UNKNOWN_BAND, dtype=np.uint8)
for _index, _letter in enumerate(BANDS):
    _BAND_OF_LETTER[ord(_letter)] = _index


def spans_of(arena: RowArena, name: str) -> list[memoryview | None]:
    """The bytes of a text or bytes field of each packet's own record, uncopied; None where it is null."""
    rows = arena["alert"]
    spans = rows.spans[:, rows.span_names.index(name)].tolist()
    return [None if first < 0 else arena.buffer(packet)[first:end] for packet, (first, end) in enumerate(spans)]


def texts_of(arena: RowArena, name: str) -> list[str | None]:
    """A text field of each packet's own record; None where it is null."""
    return [None if span is None else str(span, "utf-8", "replace") for span in spans_of(arena, name)]


def first_letters(arena: RowArena, table: str, name: str, count: int = 1) -> ByteArray:
    """First `count` bytes of a text field of each row of `table`, 0 past its end or where null, (rows, count)."""
    rows = arena[table]
    spans = rows.spans[:, rows.span_names.index(name)]
    places = spans[:, :1] + np.arange(count)
    inside = places < spans[:, 1:]
    letters = np.zeros(places.shape, dtype=np.uint8)
    for packet in np.flatnonzero(np.diff(rows.offsets)):
        held = slice(int(rows.offsets[packet]), int(rows.offsets[packet + 1]))
        buffer = np.frombuffer(arena.buffer(int(packet)), dtype=np.uint8)
        letters[held][inside[held]] = buffer[places[held][inside[held]]]
    return letters


def bands_of(arena: RowArena, table: str, name: str) -> ByteArray:
    """Band index of a one-letter text field for each row of `table`, `UNKNOWN_BAND` where it names none of `BANDS`."""
    letters = first_letters(arena, table, name, 2)
    bands: ByteArray = np.where(letters[:, 1] == 0, _BAND_OF_LETTER[letters[:, 0]], UNKNOWN_BAND).astype(np.uint8)
    return bands


def value(rows: Rows, name: str) -> FloatArray:
    """A numeric field as float64 with NaN where it is null, shape (rows,)."""
    if name in rows.float_names:
        return rows.floats[:, rows.float_names.index(name)]
    index = rows.int_names.index(name)
    column = rows.ints[:, index].astype(np.float64)
    column[null_ints(rows)[:, index]] = np.nan
    return column


def integer(rows: Rows, name: str) -> IntArray:
    """An integer field, 0 where it is null, shape (rows,), a view."""
    return rows.ints[:, rows.int_names.index(name)]


def flag(rows: Rows, name: str) -> npt.NDArray[np.bool_]:
    """A boolean field, null taken as false, shape (rows,)."""
    return np.asarray(integer(rows, name) != 0)


def null_ints(rows: Rows) -> npt.NDArray[np.bool_]:
    """Which integer fields are null, shape (rows, integer fields)."""
    order = {name: place for place, name in enumerate(rows.field_names)}
    return rows.is_null[:, [order[name] for name in rows.int_names]]


def numeric_fields(
    rows: Rows, prefixes: tuple[str, ...], leave_out: frozenset[str]
) -> tuple[tuple[str, ...], FloatArray]:
    """All numbers whose name starts with one of `prefixes`, as (names, float64 (rows, names)), NaN where null."""
    floats = [i for i, n in enumerate(rows.float_names) if n.startswith(prefixes) and n not in leave_out]
    ints = [i for i, n in enumerate(rows.int_names) if n.startswith(prefixes) and n not in leave_out]
    names = tuple([rows.float_names[i] for i in floats] + [rows.int_names[i] for i in ints])
    values = np.empty((len(rows.floats), len(names)), dtype=np.float64)
    values[:, : len(floats)] = rows.floats[:, floats]
    values[:, len(floats) :] = np.where(null_ints(rows)[:, ints], np.nan, rows.ints[:, ints])
    return names, values


class RowLayout:
    """Where the rows of each source table go in the flat rows of a batch: own source first, then each history."""

    def __init__(self, n_alerts: int, histories: Sequence[IntArray]) -> None:
        counts = 1 + sum((np.diff(offsets) for offsets in histories), np.zeros(n_alerts, dtype=np.int64))
        self.offsets: IntArray = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.rows = np.zeros(int(self.offsets[-1]), dtype=ROW_DTYPE)
        self.own: IntArray = self.offsets[:-1]
        self.places: list[IntArray] = []
        """For each history the place of its rows in `rows`."""
        begin = self.offsets[:-1] + 1
        for offsets in histories:
            lengths = np.diff(offsets)
            self.places.append(np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[-1]))
            begin = begin + lengths


def flux_from_magnitude(magnitude: FloatArray) -> FloatArray:
    """AB magnitude to nJy: f = 10^((31.4 - m) / 2.5) (Oke & Gunn 1983), any shape."""
    return np.asarray(10.0 ** ((ZERO_POINT_AB_NJY - magnitude) / 2.5), dtype=np.float64)


def separation_arcsec(ra_deg: FloatArray, dec_deg: FloatArray, ra0_deg: FloatArray, dec0_deg: FloatArray) -> FloatArray:
    """Small-angle separation [arcsec] (tangent plane at the second point), any shape."""
    east = (np.mod(ra_deg - ra0_deg + 180.0, 360.0) - 180.0) * np.cos(np.deg2rad(dec0_deg))
    return np.asarray(3600.0 * np.hypot(east, dec_deg - dec0_deg), dtype=np.float64)
