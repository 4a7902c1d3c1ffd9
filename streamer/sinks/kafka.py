"""Scores, embeddings and dead letters to our topics, as messages of the open transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from schemas.alert import DATA_RIGHTS
from schemas.messages import key_of
from schemas.records import DeadLetter
from schemas.scored import ScoredBatch
from schemas.wire import Record, embedding_records, scored_alert_records
from streamer.kafka.topics import Topics

Send = Callable[[str, bytes, bytes], None]
"""Takes topic, key and value."""

ROOM_BYTES = 65_536
"""What a dead letter needs beside the message that it holds [byte]."""


class Encoder(Protocol):
    """Writes records of one schema as values of messages."""

    def encode(self, record: Record) -> bytes:
        """The value of one message."""
        ...


class KafkaSink:
    """Sends each score, and its embedding if it has one; what rests on non-public data goes to topics of its own."""

    def __init__(self, send: Send, topics: Topics, scored: Encoder, embeddings: Encoder) -> None:
        self._send = send
        self._routes = (
            (scored_alert_records, scored, topics.scored, topics.scored_restricted),
            (embedding_records, embeddings, topics.embeddings, topics.embeddings_restricted),
        )

    def write(self, scored: ScoredBatch) -> None:
        """Hands the batch to the open transaction."""
        for records, encoder, public, restricted in self._routes:
            for record in records(scored):
                topic = public if record["data_rights"] == DATA_RIGHTS[0] else restricted
                self._send(topic, key_of(record["survey"], record["object_id"]), encoder.encode(record))

    def flush(self) -> None:
        """The transaction's commit does it."""

    def close(self) -> None:
        """The transaction's owner does it."""


class KafkaDeadLetterSink:
    """Sends each dead letter under its coordinates; of a message that no topic takes whole, the first part."""

    def __init__(self, send: Send, topics: Topics, letters: Encoder, message_max_bytes: int) -> None:
        self._send, self._topic, self._letters = send, topics.dead_letters, letters
        self._payload_max_bytes = max(message_max_bytes - ROOM_BYTES, 0)

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Hands the letters to the open transaction."""
        for letter in letters:
            whole = letter.payload
            if len(whole) > self._payload_max_bytes:
                kept = f"{letter.detail} (the first {self._payload_max_bytes} of {len(whole)} bytes)"
                letter = letter.model_copy(update={"payload": whole[: self._payload_max_bytes], "detail": kept})
            self._send(self._topic, str(letter.coordinates).encode(), self._letters.encode(letter.model_dump()))

    def flush(self) -> None:
        """The transaction's commit does it."""

    def close(self) -> None:
        """The transaction's owner does it."""
