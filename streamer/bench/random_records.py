"""Random records of an Avro schema: what the decoder is measured and tested on where there are no real packets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_TEXT = ("", "r", "null", "2026-11-21", "Überriese ☉", "\U0001f52d", "x" * 70)


@dataclass(frozen=True, slots=True)
class Shape:
    """How big and how full a random record is."""

    null_share: float = 0.1
    """Share of nullable values that are null."""
    array_length: int = 3
    """Items in every array."""
    bytes_length: int = 40
    """Length of every bytes field, cutouts among them."""
    odd_floats: bool = True
    """Whether NaN, infinities, zeros and the smallest numbers turn up among the floats."""


def random_record(schema: Any, rng: np.random.Generator, shape: Shape) -> Any:
    """A value valid for `schema`, as fastavro takes it; equal generators give equal values."""
    return _value(schema, rng, shape, {})


def _value(schema: Any, rng: np.random.Generator, shape: Shape, named: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        others = [branch for branch in schema if branch != "null"]
        if not others:
            return None
        if len(others) < len(schema) and rng.random() < shape.null_share:
            _learn(schema, named)
            return None
        return _value(others[int(rng.integers(len(others)))], rng, shape, named)
    if isinstance(schema, str):
        if schema in named:
            return _value(named[schema], rng, shape, named)
        return _primitive(schema, rng, shape)
    _learn(schema, named)
    kind = schema["type"]
    if kind == "record":
        return {field["name"]: _value(field["type"], rng, shape, named) for field in schema["fields"]}
    if kind == "array":
        return [_value(schema["items"], rng, shape, named) for _ in range(shape.array_length)]
    if kind == "map":
        return {f"key {k}": _value(schema["values"], rng, shape, named) for k in range(shape.array_length)}
    if kind == "fixed":
        return rng.bytes(schema["size"])
    if kind == "enum":
        return schema["symbols"][int(rng.integers(len(schema["symbols"])))]
    return _value(kind, rng, shape, named)


def _learn(schema: Any, named: dict[str, Any]) -> None:
    """Notes the named types of a schema, also of branches not taken."""
    if isinstance(schema, list):
        for branch in schema:
            _learn(branch, named)
    elif isinstance(schema, dict):
        if "name" in schema:
            named[schema["name"]] = schema
        for field in schema.get("fields", ()):
            _learn(field["type"], named)
        _learn(schema.get("items", schema.get("values")), named)


def _primitive(kind: str, rng: np.random.Generator, shape: Shape) -> Any:
    if kind == "null":
        return None
    if kind == "boolean":
        return bool(rng.integers(2))
    if kind in ("int", "long"):
        bits = int(rng.integers(1, 32 if kind == "int" else 64))
        return int(rng.integers(-(1 << (bits - 1)), 1 << (bits - 1)))
    if kind in ("float", "double"):
        if shape.odd_floats and rng.random() < 0.1:
            return float(rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3.4e38]))
        return float(np.float32(rng.normal() * 10.0 ** int(rng.integers(-5, 6))))
    if kind == "string":
        return _TEXT[int(rng.integers(len(_TEXT)))]
    if kind == "bytes":
        return rng.bytes(shape.bytes_length)
    raise ValueError(f"no random value of type {kind!r}")
