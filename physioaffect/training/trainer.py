"""One trainer for one network, or for all networks of an evaluation at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any, Literal

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from torch import Tensor, nn

from physioaffect.device import check_device
from physioaffect.errors import ProtocolError, RunError
from physioaffect.progress import Progress
from physioaffect.training.checkpoint import Checkpoint
from physioaffect.training.course import Course, Replica, Trained
from physioaffect.training.group import Group
from physioaffect.training.placing import is_large, stack_size
from physioaffect.training.sampling import Population
from physioaffect.training.settings import Training
from physioaffect.training.source import Source
from physioaffect.training.threads import safe_bfloat16, torch_threads

__all__ = ["Progress", "train"]

# Called with (name of the replica, epochs that are over, epochs there are).


def train(  # noqa: PLR0913  All that training depends on, by name.
    networks: Sequence[nn.Module],
    source: Source,
    targets: Tensor,
    replicas: Sequence[Replica],
    training: Training,
    *,
    labels: NDArray[np.intp] | NDArray[np.floating],
    subjects: NDArray[np.intp] | None = None,
    device: torch.device | Literal["cpu", "cuda"] = "cpu",
    stack: int | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    about: Any = None,
) -> list[Trained]:
    """Train networks of one shape, each on windows of its own, as if each were trained alone.

    Parameters
    ----------
    networks : sequence of nn.Module
        Where each starts from; not changed.
    source : Source
        The windows, on the device.
    targets : Tensor, shape (n_windows, ...)
        What the loss compares with.
    replicas : sequence of Replica
        For each network its windows and its seed.
    training : Training
        Settings, the same for all.
    labels : ndarray, shape (n_windows,)
        Class or number of each window, for samplers that balance.
    subjects : ndarray of int, shape (n_windows,), optional
        Person of each window, for samplers that balance.
    device : torch.device or {"cpu", "cuda"}
        Where to train: where the windows are.
    stack : int, optional
        Networks that are run as one. Default: as many as pays on this device, which the network knows; no
        setting changes the numbers by more than rounding.
    checkpoint : path, optional
        Folder where the state is kept at the end of an epoch, at most every half minute; an interrupted
        training that is begun again with the same folder goes on from there and ends with the same numbers.
    progress : callable, optional
        Called with (name, epochs done, epochs).
    about : object, optional
        What else makes it this training and no other, such as an estimator with its settings, or names of
        channels: an interrupted one goes on only if this has the same values, too.

    Returns
    -------
    trained : list of Trained
        In the order of ``replicas``.

    Raises
    ------
    ProtocolError
        If a replica has fewer windows than a batch, the windows are on another device, or training diverges.
    RunError
        If the checkpoint is of another training.
    ValueError
        If the windows are on a device that is neither a processor nor CUDA.

    Examples
    --------
    >>> import torch
    >>> from physioaffect.training import CrossEntropy, Replica, Source, Training
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(32) % 2
    >>> X = rng.normal(size=(32, 3)) + labels[:, np.newaxis]
    >>> rows = np.arange(32)
    >>> folds = [Replica(name=f"without {k}", seed=k, train=rows[rows % 4 != k]) for k in range(4)]
    >>> trained = train(
    ...     [torch.nn.Linear(3, 2) for _ in folds],
    ...     Source([X], torch.device("cpu")),
    ...     CrossEntropy().targets(torch.from_numpy(labels), 2),
    ...     folds,
    ...     Training(epochs=5, batch_size=8, learning_rate=0.01),
    ...     labels=labels,
    ... )
    >>> len(trained), len(trained[0].history), sorted(trained[0].state)
    (4, 5, ['bias', 'weight'])
    """
    device = _agreed(device, source)
    populations = [_population(source, replica, labels, subjects) for replica in replicas]
    for replica, population in zip(replicas, populations, strict=True):
        if training.sampler.n_steps(population, training.batch_size) < 1:
            raise ProtocolError(
                f"Fold {replica.name} has n_samples={len(population.rows)} windows, which do not fill one "
                f"batch of {training.batch_size}: lower batch_size, or use shorter steps between windows."
            )
    size = stack if stack is not None else stack_size(networks[0], len(networks), device)
    courses = [
        Course(number=number, replica=replica, population=population, training=training)
        for number, (replica, population) in enumerate(zip(replicas, populations, strict=True))
    ]
    targets = targets.to(device)
    stopped = Event()

    def tell(name: str, done: int, total: int) -> None:
        if stopped.is_set():
            raise RunError("Another of the networks that are trained together has failed.")
        if progress is not None:
            progress(name, done, total)

    groups = [
        Group(
            networks=networks[first : first + size],
            courses=courses[first : first + size],
            source=source,
            targets=targets,
            training=training,
            device=device,
            checkpoint=Checkpoint(path=checkpoint / f"group-{first:05d}.safetensors") if checkpoint else None,
            tell=tell,
            about=about,
        )
        for first in range(0, len(networks), size)
    ]
    alone = len(groups) == 1 and is_large(networks[0], training)
    # Threads of torch's own would wait for each other more than they work in small products. Ours, one for
    # each group, are as many as the caller's joblib.parallel_config says.
    with torch_threads(torch.get_num_threads() if alone else 1), safe_bfloat16(training.precision, device):
        n_jobs = 1 if device.type == "cuda" else None
        try:
            finished = Parallel(n_jobs=n_jobs, require="sharedmem")(delayed(group.run)() for group in groups)
        finally:
            # After an error or Ctrl-C threads live on: they would go on training, and writing checkpoints.
            stopped.set()
    return [one for group in finished for one in group]


def _agreed(device: torch.device | str, source: Source) -> torch.device:
    """Where the windows are, if that is the device asked for; "cuda" is any of the graphics cards."""
    there = source.device
    if str(device) not in (there.type, str(there)):
        raise ProtocolError(
            f"Training was asked for on {str(device)!r}, but the windows are on {str(there)!r}. Name one, "
            "'cpu' or 'cuda', in both: train(..., device=...) and Source(parts, torch.device(...))."
        )
    check_device(there.type)
    return there


def _population(
    source: Source,
    replica: Replica,
    labels: NDArray[np.intp] | NDArray[np.floating],
    subjects: NDArray[np.intp] | None,
) -> Population:
    rows = replica.train
    return Population(
        rows=rows,
        labels=labels[rows],
        subjects=subjects[rows] if subjects is not None else None,
        trials=source.trials[rows] if source.trials is not None else None,
        starts=source.starts[rows] if source.starts is not None else None,
        n_times=source.window_shape[-1],
    )
