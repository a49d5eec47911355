"""The state of a training that was interrupted, on disk."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from physioaffect.errors import RunError
from physioaffect.training.course import Course
from physioaffect.training.description import described
from physioaffect.training.settings import Training
from physioaffect.whole_file import replace_file

__all__ = ["Checkpoint", "run_key"]

# Seconds of work that an interruption may cost.
EVERY = 30.0


def run_key(
    training: Training,
    courses: Sequence[Course],
    networks: Sequence[nn.Module],
    targets: Tensor,
    device: torch.device,
    about: Any = None,
) -> str:
    """Sha256 that names a training: all that its numbers depend on, and ``about``, what its maker adds.

    That is how it is trained and on what kind of device; of each network the seed, the windows with their
    labels, people and trials, and the whole network: weights, buffers, and the settings of every layer, which
    need not show in its first weights. Of the windows' values only what networks are standardised by is
    looked at, which is part of their state.
    """
    digest = hashlib.sha256(f"{described(training)} {device.type} {described(about)}".encode())
    for course, network in zip(courses, networks, strict=True):
        replica = course.replica
        looked_at = [replica.train] if replica.validation is None else [replica.train, replica.validation]
        rows = torch.from_numpy(np.concatenate(looked_at)).to(targets.device)
        digest.update(described([replica, course.population, targets[rows], network]).encode())
    return digest.hexdigest()


@dataclass(kw_only=True)
class Checkpoint:
    """One safetensors file, replaced as a whole.

    Parameters
    ----------
    path : path
        The file.
    """

    path: Path
    _last: float = field(default_factory=time.monotonic)

    @property
    def is_due(self) -> bool:
        """Whether enough time has passed since the state was last written."""
        return time.monotonic() - self._last >= EVERY

    def save(self, tensors: Mapping[str, Tensor], told: Mapping[str, Any]) -> None:
        """Write the state.

        Raises
        ------
        RunError
            If the disk is full or the folder may not be written; what was saved before stays.
        """
        from safetensors.torch import save  # noqa: PLC0415

        # Tensors that share memory are refused by safetensors.
        plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        content = save(plain, metadata={"told": json.dumps(told)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.path, content)
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written: {error.strerror}. What was saved before is kept: make room "
                "on that disk, and train again."
            ) from error
        self._last = time.monotonic()

    def load(self, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read the state; None if there is none.

        Raises
        ------
        RunError
            If the file is of another training.
        """
        from safetensors import SafetensorError, safe_open  # noqa: PLC0415

        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                told = json.loads(file.metadata()["told"])
                # The file is no dictionary: it cannot be iterated.
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise RunError(f"{self.path} is no checkpoint of a training: {error}. Remove it.") from error
        if told.get("key") != key:
            raise RunError(
                f"{self.path} is the checkpoint of another training ({str(told.get('key'))[:12]}, here "
                f"{key[:12]}): other settings, windows, labels, seeds, weights or device. Remove it, or name "
                "another folder."
            )
        return tensors, told
