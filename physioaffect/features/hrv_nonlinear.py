"""Heart rate variability beyond means and spectra: Poincare's plot, asymmetry, entropy, fluctuations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.features._nn import NN, Feature, inside, refused
from physioaffect.features._threads import in_threads
from physioaffect.windows import Intervals

__all__ = ["FEATURES", "nonlinear"]

_TOLERANCE = 0.2
_SHORT_BOXES = np.arange(4, 17)
_LONG_BOXES = np.arange(16, 65)
# Ten to the power of the length of the pieces; six boxes of the largest size.
_FEWEST = 100
# Four boxes of the largest size.
_FEWEST_LONG = 300

FEATURES = {
    "sd1": Feature("ms", 30),
    "sd2": Feature("ms", 60),
    "sd1_sd2": Feature("1", 60),
    "csi": Feature("1", 60),
    "cvi": Feature("1", 60),
    "porta": Feature("%", 60),
    "guzik": Feature("%", 60),
    "sample_entropy": Feature("nat", 120, _FEWEST),
    "dfa_alpha1": Feature("1", 120, _FEWEST),
    "dfa_alpha2": Feature("1", 300, _FEWEST_LONG),
}
"""Units, shortest windows in seconds and fewest intervals of the non-linear features."""

_N_AT_ONCE = 64


def nonlinear(nn: NN, intervals: Intervals) -> NDArray[np.float64]:
    """Compute the features of `FEATURES` in each window.

    Parameters
    ----------
    nn : NN
        Trusted intervals.
    intervals : Intervals
        Windows. An interval belongs to one if both of its beats do.

    Returns
    -------
    features : ndarray, shape (n_windows, 10)
        NaN where the window is too short for a feature, or holds too few intervals.

    Notes
    -----
    ``sd1`` and ``sd2`` are the standard deviations (n - 1) of ``(x[i] - x[i - 1]) / sqrt(2)`` and
    ``(x[i] + x[i - 1]) / sqrt(2)`` over pairs of intervals that share a beat [1]_, so ``sd1`` is ``sdsd /
    sqrt(2)`` and nearly ``rmssd / sqrt(2)``. ``csi`` is ``sd2 / sd1`` and ``cvi`` the decimal logarithm of
    ``16 sd1 sd2`` in ms^2 [2]_. ``porta`` is the share of pairs that become shorter among those that change,
    ``guzik`` that of the lengthening ones in the sum of squared changes [3]_: both are 50 % if time could run
    backwards.

    ``sample_entropy`` [4]_ compares pieces of two and three intervals, none of them across a gap, with a
    tolerance of 0.2 standard deviations (n - 1) of the window, and counts a distance of just the tolerance;
    NaN if no pieces match. It takes at least 100 intervals, ten to the power of the length of the pieces
    [5]_.

    ``dfa_alpha1`` and ``dfa_alpha2`` [6]_ are slopes over boxes of 4 to 16 and 16 to 64 intervals, all sizes
    of them, which do not overlap and begin at the start of the longest run without a gap. That run must have
    100 and 300 intervals, six and four boxes of the largest size. White noise has the mean square fluctuation
    ``(n^2 - 4) / (15 n)``: its ``dfa_alpha1`` is therefore 0.58 and not 0.5, as with every implementation of
    the first order.

    References
    ----------
    .. [1] Brennan, Palaniswami, Kamen (2001). Do existing measures of Poincare plot geometry reflect
       nonlinear features of heart rate variability? IEEE Trans. Biomed. Eng. 48(11), 1342-1347.
       doi:10.1109/10.959330
    .. [2] Toichi, Sugiura, Murai, Sengoku (1997). A new method of assessing cardiac autonomic function and
       its comparison with spectral analysis and coefficient of variation of R-R interval. J. Auton. Nerv.
       Syst. 62(1-2), 79-84. doi:10.1016/S0165-1838(96)00112-9
    .. [3] Porta et al. (2008). Temporal asymmetries of short-term heart period variability are linked to
       autonomic regulation. Am. J. Physiol. 295(2), R550-R557. doi:10.1152/ajpregu.00129.2008
    .. [4] Richman, Moorman (2000). Physiological time-series analysis using approximate entropy and sample
       entropy. Am. J. Physiol. 278(6), H2039-H2049. doi:10.1152/ajpheart.2000.278.6.H2039
    .. [5] Pincus, Goldberger (1994). Physiological time-series analysis: what does regularity quantify? Am.
       J. Physiol. 266(4), H1643-H1656. doi:10.1152/ajpheart.1994.266.4.H1643
    .. [6] Peng, Havlin, Stanley, Goldberger (1995). Quantification of scaling exponents and crossover
       phenomena in nonstationary heartbeat time series. Chaos 5(1), 82-87. doi:10.1063/1.166141
    """
    from physioaffect.features._hrv_kernels import (  # noqa: PLC0415  It imports numba.
        ROUNDING_MS,
        entropies,
        fluctuations,
        poincare,
    )

    first, last = inside(nn, intervals)
    values = np.full((len(first), len(FEATURES)), np.nan)
    plot = np.empty((len(first), 4))
    poincare(nn.ms, nn.follows, first, last, plot)
    sd1, sd2 = plot[:, 0], plot[:, 1]
    values[:, [0, 1, 5, 6]] = plot
    is_varied = (sd1 > ROUNDING_MS) & (sd2 > ROUNDING_MS)
    np.divide(sd1, sd2, out=values[:, 2], where=is_varied)
    np.divide(sd2, sd1, out=values[:, 3], where=is_varied)
    np.log10(16 * sd1 * sd2, out=values[:, 4], where=is_varied)

    def scan(begin: int) -> None:
        block = slice(begin, begin + _N_AT_ONCE)
        beats = nn.ms, nn.follows, first[block], last[block]
        entropies(*beats, _FEWEST, _TOLERANCE, values[block, 7])
        fluctuations(*beats, _SHORT_BOXES, _FEWEST, values[block, 8])
        fluctuations(*beats, _LONG_BOXES, _FEWEST_LONG, values[block, 9])

    if (last - first).max(initial=0) >= _FEWEST:
        in_threads(scan, range(0, len(first), _N_AT_ONCE))
    return refused(values, list(FEATURES.values()), last - first, intervals.duration)
