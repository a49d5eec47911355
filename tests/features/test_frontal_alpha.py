"""Frontal alpha asymmetry: its sign, its size and what it refuses."""

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.signal import welch

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import Recipe
from physioaffect.features.frontal_alpha import FrontalAlphaAsymmetry
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, Windowing

SFREQ = 200.0
NAMES = ("EEG F3", "FZ", "EEG F4", "F7", "F8", "T8")
FIVE = Intervals(np.arange(0.0, 20.0, 4.0), 4.0)


def trial_of(data: NDArray[np.float64], ch_names: tuple[str, ...] = NAMES) -> Trial:
    eeg = Signal(data=data, sfreq=SFREQ, ch_names=ch_names, kind="eeg", unit="V")
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


def noise() -> NDArray[np.float64]:
    return 2e-5 * np.random.default_rng(0).normal(size=(len(NAMES), round(20 * SFREQ)))


def test_more_alpha_at_the_right_is_positive_and_the_log_ratio_of_powers():
    t = np.arange(20 * SFREQ) / SFREQ
    alpha = np.array([1, 1, 3, 2, 1, 1])[:, np.newaxis] * 1e-5 * np.sin(2 * np.pi * 10 * t)
    score = FrontalAlphaAsymmetry(pairs=(("F3", "F4"), ("F7", "F8")))(trial_of(alpha), FIVE)
    assert_allclose(score, np.broadcast_to([2 * math.log(3), -2 * math.log(2)], (5, 2)), rtol=1e-9)


def test_the_score_is_that_of_scipys_welch():
    data = noise()
    score = FrontalAlphaAsymmetry()(trial_of(data), FIVE)
    f, density = welch(data[[0, 2]].reshape(2, 5, -1), SFREQ, window="hann", nperseg=round(2 * SFREQ))
    power = density[..., (f >= 8) & (f < 13)].sum(axis=-1)
    assert_allclose(score[:, 0], np.log(power[1] / power[0]), rtol=1e-9)


def test_exchanged_electrodes_flip_the_sign_and_a_common_gain_changes_nothing():
    data = noise()
    score = FrontalAlphaAsymmetry()(trial_of(data), FIVE)
    assert_array_equal(FrontalAlphaAsymmetry()(trial_of(data[[2, 1, 0, 3, 4, 5]]), FIVE), -score)
    assert_allclose(FrontalAlphaAsymmetry()(trial_of(3 * data), FIVE), score, atol=1e-12)


def test_other_electrodes_and_other_bands_do_not_matter():
    data = noise()
    score = FrontalAlphaAsymmetry()(trial_of(data), FIVE)
    data[1] = np.nan
    data[3:] = 0
    data[2] += 1e-4 * np.sin(2 * np.pi * 30 * np.arange(20 * SFREQ) / SFREQ)
    assert_allclose(FrontalAlphaAsymmetry()(trial_of(data), FIVE), score, rtol=1e-6)


def test_a_flat_electrode_gives_nan_in_its_pair_only():
    data = noise()
    data[4, : round(4 * SFREQ)] = 3e-6
    score = FrontalAlphaAsymmetry(pairs=(("F3", "F4"), ("F7", "F8")))(trial_of(data), FIVE)
    assert_array_equal(np.isnan(score), [[False, True], *[[False, False]] * 4])


def test_pairs_are_named_as_in_the_recording():
    score = FrontalAlphaAsymmetry(pairs=(("f7", "F8"), ("F3", "F4")))(trial_of(noise()), FIVE)
    assert score["frontal_pair"].values.tolist() == ["F7-F8", "EEG F3-EEG F4"]
    assert score.dims == ("window", "frontal_pair")
    assert score.attrs["formula"] == "ln P(right) - ln P(left)"


def test_no_windows_give_no_scores():
    assert FrontalAlphaAsymmetry()(trial_of(noise()), Intervals(np.empty(0), 4.0)).shape == (0, 1)


@pytest.mark.parametrize("pair", [("AF3", "AF4"), ("F4", "F3"), ("F3", "F8"), ("Fz", "F4")])
def test_a_pair_that_is_not_there_or_not_left_and_right_is_refused(pair):
    message = f"no pair of a left and a right electrode {'-'.join(pair)}; it has F3-F4, F7-F8. Choose pairs="
    with pytest.raises(ProtocolError, match=message):
        FrontalAlphaAsymmetry(pairs=(pair,))(trial_of(noise()), FIVE)


@pytest.mark.parametrize("pairs", [(), (("F3",),), (("F3", "F4"), ("f3", "EEG F4"))])
def test_settings_without_pairs_are_refused(pairs):
    with pytest.raises(ValueError, match=r"different \(left, right\) such as"):
        FrontalAlphaAsymmetry(pairs=pairs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fmin": 14.0}, "needs 0 < fmin < fmax"),
        ({"frame": 0.0}, "frame needs a length above 0"),
    ],
)
def test_impossible_settings_are_refused_at_once(wrong, message):
    with pytest.raises(ValueError, match=message):
        FrontalAlphaAsymmetry(**wrong)


def test_microvolts_declared_as_volts_are_refused():
    with pytest.raises(DataError, match="EEG of subject 1, trial 1 swings by"):
        FrontalAlphaAsymmetry()(trial_of(1e6 * noise()), FIVE)


def test_a_recipe_can_write_it_down():
    recipe = Recipe(windows=Windowing(duration=4), features=(FrontalAlphaAsymmetry(),))
    (described,) = json.loads(recipe.to_json())["features"]
    assert described["settings"]["pairs"] == [["F3", "F4"]]
