"""Gradient-boosted trees read from LightGBM's text, walked by compiled loops: scores, and what each feature gave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.compiled import compiled
from schemas.light_curve import Float32Array, FloatArray, IntArray

_TREATS_ZERO_AS_MISSING, _TREATS_NAN_AS_MISSING = 1, 2
"""What a split takes for missing, as LightGBM writes it in bits 2 and 3 of a decision type; 0 is nothing."""


class ForestError(ValueError):
    """A text is not a LightGBM model that can be walked here; the message says why."""


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees of a LightGBM model as flat arrays over their nodes; the right child follows the left one.

    Scores equal LightGBM's own to the last bit: its decisions, and float64 added in the same order. (But for numbers
    other than 0 within 1e-35 of it, which LightGBM takes for 0.)
    """

    classes: int
    """Outputs: 1 for a binary model. Tree t adds to output t % classes."""
    features: int
    """Features that a row must have."""
    sigmoid: float
    """Steepness of a binary model's logistic function; NaN for a multiclass model, whose outputs take a softmax."""
    root: IntArray
    """(trees,) place of each tree's root."""
    depth: IntArray
    """(trees,) splits on the longest path."""
    feature: npt.NDArray[np.int32]
    """(nodes,) feature that the node splits on; 0 at a leaf."""
    threshold: Float32Array
    """(nodes,) up to this value goes left: the largest float32 not above LightGBM's; inf at a leaf."""
    left: npt.NDArray[np.int32]
    """(nodes,) place of the left child; a leaf's own place, so that a walk may go on when it is there."""
    nan_right: npt.NDArray[np.bool_]
    """(nodes,) whether NaN goes right."""
    value: FloatArray
    """(nodes,) output of a leaf; elsewhere what the node would have given had it stayed a leaf."""

    @classmethod
    def read(cls, path: Path) -> Forest:
        """The forest of a file that LightGBM wrote; ForestError where it cannot be walked."""
        return cls.of_text(path.read_text(encoding="utf-8"))

    @classmethod
    def of_text(cls, text: str) -> Forest:
        """The forest of LightGBM's `model_to_string()`; ForestError where it cannot be walked."""
        head, *trees = re.split(r"^Tree=\d+$", text.split("end of trees")[0], flags=re.MULTILINE)
        facts = _facts(head)
        try:
            objective = facts["objective"].split()
            classes, features = int(facts["num_tree_per_iteration"]), int(facts["max_feature_idx"]) + 1
        except (KeyError, ValueError):
            raise ForestError("not the text of a LightGBM model") from None
        if objective[0] not in ("binary", "multiclass") or "average_output" in head:
            raise ForestError(f"a LightGBM model of objective {' '.join(objective)} cannot be walked here")
        slopes = [float(word.removeprefix("sigmoid:")) for word in objective if word.startswith("sigmoid:")]
        try:
            blocks = list(_blocks(trees))
        except (KeyError, ValueError, IndexError) as error:
            raise ForestError(f"the LightGBM model's trees cannot be read: {error}") from None
        if not blocks or len(blocks) % classes:
            raise ForestError(f"a LightGBM model of {len(blocks)} trees for {classes} outputs is cut short")
        sizes = [len(block[0]) for block in blocks]
        root = np.cumsum([0, *sizes[:-1]])
        left = np.concatenate([block[2] + first for block, first in zip(blocks, root, strict=True)]).astype(np.int32)
        feature, threshold, _, nan_right, value = (np.concatenate(part) for part in zip(*blocks, strict=True))
        if feature.max() >= features:
            raise ForestError("the LightGBM model splits on a feature that it does not have")
        sigmoid = slopes[0] if slopes else np.nan
        depth = _depths(root, left)
        return cls(classes, features, sigmoid, root, depth, feature, threshold, left, nan_right, value)

    def raw(self, rows: Float32Array) -> FloatArray:
        """Sums of the trees' outputs, (n, classes), of `rows`, (n, features): LightGBM's raw scores."""
        out = np.zeros((len(rows), self.classes))
        _sum(self._checked(rows), out, self.depth, *self._nodes())
        return out

    def predict(self, rows: Float32Array) -> FloatArray:
        """Probabilities of `rows`, (n, features): (n, classes), or (n,) of the true side of a binary model."""
        raw = self.raw(rows)
        if self.classes == 1:
            truth: FloatArray = 1.0 / (1.0 + np.exp(-self.sigmoid * raw[:, 0]))
            return truth
        raised = np.exp(raw - raw.max(axis=1, keepdims=True, initial=-np.inf))
        shares: FloatArray = raised / raised.sum(axis=1, keepdims=True)
        return shares

    def contributions(self, rows: Float32Array, output: IntArray) -> FloatArray:
        """What each feature gave to one raw score of each row, (n, features).

        At each split on a row's path the change of the node's value is the split feature's (Saabas 2014, "Interpreting
        random forests"). `rows` (n, features), `output` (n,): the score to explain. A row's contributions and
        `expected[output]` sum to that raw score.
        """
        out = np.zeros((len(rows), self.features))
        _attribute(self._checked(rows), output, out, self.classes, *self._nodes())
        return out

    @property
    def expected(self) -> FloatArray:
        """Raw scores before any feature is looked at, (classes,): the sums of the roots' values."""
        return np.array([self.value[self.root[k :: self.classes]].sum() for k in range(self.classes)])

    def _checked(self, rows: Float32Array) -> Float32Array:
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise ValueError(f"rows of shape {rows.shape} for a forest of {self.features} features")
        return np.ascontiguousarray(rows, np.float32)

    def _nodes(self) -> tuple[npt.NDArray[Any], ...]:
        return self.root, self.feature, self.threshold, self.left, self.nan_right, self.value


def _facts(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _blocks(trees: list[str]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Each tree's arrays over its nodes: feature, threshold, left child, nan_right, value."""
    for text in trees:
        facts = _facts(text)
        leaf_value = np.array(facts["leaf_value"].split(), np.float64)
        feature, decision, left, right = (
            np.array(facts.get(name, "").split(), np.int32)
            for name in ("split_feature", "decision_type", "left_child", "right_child")
        )
        threshold, inner = (np.array(facts.get(n, "").split(), np.float64) for n in ("threshold", "internal_value"))
        count = int(facts["num_leaves"]) - 1
        if {len(leaf_value) - 1, *(len(part) for part in (feature, decision, left, right, threshold, inner))} != {
            count
        }:
            raise ValueError("a tree is not whole")
        if (decision & 1).any() or (decision >> 2 & 3 == _TREATS_ZERO_AS_MISSING).any() or facts["is_linear"] != "0":
            raise ValueError("splits on categories, zeros taken for missing and linear leaves are not known here")
        order, child = _order(left, right)
        split = order >= 0
        at = order[split]
        nan_left = np.where(decision >> 2 & 3 == _TREATS_NAN_AS_MISSING, decision & 2 != 0, threshold >= 0.0)
        yield (
            _spread(split, feature[at], 0).astype(np.int32),
            _spread(split, _rounded_down(threshold[at]), np.inf).astype(np.float32),
            child,
            _spread(split, ~nan_left[at], 0).astype(np.bool_),
            _spread(split, inner[at], leaf_value[~order[~split]]),
        )


def _order(left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]) -> tuple[IntArray, npt.NDArray[np.int32]]:
    """A tree's nodes (leaf k as ~k) with children side by side, and the place of each one's left child or of itself."""
    order = [0 if len(left) else ~0]
    child = np.arange(2 * len(left) + 1, dtype=np.int32)
    for place, node in enumerate(order):
        if node >= 0:
            child[place] = len(order)
            order += [int(left[node]), int(right[node])]
        if len(order) > len(child):
            raise ValueError("a tree's nodes go round in a circle")
    return np.array(order, np.int64), child


def _spread(split: npt.NDArray[np.bool_], inner: npt.NDArray[Any], leaf: npt.ArrayLike) -> npt.NDArray[Any]:
    """An array over all nodes from what stands at splits and what at leaves."""
    out = np.empty(len(split), np.float64)
    out[split], out[~split] = inner, leaf
    return out


def _rounded_down(threshold: FloatArray) -> Float32Array:
    """The largest float32 not above each threshold: a float32 is above the one exactly where above the other."""
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _depths(root: IntArray, left: npt.NDArray[np.int32]) -> IntArray:
    """Splits on each tree's longest path, (trees,)."""
    depth = np.zeros(len(left), np.int64)
    for place, child in enumerate(left.tolist()):  # parents come before their children
        if child != place:
            depth[child : child + 2] = depth[place] + 1
    return np.maximum.reduceat(depth, root)


@compiled
def _sum(
    rows: Float32Array,
    out: FloatArray,
    depth: IntArray,
    root: IntArray,
    feature: npt.NDArray[np.int32],
    threshold: Float32Array,
    left: npt.NDArray[np.int32],
    nan_right: npt.NDArray[np.bool_],
    value: FloatArray,
) -> None:
    """Adds each tree's output for each row.

    All rows go down a tree a level at a time: their loads overlap, and there is no branch to guess wrong.
    """
    classes = out.shape[1]
    node = np.empty(len(rows), np.int32)
    for tree in range(len(root)):
        node[:] = root[tree]
        for _ in range(depth[tree]):
            for i in range(len(rows)):
                at = node[i]
                x = rows[i, feature[at]]
                node[i] = left[at] + ((x > threshold[at]) | ((x != x) & nan_right[at]))
        for i in range(len(rows)):
            out[i, tree % classes] += value[node[i]]


@compiled
def _attribute(
    rows: Float32Array,
    output: IntArray,
    out: FloatArray,
    classes: int,
    root: IntArray,
    feature: npt.NDArray[np.int32],
    threshold: Float32Array,
    left: npt.NDArray[np.int32],
    nan_right: npt.NDArray[np.bool_],
    value: FloatArray,
) -> None:
    """Adds the changes of value along each row's paths through the trees of its output."""
    for i in range(len(rows)):
        for tree in range(output[i], len(root), classes):
            at = root[tree]
            while left[at] != at:
                x = rows[i, feature[at]]
                after = left[at] + ((x > threshold[at]) | ((x != x) & nan_right[at]))
                out[i, feature[at]] += value[after] - value[at]
                at = after
