"""The simulator as a source of packets: no files between the sky and the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from time import time

from schemas.packet import Coordinates, Packet
from streamer.simulate.night import check_night, packet_count, simulate_night


class SimulatorSource:
    """The packets of a simulated night; a second run gives equal bytes and coordinates, so it is a replay."""

    def __init__(self, survey: str, rate_per_s: float, duration_s: float, seed: int) -> None:
        """Checks the arguments now: ValueError, see `check_night`."""
        self.survey, self.seed = survey, seed
        check_night(survey, rate_per_s, duration_s, seed)
        self._rate_per_s, self._duration_s = rate_per_s, duration_s
        self.types: dict[str, str] = {}
        """Fine type of each object whose packets have been handed out."""

    def __len__(self) -> int:
        return packet_count(self._rate_per_s, self._duration_s)

    def __iter__(self) -> Iterator[Packet]:
        origin = f"simulator:{self.survey}:{self.seed}"
        packets = simulate_night(self.survey, self._rate_per_s, self._duration_s, self.seed)
        for offset, packet in enumerate(packets):
            self.types[packet.object_id] = packet.type
            yield Packet(Coordinates(origin, "", 0, offset), packet.payload, time())
