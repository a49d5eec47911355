"""Text exports of Shimmer3 sensors by Consensys: calibrated columns named after the sensor and the signal.

Such a file starts with an optional line ``"sep=;"``, then come the names of the columns
(``Shimmer_40AC_GSR_Skin_Conductance_CAL``), their units, and the samples.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from physioaffect.devices._text_table import head_of, split_line
from physioaffect.devices.csv_file import read_csv
from physioaffect.devices.csv_map import CsvMap, SignalMap, TimeMap
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError

__all__ = ["is_shimmer", "read_shimmer", "shimmer_map"]

# The rates that Consensys offers; the sensor divides a clock of 32,768 Hz.
_RATES = (1.0, 10.24, 51.2, 102.4, 128.0, 204.8, 256.0, 512.0, 1024.0)
_STAMP = "Timestamp_Unix"
_UNITS = {
    "m/(s^2)": "m/s2",
    "m/(sec^2)": "m/s2",
    "m/s^2": "m/s2",
    "deg/s": "deg/s",
    "deg/sec": "deg/s",
    "uS": "uS",
    "microS": "uS",
    "kOhms": "kOhm",
    "kohms": "kOhm",
    "mV": "mV",
    "Degrees Celsius": "degC",
    "Degrees Celcius": "degC",
}


class _Sensor(NamedTuple):
    name: str
    kind: str
    columns: tuple[tuple[str, ...], ...]  # Alternatives, the better one first.
    ch_names: tuple[str, ...]
    units: tuple[str, ...]


def _axes(stem: str) -> tuple[str, ...]:
    return tuple(f"{stem}_{axis}" for axis in "XYZ")


_SENSORS = (
    _Sensor(
        "eda",
        "eda",
        (("GSR_Skin_Conductance",), ("GSR",), ("GSR_Skin_Resistance",)),
        ("EDA",),
        ("uS", "kOhm"),
    ),
    # Of the two accelerometers, the low-noise one; its range is 2 g.
    _Sensor("acc", "acc", (_axes("Accel_LN"), _axes("Accel_WR")), _axes("ACC"), ("m/s2",)),
    _Sensor("gyro", "gyro", (_axes("Gyro"),), _axes("GYRO"), ("deg/s",)),
    _Sensor("ppg", "ppg", (("PPG_A13",), ("PPG_A12",), ("PPG",)), ("PPG",), ("mV",)),
)


def is_shimmer(header: tuple[str, ...]) -> bool:
    """Whether these names of columns are those of a Consensys export.

    Parameters
    ----------
    header : tuple of str
        The cells of a table's line of names.

    Examples
    --------
    >>> is_shimmer(("Shimmer_6A2C_Timestamp_Unix_CAL", "Shimmer_6A2C_GSR_Skin_Conductance_CAL"))
    True
    """
    return any(re.fullmatch(rf"\w*{_STAMP}(_CAL)?", name) for name in header)


def read_shimmer(path: Path | str, *, sfreq: float | None = None) -> DeviceSession:
    r"""Read one export.

    Parameters
    ----------
    path : path
        The file, with calibrated columns and Unix time stamps (both are choices of the export dialog).
    sfreq : float, optional
        Sampling rate in Hz. Default: the nearest one of those that Consensys offers.

    Returns
    -------
    DeviceSession
        ``eda`` (uS; from resistance where conductance was not exported), ``acc`` (g; low-noise accelerometer,
        else the wide-range one), ``gyro`` (deg/s) and ``ppg`` (unit unknown), as far as they were exported.
        Magnetometer, pressure, battery and the temperature of the circuit board are left out: the latter is
        not that of the skin.

    Raises
    ------
    DataError
        If this is no such export, a unit is another one, or the table is broken.

    Notes
    -----
    The time stamps are those of reception by the host as far as their scatter of half a sampling interval
    tells: samples are counted, and a stamp that is late by more than half a second, and stays so, is a gap.

    Examples
    --------
    >>> import tempfile
    >>> names = ["Shimmer_6A2C_Timestamp_Unix_CAL", "Shimmer_6A2C_GSR_Skin_Conductance_CAL"]
    >>> rows = [f"{1_600_000_000_000 + 1000 * n / 51.2:.1f}\t2.5" for n in range(512)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "session.csv")
    ...     _ = path.write_text("\n".join(["sep=\t", "\t".join(names), "ms\tuS", *rows, ""]))
    ...     session = read_shimmer(path)
    >>> session.signals["eda"].sfreq, session.signals["eda"].duration, session.signals["eda"].unit
    (51.2, 10.0, 'uS')
    """
    path = Path(path)
    return read_csv(path, shimmer_map(path, sfreq=sfreq))


def shimmer_map(path: Path | str, *, sfreq: float | None = None) -> CsvMap:
    r"""Tell from the head of a Consensys export what its columns are; arguments as for `read_shimmer`.

    Examples
    --------
    >>> import tempfile
    >>> names = ["Shimmer_6A2C_Timestamp_Unix_CAL", "Shimmer_6A2C_GSR_Skin_Resistance_CAL"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "session.csv")
    ...     _ = path.write_text("sep=\t\n" + "\t".join(names) + "\nms\tkOhms\n1600000000000.0\t400\n")
    ...     found = shimmer_map(path)
    >>> [(signal.name, signal.unit, signal.unit_out) for signal in found.signals]
    [('eda', 'kOhm', 'uS')]
    """
    path = Path(path)
    names, units, first_line, delimiter = _head(path)
    bare = {re.sub(r"_CAL$", "", name): index for index, name in enumerate(names)}
    stamp = next((name for name in bare if name.endswith(_STAMP)), None)
    if stamp is None:
        raise DataError(
            f"{path} is no export that can be placed in time: it has no column that ends in {_STAMP}_CAL. "
            "Export it from Consensys again with Unix time stamps and calibrated data."
        )
    prefix = stamp.removesuffix(_STAMP)
    if units[bare[stamp]] != "ms":
        raise DataError(f"{path} has time stamps in {units[bare[stamp]]!r}; expected ms. Export it again.")
    signals = []
    for sensor in _SENSORS:
        for columns in sensor.columns:
            if all(prefix + column in bare for column in columns):
                signals.append(
                    _signal(path, sensor, [bare[prefix + column] for column in columns], names, units, sfreq)
                )
                break
    if not signals:
        raise DataError(
            f"{path} has none of the calibrated columns of skin conductance, acceleration, gyroscope or PPG; "
            f"its columns are {', '.join(names)}. Export calibrated data."
        )
    return CsvMap(
        device="Shimmer",
        delimiter=delimiter,
        header_line=first_line - 2,
        first_line=first_line,
        time=TimeMap(column=names[bare[stamp]], unit="ms", stamps="received"),
        signals=tuple(signals),
    )


def _signal(
    path: Path,
    sensor: _Sensor,
    at: list[int],
    names: tuple[str, ...],
    units: tuple[str, ...],
    sfreq: float | None,
) -> SignalMap:
    unit = _UNITS.get(units[at[0]])
    if unit not in sensor.units or len({units[index] for index in at}) > 1:
        raise DataError(
            f"{path} has {names[at[0]]} in {units[at[0]]!r}; expected {' or '.join(sensor.units)}. Export "
            "calibrated data."
        )
    return SignalMap(
        name=sensor.name,
        columns=tuple(names[index] for index in at),
        ch_names=sensor.ch_names,
        unit="au" if sensor.kind == "ppg" else unit,
        sfreq=_RATES if sfreq is None else sfreq,
    )


def _head(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], int, str]:
    """Names and units of the columns, the first line with data, and the delimiter."""
    lines = head_of(path, 3)
    if found := re.fullmatch(r'"?sep=([;,|\t]|\\t)"?', lines[0].rstrip("\r")):
        delimiter = "\t" if found[1] == "\\t" else found[1]
        first = 1
    else:
        delimiter, first = max("\t;,", key=lines[0].count), 0
    names, units = (split_line(line, delimiter, path) for line in [*lines[first : first + 2], "", ""][:2])
    if len(names) < 2 or len(units) != len(names):
        raise DataError(
            f"{path} is no Consensys export: line {first + 1} names {len(names)} columns, line {first + 2} "
            f"has {len(units)} units. Export it again."
        )
    return names, units, first + 3, delimiter
