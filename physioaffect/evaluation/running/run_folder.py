"""The folder of a run: written as it grows, whole at every instant, continued where it was broken off.

``run.json`` says what was asked; ``parts/`` holds one Parquet file per finished fold, and a folder in it for
each of ``TABLES`` what else is known of it, such as ``parts/curves/``; at the end they become
``predictions.parquet``, ``curves.parquet`` and so on, and ``scores.parquet``, ``permutations.parquet`` and
``report.html`` are added.
``log.jsonl`` holds times, which are outside the promise that the same run gives the same bytes.

The order of writing is what makes every instant safe: tables beside a part before the part, which says that
the fold is finished; merged tables before ``predictions.parquet``, which says that all folds are; parts are
removed last.
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from physioaffect.errors import RunError
from physioaffect.evaluation.running.durable import (
    cannot_write,
    make_folder,
    parquet_bytes,
    read_json,
    read_table,
    remove,
    write_whole,
)
from physioaffect.evaluation.running.run_lock import LOCK, RunLock
from physioaffect.evaluation.scoring import score
from physioaffect.whole_file import PARTIAL

__all__ = ["TABLES", "RunFolder", "read_log", "refuse_another_request"]

# Tables that a part may have beside its predictions.
TABLES = ("curves", "importance", "choices")


class RunFolder:
    """The folder of one run; opening one that holds a part of the same run continues it.

    Use it in a ``with``: until its end nobody else can write there. What a killed run left half written is
    removed on opening; a part that is damaged is removed too, with a warning, and is then computed again.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.
    run : dict
        What was asked, as JSON values; ``run["task"]["kind"]`` decides the scores.

    Raises
    ------
    RunError
        If the folder holds something else, is being written by another run, or cannot be written.

    Warns
    -----
    UserWarning
        For each damaged table that was found, and will be computed again.
    """

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        text = json.dumps(run, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        _refuse_strangers(path)
        make_folder(path)
        self._lock = RunLock(path)
        try:
            # Once more, now that nobody else can change it.
            _refuse_strangers(path)
            if (path / "run.json").exists():
                _refuse_another_run(path, json.loads(text))
            else:
                # First of all: without it a folder cannot be told from a stranger's.
                write_whole(path / "run.json", text.encode())
            self._clean()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others write; what is finished stays."""
        self._lock.release()

    @property
    def checkpoints(self) -> Path:
        """Folder for what stacks in training keep, so that they can go on."""
        return self.path / "checkpoints"

    def part(self, name: str) -> Path:
        """Where the fold, or stack of folds, of that name is kept."""
        return self.path / "parts" / f"{name}.parquet"

    def has_part(self, name: str) -> bool:
        """Whether it is finished."""
        return self.part(name).exists()

    def write_part(
        self,
        name: str,
        frame: pd.DataFrame,
        *,
        tables: Mapping[str, pd.DataFrame | None] | None = None,
        **log: Any,
    ) -> None:
        """Keep one finished fold for good.

        Parameters
        ----------
        name : str
            The part's name.
        frame : pandas.DataFrame
            Its predictions.
        tables : dict of str to pandas.DataFrame, optional
            Other tables of the fold, by names of ``TABLES``; None or an empty one is not kept.
        **log
            What the log shall say of it.

        Raises
        ------
        RunError
            If it cannot be written; the fold then counts as unfinished, and what was finished before stays.
        """
        tables = tables or {}
        if unknown := sorted(set(tables) - set(TABLES)):
            raise ValueError(f"A part has no table {unknown[0]!r} beside it: use {' or '.join(TABLES)}.")
        for table in TABLES:
            path, content = self._beside(table, name), tables.get(table)
            if content is None or content.empty:
                remove(path)  # Of a run that was broken off before it wrote the part.
                continue
            make_folder(path.parent)
            write_whole(path, parquet_bytes(content))
        make_folder(self.part(name).parent)
        write_whole(self.part(name), parquet_bytes(frame))
        self._log(part=name, **log)

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Keep a table of the whole run, such as ``permutations``, as ``NAME.parquet``, for good."""
        write_whole(self.path / f"{name}.parquet", parquet_bytes(frame))

    def has_table(self, name: str) -> bool:
        """Whether that table of the whole run is there."""
        return (self.path / f"{name}.parquet").exists()

    @property
    def is_finished(self) -> bool:
        """Whether all folds have been merged."""
        return (self.path / "predictions.parquet").exists()

    def finish(self, names: Iterable[str]) -> None:
        """Merge the parts in the order of ``names``, write the scores, and remove the parts.

        It may be broken off at any instant, and is then done again from the start.

        Raises
        ------
        RunError
            If a part is missing or damaged, or something cannot be written.
        """
        if not self.is_finished:
            self._merge(list(names))
        predictions = self._read(self.path / "predictions.parquet")
        run = read_json(self.path / "run.json")
        self.write_table("scores", score(predictions, run["task"]["kind"]))
        # Before what lies beside them: a part that is there has its tables.
        for part in (self.path / "parts").glob("*.parquet"):
            remove(part)
        try:
            for folder in ("parts", "checkpoints"):
                if (self.path / folder).exists():
                    shutil.rmtree(self.path / folder)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _merge(self, names: list[str]) -> None:
        lacking = [name for name in names if not self.has_part(name)]
        if lacking or not names:
            raise RunError(
                f"{self.path} has {len(names) - len(lacking)} of {len(names) or 'its'} parts: it cannot be "
                "finished. Give the same command again: it computes what is missing."
            )
        for table in TABLES:
            there = [path for name in names if (path := self._beside(table, name)).exists()]
            if there:
                self.write_table(table, pd.concat(map(self._read, there), ignore_index=True))
        # The last: it says that everything is merged.
        parts = pd.concat([self._read(self.part(name)) for name in names], ignore_index=True)
        self.write_table("predictions", parts)

    def _beside(self, table: str, name: str) -> Path:
        return self.path / "parts" / table / f"{name}.parquet"

    def _read(self, path: Path) -> pd.DataFrame:
        try:
            return read_table(path)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{path} cannot be read: {_reason(error)}. Give the same command again: it computes anew "
                "what is damaged."
            ) from None

    def _log(self, **entry: Any) -> None:
        path = self.path / "log.jsonl"
        try:
            with path.open("ab") as stream:
                stream.write(json.dumps({**entry, "at": time.time()}).encode() + b"\n")
        except OSError as error:
            raise cannot_write(path, error) from error

    def _clean(self) -> None:
        """Remove what is half written or damaged, so that it is computed again."""
        try:
            folders = (self.path, self.path / "parts", *(self.path / "parts" / table for table in TABLES))
            for half in (half for folder in folders for half in folder.glob(f"*{PARTIAL}")):
                half.unlink()
            _end_last_line(self.path / "log.jsonl")
            # Without damaged merged tables, which come first, parts count again.
            damaged = [self._remove(*found) for found in list(self._damaged_tables())]
            damaged += [self._remove(*found) for found in list(self._damaged_parts())]
        except OSError as error:
            raise cannot_write(self.path, error) from error
        for sentence in damaged:
            warnings.warn(sentence, stacklevel=3)

    def _remove(self, damaged: Path, reason: str, files: list[Path]) -> str:
        for path in files:
            path.unlink(missing_ok=True)
        self._log(damaged=str(damaged.relative_to(self.path)), reason=reason)
        return f"{damaged} is damaged ({reason}): it was removed and is computed again."

    def _damaged_parts(self) -> Iterator[tuple[Path, str, list[Path]]]:
        if self.is_finished:
            return
        for part in sorted((self.path / "parts").glob("*.parquet")):
            own = [part, *(self._beside(table, part.stem) for table in TABLES)]
            for path in own:
                if path.exists() and (reason := _damage(path)):
                    # The part first: while it is there, the fold counts as finished.
                    yield path, reason, own
                    break

    def _damaged_tables(self) -> Iterator[tuple[Path, str, list[Path]]]:
        predictions = self.path / "predictions.parquet"
        for path in sorted(self.path.glob("*.parquet")):
            if reason := _damage(path):
                # What was merged is merged again, and so counts as unfinished; others are made from it.
                yield path, reason, [predictions, path] if path.stem in TABLES else [path]


def read_log(path: Path) -> list[dict[str, Any]]:
    """What ``log.jsonl`` says, line by line; lines that were cut off are left out.

    Parameters
    ----------
    path : Path
        The file; it may be missing.

    Returns
    -------
    list of dict
        For a finished fold ``part``, ``at`` in seconds since 1970, and what was told of it.
    """
    entries = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def refuse_another_request(path: Path, request: Mapping[str, Any]) -> None:
    """Refuse a folder that cannot hold this run, before anything is read for it.

    Parameters
    ----------
    path : Path
        The folder; it may be missing.
    request : dict
        As in ``run["request"]``, or a part of it.

    Raises
    ------
    RunError
        If it is a file, holds something else, or a run of which something else was asked.
    """
    _refuse_strangers(path)
    if (path / "run.json").exists():
        before = read_json(path / "run.json").get("request")
        asked = json.loads(json.dumps(request))
        _refuse_differing(path, before if isinstance(before, dict) else {}, asked, asked)


def _refuse_strangers(path: Path) -> None:
    try:
        there = {item.name for item in path.iterdir()} if path.exists() else set()
    except NotADirectoryError:
        raise RunError(f"{path} is a file; results need a folder. Choose another --out.") from None
    except OSError as error:
        raise cannot_write(path, error) from error
    if "run.json" not in there and not there <= {"run.json" + PARTIAL, LOCK}:
        raise RunError(f"{path} is not empty and holds no run. Choose another --out.")


def _refuse_another_run(path: Path, run: dict[str, Any]) -> None:
    before = read_json(path / "run.json")
    _refuse_differing(path, before, run, before.keys() | run.keys())


def _refuse_differing(
    path: Path, before: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]
) -> None:
    if differing := sorted(name for name in names if before.get(name) != now.get(name)):
        raise RunError(
            f"{path} holds another run: {', '.join(differing)} differ. Choose another --out, or "
            "delete that folder if it is no longer needed."
        )


def _damage(path: Path) -> str | None:
    """What is wrong with a Parquet file; None if it can be read to its end."""
    try:
        read_table(path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # Not the file but the way to it.
        return _reason(error)
    return None


def _reason(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0].rstrip(".")


def _end_last_line(path: Path) -> None:
    """End a line that was cut off, so that the next does not continue it."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        content = stream.read()
        if content and not content.endswith(b"\n"):
            stream.write(b"\n")
