"""Each feature beside its distance from what it is in that person at rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.person_levels import PersonLevels
from physioaffect.evaluation.adaptation.wrapping import Part, flat

__all__ = ["CalibrationReferenced"]

Floats = NDArray[np.float64]


class CalibrationReferenced(PersonLevels):
    r"""Put each feature beside its distance from the person's own level, then fit a model: uses calibration.

    The model gets :math:`[x_w, x_w - r_p]` of a window w of person p, so that it can choose, feature by
    feature, between what holds for everybody and what is a change in one person. The reference
    :math:`r_p` of the tested person is the mean of the calibration windows; of any other person it is the
    mean of as many labelled windows with the calibration's label, such as rest, the first that there are. If
    there are several such labels it is the mean of their means, so that their shares do not matter.

    The first ones, because protocols calibrate with the beginning of a session, and rest an hour later is
    another: the distance from the mean of all of a person's rest would mean something else in training than
    in the test. So windows must come in the order of time within a person, as those of a data set do.

    The model learns from the calibration windows like from the others, unless it uses them itself.

    Parameters
    ----------
    model : estimator
        A model of features side by side, fitted on twice as many; it gets what it ``uses``. A feature that is
        missing in a window is missing twice there.

    Attributes
    ----------
    levels_ : dict
        From person to r, shape (n_features,).

    Raises
    ------
    ValueError
        If the model takes raw windows or covariances, or windows of a certain layout.
    ProtocolError
        If there are no calibration windows, or labels are numbers, or a person is met in prediction who has
        no labelled window.

    Notes
    -----
    A mean is of the windows that have the feature. Where a person has it in no window of a label, the mean
    over the people who have stands in; where nobody has, 0: the distance is then the feature itself.

    With an offset added to all of a person's features the distances stay what they are, but for people who
    borrow that person's mean.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])  # Ann and Bob, at rest and at work.
    >>> y, people = np.array([0, 1, 0, 1]), np.array(["Ann", "Ann", "Bob", "Bob"])
    >>> rest = np.array([[70.0]]), np.array([0]), np.array(["Eve"])
    >>> model = CalibrationReferenced(LogisticRegression(C=100)).fit(X, y, groups=people, calibration=rest)
    >>> {str(person): level.tolist() for person, level in model.levels_.items()}
    {'Ann': [0.0], 'Bob': [10.0], 'Eve': [70.0]}
    >>> model.predict(np.array([[70.1], [70.9]]), groups=np.array(["Eve", "Eve"]))
    array([0, 1])
    """

    keeps_missing = True

    def _levels(self, labelled: Mapping[str, Part]) -> dict[Any, Floats]:
        if self.layout is not None:
            raise ValueError(
                f"CalibrationReferenced puts features side by side, but {type(self.model).__name__} takes "
                f"windows of {' x '.join(self.layout)}. Wrap a model that takes all features as one row."
            )
        X = np.concatenate([flat(part.X) for part in labelled.values()])
        y, people = (
            np.concatenate([np.asarray(column) for column in columns])
            for columns in zip(*(part[1:] for part in labelled.values()), strict=True)
        )
        if y.dtype.kind == "f":
            raise ProtocolError(
                "CalibrationReferenced compares windows of the same label, but the labels are numbers. Use "
                "CalibrationCentred."
            )
        names = np.unique(people)
        means = []
        own_y, own_people = (np.asarray(column) for column in labelled["calibration"][1:])
        for label in np.unique(own_y):
            most = int(np.unique(own_people[own_y == label], return_counts=True)[1].max())
            firsts = [np.flatnonzero((people == name) & (y == label))[:most] for name in names]
            own = np.stack([_mean(X[rows]) for rows in firsts])
            means.append(np.where(np.isnan(own), np.nan_to_num(_mean(own)), own))
        return dict(zip(names, np.mean(means, axis=0), strict=True))

    def _changed(self, X: Any, distance: Floats) -> Floats:
        return np.concatenate([flat(X), distance], axis=1)

    def _names(self, names: Sequence[str]) -> Sequence[str]:
        return [*names, *names]


def _mean(rows: Floats) -> Floats:
    """Mean of what is there; NaN where nothing is."""
    return np.asarray(np.ma.masked_invalid(rows).mean(axis=0).filled(np.nan))
