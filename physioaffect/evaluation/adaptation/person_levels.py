"""Changes by the distance from each person's own level, which labelled windows tell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.wrapping import Part, Wrapper, by_person, flat, needs_features

__all__ = ["PersonLevels"]

Floats = NDArray[np.float64]


class PersonLevels(Wrapper, ABC):
    """A change by the distance of features from their person's own level: uses calibration; abstract.

    The level of the tested person is learnt from the calibration windows, that of the others from their own
    labelled ones.
    """

    own_uses = frozenset({"groups", "calibration"})

    @abstractmethod
    def _levels(self, labelled: Mapping[str, Part]) -> dict[Any, Floats]:
        """From person to level, (n_features,): of "train", "calibration" and where given "validation"."""

    @abstractmethod
    def _changed(self, X: Any, distance: Floats) -> Any:
        """Windows after the change, by ``distance`` (n_windows, n_features) from their person's level."""

    def _learn(self, parts: Mapping[str, Part]) -> None:
        needs_features(self.model, f"{self._name} subtracts from features", "Wrap a model of features.")
        if "calibration" not in parts or not len(parts["calibration"].X):
            raise ProtocolError(
                f"{self._name} needs labelled windows of the new person, got none. Pass them to fit as "
                "calibration=(X, y, groups)."
            )
        labelled = {role: parts[role] for role in ("train", "validation", "calibration") if role in parts}
        if any(part.groups is None for part in labelled.values()):
            raise ProtocolError(
                f"{self._name} needs the person of each labelled window: pass (X, y, groups)."
            )
        self.levels_ = self._levels(labelled)

    def _change(self, part: Part, role: str) -> Any:  # noqa: ARG002  All roles alike.
        if part.groups is None:
            raise ProtocolError(f"{self._name} needs the person of each window: pass groups.")
        for person in np.unique(part.groups):
            if person not in self.levels_:
                raise ProtocolError(
                    f"{self._name} has no labelled window of subject {person}. Pass some to fit as "
                    "calibration=(X, y, groups)."
                )
        distance = by_person(flat(part.X), part.groups, lambda person, own: own - self.levels_[person])
        return self._changed(part.X, distance)
