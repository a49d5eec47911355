"""Which device a file or folder comes from, told by its content, and the reader that it needs."""

from __future__ import annotations

import gzip
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from physioaffect.devices._e4_files import E4_FILES, ZIP_ERRORS
from physioaffect.devices.session import DeviceSession, Sampled
from physioaffect.errors import DataError
from physioaffect.recording import Signal

if TYPE_CHECKING:
    from physioaffect.devices.csv_map import CsvMap

__all__ = ["FORMATS", "Format", "glance", "is_text_table", "map_beside", "read_device", "sniff"]

# As much of a file as is looked at: headers of all formats that begin with text are shorter.
_HEAD = 2**14
_TEXTS = (".csv", ".tsv", ".txt", ".dat")
_TIME_LINE = re.compile(rb"(\xef\xbb\xbf)?\s*\d{9,10}(\.\d*)?\s*[,\r\n]")
_FIRST_LINES = 3


class Format(NamedTuple):
    """One format: its title, whether a file with these first bytes is of it, and its reader.

    ``glance`` tells the sampled signals without reading all of a recording, where the format allows that.
    """

    title: str
    is_it: Callable[[Path, bytes], bool]
    read: Callable[[Sequence[Path]], DeviceSession]
    glance: Callable[[Path], dict[str, Sampled]] | None = None


def sniff(path: Path | str, *, csv_map: CsvMap | None = None) -> str | None:
    r"""Tell a recording's format from its content and layout, without reading all of it.

    Parameters
    ----------
    path : path
        A file or a folder.
    csv_map : CsvMap, optional
        Of text tables; those that have all its columns are recordings.

    Returns
    -------
    str or None
        A key of ``FORMATS``, or ``"csv"``; None if it is none of them. That a file is of a format does not
        promise that it is whole: a damaged zip counts as an export of the E4, so that its reader says what is
        wrong.

    Raises
    ------
    DataError
        If it cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "EDA.csv").write_text("1644226061.000000\n4.000000\n0.512\n")
    ...     _ = Path(folder, "notes.txt").write_text("Nothing to be read here.\n")
    ...     print(sniff(folder), sniff(Path(folder, "notes.txt")))
    e4 None
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "e4" if _is_e4_folder(path) else None
        if not stat.S_ISREG(mode):  # Opening a pipe would wait for ever.
            return None
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its name and its rights.") from None
    known = next((name for name, one in FORMATS.items() if one.is_it(path, head)), None)
    if known is None and csv_map is not None and _has_columns(path, head, csv_map):
        return "csv"
    return known


def read_device(path: Path | str | Sequence[Path], *, csv_map: CsvMap | None = None) -> DeviceSession:
    """Read one recording of any device that this package knows.

    Parameters
    ----------
    path : path or sequence of paths
        A file or folder of one of ``FORMATS``: an Empatica E4 export (zip or folder), EmbracePlus ``.avro``
        files (several of one person are joined), a text file of OpenSignals, EDF or BDF, XDF, an export of
        Shimmer or Muse; or a text table with a map.
    csv_map : CsvMap, optional
        What a text table holds. Default: the map beside it, ``physioaffect.toml``, which is not looked at
        for other formats.

    Returns
    -------
    DeviceSession
        As the format's own reader gives it. ``started_at`` is None where the device's clock does not say how
        far it is from UTC; what it said is then in ``notes``.

    Raises
    ------
    DataError
        If it is none of these, or damaged.

    Examples
    --------
    >>> read_device("no/such/file.zip")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    physioaffect.errors.DataError: no/such/file.zip cannot be read: No such file or directory. Check ...
    """
    paths = [Path(path)] if isinstance(path, Path | str) else list(path)
    name = sniff(paths[0], csv_map=csv_map)
    if name is None and csv_map is None:
        csv_map = map_beside(paths[0])
        name = sniff(paths[0], csv_map=csv_map)
    if name == "csv":
        from physioaffect.devices.csv_file import read_csv  # noqa: PLC0415

        assert csv_map is not None
        return read_csv(paths[0], csv_map)
    if name is None:
        raise DataError(
            f"{paths[0]} is no recording of a known format. Known are "
            f"{', '.join(known.title for known in FORMATS.values())}, and text tables with a map beside them."
        )
    return FORMATS[name].read(paths)


def glance(path: Path, *, csv_map: CsvMap | None = None) -> dict[str, Sampled]:
    r"""Tell which sampled signals a recording has, as cheaply as its format allows.

    Parameters
    ----------
    path, csv_map
        As in `read_device`.

    Returns
    -------
    dict of str to Sampled
        Of an E4, that the rest of its files can be read is not promised.

    Raises
    ------
    DataError
        If it is no recording, or what was looked at is damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "EDA.csv").write_text("1644226061.000000\n4.000000\n0.512\n")
    ...     glance(Path(folder))
    {'eda': Sampled(sfreq=4.0, ch_names=('EDA',), kind='eda', unit='uS')}
    """
    known = FORMATS.get(sniff(path, csv_map=csv_map) or "")
    if known is not None and known.glance is not None:
        return known.glance(path)
    signals = read_device(path, csv_map=csv_map).signals
    return {name: Sampled.of(signal) for name, signal in signals.items() if isinstance(signal, Signal)}


def map_beside(path: Path) -> CsvMap | None:
    r"""Read the map of text tables in a file's folder, if there is one; `DataError` if it is broken.

    Parameters
    ----------
    path : Path
        A recording; the map is the file ``physioaffect.toml`` beside it.

    Examples
    --------
    >>> import tempfile
    >>> lines = ["[time]", 'column = "t"', 'unit = "s"', "[[signals]]", 'name = "hr"']
    >>> lines += ['columns = ["pulse"]', 'unit = "bpm"']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "pulse.csv")
    ...     before = map_beside(path)
    ...     _ = Path(folder, "physioaffect.toml").write_text("\n".join(lines))
    ...     print(before, map_beside(path).signals[0].columns)
    None ('pulse',)
    """
    from physioaffect.devices.map_file import MAP_NAME, read_map  # noqa: PLC0415

    beside = path.parent / MAP_NAME
    return read_map(beside) if beside.is_file() else None


def _is_e4_folder(folder: Path) -> bool:
    """Whether it holds two of the E4's files, or one that begins with a time as the E4 writes it."""
    there = [folder / name for name in E4_FILES if (folder / name).is_file()]
    if len(there) != 1:
        return bool(there)
    with there[0].open("rb") as stream:
        return _TIME_LINE.match(stream.read(64)) is not None


def _is_e4_zip(path: Path, _head: bytes) -> bool:
    if path.suffix.lower() != ".zip":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except ZIP_ERRORS:
        return True
    return any(PurePosixPath(name.replace("\\", "/")).name in E4_FILES for name in names)


def _is_avro(path: Path, head: bytes) -> bool:
    return head.startswith(b"Obj\x01") or path.suffix.lower() == ".avro"


def _is_opensignals(_path: Path, head: bytes) -> bool:
    return b"OpenSignals Text File Format" in head[:64]


def _is_edf(path: Path, head: bytes) -> bool:
    return head[:8] in (b"0       ", b"\xffBIOSEMI") or path.suffix.lower() in (".edf", ".bdf")


def _is_xdf(path: Path, head: bytes) -> bool:
    return head.startswith(b"XDF:") or path.suffix.lower() in (".xdf", ".xdfz")


def _headers(path: Path, head: bytes) -> list[tuple[str, ...]]:
    """The first lines of a text table, cut into names; none of another file."""
    if path.suffix.lower() not in _TEXTS:
        return []
    lines = head.decode("utf-8-sig", "replace").splitlines()[:_FIRST_LINES]
    return [tuple(name.strip().strip('"') for name in re.split("[,;\t]", line)) for line in lines]


def _is_shimmer(path: Path, head: bytes) -> bool:
    from physioaffect.devices.shimmer import is_shimmer  # noqa: PLC0415

    return any(is_shimmer(names) for names in _headers(path, head))


def _is_muse(path: Path, head: bytes) -> bool:
    from physioaffect.devices.muse import is_muse  # noqa: PLC0415

    return any(is_muse(names) for names in _headers(path, head))


def is_text_table(path: Path) -> bool:
    """Whether a file is called as text tables are, compressed ones too.

    Examples
    --------
    >>> [is_text_table(Path(name)) for name in ("a.csv", "a.TSV.gz", "a.xlsx")]
    [True, True, False]
    """
    return any(suffix.lower() in _TEXTS for suffix in (path.suffix, path.with_suffix("").suffix))


def _has_columns(path: Path, head: bytes, csv_map: CsvMap) -> bool:
    """Whether a text table's first bytes hold every name that the map speaks of; true if it has no header."""
    if path.suffix.lower() == ".gz":
        try:
            head = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(head, _HEAD)
        except (zlib.error, gzip.BadGzipFile):
            return False
    if not is_text_table(path):
        return False
    if csv_map.header_line == 0 or csv_map.key:
        return True
    text = head.decode(csv_map.encoding, "replace")
    own = [csv_map.time.column] if csv_map.time else []
    own += [name for signal in csv_map.signals for name in signal.columns]
    return all(name in text for name in own)


def _read_e4(paths: Sequence[Path]) -> DeviceSession:
    from physioaffect.devices.empatica import read_e4  # noqa: PLC0415

    lost: list[str] = []
    started_at, signals = read_e4(paths[0], report=lost.append)
    return DeviceSession("Empatica E4", started_at, None, signals, notes=tuple(lost), lost=tuple(lost))


def _glance_e4(path: Path) -> dict[str, Sampled]:
    from physioaffect.devices.empatica import glance_e4  # noqa: PLC0415

    return glance_e4(path)


def _read_avro(paths: Sequence[Path]) -> DeviceSession:
    from physioaffect.devices.embraceplus import read_embraceplus  # noqa: PLC0415

    return read_embraceplus(paths)


def _read_opensignals(paths: Sequence[Path]) -> DeviceSession:
    from physioaffect.devices.respiban import read_respiban  # noqa: PLC0415

    started_local, signals = read_respiban(paths[0])
    return DeviceSession("RespiBAN", None, None, {**signals}, notes=_local(started_local))


def _read_edf(paths: Sequence[Path]) -> DeviceSession:
    from physioaffect.devices.edf import read_edf  # noqa: PLC0415

    recorded_at, signals, annotations = read_edf(paths[0])
    started_at = recorded_at.astimezone(UTC) if recorded_at and recorded_at.tzinfo else None
    notes = () if started_at else _local(recorded_at)
    notes += tuple(f"{note.onset:g} s after the start the file says: {note.text}" for note in annotations)
    return DeviceSession("EDF", started_at, None, {**signals}, notes=notes)


def _local(clock: datetime | None) -> tuple[str, ...]:
    if clock is None:
        return ()
    return (
        f"The device's clock said {clock:%Y-%m-%d %H:%M:%S}, in a time zone that the file does not tell.",
    )


def _read_xdf(paths: Sequence[Path]) -> DeviceSession:
    from physioaffect.devices.xdf import read_xdf  # noqa: PLC0415

    return read_xdf(paths[0])


def _read_shimmer(paths: Sequence[Path]) -> DeviceSession:
    from physioaffect.devices.shimmer import read_shimmer  # noqa: PLC0415

    return read_shimmer(paths[0])


def _read_muse(paths: Sequence[Path]) -> DeviceSession:
    from physioaffect.devices.muse import read_muse  # noqa: PLC0415

    return read_muse(paths[0])


FORMATS = {
    "e4": Format("Empatica E4", _is_e4_zip, _read_e4, _glance_e4),
    "embraceplus": Format("Empatica EmbracePlus", _is_avro, _read_avro),
    "opensignals": Format("OpenSignals (RespiBAN)", _is_opensignals, _read_opensignals),
    "edf": Format("EDF or BDF", _is_edf, _read_edf),
    "xdf": Format("XDF", _is_xdf, _read_xdf),
    "shimmer": Format("Shimmer", _is_shimmer, _read_shimmer),
    "muse": Format("Muse", _is_muse, _read_muse),
}
"""Formats by name, in the order in which they are asked."""
