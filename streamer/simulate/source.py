"""The simulator as a source of packets: no files between the sky and the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from time import time

from schemas.packet import Coordinates, Packet
from streamer.simulate.night import NightPlan, check_plan, simulate_night


class SimulatorSource:
    """The packets of a simulated night; a second run gives equal bytes and coordinates, so it is a replay."""

    def __init__(self, plan: NightPlan) -> None:
        """Checks the plan now: ValueError, see `check_plan`."""
        check_plan(plan)
        self.plan = plan
        self.types: dict[str, str] = {}
        """Fine type of each object whose packets have been handed out."""

    def __len__(self) -> int:
        return self.plan.packets

    def __iter__(self) -> Iterator[Packet]:
        origin = f"simulator:{self.plan.survey}:{self.plan.seed}"
        for offset, packet in enumerate(simulate_night(self.plan)):
            self.types[packet.object_id] = packet.type
            yield Packet(Coordinates(origin, "", 0, offset), packet.payload, time())
