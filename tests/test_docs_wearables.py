"""The page on wearables runs as it stands, and prints what it says."""

import re
import shlex
import threading
import time
import uuid
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.datasets import find_recordings, get
from physioaffect.devices.map_file import read_map
from physioaffect.errors import DataError
from physioaffect.features import default_recipe

PAGE = Path(__file__).resolve().parent.parent / "docs" / "wearables.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_the_page_runs_on_real_recordings(real_data, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stress_predict").symlink_to(real_data / "realdata" / "stress_predict")
    names: dict[str, object] = {}
    # What listens to a live stream has a test of its own below.
    for block in (block for block in blocks("python") if "connect_lsl" not in block):
        exec(compile(block, "docs/wearables.md", "exec"), names)
    printed = capsys.readouterr().out
    shown = [block for block in blocks("text") if not block.startswith("file\t")]
    assert printed == "".join(shown)
    assert (tmp_path / "table.html").stat().st_size < 25 * 100_000


@pytest.mark.slow
def test_the_page_listens_to_a_live_wristband(monkeypatch, capsys):
    pylsl = pytest.importorskip("pylsl", reason="live streams are an extra", exc_type=ImportError)
    from physioaffect.devices.lsl import LslReceiver

    pylsl.set_config_content(f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {uuid.uuid4().hex}\n")
    # The block listens until nothing comes any more.
    monkeypatch.setattr(LslReceiver, "chunks", partialmethod(LslReceiver.chunks, timeout=3.0))
    outlets = {}
    for name, kind, sfreq, unit, labels in (
        ("wrist EDA", "EDA", 4, "microsiemens", ["EDA"]),
        ("wrist ACC", "ACC", 32, "g", ["X", "Y", "Z"]),
    ):
        info = pylsl.StreamInfo(name, kind, len(labels), sfreq, "float32", uuid.uuid4().hex)
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            for key, text in (("label", label), ("type", kind), ("unit", unit)):
                channel.append_child_value(key, text)
        outlets[name] = pylsl.StreamOutlet(info)
    if not pylsl.resolve_byprop("name", "wrist EDA", timeout=5):
        pytest.skip("this machine does not let LSL find a stream on it")

    def send() -> None:
        """Two and a half minutes in a few seconds, with their own time stamps."""
        for outlet in outlets.values():
            outlet.wait_for_consumers(60)
        now = pylsl.local_clock()
        for second in range(150):
            t = second + np.arange(4) / 4
            eda = (2 + 0.4 * np.sin(np.pi * (t % 12) / 12) ** 8)[:, np.newaxis]
            acc = np.tile([0.0, 0.6, 0.8], (32, 1))
            outlets["wrist EDA"].push_chunk(eda.tolist(), now + second + 0.75)
            outlets["wrist ACC"].push_chunk(acc.tolist(), now + second + 31 / 32)
            time.sleep(0.05)

    [block] = [block for block in blocks("python") if "connect_lsl" in block]
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    with pytest.raises(DataError, match="Nothing has come from"):
        exec(compile(block, "docs/wearables.md", "exec"), {})
    sender.join(60)
    lines = re.findall(r"\[\s*(\S+?)\.?\]\s+\[\s*(\S+)\s*\]", capsys.readouterr().out)
    starts, rates = np.array(lines, dtype=float).T
    # 150 s of it, less the 37 s that the high-pass looks ahead, are windows up to 110 s.
    assert starts.tolist() == [0, 10, 20, 30, 40, 50]
    # A response every twelve seconds.
    np.testing.assert_allclose(rates[2:], 5, atol=1)


def test_the_command_runs_on_a_real_recording(real_data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "stress_predict"
    folder.mkdir()
    for name in ("S01_E4.zip", "LICENSE"):
        (folder / name).write_bytes((real_data / "realdata" / "stress_predict" / name).read_bytes())
    command, _ = blocks("bash")
    program, *arguments = shlex.split(command)
    assert program == "physioaffect"
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "1 person: features.zarr" in result.output
    assert (tmp_path / "features.html").exists()


def test_every_signal_gets_the_families_that_the_page_names():
    rows = re.findall(
        r"^\| .* \((`\w+`(?:, `\w+`)*)\).* \| (`\w+`(?:, `\w+`)*) \|$", PAGE.read_text("utf-8"), re.M
    )
    named = [[set(re.findall(r"\w+", cell)) for cell in row] for row in rows]
    for signals, families in named:
        dataset = replace(get("stress_predict"), sfreqs=dict.fromkeys(signals, 64.0), is_raw_export=True)
        made = {family.name for family in default_recipe(dataset).features}
        # Of several signals the rows above tell what each has by itself.
        assert families == made if len(signals) == 1 else families < made, signals
    of_all = dict.fromkeys(set.union(*(signals for signals, _ in named)), 64.0)
    everything = default_recipe(replace(get("stress_predict"), sfreqs=of_all, is_raw_export=True))
    assert set.union(*(families for _, families in named)) == {one.name for one in everything.features}
    assert len(everything.features) == 11


def test_the_map_and_the_table_of_sessions_are_whole(tmp_path):
    [stated] = blocks("toml")
    (tmp_path / "physioaffect.toml").write_text(stated)
    csv_map = read_map(tmp_path / "physioaffect.toml")
    assert csv_map.device == "Finger clip"
    [sessions] = [block for block in blocks("text") if block.startswith("file\t")]
    (tmp_path / "sessions.tsv").write_text(sessions)
    for day in ("monday", "friday"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "a.zip").write_bytes(b"PK")
    found = find_recordings(tmp_path)
    assert [one.session for one in found.people["ann"]] == ["after", "before"]
