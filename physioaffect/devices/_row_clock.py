"""The time of every row of a text table, from numbers, counters or dates in text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._text_table import TextTable
from physioaffect.devices._units import SECONDS
from physioaffect.devices.csv_map import TimeMap, zone_of
from physioaffect.errors import DataError

__all__ = ["RowClock", "row_clock"]

Array = NDArray[np.float64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 1973 to 2262, the last year that nanoseconds reach: dates in other units lie outside.
_FIRST_SECOND, _LAST_SECOND = 10**8, 9_214_646_400
_HAS_ZONE = re.compile(r"(Z|[+-]\d\d(:?\d\d)?)$")
_HOUR = 3600


class RowClock(NamedTuple):
    """Time of rows.

    Parameters
    ----------
    times : ndarray, shape (n_rows,)
        Seconds after ``zero``; NaN where a row has none.
    zero : datetime or None
        In UTC; in local time and without a zone where the table does not tell UTC; None for a counter.
    utc_offset : timedelta or None
        Local time minus UTC at the first row.
    """

    times: Array
    zero: datetime | None = None
    utc_offset: timedelta | None = None


def row_clock(time: TimeMap, table: TextTable, cells: Any) -> RowClock:
    """Read the column of time.

    Parameters
    ----------
    time : TimeMap
        What it is.
    table : TextTable
        For messages.
    cells : array
        Of numbers, or for dates a pyarrow array of strings.
    """
    if time.unit == "text":
        return _from_text(time, table, cells)
    present = np.isfinite(cells)
    if not present.any():
        raise DataError(f"{table.path}: column {time.column!r} holds no time at all. Correct the map.")
    if time.since == "start":
        return RowClock(cells * time.tick)
    first = float(cells[present][0]) * time.tick
    seconds = cells[present] * time.tick
    if not (is_date := (seconds >= _FIRST_SECOND) & (seconds <= _LAST_SECOND)).all():
        row = int(np.flatnonzero(present)[np.flatnonzero(~is_date)[0]])
        fitting = [
            unit for unit, by in SECONDS.items() if _FIRST_SECOND <= float(cells[row]) * by <= _LAST_SECOND
        ]
        cure = f"They could be {' or '.join(fitting)}." if fitting else "A counter has since = 'start'."
        raise DataError(
            f"{table.path} has the time {cells[row]!r} in line {table.first_line + row}; expected "
            f"{time.unit!r} since 1970. {cure} Correct the map or the line."
        )
    whole = int(first)
    # Whole seconds are whole numbers of ticks of the usual units, so that this difference is exact.
    times = (cells - whole / time.tick) * time.tick
    return RowClock(times, _EPOCH + timedelta(seconds=whole))


def _from_text(time: TimeMap, table: TextTable, cells: Any) -> RowClock:
    first = next((cell.as_py() for cell in cells if cell.is_valid), None)
    if first is None:
        raise DataError(f"{table.path}: column {time.column!r} holds no time at all. Correct the map.")
    if time.pattern is None:
        nanoseconds, offset = _iso(first, table, cells)
    else:
        nanoseconds, offset = _by_pattern(time.pattern, table, cells)
    is_missing = nanoseconds == np.iinfo(np.int64).min
    is_local = offset is None
    if is_local and time.zone is not None:
        nanoseconds, offset = _to_utc(nanoseconds, is_missing, zone_of(time.zone), table)
        is_local = False
    seconds = nanoseconds[~is_missing] / 1e9
    if seconds.min() < _FIRST_SECOND or seconds.max() > _LAST_SECOND:
        row = int(np.flatnonzero(~is_missing)[(seconds < _FIRST_SECOND) | (seconds > _LAST_SECOND)][0])
        raise DataError(
            f"{table.path} has the date {cells[row].as_py()!r} in line {table.first_line + row}; expected "
            "one from 1973 to 2261. Correct the line."
        )
    whole = int(nanoseconds[~is_missing][0] // 10**9)
    times = np.where(is_missing, np.nan, (nanoseconds - whole * 10**9) / 1e9)
    zero = _EPOCH + timedelta(seconds=whole)
    return RowClock(times, zero.replace(tzinfo=None) if is_local else zero, offset)


def _iso(first: str, table: TextTable, cells: Any) -> tuple[NDArray[np.int64], timedelta | None]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    zoned = _HAS_ZONE.search(first.strip()[10:])
    kind = pa.timestamp("ns", tz="UTC") if zoned else pa.timestamp("ns")
    try:
        instants = pc.cast(pc.utf8_trim_whitespace(cells), kind)
    except pa.ArrowInvalid:
        for row, cell in enumerate(cells):
            try:
                pc.cast(pa.array([cell.as_py()], pa.string()), kind)
            except pa.ArrowInvalid:
                raise _no_date(table, row, cell.as_py(), zoned is not None) from None
        raise
    offset = None
    if zoned:
        try:
            offset = zone_of(zoned[1] if ":" in zoned[1] or zoned[1] == "Z" else f"{zoned[1]:0<5}").utcoffset(
                None
            )
        except ValueError:
            raise _no_date(table, 0, first, True) from None
    missing = np.iinfo(np.int64).min
    return instants.cast(pa.int64()).fill_null(missing).to_numpy(zero_copy_only=False), offset


def _no_date(table: TextTable, row: int, cell: str, is_zoned: bool) -> DataError:
    example = "2021-04-05T15:48:04.834+02:00" if is_zoned else "2021-04-05 15:48:04.834"
    return DataError(
        f"{table.path} has {cell[:60]!r} for the time in line {table.first_line + row}; expected a date such "
        f"as {example}, as in the lines above. State a pattern in the map, or mend the line."
    )


def _by_pattern(pattern: str, table: TextTable, cells: Any) -> tuple[NDArray[np.int64], timedelta | None]:
    instants = np.empty(len(cells), dtype=np.int64)
    offset: timedelta | None = None
    for row, cell in enumerate(cells.to_pylist()):
        if cell is None:
            instants[row] = np.iinfo(np.int64).min
            continue
        try:
            moment = datetime.strptime(cell.strip(), pattern)
        except ValueError:
            raise DataError(
                f"{table.path} has {cell[:60]!r} for the time in line {table.first_line + row}; expected "
                f"{pattern!r}. Correct the pattern in the map, or mend the line."
            ) from None
        if offset is None:
            offset = moment.utcoffset()
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        instants[row] = (since // timedelta(microseconds=1)) * 1000
    return instants, offset


def _to_utc(
    local: NDArray[np.int64], is_missing: NDArray[np.bool_], zone: Any, table: TextTable
) -> tuple[NDArray[np.int64], timedelta]:
    """Take the offset of a zone from each local time; it is the same throughout an hour."""
    hours = local // (_HOUR * 10**9)
    offsets: dict[int, timedelta] = {}
    for hour in np.unique(hours[~is_missing]).tolist():
        moment = (_EPOCH + timedelta(hours=hour)).replace(tzinfo=zone)
        if moment.utcoffset() != moment.replace(fold=1).utcoffset():
            raise DataError(
                f"{table.path} has times in the hour from {moment:%Y-%m-%d %H:%M}, in which the clocks of "
                f"{zone} were changed, so that they are not unique. State zone as an offset, such as "
                "'+02:00'."
            )
        offsets[hour] = moment.utcoffset() or timedelta(0)
    keys = np.array(list(offsets))
    shifts = np.array([offset // timedelta(microseconds=1) * 1000 for offset in offsets.values()])
    found = np.minimum(np.searchsorted(keys, hours), len(keys) - 1)
    first = int(np.flatnonzero(~is_missing)[0])
    return np.where(is_missing, local, local - shifts[found]), offsets[int(hours[first])]
