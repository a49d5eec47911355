"""Laplacians and Chebyshev polynomials against torch-geometric, SciPy, cosines and spectral theory."""

import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev
from scipy.sparse.csgraph import connected_components
from scipy.sparse.csgraph import laplacian as scipy_laplacian
from torch import Tensor
from torch.testing import assert_close

from physioaffect.graphs import (
    chebyshev_basis,
    laplacian,
    largest_eigenvalue,
    normalised_laplacian,
    rescaled_laplacian,
)

LAPLACIANS = {"combinatorial": laplacian, "normalised": normalised_laplacian}


def graph(n_nodes: int = 7, seed: int = 0, density: float = 0.6) -> Tensor:
    """An undirected weighted graph without loops, in which each node has a neighbour."""
    draw = torch.Generator().manual_seed(seed)
    weights = torch.rand(n_nodes, n_nodes, generator=draw, dtype=torch.float64)
    is_edge = torch.rand(n_nodes, n_nodes, generator=draw) < density
    upper = (weights * is_edge).triu(1) + 0.1 * torch.eye(n_nodes).roll(1, dims=1).triu(1)
    return upper + upper.T


def is_square_refused(function, **options):
    with pytest.raises(
        ValueError, match=re.escape("has as many rows as columns, (..., n_nodes, n_nodes); got")
    ):
        function(torch.zeros(3, 4), **options)


@pytest.mark.parametrize("seed", range(3))
def test_laplacians_equal_those_of_scipy(seed):
    adjacency = graph(seed=seed)
    assert_close(laplacian(adjacency).numpy(), scipy_laplacian(adjacency.numpy()))
    assert_close(normalised_laplacian(adjacency).numpy(), scipy_laplacian(adjacency.numpy(), normed=True))


def test_the_largest_eigenvalues_of_histns_graphs_are_four_and_three():
    cycle = torch.eye(4).roll(1, dims=0) + torch.eye(4).roll(-1, dims=0)
    chain = torch.diag(torch.ones(2), 1) + torch.diag(torch.ones(2), -1)
    frontal = torch.tensor([[0, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]).float()
    found = [largest_eigenvalue(laplacian(adjacency)).item() for adjacency in (cycle, chain, frontal)]
    assert found == pytest.approx([4, 3, 4])


@pytest.mark.parametrize("n_nodes", [2, 3, 8])
def test_the_complete_graph_has_its_known_spectrum(n_nodes):
    adjacency = torch.ones(n_nodes, n_nodes, dtype=torch.float64) - torch.eye(n_nodes)
    expected = torch.full((n_nodes,), float(n_nodes), dtype=torch.float64)
    expected[0] = 0
    assert_close(torch.linalg.eigvalsh(laplacian(adjacency)), expected)
    assert_close(torch.linalg.eigvalsh(normalised_laplacian(adjacency)), expected / (n_nodes - 1))


@settings(max_examples=30)
@given(st.integers(2, 9), st.integers(0, 10**6), st.floats(0, 1))
def test_spectra_lie_where_theory_puts_them(n_nodes, seed, density):
    adjacency = graph(n_nodes, seed, density) * (torch.arange(n_nodes) % 3 > 0).double().outer(
        (torch.arange(n_nodes) % 3 > 0).double()
    )
    combinatorial = torch.linalg.eigvalsh(laplacian(adjacency))
    assert combinatorial[0] == pytest.approx(0, abs=1e-12)
    n_components, _ = connected_components(adjacency.numpy(), directed=False)
    assert int((combinatorial < 1e-9).sum()) == n_components
    normalised = torch.linalg.eigvalsh(normalised_laplacian(adjacency))
    assert normalised.min() > -1e-12
    assert normalised.max() < 2 + 1e-12
    largest = largest_eigenvalue(laplacian(adjacency))
    rescaled = torch.linalg.eigvalsh(rescaled_laplacian(laplacian(adjacency), largest=largest))
    assert rescaled.abs().max() < 1 + 1e-9


@pytest.mark.parametrize("make", LAPLACIANS.values(), ids=LAPLACIANS)
def test_the_basis_is_the_polynomials_of_the_eigenvalues(make):
    matrix = make(graph())
    rescaled = rescaled_laplacian(matrix, largest=largest_eigenvalue(matrix))
    values, vectors = torch.linalg.eigh(rescaled)
    basis = chebyshev_basis(rescaled, order=5)
    angles = values.clamp(-1, 1).arccos()
    for k in range(6):
        by_cosine = vectors @ torch.diag((k * angles).cos()) @ vectors.T
        assert_close(basis[k], by_cosine, atol=1e-10, rtol=0)
        by_numpy = chebyshev.chebval(values.numpy(), np.eye(6)[k])
        assert_close(torch.linalg.eigvalsh(basis[k]).numpy(), np.sort(by_numpy), atol=1e-10, rtol=0)


def test_products_of_polynomials_are_means_of_two():
    basis = chebyshev_basis(rescaled_laplacian(normalised_laplacian(graph()), largest=2.0), order=7)
    for m, n in [(1, 1), (2, 3), (3, 4), (1, 6)]:
        assert_close(2 * basis[m] @ basis[n], basis[m + n] + basis[abs(m - n)])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_lowest_orders_are_written_out(order):
    rescaled = rescaled_laplacian(laplacian(graph()), largest=5.0)
    written = [torch.eye(7, dtype=torch.float64), rescaled, 2 * rescaled @ rescaled - torch.eye(7)]
    assert_close(chebyshev_basis(rescaled, order=order), torch.stack(written[: order + 1]))


def test_an_order_reaches_as_many_edges_far():
    chain = torch.diag(torch.ones(5), 1) + torch.diag(torch.ones(5), -1)
    basis = chebyshev_basis(rescaled_laplacian(laplacian(chain), largest=4.0), order=4)
    distance = (torch.arange(6)[:, None] - torch.arange(6)).abs()
    for k in range(5):
        assert (basis[k][distance > k] == 0).all()
        assert (basis[k][distance == k] != 0).all()


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize(("normalization", "largest"), [("sym", 2.0), ("sym", None), (None, None)])
def test_a_filter_equals_torch_geometrics(order, normalization, largest):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Raised while it is imported.
        conv_module = pytest.importorskip("torch_geometric.nn")
    adjacency = graph().float()
    matrix = (laplacian if normalization is None else normalised_laplacian)(adjacency)
    largest = largest_eigenvalue(matrix) if largest is None else largest
    basis = chebyshev_basis(rescaled_laplacian(matrix, largest=largest), order=order)
    torch.manual_seed(0)
    reference = conv_module.ChebConv(3, 4, K=order + 1, normalization=normalization)
    x = torch.randn(7, 3)
    edges = adjacency.nonzero().T
    expected = reference(x, edges, adjacency[edges[0], edges[1]], lambda_max=torch.as_tensor(largest))
    ours = sum(basis[k] @ reference.lins[k](x) for k in range(order + 1)) + reference.bias
    assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", LAPLACIANS.values(), ids=LAPLACIANS)
def test_relabelled_electrodes_relabel_the_basis(make):
    adjacency = graph()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))

    def basis(matrix: Tensor) -> Tensor:
        return chebyshev_basis(rescaled_laplacian(make(matrix), largest=2.5), order=3)

    assert_close(basis(adjacency[order][:, order]), basis(adjacency)[:, order][:, :, order])


def test_isolated_electrodes_keep_their_value_and_no_gradient_is_lost():
    adjacency = torch.zeros(4, 4, dtype=torch.float64)
    adjacency[:3, :3] = graph(3)
    adjacency.requires_grad_()
    matrix = normalised_laplacian(adjacency)
    assert_close(matrix[3].detach(), torch.eye(4, dtype=torch.float64)[3])
    matrix.square().sum().backward()
    assert adjacency.grad is not None
    assert adjacency.grad.isfinite().all()
    assert (adjacency.grad[:3, :3].diagonal() != 0).all()


def test_a_graph_without_edges_is_rescaled_to_minus_one():
    nothing = laplacian(torch.zeros(3, 3, requires_grad=True))
    rescaled = rescaled_laplacian(nothing, largest=largest_eigenvalue(nothing))
    assert_close(rescaled, -torch.eye(3))
    assert_close(rescaled, rescaled_laplacian(nothing, largest=2.0))


def test_gradients_are_those_of_finite_differences():
    def whole_way(adjacency: Tensor) -> Tensor:
        symmetric = adjacency + adjacency.T
        matrix = laplacian(symmetric)
        rescaled = rescaled_laplacian(matrix, largest=largest_eigenvalue(matrix))
        return chebyshev_basis(rescaled, order=3) + normalised_laplacian(symmetric)

    assert torch.autograd.gradcheck(whole_way, graph(4).requires_grad_())


@pytest.mark.parametrize("make", LAPLACIANS.values(), ids=LAPLACIANS)
def test_many_graphs_at_once_equal_one_after_another(make):
    graphs = torch.stack([graph(seed=seed) for seed in range(6)])

    def basis(adjacency: Tensor) -> Tensor:
        matrix = make(adjacency)
        return chebyshev_basis(rescaled_laplacian(matrix, largest=largest_eigenvalue(matrix)), order=3)

    one_by_one = torch.stack([basis(adjacency) for adjacency in graphs])
    assert_close(basis(graphs), one_by_one)
    assert_close(torch.vmap(basis)(graphs), one_by_one)
    assert_close(basis(graphs.reshape(2, 3, 7, 7)), one_by_one.reshape(2, 3, 4, 7, 7))


def test_wrong_shapes_and_settings_are_refused():
    for function in (laplacian, normalised_laplacian, largest_eigenvalue):
        is_square_refused(function)
    is_square_refused(rescaled_laplacian, largest=2.0)
    is_square_refused(chebyshev_basis, order=2)
    with pytest.raises(ValueError, match=r"order of 0 or more, got order=-1\."):
        chebyshev_basis(torch.eye(3), order=-1)
    with pytest.raises(ValueError, match=r"largest eigenvalue of a Laplacian must be positive, got 0\."):
        rescaled_laplacian(torch.eye(3), largest=0)
