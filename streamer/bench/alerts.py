"""Alerts to offer: a pool of packets, each used again and again under ids that nothing else has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np

from schemas.messages import key_of
from schemas.spectrum import Spectrum
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader
from streamer.bench.workloads import Workload
from streamer.sources.memory import MemorySource

FIRST_OBJECT_ID = 10**17
"""LSST objects count up from here."""

FIRST_ALERT_ID = {"lsst": 2 * 10**17, "ztf": 10**18}
"""Alerts count up from here: numbers of 9 bytes in Avro, as the surveys' own are."""

SPECTRUM_MJD_TAI = 58_000.0
"""Time of the spectra, before that of every packet [d]: each alert has one."""

_RNG = np.random.default_rng(0)


@dataclass(frozen=True, slots=True)
class _Pooled:
    """A packet, and the places of its ids."""

    payload: bytes
    alert_id_at: tuple[int, ...]
    object_id_at: tuple[int, ...]


class AlertPool:
    """Any number of alerts of two surveys in turns, made from a few packets by writing other ids into their bytes.

    Of alert and object number n, the survey and the packet depend on n alone.
    """

    def __init__(self, works: Sequence[Workload]) -> None:
        self._surveys = [work.survey for work in works]
        self._pools = [_pooled(work) for work in works]

    def survey(self, number: int) -> str:
        """The survey of an alert."""
        return self._surveys[number % len(self._surveys)]

    def object_id(self, number: int) -> str:
        """Id of an object."""
        return _object_id(self.survey(number), number)

    def key(self, number: int) -> bytes:
        """The key of an object's scores on our topics."""
        return key_of(self.survey(number), self.object_id(number))

    def payload(self, number: int, visit: int) -> bytes:
        """The packet of object `number` at its visit `visit`, below 1,000: each has an alert id of its own."""
        survey, turn = self.survey(number), number // len(self._surveys)
        pool = self._pools[number % len(self._pools)]
        pooled = pool[turn % len(pool)]
        payload = bytearray(pooled.payload)
        alert_id = _varint(FIRST_ALERT_ID[survey] + 1_000 * number + visit)
        for at in pooled.alert_id_at:
            payload[at : at + len(alert_id)] = alert_id
        object_id = _object_bytes(survey, _object_id(survey, number))
        for at in pooled.object_id_at:
            payload[at : at + len(object_id)] = object_id
        return bytes(payload)

    def spectrum(self, number: int) -> Spectrum:
        """A made-up spectrum of an object: a slope, a broad line and noise, in as many bins as SEDM's."""
        wavelength_aa = np.arange(3_800.0, 9_200.0, 25.0)
        line = np.exp(-0.5 * ((wavelength_aa - 6_150.0) / 150.0) ** 2)
        flux = (wavelength_aa / 6_000.0) ** -1.5 - 0.5 * line + _RNG.normal(0.0, 0.05, len(wavelength_aa))
        return Spectrum(self.object_id(number), SPECTRUM_MJD_TAI, wavelength_aa, flux.astype(np.float32))


def _pooled(work: Workload) -> list[_Pooled]:
    """The packets whose ids can be told apart: neither solar-system objects nor LSST objects named after this alert."""
    reader = ZtfReader() if work.survey == "ztf" else LsstReader()
    alerts, rejected = reader.read(list(MemorySource(work.payloads)))
    if rejected:
        raise ValueError(f"the bench's own {work.name} packets cannot be read: {rejected[0].detail}")
    return [
        _Pooled(
            payload,
            _places(payload, _varint(alert_id), _varint(FIRST_ALERT_ID[work.survey])),
            _places(
                payload, _object_bytes(work.survey, object_id), _object_bytes(work.survey, _object_id(work.survey, 0))
            ),
        )
        for payload, alert_id, object_id in zip(work.payloads, alerts.alert_id.tolist(), alerts.object_id, strict=True)
        if object_id.isalnum() and object_id != str(alert_id)
    ]


def _places(payload: bytes, written: bytes, new: bytes) -> tuple[int, ...]:
    """Where an id stands in a packet; ValueError where a new one would be of another length."""
    if len(written) != len(new):
        raise ValueError(f"an id of {len(written)} bytes cannot be replaced by one of {len(new)}")
    return tuple(found.start() for found in re.finditer(re.escape(written), payload))


def _object_id(survey: str, number: int) -> str:
    if survey == "lsst":
        return str(FIRST_OBJECT_ID + number)
    letters = []
    for _ in range(7):
        number, letter = divmod(number, len(ascii_lowercase))
        letters.append(ascii_lowercase[letter])
    return "ZTF18" + "".join(reversed(letters))


def _object_bytes(survey: str, object_id: str) -> bytes:
    return _varint(int(object_id)) if survey == "lsst" else object_id.encode()


def _varint(number: int) -> bytes:
    """A positive long as Avro writes it: zigzag, then 7 bits a byte, the lowest first."""
    left, found = number << 1, bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)
