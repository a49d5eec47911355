"""Simulated skin conductance of which every part is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .sudomotor import Sudomotor

__all__ = ["SimulatedEDA", "simulate_eda"]

Array = NDArray[np.float64]


class SimulatedEDA(NamedTuple):
    """A recording and its parts, each of shape (n_times,), in microsiemens.

    ``eda`` is ``tonic + phasic`` with noise and bumps, NaN in gaps; ``is_disturbed`` tells where a bump lies.
    ``event_times`` (seconds) and ``event_areas`` (uS s), shape (n_events,), are those of the bursts.
    """

    eda: Array
    tonic: Array
    phasic: Array
    driver: Array
    is_disturbed: NDArray[np.bool_]
    event_times: Array
    event_areas: Array
    sfreq: float


def simulate_eda(  # noqa: PLR0913  All options are named.
    duration: float,
    *,
    sfreq: float = 4.0,
    skin: Sudomotor = Sudomotor(),
    rate: float = 6.0,
    amplitude: float = 0.3,
    burst: float = 0.5,
    level: float = 5.0,
    drift: float = 0.05,
    snr_db: float | None = 20.0,
    gaps: tuple[tuple[float, float], ...] = (),
    bumps: tuple[tuple[float, float, float], ...] = (),
    seed: int = 0,
) -> SimulatedEDA:
    """Simulate skin conductance.

    Parameters
    ----------
    duration : float
        Seconds.
    sfreq : float
        Samples per second.
    skin : Sudomotor
        Time constants.
    rate : float
        Bursts a minute, a Poisson process that begins 20 s before the recording, so that responses are under
        way at its first sample; bursts are at least ``burst`` apart.
    amplitude : float
        Median height in microsiemens that a single response has; heights are log-normal, with a standard
        deviation of their logarithm of 0.6.
    burst : float
        Length of a burst in seconds; it is constant meanwhile.
    level, drift : float
        Tonic level in microsiemens at the beginning, and standard deviation of its change over a minute (an
        integrated random walk, smoothed over 20 s).
    snr_db : float, optional
        Ratio in dB of the phasic part's variance to that of white noise. None: no noise.
    gaps : tuple of (start, stop)
        Seconds without data.
    bumps : tuple of (start, length, height)
        Seconds, seconds and microsiemens of rectangles that are added, as a movement of the electrode does.
    seed : int
        Seed.

    Returns
    -------
    SimulatedEDA

    Raises
    ------
    ValueError
        If a size is not above zero, or the level falls below zero.

    Examples
    --------
    >>> made = simulate_eda(60, rate=6, snr_db=None, seed=1)
    >>> bool(np.allclose(made.eda, made.tonic + made.phasic))
    True
    """
    for name, value in {"duration": duration, "sfreq": sfreq, "burst": burst, "amplitude": amplitude}.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}.")
    rng = np.random.default_rng(seed)
    # In steps of a 64th of a second at least, whatever the rate, so that bursts begin between samples.
    finer = max(1, round(64 / sfreq))
    fine = sfreq * finer
    lead = 20.0
    n_fine = round((duration + lead) * fine)
    times = _onsets(rng, duration + lead, rate, burst)
    areas = amplitude * np.exp(0.6 * rng.standard_normal(len(times))) / skin.peak
    driver = np.zeros(n_fine)
    for time, area in zip(times, areas, strict=True):
        # Shares of the fine samples that the burst covers, so that its area is exact.
        edges = np.clip(np.arange(n_fine + 1) / fine, time, time + burst)
        driver += np.diff(edges) * fine * area / burst
    phasic = skin.respond(driver, sfreq=fine)
    first = round(lead * fine)
    # A sample of the driver stands for what came until the next.
    n_times = round(duration * sfreq)
    kept = driver[first : first + n_times * finer].reshape(n_times, finer).mean(axis=1)
    phasic = phasic[first::finer][:n_times]
    tonic = level + _walk(rng, n_times, sfreq, drift)
    if tonic.min() < 0:
        raise ValueError(f"The tonic level falls to {tonic.min():.2f} uS: raise level or lower drift.")
    eda = tonic + phasic
    if snr_db is not None:
        eda = eda + rng.standard_normal(n_times) * np.std(phasic) * 10 ** (-snr_db / 20)
    t = np.arange(n_times) / sfreq
    is_disturbed = np.zeros(n_times, dtype=bool)
    for start, length, height in bumps:
        inside = (t >= start) & (t < start + length)
        eda[inside] += height
        is_disturbed |= inside
    for start, stop in gaps:
        eda[(t >= start) & (t < stop)] = np.nan
    is_own = times >= lead
    return SimulatedEDA(eda, tonic, phasic, kept, is_disturbed, times[is_own] - lead, areas[is_own], sfreq)


def _onsets(rng: np.random.Generator, duration: float, rate: float, apart: float) -> Array:
    waits = apart + rng.exponential(60 / rate - apart, size=max(16, int(4 * duration * rate / 60) + 16))
    times = np.cumsum(waits)
    return np.asarray(times[times < duration - apart])


def _walk(rng: np.random.Generator, n_times: int, sfreq: float, per_minute: float) -> Array:
    steps = rng.standard_normal(n_times) * per_minute / np.sqrt(60 * sfreq)
    n_smooth = max(1, round(20 * sfreq))
    walk = np.convolve(np.pad(np.cumsum(steps), n_smooth, mode="edge"), np.ones(n_smooth) / n_smooth, "same")
    walk = walk[n_smooth : n_smooth + n_times]
    return np.asarray(walk - walk[0])
