"""Skin conductance: artefacts are found where they were planted, and responses are left alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Flag
from physioaffect.signals.quality import (
    EDARules,
    boettcher,
    eda_flags,
    impossible_changes,
    kleckner,
    open_circuit,
)

RATES = (4.0, 16.0, 100.0)


def response(times: np.ndarray, onset: float, rise: float, decay: float) -> np.ndarray:
    """Bateman function of height 1."""
    since = np.maximum(times - onset, 0)
    peak = np.log(decay / rise) * rise * decay / (decay - rise)
    height = np.exp(-peak / decay) - np.exp(-peak / rise)
    return np.asarray((np.exp(-since / decay) - np.exp(-since / rise)) / height)


def people(seed: int, sfreq: float = 4.0, duration: float = 900.0) -> np.ndarray:
    """Tonic drift, responses of all shapes, and the noise of a wristband with its steps of 0.0013 uS."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration * sfreq)) / sfreq
    level = rng.uniform(0.2, 8) * (1 + 0.3 * np.sin(2 * np.pi * times / 600 + rng.uniform(0, 6)))
    for onset in np.cumsum(rng.exponential(12, size=int(duration / 12))):
        height = min(np.exp(rng.normal(-1.5, 1)), 5)
        level += height * response(times, onset, rng.uniform(0.5, 1.5), rng.uniform(2, 8))
    step = 0.00128
    return np.round((level + rng.normal(scale=0.003, size=len(times))) / step) * step


BUMPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "box": np.ones_like,
    "hann": lambda u: np.sin(np.pi * u) ** 2,
    "half_sine": lambda u: np.sin(np.pi * u),
    "triangle": lambda u: 1 - np.abs(2 * u - 1),
}


def bump(times: np.ndarray, onset: float, name: str, duration: float = 2.0) -> np.ndarray:
    u = (times - onset) / duration
    return np.where((u >= 0) & (u < 1), BUMPS[name](np.clip(u, 0, 1)), 0.0)


def flagged(flags: np.ndarray, flag: Flag) -> np.ndarray:
    return (flags & flag) > 0


class TestResponses:
    @pytest.mark.parametrize("rise", [0.5, 0.75, 1.0, 1.5])
    @pytest.mark.parametrize("decay", [2.0, 3.0, 4.0, 6.0, 8.0])
    def test_none_is_marked_however_large(self, rise: float, decay: float) -> None:
        times = np.arange(0, 180, 0.25)
        for height in (0.1, 0.5, 1, 3, 5, 10, 20):
            for level in (0.1, 2.0, 10.0):
                for late in (0.0, 0.1, 0.2):  # Between the samples, too.
                    eda = level + height * response(times, 60 + late, rise, decay)
                    assert not impossible_changes(eda, sfreq=4.0).any(), (height, level, late)

    @pytest.mark.parametrize("sfreq", RATES)
    def test_trains_of_them_stay_clean(self, sfreq: float) -> None:
        # The rate of false alarms on three quarters of an hour, as stated in the report: none.
        share = [np.mean(eda_flags(people(seed, sfreq), sfreq=sfreq) > 0) for seed in range(3)]
        assert share == [0, 0, 0]

    def test_the_largest_share_lost_in_a_second_is_that_of_the_docstring(self) -> None:
        times = np.arange(0, 60, 0.01)
        lost = []
        for rise in (0.5, 1.0, 1.5):
            x = response(times, 0.0, rise, 2.0)
            lost.append(((x[1:-100] - x[101:]) / x[1:-100]).max())
        assert max(lost) == pytest.approx(1 - np.exp(-1 / 2), abs=1e-3)

    def test_the_steepest_quarter_is_that_of_the_docstring(self) -> None:
        times = np.arange(0, 60, 0.001)
        x = response(times, 0.0, 0.5, 2.0)
        assert (x[250:] - x[:-250]).max() == pytest.approx(0.58, abs=0.005)


class TestBumps:
    @settings(max_examples=60)
    @given(
        st.sampled_from(sorted(BUMPS)),
        st.sampled_from([2.0, 5.0, 10.0]),
        st.floats(50, 80),
        st.floats(0.1, 5),
        st.sampled_from(RATES),
    )
    def test_each_is_masked_from_its_beginning_to_its_end(
        self, name: str, height: float, onset: float, level: float, sfreq: float
    ) -> None:
        times = np.arange(round(150 * sfreq)) / sfreq
        # A drift, so that nothing is flat.
        flags = eda_flags(level + times / 1000 + height * bump(times, onset, name), sfreq=sfreq)
        inside = (times >= onset) & (times < onset + 2)
        assert flagged(flags, Flag.MOTION)[inside].all()
        far = (times < onset - 7) | (times > onset + 9)
        assert not flags[far].any()

    def test_a_response_of_the_same_height_and_place_is_not(self) -> None:
        times = np.arange(0, 150, 0.25)
        level = 1 + times / 1000
        assert not eda_flags(level + 5 * response(times, 60, 0.75, 4), sfreq=4.0).any()
        assert eda_flags(level + 5 * bump(times, 60, "hann"), sfreq=4.0).any()

    @pytest.mark.parametrize("drop", [0.5, 0.9, 3.0])
    def test_a_drop_is_masked_and_so_is_the_way_back(self, drop: float) -> None:
        eda = np.full(600, 4.0)
        eda[300:380] -= drop  # For 20 s, so that the two are separate.
        found = flagged(eda_flags(eda, sfreq=4.0), Flag.MOTION)
        assert found[280:320].all()
        assert found[360:400].all()
        assert not found[:275].any()
        assert not found[330:350].any()
        assert not found[410:].any()

    def test_noise_below_the_floor_is_not(self) -> None:
        rng = np.random.default_rng(0)
        eda = 2 + rng.uniform(-0.05, 0.05, size=2000)  # Peak to peak 0.1 = 0.05 + 3 % of 1.7 at least.
        assert not impossible_changes(eda, sfreq=4.0).any()

    def test_below_four_hertz_there_are_falls_and_no_jumps(self) -> None:
        eda = np.full(100, 1.0)
        eda[50:] = 3.0
        assert not impossible_changes(eda, sfreq=1.0).any()
        assert impossible_changes(eda[::-1], sfreq=1.0).any()


class TestPublishedRules:
    def test_kleckner_by_hand(self) -> None:
        eda = np.full(400, 1.0)
        eda[100] = 0.049
        eda[300] = 61.0
        expected = np.zeros(400, bool)
        expected[80:121] = True
        expected[299 - 20 : 301 + 21] = True  # The jumps to and from 61 uS are too fast as well.
        assert_array_equal(kleckner(eda, sfreq=4.0), expected)

    @pytest.mark.parametrize(("change", "is_found"), [(2.49, False), (2.51, True), (-2.51, True)])
    def test_kleckner_slope_is_ten_microsiemens_a_second(self, change: float, is_found: bool) -> None:
        eda = np.full(200, 5.0)
        eda[100:] += change
        assert kleckner(eda, sfreq=4.0).any() == is_found

    def test_kleckner_temperature_is_asked_for(self) -> None:
        eda, temperature = np.full(200, 1.0), np.full(200, 33.0)
        temperature[100] = 29.9
        assert not kleckner(eda, sfreq=4.0).any()
        assert_array_equal(
            np.flatnonzero(kleckner(eda, sfreq=4.0, temperature=temperature))[[0, -1]], [80, 120]
        )

    def test_boettcher_by_hand(self) -> None:
        eda = np.full(200, 1.0)
        eda[100:] = 0.81  # 19 % of the highest value.
        assert not boettcher(eda, sfreq=4.0).any()
        eda[100:] = 0.79
        assert_array_equal(np.flatnonzero(boettcher(eda, sfreq=4.0))[[0, -1]], [96, 103])
        assert boettcher(np.full(50, 0.049), sfreq=4.0).all()

    def test_boettcher_takes_responses_of_dry_skin(self) -> None:
        times = np.arange(0, 60, 0.25)
        eda = 0.3 + times / 10_000 + 0.15 * response(times, 30, 0.75, 4)
        assert boettcher(eda, sfreq=4.0).any()
        assert not eda_flags(eda, sfreq=4.0).any()
        assert flagged(eda_flags(eda, sfreq=4.0, rules=EDARules(boettcher=True)), Flag.OUT_OF_RANGE).any()


class TestReasons:
    def test_each_kind_has_its_own(self) -> None:
        eda = people(1, duration=1200)
        eda[1000:2200] = 0.0  # Five minutes off.
        eda[3000:3060] = 80.0
        eda[4000:] += eda[3999] - eda[4099]  # It goes on from where it stood still.
        eda[4000:4100] = eda[3999]
        eda[4500:4503] = np.nan
        flags = eda_flags(eda, sfreq=4.0)
        assert flagged(flags, Flag.OFF_BODY)[1000:2200].all()
        assert flagged(flags, Flag.OUT_OF_RANGE)[1000:2200].all()
        assert flagged(flags, Flag.OUT_OF_RANGE)[3000:3060].all()
        assert flagged(flags, Flag.FLAT)[4000:4100].all()
        assert_array_equal(np.flatnonzero(flagged(flags, Flag.GAP)), [4500, 4501, 4502])
        assert not flags[:970].any()
        assert not flags[2230:2970].any()
        assert not flags[3090:3990].any()
        assert not flags[4110:4500].any()
        assert not flags[4503:].any()

    def test_a_gap_hides_nothing_beside_it(self) -> None:
        eda = np.full(400, 1.0)
        eda[200:] = 0.4
        eda[190:200] = np.nan
        assert not flagged(eda_flags(eda, sfreq=4.0), Flag.MOTION).any()  # Nobody saw how fast it fell.
        eda[195:200] = 1.0
        assert flagged(eda_flags(eda, sfreq=4.0), Flag.MOTION)[195:210].all()

    def test_poor_contact_is_out_of_range_and_an_open_circuit_off_the_body(self) -> None:
        rng = np.random.default_rng(0)
        dry = 0.025 + 0.002 * rng.normal(size=1000)
        assert set(eda_flags(dry, sfreq=4.0)) == {Flag.OUT_OF_RANGE}
        assert flagged(eda_flags(0.001 * rng.normal(size=1000), sfreq=4.0), Flag.OFF_BODY).all()

    def test_an_open_circuit_lasts(self) -> None:
        eda = np.full(400, 1.0)
        eda[100:139] = 0.0
        assert not open_circuit(eda, sfreq=4.0).any()
        eda[139] = -0.005
        assert_array_equal(np.flatnonzero(open_circuit(eda, sfreq=4.0)), np.arange(100, 140))

    @pytest.mark.parametrize(
        ("rule", "eda"),
        [
            ({"lowest": 0.05}, np.linspace(0.02, 0.04, 200)),
            ({"highest": 60.0}, np.linspace(70, 80, 200)),
            ({"flat_s": 10.0}, np.full(200, 1.0)),
            ({"open_s": 10.0}, np.zeros(200)),
            ({"impossible": True}, np.append(np.full(200, 2.0), np.full(200, 1.0))),
            ({"steepest": 10.0}, np.append(np.full(200, 2.0), np.full(200, 5.0))),
            ({"boettcher": True}, np.append(np.full(200, 2.0), np.full(200, 1.5))),
        ],
    )
    def test_each_rule_works_alone_and_can_be_switched_off(
        self, rule: dict[str, Any], eda: np.ndarray
    ) -> None:
        none = EDARules(lowest=None, highest=None, flat_s=None, open_s=None, impossible=False, steepest=None)
        assert eda_flags(eda, sfreq=4.0, rules=replace(none, **rule)).any()
        assert not eda_flags(eda, sfreq=4.0, rules=none).any()

    def test_the_rule_on_temperature(self) -> None:
        eda, skin = people(2), np.full(3600, 33.0)
        skin[1000:1100] = 25.0
        rules = EDARules(temperature=(30, 40))
        found = eda_flags(eda, sfreq=4.0, rules=rules, temperature=skin)
        assert_array_equal(np.flatnonzero(found), np.arange(980, 1120))
        assert not eda_flags(eda, sfreq=4.0, temperature=skin).any()


class TestFacts:
    @settings(max_examples=20)
    @given(st.integers(0, 100), st.integers(0, 1500), st.integers(1, 1500))
    def test_pieces_get_the_same_flags_as_the_whole(self, seed: int, first: int, length: int) -> None:
        rng = np.random.default_rng(seed)
        eda = people(seed % 7, duration=1000)
        for place in rng.integers(0, 3900, size=12):
            eda[place : place + rng.integers(1, 90)] += rng.uniform(-3, 3)
        eda[rng.integers(0, 4000, size=5)] = np.nan
        before, after = EDARules().context
        start, stop = first, first + length
        low, high = max(0, start - int(before * 4)), min(len(eda), stop + int(after * 4))
        piece = eda_flags(eda[low:high], sfreq=4.0)
        assert_array_equal(piece[start - low : stop - low], eda_flags(eda, sfreq=4.0)[start:stop])

    @settings(max_examples=20)
    @given(st.integers(0, 6), st.integers(0, 200))
    def test_a_shift_in_time_shifts_the_flags(self, seed: int, shift: int) -> None:
        eda = people(seed, duration=300)
        eda[600:606] += 2
        moved = np.append(np.full(shift, eda[0]), eda)
        rules = EDARules(flat_s=None)
        assert_array_equal(
            eda_flags(moved, sfreq=4.0, rules=rules)[shift + 300 :],
            eda_flags(eda, sfreq=4.0, rules=rules)[300:],
        )

    @settings(max_examples=30)
    @given(st.integers(0, 1000), st.floats(1, 20))
    def test_what_is_impossible_stays_so_when_it_grows(self, seed: int, factor: float) -> None:
        # The floor is the only absolute figure: a larger signal of the same shape has nothing less marked.
        eda = 1 + np.abs(np.cumsum(np.random.default_rng(seed).normal(scale=0.05, size=300)))
        small, large = (impossible_changes(x, sfreq=4.0) for x in (eda, factor * eda))
        assert not (small & ~large).any()

    def test_leading_axes_are_free(self) -> None:
        rows = np.stack([people(seed) for seed in range(4)]).reshape(2, 2, -1)
        rows[0, 1, 500:508] += 3
        for rule in (kleckner, boettcher, impossible_changes, open_circuit):
            whole = rule(rows, sfreq=4.0)
            assert whole.shape == rows.shape
            assert_array_equal(whole[0, 1], rule(rows[0, 1], sfreq=4.0))

    @pytest.mark.parametrize("n_times", [0, 1, 2, 3, 7])
    def test_short_signals(self, n_times: int) -> None:
        assert eda_flags(np.full(n_times, 1.0), sfreq=4.0).shape == (n_times,)

    def test_nothing_but_gaps(self) -> None:
        assert_array_equal(eda_flags(np.full(100, np.nan), sfreq=4.0), np.uint8(Flag.GAP))


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"lowest": 70.0}, "lowest < highest, got 70"),
            ({"steepest": 0.0}, "steepest above 0 or None, got 0"),
            ({"open_s": -1.0}, "open_s above 0 or None"),
            ({"flat_s": 0.0}, "flat_s above 0 or None"),
            ({"around": -1.0}, "around and settling_s of 0 s or more"),
            ({"temperature": (40.0, 30.0)}, "temperature range"),
        ],
    )
    def test_wrong_ones_are_refused(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(PhysioaffectError, match=message):
            EDARules(**settings)

    def test_one_channel_at_a_time(self) -> None:
        with pytest.raises(ValueError, match=r"got shape \(1, 10\)\. Pass one channel"):
            eda_flags(np.ones((1, 10)), sfreq=4.0)

    @pytest.mark.parametrize("sfreq", [0.0, -4.0, np.nan])
    def test_a_rate_is_above_zero(self, sfreq: float) -> None:
        with pytest.raises(ValueError, match="sfreq must be above 0"):
            impossible_changes(np.ones(10), sfreq=sfreq)
