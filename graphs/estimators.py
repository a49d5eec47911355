"""Networks as scikit-learn estimators: classifiers and regressors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from physioaffect.errors import DataError, ProtocolError
from physioaffect.training import (
    ClassLoss,
    CrossEntropy,
    Epoch,
    MeanSquaredError,
    Replica,
    Standardised,
    Training,
)

from .folds import FoldLike
from .inputs import Input
from .network_estimator import NetworkEstimator

__all__ = ["FoldLike", "Input", "NetworkClassifier", "NetworkEstimator", "NetworkRegressor"]


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that tells classes apart."""

    def loss(self) -> ClassLoss:
        """Cross-entropy, smoothed by ``label_smoothing`` if there is such an argument."""
        return CrossEntropy(smoothing=getattr(self, "label_smoothing", 0.0))

    def training(self) -> Training:
        """Adam at a constant rate, with the arguments of the constructor."""
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            loss=self.loss(),
        )

    def _checked_labels(self, y: NDArray[Any]) -> NDArray[Any]:
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise DataError("Some labels (y) are NaN or infinite. Leave these windows out.")
        check_classification_targets(y)
        return y

    def _learn_labels(self, y: NDArray[Any]) -> tuple[Any, ...]:
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ProtocolError(
                f"A classifier needs two classes to tell apart, got {len(self.classes_)} class "
                f"({', '.join(map(repr, self.classes_.tolist()))}). Add windows of another class."
            )
        return tuple(self.classes_.tolist())

    def _refuse_unknown(self, y: NDArray[Any], name: str) -> None:
        if unknown := sorted(set(y.tolist()) - set(self.classes_.tolist())):
            raise DataError(
                f"Validation or calibration windows of fold {name} are of class "
                f"{', '.join(map(repr, unknown))}; the training windows know "
                f"{', '.join(map(repr, self.classes_.tolist()))}. Leave them out, or train on that class."
            )

    def _targets(self, y: NDArray[Any], training: Training) -> tuple[NDArray[Any], Tensor, int]:
        loss = cast("ClassLoss", training.loss)
        n_classes = len(self.classes_)
        # A label that training does not know stands only where it is never looked at: it is to be predicted.
        positions = np.searchsorted(self.classes_, y).clip(max=n_classes - 1)
        return positions, loss.targets(torch.from_numpy(positions), n_classes), loss.n_outputs(n_classes)

    def predict_proba(self, X: Any, *, groups: Any = None) -> NDArray[np.float64]:  # noqa: ARG002
        """Probabilities of ``classes_``, shape (n_windows, n_classes)."""
        loss = cast("ClassLoss", self.training().loss)
        outputs = torch.from_numpy(self.outputs(X))
        return np.asarray(loss.probabilities(outputs, len(self.classes_)).numpy())

    def predict(self, X: Any, *, groups: Any = None) -> NDArray[Any]:
        """Likeliest classes, shape (n_windows,)."""
        positions = self.predict_proba(X, groups=groups).argmax(axis=1)
        likeliest: NDArray[Any] = self.classes_[positions]
        return likeliest


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that predicts numbers, as multiples of the training numbers' spread around their mean."""

    def training(self) -> Training:
        """Adam at a constant rate, with the arguments of the constructor; mean squared error."""
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            loss=MeanSquaredError(),
        )

    def _checked_labels(self, y: NDArray[Any]) -> NDArray[Any]:
        numbers = np.asarray(y, dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise DataError("Some numbers to learn (y) are NaN or infinite. Leave these windows out.")
        return numbers

    def _learn_labels(self, y: NDArray[Any]) -> tuple[Any, ...]:  # noqa: ARG002
        return ()

    def _targets(self, y: NDArray[Any], training: Training) -> tuple[NDArray[Any], Tensor, int]:  # noqa: ARG002
        return y, torch.from_numpy(y.astype(np.float32)), 1

    def _replica(self, fold: FoldLike, seed: int, labels: NDArray[Any]) -> Replica:
        own = labels[fold.train_idx]
        told = super()._replica(fold, seed, labels)
        return replace(told, center=float(own.mean()), spread=float(own.std()) or 1.0)

    def _keep(self, network: Standardised, shape: Input, replica: Replica, history: Sequence[Epoch]) -> None:
        network.scale_outputs(replica.center, replica.spread)
        super()._keep(network, shape, replica, history)

    def predict(self, X: Any, *, groups: Any = None) -> NDArray[np.float64]:  # noqa: ARG002
        """Predicted numbers, shape (n_windows,)."""
        return self.outputs(X)[:, 0]
