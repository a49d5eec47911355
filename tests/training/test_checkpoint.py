"""A checkpoint is replaced as a whole: what breaks off while it is written leaves the one before."""

import errno
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from physioaffect.errors import RunError  # noqa: E402
from physioaffect.training.checkpoint import Checkpoint  # noqa: E402


def saved(path: Path) -> Checkpoint:
    checkpoint = Checkpoint(path=path / "deep" / "group.safetensors")
    checkpoint.save({"weight": torch.arange(3.0)}, {"key": "k", "step": 1})
    return checkpoint


def test_what_was_broken_off_leaves_the_one_before(tmp_path):
    checkpoint = saved(tmp_path)
    whole = checkpoint.path.read_bytes()
    for length in (0, 1, 8, len(whole) - 1):
        checkpoint.path.with_name("group.safetensors.partial").write_bytes(whole[:length])
        kept = checkpoint.load("k")
        assert kept is not None
        assert kept[0]["weight"].tolist() == [0, 1, 2]
        assert kept[1]["step"] == 1
    checkpoint.save({"weight": torch.ones(1)}, {"key": "k", "step": 2})
    assert [file.name for file in checkpoint.path.parent.iterdir()] == ["group.safetensors"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_a_plain_error_and_keeps_the_one_before(tmp_path, monkeypatch, call):
    checkpoint = saved(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
    with pytest.raises(RunError, match=r"group.safetensors cannot be written: No space left.*make room on"):
        checkpoint.save({"weight": torch.ones(1)}, {"key": "k", "step": 2})
    monkeypatch.undo()
    kept = checkpoint.load("k")
    assert kept is not None
    assert kept[1]["step"] == 1
    assert [file.name for file in checkpoint.path.parent.iterdir()] == ["group.safetensors"]
