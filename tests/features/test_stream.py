"""The stream against the whole recording."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.features import Family, MovingAverage, Recipe, features_of_trial
from physioaffect.features.coupling import EDAHeartCoupling
from physioaffect.features.eda import EDA
from physioaffect.features.emg import EMG
from physioaffect.features.heart import HeartRate
from physioaffect.features.hrv import HRV
from physioaffect.features.motion import Motion
from physioaffect.features.recipe import Step
from physioaffect.features.respiration import Respiration
from physioaffect.features.respiration_heart import RespirationHeartCoupling
from physioaffect.features.rotation import Rotation
from physioaffect.features.stream import Stream
from physioaffect.features.stream_channels import StreamChannel, StreamEvents, channels_of
from physioaffect.features.temperature import Temperature
from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.signals.beats import BeatsFromECG, BeatsFromPPG, BeatsOfHeart
from physioaffect.signals.eda import ResampleEDA
from physioaffect.signals.quality_marking import MarkQuality
from physioaffect.windows import Intervals, Windowing

UNITS = {"eda": "uS", "acc": "g", "gyro": "deg/s", "temperature": "degC", "emg": "V", "resp": "%"}
DURATION = 420
QUICK = MarkQuality(off_body=None, temperature=None)


def signal(kind: str, x: np.ndarray, sfreq: float, **more: Any) -> Signal:
    x = np.atleast_2d(x)
    names = tuple(f"{kind} {row}" for row in range(len(x)))
    unit = UNITS.get(kind, "au")
    return Signal(data=x, sfreq=sfreq, ch_names=names, kind=kind, unit=unit, **more)


def times(sfreq: float) -> np.ndarray:
    return np.arange(round(DURATION * sfreq)) / sfreq


def recorded(name: str) -> Signal:  # noqa: PLR0911  One for each sensor.
    """Seven minutes of one sensor with a gap of half a minute, or what is flagged so."""
    rng = np.random.default_rng(len(name))
    beats = np.cumsum(0.8 + 0.05 * np.sin(np.arange(600) / 5))
    if name in ("ppg", "ecg"):
        sfreq, width, after = (64.0, 0.1, 0.5) if name == "ppg" else (250.0, 0.012, 0.45)
        since = times(sfreq) - np.concatenate([[0], beats])[np.searchsorted(beats, times(sfreq))]
        wave = np.exp(-(((since - 0.2) / width) ** 2)) + 0.3 * np.exp(-(((since - after) / 0.1) ** 2))
        wave += 0.01 * rng.normal(size=wave.size)
        wave[round(300 * sfreq) : round(320 * sfreq)] = np.nan
        return signal(name, wave, sfreq)
    if name == "eda":
        level = 3 + np.sin(times(4.0) / 80) + 0.002 * rng.normal(size=DURATION * 4)
        for onset in np.cumsum(rng.uniform(5, 15, size=60)):
            since = (times(4.0) - onset).clip(0)
            level += 0.3 * (np.exp(-since / 3) - np.exp(-since / 0.7))
        level[4 * 150 : 4 * 175] = np.nan
        return signal(name, level, 4.0)
    if name == "resp":
        flags = np.zeros(DURATION * 50, dtype=np.uint8)
        flags[50 * 200 : 50 * 215] = Flag.MOTION
        return signal(name, np.sin(1.6 * times(50.0) + 2 * np.sin(times(50.0) / 40)), 50.0, flags=flags)
    if name == "emg":
        return signal(name, 1e-5 * rng.normal(size=DURATION * 500), 500.0)
    if name == "temperature":
        return signal(name, 33 + 0.2 * np.sin(times(4.0) / 100) + 0.01 * rng.normal(size=DURATION * 4), 4.0)
    if name == "gyro":
        return signal(name, 30 * rng.normal(size=(3, DURATION * 50)), 50.0)
    assert name == "acc"
    still = np.array([[0.0], [0.6], [0.8]]) + 0.01 * rng.normal(size=(3, DURATION * 32))
    still[0] += 0.3 * np.sin(4 * np.pi * times(32.0)) * (times(32.0) % 100 > 80)
    return signal(name, still, 32.0)


def trial_of(*names: str, **signals: Signal | Events) -> Trial:
    made = {name: recorded(name) for name in names}
    return Trial(dataset="made", subject="7", trial="a", stimulus="none", elapsed=5.0, signals=made | signals)


def stream_of(trial: Trial, recipe: Recipe, **how: Any) -> Stream:
    return Stream(recipe, channels_of(trial.signals), trial=trial, **how)


def streamed(stream: Stream, trial: Trial, edges: dict[str, list[float]] | float) -> xr.Dataset:
    """Push each signal cut at its own times, in order of time, and end."""
    end = trial.duration
    if isinstance(edges, float):
        edges = dict.fromkeys(trial.signals, np.arange(edges, end, edges).tolist())
    parts = []
    for name, one in trial.signals.items():
        corners = [0.0, *sorted(edges.get(name, [])), end + 1]
        parts += [(stop, name, one.crop(start, stop)) for start, stop in pairwise(corners)]
    parts.sort(key=lambda part: part[:2])
    tables = [stream.push({name: part}) for _, name, part in parts] + [stream.finish()]
    return xr.concat(
        [one for one in tables if one is not None],
        dim="window",
        join="override",
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )


def assert_same(found: xr.Dataset, expected: xr.Dataset, rtol: float = 1e-6) -> None:
    assert set(found.variables) == set(expected.variables)
    for name in expected.variables:
        if expected[name].dtype.kind == "f":
            assert_allclose(found[name], expected[name], rtol=rtol, atol=1e-9, err_msg=str(name))
        else:
            assert_array_equal(found[name], expected[name])
    for name in expected.data_vars:
        assert found[name].attrs == expected[name].attrs


CASES: dict[str, tuple[tuple[str, ...], tuple[Step, ...], Family, Windowing]] = {
    "eda": (("eda",), (), EDA(incomplete=True), Windowing(duration=70, step=10)),
    "eda_causal": (("eda",), (), EDA(decompose="highpass_causal"), Windowing(duration=60, step=7)),
    "hrv_ppg": (
        ("ppg",),
        (BeatsFromPPG(),),
        HRV(domains=("time", "frequency", "welch", "nonlinear")),
        Windowing(duration=120, step=10),
    ),
    "hrv_ecg": (("ecg",), (BeatsFromECG(),), HRV(), Windowing(duration=60, step=10)),
    "hr_ppg": (("ppg",), (BeatsFromPPG(rate_sfreq=1.0),), HeartRate(), Windowing(duration=60, step=10)),
    "hr_ecg": (("ecg",), (BeatsFromECG(rate_sfreq=1.0),), HeartRate(), Windowing(duration=60, step=10)),
    "motion": (("acc",), (), Motion(), Windowing(duration=7.3, step=2.9)),
    "rotation": (("gyro",), (), Rotation(), Windowing(duration=60, step=10)),
    "temperature": (("temperature",), (), Temperature(), Windowing(duration=60, step=10)),
    "respiration": (("resp",), (), Respiration(), Windowing(duration=60, step=10)),
    "emg": (("emg",), (), EMG(), Windowing(duration=5, step=2.5)),
    "eda_heart": (
        ("eda", "ppg"),
        (ResampleEDA(), BeatsFromPPG()),
        EDAHeartCoupling(decompose="highpass_causal"),
        Windowing(duration=60, step=10),
    ),
    "resp_heart": (
        ("resp", "ecg"),
        (BeatsFromECG(),),
        RespirationHeartCoupling(),
        Windowing(duration=60, step=10),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_family_gives_what_the_batch_gives(case: str) -> None:
    names, cleaning, family, windows = CASES[case]
    trial, recipe = trial_of(*names), Recipe(windows=windows, cleaning=cleaning, features=(family,))
    expected = features_of_trial(trial, recipe)
    stream = stream_of(trial, recipe)
    assert_same(streamed(stream, trial, 7.7), expected)
    assert stream.n_windows == expected.sizes["window"]
    # Something has been compared, and something was missing.
    share = np.isfinite(expected[family.name]).mean()
    assert share > 0.1
    if case in ("eda", "hrv_ppg", "hrv_ecg", "hr_ppg", "hr_ecg"):
        assert share < 1


def test_fast_skin_conductance_is_brought_down_alike() -> None:
    eda = recorded("eda")
    fast = signal("eda", np.interp(times(256.0), times(4.0), eda.data[0]), 256.0)
    trial = trial_of(eda=fast)
    recipe = Recipe(
        windows=Windowing(duration=60, step=20), cleaning=(ResampleEDA(sfreq=5.0),), features=(EDA(),)
    )
    assert_same(streamed(stream_of(trial, recipe), trial, 11.0), features_of_trial(trial, recipe))


WRIST = Recipe(
    windows=Windowing(duration=60, step=5),
    cleaning=(QUICK, BeatsFromPPG(rate_sfreq=1.0)),
    features=(EDA(decompose="highpass_causal"), HRV(), Motion(), Temperature()),
)
WRIST_SIGNALS = {name: recorded(name) for name in ("ppg", "acc", "eda", "temperature")}
WRIST_TRIAL = trial_of(**WRIST_SIGNALS)


@pytest.fixture(scope="module")
def wrist_batch() -> xr.Dataset:
    return features_of_trial(WRIST_TRIAL, WRIST)


edges_of_channels = st.fixed_dictionaries(
    {name: st.lists(st.floats(0.01, DURATION), max_size=30) for name in WRIST_TRIAL.signals}
)


@settings(max_examples=8)
@given(edges=edges_of_channels)
def test_any_cutting_of_each_channel_gives_the_same_numbers(
    edges: dict[str, list[float]], wrist_batch: xr.Dataset
) -> None:
    stream = stream_of(WRIST_TRIAL, WRIST, every=20.0, max_wait=math.inf)
    found = streamed(stream, WRIST_TRIAL, edges)
    assert_same(found, wrist_batch)
    # Not only alike: pieces are the same however samples are cut into chunks.
    stream.reset()
    again = streamed(stream, WRIST_TRIAL, 50.0)
    for name in again.data_vars:
        assert_allclose(found[name], again[name], rtol=1e-13)


def test_blocks_of_windows_give_the_same_as_single_ones(wrist_batch: xr.Dataset) -> None:
    for how in ({}, {"every": 47.0}, {"clean_every": 12.0}):
        stream = stream_of(WRIST_TRIAL, WRIST, **how)
        assert_same(streamed(stream, WRIST_TRIAL, 10.0), wrist_batch)


@pytest.mark.parametrize("start", [0.37, -2.0, 12.5])
def test_signals_that_begin_at_another_time_fall_on_the_same_grid(start: float) -> None:
    ppg, eda = replace(recorded("ppg"), start=start), replace(recorded("eda"), start=start / 2)
    trial = trial_of(ppg=ppg, eda=eda)
    recipe = Recipe(
        windows=Windowing(duration=30, step=10),
        cleaning=(BeatsFromPPG(rate_sfreq=2.0),),
        features=(HRV(domains=("time",)), EDA(decompose="highpass_causal")),
    )
    parts, stream = trial.signals, stream_of(trial, recipe)
    tables = []
    for begin in np.arange(-10, DURATION + 20, 10.0):
        cut = {name: one.crop(begin, begin + 10) for name, one in parts.items()}
        tables.append(stream.push({name: one for name, one in cut.items() if one.n_times}))  # type: ignore[union-attr]
    tables.append(stream.finish())
    found = xr.concat([one for one in tables if one is not None], dim="window", combine_attrs="override")
    assert_same(found, features_of_trial(trial, recipe))


# When and how much.


@pytest.mark.parametrize(
    ("recipe", "every", "clean_every"),
    [
        (WRIST, None, 0.0),
        (WRIST, 20.0, 0.0),
        (WRIST, None, 7.0),
        (replace(WRIST, cleaning=(), features=(Motion(),)), None, 7.0),
        (replace(WRIST, cleaning=(QUICK,), features=(EDA(),)), None, 0.0),
    ],
)
def test_a_window_comes_exactly_as_late_as_stated(
    recipe: Recipe, every: float | None, clean_every: float
) -> None:
    stream = stream_of(WRIST_TRIAL, recipe, every=every, clean_every=clean_every)
    assert stream.latency == pytest.approx(
        stream_of(WRIST_TRIAL, recipe, every=every).latency + (clean_every if recipe.cleaning else 0)
    )
    n_block = 1 if every is None else round(every / 5)
    for number in range(2):
        due = 60 + 5 * n_block * number + stream.latency
        begin = 0.0 if number == 0 else due - 5 * n_block
        now = {name: one.crop(begin, due) for name, one in WRIST_SIGNALS.items()}
        # All but the very last sample of one signal.
        short = replace(now["ppg"], data=now["ppg"].data[:, :-1], flags=now["ppg"].flags[:-1])
        assert stream.push(now | {"ppg": short}) is None
        table = stream.push({"ppg": now["ppg"].data[:, -1:]})
        assert table is not None
        assert table.sizes["window"] == n_block
        assert table["window"].values[0] == n_block * number


def test_what_is_kept_does_not_grow_with_the_recording() -> None:
    recipe = replace(WRIST, windows=Windowing(duration=60, step=60))
    stream = stream_of(WRIST_TRIAL, recipe)
    rate = sum(one.sfreq for one in WRIST_SIGNALS.values())
    chunk = {name: one.crop(0, 10).data for name, one in WRIST_SIGNALS.items()}
    held = []
    for _ in range(360):
        stream.push(chunk)
        held.append(stream.n_held)
    assert stream.n_windows > 50
    assert max(held[200:]) == max(held[100:200])
    # A second of each signal at each of three places, the heart rate and the beats.
    assert max(held) <= (stream.memory + 10) * (rate + 4)
    assert max(held) < 0.3 * 3600 * rate


# Sensors that fail, and events.


def test_a_sensor_that_stops_does_not_stop_the_others() -> None:
    recipe = Recipe(windows=Windowing(duration=20, step=10), features=(Motion(), Temperature()))
    trial = trial_of("acc", "temperature")
    skin = trial.signal("temperature")
    stream = stream_of(trial, recipe, max_wait=15.0)
    tables = []
    for second in range(200):
        chunk = {"acc": trial.signal("acc").crop(second, second + 1).data}
        if second < 60:
            chunk["temperature"] = skin.crop(second, second + 1).data
        tables.append(stream.push(chunk))
    assert stream.n_windows == 17  # To 185 s.
    with pytest.raises(DataError, match=r"taken to be missing up to 185 s.*push a Signal with its start"):
        stream.push({"temperature": skin.crop(60, 61).data})
    tables.append(
        stream.push({"temperature": skin.crop(180, 230), "acc": trial.signal("acc").crop(200, 230)})
    )
    assert stream.n_late == 20
    tables.append(stream.push({"temperature": skin.crop(230, 240).data}))
    tables.append(stream.push({"acc": trial.signal("acc").crop(230, 240).data}))
    found = xr.concat([one for one in tables if one is not None], dim="window", combine_attrs="override")

    broken = skin.data.copy()
    broken[:, 4 * 60 : 4 * 185] = np.nan
    whole = {"acc": trial.signal("acc"), "temperature": replace(skin, data=broken)}
    expected = features_of_trial(
        replace(trial, signals={name: one.crop(0, 240) for name, one in whole.items()}), recipe
    )
    assert_same(found, expected)
    assert (found["coverage_temperature"][6:17] == 0).all()
    assert (found["coverage_motion"] == 1).all()


def test_the_end_is_that_of_the_batch_if_a_sensor_has_failed() -> None:
    recipe = Recipe(windows=Windowing(duration=20, step=10), features=(Motion(), EDA()))
    trial = trial_of(acc=recorded("acc").crop(0, 200.5), eda=recorded("eda").crop(0, 90))
    stream = stream_of(trial, recipe, max_wait=math.inf)
    assert_same(streamed(stream, trial, 30.0), features_of_trial(trial, recipe))
    assert stream.finish() is None
    with pytest.raises(PhysioaffectError, match=r"finished. Call reset\(\)"):
        stream.push({})


@pytest.mark.parametrize("cleaning", [(), (QUICK,)])
def test_intervals_of_a_strap_come_as_events(cleaning: tuple[Step, ...]) -> None:
    lengths = 0.8 + 0.05 * np.sin(np.arange(300) / 5)
    ibi = Events(times=np.cumsum(lengths), values=lengths, kind="ibi")
    trial = trial_of("acc", ibi=ibi)
    recipe = Recipe(
        windows=Windowing(duration=60, step=10),
        cleaning=cleaning,
        features=(HRV(domains=("time",)), Motion()),
    )
    channels = channels_of(trial.signals) | {"ibi": StreamEvents(kind="ibi", delay=3.0)}
    stream = Stream(recipe, channels, trial=trial)
    assert stream.latency == 3 + (121 if cleaning else 0)
    tables = []
    for second in range(400):
        # Events that come three seconds after their time are in time.
        late = ibi.crop(second - 3, second - 2)
        tables.append(stream.push({"acc": trial.signal("acc").crop(second, second + 1).data, "ibi": late}))
    found = xr.concat([one for one in tables if one is not None], dim="window", combine_attrs="override")
    expected = features_of_trial(trial, recipe).isel(window=slice(0, found.sizes["window"]))
    assert found.sizes["window"] == (22 if cleaning else 34)
    assert_same(found, expected)
    with pytest.raises(DataError, match="came at 1 s after one at"):
        stream.push({"ibi": Events(times=np.ones(1), values=np.ones(1), kind="ibi")})


def test_a_gap_between_stamped_chunks_is_missing() -> None:
    recipe = Recipe(windows=Windowing(duration=10), features=(Temperature(),))
    trial = trial_of("temperature")
    skin = trial.signal("temperature")
    stream = stream_of(trial, recipe)
    stream.push({"temperature": skin.crop(0, 12)})
    table = stream.push({"temperature": skin.crop(17, 30)})
    assert table is not None
    assert_allclose(table["coverage_temperature"], [0.5, 1])
    with pytest.raises(DataError, match=r"a gap of 1e.04 s, the longest that a stream fills is 3600 s"):
        stream.push({"temperature": replace(skin, start=10030.0)})


@dataclass(frozen=True, kw_only=True)
class Metronome:
    """A beat every whole second, which a piece of the recording moves by a nanosecond, here or there."""

    name: ClassVar[str] = "metronome"
    version: ClassVar[int] = 1
    context: ClassVar[tuple[float, float]] = (5.0, 0.0)

    def __call__(self, trial: Trial) -> Trial:
        acc = trial.signal("acc")
        beats = np.arange(math.ceil(acc.start), acc.stop + 1) + (1e-9 if round(acc.stop) % 2 else -1e-9)
        ibi = Events(times=beats, values=np.ones(len(beats)), kind="ibi")
        return replace(trial, signals=dict(trial.signals) | {"ibi": ibi})


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many beats a window has that is moved by a quarter of a second."""

    name: ClassVar[str] = "count"
    version: ClassVar[int] = 1
    context: ClassVar[tuple[float, float]] = (1.0, 0.0)

    @property
    def signals(self) -> tuple[str, ...]:
        return ("ibi", "acc")

    def coverage(self, trial: Trial, intervals: Intervals) -> np.ndarray:
        return np.ones(len(intervals.starts))

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        beats = trial.signals["ibi"]
        assert isinstance(beats, Events)
        first, last = np.searchsorted(beats.times, intervals.starts - 0.25 + [[0.0], [intervals.duration]])
        return xr.DataArray((last - first)[:, np.newaxis].astype(float), dims=("window", "count_feature"))


def test_a_beat_at_the_edge_of_a_piece_comes_once() -> None:
    trial = trial_of("acc")
    recipe = Recipe(windows=Windowing(duration=30, step=1), cleaning=(Metronome(),), features=(Count(),))
    table = streamed(stream_of(trial, recipe), trial, 1.0)
    assert table.sizes["window"] == DURATION - 29
    assert_array_equal(table["count"], 30)


@pytest.mark.parametrize("n_seconds", [0, 0.05, 1, 7])
def test_a_recording_that_ends_before_it_has_begun(n_seconds: float) -> None:
    stream = stream_of(WRIST_TRIAL, WRIST)
    stream.push({name: one.crop(0, n_seconds) for name, one in WRIST_SIGNALS.items()})
    assert stream.finish() is None
    stream.reset()
    assert stream.push({name: one.crop(0, 4) for name, one in WRIST_SIGNALS.items()}) is None


# What a stream refuses.


@dataclass(frozen=True, kw_only=True)
class Silent:
    """A step that does not say what it looks at."""

    name: ClassVar[str] = "silent"
    version: ClassVar[int] = 1

    def __call__(self, trial: Trial) -> Trial:
        return trial


@dataclass(frozen=True, kw_only=True)
class Counting:
    """A step whose samples depend on where the piece begins."""

    name: ClassVar[str] = "counting"
    version: ClassVar[int] = 1
    context: ClassVar[tuple[float, float]] = (2.5, 0.0)

    def __call__(self, trial: Trial) -> Trial:
        acc = trial.signal("acc")
        moved = replace(acc, start=acc.start + 0.3 * (acc.n_times % 5) / acc.sfreq)
        return replace(trial, signals=dict(trial.signals) | {"acc": moved})


def own_split(eda: Any, *, sfreq: float) -> Any:
    raise NotImplementedError


MOTION = Recipe(windows=Windowing(duration=10), features=(Motion(),))


@pytest.mark.parametrize(
    ("recipe", "match"),
    [
        (replace(MOTION, cleaning=(Silent(),)), r"step 'silent'.*has no `context`.*such as MarkQuality"),
        (replace(MOTION, features=(EDA(decompose=own_split),)), "family 'eda'.*infinite.*highpass_causal"),
        (replace(MOTION, windows=Windowing(duration=10, last=60)), "counts from the end; leave it None"),
        (replace(MOTION, baseline="subtract"), "leave baseline=None"),
        (replace(MOTION, smoothing=(MovingAverage(n_windows=3, causal=True),)), "leave smoothing="),
    ],
)
def test_what_needs_the_whole_recording_is_refused(recipe: Recipe, match: str) -> None:
    with pytest.raises(PhysioaffectError, match=match):
        stream_of(trial_of("acc", "eda"), recipe)


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (BeatsOfHeart(), "step 'beats'.*infinite.*Use BeatsFromECG or BeatsFromPPG, for the one"),
        (
            BeatsFromPPG(rate_sfreq=1.0, keeps_own_rate=True),
            r"step 'ppg_beats'.*infinite.*Use BeatsFromPPG\(keeps_own_rate=False\)",
        ),
        (
            BeatsFromECG(rate_sfreq=1.0, keeps_own_rate=True),
            r"step 'ecg_beats'.*infinite.*Use BeatsFromECG\(keeps_own_rate=False\)",
        ),
    ],
)
def test_what_was_recorded_at_all_is_known_at_the_end(step: Step, match: str) -> None:
    with pytest.raises(PhysioaffectError, match=match):
        stream_of(trial_of("acc", "ppg", "ecg"), replace(MOTION, cleaning=(step,)))


def test_what_cannot_work_is_refused_before_it_begins() -> None:
    trial = trial_of("temperature")
    with pytest.raises(DataError, match="has no signal 'acc'; it has temperature"):
        stream_of(trial, MOTION)
    acc = StreamChannel(sfreq=32.0, ch_names=("x", "y", "z"), kind="acc", unit="m/s^2")
    with pytest.raises(DataError, match="is in 'm/s\\^2', its features are defined in 'g'"):
        Stream(MOTION, {"acc": acc})
    with pytest.raises(ValueError, match="needs a sampled channel"):
        Stream(MOTION, {"ibi": StreamEvents(kind="ibi")})
    with pytest.raises(ValueError, match="max_wait must be above 0 s, got 0"):
        stream_of(trial_of("acc"), MOTION, max_wait=0)
    with pytest.raises(ValueError, match="0 or more, got clean_every=-1"):
        stream_of(trial_of("acc"), MOTION, clean_every=-1)
    with pytest.raises(ValueError, match="above 0, got every=-1"):
        stream_of(trial_of("acc"), MOTION, every=-1)
    with pytest.raises(ValueError, match="delay must be 0 s or more, got -1"):
        StreamEvents(kind="ibi", delay=-1)
    with pytest.raises(ValueError, match="Unknown kind of signal 'accel'"):
        StreamChannel(sfreq=32.0, ch_names=("x",), kind="accel", unit="g")


def test_chunks_that_do_not_fit_are_refused() -> None:
    trial = trial_of("acc", tags=Events(times=np.empty(0), values=np.empty(0), kind="tags"))
    stream, acc = stream_of(trial, MOTION), trial.signal("acc")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"eda": acc.data[:1]}, "No channel 'eda' was announced: there are acc, tags"),
        ({"acc": acc.data[:2]}, "with 3 channels, got \\(2, 13440\\)"),
        ({"acc": replace(acc, sfreq=31.0)}, "announced with sfreq=32.0, got a signal with 31.0"),
        ({"acc": replace(acc, unit="au")}, "announced with unit='g', got a signal with 'au'"),
        ({"acc": trial.signals["tags"]}, "'acc' takes an array or a Signal, got Events"),
        ({"tags": acc.data}, "'tags' takes Events, got ndarray"),
    ]
    for chunk, match in cases:
        # Nothing of a push that is refused is taken.
        with pytest.raises(ValueError, match=match):
            stream.push({"acc": acc.data[:, :64]} | chunk)
        assert stream.n_held == 0


def test_a_step_that_counts_from_the_piece_is_found_out() -> None:
    trial = trial_of("acc")
    stream = stream_of(trial, replace(MOTION, cleaning=(Counting(),)))
    with pytest.raises(PhysioaffectError, match="counting puts the samples of a acc signal elsewhere"):
        streamed(stream, trial, 1.3)
