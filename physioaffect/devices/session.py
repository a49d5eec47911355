"""One recording of one device, whatever its file: what every reader of a wearable gives back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from physioaffect.recording import Events, Signal

__all__ = ["DeviceSession", "Sampled"]


class Sampled(NamedTuple):
    """What a sampled signal is like, without its samples."""

    sfreq: float
    ch_names: tuple[str, ...]
    kind: str
    unit: str

    @classmethod
    def of(cls, signal: Signal) -> Sampled:
        """Take it from the signal."""
        return cls(signal.sfreq, signal.ch_names, signal.kind, signal.unit)


class DeviceSession(NamedTuple):
    """One recording.

    Parameters
    ----------
    device : str
        What recorded it, such as ``"Empatica E4"``.
    started_at : datetime or None
        Time 0 of every signal, in UTC and aware; None if the file does not tell it.
    utc_offset : timedelta or None
        Local time minus UTC; None if the file does not tell it.
    signals : dict of str to Signal or Events
        By name (``"eda"``, ``"ppg"``, ``"ibi"``, ...). All times count in seconds from ``started_at``.
    subject : str or None
        The person as the file names them; None if it does not.
    notes : tuple of str
        What a reader or a join wants its user to know: what was rounded, left out or taken once. Sentences.
    lost : tuple of str
        Those of the notes that say which signals are missing because they could not be read, and why.

    Examples
    --------
    >>> session = DeviceSession("Empatica E4", None, None, {})
    >>> session.subject, session.notes
    (None, ())
    """

    device: str
    started_at: datetime | None
    utc_offset: timedelta | None
    signals: dict[str, Signal | Events]
    subject: str | None = None
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
