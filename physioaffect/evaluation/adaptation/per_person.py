"""Changes learnt from each person's own windows, which are the same in every fold that has them whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.wrapping import Part, Wrapper
from physioaffect.evaluation.models import FitsFolds, uses_of
from physioaffect.evaluation.protocols.folds import Fold
from physioaffect.evaluation.running.fitting import fit, seeded
from physioaffect.windows import Windows

__all__ = ["PerPerson"]


class PerPerson(Wrapper, ABC):
    """A change that is learnt from one person's windows alone, labels unseen: transductive; abstract."""

    own_uses = frozenset({"groups", "unlabelled"})

    @abstractmethod
    def _learn_person(self, windows: Sequence[Any]) -> Any:
        """What the change needs to know, from all windows of one person."""

    @abstractmethod
    def _apply(self, X: Any, groups: NDArray[Any]) -> Any:
        """Change windows of people who are in ``learnt_``."""

    def _learn(self, parts: Mapping[str, Part]) -> None:
        people = {person: None for part in parts.values() for person in np.unique(_people(part))}
        self.learnt_ = {
            person: self._learn_person(
                [
                    _take(part.X, np.flatnonzero(_people(part) == person))
                    for part in parts.values()
                    if person in _people(part)
                ]
            )
            for person in people
        }

    def _change(self, part: Part, role: str) -> Any:  # noqa: ARG002  All roles alike.
        if part.groups is None:
            raise ProtocolError(f"{self._name} needs the person of each window: pass groups.")
        for person in np.unique(part.groups):
            if person not in self.learnt_:
                raise ProtocolError(
                    f"{self._name} never saw subject {person}. Pass that person's unlabelled windows to fit "
                    "as target=(X, groups)."
                )
        return self._apply(part.X, part.groups)

    @available_if(lambda self: isinstance(self.model, FitsFolds))  # type: ignore[untyped-decorator]
    def fit_folds(
        self,
        X: Any,
        y: NDArray[Any],
        folds: Sequence[Fold],
        *,
        seeds: Sequence[int],
        groups: NDArray[Any],
        **options: Any,
    ) -> list[Any]:
        """Fit all folds at once, if each person has the same windows in all of them, else one by one.

        Parameters
        ----------
        X, y, groups : array-like, shape (n_windows, ...)
            All windows, labels and people.
        folds : sequence of Fold
            Positions in ``X``.
        seeds : sequence of int
            One a fold.
        **options
            What else the model's own ``fit_folds`` uses.

        Returns
        -------
        list
            A fitted wrapper per fold.
        """
        if not all(_holds_people_whole(fold, groups) for fold in folds):
            pairs = zip(folds, seeds, strict=True)
            return [fit(seeded(self, seed), X, y, groups, fold) for fold, seed in pairs]
        self._learn({"train": Part(X, None, groups)})
        options |= {"groups": groups} if "groups" in uses_of(self.model) else {}
        fitted = clone(self.model).fit_folds(self._apply(X, groups), y, folds, seeds=seeds, **options)
        wrapped = []
        for model in fitted:
            own = clone(self)
            own.learnt_ = self.learnt_
            own._keep(model)
            wrapped.append(own)
        return wrapped


def _take(X: Any, rows: NDArray[np.intp]) -> Any:
    return X.select(rows) if isinstance(X, Windows) else np.asarray(X)[rows]


def _people(part: Part) -> NDArray[Any]:
    assert part.groups is not None
    return part.groups


def _holds_people_whole(fold: Fold, groups: NDArray[Any]) -> bool:
    is_there = np.zeros(len(groups), dtype=bool)
    is_there[fold.fitted_idx] = is_there[fold.unlabelled_idx] = True
    return not np.isin(groups[~is_there], groups[is_there]).any()
