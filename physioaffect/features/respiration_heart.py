"""How the heart goes with the breath, per window: respiratory sinus arrhythmia and phase coupling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.features._nn import NN, inside, nn_of
from physioaffect.features._windowed import table
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals

__all__ = ["RespirationHeartCoupling", "respiration_phase"]

_UNITS = {"coupling": "1", "rsa_harmonic": "ms", "phase": "rad", "rsa": "ms"}
_SHORTEST_S = 60.0
_FEWEST = 20
_FEWEST_BREATHS = 3
_FEWEST_BEATS = 3
# From 6 to 30 breaths per minute, where the filter passes half; it reaches so far to either side.
_CENTRE_HZ, _HALF_WIDTH_HZ, _REACH_S = 0.3, 0.2, 10.0
_SLOWEST_HZ = 4.0
_BREATH_S = (1.5, 15.0)


class Phase(NamedTuple):
    """Analytic respiration, complex, at even times in seconds; NaN where it is not known."""

    times: NDArray[np.floating[Any]]
    z: NDArray[np.complex128]


def respiration_phase(signal: Signal) -> Phase:
    """Filter respiration into a complex wave whose angle is the phase of the breath.

    Parameters
    ----------
    signal : Signal
        One channel, in any unit, that rises with inspiration.

    Returns
    -------
    phase : Phase
        Angle zero where the lungs are full, pi where they are empty. NaN within 10 s of a missing sample
        and of the ends.

    Raises
    ------
    DataError
        If the rate is below 4 Hz or there are several channels.

    Notes
    -----
    A complex filter of finite length (Hamming's window, 20 s) that passes 0.1 to 0.5 Hz. What was recorded
    faster than 16 Hz is averaged in blocks to between 8 and 16 Hz first.
    """
    from scipy.signal import firwin, oaconvolve  # noqa: PLC0415

    if signal.n_channels != 1:
        raise DataError(
            f"Respiration has {signal.n_channels} channels ({', '.join(signal.ch_names)}), its phase needs "
            "one. Choose in a cleaning step: signal.pick([...])."
        )
    if signal.sfreq < _SLOWEST_HZ:
        raise DataError(
            f"The phase of respiration needs {_SLOWEST_HZ:g} Hz or more, got {signal.sfreq:g} Hz. Use the "
            "original recording."
        )
    factor = max(1, int(signal.sfreq // 8))
    sfreq = signal.sfreq / factor
    # Blocks are counted from the trial's onset, so that a piece of the recording has the same ones.
    skipped = -round(signal.start * signal.sfreq) % factor
    n = max(0, signal.n_times - skipped) // factor
    x = signal.masked[0, skipped : skipped + n * factor].astype(np.float64).reshape(n, factor).mean(axis=1)
    times = signal.start + (skipped + np.arange(n) * factor + (factor - 1) / 2) / signal.sfreq
    reach = int(np.ceil(_REACH_S * sfreq))
    is_there = np.isfinite(x)
    z = np.full(n, np.nan, dtype=np.complex128)
    if n <= 2 * reach or not is_there.any():
        return Phase(times, z)
    low = firwin(2 * reach + 1, _HALF_WIDTH_HZ, fs=sfreq)
    taps = 2 * low * np.exp(2j * np.pi * _CENTRE_HZ * np.arange(-reach, reach + 1) / sfreq)
    taps -= taps.mean()  # So that an offset, however large, has no part in it.
    level = float(np.median(x[is_there]))
    filtered = oaconvolve(np.where(is_there, x - level, 0), taps, mode="valid")
    missing = np.concatenate([[0], np.cumsum(~is_there)])
    is_whole = missing[2 * reach + 1 :] == missing[: n - 2 * reach]
    z[reach : n - reach] = np.where(is_whole, filtered, np.nan)
    return Phase(times, z)


def _at(phase: Phase, times: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Unit vector of the phase at other times, NaN where a neighbour is not known."""
    right = np.searchsorted(phase.times, times)
    is_inside = (right > 0) & (right < len(phase.times))
    right = np.clip(right, 1, max(len(phase.times) - 1, 1))
    z = np.full(len(times), np.nan, dtype=np.complex128)
    if len(phase.times) < 2:
        return z
    left = right - 1
    share = (times - phase.times[left]) / (phase.times[right] - phase.times[left])
    between = (1 - share) * phase.z[left] + share * phase.z[right]
    size = np.abs(between)
    np.divide(between, size, out=z, where=is_inside & (size > 0))
    return z


class _Breaths(NamedTuple):
    """Breaths from empty lungs to empty lungs, and the swing of the intervals between beats in each."""

    begins: NDArray[np.float64]
    ends: NDArray[np.float64]
    swing: NDArray[np.float64]


def _breaths(phase: Phase, nn: NN) -> _Breaths:
    angle = np.angle(phase.z)
    with np.errstate(invalid="ignore"):
        wraps = np.flatnonzero((angle[:-1] > np.pi / 2) & (angle[1:] < -np.pi / 2))
    # Where between two samples the angle passes pi.
    before, after = np.pi - angle[wraps], angle[wraps + 1] + np.pi
    step = np.diff(phase.times)[wraps] if len(wraps) else np.empty(0)
    share = np.divide(before, before + after, out=np.zeros(len(wraps)), where=before + after > 0)
    troughs = phase.times[wraps] + share * step
    # Where the phase is not known, it is so for twice the filter's reach, which is longer than any breath.
    seconds = np.diff(troughs)
    is_breath = (seconds >= _BREATH_S[0]) & (seconds <= _BREATH_S[1])
    begins, ends = troughs[:-1][is_breath], troughs[1:][is_breath]
    middles = (nn.begins + nn.ends) / 2
    first, last = np.searchsorted(middles, begins), np.searchsorted(middles, ends)
    breaks = np.concatenate([[0], np.cumsum(~nn.follows)])
    is_whole = last - first >= _FEWEST_BEATS
    is_whole[is_whole] = breaks[last[is_whole]] == breaks[first[is_whole] + 1]
    begins, ends, first, last = begins[is_whole], ends[is_whole], first[is_whole], last[is_whole]
    if len(first) == 0:
        return _Breaths(begins, ends, np.empty(0))
    corners = np.stack([first, last], axis=1).ravel()
    padded = np.append(nn.ms, np.nan)  # A breath may end with the last interval.
    swing = np.maximum.reduceat(padded, corners)[::2] - np.minimum.reduceat(padded, corners)[::2]
    return _Breaths(begins, ends, swing)


@dataclass(frozen=True, kw_only=True)
class RespirationHeartCoupling:
    """Respiratory sinus arrhythmia, and how closely the beats follow the phase of the breath.

    Parameters
    ----------
    signal : str
        Name of the trial's respiration, in any unit, rising with inspiration.
    source : str
        Name of the trial's intervals between beats.

    Notes
    -----
    The phase of the breath is that of `respiration_phase`, taken in the middle of each interval between
    beats. In each window the intervals are fitted by an offset, a straight line, and one cosine wave of that
    phase: ``coupling`` is the share of what the line leaves that the wave explains, 0 to 1; ``rsa_harmonic``
    the full swing of the wave; ``phase`` that of the breath at which intervals are longest (0 with full
    lungs, pi or -pi with empty ones, where respiratory sinus arrhythmia has it). Of n intervals that have
    nothing to do with the breath, ``coupling`` is 2 / (n - 2) on average [1]_: of a minute's, 0.03.

    ``rsa`` is the mean over breaths of the longest minus the shortest interval in the breath [2]_; a breath
    goes from empty lungs to empty lungs, lies wholly in the window, and has three intervals or more without a
    gap. It takes three breaths. It is never zero: any variability makes a longest and a shortest interval, so
    beside slow breaths and much other variability look at ``rsa_harmonic``.

    Windows of less than 60 s, or with less than 20 intervals that have a phase, are NaN.

    References
    ----------
    .. [1] The share has a beta distribution with parameters 1 and (n - 4) / 2, see Seber, Lee (2003). Linear
       regression analysis. Section 4.3. doi:10.1002/9780471722199
    .. [2] Grossman, van Beek, Wientjes (1990). A comparison of three quantification methods for estimation of
       respiratory sinus arrhythmia. Psychophysiology 27(6), 702-714.
       doi:10.1111/j.1469-8986.1990.tb03198.x

    Examples
    --------
    >>> from physioaffect.recording import Events
    >>> times = np.arange(0, 120, 0.1)
    >>> breath = np.cos(2 * np.pi * 0.25 * times)[np.newaxis]
    >>> resp = Signal(data=breath, sfreq=10.0, ch_names=("RESP",), kind="resp", unit="au")
    >>> beats = np.arange(0, 120, 0.8)
    >>> for _ in range(50):  # The middle of each interval says how long it is.
    ...     lengths = 0.8 - 0.04 * np.cos(np.pi / 2 * (beats[1:] + beats[:-1]) / 2)
    ...     beats = np.concatenate([[0.0], np.cumsum(lengths)])
    >>> ibi = Events(times=beats[1:], values=np.diff(beats), kind="ibi")
    >>> signals = {"resp": resp, "ibi": ibi}
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals=signals)
    >>> features = RespirationHeartCoupling()(trial, Intervals(np.array([30.0]), 60.0))
    >>> features.sel(resp_heart_feature=["coupling", "rsa_harmonic"]).values.round(1)
    array([[ 1., 80.]])
    """

    name: ClassVar[str] = "resp_heart"
    version: ClassVar[int] = 1
    min_coverage: ClassVar[float] = 0.8

    signal: str = "resp"
    source: str = "ibi"

    @property
    def signals(self) -> tuple[str, ...]:
        """The two things it reads."""
        return (self.signal, self.source)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a window outside of which nothing changes its features."""
        return (_REACH_S + 1, _REACH_S + 1)

    def coverage(self, trial: Trial, intervals: Intervals) -> NDArray[np.float64]:
        """Share of each window that is taken up by intervals with a phase, shape (n_windows,).

        Raises
        ------
        DataError
            If the trial lacks either, or they cannot be used.
        """
        nn = nn_of(trial, self.source)
        return _covered(nn, _at(respiration_phase(trial.signal(self.signal)), _middles(nn)), intervals)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "resp_heart_feature")

        Raises
        ------
        DataError
            If the trial lacks either, or they cannot be used.
        """
        from physioaffect.features._coupling_kernels import phase_regression  # noqa: PLC0415  Numba.

        nn = nn_of(trial, self.source)
        phase = respiration_phase(trial.signal(self.signal))
        z = _at(phase, _middles(nn))
        values = np.full((len(intervals.starts), len(_UNITS)), np.nan)
        if intervals.duration >= _SHORTEST_S * (1 - 1e-9):
            own = inside(nn, intervals)
            real, imaginary = np.ascontiguousarray(z.real), np.ascontiguousarray(z.imag)
            phase_regression(_middles(nn), nn.ms, real, imaginary, *own, _FEWEST, values[:, :3])
            values[:, 3] = _mean_swing(_breaths(phase, nn), intervals)
        values[_covered(nn, z, intervals) < self.min_coverage] = np.nan
        return table(
            self.name,
            values,
            _UNITS,
            estimator="phase: complex filter of 20 s, 0.1 to 0.5 Hz; least squares; peak to trough",
            minimum_seconds=[_SHORTEST_S] * len(_UNITS),
        )


def _middles(nn: NN) -> NDArray[np.float64]:
    return (nn.begins + nn.ends) / 2


def _covered(nn: NN, z: NDArray[np.complex128], intervals: Intervals) -> NDArray[np.float64]:
    first, last = inside(nn, intervals)
    total = np.concatenate([[0.0], np.cumsum(np.where(np.isnan(z), 0, nn.ms))])
    return np.asarray(np.minimum(1e-3 * (total[last] - total[first]) / intervals.duration, 1.0))


def _mean_swing(breaths: _Breaths, intervals: Intervals) -> NDArray[np.float64]:
    first = np.searchsorted(breaths.begins, intervals.starts)
    last = np.maximum(
        first, np.searchsorted(breaths.ends, intervals.starts + intervals.duration, side="right")
    )
    total = np.concatenate([[0.0], np.cumsum(breaths.swing)])
    mean = np.full(len(first), np.nan)
    np.divide(total[last] - total[first], last - first, out=mean, where=last - first >= _FEWEST_BREATHS)
    return mean
