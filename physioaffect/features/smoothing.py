"""Smoothing of features over the windows of a trial: moving average and linear dynamical system."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.features.kalman import Steps, maximise, pass_back, run_filter

__all__ = ["LDS", "MovingAverage", "Smoothing", "smooth", "smoothing_by_name"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_TRIAL = ("dataset", "subject", "session", "trial")


class _Trials(NamedTuple):
    """Rows of a table as trials: ``rows[offsets[i] : offsets[i + 1]]`` are trial i in order of time."""

    rows: Indices
    offsets: Indices


class Smoothing(Protocol):
    """A way of smoothing: a frozen dataclass of settings, called on the windows of whole trials."""

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def causal(self) -> bool:
        """Whether no window knows of later ones."""
        ...

    def __call__(self, values: Floats, offsets: Indices) -> Floats:
        """Smooth (n_windows, n_features), trial i in rows ``offsets[i]`` to ``offsets[i + 1]``."""
        ...


@dataclass(frozen=True, kw_only=True)
class MovingAverage:
    """Mean over neighbouring windows of the trial; at its ends over as many as there are.

    Parameters
    ----------
    n_windows : int
        How many windows are averaged.
    causal : bool
        Whether they are the window itself and those before it. Otherwise they lie around it, half on each
        side, and ``n_windows`` must be odd.

    Examples
    --------
    >>> average = MovingAverage(n_windows=3, causal=False)
    >>> average(np.array([[0.0], [3.0], [6.0], [0.0]]), np.array([0, 4])).ravel()
    array([1.5, 3. , 3. , 3. ])
    """

    name: ClassVar[str] = "moving_average"
    version: ClassVar[int] = 1

    n_windows: int
    causal: bool

    def __post_init__(self) -> None:
        if self.n_windows < 1:
            raise ValueError(f"A moving average needs at least 1 window, got n_windows={self.n_windows}.")
        if not self.causal and self.n_windows % 2 == 0:
            raise ValueError(
                f"A moving average around each window needs an odd number of windows, got n_windows="
                f"{self.n_windows}. Take {self.n_windows + 1}, or causal=True."
            )

    def __call__(self, values: Floats, offsets: Indices) -> Floats:
        """Smooth (n_windows, n_features), trial i in rows ``offsets[i]`` to ``offsets[i + 1]``."""
        after = 0 if self.causal else self.n_windows // 2
        before = self.n_windows - 1 - after
        smoothed = np.empty_like(values)
        for start, stop in pairwise(offsets):
            here = values[start:stop]
            # Differences to the value itself, and no running sums: a constant stays what it is to the last
            # bit, and no outlier leaves its rounding in windows far from it.
            total = np.zeros_like(here)
            count = np.ones(here.shape)
            for shift in range(1, min(max(before, after) + 1, len(here))):
                step = here[shift:] - here[:-shift]
                is_there = ~np.isnan(step)
                step[~is_there] = 0.0
                if shift <= before:
                    total[shift:] -= step
                    count[shift:] += is_there
                if shift <= after:
                    total[:-shift] += step
                    count[:-shift] += is_there
            smoothed[start:stop] = here + total / count
        return smoothed


def _first_observed(values: Floats, is_there: NDArray[np.bool_]) -> Floats:
    """The earliest value of each column that is not NaN, 0 if there is none, shape (n_features,)."""
    first = values[is_there.argmax(axis=0), np.arange(values.shape[1])]
    return np.where(is_there.any(axis=0), first, 0.0)


@dataclass(frozen=True, kw_only=True)
class LDS:
    """Linear dynamical system: a level that wanders, seen through noise, one for each feature and trial.

    ``x_t = z_t + w_t`` and ``z_t = z_(t-1) + v_t`` with independent Gaussian ``w`` and ``v``; the feature x
    is replaced by the posterior mean of the level z. Only the ratios of the variances matter.

    Parameters
    ----------
    causal : bool
        Whether a window knows only itself and those before it in its trial (Kalman filter). Otherwise it
        knows all of the trial (Rauch-Tung-Striebel smoother).
    observation_variance, process_variance, prior_variance : float
        Variances of w, of v and of the first level, above 0 (the prior's may be 0). With the default values
        the gain settles at 0.01, a memory of about 100 windows: most of what changes inside a trial of a
        few minutes is gone, and windows of one trial become nearly the same.
    prior_mean : {"first", "trial mean"}
        Expected value of the first level: the first value observed, or the mean of the trial, which looks
        ahead and so is refused with ``causal=True``.
    backward : bool, optional
        Whether the backward pass of the smoother follows the filter. Default: where not causal. False with
        ``causal=False`` and the trial's mean is what the LibEER benchmark computes.
    em_iterations : int
        So many steps of expectation maximisation estimate the observation and process variance of each
        feature in each trial, starting from those given; the prior stays. Looks ahead.

    Raises
    ------
    ValueError
        If a variance is out of range, or ``causal=True`` stands beside what looks ahead.

    Notes
    -----
    Shi & Lu, EMBC 2010, 6587-6590, doi 10.1109/IEMBS.2010.5627125, with A = C = 1 and no offsets. LibEER's
    first step subtracts the prior variance from the first value instead of the prior mean; here it is the
    mean. EM as in Shumway & Stoffer, J. Time Series Analysis 3 (1982) 253-264,
    doi 10.1111/j.1467-9892.1982.tb00349.x.

    Examples
    --------
    >>> lds = LDS(causal=True, process_variance=0.5)
    >>> lds(np.array([[0.0], [1.0], [1.0], [1.0]]), np.array([0, 4])).ravel().round(3)
    array([0.   , 0.338, 0.64 , 0.816])
    """

    name: ClassVar[str] = "lds"
    version: ClassVar[int] = 1

    causal: bool
    observation_variance: float = 1.0
    process_variance: float = 1e-4
    prior_variance: float = 1e-2
    prior_mean: Literal["first", "trial mean"] = "first"
    backward: bool | None = None
    em_iterations: int = 0

    def __post_init__(self) -> None:
        is_in_range = self.observation_variance > 0 and self.process_variance > 0 and self.prior_variance >= 0
        variances = self.observation_variance, self.process_variance, self.prior_variance
        if not is_in_range or not all(map(math.isfinite, variances)):
            raise ValueError(
                "LDS needs an observation and a process variance above 0 and a prior variance of at least 0, "
                f"got {self.observation_variance}, {self.process_variance} and {self.prior_variance}."
            )
        if self.prior_mean not in ("first", "trial mean"):
            raise ValueError(f"prior_mean is 'first' or 'trial mean', got {self.prior_mean!r}.")
        if self.em_iterations < 0:
            raise ValueError(f"em_iterations must be at least 0, got {self.em_iterations}.")
        ahead = {
            "prior_mean='trial mean'": self.prior_mean == "trial mean",
            "backward=True": bool(self.backward),
            "em_iterations above 0": self.em_iterations > 0,
        }
        if self.causal and (which := [name for name, is_so in ahead.items() if is_so]):
            raise ValueError(f"{which[0]} looks at the whole trial: leave it out, or take causal=False.")

    def __call__(self, values: Floats, offsets: Indices) -> Floats:
        """Smooth (n_windows, n_features), trial i in rows ``offsets[i]`` to ``offsets[i + 1]``."""
        # First windows of all trials, then second windows, and so on, as Steps wants them.
        lengths = np.diff(offsets)
        ranked = np.argsort(-lengths, kind="stable")
        step = np.concatenate([np.arange(length) for length in lengths[ranked]])
        order = np.argsort(step, kind="stable")
        rows = (np.repeat(offsets[:-1][ranked], lengths[ranked]) + step)[order]
        edges = np.concatenate([[0], np.cumsum(np.bincount(step))])

        is_there = ~np.isnan(values)
        prior = np.empty((len(lengths), values.shape[1]))
        for rank, trial in enumerate(ranked):
            here = slice(offsets[trial], offsets[trial + 1])
            prior[rank] = _first_observed(values[here], is_there[here])
            if self.prior_mean == "trial mean":
                total = np.sum(values[here] - prior[rank], axis=0, where=is_there[here])
                prior[rank] += total / np.maximum(is_there[here].sum(axis=0), 1)
        steps = Steps(
            np.where(is_there, values, 0.0)[rows], None if is_there.all() else is_there[rows], edges, prior
        )
        levels = self._levels(steps)
        smoothed = np.empty_like(values)
        smoothed[rows] = levels
        smoothed[~is_there] = np.nan
        return smoothed

    def _levels(self, steps: Steps) -> Floats:
        # What EM estimates differs from trial to trial and feature to feature.
        shape = steps.prior.shape if self.em_iterations else (1, 1)
        observation, process = (
            np.full(shape, self.observation_variance),
            np.full(shape, self.process_variance),
        )
        for _ in range(self.em_iterations):
            levels, variances = run_filter(steps, observation, process, self.prior_variance)
            gains = pass_back(steps, levels, variances, process)
            observation, process = maximise(steps, levels, variances, gains, observation, process)
        levels, variances = run_filter(steps, observation, process, self.prior_variance)
        if self.backward or (self.backward is None and not self.causal):
            pass_back(steps, levels, variances, process)
        return levels


def _trials(features: xr.Dataset) -> _Trials:
    if lacking := [name for name in (*_TRIAL, "start") if name not in features.coords]:
        raise DataError(
            f"Smoothing needs to know trials and times: the table has no coordinate {lacking[0]!r}. Take a "
            "table made by extract, or assign the coordinate."
        )
    start = np.asarray(features["start"].values, dtype=np.float64)
    if np.isnan(start).any():
        raise DataError("Smoothing needs the time of every window: start is NaN in some. Leave those out.")
    columns = [features[name].values for name in _TRIAL]
    # Runs of equal identifiers first: sorting all of the strings would take longer than the smoothing.
    is_new = np.ones(len(start), dtype=bool)
    if len(start):
        is_new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    begins = np.flatnonzero(is_new)
    numbers: dict[tuple[Hashable, ...], int] = {}
    names = zip(*(column[begins].tolist() for column in columns), strict=True)
    of_run = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)
    of_row = of_run[np.cumsum(is_new) - 1]
    counts = np.bincount(of_row, minlength=len(numbers))
    return _Trials(np.lexsort([start, of_row]), np.concatenate([[0], np.cumsum(counts)]))


def smooth(features: xr.Dataset, smoothing: Smoothing) -> xr.Dataset:
    """Smooth every family over the windows of each trial, never across trials.

    Parameters
    ----------
    features : xarray.Dataset
        A feature table. Windows that share dataset, subject, session and trial are one trial; they are taken
        in order of ``start``, one step from each to the next, whatever their distance.
    smoothing : Smoothing
        How: `MovingAverage` or `LDS`.

    Returns
    -------
    smoothed : xarray.Dataset
        The same table with smoothed values, of the same type, in the same order. NaN stays NaN: such a value
        is left out of a mean and is a missing observation of the dynamical system. The attribute
        ``smoothing`` (of the table and of each variable) is JSON, a list of what was done: name, version,
        settings (with ``causal``).

    Raises
    ------
    DataError
        If a coordinate is missing, or a variable holds infinite values or none that can be averaged.

    Notes
    -----
    Neighbouring windows of a trial become alike. An evaluation that puts windows of one trial on both sides
    of a split then measures little but that.

    Examples
    --------
    >>> ids = {name: ("window", ["a"] * 4) for name in ("dataset", "subject", "session")}
    >>> table = xr.Dataset(
    ...     {"eda": ("window", [1.0, 3.0, 5.0, 5.0])},
    ...     coords={**ids, "trial": ("window", ["1", "1", "2", "2"]), "start": ("window", [0, 1, 0, 1])},
    ... )
    >>> smooth(table, MovingAverage(n_windows=2, causal=True))["eda"].values
    array([1., 2., 5., 5.])
    """
    trials = _trials(features)
    described = {
        "name": smoothing.name,
        "version": smoothing.version,
        "settings": asdict(smoothing),  # type: ignore[call-overload]
    }
    done = json.dumps([*json.loads(features.attrs.get("smoothing", "[]")), described], sort_keys=True)
    variables = {}
    for name, family in features.data_vars.items():
        if family.dims[:1] != ("window",) or family.dtype.kind != "f":
            raise DataError(
                f"Only floats over windows can be smoothed; {name} is {family.dtype} over "
                f"{', '.join(map(str, family.dims)) or 'nothing'}. Drop it first."
            )
        values = family.values
        ordered = values[trials.rows].reshape(len(values), math.prod(values.shape[1:])).astype(np.float64)
        if np.isinf(ordered).any():
            raise DataError(f"{name} has infinite values, which would spoil their whole trial: mend them.")
        smoothed = np.empty_like(values)
        if values.size:
            smoothed[trials.rows] = smoothing(ordered, trials.offsets).reshape(values.shape)
        variables[name] = family.copy(data=smoothed).assign_attrs(smoothing=done)
    return features.assign(variables).assign_attrs(smoothing=done)


def smoothing_by_name(said: str) -> LDS | MovingAverage:
    """Look up a smoothing by what is said on the command line or in an experiment file.

    Parameters
    ----------
    said : str
        ``"lds"``, ``"lds_causal"``, ``"mean:N"`` or ``"mean_causal:N"``, a mean over N windows.

    Raises
    ------
    DataError
        If it is none of these.

    Examples
    --------
    >>> smoothing_by_name("mean_causal:5")
    MovingAverage(n_windows=5, causal=True)
    """
    kind, _, number = said.partition(":")
    if kind in ("lds", "lds_causal") and not number:
        return LDS(causal=kind == "lds_causal")
    if kind in ("mean", "mean_causal") and re.fullmatch(r"[1-9][0-9]{0,5}", number):
        return MovingAverage(n_windows=int(number), causal=kind == "mean_causal")
    raise DataError(
        f"smooth is {said[:80]!r}; expected lds, lds_causal, mean:N or mean_causal:N for a mean over N "
        "windows."
    )
