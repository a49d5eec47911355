"""Euclidean alignment: every person's channels are as loud, and as independent, on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.evaluation.adaptation.channel_maps import ChannelMap, map_channels, moments
from physioaffect.evaluation.adaptation.per_person import PerPerson
from physioaffect.evaluation.adaptation.wrapping import kind_of

__all__ = ["EuclideanAligned"]

# Of the largest eigenvalue. Directions that an average reference or a removed component has left empty hold
# the rounding of float32, some 1e-14; those of recorded EEG are far above.
_EMPTY = 1e-10


class EuclideanAligned(PerPerson):
    r"""Whiten each person's channels by that person's mean covariance, then fit a model: transductive.

    .. math:: \tilde X_i = \bar R^{-1/2} X_i, \qquad \bar R = \frac{1}{n T} \sum_{i=1}^{n} X_i X_i^\top

    over all n windows of T samples of a person that were given to ``fit``, labelled or not; nobody's labels
    are used. A new person must therefore be given to ``fit`` as ``target``. Afterwards everybody's mean
    covariance is the identity. Raw windows are aligned when they are gathered. For a model that
    ``takes_covariances`` these become :math:`\bar R^{-1/2} C_i \bar R^{-1/2}`, which are those of the aligned
    windows.

    Parameters
    ----------
    model : estimator
        A model of raw windows, layout ``("channel", "time")``, or of covariances; it gets what it ``uses``.
        If it fits folds stacked, so does this where each person has the same windows in all folds.

    Attributes
    ----------
    learnt_ : dict
        From person to `ChannelMap`.

    Raises
    ------
    ValueError
        If the model takes something else.
    DataError
        If all of a person's windows are zero.
    ProtocolError
        If a person is met in prediction who was not given to ``fit``.

    Notes
    -----
    He & Wu, IEEE Trans. Biomed. Eng. 67, 399-410, 2020, doi 10.1109/TBME.2019.2913914.

    **Deviations**

    * :math:`\bar R` is divided by the number of samples, so that the mean variance of the aligned channels
      is 1 at any length of window.
    * Directions in which a person has nothing (an average reference, a removed component), below 1e-10 of
      the largest eigenvalue, stay empty: the root is that of the pseudo-inverse.

    As in the paper no mean is removed: band-pass the recordings first, or an offset passes for loudness.

    Examples
    --------
    >>> class Power:
    ...     layout = ("channel", "time")
    ...     def get_params(self, deep=True): return {}
    ...     def fit(self, X, y): return self
    ...     def predict(self, X): return (np.asarray(X) ** 2).mean(axis=(0, 2))
    >>> loud = np.random.default_rng(0).normal(scale=[[1.0], [50.0]], size=(20, 2, 100))
    >>> one = np.full(20, "Ann")
    >>> EuclideanAligned(Power()).fit(loud, np.arange(20) % 2, groups=one).predict(loud, groups=one).round(6)
    array([1., 1.])
    """

    def _learn_person(self, windows: Sequence[Any]) -> ChannelMap:
        kind = kind_of(self.model)
        if kind == "features":
            raise ValueError(
                f"EuclideanAligned mixes channels, but {type(self.model).__name__} takes features "
                f"(layout {self.layout}). Wrap a model of layout ('channel', 'time'), or use CORAL."
            )
        values, vectors = np.linalg.eigh(moments(windows, kind).second)
        if not values[-1] > 0:
            raise DataError("All windows of a person are zero, so there is nothing to align. Leave them out.")
        is_there = values > _EMPTY * values[-1]
        whitening = (vectors[:, is_there] / np.sqrt(values[is_there])) @ vectors[:, is_there].T
        return ChannelMap(whitening, np.zeros(len(whitening)))

    def _apply(self, X: Any, groups: NDArray[Any]) -> Any:
        return map_channels(X, groups, self.learnt_, kind_of(self.model))
