"""What the four families of wristband features have in common."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError
from physioaffect.features import Family, Recipe, features_of_trial
from physioaffect.features.eda import EDA
from physioaffect.features.heart import HeartRate
from physioaffect.features.motion import Motion
from physioaffect.features.temperature import Temperature
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.signals.eda import Decomposition, highpass
from physioaffect.windows import Intervals, Windowing

SIGNALS = {
    "eda": ("uS", 4.0, ("EDA",), "eda"),
    "acc": ("g", 32.0, ("ACC_X", "ACC_Y", "ACC_Z"), "acc"),
    "hr": ("bpm", 1.0, ("HR",), "hr"),
    "temperature": ("degC", 4.0, ("TEMP",), "temperature"),
}
FAMILIES: list[Family] = [EDA(), Motion(), HeartRate(), Temperature()]
LEVELS = {"eda": 2.0, "acc": 0.5, "hr": 70.0, "temperature": 33.0}

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def signal_of(name: str, data: np.ndarray[Any, Any], **changed: Any) -> Signal:
    unit, sfreq, ch_names, kind = SIGNALS[name]
    signal: dict[str, Any] = {"sfreq": sfreq, "ch_names": ch_names, "unit": unit} | changed
    return Signal(data=np.atleast_2d(data), kind=kind, **signal)


def trial_of(*signals: Signal) -> Trial:
    return Trial(
        dataset="made",
        subject="7",
        trial="a",
        stimulus="none",
        signals={signal.kind: signal for signal in signals},
    )


def noise(name: str, duration: float, seed: int = 0) -> Signal:
    _, sfreq, ch_names, _ = SIGNALS[name]
    rng = np.random.default_rng(seed)
    return signal_of(name, LEVELS[name] + 0.1 * rng.normal(size=(len(ch_names), round(duration * sfreq))))


@every_family
def test_features_are_labelled(family: Family) -> None:
    (name,) = family.signals
    features = family(trial_of(noise(name, 120)), Windowing(duration=60, step=30).intervals(120))
    dim = f"{family.name}_feature"
    assert features.dims == ("window", dim)
    assert features.shape == (3, len(features[dim]))
    assert len(features.attrs["units"]) == len(features[dim])
    assert features.attrs["estimator"]
    assert len(set(features[dim].values)) == len(features[dim])
    assert np.isfinite(features.values).all()


@every_family
def test_no_windows_give_an_empty_table(family: Family) -> None:
    (name,) = family.signals
    features = family(trial_of(noise(name, 10)), Windowing(duration=60).intervals(10))
    assert features.shape == (0, len(features[f"{family.name}_feature"]))


@every_family
def test_a_missing_signal_is_refused(family: Family) -> None:
    with pytest.raises(DataError, match=f"has no signal '{family.signals[0]}'"):
        family(trial_of(), Intervals(np.zeros(1), 60.0))


@every_family
def test_another_unit_is_refused(family: Family) -> None:
    (name,) = family.signals
    trial = trial_of(noise(name, 60).scaled(1000, unit="au"))
    with pytest.raises(
        DataError,
        match=rf"The {name} of subject 7, trial a is in 'au'.*scaled\(factor, unit=\"{SIGNALS[name][0]}\"\)",
    ):
        family(trial, Intervals(np.zeros(1), 60.0))


@every_family
def test_another_number_of_channels_is_refused(family: Family) -> None:
    (name,) = family.signals
    data = np.ones((2, 600))
    with pytest.raises(DataError, match=r"has 2 channels \(a, b\).*signal\.pick"):
        family(trial_of(signal_of(name, data, ch_names=("a", "b"))), Intervals(np.zeros(1), 60.0))


@every_family
@pytest.mark.parametrize("how", ["nan", "inf", "flag"])
def test_missing_samples_are_passed_over_in_silence(family: Family, how: str) -> None:
    (name,) = family.signals
    signal = noise(name, 240)
    is_missing = np.zeros(signal.n_times, dtype=bool)
    is_missing[: signal.n_times // 2] = True
    is_missing[signal.n_times * 5 // 8 :: 7] = True
    if how == "flag":
        wild = np.where(is_missing, 1e6, signal.data)
        spoilt = replace(signal, data=wild, flags=np.where(is_missing, Flag.MOTION, 0).astype(np.uint8))
    else:
        spoilt = replace(signal, data=np.where(is_missing, float(how), signal.data))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = family(trial_of(spoilt), Windowing(duration=60).intervals(240))
    assert np.isnan(features.values[:2]).all()
    # Spectra need whole segments, of which these windows have less than half: see test_motion.
    of_spectra = ("power_0_3", "power_3_8", "dominant_frequency", "spectral_entropy", "step_rate")
    is_plain = [not str(one).endswith(of_spectra) for one in features[features.dims[1]].values]
    assert np.isfinite(features.values[2:, is_plain]).all()
    assert (np.abs(features.values[2:, is_plain]) < 1e4).all()


@every_family
def test_windows_are_counted_from_the_onset_of_the_trial(family: Family) -> None:
    (name,) = family.signals
    signal = noise(name, 300)
    late = signal.crop(60, 300)
    windows = Intervals(np.array([60.0, 120.0]), 60.0)
    if family.name == "eda":  # Its filter knows where the recording begins; the level does not.
        columns = ["mean", "sd", "min", "max", "slope"]
        values = [family(trial_of(s), windows).sel(eda_feature=columns).values for s in (signal, late)]
    else:
        values = [family(trial_of(s), windows).values for s in (signal, late)]
    assert_allclose(values[0], values[1])


@every_family
def test_a_window_out_of_the_recording_is_nan(family: Family) -> None:
    (name,) = family.signals
    features = family(trial_of(noise(name, 60)), Intervals(np.array([-120.0, 0.0, 120.0]), 60.0))
    assert_array_equal(np.isnan(features.values).all(axis=1), [True, False, True])


@every_family
def test_blocks_of_windows_make_no_difference(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = family.signals
    trial, windows = trial_of(noise(name, 200)), Windowing(duration=20, step=7).intervals(200)
    whole = family(trial, windows)
    monkeypatch.setattr("physioaffect.features._windowed._BLOCK", 3000)
    assert_array_equal(family(trial, windows).values, whole.values)


@settings(max_examples=30)
@given(
    st.floats(0.3, 90),
    st.floats(0.2, 60),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200)), max_size=3),
)
def test_any_window_and_any_gap_give_numbers_or_nan(
    duration: float, step: float, gaps: list[tuple[int, int]]
) -> None:
    for family in FAMILIES:
        signal = noise(family.signals[0], 60)
        data = signal.data.copy()
        for start, length in gaps:
            data[:, start : start + length] = np.nan
        features = family(
            trial_of(replace(signal, data=data)), Windowing(duration=duration, step=step).intervals(60)
        )
        assert not np.isinf(features.values).any()


def test_a_recipe_of_all_four_makes_one_table() -> None:
    trial = trial_of(*(noise(name, 120) for name in SIGNALS))
    recipe = Recipe(windows=Windowing(duration=60, step=30), features=tuple(FAMILIES))
    features = features_of_trial(trial, recipe)
    assert set(features.data_vars) == {"eda", "motion", "hr", "temperature"}
    assert features.sizes["window"] == 3
    assert (features["quality"] == 1).all()


def doubled(eda: np.ndarray[Any, Any], *, sfreq: float) -> Decomposition:
    return Decomposition(eda, highpass(eda, sfreq=sfreq).phasic * 2)


@dataclass(frozen=True)
class Smoothed:
    cutoff: float

    def __call__(self, eda: np.ndarray[Any, Any], *, sfreq: float) -> Decomposition:
        return highpass(eda, sfreq=sfreq, cutoff=self.cutoff)


def recipe_of(eda: EDA) -> Recipe:
    return Recipe(windows=Windowing(duration=60), features=(eda,))


def test_a_decomposition_is_chosen_by_name_function_or_settings() -> None:
    trial, windows = trial_of(noise("eda", 120)), Windowing(duration=60).intervals(120)
    spread = {
        how: EDA(decompose=how)(trial, windows).sel(eda_feature="phasic_sd").values
        for how in ("highpass", doubled, Smoothed(0.05), Smoothed(0.2))
    }
    assert_allclose(spread[doubled], 2 * spread["highpass"])
    assert_allclose(spread[Smoothed(0.05)], spread["highpass"])
    assert (spread[Smoothed(0.2)] < spread["highpass"]).all()


def test_a_recipe_says_which_decomposition_it_was_and_always_alike() -> None:
    texts = [
        recipe_of(EDA(decompose=how)).to_json() for how in ("highpass", doubled, Smoothed(0.1), Smoothed(0.2))
    ]
    assert len(set(texts)) == 4
    settings = [json.loads(text)["features"][0]["settings"]["decompose"] for text in texts]
    assert settings[0] == "highpass"
    assert settings[1].endswith(".doubled")
    assert settings[2].endswith(".Smoothed(cutoff=0.1)")
    assert not any("0x" in text for text in texts)
    assert EDA(decompose=doubled) == EDA(decompose=doubled)
    assert hash(EDA(decompose=doubled)) == hash(EDA(decompose=doubled))
    assert EDA(decompose=doubled) != EDA()
    assert replace(EDA(decompose=doubled), threshold=0.05).decompose == EDA(decompose=doubled).decompose


def test_a_decomposition_without_a_name_is_refused() -> None:
    nameless: Callable[..., Decomposition] = lambda eda, sfreq: highpass(eda, sfreq=sfreq)  # noqa: E731
    with pytest.raises(ValueError, match="decompose needs a function with a name of its own"):
        EDA(decompose=nameless)
    with pytest.raises(ValueError, match="Unknown decomposition 'cvxeda': use one of convex, highpass, "):
        EDA(decompose="cvxeda")
    with pytest.raises(ValueError, match="threshold must be above 0 uS"):
        EDA(threshold=0.0)
