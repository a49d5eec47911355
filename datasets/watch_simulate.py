"""A watch on people who see film clips, from a `World`: heart rate, acceleration and rotation as CSV files.

At strength 1, with latent valence v from -1 to 1 (see `Moment`), arousal as in `physioaffect.datasets.world`:

* Heart rate: that of the world, and 4 bpm more per unit of valence, sampled each second; it wanders by 2 bpm.
* Movement: turns of the wrist come 6 * exp(0.5 v) times a minute, each about an axis of its own, up to some
  20 deg/s fast and a second or two long. People differ in their rate (log SD 0.4), trials (0.2), and clips,
  whoever watches (0.3, at ``stimulus``); an hour of drift changes it by +0.2 in the log.
* The gyroscope shows the turns and an offset of its own (SD 0.5 deg/s), the accelerometer gravity, which the
  turns tilt (to first order in their angle), in a direction of the person's own.

The sizes are made up, and chosen so that effects can be found; they estimate nothing.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, PhysioaffectError

from .simulate import simulate_ratings, slowly
from .simulated_mark import mark_simulated
from .world import SLOWEST_BPM, Moment, World, generator, heart_rate, latent_affect

__all__ = ["CATEGORIES", "NEUTRAL", "RATES", "RATINGS", "RATING_COLUMNS", "SCALE", "simulate"]

RATINGS = "ratings.csv"
RATING_COLUMNS = ("person", "clip", "category", "order", "seconds", "valence", "arousal")
NEUTRAL = "neutral"
CATEGORIES = ("unpleasant", "pleasant")
SCALE = (1, 9)
RATES = {"hr": 1.0, "acc": 50.0, "gyro": 50.0}
COLUMNS = {"hr": ("seconds", "bpm"), "acc": ("seconds", "x", "y", "z"), "gyro": ("seconds", "x", "y", "z")}

_PLANTED = World.planted()
# Mean ratings of the clips, pleasant and unpleasant in turn.
_VALENCE = (7.4, 2.6, 6.8, 3.2, 7.9, 2.1, 7.1, 2.9, 6.6, 3.4, 7.6, 2.4)
_AROUSAL = (5.5, 6.8, 4.2, 5.1, 6.4, 7.0, 4.8, 6.1, 3.9, 4.6, 5.8, 6.3)
_NEUTRAL_S, _CLIP_S, _PAUSE_S = 180, 60, 30

_VALENCE_BPM, _WANDER_BPM = 4.0, 2.0
_TURNS, _TURNS_VALENCE, _TURNS_PERSON, _TURNS_TRIAL, _TURNS_CLIP = 6.0 / 60, 0.5, 0.4, 0.2, 0.3
_TURNS_DRIFT = 0.2
_FASTEST, _OFFSET = 20.0, 0.5
_NOISE_G, _NOISE_DEGREES = 0.01, 0.3
# Apart from what other simulations draw for the same person and trial.
_HEART, _MOVEMENT, _CLIP, _ORDER = 10, 11, 4, 12


def _heart(world: World, moment: Moment, seconds: int) -> NDArray[np.float64]:
    rng = generator(world, "peripheral", moment.subject, moment.trial, int(moment.is_rest), _HEART)
    rate = heart_rate(world, moment)
    if not moment.is_rest:
        rate += world.affect * _VALENCE_BPM * moment.valence
    wander = _WANDER_BPM * slowly(rng, 1, np.arange(float(seconds)))
    return np.maximum(rate + wander + 0.3 * rng.standard_normal((1, seconds)), SLOWEST_BPM)


def _movement(world: World, moment: Moment, seconds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Acceleration in g and angular velocity in deg/s, shape (3, n_times) each, of the same turns."""
    person = generator(world, "peripheral", moment.subject, _MOVEMENT)
    direction, habit, offset = person.standard_normal(3), person.standard_normal(), person.standard_normal(3)
    rng = generator(world, "peripheral", moment.subject, moment.trial, int(moment.is_rest), _MOVEMENT)
    log_rate = world.subject * _TURNS_PERSON * habit + world.trial * _TURNS_TRIAL * rng.standard_normal()
    log_rate += world.drift * _TURNS_DRIFT * moment.elapsed / 3600
    if not moment.is_rest:
        log_rate += world.affect * _TURNS_VALENCE * moment.valence
        clip = generator(world, "clip", moment.stimulus, _CLIP).standard_normal()
        log_rate += world.stimulus * _TURNS_CLIP * clip
    times = np.arange(round(seconds * RATES["acc"])) / RATES["acc"]
    gravity = np.array([0.0, 0.0, 1.0]) + 0.3 * world.subject * direction
    gravity += 0.1 * world.trial * rng.standard_normal(3)
    gravity /= np.linalg.norm(gravity)
    acc = gravity[:, np.newaxis] + _NOISE_G * rng.standard_normal((3, len(times)))
    gyro = world.subject * _OFFSET * offset[:, np.newaxis] + _NOISE_DEGREES * rng.standard_normal(acc.shape)
    for _ in range(rng.poisson(_TURNS * math.exp(log_rate) * seconds)):
        axis = rng.standard_normal(3)
        axis /= np.linalg.norm(axis)
        speed = _FASTEST * rng.lognormal(0.0, 0.3)
        centre, width = rng.uniform(0, seconds), rng.uniform(0.3, 1.0)
        # There and back: the angle's course is a Gaussian's, and the speed, its slope, peaks at exp(-1/2).
        delay = (times - centre) / width
        bump = np.exp(0.5 - 0.5 * delay**2)
        gyro -= speed * axis[:, np.newaxis] * delay * bump
        acc += np.cross(gravity, axis)[:, np.newaxis] * np.radians(speed) * width * bump
    return acc, gyro


def _write(path: Path, what: str, samples: NDArray[np.float64], digits: int) -> None:
    times = np.arange(samples.shape[1]) / RATES[what]
    form = ",".join(["%.2f", *[f"%.{digits}f"] * len(samples)])
    rows = [form % row for row in zip(times.tolist(), *samples.tolist(), strict=True)]
    path.write_text("\n".join([",".join(COLUMNS[what]), *rows, ""]), encoding="ascii")


def _write_clip(folder: Path, name: str, world: World, moment: Moment, seconds: int) -> None:
    acc, gyro = _movement(world, moment, seconds)
    _write(folder / f"{name}_hr.csv", "hr", _heart(world, moment, seconds), 1)
    _write(folder / f"{name}_acc.csv", "acc", acc, 4)
    _write(folder / f"{name}_gyro.csv", "gyro", gyro, 2)


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 16,
    n_clips: int = 12,
    max_seconds: float | None = None,
) -> Path:
    """Write a folder of a watch from a world: a folder a person, the ratings, and ``SIMULATED.txt``.

    Parameters
    ----------
    root : path
        The folder; it must hold no ratings.
    world : World
        Strengths of all effects, and the seed.
    n_subjects : int
        People, 1 to 99; those there are do not depend on their number.
    n_clips : int
        Clips, 2 to 12, pleasant and unpleasant in turn; each person sees them in an order of their own, after
        a neutral one.
    max_seconds : float, optional
        Clips (of 60 s) and the neutral one (of 180 s) are cut to so many whole seconds.

    Returns
    -------
    root : Path

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If the data set is there already.
    """
    root = Path(root)
    if not 1 <= n_subjects <= 99:
        raise PhysioaffectError(f"A folder of a watch needs 1 to 99 subjects, got {n_subjects}.")
    if not 2 <= n_clips <= len(_VALENCE):
        raise PhysioaffectError(f"A folder of a watch needs 2 to {len(_VALENCE)} clips, got {n_clips}.")
    if max_seconds is not None and not 1 <= max_seconds < math.inf:
        raise PhysioaffectError(f"max_seconds must be at least 1 s, got {max_seconds}.")
    if (root / RATINGS).exists():
        raise DataError(f"{root / RATINGS} exists: nothing is overwritten. Name another folder.")
    longest = math.inf if max_seconds is None else int(max_seconds)
    neutral, clip = (int(min(seconds, longest)) for seconds in (_NEUTRAL_S, _CLIP_S))
    root.mkdir(parents=True, exist_ok=True)
    mark_simulated(root, world)
    rows = [",".join(RATING_COLUMNS)]
    for subject in range(n_subjects):
        person = f"P{subject + 1:02d}"
        folder = root / person
        folder.mkdir(exist_ok=True)
        rest = Moment(subject=subject, trial=0, stimulus=0, is_rest=True)
        _write_clip(folder, NEUTRAL, world, rest, neutral)
        means = {"valence": _VALENCE[:n_clips], "arousal": _AROUSAL[:n_clips]}
        rated = simulate_ratings(world, subject, means, scale=SCALE, bias=0.4, noise=1.0)
        # Of all clips, so that leaving some out does not shuffle the others anew.
        order = generator(world, "person", subject, _ORDER).permutation(len(_VALENCE))
        elapsed = neutral + _PAUSE_S
        for place, stimulus in enumerate(order[order < n_clips]):
            valence, arousal = (int(rated[name][stimulus]) for name in ("valence", "arousal"))
            moment = Moment(
                subject=subject,
                trial=int(stimulus) + 1,
                stimulus=int(stimulus),
                valence=latent_affect(valence, SCALE),
                arousal=latent_affect(arousal, SCALE),
                elapsed=elapsed,
            )
            name = f"clip{stimulus + 1:02d}"
            _write_clip(folder, name, world, moment, clip)
            category = CATEGORIES[int(_VALENCE[stimulus] > 5)]
            rows.append(f"{person},{name},{category},{place + 1},{elapsed},{valence},{arousal}")
            elapsed += clip + _PAUSE_S
    # Written last: with it the data set is complete.
    (root / RATINGS).write_text("\n".join([*rows, ""]), encoding="ascii")
    return root
