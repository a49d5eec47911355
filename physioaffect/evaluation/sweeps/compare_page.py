"""The comparison of runs as a self-contained HTML page."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from physioaffect.evaluation.report.downloads import csv_download
from physioaffect.evaluation.report.words import number, probability, title_of
from physioaffect.evaluation.running.durable import write_whole
from physioaffect.evaluation.statistics.tabulation import BOUNDS
from physioaffect.evaluation.sweeps.compare import SIMULATED, Comparisons
from physioaffect.page import environment

__all__ = ["render_comparisons", "write_comparisons"]


class Row(NamedTuple):
    """A model; ``left``, ``right`` and ``x`` are places in its drawing, 0 to 100, None where undefined."""

    model: str
    is_baseline: bool
    flags: list[str]
    mean: float
    low: float
    high: float
    sd: float
    sd_seeds: float
    n_subjects: int
    n_seeds: int
    left: float | None
    right: float | None
    x: float | None


class ProtocolRows(NamedTuple):
    """The models under a protocol."""

    name: str
    claim: str | None
    rows: list[Row]


class Group(NamedTuple):
    """A data set and task; ``axis`` are the ends of the drawings, ``middle`` the place of its middle."""

    anchor: str
    dataset: str
    task: str
    title: str
    axis: tuple[str, str]
    middle: float
    protocols: list[ProtocolRows]


def _axis(metric: str, part: pd.DataFrame) -> tuple[float, float]:
    low, high = BOUNDS.get(metric, (-math.inf, math.inf))
    if not math.isfinite(low):
        low = min(0.0, float(np.nanmin(part[["low", "mean"]].to_numpy(dtype=float))))
    if not math.isfinite(high):
        high = max(low + 1e-9, float(np.nanmax(part[["high", "mean"]].to_numpy(dtype=float))))
    return low, high


def _rows(part: pd.DataFrame, ends: tuple[float, float]) -> list[Row]:
    def place(value: float) -> float | None:
        if not math.isfinite(value):
            return None
        return round(100 * (value - ends[0]) / (ends[1] - ends[0]), 2)

    return [
        Row(
            model=row.model,
            is_baseline=row.is_baseline,
            flags=[flag for flag in row.flags.split("; ") if flag.startswith("clock")],
            mean=row.mean,
            low=row.low,
            high=row.high,
            sd=row.sd,
            sd_seeds=row.sd_seeds,
            n_subjects=row.n_subjects,
            n_seeds=row.n_seeds,
            left=place(row.low),
            right=place(row.high),
            x=place(row.mean),
        )
        for row in cast(Iterable[Any], part.itertuples())
    ]


def _groups(found: Comparisons) -> list[Group]:
    groups: list[Group] = []
    for (dataset, task), part in found.table.groupby(["dataset", "task"], sort=False):
        metric = str(part["metric"].iloc[0])
        ends = _axis(metric, part)
        protocols = [
            ProtocolRows(str(name), found.claims[str(dataset), str(task), str(name)], _rows(own, ends))
            for name, own in part.groupby("protocol", sort=False)
        ]
        groups.append(
            Group(
                anchor=f"scores-{len(groups) + 1}",
                dataset=str(dataset),
                task=str(task),
                title=title_of(metric),
                axis=(f"{ends[0]:g}", f"{ends[1]:.3g}"),
                middle=50.0,
                protocols=protocols,
            )
        )
    return groups


def _signed(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:+.2f}".replace("-", "−")


def _number(value: float) -> str:
    return "–" if not math.isfinite(value) else number(value)


def render_comparisons(found: Comparisons) -> str:
    """Write a comparison as a page that needs nothing from the network.

    Parameters
    ----------
    found : Comparisons
        What `compare` gave.

    Returns
    -------
    str
        HTML. Every text from files is escaped.
    """
    filters = {"number": _number, "p": probability, "signed": _signed}
    templates = environment("physioaffect.evaluation.report", filters)
    pairs = [
        (
            (*map(str, key[:3]), [flag for flag in str(key[3]).split("; ") if flag]),
            list(part.itertuples()),
        )
        for key, part in cast(
            Iterable[tuple[tuple[Any, ...], pd.DataFrame]],
            found.pairs.groupby(["dataset", "task", "protocol", "flags"], sort=False),
        )
    ]
    refused: dict[str, list[str]] = {}
    for protocol, ranks in found.ranks.items():
        if isinstance(ranks, str):
            refused.setdefault(ranks, []).append(protocol)
    simulated = found.table.loc[found.table["flags"].str.contains(SIMULATED), "dataset"]
    command = ["physioaffect", "compare", "RUNS...", "--level", found.level]
    metrics = found.table["metric"].unique()
    if len(metrics) == 1:
        command += ["--metric", str(metrics[0])]
    return templates.get_template("compare.html").render(
        groups=_groups(found),
        pairs=pairs,
        notes=sorted({note for note in found.pairs.get("note", []) if note}),
        refused=refused.items(),
        ranked=[(protocol, ranks) for protocol, ranks in found.ranks.items() if not isinstance(ranks, str)],
        runs=found.runs.to_dict("records"),
        datasets=list(dict.fromkeys(found.table["dataset"])),
        simulated=list(dict.fromkeys(simulated)),
        warnings=found.warnings,
        level=found.level,
        percent=f"{100 * found.confidence:g}",
        command=shlex.join(command).replace("'RUNS...'", "RUNS..."),
        version=version("physioaffect"),
        downloads={
            "table": csv_download(found.table, "compare.csv", "The table as CSV"),
            "people": csv_download(found.scores, "people.csv", "Everybody’s scores as CSV"),
            "pairs": csv_download(found.pairs, "pairs.csv", "All pairs as CSV"),
        },
    )


def write_comparisons(found: Comparisons, path: Path) -> Path:
    """Write the page and return its path.

    Parameters
    ----------
    found : Comparisons
        What `compare` gave.
    path : Path
        The file, in a folder that exists.

    Raises
    ------
    RunError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from physioaffect.datasets import DREAMER
    >>> from physioaffect.evaluation import evaluate
    >>> from physioaffect.evaluation.sweeps import compare
    >>> from physioaffect.features import Hjorth, Recipe
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=2), features=(Hjorth(),))
    >>> options = {"task": "valence", "protocols": ["loso"], "models": ["lda", "knn"], "permutations": 0}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = DREAMER.simulate(Path(folder, "dreamer"), n_subjects=3, n_clips=4, max_seconds=6)
    ...     result = evaluate(DREAMER, root, recipe=recipe, out=Path(folder, "run"), **options)
    ...     page = write_comparisons(compare([Path(folder, "run")]), Path(folder, "page.html"))
    ...     html = page.read_text()
    >>> "lda" in html, "knn" in html
    (True, True)
    """
    write_whole(path, render_comparisons(found).encode())
    return path
