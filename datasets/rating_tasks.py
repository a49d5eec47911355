"""Tasks made of a person's own ratings, alike for all data sets that have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from physioaffect.data_set import Target, Task
from physioaffect.recording import Trial

__all__ = ["rating_classes", "rating_low_high", "rating_score"]


def _of(scale: str, target: Callable[[float], Target]) -> Callable[[Trial], Target]:
    """Leave out the trials that were not rated."""
    return lambda trial: target(trial.ratings[scale]) if scale in trial.ratings else None


def rating_low_high(name: str, scale: str, *, is_high: Callable[[float], bool], rule: str) -> Task:
    """Make a binary task of a rating; the rule says in words what is low and what is high."""
    return Task(
        name=name,
        description=f"Own rating of {scale}: {rule}",
        kind="binary",
        classes=("low", "high"),
        target=_of(scale, lambda rating: "high" if is_high(rating) else "low"),
        source="rating",
    )


def rating_classes(name: str, scale: str, *, ratings: Sequence[int]) -> Task:
    """Make an ordinal task with a class for each whole rating."""
    return Task(
        name=name,
        description=f"Own rating of {scale}: {ratings[0]} to {ratings[-1]}",
        kind="ordinal",
        classes=tuple(str(rating) for rating in ratings),
        target=_of(scale, lambda rating: f"{rating:.0f}"),
        source="rating",
    )


def rating_score(name: str, scale: str) -> Task:
    """Make a regression of the rating itself."""
    return Task(
        name=name,
        description=f"Own rating of {scale} as a number",
        kind="regression",
        target=_of(scale, float),
        source="rating",
    )
