"""Heart rate variability: closed forms in the time domain, and what all domains have in common."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.beats import events_of, noise_events, sine_events, trial_of, without

from physioaffect.errors import DataError
from physioaffect.features import Recipe, features_of_trial
from physioaffect.features.eda import EDA
from physioaffect.features.hrv import DOMAINS, HRV
from physioaffect.features.hrv_time import tinn, triangular_index
from physioaffect.recording import Events, Signal
from physioaffect.windows import Intervals, Windowing

ALL = HRV(domains=tuple(DOMAINS))
MINUTES = Windowing(duration=60, step=60)


def hrv(events: Events, *, start: float = 0.0, duration: float = 60.0, family: HRV = ALL) -> dict[str, float]:
    row = family(trial_of(ibi=events), Intervals(np.array([start]), duration))
    return dict(zip(row["hrv_feature"].values.tolist(), row.values[0].tolist(), strict=True))


def test_constant_beats_do_not_vary() -> None:
    found = hrv(events_of(np.full(500, 0.75)), duration=300.0)
    for name in ("sdnn", "rmssd", "sdsd", "cvnn", "cvsd", "mad_nn", "iqr_nn", "sd1", "sd2"):
        assert found[name] == pytest.approx(0, abs=1e-6), name
    for name in ("vlf", "lf", "hf", "total", "welch_lf", "welch_hf", "pnn50", "pnn20"):
        assert found[name] == 0, name
    for name in ("mean_nn", "median_nn"):
        assert found[name] == pytest.approx(750)
    for name in ("mean_hr", "min_hr", "max_hr"):
        assert found[name] == pytest.approx(80)
    # Of nothing there is no ratio, no peak, no pattern.
    for name in ("lf_hf", "lf_nu", "hf_peak", "welch_hf_peak", "sd1_sd2", "csi", "cvi", "porta", "guzik"):
        assert np.isnan(found[name]), name
    assert np.isnan([found["sample_entropy"], found["dfa_alpha1"], found["dfa_alpha2"]]).all()


def test_alternating_beats() -> None:
    found = hrv(events_of(np.tile([0.77, 0.83], 200)), duration=300.0)
    n = 375
    assert found["rmssd"] == pytest.approx(60)
    assert found["pnn50"] == found["pnn20"] == 100
    assert found["sdnn"] == pytest.approx(30 * np.sqrt(n / (n - 1)), rel=1e-4)
    assert found["sd1"] == pytest.approx(60 / np.sqrt(2), rel=2e-3)
    assert found["sd2"] == pytest.approx(0, abs=1e-6)
    assert (found["min_hr"], found["max_hr"]) == pytest.approx((60 / 0.83, 60 / 0.77))
    assert found["cvsd"] == pytest.approx(60 / 800, rel=1e-3)
    assert found["iqr_nn"] == pytest.approx(60)


def test_robust_statistics_are_numpys() -> None:
    events = noise_events(101, seed=8)
    ms = 1e3 * events.values[1:]
    found = hrv(events, duration=float(events.times[-1]) + 0.1)
    middle = np.median(ms)
    assert found["median_nn"] == pytest.approx(middle)
    assert found["mad_nn"] == pytest.approx(1.482602218505602 * np.median(np.abs(ms - middle)))
    assert found["iqr_nn"] == pytest.approx(np.subtract(*np.percentile(ms, [75, 25])))


@pytest.mark.parametrize(("change", "share"), [(0.0501, 100), (0.05, 0), (0.0499, 0)])
def test_above_50_ms_is_above_50_ms(change: float, share: float) -> None:
    assert hrv(events_of(np.tile([0.8, 0.8 + change], 100)))["pnn50"] == share


@pytest.mark.parametrize("hz", [0.02, 0.1, 0.25])
@pytest.mark.parametrize("ms", [5.0, 40.0])
def test_a_sine_has_the_variance_of_a_sine(hz: float, ms: float) -> None:
    found = hrv(sine_events(320, hz=hz, ms=ms), duration=300.0)
    assert found["sdnn"] == pytest.approx(ms / np.sqrt(2), rel=0.02)
    # From beat to beat it turns by 2 pi f NN.
    assert found["rmssd"] == pytest.approx(2 * np.sin(np.pi * hz * 0.8) * ms / np.sqrt(2), rel=0.03)


def test_a_triangular_histogram() -> None:
    heights = np.concatenate([np.arange(1, 11), np.arange(9, 0, -1)])
    ms = np.repeat((100 + np.arange(19) + 0.5) * 1000 / 128, heights)
    assert triangular_index(ms) == pytest.approx(100 / 10)
    assert tinn(ms) == pytest.approx(20 * 1000 / 128)  # From the empty bin before to that behind.
    assert tinn(np.full(100, 803.0)) == pytest.approx(2 * 1000 / 128)


def test_the_histogram_needs_twenty_minutes() -> None:
    events = noise_events(2000)
    assert np.isnan(hrv(events, duration=1199.0)["triangular_index"])
    found = hrv(events, duration=1200.0)
    assert found["triangular_index"] == pytest.approx(np.sqrt(2 * np.pi) * 40 / (1000 / 128), rel=0.15)
    assert 2 * 40 < found["tinn"] < 6 * 40


@pytest.mark.parametrize("domains", [("time",), ("frequency",), ("welch",), ("nonlinear",)])
def test_a_window_carries_what_it_is_long_enough_for(domains: tuple[str, ...]) -> None:
    family = HRV(domains=domains)
    trial = trial_of(ibi=noise_events(2000))
    for duration in (9.0, 10.0, 29.0, 30.0, 59.0, 60.0, 119.0, 120.0, 299.0, 300.0):
        row = family(trial, Intervals(np.array([100.0]), duration))
        shortest = np.array(row.attrs["minimum_seconds"])
        fewest = np.array(row.attrs["minimum_intervals"])
        expected = (duration >= shortest) & (duration / 0.8 - 2 >= fewest)
        assert_array_equal(np.isfinite(row.values[0]), expected, err_msg=f"{duration} s")


def test_sixty_seconds_carry_sdnn_and_hf_but_not_lf() -> None:
    found = hrv(noise_events(400))
    assert np.isfinite([found["sdnn"], found["rmssd"], found["hf"], found["welch_hf"]]).all()
    assert np.isnan([found[name] for name in ("lf", "vlf", "lf_hf", "total", "sample_entropy")]).all()


def test_an_interval_belongs_to_the_window_that_has_both_of_its_beats() -> None:
    events = events_of(np.full(200, 0.7))
    kept = events.crop(60.0, 120.0)
    assert_allclose(
        [*hrv(events, start=60.0).values()], [*hrv(kept, start=60.0).values()], rtol=1e-9, atol=1e-9
    )
    found = ALL.coverage(trial_of(ibi=events), Intervals(np.array([60.0, -10.0, 139.0]), 60.0))
    # Beats at 60.2, 60.9, ..., 119.7; at 0 to 49.7; at 139.3 and 140.
    assert_allclose(found, [59.5 / 60, 49.7 / 60, 0.7 / 60])


def test_a_gap_leaves_out_the_pairs_across_it() -> None:
    rng = np.random.default_rng(1)
    ms = 800 + 50 * rng.normal(size=80)
    events = without(events_of(ms / 1e3), [21, 40, 41])
    found = hrv(events, duration=61.0)
    gone = {20, 39, 40}
    n = int(np.searchsorted(events.times, 61.0)) - 1
    kept = np.array([value for i, value in enumerate(ms[:n]) if i not in gone])
    pairs = np.array([(ms[i - 1], ms[i]) for i in range(1, n) if not {i - 1, i} & gone])
    change = pairs[:, 1] - pairs[:, 0]
    expected = {
        "mean_nn": kept.mean(),
        "sdnn": kept.std(ddof=1),
        "rmssd": np.sqrt(np.mean(change**2)),
        "sdsd": change.std(ddof=1),
        "pnn50": 100 * np.mean(np.abs(change) > 50),
        "sd1": change.std(ddof=1) / np.sqrt(2),
        "sd2": pairs.sum(axis=1).std(ddof=1) / np.sqrt(2),
        "guzik": 100 * np.sum(change[change > 0] ** 2) / np.sum(change**2),
        "porta": 100 * np.mean(change < 0),
    }
    assert_allclose([found[name] for name in expected], [*expected.values()], rtol=1e-9)


def test_beats_left_out_of_the_events_make_a_gap_too() -> None:
    events = noise_events(100, sd=0.05, seed=2)
    marked = without(events, [30, 31])
    kept = np.isfinite(marked.values)
    dropped = Events(times=marked.times[kept], values=marked.values[kept], kind="ibi")
    assert_array_equal([*hrv(dropped).values()], [*hrv(marked).values()])


def test_an_interval_that_contradicts_the_beats_is_not_trusted() -> None:
    events = noise_events(100, seed=3)
    wrong = events.values.copy()
    wrong[50] = 2 * wrong[50]
    contradicting = Events(times=events.times, values=wrong, kind="ibi")
    assert_array_equal([*hrv(contradicting).values()], [*hrv(without(events, [50])).values()])


def test_below_four_fifths_of_cover_there_is_nothing() -> None:
    events = events_of(np.full(200, 0.75) + 0.01 * np.arange(200) % 0.03)
    trial_window = Intervals(np.array([0.0]), 60.0)
    for n_gone, is_there in ((10, True), (30, False)):
        trial = trial_of(ibi=without(events, np.arange(20, 20 + n_gone)))
        assert (ALL.coverage(trial, trial_window)[0] >= 0.8) == is_there
        values = ALL(trial, trial_window).sel(hrv_feature=["rmssd", "mean_nn", "hf"]).values
        assert np.isfinite(values).all() == is_there


def test_every_window_is_as_it_is_alone() -> None:
    rng = np.random.default_rng(4)
    events = without(noise_events(1200, seed=4), rng.choice(1200, 30, replace=False))
    trial = trial_of(ibi=events)
    for duration, step in ((60.0, 7.3), (150.0, 31.0), (301.0, 40.0)):
        windows = Windowing(duration=duration, step=step).intervals(900.0)
        together = ALL(trial, windows).values
        assert np.isfinite(together).any(axis=1).sum() > 5
        for row, start in zip(together, windows.starts, strict=True):
            window = Intervals(np.array([start]), duration)
            assert_allclose(row, ALL(trial, window).values[0], rtol=1e-9, atol=1e-9)
            alone = trial_of(ibi=events.crop(start, start + duration))
            assert_allclose(row, ALL(alone, window).values[0], rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.35, 1.9), min_size=60, max_size=300),
    st.sets(st.integers(0, 299), max_size=20),
    st.sampled_from([30.0, 60.0, 125.0]),
    st.floats(-100, 1e5),
)
def test_it_does_not_matter_when_it_was(
    lengths: list[float], gone: set[int], duration: float, shift: float
) -> None:
    which = sorted(index for index in gone if index <= len(lengths))
    windows = Windowing(duration=duration, step=duration / 2).intervals(240.0)
    early = ALL(trial_of(ibi=without(events_of(lengths), which)), windows).values
    late_events = without(events_of(lengths, start=shift), which)
    late = ALL(trial_of(ibi=late_events), windows._replace(starts=windows.starts + shift)).values
    assert_array_equal(np.isnan(early), np.isnan(late))
    for name, one, other in zip(
        ALL(trial_of(ibi=late_events), windows)["hrv_feature"].values, early.T, late.T, strict=True
    ):
        if "peak" not in str(name):  # Equal heights may change places.
            assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=str(name))


@settings(max_examples=25)
@given(st.lists(st.floats(0.4, 1.5), min_size=100, max_size=250), st.floats(1.01, 1.3))
def test_slower_hearts_that_vary_as_much_in_proportion(lengths: list[float], factor: float) -> None:
    def of(seconds: list[float]) -> dict[str, float]:
        events = events_of(seconds)
        return hrv(events, duration=float(events.times[-1] + 1.0), family=HRV(domains=("time", "nonlinear")))

    one, other = of(lengths), of([factor * length for length in lengths])
    for name in ("sdnn", "rmssd", "sdsd", "mean_nn", "median_nn", "mad_nn", "iqr_nn", "sd1", "sd2"):
        if np.isfinite(one[name]):
            assert other[name] == pytest.approx(factor * one[name], rel=1e-6, abs=1e-6)
    for name in ("cvnn", "cvsd", "csi", "dfa_alpha1", "guzik"):
        if np.isfinite(one[name]) and one["rmssd"] > 1e-3:
            assert other[name] == pytest.approx(one[name], rel=1e-5, abs=1e-6)


@settings(max_examples=40)
@given(
    st.lists(st.floats(0.0, 4.0, allow_subnormal=False), max_size=60),
    st.lists(st.one_of(st.just(float("nan")), st.floats(-1.0, 5.0)), max_size=60),
    st.floats(0.5, 200.0),
)
def test_any_events_give_numbers_or_nan_in_silence(
    gaps: list[float], values: list[float], duration: float
) -> None:
    n = min(len(gaps), len(values))
    events = Events(times=np.cumsum(gaps[:n], dtype=float), values=np.array(values[:n], float), kind="ibi")
    windows = Intervals(np.array([-5.0, 0.0, 3.0, 500.0]), duration)
    there = events.values[np.isfinite(events.values)]
    assume(len(there) == 0 or np.median(there) > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ALL(trial_of(ibi=events), windows).values
    assert not np.isinf(found).any()


def test_features_are_labelled_and_in_the_order_asked_for() -> None:
    features = HRV(domains=("nonlinear", "time"))(trial_of(ibi=noise_events(200)), MINUTES.intervals(120.0))
    names = features["hrv_feature"].values.tolist()
    assert names[0] == "sd1"
    assert names[-1] == "tinn"
    assert len(names) == len(set(names)) == len(features.attrs["units"])
    assert features.attrs["units"][names.index("rmssd")] == "ms"
    assert len(features.attrs["minimum_seconds"]) == len(features.attrs["minimum_intervals"]) == len(names)
    json.dumps(features.attrs)
    assert ALL(trial_of(ibi=noise_events(200)), MINUTES.intervals(30.0)).shape[0] == 0


def test_a_recipe_takes_it() -> None:
    eda = Signal(data=np.ones((1, 480)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    trial = trial_of(ibi=noise_events(200), ibi_device=noise_events(200, seed=5), eda=eda)
    found = []
    for source in ("ibi", "ibi_device"):
        recipe = Recipe(windows=MINUTES, features=(EDA(), HRV(source=source)))
        table = features_of_trial(trial, recipe)
        found.append(table["hrv"].sel(hrv_feature="rmssd").values)
        assert (table["coverage_hrv"] > 0.95).all()
    assert np.isfinite(found).all()
    assert (found[0] != found[1]).all()


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"domains": ()}, "HRV has the domains time, frequency, welch, nonlinear"),
        ({"domains": ("spectral",)}, "got .'spectral',."),
        ({"domains": ("time", "time")}, "takes each domain once"),
    ],
)
def test_wrong_settings_are_refused(settings_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        HRV(**settings_)


def test_what_is_no_intervals_is_refused() -> None:
    windows = Intervals(np.zeros(1), 60.0)
    with pytest.raises(DataError, match="has no intervals between beats named 'ibi'; it has ppg"):
        ALL(
            trial_of(ppg=Signal(data=np.ones((1, 9)), sfreq=1.0, ch_names=("P",), kind="ppg", unit="au")),
            windows,
        )
    in_ms = Events(times=np.arange(1, 100.0), values=np.full(99, 800.0), kind="ibi")
    with pytest.raises(DataError, match="in seconds, got a median of 800"):
        ALL(trial_of(ibi=in_ms), windows)
    beats = Events(times=np.arange(1, 100.0), values=np.ones(99), kind="beats")
    with pytest.raises(DataError, match=r"kind 'ibi'.*got 'beats'"):
        ALL.coverage(trial_of(ibi=beats), windows)
