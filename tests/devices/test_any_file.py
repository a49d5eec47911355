"""The format of a file is told by what is in it."""

import gzip
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.wearables import write_folder, write_zip

from physioaffect.devices.any_file import FORMATS, read_device, sniff
from physioaffect.devices.csv_map import CsvMap, SignalMap
from physioaffect.errors import DataError
from physioaffect.recording import Signal

MAP = """\
[[signals]]
name = "eda"
columns = ["gsr"]
unit = "uS"
sfreq = 4.0
"""


def table(path: Path) -> Path:
    path.write_text("gsr,other\n" + "".join(f"{2 + 0.01 * n},x\n" for n in range(40)))
    return path


@pytest.mark.parametrize(
    ("name", "device", "signals"),
    [
        (
            "stress_predict/S01_E4.zip",
            "Empatica E4",
            {"acc", "ppg", "eda", "temperature", "hr", "ibi", "tags"},
        ),
        ("flirt_e4", "Empatica E4", {"acc", "ppg", "eda", "temperature", "hr", "ibi", "tags"}),
        (
            "embraceplus/test_data.avro",
            "EmbracePlus",
            {"acc", "ppg", "eda", "temperature", "ibi", "tags", "steps"},
        ),
        ("devicely/faros_testfile_read.EDF", "EDF", {"ecg", "acc", "ibi", "tags"}),
        ("devicely/muse_read_test_data.csv", "Muse", {"eeg", "acc", "gyro", "tags"}),
        ("devicely/shimmer_read_test_data.csv", "Shimmer", {"eda", "acc", "gyro"}),
    ],
)
def test_real_recordings_are_read_by_the_reader_of_their_device(name, device, signals, real_data):
    if "avro" in name:
        pytest.importorskip("fastavro")
    recorded = read_device(real_data / "realdata" / name)
    assert device in recorded.device
    assert set(recorded.signals) == signals


@pytest.mark.parametrize(
    "name",
    [
        "stress_predict/LICENSE",
        "stress_predict/Time_logs.xlsx",
        "stress_predict/Improved_All_Combined_hr_rsp_binary.csv.gz",
        "neurokit/bio_resting_5min_100hz.csv",
        "biosppy/eda.txt",
        "wfdb/100.hea",
        "stress_predict",
    ],
)
def test_other_real_files_are_of_no_known_format(name, real_data):
    assert sniff(real_data / "realdata" / name) is None


def test_an_e4_folder_and_a_zip_of_it_are_the_same(tmp_path):
    zipped = read_device(write_zip(tmp_path / "a.zip", 60))
    unpacked = read_device(write_folder(tmp_path / "a", 60))
    assert zipped.started_at == unpacked.started_at == datetime(2022, 2, 7, 9, 27, 41, tzinfo=UTC)
    assert zipped.utc_offset is None
    own, other = zipped.signals["eda"], unpacked.signals["eda"]
    assert isinstance(own, Signal)
    assert isinstance(other, Signal)
    np.testing.assert_array_equal(own.data, other.data)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.zip", b"", "e4"),  # Its reader says what is wrong with it.
        ("a.zip", b"PK\x03\x04cut", "e4"),
        ("a.avro", b"", "embraceplus"),
        ("a.edf", b"nothing", "edf"),
        ("renamed", b"0       " + b" " * 248, "edf"),
        ("renamed", b"\xffBIOSEMI" + b" " * 248, "edf"),
        ("renamed", b"XDF:", "xdf"),
        ("renamed", b"Obj\x01", "embraceplus"),
        ("a.txt", b"# OpenSignals Text File Format\n# {}\n", "opensignals"),
        ("a.csv", b"", None),
        ("EDA.csv", b"1644226061.0\n4.0\n1.0\n", None),  # A file alone; its folder is the recording.
        ("a.csv", b"\xff\xfe\x00g", None),
        ("a.png", b"\x89PNG", None),
    ],
)
def test_signatures(name, content, expected, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    assert sniff(path) == expected
    if expected is not None:
        with pytest.raises(DataError):
            read_device(path)


def test_a_zip_of_something_else_is_no_recording(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("EDA.csv.jpg", b"")
    assert sniff(tmp_path / "photos.zip") is None


def test_one_file_makes_a_folder_an_e4s_only_if_it_begins_with_a_time(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (own / "EDA.csv").write_text("1644226061.000000\n4.000000\n1.0\n")
    (other / "EDA.csv").write_text("time,eda\n0,1\n")
    assert (sniff(own), sniff(other)) == ("e4", None)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    assert sniff(tmp_path / "pipe.zip") is None


def test_text_tables_are_recordings_where_a_map_says_so(tmp_path):
    path = table(tmp_path / "p1.csv")
    assert sniff(path) is None
    with pytest.raises(DataError, match=r"no recording of a known format.*text tables with a map"):
        read_device(path)
    (tmp_path / "physioaffect.toml").write_text(MAP)
    recorded = read_device(path)
    eda = recorded.signals["eda"]
    assert isinstance(eda, Signal)
    assert (eda.n_times, eda.unit) == (40, "uS")
    csv_map = CsvMap(signals=(SignalMap(name="eda", columns=("gsr",), unit="uS", sfreq=4.0),))
    assert sniff(path, csv_map=csv_map) == "csv"
    (tmp_path / "README.txt").write_text("Read me first.")
    assert sniff(tmp_path / "README.txt", csv_map=csv_map) is None
    (tmp_path / "p2.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert sniff(tmp_path / "p2.csv.gz", csv_map=csv_map) == "csv"
    (tmp_path / "p3.csv.gz").write_bytes(b"gsr")
    assert sniff(tmp_path / "p3.csv.gz", csv_map=csv_map) is None


def test_what_cannot_be_opened_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        sniff(tmp_path / "lost.zip")


def test_every_format_has_a_title_of_its_own():
    titles = [known.title for known in FORMATS.values()]
    assert len(set(titles)) == len(titles) == 7
