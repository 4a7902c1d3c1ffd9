"""A compiled decoder that reads only the kept fields of big Avro records, straight into columns.

`compile_program` turns a writer schema and a `Projection` into a flat program; `RowArena.decode` runs it over a packet.
A column's values are exactly those that fastavro gives. fastavro stays the reference, and the way to read what cannot
be compiled (`RowArena.append_record`).
"""

from schemas.projection.arena import DecodeError, RowArena, Rows, warm_up
from schemas.projection.layout import Kind, Projection, Table
from schemas.projection.program import CannotCompile, Program, compile_program

__all__ = [
    "CannotCompile",
    "DecodeError",
    "Kind",
    "Program",
    "Projection",
    "RowArena",
    "Rows",
    "Table",
    "compile_program",
    "warm_up",
]
