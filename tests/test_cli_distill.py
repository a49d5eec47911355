"""The commands of distill from EEG to a table of predictions, on simulated data; and what they refuse."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image
from typer.testing import CliRunner, Result

from physioaffect.cli_distill import distill
from physioaffect.datasets import AFFECTNET, CKPLUS, DREAMER, FERPLUS, World

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(distill, [str(one) for one in arguments], env={"COLUMNS": "300"})


def told(*arguments: object) -> dict:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict = json.loads(result.stdout)
    return found


def refused(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    world = World.planted()
    DREAMER.simulate(root / "dreamer", world, n_subjects=3, n_clips=8, max_seconds=5)  # type: ignore[misc]
    FERPLUS.simulate(root / "ferplus", world, n_faces=120)  # type: ignore[misc]
    AFFECTNET.simulate(root / "affectnet", world, n_faces=32)  # type: ignore[misc]
    CKPLUS.simulate(root / "ckplus", world, n_subjects=3, n_sequences=2, n_frames=2)  # type: ignore[misc]
    return root


@pytest.fixture(scope="module")
def eeg(data: Path) -> tuple[Path, dict]:
    path = data / "eeg.safetensors"
    made = told(
        "prototypes", "dreamer", data / "dreamer", "-o", path, "--window", 1, "--epochs", 2, "--dims", 16,
        "--jobs", 1, "--device", "cpu",
    )  # fmt: skip
    return path, made


@pytest.fixture(scope="module")
def student(data: Path, eeg: tuple[Path, dict]) -> tuple[Path, dict]:
    path = data / "student.safetensors"
    made = told(
        "train", "ferplus", data / "ferplus", "-o", path, "--prototypes", eeg[0], "--backbone", "resnet_tiny",
        "--epochs", 2, "--device", "cpu",
    )  # fmt: skip
    return path, made


def test_prototypes_are_of_people_held_out(eeg: tuple[Path, dict]) -> None:
    path, made = eeg
    assert path.exists()
    assert len(made["origin"]["people"]) == 1  # A quarter of three, one at least.
    assert made["n_dims"] == 16
    assert made["origin"]["simulated"] is True
    assert sum(made["counts"]) == made["n_windows"] == 40  # Five windows of eight clips.


def test_training_writes_a_student_and_its_card(student: tuple[Path, dict]) -> None:
    path, made = student
    assert path.exists()
    assert made["n_train"] + made["n_validation"] <= 108
    page = Path(made["card"]).read_text()
    assert "People are not their faces" in page
    assert "it knows drawn faces" in page
    assert made["exclusions"]  # One in ten has no votes enough, row 17 no face.


def test_evaluating_tells_both_ways_of_counting(data: Path, student: tuple[Path, dict]) -> None:
    made = told("evaluate", student[0], "ckplus", data / "ckplus")
    scores = made["scores"]
    assert set(scores) == {"8-way", "present-only"}
    assert scores["present-only"]["accuracy"]["mean"] >= scores["8-way"]["accuracy"]["mean"]
    assert made["missing"]
    one = scores["8-way"]["macro_f1"]
    assert one["low"] <= one["mean"] <= one["high"]
    affectnet = told("evaluate", student[0], "affectnet", data / "affectnet")
    assert (affectnet["split"], affectnet["n"], affectnet["missing"]) == ("val", 8, [])
    shown = " ".join(call("evaluate", student[0], "ferplus", data / "ferplus").output.split())
    assert "PrivateTest" in shown
    assert "one training, so nothing of other seeds" in shown


def test_data_sets_are_found_in_the_folder_of_the_environment(
    data: Path, student: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = told("evaluate", student[0], "ckplus", data / "ckplus")
    monkeypatch.setenv("PHYSIOAFFECT_DATA", str(data))
    assert told("evaluate", student[0], "ckplus") == named
    monkeypatch.setenv("PHYSIOAFFECT_DATA", str(tmp_path))
    assert f"{tmp_path / 'dreamer'}" in refused("prototypes", "dreamer", "-o", tmp_path / "p.safetensors")
    assert f"{tmp_path / 'ferplus'}" in refused("train", "ferplus", "-o", tmp_path / "s.safetensors")
    monkeypatch.delenv("PHYSIOAFFECT_DATA")
    for command in ("prototypes", "dreamer"), ("train", "ferplus"):
        assert f"Where is the data set {command[1]}?" in refused(*command, "-o", tmp_path / "x.safetensors")


def test_brackets_in_the_name_of_a_student_are_no_markup(
    data: Path, student: tuple[Path, dict], tmp_path: Path
) -> None:
    named = tmp_path / "a[red]b.safetensors"
    shutil.copyfile(student[0], named)
    assert "a[red]b.safetensors on CK+" in call("evaluate", named, "ckplus", data / "ckplus").output


def test_a_folder_of_pictures_becomes_a_table(tmp_path: Path, data: Path, student: tuple[Path, dict]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in {"a.png": (48, 48), "b.jpg": (90, 60, 3), "small.png": (5, 9)}.items():
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (folder / "notes.txt").write_text("no picture")
    made = told("predict", student[0], folder, "-o", tmp_path / "p.csv")
    assert (made["n"], made["n_left_out"]) == (4, 2)
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["file"].tolist() == ["a.png", "b.jpg", "broken.png", "small.png"]
    chances = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert np.allclose(chances[:2].sum(axis=1), 1, atol=1e-5)
    assert np.isnan(chances[2:]).all()
    assert table["prediction"][0] == CLASSES[chances[0].argmax()]
    assert "9 x 5 pixels" in table["problem"][3]
    shown = " ".join(call("predict", student[0], folder, "-o", tmp_path / "p.csv").output.split())
    assert "2 of 4 pictures" in shown
    assert "broken.png" in shown.partition("Left out: ")[2]


def test_an_export_computes_the_same(tmp_path: Path, student: tuple[Path, dict]) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    made = told("export", student[0], "-o", tmp_path / "student.onnx")
    assert made["difference"] <= 1e-4
    assert made["images_per_second"] > 1


@pytest.mark.parametrize("control", ["random", "shuffled", "one_hot"])
def test_controls_take_the_place_of_eeg(
    control: str, tmp_path: Path, data: Path, eeg: tuple[Path, dict], student: tuple[Path, dict]
) -> None:
    made = told(
        "train", "ferplus", data / "ferplus", "-o", tmp_path / "s.safetensors", "--prototypes", eeg[0],
        "--backbone", "resnet_tiny", "--epochs", 1, "--control", control, "--teacher", student[0],
        "--device", "cpu",
    )  # fmt: skip
    page = (tmp_path / "s.card.html").read_text()
    assert f"prototypes {control}" in page
    assert "an image teacher" in page
    assert made["digest"] != student[1]["digest"]


def test_faces_with_valence_and_arousal_find_their_own_cell(
    tmp_path: Path, data: Path, eeg: tuple[Path, dict]
) -> None:
    common = ("--prototypes", eeg[0], "--backbone", "resnet_tiny", "--epochs", 1, "--device", "cpu")
    own = ("--targeting", "own similarity")
    out = tmp_path / "s.safetensors"
    assert told("train", "affectnet", data / "affectnet", "-o", out, *common, *own)["n_train"] == 24
    said = refused("train", "ferplus", data / "ferplus", "-o", out, *common, *own)
    assert "No face of ferplus has valence and arousal" in said


class TestRefusals:
    def test_prototypes_with_a_wrong_hash(self, tmp_path: Path, data: Path, eeg: tuple[Path, dict]) -> None:
        changed = tmp_path / "eeg.safetensors"
        beside = Path(f"{eeg[0]}.json").read_text()
        digest = eeg[1]["digest"]
        changed.write_bytes(eeg[0].read_bytes())
        Path(f"{changed}.json").write_text(beside.replace(digest, "0" * 64))
        said = refused(
            "train", "ferplus", data / "ferplus", "-o", tmp_path / "s.safetensors", "--prototypes", changed
        )
        assert "0000" in said

    def test_too_few_dimensions_for_one_hot(self, tmp_path: Path, data: Path) -> None:
        path = tmp_path / "eeg.safetensors"
        told(
            "prototypes", "dreamer", data / "dreamer", "-o", path, "--window", 1, "--epochs", 1,
            "--dims", 8, "--k", 2, "--jobs", 1, "--device", "cpu",
        )  # fmt: skip
        out = tmp_path / "s.safetensors"
        common = ("--backbone", "resnet_tiny", "--epochs", 1, "--device", "cpu", "--prototypes", path)
        assert told("train", "ferplus", data / "ferplus", "-o", out, *common, "--control", "one_hot")[
            "digest"
        ]

    def test_a_set_without_ratings(self, tmp_path: Path) -> None:
        assert "no ratings of valence and arousal" in refused(
            "prototypes", "eegmat", tmp_path, "-o", tmp_path / "p.safetensors"
        )

    def test_a_set_without_validation(self, tmp_path: Path, data: Path) -> None:
        said = refused("train", "ckplus", data / "ckplus", "-o", tmp_path / "s.safetensors")
        assert "is for tests only. Train on ferplus or affectnet" in said

    def test_a_control_of_nothing(self, tmp_path: Path, data: Path) -> None:
        out = tmp_path / "s.safetensors"
        said = refused("train", "ferplus", data / "ferplus", "-o", out, "--control", "random")
        assert "got 'random' without --prototypes" in said

    def test_settings_that_are_none(self, tmp_path: Path, data: Path) -> None:
        out = tmp_path / "s.safetensors"
        assert "no backbone 'resnet19'" in refused(
            "train", "ferplus", data / "ferplus", "-o", out, "--backbone", "resnet19"
        )
        assert "device" in refused("train", "ferplus", data / "ferplus", "-o", out, "--device", "gpu")

    def test_a_class_that_no_face_has(self, tmp_path: Path) -> None:
        root = FERPLUS.simulate(tmp_path / "few", World.planted(), n_faces=30)  # type: ignore[misc]
        lines = (root / "fer2013new.csv").read_text().splitlines()
        kept = [lines[0]] + [_without_contempt(line) for line in lines[1:]]
        (root / "fer2013new.csv").write_text("\n".join(kept) + "\n")
        said = refused(
            "train", "ferplus", root, "-o", tmp_path / "s.safetensors", "--backbone", "resnet_tiny",
            "--device", "cpu",
        )  # fmt: skip
        assert "No training face is of the class contempt" in said

    def test_no_student_and_no_pictures(self, tmp_path: Path, student: tuple[Path, dict]) -> None:
        missing = refused("predict", tmp_path / "none.safetensors", tmp_path, "-o", tmp_path / "p.csv")
        assert "none.safetensors" in missing
        assert "holds no picture" in refused("predict", student[0], tmp_path, "-o", tmp_path / "p.csv")
        assert "is no folder" in refused("predict", student[0], tmp_path / "no", "-o", tmp_path / "p.csv")


def _without_contempt(line: str) -> str:
    """Take away the faces that most people called contempt: their votes go to none."""
    usage, name, *votes = line.split(",")
    if int(votes[7]) > 1:
        votes = ["0"] * 9 + ["10"]
    return ",".join([usage, name, *votes])
