"""The commented configuration file, made from the models."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from streamer.settings.describing import expectation, sections
from streamer.settings.models import Settings

WIDTH = 110
"""Longest line of a comment, in characters."""


def default_yaml() -> str:
    """A configuration with every key at its default, each with its meaning, unit and bounds as a comment."""
    head = "# Configuration of transient-streamer. Every key may be left out; the values here are the defaults."
    return "\n".join([head, *_block(Settings(), "", set())]) + "\n"


def _block(section: BaseModel, indent: str, explained: set[type[BaseModel]]) -> Iterator[str]:
    """The lines of one block; keys without a default value are shown as comments. `explained` grows."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            if not indent:
                yield ""
            yield from _comment(field.description or "", indent)
            yield f"{indent}{name}:"
            yield from _block(value, indent + "  ", explained)
            continue
        yield from _comment(_explanation(field), indent)
        item = sections(field.annotation)
        if value is None or value == ():
            yield f"{indent}# {name}: {_flow(field.examples[0]) if field.examples else '[]'}"
        elif isinstance(value, tuple) and item is not None:
            yield f"{indent}{name}:"
            if item not in explained:
                yield from _keys(item, indent + "  ")
            explained.add(item)
            for entry in value:
                yield f"{indent}  - {_flow(entry.model_dump(exclude_defaults=True))}"
        else:
            yield f"{indent}{name}: {_flow(value)}"


def _keys(model: type[BaseModel], indent: str) -> Iterator[str]:
    """The keys of a list's blocks, as a comment."""
    yield f"{indent}# Keys of each:"
    for name, field in model.model_fields.items():
        yield from _comment(f"{name}: {_explanation(field)}{_default(field)}", f"{indent}#   ", hanging="  ")
        inner = sections(field.annotation)
        if inner is not None:
            for key, part in inner.model_fields.items():
                yield from _comment(f"{key}: {_explanation(part)}{_default(part)}", f"{indent}#     ", hanging="  ")


def _explanation(field: FieldInfo) -> str:
    unset = " Not set by default." if not field.is_required() and field.default is None else ""
    return f"{field.description} Takes {expectation(field)}.{unset}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return " Required."
    return "" if field.default in (None, ()) else f" By default {_flow(field.default)}."


def _comment(text: str, indent: str, hanging: str = "") -> list[str]:
    start = indent if indent.lstrip().startswith("#") else f"{indent}# "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()
