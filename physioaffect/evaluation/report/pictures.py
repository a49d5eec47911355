"""Small pictures, placed in their own units: reliability, learning curves, confusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.evaluation.report.tallies import calibrations, confusion_counts, row_shares

__all__ = [
    "Bin",
    "Confusion",
    "CurveLine",
    "Curves",
    "Reliability",
    "confusions",
    "curve_pictures",
    "reliabilities",
]

_SHADES = 10
# Folds and points beyond these make a learning curve heavier, not clearer.
_MOST_FOLDS, _MOST_POINTS = 40, 60


class Confusion(NamedTuple):
    """Counts by true class (rows) and predicted class (columns), shares of the row, and shade 0 to 10."""

    model: str
    level: str
    counts: list[list[int]]
    shares: list[list[float]]
    shades: list[list[int]]


def confusions(
    predictions: pd.DataFrame, level: str, models: Sequence[str], classes: Sequence[str]
) -> list[Confusion]:
    """Count what was taken for what, a table for each model."""
    tables = confusion_counts(predictions, models, classes)
    found = []
    for model, table, shares in zip(models, tables, row_shares(tables), strict=True):
        shades = np.rint(shares * _SHADES).astype(int)
        found.append(Confusion(model, level, table.tolist(), shares.tolist(), shades.tolist()))
    return found


class Bin(NamedTuple):
    """A dot of a reliability diagram: centre, radius, ends of the interval (NaN for none), in words."""

    x: float
    y: float
    radius: float
    low: float
    high: float
    says: str


class Reliability(NamedTuple):
    """Observed against stated probability of the likeliest class, in a square of 100.

    ``error`` is the expected calibration error, ``unavoidable`` what it were if all probabilities were true.
    """

    model: str
    error: float
    unavoidable: float
    bins: list[Bin]
    line: str
    n: int


def reliabilities(
    predictions: pd.DataFrame, models: Sequence[str], classes: Sequence[str]
) -> list[Reliability]:
    """Reliability of each model's probabilities; none for a model that gives no usable ones."""
    found = []
    for one in calibrations(predictions, models, classes):
        bins = []
        for row in one.bins.to_dict("records"):
            stated, observed, n = float(row["stated"]), float(row["observed"]), int(row["n"])
            says = f"{n} with a mean stated probability of {stated:.2f}: {observed:.2f} right"
            radius = 1.5 + 4.5 * math.sqrt(n / one.n)
            low, high = 100 - 100 * float(row["low"]), 100 - 100 * float(row["high"])
            bins.append(Bin(100 * stated, 100 - 100 * observed, radius, low, high, says))
        line = " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in bins)
        found.append(Reliability(one.model, one.error, one.unavoidable, bins, line, one.n))
    return found


class CurveLine(NamedTuple):
    """A course of the loss: ``points`` of a polyline, whether of validation, whether the mean of folds."""

    points: str
    is_validation: bool
    is_mean: bool


class Curves(NamedTuple):
    """Learning curves of a model in a picture of 220 by 120."""

    model: str
    lines: list[CurveLine]
    n_folds: int
    n_drawn: int
    last_epoch: int
    low: float
    high: float
    has_validation: bool


def curve_pictures(curves: pd.DataFrame, models: Sequence[str]) -> list[Curves]:
    """Draw the courses of the loss, a picture for each model that has any."""
    found = []
    for model in models:
        own = curves[curves["model"] == model]
        if len(own):
            found.append(_curves(model, own))
    return found


def _curves(model: str, own: pd.DataFrame) -> Curves:
    losses = own[["loss", "validation"]].to_numpy(dtype=float)
    finite = losses[np.isfinite(losses)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    last = int(own["epoch"].max())
    lines = []
    folds = list(dict.fromkeys(own["fold"]))
    # Evenly spaced ones, so that the last are seen too.
    drawn = [
        folds[i] for i in np.unique(np.linspace(0, len(folds) - 1, min(_MOST_FOLDS, len(folds))).astype(int))
    ]
    for kind in ("loss", "validation"):
        for fold in drawn:
            course = own[own["fold"] == fold].set_index("epoch")[kind]
            lines.append(CurveLine(_polyline(course, last, low, high), kind == "validation", False))
        mean = own.groupby("epoch")[kind].mean()
        lines.append(CurveLine(_polyline(mean, last, low, high), kind == "validation", True))
    has_validation = bool(np.isfinite(losses[:, 1]).any())
    lines = [line for line in lines if line.points]
    return Curves(model, lines, len(folds), len(drawn), last, low, high, has_validation)


def _polyline(course: pd.Series, last: int, low: float, high: float) -> str:
    course = course[np.isfinite(course.to_numpy(dtype=float))]
    if not len(course):
        return ""
    rows = np.unique(np.linspace(0, len(course) - 1, min(_MOST_POINTS, len(course))).astype(int))
    x: NDArray[Any] = course.index.to_numpy(dtype=float)[rows]
    y = course.to_numpy(dtype=float)[rows]
    x = 220 * (x - 1) / max(last - 1, 1)
    y = 120 - 120 * (y - low) / ((high - low) or 1.0)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
