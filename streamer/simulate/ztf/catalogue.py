"""What ZTF finds near an object in its catalogues: the reference image, Pan-STARRS 1, Gaia, known asteroids."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.light_curve import BANDS, ByteArray, FloatArray, IntArray
from schemas.surveys.columns import ZERO_POINT_AB_NJY
from streamer.simulate.scene import Field, cell_depth, lives_on_star

MISSING = -999.0
"""What ZTF writes where a catalogue has nothing."""

_R = BANDS.index("r")
_PS1_LIMIT_MAG = 22.0
_GAIA_LIMIT_MAG = 20.6
_KNOWN_ASTEROIDS = 0.85
"""Share of the asteroids that ZTF's ephemerides know."""


class Catalogue:
    """Catalogue matches of one field's objects; fixed for an object, but for its centroid's jitter.

    Three sources can lie near an object: its own counterpart (a star or an active nucleus), its host galaxy, and an
    unrelated star. Columns of `_distance` and `_mag` are in that order.
    """

    def __init__(self, field: Field) -> None:
        o = field.objects
        rng = field.generator(6)
        n = len(o.kind)
        self._field = field
        self.cell_depth: FloatArray = cell_depth(field.survey, o.cell)
        host_distance = np.hypot(o.host_offset_arcsec[:, 0], o.host_offset_arcsec[:, 1])
        self._distance = np.column_stack(
            [
                0.04 + rng.rayleigh(0.06, n),
                host_distance + 0.02,
                np.hypot(o.neighbour_offset_arcsec[:, 0, 0], o.neighbour_offset_arcsec[:, 0, 1]),
            ]
        )
        self._angle = np.column_stack(
            [
                rng.uniform(0.0, 2.0 * np.pi, n),
                np.arctan2(o.host_offset_arcsec[:, 1], o.host_offset_arcsec[:, 0]),
                rng.uniform(0.0, 2.0 * np.pi, n),
            ]
        )
        # An active nucleus and its galaxy are one source to a catalogue.
        blended = (o.counterpart_njy[:, _R] > 0.0) & (o.host_njy[:, _R] > 0.0)
        own = o.counterpart_njy + np.where(blended[:, None], o.host_njy, 0.0)
        with np.errstate(divide="ignore"):
            counterpart = ZERO_POINT_AB_NJY - 2.5 * np.log10(own)
            host = ZERO_POINT_AB_NJY - 2.5 * np.log10(np.where(blended[:, None], 0.0, o.host_njy))
        neighbour = ZERO_POINT_AB_NJY - 2.5 * np.log10(o.neighbour_njy[:, 0])
        self._mag = np.stack([counterpart, host, neighbour], axis=1)
        star = lives_on_star(field)
        self._score = np.column_stack(
            [
                np.where(star, rng.beta(20.0, 1.0, n), rng.beta(2.0, 2.0, n)),
                rng.beta(1.0, 12.0, n),
                rng.choice([0.5, 0.98, 0.03], n),
            ]
        )
        self._id = rng.integers(7 * 10**16, 2 * 10**17, (n, 3))
        self._matches = 1 + rng.poisson(6.0, n)
        self._bright = rng.uniform(30.0, 89.0, n)
        self._known = rng.random(n) < _KNOWN_ASTEROIDS
        self._number = rng.integers(1_000, 640_000, n)

    def nearest_reference(self, k: int, band: int) -> dict[str, float]:
        """distnr, ranr, decnr, magnr and its quality for one object at its mean place (of `fp_hists`)."""
        o = self._field.objects
        row = self._reference(np.array([k]), np.array([band], dtype=np.uint8), o.ra_deg[[k]], o.dec_deg[[k]])
        return {name: float(column[0]) for name, column in row.items()}

    def _reference(self, k: IntArray, band: ByteArray, ra: FloatArray, dec: FloatArray) -> dict[str, FloatArray]:
        mag = self._mag[k, :, band]
        distance = np.where(mag < self._field.survey.reference_limit_mag, self._distance[k], np.inf)
        which = np.argmin(distance, axis=1)
        rows = np.arange(len(k))
        found = np.isfinite(distance[rows, which])
        nearest, angle = self._distance[k, which], self._angle[k, which]
        brightness = mag[rows, which]
        north, east = nearest * np.sin(angle) / 3600.0, nearest * np.cos(angle) / 3600.0
        galaxy = which == 1

        def known(column: FloatArray) -> FloatArray:
            return np.where(found, column, MISSING)

        return {
            "distnr": known(nearest / self._field.survey.pixel_arcsec),
            "ranr": known((ra + east / np.cos(np.radians(dec))) % 360.0),
            "decnr": known(dec + north),
            "magnr": known(np.where(found, brightness, 0.0)),
            "sigmagnr": known(0.012 + 0.3 * 10.0 ** (0.4 * np.where(found, brightness - 22.5, 0.0))),
            "chinr": known(np.where(galaxy, 2.5, 0.8)),
            "sharpnr": known(np.where(galaxy, 0.4, -0.01)),
        }

    def columns(
        self, rng: np.random.Generator, k: IntArray, band: ByteArray, ra: FloatArray, dec: FloatArray
    ) -> dict[str, Any]:
        """Catalogue columns of the detections of objects `k`, all (n,)."""
        reference: dict[str, Any] = dict(self._reference(k, band, ra, dec))
        return reference | self._pan_starrs(k) | self._gaia(k) | self._solar_system(rng, k)

    def _pan_starrs(self, k: IntArray) -> dict[str, Any]:
        """The three nearest sources within 30 arcsec, nearest first."""
        r = self._mag[k, :, _R]
        distance = np.where(r < _PS1_LIMIT_MAG, self._distance[k], np.inf)
        order = np.argsort(distance, axis=1)
        rows = np.arange(len(k))
        columns: dict[str, Any] = {}
        for place in range(3):
            which = order[:, place]
            found = np.isfinite(distance[rows, which])
            suffix = str(place + 1)
            columns["objectidps" + suffix] = np.where(found, self._id[k, which], int(MISSING))
            for band, name in ((1, "sgmag"), (2, "srmag"), (3, "simag"), (4, "szmag")):
                mag = self._mag[k, which, band]
                columns[name + suffix] = np.where(found & (mag < 25.0), np.where(found, mag, 0.0), MISSING)
            columns["sgscore" + suffix] = np.where(found, self._score[k, which], MISSING)
            columns["distpsnr" + suffix] = np.where(found, self._distance[k, which], MISSING)
        columns["nmtchps"] = self._matches[k]
        return columns

    def _gaia(self, k: IntArray) -> dict[str, Any]:
        """Stars only: the counterpart of a variable or a cataclysmic variable, else the unrelated star."""
        own = lives_on_star(self._field)[k] & (self._mag[k, 0, _R] < _GAIA_LIMIT_MAG)
        other = self._mag[k, 2, _R] < _GAIA_LIMIT_MAG
        distance = np.where(own, self._distance[k, 0], np.where(other, self._distance[k, 2], MISSING))
        mag = np.where(own, self._mag[k, 0, _R], np.where(other, self._mag[k, 2, _R], MISSING))
        bright = self._bright[k] < 60.0
        return {
            "neargaia": distance,
            "maggaia": mag,
            "neargaiabright": np.where(bright, self._bright[k], MISSING),
            "maggaiabright": np.where(bright, 10.0 + self._bright[k] / 15.0, MISSING),
        }

    def _solar_system(self, rng: np.random.Generator, k: IntArray) -> dict[str, Any]:
        o = self._field.objects
        known = self._known[k] & np.any(o.motion_arcsec_per_day[k] != 0.0, axis=1)
        offset = rng.rayleigh(0.6, len(k))
        au2 = np.maximum(o.helio_au[k] * o.topo_au[k], 1e-3)
        return {
            "ssdistnr": np.where(known, offset, MISSING),
            "ssmagnr": np.where(known, o.h_mag[k] + 5.0 * np.log10(au2) + 0.3, MISSING),
            "ssnamenr": [str(self._number[i]) if here else "null" for i, here in zip(k, known, strict=True)],
        }
