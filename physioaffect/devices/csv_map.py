"""A stated map of a text table: which column is what, in which unit, at which rate, on which clock.

The same map can be written as TOML beside the files, see `physioaffect.devices.map_file`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._units import SECONDS, UNITS
from physioaffect.devices.stamps import Rate, StampKind
from physioaffect.recording import KINDS, Flag

__all__ = ["CsvMap", "EventMap", "FlagMap", "SignalMap", "TimeMap", "zone_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeMap:
    """The column of time stamps.

    Parameters
    ----------
    column : str
        Its name in the header, or its number from 1 if the file has no header.
    unit : str or float
        ``"s"``, ``"ms"``, ``"us"``, ``"ns"``, ``"min"``, ``"h"``; the seconds of one tick of a counter; or
        ``"text"`` for dates such as ``2021-04-05 15:48:04.834`` or ``2019-10-16T12:08:58.041+02:00``.
    since : {"1970", "start"}
        What a number counts from: UTC midnight of 1 January 1970, or some start of the device's own. Dates in
        text need none.
    zone : str, optional
        Zone of dates in text that name none: ``"UTC"``, ``"+02:00"`` or ``"Europe/Berlin"``. Without it, the
        session does not tell its time in UTC.
    pattern : str, optional
        How dates in text are written, in the signs of ``datetime.strptime``, such as ``"%d.%m.%Y
        %H:%M:%S.%f"``. Default: ISO 8601.
    stamps : {"sampled", "received"}
        Whether a stamp is the moment of the measurement, or the moment at which the row arrived or was
        written (see `physioaffect.devices.stamps`).
    tolerance : float, optional
        How far, in seconds, a row may stand from its stamp. Default: half a sampling interval, or 0.5 s for
        rows received.
    """

    column: str
    unit: str | float
    since: Literal["1970", "start"] = "1970"
    zone: str | None = None
    pattern: str | None = None
    stamps: StampKind = "sampled"
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.unit, str) and self.unit != "text" and self.unit not in SECONDS:
            raise ValueError(
                f"unit of time must be one of {', '.join(SECONDS)}, 'text', or the seconds of one tick as a "
                f"number; got {self.unit!r}."
            )
        if not isinstance(self.unit, str) and not 0 < self.unit < float("inf"):
            raise ValueError(f"A tick must last more than 0 s, got unit = {self.unit}.")
        _one_of("since", self.since, ("1970", "start"))
        _one_of("stamps", self.stamps, ("sampled", "received"))
        if self.unit != "text" and (self.zone is not None or self.pattern is not None):
            raise ValueError("zone and pattern belong to dates: state unit = 'text', or leave them out.")
        if self.zone is not None:
            zone_of(self.zone)
        if self.tolerance is not None and not self.tolerance > 0:
            raise ValueError(f"tolerance must be above 0 s, got {self.tolerance}.")

    @property
    def tick(self) -> float:
        """Seconds of one count of a numeric stamp."""
        return SECONDS[self.unit] if isinstance(self.unit, str) else float(self.unit)


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalMap:
    """Columns that are one signal, sampled together.

    Parameters
    ----------
    name : str
        Name in the session: ``"eda"``, ``"ppg"``, ``"acc"``, ...
    columns : tuple of str
        One column for each channel. A row belongs to the signal if at least one of these cells is not empty,
        so sensors of different rates may share a file; a cell that is empty beside a full one becomes NaN.
    unit : str
        Unit of the numbers in the file once ``factor`` and ``offset`` are applied. They are converted: EDA to
        uS (also from Ohm, kOhm), EEG, ECG, EMG and EOG to V, acceleration to g (from m/s2), rotation to
        deg/s, temperature to degC, heart rate to bpm. ``"au"``: unknown, not converted.
    kind : str, optional
        One of `physioaffect.recording.KINDS`. Default: the name.
    ch_names : tuple of str, optional
        Default: the names of the columns.
    factor, offset : float
        ``factor * number + offset`` is in ``unit``.
    sfreq : float or tuple of float, optional
        Samples per second; several: the nearest one of these. Default: estimated from the time stamps, which
        needs stamps that are ``"sampled"``.
    every : int
        Take every so manieth row, counted from the first: for a slow sensor whose last value the file
        repeats.
    shared : {"refuse", "first", "last"}
        Which row counts where two fall on one instant of the grid.
    """

    name: str
    columns: tuple[str, ...]
    unit: str
    kind: str = ""
    ch_names: tuple[str, ...] = ()
    factor: float = 1.0
    offset: float = 0.0
    sfreq: Rate = None
    every: int = 1
    shared: Literal["refuse", "first", "last"] = "refuse"

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.kind or self.name)
        object.__setattr__(self, "ch_names", self.ch_names or self.columns)
        what = f"Signal {self.name!r}"
        if self.kind not in KINDS:
            raise ValueError(f"{what}: kind must be one of {', '.join(KINDS)}; got {self.kind!r}.")
        if not self.columns or len(self.ch_names) != len(self.columns):
            raise ValueError(f"{what} needs one channel name for each of its columns {self.columns}.")
        if len(set(self.columns)) < len(self.columns) or len(set(self.ch_names)) < len(self.ch_names):
            raise ValueError(f"{what} names a column or a channel twice: {self.columns}, {self.ch_names}.")
        if self.unit != "au" and self.unit not in UNITS[self.kind]:
            raise ValueError(
                f"{what}: the unit of {self.kind} must be one of {', '.join([*UNITS[self.kind], 'au'])}; got "
                f"{self.unit!r}. Use factor and offset to come to one of these."
            )
        if not np.isfinite([self.factor, self.offset]).all() or self.factor == 0:
            raise ValueError(f"{what}: factor must be finite and not 0, offset finite.")
        rates = self.sfreq if isinstance(self.sfreq, tuple) else (1.0 if self.sfreq is None else self.sfreq,)
        if not rates or not all(0 < rate < float("inf") for rate in rates):
            raise ValueError(f"{what}: sfreq must be above 0 Hz, got {self.sfreq}.")
        if self.every < 1:
            raise ValueError(f"{what}: every must be 1 or more rows, got {self.every}.")
        _one_of("shared", self.shared, ("refuse", "first", "last"))

    @property
    def unit_out(self) -> str:
        """Unit of the signal that comes out."""
        return "au" if self.unit == "au" else UNITS[self.kind][self.unit].ours

    def convert(self, numbers: Array) -> Array:
        """Turn the numbers of the file, of any shape, into ``unit_out``."""
        if self.factor != 1 or self.offset != 0:
            numbers = self.factor * numbers + self.offset
        return numbers if self.unit == "au" else UNITS[self.kind][self.unit].convert(numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class EventMap:
    """A column of events: one wherever the cell is not empty and not one of ``ignore``.

    Parameters
    ----------
    column : str
        The column.
    kind : {"ibi", "tags"}
        Intervals between beats, or marks; it is also the name in the session.
    unit : str
        Of intervals: a unit of time as in `TimeMap`. Outside 0.3 to 2 s they become NaN: beats were missed.
    ignore : tuple of str
        Texts that are no event, such as ``"0"``.
    """

    column: str
    kind: Literal["ibi", "tags"]
    unit: str = "s"
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _one_of("kind of events", self.kind, ("ibi", "tags"))
        _one_of("unit of events", self.unit, tuple(SECONDS))


@dataclass(frozen=True, kw_only=True, slots=True)
class FlagMap:
    """A column of the device's own opinion on its samples.

    Parameters
    ----------
    column : str
        The column, with a number in the same rows as the signals.
    bad : tuple of float
        Values that mean that the sample is not to be trusted.
    reason : str
        Name of a `physioaffect.recording.Flag`, such as ``"off_body"``.
    signals : tuple of str
        Names of the signals it speaks of. Default: all that have a value in the row.
    """

    column: str
    bad: tuple[float, ...]
    reason: str = "off_body"
    signals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _one_of("reason", self.reason, tuple(flag.name.lower() for flag in Flag if flag.name))
        if not self.bad:
            raise ValueError(f"Flags from column {self.column!r} need at least one bad value.")

    @property
    def flag(self) -> Flag:
        """The reason as a flag."""
        return Flag[self.reason.upper()]


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvMap:
    r"""What a text table holds.

    Parameters
    ----------
    signals : tuple of SignalMap
        The signals; columns that no one names are left out.
    time : TimeMap, optional
        The column of time. Without one, rows are evenly spaced and every signal states its ``sfreq``.
    events : tuple of EventMap
        Columns of events; they need a column of time.
    flags : tuple of FlagMap
        Columns that speak of quality.
    device : str
        Name of what recorded it.
    delimiter, decimal, encoding : str
        Between cells (``"\t"`` for a tab); in numbers, ``"."`` or ``","``; of the text.
    comment : str
        Lines at the top of the file that begin so are passed over and not counted below.
    header_line : int
        Line with the names of the columns, from 1; 0 if there is none: columns are called ``"1"``, ``"2"``,
        ...
    first_line : int, optional
        First line with data. Default: the one after ``header_line``.
    missing : tuple of str
        Cells that mean that there is no value, beside the empty one.
    may_end_early : bool
        Whether a row may have fewer cells than the header; those at its end are then empty.
    key, value : str
        For a table with one measurement a row: the column that names what is measured, and the one with the
        number. The columns of signals and events are then names that stand in the ``key`` column.

    Examples
    --------
    >>> CsvMap(
    ...     time=TimeMap(column="t", unit="ms"),
    ...     signals=(SignalMap(name="eda", columns=("gsr",), unit="kOhm", sfreq=4),),
    ... ).signals[0].unit_out
    'uS'
    """

    signals: tuple[SignalMap, ...]
    time: TimeMap | None = None
    events: tuple[EventMap, ...] = ()
    flags: tuple[FlagMap, ...] = ()
    device: str = "CSV"
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    comment: str = ""
    header_line: int = 1
    first_line: int | None = None
    missing: tuple[str, ...] = ("NaN", "nan", "NA", "null")
    may_end_early: bool = False
    key: str = ""
    value: str = ""

    def __post_init__(self) -> None:
        if not self.signals and not self.events:
            raise ValueError("A map needs at least one signal or column of events.")
        names = [signal.name for signal in self.signals] + [event.kind for event in self.events]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"Two signals of a map are called {twice[0]!r}: give each a name of its own.")
        if self.time is None:
            if self.events:
                raise ValueError("Events need a column of time: state time, or leave the events out.")
            if vague := [signal.name for signal in self.signals if not isinstance(signal.sfreq, float | int)]:
                raise ValueError(
                    f"Signal {vague[0]!r} needs a sampling rate: without a column of time, state one sfreq."
                )
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '\r\n"':
            raise ValueError(f"delimiter must be one ASCII character, got {self.delimiter!r}.")
        _one_of("decimal", self.decimal, (".", ","))
        if self.decimal == self.delimiter:
            raise ValueError(f"{self.decimal!r} cannot separate both cells and decimals.")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(
                f"Unknown encoding {self.encoding!r}: use 'utf-8', 'latin-1', 'utf-16', ..."
            ) from None
        if self.header_line < 0 or (self.first_line is not None and self.first_line <= self.header_line):
            raise ValueError(
                f"header_line must be 0 or more and first_line after it, got {self.header_line} and "
                f"{self.first_line}."
            )
        if bool(self.key) != bool(self.value):
            raise ValueError("key and value belong together: state both columns or neither.")
        if self.key and (self.flags or any(len(signal.columns) > 1 for signal in self.signals)):
            raise ValueError("With key and value, each signal has one column, and there are no flags.")
        known = {signal.name for signal in self.signals}
        if unknown := [name for flags in self.flags for name in flags.signals if name not in known]:
            raise ValueError(f"Flags speak of a signal {unknown[0]!r} that the map does not have.")


def _one_of(what: str, got: str, allowed: tuple[str, ...]) -> None:
    if got not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(allowed)}; got {got!r}.")


def zone_of(name: str) -> tzinfo:
    """Give the time zone called ``"UTC"``, ``"+02:00"`` or ``"Europe/Berlin"``; `ValueError` if unknown.

    Parameters
    ----------
    name : str
        ``"UTC"``, an offset or a name of the IANA data base.

    Raises
    ------
    ValueError
        If there is no such zone.

    Examples
    --------
    >>> zone_of("+02:00").utcoffset(None)
    datetime.timedelta(seconds=7200)
    """
    if name in ("UTC", "Z"):
        return UTC
    if found := re.fullmatch(r"([+-])(\d\d):?(\d\d)", name):
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset < timedelta(hours=24):
            return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # Folders and names that try to leave the data base, too.
        raise ValueError(
            f"Unknown time zone {name!r}: use 'UTC', an offset such as '+02:00', or a name such as "
            "'Europe/Berlin'."
        ) from None
