"""Whose maps a teacher never saw, and that it did not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from physioaffect.distill.held_out import held_out_embeddings, held_out_predictions
from physioaffect.distill.teacher import MapTeacher
from physioaffect.errors import DataError, ProtocolError
from physioaffect.training import torch_threads

SIZE, N_EACH = 8, 12
NAMES = list("abcdefgh")
PEOPLE = np.repeat(NAMES, N_EACH)
SETTINGS = MapTeacher(epochs=2, batch_size=8, n_dims=16, device="cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with torch_threads(1):
        yield


def world(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    ratings = rng.uniform(-1, 1, size=(len(PEOPLE), 2))
    return ratings[:, None, None] + 0.3 * rng.normal(size=(len(PEOPLE), SIZE, SIZE, 2)), ratings


MAPS, RATINGS = world()


@pytest.mark.parametrize("apart", [False, True])
def test_embeddings_are_of_people_the_teacher_was_not_trained_on(apart):
    found = held_out_embeddings(MAPS, RATINGS, PEOPLE, teacher=SETTINGS, seed=3, apart=apart)
    own, trained = set(found.people.tolist()), set(found.teacher.people_)
    assert len(own) == 2
    assert not own & trained
    if apart:
        assert not own & set(found.teacher.validation_people_)
        assert len(trained | own) + len(found.teacher.validation_people_) == 8
    else:
        assert own == set(found.teacher.validation_people_)
    assert_array_equal(PEOPLE[found.rows], found.people)
    assert set(np.flatnonzero(np.isin(PEOPLE, list(own))).tolist()) == set(found.rows.tolist())
    np.testing.assert_allclose(
        np.stack([found.valence, found.arousal], axis=1), RATINGS[found.rows], rtol=1e-6
    )
    assert_array_equal(found.embeddings, found.teacher.embed(MAPS[found.rows]))
    assert_array_equal(found.predicted, found.teacher.predict(MAPS[found.rows]))
    assert found.embeddings.shape == (2 * N_EACH, 16)


@pytest.mark.parametrize("apart", [False, True])
def test_what_held_out_people_did_changes_no_weight(apart):
    settings = SETTINGS.set_params(patience=None) if not apart else SETTINGS
    before = held_out_embeddings(MAPS, RATINGS, PEOPLE, teacher=settings, seed=3, apart=apart)
    maps, ratings = MAPS.copy(), RATINGS.copy()
    maps[before.rows] *= -7
    ratings[before.rows] = ratings[before.rows][::-1]
    after = held_out_embeddings(maps, ratings, PEOPLE, teacher=settings, seed=3, apart=apart)
    SETTINGS.set_params(patience=10)
    assert_array_equal(after.rows, before.rows)
    assert_array_equal(after.teacher.embed(MAPS), before.teacher.embed(MAPS))


def test_seeds_hold_out_others_and_end_in_other_spaces():
    first, second = (
        held_out_embeddings(MAPS, RATINGS, PEOPLE, teacher=SETTINGS, seed=seed, share=0.5) for seed in (0, 1)
    )
    assert len(set(first.people.tolist())) == 4
    assert set(first.people.tolist()) != set(second.people.tolist())
    # One map in two teachers' eyes: no reason to be near, though both tell its rating.
    cosine = (first.teacher.embed(MAPS) * second.teacher.embed(MAPS)).sum(axis=1)
    assert np.abs(cosine).mean() < 0.75
    again = held_out_embeddings(MAPS, RATINGS, PEOPLE, teacher=SETTINGS, seed=0, share=0.5)
    assert_array_equal(again.embeddings, first.embeddings)


def test_settings_are_not_changed():
    before = SETTINGS.get_params()
    held_out_embeddings(MAPS, RATINGS, PEOPLE, teacher=SETTINGS, seed=3, share=0.4)
    held_out_predictions(MAPS, RATINGS, PEOPLE, teacher=SETTINGS, n_folds=2)
    assert SETTINGS.get_params() == before
    assert not hasattr(SETTINGS, "network_")


def test_every_person_is_predicted_by_a_teacher_that_never_saw_them():
    plain = held_out_predictions(MAPS, RATINGS, PEOPLE, teacher=SETTINGS, n_folds=4, seed=1)
    assert plain.shape == RATINGS.shape
    assert np.isfinite(plain).all()
    # Whatever one of them rated, what is said of that person stays, and others' may change.
    ratings = RATINGS.copy()
    ratings[PEOPLE == "c"] *= -1
    other = held_out_predictions(MAPS, ratings, PEOPLE, teacher=SETTINGS, n_folds=4, seed=1)
    assert_array_equal(other[PEOPLE == "c"], plain[PEOPLE == "c"])
    assert not np.array_equal(other[PEOPLE != "c"], plain[PEOPLE != "c"])


def test_by_default_each_person_is_a_fold():
    three = np.isin(PEOPLE, list("abc"))
    seen = []
    held_out_predictions(
        MAPS[three],
        RATINGS[three],
        PEOPLE[three],
        teacher=SETTINGS,
        progress=lambda _name, done, total: seen.append(done == total),
    )
    assert sum(seen) == 3


def test_what_cannot_be_held_out_is_refused():
    with pytest.raises(ProtocolError, match=r"n_folds=9 folds needs a person to predict.*there are 8 people"):
        held_out_predictions(MAPS, RATINGS, PEOPLE, teacher=SETTINGS, n_folds=9)
    two = np.isin(PEOPLE, list("ab"))
    with pytest.raises(ProtocolError, match="there are 2 people"):
        held_out_predictions(MAPS[two], RATINGS[two], PEOPLE[two], teacher=SETTINGS)
    with pytest.raises(ProtocolError, match="Of 2 people 1 would be held out, and two others are needed"):
        held_out_embeddings(MAPS[two], RATINGS[two], PEOPLE[two], teacher=SETTINGS, apart=True)
    with pytest.raises(DataError, match=r"96 maps and people .groups. of shape"):
        held_out_embeddings(MAPS, RATINGS, PEOPLE[:4], teacher=SETTINGS)
