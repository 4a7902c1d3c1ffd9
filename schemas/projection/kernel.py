"""The compiled interpreter: one call walks one packet and stores its kept fields.

Numba checks no bounds, so every read is checked here against `end`, and every row against its table's capacity.
The instructions are listed below; `program.py` writes them. An instruction is `WIDTH` integers, a `UNION` has its jump
table behind it. Memory is read and written by address: an array in numba costs a count of references at every call and
a test for a negative index at every use, which made this six times slower. All of it stays in this file, since the
cache of compiled code looks at the age of the file that holds `run` and of no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

WIDTH: Final = 5
"""Integers in an instruction: operation, then up to four operands."""

# Leaves, kept:   op, run length, first column, first null column, zigzag byte of the null branch
FLOAT: Final = 0
DOUBLE: Final = 1
INT: Final = 2
INT_AS_FLOAT: Final = 3
BOOL: Final = 4
SPAN: Final = 5
FIXED: Final = 6  # op, size, column, null column
NULLABLE: Final = 10  # added to FLOAT..SPAN: a union of null and that leaf
# Leaves, not kept: op, how many (bytes for SKIP_BYTES)
SKIP_BYTES: Final = 20
SKIP_INT: Final = 21
SKIP_SPAN: Final = 22
# Columns that have no value here: op, how many, first column (null columns for FILL_NULL)
FILL_FLOAT: Final = 30
FILL_INT: Final = 31
FILL_SPAN: Final = 32
FILL_NULL: Final = 33
# Control
UNION: Final = 40  # op, number of branches, -, -, -, then the place of each branch
JUMP: Final = 41  # op, place
TOP_ROW: Final = 42  # op, table: begins the packet's only row of this table
LOOP: Final = 43  # op, place of its NEXT: enters an array or a map
NEXT: Final = 44  # op, place of the body, table or -1, least bytes of an item
DONE: Final = 45

# Status of a call: 0 is well, otherwise an index into REASONS.
TRUNCATED: Final = 1
LONG_VARINT: Final = 2
BAD_BRANCH: Final = 3
BAD_COUNT: Final = 4
BAD_LENGTH: Final = 5
TRAILING: Final = 6
TOO_MANY_ROWS: Final = 7
GROW: Final = 8
REASONS: Final = (
    "",
    "the packet ends inside a value",
    "an integer of more than 64 bits",
    "a union branch that the schema does not have",
    "an array or map claims more items than the packet can hold",
    "a negative or impossible length",
    "bytes are left over after the record",
    "more rows than a packet may bring",
)

# State of a table: `TABLE_WIDTH` integers each, at the head of the state array.
FLOAT_BASE: Final = 0
FLOAT_WIDTH: Final = 1
INT_BASE: Final = 2
INT_WIDTH: Final = 3
SPAN_BASE: Final = 4
SPAN_WIDTH: Final = 5
NULL_BASE: Final = 6
NULL_WIDTH: Final = 7
CAPACITY: Final = 8
ROWS: Final = 9
PENDING: Final = 10
TABLE_WIDTH: Final = 11

# After the tables: what the last call has to say, where the arrays are, and the loops' remaining counts.
PLACE: Final = 0
GROW_TABLE: Final = 1
GROW_ROWS: Final = 2
FLOATS: Final = 3  # addresses of the flat arrays
INTS: Final = 4
SPANS: Final = 5
NULLS: Final = 6
STACK: Final = 7
MAX_DEPTH: Final = 16
"""Deepest nesting of arrays and maps."""
SCRATCH: Final = STACK + MAX_DEPTH

MAX_ROWS: Final = 100_000
"""Most rows that one packet may add to one table; the longest real history is under 1,000."""


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles on first use; keeps the machine code on disk where a cache folder can be written."""
    try:
        compiled: Callable[P, R] = numba.njit(cache=True, boundscheck=False)(function)
    except RuntimeError:  # numba: "no locator available", a read-only installation
        compiled = numba.njit(boundscheck=False)(function)
    return compiled


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a small function into its callers: a call for every value would cost more than the value."""
    compiled: Callable[P, R] = numba.njit(forceinline=True, boundscheck=False)(function)
    return compiled


def _load(wire: Any, result: Any) -> Any:
    """`load(address)`: an unaligned native-endian read of `wire`, widened to `result`. No reference is counted."""

    def load(typing_context: Any, address: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], ir.PointerType(context.get_data_type(wire)))
            return context.cast(builder, builder.load(pointer, align=1), wire, result)

        return result(address), code

    return intrinsic(load)


def _store(kind: Any) -> Any:
    """`store(base, index, value)`: writes the element `index` of the array of `kind` that begins at `base`."""

    def store(typing_context: Any, base: Any, index: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first = builder.inttoptr(arguments[0], ir.PointerType(context.get_data_type(kind)))
            value = context.cast(builder, arguments[2], signature.args[2], kind)
            builder.store(value, builder.gep(first, [arguments[1]]))
            return context.get_dummy_value()

        return types.none(base, index, value), code

    return intrinsic(store)


def _address_of(typing_context: Any, array: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(array), code


_address = intrinsic(_address_of)
_byte = _load(types.uint8, types.int64)
_float32 = _load(types.float32, types.float64)
_float64 = _load(types.float64, types.float64)
_word = _load(types.int64, types.int64)
_put_float = _store(types.float64)
_put_int = _store(types.int64)
_put_flag = _store(types.uint8)


@inlined
def _varint(data: int, pos: int, end: int) -> tuple[int, int]:
    """Reads a zigzag integer: (value, place after it), or (status, -1)."""
    value = 0
    shift = 0
    while True:
        if pos >= end:
            return TRUNCATED, -1
        byte = _byte(data + pos)
        pos += 1
        if shift == 63 and byte > 1:
            return LONG_VARINT, -1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return ((value >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(value & 1), pos
        shift += 7


@inlined
def _branch(data: int, pos: int, end: int) -> tuple[int, int]:
    """Reads a union's branch, of two, as its shortest zigzag byte, 0 or 2: (byte, place after it) or (status, -1)."""
    if pos >= end:
        return TRUNCATED, -1
    byte = _byte(data + pos)
    if byte == 0 or byte == 2:
        return byte, pos + 1
    value, pos = _varint(data, pos, end)
    if pos >= 0:
        if value == 0 or value == 1:  # written longer than need be, yet valid
            return value * 2, pos
        return BAD_BRANCH, -1
    return value, pos


@inlined
def _length(data: int, pos: int, end: int) -> tuple[int, int]:
    """Reads the length of a string or bytes: (length, place after it), or (status, -1)."""
    length, pos = _varint(data, pos, end)
    if pos < 0:
        return length, pos
    if length < 0:
        return BAD_LENGTH, -1
    if length > end - pos:
        return TRUNCATED, -1
    return length, pos


@jit
def run(
    packet: npt.NDArray[np.uint8],
    pos: int,
    end: int,
    program: npt.NDArray[np.int64],
    state: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    number: int,
) -> int:
    """Decodes `packet[pos:end]` by `program` into the tables; returns a status, and adds no row unless it is 0.

    `state` holds the tables' places and counts, then the scratch with the addresses of the flat arrays (see above);
    `offsets` (packets, tables) gets each table's row count after this packet at row `number`.
    """
    tables = offsets.shape[1]
    scratch = tables * TABLE_WIDTH
    data = _address(packet)
    code = _address(program)
    floats = state[scratch + FLOATS]
    ints = state[scratch + INTS]
    spans = state[scratch + SPANS]
    nulls = state[scratch + NULLS]
    for table in range(tables):
        state[table * TABLE_WIDTH + PENDING] = state[table * TABLE_WIDTH + ROWS]
    budget = end - pos  # no packet holds more items than bytes
    status = 0
    depth = scratch + STACK - 1
    f = i = s = n = 0  # where this row begins
    top_f = top_i = top_s = top_n = 0
    pc = 0
    while status == 0:
        at = code + 8 * pc
        op = _word(at)
        count = _word(at + 8)
        first = _word(at + 16)
        first_null = _word(at + 24)
        null = _word(at + 32)
        if op == NULLABLE + FLOAT:
            column = f + first
            flag = n + first_null
            for k in range(count):
                branch, after = _branch(data, pos, end)
                if after < 0:
                    status = branch
                    break
                if branch == null:
                    _put_float(floats, column + k, np.nan)
                    _put_flag(nulls, flag + k, True)
                    pos = after
                elif after + 4 > end:
                    status = TRUNCATED
                    break
                else:
                    _put_float(floats, column + k, _float32(data + after))
                    _put_flag(nulls, flag + k, False)
                    pos = after + 4
            pc += WIDTH
        elif op == NULLABLE + DOUBLE:
            column = f + first
            flag = n + first_null
            for k in range(count):
                branch, after = _branch(data, pos, end)
                if after < 0:
                    status = branch
                    break
                if branch == null:
                    _put_float(floats, column + k, np.nan)
                    _put_flag(nulls, flag + k, True)
                    pos = after
                elif after + 8 > end:
                    status = TRUNCATED
                    break
                else:
                    _put_float(floats, column + k, _float64(data + after))
                    _put_flag(nulls, flag + k, False)
                    pos = after + 8
            pc += WIDTH
        elif op == NULLABLE + BOOL:
            column = i + first
            flag = n + first_null
            for k in range(count):
                branch, after = _branch(data, pos, end)
                if after < 0:
                    status = branch
                    break
                if branch == null:
                    _put_int(ints, column + k, 0)
                    _put_flag(nulls, flag + k, True)
                    pos = after
                elif after + 1 > end:
                    status = TRUNCATED
                    break
                else:
                    _put_int(ints, column + k, 1 if _byte(data + after) != 0 else 0)
                    _put_flag(nulls, flag + k, False)
                    pos = after + 1
            pc += WIDTH
        elif op == NULLABLE + INT:
            column = i + first
            flag = n + first_null
            for k in range(count):
                value, after = _branch(data, pos, end)
                if after >= 0:
                    missing = value == null
                    value = 0
                    if not missing:
                        value, after = _varint(data, after, end)
                    _put_flag(nulls, flag + k, missing)
                if after < 0:
                    status = value
                    break
                _put_int(ints, column + k, value)
                pos = after
            pc += WIDTH
        elif op == NULLABLE + INT_AS_FLOAT:
            column = f + first
            flag = n + first_null
            for k in range(count):
                value, after = _branch(data, pos, end)
                if after >= 0:
                    missing = value == null
                    if not missing:
                        value, after = _varint(data, after, end)
                    _put_flag(nulls, flag + k, missing)
                    _put_float(floats, column + k, np.nan if missing else np.float64(value))
                if after < 0:
                    status = value
                    break
                pos = after
            pc += WIDTH
        elif op == NULLABLE + SPAN:
            column = s + 2 * first
            flag = n + first_null
            for k in range(count):
                value, after = _branch(data, pos, end)
                if after >= 0:
                    if value == null:
                        _put_int(spans, column + 2 * k, -1)
                        _put_int(spans, column + 2 * k + 1, -1)
                        _put_flag(nulls, flag + k, True)
                        pos = after
                        continue
                    value, after = _length(data, after, end)
                if after < 0:
                    status = value
                    break
                _put_int(spans, column + 2 * k, after)
                _put_int(spans, column + 2 * k + 1, after + value)
                _put_flag(nulls, flag + k, False)
                pos = after + value
            pc += WIDTH
        elif op == FLOAT:
            if count > (end - pos) // 4:
                status = TRUNCATED
                break
            for k in range(count):
                _put_float(floats, f + first + k, _float32(data + pos + 4 * k))
                _put_flag(nulls, n + first_null + k, False)
            pos += 4 * count
            pc += WIDTH
        elif op == DOUBLE:
            if count > (end - pos) // 8:
                status = TRUNCATED
                break
            for k in range(count):
                _put_float(floats, f + first + k, _float64(data + pos + 8 * k))
                _put_flag(nulls, n + first_null + k, False)
            pos += 8 * count
            pc += WIDTH
        elif op == BOOL:
            if count > end - pos:
                status = TRUNCATED
                break
            for k in range(count):
                _put_int(ints, i + first + k, 1 if _byte(data + pos + k) != 0 else 0)
                _put_flag(nulls, n + first_null + k, False)
            pos += count
            pc += WIDTH
        elif op == INT:
            for k in range(count):
                value, after = _varint(data, pos, end)
                if after < 0:
                    status = value
                    break
                _put_int(ints, i + first + k, value)
                _put_flag(nulls, n + first_null + k, False)
                pos = after
            pc += WIDTH
        elif op == INT_AS_FLOAT:
            for k in range(count):
                value, after = _varint(data, pos, end)
                if after < 0:
                    status = value
                    break
                _put_float(floats, f + first + k, np.float64(value))
                _put_flag(nulls, n + first_null + k, False)
                pos = after
            pc += WIDTH
        elif op == SPAN or op == FIXED:
            repeat = count
            if op == FIXED:
                repeat = 1
            for k in range(repeat):
                value = count
                after = pos
                if op == SPAN:
                    value, after = _length(data, pos, end)
                elif count > end - pos:
                    value = TRUNCATED
                    after = -1
                if after < 0:
                    status = value
                    break
                column = s + 2 * (first + k)
                _put_int(spans, column, after)
                _put_int(spans, column + 1, after + value)
                _put_flag(nulls, n + first_null + k, False)
                pos = after + value
            pc += WIDTH
        elif op == SKIP_BYTES:
            if count > end - pos:
                status = TRUNCATED
                break
            pos += count
            pc += WIDTH
        elif op == SKIP_INT or op == SKIP_SPAN:
            for _ in range(count):
                if op == SKIP_INT:
                    value, after = _varint(data, pos, end)
                    length = 0
                else:
                    value, after = _length(data, pos, end)
                    length = value
                if after < 0:
                    status = value
                    break
                pos = after + length
            pc += WIDTH
        elif op == FILL_FLOAT:
            column = f + first
            for k in range(count):
                _put_float(floats, column + k, np.nan)
            pc += WIDTH
        elif op == FILL_INT:
            column = i + first
            for k in range(count):
                _put_int(ints, column + k, 0)
            pc += WIDTH
        elif op == FILL_SPAN:
            column = s + 2 * first
            for k in range(2 * count):
                _put_int(spans, column + k, -1)
            pc += WIDTH
        elif op == FILL_NULL:
            flag = n + first
            for k in range(count):
                _put_flag(nulls, flag + k, True)
            pc += WIDTH
        elif op == UNION:
            value, after = _varint(data, pos, end)
            if after < 0:
                status = value
                break
            if value < 0 or value >= count:
                status = BAD_BRANCH
                break
            pos = after
            pc = _word(at + 8 * (WIDTH + value))
        elif op == JUMP:
            pc = count
        elif op == LOOP:
            depth += 1
            state[depth] = 0
            pc = count
        elif op == NEXT:
            table = first
            least = first_null
            if state[depth] == 0:
                value, after = _varint(data, pos, end)
                if after < 0:
                    status = value
                    break
                pos = after
                if value == 0:
                    depth -= 1
                    if table >= 0:  # back in the packet's own row
                        f, i, s, n = top_f, top_i, top_s, top_n
                    pc += WIDTH
                    continue
                if value < 0:  # the block's size in bytes follows; like fastavro we read its items all the same
                    value = -value
                    size, after = _varint(data, pos, end)
                    if after < 0:
                        status = size
                        break
                    pos = after
                # The first test also takes in -2**63, whose negative is itself.
                if value < 0 or value > budget or value > (end - pos) // max(least, 1):
                    status = BAD_COUNT
                    break
                budget -= value
                state[depth] = value
                if table >= 0:
                    t = table * TABLE_WIDTH
                    needed = state[t + PENDING] + value
                    if needed - state[t + ROWS] > MAX_ROWS:
                        status = TOO_MANY_ROWS
                        break
                    if needed > state[t + CAPACITY]:
                        state[scratch + GROW_TABLE] = table
                        state[scratch + GROW_ROWS] = needed
                        status = GROW
                        break
            state[depth] -= 1
            if table >= 0:
                t = table * TABLE_WIDTH
                row = state[t + PENDING]
                state[t + PENDING] = row + 1
                f = state[t + FLOAT_BASE] + row * state[t + FLOAT_WIDTH]
                i = state[t + INT_BASE] + row * state[t + INT_WIDTH]
                s = state[t + SPAN_BASE] + row * state[t + SPAN_WIDTH]
                n = state[t + NULL_BASE] + row * state[t + NULL_WIDTH]
            pc = count
        elif op == TOP_ROW:
            t = count * TABLE_WIDTH
            row = state[t + PENDING]
            if row >= state[t + CAPACITY]:
                state[scratch + GROW_TABLE] = count
                state[scratch + GROW_ROWS] = row + 1
                status = GROW
                break
            state[t + PENDING] = row + 1
            f = top_f = state[t + FLOAT_BASE] + row * state[t + FLOAT_WIDTH]
            i = top_i = state[t + INT_BASE] + row * state[t + INT_WIDTH]
            s = top_s = state[t + SPAN_BASE] + row * state[t + SPAN_WIDTH]
            n = top_n = state[t + NULL_BASE] + row * state[t + NULL_WIDTH]
            pc += WIDTH
        else:  # DONE
            if pos != end:
                status = TRAILING
            break
    state[scratch + PLACE] = pos
    if status == 0:
        for table in range(tables):
            rows = state[table * TABLE_WIDTH + PENDING]
            state[table * TABLE_WIDTH + ROWS] = rows
            offsets[number, table] = rows
    return status
