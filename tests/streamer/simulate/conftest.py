"""Simulated nights, drawn once for all tests of this room."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest

from schemas.surveys.tables import survey_schema
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket

Record = dict[str, Any]
Night = list[tuple[SimulatedPacket, Record]]

SEED = 7


@pytest.fixture(scope="session")
def ztf_night() -> Night:
    packets = simulate_night(NightPlan("ztf", 600, SEED, nights=10, mixture="rich"))
    return [(packet, next(iter(fastavro.reader(io.BytesIO(packet.payload))))) for packet in packets]


@pytest.fixture(scope="session")
def lsst_night() -> Night:
    schema = fastavro.parse_schema(survey_schema("lsst", "11.1"))
    packets = simulate_night(NightPlan("lsst", 600, SEED, nights=10, mixture="rich"))
    return [(packet, fastavro.schemaless_reader(io.BytesIO(packet.payload[5:]), schema, None)) for packet in packets]
