"""Rubin's names of things: visits, detectors, and the ids that are packed from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from streamer.simulate.scene import Field

_MJD_2010 = 55_197
"""Day 0 of Rubin's ids."""

_SEQUENCES_PER_DAY = 86_400.0 / 37.0
"""One visit every 37 s: a visit's number within its night follows from its time."""

_DAY_BITS, _SEQUENCE_BITS, _DETECTOR_BITS, _COUNTER_BITS = 15, 15, 8, 19
"""Layout of Rubin's ids, as 67 packets of v10.0 have it, from the top: release, day, visit, detector, counter."""

_LANE_BITS = 13
"""Fields of a simulation may share a visit of long ago: each of 64 counts from its own multiple of 8,192, in a release
of their own."""

_EDGE_PX = 14.5
"""Rubin finds nothing nearer to the edge of a detector."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which visit and detector saw what, of one field."""

    field: Field
    visit: IntArray
    """(E,) yyyymmdd and five digits of the visit's number within the night."""
    day: IntArray
    """(E,) MJD of the noon before, UTC."""
    sequence: IntArray
    """(E,) number of the visit within the night."""
    turn: IntArray
    """(E,) by how many detectors a visit is off the field's first one: each visit turns and shifts the camera."""
    shift_px: FloatArray
    """(2, E)"""

    def detector(self, k: IntArray, exposure: IntArray) -> IntArray:
        """Detector on which objects fall, same shape."""
        detector: IntArray = (self.field.objects.cell[k] + self.turn[exposure]) % self.field.survey.cells
        return detector

    def pixel(self, k: IntArray, exposure: IntArray) -> tuple[FloatArray, FloatArray]:
        """True x and y on the detector, same shape."""
        o = self.field.objects
        width, height = (side - 2.0 * _EDGE_PX for side in self.field.survey.cell_px)
        x = _EDGE_PX + (o.x_px[k] + self.shift_px[0, exposure]) % width
        y = _EDGE_PX + (o.y_px[k] + self.shift_px[1, exposure]) % height
        return x, y

    def ids(self, k: IntArray, exposure: IntArray) -> IntArray:
        """(n,) ids of n records of one kind, all that there are: counted within visit and detector."""
        detector = self.detector(k, exposure)
        place = exposure.astype(np.int64) * (1 << _DETECTOR_BITS) + detector
        order = np.lexsort((k, place))
        begins = np.flatnonzero(np.diff(place[order], prepend=-1))
        counter = np.empty(len(k), dtype=np.int64)
        counter[order] = np.arange(len(k)) - np.repeat(begins, np.diff([*begins.tolist(), len(k)]))
        release, lane = divmod(self.field.index, 1 << (_COUNTER_BITS - _LANE_BITS))
        packed = (1 + release << _DAY_BITS) + self.day[exposure] - _MJD_2010
        packed = (packed << _SEQUENCE_BITS) + self.sequence[exposure]
        packed = (packed << _DETECTOR_BITS) + detector
        ids: IntArray = (packed << _COUNTER_BITS) + (lane << _LANE_BITS) + counter + 1
        return ids


def identify(rng: np.random.Generator, field: Field) -> Identity:
    """Visits of a field, and how each of them holds the camera."""
    n = len(field.exposures)
    # A night is named by the date of its evening at the telescope, and its visits are counted from noon UTC.
    since_noon = field.exposures.mjd_tai - 0.5
    day = np.floor(since_noon).astype(np.int64)
    sequence = np.floor((since_noon - day) * _SEQUENCES_PER_DAY).astype(np.int64)
    days = (day - 40_587).astype("datetime64[D]").astype(str)
    dates = np.char.replace(days, "-", "").astype(np.int64)
    return Identity(
        field,
        dates * 100_000 + sequence,
        day,
        sequence,
        rng.integers(field.survey.cells, size=n),
        rng.uniform(0.0, 3_900.0, (2, n)),
    )


_YEARS, _HALF_MONTHS, _LETTERS = 46, "ABCDEFGHJKLMNOPQRSTUVWXY", "ABCDEFGHJKLMNOPQRSTUVWXYZ"
_CYCLES = 620
_CYCLE_TENS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DESIGNATIONS = _YEARS * len(_HALF_MONTHS) * len(_LETTERS) * _CYCLES
_PER_FIELD = 8_192
_STRIDE = 7_368_787
"""A prime: neighbouring numbers get designations far apart."""


def designation(field_index: int, number: int) -> tuple[str, str]:
    """(packed, readable) provisional designation of a made-up asteroid, `K17SA9A` and `2017 SA109` in form.

    The numbers of a field, below 8,192, have one each, and 2,000 fields share none (Minor Planet Center, Packed
    Provisional and Permanent Designations).
    """
    rest = (field_index * _PER_FIELD + number) * _STRIDE % _DESIGNATIONS
    rest, half_month = divmod(rest, len(_HALF_MONTHS))
    rest, letter = divmod(rest, len(_LETTERS))
    year, cycle = divmod(rest, _CYCLES)
    year += 1980
    century = "J" if year < 2000 else "K"
    half, second = _HALF_MONTHS[half_month], _LETTERS[letter]
    packed = f"{century}{year % 100:02d}{half}{_CYCLE_TENS[cycle // 10]}{cycle % 10}{second}"
    return packed, f"{year} {half}{second}{cycle or ''}"


def ss_object_ids(field: Field) -> IntArray:
    """(K,) ssObjectId of what moves, its packed designation read as a number, as Rubin has it; 0 for all else."""
    ids = np.zeros(len(field.objects), dtype=np.int64)
    for number, k in enumerate(np.flatnonzero(field.objects.moving)):
        ids[k] = int.from_bytes(designation(field.index, number)[0].encode(), "big")
    return ids
