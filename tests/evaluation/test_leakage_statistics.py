"""What single checks measure: closed forms, brute force, rates in simulated studies."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.neighbors import NearestNeighbors

from physioaffect.evaluation import Fold, sharing
from physioaffect.evaluation.leakage import audit
from physioaffect.evaluation.leakage.finding import NotMade
from physioaffect.evaluation.leakage.neighbours import nearest
from physioaffect.evaluation.leakage.persons import Signatures, log_ratios, signatures
from physioaffect.evaluation.leakage.recognition import _against_permuted_names
from physioaffect.evaluation.leakage.time_features import follows_clock
from physioaffect.evaluation.sharing import places_of


class TestSharedTime:
    @settings(max_examples=60)
    @given(seed=st.integers(0, 10_000), by_session=st.booleans())
    def test_windows_of_any_length_against_brute_force(self, seed, by_session):
        rng = np.random.default_rng(seed)
        n = 40
        start = rng.integers(0, 40, n) * 0.5
        coords = pd.DataFrame(
            {
                "dataset": "made",
                "subject": rng.integers(2, size=n),
                "session": "1",
                "trial": rng.integers(3, size=n),
                "stimulus": "s",
                "start": start,
                "duration": rng.integers(1, 5, n) * 0.5,
            }
        )
        if by_session:
            coords["elapsed"] = rng.permutation(n) * 0.75
        sides = rng.permutation(n)
        fold = Fold(name="1", train_idx=sides[:25], test_idx=sides[25:])

        def overlap(i: int, j: int) -> bool:
            a, b = coords.iloc[i], coords.iloc[j]
            meets = a["start"] < b["start"] + b["duration"] and b["start"] < a["start"] + a["duration"]
            in_trial = a["subject"] == b["subject"] and a["trial"] == b["trial"] and meets
            if not by_session or in_trial:
                return bool(in_trial)
            first, second = a["elapsed"], b["elapsed"]
            meets = first < second + b["duration"] and second < first + a["duration"]
            return bool(a["subject"] == b["subject"] and meets)

        expected = np.mean([any(overlap(i, j) for j in sides[:25]) for i in sides[25:]])
        assert sharing(coords, fold).samples == pytest.approx(expected)
        assert sharing(places_of(coords), fold) == sharing(coords, fold)

    def test_times_of_trials_repeated_for_each_window_tell_no_overlap(self):
        coords = pd.DataFrame({"dataset": "made", "subject": 1, "session": 1, "trial": [1, 1, 2, 2]})
        coords = coords.assign(stimulus=1, start=[0.0, 2, 0, 2], duration=2.0, elapsed=[0.0, 0, 60, 60])
        fold = Fold(name="1", train_idx=np.array([0, 2]), test_idx=np.array([1, 3]))
        assert sharing(coords, fold).samples == 0

    def test_unknown_units_are_shared_with_nobody(self):
        coords = pd.DataFrame({"dataset": "made", "subject": ["a", None, None, "a"]})
        shared = places_of(coords).shared(np.array([0, 1]), np.array([2, 3]))
        assert shared["subject"].tolist() == [False, True]


class TestNearest:
    def test_as_scikit_learn_finds_them(self):
        X = np.random.default_rng(0).standard_normal((300, 6))
        found = nearest(X, np.arange(200, 300), np.arange(200), 3)
        expected, rows = NearestNeighbors(n_neighbors=3).fit(X[:200]).kneighbors(X[200:])
        assert np.array_equal(found.rows, rows)
        assert np.allclose(found.distances, expected, rtol=1e-12)

    def test_rows_of_ones_own_unit_are_no_neighbours(self):
        X = np.arange(6.0)[:, np.newaxis]
        units = np.array([0, 0, 0, 1, 1, 2])
        found = nearest(X, np.array([0]), np.arange(6), 5, units=units)
        assert found.rows[0, :3].tolist() == [3, 4, 5]
        assert np.isinf(found.distances[0, 3:]).all()


class TestTrialRecognised:
    def test_chance_is_one_of_the_trials_and_certainty_is_one(self):
        trials = np.repeat(np.arange(40), 5)
        people = trials // 10
        hits, chance, p = _against_permuted_names(trials, trials, people, np.random.default_rng(0))
        assert (hits, p) == (1.0, 0.001)
        assert chance == pytest.approx(0.1, abs=0.01)

    def test_p_is_uniform_where_there_is_nothing(self):
        rng = np.random.default_rng(0)
        trials = np.repeat(np.arange(40), 5)
        people = trials // 10
        p = [
            _against_permuted_names(trials, people * 10 + rng.integers(10, size=200), people, rng)[2]
            for _ in range(60)
        ]
        # Each quarter of 60 holds 15, SD 3.4; ties push p up, never down.
        assert np.mean(np.array(p) <= 0.25) < 0.5
        assert np.mean(np.array(p) <= 0.75) > 0.5


class TestOnePersonUnderTwoNames:
    def test_the_likelihood_ratio_is_that_of_the_two_gaussians(self):
        means, spread, scatter = np.array([[1.3], [0.9], [-2.0]]), np.array([4.0]), np.array([0.1, 0.2, 0.3])
        found = log_ratios(Signatures(means, spread, scatter))
        for a in range(3):
            for b in range(3):
                x = means[[a, b], 0]
                own = np.diag(spread + scatter[[a, b]])
                together = own + spread * (1 - np.eye(2))
                expected = multivariate_normal.logpdf(x, cov=together) - multivariate_normal.logpdf(
                    x, cov=own
                )
                assert found[a, b] == pytest.approx(expected)

    @pytest.mark.parametrize("is_heavy", [False, True])
    @pytest.mark.parametrize(("n_people", "n_trials", "power"), [(23, 18, 1), (8, 18, 1), (15, 6, 0.4)])
    def test_rates(self, n_people, n_trials, power, is_heavy):
        """Of 40 studies none has a false pair; a person halved into two names is found."""
        alarms = found = 0
        for seed in range(40):
            rng = np.random.default_rng(seed)
            draw = rng.standard_t(3, (n_people, 8)) if is_heavy else rng.standard_normal((n_people, 8))
            trials = (draw @ rng.standard_normal((8, 40)))[:, np.newaxis]
            trials = trials + rng.standard_normal((n_people, n_trials, 8)) @ rng.standard_normal((8, 40))
            trials = (trials + 0.3 * rng.standard_normal(trials.shape)).reshape(-1, 40)
            people = np.repeat(np.arange(n_people), n_trials)
            renamed = people.copy()
            renamed[: n_trials // 2] = n_people
            least = np.log(n_people * (n_people - 1) / 0.01)
            for names in (people, renamed):
                signed = signatures(trials, names)
                assert not isinstance(signed, NotMade)
                ratios = log_ratios(signed)
                np.fill_diagonal(ratios, -np.inf)
                if names is renamed:
                    found += bool(ratios[0].argmax() == n_people and ratios[0, n_people] > least)
                    ratios[0, n_people] = ratios[n_people, 0] = -np.inf
                alarms += bool((ratios > least).any())
        assert alarms <= 1
        assert found / 40 >= power

    def test_after_standardising_per_person_it_is_not_made(self):
        trials = np.random.default_rng(0).standard_normal((10, 8, 5))
        trials -= trials.mean(axis=1, keepdims=True)
        refused = signatures(trials.reshape(-1, 5), np.repeat(np.arange(10), 8))
        assert isinstance(refused, NotMade)
        assert "standardised per person?" in refused.reason

    def test_where_trials_of_a_person_do_not_differ_it_is_not_made(self):
        people = np.repeat(np.arange(6), 4)
        refused = signatures(np.random.default_rng(0).standard_normal((6, 5))[people], people)
        assert refused == NotMade(reason="every trial of a person has the same features.")
        assert signatures(np.ones((24, 5)), people) == NotMade(reason="all trials have the same features.")


class TestClocks:
    def test_any_function_of_the_clock_is_explained_fully_whatever_its_level_scale_and_sign(self):
        clock = np.tile(np.linspace(0, 10, 200), 6)
        people = np.repeat(np.arange(6), 200)
        X = (
            np.stack([clock, np.sqrt(clock), np.sin(clock)], axis=1)
            * (1 + people)[:, None]
            * (-1.0) ** people[:, None]
        )
        share = follows_clock(X + people[:, None], clock, people)
        assert share is not None
        assert np.all(share > 0.999)

    @pytest.mark.parametrize(("n_people", "bound"), [(1, 0.99), (3, 0.95), (10, 0.95)])
    def test_random_walks_do_not_reach_the_bounds(self, n_people, bound):
        rng = np.random.default_rng(1)
        X = np.cumsum(rng.standard_normal((n_people, 120, 500)), axis=1).reshape(-1, 500)
        share = follows_clock(X, np.tile(np.arange(120.0), n_people), np.repeat(np.arange(n_people), 120))
        assert share is not None
        assert share.max() < bound

    def test_too_few_times(self):
        assert follows_clock(np.zeros((8, 1)), np.repeat([0.0, 1.0], 4), np.zeros(8, dtype=np.intp)) is None


COLUMNS = ("subject", "session", "trial", "stimulus", "start", "duration", "order", "elapsed", "target")


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10_000),
    columns=st.sets(st.sampled_from(COLUMNS)),
    n_rows=st.integers(2, 70),
    n_features=st.integers(1, 6),
    n_units=st.integers(1, 5),
)
def test_no_table_is_too_small_or_too_full_of_holes(seed, columns, n_rows, n_features, n_units):
    """One person, one trial, constant or missing features, unknown units: an audit, never a crash."""
    rng = np.random.default_rng(seed)
    coords = pd.DataFrame({name: rng.integers(n_units, size=n_rows) for name in columns}, index=range(n_rows))
    for name in columns & {"subject", "trial", "stimulus"}:
        coords[name] = coords[name].where(rng.random(n_rows) > 0.1)
    for name in columns & {"start", "elapsed"}:
        coords[name] = coords[name].where(rng.random(n_rows) > 0.1).astype(float)
    X = rng.standard_normal((n_rows, n_features))
    if seed % 3 == 0:
        X = np.round(X)
    X[:, 0] = 0 if seed % 2 else X[:, 0]
    X[rng.random(X.shape) < 0.2 * (seed % 5 == 0)] = np.nan
    order = rng.permutation(n_rows)
    cut = rng.integers(1, n_rows)
    found = audit(coords, order[:cut], order[cut:], features=X, labels=rng.integers(n_units, size=n_rows))
    assert json.loads(found.to_json())["n_folds"] == 1
    audit(coords, order[:cut], order[cut:], features=X, labels=rng.standard_normal(n_rows))
