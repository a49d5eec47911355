"""RGNN against its equations in NumPy and torch-geometric, and its regularisers against what they promise."""

import math
import warnings
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.func import functional_call, stack_module_state
from torch.nn import functional
from torch.testing import assert_close

from physioaffect.errors import DataError, ProtocolError
from physioaffect.graphs import RGNN, Input, RGNNClassifier, inverse_square
from physioaffect.montage import electrode_positions, mirror_pairs
from physioaffect.training import Batch, ClassLoss, CrossEntropy, Standardised, torch_threads

N_CHANNELS, N_BANDS, N_HIDDEN, N_CLASSES = 6, 4, 7, 3
CH_NAMES = ("Fp1", "Fp2", "F5", "F6", "O1", "O2", "Cz")


@pytest.fixture(autouse=True)
def one_thread():
    """Several threads would wait for each other more than they work."""
    with torch_threads(1):
        yield


def graph(seed: int = 0) -> Tensor:
    """Weights of both signs, with self loops."""
    weights = torch.randn(N_CHANNELS, N_CHANNELS, generator=torch.Generator().manual_seed(seed))
    return weights + weights.T + torch.eye(N_CHANNELS)


def tiny(seed: int = 0, **settings) -> RGNN:
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"n_bands": N_BANDS, "n_outputs": N_CLASSES, "n_hidden": N_HIDDEN}
    sizes["adjacency"] = graph(seed)
    return RGNN(**(sizes | {"dropout": 0.0} | settings)).eval()


def windows(n_batch: int = 8, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n_batch, N_CHANNELS, N_BANDS, generator=draw)


def batch(progress: float = 0.5, seed: int = 1) -> Batch:
    y = functional.one_hot(torch.arange(8) % N_CLASSES, N_CLASSES).float()
    return Batch(windows(seed=seed), y, windows(5, seed=seed + 100) + 1, torch.tensor(progress))


# Sizes.


@pytest.mark.parametrize(("node_dat", "expected"), [(False, 2_244), (True, 2_310)])
def test_size_on_seed_is_the_documented_one(node_dat, expected):
    network = RGNN(adjacency=np.eye(62), n_bands=5, n_outputs=3, node_dat=node_dat)
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == 62 * 63 // 2 + (5 + 1) * 32 + (32 + 1) * 3 + node_dat * (32 + 1) * 2 == expected


# The equations.


@pytest.mark.parametrize("n_hops", [1, 2, 3])
def test_follows_its_equations(n_hops):
    network, x = tiny(n_hops=n_hops, node_dat=True), windows()
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    adjacency = graph().double().numpy()
    root = np.diag(1 / np.sqrt(np.abs(adjacency).sum(axis=1)))
    spread = np.linalg.matrix_power(root @ adjacency @ root, n_hops)
    heard = np.einsum("ij,bjf->bif", spread, x.double().numpy())
    nodes = np.maximum(heard @ weights["convolution.weight"].T + weights["convolution.bias"], 0)
    outputs = nodes.sum(axis=1) @ weights["output.weight"].T + weights["output.bias"]
    domains = nodes @ weights["domain.weight"].T + weights["domain.bias"]
    assert_allclose(network(x).detach(), outputs, atol=1e-4)
    judged = network(x, torch.tensor(0.3))
    assert_allclose(judged.outputs.detach(), outputs, atol=1e-4)
    assert_allclose(judged.domains.detach(), domains, atol=1e-5)


@pytest.mark.parametrize("n_hops", [1, 2, 3])
def test_convolution_is_torch_geometrics_sgconv(n_hops):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn import SGConv
    weights = graph().abs()
    network, x = tiny(n_hops=n_hops, adjacency=weights), windows()
    peer = SGConv(N_BANDS, N_HIDDEN, K=n_hops)
    peer.lin.load_state_dict(network.convolution.state_dict())
    index = weights.nonzero().T
    nodes = peer(x, index, weights[index[0], index[1]]).relu()
    assert_close(network(x), network.output(nodes.sum(dim=1)), atol=1e-5, rtol=0)


def test_a_negative_connection_makes_differences():
    pair = RGNN(adjacency=[[1, -1], [-1, 1]], n_bands=1, n_outputs=2)
    assert_close(pair.spread(), torch.tensor([[0.5, -0.5], [-0.5, 0.5]]))
    same = torch.ones(1, 2, 1)
    assert_close(pair.eval()(same), pair(5 * same))
    assert not torch.allclose(pair(same), pair(same * torch.tensor([[1.0], [2.0]])))


def test_an_electrode_without_connections_is_silent_and_harms_none():
    weights = graph()
    weights[2] = weights[:, 2] = 0
    network, x = tiny(adjacency=weights), windows()
    changed = x.clone()
    changed[:, 2] += 5
    assert_close(network(changed), network(x))
    gradient = torch.autograd.grad(network(x).square().sum(), [network.edges])[0]
    assert gradient.isfinite().all()


def test_relabelled_electrodes_change_nothing_but_the_graph():
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    network, x = tiny(), windows()
    relabelled = tiny(adjacency=graph()[order][:, order])
    assert_close(relabelled(x[:, order]), network(x), atol=1e-4, rtol=0)
    assert not torch.allclose(network(x[:, order]), network(x), atol=1e-2)


def test_graph_stays_symmetric_while_it_is_learned():
    network = tiny()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    for seed in range(3):
        optimiser.zero_grad()
        network(windows(seed=seed)).square().sum().backward()
        optimiser.step()
    adjacency = network.adjacency().detach()
    assert_close(adjacency, adjacency.T, atol=0, rtol=0)
    assert (adjacency - graph()).abs().min() > 0.05


def test_dropout_acts_in_front_of_the_last_layer_and_not_on_the_domain():
    network, x = tiny(dropout=0.5, node_dat=True), windows()
    before, bias = network(x, torch.tensor(0.5)), network.output.bias
    network.train().dropout.mask = torch.full((len(x), N_HIDDEN), 3.0)
    judged = network(x, torch.tensor(0.5))
    assert_close(judged.outputs, 3 * (before.outputs - bias) + bias, atol=1e-4, rtol=1e-5)
    assert_close(judged.domains, before.domains, atol=0, rtol=0)


# Where the graph begins.


def test_graph_begins_as_published():
    network = RGNNClassifier().network(Input(len(CH_NAMES), N_BANDS, CH_NAMES, None, 3))
    places = 100 * electrode_positions(CH_NAMES)
    distance = np.linalg.norm(places[:, np.newaxis] - places, axis=-1)
    expected = np.ones((7, 7))
    away = ~np.eye(7, dtype=bool)
    expected[away] = np.minimum(1, 5 / distance[away] ** 2)
    for left, right in ((0, 1), (2, 3), (4, 5)):
        expected[left, right] -= 1
        expected[right, left] -= 1
    assert_allclose(network.adjacency().detach(), expected, rtol=1e-5)
    assert network.adjacency()[0, 1] < 0


def test_a_cap_without_the_published_pairs_may_have_its_own_or_none():
    about = Input(3, N_BANDS, ("F3", "F4", "Cz"), None, 3)
    with pytest.raises(DataError, match=r"None of the pairs FP1-FP2, .* or pairs=\(\) for none"):
        RGNNClassifier().network(about)
    without = RGNNClassifier(pairs=()).network(about).adjacency().detach()
    joined = RGNNClassifier(pairs=mirror_pairs(("F3", "F4", "Cz"))).network(about).adjacency().detach()
    assert without.min() > 0
    assert_allclose(joined - without, [[0, -1, 0], [-1, 0, 0], [0, 0, 0]], atol=1e-6)


def test_electrodes_must_be_known_by_name():
    with pytest.raises(DataError, match="RGNN needs to know its electrodes: pass ch_names="):
        RGNNClassifier().network(Input(7, N_BANDS, None, None, 3))


def test_delta_says_how_far_electrodes_hear_each_other():
    network = RGNNClassifier(delta=1e-3).network(Input(len(CH_NAMES), N_BANDS, CH_NAMES, None, 3))
    near = inverse_square(CH_NAMES, delta=1e-3)
    assert_allclose(network.adjacency()[0, 2].item(), near[0, 2], rtol=1e-6)


def test_is_trained_as_published():
    model = RGNNClassifier()
    assert (model.n_hops, model.dropout, model.batch_size, model.delta) == (2, 0.7, 16, 5e-4)


# The penalty.


def test_penalty_is_the_norm_of_the_whole_matrix():
    network = tiny(sparsity=0.3)
    penalty = network.penalty(dict(network.named_parameters()))
    assert_close(penalty, 0.3 * graph().abs().sum())
    gradient = torch.autograd.grad(penalty, [network.edges])[0]
    rows, columns = np.tril_indices(N_CHANNELS)
    expected = 0.3 * graph().sign()[rows, columns] * torch.from_numpy(np.where(rows == columns, 1.0, 2.0))
    assert_close(gradient, expected.float())


# NodeDAT.


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_domain_passes_forwards_as_it_is_and_backwards_reversed(strength):
    network, x = tiny(node_dat=True), windows()
    domain = network.domain
    assert domain is not None
    plain = network(x, torch.tensor(0.0)).domains
    judged = network(x, torch.tensor(strength)).domains
    assert_close(judged, plain, atol=0, rtol=0)
    weights = [network.convolution.weight, domain.weight]
    through_nodes, direct = torch.autograd.grad(judged.square().sum(), weights)
    # The same without the reversal.
    heard = (network.spread() @ network.spread() @ x).detach()
    straight = domain(network.convolution(heard).relu())
    expected_nodes, expected_direct = torch.autograd.grad(straight.square().sum(), weights)
    assert_close(through_nodes, -strength * expected_nodes, atol=1e-3, rtol=1e-4)
    assert_close(direct, expected_direct, atol=1e-3, rtol=1e-4)


def domain_loss(network: RGNN, whole: Batch) -> Tensor:
    """Written out, without reversal."""
    assert network.domain is not None
    assert whole.unlabelled is not None
    total = torch.zeros(())
    for number, x in enumerate((whole.x, whole.unlabelled)):
        heard = network.spread() @ network.spread() @ x
        logits = network.domain(network.convolution(heard).relu()).flatten(0, 1)
        total = total + functional.cross_entropy(logits, torch.full((len(logits),), number))
    return total


@pytest.mark.parametrize("progress", [0.0, 0.1, 1.0])
def test_objective_turns_the_domains_gradient_round_as_training_goes_on(progress):
    network, whole = tiny(node_dat=True, domain_weight=0.7), batch(progress)
    strength = 2 / (1 + math.exp(-10 * progress)) - 1
    classes = functional.cross_entropy(network(whole.x), whole.y)
    domains = domain_loss(network, whole)
    objective = network.objective(network, whole)
    assert_close(objective, classes + 0.7 * domains)
    for name, parameter in network.named_parameters():
        found = torch.autograd.grad(objective, [parameter], retain_graph=True)[0]
        own, other = (
            torch.autograd.grad(part, [parameter], retain_graph=True, materialize_grads=True)[0]
            for part in (classes, domains)
        )
        share = 0.7 if name.startswith("domain") else -0.7 * strength
        assert_close(found, own + share * other, atol=1e-5, rtol=1e-4)


def test_without_node_dat_unlabelled_windows_are_not_looked_at():
    network, whole = tiny(), batch()
    expected = functional.cross_entropy(network(whole.x), whole.y)
    assert_close(network.objective(network, whole._replace(unlabelled=None)), expected)
    assert_close(network.objective(network, whole), expected)
    assert "unlabelled" not in RGNNClassifier().uses


def test_with_node_dat_unlabelled_windows_are_asked_for():
    assert "unlabelled" in RGNNClassifier(node_dat=True).uses
    network = tiny(node_dat=True)
    with pytest.raises(ProtocolError, match=r"NodeDAT learns from unlabelled windows .* or node_dat=False"):
        network.objective(network, batch()._replace(unlabelled=None))


def test_electrodes_learn_to_hide_whose_window_it_is():
    # Two people whose windows differ everywhere in the second band; classes differ in the first.
    rng = np.random.default_rng(0)
    X, y, is_new = rng.normal(size=(480, 7, 2)), np.arange(480) % 2, np.arange(480) >= 240
    X[y == 1, :, 0] += 1
    X[y == 1, :3, 0] += 1
    X[is_new, :, 1] += 2
    old, new, people = X[~is_new], X[is_new], np.repeat(["a", "b"], 240)
    settings: dict[str, Any] = {"n_hidden": 16, "dropout": 0.0, "sparsity": 0.0, "learning_rate": 1e-2}
    settings |= {"batch_size": 32, "ch_names": CH_NAMES, "random_state": 2, "device": "cpu"}
    plain = RGNNClassifier(**settings).fit(old, y[~is_new])
    hiding = RGNNClassifier(node_dat=True, domain_weight=3.0, **settings)
    hiding.fit(old, y[~is_new], groups=people[~is_new], target=(new, people[is_new]))
    found = []
    for model in (plain, hiding):
        assert model.score(old, y[~is_new]) > 0.8
        assert isinstance(model.network_, Standardised)
        network = model.network_.network
        assert isinstance(network, RGNN)
        x = model.network_.standardise(torch.from_numpy(X).float())
        nodes = network.convolution(network.spread() @ network.spread() @ x).relu().detach().flatten(0, 1)
        probe = LogisticRegression(max_iter=200).fit(nodes, np.repeat(is_new, 7))
        found.append(probe.score(nodes, np.repeat(is_new, 7)))
    assert found[0] > 0.8
    assert found[1] < 0.72


# EmotionDL.


def emotion_loss(emotions: str, noise: float = 0.1) -> ClassLoss:
    return cast(ClassLoss, RGNNClassifier(emotion_dl=emotions, noise=noise).training().loss)


def table(emotions: str, noise: float) -> Tensor:
    n_classes = {"seed": 3, "seed-iv": 4}[emotions]
    return emotion_loss(emotions, noise).targets(torch.arange(n_classes), n_classes)


def test_emotions_that_are_near_share_a_label():
    e = 0.3
    assert_allclose(
        table("seed", e),
        [[1 - 2 * e / 3, 2 * e / 3, 0], [e / 3, 1 - 2 * e / 3, e / 3], [0, 2 * e / 3, 1 - 2 * e / 3]],
        rtol=1e-6,
    )
    assert_allclose(
        table("seed-iv", e),
        [
            [1 - 3 * e / 4, e / 4, e / 4, e / 4],
            [e / 3, 1 - 2 * e / 3, e / 3, 0],
            [e / 4, e / 4, 1 - 3 * e / 4, e / 4],
            [e / 3, 0, e / 3, 1 - 2 * e / 3],
        ],
        rtol=1e-6,
    )


@pytest.mark.parametrize("emotions", ["seed", "seed-iv"])
def test_labels_are_distributions_and_sharp_without_noise(emotions):
    noisy = table(emotions, 0.7)
    assert_close(noisy.sum(dim=1), torch.ones(len(noisy)))
    assert noisy.min() == 0
    assert_close(table(emotions, 0.0), torch.eye(len(noisy)))


def test_loss_is_the_divergence_up_to_a_number():
    loss, outputs = emotion_loss("seed", 0.2), torch.randn(6, 3)
    targets = loss.targets(torch.arange(6) % 3, 3)
    divergence = functional.kl_div(outputs.log_softmax(dim=1), targets, reduction="batchmean")
    entropy = -torch.special.xlogy(targets, targets).sum(dim=1).mean()
    assert_close(loss(outputs, targets), divergence + entropy)
    assert_close(loss.probabilities(outputs, 3), outputs.softmax(dim=1))
    assert loss.n_outputs(3) == 3


def test_classifier_is_trained_on_emotions():
    assert RGNNClassifier().training().loss == CrossEntropy()
    model = RGNNClassifier(emotion_dl="seed", noise=0.2)
    X = np.random.default_rng(0).normal(size=(48, len(CH_NAMES), 2))
    names = np.array(["negative", "neutral", "positive"])[np.arange(48) % 3]
    quick = model.set_params(epochs=1, ch_names=CH_NAMES, random_state=0, device="cpu")
    by_name = clone(quick).fit(X, names).predict_proba(X)
    assert_allclose(clone(quick).fit(X, np.arange(48) % 3).predict_proba(X), by_name)


def test_emotions_that_are_not_these_are_refused():
    with pytest.raises(ValueError, match="defined for the emotions of seed, seed-iv only, got 'deap'"):
        emotion_loss("deap")
    with pytest.raises(ValueError, match="a share from 0 to 1, got 2"):
        emotion_loss("seed", noise=2)
    with pytest.raises(ProtocolError, match="knows the classes 0 negative, 1 neutral, 2 positive; training"):
        emotion_loss("seed").targets(torch.arange(2), 2)
    # SEED's own numbers are -1, 0, 1; a gap means that an emotion is missing.
    emotion_loss("seed").check_classes((-1, 0, 1))  # type: ignore[attr-defined]
    with pytest.raises(ProtocolError, match=r"2 positive; training has 0, 1, 3\."):
        emotion_loss("seed").check_classes((0, 1, 3))  # type: ignore[attr-defined]
    # Sorted by name they would not be in the order of their numbers.
    X = np.zeros((8, len(CH_NAMES), 2))
    names = np.array(["neutral", "sad", "fear", "happy"] * 2)
    with pytest.raises(ProtocolError, match="0 neutral, 1 sad, 2 fear, 3 happy; training has fear, happy"):
        RGNNClassifier(emotion_dl="seed-iv", ch_names=CH_NAMES, device="cpu").fit(X, names)


# Copies trained as one.


@pytest.mark.parametrize("node_dat", [False, True])
def test_copies_in_a_stack_are_what_they_are_alone(node_dat):
    networks = [tiny(seed, node_dat=node_dat, dropout=0.5).train() for seed in range(3)]
    batches = [batch(progress=0.1 + 0.2 * seed, seed=seed) for seed in range(3)]
    n_rows = 13 if node_dat else 8
    masks = torch.rand(3, n_rows, N_HIDDEN).round() * 2

    def loss(state: dict[str, Tensor], mask: Tensor, *parts: Tensor) -> Tensor:
        def call(*args: Tensor) -> Any:
            return functional_call(networks[0], state | {"dropout.mask": mask}, args)

        x, y, unlabelled, progress = parts
        own = Batch(x, y, unlabelled, progress)
        return networks[0].objective(call, own) + networks[0].penalty(state)

    both = torch.func.grad_and_value(loss)
    parameters = {name: value.detach() for name, value in stack_module_state(networks)[0].items()}
    together = [
        torch.stack([part for part in parts if part is not None]) for parts in zip(*batches, strict=True)
    ]
    gradients, losses = torch.vmap(both)(parameters, masks, *together)
    for number, own in enumerate(batches):
        state = {name: value[number] for name, value in parameters.items()}
        gradient, value = both(state, masks[number], *(part for part in own if part is not None))
        assert_close(losses[number], value)
        for name, expected in gradient.items():
            assert_close(gradients[name][number], expected, atol=1e-5, rtol=1e-4)


# Learning.


def test_learns_a_batch_by_heart():
    network, x, y = tiny(n_hidden=32).train(), windows(12), torch.arange(12) % N_CLASSES
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-2)
    for _ in range(300):
        optimiser.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    assert functional.cross_entropy(network(x), y).item() < 1e-2


# Bad input.


@pytest.mark.parametrize("name", ["n_bands", "n_outputs", "n_hidden", "n_hops"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(ValueError, match=f"RGNN needs {name} of at least 1, got 0"):
        tiny(**{name: 0})


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="RGNN needs sparsity of 0 or more, got -1"):
        tiny(sparsity=-1)
    with pytest.raises(ValueError, match="RGNN needs domain_weight of 0 or more, got -1"):
        tiny(domain_weight=-1)
    with pytest.raises(ValueError, match="from 0 to below 1, got 1"):
        tiny(dropout=1)
    with pytest.raises(DataError, match=r"\(n_channels, n_channels\), got shape \(2, 3\)"):
        tiny(adjacency=np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"got one that is not symmetric\. Average it with its"):
        tiny(adjacency=[[1, 2], [3, 4]])
    with pytest.raises(DataError, match=r"got weights that are not finite\. Replace what is missing"):
        tiny(adjacency=[[1, np.nan], [np.nan, 1]])


def test_windows_of_another_montage_are_refused():
    with pytest.raises(ValueError, match="of 6 electrodes x 4 bands, got 7 x 4"):
        tiny()(torch.zeros(2, 7, 4))
