"""What was left out, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physioaffect.data_set import Exclusion

__all__ = ["left_out_in_short", "told"]


def told(item: Exclusion) -> str:
    """Say who or which trial was left out, and why.

    Examples
    --------
    >>> from physioaffect.data_set import Exclusion
    >>> told(Exclusion(subject="S1", trial="rest", reason="S1.edf is cut off."))
    'S1, trial rest. S1.edf is cut off.'
    """
    whose = f"{item.subject}, trial {item.trial}" if item.trial else item.subject
    return f"{whose}. {item.reason}"


def left_out_in_short(exclusions: Sequence[Exclusion], most: int = 3) -> list[str]:
    r"""Lines about the first of what was left out against expectation, and how much more there is.

    Examples
    --------
    >>> from physioaffect.data_set import Exclusion
    >>> broken = [Exclusion(subject=f"S{n}", reason=f"S{n}.edf is cut off.") for n in (1, 2, 3)]
    >>> print("\n".join(left_out_in_short(broken, most=1)))
    Left out: S1. S1.edf is cut off.
    2 more were left out: see Result.exclusions.
    """
    lines = [f"Left out: {told(item)}" for item in exclusions if not item.expected]
    if (n_more := len(lines) - most) > 0:
        more = f"{n_more} more {'was' if n_more == 1 else 'were'} left out: see Result.exclusions."
        return [*lines[:most], more]
    return lines
