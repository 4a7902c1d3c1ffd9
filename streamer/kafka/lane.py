"""One partition of one topic of one cluster: the unit that workers share out, park and lag behind on."""

from __future__ import annotations

from typing import NamedTuple


class Lane(NamedTuple):
    """A partition that alerts are read from."""

    cluster: str
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.cluster}:{self.topic}:{self.partition}"
