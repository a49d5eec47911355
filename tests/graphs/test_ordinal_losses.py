import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm, truncnorm

from physioaffect.graphs import GaussianMixture, TanhRegression


def outputs_of(means, deviations, weights):
    """What a network must give for a mixture: ``0.001 + softplus(0.05 u)`` is inverted."""
    raw = np.log(np.expm1(np.asarray(deviations) - 1e-3)) / 0.05
    return torch.tensor(np.concatenate([means, raw, np.log(weights)]))[None]


MEANS, DEVIATIONS, WEIGHTS = [0.1, 1.2, 1.9], [0.3, 0.2, 0.6], [0.5, 0.3, 0.2]


def mixture_density(x):
    parts = zip(MEANS, DEVIATIONS, WEIGHTS, strict=True)
    return sum(w * norm.pdf(x, m, s) for m, s, w in parts)


# Regression.


def test_five_classes_stand_for_the_published_numbers():
    assert_allclose(TanhRegression().targets(torch.tensor([4, 0, 2, 1, 3]), 5), [1, -1, 0, -0.5, 0.5])


def test_regression_takes_the_distance_of_the_tanh():
    raw, targets = torch.tensor([[0.3], [-2.0]]), torch.tensor([0.5, -1.0])
    expected = (abs(np.tanh(0.3) - 0.5) + abs(np.tanh(-2) + 1)) / 2
    assert_allclose(TanhRegression()(raw, targets), expected, rtol=1e-6)


def test_the_nearest_class_is_the_likeliest_and_the_farthest_the_unlikeliest():
    values = np.linspace(-0.99, 0.99, 67)
    probabilities = TanhRegression().probabilities(torch.from_numpy(np.arctanh(values))[:, None], 5).numpy()
    distance = np.abs(values[:, None] - np.linspace(-1, 1, 5))
    assert_allclose(probabilities.sum(axis=1), 1)
    assert_allclose(np.log(probabilities) + distance, (np.log(probabilities) + distance)[:, :1] + np.zeros(5))
    assert np.all(probabilities.argmax(axis=1) == distance.argmin(axis=1))


# Mixture.


def test_without_jitter_the_loss_is_the_likelihood_of_the_mixture():
    outputs = outputs_of(MEANS, DEVIATIONS, WEIGHTS)
    for y in range(3):
        targets = GaussianMixture().targets(torch.tensor([y]), 3).double()
        loss = GaussianMixture(jitter=0)(outputs, targets)
        assert_allclose(loss, -np.log(mixture_density(y)), rtol=1e-6)


def test_the_loss_is_the_mean_over_the_published_jitter():
    # A normal distribution of standard deviation 0.1, cut at 0.2 on both sides.
    jitter = truncnorm(-2, 2, scale=0.1)
    expected, _ = quad(lambda e: -np.log(mixture_density(1 + e)) * jitter.pdf(e), -0.2, 0.2)
    loss = GaussianMixture()(outputs_of(MEANS, DEVIATIONS, WEIGHTS), torch.tensor([1.0]).double())
    assert_allclose(loss, expected, rtol=1e-3)


def test_probabilities_are_the_shares_of_samples_nearest_to_each_class():
    rng = np.random.default_rng(0)
    part = rng.choice(3, p=WEIGHTS, size=400_000)
    samples = rng.normal(np.take(MEANS, part), np.take(DEVIATIONS, part))
    nearest = np.abs(samples[:, None] - np.arange(3)).argmin(axis=1)
    found = GaussianMixture().probabilities(outputs_of(MEANS, DEVIATIONS, WEIGHTS), 3)[0]
    assert_allclose(found, np.bincount(nearest) / len(samples), atol=3e-3)
    assert_allclose(found.sum(), 1)


def test_jitter_keeps_a_gaussian_from_collapsing_onto_its_label():
    losses = {
        jitter: [
            float(GaussianMixture(jitter=jitter)(outputs_of([0.0], [width], [1.0]), torch.zeros(1).double()))
            for width in (0.1, 0.03, 0.01)
        ]
        for jitter in (0.0, 0.1)
    }
    assert losses[0.0] == sorted(losses[0.0], reverse=True)
    assert losses[0.1] == sorted(losses[0.1])


def test_gradients_are_finite_far_from_every_label():
    outputs = torch.tensor([[50.0, -80.0, 3.0, -400.0, 400.0, 0.0, 9.0, -9.0, 0.0]], requires_grad=True)
    GaussianMixture()(outputs, torch.tensor([1.0])).backward()
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()
    assert torch.isfinite(GaussianMixture().probabilities(outputs, 3)).all()


def test_a_negative_jitter_is_refused():
    with pytest.raises(ValueError, match=r"jitter is a standard deviation, 0 or more, got -1"):
        GaussianMixture(jitter=-1)
