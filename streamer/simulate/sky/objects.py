"""The objects of one field, as columns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, FloatArray, IntArray
from streamer.simulate.sky.stars import NEIGHBOURS

SOURCE, BAD_SUBTRACTION, COSMIC_RAY, GHOST, BAD_COLUMN = 0, 1, 2, 3, 4
"""What a detection shows: a source, the residual of a bright star or galaxy that does not subtract, a cosmic ray's
hit, the broad reflection of a bright star, a bad column or the edge of the chip."""

_WIDTH = {
    "counterpart_njy": (len(BANDS),),
    "host_njy": (len(BANDS),),
    "host_offset_arcsec": (2,),
    "motion_arcsec_per_day": (2,),
    "neighbour_offset_arcsec": (NEIGHBOURS, 2),
    "neighbour_njy": (NEIGHBOURS, len(BANDS)),
    "neighbour_radius_arcsec": (NEIGHBOURS,),
}


@dataclass(slots=True)
class Objects:
    """K objects as columns, (K,) unless said otherwise. Fluxes are as seen from Earth, through the Galaxy's dust."""

    kind: IntArray
    """Index into the field's mixture."""
    ra_deg: FloatArray
    dec_deg: FloatArray
    cell: IntArray
    """Readout channel or detector that the object falls on."""
    x_px: FloatArray
    y_px: FloatArray
    galactic_latitude_deg: FloatArray
    ebv_mag: FloatArray
    """Reddening E(B-V) by the Galaxy's dust in front of it."""
    redshift: FloatArray
    """NaN where it has none."""
    counterpart_njy: FloatArray
    """(K, 6) point source in the reference image, by band: a star, an active nucleus."""
    host_njy: FloatArray
    """(K, 6) galaxy in the reference image, by band; 0 where there is none."""
    host_radius_arcsec: FloatArray
    """Half-light radius along the major axis; 0 where there is none."""
    host_sersic: FloatArray
    """Sersic index: 1 a disc, 4 an elliptical."""
    host_axis_ratio: FloatArray
    host_angle_deg: FloatArray
    """Of the major axis, from north through east."""
    host_offset_arcsec: FloatArray
    """(K, 2) of the galaxy's centre from the object, east and north."""
    neighbour_offset_arcsec: FloatArray
    """(K, N, 2) of the N nearest unrelated sources from the object, east and north; nearest first."""
    neighbour_njy: FloatArray
    """(K, N, 6) their fluxes."""
    neighbour_radius_arcsec: FloatArray
    """(K, N) half-light radius of galaxies among them; 0 for stars."""
    density_arcmin2: FloatArray
    """Catalogued sources an arcmin^2 around it."""
    motion_arcsec_per_day: FloatArray
    """(K, 2) towards east and north; 0 for what stays."""
    receding_au_d: FloatArray
    """Speed away from Earth at that place; 0 for what stays."""
    epoch_mjd: FloatArray
    """When a moving object is at its drawn position; peak or start of the others [d]."""
    artefact: IntArray
    """`SOURCE`, or which kind of bogus detection it is."""
    h_mag: FloatArray
    helio_au: FloatArray
    topo_au: FloatArray
    phase_deg: FloatArray
    covered_before: IntArray
    """How often the survey had covered the place before this field's first exposure."""
    detected_before: IntArray
    """How often it had been detected then."""
    parameters: dict[str, FloatArray] = field(default_factory=dict)
    """(K,) what else its class draws, NaN where a class has no such thing: `stretch`, `peak_abs_mag`, `period_d`."""

    def __len__(self) -> int:
        return len(self.kind)

    def columns(self) -> dict[str, npt.NDArray[np.generic]]:
        """All columns but the parameters."""
        return {column.name: getattr(self, column.name) for column in fields(self) if column.name != "parameters"}

    def take(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Objects:
        """The objects in `index`, in that order."""
        chosen: dict[str, Any] = {name: column[index] for name, column in self.columns().items()}
        return Objects(**chosen, parameters={name: column[index] for name, column in self.parameters.items()})

    @property
    def moving(self) -> npt.NDArray[np.bool_]:
        """(K,) what moves: asteroids."""
        moving: npt.NDArray[np.bool_] = np.any(self.motion_arcsec_per_day != 0.0, axis=1)
        return moving


def empty_objects(n: int) -> Objects:
    """n objects of zeros."""
    columns: dict[str, Any] = {}
    for column in fields(Objects):
        if column.name != "parameters":
            dtype = np.int64 if column.type == "IntArray" else np.float64
            columns[column.name] = np.zeros((n, *_WIDTH.get(column.name, ())), dtype=dtype)
    return Objects(**columns)


def join(parts: list[Objects]) -> Objects:
    """All objects of the parts, one part after the other."""
    names = list(parts[0].columns())
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    drawn = sorted({name for part in parts for name in part.parameters})
    parameters = {
        name: np.concatenate([part.parameters.get(name, np.full(len(part), np.nan)) for part in parts])
        for name in drawn
    }
    return Objects(**columns, parameters=parameters)
