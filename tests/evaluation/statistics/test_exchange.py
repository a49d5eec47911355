"""What may be permuted, how many ways there are, and what is said of it."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.statistics import exchange_of, level_for, permuted_labels


def coords_of(labels: Sequence[Sequence[object]], *, n_windows: int = 2) -> pd.DataFrame:
    """One list of labels a person; stimuli and order are the trial's number."""
    rows = [
        (f"S{s}", str(t), t, label)
        for s, own in enumerate(labels)
        for t, label in enumerate(own)
        for _ in range(n_windows)
    ]
    frame = pd.DataFrame(rows, columns=["subject", "trial", "order", "target"])
    return frame.assign(dataset="made", session="1", stimulus=frame["trial"])


class TestTrialWithinSubject:
    def test_each_persons_labels_are_kept_and_a_trials_windows_agree(self):
        coords = coords_of([[*"aabbb"], [*"abcca"], [*"cbb"]])
        for labels in permuted_labels(coords, "rating", 50, seed=1):
            permuted = coords.assign(target=labels)
            assert (permuted.groupby(["subject", "trial"])["target"].nunique() == 1).all()
            for name, own in permuted.groupby("subject"):
                before = coords.loc[coords["subject"] == name, "target"]
                assert sorted(own["target"]) == sorted(before)

    def test_every_relabelling_is_as_frequent(self):
        labels = permuted_labels(coords_of([[*"aabb"]], n_windows=1), "rating", 6000, seed=0)
        counts = np.unique(labels, axis=0, return_counts=True)[1]
        assert len(counts) == 6
        # Binomial with SD 29.
        assert np.abs(counts - 1000).max() < 4 * 29

    @settings(max_examples=25)
    @given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), min_size=1, max_size=4))
    def test_the_number_of_relabellings_is_multinomial(self, labels):
        exchange = exchange_of(coords_of(labels), "rating", level="trial")
        expected = math.prod(
            math.factorial(len(own)) // math.prod(math.factorial(own.count(x)) for x in set(own))
            for own in labels
        )
        assert exchange.n_distinct == expected
        assert exchange.n_subjects == sum(len(set(own)) > 1 for own in labels)

    def test_the_same_seed_draws_the_same(self):
        coords = coords_of([[*"aabb"], [*"abab"]])
        one, other = (permuted_labels(coords, "condition", 20, seed=3) for _ in range(2))
        assert (one == other).all()
        assert (one != permuted_labels(coords, "condition", 20, seed=4)).any()

    def test_labels_stay_within_a_session(self):
        coords = coords_of([[*"aaab"], [*"abbb"]])
        coords["session"] = np.where(coords["order"] < 2, "1", "2")
        exchange = exchange_of(coords, "rating")
        assert exchange.name == "trial within session of a subject"
        assert exchange.n_distinct == 4

    def test_numbers_are_permuted_likewise(self):
        coords = coords_of([[1.0, 2.5, 2.5, 4.0]])
        assert exchange_of(coords, "rating").n_distinct == 12
        assert sorted(permuted_labels(coords, "rating", 1)[0][::2]) == [1.0, 2.5, 2.5, 4.0]

    def test_people_with_constant_labels_stay_and_are_counted(self):
        exchange = exchange_of(coords_of([[*"aab"], [*"aaa"], [*"bbb"]]), "rating")
        assert exchange.n_subjects == 1
        assert "could be permuted for 1 of 3 people" in exchange.tests

    def test_a_small_number_of_relabellings_is_stated(self):
        assert "Only 2 relabellings differ, so p can hardly fall below 0.5." in (
            exchange_of(coords_of([[*"ab"]]), "rating").tests
        )

    def test_a_great_number_is_infinite(self):
        assert exchange_of(coords_of([[*"abababab"]] * 20), "rating").n_distinct == math.inf


class TestStimulusMap:
    """SEED: 15 clips, five of each class, alike for everyone."""

    labels = list("nopnopnopnopnop")  # noqa: RUF012  Nobody changes it.

    def test_the_map_is_the_same_for_everyone(self):
        coords = coords_of([self.labels] * 4)
        for labels in permuted_labels(coords, "stimulus", 20):
            assert (coords.assign(target=labels).groupby("stimulus")["target"].nunique() == 1).all()

    def test_its_number_is_that_of_the_clips_however_many_people(self):
        for n_people in (1, 4):
            exchange = exchange_of(coords_of([self.labels] * n_people), "stimulus")
            assert exchange.n_distinct == math.factorial(15) / math.factorial(5) ** 3
            assert "756,756 maps differ" in exchange.tests

    def test_clips_of_a_session_stay_in_it(self):
        coords = coords_of([[*"aabb", *"abbb"]] * 3)
        coords["session"] = np.where(coords["order"] < 4, "1", "2")
        assert exchange_of(coords, "stimulus").n_distinct == 6 * 4

    def test_clips_met_in_every_session_have_one_map(self):
        once = coords_of([[*"aabb"]] * 3)
        coords = pd.concat([once, once.assign(session="2", trial="9" + once["trial"])], ignore_index=True)
        assert exchange_of(coords, "stimulus").n_distinct == 6
        for labels in permuted_labels(coords, "stimulus", 20):
            assert (coords.assign(target=labels).groupby("stimulus")["target"].nunique() == 1).all()

    def test_a_stimulus_with_two_labels_is_an_error(self):
        with pytest.raises(DataError, match="Stimulus 1 has more than one label"):
            exchange_of(coords_of([[*"ab"], [*"aa"]]), "stimulus")


class TestAllRatingsOfAStimulus:
    def test_what_people_agree_on_is_kept(self):
        coords = coords_of([[*"aabb"], [*"abbb"], [*"aabb"]])
        before = {tuple(own["target"]) for _, own in coords.groupby("stimulus")}
        for labels in permuted_labels(coords, "rating", 20, level="stimulus"):
            assert {
                tuple(own["target"]) for _, own in coords.assign(target=labels).groupby("stimulus")
            } == before

    def test_stimuli_with_the_same_ratings_count_once(self):
        coords = coords_of([[*"aabb"], [*"abbb"], [*"aabb"]])
        assert exchange_of(coords, "rating", level="stimulus").n_distinct == 12

    def test_only_stimuli_that_the_same_people_met_change_places(self):
        coords = coords_of([[*"abab"], [*"abab"]])
        coords = coords[(coords["subject"] == "S0") | (coords["order"] < 2)].reset_index(drop=True)
        assert exchange_of(coords, "rating", level="stimulus").n_distinct == 4

    def test_it_is_what_a_claim_for_new_stimuli_asks_for(self):
        assert level_for(("subject", "stimulus"), "rating") == "stimulus"
        assert level_for(("subject",), "rating") is None

    def test_a_stimulus_met_twice_is_refused(self):
        coords = coords_of([[*"abab"]]).assign(stimulus="same")
        with pytest.raises(ProtocolError, match="occurs twice in a session"):
            exchange_of(coords, "rating", level="stimulus")


class TestAcrossPeople:
    def test_one_label_a_person_is_permuted_across_people(self):
        coords = coords_of([[*"aa"], [*"a"], [*"bb"], [*"bbb"]])
        exchange = exchange_of(coords, "rating")
        assert (exchange.level, exchange.n_distinct) == ("subject", 6)
        assert "people of different labels differ" in exchange.tests
        for labels in permuted_labels(coords, "rating", 20):
            assert (coords.assign(target=labels).groupby("subject")["target"].nunique() == 1).all()

    def test_it_is_refused_where_labels_vary_within_people(self):
        with pytest.raises(ProtocolError, match="trials have different labels"):
            exchange_of(coords_of([[*"ab"], [*"ab"]]), "rating", level="subject")


class TestFixedOrder:
    def test_the_same_condition_at_the_same_place_tests_condition_not_affect(self):
        tests = exchange_of(coords_of([["rest", "task"]] * 5), "condition").tests
        assert "it tests condition, not affect" in tests
        assert "order, elapsed time" in tests

    def test_another_order_in_one_person_is_not_fixed(self):
        tests = exchange_of(coords_of([["rest", "task"], ["task", "rest"]]), "condition").tests
        assert "not affect" not in tests

    def test_an_unknown_order_is_said_to_be_unknown(self):
        coords = coords_of([["rest", "task"]] * 5).drop(columns="order")
        assert "not known here" in exchange_of(coords, "condition").tests


class TestRefusals:
    @pytest.mark.parametrize("labels", [[[*"aaa"]], [[*"aa"], [*"aa"]], [["a"]]])
    def test_nothing_to_exchange(self, labels):
        assert exchange_of(coords_of(labels), "rating").n_distinct == 1
        with pytest.raises(ProtocolError, match="No test: there are no two"):
            permuted_labels(coords_of(labels), "rating", 10)

    def test_two_labels_in_a_trial(self):
        coords = coords_of([[*"ab"]])
        coords.loc[0, "target"] = "b"
        with pytest.raises(DataError, match="Windows of trial 0 of subject S0 have different labels"):
            exchange_of(coords, "rating")

    def test_missing_labels(self):
        coords = coords_of([[1.0, np.nan, 2.0]])
        with pytest.raises(DataError, match="2 of 6 windows have no label"):
            exchange_of(coords, "rating")

    def test_unknown_words(self):
        with pytest.raises(ValueError, match="source must be rating, condition or stimulus, got 'ratings'"):
            exchange_of(coords_of([[*"ab"]]), "ratings")
        with pytest.raises(ValueError, match="level must be trial, stimulus, subject or None, got 'window'"):
            exchange_of(coords_of([[*"ab"]]), "rating", level="window")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="n_permutations must be at least 1, got 0"):
            permuted_labels(coords_of([[*"ab"]]), "rating", 0)
