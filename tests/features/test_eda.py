"""Skin conductance per window, against closed forms."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.features.eda import EDA
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.signals.eda import Decomposition
from physioaffect.windows import Intervals

SFREQ = 4.0
TIMES = np.arange(0, 600, 1 / SFREQ)
WINDOWS = Intervals(np.arange(0, 541, 30.0), 60.0)


def features_of(
    eda: NDArray[np.float64], feature: str, flags: NDArray[np.uint8] | None = None
) -> NDArray[np.float64]:
    quiet = np.zeros(len(TIMES), dtype=np.uint8) if flags is None else flags
    signal = Signal(data=eda[np.newaxis], sfreq=SFREQ, ch_names=("EDA",), kind="eda", unit="uS", flags=quiet)
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": signal})
    values: NDArray[np.float64] = EDA()(trial, WINDOWS).sel(eda_feature=feature).values
    return values


def bumps(*onsets: float, height: float = 0.4) -> NDArray[np.float64]:
    return 3 + sum(
        (height * np.exp(-((TIMES - onset) ** 2) / 2) for onset in onsets), start=np.zeros_like(TIMES)
    )


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("mean", 3),
        ("min", 3),
        ("max", 3),
        ("tonic_mean", 3),
        ("sd", 0),
        ("slope", 0),
        ("phasic_sd", 0),
        ("scr_rate", 0),
        ("scr_amplitude", 0),
    ],
)
def test_a_constant(feature: str, value: float) -> None:
    assert_allclose(features_of(np.full_like(TIMES, 3.0), feature), value, atol=1e-9)


def test_a_ramp() -> None:
    ramp = 2 + 0.5 * TIMES / 60
    starts, last = WINDOWS.starts / 60, 60 - 1 / SFREQ
    assert_allclose(features_of(ramp, "slope"), 0.5)
    assert_allclose(features_of(ramp, "min"), 2 + 0.5 * starts)
    assert_allclose(features_of(ramp, "max"), 2 + 0.5 * (starts + last / 60))
    assert_allclose(features_of(ramp, "mean"), 2 + 0.5 * (starts + last / 120))
    assert_allclose(features_of(ramp, "tonic_mean"), 2 + 0.5 * (starts + last / 120), atol=1e-6)
    # Of n values one step apart the variance is (n^2 - 1) / 12 steps squared.
    assert_allclose(features_of(ramp, "sd"), 0.5 / 60 / SFREQ * np.sqrt((240**2 - 1) / 12))


def test_a_sine_is_phasic_above_the_cutoff() -> None:
    sine = 3 + 0.5 * np.sin(2 * np.pi * 0.25 * TIMES)
    assert_allclose(features_of(sine, "sd"), 0.5 / np.sqrt(2), rtol=1e-6)
    # 1 - 1 / (1 + 5^4) of it, apart from the ends.
    assert_allclose(features_of(sine, "phasic_sd")[2:-2], 0.5 / np.sqrt(2) * (1 - 1 / 626), rtol=1e-3)
    assert_allclose(features_of(sine, "scr_rate")[2:-2], 15)


def test_responses_are_counted_where_they_peak() -> None:
    eda = bumps(100, 110, 200, 400)
    expected = [
        sum(start <= onset < start + 60 for onset in (100, 110, 200, 400)) for start in WINDOWS.starts
    ]
    assert_allclose(features_of(eda, "scr_rate"), expected)
    amplitude = features_of(eda, "scr_amplitude")
    assert_allclose(amplitude == 0, np.array(expected) == 0)
    # The filter keeps a little of a response in the tonic part.
    assert_allclose(amplitude[amplitude > 0], 0.4, rtol=0.15)


def test_the_rate_is_per_minute_that_is_there() -> None:
    flags = np.zeros(len(TIMES), dtype=np.uint8)
    flags[(TIMES >= 60) & (TIMES < 75)] = Flag.MOTION
    assert features_of(bumps(100, 110), "scr_rate", flags=flags)[2] == pytest.approx(2 / 0.75)


def test_a_flagged_artefact_counts_for_nothing() -> None:
    flags = np.zeros(len(TIMES), dtype=np.uint8)
    spoilt = bumps(100, 400)
    is_spoilt = (TIMES >= 300) & (TIMES < 302)
    spoilt[is_spoilt] += 5
    flags[is_spoilt] = Flag.MOTION
    for feature in ("mean", "max", "phasic_sd", "scr_rate", "scr_amplitude"):
        clean = features_of(bumps(100, 400), feature)
        assert_allclose(features_of(spoilt, feature, flags=flags), clean, rtol=0.05, atol=1e-3)


def trial_of(eda: NDArray[np.float64], sfreq: float = SFREQ, start: float = 0.0) -> Trial:
    signal = Signal(data=eda[np.newaxis], sfreq=sfreq, ch_names=("EDA",), kind="eda", unit="uS", start=start)
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": signal})


def named(family: EDA, trial: Trial, windows: Intervals = WINDOWS) -> dict[str, NDArray[np.float64]]:
    table = family(trial, windows)
    return {str(name): table.sel(eda_feature=name).values for name in table.eda_feature.values}


def split(eda: NDArray[np.floating[Any]], *, sfreq: float) -> Decomposition:
    """What is above 3 uS is phasic: closed forms without a filter's edges."""
    return Decomposition(np.where(np.isnan(eda), np.nan, 3.0), np.asarray(eda, dtype=np.float64) - 3)


def triangles(*peaks: float, height: float = 0.4) -> NDArray[np.float64]:
    """2 s up and 6 s down."""
    every = [np.minimum((TIMES - peak) / 2 + 1, (peak - TIMES) / 6 + 1).clip(0) * height for peak in peaks]
    return np.asarray(3 + np.sum(every, axis=0))


def test_responses_of_known_shape() -> None:
    features = named(EDA(decompose=split, incomplete=True), trial_of(triangles(75, 95, 160)))
    second = {name: values[2] for name, values in features.items()}  # From 60 s to 120 s.
    assert second["scr_rate"] == pytest.approx(2)
    assert second["scr_amplitude"] == second["scr_amplitude_max"] == pytest.approx(0.4)
    assert second["scr_amplitude_sum"] == pytest.approx(0.8)
    assert second["scr_rise_time"] == pytest.approx(2)
    assert second["scr_recovery_time"] == pytest.approx(3)
    assert second["scr_area"] == pytest.approx(0.4 + 0.4 * 0.75 * 3)
    # From the onset to the half recovery, both samples included.
    assert second["scr_share"] == pytest.approx(2 * (5 + 0.25) / 60, abs=0.5 / 60)
    assert second["phasic_area"] == pytest.approx(2 * 0.4 * 8 / 2)
    assert second["phasic_mean"] == pytest.approx(2 * 0.4 * 8 / 2 / 60)
    assert second["phasic_energy"] == pytest.approx(2 * 0.4**2 * 8 / 3 / 60, rel=0.01)
    assert second["derivative_max"] == pytest.approx(0.2)
    assert second["derivative_abs"] == pytest.approx(2 * 2 * 0.4 / 60, rel=0.01)
    assert second["tonic_mean"] == 3
    assert second["tonic_slope"] == 0
    # No response, no shape: zero where a sum has a value, missing where a mean has none.
    quiet = {name: values[8] for name, values in features.items()}  # From 240 s to 300 s.
    for name in (
        "scr_rate",
        "scr_amplitude",
        "scr_amplitude_sum",
        "scr_amplitude_max",
        "scr_area",
        "scr_share",
    ):
        assert quiet[name] == 0
    assert np.isnan(quiet["scr_rise_time"])
    assert np.isnan(quiet["scr_recovery_time"])


def test_the_usual_features_are_in_every_window() -> None:
    table = EDA()(trial_of(np.full_like(TIMES, 3.0)), WINDOWS)
    assert np.isfinite(table.values).all()
    more = EDA(incomplete=True)(trial_of(np.full_like(TIMES, 3.0)), WINDOWS)
    assert set(more.eda_feature.values) - set(table.eda_feature.values) == {
        "scr_rise_time",
        "scr_recovery_time",
        "sympathetic_power",
        "sympathetic_share",
    }


def test_derivatives_of_a_sine() -> None:
    sine = 3 + 0.5 * np.sin(2 * np.pi * 0.25 * TIMES)
    # Differences of samples an angle of pi / 8 apart: 2 sin(pi / 16) of the amplitude.
    step = 2 * np.sin(np.pi * 0.25 / SFREQ) * SFREQ
    features = named(EDA(), trial_of(sine))
    assert_allclose(features["derivative_sd"], 0.5 * step / np.sqrt(2), rtol=0.01)
    assert_allclose(features["second_derivative_sd"], 0.5 * step**2 / np.sqrt(2), rtol=0.01)
    assert_allclose(features["derivative_max"], 0.5 * step, rtol=0.02)
    assert_allclose(features["derivative_abs"], 0.5 * step * 2 / np.pi, rtol=0.02)


@pytest.mark.parametrize(("frequency", "is_inside"), [(0.1, True), (0.2, True), (0.4, False), (0.02, False)])
@pytest.mark.parametrize("duration", [64.0, 128.0, 200.0])
def test_sympathetic_power_is_that_of_the_band(frequency: float, is_inside: bool, duration: float) -> None:
    windows = Intervals(np.arange(0, 600 - duration, 30.0), duration)
    sine = 3 + 0.5 * np.sin(2 * np.pi * frequency * TIMES) + TIMES / 1000
    features = named(EDA(incomplete=True), trial_of(sine), windows)
    if is_inside:
        assert_allclose(features["sympathetic_power"], 0.5**2 / 2, rtol=0.01)
        assert_allclose(features["sympathetic_share"], 1, atol=0.01)
    else:
        assert (features["sympathetic_share"] < 0.15).all()


def test_sympathetic_power_is_refused_where_the_window_does_not_carry_it() -> None:
    sine = 3 + 0.5 * np.sin(2 * np.pi * 0.1 * TIMES)
    assert np.isnan(named(EDA(incomplete=True), trial_of(sine))["sympathetic_power"]).all()
    windows = Intervals(np.array([0.0, 64.0, 128.0]), 64.0)
    sine[round(70 * SFREQ) : round(73 * SFREQ)] = np.nan  # 5 %, and then 10 %.
    sine[round(130 * SFREQ) : round(137 * SFREQ)] = np.nan
    power = named(EDA(incomplete=True), trial_of(sine), windows)["sympathetic_power"]
    assert_allclose(power[:2], 0.125, rtol=0.05)
    assert np.isnan(power[2])


def test_every_feature_but_the_counts_scales_with_the_unit() -> None:
    rng = np.random.default_rng(2)
    eda = triangles(*range(20, 580, 15), height=0.3) + 0.003 * rng.normal(size=TIMES.size)
    table = EDA(threshold=0.02)(trial_of(eda), WINDOWS)
    # The same numbers as if nanosiemens were called microsiemens, with the threshold in them.
    scaled = EDA(threshold=20.0)(trial_of(1000 * eda), WINDOWS)
    powers = [unit.count("uS") + unit.count("uS^2") for unit in table.attrs["units"]]
    assert_allclose(scaled.values, table.values * 1000.0 ** np.array(powers), rtol=1e-6, atol=1e-9)
    # The threshold is absolute: at another scale other responses count.
    small = EDA(threshold=0.02)(trial_of(eda / 20), WINDOWS)
    assert small.sel(eda_feature="scr_rate").values.sum() < table.sel(eda_feature="scr_rate").values.sum() / 3


def test_the_level_changes_only_what_measures_it() -> None:
    eda = triangles(*range(20, 580, 15), height=0.3)
    one, other = (EDA()(trial_of(x), WINDOWS) for x in (eda, eda + 5))
    moved = ["mean", "min", "max", "tonic_mean"]
    rest = [str(name) for name in one.eda_feature.values if name not in moved]
    assert_allclose(other.sel(eda_feature=moved), one.sel(eda_feature=moved) + 5)
    assert_allclose(other.sel(eda_feature=rest), one.sel(eda_feature=rest), atol=1e-7)


@pytest.mark.parametrize("decompose", ["highpass", "highpass_causal"])
@pytest.mark.parametrize("sfreq", [4.0, 32.0])
def test_a_window_depends_only_on_its_context(decompose: str, sfreq: float) -> None:
    family = EDA(decompose=decompose, incomplete=True)
    before, after = family.context
    rng = np.random.default_rng(3)
    eda = 3 + np.cumsum(rng.normal(scale=0.02 / sfreq, size=round(700 * sfreq)))
    eda += np.interp(np.arange(eda.size) / sfreq % 600, TIMES, triangles(*range(10, 590, 12)))
    whole = trial_of(eda, sfreq)
    windows = Intervals(np.array([450.0, 480.0]), 70.0)
    part = whole.signal("eda").crop(450 - before, 550 + after)
    own = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": part})
    assert part.n_times < eda.size
    assert_allclose(family(own, windows), family(whole, windows), rtol=1e-6, atol=1e-7)


def test_an_own_decomposition_says_its_context_or_depends_on_everything() -> None:
    assert EDA(decompose=split).context == (np.inf, np.inf)
    assert EDA(decompose=Short()).context == (37.0, 38.0)
    assert EDA(decompose="highpass_causal").context[1] < 40


@dataclass(frozen=True)
class Short:
    context = (0.0, 1.0)

    def __call__(self, eda: NDArray[np.floating[Any]], *, sfreq: float) -> Decomposition:
        return split(eda, sfreq=sfreq)


@pytest.mark.parametrize("sfreq", [100.0, 700.0])
def test_a_fast_recording_gives_what_a_slow_one_does(sfreq: float) -> None:
    times = np.arange(0, 600, 1 / sfreq)
    eda = 3 + np.sum([0.4 * np.exp(-((times - onset) ** 2) / 4) for onset in range(20, 590, 17)], axis=0)
    hum = 0.1 * np.sin(2 * np.pi * 50 * times)
    slow = EDA()(trial_of(eda[:: round(sfreq / 4)]), WINDOWS)
    fast = EDA()(trial_of(eda + hum, sfreq), WINDOWS)
    assert "brought down to 8 Hz" in fast.attrs["estimator"]
    assert "brought down" not in slow.attrs["estimator"]
    for name in ("mean", "sd", "tonic_mean", "phasic_sd", "scr_rate", "scr_amplitude"):
        assert_allclose(fast.sel(eda_feature=name), slow.sel(eda_feature=name), rtol=0.02)


def test_a_long_gap_is_never_bridged() -> None:
    one = triangles(*range(20, 580, 15))
    one[800:1000] = np.nan  # From 200 s to 250 s.
    other = one.copy()
    other[1000:] = 3 * other[1000:] + 20
    windows = Intervals(np.array([100.0, 140.0]), 60.0)
    assert_allclose(EDA()(trial_of(other), windows), EDA()(trial_of(one), windows), rtol=1e-12)
