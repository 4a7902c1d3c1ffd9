"""What ZTF finds near an object: the reference image's own sources, Pan-STARRS 1, Gaia, known asteroids."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import BANDS, ByteArray, FloatArray, IntArray
from schemas.surveys.columns import ZERO_POINT_AB_NJY
from streamer.simulate.scene import BoolArray, Field, lives_on_star, psf_share
from streamer.simulate.sky.light_curves import asteroid_magnitude
from streamer.simulate.sky.stars import star_density_arcmin2
from streamer.simulate.ztf.rows import Columns

MISSING = -999.0
"""What ZTF writes where a catalogue has nothing."""

SCALE_ARCSEC = 1.0128
"""A pixel in distnr: median of 900 packets' separations over their distnr."""

_G, _R, _I, _Z = (BANDS.index(name) for name in "griz")

_PS1_LIMIT_MAG = np.array([0.0, 22.1, 21.9, 21.8, 21.4, 0.0])
"""Half of the sources so faint are in Pan-STARRS' catalogue, by band (Chambers et al. 2016, arXiv:1612.05560)."""

_PS1_LOST = 0.05
"""Share of bright sources that lack a band there."""

_FALSE_LOST = np.array([0.0, 0.7, 0.6, 0.1, 0.3, 0.0])
"""Share of false sources that lack a band."""

_PS1_RADIUS_ARCSEC = 30.0
_GAIA_RADIUS_ARCSEC = 90.0
_GAIA_LIMIT_MAG, _GAIA_BRIGHT_MAG = 20.7, 14.0

_BLENDED_ARCSEC = 1.4
"""Sources nearer to one another are one to a catalogue."""

_PEAKS_ARCMIN2 = 9.0
"""Noise peaks and faint sources in a reference image's catalogue, an arcmin^2: asteroids find one within 7 px."""

_KNOWN_ASTEROIDS = 0.9
"""Share of the asteroids that ZTF's ephemerides know."""

COUNTERPART, HOST = 0, 1
_FALSE = -2


class Catalogue:
    """Catalogue matches of one field's objects; fixed for an object, but for its centroid's jitter.

    M sources lie near an object: its own counterpart (a star or an active nucleus), its host galaxy, its unrelated
    neighbours; then a false source beside what is bright, which only Pan-STARRS lists, and a faint peak that only ZTF's
    reference image does.
    """

    def __init__(self, field: Field) -> None:
        o = field.objects
        rng = field.generator(6)
        self._field = field
        n = len(o)
        self._place_sources(rng)
        self._star = np.column_stack(
            [
                lives_on_star(field),
                np.zeros(n, dtype=bool),
                o.neighbour_radius_arcsec == 0.0,
                np.zeros((n, 2), dtype=bool),
            ]
        )
        # A nucleus looks as pointlike as its share of the light under the point-spread function.
        core = psf_share(o.host_radius_arcsec, 2.0) * o.host_njy[:, _R]
        point = o.counterpart_njy[:, _R] / np.maximum(o.counterpart_njy[:, _R] + core, 1e-9)
        self._pointlike = np.where(self._star, 1.0, 0.0)
        self._pointlike[:, COUNTERPART] = point
        self._pointlike[:, _FALSE] = 0.55
        self._draw_pan_starrs(rng)
        self._draw_gaia(rng)
        self._draw_reference(rng)
        self._known = (rng.random(n) < _KNOWN_ASTEROIDS) & o.moving
        self._asteroid = np.exp(rng.uniform(np.log(800.0), np.log(640_000.0), n)).astype(np.int64).astype(str)
        self._ephemeris_error = np.where(rng.random(n) < 0.93, 0, rng.geometric(0.15, n))

    def _place_sources(self, rng: np.random.Generator) -> None:
        """Offsets from the objects [arcsec], (K, M, 2), distances, and magnitudes (K, M - 1, 6), inf where none."""
        o = self._field.objects
        n = len(o)
        has_host = o.host_radius_arcsec > 0.0
        has_counterpart = o.counterpart_njy[:, _R] > 0.0
        host_distance = np.hypot(*o.host_offset_arcsec.T)
        # Stars have moved and catalogues are tied to one another to a tenth of an arcsecond.
        own = rng.normal([0.02, 0.06], 0.07, (n, 2))
        blended = has_counterpart & has_host & (host_distance < _BLENDED_ARCSEC)
        flux = np.stack(
            [
                np.where(blended[:, None], self.reference_flux_njy(), o.counterpart_njy),
                o.host_njy,
                *np.moveaxis(o.neighbour_njy, 1, 0),
            ],
            axis=1,
        )
        flux[blended, HOST] = 0.0
        nearest = np.where(has_counterpart, 0.0, np.where(has_host, host_distance, np.inf))
        gap = np.where(nearest < 2.0, 2.0 + nearest, 0.0)
        peak = np.sqrt(gap**2 + rng.exponential(3600.0 / (np.pi * _PEAKS_ARCMIN2), n))
        angle = rng.uniform(0.0, 2.0 * np.pi, n)
        self._offset = np.concatenate(
            [
                own[:, None],
                (o.host_offset_arcsec + 0.5 * own)[:, None],
                o.neighbour_offset_arcsec,
                self._beside(rng, n)[:, None],
                np.stack([peak * np.sin(angle), peak * np.cos(angle)], axis=1)[:, None],
            ],
            axis=1,
        )
        self._distance = np.hypot(self._offset[:, :, 0], self._offset[:, :, 1])
        # A point-spread function fitted to a galaxy takes most of its core's light, not all its light.
        flux[:, HOST] *= np.sqrt(psf_share(o.host_radius_arcsec, 2.0))[:, None]
        flux[:, 2:] *= np.sqrt(psf_share(o.neighbour_radius_arcsec, 2.0))[:, :, None]
        with np.errstate(divide="ignore"):
            mag = ZERO_POINT_AB_NJY - 2.5 * np.log10(flux)
        # Within a brighter source nothing fainter is listed.
        brightest = np.where(nearest < np.inf, np.minimum(mag[:, COUNTERPART, _R], mag[:, HOST, _R]), np.inf)
        hidden = (self._distance[:, 2:-2] < gap[:, None] * 0.8) & (mag[:, 2:, _R] > brightest[:, None])
        mag[:, 2:][hidden] = np.inf
        chance = np.select([brightest < 15.5, brightest < 18.0, brightest < 19.5], [0.45, 0.3, 0.15], 0.0)
        false = brightest[:, None] + 3.0 + rng.normal(0.0, 1.3, (n, len(BANDS)))
        false = np.where((rng.random(n) < chance)[:, None], np.minimum(false, 21.3), np.inf)
        false[rng.random(false.shape) < _FALSE_LOST] = np.inf
        self._mag = np.concatenate([mag, false[:, None]], axis=1)

    @staticmethod
    def _beside(rng: np.random.Generator, n: int) -> FloatArray:
        """(n, 2) where false sources lie about what is bright [arcsec]."""
        distance, angle = rng.lognormal(np.log(2.5), 0.8, n), rng.uniform(0.0, 2.0 * np.pi, n)
        return np.stack([distance * np.sin(angle), distance * np.cos(angle)], axis=1)

    def _draw_pan_starrs(self, rng: np.random.Generator) -> None:
        """Which sources are listed in which bands, and how they score as stars, (K, M - 1)."""
        mag, o = self._mag, self._field.objects
        limit = _PS1_LIMIT_MAG + rng.normal(0.0, 0.3, mag.shape)
        listed = (mag < limit) & (rng.random(mag.shape) > _PS1_LOST)
        in_catalogue = listed[:, :, _G : _Z + 1].any(axis=2) & (self._distance[:, :-1] < _PS1_RADIUS_ARCSEC)
        noisy = (
            mag
            + 0.2 * (1.0 - self._pointlike[:, :-1, None])
            + rng.normal(0.0, 1.0, mag.shape) * (0.01 + 0.12 * 10.0 ** (0.4 * (mag.clip(None, 23.0) - 22.0)))
        )
        self._ps1_mag = np.where(listed, np.round(np.where(listed, noisy, 0.0), 4), MISSING)
        self._in_pan_starrs = in_catalogue
        self._score = self._star_scores(rng, np.where(listed[:, :, _R], mag[:, :, _R], np.inf))
        zone = np.floor((o.dec_deg + 90.0) * 120.0).astype(np.int64) * 10**13
        ra = o.ra_deg[:, None] + self._offset[:, :-1, 0] / 3600.0 / np.cos(np.radians(o.dec_deg))[:, None]
        place = np.floor(ra % 360.0 * 1e6).astype(np.int64) * 10**4
        self._ps1_id = zone[:, None] + place + rng.integers(0, 10_000, place.shape)
        # Further away than the farthest neighbour that was drawn, sources go on at the same density.
        farthest = self._distance[:, _FALSE - 1]
        beyond = np.maximum(_PS1_RADIUS_ARCSEC**2 - farthest**2, 0.0) * np.pi / 3600.0
        share = float(listed[:, 2:-1, _G : _Z + 1].any(axis=2).mean())
        self._matches = in_catalogue.sum(axis=1) + rng.poisson(beyond * o.density_arcmin2 * share)

    def _star_scores(self, rng: np.random.Generator, mag: FloatArray) -> FloatArray:
        """sgscore of sources of magnitude r (inf where r is missing), 0 galaxy to 1 star, as a forest of trees votes.

        Tachibana & Miller 2018 (PASP 130, 128001): sure of what is bright; 0.5 where a source has no score.
        """
        faint = np.maximum(mag.clip(None, 22.5) - 18.5, 0.0)
        sureness = np.maximum(4.6 - 1.0 * faint, 0.7)
        vote = (2.0 * self._pointlike[:, :-1] - 1.0) * sureness - 0.4 * faint + rng.normal(0.0, 1.5, mag.shape)
        score = np.rint(2400.0 * (1.004 / (1.0 + np.exp(-vote)) - 0.002).clip(0.0, 1.0)) / 2400.0
        unscored = rng.random(mag.shape) < np.where(np.isinf(mag), 0.45, np.where(mag > 19.0, 0.16, 0.06))
        return np.where(unscored, 0.5, score)

    def _draw_gaia(self, rng: np.random.Generator) -> None:
        """Gaia's magnitudes of the sources (K, M - 1), inf where it lists none, and its nearest star beyond them."""
        o, r = self._field.objects, self._mag[:, :, _R]
        n = len(o)
        is_star = self._star[:, :-1] | (self._pointlike[:, :-1] > 0.3)
        # Cores of galaxies are in Gaia's catalogue too, the fainter the rarer.
        chance = np.where(is_star, 0.95, (0.9 - 0.45 * np.maximum(r.clip(None, 22.0) - 18.7, 0.0)).clip(0.0, 0.9))
        compact = is_star | (o.host_radius_arcsec[:, None] < 6.0)
        compact[:, _FALSE + 1] = False
        listed = (r < _GAIA_LIMIT_MAG) & (rng.random(r.shape) < chance) & compact
        colour = np.where(is_star, -np.abs(rng.normal(0.15, 0.15, r.shape)), rng.normal(1.0, 0.5, r.shape))
        self._gaia_mag = np.where(listed, (np.where(np.isfinite(r), r, 30.0) + colour).clip(None, 21.0), np.inf)
        # Beyond the neighbours that were drawn, stars go on by their counts: 10^(0.22 m) to 23.2.
        stars = star_density_arcmin2(o.galactic_latitude_deg)
        self._gaia_further = _next_distance(rng, self._distance[:, _FALSE - 1], 0.28 * stars)
        self._gaia_further_mag = np.maximum(_GAIA_LIMIT_MAG + np.log10(rng.random(n)) / 0.22, 6.0)
        self._gaia_bright_further = _next_distance(rng, self._distance[:, _FALSE - 1], 0.007 * stars)
        self._gaia_bright_further_mag = np.maximum(_GAIA_BRIGHT_MAG + np.log10(rng.random(n)) / 0.35, 6.0)

    def _draw_reference(self, rng: np.random.Generator) -> None:
        """Sources of the reference images in each of ZTF's bands, with the quality of their fits, (K, M, 6)."""
        o = self._field.objects
        n = len(o)
        mag = self._mag + rng.normal(0.0, 0.04, self._mag.shape)
        peak = 23.0 + rng.normal(0.0, 0.3, (n, 1, len(BANDS)))
        mag = np.concatenate([mag, peak], axis=1)
        deep = self._field.survey.reference_limit_mag + 0.9 + rng.normal(0.0, 0.25, (n, 1, len(BANDS)))
        mag[:, :-1][mag[:, :-1] > deep] = np.inf
        mag[:, _FALSE] = np.inf
        self._reference_mag = mag
        size = self._reference_mag.shape
        finite = np.where(np.isfinite(self._reference_mag), self._reference_mag, 24.0)
        resolved = np.concatenate([1.0 - self._pointlike[:, :-1], np.zeros((n, 1))], axis=1)[:, :, None]
        sure = ((22.3 - finite) / 2.5).clip(0.0, 1.0)
        floor = np.where(resolved > 0.5, 0.052 * rng.lognormal(0.0, 0.3, size), 0.016 * rng.lognormal(0.0, 0.2, size))
        faint = 0.30 * 10.0 ** (0.34 * (finite - 22.9)) * rng.lognormal(0.0, 0.12, size)
        self._reference_sigma = np.round(np.hypot(floor, faint).clip(0.008, 0.362), 3)
        chi = np.exp(np.log(0.66) + 1.75 * resolved * sure + rng.normal(0.0, 0.45, size))
        self._reference_chi = np.round(np.where(sure < 0.15, rng.normal(0.85, 0.27, size).clip(0.2, 2.0), chi), 3)
        sharp = -0.02 + 0.31 * np.sqrt(resolved) * sure + rng.normal(0.0, 1.0, size) * (0.035 + 0.1 * resolved)
        self._reference_sharp = np.round(np.where(sure < 0.15, rng.normal(-0.22, 0.24, size), sharp), 3)
        self._reference_shift = rng.normal(0.0, 0.05, (n, 2))

    def reference_flux_njy(self, galaxy: float = 1.0) -> FloatArray:
        """(K, 6) light of the reference image under an object's point-spread function; galaxies' times `galaxy`."""
        o = self._field.objects
        share = galaxy * psf_share(o.host_radius_arcsec, 2.0)[:, None]
        flux: FloatArray = o.counterpart_njy + share * o.host_njy
        return flux

    def reference(self, k: IntArray, band: ByteArray, ra: FloatArray, dec: FloatArray) -> dict[str, FloatArray]:
        """The source of the reference image nearest to each measured place, (n,) each; there is always one."""
        listed = np.isfinite(self._reference_mag[k, :, band])
        offset = self._offsets(k, ra, dec) + self._reference_shift[k][:, None]
        distance = np.where(listed, np.hypot(offset[:, :, 0], offset[:, :, 1]), np.inf)
        rows, which = np.arange(len(k)), np.argmin(distance, axis=1)
        nearest = offset[rows, which]
        return {
            "distnr": distance[rows, which] / SCALE_ARCSEC,
            "ranr": np.round((ra + nearest[:, 0] / 3600.0 / np.cos(np.radians(dec))) % 360.0, 7),
            "decnr": np.round(dec + nearest[:, 1] / 3600.0, 7),
            "magnr": np.round(self._reference_mag[k, which, band], 3),
            "sigmagnr": self._reference_sigma[k, which, band],
            "chinr": self._reference_chi[k, which, band],
            "sharpnr": self._reference_sharp[k, which, band],
        }

    def columns(self, k: IntArray, ra: FloatArray, dec: FloatArray) -> Columns:
        """Catalogue columns of detections of objects `k` at measured places, (n,) each."""
        offset = self._offsets(k, ra, dec)[:, :-1]
        distance = np.hypot(offset[:, :, 0], offset[:, :, 1])
        return self._pan_starrs(k, distance) | self._gaia(k, distance) | self._solar_system(k)

    def _offsets(self, k: IntArray, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """(n, M, 2) of the sources from measured places of objects `k`, east and north [arcsec].

        What moves has nothing of its own there: its neighbours are those of where it is seen.
        """
        o = self._field.objects
        east = ((ra - o.ra_deg[k] + 180.0) % 360.0 - 180.0) * np.cos(np.radians(dec))
        away = np.stack([east, dec - o.dec_deg[k]], axis=1) * 3600.0
        away[o.moving[k]] = 0.0
        return self._offset[k] - away[:, None]

    def _pan_starrs(self, k: IntArray, distance: FloatArray) -> Columns:
        """The three nearest sources within 30 arcsec, nearest first."""
        distance = np.where(self._in_pan_starrs[k], distance, np.inf)
        order = np.argsort(distance, axis=1, kind="stable")
        rows = np.arange(len(k))
        columns: Columns = {"nmtchps": self._matches[k]}
        for place in range(3):
            which = order[:, place]
            found: BoolArray = np.isfinite(distance[rows, which])
            suffix = str(place + 1)
            columns["objectidps" + suffix] = np.where(found, self._ps1_id[k, which], int(MISSING))
            for band, name in ((_G, "sgmag"), (_R, "srmag"), (_I, "simag"), (_Z, "szmag")):
                columns[name + suffix] = np.where(found, self._ps1_mag[k, which, band], MISSING)
            columns["sgscore" + suffix] = np.where(found, self._score[k, which], MISSING)
            columns["distpsnr" + suffix] = np.where(found, distance[rows, which], MISSING)
        return columns

    def _gaia(self, k: IntArray, distance: FloatArray) -> Columns:
        """The nearest source of Gaia, and the nearest bright one."""
        columns: Columns = {}
        for suffix, limit, further, further_mag in (
            ("", np.inf, self._gaia_further, self._gaia_further_mag),
            ("bright", _GAIA_BRIGHT_MAG, self._gaia_bright_further, self._gaia_bright_further_mag),
        ):
            place = np.where(self._gaia_mag[k] < limit, distance, np.inf)
            which = place.argmin(axis=1)
            rows = np.arange(len(k))
            far = further[k] < place[rows, which]
            nearest = np.where(far, further[k], place[rows, which])
            mag = np.where(far, further_mag[k], self._gaia_mag[k, which])
            found = nearest < _GAIA_RADIUS_ARCSEC
            columns["neargaia" + suffix] = np.where(found, nearest, MISSING)
            columns["maggaia" + suffix] = np.where(found, mag, MISSING)
        return columns

    def _solar_system(self, k: IntArray) -> Columns:
        """The known asteroid there: its distance in whole arcseconds, its predicted magnitude to a tenth."""
        o, known = self._field.objects, self._known[k]
        predicted = asteroid_magnitude(
            o.h_mag[k], np.maximum(o.helio_au[k], 0.1), np.maximum(o.topo_au[k], 0.1), o.phase_deg[k]
        )
        return {
            "ssdistnr": np.where(known, self._ephemeris_error[k], MISSING),
            "ssmagnr": np.where(known, np.round(predicted + 0.25, 1), MISSING),
            "ssnamenr": np.where(known, self._asteroid[k], "null"),
        }


def _next_distance(rng: np.random.Generator, beyond_arcsec: FloatArray, density_arcmin2: FloatArray) -> FloatArray:
    """(n,) distance of the nearest of randomly scattered sources beyond a circle [arcsec]."""
    area = rng.exponential(1.0, len(beyond_arcsec)) / density_arcmin2 * 3600.0 / np.pi
    distance: FloatArray = np.sqrt(beyond_arcsec**2 + area)
    return distance
