"""Rubin's stamps as FITS: pixels in nJy, their variance, and the point-spread function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import Float32Array, FloatArray
from streamer.simulate.images import fits

_PIXEL_DEG = 0.2 / 3600.0
_PSF_NAME = fits.card("EXTNAME", "PSFIMAGE", "extension name")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a stamp was cut and how the sky lies in it."""

    ra_deg: float
    """Of the source as measured; so is the pixel."""
    dec_deg: float
    x_px: float
    y_px: float
    side_px: int
    rotation_deg: float
    """From north through east to +y."""

    def corner(self) -> tuple[int, int]:
        """Where the stamp's lower left corner is on the detector, as Rubin counts: one less than its first pixel."""
        arm = self.side_px // 2
        half = 0.0 if self.side_px % 2 == 0 else 0.5
        return int(np.floor(self.x_px + half)) - arm, int(np.floor(self.y_px + half)) - arm


def header(placement: Placement) -> bytes:
    """Cards of the first HDU.

    The transformation is linear, to degrees east and north of the source: Rubin's headers name no projection.
    """
    card = fits.card
    x, y = placement.corner()
    turn = np.radians(placement.rotation_deg)
    cos, sin = float(np.cos(turn)) * _PIXEL_DEG, float(np.sin(turn)) * _PIXEL_DEG
    side = placement.side_px
    return fits.header(
        [
            *fits.image_cards(-32, side, side, False),
            card("EXTEND", True),
            card("CUTMINX", x),
            card("CUTMINY", y),
            card("ROTPA", placement.rotation_deg % 360.0, "Pos angle in deg of focal plane +Y wrt North"),
            card("BUNIT", "nJy"),
            card("WCSAXES", 2, "Number of coordinate axes"),
            card("CRPIX1", placement.x_px - x, "Pixel coordinate of reference point"),
            card("CRPIX2", placement.y_px - y, "Pixel coordinate of reference point"),
            card("PC1_1", -cos, "Coordinate transformation matrix element"),
            card("PC1_2", sin, "Coordinate transformation matrix element"),
            card("PC2_1", sin, "Coordinate transformation matrix element"),
            card("PC2_2", cos, "Coordinate transformation matrix element"),
            card("CDELT1", 1.0, "Coordinate increment at reference point"),
            card("CDELT2", 1.0, "Coordinate increment at reference point"),
            card("CRVAL1", placement.ra_deg, "Coordinate value at reference point"),
            card("CRVAL2", placement.dec_deg, "Coordinate value at reference point"),
            card("LATPOLE", 90.0, "[deg] Native latitude of celestial pole"),
            card("MJDREF", 0.0, "[d] MJD of fiducial time"),
        ]
    )


def psf_hdu(psf: FloatArray) -> bytes:
    """The third HDU: the point-spread function (side, side), of unit sum."""
    cards = [
        *fits.image_cards(-64, psf.shape[1], psf.shape[0], True),
        _PSF_NAME,
    ]
    return fits.header(cards) + fits.data(psf.astype(">f8").tobytes())


def cutout(first_header: bytes, pixels: Float32Array, variance: npt.NDArray[np.floating], psf: bytes) -> bytes:
    """A whole stamp: both planes (side, side), in nJy and nJy^2."""
    side = pixels.shape[0]
    cards = [
        *fits.image_cards(-32, side, side, True),
        fits.card("UTYPE", "VarianceUncertainty"),
        fits.card("EXTNAME", "UNCERT", "extension name"),
    ]
    planes = (fits.data(plane.astype(">f4").tobytes()) for plane in (pixels, variance))
    first, second = planes
    return b"".join((first_header, first, fits.header(cards), second, psf))
