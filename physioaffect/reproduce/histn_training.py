"""HiSTN's training as published: its choice of the best epoch, and its correction of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from torch import nn

from physioaffect.evaluation import Fold
from physioaffect.graphs import HiSTNClassifier, Input, NetworkClassifier
from physioaffect.progress import Progress
from physioaffect.reproduce.histn_windows import PublishedFold
from physioaffect.reproduce.kept_by_model import kept_by_model
from physioaffect.training import ClassLoss, Training

__all__ = ["PublishedHiSTN", "commonest_labels"]


def commonest_labels(y: NDArray[np.intp], stimuli: NDArray[np.intp]) -> NDArray[np.intp]:
    """Replace each window's label by the commonest of its clip, of equally common ones by the lowest.

    Parameters
    ----------
    y : ndarray of int, shape (n_windows,)
        Labels of people who all met the same clips.
    stimuli : ndarray of int, shape (n_windows,)
        The clips.

    Returns
    -------
    labels : ndarray of int, shape (n_windows,)

    Notes
    -----
    Called label correction in HiSTN's code. Windows are counted; as every clip gives as many for everyone,
    that is to count people.

    Examples
    --------
    >>> commonest_labels(np.array([1, 1, 4, 2, 3]), np.array([0, 0, 0, 1, 1]))
    array([1, 1, 1, 2, 2])
    """
    counts = np.zeros((int(stimuli.max()) + 1, int(y.max()) + 1), dtype=np.intp)
    np.add.at(counts, (stimuli, y), 1)
    labels: NDArray[np.intp] = counts.argmax(axis=1)[stimuli]
    return labels


class PublishedHiSTN(NetworkClassifier):
    """A `HiSTNClassifier` that reads what a `PublishedFold` says besides its windows.

    It stops by ``stop_idx``, corrects the labels of training where ``stimuli`` are known, and has an output
    for each class of the task, whichever a person used.

    Parameters
    ----------
    model : HiSTNClassifier
        All other settings.
    n_classes : int
        Classes of the task; labels are from 0.
    is_pretrained : bool
        Whether it learns from the other people; otherwise from the calibration windows alone.
    """

    layout = ("channel", "time")
    __getattr__ = kept_by_model

    def __init__(self, model: HiSTNClassifier, *, n_classes: int = 5, is_pretrained: bool = True) -> None:
        self.model = model
        self.n_classes = n_classes
        self.is_pretrained = is_pretrained

    @property
    def uses(self) -> frozenset[str]:
        """What the model uses; calibration windows, too, if it learns from nothing else."""
        return super().uses | (set() if self.is_pretrained else {"calibration"})

    def network(self, about: Input) -> nn.Module:
        """Build the model's network."""
        return self.model.network(about)

    def loss(self) -> ClassLoss:
        """The model's."""
        return self.model.loss()

    def training(self) -> Training:
        """As the model says."""
        return self.model.training()

    def calibration(self) -> Training | None:
        """As the model says."""
        return self.model.calibration()

    def fit_folds(
        self,
        X: Any,
        y: ArrayLike,
        folds: Sequence[Fold],  # type: ignore[override]
        *,
        seeds: Sequence[int],
        groups: ArrayLike | None = None,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> list[Any]:
        """Train one network a fold."""
        y = np.asarray(y)
        own = [self._own(fold) for fold in folds]
        options: dict[str, Any] = {"groups": groups, "progress": progress}
        if not any(isinstance(fold, PublishedFold) and fold.stimuli is not None for fold in own):
            return super().fit_folds(X, y, own, seeds=seeds, checkpoint=checkpoint, **options)

        def fit(fold: Fold, seed: int) -> Any:
            labels = y
            if isinstance(fold, PublishedFold) and fold.stimuli is not None:
                labels, rows = y.copy(), fold.train_idx
                labels[rows] = commonest_labels(y[rows], fold.stimuli[rows])
            kept = checkpoint / f"fold-{fold.name}" if checkpoint is not None else None
            # The labels of a fold are its own, so that folds cannot be trained as one.
            return NetworkClassifier.fit_folds(
                clone(self), X, labels, [fold], seeds=[seed], checkpoint=kept, **options
            )[0]

        jobs = zip(own, seeds, strict=True)
        return list(Parallel(require="sharedmem")(delayed(fit)(fold, seed) for fold, seed in jobs))

    def _own(self, fold: Fold) -> Fold:
        """Put windows where the model looks for them."""
        if not isinstance(fold, PublishedFold):
            return fold
        if not self.is_pretrained:
            return replace(fold, train_idx=fold.calibration_idx, calibration_idx=fold.stop_idx, stimuli=None)
        return replace(fold, validation_idx=fold.stop_idx)

    def _learn_labels(self, y: NDArray[Any]) -> tuple[Any, ...]:
        seen = super()._learn_labels(y)
        self.classes_ = np.arange(max(self.n_classes, int(seen[-1]) + 1))
        return tuple(self.classes_.tolist())
