"""The check of a data set of faces: a running account of the images that came by."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

import numpy as np

from physioaffect.data_set import Exclusion
from physioaffect.faces import Face, FaceSet

from .check_tally import CheckRow, Range, Sentences, listed

__all__ = ["FaceTally"]

_NO_CLASS, _TIE = "no class", "tie"


class FaceTally:
    """Takes face by face and keeps counts, never the images."""

    def __init__(self, faces: FaceSet) -> None:
        self._faces = faces
        self._broken, self._told = Sentences(), Sentences()
        self._classes: dict[str, Counter[str]] = {split: Counter() for split in faces.splits}
        self._sizes: Counter[str] = Counter()
        self._subjects: set[str] = set()
        self._sequences: set[tuple[str | None, str]] = set()
        self._identifiers: set[str] = set()
        self._seen: dict[bytes, str | None] = {}
        self._scores = {"valence": Range(), "arousal": Range()}
        self._n_flat = self._n_copies = self._n_dimensional = 0

    @property
    def n_read(self) -> int:
        """Images that came by."""
        return sum(self._sizes.values())

    def report(self, exclusion: Exclusion) -> None:
        """Take what the reader left out."""
        where = exclusion.trial or exclusion.subject
        is_said = not where or where in exclusion.reason
        sentence = exclusion.reason if is_said else f"{where}: {exclusion.reason}"
        if exclusion.expected:
            self._told.add("left out, as expected", sentence)
        else:
            self._broken.add("left out", sentence)

    def break_off(self, reason: str) -> None:
        """Take note that nothing more could be read."""
        self._broken.add("cannot be read on", reason)

    def add(self, face: Face) -> None:
        """Take one image."""
        where = f"Image {face.face}"
        height, width = face.image.shape[:2]
        self._sizes[f"{height} x {width} {'grey' if face.image.ndim == 2 else 'RGB'}"] += 1
        self._classes.setdefault(face.split, Counter())[self._class_of(face, where)] += 1
        if face.split not in self._faces.splits and self._faces.splits:
            known = ", ".join(self._faces.splits)
            self._broken.add("split", f"{where} is of split {face.split!r}, expected one of {known}.")
        if face.face in self._identifiers:
            self._broken.add("image twice", f"{where} comes twice under one name.")
        self._identifiers.add(face.face)
        if face.subject is not None:
            self._subjects.add(face.subject)
        if face.sequence is not None:
            self._sequences.add((face.subject, face.sequence))
        for name, value in (("valence", face.valence), ("arousal", face.arousal)):
            if value is None:
                continue
            self._n_dimensional += name == "valence"
            self._scores[name] = self._scores[name].with_(value, value)
            if not -1 <= value <= 1:
                self._broken.add(
                    f"{name} outside its scale", f"{where}: {name} is {value:g}, expected -1 to 1."
                )
        if face.image.size == 0 or face.image.min() == face.image.max():
            self._n_flat += 1
            self._broken.add("image flat", f"{where} is of one colour.")
        else:
            digest = hashlib.blake2b(np.ascontiguousarray(face.image).data, digest_size=16).digest()
            self._n_copies += digest in self._seen
            first = self._seen.setdefault(digest, face.subject)
            if None not in {first, face.subject} and first != face.subject:
                sentence = (
                    f"{where} is pixel for pixel an image of subject {first}: one person has two names."
                )
                self._broken.add("same image of two people", sentence)

    def _class_of(self, face: Face, where: str) -> str:
        if unknown := [name for name in face.votes if name not in self._faces.classes]:
            known = ", ".join(self._faces.classes)
            self._broken.add("class", f"{where} has votes for {listed(unknown)}, expected {known}.")
        weights = list(face.votes.values())
        if any(not 0 <= weight < np.inf for weight in weights):
            self._broken.add("votes", f"{where} has votes of {min(weights):g}, expected numbers from 0.")
            return _NO_CLASS
        most = max(weights, default=0.0)
        if most == 0:
            return _NO_CLASS
        best = [name for name, weight in face.votes.items() if weight == most]
        return best[0] if len(best) == 1 else _TIE

    def rows(self) -> Iterator[CheckRow]:
        """Make the table."""
        for split, counts in self._classes.items():
            expected, n_found = self._faces.splits.get(split), sum(counts.values())
            is_good = None if expected is None else n_found <= expected
            name = split or "no split"
            yield CheckRow(
                what=f"images, {name}",
                expected="" if expected is None else str(expected),
                found=str(n_found),
                is_good=is_good,
            )
            shown = (*self._faces.classes, *(other for other in (_TIE, _NO_CLASS) if counts[other]))
            yield CheckRow(
                what=f"classes, {name}",
                expected=", ".join(self._faces.classes),
                found=", ".join(f"{label} {counts[label]}" for label in shown),
                is_good="class" not in self._broken,
            )
        yield CheckRow(
            what="image sizes", found=self._sizes_found(), is_good="image flat" not in self._broken
        )
        if self._subjects or self._faces.n_subjects:
            expected_people = self._faces.n_subjects
            yield CheckRow(
                what="subjects",
                expected="" if expected_people is None else str(expected_people),
                found=str(len(self._subjects)),
                is_good=None if expected_people is None else len(self._subjects) <= expected_people,
            )
        if self._sequences:
            yield CheckRow(what="sequences", found=str(len(self._sequences)))
        for name, scores in self._scores.items():
            if self._n_dimensional:
                is_good = f"{name} outside its scale" not in self._broken
                yield CheckRow(what=name, expected="-1 to 1", found=str(scores), is_good=is_good)

    def _sizes_found(self) -> str:
        return listed((f"{size} ({n})" for size, n in self._sizes.most_common()), most=4)

    def deviations(self) -> list[str]:
        """Say what deviates."""
        said = self._broken.all()
        for split, expected in self._faces.splits.items():
            if (n_found := sum(self._classes[split].values())) > expected:
                said.append(f"Split {split} has {n_found} images, the complete data set {expected}.")
        n_people = self._faces.n_subjects
        if n_people is not None and len(self._subjects) > n_people:
            said.append(f"There are {len(self._subjects)} subjects, the complete data set has {n_people}.")
        return said

    def notes(self) -> list[str]:
        """Say what is worth knowing."""
        said = self._told.all()
        for split, expected in self._faces.splits.items():
            if (n_found := sum(self._classes[split].values())) < expected:
                said.append(f"Split {split or 'no split'}: {n_found} of {expected} images are here.")
        if self._n_copies:
            said.append(f"{self._n_copies} images are pixel for pixel copies of others.")
        n_people = self._faces.n_subjects
        if n_people is not None and len(self._subjects) < n_people:
            said.append(f"{len(self._subjects)} of {n_people} subjects are here.")
        return said
