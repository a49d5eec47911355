"""Features of a data set on disk: a Zarr store with one group per subject, keyed by what made it.

``OUT.zarr/s0001`` is the first subject of the data set, and so on. A group's key is a hash of recipe, source
files and subject; the store's own attributes name the key and the groups that belong to it. Nothing else is
ever read, so numbers of another recipe or of files since changed cannot come back. A group appears by one
renaming, when all of it is on the disk: whoever is killed leaves whole groups, which the next call keeps.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from physioaffect.data_folder import data_folder
from physioaffect.data_set import DataSet
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.features._threads import computing_elsewhere
from physioaffect.features.extraction import (
    SubjectFeatures,
    extract_subjects,
    made_by,
    stop_if_broken,
    unlike_most,
)
from physioaffect.features.recipe import Recipe
from physioaffect.features.store_folder import (
    Pending,
    StoreFolder,
    exclusions_of,
    refuse_another_study,
    refuse_strangers,
    shape_of,
)
from physioaffect.features.zarr_group import Group
from physioaffect.progress import Progress, silent

__all__ = ["save_features"]

# Threads that wait for the disk: it takes many files' contents at once in about the time of one.
_N_WAITING = 8

_log = logging.getLogger(__name__)


def _state(dataset: DataSet, root: Path) -> list[tuple[str, int, int]]:
    """What changes when somebody writes into the source files."""
    try:
        stats = [(str(path), path.stat()) for path in sorted(dataset.files(root))]
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} vanished while {dataset.title} was read.") from None
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def _hash(dataset: DataSet, root: Path) -> str:
    with computing_elsewhere(1):
        return dataset.fingerprint(root)


def store_key(dataset: DataSet, recipe: Recipe, source_hash: str) -> str:
    """Sha256 that names a store's content: another version of this package may read files differently."""
    text = json.dumps([recipe.key(dataset, source_hash), version("physioaffect")])
    return hashlib.sha256(text.encode()).hexdigest()


def save_features(  # noqa: PLR0913  All options are named.
    dataset: DataSet,
    root: Path | str | None,
    recipe: Recipe,
    out: Path | str,
    *,
    subjects: Sequence[str] | None = None,
    strict: bool = False,
    n_jobs: int = 1,
    progress: Progress | None = None,
    client: Any = None,
) -> Path:
    """Make a data set's features and keep them on disk, one Zarr group per subject.

    Given again, also after an interruption, it makes only what is missing. If the recipe or a source file
    has changed since, it says so (`logging`, a warning), makes everything anew, and removes what was made
    before, also of people not asked for now (while another process writes into the store, a later call does).
    Several processes may write one store of one recipe, of the same people or of others; of two recipes at
    once, the one that finishes first stays.

    Parameters
    ----------
    dataset, root, recipe, subjects, strict, n_jobs, client
        As in `extract`. Features are held for two subjects at a time.
    out : path
        Folder of the store, usually called ``something.zarr``. Made if it is not there.
    progress : callable, optional
        Called with ("features", subjects done, number of subjects).

    Returns
    -------
    out : Path
        For `open_features`. Each group also opens with ``xarray.open_zarr(out, group="s0001")``.

    Raises
    ------
    DataError
        As `extract` does, or if the source files changed meanwhile.
    RunError
        If ``out`` holds something else, which is left alone: also features of another data set, or of people
        of whom this one has nobody (another study; one whose people have the same names is only warned of).
        Or if another process finishes features of another recipe there first, or if it cannot be written.

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
    root, out = data_folder(dataset.name, root), Path(out)
    refuse_strangers(out, dataset.name)
    before = _state(dataset, root)
    with ThreadPoolExecutor(_N_WAITING) as pool, ThreadPoolExecutor(1) as writer:
        source_hash = pool.submit(_hash, dataset, root)
        everyone = dataset.open(root)
        refuse_another_study(out, dataset.name, everyone)
        # Opened once: some data sets are one file, and opening reads all of it.
        opened = replace(dataset, open=lambda _: everyone)
        chosen = tuple(opened.sources(root, subjects))
        numbers = {subject: f"s{number:04d}" for number, subject in enumerate(everyone, start=1)}
        store = StoreFolder(out, numbers, pool)

        def key() -> str:
            """Wait for the hash; what was read before must be what was hashed."""
            found = store_key(dataset, recipe, source_hash.result())
            if _state(dataset, root) != before:
                raise DataError(f"Files in {root} changed while they were read. Make the features anew.")
            return found

        publishing: list[Future[None]] = []
        with _closing(store, writer, publishing):
            if (about := store.before) is None:
                store.declare(made_by(dataset, recipe, "") | {"key": "", "is_finished": False})
            elif about.get("is_finished"):
                _tell_of_change(out, about, made_by(dataset, recipe, source_hash.result()))
            kept: list[str] = []
            if any(store.group(subject) for subject in chosen):
                kept_key = key()
                kept = [subject for subject in chosen if store.finished(subject, kept_key)]
            tell = progress or silent
            n_done = itertools.count(1)
            for _ in kept:
                tell("features", next(n_done), len(chosen))
            todo = [subject for subject in chosen if subject not in kept]
            waiting: list[Pending] = []

            def write(one: SubjectFeatures) -> None:
                waiting.append(store.prepare(one))
                # Of many subjects some at once, because every key takes a look at every source file.
                if source_hash.done() and len(waiting) > len(todo) // 32:
                    publishing.append(pool.submit(store.publish, tuple(waiting), key()))
                    waiting.clear()

            writing: list[Future[None]] = []
            for one in extract_subjects(
                opened, root, recipe, subjects=todo, strict=strict, n_jobs=n_jobs, client=client
            ):
                # One subject is written while the next is read.
                if writing:
                    writing.pop().result()
                    tell("features", next(n_done), len(chosen))
                writing.append(writer.submit(write, one))
            for last in writing:
                last.result()
                tell("features", next(n_done), len(chosen))
            store.publish(waiting, key())
            for future in publishing:
                future.result()
            found, groups = _contents(store, chosen, key(), strict=strict)
            store.stop_if_overtaken(key())
            store.declare(made_by(dataset, recipe, source_hash.result()) | found, groups)
            store.sweep(key())
    return out


@contextmanager
def _closing(store: StoreFolder, writer: Executor, publishing: list[Future[None]]) -> Iterator[None]:
    """Close a store when all that writes into it has ended; what was new and stayed empty goes."""
    try:
        yield
    except PhysioaffectError:
        writer.shutdown()
        wait(publishing)
        if store.before is None:
            store.forget()
        raise
    finally:
        writer.shutdown()
        wait(publishing)
        store.close()


_CHANGES = {
    "recipe": "are of another recipe",
    "source_hash": "are of other source files, or of files since changed",
    "physioaffect": "were made by another version of physioaffect",
}


def _tell_of_change(out: Path, before: dict[str, Any], now: dict[str, str]) -> None:
    """Log why the features of a finished store are about to be replaced, if they are."""
    changes = [said for name, said in _CHANGES.items() if before.get(name) != now[name]]
    if changes:
        _log.warning("The features in %s %s: those of all people are replaced.", out, " and ".join(changes))


def _contents(
    store: StoreFolder, chosen: Sequence[str], store_key: str, *, strict: bool
) -> tuple[dict[str, Any], list[Group]]:
    """What a finished store says of its groups, and these, without those that differ from most."""
    groups: dict[str, Group] = {}
    for subject in chosen:
        group = store.finished(subject, store_key)
        if group is None:
            raise store.overtaken()
        groups[subject] = group
    exclusions = [item for group in groups.values() for item in exclusions_of(group.attributes)]
    having = {subject: group for subject, group in groups.items() if group.attributes["families"]}
    odd = unlike_most({subject: shape_of(group.attributes) for subject, group in having.items()})
    exclusions += odd
    stop_if_broken(exclusions, strict=strict)
    left_out = {item.subject for item in odd}
    kept = {store.numbers[subject]: subject for subject in having if subject not in left_out}
    if not kept:
        reasons = "; ".join(f"{item.subject}: {item.reason}" for item in exclusions[:3])
        reasons = reasons or "subjects names nobody: leave it out for all of them."
        raise DataError(f"There is nothing to store in {store.path}. {reasons}")
    about = {
        "key": store_key,
        "is_finished": True,
        "groups": kept,
        "exclusions": [asdict(item) for item in exclusions],
    }
    return about, [groups[subject] for subject in kept.values()]
