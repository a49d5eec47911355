"""Heart rate variability in the frequency domain by Welch's average of evenly interpolated intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.features._nn import NN, Feature, inside, refused
from physioaffect.features._threads import in_threads
from physioaffect.features.hrv_frequency import BANDS, HF_S, LF_S, ROUNDING, fastest, peaks, ratios
from physioaffect.windows import Intervals

__all__ = ["FEATURES", "welch"]

FEATURES = {
    "welch_lf": Feature("ms^2", LF_S),
    "welch_hf": Feature("ms^2", HF_S),
    "welch_lf_hf": Feature("1", LF_S),
    "welch_lf_nu": Feature("%", LF_S),
    "welch_hf_nu": Feature("%", LF_S),
    "welch_lf_peak": Feature("Hz", LF_S),
    "welch_hf_peak": Feature("Hz", HF_S),
}
"""Units, shortest windows in seconds and fewest intervals of the features."""

_SFREQ = 4.0
_SEGMENT_S = 120.0
# An interval that is trusted lasts no longer, so within this of a segment's edges there are beats.
_LONGEST_S = 2.0
# Lines of a spectrum for each that its length resolves.
_OVERSAMPLING = 4
_N_AT_ONCE = 256


def welch(nn: NN, intervals: Intervals) -> NDArray[np.float64]:
    """Compute the features of `FEATURES` in each window.

    Parameters
    ----------
    nn : NN
        Trusted intervals.
    intervals : Intervals
        Windows. An interval belongs to one if both of its beats do.

    Returns
    -------
    features : ndarray, shape (n_windows, 7)
        NaN where the window is too short for a feature, or lacks beats. Otherwise as in `frequency_domain`.

    Notes
    -----
    Segments of 120 s (all of a shorter window) that overlap by half or more; each interval at the beat that
    ends it, a natural cubic spline through them at 4 Hz, without its straight line, under Hann's window;
    densities averaged. A segment with a missing beat anywhere is left out, and windows with less than half of
    their segments left are NaN: no gap is ever interpolated. Bands and the windows that carry them are those
    of `frequency_domain`; a segment holds no cycle of 0.003 Hz, so there is no very low frequency.

    Within a segment the density is that of ``scipy.signal.welch`` with ``detrend="linear"``. A spline through
    beats is smoother than what it stands for: at 0.3 Hz and 75 beats per minute 2.5 % of the power is lost.
    """
    first, last = inside(nn, intervals)
    values = np.full((len(first), len(FEATURES)), np.nan)

    def scan(begin: int) -> None:
        block = slice(begin, begin + _N_AT_ONCE)
        cut = intervals._replace(starts=intervals.starts[block])
        _spectra(nn, cut, fastest(nn, first[block], last[block]), values[block])

    if len(nn.ms) and intervals.duration >= HF_S * (1 - 1e-9):
        in_threads(scan, range(0, len(first), _N_AT_ONCE))
    return refused(values, list(FEATURES.values()), last - first, intervals.duration)


def _spectra(nn: NN, intervals: Intervals, limits: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    from scipy.fft import next_fast_len, rfft  # noqa: PLC0415  It takes a while to import.

    from physioaffect.features._hrv_spectra import segments  # noqa: PLC0415

    length = min(intervals.duration, _SEGMENT_S)
    n_segments = 1 + int(np.ceil((intervals.duration - length) / (length / 2) - 1e-9))
    offsets = np.linspace(0, intervals.duration - length, n_segments)
    starts = (intervals.starts[:, np.newaxis] + offsets).ravel()
    # What many windows share is transformed once.
    starts, own = np.unique(starts.round(9), return_inverse=True)
    pieces = Intervals(starts, length)
    n_fft = next_fast_len(int(_OVERSAMPLING * length * _SFREQ), real=True)
    evenly, scale = np.empty((len(starts), n_fft)), np.empty(len(starts))
    where = inside(nn, pieces)
    segments(nn.ends, nn.ms, nn.begins, nn.follows, *where, starts, length, _SFREQ, _LONGEST_S, evenly, scale)
    hz = np.arange(n_fft // 2 + 1) * (_SFREQ / n_fft)
    hz = hz[hz < BANDS["hf"][1] + _SFREQ / n_fft]
    density = np.square(np.abs(rfft(evenly, axis=1)[:, : len(hz)])) / scale[:, np.newaxis]
    is_whole = np.isfinite(scale)
    density[~is_whole] = 0
    own = own.reshape(len(intervals.starts), n_segments)
    n_whole = is_whole[own].sum(axis=1)
    density = density[own].sum(axis=1)
    density /= np.where(2 * n_whole >= n_segments, np.maximum(n_whole, 1), np.nan)[:, np.newaxis]
    step = _SFREQ / n_fft
    density[(hz >= limits[:, np.newaxis]) | (density * step < ROUNDING)] = 0
    for column, name in enumerate(("lf", "hf")):
        low, high = BANDS[name]
        # Each line stands for half a step to either side, of which the band may hold only a part.
        share = np.clip(np.minimum(hz + step / 2, high) - np.maximum(hz - step / 2, low), 0, None)
        out[:, column] = density @ share
        is_in_band = (hz >= low) & (hz < high)
        out[:, 5 + column] = np.where(
            np.isfinite(out[:, column]), peaks(density[:, is_in_band], hz[is_in_band]), np.nan
        )
    ratios(out[:, 0], out[:, 1], out[:, 2:5])
