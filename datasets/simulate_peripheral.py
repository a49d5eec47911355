"""What wearables measure of people in a `World`: skin conductance, pulse, temperature, breath and movement.

At strength 1, with latent arousal a from -1 to 1 (see `Moment`):

* EDA: skin conductance responses come 3 * exp(0.8 a) times a minute, each 0.3 uS high and up to 5 s long, on
  a level of 4 * exp(0.1 a) uS; a clip changes the rate by a factor with log SD 0.3, an hour of drift the
  level by +0.2 in the log. People differ in level (log SD 0.4) and rate (log SD 0.3), trials in both (0.1).
* PPG: the pulse of the same heart as `simulate_ecg`, a quarter of a second later.
* Temperature: 33 - 0.4 a degC, an hour of drift +0.5; people differ with SD 1, trials with SD 0.1.
* Acceleration: gravity in a direction of the person's own, and a movement now and then (1 a minute).

The sizes are chosen so that effects are plausible and can be found; they estimate nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .simulate import Heart, beating, check_length, slowly
from .world import Moment, World, generator

__all__ = [
    "simulate_acc",
    "simulate_beats",
    "simulate_conductance",
    "simulate_ppg",
    "simulate_respiration",
    "simulate_temperature",
]

_LEVEL, _LEVEL_AROUSAL, _LEVEL_DRIFT = 4.0, 0.1, 0.2
_RATE, _RATE_AROUSAL, _RATE_CLIP = 3.0 / 60, 0.8, 0.3
_SUBJECT_LEVEL, _SUBJECT_RATE, _TRIAL_EDA = 0.4, 0.3, 0.1
_RESPONSE, _RISE, _DECAY = 0.3, 0.75, 2.0
_SKIN, _SKIN_AROUSAL, _SKIN_DRIFT, _SKIN_SUBJECT, _SKIN_TRIAL = 33.0, -0.4, 0.5, 1.0, 0.1
_PULSE_DELAY = 0.25
_MOVEMENTS = 1.0 / 60


def _key(moment: Moment, what: int) -> tuple[int, int, int, int]:
    return moment.subject, moment.trial, int(moment.is_rest), what


def _heart(world: World, moment: Moment, sfreq: float, n_times: int) -> Heart:
    """Take the heart of `simulate_ecg`."""
    rng = generator(world, "ecg", moment.subject, moment.trial, int(moment.is_rest))
    return beating(world, moment, rng, sfreq=sfreq, n_times=n_times)


def _arousal(world: World, moment: Moment) -> float:
    return 0.0 if moment.is_rest else world.affect * moment.arousal


def simulate_conductance(world: World, moment: Moment, *, sfreq: float, n_times: int) -> NDArray[np.float64]:
    """Make the skin conductance of one person in one trial.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples.

    Returns
    -------
    eda : ndarray, shape (1, n_times)
        Microsiemens, always above 0.

    Raises
    ------
    ValueError
        If there is no sample to make.

    Examples
    --------
    >>> moment = Moment(subject=0, trial=0, stimulus=0)
    >>> simulate_conductance(World(), moment, sfreq=4, n_times=240).shape
    (1, 240)
    """
    from scipy.signal import lfilter  # noqa: PLC0415  scipy.signal takes long to import.

    check_length(sfreq, n_times)
    person = world.subject * generator(world, "peripheral", moment.subject).standard_normal(2)
    rng = generator(world, "peripheral", *_key(moment, 0))
    trial = world.trial * _TRIAL_EDA * rng.standard_normal(2)
    clip = 0.0 if moment.is_rest else world.stimulus * generator(world, "clip", moment.stimulus, 2).normal()
    arousal = _arousal(world, moment)
    hours = (moment.elapsed + np.arange(n_times) / sfreq) / 3600
    level = _SUBJECT_LEVEL * person[0] + trial[0] + _LEVEL_AROUSAL * arousal
    level += world.drift * _LEVEL_DRIFT * hours + 0.03 * slowly(rng, 1, np.arange(n_times) / sfreq)[0]
    rate = _RATE * np.exp(_SUBJECT_RATE * person[1] + trial[1] + _RATE_AROUSAL * arousal + _RATE_CLIP * clip)
    # Responses that began up to 20 s before the trial are still on their way down.
    before = round(20 * sfreq)
    n_all = before + n_times
    n_responses = rng.poisson(rate * n_all / sfreq)
    impulses = np.zeros(n_all)
    np.add.at(impulses, rng.integers(0, n_all, n_responses), rng.lognormal(0.0, 0.3, n_responses))
    decay, rise = (np.exp(-1 / (tau * sfreq)) for tau in (_DECAY, _RISE))
    shape = lfilter([1.0], [1.0, -decay], impulses) - lfilter([1.0], [1.0, -rise], impulses)
    # The peak of exp(-t / decay) - exp(-t / rise).
    peak = np.log(_DECAY / _RISE) * _RISE * _DECAY / (_DECAY - _RISE)
    height = np.exp(-peak / _DECAY) - np.exp(-peak / _RISE)
    eda: NDArray[np.float64] = (
        _LEVEL * np.exp(level) + _RESPONSE / height * shape[before:] + 2e-3 * rng.standard_normal(n_times)
    )
    return np.maximum(eda, 0.01, out=eda)[np.newaxis]


def simulate_beats(world: World, moment: Moment, *, seconds: float) -> NDArray[np.float64]:
    """Tell when the heart of `simulate_ecg` beats.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    seconds : float
        Length of the trial.

    Returns
    -------
    times : ndarray, shape (n_beats,)
        Seconds after the onset, to about a millisecond.

    Examples
    --------
    >>> calm = Moment(subject=0, trial=0, stimulus=0)
    >>> beats = simulate_beats(World(subject=0, trial=0), calm, seconds=60)
    >>> len(beats), float(np.diff(beats).mean().round(2))
    (71, 0.85)
    """
    sfreq = 1000.0
    n_times = max(1, round(seconds * sfreq))
    phase = _heart(world, moment, sfreq, n_times).phase
    whole = np.arange(np.ceil(phase[0]), np.floor(phase[-1]) + 1)
    beats: NDArray[np.float64] = np.interp(whole, phase, np.arange(n_times) / sfreq)
    return beats


def simulate_ppg(world: World, moment: Moment, *, sfreq: float, n_times: int) -> NDArray[np.float64]:
    """Make the pulse wave of one person in one trial, of the same heart as `simulate_ecg`.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples.

    Returns
    -------
    ppg : ndarray, shape (1, n_times)
        Without a unit, around 0, about 50 from the middle to a peak, as an E4 gives it.

    Examples
    --------
    >>> moment = Moment(subject=0, trial=0, stimulus=0)
    >>> ppg = simulate_ppg(World(), moment, sfreq=64, n_times=640)
    >>> ppg.shape, bool(np.abs(ppg).max() < 100)
    ((1, 640), True)
    """
    check_length(sfreq, n_times)
    rng = generator(world, "peripheral", *_key(moment, 1))
    cycle = _heart(world, moment, sfreq, n_times).phase % 1.0
    grid = np.linspace(0.0, 1.0, 1001)
    delays = ((grid - centre + 0.5) % 1.0 - 0.5 for centre in (_PULSE_DELAY, _PULSE_DELAY + 0.35))
    systole, diastole = (
        np.exp(-0.5 * (delay / width) ** 2) for delay, width in zip(delays, (0.1, 0.12), strict=True)
    )
    wave = systole + 0.35 * diastole
    height = 1 + 0.1 * slowly(rng, 1, np.arange(n_times) / sfreq)[0]
    ppg: NDArray[np.float64] = 70 * height * np.interp(
        cycle, grid, wave - wave.mean()
    ) + 0.5 * rng.standard_normal(n_times)
    return ppg[np.newaxis]


def simulate_temperature(world: World, moment: Moment, *, sfreq: float, n_times: int) -> NDArray[np.float64]:
    """Make the skin temperature of one person in one trial.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples.

    Returns
    -------
    temperature : ndarray, shape (1, n_times)
        Degrees Celsius.

    Examples
    --------
    >>> moment = Moment(subject=0, trial=0, stimulus=0)
    >>> temperature = simulate_temperature(World(), moment, sfreq=4, n_times=240)
    >>> temperature.shape, bool(20 < temperature.mean() < 40)
    ((1, 240), True)
    """
    check_length(sfreq, n_times)
    person = generator(world, "peripheral", moment.subject, 1).standard_normal()
    rng = generator(world, "peripheral", *_key(moment, 2))
    seconds = np.arange(n_times) / sfreq
    skin = _SKIN + world.subject * _SKIN_SUBJECT * person + world.trial * _SKIN_TRIAL * rng.standard_normal()
    skin += _SKIN_AROUSAL * _arousal(world, moment)
    drift = world.drift * _SKIN_DRIFT * (moment.elapsed + seconds) / 3600
    temperature: NDArray[np.float64] = skin + drift + 0.05 * slowly(rng, 1, seconds)
    return temperature + 5e-3 * rng.standard_normal(n_times)


def simulate_acc(world: World, moment: Moment, *, sfreq: float, n_times: int) -> NDArray[np.float64]:
    """Make the acceleration at the wrist or chest of one person in one trial.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples.

    Returns
    -------
    acc : ndarray, shape (3, n_times)
        Multiples of gravity.

    Examples
    --------
    >>> moment = Moment(subject=0, trial=0, stimulus=0)
    >>> acc = simulate_acc(World(), moment, sfreq=32, n_times=320)
    >>> acc.shape, float(np.median(np.linalg.norm(acc, axis=0)).round(1))
    ((3, 320), 1.0)
    """
    check_length(sfreq, n_times)
    person = generator(world, "peripheral", moment.subject, 2).standard_normal(3)
    rng = generator(world, "peripheral", *_key(moment, 3))
    gravity = np.array([0.0, 0.0, 1.0]) + 0.3 * world.subject * person
    gravity += 0.1 * world.trial * rng.standard_normal(3)
    seconds = np.arange(n_times) / sfreq
    acc = (gravity / np.linalg.norm(gravity))[:, np.newaxis] + 0.01 * rng.standard_normal((3, n_times))
    for _ in range(rng.poisson(_MOVEMENTS * n_times / sfreq)):
        centre, width = rng.uniform(0, n_times / sfreq), rng.uniform(0.3, 1.0)
        swing = np.exp(-0.5 * ((seconds - centre) / width) ** 2) * np.sin(2 * np.pi * 2 * (seconds - centre))
        acc += 0.3 * rng.standard_normal((3, 1)) * swing
    return acc


def simulate_respiration(world: World, moment: Moment, *, sfreq: float, n_times: int) -> NDArray[np.float64]:
    """Make the breath that also modulates `simulate_ecg`.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples.

    Returns
    -------
    respiration : ndarray, shape (1, n_times)
        From -1 to 1, with a little noise.

    Examples
    --------
    >>> moment = Moment(subject=0, trial=0, stimulus=0)
    >>> breath = simulate_respiration(World(), moment, sfreq=20, n_times=1200)
    >>> breath.shape, float(np.abs(breath).max().round(1))
    ((1, 1200), 1.0)
    """
    check_length(sfreq, n_times)
    rng = generator(world, "peripheral", *_key(moment, 4))
    breath = _heart(world, moment, sfreq, n_times).breath
    return (breath + 0.02 * rng.standard_normal(n_times))[np.newaxis]
