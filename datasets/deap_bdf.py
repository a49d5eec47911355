"""DEAP, original release: the BioSemi recordings at 512 Hz, cut at the clips' onsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import DataSet, Exclusion, Report
from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal, Trial

from .deap_bdf_simulate import CLIP_BEGINS, CLIP_ENDED, RATE, simulate
from .deap_ratings import (
    BASELINE,
    CLIP,
    ELECTRODES,
    N_CLIPS,
    RATINGS_FILE,
    SCALE,
    SCALES,
    TASKS,
    Presentation,
    checked_signal,
    find_ratings,
    numbered,
    only_file,
    read_ratings,
    subject_name,
)
from .folders import contents
from .formats.bdf import open_bdf
from .simulated_mark import tags_of_folder

__all__ = ["DEAP_ORIGINAL"]

_FOLDER = "data_original"
_ADVICE = "Use the file as it was distributed."
_VOLTS = {"uV": 1e-6, "µV": 1e-6, "mV": 1e-3, "V": 1.0}
_CELSIUS = {"degC", "°C", "C", "Celsius", "deg C"}
_CONDUCTANCES = {"nS": 1e-3, "uS": 1.0, "µS": 1.0}
_RESISTANCES = {"Ohm": 1.0, "ohm": 1.0, "kOhm": 1e3}
_LAST_OF_TWENTE = 22


class _Person(NamedTuple):
    """Where a person's file lies (once, if all is well), and when the clips were seen, by position."""

    paths: tuple[Path, ...]
    number: int
    ratings_path: Path
    clips: Mapping[int, tuple[int, Presentation]]  # Position: Experiment_id and ratings.


def _recordings(root: Path) -> dict[int, tuple[Path, ...]]:
    for folder in (root / _FOLDER, root):
        if found := numbered(folder, ".bdf"):
            return found
    if not root.is_dir():
        raise DataError(
            f"There is no folder {root}. Pass the folder that holds {_FOLDER} and {RATINGS_FILE}."
        )
    raise DataError(
        f"{root} has neither s01.bdf nor a folder {_FOLDER} that has; it has {contents(root)}. "
        f"{DEAP_ORIGINAL.how_to_get}"
    )


def _ratings_file(root: Path) -> Path:
    path = find_ratings(root)
    if path is None:
        raise DataError(
            f"{root} has the recordings but no {RATINGS_FILE}, without which nobody knows which clip a trial "
            f"shows. Put it into {root}; it comes with DEAP's metadata."
        )
    return path


def _files(root: Path) -> Sequence[Path]:
    recordings = _recordings(root)
    return [*(path for of_person in recordings.values() for path in of_person), _ratings_file(root)]


def _open(root: Path) -> dict[str, Any]:
    recordings, ratings_path = _recordings(root), _ratings_file(root)
    table = read_ratings(ratings_path)
    return {
        subject_name(number): _Person(
            paths=paths,
            number=number,
            ratings_path=ratings_path,
            clips={
                presentation.order: (clip, presentation)
                for clip, presentation in table.get(number, {}).items()
            },
        )
        for number, paths in recordings.items()
    }


class _Recording:
    """A BDF file: channels by name, the status channel by position, samples as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path, self._bdf = path, open_bdf(path)
        channels = self._bdf.channels
        # The last is the status channel, whatever it is called: in s24 to s32 its name is empty or "-1".
        self._status = len(channels) - 1
        self._places: dict[str, int] = {}
        for place, channel in enumerate(channels[:-1]):
            self._places.setdefault(channel.name.upper(), place)
        needed = (*ELECTRODES, *(f"EXG{number}" for number in range(1, 9)), "GSR1", "Resp", "Plet", "Temp")
        if lacking := [name for name in needed if name.upper() not in self._places]:
            raise DataError(
                f"{path} has {len(channels)} channels and lacks {', '.join(lacking[:8])}"
                f"{' and more' if len(lacking) > 8 else ''}; expected 48: 32 electrodes by name, EXG1 to "
                f"EXG8, GSR1, GSR2, Erg1, Erg2, Resp, Plet, Temp and the status last. {_ADVICE}"
            )
        rates = {channel.n_per_record / self._bdf.record for channel in channels}
        if rates != {RATE}:
            found = ", ".join(f"{rate:g}" for rate in sorted(rates))
            raise DataError(f"{path} has channels at {found} Hz; expected all at {RATE:g}. {_ADVICE}")
        self._n_per_record = channels[0].n_per_record
        self.n_times = self._bdf.n_records * self._n_per_record
        self._samples = np.memmap(
            path,
            dtype=np.uint8,
            mode="r",
            offset=256 * (len(channels) + 1),
            shape=(self._bdf.n_records, len(channels), self._n_per_record, 3),
        )

    def dimension(self, name: str) -> str:
        """Give the unit that the header states."""
        return self._bdf.channels[self._places[name.upper()]].unit

    def _counts(self, place: int, start: int, n_times: int) -> NDArray[np.int32]:
        first, last = start // self._n_per_record, -(-(start + n_times) // self._n_per_record)
        padded = np.zeros((last - first, self._n_per_record, 4), dtype=np.uint8)
        # The three bytes go to the top of four, so that shifting them back extends the sign.
        padded[..., 1:] = self._samples[first:last, place]
        begin = start - first * self._n_per_record
        counts: NDArray[np.int32] = padded.view("<i4").reshape(-1)[begin : begin + n_times] >> 8
        return counts

    def codes(self) -> NDArray[np.int32]:
        """Status codes, shape (n_times,): the low byte, for from s24 on the others hold bits of their own."""
        return self._counts(self._status, 0, self.n_times) & 0xFF

    def read(self, name: str, start: int, n_times: int) -> NDArray[np.float64]:
        """Read a channel in the unit of the header, shape (n_times,)."""
        place = self._places[name.upper()]
        channel = self._bdf.channels[place]
        with np.errstate(all="ignore"):  # A damaged scale gives what is refused as infinite or missing.
            physical: NDArray[np.float64] = self._counts(place, start, n_times) * np.float64(channel.scale)
            return physical + channel.shift

    def volts(self, names: Sequence[str], start: int, n_times: int) -> NDArray[np.float64]:
        """Read channels in volts, shape (n_channels, n_times)."""
        rows = []
        for name in names:
            if (dimension := self.dimension(name)) not in _VOLTS:
                raise DataError(f"{self.path} has {name} in {dimension!r}; expected uV. {_ADVICE}")
            rows.append(self.read(name, start, n_times) * _VOLTS[dimension])
        return np.stack(rows)


def _eda(recording: _Recording, number: int, start: int, n_times: int) -> Signal:
    """Skin conductance in microsiemens: Twente recorded nanosiemens, Geneva ohms."""
    dimension = recording.dimension("GSR1")
    raw = recording.read("GSR1", start, n_times)[np.newaxis]
    if dimension in _CONDUCTANCES or (dimension not in _RESISTANCES and number <= _LAST_OF_TWENTE):
        data = raw * _CONDUCTANCES.get(dimension, 1e-3)
    else:
        with np.errstate(all="ignore"):
            data = 1e6 / (raw * _RESISTANCES.get(dimension, 1.0))
    # An open circuit or a negative resistance is no skin.
    is_skin = np.isfinite(data[0]) & (raw[0] > 0)
    flags = np.where(is_skin, 0, Flag.OUT_OF_RANGE).astype(np.uint8)
    return Signal(
        data=np.where(is_skin, data, np.nan),
        sfreq=RATE,
        ch_names=("EDA",),
        kind="eda",
        unit="uS",
        flags=flags,
    )


_BIPOLAR = {
    "eog": {"hEOG": ("EXG1", "EXG2"), "vEOG": ("EXG3", "EXG4")},
    "emg": {"zEMG": ("EXG5", "EXG6"), "tEMG": ("EXG7", "EXG8")},
}
_PLAIN = {"resp": ("resp", "Resp"), "ppg": ("ppg", "Plet"), "skin_temperature": ("temperature", "Temp")}


def _signals(recording: _Recording, number: int, start: int, n_times: int, where: str) -> dict[str, Signal]:
    eeg = recording.volts(ELECTRODES, start, n_times)
    signals = {"eeg": Signal(data=eeg, sfreq=RATE, ch_names=ELECTRODES, kind="eeg", unit="V")}
    for kind, pairs in _BIPOLAR.items():
        rows = [recording.volts(pair, start, n_times) for pair in pairs.values()]
        with np.errstate(all="ignore"):
            data = np.stack([first - second for first, second in rows])
        signals[kind] = Signal(data=data, sfreq=RATE, ch_names=tuple(pairs), kind=kind, unit="V")
    signals["eda"] = _eda(recording, number, start, n_times)
    for name, (kind, channel) in _PLAIN.items():
        is_celsius = kind == "temperature" and recording.dimension(channel) in _CELSIUS
        signals[name] = Signal(
            data=recording.read(channel, start, n_times)[np.newaxis],
            sfreq=RATE,
            ch_names=(channel,),
            kind=kind,
            unit="degC" if is_celsius else "au",
        )
    for name, signal in signals.items():
        if name != "eda":
            checked_signal(signal, where)
    return signals


def _onsets(codes: NDArray[np.int32], code: int) -> NDArray[np.intp]:
    """Samples at which the status changes to a code."""
    is_code = codes == code
    return np.flatnonzero(is_code & ~np.concatenate([[False], is_code[:-1]]))


def _lengths(codes: NDArray[np.int32], onsets: NDArray[np.intp], *, is_simulated: bool) -> list[int]:
    """Samples of each clip: a minute, or in a simulation until its end is marked."""
    longest = round(CLIP * RATE)
    if not is_simulated:
        return [longest] * len(onsets)
    ends = np.append(_onsets(codes, CLIP_ENDED), len(codes))
    return [min(longest, int(ends[np.searchsorted(ends, onset)] - onset)) for onset in onsets]


def _trials(subject: str, source: Any, report: Report) -> Iterator[Trial]:
    person: _Person = source
    path = only_file(person.number, person.paths)
    if not person.clips:
        raise DataError(
            f"{person.ratings_path} has no rows for participant {person.number}, of whom {path} is. Download "
            "it again, or leave the subject out."
        )
    recording = _Recording(path)
    codes, tags = recording.codes(), tags_of_folder(path.parent)
    onsets = _onsets(codes, CLIP_BEGINS)
    if len(onsets) != len(person.clips) or set(person.clips) != set(range(len(onsets))):
        raise DataError(
            f"{path} marks {len(onsets)} onsets of clips (status {CLIP_BEGINS}), but {person.ratings_path} "
            f"has {len(person.clips)} trials of participant {person.number}; expected {N_CLIPS} of both. So "
            "nobody can tell which is which: download both again, or leave the subject out."
        )
    n_before = round(BASELINE * RATE)
    for order, (onset, n_times) in enumerate(
        zip(onsets, _lengths(codes, onsets, is_simulated=bool(tags)), strict=True)
    ):
        clip, presentation = person.clips[order]
        where = f"{path}, trial {order + 1} (Experiment_id {clip})"
        if onset < n_before or onset + n_times > recording.n_times:
            reason = f"{where}: the recording does not hold it whole, with {BASELINE:g} s before it."
            report(Exclusion(subject=subject, trial=str(clip), reason=reason))
            continue
        first = int(onset)
        yield Trial(
            dataset="deap_original",
            subject=subject,
            trial=str(clip),
            stimulus=str(clip),
            signals=_signals(recording, person.number, first, n_times, where),
            baseline=_signals(recording, person.number, first - n_before, n_before, f"{where}, before it"),
            ratings=presentation.ratings,
            elapsed=first / RATE,
            order=order,
            tags=tags,
        )


_SIGNALS = ("eeg", "eog", "emg", "eda", "resp", "ppg", "skin_temperature")

DEAP_ORIGINAL = DataSet(
    name="deap_original",
    title="DEAP, original recordings",
    doi="10.1109/T-AFFC.2011.15",
    licence="For academic research, on request under a signed agreement; not to be passed on.",
    how_to_get="Ask for it at https://www.eecs.qmul.ac.uk/mmv/datasets/deap/, or simulate it.",
    layout=(
        "data_original/s01.bdf ... s32.bdf, or these files themselves, and participant_ratings.csv in the "
        "same folder as data_original, in it, or in another folder beside it. Trials are the minute after "
        "each clip's onset, their baseline the 3 s before it. The EEG is as recorded, with the electrodes' "
        "offsets and against BioSemi's common mode: give it a reference."
    ),
    n_subjects=32,
    n_trials=N_CLIPS,
    sfreqs=dict.fromkeys(_SIGNALS, RATE),
    ch_names={
        "eeg": ELECTRODES,
        "eda": ("EDA",),
        **{kind: tuple(pairs) for kind, pairs in _BIPOLAR.items()},
        **{name: (channel,) for name, (_, channel) in _PLAIN.items()},
    },
    montage="biosemi32",
    ratings=dict.fromkeys(SCALES, SCALE),
    tasks={task.name: task for task in TASKS},
    window=5.0,
    step=5.0,
    files=_files,
    open=_open,
    trials=_trials,
    simulate=simulate,
)
