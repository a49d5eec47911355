"""Losses and schedules against their definitions."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import log_softmax

from physioaffect.training import (
    Concordance,
    ConcordanceAndError,
    Cosine,
    CrossEntropy,
    MeanSquaredError,
    Steps,
    Training,
)


def test_cross_entropy_is_the_mean_of_minus_q_log_p():
    rng = np.random.default_rng(0)
    outputs, y = rng.standard_normal((7, 3)), rng.integers(0, 3, 7)
    loss = CrossEntropy(smoothing=0.12)
    targets = loss.targets(torch.from_numpy(y), 3)
    q = 0.88 * np.eye(3)[y] + 0.12 / 3
    assert_allclose(targets, q, atol=1e-7)
    expected = -(q * log_softmax(outputs, axis=1)).sum(axis=1).mean()
    assert_allclose(float(loss(torch.from_numpy(outputs).float(), targets)), expected, rtol=1e-6)


def test_ordinal_labels_give_their_neighbours_a_share():
    targets = CrossEntropy(spread=0.5).targets(torch.tensor([0, 2]), 5)
    # The table of the paper on HiSTN.
    assert_allclose(targets[0, :3], [0.8805, 0.1192, 0.0003], atol=6e-5)
    assert_allclose(targets[1], [0.0003, 0.1065, 0.7866, 0.1065, 0.0003], atol=6e-5)


def test_concordance_is_one_minus_lins_coefficient():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(50), rng.standard_normal(50) + 0.4
    ccc = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    outputs = torch.from_numpy(x)[:, None]
    assert_allclose(float(Concordance()(outputs, torch.from_numpy(y))), 1 - ccc, rtol=1e-10)
    assert_allclose(float(Concordance()(outputs, torch.from_numpy(x))), 0, atol=1e-12)
    assert float(Concordance()(torch.zeros(4, 1), torch.zeros(4))) == 1


def test_mean_squared_error():
    assert_allclose(float(MeanSquaredError()(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0]))), 2.5)


def test_a_cosine_goes_from_one_to_its_last():
    # RBTransformer: 1e-3 down to 1e-6 in 300 epochs.
    schedule = Cosine(last=1e-3)
    assert schedule(0, 300) == 1
    assert_allclose(schedule(150, 300), (1 + 1e-3) / 2)
    assert_allclose(schedule(300, 300), 1e-3)
    factors = [schedule(epoch, 300) for epoch in range(301)]
    assert np.all(np.diff(factors) < 0)


def test_steps_hold_from_their_epoch_on():
    schedule = Steps({30: 0.5, 40: 0.1})
    assert [schedule(epoch, 50) for epoch in (0, 29, 30, 39, 40, 49)] == [1, 1, 0.5, 0.5, 0.1, 0.1]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: CrossEntropy(smoothing=1.0), "share from 0 to below 1"),
        (lambda: CrossEntropy(smoothing=0.1, spread=0.5), "takes the place of smoothing"),
        (lambda: Cosine(last=2), "factor from 0 to 1"),
        (lambda: Steps({-1: 0.5}), "epochs from 0"),
        (lambda: Training(epochs=0, batch_size=1, learning_rate=1), "epochs must be a whole number from 1"),
        (lambda: Training(epochs=1, batch_size=1, learning_rate=0), "learning_rate must be above 0"),
        (lambda: Training(epochs=1, batch_size=1, learning_rate=1, mixup=-1), "mixup must be 0 or more"),
        (
            lambda: Training(epochs=1, batch_size=1, learning_rate=1, optimiser="sgd"),  # type: ignore[arg-type]
            "use adam or adamw",
        ),
    ],
)
def test_impossible_settings_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_concordance_and_error_is_the_mean_over_columns_of_both():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40, 3))
    ccc = [
        2
        * np.cov(x[:, k], y[:, k], bias=True)[0, 1]
        / (x[:, k].var() + y[:, k].var() + (x[:, k].mean() - y[:, k].mean()) ** 2)
        for k in range(3)
    ]
    outputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    for weight in (0.0, 1.0, 2.5):
        expected = np.mean(1 - np.array(ccc)) + weight * np.square(x - y).mean()
        assert_allclose(float(ConcordanceAndError(weight=weight)(outputs, targets)), expected, rtol=1e-10)
    one = float(ConcordanceAndError(weight=0.0)(outputs[:, :1], targets[:, :1]))
    assert_allclose(one, float(Concordance()(outputs[:, :1], targets[:, 0])), rtol=1e-12)
    assert float(ConcordanceAndError()(targets, targets)) < 1e-12


def test_concordance_and_error_has_the_gradient_it_should():
    rng = np.random.default_rng(1)
    outputs, targets = (torch.from_numpy(part) for part in rng.normal(size=(2, 6, 2)))
    outputs.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ConcordanceAndError()(x, targets), (outputs,))


def test_concordance_and_error_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"must have one shape, got \(5, 1\) and \(5,\)"):
        ConcordanceAndError()(torch.zeros(5, 1), torch.zeros(5))
    with pytest.raises(ValueError, match="weight of the squared error must be 0 or more, got -1"):
        ConcordanceAndError(weight=-1)
