"""WESAD's table as printed, and the features that we have of its sensors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.neighbors import KNeighborsClassifier

from physioaffect.datasets import Moment, World, simulate_ecg
from physioaffect.evaluation import loso
from physioaffect.recording import Signal, Trial
from physioaffect.reproduce import SYSTEMS, reproduce
from physioaffect.reproduce.values import Request
from physioaffect.reproduce.wesad import WESAD_PUBLISHED, WESAD_SYSTEM, wesad_models
from physioaffect.reproduce.wesad_features import MODALITIES, WESAD_BOTH, WesadStatistics
from physioaffect.windows import Intervals

CUT = Intervals(np.array([0.0, 30.0]), 60.0)


def test_the_table_is_the_printed_one():
    printed = {key: number.value for key, number in WESAD_PUBLISHED.items()}
    # 16 rows of five accuracies and one F1, and the majority's two, for each of two tasks.
    assert len(printed) == 2 * 16 * (5 + 1 + 2)
    assert printed["affect_3class", "chest physiological", "ab", "accuracy"] == 80.34
    assert printed["affect_3class", "chest physiological", "lda", "macro_f1"] == 74.43
    assert printed["stress", "chest physiological", "lda", "accuracy"] == 93.12
    assert printed["stress", "wrist physiological", "rf", "accuracy"] == 88.33
    assert printed["stress", "all", "majority", "accuracy"] == 69.94
    for task, best in (("affect_3class", 80.34), ("stress", 93.12)):
        assert max(v for (t, _, _, s), v in printed.items() if (t, s) == (task, "accuracy")) == best


def test_rows_take_the_sensors_that_they_name():
    assert len(MODALITIES) == 16
    physiological = set(MODALITIES["wrist physiological"]) | set(MODALITIES["chest physiological"])
    assert set(MODALITIES["all physiological"]) == physiological
    assert set(MODALITIES["all"]) == physiological | {"wrist_acc", "chest_acc"}
    for request in (Request(dataset=WESAD_BOTH, tasks=("stress",), is_quick=True),):
        evaluations = WESAD_SYSTEM.evaluations(request)
        assert [made.title for made in evaluations] == [f"stress, {name}" for name in MODALITIES]
        for made, signals in zip(evaluations, MODALITIES.values(), strict=True):
            assert {column.partition(":")[0] for column in made.columns} == set(signals)


def test_a_full_run_averages_five_runs_of_what_is_random():
    made = WESAD_SYSTEM.evaluations(Request(dataset=WESAD_BOTH, tasks=("stress",)))[-1]
    assert {name: len(runs) for name, runs in made.runs.items()} == {
        "dt": 5,
        "rf": 5,
        "ab": 5,
        "lda": 1,
        "knn": 1,
    }
    assert len(made.models) == 17
    assert [protocol.name for protocol in made.protocols] == ["loso", "window_random"]
    assert loso.claim is not None


def test_classifiers_are_those_of_the_paper():
    models = wesad_models()
    assert models["dt"].min_samples_split == models["rf"].min_samples_split == 20
    assert models["ab"].estimator.min_samples_split == 20
    assert (models["rf"].n_estimators, models["ab"].n_estimators) == (100, 100)
    assert models["knn"][-1].n_neighbors == 9


def trial_of(**changed: np.ndarray) -> Trial:
    """Ninety seconds of noise around one, but for the sensors that are given."""
    rng = np.random.default_rng(0)
    signals = {}
    for key, rate in WESAD_BOTH.sfreqs.items():
        kind = key.partition("_")[2]
        names = WESAD_BOTH.ch_names[key]
        data = changed.get(key, 1 + 0.01 * rng.random((len(names), round(90 * rate))))
        unit = {"eda": "uS", "temperature": "degC", "acc": "g"}.get(kind, "au")
        signals[key] = Signal(data=data, sfreq=rate, ch_names=names, kind=kind, unit=unit)
    return Trial(dataset="wesad", subject="S2", trial="1", stimulus="1", signals=signals)


def test_features_know_heart_and_breath():
    pytest.importorskip("neurokit2")
    world = World(affect=0, subject=0, trial=0)
    heart = Moment(subject=0, trial=0, stimulus=0)
    ecg = simulate_ecg(world, heart, sfreq=700, n_times=63_000)
    seconds = np.arange(63_000) / 700
    # Twelve breaths a minute, two seconds in and three out.
    turn = seconds % 5
    breath = np.where(turn < 2, -np.cos(np.pi * turn / 2), np.cos(np.pi * (turn - 2) / 3))[np.newaxis]
    pulse = np.sin(2 * np.pi * 1.25 * np.arange(5760) / 64)[np.newaxis]
    found = WesadStatistics()(trial_of(chest_ecg=ecg, chest_resp=breath, wrist_ppg=pulse), CUT)
    by_name = dict(zip(found[found.dims[1]].values, found.values[0], strict=True))
    assert_allclose(by_name["chest_ecg: hr mean"], 70, atol=2)
    assert_allclose(by_name["chest_ecg: ibi mean"] * by_name["chest_ecg: hr mean"], 60, rtol=0.01)
    assert_allclose(by_name["wrist_ppg: hr mean"], 75, atol=0.5)
    assert_allclose(by_name["wrist_ppg: rmssd"], 0, atol=0.02)
    assert_allclose(by_name["chest_resp: rate"], 12, atol=1)
    assert_allclose(by_name["wrist_temperature: mean"], 1.005, atol=1e-3)
    assert np.isfinite(by_name["chest_emg: median"])


@pytest.mark.slow
def test_the_table_is_made_of_a_simulated_layout(tmp_path: Path):
    pytest.importorskip("neurokit2")
    WESAD_BOTH.simulate(  # type: ignore[misc]
        tmp_path / "wesad", World.planted(), n_subjects=2, max_seconds=120, is_raw_written=False
    )

    def evaluations(request: Request):
        whole = WESAD_SYSTEM.evaluations(request)
        return [
            replace(made, models={"knn": KNeighborsClassifier(1)}, runs={})
            for made in whole
            if made.name in ("stress-wrist-EDA", "stress-chest-ECG")
        ]

    system = replace(SYSTEMS["wesad"], evaluations=evaluations)
    made = reproduce(system, tmp_path / "wesad", out=tmp_path / "out", quick=True)
    assert made.request.is_simulated
    rows = {
        (row.evaluation, row.model): row for row in made.rows if row.score == "accuracy" and not row.by_trial
    }
    assert (
        rows["stress, wrist EDA", "knn"].published
        == WESAD_PUBLISHED["stress", "wrist EDA", "knn", "accuracy"]
    )
    assert rows["stress, chest ECG", "majority"].published is not None
    assert all(row.is_published and row.claim is not None and row.n == 2 for row in rows.values())
