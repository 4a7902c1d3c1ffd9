"""The two forms of a log line: text for people, JSON for programs. Each line is one line."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from streamer.logs.fields import FIELDS, LIKE


class TextForm(logging.Formatter):
    """Time, level, who says it and what; fields as `name=value` behind; a traceback on lines of its own."""

    def __init__(self, process: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)s {process.replace('%', '%%')}: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """The line without a traceback."""
        record.message = _on_one_line(record.message)
        values = [(name, getattr(record, name, None)) for name in FIELDS]
        return " ".join(
            [super().formatMessage(record), *(f"{name}={_value(v)}" for name, v in values if v is not None)]
        )


class JsonForm(JsonFormatter):
    """One object a line, with the keys of `fields.BASE` and those of `fields.FIELDS` that it has."""

    def __init__(self, process: str, deployment: str) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"},
            static_fields={"process": process, "deployment": deployment},
            reserved_attrs=[*RESERVED_ATTRS, LIKE],
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  (as above)
        """RFC 3339 in UTC, to the microsecond."""
        when = datetime.fromtimestamp(record.created, UTC)
        return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _on_one_line(text: str) -> str:
    """The text with whatever would end or garble a line escaped."""
    return re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text.rstrip("\n"))


def _value(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r'[^\s"=]+', text) and text.isprintable() else json.dumps(text)
