"""The innermost loops of `_frame_kernel`: Fourier transforms of frames that lie side by side."""

# ruff: noqa: PLR0913, PLR0917, ARG001  numba compiles arguments, not objects.

from __future__ import annotations

from typing import Any, NamedTuple

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
    everywhere,
    integer,
    multiplied,
    turned,
    written,
)

__all__ = ["add_power", "butterflies", "lay_out_frames", "taper_rows"]

# Compiled into this, and numba sees changes of this file only: _vectors.py 3c7563e0d04afa9f

_tools: Any = cgutils


class _Complex(NamedTuple):
    """Vectors of real and of imaginary parts."""

    builder: Any
    re: Any
    im: Any

    def plus(self, other: _Complex) -> _Complex:
        add = self.builder.fadd
        return self._replace(
            re=add(self.re, other.re, flags=NO_SIGNS), im=add(self.im, other.im, flags=NO_SIGNS)
        )

    def minus(self, other: _Complex) -> _Complex:
        subtract = self.builder.fsub
        return self._replace(
            re=subtract(self.re, other.re, flags=NO_SIGNS), im=subtract(self.im, other.im, flags=NO_SIGNS)
        )

    def turned_right(self) -> _Complex:
        """Times -i."""
        return self._replace(re=self.im, im=self.builder.fneg(self.re, flags=NO_SIGNS))

    def scaled(self, number: float) -> _Complex:
        factor = ir.Constant(self.re.type, [number] * self.re.type.count)
        multiply = self.builder.fmul
        return self._replace(
            re=multiply(self.re, factor, flags=NO_SIGNS), im=multiply(self.im, factor, flags=NO_SIGNS)
        )

    def with_more(self, other: _Complex, number: float) -> _Complex:
        """Itself and ``number`` times the other."""
        factor = ir.Constant(self.re.type, [number] * self.re.type.count)
        return self._replace(
            re=multiplied(self.builder, other.re, factor, self.re),
            im=multiplied(self.builder, other.im, factor, self.im),
        )

    def times(self, other: _Complex) -> _Complex:
        builder = self.builder
        cross = builder.fmul(self.im, other.im, flags=NO_SIGNS)
        both = builder.fmul(self.im, other.re, flags=NO_SIGNS)
        return self._replace(
            re=multiplied(builder, self.re, other.re, builder.fneg(cross, flags=NO_SIGNS)),
            im=multiplied(builder, self.re, other.im, both),
        )


def _transformed(x: list[_Complex]) -> list[_Complex]:
    """Discrete Fourier transform of 2, 3, 4 or 5 numbers."""
    if len(x) == 2:
        return [x[0].plus(x[1]), x[0].minus(x[1])]
    if len(x) == 4:
        even, odd = _transformed([x[0], x[2]]), _transformed([x[1], x[3]])
        right = odd[1].turned_right()
        return [even[0].plus(odd[0]), even[1].plus(right), even[0].minus(odd[0]), even[1].minus(right)]
    # Of an odd number: sums and differences of those that mirror each other go with cosines and sines.
    n = len(x)
    sums = [x[k].plus(x[n - k]) for k in range(1, n // 2 + 1)]
    differences = [x[k].minus(x[n - k]).turned_right() for k in range(1, n // 2 + 1)]
    first = x[0]
    for one in sums:
        first = first.plus(one)
    there, mirrored = [], []
    for j in range(1, n // 2 + 1):
        angles = [2 * np.pi * (j * k % n) / n for k in range(1, n // 2 + 1)]
        real, imaginary = x[0], differences[0].scaled(float(np.sin(angles[0])))
        for angle, one in zip(angles, sums, strict=True):
            real = real.with_more(one, float(np.cos(angle)))
        for angle, one in zip(angles[1:], differences[1:], strict=True):
            imaginary = imaginary.with_more(one, float(np.sin(angle)))
        there.append(real.plus(imaginary))
        mirrored.append(real.minus(imaginary))
    return [first, *there, *reversed(mirrored)]


@written(plain=_plain_vectors.butterflies)
def butterflies(
    typing: Any, re: Any, im: Any, row: Any, apart: Any, turns: Any, turn: Any, out_re: Any, out_im: Any,
    to: Any, out_apart: Any, count: Any, radix: Any, lanes: Any,
) -> Any:  # fmt: skip
    """Transform ``len(radix)`` rows that lie ``apart``, from ``row`` on; then those beside, ``count`` in all.

    They go to rows of the same kind of ``out``, from ``to`` on. All but the first are turned by the numbers
    in ``turns``, a cosine and a sine each, from number ``turn`` on.
    """

    def write(*about: Any) -> Any:
        call = Call(*about)
        builder, n = call.builder, len(radix)
        rows = [call.rows(k) for k in (0, 1)]
        out = [call.rows(k) for k in (6, 7)]
        row, apart, turn, to, out_apart, count = (call.args[k] for k in (2, 3, 5, 8, 9, 10))
        angles = call.rows(4)
        factors = [
            _Complex(
                builder, *(angles.everywhere(builder.add(turn, integer(2 * k + part))) for part in (0, 1))
            )
            for k in range(n - 1)
        ]

        def place(first: Any, number: int, between: Any, index: Any) -> Any:
            return builder.add(builder.add(first, index), builder.mul(integer(number), between))

        with _tools.for_range(builder, count) as loop:
            x = [
                _Complex(builder, *(part.load(place(row, k, apart, loop.index)) for part in rows))
                for k in range(n)
            ]
            made = _transformed(x)
            made[1:] = [one.times(factor) for one, factor in zip(made[1:], factors, strict=True)]
            for k, one in enumerate(made):
                where = place(to, k, out_apart, loop.index)
                out[0].store(one.re, where)
                out[1].store(one.im, where)
        return call.context.get_dummy_value()

    signature = types.void(
        re, im, types.intp, types.intp, turns, types.intp, out_re, out_im, types.intp, types.intp,
        types.intp, radix, lanes,
    )  # fmt: skip
    return signature, write


@written(plain=_plain_vectors.add_power)
def add_power(
    typing: Any, re: Any, im: Any, first: Any, stop: Any, n: Any, turns: Any, total: Any, lanes: Any
) -> Any:
    """Put the sum of squared magnitudes of bins ``first`` to ``stop`` of frames into the row of ``total``.

    ``re`` and ``im`` are the transform of ``n`` pairs of neighbouring samples, taken as complex numbers;
    ``turns`` has a cosine and a sine for each bin. Four times the power comes out.
    """

    def write(*about: Any) -> Any:
        call = Call(*about)
        builder = call.builder
        real, imaginary, angles, out = call.rows(0), call.rows(1), call.rows(5), call.rows(6)
        first, stop, n = call.args[2:5]
        kept = _tools.alloca_once_value(builder, ir.Constant(out.vector, None))
        with _tools.for_range(builder, builder.sub(stop, first)) as loop:
            k = builder.add(first, loop.index)
            mirror = builder.sub(n, k)
            here = _Complex(builder, real.load(k), imaginary.load(k))
            there = _Complex(builder, real.load(mirror), builder.fneg(imaginary.load(mirror), flags=NO_SIGNS))
            place = builder.mul(k, integer(2))
            turn = _Complex(
                builder, *(angles.everywhere(builder.add(place, integer(part))) for part in (0, 1))
            )
            # Of the even samples and of the odd ones, which come half a step later.
            value = here.plus(there).plus(here.minus(there).turned_right().times(turn))
            power = multiplied(builder, value.re, value.re, builder.load(kept))
            builder.store(multiplied(builder, value.im, value.im, power), kept)
        out.store(builder.load(kept), integer(0))
        return call.context.get_dummy_value()

    return types.void(re, im, types.intp, types.intp, types.intp, turns, total, lanes), write


@written(plain=_plain_vectors.lay_out_frames)
def lay_out_frames(
    typing: Any, X: Any, places: Any, time: Any, before: Any, even: Any, odd: Any, lanes: Any
) -> Any:
    """Put as many samples as there are lanes, from ``time`` on, less ``before`` into rows of two rooms.

    ``places`` says for each lane where in X, taken as one row, its frame begins.
    """

    def write(*about: Any) -> Any:
        call = Call(*about)
        builder, n = call.builder, call.n_lanes
        source, begins, offset = call.array(0), call.array(1), call.rows(3).load(integer(0))
        vector = ir.VectorType(call.context.get_value_type(X.dtype), n)
        vectors = []
        for lane in range(n):
            begin = builder.load(builder.gep(begins.data, [integer(lane)]))
            place = builder.gep(source.data, [builder.add(begin, call.args[2])])
            found = builder.load(builder.bitcast(place, vector.as_pointer()), align=1)
            vectors.append(converted(builder, found, DOUBLE))
        row = builder.sdiv(call.args[2], integer(2))
        for k, values in enumerate(turned(builder, vectors)):
            moved = builder.fsub(values, offset, flags=NO_SIGNS)
            call.rows(4 + k % 2).store(moved, builder.add(row, integer(k // 2)))
        return call.context.get_dummy_value()

    return types.void(X, places, types.intp, before, even, odd, lanes), write


@written(plain=_plain_vectors.taper_rows)
def taper_rows(typing: Any, even: Any, odd: Any, taper: Any, n_pairs: Any, share: Any, lanes: Any) -> Any:
    """Take the mean away from frames and multiply them by a taper; ``share`` is a sample's in the mean."""

    def write(*about: Any) -> Any:
        call = Call(*about)
        builder, both, weights, n_pairs = (
            call.builder,
            (call.rows(0), call.rows(1)),
            call.rows(2),
            call.args[3],
        )
        sums = [_tools.alloca_once_value(builder, ir.Constant(rows.vector, None)) for rows in both]
        with _tools.for_range(builder, n_pairs) as loop:
            for rows, total in zip(both, sums, strict=True):
                more = builder.fadd(builder.load(total), rows.load(loop.index), flags=NO_SIGNS)
                builder.store(more, total)
        total = builder.fadd(*(builder.load(one) for one in sums), flags=NO_SIGNS)
        mean = builder.fmul(total, everywhere(builder, call.args[4], total.type), flags=NO_SIGNS)
        with _tools.for_range(builder, n_pairs) as loop:
            for part, rows in enumerate(both):
                place = builder.add(builder.mul(loop.index, integer(2)), integer(part))
                moved = builder.fsub(rows.load(loop.index), mean, flags=NO_SIGNS)
                rows.store(builder.fmul(moved, weights.everywhere(place), flags=NO_SIGNS), loop.index)
        return call.context.get_dummy_value()

    return types.void(even, odd, taper, types.intp, types.float64, lanes), write
