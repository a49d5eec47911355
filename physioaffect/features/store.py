"""Features of a data set on disk: a Zarr store with one group per subject, keyed by what made it.

``OUT.zarr/s0001`` is the first subject of the data set, and so on. A group's key is a hash of recipe, source
files and subject; the store's own attributes name the key and the groups that belong to it. Nothing else is
ever read, so numbers of another recipe or of files since changed cannot come back. A group appears by one
renaming, when all of it is on the disk: whoever is killed leaves whole groups, which the next call keeps.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from physioaffect.errors import DataError, RunError
from physioaffect.features.extraction import SubjectFeatures, extract_subjects, made_by
from physioaffect.features.recipe import Recipe
from physioaffect.features.stored import FORMAT, MARK, group_key
from physioaffect.features.trial_table import columns, difference
from physioaffect.features.zarr_group import (
    Group,
    below,
    has_all,
    read_attributes,
    read_group,
    sync,
    write_arrays,
    write_group,
)
from physioaffect.recording import DataSet, Exclusion

__all__ = ["save_features"]

_PARTIAL = ".partial-"

# A folder of unfinished groups that nobody has touched for so many seconds is a killed process's.
_FORGOTTEN = 86_400

# Threads that wait for the disk: it takes many files' contents at once in about the time of one.
_N_WAITING = 8

# How often to look at what other processes may be changing.
_N_TRIES = 10


@contextmanager
def _said_plainly() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = error.filename or "The store"
        raise RunError(f"{what} cannot be written: {error.strerror}. Choose another place.") from error


class _Pending(NamedTuple):
    """A subject whose arrays lie in a folder of our own, waiting for its key."""

    subject: str
    folder: Path
    nodes: dict[str, Any]
    attributes: dict[str, Any]
    synced: list[Future[None]]


class _Store:
    """The folder of one store while it is written.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    numbers : dict
        The groups' names by subject.
    pool : Executor
        Threads that wait for the disk.
    """

    @_said_plainly()
    def __init__(self, path: Path, numbers: dict[str, str], pool: Executor) -> None:
        self.path, self.numbers, self.pool = path, numbers, pool
        path.mkdir(parents=True, exist_ok=True)
        for left in path.glob(f"{_PARTIAL}*"):
            with suppress(OSError):
                if left.stat().st_mtime < time.time() - _FORGOTTEN:
                    shutil.rmtree(left)
        self.partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=path))

    def attributes(self) -> dict[str, Any] | None:
        """What the store says of itself, None if it is new."""
        try:
            return read_attributes(self.path)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Remove what nobody needs any more."""
        shutil.rmtree(self.partial, ignore_errors=True)

    @_said_plainly()
    def declare(self, attributes: dict[str, Any], groups: Sequence[Group] = ()) -> None:
        """Let the store say what is in it."""
        folder = self.partial / uuid.uuid4().hex
        folder.mkdir()
        made = write_group(folder, {MARK: FORMAT, **attributes}, below(groups))
        sync(made)
        made.replace(self.path / made.name)
        sync(self.path)

    def group(self, subject: str) -> Group | None:
        """The group of a subject if there is one, whatever its key."""
        folder = self.path / self.numbers[subject]
        for _ in range(_N_TRIES):
            try:
                found = read_group(folder)
            except (FileNotFoundError, NotADirectoryError):
                if not folder.exists():
                    return None
                # Another process may have put a group there just now: look again.
                continue
            except DataError:
                break
            if MARK in found.attributes:
                return found
            break
        raise RunError(_strange(folder))

    def finished(self, subject: str, store_key: str) -> Group | None:
        """The group of a subject if it has the right key and all its files."""
        found = self.group(subject)
        has_key = found and found.attributes.get("key") == group_key(store_key, subject)
        return found if found and has_key and has_all(found) else None

    @_said_plainly()
    def prepare(self, one: SubjectFeatures) -> _Pending:
        """Write a subject's arrays where nobody looks for them."""
        folder = self.partial / uuid.uuid4().hex
        nodes, paths = write_arrays(folder, one.features)
        # Others wait for the disk while the next subject is computed.
        synced = [self.pool.submit(sync, path) for path in paths]
        families: dict[str, Any] = {"families": [], "columns": {}, "n_trials": 0}
        if one.features is not None:
            trials = zip(one.features["session"].values, one.features["trial"].values, strict=True)
            families = {
                "first_trial": str(one.features["trial"].values[0]),
                "families": [str(name) for name in one.features.data_vars],
                "columns": columns(one.features.data_vars),
                "n_trials": len(set(trials)),
            }
        exclusions = [asdict(item) for item in one.exclusions]
        about = {MARK: FORMAT, "subject": one.subject, "exclusions": exclusions, **families}
        return _Pending(one.subject, folder, nodes, about, synced)

    @_said_plainly()
    def publish(self, waiting: Sequence[_Pending], store_key: str) -> None:
        """Give prepared groups their key and their place."""
        for one in waiting:
            for future in one.synced:
                future.result()
            attributes = one.attributes | {"key": group_key(store_key, one.subject)}
            sync(write_group(one.folder, attributes, one.nodes))
            sync(one.folder)
            self._put(one, store_key)
        if waiting:
            sync(self.path)

    def _put(self, one: _Pending, store_key: str) -> None:
        target = self.path / self.numbers[one.subject]
        while self.finished(one.subject, store_key) is None:
            # Others may do the same at the same time, so each step may fail and is tried again.
            if target.exists():
                with suppress(FileNotFoundError):
                    target.rename(self.partial / uuid.uuid4().hex)
            try:
                one.folder.rename(target)
                return
            except OSError:
                if not target.exists():
                    raise


def _strange(path: Path) -> str:
    return (
        f"{path} is not a group of features, and is left alone. Choose another place to write, or delete it."
    )


def _refuse_strangers(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise RunError(f"{out} is a file; features need a folder. Choose another place to write.")
    try:
        found = read_attributes(out)
    except FileNotFoundError:
        if any(not item.name.startswith(_PARTIAL) for item in out.iterdir()):
            raise RunError(
                f"{out} is not empty and holds no features. Choose another place to write."
            ) from None
        return
    except DataError:
        found = {}
    if MARK not in found:
        raise RunError(f"{out} is not a store of features, and is left alone. Choose another place to write.")
    if found[MARK] != FORMAT:
        raise RunError(
            f"{out} has format {found[MARK]}, this version writes format {FORMAT}. Choose another place to "
            "write, or delete it."
        )


def _state(dataset: DataSet, root: Path) -> list[tuple[str, int, int]]:
    """What changes when somebody writes into the source files."""
    try:
        stats = [(str(path), path.stat()) for path in sorted(dataset.files(root))]
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} vanished while {dataset.title} was read.") from None
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def save_features(  # noqa: PLR0913  All options are named.
    dataset: DataSet,
    root: Path | str,
    recipe: Recipe,
    out: Path | str,
    *,
    subjects: Sequence[str] | None = None,
    strict: bool = False,
    n_jobs: int = 1,
    progress: Callable[[str, int], None] | None = None,
) -> Path:
    """Make a data set's features and keep them on disk, one Zarr group per subject.

    Given again, also after an interruption, it makes only what is missing; if the recipe or a source file
    has changed since, it makes everything anew. Several processes may write one store.

    Parameters
    ----------
    dataset, root, recipe, subjects, strict, n_jobs, progress
        As in `extract`. Features are held for one subject at a time.
    out : path
        Folder of the store, usually called ``something.zarr``. Made if it is not there.

    Returns
    -------
    out : Path
        For `open_features`. Each group also opens with ``xarray.open_zarr(out, group="s0001")``.

    Raises
    ------
    DataError
        As `extract` does, or if the source files changed meanwhile.
    RunError
        If ``out`` holds something else, which is left alone, or cannot be written.

    Notes
    -----
    Families are kept in single precision, which costs 6e-8 of each value; values beyond its range keep
    double precision. The source files are hashed in a thread beside the extraction; a group gets its key and
    its place in the store only when the hash is known. Where groups of an earlier call might be kept, the
    hash comes first.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from physioaffect.datasets import EEGMAT
    >>> from physioaffect.features.defaults import default_recipe
    >>> from physioaffect.features.stored import open_features
    >>> recipe = default_recipe(EEGMAT, families=["de"], window=4)
    >>> with TemporaryDirectory() as folder:
    ...     root = EEGMAT.simulate(Path(folder, "raw"), n_subjects=1, max_seconds=60)
    ...     out = save_features(EEGMAT, root, recipe, Path(folder, "eegmat.zarr"))
    ...     sorted(open_features(out).sizes.items())
    [('band', 5), ('channel', 19), ('window', 30)]
    """
    root, out = Path(root), Path(out)
    _refuse_strangers(out)
    before = _state(dataset, root)
    with ThreadPoolExecutor(_N_WAITING) as pool:
        source_hash = pool.submit(dataset.fingerprint, root)
        everyone = dataset.open(root)
        # Opened once: some data sets are one file, and opening reads all of it.
        opened = replace(dataset, open=lambda _: everyone)
        chosen = tuple(opened.sources(root, subjects))
        numbers = {subject: f"s{number:04d}" for number, subject in enumerate(everyone, start=1)}
        store = _Store(out, numbers, pool)

        def key() -> str:
            """Wait for the hash; what was read before must be what was hashed."""
            found = recipe.key(dataset, source_hash.result())
            if _state(dataset, root) != before:
                raise DataError(f"Files in {root} changed while they were read. Make the features anew.")
            return found

        publishing: list[Future[None]] = []
        try:
            if store.attributes() is None:
                store.declare(made_by(dataset, recipe, "") | {"key": "", "is_finished": False})
            kept: list[str] = []
            if any(store.group(subject) for subject in chosen):
                kept_key = key()
                kept = [subject for subject in chosen if store.finished(subject, kept_key)]
            tell = progress or (lambda *_: None)
            for subject in kept:
                tell(subject, len(chosen))
            todo = [subject for subject in chosen if subject not in kept]
            waiting: list[_Pending] = []
            for one in extract_subjects(opened, root, recipe, subjects=todo, strict=strict, n_jobs=n_jobs):
                waiting.append(store.prepare(one))
                # Of many subjects some at once, because every key takes a look at every source file.
                if source_hash.done() and len(waiting) > len(todo) // 32:
                    publishing.append(pool.submit(store.publish, tuple(waiting), key()))
                    waiting.clear()
                tell(one.subject, len(chosen))
            store.publish(waiting, key())
            for future in publishing:
                future.result()
            about, groups = _contents(store, chosen, key(), strict=strict)
            store.declare(made_by(dataset, recipe, source_hash.result()) | about, groups)
        finally:
            wait(publishing)
            store.close()
    return out


def _contents(
    store: _Store, chosen: Sequence[str], store_key: str, *, strict: bool
) -> tuple[dict[str, Any], list[Group]]:
    """What a finished store says of its groups, and these, without those that differ from most."""
    groups: dict[str, Group] = {}
    for subject in chosen:
        group = store.finished(subject, store_key)
        if group is None:
            raise RunError(f"Another process writes other features into {store.path}. Choose another place.")
        groups[subject] = group
    found = {subject: group.attributes for subject, group in groups.items()}
    exclusions = [item for about in found.values() for item in about["exclusions"]]
    counted: Counter[str] = Counter()
    for about in found.values():
        if about["families"]:
            counted[json.dumps(about["columns"])] += about["n_trials"]
    usual = _columns(json.loads(counted.most_common(1)[0][0])) if counted else {}
    kept = {}
    for subject, about in found.items():
        ours = _columns(about["columns"])
        if about["families"] and ours != usual:
            odd = Exclusion(subject=subject, trial=about["first_trial"], reason=difference(ours, usual))
            exclusions.append(asdict(odd))
        elif about["families"]:
            kept[store.numbers[subject]] = subject
    broken = [item for item in exclusions if not item["expected"]]
    if strict and broken:
        raise DataError(
            f"Subject {broken[0]['subject']}: {broken[0]['reason']} (Without strict it would be left out.)"
        )
    if not kept:
        reasons = "; ".join(f"{item['subject']}: {item['reason']}" for item in exclusions[:3])
        raise DataError(f"There is nothing to store in {store.path}. {reasons}")
    about = {"key": store_key, "is_finished": True, "groups": kept, "exclusions": exclusions}
    return about, [groups[subject] for subject in kept.values()]


def _columns(found: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in found.items()}
