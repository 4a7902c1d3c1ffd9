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


Told = dict[tuple[type[BaseModel], str], str]
"""Where each field, by the model that has it and its name, was explained first; blocks of one kind refer there."""


def default_yaml() -> str:
    """A configuration with every key at its default, each with its meaning, unit and bounds as a comment."""
    head = "# Configuration of transient-streamer. Every key may be left out; the values here are the defaults."
    return "\n".join([head, *_block(Settings(), "", "", {})]) + "\n"


def _block(section: BaseModel, place: str, indent: str, told: Told) -> Iterator[str]:
    """The lines of the block at `place`; keys without a default value are shown as comments. `told` grows."""
    first = {name: told.setdefault(_owner(type(section), name), place) for name in type(section).model_fields}
    yield from _known_keys(section, place, first, indent)
    for name, field in type(section).model_fields.items():
        value, below = getattr(section, name), f"{place}.{name}".lstrip(".")
        is_known = first[name] != place
        if not indent and sections(field.annotation) is not None:
            yield ""
        if isinstance(value, BaseModel):
            yield from _comment(field.description or "", indent)
            yield f"{indent}{name}:"
            yield from _block(value, below, indent + "  ", told)
        elif not _is_unset(value):
            yield from _comment(f"As in {first[name]}." if is_known else _explanation(field), indent)
            yield from _value(name, value, field, below, indent, told)
        elif not is_known:
            yield from _comment(_explanation(field), indent)
            yield from _keys(sections(field.annotation), below, indent, told)
            yield f"{indent}# {name}: {_flow((field.examples or [''])[0])}"


def _known_keys(section: BaseModel, place: str, first: dict[str, str], indent: str) -> Iterator[str]:
    """Keys without a value that were explained at another place, one line for each such place."""
    known = [name for name, where in first.items() if where != place and _is_unset(getattr(section, name))]
    for where in dict.fromkeys(first[name] for name in known):
        names = ", ".join(name for name in known if first[name] == where)
        yield from _comment(f"{names}: as in {where}. Not set by default.", indent)


def _value(name: str, value: Any, field: FieldInfo, place: str, indent: str, told: Told) -> Iterator[str]:
    item = sections(field.annotation)
    if item is None or not isinstance(value, tuple):
        yield f"{indent}{name}: {_flow(value)}"
        return
    yield f"{indent}{name}:"
    yield from _keys(item, place, indent + "  ", told)
    for entry in value:
        yield f"{indent}  - {_flow(entry.model_dump(exclude_defaults=True))}"


def _keys(model: type[BaseModel] | None, place: str, indent: str, told: Told) -> Iterator[str]:
    """The keys of a list's blocks, as a comment."""
    if model is None:
        return
    where = _first_place(model, place, told)
    if where != place:
        yield f"{indent}# Keys of each: as in {where}."
        return
    yield f"{indent}# Keys of each:"
    for name, field in model.model_fields.items():
        inner, below = sections(field.annotation), f"{place}.{name}"
        known = "" if inner is None else _first_place(inner, below, told)
        as_there = f" Keys as in {known}." if known and known != below else ""
        yield from _comment(f"{name}: {_explanation(field)}{_default(field)}{as_there}", f"{indent}#   ", hanging="  ")
        for key, part in inner.model_fields.items() if inner is not None and not as_there else ():
            yield from _comment(f"{key}: {_explanation(part)}{_default(part)}", f"{indent}#     ", hanging="  ")


def _first_place(model: type[BaseModel], place: str, told: Told) -> str:
    """Where the keys of a model were explained; `place` from now on where they were not."""
    return [told.setdefault(_owner(model, name), place) for name in model.model_fields][-1]


def _owner(model: type[BaseModel], name: str) -> tuple[type[BaseModel], str]:
    """The model among `model` and those it builds upon that brings the field, and the field's name."""
    return next(base for base in reversed(model.__mro__) if name in getattr(base, "model_fields", {})), name


def _is_unset(value: Any) -> bool:
    return value is None or value == ()


def _explanation(field: FieldInfo) -> str:
    unset = " Not set by default." if not field.is_required() and field.default is None else ""
    return f"{field.description} Takes {expectation(field)}.{unset}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return " Required."
    return (
        ""
        if _is_unset(field.default) or isinstance(field.default, BaseModel)
        else f" By default {_flow(field.default)}."
    )


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
