"""The fields of a log line, and how a line gets them. docs/logs.md has its tables from here."""

from __future__ import annotations

from typing import Any

from schemas.packet import Coordinates

BASE = {
    "time": "When it was said, RFC 3339 in UTC.",
    "level": "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.",
    "logger": "The module that says it.",
    "message": "What there is to say.",
    "process": "Which process says it: a worker's slot, `sink` and its kind, or the deployment for the supervisor.",
    "deployment": "The deployment that it belongs to.",
}
"""What every line has, as JSON."""

FIELDS = {
    "cluster": "Kafka cluster, as it is called in the configuration.",
    "topic": "Topic on it.",
    "partition": "Partition of the topic.",
    "offset": "Offset in the partition.",
    "survey": "`ztf` or `lsst`.",
    "alert_id": "The survey's id of the alert, where it could be read: ZTF `candid`, LSST `diaSourceId`.",
    "stage": "Stage of the pipeline, as in the dead letter.",
    "reason": "Short name of the reason, as in the dead letter.",
    "worker": "Number of a worker on its host.",
    "repeats": "So many lines like it were left out, see below.",
    "exception": "Traceback of an error that nobody foresaw.",
}
"""What a line has where it speaks of it."""

LIKE = "like"
"""Attribute of a record: lines of one message that differ in it are of different kinds, see `repeats`."""


def about(
    at: Coordinates | tuple[str, str, int] | tuple[str, str] | None = None,
    *,
    offset: int | None = None,
    survey: str | None = None,
    alert_id: int | None = None,
    stage: str | None = None,
    reason: str | None = None,
    worker: int | None = None,
    like: str | None = None,
) -> dict[str, Any]:
    """The `extra` of a log call: what the line speaks of, without what is not known.

    `at` is a message, a partition as (cluster, topic, number) or a topic as (cluster, topic). `like` tells lines of one
    message apart that must not count as repeats of each other.
    """
    if isinstance(at, Coordinates):
        offset = at.offset
        at = at.origin, at.stream, at.partition
    found = {
        **dict(zip(("cluster", "topic", "partition"), at or (), strict=False)),
        "offset": offset,
        "survey": survey,
        "alert_id": alert_id,
        "stage": stage,
        "reason": reason,
        "worker": worker,
        LIKE: like,
    }
    return {name: value for name, value in found.items() if value is not None}
