"""Covariances against pyRiemann, closed forms and invariances."""

import sys
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.linalg import expm, logm
from scipy.signal import butter, sosfiltfilt
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import Recipe, features_of_trial
from physioaffect.features.bands import SEED_BANDS, Bands
from physioaffect.features.connectivity import Connectivity
from physioaffect.features.covariance import (
    ESTIMATORS,
    Covariance,
    as_matrices,
    covariances,
    log_vectors,
    matrix_log,
)
from physioaffect.features.tangent_space import TangentSpace
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, Windowing

Floats = NDArray[np.float64]

SFREQ = 200.0

estimators = pytest.mark.parametrize("estimator", sorted(ESTIMATORS))


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def mixed(n_windows: int, n_channels: int, n_times: int, seed: int = 0) -> Floats:
    X: Floats = noise(n_channels, n_channels, seed=seed) @ noise(
        n_windows, n_channels, n_times, seed=seed + 1
    )
    return X


def make_trial(data: NDArray[Any]) -> Trial:
    names = tuple(f"E{index}" for index in range(len(data)))
    eeg = Signal(data=data * 1e-5, sfreq=SFREQ, ch_names=names, kind="eeg", unit="V")
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


@estimators
@pytest.mark.parametrize(("n_channels", "n_times"), [(5, 200), (32, 128), (20, 12), (1, 50), (3, 2)])
def test_estimators_are_pyriemanns(estimator: str, n_channels: int, n_times: int) -> None:
    from pyriemann.estimation import Covariances

    X = mixed(7, n_channels, n_times) + 50.0
    assert_allclose(
        covariances(X, estimator=estimator), Covariances(estimator).transform(X), rtol=1e-10, atol=1e-10
    )
    assert_allclose(
        covariances(1e-6 * X, estimator=estimator) * 1e12,
        covariances(X, estimator=estimator),
        rtol=1e-9,
        atol=1e-12,
    )


@estimators
def test_channels_out_of_use_leave_the_others_as_if_alone(estimator: str) -> None:
    X = mixed(3, 6, 100)
    X[1, 2, 5] = np.nan
    is_used = np.ones((3, 6), dtype=bool)
    is_used[1, [2, 4]] = False
    found = covariances(X, estimator=estimator, is_used=is_used)
    kept = np.flatnonzero(is_used[1])
    assert_allclose(found[1][np.ix_(kept, kept)], covariances(X[1, kept], estimator=estimator), rtol=1e-12)
    assert_array_equal(np.isnan(found[1]), ~np.outer(is_used[1], is_used[1]))
    assert_array_equal(found[[0, 2]], covariances(X[[0, 2]], estimator=estimator))


def test_the_logarithm_is_scipys_and_turned_back_by_the_exponential() -> None:
    matrices = covariances(mixed(4, 8, 300), estimator="scm") * 1e-10
    logarithm = matrix_log(matrices)
    for found, matrix in zip(logarithm, matrices, strict=True):
        assert_allclose(found, logm(matrix), atol=1e-8)
        assert_allclose(expm(found), matrix, rtol=1e-8, atol=1e-18)


def test_log_vectors_are_pyriemanns_and_keep_log_euclidean_distances() -> None:
    from pyriemann.tangentspace import TangentSpace as Reference

    matrices = covariances(mixed(5, 6, 200), estimator="oas")
    vectors = log_vectors(matrices)
    identity = Reference(metric="logeuclid")
    identity.fit(np.eye(6)[np.newaxis])
    assert_allclose(vectors, identity.transform(matrices), atol=1e-10)
    distance = np.linalg.norm(logm(matrices[0]) - logm(matrices[1]))
    assert_allclose(np.linalg.norm(vectors[0] - vectors[1]), distance, rtol=1e-10)


@estimators
def test_a_louder_recording_adds_to_the_diagonal_of_the_logarithm(estimator: str) -> None:
    family, intervals = Covariance(estimator=estimator, log=True), Windowing(duration=1.0).intervals(5.0)
    data = mixed(1, 4, 1000)[0]
    before, after = (np.asarray(family(make_trial(X), intervals)) for X in (data, -3 * data))
    assert_allclose(after, before + 2 * np.log(3) * np.eye(4)[np.triu_indices(4)], atol=1e-9)


@estimators
@pytest.mark.parametrize("log", [False, True])
def test_permuted_channels_give_permuted_covariances(estimator: str, log: bool) -> None:
    family, intervals = Covariance(estimator=estimator, log=log), Windowing(duration=1.0).intervals(5.0)
    data, order = mixed(1, 5, 1000)[0], np.array([3, 0, 4, 1, 2])
    before, after = (as_matrices(family(make_trial(X), intervals), 5) for X in (data, data[order]))
    expected = before[:, order][:, :, order]
    assert_allclose(after, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_bands_are_filtered_over_the_whole_trial_in_the_signals_unit() -> None:
    data, band = mixed(1, 3, 4000)[0], (8.0, 13.0)
    found = Covariance(bands=Bands.of(alpha=band), estimator="scm")(
        make_trial(data), Windowing(duration=2.0).intervals(20.0)
    )
    sos = butter(4, band, btype="bandpass", fs=SFREQ, output="sos")
    filtered = sosfiltfilt(sos, 1e-5 * data, axis=-1, padtype="even", padlen=1000)
    windows = filtered.reshape(3, 10, 400).swapaxes(0, 1)
    expected = [np.cov(window, bias=True) for window in windows]
    assert_allclose(as_matrices(found, 3, axis=1)[1:-1, 0], expected[1:-1], rtol=1e-3, atol=1e-15)
    assert found.attrs["unit"] == "V^2"


def test_independent_noise_has_its_variance_on_the_diagonal_only() -> None:
    data = noise(4, 200_000) * np.array([[1.0], [2.0], [3.0], [4.0]])
    found = Covariance(estimator="oas")(make_trial(data), Intervals(np.array([0.0]), 1000.0))
    expected = 1e-10 * np.diag([1.0, 4.0, 9.0, 16.0])
    assert_allclose(as_matrices(found, 4)[0], expected, rtol=0.02, atol=8e-12)


@pytest.mark.parametrize("bands", [None, SEED_BANDS])
@pytest.mark.parametrize("log", [False, True])
def test_missing_and_flat_samples_are_nan_where_they_count(bands: Bands | None, log: bool) -> None:
    data = noise(3, 4000)
    data[1, 500:520] = np.nan
    data[2, 1100:1700] = data[2, 1100]
    found = Covariance(bands=bands, log=log)(make_trial(data), Windowing(duration=1.0).intervals(20.0))
    is_nan = np.isnan(np.asarray(found).reshape(20, 6, -1))
    expected = np.zeros((20, 6), dtype=bool)
    names = [name.split("-") for name in found.pair.values.tolist()]
    expected[2] = [log or "E1" in pair for pair in names]
    expected[6:8] = [log or "E2" in pair for pair in names]  # Windows 5 and 8 are flat in part only.
    assert_array_equal(is_nan.all(axis=2), expected)
    assert_array_equal(is_nan.any(axis=2), expected)


@pytest.mark.parametrize("bands", [None, SEED_BANDS])
def test_no_windows_give_an_empty_table(bands: Bands | None) -> None:
    found = Covariance(bands=bands)(make_trial(noise(3, 2000)), Intervals(np.empty(0), 2.0))
    assert found.shape == ((0, 6) if bands is None else (0, 6, 5))


def test_it_stands_beside_connectivity_in_one_table() -> None:
    recipe = Recipe(windows=Windowing(duration=2.0), features=(Connectivity(), Covariance(bands=SEED_BANDS)))
    found = features_of_trial(make_trial(noise(3, 2000)), recipe)
    assert found["covariance"].dims == ("window", "pair", "band")
    assert found["connectivity"].dims == ("window", "edge", "band")
    assert not found["covariance"].isnull().any()


def test_an_average_reference_has_no_logarithm_without_shrinkage() -> None:
    data = noise(4, 2000)
    trial, intervals = make_trial(data - data.mean(axis=0)), Windowing(duration=1.0).intervals(10.0)
    with pytest.raises(DataError, match=r"10 of 10 covariance matrices are singular.*'oas' or 'lwf'"):
        Covariance(estimator="scm", log=True)(trial, intervals)
    assert np.isfinite(Covariance(estimator="oas", log=True)(trial, intervals)).all()


def test_what_cannot_be_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown estimator 'mcd': use one of lwf, oas, scm"):
        Covariance(estimator="mcd")
    with pytest.raises(ValueError, match="Unknown estimator 'mcd': use one of lwf, oas, scm"):
        covariances(noise(2, 9), estimator="mcd")
    with pytest.raises(ValueError, match="order of at least 1, got 0"):
        Covariance(order=0)
    trial, short = make_trial(noise(20, 2000)), Intervals(np.array([0.0]), 0.1)
    with pytest.raises(ProtocolError, match="20 samples of 20 channels have a singular covariance"):
        Covariance(estimator="scm", log=True)(trial, short)
    with pytest.raises(ProtocolError, match="holds less than one cycle of delta"):
        Covariance(bands=SEED_BANDS)(trial, short)
    with pytest.raises(DataError, match="seems to be in microvolts and declared in volts"):
        Covariance()(make_trial(1e6 * noise(3, 2000)), short)


def rows_of(X: Floats) -> Floats:
    matrices = covariances(X)
    rows: Floats = matrices[:, *np.triu_indices(matrices.shape[-1])]
    return rows


def test_the_tangent_space_is_pyriemanns_at_any_scale() -> None:
    from pyriemann.tangentspace import TangentSpace as Reference

    X = mixed(30, 5, 200)
    train, test = covariances(X[:20]), rows_of(X[20:])
    expected = Reference().fit(train).transform(as_matrices(test, 5))
    ours = TangentSpace().fit(rows_of(X[:20]))
    assert_allclose(ours.transform(test), expected, atol=1e-6)
    assert_allclose(ours.references_[0], Reference().fit(train).reference_, rtol=1e-6)
    volts = TangentSpace().fit(1e-10 * rows_of(X[:20]))
    assert_allclose(volts.transform(1e-10 * test), ours.transform(test), atol=1e-7)


def test_mixing_the_sources_turns_tangent_vectors_and_keeps_their_distances() -> None:
    X = mixed(30, 5, 200)
    plain, turned = (
        TangentSpace().fit_transform(covariances(Y, estimator="scm")[:, *np.triu_indices(5)])
        for Y in (X, noise(5, 5, seed=9) @ X)
    )
    distances = [np.linalg.norm(Y[:, None] - Y[None], axis=-1) for Y in (plain, turned)]
    assert_allclose(distances[1], distances[0], rtol=1e-4, atol=1e-5)


def test_the_mean_is_learnt_from_training_rows_only() -> None:
    rows = rows_of(mixed(30, 4, 100))
    model = clone(TangentSpace(metric="logeuclid")).fit(rows[:20])
    before = model.references_.copy(), model.transform(rows[20:22])
    others = np.concatenate([rows[20:22], 100 * rows[22:]])
    assert_array_equal(model.transform(others)[:2], before[1])
    assert_array_equal(model.references_, before[0])
    pipeline = make_pipeline(TangentSpace(), LogisticRegression()).fit(rows[:20], np.arange(20) % 2)
    assert pipeline.predict(rows[20:]).shape == (10,)


def test_each_band_has_a_tangent_space_of_its_own() -> None:
    rows = np.stack([rows_of(mixed(12, 4, 100, seed=seed)) for seed in (0, 5)], axis=-1)
    both = TangentSpace().fit_transform(rows)
    alone = [TangentSpace().fit_transform(rows[..., band]) for band in (0, 1)]
    assert_allclose(both, np.concatenate(alone, axis=1), atol=1e-6)


def test_the_tangent_space_refuses_what_is_no_covariance(monkeypatch) -> None:
    rows = rows_of(mixed(6, 3, 100))
    with pytest.raises(ValueError, match=r"pairs of n channels, got shape \(6, 5\)\. Take it from"):
        TangentSpace().fit(rows[:, :5])
    rows[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"1 of 6 windows lack a covariance\. Leave them out"):
        TangentSpace().fit(rows)
    monkeypatch.setitem(sys.modules, "pyriemann.tangentspace", None)
    with pytest.raises(DataError, match=r"pip install 'physioaffect\[riemann\]'"):
        TangentSpace().fit(rows[:2])


def test_the_tangent_space_refuses_what_does_not_belong_to_its_mean() -> None:
    rows = rows_of(mixed(8, 4, 100))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        TangentSpace().transform(rows)
    with pytest.raises(ValueError, match="needs at least one window, got none"):
        TangentSpace().fit(rows[:0])
    model = TangentSpace().fit(rows)
    with pytest.raises(ValueError, match=r"Fitted on 4 channels in 1 band\(s\), got 2 in 1\. Give rows of"):
        model.transform(rows[:, :3])
    with pytest.raises(ValueError, match=r"Fitted on 4 channels in 1 band\(s\), got 4 in 2\."):
        model.transform(np.stack([rows, rows], axis=-1))


def test_the_tangent_space_refuses_singular_covariances() -> None:
    X = mixed(8, 4, 100)
    rows = covariances(X - X.mean(axis=1, keepdims=True), estimator="scm")[:, *np.triu_indices(4)]
    with pytest.raises(DataError, match="8 of 8 covariance matrices are singular"):
        TangentSpace().fit(rows)
    with pytest.raises(DataError, match="8 of 8 covariance matrices are singular"):
        TangentSpace().fit(rows_of(X)).transform(rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_spoils_only_its_channel_and_warns_of_nothing(bad: float) -> None:
    X = mixed(1, 3, 100)[0]
    clean = covariances(X, estimator="scm")
    X[1, 50] = bad
    found = covariances(X, estimator="scm")
    assert np.isnan(found[1]).all()
    assert_allclose(found[::2, ::2], clean[::2, ::2], rtol=1e-12)
