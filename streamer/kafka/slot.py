"""A worker's place in its deployment, of which there is one."""

from __future__ import annotations

import socket

from streamer.errors import UserError


def host_name(configured: str | None) -> str:
    """The host's name within the deployment: the configured one, or the machine's."""
    return configured or socket.gethostname()


def slot_name(configured_host: str | None, index: int) -> str:
    """A worker's name within its deployment, the same after every restart."""
    return f"{host_name(configured_host)}-{index}"


class ShutOut(UserError):  # noqa: N818  (a state, nobody's error)
    """The cluster listens to this worker no more; why, the error does not say.

    Another has its slot, or it was silent for too long, or the brokers were started anew and took it for another.
    """


class SlotTaken(UserError):  # noqa: N818  (a reason to stop, nobody's error)
    """Another worker has this one's slot."""


def slot_taken(slot: str) -> SlotTaken:
    """What a worker says that had the slot first: whoever comes later keeps it."""
    return SlotTaken(
        f"another worker has begun to run as {slot}, and keeps that place: every host of a deployment needs a name of "
        "its own (`host:` in the configuration), and one `streamer run`"
    )
