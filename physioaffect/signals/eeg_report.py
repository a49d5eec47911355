"""What was done to an EEG recording: which step, in which order, to which channel, with which numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CleaningReport", "StepRecord", "percent"]

_MOST_NAMES = 6


def percent(share: float) -> str:
    """Two digits, three where two would be 99 or an exponent.

    Examples
    --------
    >>> percent(0.0312), percent(0.987), percent(1)
    ('3.1', '98.7', '100')
    """
    return f"{100 * share:.{2 if share < 0.985 else 3}g}"


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step that was applied, or that could not be and why.

    Parameters
    ----------
    name : str
        Name of the step, e.g. ``"band-pass"``.
    summary : str
        One sentence about what it did.
    numbers : mapping of str to number, text or sequence of them
        Settings as used and what came out.
    channels : mapping of str to str
        What was found or done at single channels; empty if the same was done to all.
    """

    name: str
    summary: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "name": self.name,
            "summary": self.summary,
            "numbers": dict(self.numbers),
            "channels": dict(self.channels),
        }


@dataclass(frozen=True, kw_only=True)
class CleaningReport:
    """What was done, in order.

    Parameters
    ----------
    steps : tuple of StepRecord
        In the order in which they were applied.
    bad_channels : mapping of str to str
        Every channel found bad, and why.
    interpolated : tuple of str
        Those of them that were interpolated; the others are NaN in the result.
    missing : float
        Share of the samples, from 0 to 1, that came without a usable value in some good channel, and are NaN
        there.
    marked : float
        Share of the samples of the result that are flagged, those of ``missing`` mostly among them.

    Examples
    --------
    >>> step = StepRecord(name="reference", summary="Average of 32 channels subtracted.")
    >>> print(CleaningReport(steps=(step,), bad_channels={"T7": "flat"}, interpolated=("T7",), marked=0.03))
    1. reference: Average of 32 channels subtracted.
    cleaned: T7 interpolated (flat); 3 % marked
    """

    steps: tuple[StepRecord, ...]
    bad_channels: Mapping[str, str] = field(default_factory=dict)
    interpolated: tuple[str, ...] = ()
    missing: float = 0.0
    marked: float = 0.0

    @property
    def note(self) -> str:
        """One line, e.g. ``"cleaned: T7 interpolated (flat); 3 % marked"``."""
        found: dict[tuple[str, str], list[str]] = {}
        for name, why in self.bad_channels.items():
            found.setdefault(("interpolated" if name in self.interpolated else "lost", why), []).append(name)
        parts = [
            f"{', '.join(names) if len(names) <= _MOST_NAMES else f'{len(names)} channels'} {fate} ({why})"
            for (fate, why), names in sorted(found.items(), key=lambda item: item[0][0])
        ]
        references = (step for step in self.steps if step.name == "reference")
        parts += [f"{name} {what}" for step in references for name, what in step.channels.items()]
        if self.marked:
            parts.append(f"{percent(self.marked)} % marked")
        return "cleaned: " + ("; ".join(parts) or "nothing found")

    def to_dict(self) -> dict[str, Any]:
        """As plain values that survive JSON unchanged."""
        plain: dict[str, Any] = json.loads(
            json.dumps(
                {
                    "steps": [step.to_dict() for step in self.steps],
                    "bad_channels": dict(self.bad_channels),
                    "interpolated": list(self.interpolated),
                    "missing": self.missing,
                    "marked": self.marked,
                }
            )
        )
        return plain

    def __str__(self) -> str:
        lines = []
        for number, step in enumerate(self.steps, start=1):
            lines.append(f"{number}. {step.name}: {step.summary}")
            lines += [f"   {name}: {what}" for name, what in step.channels.items()]
        return "\n".join([*lines, self.note])
