"""Random masks that depend on a seed, a step and a layer, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from physioaffect.training.layers import Dropout

__all__ = ["draw_masks", "dropout_layers", "dropout_shapes"]


def dropout_layers(network: nn.Module) -> dict[str, Dropout]:
    """Dropout layers that drop anything, by name."""
    return {
        name: layer for name, layer in network.named_modules() if isinstance(layer, Dropout) and layer.p > 0
    }


def dropout_shapes(network: nn.Module, run: Callable[[], object]) -> dict[str, torch.Size]:
    """Shape of what each dropout layer meets while ``run`` calls the network once; nothing is dropped."""
    shapes: dict[str, torch.Size] = {}
    hooks = []
    for name, layer in dropout_layers(network).items():

        def remember(_layer: nn.Module, args: tuple[Tensor], name: str = name) -> None:
            if name in shapes:
                raise ValueError(
                    f"Dropout {name!r} is called twice in one pass: give each call its own layer."
                )
            shapes[name] = args[0].shape

        hooks.append(layer.register_forward_pre_hook(remember))
    was_training = network.training
    try:
        with torch.no_grad():
            network.train(False)
            run()
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return shapes


def draw_masks(
    shapes: dict[str, torch.Size],
    layers: dict[str, Dropout],
    *,
    seeds: Sequence[int],
    step: int,
    device: torch.device,
) -> dict[str, Tensor]:
    """Masks of one step, scaled so that they keep the expectation.

    Returns
    -------
    masks : dict from layer to Tensor, shape (n_replicas, ...)
        The slice of a replica depends on its seed, the step, the layer's place and the kind of device; not
        on who is trained beside it.
    """
    masks = {}
    for place, (name, shape) in enumerate(shapes.items()):
        states = [np.random.SeedSequence([seed, step, place]) for seed in seeds]
        masks[name] = _masks(layers[name].p, states, shape, device)
    return masks


def _masks(
    p: float, states: Sequence[np.random.SeedSequence], shape: torch.Size, device: torch.device
) -> Tensor:
    if device.type != "cpu":
        kept = torch.empty((len(states), *shape), device=device)
        for slice_, state in zip(kept, states, strict=True):
            seed = int(state.generate_state(1, np.uint64)[0])
            slice_.bernoulli_(1 - p, generator=torch.Generator(device).manual_seed(seed))
        return kept.div_(1 - p)
    # Words of 16 bits are drawn seven times as fast as torch draws from a Bernoulli distribution; p is then
    # a multiple of 2**-16, by which the scale goes, too.
    threshold = min(round(p * 2**16), 2**16 - 1)
    kept = torch.empty((len(states), *shape))
    for slice_, state in zip(kept, states, strict=True):
        words = np.random.Generator(np.random.SFC64(state)).integers(0, 2**16, shape, dtype=np.uint16)
        np.multiply(words >= threshold, np.float32(1 / (1 - threshold / 2**16)), out=slice_.numpy())
    return kept
