"""Alerts in batches: what every survey's packets become at the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.light_curve import ByteArray, FloatArray, IntArray, gather
from schemas.packet import Packet

DATA_RIGHTS: tuple[str, ...] = ("public", "partnership", "caltech")
"""Who may see an alert, least restricted first; an array of rights holds indexes into this tuple."""

QUALITY_FLAGS: tuple[str, ...] = (
    "edge",
    "nan_pixels",
    "dipole",
    "trail",
    "cosmic_ray",
    "ghost",
    "saturated",
    "bad_subtraction",
    "injected",
    "cutout_missing",
    "cutout_unreadable",
    "cutout_odd_size",
    "cutout_empty",
)
"""Names of the quality bits, bit 0 first; from the survey's own flags and from the stamps."""

QUALITY_BIT: dict[str, int] = {name: 1 << bit for bit, name in enumerate(QUALITY_FLAGS)}
"""Mask of each quality flag."""

FLAG_FIELD = "quality_flags."
"""How the names of the quality flags begin where they are taken as fields of an alert."""

ASSESSED_FIELDS: frozenset[str] = frozenset({"real_score", *(f"{FLAG_FIELD}{name}" for name in QUALITY_FLAGS)})
"""Fields that are known only once an alert's stamps have been looked at."""

DERIVED_FIELDS: frozenset[str] = ASSESSED_FIELDS | {"survey_real_score"}
"""Fields of every survey's alerts beside the survey's own."""

EncodedCutouts = tuple[memoryview | bytes | None, memoryview | bytes | None, memoryview | bytes | None]
"""Science, template, difference stamp as sent (ZTF: gzipped FITS, LSST: FITS); None where absent."""


@dataclass(slots=True)
class AlertBatch:
    """n alerts of one survey, as columns. Times are MJD TAI at mid-exposure, fluxes nJy, missing numbers NaN.

    The light-curve rows of alert i (its own source, its histories) are `rows[row_offsets[i]:row_offsets[i + 1]]`.
    """

    survey: str
    packets: Sequence[Packet]
    """(n,) the messages these alerts came from."""
    alert_id: IntArray
    """(n,) ZTF candid, LSST diaSourceId."""
    object_id: list[str]
    """(n,) ZTF objectId, LSST diaObjectId as text (or `SSO-...`, `DS-...`)."""
    mjd_tai: FloatArray
    """(n,) mid-exposure of the alert's own source [d]."""
    processed_mjd_tai: FloatArray
    """(n,) when the survey processed it [d]; 0 where it does not say."""
    ra_deg: FloatArray
    dec_deg: FloatArray
    rights: ByteArray
    """(n,) rights of the alert's own source; index into `DATA_RIGHTS`. A score takes the most restricted it used."""
    survey_real_score: FloatArray
    """(n,) the survey's own real/bogus score (ZTF drb else rb, LSST reliability); NaN where it gives none."""
    real_score: FloatArray
    """(n,) ours, 0 bogus to 1 real; NaN until the alert's stamps have been looked at."""
    quality: npt.NDArray[np.uint32]
    """(n,) quality bits, see `QUALITY_BIT`: from the survey's flags, and from the stamps once they are looked at."""
    solar_system: npt.NDArray[np.bool_]
    """(n,) whether the survey names a known solar-system object here."""
    withdrawn: npt.NDArray[np.bool_]
    """(n,) whether the survey has withdrawn the alert's own source."""
    schema_version: list[str]
    rows: npt.NDArray[np.void]
    """(total rows,) of `schemas.light_curve.ROW_DTYPE`."""
    row_offsets: IntArray
    """(n + 1,)"""
    cutouts: list[EncodedCutouts]
    metadata_names: tuple[str, ...]
    """Names of the survey's own numeric fields, `candidate.drb`, `diaSource.snr`, `diaObject.nDiaSources`..."""
    metadata: FloatArray
    """(n, fields) their values in the survey's own units, sentinels and nulls as NaN."""
    _column: dict[str, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.alert_id)

    def field(self, name: str) -> FloatArray:
        """A number of each alert by its full name, shape (n,); KeyError if there is none such.

        The survey's own numeric fields, and `DERIVED_FIELDS`: both real scores, and each quality flag as 0 or 1.
        """
        if name == "real_score":
            return self.real_score
        if name == "survey_real_score":
            return self.survey_real_score
        if name.startswith(FLAG_FIELD):
            is_set: FloatArray = ((self.quality & QUALITY_BIT[name.removeprefix(FLAG_FIELD)]) != 0).astype(np.float64)
            return is_set
        if not self._column:
            self._column = {known: index for index, known in enumerate(self.metadata_names)}
        return self.metadata[:, self._column[name]]

    def take(self, index: npt.NDArray[np.integer]) -> AlertBatch:
        """The alerts in `index`, in that order."""
        offsets, rows = gather(self.row_offsets, index)
        chosen = [int(i) for i in index]
        return AlertBatch(
            self.survey,
            [self.packets[i] for i in chosen],
            self.alert_id[index],
            [self.object_id[i] for i in chosen],
            self.mjd_tai[index],
            self.processed_mjd_tai[index],
            self.ra_deg[index],
            self.dec_deg[index],
            self.rights[index],
            self.survey_real_score[index],
            self.real_score[index],
            self.quality[index],
            self.solar_system[index],
            self.withdrawn[index],
            [self.schema_version[i] for i in chosen],
            self.rows[rows],
            offsets,
            [self.cutouts[i] for i in chosen],
            self.metadata_names,
            self.metadata[index],
            self._column,
        )
