"""Documents of the object store on MongoDB, to and from the nouns. Decision 9 says what the short names mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from schemas.alert import AlertBatch
from schemas.scored import ScoredBatch
from schemas.spectrum import Spectrum
from streamer.state.mongodb_database import Document
from streamer.state.packing import alert_batch, alert_rows, last_score, spectrum, spectrum_row
from streamer.state.store import LastScore

_ALERT_FIELDS = "o t p ra dec rights real q sso gone v rx pub n m".split()
"""Fields of an alert in the order of `schemas.alert`; the names and values of its metadata last."""

_COMPARED_FIRST = "p m n".split()
"""Fields that stand first in an alert's document: MongoDB compares documents field by field."""

_SCORE_FIELDS = "a r model v t u c nov n e".split()
"""Fields of a score in the order of LastScore."""


def names_document(names: tuple[str, ...]) -> Document:
    """Names of metadata, once for all alerts that have the same ones; its id is made of them."""
    text = json.dumps(names)
    return {"_id": hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), "names": text}


def alert_documents(alerts: AlertBatch, names_id: str) -> Iterator[Document]:
    """What is kept of each alert. Two of one alert are compared as MongoDB does it, by `p` and then by `m`."""
    for _, *values in alert_rows(alerts, names_id):
        fields = dict(zip(_ALERT_FIELDS, values, strict=True))
        yield {name: fields[name] for name in _COMPARED_FIRST} | fields


def decoded_alert(survey: str, document: Document, names: str, coordinates: str | None) -> AlertBatch:
    """A batch of one alert from its document, the names of its metadata, and the message that first carried it."""
    values = (document["a"][field] for field in _ALERT_FIELDS)
    return alert_batch(survey, (document["_id"], *values, coordinates, names))


def score_documents(scored: ScoredBatch) -> Iterator[Document]:
    """What is kept of each score. MongoDB's order of two is that of time, revision, alert and scoring."""
    width = scored.class_scores.shape[1] * 4
    class_scores = np.ascontiguousarray(scored.class_scores, np.float32).tobytes()
    columns = zip(
        scored.mjd_tai.tolist(),
        scored.revision.tolist(),
        scored.alert_id.tolist(),
        scored.scored_unix_s.tolist(),
        [scored.model] * len(scored),
        [scored.version] * len(scored),
        [class_scores[start : start + width] for start in range(0, len(class_scores), width)],
        scored.novelty.tolist(),
        scored.n_detections.tolist(),
        scored.evidence_hash,
        strict=True,
    )
    fields = "t r a u model v c nov n e".split()
    return (dict(zip(fields, values, strict=True)) for values in columns)


def kept_score(document: Document) -> LastScore:
    """A score from its document."""
    return last_score((None, *(document[field] for field in _SCORE_FIELDS)))


def spectrum_document(one: Spectrum) -> Document:
    """A spectrum; equal ones have equal documents."""
    object_id, mjd_tai, digest, redshift, wavelength_aa, flux, flux_var = spectrum_row(one)
    return {"o": object_id, "t": mjd_tai, "d": digest, "w": wavelength_aa, "f": flux, "v": flux_var, "z": redshift}


def spectrum_key(document: Document) -> tuple[str, float, bytes]:
    """What tells a spectrum from all others; in the order of time for one object."""
    return document["o"], document["t"], document["d"]


def kept_spectrum(document: Document) -> Spectrum:
    """A spectrum from its document."""
    return spectrum(*(document[field] for field in "o t w f v z".split()))
