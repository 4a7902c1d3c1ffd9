"""What the models of the settings share: kinds of values, and fields with unit, bounds and meaning."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number; text that looks like one is refused."""

Whole = Annotated[int, Strict()]
"""A whole number; text and fractions are refused."""

Switch = Annotated[bool, Strict()]
"""true or false."""


def setting(
    default: Any = ...,
    *,
    unit: str | None = None,
    form: str | None = None,
    is_path: bool = False,
    description: str,
    **bounds: Any,
) -> Any:
    """A field of a settings model. `unit` and `form` (how text must look) are shown wherever the field is described.

    A path that is not absolute starts at the folder of the configuration file.
    """
    extra: dict[str, Any] = {name: text for name, text in (("unit", unit), ("form", form)) if text}
    if is_path:
        extra["is_path"] = True
    return Field(default, description=description, json_schema_extra=extra or None, **bounds)


class Section(BaseModel):
    """A block of the settings: unchangeable once made, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
