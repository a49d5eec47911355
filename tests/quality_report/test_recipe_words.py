"""A recipe in words: everything that was done, in order, with its settings."""

from dataclasses import dataclass, field
from typing import ClassVar

from physioaffect.features import EDA, Recipe
from physioaffect.features.smoothing import MovingAverage
from physioaffect.quality_report.recipe_words import parts_of
from physioaffect.recording import Trial
from physioaffect.windows import Windowing


@dataclass(frozen=True)
class Rules:
    """Limits."""

    lowest_g: float = 0.5
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mark:
    """Marks the ``eda``.

    And more.
    """

    name: ClassVar[str] = "mark"
    version: ClassVar[int] = 3

    rules: Rules | None = field(default_factory=Rules)
    edges: tuple[float, float] = (1.0, 2.5)

    def __call__(self, trial: Trial) -> Trial:
        return trial


def test_parts_come_in_order_with_their_settings():
    recipe = Recipe(
        windows=Windowing(duration=30, last=90, min_coverage=0.5),
        cleaning=(Mark(), Mark(rules=None)),
        features=(EDA(),),
        baseline="subtract",
        smoothing=(MovingAverage(n_windows=3, causal=True),),
    )
    parts = parts_of(recipe)
    assert [part.what for part in parts] == [
        "cleaning",
        "cleaning",
        "windows",
        "features",
        "baseline",
        "smoothing",
    ]
    assert parts[0] == (
        "cleaning",
        "mark, version 3",
        "Marks the eda.",
        "rules (lowest g 0.5; only none); edges 1, 2.5",
    )
    assert parts[1].settings == "rules none; edges 1, 2.5"
    assert parts[2].about == (
        "30 s, a new one every 30 s, of the last 90 s of a session; a family of features is missing where "
        "less than 50 % of a window is usable"
    )
