"""Writing the preprocessed release of DEAP from a `World`, and the people and clips of both releases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, PhysioaffectError

from .deap_ratings import BASELINE, CLIP, ELECTRODES, N_CLIPS, RATINGS_FILE, SCALE, SCALES, subject_name
from .formats import matlab_writer, pickle_writer
from .simulate import simulate_eeg, simulate_ratings
from .simulate_peripheral import (
    simulate_conductance,
    simulate_ppg,
    simulate_respiration,
    simulate_temperature,
)
from .simulated_mark import new_marked_folder
from .world import Moment, World, latent_affect

__all__ = ["PASSBAND", "RATE", "Sitting", "moments", "plan", "simulate", "write_ratings"]

RATE = 128.0
PASSBAND = (4.0, 45.0)
_N_SUBJECTS = 32
_WITHOUT_FAMILIARITY = (2, 15, 23)
_PLANTED = World.planted()

# Made up, but for this: roughly the first half of the clips is of high valence, the second of low.
_VALENCE = tuple(
    6.6 + 0.8 * math.sin(clip) if clip < 20 else 3.6 + 0.8 * math.sin(clip) for clip in range(N_CLIPS)
)
_AROUSAL = tuple(5.0 + 1.6 * (-1) ** (clip // 10) + 0.6 * math.cos(2 * clip) for clip in range(N_CLIPS))
_DOMINANCE = tuple(5 + 0.4 * (v - 5) + 0.2 * (a - 5) for v, a in zip(_VALENCE, _AROUSAL, strict=True))
_LIKING = tuple(5 + 0.6 * (v - 5) for v in _VALENCE)
# Before the first clip, and from one onset to the next: fixation, clip, and the time of rating.
FIRST_ONSET, EVERY = 130.0, 90.0


class Sitting(NamedTuple):
    """What a person saw and how they rated it; by clip, from 0.

    ``order`` holds positions in the session, ``ratings`` the scales of DEAP, each of shape (n_clips,).
    """

    subject: int
    order: NDArray[np.intp]
    ratings: Mapping[str, NDArray[np.float64]]

    def elapsed(self, clip: int) -> float:
        """Seconds from the beginning of the session to the clip's onset."""
        return FIRST_ONSET + EVERY * float(self.order[clip])


def plan(world: World, number: int, n_clips: int) -> Sitting:
    """Let participant ``number``, from 1, see the clips in an order of their own and rate them."""
    means = dict(zip(SCALES, (_VALENCE, _AROUSAL, _DOMINANCE, _LIKING), strict=True))
    hundredths = {name: [100 * mean for mean in column[:n_clips]] for name, column in means.items()}
    scale = (round(100 * SCALE[0]), round(100 * SCALE[1]))
    rated = simulate_ratings(world, number - 1, hundredths, scale=scale, bias=60, noise=140)
    shuffled = np.random.default_rng([world.seed, number, 40]).permutation(N_CLIPS)
    order = np.argsort(np.argsort([np.flatnonzero(shuffled == clip)[0] for clip in range(n_clips)]))
    return Sitting(number - 1, order, {name: column / 100 for name, column in rated.items()})


def moments(sitting: Sitting, clip: int) -> tuple[Moment, Moment]:
    """Give the rest before a clip, and the clip."""
    elapsed = sitting.elapsed(clip)
    rest = Moment(
        subject=sitting.subject, trial=clip, stimulus=clip, elapsed=elapsed - BASELINE, is_rest=True
    )
    moment = Moment(
        subject=sitting.subject,
        trial=clip,
        stimulus=clip,
        valence=latent_affect(float(sitting.ratings["valence"][clip]), SCALE),
        arousal=latent_affect(float(sitting.ratings["arousal"][clip]), SCALE),
        elapsed=elapsed,
    )
    return rest, moment


def write_ratings(path: Path, sittings: Mapping[int, Sitting]) -> None:
    """Write participant_ratings.csv for participants by number, in the order in which they saw the clips."""
    lines = ["Participant_id,Trial,Experiment_id,Start_time,Valence,Arousal,Dominance,Liking,Familiarity"]
    for number, sitting in sittings.items():
        for clip in np.argsort(sitting.order):
            scores = ",".join(f"{sitting.ratings[scale][clip]:.2f}" for scale in SCALES)
            familiarity = "" if number in _WITHOUT_FAMILIARITY else str(1 + (7 * number + 3 * clip) % 5)
            start = round(1e6 * sitting.elapsed(int(clip)))
            lines.append(f"{number},{sitting.order[clip] + 1},{clip + 1},{start},{scores},{familiarity}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def check_request(n_subjects: int, n_clips: int, max_seconds: float | None) -> float:
    """Check what is to be simulated; how long a clip becomes, in seconds."""
    if not 1 <= n_subjects <= _N_SUBJECTS or not 1 <= n_clips <= N_CLIPS:
        raise PhysioaffectError(
            f"DEAP needs 1 to {_N_SUBJECTS} subjects and 1 to {N_CLIPS} clips, got {n_subjects} and "
            f"{n_clips}."
        )
    if max_seconds is not None and not max_seconds >= 1:
        raise PhysioaffectError(f"max_seconds must be at least 1 s, got {max_seconds}.")
    return CLIP if max_seconds is None else min(CLIP, max_seconds)


def new_folder(root: Path, name: str, world: World) -> Path:
    """Make the folder for the recordings; nothing that is there is overwritten."""
    ratings, folder = root / RATINGS_FILE, root / name
    if ratings.exists() and not folder.exists():
        raise DataError(f"{ratings} exists and is not overwritten. Remove it, or choose another folder.")
    return new_marked_folder(folder, world)


def _segment(world: World, moment: Moment, n_times: int) -> NDArray[np.float64]:
    """Make the 40 channels of the release in its units, shape (40, n_times)."""
    eeg = simulate_eeg(world, moment, ch_names=ELECTRODES, sfreq=RATE, n_times=n_times, passband=PASSBAND)
    rng = np.random.default_rng([world.seed, moment.subject, moment.trial, int(moment.is_rest), 128])
    about = {"sfreq": RATE, "n_times": n_times}
    walk = np.cumsum(rng.standard_normal((2, n_times)), axis=1)
    eog, emg = walk - walk.mean(axis=1, keepdims=True), 10 * rng.standard_normal((2, n_times))
    resistance = 1e6 / simulate_conductance(world, moment, **about)  # type: ignore[arg-type]
    others = (
        resistance,
        1000 * simulate_respiration(world, moment, **about),  # type: ignore[arg-type]
        20 * simulate_ppg(world, moment, **about),  # type: ignore[arg-type]
        simulate_temperature(world, moment, **about),  # type: ignore[arg-type]
    )
    micro = 1e6 * (eeg - eeg.mean(axis=1, keepdims=True))  # The band-pass has taken the offsets.
    return np.concatenate([micro, eog, emg, *others])


def _simulate_person(world: World, sitting: Sitting, n_clips: int, n_times: int) -> NDArray[np.float64]:
    n_before = round(BASELINE * RATE)
    data = np.empty((n_clips, 40, n_before + n_times))
    for clip in range(n_clips):
        rest, moment = moments(sitting, clip)
        data[clip, :, :n_before] = _segment(world, rest, n_before)
        data[clip, :, n_before:] = _segment(world, moment, n_times)
        # Resistance and temperature have lost their offsets in the release.
        data[clip, [36, 39]] -= data[clip, [36, 39], :n_before].mean(axis=1, keepdims=True)
    return data


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = _N_SUBJECTS,
    n_clips: int = N_CLIPS,
    max_seconds: float | None = None,
    layout: Literal["python", "matlab"] = "python",
) -> Path:
    """Write data_preprocessed_python/sNN.dat and participant_ratings.csv from a world.

    Parameters
    ----------
    root : path
        The folder; it must hold neither.
    world : World
        Strengths of all effects, and the seed.
    n_subjects : int
        People; those there are do not depend on their number.
    n_clips : int
        Only the first so many of the 40 clips.
    max_seconds : float, optional
        Clips are cut to this length, the 3 s before them are not. The reader takes files that are not of full
        size only where ``SIMULATED.txt`` lies beside them, as it does then.
    layout : {"python", "matlab"}
        The latter writes data_preprocessed_matlab/sNN.mat instead, with the same variables.

    Returns
    -------
    root : Path

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If the folder holds them already.

    Notes
    -----
    The pickled streams are those of Python 2's protocol 2, 103 MB each at full size. EEG in microvolts in the
    band of the release, without its average reference; EOG and EMG are noise.
    """
    seconds = check_request(n_subjects, n_clips, max_seconds)
    root = Path(root)
    if layout not in ("python", "matlab"):
        raise PhysioaffectError(f"DEAP comes in the layouts 'python' and 'matlab', got {layout!r}.")
    folder = new_folder(root, f"data_preprocessed_{layout}", world)
    sittings = {number: plan(world, number, n_clips) for number in range(1, n_subjects + 1)}
    write_ratings(root / RATINGS_FILE, sittings)
    for number, sitting in sittings.items():
        labels = np.stack([sitting.ratings[scale] for scale in SCALES], axis=1)
        data = _simulate_person(world, sitting, n_clips, round(seconds * RATE))
        path = folder / subject_name(number)
        if layout == "matlab":
            matlab_writer.save_all(path.with_suffix(".mat"), {"data": data, "labels": labels})
        else:
            pickle_writer.save(path.with_suffix(".dat"), {"labels": labels, "data": data}, protocol=2)
    return root
