"""What does not change from exposure to exposure of a survey."""

from __future__ import annotations

from dataclasses import dataclass


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
    "ztf": Survey("ztf", 30.0, 40.0, 30.0, 64, (3072, 3080), 1.01, 17.6, 0.4, 22.5, 13.5, 20.8, 33.356, 0.325),
    "lsst": Survey("lsst", 30.0, 37.0, 365.0, 189, (4072, 4000), 0.2, 0.55, 1.0, 26.0, 16.5, 24.6, -30.245, 0.197),
}
"""ZTF: gain 6.2 e-/DN at a zero point of 26.3 mag, a slot of 40 s (Bellm et al. 2019, PASP 131, 018002), on Palomar.
LSST: 28.4 mag for 1 e-/s in r, a visit every 37 s (Ivezic et al. 2019, ApJ 873, 111), on Cerro Pachon. ZTF quotes errors
2.5 times those of white noise (median of 386 real packets): it resamples its images, and its pixels' errors go
together; LSST's quoted errors and variance planes agree."""
