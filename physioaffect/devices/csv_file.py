"""Text tables with a stated map: which column is what is told by the user, never guessed."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._row_clock import RowClock, row_clock
from physioaffect.devices._text_table import Layout, TextTable, open_table
from physioaffect.devices._units import SECONDS
from physioaffect.devices.csv_map import CsvMap, EventMap, SignalMap
from physioaffect.devices.session import DeviceSession
from physioaffect.devices.stamps import Placement, Rate, place_rows
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

__all__ = ["read_csv"]

Array = NDArray[np.float64]


def read_csv(path: Path | str, csv_map: CsvMap) -> DeviceSession:
    r"""Read a text table, which may be compressed with gzip.

    Parameters
    ----------
    path : path
        The file.
    csv_map : CsvMap
        What it holds. Columns that it does not name are passed over unread.

    Returns
    -------
    DeviceSession
        Time 0 is the first sample of any signal (of the first event where there is no signal). Samples stand
        on an even grid, see `physioaffect.devices.stamps.place_rows`; nothing is interpolated. An instant
        without a row is NaN and flagged `Flag.GAP`, a cell without a number is NaN. Scatter of the time
        stamps, gaps and rows that share an instant are told in ``notes``. Tags have the number in their
        cell, or where a cell is no number the number of its text in order of appearance, from 1, told in
        ``notes``.

    Raises
    ------
    DataError
        If the file cannot be read, is in another encoding, lacks a column, has a broken line (which is
        named), or its time stamps cannot be those of the map.

    Notes
    -----
    Beats from an interval column are at the time of their row, as the device wrote it; whether times and
    intervals agree is for the beat steps to find out.

    Examples
    --------
    >>> from physioaffect.devices.csv_map import SignalMap, TimeMap
    >>> csv_map = CsvMap(
    ...     time=TimeMap(column="t", unit="s"),
    ...     signals=(SignalMap(name="hr", columns=("pulse",), unit="bpm"),),
    ... )
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "pulse.csv")
    ...     _ = path.write_text("t,pulse\n1600000000,61\n1600000001,62\n1600000003,63\n")
    ...     session = read_csv(path, csv_map)
    >>> session.started_at.isoformat(), session.signals["hr"].data
    ('2020-09-13T12:26:40+00:00', array([[61., 62., nan, 63.]]))
    """
    path = Path(path)
    layout = Layout(**{field.name: getattr(csv_map, field.name) for field in fields(Layout)})
    table = open_table(path, layout)
    rows = _Rows(table, csv_map)
    notes: list[str] = []
    signals: dict[str, Signal | Events] = {}
    for signal_map in csv_map.signals:
        if (signal := rows.signal(signal_map, notes)) is not None:
            signals[signal_map.name] = signal
    for event_map in csv_map.events:
        signals[event_map.kind] = rows.events(event_map, notes)
    if csv_map.signals and not any(isinstance(signal, Signal) for signal in signals.values()):
        raise DataError(
            f"{path} has no value in any column of a signal. Correct the map, or export it again."
        )
    return _session(csv_map.device, rows.clock, signals, notes)


class _Rows:
    """The parsed columns of a table, the same for one measurement a row and for many."""

    def __init__(self, table: TextTable, csv_map: CsvMap) -> None:
        self.csv_map = csv_map
        self.path = table.path
        self.first_line = table.first_line
        self._placements: list[tuple[tuple[Rate, bool], NDArray[np.intp], Placement]] = []
        time = csv_map.time
        kinds: dict[str, type] = {}
        if csv_map.key:
            kinds |= {csv_map.key: str, csv_map.value: str}
        else:
            kinds |= dict.fromkeys([event.column for event in csv_map.events], str)
            kinds |= dict.fromkeys([flag.column for flag in csv_map.flags], float)
            for signal in csv_map.signals:
                kinds |= dict.fromkeys(signal.columns, float)
        if time is not None:
            kinds[time.column] = str if time.unit == "text" else float
        self.columns = table.columns(kinds)
        self.clock = None if time is None else row_clock(time, table, self.columns[time.column])

    def signal(self, about: SignalMap, notes: list[str]) -> Signal | None:
        """Place one signal on its grid; None, with a note, if it has no value at all."""
        rows, data = self._samples(about)
        what = f"{self.path.name}, signal {about.name}"
        if not len(rows):
            notes.append(f"{what} has no value and is left out.")
            return None
        if self.clock is None:
            assert isinstance(about.sfreq, float | int)
            sfreq, start, places, n_times = float(about.sfreq), 0.0, rows, int(rows[-1]) + 1
        else:
            first = self.clock.times[rows[0]]
            placed = self._placed(about, rows, what, notes)
            sfreq, start, places, n_times = placed.sfreq, first + placed.start, placed.places, placed.n_times
        flags = self._flags(about, rows)
        if about.shared != "refuse":
            is_kept = (
                np.diff(places, prepend=-1) > 0
                if about.shared == "first"
                else np.diff(places, append=n_times) > 0
            )
            places, data, flags = places[is_kept], data[:, is_kept], flags[is_kept]
        if len(places) < n_times:
            on_grid = np.full((len(data), n_times), np.nan)
            on_grid[:, places] = data
            flags_on_grid = np.full(n_times, np.uint8(Flag.GAP))
            flags_on_grid[places] = flags
            data, flags = on_grid, flags_on_grid
        return Signal(
            data=about.convert(np.ascontiguousarray(data[:, :: about.every])),
            sfreq=sfreq / about.every,
            ch_names=about.ch_names,
            kind=about.kind,
            unit=about.unit_out,
            start=float(start),
            flags=np.ascontiguousarray(flags[:: about.every]),
        )

    def _placed(self, about: SignalMap, rows: NDArray[np.intp], what: str, notes: list[str]) -> Placement:
        """Place rows, once for all signals that stand in the same ones."""
        key = (about.sfreq, about.shared != "refuse")
        for known_key, known_rows, placed in self._placements:
            if known_key == key and np.array_equal(known_rows, rows):
                return placed
        time = self.csv_map.time
        assert time is not None
        assert self.clock is not None
        placed = place_rows(
            self.clock.times[rows] - self.clock.times[rows[0]],
            stamps_are=time.stamps,
            sfreq=about.sfreq,
            tolerance=time.tolerance,
            may_share=about.shared != "refuse",
            what=what,
            lines=rows + self.first_line,
        )
        notes.extend(placed.notes)
        self._placements.append((key, rows, placed))
        return placed

    def events(self, about: EventMap, notes: list[str]) -> Events:
        """Give the cells of an event column that are not empty, in order of time."""
        rows, cells = self._cells(about.column)
        is_event = np.array([cell not in about.ignore for cell in cells], dtype=bool)
        rows, cells = rows[is_event], [cell for cell, kept in zip(cells, is_event, strict=True) if kept]
        assert self.clock is not None
        times = self.clock.times[rows]
        if np.isnan(times).any():
            row = int(rows[np.flatnonzero(np.isnan(times))[0]])
            raise DataError(
                f"{self.path}: the event in line {self.first_line + row} has no time. Mend that line."
            )
        values = self._values(about, rows, cells, notes)
        if np.any(np.diff(times) < 0):
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
            notes.append(f"{self.path.name}: {about.kind} were not in order of time and have been sorted.")
        if about.kind == "ibi":
            return Events.of_intervals(times, values)
        return Events(times=times, values=values, kind=about.kind)

    def _samples(self, about: SignalMap) -> tuple[NDArray[np.intp], Array]:
        """Rows that belong to a signal, and their numbers, shape (n_channels, n_rows)."""
        if self.csv_map.key:
            rows, cells = self._cells(about.columns[0])
            return rows, self._numbers(rows, cells)[np.newaxis]
        data = np.stack([self.columns[name] for name in about.columns])
        if self.clock is None:
            return np.arange(data.shape[1]), data
        has_value = np.isfinite(data).any(axis=0)
        if has_value.all():
            return np.arange(data.shape[1]), data
        rows = np.flatnonzero(has_value)
        return rows, data[:, rows]

    def _cells(self, name: str) -> tuple[NDArray[np.intp], list[str]]:
        """Rows in which a column (or a key) has a text, and these texts."""
        import pyarrow.compute as pc  # noqa: PLC0415

        if self.csv_map.key:
            is_this = pc.fill_null(pc.equal(self.columns[self.csv_map.key], name), False)
            column = self.columns[self.csv_map.value]
            is_present = pc.and_(is_this, pc.is_valid(column))
        else:
            column = self.columns[name]
            is_present = pc.is_valid(column)
        rows = np.flatnonzero(is_present.to_numpy(zero_copy_only=False))
        return rows, column.filter(is_present).to_pylist()

    def _numbers(self, rows: NDArray[np.intp], cells: list[str]) -> Array:
        numbers = np.empty(len(cells))
        for index, cell in enumerate(cells):
            try:
                numbers[index] = float(cell.replace(self.csv_map.decimal, "."))
            except ValueError:
                numbers[index] = np.inf
        if np.isinf(numbers).any():
            index = int(np.flatnonzero(np.isinf(numbers))[0])
            raise DataError(
                f"{self.path} has {cells[index][:40]!r} in line {self.first_line + rows[index]}; expected a "
                "number. Mend that line."
            )
        return numbers

    def _values(self, about: EventMap, rows: NDArray[np.intp], cells: list[str], notes: list[str]) -> Array:
        if about.kind == "ibi":
            return self._numbers(rows, cells) * SECONDS[about.unit]
        try:
            return self._numbers(rows, cells)
        except DataError:
            names = {cell: float(number) for number, cell in enumerate(dict.fromkeys(cells), start=1)}
        shown = ", ".join(f"{number:g} = {name[:40]}" for name, number in list(names.items())[:20])
        notes.append(f"{self.path.name}: tags are {shown}{' and more' if len(names) > 20 else ''}.")
        return np.array([names[cell] for cell in cells])

    def _flags(self, about: SignalMap, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        flags = np.zeros(len(rows), dtype=np.uint8)
        for flag in self.csv_map.flags:
            if not flag.signals or about.name in flag.signals:
                flags[np.isin(self.columns[flag.column][rows], flag.bad)] |= np.uint8(flag.flag)
        return flags


def _session(
    device: str, clock: RowClock | None, signals: dict[str, Signal | Events], notes: list[str]
) -> DeviceSession:
    """Make the first sample time 0."""
    starts = [signal.start for signal in signals.values() if isinstance(signal, Signal)]
    if not starts:
        starts = [float(e.times[0]) for e in signals.values() if isinstance(e, Events) and len(e.times)]
    first = min(starts, default=0.0)
    started_at: datetime | None = None
    if clock is not None and clock.zero is not None:
        started_at = clock.zero + timedelta(seconds=first)
        if started_at.tzinfo is None:
            notes.append(
                f"Time 0 is {started_at.isoformat(sep=' ', timespec='milliseconds')} by a local clock; the "
                "file does not tell its zone, so that UTC is not known."
            )
            started_at = None
    elif clock is not None:
        notes.append(f"Time 0 is {first:.9g} s by the clock of the file, which does not tell UTC.")
    offset = None if clock is None else clock.utc_offset
    moved = {name: _moved(signal, -first) for name, signal in signals.items()}
    return DeviceSession(device, started_at, offset, moved, None, tuple(notes))


def _moved(signal: Signal | Events, by: float) -> Signal | Events:
    if isinstance(signal, Signal):
        return replace(signal, start=signal.start + by)
    return replace(signal, times=signal.times + by)
