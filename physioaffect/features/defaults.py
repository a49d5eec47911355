"""The families by name, and the recipe that a data set gets when nobody asks for another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from physioaffect.errors import DataError
from physioaffect.features.bands import SEED
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.features.eda import EDA
from physioaffect.features.heart import HeartRate
from physioaffect.features.motion import Motion
from physioaffect.features.recipe import Family, Recipe
from physioaffect.features.temperature import Temperature
from physioaffect.recording import DataSet
from physioaffect.windows import Windowing

__all__ = ["FAMILIES", "default_recipe"]


def _differential_entropy(dataset: DataSet) -> DifferentialEntropy:
    return DifferentialEntropy(bands=SEED if dataset.passband is None else SEED.within(dataset.passband))


FAMILIES: dict[str, Callable[[DataSet], Family]] = {
    "de": _differential_entropy,
    "eda": lambda _: EDA(),
    "hr": lambda _: HeartRate(),
    "temperature": lambda _: Temperature(),
    "motion": lambda _: Motion(),
}


def default_recipe(
    dataset: DataSet,
    *,
    families: Sequence[str] | None = None,
    window: float | None = None,
    step: float | None = None,
) -> Recipe:
    """Make the usual recipe of a data set: its own windows, every family whose signals it has.

    Parameters
    ----------
    dataset : DataSet
        Says the windows, the signals and the band that its EEG still holds.
    families : sequence of str, optional
        Names of ``FAMILIES``. Default: all that the data set has the signals for.
    window, step : float, optional
        Length and step of the windows in seconds instead of the data set's own; a window without a step
        means no overlap.

    Raises
    ------
    DataError
        If a family is unknown, or none fits.
    """
    if families is None:
        made = [build(dataset) for build in FAMILIES.values()]
        features = tuple(family for family in made if set(family.signals) <= set(dataset.sfreqs))
    else:
        if unknown := [name for name in families if name not in FAMILIES]:
            raise DataError(f"Unknown features {unknown[0]!r}: use some of {', '.join(FAMILIES)}.")
        features = tuple(FAMILIES[name](dataset) for name in families)
        for family in features:
            if lacking := sorted(set(family.signals) - set(dataset.sfreqs)):
                raise DataError(
                    f"Features {family.name} need {', '.join(lacking)}; {dataset.title} has "
                    f"{', '.join(sorted(dataset.sfreqs))}."
                )
    if not features:
        raise DataError(
            f"No family of features fits the signals of {dataset.title}: {', '.join(dataset.sfreqs)}."
        )
    windows = Windowing(
        duration=dataset.window if window is None else window,
        step=step if step is not None or window is not None else dataset.step,
        last=dataset.last,
    )
    return Recipe(windows=windows, features=features)
