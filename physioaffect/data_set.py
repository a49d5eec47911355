"""What a data set is, what is to be predicted in it, and what of it was left out.

All classes are frozen values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from blake3 import blake3

from physioaffect.data_folder import data_folder
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Trial

__all__ = ["DataSet", "Exclusion", "Report", "Target", "Task", "in_order_of_time", "raise_unless_expected"]

_Item = TypeVar("_Item")

# A class, a number, or the weights of several classes; None leaves the trial out.
Target = str | float | Mapping[str, float] | None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be predicted, and from what it was made.

    Parameters
    ----------
    name : str
        Name on the command line.
    description : str
        Says the threshold or the conditions in words.
    kind : {"binary", "multiclass", "ordinal", "regression"}
        Kind of target.
    classes : tuple of str
        In order; empty for regression.
    target : callable
        From a trial to one of ``classes``, a number (regression), weights of several classes (soft labels,
        the heaviest is the truth), or None, which leaves the trial out. It looks at the ratings, stimulus,
        condition and identifiers only, never at signals.
    source : {"rating", "stimulus", "condition"}
        Where the label comes from.
    threshold : float, optional
        What the rating is compared with, where there is one.
    uses_own_ratings : bool
        Whether the test person's own ratings shape the label beyond the rating itself (a per-person median).
    """

    name: str
    description: str
    kind: Literal["binary", "multiclass", "ordinal", "regression"]
    classes: tuple[str, ...] = ()
    target: Callable[[Trial], Target]
    source: Literal["rating", "stimulus", "condition"]
    threshold: float | None = None
    uses_own_ratings: bool = False

    def __post_init__(self) -> None:
        n_classes = len(set(self.classes))
        is_fine = {"regression": n_classes == 0, "binary": n_classes == 2}.get(self.kind, n_classes > 0)
        if not is_fine or n_classes < len(self.classes):
            raise PhysioaffectError(
                f"Task {self.name} is {self.kind} and got the classes {self.classes}. A regression has none, "
                "a binary task two, any other at least one, and all are different."
            )


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Something that was left out, and why; ``expected`` if the data set is known for it."""

    subject: str
    reason: str
    trial: str = ""
    expected: bool = False


Report = Callable[[Exclusion], None]

_MOST_FILES_AT_ONCE = 4  # More than a disk delivers: a core hashes 3 GB a second.
_BLOCK = 2**20


def _hash_of_file(path: Path) -> str:
    # In blocks: if a file is mapped into memory, a disk that fails kills the process. In large ones: each
    # interrupts the threads that compute meanwhile.
    found, block = blake3(), memoryview(bytearray(_BLOCK))
    try:
        with path.open("rb", buffering=0) as stream:
            while n_bytes := stream.readinto(block):
                found.update(block[:n_bytes])
            return found.hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Mend the file or its rights.") from error


def raise_unless_expected(exclusion: Exclusion) -> None:
    """Stop at what nobody expected: the report of those who give none.

    Examples
    --------
    >>> raise_unless_expected(Exclusion(subject="S1", reason="S1 never rested.", expected=True))
    >>> raise_unless_expected(Exclusion(subject="S2", reason="S2.pkl is damaged."))
    Traceback (most recent call last):
    physioaffect.errors.DataError: S2.pkl is damaged.
    """
    if not exclusion.expected:
        raise DataError(exclusion.reason)


def in_order_of_time(items: Sequence[_Item], begun: Sequence[datetime | None]) -> list[_Item]:
    """Bring what began at these times into their order; where one tells no time, leave all as they are.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon, six = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (12, 6))
    >>> in_order_of_time(["lunch", "run"], [noon, six]), in_order_of_time(["lunch", "nap"], [noon, None])
    (['run', 'lunch'], ['lunch', 'nap'])
    """
    times = [began.timestamp() for began in begun if began is not None]
    if len(times) < len(items):
        return list(items)
    return [items[place] for place in sorted(range(len(items)), key=times.__getitem__)]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Everything known about one data set, as a value.

    Parameters
    ----------
    name, title, doi, licence, how_to_get, layout : str
        Name in code; name in papers; DOI of the paper; licence note; where it comes from; what is expected
        on disk, in words.
    n_subjects : int
        People in the complete data set.
    n_trials : int, optional
        Trials of a complete person, all sessions together; None if it differs.
    sfreqs : mapping of str to float
        Sampling rate in Hz of each signal that a trial holds.
    ch_names : mapping of str to tuple of str
        Channels of the signals whose channels are always the same.
    montage : str, optional
        Name of mne's montage that knows the electrodes.
    passband : tuple of float, optional
        Band in Hz that the distributed EEG still holds; features outside it would be filter leakage.
    ratings : mapping of str to (lowest, highest)
        The scales of the person's own ratings.
    tasks : mapping of str to Task
        The first is the default.
    window, step : float
        Usual window length and step in seconds.
    last : float, optional
        If the data set's makers use only the last so many seconds of a trial.
    files : callable
        ``files(root)``: every file that reading would open. Cheap; raises `DataError` for a wrong folder.
    open : callable
        ``open(root)``: what ``trials`` needs for each subject, usually a path.
    trials : callable
        ``trials(subject, source, report)``: the subject's trials, in order. Raises `DataError` if the subject
        cannot be used; reports single trials that cannot.
    select : callable, optional
        ``select(source, signals, baseline)``: a source of which ``trials`` makes only the signals named, and
        baselines only if ``baseline``. It saves the time of converting and checking what nobody asked for.
    split : callable, optional
        ``split(source)``: sources of parts of a subject, for ``trials``, that can be read each by itself, so
        that one person's long record is worked on by several processes. Their trials are put together by
        `in_order_of_time`.
    is_raw_export : bool
        Whether these are recordings as they came out of devices, which nobody has looked through: the usual
        recipe then marks what is not to be trusted, finds beats, and takes every family that fits.
    is_split_by_subject : bool
        Whether subjects lie in files of their own, so that they can be read in parallel.
    simulate : callable, optional
        ``simulate(root, world, ...)`` writes the layout from a generative model.
    download : callable, optional
        ``download(root)`` fetches a public data set.
    """

    name: str
    title: str
    doi: str
    licence: str
    how_to_get: str
    layout: str
    n_subjects: int
    n_trials: int | None = None
    sfreqs: Mapping[str, float]
    ch_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    montage: str | None = None
    passband: tuple[float, float] | None = None
    ratings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tasks: Mapping[str, Task]
    window: float
    step: float
    last: float | None = None
    files: Callable[[Path], Sequence[Path]]
    open: Callable[[Path], dict[str, Any]]
    trials: Callable[[str, Any, Report], Iterator[Trial]]
    select: Callable[[Any, Collection[str], bool], Any] | None = None
    split: Callable[[Any], Sequence[Any]] | None = None
    is_raw_export: bool = False
    is_split_by_subject: bool = True
    simulate: Callable[..., Path] | None = None
    download: Callable[[Path], Path] | None = None

    def sources(self, root: Path | str, subjects: Sequence[str] | None = None) -> dict[str, Any]:
        """Open the data and give what ``trials`` needs for each subject asked for, in that order.

        Raises
        ------
        DataError
            If the folder is not this data set, or a subject is unknown.
        """
        everyone = self.open(Path(root))
        chosen = tuple(everyone if subjects is None else dict.fromkeys(subjects))
        if unknown := [subject for subject in chosen if subject not in everyone]:
            raise DataError(
                f"{self.title} at {root} has no subject {unknown[0]!r}; it has {', '.join(everyone)}."
            )
        return {subject: everyone[subject] for subject in chosen}

    def parts(self, source: Any) -> Sequence[Any]:
        """What of a subject can be read each by itself: the source as a whole, unless ``split`` is given."""
        return [source] if self.split is None else self.split(source)

    def read(
        self,
        root: Path | str | None = None,
        *,
        subjects: Sequence[str] | None = None,
        report: Report | None = None,
    ) -> Iterator[Trial]:
        """Read trial by trial, subject by subject, holding one subject at a time.

        Parameters
        ----------
        root : path, optional
            The folder (or file) as distributed. Default: ``$PHYSIOAFFECT_DATA/<name>``.
        subjects : sequence of str, optional
            Which subjects, and in which order. Default: all, in their natural order.
        report : callable, optional
            Called with an `Exclusion` for every subject or trial that cannot be used; the others are still
            read. Without it the first unexpected one raises.

        Yields
        ------
        Trial

        Raises
        ------
        DataError
            If the folder is not this data set, a subject is unknown, or (without ``report``) is broken.
        """
        report = report or raise_unless_expected
        sources = self.sources(data_folder(self.name, root), subjects)
        for subject in tuple(sources):
            # Popped, so that a source that holds data can be freed once it has been read.
            source = sources.pop(subject)
            try:
                yield from self.trials(subject, source, report)
            except DataError as error:
                report(Exclusion(subject=subject, reason=str(error)))

    def fingerprint(self, root: Path | str) -> str:
        r"""Hash the relative names and the contents of all files that reading would open.

        Parameters
        ----------
        root : path
            The folder (or file) as distributed.

        Returns
        -------
        str
            ``"blake3:"`` and 64 hexadecimal digits. The same files in another place have the same.

        Raises
        ------
        DataError
            If the folder is not this data set, or a file cannot be read.

        Notes
        -----
        BLAKE3 [1]_ of one line for each file, in the order of their names: the name with ``/`` between
        folders, ``\0``, BLAKE3 of the content in hexadecimal digits, ``\n``.

        References
        ----------
        .. [1] O'Connor et al. (2020). BLAKE3: one function, fast everywhere.
           https://github.com/BLAKE3-team/BLAKE3-specs
        """
        root = Path(root)
        base = root if root.is_dir() else root.parent
        paths = {path.relative_to(base).as_posix(): path for path in self.files(root)}
        names = sorted(paths)
        total = blake3()
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_FILES_AT_ONCE)) as pool:
            contents = pool.map(_hash_of_file, (paths[name] for name in names))
            for name, content in zip(names, contents, strict=True):
                total.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
        return f"blake3:{total.hexdigest()}"
