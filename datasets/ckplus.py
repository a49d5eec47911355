"""CK+: people who pose expressions, filmed from a neutral face to the peak."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import DataError
from physioaffect.faces import Face, FaceSet

from .ckplus_simulate import CLASSES, IMAGES, LABELS, simulate
from .face_folders import check_folder, find
from .folders import contents
from .formats.images import read_image

__all__ = ["CKPLUS"]

_SUBJECT, _SEQUENCE = re.compile(r"S\d{3}"), re.compile(r"\d{3}")
_FRAME = re.compile(r"(S\d{3}_\d{3})_(\d{8})\.png", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"(S\d{3}_\d{3})_(\d{8})_emotion\.txt", re.ASCII | re.IGNORECASE)
_LARGEST_LABEL = 1024
_AGAIN = "Take it from the archive again."


class _Sequence(NamedTuple):
    """One film: person, name, its frames and its labels, each in order."""

    subject: str
    name: str
    folder: Path
    frames: tuple[Path, ...]
    labels: tuple[Path, ...]


def _folders(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name) and path.is_dir())


def _part(root: Path, name: str) -> Path:
    """Find the folder by that name that has a folder for each person."""
    check_folder(root, "CK+", f"{IMAGES} and {LABELS}")
    found = find(root, lambda folder: folder.name == name and bool(_folders(folder, _SUBJECT)), depth=3)
    if found is None:
        raise DataError(
            f"{root} has no folder {name} with folders such as S005 in it; it holds {contents(root)}. Give "
            f"the folder that holds both {IMAGES} and {LABELS}, unpacked. {CKPLUS.how_to_get}"
        )
    return found


def _listing(folder: Path, pattern: re.Pattern[str], name: str) -> tuple[Path, ...]:
    """Files of a sequence, in order; whatever else an operating system left there does not count."""
    if not folder.is_dir():
        return ()
    matches = [(pattern.fullmatch(path.name), path) for path in folder.iterdir() if path.is_file()]
    return tuple(sorted(path for match, path in matches if match and match[1].upper() == name))


def _sequences(root: Path) -> list[_Sequence]:
    images, labels = _part(root, IMAGES), _part(root, LABELS)
    places = {
        (person.name, film.name)
        for part in (images, labels)
        for person in _folders(part, _SUBJECT)
        for film in _folders(person, _SEQUENCE)
    }
    return [
        _Sequence(
            subject=subject,
            name=f"{subject}_{film}",
            folder=images / subject / film,
            frames=_listing(images / subject / film, _FRAME, f"{subject}_{film}"),
            labels=_listing(labels / subject / film, _LABEL, f"{subject}_{film}"),
        )
        for subject, film in sorted(places)
    ]


def _emotion(path: Path) -> str:
    """Read a label such as ``   3.0000000e+00``."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_LABEL)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). {_AGAIN}") from error
    try:
        code = float(content)
    except ValueError:
        code = -1.0
    if code not in range(len(CLASSES)):
        raise DataError(
            f"{path} holds {content[:40]!r}; expected one whole number from 0 to {len(CLASSES) - 1}, such as "
            f"3.0000000e+00. {_AGAIN}"
        )
    return CLASSES[int(code)]


def _peak(sequence: _Sequence) -> tuple[Path, str] | None:
    """Frame and emotion of the peak; None if the sequence has no label."""
    if len(sequence.labels) > 1:
        names = ", ".join(path.name for path in sequence.labels)
        raise DataError(
            f"Sequence {sequence.name} of CK+ has {len(sequence.labels)} labels, {names}. Keep one."
        )
    if not sequence.labels:
        return None
    (label,), last = sequence.labels, sequence.frames[-1]
    if label.name[:17].upper() != last.name[:17].upper():
        raise DataError(
            f"{sequence.folder} ends with {last.name}, but its label is {label.name}; expected the label of "
            f"the last frame. Frames are missing: unpack the archive again."
        )
    return last, _emotion(label)


def _read(sequence: _Sequence, frame: Path, emotion: str) -> Face | Exclusion:
    try:
        image = read_image(frame)
    except DataError as error:
        return Exclusion(subject=sequence.subject, trial=frame.stem, reason=str(error))
    return Face(
        dataset="ckplus",
        face=frame.stem,
        image=image,
        subject=sequence.subject,
        sequence=sequence.name,
        votes={emotion: 1.0},
    )


def _made(sequence: _Sequence) -> Iterator[Face | Exclusion]:
    if not sequence.frames:
        reason = f"{sequence.folder} has no frames such as {sequence.name}_00000001.png. Unpack it again."
        yield Exclusion(subject=sequence.subject, trial=sequence.name, reason=reason)
        return
    try:
        peak = _peak(sequence)
    except DataError as error:
        yield Exclusion(subject=sequence.subject, trial=sequence.name, reason=str(error))
        return
    if peak is None or peak[0] != sequence.frames[0]:
        yield _read(sequence, sequence.frames[0], "neutral")
    if peak is not None:
        yield _read(sequence, *peak)
    else:
        reason = f"Sequence {sequence.name} of CK+ has no label, so its peak is left out."
        yield Exclusion(subject=sequence.subject, trial=sequence.name, reason=reason, expected=True)


def _files(root: Path) -> Sequence[Path]:
    sequences = _sequences(root)
    # A dict, as the first frame can be the last one.
    return list(dict.fromkeys(path for s in sequences for path in (*s.frames[:1], *s.frames[-1:], *s.labels)))


def _faces(root: Path, report: Report) -> Iterator[Face]:
    for sequence in _sequences(root):
        for made in _made(sequence):
            if isinstance(made, Face):
                yield made
            else:
                report(made)


CKPLUS = FaceSet(
    name="ckplus",
    title="CK+",
    doi="10.1109/CVPRW.2010.5543262",
    licence="For research, by signed agreement; not to be passed on.",
    how_to_get="Sign the agreement at https://www.jeffcohn.net/resources/, or simulate it.",
    layout=(
        f"{IMAGES}/S005/001/S005_001_00000001.png ... and {LABELS}/S005/001/S005_001_00000011_emotion.txt, "
        "up to three levels down. Of each sequence the first frame is read as neutral and, if there is a "
        "label, the last as that emotion; frames between are in transition and are not read."
    ),
    classes=CLASSES,
    # A neutral face of each of 593 sequences, and the peaks of 327.
    splits={"": 920},
    n_subjects=123,
    files=_files,
    faces=_faces,
    simulate=simulate,
)
