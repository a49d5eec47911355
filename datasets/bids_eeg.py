"""EEG files of a BIDS data set, through mne-bids; what a stranger's header may not do is kept from it."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from physioaffect.errors import DataError

from .bids_recordings import Recording, channels_table
from .formats.matlab import browse

__all__ = ["read_raw", "reading"]


def _check_companions(header: Path) -> None:
    """Refuse a BrainVision header that names files of another folder: the names come from a stranger."""
    if header.suffix.lower() != ".vhdr":
        return
    with header.open("rb") as stream:
        text = stream.read(1 << 20).decode("utf-8", errors="replace")
    for name in re.findall(r"(?mi)^\s*(?:DataFile|MarkerFile)\s*=\s*(.*?)\s*$", text):
        if not name or re.search(r"[/\\]", name):
            raise _elsewhere(header, name)


def _check_eeglab(header: Path) -> None:
    """Refuse a damaged EEGLAB file by our own reader of MATLAB v5: over some of these SciPy's ends Python."""
    if header.suffix.lower() != ".set":
        return
    with header.open("rb") as stream:
        is_hdf5 = stream.read(10).startswith((b"\x89HDF", b"MATLAB 7.3"))
    if is_hdf5:
        return
    try:
        with browse(header, "EEG") as variables:
            for name in variables.shapes:
                variables.load(name)
    except DataError as error:
        raise DataError(f"{error} If it is sound, save it from EEGLAB as EDF or BrainVision.") from error


def _elsewhere(header: Path, name: str) -> DataError:
    return DataError(
        f"{header} names the file {name[-80:]!r}; expected a file of the same folder. Put the recording's "
        "files together and mend the names in the header."
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever the parsers of mne and of its libraries raise into a sentence."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be read by mne-bids: {str(error) or type(error).__name__}") from error


def read_raw(recording: Recording) -> Any:
    """Open the EEG file of a recording, which must have one, as mne's ``Raw``."""
    mne_bids: Any = importlib.import_module("mne_bids")  # An extra, and slow to import.
    assert recording.eeg is not None
    channels_table(recording)  # Its sentence is better than mne-bids'.
    _check_companions(recording.eeg)
    _check_eeglab(recording.eeg)
    with reading(recording.eeg):
        path = mne_bids.get_bids_path_from_fname(recording.eeg, verbose="error")
        path.update(root=recording.root)
        raw = mne_bids.read_raw_bids(path, verbose="error")
    # EEGLAB's headers name a file, too; its samples are read later.
    for name in map(str, raw.filenames):
        if Path(name).parent != recording.eeg.absolute().parent:
            raise _elsewhere(recording.eeg, name)
    return raw
