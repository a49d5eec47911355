"""Respiration per window, against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.features.respiration import Respiration
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals

SFREQ = 50.0
TIMES = np.arange(0, 400, 1 / SFREQ)
WINDOWS = Intervals(np.arange(40, 300, 20.0), 60.0)
NOT_OF_BREATHS = {"stretch", "centroid", "spectral_width", "spectral_entropy", "low_high"}
Array = NDArray[np.float64]


def trial_of(
    belt: Array,
    *,
    sfreq: float = SFREQ,
    flags: NDArray[np.uint8] | None = None,
    start: float = 0.0,
    unit: str = "%",
) -> Trial:
    resp = Signal(
        data=belt[np.newaxis],
        sfreq=sfreq,
        ch_names=("RESP",),
        kind="resp",
        unit=unit,
        start=start,
        flags=np.zeros(len(belt), dtype=np.uint8) if flags is None else flags,
    )
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"resp": resp})


def features_of(
    trial: Trial, windows: Intervals = WINDOWS, family: Respiration | None = None
) -> dict[str, Array]:
    table = (family or Respiration())(trial, windows)
    return {
        str(name): table.sel(respiration_feature=name).values for name in table.respiration_feature.values
    }


@pytest.mark.parametrize("frequency", [0.1, 0.2, 0.4])
def test_a_sine(frequency: float) -> None:
    features = features_of(trial_of(5 + 3 * np.sin(2 * np.pi * frequency * TIMES)))
    assert_allclose(features["rate"], 60 * frequency, rtol=2e-3)
    assert_allclose(features["depth"], 6, rtol=5e-3)
    assert_allclose(features["inspiration"], 0.5 / frequency, rtol=5e-3)
    assert_allclose(features["expiration"], 0.5 / frequency, rtol=5e-3)
    assert_allclose(features["ratio"], 1, atol=0.01)
    assert_allclose(features["rvt"], 6 * frequency, rtol=5e-3)
    for name in ("rate_sd", "depth_cv", "period_cv", "inspiration_sd", "expiration_sd"):
        assert_allclose(features[name], 0, atol=0.05)
    # The high-pass at 0.05 Hz takes a sixteenth of what breathes at 0.1 Hz.
    assert_allclose(features["stretch"], 6 / (1 + (0.05 / frequency) ** 4), rtol=0.01)
    assert_allclose(features["centroid"], frequency, atol=0.005)
    assert (features["spectral_width"] < 0.05).all()
    assert (features["spectral_entropy"] < 0.4).all()
    assert ((features["low_high"] > 0) == (frequency < 0.25)).all()


def test_breaths_of_two_lengths_and_depths() -> None:
    # 3 s and 5 s long in turns, as deep as long: their rates are 20 and 12 a minute.
    edges = np.cumsum(np.tile([3.0, 5.0], 50))
    number = np.searchsorted(edges, TIMES, side="right")
    length = np.where(number % 2 == 0, 3.0, 5.0)
    phase = (TIMES - np.append(0, edges)[number]) / length
    belt = length * (1 - np.cos(2 * np.pi * phase)) / 2
    features = features_of(trial_of(belt), Intervals(np.array([80.0, 160.0]), 80.0))
    assert_allclose(features["rate"], 15, rtol=0.02)
    assert_allclose(features["rate_sd"], 4, rtol=0.1)
    assert_allclose(features["period_cv"], 0.25, rtol=0.1)
    assert_allclose(features["depth"], 4, rtol=0.02)
    assert_allclose(features["depth_cv"], 0.25, rtol=0.05)
    assert_allclose(features["rvt"], 1, rtol=0.05)


def test_an_even_spectrum_has_full_entropy() -> None:
    rng = np.random.default_rng(0)
    windows = Intervals(np.array([0.0]), 400.0)
    noise = features_of(trial_of(rng.normal(size=TIMES.size)), windows)
    # An even density from 0.05 to 1.5 Hz.
    assert_allclose(noise["centroid"], 0.775, rtol=0.05)
    assert_allclose(noise["spectral_width"], 1.45 / np.sqrt(12), rtol=0.05)
    assert noise["spectral_entropy"][0] > 0.97
    assert_allclose(noise["low_high"], np.log(0.2 / 1.25), atol=0.35)


@settings(max_examples=15)
@given(st.sampled_from([1e-3, 0.1, 700.0]), st.floats(-50, 50), st.integers(0, 1000))
def test_only_depth_rvt_and_stretch_have_a_unit(scale: float, offset: float, seed: int) -> None:
    phase = np.cumsum(0.25 + 0.3 * np.random.default_rng(seed).normal(size=TIMES.size)) / SFREQ
    belt = np.sin(2 * np.pi * phase)
    one, other = (features_of(trial_of(x)) for x in (belt, scale * belt + offset))
    for name, values in one.items():
        factor = scale if name in {"depth", "rvt", "stretch"} else 1
        assert_allclose(other[name], values * factor, rtol=1e-4, atol=1e-6 * factor)


def test_the_units_are_those_of_the_signal() -> None:
    units = Respiration()(trial_of(np.sin(TIMES), unit="au"), WINDOWS).attrs["units"]
    assert units[2] == "au"
    assert units[10] == "au/s"


def test_too_few_breaths_are_refused() -> None:
    belt = np.sin(2 * np.pi * 0.1 * TIMES)
    short = Intervals(np.arange(40, 300, 20.0), 20.0)
    assert np.isnan(features_of(trial_of(belt), short)["rate"]).all()
    assert_allclose(features_of(trial_of(belt), short, Respiration(min_breaths=2))["rate"], 6, rtol=0.01)
    # Breaths in a third of a window do not tell its rate, however many they are.
    half = np.where(TIMES % 60 < 20, np.sin(2 * np.pi * 0.5 * TIMES), 0)
    minutes = Intervals(np.array([60.0, 120.0]), 60.0)
    assert np.isnan(features_of(trial_of(half), minutes)["rate"]).all()
    with pytest.raises(ValueError, match="min_breaths must be at least 2, got 1"):
        Respiration(min_breaths=1)


def test_a_short_window_has_no_spectrum() -> None:
    belt = np.sin(2 * np.pi * 0.3 * TIMES)
    features = features_of(trial_of(belt), Intervals(np.arange(40, 300, 20.0), 20.0))
    assert np.isfinite(features["rate"]).all()
    for name in ("centroid", "spectral_width", "spectral_entropy", "low_high"):
        assert np.isnan(features[name]).all()


def test_flagged_breaths_do_not_count() -> None:
    belt = np.sin(2 * np.pi * 0.25 * TIMES)
    spoilt, flags = belt.copy(), np.zeros(TIMES.size, dtype=np.uint8)
    spoilt[5000:5500] += 40
    flags[5000:5500] = Flag.MOTION
    clean, masked = features_of(trial_of(belt)), features_of(trial_of(spoilt, flags=flags))
    for name in ("rate", "depth", "ratio", "stretch"):
        assert_allclose(masked[name], clean[name], rtol=0.05)
    unmasked = features_of(trial_of(spoilt))
    assert unmasked["stretch"].max() > 10 * clean["stretch"].max()
    flags[:] = Flag.OFF_BODY
    assert np.isnan(list(features_of(trial_of(belt, flags=flags)).values())).all()


@pytest.mark.parametrize("sfreq", [20.0, 64.0, 700.0])
def test_a_window_depends_only_on_its_context(sfreq: float) -> None:
    before, after = Respiration().context
    times = np.arange(0, 900, 1 / sfreq)
    belt = np.sin(2 * np.pi * (0.25 * times + np.sin(times / 40) + 0.3 * np.sin(times / 3))) + times / 100
    whole = trial_of(belt, sfreq=sfreq)
    windows = Intervals(np.array([400.0, 420.0]), 60.0)
    part = whole.signal("resp").crop(400.003 - before, 480 + after)
    assert part.n_times < belt.size
    own = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"resp": part})
    assert_allclose(Respiration()(own, windows), Respiration()(whole, windows), rtol=1e-6, atol=1e-9)


def test_the_rate_does_not_depend_on_the_recorder() -> None:
    tables = []
    for sfreq in (10.0, 25.0, 100.0, 1000.0):
        times = np.arange(0, 400, 1 / sfreq)
        belt = np.sin(2 * np.pi * (0.25 * times + np.sin(times / 40)))
        tables.append(features_of(trial_of(belt, sfreq=sfreq))["rate"])
    assert_allclose(tables[1:], np.broadcast_to(tables[0], (3, len(tables[0]))), rtol=5e-3)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(DataError, match="sampled at 1 Hz; it takes 4 Hz or more"):
        Respiration()(trial_of(np.zeros(500), sfreq=1.0), WINDOWS)
    with pytest.raises(DataError, match="has no signal 'resp'"):
        Respiration()(Trial(dataset="m", subject="1", trial="1", stimulus="n", signals={}), WINDOWS)
    two = Signal(data=np.zeros((2, 500)), sfreq=50.0, ch_names=("a", "b"), kind="resp", unit="%")
    with pytest.raises(DataError, match=r"has 2 channels \(a, b\)"):
        Respiration()(
            Trial(dataset="m", subject="1", trial="1", stimulus="n", signals={"resp": two}), WINDOWS
        )


def test_nothing_gives_nothing() -> None:
    assert Respiration()(trial_of(np.zeros(500)), Intervals(np.empty(0), 60.0)).shape == (0, 16)
    flat = features_of(trial_of(np.full(TIMES.size, 2.0)))
    assert_array_equal(flat["stretch"] < 1e-9, True)
    assert np.isnan([flat[name] for name in flat if name not in NOT_OF_BREATHS]).all()
    outside = Respiration()(trial_of(np.sin(TIMES)), Intervals(np.array([-200.0, 900.0]), 60.0))
    assert np.isnan(outside.values).all()
