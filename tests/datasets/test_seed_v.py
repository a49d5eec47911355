"""SEED-V and SEED's unprocessed recordings: Neuroscan files made byte by byte, simulated and broken ones."""

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.data_set import DataSet, Exclusion
from physioaffect.datasets import SEED_RAW, SEED_V
from physioaffect.errors import DataError
from physioaffect.recording import Trial

NAMES = ("disgust", "fear", "sad", "neutral", "happy")
LABELS = [
    [4, 1, 3, 2, 0, 4, 1, 3, 2, 0, 4, 1, 3, 2, 0],
    [2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0],
    [2, 1, 3, 0, 4, 4, 0, 3, 2, 1, 3, 4, 1, 2, 0],
]
CHANNELS = [name.upper() for name in SEED_V.ch_names["eeg"]]
ALL = [*CHANNELS[:30], "M1", *CHANNELS[30:50], "M2", *CHANNELS[50:], "VEO", "HEO"]
MICROVOLTS = 0.5  # Of one count.


def cnt(
    n_times: int,
    *,
    names: list[str] = ALL,
    sfreq: int = 1000,
    width: int = 4,
    announced: int | None = None,
    counts: Any = None,
) -> bytes:
    """A Neuroscan file: channel c of sample t is c + 64 (t // 1000) counts."""
    setup = bytearray(900)
    setup[:12] = b"Version 3.0\0"
    setup[225:245] = b"08/04/18\0\0" + b"10:11:12\0\0"
    struct.pack_into("<H", setup, 370, len(names))
    struct.pack_into("<H", setup, 376, sfreq)
    struct.pack_into("<i", setup, 864, n_times if announced is None else announced)
    struct.pack_into("<i", setup, 886, 900 + len(names) * (75 + width * n_times))
    electrodes = bytearray()
    for index, name in enumerate(names):
        record = bytearray(75)
        record[:10] = name.encode().ljust(10, b"\0")
        struct.pack_into("<2f", record, 19, 100.0 + index, 200.0 - index)
        struct.pack_into("<f", record, 59, 2.0)
        struct.pack_into("<f", record, 71, 204.8 * MICROVOLTS / 2)
        electrodes += record
    if counts is None:
        counts = np.arange(len(names)) + 64 * (np.arange(n_times)[:, None] // 1000)
    samples = np.asarray(counts).astype(f"<i{width}").tobytes()
    # One stimulus of type 1, in the middle of nowhere.
    return (
        bytes(setup + electrodes)
        + samples
        + struct.pack("<Bii", 1, 8, 0)
        + struct.pack("<HBBi", 7, 0, 0, 900)
    )


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read(dataset: DataSet, root: Path) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(dataset.read(root, report=exclusions.append)), exclusions


def refuse(root: Path, match: str, dataset: DataSet = SEED_V) -> None:
    with pytest.raises(DataError, match=match):
        list(dataset.read(root))


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated_seed_v")
    # The first five clips of a session have all five emotions.
    return SEED_V.simulate(root, n_subjects=2, n_clips=5, max_seconds=4)  # type: ignore[misc]


# What is in the files


# Where the header does not tell the width, it is 32 bits.
@pytest.mark.parametrize(("width", "announced"), [(2, None), (4, None), (4, 0), (4, 12_345)])
def test_trials_are_cut_at_the_published_seconds_by_names_of_channels(
    tmp_path: Path, width: int, announced: int | None
) -> None:
    put(tmp_path / "EEG_raw" / "1_1_20180804.cnt", cnt(103_000, width=width, announced=announced))
    trials, exclusions = read(SEED_V, tmp_path)
    (trial,) = trials
    eeg = trial.signal("eeg")
    assert (trial.subject, trial.session, trial.trial, trial.stimulus) == ("1", "1", "1", "1-1")
    assert (trial.elapsed, trial.condition, trial.tags) == (30.0, "happy", ())
    assert (eeg.duration, eeg.sfreq, eeg.unit, eeg.ch_names) == (72.0, 1000.0, "V", SEED_V.ch_names["eeg"])
    rows = np.array([ALL.index(name) for name in CHANNELS])
    seconds = 30 + np.arange(72_000) // 1000
    assert_allclose(eeg.data, 1e-6 * MICROVOLTS * (rows[:, None] + 64 * seconds), rtol=1e-5)
    reasons = [item.reason for item in exclusions]
    assert "lacks session 2 and 3" in reasons[0]
    with pytest.raises(DataError, match=r"ends after 103 s; trial 2 lasts from 132 to 228 s\. Download it"):
        raise DataError(reasons[1])
    assert len(reasons) == 1 + 14


def test_seeds_unprocessed_recordings_have_clips_that_are_the_same_in_all_sessions(tmp_path: Path) -> None:
    assert SEED_RAW.simulate is not None
    SEED_RAW.simulate(tmp_path, n_subjects=1, n_clips=2, max_seconds=2)
    trials, exclusions = read(SEED_RAW, tmp_path)
    assert not exclusions
    assert [(trial.session, trial.stimulus) for trial in trials] == [(n, k) for n in "123" for k in "12"]
    assert [trial.condition for trial in trials] == ["positive", "neutral"] * 3
    assert {trial.dataset for trial in trials} == {"seed_raw"}
    put(tmp_path / "one" / "SEED_RAW_EEG" / "3_2.cnt", cnt(1000, names=CHANNELS))
    exclusions = read(SEED_RAW, tmp_path / "one")[1]
    # samples 27000 to 262000 of time.txt.
    assert "trial 1 lasts from 27 to 262 s" in exclusions[1].reason
    assert "trial 15 lasts from 3599 to 3805 s" in exclusions[-1].reason


def test_sessions_come_by_their_field_and_people_by_their_number(simulated: Path, tmp_path: Path) -> None:
    names = [path.name for path in SEED_V.files(simulated)]
    dates = [name[4:12] for name in names[:3]]
    assert dates[2] < dates[1]  # As those of nine people.
    assert [name[:3] for name in names] == ["1_1", "1_2", "1_3", "2_1", "2_2", "2_3"]
    for name in ("2_1_20180101.cnt", "10_1_20180101.cnt", "1_3_20180101.cnt", "1_2_20180202.cnt"):
        put(tmp_path / name, b"")
    assert list(SEED_V.open(tmp_path)) == ["1", "2", "10"]
    assert [path.name[:3] for path in SEED_V.files(tmp_path)] == ["1_2", "1_3", "2_1", "10_"]


def test_simulated_trials_have_their_emotions_and_are_cut_where_they_begin(simulated: Path) -> None:
    trials, exclusions = read(SEED_V, simulated)
    assert not exclusions
    assert len(trials) == 2 * 3 * 5
    for trial in trials:
        assert trial.condition == NAMES[LABELS[int(trial.session) - 1][trial.order]]
        assert trial.stimulus == f"{trial.session}-{trial.trial}"
        assert trial.tags == ("simulated",)
        eeg = trial.signal("eeg").data
        assert eeg.shape == (62, 4000)
        assert np.all(np.abs(eeg[:, [0, -1]]).sum(axis=0) > 0)
        # Flat between clips, and the mastoids are: none of that is here.
        assert np.all(eeg.std(axis=1) > 1e-6)
        assert np.abs(eeg).max() < 1e-3


def test_it_goes_all_the_way_from_the_command_line(simulated: Path, tmp_path: Path) -> None:
    arguments = [
        "evaluate",
        "seed_v",
        str(simulated),
        "--model",
        "lda",
        "--permutations",
        "20",
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, [*arguments, "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert "2 people, 30 trials, 30 windows" in " ".join(result.output.split())


# What is wrong


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"\(0 bytes\) does not begin with the header of a Neuroscan CNT file"),
        (b"RIFF" + bytes(2000), r"\(2004 bytes\) does not begin with the header"),
        (cnt(50, names=ALL[:40]), "lacks the channels .*, .*; it has FP1, FPZ"),
        (cnt(50, sfreq=200), r"is sampled at 200 Hz, expected 1000\. Use it as distributed"),
        (
            cnt(50)[:860] + bytes(40) + cnt(50)[900:],
            "its header announces 66 channels and a table of events up",
        ),
        (
            cnt(51, width=2, announced=7),
            "has 6732 bytes of samples, which is no whole number for 66 channels",
        ),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, match: str) -> None:
    for session in (1, 2, 3):
        put(tmp_path / f"1_{session}_20180804.cnt", content)
    refuse(tmp_path, match)


@pytest.mark.parametrize("tenths", range(10))
def test_a_truncated_recording_is_refused_before_anything_of_the_person_is_read(
    tmp_path: Path, tenths: int
) -> None:
    content = cnt(40_000, width=2)
    for session in (1, 2, 3):
        put(tmp_path / f"1_{session}_20180804.cnt", content)
    put(tmp_path / "1_3_20180804.cnt", content[: len(content) * tenths // 10])
    trials, exclusions = read(SEED_V, tmp_path)
    assert not trials
    with pytest.raises(DataError, match=r"The file is incomplete or damaged|does not begin with the header"):
        raise DataError(exclusions[-1].reason)


def test_an_impossible_voltage_is_a_damaged_header(tmp_path: Path) -> None:
    counts = np.full((103_000, 62), 2**30)
    for session in (1, 2, 3):
        put(tmp_path / f"1_{session}_20180804.cnt", b"")
    put(tmp_path / "1_1_20180804.cnt", cnt(103_000, names=CHANNELS, counts=counts))
    for session in (2, 3):
        put(tmp_path / f"1_{session}_20180804.cnt", cnt(9, names=CHANNELS))
    refuse(tmp_path, r"reaches 536\.\d+ V between 30 and 102 s, so its header is damaged")


def test_a_session_twice_is_refused(tmp_path: Path) -> None:
    for name in ("1_1_20180804.cnt", "1_1_20180805.cnt"):
        put(tmp_path / name, b"")
    refuse(tmp_path, r"has session 1 twice: 1_1_20180804\.cnt, 1_1_20180805\.cnt\. Remove the one")


def test_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "is not SEED-V: it holds nothing, and no folder EEG_raw lies in it")
    (tmp_path / "EEG_raw").mkdir()
    refuse(tmp_path, "holds no recording of SEED-V")
    refuse(tmp_path, "and no folder SEED_RAW_EEG lies in it", SEED_RAW)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_recording_is_refused_in_a_sentence_or_read(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(cnt(12))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1) | st.integers(360, 980))
        damage = data.draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0"]) | st.binary(max_size=8))
        content[place : place + len(damage)] = damage
    path = put(tmp_path / "EEG_raw" / "1_1_20180804.cnt", bytes(content))
    _, exclusions = read(SEED_V, tmp_path)
    assert all(re.search(re.escape(str(path)) + "|lacks session", item.reason) for item in exclusions)
