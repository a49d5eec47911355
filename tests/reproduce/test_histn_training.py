"""HiSTN's label correction, fine-tuning and classes, on networks that see next to nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from physioaffect.datasets import DREAMER, World
from physioaffect.evaluation import make_table
from physioaffect.features import SEED_BANDS, DifferentialEntropy, extract
from physioaffect.graphs import HISTN_HIERARCHIES, HiSTNClassifier
from physioaffect.recording import Signal
from physioaffect.reproduce import reproduce
from physioaffect.reproduce.histn import HISTN, HISTN_PUBLISHED, HISTN_RECIPE
from physioaffect.reproduce.histn_training import PublishedHiSTN, commonest_labels
from physioaffect.reproduce.histn_windows import PublishedFold, histn_trials, published_histn_blocks
from physioaffect.reproduce.values import Evaluation, Request
from physioaffect.windows import Intervals, Windowing, Windows

ELECTRODES = HISTN_HIERARCHIES["V0"].ch_names
# Three people, three clips, four windows of half a second each.
STIMULI = np.repeat(np.tile([0, 1, 2], 3), 4)
PEOPLE = np.repeat([0, 1, 2], 12)
LABELS = np.repeat([0, 2, 3, 0, 2, 2, 4, 2, 3], 4)


@pytest.fixture(scope="module")
def windows() -> Windows:
    rng = np.random.default_rng(0)
    trials = [
        Signal(data=rng.normal(size=(14, 128)), sfreq=64.0, ch_names=ELECTRODES, kind="eeg", unit="au")
        for _ in range(9)
    ]
    return Windows(trials, [Intervals(np.arange(4) / 2, 0.5)] * 9)


def network(**settings: object) -> HiSTNClassifier:
    usual: dict = {"epochs": 1, "batch_size": 8, "kernel": 0.25, "random_state": 0, "device": "cpu"}
    return HiSTNClassifier(**(usual | settings))


def rows(person: int) -> np.ndarray:
    return np.flatnonzero(person == PEOPLE)


def fold_of(**more: object) -> PublishedFold:
    train = np.flatnonzero(PEOPLE < 2)
    return PublishedFold(name="2", train_idx=train, test_idx=rows(2)[2:], **more)  # type: ignore[arg-type]


def predicted(model: PublishedHiSTN, windows: Windows, y: np.ndarray, fold: PublishedFold) -> np.ndarray:
    fitted = model.fit_folds(windows, y, [fold], seeds=[0])[0]
    return np.asarray(fitted.predict_proba(windows.select(fold.test_idx)))


def test_the_commonest_label_of_a_clip_takes_the_place_of_all():
    corrected = commonest_labels(LABELS, STIMULI)
    assert_array_equal(corrected.reshape(3, 3, 4)[:, :, 0], [[0, 2, 3]] * 3)
    # Of equally common ones the lowest: the third clip of the first two people.
    assert_array_equal(commonest_labels(LABELS[:24], STIMULI[:24])[::4], [0, 2, 2, 0, 2, 2])


def test_training_sees_corrected_labels_and_calibration_true_ones(windows):
    plain, corrected = fold_of(), fold_of(stimuli=STIMULI)
    by_hand = LABELS.copy()
    by_hand[:24] = commonest_labels(LABELS[:24], STIMULI[:24])
    model = PublishedHiSTN(network())
    expected = predicted(model, windows, by_hand, plain)
    assert_array_equal(predicted(model, windows, LABELS, corrected), expected)
    assert not np.allclose(predicted(model, windows, LABELS, plain), expected)


def test_every_class_of_the_task_has_an_output(windows):
    fitted = PublishedHiSTN(network()).fit_folds(windows, np.minimum(LABELS, 2), [fold_of()], seeds=[0])[0]
    assert_array_equal(fitted.classes_, [0, 1, 2, 3, 4])
    assert_allclose(fitted.predict_proba(windows.select(np.arange(3))).sum(axis=1), 1, rtol=1e-6)


def test_without_pretraining_other_people_do_not_matter(windows):
    model = PublishedHiSTN(network(), is_pretrained=False)
    assert "calibration" in model.uses
    fold = fold_of(calibration_idx=np.concatenate([rows(2)[:2], rows(2)[4:10]]), stimuli=STIMULI)
    fewer = PublishedFold(
        name="2", train_idx=rows(0), calibration_idx=fold.calibration_idx, test_idx=fold.test_idx
    )
    assert_array_equal(predicted(model, windows, LABELS, fold), predicted(model, windows, LABELS, fewer))


def test_the_best_epoch_is_chosen_by_the_windows_of_the_fold(windows):
    model = PublishedHiSTN(network(epochs=3, patience=3))
    fitted = model.fit_folds(windows, LABELS, [fold_of(stop_idx=rows(2)[:4])], seeds=[0])[0]
    assert np.isfinite([epoch.validation_loss for epoch in fitted.history_]).all()


def test_the_published_settings_are_those_of_the_paper():
    request = Request(dataset=HISTN.datasets["dreamer"], tasks=("valence_5class",))
    within, tuned, new = HISTN.evaluations(request)
    first = within.models["histn"].training()
    assert (first.epochs, first.batch_size, first.learning_rate) == (50, 256, 1e-3)
    assert [first.schedule(epoch, 50) for epoch in (29, 30)] == [1.0, 0.5]
    assert within.models["histn"].model.dropout == 0.5
    across, again = tuned.models["histn"].training(), tuned.models["histn"].calibration()
    assert (across.epochs, across.batch_size, across.learning_rate) == (100, 120, 1e-2)
    assert [across.schedule(epoch, 100) for epoch in (49, 50)] == [1.0, 0.2]
    assert (again.epochs, again.batch_size, again.learning_rate) == (400, 100, 1e-3)
    assert again.frozen == ("filters.temporal",)
    assert new.models["histn"].calibration() is None
    assert [p.name for e in (within, tuned, new) for p in e.protocols] == [
        "published_histn_blocks",
        "histn_trials",
        "published_histn_first_10s",
        "loso",
    ]


def test_published_numbers_are_those_of_abstract_and_supplement():
    printed = {key: number.value for key, number in HISTN_PUBLISHED.items()}
    blocks, tuned = "published_histn_blocks", "published_histn_first_10s"
    for task, numbers in {"valence_5class": (96.82, 78.34), "arousal_5class": (95.62, 81.59)}.items():
        assert printed[task, blocks, "histn", "weighted_f1"] == numbers[0]
        assert printed[task, tuned, "histn", "weighted_f1"] == numbers[1]
    assert printed["valence_5class", tuned, "histn_10s_only", "weighted_f1"] == 72.2
    assert printed["arousal_5class", tuned, "histn_10s_only", "seq2hr"] == 88.0
    assert printed["arousal_5class", tuned, "histn", "top2"] == 92.6
    assert all("2408.15255" in number.source for number in HISTN_PUBLISHED.values())


@pytest.fixture(scope="module")
def dreamer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people and clips of just over a minute, whose signals say nothing of affect."""
    root = tmp_path_factory.mktemp("dreamer")
    DREAMER.simulate(root, World.null(), n_subjects=2, max_seconds=61)  # type: ignore[misc]
    return root


def test_in_a_world_of_nothing_blocks_find_what_trials_do_not(dreamer):
    entropy = DifferentialEntropy(bands=SEED_BANDS.within((0.2, 45.0)), frame=None)
    recipe = replace(HISTN_RECIPE, windows=Windowing(duration=1.0, step=1.0), features=(entropy,))
    table, _ = make_table(extract(DREAMER, dreamer, recipe).features, DREAMER.tasks["valence_5class"])
    X, y = table.flat(), table.target
    found = {}
    for protocol in (published_histn_blocks((2, 7)), histn_trials()):
        folds = protocol.split(table.coords, np.random.default_rng(0))
        found[protocol.name] = np.mean(
            [
                f1_score(
                    y[fold.test_idx],
                    make_pipeline(StandardScaler(), KNeighborsClassifier(1))
                    .fit(X[fold.train_idx], y[fold.train_idx])
                    .predict(X[fold.test_idx]),
                    average="weighted",
                )
                for fold in folds
            ]
        )
    assert found["published_histn_blocks"] > found["histn_trials"] + 0.2
    assert found["histn_trials"] < 0.35


@pytest.mark.slow
def test_fine_tuning_and_new_people_run_from_file_to_table(dreamer, tmp_path):
    def evaluations(request: Request) -> list[Evaluation]:
        made = []
        for whole in HISTN.evaluations(request):
            if whole.name.endswith("within"):
                continue
            for model in whole.models.values():
                model.model.set_params(epochs=1, device="cpu")
                if model.model.calibration_epochs:
                    model.model.set_params(calibration_epochs=1)
            made.append(whole)
        return made

    made = reproduce(replace(HISTN, evaluations=evaluations), dreamer, out=tmp_path / "out", quick=True)
    rows = {(row.protocol, row.model, row.score): row for row in made.rows if not row.by_trial}
    tuned = rows["published_histn_first_10s", "histn", "weighted_f1"]
    assert tuned.published is HISTN_PUBLISHED["valence_5class", tuned.protocol, "histn", "weighted_f1"]
    assert (tuned.claim, tuned.shared, tuned.n) == (None, 100, 2)
    new = rows["loso", "histn", "weighted_f1"]
    assert (new.published, new.shared, new.n) == (None, 0, 2)
    alone = rows["published_histn_first_10s", "histn_10s_only", "tri_p"].published
    assert alone is not None
    assert alone.value == 88.1
