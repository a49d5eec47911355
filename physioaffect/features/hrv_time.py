"""Heart rate variability in the time domain, over windows of intervals between beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.features._nn import NN, Feature, inside, refused
from physioaffect.windows import Intervals

__all__ = ["FEATURES", "time_domain", "tinn", "triangular_index"]

# Two minutes of a watch at 1/128 s have few enough bins for a shape; the Task Force asks for 20 minutes.
_GEOMETRIC_S = 1200.0
_BIN_MS = 1000 / 128

FEATURES = {
    "mean_nn": Feature("ms", 10),
    "sdnn": Feature("ms", 60),
    "rmssd": Feature("ms", 30),
    "sdsd": Feature("ms", 30),
    "pnn50": Feature("%", 60),
    "pnn20": Feature("%", 60),
    "cvnn": Feature("1", 60),
    "cvsd": Feature("1", 30),
    "median_nn": Feature("ms", 10),
    "mad_nn": Feature("ms", 60),
    "iqr_nn": Feature("ms", 60),
    "mean_hr": Feature("bpm", 10),
    "min_hr": Feature("bpm", 10),
    "max_hr": Feature("bpm", 10),
    "triangular_index": Feature("1", _GEOMETRIC_S),
    "tinn": Feature("ms", _GEOMETRIC_S),
}
"""Units, shortest windows in seconds and fewest intervals of the features in the time domain."""


def time_domain(nn: NN, intervals: Intervals) -> NDArray[np.float64]:
    """Compute the features of `FEATURES` in each window.

    Parameters
    ----------
    nn : NN
        Trusted intervals.
    intervals : Intervals
        Windows. An interval belongs to one if both of its beats do.

    Returns
    -------
    features : ndarray, shape (n_windows, 16)
        NaN where the window is too short for a feature, or holds too few intervals.

    Notes
    -----
    ``sdnn`` and ``sdsd`` divide by n - 1. ``rmssd``, ``sdsd``, ``pnn50`` and ``pnn20`` look at pairs of
    intervals that share a beat, never across a gap. ``pnn50`` is the share of such pairs that differ by more
    than 50 ms: NeuroKit2 (0.2.13) divides by one more than their number. ``cvnn`` is ``sdnn`` and ``cvsd``
    ``rmssd`` over ``mean_nn``. ``mad_nn`` is the median absolute deviation times 1.4826, the standard
    deviation of normally distributed intervals. ``mean_hr`` is beats per time, 60,000 over ``mean_nn``, not
    the mean of the rates; ``min_hr`` and ``max_hr`` belong to the longest and the shortest interval. For the
    last two see `triangular_index` and `tinn`.
    """
    from physioaffect.features._hrv_kernels import statistics  # noqa: PLC0415  It imports numba.

    first, last = inside(nn, intervals)
    values = np.full((len(first), len(FEATURES)), np.nan)
    statistics(nn.ms, nn.follows, first, last, values[:, :-2])
    if intervals.duration >= _GEOMETRIC_S:
        for row, a, b in zip(values, first, last, strict=True):
            if b > a:
                row[-2:] = triangular_index(nn.ms[a:b]), tinn(nn.ms[a:b])
    return refused(values, list(FEATURES.values()), last - first, intervals.duration)


def _histogram(ms: NDArray[np.float64]) -> tuple[NDArray[np.intp], int]:
    """Counts in bins of 1/128 s, with an empty one at either end, and which of them is the highest."""
    bins = np.floor(ms / _BIN_MS + 1e-6).astype(np.intp)
    counts = np.bincount(bins - bins.min() + 1, minlength=3)
    counts = np.append(counts, 0)
    return counts, int(counts.argmax())


def triangular_index(ms: NDArray[np.float64]) -> float:
    """Number of intervals over the height of their histogram in bins of 1/128 s [1]_.

    Parameters
    ----------
    ms : ndarray, shape (n_intervals,)
        Intervals in milliseconds, of at least 20 minutes, better 24 hours.

    References
    ----------
    .. [1] Task Force of the European Society of Cardiology and the North American Society of Pacing and
       Electrophysiology (1996). Heart rate variability. Circulation 93(5), 1043-1065.
       doi:10.1161/01.CIR.93.5.1043

    Examples
    --------
    >>> triangular_index(np.array([800.0, 801.0, 802.0, 900.0]))
    1.3333333333333333
    """
    counts, highest = _histogram(ms)
    return float(len(ms) / counts[highest])


def tinn(ms: NDArray[np.float64]) -> float:
    """Width in milliseconds of the foot of the triangle that fits the histogram best.

    Parameters
    ----------
    ms : ndarray, shape (n_intervals,)
        Intervals in milliseconds, of at least 20 minutes, better 24 hours.

    Returns
    -------
    width : float
        From where the triangle rises to where it is back at zero.

    Notes
    -----
    Task Force 1996 (see `triangular_index`), figure 2: the triangle has its tip at the middle of the highest
    bin (the first of equals) and its feet at middles of others so that the sum of squares over all bins is
    least. The two sides do not depend on each other, so each is fitted by itself.
    """
    counts, highest = _histogram(ms)

    def reach(side: NDArray[np.intp]) -> int:
        """Bins from the tip to the best foot; ``side`` begins with the tip."""
        steps = np.arange(len(side))
        feet = steps[1:, np.newaxis]
        lines = side[0] * np.clip(1 - steps / feet, 0, None)
        return int(feet[np.square(lines - side).sum(axis=1).argmin(), 0])

    return _BIN_MS * (reach(counts[highest:]) + reach(counts[highest::-1]))
