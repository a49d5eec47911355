"""Signals and ratings of people in a `World`.

Every electrode holds pink noise with rhythms, a little of it shared with its neighbours. Its bands are scaled
by the gains that `band_gains` tells, and all but delta wax and wane besides (SD 0.1 nats, knots every 4 s).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .world import (
    DRIFT,
    RHYTHMS,
    SLOWEST_BPM,
    Moment,
    Sites,
    World,
    band_gains,
    generator,
    heart_rate,
    offsets,
)

__all__ = ["simulate_ecg", "simulate_eeg", "simulate_ratings"]

_LEVEL, _EXPONENT, _CORNER = (
    1e-6,
    1.2,
    0.5,
)  # 1 uV per root Hz at 10 Hz, falling as f^-1.2, flat below 0.5 Hz.
_CROSSOVER = 1.0  # Hz over which one band's gain gives way to the next one's.
_WAXING, _KNOTS = 0.1, 4.0


def simulate_ratings(
    world: World,
    subject: int,
    means: Mapping[str, Sequence[float]],
    *,
    scale: tuple[int, int],
    bias: float = 0.3,
    noise: float = 0.7,
) -> dict[str, NDArray[np.int64]]:
    """Let a person rate clips: the clip's mean, the person's bias and noise, rounded and kept in the scale.

    Parameters
    ----------
    world : World
        Gives the seed; its strengths do not matter.
    subject : int
        Number of the person.
    means : mapping of str to sequence of float
        For each kind of rating the mean of each clip.
    scale : (int, int)
        Lowest and highest rating.
    bias, noise : float
        Standard deviations in units of the scale, per person and per rating.

    Returns
    -------
    ratings : dict of str to ndarray of int, shape (n_stimuli,)

    Examples
    --------
    >>> means = {"valence": [1.5, 4.5], "arousal": [2.0, 4.0]}
    >>> ratings = simulate_ratings(World(), 0, means, scale=(1, 5))
    >>> {name: (values.shape, values.dtype) for name, values in ratings.items()}
    {'valence': ((2,), dtype('int64')), 'arousal': ((2,), dtype('int64'))}
    >>> simulate_ratings(World(), 0, means, scale=(1, 5), bias=0, noise=0)["valence"]
    array([2, 4])
    """
    clip_means = np.stack(list(means.values()), axis=1)
    own_bias = bias * generator(world, "ratings", subject).standard_normal(len(means))
    own_noise = [
        noise * generator(world, "ratings", subject, clip).standard_normal(len(means))
        for clip in range(len(clip_means))
    ]
    rounded = np.clip(np.rint(clip_means + own_bias + np.stack(own_noise)), *scale).astype(np.int64)
    return dict(zip(means, rounded.T, strict=True))


def check_length(sfreq: float, n_times: int) -> None:
    if not (0 < sfreq < math.inf and n_times >= 1):
        raise ValueError(f"A signal needs sfreq above 0 Hz and a sample or more, got {sfreq} Hz, {n_times}.")


def slowly(rng: np.random.Generator, n_series: int, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw series that change over seconds, shape (n_series, n_times), normal with SD 1 at the knots."""
    knots = np.arange(math.ceil(seconds[-1] / _KNOTS) + 2) * _KNOTS
    return np.stack([np.interp(seconds, knots, rng.standard_normal(len(knots))) for _ in range(n_series)])


def _densities(world: World, moment: Moment, sites: Sites, freqs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power density before any gain, one-sided, in V²/Hz, shape (n_channels, n_freqs)."""
    alpha = 10.0 + world.subject * 0.8 * generator(world, "person", moment.subject, 3).standard_normal()
    backness = 1 / (1 + np.exp(4 * sites.y))
    rhythms = (  # Centre and width in Hz, power at the centre as a multiple of the background's.
        (6.0, 1.0, 0.6 * (1 - backness)),
        (alpha, 1.0, 0.5 + 5.0 * backness),
        (20.0, 4.0, np.full_like(backness, 0.6)),
        (38.0, 6.0, np.full_like(backness, 0.4)),
    )
    density = np.ones((len(backness), len(freqs)))
    for centre, width, height in rhythms:
        density += height[:, None] * np.exp(-0.5 * ((freqs - centre) / width) ** 2)
    density *= _LEVEL**2 * (np.maximum(freqs, _CORNER) / 10.0) ** -_EXPONENT
    density[:, freqs == 0] = 0.0  # Offsets are added in the end.
    return density


def _response(freqs: NDArray[np.float64], passband: tuple[float, float] | None) -> NDArray[np.float64]:
    """Amplitude response of a device: order 2 at the lower edge, order 8 at the upper one."""
    if passband is None:
        return np.ones_like(freqs)
    fmin, fmax = passband
    if not 0 < fmin < fmax:
        raise ValueError(f"A passband needs 0 < fmin < fmax, got {fmin} and {fmax} Hz.")
    return freqs**2 / np.hypot(freqs**2, fmin**2) / np.sqrt(1 + (freqs / fmax) ** 16)


def _band_shares(freqs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each band in each frequency, shape (n_bands, n_freqs); they add up to one."""
    edges = np.array([fmin for fmin, _ in RHYTHMS.values()][1:])
    above = np.clip((freqs - edges[:, None]) / _CROSSOVER + 0.5, 0.0, 1.0)
    one, none = np.ones((1, len(freqs))), np.zeros((1, len(freqs)))
    return -np.diff(np.concatenate([one, above, none]), axis=0)


def _mixing(sites: Sites) -> NDArray[np.float64]:
    """Weights of independent sources in each electrode, so that neighbours resemble; rows of norm one."""
    squared = (sites.x[:, None] - sites.x) ** 2 + (sites.y[:, None] - sites.y) ** 2
    weights = 0.4 * np.exp(-squared / (2 * 0.3**2)) + 0.6 * np.eye(len(sites.x))
    normed: NDArray[np.float64] = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return normed


def simulate_eeg(
    world: World,
    moment: Moment,
    *,
    ch_names: Sequence[str],
    sfreq: float,
    n_times: int,
    passband: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Make the EEG of one person in one trial.

    Parameters
    ----------
    world : World
        Strengths and seed.
    moment : Moment
        Who, which trial, which affect.
    ch_names : sequence of str
        Electrodes of the 10-20 system.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Number of samples.
    passband : (float, float), optional
        What the device lets through, in Hz. Default: everything.

    Returns
    -------
    eeg : ndarray, shape (n_channels, n_times)
        Volts, the electrodes' offsets included.

    Raises
    ------
    ValueError
        If a name is not of the 10-20 system or occurs twice, there is no sample to make, or the passband is
        upside down.

    Examples
    --------
    >>> moment = Moment(subject=0, trial=0, stimulus=0)
    >>> simulate_eeg(World(), moment, ch_names=("F3", "F4"), sfreq=128, n_times=1280).shape
    (2, 1280)
    """
    from scipy import fft  # noqa: PLC0415  scipy takes long to import, and most readers do without it.

    check_length(sfreq, n_times)
    sites = Sites.of(ch_names)
    n_channels = len(ch_names)
    rng = generator(world, "eeg", moment.subject, moment.trial, int(moment.is_rest))
    seconds = np.arange(n_times) / sfreq
    waxing = _WAXING * slowly(rng, len(RHYTHMS), seconds)
    waxing[0] = 0.0
    waxing += world.drift * DRIFT.gains[:, None] * seconds / 3600

    n_fft = fft.next_fast_len(n_times, real=True)
    freqs = fft.rfftfreq(n_fft, 1 / sfreq)
    noise = rng.standard_normal((n_channels, 2 * len(freqs)), dtype=np.float32).view(np.complex64)
    # A one-sided density P needs coefficients of variance P sfreq n / 2, half of it in each part.
    amplitudes = np.sqrt(_densities(world, moment, sites, freqs) * sfreq * n_fft / 4)
    amplitudes *= _response(freqs, passband)
    spectrum = (_mixing(sites).astype(np.float32) @ noise) * amplitudes.astype(np.float32)

    gains = np.exp(band_gains(world, moment, ch_names).T)
    eeg = np.tile(offsets(world, moment, n_channels)[:, None], n_times)
    for share, gain, wax in zip(_band_shares(freqs), gains, np.exp(waxing), strict=True):
        band = fft.irfft(spectrum * share.astype(np.float32), n=n_fft)[:, :n_times]
        eeg += gain[:, None] * (band * wax.astype(np.float32))
    return eeg


# P, Q, R, S, T: position and width in cycles from beat to beat, height in volts. A sum of Gaussians as in
# McSharry et al. 2003, doi 10.1109/TBME.2003.808805; sizes ours.
_WAVES = (
    (-0.18, 0.025, 0.15e-3),
    (-0.03, 0.010, -0.12e-3),
    (0.0, 0.010, 1.0e-3),
    (0.03, 0.010, -0.20e-3),
    (0.30, 0.050, 0.30e-3),
)


def _heartbeats(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heart beats in volts; R waves peak where the phase is whole."""
    grid = np.linspace(-0.5, 0.5, 2001)
    cycle = sum(height * np.exp(-0.5 * ((grid - at) / width) ** 2) for at, width, height in _WAVES)
    return np.interp(phase - np.rint(phase), grid, cycle)


class Heart(NamedTuple):
    """Phase in beats and breath from -1 to 1, shape (n_times,) each; size of the ECG, 1 on average."""

    phase: NDArray[np.float64]
    breath: NDArray[np.float64]
    size: float


def beating(world: World, moment: Moment, rng: np.random.Generator, *, sfreq: float, n_times: int) -> Heart:
    """Let a heart beat; with the stream "ecg" of the moment it is that of `simulate_ecg`, at any rate."""
    check_length(sfreq, n_times)
    own = world.subject * generator(world, "person", moment.subject, 4).standard_normal(3)
    seconds = np.arange(n_times) / sfreq
    first_beat, first_breath = rng.uniform(size=2)
    breath = np.sin(2 * np.pi * (0.25 * math.exp(0.1 * own[0]) * seconds + first_breath))
    bpm = heart_rate(world, moment) + world.drift * DRIFT.bpm * seconds / 3600
    bpm += 3.0 * math.exp(0.3 * own[1]) * breath + 2.0 * slowly(rng, 1, seconds)[0]
    phase = first_beat + np.cumsum(np.maximum(bpm, SLOWEST_BPM)) / (60 * sfreq)
    return Heart(phase, breath, math.exp(0.2 * own[2]))


def simulate_ecg(
    world: World, moment: Moment, *, sfreq: float, n_times: int, n_channels: int = 1
) -> NDArray[np.float64]:
    """Make the ECG of one person in one trial.

    The heart beats at `heart_rate`, faster while breathing in (about 3 bpm), and wanders slowly (SD 2 bpm).

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
    n_channels : int
        Leads; all show the same beats, each smaller than the one before.

    Returns
    -------
    ecg : ndarray, shape (n_channels, n_times)
        Volts.

    Raises
    ------
    ValueError
        If there is no sample to make.

    Examples
    --------
    >>> from scipy.signal import find_peaks
    >>> calm = Moment(subject=0, trial=0, stimulus=0)
    >>> ecg = simulate_ecg(World(subject=0, trial=0), calm, sfreq=250, n_times=15000)
    >>> peaks, _ = find_peaks(ecg[0], height=ecg.max() / 2)
    >>> ecg.shape, len(peaks)  # In one minute.
    ((1, 15000), 71)
    """
    rng = generator(world, "ecg", moment.subject, moment.trial, int(moment.is_rest))
    heart = beating(world, moment, rng, sfreq=sfreq, n_times=n_times)
    leads = heart.size / (1 + 0.5 * np.arange(n_channels))
    noise = rng.standard_normal((n_channels, n_times), dtype=np.float32)
    ecg: NDArray[np.float64] = leads[:, None] * _heartbeats(heart.phase) + 0.05e-3 * heart.breath
    return ecg + 10e-6 * noise
