"""The second part of a training, in which a network goes on with windows of the person that it is for."""

from __future__ import annotations

from dataclasses import replace

from physioaffect.errors import ProtocolError
from physioaffect.progress import CALIBRATION, Progress
from physioaffect.training import Replica, Training

from .folds import FoldLike

__all__ = ["calibrating", "of_whole_network", "telling"]


def calibrating(fold: FoldLike, replica: Replica) -> Replica:
    """What the network of a fold goes on with; `ProtocolError` if the fold grants nothing."""
    if len(fold.calibration_idx) == 0:
        raise ProtocolError(
            f"Fold {fold.name} has no calibration windows, from which this model goes on learning. Use a "
            "protocol that grants some, such as calibrated_trials, or pass calibration=(X, y, groups)."
        )
    return replace(replica, train=fold.calibration_idx, validation=None, unlabelled=None)


def of_whole_network(training: Training) -> Training:
    """Name what stays as it is as the standardised network around it does."""
    return replace(training, frozen=tuple(f"network.{name}" for name in training.frozen))


def telling(progress: Progress | None) -> Progress | None:
    """Tell progress under the fold's name and `CALIBRATION`."""
    if progress is None:
        return None
    tell = progress
    return lambda name, done, total: tell(f"{name}{CALIBRATION}", done, total)
