"""LSST packets of any version: Confluent framing, multi-HDU FITS stamps, a year of sources and forced photometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas.light_curve import BANDS, IntArray
from streamer.simulate.images.psf import psf_images, science_psf, template_psf
from streamer.simulate.images.stamps import Stamps, draw_stamps
from streamer.simulate.lsst.asteroid import asteroids_of, ephemeris_columns, orbit_columns
from streamer.simulate.lsst.cutouts import Placement, cutout, header, psf_hdu
from streamer.simulate.lsst.flags import PSF_PIXELS
from streamer.simulate.lsst.forced import ForcedSources, force
from streamer.simulate.lsst.object import object_columns, object_states
from streamer.simulate.lsst.rows import Columns, Rows, join_rows
from streamer.simulate.lsst.source import measure
from streamer.simulate.lsst.versions import NEWEST, Layouts, layouts
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.scene import Field, chunks
from streamer.simulate.wire import ABSENT, PRESENT, encode_bytes, encode_long

_CHUNK = 64

_ROWS_AT_ONCE = 4_096

_KEPT = ("diaObjectId", "ssObjectId", "ra", "dec", "x", "y")
"""Columns of the detections that a packet's identity and stamps need."""

_TEMPLATE_PSF_PIXELS = 49
"""Side of the reference image's point-spread function: 37 to 55 in real packets, 49 in most."""

_DUSTY_MAG = 0.2
"""Reddening E(B-V) from which Rubin names a target for its dust."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Encoded records that some of the detections have."""

    detections: IntArray
    """Which, ascending."""
    rows: Rows

    def body(self, detection: int) -> bytes:
        return self.rows[int(np.searchsorted(self.detections, detection))]

    def between(self, begin: int, end: int) -> tuple[int, bytes]:
        """How many records of detections `begin` to `end` (without) there are, and their bodies."""
        first, last = (int(place) for place in np.searchsorted(self.detections, (begin, end)))
        return last - first, self.rows.slice(first, last)


class LsstPackets:
    """Writes one field's alerts, in order of time."""

    def __init__(self, field: Field, version: str | None = None) -> None:
        """`version` is one of `schemas.surveys.tables.LSST_VERSIONS`, the newest where None; ValueError for another."""
        self._field = field
        self._layouts: Layouts = layouts(version or NEWEST)
        identity, self._detections = measure(field)
        d = self._detections
        is_sent = d.exposure >= field.exposures.emitted_from
        moves = field.objects.moving[d.k]
        by_time = np.lexsort((d.k, d.exposure))
        self._sent: IntArray = by_time[is_sent[by_time]]
        self._own = self._encode("diaSource", np.flatnonzero(is_sent), d.columns)
        # In a history row no Solar System object is named; in an alert's own source it is 0.
        history = {name: column for name, column in d.columns.items() if name != "ssObjectId"}
        self._history = self._encode("diaSource", np.flatnonzero(~moves), history)
        states = object_states(d)
        self._objects = self._encode("diaObject", np.flatnonzero(is_sent & ~moves), object_columns(d, states))
        self._forced: ForcedSources = force(identity, d, states, self._layouts)
        self._encode_asteroids(np.flatnonzero(is_sent & moves))
        # A group of fields is written side by side: all else of the columns is in the encoded records.
        d.columns = {name: d.columns[name] for name in _KEPT}
        self._psfs: dict[tuple[str, int], bytes] = {}

    def packets(self) -> Iterator[SimulatedPacket]:
        """The alerts of the field's nights; earlier detections only enter their objects' histories."""
        for number, part in enumerate(chunks(len(self._sent), _CHUNK)):
            rows = self._sent[part]
            stamps = self._stamps(number, rows)
            for i, row in enumerate(rows.tolist()):
                yield self._packet(row, self._images(row, stamps, i))

    def _encode(self, record: str, detections: IntArray, columns: Columns) -> _Part:
        """A record of some detections, from columns of all."""
        parts = []
        for rows in chunks(max(len(detections), 1), _ROWS_AT_ONCE):
            taken = {name: column[detections[rows]] for name, column in columns.items()}
            parts.append(self._layouts.rows(record, taken, len(detections[rows])))
        return _Part(detections, join_rows(parts))

    def _encode_asteroids(self, detections: IntArray) -> None:
        """What goes with detections of moving objects: an ephemeris each, and the object's orbit."""
        field, d = self._field, self._detections
        asteroids = asteroids_of(field)
        ephemerides = ephemeris_columns(field, asteroids, d, detections)
        which = np.searchsorted(asteroids.k, d.k[detections])
        orbit = {name: column[which] for name, column in orbit_columns(field, asteroids).items()}
        self._moving = {
            name: _Part(detections, self._layouts.rows(name, columns, len(detections)))
            for name, columns in (
                ("ssSource", ephemerides),
                ("mpc_orbits", orbit),
                ("MPCORB", orbit),
                ("ssObject", {"ssObjectId": d.columns["ssObjectId"][detections]}),
            )
            if name in self._layouts.top
        }

    def _packet(self, row: int, images: dict[str, bytes]) -> SimulatedPacket:
        """The alert of detection `row`."""
        field, d = self._field, self._detections
        k, exposure, alert_id = int(d.k[row]), int(d.exposure[row]), int(d.source_id[row])
        moves = bool(field.objects.moving[k])
        reason, target = self._purpose(k, exposure)
        own = self._own.body(row)
        values = {
            "alertId": encode_long(alert_id),
            "diaSourceId": encode_long(alert_id),
            "observation_reason": PRESENT + encode_bytes(reason.encode()),
            "target_name": PRESENT + encode_bytes(target.encode()),
            "diaSource": own,
            **{name: PRESENT + encode_bytes(image) for name, image in images.items()},
        }
        if moves:
            values |= {name: PRESENT + part.body(row) for name, part in self._moving.items()}
            object_id = f"SSO-{d.columns['ssObjectId'][row]}"
        else:
            values |= self._past(row, k, exposure)
            values["diaObject"] = PRESENT + self._objects.body(row)
            object_id = str(d.columns["diaObjectId"][row])
        payload = b"".join([self._layouts.frame, *(values.get(name, ABSENT) for name in self._layouts.top)])
        return field.packet(k, exposure, alert_id, object_id, payload)

    def _past(self, row: int, k: int, exposure: int) -> dict[str, bytes]:
        """Earlier sources, null where there are none, and forced photometry, an empty array where there is none."""
        field, d = self._field, self._detections
        mjd = field.exposures.mjd_tai
        since = int(np.searchsorted(mjd, mjd[exposure] - field.survey.lookback_days))
        first = int(d.first[row])
        first += int(np.searchsorted(d.exposure[first:row], since))
        count, sources = self._history.between(first, row)
        forced_count, forced = self._forced.history(k, exposure, since)
        return {
            "prvDiaSources": PRESENT + _array(count, sources) if count else ABSENT,
            "prvDiaForcedSources": PRESENT + _array(forced_count, forced),
        }

    def _purpose(self, k: int, exposure: int) -> tuple[str, str]:
        """Why and at what the telescope looked: a pair of visits in the night's bands, in the Galaxy's dust or not."""
        exposures = self._field.exposures
        bands = exposures.band[exposures.night == exposures.night[exposure]]
        pair = "".join(BANDS[int(band)] for band in np.unique(bands)[:2])
        target = "dusty_plane" if self._field.objects.ebv_mag[k] > _DUSTY_MAG else "lowdust"
        return f"pairs_{pair}_33.0", target

    def _stamps(self, number: int, rows: IntArray) -> Stamps:
        d = self._detections
        position = np.stack([d.columns["x"][rows], d.columns["y"][rows]], axis=1)
        rng = self._field.generator(3, number)
        return draw_stamps(
            rng, self._field, d.k[rows], d.exposure[rows], position, np.ones(len(rows)), np.zeros(len(rows))
        )

    def _images(self, row: int, stamps: Stamps, i: int) -> dict[str, bytes]:
        """The three stamps, each with its variance and point-spread function; the difference has the science's."""
        columns, exposure = self._detections.columns, int(self._detections.exposure[row])
        science, template, difference = stamps.triplet(i)
        place = header(
            Placement(
                ra_deg=float(columns["ra"][row]),
                dec_deg=float(columns["dec"][row]),
                x_px=float(columns["x"][row]),
                y_px=float(columns["y"][row]),
                side_px=science.shape[0],
                rotation_deg=float(self._field.exposures.rotation_deg[exposure]),
            )
        )
        visit = self._psf("visit", exposure)
        reference = self._psf("reference", int(self._field.exposures.band[exposure]))
        return {
            "cutoutDifference": cutout(place, difference, stamps.difference_variance[i], visit),
            "cutoutScience": cutout(place, science, stamps.science_variance[i], visit),
            "cutoutTemplate": cutout(place, template, stamps.template_variance[i], reference),
        }

    def _psf(self, image: str, which: int) -> bytes:
        """The third HDU: one for all stamps of a visit, one for all reference images of a band."""
        known = self._psfs.get((image, which))
        if known is None:
            one = np.array([which])
            if image == "visit":
                psf, side = science_psf(self._field, one), PSF_PIXELS
            else:
                psf, side = template_psf(self._field, one.astype(np.uint8)), _TEMPLATE_PSF_PIXELS
            known = self._psfs[image, which] = psf_hdu(psf_images(psf, side)[0])
        return known


def _array(count: int, items: bytes) -> bytes:
    """An Avro array of `count` encoded items."""
    return encode_long(count) + items + b"\x00" if count else b"\x00"
