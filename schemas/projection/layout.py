"""What to keep of a record: tables of columns named by their place in the writer's schema."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Kind = Literal["float", "int", "span"]
"""How a field is kept: `float` (float, double, int, long) as float64, `int` (int, long, boolean) as int64,
`span` (string, bytes, fixed, enum symbol) as the place of its bytes in the packet."""

KINDS: tuple[Kind, ...] = ("float", "int", "span")


@dataclass(frozen=True)
class Table:
    """Columns taken from the top record (`path` empty, one row a packet) or from the array of records at `path`.

    `fields` are dotted names below that record, `diaSource.psfFlux`, with the kind each is kept as.
    """

    name: str
    path: tuple[str, ...]
    fields: tuple[tuple[str, Kind], ...]

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Names of the fields kept as `kind`, in the order of their columns."""
        return tuple(name for name, kept_as in self.fields if kept_as == kind)


@dataclass(frozen=True)
class Projection:
    """The tables kept of one survey's packets; ValueError where two tables or fields would collide."""

    tables: tuple[Table, ...]

    def __post_init__(self) -> None:
        given: list[tuple[str, list[str]]] = [
            ("table name", [table.name for table in self.tables]),
            ("table path", [".".join(table.path) for table in self.tables]),
            *((f"field of {table.name}", [name for name, _ in table.fields]) for table in self.tables),
        ]
        for what, found in given:
            twice = [key for key, count in Counter(found).items() if count > 1]
            if twice:
                raise ValueError(f"{what} given twice: {twice[0]}")
        wrong = [kind for table in self.tables for _, kind in table.fields if kind not in KINDS]
        if wrong:
            raise ValueError(f"kind of a field is one of {', '.join(KINDS)}, not {wrong[0]!r}")
