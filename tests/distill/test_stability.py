"""Stability: what split halves find where ratings are in the embeddings, and where they are not."""

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest
from support.prototype_worlds import World, world

from physioaffect.distill.prototypes import valence_arousal_prototypes
from physioaffect.distill.stability import SplitHalfStability, split_half_stability
from physioaffect.errors import DataError


def stability(made: World, **options: Any) -> SplitHalfStability:
    settings = {"k": 3, "n_splits": 20, "n_null": 39} | options
    return split_half_stability(
        made.X, made.valence, made.arousal, people=made.people, trials=made.trials, **settings
    )


PLANTED = world(0, signal=3.0)
NULL = world(0, signal=0.0)


def test_ratings_in_the_embeddings_are_found() -> None:
    found = stability(PLANTED)
    assert found.distinctness_p == found.geometry_p == 1 / 40
    assert found.distinctness > 0.1
    assert found.geometry > 0.6
    assert (found.similarity > found.chance).mean() > 0.8
    assert np.nanmean(found.agreement) > 0.05
    assert found.n_movable == 12


def test_embeddings_without_ratings_look_stable_and_are_not() -> None:
    found = stability(NULL)
    # What all embeddings share makes halves alike; shuffled ratings make them as alike.
    assert found.similarity.min() > 0.8
    assert_allclose(found.similarity, found.chance, atol=0.05)
    assert abs(found.distinctness) < 0.02
    assert found.distinctness_p > 0.05
    # Outer cells of this grid hold two levels of rating, middle ones one: that is in the null, too.
    assert np.mean(found.geometry_null) < -0.2
    assert abs(np.nanmean(found.agreement)) < 0.05


def test_p_values_are_even_where_ratings_say_nothing() -> None:
    found = [
        stability(
            world(seed, signal=0.0, n_people=5, n_trials=12, n_windows=2, n_dims=6),
            n_splits=3,
            n_null=19,
            seed=seed,
        )
        for seed in range(100)
    ]
    for values in ([one.distinctness_p for one in found], [one.geometry_p for one in found]):
        # A p-value of 19 shuffles takes 20 values; spread within each step it is even.
        spread = np.array(values) - np.random.default_rng(0).random(100) / 20
        assert kstest(spread, "uniform").pvalue > 0.01
        assert np.mean(np.array(values) <= 0.05) <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 100)


def test_taking_windows_for_trials_would_find_what_is_not_there() -> None:
    # Each window its own trial: shuffles break trials up, and what their windows share passes for signal.
    made = [world(seed, signal=0.0, n_people=4, n_trials=6, n_windows=8) for seed in range(12)]
    wrong = [
        stability(
            one._replace(trials=np.tile(np.arange(48), 4)), n_splits=6, n_null=19
        ).distinctness_null.std()
        for one in made
    ]
    right = [stability(one, n_splits=6, n_null=19).distinctness_null.std() for one in made]
    assert np.mean(right) > 1.3 * np.mean(wrong)


def test_two_people_by_hand() -> None:
    # The only halves of two people are one and the other: similarities are cosines between their own means.
    rng = np.random.default_rng(3)
    X = rng.standard_normal((16, 4))
    valence = np.tile([-1, -1, 1, 1, -1, -1, 1, 1], 2)
    arousal = np.tile([-1, -1, -1, -1, 1, 1, 1, 1], 2)
    people, trials = np.repeat([0, 1], 8), np.tile(np.arange(8) // 2, 2)
    found = split_half_stability(X, valence, arousal, people=people, trials=trials, k=2, n_splits=5, n_null=3)
    own = [
        valence_arousal_prototypes(X[people == one], valence[people == one], arousal[people == one], k=2)
        for one in (0, 1)
    ]
    cosines = own[0].vectors.astype(float) @ own[1].vectors.astype(float).T
    assert_allclose(found.similarity, np.diag(cosines), atol=1e-6)
    assert_allclose(found.low, found.high, atol=1e-12)
    others = cosines[~np.eye(4, dtype=bool)]
    assert found.distinctness == pytest.approx(np.diag(cosines).mean() - others.mean(), abs=1e-6)
    assert_allclose(found.agreement, found.distinctness, atol=1e-6)
    assert_array_equal(found.n_windows, 4)
    assert_array_equal(found.n_people, 2)
    assert_array_equal(found.n_splits_of_cell, 5)


def test_cells_of_one_person_have_no_halves() -> None:
    made = world(2, signal=1.0, n_people=4)
    alone = np.flatnonzero((made.people == 0) & (made.trials == 0))
    valence, arousal = made.valence.clip(-0.5, 0.5), made.arousal.clip(-0.5, 0.5)
    valence[alone] = arousal[alone] = 1.0
    found = stability(made._replace(valence=valence, arousal=arousal), k=5)
    assert found.n_people[24] == 1
    assert np.isnan([found.similarity[24], found.low[24], found.high[24]]).all()
    assert found.n_splits_of_cell[24] == 0
    empty = found.n_windows == 0
    assert np.isnan(found.similarity[empty]).all()
    assert empty.sum() == 15


def test_nothing_but_the_seed_moves_it() -> None:
    first, again, other = (stability(PLANTED, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(first.distinctness_null, again.distinctness_null)
    assert (first.distinctness_null != other.distinctness_null).any()
    assert first.geometry == other.geometry
    order = np.random.default_rng(0).permutation(len(PLANTED.X))
    mixed = stability(World(**{name: one[order] for name, one in PLANTED._asdict().items()}), seed=1)
    assert_allclose(mixed.similarity, first.similarity, atol=1e-9)
    assert_allclose(mixed.distinctness_null, first.distinctness_null, atol=1e-9)


def test_blocks_of_splits_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = stability(PLANTED, n_null=2)
    monkeypatch.setattr("physioaffect.distill.split_halves._NUMBERS_AT_ONCE", 1)
    one_by_one = stability(PLANTED, n_null=2)
    assert_allclose(one_by_one.similarity, at_once.similarity, atol=1e-12)
    assert one_by_one.distinctness == pytest.approx(at_once.distinctness)


def test_a_person_with_the_wrong_sign_is_seen() -> None:
    X = PLANTED.X - PLANTED.X.mean(axis=0)
    odd = PLANTED.people == 5
    X[odd] = -X[odd]
    found = stability(PLANTED._replace(X=X))
    assert np.nanargmin(found.agreement) == 5
    assert found.agreement[5] < 0


def test_more_people_make_halves_more_alike() -> None:
    few, many = (stability(world(4, signal=2.0, n_people=n), n_null=1) for n in (4, 32))
    assert np.nanmean(many.similarity) > np.nanmean(few.similarity) + 0.05


def test_what_it_says_for_people_and_scripts() -> None:
    found = stability(PLANTED)
    table = found.table()
    assert len(table) == 9
    assert_array_equal(table["windows"].sum(), len(PLANTED.X))
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["distinctness_p"] == 1 / 40
    assert set(told["agreement"]) == {str(one) for one in range(12)}
    assert told["cells"][4]["windows"] == found.n_windows[4]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"people": np.zeros(8)}, "at least 2 people, got 1"),
        ({"people": [0]}, r"People must be one for each of 8 windows, got shape \(1,\)"),
        ({"trials": [0]}, "Trials must be one for each of 8 windows"),
        (
            {"trials": np.zeros(8)},
            r"Windows of trial 0.0 of person 0 lie in different cells. A trial has one",
        ),
        ({"k": 1}, "Nobody has trials in two cells"),
        ({"embeddings": np.zeros((8, 2))}, "window 0 is all zeros"),
    ],
)
def test_bad_input(options: dict, said: str) -> None:
    settings: dict[str, Any] = {
        "embeddings": np.ones((8, 2)),
        "valence": np.tile([-1, 1], 4),
        "arousal": np.zeros(8),
        "people": np.repeat([0, 1], 4),
        "trials": np.tile(np.arange(4), 2),
        "k": 3,
    } | options
    with pytest.raises(DataError, match=said):
        split_half_stability(**settings)


def test_bad_settings() -> None:
    for options in ({"n_splits": 0}, {"n_null": 0}):
        with pytest.raises(ValueError, match="n_splits and n_null must be at least 1"):
            stability(PLANTED, **options)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        stability(PLANTED, level=95)
