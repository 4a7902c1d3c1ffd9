"""Quality flags from stamps: which measures make a dipole, a trail, a cosmic ray, a ghost, a bad subtraction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifiers.quality.stamps import STAMP_MEASURES
from schemas.alert import QUALITY_BIT
from schemas.light_curve import Float32Array

SATURATION_DN = 45_000.0
"""A ZTF pixel of the science stamp above this is saturated [DN]; LSST flags its own."""

HIT_SNR = {"ztf": 12.0, "lsst": 7.0}
"""A cosmic ray's peak is above this [sigma]; higher where the PSF is hardly sampled and noise can look as narrow."""

STARRY_SNR = 30.0
"""Where the template is this far above its noise [sigma] a residual is one of its source, not a hit or a ghost."""


def flags_of_measures(measures: Float32Array, survey: str) -> npt.NDArray[np.uint32]:
    """Quality bits (see `schemas.alert.QUALITY_BIT`) of n alerts from `stamp_measures`, shape (n,) uint32.

    What is not known sets no bit. Thresholds stand here and nowhere else.
    """
    of = dict(zip(STAMP_MEASURES, measures.T, strict=True))
    with np.errstate(invalid="ignore"):
        on_source = of["template_snr"] > STARRY_SNR
        is_thin = (of["elongation"] > 3.0) & (of["extent"] > 1.8) & (of["peak_snr"] > 5.0)
        is_long = (of["elongation"] > 1.7) & (of["extent"] > 1.4) & (of["diffuseness"] > 2.2)
        is_line = is_thin | (is_long & ~on_source)
        is_two_signed = of["weaker_lobe_snr"] > 12.0
        is_alike = is_two_signed & (of["lobe_ratio"] > 0.3)
        is_dipole = is_alike & (of["lobe_separation"] > 0.4)
        is_narrow = (of["narrowness"] < 0.12) & (of["peak_snr"] > HIT_SNR[survey]) & (of["connected_area"] < 2.5)
        is_diffuse = (of["diffuseness"] > 2.5) & (of["connected_area"] > 2.0) & (of["narrowness"] > 0.5)
        is_mixed = is_alike | (is_two_signed & ((of["net_share"] < 0.5) | (is_narrow & on_source)))
        found = {
            "edge": of["edge_distance"] < 2.0,
            "dipole": is_dipole & ~is_line,
            "trail": is_line,
            "cosmic_ray": is_narrow & ~on_source & ~is_line & ~is_dipole & ~is_mixed,
            "ghost": is_diffuse & ~on_source & ~is_line & (of["lobe_ratio"] < 0.1),
            "bad_subtraction": (is_mixed & ~is_dipole) | (of["busy_share"] > 0.08),
        }
        if survey == "ztf":
            found["saturated"] = of["science_brightest"] > SATURATION_DN
    quality = np.zeros(len(measures), np.uint32)
    for name, is_so in found.items():
        quality[is_so] |= QUALITY_BIT[name]
    return quality
