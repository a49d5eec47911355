"""The stream against the whole of real wristband sessions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from physioaffect.devices.empatica import read_e4
from physioaffect.features import Recipe, features_of_trial
from physioaffect.features.eda import EDA
from physioaffect.features.hrv import HRV
from physioaffect.features.motion import Motion
from physioaffect.features.stream import Stream
from physioaffect.features.stream_channels import channels_of
from physioaffect.features.temperature import Temperature
from physioaffect.recording import Events, Signal, Trial
from physioaffect.signals.beats import BeatsFromPPG
from physioaffect.signals.quality_marking import MarkQuality
from physioaffect.windows import Windowing

WINDOWS = Windowing(duration=60, step=10)
FAMILIES = (HRV(), Motion(), Temperature())
LIVE = Recipe(
    windows=WINDOWS,
    cleaning=(MarkQuality(off_body=None, temperature=None), BeatsFromPPG()),
    features=(EDA(decompose="highpass_causal"), *FAMILIES),
)
FULL = Recipe(
    windows=WINDOWS, cleaning=(MarkQuality(), BeatsFromPPG(rate_sfreq=1.0)), features=(EDA(), *FAMILIES)
)


def session(real_data: Path, person: str, start: float, stop: float) -> Trial:
    """A part of one session, with what the device made of its pulse wave: tags, beats and rate."""
    signals = read_e4(real_data / "realdata" / "stress_predict" / f"{person}_E4.zip").signals
    return Trial(
        dataset="e4",
        subject=person,
        trial="1",
        stimulus="none",
        elapsed=start,
        signals={name: one.crop(start, stop, onset=start) for name, one in signals.items()},
    )


def streamed(trial: Trial, recipe: Recipe, seconds: float) -> xr.Dataset:
    stream = Stream(recipe, channels_of(trial.signals), trial=trial)
    tables = []
    for begin in np.arange(0, trial.duration, seconds):
        chunks: dict[str, Signal | Events] = {
            name: one.crop(begin, begin + seconds) for name, one in trial.signals.items()
        }
        # An empty piece of what has not begun, or has ended, has no place of its own.
        tables.append(
            stream.push({name: one for name, one in chunks.items() if isinstance(one, Events) or one.n_times})
        )
    tables.append(stream.finish())
    return xr.concat(
        [one for one in tables if one is not None],
        dim="window",
        join="override",
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    assert found.sizes == expected.sizes
    for name in [*expected.data_vars, *(c for c in expected.coords if str(c).startswith("coverage"))]:
        assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-9, err_msg=str(name))


@pytest.mark.parametrize(("person", "recipe", "seconds"), [("S02", LIVE, 1.0), ("S05", FULL, 17.3)])
def test_ten_minutes_of_a_wristband(real_data: Path, person: str, recipe: Recipe, seconds: float) -> None:
    trial = session(real_data, person, 600, 1200)
    expected = features_of_trial(trial, recipe)
    assert_same(streamed(trial, recipe, seconds), expected)
    # There is something to compare: each family has numbers in some windows.
    assert all(np.isfinite(expected[family.name]).any() for family in recipe.features)


@pytest.mark.slow
@pytest.mark.parametrize("person", ["S11", "S20"])
def test_a_whole_session(real_data: Path, person: str) -> None:
    trial = session(real_data, person, 0, 4000)
    recipe = replace(FULL, features=(EDA(), HRV(domains=("time", "welch")), Motion(), Temperature()))
    assert_same(streamed(trial, recipe, 10.0), features_of_trial(trial, recipe))
