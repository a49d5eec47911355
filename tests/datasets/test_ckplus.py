"""CK+: frames and labels by hand, extra levels, what operating systems leave behind, and broken sequences."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from physioaffect.data_set import Exclusion
from physioaffect.datasets import CKPLUS, World, check, get_faces
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.faces import Face

IMAGES, LABELS = "cohn-kanade-images", "Emotion"
CLASSES = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")


def frame(path: Path, tone: int, *, is_colour: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6, 3) if is_colour else (4, 6), tone, dtype=np.uint8)).save(path)


def film(root: Path, name: str, label: str | None, *, first: int = 1, last: int = 11) -> None:
    """Frames whose grey is their number, and the label of the last one."""
    place = name.replace("_", "/")
    for number in range(first, last + 1):
        frame(root / IMAGES / place / f"{name}_{number:08d}.png", number)
    if label is not None:
        (root / LABELS / place).mkdir(parents=True, exist_ok=True)
        (root / LABELS / place / f"{name}_{last:08d}_emotion.txt").write_text(label)


def by_hand(root: Path) -> Path:
    """Three sequences of two people; one has no label, one a file of a Mac's."""
    film(root, "S005_001", "   3.0000000e+00\n")
    film(root, "S010_002", "   7.0000000e+00\n", first=4, last=14)
    film(root, "S010_001", None)
    (root / IMAGES / "S010" / "002" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (root / IMAGES / "S010" / "002" / "._S010_002_00000015.png").write_bytes(b"\0\5\x16\7")
    (root / IMAGES / ".DS_Store").touch()
    (root / LABELS / "S010" / "001").mkdir()
    return root


def read(root: Path) -> tuple[list[Face], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(CKPLUS.read(root, report=exclusions.append)), exclusions


def assert_as_by_hand(root: Path) -> None:
    faces, exclusions = read(root)
    found = [(face.subject, face.sequence, face.face, dict(face.votes)) for face in faces]
    assert found == [
        ("S005", "S005_001", "S005_001_00000001", {"neutral": 1}),
        ("S005", "S005_001", "S005_001_00000011", {"disgust": 1}),
        ("S010", "S010_001", "S010_001_00000001", {"neutral": 1}),
        ("S010", "S010_002", "S010_002_00000004", {"neutral": 1}),
        ("S010", "S010_002", "S010_002_00000014", {"surprise": 1}),
    ]
    for face in faces:
        assert (face.dataset, face.split, face.valence, face.arousal) == ("ckplus", "", None, None)
        assert_array_equal(face.image, np.full((4, 6), int(face.face[-8:])))
    assert exclusions == [
        Exclusion(
            subject="S010",
            trial="S010_001",
            reason="Sequence S010_001 of CK+ has no label, so its peak is left out.",
            expected=True,
        )
    ]


def broken(root: Path, n_others: int = 4) -> Exclusion:
    """What cannot be used; the others must be read all the same."""
    faces, exclusions = read(root)
    (exclusion,) = [exclusion for exclusion in exclusions if not exclusion.expected]
    assert len(faces) == n_others
    with pytest.raises(DataError):
        list(CKPLUS.read(root))
    return exclusion


def test_first_frames_are_neutral_and_last_ones_peaks(tmp_path: Path) -> None:
    assert_as_by_hand(by_hand(tmp_path))


def test_a_missing_folder_for_the_label_is_as_good_as_an_empty_one(tmp_path: Path) -> None:
    (by_hand(tmp_path) / LABELS / "S010" / "001").rmdir()
    assert_as_by_hand(tmp_path)


def test_extra_levels_of_the_archives_do_no_harm(tmp_path: Path) -> None:
    by_hand(tmp_path)
    for name, above in ((IMAGES, f"extended-cohn-kanade-images/{IMAGES}"), (LABELS, "CK/Emotion_labels")):
        (tmp_path / "new" / above).mkdir(parents=True)
        (tmp_path / name).rename(tmp_path / "new" / above / name)
    (tmp_path / "new" / "__MACOSX" / IMAGES / "S005").mkdir(parents=True)
    assert_as_by_hand(tmp_path / "new")


def test_files_are_first_and_last_frames_and_labels(tmp_path: Path) -> None:
    files = CKPLUS.files(by_hand(tmp_path))
    assert len(files) == len(set(files)) == 3 * 2 + 2
    assert all(path.is_file() for path in files)


def test_colour_is_kept(tmp_path: Path) -> None:
    frame(by_hand(tmp_path) / IMAGES / "S005/001/S005_001_00000011.png", 11, is_colour=True)
    assert [face.image.shape for face in read(tmp_path)[0]][:2] == [(4, 6), (4, 6, 3)]


@pytest.mark.parametrize("code", range(8))
def test_codes_of_the_labels(tmp_path: Path, code: int) -> None:
    film(tmp_path, "S005_001", f"   {code:.7e}\n")
    assert dict(read(tmp_path)[0][1].votes) == {CLASSES[code]: 1}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40) | st.floats().map(lambda number: f"{number:e}".encode()))
@example(content=b"1" * 100_000)
@example(content=b"")
@example(content=b"nan")
@example(content=b"3.5")
@example(content=b"8.0000000e+00")
@example(content=b"3.0 4.0")
def test_a_label_is_a_whole_number_from_0_to_7_or_refused(tmp_path: Path, content: bytes) -> None:
    film(tmp_path, "S005_001", "", last=2)
    label = tmp_path / LABELS / "S005/001/S005_001_00000002_emotion.txt"
    label.write_bytes(content)
    faces, exclusions = read(tmp_path)
    try:
        code = float(content)
    except ValueError:
        code = -1
    if code in range(8):
        assert dict(faces[1].votes) == {CLASSES[int(code)]: 1}
    else:
        assert not faces
        (exclusion,) = exclusions
        assert "expected one whole number from 0 to 7, such as 3.0000000e+00" in exclusion.reason
        assert (exclusion.subject, exclusion.trial, exclusion.expected) == ("S005", "S005_001", False)


def test_a_broken_frame_leaves_that_frame_out(tmp_path: Path) -> None:
    (by_hand(tmp_path) / IMAGES / "S005/001/S005_001_00000011.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    exclusion = broken(tmp_path)
    assert (exclusion.subject, exclusion.trial) == ("S005", "S005_001_00000011")
    assert "S005_001_00000011.png is a damaged PNG" in exclusion.reason


def test_frames_missing_at_the_end(tmp_path: Path) -> None:
    (by_hand(tmp_path) / IMAGES / "S005/001/S005_001_00000011.png").unlink()
    assert (
        "ends with S005_001_00000010.png, but its label is S005_001_00000011_emotion.txt"
        in broken(tmp_path, n_others=3).reason
    )


def test_a_sequence_without_frames(tmp_path: Path) -> None:
    (by_hand(tmp_path) / IMAGES / "S005/001").rename(tmp_path / "elsewhere")
    assert "001 has no frames such as S005_001_00000001.png" in broken(tmp_path, n_others=3).reason


def test_two_labels_of_one_sequence(tmp_path: Path) -> None:
    (by_hand(tmp_path) / LABELS / "S005/001/S005_001_00000010_emotion.txt").write_text("1.0")
    assert (
        "Sequence S005_001 of CK+ has 2 labels, S005_001_00000010_emotion.txt, S005"
        in broken(tmp_path, n_others=3).reason
    )


def test_frames_of_another_sequence_do_not_count(tmp_path: Path) -> None:
    frame(by_hand(tmp_path) / IMAGES / "S005/001/S006_001_00000099.png", 99)
    frame(tmp_path / IMAGES / "S005/001/notes.png", 99)
    assert_as_by_hand(tmp_path)


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere does not exist\. Give the folder of CK\+ that holds cohn-kan"
    ):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no folder cohn-kanade-images with folders such as S005"):
        read(tmp_path)
    by_hand(tmp_path)
    with pytest.raises(DataError, match=r"has no folder Emotion with .*it holds S005, S010"):
        CKPLUS.files(tmp_path / IMAGES)
    (tmp_path / LABELS).rename(tmp_path / "Labels")
    with pytest.raises(DataError, match=r"has no folder Emotion with .*jeffcohn\.net"):
        read(tmp_path)


def test_images_unpacked_twice(tmp_path: Path) -> None:
    by_hand(tmp_path / "a")
    by_hand(tmp_path / "b")
    with pytest.raises(
        DataError, match=r"the same part of the data set twice, in .*a/cohn.* and in .*b/cohn"
    ):
        read(tmp_path)


def test_what_is_simulated_is_read_and_checked_as_good(tmp_path: Path) -> None:
    root = CKPLUS.simulate(  # type: ignore[misc]  # It can be.
        tmp_path / "new", World(), n_subjects=2, n_sequences=4, n_frames=2
    )
    faces, exclusions = read(root)
    assert len(faces) == 2 * (4 + 3)
    assert [(exclusion.trial, exclusion.expected) for exclusion in exclusions] == [
        ("S001_004", True),
        ("S002_004", True),
    ]
    assert check(get_faces("ckplus"), root).is_good
    label = root / LABELS / "S001/001/S001_001_00000002_emotion.txt"
    assert label.read_text() == "   1.0000000e+00\n"
    assert faces[0].image.shape == (490, 640)
    with pytest.raises(DataError, match="exists and is not empty"):
        CKPLUS.simulate(root)  # type: ignore[misc]
    with pytest.raises(PhysioaffectError, match="at least 2 frames, got 4, 4 and 1"):
        CKPLUS.simulate(tmp_path / "none", n_frames=1)  # type: ignore[misc]


def test_a_person_has_one_head_and_others_have_other_ones(tmp_path: Path) -> None:
    world = World(trial=0, affect=0)
    root = CKPLUS.simulate(tmp_path / "new", world, n_subjects=2, n_sequences=2, n_frames=2)  # type: ignore[misc]
    first, *others = read(root)[0]
    is_same = [np.array_equal(first.image, face.image) for face in others]
    assert is_same == [face.subject == first.subject for face in others]
