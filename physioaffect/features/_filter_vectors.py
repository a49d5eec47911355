"""The innermost loops of `_filter_kernel`: vector instructions over channels side by side.

They are written in the compiler's own language (LLVM's): the state of a filter has to stay in registers from
instant to instant while the channels lie in vectors, and numba makes vectors of innermost loops only. LLVM
fits them to the processor's.

After a change here `_filter_kernel` names the new digest of this file: numba keeps what it has compiled until
that file changes.
"""

# ruff: noqa: PLR0913, PLR0917, ARG001  numba compiles arguments, not objects.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["filter_rows", "lay_out_tile", "sum_rows"]

# Zeros need no sign.
_FAST = ("nsz",)
# A filter that only rings into silence comes to numbers so small that a processor takes a hundred times as
# long for each; this many times the smallest normal number is forgotten.
_NOTHING = 1e3
_DOUBLE = ir.DoubleType()
_tools: Any = cgutils


def _written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let numba's compiler take the instructions that a function writes."""
    made: Callable[..., Any] = intrinsic(function)
    return made


class _Call(NamedTuple):
    """What instructions are written for: a call with arguments of these kinds.

    The last ones are tuples as long as there are sections (where there are any) and lanes.
    """

    context: Any
    builder: Any
    signature: Any
    args: Any

    @property
    def n_lanes(self) -> int:
        return len(self.signature.args[-1])

    def array(self, number: int) -> Any:
        make = self.context.make_array(self.signature.args[number])
        return make(self.context, self.builder, value=self.args[number])

    def rows(self, number: int) -> _Rows:
        element = self.context.get_value_type(self.signature.args[number].dtype)
        return _Rows(self.builder, self.array(number).data, ir.VectorType(element, self.n_lanes))


class _Rows(NamedTuple):
    """An array of shape (n, n_lanes), each row of which is a vector."""

    builder: Any
    data: Any
    vector: Any

    def place(self, row: Any, lane: int, vector: Any) -> Any:
        """Pointer to some lanes of a row."""
        first = self.builder.add(self.builder.mul(row, _integer(self.vector.count)), _integer(lane))
        return self.builder.bitcast(self.builder.gep(self.data, [first]), vector.as_pointer())

    def load(self, row: Any) -> Any:
        return self.builder.load(self.place(row, 0, self.vector), align=4)

    def store(self, values: Any, row: Any, lane: int = 0) -> None:
        self.builder.store(values, self.place(row, lane, values.type), align=4)

    def everywhere(self, index: int) -> Any:
        """Load one number into all lanes."""
        number = self.builder.load(self.builder.gep(self.data, [_integer(index)]))
        none, zero = ir.Constant(self.vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.vector.count), None)
        return self.builder.shuffle_vector(self.builder.insert_element(none, number, zero), none, lanes)


def _integer(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _audible(builder: Any, values: Any) -> Any:
    """Zero where there is next to nothing."""
    nothing = _NOTHING * float(np.finfo("f8" if values.type.element == _DOUBLE else "f4").tiny)
    above, below = (ir.Constant(values.type, [edge] * values.type.count) for edge in (nothing, -nothing))
    is_nothing = builder.and_(
        builder.fcmp_ordered("<", values, above), builder.fcmp_ordered(">", values, below)
    )
    return builder.select(is_nothing, ir.Constant(values.type, None), values)


def _converted(builder: Any, values: Any, element: Any) -> Any:
    if values.type.element == element:
        return values
    to = ir.VectorType(element, values.type.count)
    return builder.fpext(values, to) if element == _DOUBLE else builder.fptrunc(values, to)


def _multiplied(builder: Any, one: Any, other: Any, more: Any) -> Any:
    """Make ``one * other + more``, rounded once where the processor can.

    Said in one instruction: left to the compiler (LLVM's flag ``contract``), it depends on the processor and
    on the number of lanes which sums are rounded once, and a channel's numbers on how many stand beside it.
    """
    name = f"llvm.fmuladd.v{one.type.count}{one.type.element.intrinsic_name}"
    function = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(one.type, [one.type] * 3))
    return builder.call(function, [one, other, more], fastmath=_FAST)


def _each_row(call: _Call, take: Callable[[Any, Any], None], *, is_difference: bool) -> None:
    """Send rows of x from ``begin`` to ``end``, backwards if that lies before, through all sections.

    The arguments begin with x, begin, end, filter and state. Differences have been through the first
    section's ``1 - z^-2`` already, and get the gain, which costs the others an operation. ``take`` gets the
    number of a row and what came out.
    """
    builder, n_numbers = call.builder, 2 * len(call.signature.args[-2])
    x, (begin, end), numbers, state = call.rows(0), call.args[1:3], call.rows(3), call.rows(4)
    gain, *a = (numbers.everywhere(k) for k in range(1 + n_numbers))
    minus_a = [builder.fneg(number) for number in a]
    # Variables, which the compiler keeps in registers.
    kept = [
        _tools.alloca_once_value(builder, _audible(builder, state.load(_integer(k))))
        for k in range(n_numbers)
    ]
    is_forwards = builder.icmp_signed("<=", begin, end)
    step = builder.select(is_forwards, _integer(1), _integer(-1))
    first = builder.select(is_forwards, begin, builder.sub(begin, _integer(1)))
    with _tools.for_range(builder, builder.mul(step, builder.sub(end, begin))) as loop:
        row = builder.add(first, builder.mul(step, loop.index))
        y = x.load(row)
        for k in range(0, n_numbers, 2):
            u, one, two = y, builder.load(kept[k]), builder.load(kept[k + 1])
            if k == 0 and is_difference:
                y = _multiplied(builder, u, gain, one)
                one = _multiplied(builder, minus_a[k], y, two)
                two = builder.fmul(minus_a[k + 1], y, flags=_FAST)
            else:
                y = builder.fadd(u, one, flags=_FAST)
                one = _multiplied(builder, minus_a[k], y, two)
                two = _multiplied(builder, minus_a[k + 1], y, builder.fneg(u, flags=_FAST))
            builder.store(one, kept[k])
            builder.store(two, kept[k + 1])
        take(row, y)
    for k, one in enumerate(kept):
        state.store(builder.load(one), _integer(k))


@_written
def filter_rows(
    typing: Any, x: Any, begin: Any, end: Any, numbers: Any, state: Any, y: Any, sections: Any, lanes: Any
) -> Any:
    """Filter rows of differences into the rows of y, from its first on."""

    def write(*about: Any) -> Any:
        call = _Call(*about)
        out = call.rows(5)
        _each_row(
            call,
            lambda row, values: out.store(values, call.builder.sub(row, call.args[1])),
            is_difference=True,
        )
        return call.context.get_dummy_value()

    return types.void(x, types.intp, types.intp, numbers, state, y, sections, lanes), write


@_written
def sum_rows(
    typing: Any, x: Any, begin: Any, end: Any, numbers: Any, state: Any, present: Any, weights: Any,
    sums: Any, is_difference: Any, sections: Any, lanes: Any,
) -> Any:  # fmt: skip
    """Filter rows, and add their sums and their sums of squares to the two rows of ``sums``.

    ``weights`` has a row for each of x, unless ``present`` is None.
    """

    def write(*about: Any) -> Any:
        call = _Call(*about)
        builder, weight, total = call.builder, call.rows(6), call.rows(7)
        both = [_tools.alloca_once_value(builder, ir.Constant(call.rows(0).vector, None)) for _ in range(2)]

        def add(row: Any, values: Any) -> None:
            if not isinstance(present, types.NoneType):
                values = builder.fmul(values, weight.load(row), flags=_FAST)
            one, square = both
            builder.store(builder.fadd(builder.load(one), values, flags=_FAST), one)
            builder.store(_multiplied(builder, values, values, builder.load(square)), square)

        _each_row(call, add, is_difference=len(is_difference) > 0)
        for k, one in enumerate(both):
            more = _converted(builder, builder.load(one), _DOUBLE)
            total.store(builder.fadd(total.load(_integer(k)), more), _integer(k))
        return call.context.get_dummy_value()

    signature = types.void(
        x, types.intp, types.intp, numbers, state, present, weights, sums, is_difference, sections, lanes
    )
    return signature, write


@_written
def lay_out_tile(typing: Any, X: Any, time: Any, room: Any, row: Any, tile: Any, lanes: Any) -> Any:
    """Put differences of samples two apart at ``len(tile)`` instants from ``time`` on into rows of a room.

    They are taken in the higher precision of the two arrays'. Spare lanes repeat the last channel.
    """

    def write(*about: Any) -> Any:
        call = _Call(*about)
        builder, n = call.builder, len(tile)
        source, out = call.array(0), call.rows(2)
        vector = ir.VectorType(call.context.get_value_type(X.dtype), n)
        precise = _DOUBLE if types.float64 in (X.dtype, room.dtype) else vector.element
        n_channels, between = (
            _tools.unpack_tuple(builder, both)[0] for both in (source.shape, source.strides)
        )
        last = builder.sub(n_channels, _integer(1))

        def samples(lane: int, back: int) -> Any:
            channel = builder.select(builder.icmp_signed("<", _integer(lane), last), _integer(lane), last)
            begin = _tools.pointer_add(builder, source.data, builder.mul(channel, between))
            place = builder.gep(begin, [builder.sub(call.args[1], _integer(back))])
            found = builder.load(builder.bitcast(place, vector.as_pointer()), align=1)
            return _converted(builder, found, precise)

        # Interleaving the rows of the first half with those of the second, again and again, turns the tile.
        places = ir.VectorType(ir.IntType(32), n)
        halves = [
            ir.Constant(places, [k // 2 + k % 2 * n for k in range(first, first + n)]) for first in (0, n)
        ]
        for first in range(0, call.n_lanes, n):
            vectors = [
                _converted(builder, builder.fsub(samples(lane, 0), samples(lane, 2)), out.vector.element)
                for lane in range(first, first + n)
            ]
            for _ in range(n.bit_length() - 1):
                vectors = [
                    builder.shuffle_vector(one, other, half)
                    for one, other in zip(vectors[: n // 2], vectors[n // 2 :], strict=True)
                    for half in halves
                ]
            for k, values in enumerate(vectors):
                out.store(values, builder.add(call.args[3], _integer(k)), first)
        return call.context.get_dummy_value()

    return types.void(X, types.intp, room, types.intp, tile, lanes), write
