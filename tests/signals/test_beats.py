"""Beats with their quality: planted intervals found, doubtful ones refused, and nothing found in nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter
from support.hearts import breathing_beats, ecg_of, ppg_of

from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.signals import beat_intervals
from physioaffect.signals.beats import (
    CONTEXT_S,
    Beats,
    BeatsFromECG,
    BeatsFromPPG,
    BeatsOfHeart,
    beats_from_ecg,
    beats_from_ppg,
    heart_rate,
)
from physioaffect.signals.ppg import pulses

Find = Callable[..., Beats]


def upslopes(ppg: Any, *, sfreq: float, first: int = 0) -> Beats:
    return beats_from_ppg(ppg, sfreq=sfreq, fiducial="upslope", first=first)


EVERY = pytest.mark.parametrize(
    ("find", "make", "sfreq"),
    [(beats_from_ppg, ppg_of, 64.0), (upslopes, ppg_of, 64.0), (beats_from_ecg, ecg_of, 250.0)],
    ids=["foot", "upslope", "ecg"],
)


def known(found: Beats) -> Any:
    return np.isfinite(found.intervals)


@EVERY
def test_intervals_that_breathe_are_found_to_the_millisecond(find: Find, make: Any, sfreq: float) -> None:
    beats = breathing_beats(120)
    found = find(make(beats, sfreq=sfreq, duration=120, noise=0.0), sfreq=sfreq)
    assert known(found)[5:-3].all()
    end = np.searchsorted(beats, found.times - 0.25, side="left")
    truth = np.diff(beats, prepend=np.nan)[np.clip(end, 0, len(beats) - 1)]
    ok = known(found)
    # One sample is 16 or 4 ms.
    assert np.abs(found.intervals[ok] - truth[ok]).max() < 0.004
    rmssd, true_rmssd = (np.sqrt(np.mean(np.diff(values[ok]) ** 2)) for values in (found.intervals, truth))
    assert rmssd == pytest.approx(true_rmssd, abs=0.001)


@pytest.mark.parametrize("sfreq", [25.0, 50.0, 64.0, 100.0, 130.0, 1000.0])
@pytest.mark.parametrize("fiducial", ["foot", "upslope"])
def test_a_pulse_at_any_rate(sfreq: float, fiducial: Any) -> None:
    beats = breathing_beats(60)
    found = beats_from_ppg(ppg_of(beats, sfreq=sfreq, duration=60, noise=0.0), sfreq=sfreq, fiducial=fiducial)
    assert len(found.times) in (len(beats), len(beats) - 1)
    assert_allclose(np.nanmean(found.intervals), np.diff(beats).mean(), atol=0.003)
    assert known(found).mean() > 0.9


@pytest.mark.parametrize("bpm", [45.0, 75.0, 120.0, 170.0])
def test_slow_and_fast_pulses(bpm: float) -> None:
    beats = np.arange(0.7, 59, 60 / bpm)
    found = beats_from_ppg(ppg_of(beats, sfreq=64.0, duration=60), sfreq=64.0)
    assert len(found.times) in (len(beats), len(beats) - 1)
    assert known(found).sum() > 0.85 * len(beats)
    assert_allclose(np.nanmean(found.intervals), 60 / bpm, atol=0.003)


@EVERY
def test_units_do_not_matter(find: Find, make: Any, sfreq: float) -> None:
    x = make(breathing_beats(90), sfreq=sfreq, duration=90, noise=0.05)
    found = find(x, sfreq=sfreq)
    for changed in (2.0**-30 * x, 1e6 * x, x + 500.0):
        again = find(changed, sfreq=sfreq)
        assert_allclose(again.times, found.times, atol=1e-7)
        assert_allclose(again.quality, found.quality, atol=1e-7)
        assert_array_equal(known(again), known(found))
    # A power of two changes no digit.
    assert_array_equal(find(2.0**20 * x, sfreq=sfreq).times, found.times)


def test_an_ecg_upside_down_is_the_same() -> None:
    ecg = ecg_of(breathing_beats(60), sfreq=250.0, duration=60)
    for one, other in zip(beats_from_ecg(ecg, sfreq=250.0), beats_from_ecg(-ecg, sfreq=250.0), strict=True):
        assert_array_equal(one, other)


@EVERY
def test_a_gap_is_never_bridged(find: Find, make: Any, sfreq: float) -> None:
    x = make(breathing_beats(90), sfreq=sfreq, duration=90)
    for length in (1 / sfreq, 0.2, 1.5, 10.0):
        holed = x.copy()
        start = round(40 * sfreq)
        stop = start + max(1, round(length * sfreq))
        holed[start:stop] = np.nan
        found = find(holed, sfreq=sfreq)
        began = found.times - found.intervals
        over = (began * sfreq < stop) & (found.times * sfreq > start - 1)
        assert not over[known(found)].any()
        whole = find(x, sfreq=sfreq)
        assert_allclose(found.times[found.times < 34], whole.times[whole.times < 34], atol=1e-9)
        assert known(found)[found.times > 40 + length + 8][:-2].all()


@EVERY
def test_a_burst_takes_only_its_neighbours(find: Find, make: Any, sfreq: float) -> None:
    x = make(breathing_beats(120), sfreq=sfreq, duration=120)
    loud = x.copy()
    at = slice(round(60 * sfreq), round(63 * sfreq))
    loud[at] += 50 * np.random.default_rng(0).normal(size=at.stop - at.start).cumsum()
    found = find(loud, sfreq=sfreq)
    middle = found.times - found.intervals / 2
    assert not (known(found) & (middle > 60.2) & (middle < 62.8)).any()
    quiet = (found.times > 5) & (found.times < 52) | (found.times > 71) & (found.times < 117)
    assert known(found)[quiet].all()


def test_an_early_beat_is_an_artefact() -> None:
    beats = breathing_beats(120)
    beats[70] -= 0.25
    found = beats_from_ecg(ecg_of(beats, sfreq=250.0, duration=120), sfreq=250.0)
    assert_array_equal(np.flatnonzero(found.is_artefact), [70, 71])
    assert_array_equal(np.flatnonzero(~known(found)[:-1]), [0, 70, 71])
    assert found.quality[70] > 0.8


def test_a_missed_beat_leaves_no_long_interval() -> None:
    beats = np.delete(breathing_beats(120), 70)
    found = beats_from_ppg(ppg_of(beats, sfreq=64.0, duration=120), sfreq=64.0)
    assert np.nanmax(found.intervals) < 0.9


def noise(kind: str, n_times: int) -> Any:
    rng = np.random.default_rng(0)
    if kind == "drawer":  # One or two steps of the converter.
        return np.round(rng.normal(scale=0.6, size=n_times))
    if kind == "pink":
        return lfilter([1], [1, -0.95], rng.normal(size=n_times))
    if kind == "walk":
        return np.cumsum(rng.normal(size=n_times))
    if kind == "heavy tails":
        return rng.standard_t(2, size=n_times)
    return rng.normal(size=n_times)


@EVERY
@pytest.mark.parametrize("kind", ["white", "drawer", "pink", "walk", "heavy tails"])
def test_there_is_no_heart_in_noise(find: Find, make: Any, sfreq: float, kind: str) -> None:
    found = find(noise(kind, round(1800 * sfreq)), sfreq=sfreq)
    assert len(found.times) > 1000
    assert np.nansum(found.intervals) / 1800 < 0.005


@EVERY
@pytest.mark.parametrize("seconds", [0, 0.01, 1, 3])
def test_three_seconds_tell_nothing(find: Find, make: Any, sfreq: float, seconds: float) -> None:
    x = make(np.array([0.4, 1.2, 2.0]), sfreq=sfreq, duration=3)[: round(seconds * sfreq)]
    found = find(x, sfreq=sfreq)
    assert len({len(part) for part in found}) == 1
    assert not known(found).any()


@EVERY
@pytest.mark.parametrize("level", [0.0, 1e6, np.nan, np.inf])
def test_flat_and_missing_signals_have_no_beats(find: Find, make: Any, sfreq: float, level: float) -> None:
    assert not known(find(np.full(round(60 * sfreq), level), sfreq=sfreq)).any()


@settings(max_examples=40)
@given(data=st.data())
def test_what_is_trusted_is_plausible(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    x = ppg_of(breathing_beats(60), sfreq=64.0, duration=60, noise=data.draw(st.floats(0, 1)))
    x[rng.integers(0, len(x), data.draw(st.integers(0, 5)))] = data.draw(
        st.sampled_from([np.nan, np.inf, 1e30, -1e300, 0.0])
    )
    for find in (beats_from_ppg, beats_from_ecg):
        with np.errstate(over="ignore"):
            found = find(x, sfreq=64.0)
        ok = known(found)
        assert ((found.intervals[ok] >= 0.3) & (found.intervals[ok] <= 2)).all()
        assert_allclose(found.intervals[ok], np.diff(found.times, prepend=np.nan)[ok])
        assert (found.quality[ok] >= 0.8).all()
        assert (np.diff(found.times) > 0).all()
        assert not (found.is_artefact & ok).any()


@EVERY
def test_a_part_gives_what_the_whole_gives(find: Find, make: Any, sfreq: float) -> None:
    rng = np.random.default_rng(5)
    if find is beats_from_ecg:
        sfreq = 700.0  # Thinned out to a third.
    x = make(breathing_beats(600), sfreq=sfreq, duration=600, noise=0.1)
    for start in rng.uniform(0, 590, 12):
        at = slice(round(start * sfreq), round((start + rng.uniform(0.1, 12)) * sfreq))
        x[at] = rng.choice([np.nan, 1.0]) * rng.normal(scale=5, size=len(x[at])).cumsum()
    whole = find(x, sfreq=sfreq)
    before, after = CONTEXT_S
    for start in rng.uniform(0, 420, 6):
        first = round(start * sfreq)
        part = x[first : first + round((before + after + 60) * sfreq)]
        found = find(part, sfreq=sfreq, first=first)
        times = found.times + first / sfreq
        low, high = (first / sfreq + before) if first else 0, (first + len(part)) / sfreq - after
        ours, theirs = (np.flatnonzero((values >= low) & (values < high)) for values in (times, whole.times))
        assert len(ours) == len(theirs) > 30
        assert_allclose(times[ours], whole.times[theirs], atol=1e-8)
        for name in ("intervals", "quality", "is_artefact"):
            assert_allclose(getattr(found, name)[ours], getattr(whole, name)[theirs], atol=1e-7)


@EVERY
def test_a_long_recording_is_done_in_parts_that_nobody_sees(
    find: Find, make: Any, sfreq: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = make(breathing_beats(900), sfreq=sfreq, duration=900, noise=0.1)
    x[round(400 * sfreq) : round(430 * sfreq)] = np.nan
    whole = find(x, sfreq=sfreq, first=7)
    monkeypatch.setattr(beat_intervals, "_PART_S", 100.0)
    parted = find(x, sfreq=sfreq, first=7)
    assert_allclose(parted.times, whole.times, atol=1e-8)
    assert_allclose(parted.intervals, whole.intervals, atol=1e-8)
    assert_allclose(parted.quality, whole.quality, atol=1e-8)
    assert_array_equal(parted.is_artefact, whole.is_artefact)


def test_rates_too_low_are_refused_and_two_channels() -> None:
    with pytest.raises(
        DataError, match=r"in a PPG sampled at 4 Hz; it takes 20 Hz or more\. Use the original"
    ):
        beats_from_ppg(np.zeros(100), sfreq=4.0)
    with pytest.raises(DataError, match=r"in an ECG sampled at 32 Hz; it takes 50 Hz or more"):
        beats_from_ecg(np.zeros(100), sfreq=32.0)
    with pytest.raises(ValueError, match=r"ppg must be \(n_times,\), got shape \(1, 9\)"):
        pulses(np.zeros((1, 9)), sfreq=64.0)


def test_the_heart_rate_is_exact_half_way_and_linear_between() -> None:
    times = np.array([1.0, 2.0, 2.5, 3.5, 5.0, 6.0])
    intervals = np.array([np.nan, 1.0, 0.5, 1.0, np.nan, 1.0])
    at = np.array([0.9, 1.0, 1.5, 1.875, 2.25, 2.625, 3.0, 3.4, 3.5, 4.9, 5.0, 5.9, 6.0])
    expected = [np.nan, 60, 60, 90, 120, 90, 60, 60, np.nan, np.nan, 60, 60, np.nan]
    assert_allclose(heart_rate(times, intervals, at), expected)
    assert np.isnan(heart_rate(times, np.full(6, np.nan), at)).all()
    assert np.isnan(heart_rate(np.empty(0), np.empty(0), at)).all()


@settings(max_examples=60)
@given(st.lists(st.one_of(st.just(np.nan), st.floats(0.3, 2.0)), min_size=1, max_size=20))
def test_no_rate_is_drawn_across_a_gap(values: list[float]) -> None:
    intervals = np.array([np.nan, *values])
    times = np.cumsum(np.nan_to_num(intervals, nan=3.0))
    at = np.arange(0, times[-1] + 2, 0.1)
    rate = heart_rate(times, intervals, at)
    inside = np.zeros(len(at), dtype=bool)
    for time, interval in zip(times, intervals, strict=True):
        inside |= (at >= time - interval) & (at < time)
    edges = np.abs(np.subtract.outer(at, np.concatenate([times, times - intervals])))
    clear = ~(edges < 1e-9).any(axis=1)
    assert_array_equal(np.isfinite(rate)[clear], inside[clear])
    ok = np.isfinite(rate)
    assert ((rate[ok] >= 30 - 1e-9) & (rate[ok] <= 200 + 1e-9)).all()


def trial_of(x: Any, kind: str, *, sfreq: float, **changed: Any) -> Trial:
    data = np.atleast_2d(x)
    names = tuple(f"{kind}{number}" for number in range(len(data)))
    signal = Signal(data=data, sfreq=sfreq, ch_names=names, kind=kind, unit="au", **changed)
    return Trial(dataset="made", subject="1", trial="a", stimulus="none", signals={kind: signal})


def test_the_step_adds_intervals_and_rate_and_keeps_the_devices() -> None:
    x = ppg_of(breathing_beats(60), sfreq=64.0, duration=60)
    trial = trial_of(x, "ppg", sfreq=64.0, start=-2.0)
    device = Events(times=np.array([1.0]), values=np.array([0.8]), kind="ibi")
    trial = replace(trial, signals={**trial.signals, "ibi": device})
    made = BeatsFromPPG(rate_sfreq=4.0)(trial)
    ibi, hr = made.signals["ibi"], made.signal("hr")
    assert isinstance(ibi, Events)
    assert ibi.kind == "ibi"
    assert made.signals["ibi_device"] is device
    direct = beats_from_ppg(x, sfreq=64.0, first=-128)
    assert_allclose(ibi.times, direct.times - 2)
    assert_array_equal(ibi.values, direct.intervals)
    assert (hr.kind, hr.unit, hr.sfreq, hr.start, hr.n_times) == ("hr", "bpm", 4.0, -2.0, 240)
    assert_allclose(hr.data[0, 16:200], 75, atol=8)
    assert made.signals["ppg"] is trial.signals["ppg"]
    assert "hr_device" not in made.signals
    again = BeatsFromPPG(rate_sfreq=4.0)(made)
    assert again.signals["ibi_device"] is device
    assert "hr" not in BeatsFromPPG()(trial).signals


def test_a_cut_trial_has_the_beats_of_the_whole() -> None:
    x = ecg_of(breathing_beats(400), sfreq=700.0, duration=400, noise=0.05)
    trial = trial_of(x, "ecg", sfreq=700.0, start=0.1)
    step = BeatsFromECG()
    assert step.context == CONTEXT_S
    whole = step(trial).signals["ibi"]
    part = step(replace(trial, signals={"ecg": trial.signal("ecg").crop(100.0033, 300)})).signals["ibi"]
    assert isinstance(whole, Events)
    assert isinstance(part, Events)
    one, other = whole.crop(190.0033, 270), part.crop(190.0033, 270)
    assert_allclose(one.times, other.times, atol=1e-8)
    assert_allclose(one.values, other.values, atol=1e-8)


def test_flagged_samples_are_missing() -> None:
    x = ppg_of(breathing_beats(60), sfreq=64.0, duration=60)
    flags = np.zeros(len(x), dtype=np.uint8)
    flags[: 30 * 64] = Flag.MOTION
    ibi = BeatsFromPPG()(trial_of(x, "ppg", sfreq=64.0, flags=flags)).signals["ibi"]
    assert isinstance(ibi, Events)
    assert ibi.times[np.isfinite(ibi.values)].min() > 30.5
    assert np.isfinite(ibi.values).sum() > 25


def test_the_step_takes_the_channel_asked_for_and_turns_it_over() -> None:
    slow, fast = (ppg_of(np.arange(0.7, 59, gap), sfreq=64.0, duration=60, noise=0.001) for gap in (1.0, 0.6))
    trial = trial_of(np.stack([slow, -fast]), "ppg", sfreq=64.0)
    for channel, points_down, gap in ((None, False, 1.0), ("ppg0", False, 1.0), ("ppg1", True, 0.6)):
        ibi = BeatsFromPPG(channel=channel, points_down=points_down)(trial).signals["ibi"]
        assert isinstance(ibi, Events)
        assert np.nanmedian(ibi.values) == pytest.approx(gap, abs=0.002)
    # What is missing in one channel is none of the other's.
    holed = trial_of(np.stack([slow, np.full_like(slow, np.nan)]), "ppg", sfreq=64.0)
    ibi = BeatsFromPPG()(holed).signals["ibi"]
    assert isinstance(ibi, Events)
    assert np.isfinite(ibi.values).sum() > 50


def test_the_steps_refuse_what_they_cannot_use() -> None:
    trial = trial_of(np.zeros(1000), "ecg", sfreq=256.0)
    with pytest.raises(DataError, match="has no channel 'II': it has ecg0"):
        BeatsFromECG(channel="II")(trial)
    with pytest.raises(DataError, match="has no signal 'ppg'; it has ecg"):
        BeatsFromPPG()(trial)
    for step in (BeatsFromECG, BeatsFromPPG):
        with pytest.raises(ValueError, match="sampling rate above 0 Hz, got rate_sfreq=0"):
            step(rate_sfreq=0.0)
        with pytest.raises(ValueError, match="correlation from 0 to 1, got 80"):
            step(min_quality=80)
        with pytest.raises(ValueError, match=r"got rate_sfreq=None, which gives none: set rate_sfreq too"):
            step(keeps_own_rate=True)
    with pytest.raises(ValueError, match='"foot" or "upslope", got \'peak\''):
        BeatsFromPPG(fiducial="peak")  # type: ignore[arg-type]


# What becomes of a heart rate that a device tells.


def rate(*values: float) -> Signal:
    data = np.array([values])
    return Signal(data=data, sfreq=1.0, ch_names=("HR",), kind="hr", unit="bpm")


@pytest.mark.parametrize(
    ("step", "kind", "make", "sfreq"),
    [(BeatsFromPPG, "ppg", ppg_of, 64.0), (BeatsFromECG, "ecg", ecg_of, 250.0)],
)
def test_beats_a_second_apart_are_60_bpm_and_a_gap_has_no_rate(
    step: Any, kind: str, make: Any, sfreq: float
) -> None:
    x = make(np.arange(0.5, 180, 1.0), sfreq=sfreq, duration=180, noise=0.001)
    x[round(60 * sfreq) : round(120 * sfreq)] = np.nan
    made = step(rate_sfreq=1.0)(trial_of(x, kind, sfreq=sfreq)).signal("hr")
    found = np.isfinite(made.data[0])
    assert (made.n_times, made.sfreq) == (180, 1.0)
    # A beat whose neighbours are missing is not trusted, some seconds around the gap.
    assert not found[60:120].any()
    assert found[10:55].all()
    assert found[130:170].all()
    assert_allclose(made.data[0, found], 60, atol=0.2)
    assert (made.flags == 0).all()


def test_a_rate_that_the_device_tells_is_kept_if_asked_for() -> None:
    trial = trial_of(ppg_of(breathing_beats(60), sfreq=64.0, duration=60), "ppg", sfreq=64.0)
    step = BeatsFromPPG(rate_sfreq=1.0, keeps_own_rate=True)
    # Also where most of it is missing: it is not mended.
    own = rate(*[np.nan] * 50, 71.0)
    made = step(replace(trial, signals={**trial.signals, "hr": own}))
    assert made.signals["hr"] is own
    assert "hr_device" not in made.signals
    assert made.tags == ()
    assert "ibi" in made.signals
    expected = BeatsFromPPG(rate_sfreq=1.0)(trial).signal("hr").data
    nothing = replace(trial, signals={**trial.signals, "hr": rate(*[np.nan] * 50)}, tags=("device A",))
    for lacking in (trial, nothing):
        made = step(lacking)
        assert_array_equal(made.signal("hr").data, expected)
        assert np.isfinite(expected).mean() > 0.8
        # What has no number is not kept beside.
        assert "hr_device" not in made.signals
        assert made.tags == (*lacking.tags, "heart rate made of the beats in its ppg")
    unlit = replace(trial, signals={"ppg": replace(trial.signal("ppg"), data=np.full((1, 3840), np.nan))})
    assert np.isnan(step(unlit).signal("hr").data).all()
    assert step(unlit).tags == ()


HEART = BeatsOfHeart(
    ecg=BeatsFromECG(rate_sfreq=1.0, keeps_own_rate=True),
    ppg=BeatsFromPPG(rate_sfreq=1.0, keeps_own_rate=True),
)


def test_of_two_devices_each_gets_the_rate_of_its_own_heart() -> None:
    fast, slow = np.arange(0.5, 59, 0.6), np.arange(0.5, 59, 1.0)
    ppg = trial_of(ppg_of(fast, sfreq=64.0, duration=60), "ppg", sfreq=64.0)
    ecg = trial_of(ecg_of(slow, sfreq=250.0, duration=60), "ecg", sfreq=250.0)
    no_ecg = replace(ecg.signal("ecg"), data=np.broadcast_to(np.float64(np.nan), (1, 15_000)))
    wrist = HEART(replace(ppg, signals={**ppg.signals, "ecg": no_ecg}))
    assert np.nanmedian(wrist.signal("hr").data) == pytest.approx(100, abs=0.5)
    assert wrist.tags == ("heart rate made of the beats in its ppg",)
    chest = HEART(replace(ecg, signals={**ecg.signals, **ppg.signals}))
    assert np.nanmedian(chest.signal("hr").data) == pytest.approx(60, abs=0.5)
    assert chest.tags == ("heart rate made of the beats in its ecg",)


def test_an_ecg_too_slow_for_beats_does_not_hide_a_pulse_wave() -> None:
    pulse = trial_of(ppg_of(np.arange(0.5, 59, 0.6), sfreq=64.0, duration=60), "ppg", sfreq=64.0)
    slow = trial_of(np.sin(np.arange(1500) / 4), "ecg", sfreq=25.0)
    made = HEART(replace(pulse, signals={**slow.signals, **pulse.signals}))
    assert np.nanmedian(made.signal("hr").data) == pytest.approx(100, abs=0.5)
    with pytest.raises(DataError, match="ECG sampled at 25 Hz"):
        HEART(slow)


def test_where_no_heart_was_recorded_there_is_a_rate_without_numbers() -> None:
    # Slower than beats can be found in, and all missing: nothing is looked for.
    nothing = trial_of(np.full(600, np.nan), "ppg", sfreq=10.0)
    device = Events(times=np.array([1.0]), values=np.array([0.8]), kind="ibi")
    made = HEART(replace(nothing, signals={**nothing.signals, "ibi": device}))
    assert (made.signal("hr").n_times, made.signal("hr").unit) == (60, "bpm")
    assert np.isnan(made.signal("hr").data).all()
    ibi = made.signals["ibi"]
    assert isinstance(ibi, Events)
    assert len(ibi.times) == 0
    assert made.signals["ibi_device"] is device
    assert made.tags == ()
    assert "hr" not in BeatsOfHeart()(nothing).signals
    own = rate(*[71.0] * 60)
    assert HEART(replace(nothing, signals={**nothing.signals, "hr": own})).signals["hr"] is own
