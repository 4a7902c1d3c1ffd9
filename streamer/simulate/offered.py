"""A night as long as is asked for, from a pool of packets: for load, where what is inside may repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import floor
from time import time

from schemas.times import MJD_UNIX_EPOCH, SECONDS_PER_DAY, mjd_tai_from_utc
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.pool import PacketPool, Turn

NightsLater = Callable[[float], int]
"""Given the pool's latest time [MJD, TAI], how many nights later a round through it takes place."""


def as_made(latest_mjd_tai: float) -> int:
    """The night that the seed says: equal plans give equal bytes."""
    return 0


def of_late(latest_mjd_tai: float) -> int:
    """The last 24 hours, by the clock: the pool's night moves on with it."""
    now = float(mjd_tai_from_utc(MJD_UNIX_EPOCH + time() / SECONDS_PER_DAY))
    return floor(now - latest_mjd_tai)


class PooledNight:
    """The packets of a plan, made from the first `size` of them; each round shows other objects beside the former's."""

    def __init__(self, plan: NightPlan, size: int, nights_later: NightsLater = as_made) -> None:
        """Makes the pool. ValueError where plan or size make no night, or where no packet can be pooled."""
        made = list(simulate_night(replace(plan, packets=size)))
        self._pool = PacketPool(plan.survey, [packet.payload for packet in made], lane=plan.seed)
        self._truths = [made[place].without_payload() for place in self._pool.kept]
        self._packets = plan.packets
        self._nights_later = nights_later
        self._latest = max(truth.mjd_tai for truth in self._truths)

    def __len__(self) -> int:
        """How many packets are pooled."""
        return len(self._pool)

    def __iter__(self) -> Iterator[SimulatedPacket]:
        """ValueError amid it where the ids have no room for one more round."""
        turn = Turn()
        for number in range(self._packets):
            copy, place = divmod(number, len(self._pool))
            if place == 0:
                turn = Turn(copy, 0, self._nights_later(self._latest))
            yield self._packet(place, turn)

    def _packet(self, place: int, turn: Turn) -> SimulatedPacket:
        truth, pool = self._truths[place], self._pool
        parameters = truth.parameters
        if turn.nights and "epoch_mjd" in parameters:
            parameters = {**parameters, "epoch_mjd": parameters["epoch_mjd"] + turn.nights}
        return replace(
            truth,
            alert_id=pool.alert_id(place, turn),
            object_id=pool.object_id(place, turn),
            mjd_tai=truth.mjd_tai + turn.nights,
            payload=pool.packet(place, turn),
            parameters=parameters,
        )
