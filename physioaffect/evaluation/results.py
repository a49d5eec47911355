"""Results: a folder that is written as it grows, and the scores computed from it.

``run.json`` says what was asked; ``parts/`` holds one Parquet file per finished fold; at the end they
become ``predictions.parquet``, and ``scores.parquet`` and ``report.html`` are added. ``log.jsonl`` holds
times, which are outside the promise that the same run gives the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import sklearn

from physioaffect.errors import RunError
from physioaffect.evaluation.metrics import CLASSIFICATION, REGRESSION, auroc
from physioaffect.evaluation.protocols import person_names

__all__ = ["Result", "RunFolder", "score", "summarize"]

POOLED = "(pooled)"
_TRIAL = ["protocol", "model", "dataset", "subject", "session", "trial", "stimulus"]


def _write_whole(path: Path, content: bytes) -> None:
    """Write under a temporary name, sync and rename, so that a file is either whole or not there."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file, without threads: pyarrow 26 sometimes aborts the interpreter's exit after them."""
    return pd.read_parquet(path, use_threads=False)


class RunFolder:
    """The folder of one run; opening one that holds a part of the same run continues it.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.
    run : dict
        What was asked, as JSON values.

    Raises
    ------
    RunError
        If the folder holds something else.
    """

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        text = json.dumps(run, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is a file; results need a folder. Choose another --out.")
        if (path / "run.json").exists():
            before = read_json(path / "run.json")
            if before != json.loads(text):
                differing = sorted(k for k in before.keys() | run.keys() if before.get(k) != run.get(k))
                raise RunError(
                    f"{path} holds another run: {', '.join(differing)} differ. Choose another --out, or "
                    "delete that folder if it is no longer needed."
                )
        elif path.exists() and any(item.name != "run.json.partial" for item in path.iterdir()):
            raise RunError(f"{path} is not empty and holds no run. Choose another --out.")
        try:
            path.mkdir(parents=True, exist_ok=True)
            # First of all: without it a folder cannot be told from a stranger's.
            _write_whole(path / "run.json", text.encode())
            (path / "parts").mkdir(exist_ok=True)
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror}. Choose another --out.") from None

    def part(self, name: str) -> Path:
        """Where the fold of that name is kept."""
        return self.path / "parts" / f"{name}.parquet"

    def checkpoint(self, name: str) -> Path:
        """Folder for what a stack in training keeps, so that it can go on."""
        return self.path / "checkpoints" / name

    def write_part(self, name: str, frame: pd.DataFrame, **log: Any) -> None:
        """Keep one finished fold for good."""
        _write_whole(self.part(name), _parquet(frame))
        with (self.path / "log.jsonl").open("a") as stream:
            stream.write(json.dumps({"part": name, "at": time.time(), **log}) + "\n")

    @property
    def is_finished(self) -> bool:
        """Whether all folds have been merged."""
        return (self.path / "predictions.parquet").exists()

    def finish(self, names: Iterable[str]) -> None:
        """Merge the parts in the order of ``names`` and write the scores."""
        if not self.is_finished:
            predictions = pd.concat([read_table(self.part(name)) for name in names], ignore_index=True)
            _write_whole(self.path / "predictions.parquet", _parquet(predictions))
        run = read_json(self.path / "run.json")
        scores = score(read_table(self.path / "predictions.parquet"), run["task"]["kind"])
        _write_whole(self.path / "scores.parquet", _parquet(scores))
        for part in (self.path / "parts").glob("*.parquet*"):
            part.unlink()
        (self.path / "parts").rmdir()
        # A training that is over has removed its own files.
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a `RunError` says what is wrong with it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read as a run's JSON: {error}. Is the folder a result?") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} holds {type(content).__name__}, not a JSON object: it is not a result.")
    return content


def _score_one(rows: pd.DataFrame, kind: str) -> dict[str, float]:
    truth, predicted = rows["truth"].to_numpy(), rows["prediction"].to_numpy()
    if kind == "regression":
        return {name: metric(truth, predicted) for name, metric in REGRESSION.items()}
    columns = [name for name in rows if str(name).startswith("p_")]
    classes = np.array([str(name).removeprefix("p_") for name in columns])
    values = {name: metric(truth, predicted) for name, metric in CLASSIFICATION.items()}
    return values | {"auroc": auroc(truth, rows[columns].to_numpy(), classes)}


def by_trial(predictions: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One prediction per trial: the mean over its windows, then the likeliest class.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Window by window, as in ``predictions.parquet``.
    kind : str
        The task's kind.

    Returns
    -------
    pandas.DataFrame
        The same columns without ``fold``, ``window``, ``start``, ``duration``.
    """
    columns = [str(name) for name in predictions if str(name).startswith("p_")]
    averaged = ["prediction"] if kind == "regression" else columns
    grouped = predictions.groupby(_TRIAL, sort=False, observed=True)
    trials = grouped[averaged].mean()
    trials["truth"] = grouped["truth"].first()
    if kind != "regression":
        best = trials[columns].to_numpy().argmax(axis=1)
        trials["prediction"] = np.array([name.removeprefix("p_") for name in columns])[best]
    return trials.reset_index()


def score(predictions: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Score every model under every protocol, by window and by trial, per subject and pooled.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in ``predictions.parquet``.
    kind : str
        The task's kind.

    Returns
    -------
    pandas.DataFrame
        Long: protocol, model, level (``"trial"`` or ``"window"``), subject (or ``"(pooled)"``; with several
        data sets ``dataset/subject``), metric, value and n, the number of trials or windows scored.
    """
    rows = []
    # The arguments are our own; checking them takes longer than scoring one person.
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        for level, frame in (("trial", by_trial(predictions, kind)), ("window", predictions)):
            for (protocol, model), own in frame.groupby(["protocol", "model"], sort=False, observed=True):
                people = [*own.groupby(person_names(own), sort=False), (POOLED, own)]
                for subject, part in people:
                    rows += [
                        (protocol, model, level, subject, metric, value, len(part))
                        for metric, value in _score_one(part, kind).items()
                    ]
    return pd.DataFrame(rows, columns=["protocol", "model", "level", "subject", "metric", "value", "n"])


def summarize(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and SD (n - 1) over subjects; subjects whose score is undefined do not count.

    Returns
    -------
    pandas.DataFrame
        Indexed by protocol, model, level, metric with the columns mean, sd, n_subjects, pooled.
    """
    keys = ["protocol", "model", "level", "metric"]
    is_pooled = scores["subject"] == POOLED
    grouped = scores[~is_pooled].groupby(keys, sort=False)["value"]
    pooled = scores[is_pooled].set_index(keys)["value"]
    columns = {"mean": grouped.mean(), "sd": grouped.std(), "n_subjects": grouped.count(), "pooled": pooled}
    return pd.DataFrame(columns).reindex(grouped.mean().index)


class Cell(NamedTuple):
    """A score in a table: mean and SD over subjects, and the pooled value."""

    mean: float
    sd: float
    n_subjects: int
    pooled: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """A finished run.

    ``run`` is what was asked and what it was asked of (``run.json``), ``predictions`` has every test window,
    ``scores`` is long (see `score`), ``path`` the folder.
    """

    run: dict[str, Any]
    predictions: pd.DataFrame
    scores: pd.DataFrame
    path: Path

    @classmethod
    def load(cls, path: Path | str) -> Result:
        """Open a finished run's folder.

        Raises
        ------
        RunError
            If there is none, or it is unfinished.
        """
        path = Path(path)
        if not (path / "run.json").is_file():
            there = sorted(item.name for item in path.iterdir())[:5] if path.is_dir() else []
            raise RunError(
                f"{path} is not a result: it has no run.json"
                + (f", only {', '.join(there)}." if there else ".")
                + " Name the folder that was given to evaluate as --out."
            )
        run = read_json(path / "run.json")
        try:
            predictions, scores = (read_table(path / f"{n}.parquet") for n in ("predictions", "scores"))
        except FileNotFoundError as error:
            n_parts = len(list((path / "parts").glob("*.parquet")))
            raise RunError(
                f"The run in {path} is unfinished ({n_parts} folds are there, {Path(error.filename).name} is "
                "not). Give the same evaluate command again: it continues where it stopped."
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(f"The tables in {path} cannot be read: {error}. Run evaluate again.") from None
        return cls(run=run, predictions=predictions, scores=scores, path=path)

    @property
    def metrics(self) -> Sequence[str]:
        """Names of the metrics, the primary one first."""
        return list(dict.fromkeys(self.scores["metric"]))

    def summary(self) -> pd.DataFrame:
        """See `summarize`."""
        return summarize(self.scores)

    def cells(self) -> dict[tuple[str, str, str, str], Cell]:
        """Summary by (protocol, model, level, metric)."""
        rows = self.summary().itertuples(name=None)
        return {key: Cell(float(m), float(sd), int(n), float(p)) for key, m, sd, n, p in rows}

    def notes(self) -> dict[tuple[str, str], list[str]]:
        """Watermarks of (protocol, model): no claim, or no better than the clock."""
        cells = self.cells()
        primary = self.metrics[0]
        notes: dict[tuple[str, str], list[str]] = {}
        for protocol in self.run["protocols"]:
            name = protocol["name"]
            clocks = [b for b in self.run["baselines"] if b.startswith("clock")]
            for model in self.run["models"]:
                own = notes.setdefault((name, model), [])
                if protocol["claim"] is None:
                    own.append("no claim")
                levels = [
                    level
                    for level in ("trial", "window")
                    if any(
                        cells[name, clock, level, primary].mean >= cells[name, model, level, primary].mean
                        for clock in clocks
                    )
                ]
                if levels:
                    own.append("clock is as good" + (f" by {levels[0]}" if len(levels) == 1 else ""))
        return notes
