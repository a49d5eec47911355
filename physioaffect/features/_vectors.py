"""Instructions on vectors of lanes side by side, for compiled functions.

They are written in the compiler's own language (LLVM's): what a loop carries from round to round has to stay
in registers while the lanes lie in vectors, and numba makes vectors of innermost loops only. LLVM fits them
to the processor's.

numba keeps what it has compiled until the file of the caller changes. So each caller names the digests of the
files whose instructions it takes, and a test holds them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir  # type: ignore[import-untyped]
from numba import config
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "DOUBLE",
    "NO_SIGNS",
    "Call",
    "Rows",
    "converted",
    "everywhere",
    "integer",
    "multiplied",
    "turned",
    "written",
]

# Zeros need no sign.
NO_SIGNS = ("nsz",)
DOUBLE = ir.DoubleType()
_tools: Any = cgutils
_config: Any = config


def written(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let numba's compiler take the instructions that a function writes; ``plain`` stands in uncompiled."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        made: Callable[..., Any] = plain if _config.DISABLE_JIT else intrinsic(function)
        return made

    return decorate


class Call(NamedTuple):
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

    def rows(self, number: int) -> Rows:
        element = self.context.get_value_type(self.signature.args[number].dtype)
        return Rows(self.builder, self.array(number).data, ir.VectorType(element, self.n_lanes))


class Rows(NamedTuple):
    """An array of shape (n, n_lanes), each row of which is a vector."""

    builder: Any
    data: Any
    vector: Any

    def place(self, row: Any, lane: int, vector: Any) -> Any:
        """Pointer to some lanes of a row."""
        first = self.builder.add(self.builder.mul(row, integer(self.vector.count)), integer(lane))
        return self.builder.bitcast(self.builder.gep(self.data, [first]), vector.as_pointer())

    def load(self, row: Any) -> Any:
        return self.builder.load(self.place(row, 0, self.vector), align=4)

    def store(self, values: Any, row: Any, lane: int = 0) -> None:
        self.builder.store(values, self.place(row, lane, values.type), align=4)

    def everywhere(self, index: Any) -> Any:
        """Load one number into all lanes."""
        return everywhere(self.builder, self.builder.load(self.builder.gep(self.data, [index])), self.vector)


def everywhere(builder: Any, number: Any, vector: Any) -> Any:
    """Make a vector of one number."""
    none, zero = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(builder.insert_element(none, number, zero), none, lanes)


def integer(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def converted(builder: Any, values: Any, element: Any) -> Any:
    if values.type.element == element:
        return values
    to = ir.VectorType(element, values.type.count)
    return builder.fpext(values, to) if element == DOUBLE else builder.fptrunc(values, to)


def multiplied(builder: Any, one: Any, other: Any, more: Any) -> Any:
    """Make ``one * other + more``, rounded once where the processor can.

    Said in one instruction: left to the compiler (LLVM's flag ``contract``), it depends on the processor and
    on the number of lanes which sums are rounded once, and a channel's numbers on how many stand beside it.
    """
    name = f"llvm.fmuladd.v{one.type.count}{one.type.element.intrinsic_name}"
    function = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(one.type, [one.type] * 3))
    return builder.call(function, [one, other, more], fastmath=NO_SIGNS)


def turned(builder: Any, vectors: list[Any]) -> list[Any]:
    """Make columns of rows: as many vectors as each has lanes, a power of two."""
    n = len(vectors)
    places = ir.VectorType(ir.IntType(32), n)
    halves = [ir.Constant(places, [k // 2 + k % 2 * n for k in range(first, first + n)]) for first in (0, n)]
    # Interleaving the rows of the first half with those of the second, again and again, turns the tile.
    for _ in range(n.bit_length() - 1):
        vectors = [
            builder.shuffle_vector(one, other, half)
            for one, other in zip(vectors[: n // 2], vectors[n // 2 :], strict=True)
            for half in halves
        ]
    return vectors
