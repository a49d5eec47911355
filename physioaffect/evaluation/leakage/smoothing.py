"""Smoothing that runs on from one trial into the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Material, Split
from physioaffect.evaluation.protocols.folds import Indices

__all__ = ["Borders", "borders_of", "smoothed_across_trials"]

N_FLIPS = 9999


class Borders(NamedTuple):
    """How features move at the borders of successive trials.

    ``before``, ``after`` (n_borders,): product of the step across the border with the last step before it,
    and with the first after it. ``inside`` (n_borders,): mean product of successive steps inside both trials.
    ``towards`` (n_borders,): product of the last step with the way from the level of the trial after the next
    to that of the next; ``away`` (n_borders,): of the first step with the way from the level of the trial
    before to that of the one before that; NaN where there is none. Each is the mean over features in units of
    their variance. ``trials`` (n_borders, 2): the trials on either side.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    inside: NDArray[np.float64]
    towards: NDArray[np.float64]
    away: NDArray[np.float64]
    trials: Indices


def smoothed_across_trials(split: Split, *, alpha: float = 1e-3) -> Iterator[Finding | NotMade]:
    """Trials that end by moving towards the next trial, or begin by moving on from the one before.

    Notes
    -----
    Three things are asked, each by a one-sided sign-flip test over borders (9999 flips) with p below
    ``alpha``:

    1. The last step of a trial agrees with the step across the border. Independent noise makes successive
       steps oppose each other, and a signal that returns to its level does so, too; in a random walk they
       have nothing to do with each other.
    2. It does so more than successive steps inside trials: smooth signals have steps that agree everywhere.
    3. It leads towards the next trial's level rather than that of the trial after the next. What pulls the
       ends of a trial to the mean of all, as smoothing within trials may, does not know which is next.

    All three have mean 0 or less for noise, drift, windows that overlap and smoothing within trials; the
    rates measured on such data are in the tests.

    No signal can know the next trial, so movement towards it is a leak if a border lies between train and
    test. Movement on from the trial before may also be the body recovering, and is a warning. Where trials do
    not differ in level smoothing leaves no such trace; then the probe, or the code, must tell.
    """
    borders = borders_of(split.material)
    if isinstance(borders, NotMade):
        yield borders
        return
    is_in = [
        np.isin(borders.trials, np.unique(split.material.places.units["trial"][side]))
        for side in (split.train, split.test)
    ]
    is_across = (is_in[0][:, 0] & is_in[1][:, 1]) | (is_in[0][:, 1] & is_in[1][:, 0])
    p_before, p_after = (
        max(_p_of(values, split.seed) for values in (step, step - borders.inside, way[np.isfinite(way)]))
        for step, way in ((borders.before, borders.towards), (borders.after, borders.away))
    )
    if p_before <= alpha:
        what, severity, p = "end by moving towards the next trial, which no signal can know", "leak", p_before
    elif p_after <= alpha:
        what, severity, p = "begin by moving on from the trial before", "warning", p_after
    else:
        return
    n = int(is_across.sum())
    yield Finding(
        kind="smoothed_across_trials",
        severity="note" if n == 0 else "leak" if severity == "leak" else "warning",
        sentence=f"Trials {what} (p = {p:.2g} over {len(is_across)} borders). "
        + (f"{n} borders lie between train and test." if n else "No border lies between train and test."),
        value=-float(np.log10(p)),
    )


def borders_of(material: Material) -> Borders | NotMade:
    """Measure the steps around each border between successive trials of a session."""
    trials, order = material.unit("trial"), material.order
    if material.scaled is None or trials is None or "start" not in material.coords:
        return NotMade(reason="it needs features and the columns trial and start.")
    X, is_complete, _ = material.scaled
    session = material.unit("session")
    session = material.unit("subject") if session is None else session
    session = np.zeros(len(X), dtype=np.intp) if session is None else session
    # Without a clock the order of the rows is taken for the order of the trials.
    time = np.arange(len(X), dtype=float) if order is None else order
    first_row = np.full(trials.max(initial=-1) + 2, np.inf)
    np.fmin.at(first_row, trials, time)
    rows = np.flatnonzero(is_complete & (trials >= 0))
    rows = rows[np.lexsort((material.column("start")[rows], first_row[trials[rows]], session[rows]))]
    if len(rows) == 0:
        return NotMade(reason="no complete row belongs to a trial.")
    edges = np.flatnonzero(np.diff(trials[rows])) + 1
    blocks = np.split(rows, edges)
    steps: list[tuple[float, float, float, float, float]] = []
    pairs = []
    usable = [len(block) >= 4 for block in blocks]
    levels = [X[block].mean(axis=0) for block in blocks]
    owners = [session[block[0]] for block in blocks]

    def way(trial: int, to: int, start: int) -> NDArray[np.float64] | float:
        """From the level of one trial to that of another of the same session; NaN if there is none."""
        is_there = 0 <= start < len(blocks) and owners[start] == owners[trial]
        return levels[to] - levels[start] if is_there else np.nan

    for number in range(len(blocks) - 1):
        left, right = blocks[number], blocks[number + 1]
        if owners[number] != owners[number + 1] or not (usable[number] and usable[number + 1]):
            continue
        across = X[right[0]] - X[left[-1]]
        inner = [np.diff(X[block], axis=0) for block in (left, right)]
        last, first = inner[0][-1], inner[1][0]
        inside = float(np.mean([np.mean(own[1:] * own[:-1]) for own in inner]))
        towards = last * way(number, number + 1, number + 2)
        away = -first * way(number, number, number - 1)
        steps.append(
            (
                float(np.mean(across * last)),
                float(np.mean(across * first)),
                inside,
                float(np.mean(towards)),
                float(np.mean(away)),
            )
        )
        pairs.append((trials[left[0]], trials[right[0]]))
    if np.isfinite(np.array(steps).reshape(-1, 5)[:, 3:]).sum(axis=0).min() < 12:
        return NotMade(reason="it needs twelve triples of successive trials of four windows or more.")
    before, after, inside, ahead, behind = np.array(steps).T
    return Borders(before, after, inside, ahead, behind, np.array(pairs))


def _p_of(values: NDArray[np.float64], seed: int) -> float:
    """One-sided p-value of the mean being above 0."""
    if values.sum() <= 0:
        return 1.0  # At least 0.5, and no permutation is needed to know.
    flips = np.random.default_rng(seed).integers(2, size=(N_FLIPS, len(values)), dtype=np.int8)
    # The sum of flipped values is the sum of all less twice that of the flipped.
    return float(1 + np.count_nonzero(flips.astype(float) @ values <= 0)) / (1 + N_FLIPS)
