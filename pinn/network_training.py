"""Training: AdamW on the sum of three losses, one of them the residual of the equation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from physioaffect.native_threads import one_native_thread

from .network_module import Batch, PINNModule

__all__ = ["Losses", "losses", "one_thread", "train"]


class Losses(NamedTuple):
    """Parts of the loss without their weights; 0 where a head is not there.

    ``eda`` is the mean squared error and ``physics`` the mean squared residual (1/s²), both in variances of
    the training's EDA; ``emotion`` the cross-entropy in nats; ``effects`` the priors of random effects.
    """

    eda: Tensor
    emotion: Tensor
    physics: Tensor
    effects: Tensor


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and BLAS work here alone: sums then have one order.

    Matrices as small as these gain nothing from more, and lose much: two fits at a time on two cores took
    thirteen times as long with BLAS at its default as with one thread each.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_native_thread("blas"):
            yield
    finally:
        torch.set_num_threads(before)


def losses(network: PINNModule, batch: Batch, n_windows: int) -> Losses:
    """Compute all parts for a batch out of ``n_windows``."""
    settings = network.settings
    eda = emotion = physics = effects = batch.inputs.new_zeros(())
    if settings.has_eda:
        is_known = torch.isfinite(batch.tangent).all(dim=1)
        trace, slope = network.scaled_trace(batch.inputs, torch.nan_to_num(batch.tangent))
        own = network.effects(batch.inputs[:, 0], batch.person, batch.condition)
        target = (batch.eda - network.eda_mean) / network.eda_sd
        eda = ((target - trace - own) ** 2).mean()
        if settings.uses_physics:
            residual = network.scaled_residual(trace, slope, batch.inputs)
            physics = (residual**2 * is_known).sum() / is_known.sum().clamp(min=1)
        # Minus twice the log prior, weighed against errors of the size that they have now.
        for values, sd in (
            (network.person_effects, settings.person_sd),
            (network.start_effects, settings.start_sd),
        ):
            if sd is not None:
                effects = effects + eda.detach() / n_windows * ((values * network.eda_sd / sd) ** 2).sum()
    if settings.has_emotion:
        emotion = cross_entropy(network.logits(batch.inputs), batch.label)
    return Losses(eda, emotion, physics, effects)


def train(network: PINNModule, batch: Batch, *, seed: int) -> list[tuple[float, ...]]:
    """Train in place.

    Parameters
    ----------
    network : PINNModule
        On the device of ``batch``.
    batch : Batch
        All windows.
    seed : int
        Of the order of windows, the same on every device.

    Returns
    -------
    history : list of tuple of float
        `Losses` of every step.
    """
    settings, n_windows = network.settings, len(batch.inputs)
    rng = np.random.default_rng(seed)
    weights = [values for name, values in network.named_parameters() if name.endswith("weight")]
    others = [values for name, values in network.named_parameters() if not name.endswith("weight")]
    optimiser = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": settings.weight_decay},
            # Constants of the equation are not to be drawn to 0, and random effects have their own prior.
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    order = np.empty(0, dtype=np.intp)
    history = []
    n_ramp = settings.ramp * settings.steps
    for step in range(settings.steps):
        if settings.batch_size >= n_windows:
            part = batch
        else:
            if len(order) < settings.batch_size:
                order = rng.permutation(n_windows)
            chosen, order = order[: settings.batch_size], order[settings.batch_size :]
            rows = torch.as_tensor(chosen, device=batch.inputs.device)
            part = Batch(*(values[rows] for values in batch))
        found = losses(network, part, n_windows)
        physics_weight = settings.physics_weight * (min(1.0, step / n_ramp) if n_ramp else 1.0)
        loss = (
            found.eda
            + settings.emotion_weight * found.emotion
            + physics_weight * found.physics
            + found.effects
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        falling.step()
        history.append(torch.stack([part.detach() for part in found]))
    if not history or not bool(torch.isfinite(history[-1]).all()):
        raise FloatingPointError("Training went to infinity: take a smaller learning_rate.")
    return [tuple(row) for row in torch.stack(history).cpu().tolist()]
