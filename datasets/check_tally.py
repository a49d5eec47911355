"""What both kinds of check share: counting sentences of one kind, and ranges of what came by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["CheckRow", "Range", "Sentences", "listed"]

# So many sentences of one kind are said, the rest are counted.
_MOST = 5


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """A line of the table; ``is_good`` is None where nothing is expected."""

    what: str
    expected: str = ""
    found: str
    is_good: bool | None = None


class Sentences:
    """Sentences by kind; of each kind the first few are kept and the others counted."""

    def __init__(self) -> None:
        self._kept: dict[str, list[str]] = {}
        self._n: dict[str, int] = {}

    def add(self, kind: str, sentence: str) -> None:
        """Take one more."""
        kept = self._kept.setdefault(kind, [])
        self._n[kind] = self._n.get(kind, 0) + 1
        if len(kept) < _MOST:
            kept.append(sentence)

    def __contains__(self, kind: str) -> bool:
        return kind in self._kept

    def all(self) -> list[str]:
        """All kept ones, kind by kind, each with the number of those not said."""
        said = []
        for kind, kept in self._kept.items():
            said += kept
            if (more := self._n[kind] - len(kept)) > 0:
                said.append(f"{more} more of this kind ({kind}).")
        return said


class Range(NamedTuple):
    """The smallest and the largest of what came by."""

    lowest: float = float("inf")
    highest: float = float("-inf")

    def with_(self, lowest: float, highest: float) -> Range:
        """Widen; what is no number changes nothing."""
        return Range(
            lowest if lowest < self.lowest else self.lowest,
            highest if highest > self.highest else self.highest,
        )

    def __str__(self) -> str:
        if self.lowest > self.highest:
            return "none"
        if self.lowest == self.highest:
            return f"{self.lowest:.6g}"
        return f"{self.lowest:.6g} to {self.highest:.6g}"


def listed(names: Iterable[object], most: int = 8) -> str:
    """Name the first few and count the others."""
    every = [str(name) for name in names]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
