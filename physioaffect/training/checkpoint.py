"""The state of a training that was interrupted, on disk."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from physioaffect.errors import RunError
from physioaffect.training.course import Replica
from physioaffect.training.settings import Training
from physioaffect.whole_file import replace_file

__all__ = ["Checkpoint", "run_key"]

# Seconds of work that an interruption may cost.
EVERY = 30.0


def run_key(
    training: Training,
    replicas: Sequence[Replica],
    networks: Sequence[nn.Module],
    targets: Tensor,
    device: torch.device,
) -> str:
    """Sha256 that names a training: its settings, windows, labels, seeds, device, and where weights start.

    Of the windows' values only what networks are standardised by is looked at, which is part of their state.
    """
    digest = hashlib.sha256(f"{training!r} {device.type}".encode())
    for replica, network in zip(replicas, networks, strict=True):
        digest.update(f"{replica.name}/{replica.seed}/{replica.center!r}/{replica.spread!r}".encode())
        for rows in (replica.train, replica.validation, replica.unlabelled):
            digest.update(b"-" if rows is None else rows.tobytes())
        digest.update(_bytes(targets[torch.from_numpy(replica.train).to(targets.device)]))
        for name, value in network.state_dict().items():
            digest.update(f"{name} {tuple(value.shape)}".encode() + _bytes(value))
    return digest.hexdigest()


def _bytes(values: Tensor) -> bytes:
    return values.detach().cpu().contiguous().numpy().tobytes()


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
