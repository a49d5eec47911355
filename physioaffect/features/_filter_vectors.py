"""The innermost loops of `_filter_kernel`: states stay in registers, channels lie side by side."""

# ruff: noqa: PLR0913, PLR0917, ARG001  numba compiles arguments, not objects.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from physioaffect.features import _plain_vectors
from physioaffect.features._vectors import (
    DOUBLE,
    NO_SIGNS,
    Call,
    converted,
    integer,
    multiplied,
    turned,
    written,
)

__all__ = ["filter_rows", "lay_out_tile", "sum_rows"]

# Compiled into this, and numba sees changes of this file only: _vectors.py 3c7563e0d04afa9f

# A filter that only rings into silence comes to numbers so small that a processor takes a hundred times as
# long for each; this many times the smallest normal number is forgotten.
_NOTHING = 1e3
_tools: Any = cgutils


def _audible(builder: Any, values: Any) -> Any:
    """Zero where there is next to nothing."""
    nothing = _NOTHING * float(np.finfo("f8" if values.type.element == DOUBLE else "f4").tiny)
    above, below = (ir.Constant(values.type, [edge] * values.type.count) for edge in (nothing, -nothing))
    is_nothing = builder.and_(
        builder.fcmp_ordered("<", values, above), builder.fcmp_ordered(">", values, below)
    )
    return builder.select(is_nothing, ir.Constant(values.type, None), values)


def _each_row(call: Call, take: Callable[[Any, Any], None], *, is_difference: bool) -> None:
    """Send rows of x from ``begin`` to ``end``, backwards if that lies before, through all sections.

    The arguments begin with x, begin, end, filter and state. Differences have been through the first
    section's ``1 - z^-2`` already, and get the gain, which costs the others an operation. ``take`` gets the
    number of a row and what came out.
    """
    builder, n_numbers = call.builder, 2 * len(call.signature.args[-2])
    x, (begin, end), numbers, state = call.rows(0), call.args[1:3], call.rows(3), call.rows(4)
    gain, *a = (numbers.everywhere(integer(k)) for k in range(1 + n_numbers))
    minus_a = [builder.fneg(number) for number in a]
    # Variables, which the compiler keeps in registers.
    kept = [
        _tools.alloca_once_value(builder, _audible(builder, state.load(integer(k)))) for k in range(n_numbers)
    ]
    is_forwards = builder.icmp_signed("<=", begin, end)
    step = builder.select(is_forwards, integer(1), integer(-1))
    first = builder.select(is_forwards, begin, builder.sub(begin, integer(1)))
    with _tools.for_range(builder, builder.mul(step, builder.sub(end, begin))) as loop:
        row = builder.add(first, builder.mul(step, loop.index))
        y = x.load(row)
        for k in range(0, n_numbers, 2):
            u, one, two = y, builder.load(kept[k]), builder.load(kept[k + 1])
            if k == 0 and is_difference:
                y = multiplied(builder, u, gain, one)
                one = multiplied(builder, minus_a[k], y, two)
                two = builder.fmul(minus_a[k + 1], y, flags=NO_SIGNS)
            else:
                y = builder.fadd(u, one, flags=NO_SIGNS)
                one = multiplied(builder, minus_a[k], y, two)
                two = multiplied(builder, minus_a[k + 1], y, builder.fneg(u, flags=NO_SIGNS))
            builder.store(one, kept[k])
            builder.store(two, kept[k + 1])
        take(row, y)
    for k, one in enumerate(kept):
        state.store(builder.load(one), integer(k))


@written(plain=_plain_vectors.filter_rows)
def filter_rows(
    typing: Any, x: Any, begin: Any, end: Any, numbers: Any, state: Any, y: Any, sections: Any, lanes: Any
) -> Any:
    """Filter rows of differences into the rows of y, from its first on."""

    def write(*about: Any) -> Any:
        call = Call(*about)
        out = call.rows(5)
        _each_row(
            call,
            lambda row, values: out.store(values, call.builder.sub(row, call.args[1])),
            is_difference=True,
        )
        return call.context.get_dummy_value()

    return types.void(x, types.intp, types.intp, numbers, state, y, sections, lanes), write


@written(plain=_plain_vectors.sum_rows)
def sum_rows(
    typing: Any, x: Any, begin: Any, end: Any, numbers: Any, state: Any, present: Any, weights: Any,
    sums: Any, is_difference: Any, sections: Any, lanes: Any,
) -> Any:  # fmt: skip
    """Filter rows, and add their sums and their sums of squares to the two rows of ``sums``.

    ``weights`` has a row for each of x, unless ``present`` is None.
    """

    def write(*about: Any) -> Any:
        call = Call(*about)
        builder, weight, total = call.builder, call.rows(6), call.rows(7)
        both = [_tools.alloca_once_value(builder, ir.Constant(call.rows(0).vector, None)) for _ in range(2)]

        def add(row: Any, values: Any) -> None:
            if not isinstance(present, types.NoneType):
                values = builder.fmul(values, weight.load(row), flags=NO_SIGNS)
            one, square = both
            builder.store(builder.fadd(builder.load(one), values, flags=NO_SIGNS), one)
            builder.store(multiplied(builder, values, values, builder.load(square)), square)

        _each_row(call, add, is_difference=len(is_difference) > 0)
        for k, one in enumerate(both):
            more = converted(builder, builder.load(one), DOUBLE)
            total.store(builder.fadd(total.load(integer(k)), more), integer(k))
        return call.context.get_dummy_value()

    signature = types.void(
        x, types.intp, types.intp, numbers, state, present, weights, sums, is_difference, sections, lanes
    )
    return signature, write


@written(plain=_plain_vectors.lay_out_tile)
def lay_out_tile(typing: Any, X: Any, time: Any, room: Any, row: Any, tile: Any, lanes: Any) -> Any:
    """Put differences of samples two apart at ``len(tile)`` instants from ``time`` on into rows of a room.

    They are taken in the higher precision of the two arrays'. Spare lanes repeat the last channel.
    """

    def write(*about: Any) -> Any:
        call = Call(*about)
        builder, n = call.builder, len(tile)
        source, out = call.array(0), call.rows(2)
        vector = ir.VectorType(call.context.get_value_type(X.dtype), n)
        precise = DOUBLE if types.float64 in (X.dtype, room.dtype) else vector.element
        n_channels, between = (
            _tools.unpack_tuple(builder, both)[0] for both in (source.shape, source.strides)
        )
        last = builder.sub(n_channels, integer(1))

        def samples(lane: int, back: int) -> Any:
            channel = builder.select(builder.icmp_signed("<", integer(lane), last), integer(lane), last)
            begin = _tools.pointer_add(builder, source.data, builder.mul(channel, between))
            place = builder.gep(begin, [builder.sub(call.args[1], integer(back))])
            found = builder.load(builder.bitcast(place, vector.as_pointer()), align=1)
            return converted(builder, found, precise)

        for first in range(0, call.n_lanes, n):
            vectors = [
                converted(builder, builder.fsub(samples(lane, 0), samples(lane, 2)), out.vector.element)
                for lane in range(first, first + n)
            ]
            for k, values in enumerate(turned(builder, vectors)):
                out.store(values, builder.add(call.args[3], integer(k)), first)
        return call.context.get_dummy_value()

    return types.void(X, types.intp, room, types.intp, tile, lanes), write
