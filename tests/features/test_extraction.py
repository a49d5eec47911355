"""From trials to one table, with a data set that is made here."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from joblib import parallel_config

from physioaffect.data_set import DataSet, Task
from physioaffect.datasets import EEGMAT
from physioaffect.errors import DataError
from physioaffect.features import (
    SEED_IV_BANDS,
    DifferentialEntropy,
    Extracted,
    Recipe,
    concatenate,
    default_recipe,
    extract,
    extraction,
)
from physioaffect.parallel import run_all
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

NAMES = ("F3", "Cz", "F4")
RECIPE = Recipe(
    windows=Windowing(duration=2), features=(DifferentialEntropy(bands=SEED_IV_BANDS.within((4, 30))),)
)


def eeg(
    loudness: tuple[float, ...] = (1, 2, 3), *, seconds: float = 10, ch_names: tuple[str, ...] = NAMES
) -> Signal:
    noise = np.random.default_rng(0).standard_normal((len(loudness), round(seconds * 128)))
    return Signal(
        data=1e-5 * noise * np.array(loudness)[:, None], sfreq=128.0, ch_names=ch_names, kind="eeg", unit="V"
    )


def made(change: Callable[[Trial], Trial] = lambda trial: trial) -> DataSet:
    """Four people of three trials of 10 s, some of them changed."""

    def trials(subject: str, source: object, report: object) -> Iterator[Trial]:
        for number in range(3):
            yield change(
                Trial(
                    dataset="made",
                    subject=subject,
                    trial=str(number),
                    stimulus=str(number),
                    signals={"eeg": eeg()},
                    ratings={"valence": number + 1.0},
                )
            )

    return DataSet(
        name="made", title="Made", doi="", licence="", how_to_get="", layout="", n_subjects=4, window=2,
        step=2, sfreqs={"eeg": 128.0}, files=lambda root: [], open=lambda root: dict.fromkeys("1234"),
        trials=trials,
        tasks={
            "valence": Task(
                name="valence", description="", kind="regression", source="rating",
                target=lambda trial: trial.ratings.get("valence"),
            )
        },
    )  # fmt: skip


def table(dataset: DataSet, *, strict: bool = False) -> Extracted:
    return extract(dataset, Path(), RECIPE, strict=strict)


@dataclass(frozen=True)
class Second:
    """Differential entropy of another signal, under another name."""

    name: ClassVar[str] = "second"
    version: ClassVar[int] = 1
    signals: tuple[str, ...] = ("other",)

    def __call__(self, trial, intervals):
        return DifferentialEntropy(signal="other", bands=SEED_IV_BANDS.within((4, 30)))(trial, intervals)


def is_second_of_2(trial: Trial) -> bool:
    return (trial.subject, trial.trial) == ("2", "1")


def test_every_window_knows_where_it_comes_from():
    features = table(made()).features
    assert features.sizes["window"] == 4 * 3 * 5
    one = features.isel(window=(features["subject"] == "3") & (features["trial"] == "2"))
    assert one["start"].values.tolist() == [0, 2, 4, 6, 8]
    assert one["window"].values.tolist() == [0, 1, 2, 3, 4]
    assert (one["valence"] == 3).all()
    assert np.isnan(one["elapsed"]).all()


def test_the_table_says_what_made_it():
    features = table(made()).features
    assert features.attrs["recipe"] == RECIPE.to_json()
    assert features.attrs["source_hash"] == made().fingerprint(".")


def test_the_number_of_processes_changes_nothing(tmp_path):
    write = EEGMAT.simulate
    assert write is not None
    write(tmp_path, n_subjects=2)
    one, two = (extract(EEGMAT, tmp_path, default_recipe(EEGMAT), n_jobs=n).features for n in (1, 2))
    assert one.identical(two)


def test_a_trial_whose_channels_come_in_another_order_is_not_mislabelled():
    def reorder(trial: Trial) -> Trial:
        if not is_second_of_2(trial):
            return trial
        return replace(trial, signals={"eeg": eeg((3, 2, 1), ch_names=("F4", "Cz", "F3"))})

    features, exclusions, _ = table(made(reorder))
    assert sorted(set(features["subject"].values)) == ["1", "3", "4"]
    [odd] = exclusions
    assert (odd.subject, odd.trial, odd.expected) == ("2", "1", False)
    assert odd.reason == "The channel of de differs from most trials: its order is F4, Cz, F3."
    with pytest.raises(DataError, match="Subject 2: The channel of de differs"):
        table(made(reorder), strict=True)


@pytest.mark.parametrize("which", ["0", "1", "2"])
@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (eeg((3, 2, 1), ch_names=("F4", "Cz", "F3")), "its order is F4, Cz, F3"),
        (replace(eeg(), sfreq=40.0), "40 Hz"),
    ],
)
def test_of_raw_exports_only_the_trial_that_fails_is_left_out(which: str, odd: Signal, reason: str):
    def change(trial: Trial) -> Trial:
        is_odd = (trial.subject, trial.trial) == ("2", which)
        return replace(trial, signals={"eeg": odd}) if is_odd else trial

    features, exclusions, _ = table(replace(made(change), is_raw_export=True))
    left = set("012") - {which}
    assert set(features["trial"].values[features["subject"].values == "2"].tolist()) == left
    assert features.sizes["window"] == 4 * 3 * 5 - 5
    [one] = exclusions
    assert (one.subject, one.trial, one.expected) == ("2", which, False)
    assert reason in one.reason
    # Of a labelled data set the person goes, so that nobody is compared with half a person.
    labelled = table(made(change))
    assert sorted(set(labelled.features["subject"].values)) == ["1", "3", "4"]
    with pytest.raises(DataError, match=reason):
        table(replace(made(change), is_raw_export=True), strict=True)


def test_the_one_who_differs_goes_also_when_it_is_the_first():
    def louder(trial: Trial) -> Trial:
        signal = eeg().scaled(1e6, unit="au") if trial.subject == "1" else eeg()
        return replace(trial, signals={"eeg": signal})

    features, exclusions, _ = table(made(louder))
    assert sorted(set(features["subject"].values)) == ["2", "3", "4"]
    assert exclusions[0].reason == "The unit of de differs from most trials: it has au and lacks V."


def test_an_unrated_trial_is_nan_and_the_others_stay():
    features = table(made(lambda t: replace(t, ratings={}) if is_second_of_2(t) else t)).features
    assert int(np.isnan(features["valence"]).sum()) == 5
    assert features.sizes["window"] == 60


def test_ends_that_differ_by_rounding_are_one_end():
    def with_ecg(trial: Trial) -> Trial:
        longer = eeg((1,), seconds=10.04, ch_names=("ECG",))
        return replace(trial, signals={"eeg": eeg(), "ecg": longer})

    recipe = replace(RECIPE, windows=Windowing(duration=2, last=4))
    features = extract(made(with_ecg), ".", recipe).features
    assert features["start"].values[:2].tolist() == [6, 8]
    assert np.isfinite(features["de"]).all()


def test_a_shorter_trial_has_fewer_windows():
    def stopped(trial: Trial) -> Trial:
        return replace(trial, signals={"eeg": eeg(seconds=5 if is_second_of_2(trial) else 10)})

    features = table(made(stopped)).features
    assert features.sizes["window"] == 11 * 5 + 2


def test_a_signal_that_fails_early_leaves_windows_without_values():
    def failing(trial: Trial) -> Trial:
        return replace(trial, signals={"eeg": eeg(), "other": eeg(seconds=5)})

    both = Recipe(windows=RECIPE.windows, features=(RECIPE.features[0], Second()))
    features = extract(made(failing), ".", both).features
    assert features.sizes["window"] == 60
    assert np.isfinite(features["de"]).all()
    is_whole = np.isfinite(features["second"].values).all(axis=(1, 2))
    assert is_whole.tolist() == [True, True, False, False, False] * 12


def test_a_trial_shorter_than_a_window_gives_none_and_is_reported():
    features, exclusions, _ = table(
        made(lambda t: replace(t, signals={"eeg": eeg(seconds=1.5)}) if is_second_of_2(t) else t)
    )
    assert features.sizes["window"] == 55
    assert exclusions[0].reason == "The trial lasts 1.5 s, a window 2 s."
    assert exclusions[0].expected


def test_tables_of_different_channels_are_not_joined():
    one, other = table(made()).features, table(made()).features.isel(channel=[0, 2])
    with pytest.raises(DataError, match=r"cannot be joined.*channel of de differs.*lacks Cz"):
        concatenate([one, other])


def test_repeated_subjects_are_read_once():
    features = extract(made(), ".", RECIPE, subjects=["2", "2", "4"]).features
    assert features.sizes["window"] == 30


@dataclass(frozen=True)
class Nothing:
    """A step of cleaning that changes nothing."""

    name: ClassVar[str] = "nothing"
    version: ClassVar[int] = 1

    def __call__(self, trial):
        return trial


@pytest.mark.parametrize(
    ("change", "keep", "asked"),
    [
        ({}, None, ({"eeg"}, False)),
        ({}, "ecg", ({"eeg", "ecg"}, False)),
        ({"baseline": "subtract"}, None, ({"eeg"}, True)),
        # Nobody knows what cleaning reads, nor what a signal is that the data set does not name.
        ({"cleaning": (Nothing(),)}, None, None),
        ({"features": (*RECIPE.features, Second())}, None, None),
    ],
)
def test_a_reader_is_asked_for_no_more_than_the_recipe_reads(change, keep, asked):
    def with_more(trial: Trial) -> Trial:
        signals = {"eeg": eeg(), "ecg": eeg((1,), ch_names=("ECG",)), "other": eeg()}
        return replace(trial, signals=signals, baseline=signals)

    def select(source: object, signals: Collection[str], baseline: bool) -> object:
        calls.append((set(signals), baseline))
        return source

    calls: list[tuple[set[str], bool]] = []
    dataset = replace(made(with_more), select=select, sfreqs={"eeg": 128.0, "ecg": 128.0})
    found = extract(dataset, Path(), replace(RECIPE, **change), keep=keep)
    assert found.features.sizes["window"] == 60
    assert calls == ([] if asked is None else [asked] * 4)


def test_what_a_subject_is_joined_of_is_joined_where_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joining and smoothing take as long as many features: one process alone would hold up the others."""
    made_there: list[object] = []

    def noted(*args: Any, **how: Any) -> Iterator[Any]:
        for one in run_all(*args, **how):
            made_there.append(one)
            yield one

    monkeypatch.setattr(extraction, "run_all", noted)
    with parallel_config(backend="threading"):
        found = extract(made(), "", RECIPE, n_jobs=2)
    assert [type(one) for one in made_there] == [extraction.SubjectFeatures] * 4
    assert found.features.identical(extract(made(), "", RECIPE).features)
