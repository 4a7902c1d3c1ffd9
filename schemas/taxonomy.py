"""The classes that a score speaks of, and the finer types below them."""

from __future__ import annotations

CLASSES: tuple[str, ...] = ("SN I", "SN II", "SLSN", "CV", "AGN", "TDE", "other")
"""Broad classes, in the order of every array of class scores (axis of length 7)."""

CLASS_COLUMNS: tuple[str, ...] = ("p_sn_i", "p_sn_ii", "p_slsn", "p_cv", "p_agn", "p_tde", "p_other")
"""Column names of the class scores in tables, in the order of `CLASSES`."""

CLASS_INDEX: dict[str, int] = {name: index for index, name in enumerate(CLASSES)}
"""Place of each broad class in `CLASSES`."""

MODALITIES: tuple[str, ...] = ("light_curve", "metadata", "cutouts", "spectrum")
"""What a classifier can look at, in the order of every array over modalities (axis of length 4)."""
