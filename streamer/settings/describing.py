"""What a field of the settings expects, in words. Messages, the commented file and the docs page all use this."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_KINDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def unit_of(field: FieldInfo) -> str | None:
    """The field's unit; None where it has none."""
    return _extra(field, "unit")


def is_path(field: FieldInfo) -> bool:
    """Whether the field names a file or a folder."""
    return _extra(field, "is_path") is not None


def _extra(field: FieldInfo, name: str) -> str | None:
    extra = field.json_schema_extra
    text = extra.get(name) if isinstance(extra, dict) else None
    return str(text) if text is not None else None


def expectation(field: FieldInfo) -> str:
    """What the field takes: its kind, bounds and unit, for example 'a whole number from 1 to 60000 [ms]'."""
    text = "a path" if is_path(field) else _kind(field.annotation, [*field.metadata])
    form, unit = _extra(field, "form"), unit_of(field)
    return text + (f" {form}" if form else "") + (f" [{unit}]" if unit else "")


def sections(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation holds, below lists and optional values; None where it holds plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = sections(part)
        if found is not None:
            return found
    return None


def field_at(model: type[BaseModel], path: Sequence[str | int]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The innermost model on `path`, and the field of it that the path's last key names (None: no such field)."""
    field: FieldInfo | None = None
    for step in path:
        if isinstance(step, int):
            continue
        if field is not None and (value := _value_of(field)) is not None:
            return model, value
        inner = sections(field.annotation) if field is not None else model
        if inner is None:
            break
        model = inner
        field = model.model_fields.get(step)
        if field is None:
            break
    return model, field


def _value_of(field: FieldInfo) -> FieldInfo | None:
    """What stands behind each name of a field that is a block of `name: value`; None for other fields."""
    for part in (field.annotation, *get_args(field.annotation)):
        if get_origin(part) is dict:
            return FieldInfo.from_annotation(get_args(part)[1])
    return None


def _kind(annotation: Any, metadata: list[Any]) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _kind(inner, [*_flat(more), *metadata])
    if origin is Union or origin is types.UnionType:
        options = [part for part in get_args(annotation) if part is not type(None)]
        return _kind(options[0], metadata)
    if origin is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(annotation))
    if origin is tuple:
        return f"a list of {_plural(get_args(annotation)[0])}"
    if origin is dict:
        keys, values = get_args(annotation)
        return f"a block of `name: value` with {_kind(values, [])} for each name, {_kind(keys, [])}"
    if sections(annotation) is not None:
        return "a block of keys"
    return _KINDS.get(annotation, str(annotation)) + _bounds(_flat(metadata))


def _flat(metadata: Sequence[Any]) -> list[Any]:
    """Metadata with the insides of nested FieldInfo taken out."""
    found: list[Any] = []
    for item in metadata:
        found += item.metadata if isinstance(item, FieldInfo) else [item]
    return found


def _plural(item: Any) -> str:
    return "blocks of keys" if sections(item) is not None else "text" if item is str else _kind(item, [])


def _bounds(metadata: Sequence[Any]) -> str:
    low = next((item.ge for item in metadata if isinstance(item, annotated_types.Ge)), None)
    high = next((item.le for item in metadata if isinstance(item, annotated_types.Le)), None)
    if low is not None and high is not None:
        return f" from {_plain(low)} to {_plain(high)}"
    if low is not None:
        return f" of {_plain(low)} or more"
    return f" of {_plain(high)} or less" if high is not None else ""


def _plain(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def known_keys(model: type[BaseModel]) -> Iterator[str]:
    """The keys a block may have, in order."""
    yield from model.model_fields
