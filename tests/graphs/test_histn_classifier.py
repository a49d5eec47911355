"""HiSTN as it is trained: its label modes, its schedule, and an effect that it finds."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.graphs import HISTN_HIERARCHIES, HISTN_LABELS, HiSTNClassifier
from physioaffect.training import ClassBalanced, Crops, gaussian_label_smoothing

DREAMER = HISTN_HIERARCHIES["V0"].ch_names


def test_label_modes_are_the_published_ones():
    y = torch.arange(5)
    assert_allclose(HISTN_LABELS["smoothed"].targets(y, 5), gaussian_label_smoothing(5, 0.5), rtol=1e-6)
    assert_allclose(HISTN_LABELS["onehot"].targets(y, 5), np.eye(5))
    assert_allclose(HISTN_LABELS["regression"].targets(y, 5), [-1, -0.5, 0, 0.5, 1])
    assert_allclose(HISTN_LABELS["mixture"].targets(y, 5), y)
    assert [HISTN_LABELS[name].n_outputs(5) for name in sorted(HISTN_LABELS)] == [15, 5, 1, 5]


def test_training_is_as_published():
    training = HiSTNClassifier().training()
    assert (training.epochs, training.batch_size, training.learning_rate) == (50, 256, 1e-3)
    assert [training.schedule(epoch, 50) for epoch in (0, 29, 30, 49)] == [1, 1, 0.5, 0.5]
    assert training.sampler == ClassBalanced()
    assert HiSTNClassifier(crops=True).training().sampler == Crops()


def test_the_rate_falls_when_and_as_far_as_it_is_told():
    schedule = HiSTNClassifier(slower_from=50, slower_by=0.2).training().schedule
    assert [schedule(epoch, 100) for epoch in (0, 49, 50, 99)] == [1, 1, 0.2, 0.2]


def test_calibration_is_as_published():
    assert HiSTNClassifier().calibration() is None
    assert "calibration" not in HiSTNClassifier().uses
    model = HiSTNClassifier(labels="onehot", calibration_epochs=400)
    assert "calibration" in model.uses
    again = model.calibration()
    assert again is not None
    assert (again.epochs, again.batch_size, again.learning_rate) == (400, 100, 1e-3)
    assert (again.sampler, again.loss) == (ClassBalanced(), HISTN_LABELS["onehot"])
    assert [again.schedule(epoch, 400) for epoch in (0, 399)] == [1, 1]


def test_calibration_leaves_the_temporal_filters_and_nothing_else():
    X, y = asymmetric(60, seed=0)
    settings: dict[str, Any] = {"sfreq": 32, "epochs": 2, "batch_size": 20, "ch_names": DREAMER}
    settings |= {"random_state": 0}
    before = HiSTNClassifier(**settings, device="cpu").fit(X, y)
    again = HiSTNClassifier(**settings, device="cpu", calibration_epochs=2, calibration_batch_size=20)
    again.fit(X, y, groups=np.zeros(60), calibration=(*asymmetric(40, seed=1), np.ones(40)))
    stays = {
        name.removeprefix("network.")
        for (name, old), new in zip(
            before.network_.named_parameters(), again.network_.parameters(), strict=True
        )
        if torch.equal(old, new)
    }
    assert stays == {"filters.temporal"}


@pytest.mark.parametrize(
    ("labels", "y", "expected"),
    [
        ("smoothed", [1, 2, 4, 5], [1, 2, 3, 4, 5]),
        ("mixture", [10, 20], [10, 20]),
        ("regression", [-1, 1, 1], [-1, 1]),
        ("smoothed", ["high", "low"], ["high", "low"]),
        ("onehot", [1, 2, 4, 5], [1, 2, 4, 5]),
    ],
)
def test_a_rating_that_nobody_gave_keeps_its_neighbours_apart(labels, y, expected):
    X = np.random.default_rng(0).normal(size=(len(y), 14, 16))
    model = HiSTNClassifier(labels=labels, sfreq=16, epochs=1, batch_size=2, ch_names=DREAMER, random_state=0)
    assert model.fit(X, np.array(y)).classes_.tolist() == expected
    assert model.predict_proba(X).shape == (len(y), len(expected))


def asymmetric(n_windows: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Noise whose power tells the class: the higher, the more on the left and the less on the right."""
    rng = np.random.default_rng(seed)
    y = rng.integers(1, 4, n_windows)
    X = rng.normal(size=(n_windows, 14, 64))
    X[:, DREAMER.index("F3")] *= (0.3 * y)[:, np.newaxis]
    X[:, DREAMER.index("F4")] *= (1.2 - 0.3 * y)[:, np.newaxis]
    return X, y


@pytest.mark.parametrize("labels", sorted(HISTN_LABELS))
def test_a_planted_frontal_asymmetry_is_learned_under_every_label_mode(labels):
    X, y = asymmetric(120, seed=0)
    model = HiSTNClassifier(
        labels=labels,
        dropout=0.0,
        sfreq=64,
        epochs=40,
        batch_size=40,
        learning_rate=0.02,
        slower_from=40,
        ch_names=DREAMER,
        random_state=0,
        device="cpu",
    ).fit(X, y)
    unseen, truth = asymmetric(200, seed=1)
    assert_allclose(model.predict_proba(unseen).sum(axis=1), 1)
    # A third is chance.
    assert np.mean(model.predict(unseen) == truth) > 0.6
    # Half a second.
    assert model.network(model.input_).temporal_kernels().shape == (8, 32)


def test_settings_that_do_not_exist_are_refused():
    X, y = np.zeros((4, 14, 40)), np.array([0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"Unknown labels 'ranks': use one of onehot, smoothed"):
        HiSTNClassifier(labels="ranks").training()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Unknown hierarchy 'V9': use one of V0, V1, V2"):
        HiSTNClassifier(hierarchy="V9", sfreq=128, ch_names=DREAMER, batch_size=2).fit(X, y)
    with pytest.raises(DataError, match=r"HiSTN needs to know its electrodes: pass ch_names"):
        HiSTNClassifier(sfreq=128, batch_size=2).fit(X, y)
    with pytest.raises(DataError, match=r"HiSTN needs to know the sampling rate: pass sfreq"):
        HiSTNClassifier(ch_names=DREAMER, batch_size=2).fit(X, y)
