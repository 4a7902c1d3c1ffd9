"""What must hold of the tree of classes and of cuts of it."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.taxonomy import (
    CLASSES,
    FINE_LEAVES,
    FINE_PARENT,
    NODES,
    checked_cut,
    cut_scores,
    fine_index,
)


@pytest.mark.parametrize(
    ("leaf", "spellings"),
    [
        (
            "SN Ia",
            "SN Ia|Ia|Ia-norm|SN Ia-91T-like|Ia-91bg|SN Iax|SN Iax[02cx-like]|Ia-02ic|Ia-csm|Ia-SC|SN Ia-Ca-rich",
        ),
        ("SN Ib", "SN Ib|Ib-norm|SN Ib-pec|SN Ibn|Ibn|SN Ib-Ca-rich"),
        ("SN Ic", "SN Ic|Ic|SN Ic-BL|Ic-broad|Ic-norm|Ic-pec|SN Icn"),
        ("SN IIP", "SN IIP|IIP|SN IIL|IIL"),
        ("SN IIn", "SN IIn|IIn|SN IIn-pec"),
        ("SN IIb", "SN IIb|IIb|IIb-H"),
    ],
)
def test_each_spelling_of_a_type_has_its_leaf(leaf: str, spellings: str) -> None:
    for name in spellings.split("|"):
        assert fine_index(name) == FINE_LEAVES.index(leaf), name


@pytest.mark.parametrize(
    "name",
    "SN II|II|SN I|I|Type I|SN|SN Ib/c|Ib/c|SN Ibn/Icn|II-87A|SN II-pec|Ia?|IIn?|SLSN-I|ILRT|Impostor-SN|"
    "GapI-Ca-rich|CV|-|None|".split("|"),
)
def test_a_type_without_a_leaf_or_in_doubt_has_none(name: str) -> None:
    assert fine_index(name) == -1


def test_the_broad_classes_and_the_leaves_are_cuts() -> None:
    assert checked_cut(CLASSES) == CLASSES
    leaves = [name for name in NODES if name not in ("SN I", "SN II")]
    assert set(checked_cut(leaves)) == set(leaves)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([name for name in CLASSES if name != "TDE"], "TDE is missing"),
        ([*CLASSES, "SN IIb"], "SN IIb: covered twice, SN II holds it already"),
        (["SN Ia", "SN Ic", *CLASSES[1:]], "SN Ib: missing below SN I"),
        ([*CLASSES, "CV"], "CV is named twice"),
        ([*CLASSES, "kilonova"], "kilonova: no such class"),
        ([], "SN I is missing"),
    ],
)
def test_a_wrong_cut_says_which_node_is_wrong(nodes: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked_cut(nodes)


def test_scores_of_any_cut_sum_to_one() -> None:
    rng = np.random.default_rng(3)
    classes = rng.dirichlet(np.ones(len(CLASSES)), 5).astype(np.float32)
    parts = np.concatenate([rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(3), 5)], axis=1)
    fine = (parts * classes[:, FINE_PARENT]).astype(np.float32)
    for nodes in (CLASSES, ("SN Ia", "SN Ib", "SN Ic", *CLASSES[1:]), (*FINE_LEAVES, *CLASSES[2:])):
        np.testing.assert_allclose(cut_scores(checked_cut(nodes), classes, fine).sum(axis=1), 1.0, rtol=1e-5)
