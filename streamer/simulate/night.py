"""A simulated night: as many packets as were asked for, in the order in which the sky would have sent them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from streamer.simulate.observing import SURVEYS
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.packets_lsst import LsstPackets
from streamer.simulate.packets_ztf import ZtfPackets
from streamer.simulate.populations import INTERESTING, Population
from streamer.simulate.scene import draw_field

PACKETS_PER_FIELD = 5_000
"""Longer nights take several fields, one after the other, so that memory does not grow with the night."""

MAX_FIELDS = 150
"""Each field takes a month of its own, and ZTF's candids have room for nights up to 2042 only."""


def packet_count(rate_per_s: float, duration_s: float) -> int:
    """How many packets `rate_per_s` for `duration_s` are, at least one."""
    return max(round(rate_per_s * duration_s), 1)


def check_night(survey: str, rate_per_s: float, duration_s: float, seed: int) -> None:
    """ValueError for an unknown survey, a negative seed, a rate or duration not above 0, too many packets."""
    if survey not in SURVEYS:
        raise ValueError(f"unknown survey {survey!r}: expected one of {', '.join(SURVEYS)}")
    for name, value in (("rate", rate_per_s), ("duration", duration_s)):
        if not 0.0 < value < math.inf:
            raise ValueError(f"the {name} must be a number above 0, not {value}")
    if rate_per_s * duration_s > PACKETS_PER_FIELD * MAX_FIELDS:
        raise ValueError(
            f"a night holds at most {PACKETS_PER_FIELD * MAX_FIELDS:,} packets: simulate more seeds instead"
        )
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, not {seed}")


def simulate_night(
    survey: str,
    rate_per_s: float,
    duration_s: float,
    seed: int,
    mixture: tuple[Population, ...] = INTERESTING,
) -> Iterator[SimulatedPacket]:
    """The `rate_per_s * duration_s` packets of a night of `survey` ('ztf' or 'lsst').

    Rate and duration only set how many: nothing here waits. The sky's time runs faster than the clock, so that objects
    come back over up to 30 nights and their histories grow. The same arguments give the same bytes. Raises ValueError
    as `check_night` does.
    """
    check_night(survey, rate_per_s, duration_s, seed)
    return _packets(survey, packet_count(rate_per_s, duration_s), seed, mixture)


def _packets(survey: str, wanted: int, seed: int, mixture: tuple[Population, ...]) -> Iterator[SimulatedPacket]:
    for index, first in enumerate(range(0, wanted, PACKETS_PER_FIELD)):
        count = min(PACKETS_PER_FIELD, wanted - first)
        field = draw_field(survey, seed, index, count, mixture)
        packets = (ZtfPackets(field) if survey == "ztf" else LsstPackets(field)).packets()
        for _ in range(count):
            yield next(packets)
