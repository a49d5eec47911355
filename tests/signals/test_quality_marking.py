"""Marking whole trials: what sensors say of one another, on their own clocks, and what it adds up to."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.signals.quality import (
    REASONS,
    EDARules,
    MarkQuality,
    MotionRules,
    OffBodyRules,
    TemperatureRules,
    WaveRules,
    quality_summary,
    quality_table,
    unit_notes,
)
from physioaffect.windows import Intervals

ROOM, SKIN = 22.0, 33.0


def signal(kind: str, data: Any, sfreq: float, unit: str, start: float = 0.0) -> Signal:
    data = np.atleast_2d(np.asarray(data, dtype=float))
    names = tuple(f"{kind}{row}" for row in range(len(data)))
    return Signal(data=data, sfreq=sfreq, ch_names=names, kind=kind, unit=unit, start=start)


def band(
    duration: float = 1200.0,
    *,
    off: tuple[float, float] | None = None,
    seed: int = 0,
    start: float = 0.0,
    warmth: float = SKIN,
) -> dict[str, Signal]:
    """A wristband on someone who sits and moves a little, taken off for a while."""
    rng = np.random.default_rng(seed)

    def times(sfreq: float) -> np.ndarray:
        return start + np.arange(round(duration * sfreq)) / sfreq

    def is_worn(t: np.ndarray) -> np.ndarray:
        return np.ones(len(t), bool) if off is None else (t < off[0]) | (t >= off[1])

    t = times(32.0)
    stir = np.where(is_worn(t) & (t % 20 < 5), 0.03, 0.004)
    acc = np.array([[0.0], [0.6], [0.8]]) + stir * rng.normal(size=(3, len(t)))
    t = times(4.0)
    eda = np.where(is_worn(t), 1 + 0.1 * np.sin(t / 50), 0.0) + 0.001 * rng.normal(size=len(t))
    skin = np.full(len(t), warmth)
    if off is not None:  # It cools and warms up with a time constant of two minutes.
        at_return = ROOM + (warmth - ROOM) * np.exp(-(off[1] - off[0]) / 120)
        cooling = ROOM + (warmth - ROOM) * np.exp(-(t - off[0]) / 120)
        warming = warmth - (warmth - at_return) * np.exp(-(t - off[1]) / 120)
        skin = np.where(t < off[0], warmth, np.where(t < off[1], cooling, warming))
    skin = np.round((skin + 0.01 * rng.normal(size=len(t))) / 0.02) * 0.02
    t = times(64.0)
    ppg = np.where(is_worn(t), 50 * np.sin(2 * np.pi * 1.2 * t), 0) + 0.5 * rng.normal(size=len(t))
    return {
        "acc": signal("acc", np.round(acc * 64) / 64, 32.0, "g", start),
        "ppg": signal("ppg", np.round(ppg, 2), 64.0, "au", start),
        "eda": signal("eda", eda, 4.0, "uS", start),
        "temperature": signal("temperature", skin, 4.0, "degC", start),
    }


def trial(signals: Any, **settings: Any) -> Trial:
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals=signals, **settings)


def has(marked: Any, flag: Flag) -> np.ndarray:
    return np.asarray((marked.flags & flag) > 0)


def mark(signals: Any, step: MarkQuality | None = None, **settings: Any) -> Any:
    return (
        MarkQuality()(trial(signals, **settings)).signals
        if step is None
        else step(trial(signals, **settings)).signals
    )


class TestWorn:
    @pytest.mark.parametrize("seed", range(4))
    def test_a_worn_band_stays_clean(self, seed: int) -> None:
        for name, marked in mark(band(seed=seed)).items():
            assert not marked.flags.any(), name

    def test_a_band_in_a_drawer_is_off_all_along(self) -> None:
        signals = band(off=(-3600, 7200), warmth=ROOM)
        for name, marked in mark(signals).items():
            assert has(marked, Flag.OFF_BODY).all(), name

    def test_a_knock_on_the_drawer_now_and_then_changes_nothing(self) -> None:
        signals = band(off=(-3600, 7200), warmth=ROOM)
        acc = signals["acc"]
        knock = (np.abs(acc.times % 60 - 26.5) < 1.5) * np.random.default_rng(0).normal(size=acc.data.shape)
        marked = mark(signals | {"acc": replace(acc, data=acc.data + knock)})
        assert has(marked["temperature"], Flag.OFF_BODY).all()

    @pytest.mark.parametrize("left_out", ["eda", "temperature", "acc"])
    def test_two_sensors_are_enough_in_a_drawer(self, left_out: str) -> None:
        signals = band(off=(-3600, 7200), warmth=ROOM)
        del signals[left_out]
        for name, marked in mark(signals).items():
            assert has(marked, Flag.OFF_BODY).all(), name

    @pytest.mark.parametrize("alone", ["temperature", "acc", "ppg"])
    def test_one_sensor_is_not_enough(self, alone: str) -> None:
        signals = band(off=(-3600, 7200), warmth=ROOM)
        assert not has(mark({alone: signals[alone]})[alone], Flag.OFF_BODY).any()

    @settings(max_examples=15)
    @given(st.integers(200, 700), st.integers(200, 400), st.integers(0, 3))
    def test_taken_off_for_a_while(self, begin: int, duration: int, seed: int) -> None:
        end = begin + duration
        for name, marked in mark(band(off=(begin, end), seed=seed)).items():
            is_off = has(marked, Flag.OFF_BODY)
            inside = (marked.times >= begin + 60) & (marked.times < end - 60)
            outside = (marked.times < begin - 10) | (marked.times >= end + 10)
            assert is_off[inside].all(), name
            assert not is_off[outside].any(), name

    def test_skin_conductance_at_zero_is_off_whatever_the_rest_says(self) -> None:
        signals = band()
        data = signals["eda"].data.copy()
        data[0, 1000:2200] = 0.0
        marked = mark(signals | {"eda": replace(signals["eda"], data=data)})
        assert has(marked["eda"], Flag.OFF_BODY)[1000:2200].all()
        assert not marked["ppg"].flags.any()

    def test_a_sleeper_with_dry_skin_is_warm_and_so_not_off(self) -> None:
        signals = band(off=(-3600, 7200))  # Still, at zero ...
        eda = replace(signals["eda"], data=signals["eda"].data + 0.03)
        warm = replace(signals["temperature"], data=np.full_like(signals["temperature"].data, 34.0))
        marked = mark(signals | {"eda": eda, "temperature": warm})
        for name, one in marked.items():
            assert not has(one, Flag.OFF_BODY).any(), name

    def test_a_chest_strap_goes_on_without_the_band(self) -> None:
        signals = band(off=(-3600, 7200), warmth=ROOM)
        times = np.arange(1200 * 250) / 250
        ecg = signal("ecg", 1e-3 * np.sin(2 * np.pi * 1.2 * times), 250.0, "V")
        assert not mark(signals | {"ecg": ecg})["ecg"].flags.any()


class TestSettling:
    def test_the_beginning_is_known_by_what_has_elapsed(self) -> None:
        signals = band()
        marked = mark(signals, elapsed=0.0)
        assert_array_equal(np.flatnonzero(has(marked["eda"], Flag.SETTLING)), np.arange(240))
        assert_array_equal(np.flatnonzero(has(marked["ppg"], Flag.SETTLING)), np.arange(320))
        assert not has(marked["acc"], Flag.SETTLING).any()
        later = mark(signals, elapsed=50.0)
        assert_array_equal(np.flatnonzero(has(later["eda"], Flag.SETTLING)), np.arange(40))
        for elapsed in (None, 60.0):
            assert not has(mark(signals, elapsed=elapsed)["eda"], Flag.SETTLING).any()

    def test_after_the_band_was_put_on_again(self) -> None:
        marked = mark(band(off=(200, 600)))
        times = marked["eda"].times[has(marked["eda"], Flag.SETTLING)]
        assert times[0] == pytest.approx(600, abs=2)
        assert times[-1] == pytest.approx(660, abs=2)
        skin = marked["temperature"]
        times = skin.times[has(skin, Flag.SETTLING)]
        # (33 - 22) (1 - exp(-400/120)) exp(-t/120) (1 - exp(-60/120)) = 0.3
        expected = 120 * np.log(11 * (1 - np.exp(-400 / 120)) * (1 - np.exp(-0.5)) / 0.3)
        assert times[0] == pytest.approx(600, abs=2)
        assert times[-1] == pytest.approx(600 + expected, abs=20)

    def test_a_cold_sensor_warms_up(self) -> None:
        times = np.arange(4800) / 4
        skin = signal("temperature", SKIN - 8 * np.exp(-times / 150), 4.0, "degC")
        settled = 150 * np.log(8 * (1 - np.exp(-60 / 150)) / 0.3)
        for elapsed in (0.0, 100.0):
            found = np.flatnonzero(
                has(mark({"temperature": skin}, elapsed=elapsed)["temperature"], Flag.SETTLING)
            )
            assert_array_equal(found, np.arange(np.ceil(settled * 4)))
        never = replace(MarkQuality(), temperature=TemperatureRules(settled=None))
        assert not mark({"temperature": skin}, never, elapsed=0.0)["temperature"].flags.any()


class TestClocks:
    @settings(max_examples=25)
    @given(
        st.floats(-30, 30),
        st.floats(-30, 30),
        st.sampled_from([25.0, 32.0, 52.0]),
        st.sampled_from([4.0, 15.0, 64.0, 100.0]),
    )
    def test_movement_is_mapped_in_time(
        self, acc_start: float, start: float, acc_rate: float, rate: float
    ) -> None:
        times = acc_start + np.arange(round(120 * acc_rate)) / acc_rate
        is_shaken = (times >= acc_start + 50) & (times < acc_start + 60)
        acc = np.zeros((3, len(times)))
        acc[0] = np.where(is_shaken, 2 * np.sin(2 * np.pi * 5 * times), 0.001 * np.cos(times))
        rng = np.random.default_rng(0)
        ppg = signal("ppg", rng.normal(size=round(100 * rate)), rate, "au", start)
        marked = mark({"acc": signal("acc", acc, acc_rate, "g", acc_start), "ppg": ppg})["ppg"]
        is_moving = has(marked, Flag.MOTION)
        begin, end = acc_start + 50, acc_start + 60
        inside = (marked.times >= begin + 0.1) & (marked.times < end - 0.1)
        outside = (marked.times < begin - 1.7) | (marked.times > end + 1.7)
        assert is_moving[inside].all()
        assert not is_moving[outside].any()

    def test_where_acceleration_does_not_reach_nothing_is_said(self) -> None:
        acc = signal("acc", 3 * np.random.default_rng(0).normal(size=(3, 320)), 32.0, "g", 5.0)
        ppg = signal("ppg", np.random.default_rng(1).normal(size=64 * 30), 64.0, "au")
        times = ppg.times[has(mark({"acc": acc, "ppg": ppg})["ppg"], Flag.MOTION)]
        assert times[0] == pytest.approx(5, abs=1 / 32)
        assert times[-1] == pytest.approx(15, abs=1 / 32)

    @settings(max_examples=20)
    @given(
        st.integers(0, 1500),
        st.integers(1, 300),
        st.booleans(),
        st.sampled_from([MarkQuality(), MarkQuality.quick()]),
    )
    def test_pieces_get_the_same_flags_as_the_whole(
        self, first: int, length: int, is_known: bool, step: MarkQuality
    ) -> None:
        signals = band(1800, off=(500, 900), seed=1)
        data = signals["eda"].data.copy()
        data[0, 5000:5008] += 3
        data[0, 6000:6010] = np.nan
        signals["eda"] = replace(signals["eda"], data=data)
        elapsed = 0.0 if is_known else None
        whole = mark(signals, step, elapsed=elapsed)
        before, after = step.context
        piece = {name: one.crop(first - before, first + length + after) for name, one in signals.items()}
        for name, marked in mark(piece, step, elapsed=elapsed).items():
            inner, expected = (one.crop(first, first + length) for one in (marked, whole[name]))
            assert_array_equal(inner.flags, expected.flags, err_msg=name)


class TestStep:
    def test_samples_stay_and_flags_join(self) -> None:
        signals = band(300)
        old = np.zeros(signals["eda"].n_times, np.uint8)
        old[7] = Flag.CLIPPED
        signals["eda"] = replace(signals["eda"], flags=old)
        before = {name: one.data.copy() for name, one in signals.items()}
        once = mark(signals, elapsed=0.0)
        for name, one in once.items():
            assert_array_equal(one.data, before[name])
        assert once["eda"].flags[7] == Flag.CLIPPED | Flag.SETTLING
        assert not signals["eda"].flags[8:].any()
        twice = mark(once, elapsed=0.0)
        for name, one in twice.items():
            assert_array_equal(one.flags, once[name].flags)

    def test_what_it_does_not_know_is_left_alone(self) -> None:
        rng = np.random.default_rng(0)
        ibi = Events(times=np.arange(5.0), values=np.ones(5), kind="ibi")
        signals = {
            "eeg": signal("eeg", 100 * rng.normal(size=(2, 100)), 100.0, "V"),
            "ibi": ibi,
            "empty": signal("eda", np.empty((1, 0)), 4.0, "uS"),
        }
        marked = mark(signals)
        assert all(marked[name] is signals[name] for name in signals)

    def test_another_unit_is_only_looked_through_for_gaps(self) -> None:
        raw = np.full(400, 2000.0)
        raw[5] = np.nan
        marked = mark(
            {"eda": signal("eda", raw, 4.0, "au"), "temperature": signal("temperature", raw, 4.0, "au")}
        )
        for one in marked.values():
            assert_array_equal(np.flatnonzero(one.flags), [5])
            assert one.flags[5] == Flag.GAP

    def test_any_channel_counts(self) -> None:
        data = np.tile(np.linspace(1, 2, 400), (2, 1))
        data[1, 200:] = -1.0
        assert has(mark({"eda": signal("eda", data, 4.0, "uS")})["eda"], Flag.OUT_OF_RANGE)[200:].all()

    def test_the_baseline_is_marked_too(self) -> None:
        eda = signal("eda", np.zeros(400), 4.0, "uS")
        marked = MarkQuality()(trial({"eda": eda}, baseline={"eda": eda}, elapsed=0.0))
        assert marked.baseline is not None
        assert has(marked.baseline["eda"], Flag.OFF_BODY).all()
        assert not has(marked.baseline["eda"], Flag.SETTLING).any()

    def test_heart_rates(self) -> None:
        hr = signal("hr", [60.0, 25.0, 225.0, 100.0], 1.0, "bpm")
        assert_array_equal(mark({"hr": hr})["hr"].flags, [0, Flag.OUT_OF_RANGE, Flag.OUT_OF_RANGE, 0])
        assert not mark({"hr": hr}, MarkQuality(heart_rate=None))["hr"].flags.any()

    def test_groups_can_be_switched_off(self) -> None:
        signals = band(off=(-3600, 7200), warmth=ROOM)
        data = signals["acc"].data.copy()
        data[:, 5000:6000] *= np.random.default_rng(0).normal(size=(3, 1000))
        signals["acc"] = replace(signals["acc"], data=data)
        none = MarkQuality(
            eda=None, temperature=None, waves=None, heart_rate=None, motion=None, off_body=None
        )
        assert not any(one.flags.any() for one in mark(signals, none, elapsed=0.0).values())
        moving = replace(none, motion=MotionRules(eda=None))
        marked = mark(signals, moving)
        assert has(marked["ppg"], Flag.MOTION).any()
        assert not marked["eda"].flags.any()

    def test_context_shrinks_with_what_is_switched_off(self) -> None:
        whole, none = (
            MarkQuality(),
            MarkQuality(eda=None, temperature=None, waves=None, motion=None, off_body=None),
        )
        assert none.context == (1, 1)
        assert whole.context[0] > replace(whole, off_body=None).context[0] > none.context[0]

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: MarkQuality(heart_rate=(200, 30)), "heart rates"),
            (lambda: OffBodyRules(share=0), "share above 0 and up to 1"),
            (lambda: OffBodyRules(cold_below=40), "cold_below < warm_above"),
            (lambda: OffBodyRules(shortest=0), "shortest above 0"),
        ],
    )
    def test_wrong_settings(self, make: Any, message: str) -> None:
        with pytest.raises(PhysioaffectError, match=message):
            make()

    def test_starts_that_do_not_belong_together(self) -> None:
        signals = {
            "eda": signal("eda", np.ones(40), 4.0, "uS"),
            "acc": signal("acc", np.ones((3, 40)), 4.0, "g", start=1.7e9),
        }
        with pytest.raises(PhysioaffectError, match="do not belong together"):
            mark(signals)

    def test_everything_is_a_setting_that_json_can_hold(self) -> None:
        step = MarkQuality(eda=EDARules(temperature=(30.0, 40.0)), waves=WaveRules(clipped=False))
        assert hash(step) == hash(replace(step))


class TestTables:
    def made(self) -> Trial:
        flags = np.zeros(400, np.uint8)
        flags[40:80] = Flag.MOTION
        flags[60:100] |= np.uint8(Flag.OFF_BODY)
        data = np.ones(400)
        data[200:210] = np.nan
        eda = replace(signal("eda", data, 4.0, "uS", start=10.0), flags=flags)
        return trial(
            {
                "eda": eda,
                "hr": signal("hr", np.full(100, 60.0), 1.0, "bpm"),
                "ibi": Events(times=np.arange(3.0), values=np.ones(3), kind="ibi"),
            }
        )

    def test_by_hand(self) -> None:
        table = quality_table(self.made(), Intervals(np.array([10.0, 20.0, 30.0, 60.0, 105.0]), 10.0))
        assert dict(table.sizes) == {"window": 5, "signal": 2, "reason": len(REASONS)}
        eda = table.sel(signal="eda")
        assert_allclose(eda.coverage, [1, 0, 0.5, 0.75, 0.5])
        assert_allclose(eda.share.sel(reason="motion"), [0, 1, 0, 0, 0])
        assert_allclose(eda.share.sel(reason="off_body"), [0, 0.5, 0.5, 0, 0])
        assert_allclose(eda.share.sel(reason="gap"), [0, 0, 0, 0.25, 0.5])
        assert_allclose(table.coverage.sel(signal="hr"), [1, 1, 1, 1, 0])
        assert_allclose(table.share.sel(signal="hr", reason="gap"), [0, 0, 0, 0, 1])

    @settings(max_examples=20)
    @given(st.integers(0, 1000), st.floats(-20, 100), st.floats(0.5, 60))
    def test_what_is_not_covered_has_a_reason(self, seed: int, start: float, duration: float) -> None:
        rng = np.random.default_rng(seed)
        flags = np.where(rng.random(400) < 0.3, rng.integers(1, 128, 400), 0).astype(np.uint8)
        eda = replace(signal("eda", np.where(rng.random(400) < 0.1, np.nan, 1.0), 4.0, "uS"), flags=flags)
        table = quality_table(trial({"eda": eda}), Intervals(np.array([start]), duration))
        lost = 1 - table.coverage.values[0, 0]
        shares = table.share.values[0, 0]
        assert shares.max() - 1e-9 <= lost <= shares.sum() + 1e-9

    def test_some_signals_and_none(self) -> None:
        made, windows = self.made(), Intervals(np.array([10.0]), 10.0)
        assert list(quality_table(made, windows, signals=["hr"]).signal) == ["hr"]
        assert quality_table(made, Intervals(np.empty(0), 10.0)).coverage.shape == (0, 2)
        with pytest.raises(DataError, match="no signal 'ppg'"):
            quality_table(made, windows, signals=["ppg"])

    def test_summary_by_hand(self) -> None:
        eda, hr = quality_summary(self.made())
        assert (eda.name, eda.kind, eda.unit, eda.sfreq, eda.duration) == ("eda", "eda", "uS", 4.0, 100.0)
        assert eda.coverage == pytest.approx(1 - 60 / 400 - 10 / 400)
        assert eda.shares == {
            reason: {"motion": 0.1, "off_body": 0.1, "gap": 0.025}.get(reason, 0.0) for reason in REASONS
        }
        assert eda.longest_good == 190 / 4
        assert hr.coverage == 1
        assert hr.notes == ()

    def test_an_empty_signal(self) -> None:
        (empty,) = quality_summary(trial({"eda": signal("eda", np.empty((1, 0)), 4.0, "uS")}))
        assert np.isnan(empty.coverage)
        assert empty.longest_good == 0

    @pytest.mark.parametrize(
        ("kind", "value", "unit", "note"),
        [
            ("eda", 850.0, "uS", "If it is in nS, multiply by 0.001; if it is resistance in kOhm"),
            ("eda", 2e-6, "uS", "If it is in S, multiply by 1e6"),
            ("eda", -3.0, "uS", "conductance is not negative"),
            ("eda", 5.0, "au", "the rules in uS were not applied"),
            ("temperature", 92.0, "degC", "Fahrenheit"),
            ("temperature", 306.0, "degC", "Kelvin"),
            ("acc", 9.81, "g", "divide by 9.80665"),
            ("acc", 64.0, "g", "Empatica E4, divide by 64"),
            ("hr", 1.0, "Hz", "the rules in bpm were not applied"),
        ],
    )
    def test_absurd_units_are_noted(self, kind: str, value: float, unit: str, note: str) -> None:
        data = np.zeros((3 if kind == "acc" else 1, 100))
        data[-1] = value
        (found,) = unit_notes(signal(kind, data, 4.0, unit))
        assert note in found

    @pytest.mark.parametrize(
        ("kind", "value", "unit"),
        [
            ("eda", 0.0, "uS"),
            ("eda", 2.0, "uS"),
            ("temperature", 33.0, "degC"),
            ("ppg", 1e6, "au"),
            ("eda", np.nan, "uS"),
        ],
    )
    def test_sane_ones_are_not(self, kind: str, value: float, unit: str) -> None:
        assert unit_notes(signal(kind, np.full(100, value), 4.0, unit)) == ()
