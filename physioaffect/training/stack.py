"""Copies of one network with weights of their own, run as one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from physioaffect.training.course import State
from physioaffect.training.layers import Dropout
from physioaffect.training.noise import draw_masks, dropout_layers, dropout_shapes
from physioaffect.training.settings import Batch, Training

__all__ = ["Stack"]


class Stack:
    """Networks of one shape.

    One alone is run as it is; several have their weights stacked, and each operation works on all of them
    (``torch.vmap``). Weights and buffers of all are in ``parameters`` and ``buffers``, (n_networks, ...), or
    without that dimension if there is one.

    Parameters
    ----------
    networks : sequence of nn.Module
        Equal but for their weights.
    device : torch.device
        Where they are run.
    """

    def __init__(self, networks: Sequence[nn.Module], device: torch.device) -> None:
        self.n_networks = len(networks)
        self.device = device
        # All of its layers in one mode, as `_set_mode` expects.
        self.network = copy.deepcopy(networks[0]).to(device).train()
        self.is_single = len(networks) == 1
        if self.is_single:
            self.parameters: State = dict(self.network.named_parameters())
            self.buffers = _kept_buffers(self.network)
        else:
            parameters, buffers = stack_module_state(
                [copy.deepcopy(network).to(device) for network in networks]
            )
            kept = _kept_buffers(self.network)
            self.parameters = parameters
            self.buffers = {name: value for name, value in buffers.items() if name in kept}
        self._dropouts: dict[str, Dropout] = dropout_layers(self.network)
        self._shapes: dict[str, torch.Size] | None = None

    def losses(
        self, training: Training, batch: Batch, *, seeds: Sequence[int], step: int, is_training: bool = True
    ) -> Tensor:
        """Loss of each network on its own batch: every part of it (n_networks, ...) -> (n_networks,)."""
        self._set_mode(is_training)
        masks = self._masks(training, batch, seeds, step) if is_training and self._dropouts else {}
        if self.is_single:
            for name, mask in masks.items():
                self._dropouts[name].mask = mask[0]
            alone = _slice(batch)
            return _loss(self.network, training, self.network, alone, self.parameters)[None]

        def one(parameters: State, buffers: State, drawn: State, *parts: Tensor | None) -> Tensor:
            state = parameters | buffers | {f"{name}.mask": mask for name, mask in drawn.items()}

            def call(*args: Tensor, **options: Tensor) -> Tensor:
                return functional_call(self.network, state, args, options)  # type: ignore[no-any-return]

            return _loss(self.network, training, call, Batch(*parts), parameters)  # type: ignore[arg-type]

        dims = tuple(None if part is None else 0 for part in batch)
        return torch.vmap(one, in_dims=(0, 0, 0, *dims))(self.parameters, self.buffers, masks, *batch)

    def outputs(self, x: Tensor) -> Tensor:
        """(n_networks, n_batch, ...) -> (n_networks, n_batch, n_outputs), nothing dropped, no gradients."""
        self._set_mode(False)
        with torch.no_grad():
            if self.is_single:
                return self.network(x[0])[None]  # type: ignore[no-any-return]

            def one(parameters: State, buffers: State, own: Tensor) -> Tensor:
                return functional_call(self.network, parameters | buffers, (own,))  # type: ignore[no-any-return]

            return torch.vmap(one)(self.parameters, self.buffers, x)

    def state(self, number: int) -> State:
        """Copy of the weights and buffers of one network."""
        everything = self.parameters | self.buffers
        return {
            name: (value if self.is_single else value[number]).detach().clone()
            for name, value in everything.items()
        }

    def load(self, number: int, state: Mapping[str, Tensor]) -> None:
        """Put weights and buffers into one network."""
        with torch.no_grad():
            for name, value in (self.parameters | self.buffers).items():
                (value if self.is_single else value[number]).copy_(state[name])

    def _set_mode(self, is_training: bool) -> None:
        # Telling every layer at every step costs as much as a small product.
        if self.network.training is not is_training:
            self.network.train(is_training)

    def _masks(self, training: Training, batch: Batch, seeds: Sequence[int], step: int) -> State:
        if self._shapes is None:
            probe = copy.deepcopy(self.network)
            run = partial(_loss, probe, training, probe, _slice(batch), dict(probe.named_parameters()))
            self._shapes = dropout_shapes(probe, run)
        return draw_masks(self._shapes, self._dropouts, seeds=seeds, step=step, device=self.device)


def _slice(batch: Batch) -> Batch:
    return Batch(*(None if part is None else part[0] for part in batch))  # type: ignore[arg-type]


def _kept_buffers(network: nn.Module) -> State:
    """Buffers that are of this network alone: what is in its state; constants are shared."""
    names = set(network.state_dict())
    return {name: value for name, value in network.named_buffers() if name in names}


def _loss(
    network: nn.Module,
    training: Training,
    call: Callable[..., Tensor],
    batch: Batch,
    parameters: Mapping[str, Tensor],
) -> Tensor:
    if hasattr(network, "objective"):
        loss: Tensor = network.objective(call, batch)  # type: ignore[operator]
    else:
        loss = training.loss(call(batch.x), batch.y)
    if hasattr(network, "penalty"):
        loss = loss + network.penalty(parameters)  # type: ignore[operator]
    return loss
