"""What both surveys' readers share: from packets to a checked batch of alerts, and what cannot become one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.codec import Body, PacketError, plain_schema, read_record
from schemas.packet import Packet
from schemas.projection import CannotCompile, DecodeError, Program, Projection, RowArena, compile_program

MAX_PROGRAMS = 256
"""Compiled decoders kept at most; a stream of ever new schemas must not fill the memory."""

LARGEST_MJD_TAI = 1e10
"""Times must be positive and below this: an absurd one would stay the latest of its object for ever. So wide because
Rubin's own v7.4 sample carries Unix seconds (1.48e9) where the MJD belongs [d]."""


class Problem(NamedTuple):
    """Why a decoded packet is no alert."""

    reason: str
    """One of `schemas.codec.REASONS`."""
    detail: str


class Rejected(NamedTuple):
    """A packet that could not become an alert."""

    packet: Packet
    reason: str
    detail: str
    survey: str | None = None
    """Whose reader refused it; None where it came to none."""
    alert_id: int | None = None
    """The survey's id of the alert, where it could be read."""


class SurveyReader(ABC):
    """Turns a survey's packets into alerts; keeps the compiled decoders and the arena between calls."""

    survey: str

    def __init__(self, projection: Projection) -> None:
        self._programs = ProgramCache(projection)
        self._arena = RowArena(projection)

    @abstractmethod
    def locate(self, payload: bytes) -> Body:
        """The Avro body of a packet and its writer's schema; PacketError where it has none."""

    @abstractmethod
    def normalise(
        self, arena: RowArena, packets: list[Packet], schema_keys: list[str]
    ) -> tuple[AlertBatch, list[Problem | None]]:
        """The arena's columns as alerts, and for each what is wrong with it (None if nothing)."""

    def read(self, packets: Sequence[Packet]) -> tuple[AlertBatch, list[Rejected]]:
        """The alerts of all readable packets, in order, and the packets that could not be read, with the reason."""
        self._arena.clear()
        kept: list[Packet] = []
        keys: list[str] = []
        rejected: list[Rejected] = []
        for packet in packets:
            try:
                body = self.locate(packet.payload)
                self._programs.decode_into(self._arena, body)
            except PacketError as error:
                rejected.append(Rejected(packet, error.reason, error.detail, self.survey))
            else:
                kept.append(packet)
                keys.append(body.schema_key)
        batch, problems = self.normalise(self._arena, kept, keys)
        for i, bad in enumerate(problems):
            if bad is not None:
                alert_id = int(batch.alert_id[i])
                rejected.append(Rejected(kept[i], *bad, self.survey, alert_id if alert_id > 0 else None))
        good = np.flatnonzero([problem is None for problem in problems])
        return (batch if len(good) == len(kept) else batch.take(good)), rejected


def find_problems(alerts: AlertBatch, missing: Mapping[str, npt.NDArray[np.bool_]]) -> list[Problem | None]:
    """For each alert the first thing that makes it none: a required field in `missing`, an absurd time or position."""
    problems: list[Problem | None] = [None] * len(alerts)
    time, ra, dec = alerts.mjd_tai, alerts.ra_deg, alerts.dec_deg
    checks = [(mask, Problem("missing_field", f"{name} is missing")) for name, mask in missing.items()]
    for name, values in (("time", time), ("right ascension", ra), ("declination", dec)):
        checks.append((np.isnan(values), Problem("missing_field", f"the alert has no {name}")))
    checks += [
        (~((time > 0.0) & (time < LARGEST_MJD_TAI)), Problem("bad_value", "the time is no MJD")),
        (~((ra >= 0.0) & (ra <= 360.0)), Problem("bad_value", "the right ascension is not within 0 to 360 degrees")),
        (~(np.abs(dec) <= 90.0), Problem("bad_value", "the declination is not within -90 to 90 degrees")),
    ]
    for mask, problem in checks:
        for index in np.flatnonzero(mask):
            problems[index] = problems[index] or problem
    return problems


class ProgramCache:
    """Decodes bodies into an arena by a program compiled once a writer schema, or by fastavro where none can be."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._programs: dict[Hashable, tuple[Program | None, Any]] = {}

    def decode_into(self, arena: RowArena, body: Body) -> None:
        """Appends a packet's body; PacketError where it cannot be read (the arena is then unchanged)."""
        known = self._programs.get(body.schema_key)
        if known is None:
            known = self._compile(body.schema)
            if len(self._programs) >= MAX_PROGRAMS:
                self._programs.clear()
            self._programs[body.schema_key] = known
        program, plain = known
        try:
            if program is not None:
                arena.decode(program, body.buffer, body.start, body.end)
            else:
                arena.append_record(read_record(plain, body.buffer, body.start, body.end))
        except DecodeError as error:
            raise PacketError("bad_avro", str(error)) from None

    def _compile(self, schema: dict[str, Any]) -> tuple[Program | None, Any]:
        plain = plain_schema(schema)
        try:
            return compile_program(plain, self._projection), plain
        except CannotCompile:
            return None, plain
