"""The way of a student through its epochs."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from physioaffect.distill.augmentation import augment
from physioaffect.distill.losses import (
    class_loss,
    class_variances,
    distillation_loss,
    geometry_loss,
    late_cosine,
    prototype_loss,
    running_cap,
)
from physioaffect.distill.scores import confusions, scores_of_confusions
from physioaffect.distill.student_network import Outputs, StudentNetwork
from physioaffect.distill.student_settings import StudentSettings
from physioaffect.errors import ProtocolError
from physioaffect.training import Cosine
from physioaffect.training.checkpoint import Checkpoint
from physioaffect.training.threads import no_denormals, safe_bfloat16

__all__ = ["Course", "Known", "StudentEpoch", "logits_and_features", "run"]

# What random numbers are for; 1 and 2 are the first weights.
_ORDER, _CHANGES, _NOISE = 3, 4, 5
_AT_ONCE = 256
# Steps after which to see whether the loss is still a number; on a graphics card looking costs a wait.
_LOOK = 20
LOSSES = ("loss", "class_loss", "distillation_loss", "prototype_loss", "geometry_loss")


class StudentEpoch(NamedTuple):
    """Mean losses of an epoch's batches (unweighted, 0 where switched off), and the validation after it.

    ``loss`` is the weighted sum that was made small; ``geometry_weight`` how far the ramp has got.
    """

    loss: float
    class_loss: float
    distillation_loss: float
    prototype_loss: float
    geometry_loss: float
    geometry_weight: float
    validation_loss: float
    validation_macro_f1: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Faces on the device, a row each, and what is known of them.

    ``images`` uint8 (n, n_channels, size, size), ``targets`` (n, n_classes), ``labels`` (n,);
    ``teacher_logits`` (n, n_classes) and ``cell_targets`` (n, n_cells) where the losses need them.
    """

    images: Tensor
    targets: Tensor
    labels: Tensor
    teacher_logits: Tensor | None = None
    cell_targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(kw_only=True, eq=False)
class Course:
    """Where a student is on its way, and all that it depends on."""

    network: StudentNetwork
    settings: StudentSettings
    train: Known
    validation: Known | None
    positive: tuple[int, ...]
    class_weights: Tensor | None
    prototypes: Tensor | None
    seed: int
    device: torch.device
    history: list[StudentEpoch] = field(default_factory=list)
    best_epoch: int = -1
    best_state: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = self.settings
        # Decay is a pull towards 0, which means nothing for a shift, and is undone by what follows a scale.
        groups: dict[bool, list[Tensor]] = {True: [], False: []}
        for weight in self.network.parameters():
            groups[weight.ndim > 1].append(weight)
        self._weights = [*groups[True], *groups[False]]
        self.adam = torch.optim.AdamW(
            [
                {"params": groups[True], "weight_decay": settings.weight_decay},
                {"params": groups[False], "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            fused=True,
        )
        self.cap = torch.full((), math.nan, device=self.device)

    @property
    def dtype(self) -> torch.dtype:
        """Of the products inside the network."""
        wanted = self.settings.precision
        is_half = wanted == "bfloat16" or (wanted == "auto" and self.device.type == "cuda")
        return torch.bfloat16 if is_half else torch.float32

    def losses(self, outputs: Outputs, rows: Tensor, weight: float) -> Tensor:
        """Total and parts for a batch, shape (5,), in the order of ``LOSSES``; moves the cap on."""
        settings, train = self.settings, self.train
        logits = outputs.logits.float()
        nothing = logits.new_zeros(())
        parts = [
            class_loss(
                logits,
                train.targets[rows],
                smoothing=settings.smoothing,
                class_weights=self.class_weights,
            ),
            nothing,
            nothing,
            nothing,
        ]
        if train.teacher_logits is not None:
            parts[1] = distillation_loss(
                logits,
                train.teacher_logits[rows],
                temperature=settings.temperature,
                kind=settings.kd_kind,
            )
        if train.cell_targets is not None and self.prototypes is not None:
            assert outputs.projected is not None  # Made with the prototypes.
            parts[2] = prototype_loss(
                outputs.projected.float(), self.prototypes, train.cell_targets[rows], tau=settings.tau
            )
        if weight > 0:
            labels, features = train.labels[rows], outputs.features.float()
            n_classes = logits.shape[1]
            self.cap = running_cap(self.cap, class_variances(features.detach(), labels, n_classes))
            chances = logits.detach().softmax(dim=1)[:, list(self.positive)].sum(dim=1)
            parts[3] = geometry_loss(
                features,
                labels,
                self.positive,
                n_classes=n_classes,
                cap=self.cap,
                margin=settings.margin,
                included=chances >= settings.gate,
            )
        total = parts[0] + settings.kd * parts[1] + settings.proto * parts[2] + weight * parts[3]
        return torch.stack([total, *parts])

    def epoch(self) -> None:
        """Go through the training images once, in an order that depends on seed and epoch only."""
        settings, number = self.settings, len(self.history)
        n_batch = min(settings.batch_size, len(self.train))
        order = torch.from_numpy(self._rng(_ORDER, number).permutation(len(self.train))).to(self.device)
        n_steps = len(self.train) // n_batch
        rate = settings.learning_rate * Cosine()(number, settings.epochs)
        for group in self.adam.param_groups:
            group["lr"] = rate
        weight = settings.geometry * late_cosine(number, *settings.ramp)
        total = torch.zeros(len(LOSSES), device=self.device)
        # For networks that draw themselves, such as Swin, which skips layers at random.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, _NOISE, number]).generate_state(1)[0]))
        self.network.train()
        for step in range(n_steps):
            rows = order[step * n_batch : (step + 1) * n_batch]
            images = augment(
                self.train.images[rows], settings.augmentation, self._rng(_CHANGES, number, step)
            )
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                outputs = self.network(images)
            losses = self.losses(outputs, rows, weight)
            losses[0].backward()  # type: ignore[no-untyped-call]  # So in torch.
            torch.nn.utils.clip_grad_norm_(self._weights, settings.clip)
            self.adam.step()
            self.adam.zero_grad(set_to_none=True)
            total += losses.detach()
            if (step + 1) % _LOOK == 0 or step + 1 == n_steps:
                self._check(total, number, step)
        found = self._validate()
        self.history.append(StudentEpoch._make([*(total / n_steps).tolist(), weight, *found]))
        is_best = self.best_epoch < 0 or found[1] > self.history[self.best_epoch].validation_macro_f1
        # Without validation there is nothing to choose by: the last epoch counts.
        if is_best or self.validation is None:
            self.best_epoch = number
            self.best_state = copy.deepcopy(self.network.state_dict())

    def _rng(self, *uses: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.seed, *uses]))

    def _check(self, total: Tensor, number: int, step: int) -> None:
        values = total.tolist()
        if not all(map(math.isfinite, values)):
            wrong = [name for name, value in zip(LOSSES, values, strict=True) if not math.isfinite(value)]
            raise ProtocolError(
                f"Training diverged in epoch {number + 1}, by step {step + 1}: {', '.join(wrong)} is no "
                "number. Lower learning_rate, or use precision='float32'."
            )

    def _validate(self) -> tuple[float, float]:
        if self.validation is None:
            return math.nan, math.nan
        logits, _ = logits_and_features(self.network, self.validation.images, dtype=self.dtype)
        loss = class_loss(logits, self.validation.targets, smoothing=0.0)
        n_classes = logits.shape[1]
        cells = confusions(logits.cpu().numpy(), self.validation.labels.cpu().numpy())
        matrix = np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes).astype(float)
        return float(loss), float(scores_of_confusions(matrix)["macro_f1"])

    def save(self, checkpoint: Checkpoint, key: str) -> None:
        """Write the state at the end of an epoch."""
        tensors = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best_state.items()}
        for number, weight in enumerate(self._weights):
            tensors |= {f"adam/{number}/{name}": value for name, value in self.adam.state[weight].items()}
        told = {"key": key, "history": [list(epoch) for epoch in self.history], "best_epoch": self.best_epoch}
        checkpoint.save(tensors | {"cap": self.cap}, told)

    def load(self, tensors: dict[str, Tensor], told: dict[str, Any]) -> None:
        """Put back what `save` wrote."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "adam": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition("/")
            if part in parts:
                parts[part][rest] = value
        self.network.load_state_dict(parts["network"])
        self.best_state = {name: value.to(self.device) for name, value in parts["best"].items()}
        for name, value in parts["adam"].items():
            number, _, what = name.partition("/")
            weight = self._weights[int(number)]
            # In memory as the weights are, channels last: the fused kernel goes by places in memory.
            is_like = value.shape == weight.shape
            self.adam.state[weight][what] = (
                torch.empty_like(weight).copy_(value) if is_like else value.to(self.device)
            ).detach()
        self.cap = tensors["cap"].to(self.device)
        self.history = [StudentEpoch(*epoch) for epoch in told["history"]]
        self.best_epoch = told["best_epoch"]


def run(course: Course, *, checkpoint: Path | None, progress: Callable[[int, int], None] | None) -> None:
    """Train to the end, from the checkpoint if there is one; leaves the best weights in the network."""
    kept = Checkpoint(path=checkpoint) if checkpoint is not None else None
    key = _key(course) if kept is not None else ""
    if kept is not None and (state := kept.load(key)) is not None:
        course.load(*state)
    n_epochs = course.settings.epochs
    precision = course.settings.precision
    with torch.random.fork_rng(), no_denormals(), safe_bfloat16(precision, course.device):
        while (done := len(course.history)) < n_epochs:
            course.epoch()
            if kept is not None and (kept.is_due or done + 1 == n_epochs):
                course.save(kept, key)
            if progress is not None:
                progress(done + 1, n_epochs)
    course.network.load_state_dict(course.best_state)
    course.network.train(False)


def _key(course: Course) -> str:
    """Sha256 of all that the result depends on."""
    threads = torch.get_num_threads() if course.device.type == "cpu" else 0
    plain = [course.settings.to_json(), course.seed, course.positive, course.device.type, threads]
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    parts: list[Tensor | None] = [course.class_weights, course.prototypes]
    for known in (course.train, course.validation):
        parts += (
            [] if known is None else [known.images, known.targets, known.teacher_logits, known.cell_targets]
        )
    parts += course.network.state_dict().values()
    for part in parts:
        digest.update(b"-" if part is None else f"{tuple(part.shape)}{part.dtype}".encode())
        if part is not None:
            digest.update(part.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def logits_and_features(
    network: StudentNetwork, images: Tensor, *, dtype: torch.dtype = torch.float32, projected: bool = False
) -> tuple[Tensor, Tensor]:
    """See images as they are, in batches.

    Parameters
    ----------
    network : StudentNetwork
        Left in the state of inference.
    images : Tensor of uint8, shape (n, n_channels, size, size)
        On any device.
    dtype : torch.dtype
        Of the products inside.
    projected : bool
        Whether features are those in the space of prototypes.

    Returns
    -------
    logits, features : Tensor of float32, shapes (n, n_classes) and (n, n_features)
    """
    network.train(False)
    device = network.center.device
    logits, features = [], []
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for batch in torch.split(images, _AT_ONCE):
            outputs = network(batch.to(device).float())
            logits.append(outputs.logits.float())
            chosen = outputs.projected if projected else outputs.features
            assert chosen is not None  # The caller looked.
            features.append(chosen.float())
    return torch.cat(logits), torch.cat(features)
