"""A result folder is durable, and survives a full disk, a failing sync and a folder that is read-only."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.run_folders import NAMES, RUN, files_of, write_run

from physioaffect.errors import RunError
from physioaffect.evaluation.running.durable import remove, write_whole
from physioaffect.evaluation.running.run_folder import RunFolder
from physioaffect.whole_file import sync_folder


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    write_run(path)
    return files_of(path)


def test_bytes_are_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle):
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        done.append("sync folder" if is_folder else f"sync {os.fstat(handle).st_size} bytes")
        fsync(handle)

    def renamed(self, target):
        done.append(f"{self.name} -> {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_whole(tmp_path / "a", b"12345")
    assert done == ["sync 5 bytes", "a.partial -> a", "sync folder"]


def test_what_lies_beside_a_part_is_durable_before_the_part(tmp_path, monkeypatch):
    written = []

    def watched(path, content):
        written.append(str(path.relative_to(tmp_path / "run")))
        write_whole(path, content)

    monkeypatch.setattr("physioaffect.evaluation.running.run_folder.write_whole", watched)
    write_run(tmp_path / "run")
    one = [f"parts/{kind}{NAMES[0]}.parquet" for kind in ("curves/", "importance/", "")]
    assert written[:4] == ["run.json", *one]
    assert written[-4:] == [
        "curves.parquet", "importance.parquet", "predictions.parquet", "scores.parquet"
    ]  # fmt: skip


class Broken:
    """An fsync of which one call fails."""

    def __init__(self, failing: int) -> None:
        self.failing, self.n_calls, self.fsync = failing, 0, os.fsync

    def __call__(self, handle: int) -> None:
        self.n_calls += 1
        if self.n_calls == self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.fsync(handle)


def test_any_fsync_may_fail(tmp_path, monkeypatch, unbroken):
    """The error is plain, nothing finished is lost, and the run goes on once the disk works again."""
    counting = Broken(0)
    monkeypatch.setattr(os, "fsync", counting)
    write_run(tmp_path / "all")
    monkeypatch.undo()
    n_files = 1 + 3 + 2 + 3 + 4  # run.json, parts, curves and importance beside them, merged tables.
    assert counting.n_calls >= 2 * n_files  # The file and its folder.
    for failing in range(1, counting.n_calls + 1):
        path, finished, again = tmp_path / str(failing), list[str](), list[str]()
        monkeypatch.setattr(os, "fsync", Broken(failing))
        with pytest.raises(RunError, match=rf"{path}.* cannot be written: Input/output error"):
            write_run(path, finished.append)
        monkeypatch.undo()
        if not (path / "predictions.parquet").exists():
            assert all((path / "parts" / f"{name}.parquet").exists() for name in finished)
        write_run(path, again.append)
        assert not set(again) & set(finished)
        assert files_of(path) == unbroken


@contextmanager
def files_no_longer_than(n_bytes: int) -> Iterator[None]:
    """As on a full disk; Python ignores the signal SIGXFSZ."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_full_disk_is_a_plain_error_and_the_run_goes_on_after_it(tmp_path, share, unbroken):
    finished: list[str] = []
    path = tmp_path / "run"
    longest = max(map(len, unbroken.values()))
    sentence = rf"{path}/.* cannot be written: File too large\. What was finished before is kept: make room"
    with files_no_longer_than(int(share * longest)), pytest.raises(RunError, match=sentence):
        write_run(path, finished.append)
    again: list[str] = []
    write_run(path, again.append)
    assert not set(again) & set(finished)
    assert files_of(path) == unbroken


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Only Linux has /dev/full.")
@pytest.mark.parametrize(
    "name",
    [f"parts/{NAMES[1]}.parquet", "curves.parquet", "predictions.parquet", "scores.parquet", "log.jsonl"],
)
def test_no_space_left(tmp_path, name, unbroken):
    path = tmp_path / "run"
    target = path / (name if name == "log.jsonl" else name + ".partial")

    def fill(_name: str) -> None:
        if not target.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to("/dev/full")

    with pytest.raises(RunError, match=rf"{path}.* cannot be written: No space left"):
        write_run(path, fill)
    if name == "log.jsonl":
        target.unlink()
    assert not target.exists()
    write_run(path)
    assert files_of(path) == unbroken


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder that may be read but not written; root may write everything, and becomes somebody else."""
    if os.name == "nt":
        pytest.skip("Permissions of POSIX.")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "run").mkdir(mode=0o555)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            yield Path(folder) / "run"
        finally:
            if was_root:
                os.seteuid(0)
            (Path(folder) / "run").chmod(0o755)


def test_a_folder_that_may_not_be_written_is_named():
    with nobody() as path, pytest.raises(RunError, match=r"run.lock cannot be written: Permission denied"):
        RunFolder(path, RUN)
    with nobody() as path, pytest.raises(RunError, match=r"Permission denied\. Choose another --out"):
        RunFolder(path / "deeper", RUN)


def test_folders_that_cannot_be_synced_are_written_all_the_same(tmp_path, monkeypatch):
    fsync = os.fsync

    def files_only(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    sync_folder(tmp_path)
    write_run(tmp_path / "run")


def test_what_is_in_the_way_is_named(tmp_path):
    write_run(tmp_path / "run", names=NAMES[:1])
    with RunFolder(tmp_path / "run", RUN) as store:
        (tmp_path / "run" / "checkpoints").write_text("a file")
        with pytest.raises(RunError, match=r"run cannot be written: Not a directory\. Choose another --out"):
            store.finish(NAMES[:1])
    (tmp_path / "run" / "log.jsonl").unlink()
    (tmp_path / "run" / "log.jsonl").mkdir()
    with pytest.raises(RunError, match="run cannot be written: Is a directory"):
        RunFolder(tmp_path / "run", RUN)
    with pytest.raises(RunError, match=r"log\.jsonl cannot be written: Is a directory"):
        remove(tmp_path / "run" / "log.jsonl")


def test_a_table_that_cannot_be_reached_is_not_taken_for_damaged(tmp_path):
    write_run(tmp_path / "run", names=NAMES[:1])
    scores = tmp_path / "run" / "scores.parquet"
    scores.unlink()
    scores.symlink_to(scores)
    with pytest.raises(RunError, match="run cannot be written: Too many levels of symbolic links"):
        RunFolder(tmp_path / "run", RUN)
    assert scores.is_symlink()


def test_a_name_that_no_file_system_takes_is_not_the_disk_s_fault(tmp_path):
    with pytest.raises(RunError, match=r"cannot be written: File name too long\. Choose another --out"):
        RunFolder(tmp_path / ("x" * 300), RUN)
