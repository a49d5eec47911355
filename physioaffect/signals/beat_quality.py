"""How much a beat looks like those around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["likeness"]

Floats = NDArray[np.float64]

# With fewer others there is nothing to be like.
_FEWEST_OTHERS = 3
_N_POINTS = 48
# Of the first template, made of all beats, those that are unlike it take no part in the second.
_LIKE = 0.5


def likeness(
    x: Floats,
    times: Floats,
    *,
    sfreq: float,
    before: float,
    after: float,
    back: float,
    ahead: float,
) -> Floats:
    """Correlation of each beat with the mean of the others within some seconds of it.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        The filtered signal, without missing samples.
    times : ndarray, shape (n_beats,)
        Beats in seconds after the first sample, in order.
    sfreq : float
        Samples per second.
    before, after : float
        What of the signal belongs to a beat, in seconds around its time.
    back, ahead : float
        Beats up to so many seconds earlier and later are the others.

    Returns
    -------
    correlation : ndarray, shape (n_beats,)
        From -1 to 1; NaN where there are fewer than three others or a beat is cut by the ends.

    Notes
    -----
    Template matching as by Orphanidou et al. (2015) [1]_ and Li and Clifford (2012) [2]_, with three
    differences. The template is local (theirs is that of a segment of 10 s or 30 s); a beat has no part in
    the template that it is held against (in noise, a mean of ten with oneself in it correlates by 0.3); and
    the template is made twice, the second time without beats that correlate with the first by less than 0.5.

    References
    ----------
    .. [1] Orphanidou et al. (2015). Signal-quality indices for the electrocardiogram and photoplethysmogram.
       IEEE J Biomed Health Inform 19(3), 832-838. doi:10.1109/JBHI.2014.2338351
    .. [2] Li and Clifford (2012). Dynamic time warping and machine learning for signal quality assessment of
       pulsatile signals. Physiol Meas 33(9), 1491-1501. doi:10.1088/0967-3334/33/9/1491

    Examples
    --------
    >>> times = np.arange(0, 20, 1 / 100)
    >>> pulse = np.exp(3 * np.cos(2 * np.pi * times))
    >>> pulse[950:1050] = np.random.default_rng(0).normal(size=100)  # No pulse at 10 s.
    >>> options = {"before": 0.3, "after": 0.3, "back": 7.0, "ahead": 7.0}
    >>> likeness(pulse, np.arange(7.0, 14.0), sfreq=100, **options).round(1)
    array([1. , 1. , 1. , 0.2, 1. , 1. , 1. ])
    """
    n_beats = len(times)
    if n_beats == 0:
        return np.empty(0)
    at = (times[:, np.newaxis] + np.linspace(-before, after, _N_POINTS)) * sfreq
    is_whole = (at[:, 0] >= 0) & (at[:, -1] <= len(x) - 1)
    whole = np.clip(at, 0, len(x) - 1)
    idx = np.minimum(whole.astype(np.intp), max(len(x) - 2, 0))
    low = x[idx]
    shapes = low + (x[np.minimum(idx + 1, len(x) - 1)] - low) * (whole - idx)
    shapes -= shapes.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("ij,ij->i", shapes, shapes))
    is_whole &= norms > 0
    shapes /= np.where(norms > 0, norms, 1.0)[:, np.newaxis]

    first = np.searchsorted(times, times - back, side="left")
    stop = np.searchsorted(times, times + ahead, side="right")
    weights = is_whole.astype(np.float64)
    correlation = np.full(n_beats, np.nan)
    for _ in range(2):
        weighted = shapes * weights[:, np.newaxis]
        total = np.concatenate([np.zeros((1, _N_POINTS)), np.cumsum(weighted, axis=0)])
        count = np.concatenate([[0.0], np.cumsum(weights)])
        template = total[stop] - total[first] - weighted
        n_others = count[stop] - count[first] - weights
        size = np.sqrt(np.einsum("ij,ij->i", template, template))
        known = is_whole & (n_others >= _FEWEST_OTHERS - 0.5) & (size > 1e-9)
        overlap = np.einsum("ij,ij->i", shapes, template)
        correlation = np.full(n_beats, np.nan)
        correlation[known] = overlap[known] / size[known]
        weights = (correlation > _LIKE).astype(np.float64)
    return correlation
