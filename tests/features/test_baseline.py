"""Features relative to rest: closed forms, and what a rest cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError
from physioaffect.features import DifferentialEntropy, Recipe, features_of_trial
from physioaffect.features.baseline import BASELINES, remove_baseline
from physioaffect.features.spectral import BandPower
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

NAMES = ("O1", "O2", "Fz")


def features(values: object, names: tuple[str, ...] = NAMES, **attrs: object) -> xr.DataArray:
    return xr.DataArray(
        np.array(values), dims=("window", "channel"), coords={"channel": list(names)}, attrs=attrs
    )


REST = features([[1.0, 10.0, 4.0], [3.0, 20.0, np.nan], [5.0, 60.0, 8.0]])
TASK = features([[6.0, 15.0, 3.0], [3.0, 30.0, np.nan]], unit="V^2")


def trial(task_gain: float) -> Trial:
    rng = np.random.default_rng(0)
    rest, task = (
        Signal(data=data, sfreq=128.0, ch_names=NAMES, kind="eeg", unit="V")
        for data in 1e-5 * rng.normal(size=(2, 3, 60 * 128)) * [[[1.0]], [[task_gain]]]
    )
    return Trial(
        dataset="noise", subject="1", trial="1", stimulus="", signals={"eeg": task}, baseline={"eeg": rest}
    )


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("subtract", [[3, -15, -3], [0, 0, np.nan]]),
        ("ratio", [[2, 0.5, 0.5], [1, 1, np.nan]]),
        ("z", [[1.5, -15 / np.sqrt(700), -3 / np.sqrt(8)], [0, 0, np.nan]]),
    ],
)
def test_each_way_is_its_definition_over_the_windows_that_are_there(how, expected):
    found = remove_baseline(TASK, REST, how=how)
    assert_allclose(found, expected, rtol=1e-15)
    assert found.attrs == {"unit": "V^2" if how == "subtract" else "1", "baseline": how}
    assert TASK.attrs == {"unit": "V^2"}


def test_the_units_of_several_features_are_gone_from_a_ratio():
    values = TASK.assign_attrs(units=["V^2", "rad/s", "1"])
    assert remove_baseline(values, REST, how="ratio").attrs["units"] == ["1", "1", "1"]
    assert remove_baseline(values, REST, how="subtract").attrs["units"] == ["V^2", "rad/s", "1"]


@pytest.mark.parametrize("how", BASELINES)
def test_a_channel_without_a_number_at_rest_is_nan_and_no_other(how):
    rest = REST.copy(deep=True)
    rest[:, 1] = np.nan
    found = remove_baseline(TASK, rest, how=how)
    assert np.isnan(found[:, 1]).all()
    assert_array_equal(found[:, [0, 2]], remove_baseline(TASK, REST, how=how)[:, [0, 2]])


@pytest.mark.parametrize("level", [0.0, 0.1, -1e-11, 3e8])
def test_a_rest_that_does_not_vary_gives_no_z(level):
    # The mean of three times 0.1 is not 0.1, and so small a spread would make z about 1e17.
    rest = features([[level, 10.0, 4.0], [level, 20.0, 5.0], [level, 60.0, 8.0]])
    found = remove_baseline(TASK, rest, how="z")
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1]).all()


def test_a_mean_of_zero_divides_nothing():
    rest = features([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert np.isnan(remove_baseline(TASK, rest, how="ratio")[:, 0]).all()


@pytest.mark.parametrize("how", BASELINES)
def test_other_channels_at_rest_are_refused(how):
    rest = REST.isel(channel=[1, 0, 2])
    with pytest.raises(
        DataError, match="channel of the trial is O1, O2, Fz, that of the rest O2, O1, Fz: give"
    ):
        remove_baseline(TASK, rest, how=how)


@pytest.mark.parametrize("n_windows", [0, 1])
def test_too_few_windows_for_a_spread_are_refused(n_windows):
    with pytest.raises(DataError, match=f"needs two windows there, got {n_windows}. Take shorter windows"):
        remove_baseline(TASK, REST[:n_windows], how="z")


def test_an_unknown_way_is_refused():
    with pytest.raises(
        ValueError, match="Unknown way 'log' to remove a baseline: use one of ratio, subtract, z"
    ):
        remove_baseline(TASK, REST, how="log")  # type: ignore[arg-type]


def test_twice_the_amplitude_is_four_times_the_power_and_ln_2_more_entropy():
    recipe = Recipe(
        windows=Windowing(duration=2.0), features=(BandPower(), DifferentialEntropy()), baseline="subtract"
    )
    subtracted = features_of_trial(trial(2.0), recipe)
    ratio = features_of_trial(trial(2.0), replace(recipe, baseline="ratio"))
    assert_allclose(subtracted["de"].mean("window"), np.log(2), atol=0.25)
    assert_allclose(ratio["band_power"].mean("window"), 4, rtol=0.5)
