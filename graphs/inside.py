"""What a fitted network has learned to look at, in its own terms: attention, graphs, temporal filters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
import xarray as xr
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from physioaffect.device import resolve_device
from physioaffect.errors import ProtocolError
from physioaffect.training import torch_threads

from .importance import batches, rate
from .network_estimator import NetworkEstimator

__all__ = ["attention_maps", "learned_adjacency", "temporal_filters"]

# Frequencies are told at least this finely; kernels are short.
_FFT = 256


def attention_maps(
    model: NetworkEstimator, X: Any, *, average: Collection[str] = ("window", "block", "head")
) -> xr.DataArray:
    """Say which electrode looks at which.

    Parameters
    ----------
    model : NetworkClassifier or NetworkRegressor
        Fitted, with attention between electrodes: `RBTransformerClassifier`.
    X : array-like or DataArray, shape (n_windows, n_channels, n_bands)
        Windows, as for prediction.
    average : collection of str
        Dimensions to average over, of "window", "block" and "head".

    Returns
    -------
    attention : DataArray of float64, dimensions ("window", "block", "head", "channel", "looked_at")
        Without those averaged over. Each row adds up to 1. Blocks and heads are counted from 1.

    Raises
    ------
    ProtocolError
        If the network has no attention.
    ValueError
        If there is no such dimension to average over.
    DataError
        If the windows do not fit, or there are none.
    sklearn.exceptions.NotFittedError
        If the network has not been fitted.

    Notes
    -----
    Attention is what is read, not what matters: an electrode may be looked at and then not be used. For what
    matters see `electrode_importance`.

    Examples
    --------
    >>> from physioaffect.graphs.rbtransformer import RBTransformerClassifier
    >>> X = np.random.default_rng(0).normal(size=(32, 3, 2))
    >>> model = RBTransformerClassifier(epochs=1, batch_size=16, random_state=0).fit(X, X[:, 1, 0] > 0)
    >>> maps = attention_maps(model, X, average=("window", "head"))
    >>> maps.dims, maps.shape
    (('block', 'channel', 'looked_at'), (4, 3, 3))
    """
    dims = ("window", "block", "head", "channel", "looked_at")
    if unknown := sorted(set(average) - set(dims[:3])):
        raise ValueError(f"Attention cannot be averaged over {unknown[0]!r}: use window, block or head.")
    _ability(model, "attention", "attention between electrodes", "RBTransformerClassifier")
    over = tuple(index for index, dim in enumerate(dims) if dim in average and dim != "window")
    found = _of_windows(model, X, "attention", is_averaged="window" in average, over=over)
    kept = [dim for dim in dims if dim not in average]
    coords: dict[str, Any] = {
        dim: np.arange(1, size + 1)
        for dim, size in zip(kept, found.shape, strict=True)
        if dim in ("block", "head")
    }
    if model.ch_names_ is not None:
        coords |= {"channel": list(model.ch_names_), "looked_at": list(model.ch_names_)}
    return xr.DataArray(found.numpy(), dims=kept, coords=coords, name="attention")


def learned_adjacency(model: NetworkEstimator, X: Any = None) -> xr.DataArray:
    """Say how much each electrode hears of each other in the graph that a network has learned.

    Parameters
    ----------
    model : NetworkClassifier or NetworkRegressor
        Fitted, with a learned graph: `DGCNNClassifier`, `GCBNetClassifier`, `RGNNClassifier`; the messages of
        `HiSTNClassifier` inside regions; `LGGNetClassifier`, whose graph is one of regions.
    X : array-like, DataArray or Windows, optional
        Windows, for a network whose graph differs from window to window: LGGNet.

    Returns
    -------
    adjacency : DataArray of float64, dimensions ("channel", "heard")
        Of LGGNet ("region", "heard"), averaged over windows; a region is named by its electrodes.

    Raises
    ------
    ProtocolError
        If the network learns no graph, or windows are needed and there are none.
    DataError
        If the windows do not fit, or there are none.
    sklearn.exceptions.NotFittedError
        If the network has not been fitted.

    Notes
    -----
    A learned graph begins at random (RGNN's: as anatomy has it), and what is not trained for long remains
    what it began as.

    Examples
    --------
    >>> from physioaffect.graphs.dgcnn import DGCNNClassifier
    >>> X = np.random.default_rng(0).normal(size=(32, 3, 2))
    >>> model = DGCNNClassifier(epochs=1, batch_size=16, ch_names=("F3", "Fz", "F4"), random_state=0)
    >>> learned_adjacency(model.fit(X, X[:, 1, 0] > 0)).sel(channel="F3").sizes
    Frozen({'heard': 3})
    """
    network = _fitted(model)
    names = None if model.ch_names_ is None else list(model.ch_names_)
    if hasattr(network, "region_adjacency"):
        if X is None:
            raise ProtocolError(
                f"The graph of {type(model).__name__} differs from window to window: pass X, the windows to "
                "average over."
            )
        found = _of_windows(model, X, "region_adjacency", is_averaged=True)
        members: Tensor = network.membership  # type: ignore[assignment]
        regions = [" ".join(np.array(names)[row.numpy() > 0]) for row in members.cpu()]
        return _square(found, "region", regions)
    look = _ability(model, "adjacency", "learned graph", "DGCNNClassifier")
    with torch.no_grad():
        return _square(look().double().cpu(), "channel", names)


def temporal_filters(model: NetworkEstimator, *, by_electrode: bool = False) -> xr.DataArray:
    """Say which frequencies pass the temporal filters that a network has learned.

    Parameters
    ----------
    model : NetworkClassifier or NetworkRegressor
        Fitted on raw windows, with temporal filters: `EEGNetClassifier`, `TSceptionClassifier`,
        `LGGNetClassifier`, `HiSTNClassifier`.
    by_electrode : bool
        Whether to take the filters as they are mixed for each electrode, as only HiSTN does.

    Returns
    -------
    gain : DataArray of float64, dimensions ("filter", "frequency") or ("channel", "frequency")
        Magnitude of each filter's frequency response, from 0 Hz to half of the sampling rate.

    Raises
    ------
    ProtocolError
        If the network has no such filters.
    DataError
        If the sampling rate is not known.
    sklearn.exceptions.NotFittedError
        If the network has not been fitted.

    Notes
    -----
    ``|sum_t h(t) exp(-2 pi i f t / sfreq)|``. Filters differ in what later layers make of them: a large gain
    is no large importance, for which see `electrode_importance` with ``bands``. A short filter tells no
    neighbouring frequencies apart, whatever it has learned.

    Examples
    --------
    >>> from physioaffect.graphs.eegnet import EEGNetClassifier
    >>> X = np.random.default_rng(0).normal(size=(32, 3, 64))
    >>> model = EEGNetClassifier(sfreq=128, epochs=1, batch_size=16, random_state=0).fit(X, X[:, 1, 0] > 0)
    >>> gain = temporal_filters(model)
    >>> gain.dims, float(gain.frequency[-1])
    (('filter', 'frequency'), 64.0)
    """
    if by_electrode:
        look = _ability(model, "electrode_kernels", "filters of electrodes", "HiSTNClassifier")
    else:
        look = _ability(model, "temporal_kernels", "temporal filters", "EEGNetClassifier")
    with torch.no_grad():
        kernels = look().double().cpu().numpy()
    n_fft = max(_FFT, 2 * kernels.shape[1])
    coords: dict[str, Any] = {"frequency": np.fft.rfftfreq(n_fft, 1 / rate(model, is_needed=True))}
    if not by_electrode:
        coords["filter"] = np.arange(1, len(kernels) + 1)
    elif model.ch_names_ is not None:
        coords["channel"] = list(model.ch_names_)
    dims = ("channel" if by_electrode else "filter", "frequency")
    return xr.DataArray(np.abs(np.fft.rfft(kernels, n_fft)), dims=dims, coords=coords, name="gain")


def _fitted(model: NetworkEstimator) -> nn.Module:
    if not hasattr(model, "network_"):
        raise NotFittedError(f"This {type(model).__name__} has not been fitted: call fit first.")
    return model.network_.network


def _ability(model: NetworkEstimator, method: str, what: str, example: str) -> Callable[..., Tensor]:
    """Method of a network by which it tells what it has learned."""
    found: Callable[..., Tensor] | None = getattr(_fitted(model), method, None)
    if found is None:
        raise ProtocolError(f"{type(model).__name__} has no {what} to look at. {example} has.")
    return found


def _of_windows(
    model: NetworkEstimator,
    X: Any,
    method: str,
    *,
    is_averaged: bool,
    over: tuple[int, ...] = (),
) -> Tensor:
    """What a method says of standardised windows, averaged over them or not, and over other dimensions."""
    n_windows = len(model.outputs(X))  # This refuses what does not fit.
    device = torch.device(resolve_device(model.device))
    network = copy.deepcopy(model.network_).to(device)
    look = getattr(network.network, method)
    parts = []
    with torch.no_grad(), torch_threads(1):
        for x in batches(model, X, device):
            found = look(network.standardise(x)).double()
            found = found.mean(dim=over) if over else found
            parts.append((found.sum(dim=0, keepdim=True) / n_windows if is_averaged else found).cpu())
    return torch.cat(parts).sum(dim=0) if is_averaged else torch.cat(parts)


def _square(found: Tensor, dim: str, names: list[str] | None) -> xr.DataArray:
    coords = None if names is None else {dim: names, "heard": names}
    return xr.DataArray(found.numpy(), dims=(dim, "heard"), coords=coords, name="adjacency")
