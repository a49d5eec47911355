"""`check`: what a data set should hold against what lies there, and one sentence for whatever deviates.

Fewer people or images than in the complete data set is a note, since many have a part of it; whatever is
broken, lacks a signal, or lies outside its scale is a deviation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from physioaffect.data_folder import data_folder
from physioaffect.data_set import DataSet
from physioaffect.errors import DataError
from physioaffect.faces import FaceSet
from physioaffect.progress import silent

from .check_faces import FaceTally
from .check_tally import CheckRow
from .check_trials import TrialTally

__all__ = ["CheckResult", "CheckRow", "check"]

# Called with (who or what has been read, how many are done, how many there are, None if that is not known).
CheckProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What `check` found.

    Parameters
    ----------
    name, title, root : str
        Which data set, and where.
    rows : tuple of CheckRow
        The table.
    deviations : tuple of str
        A sentence each, which names the file or the subject.
    notes : tuple of str
        What is worth knowing, but as it should or may be.
    """

    name: str
    title: str
    root: str
    rows: tuple[CheckRow, ...]
    deviations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Show the table, the deviations and the verdict in a notebook."""
        import pandas as pd  # noqa: PLC0415

        from physioaffect.page.fragment import fragment  # noqa: PLC0415

        table = pd.DataFrame([asdict(row) for row in self.rows])
        return fragment(
            f"{self.title} in {self.root}: {self.verdict}", table, [*self.deviations, *self.notes]
        )

    @property
    def is_good(self) -> bool:
        """Whether nothing deviates."""
        return not self.deviations

    @property
    def verdict(self) -> str:
        """``"good"`` or ``"deviates"``."""
        return "good" if self.is_good else "deviates"

    def to_json(self) -> str:
        """Write everything as JSON, the verdict too."""
        return json.dumps(asdict(self) | {"verdict": self.verdict}, ensure_ascii=False)


def check(
    dataset: str | DataSet | FaceSet,
    root: Path | str | None = None,
    *,
    progress: CheckProgress | None = None,
) -> CheckResult:
    """Read everything, one trial or image in memory at a time, and compare it with what the data set says.

    A recording by itself has nothing that it should hold; what of it can be trusted tells
    `physioaffect.signals.quality.quality_summary`.

    Parameters
    ----------
    dataset : str, DataSet or FaceSet
        What is expected, by name or as a value.
    root : path, optional
        The folder (or file) as distributed. Default: ``$PHYSIOAFFECT_DATA/<name>``.
    progress : callable, optional
        Called with (subject or image, done, total) whenever one has been read; the total is None for images.

    Returns
    -------
    CheckResult

    Raises
    ------
    DataError
        If there is no such data set, the folder is not this one at all, or nothing in it can be read.
    TypeError
        If ``dataset`` is something else, such as a trial.

    Examples
    --------
    >>> from physioaffect.datasets import check
    >>> check("dreamer", "no/such/folder")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    physioaffect.errors.DataError: There is no no/such/folder. Pass the folder that holds DREAMER.mat, or ...
    """
    if isinstance(dataset, str):
        from . import get_any  # noqa: PLC0415  It knows this function.

        dataset = get_any(dataset, root)
    if not isinstance(dataset, DataSet | FaceSet):
        raise TypeError(
            f"check compares a folder with a data set, got a {type(dataset).__name__}. What of one recording "
            "can be trusted tells physioaffect.signals.quality.quality_summary(trial)."
        )
    root = data_folder(dataset.name, root)
    tell = progress or silent
    paths = dataset.files(root)
    tally = _faces(dataset, root, tell) if isinstance(dataset, FaceSet) else _trials(dataset, root, tell)
    if tally.n_read == 0:
        raise DataError(
            f"Nothing in {root} can be read as {dataset.title}. {' '.join(tally.deviations()[:3])}".strip()
        )
    n_bytes = sum(path.stat().st_size for path in paths)
    files = CheckRow(what="files", expected="", found=f"{len(paths)} ({_size(n_bytes)})")
    return CheckResult(
        name=dataset.name,
        title=dataset.title,
        root=str(root),
        rows=(files, *tally.rows()),
        deviations=tuple(tally.deviations()),
        notes=tuple(tally.notes()),
    )


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def _trials(dataset: DataSet, root: Path, tell: CheckProgress) -> TrialTally:
    sources = dataset.sources(root)
    everyone = tuple(sources)
    tally = TrialTally(dataset, everyone)
    for number, subject in enumerate(everyone, start=1):
        # Popped, so that a source that holds data can be freed once it has been read.
        source = sources.pop(subject)
        try:
            for trial in dataset.trials(subject, source, tally.report):
                tally.add(trial)
        except DataError as error:
            tally.break_off(subject, str(error))
        tally.close(subject)
        tell(subject, number, len(everyone))
    return tally


def _faces(faces: FaceSet, root: Path, tell: CheckProgress) -> FaceTally:
    tally = FaceTally(faces)
    try:
        for number, face in enumerate(faces.faces(root, tally.report), start=1):
            tally.add(face)
            tell(face.face, number, None)
    except DataError as error:
        if tally.n_read == 0:
            raise
        tally.break_off(str(error))
    return tally
