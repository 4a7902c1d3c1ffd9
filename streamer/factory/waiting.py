"""What is away at the start of an always-on process is waited for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from streamer.errors import UserError
from streamer.kafka.cluster import Unreachable
from streamer.kafka.registry_api import RegistryError
from streamer.logs import about
from streamer.state.store import StoreAway

log = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
"""What is away at the start is asked again after the first wait, each time after twice the last one [s]."""

SAID_AGAIN_S = 60.0
"""While something is away, that is said this often [s]."""

T = TypeVar("T")


class Stopped(UserError):  # noqa: N818  (no error: the caller asked for it)
    """The process was told to stop before it could begin."""


def wait_for(
    ask: Callable[[], T],
    alive: Callable[[], None],
    failed: Callable[[str, str], None],
    is_stopping: Callable[[], bool],
) -> T:
    """What `ask` gives once its dependency answers; says what is waited for, and stays `alive` meanwhile."""
    wait_s, said = FIRST_WAIT_S, -SAID_AGAIN_S
    while True:
        alive()
        try:
            return ask()
        except (Unreachable, StoreAway, RegistryError) as error:
            failed("away", str(error))
            if monotonic() - said >= SAID_AGAIN_S:
                said = monotonic()
                log.warning("%s; waiting for it", error, extra=about(like=str(error)))
        until = monotonic() + wait_s
        while monotonic() < until:
            alive()
            if is_stopping():
                raise Stopped("stopped while waiting")
            sleep(0.1)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
