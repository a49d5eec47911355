"""AffectNet: the compact and the full release by hand, broken annotations, lists and pictures."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from physioaffect.data_set import Exclusion
from physioaffect.datasets import AFFECTNET, World, check, get, get_faces
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.faces import Face

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
LANDMARKS = ";".join(["1.5"] * 136)


def picture(path: Path, tone: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 6, 3), tone, dtype=np.uint8)).convert(mode).save(path)


def annotate(part: Path, name: str, **values: object) -> None:
    (part / "annotations").mkdir(parents=True, exist_ok=True)
    for what, value in values.items():
        np.save(part / "annotations" / f"{name}_{what}.npy", np.array(value), allow_pickle=False)


def compact(root: Path) -> Path:
    """Numbers and their texts in turn; 10 comes after 9."""
    for split, names in (("train_set", ("2", "9", "10")), ("val_set", ("2", "7"))):
        for name in names:
            picture(root / split / "images" / f"{name}.jpg", 10 * int(name))
            exp, val, aro = int(name) % 8, -0.25, 0.5
            values = (exp, val, aro) if int(name) % 2 else (str(exp), str(val), str(aro))
            annotate(root / split, name, **dict(zip(("exp", "val", "aro"), values, strict=True)))
            annotate(root / split, name, lnd=np.zeros(136))
    return root


def full(root: Path, rows: list[str], *, validation: list[str] | None = None) -> Path:
    for number in range(4):
        picture(root / "Manually_Annotated_Images" / "7" / f"a{number}.jpg", 50 * number)
    for name, lines in (("training.csv", rows), ("validation.csv", validation)):
        if lines is not None:
            (root / name).write_text("".join(line + "\n" for line in [HEADER, *lines]))
    return root


def row(path: str = "7/a1.jpg", expression: str = "1", valence: str = "0.5", arousal: str = "-0.25") -> str:
    return f"{path},1,2,3,4,{LANDMARKS},{expression},{valence},{arousal}"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """The compact release with one image."""
    picture(tmp_path / "train_set" / "images" / "9.jpg", 90)
    annotate(tmp_path / "train_set", "9", exp=1, val=-0.25, aro=0.5)
    return tmp_path


def read(root: Path) -> tuple[list[Face], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(AFFECTNET.read(root, report=exclusions.append)), exclusions


def refused(root: Path, n_others: int) -> str:
    """The sentence about the one image that cannot be used; the others must be read all the same."""
    faces, exclusions = read(root)
    assert len(faces) == n_others
    (exclusion,) = exclusions
    assert not exclusion.expected
    with pytest.raises(DataError):
        list(AFFECTNET.read(root))
    return exclusion.reason


# The compact release


def test_compact_release_has_numbers_or_their_text(tmp_path: Path) -> None:
    faces, exclusions = read(compact(tmp_path))
    assert not exclusions
    assert [face.face for face in faces] == ["train/2", "train/9", "train/10", "val/2", "val/7"]
    for face in faces:
        number = int(face.face.split("/")[1])
        assert face.votes == {CLASSES[number % 8]: 1}
        assert (face.dataset, face.split, face.subject) == ("affectnet", face.face.split("/")[0], None)
        assert (face.valence, face.arousal) == (-0.25, 0.5)
        assert face.image.shape == (8, 6, 3)
        assert_allclose(face.image, 10 * number, atol=3)  # JPEG rounds.


def test_files_are_those_that_are_opened(tmp_path: Path) -> None:
    files = AFFECTNET.files(compact(tmp_path))
    assert len(files) == 5 * 4
    assert not any(path.name.endswith("_lnd.npy") for path in files)


def test_one_split_will_do_and_so_will_a_folder_around(tmp_path: Path) -> None:
    compact(tmp_path / "AffectNet")
    (tmp_path / "AffectNet" / "train_set").rename(tmp_path / "elsewhere")
    (tmp_path / "AffectNet" / "val_set" / "images" / ".DS_Store").touch()
    (tmp_path / "AffectNet" / "val_set" / "images" / "._2.jpg").touch()
    faces, exclusions = read(tmp_path)
    assert [face.face for face in faces] == ["val/2", "val/7"]
    assert not exclusions


@pytest.mark.parametrize(
    "array",
    [
        np.array(3),
        np.array(3, dtype="i1"),
        np.array(3, dtype=">i4"),
        np.array(3.0, dtype="f4"),
        np.array("3"),
        np.array("3.0", dtype=">U9"),
        np.array(b"3"),
        np.array([3]),
    ],
    ids=lambda array: array.dtype.str,
)
def test_any_number_type_will_do(tmp_path: Path, array: object) -> None:
    annotate(compact(tmp_path) / "val_set", "2", exp=array)
    faces, _ = read(tmp_path)
    assert faces[3].votes == {"surprise": 1}


def object_array() -> bytes:
    """A NumPy file of Python objects, which nothing here may call; laid out by hand."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += b" " * (117 - len(header)) + b"\n"
    stream = b"\x80\x02cbuiltins\nprint\nX\x05\x00\x00\x00owned\x85R."
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + stream


def huge_array() -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**10,)})
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"3",
        b"\x93NUMPY",
        object_array(),
        huge_array(),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{",
        b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118,
        b"\0" * 10_000,
    ],
    ids=["empty", "text", "magic", "objects", "huge", "long header", "nested", "large"],
)
def test_a_file_that_is_no_number_is_refused(tmp_path: Path, content: bytes) -> None:
    (compact(tmp_path) / "train_set" / "annotations" / "9_val.npy").write_bytes(content)
    reason = refused(tmp_path, 4)
    assert "9_val.npy does not hold one number: it begins with" in reason
    assert "Python objects are not read" in reason


@pytest.mark.parametrize("value", ["happy", "", "nan", np.inf, np.zeros(2), 1j])
def test_a_value_that_is_no_finite_number_is_refused(tmp_path: Path, value: object) -> None:
    annotate(compact(tmp_path) / "train_set", "9", aro=value)
    assert "9_aro.npy does not hold one number" in refused(tmp_path, 4)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=6) | st.sampled_from(["3", "3.0", "1_0", " 3 "]),
    place=st.integers(0, 200),
    new=st.binary(max_size=3),
)
@example(text="3", place=68, new=b"9" * 3)
@example(text="3", place=80, new=b"\xff")
def test_damaged_annotations_are_numbers_or_refused(one: Path, text: str, place: int, new: bytes) -> None:
    annotate(one / "train_set", "9", exp=text)
    path = one / "train_set" / "annotations" / "9_exp.npy"
    content = path.read_bytes()
    path.write_bytes(content[:place] + new + content[place + len(new) :])
    faces, exclusions = read(one)
    assert len(faces) + len(exclusions) == 1
    for face in faces:
        assert set(face.votes) <= set(CLASSES)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"exp": 11}, "image 9 has the expression 11; expected a whole number from 0 to 10"),
        ({"exp": 0.5}, "has the expression 0.5; expected a whole"),
        ({"exp": -1}, "has the expression -1"),
        ({"val": 1.01}, "has the valence 1.01; expected -1 to 1, or -2 where it is undefined"),
        ({"aro": -3}, "has the arousal -3; expected -1 to 1"),
    ],
)
def test_labels_out_of_range(tmp_path: Path, values: dict[str, object], reason: str) -> None:
    annotate(compact(tmp_path) / "train_set", "9", **values)
    assert reason in refused(tmp_path, 4)


def test_annotation_or_picture_missing(tmp_path: Path) -> None:
    part = compact(tmp_path) / "train_set"
    (part / "annotations" / "9_aro.npy").unlink()
    assert "9_aro.npy cannot be read (No such file or directory)" in refused(tmp_path, 4)
    for what in ("exp", "val", "aro"):
        (part / "annotations" / f"9_{what}.npy").unlink(missing_ok=True)
    (part / "images" / "9.jpg").rename(part / "images" / "10.png")
    faces, exclusions = read(tmp_path)
    assert len(faces) == 4
    assert "images has two pictures named 10. Keep one of them" in exclusions[0].reason
    (part / "images" / "10.png").unlink()
    (part / "images" / "2.jpg").unlink()
    assert "has annotations of image 2, but no such picture in images" in refused(tmp_path, 3)
    (part / "annotations").rename(part / "labels")
    with pytest.raises(DataError, match=r"train_set has no folder annotations; it holds images, labels\."):
        read(tmp_path)


# The full release


def test_full_release_joins_lists_and_pictures(tmp_path: Path) -> None:
    rows = [row(), row("7/a2.jpg", "0", "-2", "-2.0"), row("7/a0.jpg", "6", "-1", "1")]
    faces, exclusions = read(full(tmp_path, rows, validation=[row("7/a3.jpg", "7", "0", "0")]))
    assert not exclusions
    found = [(face.face, face.split, face.votes, face.valence, face.arousal) for face in faces]
    assert found == [
        ("7/a1.jpg", "train", {"happiness": 1}, 0.5, -0.25),
        ("7/a2.jpg", "train", {"neutral": 1}, None, None),
        ("7/a0.jpg", "train", {"anger": 1}, -1.0, 1.0),
        ("7/a3.jpg", "val", {"contempt": 1}, 0.0, 0.0),
    ]
    assert_allclose(faces[0].image, 50, atol=2)
    assert len(AFFECTNET.files(tmp_path)) == 2 + 4


def test_no_emotion_uncertain_and_no_face_are_left_out_as_expected(tmp_path: Path) -> None:
    rows = [
        row("7/a0.jpg", "8", "0.1"),
        row("7/a1.jpg", "9", "-2", "-2"),
        row("7/a2.jpg", "10", "-2", "-2"),
        row("7/a3.jpg"),
    ]
    faces, exclusions = read(full(tmp_path, rows))
    assert [face.face for face in faces] == ["7/a3.jpg"]
    assert [exclusion.expected for exclusion in exclusions] == [True] * 3
    assert [exclusion.reason for exclusion in exclusions] == [
        f"Image 7/a{number}.jpg of AffectNet is marked as {what}."
        for number, what in enumerate(("none of the eight emotions", "uncertain", "no face"))
    ]
    assert list(map(vars, AFFECTNET.read(tmp_path)))  # Nothing to raise.


def test_lists_and_pictures_may_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    full(tmp_path, [row()])
    for name, folder in (("training.csv", "lists"), ("Manually_Annotated_Images", "a/b")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / name).rename(tmp_path / folder / name)
    assert [face.face for face in read(tmp_path)[0]] == ["7/a1.jpg"]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.jpg",
        "7/../../secret.jpg",
        "7/../secret.jpg",
        "/secret.jpg",
        "..\\secret.jpg",
        "C:/secret.jpg",
        "7//a1.jpg",
        "./a1.jpg",
        "~/a1.jpg",
        "a1.jpg",
        "7/a1",
        "7/a\0.jpg",
        "",
    ],
)
def test_a_list_cannot_lead_outside_the_folder_of_pictures(tmp_path: Path, path: str) -> None:
    picture(tmp_path / "secret.jpg", 1)
    root = full(tmp_path / "root", [row(), row(path)])
    picture(root / "secret.jpg", 1)
    assert "line 3, names the picture " in refused(root, 1)
    assert all(file.is_relative_to(root) for file in AFFECTNET.files(root))
    assert not any(file.name == "secret.jpg" for file in AFFECTNET.files(root))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (row("7/a2.jpg", "11"), r"line 3, has the expression 11; expected a whole number from 0 to 10"),
        (row("7/a2.jpg", "happy"), r"has 'happy'; expected a number\. Download the list again"),
        (row("7/a2.jpg", "1", "nan"), r"has the valence nan; expected -1 to 1"),
        (row("7/a2.jpg") + ",1", r"has 10 fields; expected 9 as in the header"),
        (row("7/a1.jpg"), r"names the picture 7/a1\.jpg, which was named before"),
        (row("7/a9.jpg"), r"a9\.jpg cannot be read \(No such file or directory\)"),
    ],
)
def test_a_broken_row_leaves_one_image_out(tmp_path: Path, broken: str, reason: str) -> None:
    full(tmp_path, [row(), broken, row("7/a3.jpg")])
    with pytest.raises(DataError, match=reason):
        list(AFFECTNET.read(tmp_path))
    refused(tmp_path, 2)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3), st.binary(max_size=4)), max_size=4))
def test_a_damaged_list_is_read_or_refused(tmp_path: Path, cuts: list[tuple[int, int, bytes]]) -> None:
    path = full(tmp_path, [row(), row("7/a2.jpg")]) / "training.csv"
    content = path.read_bytes()
    for place, length, new in cuts:
        start = place % (len(content) + 1)
        content = content[:start] + new + content[start + length :]
    path.write_bytes(content)
    try:
        faces = read(tmp_path)[0]
    except DataError:
        return
    assert len(faces) <= 2
    for face in faces:
        assert face.valence is None or -1 <= face.valence <= 1


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist\. Give the folder of AffectNet that holds"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"lacks the pictures and labels of AffectNet; it holds nothing\."):
        read(tmp_path)
    (tmp_path / "training.csv").write_text(HEADER)
    with pytest.raises(DataError, match=r"lacks the folder Manually_Annotated_Images of AffectNet"):
        read(tmp_path)
    compact(tmp_path)
    with pytest.raises(DataError, match=r"holds two releases of AffectNet"):
        read(tmp_path)


def test_a_list_of_something_else(tmp_path: Path) -> None:
    full(tmp_path, [])
    (tmp_path / "training.csv").write_text("image,label\n1.jpg,3\n")
    with pytest.raises(DataError, match=r"training\.csv has the column 'subDirectory_filePath' nowhere"):
        read(tmp_path)


# Pictures


def with_picture(root: Path, content: bytes) -> Path:
    (compact(root) / "train_set" / "images" / "9.jpg").write_bytes(content)
    return root


def png(width: int, height: int, data: bytes, *, depth: int = 8, kind: int = 0) -> bytes:
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)), (b"IDAT", data)]
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*parts, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"9\.jpg begins with b''; expected a picture as JPEG, PNG, BMP"),
        (b"<html>Not found</html>", r"9\.jpg begins with b'<html>No'; expected a picture"),
        (b"GIF89a" + b"\0" * 50, r"begins with b'GIF89a"),
        (
            png(100_000, 100_000, zlib.compress(b"\0" * 1000)),
            r"announces 100000 x 100000 pixels; expected at mo",
        ),
        (png(9000, 9000, zlib.compress(bytes(9001 * 9000))), r"announces 9000 x 9000 pixels"),
        (png(8, 8, zlib.compress(bytes(8 * 17)), depth=16), r"has pixels of the mode I;16; expected grey or"),
        (png(8, 8, b"nothing"), r"9\.jpg is a damaged PNG"),
        (png(8, 8, zlib.compress(bytes(72)))[:-30], r"9\.jpg is a damaged PNG"),
        (b"\xff\xd8\xff\xe0", r"9\.jpg is a damaged JPEG"),
        (b"BM" + b"\0" * 20, r"9\.jpg is a damaged BMP"),
    ],
    ids=["empty", "html", "gif", "bomb", "large", "deep", "no data", "cut", "jpeg", "bmp"],
)
def test_a_broken_picture_leaves_one_image_out(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        list(AFFECTNET.read(with_picture(tmp_path, content)))
    refused(tmp_path, 4)


def test_a_file_too_large_for_a_picture(tmp_path: Path) -> None:
    path = with_picture(tmp_path, b"\xff\xd8\xff") / "train_set" / "images" / "9.jpg"
    with path.open("r+b") as stream:
        stream.truncate(65 * 2**20)  # A hole, which takes no room.
    assert "has more than 64 MB" in refused(tmp_path, 4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_pictures_come_as_grey_or_rgb(tmp_path: Path, mode: str) -> None:
    compact(tmp_path)
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 6, 3), 255, dtype=np.uint8)).convert(mode).save(stream, "PNG")
    faces, _ = read(with_picture(tmp_path, stream.getvalue()))
    image = faces[1].image
    assert image.dtype == np.uint8
    assert_array_equal(image, 255)
    assert image.shape == ((8, 6) if mode in ("1", "L", "LA") else (8, 6, 3))


def test_a_palette_with_transparency_comes_without_a_warning(tmp_path: Path) -> None:
    compact(tmp_path)
    stream = io.BytesIO()
    grey = Image.fromarray(np.ones((8, 6), dtype=np.uint8)).convert("P")
    grey.save(stream, "PNG", transparency=bytes([0, 128, 255]))
    faces, _ = read(with_picture(tmp_path, stream.getvalue()))
    assert faces[1].image.shape == (8, 6, 3)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["JPEG", "PNG", "BMP"]),
    changes=st.lists(st.tuples(st.integers(3, 2000), st.integers(0, 255)), max_size=4),
    length=st.integers(0, 2000),
)
def test_a_damaged_picture_is_read_or_refused(
    one: Path, kind: str, changes: list[tuple[int, int]], length: int
) -> None:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, kind)
    content = bytearray(stream.getvalue())
    for place, value in changes:
        content[place % len(content)] = value
    content = content[:length] if length % 3 else content
    (one / "train_set" / "images" / "9.jpg").write_bytes(content)
    faces, exclusions = read(one)
    assert len(faces) + len(exclusions) == 1


# Simulated faces


@pytest.mark.parametrize("is_full_release", [False, True])
def test_what_is_simulated_is_read_and_checked_as_good(tmp_path: Path, is_full_release: bool) -> None:
    root = AFFECTNET.simulate(  # type: ignore[misc]  # It can be.
        tmp_path / "new", World(), n_faces=24, is_full_release=is_full_release
    )
    faces, exclusions = read(root)
    assert len(faces) == (18 if is_full_release else 24)
    assert all(exclusion.expected for exclusion in exclusions)
    assert check(get_faces("affectnet"), root).is_good
    for face in faces:
        assert face.image.shape == (224, 224, 3)
        (emotion,) = face.votes
        assert face.valence is not None
        if emotion == "happiness":
            assert face.valence > 0.2
    with pytest.raises(DataError, match="exists and is not empty"):
        AFFECTNET.simulate(root)  # type: ignore[misc]
    with pytest.raises(PhysioaffectError, match="needs at least 4 faces here, got 3"):
        AFFECTNET.simulate(tmp_path / "none", n_faces=3)  # type: ignore[misc]


def test_mouths_curve_with_valence(tmp_path: Path) -> None:
    world = World(subject=0, trial=0)
    root = AFFECTNET.simulate(tmp_path / "new", world, n_faces=32)  # type: ignore[misc]
    # Without skewed or open mouths. Height of the dark line in the middle, and near the corners.
    faces = [face for face in read(root)[0] if not {"surprise", "fear", "contempt"} & set(face.votes)]
    ink = np.stack([np.maximum(100.0 - face.image[142:200].mean(axis=-1), 0) for face in faces])
    middle, corner = (
        (ink[..., column] * np.arange(58)).sum(axis=1) / ink[..., column].sum(axis=1) for column in (112, 85)
    )
    assert np.corrcoef(middle - corner, [face.valence for face in faces])[0, 1] > 0.98


def test_unknown_names_are_answered_with_those_known() -> None:
    with pytest.raises(DataError, match=r"Unknown data set of faces 'fer': use one of affectnet, ckplus, fe"):
        get_faces("fer")
    with pytest.raises(DataError, match=r"affectnet|AffectNet"):
        get("affectnet")
