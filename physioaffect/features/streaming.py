"""Differential entropy of a live stream: the causal filter bank, chunk by chunk."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from physioaffect.errors import ProtocolError
from physioaffect.features.bands import SEED_BANDS, Bands, check_bands
from physioaffect.features.differential_entropy import gaussian_entropy
from physioaffect.features.filter_bank import BandFilter, Sections
from physioaffect.recording import Signal
from physioaffect.windows import Intervals, Windowing, sample_grid

__all__ = ["StreamingEntropy"]

Floats = NDArray[np.float64]

# Longer chunks are worked on in pieces, so that memory is bounded whatever comes.
_PIECE = 4096


class StreamingEntropy:
    """Differential entropy of each window as soon as its last sample has come.

    Parameters
    ----------
    n_channels : int
        Rows of every chunk.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        What to filter into.
    duration : float
        Length of a window in seconds.
    step : float, optional
        Seconds between the starts of neighbours. Default: no overlap.
    band_filter : BandFilter
        How to filter; its phase must be causal.

    Raises
    ------
    ProtocolError
        If the filter is not causal, a band reaches the Nyquist frequency, or a window holds less than a cycle
        of it.
    PhysioaffectError
        If duration or step is not above zero.

    Notes
    -----
    What comes is that of ``DifferentialEntropy(estimator="bandpass", filter=band_filter)`` on the whole
    recording with ``Windowing(duration=duration, step=step)``, however it is cut into chunks, with two
    differences. A sample that is not finite is replaced by the last one that was, for the filter, instead of
    by a line to the next one, which nobody knows yet; it is left out of the variance in both. And nobody
    knows yet whether the recording will be long enough for the filter to settle: trust nothing before
    ``band_filter.settling(band)`` seconds.

    Examples
    --------
    >>> noise = 20e-6 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> stream = StreamingEntropy(2, sfreq=128.0, bands=SEED_BANDS, duration=2.0, step=1.0)
    >>> [len(stream.push(chunk)) for chunk in np.split(noise, [100, 300, 1000], axis=1)]
    [0, 1, 5, 3]
    >>> stream.n_windows
    9
    """

    def __init__(
        self,
        n_channels: int,
        *,
        sfreq: float,
        bands: Bands = SEED_BANDS,
        duration: float,
        step: float | None = None,
        band_filter: BandFilter = BandFilter(phase="causal"),
    ) -> None:
        if band_filter.phase != "causal":
            raise ProtocolError(
                "A stream cannot be filtered backwards from an end that has not come: use "
                "BandFilter(phase='causal'), also for the features that a model is trained on."
            )
        if n_channels < 1:
            raise ValueError(f"A stream needs at least one channel, got {n_channels}.")
        self.n_channels, self.bands, self.band_filter = n_channels, bands, band_filter
        self.windowing = Windowing(duration=duration, step=step)
        check_bands(bands, sfreq=sfreq, duration=duration)
        # A signal that stands for the stream, so that windows begin where they do in a recording.
        names = tuple(f"channel {number}" for number in range(n_channels))
        self._clock = Signal(
            data=np.zeros((n_channels, 1)), sfreq=sfreq, ch_names=names, kind="eeg", unit="au"
        )
        self._filters = [_second_order(band_filter.sections(band, sfreq=sfreq)) for band in bands]
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next sample is the first of a new recording."""
        n_bands, n_channels = len(self.bands), self.n_channels
        self._state = np.zeros((n_bands, self.band_filter.order, n_channels, 2))
        self._last = np.full((n_channels, 1), np.nan)
        self._offset = np.full((n_channels, 1), np.nan)
        self._n_seen = self._n_windows = 0
        # Of the windows that have begun, oldest first: sums of y and of y squared of each band and the number
        # of samples; highest and lowest sample, with the sign of the latter turned.
        self._sums = np.zeros((2 * n_bands + 1, n_channels, 0))
        self._peaks = np.zeros((2, n_channels, 0))

    @property
    def n_windows(self) -> int:
        """Windows that have come so far; number k began ``k * step`` seconds after the first sample."""
        return self._n_windows

    def push(self, chunk: NDArray[np.floating[Any]]) -> Floats:
        """Take the next samples.

        Parameters
        ----------
        chunk : ndarray, shape (n_channels, n_times)
            Of any length, also none. In volts, or in another unit, always the same.

        Returns
        -------
        entropy : ndarray, shape (n_windows, n_channels, n_bands)
            Of the windows that this chunk completes, in nats. NaN for an electrode that is flat or has fewer
            than two samples in the window.

        Raises
        ------
        ValueError
            If the chunk has another number of channels.
        """
        if chunk.ndim != 2 or len(chunk) != self.n_channels:
            raise ValueError(
                f"A chunk must be of shape (n_channels, n_times) with {self.n_channels} channels, got "
                f"{chunk.shape}."
            )
        pieces = [chunk[:, start : start + _PIECE] for start in range(0, chunk.shape[1], _PIECE)]
        done = [self._push(piece.astype(np.float64)) for piece in pieces]
        return np.concatenate([np.empty((0, self.n_channels, len(self.bands))), *done])

    def _push(self, x: Floats) -> Floats:
        is_present = np.isfinite(x)
        first, n_samples = self._begun(self._n_seen + x.shape[1])
        ends = first + n_samples - self._n_seen
        segments = _Segments(np.maximum(first - self._n_seen, 0), np.minimum(ends, x.shape[1]))
        n_known = self._sums.shape[-1]

        sums = segments.reduce(np.add, self._filtered(x, is_present), 0.0)
        sums[..., :n_known] += self._sums
        peaks = segments.reduce(np.maximum, np.where(is_present, [x, -x], -np.inf), -np.inf)
        np.maximum(peaks[..., :n_known], self._peaks, out=peaks[..., :n_known])

        n_done = int(np.count_nonzero(ends <= x.shape[1]))
        self._n_seen += x.shape[1]
        self._n_windows += n_done
        self._sums, self._peaks = sums[..., n_done:], peaks[..., n_done:]
        return _entropy(sums[..., :n_done], peaks[..., :n_done])

    def _begun(self, n_times: int) -> tuple[NDArray[np.intp], int]:
        """First samples of the windows that have begun by ``n_times`` and not come yet, and their length."""
        step = self.windowing.duration if self.windowing.step is None else self.windowing.step
        # One more than can be, since the grid rounds.
        numbers = np.arange(self._n_windows, math.ceil(n_times / (step * self._clock.sfreq)) + 2)
        first, n_samples = sample_grid(
            self._clock, Intervals(step * numbers.astype(np.float64), self.windowing.duration)
        )
        return first[first < n_times], n_samples

    def _filtered(self, x: Floats, is_present: NDArray[np.bool_]) -> Floats:
        """Filter on; y and y squared of each band and, last, ones: all zero where a sample is missing."""
        x = _held(x, is_present, self._last)
        self._last = x[:, -1:]
        if self.band_filter.start == "rest":
            driven = np.nan_to_num(x)
        else:
            # Before a channel's first sample nothing moves; from then on, as if it had always been there.
            new = np.take_along_axis(x, np.argmax(~np.isnan(x), axis=1)[:, np.newaxis], axis=1)
            self._offset = np.where(np.isnan(self._offset), new, self._offset)
            driven = np.nan_to_num(x - self._offset)
        n_bands = len(self.bands)
        out = np.empty((2 * n_bands + 1, *x.shape))
        for band, sos in enumerate(self._filters):
            out[band], self._state[band] = sosfilt(sos, driven, zi=self._state[band])
        out[-1] = 1
        if not is_present.all():
            out[:n_bands] *= is_present
            out[-1] = is_present
        np.square(out[:n_bands], out=out[n_bands:-1])
        return out


def _second_order(sections: Sections) -> Floats:
    """Write sections the way SciPy takes them."""
    one = np.ones_like(sections.a1)
    sos = np.stack([one, 0 * one, -one, one, sections.a1, sections.a2], axis=1)
    sos[0, :3] *= sections.gain
    return sos


def _held(x: Floats, is_present: NDArray[np.bool_], last: Floats) -> Floats:
    """Put the latest sample that was present where one is not; NaN before the first."""
    if is_present.all():
        return x
    with_last = np.concatenate([last, x], axis=1)
    here = np.where(is_present, np.arange(1, with_last.shape[1]), 0)
    held: Floats = np.take_along_axis(with_last, np.maximum.accumulate(here, axis=1), axis=1)
    return held


class _Segments:
    """A chunk cut wherever windows begin or end, so that those that overlap share their sums."""

    def __init__(self, begin: NDArray[np.intp], end: NDArray[np.intp]) -> None:
        self.edges = np.unique([begin, end])
        # Each window's first segment and the one after its last, alternating, as `reduceat` takes them.
        self.pairs = np.searchsorted(self.edges, np.stack([begin, end], axis=1)).ravel()

    def reduce(self, combine: np.ufunc, values: Floats, nothing: float) -> Floats:
        """Combine the values of each window, shape (..., n_times) to (..., n_windows)."""
        room = np.full((*values.shape[:-1], 1), nothing)
        if len(self.pairs) == 0:
            return room[..., :0]
        # What follows the last window's end lands in the last piece, which no window takes.
        pieces = combine.reduceat(np.concatenate([values, room], axis=-1), self.edges, axis=-1)
        combined: Floats = combine.reduceat(pieces, self.pairs, axis=-1)[..., ::2]
        return combined


def _entropy(sums: Floats, peaks: Floats) -> Floats:
    """Entropy of windows, shape (n_windows, n_channels, n_bands), from what `_filtered` gave."""
    n_bands = len(sums) // 2
    is_known = (sums[-1] > 1) & (peaks[0] > -peaks[1])
    count = np.where(is_known, sums[-1], 1)
    variance = sums[n_bands:-1] / count - np.square(sums[:n_bands] / count)
    return gaussian_entropy(np.where(is_known, np.maximum(variance, 0), np.nan)).transpose(2, 1, 0)
