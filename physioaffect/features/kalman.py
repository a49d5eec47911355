"""Scalar Kalman filters and smoothers of a level that wanders, for many trials and features at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Steps", "maximise", "pass_back", "run_filter"]

Floats = NDArray[np.float64]

# Variances that EM drives to zero (a constant feature) must not divide zero by zero.
_SMALLEST = 1e-300


class Steps(NamedTuple):
    """The values of all trials in order of time.

    Rows ``edges[t]`` to ``edges[t + 1]`` are step t of the trials that last so long, the longest trial first:
    the loop over time runs once for all trials. Missing values are 0; ``is_there`` is None if none is
    missing. ``prior`` holds the expected first level of each trial, (n_trials, n_features).
    """

    values: Floats
    is_there: NDArray[np.bool_] | None
    edges: NDArray[np.intp]
    prior: Floats

    def block(self, t: int) -> slice:
        """Rows of step t."""
        return slice(self.edges[t], self.edges[t + 1])


def run_filter(
    steps: Steps, observation: Floats, process: Floats, prior_variance: float
) -> tuple[Floats, list[Floats]]:
    """Kalman filter: levels (n_rows, n_features), and for each step their variances, which broadcast."""
    levels, variances = np.empty_like(steps.values), []
    level = steps.prior
    # Without missing values and with common variances one number a step serves all trials and features.
    shape = np.broadcast_shapes(observation.shape, () if steps.is_there is None else steps.prior.shape)
    predicted = np.full(shape, prior_variance)
    for t in range(len(steps.edges) - 1):
        block = steps.block(t)
        n = block.stop - block.start
        predicted = predicted[:n]
        gain = predicted / (predicted + observation[:n])
        if steps.is_there is not None:
            gain *= steps.is_there[block]
        out = levels[block]
        np.subtract(steps.values[block], level[:n], out=out)
        out *= gain
        out += level[:n]
        level = out
        variances.append((1 - gain) * predicted)
        predicted = variances[-1] + process[:n]
    return levels, variances


def pass_back(
    steps: Steps, levels: Floats, variances: list[Floats], process: Floats
) -> list[NDArray[np.float64]]:
    """Turn filtered levels and variances into smoothed ones, in place; return each step's gain.

    The variances come out right only where trials do not share them: where ``process`` is of their shape.
    """
    gains: list[Floats] = []
    for t in range(len(variances) - 2, -1, -1):
        later = levels[steps.block(t + 1)]
        n = len(later)
        # Trials that end here keep their filtered level.
        here, variance = levels[steps.block(t)][:n], variances[t][:n]
        predicted = variance + process[:n]
        gain = variance / predicted
        here += gain * (later - here)
        variances[t] = variances[t].copy()
        variances[t][:n] += gain**2 * (variances[t + 1] - predicted)
        gains.append(gain)
    return gains[::-1]


def maximise(
    steps: Steps,
    levels: Floats,
    variances: list[Floats],
    gains: list[Floats],
    observation: Floats,
    process: Floats,
) -> tuple[Floats, Floats]:
    """M-step: variances of each trial and feature from smoothed levels, shape (n_trials, n_features)."""
    noise, n_noise = np.zeros_like(steps.prior), np.zeros_like(steps.prior)
    change, n_change = np.zeros_like(steps.prior), np.zeros_like(steps.prior)
    for t, variance in enumerate(variances):
        block = steps.block(t)
        n = block.stop - block.start
        is_there = 1.0 if steps.is_there is None else steps.is_there[block]
        noise[:n] += is_there * ((steps.values[block] - levels[block]) ** 2 + variance)
        n_noise[:n] += is_there
        if t:
            before, gain = levels[steps.block(t - 1)][:n], gains[t - 1]
            # The covariance of neighbouring levels is the gain times the later one's variance.
            spread = variance + variances[t - 1][:n] - 2 * gain * variance
            change[:n] += (levels[block] - before) ** 2 + spread
            n_change[:n] += 1
    estimated = [
        np.maximum(np.where(count > 0, total / np.maximum(count, 1), start), _SMALLEST)
        for total, count, start in ((noise, n_noise, observation), (change, n_change, process))
    ]
    return estimated[0], estimated[1]
