"""The chart of people: a dot for each, a line that joins the same person's dots between models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from physioaffect.evaluation.report.scores_view import Chance, Score

__all__ = ["LEFT", "RIGHT", "ROW", "Chart", "Dot", "Strip", "kept_apart", "people_chart", "position", "ticks"]

# In the chart's own units, which are pixels on a wide screen: axis from LEFT to RIGHT, height of a model.
LEFT, RIGHT, ROW = 12.0, 428.0, 50.0
_MIDDLE, _REACH = 33.0, 10.0
_APART = 5.0


class Dot(NamedTuple):
    """A person's score under one model, placed."""

    x: float
    y: float
    label: str


class Strip(NamedTuple):
    """A model in the chart; mean, interval and chance are places on the axis or NaN."""

    model: str
    is_baseline: bool
    top: float
    y: float
    mean: float
    low: float
    high: float
    chance_low: float
    chance_high: float
    dots: list[Dot]
    n_undefined: int
    says: str


class Chart(NamedTuple):
    """All models under one protocol at one level; ``lines`` are (person, points) that join models."""

    level: str
    strips: list[Strip]
    lines: list[tuple[str, str]]
    height: float
    n_people: int
    n_undefined: int


def position(value: float, lowest: float) -> float:
    """Place of a value on the axis, which ends at ``lowest`` and 1; beyond them at the edge."""
    share = (min(max(value, lowest), 1.0) - lowest) / (1 - lowest)
    return LEFT + share * (RIGHT - LEFT)


def ticks(lowest: float) -> list[tuple[float, str]]:
    """Places and texts of the axis."""
    values = np.linspace(lowest, 1, 6 if lowest == 0 else 5)
    return [(position(value, lowest), f"{value:.1f}") for value in values]


def kept_apart(values: pd.Series, *, apart: float, reach: float) -> list[float]:
    """Offsets that keep people with the same score apart, symmetric around zero.

    Parameters
    ----------
    values : pandas.Series
        Scores, of which those count as the same that are nearer than half a hundredth.
    apart, reach : float
        Between neighbours, if that many stay within the reach on both sides.

    Returns
    -------
    list of float

    Examples
    --------
    >>> kept_apart(pd.Series([0.5, 0.7, 0.5]), apart=5.0, reach=10.0)
    [-2.5, 0.0, 2.5]
    """
    offsets = np.zeros(len(values))
    # Dots nearer than half a dot cover each other like equal ones.
    bins = (values * 100).round()
    for _, rows in values.groupby(bins.to_numpy()).indices.items():
        n = len(rows)
        step = min(apart, 2 * reach / max(n - 1, 1))
        offsets[rows] = step * (np.arange(n) - (n - 1) / 2)
    return [float(offset) for offset in offsets]


def people_chart(
    table: pd.DataFrame,
    level: str,
    scores: Mapping[str, Score],
    chance: Mapping[str, Chance],
    baselines: list[str],
    lowest: float,
) -> Chart:
    """Place every person's score.

    Parameters
    ----------
    table : DataFrame
        People by models (see `people_table`).
    level : str
        ``"trial"`` or ``"window"``.
    scores, chance : mapping
        Of that level, by model.
    baselines : list of str
        Models to which no lines lead.
    lowest : float
        Where the axis begins.
    """
    strips = []
    places: dict[str, list[str]] = {str(person): [] for person in table.index}
    for row, model in enumerate(table.columns):
        known = table[model].dropna()
        middle = ROW * row + _MIDDLE
        dots = []
        offsets = kept_apart(known, apart=_APART, reach=_REACH)
        for (person, value), offset in zip(known.items(), offsets, strict=True):
            dots.append(Dot(position(value, lowest), middle + offset, f"{person}: {value:.3f}"))
            if model not in baselines:
                places[str(person)].append(f"{dots[-1].x:.1f},{dots[-1].y:.1f}")
        own, by_chance = scores[model], chance.get(model)
        strips.append(
            Strip(
                model,
                model in baselines,
                ROW * row,
                middle,
                _place(own.mean, lowest),
                _place(own.low, lowest),
                _place(own.high, lowest),
                _place(by_chance.low, lowest) if by_chance else math.nan,
                _place(by_chance.high, lowest) if by_chance else math.nan,
                dots,
                len(table) - len(known),
                "" if math.isnan(own.mean) else f"mean {own.mean:.2f} over {own.n}",
            )
        )
    lines = [(person, " ".join(points)) for person, points in places.items() if len(points) > 1]
    undefined = sum(strip.n_undefined for strip in strips if not strip.is_baseline)
    return Chart(level, strips, lines, ROW * len(strips), len(table), undefined)


def _place(value: float, lowest: float) -> float:
    return math.nan if math.isnan(value) else position(value, lowest)
