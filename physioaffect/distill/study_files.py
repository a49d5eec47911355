"""The files of a study: what was asked, one file for each arm and seed, and when tests were opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.distill.faces_table import FaceTable
from physioaffect.errors import RunError
from physioaffect.evaluation.running.durable import (
    make_folder,
    parquet_bytes,
    read_json,
    read_table,
    write_whole,
)

__all__ = ["StudyFolder", "digest_of", "prediction_frame"]

_LOGIT = "logit_"


def digest_of(table: FaceTable) -> str:
    """Name the content of a table: images, labels, who is on them and the order."""
    content = hashlib.sha256(f"{table.classes} {table.images.shape} {table.dataset}".encode())
    for values in (table.images, table.targets, table.identities, table.valence, table.arousal):
        content.update(np.ascontiguousarray(values).tobytes())
    return content.hexdigest()


def prediction_frame(name: str, table: FaceTable, logits: NDArray[np.floating[Any]]) -> pd.DataFrame:
    """One row for each face: set, names, label and logits."""
    frame = pd.DataFrame(
        {"set": name, "face": table.faces, "identity": table.identities, "label": table.labels}
    )
    return frame.assign(**{f"{_LOGIT}{one}": logits[:, place] for place, one in enumerate(table.classes)})


class StudyFolder:
    """Where a study lies.

    ``study.json`` says what was asked. ``students/ARM-SEED.safetensors`` is a student and
    ``validation/ARM-SEED.parquet``, written after it, its predictions on validation: together they are one
    finished training. ``opened.json`` is written when every training is finished and before the first test
    image is read; ``tests/ARM-SEED.parquet`` are the predictions on all test sets.

    Parameters
    ----------
    path : Path
        The folder; it is made.
    asked : mapping
        What this study is, as JSON can hold it. A folder that holds another one is refused.

    Raises
    ------
    RunError
        If the folder holds another study.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        self.path = path
        for part in ("students", "validation", "tests", "checkpoints"):
            make_folder(path / part)
        known = path / "study.json"
        now = json.loads(json.dumps(asked))
        if known.exists():
            before = read_json(known)
            changed = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
            if changed:
                opened = (
                    " Its tests were opened: whatever is chosen now was chosen with them in sight."
                    if self.is_opened
                    else ""
                )
                raise RunError(
                    f"{path} holds another study, which differs in {', '.join(changed)}.{opened} Ask for the "
                    "same to continue it, or choose another folder."
                )
        else:
            write_whole(known, _json(now))

    def student(self, arm: str, seed: int) -> Path:
        """Where the student lies."""
        return self.path / "students" / f"{arm}-{seed}.safetensors"

    def checkpoint(self, arm: str, seed: int) -> Path:
        """Where an unfinished training lies."""
        return self.path / "checkpoints" / f"{arm}-{seed}.safetensors"

    def is_trained(self, arm: str, seed: int) -> bool:
        """Whether a training is finished."""
        return self._validation(arm, seed).exists()

    def _validation(self, arm: str, seed: int) -> Path:
        return self.path / "validation" / f"{arm}-{seed}.parquet"

    def _tests(self, arm: str, seed: int) -> Path:
        return self.path / "tests" / f"{arm}-{seed}.parquet"

    def write_validation(self, arm: str, seed: int, frame: pd.DataFrame) -> None:
        """Finish a training."""
        write_whole(self._validation(arm, seed), parquet_bytes(frame))

    @property
    def is_opened(self) -> bool:
        """Whether the tests were opened."""
        return (self.path / "opened.json").exists()

    def open_tests(self, about: Mapping[str, Any]) -> None:
        """Note, for good, that the tests are opened, and with which students."""
        path = self.path / "opened.json"
        now = json.loads(json.dumps(about))
        if path.exists():
            before = read_json(path)
            if before != now:
                raise RunError(
                    f"{path}: the tests were opened with other students or other files than are here now. "
                    "A test set is used once: restore them, or choose another folder and say so."
                )
            return
        write_whole(path, _json(now))

    def has_tests(self, arm: str, seed: int) -> bool:
        """Whether the tests of a student are finished."""
        return self._tests(arm, seed).exists()

    def write_tests(self, arm: str, seed: int, frame: pd.DataFrame) -> None:
        """Write the predictions of a student on all test sets."""
        if not self.is_opened:
            raise RunError("Tests are opened after all trainings have finished, not before.")
        write_whole(self._tests(arm, seed), parquet_bytes(frame))

    def predictions(self, arm: str, seed: int) -> pd.DataFrame:
        """Validation and tests of a student, one row for each face of each set."""
        parts = [self._validation(arm, seed)]
        if self.has_tests(arm, seed):
            parts.append(self._tests(arm, seed))
        frames = []
        for path in parts:
            try:
                frames.append(read_table(path))
            except (OSError, ValueError) as error:
                raise RunError(
                    f"{path} cannot be read: {error}. Remove it, and run the study again to make it anew."
                ) from None
        return pd.concat(frames, ignore_index=True)


def logits_of(frame: pd.DataFrame) -> NDArray[np.float32]:
    """Logits of `prediction_frame`, shape (n, n_classes)."""
    return frame[[name for name in frame if str(name).startswith(_LOGIT)]].to_numpy(dtype=np.float32)


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
