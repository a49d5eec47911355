"""A new person's own level, from a few labelled windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.adaptation.person_levels import PersonLevels
from physioaffect.evaluation.adaptation.wrapping import Part, by_person, flat, like

__all__ = ["CalibrationCentred"]

Floats = NDArray[np.float64]


class CalibrationCentred(PersonLevels):
    r"""Subtract each person's own level from the features, then fit a model: uses calibration.

    A window w of person p is taken for :math:`x_w = a_p + b_{y_w} +` noise. The effects b of the labels are
    those within the training people (least squares); a person's level is then
    :math:`a_p = \overline{x_w - b_{y_w}}` over that person's labelled windows: for the tested person those of
    calibration, for the others all of their own. So a few windows of one class, such as a minute of rest, do
    for a new person, although the others' levels come from all classes; the mean of rest alone would shift
    the new person against them.

    The model learns from the calibration windows like from the others, unless it uses them itself.

    Parameters
    ----------
    model : estimator
        A model of features, fitted on the centred ones; it gets what it ``uses``.

    Attributes
    ----------
    effects_ : ndarray, shape (n_classes, n_features) or (1, n_features)
        The b of each class (up to what all share), or for numbers as labels the slope.
    levels_ : dict
        From person to a.

    Raises
    ------
    ValueError
        If the model takes raw windows or covariances.
    ProtocolError
        If there are no calibration windows, or a person is met in prediction who has none.

    Notes
    -----
    The within estimator of a two-way model without interaction; see Mundlak, Econometrica 46, 69-85, 1978,
    doi 10.2307/1913646. Labels of validation windows serve for their people's levels.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])  # Ann and Bob, at rest and at work.
    >>> y, people = np.array([0, 1, 0, 1]), np.array(["Ann", "Ann", "Bob", "Bob"])
    >>> rest = np.array([[70.0]]), np.array([0]), np.array(["Eve"])
    >>> model = CalibrationCentred(LogisticRegression(C=100)).fit(X, y, groups=people, calibration=rest)
    >>> model.predict(np.array([[70.1], [70.9]]), groups=np.array(["Eve", "Eve"]))
    array([0, 1])
    """

    def _levels(self, labelled: Mapping[str, Part]) -> dict[Any, Floats]:
        train = labelled["train"]
        is_number = np.asarray(train.y).dtype.kind == "f"
        y = [np.asarray(part.y) for part in labelled.values()]
        self._classes = None if is_number else np.unique(np.concatenate(y))
        within = [_within(values, train.groups) for values in (self._coded(train.y), flat(train.X))]
        self.effects_: Floats = np.linalg.lstsq(*within)[0]
        rest = np.concatenate(
            [flat(part.X) - self._coded(part.y) @ self.effects_ for part in labelled.values()]
        )
        people = np.concatenate([np.asarray(part.groups) for part in labelled.values()])
        return {person: rest[people == person].mean(axis=0) for person in np.unique(people)}

    def _coded(self, y: Any) -> Floats:
        """Indicators of the classes, or the numbers, (n_windows, n_effects)."""
        if self._classes is None:
            return np.asarray(y, dtype=np.float64)[:, np.newaxis]
        return np.asarray(np.equal.outer(y, self._classes), dtype=np.float64)

    def _changed(self, X: Any, distance: Floats) -> Any:
        return like(X, distance.reshape(X.shape))


def _within(values: Floats, groups: Any) -> Any:
    return by_person(values, groups, lambda _, own: own - own.mean(axis=0))
