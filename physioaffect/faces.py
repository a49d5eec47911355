"""Face images: what every reader of a face data set yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import Report, raise_unless_expected

__all__ = ["Face", "FaceSet"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """One face image with its labels.

    Parameters
    ----------
    dataset, face : str
        Identifiers; ``face`` is unique in the data set.
    image : ndarray of uint8, shape (height, width) or (height, width, 3)
        Grey or RGB.
    split : str
        The makers' own split, such as ``"train"``; empty if there is none.
    subject, sequence : str, optional
        The person and the film that the image is from, where the data set tells; never split either.
    votes : mapping of str to float
        Label as weights of the classes, not negative: votes of annotators, or 1 for the one class given.
    valence, arousal : float, optional
        From -1 to 1.
    """

    dataset: str
    face: str
    image: NDArray[np.uint8]
    split: str = ""
    subject: str | None = None
    sequence: str | None = None
    votes: Mapping[str, float] = field(default_factory=dict)
    valence: float | None = None
    arousal: float | None = None

    def __post_init__(self) -> None:
        is_grey_or_rgb = self.image.ndim == 2 or (self.image.ndim == 3 and self.image.shape[2] == 3)
        if self.image.dtype != np.uint8 or not is_grey_or_rgb:
            raise ValueError(
                "image must be uint8 of shape (height, width) or (height, width, 3), got "
                f"{self.image.dtype} of shape {self.image.shape}."
            )


@dataclass(frozen=True, kw_only=True)
class FaceSet:
    """Everything known about one data set of faces, as a value.

    The texts are those of `DataSet`. ``classes`` are the emotions in the data set's own order, ``splits`` the
    makers' splits with the number of images in each. ``files(root)`` names every file that reading would
    open; ``faces(root, report)`` yields `Face`.
    """

    name: str
    title: str
    doi: str
    licence: str
    how_to_get: str
    layout: str
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    n_subjects: int | None = None
    files: Callable[[Path], Sequence[Path]]
    faces: Callable[[Path, Report], Iterator[Face]]
    simulate: Callable[..., Path] | None = None

    def read(self, root: Path | str, *, report: Report | None = None) -> Iterator[Face]:
        """Read face by face.

        Parameters
        ----------
        root : path
            The folder as distributed.
        report : callable, optional
            Called with an `Exclusion` for every image that cannot be used. Without it the first unexpected
            one raises.

        Yields
        ------
        Face

        Raises
        ------
        DataError
            If the folder is not this data set or (without ``report``) an image is broken.
        """
        yield from self.faces(Path(root), report or raise_unless_expected)
