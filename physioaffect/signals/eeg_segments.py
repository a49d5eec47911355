"""Stretches of EEG that are not to be trusted: marked, never cut out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BadSegments", "MarkedSegments", "mark_segments"]

_TO_SD = 1.4826


@dataclass(frozen=True, kw_only=True)
class BadSegments:
    """When a stretch counts as bad; None leaves a criterion out.

    Parameters
    ----------
    amplitude : float, optional
        Any channel further from zero than so many times the recording's usual standard deviation (robust,
        median over channels). It is relative since many data sets hold no volts; with 10 µV as usual, 15 is
        150 µV.
    step : float, optional
        Any channel that moves, from one sample to the next, by so many times the usual standard deviation of
        such moves.
    muscle : float, optional
        The power above ``muscle_above``, in windows of half a second and as a logarithm, is so many robust
        standard deviations above the recording's usual one, in the mean over channels.
    muscle_above : float
        In Hz; what the band-pass lets through above it should be a few hertz at least.
    margin : float
        Seconds that are marked too on both sides.
    """

    amplitude: float | None = 15.0
    step: float | None = 15.0
    muscle: float | None = 5.0
    muscle_above: float = 25.0
    margin: float = 0.1

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.amplitude, self.step, self.muscle) if limit is not None]
        if not all(limit > 0 for limit in [*limits, self.muscle_above]) or not self.margin >= 0:
            raise ValueError(f"BadSegments needs limits above 0 and a margin of 0 or more, got {self}.")


class MarkedSegments(NamedTuple):
    """Which samples are bad and why, each of shape (n_times,), and the limits in the signal's unit.

    ``is_muscle`` is None if the signal holds nothing above ``muscle_above``; a limit is NaN if not asked for.
    """

    is_large: NDArray[np.bool_]
    is_step: NDArray[np.bool_]
    is_muscle: NDArray[np.bool_] | None
    amplitude_limit: float
    step_limit: float


def _widened(is_bad: NDArray[np.bool_], n_margin: int) -> NDArray[np.bool_]:
    if n_margin == 0 or not is_bad.any():
        return is_bad
    ends = np.zeros(len(is_bad) + 1, dtype=np.int64)
    first, last = np.flatnonzero(np.diff(is_bad, prepend=False, append=False)).reshape(-1, 2).T
    np.add.at(ends, np.maximum(first - n_margin, 0), 1)
    np.add.at(ends, np.minimum(last + n_margin, len(is_bad)), -1)
    return np.asarray(np.cumsum(ends[:-1]) > 0)


def _muscle(
    X: NDArray[np.floating[Any]], is_usable: NDArray[np.bool_], settings: BadSegments, sfreq: float
) -> NDArray[np.bool_] | None:
    n_window = max(2, round(0.5 * sfreq))
    n_windows = X.shape[1] // n_window
    is_high = np.fft.rfftfreq(n_window, 1 / sfreq) > settings.muscle_above
    if settings.muscle is None or n_windows < 8 or is_high.mean() < 0.1:
        return None
    blocks = X[:, : n_windows * n_window].reshape(len(X), n_windows, n_window)
    power = np.abs(np.fft.rfft((blocks - blocks.mean(-1, keepdims=True)) * np.hanning(n_window))) ** 2
    high, low = power[..., is_high].sum(axis=-1), power[..., ~is_high].sum(axis=-1)
    if np.median(high) <= 1e-6 * np.median(low):  # A low-pass has taken it away.
        return None
    known = is_usable[: n_windows * n_window].reshape(n_windows, n_window).mean(axis=1) > 0.5
    if known.sum() < 8:
        return None
    level = np.log(np.maximum(high, np.finfo(np.float64).tiny))
    middle = np.median(level[:, known], axis=1, keepdims=True)
    spread = _TO_SD * np.median(np.abs(level[:, known] - middle), axis=1, keepdims=True)
    z = ((level - middle) / np.maximum(spread, 1e-6)).mean(axis=0)
    is_bad = np.zeros(X.shape[1], dtype=np.bool_)
    is_bad[: n_windows * n_window] = np.repeat((z > settings.muscle) & known, n_window)
    return is_bad


def mark_segments(
    X: NDArray[np.floating[Any]], is_usable: NDArray[np.bool_], settings: BadSegments, *, sfreq: float
) -> MarkedSegments:
    """Find bad stretches in clean EEG.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        Good channels, filtered and referenced, gaps bridged.
    is_usable : ndarray of bool, shape (n_times,)
        Where nothing was bridged; only such samples say what is usual, and only they can be marked.
    settings : BadSegments
        Limits.
    sfreq : float
        Samples per second.

    Returns
    -------
    MarkedSegments

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(4, 1000))
    >>> X[2, 500] = 100
    >>> found = mark_segments(X, np.ones(1000, bool), BadSegments(margin=0), sfreq=100)
    >>> np.flatnonzero(found.is_large), np.flatnonzero(found.is_step)
    (array([500]), array([499, 500, 501]))
    """
    none = np.zeros(X.shape[1], dtype=np.bool_)
    if X.size == 0 or is_usable.sum() < 2:
        return MarkedSegments(none, none, None, float("nan"), float("nan"))
    n_margin = round(settings.margin * sfreq)
    large, step = none, none
    amplitude_limit = step_limit = float("nan")
    # A robust spread needs no more than some thousand samples.
    usable = np.flatnonzero(is_usable)[:: max(1, int(is_usable.sum() // 4096))]
    is_moving = np.ptp(X[:, usable], axis=1) > 0
    if not is_moving.any():
        return MarkedSegments(none, none, None, float("nan"), float("nan"))
    # The channel that all others refer to is zero and says nothing of what is usual.
    X = X if is_moving.all() else X[is_moving]
    if settings.amplitude is not None:
        amplitude_limit = settings.amplitude * _TO_SD * float(np.median(np.abs(X[:, usable])))
        large = (np.abs(X).max(axis=0) > amplitude_limit) & is_usable
    if settings.step is not None:
        moves = np.abs(np.diff(X, axis=1))
        step_limit = settings.step * _TO_SD * float(np.median(moves[:, usable[usable < moves.shape[1]]]))
        is_jump = moves.max(axis=0) > step_limit
        step = (np.append(is_jump, False) | np.insert(is_jump, 0, False)) & is_usable
    return MarkedSegments(
        _widened(large, n_margin),
        _widened(step, n_margin),
        _muscle(X, is_usable, settings, sfreq),
        amplitude_limit,
        step_limit,
    )
