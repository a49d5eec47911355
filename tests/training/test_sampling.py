"""What an epoch consists of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import ProtocolError
from physioaffect.training import ClassBalanced, Crops, Population, Shuffled, SubjectBalanced, Trials

N_TIMES = 128


def population(labels, *, subjects=None, trials=None, starts=None, first_row=0) -> Population:
    n = len(labels)
    return Population(
        rows=first_row + np.arange(n),
        labels=np.asarray(labels),
        subjects=None if subjects is None else np.asarray(subjects),
        trials=None if trials is None else np.asarray(trials),
        starts=None if starts is None else np.asarray(starts),
        n_times=N_TIMES,
    )


@given(st.integers(1, 200), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_shuffled_shows_no_window_twice_and_leaves_out_less_than_a_batch(n, batch_size, seed):
    people = population(np.zeros(n, dtype=int), first_row=7)
    rows = Shuffled()(people, batch_size, np.random.default_rng(seed)).rows
    assert rows.shape == (n // batch_size, batch_size)
    assert len(np.unique(rows)) == rows.size
    assert np.isin(rows, people.rows).all()


@pytest.mark.parametrize("sampler", [ClassBalanced(), SubjectBalanced()])
def test_balanced_draws_are_even_where_windows_are_not(sampler):
    # 9 to 1; of 1,000 draws half, within four standard deviations.
    uneven = np.repeat([0, 1], [900, 100])
    people = population(uneven, subjects=uneven)
    rows = sampler(people, 50, np.random.default_rng(0)).rows
    assert rows.size == 1000
    assert_allclose((rows >= 900).mean(), 0.5, atol=4 * 0.5 / np.sqrt(1000))
    # Within a class each window is as likely as another.
    counts = np.bincount(rows[rows >= 900] - 900, minlength=100)
    assert counts.max() < 5 + 6 * np.sqrt(5)


@given(st.data())
def test_trials_weigh_the_same_however_long_they_are(data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=8))
    n_each = data.draw(st.integers(1, 4))
    trials = np.repeat(np.arange(len(lengths)) * 3, lengths)
    rows = Trials(n_each=n_each)(population(trials, trials=trials), 1, np.random.default_rng(0)).rows
    assert_array_equal(np.bincount(trials[rows.ravel()], minlength=1)[::3], n_each)


def crops_of(trials, starts, labels, seed=0, batch_size=16):
    people = population(labels, trials=trials, starts=starts)
    return people, Crops()(people, batch_size, np.random.default_rng(seed))


@given(st.data())
def test_a_crop_lies_inside_windows_of_its_trial(data):
    step = data.draw(st.integers(16, 300))
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=24, max_size=24)))
    kept[0] = True
    trials, starts = np.repeat([4, 9, 2], 8), np.tile(np.arange(8) * step, 3)
    trials, starts = trials[kept], starts[kept]
    _, draw = crops_of(trials, starts, trials, batch_size=1)
    covered = {t: np.zeros(8 * step + 2 * N_TIMES, dtype=bool) for t in (2, 4, 9)}
    for trial, start in zip(trials, starts, strict=True):
        covered[trial][start : start + N_TIMES] = True
    for row, shift in zip(draw.rows.ravel(), draw.shifts.ravel(), strict=True):
        begin = starts[row] + shift
        assert covered[trials[row]][begin : begin + N_TIMES].all()


def test_an_epoch_of_crops_has_as_many_as_there_are_places():
    """HiSTN on DREAMER: 18 trials of 60 s at 128 Hz, less two neighbouring blocks of 6 s."""
    second = np.setdiff1d(np.arange(60), np.arange(18, 30))
    trials, starts = np.repeat(np.arange(18), len(second)), np.tile(second * 128, 18)
    people = population(trials % 5, trials=trials, starts=starts)
    # 18 s and 30 s are left: 17 * 128 + 1 and 29 * 128 + 1 places, 414 steps of 256 as in the paper's code.
    places = 18 * (17 * 128 + 1 + 29 * 128 + 1)
    assert Crops().n_steps(people, 256) == places // 256 == 414


def test_crops_draw_classes_evenly_and_then_trials():
    trials = np.repeat(np.arange(4), 6)
    starts = np.tile(np.arange(6) * N_TIMES, 4)
    labels = np.array([0, 0, 0, 1])[trials]
    _, draw = crops_of(trials, starts, labels, batch_size=4)
    share = np.bincount(trials[draw.rows.ravel()], minlength=4) / draw.rows.size
    assert_allclose(share, [1 / 6, 1 / 6, 1 / 6, 1 / 2], atol=4 * 0.5 / np.sqrt(draw.rows.size))
    assert len(np.unique(draw.shifts)) > 100


@pytest.mark.parametrize("sampler", [Crops(), Trials()])
def test_trials_must_be_known(sampler):
    with pytest.raises(ProtocolError, match="which windows are of one trial"):
        sampler(population([0, 1]), 1, np.random.default_rng(0))


def test_people_must_be_known():
    with pytest.raises(ProtocolError, match="pass groups to fit"):
        SubjectBalanced()(population([0, 1]), 1, np.random.default_rng(0))
