"""Recordings put one behind another: nothing made up between them, nothing taken twice."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.joining import join_sessions
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GAP = int(Flag.GAP)


def eda(values: Sequence[float] | np.ndarray, *, sfreq: float = 4.0, start: float = 0.0) -> Signal:
    data = np.asarray(values, dtype=float)[np.newaxis]
    return Signal(data=data, sfreq=sfreq, ch_names=("EDA",), kind="eda", unit="uS", start=start)


def ibi(times: Sequence[float], values: Sequence[float]) -> Events:
    return Events(times=np.array(times, float), values=np.array(values, float), kind="ibi")


def tags(times: Sequence[float]) -> Events:
    return Events(times=np.array(times, float), values=np.arange(1.0, len(times) + 1), kind="tags")


def session(after_s: float = 0.0, **signals: Signal | Events) -> DeviceSession:
    return DeviceSession("Empatica E4", NOON + timedelta(seconds=after_s), None, signals)


def sampled(joined: DeviceSession, name: str = "eda") -> Signal:
    signal = joined.signals[name]
    assert isinstance(signal, Signal)
    return signal


def events(joined: DeviceSession, name: str) -> Events:
    found = joined.signals[name]
    assert isinstance(found, Events)
    return found


def test_one_recording_comes_back_as_it_was() -> None:
    first = session(eda=replace(eda([1, np.nan, 3]), flags=np.array([32, 0, 64], np.uint8), start=2.5))
    joined = join_sessions([first])
    assert joined.started_at == NOON
    assert sampled(joined).start == 2.5
    assert_array_equal(sampled(joined).data, [[1, np.nan, 3]])
    assert_array_equal(sampled(joined).flags, [32, 0, 64])
    assert joined.notes == ()


def test_what_lies_between_is_missing_and_flagged() -> None:
    joined = join_sessions([session(2, eda=eda([5, 6])), session(eda=eda([1, 2, 3, 4]))])
    signal = sampled(joined)
    assert_array_equal(signal.data, [[1, 2, 3, 4, *[np.nan] * 4, 5, 6]])
    assert_array_equal(signal.flags, [0] * 4 + [GAP] * 4 + [0] * 2)
    assert joined.notes == ("eda: 1 gap, 1 s in all.",)


def test_a_signal_that_one_recording_lacks_is_missing_there_only() -> None:
    temperature = replace(eda([30.0, 31.0], sfreq=1), kind="temperature", unit="degC", ch_names=("TEMP",))
    joined = join_sessions(
        [
            session(eda=eda(np.ones(8)), temperature=temperature),
            session(2, eda=eda(np.ones(8))),
            session(4, eda=eda(np.ones(8)), temperature=temperature),
        ]
    )
    assert sampled(joined).flags.sum() == 0
    assert_array_equal(sampled(joined, "temperature").data, [[30, 31, np.nan, np.nan, 30, 31]])


def test_the_same_samples_twice_are_taken_once() -> None:
    ramp = np.arange(20.0)
    late = replace(eda(ramp[8:]), flags=np.full(12, int(Flag.SETTLING), np.uint8))
    joined = join_sessions([session(eda=eda(ramp[:12])), session(2, eda=late)])
    assert_array_equal(sampled(joined).data, [ramp])
    # What the earlier recording says of a sample holds: it is not new there.
    assert_array_equal(sampled(joined).flags, [0] * 12 + [int(Flag.SETTLING)] * 8)
    assert joined.notes == ("eda: 1 s were recorded twice and taken once.",)


def test_a_copy_of_a_whole_recording_changes_nothing() -> None:
    first = session(eda=eda(np.arange(20.0)), ibi=ibi([0.5, 1.3], [np.nan, 0.8]), tags=tags([3]))
    inside = session(1, eda=eda(np.arange(4.0, 8.0)))
    joined = join_sessions([first, first, inside])
    assert_array_equal(sampled(joined).data, [np.arange(20.0)])
    assert_array_equal(events(joined, "ibi").times, [0.5, 1.3])
    assert_array_equal(events(joined, "ibi").values, [np.nan, 0.8])
    assert_array_equal(events(joined, "tags").times, [3])


def test_a_missing_sample_is_taken_from_the_other_recording() -> None:
    joined = join_sessions([session(eda=eda([1, 2, np.nan, 4])), session(eda=eda([1, np.nan, 3, 4, 5]))])
    assert_array_equal(sampled(joined).data, [[1, 2, 3, 4, 5]])


def test_recordings_that_contradict_each_other_are_refused() -> None:
    one, other = session(eda=eda(np.arange(20.0))), session(2, eda=eda(np.arange(20.0)))
    with pytest.raises(DataError, match=r"12:00:02 UTC begins 3 s before .*other values.*keep one"):
        join_sessions([one, other])


@pytest.mark.parametrize(("late_s", "expected_shift"), [(0.1, 0.1), (-0.1, 0.1), (0.245, 0.245), (0.0, 0.0)])
def test_a_recording_that_starts_between_two_samples_follows_at_once(
    late_s: float, expected_shift: float
) -> None:
    joined = join_sessions([session(eda=eda([1, 2, 3, 4])), session(1 + late_s, eda=eda([5, 6]))])
    assert_array_equal(sampled(joined).data, [[1, 2, 3, 4, 5, 6]])
    said = () if expected_shift == 0 else (f"eda: samples lie up to {expected_shift:.3f} s from",)
    assert tuple(note.partition(" the time")[0] for note in joined.notes) == said


@pytest.mark.parametrize("sfreq", [3.0, 4.0, 32.0, 63.9999, 64.0, 700.0])
def test_one_lost_sample_is_a_gap_and_one_shared_sample_is_taken_once(sfreq: float) -> None:
    for n_times in range(1, 50):
        for lost, expected in ((1, [0] * n_times + [GAP, 0, 0]), (-1, [0] * (n_times + 1))):
            values = np.arange(n_times + 1.0) if lost < 0 else np.arange(n_times, n_times + 2.0)
            pieces = [
                session(eda=eda(np.arange(float(n_times)), sfreq=sfreq, start=0.1)),
                session((n_times + lost) / sfreq, eda=eda(values[-2:], sfreq=sfreq, start=0.1)),
            ]
            assert_array_equal(sampled(join_sessions(pieces)).flags, expected)


def test_a_gap_between_two_samples_is_rounded_to_the_nearest() -> None:
    joined = join_sessions([session(eda=eda([1, 2])), session(1.6, eda=eda([3]))])
    assert_array_equal(sampled(joined).data, [[1, 2, np.nan, np.nan, np.nan, np.nan, 3]])
    assert joined.notes[-1] == "eda: samples lie up to 0.100 s from the time of their own recording."


@settings(max_examples=100)
@given(st.data())
def test_every_sample_lies_near_its_own_time(data: st.DataObject) -> None:
    sfreq = data.draw(st.sampled_from([1.0, 4.0, 32.0, 63.9999, 64.0]))
    start, sessions, number = 0.0, [], 0
    for _ in range(data.draw(st.integers(1, 5))):
        n_times = data.draw(st.integers(1, 40))
        values = np.arange(number, number + n_times, dtype=float)
        sessions.append((start, session(start, eda=eda(values, sfreq=sfreq))))
        number += n_times
        start = round(start + n_times / sfreq + data.draw(st.floats(0, 3)), 6)
    signal = sampled(join_sessions([each for _, each in data.draw(st.permutations(sessions))]))
    is_there = np.isfinite(signal.data[0])
    assert_array_equal(signal.data[0][is_there], np.arange(number))
    assert_array_equal(is_there, signal.flags != GAP)
    true = np.concatenate([start + sampled(each).times for start, each in sessions])
    assert np.abs(signal.times[is_there] - true).max() <= max(1 / sfreq, 0.05) + 1e-6


def test_rates_that_were_measured_may_differ_a_little() -> None:
    pieces = [
        session(1800 * i, eda=eda(np.full(115_200, i), sfreq=rate))
        for i, rate in enumerate((63.9999, 64.0, 64.0001))
    ]
    joined = join_sessions(pieces)
    assert sampled(joined).sfreq == pytest.approx(64, abs=1e-6)
    assert sampled(joined).n_times == 3 * 115_200
    assert not sampled(joined).flags.any()


def test_a_clock_that_does_not_agree_with_the_samples_is_refused() -> None:
    pieces = [
        session(1800 * i, eda=eda(np.random.default_rng(i).normal(size=115_200), sfreq=rate))
        for i, rate in enumerate((64.0, 64.1))
    ]
    with pytest.raises(DataError, match=r"states 64 Hz where the whole has 64\.05 Hz.*Resample"):
        join_sessions(pieces)


def test_a_little_overlap_of_other_samples_is_drift_and_moved_behind() -> None:
    random = np.random.default_rng(0).normal(size=(2, 640))
    late = 640 / 64 - 0.04  # 2.56 samples before the end of the first by their number.
    joined = join_sessions(
        [session(eda=eda(random[0], sfreq=64)), session(late, eda=eda(random[1], sfreq=64))]
    )
    assert_array_equal(sampled(joined).data, [random.ravel()])
    assert joined.notes == ("eda: samples lie up to 0.040 s from the time of their own recording.",)
    with pytest.raises(DataError, match=r"begins 0\.06 s before"):
        join_sessions(
            [session(eda=eda(random[0], sfreq=64)), session(late - 0.02, eda=eda(random[1], sfreq=64))]
        )


def test_more_drift_may_be_allowed() -> None:
    random = np.random.default_rng(0).normal(size=(2, 640))
    pieces = [session(i * 9.7, eda=eda(row, sfreq=64)) for i, row in enumerate(random)]
    with pytest.raises(DataError, match=r"allow it with max_shift=0\.3"):
        join_sessions(pieces)
    assert_array_equal(sampled(join_sessions(pieces, max_shift=0.3)).data, [random.ravel()])
    # It moves what overlaps, but closes no gap.
    late = [session(i * 10.3, eda=eda(row, sfreq=64)) for i, row in enumerate(random)]
    assert (sampled(join_sessions(late, max_shift=0.5)).flags == GAP).sum() == 19
    with pytest.raises(ValueError, match="max_shift must be seconds from 0 on, got -1"):
        join_sessions(pieces, max_shift=-1)


def test_drift_does_not_add_up() -> None:
    # The true rate is 64.032 Hz: each 10 s are a third of a sample more than their clock says.
    random = np.random.default_rng(0).normal(size=(8, 640))
    pieces = [session(i * 640 / 64.032, eda=eda(row, sfreq=64)) for i, row in enumerate(random)]
    joined = join_sessions(pieces)
    assert_array_equal(sampled(joined).data, [random.ravel()])
    more = [session(i * 640 / 64.032, eda=eda(random[i % 8], sfreq=64)) for i in range(12)]
    with pytest.raises(DataError, match=r"begins 0\.055 s before"):
        join_sessions(more)


@pytest.mark.parametrize("drift", [-90e-6, -20e-6, 20e-6, 90e-6])
def test_the_drift_of_a_quartz_is_taken_from_the_clock(drift: float) -> None:
    """Half hours that follow at once, by a clock that the stated 64 Hz do not keep to."""
    random = np.random.default_rng(0).normal(size=(12, 115_200))
    true = 64 * (1 + drift)
    pieces = [session(i * 115_200 / true, eda=eda(row, sfreq=64)) for i, row in enumerate(random)]
    joined = join_sessions(pieces)
    assert_array_equal(sampled(joined).data, [random.ravel()])
    assert not sampled(joined).flags.any()
    assert sampled(joined).sfreq == pytest.approx(true, rel=1e-9)
    assert joined.notes == (f"eda: the clock says {true:.8g} Hz, which was taken, not the stated 64.",)


def test_a_true_gap_among_drifting_recordings_stays_a_gap() -> None:
    random = np.random.default_rng(0).normal(size=(12, 115_200))
    true, lost = 64 * (1 + 50e-6), 10
    starts = [(i * 115_200 + (lost if i > 7 else 0)) / true for i in range(12)]
    joined = join_sessions(
        [session(start, eda=eda(row, sfreq=64)) for start, row in zip(starts, random, strict=True)]
    )
    assert sampled(joined).sfreq == pytest.approx(true, rel=1e-9)
    expected = np.zeros(12 * 115_200 + lost, np.uint8)
    expected[8 * 115_200 : 8 * 115_200 + lost] = GAP
    assert_array_equal(sampled(joined).flags, expected)


def test_a_rate_is_not_taken_from_a_clock_that_agrees() -> None:
    pieces = [session(i * 10 + 0.001 * (i % 2), eda=eda(np.ones(640), sfreq=64)) for i in range(9)]
    assert sampled(join_sessions(pieces)).sfreq == 64.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "S"}, r"eda has the unit 'uS' in .*12:00:00 UTC and 'S' in .*Convert or rename"),
        ({"ch_names": ("GSR",)}, r"eda has the ch_names"),
        ({"kind": "emg"}, "eda has the kind 'eda'"),
        ({"sfreq": 8.0}, r"eda has 4 Hz in .* and 8 Hz in .*one rate"),
    ],
)
def test_signals_that_are_not_alike_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        join_sessions([session(eda=eda([1])), session(9, eda=replace(eda([1]), **changes))])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"device": "Empatica EmbracePlus"},
            "of 2 devices, among them Empatica E4 and Empatica Emb.*each by",
        ),
        ({"subject": "S02"}, "of 2 subjects, among them S01 and S02"),
        ({"started_at": None}, "does not tell when it started in UTC.*Set its started_at"),
        ({"started_at": datetime(2026, 1, 1)}, "does not tell when it started in UTC"),
    ],
)
def test_recordings_that_are_not_of_one_are_refused(changes: dict[str, object], message: str) -> None:
    first = session(eda=eda([1]))._replace(subject="S01")
    with pytest.raises(DataError, match=message):
        join_sessions([first, session(9, eda=eda([1]))._replace(**changes)])  # type: ignore[arg-type]


def test_nothing_to_join_is_refused() -> None:
    with pytest.raises(DataError, match="no recording to join"):
        join_sessions([])


def test_a_name_for_signal_and_events_is_refused() -> None:
    with pytest.raises(DataError, match="hr is sampled in some of the recordings and not in all"):
        join_sessions([session(hr=replace(eda([1]), kind="hr")), session(9, hr=tags([1]))])
    with pytest.raises(DataError, match="events of the kinds 'ibi' and 'tags'"):
        join_sessions([session(hr=ibi([1], [1])), session(9, hr=tags([1]))])


def test_a_gap_that_would_fill_memory_is_refused_before_it_does() -> None:
    acc = Signal(data=np.ones((3, 64)), sfreq=64.0, ch_names=("X", "Y", "Z"), kind="acc", unit="g")
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError,
            match=r"would take 47\.\d GiB of missing values.*8760\.0 h, is between.*12:00:00.*each day",
        ):
            join_sessions([session(acc=acc), session(365 * 86400, acc=acc)])
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_day_takes_little_more_than_its_samples() -> None:
    half_hour = np.random.default_rng(0).normal(size=64 * 1800)
    pieces = [session(1800 * i, eda=eda(half_hour, sfreq=64)) for i in range(0, 48, 2)]
    tracemalloc.start()
    try:
        joined = join_sessions(pieces)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sampled(joined).n_times == 64 * 1800 * 47
    assert peak < 1.75 * sampled(joined).data.nbytes


def test_tags_are_numbered_through_and_coded_events_keep_their_code() -> None:
    joined = join_sessions([session(10, tags=tags([1, 2])), session(tags=tags([3]), eda=eda([1]))])
    assert_array_equal(events(joined, "tags").times, [3, 11, 12])
    assert_array_equal(events(joined, "tags").values, [1, 2, 3])
    coded = Events(times=np.array([1.0, 2.0]), values=np.array([7.0, 9.0]), kind="tags")
    joined = join_sessions([session(tags=coded), session(10, tags=coded)])
    assert_array_equal(events(joined, "tags").values, [7, 9, 7, 9])


def test_no_interval_spans_a_gap() -> None:
    early = session(eda=eda(np.ones(16)), ibi=ibi([1, 2, 3], [np.nan, 1, 1]))
    # The second beat's interval begins before the second recording does: nobody saw what lay between.
    late = session(10, eda=eda(np.ones(16)), ibi=ibi([0.2, 1.2], [0.9, 1.0]))
    joined = join_sessions([early, late])
    assert_array_equal(events(joined, "ibi").times, [1, 2, 3, 10.2, 11.2])
    assert_array_equal(events(joined, "ibi").values, [np.nan, 1, 1, np.nan, 1])
    at_once = join_sessions([early, late._replace(started_at=NOON + timedelta(seconds=4))])
    assert_array_equal(events(at_once, "ibi").values, [np.nan, 1, 1, 0.9, 1])


def test_an_interval_over_the_beat_of_another_recording_is_none() -> None:
    early = session(eda=eda(np.ones(16)), ibi=ibi([1, 2, 3], [np.nan, 1, 1]))
    # The late one missed the beat at 3 s, so its interval of 1.8 s is two.
    late = session(2, eda=eda(np.ones(16)), ibi=ibi([0.0, 1.8], [np.nan, 1.8]))
    joined = join_sessions([early, late])
    assert_array_equal(events(joined, "ibi").times, [1, 2, 3, 3.8])
    assert_array_equal(events(joined, "ibi").values, [np.nan, 1, 1, np.nan])


def test_a_beat_that_two_recordings_have_keeps_the_interval_that_is_known() -> None:
    early = session(eda=eda(np.ones(16)), ibi=ibi([1, 2, 3], [np.nan, 1, 1]))
    late = session(2, eda=eda(np.ones(16)), ibi=ibi([1.0, 2.1], [np.nan, 1.1]))
    assert_allclose(events(join_sessions([early, late]), "ibi").values, [np.nan, 1, 1, 1.1])
    other = session(2, eda=eda(np.ones(16)), ibi=ibi([1.0, 2.1], [0.7, 1.1]))
    with pytest.raises(DataError, match=r"ibi has 0\.7 in one recording and 1 in another.*3\.000 s"):
        join_sessions([early, other])


@settings(max_examples=100)
@given(st.data())
def test_known_intervals_never_exceed_the_time_since_the_beat_before(data: st.DataObject) -> None:
    sessions, start = [], 0.0
    for _ in range(data.draw(st.integers(1, 4))):
        steps = data.draw(st.lists(st.floats(0.3, 2), min_size=1, max_size=8))
        beats = np.cumsum(steps)
        values = np.where(np.arange(len(steps)) == 0, np.nan, steps)
        sessions.append(
            session(
                start, eda=eda(np.full(int(4 * beats[-1]) + 1, 1.0)), ibi=ibi(beats.tolist(), values.tolist())
            )
        )
        start = round(start + data.draw(st.floats(0.1, 20)), 3)
    try:
        joined = events(join_sessions(sessions), "ibi")
    except DataError:  # Two beats of different recordings within a millisecond.
        return
    for (before, _), (time, value) in pairwise(zip(joined.times, joined.values, strict=True)):
        assert np.isnan(value) or value <= time - before + 2e-3


def test_offset_subject_and_notes_are_kept() -> None:
    summer = session(eda=eda([1]))._replace(subject="S01", utc_offset=timedelta(hours=2), notes=("A.",))
    joined = join_sessions([summer, session(0.25, eda=eda([1]))._replace(notes=("A.", "B."))])
    assert (joined.subject, joined.utc_offset, joined.notes) == ("S01", timedelta(hours=2), ("A.", "B."))
    winter = session(9, eda=eda([1]))._replace(utc_offset=timedelta(hours=1))
    joined = join_sessions([summer, winter])
    assert joined.utc_offset is None
    assert "Local time changes from UTC+1 h to UTC+2 h: no one offset." in joined.notes
