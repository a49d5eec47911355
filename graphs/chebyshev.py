"""Laplacians of graphs and Chebyshev polynomials of them, differentiable and for any number of graphs.

Every function takes square matrices in the last two dimensions; leading dimensions are free, gradients pass,
and none branches on values, so that all run under ``torch.vmap``.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "chebyshev_basis",
    "laplacian",
    "largest_eigenvalue",
    "normalised_adjacency",
    "normalised_laplacian",
    "rescaled_laplacian",
]


def laplacian(adjacency: Tensor) -> Tensor:
    """Combinatorial Laplacian ``L = D - A``, with ``D = diag(sum_j a_ij)``.

    Parameters
    ----------
    adjacency : Tensor, shape (..., n_nodes, n_nodes)
        Weights of the edges. A self loop cancels out.

    Returns
    -------
    laplacian : Tensor, shape (..., n_nodes, n_nodes)
        Each row sums to zero.

    Raises
    ------
    ValueError
        If the matrices are not square.

    Examples
    --------
    >>> laplacian(torch.tensor([[0.0, 2.0], [2.0, 0.0]])).tolist()
    [[2.0, -2.0], [-2.0, 2.0]]
    """
    _check_square(adjacency, "An adjacency")
    return torch.diag_embed(adjacency.sum(dim=-1)) - adjacency


def normalised_laplacian(adjacency: Tensor) -> Tensor:
    """Symmetrically normalised Laplacian ``L = I - D^-1/2 A D^-1/2``, with ``D = diag(sum_j a_ij)``.

    Parameters
    ----------
    adjacency : Tensor, shape (..., n_nodes, n_nodes)
        Weights of the edges, not negative. A self loop counts in its node's degree.

    Returns
    -------
    laplacian : Tensor, shape (..., n_nodes, n_nodes)
        The eigenvalues of an undirected graph lie in [0, 2].

    Raises
    ------
    ValueError
        If the matrices are not square.

    Notes
    -----
    Section 2 of Defferrard et al. 2016, arXiv 1606.09375. A node without edges has no ``D^-1/2``: zero stands
    in for it, so that its row and column are those of I, as in torch-geometric. (Chung 1997 and SciPy set
    such a row to zero.) No gradient passes through the degree of such a node.

    Examples
    --------
    >>> normalised_laplacian(torch.tensor([[0.0, 4.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).tolist()
    [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    _check_square(adjacency, "An adjacency")
    eye = torch.eye(adjacency.shape[-1], dtype=adjacency.dtype, device=adjacency.device)
    return eye - normalised_adjacency(adjacency, adjacency.sum(dim=-1))


def normalised_adjacency(adjacency: Tensor, degree: Tensor) -> Tensor:
    """``D^-1/2 A D^-1/2``, in which the rows and columns of nodes without edges are zero.

    Parameters
    ----------
    adjacency : Tensor, shape (..., n_nodes, n_nodes)
        Weights of the edges.
    degree : Tensor, shape (..., n_nodes)
        The diagonal of D, not negative: sums of weights, or of their magnitudes where they have signs.

    Returns
    -------
    normalised : Tensor, shape (..., n_nodes, n_nodes)

    Examples
    --------
    >>> weights = torch.tensor([[0.0, -4.0, 0.0], [-4.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> normalised_adjacency(weights, weights.abs().sum(dim=-1)).tolist()
    [[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    # Infinity has the root wanted and, unlike zero, a finite derivative: that of zero would make it NaN.
    scale = torch.where(degree > 0, degree, torch.inf).rsqrt()
    return scale.unsqueeze(-1) * adjacency * scale.unsqueeze(-2)


def largest_eigenvalue(laplacian: Tensor) -> Tensor:
    """Largest eigenvalue of symmetric matrices.

    Parameters
    ----------
    laplacian : Tensor, shape (..., n_nodes, n_nodes)
        Symmetric; only the lower triangle is read.

    Returns
    -------
    largest : Tensor, shape (...)

    Raises
    ------
    ValueError
        If the matrices are not square.

    Examples
    --------
    >>> largest_eigenvalue(laplacian(torch.ones(4, 4))).round(decimals=3).item()
    4.0
    """
    _check_square(laplacian, "A Laplacian")
    eigenvalues: Tensor = torch.linalg.eigvalsh(laplacian)
    return eigenvalues[..., -1]


def rescaled_laplacian(laplacian: Tensor, *, largest: Tensor | float) -> Tensor:
    """Laplacian with its eigenvalues moved from [0, largest] to [-1, 1]: ``2 L / largest - I``.

    Parameters
    ----------
    laplacian : Tensor, shape (..., n_nodes, n_nodes)
    largest : Tensor, shape (...), or float
        Largest eigenvalue: a bound such as 2 for a normalised Laplacian, or what `largest_eigenvalue` gives.

    Returns
    -------
    rescaled : Tensor, shape (..., n_nodes, n_nodes)

    Raises
    ------
    ValueError
        If the matrices are not square, or ``largest`` is a number that is not positive.

    Notes
    -----
    Section 2.1 of Defferrard et al. 2016, arXiv 1606.09375. A graph without edges has the combinatorial
    Laplacian 0 and the largest eigenvalue 0; it is rescaled to -I, as with any positive ``largest``.

    Examples
    --------
    >>> rescaled_laplacian(torch.tensor([[2.0, -2.0], [-2.0, 2.0]]), largest=4).tolist()
    [[0.0, -1.0], [-1.0, 0.0]]
    """
    _check_square(laplacian, "A Laplacian")
    eye = torch.eye(laplacian.shape[-1], dtype=laplacian.dtype, device=laplacian.device)
    if isinstance(largest, Tensor):
        positive = torch.where(largest > 0, largest, 1)
        return 2 * laplacian / positive[..., None, None] - eye
    if not largest > 0:
        raise ValueError(
            f"The largest eigenvalue of a Laplacian must be positive, got {largest}. A bound such as 2 for a "
            "normalised Laplacian will do."
        )
    return 2 / largest * laplacian - eye


def chebyshev_basis(rescaled: Tensor, *, order: int) -> Tensor:
    """Chebyshev polynomials of matrices: ``T_0 = I, T_1 = M, T_k = 2 M T_(k-1) - T_(k-2)``.

    Parameters
    ----------
    rescaled : Tensor, shape (..., n_nodes, n_nodes)
        Matrices whose eigenvalues lie in [-1, 1], as `rescaled_laplacian` gives them.
    order : int
        Highest order, 0 or more: an electrode then hears from those up to ``order`` edges away.

    Returns
    -------
    basis : Tensor, shape (..., order + 1, n_nodes, n_nodes)
        ``T_0`` to ``T_order``.

    Raises
    ------
    ValueError
        If the matrices are not square, or the order is negative.

    Notes
    -----
    Section 2.1 of Defferrard et al. 2016, arXiv 1606.09375. They and torch-geometric count the polynomials:
    their ``K`` is ``order + 1``.

    Examples
    --------
    >>> chebyshev_basis(torch.tensor([[0.5]]), order=3).flatten().tolist()
    [1.0, 0.5, -0.5, -1.0]
    """
    _check_square(rescaled, "A rescaled Laplacian")
    if order < 0:
        raise ValueError(f"Chebyshev polynomials have an order of 0 or more, got order={order}.")
    eye = torch.eye(rescaled.shape[-1], dtype=rescaled.dtype, device=rescaled.device)
    basis = [eye.expand_as(rescaled), rescaled]
    for _ in range(2, order + 1):
        basis.append(2 * rescaled @ basis[-1] - basis[-2])
    return torch.stack(basis[: order + 1], dim=-3)


def _check_square(matrix: Tensor, what: str) -> None:
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(
            f"{what} has as many rows as columns, (..., n_nodes, n_nodes); got shape {tuple(matrix.shape)}."
        )
