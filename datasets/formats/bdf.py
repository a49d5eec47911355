"""BDF files (BioSemi, 24 bits): the header, and samples of chosen channels without reading the rest.

Not with mne: it decides by a channel's name and the spelling of its unit how to scale it, hides high bits of
the status channel, and answers damaged headers with whatever error comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["Bdf", "BdfChannel", "open_bdf"]

_MAGIC = b"\xffBIOSEMI"
_MOST_CHANNELS = 1024
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)  # Bytes per channel of each field of the header.
_ADVICE = "The file is damaged or no BDF: copy or download it again."


class BdfChannel(NamedTuple):
    """What the header says of a channel: physical values are ``counts * scale + shift`` in ``unit``."""

    name: str
    unit: str
    scale: float
    shift: float
    n_per_record: int


class Bdf(NamedTuple):
    """An opened file; ``record`` is the length of a record in seconds."""

    path: Path
    channels: tuple[BdfChannel, ...]
    n_records: int
    record: float

    def channel(self, name: str) -> BdfChannel:
        """Find a channel by name; a `DataError` says which there are, or that there are several."""
        named = [channel for channel in self.channels if channel.name == name]
        if len(named) > 1:
            raise DataError(
                f"{self.path} has {len(named)} channels {name!r}; nobody knows which is meant. Use the file "
                "as distributed."
            )
        if named:
            return named[0]
        raise DataError(
            f"{self.path} has no channel {name!r}; it has {', '.join(c.name for c in self.channels[:60])}."
        )

    def sfreq(self, name: str) -> float:
        """Samples per second of a channel."""
        return self.channel(name).n_per_record / self.record

    def counts(self, name: str) -> NDArray[np.int32]:
        """Read one channel as stored, shape (n_times,)."""
        counts: NDArray[np.int32] = self._read([name])[0]
        return counts

    def physical(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Read channels of one rate in the units of the header, shape (n_channels, n_times)."""
        channels = [self.channel(name) for name in names]
        if len({channel.n_per_record for channel in channels}) > 1:
            raise DataError(f"{self.path} has {', '.join(names)} at different rates. {_ADVICE}")
        scale, shift = (np.array([[c[field]] for c in channels]) for field in (2, 3))
        return np.asarray(self._read(names) * scale + shift, dtype=np.float64)

    def _read(self, names: Sequence[str]) -> NDArray[np.int32]:
        begins = np.cumsum([0, *(3 * channel.n_per_record for channel in self.channels)])
        record_bytes = int(begins[-1])
        try:
            raw = np.memmap(
                self.path,
                dtype=np.uint8,
                mode="r",
                offset=256 * (len(self.channels) + 1),
                shape=(self.n_records, record_bytes),
            )
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path} cannot be read ({error}). {_ADVICE}") from None
        rows = []
        for name in names:
            index = self.channels.index(self.channel(name))
            bytes_of = raw[:, begins[index] : begins[index + 1]].reshape(-1, 3)
            # The three bytes go to the top of four, so that shifting them back extends the sign.
            padded = np.zeros((len(bytes_of), 4), dtype=np.uint8)
            padded[:, 1:] = bytes_of
            rows.append(padded.view("<i4")[:, 0] >> 8)
        return np.stack(rows).astype(np.int32)


def _number(text: bytes, path: Path, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise DataError(f"{path} has {text!r} as {what} in its header; expected a number. {_ADVICE}")
    return value


def _channels(head: bytes, n_channels: int, path: Path) -> tuple[BdfChannel, ...]:
    columns, at = [], 0
    for width in _FIELDS:
        columns.append([head[at + i * width : at + (i + 1) * width].strip(b" \0") for i in range(n_channels)])
        at += width * n_channels
    channels = []
    for name, _, unit, *limits, _, n_samples, _ in zip(*columns, strict=True):
        low, high, dlow, dhigh = (_number(text, path, "a limit of a channel") for text in limits)
        n_per_record = _number(n_samples, path, "the number of samples")
        if dlow >= dhigh or low == high or n_per_record != int(n_per_record) or n_per_record < 1:
            raise DataError(f"{path} has limits or a rate of {name[:16]!r} that cannot be. {_ADVICE}")
        scale = (high - low) / (dhigh - dlow)
        channels.append(
            BdfChannel(
                name.decode("latin1"), unit.decode("latin1"), scale, low - scale * dlow, int(n_per_record)
            )
        )
    return tuple(channels)


def open_bdf(path: Path) -> Bdf:
    """Read the header of a BDF file and compare what it announces with the file's length.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Bdf

    Raises
    ------
    DataError
        If it is no BDF file, or longer or shorter than it announces.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            main = stream.read(256)
            n_channels = int(main[252:256]) if main[252:256].strip().isdigit() else 0
            head = stream.read(256 * n_channels) if n_channels <= _MOST_CHANNELS else b""
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. Copy the file again.") from None
    if main[:8] != _MAGIC or not 1 <= n_channels <= _MOST_CHANNELS or len(head) != 256 * n_channels:
        raise DataError(f"{path} ({size} bytes) does not begin with the header of a BDF file. {_ADVICE}")
    channels = _channels(head, n_channels, path)
    n_records = _number(main[236:244], path, "the number of records")
    record = _number(main[244:252], path, "the length of a record")
    announced = 256 * (n_channels + 1) + n_records * 3 * sum(c.n_per_record for c in channels)
    if n_records < 1 or record <= 0 or announced != size:
        raise DataError(
            f"{path} has {size} bytes, but its header announces {n_records:g} records, that is "
            f"{announced:.0f} bytes. {_ADVICE}"
        )
    return Bdf(path, channels, int(n_records), record)
