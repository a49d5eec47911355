"""Recordings of Muse headbands by the app Mind Monitor: one csv file, one row for each EEG sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from physioaffect.devices._text_table import head_of, split_line
from physioaffect.devices.csv_file import read_csv
from physioaffect.devices.csv_map import CsvMap, EventMap, FlagMap, SignalMap, TimeMap
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError

__all__ = ["is_muse", "muse_map", "read_muse"]

_ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
# Muse 2016, 2 and S; the headband of 2014.
_RATES = (256.0, 220.0)
# The app repeats the last value of the slow sensors in every row. In its recordings new ones come 17 times a
# second, one for each packet of three samples, so that every 16th row holds nearly all of them.
_ROWS_PER_MOTION = 16
_BAD_CONTACT = 4.0  # The horseshoe indicator: 1 good, 2 fair, 4 bad.


def is_muse(header: tuple[str, ...]) -> bool:
    """Whether these names of columns are those of Mind Monitor.

    Parameters
    ----------
    header : tuple of str
        The cells of a table's first line.

    Examples
    --------
    >>> is_muse(("TimeStamp", "Delta_TP9", "RAW_TP9")), is_muse(("time", "TP9"))
    (True, False)
    """
    return "TimeStamp" in header and any(f"RAW_{name}" in header for name in _ELECTRODES)


def read_muse(
    path: Path | str, *, zone: str | None = None, ch_names: Sequence[str] = _ELECTRODES
) -> DeviceSession:
    r"""Read one recording.

    Parameters
    ----------
    path : path
        The csv file (unzipped), recorded with raw EEG and the interval "constant".
    zone : str, optional
        Time zone of the phone, ``"+02:00"`` or ``"Europe/Berlin"``: the file has local time only. Without it
        the session does not tell UTC.
    ch_names : sequence of str
        Electrodes to take, of TP9, AF7, AF8 and TP10. One with bad contact flags all channels, as flags
        belong to samples: read a headband with one bad electrode without that electrode.

    Returns
    -------
    DeviceSession
        ``eeg`` (V; with the amplifier's offset of about 0.8 mV), ``acc`` (g) and ``gyro`` (deg/s), both at a
        sixteenth of the EEG's rate, and ``tags`` where the app saw blinks, clenched jaws or presses of its
        button, whose names are in ``notes``. Samples are flagged `Flag.OFF_BODY` where the headband is off,
        and EEG where the contact of an electrode taken is bad. The app's band powers are left out.

    Raises
    ------
    DataError
        If this is no such file, or it is broken.

    Notes
    -----
    Rows come in bundles over Bluetooth and have the time at which the phone wrote them, so samples are
    counted, at 256 Hz (220 Hz for the headband of 2014), and absolute time is known to some 50 ms only.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = [f"2021-04-05 15:48:{4 + n / 256:06.3f},800,810,820,830" for n in range(256)]
    ...     path = Path(folder, "museMonitor.csv")
    ...     _ = path.write_text("\n".join(["TimeStamp,RAW_TP9,RAW_AF7,RAW_AF8,RAW_TP10", *rows, ""]))
    ...     session = read_muse(path, zone="Europe/Berlin")
    >>> session.utc_offset, session.signals["eeg"].data.shape, session.signals["eeg"].unit
    (datetime.timedelta(seconds=7200), (4, 256), 'V')
    """
    path = Path(path)
    return read_csv(path, muse_map(path, zone=zone, ch_names=ch_names))


def muse_map(path: Path | str, *, zone: str | None = None, ch_names: Sequence[str] = _ELECTRODES) -> CsvMap:
    r"""Tell from its header what a recording's columns are; arguments as for `read_muse`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "museMonitor.csv")
    ...     _ = path.write_text("TimeStamp,RAW_TP9,RAW_AF7,RAW_AF8,RAW_TP10\n")
    ...     found = muse_map(path, ch_names=("AF7", "AF8"))
    >>> [(signal.name, signal.columns) for signal in found.signals]
    [('eeg', ('RAW_AF7', 'RAW_AF8'))]
    """
    path = Path(path)
    if unknown := [name for name in ch_names if name not in _ELECTRODES]:
        raise ValueError(f"A Muse has no electrode {unknown[0]!r}: choose from {', '.join(_ELECTRODES)}.")
    header = split_line(head_of(path, 1)[0].rstrip("\r"), ",", path)
    raw = tuple(f"RAW_{name}" for name in ch_names)
    if "TimeStamp" not in header or not raw or not set(raw) <= set(header):
        raise DataError(
            f"{path} is no recording of Mind Monitor with raw EEG: expected the columns TimeStamp and "
            f"{', '.join(raw) or 'RAW_TP9'}, got {', '.join(header)[:200]}. Record with raw EEG switched on."
        )
    signals = [SignalMap(name="eeg", columns=raw, ch_names=tuple(ch_names), unit="uV", sfreq=_RATES)]
    for name, stem, unit in (("acc", "Accelerometer", "g"), ("gyro", "Gyro", "deg/s")):
        columns = tuple(f"{stem}_{axis}" for axis in "XYZ")
        if set(columns) <= set(header):
            axes = tuple(f"{name.upper()}_{axis}" for axis in "XYZ")
            signals.append(
                SignalMap(
                    name=name, columns=columns, ch_names=axes, unit=unit, sfreq=_RATES, every=_ROWS_PER_MOTION
                )
            )
    flags = [FlagMap(column="HeadBandOn", bad=(0.0,))] if "HeadBandOn" in header else []
    flags += [
        FlagMap(column=f"HSI_{name}", bad=(_BAD_CONTACT,), signals=("eeg",))
        for name in ch_names
        if f"HSI_{name}" in header
    ]
    return CsvMap(
        device="Muse",
        time=TimeMap(column="TimeStamp", unit="text", zone=zone, stamps="received"),
        signals=tuple(signals),
        events=(EventMap(column="Elements", kind="tags"),) if "Elements" in header else (),
        flags=tuple(flags),
        may_end_early=True,
    )
