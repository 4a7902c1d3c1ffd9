"""Cutouts: the science, template and difference stamps around an alert."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STAMPS: tuple[str, ...] = ("science", "template", "difference")
"""Order of the stamps in every array and tuple."""

PIXEL_SCALE_ARCSEC: dict[str, float] = {"ztf": 1.01, "lsst": 0.2}
"""Pixel scale of each survey's stamps [arcsec / pixel]."""


@dataclass(frozen=True, slots=True)
class CutoutTriplet:
    """The decoded stamps of one alert, in the survey's own units (ZTF: DN, LSST: nJy).

    Each stamp is float32 of shape (height, width), NaN where the survey masks a pixel, or None where the packet has
    none or it cannot be read. Stamps are views of the unpacked bytes where the byte order allows.
    """

    survey: str
    science: npt.NDArray[np.float32] | None
    template: npt.NDArray[np.float32] | None
    difference: npt.NDArray[np.float32] | None

    @property
    def any(self) -> bool:
        """Whether at least one stamp could be read."""
        return self.science is not None or self.template is not None or self.difference is not None
