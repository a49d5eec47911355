"""Which windows train, validate, calibrate and are tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect._drawing import new_figure
from physioaffect._style import PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.evaluation.protocols import Fold, Protocol, codes, get_protocol, person_names
from physioaffect.evaluation.protocols.cross_validator import check_coords
from physioaffect.evaluation.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ROLES", "add_legend", "draw_fold", "plot_protocol", "roles_of"]

Numbers = NDArray[np.intp]

# Of blue and orange, and each darker than the one before, so that grey print tells them apart too.
ROLES = {
    "not used": "#f0f0f0",
    "between both": "#d3e2f0",
    "trained on": "#9ecae1",
    "calibration": "#ec9344",
    "validation": "#3182bd",
    "tested": "#8c2d04",
    "tested, seen unlabelled": "#54278f",
}
_NAMES = tuple(ROLES)
# Wider rows are of trials, sessions or people, in each of which the roles are stacked by their shares.
_MOST_CELLS = 800
_STACK = 24
_MOST_FOLDS = 20
_MOST_NAMES = 24
_MOST_EDGES = 80
_LINE = 115


@in_style
def plot_protocol(
    protocol: str | Protocol,
    table: pd.DataFrame | Table,
    *,
    fold: str | None = None,
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """Draw which windows of a study train and which are tested, in all folds or in one.

    Parameters
    ----------
    protocol : str or Protocol
        Such as ``"loso"``.
    table : pandas.DataFrame or Table
        Of `physioaffect.evaluation.make_table`, or a row for each window with the columns dataset, subject,
        session, trial, stimulus, window and target; protocols that divide trials want start and duration too.
    fold : str, optional
        Name of a fold, to draw a row for each person. Default: a row for each fold, at most twenty of them,
        evenly chosen.
    seed : int
        As of `physioaffect.evaluation.evaluate`, whose folds these are.
    title : str, optional
        What to write above. Default: the protocol's name.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Below stands what a good score shows, or that it shows nothing and why. Windows stand person by
        person, in the order of the table. Where there are more than 800 in a row, a cell is a trial (or a
        session, or a person), and the height of a colour in it the share of its windows.

    Raises
    ------
    DataError
        If the table is empty.
    ProtocolError
        If it lacks a column, or cannot support the protocol.
    ValueError
        If no fold has that name.

    Examples
    --------
    >>> rows = [(who, str(trial), "abba"[trial]) for who in ("ann", "bob", "eve") for trial in range(4)]
    >>> study = pd.DataFrame(rows, columns=["subject", "trial", "target"])
    >>> study = study.assign(dataset="own", session="1", stimulus=study["trial"], window=0)
    >>> figure = plot_protocol("loso", study)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['ann', 'bob', 'eve']
    """
    found = get_protocol(protocol)
    coords = table.coords if isinstance(table, Table) else table
    check_coords(coords)
    if not len(coords):
        raise DataError("The table has no window, so there is nothing to divide. Pass another.")
    folds = list(found.split(coords, found.rng(seed)))
    if fold is None:
        figure, shown = _overview(coords, folds)
        told = f"{len(folds)} folds" if len(folds) <= _MOST_FOLDS else f"{_MOST_FOLDS} of {len(folds)} folds"
    else:
        names = [one.name for one in folds]
        if fold not in names:
            raise ValueError(
                f"Protocol {found.name} makes no fold {fold!r} of this table; its folds are "
                f"{', '.join(names[:20])}{' and so on' if len(names) > 20 else ''}."
            )
        chosen = folds[names.index(fold)]
        n_people = len(set(person_names(coords)))
        figure = new_figure(PAGE, min(0.22 * n_people, 7.0) + 1.5)
        shown = draw_fold(figure.subplots(), coords, chosen)
        told = f"fold {fold} ({names.index(fold) + 1} of {len(folds)})"
    figure.suptitle(f"{found.name}, {told}" if title is None else title)
    said = f"Claim: {found.claim}" if found.claim else f"No claim. Train and test share: {found.shares}"
    ax = figure.axes[0]
    ax.set_xlabel("\n".join(filter(None, (ax.get_xlabel(), fill(said, _LINE)))))
    add_legend(figure, shown)
    return figure


def roles_of(n_windows: int, fold: Fold) -> Numbers:
    """Number the role of each window, as a position in `ROLES`.

    Examples
    --------
    >>> fold = Fold(name="1", train_idx=np.array([0, 1]), test_idx=np.array([3]))
    >>> [list(ROLES)[role] for role in roles_of(4, fold)]
    ['trained on', 'trained on', 'not used', 'tested']
    """
    role = np.zeros(n_windows, dtype=np.intp)
    for name, rows in (
        ("trained on", fold.train_idx),
        ("between both", fold.gap_idx),
        ("validation", fold.validation_idx),
        ("calibration", fold.calibration_idx),
        ("tested", fold.test_idx),
        ("tested, seen unlabelled", np.intersect1d(fold.test_idx, fold.unlabelled_idx)),
    ):
        role[rows] = _NAMES.index(name)
    return role


def draw_fold(ax: Axes, coords: pd.DataFrame, fold: Fold) -> set[str]:
    """Draw a row for each person, and return the roles that occur.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    coords : pandas.DataFrame
        As of `plot_protocol`.
    fold : Fold
        One of its folds.

    Returns
    -------
    set of str
        Keys of `ROLES`, for `add_legend`.
    """
    role = roles_of(len(coords), fold)
    names = person_names(coords)
    people = list(dict.fromkeys(names.tolist()))
    rows = [np.flatnonzero(names == name) for name in people]
    level = _level(coords, max(map(len, rows)), rows)
    unit = codes(coords, level)
    pictures = [_stacked(role[own], unit[own], is_window=level == "window") for own in rows]
    _draw(ax, pictures)
    _draw_names(ax, people)
    ax.set_ylabel("person")
    sessions = [_spans(coords["session"].to_numpy(dtype=str)[own], unit[own]) for own in rows]
    trials = [_spans(codes(coords, "trial")[own], unit[own]) for own in rows]
    for row, (of_trials, of_sessions) in enumerate(zip(trials, sessions, strict=True)):
        if level == "window" and len(of_trials) <= _MOST_EDGES:
            _draw_edges(ax, [end for _, _, end in of_trials[:-1]], row, 0.6)
        _draw_edges(ax, [end for _, _, end in of_sessions[:-1]], row, 2.5)
    if all(one == sessions[0] for one in sessions) and len(sessions[0]) > 1:
        ax.set_xticks(
            [(a + b) / 2 - 0.5 for _, a, b in sessions[0]], [f"session {s}" for s, _, _ in sessions[0]]
        )
        ax.set_xlabel("")
    else:
        ax.set_xticks([])
        ax.set_xlabel(_words_of(level))
    return {_NAMES[number] for number in np.unique(role)}


def _overview(coords: pd.DataFrame, folds: Sequence[Fold]) -> tuple[Figure, set[str]]:
    """Draw a row for each fold."""
    names = person_names(coords)
    people, number = np.unique(names, return_inverse=True)
    order = np.argsort([np.flatnonzero(names == name)[0] for name in people])
    rank = np.argsort(order)[number]
    rows = np.argsort(rank, kind="stable")
    ordered = coords.iloc[rows]
    level = _level(ordered, len(ordered), [np.arange(len(ordered))])
    unit = codes(ordered, level)
    at = np.unique(np.linspace(0, len(folds) - 1, min(_MOST_FOLDS, len(folds))).round().astype(int))
    drawn = [folds[index] for index in at]
    roles = [roles_of(len(coords), fold)[rows] for fold in drawn]
    figure = new_figure(PAGE, 0.24 * len(drawn) + 1.5)
    ax = figure.subplots()
    _draw(ax, [_stacked(role, unit, is_window=level == "window") for role in roles])
    _draw_names(ax, [fold.name for fold in drawn])
    ax.set_ylabel("fold")
    spans = _spans(names[rows], unit)
    for row in range(len(drawn)):
        _draw_edges(ax, [end for _, _, end in spans[:-1]], row, 1.5 if len(spans) <= 40 else 0.5)
    shown = spans[:: -(-len(spans) // _MOST_NAMES)]
    is_long = max(len(name) for name, _, _ in shown) * len(shown) > 90
    ax.set_xticks(
        [(begin + end) / 2 - 0.5 for _, begin, end in shown],
        [name for name, _, _ in shown],
        rotation=90 if is_long else 0,
    )
    ax.set_xlabel(f"{_words_of(level)}, person by person")
    return figure, {_NAMES[number] for role in roles for number in np.unique(role)}


def _level(coords: pd.DataFrame, n_windows: int, rows: Sequence[Numbers]) -> str:
    """The finest level of which a row has not too many units."""
    if n_windows <= _MOST_CELLS:
        return "window"
    for level in ("trial", "session"):
        unit = codes(coords, level)
        if max(len(np.unique(unit[own])) for own in rows) <= _MOST_CELLS:
            return level
    return "subject"


def _words_of(level: str) -> str:
    if level == "window":
        return "windows, trial by trial"
    return f"{'people' if level == 'subject' else f'{level}s'} (height: share of their windows)"


def _stacked(role: Numbers, unit: Numbers, *, is_window: bool) -> Numbers:
    """Roles of the cells of a row, shape (_STACK, n_cells): of a window its role, else a stack by share."""
    if is_window:
        return np.broadcast_to(role, (_STACK, len(role)))
    place = pd.factorize(unit)[0]
    counts = np.zeros((place.max() + 1, len(ROLES)))
    np.add.at(counts, (place, role), 1)
    upper = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
    middles = (np.arange(_STACK)[::-1] + 0.5) / _STACK
    return np.asarray((middles[:, np.newaxis, np.newaxis] > upper).sum(axis=2), np.intp)


def _draw(ax: Axes, pictures: Sequence[Numbers]) -> None:
    """Draw rows below each other; where one is shorter there is nothing."""
    from matplotlib.colors import ListedColormap  # noqa: PLC0415

    width = max(picture.shape[1] for picture in pictures)
    grid = np.full((_STACK * len(pictures), width), -1)
    for row, picture in enumerate(pictures):
        grid[row * _STACK : (row + 1) * _STACK, : picture.shape[1]] = picture
    ax.imshow(
        np.ma.masked_less(grid, 0),
        cmap=ListedColormap(list(ROLES.values())),
        vmin=-0.5,
        vmax=len(ROLES) - 0.5,
        aspect="auto",
        interpolation="none",
        extent=(-0.5, width - 0.5, len(pictures) - 0.5, -0.5),
    )
    for row in range(1, len(pictures)):
        ax.axhline(row - 0.5, color="white", linewidth=2 if len(pictures) <= 40 else 0.3)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _spans(names: NDArray[np.generic], unit: Numbers) -> list[tuple[str, int, int]]:
    """Runs of one name, in cells: name, first cell, cell after the last."""
    place = pd.factorize(unit)[0]
    starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    return [(str(names[a]), int(place[a]), int(place[b - 1]) + 1) for a, b in pairwise(starts)]


def _draw_edges(ax: Axes, places: Sequence[int], row: int, width: float) -> None:
    ax.vlines(np.array(places) - 0.5, row - 0.5, row + 0.5, color="white", linewidth=width)


def _draw_names(ax: Axes, names: Sequence[str]) -> None:
    step = -(-len(names) // _MOST_NAMES)
    ax.set_yticks(range(0, len(names), step), list(names)[::step])


def add_legend(figure: Figure, shown: Iterable[str]) -> None:
    """Write below a figure which colour is which role."""
    from matplotlib.patches import Patch  # noqa: PLC0415

    own = set(shown)
    figure.legend(
        handles=[
            Patch(facecolor=colour, edgecolor="0.6", linewidth=0.4, label=role)
            for role, colour in ROLES.items()
            if role in own
        ],
        loc="outside lower center",
        ncols=len(ROLES),
    )
