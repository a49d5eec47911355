"""Standardising within each person, the one who is tested included: transductive, and named so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.adaptation.channel_maps import ChannelMap, map_channels, moments
from physioaffect.evaluation.adaptation.per_person import PerPerson
from physioaffect.evaluation.adaptation.wrapping import by_person, kind_of

__all__ = ["PerSubjectScaled"]

# Variance over mean square; recordings in float32 resolve no less.
_CONSTANT = 1e-12


class PerSubjectScaled(PerPerson):
    """Standardise each feature within each person, then fit a model: transductive.

    A person's mean and standard deviation come from all of that person's windows that were given to ``fit``,
    labelled or not; nobody's labels are used for it. A new person must therefore be given to ``fit`` as
    ``target``. Raw windows, ``("channel", "time")``, are standardised per channel, not per sample, when they
    are gathered; covariances, for a model that ``takes_covariances``, are divided by the standard deviations
    of both channels, as if the raw windows had been standardised.

    Parameters
    ----------
    model : estimator
        Fitted on the standardised windows, in which missing features stay missing; it gets what it ``uses``.
        If it fits folds stacked, so does this where each person has the same windows in all folds.

    Attributes
    ----------
    learnt_ : dict
        What each person's windows are standardised by.

    Raises
    ------
    ProtocolError
        If a person is met in prediction who was not given to ``fit``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.array([[0.0], [2.0], [100.0], [300.0]])
    >>> people = np.array(["Ann", "Ann", "Bob", "Bob"])
    >>> model = PerSubjectScaled(LogisticRegression())
    >>> fitted = model.fit(X[:2], np.array([0, 1]), groups=people[:2], target=(X[2:], people[2:]))
    >>> fitted.predict(X[2:], groups=people[2:])
    array([0, 1])
    """

    keeps_missing = True

    def _learn_person(self, windows: Sequence[Any]) -> Any:
        kind = kind_of(self.model)
        if kind == "features":
            return _mean_and_spread(np.concatenate([np.asarray(some) for some in windows]))
        first, second = moments(windows, kind)
        variance = np.diag(second) - first**2
        # Of a constant channel rounding leaves a little, above zero or below.
        is_varied = variance > _CONSTANT * np.diag(second)
        scale = 1 / np.sqrt(np.where(is_varied, variance, 1.0))
        return ChannelMap(np.diag(scale), -scale * first)

    def _apply(self, X: Any, groups: NDArray[Any]) -> Any:
        kind = kind_of(self.model)
        if kind == "features":
            return by_person(X, groups, self._scaled)
        return map_channels(X, groups, self.learnt_, kind)

    def _scaled(self, person: Any, own: NDArray[np.float64]) -> NDArray[np.float64]:
        mean, spread = self.learnt_[person]
        return np.asarray((own - mean) / spread)


def _mean_and_spread(own: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and standard deviation of what is there; 0 and 1 where nothing is or nothing varies."""
    if not np.isfinite(own).all():
        own = np.ma.masked_invalid(own)
    mean, spread = np.ma.filled(own.mean(axis=0), 0.0), np.ma.filled(own.std(axis=0), 1.0)
    return mean, np.where(spread > 0, spread, 1.0)
