"""Fitted networks to the files of a bundle, each checked against torch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from classifiers.bundle import FUSION_FILE, TREES_FILE, encoder_file
from classifiers.features import LENGTH_BUCKETS
from classifiers.features.cutouts import IMAGE_CHANNELS, IMAGE_SIZE
from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.features.metadata import METADATA_FEATURES
from classifiers.features.spectra import GRID_BINS, SPECTRUM_CHANNELS
from classifiers.models.layers import CLASS_COUNT, TOKEN_WIDTH
from classifiers.training.joining import Fitted
from schemas.light_curve import Float32Array
from schemas.taxonomy import MODALITIES

TOLERANCE = 2e-4
"""Largest difference between torch and ONNX that passes; both compute in float32, in another order."""

EXPERT_HEARD = 1e-3
"""Least change of the embedding by which an expert that is taken away must be missed."""

BATCHES: tuple[int, ...] = (1, 5, 64)
"""Batch sizes with which each file is checked."""

ENCODER_OUTPUTS: tuple[str, ...] = ("token", "logits")

Shapes = Callable[[int, int], tuple[tuple[int, ...], ...]]

INPUT_SHAPES: dict[str, Shapes] = {
    "light_curve": lambda n, length: ((n, length, len(TOKEN_FEATURES)), (n, length)),
    "metadata": lambda n, _: ((n, len(METADATA_FEATURES)), (n, len(METADATA_FEATURES))),
    "cutouts": lambda n, _: ((n, len(IMAGE_CHANNELS), IMAGE_SIZE, IMAGE_SIZE), (n, 1)),
    "spectrum": lambda n, _: ((n, len(SPECTRUM_CHANNELS), GRID_BINS),),
}
"""Shapes of each encoder's inputs for n alerts (and a length)."""


class ExportError(Exception):
    """A file does not answer as the network does; the message says by how much."""


def write_networks(fitted: Fitted, fusion: nn.Module, folder: Path) -> dict[str, float]:
    """ONNX files and the trees' text; returns the worst difference between torch and ONNX of each network.

    Checked with several batch sizes, every length of light curve, every subset of the modalities, and with each expert
    of the fusion taken away in turn, which the file's answers must show.
    """
    rng = np.random.default_rng(0)
    differences: dict[str, float] = {}
    for name, encoder in fitted.encoders.items():
        network, shapes, path = encoder.cpu().eval(), INPUT_SHAPES[name], folder / encoder_file(name)
        lengths = LENGTH_BUCKETS if name == "light_curve" else (0,)
        example = tuple(torch.ones(shape) for shape in shapes(2, LENGTH_BUCKETS[0]))
        export_network(network, example, path, ENCODER_OUTPUTS, lengths=name == "light_curve")
        cases = [tuple(_noise(shape, rng) for shape in shapes(n, length)) for n in BATCHES for length in lengths]
        if name == "light_curve":
            cases = [(tokens, _mask(mask.shape, rng)) for tokens, mask in cases]
        differences[name] = worst_difference(network, path, cases)
    differences["fusion"] = _write_fusion(fusion.cpu().eval(), folder / FUSION_FILE, rng)
    fitted.trees.save_model(str(folder / TREES_FILE))
    return differences


def _write_fusion(fusion: Any, path: Path, rng: np.random.Generator) -> float:
    count = len(MODALITIES)
    every_subset = np.array([[bit >> k & 1 for k in range(count)] for bit in range(1, 2**count)], np.float32)
    shapes = (count, TOKEN_WIDTH), (count, CLASS_COUNT), (count,)
    export_network(fusion, tuple(torch.ones((2, *shape)) for shape in shapes), path, fusion.outputs)
    cases = []
    for n in BATCHES:
        present = np.resize(every_subset, (max(n, len(every_subset)), count)) if n > 1 else every_subset[-1:]
        cases.append((*(_noise((len(present), *shape), rng) for shape in shapes[:2]), present))
    worst = worst_difference(fusion, path, cases)
    _every_expert_is_heard(fusion, path, cases[-1])
    return worst


def _every_expert_is_heard(fusion: Any, path: Path, case: tuple[Float32Array, ...]) -> None:
    """ExportError where the file answers as if an expert were not there: a top-k export drops some without a word."""
    embedding = _answers(path, case)[fusion.outputs.index("embedding")]
    for expert in range(fusion.experts):
        without = copy.deepcopy(fusion)
        without.second.data[expert] = 0.0
        with torch.no_grad():
            other = without(*(torch.from_numpy(array) for array in case))[fusion.outputs.index("embedding")].numpy()
        if np.abs(embedding - other).max() < EXPERT_HEARD:
            raise ExportError(f"{path.name}: expert {expert} is not heard in the exported file")


def export_network(
    network: Any, example: tuple[Tensor, ...], path: Path, outputs: tuple[str, ...], lengths: bool = False
) -> None:
    """Writes one network; the first axis of every input is free, and the second too where `lengths` is set."""
    names = list(network.inputs)
    free = {name: {0: "n", 1: "length"} if lengths else {0: "n"} for name in names}
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=names,
        output_names=list(outputs),
        dynamic_axes=free | {name: {0: "n"} for name in outputs},
        opset_version=17,
        dynamo=False,
    )


def worst_difference(network: nn.Module, path: Path, cases: list[tuple[Float32Array, ...]]) -> float:
    """Largest difference between torch and the file over the cases; ExportError beyond `TOLERANCE` or not finite."""
    worst = 0.0
    for case in cases:
        with torch.no_grad():
            expected = network(*(torch.from_numpy(array) for array in case))
        for ours, theirs in zip(_answers(path, case), expected, strict=True):
            difference = np.abs(ours - theirs.numpy()).max(initial=0.0)
            worst = max(worst, float(difference) if np.isfinite(difference) else np.inf)
    if worst >= TOLERANCE:
        raise ExportError(f"{path.name} differs from torch by {worst:.2g}, more than {TOLERANCE}")
    return worst


def _answers(path: Path, case: tuple[Float32Array, ...]) -> list[Float32Array]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    answers: list[Float32Array] = session.run(None, dict(zip(names, case, strict=True)))
    return answers


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    return rng.normal(size=shape).astype(np.float32)


def _mask(shape: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    """Random numbers of tokens, at least one a row, as padding leaves them."""
    count = rng.integers(1, shape[1] + 1, (shape[0], 1))
    return (np.arange(shape[1])[None, :] < count).astype(np.float32)
