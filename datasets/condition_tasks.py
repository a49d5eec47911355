"""Tasks made of what the protocol asked for, alike for all data sets that have conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from physioaffect.data_set import Task
from physioaffect.recording import Trial

__all__ = ["condition_task"]


def _target(trial: Trial, classes: Mapping[str, str]) -> str | None:
    return classes.get(trial.condition)


def condition_task(name: str, conditions: Sequence[str] | Mapping[str, str], description: str = "") -> Task:
    """Make a task that tells conditions apart.

    Parameters
    ----------
    name : str
        Name of the task.
    conditions : sequence of str, or mapping of str to str
        The conditions, each a class of its own, or the class of each condition. Trials of other conditions
        are left out.
    description : str
        Default: the classes and their conditions.

    Examples
    --------
    >>> task = condition_task("stress", {"rest": "calm", "stroop": "stress", "sing": "stress"})
    >>> task.classes, task.description
    (('calm', 'stress'), 'calm (rest) against stress (stroop, sing)')
    """
    by_condition = dict(conditions) if isinstance(conditions, Mapping) else {c: c for c in conditions}
    classes = tuple(dict.fromkeys(by_condition.values()))
    members = {own: [c for c, of in by_condition.items() if of == own] for own in classes}
    said = [own if members[own] == [own] else f"{own} ({', '.join(members[own])})" for own in classes]
    return Task(
        name=name,
        description=description or " against ".join(said),
        kind="binary" if len(classes) == 2 else "multiclass",
        classes=classes,
        target=partial(_target, classes=by_condition),
        source="condition",
    )
