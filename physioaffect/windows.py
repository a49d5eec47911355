"""Windows in seconds: half-open intervals inside a trial, never across one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Events, Signal

__all__ = ["Intervals", "Windowing", "Windows", "coverage", "gather", "overlaps", "sample_grid"]

# Sampling instants are rounded to a grid, so a window may claim this share of a sample more than there is.
_SLACK = 1e-6


class Intervals(NamedTuple):
    """Half-open windows of one length: ``[starts, starts + duration)`` in seconds after the trial's onset."""

    starts: NDArray[np.float64]
    duration: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Windowing:
    """How trials are cut into windows.

    Parameters
    ----------
    duration : float
        Length of a window in seconds.
    step : float, optional
        Seconds between the starts of neighbours; below ``duration`` they overlap. Default: no overlap.
    last : float, optional
        Cut only the last so many seconds of a trial (all of it if it is shorter).
    min_coverage : float
        Share of a window's samples that must be present and unflagged for its features to be numbers.

    Examples
    --------
    >>> Windowing(duration=4, step=2).intervals(11).starts
    array([0., 2., 4., 6.])
    """

    duration: float
    step: float | None = None
    last: float | None = None
    min_coverage: float = 0.8

    def __post_init__(self) -> None:
        if not self.duration > 0:
            raise PhysioaffectError(f"A window needs a duration above 0 s, got {self.duration}.")
        if self.step is not None and not self.step > 0:
            raise PhysioaffectError(f"Windows need a step above 0 s, got {self.step}.")
        if self.last is not None and self.last < self.duration:
            raise PhysioaffectError(
                f"The last {self.last} s of a trial cannot hold a window of {self.duration} s."
            )
        if not 0 <= self.min_coverage <= 1:
            raise PhysioaffectError(f"min_coverage is a share from 0 to 1, got {self.min_coverage}.")

    def intervals(self, trial_duration: float) -> Intervals:
        """Windows of a trial of so many seconds; none if it is shorter than a window."""
        begin = 0.0 if self.last is None else max(0.0, trial_duration - self.last)
        step = self.duration if self.step is None else self.step
        room = trial_duration - begin - self.duration
        n_windows = int(np.floor(room / step + _SLACK)) + 1 if room >= -_SLACK * self.duration else 0
        return Intervals(begin + step * np.arange(n_windows, dtype=np.float64), self.duration)


def sample_grid(signal: Signal, intervals: Intervals) -> tuple[NDArray[np.intp], int]:
    """First sample of each window in the signal's own count (may lie outside), and samples per window.

    Parameters
    ----------
    signal : Signal
        Whose samples count.
    intervals : Intervals
        The windows.

    Returns
    -------
    first : ndarray of int, shape (n_windows,)
        Samples.
    n_times : int
        Samples per window, at least one.

    Examples
    --------
    >>> eda = Signal(data=np.ones((1, 40)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS", start=1.0)
    >>> sample_grid(eda, Intervals(np.array([0.0, 1.0, 2.0]), 2.0))
    (array([-4,  0,  4]), 8)
    """
    # The nearest sample; ties go down for the start and up for the length, so that both together never reach
    # past the end of a trial that holds the window.
    first = np.ceil((intervals.starts - signal.start) * signal.sfreq - 0.5 - _SLACK).astype(np.intp)
    return first, max(1, int(np.floor(intervals.duration * signal.sfreq + 0.5 + _SLACK)))


def gather(signal: Signal, intervals: Intervals, *, masked: bool = True) -> NDArray[np.floating[Any]]:
    """Cut the windows out of one signal at its own rate.

    Parameters
    ----------
    signal : Signal
        The trial's signal.
    intervals : Intervals
        Windows in seconds after the trial's onset.
    masked : bool
        Whether flagged samples come out as NaN.

    Returns
    -------
    windows : ndarray, shape (n_windows, n_channels, n_samples)
        NaN where the signal does not reach. Read-only where it is a view.
    """
    data = signal.masked if masked else signal.data
    first, n_samples = sample_grid(signal, intervals)
    before = max(0, -int(first.min(initial=0)))
    after = max(0, int(first.max(initial=0)) + n_samples - signal.n_times)
    if before or after:
        data = np.pad(data, ((0, 0), (before, after)), constant_values=np.nan)
    if len(first) == 0:
        return np.empty((0, signal.n_channels, n_samples), dtype=data.dtype)
    every = np.lib.stride_tricks.sliding_window_view(data, n_samples, axis=-1)
    return every[:, first + before].swapaxes(0, 1)


def coverage(signal: Signal | Events, intervals: Intervals) -> NDArray[np.float64]:
    """Share of each window that is there and to be trusted.

    Parameters
    ----------
    signal : Signal or Events
        Of a `Signal` the samples count that are present in every channel and not flagged; of `Events` of kind
        ``"ibi"`` the time from beat to beat of each interval that is a number. Other events have no gaps that
        could be seen: 1.
    intervals : Intervals
        Windows in seconds after the trial's onset.

    Returns
    -------
    share : ndarray, shape (n_windows,)
        From 0 to 1.

    Examples
    --------
    >>> beats = Events(times=np.array([1.0, 2.0, 4.0]), values=np.array([np.nan, 1.0, 2.0]), kind="ibi")
    >>> coverage(beats, Intervals(np.array([0.0, 1.0]), 2.0))
    array([0.5, 1. ])
    """
    if isinstance(signal, Events):
        is_ibi = signal.kind == "ibi"
        return _covered_by_beats(signal, intervals) if is_ibi else np.ones(len(intervals.starts))
    first, n_samples = sample_grid(signal, intervals)
    if signal.is_good.all() and np.all((first >= 0) & (first + n_samples <= signal.n_times)):
        return np.ones(len(first))
    total = np.concatenate([[0], np.cumsum(signal.is_good)])
    edges = np.clip(np.stack([first, first + n_samples]), 0, signal.n_times)
    return np.asarray((total[edges[1]] - total[edges[0]]) / n_samples, dtype=np.float64)


def _covered_by_beats(beats: Events, intervals: Intervals) -> NDArray[np.float64]:
    """Share of each window between two beats whose interval is trusted."""
    is_trusted = np.isfinite(beats.values)
    ends, lengths = beats.times[is_trusted], beats.values[is_trusted]
    # Where intervals overlap, by rounding or by a device's mistake, time counts once.
    begins = np.maximum(ends - lengths, np.concatenate([[-np.inf], ends[:-1]]))
    if len(ends) == 0:
        return np.zeros(len(intervals.starts))
    total = np.concatenate([[0.0], np.cumsum(ends - begins)])
    edges = np.stack([intervals.starts, intervals.starts + intervals.duration])
    after = np.searchsorted(ends, edges)  # The first interval that ends at an edge or behind it.
    own = np.minimum(after, len(ends) - 1)
    part = np.where(after < len(ends), np.clip(edges - begins[own], 0, (ends - begins)[own]), 0)
    before = total[after] + part
    return np.asarray((before[1] - before[0]) / intervals.duration, dtype=np.float64)


def overlaps(
    starts_a: NDArray[np.float64], starts_b: NDArray[np.float64], duration: float
) -> NDArray[np.bool_]:
    """Whether each window of ``a`` shares time with any window of ``b``, all of one trial and one length.

    Parameters
    ----------
    starts_a, starts_b : ndarray, shape (n_windows_a,) and (n_windows_b,)
        In seconds after the trial's onset.
    duration : float
        Of every window, in seconds.

    Returns
    -------
    overlaps : ndarray of bool, shape (n_windows_a,)

    Examples
    --------
    >>> overlaps(np.array([0.0, 2.0, 4.0, 8.0]), np.array([3.0]), duration=2.0)
    array([False,  True,  True, False])
    """
    if len(starts_b) == 0:
        return np.zeros(len(starts_a), dtype=bool)
    ordered = np.sort(starts_b)
    right = np.searchsorted(ordered, starts_a)
    gap_after = np.abs(ordered[np.minimum(right, len(ordered) - 1)] - starts_a)
    gap_before = np.abs(ordered[np.maximum(right - 1, 0)] - starts_a)
    return np.minimum(gap_after, gap_before) < duration * (1 - _SLACK)


@dataclass(frozen=True, slots=True)
class _Mixed:
    """A trial whose channels are mixed when its samples are asked for."""

    data: NDArray[np.float32] | _Mixed
    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):  # All channels at some times.
            return self.matrix @ self.data[key] + self.offset
        return _Mixed(self.data, self.matrix[key], self.offset[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:, :], dtype=dtype)


class Windows:
    """Raw windows of many trials, gathered when asked for and never all at once.

    Parameters
    ----------
    trials : sequence of Signal
        The same channels at the same rate in each; stored as float32 (memory-mapped arrays stay so). Flagged
        samples are kept as they are; ``coverage``, shape (n_windows,), tells which windows have some.
    intervals : sequence of Intervals
        The windows of each trial, all of one duration, inside the trial.

    Raises
    ------
    ValueError
        If channels, rates or durations differ, or a window reaches out of its trial.

    Examples
    --------
    >>> eeg = Signal(data=np.zeros((2, 640)), sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> windows = Windows([eeg], [Windowing(duration=1).intervals(eeg.duration)])
    >>> windows.shape
    (5, 2, 128)
    >>> windows[[0, 3]].shape
    (2, 2, 128)
    """

    def __init__(self, trials: Sequence[Signal], intervals: Sequence[Intervals]) -> None:
        if not trials or len(trials) != len(intervals):
            raise ValueError(
                f"Windows need as many trials as intervals, got {len(trials)}, {len(intervals)}."
            )
        self.ch_names, self.sfreq, self.unit = trials[0].ch_names, trials[0].sfreq, trials[0].unit
        self._data: list[NDArray[np.float32] | _Mixed] = []
        rows: list[NDArray[np.intp]] = []
        shares: list[NDArray[np.float64]] = []
        for index, (signal, cut) in enumerate(zip(trials, intervals, strict=True)):
            if (signal.ch_names, signal.sfreq, signal.unit) != (self.ch_names, self.sfreq, self.unit):
                raise ValueError(
                    f"Trial {index} has {signal.ch_names} at {signal.sfreq} Hz in {signal.unit}, the first "
                    f"{self.ch_names} at {self.sfreq} Hz in {self.unit}: pick and resample first."
                )
            first, n_samples = sample_grid(signal, cut)
            if index == 0:
                self._n_samples = n_samples
            if n_samples != self._n_samples:
                raise ValueError(f"Trial {index} has windows of {n_samples} samples, not {self._n_samples}.")
            if len(first) and (first.min() < 0 or first.max() + n_samples > signal.n_times):
                raise ValueError(f"Trial {index} has a window that reaches out of its {signal.duration:g} s.")
            self._data.append(signal.data.astype(np.float32, copy=False))
            shares.append(coverage(signal, cut))
            rows.append(np.stack([np.full(len(first), index), first], axis=1))
        self._index = np.concatenate(rows)
        self.coverage = np.concatenate(shares)

    def __len__(self) -> int:
        return len(self._index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All windows at once: as much memory as `shape` says."""
        return np.asarray(self[:], dtype=dtype)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_windows, n_channels, n_times), as if the windows were one array."""
        return len(self), len(self.ch_names), self._n_samples

    @property
    def places(self) -> NDArray[np.intp]:
        """Position in `recordings` and first sample of each window, shape (n_windows, 2)."""
        return self._index

    @property
    def recordings(self) -> tuple[NDArray[np.float32], ...]:
        """Samples of each trial, each of shape (n_channels, n_times of the trial)."""
        return tuple(np.asarray(own) if isinstance(own, _Mixed) else own for own in self._data)

    def select(self, rows: NDArray[np.intp]) -> Windows:
        """Keep the windows at these positions, in this order, without gathering or copying any."""
        chosen = copy.copy(self)
        chosen._index, chosen.coverage = self._index[rows], self.coverage[rows]
        return chosen

    def pick(self, ch_names: Sequence[str]) -> Windows:
        """Keep these channels, in this order; a KeyError names what is not there."""
        if lacking := [name for name in ch_names if name not in self.ch_names]:
            raise KeyError(f"No channel {', '.join(lacking)} among {', '.join(self.ch_names)}.")
        order = [self.ch_names.index(name) for name in ch_names]
        chosen = copy.copy(self)
        chosen.ch_names = tuple(ch_names)
        chosen._data = [trial[order] for trial in self._data]
        return chosen

    def mixed(
        self, matrices: NDArray[np.floating[Any]], offsets: NDArray[np.floating[Any]], which: NDArray[np.intp]
    ) -> Windows:
        """Mix the channels, ``matrix @ samples + offset``, of each window as it is gathered.

        Parameters
        ----------
        matrices : ndarray, shape (n_maps, n_channels, n_channels)
            Used as float32.
        offsets : ndarray, shape (n_maps, n_channels)
            What is then added.
        which : ndarray of int, shape (n_windows,)
            Map of each window; one for all windows of a trial.

        Raises
        ------
        ValueError
            If windows of one trial have different maps.
        """
        chosen = copy.copy(self)
        chosen._data = list(self._data)
        trials, first = np.unique(self._index[:, 0], return_index=True)
        if np.any(which[first][np.searchsorted(trials, self._index[:, 0])] != which):
            raise ValueError("All windows of a trial are mixed alike: give them one map.")
        for trial, number in zip(trials, which[first], strict=True):
            matrix, offset = (np.asarray(part[number], dtype=np.float32) for part in (matrices, offsets))
            chosen._data[trial] = _Mixed(self._data[trial], matrix, offset[:, np.newaxis])
        return chosen

    def __getitem__(self, key: int | slice | Sequence[int] | NDArray[Any]) -> NDArray[np.float32]:
        """Gather windows by position: an integer array gives (n, n_channels, n_times), an integer one."""
        if not isinstance(key, int | slice):
            key = np.asarray(key)
            key = key if key.size else key.astype(np.intp)  # NumPy takes an empty list for floats.
        chosen = self._index[key]
        out = np.empty((len(np.atleast_2d(chosen)), *self.shape[1:]), dtype=np.float32)
        for row, (trial, first) in enumerate(np.atleast_2d(chosen)):
            out[row] = self._data[trial][:, first : first + self._n_samples]
        return out[0] if chosen.ndim == 1 else out
