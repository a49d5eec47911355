"""Noise of the size of a data set, and networks that are trained on it: for benchmarks."""

from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from physioaffect.graphs import HISTN_HIERARCHIES, NETWORKS, Input
from physioaffect.recording import Signal
from physioaffect.training import (
    Crops,
    CrossEntropy,
    Replica,
    Sampler,
    Shuffled,
    Source,
    Standardised,
    Training,
    train,
)
from physioaffect.windows import Windowing, Windows

__all__ = ["CPU", "Recordings", "World"]

CPU = torch.device("cpu")
DREAMER = HISTN_HIERARCHIES["V0"].ch_names


class World:
    """Windows with labels, and fresh networks for them."""

    sampler: Sampler = Shuffled()

    def __init__(
        self,
        name: str,
        shape: tuple[int, int],
        n_classes: int,
        n_windows: int,
        device: torch.device = CPU,
    ) -> None:
        rng = np.random.default_rng(0)
        self.labels = rng.integers(0, n_classes, n_windows)
        X = rng.standard_normal((n_windows, *shape), dtype=np.float32)
        self.source = Source([X], device)
        self.targets = CrossEntropy().targets(torch.from_numpy(self.labels), n_classes)
        self.model = NETWORKS[name].classifier()
        names = DREAMER if shape[0] == len(DREAMER) else None
        self.input = Input(shape[0], shape[1], names, 128.0, n_classes)

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        last = 1 if self.model.layout[-1] == "time" else self.input.n_last
        return Standardised(self.model.network(self.input), (self.input.n_channels, last))

    def epochs(
        self,
        n_folds: int,
        *,
        epochs: int = 1,
        batch_size: int = 64,
        n_windows: int | None = None,
        precision: Literal["float32", "bfloat16"] = "float32",
        **options: Any,
    ) -> None:
        """Epochs of each fold."""
        rows = np.arange(n_windows or len(self.source))
        replicas = [Replica(name=str(fold), seed=fold, train=rows) for fold in range(n_folds)]
        train(
            [self.network() for _ in replicas],
            self.source,
            self.targets,
            replicas,
            Training(
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=1e-3,
                sampler=self.sampler,
                precision=precision,
            ),
            labels=self.labels,
            device=self.source.device,
            **options,
        )


class Recordings(World):
    """The same number of places for a window, but in recordings out of which each batch is cropped."""

    sampler = Crops()

    def __init__(self, name: str, shape: tuple[int, int], n_classes: int, n_windows: int) -> None:
        super().__init__(name, shape, n_classes, 1)
        rng = np.random.default_rng(0)
        n_seconds = 1 + n_windows // (10 * 128)
        trials = [
            Signal(
                data=rng.standard_normal((shape[0], 128 * n_seconds)),
                sfreq=128.0,
                ch_names=DREAMER,
                kind="eeg",
                unit="V",
            )
            for _ in range(10)
        ]
        windows = Windows(trials, [Windowing(duration=1).intervals(trial.duration) for trial in trials])
        # A trial has one label.
        self.labels = np.repeat(np.arange(10) % n_classes, n_seconds)
        self.source = Source([windows], CPU)
        self.targets = CrossEntropy().targets(torch.from_numpy(self.labels), n_classes)
