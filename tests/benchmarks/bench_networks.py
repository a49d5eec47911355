"""Training of networks, one fold and all, beside TorchEEG's DGCNN: run with `make bench`.

The peer is no dependency: see the head of bench_peers.py. Data are noise of the size of SEED and DREAMER; the
time does not depend on what they say.
"""

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from joblib import parallel_config
from support.training_worlds import CPU, Recordings, World
from torch import Tensor, nn

from physioaffect.training import torch_threads
from physioaffect.training.stack import Stack

N_WINDOWS, N_CLASSES = 50_000, 3


@pytest.fixture(scope="module")
def seed() -> World:
    return World("dgcnn", (62, 5), N_CLASSES, N_WINDOWS)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


def peer() -> nn.Module:
    """TorchEEG's DGCNN, from its file: its package does not import without torch_scatter."""
    package = importlib.util.find_spec("torcheeg")
    if package is None or not package.submodule_search_locations:
        pytest.skip("torcheeg is not there; the head of bench_peers.py says how to install the peers")
    path = f"{package.submodule_search_locations[0]}/models/gnn/dgcnn.py"
    spec = importlib.util.spec_from_file_location("peer_dgcnn", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network: nn.Module = module.DGCNN(in_channels=5, num_electrodes=62, hid_channels=32, num_classes=3)
    return network


def plain_epoch(network: nn.Module, X: Tensor, y: Tensor) -> None:
    """What a user writes who has windows in memory and wants no more than an epoch."""
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    order = torch.randperm(len(X))
    for rows in order[: len(X) // 64 * 64].split(64):
        adam.zero_grad()
        nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()
        adam.step()


@pytest.mark.parametrize("whose", ["ours", "torcheeg, bare loop"])
def bench_dgcnn_epoch_of_one_fold(benchmark: Any, seed: World, whose: str) -> None:
    if whose == "ours":
        benchmark.pedantic(lambda: seed.epochs(1), rounds=5, warmup_rounds=1)
    else:
        network, X = peer(), seed.source.gather(torch.arange(N_WINDOWS))
        y = torch.from_numpy(seed.labels)
        benchmark.pedantic(lambda: plain_epoch(network, X, y), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("way", ["side by side", "one stack"])
def bench_dgcnn_epoch_of_fifteen_folds(benchmark: Any, seed: World, way: str) -> None:
    def run() -> None:
        with parallel_config(backend="threading", n_jobs=2):
            seed.epochs(15, stack=15 if way == "one stack" else None)

    threads = 2 if way == "one stack" else 1
    torch.set_num_threads(threads)
    benchmark.pedantic(run, rounds=3, warmup_rounds=0)


@pytest.mark.parametrize("n_folds", [1, 5, 15, 23, 115])
def bench_scaling_over_folds(benchmark: Any, seed: World, n_folds: int) -> None:
    """A tenth of an epoch of each fold, on two threads."""

    def run() -> None:
        with parallel_config(backend="threading", n_jobs=2):
            seed.epochs(n_folds, n_windows=N_WINDOWS // 10)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)


class LayerByLayer(nn.Module):
    """HiSTN's first layers as they are published: eight signals of each electrode, mixed and filtered."""

    def __init__(self, filters: nn.Module) -> None:
        super().__init__()
        self.filters = filters

    def forward(self, x: Tensor) -> Tensor:
        """(n_channels, n_batch, n_times) -> (n_channels, n_batch, (n_times - 4) // 2)."""
        own: Any = self.filters
        n_taps = own.temporal.shape[1]
        padded = nn.functional.pad(x.transpose(0, 1), ((n_taps - 1) // 2, n_taps // 2))
        each = nn.functional.conv2d(padded[:, None], own.temporal[:, None, None])
        mixed = nn.functional.elu(own.mixing_norm(torch.einsum("bfct, cf -> bct", each, own.mixing[..., 0])))
        smoothed = nn.functional.conv1d(mixed, own.smoothing[:, None], groups=len(x))
        return nn.functional.avg_pool1d(nn.functional.elu(own.smoothing_norm(smoothed)), 2).transpose(0, 1)


class PlainHiSTN(World):
    """HiSTN of such layers."""

    def network(self) -> nn.Module:
        made: Any = super().network()
        made.network.filters = LayerByLayer(made.network.filters)
        made.max_norms = {
            name.replace("filters.", "filters.filters."): one for name, one in made.max_norms.items()
        }
        plain: nn.Module = made
        return plain


WAYS = {
    "alone": World,
    "alone, cropped as published": Recordings,
    "stack of 5": World,
    "alone, layer by layer": PlainHiSTN,
}


@pytest.mark.parametrize("way", WAYS)
def bench_histn_steps(benchmark: Any, way: str) -> None:
    """120 steps of 256 crops of one second of 14 channels; of each of five folds in the stack."""
    world = WAYS[way]("histn", (14, 128), 5, 40 * 256)
    n_folds = 5 if "stack" in way else 1
    benchmark.pedantic(
        lambda: world.epochs(n_folds, epochs=3, batch_size=256, stack=n_folds), rounds=3, warmup_rounds=1
    )


SHAPES = {"eegnet": (14, 128), "histn": (14, 128), "rbtransformer": (14, 4), "rgnn": (14, 5)}


@pytest.mark.parametrize("n_copies", [1, 8])
@pytest.mark.parametrize(
    "name", ["dgcnn", "eegnet", "gcbnet", "histn", "linear", "mlp", "rbtransformer", "rgnn"]
)
def bench_stack(benchmark: Any, name: str, n_copies: int) -> None:
    """Forty steps of 64 windows, of each copy: a stack pays where eight cost less than eight times one."""
    world = World(name, SHAPES.get(name, (62, 5)), N_CLASSES, 40 * 64)
    benchmark.pedantic(lambda: world.epochs(n_copies, stack=n_copies), rounds=3, warmup_rounds=1)


def bench_rbtransformer_window(benchmark: Any) -> None:
    """One DREAMER window, from array to probabilities."""
    world = World("rbtransformer", (14, 4), 2, 8)
    stack = Stack([world.network().eval()], CPU)
    window = world.source.gather(torch.zeros(1, 1, dtype=torch.long))

    def run() -> Tensor:
        return stack.outputs(window).softmax(dim=-1)

    benchmark.pedantic(run, rounds=50, iterations=5, warmup_rounds=5)


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("way", ["as it is", "compiled"])
def bench_dgcnn_steps_compiled(benchmark: Any, seed: World, way: str) -> None:
    """A hundred steps; torch.compile takes a minute before the first and needs a C++ compiler."""
    network = seed.network()
    run = torch.compile(network) if way == "compiled" else network
    adam = torch.optim.Adam(network.parameters(), fused=True)
    X = seed.source.gather(torch.arange(64))
    y = torch.from_numpy(seed.labels[:64])

    def steps() -> None:
        for _ in range(100):
            adam.zero_grad()
            nn.functional.cross_entropy(run(X), y).backward()
            adam.step()

    benchmark.pedantic(steps, rounds=3, warmup_rounds=1)
