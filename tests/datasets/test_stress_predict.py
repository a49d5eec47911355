"""Stress-Predict: layouts, segments, tasks, and what is refused or reported."""

import contextlib
import gzip
import http.server
import io
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.data_set import Exclusion
from physioaffect.datasets import STRESS_PREDICT
from physioaffect.devices.empatica import read_e4
from physioaffect.errors import DataError
from physioaffect.recording import Events, Signal, Trial

LABELS = "Improved_All_Combined_hr_rsp_binary.csv"
COMMIT = "f49d2eae603f90c3f0140fbbbae7c0480d651023"
NAMES = ("baseline", "stroop", "rest_1", "interview", "rest_2", "hyperventilation", "rest_3")
BEGAN = 1_644_227_574
FIRST_LABEL = BEGAN + 9
SECONDS = (20, 10, 15, 12, 11, 10, 14)


@cache
def e4_files(began: int = BEGAN) -> dict[str, bytes]:
    """A recording whose skin conductance and temperature tell the second since it began."""
    n = sum(SECONDS) + 30
    slow = "".join(f"{k // 4 / 100:.2f}\n" for k in range(4 * n))
    warm = "".join(f"{30 + k // 4 / 100:.2f}\n" for k in range(4 * n))
    files = {
        "ACC.csv": f"{began}.0, {began}.0, {began}.0\n32.0, 32.0, 32.0\n" + "0,0,64\n" * (32 * n),
        "BVP.csv": f"{began}.00\n64.0\n" + "0.5\n" * (64 * n),
        "EDA.csv": f"{began}.0\n4.0\n{slow}",
        "TEMP.csv": f"{began}.0\n4.0\n{warm}",
        "HR.csv": f"{began + 10}.0\n1.0\n" + "70.0\n" * (n - 10),
        "IBI.csv": f"{began}.0, IBI\n" + "".join(f"{k}.5,0.8\n" for k in range(10, n)),
        "tags_S02.csv": f"{began + 29}\r\n",
    }
    return {name: text.encode() for name, text in files.items()}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def protocol(participant: int, values: Sequence[int] = (0, 1, 0, 1, 0, 1, 0)) -> list[tuple[int, int, int]]:
    runs = [value for value, length in zip(values, SECONDS, strict=False) for _ in range(length)]
    return [(participant, FIRST_LABEL + k, value) for k, value in enumerate(runs)]


def labels_csv(rows: Sequence[tuple[int, int, int]]) -> bytes:
    lines = [f"{participant},118.0,12.1,{second},{label}" for participant, second, label in rows]
    return "\n".join(["Participant,HR,respr,Time(sec),Label", *lines, ""]).encode()


BOTH = labels_csv(protocol(2) + protocol(10))


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def unzipped(folder: str) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in e4_files().items()}


def flat(labels: bytes = BOTH) -> dict[str, bytes]:
    recording = zipped(e4_files())
    return {"S02_E4.zip": recording, "S10_E4.zip": recording, LABELS: labels}


LAYOUTS: dict[str, Callable[[], dict[str, bytes]]] = {
    "flat": flat,
    "flat, labels gzipped": lambda: {
        **{name: content for name, content in flat().items() if name != LABELS},
        f"{LABELS}.gz": gzip.compress(BOTH),
    },
    "repository": lambda: (
        unzipped("Raw_data/S02") | unzipped("Raw_data/S10") | {f"Processed_data/{LABELS}": BOTH}
    ),
    "raw data with the labels beside it": lambda: (
        unzipped("Raw_data/S02") | unzipped("Raw_data/S10") | {LABELS: BOTH}
    ),
    "repository with zips": lambda: {
        "Raw_data/S02.zip": zipped(e4_files()),
        "Raw_data/S10_E4.zip": zipped(unzipped("S10")),
        f"Processed_data/{LABELS}": BOTH,
    },
}


def read(root: Path) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(STRESS_PREDICT.read(root, report=exclusions.append)), exclusions


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_seven_trials_a_person(tmp_path: Path, layout: str) -> None:
    root = write(tmp_path, LAYOUTS[layout]())
    trials, exclusions = read(root)
    assert exclusions == []
    assert [(trial.subject, trial.trial) for trial in trials] == [
        (subject, name) for subject in ("S02", "S10") for name in NAMES
    ]
    assert set(STRESS_PREDICT.files(root)) == {path for path in root.rglob("*") if path.is_file()}


def test_a_trial_is_the_segment_of_its_label(tmp_path: Path) -> None:
    trials, _ = read(write(tmp_path, flat()))
    elapsed = 9.0
    for order, (trial, seconds) in enumerate(zip(trials[:7], SECONDS, strict=True)):
        assert (trial.order, trial.elapsed, trial.stimulus) == (order, elapsed, NAMES[order])
        assert trial.recorded_at == datetime.fromtimestamp(BEGAN + elapsed, UTC)
        assert trial.duration == pytest.approx(seconds)
        assert set(trial.signals) == {"eda", "temperature", "hr", "acc", "ppg", "ibi"}
        eda = trial.signal("eda")
        assert eda.start == 0.0
        # The recording tells the second in hundredths of a microsiemens.
        assert_allclose(eda.data[0], (elapsed + np.arange(4 * seconds) // 4) / 100)
        intervals = trial.signals["ibi"]
        assert isinstance(intervals, Events)
        first = max(0.0, 10.5 - elapsed) if order == 0 else 0.5
        assert_allclose(intervals.times, np.arange(first, seconds))
        elapsed += seconds
    assert [trial.condition for trial in trials[:7]] == [
        "rest",
        "stroop",
        "rest",
        "interview",
        "rest",
        "hyperventilation",
        "rest",
    ]


def test_heart_rate_starts_ten_seconds_late(tmp_path: Path) -> None:
    trials, _ = read(write(tmp_path, flat()))
    assert trials[0].signal("hr").start == 1.0
    assert trials[0].signal("hr").n_times == SECONDS[0] - 1
    assert trials[1].signal("hr").start == 0.0


def test_the_tasks(tmp_path: Path) -> None:
    trials, _ = read(write(tmp_path, flat()))
    assert next(iter(STRESS_PREDICT.tasks)) == "stress"
    targets = {
        name: [task.target(trial) for trial in trials[:7]] for name, task in STRESS_PREDICT.tasks.items()
    }
    assert targets["stress"] == ["rest", "stress", "rest", "stress", "rest", "stress", "rest"]
    assert targets["stress_cognitive"] == ["rest", "stress", "rest", "stress", "rest", None, "rest"]


def test_the_first_person_was_published_without_labels(tmp_path: Path) -> None:
    root = write(tmp_path, flat() | {"S01_E4.zip": zipped(e4_files())})
    trials, exclusions = read(root)
    assert {trial.subject for trial in trials} == {"S02", "S10"}
    assert [(e.subject, e.expected) for e in exclusions] == [("S01", True)]
    assert len(list(STRESS_PREDICT.read(root))) == 14


def test_labels_without_a_recording_are_reported(tmp_path: Path) -> None:
    trials, exclusions = read(write(tmp_path, flat(labels_csv(protocol(2) + protocol(10) + protocol(11)))))
    assert len(trials) == 14
    assert exclusions == [
        Exclusion(subject="S11", reason="S11 has labels but no recording here.", expected=True)
    ]


def _with_gap(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    return rows[:5] + rows[8:]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (protocol(2)[:30], r"make 2 segments \(rest 20 s, stress 10 s\); expected the protocol's seven"),
        (protocol(2, (1, 0, 1, 0, 1, 0, 1)), r"make 7 segments \(stress 20 s, rest 10 s"),
        (protocol(2, (0, 0, 0, 0, 0, 0, 0)), r"make 1 segments \(rest 92 s\)"),
        (
            protocol(2, (0, 1, 0, 2, 0, 1, 0)),
            "labels of S02 are 0, 1, 2; expected 0 for rest and 1 for stress",
        ),
        (
            _with_gap(protocol(2)),
            f"jump from second {FIRST_LABEL + 4} to {FIRST_LABEL + 8}; expected one row",
        ),
        (protocol(2) + protocol(2), "jump from second"),
        ([(2, second + 86400, label) for _, second, label in protocol(2)], "they do not overlap"),
        ([(2, second - 86400, label) for _, second, label in protocol(2)], "they do not overlap"),
        ([], "S02 has a recording but no labels"),
    ],
)
def test_one_person_with_odd_labels_is_left_out(
    tmp_path: Path, rows: list[tuple[int, int, int]], message: str
) -> None:
    root = write(tmp_path, flat(labels_csv(rows + protocol(10))))
    trials, exclusions = read(root)
    assert {trial.subject for trial in trials} == {"S10"}
    assert [(e.subject, e.expected) for e in exclusions] == [("S02", False)]
    with pytest.raises(DataError, match=message):
        list(STRESS_PREDICT.read(root))


def test_a_broken_recording_leaves_out_one_person(tmp_path: Path) -> None:
    broken = e4_files() | {"EDA.csv": e4_files()["EDA.csv"].replace(b"0.50\n", b"0.5O\n", 1)}
    trials, exclusions = read(write(tmp_path, flat() | {"S02_E4.zip": zipped(broken)}))
    assert {trial.subject for trial in trials} == {"S10"}
    assert "EDA.csv has '0.5O' in line" in exclusions[0].reason


def test_a_recording_that_ended_early_loses_its_last_trials(tmp_path: Path) -> None:
    short = {}
    for name, content in e4_files().items():
        lines = content.decode().splitlines()
        per_second = {"ACC": 32, "BVP": 64, "EDA": 4, "TEMP": 4}.get(name[:-4], 1)
        seconds = 40 if name == "HR.csv" else 50
        short[name] = "\n".join(lines[: 2 + seconds * per_second]).encode()
    trials, exclusions = read(write(tmp_path, flat() | {"S02_E4.zip": zipped(short)}))
    assert [trial.trial for trial in trials if trial.subject == "S02"] == list(NAMES[:3])
    assert [(e.trial, e.expected) for e in exclusions] == [(name, False) for name in NAMES[3:]]
    assert "does not reach its segment interview" in exclusions[0].reason


def test_a_missing_sensor_is_missing_in_every_trial(tmp_path: Path) -> None:
    files = {name: content for name, content in e4_files().items() if name != "HR.csv"}
    trials, exclusions = read(write(tmp_path, flat() | {"S02_E4.zip": zipped(files)}))
    assert exclusions == []
    with pytest.raises(DataError, match="Subject S02, trial baseline of stress_predict has no signal 'hr'"):
        trials[0].signal("hr")


def test_a_person_twice_is_refused(tmp_path: Path) -> None:
    _, exclusions = read(write(tmp_path, flat() | unzipped("S02")))
    assert [e.subject for e in exclusions] == ["S02"]
    assert exclusions[0].reason == "S02 has 2 recordings: S02, S02_E4.zip. Keep one of them."


def test_folders_that_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no folder .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"is not Stress-Predict: .*it holds nothing"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"is not Stress-Predict: .*it holds S02_E4\.zip"):
        read(write(tmp_path / "a", {"S02_E4.zip": b""}))
    with pytest.raises(DataError, match="holds the labels of Stress-Predict but no recording"):
        read(write(tmp_path / "b", {LABELS: BOTH}))
    with pytest.raises(DataError, match=r"no subject 'S03'; it has S02, S10"):
        list(STRESS_PREDICT.read(write(tmp_path / "c", flat()), subjects=["S03"]))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (b"", "is not the labels of Stress-Predict: it starts with b''"),
        (b"Participant,HR\n2,3\n", r"starts with b'Participant,HR.*expected a line with the columns"),
        (b"Participant,HR,respr,Time(sec),Label\n", "is not the labels of Stress-Predict"),
        (BOTH.replace(b",", b";"), "starts with b'Participant;HR;respr"),
        (BOTH.decode().encode("utf-16"), "is not the labels of Stress-Predict"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is not the labels of Stress-Predict"),
        (
            BOTH.replace(b",0\n", b",rest\n", 1),
            "has '2,118.0,12.1,1644227583,rest' in line 2; expected 5 fields",
        ),
        (
            BOTH.replace(b",0\n", b",\n", 1),
            "1644227583,' in line 2; .* whole numbers, 0 or above, as Participant",
        ),
        (BOTH.replace(b",0\n", b",nan\n", 1), "1644227583,nan' in line 2"),
        (BOTH.replace(b",0\n", b",0.5\n", 1), "1644227583,0.5' in line 2"),
        (BOTH.replace(b",0\n", b",-1\n", 1), "1644227583,-1' in line 2"),
        (BOTH.replace(b",1644227584,", b",9999999999999,", 1), "9999999999999,0' in line 3"),
        (BOTH.replace(b",0\n", b",0,1\n", 1), "1644227583,0,1' in line 2"),
        (BOTH.replace(b",0\n", b",0\n\n", 1), "has '' in line 3"),
        (BOTH.replace(b",1644227584,", b",164422\xff\xff84,", 1), "in line 3"),
    ],
)
def test_labels_that_cannot_be_read(tmp_path: Path, labels: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        read(write(tmp_path, flat(labels)))


def test_packed_labels_that_cannot_be_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(BOTH)
    files = {name: content for name, content in flat().items() if name != LABELS}
    for number, content in enumerate((packed[:-20], b"junk", packed[:40] + b"\0" * 40 + packed[80:])):
        with pytest.raises(DataError, match="cannot be read"):
            read(write(tmp_path / str(number), files | {f"{LABELS}.gz": content}))
    monkeypatch.setattr("physioaffect.datasets.stress_predict._LARGEST_LABELS", 100)
    with pytest.raises(DataError, match="so it is not the labels"):
        read(write(tmp_path / "large", files | {f"{LABELS}.gz": packed}))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_labels_are_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(BOTH)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"\n", b",", b'"', b"nan", b"1e308", b"-", b"0"])
            )
        )
    if not (tmp_path / LABELS).exists():
        write(tmp_path, flat())
    (tmp_path / LABELS).write_bytes(content)
    with contextlib.suppress(DataError):
        trials, exclusions = read(tmp_path)
        assert {t.subject for t in trials} <= {"S02", "S10"}
        assert len(trials) + 7 * len({e.subject for e in exclusions if not e.expected}) >= 7


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    root = write(tmp_path, LAYOUTS["repository"]())
    before = STRESS_PREDICT.fingerprint(root)
    (root / "Raw_data/S02/info.txt").write_text("not read")
    assert STRESS_PREDICT.fingerprint(root) == before
    (root / "Raw_data/S02/tags_S02.csv").write_text("")
    assert STRESS_PREDICT.fingerprint(root) != before


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[bytes | None], str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def put(content: bytes | None) -> str:
        if content is not None:
            (folder / f"{COMMIT}.zip").write_bytes(content)
        return f"http://127.0.0.1:{server.server_port}"

    yield put
    server.shutdown()
    thread.join()
    server.server_close()


download = cast("Callable[..., Path]", STRESS_PREDICT.download)
TOP = f"Stress-Predict-Dataset-{COMMIT}"


def archive_of(files: dict[str, bytes]) -> bytes:
    return zipped({f"{TOP}/{name}": content for name, content in files.items()})


def test_download_unpacks_what_belongs_to_it_and_nothing_else(
    tmp_path: Path, serve: Callable[[bytes | None], str]
) -> None:
    good = LAYOUTS["repository"]() | {"LICENSE": b"MIT", "Raw_data/S02/info.txt": b"info"}
    good = {name.replace("S10/tags_S02", "S10/tags_S10"): content for name, content in good.items()}
    hostile = {
        "Raw_data/S02/../../../escaped.csv": b"",
        "../escaped.csv": b"",
        "Raw_data/S02/run.sh": b"",
        "Processed_data/desktop.ini": b"",
        "Raw_data/S02/sub/EDA.csv": b"",
    }
    address = serve(archive_of(hostile | good))
    root = download(tmp_path / "data", archive=address)
    assert {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} == set(good)
    assert not list(tmp_path.rglob("escaped.csv"))
    assert len(list(STRESS_PREDICT.read(root))) == 14
    assert download(root, archive="http://127.0.0.1:1") == root  # It is complete, so nothing is fetched.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Cannot fetch http.*Check the connection and start again"),
        (b"no zip", "cannot be unpacked"),
        (archive_of({"README.md": b""}), "What was fetched is not Stress-Predict"),
        (archive_of({f"Processed_data/{LABELS}": BOTH}), "What was fetched is not Stress-Predict"),
        (archive_of(LAYOUTS["repository"]())[:-3000], "cannot be unpacked"),
    ],
)
def test_a_download_that_fails_leaves_nothing_that_could_be_read(
    tmp_path: Path, serve: Callable[[bytes | None], str], content: bytes | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        download(tmp_path / "data", archive=serve(content))
    with pytest.raises(DataError):
        read(tmp_path / "data")


def test_a_download_that_expands_too_far_is_not_unpacked(
    tmp_path: Path, serve: Callable[[bytes | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physioaffect.datasets.stress_predict_download._LARGEST_FILE", 1000)
    with pytest.raises(DataError, match=r"would expand to 0 MB with a file of 0 MB.*not unpacked"):
        download(tmp_path / "data", archive=serve(archive_of(LAYOUTS["repository"]())))
    assert not (tmp_path / "data").exists()


def test_the_real_people_have_the_protocol(real_data: Path) -> None:
    root = real_data / "realdata" / "stress_predict"
    trials, exclusions = read(root)
    assert [(e.subject, e.expected) for e in exclusions] == [("S01", True)]
    assert len(trials) == 24 * 7
    assert trials[0].recorded_at == datetime(2022, 2, 7, 9, 53, 3, tzinfo=UTC)
    assert [round(trial.duration) for trial in trials[:7]] == [613, 376, 272, 655, 302, 130, 1209]
    assert {name: trials[0].signal(name).sfreq for name in STRESS_PREDICT.sfreqs} == STRESS_PREDICT.sfreqs
    for before, after in pairwise(trials[:7]):
        assert before.elapsed is not None
        assert after.elapsed == before.elapsed + round(before.duration)
    # Each sample between the first label and the last is in exactly one trial.
    eda = np.concatenate([trial.signal("eda").data[0] for trial in trials[:7]])
    whole = read_e4(root / "S02_E4.zip").signals["eda"]
    assert isinstance(whole, Signal)
    assert_array_equal(eda, whole.data[0, 9 * 4 : 9 * 4 + len(eda)])
