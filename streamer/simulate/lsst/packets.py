"""LSST packets, schema 11.1: Confluent framing, multi-HDU FITS stamps, a year of sources and forced photometry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from schemas.light_curve import FloatArray, IntArray
from schemas.surveys.tables import lsst_schema_id
from streamer.simulate.images import fits as fits_stamps
from streamer.simulate.images.psf import Psf, psf_images
from streamer.simulate.images.stamps import STAMP_PIXELS, Stamps, draw_stamps
from streamer.simulate.lsst.object import Measurement, asteroid_records, measurement, object_record
from streamer.simulate.lsst.source import VERSION, Sources
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.scene import Field, chunks
from streamer.simulate.wire import ABSENT, PRESENT, RecordWriter, encode_array, encode_bytes, encode_long

_CHUNK = 64
_PRECOVERY_DAYS = 30.0
"""A day after an object is found, forced photometry reaches back so far before its first source."""
_PRECOVERY_DELAY_DAYS = 0.5

_PSF_PIXELS = 41
"""Side of the point-spread function's image."""

_FRAME = b"\x00" + lsst_schema_id(VERSION).to_bytes(4, "big")

_SIDE = STAMP_PIXELS["lsst"]
_MIDDLE = _SIDE // 2

_VARIANCE_HEADER = fits_stamps.header(
    [
        *fits_stamps.image_cards(-32, _SIDE, _SIDE, True),
        fits_stamps.card("UTYPE", "VarianceUncertainty"),
        fits_stamps.card("EXTNAME", "UNCERT"),
    ]
)
_PSF_HEADER = fits_stamps.header(
    [*fits_stamps.image_cards(-64, _PSF_PIXELS, _PSF_PIXELS, True), fits_stamps.card("EXTNAME", "PSFIMAGE")]
)


class LsstPackets:
    """Writes one field's alerts, in order of time."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._sources = Sources(field)
        self._source = RecordWriter("lsst", VERSION, "lsst.v11_1.diaSource")
        self._forced = RecordWriter("lsst", VERSION, "lsst.v11_1.diaForcedSource")
        self._object = RecordWriter("lsst", VERSION, "lsst.v11_1.diaObject")
        self._ss_source = RecordWriter("lsst", VERSION, "lsst.v11_1.ssSource")
        self._orbit = RecordWriter("lsst", VERSION, "lsst.v11_1.mpc_orbits")
        self._measured: dict[int, list[Measurement]] = {}
        self._rows: dict[int, list[tuple[float, bytes]]] = {}
        self._forced_rows: dict[tuple[int, int], bytes] = {}
        self._psf_bytes: dict[tuple[int, bool], bytes] = {}
        self._moving = np.any(field.objects.motion_arcsec_per_day != 0.0, axis=1)

    def packets(self) -> Iterator[SimulatedPacket]:
        """The alerts of the field's nights; earlier detections only enter their objects' histories."""
        field = self._field
        all_k, all_exposure = field.detections()
        for number, rows in enumerate(chunks(len(all_k), _CHUNK)):
            k, exposure = all_k[rows], all_exposure[rows]
            rng = field.generator(3, number)
            records = self._sources.records(rng, k, exposure)
            position = np.array([(record["x"], record["y"]) for record in records])
            stamps = self._stamps(rng, k, exposure, position) if exposure[-1] >= field.exposures.emitted_from else None
            for i, record in enumerate(records):
                body = self._source.encode(record)
                self._measured.setdefault(int(k[i]), []).append(measurement(record))
                if stamps is not None and exposure[i] >= field.exposures.emitted_from:
                    images = self._images(int(exposure[i]), record, stamps, i)
                    yield self._packet(int(k[i]), int(exposure[i]), record, body, images)
                self._rows.setdefault(int(k[i]), []).append((record["midpointMjdTai"], body))

    def _stamps(self, rng: np.random.Generator, k: IntArray, exposure: IntArray, position: FloatArray) -> Stamps:
        n = len(k)
        return draw_stamps(rng, self._field, k, exposure, position, np.ones(n), np.zeros(n))

    def _packet(
        self, k: int, exposure: int, record: dict[str, Any], source: bytes, images: list[bytes]
    ) -> SimulatedPacket:
        field = self._field
        alert_id = int(record["diaSourceId"])
        parts = [_FRAME, encode_long(alert_id), ABSENT, ABSENT, source]
        if self._moving[k]:
            ephemeris, orbit = asteroid_records(field, k, exposure, record)
            parts += [ABSENT, ABSENT, ABSENT]
            parts += [PRESENT, self._ss_source.encode(ephemeris), PRESENT, self._orbit.encode(orbit)]
            object_id = f"SSO-{record['ssObjectId']}"
        else:
            history = self._history(k, exposure)
            parts += [PRESENT + encode_array(history) if history else ABSENT]
            parts += [PRESENT + encode_array(self._forced_history(k, exposure))]
            parts += [PRESENT, self._object.encode(object_record(field, k, record, self._measured[k])), ABSENT, ABSENT]
            object_id = str(record["diaObjectId"])
        for image in images:
            parts += [PRESENT, encode_bytes(image)]
        return field.packet(k, exposure, alert_id, object_id, b"".join(parts))

    def _history(self, k: int, exposure: int) -> list[bytes]:
        begin = float(self._field.exposures.mjd_tai[exposure]) - self._field.survey.lookback_days
        return [row for mjd, row in self._rows.get(k, []) if mjd >= begin]

    def _forced_history(self, k: int, exposure: int) -> list[bytes]:
        mjd = self._field.exposures.mjd_tai
        now, first = float(mjd[exposure]), self._sources.first_mjd(k)
        since = first - (_PRECOVERY_DAYS if now - first > _PRECOVERY_DELAY_DAYS else 0.0)
        begin = int(np.searchsorted(mjd, max(since, now - self._field.survey.lookback_days)))
        rows = []
        for earlier in map(int, begin + np.flatnonzero(self._field.covered[k, begin:exposure])):
            row = self._forced_rows.get((k, earlier))
            if row is None:
                row = self._forced.encode(self._sources.forced_record(k, earlier))
                self._forced_rows[k, earlier] = row
            rows.append(row)
        return rows

    def _images(self, exposure: int, record: dict[str, Any], stamps: Stamps, i: int) -> list[bytes]:
        """Difference, science and template, in the packet's order, each with its variance plane and PSF."""
        header = _primary_header(record, float(self._field.exposures.rotation_deg[exposure]))
        science = self._psf(exposure, stamps.science_psf, i, template=False)
        planes = (
            (stamps.difference[i], stamps.difference_variance[i], science),
            (stamps.science[i], stamps.science_variance[i], science),
            (
                stamps.template[i],
                stamps.template_variance[i],
                self._psf(exposure, stamps.template_psf, i, template=True),
            ),
        )
        return [
            b"".join(
                (
                    header,
                    fits_stamps.data(pixels.astype(">f4").tobytes()),
                    _VARIANCE_HEADER,
                    fits_stamps.data(variance.astype(">f4").tobytes()),
                    psf,
                )
            )
            for pixels, variance, psf in planes
        ]

    def _psf(self, exposure: int, psf: Psf, i: int, template: bool) -> bytes:
        """The third HDU: the exposure's own for science and difference, the reference image's for the template."""
        known = self._psf_bytes.get((exposure, template))
        if known is None:
            image = psf_images(psf.take(np.array([i])), _PSF_PIXELS)[0]
            known = _PSF_HEADER + fits_stamps.data(image.astype(">f8").tobytes())
            self._psf_bytes[exposure, template] = known
        return known


def _primary_header(record: dict[str, Any], rotation_deg: float) -> bytes:
    """Cards of the first HDU: where the stamp was cut, and a tangent projection with +y at `rotation_deg` from north
    through east.
    """
    card = fits_stamps.card
    scale, angle = 0.2 / 3600.0, np.radians(rotation_deg)
    x, y = float(record["x"]), float(record["y"])
    left, bottom = int(x) - _MIDDLE, int(y) - _MIDDLE
    return fits_stamps.header(
        [
            *fits_stamps.image_cards(-32, _SIDE, _SIDE, False),
            card("EXTEND", True),
            card("CUTMINX", left),
            card("CUTMINY", bottom),
            card("ROTPA", rotation_deg),
            card("BUNIT", "nJy"),
            card("WCSAXES", 2),
            card("CRPIX1", x - left),
            card("CRPIX2", y - bottom),
            card("PC1_1", -scale * float(np.cos(angle))),
            card("PC1_2", scale * float(np.sin(angle))),
            card("PC2_1", scale * float(np.sin(angle))),
            card("PC2_2", scale * float(np.cos(angle))),
            card("CDELT1", 1.0),
            card("CDELT2", 1.0),
            card("CUNIT1", "deg"),
            card("CUNIT2", "deg"),
            card("CTYPE1", "RA---TAN"),
            card("CTYPE2", "DEC--TAN"),
            card("CRVAL1", float(record["ra"])),
            card("CRVAL2", float(record["dec"])),
            card("RADESYS", "ICRS"),
        ]
    )
