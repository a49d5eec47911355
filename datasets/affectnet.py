"""AffectNet: faces from the web with one of eight emotions, valence and arousal.

It names no subjects, and the same person can be in both splits: nothing learnt from it is tested on new
people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import DataError
from physioaffect.faces import Face, FaceSet

from .affectnet_simulate import CLASSES, COLUMNS, IMAGES, LISTS, PARTS, simulate
from .face_folders import check_folder, find
from .folders import contents
from .formats.csv_rows import read_rows
from .formats.images import read_image
from .formats.npy_scalar import read_npy_scalar

__all__ = ["AFFECTNET"]

# A list may name a picture in a folder and nothing else: it must not lead anywhere outside.
_LISTED = re.compile(r"(\w[\w-]*)/(\w[\w.-]*\.\w{1,5})", re.ASCII)
_PICTURE = re.compile(r"(\w[\w.-]*)\.(?:jpe?g|png|bmp)", re.ASCII | re.IGNORECASE)
_LONGEST_ROW = 16_384
_OTHERS = {8: "none of the eight emotions", 9: "uncertain", 10: "no face"}
_UNDEFINED = -2.0
_AGAIN = "Take it from the archive again."


class _Label(NamedTuple):
    expression: float
    valence: float
    arousal: float

    def check(self) -> None:
        if self.expression not in range(len(CLASSES) + len(_OTHERS)):
            raise DataError(f"has the expression {self.expression:g}; expected a whole number from 0 to 10")
        for name, value in (("valence", self.valence), ("arousal", self.arousal)):
            if not (-1 <= value <= 1 or value == _UNDEFINED):
                raise DataError(f"has the {name} {value:g}; expected -1 to 1, or -2 where it is undefined")


def _made(face: str, split: str, label: _Label, picture: Path) -> Face | Exclusion:
    code = int(label.expression)
    if code in _OTHERS:
        reason = f"Image {face} of AffectNet is marked as {_OTHERS[code]}."
        return Exclusion(subject="", trial=face, reason=reason, expected=True)
    return Face(
        dataset="affectnet",
        face=face,
        image=read_image(picture),
        split=split,
        votes={CLASSES[code]: 1.0},
        valence=None if label.valence == _UNDEFINED else label.valence,
        arousal=None if label.arousal == _UNDEFINED else label.arousal,
    )


class _Compact(NamedTuple):
    """The release of 2021: a folder of pictures and one of NumPy files with a number each."""

    root: Path

    def _parts(self) -> Iterator[tuple[str, Path]]:
        for split, folder in PARTS.items():
            if (self.root / folder).is_dir():
                yield split, self.root / folder

    def _pictures(self, part: Path) -> list[tuple[str, Path]]:
        """Name and place of each picture, by number; names that are no numbers come last."""
        folder = part / "images"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        matches = [match for match in map(_PICTURE.fullmatch, names) if match]
        matches.sort(key=lambda match: (not match[1].isdigit(), len(match[1]) * match[1].isdigit(), match[0]))
        return [(match[1], folder / match[0]) for match in matches]

    def _annotations(self, part: Path, name: str) -> list[Path]:
        return [part / "annotations" / f"{name}_{what}.npy" for what in ("exp", "val", "aro")]

    def files(self) -> Iterator[Path]:
        for _, part in self._parts():
            for name, picture in self._pictures(part):
                yield picture
                yield from (path for path in self._annotations(part, name) if path.is_file())

    def _face(self, split: str, part: Path, name: str, picture: Path) -> Face | Exclusion:
        label = _Label(*(read_npy_scalar(path) for path in self._annotations(part, name)))
        try:
            label.check()
        except DataError as error:
            raise DataError(f"{part / 'annotations'}: image {name} {error}. {_AGAIN}") from error
        return _made(f"{split}/{name}", split, label, picture)

    def faces(self) -> Iterator[Face | Exclusion]:
        for split, part in self._parts():
            pictures = self._pictures(part)
            names = {name for name, _ in pictures}
            yield from self._without_picture(split, part, names)
            for name, picture in pictures:
                try:
                    if name not in names:
                        raise DataError(f"{part / 'images'} has two pictures named {name}. Keep one of them.")
                    names.remove(name)
                    yield self._face(split, part, name, picture)
                except DataError as error:
                    yield Exclusion(subject="", trial=f"{split}/{name}", reason=str(error))

    def _without_picture(self, split: str, part: Path, names: set[str]) -> Iterator[Exclusion]:
        folder = part / "annotations"
        if not folder.is_dir():
            raise DataError(f"{part} has no folder annotations; it holds {contents(part)}. {_AGAIN}")
        labelled = (path.name.removesuffix("_exp.npy") for path in folder.glob("[!.]*_exp.npy"))
        for name in sorted(name for name in labelled if name not in names):
            reason = f"{part} has annotations of image {name}, but no such picture in images. {_AGAIN}"
            yield Exclusion(subject="", trial=f"{split}/{name}", reason=reason)


class _Listed(NamedTuple):
    """One row of a list: its split, place, the picture that it names, its label or what is wrong with it."""

    split: str
    where: str
    picture: str
    label: tuple[bytes, ...]
    problem: str


class _Full(NamedTuple):
    """The full release: lists of pictures with their labels."""

    lists: dict[str, Path]
    images: Path

    def _rows(self) -> Iterator[_Listed]:
        for split, path in self.lists.items():
            with closing(read_rows(path, COLUMNS, longest=_LONGEST_ROW)) as rows:
                for row in rows:
                    picture = row.fields[0].decode(errors="replace") if row.fields else ""
                    problem = row.problem
                    if not problem and not _LISTED.fullmatch(picture):
                        problem = f"names the picture {picture[:120]!r}; expected one such as 689/a1b2.jpg"
                    yield _Listed(split, f"{path}, line {row.line},", picture, row.fields[1:], problem)

    def files(self) -> Iterator[Path]:
        yield from self.lists.values()
        for row in self._rows():
            if not row.problem and (picture := self.images / row.picture).is_file():
                yield picture

    def faces(self) -> Iterator[Face | Exclusion]:
        seen: set[str] = set()
        for row in self._rows():
            try:
                try:
                    if row.problem:
                        raise DataError(row.problem)
                    if row.picture in seen:
                        raise DataError(f"names the picture {row.picture}, which was named before")
                    label = _Label(*map(_number, row.label))
                    label.check()
                except DataError as error:
                    raise DataError(f"{row.where} {error}. Download the list again.") from error
                seen.add(row.picture)
                yield _made(row.picture, row.split, label, self.images / row.picture)
            except DataError as error:
                yield Exclusion(subject="", trial=row.picture, reason=str(error))


def _number(field: bytes) -> float:
    try:
        return float(field)
    except ValueError:
        raise DataError(f"has {field[:40].decode(errors='replace')!r}; expected a number") from None


def _release(root: Path) -> _Compact | _Full:
    check_folder(root, "AffectNet", "train_set and val_set, or training.csv and validation.csv")
    compact = find(
        root, lambda folder: any((folder / p / "images").is_dir() for p in PARTS.values()), depth=1
    )
    listing = find(root, lambda folder: any((folder / name).is_file() for name in LISTS.values()), depth=2)
    if compact and listing:
        raise DataError(
            f"{root} holds two releases of AffectNet, in {compact} and in {listing}. Give the folder of one."
        )
    if compact:
        return _Compact(compact)
    images = find(root, lambda folder: (folder / IMAGES).is_dir(), depth=2)
    if listing and images:
        lists = {split: listing / name for split, name in LISTS.items() if (listing / name).is_file()}
        return _Full(lists, images / IMAGES)
    missing = f"the folder {IMAGES}" if listing else "the pictures and labels"
    raise DataError(
        f"{root} lacks {missing} of AffectNet; it holds {contents(root)}. Expected train_set and val_set "
        f"with images and annotations in each, or training.csv and validation.csv with {IMAGES}. "
        f"{AFFECTNET.how_to_get}"
    )


def _files(root: Path) -> Sequence[Path]:
    return list(_release(root).files())


def _faces(root: Path, report: Report) -> Iterator[Face]:
    for made in _release(root).faces():
        if isinstance(made, Face):
            yield made
        else:
            report(made)


AFFECTNET = FaceSet(
    name="affectnet",
    title="AffectNet",
    doi="10.1109/TAFFC.2017.2740923",
    licence="For research, on request of a member of a faculty; not to be passed on.",
    how_to_get="Ask for it at http://mohammadmahoor.com/affectnet/, or simulate it.",
    layout=(
        "Either the compact release: train_set and val_set, in each images/ID.jpg and "
        "annotations/ID_exp.npy, _val.npy and _aro.npy. Or the full one: training.csv and "
        "validation.csv, and Manually_Annotated_Images/1/....jpg, up to two levels down. Pictures are given "
        "whole; landmarks and boxes are not used."
    ),
    classes=CLASSES,
    splits={"train": 287_651, "val": 4_000},
    files=_files,
    faces=_faces,
    simulate=simulate,
)
