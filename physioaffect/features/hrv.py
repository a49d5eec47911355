"""Heart rate variability per window, from the intervals between beats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.features import hrv_frequency, hrv_nonlinear, hrv_time, hrv_welch
from physioaffect.features._nn import NN, Feature, covered, nn_of
from physioaffect.features._windowed import table
from physioaffect.recording import Trial
from physioaffect.windows import Intervals

__all__ = ["DOMAINS", "HRV"]


class _Domain(NamedTuple):
    features: dict[str, Feature]
    compute: Callable[[NN, Intervals], NDArray[np.float64]]


DOMAINS = {
    "time": _Domain(hrv_time.FEATURES, hrv_time.time_domain),
    "frequency": _Domain(hrv_frequency.FEATURES, hrv_frequency.frequency_domain),
    "welch": _Domain(hrv_welch.FEATURES, hrv_welch.welch),
    "nonlinear": _Domain(hrv_nonlinear.FEATURES, hrv_nonlinear.nonlinear),
}
"""Features of each domain, and the function from intervals and windows to them."""

_ESTIMATOR = (
    "trusted intervals with both beats in the window, differences within runs without a gap; sdnn, sdsd, "
    "sd1, sd2: n - 1; spectra: Lomb-Scargle with floating mean, and Welch (natural cubic spline at 4 Hz, "
    "Hann, 120 s, half overlapping), straight line removed; sample entropy: m = 2, r = 0.2 SD; DFA: boxes of "
    "4-16 and 16-64"
)


@dataclass(frozen=True, kw_only=True)
class HRV:
    """Heart rate variability in the time and frequency domain and beyond.

    Parameters
    ----------
    domains : tuple of str
        Some of ``"time"``, ``"frequency"`` (Lomb-Scargle), ``"welch"`` and ``"nonlinear"``. Windows with a
        missing beat have nothing under ``"welch"``, and evaluations leave out windows that lack a feature, so
        it is asked for by name. Under ``"nonlinear"``, windows of two minutes and more lack ``dfa_alpha1``
        where no 100 intervals follow each other without a gap, as is common on wristbands.
    source : str
        Name of the trial's `Events` of kind ``"ibi"``: beats, and the interval in seconds before each, NaN
        where it is not to be trusted.

    Notes
    -----
    Definitions, units and references stand beside the functions: `time_domain`, `frequency_domain`, `welch`
    and `nonlinear`. An interval counts in a window if both of its beats lie in it, so that a window depends
    on nothing that comes later. No difference, spline or pattern reaches across one that is not trusted.

    **What a window carries.** A feature is NaN in windows that are too short for its definition; the table's
    attributes ``minimum_seconds`` and ``minimum_intervals`` tell the rule of each. Rates and means take 10 s,
    ``rmssd`` and what is made of differences 30 s, ``sdnn`` and other measures of all variability 60 s,
    ``hf`` 60 s, ``lf`` 120 s and ``vlf`` 300 s; entropy and fluctuations take 120 s and 100 intervals or
    more, the triangular index 20 minutes. Studies of short records find means good from 10 s on and ``rmssd``
    from 30 s [1]_ or even 10 s [2]_. ``sdnn`` is the doubtful one: the least that has been proposed goes from
    60 s to 240 s [1]_ [3]_, because slow waves that five minutes hold do not fit into one. It is allowed from
    60 s on as a measure of that minute. It grows with the length of the window, so compare windows of one
    length only, and none with norms of five minutes.

    **Missing beats.** `coverage` is the share of a window that its trusted intervals take up; in a perfect
    recording it falls short of 1 by about one beat, of which the edges cut pieces. Below 0.8 everything is
    NaN. From minutes of wristband recordings that lacked next to nothing (91 of them, Stress-Predict),
    runs of 4 s were taken until 0.8 was left: ``rmssd`` and ``sdnn`` changed by 5 % in half of them, and by
    more than 15 % in one of twenty, which at 0.6 is 33 and 21 %; ``hf`` changed by 13 % in half of them, by
    50 % in one of twenty, so ask for more where it matters.

    References
    ----------
    .. [1] Baek, Cho, Cho, Woo (2015). Reliability of ultra-short-term analysis as a surrogate of standard
       5-min analysis of heart rate variability. Telemed. e-Health 21(5), 404-414. doi:10.1089/tmj.2014.0104
    .. [2] Munoz et al. (2015). Validity of (ultra-)short recordings for heart rate variability measurements.
       PLoS ONE 10(9), e0138921. doi:10.1371/journal.pone.0138921
    .. [3] Shaffer, Ginsberg (2017). An overview of heart rate variability metrics and norms. Frontiers in
       Public Health 5, 258. doi:10.3389/fpubh.2017.00258

    Examples
    --------
    >>> from physioaffect.recording import Events
    >>> lengths = np.tile([0.78, 0.82], 100)
    >>> beats = Events(times=np.cumsum(lengths), values=lengths, kind="ibi")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"ibi": beats})
    >>> features = HRV(domains=("time",))(trial, Intervals(np.array([0.0, 60.0]), 60.0))
    >>> features.sel(hrv_feature=["rmssd", "pnn20"]).values.round(6).tolist()
    [[40.0, 100.0], [40.0, 100.0]]
    """

    name: ClassVar[str] = "hrv"
    version: ClassVar[int] = 1
    min_coverage: ClassVar[float] = 0.8

    domains: tuple[str, ...] = ("time", "frequency", "nonlinear")
    source: str = "ibi"

    def __post_init__(self) -> None:
        if not self.domains or not set(self.domains) <= set(DOMAINS):
            raise ValueError(f"HRV has the domains {', '.join(DOMAINS)}, got {self.domains!r}.")
        if len(set(self.domains)) < len(self.domains):
            raise ValueError(f"HRV takes each domain once, got {self.domains!r}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one thing it reads."""
        return (self.source,)

    @property
    def context(self) -> tuple[float, float]:
        """Nothing before or after a window changes its features."""
        return (0.0, 0.0)

    def coverage(self, trial: Trial, intervals: Intervals) -> NDArray[np.float64]:
        """Share of each window that its own trusted intervals take up, shape (n_windows,).

        Raises
        ------
        DataError
            If the trial has no such intervals, or they are not in seconds.
        """
        return covered(nn_of(trial, self.source), intervals)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "hrv_feature")

        Raises
        ------
        DataError
            If the trial has no such intervals, or they are not in seconds.
        """
        nn = nn_of(trial, self.source)
        chosen = [DOMAINS[domain] for domain in self.domains]
        values = np.concatenate([domain.compute(nn, intervals) for domain in chosen], axis=1)
        values[covered(nn, intervals) < self.min_coverage] = np.nan
        features = {name: feature for domain in chosen for name, feature in domain.features.items()}
        return table(
            self.name,
            values,
            {name: feature.unit for name, feature in features.items()},
            estimator=_ESTIMATOR,
            minimum_seconds=[float(feature.seconds) for feature in features.values()],
            minimum_intervals=[feature.intervals for feature in features.values()],
        )
