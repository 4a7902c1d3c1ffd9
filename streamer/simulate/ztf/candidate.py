"""ZTF's records of the detections of one field, in ZTF's names, units and sentinels; all drawn at once."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from schemas.surveys.columns import ZERO_POINT_AB_NJY, flux_from_magnitude
from streamer.simulate.scene import BoolArray, Field
from streamer.simulate.sky.objects import SOURCE
from streamer.simulate.ztf.catalogue import Catalogue
from streamer.simulate.ztf.chips import SURVEY_BEGAN_JD, Chips
from streamer.simulate.ztf.quality import Look, quality_columns
from streamer.simulate.ztf.rows import Columns

RAW_SNR = 3.5
"""ndethist counts raw detections too, down to about this signal over the noise."""

_SMOOTH = 0.3
"""How much a galaxy's light counts in what subtraction leaves, a star's being 1."""

_PRE_ALERT_JD = SURVEY_BEGAN_JD - 150.0


class Candidates:
    """D detections, history included, by time."""

    def __init__(self, field: Field, version: str) -> None:
        self._field = field
        self.chips = Chips(field)
        self.catalogue = Catalogue(field)
        self.k, self.exposure = field.detections()
        """(D,) object and exposure of each detection."""
        self.cell = field.objects.cell[self.k]
        raw: BoolArray = field.covered & (np.abs(field.flux_njy) >= RAW_SNR * field.error_njy)
        raw |= field.detected
        self._raw = np.cumsum(raw, axis=1) + field.objects.detected_before[:, None]
        self._coverage = np.cumsum(field.covered, axis=1) + field.objects.covered_before[:, None]
        self.first_jd = self._first_jd(raw)
        self.candid, self._place_in_table = self._ids()
        rng = field.generator(7)
        at = (self.exposure, self.cell)
        columns: Columns = self.chips.columns(self.exposure, self.cell)
        columns["rbversion"] = "t8_f5_c3" if version == "3.2" else "t17_f5_c3"
        columns |= self._photometry(rng)
        columns |= self._history()
        band = field.exposures.band[self.exposure]
        ra, dec = np.asarray(columns["ra"]), np.asarray(columns["dec"])
        self.row_columns: Columns = columns | dict(self.catalogue.reference(self.k, band, ra, dec))
        look = Look(self._depth_snr, self._ratio, self.chips.width_px[at], field.objects.artefact[self.k])
        self.row_columns |= quality_columns(rng, look, has_deep=version != "3.2")
        self.alert_columns: Columns = self.chips.calibration(self.exposure, self.cell) | self.catalogue.columns(
            self.k, ra, dec
        )

    def _first_jd(self, raw: BoolArray) -> FloatArray:
        """(K,) of the first detection: in this field's exposures, or some time in the survey's years before."""
        before, o = self._field.objects.detected_before, self._field.objects
        in_sight = self.chips.jd[np.argmax(raw, axis=1)]
        rng = self._field.generator(8)
        # The earliest of so many detections over the time when the place had been covered so often.
        early = 1.0 - rng.random(len(before)) ** (1.0 / np.maximum(before, 1))
        begin = np.maximum(_PRE_ALERT_JD, self.chips.jd[0] - 3.0 * o.covered_before)
        first: FloatArray = np.where(before > 0, begin + early * (self.chips.jd[0] - begin), in_sight)
        return np.round(first, 7)

    def _ids(self) -> tuple[IntArray, IntArray]:
        """(D,) candid, which is pid, 015 for positive or 010 for negative, and three digits counting within the image;
        and that count.
        """
        field = self._field
        image = self.exposure * field.survey.cells + self.cell
        order = np.argsort(image, kind="stable")
        ranked = image[order]
        new = np.concatenate([[True], ranked[1:] != ranked[:-1]])[: len(ranked)]
        begin = np.maximum.accumulate(np.where(new, np.arange(len(ranked)), 0))
        # Between two of these, other candidates of the image were found.
        gap = field.generator(9).geometric(0.08, len(ranked))
        crowd = np.bincount(image, minlength=1)[ranked]
        gap = np.where(crowd > 20, 1, np.minimum(gap, 45))
        through = np.cumsum(gap)
        count = through - (through - gap)[begin] - 1
        table = np.empty(len(ranked), dtype=np.int64)
        table[order] = count
        if len(table) and table.max() > 999:
            raise ValueError("more than 1,000 detections in one image: ask for fewer packets a field")
        positive = field.flux_njy[self.k, self.exposure] > 0.0
        pid = self.chips.pid[self.exposure, self.cell]
        return pid * 10**6 + np.where(positive, 15, 10) * 1000 + table, table

    def _photometry(self, rng: np.random.Generator) -> Columns:
        """Brightness, position on the chip and on the sky."""
        field, k, exposure = self._field, self.k, self.exposure
        n = len(k)
        at = (exposure, self.cell)
        self._flux = field.flux_njy[k, exposure]
        size = np.abs(self._flux)
        limit = self.chips.limit_mag[at]
        self._depth_snr = 5.0 * size / flux_from_magnitude(limit)
        still = self.catalogue.reference_flux_njy(_SMOOTH)[k, field.exposures.band[exposure]]
        self._ratio = still / size
        mag = ZERO_POINT_AB_NJY - 2.5 * np.log10(size)
        sigma = 1.0857 * field.error_njy[k, exposure] / size
        residual = self._ratio / (self._ratio + 5.0)
        bogus = field.objects.artefact[k] != SOURCE
        spread = np.hypot(1.25 / self._depth_snr, 0.045 + 0.13 * residual + 0.08 * bogus)
        aperture = np.round(mag + _within(rng, 0.01 + 0.06 * residual + 0.09 * bogus, spread, -0.4, 0.75), 4)
        aperture_error = 1.85 / self._depth_snr * rng.lognormal(0.0, 0.14, n)
        wide_error = 1.23 * aperture_error * rng.lognormal(0.0, 0.04, n)
        wide = aperture + rng.normal(-0.2, 0.6, n) * wide_error
        ra, dec = self._places(rng, self._depth_snr, residual)
        o = field.objects
        x, y = (place[k] + rng.normal(0.0, 3.0, n) for place in (o.x_px, o.y_px))
        width, height = field.survey.cell_px
        x, y = np.round(x.clip(10.0, width - 10.0), 4), np.round(y.clip(10.0, height - 10.0), 4)
        return {
            "candid": self.candid,
            "isdiffpos": np.where(self._flux > 0.0, "t", "f"),
            "tblid": self._place_in_table,
            "xpos": x,
            "ypos": y,
            "ra": ra,
            "dec": dec,
            "magpsf": mag,
            "sigmapsf": sigma,
            "magap": aperture,
            "sigmagap": np.round(aperture_error, 4),
            "magapbig": np.round(wide, 4),
            "sigmagapbig": np.round(wide_error, 4),
            "magdiff": aperture - mag,
            "magfromlim": limit - aperture,
            "mindtoedge": np.minimum(np.minimum(x, width - x), np.minimum(y, height - y)),
        }

    def _places(self, rng: np.random.Generator, snr: FloatArray, residual: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(D,) measured positions [deg], rounded as ZTF rounds them.

        About the true one by the width over the signal, with a floor of astrometry; residuals of stars sit beside them,
        those of one star on the same side.
        """
        field, n = self._field, len(snr)
        width = field.exposures.seeing_arcsec[self.exposure] / 2.355
        jitter = np.hypot(0.6 * width / snr, 0.065 + 0.12 * residual * rng.random(n))
        lean = field.generator(10).normal(0.0, 1.0, (len(field.objects), 2))[self.k] * (0.03 + 0.22 * residual)[:, None]
        east, north = jitter * rng.normal(0.0, 1.0, n) + lean[:, 0], jitter * rng.normal(0.0, 1.0, n) + lean[:, 1]
        ra, dec = field.position_deg(self.k, self.exposure)
        measured = dec + north / 3600.0
        return np.round((ra + east / 3600.0 / np.cos(np.radians(dec))) % 360.0, 7), np.round(measured, 7)

    def _history(self) -> Columns:
        """How often the place had been covered and detected, and since when; what moves is new wherever it is seen."""
        k, exposure = self.k, self.exposure
        moving, jd = self._field.objects.moving[k], self.chips.jd[exposure]
        return {
            "ndethist": np.where(moving, 1, self._raw[k, exposure]),
            "ncovhist": self._coverage[k, exposure],
            "jdstarthist": np.where(moving, jd, np.minimum(self.first_jd[k], jd)),
            "jdendhist": jd,
        }


def _within(rng: np.random.Generator, mean: FloatArray, spread: FloatArray, low: float, high: float) -> FloatArray:
    """(n,) normal numbers, drawn anew where out of bounds, at last put on them."""
    values = rng.normal(mean, spread)
    for _ in range(3):
        out = (values < low) | (values > high)
        values = np.where(out, rng.normal(mean, spread), values)
    return values.clip(low, high)
