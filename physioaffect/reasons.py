"""Why samples are not trusted: the words for each reason, and where it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.recording import Flag, Signal

__all__ = ["REASON_WORDS", "Reason", "Words", "reasons_of"]


class Words(NamedTuple):
    """How a reason is told.

    ``flag`` marks its samples, None where they are known by having no number; ``title`` is for legends,
    ``meaning`` says more.
    """

    flag: Flag | None
    title: str
    meaning: str


# In the order in which a sample with several is counted: what there is nothing of comes first.
REASON_WORDS = {
    "gap": Words(Flag.GAP, "gap", "gap: the device recorded nothing"),
    "missing": Words(None, "missing", "missing: no number in the file"),
    "off_body": Words(Flag.OFF_BODY, "off body", "off body"),
    "flat": Words(Flag.FLAT, "flat", "flat: no change where a body changes"),
    "clipped": Words(Flag.CLIPPED, "clipped", "clipped at an end of the device’s range"),
    "out_of_range": Words(Flag.OUT_OF_RANGE, "out of range", "out of the range of a body"),
    "settling": Words(Flag.SETTLING, "settling", "settling after the start"),
    "motion": Words(Flag.MOTION, "motion", "motion"),
}


class Reason(NamedTuple):
    """Why samples are not trusted: ``is_it`` where it holds, ``is_first`` where no earlier reason does."""

    name: str
    title: str
    is_it: NDArray[np.bool_]
    is_first: NDArray[np.bool_]


def reasons_of(signal: Signal) -> Iterator[Reason]:
    """Yield the reasons, in the order of `REASON_WORDS`, that hold anywhere.

    A sample belongs to the first of its reasons: where ``is_first`` of all of them is put together, each
    sample that is not good is there once.

    Examples
    --------
    >>> flags = np.array([0, 8, 9, 1], dtype=np.uint8)  # Motion is 8, off the body 1.
    >>> eda = Signal(data=np.ones((1, 4)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS", flags=flags)
    >>> [(one.title, one.is_it.sum().item(), one.is_first.sum().item()) for one in reasons_of(eda)]
    [('off body', 2, 2), ('motion', 2, 1)]
    """
    is_left = ~signal.is_good
    for name, words in REASON_WORDS.items():
        if words.flag is None:
            is_it = ~np.isfinite(signal.data.sum(axis=0)) & (signal.flags == 0)
        else:
            is_it = signal.flags & int(words.flag) > 0
        if is_it.any():
            yield Reason(name, words.title, is_it, is_it & is_left)
            is_left = is_left & ~is_it
