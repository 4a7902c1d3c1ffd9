"""Where a subscription begins."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from streamer.client.beginning import beginning_ms
from streamer.errors import ConfigurationError
from streamer.kafka.offsets import EARLIEST_MS, LATEST_MS

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("tonight", datetime(2026, 11, 20, 18, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21T03:30", datetime(2026, 11, 21, 3, 30, tzinfo=UTC)),
        ("2026-11-21T03:30:00.5Z", datetime(2026, 11, 21, 3, 30, 0, 500_000, UTC)),
        ("2026-11-20T20:30-08:00", datetime(2026, 11, 21, 4, 30, tzinfo=UTC)),
        (date(2026, 11, 20), datetime(2026, 11, 20, tzinfo=UTC)),
        (datetime(2026, 11, 20, 5), datetime(2026, 11, 20, 5, tzinfo=UTC)),
        (datetime(2026, 11, 20, 5, tzinfo=timezone(timedelta(hours=-3))), datetime(2026, 11, 20, 8, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(said: str | date, meant: datetime) -> None:
    assert beginning_ms(said, NOW) == round(meant.timestamp() * 1000)


def test_tonight_begins_in_the_afternoon_of_both_observatories() -> None:
    begin = datetime(2026, 11, 21, 18, tzinfo=UTC)
    assert beginning_ms("tonight", begin) == beginning_ms(begin, begin)
    assert beginning_ms("tonight", begin - timedelta(seconds=1)) == beginning_ms(begin - timedelta(days=1), begin)


def test_earliest_and_latest_stand_for_themselves() -> None:
    assert beginning_ms("earliest", NOW) == EARLIEST_MS
    assert beginning_ms("latest", NOW) == LATEST_MS


@pytest.mark.parametrize("said", ["yesterday", "21.11.2026", "", "2026-13-01"])
def test_other_words_are_refused_with_what_can_be_said(said: str) -> None:
    with pytest.raises(ConfigurationError, match="earliest, latest, tonight, or a date such as"):
        beginning_ms(said, NOW)


def test_a_time_to_come_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lies in the future"):
        beginning_ms("2026-11-22", NOW)
