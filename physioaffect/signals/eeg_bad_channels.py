"""Which EEG channels are broken: flat, noisy, of another size than the others, or like none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BadChannels", "Unusable", "channel_scores", "find_bad_channels", "unusable_samples"]

# Below so many channels "different from the others" has no meaning.
_FEWEST = 8
# Where electrodes differ little, a robust deviation is tiny and anything stands out; a channel must also be
# at least twice (or half) as large as usual to count, so the deviation of the logarithms is bounded from
# below.
_SMALLEST_SPREAD = np.log(2) / 5
_TO_SD = 1.4826
# A channel like no other has less than this share of the correlation that is usual in the recording.
_UNLIKE = 0.6
# So many samples tell a median or a quartile well enough.
_ENOUGH = 2048


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """Samples that hold no EEG and are set aside before any filter can smear them.

    Parameters
    ----------
    extreme : float
        Further from the channel's median than so many robust standard deviations (of this channel or of the
        median channel, whichever is larger). A blink has 10 to 60.
    flat : float
        In a stretch of so many seconds or more in which the channel moves, from sample to sample, by less
        than a hundredth of what is usual in the recording.
    """

    extreme: float = 100.0
    flat: float = 1.0

    def __post_init__(self) -> None:
        if not (self.extreme > 0 and self.flat > 0):
            raise ValueError(f"Unusable needs numbers above 0, got {self}.")


@dataclass(frozen=True, kw_only=True)
class BadChannels:
    """When a channel counts as bad, and what becomes of it.

    Parameters
    ----------
    unusable : float
        Missing, flat or extreme for more than this share of the time.
    deviating : float
        The logarithm of its robust standard deviation is so many robust standard deviations from the other
        channels' (PREP: 5, without the logarithm).
    noisy : float
        The logarithm of its amplitude above ``noise_above`` relative to that below is so many robust standard
        deviations larger than the other channels' (PREP: 5).
    noise_above : float
        In Hz. PREP takes 50 Hz, which most data sets on emotion no longer hold.
    correlation : float
        A window is bad if the channel's absolute correlation with the others, in their 98th percentile, is
        below this (PREP: 0.4) and below six tenths of what is usual in the recording ...
    window, share : float
        ... in windows of so many seconds (PREP: 1), and more than this share of the windows is bad (PREP:
        0.01, made for hours; a trial of a minute would lose a channel to a single window).
    interpolate : bool
        Whether bad channels are interpolated by spherical splines; otherwise they become NaN.
    most_interpolated : float
        If more than this share of the channels is bad none is interpolated, since too few are left to tell.
    """

    unusable: float = 0.2
    deviating: float = 5.0
    noisy: float = 5.0
    noise_above: float = 25.0
    correlation: float = 0.4
    window: float = 1.0
    share: float = 0.4
    interpolate: bool = True
    most_interpolated: float = 0.34

    def __post_init__(self) -> None:
        shares = (self.unusable, self.correlation, self.share, self.most_interpolated)
        if not all(0 <= value <= 1 for value in shares):
            raise ValueError(f"BadChannels needs shares and a correlation from 0 to 1, got {self}.")
        if not min(self.deviating, self.noisy, self.noise_above, self.window) > 0:
            raise ValueError(f"BadChannels needs thresholds and a window above 0, got {self}.")


class UnusableSamples(NamedTuple):
    """Where a recording holds no EEG, each of shape (n_channels, n_times)."""

    is_missing: NDArray[np.bool_]
    is_extreme: NDArray[np.bool_]
    is_flat: NDArray[np.bool_]


class ChannelScores(NamedTuple):
    """How much each channel differs from the others, each of shape (n_channels,).

    ``deviation`` and ``noise`` are robust z scores of logarithms (NaN where it was not assessed);
    ``uncorrelated`` is the share of windows in which the channel is like no other.
    """

    deviation: NDArray[np.float64]
    noise: NDArray[np.float64]
    uncorrelated: NDArray[np.float64]


def unusable_samples(X: NDArray[np.floating[Any]], settings: Unusable, *, sfreq: float) -> UnusableSamples:
    """Find samples that are missing, extreme or in a flat stretch.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        Before any filter, which would make flat stretches ring; NaN (or infinite) where missing.
    settings : Unusable
        Thresholds.
    sfreq : float
        Samples per second.

    Returns
    -------
    UnusableSamples
        Three masks.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(2, 1000))
    >>> X[0, 300:600], X[1, 50] = 3.0, 1e6
    >>> found = unusable_samples(X, Unusable(), sfreq=100)
    >>> found.is_flat.sum(axis=1), found.is_extreme.sum(axis=1)
    (array([300,   0]), array([0, 1]))
    """
    is_missing = ~np.isfinite(X)
    filled = np.where(is_missing, np.nan, X)
    usable = ~is_missing.all(axis=1)
    is_extreme, is_flat = np.zeros_like(is_missing), np.zeros_like(is_missing)
    if not usable.any() or X.shape[1] < 2:
        return UnusableSamples(is_missing, is_extreme, is_flat)
    rows = filled[usable]
    thin = rows[:, :: max(1, X.shape[1] // _ENOUGH)]
    thin = thin if np.isfinite(thin).any(axis=1).all() else rows
    median = np.median if np.isfinite(thin).all() else np.nanmedian
    middle = median(thin, axis=1, keepdims=True)
    distance = np.abs(rows - middle)
    spread = _TO_SD * median(np.abs(thin - middle), axis=1)
    limit = settings.extreme * np.maximum(spread, np.median(spread))
    # Without any spread there is no EEG to compare with; such channels are flat.
    is_extreme[usable] = (distance > limit[:, np.newaxis]) & (limit > 0)[:, np.newaxis]
    steps = np.abs(np.diff(rows, axis=1))
    # A row of which no step is known says nothing of what is usual.
    typical = [_upper_quartile(row[:: max(1, len(row) // _ENOUGH)]) for row in steps]
    known = [value for value in typical if np.isfinite(value)]
    is_still = steps <= (0.01 * np.median(known) if known else -1.0)
    n_flat = max(1, round(settings.flat * sfreq) - 1)
    is_flat[usable] = [_long_runs(row, n_flat) for row in is_still]
    return UnusableSamples(is_missing, is_extreme, is_flat)


def _upper_quartile(row: NDArray[np.float64]) -> float:
    known = row[np.isfinite(row)]
    return float(np.quantile(known, 0.75)) if len(known) else float("nan")


def _long_runs(is_still: NDArray[np.bool_], n_least: int) -> NDArray[np.bool_]:
    """Samples on both sides of the steps in runs of at least so many still steps."""
    inside = np.zeros(len(is_still) + 1, dtype=np.bool_)
    edges = np.flatnonzero(np.diff(is_still, prepend=False, append=False))
    for first, last in edges.reshape(-1, 2):
        if last - first >= n_least:
            inside[first : last + 1] = True
    return inside


def _robust_z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = np.median(values)
    spread = _TO_SD * np.median(np.abs(values - middle))
    return np.asarray((values - middle) / max(spread, _SMALLEST_SPREAD))


def channel_scores(X: NDArray[np.floating[Any]], settings: BadChannels, *, sfreq: float) -> ChannelScores:
    """Compare each channel with the others.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        Filtered, without gaps, at least eight channels that are not flat.
    settings : BadChannels
        ``noise_above``, ``correlation`` and ``window`` are used.
    sfreq : float
        Samples per second.

    Returns
    -------
    ChannelScores
        ``noise`` is NaN if less than a fifth of the spectrum lies above ``noise_above``, or no power.

    Notes
    -----
    Three criteria of the PREP pipeline [1]_, from its formulas. Deviations: the data are referenced once to
    the median over channels instead of repeatedly; logarithms, with a bound on their spread, so that
    a channel has to differ by a factor of two at least; the noise is measured in a spectrum of 1-s windows,
    since data on emotion end at 45 Hz; the limit of the correlation sinks where all channels have little in
    common; no RANSAC, which is random and slow.

    References
    ----------
    .. [1] Bigdely-Shamlo, Mullen, Kothe, Su, Robbins (2015). The PREP pipeline: standardized preprocessing
       for large-scale EEG analysis. Frontiers in Neuroinformatics 9:16. doi:10.3389/fninf.2015.00016

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared = np.cumsum(rng.normal(size=4000)) * 0.05
    >>> X = shared * np.linspace(-1, 1, 10)[:, np.newaxis] + 0.1 * rng.normal(size=(10, 4000))
    >>> X[3] *= 20
    >>> int(channel_scores(X, BadChannels(), sfreq=100).deviation.argmax())
    3
    """
    X = X - np.median(X, axis=0)
    tiny = np.finfo(np.float64).tiny
    quartiles = np.quantile(X[:, :: max(1, X.shape[1] // _ENOUGH)], [0.25, 0.75], axis=1)
    deviation = _robust_z(np.log(np.maximum(quartiles[1] - quartiles[0], tiny)))
    n_window = min(X.shape[1], max(2, round(settings.window * sfreq)))
    n_windows = X.shape[1] // n_window
    blocks = X[:, : n_windows * n_window].reshape(len(X), n_windows, n_window)
    blocks = blocks - blocks.mean(axis=-1, keepdims=True)
    noise = np.full(len(X), np.nan)
    freqs = np.fft.rfftfreq(n_window, 1 / sfreq)
    is_high = freqs > settings.noise_above
    power = np.abs(np.fft.rfft(blocks * np.hanning(n_window), axis=-1)) ** 2
    high, low = (np.median(power[..., part].sum(axis=-1), axis=1) for part in (is_high, ~is_high))
    # What a low-pass has taken away is no sign of quality.
    if is_high.mean() > 0.2 and np.median(high) > 1e-6 * np.median(low):
        noise = _robust_z(0.5 * np.log(np.maximum(high, tiny) / np.maximum(low, tiny)))
    by_window = blocks.swapaxes(0, 1)
    size = np.maximum(np.linalg.norm(by_window, axis=-1, keepdims=True), tiny)
    unit = by_window / size
    likeness = np.abs(unit @ unit.swapaxes(1, 2))
    likeness[:, np.arange(len(X)), np.arange(len(X))] = 0
    best = np.quantile(likeness, 0.98, axis=-1)
    # Where even neighbours have little in common, as after a spatial filter, 0.4 would condemn them all.
    limit = min(settings.correlation, _UNLIKE * float(np.median(best)))
    return ChannelScores(deviation, noise, (best < limit).mean(axis=0))


def find_bad_channels(
    X: NDArray[np.floating[Any]],
    unusable: UnusableSamples,
    settings: BadChannels,
    *,
    sfreq: float,
    ch_names: Sequence[str],
) -> dict[str, str]:
    """Name the bad channels, each with its reasons.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        Filtered, gaps bridged.
    unusable : UnusableSamples
        What was found before the filter.
    settings : BadChannels
        Thresholds.
    sfreq : float
        Samples per second.
    ch_names : sequence of str
        Names of the channels.

    Returns
    -------
    reasons : dict of str to str
        Name of each bad channel and ``"missing"``, ``"extreme"``, ``"flat"``, or several of ``"deviating"``,
        ``"noisy"`` and ``"uncorrelated"`` with their numbers. With fewer than eight channels left only the
        first three are told.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(3, 1000))
    >>> X[1] = 0
    >>> unusable = unusable_samples(X, Unusable(), sfreq=100)
    >>> find_bad_channels(X, unusable, BadChannels(), sfreq=100, ch_names=["Fz", "Cz", "Pz"])
    {'Cz': 'flat'}
    """
    reasons: dict[str, list[str]] = {}
    names = ("missing", "extreme", "flat")
    lost = np.array([mask.mean(axis=1) for mask in unusable])
    share = np.logical_or.reduce(unusable).mean(axis=1)
    for channel in np.flatnonzero((share > settings.unusable) | (share == 1)).tolist():
        reasons[ch_names[channel]] = [names[int(lost[:, channel].argmax())]]
    left = [row for row, name in enumerate(ch_names) if name not in reasons]
    if len(left) >= _FEWEST and X.shape[1] >= 2:
        scores = channel_scores(X[left], settings, sfreq=sfreq)
        for row, deviation, noise, alone in zip(left, *scores, strict=True):
            found = [
                f"{what} ({round(float(value), 2):g})"
                for what, value, is_bad in (
                    ("deviating", deviation, abs(deviation) > settings.deviating),
                    ("noisy", noise, noise > settings.noisy),
                    ("uncorrelated", alone, alone > settings.share),
                )
                if is_bad
            ]
            if found:
                reasons[ch_names[row]] = found
    return {name: ", ".join(reasons[name]) for name in ch_names if name in reasons}
