"""What networks as estimators share: reading windows, training one or all folds, predicting."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import column_or_1d, validate_data
from torch import Tensor, nn

from physioaffect.device import resolve_device
from physioaffect.errors import DataError, ProtocolError
from physioaffect.progress import Progress
from physioaffect.training import (
    Epoch,
    Replica,
    Source,
    Stack,
    Standardised,
    Trained,
    Training,
    predict,
    torch_threads,
    train,
)

from .calibrating import calibrating, of_whole_network, telling
from .embedding import Penultimate
from .folds import FoldLike, Labelled, Unlabelled, merged, together
from .inputs import About, Input, about_windows, in_order

__all__ = ["NetworkEstimator"]


class NetworkEstimator(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types.
    """What all networks share: reading windows, training one or many, predicting.

    A class says ``layout`` and `network`; its constructor keeps the arguments ``epochs``, ``batch_size``,
    ``learning_rate``, ``weight_decay``, ``patience``, ``ch_names``, ``random_state`` and ``device``.
    """

    layout: ClassVar[tuple[str, ...]]
    # Whether windows may also come as a table, (n_windows, n_features).
    takes_tables: ClassVar[bool] = False
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int | None
    ch_names: Sequence[str] | None
    random_state: int | None
    device: Any

    @abstractmethod
    def network(self, about: Input) -> nn.Module:
        """Build the network for an input, with weights drawn from torch's generator."""

    @abstractmethod
    def training(self) -> Training:
        """Say how it is trained."""

    @property
    def uses(self) -> frozenset[str]:
        """What it asks for besides ``X`` and ``y``: windows to stop early by, and to go on learning from."""
        wanted = {"checkpoint", "progress"}
        wanted |= {"validation"} if self.patience is not None else set()
        return frozenset(wanted | ({"calibration"} if self.calibration() is not None else set()))

    def calibration(self) -> Training | None:
        """Say how it goes on learning from labelled windows of the person to be tested; None: not at all."""
        return None

    def fit(  # noqa: PLR0913  The contract of models, by name.
        self,
        X: Any,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        validation: Labelled | None = None,
        target: Unlabelled | None = None,
        calibration: Labelled | None = None,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on windows.

        Parameters
        ----------
        X : array-like, DataArray or Windows, shape (n_windows, n_channels, n_last)
            Windows in the order of ``layout``. Where they name their channels, those of prediction are
            matched by name.
        y : array-like, shape (n_windows,)
            Labels.
        groups : array-like, shape (n_windows,), optional
            Person of each window.
        validation, calibration : tuple, optional
            More labelled windows ``(X, y, groups)``, for a model that ``uses`` them.
        target : tuple, optional
            Unlabelled windows ``(X, groups)`` of the people that will be tested, likewise.
        checkpoint : path, optional
            Folder from which an interrupted training goes on; emptied when it is over.
        progress : callable, optional
            Called with (name, epochs done, epochs); with "name, calibration" while what was learnt is
            calibrated.
        """
        if y is None:
            raise DataError("A network requires y to be passed, but the target y is None.")
        y = self._checked_labels(column_or_1d(y, warn=True))
        seed = self.random_state
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        windows, labels, people, rows = together(
            (X, y, None if groups is None else np.asarray(groups)),
            validation=self._checked_part(validation),
            calibration=self._checked_part(calibration),
            target=target,
        )
        self._fit_all(
            [self],
            windows,
            labels,
            [rows],
            [seed],
            groups=people,
            checkpoint=checkpoint,
            progress=progress,
        )
        if checkpoint is not None:
            for kept in checkpoint.glob("classes-*"):
                shutil.rmtree(kept)
        return self

    def fit_folds(
        self,
        X: Any,
        y: ArrayLike,
        folds: Sequence[FoldLike],
        *,
        seeds: Sequence[int],
        groups: ArrayLike | None = None,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> list[Self]:
        """Train one network a fold, all together.

        Parameters
        ----------
        X, y, groups
            All windows, as for `fit`.
        folds : sequence of Fold
            Rows of each.
        seeds : sequence of int
            One for each fold; a ``random_state`` that is not None takes the place of all.
        checkpoint, progress
            As for `fit`; but what lies in the folder is the caller's to remove, when all results are safe.

        Returns
        -------
        fitted : list of estimators
            Each equals, to rounding, `fit` on that fold's windows with that fold's seed.
        """
        if self.random_state is not None:
            seeds = [self.random_state] * len(folds)
        own = [merged(fold, self.uses) for fold in folds]
        fitted = [clone(self) for _ in folds]
        known = np.asarray(groups) if groups is not None else None
        return self._fit_all(
            fitted,
            [X],
            self._checked_labels(np.asarray(y)),
            own,
            seeds,
            groups=known,
            checkpoint=checkpoint,
            progress=progress,
        )

    def _fit_all(  # noqa: PLR0913
        self,
        estimators: list[Any],
        parts: Sequence[Any],
        y: NDArray[Any],
        folds: Sequence[FoldLike],
        seeds: Sequence[int],
        *,
        groups: NDArray[Any] | None,
        checkpoint: Path | None,
        progress: Progress | None,
    ) -> list[Any]:
        device = torch.device(resolve_device(self.device))
        training = of_whole_network(self.training())
        first_part, about = self._arranged(parts[0], is_new=True)
        windows = [first_part, *(self._arranged(part, like=about)[0] for part in parts[1:])]
        n_windows = sum(part.shape[0] for part in windows)
        for what, values in (("labels", y), ("people (groups)", groups)):
            if values is not None and len(values) != n_windows:
                raise DataError(f"There are {n_windows} windows and {len(values)} {what}.")
        source = Source(windows, device)
        people = np.unique(groups, return_inverse=True)[1] if groups is not None else None
        # Networks with different classes have different outputs and cannot be one stack.
        stacks: dict[tuple[Any, ...], list[int]] = {}
        for number, fold in enumerate(folds):
            stacks.setdefault(estimators[number]._learn_labels(y[fold.train_idx]), []).append(number)
            estimators[number]._refuse_unknown(y[self._later(fold)], fold.name)
        for classes, numbers in stacks.items():
            first = estimators[numbers[0]]
            labels, targets, n_outputs = first._targets(y, training)
            shape = Input(*about, n_outputs)
            own = [folds[number] for number in numbers]
            replicas = [
                self._replica(fold, seeds[number], labels) for fold, number in zip(own, numbers, strict=True)
            ]
            networks = [self._fresh_network(shape, replica, source) for replica in replicas]
            shared = {"labels": labels, "subjects": people, "device": device, "about": (self, shape, classes)}
            kept = checkpoint / f"classes-{numbers[0]:05d}" if checkpoint is not None else None
            trained = train(
                networks,
                source,
                targets,
                replicas,
                training,
                **shared,
                checkpoint=kept,
                progress=progress,
            )
            _take_over(networks, trained)
            if (more := self.calibration()) is not None:
                trained_again = train(
                    networks,
                    source,
                    targets,
                    [calibrating(fold, replica) for fold, replica in zip(own, replicas, strict=True)],
                    of_whole_network(more),
                    **shared,
                    checkpoint=kept and kept / "calibration",
                    progress=telling(progress),
                )
                _take_over(networks, trained_again)
            for number, network, replica, one in zip(numbers, networks, replicas, trained, strict=True):
                estimators[number]._keep(network, shape, replica, one.history)
        return estimators

    def _replica(self, fold: FoldLike, seed: int, labels: NDArray[Any]) -> Replica:  # noqa: ARG002
        """What the network of a fold learns from; a regressor also looks at the labels."""
        sees_target = "unlabelled" in self.uses
        if sees_target and len(fold.unlabelled_idx) == 0:
            raise ProtocolError(
                f"Fold {fold.name} has no unlabelled windows of the people that will be tested, from which "
                "this model learns. Pass target=(X, groups) to fit, or use a protocol that grants them, such "
                "as transductive(protocol)."
            )
        return Replica(
            name=fold.name,
            seed=int(seed),
            train=fold.train_idx,
            validation=fold.validation_idx if self.patience is not None else None,
            unlabelled=fold.unlabelled_idx if sees_target else None,
        )

    @abstractmethod
    def _checked_labels(self, y: NDArray[Any]) -> NDArray[Any]:
        """Refuse labels of another kind."""

    def _checked_part(self, part: Labelled | None) -> Labelled | None:
        """Refuse labels of another kind in windows that come beside those of training."""
        return None if part is None else (part[0], self._checked_labels(column_or_1d(part[1])), part[2])

    @abstractmethod
    def _learn_labels(self, y: NDArray[Any]) -> tuple[Any, ...]:
        """Note the labels of training; networks for which this differs cannot be one stack."""

    def _later(self, fold: FoldLike) -> NDArray[np.intp]:
        """Windows whose labels are looked at, besides those of training."""
        used = [fold.validation_idx] if self.patience is not None else []
        used += [fold.calibration_idx] if self.calibration() is not None else []
        return np.concatenate([np.empty(0, dtype=np.intp), *used])

    def _refuse_unknown(self, y: NDArray[Any], name: str) -> None:
        """Refuse labels that `_learn_labels` has not seen; of numbers none is refused."""

    @abstractmethod
    def _targets(self, y: NDArray[Any], training: Training) -> tuple[NDArray[Any], Tensor, int]:
        """Labels for samplers, targets of the loss, and outputs of the network."""

    def _fresh_network(self, shape: Input, replica: Replica, source: Source) -> Standardised:
        """Network with weights drawn from a seed, that standardises by the windows it will learn from."""
        with torch.random.fork_rng(devices=[]):
            # That of the processor alone: torch.manual_seed would also seed the user's graphics cards.
            torch.default_generator.manual_seed(
                int(np.random.SeedSequence([replica.seed, 3]).generate_state(1)[0])
            )
            network = self.network(shape)
        over_time = self.layout[-1] == "time"
        standardised = Standardised(network, (shape.n_channels, 1 if over_time else shape.n_last))
        standardised.standardise.fit(*source.moments(replica.train, over_time=over_time))
        return standardised

    def _keep(
        self,
        network: Standardised,
        shape: Input,
        replica: Replica,  # noqa: ARG002  A regressor looks at it.
        history: Sequence[Epoch],
    ) -> None:
        self.network_ = network.train(False)
        self.input_ = shape
        # As scikit-learn counts: what the second dimension holds.
        self.n_features_in_ = shape.n_channels
        self.ch_names_ = shape.ch_names
        self.history_ = tuple(history)

    def _arranged(
        self, X: Any, *, like: About | Input | None = None, is_new: bool = False
    ) -> tuple[Any, About]:
        """Windows in the order of the channels that are known by name, and what is known of them.

        ``like`` are those they must match: by default those of training, unless they are new.
        """
        X = X if hasattr(X, "shape") else np.asarray(X)
        if self.takes_tables and len(X.shape) != 3:
            X = validate_data(self, X, reset=is_new)[:, :, None]
        if like is None and not is_new:
            like = getattr(self, "input_", None)
        known = (like.ch_names if like is not None else None) or self.ch_names
        X = in_order(X, known, self.layout)
        about = about_windows(X, known, self.layout)
        if like is not None and None not in (like.sfreq, about.sfreq) and like.sfreq != about.sfreq:
            raise DataError(
                f"The network was trained on samples at {like.sfreq:g} Hz, these come at {about.sfreq:g} Hz. "
                "Resample them."
            )
        return X, about

    def outputs(self, X: Any) -> NDArray[np.float64]:
        """Raw outputs of the network, shape (n_windows, n_outputs)."""
        return self._run(X, self._fitted())

    def embed(self, X: Any) -> NDArray[np.float64]:
        """Penultimate activations, shape (n_windows, n_dims): what the network's last linear layer sees.

        Raises
        ------
        ProtocolError
            If the network does not end in a linear layer.
        """
        return self._run(X, Penultimate(self._fitted()))

    def _fitted(self) -> Standardised:
        if not hasattr(self, "network_"):
            raise NotFittedError(f"This {type(self).__name__} has not been fitted: call fit first.")
        return self.network_

    def _run(self, X: Any, network: nn.Module) -> NDArray[np.float64]:
        windows, about = self._arranged(X)
        expected = self.input_
        if (about.n_channels, about.n_last) != (expected.n_channels, expected.n_last):
            raise DataError(
                f"The network was trained on windows of {expected.n_channels} x {expected.n_last} "
                f"({' x '.join(self.layout)}), these are {about.n_channels} x {about.n_last}. Cut them alike."
            )
        if windows.shape[0] == 0:
            if network is self.network_:
                return np.empty((0, expected.n_outputs))
            raise DataError("There are no windows to embed: give one or more.")
        device = torch.device(resolve_device(self.device))
        source = Source([windows], device)
        with torch_threads(1):
            rows = torch.arange(len(source), device=device)
            values = predict(Stack([network], device), source, [rows])[0]
        if not values.isfinite().all():
            raise DataError(
                "The network gives numbers that are NaN or infinite: its training diverged, or these windows "
                "are nothing like those of training. Lower learning_rate, or look at the windows."
            )
        return np.asarray(values.double().cpu().numpy())


def _take_over(networks: Sequence[nn.Module], trained: Sequence[Trained]) -> None:
    for network, one in zip(networks, trained, strict=True):
        # Constants are no part of the state.
        network.load_state_dict(one.state, strict=False)
