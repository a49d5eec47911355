"""What a reproduction is made of: published numbers, evaluations, rows of the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from physioaffect.data_set import DataSet, Task
from physioaffect.evaluation import Protocol
from physioaffect.features import Recipe
from physioaffect.reproduce.scores import Score

if TYPE_CHECKING:
    from physioaffect.reproduce.running import Reproduction

__all__ = ["Evaluation", "Over", "Published", "Request", "Row", "System"]

Over = Literal["folds", "people", "people after folds", "seeds"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A number as it was printed.

    Parameters
    ----------
    value : float
        In per cent.
    sd : float, optional
        Standard deviation as printed, in per cent.
    over : str
        What it is a mean of, as far as it is known.
    source : str
        Where it stands.
    """

    value: float
    sd: float | None = None
    over: str
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 100:
            raise ValueError(f"A published number is a percentage from 0 to 100, got {self.value}.")

    def __str__(self) -> str:
        return f"{self.value:.2f}" if self.sd is None else f"{self.value:.2f} ± {self.sd:.2f}"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be reproduced on which data.

    ``variant`` is one of the system's; ``seed`` the source of all randomness; ``is_simulated`` whether the
    data are made up; ``is_own_world`` whether by the system's own simulation.
    """

    dataset: DataSet
    is_quick: bool = False
    is_simulated: bool = False
    is_own_world: bool = False
    variant: str = ""
    tasks: tuple[str, ...] = ()
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Models under protocols that share windows: one call of `physioaffect.evaluation.evaluate`.

    Parameters
    ----------
    name : str
        Folder of the result.
    task : Task
        What is predicted.
    recipe : Recipe
        Windows and features.
    models : mapping from str to estimator
        By name.
    protocols : sequence of Protocol
        The published one and others.
    over : mapping from str to {"folds", "people", "people after folds"}
        For each protocol what the mean and SD are over; the last is the mean of a person's folds first.
    scores : mapping from str to callable
        Measures by name, the one that was published first; see `physioaffect.reproduce.scores`.
    balanced : frozenset of str
        Protocols whose published test drew each class equally often: there windows weigh so that they do.
    published : mapping from (protocol, model, score) to Published
        The printed numbers.
    runs : mapping from str to sequence of str
        For models that were fitted several times the names of all runs, whose scores are averaged.
    columns : tuple of str
        Features (of the family's second dimension) that are used, of a table kept for all evaluations.
        Default: all, made for this evaluation.
    title : str
        What the table calls it. Default: the task's name.
    """

    name: str
    task: Task
    recipe: Recipe
    models: Mapping[str, Any]
    protocols: Sequence[Protocol]
    over: Mapping[str, Over]
    scores: Mapping[str, Score]
    balanced: frozenset[str] = frozenset()
    published: Mapping[tuple[str, str, str], Published] = field(default_factory=dict)
    runs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: mean and SD (n - 1) in per cent over ``n`` folds or people.

    ``is_published`` says whether the protocol is the published one; ``by_trial`` whether the windows of a
    trial were averaged first; ``shared`` is the share of test windows, in per cent, of whose trial the
    training had a part.
    """

    evaluation: str
    protocol: str
    is_published: bool
    claim: str | None
    model: str
    is_baseline: bool
    score: str
    by_trial: bool
    published: Published | None
    mean: float
    sd: float
    n: int
    over: Over
    shared: float

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "–"
        return f"{self.mean:.2f}" if math.isnan(self.sd) else f"{self.mean:.2f} ± {self.sd:.2f}"


def _none(_request: Request) -> Sequence[Evaluation]:
    return ()


@dataclass(frozen=True, kw_only=True)
class System:
    """A published system.

    Parameters
    ----------
    name, title, citation, url : str
        Name on the command line; in the table's head; the paper; where it is.
    datasets : mapping from str to DataSet
        Those it was published on that can be read here; the first is simulated where no path is given.
    evaluations : callable, optional
        ``evaluations(request)``: what is run. Default: nothing that `evaluate` could run.
    differences : callable
        ``differences(request)``: in what this is not what was published, in sentences.
    simulate : callable
        ``simulate(folder, is_quick)``: writes the layout of the first data set; returns what to read.
    world : str
        What can be found in it, as the end of a sentence on simulated data.
    variants : mapping from str to str
        Variants by name, the default first, and what each is.
    tasks : mapping from str to sequence of str
        Tasks by name of the data set; the first is what a quick run does.
    default_tasks : mapping from str to sequence of str
        Those that a run does unless told otherwise.
    run : callable, optional
        What `physioaffect.reproduce.reproduce` calls instead of `evaluate`, with its own arguments but
        ``variant``: of a system that `evaluate` cannot express, such as a network with two answers.
    """

    name: str
    title: str
    citation: str
    url: str
    datasets: Mapping[str, DataSet]
    evaluations: Callable[[Request], Sequence[Evaluation]] = _none
    differences: Callable[[Request], tuple[str, ...]]
    simulate: Callable[[Path, bool], Path]
    variants: Mapping[str, str]
    tasks: Mapping[str, Sequence[str]]
    default_tasks: Mapping[str, Sequence[str]]
    world: str = (
        "in which signals say nothing of affect: what a protocol finds, it finds in trials and people"
    )
    run: Callable[..., Reproduction] | None = None
