"""SEED-V, and SEED's unprocessed recordings, written from a `World`."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .formats import cnt_writer, pickle_writer
from .seed_cnt import span_line
from .seed_files import FILE_NAMES, N_SESSIONS
from .seed_simulate import AFFECT, check_sizes
from .seed_simulate_features import BANDS_IV, band_variance, feature_variables
from .seed_tables import (
    SEED_EMOTIONS,
    SEED_SECONDS,
    SEED_STARTS,
    SEED_V_EMOTIONS,
    SEED_V_LABELS,
    SEED_V_STARTS,
    SEED_V_STOPS,
)
from .simulate import simulate_eeg
from .simulated_mark import MARK, new_marked_folder
from .world import Moment, World

__all__ = ["simulate_raw", "simulate_v"]

_PLANTED = World.planted()
_RATE = 1000
_PASSBAND = (0.05, 200.0)  # Of the amplifier; made up.
_TAIL = 10  # Seconds after the last clip.
_FRAME = 4.0
# The mastoids stand among the electrodes, so that nobody takes the first 62 channels.
_CHANNELS = (*FILE_NAMES[:32], "M1", *FILE_NAMES[32:41], "M2", *FILE_NAMES[41:], "VEO", "HEO")
_ROWS = [_CHANNELS.index(name) for name in FILE_NAMES]


@dataclass(frozen=True, kw_only=True)
class _Session:
    """What a session's clips are chosen for; when they begin and end originally, and in the file."""

    number: int
    emotions: Sequence[str]
    starts: Sequence[int]
    spans: Sequence[tuple[int, int]]
    shares_clips: bool

    @classmethod
    def of(
        cls,
        number: int,
        emotions: Sequence[str],
        starts: Sequence[int],
        stops: Sequence[int],
        *,
        longest: float,
        shares_clips: bool = False,
    ) -> _Session:
        """Cut clips at the longest that they may last, and move the later ones forward."""
        spans: list[tuple[int, int]] = []
        for index, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            pause = start - (stops[index - 1] if index else 0)
            begin = pause + (spans[-1][1] if spans else 0)
            spans.append((begin, begin + int(min(stop - start, longest))))
        return cls(number=number, emotions=emotions, starts=starts, spans=spans, shares_clips=shares_clips)

    def moment(self, subject: int, clip: int) -> Moment:
        """Who, when and how the person feels; drift goes on as if clips were whole."""
        trial = (self.number - 1) * len(SEED_STARTS) + clip
        valence, arousal = AFFECT[self.emotions[clip]]
        return Moment(
            subject=subject,
            trial=trial,
            stimulus=clip if self.shares_clips else trial,
            valence=valence,
            arousal=arousal,
            elapsed=float(self.starts[clip]),
        )


def _pieces(
    world: World, subject: int, session: _Session, variances: list[NDArray[np.float64]]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Make clip by clip, and keep what the features are made of."""
    for clip, (start, stop) in enumerate(session.spans):
        volts = np.zeros((len(_CHANNELS), _RATE * (stop - start)))
        volts[_ROWS] = simulate_eeg(
            world,
            session.moment(subject, clip),
            ch_names=FILE_NAMES,
            sfreq=_RATE,
            n_times=volts.shape[1],
            passband=_PASSBAND,
        )
        variances.append(band_variance(1e6 * volts[_ROWS], sfreq=_RATE, frame=_FRAME, bands=BANDS_IV))
        yield _RATE * start, volts


def _folder(path: Path, world: World, sessions: Sequence[_Session] = ()) -> Path:
    folder = new_marked_folder(path, world)
    with (folder / MARK).open("a", encoding="ascii") as file:
        file.writelines(span_line(session.number, session.spans) for session in sessions)
    return folder


def simulate_v(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 16,
    n_clips: int = 15,
    max_seconds: float | None = None,
    *,
    has_recordings: bool = True,
) -> Path:
    """Write SEED-V's recordings and ready features from a world.

    Parameters
    ----------
    root : path
        The folder; ``EEG_raw`` and ``EEG_DE_features`` in it must not exist.
    world : World
        Strengths of all effects, and the seed.
    n_subjects : int
        People; those there are do not depend on their number.
    n_clips : int
        Only the first so many of the 15 clips of each session; recordings end 10 s after the last of them.
    max_seconds : float, optional
        Clips are cut to this length; drift goes on as if they were whole. As the reader then needs other
        times than the published ones, they are in ``SIMULATED.txt``. Between clips there are zeros.
    has_recordings : bool
        Whether to write ``EEG_raw``; otherwise the features alone.

    Returns
    -------
    path : Path
        The folder; 40 GB with everybody and whole clips. In the features, an electrode's five bands stand
        together (the original's order is contested).

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If there are files already.
    """
    longest = check_sizes("SEED-V", n_subjects, n_clips, len(SEED_V_LABELS[0]), max_seconds)
    tables = zip(SEED_V_EMOTIONS, SEED_V_STARTS, SEED_V_STOPS, strict=True)
    sessions = [
        _Session.of(number, emotions, starts[:n_clips], stops[:n_clips], longest=longest)
        for number, (emotions, starts, stops) in enumerate(tables, start=1)
    ]
    folder = Path(root)
    features = _folder(folder / "EEG_DE_features", world)
    recordings = _folder(folder / "EEG_raw", world, sessions) if has_recordings else None
    for subject in range(n_subjects):
        variances: dict[int, list[NDArray[np.float64]]] = {}
        for session in sessions:
            pieces = _pieces(world, subject, session, variances.setdefault(session.number, []))
            if recordings is None:
                for _ in pieces:
                    pass
                continue
            # The third session's date lies before the second's, as it does for nine people.
            day = date(2018, 1, 1) + timedelta(days=21 * subject + (0, 7, 5)[session.number - 1])
            name = f"{subject + 1}_{session.number}_{day:%Y%m%d}.cnt"
            _write(recordings / name, session, pieces, f"{day:%Y%m%d}")
        _write_features(features / f"{subject + 1}_123.npz", variances)
    return folder


def simulate_raw(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 15,
    n_clips: int = 15,
    max_seconds: float | None = None,
) -> Path:
    """Write SEED's ``SEED_RAW_EEG`` from a world: the parameters and errors of `simulate_v`."""
    longest = check_sizes("SEED", n_subjects, n_clips, len(SEED_STARTS), max_seconds)
    starts = SEED_STARTS[:n_clips]
    stops = [start + seconds for start, seconds in zip(starts, SEED_SECONDS[:n_clips], strict=True)]
    sessions = [
        _Session.of(number, SEED_EMOTIONS, starts, stops, longest=longest, shares_clips=True)
        for number in range(1, N_SESSIONS + 1)
    ]
    folder = _folder(Path(root) / "SEED_RAW_EEG", world, sessions)
    for subject in range(n_subjects):
        for session in sessions:
            path = folder / f"{subject + 1}_{session.number}.cnt"
            _write(path, session, _pieces(world, subject, session, []), "20130709")
    return folder


def _write(
    path: Path, session: _Session, pieces: Iterator[tuple[int, NDArray[np.float64]]], day: str
) -> None:
    cnt_writer.save(
        path,
        ch_names=_CHANNELS,
        sfreq=_RATE,
        n_times=_RATE * (session.spans[-1][1] + _TAIL),
        pieces=pieces,
        date=day,
        label="simulated",
    )


def _write_features(path: Path, variances: Mapping[int, Sequence[NDArray[np.float64]]]) -> None:
    """Write two byte strings that are pickles of Python 2: dicts of arrays by the trial's number from 0."""
    data: dict[int, NDArray[np.float64]] = {}
    labels: dict[int, NDArray[np.float64]] = {}
    for session, own in variances.items():
        for clip, variance in enumerate(own):
            smooth = feature_variables(variance, ("de",))["de_LDS"]
            key = 15 * (session - 1) + clip
            data[key] = smooth.transpose(1, 0, 2).reshape(smooth.shape[1], -1)
            labels[key] = np.full(smooth.shape[1], float(SEED_V_LABELS[session - 1][clip]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, value in (("data", data), ("label", labels)):
            member = io.BytesIO()
            np.save(member, np.array(_pickled(value)), allow_pickle=False)
            # A fixed time, so that equal values give equal files.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())


def _pickled(value: Mapping[int, NDArray[np.float64]]) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        return pickle_writer.save(Path(scratch) / "value", value, protocol=2).read_bytes()
