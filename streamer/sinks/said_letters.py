"""Dead letters in the log: each is said where it became lasting, with all that is known of its message."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from schemas import packet
from schemas.records import DeadLetter
from streamer.logs import about
from streamer.sinks.base import DeadLetterSink

log = logging.getLogger(__name__)


class SaidLetters:
    """A sink of dead letters before another one, which says them once they are lasting there."""

    def __init__(self, sink: DeadLetterSink) -> None:
        self._sink = sink
        self._unsaid: list[DeadLetter] = []

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Hands letters on."""
        self._sink.write(letters)
        self._unsaid += letters

    def committed(self) -> None:
        """To be said when what was written is lasting."""
        for letter in self._unsaid:
            say(letter)
        self._unsaid.clear()

    def taken_back(self) -> None:
        """To be said when what was written is undone: it comes again."""
        self._unsaid.clear()

    def flush(self) -> None:
        """As the sink behind it."""
        self._sink.flush()

    def close(self) -> None:
        """As the sink behind it."""
        self._sink.close()


def say(letter: DeadLetter) -> None:
    """A line for one dead letter; those of one stage and reason are of one kind."""
    at = letter.coordinates
    fields = about(
        packet.Coordinates(at.origin, at.stream, at.partition, at.offset),
        survey=letter.survey,
        alert_id=letter.alert_id,
        stage=letter.stage,
        reason=letter.reason,
        like=f"{letter.stage} {letter.reason}",
    )
    log.warning("a message became a dead letter: %s: %s", letter.reason, letter.detail, extra=fields)
