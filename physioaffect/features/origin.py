"""What a model learned from, so that it can be given the same of another recording."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from physioaffect.errors import DataError
from physioaffect.features.recipe import Recipe

__all__ = ["Origin"]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The recordings and the recipe that a model's windows came from, and what its classes mean.

    Parameters
    ----------
    recipe : Recipe
        Windows, cleaning and features.
    ch_names : tuple of str
        Electrodes of the recordings, in their order, before cleaning.
    sfreq : float
        Their sampling rate in Hz, before cleaning.
    unit : str
        Their unit, as in `physioaffect.recording.Signal`.
    dataset, task : str
        What the recordings and the labels are called.
    classes : tuple of str
        Names of the model's classes 0, 1, and so on; empty for numbers, and where the model's own classes are
        the names.

    Examples
    --------
    >>> from physioaffect.features import Hjorth
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=4), features=(Hjorth(),))
    >>> origin = Origin(recipe=recipe, ch_names=("F3", "F4"), sfreq=128, classes=("calm", "tense"))
    >>> Origin.from_json(origin.to_json()) == origin
    True
    """

    recipe: Recipe
    ch_names: tuple[str, ...]
    sfreq: float
    unit: str = "V"
    dataset: str = ""
    task: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.ch_names or len(set(self.ch_names)) < len(self.ch_names):
            raise ValueError(f"A recording has one or more channels of different names, got {self.ch_names}.")
        if not self.sfreq > 0:
            raise ValueError(f"The sampling rate must be above 0 Hz, got {self.sfreq}.")

    def named(self, classes: list[Any]) -> tuple[str, ...]:
        """Names of a model's classes, which are places in ``classes`` where there are such.

        Raises
        ------
        DataError
            If a class is no such place.
        """
        if not self.classes:
            return tuple(map(str, classes))
        if not all(isinstance(number, int) and 0 <= number < len(self.classes) for number in classes):
            raise DataError(
                f"The model's classes are {', '.join(map(str, classes))}; expected numbers from 0 to "
                f"{len(self.classes) - 1}, the places of {', '.join(self.classes)}."
            )
        return tuple(self.classes[number] for number in classes)

    def to_json(self) -> str:
        """JSON, with the recipe as an object of its own."""
        told = asdict(self) | {"recipe": json.loads(self.recipe.to_json())}
        return json.dumps(told, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Origin:
        """Read back what `to_json` wrote; the text may come from a stranger.

        Raises
        ------
        DataError
            If it is not that, or the recipe is none that `Recipe.from_json` knows.
        """
        try:
            told = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"What the model learned from is no JSON: {error}.") from error
        expected = {field.name for field in fields(cls)}
        if not isinstance(told, dict) or set(told) != expected:
            found = ", ".join(sorted(told)) if isinstance(told, dict) else type(told).__name__
            raise DataError(
                f"What a model learned from is told by {', '.join(sorted(expected))}, got {found[:200]}."
            )
        for name in ("ch_names", "classes"):
            if not isinstance(told[name], list) or not all(isinstance(item, str) for item in told[name]):
                raise DataError(f"{name} of what a model learned from are names, got {told[name]!r:.200}.")
        for name in ("unit", "dataset", "task"):
            if not isinstance(told[name], str):
                raise DataError(f"{name} of what a model learned from is a text, got {told[name]!r:.200}.")
        if not isinstance(told["sfreq"], int | float):
            raise DataError(f"sfreq of what a model learned from is a number, got {told['sfreq']!r:.200}.")
        recipe = Recipe.from_json(json.dumps(told.pop("recipe")))
        try:
            return cls(
                recipe=recipe,
                ch_names=tuple(told.pop("ch_names")),
                classes=tuple(told.pop("classes")),
                **told,
            )
        except ValueError as error:
            raise DataError(f"What the model learned from cannot be: {error}") from error
