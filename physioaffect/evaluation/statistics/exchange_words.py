"""What a small p-value says and what it does not, by what was exchanged."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.evaluation.protocols.folds import codes

__all__ = ["Level", "is_fixed_order", "what_it_tests"]

Level = Literal["trial", "stimulus", "subject"]


def is_fixed_order(trials: pd.DataFrame, labels: NDArray[Any]) -> bool:
    """Whether everyone has the same label at the same place of the session."""
    subject = codes(trials, "subject")
    if "order" not in trials or trials["order"].isna().any() or subject.max() < 1:
        return False
    places = trials.assign(_label=np.unique(labels, return_inverse=True)[1]).groupby(
        ["dataset", "session", "order"], observed=True
    )
    if len(np.unique(labels)) < 2 or (places["_label"].nunique() > 1).any():
        return False
    return bool((places["subject"].nunique() > 1).all())


def what_it_tests(
    trials: pd.DataFrame,
    labels: NDArray[Any],
    source: str,
    level: Level,
    n_distinct: float,
    n_subjects: int,
) -> str:
    """Say in words what a small p-value would show, and what not."""
    n_people = codes(trials, "subject").max() + 1
    if n_distinct < 2:
        what = {"trial": "trials of any person", "stimulus": "stimuli", "subject": "people"}[level]
        return (
            f"No test: there are no two {what} that could exchange labels and have different ones "
            f"({len(trials)} trials of {n_people} people)."
        )
    is_fixed = is_fixed_order(trials, labels)
    is_shared = bool((trials.groupby(["dataset", "stimulus"])["subject"].nunique() > 1).any())
    if level == "subject":
        parts = [
            "A small p says that people of different labels differ in their signals. All labels of a person "
            "are equal, so whatever else these people differ in is tested along with it."
        ]
    elif level == "stimulus" and source == "stimulus":
        parts = [
            "A small p says that stimuli of one label are more alike in the signals than stimuli of "
            "different labels. The map from stimuli to labels was permuted, in the same way for everyone; "
            f"{_count(n_distinct)} maps differ."
        ]
    elif level == "stimulus":
        parts = [
            "A small p says that signals and ratings go together beyond what comes from recognising stimuli: "
            "all ratings of a stimulus moved together, in the same way for everyone."
        ]
    elif is_fixed:
        parts = [
            "Everyone had the same condition at the same place of the session. A small p says that signals "
            "differ between conditions, and order, elapsed time and whatever else goes with them may be why: "
            "it tests condition, not affect."
        ]
    elif source == "condition":
        parts = ["A small p says that signals and conditions go together within people."]
    else:
        parts = ["A small p says that signals and ratings go together within people."]
        if is_shared:
            parts.append(
                "People met the same stimuli, so it may be stimuli that are recognised and not how they were "
                "felt."
            )
    if is_fixed and level == "stimulus":
        parts.append("The labels came in the same order for everyone, so order is tested along with them.")
    if "order" not in trials and level == "trial" and source == "condition":
        parts.append("Whether the conditions came in the same order for everyone is not known here.")
    if n_subjects < n_people:
        parts.append(
            f"Labels could be permuted for {n_subjects} of {n_people} people; those of the others stayed."
        )
    if n_distinct <= 1000:
        parts.append(
            f"Only {n_distinct:.0f} relabellings differ, so p can hardly fall below {1 / n_distinct:.2g}."
        )
    return " ".join(parts)


def _count(n_distinct: float) -> str:
    return f"{n_distinct:,.0f}" if math.isfinite(n_distinct) else "more than 1e15"
