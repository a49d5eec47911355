"""Variance of windows in frequency bands after a recursive filter over the whole recording."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import bessel, butter, cheby1

from physioaffect.errors import DataError
from physioaffect.features._filter_kernel import filter_causal, filter_zero_phase, native
from physioaffect.features._threads import in_threads, n_threads, scratch
from physioaffect.features.bands import Band, Bands, check_below_nyquist
from physioaffect.signals.gaps import bridge

__all__ = ["DESIGNS", "BandFilter", "Sections", "band_variance_filtered"]

Floats = NDArray[np.floating[Any]]

DESIGNS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "bessel": lambda order, edges, sfreq: bessel(
        order, edges, btype="bandpass", fs=sfreq, norm="mag", output="sos"
    ),
    "butterworth": lambda order, edges, sfreq: butter(order, edges, btype="bandpass", fs=sfreq, output="sos"),
    "chebyshev1": lambda order, edges, sfreq: cheby1(
        order, 0.5, edges, btype="bandpass", fs=sfreq, output="sos"
    ),
}

# A band-pass filter rings for about this many periods of its lowest edge or its width.
_N_PERIODS = 3
# Poles this close to z = 1 lose too much in single precision: the error of an entropy is 5e-6 at 0.15 and
# grows with the inverse square.
_CLOSEST_POLE = 0.15
# Variances out of these bounds may have lost their squares to the range of single precision.
_SMALLEST, _LARGEST = 1e-34, 1e34
# Samples that the zero-phase filter keeps of its way forwards, so that they stay in the cache; at least twice
# as many as it remembers, because so many more go before them.
_CHUNK = 2**12
# Share of its height at which a filter's response has died away.
_FORGOTTEN = 1e-16
# Channels that are filtered by one thread.
_WIDTH = 32


@dataclass(frozen=True, kw_only=True)
class BandFilter:
    """How a recording is filtered into bands.

    Parameters
    ----------
    order : int
        Order of the low-pass prototype; the band-pass has twice as many poles.
    design : {"butterworth", "bessel", "chebyshev1"}
        Chebyshev's ripples by 0.5 dB.
    phase : {"zero", "causal"}
        Forwards and backwards, so that nothing shifts in time and the edges lose 6 dB (Butterworth); or
        forwards only, with a delay and 3 dB. The causal one knows nothing of the future.
    start : {"steady", "rest"}
        Whether the filter begins as if the first sample had always been there, or from nothing: then an
        offset rings through it for seconds. The latter exists for comparison with packages that do so, and
        for the causal filter only.
    """

    order: int = 4
    design: Literal["butterworth", "bessel", "chebyshev1"] = "butterworth"
    phase: Literal["zero", "causal"] = "zero"
    start: Literal["steady", "rest"] = "steady"

    def __post_init__(self) -> None:
        if self.order < 1:
            raise ValueError(f"A band-pass filter needs an order of at least 1, got {self.order}.")
        if self.design not in DESIGNS:
            raise ValueError(f"Unknown filter design {self.design!r}: use one of {', '.join(DESIGNS)}.")
        if self.phase not in ("zero", "causal"):
            raise ValueError(f"The phase is 'zero' or 'causal', got {self.phase!r}.")
        if self.start not in ("steady", "rest") or (self.start == "rest" and self.phase == "zero"):
            raise ValueError(
                f"A filter starts 'steady', or from 'rest' if its phase is 'causal'; got {self.start!r} and "
                f"{self.phase!r}."
            )

    def sections(self, band: Band, *, sfreq: float) -> Sections:
        """Design the filter of one band.

        Raises
        ------
        ProtocolError
            If the band reaches the Nyquist frequency.
        """
        check_below_nyquist([band], sfreq=sfreq)
        return _sections(self.design, self.order, band.fmin, band.fmax, sfreq)

    def settling(self, band: Band) -> float:
        """Seconds that the filter of a band needs to forget."""
        return _N_PERIODS / min(band.fmin, band.fmax - band.fmin)


class Sections(NamedTuple):
    """A band-pass filter, ``gain * prod((1 - z^-2) / (1 + a1 z^-1 + a2 z^-2))``.

    All designs here have as many zeros at frequency zero as at the Nyquist frequency, so each section can
    have one of either, and a section costs three operations instead of five.
    """

    gain: float
    a1: NDArray[np.float64]
    a2: NDArray[np.float64]

    @property
    def is_delicate(self) -> bool:
        """Whether single precision would spoil it."""
        # Roots of z^2 + a1 z + a2: the distance from z = 1 says how slow and how narrow the filter is.
        distance = np.sqrt(np.abs(1 + self.a1 + self.a2))
        return bool(distance.min() < _CLOSEST_POLE)

    @property
    def memory(self) -> int:
        """Samples after which the filter has forgotten how it began, to the last bit."""
        poles = [np.roots([1, a1, a2]) for a1, a2 in zip(self.a1, self.a2, strict=True)]
        # The slowest pole tells; one at zero forgets at once.
        return math.ceil(math.log(_FORGOTTEN) / math.log(max(np.abs(poles).max(), 0.1)))


@lru_cache(maxsize=1024)  # Designing takes longer than filtering a trial.
def _sections(design: str, order: int, fmin: float, fmax: float, sfreq: float) -> Sections:
    sos = DESIGNS[design](order, (fmin, fmax), sfreq)
    return Sections(float(np.prod(sos[:, 0])), sos[:, 4].copy(), sos[:, 5].copy())


def band_variance_filtered(
    X: Floats,
    first: NDArray[np.intp],
    n_samples: int,
    *,
    sfreq: float,
    bands: Bands,
    band_filter: BandFilter = BandFilter(),
    precision: Literal["auto", "double"] = "auto",
) -> NDArray[np.float64]:
    """Variance (1/n, own mean removed) of windows in bands, filtered over the whole recording.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Whole trials, never single windows: a filter that starts anew in each window spends most of a short
        one settling. What is not finite is bridged by a line while filtering and left out of the variances.
    first : ndarray of int, shape (n_windows,)
        First sample of each window; it may lie outside.
    n_samples : int
        Samples of a window.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        What to filter into.
    band_filter : BandFilter
        How to filter.
    precision : {"auto", "double"}
        Single precision serves most bands to 5e-6 nats and takes two thirds of the time; "auto" takes double
        where the poles lie too close together.

    Returns
    -------
    variance : ndarray, shape (n_windows, ..., n_bands)
        In the square of the unit of ``X``. NaN where a window holds fewer than two samples.

    Raises
    ------
    ProtocolError
        If a band reaches the Nyquist frequency.
    DataError
        If the recording is too short for the filter to settle.

    Notes
    -----
    Equal to SciPy's ``sosfiltfilt(..., padtype="even")`` or ``sosfilt`` of the same design, then ``var``.
    White noise keeps ``(1 - 1/(2n)) * (pi/(2n)) / sin(pi/(2n))`` of the nominal bandwidth with the
    zero-phase Butterworth of order n (0.898 for 4), so entropies are lower than the STFT's by 0.05 nats: the
    same for every window. Zero-phase means that a window knows a little of its neighbours, never of another
    trial.

    Examples
    --------
    >>> t = np.arange(1280) / 128
    >>> sine = 3 * np.sin(2 * np.pi * 10 * t)
    >>> bands = Bands.of(theta=(4, 7), alpha=(8, 13))
    >>> band_variance_filtered(sine, np.array([512]), 128, sfreq=128.0, bands=bands).round(3)
    array([[0. , 4.5]])
    """
    n_times = X.shape[-1]
    X = native(X)
    rows = X.reshape(math.prod(X.shape[:-1]), n_times)
    variance = np.empty((len(first), len(rows), len(bands)))
    plans = _plans(bands, band_filter, n_times=n_times, sfreq=sfreq, precision=precision)
    n_all = n_times + max(int(plan.n_pad.max()) for plan in plans)
    cuts = _cuts(np.asarray(first, dtype=np.intp).tobytes(), n_samples, n_times, n_all)
    blocks = [slice(begin, min(begin + _WIDTH, len(rows))) for begin in range(0, len(rows), _WIDTH)]
    # Threads share the blocks; the bands, too, where that would leave some without work.
    is_even = len(blocks) > 2 * n_threads() or len(blocks) % n_threads() == 0
    groups = [plans] if is_even else [(part,) for plan in plans for part in plan.split(n_threads())]

    def work(task: tuple[slice, tuple[_Plan, ...]]) -> None:
        block, some = task
        _fill(variance[:, block], rows[block], some, cuts, band_filter)

    in_threads(work, [(block, some) for block in blocks for some in groups])
    return variance.reshape(len(first), *X.shape[:-1], len(bands))


class _Plan(NamedTuple):
    """Bands that are filtered together, because they take the same precision."""

    bands: NDArray[np.intp]  # Positions.
    filters: Floats  # In that precision.
    n_pad: NDArray[np.intp]  # Zero for the causal filter.
    n_warm: NDArray[np.intp]

    def split(self, n_groups: int) -> list[_Plan]:
        """Deal the bands out to as many groups, if there are enough."""
        n_groups = min(n_groups, len(self.bands))
        # Contiguous, as whole plans are: the kernels are compiled for each layout of each argument.
        return [_Plan._make(column[group::n_groups].copy() for column in self) for group in range(n_groups)]


class _Cuts(NamedTuple):
    """Where the time is cut so that windows that overlap share their sums; see `_cuts`."""

    edges: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    have_two: NDArray[np.bool_]  # Samples, which a variance needs.


@lru_cache(maxsize=64)  # Planning takes a third of the time of filtering a trial.
def _plans(
    bands: Bands, band_filter: BandFilter, *, n_times: int, sfreq: float, precision: str
) -> tuple[_Plan, ...]:
    designs = [band_filter.sections(band, sfreq=sfreq) for band in bands]
    is_double = np.array([precision == "double" or design.is_delicate for design in designs])
    columns = (
        np.arange(len(bands)),
        np.array([[gain, *np.stack([a1, a2], axis=1).ravel()] for gain, a1, a2 in designs]),
        np.array([_padding(band, band_filter, n_times=n_times, sfreq=sfreq) for band in bands]),
        np.array([design.memory for design in designs]),
    )
    plans = [_Plan._make(column[chosen] for column in columns) for chosen in (is_double, ~is_double)]
    plans[1] = plans[1]._replace(filters=plans[1].filters.astype(np.float32))
    return tuple(plan for plan in plans if len(plan.bands))


def _fill(
    out: NDArray[np.float64], x: Floats, plans: tuple[_Plan, ...], cuts: _Cuts, band_filter: BandFilter
) -> None:
    """Put variances of one block of channels into their places, shape (n_windows, n_channels, n_bands)."""
    if x.strides[1] != x.itemsize:
        x = np.ascontiguousarray(x)
    present = None
    for plan in plans:
        found = _filtered(x, present, plan, cuts, band_filter)
        # What is not finite goes through all filters, so it need not be looked for in the samples.
        if present is None and not np.isfinite(found[cuts.have_two]).all() and not is_whole(x):
            present = np.isfinite(x)
            x = x.astype(np.float64)
            # One by one, for bridging takes a lot of memory.
            for row in np.flatnonzero(~present.all(axis=1)):
                x[row] = bridge(x[row], ~present[row])
            found = _filtered(x, present, plan, cuts, band_filter)
        if plan.filters.dtype == np.float32:
            # What was lost comes back in double precision, for whole recordings: bands and channels stay the
            # same whatever stands beside them.
            is_lost = ~((found > _SMALLEST) & (found < _LARGEST))[cuts.have_two].all(axis=0)
            if is_lost.any():
                double = plan._replace(filters=plan.filters.astype(np.float64))
                found[:, is_lost] = _filtered(x, present, double, cuts, band_filter)[:, is_lost]
        out[:, :, plan.bands] = found


def _filtered(
    x: Floats, present: NDArray[np.bool_] | None, plan: _Plan, cuts: _Cuts, band_filter: BandFilter
) -> NDArray[np.float64]:
    _, filters, n_pad, n_warm = plan
    out = np.empty((len(cuts.left), len(x), len(filters)))
    # Channels side by side fill two of the largest vectors, if there are enough: while one waits for the
    # result of an operation, the other goes on.
    n_in_vector = 64 // filters.itemsize
    width = 2 * n_in_vector if len(x) > n_in_vector else n_in_vector
    markers = (0,) * (filters.shape[1] // 2), (0,) * width, (0,) * n_in_vector
    for first in range(0, len(x), width):
        rows = x[first : first + width]
        # Contiguous, for the same reason as in `_Plan.split`.
        found = np.empty((len(out), len(rows), len(filters)))
        there = present if present is None else present[first : first + width]
        if band_filter.phase == "causal":
            before = rows[:, 0].copy() if band_filter.start == "steady" else np.zeros_like(rows[:, 0])
            filter_causal(rows, before, there, filters, cuts[:3], *markers, found)
        else:
            n_chunk = min(max(_CHUNK, 2 * int(n_warm.max())), x.shape[1] + int(n_pad.max()))
            rooms = scratch("rooms", (len(filters) + (present is not None), n_chunk, width), filters.dtype)
            filter_zero_phase(rows, there, filters, n_pad, n_warm, cuts[:3], *markers, rooms, found)
        out[:, first : first + width] = found
    return out


def is_whole(X: Floats) -> bool:
    """Whether every sample is finite; the sums over the channels tell it at a third of the price."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(X.sum(axis=0)).all()) or bool(np.isfinite(X).all())


def _padding(band: Band, band_filter: BandFilter, *, n_times: int, sfreq: float) -> int:
    """Samples that both ends are mirrored by; the causal filter needs none."""
    settling = band_filter.settling(band)
    n_pad = math.ceil(settling * sfreq)
    if n_times <= n_pad and band_filter.start == "steady":
        raise DataError(
            f"{n_times / sfreq:g} s are too short to filter {band}: the filter needs more than "
            f"{settling:g} s to settle. Leave the recording out, or use the estimator 'stft'."
        )
    return n_pad if band_filter.phase == "zero" else 0


@lru_cache(maxsize=16)  # Most trials of a data set are cut alike.
def _cuts(starts: bytes, n_samples: int, n_times: int, n_all: int) -> _Cuts:
    """Cut from 0 to ``n_all``, which filters go on to, wherever windows begin or end.

    ``starts`` are the bytes of their first samples, an array of `numpy.intp`. ``left`` and ``right`` are the
    positions of the windows' ends among the edges.
    """
    first = np.frombuffer(starts, dtype=np.intp)
    begin, end = (np.clip(edge, 0, n_times) for edge in (first, first + n_samples))
    edges = np.unique(np.concatenate([begin, end, [0, n_times, n_all]]))
    return _Cuts(edges, np.searchsorted(edges, begin), np.searchsorted(edges, end), end > begin + 1)
