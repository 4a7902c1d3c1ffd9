"""A whole bundle made up in a second: small random networks as ONNX files, trees, novelty and card.

It has whatever features the code computes now, so that what must hold of every bundle can be tested while the shipped
one is being trained anew. The files are written field by field as protocol buffers: serving has no `onnx` package.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from classifiers.bundle import FUSION_FILE, NOVELTY_FILE, TREES_FILE, encoder_file, write_card
from classifiers.features import feature_spec, spec_hash
from classifiers.features.cutouts import IMAGE_CHANNELS, IMAGE_SIZE
from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.features.metadata import METADATA_FEATURES
from classifiers.features.spectra import GRID_BINS, SPECTRUM_CHANNELS
from classifiers.features.statistics import STATISTIC_NAMES
from classifiers.novelty import fit_novelty, save_novelty
from classifiers.serving import EVIDENCE_GROUPS
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import CLASSES, FINE_LEAVES, MODALITIES

WIDTH = 8
"""Length of the encoders' tokens."""

EXPERTS = 3

Dims = Sequence[int | str]

Node = tuple[str, list[str], str, dict[str, Any]]
"""Operator, inputs, output, attributes."""


def write_bundle(folder: Path, seed: int = 1) -> Path:
    """Writes the bundle into `folder`, which it makes; returns it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    curve, names = len(TOKEN_FEATURES), len(METADATA_FEATURES)
    write_encoder(folder, "light_curve", {"tokens": ("n", "length", curve), "mask": ("n", "length")}, curve, rng)
    write_encoder(folder, "metadata", {"values": ("n", names), "known": ("n", names)}, names, rng)
    images = ("n", len(IMAGE_CHANNELS), IMAGE_SIZE, IMAGE_SIZE)
    write_encoder(folder, "cutouts", {"images": images, "pixel_scale": ("n", 1)}, len(IMAGE_CHANNELS), rng)
    channels = ("n", len(SPECTRUM_CHANNELS), GRID_BINS)
    write_encoder(folder, "spectrum", {"channels": channels}, len(SPECTRUM_CHANNELS), rng)
    write_fusion(folder / FUSION_FILE, rng)
    _trees(rng).save_model(folder / TREES_FILE)
    embedding = rng.normal(size=(90, EMBEDDING_LENGTH)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    novelty = fit_novelty(embedding, np.arange(90) % 7, embedding[:40])
    save_novelty(folder / NOVELTY_FILE, dict.fromkeys(EVIDENCE_GROUPS, novelty))
    write_card(folder, card())
    return folder


def card() -> dict[str, Any]:
    """The card of a made-up bundle, calibrated for ZTF."""
    group = {"threshold": 0.1, "objects": 40, "domain": "made-up objects", "method": "made up"}
    return {
        "name": "made-up",
        "version": "0.1",
        "taxonomy": list(CLASSES),
        "prior": {name: round(1 / len(CLASSES), 6) for name in CLASSES},
        "feature_spec": feature_spec(),
        "feature_spec_sha256": spec_hash(),
        "modalities": {
            name: {"surveys": ["ztf", "lsst"] if name in ("light_curve", "spectrum") else ["ztf"], "strength": 1.0}
            for name in MODALITIES
        },
        "tree_share": 0.5,
        "calibration": {
            "surveys": ["ztf"],
            "coverage": 0.9,
            "temperature": {"level": 0.3, "log_detections": -0.1},
            "log_loss": {},
            **dict.fromkeys(EVIDENCE_GROUPS, group),
        },
    }


def write_encoder(
    folder: Path,
    name: str,
    inputs: dict[str, Dims],
    width: int,
    rng: np.random.Generator,
    by_neighbours: bool = False,
) -> None:
    """The first input pooled along what varies (where the second says something is), then two matrices."""
    first, *rest = inputs
    constants: dict[str, np.ndarray] = {
        "to_token": rng.normal(size=(width, WIDTH)).astype(np.float32),
        "to_logits": rng.normal(size=(WIDTH, len(CLASSES))).astype(np.float32),
    }
    nodes: list[Node] = [("MatMul", ["pooled", "to_token"], "wide", {}), ("Tanh", ["wide"], "token", {})]
    nodes.append(("MatMul", ["token", "to_logits"], "logits", {}))
    if name == "light_curve":
        constants["last"] = np.array([2], np.int64)
        nodes = [
            ("Unsqueeze", ["mask", "last"], "seen", {}),
            ("Mul", [first, "seen"], "kept", {}),
            ("ReduceMax", ["kept"], "pooled", {"axes": [1], "keepdims": 0}),
            *nodes,
        ]
    elif name == "metadata":
        nodes = [("Mul", [first, rest[0]], "pooled", {}), *nodes]
    else:
        axes = list(range(2, len(inputs[first])))
        nodes = [("ReduceMean", [first], "pooled", {"axes": axes, "keepdims": 0}), *nodes]
    if by_neighbours:
        shared = ("ReduceMean", ["wide"], "shared", {"axes": [0], "keepdims": 1})
        nodes[-2:-1] = [shared, ("Sub", ["wide", "shared"], "own", {}), ("Tanh", ["own"], "token", {})]
    outputs: dict[str, Dims] = {"token": ("n", WIDTH), "logits": ("n", len(CLASSES))}
    (folder / encoder_file(name)).write_bytes(model(nodes, constants, inputs, outputs))


def write_fusion(
    path: Path,
    rng: np.random.Generator,
    hears: Sequence[bool] = (True,) * EXPERTS,
    masks: bool = True,
    fine: str = "fine",
) -> None:
    """Sums of logits, and a mixture of experts over the tokens; experts that are not heard get no weight."""
    flat, count = len(MODALITIES) * WIDTH, len(MODALITIES)
    constants: dict[str, np.ndarray] = {
        "one": np.ones(1, np.float32),
        "last": np.array([2], np.int64),
        "middle": np.array([1], np.int64),
        "flat": np.array([-1, flat], np.int64),
        "to_gate": (0.3 * rng.normal(size=(flat, EXPERTS))).astype(np.float32),
        "heard": np.where(hears, 0.0, -1e4).astype(np.float32),
        "to_experts": rng.normal(size=(flat, EXPERTS)).astype(np.float32),
        "to_embedding": rng.normal(size=(EXPERTS, EMBEDDING_LENGTH)).astype(np.float32),
        "offset": rng.normal(size=EMBEDDING_LENGTH).astype(np.float32),
        "to_fine": rng.normal(size=(EMBEDDING_LENGTH, len(FINE_LEAVES))).astype(np.float32),
    }
    nodes: list[Node] = [
        ("Unsqueeze", ["present", "last"], "seen", {}),
        ("Mul", ["logits", "seen"] if masks else ["logits", "one"], "kept_logits", {}),
        ("ReduceSum", ["kept_logits", "middle"], "fused", {"keepdims": 0}),
        ("Mul", ["tokens", "seen"], "kept_tokens", {}),
        ("Reshape", ["kept_tokens", "flat"], "flat_tokens", {}),
        ("MatMul", ["flat_tokens", "to_gate"], "gate_all", {}),
        ("Add", ["gate_all", "heard"], "gate_logits", {}),
        ("Softmax", ["gate_logits"], "gate", {"axis": 1}),
        ("MatMul", ["flat_tokens", "to_experts"], "experts", {}),
        ("Mul", ["experts", "gate"], "mixed", {}),
        ("MatMul", ["mixed", "to_embedding"], "wide", {}),
        ("Add", ["wide", "offset"], "shifted", {}),
        ("LpNormalization", ["shifted"], "embedding", {"axis": 1, "p": 2}),
        ("ReduceSum", ["present", "middle"], "parts", {"keepdims": 1}),
        ("Div", ["present", "parts"], "weights", {}),
        ("MatMul", ["embedding", "to_fine"], fine, {}),
    ]
    inputs: dict[str, Dims] = {
        "tokens": ("n", count, WIDTH),
        "logits": ("n", count, len(CLASSES)),
        "present": ("n", count),
    }
    outputs: dict[str, Dims] = {
        "fused": ("n", len(CLASSES)),
        "embedding": ("n", EMBEDDING_LENGTH),
        "weights": ("n", count),
        fine: ("n", len(FINE_LEAVES)),
    }
    path.write_bytes(model(nodes, constants, inputs, outputs))


def _trees(rng: np.random.Generator) -> lightgbm.Booster:
    rows = rng.normal(size=(300, len(STATISTIC_NAMES))).astype(np.float32)
    given = {"objective": "multiclass", "num_class": len(CLASSES), "verbose": -1, "num_threads": 1, "num_leaves": 4}
    return lightgbm.train(given, lightgbm.Dataset(rows, np.arange(300) % len(CLASSES)), 3)


def model(
    nodes: Sequence[Node],
    constants: dict[str, np.ndarray],
    inputs: dict[str, Dims],
    outputs: dict[str, Dims],
) -> bytes:
    """The bytes of an ONNX model."""
    graph = b"".join(_part(1, _node(*node)) for node in nodes) + _part(2, b"made-up")
    graph += b"".join(_part(5, _tensor(name, array)) for name, array in constants.items())
    graph += b"".join(_part(11, _value(name, dims)) for name, dims in inputs.items())
    graph += b"".join(_part(12, _value(name, dims)) for name, dims in outputs.items())
    return _number(1, 8) + _part(7, graph) + _part(8, _number(2, 17))


def _node(operator: str, inputs: list[str], output: str, attributes: dict[str, Any]) -> bytes:
    body = b"".join(_part(1, name.encode()) for name in inputs) + _part(2, output.encode())
    body += _part(4, operator.encode())
    for name, value in attributes.items():
        whole = isinstance(value, int)
        said = _number(3, value) if whole else b"".join(_number(8, each) for each in value)
        body += _part(5, _part(1, name.encode()) + said + _number(20, 2 if whole else 7))
    return body


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    kind = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}[array.dtype]
    return dims + _number(2, kind) + _part(8, name.encode()) + _part(9, array.tobytes())


def _value(name: str, dims: Dims) -> bytes:
    shape = b"".join(_part(1, _part(2, size.encode()) if isinstance(size, str) else _number(1, size)) for size in dims)
    return _part(1, name.encode()) + _part(2, _part(1, _number(1, 1) + _part(2, shape)))


def _part(field: int, content: bytes) -> bytes:
    """A field of bytes, text or an inner message."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
