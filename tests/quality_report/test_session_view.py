"""What the page says of a session: planted shares, responses and beats come out."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from physioaffect.features import EDA, HeartRate, Recipe
from physioaffect.features.temperature import Temperature
from physioaffect.quality_report.session_view import view_of
from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.windows import Windowing

RECIPE = Recipe(windows=Windowing(duration=60, step=10), features=(EDA(),))


def signal(kind: str, values: np.ndarray, sfreq: float, unit: str) -> Signal:
    data = np.atleast_2d(values).astype(float)
    names = tuple(f"{kind}{n}" for n in range(len(data)))
    return Signal(data=data, sfreq=sfreq, ch_names=names, kind=kind, unit=unit)


def trial(**signals: Signal | Events) -> Trial:
    return Trial(
        dataset="wearable",
        subject="S01",
        trial="a.zip",
        stimulus="none",
        signals=signals,
        tags=("device Empatica E4", "a note"),
    )


def eda(minutes: int = 10) -> Signal:
    """A response every 20 s, the first at 10 s."""
    times = np.arange(240 * minutes) / 4
    return signal("eda", 2 + 0.5 * np.exp(-(((times + 10) % 20 - 10) ** 2) / 3), 4.0, "uS")


def test_shares_are_those_planted_and_add_up():
    flags = np.zeros(2400, dtype=np.uint8)
    flags[:240] = Flag.SETTLING
    flags[120:480] |= np.uint8(Flag.MOTION)
    values = eda().data.copy()
    values[0, 1200:1320] = np.nan
    view = view_of(trial(eda=replace(eda(), data=values, flags=flags)), RECIPE)
    [picture] = view.pictures
    assert picture.coverage == pytest.approx(0.75)
    assert {one.reason: (one.share, one.overlapping) for one in picture.shares} == {
        "missing": (0.05, 0.05),
        "settling": (0.1, 0.1),
        "motion": (0.1, 0.15),  # What is also settling is counted there.
    }
    bar = picture.bar
    assert bar[-1][1] + bar[-1][2] == pytest.approx(100)
    assert [left for _, left, _ in bar[1:]] == pytest.approx([75, 80, 90])
    assert (view.device, view.notes) == ("Empatica E4", ["a note"])


def test_a_signal_that_stops_early_is_missing_from_there_on():
    short = signal("temperature", np.linspace(30, 33, 1200), 4.0, "degC")
    view = view_of(trial(eda=eda(), temperature=short), RECIPE)
    assert view.coverage == {"eda": 1.0, "temperature": 0.5}
    [share] = view.pictures[1].shares
    assert (share.reason, share.share) == ("missing", 0.5)


def test_responses_are_marked_where_they_peak():
    view = view_of(trial(eda=eda()), RECIPE)
    assert view.scr_rate == pytest.approx(3.0, abs=0.21)  # The first and the last may be cut.
    marks = view.pictures[0].marks
    for peak in range(20, 580, 20):
        assert f"M{peak} 0v16" in marks
    # Nothing is found where the family asks for more.
    strict = replace(RECIPE, features=(EDA(threshold=5.0),))
    assert view_of(trial(eda=eda()), strict).scr_rate == 0.0


def test_responses_of_fast_skin_conductance_are_the_same():
    slow = eda()
    fast = signal("eda", np.interp(np.arange(60_000) / 100, slow.times, slow.data[0]), 100.0, "uS")
    assert view_of(trial(eda=fast), RECIPE).scr_rate == pytest.approx(
        view_of(trial(eda=slow), RECIPE).scr_rate, abs=0.11
    )


def test_skin_conductance_in_no_unit_has_no_responses():
    view = view_of(trial(eda=replace(eda(), unit="au")), RECIPE)
    assert np.isnan(view.scr_rate)
    assert view.pictures[0].marks == ""


def test_the_tachogram_shows_trusted_intervals_and_marks_the_others():
    times = np.linspace(1, 600, 600)
    values = np.ones(600)
    values[300:360] = np.nan
    ibi = Events(times=times, values=values, kind="ibi")
    ppg = signal("ppg", np.zeros(600 * 8), 8.0, "au")
    view = view_of(trial(ppg=ppg, ibi=ibi), RECIPE)
    beats = view.pictures[1]
    assert beats.title == "intervals between beats"
    assert beats.coverage == pytest.approx(0.9)
    [share] = beats.shares
    assert share.title == "no trusted interval (60 of 600 beats rejected)"
    assert share.boxes == "M300 0h60v100h-60z"
    assert beats.bad  # They are drawn pale.
    assert view.heart_rate == 60.0


@pytest.mark.parametrize(
    ("is_listed", "why"), [(False, "none is given there"), (True, "1 of 540 beats rejected")]
)
def test_intervals_that_the_device_left_out_are_not_said_to_be_rejected(is_listed, why):
    times = np.concatenate([np.arange(1.0, 301.0), np.arange(361.0, 601.0)])
    values = np.where(times == 361, np.nan, 1.0)
    is_given = np.isfinite(values) | is_listed
    ibi = Events(times=times[is_given], values=values[is_given], kind="ibi")
    view = view_of(trial(ppg=signal("ppg", np.zeros(600 * 8), 8.0, "au"), ibi=ibi), RECIPE)
    [share] = view.pictures[1].shares
    assert share.title == f"no trusted interval ({why})"


def test_beats_far_apart_are_not_joined():
    times = np.concatenate([np.arange(1.0, 100), np.arange(500.0, 600)]).astype(np.float64)
    values = np.concatenate([np.ones(99), [np.nan], np.ones(99)])
    beats = view_of(trial(ibi=Events(times=times, values=values, kind="ibi"), eda=eda()), RECIPE).pictures[1]
    assert beats.good.count("M") == 2
    assert beats.coverage == pytest.approx(198 / 600, abs=1e-3)
    assert beats.bad == ""  # 400 s are no interval of a heart.


def test_what_was_not_recorded_is_said_and_not_drawn():
    nothing = signal("temperature", np.full(2400, np.nan), 4.0, "degC")
    view = view_of(trial(eda=eda(), temperature=nothing), RECIPE)
    assert view.lacking == ["skin temperature"]
    assert list(view.coverage) == ["eda"]


def test_acceleration_is_drawn_as_the_length_of_its_vector():
    acc = signal("acc", np.tile([[0.6], [0.0], [0.8]], 6000), 32.0, "g")
    [picture] = view_of(trial(acc=acc), RECIPE).pictures
    assert picture.what == "length of the vector"
    assert (picture.low, picture.high) == ("0.95 g", "1.05 g")


def test_heart_rate_is_the_devices_where_there_are_no_beats():
    hr = signal("hr", np.full(600, 71.0), 1.0, "bpm")
    assert view_of(trial(hr=hr), Recipe(windows=RECIPE.windows, features=(HeartRate(),))).heart_rate == 71.0
    assert np.isnan(view_of(trial(eda=eda()), RECIPE).heart_rate)


@dataclass(frozen=True)
class Spoil:
    """Flag everything."""

    name: ClassVar[str] = "spoil"
    version: ClassVar[int] = 1

    def __call__(self, trial: Trial) -> Trial:
        own = trial.signal("eda")
        flags = np.full(own.n_times, Flag.OFF_BODY, dtype=np.uint8)
        return replace(trial, signals={"eda": replace(own, flags=flags)})


def test_the_recipes_cleaning_is_applied_first():
    view = view_of(trial(eda=eda()), replace(RECIPE, cleaning=(Spoil(),), features=(Temperature(),)))
    assert view.coverage == {"eda": 0.0}
    assert view.pictures[0].good == ""
    assert view.pictures[0].bad


@pytest.mark.parametrize(("seconds", "length"), [(3, "3.0 s"), (90, "1.5 min"), (36_000, "10.0 h")])
def test_lengths_have_a_fitting_unit(seconds, length):
    hr = signal("hr", np.full(seconds, 71.0), 1.0, "bpm")
    assert view_of(trial(hr=hr), RECIPE).length == length
