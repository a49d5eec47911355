"""A protocol's folds in the shape that scikit-learn takes as ``cv=``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.folds import Indices, Protocol

__all__ = ["CrossValidator", "check_coords"]


def check_coords(coords: pd.DataFrame) -> None:
    """Refuse a table from which no protocol can tell whose each window is.

    Raises
    ------
    ProtocolError
        If one of its columns is missing.
    """
    needed = {"dataset", "subject", "session", "trial", "stimulus", "window", "target"}
    if lacking := sorted(needed - set(coords)):
        raise ProtocolError(
            f"The coordinates lack {', '.join(lacking)}: a protocol has to know whose each window is. "
            "Take those of physioaffect.evaluation.make_table, or add the columns."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossValidator:
    """A protocol's folds of certain windows, as scikit-learn's ``cv=``.

    Train are all windows whose labels `evaluate` would let a model see that sets no validation apart, test
    those that it would predict. Folds do not depend on the ``y`` and ``groups`` that scikit-learn passes: the
    coordinates say both.

    Parameters
    ----------
    protocol : Protocol
        What is held out.
    coords : pandas.DataFrame
        As in `Protocol.split`.
    seed : int
        As in `evaluate`.
    """

    protocol: Protocol
    coords: pd.DataFrame
    seed: int = 0

    def __post_init__(self) -> None:
        if "unlabelled" in self.protocol.grants:
            raise ProtocolError(
                f"Protocol {self.protocol.name} lets models see the test windows without labels, which "
                "scikit-learn does not pass on: use evaluate, or the protocol without _transductive."
            )
        check_coords(self.coords)

    def split(
        self,
        X: Any = None,
        y: Any = None,  # noqa: ARG002  scikit-learn passes all three.
        groups: Any = None,  # noqa: ARG002
    ) -> Iterator[tuple[Indices, Indices]]:
        """Yield the train and test rows of each fold.

        Parameters
        ----------
        X : array_like, shape (n_windows, ...), optional
            Only its length is looked at.
        y, groups : optional
            Not looked at.

        Raises
        ------
        ProtocolError
            If ``X`` has another number of rows than the coordinates, as in a search within a fold.
        """
        n_rows = len(self.coords) if X is None else getattr(X, "shape", (len(X),))[0]
        if n_rows != len(self.coords):
            raise ProtocolError(
                f"X has {n_rows} rows and the coordinates {len(self.coords)}: they must be of the same "
                "windows. For a search within each fold use physioaffect.evaluation.Tuned."
            )
        for fold in self.protocol.split(self.coords, self.protocol.rng(self.seed)):
            yield fold.fitted_idx, fold.test_idx

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds."""
        return sum(1 for _ in self.split(X, y, groups))
