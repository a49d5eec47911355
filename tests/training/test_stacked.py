"""Networks trained as one equal networks trained alone."""

import dataclasses
import sys
import threading
import time

import numpy as np
import pytest
import torch
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor, nn

from physioaffect.errors import ProtocolError, RunError
from physioaffect.training import (
    ClassBalanced,
    Cosine,
    CrossEntropy,
    Dropout,
    MaxNorm,
    Replica,
    Shuffled,
    Source,
    Standardised,
    Steps,
    SubjectBalanced,
    Training,
    train,
)

N_WINDOWS, N_FOLDS = 240, 4
TOLERANCE = 2e-5  # Of weights after some hundred steps in single precision.


class Small(nn.Module):
    """All that a network may have: batch statistics, dropout, a bound, a penalty."""

    def __init__(self, p: float = 0.3) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.first = nn.Linear(12, 8)
        self.drop = Dropout(p)
        self.last = nn.Linear(8, 3)
        self.max_norms = {"last.weight": MaxNorm(0.4, (-1,))}

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.drop(torch.relu(self.first(self.norm(x).flatten(1)))))
        return outputs

    def penalty(self, parameters: dict[str, Tensor]) -> Tensor:
        return 1e-3 * parameters["first.weight"].abs().sum()


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, N_WINDOWS)
    X = rng.standard_normal((N_WINDOWS, 4, 3))
    X[:, 0, 0] += labels
    source = Source([X], torch.device("cpu"))
    replicas = []
    for fold in range(N_FOLDS):
        order = rng.permutation(N_WINDOWS)
        # Of different sizes, so that epochs end at different steps.
        train_rows, validation = np.sort(order[: 120 + 20 * fold]), np.sort(order[200:])
        replicas.append(Replica(name=f"fold {fold}", seed=10 + fold, train=train_rows, validation=validation))
    return source, labels, replicas


def networks(p: float = 0.3) -> list[nn.Module]:
    made: list[nn.Module] = []
    for fold in range(N_FOLDS):
        torch.manual_seed(fold)
        made.append(Standardised(Small(p), (4, 3)))
    return made


def trained(world, training: Training, *, stack: int, p: float = 0.3, **options):
    source, labels, replicas = world
    targets = CrossEntropy(smoothing=0.1).targets(torch.from_numpy(labels), 3)
    subjects = np.arange(N_WINDOWS) // 60
    return train(
        networks(p),
        source,
        targets,
        replicas,
        training,
        labels=labels,
        subjects=subjects,
        stack=stack,
        **options,
    )


PLAIN = Training(epochs=6, batch_size=32, learning_rate=3e-3)
CASES = {
    "plain": PLAIN,
    "adamw": dataclasses.replace(PLAIN, optimiser="adamw", weight_decay=1e-2),
    "decay": dataclasses.replace(PLAIN, weight_decay=1e-2),
    "cosine": dataclasses.replace(PLAIN, schedule=Cosine(last=0.1)),
    "steps": dataclasses.replace(PLAIN, schedule=Steps({2: 0.3, 4: 0.1})),
    "patience": dataclasses.replace(PLAIN, epochs=40, patience=2, learning_rate=1e-2),
    "mixup": dataclasses.replace(PLAIN, mixup=0.3),
    "classes": dataclasses.replace(PLAIN, sampler=ClassBalanced()),
    "subjects": dataclasses.replace(PLAIN, sampler=SubjectBalanced()),
}


@pytest.mark.parametrize("stack", [3, 4])
@pytest.mark.parametrize("case", CASES)
def test_a_stack_trains_each_network_as_if_it_were_alone(world, case, stack):
    together = trained(world, CASES[case], stack=stack)
    alone = trained(world, CASES[case], stack=1)
    for one, other in zip(together, alone, strict=True):
        assert len(one.history) == len(other.history)
        assert_allclose(one.history, other.history, atol=TOLERANCE)
        for name in other.state:
            assert_allclose(one.state[name], other.state[name], atol=TOLERANCE, err_msg=name)


def test_early_stopping_ends_networks_at_different_epochs_and_keeps_their_best(world):
    for one in trained(world, CASES["patience"], stack=4):
        losses = [epoch.validation_loss for epoch in one.history]
        if len(losses) < 40:
            assert int(np.argmin(losses)) == len(losses) - 1 - 2
    assert len({len(one.history) for one in trained(world, CASES["patience"], stack=4)}) > 1


def test_the_kept_network_has_the_smallest_validation_loss(world):
    source, labels, replicas = world
    loss = CrossEntropy()
    targets = CrossEntropy(smoothing=0.1).targets(torch.from_numpy(labels), 3)
    one = trained(world, CASES["patience"], stack=4)[2]
    network = networks()[2].eval()
    network.load_state_dict(dict(one.state))
    rows = torch.from_numpy(replicas[2].validation)
    with torch.no_grad():
        again = float(loss(network(source.gather(rows)), targets[rows]))
    assert_allclose(again, min(epoch.validation_loss for epoch in one.history), rtol=1e-5)


def test_a_network_does_not_depend_on_its_neighbours(world):
    source, labels, replicas = world
    targets = CrossEntropy().targets(torch.from_numpy(labels), 3)
    whole = train(networks(), source, targets, replicas, PLAIN, labels=labels, stack=4)
    part = train(networks()[2:], source, targets, replicas[2:], PLAIN, labels=labels, stack=2)
    for one, other in zip(whole[2:], part, strict=True):
        for name in other.state:
            assert_allclose(one.state[name], other.state[name], atol=TOLERANCE, err_msg=name)


def test_dropout_masks_differ_between_networks_steps_and_layers():
    from physioaffect.training.noise import draw_masks

    layers = {"a": Dropout(0.5), "b": Dropout(0.5)}
    shapes = {"a": torch.Size((64, 8)), "b": torch.Size((64, 8))}
    masks = {
        step: draw_masks(shapes, layers, seeds=[1, 2], step=step, device=torch.device("cpu"))
        for step in (0, 1)
    }
    drawn = [masks[step][name][slice_] for step in masks for name in layers for slice_ in (0, 1)]
    # Two independent masks agree in half of their places.
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert 0.3 < float((one == other).float().mean()) < 0.7
    again = draw_masks(shapes, layers, seeds=[2], step=1, device=torch.device("cpu"))
    assert_array_equal(again["b"][0], masks[1]["b"][1])


def test_dropout_keeps_the_expectation_and_the_share():
    from physioaffect.training.noise import draw_masks

    mask = draw_masks(
        {"a": torch.Size((1000, 100))}, {"a": Dropout(0.25)}, seeds=[0], step=0, device=torch.device("cpu")
    )["a"]
    # 100,000 draws: three standard errors.
    assert_allclose(float((mask == 0).float().mean()), 0.25, atol=3 * np.sqrt(0.25 * 0.75 / 1e5))
    assert_allclose(sorted(mask.unique().tolist()), [0, 1 / 0.75])


def test_a_bound_holds_after_training(world):
    for one in trained(world, PLAIN, stack=4):
        norms = np.linalg.norm(one.state["network.last.weight"], axis=-1)
        assert norms.max() <= 0.4 + 1e-6


def test_a_batch_is_overfitted_to_no_loss():
    rng = np.random.default_rng(1)
    X, labels = rng.standard_normal((16, 4, 3)), rng.integers(0, 3, 16)
    network = Standardised(Small(0.0), (4, 3))
    network.max_norms = {}
    del network.penalty
    training = Training(epochs=600, batch_size=16, learning_rate=1e-2)
    one = train(
        [network],
        Source([X], torch.device("cpu")),
        CrossEntropy().targets(torch.from_numpy(labels), 3),
        [Replica(name="all", seed=0, train=np.arange(16))],
        training,
        labels=labels,
    )[0]
    assert one.history[-1].loss < 1e-3


def test_fewer_windows_than_a_batch_are_refused(world):
    with pytest.raises(ProtocolError, match=r"Fold fold 0 has n_samples=120 windows, .* one batch of 128"):
        trained(world, dataclasses.replace(PLAIN, batch_size=128, sampler=Shuffled()), stack=4)


def test_divergence_is_said(world):
    with (
        pytest.raises(ProtocolError, match=r"The training of fold fold \d diverged: its loss was (nan|inf)"),
        torch.autograd.set_detect_anomaly(False),
    ):
        trained(world, dataclasses.replace(PLAIN, learning_rate=1e30, mixup=0.0), stack=4)


def test_early_stopping_without_validation_windows_is_refused(world):
    source, labels, _ = world
    replica = Replica(name="one", seed=0, train=np.arange(100))
    targets = CrossEntropy().targets(torch.from_numpy(labels), 3)
    training = dataclasses.replace(PLAIN, patience=3)
    with pytest.raises(ProtocolError, match="Fold one has no validation windows"):
        train(networks()[:1], source, targets, [replica], training, labels=labels)


@pytest.mark.parametrize("stack", [1, 2, 4])
@pytest.mark.parametrize("case", ["plain", "patience"])
def test_an_interrupted_training_ends_with_the_same_numbers(world, case, stack, tmp_path, monkeypatch):
    """Killed after the third epoch that was told, and begun again."""
    monkeypatch.setattr("physioaffect.training.checkpoint.EVERY", 0.0)
    whole = trained(world, CASES[case], stack=stack)
    told = 0

    def stop(_name: str, _done: int, _epochs: int) -> None:
        nonlocal told
        told += 1
        if told == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(world, CASES[case], stack=stack, checkpoint=tmp_path, progress=stop)
    assert list(tmp_path.glob("*.safetensors"))
    seen: list[str] = []
    again = trained(
        world,
        CASES[case],
        stack=stack,
        checkpoint=tmp_path,
        progress=lambda name, _done, _epochs: seen.append(name),
    )
    assert len(seen) < sum(len(one.history) for one in whole)
    for one, other in zip(again, whole, strict=True):
        # NaN where there is no validation.
        assert_array_equal(one.history, other.history)
        for name in other.state:
            assert_array_equal(one.state[name], other.state[name], err_msg=name)


def test_an_error_ends_all_networks(world):
    """With a thread for each; those that were left would go on, and write checkpoints beside a new run."""
    told: list[str] = []

    def stop(name: str, _done: int, _epochs: int) -> None:
        told.append(name)
        if len(told) == 3:
            raise KeyboardInterrupt

    patient = dataclasses.replace(PLAIN, epochs=2000)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), parallel_config(backend="threading", n_jobs=2):
        trained(world, patient, stack=1, progress=stop)
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert len(told) < 20


def test_the_networks_that_training_begins_with_are_left_alone(world):
    source, labels, replicas = world
    targets = CrossEntropy().targets(torch.from_numpy(labels), 3)
    begun = networks()
    train(begun, source, targets, replicas, PLAIN, labels=labels, stack=4)
    for one, other in zip(begun, networks(), strict=True):
        for name, value in one.state_dict().items():
            assert_array_equal(value, other.state_dict()[name])


def test_how_small_numbers_are_taken_is_put_back(world):
    for was_flushing in (True, False):
        torch.set_flush_denormal(was_flushing)
        try:
            trained(world, dataclasses.replace(PLAIN, epochs=1), stack=4)
            assert (sys.float_info.min / 2 == 0) is was_flushing
        finally:
            torch.set_flush_denormal(False)


@pytest.mark.parametrize("other", ["labels", "windows", "seed", "setting"])
def test_a_checkpoint_of_another_training_is_refused(world, other, tmp_path, monkeypatch):
    monkeypatch.setattr("physioaffect.training.checkpoint.EVERY", 0.0)
    _, labels, replicas = world

    def begin(network: nn.Module, labels: np.ndarray, seed: int, training: Training, stop: bool) -> None:
        def tell(_name: str, done: int, _epochs: int) -> None:
            if stop and done == 2:
                raise KeyboardInterrupt

        targets = CrossEntropy().targets(torch.from_numpy(labels), 3)
        replica = dataclasses.replace(replicas[0], seed=seed)
        options = {"labels": labels, "checkpoint": tmp_path, "progress": tell}
        train([network], world[0], targets, [replica], training, **options)

    network = networks()[0]
    with pytest.raises(KeyboardInterrupt):
        begin(network, labels, 1, PLAIN, True)
    if other == "windows":  # By which it is standardised.
        network.get_buffer("standardise.mean").add_(1)
    changed = np.roll(labels, 1) if other == "labels" else labels
    training = dataclasses.replace(PLAIN, learning_rate=1e-4) if other == "setting" else PLAIN
    with pytest.raises(RunError, match=r"is the checkpoint of another training .* Remove it, or name"):
        begin(network, changed, 2 if other == "seed" else 1, training, False)
