"""From a store of features and the recordings that it was made of to the page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physioaffect.data_set import DataSet, Exclusion, in_order_of_time
from physioaffect.errors import DataError, RunError
from physioaffect.features.recipe import Recipe
from physioaffect.features.stored import open_features, read_exclusions
from physioaffect.page import render_page
from physioaffect.parallel import run_all
from physioaffect.progress import Progress, silent
from physioaffect.quality_report.recipe_words import parts_of
from physioaffect.quality_report.session_table import Windows, table_of
from physioaffect.quality_report.session_view import Picture, SessionView, view_of
from physioaffect.reasons import REASON_WORDS

__all__ = ["write_quality_report"]


class _Drawn(NamedTuple):
    views: list[SessionView]
    exclusions: list[Exclusion]


_NONE = Windows(0, {})
_LEGEND = {reason: words.meaning for reason, words in REASON_WORDS.items()} | {
    "rejected": "no trusted interval between beats"
}


class _Row(NamedTuple):
    id: str
    view: SessionView
    windows: Windows


def write_quality_report(  # noqa: PLR0913  All options are named.
    dataset: DataSet,
    root: Path | str,
    recipe: Recipe,
    store: Path | str,
    path: Path | str,
    *,
    subjects: Sequence[str] | None = None,
    passed_over: Sequence[tuple[Path, str]] = (),
    command: str = "",
    most_drawn: int = 100,
    n_jobs: int = 1,
    progress: Progress | None = None,
    client: Any = None,
) -> Path:
    """Write what was recorded, how much of it is usable and why not more, as one self-contained page.

    The recordings are read and cleaned again, one at a time in each job; only their drawings are kept. So the
    page needs nothing of the store but its table, can be made for a store that was there before, and an
    interrupted one is simply made again.

    Parameters
    ----------
    dataset, root, recipe
        As they were passed to `save_features`.
    store : path
        What `save_features` wrote.
    path : path
        The page, such as ``features.html``; replaced if it is there.
    subjects : sequence of str, optional
        As passed to `save_features`.
    passed_over : sequence of (path, reason)
        What else lies in the folder, as `physioaffect.datasets.wearable_files.find_recordings` lists it.
    command : str
        What was typed, for the reader who wants to repeat it.
    most_drawn : int
        From so many sessions on, only the numbers of the further ones are shown.
    n_jobs, client
        As in `save_features`.
    progress : callable, optional
        Called with ("report", subjects done, number of subjects).

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        If the folder is not the data set, or the store is not finished.
    RunError
        If the page cannot be written.

    Notes
    -----
    A picture has 600 columns, each with the lowest and the highest sample that falls into it: about 10 kB for
    a signal of any length. A sample that has several reasons counts in the bars for the first in the order
    of ``REASON_WORDS``.
    """
    sources = dataset.sources(Path(root), subjects)
    of_windows, exclusions = _windows(Path(store)), list(read_exclusions(store))
    rows: list[_Row] = []
    parts = {subject: dataset.parts(source) for subject, source in sources.items()}
    named = [(subject, part) for subject, own in parts.items() for part in own]
    tell = progress or silent
    read = run_all(_of_part, named, (dataset, recipe), n_jobs=n_jobs, client=client, is_ordered=True)
    for number, own in enumerate(parts.values(), start=1):
        one = _joined([*islice(read, len(own))])
        for view in one.views:
            drawn = view if len(rows) < most_drawn else view.without_pictures()
            key = (view.subject, view.session, view.trial)
            rows.append(_Row(f"s{len(rows) + 1}", drawn, of_windows.get(key, _NONE)))
        exclusions += [item for item in one.exclusions if item not in exclusions]
        tell("report", number, len(parts))
    families = [family.name for family in recipe.features]
    html = render_page(
        "physioaffect.quality_report",
        "quality.html",
        style="quality.css",
        title=dataset.title,
        rows=rows,
        table=table_of([row.view for row in rows], [row.windows for row in rows], families),
        most_drawn=most_drawn,
        n_people=len({row.view.subject for row in rows}),
        hours=sum(row.view.duration for row in rows) / 3600,
        is_simulated=any("simulated" in note for row in rows for note in row.view.notes),
        exclusions=sorted(exclusions, key=lambda item: item.expected),
        passed_over=[(str(place), reason) for place, reason in _relative(passed_over, Path(root))],
        reasons=_reasons(rows),
        parts=parts_of(recipe),
        command=command,
        source_hash=_source_hash(Path(store)),
        store=Path(store).name,
        version=version("physioaffect"),
    )
    return _write(Path(path), html.encode("utf-8", "replace"))


def _joined(parts: Sequence[_Drawn]) -> _Drawn:
    """Put what was drawn of a subject's parts together, as the table has it."""
    views = [view for part in parts for view in part.views]
    if len(parts) > 1:
        views = in_order_of_time(views, [view.started for view in views])
    return _Drawn(views, [item for part in parts for item in part.exclusions])


def _of_part(named: tuple[str, Any], dataset: DataSet, recipe: Recipe) -> _Drawn:
    subject, source = named
    views: list[SessionView] = []
    exclusions: list[Exclusion] = []
    try:
        for trial in dataset.trials(subject, source, exclusions.append):
            try:
                views.append(view_of(trial, recipe))
            except DataError as error:
                exclusions.append(Exclusion(subject=subject, trial=trial.trial, reason=str(error)))
    except DataError as error:
        exclusions.append(Exclusion(subject=subject, reason=str(error)))
    return _Drawn(views, exclusions)


def _windows(store: Path) -> dict[tuple[str, str, str], Windows]:
    """Count the windows of each session in the table, family by family."""
    table = open_features(store)
    keys = np.stack([table[name].values.astype(str) for name in ("subject", "session", "trial")], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    totals = np.bincount(inverse.ravel(), minlength=len(unique))
    found: list[dict[str, int]] = [{} for _ in unique]
    for name, values in table.data_vars.items():
        rows = np.isfinite(values.values).reshape(values.shape[0], -1).any(axis=1)
        counts = np.bincount(inverse.ravel(), weights=rows, minlength=len(unique))
        for own, count in zip(found, counts.tolist(), strict=True):
            own[str(name)] = int(count)
    return {
        (str(key[0]), str(key[1]), str(key[2])): Windows(int(total), own)
        for key, total, own in zip(unique, totals, found, strict=True)
    }


def _source_hash(store: Path) -> str:
    return str(open_features(store, families=[]).attrs["source_hash"])


def _reasons(rows: Sequence[_Row]) -> list[tuple[str, str]]:
    """The reasons that occur, for the legend."""
    pictures: Iterator[Picture] = (one for row in rows for one in row.view.pictures)
    there = {share.reason for one in pictures for share in one.shares}
    return [(reason, title) for reason, title in _LEGEND.items() if reason in there]


def _relative(passed_over: Sequence[tuple[Path, str]], root: Path) -> Iterator[tuple[str, str]]:
    for path, reason in passed_over:
        inside = path.relative_to(root) if path.is_relative_to(root) else path
        yield os.fsencode(inside).decode("utf-8", "replace"), reason


def _write(path: Path, content: bytes) -> Path:
    """Write under another name first, so that there is never half a page."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}. Choose another place.") from error
    return path
