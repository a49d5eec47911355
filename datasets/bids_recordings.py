"""Recordings of a BIDS data set: what belongs together, and what the text files tell of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from physioaffect.errors import DataError

from .bids_files import check_inside, entities, inherited, metadata, number, read_json, read_tsv
from .bids_physio import physio_outline

__all__ = ["Outline", "Recording", "Span", "channels_table", "outline", "recordings_by_subject", "spans"]

_EEG = (".edf", ".bdf", ".vhdr", ".set")
_FOLDERS, _TEXTS = ("eeg", "beh"), (".json", ".tsv", ".txt")
# BIDS' types of channels that become signals, with mne's name of each.
_TYPES = {
    "EEG": "eeg",
    "ECG": "ecg",
    "EOG": "eog",
    "VEOG": "eog",
    "HEOG": "eog",
    "EMG": "emg",
    "RESP": "resp",
}
_TYPES |= {"GSR": "eda", "TEMP": "temperature"}
# Columns of events.tsv that are no ratings even where they are numbers.
_NO_RATINGS = ("onset", "duration", "sample", "value", "trial_type", "stim_file", "stimulus", "response_time")
_NO_TRIALS = ("bad", "edge", "boundary", "new segment")


class Recording(NamedTuple):
    """What was recorded at once: at most one EEG file, any number of physio files."""

    root: Path
    subject: str
    session: str
    task: str
    run: str
    eeg: Path | None
    physio: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """The file that the others belong to."""
        return self.eeg or self.physio[0]


class Span(NamedTuple):
    """A stretch that becomes a trial, in seconds after the recording's beginning; to the end if infinite."""

    onset: float
    duration: float
    condition: str
    stimulus: str
    ratings: Mapping[str, float]
    is_event: bool


class Outline(NamedTuple):
    """What the text files tell of a recording."""

    signals: Mapping[str, tuple[float, tuple[str, ...]]]
    spans: tuple[Span, ...]
    scales: Mapping[str, tuple[float, float]]


def _check_place(file: Path, folder: Path) -> None:
    """Refuse a file that lies in the folder of another person or session than its name says."""
    own = entities(file)
    session = next((part.removeprefix("ses-") for part in file.parts[-3:-1] if part.startswith("ses-")), None)
    if own.get("sub") != folder.name.removeprefix("sub-") or own.get("ses") != session:
        raise DataError(
            f"{file} lies in a folder of another subject or session than its name says. Put it where it "
            "belongs."
        )


def recordings_by_subject(root: Path, task: str | None) -> dict[str, tuple[Recording, ...]]:
    """Find what was recorded of each subject, in order of session and name.

    Whatever lies where recordings and their texts do is looked at first: mne opens the companions of a
    recording and mne-bids more texts than we do.
    """
    found = {}
    for path in root.iterdir():
        if path.suffix in _TEXTS:
            check_inside(root, path)
    for folder in sorted(path for path in root.glob("sub-*") if path.is_dir()):
        sessions = sorted(path for path in folder.glob("ses-*") if path.is_dir())
        there = [
            path
            for place in (folder, *sessions)
            for datatype in _FOLDERS
            if (place / datatype).is_dir()
            for path in sorted((place / datatype).iterdir())
        ]
        beside = [path for place in (folder, *sessions) for path in place.iterdir() if path.suffix in _TEXTS]
        for path in (*there, *beside):
            check_inside(root, path)
        files = [path for path in there if path.is_file()]
        together: dict[tuple[tuple[str, str], ...], list[Path]] = {}
        for file in files:
            stem = file.name.partition(".")[0]
            is_eeg = stem.endswith("_eeg") and file.suffix in _EEG
            if is_eeg or (stem.endswith("_physio") and file.name.endswith(".tsv.gz")):
                _check_place(file, folder)
                key = tuple(sorted((k, v) for k, v in entities(file).items() if k != "recording"))
                together.setdefault(key, []).append(file)
        recordings = []
        for key, members in together.items():
            own = dict(key)
            eeg = [file for file in members if not file.name.endswith(".tsv.gz")]
            physio = tuple(file for file in members if file.name.endswith(".tsv.gz"))
            if task is None or own.get("task") == task:
                recordings.append(
                    Recording(
                        root=root,
                        subject=folder.name.removeprefix("sub-"),
                        session=own.get("ses", "1"),
                        task=own.get("task", ""),
                        run=own.get("run", ""),
                        eeg=eeg[0] if eeg else None,
                        physio=physio,
                    )
                )
        if recordings:
            ordered = sorted(recordings, key=lambda r: (r.session, r.path.name))
            found[folder.name.removeprefix("sub-")] = tuple(ordered)
    return found


def channels_table(recording: Recording) -> list[dict[str, str]]:
    """Read channels.tsv, which must be there."""
    assert recording.eeg is not None
    tables = inherited(recording.root, recording.eeg, "channels.tsv")
    if not tables:
        name = recording.eeg.name.rpartition("_")[0]
        raise DataError(
            f"{recording.eeg} has no {name}_channels.tsv, so nobody knows which channels are EEG. Add the "
            "table with the columns name, type and units; mne-bids writes it."
        )
    return read_tsv(tables[-1], "name", "type", "units")


def spans(recording: Recording) -> tuple[Span, ...]:
    """Stretches named by ``trial_type`` that last; the whole recording if there are none."""
    found = []
    for path in inherited(recording.root, recording.path, "events.tsv")[-1:]:
        rows = read_tsv(path, "onset", "duration")
        for row in rows:
            kind = row.get("trial_type", "n/a")
            onset, duration = number(row, "onset"), number(row, "duration")
            if kind == "n/a" or kind.lower().startswith(_NO_TRIALS) or not duration > 0:
                continue
            if math.isnan(onset):
                raise DataError(f"{path} has the onset {row['onset']!r}, expected seconds. Mend that line.")
            numbers = {name: number(row, name) for name in row if name.lower() not in _NO_RATINGS}
            stimulus = next((row[n] for n in ("stimulus", "stim_file") if row.get(n, "n/a") != "n/a"), kind)
            ratings = {name: value for name, value in numbers.items() if not math.isnan(value)}
            found.append(Span(onset, duration, kind, stimulus, ratings, is_event=True))
    name = recording.task or "recording"
    return tuple(found) or (Span(0.0, math.inf, name, name, {}, is_event=False),)


def outline(recording: Recording) -> Outline:
    """Read what the text files tell, without opening a recording."""
    signals: dict[str, tuple[float, tuple[str, ...]]] = {}
    if recording.eeg is not None:
        rate = metadata(recording.root, recording.eeg, "eeg").get("SamplingFrequency")
        if not isinstance(rate, int | float) or not 0 < rate < 1e6:
            raise DataError(
                f"The sidecar of {recording.eeg} has SamplingFrequency {rate!r}, expected a rate above 0 Hz."
            )
        rows = channels_table(recording)
        for name in dict.fromkeys(_TYPES.values()):
            ch_names = tuple(row["name"] for row in rows if _TYPES.get(row["type"].upper()) == name)
            if ch_names:
                signals[name] = (float(rate), ch_names)
    for path in recording.physio:
        told = physio_outline(recording.root, path)
        for kind, (_, column) in told.picks.items():
            signals.setdefault(kind, (told.sfreq, (column,)))
    return Outline(signals, spans(recording), _scales(recording))


def _scales(recording: Recording) -> dict[str, tuple[float, float]]:
    """Scales of ratings that events.json describes with Minimum and Maximum, or with numbers as Levels."""
    scales = {}
    for path in inherited(recording.root, recording.path, "events.json"):
        for name, about in read_json(path).items():
            if not isinstance(about, dict):
                continue
            levels = about.get("Levels")
            told = list(levels) if isinstance(levels, dict) else [about.get("Minimum"), about.get("Maximum")]
            values = [number({"told": str(value)}, "told") for value in told]
            if values and min(values) < max(values):  # Never with NaN among two.
                scales[name] = (min(values), max(values))
    return scales
