"""A client of MongoDB as the store and the sink use it: time limits, lasting writes, and failures in one line each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

from pymongo import MongoClient, ReadPreference
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

from streamer.errors import ConfigurationError

_AWAY = {6, 7, 64, 89, 91, 100, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
"""Codes of MongoDB that say: not now. Hosts, primaries or majorities that are not there, shutting down, time limits."""

_NOT_ALLOWED, _WRONG_PASSWORD = 13, 18


class Failing(Enum):
    """Whether waiting helps."""

    AWAY = auto()
    """The server cannot be reached now, or does not answer in time: try again later."""
    REFUSED = auto()
    """It does not let us in as we are configured."""
    BROKEN = auto()
    """It will never do what was asked."""


def open_client(uri: str, username: str | None, password: str | None, timeout_s: float) -> MongoClient[dict[str, Any]]:
    """A client that asks the server nothing yet, and waits for each answer no longer than `timeout_s` [s].

    Whatever the address says, a write is acknowledged when the majority of the servers have it in their journals, and
    reads go to the primary: who writes must see what was written. ConfigurationError where the address cannot be used.
    """
    try:
        return MongoClient(
            uri,
            username=username,
            password=password,
            timeoutMS=round(1000 * timeout_s),
            serverSelectionTimeoutMS=round(1000 * timeout_s),
            w="majority",
            journal=True,
            read_preference=ReadPreference.PRIMARY,
            tz_aware=True,
            appname="transient-streamer",
        )
    except (PyMongoError, ValueError) as error:
        raise ConfigurationError(f"the MongoDB address {without_user(uri)} cannot be used: {_line(error)}") from None


def without_user(uri: str) -> str:
    """The address for messages: without user, password and options."""
    return re.sub("//.*@", "//", uri.partition("?")[0])


def explain(error: PyMongoError, what: str, username: str | None, timeout_s: float) -> tuple[Failing, str]:
    """What a failure means, and one line that says so of `what` (a database, a collection) and what to do."""
    codes = set(_codes(error))
    if _WRONG_PASSWORD in codes:
        return Failing.REFUSED, f"the {what} refuses the user {username!r}: check the user name and the password"
    if _NOT_ALLOWED in codes:
        return Failing.REFUSED, (
            f"the {what} does not let the user {username!r} do this: give it the role readWrite ({_line(error)})"
        )
    if error.timeout:
        return Failing.AWAY, (
            f"the {what} did not answer within {timeout_s:g} s: is it running, and is the address right?"
        )
    if isinstance(error, ConnectionFailure) or error.has_error_label("RetryableWriteError") or codes & _AWAY:
        return Failing.AWAY, f"the {what} is away: {_line(error)}"
    return Failing.BROKEN, f"the {what} failed: {_line(error)}"


def _line(error: Exception) -> str:
    """What the server said, or the first sentence: the driver's messages go on with the state of each server."""
    parts = _parts(error) if isinstance(error, BulkWriteError) else []
    said = parts[0].get("errmsg", "?") if parts else str(error).split(", full error:")[0]
    return " ".join(said.split())[:300]


def _codes(error: PyMongoError) -> Iterator[int]:
    """The server's codes in an error, those of a bulk's parts included."""
    if isinstance(error, OperationFailure):
        yield from (part["code"] for part in _parts(error))
        if error.code is not None:
            yield error.code


def _parts(error: OperationFailure) -> list[dict[str, Any]]:
    details: Any = error.details or {}
    return [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
