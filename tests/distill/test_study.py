"""The study: pairing, resuming to the same files, and tests that nothing can be chosen by."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from support.planted_faces import CLASSES, SIDE, planted_faces, planted_prototypes

from physioaffect.distill import study as study_module
from physioaffect.distill.face_targets import face_cell_targets
from physioaffect.distill.faces_table import FaceTable
from physioaffect.distill.scores import face_scores
from physioaffect.distill.student import StudentSettings, train_student
from physioaffect.distill.study import ABLATION, ARMS, CONTROLS, Study, run_study
from physioaffect.distill.study_cards import cards_of
from physioaffect.distill.study_files import StudyFolder, prediction_frame
from physioaffect.errors import DataError, ProtocolError, RunError
from physioaffect.training import torch_threads

SETTINGS = StudentSettings(backbone="resnet_tiny", image_size=SIDE, epochs=1, batch_size=16, geometry=0.01)
SEEDS = (0, 1, 2)
TRAIN, VALIDATION, TEST = planted_faces(0, 32), planted_faces(100, 16), planted_faces(200, 24)
EEG = planted_prototypes(knows_the_plane=True)
LOGITS = np.random.default_rng(0).standard_normal((32, 8)).astype(np.float32)


def run(
    out: Path,
    *,
    arms: tuple[str, ...] = ("B3", "random"),
    tests: dict[str, Callable[[], FaceTable]] | None = None,
    **others,
) -> Study:
    settings: dict[str, Any] = {
        "prototypes": EEG,
        "teacher_logits": LOGITS,
        "seeds": SEEDS,
        "quick": True,
        "device": "cpu",
    }
    with torch_threads(1):
        return run_study(
            TRAIN,
            VALIDATION,
            {"faces": lambda: TEST} if tests is None else tests,
            others.pop("settings", SETTINGS),
            out=out,
            arms=[ARMS[name] for name in arms],
            **(settings | others),
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return run(tmp_path_factory.mktemp("study") / "out")


def test_what_is_switched_off_is_off() -> None:
    on = {
        arm.name: tuple(getattr(arm.settings(SETTINGS), name) > 0 for name in ("kd", "proto", "geometry"))
        for arm in (*ABLATION, *CONTROLS)
    }
    full = (True, True, True)
    assert on == {
        "B0": (False, False, False),
        "B1": (True, False, False),
        "B2": (True, True, False),
        "B3": full,
        "random": full,
        "shuffled": full,
        "one_hot": full,
        "no_eeg": (True, False, True),
    }


def test_controls_are_drawn_anew_for_each_seed_and_eeg_is_not() -> None:
    def digest(arm: str, seed: int) -> str:
        field = ARMS[arm].field(EEG, CLASSES, seed)
        assert field is not None
        assert field.vectors.shape == EEG.vectors.shape
        return field.digest

    for arm in ("random", "shuffled"):
        assert len({digest(arm, seed) for seed in SEEDS}) == 3
        assert digest(arm, 1) == digest(arm, 1)
    for arm in ("B3", "one_hot"):
        assert len({digest(arm, seed) for seed in SEEDS}) == 1
    assert ARMS["no_eeg"].field(EEG, CLASSES, 0) is None


def test_arms_of_a_seed_are_paired(made: Study, tmp_path: Path) -> None:
    """Prototypes of no weight, EEG's or random ones, leave the same student to the last bit."""
    weightless = replace(SETTINGS, proto=1e-30)
    found = run(tmp_path / "paired", settings=weightless)
    assert np.array_equal(found.logits("B3", "faces"), found.logits("random", "faces"))
    assert not np.array_equal(made.logits("B3", "faces"), made.logits("random", "faces"))
    assert not np.array_equal(made.logits("B3", "faces")[0], made.logits("B3", "faces")[1])


def test_predictions_are_the_students_own(made: Study) -> None:
    from physioaffect.distill.student_files import load_student

    student = load_student(made.folder.student("B3", 1))
    assert np.allclose(made.logits("B3", "faces")[1], student.logits(TEST.images), atol=1e-5)
    assert made.faces("faces")["face"].tolist() == TEST.faces.tolist()
    mean = np.mean([face_scores(one, TEST.targets, CLASSES).macro_f1 for one in made.logits("B3", "faces")])
    assert made.intervals("B3", "faces")["macro_f1"].mean == pytest.approx(mean)


def test_tests_are_opened_once_and_after_all_trainings(tmp_path: Path) -> None:
    out = tmp_path / "out"
    opened = []

    def test_set() -> FaceTable:
        trained = sorted(path.name for path in (out / "validation").glob("*.parquet"))
        assert trained == [f"{arm}-{seed}.parquet" for arm in ("B3", "random") for seed in SEEDS]
        assert (out / "opened.json").exists()
        opened.append(1)
        return TEST

    run(out, tests={"faces": test_set})
    run(out, tests={"faces": test_set})
    assert len(opened) == 1


def test_after_opening_nothing_can_be_added(made: Study) -> None:
    with pytest.raises(RunError, match=r"differs in arms\. Its tests were opened: whatever is chosen now"):
        run(made.path, arms=("B3", "random", "no_eeg"))
    with pytest.raises(RunError, match="differs in settings"):
        run(made.path, settings=replace(SETTINGS, proto=0.2))
    with pytest.raises(RunError, match="differs in smallest_effect"):
        run(made.path, smallest_effect=0.0)


def test_tests_cannot_be_written_before_they_are_opened(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "study", {"arms": []})
    frame = prediction_frame("faces", TEST, np.zeros((len(TEST), 8)))
    with pytest.raises(RunError, match="opened after all trainings have finished"):
        folder.write_tests("B3", 0, frame)


@pytest.mark.parametrize("stop", [2, 7])
def test_killed_and_resumed_ends_with_the_same_files(
    stop: int, made: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the n-th training (the last: in the tests), then given again."""
    out, calls = tmp_path / "out", []
    train = study_module.__dict__["train_student"]

    def dying(*arguments, **others):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return train(*arguments, **others)

    def dying_test() -> FaceTable:
        raise KeyboardInterrupt

    monkeypatch.setattr(study_module, "train_student", dying)
    with pytest.raises(KeyboardInterrupt):
        run(out, tests={"faces": dying_test})
    monkeypatch.setattr(study_module, "train_student", train)
    run(out)
    for path in sorted(made.path.rglob("*.parquet")):
        other = out / path.relative_to(made.path)
        assert pd.read_parquet(other).equals(pd.read_parquet(path)), path
    told = [json.loads((folder / "opened.json").read_text()) for folder in (made.path, out)]
    assert told[0] == told[1]
    assert not list((out / "checkpoints").iterdir())


def test_a_damaged_file_is_said(made: Study, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made.path, tmp_path / "copy")
    broken = tmp_path / "copy" / "tests" / "B3-0.parquet"
    broken.write_bytes(b"PAR1 is not enough")
    study = run(tmp_path / "copy")
    with pytest.raises(RunError, match=r"B3-0\.parquet cannot be read.*Remove it"):
        study.intervals("B3", "faces")


def test_what_a_study_needs(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"at least 6 different seeds .*got \[0, 1, 2\]"):
        run(tmp_path / "a", quick=False)
    with pytest.raises(ProtocolError, match=r"different seeds .*got \[0, 1, 1\]"):
        run(tmp_path / "a", seeds=[0, 1, 1])
    with pytest.raises(
        ProtocolError, match="The arms B3, random distil an image teacher, and no teacher_logits"
    ):
        run(tmp_path / "b", teacher_logits=None)
    with pytest.raises(ProtocolError, match="arms of different names, got B3, B3"):
        run(tmp_path / "c", arms=("B3", "B3"))
    fewer = replace(TEST, classes=CLASSES[::-1])
    with pytest.raises(ProtocolError, match="The test set faces has the classes contempt"):
        run(tmp_path / "d", tests={"faces": lambda: fewer})
    narrow = planted_prototypes(knows_the_plane=True, n_dims=4)
    with pytest.raises(DataError, match="need as many dimensions, got n_dims=4"):
        run(tmp_path / "e", arms=("one_hot",), prototypes=narrow)


def test_cards_lie_beside_the_students(made: Study) -> None:
    cards = cards_of(made, facts={"network": "<tiny>"}, data=("Drawn.",), protocol=(), is_simulated=True)
    assert {path.name for path in cards} == {f"{a}-{s}.card.html" for a in ("B3", "random") for s in SEEDS}
    page = cards[0].read_text()
    for said in (
        "People are not their faces",
        "It is no diagnosis",
        "decide about people",
        "it knows drawn faces",
        "From a quick run",
        "&lt;tiny&gt;",
        "faces, present-only",
        "EEG prototypes minus random prototypes",
    ):
        assert said in page, said
    mean = made.intervals("B3", "faces")["accuracy"].mean
    assert f"{100 * mean:.1f} [" in page


class TestTargetsOfFaces:
    def test_own_similarity_is_reached_at_the_prototype_of_the_cell(self) -> None:
        import torch

        from physioaffect.distill.grid import grid_cells
        from physioaffect.distill.losses import prototype_loss

        cells = face_cell_targets(TRAIN, EEG, SETTINGS, targeting="own similarity")
        own = grid_cells(TRAIN.valence, TRAIN.arousal)
        features = torch.tensor(EEG.vectors[own])
        loss = prototype_loss(features, torch.tensor(EEG.vectors), torch.tensor(cells), tau=SETTINGS.tau)
        assert float(loss) == pytest.approx(0, abs=1e-6)

    def test_what_is_not_known_is_the_classes(self) -> None:
        nothing = replace(TRAIN, valence=np.full(32, np.nan, np.float32))
        with pytest.raises(DataError, match="No face of drawn has valence and arousal"):
            face_cell_targets(nothing, EEG, SETTINGS, targeting="own anchors")
        one = TRAIN.valence.copy()
        one[3] = np.nan
        partly = replace(TRAIN, valence=one)
        found = face_cell_targets(partly, EEG, SETTINGS, targeting="own anchors")
        of_class = face_cell_targets(partly, EEG, SETTINGS, targeting="anchors")
        assert np.array_equal(found[3], of_class[3])
        assert not np.array_equal(found[4], of_class[4])
        assert np.allclose(found.sum(axis=1), 1)

    def test_bells_bring_the_plane_into_random_prototypes(self) -> None:
        """Why random prototypes are so good a control: the targets' overlap is their geometry."""
        wide = planted_prototypes(knows_the_plane=False, n_dims=4000)
        bells = face_cell_targets(TRAIN.take(np.arange(8)), wide, SETTINGS, targeting="anchors")
        pulled = bells @ wide.vectors
        assert np.allclose(pulled @ pulled.T, bells @ bells.T, atol=0.02)

    def test_targets_of_the_classes_train_the_same_student(self) -> None:
        settings = replace(SETTINGS, kd=0)
        cells = face_cell_targets(TRAIN, EEG, settings, targeting="anchors")
        with torch_threads(1):
            one = train_student(
                TRAIN, VALIDATION, settings, prototypes=EEG, cell_targets=cells, seed=3, device="cpu"
            )
            two = train_student(TRAIN, VALIDATION, settings, prototypes=EEG, seed=3, device="cpu")
            assert np.array_equal(one.logits(TEST.images), two.logits(TEST.images))

    def test_targets_that_do_not_fit(self) -> None:
        with pytest.raises(ValueError, match=r"targeting must be one of anchors.*got 'nearest'"):
            face_cell_targets(TRAIN, EEG, SETTINGS, targeting="nearest")  # type: ignore[arg-type]
