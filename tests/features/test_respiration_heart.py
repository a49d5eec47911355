"""Respiratory sinus arrhythmia and phase coupling, planted and by chance."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from support.beats import events_of, noise_events, trial_of, without

from physioaffect.errors import DataError
from physioaffect.features.respiration_heart import RespirationHeartCoupling, respiration_phase
from physioaffect.recording import Events, Signal, Trial
from physioaffect.signals.cardiac import r_peaks
from physioaffect.windows import Intervals, Windowing

COLUMNS = ["coupling", "rsa_harmonic", "phase", "rsa"]
SECONDS = 400.0


def breath(hz: float, *, sfreq: float = 25.0, offset: float = 0.0) -> Signal:
    times = np.arange(0, SECONDS, 1 / sfreq)
    wave = offset + np.cos(2 * np.pi * hz * times)
    return Signal(data=wave[np.newaxis], sfreq=sfreq, ch_names=("RESP",), kind="resp", unit="au")


def arrhythmia(
    hz: float, *, ms: float, phase: float = np.pi, mean: float = 0.7, sd: float = 0.0, drift: float = 0.0
) -> Events:
    """Intervals that swing by ``ms`` with the breath, longest at its phase, seen in their middle.

    They grow by ``drift`` ms per second.
    """
    rng = np.random.default_rng(0)
    times = [0.0]
    while times[-1] < SECONDS:
        length, noise = mean, sd * rng.normal() + 1e-3 * drift * times[-1]
        for _ in range(40):
            angle = 2 * np.pi * hz * (times[-1] + length / 2)
            length = mean + noise + 0.5e-3 * ms * np.cos(angle - phase)
        times.append(times[-1] + length)
    return events_of(np.diff(times))


def coupled(trial: Trial, start: float = 60.0, duration: float = 120.0) -> dict[str, float]:
    row = RespirationHeartCoupling()(trial, Intervals(np.array([start]), duration))
    assert row["resp_heart_feature"].values.tolist() == COLUMNS
    return dict(zip(COLUMNS, row.values[0].tolist(), strict=True))


@pytest.mark.parametrize("hz", [0.12, 0.2, 0.3, 0.42])
@pytest.mark.parametrize("sfreq", [4.0, 25.0, 100.0])
def test_the_phase_is_zero_with_full_lungs(hz: float, sfreq: float) -> None:
    phase = respiration_phase(breath(hz, sfreq=sfreq, offset=1e4))
    is_known = np.isfinite(phase.z)
    assert is_known.mean() == pytest.approx(1 - 20 / SECONDS, abs=0.01)
    error = np.angle(phase.z[is_known] * np.exp(-2j * np.pi * hz * phase.times[is_known]))
    assert np.abs(error).max() < 0.03


@pytest.mark.parametrize("hz", [0.15, 0.25])
@pytest.mark.parametrize("ms", [10.0, 80.0])
@pytest.mark.parametrize("at", [np.pi, 2.0, -0.5])
def test_a_planted_arrhythmia(hz: float, ms: float, at: float) -> None:
    found = coupled(trial_of(resp=breath(hz), ibi=arrhythmia(hz, ms=ms, phase=at)))
    assert found["coupling"] > 0.998
    assert found["rsa_harmonic"] == pytest.approx(ms, rel=0.02)
    assert np.cos(found["phase"] - at) > 0.999
    # Beats are few, and seldom at the very extremes of the wave.
    assert 0.8 * ms < found["rsa"] <= ms


def test_noise_lowers_the_share_and_not_the_swing() -> None:
    found = coupled(trial_of(resp=breath(0.25), ibi=arrhythmia(0.25, ms=60.0, sd=0.02)), duration=300.0)
    # 60 / 2 as amplitude: a variance of 450 ms^2 beside one of 400.
    assert found["coupling"] == pytest.approx(450 / 850, abs=0.08)
    assert found["rsa_harmonic"] == pytest.approx(60, rel=0.12)
    assert found["rsa"] > 60  # The extremes of a breath are those of the noise too.


def test_chance_is_as_large_as_stated() -> None:
    rng = np.random.default_rng(1)
    found = []
    for seed in range(40):
        resp = breath(float(rng.uniform(0.15, 0.35)), sfreq=8.0)
        trial = trial_of(resp=resp, ibi=noise_events(520, seed=seed))
        windows = Windowing(duration=60, step=60).intervals(SECONDS - 40)
        values = RespirationHeartCoupling()(trial, windows._replace(starts=windows.starts + 15)).values
        found.append(values[np.isfinite(values).all(axis=1), 0])
    shares = np.concatenate(found)
    assert len(shares) > 200
    n = 60 / 0.8 - 1
    assert shares.mean() == pytest.approx(2 / (n - 2), rel=0.15)
    # Beta(1, (n - 4) / 2): above x with probability (1 - x)^((n - 4) / 2).
    assert np.mean(shares > 0.05) == pytest.approx(0.95 ** ((n - 4) / 2), abs=0.06)


def test_another_breath_has_no_part_in_it() -> None:
    found = coupled(trial_of(resp=breath(0.19), ibi=arrhythmia(0.27, ms=60.0)))
    assert found["coupling"] < 0.1
    assert found["rsa_harmonic"] < 15


def test_upside_down_belts_turn_the_phase() -> None:
    resp, ibi = breath(0.25), arrhythmia(0.25, ms=40.0, phase=1.0)
    up = coupled(trial_of(resp=resp, ibi=ibi))
    down = coupled(trial_of(resp=resp.scaled(-3.0, unit="au"), ibi=ibi))
    assert down["coupling"] == pytest.approx(up["coupling"])
    assert np.cos(down["phase"] - up["phase"]) == pytest.approx(-1)


def with_hole(signal: Signal, begin: float, end: float) -> Signal:
    data: NDArray[Any] = signal.data.copy()
    data[:, round(begin * signal.sfreq) : round(end * signal.sfreq)] = np.nan
    return Signal(data=data, sfreq=signal.sfreq, ch_names=("RESP",), kind="resp", unit="au")


def test_gaps_are_passed_over_or_refused() -> None:
    resp, ibi = breath(0.25), arrhythmia(0.25, ms=40.0)
    found = coupled(trial_of(resp=resp, ibi=without(ibi, [150, 151])))
    assert found["rsa_harmonic"] == pytest.approx(40, rel=0.02)
    # The filter knows nothing within ten seconds of a hole of one second: 21 of 120 s are lost.
    trial = trial_of(resp=with_hole(resp, 120, 121), ibi=ibi)
    window = Intervals(np.array([60.0]), 120.0)
    assert RespirationHeartCoupling().coverage(trial, window)[0] == pytest.approx(99 / 120, abs=0.02)
    assert coupled(trial)["rsa_harmonic"] == pytest.approx(40, rel=0.02)
    assert np.isnan([*coupled(trial_of(resp=with_hole(resp, 120, 130), ibi=ibi)).values()]).all()
    assert np.isnan([*coupled(trial_of(resp=resp, ibi=without(ibi, np.arange(100, 160)))).values()]).all()


def test_a_breath_with_a_gap_has_no_swing() -> None:
    resp, ibi = breath(0.1), arrhythmia(0.1, ms=60.0)
    whole = coupled(trial_of(resp=resp, ibi=ibi))
    middles = ibi.times - ibi.values / 2
    gone = [
        i
        for full in (80, 100, 130)  # With full lungs intervals are shortest.
        for i in np.flatnonzero(np.abs(middles - full) < 2.0)
    ]
    part = coupled(trial_of(resp=resp, ibi=without(ibi, np.array(gone))))
    assert part["rsa"] == pytest.approx(whole["rsa"], rel=0.02)
    assert part["rsa_harmonic"] == pytest.approx(60, rel=0.02)


def test_a_heart_that_slows_down_is_coupled_all_the_same() -> None:
    ibi = arrhythmia(0.25, ms=20.0, drift=1.0)  # By 120 ms in the window.
    found = coupled(trial_of(resp=breath(0.25), ibi=ibi))
    assert found["coupling"] > 0.99
    assert found["rsa_harmonic"] == pytest.approx(20, rel=0.03)


def test_what_lies_in_a_gap_is_not_looked_at() -> None:
    resp, ibi = breath(0.25, sfreq=8.0), arrhythmia(0.25, ms=40.0, sd=0.01)
    hole = with_hole(resp, 120, 121)
    wild = np.where(np.isnan(hole.data), 1e6, hole.data)
    flags = np.where(np.isnan(hole.data[0]), 1, 0).astype(np.uint8)
    flagged = Signal(data=wild, sfreq=8.0, ch_names=("RESP",), kind="resp", unit="au", flags=flags)
    assert coupled(trial_of(resp=flagged, ibi=ibi)) == pytest.approx(coupled(trial_of(resp=hole, ibi=ibi)))


def test_windows_are_as_they_are_alone() -> None:
    trial = trial_of(resp=breath(0.22), ibi=arrhythmia(0.22, ms=30.0, sd=0.02))
    windows = Intervals(np.array([0.0, 15.0, 40.5, 200.0, 150.0]), 90.0)
    family = RespirationHeartCoupling()
    together = family(trial, windows).values
    assert np.isfinite(together[1:]).all()
    before, after = family.context
    for row, start in zip(together, windows.starts, strict=True):
        window = Intervals(np.array([start]), 90.0)
        assert_allclose(family(trial, window).values[0], row)
        near = trial_of(
            resp=trial.signal("resp").crop(start - before, start + 90 + after),
            ibi=trial.signals["ibi"].crop(start - before, start + 90 + after),
        )
        assert_allclose(family(near, window).values[0], row, rtol=1e-6, atol=1e-9)
    assert family(trial, Intervals(np.empty(0), 90.0)).shape == (0, 4)
    assert np.isnan(family(trial, Intervals(np.array([60.0]), 59.0)).values).all()


def test_a_real_heart_follows_the_breath(real_data: Any) -> None:
    table = pd.read_csv(real_data / "realdata" / "neurokit" / "bio_resting_5min_100hz.csv")
    peak_idx = r_peaks(table["ECG"].to_numpy(), sfreq=100.0)
    ibi = events_of(np.diff(peak_idx) / 100, start=peak_idx[0] / 100)
    lengths = ibi.values.copy()
    lengths[(lengths < 0.5) | (lengths > 1.0)] = np.nan
    resp = Signal(
        data=table["RSP"].to_numpy(dtype=float)[np.newaxis],
        sfreq=100.0,
        ch_names=("RSP",),
        kind="resp",
        unit="au",
    )
    trial = trial_of(resp=resp, ibi=Events(times=ibi.times, values=lengths, kind="ibi"))
    found = coupled(trial, start=15.0, duration=270.0)
    late = Signal(
        data=np.roll(resp.data, 6000, axis=1), sfreq=100.0, ch_names=("RSP",), kind="resp", unit="au"
    )
    by_chance = coupled(trial_of(resp=late, ibi=trial.signals["ibi"]), start=80.0, duration=200.0)
    assert found["coupling"] > 5 * by_chance["coupling"]


def test_unusable_respiration_is_refused() -> None:
    ibi = noise_events(100)
    with pytest.raises(DataError, match="needs 4 Hz or more, got 1 Hz"):
        coupled(trial_of(resp=breath(0.25, sfreq=1.0), ibi=ibi))
    two = Signal(data=np.ones((2, 400)), sfreq=4.0, ch_names=("a", "b"), kind="resp", unit="au")
    with pytest.raises(DataError, match=r"2 channels \(a, b\).*signal\.pick"):
        coupled(trial_of(resp=two, ibi=ibi))
    with pytest.raises(DataError, match="has no signal 'resp'"):
        coupled(trial_of(ibi=ibi))
