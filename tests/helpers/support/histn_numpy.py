"""HiSTN in NumPy, double precision: layer by layer as published, nothing collapsed, time before nodes."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]

_FRONTAL, _CHAIN, _TRIANGLE = [(0, 2), (1, 2), (1, 3), (2, 3)], [(0, 1), (1, 2)], [(0, 1), (0, 2), (1, 2)]
_FIVE = [*_FRONTAL, (3, 4)]
# Electrodes and edges of each region, hops, edges of the graph of regions, its hops.
PUBLISHED = {
    "V0": (
        [4, 3, 3, 4],
        [_FRONTAL, _CHAIN, _CHAIN, [(3 - i, 3 - j) for i, j in _FRONTAL]],
        [2, 2, 2, 2],
        [(0, 1), (1, 2), (2, 3), (3, 0)],
        2,
    ),
    "V1": (
        [3, 3, 2, 3, 3],
        [_TRIANGLE, _CHAIN, [(0, 1)], _CHAIN, _TRIANGLE],
        [1, 2, 1, 2, 1],
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)],
        2,
    ),
    "V2": (
        [5, 4, 5],
        [_FIVE, [(0, 1), (1, 2), (2, 3)], [(4 - i, 4 - j) for i, j in _FIVE]],
        [3, 3, 3],
        _TRIANGLE,
        1,
    ),
}


def filter_matrix(n: int, edges: list[tuple[int, int]], weights: Floats):
    """``U sum_k w_k cos(k arccos(2 l / l_max - 1)) U^T`` of a graph's Laplacian ``U diag(l) U^T``."""
    adjacency = np.zeros((n, n))
    for i, j in edges:
        adjacency[i, j] = adjacency[j, i] = 1
    values, vectors = np.linalg.eigh(np.diag(adjacency.sum(axis=0)) - adjacency)
    angle = np.arccos(np.clip(2 * values / values[-1] - 1, -1, 1))
    response = sum(weight * np.cos(order * angle) for order, weight in enumerate(weights))
    return vectors @ np.diag(response) @ vectors.T


def depthwise(x: Floats, taps: Floats, before: int, after: int):
    padded = np.pad(x, ((0, 0), (before, after), (0, 0)))
    n_out = padded.shape[1] - taps.shape[1] + 1
    return sum(padded[:, j : j + n_out] * taps[:, j] for j in range(taps.shape[1]))


def softmax(x: Floats):
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def elu(x: Floats):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


class Reference:
    def __init__(self, network: nn.Module, version: str, *, is_training: bool) -> None:
        self.state = {
            name: tensor.detach().double().numpy()
            for name, tensor in (*network.named_parameters(), *network.named_buffers())
        }
        self.sizes, self.edges, self.hops, self.region_edges, self.region_hops = PUBLISHED[version]
        self.ends = np.cumsum(self.sizes)
        self.is_training = is_training

    def activated(self, x: Floats, norm: str):
        if self.is_training:
            mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
        else:
            mean, variance = self.state[f"{norm}.running_mean"], self.state[f"{norm}.running_var"]
        scale = self.state[f"{norm}.weight"] / np.sqrt(variance + 1e-3)
        return elu(scale * (x - mean) + self.state[f"{norm}.bias"])

    def filtered(self, x: Floats):
        taps = self.state["filters.temporal"]
        before = (taps.shape[1] - 1) // 2
        after = taps.shape[1] - 1 - before
        n_channels = x.shape[-1]
        each = [depthwise(x, np.tile(h, (n_channels, 1)), before, after) for h in taps]
        mixed = sum(y * w for y, w in zip(each, self.state["filters.mixing"][:, :, 0].T, strict=True))
        y = self.activated(mixed, "filters.mixing_norm")
        y = self.activated(depthwise(y, self.state["filters.smoothing"], 0, 0), "filters.smoothing_norm")
        n_pooled = y.shape[1] // 2
        return (y[:, 0 : 2 * n_pooled : 2] + y[:, 1 : 2 * n_pooled : 2]) / 2

    def split(self, x: Floats):
        return np.split(x, self.ends[:-1], axis=-1)

    def aggregated(self, x: Floats):
        weights = np.split(self.state["within_regions.messages"], np.cumsum(np.add(self.hops, 1))[:-1])
        pointwise = np.split(
            self.state["within_regions.pointwise"][:, 0], np.cumsum(np.square(self.sizes))[:-1]
        )
        taps = np.split(self.state["within_regions.separable"], self.ends[:-1])
        told = []
        for r, (x_r, edges) in enumerate(zip(self.split(x), self.edges, strict=True)):
            n = self.sizes[r]
            heard = depthwise(x_r @ filter_matrix(n, edges, weights[r]), taps[r], 2, 2)
            told.append(heard @ pointwise[r].reshape(n, n).T)
        return self.activated(np.concatenate(told, axis=-1), "within_regions.norm")

    def attended(self, x: Floats, kernel: Floats, bias: Floats):
        n = x.shape[-1]
        weights = softmax(x.mean(axis=1) @ kernel.reshape(n, n).T + bias)
        return (x * weights[:, np.newaxis]).sum(axis=-1, keepdims=True)

    def fused(self, x: Floats, which: int):
        if "region_fusion.taps" in self.state:
            taps = np.split(self.state["region_fusion.taps"], 2)[which]
            weights = self.state["region_fusion.pointwise"][which, :, 0]
            return np.stack([y.sum(axis=-1) for y in self.split(depthwise(x, taps, 2, 2) * weights)], axis=-1)
        kernels = np.split(self.state["region_fusion.weight"][which], np.cumsum(np.square(self.sizes))[:-1])
        biases = np.split(self.state["region_fusion.bias"][which, :, 0], self.ends[:-1])
        parts = zip(self.split(x), kernels, biases, strict=True)
        return np.concatenate([self.attended(*part) for part in parts], axis=-1)

    def headed(self, regions: Floats, which: int):
        kernel, bias = self.state["head_fusion.weight"][which], self.state["head_fusion.bias"][which, :, 0]
        return self.attended(regions, kernel, bias)

    def __call__(self, windows: Tensor):
        x = self.filtered(windows.double().numpy().transpose(0, 2, 1))
        aggregated = self.aggregated(x)
        regions, regions_aggregated = self.fused(x, 0), self.fused(aggregated, 1)
        between = filter_matrix(len(self.sizes), self.region_edges, self.state["region_messages"])
        head = self.headed(regions, 0) + self.headed(regions_aggregated, 1)
        levels = np.concatenate([x + aggregated, regions @ between + regions_aggregated, head], axis=-1)
        return levels.mean(axis=1) @ self.state["output.weight"].T + self.state["output.bias"]
