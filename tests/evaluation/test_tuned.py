"""A search within the training side: what it divides by, what it chooses, and what it never sees."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from support.tables import VALENCE, VALENCE_SCORE, feature_table

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import (
    CalibrationCentred,
    PerSubjectScaled,
    evaluate,
    get_protocol,
    make_table,
    named_model,
)
from physioaffect.evaluation.models import CLASSIFIERS, REGRESSORS, uses_of
from physioaffect.evaluation.models.grids import GRIDS, usual_grid
from physioaffect.evaluation.models.tuned import Tuned, choices_of
from physioaffect.evaluation.protocols.dealing import deal, inner_folds
from physioaffect.evaluation.protocols.folds import Fold, codes
from physioaffect.evaluation.running.fitting import fit, predict, seeded
from physioaffect.evaluation.scoring.metrics import macro_f1


@given(
    n_groups=st.integers(2, 6),
    labels=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    seed=st.integers(0, 2**32 - 1),
)
def test_units_are_dealt_evenly_in_all_and_in_each_class(n_groups, labels, seed):
    groups = deal(len(labels), n_groups, np.random.default_rng(seed), np.array(labels))
    for own in [groups, *(groups[np.array(labels) == label] for label in set(labels))]:
        counts = np.bincount(own, minlength=n_groups)
        assert counts.max() - counts.min() <= 1


@given(
    n_folds=st.integers(2, 6),
    n_units=st.lists(st.integers(2, 8), min_size=1, max_size=2),
    seed=st.integers(0, 2**32 - 1),
)
def test_inner_folds_share_no_unit_of_any_level(n_folds, n_units, seed):
    rng = np.random.default_rng(seed)
    # Everyone met everything, in an order of no meaning.
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*map(np.arange, n_units))], axis=1)
    units = rng.permutation(np.repeat(grid, 3, axis=0))
    inner = inner_folds(units, None, n_folds, rng)
    assert len(inner) == min(n_folds, *n_units)
    for fold in inner:
        for column in units.T:
            assert not set(column[fold.train]) & set(column[fold.test])
    tested = np.concatenate([fold.test for fold in inner])
    assert len(tested) == len(set(tested))
    if len(n_units) == 1:
        assert sorted(tested) == list(range(len(units)))


def test_a_single_unit_is_not_divided():
    assert inner_folds(np.zeros((10, 1), dtype=np.intp), None, 5, np.random.default_rng(0)) == []


class Sees(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps the numbers of the rows it was fitted on, which are its first column, of every fit there was."""

    fits: list[list[int]] = []  # noqa: RUF012  Read by the test.

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def fit(self, X: Any, y: Any) -> "Sees":
        Sees.fits.append(X[:, 0].astype(int).tolist())
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return self.classes_[(X[:, 0].astype(int) // 5) % len(self.classes_)]


def coords_of(**sizes: int) -> pd.DataFrame:
    return make_table(feature_table(**sizes), VALENCE)[0].coords


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("loso", ["subject"]),
        ("loso_3fold", ["subject"]),
        ("within_subject_trial", ["trial"]),
        ("front_back", ["trial"]),
        ("loso_stimulus", ["subject", "stimulus"]),
        ("calibrated_trials_2", ["subject"]),
    ],
)
def test_inner_folds_hold_out_what_the_protocol_holds_out(name, levels):
    coords = coords_of(n_subjects=6, n_trials=12, n_windows=5)
    y = (coords["target"] == "high").to_numpy().astype(int)
    X = np.arange(len(coords))[:, np.newaxis].astype(float)
    model = Tuned(Sees(), {"number": [1, 2]}, n_folds=3)
    for fold in list(get_protocol(name).split(coords, np.random.default_rng(0)))[:2]:
        Sees.fits.clear()
        fitted = fit(seeded(model, 0), X, y, coords["subject"].to_numpy(), fold)
        *inner, last = Sees.fits
        assert len(inner) == 2 * fitted.n_inner_folds_ == 6
        assert last == fold.fitted_idx.tolist()  # Refitted on all that may be seen.
        for rows in inner:
            left = np.setdiff1d(fold.fitted_idx, rows)
            assert set(rows) < set(fold.fitted_idx)
            for level in levels:
                units = codes(coords, level)
                if len(levels) == 1:
                    assert not set(units[rows]) & set(units[left])
                else:  # Something of the others is out of both sides.
                    assert len(set(units[rows])) < len(set(units[fold.fitted_idx]))


def planted(seed: int, n_subjects: int = 8) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    table = feature_table(n_subjects=n_subjects, n_trials=8, n_windows=3, effect=1.0, seed=seed)
    made, _ = make_table(table, VALENCE)
    return made.flat(), (made.target == "high").astype(int), made.coords


@pytest.mark.parametrize("protocol", ["loso", "loso_stimulus", "within_subject_trial", "trial_chunk_3"])
@pytest.mark.parametrize("name", ["tuned+knn", "tuned+logistic", "tuned+lda"])
def test_what_is_tested_has_no_part_in_the_choice(protocol, name):
    X, y, coords = planted(seed=3)
    people = coords["subject"].to_numpy()
    rng = np.random.default_rng(0)
    for fold in list(get_protocol(protocol).split(coords, rng))[:2]:
        found = []
        for _ in range(2):
            own_X, own_y = X.copy(), y.copy()
            hidden = np.setdiff1d(np.arange(len(y)), fold.fitted_idx)
            own_X[hidden] = 1e3 * rng.normal(size=own_X[hidden].shape)
            own_y[hidden] = rng.integers(0, 2, len(hidden))
            model = fit(seeded(named_model(name, VALENCE), 7), own_X, own_y, people, fold)
            found.append((model.best_params_, model.search_, predict(model, X, people, fold, VALENCE)))
        assert found[0][0] == found[1][0]
        pd.testing.assert_frame_equal(found[0][1], found[1][1])
        assert_array_equal(found[0][2], found[1][2])


def test_the_choice_is_that_of_a_search_by_hand():
    X, y, coords = planted(seed=1)
    units = codes(coords, "subject")[:, np.newaxis]
    neighbours = [1, 5, 15, 45]
    model = Tuned(KNeighborsClassifier(), {"n_neighbors": neighbours}, n_folds=4, random_state=5)
    model.fit(X, y, units=units)
    groups = deal(8, 4, np.random.default_rng(5))[units[:, 0]]
    scores = []
    for n_neighbors in neighbours:
        predicted = np.empty_like(y)
        for number in range(4):
            test = groups == number
            one = KNeighborsClassifier(n_neighbors).fit(X[~test], y[~test])
            predicted[test] = one.predict(X[test])
        scores.append(macro_f1(y, predicted))
    assert model.search_["score"].to_numpy() == pytest.approx(scores, abs=1e-12)
    assert [json.loads(one)["n_neighbors"] for one in model.search_["params"]] == neighbours
    assert model.best_params_ == {"n_neighbors": neighbours[int(np.argmax(scores))]}
    assert_array_equal(model.predict(X), KNeighborsClassifier(**model.best_params_).fit(X, y).predict(X))


def test_of_equally_good_candidates_the_first_is_taken():
    X = np.repeat([[-1.0], [1.0]], 20, axis=0)
    y = np.repeat([0, 1], 20)
    model = Tuned(LogisticRegression(), {"C": [1.0, 0.1, 10.0]}).fit(
        X, y, units=np.arange(40)[:, np.newaxis] % 10
    )
    assert model.search_["score"].tolist() == [1, 1, 1]
    assert model.best_params_ == {"C": 1.0}


def test_with_noise_about_each_trial_dividing_by_windows_would_choose_another():
    # Trials differ by offsets: the nearest neighbour knows a trial again, so it wins among windows only.
    table, _ = make_table(feature_table(n_subjects=8, n_trials=8, n_windows=8, effect=0.7), VALENCE)
    X, y = table.flat(), (table.target == "high").astype(int)
    chosen = {}
    for level in ("window", "subject"):
        units = codes(table.coords, level)[:, np.newaxis]
        grid = {"n_neighbors": [1, 101]}
        chosen[level] = (
            Tuned(KNeighborsClassifier(), grid, random_state=0).fit(X, y, units=units).best_params_
        )
    assert chosen == {"window": {"n_neighbors": 1}, "subject": {"n_neighbors": 101}}


def test_a_candidate_that_cannot_be_fitted_is_named_and_not_taken():
    X, y, coords = planted(seed=0, n_subjects=4)
    units = codes(coords, "subject")[:, np.newaxis]
    model = Tuned(KNeighborsClassifier(), {"n_neighbors": [500, 3]}).fit(X, y, units=units)
    assert np.isnan(model.search_["score"][0])
    assert "n_neighbors" in model.search_["problem"][0]
    assert model.best_params_ == {"n_neighbors": 3}
    with pytest.raises(ProtocolError, match=r"No candidate .* Expected n_neighbors <= .*without tuned"):
        Tuned(KNeighborsClassifier(), {"n_neighbors": [500]}).fit(X, y, units=units)


def test_numbers_are_tuned_by_their_concordance():
    table, _ = make_table(feature_table(n_subjects=6, effect=2.0), VALENCE_SCORE)
    units = codes(table.coords, "subject")[:, np.newaxis]
    model = Tuned(Ridge(), {"alpha": [1e9, 1.0]}).fit(table.flat(), table.target, units=units)
    assert model.best_params_ == {"alpha": 1.0}
    assert model.search_["score"][0] < 0.1 < model.search_["score"][1]
    assert model.predict(table.flat()).dtype.kind == "f"


@pytest.mark.parametrize("task", [VALENCE, VALENCE_SCORE], ids=lambda task: task.kind)
def test_every_classical_model_has_a_usual_grid_that_begins_with_its_default(task):
    names = CLASSIFIERS if task.kind == "binary" else REGRESSORS
    for name in names:
        model = named_model(f"tuned+{name}", task)
        assert model.grid
        for parameter, values in model.grid.items():
            assert model.model.get_params()[parameter] == values[0], name
    assert usual_grid(CalibrationCentred(named_model("lda", VALENCE))) == {
        "model__evenlda__shrinkage": GRIDS["EvenLDA"]["shrinkage"]
    }


def test_validation_windows_are_the_same_in_every_fit():
    class Validated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        uses = frozenset({"validation", "groups"})
        seen: list[Any] = []  # noqa: RUF012

        def __init__(self, number: int = 0) -> None:
            self.number = number

        def fit(self, X: Any, y: Any, *, groups: Any, validation: Any) -> "Validated":
            assert len(groups) == len(X)
            Validated.seen.append(validation[0][:, 0].astype(int).tolist())
            self.classes_ = np.unique(y)
            return self

        def predict(self, X: Any, *, groups: Any) -> Any:
            assert len(groups) == len(X)
            return self.classes_[X[:, 0].astype(int) % 2]

    coords = coords_of(n_subjects=6)
    X = np.arange(len(coords))[:, np.newaxis].astype(float)
    [fold, *_] = get_protocol("loso").split(coords, np.random.default_rng(0))
    y = (coords["target"] == "high").to_numpy().astype(int)
    model = fit(Tuned(Validated(), {"number": [0, 1]}, n_folds=2), X, y, coords["subject"].to_numpy(), fold)
    assert Validated.seen == [fold.validation_idx.tolist()] * 5
    assert len(predict(model, X, coords["subject"].to_numpy(), fold, VALENCE)) == len(fold.test_idx)


@pytest.mark.parametrize("name", ["scaled+tuned+lda", "centred+tuned+lda"])
def test_a_wrapper_around_it_hands_the_units_on(name):
    X, y, coords = planted(seed=0)
    people = coords["subject"].to_numpy()
    [fold, *_] = get_protocol("calibrated_trials_2_transductive").split(coords, np.random.default_rng(0))
    model = named_model(name, VALENCE)
    assert "units" in uses_of(model)
    fitted = fit(seeded(model, 0), X, y, people, fold)
    choices = choices_of(fitted)
    assert choices is not None
    assert json.loads(choices.loc[choices["is_chosen"], "params"].item()) == fitted.model_.best_params_
    assert choices_of(fit(named_model("lda", VALENCE), X, y, people, fold)) is None
    inner = fitted.model_
    assert inner.n_inner_folds_ == 5
    assert len(inner.search_) == 5


def test_it_is_an_estimator_like_others():
    model = clone(Tuned(LogisticRegression(C=3), {"C": [1.0, 2.0]}, n_folds=3))
    assert model.get_params()["model__C"] == 3
    X, y, coords = planted(seed=0, n_subjects=4)
    fitted = model.fit(X, y, groups=coords["subject"].to_numpy())
    assert_array_equal(fitted.predict_proba(X).argmax(axis=1), fitted.predict(X))
    assert fitted.classes_.tolist() == [0, 1]


def test_the_seed_deals_the_units():
    X, y, coords = planted(seed=0)
    fold = Fold(
        name="1", train_idx=np.arange(len(y)), test_idx=np.arange(1), units=codes(coords, "subject")[:, None]
    )
    searches = [
        fit(seeded(named_model("tuned+logistic", VALENCE), seed), X, y, y, fold).search_["score"].tolist()
        for seed in (1, 1, 2)
    ]
    assert searches[0] == searches[1] != searches[2]


@pytest.mark.parametrize(
    ("settings_of", "error", "sentence"),
    [
        ({"grid": {"alpha": [1]}}, ValueError, "LogisticRegression has no parameter 'alpha': it has C, "),
        ({"grid": {}}, ValueError, "grid of Tuned has no candidate"),
        ({"grid": {"C": []}}, ValueError, "grid of Tuned has no candidate"),
        ({"n_folds": 1}, ValueError, "n_folds of Tuned must be a whole number from 2, got 1"),
    ],
)
def test_wrong_settings_are_refused(settings_of, error, sentence):
    X, y, coords = planted(seed=0, n_subjects=4)
    with pytest.raises(error, match=sentence):
        Tuned(LogisticRegression(), **settings_of).fit(X, y, groups=coords["subject"].to_numpy())


def test_what_cannot_be_divided_is_refused():
    X, y, coords = planted(seed=0, n_subjects=4)
    model = Tuned(LogisticRegression())
    with pytest.raises(ProtocolError, match="Tuned needs units to divide by: pass units, or the person"):
        model.fit(X, y)
    with pytest.raises(ProtocolError, match=r"there is only one such unit\. Use the model without tuned"):
        model.fit(X, y, groups=np.full(len(y), "S1"))
    with pytest.raises(ProtocolError, match="no inner fold whose training side has every class"):
        model.fit(X, y, units=y[:, np.newaxis])
    with pytest.raises(
        ProtocolError, match=r"no unlabelled windows of .* PerSubjectScaled uses.*scaled\+tuned\+lda"
    ):
        Tuned(PerSubjectScaled(LogisticRegression()), {"model__C": [1.0]}).fit(X, y, groups=y)
    with pytest.raises(ProtocolError, match="There is no usual grid for Sees; there is one for EvenLDA, "):
        Tuned(Sees()).fit(X, y, groups=coords["subject"].to_numpy())


@pytest.mark.parametrize("name", ["tuned+scaled+lda", "tuned+centred+lda", "tuned+coral+lda", "tuned+dgcnn"])
def test_what_cannot_be_tuned_by_name_is_refused_at_once(name):
    with pytest.raises(ProtocolError, match=r"scaled\+tuned\+lda|no usual grid"):
        named_model(name, VALENCE)


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_equal_priors_and_the_shrinkage_asked_for(seed):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    from physioaffect.evaluation.models import EvenLDA

    X, y, _ = planted(seed=seed)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3, priors=[0.5, 0.5]).fit(X, y)
    assert_array_equal(EvenLDA(0.3).fit(X, y).predict_proba(X), theirs.predict_proba(X))


@pytest.mark.parametrize(
    "protocol",
    [
        "loso",
        "calibrated_trials_2",
        pytest.param("loso_transductive", marks=pytest.mark.slow),
        pytest.param("loso_stimulus", marks=pytest.mark.slow),
    ],
)
def test_it_runs_the_whole_way(tmp_path, protocol):
    result = evaluate(
        feature_table(n_subjects=5, n_trials=12, effect=5.0),
        models=["tuned+lda"],
        protocols=[protocol],
        task=VALENCE,
        out=tmp_path / "out",
    )
    name = get_protocol(protocol).name
    assert result.cells()[name, "tuned+lda", "trial", "balanced_accuracy"].mean > 0.95
    assert result.run["request"]["models"]["tuned+lda"]["grid"] == {
        "evenlda__shrinkage": ["auto", "0.01", "0.1", "0.5", "0.9"]
    }
