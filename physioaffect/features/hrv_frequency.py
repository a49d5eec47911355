"""Heart rate variability in the frequency domain, from sines fitted to beats that are not even in time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.features._nn import NN, Feature, inside, refused
from physioaffect.features._threads import in_threads
from physioaffect.windows import Intervals

__all__ = [
    "BANDS",
    "FEATURES",
    "HF_S",
    "LF_S",
    "ROUNDING",
    "fastest",
    "frequency_domain",
    "lomb_scargle",
    "peaks",
    "ratios",
]

BANDS = {"vlf": (0.003, 0.04), "lf": (0.04, 0.15), "hf": (0.15, 0.4)}
"""Edges in Hz."""

# Shortest windows that carry a band.
_VLF_S, LF_S, HF_S = 300.0, 120.0, 60.0

FEATURES = {
    "vlf": Feature("ms^2", _VLF_S),
    "lf": Feature("ms^2", LF_S),
    "hf": Feature("ms^2", HF_S),
    "total": Feature("ms^2", _VLF_S),
    "lf_hf": Feature("1", LF_S),
    "lf_nu": Feature("%", LF_S),
    "hf_nu": Feature("%", LF_S),
    "lf_peak": Feature("Hz", LF_S),
    "hf_peak": Feature("Hz", HF_S),
}
"""Units, shortest windows in seconds and fewest intervals of the features in the frequency domain."""

# Lines of a spectrum for each that its length resolves.
_OVERSAMPLING = 4
# What this leaves of the variance is rounding, in ms^2.
ROUNDING = 1e-10
_N_AT_ONCE = 256


def frequency_domain(nn: NN, intervals: Intervals) -> NDArray[np.float64]:
    """Compute the features of `FEATURES` in each window.

    Parameters
    ----------
    nn : NN
        Trusted intervals.
    intervals : Intervals
        Windows. An interval belongs to one if both of its beats do.

    Returns
    -------
    features : ndarray, shape (n_windows, 9)
        NaN where the window is too short for a feature. Powers are in ms^2: a sine of amplitude A in the
        intervals has A^2 / 2. Ratios and peaks of no power are NaN.

    Notes
    -----
    Bands as in [1]_; ``total`` is their sum. ``lf_nu`` and ``hf_nu`` are shares of ``lf + hf`` in
    percent. A peak is where the density is largest within the band. ``hf`` ends at half the mean heart rate
    where that is below 0.4 Hz (48 beats per minute), since beats show nothing faster. Each interval is put at
    the beat that ends it, the straight line is taken out of the window, and sines are fitted to the uneven
    beats as they are (see `lomb_scargle`), so that a missing beat is no obstacle, though beats that are
    missing here and there spread their share of a wave's power over all frequencies. The window is not
    tapered: of a sine that is ``k / duration`` Hz away from a band, up to ``1 / (20 k)`` of the power is
    found in it.

    A window carries a band if it is about ten times as long as the slowest cycle [1]_: ``hf`` a minute,
    ``lf`` two (the least that [1]_ allows, five cycles), ``vlf`` five minutes [2]_.

    References
    ----------
    .. [1] Task Force of the European Society of Cardiology and the North American Society of Pacing and
       Electrophysiology (1996). Heart rate variability. Circulation 93(5), 1043-1065.
       doi:10.1161/01.CIR.93.5.1043
    .. [2] Shaffer, Ginsberg (2017). An overview of heart rate variability metrics and norms. Frontiers in
       Public Health 5, 258. doi:10.3389/fpubh.2017.00258
    """
    first, last = inside(nn, intervals)
    values = np.full((len(first), len(FEATURES)), np.nan)

    def scan(begin: int) -> None:
        block = slice(begin, begin + _N_AT_ONCE)
        limits = fastest(nn, first[block], last[block])
        _uneven(nn, first[block], last[block], limits, intervals.duration, values[block])

    if len(nn.ms) and intervals.duration >= HF_S * (1 - 1e-9):
        in_threads(scan, range(0, len(first), _N_AT_ONCE))
    return refused(values, list(FEATURES.values()), last - first, intervals.duration)


def lomb_scargle(
    times: NDArray[np.floating[Any]],
    nn: NDArray[np.floating[Any]],
    *,
    frequencies: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """Spectral density of intervals at uneven times, from sines fitted to them.

    Parameters
    ----------
    times : ndarray, shape (n_intervals,)
        Seconds, increasing.
    nn : ndarray, shape (n_intervals,)
        Intervals in milliseconds, or anything else.
    frequencies : ndarray, shape (n_frequencies,)
        Hz, evenly spaced.

    Returns
    -------
    power : ndarray, shape (n_frequencies,)
        Part of the mean square in ms^2 that a sine of each frequency explains. Of evenly spaced values, those
        at the multiples of ``1 / T`` below half the rate, T the time that is covered, add up to the mean
        square about the straight line, as Parseval says; times T it is a density in ms^2 / Hz.

    Notes
    -----
    Lomb's and Scargle's periodogram with a floating mean [1]_, of what a straight line leaves over. A sine of
    amplitude A at its own frequency has A^2 / 2. SciPy's ``lombscargle`` of the same values, multiplied by
    ``2 / n``, is the same but for the mean.

    References
    ----------
    .. [1] Zechmeister, Kuerster (2009). The generalised Lomb-Scargle periodogram. Astron. Astrophys. 496(2),
       577-584. doi:10.1051/0004-6361:200811296

    Examples
    --------
    >>> times = np.arange(100) * 0.8
    >>> nn = 800 + 30 * np.sin(2 * np.pi * 0.25 * times)
    >>> lomb_scargle(times, nn, frequencies=np.array([0.25])).round()  # Some is taken for a line.
    array([449.])
    """
    from physioaffect.features._hrv_spectra import powers  # noqa: PLC0415  It imports numba.

    if times.ndim != 1 or times.shape != nn.shape or len(times) < 3:
        raise ValueError(
            "times and nn must be of one shape (n_intervals,), three or more, got "
            f"{times.shape} and {nn.shape}."
        )
    steps = np.diff(frequencies)
    if len(steps) and not np.allclose(steps, steps[0], rtol=1e-6):
        raise ValueError("frequencies must be evenly spaced: use np.linspace, or call once for each band.")
    out = np.empty((1, len(frequencies)))
    ends = np.array([0]), np.array([len(times)])
    step = float(steps[0]) if len(steps) else 0.0
    powers(times.astype(np.float64), nn.astype(np.float64), *ends, float(frequencies[0]), step, out)
    power: NDArray[np.float64] = out[0]
    return power


def fastest(nn: NN, first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.float64]:
    """Half the mean rate of the beats of each window in Hz."""
    total = np.concatenate([[0.0], np.cumsum(nn.ms)])
    seconds = 1e-3 * (total[last] - total[first])
    limits = np.zeros(len(first))
    np.divide(last - first, 2 * seconds, out=limits, where=seconds > 0)
    return limits


def peaks(density: NDArray[np.float64], hz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Frequency of the largest density of each window; NaN where there is none."""
    highest = density.argmax(axis=1)
    return np.where(density.max(axis=1) > 0, hz[highest], np.nan)


def ratios(lf: NDArray[np.float64], hf: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Fill LF / HF and both in normalised units."""
    out[:] = np.nan
    np.divide(lf, hf, out=out[:, 0], where=hf > 0)
    np.divide(100 * lf, lf + hf, out=out[:, 1], where=lf + hf > 0)
    np.divide(100 * hf, lf + hf, out=out[:, 2], where=lf + hf > 0)


def _uneven(
    nn: NN,
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    limits: NDArray[np.float64],
    duration: float,
    out: NDArray[np.float64],
) -> None:
    from physioaffect.features._hrv_spectra import powers  # noqa: PLC0415

    begin, end = int(first.min()), int(last.max())
    if end - begin < 3:
        return
    beats = nn.ends[begin:end], nn.ms[begin:end], first - begin, last - begin
    seconds = np.divide(last - first, 2 * limits, out=np.zeros(len(first)), where=limits > 0)
    for column, (name, (low, high)) in enumerate(BANDS.items()):
        if duration < FEATURES[name].seconds * (1 - 1e-9):
            continue
        # The middles of equal parts of the band, so that they add up to it.
        n_lines = int(np.ceil(_OVERSAMPLING * (high - low) * duration))
        step = (high - low) / n_lines
        hz = low + step * (np.arange(n_lines) + 0.5)
        density = np.empty((len(first), n_lines))
        powers(*beats, hz[0], step, density)
        density *= seconds[:, np.newaxis]
        density[(hz >= limits[:, np.newaxis]) | (density * step < ROUNDING)] = 0
        out[:, column] = density.sum(axis=1) * step
        if name != "vlf":
            out[:, 6 + column] = peaks(density, hz)
    out[:, 3] = out[:, :3].sum(axis=1)
    ratios(out[:, 1], out[:, 2], out[:, 4:7])
