"""Alerts to offer: a pool of packets, each used again and again under ids that nothing else has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.messages import key_of
from schemas.spectrum import Spectrum
from streamer.bench.workloads import Workload
from streamer.simulate.pool import PacketPool, Turn

SPECTRUM_MJD_TAI = 50_000.0
"""Time of the spectra, before that of every packet [d]: each alert has one."""

_RNG = np.random.default_rng(0)


class AlertPool:
    """Any number of alerts of two surveys in turns, each of an object of its own, made from a few packets.

    Of alert and object number n, the survey and the packet depend on n alone.
    """

    def __init__(self, works: Sequence[Workload]) -> None:
        self._surveys = [work.survey for work in works]
        self._pools = [PacketPool(work.survey, work.payloads) for work in works]
        self._places = [_one_of_each_object(pool) for pool in self._pools]

    def survey(self, number: int) -> str:
        """The survey of an alert."""
        return self._surveys[number % len(self._surveys)]

    def object_id(self, number: int) -> str:
        """Id of an object."""
        pool, place, copy = self._find(number)
        return pool.object_id(place, Turn(copy))

    def key(self, number: int) -> bytes:
        """The key of an object's scores on our topics."""
        return key_of(self.survey(number), self.object_id(number))

    def payload(self, number: int, visit: int) -> bytes:
        """The packet of object `number` at its visit `visit`: each has an alert id of its own."""
        pool, place, copy = self._find(number)
        return pool.packet(place, Turn(copy, visit))

    def spectrum(self, number: int) -> Spectrum:
        """A made-up spectrum of an object: a slope, a broad line and noise, in as many bins as SEDM's."""
        wavelength_aa = np.arange(3_800.0, 9_200.0, 25.0)
        line = np.exp(-0.5 * ((wavelength_aa - 6_150.0) / 150.0) ** 2)
        flux = (wavelength_aa / 6_000.0) ** -1.5 - 0.5 * line + _RNG.normal(0.0, 0.05, len(wavelength_aa))
        return Spectrum(self.object_id(number), SPECTRUM_MJD_TAI, wavelength_aa, flux.astype(np.float32))

    def _find(self, number: int) -> tuple[PacketPool, int, int]:
        """The pool of an alert, its packet there, and which copy of it."""
        turn, which = divmod(number, len(self._pools))
        places = self._places[which]
        copy, at = divmod(turn, len(places))
        return self._pools[which], places[at], copy


def _one_of_each_object(pool: PacketPool) -> list[int]:
    """Places in the pool: of each object its last packet, which has the longest history."""
    return list({pool.object_id(place, Turn()): place for place in range(len(pool))}.values())
