"""What every network's scikit-learn face promises."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import estimator_checks_generator

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import Fold
from physioaffect.graphs import NETWORKS, LinearRegressor, MLPClassifier, MLPRegressor, TrainedWith
from physioaffect.recording import Signal
from physioaffect.training import Cosine, SubjectBalanced
from physioaffect.windows import Windowing, Windows

DREAMER = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
N_WINDOWS = 48
FAST = {"epochs": 2, "batch_size": 8, "random_state": 3, "device": "cpu"}

# The one network that learns from windows of the test person, which it does only if asked to.
ADVERSARY = "rgnn with its adversary"
CLASSIFIERS = [*sorted(NETWORKS), ADVERSARY]
REGRESSORS = sorted(name for name, networks in NETWORKS.items() if networks.regressor is not None)


def made(name: str, **settings: Any) -> Any:
    if name == ADVERSARY:
        return NETWORKS["rgnn"].classifier(**(FAST | {"node_dat": True} | settings))
    return NETWORKS[name].classifier(**(FAST | settings))


def windows_for(model: Any, names: tuple[str, ...] = DREAMER, seed: int = 0, n_times: int = 128) -> Any:
    """Bands or raw windows of four trials, with a class that shows at the first electrode named F3."""
    rng = np.random.default_rng(seed)
    order = [DREAMER.index(name) for name in names]
    if model.layout[-1] == "band":
        X = rng.standard_normal((N_WINDOWS, len(DREAMER), 5))
        X[labels_of() == "tense", 2] += 1.5
        return xr.DataArray(X[:, order], dims=("window", "channel", "band"), coords={"channel": list(names)})
    trials = []
    for trial in range(4):
        data = rng.standard_normal((len(DREAMER), 12 * n_times))
        data[2] *= 1 + 2 * (trial % 2)
        trials.append(Signal(data=data[order], sfreq=float(n_times), ch_names=names, kind="eeg", unit="au"))
    return Windows(trials, [Windowing(duration=1).intervals(12.0)] * 4)


def labels_of() -> np.ndarray:
    return np.array(["calm", "tense"])[(np.arange(N_WINDOWS) // 12) % 2]


def rows(X: Any, idx: np.ndarray) -> Any:
    return X.select(idx) if isinstance(X, Windows) else X[idx]


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    """Each network, fitted once."""
    done = {}
    for name in CLASSIFIERS:
        model = made(name)
        done[name] = model.fit(windows_for(model), labels_of(), **needed(model))
    return done


def needed(model: Any) -> dict[str, Any]:
    """What a transductive network must be given besides."""
    if "unlabelled" not in model.uses:
        return {}
    return {"target": (windows_for(model, seed=1), np.repeat("new", N_WINDOWS))}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_arguments_are_kept_as_they_are(name):
    model = made(name)
    for key, default in inspect.signature(type(model).__init__).parameters.items():
        if key not in ("self", *FAST, *(["node_dat"] if name == ADVERSARY else [])):
            assert getattr(model, key) is default.default, key
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(epochs=7).epochs == 7
    assert is_classifier(model)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_come_back_as_text_and_probabilities_add_up(name, fitted):
    model = fitted[name]
    X = windows_for(model)
    probabilities = model.predict_proba(X)
    assert_array_equal(model.classes_, ["calm", "tense"])
    assert probabilities.shape == (N_WINDOWS, 2)
    assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert set(model.predict(X)) <= {"calm", "tense"}
    assert len(model.history_) == 2
    assert all(np.isfinite(epoch.loss) for epoch in model.history_)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_same_seed_gives_the_same_network_and_another_another(name, fitted):
    model = fitted[name]
    X = windows_for(model)
    again = clone(model).fit(X, labels_of(), **needed(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert_array_equal(again.fit(X, labels_of(), **needed(model)).predict_proba(X), model.predict_proba(X))
    other = clone(model).set_params(random_state=4).fit(X, labels_of(), **needed(model))
    assert np.abs(other.predict_proba(X) - model.predict_proba(X)).max() > 1e-4


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_windows_are_left_untouched(name):
    model = made(name, epochs=1)
    X = windows_for(model)
    before = np.array(X, copy=True)
    model.fit(X, labels_of(), **needed(model)).predict(X)
    assert_array_equal(np.asarray(X), before)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_electrodes_are_known_by_name_and_not_by_place(name, fitted):
    model = fitted[name]
    turned = tuple(reversed(DREAMER))
    assert_array_equal(
        model.predict_proba(windows_for(model, turned)), model.predict_proba(windows_for(model))
    )


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_missing_electrode_is_named(name, fitted):
    model = fitted[name]
    with pytest.raises(DataError, match=r"knows the channels AF3, .*; the windows have .*: O2 is missing"):
        model.predict(windows_for(model, tuple(name for name in DREAMER if name != "O2")))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_windows_of_another_length_are_refused(name, fitted):
    model = fitted[name]
    X = np.asarray(windows_for(model))
    with pytest.raises(DataError, match=rf"14 x {X.shape[2]} .*, these are 14 x {X.shape[2] - 1}"):
        model.predict(X[:, :, :-1])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_one_class_alone_cannot_be_learnt(name):
    model = made(name)
    with pytest.raises(ProtocolError, match="needs two classes to tell apart, got 1 class"):
        model.fit(windows_for(model), np.repeat("calm", N_WINDOWS), **needed(model))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_fewer_windows_than_a_batch_are_refused(name):
    model = made(name, batch_size=N_WINDOWS * 200)
    with pytest.raises(ProtocolError, match="do not fill one batch"):
        model.fit(windows_for(model), labels_of(), **needed(model))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_is_missing_is_refused(name, fitted):
    model = fitted[name]
    X = np.array(windows_for(model))
    X[5, 3, 1] = np.nan
    with pytest.raises(
        DataError, match="1 of 48 windows have values that are NaN or infinite, the first at row 5"
    ):
        model.predict(X)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_it_must_be_fitted_first(name):
    model = made(name)
    with pytest.raises(NotFittedError, match="has not been fitted: call fit first"):
        model.predict(windows_for(model))


def folds() -> list[Fold]:
    everyone = np.arange(N_WINDOWS)
    return [
        Fold(
            name=str(trial),
            train_idx=np.flatnonzero(everyone // 12 != trial),
            unlabelled_idx=np.flatnonzero(everyone // 12 == trial),
            test_idx=np.flatnonzero(everyone // 12 == trial),
        )
        for trial in range(3)
    ]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_folds_trained_together_equal_each_alone(name, size, monkeypatch):
    monkeypatch.setattr("physioaffect.training.trainer.stack_size", lambda *_: size)
    model = made(name, random_state=None)
    X, y, seeds = windows_for(model), labels_of(), [11, 12, 13]
    together = model.fit_folds(X, y, folds(), seeds=seeds)
    for fold, seed, one in zip(folds(), seeds, together, strict=True):
        new = (rows(X, fold.unlabelled_idx), np.repeat("new", 12))
        options = {"target": new} if "unlabelled" in model.uses else {}
        alone = clone(model).set_params(random_state=seed)
        alone.fit(rows(X, fold.train_idx), y[fold.train_idx], **options)
        assert_allclose(one.predict_proba(X), alone.predict_proba(X), atol=0 if size == 1 else 2e-4)


# What is there to prevent it, and labels that leave no loss at all.
GENTLE = {
    "label_smoothing": 0.0,
    "weight_decay": 0.0,
    "sparsity": 0.0,
    "domain_weight": 0.0,
    "labels": "onehot",
}
# The largest learn it as well when they are smaller, in less time.
SMALLER = {"lggnet": {"n_temporal": 8}, "rbtransformer": {"n_blocks": 1, "width": 36, "n_hidden": 32}}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_batch_is_learnt_by_heart(name):
    """Labels are drawn for each window, so that nothing but the windows themselves tells them."""
    model = made(name, epochs=150, batch_size=16, learning_rate=1e-2, **SMALLER.get(name, {}))
    gentle = GENTLE | {key: 0.0 for key in model.get_params() if "dropout" in key}
    model.set_params(**{key: value for key, value in gentle.items() if key in model.get_params()})
    y = np.random.default_rng(5).permutation(np.arange(16) % 2)
    model.fit(rows(windows_for(model), np.arange(16)), y, **needed(model))
    losses = [epoch.loss for epoch in model.history_]
    assert losses[0] > 0.5
    assert losses[-1] < 0.05


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_electrodes_are_the_features_of_windows(name, fitted):
    """As scikit-learn counts: what the second dimension holds, whatever the third does."""
    assert fitted[name].n_features_in_ == len(DREAMER) == 14


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if made(name).takes_tables])
def test_columns_are_the_features_of_a_table(name):
    model = made(name)
    X = np.asarray(windows_for(model))
    table = X.reshape(N_WINDOWS, -1)
    for own in (model, TrainedWith(model, mixup=0.2)):
        assert clone(own).fit(X, labels_of()).n_features_in_ == 14
        assert clone(own).fit(table, labels_of()).n_features_in_ == 14 * 5
    with pytest.raises(ValueError, match=r"X has 69 features, but .* is expecting 70 features"):
        model.fit(table, labels_of()).predict(table[:, :-1])


def test_only_the_adversary_learns_from_windows_of_the_test_person(fitted):
    assert [name for name in CLASSIFIERS if "unlabelled" in made(name).uses] == [ADVERSARY]
    X = windows_for(fitted[ADVERSARY])
    with pytest.raises(
        ProtocolError, match=r"has no unlabelled windows of .* Pass target=\(X, groups\) to fit"
    ):
        made(ADVERSARY).fit(X, labels_of())
    other = made(ADVERSARY).fit(X, labels_of(), target=(2 + windows_for(made("mlp"), seed=1), labels_of()))
    assert np.abs(other.predict_proba(X) - fitted[ADVERSARY].predict_proba(X)).max() > 1e-4


@pytest.mark.parametrize("name", REGRESSORS)
def test_numbers_are_learnt_in_their_own_unit(name):
    model = NETWORKS[name].regressor(**(FAST | {"epochs": 60, "learning_rate": 1e-2}))  # type: ignore[misc]
    X = windows_for(model)
    y = 500 + 40 * np.asarray(X)[:, 2, 0]
    model.fit(X, y)
    assert is_regressor(model)
    assert np.corrcoef(model.predict(X), y)[0, 1] > 0.9
    assert abs(model.predict(X).mean() - 500) < 40


def test_the_state_of_torchs_generator_is_left_alone():
    model = made("mlp")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model.fit(windows_for(model), labels_of())
    assert_array_equal(torch.get_rng_state(), before)


# Networks on one table: what scikit-learn's own checks can be run on. They want fits within few windows.
TABULAR = [
    MLPClassifier(hidden=(16,), epochs=8, batch_size=4, learning_rate=1e-2, random_state=0),
    LinearRegressor(epochs=20, batch_size=4, learning_rate=3e-2, random_state=0),
]
# It asks for 1e-7; products of other sizes are added in another order, in single precision.
UNFIT = {"check_methods_subset_invariance": "single precision"}


@pytest.mark.slow
@pytest.mark.parametrize("model", TABULAR, ids=lambda model: type(model).__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_scikit_learns_own_checks(model):
    n_checks = 0
    for estimator, check in estimator_checks_generator(model):
        name = getattr(check, "func", check).__name__
        if name in UNFIT or name == "check_array_api_input":
            continue
        check(estimator)
        n_checks += 1
    assert n_checks > 40


@pytest.mark.parametrize(
    "said",
    [{"mixup": 0.3}, {"sampler": SubjectBalanced()}, {"schedule": Cosine()}, {"precision": "bfloat16"}],
)
def test_another_way_of_training_changes_the_network_and_nothing_else(said):
    plain = made("mlp", epochs=3)
    model = TrainedWith(plain, **said)
    X, y, people = windows_for(plain), labels_of(), np.arange(N_WINDOWS) % 3
    options = {"groups": people} if "groups" in model.uses else {}
    probabilities = clone(model).fit(X, y, **options).predict_proba(X)
    assert_array_equal(probabilities, clone(model).fit(X, y, **options).predict_proba(X))
    assert np.abs(probabilities - clone(plain).fit(X, y).predict_proba(X)).max() > 1e-6
    # Said nothing, it is the model itself.
    assert_array_equal(TrainedWith(plain).fit(X, y).predict_proba(X), clone(plain).fit(X, y).predict_proba(X))


def test_batches_balanced_by_person_need_the_people():
    model = TrainedWith(made("mlp"), sampler=SubjectBalanced())
    with pytest.raises(ProtocolError, match="pass groups to fit"):
        model.fit(windows_for(model), labels_of())


def test_electrodes_of_validation_are_known_by_name_and_not_by_place():
    model = made("mlp", patience=5, epochs=5)
    X, y = windows_for(model), labels_of()
    turned = windows_for(model, tuple(reversed(DREAMER)))
    one, other = (clone(model).fit(X, y, validation=(V, y, None)) for V in (X, turned))
    assert one.history_ == other.history_


def test_dimensions_are_known_by_name_and_not_by_place(fitted):
    X = windows_for(fitted["mlp"])
    turned = X.transpose("band", "window", "channel")
    assert_array_equal(fitted["mlp"].predict_proba(turned), fitted["mlp"].predict_proba(X))


def test_another_fit_forgets_the_electrodes_of_the_one_before():
    model = made("mlp", epochs=1)
    X = windows_for(model)
    for part in (X[:, :3], X, X.assign_coords(channel=[f"E{n}" for n in range(len(DREAMER))])):
        assert model.fit(part, labels_of()).ch_names_ == tuple(part["channel"].values)


def test_windows_at_another_rate_are_refused_in_validation_too():
    model = made("eegnet", patience=1)
    X, y = windows_for(model), labels_of()
    signal = Signal(data=np.zeros((14, 1280)), sfreq=64.0, ch_names=DREAMER, kind="eeg", unit="au")
    slow = Windows([signal], [Windowing(duration=2).intervals(20.0)])
    with pytest.raises(DataError, match=r"trained on samples at 128 Hz, these come at 64 Hz. Resample"):
        model.fit(X, y, validation=(slow, y[: len(slow)], None))


def test_one_fold_with_several_seeds_gives_several_networks(monkeypatch):
    monkeypatch.setattr("physioaffect.training.trainer.stack_size", lambda *_: 2)
    model = made("mlp", random_state=None)
    X, y = windows_for(model), labels_of()
    one, other = model.fit_folds(X, y, [folds()[0]] * 2, seeds=[1, 2])
    assert np.abs(one.predict_proba(X) - other.predict_proba(X)).max() > 1e-4


def test_a_seed_of_its_own_holds_in_folds_too():
    model = made("mlp", random_state=5)
    X, y, fold = windows_for(model), labels_of(), folds()[0]
    alone = clone(model).fit(X[fold.train_idx], y[fold.train_idx])
    (one,) = model.fit_folds(X, y, [fold], seeds=[1])
    assert_array_equal(one.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("role", ["validation", "calibration"])
def test_a_class_that_training_does_not_know_is_refused(role):
    model = made("mlp", patience=1) if role == "validation" else made("histn")
    if role == "calibration":
        model.set_params(calibration_epochs=1)
    X, y = windows_for(model), labels_of()
    with pytest.raises(DataError, match=r"are of class 'eager'; the training windows know 'calm', 'tense'"):
        model.fit(X, y, **{role: (X, np.where(y == "calm", "eager", y), None)})


@pytest.mark.parametrize(
    ("groups", "of_validation", "message"),
    [
        (labels_of()[:5], labels_of(), "96 windows and 53 people"),
        (labels_of(), None, "pass groups also in validation"),
    ],
)
def test_people_are_known_of_all_windows_or_of_none(groups, of_validation, message):
    model = made("mlp", patience=1)
    X, y = windows_for(model), labels_of()
    with pytest.raises(DataError, match=message):
        model.fit(X, y, groups=groups, validation=(X, y, of_validation))


def test_numbers_that_are_missing_in_validation_are_refused():
    model = MLPRegressor(**(FAST | {"patience": 1}))  # type: ignore[arg-type]
    X = windows_for(model)
    with pytest.raises(DataError, match=r"numbers to learn \(y\) are NaN"):
        model.fit(X, np.arange(48.0), validation=(X, np.full(48, np.nan), None))


def test_a_network_that_diverged_in_its_last_step_predicts_nothing():
    model = made("mlp", epochs=1, batch_size=N_WINDOWS, learning_rate=1e37)
    X = windows_for(model)
    with pytest.raises(DataError, match="NaN or infinite: its training diverged"):
        model.fit(X, labels_of()).predict(X)


def test_windows_may_be_nested_lists(fitted):
    X = np.asarray(windows_for(fitted["mlp"]))
    assert_array_equal(fitted["mlp"].predict_proba(X.tolist()), fitted["mlp"].predict_proba(X))


def test_labels_of_a_network_trained_in_another_way_are_its_own():
    """HiSTN keeps a place for the rating 3 that nobody gave."""
    model = made("histn", epochs=1)
    y = np.array([1, 2, 4])[np.arange(N_WINDOWS) // 12 % 3]
    for own in (model, TrainedWith(model, mixup=0.2)):
        assert_array_equal(clone(own).fit(windows_for(model), y).classes_, [1, 2, 3, 4])
