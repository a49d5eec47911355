"""SEED and SEED-IV written from a `World`: recordings, labels and ready features in the original's layout.

The emotion that a clip was chosen for is the person's latent affect, alike for everyone. All but the names,
dates, lengths and labels of the files is made up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError

from .formats.matlab_writer import Later, save, save_all
from .seed_files import ELECTRODES, MAT_RATE, N_SESSIONS
from .seed_simulate_features import BANDS, BANDS_IV, Bands, band_variance, feature_variables
from .seed_tables import (
    SEED_DATES,
    SEED_EMOTIONS,
    SEED_IV_DATES,
    SEED_IV_EMOTIONS,
    SEED_IV_LABELS,
    SEED_IV_NAMES,
    SEED_IV_SECONDS,
    SEED_LABELS,
    SEED_SECONDS,
)
from .simulate import simulate_eeg
from .simulated_mark import new_marked_folder
from .world import Moment, World

__all__ = ["AFFECT", "Latent", "check_sizes", "simulate", "simulate_iv"]

Latent = tuple[float, float]

AFFECT: Mapping[str, Latent] = {
    "negative": (-1.0, 0.5),
    "neutral": (0.0, 0.0),
    "positive": (1.0, 0.5),
    "disgust": (-0.6, 0.2),
    "fear": (-0.8, 0.9),
    "sad": (-0.9, -0.6),
    "happy": (0.9, 0.6),
}
"""Latent valence and arousal of each emotion; made up."""

_PLANTED = World.planted()
_STEPS = 32  # Per microvolt: the amplifier's 0.03 uV, as a power of two so that doubles compress.
_PAUSE = 65  # Seconds between clips, for rating, rest and hint.


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What the two data sets do differently; ``extra`` samples end each trial."""

    seconds: tuple[int, ...]
    emotions: tuple[tuple[str, ...], ...]
    shares_clips: bool
    dates: Mapping[int, tuple[str, ...]]
    passband: tuple[float, float]
    extra: int
    recordings: Callable[[int], str]
    features: Mapping[str, tuple[float, Bands, tuple[str, ...]]]


_ALL = ("de", "psd", "dasm", "rasm", "asm", "dcau")
_SEED = _Plan(
    seconds=SEED_SECONDS,
    emotions=(SEED_EMOTIONS,) * N_SESSIONS,
    shares_clips=True,
    dates=SEED_DATES,
    passband=(0.05, 75.0),  # From 0 Hz, it is said; an amplifier has some lower edge.
    extra=1,
    recordings=lambda _: "Preprocessed_EEG",
    features={
        "ExtractedFeatures_1s": (1.0, BANDS, _ALL),
        "ExtractedFeatures_4s": (4.0, BANDS, _ALL),
    },
)
_SEED_IV = _Plan(
    seconds=SEED_IV_SECONDS,  # The first session's, for all.
    emotions=SEED_IV_EMOTIONS,
    shares_clips=False,
    dates=SEED_IV_DATES,
    passband=(1.0, 75.0),
    extra=0,
    recordings=lambda session: f"eeg_raw_data/{session}",
    features={"eeg_feature_smooth/{session}": (4.0, BANDS_IV, ("de", "psd"))},
)


def check_sizes(title: str, n_subjects: int, n_clips: int, most: int, max_seconds: float | None) -> float:
    """Refuse impossible numbers; the longest that a trial may last."""
    if n_subjects < 1 or not 1 <= n_clips <= most:
        raise PhysioaffectError(
            f"{title} needs at least 1 subject and 1 to {most} clips a session, got {n_subjects} and "
            f"{n_clips}."
        )
    if max_seconds is not None and not max_seconds >= 1:
        raise PhysioaffectError(f"max_seconds must be at least 1 s, got {max_seconds}.")
    return math.inf if max_seconds is None else max_seconds


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 15,
    n_clips: int = 15,
    max_seconds: float | None = None,
    *,
    has_features: bool = True,
) -> Path:
    """Write SEED's preprocessed EEG, labels and ready features from a world.

    Parameters
    ----------
    root : path
        The folder; ``SEED_EEG`` in it must not exist.
    world : World
        Strengths of all effects, and the seed.
    n_subjects : int
        People; those there are do not depend on their number.
    n_clips : int
        Only the first so many of the 15 clips in each of the three sessions.
    max_seconds : float, optional
        Clips are cut to this length; drift goes on as if they were whole.
    has_features : bool
        Whether to write ``ExtractedFeatures_1s`` and ``ExtractedFeatures_4s``, too. Their ``LDS`` is an
        exponential smoothing forwards and backwards, which like the original's looks ahead.

    Returns
    -------
    path : Path
        The folder ``SEED_EEG``, about 9 GB with everybody and whole clips.

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If there are files already.
    """
    longest = check_sizes("SEED", n_subjects, n_clips, len(SEED_LABELS), max_seconds)
    folder = Path(root) / "SEED_EEG"
    labels = np.array([SEED_LABELS[:n_clips]], dtype=np.int16)
    for name in ("Preprocessed_EEG", *(_SEED.features if has_features else ())):
        new_marked_folder(folder / name, world)
        save(folder / name / "label.mat", "label", labels)
    for subject in range(n_subjects):
        for session in range(1, N_SESSIONS + 1):
            _write_session(folder, world, _SEED, subject, session, _Sizes(n_clips, longest, has_features))
    return folder


def simulate_iv(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 15,
    n_clips: int = 24,
    max_seconds: float | None = None,
    *,
    has_features: bool = True,
) -> Path:
    """Write SEED-IV's EEG, ``ReadMe.txt`` and ready features from a world.

    Parameters
    ----------
    root : path
        The folder; ``eeg_raw_data`` in it must not exist.
    world : World
        Strengths of all effects, and the seed.
    n_subjects : int
        People; those there are do not depend on their number.
    n_clips : int
        Only the first so many of the 24 clips of each session.
    max_seconds : float, optional
        Clips are cut to this length; drift goes on as if they were whole.
    has_features : bool
        Whether to write ``eeg_feature_smooth``, too.

    Returns
    -------
    path : Path
        The folder.

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If there are files already.
    """
    longest = check_sizes("SEED-IV", n_subjects, n_clips, len(SEED_IV_SECONDS), max_seconds)
    folder = Path(root)
    for name in ("eeg_raw_data", *(("eeg_feature_smooth",) if has_features else ())):
        new_marked_folder(folder / name, world)
    names = ", ".join(f"{name} for {label}" for label, name in enumerate(SEED_IV_NAMES))
    lines = [
        f"session{n}_label = [{','.join(map(str, SEED_IV_LABELS[n - 1][:n_clips]))}];" for n in (1, 2, 3)
    ]
    text = "\n".join(["Simulated by physioaffect in the layout of SEED-IV.", "", *lines, "", f"{names}.", ""])
    (folder / "ReadMe.txt").write_text(text, encoding="utf-8")
    for subject in range(n_subjects):
        for session in range(1, N_SESSIONS + 1):
            _write_session(folder, world, _SEED_IV, subject, session, _Sizes(n_clips, longest, has_features))
    return folder


@dataclass(frozen=True)
class _Sizes:
    n_clips: int
    longest: float
    has_features: bool


def _date(plan: _Plan, subject: int, session: int) -> str:
    """Date of a session: the published one, or a made-up one for whoever is not in the original."""
    if known := plan.dates.get(subject + 1):
        return known[session - 1]
    return (date(2017, 1, 1) + timedelta(days=21 * subject + 7 * session)).strftime("%Y%m%d")


def _prefix(subject: int) -> str:
    """Initials, which are not those of the originals; the same in all of a person's sessions."""
    return "".join(chr(97 + (7 * subject + 11 * place) % 26) for place in range(2 + subject % 2))


def _write_session(
    folder: Path, world: World, plan: _Plan, subject: int, session: int, sizes: _Sizes
) -> None:
    """Write a session's trials in scrambled order, then the features made of the same samples."""
    variances: dict[str, dict[int, NDArray[np.float64]]] = {name: {} for name in plan.features}
    seconds = plan.seconds[: sizes.n_clips]
    emotions = plan.emotions[session - 1]
    starts = np.cumsum([0, *(length + _PAUSE for length in seconds)])
    variables: dict[str, Later] = {}
    for clip in np.random.default_rng([world.seed, subject, session]).permutation(sizes.n_clips).tolist():
        valence, arousal = AFFECT[emotions[clip]]
        moment = Moment(
            subject=subject,
            trial=(session - 1) * len(plan.seconds) + clip,
            stimulus=clip if plan.shares_clips else (session - 1) * len(plan.seconds) + clip,
            valence=valence,
            arousal=arousal,
            elapsed=float(starts[clip]),
        )
        n_times = int(MAT_RATE * min(seconds[clip], sizes.longest)) + plan.extra
        make = partial(_samples, world, moment, n_times, plan, clip, variances if sizes.has_features else {})
        variables[f"{_prefix(subject)}_eeg{clip + 1}"] = Later(make)
    name = f"{subject + 1}_{_date(plan, subject, session)}.mat"
    save_all(folder / plan.recordings(session) / name, variables)
    for place, own in variances.items() if sizes.has_features else ():
        families = plan.features[place][2]
        ready = {key: value for clip, v in own.items() for key, value in _features(v, families, clip).items()}
        save_all(folder / place.format(session=session) / name, ready)


def _features(
    variance: NDArray[np.float64], families: Sequence[str], clip: int
) -> dict[str, NDArray[np.float64]]:
    return {f"{name}{clip + 1}": value for name, value in feature_variables(variance, families).items()}


def _samples(
    world: World,
    moment: Moment,
    n_times: int,
    plan: _Plan,
    clip: int,
    variances: Mapping[str, dict[int, NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Make one trial in microvolts, (62, time), and keep what its features are made of."""
    volts = simulate_eeg(
        world, moment, ch_names=ELECTRODES, sfreq=MAT_RATE, n_times=n_times, passband=plan.passband
    )
    data: NDArray[np.float64] = np.rint(volts * (1e6 * _STEPS)) / _STEPS
    for place, own in variances.items():
        frame, bands, _ = plan.features[place]
        own[clip] = band_variance(data, sfreq=MAT_RATE, frame=frame, bands=bands)
    return data
