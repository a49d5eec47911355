"""DREAMER.mat: the facts of its layout, and writing one from a `World`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError

from .formats.matlab_writer import Later, save
from .simulate import simulate_ecg, simulate_eeg, simulate_ratings
from .world import Moment, World, latent_affect

__all__ = ["ECG_RATE", "EEG_RATE", "ELECTRODES", "LEADS", "PASSBAND", "SCALE", "SCORES", "simulate"]

ELECTRODES = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
LEADS = ("ECG1", "ECG2")
EEG_RATE, ECG_RATE = 128.0, 256.0
SCORES: Mapping[str, str] = {
    "valence": "ScoreValence",
    "arousal": "ScoreArousal",
    "dominance": "ScoreDominance",
}
SCALE = (1, 5)
# Emotiv's specification of the EPOC: 0.2 to 45 Hz (and notches at 50 and 60 Hz), 14 bits over 8400 uV. The
# middle of those bits is the offset of 4200 uV.
PASSBAND = (0.2, 45.0)
_EEG_BITS, _EEG_STEP = 14, 8400 / 2**14
_ECG_BITS, _ECG_COUNTS = 12, 239e3  # Counts per volt; made up, as the file's unit is not documented.

_PLANTED = World.planted()
# Mean ratings of the clips as another project found them, all but dominance, which is made up.
_VALENCE = (
    *(3.17, 3.04, 4.57, 2.04, 3.22, 2.70, 4.52, 1.35, 1.39),
    *(2.17, 3.96, 3.96, 4.39, 2.35, 2.48, 3.65, 1.52, 2.65),
)
_AROUSAL = (
    *(2.26, 3.00, 3.83, 4.26, 3.70, 3.83, 3.17, 3.96, 3.00),
    *(3.30, 1.96, 2.61, 3.70, 2.22, 3.09, 3.35, 3.00, 3.91),
)
_DOMINANCE = tuple(3 + 0.4 * (v - 3) - 0.2 * (a - 3) for v, a in zip(_VALENCE, _AROUSAL, strict=True))
# Made up, but for what is known: the first lasts 199 s, the shortest 67, the longest 393, the mean 199.
_CLIPS = (199, 120, 180, 93, 264, 67, 225, 146, 301, 158, 393, 112, 204, 236, 143, 187, 278, 276)
_REST, _PAUSE = 61, 30  # Seconds of the neutral clip; of rating, made up.


def _quantised(volts: NDArray[np.float64], counts: float, bits: int) -> NDArray[np.float64]:
    """Convert to counts around the middle of the scale, (time, channel)."""
    quantised: NDArray[np.float64] = np.clip(np.rint(volts * counts + 2 ** (bits - 1)), 0, 2**bits - 1)
    return quantised.T


def _eeg(world: World, moment: Moment, seconds: float) -> NDArray[np.float64]:
    n_times = round(seconds * EEG_RATE)
    volts = simulate_eeg(
        world, moment, ch_names=ELECTRODES, sfreq=EEG_RATE, n_times=n_times, passband=PASSBAND
    )
    return _quantised(volts, 1e6 / _EEG_STEP, _EEG_BITS) * _EEG_STEP


def _ecg(world: World, moment: Moment, seconds: float) -> NDArray[np.float64]:
    n_times = 2 * round(seconds * EEG_RATE)
    volts = simulate_ecg(world, moment, sfreq=ECG_RATE, n_times=n_times, n_channels=len(LEADS))
    return _quantised(volts, _ECG_COUNTS, _ECG_BITS)


def _cell(items: Sequence[Any], shape: tuple[int, int]) -> NDArray[np.object_]:
    cell = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):  # Assigning all at once would make what is to be made later.
        cell[index] = item
    return cell.reshape(shape)


def _simulate_person(world: World, subject: int, n_clips: int, max_seconds: float) -> dict[str, Any]:
    means = {"valence": _VALENCE[:n_clips], "arousal": _AROUSAL[:n_clips], "dominance": _DOMINANCE[:n_clips]}
    ratings = simulate_ratings(world, subject, means, scale=SCALE)
    recordings: dict[str, dict[str, list[Later]]] = {
        kind: {"baseline": [], "stimuli": []} for kind in ("EEG", "ECG")
    }
    elapsed = 0.0
    for clip, seconds in enumerate(_CLIPS[:n_clips]):
        rest = Moment(subject=subject, trial=clip, stimulus=clip, elapsed=elapsed, is_rest=True)
        moment = Moment(
            subject=subject,
            trial=clip,
            stimulus=clip,
            valence=latent_affect(ratings["valence"][clip], SCALE),
            arousal=latent_affect(ratings["arousal"][clip], SCALE),
            elapsed=elapsed + _REST,
        )
        for kind, make in (("EEG", _eeg), ("ECG", _ecg)):
            for part, when, length in (("baseline", rest, _REST), ("stimuli", moment, seconds)):
                later = Later(partial(make, world, when, min(length, max_seconds)))
                recordings[kind][part].append(later)
        elapsed += _REST + seconds + _PAUSE
    shape = (n_clips, 1)
    return {
        "Age": str(22 + 7 * subject % 12),
        "Gender": ("male", "female")[subject % 2],
        **{
            kind: {part: _cell(made, shape) for part, made in parts.items()}
            for kind, parts in recordings.items()
        },
        **{field: ratings[name].astype(float).reshape(shape) for name, field in SCORES.items()},
    }


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 23,
    n_clips: int = 18,
    max_seconds: float | None = None,
) -> Path:
    """Write DREAMER.mat from a world.

    Parameters
    ----------
    root : path
        The folder, or the file if the name ends in ``.mat``. It must not exist.
    world : World
        Strengths of all effects, and the seed. Time in the session follows the order in the file.
    n_subjects : int
        People; those there are do not depend on their number.
    n_clips : int
        Only the first so many of the 18 clips.
    max_seconds : float, optional
        Clips and rests are cut to this length; drift goes on as if they were whole.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If the file exists.
    """
    if n_subjects < 1 or not 1 <= n_clips <= len(_CLIPS):
        raise PhysioaffectError(
            f"DREAMER needs at least 1 subject and 1 to {len(_CLIPS)} clips, got {n_subjects} and {n_clips}."
        )
    max_seconds = math.inf if max_seconds is None else max_seconds
    if not max_seconds >= 1:
        raise PhysioaffectError(f"max_seconds must be at least 1 s, got {max_seconds}.")
    people = [_simulate_person(world, subject, n_clips, max_seconds) for subject in range(n_subjects)]
    root = Path(root)
    value = {
        "Data": _cell(people, (1, n_subjects)),
        "EEG_SamplingRate": EEG_RATE,
        "ECG_SamplingRate": ECG_RATE,
        "EEG_Electrodes": _cell(ELECTRODES, (1, len(ELECTRODES))),
        "noOfSubjects": float(n_subjects),
        "noOfVideoSequences": float(n_clips),
        "Disclaimer": f"Simulated, no recording of anybody. {world}",
        "Provider": "physioaffect",
        "Version": "1.0.2",
        "Acknowledgement": "The layout is that of DREAMER by S. Katsigiannis and N. Ramzan.",
    }
    return save(root if root.suffix == ".mat" else root / "DREAMER.mat", "DREAMER", value)
