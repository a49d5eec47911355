"""Exports of the Empatica E4: what is read, what is flagged, and what is refused."""

import re
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.empatica import E4Session, e4_files, read_e4, read_e4_sessions
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

START = 1_644_226_061
EXPORT = {
    "ACC.csv": f"{START}.000000, {START}.000000, {START}.000000\n32.000000, 32.000000, 32.000000\n"
    + "-2,43,43\n" * 63
    + "64,-128,0\n",
    "BVP.csv": f"{START}\r\n64\r\n" + "0\r\n" * 64 + "-0.00\r\n1.25\r\n",
    "EDA.csv": f"{START}.000000\n4.000000\n0.000000\n0.112750\n0.166563\n0.167844\n0.2\n-0.1\n101\n0.3\n",
    "TEMP.csv": f"{START}.000000\n4.000000\n" + "382.21\n" * 4 + "33.5\n9.99\n10\n50.01\n",
    "HR.csv": f"{START + 10}.000000\n1.000000\n83.00\n72.67\n0\n",
    "IBI.csv": f"{START}.000000, IBI\n35.484375,0.890625\n36.343750,0.859375\n",
    "tags.csv": f"{START + 79}.00\n{START + 374}.25\n",
}

Content = str | bytes


def _bytes(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def write_folder(folder: Path, files: Mapping[str, Content]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(_bytes(content))
    return folder


def write_zip(path: Path, files: Mapping[str, Content]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, _bytes(content))
    return path


def sampled(session: E4Session | DeviceSession, name: str) -> Signal:
    signal = session.signals[name]
    assert isinstance(signal, Signal)
    return signal


def events(session: E4Session | DeviceSession, name: str) -> Events:
    found = session.signals[name]
    assert isinstance(found, Events)
    return found


def refused(path: Path) -> str | None:
    """What the reader says against a session; any error but its own goes through."""
    try:
        read_e4(path)
    except DataError as error:
        return str(error)
    return None


def read_with(tmp_path: Path, **changed: Content | None) -> E4Session:
    files = EXPORT | {f"{name}.csv": content for name, content in changed.items() if content is not None}
    kept = {name: content for name, content in files.items() if changed.get(name[:-4], "") is not None}
    return read_e4(write_folder(tmp_path / "session", kept))


def test_a_session_has_every_sensor_in_its_unit(tmp_path: Path) -> None:
    session = read_with(tmp_path)
    assert session.started_at == datetime(2022, 2, 7, 9, 27, 41, tzinfo=UTC)
    found = {
        name: (signal.kind, signal.unit, signal.sfreq, signal.ch_names, signal.n_times)
        for name, signal in session.signals.items()
        if isinstance(signal, Signal)
    }
    assert found == {
        "acc": ("acc", "g", 32.0, ("ACC_X", "ACC_Y", "ACC_Z"), 64),
        "ppg": ("ppg", "au", 64.0, ("BVP",), 66),
        "eda": ("eda", "uS", 4.0, ("EDA",), 8),
        "temperature": ("temperature", "degC", 4.0, ("TEMP",), 8),
        "hr": ("hr", "bpm", 1.0, ("HR",), 3),
    }
    assert_array_equal(sampled(session, "acc").data[:, -1], [1.0, -2.0, 0.0])
    assert_array_equal(sampled(session, "eda").data[0], [0, 0.11275, 0.166563, 0.167844, 0.2, -0.1, 101, 0.3])
    assert sampled(session, "ppg").data[0, -1] == 1.25


def test_the_first_second_settles_and_implausible_values_are_flagged(tmp_path: Path) -> None:
    session = read_with(tmp_path)
    settling, odd = int(Flag.SETTLING), int(Flag.OUT_OF_RANGE)
    assert_array_equal(sampled(session, "temperature").flags, [settling | odd] * 4 + [0, odd, 0, odd])
    assert_array_equal(sampled(session, "eda").flags, [settling] * 4 + [0, odd, odd, 0])
    assert_array_equal(sampled(session, "hr").flags, [settling, 0, odd])
    assert_array_equal(np.flatnonzero(sampled(session, "acc").flags), np.arange(32))


def test_files_keep_their_own_start(tmp_path: Path) -> None:
    session = read_with(tmp_path, TEMP=EXPORT["TEMP.csv"].replace(str(START), f"{START - 3}.5"[:-2]))
    assert session.started_at.timestamp() == START - 3
    assert {name: signal.start for name, signal in session.signals.items() if isinstance(signal, Signal)} == {
        "acc": 3.0,
        "ppg": 3.0,
        "eda": 3.0,
        "temperature": 0.0,
        "hr": 13.0,
    }
    assert_allclose(events(session, "ibi").times, [38.484375, 39.34375])
    assert_allclose(events(session, "tags").times, [82.0, 377.25])


def test_intervals_and_tags_are_events(tmp_path: Path) -> None:
    session = read_with(tmp_path)
    intervals, tags = events(session, "ibi"), events(session, "tags")
    assert (intervals.kind, tags.kind) == ("ibi", "tags")
    assert_allclose(intervals.values, [0.890625, 0.859375])
    assert_allclose(tags.times, [79.0, 374.25])
    assert_array_equal(tags.values, [1, 2])


def test_intervals_that_no_heart_takes_are_unknown(tmp_path: Path) -> None:
    lines = "".join(f"{40 + n}.5, {seconds}\r\n" for n, seconds in enumerate([0.29, 0.3, 2.0, 2.01]))
    session = read_with(tmp_path, IBI=f"{START}.000000, IBI\r\n{lines}")
    assert_allclose(events(session, "ibi").times, [40.5, 41.5, 42.5, 43.5])
    assert_allclose(events(session, "ibi").values, [np.nan, 0.3, 2.0, np.nan])


def test_tags_pressed_earlier_than_the_recording_come_first(tmp_path: Path) -> None:
    session = read_with(tmp_path, tags=f"{START + 5}\r\n{START - 42521}\r\n")
    assert_array_equal(events(session, "tags").times, [-42521, 5])


@pytest.mark.parametrize("name", ["tags.csv", "tags_S01.csv", "tags_1.csv"])
@pytest.mark.parametrize("content", ["", "\r\n"])
def test_nobody_pressed_the_button(tmp_path: Path, name: str, content: str) -> None:
    session = read_e4(write_folder(tmp_path / "a", {"EDA.csv": EXPORT["EDA.csv"], name: content}))
    assert len(events(session, "tags").times) == 0


@pytest.mark.parametrize("content", ["", f"{START}.000000, IBI\n", f"{START},IBI\r\n"])
def test_a_device_that_trusted_no_beat_has_no_intervals(tmp_path: Path, content: str) -> None:
    assert len(events(read_with(tmp_path, IBI=content), "ibi").times) == 0


@pytest.mark.parametrize(
    ("header", "ending"),
    [
        (f"{START}.000000\n4.000000\n", "\n"),
        (f"{START}\r\n4\r\n", "\r\n"),
        (f"{START}.00\n4.0\n", "\n\n"),
        (f"\ufeff{START}\n4\n", ""),
        (f" {START} \n 4 \n", " \n"),
        (f"{START}.000000, {START}.000000\n4.000000, 4.000000\n", "\n"),
    ],
)
def test_every_variant_of_the_header_reads_alike(tmp_path: Path, header: str, ending: str) -> None:
    newline = "\r\n" if "\r" in header else "\n"
    session = read_with(tmp_path, EDA=header + newline.join(["0.5", "0.25", "1e-1"]) + ending)
    assert_array_equal(sampled(session, "eda").data, [[0.5, 0.25, 0.1]])
    assert sampled(session, "eda").sfreq == 4.0


def test_a_zip_reads_as_its_folder_does(tmp_path: Path) -> None:
    folder = read_e4(write_folder(tmp_path / "a", EXPORT))
    zipped = read_e4(write_zip(tmp_path / "a.zip", {f"S01/{name}": text for name, text in EXPORT.items()}))
    assert zipped.started_at == folder.started_at
    assert zipped.signals.keys() == folder.signals.keys()
    for name, signal in folder.signals.items():
        if isinstance(signal, Signal):
            assert_array_equal(sampled(zipped, name).data, signal.data)
            assert_array_equal(sampled(zipped, name).flags, signal.flags)
        else:
            assert_array_equal(events(zipped, name).times, signal.times)


@pytest.mark.parametrize("lacking", EXPORT)
def test_a_session_lacks_the_signal_of_a_missing_file(tmp_path: Path, lacking: str) -> None:
    names = dict(zip(EXPORT, ["acc", "ppg", "eda", "temperature", "hr", "ibi", "tags"], strict=True))
    session = read_with(tmp_path, **{lacking[:-4]: None})
    assert session.signals.keys() == set(names.values()) - {names[lacking]}


def test_only_the_files_of_the_device_are_listed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", EXPORT | {"info.txt": "", "notes.csv": "", "._EDA.csv": b"\0"})
    assert [path.name for path in e4_files(folder)] == sorted(EXPORT)
    zipped = write_zip(tmp_path / "a.zip", EXPORT)
    assert e4_files(zipped) == [zipped]
    with pytest.raises(DataError, match="cannot be opened as a folder"):
        e4_files(tmp_path / "nowhere")


@pytest.mark.parametrize("files", [{}, {"info.txt": ""}, {"IBI.csv": EXPORT["IBI.csv"], "tags.csv": ""}])
def test_a_session_without_any_sampled_signal_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(
        DataError, match=r"holds no sampled signal of an E4 session.*ACC\.csv.*not the one above"
    ):
        read_e4(write_folder(tmp_path / "a", files))
    with pytest.raises(DataError, match="holds no sampled signal of an E4 session"):
        read_e4(write_zip(tmp_path / "a.zip", files))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "EDA",
            EXPORT["EDA.csv"].replace("0.166563", "0.1x6563"),
            "EDA.csv has '0.1x6563' in line 5; expected one",
        ),
        ("EDA", EXPORT["EDA.csv"].replace("0.166563", ""), "EDA.csv has '' in line 5.*do not delete it"),
        ("EDA", EXPORT["EDA.csv"].replace("0.166563", "nan"), "has 'nan' in line 5"),
        ("EDA", EXPORT["EDA.csv"].replace("0.166563", "1e999"), "has '1e999' in line 5"),
        ("EDA", EXPORT["EDA.csv"].replace("0.166563", "0,166563"), "has '0,166563' in line 5"),
        ("EDA", EXPORT["EDA.csv"].replace("0.166563", "1_000"), "has '1_000' in line 5"),
        ("EDA", EXPORT["EDA.csv"].replace("0.166563", "x" * 200), "has 'x{57}...' in line 5"),
        ("EDA", EXPORT["EDA.csv"] + "0.3.", "has '0.3.' in line 11.*last line.*delete that line"),
        (
            "ACC",
            EXPORT["ACC.csv"] + "12,-4",
            "ACC.csv has '12,-4' in line 67; expected 3 numbers.*delete that",
        ),
        ("ACC", EXPORT["ACC.csv"].replace("64,-128,0", "64,-128,0,1"), "has '64,-128,0,1' in line 66"),
        ("IBI", EXPORT["IBI.csv"] + "36.5\n", "IBI.csv has '36.5' in line 4; expected 2 numbers"),
        ("IBI", EXPORT["IBI.csv"].replace("IBI", "HRV"), "IBI.csv starts with .*expected.*a comma and IBI"),
        ("IBI", "yesterday, IBI\n", "IBI.csv starts with 'yesterday, IBI'"),
        ("tags", f"{START}\npressed\n", "tags.csv has 'pressed' in line 2"),
        ("EDA", "", "EDA.csv holds no samples.*delete the file"),
        ("EDA", f"{START}\n4\n", "EDA.csv holds no samples"),
        ("EDA", f"{START}\n", "EDA.csv has nothing in line 2; expected the sampling rate"),
        ("EDA", "0.2\n0.3\n0.4\n", "EDA.csv starts with '0.2'; expected the time of its first sample"),
        ("EDA", "time\n4\n0.1\n", "EDA.csv starts with 'time'"),
        ("EDA", f"{START}000\n4\n0.1\n", "EDA.csv starts with '1644226061000'"),
        ("EDA", f"{START};4\n0.1\n", "EDA.csv starts with '1644226061;4'"),
        ("EDA", f"-{START}\n4\n0.1\n", "EDA.csv starts with '-1644226061'"),
        (
            "ACC",
            f"{START}, {START}, {START + 1}\n32, 32, 32\n1,1,1\n",
            "ACC.csv starts with.*the same in every",
        ),
        ("ACC", f"{START}, {START}, {START}\n32, 32, 16\n1,1,1\n", "ACC.csv has '32, 32, 16' in line 2"),
        (
            "EDA",
            f"{START}\n0\n0.1\n",
            "EDA.csv has '0' in line 2; expected the sampling rate in Hz, from 0.1 to 1000",
        ),
        ("EDA", f"{START}\n-4\n0.1\n", "EDA.csv has '-4' in line 2"),
        ("EDA", f"{START}\n1e9\n0.1\n", "EDA.csv has '1e9' in line 2"),
        ("EDA", f"{START}\n1e-300\n0.1\n", "EDA.csv has '1e-300' in line 2"),
        ("EDA", f"{START}\nnan\n0.1\n", "EDA.csv has 'nan' in line 2"),
        ("EDA", f"{START}\nfast\n0.1\n", "EDA.csv has 'fast' in line 2"),
        (
            "EDA",
            EXPORT["EDA.csv"].encode("utf-16"),
            "EDA.csv is not a text file: it starts with .*plain text",
        ),
        ("EDA", b"\x89PNG\r\n\x1a\n\0\0\0", "EDA.csv is not a text file"),
        ("EDA", EXPORT["EDA.csv"].encode() + b"\0\0\0", "EDA.csv is not a text file"),
        ("EDA", EXPORT["EDA.csv"].replace("\n", "\r"), "EDA.csv starts with"),
        (
            "HR",
            EXPORT["HR.csv"].replace(str(START + 10), str(START + 259200)),
            "HR.csv starts 72.0 h after ACC.csv",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, name: str, text: Content, message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_with(tmp_path, **{name: text})


@pytest.mark.parametrize("length", [1, 5, 60])
def test_blocks_of_lines_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    whole = read_with(tmp_path)
    monkeypatch.setattr("physioaffect.devices._e4_lines._BLOCK", length)
    blocks = read_with(tmp_path)
    for name in ("acc", "ppg", "eda", "temperature", "hr"):
        assert_array_equal(sampled(blocks, name).data, sampled(whole, name).data)
    assert_array_equal(events(blocks, "ibi").values, events(whole, "ibi").values)
    for broken in ("0.1x6563", "", " ", "1,2"):
        with pytest.raises(DataError, match=rf"EDA\.csv has '{broken}' in line 5; expected one number"):
            read_with(tmp_path, EDA=EXPORT["EDA.csv"].replace("0.166563", broken))


def test_a_file_with_more_lines_than_the_battery_lasts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physioaffect.devices._e4_lines._MOST_LINES", 66)
    read_with(tmp_path)
    with pytest.raises(DataError, match=r"BVP\.csv has 67 lines, more than an E4 can record in two days"):
        read_with(tmp_path, BVP=str(EXPORT["BVP.csv"]) + "0\r\n")


def test_paths_that_are_no_session(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no .*nowhere.*folder or zip"):
        read_e4(tmp_path / "nowhere")
    folder = write_folder(tmp_path / "a", EXPORT)
    with pytest.raises(DataError, match=r"EDA\.csv is not a readable zip.*not one of its files"):
        read_e4(folder / "EDA.csv")


def test_two_sessions_in_one_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds tags\.csv 2 times"):
        read_e4(write_folder(tmp_path / "a", EXPORT | {"tags_S01.csv": ""}))
    twice = {f"{person}/EDA.csv": EXPORT["EDA.csv"] for person in ("S01", "S02")}
    with pytest.raises(DataError, match=r"holds EDA\.csv 2 times.*a folder or zip of its own"):
        read_e4(write_zip(tmp_path / "a.zip", twice))


def test_names_in_a_zip_point_nowhere(tmp_path: Path) -> None:
    names = {"EDA.csv": "../../EDA.csv", "ACC.csv": "/absolute/ACC.csv", "HR.csv": "..\\..\\HR.csv"}
    path = write_zip(tmp_path / "a.zip", {hostile: EXPORT[name] for name, hostile in names.items()})
    before = sorted(tmp_path.parent.rglob("*"))
    assert read_e4(path).signals.keys() == {"acc", "eda", "hr"}
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"EDA.csv": EXPORT["EDA.csv"]})
    link = zipfile.ZipInfo("HR.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/hostname")
    assert read_e4(path).signals.keys() == {"eda"}


def moved(seconds: int) -> dict[str, Content]:
    """The export as if it had been recorded later."""
    return {
        name: re.sub(r"1644226\d\d\d", lambda time: str(int(time[0]) + seconds), text)
        for name, text in EXPORT.items()
    }


def test_a_session_of_three_seconds_is_a_session(tmp_path: Path) -> None:
    short = {
        "EDA": f"{START}.0\n4.0\n" + "0.2\n" * 12,
        "BVP": f"{START}.0\n64.0\n" + "1.0\n" * 192,
        "ACC": f"{START}.0,{START}.0,{START}.0\n32.0,32.0,32.0\n" + "0,0,64\n" * 96,
        "HR": None,  # It comes ten seconds late.
        "IBI": f"{START}.0, IBI\n",
        "tags": "",
    }
    session = read_with(tmp_path, **short)
    assert {name: s.duration for name, s in session.signals.items() if isinstance(s, Signal)} == {
        "acc": 3.0,
        "ppg": 3.0,
        "eda": 3.0,
        "temperature": 2.0,
    }


def test_sessions_are_joined_at_their_place_in_time(tmp_path: Path) -> None:
    first = write_zip(tmp_path / "first.zip", EXPORT)
    later = write_folder(tmp_path / "later", moved(60))
    session = read_e4_sessions([later, first])
    assert session.device == "Empatica E4"
    assert session.started_at == datetime(2022, 2, 7, 9, 27, 41, tzinfo=UTC)
    eda, gap = sampled(session, "eda"), int(Flag.GAP)
    assert eda.n_times == 60 * 4 + 8
    assert_array_equal(eda.data[0, [2, 242]], [0.166563, 0.166563])
    assert_array_equal(eda.flags == gap, (eda.times >= 2) & (eda.times < 60))
    assert np.isnan(eda.data[:, eda.flags == gap]).all()
    settling = int(Flag.SETTLING)
    assert_array_equal(np.flatnonzero(eda.flags & settling), [0, 1, 2, 3, 240, 241, 242, 243])
    assert_allclose(events(session, "tags").times, [79, 139, 374.25, 434.25])
    assert_array_equal(events(session, "tags").values, [1, 2, 3, 4])
    assert_allclose(events(session, "ibi").times, [35.484375, 36.34375, 95.484375, 96.34375])
    assert "eda: 1 gap, 58 s in all." in session.notes


def test_a_folder_of_sessions_is_read_as_its_list(tmp_path: Path) -> None:
    write_zip(tmp_path / "1644226061_A00.zip", EXPORT)
    write_folder(tmp_path / "1644226121_A00", moved(60))
    write_folder(tmp_path / "notes", {"notes.txt": "left wrist"})
    session = read_e4_sessions(tmp_path)
    assert sampled(session, "eda").n_times == 60 * 4 + 8
    alone = read_e4_sessions(tmp_path / "1644226121_A00")
    assert_array_equal(sampled(alone, "eda").data, sampled(read_with(tmp_path), "eda").data)
    assert alone.notes == ()
    with pytest.raises(DataError, match=r"holds no E4 session: expected zips, or folders"):
        read_e4_sessions(tmp_path / "notes")
    with pytest.raises(DataError, match=r"There is no .*nowhere"):
        read_e4_sessions(tmp_path / "nowhere")


def test_a_broken_session_of_several_is_left_out_only_if_asked(tmp_path: Path) -> None:
    good = write_zip(tmp_path / "a.zip", EXPORT)
    bad = write_zip(tmp_path / "b.zip", moved(60) | {"EDA.csv": f"{START}\n4\n0.1\nx\n"})
    with pytest.raises(DataError, match=r"EDA\.csv has 'x' in line 4"):
        read_e4_sessions(tmp_path)
    session = read_e4_sessions(tmp_path, skip_broken=True)
    assert_array_equal(sampled(session, "acc").data, sampled(read_e4(good), "acc").data)
    (note,) = session.notes
    assert note.startswith(f"Left out: {bad}/EDA.csv has 'x' in line 4; expected one number.")
    with pytest.raises(DataError, match=r"EDA\.csv has 'x' in line 4"):
        read_e4_sessions([bad], skip_broken=True)


def test_two_exports_of_one_session_are_one(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", EXPORT)
    write_zip(tmp_path / "a (1).zip", EXPORT)
    joined, once = read_e4_sessions(tmp_path), read_e4(tmp_path / "a.zip")
    for name, signal in once.signals.items():
        if isinstance(signal, Signal):
            assert_array_equal(sampled(joined, name).data, signal.data)
            assert_array_equal(sampled(joined, name).flags, signal.flags)
        else:
            assert_array_equal(events(joined, name).times, signal.times)
            assert_array_equal(events(joined, name).values, signal.values)


def test_sessions_of_two_wristbands_at_one_time_are_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "left.zip", EXPORT)
    write_zip(tmp_path / "right.zip", EXPORT | {"EDA.csv": f"{START}\n4\n" + "0.7\n" * 8})
    with pytest.raises(
        DataError, match=r"eda in the recording of .* begins 2 s before .*another person or device"
    ):
        read_e4_sessions(tmp_path)


def _set_in_headers(path: Path, offset_in_local: int, value: bytes) -> None:
    """Overwrite a field that local and central header of a one-member zip have in the same order."""
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\1\2")
    for at in (offset_in_local, central + offset_in_local + 2):
        data[at : at + len(value)] = value
    path.write_bytes(bytes(data))


def test_a_zip_that_expands_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = f"{START}\n4\n" + "0\n" * 100_000
    module = "physioaffect.devices._e4_files"
    path = write_zip(tmp_path / "a.zip", {"EDA.csv": bomb})
    folder = write_folder(tmp_path / "a", {"EDA.csv": bomb})
    assert sampled(read_e4(path), "eda").n_times == 100_000
    monkeypatch.setattr(f"{module}._LARGEST_FILE", 2**16)
    for place in (path, folder):
        with pytest.raises(DataError, match=r"EDA\.csv has more than 0 MB, more than an E4 can record"):
            read_e4(place)
    monkeypatch.setattr(f"{module}._LARGEST_SESSION", 2**15)
    with pytest.raises(DataError, match="would expand to more than 0 MB"):
        read_e4(path)


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"EDA.csv": f"{START}\n4\n" + "0\n" * 100_000})
    _set_in_headers(path, 22, struct.pack("<I", 50))
    with pytest.raises(DataError, match="not a readable zip"):
        read_e4(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"EDA.csv": EXPORT["EDA.csv"]})
    _set_in_headers(path, 6, b"\1\0")
    with pytest.raises(DataError, match=r"not a readable zip.*encrypted"):
        read_e4(path)


def test_a_zip_of_an_unknown_method_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"EDA.csv": EXPORT["EDA.csv"]})
    _set_in_headers(path, 8, struct.pack("<H", 9))
    with pytest.raises(DataError, match="not a readable zip"):
        read_e4(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_zip_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    content = write_zip(tmp_path / "whole.zip", EXPORT).read_bytes()
    path = tmp_path / "a.zip"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="not a readable zip"):
        read_e4(path)


def _read_slowly(content: bytes, n_columns: int) -> np.ndarray:
    lines = content.decode("utf-8-sig").replace("\r\n", "\n").rstrip().split("\n")[2:]
    rows = [[float(field) for field in line.split(",")] for line in lines]
    assert {len(row) for row in rows} == {n_columns}
    return np.array(rows).T


@settings(max_examples=150)
@given(st.binary(max_size=200), st.sampled_from(sorted(EXPORT)))
def test_junk_is_refused_or_read(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        error = refused(write_folder(Path(folder) / "a", EXPORT | {name: content}))
        assert error is None or name in error


@settings(max_examples=300)
@given(st.data())
def test_a_changed_file_is_refused_or_read_as_it_stands(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["ACC.csv", "BVP.csv", "EDA.csv"]))
    content = bytearray(_bytes(EXPORT[name]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        patch = data.draw(
            st.sampled_from(
                [b"", b"\n", b",", b".", b"-", b"7", b" ", b"\r", b"e", b'"', b"#", b"\0", b"\xff"]
            )
        )
        content[at : at + data.draw(st.integers(0, 2))] = patch
    signal_name = {"ACC.csv": "acc", "BVP.csv": "ppg", "EDA.csv": "eda"}[name]
    with tempfile.TemporaryDirectory() as folder:
        path = write_folder(Path(folder) / "a", EXPORT | {name: bytes(content)})
        error = refused(path)
        if error is not None:
            assert name in error
            return
        signal = sampled(read_e4(path), signal_name)
    scale = 64 if name == "ACC.csv" else 1
    assert_array_equal(signal.data * scale, _read_slowly(bytes(content), signal.n_channels))


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_zip_is_refused_or_read(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_zip(Path(folder) / "a.zip", EXPORT)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        error = refused(path)
        assert error is None or "a.zip" in error


@pytest.mark.parametrize(
    ("person", "n_times", "n_intervals", "n_tags"),
    [
        ("S01", {"acc": 104310, "ppg": 208703, "eda": 13032, "temperature": 13056, "hr": 3250}, 1260, 10),
        ("S18", {"acc": 109494, "ppg": 219065, "eda": 13680, "temperature": 13696, "hr": 3412}, 930, 7),
    ],
)
def test_real_sessions(
    real_data: Path, person: str, n_times: dict[str, int], n_intervals: int, n_tags: int
) -> None:
    session = read_e4(real_data / "realdata" / "stress_predict" / f"{person}_E4.zip")
    signals = {name: sampled(session, name) for name in n_times}
    assert {name: signal.n_times for name, signal in signals.items()} == n_times
    assert {name: signal.sfreq for name, signal in signals.items()} == {
        "acc": 32.0,
        "ppg": 64.0,
        "eda": 4.0,
        "temperature": 4.0,
        "hr": 1.0,
    }
    assert all(50 * 60 < signal.duration < 60 * 60 for signal in signals.values())
    assert signals["hr"].start == 10.0
    assert len(events(session, "ibi").times) == n_intervals
    assert len(events(session, "tags").times) == n_tags
    # An arm at rest feels gravity and no more.
    assert np.median(np.linalg.norm(signals["acc"].data, axis=0)) == pytest.approx(1.0, abs=0.05)
    assert 25 < np.nanmedian(signals["temperature"].masked) < 37
    assert signals["eda"].data[0, 0] == 0
    assert np.nanmin(signals["eda"].masked) > 0


def test_a_real_session_cut_in_two_and_joined_is_what_it_was(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "realdata" / "stress_predict" / "S05_E4.zip"
    with zipfile.ZipFile(path) as archive:
        texts = {name.rpartition("/")[2]: archive.read(name).decode() for name in archive.namelist()}
    whole = read_e4(path)
    for part, (first, last) in {"first": (0, 1200), "second": (1140, 10_000)}.items():
        files: dict[str, Content] = {}
        for name in ("ACC.csv", "BVP.csv", "EDA.csv", "TEMP.csv"):
            head, rates, *lines = texts[name].splitlines()
            rate = round(float(rates.split(",")[0]))
            starts = ",".join(str(float(start) + first) for start in head.split(","))
            files[name] = "\n".join([starts, rates, *lines[first * rate : last * rate]])
        write_folder(tmp_path / part, files)
    joined = read_e4_sessions(tmp_path)
    for name in ("acc", "ppg", "eda", "temperature"):
        old, new = sampled(whole, name), sampled(joined, name)
        assert_array_equal(new.data, old.data)
        assert_array_equal(new.flags, old.flags)
        assert f"{name}: 60 s were recorded twice and taken once." in joined.notes


def test_a_real_cut_export_has_signals_of_different_lengths(real_data: Path) -> None:
    session = read_e4(real_data / "realdata" / "flirt_e4")
    durations = {name: round(s.duration) for name, s in session.signals.items() if isinstance(s, Signal)}
    assert durations == {"acc": 312, "ppg": 156, "eda": 2500, "temperature": 1250, "hr": 4998}
    assert len(events(session, "ibi").times) == 4999
    assert len(events(session, "tags").times) == 0
