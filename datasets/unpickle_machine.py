"""The stack machine that a pickle is a program for, with budgets, and with no way out.

Its operations are in `physioaffect.datasets.unpickle`, what NumPy's names mean in ``unpickle_arrays``.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .unpickle_arrays import CALLS, NAMES, Array, Blob, DType, Name, Refused

__all__ = ["STOP", "Budget", "Machine"]

STOP = ord(".")
_MEMORY, _MEMORY_PER_BYTE = 64 << 20, 8
_EACH = 64
_MOST_KEYS, _HIGHEST_KEY = 100_000, 2**63
_NO_OPCODES = {
    **{"i": "INST", "o": "OBJ", "\x81": "NEWOBJ", "\x92": "NEWOBJ_EX", "P": "PERSID", "Q": "BINPERSID"},
    **{"\x82": "EXT1", "\x83": "EXT2", "\x84": "EXT4", "\x8f": "EMPTY_SET", "\x90": "ADDITEMS"},
    **{"\x91": "FROZENSET", "\x97": "NEXT_BUFFER", "\x98": "READONLY_BUFFER"},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What reading one stream may cost.

    Parameters
    ----------
    depth : int
        Containers inside each other.
    opcodes : int
        Steps, and values in what comes out.
    memory : int, optional
        Bytes of text that may be made, beside views on the stream. Default: 64 MiB and 8 for each byte read.
    seconds : float
        Time.
    """

    depth: int = 32
    opcodes: int = 4_000_000
    memory: int | None = None
    seconds: float = 60.0


class _Plain(NamedTuple):
    """What the caller gets for a value, the values in it, and how many containers deep they lie."""

    value: Any
    n_values: int
    height: int


class Machine:
    """The stack machine that a pickle is a program for."""

    def __init__(self, data: memoryview, budget: Budget) -> None:
        self._data, self._budget = data, budget
        memory = _MEMORY + _MEMORY_PER_BYTE * len(data) if budget.memory is None else budget.memory
        self._n_left = memory
        self.at = 0
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # The stacks below each mark.
        self._memo: dict[int, Any] = {}
        self._finished: dict[int, _Plain] = {}
        self._is_open: set[int] = set()

    def run(self, operations: Mapping[int, Callable[[Machine], None]]) -> Any:
        """Run to the end and give the value."""
        until = time.monotonic() + self._budget.seconds
        data, n_bytes = self._data, len(self._data)
        for step in range(self._budget.opcodes + 1):
            if self.at == n_bytes:
                raise Refused("it ends before its last opcode")
            code = data[self.at]
            self.at += 1
            if code == STOP:
                return self._result()
            if step % 1024 == 0 and time.monotonic() > until:
                raise Refused(f"it takes longer than {self._budget.seconds:g} s")
            if (operation := operations.get(code)) is None:
                name = _NO_OPCODES.get(chr(code))
                raise Refused(f"it has the opcode {name}" if name else f"{code:#04x} is no opcode")
            operation(self)
        raise Refused(f"it has more than {self._budget.opcodes} opcodes")

    # What the operations are made of

    def charge(self, n_bytes: int) -> None:
        """Account for bytes that are about to be made."""
        self._n_left -= n_bytes
        if self._n_left < 0:
            raise Refused("it wants more memory than a data file of its size needs")

    def take(self, n_bytes: int) -> memoryview:
        """Take the next bytes, as a view."""
        if n_bytes > len(self._data) - self.at:
            raise Refused(f"{n_bytes} bytes are announced where {len(self._data) - self.at} are left")
        self.at += n_bytes
        return self._data[self.at - n_bytes : self.at]

    def number(self, form: str) -> Any:
        """Take a number; ``form`` is of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def counted(self, form: str) -> memoryview:
        """Take as many bytes as the number before them says."""
        return self.take(self.number(form))

    def line(self, longest: int) -> bytes:
        """Take a short line without its newline."""
        return bytes(self.line_view(longest))

    def line_view(self, longest: int | None = None) -> memoryview:
        """Take what comes before the next newline, which is passed over, as a view."""
        data, begin = self._data, self.at
        reach = len(data) if longest is None else min(len(data), begin + longest + 1)
        # Most lines are short, an array's of protocol 0 is as long as the file.
        at, step = begin, 256
        while at < reach:
            end = bytes(data[at : min(at + step, reach)]).find(b"\n")
            if end >= 0:
                self.at = at + end + 1
                return data[begin : at + end]
            at += step
            step = min(4 * step, 1 << 20)
        is_over = reach == len(data)
        raise Refused("it ends in the middle of a line" if is_over else "a line is longer than it may be")

    def push(self, value: Any) -> None:
        """Put a value on the stack, and account for what any value costs Python."""
        self.charge(_EACH)
        self._stack.append(value)

    def pop(self) -> Any:
        """Take a value off the stack."""
        if not self._stack:
            raise Refused("it takes from an empty stack")
        return self._stack.pop()

    def top(self) -> Any:
        """Look at the value on top."""
        if not self._stack:
            raise Refused("it takes from an empty stack")
        return self._stack[-1]

    def mark(self) -> None:
        """Begin a stack above this one."""
        self._below.append(self._stack)
        self._stack = []

    def since_mark(self) -> list[Any]:
        """Take all values since the last mark."""
        if not self._below:
            raise Refused("it goes back to a mark that was never set")
        items, self._stack = self._stack, self._below.pop()
        return items

    def drop(self) -> None:
        """Throw away the value on top, or the mark."""
        if self._stack or not self._below:
            self.pop()
        else:
            self._stack = self._below.pop()

    def remember(self, index: int) -> None:
        """Store the value on top."""
        self._memo[index] = self.top()

    def remember_next(self) -> None:
        """Store the value on top under the next number."""
        self.remember(len(self._memo))

    def recall(self, index: int) -> None:
        """Put a stored value on the stack."""
        if index not in self._memo:
            raise Refused(f"it recalls value {index}, which it has not stored")
        self.push(self._memo[index])

    # Containers

    def append(self, items: list[Any]) -> None:
        """Append to the list on top."""
        if type(self.top()) is not list:
            raise Refused("it appends to something that is no list")
        self.top().extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Set keys and values, in turn, of the dict on top."""
        target = self.top()
        if type(target) is not dict or len(items) % 2:
            raise Refused("it sets items of something that is no dict, or a key without a value")
        for index in range(0, len(items), 2):
            key = self._key(items[index])
            if key in target:
                raise Refused(f"a dict has the key {str(key)[:40]!r} twice")
            target[key] = items[index + 1]
        if len(target) > _MOST_KEYS:
            raise Refused(f"a dict has more than {_MOST_KEYS} keys")

    def _key(self, value: Any) -> str | bytes | int:
        """Check a key; numbers are bounded, for of endless ones arbitrarily many share a hash."""
        if isinstance(value, Blob) and value.kind != "bytearray":
            plain: str | bytes = self._plain_blob(value)
            return plain
        if type(value) is str or (type(value) is int and -_HIGHEST_KEY <= value < _HIGHEST_KEY):
            return value
        raise Refused("a dict has a key that is neither text nor a whole number of 64 bits")

    # Names

    def name(self, module: Any, name: Any) -> None:
        """Put a global on the stack that means something here."""
        full = f"{module}.{name}" if type(module) is type(name) is str else "something that is no text"
        if full not in NAMES:
            raise Refused(f"it names the global {full[:80]!r}, which no data set needs")
        self.push(Name(full, NAMES[full]))

    def call(self) -> None:
        """Do what is meant by calling a global."""
        args, called = self.pop(), self.pop()
        if not isinstance(called, Name) or called.meaning not in CALLS or type(args) is not tuple:
            what = called.full if isinstance(called, Name) else "something that is no name"
            raise Refused(f"it calls {what}")
        self.push(CALLS[called.meaning](args, self.charge))

    def build(self) -> None:
        """Give the value on top of the stack to the array or dtype below it."""
        state = self.pop()
        if not isinstance(self.top(), Array | DType):
            raise Refused("it gives a state to something that is neither an array nor a dtype")
        self.top().build(state)

    # The end

    def _result(self) -> Any:
        if len(self._stack) != 1 or self._below:
            raise Refused("it ends with values left over")
        if self.at != len(self._data):
            raise Refused(f"{len(self._data) - self.at} bytes follow its end")
        return self._plain(self._stack[0], 0).value

    def _plain_blob(self, blob: Blob) -> Any:
        self.charge(len(blob.view))
        if blob.kind == "bytearray":
            raise Refused("it holds a bytearray that is no array's")
        return str(blob.view, "latin-1") if blob.kind == "str" else bytes(blob.view)

    def _plain(self, value: Any, depth: int) -> _Plain:
        """Turn a value into what the caller gets, and count the values in it.

        A list that holds another twice is made of one object. So what is done for a value is done once, but
        it is counted as often as whoever walks the result will meet it.
        """
        if isinstance(value, Array):
            return _Plain(value.made(), 1, 0)
        if isinstance(value, Name | DType):
            raise Refused("its value holds a name or a dtype, which is no data")
        if not isinstance(value, Blob) and type(value) not in {list, tuple, dict}:
            return _Plain(value, 1, 0)
        done = self._finished.get(id(value))
        if depth + (done.height if done else 1) > self._budget.depth or id(value) in self._is_open:
            raise Refused(f"containers hold themselves or lie more than {self._budget.depth} deep")
        if done is None:
            self._is_open.add(id(value))
            done = self._finished[id(value)] = self._plain_container(value, depth)
            self._is_open.remove(id(value))
        return done

    def _plain_container(self, value: Any, depth: int) -> _Plain:
        if isinstance(value, Blob):
            return _Plain(self._plain_blob(value), 1, 0)
        parts, n_values, height = [], 1, 0
        for item in value.values() if type(value) is dict else value:
            part = self._plain(item, depth + 1)
            parts.append(part.value)
            n_values += part.n_values
            height = max(height, part.height)
            if n_values > self._budget.opcodes:
                raise Refused(f"it unfolds to more than {self._budget.opcodes} values")
        if type(value) is dict:
            return _Plain(dict(zip(value, parts, strict=True)), n_values, height + 1)
        return _Plain(tuple(parts) if type(value) is tuple else parts, n_values, height + 1)
