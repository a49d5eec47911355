"""FER+: pictures and votes joined by row, whatever the image names say; and the authors' targets."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion
from physioaffect.datasets import (
    FERPLUS,
    FERPLUS_EMOTIONS,
    FERPLUS_TARGETS,
    World,
    check,
    ferplus_majority,
    ferplus_probability,
    get_faces,
)
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.faces import Face

VOTED = (*FERPLUS_EMOTIONS, "unknown", "NF")
HEADER = f"Usage,Image name,{','.join(VOTED)}"
N_ROWS = 30
USAGES = ["Training"] * 24 + ["PublicTest"] * 3 + ["PrivateTest"] * 3


def pixels(row: int) -> NDArray[np.uint8]:
    return np.random.default_rng(row).integers(0, 256, (48, 48), dtype=np.uint8)


def votes(row: int) -> list[int]:
    counts = np.random.default_rng((row, 1)).multinomial(10, np.full(10, 0.1)).tolist()
    if row == 9:
        counts[int(np.argmax(counts))] -= 1
    return [0] * 9 + [10] if row == 4 else counts


def picture_lines() -> list[str]:
    rows = [f"{row % 7},{' '.join(map(str, pixels(row).ravel()))},{USAGES[row]}" for row in range(N_ROWS)]
    return ["emotion,pixels,Usage", *rows]


def vote_lines() -> list[str]:
    """No name in row 4, that of row 6 again in row 7, nine votes in row 9; and names are no row numbers."""
    names = [f"fer{row + 85 - (row == 7):07d}.png" if row != 4 else "" for row in range(N_ROWS)]
    return [
        HEADER,
        *(f"{USAGES[row]},{names[row]},{','.join(map(str, votes(row)))}" for row in range(N_ROWS)),
    ]


def write(
    root: Path, pictures: list[str] | None = None, labels: list[str] | None = None, *, end: str = "\n"
) -> Path:
    for name, lines in (
        ("fer2013.csv", pictures or picture_lines()),
        ("fer2013new.csv", labels or vote_lines()),
    ):
        (root / name).write_bytes("".join(line + end for line in lines).encode())
    return root


def read(root: Path) -> tuple[list[Face], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(FERPLUS.read(root, report=exclusions.append)), exclusions


def assert_as_by_hand(root: Path) -> None:
    faces, exclusions = read(root)
    assert [face.face for face in faces] == [f"{row:05d}" for row in range(N_ROWS) if row != 4]
    for face in faces:
        row = int(face.face)
        assert_array_equal(face.image, pixels(row))
        assert face.votes == dict(zip(VOTED, votes(row), strict=True))
        assert (face.dataset, face.split, face.subject, face.sequence) == (
            "ferplus",
            USAGES[row],
            None,
            None,
        )
        assert face.valence is face.arousal is None
    (exclusion,) = exclusions
    assert exclusion == Exclusion(
        subject="",
        trial="00004",
        reason="Row 00004 of FER+ is no face, say all who looked at it, and has no name in fer2013new.csv.",
        expected=True,
    )


# What is in the files


def test_pictures_and_votes_are_joined_by_row_and_not_by_name(tmp_path: Path) -> None:
    write(tmp_path)
    assert_as_by_hand(tmp_path)
    faces = {face.face: face for face in read(tmp_path)[0]}
    assert sum(faces["00009"].votes.values()) == 9


def test_the_later_file_has_other_columns_with_blanks_before_their_names(tmp_path: Path) -> None:
    write(tmp_path)
    rows = [line.split(",") for line in picture_lines()[1:]]
    (tmp_path / "fer2013.csv").unlink()
    lines = ["emotion, Usage, pixels", *(f"{emotion},{usage},{field}" for emotion, field, usage in rows)]
    (tmp_path / "icml_face_data.csv").write_text("\n".join(lines) + "\n")
    assert_as_by_hand(tmp_path)


@pytest.mark.parametrize("change", ["crlf", "bom", "quotes", "blank end", "no end"])
def test_what_editors_do_to_a_file_does_no_harm(tmp_path: Path, change: str) -> None:
    write(tmp_path, end="\r\n" if change == "crlf" else "\n")
    path = tmp_path / "fer2013.csv"
    content = path.read_bytes()
    path.write_bytes(
        {
            "crlf": content,
            "bom": b"\xef\xbb\xbf" + content,
            "quotes": b"\n".join(
                b'"' + line.replace(b",", b'","') + b'"' for line in content.split(b"\n")[:-1]
            ),
            "blank end": content + b"\n\n",
            "no end": content.rstrip(),
        }[change]
    )
    assert_as_by_hand(tmp_path)


def test_each_file_may_lie_in_a_folder_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    for name, folder in (("fer2013.csv", "fer2013"), ("fer2013new.csv", "FERPlus")):
        (tmp_path / folder).mkdir()
        (tmp_path / name).rename(tmp_path / folder / name)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "fer2013.csv").write_text("nothing")
    assert_as_by_hand(tmp_path)
    assert [path.name for path in FERPLUS.files(tmp_path)] == ["fer2013.csv", "fer2013new.csv"]


def test_only_the_rows_asked_for_are_read(tmp_path: Path) -> None:
    lines = picture_lines()
    lines[20] = "broken"
    faces = FERPLUS.read(write(tmp_path, pictures=lines))
    assert [next(faces).face for _ in range(3)] == ["00000", "00001", "00002"]
    with pytest.raises(DataError, match=r"line 21, has 1 fields"):
        list(faces)


def test_the_complete_data_set_has_35887_rows_of_which_173_are_no_faces() -> None:
    assert sum(FERPLUS.splits.values()) == 35_887 - 173
    assert tuple(FERPLUS.splits) == ("Training", "PublicTest", "PrivateTest")


# The parser of pixels


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(repeated=st.binary(min_size=1, max_size=50))
def test_any_picture_comes_back(tmp_path: Path, repeated: bytes) -> None:
    values = list(repeated * 2304)[:2304]
    lines = [picture_lines()[0], f"0,{' '.join(map(str, values))},Training"]
    (face,) = FERPLUS.read(write(tmp_path, pictures=lines, labels=vote_lines()[:2]))
    assert face.image.ravel().tolist() == values


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 3), st.binary(max_size=4)), max_size=3),
    is_vote=st.booleans(),
)
def test_a_damaged_row_is_read_as_its_text_says_or_refused(
    tmp_path: Path, cuts: list[tuple[int, int, bytes]], is_vote: bool
) -> None:
    write(tmp_path, pictures=picture_lines()[:3], labels=vote_lines()[:3])
    path = tmp_path / ("fer2013new.csv" if is_vote else "fer2013.csv")
    content = path.read_bytes()
    for place, length, new in cuts:
        start = place % (len(content) + 1)
        content = content[:start] + new + content[start + length :]
    path.write_bytes(content)
    try:
        faces = read(tmp_path)[0]
    except DataError:
        return
    fields = re.findall(rb"[\d ]+", (tmp_path / "fer2013.csv").read_bytes())
    written = [list(map(int, field.split())) for field in fields if len(field) > 4000]
    for face in faces:
        assert face.image.ravel().tolist() in written
        assert sum(face.votes.values()) in (9, 10)


@pytest.mark.parametrize("new", ["256", "300", "-1", "1.5", "x", "1000", "0012", "", "12 ", "\t12", "١"])
def test_what_is_no_byte_is_no_pixel(tmp_path: Path, new: str) -> None:
    lines = picture_lines()
    emotion, field, usage = lines[5].split(",")
    values = field.split(" ")
    values[100] = new
    lines[5] = ",".join([emotion, " ".join(values), usage])
    labels = vote_lines()
    labels[5] = labels[6]
    exclusions = read(write(tmp_path, pictures=lines, labels=labels))[1]
    (exclusion,) = exclusions
    assert (exclusion.trial, exclusion.expected) == ("00004", False)
    # A separator too many looks like a pixel too many.
    assert "line 6, has pixels that are no whole numbers" in exclusion.reason or (
        "line 6, has 230" in exclusion.reason
    )


# Broken files


def replaced(lines: list[str], row: int, new: str) -> list[str]:
    return [*lines[: row + 1], new, *lines[row + 2 :]]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("Training,fer.png,1,2,3", r"fer2013new\.csv, line 8, has 5 fields; expected 12 as in the header"),
        (
            f"Training,a,{'1,' * 9}x",
            r"has the votes 1,.*,x; expected 10 whole numbers\. Download the file again",
        ),
        (f"Training,a,{'1,' * 9}-1", r"has the votes .*-1; expected 10 whole numbers"),
        (f"Training,a,{'0,' * 9}8", r"has 8 votes; expected 10, or 9 as in one row"),
        (f"Training,a,{'0,' * 9}99", r"has 99 votes; expected 10"),
        (f"Training,,5,{'0,' * 8}5", r"has no image name, yet votes for a face"),
    ],
)
def test_a_broken_row_of_votes_leaves_one_face_out(tmp_path: Path, broken: str, reason: str) -> None:
    write(tmp_path, labels=replaced(vote_lines(), 6, broken))
    faces, exclusions = read(tmp_path)
    assert len(faces) == N_ROWS - 2
    (exclusion,) = [exclusion for exclusion in exclusions if not exclusion.expected]
    assert exclusion.trial == "00006"
    with pytest.raises(DataError, match=reason):
        raise DataError(exclusion.reason)
    with pytest.raises(DataError, match=reason):
        list(FERPLUS.read(tmp_path))


def test_a_picture_with_a_pixel_missing(tmp_path: Path) -> None:
    line = f"0,{' '.join(['7'] * 2303)},Training"
    faces, exclusions = read(write(tmp_path, pictures=replaced(picture_lines(), 6, line)))
    assert len(faces) == N_ROWS - 2
    assert "line 8, has 2303 pixels; expected 2304, 48 rows of 48" in exclusions[1].reason


def test_an_unknown_usage(tmp_path: Path) -> None:
    lines = [line.replace("PublicTest", "Holdout") for line in picture_lines()]
    labels = [line.replace("PublicTest", "Holdout") for line in vote_lines()]
    exclusions = read(write(tmp_path, lines, labels))[1]
    assert len(exclusions) == 4
    assert (
        "has the usage 'Holdout'; expected one of Training, PublicTest, PrivateTest" in exclusions[1].reason
    )


def test_files_that_do_not_belong_together_are_not_joined(tmp_path: Path) -> None:
    labels = vote_lines()
    labels[1], labels[-1] = labels[-1], labels[1]
    with pytest.raises(DataError, match=r"do not belong together: line 2 is of 'Training', line 2 of 'Priv"):
        read(write(tmp_path, labels=labels))


@pytest.mark.parametrize(("n_pictures", "n_votes", "shorter"), [(30, 29, "new"), (29, 30, "")])
def test_one_file_shorter_than_the_other(tmp_path: Path, n_pictures: int, n_votes: int, shorter: str) -> None:
    write(tmp_path, picture_lines()[: n_pictures + 1], vote_lines()[: n_votes + 1])
    pattern = rf"fer2013{shorter}\.csv ends after 29 rows, but .* goes on; expected as many in both, 35,887"
    with pytest.raises(DataError, match=pattern):
        read(tmp_path)


def test_headers_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="have no rows below their headers"):
        read(write(tmp_path, picture_lines()[:1], vote_lines()[:1]))


def test_a_line_that_never_ends(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"has more than \d+ bytes in line 3; expected Usage, pixels in one line"
    ):
        read(write(tmp_path, replaced(picture_lines(), 1, "0" * 20_000)))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("emotion,pixels", "has the column 'Usage' nowhere in its first line, 'emotion,pixels"),
        ("pixels,pixels,Usage", "has the column 'pixels' twice"),
        ("", "has the column 'Usage' nowhere"),
    ],
)
def test_a_wrong_header(tmp_path: Path, header: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read(write(tmp_path, [header, *picture_lines()[1:]]))


def test_a_folder_without_one_of_the_files(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere does not exist\. Give the folder of FER\+ that holds fer2013"
    ):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no fer2013\.csv or icml_face_data\.csv.*it holds nothing\."):
        read(tmp_path)
    write(tmp_path)
    with pytest.raises(DataError, match=r"fer2013\.csv is a file\. Give the folder"):
        FERPLUS.files(tmp_path / "fer2013.csv")
    (tmp_path / "fer2013new.csv").unlink()
    with pytest.raises(DataError, match=r"no fer2013new\.csv.*microsoft/FERPlus"):
        read(tmp_path)


def test_the_same_file_in_two_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder)
    with pytest.raises(DataError, match=r"twice, in .*a and in .*b\. Keep one of them"):
        read(tmp_path)


# What to make of votes


@pytest.mark.parametrize(
    ("counts", "majority", "probability"),
    [
        ({"happiness": 10}, {"happiness": 1}, {"happiness": 1}),
        # The single vote does not count, so five of nine are a majority.
        ({"neutral": 5, "sadness": 4, "fear": 1}, {"neutral": 1}, {"neutral": 5 / 9, "sadness": 4 / 9}),
        ({"neutral": 5, "sadness": 5}, None, {"neutral": 0.5, "sadness": 0.5}),
        # Three quarters are reached by the first alone.
        ({"anger": 8, "disgust": 2}, {"anger": 1}, {"anger": 1}),
        ({"unknown": 6, "neutral": 4}, None, None),
        ({"NF": 10}, None, None),
        # It is the turn of unknown after six of ten; of a tie the emotion stays, with no more than half.
        ({"neutral": 6, "unknown": 4}, {"neutral": 1}, {"neutral": 1}),
        ({"neutral": 5, "unknown": 5}, None, None),
        # Equal ones are taken together, and four are too many.
        ({"neutral": 4, "fear": 2, "anger": 2, "sadness": 2}, None, None),
        (
            {"neutral": 4, "fear": 3, "anger": 3},
            None,
            {"neutral": 0.4, "fear": 0.3, "anger": 0.3},
        ),
        (dict.fromkeys(VOTED, 1), None, None),
        ({}, None, None),
    ],
)
def test_targets_follow_the_authors_rules(counts, majority, probability) -> None:
    for recipe, expected in ((ferplus_majority, majority), (ferplus_probability, probability)):
        target = recipe(counts)
        if expected is None:
            assert target is None
        else:
            assert target == pytest.approx({name: expected.get(name, 0) for name in FERPLUS_EMOTIONS})


@given(counts=st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_a_target_is_a_distribution_over_emotions_that_two_people_saw(counts: list[int]) -> None:
    given_votes = dict(zip(VOTED, counts, strict=True))
    for recipe in FERPLUS_TARGETS.values():
        target = recipe(given_votes)
        if target is not None:
            assert tuple(target) == FERPLUS_EMOTIONS
            assert sum(target.values()) == pytest.approx(1)
            assert all(weight >= 0 for weight in target.values())
            assert all(given_votes[name] > 1 for name, weight in target.items() if weight)
            assert sum(weight > 0 for weight in target.values()) <= 3
    sure = ferplus_majority(given_votes)
    likely = ferplus_probability(given_votes)
    if sure is not None and likely is not None:
        assert sure[max(likely, key=likely.__getitem__)] == 1


# Simulated faces


def test_what_is_simulated_is_read_and_checked_as_good(tmp_path: Path) -> None:
    root = FERPLUS.simulate(tmp_path / "new", World(), n_faces=40)  # type: ignore[misc]  # It can be.
    faces, exclusions = read(root)
    assert len(faces) == 39
    assert [exclusion.trial for exclusion in exclusions] == ["00017"]
    assert [face.split for face in faces].count("PublicTest") == 4
    assert {face.face: sum(face.votes.values()) for face in faces}["00025"] == 9
    names = [line.split(",")[1] for line in (root / "fer2013new.csv").read_text().splitlines()[1:]]
    assert names[17] == ""
    assert names[19] == names[20]
    assert len(set(names)) == 39
    assert check(get_faces("ferplus"), root).is_good
    assert "Simulated" in (root / "SIMULATED.txt").read_text()
    with pytest.raises(DataError, match="exists and is not empty"):
        FERPLUS.simulate(root)  # type: ignore[misc]
    with pytest.raises(PhysioaffectError, match="at least 1 face, got 0"):
        FERPLUS.simulate(tmp_path / "none", n_faces=0)  # type: ignore[misc]


def nearest_mean_accuracy(root: Path) -> float:
    """Emotion of the second half of the people, by the nearest mean picture of the first half."""
    faces = read(root)[0]
    X = np.stack([face.image.ravel().astype(float) for face in faces])
    X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    y = np.array([int(face.face) % 8 for face in faces])
    is_train = np.arange(len(y)) < len(y) // 2
    means = np.stack([X[is_train & (y == code)].mean(axis=0) for code in range(8)])
    distances = ((X[~is_train, np.newaxis] - means) ** 2).sum(axis=-1)
    return float(np.mean(distances.argmin(axis=1) == y[~is_train]))


def test_expressions_show_in_a_planted_world_only(tmp_path: Path) -> None:
    accuracies = {
        name: nearest_mean_accuracy(FERPLUS.simulate(tmp_path / name, world, n_faces=400))  # type: ignore[misc]
        for name, world in (("planted", World.planted()), ("null", World.null()))
    }
    assert accuracies["planted"] > 0.5
    assert accuracies["null"] < 0.25  # Chance is 0.125, with an SD of 0.023.


def test_equal_worlds_make_equal_files(tmp_path: Path) -> None:
    first, again, other = (
        FERPLUS.simulate(tmp_path / name, World(seed=seed), n_faces=10)  # type: ignore[misc]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    for name in ("fer2013.csv", "fer2013new.csv"):
        assert (first / name).read_bytes() == (again / name).read_bytes() != (other / name).read_bytes()
