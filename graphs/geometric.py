"""Windows on electrode graphs as torch-geometric sees them: lists of edges instead of matrices."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from physioaffect.errors import DataError

if TYPE_CHECKING:
    from torch_geometric.data import Data

__all__ = ["DenseGraph", "from_geometric", "to_geometric"]


class DenseGraph(NamedTuple):
    """Features of the nodes (n_nodes, ...), adjacency (n_nodes, n_nodes) and target (any shape, or None)."""

    x: Tensor
    adjacency: Tensor
    y: Tensor | None


def to_geometric(x: Tensor, adjacency: Tensor, y: Tensor | None = None) -> Data:
    """Describe one window on a graph as torch-geometric does.

    Parameters
    ----------
    x : Tensor, shape (n_nodes, ...)
        Features of each electrode, such as one value per band.
    adjacency : Tensor, shape (n_nodes, n_nodes)
        Weights; a zero is no edge. For a NumPy array pass ``torch.as_tensor(adjacency)``.
    y : Tensor, optional
        Target, kept as it is.

    Returns
    -------
    data : torch_geometric.data.Data
        With ``x``, ``y``, ``edge_index`` of shape (2, n_edges), row by row, and ``edge_weight`` of shape
        (n_edges,) in the type of ``adjacency``. An undirected edge is there both ways, as torch-geometric
        expects.

    Raises
    ------
    DataError
        If torch-geometric is not installed, or the shapes do not fit.

    Notes
    -----
    Edge (i, j) carries ``a_ij``, as in torch-geometric's ``dense_to_sparse``. Gradients pass to the weights.
    Stack windows with ``torch_geometric.data.Batch.from_data_list``.

    Examples
    --------
    >>> data = to_geometric(torch.ones(3, 5), torch.tensor([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]))
    >>> data.edge_index.tolist(), data.edge_weight.tolist()
    ([[0, 1], [1, 0]], [0.5, 0.5])
    """
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1] or len(adjacency) != len(x):
        raise DataError(
            f"x of shape {tuple(x.shape)} does not fit an adjacency of shape {tuple(adjacency.shape)}: for "
            "(n_nodes, ...) it must be (n_nodes, n_nodes). Pass one window at a time."
        )
    edge_index = adjacency.nonzero().T.contiguous()
    weights = adjacency[edge_index[0], edge_index[1]]
    return _data_class()(x=x, edge_index=edge_index, edge_weight=weights, y=y)


def _data_class() -> type[Data]:
    try:
        with warnings.catch_warnings():
            # Importing it compiles parts in a way of which torch 2.9 and later warn.
            warnings.simplefilter("ignore", DeprecationWarning)
            from torch_geometric.data import Data  # noqa: PLC0415  An optional package.
    except ModuleNotFoundError as error:
        raise DataError(
            "Graphs of torch-geometric need that package, which is not installed. Install it: "
            "pip install 'physioaffect[geometric]'."
        ) from error
    return Data  # type: ignore[no-any-return]


def from_geometric(data: Data) -> DenseGraph:
    """Turn a graph of torch-geometric into features, adjacency and target.

    Parameters
    ----------
    data : torch_geometric.data.Data
        One graph with ``x`` and ``edge_index``; its weights are ``edge_weight``, else a one-dimensional
        ``edge_attr``, else 1.

    Returns
    -------
    graph : DenseGraph
        Weights of edges that occur more than once are added.

    Raises
    ------
    DataError
        If there are no features, an edge has several, or the data are a batch of graphs.

    Examples
    --------
    >>> from_geometric(to_geometric(torch.ones(2, 5), torch.tensor([[0, 0.5], [0.5, 0]]))).adjacency.tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    """
    if getattr(data, "batch", None) is not None:
        raise DataError("This is a batch of graphs. Take it apart first: batch.to_data_list().")
    if data.x is None or data.edge_index is None:
        raise DataError("The graph has no x or no edge_index, so its nodes or edges are unknown. Set both.")
    weight = data.edge_weight if "edge_weight" in data else data.edge_attr
    if weight is None:
        weight = torch.ones(data.edge_index.shape[1], dtype=data.x.dtype, device=data.x.device)
    if weight.ndim != 1:
        raise DataError(
            f"An edge of an adjacency matrix has one weight, got edge_attr of shape {tuple(weight.shape)}. "
            "Choose one of its columns: data.edge_attr = data.edge_attr[:, 0]."
        )
    empty = torch.zeros(len(data.x), len(data.x), dtype=weight.dtype, device=weight.device)
    adjacency = empty.index_put(tuple(data.edge_index), weight, accumulate=True)
    return DenseGraph(data.x, adjacency, data.y)
