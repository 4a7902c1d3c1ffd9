"""ZTF's records of a detection, a non-detection and a forced measurement, in ZTF's names, units and sentinels."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.light_curve import BANDS, FloatArray, IntArray
from schemas.surveys.columns import ZERO_POINT_AB_NJY, flux_from_magnitude
from schemas.times import MJD_UNIX_EPOCH, SECONDS_PER_DAY, unix_from_mjd_tai
from streamer.simulate.scene import Field
from streamer.simulate.sky.objects import BAD_SUBTRACTION, COSMIC_RAY
from streamer.simulate.ztf.catalogue import MISSING, Catalogue

FILTER_ID = {"g": 1, "r": 2, "i": 3}

_JD_OF_MJD_ZERO = 2_400_000.5
_NIGHT_ONE_JD = 2_457_754.5
"""ZTF counts its nights (nid) from 2017-01-01 UTC."""

_SENTINEL = -99_999.0
"""What forced photometry writes where it failed."""

_GOOD, _FAILED = "0", "61"

Record = dict[str, Any]


class Candidates:
    """Records of one field. Detections are drawn in bulk; what an exposure shares is worked out once."""

    def __init__(self, field: Field) -> None:
        self._field = field
        rng = field.generator(4)
        n = len(field.exposures)
        self._fid = np.array([FILTER_ID.get(name, 0) for name in BANDS])[field.exposures.band]
        start = unix_from_mjd_tai(field.exposures.mjd_tai) - field.survey.exposure_s / 2.0
        self._jd: FloatArray = start / SECONDS_PER_DAY + MJD_UNIX_EPOCH + _JD_OF_MJD_ZERO
        self._nid = np.floor(self._jd - _NIGHT_ONE_JD).astype(np.int64)
        self._fraction = self._jd - _NIGHT_ONE_JD - self._nid
        self.zero_point: FloatArray = rng.normal(26.3, 0.05, n) - 0.1 * (self._fid == 1)
        self.sky_dn: FloatArray = rng.lognormal(np.log(160.0), 0.35, n)
        self._zp_rms = rng.uniform(0.016, 0.06, n)
        self._matches = rng.integers(250, 2100, n)
        self._colour = np.where(self._fid == 1, -0.055, 0.09) + rng.normal(0.0, 0.015, n)
        self._number = int(rng.integers(250, 880))
        self._reference_jd = self._jd[0] - rng.uniform(900.0, 1900.0)
        self._date = _dates(self._jd)
        self._name = int(rng.integers(26**7))
        self._catalogue = Catalogue(field)
        detections = np.cumsum(field.detected, axis=1)
        self._before = field.objects.detected_before
        self._detections = detections + self._before[:, None]
        self._coverage = np.cumsum(field.covered, axis=1) + field.objects.covered_before[:, None]
        first = np.argmax(field.detected, axis=1)
        self._first_jd = np.where(self._before > 0, self._reference_jd, self._jd[first])
        self._candid = self._candids()

    def _pid(self, k: IntArray, exposure: IntArray) -> IntArray:
        """nid, five digits of the day's fraction, two of the readout channel, 15 for a difference image."""
        pid: IntArray = (
            self._nid[exposure] * 10**9
            + np.floor(self._fraction[exposure] * 1e5).astype(np.int64) * 10**4
            + self._field.objects.cell[k] * 100
            + 15
        )
        return pid

    def _candids(self) -> IntArray:
        """(K, E) pid, 015 for positive or 010 for negative, three digits counting within the image; 0 undetected."""
        field = self._field
        k, exposure = field.detections()
        image = exposure * field.survey.cells + field.objects.cell[k]
        order = np.argsort(image, kind="stable")
        ranked = image[order]
        new = np.concatenate([[True], ranked[1:] != ranked[:-1]])
        start = np.maximum.accumulate(np.where(new, np.arange(len(ranked)), 0))
        table = np.empty(len(ranked), dtype=np.int64)
        table[order] = np.arange(len(ranked)) - start
        if len(table) and table.max() > 999:
            raise ValueError("more than 1,000 detections in one image: ask for fewer packets a field")
        candid = np.zeros(field.detected.shape, dtype=np.int64)
        positive = field.flux_njy[k, exposure] > 0.0
        candid[k, exposure] = self._pid(k, exposure) * 10**6 + np.where(positive, 15, 10) * 1000 + table
        return candid

    def object_id(self, k: int, exposure: int | None) -> str:
        """`ZTF`, the year of the first detection, seven letters; with an exposure, the name of that place alone."""
        moved = 0 if exposure is None else exposure + 1
        serial = (self._field.index * 1_000_003 + k) * 4096 + moved
        # A step prime to 26^7 visits every name once before any comes again.
        number = (self._name + serial * 2_654_435_761) % 26**7
        letters = []
        for _ in range(7):
            number, letter = divmod(number, 26)
            letters.append(chr(ord("a") + letter))
        jd = self._first_jd[k] if exposure is None else self._jd[exposure]
        return f"ZTF{int(18 + max(jd - 2_458_119.5, 0.0) / 365.25):02d}{''.join(letters)}"

    def file_name(self, k: int, exposure: int, archive: bool) -> str:
        """The difference image's name; history rows give its path in the archive."""
        date, fraction = self._date[exposure], int(self._fraction[exposure] * 1e6)
        cell = int(self._field.objects.cell[k])
        band = BANDS[int(self._field.exposures.band[exposure])]
        name = (
            f"ztf_{date}{fraction:06d}_{self._number:06d}_z{band}_c{cell // 4 + 1:02d}_o_q{cell % 4 + 1}"
            "_scimrefdiffimg.fits"
        )
        return f"/ztf/archive/sci/{date[:4]}/{date[4:]}/{fraction:06d}/{name}.fz" if archive else name

    def _image(self, k: IntArray, exposure: IntArray) -> dict[str, Any]:
        """What detections and non-detections share: the columns of their difference image."""
        field = self._field
        n = len(k)
        return {
            "jd": self._jd[exposure],
            "fid": self._fid[exposure],
            "pid": self._pid(k, exposure),
            "diffmaglim": field.exposures.limit_mag[exposure] + self._cell_depth[k],
            "programpi": ["Kulkarni"] * n,
            "programid": [1] * n,
            "nid": self._nid[exposure],
            "rcid": field.objects.cell[k],
            "field": [self._number] * n,
            "magzpsci": self.zero_point[exposure],
            "magzpsciunc": 4e-6 + 1e-2 / self._matches[exposure] ** 1.5,
            "magzpscirms": self._zp_rms[exposure],
            "clrcoeff": self._colour[exposure],
            "clrcounc": 8e-6 + 1e-2 / self._matches[exposure] ** 1.5,
            "rbversion": ["t17_f5_c3"] * n,
        }

    @property
    def _cell_depth(self) -> FloatArray:
        return self._catalogue.cell_depth

    def records(self, rng: np.random.Generator, k: IntArray, exposure: IntArray) -> list[Record]:
        """`candidate` records of the detections of objects `k` at `exposure`, both (n,)."""
        columns = self._image(k, exposure)
        columns["pdiffimfilename"] = [
            self.file_name(int(i), int(e), archive=False) for i, e in zip(k, exposure, strict=True)
        ]
        columns |= self._photometry(rng, k, exposure, columns["diffmaglim"])
        columns |= self._catalogue.columns(rng, k, self._field.exposures.band[exposure], columns["ra"], columns["dec"])
        columns |= self._quality(rng, k, exposure)
        names = list(columns)
        values = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def _photometry(
        self, rng: np.random.Generator, k: IntArray, exposure: IntArray, limit: FloatArray
    ) -> dict[str, Any]:
        """Brightness, position and history of detections."""
        field, o = self._field, self._field.objects
        n = len(k)
        flux, error = field.flux_njy[k, exposure], field.error_njy[k, exposure]
        snr = np.abs(flux) / error
        mag = ZERO_POINT_AB_NJY - 2.5 * np.log10(np.abs(flux))
        sigma = 1.0857 / snr
        aperture = mag + rng.normal(0.0, 0.7, n) * sigma
        wide = mag + rng.normal(0.0, 1.2, n) * sigma
        ra, dec = field.position_deg(k, exposure)
        jitter = field.exposures.seeing_arcsec[exposure] / 2.355 / snr / 3600.0
        ra = (ra + rng.normal(0.0, 1.0, n) * jitter / np.cos(np.radians(dec))) % 360.0
        dec = dec + rng.normal(0.0, 1.0, n) * jitter
        x, y = o.x_px[k] + rng.normal(0.0, 3.0, n), o.y_px[k] + rng.normal(0.0, 3.0, n)
        moving = np.any(o.motion_arcsec_per_day[k] != 0.0, axis=1)
        once = np.ones(n, dtype=np.int64)
        return {
            "candid": self._candid[k, exposure],
            "isdiffpos": np.where(flux > 0.0, "t", "f"),
            "tblid": self._candid[k, exposure] % 1000,
            "xpos": x,
            "ypos": y,
            "ra": ra,
            "dec": dec,
            "magpsf": mag,
            "sigmapsf": sigma,
            "magap": aperture,
            "sigmagap": sigma * 1.3,
            "magapbig": wide,
            "sigmagapbig": sigma * 1.7,
            "magdiff": aperture - mag,
            "magfromlim": limit - aperture,
            "scorr": snr * rng.normal(1.0, 0.05, n).clip(0.85),
            "mindtoedge": np.minimum(np.minimum(x, 3072.0 - x), np.minimum(y, 3080.0 - y)),
            "ndethist": np.where(moving, once, self._detections[k, exposure]),
            "ncovhist": self._coverage[k, exposure],
            "jdstarthist": np.where(moving, self._jd[exposure], self._first_jd[k]),
            "jdendhist": self._jd[exposure],
            "ssnrms": snr * rng.uniform(0.9, 1.2, n),
            "exptime": [field.survey.exposure_s] * n,
        }

    def _quality(self, rng: np.random.Generator, k: IntArray, exposure: IntArray) -> dict[str, Any]:
        """How a detection looks to ZTF's own checks: shapes, counts of bad pixels, real/bogus scores."""
        field, o = self._field, self._field.objects
        n = len(k)
        bogus = o.artefact[k] > 0
        snr = np.abs(field.flux_njy[k, exposure]) / field.error_njy[k, exposure]
        seeing = field.exposures.seeing_arcsec[exposure]
        fwhm = np.where(o.artefact[k] == COSMIC_RAY, rng.uniform(0.9, 1.3, n), seeing / 1.01 * rng.normal(1.0, 0.08, n))
        elongation = np.where(bogus, rng.uniform(1.2, 2.2, n), 1.0 + rng.gamma(2.0, 0.06, n))
        minor = fwhm / 2.9 * rng.normal(1.0, 0.06, n)
        doubt = np.where(bogus, rng.beta(5.0, 1.2, n), rng.beta(1.2, 14.0, n) * np.minimum(8.0 / snr, 1.0))
        sum_ratio = np.where(o.artefact[k] == BAD_SUBTRACTION, rng.uniform(0.15, 0.7, n), 1.0 - rng.beta(1.0, 14.0, n))
        rms = snr * rng.uniform(0.5, 0.7, n)
        return {
            "chipsf": np.where(bogus, rng.lognormal(2.0, 0.8, n), rng.lognormal(0.1, 0.25, n) + snr**2 * 1e-3),
            "sky": rng.normal(0.1, 0.7, n),
            "fwhm": fwhm,
            "classtar": np.where(bogus, rng.beta(2.0, 2.0, n), 1.0 - rng.beta(1.0, 25.0, n)),
            "seeratio": seeing / 1.9,
            "aimage": minor * elongation,
            "bimage": minor,
            "aimagerat": minor * elongation / fwhm,
            "bimagerat": minor / fwhm,
            "elong": elongation,
            "nneg": rng.binomial(25, np.where(bogus, 0.3, 0.12)),
            "nbad": [0] * n,
            "sumrat": sum_ratio,
            "rb": (1.0 - doubt * rng.uniform(0.7, 1.3, n) - 0.05).clip(0.0, 1.0),
            "drb": 1.0 - doubt ** np.where(bogus, 1.0, 2.0),
            "drbversion": ["d6_m7"] * n,
            "tooflag": [0] * n,
            "rfid": self._reference_id(k, exposure),
            "jdstartref": [self._reference_jd] * n,
            "jdendref": [self._reference_jd + 180.0] * n,
            "nframesref": [15 + self._number % 26] * n,
            "dsnrms": rms,
            "dsdiff": -rms * rng.uniform(0.5, 1.0, n),
            "nmatches": self._matches[exposure],
            "zpclrcov": -1e-2 / self._matches[exposure],
            "zpmed": self.zero_point[exposure] + 0.03,
            "clrmed": [0.61] * n,
            "clrrms": [0.27] * n,
        }

    def _reference_id(self, k: IntArray, exposure: IntArray) -> IntArray:
        number: IntArray = self._number * 10**6 + 120_000 + self._fid[exposure] * 100 + self._field.objects.cell[k]
        return number

    def limit_record(self, k: int, exposure: int, names: tuple[str, ...]) -> Record:
        """A `prv_candidate` without a detection: the image's own columns, the rest null."""
        columns = self._image(np.array([k]), np.array([exposure]))
        record: Record = dict.fromkeys(names)
        record |= {name: column[0] for name, column in columns.items() if name in record}
        record["pdiffimfilename"] = self.file_name(k, exposure, archive=True)
        return record

    def forced_record(self, k: int, exposure: int) -> Record:
        """An `fp_hist`: the flux at the object's place, whether detected or not; now and then a failed one."""
        image = {name: column[0] for name, column in self._image(np.array([k]), np.array([exposure])).items()}
        njy_per_dn = flux_from_magnitude(self.zero_point[exposure])
        failed = (k * 31 + exposure * 17) % 41 == 0
        nearest = self._catalogue.nearest_reference(k, int(self._field.exposures.band[exposure]))
        if failed:
            nearest = dict.fromkeys(nearest, _SENTINEL)
        else:
            nearest = {name: _SENTINEL if value == MISSING else value for name, value in nearest.items()}
        return {
            **{name: value for name, value in image.items() if name not in ("programpi", "nid", "rbversion")},
            "rfid": int(self._reference_id(np.array([k]), np.array([exposure]))[0]),
            "sciinpseeing": float(self._field.exposures.seeing_arcsec[exposure]) / self._field.survey.pixel_arcsec,
            "scibckgnd": float(self.sky_dn[exposure]),
            "scisigpix": float(np.sqrt(self.sky_dn[exposure] / 2.0)),
            "exptime": self._field.survey.exposure_s,
            "adpctdif1": 0.08,
            "adpctdif2": 0.07,
            "forcediffimflux": _SENTINEL if failed else float(self._field.flux_njy[k, exposure] / njy_per_dn),
            "forcediffimfluxunc": _SENTINEL if failed else float(self._field.error_njy[k, exposure] / njy_per_dn),
            "procstatus": _FAILED if failed else _GOOD,
            **nearest,
        }


def _dates(jd: FloatArray) -> list[str]:
    """UTC dates, YYYYMMDD."""
    days = np.floor(jd - _JD_OF_MJD_ZERO - MJD_UNIX_EPOCH).astype("datetime64[D]")
    return [str(day).replace("-", "") for day in days]
