"""Pickles from strangers, read by interpreting their opcodes: nothing that a file names is ever called.

DEAP, WESAD and SEED-V are distributed as pickles, and unpickling runs whatever the file says. Even a list of
allowed names is not enough: with NumPy's own names alone a file can crash the interpreter, hang it or return
uninitialised memory. So here is a reader of what those files hold: dict, list, tuple, str, bytes, int, float,
bool, None, and NumPy's arrays and scalars of numbers and fixed strings. Streams of Python 2 and 3, protocols
0 to 5. Format: ``pickletools`` of Python 3.13.
"""

from __future__ import annotations

import codecs
import mmap
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from physioaffect.errors import DataError

from .unpickle_arrays import Blob, Refused
from .unpickle_machine import Budget, Machine

__all__ = ["Budget", "load", "loads"]

_LONGEST_INT = 255
_PIECE = 2**20
_ADVICE = (
    "Only plain containers and NumPy's arrays of numbers are read, and nothing that a file names is called. "
    "Download the file again from where its makers put it."
)
_Operation = Callable[[Machine], None]


def _protocol(machine: Machine) -> None:
    number = machine.number("<B")
    if machine.at != 2 or number > 5:
        raise Refused(f"protocol {number} is announced, in the middle or of an unknown kind")


def _frame(machine: Machine) -> None:
    n_bytes = machine.number("<Q")
    machine.take(n_bytes)  # To see that they are there.
    machine.at -= n_bytes


def _text(data: bytes | memoryview, codec: str, errors: str = "strict") -> str:
    try:
        return str(data, codec, errors)
    except UnicodeDecodeError:
        raise Refused(f"a text is no {codec}") from None


def _unicode(machine: Machine, form: str) -> None:
    data = machine.counted(form)
    machine.charge(len(data))
    machine.push(_text(data, "utf-8", "surrogatepass"))


def _old_unicode(machine: Machine) -> None:
    line = machine.line_view()
    machine.charge(len(line))
    machine.push(_text(line, "raw-unicode-escape"))


def _quoted(machine: Machine) -> None:
    """Read a Python-2 string as ``repr`` writes it."""
    line = machine.line_view()
    if bytes(line[-1:]) == b"\r":
        line = line[:-1]
    if len(line) < 2 or bytes(line[:1]) not in {b"'", b'"'} or line[:1] != line[-1:]:
        raise Refused("a string is not quoted as Python 2 does")
    machine.charge(len(line))
    try:
        inner, _ = codecs.escape_decode(line[1:-1])
    except (ValueError, Warning):
        raise Refused("a string is not quoted as Python 2 does") from None
    # A wrong escape is left as it is, with a warning, which cannot be caught where there are other threads.
    # Every other backslash comes from two.
    if inner.count(b"\\") != _n_pairs_of_backslashes(line[1:-1]):
        raise Refused("a string is not quoted as Python 2 does")
    machine.push(Blob(memoryview(inner), "str"))


def _n_pairs_of_backslashes(text: memoryview) -> int:
    """Count the escapes of a backslash, in pieces: a text may be a gigabyte."""
    n, start = 0, 0
    while start < len(text):
        is_one = np.frombuffer(text[start : start + _PIECE], dtype=np.uint8) == ord("\\")
        start += len(is_one)
        # Backslashes that another follows; of a row of them all but the last.
        followed = np.flatnonzero(is_one[1:] & is_one[:-1])
        last_of_row = np.flatnonzero(np.diff(followed, append=len(is_one)) > 1)
        n_in_row = np.diff(last_of_row, prepend=-1) + 1
        n += int((n_in_row // 2).sum())
        # The last of an odd number begins an escape that goes on in the next piece.
        n_at_end = int(is_one[-1])
        if len(followed) and followed[-1] == len(is_one) - 2:
            n_at_end = int(n_in_row[-1])
        if start < len(text) and n_at_end % 2:
            start -= 1
    return n


def _whole_number(line: bytes, *, may_be_truth: bool) -> int | bool:
    if may_be_truth and line in {b"00", b"01"}:
        return line == b"01"
    if not re.fullmatch(rb"[+-]?\d{1,600}", line):
        raise Refused(f"{line[:20]!r} is no whole number")
    return int(line)


def _float(machine: Machine) -> None:
    line = machine.line(longest=400)
    if not re.fullmatch(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", line):
        raise Refused(f"{line[:20]!r} is no number")
    machine.push(float(line))


def _long(machine: Machine, form: str) -> None:
    n_bytes = machine.number(form)
    if not 0 <= n_bytes <= _LONGEST_INT:
        raise Refused(f"a whole number is announced with {n_bytes} bytes")
    machine.push(int.from_bytes(machine.take(n_bytes), "little", signed=True))


def _global(machine: Machine) -> None:
    module, name = (_text(machine.line(longest=1000), "utf-8") for _ in range(2))
    machine.name(module, name)


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _some(machine: Machine, count: int) -> None:
    items = [machine.pop() for _ in range(count)]
    machine.push(tuple(reversed(items)))


def _dict_since_mark(machine: Machine) -> None:
    items = machine.since_mark()
    machine.push({})
    machine.set_items(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _index(machine: Machine) -> int:
    return _whole_number(machine.line(longest=20), may_be_truth=False)


def _append_one(machine: Machine) -> None:
    item = machine.pop()
    machine.append([item])


def _set_since_mark(machine: Machine) -> None:
    items = machine.since_mark()
    machine.set_items(items)


def _append_since_mark(machine: Machine) -> None:
    items = machine.since_mark()
    machine.append(items)


def _numbered(operation: Callable[[Machine, int], None], form: str) -> _Operation:
    return lambda machine: operation(machine, machine.number(form))


def _indexed(operation: Callable[[Machine, int], None]) -> _Operation:
    return lambda machine: operation(machine, _index(machine))


def _number(form: str) -> _Operation:
    return lambda machine: machine.push(machine.number(form))


def _blob(form: str, kind: Literal["str", "bytes", "bytearray"]) -> _Operation:
    return lambda machine: machine.push(Blob(machine.counted(form), kind))


def _constant(value: Any) -> _Operation:
    return lambda machine: machine.push(value)


def _drop_since_mark(machine: Machine) -> None:
    machine.since_mark()


_BY_LETTER: dict[str, _Operation] = {
    "\x80": _protocol,
    "\x95": _frame,
    # The stack and the memo
    "(": Machine.mark,
    "0": Machine.drop,
    "1": _drop_since_mark,
    "2": lambda machine: machine.push(machine.top()),
    "p": _indexed(Machine.remember),
    "q": _numbered(Machine.remember, "<B"),
    "r": _numbered(Machine.remember, "<I"),
    "\x94": Machine.remember_next,
    "g": _indexed(Machine.recall),
    "h": _numbered(Machine.recall, "<B"),
    "j": _numbered(Machine.recall, "<I"),
    # Numbers
    "N": _constant(None),
    "\x88": _constant(True),
    "\x89": _constant(False),
    "I": lambda machine: machine.push(_whole_number(machine.line(longest=700), may_be_truth=True)),
    "L": lambda machine: machine.push(
        _whole_number(machine.line(longest=700).removesuffix(b"L"), may_be_truth=False)
    ),
    "K": _number("<B"),
    "M": _number("<H"),
    "J": _number("<i"),
    "\x8a": partial(_long, form="<B"),
    "\x8b": partial(_long, form="<i"),
    "F": _float,
    "G": _number(">d"),
    # Text and bytes
    "S": _quoted,
    "U": _blob("<B", "str"),
    "T": _blob("<I", "str"),
    "C": _blob("<B", "bytes"),
    "B": _blob("<I", "bytes"),
    "\x8e": _blob("<Q", "bytes"),
    "\x96": _blob("<Q", "bytearray"),
    "V": _old_unicode,
    "\x8c": partial(_unicode, form="<B"),
    "X": partial(_unicode, form="<I"),
    "\x8d": partial(_unicode, form="<Q"),
    # Containers
    ")": _constant(()),
    "]": lambda machine: machine.push([]),
    "}": lambda machine: machine.push({}),
    "t": lambda machine: machine.push(tuple(machine.since_mark())),
    "\x85": partial(_some, count=1),
    "\x86": partial(_some, count=2),
    "\x87": partial(_some, count=3),
    "l": lambda machine: machine.push(machine.since_mark()),
    "a": _append_one,
    "e": _append_since_mark,
    "d": _dict_since_mark,
    "s": _set_item,
    "u": _set_since_mark,
    # Names
    "c": _global,
    "\x93": _stack_global,
    "R": Machine.call,
    "b": Machine.build,
}
_OPERATIONS = {ord(letter): operation for letter, operation in _BY_LETTER.items()}


def _run(buffer: bytes | bytearray | memoryview | mmap.mmap, budget: Budget, where: str) -> Any:
    machine = Machine(memoryview(buffer).cast("B").toreadonly(), budget)
    try:
        return machine.run(_OPERATIONS)
    except Refused as error:
        raise DataError(f"{where} is refused at byte {machine.at}: {error}. {_ADVICE}") from None
    except MemoryError:
        raise DataError(f"{where} cannot be read: there is too little memory for it.") from None


def loads(buffer: bytes | bytearray | memoryview | mmap.mmap, *, budget: Budget | None = None) -> Any:
    r"""Read a pickle of plain containers and NumPy arrays from bytes.

    Parameters
    ----------
    buffer : bytes-like
        The stream, contiguous and whole.
    budget : Budget, optional
        What it may cost.

    Returns
    -------
    value
        dict, list, tuple, str, bytes, int, float, bool, None, NumPy scalars and read-only arrays. Where the
        stream holds an array's bytes as such, as those of Python 2 do, the array is a view on ``buffer``. A
        ``str`` of Python 2 becomes a str by latin-1.

    Raises
    ------
    DataError
        If the stream is damaged, names or holds anything else, or exceeds the budget; it says which.

    Notes
    -----
    Stricter than Python in what no data set needs: keys of a dict are str, bytes or integers of 64 bits and
    come once, containers do not hold themselves, and nothing follows the end.

    Examples
    --------
    >>> loads(b"(dp0\nS'sfreq'\np1\nI128\ns.")
    {'sfreq': 128}
    >>> loads(b"cos\nsystem\n(S'echo'\ntR.")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    physioaffect.errors.DataError: The stream is refused at byte 11: it names the global 'os.system', which...
    """
    return _run(buffer, budget or Budget(), "The stream")


def load(path: Path | str, *, budget: Budget | None = None) -> Any:
    """Read a pickle file of plain containers and NumPy arrays over a memory map.

    Parameters
    ----------
    path : path
        The file. It must not be cut short by anybody while arrays on it are in use.
    budget : Budget, optional
        What it may cost.

    Returns
    -------
    value
        As from `loads`. Arrays of Python-2 files are views on the mapped file: it stays mapped as long as one
        of them lives, and of a 100-MB file only what is looked at is read.

    Raises
    ------
    DataError
        As from `loads`, or if the file cannot be opened or is empty.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not (n_bytes := path.stat().st_size):
                raise DataError(f"{path} is empty. Download or copy it again.")
            mapped = mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read: {error}.") from None
    return _run(mapped, budget or Budget(), str(path))
