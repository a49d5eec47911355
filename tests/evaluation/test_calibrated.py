"""Protocols that give a little of the tested person."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tables import VALENCE, feature_table

from physioaffect.data_set import Exclusion
from physioaffect.errors import ProtocolError
from physioaffect.evaluation import evaluate, get_protocol, make_table, sharing, transductive
from physioaffect.evaluation.leakage.auditing import audit_plan
from physioaffect.evaluation.protocols.calibrated import (
    calibrated_rest,
    calibrated_same_rest,
    calibrated_same_trial,
    calibrated_trials,
)
from physioaffect.evaluation.protocols.folds import Fold, Protocol, codes


def coords_of(**sizes: int) -> pd.DataFrame:
    """Windows of 2 s, trial by trial; every other trial is at rest, the first included."""
    coords = make_table(feature_table(**sizes), VALENCE)[0].coords
    coords["condition"] = np.where(coords["order"] % 2 == 0, "rest", "task")
    return coords


def folds_of(protocol: Protocol, coords: pd.DataFrame, seed: int = 0) -> list[Fold]:
    return list(protocol.split(coords, np.random.default_rng(seed)))


worlds = st.builds(
    coords_of,
    n_subjects=st.integers(3, 5),
    n_trials=st.integers(10, 12),
    n_windows=st.integers(4, 6),
    seed=st.integers(0, 100),
)
protocols = st.one_of(
    st.builds(calibrated_trials, st.integers(1, 4)),
    st.builds(calibrated_rest, st.sampled_from([2.0, 5.0, 300.0])),
    st.builds(calibrated_same_rest, st.sampled_from([2.0, 5.0, 300.0])),
    st.builds(calibrated_same_trial, st.sampled_from([2, 4, 5.5])),
)


@settings(max_examples=40)
@given(protocol=protocols, coords=worlds, seed=st.integers(0, 2**32 - 1))
def test_calibration_is_of_the_tested_person_and_of_no_tested_unit(protocol, coords, seed):
    people, units = codes(coords, "subject"), codes(coords, protocol.levels[0])
    for fold in folds_of(protocol, coords, seed):
        [tested] = set(people[fold.test_idx])
        assert set(people[fold.calibration_idx]) == {tested}
        assert tested not in people[fold.train_idx]
        assert tested not in people[fold.validation_idx]
        assert not set(units[fold.calibration_idx]) & set(units[fold.test_idx])
        assert len(fold.calibration_idx) * len(fold.test_idx) > 0
        # Validation is cut by person although what is held out is a trial or a window.
        assert not set(people[fold.train_idx]) & set(people[fold.validation_idx])
        others = np.concatenate([fold.train_idx, fold.validation_idx])
        assert sorted(others) == np.flatnonzero(people != tested).tolist()


@settings(max_examples=20)
@given(n_trials=st.integers(1, 4), coords=worlds)
def test_the_first_trials_in_time_calibrate_and_all_others_are_tested(n_trials, coords):
    shuffled = coords.sample(frac=1, random_state=0).reset_index(drop=True)
    for fold in folds_of(calibrated_trials(n_trials), shuffled):
        assert set(shuffled["order"].iloc[fold.calibration_idx]) == set(range(n_trials))
        own = np.flatnonzero(shuffled["subject"] == fold.name)
        assert sorted([*fold.calibration_idx, *fold.test_idx]) == own.tolist()


def test_the_first_trials_are_those_of_the_first_session():
    one = coords_of(n_subjects=3, n_trials=6)
    later = one.assign(session="10")  # As text before "2".
    coords = pd.concat([one.assign(session="2"), later], ignore_index=True)
    for fold in folds_of(calibrated_trials(2), coords):
        chosen = coords.iloc[fold.calibration_idx]
        assert set(chosen["session"]) == {"2"}
        assert set(chosen["order"]) == {0, 1}


def test_rest_is_the_first_trial_of_that_condition_and_leaves_the_test_whole():
    coords = coords_of(n_subjects=3, n_trials=8, n_windows=6)
    coords["order"] = (coords["order"] + 3) % 8  # The first trial at rest is now order 1, trial 6.
    for fold in folds_of(calibrated_rest(5), coords):
        chosen = coords.iloc[fold.calibration_idx]
        assert set(chosen["trial"]) == {"6"}
        assert sorted(chosen["start"]) == [0, 2]
        assert "6" not in set(coords["trial"].iloc[fold.test_idx])
        assert set(coords["trial"].iloc[fold.test_idx]) == set("0123457")


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("begin", [0.0, 139.1])
def test_windows_of_the_same_trial_do_not_overlap_across_the_boundary(step, begin):
    coords = coords_of(n_subjects=3, n_trials=6, n_windows=12)
    coords["start"] = begin + step * coords["window"]
    for fold in folds_of(calibrated_same_trial(4), coords):
        start = (coords["start"] - begin).to_numpy()
        assert (start[fold.calibration_idx] + 2 <= 4 + 1e-9).all()
        assert (start[fold.test_idx] >= 4 - 1e-9).all()
        assert set(start[fold.calibration_idx]) == {s for s in set(start) if s + 2 <= 4 + 1e-9}
        shared = sharing(coords, fold)
        assert (shared.subject, shared.trial, shared.samples) == (1, 1, 0)


@settings(max_examples=20)
@given(coords=worlds, step=st.sampled_from([0.5, 1.0, 2.0]), seconds=st.sampled_from([2.0, 3.0, 5.0, 300.0]))
def test_of_the_same_rest_all_is_tested_that_begins_after_calibration(coords, step, seconds):
    coords["start"] = step * coords["window"]
    whole, part = (folds_of(make(seconds), coords) for make in (calibrated_rest, calibrated_same_rest))
    for without, fold in zip(whole, part, strict=True):
        assert fold.calibration_idx.tolist() == without.calibration_idx.tolist()
        rest = coords[(coords["subject"] == fold.name) & (coords["order"] == 0)]
        added = set(fold.test_idx) - set(without.test_idx)
        assert set(without.test_idx) <= set(fold.test_idx)
        assert added == set(rest.index[rest["start"] >= seconds])
        assert sharing(coords, fold).samples == 0


def test_the_audit_calls_the_same_rest_a_leak_and_another_trial_none():
    coords = coords_of(n_subjects=4, n_trials=8, n_windows=6)
    found = {
        protocol.name: audit_plan(coords, folds_of(protocol, coords), protocol)
        for protocol in (calibrated_rest(4), calibrated_same_rest(4))
    }
    assert found["calibrated_rest_4s"]["is_clean"]
    same = found["calibrated_same_rest_4s"]
    [leak] = [finding for finding in same["findings"] if finding["severity"] == "leak"]
    assert leak["kind"] == "trial_shared"
    # Four windows of the first rest against six of each of seven other trials.
    assert same["shared"]["trial"] == pytest.approx(4 / 46, abs=1e-6)
    assert same["shared"]["samples"] == 0


def test_what_is_shared_with_calibration_is_measured():
    coords = coords_of(n_subjects=3, n_trials=8)
    for fold in folds_of(calibrated_trials(2), coords):
        shared = sharing(coords, fold)
        assert (shared.subject, shared.session, shared.trial, shared.samples) == (1, 1, 0, 0)


def test_who_would_lose_a_class_is_left_out_and_reported():
    coords = coords_of(n_subjects=3, n_trials=6)
    coords.loc[coords["subject"] == "S2", "target"] = np.where(
        coords.loc[coords["subject"] == "S2", "order"] < 2, "low", "high"
    )
    reported: list[Exclusion] = []
    folds = calibrated_trials(2).split(coords, np.random.default_rng(0), reported.append)
    assert [fold.name for fold in folds] == ["S1", "S3"]
    assert [item.subject for item in reported] == ["S2"]
    assert "has no 'low' left after calibration" in reported[0].reason


def test_who_never_rested_is_left_out_and_reported():
    coords = coords_of(n_subjects=3, n_trials=6)
    coords.loc[coords["subject"] == "S3", "condition"] = "task"
    reported: list[Exclusion] = []
    folds = calibrated_rest(2).split(coords, np.random.default_rng(0), reported.append)
    assert [fold.name for fold in folds] == ["S1", "S2"]
    assert "no labelled trial of condition rest or baseline" in reported[0].reason


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        (
            calibrated_trials(6),
            "test nobody: subject S1 has nothing left after calibration and so on.*use loso",
        ),
        (calibrated_same_trial(1), "1 s of calibration hold no window of 2 s. Take shorter windows"),
        (calibrated_same_trial(10), "nothing left after calibration"),
        (calibrated_rest(1.5), "1.5 s of calibration hold no window of 2 s"),
        (calibrated_same_rest(1.5), "1.5 s of calibration hold no window of 2 s"),
    ],
)
def test_what_leaves_nobody_to_test_is_refused(protocol, sentence):
    with pytest.raises(ProtocolError, match=sentence):
        folds_of(protocol, coords_of(n_trials=6, n_windows=5))


def test_impossible_lengths_are_refused():
    with pytest.raises(ProtocolError, match="needs a number of trials from 1, got 0"):
        calibrated_trials(0)
    with pytest.raises(ProtocolError, match="calibrated_rest needs more than 0 s, got -1"):
        calibrated_rest(-1)
    with pytest.raises(ProtocolError, match="calibrated_same_rest needs more than 0 s, got 0"):
        calibrated_same_rest(0)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("calibrated_trials", "calibrated_trials_3"),
        ("calibrated_trials_7", "calibrated_trials_7"),
        ("calibrated_rest", "calibrated_rest_300s"),
        ("calibrated_rest_90s", "calibrated_rest_90s"),
        ("calibrated_same_rest", "calibrated_same_rest_300s"),
        ("calibrated_same_rest_90s", "calibrated_same_rest_90s"),
        ("calibrated_same_trial", "calibrated_same_trial_10s"),
        ("calibrated_same_trial_2.5s", "calibrated_same_trial_2.5s"),
    ],
)
def test_a_name_may_tell_the_length_and_the_full_name_always_does(name, full):
    assert get_protocol(name).name == full


@pytest.mark.parametrize(
    "name", ["calibrated_trials_5s", "calibrated_rest_60", "calibrated", "calibrated_x_3s"]
)
def test_a_length_in_another_unit_is_no_name(name):
    with pytest.raises(ProtocolError, match=f"Unknown protocol '{name}'"):
        get_protocol(name)


def test_it_can_be_transductive_too():
    protocol = transductive(calibrated_trials(2))
    assert protocol.grants == {"calibration", "unlabelled"}
    for fold in folds_of(protocol, coords_of()):
        assert fold.unlabelled_idx.tolist() == fold.test_idx.tolist()


def test_labelled_beginnings_of_the_test_trials_score_high_on_nothing_and_are_watermarked(tmp_path):
    result = evaluate(
        feature_table(n_subjects=5, n_trials=12, n_windows=8),
        models=["knn"],
        protocols=["calibrated_same_trial_6s", "calibrated_trials_3"],
        task=VALENCE,
        out=tmp_path / "out",
    )
    cells = result.cells()
    assert cells["calibrated_same_trial_6s", "knn", "window", "macro_f1"].mean > 0.95
    assert "no claim" in result.notes()["calibrated_same_trial_6s", "knn"]
    # 45 trials at chance: within 0.2 of a half in 99 % of worlds.
    assert abs(cells["calibrated_trials_3", "knn", "trial", "balanced_accuracy"].mean - 0.5) < 0.2
    assert "no claim" not in result.notes()["calibrated_trials_3", "knn"]
