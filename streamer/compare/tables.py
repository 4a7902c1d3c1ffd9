"""Named columns of numbers, one row for each packet or object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.light_curve import FloatArray

Index = npt.NDArray[np.integer] | npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """n rows of numbers under names; NaN where a row has no such number."""

    names: tuple[str, ...]
    values: FloatArray
    """(n, names)"""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Index) -> Table:
        """The rows in `index`, in that order."""
        return Table(self.names, self.values[index])

    def column(self, name: str) -> FloatArray:
        """(n,) the numbers under a name; NaN where the table has no such name."""
        if name not in self.names:
            return np.full(len(self), np.nan)
        column: FloatArray = self.values[:, self.names.index(name)]
        return column

    def beside(self, other: Table) -> Table:
        """The columns of both, for the same rows."""
        return Table((*self.names, *other.names), np.hstack([self.values, other.values]))

    def keep(self, wanted: Callable[[str], bool]) -> Table:
        """The columns whose names are wanted."""
        kept = [i for i, name in enumerate(self.names) if wanted(name)]
        return Table(tuple(self.names[i] for i in kept), self.values[:, kept])


def table_of(rows: Sequence[Mapping[str, float]]) -> Table:
    """The rows as a table, its names in the order in which they are met."""
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    place = {name: i for i, name in enumerate(names)}
    values = np.full((len(rows), len(names)), np.nan)
    for i, row in enumerate(rows):
        for name, value in row.items():
            values[i, place[name]] = value
    return Table(names, values)


def stack(tables: Sequence[Table]) -> Table:
    """All rows, one table after the other; columns are joined by name."""
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    place = {name: i for i, name in enumerate(names)}
    values = np.full((sum(map(len, tables)), len(names)), np.nan)
    begin = 0
    for table in tables:
        values[begin : begin + len(table), [place[name] for name in table.names]] = table.values
        begin += len(table)
    return Table(names, values)
