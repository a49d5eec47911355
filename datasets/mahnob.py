"""MAHNOB-HCI: film clips, EEG and body signals, rated on four scales.

Soleymani et al. (2012). A Multimodal Database for Affect Recognition and Implicit Tagging. IEEE Transactions
on Affective Computing 3(1), 42-55. doi:10.1109/T-AFFC.2011.25
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import DataSet, Exclusion, Report, Task
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .folders import contents
from .formats.bdf import Bdf, open_bdf
from .mahnob_session import RATINGS, Session, read_session
from .mahnob_simulate import CLIP_BEGINS, ELECTRODES, SFREQ, simulate
from .rating_tasks import rating_low_high
from .simulated_mark import tags_of_folder

__all__ = ["MAHNOB"]

_EDGE_SLACK = 0.5  # Seconds by which the first pulse may differ from where clips begin.
_LEADS = ("EXG1", "EXG2", "EXG3")
_LEAD_NAMES = ("ECG1", "ECG2", "ECG3")
_VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "\N{MICRO SIGN}V": 1e-6, "nV": 1e-9}
_SIEMENS = {"uS": 1.0, "\N{MICRO SIGN}S": 1.0, "nS": 1e-3}
_CELSIUS = {"C", "degC", "deg C", "Degr C", "Degree C", "\N{DEGREE SIGN}C"}

# As the makers name a recording: Part_1_S_Trial2_emotion.bdf, S of a rated clip and N of a neutral one.
_NAME = re.compile(r"Part_(\d+)_([SN])_", re.IGNORECASE)


class _Folder(NamedTuple):
    """One folder of Sessions; an error instead of a session where its XML is broken."""

    number: int
    path: Path
    session: Session | DataError


class _Person(NamedTuple):
    folders: tuple[_Folder, ...]
    tags: tuple[str, ...]


def _session_folders(root: Path) -> tuple[Path, list[tuple[int, Path]]]:
    """The folder Sessions, and the numbered folders in it that hold a session.xml."""
    if not root.is_dir():
        raise DataError(f"There is no folder {root}. Give the folder of MAHNOB-HCI that holds Sessions.")
    for folder in (root / "Sessions", root):
        if folder.is_dir():
            numbered = [
                (int(path.name), path)
                for path in folder.iterdir()
                if path.name.isdecimal() and path.name.isascii() and (path / "session.xml").is_file()
            ]
            if numbered:
                return folder, sorted(numbered)
    raise DataError(
        f"{root} is not MAHNOB-HCI: expected numbered folders with a session.xml each in it or in its "
        f"Sessions; it holds {contents(root)}. "
        "Give the folder that holds Sessions."
    )


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".bdf" and path.is_file())


def _check_name(path: Path, subject: str) -> None:
    """Refuse a recording whose name is another person's, or a neutral clip's."""
    named = _NAME.match(path.name)
    if named and (named[1] != subject or named[2].upper() != "S"):
        raise DataError(
            f"{path} is by its name of part {named[1]}, {named[2]}; its session.xml tells of the rated clip "
            f"(S) of subject {subject}. Put each file where it belongs."
        )


def _check_rates(bdf: Bdf, names: Sequence[str]) -> None:
    for name in ("Status", *names):
        if (sfreq := bdf.sfreq(name)) != SFREQ:
            raise DataError(
                f"{bdf.path} has {name} at {sfreq:g} Hz; expected {SFREQ:g} Hz. Use the file as distributed."
            )


def _files(root: Path) -> Sequence[Path]:
    return [
        path
        for _, folder in _session_folders(root)[1]
        for path in (folder / "session.xml", *_recordings(folder))
    ]


def _open(root: Path) -> dict[str, _Person]:
    """Group the folders by person, whom only the XML tells; a broken one is a person of its own."""
    above, folders = _session_folders(root)
    tags = tags_of_folder(above)
    people: dict[str, list[_Folder]] = {}
    for number, path in folders:
        session: Session | DataError
        try:
            session = read_session(path / "session.xml")
            subject = session.subject
        except DataError as error:
            session, subject = error, f"session_{number}"
        people.setdefault(subject, []).append(_Folder(number, path, session))
    ordered = sorted(people, key=lambda name: (not name.isdecimal(), int(name.removeprefix("session_"))))
    return {subject: _Person(tuple(people[subject]), tags) for subject in ordered}


def _onset_and_end(bdf: Bdf) -> tuple[float, float]:
    """Find the clip: it begins 30 s in, with the first pulse of the status, and ends with the second."""
    # Only the low 16 bits are triggers. Which number they show varies.
    is_high = (bdf.counts("Status") & 0xFFFF) > 0
    rises = (np.flatnonzero(~is_high[:-1] & is_high[1:]) + 1) / SFREQ
    if len(rises) != 2 or abs(rises[0] - CLIP_BEGINS) > _EDGE_SLACK:
        found = ", ".join(f"{second:.3f}" for second in rises[:8]) or "never"
        raise DataError(
            f"{bdf.path} has pulses of its status channel at {found} s; expected two, at {CLIP_BEGINS:g} s "
            "where the clip begins and where it ends. Use the file as distributed, or leave the folder out."
        )
    return CLIP_BEGINS, float(rises[1])


def _in_volts(bdf: Bdf, names: Sequence[str]) -> NDArray[np.float64]:
    units = {bdf.channel(name).unit for name in names}
    if len(units) > 1 or not units <= _VOLTS.keys():
        raise DataError(
            f"{bdf.path} has {names[0]} to {names[-1]} in {', '.join(sorted(units))!r}; expected one unit of "
            f"voltage ({', '.join(_VOLTS)}). Use the file as distributed."
        )
    return bdf.physical(names) * _VOLTS[units.pop()]


def _conductance(bdf: Bdf) -> tuple[NDArray[np.float64], str]:
    """Skin conductance in microsiemens if the header says a unit of conductance or resistance."""
    data, unit = bdf.physical(["GSR1"]), bdf.channel("GSR1").unit
    if unit in _SIEMENS:
        return data * _SIEMENS[unit], "uS"
    if unit.lower() in {"ohm", "ohms"}:
        with np.errstate(divide="ignore"):
            return np.where(data > 0, 1e6 / data, np.nan), "uS"
    return data, "au"


def _signals(path: Path) -> dict[str, Signal]:
    """All signals of a file, with the clip's onset as zero and its end at the end."""
    bdf = open_bdf(path)
    _check_rates(bdf, (*ELECTRODES, "EXG1", "EXG2", "EXG3", "GSR1", "Resp", "Temp"))
    onset, end = _onset_and_end(bdf)
    conductance, conductance_unit = _conductance(bdf)
    is_celsius = bdf.channel("Temp").unit in _CELSIUS
    made = {
        "eeg": (_in_volts(bdf, ELECTRODES), ELECTRODES, "eeg", "V"),
        "ecg": (_in_volts(bdf, _LEADS), _LEAD_NAMES, "ecg", "V"),
        "gsr": (conductance, ("GSR1",), "eda", conductance_unit),
        "resp": (bdf.physical(["Resp"]), ("Resp",), "resp", "au"),
        "skin_temperature": (
            bdf.physical(["Temp"]),
            ("Temp",),
            "temperature",
            "degC" if is_celsius else "au",
        ),
    }
    return {
        name: Signal(data=data, sfreq=SFREQ, ch_names=names, kind=kind, unit=unit).crop(0.0, end, onset=onset)
        for name, (data, names, kind, unit) in made.items()
    }


def _left_out(subject: str, folder: _Folder, report: Report, reason: str, *, expected: bool) -> None:
    report(Exclusion(subject=subject, trial=str(folder.number), reason=reason, expected=expected))


def _trials(subject: str, source: _Person, report: Report) -> Iterator[Trial]:
    order = 0
    for folder in source.folders:
        session, recordings = folder.session, _recordings(folder.path)
        if isinstance(session, DataError):
            raise session
        if session.ratings is None:
            reason = f"{folder.path} was not rated (no feltArsl): it is a neutral clip."
            _left_out(subject, folder, report, reason, expected=True)
            continue
        if not recordings:
            _left_out(subject, folder, report, f"{folder.path} has no BDF file.", expected=True)
            continue
        if len(recordings) > 1:
            names = ", ".join(path.name for path in recordings[:4])
            reason = f"{folder.path} has {len(recordings)} BDF files ({names}). Keep the one of this session."
            _left_out(subject, folder, report, reason, expected=False)
            continue
        try:
            _check_name(recordings[0], subject)
            signals = _signals(recordings[0])
        except DataError as error:
            _left_out(subject, folder, report, str(error), expected=False)
            continue
        yield Trial(
            dataset="mahnob",
            subject=subject,
            trial=str(folder.number),
            stimulus=session.stimulus,
            signals={name: _after(signal) for name, signal in signals.items()},
            baseline={
                name: signal.crop(-CLIP_BEGINS, 0.0, onset=-CLIP_BEGINS) for name, signal in signals.items()
            },
            ratings=session.ratings,
            order=order,
            tags=source.tags,
        )
        order += 1


def _after(signal: Signal) -> Signal:
    return signal.crop(0.0, signal.stop)


def _low_high(name: str, scale: str, limit: float) -> Task:
    return rating_low_high(
        name, scale, is_high=lambda rating: rating > limit, rule=f"low up to {limit:g}, high above"
    )


_TASKS = (
    _low_high("valence", "valence", 4.5),
    _low_high("arousal", "arousal", 4.5),
    _low_high("valence_le5", "valence", 5),
    _low_high("arousal_le5", "arousal", 5),
)

MAHNOB = DataSet(
    name="mahnob",
    title="MAHNOB-HCI",
    doi="10.1109/T-AFFC.2011.25",
    licence="Academic, with a signed agreement; not to be passed on.",
    how_to_get="Sign the agreement of the MAHNOB-HCI-Tagging database with its makers, or simulate it.",
    layout=(
        "Sessions/2/session.xml with Sessions/2/Part_1_S_Trial1_emotion.bdf and so on, numbers with gaps; or "
        "the folder Sessions itself. A trial is a clip from 30 s into the file to the second pulse of the "
        "status channel, with the 30 s before it as baseline; neutral clips, which nobody rated, and folders "
        "without a BDF are left out."
    ),
    n_subjects=30,
    n_trials=20,
    sfreqs=dict.fromkeys(("eeg", "ecg", "gsr", "resp", "skin_temperature"), SFREQ),
    ch_names={
        "eeg": ELECTRODES,
        "ecg": _LEAD_NAMES,
        "gsr": ("GSR1",),
        "resp": ("Resp",),
        "skin_temperature": ("Temp",),
    },
    montage="biosemi32",
    ratings=dict.fromkeys(RATINGS, (1, 9)),
    tasks={task.name: task for task in _TASKS},
    window=5.0,
    step=5.0,
    files=_files,
    open=_open,
    trials=_trials,
    simulate=simulate,
)
