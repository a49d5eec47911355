"""A teacher: a small network that reads valence and arousal off maps of the head, and lends its features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from torch import nn

from physioaffect.device import Device, resolve_device
from physioaffect.distill.map_input import checked_ratings, filled, images_of, moments_of
from physioaffect.distill.teacher_network import MapEmbedding, MapNetwork
from physioaffect.errors import DataError, ProtocolError
from physioaffect.progress import Progress
from physioaffect.training import (
    ConcordanceAndError,
    Cosine,
    Epoch,
    Replica,
    Source,
    Stack,
    Standardised,
    Training,
    predict,
    torch_threads,
    train,
)

__all__ = ["MapTeacher"]

# What random numbers are for, so that none is used twice; the trainer has 0 to 2.
_WEIGHTS, _PEOPLE = 3, 4


class MapTeacher(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """`MapNetwork` as a scikit-learn regressor of valence and arousal, stopped by people held out.

    Parameters
    ----------
    n_dims, dropout, noise, consistency, ramp
        As for `MapNetwork`.
    validation_share : float
        Share of the people who are held out for early stopping, one at least.
    epochs : int
        Passes over the training maps, at most.
    batch_size : int
        Maps a step; the concordance is that of a batch.
    learning_rate : float
        Of AdamW in the first epoch; it falls to zero along half a cosine.
    weight_decay : float
        Strength of it.
    patience : int, optional
        Epochs without a smaller loss on the held-out people after which training stops, to keep the best.
        None: all epochs; people are held out all the same.
    random_state : int, optional
        Seed of the people held out, the first weights, the batches, the noise and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Attributes
    ----------
    people_, validation_people_ : tuple of str
        Who it learned from, and who was held out.
    history_ : tuple of Epoch
        Loss of each epoch, and loss on the held-out people.
    network_ : Standardised
        The network, with the mean map and the bands' deviations of the training people in it.

    Notes
    -----
    The teacher of NeuroGaze-Distill (arXiv 2509.11916) is published by its input, maps of bands, and its
    targets only; network, loss and training are our choices. The network's input is standardised by the mean
    map, and each band by one standard deviation, of the training people; where a map is NaN, as outside the
    head, the network sees 0.

    Unlabelled maps are standardised by their own mean map and deviations, since they may come from another
    device or other people: a difference that all of them share would be an easy way to tell them from the
    others, and to agree on a constant for them. They must not be those of anyone who is to be predicted
    later. Agreement alone is reached best by saying nothing: a large ``consistency`` draws what is predicted
    towards a constant. On maps with a planted effect and few labels we found no gain from unlabelled maps: a
    concordance of 0.787 without, 0.784 at a weight of 0.1 and 0.754 at 1. Ask the held-out people.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ratings = rng.uniform(-1, 1, size=(400, 2))
    >>> maps = np.broadcast_to(ratings[:, None, None], (400, 8, 8, 2)) + rng.normal(size=(400, 8, 8, 2))
    >>> teacher = MapTeacher(epochs=3, batch_size=25, random_state=0)
    >>> teacher = teacher.fit(maps, ratings, groups=np.repeat(["a", "b", "c", "d"], 100))
    >>> teacher.predict(maps).shape, teacher.embed(maps).shape
    ((400, 2), (400, 256))
    """

    layout: ClassVar[tuple[str, ...]] = ("y", "x", "band")

    network_: Standardised
    history_: tuple[Epoch, ...]
    people_: tuple[str, ...]
    validation_people_: tuple[str, ...]

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_dims: int = 256,
        dropout: float = 0.3,
        noise: float = 0.3,
        consistency: float = 0.1,
        ramp: float = 0.4,
        validation_share: float = 0.25,
        epochs: int = 60,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        patience: int | None = 10,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.n_dims = n_dims
        self.dropout = dropout
        self.noise = noise
        self.consistency = consistency
        self.ramp = ramp
        self.validation_share = validation_share
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.random_state = random_state
        self.device: Device = device

    def training(self) -> Training:
        """Say how it is trained."""
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            optimiser="adamw",
            weight_decay=self.weight_decay,
            schedule=Cosine(),
            patience=self.patience,
            loss=ConcordanceAndError(),
        )

    def build(self, n_bands: int, size: int) -> Standardised:
        """Build the network for maps of so many bands and pixels, with weights from torch's generator."""
        network = MapNetwork(
            n_bands=n_bands,
            size=size,
            n_dims=self.n_dims,
            dropout=self.dropout,
            noise=self.noise,
            consistency=self.consistency,
            ramp=self.ramp,
        )
        return Standardised(network, (n_bands, size, size))

    def fit(
        self,
        maps: Any,
        ratings: ArrayLike,
        *,
        groups: ArrayLike,
        unlabelled: Any = None,
        validation: Sequence[str] | None = None,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on maps of several people.

        Parameters
        ----------
        maps : array-like or DataArray, shape (n, size, size) or (n, size, size, n_bands)
            As `physioaffect.features.topomap.topographic_maps` or the family ``topomap`` gives them; NaN
            where nothing is known.
        ratings : array-like, shape (n, 2)
            Valence and arousal in [-1, 1]; see `scaled_ratings`.
        groups : array-like, shape (n,)
            Person of each map.
        unlabelled : array-like or DataArray, shape (n_new, size, size[, n_bands]), optional
            Maps without ratings, to be seen alike under two noises.
        validation : sequence of str, optional
            The people to hold out. Default: drawn by ``random_state``.
        checkpoint, progress
            As for `physioaffect.training.train`.

        Raises
        ------
        DataError
            If maps, ratings and people do not fit each other, or a map has no value.
        ProtocolError
            If there are fewer than two people, or fewer training maps than a batch.
        """
        images = images_of(maps)
        numbers = checked_ratings(ratings, len(images))
        people = np.asarray(groups).astype(str)
        if people.shape != (len(images),):
            raise DataError(f"There are {len(images)} maps and people (groups) of shape {people.shape}.")
        seed = self.random_state
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        held_out = self._held_out(np.unique(people), validation, seed)
        is_held_out = np.isin(people, held_out)
        rows = np.flatnonzero(~is_held_out)
        device = torch.device(resolve_device(self.device))
        mean, deviation = moments_of(images, rows)
        parts = [filled(images, mean)]
        if unlabelled is not None and len(unlabelled):
            parts.append(_aligned(_same_shape(images_of(unlabelled), images.shape[1:]), mean, deviation))
        source = Source(parts, device)
        n_new = len(source) - len(images)
        replica = Replica(
            name="of the teacher",
            seed=int(seed),
            train=rows,
            validation=np.flatnonzero(is_held_out) if self.patience is not None else None,
            unlabelled=len(images) + np.arange(n_new) if n_new else None,
        )
        with torch.random.fork_rng(devices=[]):
            # That of the processor alone: torch.manual_seed would also seed the user's graphics cards.
            torch.default_generator.manual_seed(
                int(np.random.SeedSequence([seed, _WEIGHTS]).generate_state(1)[0])
            )
            network = self.build(images.shape[1], images.shape[2])
        network.standardise.fit(torch.from_numpy(mean), torch.from_numpy(deviation))
        # Of unlabelled maps the ratings are never looked at.
        targets = np.concatenate([numbers, np.zeros((n_new, 2), dtype=np.float32)])
        (trained,) = train(
            [network],
            source,
            torch.from_numpy(targets),
            [replica],
            self.training(),
            labels=targets[:, 0],
            device=device,
            checkpoint=checkpoint,
            progress=progress,
        )
        network.load_state_dict(trained.state, strict=False)
        self.network_ = network.train(False)
        self.history_ = trained.history
        self.people_ = tuple(np.unique(people[rows]).tolist())
        self.validation_people_ = tuple(held_out.tolist())
        return self

    def _held_out(
        self, people: NDArray[np.str_], wanted: Sequence[str] | None, seed: int
    ) -> NDArray[np.str_]:
        if wanted is not None:
            held_out = np.unique(np.asarray(wanted).astype(str))
            if unknown := sorted(set(held_out.tolist()) - set(people.tolist())):
                raise DataError(
                    f"{', '.join(unknown)} cannot be held out: there are maps of {', '.join(people[:50])}."
                )
        elif not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share must be above 0 and below 1, got {self.validation_share}.")
        else:
            rng = np.random.default_rng(np.random.SeedSequence([seed, _PEOPLE]))
            n_held_out = max(1, round(self.validation_share * len(people)))
            held_out = np.sort(rng.permutation(people)[:n_held_out])
        if not 0 < len(held_out) < len(people):
            raise ProtocolError(
                f"A teacher learns from some people and is stopped by others; of {len(people)} people "
                f"{len(held_out)} would be held out. Give maps of two people or more, and hold out fewer "
                "than all."
            )
        return held_out

    def predict(self, maps: Any) -> NDArray[np.float32]:
        """Valence and arousal of maps, (n, size, size[, n_bands]) -> (n, 2), cut to [-1, 1]."""
        return np.clip(self._run(self._fitted(), maps, 2), -1, 1)

    def embed(self, maps: Any) -> NDArray[np.float32]:
        """Penultimate features of maps, (n, size, size[, n_bands]) -> (n, n_dims), each row of length 1."""
        features = self._run(MapEmbedding(self._fitted()), maps, self.n_dims)
        length = np.linalg.norm(features, axis=1, keepdims=True)
        embedded: NDArray[np.float32] = features / np.maximum(length, np.finfo(np.float32).tiny)
        return embedded

    def save(self, path: Path | str) -> Path:
        """Write it to a file, as `save_teacher`."""
        from physioaffect.distill.teacher_saving import save_teacher  # noqa: PLC0415  It imports this.

        return save_teacher(self, path)

    @classmethod
    def load(cls, path: Path | str) -> MapTeacher:
        """Read it from a file, as `load_teacher`."""
        from physioaffect.distill.teacher_saving import load_teacher  # noqa: PLC0415

        return load_teacher(path)

    def _fitted(self) -> Standardised:
        if not hasattr(self, "network_"):
            raise NotFittedError("This MapTeacher has not been fitted: call fit first.")
        return self.network_

    def _run(self, network: nn.Module, maps: Any, n_numbers: int) -> NDArray[np.float32]:
        mean = self.network_.standardise.mean.cpu().numpy()
        images = _same_shape(images_of(maps), mean.shape)
        if len(images) == 0:
            return np.empty((0, n_numbers), dtype=np.float32)
        device = torch.device(resolve_device(self.device))
        source = Source([filled(images, mean)], device)
        with torch_threads(1):
            values = predict(Stack([network], device), source, [torch.arange(len(source), device=device)])[0]
        return np.asarray(values.cpu().numpy())


def _aligned(
    images: NDArray[np.float32], mean: NDArray[np.float32], deviation: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Maps of other people moved to this mean map and these deviations, NaN where they were."""
    own_mean, own_deviation = moments_of(images, np.arange(len(images)))
    scale = np.where(own_deviation > 0, deviation / np.maximum(own_deviation, 1e-30), 1)
    aligned: NDArray[np.float32] = (filled(images, own_mean) - own_mean) * scale + mean
    return aligned


def _same_shape(images: NDArray[np.float32], expected: tuple[int, ...]) -> NDArray[np.float32]:
    if images.shape[1:] != expected:
        (n_bands, size, _), (own_bands, own_size, _) = expected, images.shape[1:]
        raise DataError(
            f"The teacher learns from maps of {size} x {size} pixels and {n_bands} bands, these have "
            f"{own_size} x {own_size} pixels and {own_bands} bands. Make them alike."
        )
    return images
