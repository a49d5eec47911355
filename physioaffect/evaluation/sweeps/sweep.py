"""Making the runs of an experiment, one after another, so that what is finished is never made again."""

from __future__ import annotations

import difflib
import json
import time
import traceback
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from physioaffect.errors import PhysioaffectError, RunError
from physioaffect.evaluation.evaluating import evaluate
from physioaffect.evaluation.running.durable import make_folder, read_json, write_whole
from physioaffect.evaluation.sweeps.experiment_file import ExperimentFile
from physioaffect.evaluation.sweeps.experiment_plan import Experiment, PlannedRun
from physioaffect.identity import describe
from physioaffect.progress import Progress, silent
from physioaffect.whole_file import PARTIAL

__all__ = ["Outcome", "chosen_runs", "is_finished", "run_experiment"]

# The file's copy in the folder of the results.
COPY = "experiment.toml"


class Outcome(NamedTuple):
    """What became of a run: newly ``finished``, finished ``before``, or ``failed``, and then why.

    ``details`` is the traceback of an error that nobody expected.
    """

    run: PlannedRun
    status: Literal["before", "failed", "finished"]
    seconds: float
    error: str | None = None
    details: str | None = None


def run_experiment(
    experiment: Experiment,
    *,
    only: Sequence[str] | None = None,
    n_jobs: int = 1,
    cluster: Any = None,
    strict: bool = False,
    progress: Progress | None = None,
    report: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Make the runs of an experiment, one after another; those that are finished are not touched.

    Parameters
    ----------
    experiment : Experiment
        What to run.
    only : sequence of str, optional
        Names of runs, with ``*`` and ``?`` as in the names of files. Default: all.
    n_jobs : int
        Processes, inside each run.
    cluster : str or distributed.Client, optional
        As of `evaluate`.
    strict : bool
        Whether the first run that fails is the last.
    progress : callable, optional
        Called with (what, done, total) within a run, and with ``"runs"`` between them.
    report : callable, optional
        Called with each `Outcome` when it is known.

    Returns
    -------
    list of Outcome
        In the order of the runs.

    Raises
    ------
    RunError
        If the folder holds another experiment, or no run is called as ``only`` says.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from physioaffect.datasets import DREAMER
    >>> text = '''
    ... tasks = ["valence"]
    ... models = ["lda"]
    ... protocols = ["loso"]
    ... permutations = 0
    ... [datasets.dreamer]
    ... path = "dreamer"
    ... features = ["hjorth"]
    ... window = 2
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = DREAMER.simulate(Path(folder, "dreamer"), n_subjects=3, n_clips=4, max_seconds=6)
    ...     _ = Path(folder, "small.toml").write_text(text)
    ...     experiment = Experiment.read(Path(folder, "small.toml"))
    ...     statuses = [run_experiment(experiment)[0].status for _ in range(2)]
    >>> statuses
    ['finished', 'before']
    """
    planned = chosen_runs(experiment.runs(), only)
    keep_copy(experiment)
    tell = progress or silent
    hashes: dict[str, str] = {}
    outcomes: list[Outcome] = []
    for number, run in enumerate(planned):
        tell("runs", number, len(planned))
        began = time.perf_counter()
        try:
            if is_finished(run, hashes):
                outcome = Outcome(run, "before", 0.0)
            else:
                _evaluate(run, n_jobs, cluster, tell)
                outcome = Outcome(run, "finished", time.perf_counter() - began)
        except (PhysioaffectError, OSError) as error:
            outcome = Outcome(run, "failed", time.perf_counter() - began, str(error))
        except Exception as error:  # Whatever breaks one run, the others go on.
            said = f"{type(error).__name__}: {error}"
            outcome = Outcome(run, "failed", time.perf_counter() - began, said, traceback.format_exc())
        outcomes.append(outcome)
        if report is not None:
            report(outcome)
        if strict and outcome.status == "failed":
            break
    else:
        tell("runs", len(planned), len(planned))
    return outcomes


def _evaluate(run: PlannedRun, n_jobs: int, cluster: Any, tell: Progress) -> None:
    source = run.source
    evaluate(
        source.dataset,
        source.root,
        models=run.models,
        # By their names, which always mean the same, so that evaluate knows a finished run by them.
        protocols=[protocol.name for protocol in run.protocols],
        task=run.task,
        out=run.path,
        recipe=source.recipe,
        subjects=source.subjects,
        seed=run.seed,
        strict=run.strict,
        permutations=run.permutations,
        refit=run.refit,
        missing=run.missing,
        n_jobs=n_jobs,
        cluster=cluster,
        progress=tell,
    )


def chosen_runs(planned: Sequence[PlannedRun], only: Sequence[str] | None) -> list[PlannedRun]:
    """Those runs whose names fit one of the patterns, in their own order; see `run_experiment`."""
    if only is None:
        return list(planned)
    names = [run.name for run in planned]
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in names):
            close = difflib.get_close_matches(pattern, names, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"The first of {len(names)} is {names[0]}."
            raise RunError(f"No run of the experiment is called {pattern!r}. {hint}")
    return [run for run in planned if any(fnmatchcase(run.name, pattern) for pattern in only)]


def is_finished(run: PlannedRun, hashes: dict[str, str]) -> bool:
    """Whether a run's folder holds all of it: the same request of the same data, and its report.

    Versions of libraries may have changed since: a finished run is kept, and `compare` says so.

    Parameters
    ----------
    run : PlannedRun
        The run.
    hashes : dict
        Hash of the files of each data set; those that are lacking are added, so that each is made once.
    """
    files = ("run.json", "predictions.parquet", "scores.parquet", "report.html")
    if not all((run.path / name).is_file() for name in files):
        return False
    found = read_json(run.path / "run.json").get("request")
    source = run.source
    request = {
        "recipe": json.loads(source.recipe.to_json()),
        "subjects": list(source.subjects) if source.subjects is not None else None,
        "task": run.task,
        "models": json.loads(json.dumps({name: describe(model) for name, model in run.models.items()})),
        "protocols": [protocol.name for protocol in run.protocols],
        "seed": run.seed,
        "strict": run.strict,
        "permutations": run.permutations,
        "refit": run.refit,
        "missing": run.missing,
    }
    if not isinstance(found, dict) or any(found.get(key) != value for key, value in request.items()):
        return False
    if source.label not in hashes:
        hashes[source.label] = source.dataset.fingerprint(source.root)
    return bool(found.get("data") == {"dataset": source.dataset.name, "source_hash": hashes[source.label]})


def keep_copy(experiment: Experiment) -> None:
    """Copy the experiment file into the folder of the results, or make sure that it says the same.

    Raises
    ------
    RunError
        If the folder holds another experiment, of which not every run is in this one, or something else.
    """
    out, content = experiment.out, experiment.file.text.encode()
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; results need a folder. Choose another --out.")
    copy = out / COPY
    if copy.is_file():
        if copy.read_bytes() == content:
            return
        if differing := _differences(ExperimentFile.read(copy), experiment):
            raise RunError(
                f"{out} holds the results of another experiment: {'; '.join(differing)}. Runs may be added, "
                "but those that were asked for must stay as they are. Choose another --out, or delete that "
                "folder if it is no longer needed."
            )
    elif out.exists() and any(item.name != COPY + PARTIAL for item in out.iterdir()):
        raise RunError(f"{out} is not empty and holds no {COPY}. Choose another --out.")
    make_folder(out)
    write_whole(copy, content)


def _differences(before: ExperimentFile, now: Experiment) -> list[str]:
    """What keeps a run of ``before`` from being one of ``now``; paths do not, contents are compared later."""
    differing = []
    sources = {source.label: source for source in now.sources}
    for label, settings in before.datasets.items():
        if label not in sources:
            differing.append(f"data set {label} is gone")
            continue
        ours = now.file.datasets[label]
        for key in sorted((settings.keys() | ours.keys()) - {"path", "tasks"}):
            was, is_now = settings.get(key, _default(key, label)), ours.get(key, _default(key, label))
            if was != is_now:
                differing.append(f"{key} of {label} was {_shown(was)} and is {_shown(is_now)}")
        first = next(iter(sources[label].dataset.tasks))
        tasks = settings.get("tasks", before.tasks or (first,))
        if gone := [task for task in tasks if task not in sources[label].tasks]:
            differing.append(f"task {', '.join(gone)} of {label} is gone")
    if lost := [str(seed) for seed in before.seeds if seed not in now.file.seeds]:
        differing.append(f"seed {', '.join(lost)} is gone")
    for what in ("models", "protocols"):
        # The order decides that of the rows in every table.
        was, is_now = (
            [(label, {"name": label, **own}) for label, own in getattr(file, what).items()]
            for file in (before, now.file)
        )
        if was != is_now:
            names = [", ".join(label for label, _ in some) for some in (was, is_now)]
            same = "the settings of " if names[0] == names[1] else ""
            differing.append(
                f"{same}{what} differ ({names[0]})" if same else f"{what} were {names[0]} and are {names[1]}"
            )
    for key in ("strict", "permutations", "refit", "missing"):
        was, is_now = getattr(before, key), getattr(now.file, key)
        if was != is_now:
            differing.append(f"{key} was {_shown(was)} and is {_shown(is_now)}")
    return differing


def _default(key: str, label: str) -> Any:
    return {"name": label, "clean": False}.get(key)


def _shown(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)[:80]
