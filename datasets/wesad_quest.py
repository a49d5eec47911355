"""SX_quest.csv of WESAD: when each condition was, and what the person answered after it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from physioaffect.errors import DataError

__all__ = ["CONDITIONS", "RATINGS", "Interval", "Quest", "read_quest"]

CONDITIONS: Mapping[str, str] = {
    "base": "baseline",
    "tsst": "stress",
    "fun": "amusement",
    "medi 1": "meditation_1",
    "medi 2": "meditation_2",
}
"""Names of trials by the names in the file, which occur there in any case."""

_READING = ("bread", "sread", "fread")

PANAS_ITEMS = (
    *("active", "distressed", "interested", "inspired", "annoyed", "strong", "guilty", "scared", "hostile"),
    *("excited", "proud", "irritable", "enthusiastic", "ashamed", "alert", "nervous", "determined"),
    *("attentive", "jittery", "afraid", "stressed", "frustrated", "happy", "sad"),
)
_ONLY_AFTER_STRESS = ("angry", "irritated")  # Before the last item.
_POSITIVE = (
    *("active", "interested", "inspired", "strong", "excited"),
    *("proud", "enthusiastic", "alert", "determined", "attentive"),
)
_OWN = ("stressed", "frustrated", "happy", "sad")  # Items of WESAD's makers, of neither scale.
_NEGATIVE = tuple(item for item in PANAS_ITEMS if item not in _POSITIVE + _OWN)
_STAI_ITEMS = ("at ease", "nervous", "jittery", "relaxed", "worried", "pleasant")
_CALM = ("at ease", "relaxed", "pleasant")
_N_SSSQ = 6

RATINGS: Mapping[str, tuple[float, float]] = {
    "valence": (1, 9),
    "arousal": (1, 9),
    "panas_positive": (10, 50),
    "panas_negative": (10, 50),
    **dict.fromkeys(_OWN, (1, 5)),
    "stai": (6, 24),
    **{f"sssq_{item}": (1, 5) for item in range(1, _N_SSSQ + 1)},
}
"""Scales of `Quest.ratings`."""

_MEND = "Restore the file as distributed, or remove it to read without ratings."
_LARGEST_FILE = 2**20
_ROWS = {"subj": 1, "order": 1, "start": 1, "end": 1, "panas": 5, "stai": 5, "dim": 5, "sssq": 1}
_TIME = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?", re.ASCII)
_ANSWER = re.compile(r"\d", re.ASCII)


class Interval(NamedTuple):
    """Seconds after the beginning of the raw RespiBAN file (not of the pickle)."""

    start: float
    stop: float


class Quest(NamedTuple):
    """What the file says.

    ``intervals`` has every period by the name in the file, in its order: Base, TSST, Medi 1 and so on, bRead
    and the like included. ``order`` names the five conditions in the order in which they were. ``ratings``
    has for each condition all of `RATINGS`, NaN where nobody asked (SSSQ but after stress).
    """

    subject: str
    intervals: dict[str, Interval]
    order: tuple[str, ...]
    ratings: dict[str, dict[str, float]]


def no_ratings() -> dict[str, float]:
    """Give the ratings of somebody who was not asked."""
    return dict.fromkeys(RATINGS, math.nan)


def seconds_of(text: str) -> float | None:
    """Convert minutes.seconds to seconds, where a zero at the end has been lost; None if it is no time.

    Examples
    --------
    >>> [seconds_of(text) for text in ("50.3", "7.08", "28", "7.75")]
    [3030.0, 428.0, 1680.0, None]
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    seconds = int((found[2] or "").ljust(2, "0"))
    return 60.0 * int(found[1]) + seconds if seconds < 60 else None


def read_quest(path: Path | str) -> Quest:
    """Read one questionnaire file.

    Parameters
    ----------
    path : path
        ``SX_quest.csv`` as distributed: semicolons, row names after ``#``.

    Returns
    -------
    Quest
        Valence and arousal (SAM) from 1 to 9; ``panas_positive`` and ``panas_negative``, sums of ten items
        each; stressed, frustrated, happy and sad from 1 to 5; ``stai``, the sum of six items with the calm
        ones reversed, 6 to 24; ``sssq_1`` to ``sssq_6`` as answered.

    Raises
    ------
    DataError
        If there is no such file, or a row is missing or cannot be what it should.
    """
    path = Path(path)
    rows = _rows(path)
    for name, n_rows in _ROWS.items():
        if len(rows.get(name, ())) != n_rows:
            raise DataError(
                f"{path} has {len(rows.get(name, ()))} rows '# {name.upper()}'; expected {n_rows}. {_MEND}"
            )
    names, starts, ends = (rows[name][0] for name in ("order", "start", "end"))
    intervals = _intervals(names, starts, ends, path)
    order = tuple(
        CONDITIONS[_plain(name)]
        for name in sorted(names, key=lambda name: intervals[name].start)
        if _plain(name) in CONDITIONS
    )
    in_file = [CONDITIONS[_plain(name)] for name in names if _plain(name) in CONDITIONS]
    ratings = {name: _ratings(name, index, rows, path) for index, name in enumerate(in_file)}
    subject = rows["subj"][0]
    return Quest(subject[0] if subject else "", intervals, order, ratings)


def _plain(name: str) -> str:
    return " ".join(name.lower().split())


def _rows(path: Path) -> dict[str, list[list[str]]]:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. Give SX_quest.csv.") from None
    if len(content) > _LARGEST_FILE:
        raise DataError(f"{path} has more than {_LARGEST_FILE // 2**10} kB, so it is no SX_quest.csv.")
    rows: dict[str, list[list[str]]] = {}
    for line in content.decode("utf-8-sig", errors="replace").splitlines():
        name, *fields = (field.strip() for field in line.split(";"))
        while fields and not fields[-1]:
            fields.pop()
        if name:
            rows.setdefault(name.lstrip("# ").rstrip(": ").lower(), []).append(fields)
    if not rows.keys() & _ROWS.keys():
        raise DataError(
            f"{path} is no SX_quest.csv: it starts with {content[:60]!r}; expected rows such as "
            f"'# ORDER;Base;TSST;Medi 1;...'. {_MEND}"
        )
    return rows


def _intervals(
    names: Sequence[str], starts: Sequence[str], ends: Sequence[str], path: Path
) -> dict[str, Interval]:
    known = sorted(plain for name in names if (plain := _plain(name)) not in _READING)
    if known != sorted(CONDITIONS) or len(set(names)) < len(names):
        raise DataError(
            f"{path} has the conditions {', '.join(names)[:200] or '(none)'}; expected Base, TSST, Fun, Medi "
            f"1 and Medi 2 once each, and perhaps bRead, sRead and fRead. {_MEND}"
        )
    if not len(names) == len(starts) == len(ends):
        raise DataError(
            f"{path} has {len(names)} conditions, {len(starts)} times of START and {len(ends)} of END; "
            f"expected as many of each. {_MEND}"
        )
    intervals = {}
    for name, start, end in zip(names, starts, ends, strict=True):
        begin, stop = seconds_of(start), seconds_of(end)
        if begin is None or stop is None or not begin < stop:
            raise DataError(
                f"{path} has {name} from {start!r} to {end!r}; expected minutes.seconds (50.3 is 50:30 min) "
                f"and the end after the beginning. {_MEND}"
            )
        intervals[name] = Interval(begin, stop)
    return intervals


def _answers(row: Sequence[str], items: Sequence[str], highest: int, where: str) -> dict[str, float]:
    is_good = [_ANSWER.fullmatch(field) is not None and 1 <= int(field) <= highest for field in row]
    if len(row) != len(items) or not all(is_good):
        raise DataError(
            f"{where} has the answers {';'.join(row)[:120]!r}; expected {len(items)} whole numbers from 1 to "
            f"{highest}. {_MEND}"
        )
    return {item: float(field) for item, field in zip(items, row, strict=True)}


def _ratings(condition: str, index: int, rows: Mapping[str, list[list[str]]], path: Path) -> dict[str, float]:
    """Answers after a condition; ``index`` is its place among the five in the file and that of its rows."""
    is_stress = condition == "stress"
    items = (*PANAS_ITEMS[:-1], *_ONLY_AFTER_STRESS, PANAS_ITEMS[-1]) if is_stress else PANAS_ITEMS
    where = f"{path}, {{}} after {condition},"
    panas = _answers(rows["panas"][index], items, 5, where.format("PANAS"))
    stai = _answers(rows["stai"][index], _STAI_ITEMS, 4, where.format("STAI"))
    dim = _answers(rows["dim"][index], ("valence", "arousal"), 9, where.format("DIM"))
    ratings = no_ratings() | dim | {item: panas[item] for item in _OWN}
    ratings["panas_positive"] = sum(panas[item] for item in _POSITIVE)
    ratings["panas_negative"] = sum(panas[item] for item in _NEGATIVE)
    ratings["stai"] = sum(5 - value if item in _CALM else value for item, value in stai.items())
    if is_stress:
        sssq = [f"sssq_{item}" for item in range(1, _N_SSSQ + 1)]
        ratings |= _answers(rows["sssq"][0], sssq, 5, where.format("SSSQ"))
    return ratings
