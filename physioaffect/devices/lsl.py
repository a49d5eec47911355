"""Live streams of the lab streaming layer (LSL), as chunks of `Signal` and `Events` on one clock.

Through pylsl, whose wheels bring the library itself along.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._lsl_stream import LOST_S, LslQuery, Part, Stream, n_lost_before
from physioaffect.devices._units import UNITS
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Events, Flag, Signal

__all__ = ["LslChunk", "LslQuery", "LslReceiver", "connect_lsl"]

Array = NDArray[np.float64]

_MOST_AT_ONCE = 2**16


class LslChunk(NamedTuple):
    """What has come of one stream since the last pull.

    Parameters
    ----------
    name : str
        Of the signal, as in a session: its kind, with a number where there are several.
    data : Signal or Events
        Times count in seconds from `LslReceiver.started`. The chunks of one signal follow each other without
        a break: ``start`` is where the last one ended, and what was lost in between is NaN and flagged
        `Flag.GAP`.
    """

    name: str
    data: Signal | Events


class LslReceiver:
    """Connected streams. Use it in a ``with`` statement, or call `close`.

    Attributes
    ----------
    names : tuple of str
        Of the signals that come; ``"tags"`` for markers.
    started : float
        Time 0 of everything, on LSL's clock of this machine (``pylsl.local_clock()``).
    labels : dict of str to int
        Texts of markers that have come so far, and the number that stands for each in the `Events`.
    """

    def __init__(self, streams: list[Stream], started: float) -> None:
        self._streams = streams
        self.started = started
        self.labels: dict[str, int] = {}
        self._parts: list[list[Part]] = []
        names: list[str] = []
        for stream in streams:
            parts = [] if stream.is_marker else stream.parts()
            if not stream.is_marker and (not parts or stream.sfreq <= 0):
                why = "no sampling rate" if parts else "no known kind: state it in the query"
                raise DataError(f"The stream {stream.title} has {why}.")
            named = []
            for part in parts or [Part("tags", "", "", [], ())]:
                name = part.name
                if name in names and name != "tags":
                    name = next(f"{name}_{n}" for n in range(2, len(names) + 3) if f"{name}_{n}" not in names)
                if name not in names:
                    names.append(name)
                labels = part.ch_names
                if len(set(labels)) < len(labels):
                    labels = tuple(f"{label}_{n}" for n, label in enumerate(labels, start=1))
                named.append(part._replace(name=name, ch_names=labels))
            self._parts.append(named)
        self.names = tuple(names)

    def __enter__(self) -> LslReceiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        for stream in self._streams:
            stream.inlet.close_stream()

    def pull(self) -> list[LslChunk]:
        """Take what has come since the last time, without waiting; streams with nothing new are left out.

        Raises
        ------
        DataError
            If a stream's source is gone for good, or its time stamps jump by more than an hour or back.
        """
        chunks: list[LslChunk] = []
        for stream, parts in zip(self._streams, self._parts, strict=True):
            values, stamps = self._take(stream)
            if not len(stamps):
                continue
            times = np.asarray(stamps, dtype=np.float64) - self.started
            if stream.is_marker:
                chunks.append(LslChunk("tags", self._tags(stream, values, times)))
            else:
                data = np.asarray(values, dtype=np.float64).T
                # What was lost within one pull is found like what was lost between two.
                jumps = np.flatnonzero(np.diff(times) > LOST_S + 1 / stream.sfreq) + 1
                for begin, end in pairwise([0, *jumps.tolist(), len(times)]):
                    chunks += self._signals(stream, parts, data[:, begin:end], times[begin:end])
        return chunks

    def chunks(self, *, every: float = 0.25, timeout: float = 10.0) -> Iterator[LslChunk]:
        """Give chunks as they come, for ever.

        Parameters
        ----------
        every : float
            Seconds between two looks.
        timeout : float
            Seconds without anything after which a `DataError` is raised.
        """
        last = time.monotonic()
        while True:
            found = self.pull()
            if found:
                last = time.monotonic()
                yield from found
            elif time.monotonic() - last > timeout:
                titles = ", ".join(stream.title for stream in self._streams)
                raise DataError(
                    f"Nothing has come from {titles} for {timeout:g} s. Check that the device still streams."
                )
            else:
                time.sleep(every)

    def _take(self, stream: Stream) -> tuple[Any, list[float]]:
        try:
            values, stamps = stream.inlet.pull_chunk(timeout=0.0, max_samples=_MOST_AT_ONCE)
        except RuntimeError as error:  # pylsl's LostError and InternalError are.
            raise DataError(
                f"The stream {stream.title} is lost ({type(error).__name__}). Start it again and reconnect."
            ) from None
        return values, list(stamps)

    def _tags(self, stream: Stream, values: Any, times: Array) -> Events:
        numbers = np.empty(len(times))
        for index, row in enumerate(values):
            if stream.is_text:
                text = " ".join(cell for cell in row if cell)
                numbers[index] = self.labels.setdefault(text, len(self.labels) + 1)
            else:
                numbers[index] = float(row[0])
        order = np.argsort(times, kind="stable")
        return Events(times=times[order], values=numbers[order], kind="tags")

    def _signals(self, stream: Stream, parts: list[Part], data: Array, times: Array) -> Iterator[LslChunk]:
        n_lost = n_lost_before(stream, times)
        start = stream.begin + stream.n_seen / stream.sfreq
        stream.n_seen += n_lost + data.shape[1]
        flags = np.zeros(n_lost + data.shape[1], dtype=np.uint8)
        flags[:n_lost] = np.uint8(Flag.GAP)
        for part in parts:
            taken = np.concatenate([np.full((len(part.rows), n_lost), np.nan), data[part.rows]], axis=1)
            unit = None if part.unit == "au" else UNITS[part.kind][part.unit]
            yield LslChunk(
                part.name,
                Signal(
                    data=taken if unit is None else unit.convert(taken),
                    sfreq=stream.sfreq,
                    ch_names=part.ch_names,
                    kind=part.kind,
                    unit="au" if unit is None else unit.ours,
                    start=start,
                    flags=flags,
                ),
            )


def connect_lsl(*queries: LslQuery, timeout: float = 5.0, buffer: float = 60.0) -> LslReceiver:
    """Find streams on the network and connect to them.

    Parameters
    ----------
    *queries : LslQuery
        One for each stream.
    timeout : float
        Seconds to wait for each to answer.
    buffer : float
        Seconds of data that LSL keeps between two pulls; older ones are lost, and become gaps.

    Returns
    -------
    LslReceiver
        Times are brought to the clock of this machine by LSL, and samples are then counted, so that chunks
        fit together whatever the jitter of the network.

    Raises
    ------
    DataError
        If no stream answers a query in time, several do, or one is of no known kind.
    PhysioaffectError
        If pylsl is not installed.
    """
    if not queries:
        raise ValueError("connect_lsl needs at least one LslQuery.")
    try:
        import pylsl  # noqa: PLC0415
    except (ImportError, RuntimeError):  # RuntimeError: it is there, but its library is not.
        raise PhysioaffectError("Live streams need pylsl: pip install 'physioaffect[lsl]'.") from None
    infos = []
    for query in queries:
        found = pylsl.resolve_bypred(query.predicate, minimum=1, timeout=timeout)
        if not found:
            others = ", ".join(f"{info.name()} ({info.type()})" for info in pylsl.resolve_streams(0.5)[:20])
            raise DataError(
                f"No stream with {query.predicate} answered in {timeout:g} s; on the network are "
                f"{others or 'none'}. Start the stream, or check that both machines are on one network."
            )
        if len(found) > 1:
            raise DataError(
                f"{len(found)} streams answer to {query.predicate}: "
                f"{', '.join(f'{info.name()} ({info.type()}, {info.source_id()})' for info in found[:10])}. "
                "Ask for one of them by its source_id."
            )
        infos.append(found[0])
    streams: list[Stream] = []
    try:
        for query, info in zip(queries, infos, strict=True):
            streams.append(Stream(pylsl, info, query, buffer=buffer, timeout=timeout))
        return LslReceiver(streams, float(pylsl.local_clock()))
    except RuntimeError as error:
        for stream in streams:
            stream.inlet.close_stream()
        raise DataError(f"A stream was found but did not connect within {timeout:g} s ({error}).") from None
    except DataError:
        for stream in streams:
            stream.inlet.close_stream()
        raise
