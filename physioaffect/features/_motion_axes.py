"""What acceleration and rotation share: statistics and spectra of three axes and their magnitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.features import _motion_spectra as spectra
from physioaffect.features._windowed import table
from physioaffect.recording import Signal
from physioaffect.signals.motion import magnitude
from physioaffect.windows import Intervals, sample_grid

__all__ = ["ESTIMATOR", "SPECTRUM_HZ", "Axes", "axis_units", "check_only", "chosen"]

Floats = NDArray[np.float64]

ESTIMATOR = "1/n moments; Welch: Hann, 8 s, half overlapping, less the mean"
SPECTRUM_HZ = 8.0
_LOW_HZ = 3.0
_SEGMENT_S, _SHORTEST_S = 8.0, 2.0
# Power below this share of the mean square is what rounding leaves of none.
_ROUNDING = 1e-20

_CHANNELS = ("x", "y", "z", "magnitude")
_MOMENTS = ("mean", "sd", "rms", "min", "max", "skewness", "kurtosis", "crossings")


def axis_units(unit: str) -> dict[str, str]:
    """Units of the features of `Axes`, by name."""
    own = dict.fromkeys(("mean", "sd", "rms", "min", "max", "iqr"), unit)
    own |= {"skewness": "1", "kurtosis": "1", "crossings": "Hz"}
    own |= {"power_0_3": f"({unit})^2", "power_3_8": f"({unit})^2"}
    own |= {"dominant_frequency": "Hz", "spectral_entropy": "1"}
    units = {f"{channel}_{name}": what for channel in _CHANNELS for name, what in own.items()}
    return units | {f"{pair}_correlation": "1" for pair in ("xy", "xz", "yz")} | {"activity": unit}


@dataclass(frozen=True, eq=False)
class Axes:
    """Windows of a three-axis signal, and what is computed of them.

    Parameters
    ----------
    signal : Signal
        Three channels. A sample that is missing or flagged on one axis counts on none.
    intervals : Intervals
        Windows; what lies outside the signal is missing.
    """

    signal: Signal
    intervals: Intervals
    first: NDArray[np.intp] = field(init=False)
    n_samples: int = field(init=False)

    def __post_init__(self) -> None:
        first, n_samples = sample_grid(self.signal, self.intervals)
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "n_samples", n_samples)

    @cached_property
    def x(self) -> Floats:
        """Axes and magnitude, shape (4, n_times), zero where a sample does not count."""
        axes = np.where(self.signal.is_good, self.signal.data, 0.0).astype(np.float64, copy=False)
        return np.concatenate([axes, magnitude(axes)[np.newaxis]], dtype=np.float64)

    @cached_property
    def good(self) -> Floats:
        """1.0 where a sample counts, shape (n_times,)."""
        return self.signal.is_good.astype(np.float64)

    @cached_property
    def segments(self) -> spectra.Parts:
        """Half-overlapping segments of 8 s, or the whole of a shorter window."""
        n = min(self.n_samples, max(2, round(_SEGMENT_S * self.signal.sfreq)))
        return spectra.cut(self.first, self.n_samples, n, max(1, n // 2))

    @cached_property
    def densities(self) -> tuple[Floats, Floats]:
        """Frequencies, and the power density of each segment, shape (n_segments, 4, n_freqs)."""
        freqs, density = spectra.densities(
            self.x, self.signal.is_good, self.segments, sfreq=self.signal.sfreq, fmax=SPECTRUM_HZ
        )
        if self.intervals.duration < _SHORTEST_S:
            density[:] = np.nan
        return freqs, density

    def mean_of(self, samples: Floats, *, skip: int = 0) -> Floats:
        """Mean over each window of a series that is NaN where it does not count, shape (n_windows,).

        The last ``skip`` samples of a window are left out: of differences to the next sample the last one
        reaches out of the window.
        """
        from physioaffect.features import _motion_kernels as kernels  # noqa: PLC0415  numba takes a while.

        good = np.isfinite(samples)
        x = np.where(good, samples, 0.0)[np.newaxis]
        found: Floats = kernels.means(x, good.astype(np.float64), self.first, self.n_samples - skip, 1)
        return found[:, 0]

    def change_rms(self) -> Floats:
        """Root mean square of the vector's change from sample to sample, per second, shape (n_windows,)."""
        axes = np.where(self.signal.is_good, self.x[:3], np.nan)
        squared = np.square(np.diff(axes, axis=-1) * self.signal.sfreq).sum(axis=0)
        return np.sqrt(self.mean_of(squared, skip=1))

    def features(self) -> dict[str, Floats]:
        """All features of `axis_units`, and ``mad``, the magnitude's mean deviation; each (n_windows,)."""
        from physioaffect.features import _motion_kernels as kernels  # noqa: PLC0415

        about = (self.first, self.n_samples)
        moments = kernels.moments(self.x, self.good, *about, self.signal.sfreq)
        between = kernels.quartiles(self.x, self.good, *about)
        correlated = kernels.correlations(self.x, self.good, moments[..., 0], *about)
        spectral = self._spectral(mean_square=np.square(moments[..., 2]))
        found: dict[str, Floats] = {}
        for number, channel in enumerate(_CHANNELS):
            own: dict[str, Floats] = dict(zip(_MOMENTS, moments[:, number].T, strict=False))
            own["iqr"] = between[:, number, 1] - between[:, number, 0]
            own |= {name: values[:, number] for name, values in spectral.items()}
            found |= {f"{channel}_{name}": values for name, values in own.items()}
        found |= dict(zip(("xy_correlation", "xz_correlation", "yz_correlation"), correlated.T, strict=True))
        found["activity"] = moments[:, :3, 8].sum(axis=1)
        return found | {"mad": moments[:, 3, 8]}

    def _spectral(self, *, mean_square: Floats) -> dict[str, Floats]:
        """Power in two bands, dominant frequency and entropy, each (n_windows, 4)."""
        freqs, of_segments = self.densities
        density = spectra.average(of_segments, self.segments)[..., 1:]
        freqs = freqs[1:]
        step = self.signal.sfreq / self.segments.n_samples
        powers = density * step
        low = powers[..., freqs < _LOW_HZ].sum(axis=-1)
        high = powers[..., freqs >= _LOW_HZ].sum(axis=-1)
        if self.signal.sfreq < 2 * SPECTRUM_HZ:
            high = np.full_like(high, np.nan)
        total = powers.sum(axis=-1)
        has_power = total > _ROUNDING * mean_square
        share = powers / np.where(has_power, total, np.nan)[..., np.newaxis]
        with np.errstate(divide="ignore", invalid="ignore"):
            information = np.where(share > 0, share * np.log(share), np.where(share == 0, 0.0, np.nan))
        entropy = (
            -information.sum(axis=-1) / np.log(len(freqs)) if len(freqs) > 1 else np.full_like(total, np.nan)
        )
        peak = spectra.peak_frequency(density, freqs) if len(freqs) else np.full_like(total, np.nan)
        return {
            "power_0_3": low,
            "power_3_8": high,
            "dominant_frequency": np.where(has_power, peak, np.nan),
            "spectral_entropy": entropy,
        }


def check_only(only: Sequence[str], units: Mapping[str, str], family: str) -> None:
    """Refuse names of features that a family does not have."""
    if unknown := [name for name in only if name not in units]:
        raise ValueError(f"{family} has no feature {unknown[0]!r}: use some of {', '.join(units)}.")
    if len(set(only)) < len(only):
        raise ValueError(f"{family} got a feature twice: {', '.join(only)}.")


def chosen(
    family: str, found: Mapping[str, Any], units: Mapping[str, str], only: Sequence[str]
) -> xr.DataArray:
    """Put features into a table in the order of their units, or those asked for in the order asked."""
    names = only or tuple(units)
    values = np.stack([found[name] for name in names], axis=-1)
    return table(family, values, {name: units[name] for name in names}, estimator=ESTIMATOR)
