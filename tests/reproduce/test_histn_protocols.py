"""HiSTN's protocols divide windows as published, to the number of crops and windows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.data_set import Exclusion
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import Fold, Protocol
from physioaffect.recording import Signal, Trial
from physioaffect.reproduce.histn_windows import (
    HiSTNScaling,
    PublishedFold,
    histn_loso,
    histn_trials,
    published_histn_blocks,
    published_histn_first_10s,
)
from physioaffect.training import Crops, Population

N_CLIPS = 18


def coords_of(n_people: int = 2, labels: list[int] | None = None) -> pd.DataFrame:
    """Windows of 1 s every 0.25 s of 18 minutes of each person."""
    starts = np.arange(237) / 4
    labels = labels or [clip % 5 for clip in range(N_CLIPS)]
    rows = [
        (
            "dreamer",
            f"P{person}",
            "1",
            str(clip),
            str(clip),
            window,
            start,
            1.0,
            clip,
            "",
            str(labels[clip] + 1),
        )
        for person in range(n_people)
        for clip in range(N_CLIPS)
        for window, start in enumerate(starts)
    ]
    names = ["dataset", "subject", "session", "trial", "stimulus", "window", "start", "duration", "order"]
    return pd.DataFrame(rows, columns=[*names, "condition", "target"])


def split(protocol: Protocol, coords: pd.DataFrame) -> list[PublishedFold]:
    folds = list(protocol.split(coords, np.random.default_rng(0)))
    assert all(isinstance(fold, PublishedFold) for fold in folds)
    return folds  # type: ignore[return-value]


def touches(coords: pd.DataFrame, rows: np.ndarray, block: int) -> np.ndarray:
    start = coords["start"].to_numpy()[rows]
    return np.asarray((start < 6 * block + 6) & (start + 1 > 6 * block))


def n_steps(coords: pd.DataFrame, fold: Fold) -> int:
    """Steps an epoch takes that draws 256 crops at a time, at 128 Hz."""
    own = coords.iloc[fold.train_idx]
    population = Population(
        rows=fold.train_idx,
        labels=own["target"].to_numpy(dtype=np.intp),
        subjects=None,
        trials=own["trial"].to_numpy(dtype=np.intp),
        starts=(own["start"] * 128).to_numpy(dtype=np.intp),
        n_times=128,
    )
    return Crops().n_steps(population, 256)


def test_an_epoch_has_the_published_number_of_steps():
    coords = coords_of(1)
    steps = [n_steps(coords, fold) for fold in split(published_histn_blocks(), coords)]
    # 48 s in one piece hold 6017 places of a crop, in two pieces 127 fewer; times 18 clips, over 256. Block 1
    # has block 0 for its validation, so that it, too, leaves one piece.
    assert steps == [423, 423, *[414] * 7, 423]
    assert (6017 * 18 // 256, 5890 * 18 // 256) == (423, 414)


def test_a_block_is_tested_the_one_before_chooses_and_neither_is_touched_by_training():
    coords = coords_of()
    folds = split(published_histn_blocks(), coords)
    assert [fold.name for fold in folds] == [f"P{p}-{b}" for p in range(2) for b in range(1, 11)]
    for number, fold in enumerate(folds):
        block = number % 10
        start = coords["start"].to_numpy()
        assert ((start[fold.test_idx] >= 6 * block) & (start[fold.test_idx] + 1 <= 6 * block + 6)).all()
        assert len(fold.test_idx) == N_CLIPS * 21
        before = (block - 1) % 10
        assert ((start[fold.stop_idx] >= 6 * before) & (start[fold.stop_idx] + 1 <= 6 * before + 6)).all()
        assert not touches(coords, fold.train_idx, block).any()
        assert not touches(coords, fold.train_idx, before).any()
        assert len(fold.validation_idx) == 0
        # The leak: every trial is on both sides.
        assert set(coords["trial"].iloc[fold.train_idx]) == set(coords["trial"].iloc[fold.test_idx])
        assert coords["subject"].iloc[fold.train_idx].nunique() == 1


def test_validation_draws_2000_windows_of_each_class_equally_often():
    coords = coords_of(1, labels=[0] * 14 + [1] * 3 + [2])
    fold = split(published_histn_blocks((3,)), coords)[0]
    counts = coords["target"].iloc[fold.stop_idx].value_counts()
    assert counts.sum() == 2000
    # Three standard deviations of a binomial with p = 1/3.
    assert_allclose(counts, 2000 / 3, atol=3 * np.sqrt(2000 * 2 / 9))


def test_fine_tuning_has_666_windows_and_900_are_tested():
    coords = coords_of(3)
    for fold in split(published_histn_first_10s(), coords):
        assert (len(fold.calibration_idx), len(fold.test_idx)) == (666, 900)
        assert len(fold.train_idx) == 2 * N_CLIPS * 60
        start = coords["start"].to_numpy()
        assert start[fold.calibration_idx].max() == 9.0
        assert start[fold.test_idx].min() == 10.0
        assert set(coords["subject"].iloc[fold.calibration_idx]) == {fold.name}
        assert fold.name not in set(coords["subject"].iloc[fold.train_idx])
        assert fold.stimuli is not None
    # As of the 22 others of DREAMER.
    assert 22 * N_CLIPS * 60 == 23_760


def test_loso_tests_every_second_of_a_new_person():
    coords = coords_of(3)
    protocol = histn_loso()
    assert (protocol.name, protocol.holds_out) == ("loso", "subject")
    assert protocol.claim is not None
    for fold in split(protocol, coords):
        assert len(fold.test_idx) == N_CLIPS * 60
        assert len(fold.calibration_idx) == len(fold.validation_idx) == 0
        assert len(fold.train_idx) == 2 * N_CLIPS * 60


@pytest.mark.parametrize(
    "labels", [[clip % 5 for clip in range(18)], [0] * 9 + [1, 1, 2, 2, 3, 3, 3, 4, 4], [0, 0] + [1] * 16]
)
def test_trials_are_tested_once_and_training_knows_every_class(labels):
    coords = coords_of(1, labels=labels)
    folds = split(histn_trials(), coords)
    tested = [trial for fold in folds for trial in coords["trial"].iloc[fold.test_idx].unique()]
    assert sorted(tested) == sorted(map(str, range(18)))
    for fold in folds:
        sides = [set(coords["trial"].iloc[rows]) for rows in (fold.train_idx, fold.stop_idx, fold.test_idx)]
        assert not sides[2] & (sides[0] | sides[1])
        assert set(coords["target"].iloc[fold.train_idx]) == set(coords["target"])


def test_a_clip_that_alone_has_its_score_is_never_tested():
    coords = coords_of(1, labels=[0] * 9 + [1] * 8 + [4])
    folds = split(histn_trials(), coords)
    assert {trial for fold in folds for trial in coords["trial"].iloc[fold.test_idx]} == set(
        map(str, range(17))
    )
    assert all("17" in set(coords["trial"].iloc[fold.train_idx]) for fold in folds)


def test_a_person_of_one_class_is_left_out_and_named():
    coords = coords_of(2)
    coords.loc[coords["subject"] == "P0", "target"] = "3"
    told: list[Exclusion] = []
    folds = list(histn_trials().split(coords, np.random.default_rng(0), told.append))
    assert [item.subject for item in told] == ["P0"]
    assert "two classes" in told[0].reason
    assert {fold.name[:2] for fold in folds} == {"P1"}


def test_the_published_protocols_make_no_claim():
    for protocol in (published_histn_blocks(), published_histn_first_10s()):
        assert protocol.claim is None
        assert protocol.name.startswith("published_")
    assert histn_trials().claim is not None


def test_impossible_blocks_are_refused():
    with pytest.raises(ProtocolError, match="blocks 0 to 9, got 10"):
        published_histn_blocks((10,))
    coords = coords_of(1)
    coords["start"] += 1
    with pytest.raises(ProtocolError, match=r"from 1 to 61 s\. Use the cleaning step HiSTNScaling"):
        split(published_histn_blocks(), coords)


def trial_of(data: np.ndarray, rest: np.ndarray) -> Trial:
    def eeg(values: np.ndarray) -> Signal:
        names = tuple(f"E{n}" for n in range(len(values)))
        return Signal(data=values, sfreq=128.0, ch_names=names, kind="eeg", unit="au")

    signals, baseline = {"eeg": eeg(data)}, {"eeg": eeg(rest)}
    return Trial(
        dataset="d",
        subject="1",
        trial="1",
        stimulus="1",
        signals=signals,
        baseline=baseline,
        ratings={"v": 3.0},
    )


def test_the_last_minute_is_scaled_by_the_middle_of_the_rest_and_its_own_maximum():
    rng = np.random.default_rng(0)
    data, rest = rng.normal(4200, 20, size=(2, 9000)), rng.normal(4100, 7, size=(2, 7808))
    scaled = HiSTNScaling()(trial_of(data, rest)).signal("eeg")
    expected = np.empty((2, 7680))
    for channel in range(2):
        middle = rest[channel, 3904 - 640 : 3904 + 640]
        z = (data[channel, 9000 - 7680 :] - np.mean(middle)) / np.sqrt(
            np.mean((middle - np.mean(middle)) ** 2)
        )
        expected[channel] = z / np.max(np.abs(z))
    assert_allclose(scaled.data, expected, rtol=1e-12)
    assert scaled.start == 0
    assert_array_equal(np.abs(scaled.data).max(axis=1), 1)


def test_scaling_refuses_what_is_too_short():
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="has a clip of 59 s; HiSTN takes 60 s"):
        HiSTNScaling()(trial_of(rng.normal(size=(1, 59 * 128)), rng.normal(size=(1, 7808))))
    with pytest.raises(DataError, match="has a rest of 3 s; HiSTN takes 10 s"):
        HiSTNScaling()(trial_of(rng.normal(size=(1, 7680)), rng.normal(size=(1, 384))))
    flat = HiSTNScaling()(trial_of(rng.normal(size=(1, 7680)), np.zeros((1, 7808))))
    assert np.isnan(flat.signal("eeg").data).all()
