"""One connection to a live stream: what it says of itself, and how many samples were lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._units import UNITS
from physioaffect.devices._xdf_check import Channel
from physioaffect.devices.xdf import kind_of, unit_of
from physioaffect.errors import DataError

__all__ = ["LOST_S", "LslQuery", "Part", "Stream", "n_lost_before"]

Array = NDArray[np.float64]

# A jump of the time stamps by more means that samples were lost; less is jitter of the network.
LOST_S = 0.5
_LONGEST_GAP_S = 3600.0
# Clocks drift apart slowly; jumps do not. A chunk moves the expected lateness by this share.
_FOLLOW = 0.05
_MARKERS = ("markers", "marker", "events", "event", "stimuli", "triggers")


@dataclass(frozen=True, kw_only=True, slots=True)
class LslQuery:
    """Which stream to connect to; at least one of the three is given.

    Parameters
    ----------
    name, type, source_id : str
        As the stream's source announces them; empty: any.
    kind : str, optional
        One of `physioaffect.recording.KINDS`. Default: told by the stream's type and the labels of its
        channels.
    unit : str, optional
        Unit of its numbers, as in `physioaffect.devices.csv_map.SignalMap`. Default: what its channels say.

    Examples
    --------
    >>> LslQuery(name="wrist", type="GSR").predicate
    "name='wrist' and type='GSR'"
    """

    name: str = ""
    type: str = ""
    source_id: str = ""
    kind: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if not (self.name or self.type or self.source_id):
            raise ValueError("A query needs the name, the type or the source_id of a stream.")
        if any("'" in text for text in (self.name, self.type, self.source_id)):
            raise ValueError(
                "Names of streams in a query cannot hold an apostrophe: ask by another property."
            )
        if self.kind and self.kind not in UNITS:
            raise ValueError(f"kind must be one of {', '.join(UNITS)}; got {self.kind!r}.")
        if self.unit not in ("", "au") and (not self.kind or self.unit not in UNITS[self.kind]):
            raise ValueError(f"unit needs a kind, and must be one of its units or 'au'; got {self.unit!r}.")

    @property
    def predicate(self) -> str:
        """The query in the words of LSL."""
        asked = {"name": self.name, "type": self.type, "source_id": self.source_id}
        return " and ".join(f"{key}='{text}'" for key, text in asked.items() if text)


class Part(NamedTuple):
    name: str
    kind: str
    unit: str
    rows: list[int]
    ch_names: tuple[str, ...]


class Stream:
    """One connection."""

    def __init__(self, pylsl: Any, info: Any, query: LslQuery, *, buffer: float, timeout: float) -> None:
        self.query = query
        self.inlet = pylsl.StreamInlet(
            info, max_buflen=max(1, round(buffer)), processing_flags=pylsl.proc_clocksync, recover=True
        )
        full = self.inlet.info(timeout=timeout)
        self.title = f"{full.name()} ({full.type()})"
        self.type = full.type()
        self.sfreq = float(full.nominal_srate())
        self.is_text = full.channel_format() == pylsl.cf_string
        self.is_marker = self.is_text or (self.sfreq == 0 and self.type.lower() in _MARKERS)
        self.channels = _channels(full)
        self.n_seen = 0
        self.begin = 0.0
        self.late: float | None = None
        self.inlet.open_stream(timeout=timeout)

    def parts(self) -> list[Part]:
        """Channels by kind and unit."""
        found: dict[tuple[str, str], list[int]] = {}
        for row, channel in enumerate(self.channels):
            if kind := self.query.kind or kind_of(self.type, channel):
                found.setdefault((kind, self.query.unit or unit_of(kind, channel.unit)), []).append(row)
        return [
            Part(kind, kind, unit, rows, tuple(self.channels[row].label or f"CH{row + 1}" for row in rows))
            for (kind, unit), rows in found.items()
        ]


def n_lost_before(stream: Stream, times: Array) -> int:
    """Samples lost before this chunk, by how late it is against the count of all before it."""
    counts = stream.n_seen + np.arange(len(times))
    if stream.late is None:
        stream.begin = float(np.median(times - counts / stream.sfreq))
        stream.late = 0.0
        return 0
    late = float(np.median(times - counts / stream.sfreq)) - stream.begin
    jump = late - stream.late
    if jump > _LONGEST_GAP_S or jump < -LOST_S:
        raise DataError(
            f"The time stamps of the stream {stream.title} jump by {jump:.3g} s. Its clock was set, or it "
            "was restarted: connect again."
        )
    if jump > max(LOST_S, 1.5 / stream.sfreq):
        return round(jump * stream.sfreq)
    stream.late += _FOLLOW * jump
    return 0


def _channels(info: Any) -> list[Channel]:
    described = []
    node = info.desc().child("channels").child("channel")
    while not node.empty():
        described.append(Channel(*(node.child_value(key) for key in ("label", "type", "unit"))))
        node = node.next_sibling("channel")
    n_channels = info.channel_count()
    return described if len(described) == n_channels else [Channel()] * n_channels
