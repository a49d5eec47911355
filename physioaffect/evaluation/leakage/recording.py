"""A transformer that remembers which rows it was fitted on."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.leakage.finding import Finding

__all__ = ["RecordingProbe", "RowLog"]


class RowLog:
    """Rows that were seen in each fit; clones of an estimator write into the same one.

    ``fits`` is a list with the keys of each fit's rows.
    """

    def __init__(self) -> None:
        self.fits: list[NDArray[Any]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself, so that `sklearn.base.clone` keeps the connection."""
        return self


class RecordingProbe(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A step for a pipeline that passes its input on and records what it is fitted on.

    Put it where a step is suspected, or first of all. It has to run in the same process: a search with
    ``n_jobs=2`` keeps its records to itself.

    Parameters
    ----------
    identity : int, optional
        Column that tells the row, such as its number; it is taken out of what is passed on. Default: a row is
        known by all its values, so steps before the probe must not change them, and equal rows are one.
    log : RowLog, optional
        Where the rows are kept. Default: a new one.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> X = np.random.default_rng(0).standard_normal((10, 3))
    >>> probe = RecordingProbe()
    >>> _ = make_pipeline(probe, PCA(2)).fit(X)  # All rows, before the split.
    >>> print(probe.findings(X, test=[8, 9])[0].sentence)
    2 of 2 test rows were among the 10 rows of a fit (1 of 1 fits saw some).
    """

    def __init__(self, identity: int | None = None, log: RowLog | None = None) -> None:
        self.identity = identity
        self.log = RowLog() if log is None else log

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002  As scikit-learn calls it.
        """Record the rows of ``X``, shape (n_rows, ...)."""
        self.log.fits.append(self._keys(X))
        self.n_features_in_ = np.asarray(X).shape[1]
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Record the rows of ``X``, too."""
        return self.fit(X, y)

    def transform(self, X: Any) -> Any:
        """Pass on, without the column ``identity``."""
        if self.identity is None:
            return X
        if isinstance(X, pd.DataFrame):
            return X.drop(columns=X.columns[self.identity])
        return np.delete(np.asarray(X), self.identity, axis=1)

    def findings(self, X: Any, test: ArrayLike) -> list[Finding]:
        """Say whether test rows were among those of any fit.

        Parameters
        ----------
        X : array or DataFrame, shape (n_rows, ...)
            The whole table, as it entered the pipeline.
        test : array of int
            Positions of the test rows.

        Returns
        -------
        list of Finding
            Empty if no fit saw a test row.

        Raises
        ------
        ProtocolError
            If nothing was recorded, or rows that are not in ``X``: then they were changed before the probe,
            and nothing can be said.
        """
        if not self.log.fits:
            raise ProtocolError("The probe recorded no fit: is it in the pipeline, in the same process?")
        keys = self._keys(X)
        if strange := sum(int((~np.isin(seen, keys)).sum()) for seen in self.log.fits):
            raise ProtocolError(
                f"The probe saw {strange} rows that are not in the table: a step before it changes them. Put "
                "it first, or give it a column that tells the row (identity)."
            )
        test_idx = np.asarray(test)
        # A training row that equals a test row would be taken for it.
        others = np.setdiff1d(keys, keys[test_idx])
        asked = keys[test_idx]
        sizes = [(int(np.isin(asked, seen).sum()), len(seen)) for seen in self.log.fits]
        is_ambiguous = len(others) + len(np.unique(asked)) < len(keys)
        n_seen, n_rows = max(sizes)
        if n_seen == 0:
            return []
        n_fits = sum(n > 0 for n, _ in sizes)
        return [
            Finding(
                kind="trained_on_test",
                severity="leak",
                sentence=f"{n_seen} of {len(test_idx)} test rows were among the {n_rows} rows of a fit "
                f"({n_fits} of {len(sizes)} fits saw some)."
                + (" Some rows of the table are equal, and count as one." if is_ambiguous else ""),
                value=n_seen / len(test_idx),
            )
        ]

    def _keys(self, X: Any) -> NDArray[Any]:
        values = np.asarray(X)
        if self.identity is not None:
            return np.asarray(values[:, self.identity])
        rows = np.ascontiguousarray(values.reshape(len(values), -1).astype(float)) + 0.0
        return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
