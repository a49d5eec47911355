"""RBTransformer's tokens, labels, folds and training, each held against what the paper and its code say."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import butter, sosfilt

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import RBTRANSFORMER_BANDS, RBTRANSFORMER_PAPER_BANDS
from physioaffect.graphs import RBTransformerClassifier
from physioaffect.recording import Signal, Trial
from physioaffect.reproduce.rbtransformer import (
    RBTRANSFORMER_PUBLISHED,
    RBTRANSFORMER_SYSTEM,
    published_rbtransformer_windows,
    rbtransformer_recipe,
    rbtransformer_task,
    rbtransformer_trials,
)
from physioaffect.reproduce.rbtransformer_tokens import RBTransformerTokens
from physioaffect.reproduce.rbtransformer_training import PublishedRBTransformer
from physioaffect.reproduce.values import Request
from physioaffect.training import Cosine, CrossEntropy
from physioaffect.windows import Intervals, Windowing

EDGES = {
    "paper": ((4, 8), (8, 13), (13, 30), (30, 45)),
    "code": ((4, 8), (8, 14), (14, 31), (31, 49)),
}


def eeg_of(data: np.ndarray) -> Signal:
    names = tuple(f"E{number}" for number in range(len(data)))
    return Signal(data=data, sfreq=128.0, ch_names=names, kind="eeg", unit="au")


def trial_of(data: np.ndarray, rest: np.ndarray | None, ratings: dict[str, float] | None = None) -> Trial:
    return Trial(
        dataset="made",
        subject="1",
        trial="1",
        stimulus="1",
        signals={"eeg": eeg_of(data)},
        baseline=None if rest is None else {"eeg": eeg_of(rest)},
        ratings=ratings or {},
    )


def by_hand(data: np.ndarray, rest: np.ndarray, norm: str, bands: str) -> np.ndarray:
    """Tokens as the paper tells them, one number after another."""

    def entropies(x: np.ndarray) -> np.ndarray:
        z = np.empty_like(x)
        for channel in range(len(x)):
            about = x if norm == "global" else x[channel]
            z[channel] = (x[channel] - np.mean(about)) / np.sqrt(np.mean((about - np.mean(about)) ** 2))
        out = np.empty((len(x), 4))
        for band, (low, high) in enumerate(EDGES[bands]):
            sections = butter(5, [low / 64, high / 64], btype="bandpass", output="sos")
            for channel in range(len(x)):
                y = sosfilt(sections, z[channel])
                variance = np.mean(y**2) - np.mean(y) ** 2
                out[channel, band] = 0.5 * math.log2(2 * math.pi * math.e * variance)
        return out

    chunks = [rest[:, 128 * n : 128 * (n + 1)] for n in range(rest.shape[1] // 128)]
    at_rest = entropies(np.add.reduce(chunks) / len(chunks))
    starts = range(0, data.shape[1] - 512 + 1, 117)
    return np.stack([entropies(data[:, start : start + 512]) - at_rest for start in starts])


@pytest.mark.parametrize("norm", ["per_channel", "global"])
@pytest.mark.parametrize("bands", ["paper", "code"])
def test_tokens_are_those_of_the_paper(norm, bands):
    rng = np.random.default_rng(0)
    loudness = np.array([[1.0], [3.0], [0.2]])
    data, rest = loudness * rng.normal(size=(3, 1200)) + 5, loudness * rng.normal(size=(3, 61 * 128 + 50))
    known = {"paper": RBTRANSFORMER_PAPER_BANDS, "code": RBTRANSFORMER_BANDS}
    tokens = RBTransformerTokens(norm=norm, bands=known[bands])
    recipe = rbtransformer_recipe("paper")
    trial = trial_of(data, rest)
    found = tokens(trial, recipe.windows.intervals(trial.duration))
    # The filter as one polynomial loses digits to that in sections of second order.
    assert_allclose(found.values, by_hand(data, rest, norm, bands), rtol=0, atol=1e-7)
    assert found.dims == ("window", "channel", "band")


def test_the_variants_are_paper_and_code():
    paper, code = (rbtransformer_recipe(name).features[0] for name in ("paper", "code"))
    assert paper == RBTransformerTokens(norm="per_channel", bands=RBTRANSFORMER_PAPER_BANDS)
    assert code == RBTransformerTokens(norm="global", bands=RBTRANSFORMER_BANDS)
    with pytest.raises(ValueError, match="per_channel or global, got norm='window'"):
        RBTransformerTokens(norm="window")  # type: ignore[arg-type]


def test_deap_has_62_windows_a_trial_and_79360_in_all():
    windows = rbtransformer_recipe().windows
    assert isinstance(windows, Windowing)
    starts = windows.intervals(60.0).starts
    assert len(starts) == (7680 - 512) // 117 + 1 == 62
    assert 32 * 40 * len(starts) == 79_360
    assert_allclose(starts * 128, 117 * np.arange(62), rtol=1e-12)


@settings(max_examples=30)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_tokens_of_each_channel_know_neither_loudness_nor_offset(gain, offset):
    data = np.random.default_rng(1).normal(size=(2, 512))
    tokens = RBTransformerTokens(subtracts_rest=False)
    cut = Intervals(np.array([0.0]), 4.0)
    expected = tokens(trial_of(data, None), cut).values
    assert_allclose(tokens(trial_of(gain * data + offset, None), cut).values, expected, atol=1e-6)


def test_together_standardised_tokens_keep_the_relative_power():
    data = np.random.default_rng(1).normal(size=(2, 512))
    cut = Intervals(np.array([0.0]), 4.0)
    tokens = RBTransformerTokens(norm="global", subtracts_rest=False)
    data -= data.mean(axis=1, keepdims=True)
    louder = np.array([[1.0], [4.0]]) * data
    before, after = (tokens(trial_of(x, None), cut).values[0] for x in (data, louder))
    # Four times the amplitude is 2 bits more, whatever is subtracted from both channels alike.
    change = after - before
    assert_allclose(change[1] - change[0], 2, atol=1e-9)


def test_missing_rest_is_refused_and_flat_channels_are_nan():
    data = np.random.default_rng(0).normal(size=(2, 512))
    cut = Intervals(np.array([0.0]), 4.0)
    with pytest.raises(DataError, match=r"has no second of rest.*subtracts_rest=False"):
        RBTransformerTokens()(trial_of(data, None), cut)
    with pytest.raises(DataError, match="has no second of rest"):
        RBTransformerTokens()(trial_of(data, data[:, :100]), cut)
    data[1] = 7.0
    found = RBTransformerTokens(subtracts_rest=False)(trial_of(data, None), cut).values[0]
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(("dataset", "middle"), [("dreamer", 3.0), ("deap", 5.0)])
def test_the_middle_is_low_in_the_paper_and_high_in_the_code(dataset, middle):
    paper = rbtransformer_task(dataset, "valence")
    code = rbtransformer_task(dataset, "valence", is_equal_high=True)
    nothing = np.zeros((1, 4))
    labels = [
        (paper.target(trial), code.target(trial))
        for trial in (trial_of(nothing, None, {"valence": middle + step}) for step in (-0.01, 0, 0.01))
    ]
    assert labels == [("low", "low"), ("low", "high"), ("high", "high")]
    assert paper.target(trial_of(nothing, None)) is None


def test_many_classes_cut_off_decimals():
    task = rbtransformer_task("deap", "arousal", n_classes=9)
    assert task.classes == tuple("123456789")
    labels = [task.target(trial_of(np.zeros((1, 4)), None, {"arousal": r})) for r in (1.0, 5.99, 9.0)]
    assert labels == ["1", "5", "9"]


def coords_of(n_people: int = 4, n_trials: int = 5, n_windows: int = 20) -> pd.DataFrame:
    rows = [
        ("d", f"P{p}", "1", str(t), str(t), w, w * 117 / 128, 4.0, t, "", "low" if (p + t) % 2 else "high")
        for p in range(n_people)
        for t in range(n_trials)
        for w in range(n_windows)
    ]
    names = ["dataset", "subject", "session", "trial", "stimulus", "window", "start", "duration", "order"]
    return pd.DataFrame(rows, columns=[*names, "condition", "target"])


def test_a_tenth_is_thrown_away_and_the_others_are_tested_once():
    coords = coords_of()
    folds = list(published_rbtransformer_windows().split(coords, np.random.default_rng(0)))
    tested = np.concatenate([fold.test_idx for fold in folds])
    assert (len(folds), len(tested), len(set(tested))) == (5, 360, 360)
    for fold in folds:
        assert set(fold.train_idx) | set(fold.test_idx) == set(tested)
        assert len(fold.validation_idx) == 0
    assert published_rbtransformer_windows().claim is None


def test_trials_are_dealt_whole_and_people_are_on_both_sides():
    coords = coords_of()
    folds = list(rbtransformer_trials().split(coords, np.random.default_rng(0)))
    keys = coords["subject"] + "/" + coords["trial"]
    for fold in folds:
        assert not set(keys.iloc[fold.train_idx]) & set(keys.iloc[fold.test_idx])
        assert len(set(keys.iloc[fold.test_idx])) == 4
    assert set(coords["subject"].iloc[folds[0].train_idx]) == {"P0", "P1", "P2", "P3"}
    with pytest.raises(ProtocolError, match="need 5 trials, got 2"):
        list(rbtransformer_trials().split(coords_of(1, 2), np.random.default_rng(0)))


def test_the_batch_shrinks_half_way_and_the_rate_goes_on_falling():
    model = PublishedRBTransformer(RBTransformerClassifier())
    first, second = model.training(), model.calibration()
    assert second is not None
    assert (first.epochs, second.epochs) == (150, 150)
    assert (first.batch_size, second.batch_size) == (256, 64)
    assert first.optimiser == second.optimiser == "adamw"
    assert first.weight_decay == second.weight_decay == 1e-3
    rates = [first.schedule(epoch, 150) for epoch in range(150)]
    rates += [second.schedule(epoch, 150) for epoch in range(150)]
    whole = Cosine(last=1e-3)
    assert_allclose(rates, [whole(epoch, 300) for epoch in range(300)], rtol=1e-12)
    assert first.loss == CrossEntropy(smoothing=0.12)
    assert PublishedRBTransformer(RBTransformerClassifier(epochs=1)).calibration() is None


def test_both_halves_train():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 3, 4)), np.repeat([0, 1], 32)

    def outputs(epochs: int) -> np.ndarray:
        from physioaffect.evaluation import Fold

        small = RBTransformerClassifier(
            epochs=epochs, batch_size=16, n_blocks=1, width=8, random_state=0, device="cpu"
        )
        fold = Fold(name="a", train_idx=np.arange(64), test_idx=np.arange(0))
        model = PublishedRBTransformer(small, later_batch_size=8)
        return np.asarray(model.fit_folds(X, y, [fold], seeds=[0])[0].predict_proba(X))

    assert_array_equal(outputs(2), outputs(2))
    assert not np.allclose(outputs(2), outputs(1))


def test_published_numbers_are_those_of_the_tables():
    printed = {key: (number.value, number.sd) for key, number in RBTRANSFORMER_PUBLISHED.items()}
    assert len(printed) == 24
    assert printed["dreamer", "arousal", "accuracy"] == (99.74, 0.06)
    assert printed["dreamer", "arousal", "macro_f1"] == (99.64, 0.09)
    assert printed["deap", "valence", "accuracy"] == (99.84, 0.02)
    assert printed["deap", "dominance_9class", "accuracy"] == (99.87, 0.05)
    assert printed["dreamer", "dominance_5class", "macro_f1"] == (99.57, 0.09)
    assert min(value for value, _ in printed.values()) == 99.47


def test_a_variant_decides_tokens_and_labels_together():
    dataset = RBTRANSFORMER_SYSTEM.datasets["dreamer"]
    for variant, rule in (("paper", "low up to 3"), ("code", "high from 3")):
        request = Request(dataset=dataset, tasks=("valence",), variant=variant)
        [made] = RBTRANSFORMER_SYSTEM.evaluations(request)
        assert rule in made.task.description
        assert made.recipe == rbtransformer_recipe(variant)
        assert set(made.models) == {"rbtransformer", "mlp", "1nn"}
        assert made.protocols[0].name.startswith("published_")
