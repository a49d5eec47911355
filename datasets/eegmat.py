"""EEG during mental arithmetic (PhysioNet eegmat): rest against serial subtraction, as EDF files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from physioaffect.data_set import DataSet, Report, Task
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .eegmat_simulate import EQUIPMENT, simulate
from .folders import contents

__all__ = ["EEGMAT", "EEGMAT_WHOLE"]

_URL = "https://physionet.org/files/eegmat/1.0.0/"
_RECORDING = re.compile(r"(Subject\d\d)_[12]\.edf")
_OTHER_FILES = ("README.txt", "RECORDS", "subject-info.csv", "subject-info.xlsx")

_SFREQ = 500.0
# As in the files, which write "EEG T3"; T7 T8 P7 P8 are the present names of the last four.
_ELECTRODES = (
    *("Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4"),
    *("T5", "T6", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz"),
)
_NEW_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}

# Seconds at the end of every file that are padding: nearly flat, with jumps of up to 0.6 mV between.
_PADDING = 2.0
_SHORT = 60.0

# In volts; no electrode on the skin measures that, a damaged header may announce it.
_IMPOSSIBLE = 0.1

_TAGS = (
    "rest always precedes the task",
    "the authors cleaned each file by an ICA of its own",
    "rest is reported as eyes closed",
)


class _Pair(NamedTuple):
    rest: Path
    task: Path


def _folder(root: Path) -> Path:
    """Find the folder that holds the recordings: the root or its only subfolder that does."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}. Name the folder that holds Subject00_1.edf and the others.")
    holders = [
        folder for folder in (root, *sorted(root.iterdir())) if folder.is_dir() and _recordings(folder)
    ]
    if root in holders:
        return root
    if len(holders) == 1:
        return holders[0]
    raise DataError(
        f"{root} does not hold Subject00_1.edf, Subject00_2.edf and so on, but {contents(root)}. Name "
        f"the folder as distributed at {_URL}, or the one around it."
    )


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _RECORDING.fullmatch(path.name))


def _files(root: Path) -> Sequence[Path]:
    return _recordings(_folder(root))


def _open(root: Path) -> dict[str, _Pair]:
    paths = _files(root)
    subjects = sorted({path.stem.partition("_")[0] for path in paths})
    folder = paths[0].parent
    return {name: _Pair(folder / f"{name}_1.edf", folder / f"{name}_2.edf") for name in subjects}


def _check_size(path: Path) -> None:
    """Compare what the header announces with the file; mne would guess, silently or with a warning."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(256)
        try:
            n_header, n_records, n_channels = (
                int(head[a:b]) for a, b in ((184, 192), (236, 244), (252, 256))
            )
            stream.seek(256 + 216 * max(n_channels, 0))
            lengths = [int(stream.read(8)) for _ in range(n_channels)]
        except ValueError as error:
            raise DataError(
                f"{path.name} ({size} bytes) does not begin with the header of an EDF file. Fetch it again."
            ) from error
    announced = n_header + n_records * 2 * sum(lengths)
    if n_header != 256 * (n_channels + 1) or min([n_records, *lengths]) < 1 or announced != size:
        raise DataError(
            f"{path.name} has {size} bytes, but its header announces {n_records} records, that is "
            f"{announced} bytes. The file is incomplete or damaged: fetch it again."
        )


def _is_simulated(path: Path) -> bool:
    """Look at the name of the equipment in the header."""
    with path.open("rb") as stream:
        return EQUIPMENT.encode("ascii") in stream.read(168)[88:]


def _read(path: Path) -> dict[str, Signal]:
    """Read one file without its padding."""
    import mne  # noqa: PLC0415  It takes a second, which importing physioaffect.datasets must not.

    if not path.is_file():
        raise DataError(f"{path.name} is missing. A person has two files, rest (_1) and task (_2): fetch it.")
    expected = [*(f"EEG {name}" for name in _ELECTRODES), "ECG ECG"]
    try:
        _check_size(path)
        with mne.io.read_raw_edf(path, verbose="error") as raw:
            found, sfreq = raw.ch_names, raw.info["sfreq"]
            data = raw.get_data(picks=expected) if set(expected) <= set(found) else None
    except DataError:
        raise
    except Exception as error:  # mne raises whatever its parts do, even Exception itself.
        raise DataError(f"{path.name} is not a readable EDF file ({error}). Fetch it again.") from error
    if data is None:
        lacking = [name for name in expected if name not in found]
        raise DataError(
            f"{path.name} lacks the channels {', '.join(lacking)}; it has {', '.join(found)}. Use the files "
            "as distributed."
        )
    if sfreq != _SFREQ:
        raise DataError(
            f"{path.name} is sampled at {sfreq:g} Hz, expected {_SFREQ:g}: use it as distributed."
        )
    n_good = data.shape[1] - round(_PADDING * _SFREQ)
    if n_good < 1:
        raise DataError(
            f"{path.name} holds no more than the {_PADDING:g} s of padding at its end. Fetch it again."
        )
    good = data[:, :n_good]
    names = tuple(_NEW_NAMES.get(name, name) for name in _ELECTRODES)
    return {
        "eeg": Signal(data=good[:-1], sfreq=_SFREQ, ch_names=names, kind="eeg", unit="V"),
        "ecg": Signal(data=good[-1:], sfreq=_SFREQ, ch_names=("ECG",), kind="ecg", unit="V"),
    }


def _cut(path: Path, signals: dict[str, Signal], *, is_last: bool) -> dict[str, Signal]:
    """Take the last or the first minute."""
    duration = signals["eeg"].duration
    if duration < _SHORT:
        raise DataError(
            f"{path.name} lasts {duration:g} s without the {_PADDING:g} s of padding at its end, expected at "
            f"least {_SHORT:g} s. Use eegmat_whole for files of any length."
        )
    onset = duration - _SHORT if is_last else 0.0
    return {name: signal.crop(onset, onset + _SHORT, onset=onset) for name, signal in signals.items()}


def _check_plausible(path: Path, signals: dict[str, Signal]) -> None:
    for signal in signals.values():
        lowest, highest = signal.data.min(axis=1), signal.data.max(axis=1)
        is_odd = ~(np.maximum(-lowest, highest) < _IMPOSSIBLE)  # NaN, too.
        faults = {
            f"constant over all {signal.duration:g} s that would be used: nothing was recorded": lowest
            == highest,
            f"beyond {_IMPOSSIBLE:g} V or no number, so the header's unit or scale is wrong": is_odd,
        }
        for fault, is_faulty in faults.items():
            if is_faulty.any():
                names = [name for name, flag in zip(signal.ch_names, is_faulty, strict=True) if flag]
                raise DataError(
                    f"{path.name}: {', '.join(names)} {'is' if len(names) == 1 else 'are'} {fault}. Fetch "
                    "the file again, or leave the person out."
                )


def _trials(
    subject: str,
    source: _Pair,
    report: Report,  # noqa: ARG001  A person with one of two classes is of no use, so trials never go singly.
    *,
    name: str,
    is_whole: bool,
) -> Iterator[Trial]:
    segments = []
    tags: tuple[str, ...] = _TAGS
    for path, is_rest in ((source.rest, True), (source.task, False)):
        signals = _read(path)
        segments.append(signals if is_whole else _cut(path, signals, is_last=is_rest))
        _check_plausible(path, segments[-1])
        tags = ("simulated",) if _is_simulated(path) else tags
    for order, (trial, condition) in enumerate((("rest", "rest"), ("arithmetic", "task"))):
        yield Trial(
            dataset=name,
            subject=subject,
            trial=trial,
            stimulus=trial,
            signals=segments[order],
            condition=condition,
            order=order,
            tags=tags,
        )


def _download(root: Path, *, base_url: str = _URL) -> Path:
    """Fetch the recordings (about 180 MB) and check each against the published checksum.

    Parameters
    ----------
    root : path
        Folder to write to; files that are there and right are kept.
    base_url : str
        Where SHA256SUMS.txt and the files lie, with a slash at the end.

    Returns
    -------
    root : path

    Raises
    ------
    DataError
        If the server cannot be reached or a file is not the published one.
    """
    # The list is fetched anew each time: a stale or broken one would be trusted for ever.
    with tempfile.TemporaryDirectory() as scratch:
        path = _fetch(base_url, "SHA256SUMS.txt", None, Path(scratch))
        listed = path.read_text(encoding="ascii", errors="replace")
    pairs = re.findall(r"^([0-9a-f]{64})[ \t]+\*?(\S+)\s*$", listed, flags=re.MULTILINE)
    # Only names known beforehand, so that no list from elsewhere can say where to write.
    sums = {name: sha for sha, name in pairs if _RECORDING.fullmatch(name) or name in _OTHER_FILES}
    if not any(map(_RECORDING.fullmatch, sums)):
        raise DataError(
            f"{base_url}SHA256SUMS.txt lists no Subject00_1.edf or the like, so nothing was fetched. Check "
            "the address."
        )
    for name, sha in sums.items():
        _fetch(base_url, name, f"sha256:{sha}", root)
    return root


def _fetch(base_url: str, name: str, known_hash: str | None, folder: Path) -> Path:
    import pooch  # noqa: PLC0415  It brings requests, which only a download needs.

    try:
        return Path(pooch.retrieve(base_url + name, known_hash, fname=name, path=folder))
    except OSError as error:  # All errors of requests are.
        raise DataError(
            f"Cannot fetch {base_url}{name}: {error}. Check the connection and start again; what is there is "
            "kept."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{base_url}{name} is not the published file: its SHA-256 is another, so it was not kept. Start "
            "again; if it happens twice, tell the data set's makers."
        ) from error


def _condition(trial: Trial) -> str:
    return trial.condition


EEGMAT = DataSet(
    name="eegmat",
    title="EEGMAT",
    doi="10.3390/data4010014",
    licence="ODC-By 1.0; cite Zyma et al. 2019 and PhysioNet (Goldberger et al. 2000).",
    how_to_get=f"Free at {_URL} (about 180 MB), or with download.",
    layout=(
        "A folder with Subject00_1.edf (rest), Subject00_2.edf (serial subtraction) and so on, or the folder "
        "around it. Trials are the last minute of rest and the first of the task, without the 2 s of padding "
        "at the end of each file."
    ),
    n_subjects=36,
    n_trials=2,
    sfreqs={"eeg": _SFREQ, "ecg": _SFREQ},
    ch_names={"eeg": tuple(_NEW_NAMES.get(name, name) for name in _ELECTRODES), "ecg": ("ECG",)},
    montage="biosemi32",  # A 10-20 montage under the same name in every version of mne.
    passband=(0.5, 45.0),
    tasks={
        "arithmetic": Task(
            name="arithmetic",
            description="Serial subtraction against the rest before it.",
            kind="binary",
            classes=("rest", "task"),
            target=_condition,
            source="condition",
        )
    },
    window=5.0,
    step=5.0,
    files=_files,
    open=_open,
    trials=partial(_trials, name="eegmat", is_whole=False),
    simulate=simulate,
    download=_download,
)
"""PhysioNet's EEG during mental arithmetic, one minute of each condition, in volts.

The label may say less than it seems to: rest always comes first, each file was cleaned separately, and rest
is reported as eyes closed, which alone could explain the fall of alpha.
"""

EEGMAT_WHOLE = replace(
    EEGMAT,
    name="eegmat_whole",
    title="EEGMAT, whole files",
    layout=(
        "As eegmat. Trials are whole files without the 2 s of padding at their end: about 180 s of rest and "
        "60 s of task, so the classes are unequal."
    ),
    trials=partial(_trials, name="eegmat_whole", is_whole=True),
)
"""`EEGMAT` with whole files as trials."""
