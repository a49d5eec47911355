from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tables import VALENCE, feature_table

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
from physioaffect.evaluation.protocols import codes
from physioaffect.recording import Exclusion


def coords_of(**sizes: int) -> pd.DataFrame:
    return make_table(feature_table(**sizes), VALENCE)[0].coords


# The others have test_calibrated.py.
UNCALIBRATED = [name for name, protocol in PROTOCOLS.items() if "calibration" not in protocol.grants]
worlds = st.builds(
    coords_of,
    n_subjects=st.integers(2, 5),
    n_trials=st.integers(4, 8),
    n_windows=st.integers(2, 5),
    seed=st.integers(0, 100),
)


@pytest.mark.parametrize("name", UNCALIBRATED)
@settings(max_examples=20, deadline=None)
@given(coords=worlds, seed=st.integers(0, 2**32 - 1))
def test_no_group_is_ever_on_both_sides(name, coords, seed):
    protocol = PROTOCOLS[name]
    units = codes(coords, protocol.levels[0])
    for fold in protocol.split(coords, np.random.default_rng(seed)):
        sides = [fold.train_idx, fold.validation_idx, fold.test_idx]
        groups = [set(units[side]) for side in sides]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert len(fold.train_idx)
        assert len(fold.test_idx)


@pytest.mark.parametrize("name", UNCALIBRATED)
@settings(max_examples=20, deadline=None)
@given(coords=worlds, seed=st.integers(0, 2**32 - 1))
def test_every_window_is_tested_once(name, coords, seed):
    tested = [fold.test_idx for fold in PROTOCOLS[name].split(coords, np.random.default_rng(seed))]
    assert sorted(np.concatenate(tested)) == list(range(len(coords)))


@pytest.mark.parametrize("name", UNCALIBRATED)
def test_the_same_seed_gives_the_same_folds(name):
    coords = coords_of()
    first, second, other = (
        [fold.train_idx.tolist() for fold in PROTOCOLS[name].split(coords, np.random.default_rng(seed))]
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other  # At least the validation differs.


def test_loso_holds_out_one_subject_a_fold_and_names_it():
    coords = coords_of(n_subjects=3)
    folds = list(loso.split(coords, np.random.default_rng(0)))
    assert [fold.name for fold in folds] == ["S1", "S2", "S3"]
    for fold in folds:
        assert set(coords["subject"].iloc[fold.test_idx]) == {fold.name}


def test_subjects_of_the_same_name_in_two_data_sets_are_two_people():
    one, two = coords_of(n_subjects=2), coords_of(n_subjects=2)
    both = pd.concat([one, two.assign(dataset="other")], ignore_index=True)
    assert len(list(loso.split(both, np.random.default_rng(0)))) == 4


def test_within_subject_trial_trains_on_the_same_person_only_and_on_both_classes():
    coords = coords_of(n_subjects=2, n_trials=6)
    for fold in PROTOCOLS["within_subject_trial"].split(coords, np.random.default_rng(0)):
        assert (
            coords["subject"].iloc[fold.fitted_idx].unique().tolist()
            == coords["subject"].iloc[fold.test_idx].unique().tolist()
        )
        assert set(coords["target"].iloc[fold.fitted_idx]) == {"low", "high"}


def test_within_subject_trial_is_refused_with_two_trials_a_person():
    with pytest.raises(ProtocolError, match=r"two trials a person, but subject S1 has 1 of .*Use loso"):
        list(PROTOCOLS["within_subject_trial"].split(coords_of(n_trials=2), np.random.default_rng(0)))


def test_within_subject_trial_leaves_out_and_reports_who_lacks_a_class():
    coords = coords_of(n_subjects=3)
    coords.loc[coords["subject"] == "S2", "target"] = "low"
    reported: list[Exclusion] = []
    folds = PROTOCOLS["within_subject_trial"].split(coords, np.random.default_rng(0), reported.append)
    tested = {coords["subject"].iloc[fold.test_idx[0]] for fold in folds}
    assert tested == {"S1", "S3"}
    assert [exclusion.subject for exclusion in reported] == ["S2"]
    assert "6 of 'low'" in reported[0].reason


def test_loso_is_refused_with_one_person():
    with pytest.raises(ProtocolError, match=r"there is only 1: S1\. Add people"):
        list(loso.split(coords_of(n_subjects=1), np.random.default_rng(0)))


def test_a_protocol_that_breaks_its_promise_is_caught():
    def cheating(coords: pd.DataFrame, rng: object, report: object) -> Iterator[Fold]:
        half = len(coords) // 2
        yield Fold(name="1", train_idx=np.arange(half), test_idx=np.arange(half - 1, len(coords)))

    liar = Protocol(name="liar", holds_out="subject", shares="", claim="A new person.", folds=cheating)
    with pytest.raises(ProtocolError, match="promises to hold out every subject, but in its fold 1"):
        list(liar.split(coords_of(), np.random.default_rng(0)))


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(ProtocolError, match=r"Unknown protocol 'lozo': use one of window_random, .*loso"):
        get_protocol("lozo")


def test_transductive_grants_the_test_windows_unlabelled_and_says_so():
    protocol = transductive(loso)
    assert "unlabelled" in protocol.grants
    assert "their features, not their labels" in (protocol.claim or "")
    for fold in protocol.split(coords_of(), np.random.default_rng(0)):
        assert fold.unlabelled_idx.tolist() == fold.test_idx.tolist()


def test_only_what_shares_trials_is_without_a_claim():
    without = [name for name, protocol in PROTOCOLS.items() if protocol.claim is None]
    assert without == ["window_random", "calibrated_same_trial_10s"]
    assert [name for name, protocol in PROTOCOLS.items() if "window" in protocol.levels] == without


def test_what_is_shared_is_measured():
    coords = coords_of(n_subjects=3, n_trials=6, n_windows=5)
    measured = {
        name: [sharing(coords, fold) for fold in protocol.split(coords, np.random.default_rng(0))]
        for name, protocol in PROTOCOLS.items()
        if name in UNCALIBRATED
    }
    assert all(
        s.subject == s.session == s.trial == s.samples == 0 and s.stimulus == 1 for s in measured["loso"]
    )
    assert all(s.subject == 1 and s.trial == 0 for s in measured["within_subject_trial"])
    assert all(s.subject == 1 and s.trial == 1 and s.samples == 0 for s in measured["window_random"])


def test_overlapping_windows_dealt_at_random_share_samples():
    coords = coords_of(n_subjects=3, n_trials=6, n_windows=5)
    coords["duration"] = 3.0  # Starts lie 2 s apart, so neighbours now overlap by a second.
    for fold in PROTOCOLS["window_random"].split(coords, np.random.default_rng(0)):
        starts, trials = coords["start"].to_numpy(), codes(coords, "trial")
        brute = [
            any(trials[i] == trials[j] and abs(starts[i] - starts[j]) < 3 for j in fold.fitted_idx)
            for i in fold.test_idx
        ]
        assert sharing(coords, fold).samples == pytest.approx(np.mean(brute))
        assert np.mean(brute) > 0.5
