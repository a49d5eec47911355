"""Filters as matrix products, against NumPy's convolution and the responses themselves."""

from importlib import import_module

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch.nn import functional

# Not public, so its public face does not name it.
temporal = import_module("physioaffect.graphs.temporal")
average_pool, filter_each, mix = temporal.average_pool, temporal.filter_each, temporal.mix
padded_kernels, response_moments = temporal.padded_kernels, temporal.response_moments

sizes = st.integers(1, 5)
lengths = st.integers(1, 90)


def same(signal, kernel):
    """Correlation with zeros around, as long as the signal; Keras puts the odd zero at the end."""
    before = (len(kernel) - 1) // 2
    padded = np.pad(signal, (before, len(kernel) - 1 - before))
    return np.correlate(padded, kernel, mode="valid")


@given(sizes, sizes, sizes, lengths, lengths, st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_each_signal_is_filtered_by_the_kernel_of_its_group(n_batch, n_filters, depth, n_times, n_taps, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_batch, n_filters, depth, n_times))
    kernels = rng.normal(size=(n_filters, n_taps))
    expected = [
        [[same(signal, kernel) for signal in group] for group, kernel in zip(own, kernels, strict=True)]
        for own in x
    ]
    assert_allclose(filter_each(torch.from_numpy(x), torch.from_numpy(kernels)), expected, atol=1e-10)


@given(sizes, sizes, sizes, lengths, lengths, st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_moments_are_those_of_the_responses(n_batch, n_channels, n_filters, n_times, n_taps, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_batch, n_channels, n_times)) + rng.normal()
    kernels = rng.normal(size=(n_filters, n_taps))
    responses = np.array([[same(signal, kernel) for signal in x.reshape(-1, n_times)] for kernel in kernels])
    found = response_moments(torch.from_numpy(x), torch.from_numpy(kernels))
    assert_allclose(found.mean, responses.mean(axis=(1, 2)), atol=1e-10)
    assert_allclose(found.variance, responses.var(axis=(1, 2)), atol=1e-9)


def test_the_variance_of_a_filter_that_passes_almost_nothing_is_right():
    # A burst of 10 Hz and a filter for 60 Hz. In single precision the small difference would be noise.
    times = torch.arange(512) / 128
    x = (torch.sin(2 * torch.pi * 10 * times) * torch.hann_window(512) ** 2)[None, None]
    taps = torch.arange(63) - 31
    kernel = (torch.cos(2 * torch.pi * 60 * taps / 128) * torch.hann_window(63, periodic=False) ** 4)[None]
    y = functional.conv1d(x.double(), kernel[None].double(), padding="same")
    found = response_moments(x, kernel).variance
    power = x.var().item()
    assert found.item() < 1e-10 * power
    assert_allclose(found, y.var(correction=0)[None], rtol=0, atol=1e-13 * power)


def test_moments_have_the_gradients_of_the_responses():
    x, kernels = torch.randn(2, 3, 40, dtype=torch.float64), torch.randn(4, 9, dtype=torch.float64)
    kernels.requires_grad_()
    responses = functional.conv1d(x.flatten(0, 1)[:, None], kernels[:, None], padding="same")
    (expected,) = torch.autograd.grad(responses.var(dim=(0, 2), correction=0).sin().sum(), kernels)
    (found,) = torch.autograd.grad(response_moments(x, kernels).variance.sin().sum(), kernels)
    assert_allclose(found, expected, atol=1e-10)


@given(sizes, st.integers(1, 200), st.integers(1, 9))
@settings(max_examples=40)
def test_pooling_is_torchs(n_signals, n_times, size):
    x = torch.randn(2, n_signals, max(n_times, size), dtype=torch.float64)
    assert_allclose(average_pool(x, size), functional.avg_pool1d(x, size), atol=1e-12)


def test_mixtures_are_matrix_products():
    weight, x = torch.randn(3, 4), torch.randn(2, 5, 4, 6)
    assert_allclose(mix(weight, x), np.einsum("oi,bcit->bcot", weight, x), atol=1e-5)


def test_short_kernels_end_in_zeros():
    long, short = torch.ones(2, 1, 1, 4), torch.full((1, 1, 1, 3), 2.0)
    assert padded_kernels([long, short]).tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [2, 2, 2, 0]]
