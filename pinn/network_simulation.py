"""Conditions of many people whose skin conductance obeys the affine equation with known constants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .sudomotor import AffineEDA

__all__ = ["KNOWN", "SimulatedConditions", "simulate_conditions"]

KNOWN = AffineEDA(alpha_0=0.5, beta=(0.15, -0.05), gamma=0.04, E_0=5.0, b=0.1)
"""A time constant of 50 s, driven by two self-reports."""

CLASSES = ("baseline", "stress", "amusement")
# Mean answers in each condition on two scales from 1 to 9, made up.
_ANSWERS = ((3.0, 5.0), (7.0, 3.5), (4.5, 7.0))


class SimulatedConditions(NamedTuple):
    """Windows of all people: time in s, EDA in uS, reports (n, 2), class, person, condition."""

    time: NDArray[np.float64]
    eda: NDArray[np.float64]
    reports: NDArray[np.float64]
    y: NDArray[np.str_]
    people: NDArray[np.str_]
    conditions: NDArray[np.str_]


def simulate_conditions(  # noqa: PLR0913  All options are named.
    skin: AffineEDA = KNOWN,
    *,
    n_people: int = 15,
    seconds: float = 300.0,
    step: float = 10.0,
    noise_sd: float = 0.1,
    person_sd: float = 1.0,
    start_sd: float = 1.0,
    seed: int = 0,
) -> SimulatedConditions:
    """Simulate three conditions a person, exactly by the equation's solution, and measure them with noise.

    Parameters
    ----------
    skin : AffineEDA
        The constants, with two reports.
    n_people : int
        People; each answers by themselves after each condition.
    seconds, step : float
        Length of a condition and time between windows.
    noise_sd : float
        White noise in uS.
    person_sd, start_sd : float
        In uS: how people's levels at rest differ, and how far from it conditions begin.
    seed : int
        Of everything random.

    Returns
    -------
    SimulatedConditions

    Examples
    --------
    >>> made = simulate_conditions(n_people=2, noise_sd=0, person_sd=0, start_sd=0)
    >>> float(made.eda[0]) == KNOWN.E_0
    True
    """
    rng = np.random.default_rng(seed)
    t = np.arange(0, seconds, step)
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    names: list[tuple[str, str, str]] = []
    for person in range(n_people):
        level = person_sd * rng.standard_normal()
        for label, means in zip(CLASSES, _ANSWERS, strict=True):
            s = np.clip(np.rint(means + rng.standard_normal(2)), 1, 9)
            start = skin.E_0 + start_sd * rng.standard_normal()
            # Moved with its level at rest, the trace is the same one higher up.
            trace = level + skin.solution(t, start=start, s=s) + noise_sd * rng.standard_normal(len(t))
            parts.append((trace, np.tile(s, (len(t), 1))))
            names += [(label, f"P{person + 1}", f"P{person + 1} {label}")] * len(t)
    y, people, conditions = (np.array(column) for column in zip(*names, strict=True))
    return SimulatedConditions(
        np.tile(t, n_people * len(CLASSES)),
        np.concatenate([trace for trace, _ in parts]),
        np.concatenate([s for _, s in parts]),
        y,
        people,
        conditions,
    )
