"""A result folder: whole at every instant, mended when it is damaged, written by one process at a time."""

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reports import made_result
from support.run_folders import NAMES, RUN, beside, files_of, predictions, write_run

from physioaffect.errors import RunError
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.running import run_lock
from physioaffect.evaluation.running.durable import read_table
from physioaffect.evaluation.running.run_folder import RunFolder, read_log
from physioaffect.evaluation.running.run_lock import RunLock


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    write_run(path)
    return files_of(path)


def test_a_finished_run_has_these_files_and_no_others(unbroken):
    assert set(unbroken) == {
        "run.json", "predictions.parquet", "scores.parquet", "curves.parquet", "importance.parquet"
    }  # fmt: skip


def test_tables_are_merged_in_the_order_of_the_names(tmp_path):
    with RunFolder(tmp_path / "run", RUN) as store:
        for name in NAMES:
            store.write_part(name, predictions(name), tables=beside(name))
        store.finish(reversed(NAMES))
    merged = read_table(tmp_path / "run" / "predictions.parquet")
    pd.testing.assert_frame_equal(
        merged, pd.concat([predictions(name) for name in reversed(NAMES)], ignore_index=True)
    )
    curves = read_table(tmp_path / "run" / "curves.parquet")
    assert curves["fold"].tolist() == [NAMES[2]] * 3 + [NAMES[0]] * 3
    assert curves["loss"].tolist() == [1 / 3, 1 / 4, 1 / 5, 1, 1 / 2, 1 / 3]
    assert len(read_table(tmp_path / "run" / "importance.parquet")) == 6


def test_a_run_without_tables_beside_its_parts_gets_none(tmp_path):
    with RunFolder(tmp_path / "run", RUN) as store:
        store.write_part(NAMES[0], predictions(NAMES[0]), tables={"curves": None})
        store.finish(NAMES[:1])
    assert set(files_of(tmp_path / "run")) == {"run.json", "predictions.parquet", "scores.parquet"}


def test_a_table_that_is_not_known_is_refused(tmp_path):
    with (
        RunFolder(tmp_path / "run", RUN) as store,
        pytest.raises(ValueError, match="no table 'curve' beside it: use curves or importance"),
    ):
        store.write_part(NAMES[0], predictions(NAMES[0]), tables={"curve": beside(NAMES[0])["curves"]})


def test_a_table_left_by_a_broken_write_is_not_merged(tmp_path):
    with RunFolder(tmp_path / "run", RUN) as store:
        store.write_part(NAMES[0], predictions(NAMES[0]), tables=beside(NAMES[0]))
        store.part(NAMES[0]).unlink()
        store.write_part(NAMES[0], predictions(NAMES[0]))
        store.finish(NAMES[:1])
    assert not (tmp_path / "run" / "curves.parquet").exists()


def test_an_unfinished_run_cannot_be_finished(tmp_path):
    with RunFolder(tmp_path / "run", RUN) as store:
        with pytest.raises(RunError, match="has 0 of its parts"):
            store.finish(())
        store.write_part(NAMES[0], predictions(NAMES[0]))
        with pytest.raises(RunError, match=r"has 1 of 3 parts.*Give the same command again"):
            store.finish(NAMES)


# ---- Damage


def test_what_was_half_written_is_ignored_and_removed(tmp_path, unbroken):
    path = tmp_path / "run"
    with RunFolder(path, RUN) as store:
        store.write_part(NAMES[0], predictions(NAMES[0]), tables=beside(NAMES[0]))
    halves = [
        path / "run.json.partial",
        path / "predictions.parquet.partial",
        path / "parts" / f"{NAMES[1]}.parquet.partial",
        path / "parts" / "curves" / f"{NAMES[1]}.parquet.partial",
    ]
    for half in halves:
        half.write_bytes(b"PAR1")
    with RunFolder(path, RUN) as store:
        assert not any(half.exists() for half in halves)
        assert [store.has_part(name) for name in NAMES] == [True, False, False]
    write_run(path)
    assert files_of(path) == unbroken


def _truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    # In a page of the first column, behind the magic number and the page's header.
    at = content.index(b"loso")
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGES = {
    "truncated": _truncate,
    "empty": lambda _: b"",
    "garbage": lambda content: os.urandom(len(content)),
    "text": lambda _: b"<html>no such page</html>",
    "one bit": _flip,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["", "curves/", "importance/"])
def test_a_damaged_part_is_computed_again_and_said(tmp_path, damage, kind, unbroken):
    path = tmp_path / "run"
    with RunFolder(path, RUN) as store:
        for name in NAMES:
            store.write_part(name, predictions(name), tables=beside(name))
    file = path / "parts" / f"{kind}{NAMES[2]}.parquet"
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with pytest.warns(UserWarning, match=rf"{NAMES[2]}\.parquet is damaged \(.*was removed and is computed"):
        store = RunFolder(path, RUN)
    assert [store.has_part(name) for name in NAMES] == [True, True, False]
    store.close()
    assert read_log(path / "log.jsonl")[-1]["damaged"] == str(file.relative_to(path))
    write_run(path)
    assert files_of(path) == unbroken


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["predictions", "curves"])
def test_a_damaged_result_is_computed_again(tmp_path, damage, name, unbroken):
    path = tmp_path / "run"
    write_run(path)
    file = path / f"{name}.parquet"
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with pytest.warns(UserWarning, match=rf"{name}\.parquet is damaged"):
        write_run(path)
    assert files_of(path) == unbroken


@pytest.mark.parametrize("name", ["scores", "permutations"])
def test_a_damaged_table_made_from_the_predictions_does_not_undo_them(tmp_path, name):
    path = tmp_path / "run"
    write_run(path)
    with RunFolder(path, RUN) as store:
        store.write_table(name, predictions(NAMES[0]))
        assert store.has_table(name)
    (path / f"{name}.parquet").write_bytes(b"PAR1")
    with pytest.warns(UserWarning, match=rf"{name}\.parquet is damaged"):
        store = RunFolder(path, RUN)
    assert store.is_finished
    assert not store.has_table(name)
    store.close()


def test_a_part_damaged_meanwhile_is_not_merged(tmp_path, unbroken):
    path = tmp_path / "run"
    with RunFolder(path, RUN) as store:
        for name in NAMES:
            store.write_part(name, predictions(name), tables=beside(name))
        store.part(NAMES[1]).write_bytes(b"PAR1")
        with pytest.raises(RunError, match=rf"{NAMES[1]}\.parquet cannot be read.*computes anew what is dam"):
            store.finish(NAMES)
    assert not store.is_finished
    with pytest.warns(UserWarning, match="is damaged"):
        write_run(path)
    assert files_of(path) == unbroken


# ---- The log


@given(
    entries=st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)), max_size=5),
    cut=st.integers(0, 200),
    rubbish=st.binary(max_size=20),
)
def test_a_log_cut_anywhere_tells_its_whole_lines(entries, cut, rubbish):
    lines = [json.dumps(entry).encode() for entry in entries]
    whole = b"".join(line + b"\n" for line in lines)
    n_whole = whole[:cut].count(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(whole[:cut] + rubbish)
        assert read_log(path)[:n_whole] == entries[:n_whole]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_log_cut_in_a_line_is_continued_on_the_next(tmp_path, cut):
    path = tmp_path / "run"
    with RunFolder(path, RUN) as store:
        for name in NAMES[:2]:
            store.write_part(name, predictions(name), seconds=1.5)
    log = path / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-cut])
    write_run(path)
    told = read_log(log)
    # A line that lacks only its end is whole.
    assert [entry["part"] for entry in told] == [NAMES[0], *NAMES[1 : 2 if cut == 1 else 1], NAMES[2]]
    assert told[0]["seconds"] == 1.5


def test_a_line_of_a_log_that_is_no_object_is_left_out(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"part": "a"}\n[1]\n"part"\n{"part": "b"}\n')
    assert read_log(tmp_path / "log.jsonl") == [{"part": "a"}, {"part": "b"}]


def test_a_log_that_is_not_there_is_empty(tmp_path):
    assert read_log(tmp_path / "log.jsonl") == []


# ---- One writer


def test_a_folder_is_written_by_one_run_at_a_time(tmp_path):
    with RunFolder(tmp_path / "run", RUN) as first:
        with pytest.raises(RunError, match=rf"is being written by process {os.getpid()} on .*Wait until it"):
            RunFolder(tmp_path / "run", RUN)
        first.write_part(NAMES[0], predictions(NAMES[0]))
    assert not (tmp_path / "run" / "run.lock").exists()
    with RunFolder(tmp_path / "run", RUN) as second:
        assert second.has_part(NAMES[0])


def test_a_result_is_read_while_it_is_written(tmp_path):
    run = made_result(tmp_path / "made").run
    with RunFolder(tmp_path / "run", run) as store:
        store.write_part(NAMES[0], predictions(NAMES[0]))
        store.finish(NAMES[:1])
        assert len(Result.load(tmp_path / "run").predictions) == 12


def test_an_owner_that_is_gone_holds_no_lock(tmp_path):
    store = RunFolder(tmp_path / "run", RUN)
    del store
    gc.collect()
    with RunFolder(tmp_path / "run", RUN):
        pass


def test_what_cannot_be_opened_is_not_locked(tmp_path):
    write_run(tmp_path / "run")
    with pytest.raises(RunError, match="holds another run: request differ"):
        RunFolder(tmp_path / "run", RUN | {"request": {"seed": 1}})
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "thesis.tex").write_text("")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        RunFolder(stranger, RUN)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file; results need a folder"):
        RunFolder(tmp_path / "file", RUN)
    assert not list(tmp_path.rglob("run.lock"))


HOLDER = """
import sys
from pathlib import Path
from physioaffect.evaluation.running.run_folder import RunFolder

with RunFolder(Path(sys.argv[1]), {"request": {"seed": 0}, "task": {"kind": "binary"}}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_forked_child_lets_nobody_in(tmp_path):
    """It shares the lock: what it closes is its copy."""
    lock = RunLock(tmp_path)
    finalizer = lock.release.peek()
    assert finalizer is not None
    _, let_go, (handle, path, owner), _ = finalizer
    let_go(os.dup(handle), path, owner + 1)
    with pytest.raises(RunError, match=f"is being written by process {os.getpid()} on "):
        RunLock(tmp_path)
    lock.release()
    assert not path.exists()


def test_who_holds_a_lock_need_not_be_readable(tmp_path):
    handle = os.open(tmp_path / "run.lock", os.O_WRONLY | os.O_CREAT)
    try:
        assert run_lock._holder(handle) == "another process"
    finally:
        os.close(handle)


@pytest.mark.parametrize("ending", ["killed", "ended"])
def test_the_lock_of_another_process_lasts_as_long_as_the_process(tmp_path, ending):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match=rf"is being written by process {other.pid} on "):
            RunFolder(tmp_path / "run", RUN)
        if ending == "killed":
            other.send_signal(signal.SIGKILL)
        else:
            other.stdin.close()
        other.wait()
    assert (tmp_path / "run" / "run.lock").exists() == (ending == "killed")
    write_run(tmp_path / "run")
    assert not (tmp_path / "run" / "run.lock").exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Its former owner removes it between our opening and locking it: that lock would keep nobody out."""
    lock, n_calls = run_lock._lock, 0

    def late(handle):
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            (tmp_path / "run.lock").unlink()
        lock(handle)

    monkeypatch.setattr(run_lock, "_lock", late)
    with RunLock(tmp_path), pytest.raises(RunError, match="is being written"):
        RunLock(tmp_path)
    assert n_calls == 3


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def unknown(_handle):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(run_lock, "_lock", unknown)
    with pytest.warns(UserWarning, match="file system without locks .No locks available.: make sure that no"):
        write_run(tmp_path / "run")
