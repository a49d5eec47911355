"""To torch-geometric and back."""

import re
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from physioaffect.errors import DataError
from physioaffect.graphs import from_geometric, to_geometric

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Raised while it is imported.
    pytest.importorskip("torch_geometric")
    from torch_geometric.data import Batch, Data
    from torch_geometric.nn import DenseGCNConv, GCNConv
    from torch_geometric.utils import to_dense_adj


def weights(n_nodes: int = 6, seed: int = 0, *, symmetric: bool = True) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.rand(n_nodes, n_nodes, generator=draw) * (
        torch.rand(n_nodes, n_nodes, generator=draw) < 0.5
    )
    return matrix + matrix.T if symmetric else matrix


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(0, 10**6), st.booleans())
def test_there_and_back_is_the_same(n_nodes, seed, symmetric):
    x, y = torch.randn(n_nodes, 5), torch.tensor([1])
    adjacency = weights(n_nodes, seed, symmetric=symmetric)
    back = from_geometric(to_geometric(x, adjacency, y))
    assert_close(back.x, x)
    assert_close(back.adjacency, adjacency)
    assert back.y is y


def test_it_means_to_torch_geometric_what_it_means_here():
    data = to_geometric(torch.ones(6, 2), weights())
    assert data.validate()
    assert data.is_undirected()
    assert_close(to_dense_adj(data.edge_index, edge_attr=data.edge_weight)[0], weights())


def test_a_layer_gives_the_same_on_edges_and_on_matrices():
    adjacency = weights().fill_diagonal_(0)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    sparse, dense = GCNConv(3, 4), DenseGCNConv(3, 4)
    dense.load_state_dict({"lin.weight": sparse.lin.weight, "bias": sparse.bias})
    data = to_geometric(x, adjacency)
    assert_close(sparse(data.x, data.edge_index, data.edge_weight), dense(x, adjacency)[0])


def test_windows_are_stacked_and_taken_apart_by_torch_geometric():
    windows = [to_geometric(torch.full((6, 2), float(i)), weights(seed=i)) for i in range(3)]
    batch = Batch.from_data_list(windows)
    for i, data in enumerate(batch.to_data_list()):
        assert_close(from_geometric(data).adjacency, weights(seed=i))
    with pytest.raises(DataError, match=re.escape("This is a batch of graphs. Take it apart first")):
        from_geometric(batch)


def test_weights_default_to_edge_attributes_and_to_one_and_repetitions_add_up():
    edges = torch.tensor([[0, 0, 1], [1, 1, 0]])
    x = torch.ones(2, 1)
    assert from_geometric(Data(x=x, edge_index=edges)).adjacency.tolist() == [[0, 2], [1, 0]]
    attributes = torch.tensor([0.5, 0.25, 3.0])
    data = Data(x=x, edge_index=edges, edge_attr=attributes)
    assert from_geometric(data).adjacency.tolist() == [[0, 0.75], [3, 0]]


def test_gradients_reach_a_learned_adjacency():
    adjacency = weights().requires_grad_()
    from_geometric(to_geometric(torch.ones(6, 2), adjacency)).adjacency.square().sum().backward()
    assert adjacency.grad is not None
    assert_close(adjacency.grad, 2 * adjacency.detach())


@pytest.mark.parametrize("shape", [(5, 6), (5, 5), (2, 6, 6)])
def test_shapes_that_do_not_fit_are_refused(shape):
    sentence = f"x of shape (6, 2) does not fit an adjacency of shape {shape}"
    with pytest.raises(DataError, match=re.escape(sentence)):
        to_geometric(torch.ones(6, 2), torch.ones(shape))


def test_graphs_that_are_no_matrix_are_refused():
    edges = torch.tensor([[0], [1]])
    with pytest.raises(
        DataError, match=re.escape("one weight, got edge_attr of shape (1, 3). Choose one of its")
    ):
        from_geometric(Data(x=torch.ones(2, 1), edge_index=edges, edge_attr=torch.ones(1, 3)))
    with pytest.raises(DataError, match="has no x or no edge_index"):
        from_geometric(Data(edge_index=edges))


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    with pytest.raises(DataError, match=re.escape("pip install 'physioaffect[geometric]'")):
        to_geometric(torch.ones(6, 2), weights())
