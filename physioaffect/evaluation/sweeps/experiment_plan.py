"""What an experiment file asks for: data sets by tasks by models by protocols by seeds, checked and planned.

Each planned run is one call of `evaluate`: one data set, task and seed, with all models and protocols.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from physioaffect.data_set import DataSet
from physioaffect.datasets import DATASETS, FAMILIES_OF_DATASETS
from physioaffect.datasets import get as get_dataset
from physioaffect.errors import DataError
from physioaffect.evaluation.models import MODELS, get_baselines
from physioaffect.evaluation.models.configured import configured_model, configured_protocol
from physioaffect.evaluation.models.named import WRAPPERS
from physioaffect.evaluation.protocols import PROTOCOLS, Protocol
from physioaffect.evaluation.running.request import refuse_ungranted
from physioaffect.evaluation.sweeps.experiment_file import ExperimentFile
from physioaffect.features import FAMILIES, Recipe, default_recipe
from physioaffect.features.defaults import usual_cleaning
from physioaffect.features.smoothing import smoothing_by_name

__all__ = ["Experiment", "PlannedRun", "Source", "run_name"]

# More than this nobody runs by accident without regret.
_MOST_RUNS = 10_000


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set of an experiment: where it lies, how its features are made, what is predicted.

    ``label`` is its name in the file; ``subjects`` None for everyone.
    """

    label: str
    dataset: DataSet
    root: Path
    recipe: Recipe
    tasks: tuple[str, ...]
    subjects: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One call of `evaluate`: ``name`` is also its folder's, ``path`` that folder."""

    name: str
    path: Path
    source: Source
    task: str
    seed: int
    models: Mapping[str, Any]
    protocols: tuple[Protocol, ...]
    strict: bool
    permutations: int
    refit: Literal["linear", "all", "none"]
    missing: Literal["leave_out", "keep"]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What an experiment file asks for, checked: nothing in it is unknown or cannot be found.

    Attributes
    ----------
    file : ExperimentFile
        What was written.
    out : Path
        Folder of the results.
    sources : tuple of Source
        The data sets.
    protocols : tuple of Protocol
        How each is divided.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import DREAMER
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = DREAMER.simulate(Path(folder) / "dreamer", n_subjects=2, n_clips=2, max_seconds=5)
    ...     text = '''
    ...     seeds = [0, 1]
    ...     tasks = ["valence", "arousal"]
    ...     models = ["lda", "knn"]
    ...     protocols = ["loso"]
    ...     [datasets.dreamer]
    ...     path = "dreamer"
    ...     '''
    ...     written = (Path(folder) / "small.toml").write_text(text)
    ...     for run in Experiment.read(Path(folder) / "small.toml").runs():
    ...         print(run.name, list(run.models))
    dreamer-valence-seed0 ['lda', 'knn']
    dreamer-valence-seed1 ['lda', 'knn']
    dreamer-arousal-seed0 ['lda', 'knn']
    dreamer-arousal-seed1 ['lda', 'knn']
    """

    file: ExperimentFile
    out: Path
    sources: tuple[Source, ...]
    protocols: tuple[Protocol, ...]

    @classmethod
    def read(cls, path: Path | str, *, out: Path | str | None = None) -> Experiment:
        """Read an experiment file and check all that it names, before anything runs.

        Parameters
        ----------
        path : path
            The TOML file. Paths in it are relative to its folder.
        out : path, optional
            Folder of the results, instead of the file's own ``out``, which is ``results/NAME`` beside the
            file NAME.toml if it says none.

        Raises
        ------
        DataError
            Where what is wrong, what was found and what was expected.
        """
        file = ExperimentFile.read(path)
        folder = file.path.parent
        experiment = cls(
            file=file,
            out=Path(out) if out is not None else folder / (file.out or f"results/{file.path.stem}"),
            sources=tuple(_source(file, label, own) for label, own in file.datasets.items()),
            protocols=_protocols(file),
        )
        experiment.runs()  # Models are checked with the tasks that they are for.
        return experiment

    def runs(self) -> list[PlannedRun]:
        """All runs, in the order in which they are made: by data set, task and seed."""
        n_runs = sum(len(source.tasks) for source in self.sources) * len(self.file.seeds)
        if n_runs > _MOST_RUNS:
            raise DataError(
                f"{self.file.path} plans {n_runs:,} runs; at most {_MOST_RUNS:,} go into one experiment. "
                "Divide it."
            )
        planned: dict[str, PlannedRun] = {}
        for source in self.sources:
            for task in source.tasks:
                models = _models(self.file, source, task, self.protocols)
                for seed in self.file.seeds:
                    name = run_name(source.label, task, seed)
                    if name.lower() in planned:
                        raise self.file.error(
                            ("datasets", source.label), f"two runs would be called {name}: rename this one."
                        )
                    planned[name.lower()] = PlannedRun(
                        name=name,
                        path=self.out / name,
                        source=source,
                        task=task,
                        seed=seed,
                        models=models,
                        protocols=self.protocols,
                        strict=self.file.strict,
                        permutations=self.file.permutations,
                        refit=self.file.refit,
                        missing=self.file.missing,
                    )
        return list(planned.values())


def run_name(label: str, task: str, seed: int) -> str:
    """Name of a run and its folder; tasks of BIDS data are named by their files, so are cleaned here."""
    return f"{label}-{re.sub(r'[^A-Za-z0-9_.+-]', '_', task)[:60]}-seed{seed}"


def _source(file: ExperimentFile, label: str, settings: Mapping[str, Any]) -> Source:
    place = ("datasets", label)
    name = settings.get("name", label)
    known = [*DATASETS, *FAMILIES_OF_DATASETS]
    if name not in known:
        there = "name" if "name" in settings else ""
        raise file.error((*place, there), f"there is no data set {name[:80]!r}. {_which(name, known)}")
    root = file.path.parent / settings["path"]
    if not root.exists():
        raise file.error(
            (*place, "path"),
            f"{root} does not exist. Paths are relative to the experiment file's folder.",
        )
    with _placed(file, *place):
        dataset = get_dataset(name, root)
        dataset.files(root)  # Raises for a folder of something else.
    families = settings.get("features")
    for family in families or ():
        if family not in FAMILIES:
            raise file.error(
                (*place, "features"), f"there are no features {family[:80]!r}. {_which(family, FAMILIES)}"
            )
    with _placed(file, *place):
        recipe = default_recipe(
            dataset,
            families=families,
            window=settings.get("window"),
            step=settings.get("step"),
            # The rest before a trial is often shorter than the filter.
            cleaning=usual_cleaning(dataset) if settings.get("clean") else None,
            baseline=settings.get("baseline"),  # Recipe refuses what it does not know.
            smoothing=(smoothing_by_name(settings["smooth"]),) if "smooth" in settings else (),
        )
    subjects = tuple(settings["subjects"]) if "subjects" in settings else None
    if subjects is not None:
        with _placed(file, *place, "subjects"):
            dataset.sources(root, subjects)
    tasks = tuple(settings.get("tasks", file.tasks or (next(iter(dataset.tasks)),)))
    for task in tasks:
        if task not in dataset.tasks:
            where = (*place, "tasks") if "tasks" in settings else ("tasks",)
            own = "" if "tasks" in settings else f" Give [datasets.{label}] tasks of its own if it differs."
            raise file.error(
                where, f"{dataset.title} has no task {task[:80]!r}. {_which(task, dataset.tasks)}{own}"
            )
    return Source(label=label, dataset=dataset, root=root, recipe=recipe, tasks=tasks, subjects=subjects)


def _protocols(file: ExperimentFile) -> tuple[Protocol, ...]:
    chosen: list[Protocol] = []
    for label, settings in file.protocols.items():
        name = settings.get("name", label)
        with _placed(file, "protocols", label, known=PROTOCOLS, name=name):
            protocol = configured_protocol(name, _without_name(settings))
        if protocol.name in [other.name for other in chosen]:
            raise file.error(
                ("protocols", label), f"two protocols are called {protocol.name}: name each once."
            )
        chosen.append(protocol)
    return tuple(chosen)


def _models(file: ExperimentFile, source: Source, task: str, protocols: Iterable[Protocol]) -> dict[str, Any]:
    models = {}
    for label, settings in file.models.items():
        name = settings.get("name", label)
        # A misspelt wrapper is found among the wrappers, a misspelt model among the models.
        *wrappers, last = name.split("+")
        wrong = next((wrapper for wrapper in wrappers if wrapper not in WRAPPERS), last)
        known = WRAPPERS if wrong in wrappers else MODELS
        with _placed(file, "models", label, known=known, name=wrong):
            models[label] = configured_model(name, _without_name(settings), source.dataset.tasks[task])
        if label in get_baselines(source.dataset.tasks[task]):
            raise file.error(("models", label), f"{label} is the name of a baseline, which is always there.")
    with _placed(file, "models"):
        for protocol in protocols:
            refuse_ungranted(models, protocol)
    return models


def _without_name(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "name"}


def _which(name: str, known: Iterable[str]) -> str:
    """Name the nearest of the known ones first, and then all."""
    known = list(known)
    close = difflib.get_close_matches(name[:80], known, n=1)
    return f"{f'Did you mean {close[0]}? ' if close else ''}There are {', '.join(known)}."


@contextmanager
def _placed(
    file: ExperimentFile, *place: str, known: Iterable[str] = (), name: str | None = None
) -> Iterator[None]:
    """Add the place in the file to an error that does not know it, and the nearest of the known names."""
    try:
        yield
    except (ValueError, OSError) as error:
        close = [] if name is None or name in known else difflib.get_close_matches(name[:80], known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise file.error(place, f"{error}{hint}") from None
