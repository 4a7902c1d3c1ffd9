"""What one schema registry has answered, kept in a folder, so that a restart needs no registry."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from streamer.errors import ConfigurationError
from streamer.kafka.registry_api import Schema, parse_record

log = logging.getLogger(__name__)


class SchemaCache:
    """Schemas by id and ids by subject, one file each; any number of workers may share the folder.

    A file is there whole or not at all, and one that is damaged counts as not there.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder; ConfigurationError where that cannot be."""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot make the folder {folder} for schemas ({error.strerror}): give another cache_folder"
            ) from None

    def schema(self, schema_id: int) -> Schema | None:
        """The schema with this id, None where it is not kept."""
        try:
            return parse_record(self._schema_file(schema_id).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def keep_schema(self, schema_id: int, schema: Schema) -> None:
        """Keeps a schema for the next start."""
        self._write(self._schema_file(schema_id), json.dumps(schema))

    def registered(self, subject: str, schema_text: str) -> int | None:
        """The id under which exactly this text was registered last, None where it was not."""
        try:
            kept = json.loads(self._subject_file(subject).read_text(encoding="utf-8"))
            return int(kept["id"]) if kept["schema"] == schema_text else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def keep_registered(self, subject: str, schema_text: str, schema_id: int) -> None:
        """Keeps the id of a registered schema for the next start."""
        self._write(self._subject_file(subject), json.dumps({"id": schema_id, "schema": schema_text}))

    def _schema_file(self, schema_id: int) -> Path:
        return self._folder / f"{schema_id}.avsc"  # the names that `--schemas` looks for

    def _subject_file(self, subject: str) -> Path:
        return self._folder / f"{quote(subject, safe='')}.json"

    def _write(self, file: Path, text: str) -> None:
        """Writes a file whole or not at all; where it cannot, that is said, and the next start asks the registry."""
        try:
            descriptor, unfinished = tempfile.mkstemp(dir=self._folder, suffix=".unfinished")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                    out.write(text)
                    out.flush()
                    os.fsync(out.fileno())
                Path(unfinished).replace(file)
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise
        except OSError as error:
            log.warning("cannot keep %s for the next start: %s", file, error.strerror)
