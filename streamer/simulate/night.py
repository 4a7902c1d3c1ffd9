"""A simulated night: as many packets as were asked for, in the order in which the sky would have sent them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.surveys.tables import LSST_VERSIONS, ZTF_VERSIONS
from streamer.simulate.lsst.packets import LsstPackets
from streamer.simulate.observing.cadence import MAX_DAYS, NIGHT_SLOTS, Pointing, pair_gap_slots, start_mjd
from streamer.simulate.observing.surveys import SURVEYS, Survey
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.scene import Field, draw_field
from streamer.simulate.sky.mixture import MIXTURES, POPULATIONS, Dealer
from streamer.simulate.ztf.packets import ZtfPackets

PACKETS_PER_GROUP = 5_000
"""Fields are drawn in groups, one group after the other, so that memory does not grow with the night."""

FIELDS_PER_GROUP = 60
"""At most."""

PACKETS_PER_FIELD = 40
"""Fewer packets take fewer fields."""

GROUPS_PER_NIGHT = 3
"""Groups that follow one another in a night; each has a third of its slots."""

_GROUP_SLOTS = NIGHT_SLOTS // GROUPS_PER_NIGHT


_VERSIONS = {"ztf": ZTF_VERSIONS, "lsst": LSST_VERSIONS}


@dataclass(frozen=True, slots=True)
class NightPlan:
    """What is asked of the simulator."""

    survey: str
    """`ztf` or `lsst`."""
    packets: int
    seed: int = 0
    nights: int = 1
    """Evenings over which the same fields are seen again, so that objects come back."""
    mixture: str = "sky"
    """One of `sky.mixture.MIXTURES`: `sky`, as a magnitude-limited night has it, or `rich`, the rare made common."""
    only: tuple[str, ...] = ()
    """Fine types to show, such as `SN Ia`; all where empty."""
    schema: str | None = None
    """The survey's schema version; None for the newest."""


def packet_count(rate_per_s: float, duration_s: float) -> int:
    """How many packets `rate_per_s` for `duration_s` are, at least one; ValueError where they are not above 0."""
    for name, value in (("rate", rate_per_s), ("duration", duration_s)):
        if not 0.0 < value < math.inf:
            raise ValueError(f"the {name} must be a number above 0, not {value}")
    if rate_per_s * duration_s > 1e9:
        raise ValueError("a simulation holds at most 1,000,000,000 packets: simulate more seeds instead")
    return max(round(rate_per_s * duration_s), 1)


def check_plan(plan: NightPlan) -> None:
    """ValueError for an unknown survey, a negative seed, no packets or nights, or more than the ids have room for."""
    if plan.survey not in SURVEYS:
        raise ValueError(f"unknown survey {plan.survey!r}: expected one of {', '.join(SURVEYS)}")
    if plan.packets < 1 or plan.nights < 1:
        raise ValueError("a night has at least one packet and takes at least one night")
    groups_at_once = GROUPS_PER_NIGHT if plan.nights == 1 else 1
    if plan.nights > MAX_DAYS:
        raise ValueError(f"a simulation takes at most {MAX_DAYS:,} nights")
    most = MAX_DAYS // plan.nights * groups_at_once * PACKETS_PER_GROUP
    if plan.packets > most:
        raise ValueError(f"{plan.nights} nights hold at most {most:,} packets: simulate more seeds instead")
    if plan.mixture not in MIXTURES:
        raise ValueError(f"unknown mixture {plan.mixture!r}: expected one of {', '.join(MIXTURES)}")
    known = [population.type for population in POPULATIONS]
    for name in plan.only:
        if name not in known:
            raise ValueError(f"unknown type {name!r}: expected some of {', '.join(known)}")
    if plan.schema is not None and plan.schema not in _VERSIONS[plan.survey]:
        versions = ", ".join(_VERSIONS[plan.survey])
        raise ValueError(f"unknown {plan.survey.upper()} schema {plan.schema!r}: expected one of {versions}")
    if plan.seed < 0:
        raise ValueError(f"the seed must be 0 or more, not {plan.seed}")


def simulate_night(plan: NightPlan) -> Iterator[SimulatedPacket]:
    """The packets of a plan, by time; nothing here waits. The same plan gives the same bytes.

    Raises ValueError as `check_plan` does.
    """
    check_plan(plan)
    return _packets(plan)


def simulate_fields(plan: NightPlan) -> Iterator[tuple[int, list[Field]]]:
    """The fields of a plan, group by group, each group with how many alerts are wanted of it; its fields send as many
    or a few more.

    Raises ValueError as `check_plan` does.
    """
    check_plan(plan)
    return _fields(plan)


def _fields(plan: NightPlan) -> Iterator[tuple[int, list[Field]]]:
    dealer = Dealer(plan.mixture, plan.only)
    for group, first in enumerate(range(0, plan.packets, PACKETS_PER_GROUP)):
        wanted = min(PACKETS_PER_GROUP, plan.packets - first)
        pointings = _pointings(plan, group, wanted)
        each = -(-wanted // len(pointings))
        yield wanted, [draw_field(plan.survey, plan.seed, pointing, each, dealer) for pointing in pointings]


def _packets(plan: NightPlan) -> Iterator[SimulatedPacket]:
    for wanted, fields in _fields(plan):
        streams = [
            (ZtfPackets if plan.survey == "ztf" else LsstPackets)(field, plan.schema).packets() for field in fields
        ]
        merged = heapq.merge(*streams, key=lambda packet: packet.mjd_tai)
        for _ in range(wanted):
            yield next(merged)


def _pointings(plan: NightPlan, group: int, packets: int) -> list[Pointing]:
    """The fields of a group: in one night groups follow one another, else each group takes nights of its own."""
    count = min(max(packets // PACKETS_PER_FIELD, 1), FIELDS_PER_GROUP)
    if plan.nights == 1:
        later, part = divmod(group, GROUPS_PER_NIGHT)
    else:
        later, part = group, 1
    first_night = int(start_mjd(plan.seed)) + later * plan.nights
    slots = _slots(np.random.default_rng([plan.seed, group]), SURVEYS[plan.survey], count)
    begin = part * _GROUP_SLOTS
    return [
        Pointing(group * FIELDS_PER_GROUP + i, first_night, plan.nights, (begin + first, begin + second))
        for i, (first, second) in enumerate(slots)
    ]


def _slots(rng: np.random.Generator, survey: Survey, count: int) -> list[tuple[int, int]]:
    """Two slots of a group's share of the night for each of `count` fields, a pair's gap apart, none used twice."""
    free = np.ones(_GROUP_SLOTS, dtype=bool)
    pairs = []
    for gap in pair_gap_slots(rng, survey, count).clip(None, 0.6 * _GROUP_SLOTS):
        first = _nearest(free, rng.uniform(0.0, _GROUP_SLOTS - gap))
        second = _nearest(free, first + gap)
        pairs.append((min(first, second), max(first, second)))
    return pairs


def _nearest(free: npt.NDArray[np.bool_], slot: float) -> int:
    """Takes the free slot nearest to one that is wanted."""
    places = np.flatnonzero(free)
    nearest = int(places[np.argmin(np.abs(places - slot))])
    free[nearest] = False
    return nearest
