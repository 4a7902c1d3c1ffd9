"""Offered load: packets that were made once go out again and again, as those of other objects in other places.

A packet's history takes a millisecond to draw and to encode. A pool keeps whole packets, knows where their ids, times
and positions stand, and writes others of the same lengths over them. All else stays: light curves and stamps repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.codec import read_container, read_frame
from schemas.light_curve import IntArray
from schemas.surveys.tables import survey_schema
from streamer.simulate.places import Walk, read_long

Bytes = npt.NDArray[np.uint8]
Values = npt.NDArray[Any]

LANES = 512
"""So many pools send side by side without a common id."""

COPIES = 10**8
"""So many times an object of the pool becomes another one; each copy's alerts have ids of their own for each visit."""

EAST_DEG = 10.0 / 3600.0
"""Each copy lies so much further east [deg]: no two objects are one by their places."""

_LSST_IDS = "diaSourceId diaForcedSourceId diaObjectId parentDiaSourceId alertId".split()
_LSST_TIMES = (
    "midpointMjdTai timeProcessedMjdTai timeWithdrawnMjdTai firstDiaSourceMjdTai lastDiaSourceMjdTai "
    "validityStartMjdTai radecMjdTai"
).split()

_WANTED: dict[str, dict[str, str]] = {
    "lsst": dict.fromkeys(_LSST_IDS, "id")
    | dict.fromkeys(_LSST_TIMES, "day")
    | dict.fromkeys(("time_processed", "validityStart"), "microsecond")
    | dict.fromkeys(("ra", "trailRa", "psfRa", "dipoleRa"), "ra")
    | {"visit": "visit"},
    "ztf": dict.fromkeys(("candid", "pid"), "id")
    | dict.fromkeys(("jd", "jdstarthist", "jdendhist"), "day")
    | dict.fromkeys(("ra", "ranr"), "ra")
    | {"nid": "night", "objectId": "name"},
}
"""What is written anew, by field name. References keep their times: they are older than any shift."""

_OWN = {
    "lsst": {("alertId",), ("diaSourceId",), ("diaSource", "diaSourceId")},
    "ztf": {("candid",), ("candidate", "candid")},
}
"""Where the alert's own id stands."""

_OBJECT = {"lsst": ("diaSource", "diaObjectId"), "ztf": ("objectId",)}
"""Where the object's id stands."""

_SHORTEST_ID = 5
"""Ids of fewer bytes stand for none: 0 [byte]."""

_NAME_PREFIX = 5
"""`ZTF` and the year stay; the letters behind them change [byte]."""

_MICROSECONDS_PER_DAY = 86_400 * 10**6


@dataclass(frozen=True, slots=True)
class Turn:
    """What changes from one round through the pool to the next."""

    copy: int = 0
    """Which copy of the pool's objects, 0 to `COPIES`."""
    visit: int = 0
    """Which alert of the same copy; histories do not grow from visit to visit."""
    nights: int = 0
    """All times are so many days later."""


@dataclass(slots=True)
class _Found:
    """What is written anew in one packet, by kind and length in bytes."""

    payload: bytes
    begins: dict[tuple[str, int], IntArray]
    """(n,) where each value begins."""
    alert_at: int
    object_at: int
    """Where its own id and its object's begin."""

    def values(self, kind: str, width: int) -> Values:
        """(n,) the values of a kind and length, as they stand in the packet."""
        begins = self.begins.get((kind, width), np.empty(0, np.int64))
        return _read(kind, np.frombuffer(self.payload, np.uint8)[begins[:, None] + np.arange(width)])


@dataclass(slots=True)
class _Pooled:
    """A packet that is written over in place: byte `source[i]` of a turn goes to `at[i]`."""

    data: Bytes
    at: npt.NDArray[np.int32]
    source: npt.NDArray[np.int32]
    alert_id: Bytes | npt.NDArray[np.int32]
    object_id: Bytes | npt.NDArray[np.int32]
    """Which bytes of a turn are the ids."""


class PacketPool:
    """Packets of one survey as whole packets of other objects; equal turns give equal bytes."""

    def __init__(self, survey: str, payloads: Sequence[bytes], lane: int = 0) -> None:
        """Finds where everything stands. The ids of two lanes (0 to `LANES`, beyond them again) have none in common.

        LSST packets that name no object (asteroids) are left out. ValueError where none is left.
        """
        self.survey = survey
        self._lane = lane % LANES
        self._walks: dict[str, Walk] = {}
        looked_at = [(place, self._find(payload)) for place, payload in enumerate(payloads)]
        found = {place: of_packet for place, of_packet in looked_at if of_packet is not None}
        if not found:
            raise ValueError(f"none of {len(payloads)} {survey.upper()} packets names an object: nothing to pool")
        self.kept: tuple[int, ...] = tuple(found)
        """Which of the payloads are pooled."""
        keys = sorted({key for of_packet in found.values() for key in of_packet.begins})
        self._distinct = {key: _distinct(list(found.values()), *key) for key in keys}
        ends = np.cumsum([width * len(values) for (_, width), values in self._distinct.items()])
        self._first_byte = dict(zip(keys, np.concatenate([[0], ends[:-1]]).tolist(), strict=True))
        self._packets = [self._pooled(of_packet) for of_packet in found.values()]
        self._written: dict[Turn, Bytes] = {}
        """What is written in the turns of late, the last one last."""

    def __len__(self) -> int:
        return len(self._packets)

    def packet(self, place: int, turn: Turn) -> bytes:
        """The packet at a place of the pool, as it is in a turn; ValueError where the ids have no room for that turn.

        Turns are cheap to stay in, or to go to and fro between two, and cost some milliseconds to begin.
        """
        pooled = self._packets[place]
        pooled.data[pooled.at] = self._bytes(turn)[pooled.source]
        return pooled.data.tobytes()

    def alert_id(self, place: int, turn: Turn) -> int:
        """The alert id of that packet."""
        return read_long(self._bytes(turn)[self._packets[place].alert_id].tobytes(), 0)[0]

    def object_id(self, place: int, turn: Turn) -> str:
        """The object id of that packet, as text."""
        written = self._bytes(turn)[self._packets[place].object_id].tobytes()
        return written.decode() if self.survey == "ztf" else str(read_long(written, 0)[0])

    def _bytes(self, turn: Turn) -> Bytes:
        """All values as they are written in a turn."""
        written = self._written.get(turn)
        if written is None:
            cells = [_write(kind, width, old, turn, self._lane) for (kind, width), old in self._distinct.items()]
            written = np.concatenate([matrix.ravel() for matrix in cells])
            self._written = dict([*self._written.items()][-1:]) | {turn: written}
        return written

    def _find(self, payload: bytes) -> _Found | None:
        """What is written anew in a packet; None where it names no object."""
        own, of_object = _OWN[self.survey], _OBJECT[self.survey]
        begins: dict[tuple[str, int], list[int]] = {}
        alert_at = object_at = -1
        walk, begin = self._walk(payload)
        for kind, path, at, end in walk.places(payload, begin):
            if kind == "id" and end - at < _SHORTEST_ID:
                continue
            if path in own:
                kind, alert_at = "own", at
            if path == of_object:
                object_at = at
            begins.setdefault((kind, end - at), []).append(at)
        if object_at < 0 or alert_at < 0:
            return None
        return _Found(payload, {key: np.array(places) for key, places in begins.items()}, alert_at, object_at)

    def _walk(self, payload: bytes) -> tuple[Walk, int]:
        """The walk over a packet's schema, and where its body begins."""
        if self.survey == "ztf":
            body = read_container(payload)
            if body.buffer is not payload:
                raise ValueError("the body of a container is compressed: its values have no place")
            key, schema, begin = body.schema_key, body.schema, body.start
        else:
            schema_id, begin = read_frame(payload)
            key = f"{schema_id // 100}.{schema_id % 100}"
            schema = survey_schema("lsst", key)
        if key not in self._walks:
            self._walks[key] = Walk(schema, _WANTED[self.survey])
        return self._walks[key], begin

    def _pooled(self, found: _Found) -> _Pooled:
        at, source = [], []
        for (kind, width), begins in found.begins.items():
            row = np.searchsorted(self._distinct[kind, width], found.values(kind, width))
            cell = np.arange(width)
            at.append((begins[:, None] + cell).ravel())
            source.append((self._first_byte[kind, width] + width * row[:, None] + cell).ravel())
        all_at, all_source = np.concatenate(at), np.concatenate(source).astype(np.int32)
        widths = {int(begin): width for (_, width), begins in found.begins.items() for begin in begins}

        def of_id(begin: int) -> npt.NDArray[np.int32]:
            first = int(np.flatnonzero(all_at == begin)[0])
            return all_source[first : first + widths[begin]]

        data = np.frombuffer(found.payload, np.uint8).copy()
        return _Pooled(data, all_at.astype(np.int32), all_source, of_id(found.alert_at), of_id(found.object_at))


def _distinct(found: Sequence[_Found], kind: str, width: int) -> Values:
    """The distinct values of a kind and length in all packets, sorted; own ids are among the others' histories."""
    kinds = ("id", "own") if kind in ("id", "own") else (kind,)
    return np.unique(np.concatenate([packet.values(one, width) for packet in found for one in kinds]))


def _read(kind: str, cells: Bytes) -> Values:
    """(n,) values of n cells of equal length, (n, width) bytes as they stand in a packet."""
    n, width = cells.shape
    if kind in ("day", "ra"):
        return np.ascontiguousarray(cells).view("<f8").reshape(n)
    if kind == "name":
        return np.ascontiguousarray(cells).view(f"S{width}").reshape(n)
    zigzag = ((cells & 0x7F).astype(np.uint64) << (7 * np.arange(width)).astype(np.uint64)).sum(axis=1)
    values: IntArray = (zigzag >> np.uint64(1)).astype(np.int64) ^ -(zigzag & np.uint64(1)).astype(np.int64)
    return values


def _write(kind: str, width: int, old: Values, turn: Turn, lane: int) -> Bytes:
    """(n, width) bytes of the n distinct values `old`, as they are in a turn."""
    if kind in ("id", "own"):
        visit = turn.visit if kind == "own" else 0
        return _as_longs(_fresh_ids(len(old), width, visit * COPIES + turn.copy, lane), width)
    if kind == "day":
        return _as_doubles(old + turn.nights)
    if kind == "ra":
        return _as_doubles((old + turn.copy * EAST_DEG) % 360.0)
    if kind == "microsecond":
        return _as_longs(old + turn.nights * _MICROSECONDS_PER_DAY, width)
    if kind == "night":
        return _as_longs(old + turn.nights, width)
    if kind == "visit":
        return _as_longs(_later_visits(old, turn.nights), width)
    return _as_names(old, turn.copy * len(old) + lane * _LANE_OF_NAMES)


def _fresh_ids(n: int, width: int, round_: int, lane: int) -> IntArray:
    """n ids of `width` bytes, in order, that no other round or lane has."""
    low, high = 2 ** (7 * width - 8), min(2 ** (7 * width - 1), 2**63)
    room = (high - low) // LANES
    if (round_ + 1) * n > room:
        raise ValueError(f"ids of {width} bytes have room for {room // n:,} rounds of this pool: take another seed")
    ids: IntArray = low + lane * room + round_ * n + np.arange(n)
    return ids


def _later_visits(old: IntArray, nights: int) -> IntArray:
    """Visits, YYYYMMDD and five digits, so many nights later."""
    date, number = np.divmod(old, 100_000)
    text = [f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}" for day in date.tolist()]
    later = np.array(text, dtype="datetime64[D]") + nights
    return np.array([int(str(day).replace("-", "")) for day in later], dtype=np.int64) * 100_000 + number


def _as_longs(values: IntArray, width: int) -> Bytes:
    """(n, width) Avro longs of values of 0 or more; ValueError where one takes more bytes, or fewer."""
    zigzag = values.astype(np.uint64) << np.uint64(1)
    if len(values) and not 2 ** (7 * width - 7) <= int(zigzag.min()) <= int(zigzag.max()) < 2 ** (7 * width):
        raise ValueError(f"numbers of {width} bytes do not keep their length so many nights later")
    digits = zigzag[:, None] >> (7 * np.arange(width)).astype(np.uint64)
    more = np.where(np.arange(width) < width - 1, 0x80, 0).astype(np.uint8)
    cells: Bytes = (digits & np.uint64(0x7F)).astype(np.uint8) | more
    return cells


def _as_doubles(values: Values) -> Bytes:
    return values.astype("<f8").view(np.uint8).reshape(len(values), 8)


_LANE_OF_NAMES = 1_000_003 * 7_919
"""Lanes begin far from one another in the cycle of 26^7 names."""


def _as_names(old: Values, first: int) -> Bytes:
    """(n, 12) ZTF names: the survey and the year of `old`, and the letters of the numbers from `first` on."""
    width = old.dtype.itemsize
    cells = old.view(np.uint8).reshape(len(old), width).copy()
    number = first + np.arange(len(old))
    for place in range(width - 1, _NAME_PREFIX - 1, -1):
        number, letter = np.divmod(number, len(ascii_lowercase))
        cells[:, place] = ord("a") + letter
    return cells
