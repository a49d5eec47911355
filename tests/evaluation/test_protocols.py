"""What every protocol promises, on made-up studies."""

from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tables import VALENCE, feature_table

from physioaffect.data_set import Exclusion
from physioaffect.errors import ProtocolError
from physioaffect.evaluation import (
    PROTOCOLS,
    Fold,
    Protocol,
    get_protocol,
    loso,
    make_table,
    sharing,
    transductive,
)
from physioaffect.evaluation.protocols import within_subject_trial_kfold, within_subject_trial_loto
from physioaffect.evaluation.protocols.folds import codes


def coords_of(**sizes: int) -> pd.DataFrame:
    return make_table(feature_table(**sizes), VALENCE)[0].coords


@st.composite
def studies(draw: st.DrawFn) -> pd.DataFrame:
    """Two data sets, people with two or three sessions, trials of several windows, which may overlap."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_trials, n_stimuli = draw(st.integers(6, 7)), draw(st.integers(3, 6))
    step = draw(st.sampled_from([1.0, 2.0, 3.0]))
    is_fixed_by_stimulus = draw(st.booleans())
    rows = []
    for dataset in ("one", "two"):
        for subject in range(draw(st.integers(2, 3))):
            for session in range(draw(st.integers(2, 3))):
                order = rng.permutation(n_trials)
                for trial in range(n_trials):
                    stimulus = int(rng.integers(n_stimuli)) if trial >= 2 else trial
                    label = stimulus % 2 if is_fixed_by_stimulus else trial % 2
                    rows += [
                        {
                            "dataset": dataset,
                            "subject": f"S{subject}",
                            "session": str(session),
                            "trial": str(trial),
                            "stimulus": str(stimulus),
                            "condition": "",
                            "order": order[trial],
                            "window": window,
                            "start": step * window,
                            "duration": 2.0,
                            "target": ("low", "high")[label],
                        }
                        for window in range(int(rng.integers(5, 8)))
                    ]
    return pd.DataFrame(rows)


# The calibrated ones have test_calibrated.py.
UNCALIBRATED = [name for name, protocol in PROTOCOLS.items() if "calibration" not in protocol.grants]
NAMES = [
    *UNCALIBRATED,
    "loso_3fold",
    "loso_stimulus_2fold",
    "within_subject_trial_4fold",
    "front_back_4",
    "trial_blocks_2fold",
    "trial_chunk_2",
    "cross_session_transductive",
]
# The first trials of a session train there and are never tested.
HALF = [name for name in NAMES if name.startswith("front_back")]
# What is tested does not depend on chance.
FIXED = [
    "trial_chunk_5",
    "within_subject_trial_loto",
    "front_back",
    "trial_blocks_3fold",
    "cross_session",
    "cross_stimulus",
    "loso",
]


def folds_of(name: str | Protocol, coords: pd.DataFrame, seed: int = 0) -> list[Fold]:
    return list(get_protocol(name).split(coords, np.random.default_rng(seed)))


def touching(coords: pd.DataFrame, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two sets of rows share a moment of a trial, found pair by pair."""
    trials, start = codes(coords, "trial"), coords["start"].to_numpy()
    same = trials[one][:, None] == trials[other][None]
    near = np.abs(start[one][:, None] - start[other][None]) < 2.0 - 1e-9
    return bool((same & near).any())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6)
@given(coords=studies(), seed=st.integers(0, 2**32 - 1))
def test_what_is_held_out_is_on_one_side_only(name, coords, seed):
    protocol = get_protocol(name)
    for fold in folds_of(name, coords, seed):
        for level in protocol.levels:
            units = codes(coords, level)
            assert not set(units[fold.fitted_idx]) & set(units[fold.test_idx])
        roles = [fold.train_idx, fold.validation_idx, fold.gap_idx, fold.test_idx]
        assert len(np.unique(np.concatenate(roles))) == sum(map(len, roles))
        assert len(fold.train_idx)
        assert len(fold.test_idx)
        assert fold.fitted_idx.tolist() == sorted(np.concatenate(roles[:3]))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6)
@given(coords=studies(), seed=st.integers(0, 2**32 - 1))
def test_validation_is_cut_from_training_by_the_same_units(name, coords, seed):
    protocol = get_protocol(name)
    levels = {"cross_dataset": ("subject",)}.get(name, protocol.levels)
    for fold in folds_of(name, coords, seed):
        n_units = min(len(np.unique(codes(coords, level)[fold.fitted_idx])) for level in levels)
        # Of two units each may be the only one of its class. Of people and stimuli, too, a study that is not
        # crossed may have too few in common.
        is_excused = (
            n_units < 3 or len(levels) > 1 or name == "trial_chunk_2"
        )  # Half of each trial is one unit.
        assert len(fold.validation_idx) > 0 or is_excused
        for level in levels:
            units = codes(coords, level)
            assert not set(units[fold.train_idx]) & set(units[fold.validation_idx])
        assert fold.units is not None
        for column in fold.units.T:
            assert not set(column[fold.train_idx]) & set(column[fold.validation_idx])
        if name.startswith("trial_chunk"):
            assert not touching(coords, fold.train_idx, fold.validation_idx)
        elif len(levels) == 1:
            assert not len(fold.gap_idx)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HALF])
@settings(max_examples=6)
@given(coords=studies(), seed=st.integers(0, 2**32 - 1))
def test_every_window_is_tested_once(name, coords, seed):
    tested = [fold.test_idx for fold in folds_of(name, coords, seed)]
    assert sorted(np.concatenate(tested)) == list(range(len(coords)))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=5)
@given(coords=studies())
def test_the_same_seed_gives_the_same_folds(name, coords):
    first, second = (
        [[fold.name, fold.train_idx.tolist(), fold.test_idx.tolist()] for fold in folds_of(name, coords, 1)]
        for _ in range(2)
    )
    assert first == second
    assert len({fold[0] for fold in first}) == len(first)


def rows_by_name(name: str, coords: pd.DataFrame) -> dict[str, set[int]]:
    return {fold.name: set(coords["row"].iloc[fold.test_idx]) for fold in folds_of(name, coords)}


@pytest.mark.parametrize("name", [*FIXED, "cross_dataset"])
@settings(max_examples=10)
@given(coords=studies(), seed=st.integers(0, 2**32 - 1))
def test_what_is_tested_does_not_depend_on_the_order_of_rows(name, coords, seed):
    coords = coords.assign(row=np.arange(len(coords)))
    shuffled = coords.sample(frac=1, random_state=seed).reset_index(drop=True)
    one, other = rows_by_name(name, coords), rows_by_name(name, shuffled)
    if name.endswith("loto"):  # Its folds are numbered as trials come.
        assert {frozenset(rows) for rows in one.values()} == {frozenset(rows) for rows in other.values()}
    else:
        assert one == other


# What is random goes by the order in which units come, and the units of window_random are windows.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "window_random"])
@settings(max_examples=5)
@given(coords=studies(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_windows_within_trials_is_of_no_effect(name, coords, seed):
    coords = coords.assign(row=np.arange(len(coords)), unit=codes(coords, "trial"))
    rng = np.random.default_rng(seed)
    shuffled = coords.iloc[np.lexsort((rng.random(len(coords)), coords["unit"]))].reset_index(drop=True)
    for fold, other in zip(folds_of(name, coords), folds_of(name, shuffled), strict=True):
        for role in ("train_idx", "validation_idx", "gap_idx", "test_idx"):
            one, two = coords["row"].iloc[getattr(fold, role)], shuffled["row"].iloc[getattr(other, role)]
            assert set(one) == set(two)


@settings(max_examples=5)
@given(coords=studies(), n_chunks=st.integers(2, 5))
def test_chunks_are_contiguous_and_share_no_sample_with_training(coords, n_chunks):
    trials, start = codes(coords, "trial"), coords["start"].to_numpy()
    for fold in folds_of(f"trial_chunk_{n_chunks}", coords):
        assert not touching(coords, fold.test_idx, fold.fitted_idx)
        assert sharing(coords, fold).samples == 0
        assert sharing(coords, fold).trial == 1
        lost = np.setdiff1d(np.arange(len(coords)), [*fold.test_idx, *fold.fitted_idx])
        for row in lost:  # Nothing is dropped but what overlaps.
            assert touching(coords, np.array([row]), fold.test_idx)
        for trial in np.unique(trials):
            own = np.sort(start[fold.test_idx][trials[fold.test_idx] == trial])
            everything = np.sort(start[trials == trial])
            first = np.searchsorted(everything, own[0])
            assert own.tolist() == everything[first : first + len(own)].tolist()
            assert len(own) in (len(everything) // n_chunks, -(-len(everything) // n_chunks))


def test_chunks_of_four_windows_in_two_by_hand():
    coords = coords_of(n_subjects=2, n_trials=2, n_windows=4)
    coords["duration"], coords["start"] = 3.0, 2.0 * coords["window"]
    for number, fold in enumerate(folds_of("trial_chunk_2", coords)):
        assert set(coords["window"].iloc[fold.test_idx]) == ({0, 1} if number == 0 else {2, 3})
        # The window beside the boundary overlaps the tested ones by a second.
        assert set(coords["window"].iloc[fold.fitted_idx]) == ({3} if number == 0 else {0})


def test_short_trials_are_left_out_of_chunks_and_reported():
    coords = coords_of(n_subjects=2, n_trials=4, n_windows=6)
    coords = coords[(coords["subject"] == "S1") | (coords["window"] < 3)].reset_index(drop=True)
    reported: list[Exclusion] = []
    folds = list(get_protocol("trial_chunk_5").split(coords, np.random.default_rng(0), reported.append))
    assert [item.subject for item in reported] == ["S2"]
    assert "has 4 trials of fewer than 5 windows" in reported[0].reason
    used = np.concatenate([np.concatenate([fold.fitted_idx, fold.test_idx]) for fold in folds])
    assert set(coords["subject"].iloc[used]) == {"S1"}
    with pytest.raises(
        ProtocolError, match=r"into 9 parts, but subject S1 has 4 trials .*and so on.*fewer parts"
    ):
        folds_of("trial_chunk_9", coords)


def test_loso_holds_out_one_subject_a_fold_and_names_it():
    coords = coords_of(n_subjects=3)
    folds = folds_of("loso", coords)
    assert [fold.name for fold in folds] == ["S1", "S2", "S3"]
    for fold in folds:
        assert set(coords["subject"].iloc[fold.test_idx]) == {fold.name}


def test_loso_in_folds_deals_people_evenly_and_at_random():
    coords = coords_of(n_subjects=11)
    sizes = [coords["subject"].iloc[fold.test_idx].nunique() for fold in folds_of("loso_4fold", coords)]
    assert sorted(sizes) == [2, 3, 3, 3]
    first, second = (
        {frozenset(coords["subject"].iloc[fold.test_idx]) for fold in folds_of("loso_4fold", coords, seed)}
        for seed in (0, 1)
    )
    assert first != second


def test_subjects_of_the_same_name_in_two_data_sets_are_two_people():
    one, two = coords_of(n_subjects=2), coords_of(n_subjects=2)
    both = pd.concat([one, two.assign(dataset="other")], ignore_index=True)
    assert len(folds_of("loso", both)) == 4


def test_within_subject_trial_trains_on_the_same_person_only_and_on_both_classes():
    coords = coords_of(n_subjects=2, n_trials=6)
    for fold in folds_of("within_subject_trial", coords):
        people = coords["subject"].to_numpy()
        assert set(people[fold.fitted_idx]) == set(people[fold.test_idx])
        assert set(coords["target"].iloc[fold.fitted_idx]) == {"low", "high"}


@settings(max_examples=30)
@given(n_trials=st.integers(4, 20), n_folds=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_trials_are_dealt_evenly_in_all_and_in_each_class(n_trials, n_folds, seed):
    coords = coords_of(n_subjects=1, n_trials=n_trials, n_windows=1)
    if n_trials < n_folds:
        with pytest.raises(
            ProtocolError, match=f"has {n_trials} trials, and two trials of each class and {n_folds}"
        ):
            folds_of(within_subject_trial_kfold(n_folds), coords, seed)
        return
    folds = folds_of(within_subject_trial_kfold(n_folds), coords, seed)
    assert len(folds) == n_folds
    target = coords["target"].to_numpy()
    for label in ("low", "high"):
        counts = [int((target[fold.test_idx] == label).sum()) for fold in folds]
        assert max(counts) - min(counts) <= 1
        assert all(label in target[fold.fitted_idx] for fold in folds)
    sizes = [len(fold.test_idx) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_leave_one_trial_out_has_a_fold_for_every_trial():
    coords = coords_of(n_subjects=2, n_trials=6)
    folds = folds_of(within_subject_trial_loto, coords)
    assert len(folds) == 12
    assert all(coords["trial"].iloc[fold.test_idx].nunique() == 1 for fold in folds)
    assert all(coords["trial"].iloc[fold.fitted_idx].nunique() == 5 for fold in folds)


def session_of(n_trials: int, n_sessions: int = 1) -> pd.DataFrame:
    """One window a trial; the order runs against the number of the trial."""
    one = coords_of(n_subjects=2, n_trials=n_trials, n_windows=1)
    sessions = [one.assign(session=str(number + 1)) for number in range(n_sessions)]
    coords = pd.concat(sessions, ignore_index=True)
    return coords.assign(order=n_trials - coords["order"])


@pytest.mark.parametrize(
    ("name", "n_trials", "n_front"),
    [("front_back", 15, 9), ("front_back_9", 15, 9), ("front_back_16", 24, 16), ("front_back", 2, 1)],
)
def test_the_last_trials_in_order_are_tested_once_per_person_and_session(name, n_trials, n_front):
    coords = session_of(n_trials, n_sessions=3)
    folds = folds_of(name, coords)
    assert [fold.name for fold in folds] == [f"S{s}-{n}" for n in (1, 2, 3) for s in (1, 2)]
    for fold in folds:
        assert coords.iloc[fold.fitted_idx]["order"].max() == n_front
        assert coords.iloc[fold.test_idx]["order"].min() == n_front + 1
        assert len(fold.fitted_idx) == n_front
        assert len(fold.test_idx) == n_trials - n_front


def test_blocks_are_five_trials_in_a_row_of_every_session_as_in_seed_v():
    coords = session_of(15, n_sessions=3)
    folds = folds_of("trial_blocks_3fold", coords)
    assert [fold.name for fold in folds] == ["S1-1", "S1-2", "S1-3", "S2-1", "S2-2", "S2-3"]
    for fold in folds:
        block = int(fold.name[-1]) - 1
        tested = coords.iloc[fold.test_idx]
        assert sorted(set(tested["order"])) == list(range(5 * block + 1, 5 * block + 6))
        assert set(tested["session"]) == {"1", "2", "3"}
        assert len(fold.fitted_idx) == 30


@pytest.mark.parametrize("name", ["front_back", "front_back_9", "trial_blocks_3fold"])
def test_a_session_whose_order_nobody_knows_is_left_out_and_reported(name):
    coords = session_of(15, n_sessions=2)
    coords.loc[(coords["subject"] == "S2") & (coords["session"] == "1"), "order"] = 0
    reported: list[Exclusion] = []
    folds = list(get_protocol(name).split(coords, np.random.default_rng(0), reported.append))
    assert [item.subject for item in reported] == ["S2"]
    assert "trials of the same order in session 1" in reported[0].reason
    used = coords.iloc[np.concatenate([fold.fitted_idx for fold in folds])]
    assert "1" not in set(used.loc[used["subject"] == "S2", "session"])
    with pytest.raises(
        ProtocolError, match=r"but subject S1 has trials of the same order .*within_subject_trial"
    ):
        folds_of(name, coords.assign(order=0))


def test_a_session_of_too_few_trials_is_left_out_and_reported():
    coords = session_of(9)
    with pytest.raises(
        ProtocolError, match=r"subject S1 has 9 trials in session 1, and 10 are needed and so on"
    ):
        folds_of("front_back_9", coords)


def test_cross_session_trains_on_the_other_sessions_of_the_same_person():
    coords = session_of(4, n_sessions=3)
    folds = folds_of("cross_session", coords)
    assert [fold.name for fold in folds] == ["S1-1", "S1-2", "S1-3", "S2-1", "S2-2", "S2-3"]
    for fold in folds:
        train, test = coords.iloc[fold.fitted_idx], coords.iloc[fold.test_idx]
        assert set(train["subject"]) == set(test["subject"])
        assert set(train["session"]) == {"1", "2", "3"} - set(test["session"])
        # Of two training sessions one validates.
        assert coords["session"].iloc[fold.train_idx].nunique() == 1
        assert coords["session"].iloc[fold.validation_idx].nunique() == 1


def test_who_came_once_is_reported_by_cross_session():
    coords = session_of(4, n_sessions=2)
    coords = coords[(coords["subject"] == "S1") | (coords["session"] == "1")].reset_index(drop=True)
    reported: list[Exclusion] = []
    folds = list(get_protocol("cross_session").split(coords, np.random.default_rng(0), reported.append))
    assert [fold.name for fold in folds] == ["S1-1", "S1-2"]
    assert [(item.subject, "has no second session" in item.reason) for item in reported] == [("S2", True)]
    with pytest.raises(
        ProtocolError, match=r"cross_session .*but subject S1 has no second session and so on\. Use"
    ):
        folds_of("cross_session", session_of(4))


@settings(max_examples=15)
@given(coords=studies(), n_folds=st.integers(2, 3), seed=st.integers(0, 2**32 - 1))
def test_neither_the_person_nor_the_stimuli_of_a_test_are_in_training(coords, n_folds, seed):
    people, stimuli = codes(coords, "subject"), codes(coords, "stimulus")
    for fold in folds_of(f"loso_stimulus_{n_folds}fold", coords, seed):
        [tested] = set(people[fold.test_idx])
        held = set(stimuli[fold.test_idx])
        everything = (people != tested) & ~np.isin(stimuli, list(held))
        assert set(fold.fitted_idx) <= set(np.flatnonzero(everything))
        between = fold.gap_idx
        validates = [set(units[fold.validation_idx]) for units in (people, stimuli)]
        for row in between:  # What is set aside shares exactly one of both with validation.
            assert (people[row] in validates[0]) != (stimuli[row] in validates[1])


def test_stimuli_are_dealt_within_the_classes_where_they_fix_the_label():
    coords = coords_of(n_subjects=3, n_trials=9, n_windows=1)
    coords["target"] = np.array(["negative", "neutral", "positive"])[coords["stimulus"].astype(int) % 3]
    for fold in folds_of("loso_stimulus_3fold", coords):
        assert sorted(coords["target"].iloc[fold.test_idx]) == ["negative", "neutral", "positive"]
        assert set(coords["target"].iloc[fold.train_idx]) == {"negative", "neutral", "positive"}
        assert set(coords["target"].iloc[fold.validation_idx]) == {"negative", "neutral", "positive"}


def test_who_alone_met_other_stimuli_is_reported_by_loso_stimulus():
    coords = coords_of(n_subjects=2, n_trials=6, n_windows=1)
    # S2 met a single clip, so nothing else of others is left to test S1 on that clip's group.
    coords.loc[coords["subject"] == "S2", "stimulus"] = "0"
    reported: list[Exclusion] = []
    folds = list(get_protocol("loso_stimulus_2fold").split(coords, np.random.default_rng(0), reported.append))
    assert [item.subject for item in reported] == ["S1"]
    assert "nobody else met others" in reported[0].reason
    assert len(folds) == 2


def test_cross_stimulus_leaves_out_one_clip_of_everybody():
    coords = coords_of(n_subjects=3, n_trials=6, n_windows=2)
    folds = folds_of("cross_stimulus", coords)
    assert [fold.name for fold in folds] == list(map(str, coords["stimulus"].unique()))
    for fold in folds:
        assert set(coords["stimulus"].iloc[fold.test_idx]) == {fold.name}
        assert set(coords["subject"].iloc[fold.test_idx]) == {"S1", "S2", "S3"}
        rest = coords["stimulus"] != fold.name
        assert sorted(fold.fitted_idx) == np.flatnonzero(rest).tolist()


def test_cross_stimulus_deals_within_the_classes_of_each_data_set():
    one = coords_of(n_subjects=2, n_trials=6, n_windows=1)
    one["target"] = np.array(["low", "high"])[one["stimulus"].astype(int) % 2]
    both = pd.concat([one, one.assign(dataset="other")], ignore_index=True)
    folds = folds_of("cross_stimulus_3fold", both)
    assert sorted(np.concatenate([fold.test_idx for fold in folds])) == list(range(len(both)))
    for fold in folds:
        tested = both.iloc[fold.test_idx]
        assert (tested.groupby(["dataset", "target"])["stimulus"].nunique() == 1).all()
        assert len(tested) == 8


def test_who_met_nothing_else_is_reported_by_cross_stimulus():
    coords = coords_of(n_subjects=2, n_trials=6, n_windows=1)
    coords.loc[coords["subject"] == "S2", "stimulus"] = "0"
    reported: list[Exclusion] = []
    folds = list(get_protocol("cross_stimulus").split(coords, np.random.default_rng(0), reported.append))
    assert [item.subject for item in reported] == ["S2"]
    assert "met no stimuli but those of one group" in reported[0].reason
    assert all(set(coords["subject"].iloc[fold.test_idx]) == {"S1"} for fold in folds)


def test_cross_dataset_tests_each_data_set_on_the_others():
    one, two = coords_of(n_subjects=2), coords_of(n_subjects=3)
    both = pd.concat([one, two.assign(dataset="other")], ignore_index=True)
    folds = folds_of("cross_dataset", both)
    assert [fold.name for fold in folds] == ["made", "other"]
    for fold in folds:
        assert set(both["dataset"].iloc[fold.test_idx]) == {fold.name}
        assert fold.name not in set(both["dataset"].iloc[fold.fitted_idx])
        # Validation is of people of the training data set.
        assert not set(both["subject"].iloc[fold.train_idx]) & set(both["subject"].iloc[fold.validation_idx])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("loso", r"there is only 1: S1\. Add people"),
        ("loso_2fold", r"into 2 folds, but there are only 1\. Use loso"),
        ("loso_stimulus_3fold", r"there are 1 people and 6 stimuli\. .*use within_subject_trial"),
        ("loso_stimulus_7fold", r"there are 1 people and 6 stimuli"),
        ("cross_stimulus_7fold", r"one of 7 groups of stimuli, but there are 6 stimuli\. Add stimuli"),
        ("cross_dataset", r"there is only made\. Join the feature tables of several with join_features"),
        ("cross_session", r"subject S1 has no second session\. Use"),
    ],
)
def test_one_person_in_one_session_of_one_data_set_is_refused(name, sentence):
    with pytest.raises(ProtocolError, match=sentence):
        folds_of(name, coords_of(n_subjects=1))


@pytest.mark.parametrize(
    "name", ["within_subject_trial", "within_subject_trial_loto", "within_subject_trial_2fold"]
)
def test_one_trial_of_a_class_a_person_is_refused(name):
    with pytest.raises(ProtocolError, match=r"two trials a person, but subject S1 has 1 of .*Use loso"):
        folds_of(name, coords_of(n_trials=2))


@pytest.mark.parametrize(
    "name", ["within_subject_trial", "within_subject_trial_loto", "within_subject_trial_2fold"]
)
def test_who_lacks_a_class_is_left_out_and_reported(name):
    coords = coords_of(n_subjects=3)
    coords.loc[coords["subject"] == "S2", "target"] = "low"
    reported: list[Exclusion] = []
    folds = get_protocol(name).split(coords, np.random.default_rng(0), reported.append)
    tested = {coords["subject"].iloc[fold.test_idx[0]] for fold in folds}
    assert tested == {"S1", "S3"}
    assert [exclusion.subject for exclusion in reported] == ["S2"]
    assert "6 of 'low'" in reported[0].reason


def test_a_class_of_few_windows_cannot_be_dealt_at_random():
    coords = coords_of(n_subjects=2, n_trials=2, n_windows=2)
    with pytest.raises(
        ProtocolError, match=r"window_random deals windows into 5 folds, but class .* has only 4"
    ):
        folds_of("window_random", coords)


@pytest.mark.parametrize(
    "name",
    ["within_subject_trial", "within_subject_trial_3fold", "loso_stimulus_2fold", "loso", "window_random"],
)
def test_numbers_as_labels_are_divided_too(name):
    coords = coords_of(n_subjects=3)
    coords["target"] = np.random.default_rng(0).uniform(1, 9, len(coords))
    tested = [fold.test_idx for fold in folds_of(name, coords)]
    assert sorted(np.concatenate(tested)) == list(range(len(coords)))


def test_four_windows_with_numbers_cannot_be_dealt_into_five():
    coords = coords_of(n_subjects=1, n_trials=2, n_windows=2)
    coords["target"] = [1.5, 2.5, 3.5, 4.5]
    with pytest.raises(ProtocolError, match="window_random needs at least 5 windows, got 4"):
        folds_of("window_random", coords)


def test_where_everyone_met_one_clip_of_their_own_cross_stimulus_is_refused():
    coords = coords_of(n_subjects=3)
    coords["stimulus"] = coords["subject"]
    with pytest.raises(
        ProtocolError, match=r"but subject S1 met no stimuli but those of one group and so on\. Use loso\."
    ):
        folds_of("cross_stimulus", coords)


def test_folds_of_ones_own_must_be_some_with_two_sides():
    def none(coords: pd.DataFrame, rng: object, report: object) -> Iterator[Fold]:
        return iter(())

    def one_sided(coords: pd.DataFrame, rng: object, report: object) -> Iterator[Fold]:
        yield Fold(name="1", train_idx=np.arange(len(coords)), test_idx=np.arange(0))

    for folds, said in (
        (none, "makes no fold of these data"),
        (one_sided, "leaves a side of its fold 1 empty"),
    ):
        own = Protocol(name="own", holds_out="subject", shares="", claim="A new person.", folds=folds)
        with pytest.raises(ProtocolError, match=f"Protocol own {said}"):
            folds_of(own, coords_of())


def test_a_protocol_that_breaks_its_promise_is_caught():
    def cheating(coords: pd.DataFrame, rng: object, report: object) -> Iterator[Fold]:
        half = len(coords) // 2
        yield Fold(name="1", train_idx=np.arange(half), test_idx=np.arange(half - 1, len(coords)))

    liar = Protocol(name="liar", holds_out="subject", shares="", claim="A new person.", folds=cheating)
    with pytest.raises(ProtocolError, match="promises to hold out every subject, but in its fold 1"):
        folds_of(liar, coords_of())


class Name(NamedTuple):
    given: str
    full: str


@pytest.mark.parametrize(
    "name",
    [
        Name("loso", "loso"),
        Name("loso_10fold", "loso_10fold"),
        Name("loso_stimulus", "loso_stimulus_3fold"),
        Name("loso_stimulus_5fold", "loso_stimulus_5fold"),
        Name("cross_stimulus", "cross_stimulus"),
        Name("cross_stimulus_5fold", "cross_stimulus_5fold"),
        Name("within_subject_trial", "within_subject_trial"),
        Name("within_subject_trial_10fold", "within_subject_trial_10fold"),
        Name("within_subject_trial_loto", "within_subject_trial_loto"),
        Name("front_back", "front_back"),
        Name("front_back_16", "front_back_16"),
        Name("trial_chunk", "trial_chunk_5"),
        Name("trial_chunk_10", "trial_chunk_10"),
        Name("trial_blocks", "trial_blocks_3fold"),
        Name("cross_session_transductive", "cross_session_transductive"),
        Name("loso_stimulus_transductive", "loso_stimulus_3fold_transductive"),
        Name("calibrated_rest_60s_transductive", "calibrated_rest_60s_transductive"),
    ],
    ids=lambda name: name.given,
)
def test_a_name_resolves_to_one_object(name):
    assert get_protocol(name.given).name == name.full
    assert get_protocol(name.given) is get_protocol(name.full)


@pytest.mark.parametrize(
    "name",
    [
        "lozo",
        "loso_10",
        "loso_fold",
        "loso_010fold",
        "front_back_9fold",
        "trial_chunk_5s",
        "transductive",
        "_transductive",
    ],
)
def test_an_unknown_protocol_is_refused_with_the_known_ones(name):
    with pytest.raises(
        ProtocolError, match=r"Unknown protocol '.*': use one of window_random, .*loso, .*front_back_9"
    ):
        get_protocol(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("loso_1fold", "loso_kfold needs a number of folds from 2, got 1"),
        ("cross_stimulus_1fold", "cross_stimulus needs a number of groups from 2, got 1"),
        ("loso_stimulus_1fold", "loso_stimulus needs a number of groups from 2, got 1"),
        ("within_subject_trial_0fold", "within_subject_trial_kfold needs a number of folds from 2, got 0"),
        ("trial_chunk_1", "trial_chunk needs a number of parts from 2, got 1"),
        ("trial_blocks_1fold", "trial_blocks needs a number of blocks from 2, got 1"),
        ("front_back_0", "front_back needs a number of trials from 1, got 0"),
        ("loso_transductive_transductive", "loso_transductive is transductive already"),
    ],
)
def test_impossible_numbers_are_refused(name, sentence):
    with pytest.raises(ProtocolError, match=sentence):
        get_protocol(name)


def test_transductive_grants_the_test_windows_unlabelled_and_says_so():
    protocol = transductive(loso)
    assert "unlabelled" in protocol.grants
    assert "their features, not their labels" in (protocol.claim or "")
    for fold in folds_of(protocol, coords_of()):
        assert fold.unlabelled_idx.tolist() == fold.test_idx.tolist()


def test_transductive_reports_who_is_left_out_under_its_own_name():
    coords = session_of(4, n_sessions=2)
    coords = coords[(coords["subject"] == "S1") | (coords["session"] == "1")].reset_index(drop=True)
    reported: list[Exclusion] = []
    protocol = get_protocol("cross_session_transductive")
    list(protocol.split(coords, np.random.default_rng(0), reported.append))
    assert [item.reason for item in reported] == [
        "Protocol cross_session_transductive: it has no second session."
    ]


def test_only_what_shares_trials_is_without_a_claim():
    without = [name for name, protocol in PROTOCOLS.items() if protocol.claim is None]
    assert without == [
        "window_random",
        "trial_chunk_5",
        "calibrated_same_rest_300s",
        "calibrated_same_trial_10s",
    ]
    assert [name for name, protocol in PROTOCOLS.items() if "window" in protocol.levels] == without
    assert get_protocol("window_random_transductive").claim is None


def test_what_is_shared_is_measured():
    coords = session_of(6, n_sessions=2)
    coords = pd.concat([coords.assign(window=w, start=2.0 * w) for w in range(5)], ignore_index=True)
    coords = pd.concat([coords, coords.assign(dataset="other")], ignore_index=True)
    measured = {name: [sharing(coords, fold) for fold in folds_of(name, coords)] for name in UNCALIBRATED}

    def shared(name: str) -> set[tuple[float, ...]]:
        return {(s.subject, s.session, s.trial, s.stimulus, s.samples) for s in measured[name]}

    assert shared("loso") == {(0, 0, 0, 1, 0)}
    assert shared("loso_stimulus_3fold") == {(0, 0, 0, 0, 0)}
    assert shared("cross_stimulus") == {(1, 1, 0, 0, 0)}
    assert shared("cross_dataset") == {(0, 0, 0, 0, 0)}
    assert shared("cross_session") == {(1, 0, 0, 1, 0)}
    assert {own[:3] for own in shared("within_subject_trial_loto")} == {(1, 1, 0)}
    assert shared("front_back") == {(1, 1, 0, 0, 0)}
    assert shared("trial_chunk_5") == {(1, 1, 1, 1, 0)}


def test_overlapping_windows_dealt_at_random_share_samples():
    coords = coords_of(n_subjects=3, n_trials=6, n_windows=5)
    coords["duration"] = 3.0  # Starts lie 2 s apart, so neighbours now overlap by a second.
    for fold in folds_of("window_random", coords):
        starts, trials = coords["start"].to_numpy(), codes(coords, "trial")
        brute = [
            any(trials[i] == trials[j] and abs(starts[i] - starts[j]) < 3 for j in fold.fitted_idx)
            for i in fold.test_idx
        ]
        assert sharing(coords, fold).samples == pytest.approx(np.mean(brute))
        assert np.mean(brute) > 0.5


def test_only_models_without_validation_learn_from_what_lies_between():
    from physioaffect.evaluation.running.fitting import fit

    merged = import_module("physioaffect.graphs.folds").merged

    class Keeper:
        uses: frozenset[str] = frozenset()

        def fit(self, X: np.ndarray, y: np.ndarray, **options: object) -> list[int]:
            rows: list[int] = X[:, 0].tolist()
            return rows

    coords = coords_of(n_subjects=5, n_trials=9)
    rows = np.arange(len(coords))
    for fold in folds_of("loso_stimulus_3fold", coords)[:3]:
        assert len(fold.gap_idx)
        for uses, expected in ((frozenset(), fold.fitted_idx), (frozenset({"validation"}), fold.train_idx)):
            model = Keeper()
            model.uses = uses
            assert fit(model, rows[:, np.newaxis], rows, rows, fold) == expected.tolist()
            # Stacks of networks take rows by their own function.
            assert merged(fold, uses).train_idx.tolist() == expected.tolist()
