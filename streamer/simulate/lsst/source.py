"""Rubin's records of a detection, a forced measurement, an object and an asteroid, in Rubin's names and units."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.light_curve import BANDS, FloatArray, IntArray
from schemas.surveys.tables import survey_schema
from streamer.simulate.images.stamps import TEMPLATE_SKY_RATIO
from streamer.simulate.scene import Field
from streamer.simulate.sky.objects import BAD_COLUMN, BAD_SUBTRACTION, COSMIC_RAY

VERSION = "11.1"

_MJD_2010 = 55_197
_PROCESSING_DAYS = 0.0017
"""From mid-exposure to the alert's making [d]: about two and a half minutes."""

_RELIABILITY_VERSION = "simulated-1"

Record = dict[str, Any]


class Sources:
    """Records of one field. Detections are drawn in bulk; ids are fixed when the field is."""

    def __init__(self, field: Field) -> None:
        self._field = field
        rng = field.generator(4)
        n = len(field.exposures)
        mjd = field.exposures.mjd_tai
        days = np.floor(mjd).astype(np.int64)
        self._sequence = 20 + np.floor((mjd - days) * 1_900.0).astype(np.int64)
        dates = (days - 40_587).astype("datetime64[D]")
        self.visit: IntArray = np.array([int(str(date).replace("-", "")) for date in dates]) * 100_000 + self._sequence
        self._day = days - _MJD_2010
        # Each visit turns and shifts the camera: an object falls on another detector each time.
        self._turn = rng.integers(field.survey.cells, size=n)
        self._shift = rng.uniform(0.0, 3_900.0, (2, n))
        self._counter = np.maximum(np.cumsum(field.detected, axis=0), 1)
        self._first = np.argmax(field.detected, axis=1)
        self._flags = tuple(_flag_names())
        o = field.objects
        self._moving = np.any(o.motion_arcsec_per_day != 0.0, axis=1)
        self._ss_number = 21_160_000_000_000_000 + rng.integers(4 * 10**12, size=len(o.kind)) * 16 + field.index

    def detector(self, k: IntArray, exposure: IntArray) -> IntArray:
        """Detector on which objects fall, same shape."""
        detector: IntArray = (self._field.objects.cell[k] + self._turn[exposure]) % self._field.survey.cells
        return detector

    def pixel(self, k: IntArray, exposure: IntArray) -> tuple[FloatArray, FloatArray]:
        """x and y on the detector, at least 60 pixels from its edge."""
        o = self._field.objects
        x = 60.0 + (o.x_px[k] + self._shift[0, exposure]) % 3_900.0
        y = 60.0 + (o.y_px[k] + self._shift[1, exposure]) % 3_880.0
        return x, y

    def source_id(self, k: IntArray, exposure: IntArray) -> IntArray:
        """diaSourceId: the visit's day and number, the detector, a counter within the visit, packed into bits."""
        return self._pack(exposure, self.detector(k, exposure), self._counter[k, exposure])

    def _pack(self, exposure: IntArray, detector: IntArray, counter: IntArray) -> IntArray:
        packed: IntArray = (((self._day[exposure] << 15) + self._sequence[exposure] << 8) + detector << 22) + counter
        return packed

    def object_id(self, k: int) -> int:
        """diaObjectId: the id of the object's first source, as in Rubin's own alerts; 0 for asteroids."""
        if self._moving[k]:
            return 0
        return int(self.source_id(np.array([k]), self._first[[k]])[0])

    def ss_object_id(self, k: int) -> int:
        """ssObjectId; 0 for what does not move."""
        return int(self._ss_number[k]) if self._moving[k] else 0

    def first_mjd(self, k: int) -> float:
        """Time of the object's first detection [d]."""
        return float(self._field.exposures.mjd_tai[self._first[k]])

    def records(self, rng: np.random.Generator, k: IntArray, exposure: IntArray) -> list[Record]:
        """`diaSource` records of the detections of objects `k` at `exposure`, both (n,)."""
        columns = self._identity(k, exposure)
        columns |= self._astrometry(rng, k, exposure)
        columns |= self._photometry(rng, k, exposure)
        columns |= self._trail(rng, k, exposure, columns["psfFlux"])
        columns |= self._shape(rng, k, exposure)
        names = list(columns)
        values = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()]
        common = dict.fromkeys(self._flags, False) | {"psfLnL": None, "trailChi2": None, "timeWithdrawnMjdTai": None}
        return [common | dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    def _identity(self, k: IntArray, exposure: IntArray) -> dict[str, Any]:
        mjd = self._field.exposures.mjd_tai[exposure]
        band = self._field.exposures.band[exposure]
        return {
            "diaSourceId": self.source_id(k, exposure),
            "visit": self.visit[exposure],
            "detector": self.detector(k, exposure),
            "diaObjectId": [self.object_id(int(i)) for i in k],
            "ssObjectId": [self.ss_object_id(int(i)) for i in k],
            "parentDiaSourceId": [0] * len(k),
            "midpointMjdTai": mjd,
            "exposureTime": [self._field.survey.exposure_s] * len(k),
            "band": [BANDS[b] for b in band],
            "timeProcessedMjdTai": mjd + _PROCESSING_DAYS,
            "reliabilityVersion": [_RELIABILITY_VERSION] * len(k),
        }

    def _astrometry(self, rng: np.random.Generator, k: IntArray, exposure: IntArray) -> dict[str, Any]:
        field = self._field
        snr = np.abs(field.flux_njy[k, exposure]) / field.error_njy[k, exposure]
        sigma_px = field.exposures.seeing_arcsec[exposure] / 2.355 / snr / field.survey.pixel_arcsec + 0.01
        sigma_deg = sigma_px * field.survey.pixel_arcsec / 3600.0
        ra, dec = field.position_deg(k, exposure)
        n = len(k)
        x, y = self.pixel(k, exposure)
        return {
            "ra": (ra + rng.normal(0.0, 1.0, n) * sigma_deg / np.cos(np.radians(dec))) % 360.0,
            "raErr": sigma_deg,
            "dec": dec + rng.normal(0.0, 1.0, n) * sigma_deg,
            "decErr": sigma_deg,
            "ra_dec_Cov": rng.normal(0.0, 0.1, n) * sigma_deg**2,
            "x": x,
            "xErr": sigma_px,
            "y": y,
            "yErr": sigma_px,
        }

    def _photometry(self, rng: np.random.Generator, k: IntArray, exposure: IntArray) -> dict[str, Any]:
        field, o = self._field, self._field.objects
        n = len(k)
        flux, error = field.flux_njy[k, exposure], field.error_njy[k, exposure]
        template = self.template_njy(k, exposure)
        template_error = error * TEMPLATE_SKY_RATIO
        snr = np.abs(flux) / error
        bogus = o.artefact[k] > 0
        doubt = np.where(bogus, rng.beta(4.0, 1.5, n), rng.beta(1.2, 8.0, n) * np.minimum(9.0 / snr, 1.0))
        dipole = o.artefact[k] == BAD_SUBTRACTION
        mean = np.abs(flux) * 3.0

        def fitted(column: FloatArray) -> list[float | None]:
            return [float(value) if here else None for value, here in zip(column, dipole, strict=True)]

        return {
            "apFlux": flux + rng.normal(0.0, 2.0, n) * error,
            "apFluxErr": error * 2.4,
            "isNegative": flux < 0.0,
            "snr": snr,
            "psfFlux": flux,
            "psfFluxErr": error,
            "psfChi2": np.where(bogus, 4.0, 1.0) * rng.normal(1681.0, 58.0, n) + snr**2 * 0.05,
            "psfNdata": [1681] * n,
            "scienceFlux": template + flux,
            "scienceFluxErr": error,
            "templateFlux": template,
            "templateFluxErr": template_error,
            "reliability": 1.0 - doubt,
            "isDipole": dipole,
            "dipoleFitAttempted": dipole,
            "dipoleMeanFlux": fitted(mean),
            "dipoleMeanFluxErr": fitted(error),
            "dipoleFluxDiff": fitted(flux),
            "dipoleFluxDiffErr": fitted(error * 2.0),
            "dipoleLength": fitted(rng.uniform(0.05, 0.4, n)),
            "dipoleAngle": fitted(rng.uniform(-180.0, 180.0, n)),
            "dipoleChi2": fitted(rng.normal(1700.0, 200.0, n)),
            "dipoleNdata": np.where(dipole, 1681, 0),
        }

    def template_njy(self, k: IntArray, exposure: IntArray) -> FloatArray:
        """Light of the reference image within the point-spread function (n,) [nJy]."""
        o, band = self._field.objects, self._field.exposures.band[exposure]
        psf_area = (self._field.exposures.seeing_arcsec[exposure] / 2.355) ** 2 * 4.0 * np.pi
        share = psf_area / (psf_area + 2.0 * np.pi * o.host_radius_arcsec[k] ** 2 + 1e-9)
        light: FloatArray = o.counterpart_njy[k, band] + share * o.host_njy[k, band]
        return light

    def _trail(self, rng: np.random.Generator, k: IntArray, exposure: IntArray, flux: FloatArray) -> dict[str, Any]:
        """Fit of a trail: every source gets one, of about the seeing's length unless it moves."""
        field, o = self._field, self._field.objects
        n = len(k)
        seeing = field.exposures.seeing_arcsec[exposure]
        during = o.motion_arcsec_per_day[k] * field.survey.exposure_s / 86_400.0
        length = np.hypot(np.hypot(during[:, 0], during[:, 1]), seeing * rng.uniform(0.6, 1.2, n))
        angle = np.where(
            self._moving[k], np.degrees(np.arctan2(during[:, 1], during[:, 0])), rng.uniform(-180.0, 180.0, n)
        )
        ra, dec = field.position_deg(k, exposure)
        return {
            "trailFlux": flux * rng.normal(1.03, 0.02, n),
            "trailFluxErr": field.error_njy[k, exposure] * 1.1,
            "trailRa": ra,
            "trailRaErr": [None] * n,
            "trailDec": dec,
            "trailDecErr": [None] * n,
            "trailLength": length,
            "trailLengthErr": 0.1 * length,
            "trailAngle": angle,
            "trailAngleErr": [5.0] * n,
            "trailNdata": [0] * n,
            "trailAlgorithm": [1] * n,
        }

    def _shape(self, rng: np.random.Generator, k: IntArray, exposure: IntArray) -> dict[str, Any]:
        field, o = self._field, self._field.objects
        n = len(k)
        psf = (field.exposures.seeing_arcsec[exposure] / 2.355) ** 2
        moment = np.where(o.artefact[k] == COSMIC_RAY, 0.3, 1.0) * psf
        snr = np.abs(field.flux_njy[k, exposure]) / field.error_njy[k, exposure]
        extended = np.where(o.artefact[k] > 0, rng.beta(2.0, 2.0, n), rng.beta(1.0, 4.0, n))
        return {
            "ixx": moment * rng.lognormal(0.0, 1.0, n) ** (1.0 / snr),
            "iyy": moment * rng.lognormal(0.0, 1.0, n) ** (1.0 / snr),
            "ixy": moment * rng.normal(0.0, 0.5, n) / snr,
            "ixxPSF": psf,
            "iyyPSF": psf,
            "ixyPSF": psf * 0.02,
            "extendedness": extended,
            "bboxSize": np.rint(8.0 + 8.0 * np.log10(snr)).astype(np.int64) * 2,
            "pixelFlags_cr": o.artefact[k] == COSMIC_RAY,
            "pixelFlags_crCenter": o.artefact[k] == COSMIC_RAY,
            "pixelFlags_interpolated": o.artefact[k] == BAD_COLUMN,
        }

    def forced_record(self, k: int, exposure: int) -> Record:
        """A `diaForcedSource`: the flux at the object's place, whether detected or not."""
        field = self._field
        ks, es = np.array([k]), np.array([exposure])
        flux, error = float(field.flux_njy[k, exposure]), float(field.error_njy[k, exposure])
        mjd = float(field.exposures.mjd_tai[exposure])
        return {
            "diaForcedSourceId": int(self._pack(es, self.detector(ks, es), ks + (1 << 21))[0]),
            "diaObjectId": self.object_id(k),
            "ra": float(field.objects.ra_deg[k]),
            "dec": float(field.objects.dec_deg[k]),
            "visit": int(self.visit[exposure]),
            "detector": int(self.detector(ks, es)[0]),
            "psfFlux": flux,
            "psfFluxErr": error,
            "midpointMjdTai": mjd,
            "scienceFlux": flux + float(self.template_njy(ks, es)[0]),
            "scienceFluxErr": error,
            "band": BANDS[int(field.exposures.band[exposure])],
            "timeProcessedMjdTai": mjd + _PROCESSING_DAYS,
            "timeWithdrawnMjdTai": None,
        }


def _flag_names() -> list[str]:
    """The boolean fields of a diaSource."""
    schema = survey_schema("lsst", VERSION)
    source = next(field["type"] for field in schema["fields"] if field["name"] == "diaSource")
    return [field["name"] for field in source["fields"] if field["type"] == ["null", "boolean"]]
