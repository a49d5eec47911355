"""What mattered to the models: maps of the head where features belong to electrodes, bars for the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.features.topomap import azimuthal_projection, interpolation_matrix
from physioaffect.montage import electrode_positions

__all__ = ["MOST_MAPS", "Bar", "HeadMap", "Importance", "importance_pictures"]

_SIZE = 40
_N_LEVELS = 8
_N_BARS = 12
MOST_MAPS = 60
"""Maps on a page, so that it stays small."""

# Viridis, and a diverging scale (blue to red) for shares below zero; colour-blind people can read both.
_SEQUENTIAL = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
_DIVERGING = ("#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#fddbc7", "#f4a582", "#d6604d", "#b2182b")


class HeadMap(NamedTuple):
    """A map in a square of 100: layers (colour, path) from low to high, and places of the electrodes."""

    title: str
    share: float
    layers: list[tuple[str, str]]
    places: list[tuple[float, float]]


class Bar(NamedTuple):
    """A feature: mean share over folds, smallest and largest; places from 0 to 100."""

    feature: str
    mean: float
    low: float
    high: float
    x: float
    width: float


class Importance(NamedTuple):
    """What mattered to one model under one protocol."""

    model: str
    n_folds: int
    maps: list[HeadMap]
    n_left_out: int
    low: float
    high: float
    colours: tuple[str, ...]
    bars: list[Bar]
    zero: float
    n_features: int


def importance_pictures(
    importance: pd.DataFrame, models: Sequence[str], budget: int = MOST_MAPS
) -> list[Importance]:
    """Draw what mattered to each model, by the mean over folds.

    Parameters
    ----------
    importance : DataFrame
        Of one protocol: model, fold, feature, value.
    models : sequence of str
        In the order of the report.
    budget : int
        Maps at most; models beyond get bars only.
    """
    found = []
    for model in models:
        own = importance[importance["model"] == model]
        if not len(own):
            continue
        one = _importance(model, own)
        if len(one.maps) > budget:
            one = one._replace(maps=[], n_left_out=len(one.maps))
        budget -= len(one.maps)
        found.append(one)
    return found


def _importance(model: str, own: pd.DataFrame) -> Importance:
    table = own.pivot(index="feature", columns="fold", values="value").reindex(own["feature"].unique())
    mean = table.mean(axis=1)
    maps, low, high, colours = _maps(mean)
    top = mean.abs().sort_values(ascending=False, kind="stable").index[:_N_BARS]
    shown = mean[top]
    begin, end = min(0.0, float(shown.min())), max(0.0, float(shown.max())) or 1.0
    scale = 100 / (end - begin)
    bars = [
        Bar(
            str(feature),
            float(value),
            float(low_of),
            float(high_of),
            (min(float(value), 0.0) - begin) * scale,
            abs(float(value)) * scale,
        )
        for feature, value, low_of, high_of in zip(
            shown.index, shown, table.min(axis=1)[top], table.max(axis=1)[top], strict=True
        )
    ]
    return Importance(model, table.shape[1], maps, 0, low, high, colours, bars, -begin * scale, len(mean))


def _groups(mean: pd.Series) -> dict[str, dict[str, float]]:
    """Shares by map and electrode: "de:Fp1:alpha" is electrode Fp1 of the map "de alpha"."""
    groups: dict[str, dict[str, float]] = {}
    for feature, value in mean.items():
        family, *rest = str(feature).split(":")
        if rest:
            title = " ".join([family, *rest[1:]])
            groups.setdefault(title, {})[rest[0]] = float(value)
    return {title: group for title, group in groups.items() if len(group) >= 4}


def _maps(mean: pd.Series) -> tuple[list[HeadMap], float, float, tuple[str, ...]]:
    groups = {}
    for title, group in _groups(mean).items():
        try:
            groups[title] = (group, azimuthal_projection(electrode_positions(tuple(group))))
        except DataError:  # "eda:scl", "hr:mean": no electrodes.
            continue
    if not groups:
        return [], 0.0, 0.0, _SEQUENTIAL
    values = np.concatenate([list(group.values()) for group, _ in groups.values()])
    low, high = min(0.0, float(values.min())), float(values.max())
    colours = _SEQUENTIAL
    if low < 0:
        high = max(-low, high)
        low, colours = -high, _DIVERGING
    if not high > low:
        return [], 0.0, 0.0, _SEQUENTIAL
    maps = []
    for title, (group, places) in groups.items():
        weights = interpolation_matrix(places, size=_SIZE)
        surface = weights @ np.array(list(group.values()))
        dots = [(50 + 44 * float(x), 52 - 44 * float(y)) for x, y in places]
        maps.append(HeadMap(title, sum(group.values()), _layers(surface, low, high, colours), dots))
    return maps, low, high, colours


def _layers(
    surface: NDArray[np.float64], low: float, high: float, colours: Sequence[str]
) -> list[tuple[str, str]]:
    from contourpy import FillType, contour_generator  # noqa: PLC0415  It comes with matplotlib.

    axis = np.linspace(-1, 1, len(surface))
    generator = contour_generator(axis, axis, np.ma.masked_invalid(surface), fill_type=FillType.OuterOffset)
    edges = np.linspace(low, high, _N_LEVELS + 1)
    # The spline may go a little beyond its electrodes.
    edges[0], edges[-1] = -math.inf, math.inf
    lowest, highest = float(np.nanmin(surface)) - 1, float(np.nanmax(surface)) + 1
    layers = []
    for colour, lower, upper in zip(colours, edges[:-1], edges[1:], strict=True):
        begin, end = max(lower, lowest), min(upper, highest)
        if begin >= end:
            continue
        filled: Any = generator.filled(begin, end)  # Its type depends on the fill type.
        polygons, offsets = filled
        rings = [
            points[start:stop]
            for points, starts in zip(polygons, offsets, strict=True)
            for start, stop in pairwise(starts)
        ]
        if rings:
            layers.append((colour, "".join(map(_ring, rings))))
    return layers


def _ring(points: NDArray[np.float64]) -> str:
    x, y = 50 + 44 * points[:-1, 0], 52 - 44 * points[:-1, 1]
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)) + "Z"
