"""The offset on which most pieces of two recordings agree, or the refusal to name one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physioaffect.devices._lag import Lags, Track, best_lag
from physioaffect.errors import DataError

__all__ = ["ClockSearch", "check_rivals", "votes_of", "winning_line"]

Array = NDArray[np.float64]

_MOST_WINDOWS = 120
_FEWEST_WINDOWS = 4
_CHANCE = 1e-4
_LEAST_CORRELATION = 0.1
_RIVAL = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockSearch:
    """Where and how finely to look.

    Parameters
    ----------
    max_offset : float
        Seconds around the guess within which the offset is looked for.
    max_drift : float
        Largest drift, without sign, in seconds per second.
    window : float
        Length in seconds of the pieces that are compared. Shorter in recordings of less than a dozen of
        these, but not below 10 s.
    sfreq : float
        Rate in Hz at which they are compared, or that of the slower signal.
    tolerance : float
        How far, in seconds, a piece may lie from the line and still count as agreeing.
    """

    max_offset: float = 120.0
    max_drift: float = 1e-3
    window: float = 60.0
    sfreq: float = 32.0
    tolerance: float = 0.25

    def __post_init__(self) -> None:
        for name in ("max_offset", "max_drift", "window", "sfreq", "tolerance"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}.")
        if self.tolerance * 8 > self.max_offset:
            raise ValueError(
                f"tolerance ({self.tolerance:g} s) must be small against max_offset ({self.max_offset:g} s): "
                "pieces would agree by chance."
            )


def votes_of(reference: Track, other: Track, guess: float, search: ClockSearch) -> Lags:
    """Best lag of each piece of ``other`` that holds movement."""
    window = min(search.window, max(10.0, other.duration / 12))
    n_window = round(window * other.sfreq)
    n_windows = len(other.values) // n_window
    # Evenly through a long recording: more pieces than this add nothing to the drift.
    firsts = n_window * np.unique(np.linspace(0, n_windows - 1, min(n_windows, _MOST_WINDOWS)).astype(int))
    found = [
        lag
        for first in firsts.tolist()
        if n_windows
        and (lag := best_lag(reference, other, first, n_window, guess, search.max_offset)) is not None
        and lag.correlation >= _LEAST_CORRELATION
    ]
    if len(found) < _FEWEST_WINDOWS:
        raise DataError(
            f"The two signals have only {len(found)} pieces of {window:.0f} s in common that hold movement; "
            f"expected {_FEWEST_WINDOWS} or more within {search.max_offset:g} s of an offset of {guess:g} s. "
            "Give longer recordings, a better guess, or the offset by hand."
        )
    return Lags(*(np.array(column) for column in zip(*found, strict=True)))


def winning_line(lags: Lags, search: ClockSearch, guess: float) -> tuple[float, float]:
    """Offset and drift of the line with most votes; `DataError` if it does not stand out."""
    n = len(lags.times)
    first, second = np.triu_indices(n, 1)
    apart = lags.times[second] - lags.times[first]
    drifts = np.divide(
        lags.offsets[second] - lags.offsets[first], apart, out=np.full(len(apart), np.inf), where=apart > 0
    )
    is_slow = np.abs(drifts) <= search.max_drift
    drifts, first = drifts[is_slow], first[is_slow]
    n_votes = np.zeros(0, dtype=int)
    if len(drifts):
        offsets = lags.offsets[first] - drifts * lags.times[first]
        misses = np.abs(lags.offsets[:, None] - offsets - drifts * lags.times[:, None])
        n_votes = np.count_nonzero(misses <= search.tolerance, axis=0)
        best = int(np.lexsort((np.minimum(misses, search.tolerance).sum(axis=0), -n_votes))[0])
    most = int(n_votes.max(initial=1))
    share = min(1.0, search.tolerance / search.max_offset)
    chance = math.comb(n, 2) * float(stats.binom.sf(most - 3, n - 2, share)) if most > 2 else 1.0
    if most < _FEWEST_WINDOWS or chance > _CHANCE:
        raise DataError(
            f"The correlation of the two signals does not stand out: of {n} pieces {most} agree on one "
            f"offset (median correlation {np.median(lags.correlations):.2f}; by chance with probability "
            f"{min(chance, 1):.1g}) within {search.max_offset:g} s of {guess:g} s. Check that both recorded "
            "the same movement, search wider, or give the offset by hand."
        )
    return float(offsets[best]), float(drifts[best])


def check_rivals(lags: Lags, predicted: Array, sfreq: float, tolerance: float) -> None:
    """Refuse what fits nearly as well at another offset: movement that repeats itself."""
    n_lags = lags.curves.shape[1]
    at = np.rint((predicted - lags.first_offsets) * sfreq).astype(int)
    # On a common axis around the line, so that the means over the pieces can be compared.
    stacked = np.full((len(at), 2 * n_lags + 1), np.nan)
    for row, (curve, place) in enumerate(zip(lags.curves, at, strict=True)):
        stacked[row, n_lags - place : 2 * n_lags - place] = curve
    is_full = np.isfinite(stacked).all(axis=0)
    means = stacked[:, is_full].mean(axis=0)
    away = (np.flatnonzero(is_full) - n_lags) / sfreq
    peak = int(np.where(np.abs(away) <= tolerance, means, -1.0).argmax())
    is_low = means <= _RIVAL * means[peak]
    # The peak itself is as wide as the movement is slow; what rises again beyond it is another one.
    lobe_stop = peak + int(is_low[peak:].argmax()) if is_low[peak:].any() else len(means)
    lobe_start = peak - int(is_low[peak::-1].argmax()) if is_low[peak::-1].any() else 0
    beyond = means.copy()
    beyond[lobe_start:lobe_stop] = -1.0
    rival = int(beyond.argmax())
    if not is_low[rival] and beyond[rival] > 0:
        raise DataError(
            f"The two signals fit nearly as well {abs(away[rival]):.2f} s beside the best offset (mean "
            f"correlation {means[rival]:.2f} against {means[peak]:.2f}): the movement repeats itself. "
            "Compare a stretch with irregular movement, narrow the search, or give the offset by hand."
        )
