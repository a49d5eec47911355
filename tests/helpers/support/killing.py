"""Runs that are killed and continued: a program of its own, because it forks and must have no threads.

``python -m support.killing KIND FOLDER SEED N_KILLS`` prints what became of them as JSON.
"""

import contextlib
import json
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from support.run_folders import NAMES, files_of, write_run

Work = Callable[[], object]

# What changes a folder; each is announced before it is done.
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


def in_child(work: Work, *, seconds: float | None = None) -> tuple[int, float]:
    """Do it in a process that is killed after so many seconds; returns exit code and how long it lived."""
    sys.stdout.flush()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        # One that has ended is still there until it is waited for.
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, time.perf_counter() - began


def dying(work: Work, after: int, told: Path | None = None) -> None:
    """Do it, but be killed before the change of that number to a file or folder; tell how many there were.

    Writing a file counts twice: killed before it is opened, and with the half of it written.
    """
    n_changes = 0

    def change(path: Path | None = None, mode: str = "") -> None:
        nonlocal n_changes
        n_changes += 1
        if n_changes == after + 1:
            if path is not None:
                with path.open(mode) as half:
                    half.write(b'{"PAR1')
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if n_changes > after:
            return  # We are dying.
        if event in CHANGES:
            change()
        elif event == "open" and details[2] & (os.O_WRONLY | os.O_RDWR):
            change()
            if details[1] in {"wb", "w", "ab"}:
                change(Path(details[0]), "ab" if details[1] == "ab" else "wb")

    sys.addaudithook(watch)
    work()
    if told is not None:
        told.write_text(str(n_changes))


def stage(path: Path) -> str:
    """Where a run was killed."""
    if not (path / "run.json").exists():
        return "before run.json"
    if not (path / "predictions.parquet").exists():
        if list(path.glob("*.parquet*")):
            return "merging"
        return "training" if list(path.glob("checkpoints/**/*.safetensors")) else "fitting"
    if not (path / "scores.parquet").exists():
        return "scoring"
    if (path / "parts").exists() or (path / "checkpoints").exists():
        return "removing parts"
    return "reporting"


def differing(path: Path, whole: dict[str, bytes]) -> list[str]:
    """Names of files that are not those of the unbroken run."""
    own = files_of(path)
    return sorted(name for name in own.keys() | whole.keys() if own.get(name) != whole.get(name))


def at_every_change(folder: Path) -> dict[str, Any]:
    """Kill a run of two small folds before each change that it makes, and continue it."""
    write = partial(write_run, names=NAMES[:2])
    in_child(partial(write, folder / "whole"))
    whole = files_of(folder / "whole")
    stages: list[str] = []
    wrong: list[Any] = []
    while True:
        path = folder / str(len(stages))
        code, _ = in_child(partial(dying, partial(write, path), len(stages)))
        if code == 0:
            return {"stages": stages, "wrong": wrong, "files": sorted(whole)}
        stages.append(stage(path))
        again, _ = in_child(partial(write, path))
        if code != -signal.SIGKILL or again != 0 or differing(path, whole):
            wrong.append([len(stages), code, again, differing(path, whole)])


def at_random(run: Callable[[Path], object], folder: Path, seed: int, n_kills: int) -> dict[str, Any]:
    """Kill runs at moments spread evenly over the time that an unbroken one takes; continue each."""
    _, lasts = in_child(partial(run, folder / "whole"))
    rng = np.random.default_rng(seed)

    def broken(path: Path) -> int:
        return in_child(partial(run, path), seconds=rng.uniform(0, lasts))[0]

    return _kill_and_continue(run, broken, folder, n_kills)


def at_random_changes(run: Callable[[Path], object], folder: Path, seed: int, n_kills: int) -> dict[str, Any]:
    """As `at_random`, before changes of files that are drawn from all that an unbroken run makes."""
    work = partial(run, folder / "whole")
    in_child(partial(dying, work, sys.maxsize, folder / "n_changes"))
    n_changes = int((folder / "n_changes").read_text())
    rng = np.random.default_rng(seed)

    def broken(path: Path) -> int:
        return in_child(partial(dying, partial(run, path), int(rng.integers(n_changes))))[0]

    return _kill_and_continue(run, broken, folder, n_kills)


def _kill_and_continue(
    run: Callable[[Path], object], broken: Callable[[Path], int], folder: Path, n_kills: int
) -> dict[str, Any]:
    whole = files_of(folder / "whole")
    stages: list[str] = []
    wrong: list[Any] = []
    n_runs = 0
    while len(stages) < n_kills:
        path = folder / str(n_runs)
        n_runs += 1
        code = -signal.SIGKILL
        # What was continued can be killed again, until one reaches its end.
        while code == -signal.SIGKILL:
            code = broken(path) if len(stages) < n_kills else in_child(partial(run, path))[0]
            if code == -signal.SIGKILL:
                stages.append(stage(path))
        if code != 0 or differing(path, whole):
            wrong.append([n_runs, code, differing(path, whole)])
    return {"stages": stages, "wrong": wrong, "files": sorted(whole), "n_runs": n_runs}


def evaluation(kind: str) -> Callable[[Path], object]:
    """A small evaluation of ``classical`` models, or of a ``network`` that writes a checkpoint each epoch."""
    from physioaffect.evaluation import evaluate
    from support.tables import VALENCE, feature_table

    models: Any = ["lda", "knn"]
    table = feature_table(n_subjects=4, n_trials=4, n_windows=3, effect=1.0)
    if kind == "network":
        import physioaffect.training.checkpoint
        from physioaffect.graphs import MLPClassifier

        physioaffect.training.checkpoint.EVERY = 0.0
        models = {"mlp": MLPClassifier(hidden=(4,), epochs=40, batch_size=8)}
    return partial(_evaluate, evaluate, table, models=models, protocols=["loso"], task=VALENCE)


def _evaluate(evaluate: Any, table: Any, out: Path, **options: Any) -> None:
    evaluate(table, out=out, **options)


def main(kind: str, folder: str, seed: str, n_kills: str) -> None:
    """See the module."""
    # No kill damages a table: what is found damaged raises.
    warnings.simplefilter("error", UserWarning)
    # What the runs print belongs to nobody; errors of theirs come out by stderr.
    with contextlib.redirect_stdout(sys.stderr):
        if kind == "changes":
            told = at_every_change(Path(folder))
        else:
            kill = at_random_changes if kind == "network" else at_random
            told = kill(evaluation(kind), Path(folder), int(seed), int(n_kills))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
