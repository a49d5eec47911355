"""Measures of connectivity as functions of observations, whatever these are.

Observations are complex numbers, one per channel, that are averaged over: the samples of the analytic signal
in a window (connectivity over time) or the Fourier coefficients of many epochs or tapers (over epochs).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.features._edges import upper

__all__ = [
    "COMPLEX_METHODS",
    "Method",
    "coherence",
    "correlation",
    "imaginary_coherence",
    "phase_locking",
    "weighted_phase_lag",
]

Array = NDArray[Any]

# Phases that differ by less than this many radians are in step: at 10 Hz it is 1.6 us.
_NO_LAG = 1e-4


def _quotient(numerator: Array, denominator: Array) -> Array:
    ratio = np.full_like(denominator, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _to_unit_length(parts: Array) -> None:
    """Make every observation a phase: (..., 2 n_channels, n_observations), in place."""
    n_channels = parts.shape[-2] // 2
    smallest = np.finfo(parts.dtype).tiny
    for channel in range(n_channels):
        re, im = parts[..., channel, :], parts[..., n_channels + channel, :]
        length = np.sqrt(re * re + im * im)
        np.maximum(length, smallest, out=length)
        re /= length
        im /= length


def _cross_sums(parts: Array) -> Array:
    """Real and imaginary part of sum(z_i conj(z_j)) of each edge, then sum(|z_i|^2) of each channel."""
    # Real products of the stacked parts: symmetric, of which BLAS computes one half.
    gram = parts @ parts.swapaxes(-1, -2)
    n_channels = parts.shape[-2] // 2
    first, second = slice(n_channels), slice(n_channels, None)
    i, j = upper(n_channels)
    re = gram[:, first, first] + gram[:, second, second]
    im = gram[:, second, first] - gram[:, first, second]
    flat = i * n_channels + j
    re, im = (part.reshape(len(parts), n_channels**2) for part in (re, im))
    return np.concatenate([re[:, flat], im[:, flat], re[:, :: n_channels + 1]], axis=1)


def _cross_parts(sums: Array, n_channels: int) -> tuple[Array, Array, Array]:
    i, j = upper(n_channels)
    re, im, power = np.split(sums, [len(i), 2 * len(i)], axis=1)
    # Roots before the product, which may leave the range of single precision.
    length = np.sqrt(power)
    return re, im, length[:, i] * length[:, j]


def _phase_locking(sums: Array, n_channels: int) -> Array:
    re, im, n_observations = _cross_parts(sums, n_channels)
    return np.minimum(_quotient(np.sqrt(re * re + im * im), n_observations), 1)


def _imaginary(sums: Array, n_channels: int) -> Array:
    _, im, power = _cross_parts(sums, n_channels)
    return np.clip(_quotient(im, power), -1, 1)


def _lag_sums(parts: Array) -> Array:
    from physioaffect.features._connectivity import lag_sums  # noqa: PLC0415  It imports numba.

    n_channels = parts.shape[-2] // 2
    sums = np.empty((len(parts), 4, n_channels * (n_channels - 1) // 2), dtype=parts.dtype)
    lag_sums(np.ascontiguousarray(parts), sums)
    return sums.reshape(len(parts), math.prod(sums.shape[1:]))


def _lag_parts(sums: Array) -> tuple[Array, Array, Array, Array]:
    total, magnitude, square, terms = np.split(sums, 4, axis=1)
    # A channel that is zero has no phase, so it is not in step with any.
    return total, magnitude, square, (magnitude <= _NO_LAG * terms) & (terms > 0)


def _phase_lag(sums: Array, n_channels: int) -> Array:  # noqa: ARG001
    total, magnitude, _, is_in_step = _lag_parts(sums)
    return np.where(is_in_step, 0, np.minimum(_quotient(np.abs(total), magnitude), 1))


def _debiased_phase_lag(sums: Array, n_channels: int) -> Array:  # noqa: ARG001
    total, magnitude, square, is_in_step = _lag_parts(sums)
    return np.where(is_in_step, 0, _quotient(total * total - square, magnitude * magnitude - square))


class Method(NamedTuple):
    """A measure: what is summed over the observations, and what the sums become."""

    sums: Callable[[Array], Array]
    value: Callable[[Array, int], Array]
    is_of_phases: bool = False


COMPLEX_METHODS = {
    "coherence": Method(_cross_sums, _phase_locking),
    "imaginary_coherence": Method(_cross_sums, _imaginary),
    "plv": Method(_cross_sums, _phase_locking, is_of_phases=True),
    "wpli": Method(_lag_sums, _phase_lag),
    "wpli2_debiased": Method(_lag_sums, _debiased_phase_lag),
}


def _at_one_scale(parts: Array) -> None:
    """Divide each channel by its largest part, in place: squares leave the range of floats otherwise."""
    n_channels = parts.shape[-2] // 2
    by_channel = parts.reshape(len(parts), 2, n_channels, parts.shape[-1])
    largest = np.abs(by_channel).max(axis=(1, 3), keepdims=True, initial=0)
    by_channel /= np.where(largest > 0, largest, 1)


def _of_observations(Z: Array, method: str) -> Array:
    Z = np.asarray(Z)
    if Z.ndim < 2 or not np.iscomplexobj(Z):
        raise ValueError(
            f"Z must be complex, (..., n_channels, n_observations), got {Z.dtype} of shape {Z.shape}. Make "
            "it with analytic_signal, or from Fourier coefficients of epochs with the epochs last."
        )
    sums, value, is_of_phases = COMPLEX_METHODS[method]
    n_channels = Z.shape[-2]
    n_windows = math.prod(Z.shape[:-2])
    parts = np.concatenate([np.real(Z), np.imag(Z)], axis=-2).reshape(n_windows, 2 * n_channels, Z.shape[-1])
    with np.errstate(invalid="ignore"):  # Infinite observations.
        _at_one_scale(parts)
        if is_of_phases:
            _to_unit_length(parts)
        values = value(sums(parts), n_channels)
    return values.reshape(*Z.shape[:-2], values.shape[-1])


def phase_locking(Z: Array) -> Array:
    """Phase-locking value ``|mean(exp(i (phi_i - phi_j)))|``.

    Parameters
    ----------
    Z : ndarray, complex, shape (..., n_channels, n_observations)
        Only the phases count.

    Returns
    -------
    plv : ndarray, shape (..., n_edges)
        From 0 to 1, one per pair of the upper triangle; see `as_matrices`. NaN where a channel is zero or not
        finite. Independent phases give
        ``sqrt(pi / (4 n))`` of n independent observations, not 0: see `independent_phases`.

    Notes
    -----
    Lachaux et al., Human Brain Mapping 8, 194-208, 1999, average over trials; over the time of one trial it
    is their single-trial PLV (Int. J. Bifurcation Chaos 10, 2429-2439, 2000). The former is what
    mne-connectivity calls ``spectral_connectivity_epochs``, the latter ``spectral_connectivity_time``, with
    wavelets in place of band-pass filters.

    Examples
    --------
    >>> turning = np.exp(1j * np.linspace(0, 60, 500))
    >>> phase_locking(np.stack([turning, 3j * turning]))
    array([1.])
    """
    return _of_observations(Z, "plv")


def coherence(Z: Array) -> Array:
    """Magnitude of coherency, ``|mean(z_i conj(z_j))| / sqrt(mean(|z_i|^2) mean(|z_j|^2))``.

    Parameters and result are those of `phase_locking`. It is not squared, so that `imaginary_coherence` is a
    part of it and mne-connectivity's ``"coh"`` the same; Nunez et al. (Electroencephalogr. Clin.
    Neurophysiol. 103, 499-515, 1997, doi 10.1016/S0013-4694(97)00066-7) and SciPy square it. NaN where a
    channel is zero.

    Examples
    --------
    >>> Z = np.random.default_rng(0).normal(size=(2, 500, 2)) @ [1, 1j]
    >>> Z[1] += Z[0]
    >>> bool(abs(coherence(Z)[0] - np.sqrt(1 / 2)) < 0.05)
    True
    """
    return _of_observations(Z, "coherence")


def imaginary_coherence(Z: Array) -> Array:
    """Imaginary part of coherency, which mixing without delay (volume conduction) leaves at zero.

    Parameters are those of `phase_locking`. The result, from -1 to 1, keeps its sign: that of
    ``sin(phi_i - phi_j)``, positive where the channel named first is ahead by less than half a cycle.

    Notes
    -----
    Nolte et al., Clinical Neurophysiology 115, 2292-2307, 2004, doi 10.1016/j.clinph.2004.04.029.

    Examples
    --------
    >>> turning = np.exp(1j * np.linspace(0, 60, 500))
    >>> imaginary_coherence(np.stack([turning, turning * np.exp(-0.5j)])).round(4)  # sin(0.5)
    array([0.4794])
    """
    return _of_observations(Z, "imaginary_coherence")


def weighted_phase_lag(Z: Array, *, debiased: bool = False) -> Array:
    """Weighted phase-lag index ``|sum(Im S)| / sum(|Im S|)`` of ``S = z_i conj(z_j)``.

    Parameters
    ----------
    Z : ndarray, complex, shape (..., n_channels, n_observations)
        Observations.
    debiased : bool
        The squared index without its bias, ``(sum(Im S)^2 - sum((Im S)^2)) / (sum(|Im S|)^2 - sum((Im
        S)^2))``: zero on average for *independent* observations, so also below zero. Neighbouring samples of
        a window are far from independent: there it takes off next to nothing.

    Returns
    -------
    wpli : ndarray, shape (..., n_edges)
        From 0 to 1. Zero where all phases differ by less than 1e-4 rad, because both sums are rounding there.
        NaN where a channel is zero.

    Notes
    -----
    Vinck et al., NeuroImage 55, 1548-1565, 2011, doi 10.1016/j.neuroimage.2011.01.055.

    Examples
    --------
    >>> turning = np.exp(1j * np.linspace(0, 60, 500))
    >>> weighted_phase_lag(np.stack([turning, turning * np.exp(-0.5j), -turning])).round(4)
    array([1., 0., 1.])
    """
    return _of_observations(Z, "wpli2_debiased" if debiased else "wpli")


def correlation(X: Array) -> NDArray[np.float64]:
    """Pearson correlation of every pair.

    Parameters
    ----------
    X : ndarray, shape (..., n_channels, n_times)
        Any unit.

    Returns
    -------
    r : ndarray, shape (..., n_edges)
        From -1 to 1; NaN where a channel is flat.

    Examples
    --------
    >>> correlation(np.array([[1.0, 2, 3], [3, 2, 1], [0, 0, 0]]))
    array([-1., nan, nan])
    """
    centred = np.asarray(X, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # Infinite samples.
        # The first sample goes before the mean, so that a flat channel becomes exactly zero.
        centred = centred - centred[..., :1]
        centred -= centred.mean(axis=-1, keepdims=True)
        gram = centred @ centred.swapaxes(-1, -2)
        i, j = upper(gram.shape[-1])
        length = np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1))
        return np.clip(_quotient(gram[..., i, j], length[..., i] * length[..., j]), -1, 1)
