"""How well training rows tell which trial a test row is of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Split
from physioaffect.evaluation.leakage.neighbours import nearest

__all__ = ["trial_recognised"]

MAX_ROWS = 4000
N_PERMUTATIONS = 999


def trial_recognised(split: Split) -> Finding | NotMade | None:
    """Share of test rows whose nearest training row is of their own trial, against chance.

    Only where trials are on both sides; where none is, there is nothing to recognise. Chance, and how far it
    scatters, come from handing each test trial the name of another of the same person (999 times).
    """
    material = split.material
    trials = material.unit("trial")
    if material.scaled is None or trials is None:
        return NotMade(reason="it needs features and the column trial.")
    X, is_complete, _ = material.scaled
    train = split.train[is_complete[split.train]]
    test = split.some(split.test[split.shared["trial"]], MAX_ROWS)
    if len(test) == 0 or len(train) < 2 or X.shape[1] == 0:
        return None
    found = nearest(X, test, train, 1).rows[:, 0]
    people = material.unit("subject")
    people = np.zeros(len(X), dtype=np.intp) if people is None else people
    hits, chance, p = _against_permuted_names(trials[test], trials[found], people[test], split.rng)
    if p > 1 / (N_PERMUTATIONS + 1):
        return None
    return Finding(
        kind="trial_recognised",
        severity="leak",
        sentence=f"The nearest training row of {100 * hits:.3g} % of the test rows is of their own trial, "
        f"where chance is {100 * chance:.3g} % (p = {p:.3g}): labels can be looked up.",
        value=hits,
    )


def _against_permuted_names(
    asked: NDArray[np.intp], found: NDArray[np.intp], people: NDArray[np.intp], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Share of rows whose trial was found, the mean share for permuted names, and the p-value."""
    permuted = np.zeros(N_PERMUTATIONS)
    n_hits = 0.0
    for person in np.unique(people):
        own = people == person
        names, number = np.unique(asked[own], return_inverse=True)
        counts = np.zeros((len(names), len(names)))
        position = np.searchsorted(names, found[own])
        position = np.minimum(position, len(names) - 1)
        is_among = names[position] == found[own]
        np.add.at(counts, (number[is_among], position[is_among]), 1)
        n_hits += np.trace(counts)
        orders = rng.permuted(np.tile(np.arange(len(names)), (N_PERMUTATIONS, 1)), axis=1)
        permuted += counts[np.arange(len(names)), orders].sum(axis=1)
    p = (1 + np.count_nonzero(permuted >= n_hits)) / (1 + N_PERMUTATIONS)
    return n_hits / len(asked), float(permuted.mean()) / len(asked), p
