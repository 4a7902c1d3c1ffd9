"""What does not change from exposure to exposure of a survey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray


@dataclass(frozen=True, slots=True)
class QuotedErrors:
    """Errors that a survey quotes for its detections where they are not the noise.

    (error / s)^2 = `depth_term` + `flux_term` x, s a fifth of the 5-sigma depth and x the flux over s; a star in the
    reference image of the detection's own brightness adds `star_term`; `scatter` is that of the logarithm.
    """

    depth_term: float
    flux_term: float
    star_term: float
    scatter: float

    def error_njy(
        self, rng: np.random.Generator, flux_njy: FloatArray, depth_njy: FloatArray, still_njy: FloatArray
    ) -> FloatArray:
        """Errors of fluxes, broadcast; `depth_njy` is a fifth of the depth, `still_njy` the reference's light there."""
        size = np.abs(flux_njy)
        error = depth_njy * np.sqrt(self.depth_term + self.flux_term * size / depth_njy)
        error = error * (1.0 + self.star_term * still_njy / np.maximum(size, 5.0 * depth_njy))
        quoted: FloatArray = error * rng.lognormal(0.0, self.scatter, error.shape)
        return quoted


@dataclass(frozen=True, slots=True)
class Survey:
    """A telescope, its camera, its site and its packets' windows."""

    name: str
    exposure_s: float
    slot_s: float
    """From the start of an exposure to the start of the next [s]."""
    lookback_days: float
    """How far back a packet's history reaches [d]."""
    cells: int
    """Readout channels (ZTF) or detectors (LSST) that share an exposure."""
    cell_px: tuple[int, int]
    """Width and height of one of them."""
    pixel_arcsec: float
    njy_per_electron: float
    """For shot noise [nJy]."""
    stamp_noise: float
    """Sky noise of the stamps over the white noise that the quoted errors imply."""
    flux_floor: float
    """Error of the flux scale: what no depth beats, as a share of the flux."""
    still_floor: float
    """What subtracting a star leaves, 1 sigma, as a share of its light."""
    sky_factor: float
    """Noise of the faintest sources over a fifth of the 5-sigma depth that the survey quotes."""
    quoted: QuotedErrors | None
    """What it quotes for its detections; None where that is the noise."""
    reference_limit_mag: float
    """Faintest host or star that the reference catalogue lists (r)."""
    bright_mag: float
    """Saturation: nothing brighter is sent (r)."""
    peak_mag: float
    """Faintest peak that the night's 5-sigma depth lets through now and then (r)."""
    latitude_deg: float
    midnight_utc_d: float
    """Local midnight as a fraction of the UTC day."""


SURVEYS: dict[str, Survey] = {
    "ztf": Survey(
        name="ztf",
        exposure_s=30.0,
        slot_s=40.0,
        lookback_days=30.0,
        cells=64,
        cell_px=(3072, 3080),
        pixel_arcsec=1.01,
        njy_per_electron=17.6,
        stamp_noise=0.5,
        flux_floor=0.015,
        still_floor=0.005,
        sky_factor=0.64,
        quoted=QuotedErrors(depth_term=0.256, flux_term=0.149, star_term=0.03, scatter=0.14),
        reference_limit_mag=22.5,
        bright_mag=13.5,
        peak_mag=20.8,
        latitude_deg=33.356,
        midnight_utc_d=0.325,
    ),
    "lsst": Survey(
        name="lsst",
        exposure_s=30.0,
        slot_s=37.0,
        lookback_days=365.0,
        cells=189,
        cell_px=(4072, 4000),
        pixel_arcsec=0.2,
        njy_per_electron=0.55,
        stamp_noise=1.0,
        flux_floor=0.002,
        still_floor=0.001,
        sky_factor=1.0,
        quoted=None,
        reference_limit_mag=26.0,
        bright_mag=16.5,
        peak_mag=24.6,
        latitude_deg=-30.245,
        midnight_utc_d=0.197,
    ),
}
"""ZTF: gain 6.2 e-/DN at a zero point of 26.3 mag, a slot of 40 s (Bellm et al. 2019, PASP 131, 018002), on Palomar.
LSST: 28.4 mag for 1 e-/s in r, a visit every 37 s (Ivezic et al. 2019, ApJ 873, 111), on Cerro Pachon.

ZTF's forced photometry quotes 0.64 of a fifth of the depth where nothing is (median of 328 real rows), its detections
more: medians of 900 real packets from x = 5 to 100. So curves scatter less than their quoted errors. It resamples its
images, and its pixels' errors go together. LSST's quoted errors and variance planes agree."""
