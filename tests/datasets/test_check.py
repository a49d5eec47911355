"""`check`: each kind of deviation planted in a small data set is said, and says who."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioaffect.data_set import DataSet, Exclusion, Report
from physioaffect.datasets import EEGMAT_WHOLE, STRESS_PREDICT, CheckResult, check, condition_task
from physioaffect.errors import DataError
from physioaffect.faces import Face, FaceSet
from physioaffect.recording import Events, Signal, Trial

NAMES = ("F3", "F4")


def trial(subject: str = "1", name: str = "a", **changes: Any) -> Trial:
    seed = int.from_bytes(f"{subject}-{name}".encode())
    eeg = np.random.default_rng(seed).standard_normal((2, 1280))
    signals: dict[str, Signal | Events] = {
        "eeg": Signal(data=1e-5 * eeg, sfreq=128.0, ch_names=NAMES, kind="eeg", unit="V"),
        "eda": Signal(data=eeg[:1, :40] + 5, sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS"),
        "tags": Events(times=np.zeros(1), values=np.ones(1), kind="tags"),
    }
    made = Trial(
        dataset="toy",
        subject=subject,
        trial=name,
        stimulus=name,
        signals=signals,
        condition=name,
        ratings={"valence": 3.0},
    )
    return replace(made, **changes)


def with_signal(given: Trial, name: str, **changes: Any) -> Trial:
    signal = replace(given.signal(name), **changes)
    return replace(given, signals={**given.signals, name: signal})


def toy(make: Callable[[str, Report], Iterator[Trial]] | None = None, **changes: Any) -> DataSet:
    def usual(subject: str, _source: Any, report: Report) -> Iterator[Trial]:
        if make is not None:
            yield from make(subject, report)
        else:
            yield from (trial(subject, name) for name in "ab")

    values: dict[str, Any] = {
        "name": "toy",
        "title": "Toy",
        "doi": "",
        "licence": "",
        "how_to_get": "",
        "layout": "",
        "n_subjects": 2,
        "n_trials": 2,
        "sfreqs": {"eeg": 128.0, "eda": 4.0},
        "ch_names": {"eeg": NAMES},
        "ratings": {"valence": (1, 5)},
        "tasks": {"condition": condition_task("condition", ("a", "b"))},
        "window": 5.0,
        "step": 5.0,
        "files": lambda _: (),
        "open": lambda _: {"1": None, "2": None},
        "trials": usual,
    }
    return DataSet(**values | changes)


def found(result: CheckResult, what: str) -> str:
    (row,) = (row for row in result.rows if row.what == what)
    return row.found


def test_a_sound_data_set_is_good_and_told_in_figures():
    result = check(toy(), "x")
    assert (result.verdict, result.deviations, result.notes) == ("good", (), ())
    assert found(result, "subjects") == "2"
    assert found(result, "trials a person") == "2"
    assert found(result, "eeg") == "128 Hz, 2 channels, 10 s, V"
    assert found(result, "eda, quality") == "0 % NaN, 0 % flagged, 0 flat channels"
    assert found(result, "rating valence") == "3"
    assert found(result, "task condition") == "a 2, b 2"
    content = json.loads(result.to_json())
    assert content["verdict"] == "good"
    assert content["rows"][1] == {"what": "subjects", "expected": "2", "found": "2", "is_good": True}


def test_shares_of_nan_and_flagged_samples_are_counted():
    flags = np.zeros(1280, dtype=np.uint8)
    flags[:320] = 1

    def make(subject: str, _report: Report) -> Iterator[Trial]:
        data = trial(subject).signal("eeg").data.copy()
        data[0, :128] = np.nan
        yield from (
            with_signal(trial(subject, name), "eeg", data=data * (ord(name) + int(subject)), flags=flags)
            for name in "ab"
        )

    result = check(toy(make), "x")
    assert result.is_good
    assert found(result, "eeg, quality") == "5 % NaN, 25 % flagged, 0 flat channels"


def one_changed(change: Callable[[Trial], Trial]) -> DataSet:
    """Trial b of subject 2 is changed."""

    def make(subject: str, _report: Report) -> Iterator[Trial]:
        yield trial(subject, "a")
        last = trial(subject, "b")
        yield change(last) if subject == "2" else last

    return toy(make)


CONSTANT = np.ones((2, 1280))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: with_signal(t, "eeg", sfreq=256.0), "eeg is sampled at 256 Hz, expected 128."),
        (lambda t: with_signal(t, "eeg", ch_names=NAMES[::-1]), "channels in another order: F4, F3."),
        (lambda t: with_signal(t, "eeg", ch_names=("F3", "Cz")), "eeg lacks F4 and has Cz besides."),
        (lambda t: with_signal(t, "eeg", data=CONSTANT), "eeg is constant in F3, F4."),
        (lambda t: with_signal(t, "eeg", data=CONSTANT * np.nan), "eeg is all NaN in F3, F4."),
        (lambda t: replace(t, signals={"eeg": t.signals["eeg"]}), "Subject 2, trial b lacks eda."),
        (lambda t: replace(t, ratings={"valence": 9.0}), "rating of valence is 9, expected 1 to 5."),
        (lambda t: replace(t, trial="a"), "Subject 2, trial a comes twice in session 1."),
        (lambda t: with_signal(t, "eda", data=np.empty((1, 0)), flags=None), "eda holds no sample."),
    ],
)  # fmt: skip
def test_what_is_wrong_in_one_trial_is_said_of_that_trial(change, sentence):
    result = check(one_changed(change), "x")
    assert result.verdict == "deviates"
    assert any(sentence in said for said in result.deviations)
    assert all("Subject 2, trial" in said or "Subject 2:" in said for said in result.deviations)
    assert any(row.is_good is False for row in result.rows) or "twice" in sentence


def test_a_label_outside_the_classes_deviates():
    task = replace(condition_task("odd", ("a", "c")), target=lambda given: given.condition)
    result = check(toy(tasks={"odd": task}), "x")
    assert result.deviations == tuple(
        f"Subject {s}, trial b: label 'b' of task odd, expected one of a, c." for s in "12"
    )
    assert "Task odd: no trial is c." in result.notes


def test_a_copied_recording_is_found():
    def copies(subject: str, _report: Report) -> Iterator[Trial]:
        yield from (trial(subject, name, signals=trial("1", name).signals) for name in "ab")

    assert check(toy(copies), "x").deviations == (
        "Subject 2, trial a holds the same eeg as subject 1, session 1, trial a: one is a copy.",
        "Subject 2, trial b holds the same eeg as subject 1, session 1, trial b: one is a copy.",
    )


def test_a_missing_trial_deviates_but_not_one_that_was_reported_as_expected():
    def short(subject: str, report: Report) -> Iterator[Trial]:
        yield trial(subject, "a")
        if subject == "2":
            report(Exclusion(subject=subject, trial="b", reason="Known to be lost.", expected=True))

    result = check(toy(short), "x")
    assert result.deviations == ("Subject 1 has 1 trials, the complete data set 2.",)
    assert "Subject 2, trial b: Known to be lost." in result.notes


def test_a_broken_subject_deviates_and_the_others_are_read():
    def breaks(subject: str, _report: Report) -> Iterator[Trial]:
        if subject == "2":
            raise DataError("file2.dat is cut off.")
        yield from (trial(subject, name) for name in "ab")

    result = check(toy(breaks), "x")
    assert result.deviations == ("Subject 2: file2.dat is cut off.",)
    assert found(result, "subjects") == "2, 1 usable"


def test_nothing_readable_is_an_error():
    def breaks(subject: str, _report: Report) -> Iterator[Trial]:
        raise DataError(f"file{subject}.dat is cut off.")
        yield

    with pytest.raises(
        DataError, match=r"Nothing in x can be read as Toy\. Subject 1: file1\.dat is cut off"
    ):
        check(toy(breaks), "x")


def test_fewer_people_are_a_note_and_more_a_deviation():
    assert check(toy(n_subjects=9), "x").notes == ("2 of 9 subjects are here: 1, 2.",)
    assert check(toy(n_subjects=1), "x").deviations == ("There are 2 subjects, the complete data set has 1.",)


def test_a_still_thermometer_may_be_but_not_through_all_trials_of_a_person():
    def still(subject: str, _report: Report) -> Iterator[Trial]:
        for name in "ab":
            is_still = subject == "2" or name == "a"
            given = trial(subject, name)
            yield with_signal(given, "eda", data=np.ones((1, 40))) if is_still else given

    assert check(toy(still), "x").deviations == ("Subject 2: eda is constant in EDA through every trial.",)


def test_sentences_of_one_kind_are_counted_after_the_first_few():
    everyone = {str(number): None for number in range(20)}
    loud = toy(
        lambda s, _: (replace(trial(s, name), ratings={"valence": 7.0}) for name in "ab"),
        open=lambda _: everyone,
        n_subjects=20,
    )
    deviations = check(loud, "x").deviations
    assert len(deviations) == 6
    assert deviations[-1] == "35 more of this kind (rating of valence outside its scale)."


@pytest.mark.parametrize(
    ("name", "factor", "sentence"),
    [
        ("eeg", 1e3, "eeg has a median distance from its median of 0.00667 V, expected 1e-07 to 0.005"),
        ("eeg", 1e6, "eeg has a median distance from its median of 6.67 V, expected 1e-07 to 0.005"),
        ("eeg", 1e-3, "eeg has a median distance from its median of 6.67e-09 V, expected 1e-07 to 0.005"),
        ("eda", 1e3, "eda has a median of 4.98e+03 uS, expected 0.01 to 100"),
        ("eda", 1e-6, "eda has a median of 4.98e-06 uS, expected 0.01 to 100"),
    ],
)
def test_a_unit_that_cannot_be_is_said_of_the_person_once(name, factor, sentence):
    def scaled(subject: str, _report: Report) -> Iterator[Trial]:
        for given in (trial(subject, "a"), trial(subject, "b")):
            data = factor * given.signal(name).data
            yield with_signal(given, name, data=data) if subject == "2" else given

    result = check(toy(scaled), "x")
    assert result.deviations == (f"Subject 2: {sentence}. Is it in another unit or scale?",)
    assert [row.what for row in result.rows if row.is_good is False] == [f"{name}, quality"]


def test_what_has_no_unit_or_one_odd_trial_is_not_judged_by_its_size():
    def odd(subject: str, _report: Report) -> Iterator[Trial]:
        for number, name in enumerate("abc"):
            given = trial(subject, name)
            eda = with_signal(given, "eda", data=given.signal("eda").data * (1e4 if number == 0 else 1))
            yield with_signal(eda, "eeg", data=1e9 * given.signal("eeg").data, unit="au")

    assert check(toy(odd, n_trials=3), "x").deviations == ()


def test_progress_tells_every_subject():
    told: list[tuple[str, int, int | None]] = []
    check(toy(), "x", progress=lambda *what: told.append(what))
    assert told == [("1", 1, 2), ("2", 2, 2)]


def test_a_name_stands_for_its_data_set_and_nothing_else_is_taken(tmp_path):
    with pytest.raises(DataError, match=r"Unknown data set 'dreamr': use one of "):
        check("dreamr", tmp_path)
    with pytest.raises(DataError, match=r"has no DREAMER\.mat"):
        check("dreamer", tmp_path)
    with pytest.raises(TypeError, match=r"got a Trial\. What of one .*\.quality_summary\(trial\)\."):
        check(trial("1", "a"), tmp_path)  # type: ignore[arg-type]


class TestFaces:
    def faces(self, *given: Face, **changes: Any) -> FaceSet:
        values: dict[str, Any] = {
            "name": "toy",
            "title": "Toy faces",
            "doi": "",
            "licence": "",
            "how_to_get": "",
            "layout": "",
            "classes": ("glad", "sad"),
            "splits": {"train": 2, "test": 1},
            "files": lambda _: (),
            "faces": lambda _root, _report: iter(given),
        }
        return FaceSet(**values | changes)

    def face(self, name: str, split: str = "train", **changes: Any) -> Face:
        image = np.random.default_rng(ord(name)).integers(0, 255, (48, 40), dtype=np.uint8)
        values: dict[str, Any] = {"votes": {"glad": 7.0, "sad": 3.0}, "image": image}
        return Face(dataset="toy", face=name, split=split, **values | changes)

    def test_counts_by_split_class_and_size(self):
        sad = self.face("b", votes={"sad": 1.0}, valence=-0.5, arousal=0.1)
        tie = self.face("c", "test", votes={"glad": 1.0, "sad": 1.0})
        made = self.faces(self.face("a"), sad, tie)
        result = check(made, "x")
        assert (result.verdict, result.notes) == ("good", ())
        assert found(result, "images, train") == "2"
        assert found(result, "classes, train") == "glad 1, sad 1"
        assert found(result, "classes, test") == "glad 0, sad 0, tie 1"
        assert found(result, "image sizes") == "48 x 40 grey (3)"
        assert found(result, "valence") == "-0.5"

    def test_a_part_is_a_note(self):
        assert check(self.faces(self.face("a")), "x").notes == (
            "Split train: 1 of 2 images are here.",
            "Split test: 0 of 1 images are here.",
        )

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"votes": {"bored": 1.0}}, "Image z has votes for bored, expected glad, sad."),
            ({"votes": {"sad": -1.0}}, "Image z has votes of -1, expected numbers from 0."),
            ({"valence": 3.0}, "Image z: valence is 3, expected -1 to 1."),
            ({"image": np.zeros((4, 4), dtype=np.uint8)}, "Image z is of one colour."),
            ({"split": "dev"}, "Image z is of split 'dev', expected one of train, test."),
        ],
    )
    def test_a_broken_image_is_named(self, changes, sentence):
        split = changes.pop("split", "train") if "split" in changes else "train"
        assert sentence in check(self.faces(self.face("z", split, **changes)), "x").deviations

    def test_too_many_twice_and_left_out(self):
        def report_one(_root: Path, report: Report) -> Iterator[Face]:
            report(Exclusion(subject="", trial="q.png", reason="It is no image."))
            yield from [self.face("a"), self.face("a"), self.face("b")]

        result = check(self.faces(faces=report_one), "x")
        assert result.deviations == (
            "q.png: It is no image.",
            "Image a comes twice under one name.",
            "Split train has 3 images, the complete data set 2.",
        )
        assert "1 images are pixel for pixel copies of others." in result.notes

    def test_no_image_is_an_error(self):
        with pytest.raises(DataError, match="Nothing in x can be read as Toy faces"):
            check(self.faces(), "x")


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [(EEGMAT_WHOLE, "realeeg/eegmat"), (STRESS_PREDICT, "realdata/stress_predict")],
    ids=["eegmat_whole", "stress_predict"],
)
def test_real_recordings_are_good(real_data, dataset, folder):
    result = check(dataset, real_data / folder)
    assert result.deviations == ()
    assert "These are simulated data, no recordings of people." not in result.notes


def test_a_trial_copied_over_another_of_the_same_person_is_found():
    def copies(subject: str, _report: Report) -> Iterator[Trial]:
        yield from (trial(subject, name, signals=trial(subject, "a").signals) for name in "ab")

    found = check(toy(copies), "x").deviations
    assert "Subject 1, trial b holds the same eeg as subject 1, session 1, trial a: one is a copy." in found
