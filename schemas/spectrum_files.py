"""Spectra from Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas import records
from schemas.columns import described
from schemas.spectrum import Spectrum
from schemas.times import mjd_tai_from_utc, mjd_utc_from_tai

REQUIRED_COLUMNS: tuple[str, ...] = ("object_id", "spectrum_mjd", "wavelength_aa", "flux")
"""Columns that a file of spectra must have; `flux_var` and `redshift` are used where they are there."""

SPECTRA_SCHEMA = pa.schema(
    [
        described("object_id", pa.string(), "ZTF objectId, LSST diaObjectId as text"),
        described("spectrum_mjd", pa.float64(), "When it was taken: mid-exposure [MJD, UTC]"),
        described("redshift", pa.float64(), "Heliocentric redshift; null where it is not known"),
        described("instrument", pa.string(), "What took it, such as `SEDM`"),
        described("flux_unit", pa.string(), "Unit of `flux`; empty where the scale is not known"),
        described("wavelength_aa", pa.list_(pa.float64()), "Observed wavelength of each bin [angstrom]"),
        described("flux", pa.list_(pa.float32()), "Flux density of each bin"),
        described("flux_var", pa.list_(pa.float32()), "Variance of `flux` in each bin; empty where it is not known"),
    ]
)
"""Columns of a file of spectra, as `write_spectra` writes it."""

ROWS_AT_ONCE = 1_000
"""Spectra read from the file together."""


class SpectrumFileError(Exception):
    """A file of spectra that cannot be used; the message says why."""


def read_spectra(path: Path) -> Iterator[list[Spectrum | None]]:
    """Spectra in blocks, of any object, one for each row in the file's order.

    `spectrum_mjd` is MJD UTC of the observation [d]; `wavelength_aa`, `flux`, `flux_var` are lists of equal length.
    A row without an object, a time or two good bins is None. Raises SpectrumFileError.
    """
    try:
        file = pq.ParquetFile(path)
        missing = [name for name in REQUIRED_COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise SpectrumFileError(f"{path} has no column {', '.join(missing)}")
        columns = [*REQUIRED_COLUMNS, *(n for n in ("flux_var", "redshift") if n in file.schema_arrow.names)]
        for block in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
            spectra = (spectrum_of_row(row) for row in block.to_pylist())
            yield [None if s is None or not np.isfinite(s.mjd_tai) else s for s in spectra]
    except (OSError, pa.ArrowException) as error:
        raise SpectrumFileError(f"{path} cannot be read as Parquet of spectra: {error}") from None
    except (TypeError, ValueError):
        raise SpectrumFileError(
            f"{path} cannot be read as Parquet of spectra: spectrum_mjd and redshift must be numbers, "
            "wavelength_aa, flux and flux_var lists of numbers"
        ) from None


def spectrum_of_row(row: dict[str, Any]) -> Spectrum | None:
    """One row of such a file; its time is NaN where the row has none. None without an object or two good bins."""
    if row["object_id"] is None or not row["wavelength_aa"] or not row["flux"]:
        return None
    wavelength = np.asarray(row["wavelength_aa"], dtype=np.float64)
    flux = np.asarray(row["flux"], dtype=np.float32)
    variance = None if not row.get("flux_var") else np.asarray(row["flux_var"], dtype=np.float32)
    if len(flux) != len(wavelength) or (variance is not None and len(variance) != len(wavelength)):
        return None
    if np.count_nonzero(np.isfinite(wavelength) & np.isfinite(flux)) < 2:
        return None
    mjd_utc = np.nan if row["spectrum_mjd"] is None else row["spectrum_mjd"]
    order = np.argsort(wavelength, kind="stable")
    redshift = row.get("redshift")
    return Spectrum(
        object_id=str(row["object_id"]),
        mjd_tai=float(mjd_tai_from_utc(mjd_utc)),
        wavelength_aa=wavelength[order],
        flux=flux[order],
        flux_var=None if variance is None else variance[order],
        redshift=None if redshift is None or not np.isfinite(redshift) else float(redshift),
    )


def write_spectra(path: Path, spectra: Sequence[records.Spectrum]) -> None:
    """Writes spectra as `read_spectra` reads them, in the columns of `SPECTRA_SCHEMA`; OSError where it cannot."""
    rows = [spectrum.model_dump(include=set(SPECTRA_SCHEMA.names)) for spectrum in spectra]
    utc = mjd_utc_from_tai(np.array([spectrum.mjd_tai for spectrum in spectra]))
    timed = [row | {"spectrum_mjd": mjd} for row, mjd in zip(rows, utc.tolist(), strict=True)]
    pq.write_table(pa.Table.from_pylist(timed, schema=SPECTRA_SCHEMA), path)
