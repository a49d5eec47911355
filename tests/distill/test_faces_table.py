"""Faces as arrays: soft labels, sizes, copies, and what is left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from physioaffect.data_set import Exclusion
from physioaffect.datasets import (
    AFFECTNET,
    CKPLUS,
    FERPLUS,
    FERPLUS_EMOTIONS,
    ferplus_majority,
    ferplus_probability,
)
from physioaffect.distill.faces_table import FaceTable, face_table, squared
from physioaffect.errors import DataError
from physioaffect.faces import FaceSet


def simulated(faceset: FaceSet, root: Path, **options: int) -> Path:
    assert faceset.simulate is not None
    return faceset.simulate(root, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return simulated(FERPLUS, tmp_path_factory.mktemp("faces") / "ferplus", n_faces=60)


def test_images_labels_and_names_are_those_of_the_reader(folder):
    table = face_table(FERPLUS, folder)
    faces = {face.face: face for face in FERPLUS.read(folder)}
    assert len(table) > 40
    for row, name in enumerate(table.faces):
        face = faces[name]
        assert_array_equal(table.images[row], face.image)
        target = ferplus_probability(face.votes)
        assert target is not None
        assert_allclose(table.targets[row], [target[emotion] for emotion in FERPLUS_EMOTIONS], rtol=1e-6)
        assert table.splits[row] == face.split
    assert (table.classes, table.dataset) == (FERPLUS_EMOTIONS, "ferplus")
    assert np.isnan(table.valence).all()
    assert np.isnan(table.arousal).all()
    assert_array_equal(table.identities, table.faces)


def test_whoever_is_left_out_is_counted_with_the_reason(folder):
    told: list[Exclusion] = []
    table = face_table(FERPLUS, folder, target="majority", report=told.append)
    read = list(FERPLUS.read(folder))
    undecided = sum(ferplus_majority(face.votes) is None for face in read)
    assert table.exclusions["Face ... of FER+ has votes that agree on no emotion."] == undecided > 0
    assert sum("is no face, say all" in reason for reason in table.exclusions) == 1
    assert sum(table.exclusions.values()) == len(told) == 60 - len(table)
    assert all(one.expected for one in told)
    assert set(np.unique(table.targets)) == {0.0, 1.0}


def test_faces_of_a_class_that_is_not_wanted_are_left_out(folder):
    whole = face_table(FERPLUS, folder)
    classes = tuple(name for name in FERPLUS_EMOTIONS if name != "fear")
    told: list[Exclusion] = []
    table = face_table(FERPLUS, folder, classes=classes, report=told.append)
    fear = whole.targets[:, FERPLUS_EMOTIONS.index("fear")]
    assert len(table) == (fear < 0.5).sum()
    kept = whole.take(fear < 0.5)
    rest = np.delete(kept.targets, FERPLUS_EMOTIONS.index("fear"), axis=1)
    assert_allclose(table.targets, rest / rest.sum(axis=1, keepdims=True), rtol=1e-5)
    assert any("is of a class that is not among neutral, happiness" in one.reason for one in told)


def test_other_data_sets_have_people_valence_and_sizes_of_their_own(tmp_path):
    ckplus = face_table(
        CKPLUS, simulated(CKPLUS, tmp_path / "ckplus", n_subjects=2, n_sequences=2, n_frames=2), size=32
    )
    assert ckplus.images.shape[1:] == (32, 32)
    assert len(set(ckplus.identities)) == 2 < len(ckplus)
    assert set(ckplus.splits) == {""}
    told: list[Exclusion] = []
    affectnet = face_table(
        AFFECTNET, simulated(AFFECTNET, tmp_path / "affectnet"), size=24, grey=False, report=told.append
    )
    assert affectnet.images.shape[1:] == (24, 24, 3)
    assert np.isfinite(affectnet.valence).any()
    assert affectnet.valence.dtype == affectnet.targets.dtype == np.float32
    assert set(np.unique(affectnet.targets)) == {0.0, 1.0}


def with_row_again(folder: Path, to: Path, rows: tuple[int, int]) -> Path:
    """FER+ with the pixels of one row also in another."""
    to.mkdir()
    (to / "fer2013new.csv").write_bytes((folder / "fer2013new.csv").read_bytes())
    lines = [line.split(",") for line in (folder / "fer2013.csv").read_text().splitlines()]
    lines[rows[1] + 1][1] = lines[rows[0] + 1][1]
    (to / "fer2013.csv").write_text("\n".join(",".join(line) for line in lines) + "\n")
    return to


def test_a_training_face_in_the_test_split_is_found(folder, tmp_path):
    table = face_table(FERPLUS, with_row_again(folder, tmp_path / "twice", (3, 58)))
    assert table.splits[np.flatnonzero(table.faces == "00058")[0]] == "PrivateTest"
    rows = table.copies_in("PrivateTest", of="Training")
    assert table.faces[rows].tolist() == ["00058"]
    assert table.copies[rows].tolist() == table.identities[rows].tolist() == ["00003"]
    assert not len(table.copies_in("PublicTest", of="Training"))
    alone = table.take(np.delete(np.arange(len(table)), rows))
    assert not len(alone.copies_in("PrivateTest", of="Training"))


def test_take_and_split(folder):
    table = face_table(FERPLUS, folder)
    test = table.split("PrivateTest")
    assert set(test.splits) == {"PrivateTest"}
    assert_array_equal(test.images, table.images[table.splits == "PrivateTest"])
    two = table.take([3, 1])
    assert two.faces.tolist() == table.faces[[3, 1]].tolist()
    assert_array_equal(two.labels, table.targets[[3, 1]].argmax(axis=1))
    with pytest.raises(DataError, match=r"no face in the split 'Trainign'. Did you mean Training\?"):
        table.split("Trainign")


def test_a_broken_picture_is_an_error_or_a_reported_exclusion(tmp_path):
    root = simulated(CKPLUS, tmp_path / "ckplus", n_subjects=2, n_sequences=2, n_frames=2)
    frames = sorted(root.rglob("*.png"))
    frames[0].write_bytes(frames[0].read_bytes()[:200])
    with pytest.raises(DataError, match="is a damaged PNG"):
        face_table(CKPLUS, root)
    told: list[Exclusion] = []
    table = face_table(CKPLUS, root, report=told.append)
    assert [one.reason for one in told if "damaged" in one.reason]
    assert sum(table.exclusions.values()) == len(told)
    assert frames[0].stem not in table.faces.tolist()


def test_a_picture_that_is_too_small_is_left_out(tmp_path):
    root = simulated(CKPLUS, tmp_path / "ckplus", n_subjects=2, n_sequences=2, n_frames=2)
    frame = sorted(root.rglob("*.png"))[0]
    Image.new("L", (9, 40)).save(frame)
    with pytest.raises(DataError, match=rf"Face {frame.stem} of CK\+ is 9 x 40 pixels; expected at least 12"):
        face_table(CKPLUS, root)


def test_the_square_in_the_middle_is_scaled_by_averaging():
    image = np.zeros((40, 100), dtype=np.uint8)
    image[:, 30:70] = np.repeat(np.array([0, 200], dtype=np.uint8), 20)
    assert_array_equal(squared(image, 40), image[:, 30:70])
    assert squared(image, 20).mean() == pytest.approx(100, abs=1)
    colours = np.zeros((20, 20, 3), dtype=np.uint8)
    colours[...] = (255, 0, 0)
    assert (squared(colours, 20) == 76).all()  # 0.299 of 255.
    grey = np.full((20, 20), 7, dtype=np.uint8)
    assert_array_equal(squared(grey, 20, grey=False), np.full((20, 20, 3), 7))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": 4}, "size must be 8 to 512 pixels, got 4"),
        ({"classes": ("neutral", "neutral")}, "classes must be at least two different names"),
        ({"classes": ("neutral", "joy")}, "has no class 'joy'"),
        ({"target": "likeliest"}, "target must be one of probability, majority"),
    ],
)
def test_settings_that_are_none(folder, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        face_table(FERPLUS, folder, **change)


def test_tables_that_are_none():
    names = np.array(["a", "b"])
    parts: dict[str, Any] = {
        "images": np.zeros((2, 8, 8), dtype=np.uint8),
        "targets": np.array([[1, 0], [0.5, 0.5]], dtype=np.float32),
        "classes": ("x", "y"),
        **dict.fromkeys(("identities", "splits", "faces"), names),
        **dict.fromkeys(("valence", "arousal"), np.zeros(2, dtype=np.float32)),
        "dataset": "none",
    }
    assert FaceTable(**parts).copies.tolist() == ["a", "b"]
    for change, sentence in (
        ({"images": np.zeros((2, 8, 8))}, "images must be uint8"),
        ({"targets": np.ones((2, 2), dtype=np.float32)}, "probabilities that add up to 1"),
        ({"targets": np.ones((2, 3), dtype=np.float32) / 3}, r"\(2, 2\), got shape \(2, 3\)"),
        ({"faces": names[:1]}, "faces must have one value for each of 2 faces"),
    ):
        with pytest.raises(DataError, match=sentence):
            FaceTable(**(parts | change))
