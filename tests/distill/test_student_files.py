"""Students as files: read again to the bit, refused when changed; as ONNX equal to torch; on folders."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from support.faces import patches

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from physioaffect.distill.augmentation import Augmentation  # noqa: E402
from physioaffect.distill.exporting import check_export, export_student, time_export  # noqa: E402
from physioaffect.distill.predicting import predict_folder  # noqa: E402
from physioaffect.distill.prototypes import Prototypes  # noqa: E402
from physioaffect.distill.student import StudentSettings, train_student  # noqa: E402
from physioaffect.distill.student_files import load_student, save_student  # noqa: E402
from physioaffect.errors import DataError  # noqa: E402
from physioaffect.training import torch_threads  # noqa: E402

FACES = patches(64)
SETTINGS = StudentSettings(
    backbone="resnet_tiny",
    image_size=16,
    epochs=2,
    batch_size=32,
    learning_rate=2e-3,
    kd=0.0,
    geometry=0.0,
    augmentation=Augmentation(shift=1),
)


@pytest.fixture(autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


@pytest.fixture(scope="module")
def prototypes():
    vectors = np.random.default_rng(0).normal(size=(9, 12)).astype(np.float32)
    return Prototypes(
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        k=3,
        counts=np.ones(9, dtype=np.int64),
        confidence=np.ones(9, dtype=np.float32),
        filled_from=np.arange(9),
    )


@pytest.fixture(scope="module")
def student(prototypes):
    with torch_threads(1):
        return train_student(FACES, FACES, SETTINGS, prototypes=prototypes, device="cpu")


def test_a_student_is_read_again_to_the_bit(student, prototypes, tmp_path):
    path = save_student(student, tmp_path / "deep" / "student.safetensors")
    again = load_student(path)
    assert_array_equal(again.logits(FACES.images), student.logits(FACES.images))
    theirs, own = (one.embed(FACES.images, space="prototypes") for one in (again, student))
    assert_array_equal(theirs, own)
    for name in ("classes", "settings", "history", "best_epoch", "origin", "digest", "prototypes"):
        assert getattr(again, name) == getattr(student, name)
    assert again.prototypes == prototypes.digest
    assert [file.name for file in path.parent.iterdir()] == ["student.safetensors"]


def parts(path: Path):
    with safe_open(path, framework="pt") as file:
        told = json.loads(file.metadata()["physioaffect_student"])
        return told, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda told, _: told.update(prototypes="0" * 64), "was changed after it was saved"),
        (lambda _, weights: weights["classifier.bias"].add_(1), "was changed after it was saved"),
        (lambda told, _: told["settings"].update(tau=-1), "tau must be above 0"),
        (lambda told, _: told["settings"].update(shell="rm"), "no settings of a student"),
        (lambda told, _: told.update(n_dims=10**9), "sizes that no student has"),
        (
            lambda told, _: told.update(n_dims=13),
            r"projection.bias is float32 \(12,\), expected float32 \(13,\)",
        ),
        (lambda told, _: told["backbone"].update(hidden_sizes=[16, 32, 64, 60_000]), "are not those of the"),
        (lambda told, _: told["backbone"].update(model_type="bert"), "type 'bert'"),
        (lambda _, weights: weights.pop("scale"), "scale is none, expected float32"),
        (lambda told, _: told.update(format=2), "in a later format"),
        (lambda told, _: told.pop("history"), "does not tell all of its student: 'history'"),
        (lambda told, _: told.update(classes="abc"), "classes, channels or sizes that no student has"),
    ],
)
def test_a_file_that_was_changed_is_refused(student, tmp_path, change, sentence):
    path = save_student(student, tmp_path / "student.safetensors")
    told, weights = parts(path)
    change(told, weights)
    save_file(weights, path, metadata={"physioaffect_student": json.dumps(told)})
    with pytest.raises(DataError, match=sentence):
        load_student(path)


def test_files_that_are_none(student, tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*none.safetensors"):
        load_student(tmp_path / "none.safetensors")
    path = save_student(student, tmp_path / "student.safetensors")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="is no safetensors file, or damaged"):
        load_student(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="holds tensors, but is no student"):
        load_student(path)
    for write, name in ((save_student, "student.bin"), (export_student, "student.pt")):
        with pytest.raises(DataError, match=f"got '{name}'. Rename it"):
            write(student, tmp_path / name)


# ONNX


@pytest.fixture(scope="module")
def exported(student, tmp_path_factory):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    return export_student(student, tmp_path_factory.mktemp("onnx") / "student.onnx")


@pytest.mark.parametrize("n", [1, 2, 64])
def test_onnxruntime_gives_what_torch_gives_for_any_number_of_images(student, exported, n):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"], {"images": FACES.images[:n]})
    assert_allclose(logits, student.logits(FACES.images[:n]), atol=1e-4)
    assert_allclose(probabilities, student.predict_proba(FACES.images[:n]), atol=1e-4)


def test_what_is_beside_the_export(student, exported):
    told = json.loads(exported.path.with_name("student.onnx.json").read_text())
    assert told["classes"] == list(student.classes)
    assert told["student"] == student.digest
    assert told["difference_from_torch"] == exported.difference < 1e-4
    timing = time_export(exported.path, n_images=4, n_rounds=3)
    assert timing.images_per_second == pytest.approx(4 / timing.seconds)


def test_an_export_that_is_of_another_student_is_found(student, prototypes, exported):
    other = train_student(FACES, None, replace(SETTINGS, epochs=1), prototypes=prototypes, seed=9)
    with pytest.raises(DataError, match=r"differs from torch by .*, expected at most 0.0001"):
        check_export(other, exported.path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit"])
def test_other_backbones_are_exported_too(name, tmp_path):
    faces = patches(16, size=48, colours=name == "vit")
    settings = StudentSettings(backbone=name, epochs=1, kd=0.0, proto=0.0, geometry=0.0)
    student = train_student(faces, None, settings, device="cpu")
    assert export_student(student, tmp_path / "student.onnx").difference < 1e-4


# Folders


def test_a_folder_becomes_a_table_with_reasons(student, tmp_path):
    images = FACES.images[:3]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    Image.fromarray(np.repeat(np.repeat(images[0], 4, axis=0), 4, axis=1)).convert("RGB").save(
        tmp_path / "large.bmp"
    )
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    (tmp_path / "deep.png").write_bytes(b"")
    Image.fromarray(np.zeros((20, 20), dtype=np.uint16)).save(tmp_path / "deep.png")
    Image.new("L", (5, 5)).save(tmp_path / "small.png")
    # One that says that it is huge: 60,000 x 60,000 pixels.
    bomb = bytearray((tmp_path / "large.bmp").read_bytes())
    bomb[18:26] = (60_000).to_bytes(4, "little") * 2
    (tmp_path / "bomb.bmp").write_bytes(bomb)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    table = predict_folder(student, tmp_path).set_index("file")
    assert table.index.tolist() == [
        *("0.png", "1.png", "2.png", "bomb.bmp"),
        *("broken.jpg", "deep.png", "large.bmp", "small.png"),
    ]
    expected = student.predict_proba(images)
    chances = table[[f"p_{name}" for name in student.classes]].astype(float)
    assert_allclose(chances.loc[["0.png", "1.png", "2.png"]], expected, rtol=1e-5)
    assert table.loc["0.png", "prediction"] == student.predict(images[:1])[0]
    # Scaled down to what it was before it was scaled up, and grey again.
    assert_allclose(chances.loc["large.bmp"], expected[0], atol=0.05)
    for name, reason in (
        ("bomb.bmp", "announces 60000 x 60000 pixels"),
        ("broken.jpg", "is a damaged PNG"),
        ("deep.png", "pixels of the mode I;16"),
        ("small.png", "small.png is 5 x 5 pixels; expected at least 12"),
    ):
        assert reason in str(table.loc[name, "problem"])
        assert table.loc[name, "prediction"] is None
        assert chances.loc[name].isna().all()
    assert (table.loc[["0.png", "large.bmp"], "problem"] == "").all()


def test_folders_without_pictures(student, tmp_path):
    with pytest.raises(DataError, match=r"none is no folder. Give one with pictures"):
        predict_folder(student, tmp_path / "none")
    with pytest.raises(DataError, match=r"holds no picture: none of its files is named .png, .jpg"):
        predict_folder(student, tmp_path)
