"""One person under two names, one on either side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Split, means_of

__all__ = ["same_person_two_names"]

MAX_DIMENSIONS = 50


class Signatures(NamedTuple):
    """Mean of each person in axes where one trial scatters with variance 1 and people differ.

    ``means`` (n_people, n_axes), ``spread`` (n_axes,): variance between people, ``scatter`` (n_people,):
    variance of a person's mean.
    """

    means: NDArray[np.float64]
    spread: NDArray[np.float64]
    scatter: NDArray[np.float64]


def same_person_two_names(split: Split, *, alpha: float = 0.01) -> Finding | NotMade | None:
    """Pairs of a test and a training person whose features say that they are one.

    Notes
    -----
    A person's signature is the mean of the trials' means, in axes that are whitened by the scatter of trials
    within people (shrunk as by Ledoit and Wolf). People are taken to be Gaussian around the mean of all,
    trials around their person. The likelihood ratio of "one person" to "two people" is then known, and by
    Markov's inequality it exceeds ``n_pairs / alpha`` for any pair of different people with probability at
    most ``alpha`` in total. The pair must also be each other's nearest. The variances are estimated, so the
    bound is approximate; tests measure it.

    Power needs people that differ by several times the scatter of their own means, in several directions:
    many trials a person, and features that keep a person's level. After standardising per person there is
    none, and the check is not made.
    """
    material = split.material
    people, trials = material.unit("subject"), material.unit("trial")
    if material.scaled is None or people is None or trials is None:
        return NotMade(reason="it needs features and the columns subject and trial.")
    X, is_complete, _ = material.scaled
    rows = np.concatenate([split.train, split.test])
    rows = rows[is_complete[rows] & (people[rows] >= 0) & (trials[rows] >= 0)]
    _, first, number = np.unique(trials[rows], return_index=True, return_inverse=True)
    signed = signatures(means_of(X[rows], number), people[rows][first])
    if isinstance(signed, NotMade):
        return signed
    persons = np.unique(people[rows][first])
    ratios = log_ratios(signed)
    np.fill_diagonal(ratios, -np.inf)
    is_test, is_train = (np.isin(persons, people[side]) for side in (split.test, split.train))
    n_pairs = int(np.count_nonzero(is_test[:, np.newaxis] & is_train & ~np.eye(len(persons), dtype=bool)))
    best = ratios.argmax(axis=1)
    pairs = [
        (a, b)
        for a, b in enumerate(best)
        if is_test[a] and is_train[b] and best[b] == a and ratios[a, b] > np.log(n_pairs / alpha)
    ]
    if not pairs:
        return None
    column = material.coords["subject"].astype(str).to_numpy()
    row_of = {person: rows[first[np.argmax(people[rows][first] == person)]] for person in persons}
    told = ", ".join(f"{column[row_of[persons[a]]]} and {column[row_of[persons[b]]]}" for a, b in pairs[:5])
    worst = max(ratios[a, b] for a, b in pairs)
    return Finding(
        kind="same_person_two_names",
        severity="leak",
        sentence=f"Test and training people who differ no more than one person's trials do: {told} "
        f"(one person is e^{worst:.3g} times likelier than two; with {n_pairs} pairs e^"
        f"{np.log(n_pairs / alpha):.3g} is exceeded by chance in {100 * alpha:g} % of clean splits).",
        value=float(worst),
    )


def signatures(means: NDArray[np.float64], people: NDArray[np.intp]) -> Signatures | NotMade:
    """Whiten trials' means, shape (n_trials, n_features), and average them per person.

    ``people``, shape (n_trials,), says whose each trial is.
    """
    persons, number = np.unique(people, return_inverse=True)
    n_trials = np.bincount(number)
    freedom = len(means) - len(persons)
    if len(persons) < 5 or freedom < 2 * len(persons):
        return NotMade(reason="it needs five people with three trials each, on average.")

    centred = means - means.mean(axis=0)
    # Axes along which trials differ at all; more than a few trials an axis, so that the scatter is known.
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    if sizes[0] == 0:
        return NotMade(reason="all trials have the same features.")
    n_axes = min(MAX_DIMENSIONS, max(1, freedom // 5), int(np.count_nonzero(sizes > 1e-9 * sizes[0])))
    means = centred @ axes[:n_axes].T
    within = means - means_of(means, number)[number]
    covariance = ledoit_wolf(within, assume_centered=True)[0] * len(means) / freedom
    variances, axes = np.linalg.eigh(covariance)
    if variances[0] <= 1e-12 * variances[-1]:
        return NotMade(reason="every trial of a person has the same features.")
    own = means_of(means @ axes / np.sqrt(variances), number)
    between = np.cov(own, rowvar=False, ddof=1).reshape(n_axes, n_axes) - np.mean(1 / n_trials) * np.eye(
        n_axes
    )
    spread, axes = np.linalg.eigh(between)
    # Fewer axes than people by far: what seems to spread beyond is chance.
    chosen = np.argsort(spread)[::-1][: max(1, len(persons) // 2)]
    chosen = chosen[spread[chosen] > 1 / np.median(n_trials)]
    if len(chosen) == 0:
        return NotMade(reason="people differ no more than one person's trials do (standardised per person?).")
    own = own @ axes[:, chosen]
    return Signatures(own - own.mean(axis=0), spread[chosen], 1 / n_trials)


def log_ratios(signed: Signatures) -> NDArray[np.float64]:
    """Log likelihood ratio of "one person" to "two", shape (n_people, n_people)."""
    total = np.zeros((len(signed.means),) * 2)
    for x, spread in zip(signed.means.T, signed.spread, strict=True):
        a = spread + signed.scatter
        determinant = np.multiply.outer(a, a) - spread**2
        same = (
            a[np.newaxis, :] * x[:, np.newaxis] ** 2
            + a[:, np.newaxis] * x[np.newaxis, :] ** 2
            - 2 * spread * np.multiply.outer(x, x)
        ) / determinant
        alone = np.log(a) + x**2 / a
        total += 0.5 * (np.add.outer(alone, alone) - np.log(determinant) - same)
    return total
