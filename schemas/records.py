"""What the service publishes, as typed models, with readers and writers of Avro containers.

A container is read by any Avro reader too; these give typed, checked objects:

    for alert in read_scored_alerts("scored.avro"):
        print(alert.object_id, alert.predicted_class, alert.class_scores)
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError

from schemas import packet
from schemas.wire import DEAD_LETTER, EMBEDDING, SCORED_ALERT, SPECTRUM, parsed_schema

Source = str | Path | bytes | IO[bytes]
"""Where a container is: its path, its bytes, or an open binary file."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RecordFileError(ValueError):
    """A file is not a container of these records; the message says what it is instead."""


def _from_micros(value: Any) -> Any:
    """Avro's timestamp-micros as read without logical types."""
    return _EPOCH + timedelta(microseconds=value) if isinstance(value, int) else value


Timestamp = Annotated[AwareDatetime, BeforeValidator(_from_micros)]
"""A time in UTC, to the microsecond; an integer counts microseconds since 1970."""

DataRights = Literal["public", "partnership", "caltech"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


R = TypeVar("R", bound=_Record)

UNREADABLE = (
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    struct.error,
    zlib.error,
    SchemaParseException,
    SchemaResolutionError,
)
"""What fastavro raises on bytes that are no container, or a broken one, or of another schema."""


class ClassScores(_Record):
    """Scores of the broad classes; they sum to 1."""

    p_sn_i: float
    p_sn_ii: float
    p_slsn: float
    p_cv: float
    p_agn: float
    p_tde: float
    p_other: float


class Contribution(_Record):
    """What one light-curve feature gave to the trees' raw score of the predicted class; `value` is None if unknown."""

    name: str
    value: float | None
    contribution: float


class Calibration(_Record):
    """What the scores' calibration rests on."""

    domain: str
    n: int
    method: str


class LightCurveSummary(_Record):
    """The light curve used, in a few numbers; fluxes are signed difference fluxes in nJy."""

    n_forced: int
    n_limits: int
    first_detection_mjd_tai: float | None
    last_detection_mjd_tai: float | None
    peak_flux_njy: float | None
    peak_band: str | None
    last_flux_njy: float | None
    last_flux_err_njy: float | None
    last_band: str | None
    bands_used: tuple[str, ...]


class ScoredAlert(_Record):
    """One score of one alert (scored_alert v1); docs/schemas.md says what each field is."""

    survey: str
    alert_id: int
    model: str
    version: str
    revision: int
    trigger: str
    supersedes: int | None
    object_id: str
    ra_deg: float
    dec_deg: float
    mjd_tai: float
    published: Timestamp | None
    received: Timestamp
    scored: Timestamp
    schema_version: str
    bundle_hash: str
    evidence_hash: str
    modalities: tuple[str, ...]
    modality_weights: dict[str, float]
    top_contributions: tuple[Contribution, ...] = ()
    class_scores: ClassScores | None
    taxonomy_scores: dict[str, float] = {}
    calibration: Calibration | None
    predicted_class: str | None
    prediction_set: tuple[str, ...]
    novelty: float | None
    unclassified_reason: str | None
    real_score: float | None
    survey_real_score: float | None = None
    quality_flags: tuple[str, ...]
    selections: tuple[str, ...]
    selection_scores: dict[str, float]
    context: dict[str, bool | int | float | str | None] | None
    n_detections: int
    light_curve: LightCurveSummary
    data_rights: DataRights


class Embedding(_Record):
    """Where an alert lies in the bundle's space (embedding v1)."""

    survey: str
    alert_id: int
    model: str
    version: str
    revision: int
    object_id: str
    mjd_tai: float
    bundle_hash: str
    data_rights: DataRights
    embedding: tuple[float, ...]


class Spectrum(_Record):
    """One spectrum of an object, as whoever took it published it (spectrum v1); docs/schemas.md says more."""

    survey: str
    object_id: str
    mjd_tai: float
    instrument: str
    published_by: str
    flux_unit: str
    redshift: float | None
    data_rights: DataRights
    wavelength_aa: tuple[float, ...]
    flux: tuple[float, ...]
    flux_var: tuple[float, ...]


class Coordinates(_Record):
    """Where a message was met."""

    origin: str
    stream: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return str(packet.Coordinates(self.origin, self.stream, self.partition, self.offset))


class DeadLetter(_Record):
    """A message that could not be processed (dead_letter v1); `payload` is the whole of it, where it could be had."""

    coordinates: Coordinates
    survey: str | None
    alert_id: int | None = None
    stage: str
    reason: str
    detail: str
    received: Timestamp
    published: Timestamp | None
    payload: bytes

    @classmethod
    def of(
        cls,
        message: packet.Packet,
        *,
        reason: str,
        stage: str,
        detail: str,
        survey: str | None = None,
        alert_id: int | None = None,
    ) -> Self:
        """The dead letter of a message; what of `detail` no text can hold (a file's name of any bytes) is escaped."""
        at = message.coordinates
        published = message.published_unix_s
        return cls(
            coordinates=Coordinates(origin=at.origin, stream=at.stream, partition=at.partition, offset=at.offset),
            survey=survey,
            alert_id=alert_id,
            stage=stage,
            reason=reason,
            detail=detail.encode("utf-8", "backslashreplace").decode("utf-8"),
            received=round(message.received_unix_s * 1e6),
            published=None if published is None else round(published * 1e6),
            payload=message.payload,
        )


def read_scored_alerts(source: Source) -> Iterator[ScoredAlert]:
    """The scored alerts of an Avro container, one after another; RecordFileError where it is none or is broken."""
    return _read(source, SCORED_ALERT, ScoredAlert)


def read_embeddings(source: Source) -> Iterator[Embedding]:
    """The embeddings of an Avro container, one after another; RecordFileError where it is none or is broken."""
    return _read(source, EMBEDDING, Embedding)


def read_dead_letters(source: Source) -> Iterator[DeadLetter]:
    """The dead letters of an Avro container, one after another; RecordFileError where it is none or is broken."""
    return _read(source, DEAD_LETTER, DeadLetter)


def read_spectra(source: Source) -> Iterator[Spectrum]:
    """The spectra of an Avro container, one after another; RecordFileError where it is none or is broken."""
    return _read(source, SPECTRUM, Spectrum)


def write_scored_alerts(target: str | Path | IO[bytes], records: Iterable[ScoredAlert]) -> None:
    """Writes an Avro container of scored_alert v1."""
    _write(target, SCORED_ALERT, records)


def write_embeddings(target: str | Path | IO[bytes], records: Iterable[Embedding]) -> None:
    """Writes an Avro container of embedding v1."""
    _write(target, EMBEDDING, records)


def write_dead_letters(target: str | Path | IO[bytes], records: Iterable[DeadLetter]) -> None:
    """Writes an Avro container of dead_letter v1."""
    _write(target, DEAD_LETTER, records)


def write_spectra(target: str | Path | IO[bytes], records: Iterable[Spectrum]) -> None:
    """Writes an Avro container of spectrum v1."""
    _write(target, SPECTRUM, records)


def _read(source: Source, schema: str, model: type[R]) -> Iterator[R]:
    name = str(source) if isinstance(source, str | Path) else f"this {schema} container"
    with _opened(source) as file:
        try:
            container = fastavro.reader(file, reader_schema=parsed_schema(schema))
            written = container.writer_schema
            kind = written.get("name") if isinstance(written, dict) else written
            if kind != parsed_schema(schema)["name"]:
                raise ValueError(f"it holds {kind}")
            for record in container:
                yield model.model_validate(record)
        except ValidationError as error:
            first = error.errors()[0]
            raise RecordFileError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except UNREADABLE as error:
            raise RecordFileError(f"{name} cannot be read as {schema}: {error or type(error).__name__}") from None


def _write(target: str | Path | IO[bytes], schema: str, records: Iterable[_Record]) -> None:
    if isinstance(target, str | Path):
        with Path(target).open("wb") as file:
            _write(file, schema, records)
    else:
        fastavro.writer(target, parsed_schema(schema), (record.model_dump() for record in records))


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            yield file
    elif isinstance(source, bytes):
        yield io.BytesIO(source)
    else:
        yield source
