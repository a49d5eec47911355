"""What a fitted network's output is owed to: integrated gradients, summed by electrode and by region."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physioaffect.device import resolve_device
from physioaffect.errors import DataError
from physioaffect.training import ClassLoss, Source, torch_threads

from .estimators import NetworkClassifier, NetworkEstimator
from .grouping import lobes
from .regions import Region

__all__ = ["electrode_importance", "integrated_gradients", "region_importance"]

# Windows whose gradients are computed at once: what a network keeps for them fits into a processor's memory.
_CHUNK = 256

Value = Callable[[Tensor], Tensor]


def integrated_gradients(
    model: NetworkEstimator,
    X: Any,
    *,
    target: Any = None,
    baseline: ArrayLike | None = None,
    n_steps: int = 32,
) -> xr.DataArray:
    device = torch.device(resolve_device(model.device))
    value, what = _value(model, target)
    with torch_threads(1):
        outputs = torch.from_numpy(model.outputs(X))
        windows = model._arranged(X)[0]
        source = Source([windows], device)
        network = copy.deepcopy(model.network_).to(device).requires_grad_(False)
        start = _baseline(model, baseline).to(device)
        at_start = value(network(start[None]).double()).cpu()
        parts = []
        rows = torch.arange(len(source), device=device)
        for own in rows.split(_CHUNK):
            parts.append(_attributed(lambda x: value(network(x).double()), source.gather(own), start, n_steps))
    attributions = torch.cat(parts).cpu().numpy()
    gap = np.abs(attributions.sum(axis=(1, 2)) - (value(outputs) - at_start).numpy())
    dims = ("window", *model.layout)
    coords = {}
    if model.ch_names_: coords["channel"]=list(model.ch_names_)
    if isinstance(X, xr.DataArray) and "band" in X.coords: coords["band"]=X["band"].values
    return xr.DataArray(attributions, dims=dims, coords=coords, name="attribution", attrs={"of": what, "gap": float(gap.max(initial=0)), "unit":"nat"})


def _attributed(value: Value, x: Tensor, start: Tensor, n_steps: int) -> Tensor:
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    total = torch.zeros_like(x, dtype=torch.float64)
    for node, weight in zip((1 + nodes) / 2, weights / 2, strict=True):
        point = torch.lerp(start.expand_as(x), x, float(node)).requires_grad_()
        (gradient,) = torch.autograd.grad(value(point).sum(), point)
        total += float(weight) * gradient.double()
    return total * (x - start).double()

def _value(model, target):
    loss = cast("ClassLoss", model.training().loss)
    classes = model.classes_.tolist()
    k = classes.index(target) if target is not None else 1
    def v(outputs):
        p = loss.probabilities(outputs, len(classes))
        others = torch.cat([p[:, :k], p[:, k + 1 :]], dim=1).sum(1)
        return p[:, k].log() - others.log()
    return v, f"log-odds of {classes[k]!r}"

def _baseline(model, baseline):
    mean = model.network_.standardise.mean
    shape = (model.input_.n_channels, model.input_.n_last)
    if baseline is None:
        return mean.expand(shape)
    return torch.from_numpy(np.broadcast_to(np.asarray(baseline, dtype=np.float32), shape).copy())
