"""Light curves as columns: the rows that packets carry, and the curve that a classifier sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BANDS: tuple[str, ...] = ("u", "g", "r", "i", "z", "y")
"""Bands of both surveys; a row's `band` is an index into this tuple."""

WAVELENGTH_AA: dict[str, tuple[float, ...]] = {
    "ztf": (np.nan, 4753.0, 6369.0, 7915.0, np.nan, np.nan),
    "lsst": (3671.0, 4827.0, 6223.0, 7546.0, 8691.0, 9712.0),
}
"""Effective wavelength of each of `BANDS` in angstrom. Source: SVO filter profile service, Palomar/ZTF, LSST/LSST."""

UNKNOWN_BAND = 255
"""Band index of a row whose band is missing or none of `BANDS`; a light curve leaves such rows out."""

DETECTION, FORCED, LIMIT = 0, 1, 2
"""Kinds of a row: a difference-image source, forced photometry, a 5-sigma upper limit."""

FLAG_OWN = 1
"""Row flag: the packet's own source (its exposure time is known)."""
FLAG_ASSUMED_EXPTIME = 2
"""Row flag: the mid-exposure time assumes ZTF's 30 s (histories carry no exposure time)."""
FLAG_BAD = 4
"""Row flag: the survey marks this measurement as unreliable; a light curve leaves it out."""
FLAG_WITHDRAWN = 8
"""Row flag: the survey has withdrawn this measurement; a light curve leaves it out."""

ROW_DTYPE = np.dtype(
    [
        ("source_id", "<i8"),  # identity within the kind: ZTF pid; LSST diaSourceId or diaForcedSourceId
        ("exposure_id", "<i8"),  # ZTF pid; LSST visit
        ("mjd_tai", "<f8"),  # mid-exposure [d]
        ("processed_mjd_tai", "<f8"),  # when the survey processed it [d]; 0 where the survey does not say
        ("known_mjd_tai", "<f8"),  # time of the first alert that carried it [d]
        ("flux_njy", "<f4"),  # signed difference flux; NaN for a limit
        ("flux_err_njy", "<f4"),  # 1 sigma; for a limit a fifth of the limiting flux
        ("separation_arcsec", "<f4"),  # from the object's position; NaN if unknown
        ("band", "u1"),
        ("kind", "u1"),
        ("rights", "u1"),  # index into schemas.alert.DATA_RIGHTS
        ("flags", "u1"),
    ]
)
"""One measurement, survey-neutral; 56 bytes. Rows of a batch are stored flat, with offsets by alert."""

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]


def gather(offsets: IntArray, index: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """Of flat columns with offsets: the offsets (k + 1,) and the places of the items of the k owners in `index`."""
    lengths = np.diff(offsets)[index]
    taken: IntArray = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return taken, np.repeat(offsets[:-1][index] - taken[:-1], lengths) + np.arange(taken[-1])


@dataclass(frozen=True, slots=True)
class LightCurves:
    """The light curves of n alerts, cut at each alert's own time, flat with offsets; one token an exposure, by time.

    Tokens of alert i are `offsets[i]:offsets[i + 1]` of every column.
    """

    survey: str
    offsets: IntArray
    """(n + 1,)"""
    mjd_tai: FloatArray
    """(tokens,) mid-exposure [d], ascending within an alert."""
    flux_njy: Float32Array
    """(tokens,) signed difference flux, AB zero point 31.4; NaN for a limit."""
    flux_err_njy: Float32Array
    """(tokens,) 1 sigma; for a limit a fifth of the limiting flux."""
    band: ByteArray
    """(tokens,) index into `BANDS`."""
    kind: ByteArray
    """(tokens,) DETECTION, FORCED or LIMIT."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def n_detections(self) -> IntArray:
        """Number of detections (exposures with a difference-image source) of each alert, shape (n,)."""
        total = np.concatenate([[0], np.cumsum(self.kind == DETECTION)])
        counts: IntArray = (total[self.offsets[1:]] - total[self.offsets[:-1]]).astype(np.int64)
        return counts

    def take(self, index: npt.NDArray[np.integer]) -> LightCurves:
        """The light curves of the alerts in `index`, in that order."""
        offsets, tokens = gather(self.offsets, index)
        return LightCurves(
            self.survey,
            offsets,
            self.mjd_tai[tokens],
            self.flux_njy[tokens],
            self.flux_err_njy[tokens],
            self.band[tokens],
            self.kind[tokens],
        )
