"""From simulated EEG and drawn faces to a verdict: the whole chain, in little."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from physioaffect.datasets import FERPLUS
from physioaffect.distill.faces_table import face_table
from physioaffect.distill.student import StudentSettings
from physioaffect.distill.teacher import MapTeacher
from physioaffect.errors import DataError, ProtocolError, RunError
from physioaffect.reproduce import neurogaze, neurogaze_data
from physioaffect.reproduce.neurogaze import NEUROGAZE, FaceReproduction, reproduce_neurogaze
from physioaffect.reproduce.neurogaze_data import FULL, QUICK, Sizes, face_data, files_of, simulate_all
from physioaffect.reproduce.neurogaze_words import PUBLISHED
from physioaffect.reproduce.running import reproduce
from physioaffect.training import torch_threads

ARMS = ("B0", "B1", "B2", "B3", "random", "shuffled", "one_hot", "no_eeg")
LITTLE = Sizes(150, 32, 3, 2, 3, 5, 6.0)


def few_epochs(*, is_quick: bool) -> tuple[StudentSettings, MapTeacher, str]:
    students = StudentSettings(
        backbone="resnet_tiny", epochs=2, batch_size=32, learning_rate=2e-3, ramp=(0, 1)
    )
    return students, MapTeacher(epochs=2, n_dims=16, batch_size=8), "resnet_tiny"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FaceReproduction:
    with pytest.MonkeyPatch.context() as patch, torch_threads(1):
        patch.setattr(neurogaze, "settings_of", few_epochs)
        patch.setattr(neurogaze_data, "QUICK", LITTLE)
        found = reproduce(
            NEUROGAZE, out=tmp_path_factory.mktemp("neurogaze") / "out", quick=True, device="cpu"
        )
    assert isinstance(found, FaceReproduction)
    return found


@pytest.mark.slow
def test_every_arm_is_scored_on_every_set_in_both_ways(made: FaceReproduction) -> None:
    assert {(row.arm, row.set, row.present_only, row.measure) for row in made.table} == {
        (arm, name, present_only, measure)
        for arm in ARMS
        for name in ("validation", "FER+ test", "AffectNet", "CK+")
        for present_only in (False, True)
        for measure in ("macro_f1", "accuracy", "balanced_accuracy")
    }
    for row in made.table:
        assert 0 <= row.low <= row.mean <= row.high <= 100
        assert row.n_seeds == 3
    assert len(made.rows) == len(made.table)


@pytest.mark.slow
def test_the_question_has_an_answer(made: FaceReproduction) -> None:
    (control, name), verdict = next(iter(made.answers.items()))
    assert (control, name) == ("random", "FER+ test")
    assert verdict.answer in ("helps", "does not", "undecided")
    assert verdict.is_quick
    assert {control for control, _ in made.answers} == {"random", "shuffled", "one_hot", "no_eeg"}
    assert verdict.sentence() in made.differences[0]
    assert made.verdict.startswith("A quick run, no estimate of anything.")


@pytest.mark.slow
def test_all_of_it_is_written(made: FaceReproduction) -> None:
    told = json.loads((made.path / "reproduction.json").read_text())
    assert (told["simulated"], told["quick"], told["system"]) == (True, True, "neurogaze")
    assert len(told["table"]) == len(made.table)
    assert told["answers"][0]["answer"] == next(iter(made.answers.values())).answer
    page = (made.path / "reproduction.html").read_text()
    for said in (
        "Does the brain part help?",
        "shuffled grid",
        "CK+, present-only",
        "(49.33)",
        "does not show that EEG helps",
    ):
        assert said in page, said
    assert "<script" not in page
    students = made.path / "study" / "students"
    assert {path.name for path in students.glob("*.card.html")} == {
        f"{arm}-{seed}.card.html" for arm in ARMS for seed in range(3)
    }


@pytest.mark.slow
def test_printed_with_intervals(made: FaceReproduction, capsys: pytest.CaptureFixture[str]) -> None:
    from physioaffect.cli_reproduce import print_face_reproduction

    print_face_reproduction(made)
    shown = capsys.readouterr().out
    for said in (*ARMS, "Does the brain part help?", "SIMULATED", "["):
        assert said in shown, said


@pytest.mark.slow
def test_given_again_nothing_is_trained_anew(made: FaceReproduction, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_training(*_, **__):
        raise AssertionError("What was finished was trained again.")

    from physioaffect.distill import study

    monkeypatch.setattr(neurogaze, "settings_of", few_epochs)
    monkeypatch.setattr(study, "train_student", no_training)
    monkeypatch.setattr(neurogaze, "train_student", no_training)
    before = (made.path / "reproduction.json").read_bytes()
    reproduce_neurogaze(out=made.path, quick=True, device="cpu")
    assert (made.path / "reproduction.json").read_bytes() == before


@pytest.mark.slow
def test_another_run_is_refused(made: FaceReproduction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurogaze, "settings_of", few_epochs)
    with pytest.raises(RunError, match="holds another run, whose image teacher"):
        reproduce_neurogaze(out=made.path, quick=True, seed=1, device="cpu")


def test_a_folder_that_lacks_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "dreamer").mkdir()
    with pytest.raises(DataError, match="has no folder ferplus nor affectnet nor ckplus"):
        files_of(tmp_path)
    with pytest.raises(
        DataError, match=r"NeuroGaze-Distill was published on DREAMER, FER\+, AffectNet and CK\+"
    ):
        reproduce(NEUROGAZE, tmp_path, out=tmp_path / "out")
    with pytest.raises(ProtocolError, match="has one task, 'eight emotions'; got stress"):
        reproduce_neurogaze(out=tmp_path / "out", tasks=["stress"])


def test_no_test_is_read_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurogaze_data, "QUICK", LITTLE)
    root = simulate_all(tmp_path, is_quick=True)
    (root / "affectnet").rename(root / "hidden")
    data = face_data(root, size=48)  # Would fail if it opened AffectNet.
    assert set(data.train.splits) == {"Training"}
    assert set(data.validation.splits) == {"PublicTest"}
    assert data.is_simulated
    assert data.n_copies == 0
    assert any(said.startswith("Left out of FER+: ") for said in data.sentences())
    table = face_table(FERPLUS, root / "ferplus")
    twice = replace(table, copies=np.where(table.splits == "PrivateTest", table.faces[0], table.copies))
    monkeypatch.setattr(neurogaze_data, "face_table", lambda *_, **__: twice)
    copied = face_data(root, size=48)
    assert copied.n_copies == int((table.splits == "PrivateTest").sum()) > 0
    assert "have the very pixels of a training face" in copied.sentences()[-1]
    monkeypatch.undo()
    assert set(data.tests["FER+ test"]().splits) == {"PrivateTest"}
    with pytest.raises(DataError, match="AffectNet"):
        data.tests["AffectNet"]()


def test_published_settings_are_the_full_mode() -> None:
    students, teacher, backbone = neurogaze.settings_of(is_quick=False)
    assert (students.backbone, students.epochs, students.batch_size) == ("resnet18", 100, 128)
    assert (students.kd, students.proto, students.geometry) == (0.30, 0.12, 0.012)
    assert (students.tau, students.temperature, students.ramp) == (0.90, 5.0, (20, 60))
    assert (students.learning_rate, students.weight_decay, students.smoothing) == (2e-4, 0.05, 0.055)
    assert backbone == "resnet50"
    assert FULL.dreamer_people == 23
    assert all(small <= large for small, large in zip(QUICK, FULL, strict=True))
    assert teacher.n_dims == 256


def test_published_numbers_are_of_one_run_each() -> None:
    full = PUBLISHED["B3", "validation", False]
    assert [full[name].value for name in ("accuracy", "macro_f1", "balanced_accuracy")] == [
        83.06,
        64.74,
        59.90,
    ]
    assert all("one run" in one.over for row in PUBLISHED.values() for one in row.values())
    assert "chosen on this very set" in PUBLISHED["B3", "CK+", True]["accuracy"].over
