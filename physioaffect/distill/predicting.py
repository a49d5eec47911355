"""A student on a folder of pictures; what cannot be read is told, and stops nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.datasets import read_image
from physioaffect.distill.faces_table import squared
from physioaffect.distill.student import Student
from physioaffect.errors import DataError

__all__ = ["PICTURES", "predict_folder"]

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
_AT_ONCE = 256
_MOST_FILES = 1_000_000


def predict_folder(student: Student, folder: Path | str) -> pd.DataFrame:
    """Classify every picture in a folder.

    Parameters
    ----------
    student : Student
        Trained.
    folder : path
        Pictures named .png, .jpg, .jpeg or .bmp; hidden files and folders in it are not looked into.

    Returns
    -------
    predictions : DataFrame
        In the order of the names: ``file``, ``prediction`` (the likeliest class), a column ``p_CLASS`` for
        the probability of each class, and ``problem``: empty, or why this picture was left out, with the
        rest empty.

    Raises
    ------
    DataError
        If there is no such folder, or no picture in it.

    Notes
    -----
    No face detector is included: the largest square in the middle is scaled to the student's size, and any
    picture gets a class, a landscape too. Cut faces as those of the training data are cut. At most 64 MB and
    50 million pixels are decoded a picture; what is damaged, announces more, is of another kind or deeper
    than 8 bits is left out.

    A class is what annotators would say that they see in a face. It is not what its owner feels.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> from physioaffect.datasets import FERPLUS
    >>> from physioaffect.distill import StudentSettings, face_table, train_student
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     faces = face_table(FERPLUS, FERPLUS.simulate(Path(folder, "ferplus"), n_faces=30), size=16)
    >>> settings = StudentSettings(
    ...     backbone="resnet_tiny", image_size=16, epochs=1, batch_size=8, kd=0, proto=0, geometry=0
    ... )
    >>> student = train_student(faces, faces, settings, device="cpu")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for number, image in enumerate(faces.images[:2]):
    ...         Image.fromarray(image).save(Path(folder, f"{number}.png"))
    ...     _ = Path(folder, "broken.png").write_bytes(b"no picture")
    ...     found = predict_folder(student, folder)
    >>> found["file"].tolist(), (found["problem"] == "").tolist()
    (['0.png', '1.png', 'broken.png'], [True, True, False])
    >>> bool(np.allclose(found.filter(like="p_").sum(axis=1)[:2], 1))
    True
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder. Give one with pictures of faces in it.")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise DataError(
            f"{folder} holds no picture: none of its files is named {', '.join(PICTURES)}. Folders in it are "
            "not looked into."
        )
    if len(paths) > _MOST_FILES:
        raise DataError(f"{folder} holds {len(paths):,} pictures; give at most {_MOST_FILES:,} at once.")
    parts = [_predicted(student, paths[start : start + _AT_ONCE]) for start in range(0, len(paths), _AT_ONCE)]
    return pd.concat(parts, ignore_index=True)


def _predicted(student: Student, paths: list[Path]) -> pd.DataFrame:
    images: list[NDArray[np.uint8]] = []
    problems = []
    for path in paths:
        try:
            image = read_image(path)
            try:
                images.append(squared(image, student.settings.image_size, grey=student.n_channels == 1))
            except DataError as error:
                raise DataError(f"{path} {error}.") from error
            problems.append("")
        except DataError as error:
            problems.append(str(error))
    is_good = np.array([not problem for problem in problems])
    chances = np.full((len(paths), len(student.classes)), np.nan)
    likeliest = np.full(len(paths), None, dtype=object)
    if images:
        chances[is_good] = student.predict_proba(np.stack(images))
        likeliest[is_good] = np.array(student.classes, dtype=object)[chances[is_good].argmax(axis=1)]
    columns = {f"p_{name}": chances[:, place] for place, name in enumerate(student.classes)}
    names = [path.name for path in paths]
    return pd.DataFrame({"file": names, "prediction": likeliest, **columns, "problem": problems})
