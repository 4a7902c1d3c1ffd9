"""The classes that a score speaks of: broad ones, the finer types below two of them, and cuts of that tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CLASSES: tuple[str, ...] = ("SN I", "SN II", "SLSN", "CV", "AGN", "TDE", "other")
"""Broad classes, in the order of every array of class scores (axis of length 7)."""

CLASS_COLUMNS: tuple[str, ...] = ("p_sn_i", "p_sn_ii", "p_slsn", "p_cv", "p_agn", "p_tde", "p_other")
"""Column names of the class scores in tables, in the order of `CLASSES`."""

CLASS_INDEX: dict[str, int] = {name: index for index, name in enumerate(CLASSES)}
"""Place of each broad class in `CLASSES`."""

MODALITIES: tuple[str, ...] = ("light_curve", "metadata", "cutouts", "spectrum")
"""What a classifier can look at, in the order of every array over modalities (axis of length 4)."""

CHILDREN: dict[str, tuple[str, ...]] = {"SN I": ("SN Ia", "SN Ib", "SN Ic"), "SN II": ("SN IIP", "SN IIn", "SN IIb")}
"""The finer types below each broad class that has any. A parent's score is the sum of its children's."""

FINE_LEAVES: tuple[str, ...] = tuple(leaf for leaves in CHILDREN.values() for leaf in leaves)
"""Finer types, in the order of every array of fine scores (axis of length 6)."""

FINE_PARENT: tuple[int, ...] = tuple(CLASS_INDEX[name] for name, leaves in CHILDREN.items() for _ in leaves)
"""Place in `CLASSES` of the parent of each of `FINE_LEAVES`."""

NODES: tuple[str, ...] = (*CLASSES, *FINE_LEAVES)
"""Every node below the root; a cut is made of these."""

_FINE_PREFIX: dict[str, int] = {
    "Ia": FINE_LEAVES.index("SN Ia"),
    "Ib": FINE_LEAVES.index("SN Ib"),
    "Ic": FINE_LEAVES.index("SN Ic"),
    "IIP": FINE_LEAVES.index("SN IIP"),
    "IIL": FINE_LEAVES.index("SN IIP"),
    "IIn": FINE_LEAVES.index("SN IIn"),
    "IIb": FINE_LEAVES.index("SN IIb"),
}
"""Beginning of a label's type, without "SN ", and its leaf. IIL declines faster on one continuum with IIP."""


def fine_index(type_name: str) -> int:
    """Place in `FINE_LEAVES` of a label's type, as any list spells it; -1 where it is none of them or in doubt.

    Sub-types go to their leaf ("SN Ia-91T", "Iax[02cx-like]", "Ic-BL", "Ibn", "IIn-pec"). Plain "SN II", "Ib/c",
    peculiar II ("II-87A", "II-pec") and types with a question mark have no leaf.
    """
    name = type_name.removeprefix("SN ")
    if "/" in name or "?" in name:
        return -1
    return next((leaf for prefix, leaf in _FINE_PREFIX.items() if name.startswith(prefix)), -1)


def checked_cut(nodes: Sequence[str]) -> tuple[str, ...]:
    """The nodes of a cut; ValueError where they do not cover the tree once: every class or all its children."""
    if unknown := [name for name in nodes if name not in NODES]:
        raise ValueError(f"{', '.join(unknown)}: no such class in the taxonomy; it has {', '.join(NODES)}")
    faults = [f"{name} is named twice" for name in dict.fromkeys(nodes) if nodes.count(name) > 1]
    for name in CLASSES:
        leaves = CHILDREN.get(name, ())
        below = [leaf for leaf in leaves if leaf in nodes]
        if name in nodes and below:
            faults.append(f"{', '.join(below)}: covered twice, {name} holds it already")
        elif name not in nodes and not below:
            faults.append(f"{name} is missing")
        elif name not in nodes and len(below) < len(leaves):
            faults.append(f"{', '.join(leaf for leaf in leaves if leaf not in nodes)}: missing below {name}")
    if faults:
        raise ValueError(f"the cut does not cover the taxonomy once: {'; '.join(faults)}")
    return tuple(nodes)


def cut_scores(
    nodes: Sequence[str], class_scores: npt.NDArray[np.float32], fine_scores: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Scores of the nodes of a cut, (n, nodes); each row sums to 1, or is NaN.

    `class_scores` (n, 7) and `fine_scores` (n, 6), whose children sum to their parent.
    """
    place = [NODES.index(name) for name in nodes]
    return np.concatenate([class_scores, fine_scores], axis=1)[:, place]
