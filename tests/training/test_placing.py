"""Where networks are trained, how many as one, and on how many threads."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from physioaffect.errors import ProtocolError
from physioaffect.graphs import HISTN_HIERARCHIES, NETWORKS, Input
from physioaffect.training import CrossEntropy, Replica, Source, Standardised, Training, train
from physioaffect.training.placing import is_large, stack_size

CPU, CUDA, META = (torch.device(name) for name in ("cpu", "cuda", "meta"))
TRAINING = Training(epochs=1, batch_size=8, learning_rate=1e-2)
LABELS = np.arange(16) % 2


class Told(nn.Module):
    """One linear layer, and what a network may tell the trainer."""

    def __init__(self, n_inputs: int = 3, **told: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(n_inputs, 2, bias=False)
        for name, value in told.items():
            setattr(self, name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.linear(x)
        return outputs


def trained(network: nn.Module, *, n_networks: int = 1, there: torch.device = CPU, **options: Any) -> Any:
    source = Source([np.zeros((16, 3))], there)
    replicas = [Replica(name="all", seed=seed, train=np.arange(16)) for seed in range(n_networks)]
    targets = CrossEntropy().targets(torch.from_numpy(LABELS), 2)
    return train([network] * n_networks, source, targets, replicas, TRAINING, labels=LABELS, **options)


@pytest.mark.parametrize("device", ["meta", "cuda", "gpu", torch.device("meta"), torch.device("cuda", 1)])
def test_another_device_than_that_of_the_windows_is_refused(device):
    message = (
        rf"asked for on '{device}', but the windows are on 'cpu'. Name one, 'cpu' or 'cuda', in both: train"
    )
    with pytest.raises(ProtocolError, match=message):
        trained(Told(), device=device)
    with pytest.raises(ProtocolError, match=r"asked for on 'cpu', but the windows are on 'meta'. Name one"):
        trained(Told(), there=META)


@pytest.mark.parametrize("device", ["cpu", CPU])
def test_the_device_of_the_windows_may_be_said_in_words(device):
    (one,) = trained(Told(), device=device)
    assert one.state["linear.weight"].device == CPU


def test_a_device_that_trains_nothing_is_refused():
    with pytest.raises(ValueError, match="Unknown device 'meta': use one of cpu, cuda, auto"):
        trained(Told(), there=META, device="meta")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_windows_on_a_card_that_is_not_there_are_refused():
    with pytest.raises(ProtocolError, match=r"'cuda' was asked for, but torch .* finds none"):
        trained(Told(), there=CUDA)


@pytest.mark.parametrize(
    ("told", "n_networks", "device", "size"),
    [
        # One by one on a processor, unless the network knows better; and then two stacks, for two cores.
        ({}, 40, CPU, 1),
        ({"cpu_stack": 8}, 40, CPU, 8),
        ({"cpu_stack": 8}, 16, CPU, 8),
        ({"cpu_stack": 8}, 15, CPU, 8),
        ({"cpu_stack": 8}, 9, CPU, 5),
        ({"cpu_stack": 8}, 2, CPU, 1),
        ({"cpu_stack": 8}, 1, CPU, 1),
        # All on a graphics card, whatever pays on a processor.
        ({}, 40, CUDA, 40),
        ({"cpu_stack": 8}, 40, CUDA, 40),
        # What cannot be a stack is none anywhere.
        ({"stackable": False, "cpu_stack": 8}, 40, CPU, 1),
        ({"stackable": False}, 40, CUDA, 1),
    ],
)
def test_how_many_networks_are_one_stack(told, n_networks, device, size):
    for network in (Told(**told), Standardised(Told(**told), (3,))):
        assert stack_size(network, n_networks, device) == size


@pytest.mark.parametrize("name", NETWORKS)
def test_what_networks_of_the_package_are_taken_for(name):
    """Of 32 folds on a processor: eight of the smallest at once, and threads for RBTransformer alone."""
    model = NETWORKS[name].classifier()
    names = HISTN_HIERARCHIES["V0"].ch_names
    network = model.network(Input(14, 5 if model.layout[-1] == "band" else 128, names, 128.0, 2))
    assert stack_size(network, 32, CPU) == (8 if name in ("dgcnn", "linear", "mlp", "rgnn") else 1)
    assert is_large(network, model.training()) is (name == "rbtransformer")


@pytest.mark.parametrize(
    ("n_inputs", "batch_size", "expected"),
    # Two outputs for each input: weights times windows of a step against 5e7.
    [
        (3, 8, False),
        (100_000, 250, False),
        (100_000, 251, True),
        (1_000_000, 25, False),
        (1_000_000, 26, True),
    ],
)
def test_a_network_is_large_by_its_weights_and_its_batch(n_inputs, batch_size, expected):
    training = Training(epochs=1, batch_size=batch_size, learning_rate=1e-3)
    assert is_large(Told(n_inputs), training) is expected


@pytest.mark.parametrize(("large", "n_networks", "expected"), [(False, 1, 1), (True, 1, 3), (True, 2, 1)])
def test_only_one_large_network_gets_all_threads_of_torch(large, n_networks, expected, monkeypatch):
    """Several are threads of their own, which would wait for each other's."""
    monkeypatch.setattr("physioaffect.training.trainer.is_large", lambda *_: large)
    seen = []

    def tell(*_: object) -> None:
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        trained(Told(), n_networks=n_networks, progress=tell)
        assert seen == [expected] * n_networks
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
