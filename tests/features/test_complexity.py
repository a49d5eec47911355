"""Hjorth parameters, line length and fractal dimensions against closed forms."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features.complexity import Hjorth, LineLength, hjorth, line_length
from physioaffect.features.fractal import FractalDimension, higuchi, katz, petrosian
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals, Windowing

Floats = NDArray[np.float64]

SFREQ = 250.0
families = pytest.mark.parametrize("family", [Hjorth(), LineLength(), FractalDimension()], ids=str)
dimensions = pytest.mark.parametrize("dimension", [higuchi, katz, petrosian])


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def make_trial(data: NDArray[Any], *, flags: NDArray[np.uint8] | None = None, unit: str = "V") -> Trial:
    names = tuple(f"E{index}" for index in range(len(data)))
    flags = np.zeros(data.shape[1], dtype=np.uint8) if flags is None else flags
    eeg = Signal(data=data, sfreq=SFREQ, ch_names=names, kind="eeg", unit=unit, flags=flags)
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


@given(
    freq=st.floats(1, 100),
    phase=st.floats(0, 2 * np.pi),
    amplitude=st.floats(1e-7, 1e3),
)
def test_hjorth_of_a_sine(freq: float, phase: float, amplitude: float) -> None:
    n_times = 50_000
    sine = amplitude * np.sin(2 * np.pi * freq * np.arange(n_times) / SFREQ + phase)
    activity, mobility, complexity = hjorth(sine, sfreq=SFREQ)
    # Parts of a period at the ends weigh one over the number of periods at most.
    assert_allclose(activity, amplitude**2 / 2, rtol=0.01)
    assert_allclose(mobility, 2 * SFREQ * np.sin(np.pi * freq / SFREQ), rtol=0.01)
    assert_allclose(complexity, 1, rtol=0.01)


def test_mobility_of_a_finely_sampled_sine_is_its_angular_frequency() -> None:
    # Sampled finely, mobility is 2 pi f.
    n_times = 100_000
    sine = 3 * np.sin(2 * np.pi * 10 * np.arange(n_times) / 10_000)
    assert_allclose(hjorth(sine, sfreq=10_000.0), [4.5, 2 * np.pi * 10, 1], rtol=1e-4)


def test_hjorth_of_white_noise() -> None:
    # Differences have variances 2 and 6 times that of the samples.
    found = hjorth(noise(200_000), sfreq=SFREQ)
    assert_allclose(found, [1, SFREQ * np.sqrt(2), np.sqrt(3) / np.sqrt(2)], rtol=0.02)


def test_hjorth_equals_its_definition() -> None:
    x = noise(5, 300).cumsum(axis=-1) + 1e3
    first, second = np.diff(x, axis=-1), np.diff(x, n=2, axis=-1)
    mobility = np.sqrt(first.var(axis=-1) / x.var(axis=-1))
    complexity = np.sqrt(second.var(axis=-1) / first.var(axis=-1)) / mobility
    expected = np.stack([x.var(axis=-1), SFREQ * mobility, complexity], axis=-1)
    assert_allclose(hjorth(x, sfreq=SFREQ), expected, rtol=1e-9)


@given(slope=st.floats(1e-6, 1e3), offset=st.floats(-1e3, 1e3))
def test_straight_line_moves_at_one_speed(slope: float, offset: float) -> None:
    line = slope * np.arange(512)
    activity, mobility, complexity = hjorth(line, sfreq=SFREQ)
    assert_allclose(activity, slope**2 * (512**2 - 1) / 12, rtol=1e-9)
    assert mobility == 0
    assert np.isnan(complexity)
    assert_allclose(line_length(line + offset, sfreq=SFREQ), slope * SFREQ, rtol=1e-3)


def test_line_length_of_a_sine_is_four_amplitudes_a_period() -> None:
    # 25 samples a quarter of a period, so that every crest is sampled; from zero and through whole periods.
    sine = 3 * np.sin(2 * np.pi * np.arange(1001) / 100)
    assert_allclose(line_length(sine, sfreq=1000.0), 4 * 3 * 10, rtol=1e-12)


def test_line_length_of_white_noise_and_of_zigzag() -> None:
    # The difference of two standard normals has the mean size 2 / sqrt(pi).
    assert_allclose(line_length(noise(200_000), sfreq=SFREQ), SFREQ * 2 / np.sqrt(np.pi), rtol=0.01)
    assert line_length(np.tile([0.0, 2.0], 50), sfreq=SFREQ) == 2 * SFREQ


def higuchi_by_loops(x: Floats, kmax: int) -> float:
    """Equations 1 to 3 of Higuchi (1988), with his indices from 1."""
    n = len(x)
    lengths = []
    for k in range(1, kmax + 1):
        of_curves = []
        for m in range(1, k + 1):
            n_steps = (n - m) // k
            total = sum(abs(x[m + i * k - 1] - x[m + (i - 1) * k - 1]) for i in range(1, n_steps + 1))
            of_curves.append(total * (n - 1) / (n_steps * k) / k)
        lengths.append(np.mean(of_curves))
    return -float(np.polyfit(np.log(np.arange(1, kmax + 1)), np.log(lengths), 1)[0])


@pytest.mark.parametrize("n_times", [20, 57, 128])
@pytest.mark.parametrize("kmax", [2, 5, 10])
def test_higuchi_equals_its_equations(n_times: int, kmax: int) -> None:
    x = noise(n_times).cumsum()
    assert_allclose(higuchi(x, kmax=kmax), higuchi_by_loops(x, kmax), rtol=1e-10)


@pytest.mark.parametrize("kmax", [2, 8, 30])
def test_higuchi_of_known_curves(kmax: int) -> None:
    assert_allclose(higuchi(-0.3 * np.arange(500.0), kmax=kmax), 1, rtol=1e-9)
    white = noise(200, 4000)
    assert_allclose(higuchi(white, kmax=kmax).mean(), 2, atol=0.005)
    assert_allclose(higuchi(white.cumsum(axis=-1), kmax=kmax).mean(), 1.5, atol=0.01)


def test_curve_that_repeats_within_kmax_has_no_higuchi_dimension() -> None:
    square = np.tile([0.0, 0.0, 1.0, 1.0], 50)
    assert np.isnan(higuchi(square, kmax=4))
    assert np.isfinite(higuchi(square, kmax=3))


def test_katz_of_known_curves() -> None:
    # Up 3 and down 3 in steps of one: 12 steps of total length 12 that reach 3.
    triangle = np.array([0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0.0])
    assert_allclose(katz(triangle), np.log(12) / (np.log(12) + np.log(3 / 12)), rtol=1e-12)
    assert katz(np.linspace(0.1, -7.3, 77)) == pytest.approx(1, rel=1e-12)
    # Zigzag never gets further than its mean step, where the definition divides by zero.
    assert np.isnan(katz(np.tile([0.0, 1.0], 10)))
    assert np.isnan(katz(np.tile([1.0, -1.0], 10) * np.r_[0, np.ones(19)]))


def test_petrosian_of_known_curves() -> None:
    triangle = np.array([0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0.0])
    n, n_turns = 13, 3
    assert_allclose(
        petrosian(triangle), np.log(n) / (np.log(n) + np.log(n / (n + 0.4 * n_turns))), rtol=1e-12
    )
    zigzag = np.tile([0.0, 1.0], 10)
    assert_allclose(petrosian(zigzag), np.log(20) / (np.log(20) + np.log(20 / (20 + 0.4 * 18))), rtol=1e-12)
    assert petrosian(np.array([3.0, 2.0, 1.0, -5.0])) == 1
    # Over a plateau it neither turns nor does the sign of the signal matter.
    assert petrosian(np.array([0.0, 1.0, 1.0, 0.0])) == petrosian(np.array([0.0, -1.0, -1.0, 0.0])) == 1
    # Two of three samples of white noise are turns.
    white = petrosian(noise(100_000))
    assert_allclose(white, np.log(1e5) / (np.log(1e5) - np.log(1 + 0.4 * 2 / 3)), rtol=1e-4)


@given(scale=st.floats(1e-3, 1e3))
def test_scale_law_of_each(scale: float) -> None:
    x = noise(3, 400).cumsum(axis=-1)
    assert_allclose(hjorth(scale * x, sfreq=SFREQ), hjorth(x, sfreq=SFREQ) * [scale**2, 1, 1], rtol=1e-9)
    assert_allclose(line_length(-scale * x, sfreq=SFREQ), scale * line_length(x, sfreq=SFREQ), rtol=1e-9)
    for dimension in (higuchi, katz, petrosian):
        assert_allclose(dimension(-scale * x), dimension(x), rtol=1e-9)


@dimensions
def test_dimensions_are_the_same_read_backwards_or_with_an_offset(dimension: Any) -> None:
    # Katz measures from the first sample, so the way back differs.
    x = noise(4, 301)
    assert_allclose(dimension(x + 1e3), dimension(x), rtol=1e-9)
    if dimension is not katz:
        assert_allclose(dimension(x[:, ::-1]), dimension(x), rtol=0.02)


@families
def test_channels_do_not_mix(family: Any) -> None:
    data, intervals = 1e-5 * noise(4, 2500), Windowing(duration=2).intervals(10)
    found = family(make_trial(data), intervals).values
    order = [2, 0, 3, 1]
    assert_allclose(family(make_trial(data[order]), intervals).values, found[:, order], rtol=1e-12)


@families
def test_missing_flagged_and_flat_windows_are_nan_in_their_channel_only(family: Any) -> None:
    data = 1e-5 * noise(4, 2500)
    data[0, 600] = np.nan
    data[1, 1100] = -np.inf
    data[2, 1500:2000] = 3e-5
    flags = np.zeros(2500, dtype=np.uint8)
    flags[2499] = Flag.CLIPPED
    found = family(make_trial(data, flags=flags), Windowing(duration=2).intervals(10))
    is_nan = np.zeros((5, 4), dtype=bool)
    is_nan[1, 0] = is_nan[2, 1] = is_nan[3, 2] = True
    is_nan[4] = True
    found_nan = np.isnan(found.values).reshape(5, 4, -1)
    assert_array_equal(found_nan.any(axis=-1), is_nan)
    assert_array_equal(found_nan.all(axis=-1), is_nan)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_functions_mark_what_is_no_number_without_a_warning(bad: float) -> None:
    x = noise(2, 100)
    x[0, 50] = bad
    for function in (higuchi, katz, petrosian):
        assert_array_equal(np.isnan(function(x)), [True, False])
    assert_array_equal(np.isnan(line_length(x, sfreq=SFREQ)), [True, False])
    assert_array_equal(np.isnan(hjorth(x, sfreq=SFREQ)), [[True] * 3, [False] * 3])


@families
def test_no_windows_give_an_empty_table(family: Any) -> None:
    found = family(make_trial(1e-5 * noise(3, 500)), Intervals(np.empty(0), 2.0))
    assert found.shape[:2] == (0, 3)
    assert list(found.channel.values) == ["E0", "E1", "E2"]


@families
def test_windows_equal_their_signals_cut_by_hand(family: Any) -> None:
    data = (1e-5 * noise(3, 250 * 300)).astype(np.float32)
    found = family(make_trial(data), Windowing(duration=2, step=0.5).intervals(300)).values
    for index in (0, 77, len(found) - 1):
        start = round(index * 0.5 * SFREQ)
        alone = family(make_trial(data[:, start : start + 500]), Windowing(duration=2).intervals(2)).values
        assert_allclose(alone[0], found[index], rtol=1e-12)


def test_units_follow_the_signal() -> None:
    intervals = Windowing(duration=2).intervals(10)
    volts, counts = (make_trial(1e-5 * noise(2, 2500), unit=unit) for unit in ("V", "au"))
    assert Hjorth()(volts, intervals).attrs["units"] == ["V^2", "rad/s", "1"]
    assert Hjorth()(counts, intervals).attrs["units"] == ["au^2", "rad/s", "1"]
    assert LineLength()(volts, intervals).attrs["unit"] == "V/s"
    found = FractalDimension(methods=("katz", "higuchi"), kmax=5)(volts, intervals)
    assert list(found.fractal_feature.values) == ["katz", "higuchi"]
    assert found.attrs["kmax"] == 5
    data = volts.signal("eeg").data[:, :500]
    assert_allclose(found.sel(fractal_feature="higuchi")[0], higuchi(data, kmax=5))
    assert_allclose(found.sel(fractal_feature="katz")[0], katz(data))


def test_too_short_windows_and_wrong_settings_are_refused() -> None:
    x = noise(19)
    with pytest.raises(
        ProtocolError, match=r"kmax = 10 takes windows of at least 20 samples, got 19. Use longer"
    ):
        higuchi(x)
    with pytest.raises(ProtocolError, match="Hjorth's complexity takes windows of at least 4 samples, got 3"):
        hjorth(x[:3], sfreq=SFREQ)
    with pytest.raises(ProtocolError, match="Line length takes windows of at least 2 samples, got 1"):
        line_length(x[:1], sfreq=SFREQ)
    for function in (katz, petrosian):
        with pytest.raises(ProtocolError, match="dimension takes windows of at least 3 samples, got 2"):
            function(x[:2])
    with pytest.raises(
        ValueError, match="kmax must be at least 2, because a slope needs two distances, got 1"
    ):
        higuchi(x, kmax=1)
    with pytest.raises(ValueError, match="kmax must be at least 2"):
        FractalDimension(kmax=1)
    with pytest.raises(
        ValueError, match=re.escape("Unknown method 'box': use some of higuchi, katz, petrosian")
    ):
        FractalDimension(methods=("box",))
    with pytest.raises(ValueError, match="methods need at least one, and each once"):
        FractalDimension(methods=())


@families
def test_microvolts_declared_as_volts_are_refused(family: Any) -> None:
    with pytest.raises(DataError, match="it seems to be in microvolts and declared in volts"):
        family(make_trial(10 * noise(2, 2500)), Windowing(duration=2).intervals(10))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("period", [4, 7, 10])
def test_curve_that_repeats_but_for_rounding_has_no_higuchi_dimension(period: int, dtype: type) -> None:
    # Lengths of 1e-16 would give a dimension of 7.
    curve = np.sin(2 * np.pi * np.arange(500) / period + 0.3)
    assert np.isnan(higuchi(curve.astype(dtype), kmax=10))
