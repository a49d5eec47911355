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
# Samples that the zero-phase filter keeps of its way forwards: a minute or two of most recordings.
_CHUNK = 2**14


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
        Single precision serves most bands to 5e-6 nats and is twice as fast; "auto" takes double where the
        poles lie too close together.

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
    cuts = _cuts(first, n_samples, n_times)
    width = 16 if len(rows) <= 16 else 32
    blocks = [slice(begin, min(begin + width, len(rows))) for begin in range(0, len(rows), width)]
    # Threads share the blocks; the bands, too, where that would leave some without work. Then each lays out
    # the samples for itself.
    is_even = len(blocks) > 2 * n_threads() or len(blocks) % n_threads() == 0
    n_groups = 1 if is_even else n_threads()

    def work(task: tuple[slice, _Plan]) -> None:
        block, plan = task
        variance[:, block, plan.bands] = _variance(rows[block], plan, cuts, band_filter, width=width)

    groups = [group for plan in plans for group in plan.split(n_groups)]
    in_threads(work, [(block, group) for block in blocks for group in groups])
    return variance.reshape(len(first), *X.shape[:-1], len(bands))


class _Plan(NamedTuple):
    """Bands that are filtered together, because they take the same precision."""

    bands: list[int]  # Positions.
    dtype: type[np.floating[Any]]
    gain: NDArray[np.float64]
    a1: NDArray[np.float64]
    a2: NDArray[np.float64]
    n_pad: NDArray[np.intp]  # Zero for the causal filter.

    def split(self, n_groups: int) -> list[_Plan]:
        """Deal the bands out to as many groups, if there are enough."""
        n_groups = min(n_groups, len(self.bands))
        return [self.of(slice(group, None, n_groups)) for group in range(n_groups)]

    def of(self, chosen: slice) -> _Plan:
        """Take some of the bands."""
        bands, dtype, gain, a1, a2, n_pad = self
        return _Plan(bands[chosen], dtype, gain[chosen], a1[chosen], a2[chosen], n_pad[chosen])


class _Cuts(NamedTuple):
    """Where the time is cut so that windows that overlap share their sums; see `_cuts`."""

    edges: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    have_two: NDArray[np.bool_]  # Samples, which a variance needs.


def _plans(
    bands: Bands, band_filter: BandFilter, *, n_times: int, sfreq: float, precision: str
) -> list[_Plan]:
    designs = [band_filter.sections(band, sfreq=sfreq) for band in bands]
    n_pad = np.array([_padding(band, band_filter, n_times=n_times, sfreq=sfreq) for band in bands])
    is_double = np.array([precision == "double" or design.is_delicate for design in designs])
    gain, a1, a2 = (np.array(column) for column in zip(*designs, strict=True))
    plans = []
    for chosen, dtype in ((is_double, np.float64), (~is_double, np.float32)):
        if chosen.any():
            index = np.flatnonzero(chosen).tolist()
            plans.append(_Plan(index, dtype, gain[chosen], a1[chosen], a2[chosen], n_pad[chosen]))
    return plans


def _variance(
    x: Floats, plan: _Plan, cuts: _Cuts, band_filter: BandFilter, *, width: int
) -> NDArray[np.float64]:
    """Variance of the windows of one block of channels, shape (n_windows, n_channels, n_bands)."""
    present = None
    if not is_whole(x):
        present = np.isfinite(x)
        x = x.astype(np.float64)
        for row in np.flatnonzero(~present.all(axis=1)):  # One by one, for bridging takes a lot of memory.
            x[row] = bridge(x[row], ~present[row])
    out = _filtered(x, present, plan, cuts, band_filter, width=width)
    if plan.dtype == np.float32:
        # What was lost comes back in double precision, for whole recordings: bands and channels stay the same
        # whatever stands beside them.
        is_lost = ~((out > _SMALLEST) & (out < _LARGEST))[cuts.have_two].all(axis=0)
        if is_lost.any():
            exact = _filtered(x, present, plan._replace(dtype=np.float64), cuts, band_filter, width=width)
            out[:, is_lost] = exact[:, is_lost]
    return out


def _filtered(
    x: Floats,
    present: NDArray[np.bool_] | None,
    plan: _Plan,
    cuts: _Cuts,
    band_filter: BandFilter,
    *,
    width: int,
) -> NDArray[np.float64]:
    is_zero_phase = band_filter.phase == "zero"
    n_bands, n_sections = plan.a1.shape
    n_room = min(x.shape[1] + 2 * int(plan.n_pad.max()), _CHUNK) if is_zero_phase else 0
    out = np.empty((len(cuts.left), len(x), n_bands))
    (filter_zero_phase if is_zero_phase else filter_causal)(
        x,
        x[:, 0].copy() if band_filter.start == "steady" else np.zeros(len(x), dtype=x.dtype),
        present,
        (plan.gain.astype(plan.dtype), plan.a1.astype(plan.dtype), plan.a2.astype(plan.dtype)),
        plan.n_pad,
        (cuts.edges, cuts.left, cuts.right),
        (0,) * n_sections,
        (0,) * width,
        scratch("turned", (n_bands, n_room, width), np.dtype(plan.dtype)),
        out,
    )
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


def _cuts(first: NDArray[np.intp], n_samples: int, n_times: int) -> _Cuts:
    """Cut from 0 to ``n_times`` wherever windows begin or end.

    ``left`` and ``right`` are the positions of the windows' ends among the edges.
    """
    begin, end = (np.clip(edge, 0, n_times) for edge in (first, first + n_samples))
    edges = np.unique(np.concatenate([begin, end, [0, n_times]]))
    return _Cuts(edges, np.searchsorted(edges, begin), np.searchsorted(edges, end), end > begin + 1)
