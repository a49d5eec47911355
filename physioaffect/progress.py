"""How long calls say how far they are: one signature for all that know how much there is to do."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["CALIBRATION", "Progress", "silent"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how many are done, how many there are)."""

CALIBRATION = ", calibration"
"""What follows the name of a training while what was learnt is calibrated, which has a course of its own."""


def silent(_what: str, _done: int, _total: int | None) -> None:
    """Tell nobody: what is called where no progress was asked for."""
