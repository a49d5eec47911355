"""Reading an experiment file: TOML whose keys and types are checked, with the line of whatever is wrong."""

from __future__ import annotations

import re
import reprlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from physioaffect.errors import DataError, did_you_mean

__all__ = ["ExperimentFile", "checked_file"]

# An experiment is written by hand. What is larger is another file, or hostile.
_LARGEST = 1_000_000
_LARGEST_SEED = 2**32 - 1
# What stands in an error; reprlib also stops where a value is nested deep.
_short = reprlib.Repr()  # From Python 3.12 on these are arguments.
_short.maxstring = _short.maxother = _short.maxlong = 60
# Names become names of folders, on every system.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")


class _Kind(NamedTuple):
    """What a value has to be, in words and as a test."""

    said: str
    is_right: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _is_list(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def test(value: Any) -> bool:
        return isinstance(value, list) and len(value) > 0 and all(map(is_right, value))

    return test


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_SEED


_TEXT = _Kind("a text", _is_text)
_TEXTS = _Kind('a list of texts, such as ["one", "two"]', _is_list(_is_text))
_SECONDS = _Kind("a number of seconds above 0", _is_number)
_SWITCH = _Kind("true or false", lambda value: isinstance(value, bool))
_SEEDS = _Kind(f"a list of whole numbers from 0 to {_LARGEST_SEED}, such as [0, 1, 2]", _is_list(_is_seed))
_COUNT = _Kind(
    "a whole number from 0 to 1000000",
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000,
)
# As `evaluate` knows them; its module takes a second to import.
_REFITS = ("linear", "all", "none")
_REFIT = _Kind(f"one of {', '.join(_REFITS)}", lambda value: isinstance(value, str) and value in _REFITS)
_MISSINGS = ("leave_out", "keep")
_MISSING = _Kind(
    f"one of {', '.join(_MISSINGS)}", lambda value: isinstance(value, str) and value in _MISSINGS
)
_TABLES = _Kind("tables, one for each, such as [datasets.dreamer]", lambda value: isinstance(value, dict))
_CHOICE = _Kind(
    'a list of names, such as ["lda", "knn"], or a table for each, such as [models.lda]',
    lambda value: _is_list(_is_text)(value) or (isinstance(value, dict) and len(value) > 0),
)

_TOP = {
    "out": _TEXT,
    "seeds": _SEEDS,
    "tasks": _TEXTS,
    "strict": _SWITCH,
    "permutations": _COUNT,
    "refit": _REFIT,
    "missing": _MISSING,
    "models": _CHOICE,
    "protocols": _CHOICE,
    "datasets": _TABLES,
}
_DATASET = {
    "name": _TEXT,
    "path": _TEXT,
    "tasks": _TEXTS,
    "features": _TEXTS,
    "window": _SECONDS,
    "step": _SECONDS,
    "clean": _SWITCH,
    "baseline": _TEXT,
    "smooth": _TEXT,
    "subjects": _TEXTS,
}


@dataclass(frozen=True, kw_only=True)
class ExperimentFile:
    """An experiment file whose keys and types are right; what they name may still be unknown.

    ``datasets``, ``models`` and ``protocols`` hold the settings of each by its name in the file.
    """

    path: Path
    text: str
    out: str | None
    seeds: tuple[int, ...]
    tasks: tuple[str, ...] | None
    strict: bool
    permutations: int
    refit: Literal["linear", "all", "none"]
    missing: Literal["leave_out", "keep"]
    datasets: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    protocols: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path | str) -> ExperimentFile:
        """Read and check a file.

        Raises
        ------
        DataError
            If it is not an experiment: what was found where, and what was expected.
        """
        path = Path(path)
        text = _read_text(path)
        return checked_file(path, text)

    def error(self, place: tuple[str, ...], said: str) -> DataError:
        """Say what is wrong at a place, such as ``("datasets", "dreamer", "path")``, with its line."""
        return _error(self.path, self.text, place, said)


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise DataError(f"{path} is a folder. Name the experiment file in it, which ends in .toml.")
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"The experiment {path} cannot be read: {error.strerror}. Check its name.") from None
    if len(content) > _LARGEST:
        raise DataError(
            f"{path} has more than {_LARGEST:,} bytes: it is no experiment file. Name one "
            "that says what to run."
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not written in UTF-8 (byte {error.start}). Save it anew, as UTF-8."
        ) from None


def checked_file(path: Path, text: str) -> ExperimentFile:
    """Check an experiment's text; see `ExperimentFile.read`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML: {error}. Mend that line; https://toml.io tells how.") from None
    except (RecursionError, ValueError) as error:  # Too deep, or a number of thousands of digits.
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{path} is not TOML that can be read: {reason}.") from None

    def check(found: Mapping[str, Any], expected: Mapping[str, _Kind], *place: str) -> None:
        _check(path, text, found, expected, place)

    check(raw, _TOP)
    for key in ("datasets", "models", "protocols"):
        if not raw.get(key):
            such = '[datasets.dreamer] with path = "..."' if key == "datasets" else f'{key} = ["..."]'
            raise DataError(f"{path} names no {key}: it needs {such}.")
    named = {key: _by_name(path, text, key, raw[key]) for key in ("datasets", "models", "protocols")}
    for label, settings in named["datasets"].items():
        check(settings, _DATASET, "datasets", label)
        if "path" not in settings:
            raise _error(
                path, text, ("datasets", label), 'path is missing: say where the data lie, path = "...".'
            )
    for key in ("models", "protocols"):
        for label, settings in named[key].items():
            check({name: settings[name] for name in settings if name == "name"}, {"name": _TEXT}, key, label)
    for place, values in [
        (("seeds",), raw.get("seeds", [])),
        (("tasks",), raw.get("tasks", [])),
        *((("datasets", label, "tasks"), own.get("tasks", [])) for label, own in named["datasets"].items()),
    ]:
        if twice := [value for n, value in enumerate(values) if value in values[:n]]:
            raise _error(path, text, place, f"{twice[0]!r} is named twice: name each once.")
    return ExperimentFile(
        path=path,
        text=text,
        out=raw.get("out"),
        seeds=tuple(raw.get("seeds", [0])),
        tasks=tuple(raw["tasks"]) if "tasks" in raw else None,
        strict=raw.get("strict", False),
        permutations=raw.get("permutations", 1000),
        refit=raw.get("refit", "linear"),
        missing=raw.get("missing", "leave_out"),
        **named,
    )


def _by_name(path: Path, text: str, key: str, given: Any) -> dict[str, dict[str, Any]]:
    """Settings by name, whether they were given as a list of names or as tables."""
    if isinstance(given, list):
        if twice := [name for n, name in enumerate(given) if name in given[:n]]:
            raise _error(path, text, (key,), f"{twice[0]!r} is named twice: name each once.")
        given = {name: {} for name in given}
    lowered: dict[str, str] = {}
    for label, settings in given.items():
        if not isinstance(settings, dict):
            raise _error(
                path,
                text,
                (key, label),
                f"{label} is {_said(settings)}; expected a table of settings, such as [{key}.{label}] or "
                f"{label} = {{}} for none.",
            )
        if not _NAME.fullmatch(label):
            raise _error(
                path,
                text,
                (key, label),
                f"{label[:80]!r} cannot be a name: folders and tables are called by it. Use up to 60 letters "
                "and digits and . _ + -, beginning with a letter or digit, and say name = for what is meant.",
            )
        other = lowered.setdefault(label.lower(), label)
        if other != label:
            raise _error(
                path,
                text,
                (key, label),
                f"{other} and {label} differ in capitals only, and some disks hold them for the same. "
                "Rename one.",
            )
    return dict(given)


def _check(
    path: Path, text: str, found: Mapping[str, Any], expected: Mapping[str, _Kind], place: tuple[str, ...]
) -> None:
    for key, value in found.items():
        if key not in expected:
            raise _error(
                path, text, (*place, key), f"there is no key {key[:80]!r}. {did_you_mean(key, expected)}"
            )
        if not expected[key].is_right(value):
            raise _error(
                path, text, (*place, key), f"{key} is {_said(value)}; expected {expected[key].said}."
            )


def _said(value: Any) -> str:
    """A value in an error, cut where it is long."""
    if isinstance(value, dict):
        return f"a table ({', '.join(list(value)[:3])})" if value else "an empty table"
    return _short.repr(value)


def _error(path: Path, text: str, place: tuple[str, ...], said: str) -> DataError:
    line, is_header = _line_of(text, place)
    table = ".".join(place if is_header else place[:-1])
    where = f", line {line}" if line else ""
    return DataError(f"{path}{where}{f' ([{table}])' if table else ''}: {said}")


def _line_of(text: str, place: tuple[str, ...]) -> tuple[int | None, bool]:
    """Line of a key or table, counted from 1, or of the nearest around it; and whether it heads that table.

    tomllib does not tell lines. Headers and keys are found line by line and taken apart by tomllib; what
    looks like one inside a text of several lines could mislead, but only about the line.
    """
    best: tuple[int, int | None, bool] = (0, None, False)
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        is_header = stripped.startswith("[")
        if is_header:
            keys = _keys(stripped.partition("#")[0], "")
        else:
            keys = _keys(stripped.partition("=")[0], "= 0") if "=" in stripped else None
        if keys is None:
            continue
        own = keys if is_header else (*table, *keys)
        table = own if is_header else table
        if own == place[: len(own)] and len(own) > best[0]:
            best = len(own), number, is_header and own == place
    return best[1], best[2]


def _keys(written: str, rest: str) -> tuple[str, ...] | None:
    """The keys of a header ``[a.b]`` or of ``a.b`` before an equals sign."""
    try:
        parsed: Any = tomllib.loads(written + rest)
    except (ValueError, RecursionError):
        return None
    keys = []
    while isinstance(parsed, dict) and len(parsed) == 1:
        [(key, parsed)] = parsed.items()
        keys.append(key)
    return tuple(keys)
