"""What will come in a stream: sampled signals, and events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from physioaffect.recording import Events, Signal

__all__ = ["StreamChannel", "StreamEvents", "channels_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamChannel:
    """A sampled signal that will come.

    Parameters
    ----------
    sfreq : float
        Samples per second.
    ch_names : tuple of str
        One unique name per channel.
    kind, unit : str
        As of a `Signal`.
    start : float
        Time of its first sample in seconds after the beginning of the stream.
    """

    sfreq: float
    ch_names: tuple[str, ...]
    kind: str
    unit: str
    start: float = 0.0

    def __post_init__(self) -> None:
        self.missing(0)

    def missing(self, duration: float) -> Signal:
        """Make so many seconds of it without any sample that is there; a ValueError says what cannot be."""
        return Signal(
            data=np.full((len(self.ch_names), math.ceil(duration * self.sfreq)), np.nan),
            sfreq=self.sfreq,
            ch_names=self.ch_names,
            kind=self.kind,
            unit=self.unit,
            start=self.start,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamEvents:
    """Events that will come, such as tags or the intervals between beats of a chest strap.

    Parameters
    ----------
    kind : str
        As of `Events`.
    delay : float
        Seconds after which nothing more comes for a moment: windows wait so much longer.
    """

    kind: str
    delay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.delay < math.inf:
            raise ValueError(f"delay must be 0 s or more, got {self.delay}.")

    def missing(self, duration: float) -> Events:  # noqa: ARG002  As that of a channel.
        """Make so many seconds of it without an event."""
        return Events(times=np.empty(0), values=np.empty(0), kind=self.kind)


def channels_of(signals: Mapping[str, Signal | Events]) -> dict[str, StreamChannel | StreamEvents]:
    """Announce what is like these: the first chunks of a receiver, or a recording that is to be replayed.

    Parameters
    ----------
    signals : mapping of str to Signal or Events
        By name; what they hold is not looked at.

    Returns
    -------
    channels : dict of str to StreamChannel or StreamEvents
        By the same names.

    Examples
    --------
    >>> eda = Signal(data=np.ones((1, 8)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS", start=0.5)
    >>> channels_of({"eda": eda})
    {'eda': StreamChannel(sfreq=4.0, ch_names=('EDA',), kind='eda', unit='uS', start=0.5)}
    """
    return {
        name: StreamEvents(kind=one.kind)
        if isinstance(one, Events)
        else StreamChannel(
            sfreq=one.sfreq, ch_names=one.ch_names, kind=one.kind, unit=one.unit, start=one.start
        )
        for name, one in signals.items()
    }
