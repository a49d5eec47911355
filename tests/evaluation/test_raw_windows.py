"""Models that want the signal itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin

from physioaffect.datasets import DREAMER, World
from physioaffect.errors import ProtocolError
from physioaffect.evaluation import evaluate
from physioaffect.windows import Windows


class Loudness(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Splits at the median spread of a raw window; keeps what it was fitted on."""

    layout = ("channel", "time")
    seen: list[np.ndarray] = []  # noqa: RUF012  Read by the test.

    def fit(self, X, y):
        assert X.shape[1:] == (14, 5 * 128)
        assert isinstance(X, Windows)  # Gathered only when asked for.
        self.classes_ = np.unique(y)
        self.threshold_ = np.median(np.asarray(X).std(axis=2).mean(axis=1))
        Loudness.seen.append(X[:])
        return self

    def predict(self, X):
        return self.classes_[(np.asarray(X).std(axis=2).mean(axis=1) > self.threshold_).astype(int)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    write = DREAMER.simulate
    assert write is not None
    return write(
        tmp_path_factory.mktemp("raw"), world=World(), n_subjects=3, n_clips=6, max_seconds=12
    ).parent


def test_a_model_of_raw_windows_gets_the_same_windows_as_one_of_features(folder, tmp_path):
    result = evaluate(
        DREAMER,
        folder,
        models={"loudness": Loudness(), "lda": "lda"},
        protocols=["loso"],
        out=tmp_path / "out",
    )
    keys = ["subject", "trial", "window", "start", "truth"]
    of_raw, of_features = (
        result.predictions.query("model == @name")[keys].reset_index(drop=True)
        for name in ("loudness", "lda")
    )
    assert of_raw.equals(of_features)
    # The first fold was fitted on everybody but the first person, window by window as in the file.
    trials = [trial for trial in DREAMER.read(folder) if trial.subject != "1"]
    eeg = trials[0].signal("eeg")
    assert_allclose(Loudness.seen[0][0], eeg.data[:, : 5 * 128].astype(np.float32))


def test_raw_windows_of_a_feature_table_are_refused(folder, tmp_path):
    from physioaffect.features import default_recipe, extract

    table = extract(DREAMER, folder, default_recipe(DREAMER)).features
    with pytest.raises(ProtocolError, match="wants windows of channel x time"):
        evaluate(table, models=[Loudness()], protocols=["loso"], task="valence", out=tmp_path / "out")
