"""Intervals between beats that are none: artefacts after Lipponen and Tarvainen, in local context."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Artefacts", "artefacts"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

# The paper's: 91 surrounding values and 5.2 of their quartile deviations, 11 for the median, c1 and c2.
_N_AROUND = 91
_N_MEDIAN = 11
# The median is of intervals within so many seconds; five of them are longer below 50 beats per minute.
_MEDIAN_S = 6.0
_ALPHA = 5.2
_C1, _C2 = 0.13, 0.17
# With fewer values around it a threshold is none.
_FEWEST = 8
# A heart that keeps time like a clock has a quartile deviation of nothing; less than this is no artefact.
_SMALLEST_S = 0.02
# So many rows of 91 values are sorted at a time.
_CHUNK = 20_000


class Artefacts(NamedTuple):
    """What each interval is, shape (n_intervals,) each; at most one is true of an interval.

    ``is_extra`` says that the beat at the end of the interval is one too many: the interval and the
    next make one of the usual length. ``is_missed``: half of it would be. ``is_ectopic``: short and long in
    turn. ``is_long_short``: none of these, and yet unlike its neighbours.
    """

    is_ectopic: Booleans
    is_missed: Booleans
    is_extra: Booleans
    is_long_short: Booleans

    @property
    def any(self) -> Booleans:
        """Whether it is any of them."""
        return self.is_ectopic | self.is_missed | self.is_extra | self.is_long_short


def _around(x: Floats, n: int) -> NDArray[np.float64]:
    """The ``n`` values around each, shape (len(x), n), a view; NaN beyond the ends."""
    padded = np.pad(x, n // 2, constant_values=np.nan)
    return cast(Floats, np.lib.stride_tricks.sliding_window_view(padded, n))


def _quantiles(rows: Floats, shares: tuple[float, ...]) -> Floats:
    """Quantiles of what is not NaN in each row, shape (len(shares), n_rows), NaN of less than one value."""
    ordered = np.sort(rows, axis=1)  # NaN goes last.
    n_known = np.isfinite(rows).sum(axis=1)
    row = np.arange(len(rows))
    found = np.full((len(shares), len(rows)), np.nan)
    for k, share in enumerate(shares):
        at = share * np.maximum(n_known - 1, 0)
        low = at.astype(np.intp)
        high = np.minimum(low + 1, np.maximum(n_known - 1, 0))
        found[k] = ordered[row, low] + (ordered[row, high] - ordered[row, low]) * (at - low)
    return found


def _thresholds(x: Floats, times: Floats, back: float, ahead: float) -> Floats:
    """5.2 quartile deviations of up to 91 values around each, NaN where there are too few."""
    found = np.full(len(x), np.nan)
    values, when = _around(x, _N_AROUND), _around(times, _N_AROUND)
    for first in range(0, len(x), _CHUNK):
        part = slice(first, first + _CHUNK)
        later = when[part] - times[part, np.newaxis]
        is_near = (later >= -back) & (later <= ahead)
        rows = np.where(is_near, values[part], np.nan)
        low, high = _quantiles(rows, (0.25, 0.75))
        is_known = np.isfinite(rows).sum(axis=1) >= _FEWEST
        found[part] = np.where(is_known, _ALPHA * (high - low) / 2, np.nan)
    return np.asarray(np.maximum(found, _SMALLEST_S))


def artefacts(times: Floats, intervals: Floats, *, back: float = 45.0, ahead: float = 45.0) -> Artefacts:
    """Classify the intervals between beats.

    Parameters
    ----------
    times : ndarray, shape (n_intervals,)
        When each interval ended, in seconds.
    intervals : ndarray, shape (n_intervals,)
        In seconds; NaN where there is none, as at a gap.
    back, ahead : float
        Only intervals that ended up to so many seconds earlier and later take part in a threshold.

    Returns
    -------
    artefacts : Artefacts

    Notes
    -----
    Lipponen and Tarvainen (2019) [1]_, their figure 1: differences of successive intervals and deviations
    from the median of 11, each in units of 5.2 quartile deviations of the 91 around it. Of normal values
    that is 3.5 standard deviations, beyond which 0.05 % lie. (NeuroKit2 0.2.13 takes the quartiles of
    absolute values: 2.2 standard deviations, and it finds artefacts in 2 % of normal intervals. With its
    thresholds made equal it finds the same as this.) Where we differ: an interval that is not there is no
    neighbour, so nothing is compared across a gap; a threshold rests on what ended from ``back`` seconds
    before to ``ahead`` after, on eight values or more, and is 20 ms or more; beats are neither inserted
    nor moved.

    References
    ----------
    .. [1] Lipponen and Tarvainen (2019). A robust algorithm for heart rate variability time series artefact
       correction using novel beat classification. J Med Eng Technol 43(3), 173-181.
       doi:10.1080/03091902.2019.1640306

    Examples
    --------
    A beat is missed: one interval is twice as long.

    >>> intervals = 0.8 + 0.02 * np.sin(np.arange(100.0))
    >>> intervals[50] *= 2
    >>> np.flatnonzero(artefacts(np.cumsum(intervals), intervals).is_missed)
    array([50])
    """
    n = len(intervals)
    if n == 0:
        none = np.zeros(0, dtype=np.bool_)
        return Artefacts(none, none, none, none)
    change = np.diff(intervals, prepend=np.nan)
    change_unit = _thresholds(change, times, back, ahead)
    with np.errstate(invalid="ignore"):
        d = change / change_unit
        near = _around(intervals, _N_MEDIAN)
        later = _around(times, _N_MEDIAN) - times[:, np.newaxis]
        is_near = (later >= -min(back, _MEDIAN_S)) & (later <= min(ahead, _MEDIAN_S))
        (median,) = _quantiles(np.where(is_near, near, np.nan), (0.5,))
        deviation = intervals - median
        deviation = np.where(deviation < 0, 2 * deviation, deviation)
        deviation_unit = _thresholds(deviation, times, back, ahead)
        m = deviation / deviation_unit

        before, after, after_next = (_shifted(d, lag) for lag in (-1, 1, 2))
        # Fmax and fmin pass over a neighbour that is not there.
        beside = np.where(d > 0, np.fmax(before, after), np.fmin(before, after))
        behind = np.where(d >= 0, np.fmin(after, after_next), np.fmax(after, after_next))
        is_large = np.abs(d) > 1
        is_ectopic = ((d > 1) & (beside < -_C1 * d - _C2)) | ((d < -1) & (beside > -_C1 * d + _C2))
        is_long = (d > 1) & (behind < -1)
        is_short = (d < -1) & (behind > 1)
        is_off = np.abs(m) > 3
        is_doubted = ~is_ectopic & ((is_large & (is_long | is_short)) | is_off)
        is_extra = (
            is_doubted & is_short & (np.abs(intervals + _shifted(intervals, 1) - median) < deviation_unit)
        )
        is_missed = is_doubted & is_long & (np.abs(intervals / 2 - median) < deviation_unit) & ~is_extra
    return Artefacts(is_ectopic, is_missed, is_extra, is_doubted & ~is_extra & ~is_missed)


def _shifted(x: Floats, lag: int) -> Floats:
    """``x[k + lag]`` at ``k``, NaN beyond the ends."""
    moved = np.full(len(x), np.nan)
    if lag > 0:
        moved[:-lag] = x[lag:]
    else:
        moved[-lag:] = x[:lag]
    return moved
