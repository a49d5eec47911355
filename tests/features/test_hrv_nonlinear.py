"""Poincare's plot, asymmetry, entropy and fluctuations, against definitions written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from support.beats import events_of, noise_events, trial_of, without

from physioaffect.features.hrv import HRV
from physioaffect.recording import Events
from physioaffect.windows import Intervals

BOTH = HRV(domains=("time", "nonlinear"))


def nonlinear(events: Events) -> dict[str, float]:
    row = BOTH(trial_of(ibi=events), Intervals(np.array([0.0]), float(events.times[-1] + 0.1)))
    return dict(zip(row["hrv_feature"].values.tolist(), row.values[0].tolist(), strict=True))


def sample_entropy(x: NDArray[np.float64]) -> float:
    """As Richman and Moorman define it: the same n - 2 pieces over two and over three values."""
    r = 0.2 * x.std(ddof=1)
    pieces = np.lib.stride_tricks.sliding_window_view(x, 3)
    distance = np.abs(pieces[:, np.newaxis] - pieces)
    pairs = np.triu_indices(len(pieces), 1)
    of_two = np.sum(distance[..., :2].max(axis=-1)[pairs] <= r)
    of_three = np.sum(distance.max(axis=-1)[pairs] <= r)
    return float(-np.log(of_three / of_two))


def coloured(n: int, phi: float, seed: int) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).normal(size=n)
    x = np.zeros(n)
    for i in range(1, n):
        x[i] = phi * x[i - 1] + noise[i]
    return x


@settings(max_examples=40)
@given(st.lists(st.floats(0.4, 1.5), min_size=160, max_size=240))
def test_sd1_is_rmssd_turned_by_45_degrees(lengths: list[float]) -> None:
    found = nonlinear(events_of(lengths))
    change = 1e3 * np.diff(lengths)
    n = len(change)
    assert found["sd1"] == pytest.approx(found["sdsd"] / np.sqrt(2), rel=1e-9, abs=1e-9)
    about_zero = np.sqrt(n / (n - 1) * (found["rmssd"] ** 2 - change.mean() ** 2) / 2)
    assert found["sd1"] == pytest.approx(about_zero, rel=1e-6, abs=1e-4)
    # Brennan's equation but for what the first and the last interval make of the variance.
    assert found["sd2"] ** 2 == pytest.approx(
        2 * found["sdnn"] ** 2 - found["sd1"] ** 2, rel=0.1, abs=10 * 1e6 / n
    )


def test_indices_of_the_plot() -> None:
    found = nonlinear(noise_events(300))
    assert found["csi"] == pytest.approx(found["sd2"] / found["sd1"])
    assert found["sd1_sd2"] * found["csi"] == pytest.approx(1)
    assert found["cvi"] == pytest.approx(np.log10(4 * found["sd1"] * 4 * found["sd2"]))
    # White noise makes a circle.
    assert found["csi"] == pytest.approx(1, abs=0.1)


def test_asymmetry_turns_with_time() -> None:
    saw = np.tile([0.70, 0.75, 0.80, 0.85], 60)  # Three small steps up, one large step down.
    forth, back = nonlinear(events_of(saw)), nonlinear(events_of(saw[::-1]))
    assert forth["porta"] == pytest.approx(25, abs=0.5)
    assert forth["guzik"] == pytest.approx(100 * 3 / 12, abs=0.5)
    assert forth["porta"] + back["porta"] == pytest.approx(100)
    assert forth["guzik"] + back["guzik"] == pytest.approx(100)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("n", [160, 300])
def test_sample_entropy_is_its_definition(phi: float, n: int) -> None:
    x = 800 + 30 * coloured(n, phi, seed=n)
    assert nonlinear(events_of(x / 1e3))["sample_entropy"] == pytest.approx(sample_entropy(x), rel=1e-9)


def test_sample_entropy_of_white_noise() -> None:
    # Two normal values are within r with probability erf(r / 2 sd); so is each further value of a piece.
    from scipy.special import erf

    found = [nonlinear(noise_events(1500, seed=seed))["sample_entropy"] for seed in range(8)]
    assert np.mean(found) == pytest.approx(-np.log(erf(0.2 / 2)), rel=0.02)


def test_pieces_across_a_gap_do_not_count() -> None:
    ms = 800 + 30 * coloured(240, 0.6, seed=2)
    gone = [80, 150, 151]
    found = nonlinear(without(events_of(ms / 1e3), [index + 1 for index in gone]))
    kept = np.delete(ms, gone)
    r = 0.2 * kept.std(ddof=1)
    pieces = [ms[i : i + 3] for i in range(238) if not set(range(i, i + 3)) & set(gone)]
    of_two = of_three = 0
    for i, one in enumerate(pieces):
        for other in pieces[:i]:
            distance = np.abs(one - other)
            of_two += bool(distance[:2].max() <= r)
            of_three += bool(distance.max() <= r)
    assert found["sample_entropy"] == pytest.approx(np.log(of_two / of_three), rel=1e-9)


def alpha(x: NDArray[np.float64], sizes: NDArray[np.int_]) -> float:
    """Detrended fluctuation analysis with a line fitted to each box by NumPy."""
    profile = np.cumsum(x - x.mean())
    squares = []
    for size in sizes:
        boxes = profile[: len(profile) // size * size].reshape(-1, size).T
        lines = np.polyval(np.polyfit(np.arange(size), boxes, 1), np.arange(size)[:, np.newaxis])
        squares.append(np.mean((boxes - lines) ** 2))
    return float(np.polyfit(np.log(sizes), 0.5 * np.log(squares), 1)[0])


@pytest.mark.parametrize("phi", [0.0, 0.7])
def test_fluctuations_are_their_definition(phi: float) -> None:
    ms = 800 + 20 * coloured(400, phi, seed=3)
    found = nonlinear(events_of(ms / 1e3))
    assert found["dfa_alpha1"] == pytest.approx(alpha(ms, np.arange(4, 17)), rel=1e-8)
    assert found["dfa_alpha2"] == pytest.approx(alpha(ms, np.arange(16, 65)), rel=1e-8)


def test_fluctuations_of_white_noise_and_of_a_random_walk() -> None:
    rng = np.random.default_rng(0)
    white = [nonlinear(events_of(0.8 + 0.02 * rng.normal(size=2000))) for _ in range(6)]
    walks = [nonlinear(events_of(0.8 + 1e-4 * np.cumsum(rng.normal(size=2000)))) for _ in range(6)]
    sizes = np.arange(4, 17)
    exact = np.polyfit(np.log(sizes), 0.5 * np.log((sizes**2 - 4) / sizes), 1)[0]
    assert np.mean([found["dfa_alpha1"] for found in white]) == pytest.approx(exact, abs=0.02)
    assert exact == pytest.approx(0.58, abs=0.01)
    assert np.mean([found["dfa_alpha2"] for found in white]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([found["dfa_alpha2"] for found in walks]) == pytest.approx(1.5, abs=0.05)


def test_fluctuations_look_at_the_longest_run() -> None:
    ms = 800 + 20 * coloured(330, 0.5, seed=4)
    found = nonlinear(without(events_of(ms / 1e3), [121]))
    assert found["dfa_alpha1"] == pytest.approx(alpha(ms[121:], np.arange(4, 17)), rel=1e-8)
    assert np.isnan(found["dfa_alpha2"])  # 209 in a run are less than 300, although there are 329.
    cut = nonlinear(without(events_of(ms / 1e3), [90, 180, 270]))
    assert np.isnan(cut["dfa_alpha1"])
    assert np.isfinite(cut["sample_entropy"])


def test_regular_hearts_are_regular() -> None:
    rng = np.random.default_rng(6)
    breathing = 0.8 + 0.03 * np.sin(2 * np.pi * np.arange(300) / 5) + 0.002 * rng.normal(size=300)
    regular = nonlinear(events_of(breathing))["sample_entropy"]
    shuffled = nonlinear(events_of(rng.permutation(breathing)))["sample_entropy"]
    assert_allclose(regular, 0, atol=0.3)
    assert shuffled > 4 * regular
