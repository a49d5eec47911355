"""The folder of a store of features while it is written."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from physioaffect.data_set import Exclusion
from physioaffect.errors import DataError, RunError
from physioaffect.features.extraction import Shape, SubjectFeatures
from physioaffect.features.stored import FORMAT, GROUP_NAME, MARK, group_key
from physioaffect.features.zarr_group import (
    NODE,
    Group,
    below,
    encode_arrays,
    has_all,
    read_attributes,
    read_group,
    write_arrays,
    write_group,
)
from physioaffect.whole_file import sync_folder

__all__ = [
    "Pending",
    "StoreFolder",
    "exclusions_of",
    "refuse_another_study",
    "refuse_strangers",
    "shape_of",
]

_PARTIAL = ".partial-"

# A folder of unfinished groups that nobody has touched for so many seconds is a killed process's.
_FORGOTTEN = 86_400

# How often to look at what other processes may be changing.
_N_TRIES = 10


@contextmanager
def _said_plainly() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = error.filename or "The store"
        raise RunError(f"{what} cannot be written: {error.strerror}. Choose another place.") from error


class Pending(NamedTuple):
    """A subject whose arrays are written into a folder of our own, and that waits for its key."""

    subject: str
    folder: Path
    nodes: dict[str, Any]
    attributes: dict[str, Any]
    writing: Future[None]


class StoreFolder:
    """The folder of one store while it is written.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    numbers : dict
        The groups' names by subject.
    pool : Executor
        Threads that wait for the disk.

    Attributes
    ----------
    before : dict or None
        What the store said of itself when this was made, None if it was new.
    """

    @_said_plainly()
    def __init__(self, path: Path, numbers: dict[str, str], pool: Executor) -> None:
        self.path, self.numbers, self.pool = path, numbers, pool
        self._writing: list[Future[None]] = []
        try:
            path.mkdir(parents=True)
            self._has_made = True
        except FileExistsError:
            if not path.is_dir():
                raise
            self._has_made = False
        for left in path.glob(f"{_PARTIAL}*"):
            with suppress(OSError):
                if left.stat().st_mtime < time.time() - _FORGOTTEN:
                    shutil.rmtree(left)
        self.partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=path))
        # Only now: who removes a store looks for such folders when the attributes are gone.
        self.before = self.attributes()

    def attributes(self) -> dict[str, Any] | None:
        """What the store says of itself, None if it is new."""
        try:
            return read_attributes(self.path)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Remove what nobody needs any more."""
        # What is written into a folder while it is removed stays, and looks like another process.
        wait(self._writing)
        shutil.rmtree(self.partial, ignore_errors=True)

    def _is_mine(self, store_key: str) -> bool:
        """Whether the finished store has this key and no other process writes into it."""
        about = self.attributes() or {}
        names = [item.name for item in self.path.glob(f"{_PARTIAL}*")]
        return about.get("key") == store_key and names == [self.partial.name]

    def sweep(self, store_key: str) -> None:
        """Remove the groups of another key: no table has them, and they may be large.

        While another process writes here they stay, because they may be its own; a later call removes them.
        """
        for found in list(_groups(self.path)):
            if _has_key(found, store_key):
                continue
            # A process that is at work is not disturbed, not even for a moment.
            if not self._is_mine(store_key):
                return
            removed = self.partial / uuid.uuid4().hex
            with suppress(OSError):
                found.folder.rename(removed)
                # Another process may have begun, or have put its group there, after we looked.
                is_same = read_group(removed).attributes == found.attributes
                if not (is_same and self._is_mine(store_key)):
                    removed.rename(found.folder)

    def forget(self) -> None:
        """Remove a store in which nobody has features, so that the next call finds the place free."""
        groups = list(_groups(self.path))
        # The attributes go last: a process that begins refuses a folder of groups without them.
        ours = [*(group.folder.name for group in groups), NODE]
        has_features = any(group.attributes.get("families") for group in groups)
        # Another process may be writing here, or a stranger's file lie here: then all of it stays.
        if has_features or {item.name for item in self.path.iterdir()} != {*ours, self.partial.name}:
            return
        taken = self.partial / uuid.uuid4().hex
        with suppress(OSError):
            taken.mkdir()
            for name in ours:
                (self.path / name).rename(taken / name)
        with suppress(OSError):
            # Another process may have come after we looked: then it finds what it found.
            if [item.name for item in self.path.iterdir()] != [self.partial.name]:
                for name in reversed(ours):
                    if not (self.path / name).exists():
                        (taken / name).rename(self.path / name)
                return
            self.close()
            if self._has_made:
                self.path.rmdir()

    def stop_if_overtaken(self, store_key: str) -> None:
        """Stop if another process has finished other features here since this one began."""
        about = self.attributes() or {}
        known = (store_key, (self.before or {}).get("key"))
        if about.get("is_finished") and about.get("key") not in known:
            raise self.overtaken()

    def overtaken(self) -> RunError:
        """Two recipes at once in one store: whoever finishes first keeps it."""
        return RunError(f"Another process writes other features into {self.path}. Choose another place.")

    @_said_plainly()
    def declare(self, attributes: dict[str, Any], groups: Sequence[Group] = ()) -> None:
        """Let the store say what is in it."""
        folder = self.partial / uuid.uuid4().hex
        folder.mkdir()
        made = write_group(folder, {MARK: FORMAT, **attributes}, below(groups))
        made.replace(self.path / made.name)
        sync_folder(self.path)

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
        return found if found and has_key and _is_whole(found) and has_all(found) else None

    @_said_plainly()
    def prepare(self, one: SubjectFeatures) -> Pending:
        """Write a subject's arrays where nobody looks for them, in a thread of the pool."""
        folder = self.partial / uuid.uuid4().hex
        folder.mkdir()
        arrays = [] if one.features is None else encode_arrays(one.features)
        # Another thread waits for the disk while the next subject is computed.
        writing = self.pool.submit(write_arrays, folder, arrays)
        self._writing.append(writing)
        shape = Shape({}, 0, "") if one.features is None else Shape.of(one.features)
        families = [] if one.features is None else [str(name) for name in one.features.data_vars]
        exclusions = [asdict(item) for item in one.exclusions]
        about = {MARK: FORMAT, "subject": one.subject, "exclusions": exclusions, "families": families}
        about |= shape._asdict()
        nodes = {array.name: array.node for array in arrays}
        return Pending(one.subject, folder, nodes, about, writing)

    @_said_plainly()
    def publish(self, waiting: Sequence[Pending], store_key: str) -> None:
        """Give prepared groups their key and their place."""
        for one in waiting:
            one.writing.result()
            attributes = one.attributes | {"key": group_key(store_key, one.subject)}
            write_group(one.folder, attributes, one.nodes)
            sync_folder(one.folder)
            self._put(one, store_key)
        if waiting:
            sync_folder(self.path)

    def _put(self, one: Pending, store_key: str) -> None:
        target = self.path / self.numbers[one.subject]
        while self.finished(one.subject, store_key) is None:
            # Others may do the same at the same time, so each step may fail and is tried again.
            if target.exists():
                self._withdraw(store_key)
                with suppress(FileNotFoundError):
                    target.rename(self.partial / uuid.uuid4().hex)
            try:
                one.folder.rename(target)
                return
            except OSError:
                if not target.exists():
                    raise

    def _withdraw(self, store_key: str) -> None:
        """Let the store promise nothing while its groups are replaced: others read its metadata with them."""
        self.stop_if_overtaken(store_key)
        about = self.attributes() or {}
        if about.get("is_finished") and about.get("key") != store_key:
            self.declare(about | {"key": "", "is_finished": False, "groups": {}, "exclusions": []})


def _groups(path: Path) -> Iterator[Group]:
    """Every group of ours in a store, also of people who have left the data set."""
    for folder in sorted(path.glob("s*")):
        with suppress(FileNotFoundError, NotADirectoryError, DataError):
            if GROUP_NAME.fullmatch(folder.name) and MARK in (found := read_group(folder)).attributes:
                yield found


def _has_key(group: Group, store_key: str) -> bool:
    about = group.attributes
    return about.get("key") == group_key(store_key, str(about.get("subject")))


def _is_whole(group: Group) -> bool:
    """Whether a group says of itself what `StoreFolder.prepare` writes."""
    about = group.attributes
    try:
        exclusions_of(about)
        shape_of(about)
    except (KeyError, TypeError, AttributeError):
        return False
    return isinstance(about.get("families"), list) and set(about["families"]) <= set(group.nodes)


def exclusions_of(about: dict[str, Any]) -> list[Exclusion]:
    """What a group's attributes say was left out."""
    return [Exclusion(**item) for item in about["exclusions"]]


def shape_of(about: dict[str, Any]) -> Shape:
    """What a group's attributes say of its table."""
    found = {str(name): tuple(map(str, values)) for name, values in about["columns"].items()}
    return Shape(found, int(about["n_trials"]), str(about["first_trial"]))


def _strange(path: Path) -> str:
    return (
        f"{path} is not a group of features, and is left alone. Choose another place to write, or delete it."
    )


def refuse_strangers(out: Path, dataset: str) -> None:
    """Stop if there is anything but a store of this format and this data set, or nothing."""
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
    if found.get("dataset") != dataset:
        raise RunError(
            f"{out} holds features of {found.get('dataset')}, and these are of {dataset}. Choose another "
            "place to write, or delete it."
        )


def refuse_another_study(out: Path, dataset: str, people: Collection[str]) -> None:
    """Stop if a store has groups and all are of people who are not in the data set.

    Folders of many studies are read under one name, such as ``wearable``, and numbered people have the same
    names in many of them: what is refused here is surely another study, what is not may be one.
    """
    stored = ""
    for group in _groups(out):
        stored = str(group.attributes.get("subject"))
        if stored in people:
            return
    if stored:
        raise RunError(
            f"{out} holds features of other people than this {dataset} has, such as {stored}: it is another "
            "study. Choose another place to write, or delete it."
        )
