"""What a readout channel's image of an exposure shares among its records: times, ids, depth, zero point, reference."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import BANDS, FloatArray, IntArray
from schemas.times import MJD_UNIX_EPOCH, SECONDS_PER_DAY, unix_from_mjd_tai
from streamer.simulate.scene import Field, cell_depth
from streamer.simulate.sky.stars import star_density_arcmin2
from streamer.simulate.ztf.names import field_number
from streamer.simulate.ztf.rows import Columns

FILTER_ID = {"g": 1, "r": 2, "i": 3}

SURVEY_BEGAN_JD = 2_458_194.5
"""March 2018: where the survey's history begins."""

_JD_OF_MJD_ZERO = 2_400_000.5
_NIGHT_ONE_JD = 2_457_754.5
"""ZTF counts its nights (nid) from 2017-01-01 UTC."""

_G, _R, _I = (BANDS.index(name) for name in "gri")

_CLEAR_ZERO_POINT = {_G: 26.37, _R: 26.33, _I: 25.90}
"""Of a clear night at the zenith; the upper quartiles of 700 images' zero points are 26.33 (g) and 26.30 (r)."""

_EXTINCTION_MAG = {_G: 0.20, _R: 0.11, _I: 0.07}
"""An airmass' loss at Palomar."""

_COLOUR = {_G: (-0.060, 0.021), _R: (0.100, 0.017), _I: (0.02, 0.02)}
"""Mean and scatter of the colour term of the calibration on Pan-STARRS 1 (Masci et al. 2019, PASP 131, 018003)."""

_MOST_MATCHES = 2050.0
"""Calibrators that the pipeline stops at."""

_RESAMPLED_PX = 1.4
"""What resampling adds to the seeing, in quadrature: image widths of 2.2 to 4.5 px from inputs of 1.6 to 4."""


class Chips:
    """Tables over the E exposures and 64 readout channels of a field, (E, 64) unless said otherwise."""

    def __init__(self, field: Field) -> None:
        self._field = field
        exposures, cells = field.exposures, field.survey.cells
        rng = field.generator(4)
        band = exposures.band
        start = unix_from_mjd_tai(exposures.mjd_tai) - field.survey.exposure_s / 2.0
        self.jd: FloatArray = np.round(start / SECONDS_PER_DAY + MJD_UNIX_EPOCH + _JD_OF_MJD_ZERO, 7)
        """(E,) UTC at the exposure's start."""
        self.nid: IntArray = np.floor(self.jd - _NIGHT_ONE_JD).astype(np.int64)
        self.fraction: FloatArray = self.jd - _NIGHT_ONE_JD - self.nid
        self.fid: IntArray = np.array([FILTER_ID.get(name, 0) for name in BANDS])[band]
        self.number = field_number(field.ra_deg, field.dec_deg)
        # nid, five digits of the day's fraction, two of the readout channel, 15 for a difference image.
        day = self.nid * 10**9 + np.floor(self.fraction * 1e5).astype(np.int64) * 10**4
        self.pid: IntArray = day[:, None] + np.arange(cells) * 100 + 15
        self.limit_mag: FloatArray = exposures.limit_mag[:, None] + cell_depth(field.survey, np.arange(cells))
        self._calibrate(rng, cells)
        width = np.hypot(exposures.seeing_arcsec / field.survey.pixel_arcsec, _RESAMPLED_PX)
        self.width_px: FloatArray = width[:, None] * rng.lognormal(0.0, 0.025, (len(exposures), cells))
        """FWHM of stars in the difference image."""
        self.sky_dn: FloatArray = self._sky(rng, cells)
        # Most public time is MSIP's; from 2024 on some of it goes under the partnership's name.
        self.programme = np.where(rng.random(len(exposures)) < 0.13, "Kasliwal/Graham", "Kulkarni")
        self._draw_references(cells)
        self._date = _dates(self.jd)

    def _calibrate(self, rng: np.random.Generator, cells: int) -> None:
        """Zero points and how well they are known: scalings between medians of the columns of 700 public images."""
        exposures, field = self._field.exposures, self._field
        shape = (len(exposures), cells)
        band = exposures.band.tolist()

        def by_band(table: dict[int, float]) -> FloatArray:
            return np.array([table.get(b, table[_R]) for b in band])[:, None]

        latitude = abs(float(np.median(field.objects.galactic_latitude_deg)))
        loss = exposures.cloud_mag[:, None] + by_band(_EXTINCTION_MAG) * (exposures.airmass[:, None] - 1.0)
        chip = rng.normal(0.0, 0.035, cells)
        self.zero_point: FloatArray = by_band(_CLEAR_ZERO_POINT) - loss + chip + rng.normal(0.0, 0.02, shape)
        density = float(star_density_arcmin2(np.array([latitude]))[0])
        found = 140.0 * density * rng.lognormal(0.0, 0.25, cells) * 10.0 ** (-0.25 * exposures.cloud_mag[:, None])
        crowded = 1.0 - 0.35 * np.exp(-latitude / 3.5) * rng.lognormal(0.0, 0.3, cells)
        most = _MOST_MATCHES * rng.lognormal(0.0, 0.03, shape)
        matches = (found**-3.0 + most**-3.0) ** (-1.0 / 3.0) * np.clip(crowded, 0.2, 1.0)
        self.matches: IntArray = np.maximum(np.rint(matches * rng.lognormal(0.0, 0.03, shape)), 5).astype(np.int64)
        few, is_g = np.log(self.matches), (exposures.band == _G)[:, None]
        colour_range = 0.322 - 0.165 * np.exp(-(((latitude - 11.0) / 13.0) ** 2))
        self.colour_rms: FloatArray = (colour_range + rng.normal(0.0, 0.022, cells) + np.zeros(shape)).clip(0.12, 0.35)
        reddened = 0.45 * np.exp(-latitude / 4.5) * rng.lognormal(0.0, 0.5, cells)
        median = 0.53 + 0.0022 * max(latitude - 15.0, 0.0) + reddened + rng.normal(0.0, 0.06, cells)
        self.colour_median: FloatArray = np.round((median + np.zeros(shape)).clip(0.40, 1.6), 3)
        rms = np.where(is_g, np.exp(-1.85 - 0.207 * few), np.exp(-0.95 - 0.337 * few))
        self.zp_rms: FloatArray = rms * rng.lognormal(0.0, 0.24, shape) * np.exp(0.35 * exposures.cloud_mag[:, None])
        scatter = rng.lognormal(0.0, 0.3, shape)
        log_rms, log_range = np.log(self.zp_rms), np.log(self.colour_rms)
        g_unc, r_unc = (
            np.exp(1.0453 - 1.11 * few + 2.434 * log_rms - 2.2165 * log_range),
            np.exp(-0.0554 - 0.887 * few + 2.922 * log_rms - 2.802 * log_range),
        )
        self.zp_unc: FloatArray = np.where(is_g, g_unc, r_unc) * scatter
        log_unc = np.log(self.zp_unc)
        g_colour, r_colour = -1.7525 + 0.829 * log_unc, -1.3149 + 0.881 * log_unc
        self.colour_unc: FloatArray = np.exp(
            np.where(is_g, g_colour, r_colour) - 0.287 * log_range + rng.normal(0.0, 0.26, shape)
        )
        self.covariance: FloatArray = -1.24 * self.colour_unc**1.05 * rng.lognormal(0.0, 0.16, shape)
        mean = by_band({b: value[0] for b, value in _COLOUR.items()})
        spread = by_band({b: value[1] for b, value in _COLOUR.items()})
        self.colour: FloatArray = (
            mean + 0.7 * spread * rng.normal(0.0, 1.0, cells) + 0.7 * spread * rng.normal(0.0, 1.0, shape)
        )

    def _sky(self, rng: np.random.Generator, cells: int) -> FloatArray:
        """Level of the sky [DN a pixel], from its brightness and the zero point."""
        exposures, pixel = self._field.exposures, self._field.survey.pixel_arcsec
        shape = (len(exposures), cells)
        level: FloatArray = 10.0 ** (0.4 * (self.zero_point - exposures.sky_mag_arcsec2[:, None])) * pixel**2
        return level * rng.lognormal(0.0, 0.04, shape)

    def _draw_references(self, cells: int) -> None:
        """Reference images, (3 filters, 64): two in three are stacks of just fifteen frames of early 2018."""
        rng = np.random.default_rng([self._field.seed, self.number])
        shape = (3, cells)
        late = rng.random(shape) < 0.04
        self._reference_start: FloatArray = np.round(
            2_458_155.0 + 212.0 * rng.random(shape) + late * 600.0 * rng.random(shape), 6
        )
        span = rng.lognormal(np.log(82.0), 0.75, shape).clip(1.0, 750.0)
        self._reference_end: FloatArray = np.round(self._reference_start + span, 6)
        frames = rng.choice([15, 16, 17, 40, 0], size=shape, p=[0.67, 0.10, 0.02, 0.06, 0.15])
        self._reference_frames: IntArray = np.where(frames == 0, rng.integers(18, 36, shape), frames)

    def columns(self, exposure: IntArray, cell: IntArray) -> Columns:
        """What every record of these images holds, (n,) each."""
        at = (exposure, cell)
        return {
            "jd": self.jd[exposure],
            "fid": self.fid[exposure],
            "pid": self.pid[at],
            "diffmaglim": self.limit_mag[at],
            "programpi": self.programme[exposure],
            "programid": 1,
            "nid": self.nid[exposure],
            "rcid": cell,
            "field": self.number,
            "magzpsci": self.zero_point[at],
            "magzpsciunc": self.zp_unc[at],
            "magzpscirms": self.zp_rms[at],
            "clrcoeff": self.colour[at],
            "clrcounc": self.colour_unc[at],
        }

    def calibration(self, exposure: IntArray, cell: IntArray) -> Columns:
        """What only an alert itself says of its images: the reference and the calibrators, (n,) each."""
        at = (exposure, cell)
        reference = (self.fid[exposure] - 1, cell)
        return {
            "rfid": self.reference_id(exposure, cell),
            "jdstartref": self._reference_start[reference],
            "jdendref": self._reference_end[reference],
            "nframesref": self._reference_frames[reference],
            "nmatches": self.matches[at],
            "zpclrcov": np.round(self.covariance[at], 8),
            # The median zero point of the calibrators is the fit at their median colour.
            "zpmed": np.round(self.zero_point[at] + self.colour[at] * self.colour_median[at], 3),
            "clrmed": self.colour_median[at],
            "clrrms": np.round(self.colour_rms[at], 6),
            "exptime": self._field.survey.exposure_s,
        }

    def reference_id(self, exposure: IntArray, cell: IntArray) -> IntArray:
        """(n,) field, 120, filter, readout channel."""
        number: IntArray = self.number * 10**6 + 120_000 + self.fid[exposure] * 100 + cell
        return number

    def file_names(self, exposure: IntArray, cell: IntArray, archive: bool) -> np.ndarray:
        """(n,) names of the difference images; history rows give their paths in the archive."""
        names = []
        for e, c in zip(exposure.tolist(), cell.tolist(), strict=True):
            date, fraction = self._date[e], int(self.fraction[e] * 1e6)
            stem = f"ztf_{date}{fraction:06d}_{self.number:06d}_z{BANDS[self._field.exposures.band[e]]}"
            name = f"{stem}_c{c // 4 + 1:02d}_o_q{c % 4 + 1}_scimrefdiffimg.fits"
            names.append(f"/ztf/archive/sci/{date[:4]}/{date[4:]}/{fraction:06d}/{name}.fz" if archive else name)
        return np.array(names)


def _dates(jd: FloatArray) -> list[str]:
    """UTC dates, YYYYMMDD."""
    days = np.floor(jd - _JD_OF_MJD_ZERO - MJD_UNIX_EPOCH).astype("datetime64[D]")
    return [str(day).replace("-", "") for day in days]
