"""A recipe: windows, cleaning and features as one frozen value that makes a feature table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.data_set import DataSet
from physioaffect.errors import PhysioaffectError
from physioaffect.features.baseline import BASELINES
from physioaffect.features.smoothing import Smoothing
from physioaffect.recording import Trial
from physioaffect.windows import Intervals, Windowing

__all__ = ["Covered", "Family", "Recipe", "Step"]


class Step(Protocol):
    """A cleaning step: a frozen dataclass of settings, called on a trial."""

    name: ClassVar[str]
    version: ClassVar[int]

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with some signals replaced or added."""
        ...


class Family(Protocol):
    """A family of features: a frozen dataclass of settings, called on a trial and its windows.

    ``name`` becomes the variable in the feature table, ``signals`` are those it reads. ``version`` changes
    whenever the same settings would give other numbers. One that calls others, with settings of its own
    choice, names them in the class variable ``made_of``.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the trial's signals that the family reads."""
        ...

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute an array whose first dimension is ``window``; NaN where there is nothing to compute from.

        Its other dimensions carry coordinates, its attributes say units and estimator.
        """
        ...


class Covered(Protocol):
    """A family that tells itself how much of a window it rests on, because its signals' samples do not.

    It may also have a ``min_coverage`` of its own, a share from 0 to 1 that its definition needs, whatever
    less the recipe asks for.
    """

    def coverage(self, trial: Trial, intervals: Intervals) -> NDArray[np.float64]:
        """Share of each window, shape (n_windows,)."""
        ...


def parts_of(part: Any) -> dict[str, int]:
    """Versions, by name, of the steps and families that one is made of: when theirs rise, its numbers change.

    Those among its settings, and those that it says in ``made_of`` because it makes them itself.
    """
    inside = [getattr(part, setting.name, None) for setting in fields(part)]
    found: dict[str, int] = {}
    for one in (*inside, *getattr(part, "made_of", ())):
        if one is not None and hasattr(one, "version"):
            found |= {one.name: one.version} | parts_of(one)
    return found


def _describe(part: Step | Family | Smoothing) -> dict[str, Any]:
    about = {"name": part.name, "version": part.version, "settings": asdict(part)}  # type: ignore[call-overload]
    parts = parts_of(part)
    return about | ({"parts": parts} if parts else {})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What turns a data set into a feature table.

    Parameters
    ----------
    windows : Windowing
        How trials are cut.
    cleaning : tuple of Step
        Applied to each whole trial, in order.
    features : tuple of Family
        At least one, with different names.
    baseline : {"ratio", "subtract", "z"}, optional
        How features are made relative to those of the rest before each trial: see `remove_baseline`. The
        rest is cut into windows of the same length and step. Default: not at all.
    smoothing : tuple of MovingAverage or LDS
        Applied at the end within each trial, in order.
    """

    windows: Windowing
    cleaning: tuple[Step, ...] = ()
    features: tuple[Family, ...]
    baseline: Literal["ratio", "subtract", "z"] | None = None
    smoothing: tuple[Smoothing, ...] = ()

    def __post_init__(self) -> None:
        if self.baseline not in (None, *BASELINES):
            raise PhysioaffectError(
                f"Unknown way {self.baseline!r} to remove a baseline: use {', '.join(BASELINES)} or None."
            )
        names = [family.name for family in self.features]
        if not names or len(set(names)) < len(names):
            raise PhysioaffectError(f"A recipe needs feature families of different names, got {names}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of all signals that its features read, in order of first use."""
        return tuple(dict.fromkeys(name for family in self.features for name in family.signals))

    def to_json(self) -> str:
        """Canonical JSON: the same recipe always gives the same text."""
        described = {
            "windows": asdict(self.windows),
            "cleaning": [_describe(step) for step in self.cleaning],
            "features": [_describe(family) for family in self.features],
            "baseline": self.baseline,
            "smoothing": [_describe(smoothing) for smoothing in self.smoothing],
        }
        return json.dumps(described, sort_keys=True, separators=(",", ":"), default=str)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read back what `to_json` wrote; the text may come from a stranger.

        Families, steps and smoothings are looked up by name among those of this package, and get the settings
        that the text gives them. Nothing else is made, and nothing is run.

        Parameters
        ----------
        text : str
            JSON.

        Returns
        -------
        Recipe
            ``Recipe.from_json(recipe.to_json()) == recipe``.

        Raises
        ------
        DataError
            If the text is no recipe, or has a part, a version of a part, or a setting that this version of
            the package does not know. Functions of one's own (``EDA(decompose=...)``) are such settings.

        Examples
        --------
        >>> from physioaffect.features import Hjorth
        >>> recipe = Recipe(windows=Windowing(duration=4), features=(Hjorth(),))
        >>> Recipe.from_json(recipe.to_json()) == recipe
        True
        """
        from physioaffect.features.recipe_json import recipe_from_json  # noqa: PLC0415  It knows all families.

        return recipe_from_json(text)

    def key(self, dataset: DataSet, source_hash: str) -> str:
        """Sha256 that names what this recipe makes of these source files."""
        text = json.dumps([dataset.name, source_hash, self.to_json()])
        return hashlib.sha256(text.encode()).hexdigest()
