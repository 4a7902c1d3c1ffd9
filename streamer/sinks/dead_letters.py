"""Dead letters in files: Avro containers of dead_letter v1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schemas.records import DeadLetter, RecordFileError, read_dead_letters, write_dead_letters
from streamer.sinks.base import SinkError

FLUSH_BYTES = 64 * 2**20
"""Payloads kept in memory up to this many bytes."""


LETTERS_FOLDER = "dead_letters"
"""Name of the folder of dead letters in a folder of results."""


class AvroDeadLetterSink:
    """Writes `directory`/dead_letters/NNNNNN.avro, each whole or not at all; a message stands in one of them once."""

    def __init__(self, directory: Path | str) -> None:
        self._folder = Path(directory) / LETTERS_FOLDER
        self._waiting: list[DeadLetter] = []
        self._waiting_bytes = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            files = sorted(self._folder.glob("*.avro"))
            self._known = {str(letter.coordinates) for file in files for letter in read_dead_letters(file)}
        except OSError as error:
            raise SinkError(f"cannot use the folder {self._folder}: {error.strerror}") from None
        except RecordFileError as error:
            raise SinkError(f"{error}: move it away, or use another folder") from None
        self._next = 1 + max((int(file.stem) for file in files if file.stem.isdecimal()), default=0)

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Takes dead letters; the first of equal coordinates stays."""
        for letter in letters:
            coordinates = str(letter.coordinates)
            if coordinates not in self._known:
                self._known.add(coordinates)
                self._waiting.append(letter)
                self._waiting_bytes += len(letter.payload)
        if self._waiting_bytes >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what waits as one container."""
        if not self._waiting:
            return
        file = self._folder / f"{self._next:06d}.avro"
        unfinished = file.with_suffix(".unfinished")
        try:
            write_dead_letters(unfinished, self._waiting)
            unfinished.replace(file)
        except OSError as error:
            raise SinkError(f"cannot write {file}: {error.strerror}") from None
        self._next += 1
        self._waiting, self._waiting_bytes = [], 0

    def close(self) -> None:
        """Writes what waits."""
        self.flush()
