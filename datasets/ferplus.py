"""FER+: the faces of FER2013, seen by ten annotators each.

The pictures come in fer2013.csv (or icml_face_data.csv) and the votes in fer2013new.csv; rows of the same
number belong together. The image names in the votes are no key: they are not the number of the row, some are
empty and some occur twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import DataError
from physioaffect.faces import Face, FaceSet

from .face_folders import check_folder, find
from .ferplus_simulate import SIDE, SPLITS, simulate
from .ferplus_targets import VOTED
from .folders import contents
from .formats.csv_rows import Row, read_rows

__all__ = ["FERPLUS"]

_PICTURES = ("fer2013.csv", "icml_face_data.csv")
_VOTES = "fer2013new.csv"
_N_ROWS, _N_PIXELS = 35_887, SIDE * SIDE
# Four characters a pixel at most, and the other columns.
_LONGEST_PICTURE, _LONGEST_VOTES = 4 * _N_PIXELS + 200, 400
_ANNOTATORS = 10
_AGAIN = "Download the file again."


def _holds(name: str, folder: Path) -> bool:
    return (folder / name).is_file()


def _part(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if folder := find(root, partial(_holds, name), depth=1):
            return folder / name
    raise DataError(
        f"{root} has no {' or '.join(names)}, nor has a folder in it; it holds {contents(root)}. FER+ needs "
        f"the pictures of FER2013 and the votes. {FERPLUS.how_to_get}"
    )


def _files(root: Path) -> tuple[Path, Path]:
    check_folder(root, "FER+", f"{_PICTURES[0]} and {_VOTES}")
    return _part(root, _PICTURES), _part(root, (_VOTES,))


def _pixels(field: bytes) -> NDArray[np.uint8]:
    """Parse numbers from 0 to 255 with single spaces between them, shape (48, 48).

    As NumPy's own parser takes anything and wraps what is too large, and Python's is ten times slower, the
    digits are picked by their place before the spaces.
    """
    text = np.frombuffer(b"   " + field + b" ", dtype=np.uint8)
    ends = np.flatnonzero(text[3:] < ord("0"))  # Of each number, three places further on in ``text``.
    if len(ends) != _N_PIXELS:
        raise DataError(f"has {len(field.split())} pixels; expected {_N_PIXELS}, {SIDE} rows of {SIDE}")
    hundreds, tens, ones = text[ends], text[1:][ends], text[2:][ends]
    has_tens = tens >= ord("0")
    has_hundreds = has_tens & (hundreds >= ord("0"))
    n_digits = _N_PIXELS + np.count_nonzero(has_tens) + np.count_nonzero(has_hundreds)
    # The low four bits of a digit are its value, those of a space zero.
    values = (hundreds * has_hundreds & 15) * np.uint16(100)
    values += (tens & 15) * np.uint8(10) + (ones & 15)
    is_sound = (
        text.max() <= ord("9")
        and ones.min() >= ord("0")
        and np.count_nonzero(text[3:] == ord(" ")) == _N_PIXELS
        and n_digits + _N_PIXELS == len(field) + 1
    )
    if not is_sound or values.max() > 255:
        raise DataError("has pixels that are no whole numbers from 0 to 255 with single spaces between")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


def _votes(fields: tuple[bytes, ...]) -> dict[str, float]:
    if not all(field.isdigit() and len(field) <= 2 for field in fields):
        found = b",".join(fields).decode(errors="replace")
        raise DataError(f"has the votes {found[:80]}; expected {len(VOTED)} whole numbers")
    votes: dict[str, float] = dict(zip(VOTED, map(float, fields), strict=True))
    # One published row has nine.
    if (total := sum(votes.values())) not in (_ANNOTATORS - 1, _ANNOTATORS):
        raise DataError(f"has {total:.0f} votes; expected {_ANNOTATORS}, or {_ANNOTATORS - 1} as in one row")
    return votes


def _face(face: str, picture: Row, vote: Row, paths: tuple[Path, Path]) -> Face | str:
    """Join one row of each file; or say why the makers left it out."""
    row, path = vote, paths[1]
    try:
        if vote.problem:
            raise DataError(vote.problem)
        split, name = (field.decode(errors="replace") for field in vote.fields[:2])
        if split not in SPLITS:
            raise DataError(f"has the usage {split[:40]!r}; expected one of {', '.join(SPLITS)}")
        votes = _votes(vote.fields[2:])
        if not name and votes["NF"] == sum(votes.values()):
            return f"Row {face} of FER+ is no face, say all who looked at it, and has no name in {_VOTES}."
        if not name:
            raise DataError("has no image name, yet votes for a face; expected a name, or votes for NF only")
        row, path = picture, paths[0]
        if picture.problem:
            raise DataError(picture.problem)
        image = _pixels(picture.fields[1])
    except DataError as error:
        raise DataError(f"{path}, line {row.line}, {error}. {_AGAIN}") from error
    return Face(dataset="ferplus", face=face, image=image, split=split, votes=votes)


def _joined(paths: tuple[Path, Path]) -> Iterator[tuple[Row, Row]]:
    """Pair the rows of pictures and votes, as long as the files agree that they belong together."""
    with (
        closing(read_rows(paths[0], ("Usage", "pixels"), longest=_LONGEST_PICTURE)) as pictures,
        closing(read_rows(paths[1], ("Usage", "Image name", *VOTED), longest=_LONGEST_VOTES)) as votes,
    ):
        number = 0
        for number, (picture, vote) in enumerate(zip_longest(pictures, votes), start=1):
            if picture is None or vote is None:
                shorter, longer = paths if picture is None else reversed(paths)
                raise DataError(
                    f"{shorter} ends after {number - 1:,} rows, but {longer} goes on; expected as many in "
                    f"both, {_N_ROWS:,} in the complete data set. {_AGAIN}"
                )
            if picture.fields and vote.fields and picture.fields[0] != vote.fields[0]:
                usages = [row.fields[0][:40].decode(errors="replace") for row in (picture, vote)]
                raise DataError(
                    f"{paths[0]} and {paths[1]} do not belong together: line {picture.line} is of "
                    f"{usages[0]!r}, line {vote.line} of {usages[1]!r}. Pictures and votes are joined by "
                    "row, so use both files as they were distributed, neither sorted nor filtered."
                )
            yield picture, vote
        if number == 0:
            raise DataError(f"{paths[0]} and {paths[1]} have no rows below their headers. {_AGAIN}")


def _faces(root: Path, report: Report) -> Iterator[Face]:
    paths = _files(root)
    for number, (picture, vote) in enumerate(_joined(paths)):
        name = f"{number:05d}"
        try:
            face = _face(name, picture, vote, paths)
        except DataError as error:
            report(Exclusion(subject="", trial=name, reason=str(error)))
            continue
        if isinstance(face, Face):
            yield face
        else:
            report(Exclusion(subject="", trial=name, reason=face, expected=True))


FERPLUS = FaceSet(
    name="ferplus",
    title="FER+",
    doi="10.1145/2993148.2993165",
    licence="Votes: MIT. Pictures: for research, from the makers of FER2013 only.",
    how_to_get=(
        "Pictures: fer2013.csv or icml_face_data.csv of Kaggle's challenge "
        "challenges-in-representation-learning-facial-expression-recognition-challenge, unpacked. Votes: "
        "fer2013new.csv of https://github.com/microsoft/FERPlus. Or simulate both."
    ),
    layout=(
        f"fer2013.csv (or icml_face_data.csv; {SIDE} x {SIDE} grey pixels a row) and {_VOTES} (ten votes a "
        "row) in the folder or one level down, joined by row. Besides eight emotions annotators could vote "
        "for 'unknown' and 'NF', not a face; FERPLUS_TARGETS makes targets of eight classes of the votes. A "
        "face is called by its row, from 0."
    ),
    classes=VOTED,
    splits=SPLITS,
    files=_files,
    faces=_faces,
    simulate=simulate,
)
