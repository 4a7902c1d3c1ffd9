"""Whether a bundle's networks answer as they must: any batch size and length, any modalities, every expert; no torch.

What differs from torch is measured at export. This asks the files alone, so that a bundle from anywhere can be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from classifiers.bundle import FUSION_FILE, Bundle, BundleError, encoder_file, open_bundle
from classifiers.features import LENGTH_BUCKETS
from classifiers.serving import ENCODER_OUTPUTS, FUSION_OUTPUTS
from schemas.light_curve import Float32Array
from schemas.prediction import EMBEDDING_LENGTH
from schemas.taxonomy import CLASSES, FINE_LEAVES, MODALITIES

BATCHES: tuple[int, ...] = (1, 2, 5, 64)
"""Batch sizes that are tried."""

TOLERANCE = 1e-3
"""Largest difference between a row's answer alone and among others, relative to 1 and the answer's own size.

onnxruntime sums in another order for another batch size, in float32.
"""

LEAST_HEARD = 1e-3
"""Largest weight, over random inputs, that an expert must reach to count as heard."""

SUBSETS: Float32Array = np.array([[bit >> k & 1 for k in range(4)] for bit in range(1, 16)], np.float32)
"""Every set of modalities but the empty one, (15, 4)."""


def verify_bundle(path: str | Path) -> dict[str, float]:
    """The largest relative difference of each network's answers between batch sizes, and the least heard expert.

    BundleError where the bundle cannot be opened, or a network answers in another shape, not in finite numbers,
    otherwise alone than among others, otherwise for longer padding, by what is absent, or without one of its experts.
    """
    bundle = open_bundle(path)
    rng = np.random.default_rng(0)
    used = [name for name in MODALITIES if bundle.card["modalities"][name]["surveys"]]
    found = {name: _verify_encoder(bundle, name, rng) for name in used}
    return found | _verify_fusion(bundle, rng)


def _verify_encoder(bundle: Bundle, name: str, rng: np.random.Generator) -> float:
    file = encoder_file(name)
    session = _session(bundle.file(file).read_bytes(), file)
    lengths = LENGTH_BUCKETS if name == "light_curve" else (0,)
    worst = 0.0
    for length in lengths:
        inputs = _noise(session, max(BATCHES), length, rng)
        if name == "light_curve":  # a random number of tokens, then padding
            counts = rng.integers(1, length + 1, (max(BATCHES), 1))
            inputs["mask"] = (np.arange(length) < counts).astype(np.float32)
        token, logits = session.run(list(ENCODER_OUTPUTS), inputs)
        _expect(token.ndim == 2 and logits.shape == (max(BATCHES), len(CLASSES)), file, "answers in another shape")
        worst = max(worst, _between_batches(session, file, inputs, ENCODER_OUTPUTS))
        if name == "light_curve" and length < LENGTH_BUCKETS[-1]:
            padded = {key: _padded(array, 2 * length) for key, array in inputs.items()}
            padded["tokens"][:, length:] = rng.normal(size=padded["tokens"][:, length:].shape)
            longer = session.run(list(ENCODER_OUTPUTS), padded)
            for one, other in zip((token, logits), longer, strict=True):
                _expect(_difference(one, other) < TOLERANCE, file, "answers otherwise when a curve is padded more")
    return worst


def _verify_fusion(bundle: Bundle, rng: np.random.Generator) -> dict[str, float]:
    file = FUSION_FILE
    raw = bundle.file(file).read_bytes()
    session = _session(raw, file)
    inputs = _noise(session, max(BATCHES), 0, rng)
    inputs["present"] = np.resize(SUBSETS, inputs["present"].shape)
    fused, embedding, weights, fine = session.run(list(FUSION_OUTPUTS), inputs)
    n = max(BATCHES)
    shapes = [array.shape for array in (fused, embedding, weights, fine)]
    expected = [(n, len(CLASSES)), (n, EMBEDDING_LENGTH), (n, len(MODALITIES)), (n, len(FINE_LEAVES))]
    _expect(shapes == expected, file, f"answers in shapes {shapes}, not {expected}")
    _expect(bool(np.allclose(np.linalg.norm(embedding, axis=1), 1.0, atol=TOLERANCE)), file, "embeds off the sphere")
    _expect(bool(np.allclose(weights.sum(axis=1), 1.0, atol=TOLERANCE)), file, "gives weights that do not sum to 1")
    _expect(not weights[inputs["present"] == 0].any(), file, "gives weight to what is absent")
    absent = inputs["present"][:, :, None] == 0
    other = inputs | {key: np.where(absent, np.float32(9.0), inputs[key]) for key in ("tokens", "logits")}
    for one, another in zip((fused, embedding, weights, fine), session.run(list(FUSION_OUTPUTS), other), strict=True):
        _expect(_difference(one, another) < TOLERANCE, file, "listens to what is absent")
    worst = _between_batches(session, file, inputs, FUSION_OUTPUTS)
    return {"fusion": worst, "least_heard_expert": _least_heard(raw, file, inputs)}


def _least_heard(raw: bytes, file: str, inputs: dict[str, Float32Array]) -> float:
    """The largest weight over `inputs` of the expert that has the smallest one: a top-k export leaves some at 0."""
    gates = [output for operator, output in _nodes(raw) if operator == "Softmax"]
    _expect(bool(gates), file, "has no mixture of experts")
    least = 1.0
    for gate in gates:
        # Protocol buffers add what is repeated to what there was: this makes the gate one more output of the graph.
        said = _session(raw + _part(7, _part(12, _part(1, gate))), file).run([gate.decode()], inputs)[0]
        least = min(least, float(said.reshape(-1, said.shape[-1]).max(axis=0).min()))
    _expect(least >= LEAST_HEARD, file, "has an expert that is never heard")
    return least


def _between_batches(
    session: onnxruntime.InferenceSession, file: str, inputs: dict[str, Float32Array], outputs: tuple[str, ...]
) -> float:
    """The largest difference between the answers to the first rows alone and among all."""
    whole = session.run(list(outputs), inputs)
    for array in whole:
        _expect(bool(np.isfinite(array).all()), file, "answers with numbers that are not finite")
    worst = 0.0
    for n in BATCHES:
        part = session.run(list(outputs), {name: array[:n] for name, array in inputs.items()})
        worst = max(worst, *(_difference(one, all_[:n]) for one, all_ in zip(part, whole, strict=True)))
    _expect(worst < TOLERANCE, file, f"answers otherwise alone than among others, by {worst:.2g}")
    return worst


def _noise(
    session: onnxruntime.InferenceSession, n: int, length: int, rng: np.random.Generator
) -> dict[str, Float32Array]:
    """Random inputs of a network for n alerts, and a length where it has one."""
    free = {"n": n, "length": length}
    shapes = {each.name: [free.get(size, size) for size in each.shape] for each in session.get_inputs()}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _padded(array: Float32Array, length: int) -> Float32Array:
    more = [(0, length - size if axis == 1 else 0) for axis, size in enumerate(array.shape)]
    return np.pad(array, more)


def _difference(one: Float32Array, other: Float32Array) -> float:
    return float(np.max(np.abs(one - other) / (1.0 + np.abs(other)), initial=0.0))


def _expect(holds: bool, file: str, fault: str) -> None:
    if not holds:
        raise BundleError(f"{file} {fault}")


def _session(raw: bytes, file: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(raw, sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each fault
        raise BundleError(f"onnxruntime cannot load {file}: {error}") from error


def _nodes(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """(operator, first output) of each node of an ONNX model's graph."""
    for graph in _fields(raw, 7):
        for node in _fields(graph, 1):
            for operator in _fields(node, 4):
                yield operator.decode(), next(_fields(node, 2))


def _fields(raw: bytes, wanted: int) -> Iterator[bytes]:
    """Contents of the fields of one number in a protocol buffer, those with bytes in them."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        kind = key & 7
        if kind == 2:
            size, at = _varint(raw, at)
            if key >> 3 == wanted:
                yield raw[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(raw, at)
        else:
            at += 8 if kind == 1 else 4


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def _part(field: int, content: bytes) -> bytes:
    """A field of bytes, shorter than 128, of a protocol buffer."""
    return bytes([field << 3 | 2, len(content)]) + content
