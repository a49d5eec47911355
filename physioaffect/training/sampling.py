"""Which windows a network sees in an epoch, and in what order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError

__all__ = ["ClassBalanced", "Crops", "Draw", "Population", "Sampler", "Shuffled", "SubjectBalanced", "Trials"]


class Population(NamedTuple):
    """The windows that one network may be trained on.

    ``rows`` are their places in the data; the others have one entry for each of them: the class (or the
    number to predict), the person and the trial (None where nobody said), and the first sample within the
    recording of its trial.
    """

    rows: NDArray[np.intp]
    labels: NDArray[np.intp] | NDArray[np.floating]
    subjects: NDArray[np.intp] | None
    trials: NDArray[np.intp] | None
    starts: NDArray[np.intp] | None
    n_times: int


class Draw(NamedTuple):
    """What an epoch consists of, shape (n_steps, batch_size): rows, and samples by which each is shifted."""

    rows: NDArray[np.intp]
    shifts: NDArray[np.intp] | None = None


class Sampler(Protocol):
    """A frozen dataclass that draws an epoch."""

    def n_steps(self, population: Population, batch_size: int) -> int:
        """Batches in an epoch."""
        ...

    def __call__(self, population: Population, batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw an epoch."""
        ...


def _whole_batches(population: Population, batch_size: int) -> int:
    return len(population.rows) // batch_size


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Each window once, in random order; what does not fill a batch is left to the next epoch's luck."""

    def n_steps(self, population: Population, batch_size: int) -> int:
        """Whole batches."""
        return _whole_batches(population, batch_size)

    def __call__(self, population: Population, batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw an epoch."""
        n_steps = self.n_steps(population, batch_size)
        order = rng.permutation(len(population.rows))[: n_steps * batch_size]
        return Draw(population.rows[order].reshape(n_steps, batch_size))


@dataclass(frozen=True, slots=True)
class ClassBalanced:
    """A class drawn uniformly, then one of its windows; as many as there are windows."""

    def n_steps(self, population: Population, batch_size: int) -> int:
        """Whole batches."""
        return _whole_batches(population, batch_size)

    def __call__(self, population: Population, batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw an epoch."""
        shape = (self.n_steps(population, batch_size), batch_size)
        return Draw(population.rows[_evenly(population.labels, shape, rng)])


@dataclass(frozen=True, slots=True)
class SubjectBalanced:
    """A person drawn uniformly, then one of that person's windows; as many as there are windows."""

    def n_steps(self, population: Population, batch_size: int) -> int:
        """Whole batches."""
        return _whole_batches(population, batch_size)

    def __call__(self, population: Population, batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw an epoch."""
        if population.subjects is None:
            raise ProtocolError("Batches balanced by person need to know the people: pass groups to fit.")
        shape = (self.n_steps(population, batch_size), batch_size)
        return Draw(population.rows[_evenly(population.subjects, shape, rng)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Trials:
    """So many random windows of each trial an epoch, so that long trials weigh no more than short ones.

    Parameters
    ----------
    n_each : int
        Windows of each trial, drawn with replacement.
    """

    n_each: int = 1

    def n_steps(self, population: Population, batch_size: int) -> int:
        """Whole batches."""
        return self.n_each * len(np.unique(_trials(population))) // batch_size

    def __call__(self, population: Population, batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw an epoch."""
        trials = _trials(population)
        n_steps = self.n_steps(population, batch_size)
        wanted = rng.permutation(np.repeat(np.unique(trials), self.n_each))[: n_steps * batch_size]
        order = np.argsort(trials, kind="stable")
        first = np.searchsorted(trials[order], wanted)
        count = np.searchsorted(trials[order], wanted, side="right") - first
        chosen = order[first + rng.integers(0, count)]
        return Draw(population.rows[chosen].reshape(n_steps, batch_size))


@dataclass(frozen=True, slots=True)
class Crops:
    """A class drawn uniformly, then one of its trials, then a stretch anywhere in that trial's windows.

    A crop has the length of a window and lies inside the union of the trial's windows given to ``fit``; in
    an epoch there are as many crops as there are places for one (HiSTN, arXiv 2408.15255).
    """

    def n_steps(self, population: Population, batch_size: int) -> int:
        """Whole batches."""
        return len(_places(population)[0]) // batch_size

    def __call__(self, population: Population, batch_size: int, rng: np.random.Generator) -> Draw:
        """Draw an epoch."""
        rows, shifts = _places(population)
        shape = (len(rows) // batch_size, batch_size)
        trial_of = _trials(population)
        trials, first_of = np.unique(trial_of, return_index=True)
        # A trial has one label, so its first window's is that of all its crops.
        trial = trials[_evenly(population.labels[first_of], shape, rng)]
        owners = trial_of[rows]
        order = np.argsort(owners, kind="stable")
        first = np.searchsorted(owners[order], trial)
        count = np.searchsorted(owners[order], trial, side="right") - first
        place = order[first + rng.integers(0, count)]
        return Draw(population.rows[rows[place]], shifts[place])


def _evenly(
    labels: NDArray[np.intp] | NDArray[np.floating], shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Positions of which each label is drawn equally often in expectation."""
    order = np.argsort(labels, kind="stable")
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    drawn = rng.integers(0, len(first), size=shape)
    chosen: NDArray[np.intp] = order[first[drawn] + rng.integers(0, count[drawn])]
    return chosen


def _trials(population: Population) -> NDArray[np.intp]:
    if population.trials is None:
        raise ProtocolError(
            "This sampler needs to know which windows are of one trial, which only raw windows (physioaffect."
            "windows.Windows) tell. Use Shuffled() or ClassBalanced()."
        )
    return population.trials


def _places(population: Population) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All places of a crop: positions of the window in which it begins, and samples after its start."""
    trials = _trials(population)
    assert population.starts is not None  # Who knows trials knows starts.
    order = np.lexsort((population.starts, trials))
    start, trial = population.starts[order], trials[order]
    same = trial[1:] == trial[:-1]
    # Up to the next window where that one touches or overlaps this one; else only the window itself.
    reach = np.ones(len(order), dtype=np.intp)
    step = start[1:] - start[:-1]
    touches = same & (step <= population.n_times)
    reach[:-1][touches] = step[touches]
    rows = np.repeat(order, reach)
    shifts = np.arange(reach.sum()) - np.repeat(np.cumsum(reach) - reach, reach)
    return rows, shifts
