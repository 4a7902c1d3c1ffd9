"""Where a subscription begins, as people say it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from streamer.errors import ConfigurationError
from streamer.kafka.offsets import EARLIEST_MS, LATEST_MS

NIGHT_BEGINS_UTC = time(18)
"""Start of "tonight" (UTC): afternoon at Palomar and at Cerro Pachon alike, so no night of either survey is cut."""


def beginning_ms(start_at: str | date, now: datetime) -> int:
    """Milliseconds since 1970 of `earliest`, `latest`, `tonight` or an ISO date or date-time (UTC unless it says so).

    EARLIEST_MS and LATEST_MS stand for themselves. ConfigurationError for a text that is none of these, and for a time
    after `now`.
    """
    if start_at == "earliest":
        return EARLIEST_MS
    if start_at == "latest":
        return LATEST_MS
    begin = _night_of(now) if start_at == "tonight" else _time(start_at)
    if begin > now:
        raise ConfigurationError(f"cannot start at {start_at}: it lies in the future; `latest` waits for what comes")
    return round(begin.timestamp() * 1000)


def _night_of(now: datetime) -> datetime:
    begin = datetime.combine(now.astimezone(UTC).date(), NIGHT_BEGINS_UTC, UTC)
    return begin if begin <= now else begin - timedelta(days=1)


def _time(given: str | date) -> datetime:
    if isinstance(given, date) and not isinstance(given, datetime):
        return datetime.combine(given, time(), UTC)
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise ConfigurationError(
            f"cannot start at {given!r}: give earliest, latest, tonight, or a date such as 2026-11-21 or "
            "2026-11-21T03:30 (UTC)"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
