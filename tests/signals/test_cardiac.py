"""Heart rate from an electrocardiogram: made ones of known rate, and a record with reference beats."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.signals import cardiac
from physioaffect.signals.cardiac import HeartRateFromECG, ecg_heart_rate, r_peaks

Floats = NDArray[np.floating[Any]]


def ecg_of(beats: Floats, *, sfreq: float, duration: float) -> Floats:
    """One lead in millivolts whose R peaks are at ``beats``: Q, R, S and T as Gaussians."""
    times = np.arange(round(duration * sfreq)) / sfreq
    waves = ((-0.04, -0.1, 0.01), (0.0, 1.0, 0.012), (0.04, -0.2, 0.01), (0.25, 0.25, 0.04))
    ecg = np.zeros_like(times)
    for beat in beats:
        for delay, height, width in waves:
            ecg += height * np.exp(-((times - beat - delay) ** 2) / (2 * width**2))
    return ecg + np.random.default_rng(0).normal(scale=0.01, size=len(times))


def trial_of(ecg: Floats, *, sfreq: float, **changed: Any) -> Trial:
    signal = Signal(
        data=np.atleast_2d(ecg),
        sfreq=sfreq,
        ch_names=tuple(f"ECG{k}" for k in range(len(np.atleast_2d(ecg)))),
        kind="ecg",
        unit="V",
        **changed,
    )
    return Trial(dataset="made", subject="1", trial="a", stimulus="none", signals={"ecg": signal})


@pytest.mark.parametrize("bpm", [50.0, 75.0, 140.0])
@pytest.mark.parametrize("sfreq", [128.0, 256.0, 500.0])
def test_a_steady_heart_has_its_rate(bpm: float, sfreq: float) -> None:
    beats = np.arange(0.7, 59, 60 / bpm)
    rate = ecg_heart_rate(ecg_of(beats, sfreq=sfreq, duration=60), sfreq=sfreq)
    assert rate.shape == (240,)
    inside = slice(8, 4 * 57)
    # A beat is known to one sample.
    assert_allclose(rate[inside], bpm, atol=2 * bpm**2 / 60 / sfreq)


def test_a_changing_heart_is_followed() -> None:
    intervals = 0.8 + 0.15 * np.sin(np.linspace(0, 4 * np.pi, 70))
    beats = 0.7 + np.cumsum(intervals)
    sfreq = 500.0
    duration = float(np.ceil(beats[-1] + 1))
    rate = ecg_heart_rate(ecg_of(beats, sfreq=sfreq, duration=duration), sfreq=sfreq, rate_sfreq=20.0)
    middles = (beats[:-1] + beats[1:]) / 2
    truth = 60 / np.diff(beats)
    idx = np.rint(middles * 20).astype(int)
    assert_allclose(rate[idx], truth, atol=1.0)


def test_the_rate_is_exact_half_way_and_linear_between() -> None:
    beats = np.array([1.0, 2.0, 2.5, 3.5])
    times = np.array([0.9, 1.0, 1.5, 1.875, 2.25, 2.625, 3.0, 3.4, 3.5])
    rate = cardiac._rate(beats, np.zeros(3, dtype=bool), times)
    assert_allclose(rate, [np.nan, 60, 60, 90, 120, 90, 60, 60, np.nan])


@pytest.mark.parametrize("interval", [0.299, 2.001])
def test_no_heart_beats_like_that(interval: float) -> None:
    beats = np.cumsum([1.0, 0.8, 0.8, interval, 0.8, 0.8])
    middles = (beats[:-1] + beats[1:]) / 2
    rate = cardiac._rate(beats, np.zeros(5, dtype=bool), middles)
    assert_allclose(rate, [75, 75, np.nan, 75, 75])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 5), max_size=20), st.data())
def test_what_is_a_number_is_plausible(intervals: list[float], data: st.DataObject) -> None:
    beats = np.cumsum(intervals)
    n_gaps = max(0, len(beats) - 1)
    has_gap = np.array(data.draw(st.lists(st.booleans(), min_size=n_gaps, max_size=n_gaps)), dtype=bool)
    times = np.arange(0, 30, 0.25)
    rate = cardiac._rate(beats, has_gap, times)
    known = np.isfinite(rate)
    assert ((rate[known] >= 30 - 1e-9) & (rate[known] <= 200 + 1e-9)).all()
    if len(beats):
        assert not known[(times < beats[0]) | (times >= beats[-1])].any()


def test_a_gap_gives_no_rate() -> None:
    sfreq = 250.0
    beats = np.arange(0.7, 60, 0.8)
    ecg = ecg_of(beats, sfreq=sfreq, duration=60)
    ecg[round(20 * sfreq) : round(21.5 * sfreq)] = np.nan
    assert not np.isin(r_peaks(ecg, sfreq=sfreq), np.flatnonzero(np.isnan(ecg))).any()
    rate = ecg_heart_rate(ecg, sfreq=sfreq)
    times = np.arange(240) / 4
    assert np.isnan(rate[(times >= 20) & (times < 21.5)]).all()
    assert_allclose(rate[(times > 3) & (times < 18)], 75, atol=1)
    assert_allclose(rate[(times > 24) & (times < 57)], 75, atol=1)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6, -1.0])
def test_the_unit_and_a_swapped_electrode_do_not_matter(scale: float) -> None:
    ecg = ecg_of(np.arange(0.7, 29, 0.8), sfreq=256.0, duration=30)
    rate = ecg_heart_rate(scale * ecg, sfreq=256.0)
    assert_allclose(rate[12:100], 75, atol=3)


@pytest.mark.parametrize(
    "ecg",
    [
        np.zeros(5000),
        np.ones(5000),
        np.full(5000, np.nan),
        np.zeros(100),
        np.empty(0),
        np.eye(1, 5000, 2500)[0],
    ],
)
def test_no_beats_give_no_rate(ecg: Floats) -> None:
    rate = ecg_heart_rate(ecg, sfreq=250.0)
    assert rate.shape == (len(ecg) // 250 * 4 + len(ecg) % 250 * 4 // 250,)
    assert np.isnan(rate).all()


def test_a_rate_too_low_for_beats_is_refused() -> None:
    with pytest.raises(DataError, match=r"cannot be found in an ECG sampled at 4 Hz; it takes 50 Hz or more"):
        r_peaks(np.zeros(1000), sfreq=4.0)
    with pytest.raises(ValueError, match=r"ecg must be \(n_times,\).*Pass one lead: ecg\[0\]"):
        r_peaks(np.zeros((1, 1000)), sfreq=250.0)


def test_the_step_adds_the_rate_of_the_lead() -> None:
    slow, fast = (ecg_of(np.arange(0.7, 29, gap), sfreq=256.0, duration=30) for gap in (1.0, 0.6))
    trial = trial_of(np.stack([slow, fast]), sfreq=256.0, start=-2.0)
    for channel, bpm in ((None, 60), ("ECG0", 60), ("ECG1", 100)):
        made = HeartRateFromECG(channel=channel)(trial)
        hr = made.signal("hr")
        assert (hr.kind, hr.unit, hr.sfreq, hr.start, hr.n_times) == ("hr", "bpm", 4.0, -2.0, 120)
        assert_allclose(hr.data[0, 12:100], bpm, atol=2)
        assert made.signals["ecg"] is trial.signals["ecg"]
    assert "hr" not in trial.signals


def test_flagged_ecg_is_missing() -> None:
    ecg = ecg_of(np.arange(0.7, 59, 0.8), sfreq=256.0, duration=60)
    flags = np.zeros(len(ecg), dtype=np.uint8)
    flags[: 30 * 256] = Flag.CLIPPED
    hr = HeartRateFromECG()(trial_of(ecg, sfreq=256.0, flags=flags)).signal("hr")
    assert np.isnan(hr.data[0, :120]).all()
    assert_allclose(hr.data[0, 132:220], 75, atol=2)


def test_the_step_refuses_what_it_cannot_use() -> None:
    trial = trial_of(np.zeros(1000), sfreq=256.0)
    with pytest.raises(DataError, match="has no channel 'II': it has ECG0"):
        HeartRateFromECG(channel="II")(trial)
    with pytest.raises(DataError, match="has no signal 'ecg'; it has none"):
        HeartRateFromECG()(Trial(dataset="made", subject="1", trial="a", stimulus="none", signals={}))
    with pytest.raises(ValueError, match="sampling rate above 0 Hz"):
        HeartRateFromECG(sfreq=0.0)


def test_without_neurokit_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    with pytest.raises(PhysioaffectError, match=r'pip install "physioaffect\[wearable\]"'):
        HeartRateFromECG()(trial_of(np.zeros(1000), sfreq=256.0))


def read_mit_bih(path: Path, n_times: int) -> Floats:
    """First lead of a record in format 212: two 12-bit samples in three bytes."""
    triples = np.fromfile(path, dtype=np.uint8).reshape(-1, 3).astype(np.int64)[:n_times]
    first = triples[:, 0] | (triples[:, 1] & 0x0F) << 8
    return (np.where(first > 2047, first - 4096, first) - 1024) / 200


def read_beats(path: Path) -> NDArray[np.int64]:
    """Samples of the beats in an annotation file: 6 bits of code and 10 of distance."""
    words = np.fromfile(path, dtype="<u2").tolist()
    beats, sample, at = [], 0, 0
    while words[at]:
        code, distance = words[at] >> 10, words[at] & 1023
        at += 1
        if code == 59:  # A long distance follows.
            sample += (words[at] << 16) + words[at + 1]
            at += 2
        elif code == 63:  # A text of so many bytes follows.
            at += (distance + 1) // 2
        elif code < 60:
            sample += distance
            if 1 <= code <= 13:
                beats.append(sample)
    return np.array(beats)


def test_reference_beats_of_mit_bih_100_are_found(real_data: Path) -> None:
    folder = real_data / "realdata" / "wfdb"
    sfreq = 360.0
    ecg = read_mit_bih(folder / "100.dat", 650_000)
    beats = read_beats(folder / "100.atr")
    assert (len(ecg), len(beats)) == (650_000, 2273)
    found = r_peaks(ecg, sfreq=sfreq)
    nearest = np.abs(np.subtract.outer(beats, found)).min(axis=1)
    assert (nearest <= 0.05 * sfreq).mean() > 0.998
    assert len(found) <= len(beats)

    rate = ecg_heart_rate(ecg, sfreq=sfreq)
    truth = cardiac._rate(beats / sfreq, np.zeros(len(beats) - 1, dtype=bool), np.arange(len(rate)) / 4)
    known = np.isfinite(rate) & np.isfinite(truth)
    assert known.mean() > 0.99
    assert np.median(np.abs(rate - truth)[known]) < 0.5
    minutes = [
        np.abs(np.nanmean(rate[k : k + 240]) - np.nanmean(truth[k : k + 240])) for k in range(0, 7000, 240)
    ]
    assert max(minutes) < 1.0
    assert_array_equal(np.sort(found), found)
