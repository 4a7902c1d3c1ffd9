"""Fitted networks to ONNX files, checked against torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from schemas.light_curve import Float32Array

TOLERANCE = 2e-4
"""Largest difference between torch and ONNX that passes; both compute in float32, in another order."""


def export_network(network: nn.Module, example: tuple[Tensor, ...], path: Path, lengths: bool = False) -> None:
    """Writes one network; the first axis of every input is free, and the second too where `lengths` is set."""
    names = list(network.inputs)
    outputs = ["fused", "embedding", "weights"] if len(names) == 3 else ["token", "logits"]
    free = {name: {0: "n", 1: "length"} if lengths else {0: "n"} for name in names}
    network.eval()
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=names,
        output_names=outputs,
        dynamic_axes=free | {name: {0: "n"} for name in outputs},
        opset_version=17,
        dynamo=False,
    )


def worst_difference(network: nn.Module, path: Path, cases: list[tuple[Float32Array, ...]]) -> float:
    """Largest difference between torch and the file over the cases; ValueError beyond `TOLERANCE` or not finite."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    worst = 0.0
    for case in cases:
        with torch.no_grad():
            expected = network(*(torch.from_numpy(array) for array in case))
        found = session.run(None, dict(zip(names, case, strict=True)))
        for ours, theirs in zip(found, expected, strict=True):
            worst = max(worst, float(np.max(np.abs(ours - theirs.numpy()), initial=0.0)))
    if not worst < TOLERANCE:
        raise ValueError(f"{path.name} differs from torch by {worst:.2g}, more than {TOLERANCE}")
    return worst
