"""The equation's constants to convergence, with intervals, given what the trunk has learned.

With the trunk fixed the trace is linear in the last layer, and given the rate ``k = gamma alpha_0`` so is the
residual in everything else. What remains is a search over k alone (variable projection), exact where steps
of a gradient would still be on their way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

__all__ = ["Identified", "Readout", "identify"]

Array = NDArray[np.float64]

# Time constants that are looked for: from 2 s, faster than skin, to three hours, which is no decay.
_SLOWEST, _FASTEST = 1 / 10800, 1 / 2
_GRID = 25
# A last-layer weight beyond so many standard deviations of EDA per unit of tanh is only cancelling others.
_WEIGHT_SD = 1.0


@dataclass(frozen=True, kw_only=True)
class Identified:
    """What data can tell of ``dE/dt = gamma(-alpha_0 (E - E_0) + beta.s + b)``, with intervals.

    Parameters
    ----------
    rate : float
        ``gamma alpha_0`` in 1/s.
    drive : ndarray, shape (n_reports,)
        ``gamma beta`` in uS/s per unit of each self-report.
    level : float
        ``gamma (alpha_0 E_0 + b)`` in uS/s.
    covariance : ndarray, shape (n_reports + 2, n_reports + 2)
        Of rate, drive and level in this order; NaN with a single cluster.
    confidence : float
        Of the intervals.
    n_clusters : int
        People, or conditions where no people were told, by which errors were gathered.
    is_at_edge : bool
        Whether the rate came to rest where the search ends, at a time constant of 2 s or 3 h: the data show
        no decay, and there are no intervals.

    Notes
    -----
    Intervals are the delta method of a bootstrap over clusters (sandwich, with Student's t of ``n_clusters -
    1``), conditional on the trunk. alpha_0, beta and gamma are not reported singly: gamma times c and the
    others divided by c are the same equation. Where skin does not obey the equation, these are the constants
    of the one that fits best, and no physiology.
    """

    rate: float
    drive: Array
    level: float
    covariance: Array
    confidence: float
    n_clusters: int
    is_at_edge: bool = False

    @property
    def values(self) -> Array:
        """Rate, drive and level in one row, shape (n_reports + 2,)."""
        return np.concatenate([[self.rate], self.drive, [self.level]])

    @property
    def intervals(self) -> Array:
        """Ends of each interval, shape (n_reports + 2, 2), in the order of ``values``."""
        if self.n_clusters < 2 or self.is_at_edge:
            return np.full((len(self.values), 2), np.nan)
        reach = float(student.ppf(0.5 + self.confidence / 2, self.n_clusters - 1))
        half = reach * np.sqrt(np.diag(self.covariance))
        return np.stack([self.values - half, self.values + half], axis=1)

    @property
    def time_constant(self) -> float:
        """Seconds in which the distance to the steady state falls to 1/e."""
        return 1 / self.rate


class Readout(NamedTuple):
    """The last layer (bias last) and the random effects, all in standard deviations of EDA."""

    weights: Array
    people: Array
    starts: Array


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """Windows as the trunk sees them.

    ``features`` and ``slopes`` (n, n_features + 1), the last column for the bias; ``reports`` (n, n_reports)
    standardised; ``eda`` standardised; ``time`` in s; ``known`` where the slope is; ``person``, ``condition``
    and ``cluster`` numbers; ``weight`` that of the physics; ``person_sd`` and ``start_sd`` in standard
    deviations of EDA, None without the effect.
    """

    features: Array
    slopes: Array
    reports: Array
    eda: Array
    time: Array
    known: NDArray[np.bool_]
    person: NDArray[np.intp]
    condition: NDArray[np.intp]
    cluster: NDArray[np.intp]
    weight: float
    person_sd: float | None
    start_sd: float | None

    @property
    def n_weights(self) -> int:
        return int(self.features.shape[1])

    @property
    def physics(self) -> float:
        """Weight of each residual beside an error of weight 1."""
        return self.weight * len(self.eda) / max(1, int(self.known.sum()))

    def effects(self, rate: float) -> Array:
        """Columns of the random effects, shape (n, n_people + n_conditions)."""
        columns = [np.empty((len(self.eda), 0))]
        if self.person_sd is not None:
            columns.append(np.eye(self.person.max() + 1)[self.person])
        if self.start_sd is not None:
            fading = np.exp(-rate * self.time)
            columns.append(np.eye(self.condition.max() + 1)[self.condition] * fading[:, None])
        return np.concatenate(columns, axis=1)

    def prior(self, noise: float) -> Array:
        """Precision of each random effect beside that of an error."""
        parts = []
        if self.person_sd is not None:
            parts.append(np.full(self.person.max() + 1, noise / self.person_sd**2))
        if self.start_sd is not None:
            parts.append(np.full(self.condition.max() + 1, noise / self.start_sd**2))
        return np.concatenate([np.empty(0), *parts])

    def design(self, rate: float) -> Array:
        """Residuals of the equation per weight, drive and level, shape (n_known, n_columns)."""
        rows = self.known
        return np.concatenate(
            [
                self.slopes[rows] + rate * self.features[rows],
                -self.reports[rows],
                -np.ones((int(rows.sum()), 1)),
            ],
            axis=1,
        )


class _Solved(NamedTuple):
    solution: Array
    effects: Array
    error: Array
    normal: Array
    freedom: float
    deviance: float


def _solve(problem: _Problem, rate: float, noise: float) -> _Solved:
    """Best everything else at a rate: linear least squares with the random effects integrated out."""
    n_weights = problem.n_weights
    design = problem.design(rate)
    data = np.zeros((len(problem.eda), design.shape[1]))
    data[:, :n_weights] = problem.features
    z = problem.effects(rate)
    inner = z.T @ z + np.diag(problem.prior(noise))
    both = np.concatenate([data, problem.eda[:, None]], axis=1)
    across = z.T @ both
    shrunk = np.linalg.solve(inner, across) if z.shape[1] else across
    gram = both.T @ both - across.T @ shrunk
    normal = gram[:-1, :-1] + problem.physics * design.T @ design
    ridge = np.zeros(len(normal))
    ridge[: n_weights - 1] = noise / _WEIGHT_SD**2
    normal[np.diag_indices_from(normal)] += ridge + 1e-12 * np.diag(normal).max()
    factor = cho_factor(normal)
    solution = cho_solve(factor, gram[:-1, -1])
    effects = shrunk[:, -1] - shrunk[:, :-1] @ solution
    error = problem.eda - data @ solution - z @ effects
    freedom = float(np.trace(cho_solve(factor, gram[:-1, :-1]))) + z.shape[1]
    # Starts that fade slowly explain more: without the determinant of their covariance slow rates would win.
    loss = float(gram[-1, -1] - gram[:-1, -1] @ solution)
    deviance = loss / noise + (float(np.linalg.slogdet(inner)[1]) if z.shape[1] else 0.0)
    return _Solved(solution, effects, error, normal, freedom, deviance)


def _noise(solved: _Solved) -> float:
    """Variance of an error; what was fitted is not counted as if it were free."""
    left = max(1.0, len(solved.error) - solved.freedom)
    return max(1e-8, float(solved.error @ solved.error) / left)


def _fit(problem: _Problem) -> tuple[float, _Solved]:
    noise, low, high = 0.01, np.log(_SLOWEST), np.log(_FASTEST)
    grid = np.linspace(low, high, _GRID)
    for _ in range(3):
        found = [_solve(problem, float(np.exp(k)), noise).deviance for k in grid]
        best = int(np.argmin(found))
        between = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)]))
        at = noise
        searched = minimize_scalar(
            lambda k, at=at: _solve(problem, float(np.exp(k)), at).deviance,
            bounds=between,
            method="bounded",
            options={"xatol": 1e-7},
        )
        rate = float(np.exp(searched.x))
        solved = _solve(problem, rate, noise)
        before, noise = noise, _noise(solved)
        # From here on only near where it was.
        grid = np.linspace(max(low, searched.x - 0.5), min(high, searched.x + 0.5), 5)
        if abs(np.log(noise / before)) < 1e-3:
            break
    return rate, solved


def _covariance(problem: _Problem, rate: float, solved: _Solved) -> tuple[Array, int]:
    """Sandwich over clusters, of (weights, drive, level, rate)."""
    n_weights, n_people = problem.n_weights, 0
    trace = problem.features @ solved.solution[:n_weights]
    design = problem.design(rate)
    residual = design @ solved.solution
    # What the rate does: to starts that fade, and to the residual.
    fading = np.zeros(len(problem.eda))
    if problem.start_sd is not None:
        if problem.person_sd is not None:
            n_people = int(problem.person.max()) + 1
        fading = -problem.time * np.exp(-rate * problem.time) * solved.effects[n_people:][problem.condition]
    data = np.zeros((len(problem.eda), design.shape[1] + 1))
    data[:, :n_weights] = problem.features
    data[:, -1] = fading
    physics = np.zeros((len(problem.eda), design.shape[1] + 1))
    physics[problem.known, :-1] = design
    physics[problem.known, -1] = trace[problem.known]
    residuals = np.zeros(len(problem.eda))
    residuals[problem.known] = residual
    scores = data * solved.error[:, None] - problem.physics * physics * residuals[:, None]
    names, cluster = np.unique(problem.cluster, return_inverse=True)
    gathered = np.zeros((len(names), scores.shape[1]))
    np.add.at(gathered, cluster, scores)
    z = problem.effects(rate)
    across = z.T @ data
    gram = data.T @ data
    if z.shape[1]:
        noise = _noise(solved)
        gram -= across.T @ np.linalg.solve(z.T @ z + np.diag(problem.prior(noise)), across)
    curvature = gram + problem.physics * physics.T @ physics
    curvature[:-1, :-1] += solved.normal - curvature[:-1, :-1]  # With the ridge.
    bread = np.linalg.pinv(curvature, hermitian=True)
    n_clusters = len(names)
    if n_clusters < 2:
        return np.full(bread.shape, np.nan), n_clusters
    gathered -= gathered.mean(axis=0)
    n = len(problem.eda)
    meat = gathered.T @ gathered * n_clusters / (n_clusters - 1) * n / max(1.0, n - solved.freedom)
    return bread @ meat @ bread, n_clusters


def identify(  # noqa: PLR0913  Each is an array or a scale of its own.
    *,
    features: Array,
    slopes: Array,
    reports: Array,
    eda: Array,
    time: Array,
    person: NDArray[np.intp],
    condition: NDArray[np.intp],
    cluster: NDArray[np.intp],
    weight: float,
    person_sd: float | None,
    start_sd: float | None,
    reports_mean: Array,
    reports_sd: Array,
    eda_mean: float,
    eda_sd: float,
    confidence: float,
) -> tuple[Readout, Identified]:
    """Fit last layer, constants and random effects to convergence.

    Parameters
    ----------
    features, slopes : ndarray, shape (n, n_features)
        Output of the trunk and its derivative per second, NaN where that is not known.
    reports : ndarray, shape (n, n_reports)
        Self-reports in their own units.
    eda, time : ndarray, shape (n,)
        uS and s within the condition.
    person, condition, cluster : ndarray of int, shape (n,)
        Numbers from 0.
    weight : float
        Of the squared residual, in s².
    person_sd, start_sd : float or None
        Of the random effects in uS.
    reports_mean, reports_sd, eda_mean, eda_sd
        Scales.
    confidence : float
        Of the intervals.

    Returns
    -------
    readout : Readout
        In standard deviations.
    identified : Identified
        In uS, seconds and units of the reports.
    """
    n = len(eda)
    problem = _Problem(
        features=np.concatenate([features, np.ones((n, 1))], axis=1),
        slopes=np.nan_to_num(np.concatenate([slopes, np.zeros((n, 1))], axis=1)),
        reports=(reports - reports_mean) / reports_sd,
        eda=(eda - eda_mean) / eda_sd,
        time=time,
        known=np.asarray(np.isfinite(slopes).all(axis=1)),
        person=person,
        condition=condition,
        cluster=cluster,
        weight=weight,
        person_sd=None if person_sd is None else person_sd / eda_sd,
        start_sd=None if start_sd is None else start_sd / eda_sd,
    )
    rate, solved = _fit(problem)
    n_weights, n_reports = problem.n_weights, reports.shape[1]
    weights, drive, level = np.split(solved.solution, [n_weights, n_weights + n_reports])
    n_people = int(person.max()) + 1 if person_sd is not None else 0
    people, starts = np.split(solved.effects, [n_people])
    readout = Readout(weights, people, starts)
    covariance, n_clusters = _covariance(problem, rate, solved)
    # From (drive, level, rate) in standard deviations to (rate, drive, level) in uS.
    to_units = np.zeros((n_reports + 2, n_reports + 2))
    to_units[0, -1] = 1
    to_units[1:-1, :n_reports] = np.diag(eda_sd / reports_sd)
    to_units[-1, :n_reports] = -eda_sd * reports_mean / reports_sd
    to_units[-1, n_reports] = eda_sd
    to_units[-1, -1] = eda_mean
    values = to_units @ np.concatenate([drive, level, [rate]])
    return readout, Identified(
        rate=rate,
        drive=values[1:-1],
        level=float(values[-1]),
        covariance=to_units @ covariance[n_weights:, n_weights:] @ to_units.T,
        confidence=confidence,
        n_clusters=n_clusters,
        is_at_edge=not 1.01 * _SLOWEST < rate < _FASTEST / 1.01,
    )
