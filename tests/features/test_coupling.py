"""Skin conductance and heart rate: planted lags, chance, gaps."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from support.beats import events_of, noise_events, trial_of, without

from physioaffect.errors import DataError
from physioaffect.features import Recipe
from physioaffect.features._nn import trusted
from physioaffect.features.coupling import EDAHeartCoupling, rate_per_second
from physioaffect.recording import Events, Signal, Trial
from physioaffect.signals.eda import Decomposition
from physioaffect.windows import Intervals, Windowing

MINUTES = Windowing(duration=60, step=60)
COLUMNS = ["phasic_r", "phasic_r_largest", "phasic_lag", "tonic_r", "tonic_r_largest", "tonic_lag"]


def as_it_is(eda: NDArray[Any], *, sfreq: float) -> Decomposition:
    """All of it is phasic, its negative tonic."""
    return Decomposition(-eda, eda)


def eda_of(x: NDArray[np.float64], sfreq: float = 4.0) -> Signal:
    return Signal(data=x[np.newaxis], sfreq=sfreq, ch_names=("EDA",), kind="eda", unit="uS")


def beats_at(rate: NDArray[np.float64]) -> Events:
    """Beats of a heart whose rate in beats per minute is given for each second."""
    phase = np.concatenate([[0.0], np.cumsum(rate / 60)])
    times = np.interp(np.arange(int(phase[-1])), phase, np.arange(len(phase)))
    return events_of(np.diff(times))


def coupled(trial: Trial, duration: float = 60.0, start: float = 60.0, **settings: Any) -> dict[str, float]:
    family = EDAHeartCoupling(**{"decompose": as_it_is} | settings)
    row = family(trial, Intervals(np.array([start]), duration))
    assert row["eda_heart_feature"].values.tolist() == COLUMNS
    return dict(zip(COLUMNS, row.values[0].tolist(), strict=True))


def slow_noise(n: int, seed: int, width: int = 7) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).normal(size=n + width - 1)
    smooth: NDArray[np.float64] = np.convolve(noise, np.hanning(width + 2)[1:-1], mode="valid")
    smooth /= smooth.std()
    return smooth


def test_beats_per_second_are_counted() -> None:
    steady = trusted(events_of(np.full(100, 0.8)))
    assert_allclose(rate_per_second(steady, first=0, n_seconds=80), 75)
    # In a second of which intervals of 0.5 s and 1 s have one half each: 1 + 1/2 beats.
    mixed = trusted(events_of([0.5, 1.0, 0.5]))
    assert_allclose(rate_per_second(mixed, first=0, n_seconds=2), [90, 90])
    assert_allclose(rate_per_second(mixed, first=-2, n_seconds=5), [np.nan, np.nan, 90, 90, np.nan])


def test_no_rate_in_gaps_and_long_pauses() -> None:
    gap = without(events_of(np.full(60, 0.8)), [20, 21, 22, 23])  # From 15.2 to 18.4 s.
    rate = rate_per_second(trusted(gap), first=0, n_seconds=48)
    assert_array_equal(np.flatnonzero(np.isnan(rate)), [15, 16, 17])
    assert_allclose(rate[~np.isnan(rate)], 75)
    pause = rate_per_second(trusted(events_of([1.0] * 5 + [3.5] + [1.0] * 5)), first=0, n_seconds=13)
    assert_array_equal(np.isnan(pause), [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("lag", [-8, -1, 0, 3, 10])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_lag_is_found(lag: int, sign: int) -> None:
    wave = slow_noise(240, seed=lag + 20)
    rate = 75 + 8 * wave[20:220]
    eda = 5 + 0.2 * sign * np.repeat(wave[20 - lag : 220 - lag], 4)
    found = coupled(trial_of(eda=eda_of(eda), ibi=beats_at(rate)))
    assert found["phasic_lag"] == lag
    assert sign * found["phasic_r_largest"] > 0.95
    if lag == 0:
        assert found["phasic_r"] == found["phasic_r_largest"]
    else:
        assert abs(found["phasic_r"]) < abs(found["phasic_r_largest"])


def test_a_lag_out_of_the_range_is_not_found() -> None:
    wave = slow_noise(240, seed=1, width=3)
    trial = trial_of(eda=eda_of(5 + np.repeat(wave[8:208], 4)), ibi=beats_at(75 + 8 * wave[20:220]))
    assert coupled(trial, max_lag=15)["phasic_lag"] == 12
    assert abs(coupled(trial, max_lag=5)["phasic_r_largest"]) < 0.7


def test_scale_and_drift_of_the_skin_do_not_matter() -> None:
    wave = slow_noise(200, seed=3)
    ibi = beats_at(75 + 8 * wave)
    eda = np.repeat(slow_noise(200, seed=4), 4)
    one = coupled(trial_of(eda=eda_of(eda), ibi=ibi))
    other = coupled(trial_of(eda=eda_of(7 + 0.3 * eda + 0.01 * np.arange(800)), ibi=ibi))
    assert_allclose([*other.values()], [*one.values()], atol=1e-9)


def test_tonic_coupling_takes_five_minutes() -> None:
    wave = slow_noise(400, seed=5)
    trial = trial_of(eda=eda_of(np.repeat(wave, 4)), ibi=beats_at(75 + 8 * wave))
    minute = coupled(trial)
    assert np.isfinite(minute["phasic_r"])
    assert np.isnan([minute[name] for name in COLUMNS[3:]]).all()
    five = coupled(trial, duration=300.0)
    assert five["tonic_r"] == pytest.approx(-five["phasic_r"])
    assert np.isnan([*coupled(trial, duration=59.0).values()]).all()


def test_chance_is_as_large_as_stated() -> None:
    rng = np.random.default_rng(6)
    n = 60 * 300
    eda = eda_of(np.repeat(rng.normal(size=n), 4))
    trial = trial_of(eda=eda, ibi=beats_at(75 + 2 * rng.normal(size=n)))
    values = EDAHeartCoupling(decompose=as_it_is)(trial, MINUTES.intervals(n - 60.0)).values
    assert values[:, 0].mean() == pytest.approx(0, abs=0.03)
    # A straight line and a mean have been taken out of 60 pairs, and beats smear what the seconds had.
    assert values[:, 0].std() == pytest.approx(1 / np.sqrt(60 - 3), abs=0.02)
    assert np.median(np.abs(values[:, 1])) == pytest.approx(0.30, abs=0.04)
    assert np.abs(values[:, 2]).mean() == pytest.approx(5.2, abs=1.0)  # No lag is preferred.


def test_people_are_not_coupled_to_others() -> None:
    wave, other = slow_noise(6000, seed=7), slow_noise(6000, seed=8)
    ibi = beats_at(75 + 8 * wave)
    windows = MINUTES.intervals(5900.0)
    family = EDAHeartCoupling(decompose=as_it_is)
    own = family(trial_of(eda=eda_of(np.repeat(wave + other, 4)), ibi=ibi), windows).values
    swapped = family(trial_of(eda=eda_of(np.repeat(other, 4)), ibi=ibi), windows).values
    assert np.median(np.abs(own[:, 1])) > np.quantile(np.abs(swapped[:, 1]), 0.9)


def test_missing_seconds_are_passed_over_and_too_many_refused() -> None:
    wave = slow_noise(200, seed=9)
    ibi = beats_at(75 + 8 * wave)
    skin = np.repeat(5 + wave, 4)
    few, many = skin.copy(), skin.copy()
    few[300:320] = np.nan
    many[300:360] = np.nan
    whole = coupled(trial_of(eda=eda_of(skin), ibi=ibi))
    part = coupled(trial_of(eda=eda_of(few), ibi=ibi))
    assert part["phasic_r"] > 0.95
    assert part["phasic_r"] != whole["phasic_r"]
    wild = few.copy()
    flags = np.where(np.isnan(few), 8, 0).astype(np.uint8)
    wild[300:320] = 1e3
    flagged = Signal(data=wild[np.newaxis], sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS", flags=flags)
    assert coupled(trial_of(eda=flagged, ibi=ibi)) == pytest.approx(part, nan_ok=True)
    trial = trial_of(eda=eda_of(many), ibi=ibi)
    window = Intervals(np.array([60.0]), 60.0)
    assert EDAHeartCoupling().coverage(trial, window)[0] == 0.75
    assert np.isnan([*coupled(trial).values()]).all()


@pytest.mark.parametrize(("n_present", "share"), [(1, 0), (2, 1), (4, 1)])
def test_a_second_needs_half_of_its_samples(n_present: int, share: float) -> None:
    skin = np.where(np.arange(400) % 4 < n_present, 5.0, np.nan)
    trial = trial_of(eda=eda_of(skin), ibi=noise_events(130))
    assert EDAHeartCoupling().coverage(trial, Intervals(np.array([10.0]), 60.0))[0] == share


def test_windows_are_as_they_are_alone_and_whatever_the_rate() -> None:
    wave = slow_noise(400, seed=10)
    ibi = noise_events(450, seed=10)
    slow = trial_of(eda=eda_of(np.repeat(5 + wave, 4)), ibi=ibi)
    fast = trial_of(eda=eda_of(np.repeat(5 + wave, 10), sfreq=10.0), ibi=ibi)
    family = EDAHeartCoupling(decompose=as_it_is)
    windows = Intervals(np.array([10.0, 33.5, 200.0, 90.0]), 60.0)
    together = family(slow, windows).values
    assert_allclose(family(fast, windows).values, together, atol=1e-9)
    for row, start in zip(together, windows.starts, strict=True):
        assert_allclose(family(slow, Intervals(np.array([start]), 60.0)).values[0], row)
    assert family(slow, Intervals(np.empty(0), 60.0)).shape == (0, 6)


def test_a_fast_recording_and_the_usual_decomposition() -> None:
    rng = np.random.default_rng(11)
    skin = 5 + np.cumsum(rng.normal(size=300 * 100)) / 100
    trial = trial_of(eda=eda_of(skin, sfreq=100.0), ibi=noise_events(360))
    found = EDAHeartCoupling()(trial, Windowing(duration=60, step=30).intervals(280.0))
    assert np.isfinite(found.sel(eda_heart_feature=COLUMNS[:3]).values).all()
    assert found.attrs["units"] == ["1", "1", "s", "1", "1", "s"]
    assert "highpass" in found.attrs["estimator"]


def test_a_recipe_names_the_decomposition() -> None:
    recipe = Recipe(windows=MINUTES, features=(EDAHeartCoupling(decompose=as_it_is),))
    assert "as_it_is" in recipe.to_json()


@pytest.mark.parametrize("sfreq", [4.0, 50.0])
def test_nothing_outside_of_the_context_matters(sfreq: float) -> None:
    family = EDAHeartCoupling()
    before, after = family.context
    rng = np.random.default_rng(12)
    skin = 5 + np.cumsum(rng.normal(size=round(1500 * sfreq))) / 100
    trial = trial_of(eda=eda_of(skin, sfreq=sfreq), ibi=noise_events(1900))
    window = Intervals(np.array([600.0]), 300.0)
    near = trial_of(
        eda=trial.signal("eda").crop(600 - before, 900 + after),
        ibi=trial.signals["ibi"].crop(600 - before, 900 + after),
    )
    assert before < 500
    assert after < 500
    assert_allclose(family(near, window).values, family(trial, window).values, rtol=1e-6, atol=1e-9)


def test_wrong_settings_and_units_are_refused() -> None:
    with pytest.raises(ValueError, match="max_lag is a number of seconds from 0 to 30, got 31"):
        EDAHeartCoupling(max_lag=31)
    with pytest.raises(ValueError, match="Unknown decomposition 'cvxeda'"):
        EDAHeartCoupling(decompose="cvxeda")
    trial = trial_of(eda=eda_of(np.ones(400)).scaled(1000, unit="nS"), ibi=noise_events(100))
    with pytest.raises(DataError, match="in 'nS', its features are defined in 'uS'"):
        coupled(trial)
    with pytest.raises(DataError, match="no intervals between beats named 'ibi'"):
        coupled(trial_of(eda=eda_of(np.ones(400))))
