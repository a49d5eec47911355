"""WESAD: folders laid out by hand, simulated ones, and broken ones."""

import json
import re
import shutil
import zipfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.python2_pickle import python2_pickle
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.data_set import Exclusion
from physioaffect.datasets import WESAD, WESAD_CHEST, World, check, get, wesad_e4, wesad_quest, wesad_respiban
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Flag, Signal

# Label and samples at 700 Hz; lengths that are no whole numbers of the slower signals' samples.
SEGMENTS = [
    (0, 1500),
    (1, 4333),
    (5, 700),
    (0, 10),
    (2, 3500),
    (6, 99),
    (4, 2801),
    (0, 350),
    (3, 2100),
    (7, 50),
]
SEGMENTS += [(4, 2450), (0, 707)]
ORDER = ["Base", "TSST", "Medi 1", "Fun", "Medi 2"]
N = sum(length for _, length in SEGMENTS)
FIRST = {label: sum(n for _, n in SEGMENTS[:at]) for at, (label, _) in reversed(list(enumerate(SEGMENTS)))}


def ramp(sfreq, n_channels=1, dtype=np.float64):
    """Numbers that tell where they belong: the sample's index, and a quarter for each channel."""
    n_times = round(N / 700 * sfreq)
    return (np.arange(n_times)[:, np.newaxis] + np.arange(n_channels) / 4).astype(dtype)


def recording(subject="S2"):
    return {
        "signal": {
            "chest": {
                "ACC": ramp(700, 3),
                **{name: ramp(700) for name in ("ECG", "EMG", "EDA", "Resp")},
                "Temp": ramp(700, dtype=np.float32),
            },
            "wrist": {"ACC": ramp(32, 3), "BVP": ramp(64), "EDA": ramp(4), "TEMP": ramp(4)},
        },
        "label": np.repeat(*np.array(SEGMENTS, dtype=np.int32).T).astype(np.int32),
        "subject": subject,
    }


PANAS = {"Base": 1, "TSST": 5, "Medi 1": 2, "Fun": 3, "Medi 2": 4}


def quest(subject="S2", order=ORDER, **changes):
    """Times as in S2; everybody answers each question of a condition with the condition's number in PANAS."""
    times = ["7.08", "39.55", "70.19", "81.25", "93.38", "54.42", "89.51"]
    ends = ["26.32", "50.3", "77.1", "87.47", "100.15", "56.07", "91.15"]
    rows = {
        "# Subj": [[subject]],
        "# ORDER": [[*order, "sRead", "fRead"]],
        "# START": [times],
        "# END": [ends],
        "": [[]],
        "# PANAS": [[PANAS[name]] * (26 if name == "TSST" else 24) for name in order],
        "# STAI": [[1, 1, 1, 1, 1, 1], [4, 1, 1, 4, 1, 4], [1, 4, 4, 1, 4, 1], [2] * 6, [4] * 6],
        "# DIM": [[at + 1, 9 - at] for at in range(5)],
        "# SSSQ": [[1, 2, 3, 4, 5, 1]],
    } | changes
    lines = [";".join([name, *map(str, row)]) for name, found in rows.items() for row in found]
    return "".join(line + ";" * (26 - line.count(";")) + "\n" for line in lines)


README = """### Personal information ###
Age: 27

### Study pre-requisites ###
Did you drink coffee today? NO

### Additional notes ###
The temperature sensor was loosely attached.
 - Sun on the desk
"""


def write(root, subject="S2", *, content=None, answers=None, readme=README):
    folder = root / subject
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{subject}.pkl").write_bytes(
        python2_pickle(recording(subject) if content is None else content)
    )
    if answers != "":
        (folder / f"{subject}_quest.csv").write_text(answers or quest(subject))
    if readme:
        (folder / f"{subject}_readme.txt").write_text(readme)
    return folder


def simulate(*args, **options) -> Path:
    assert WESAD.simulate is not None
    return WESAD.simulate(*args, **options)


def read(root, dataset=WESAD):
    exclusions: list[Exclusion] = []
    return list(dataset.read(root, report=exclusions.append)), exclusions


# What is in the files


def test_a_trial_is_a_stretch_of_one_label_at_every_signals_own_rate(tmp_path):
    write(tmp_path)
    trials, exclusions = read(tmp_path)
    assert not exclusions
    names = ["baseline", "stress", "meditation_1", "amusement", "meditation_2"]
    assert [(t.trial, t.order) for t in trials] == [(name, order) for order, name in enumerate(names)]
    assert [t.condition for t in trials] == [name.partition("_")[0] for name in names]
    assert [t.stimulus for t in trials] == [t.condition for t in trials]
    starts = [sum(n for _, n in SEGMENTS[:at]) for at, (label, _) in enumerate(SEGMENTS) if 1 <= label <= 4]
    for trial, first in zip(trials, starts, strict=True):
        assert trial.elapsed == first / 700
        length = SEGMENTS[[sum(n for _, n in SEGMENTS[:at]) for at in range(len(SEGMENTS))].index(first)][1]
        for name, factor in (("eda", 1), ("temperature", 1), ("ppg", 1), ("acc", 1 / 64)):
            signal = trial.signal(name)
            begin = round(first / 700 * signal.sfreq)
            assert signal.data[0, 0] == begin * factor
            assert_array_equal(np.diff(signal.data[0]), factor)
            assert abs(signal.duration - length / 700) <= 1 / signal.sfreq
            assert signal.start == pytest.approx(begin / signal.sfreq - first / 700)


def test_the_chest_comes_in_volts_microsiemens_degrees_percent_and_g(tmp_path):
    write(tmp_path)
    (baseline, *_), exclusions = read(tmp_path, WESAD_CHEST)
    assert not exclusions
    assert set(baseline.signals) == set(WESAD_CHEST.sfreqs)
    units = {name: (signal.unit, signal.kind) for name, signal in baseline.signals.items()}
    assert units == {
        "ecg": ("V", "ecg"),
        "eda": ("uS", "eda"),
        "emg": ("V", "emg"),
        "resp": ("%", "resp"),
        "temperature": ("degC", "temperature"),
        "acc": ("g", "acc"),
    }
    for name, signal in baseline.signals.items():
        assert (signal.sfreq, signal.n_times, signal.start) == (700.0, 4333, 0.0)
        assert signal.ch_names == WESAD_CHEST.ch_names[name]
        assert_allclose(signal.data[0], np.arange(1500, 5833) * (1e-3 if name in ("ecg", "emg") else 1))


def test_the_wrist_has_g_and_nothing_of_the_file_stays_open(tmp_path):
    write(tmp_path)
    acc = next(iter(WESAD.read(tmp_path))).signal("acc")
    shutil.rmtree(tmp_path / "S2")
    assert (acc.unit, acc.ch_names, acc.sfreq) == ("g", ("ACC_X", "ACC_Y", "ACC_Z"), 32.0)
    assert_allclose(acc.data[2] - acc.data[0], 0.5 / 64)
    assert acc.data.flags.c_contiguous


def test_impossible_values_are_flagged_and_kept(tmp_path):
    content = recording()
    content["signal"]["wrist"]["TEMP"][:] = 33
    content["signal"]["wrist"]["TEMP"][10] = 382.2
    content["signal"]["wrist"]["EDA"][:] = 2
    content["signal"]["wrist"]["EDA"][11] = np.nan
    write(tmp_path, content=content)
    baseline = read(tmp_path)[0][0]
    assert_array_equal(np.flatnonzero(baseline.signal("temperature").flags), [10 - 9])
    assert baseline.signal("temperature").flags.max() == Flag.OUT_OF_RANGE
    assert not baseline.signal("eda").flags.any()
    assert np.isnan(baseline.signal("eda").data[0, 11 - 9])


def test_answers_belong_to_the_conditions_in_the_files_order(tmp_path):
    write(tmp_path)
    by_trial = {trial.trial: trial.ratings for trial in read(tmp_path)[0]}
    assert {name: (r["valence"], r["arousal"]) for name, r in by_trial.items()} == {
        **{"baseline": (1, 9), "stress": (2, 8), "meditation_1": (3, 7), "amusement": (4, 6)},
        "meditation_2": (5, 5),
    }
    # Calm items are reversed: nobody is calmer than who is at ease, relaxed and pleased.
    assert [by_trial[name]["stai"] for name in ("baseline", "stress", "meditation_1")] == [15, 6, 24]
    assert [by_trial["stress"][f"sssq_{item}"] for item in range(1, 7)] == [1, 2, 3, 4, 5, 1]
    assert np.isnan(by_trial["baseline"]["sssq_1"])
    for ratings in by_trial.values():
        assert set(ratings) == set(WESAD.ratings)
        for name, value in ratings.items():
            low, high = WESAD.ratings[name]
            assert np.isnan(value) or low <= value <= high


def test_sad_is_the_last_item_of_24_and_of_26(tmp_path):
    rows = [[1] * 23 + [4], [1] * 23 + [2, 3, 5], *[[1] * 24] * 3]
    write(tmp_path, answers=quest(**{"# PANAS": rows}))
    trials, _ = read(tmp_path)
    assert [trial.ratings["sad"] for trial in trials] == [4, 5, 1, 1, 1]
    assert [trial.ratings["panas_negative"] for trial in trials] == [10] * 5


def test_positive_and_negative_items_are_ten_each(tmp_path):
    positive = {0, 2, 3, 5, 9, 10, 12, 14, 16, 17}
    row = [5 if item in positive else 1 for item in range(24)]
    write(tmp_path, answers=quest(**{"# PANAS": [row, [*row[:23], 1, 1, 1], row, row, row]}))
    for trial in read(tmp_path)[0]:
        assert (trial.ratings["panas_positive"], trial.ratings["panas_negative"]) == (50, 10)
        assert trial.ratings["happy"] == 1


def test_the_second_meditation_may_come_first(tmp_path):
    order = ["Base", "TSST", "Medi 2", "Fun", "Medi 1"]
    write(tmp_path, "S14", answers=quest("S14", order))
    trials, _ = read(tmp_path)
    assert [t.trial for t in trials] == ["baseline", "stress", "meditation_2", "amusement", "meditation_1"]
    assert [t.ratings["valence"] for t in trials] == [1, 2, 3, 4, 5]
    assert [t.ratings["happy"] for t in trials] == [PANAS[name] for name in order]


def test_stress_may_come_fourth_and_reading_may_be_anywhere(tmp_path):
    content = recording()
    content["label"] = np.where(content["label"] == 2, 9, content["label"])
    content["label"] = np.where(content["label"] == 3, 2, content["label"])
    content["label"] = np.where(content["label"] == 9, 3, content["label"]).astype(np.int32)
    order = ["Base", "Fun", "Medi 1", "TSST", "Medi 2"]
    answers = (
        quest("S3", order).replace("TSST;Medi 2;sRead", "TSST;Medi 2;bRead").replace("# Subj;", "# Subj:;")
    )
    write(tmp_path, "S3", content=content | {"subject": "S3"}, answers=answers)
    trials, exclusions = read(tmp_path)
    assert not exclusions
    assert [t.condition for t in trials] == ["baseline", "amusement", "meditation", "stress", "meditation"]
    assert [t.ratings["happy"] for t in trials] == [PANAS[name] for name in order]


def test_times_are_minutes_and_seconds_that_lost_their_last_zero(tmp_path):
    write(tmp_path)
    intervals = wesad_quest(tmp_path, "S2").intervals
    assert list(intervals) == [*ORDER, "sRead", "fRead"]
    # The published numbers of samples of S2: each interval without 10 s at either end, at 700 Hz.
    published = {"Base": 800_800, "TSST": 430_500, "Fun": 253_400, "sRead": 45_500, "fRead": 44_800}
    for name, n_samples in published.items():
        assert (intervals[name].stop - intervals[name].start - 20) * 700 == n_samples
    both = sum(intervals[name].stop - intervals[name].start - 20 for name in ("Medi 1", "Medi 2"))
    assert both * 700 == pytest.approx(537_599, abs=1)


def test_notes_become_tags(tmp_path):
    write(tmp_path)
    assert read(tmp_path)[0][0].tags == ("The temperature sensor was loosely attached.", "Sun on the desk")


def test_a_missing_questionnaire_or_readme_is_expected_and_said(tmp_path):
    write(tmp_path, answers="", readme="")
    trials, exclusions = read(tmp_path)
    assert [t.trial for t in trials][2::2] == ["meditation_1", "meditation_2"]
    assert all(np.isnan(list(t.ratings.values())).all() and not t.tags for t in trials)
    assert [e.expected for e in exclusions] == [True, True]
    assert "no S2_readme.txt: the makers' notes" in exclusions[0].reason
    assert "no S2_quest.csv: its trials come without ratings" in exclusions[1].reason
    assert len(list(WESAD.read(tmp_path))) == 5


def test_people_come_in_the_order_of_their_numbers_and_s12_need_not_be_there(tmp_path):
    for subject in ("S10", "S13", "S2", "S11"):
        write(tmp_path / "WESAD", subject)
    (tmp_path / "WESAD" / "wesad_readme.pdf").write_bytes(b"%PDF")
    assert list(WESAD.open(tmp_path)) == ["S2", "S10", "S11", "S13"]
    assert WESAD.files(tmp_path) == WESAD.files(tmp_path / "WESAD")
    assert len(WESAD.files(tmp_path)) == 12
    with pytest.raises(DataError, match="has no subject 'S12'; it has S2, S10"):
        list(WESAD.read(tmp_path, subjects=["S12"]))
    with pytest.raises(DataError, match="has no subject 'S12'"):
        wesad_e4(tmp_path, "S12")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("stress", ["no stress", "stress", None, "no stress", None]),
        ("affect_3class", ["baseline", "stress", None, "amusement", None]),
    ],
)
def test_tasks_leave_out_meditation(tmp_path, task, expected):
    write(tmp_path)
    assert next(iter(WESAD.tasks)) == "stress"
    assert [WESAD.tasks[task].target(trial) for trial in read(tmp_path)[0]] == expected
    assert "without meditation" in WESAD.tasks[task].description


# What may be wrong


def test_wrong_folders_are_said(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        WESAD.files(tmp_path / "nowhere")
    (tmp_path / "s2").mkdir()
    with pytest.raises(DataError, match=r"is not WESAD: expected folders S2, S3.*it holds s2\. Unpack"):
        WESAD.files(tmp_path)
    write(tmp_path).joinpath("S2.pkl").unlink()
    with pytest.raises(DataError, match=r"has no S2\.pkl"):
        list(WESAD.read(tmp_path))


def change_at(path, make):
    def change(content):
        *way, last = path
        inner = content
        for key in way:
            inner = inner[key]
        made = make(inner.pop(last))
        inner.update(made if isinstance(made, dict) else {last: made})
        return content

    return change


@pytest.mark.parametrize(
    ("path", "make", "sentence"),
    [
        (
            ["signal", "chest", "Temp"],
            lambda a: {"TEMP": a},
            "no 'Temp' in its signals of the chest; .*'TEMP'",
        ),
        (["signal", "chest", "Resp"], lambda a: {"RESP": a}, "no 'Resp' .*Upper and lower case matter"),
        (["signal", "chest"], lambda a: {"Chest": a}, "no 'chest' in its signals; it has 'wrist', 'Chest'"),
        (["signal"], lambda a: 5, "holds no dictionary in its signals"),
        (["label"], lambda a: a[:-1400], "which last .* s at 700 Hz; expected"),
        (["label"], lambda a: a[:, np.newaxis], "labels that are int32 .*expected whole numbers"),
        (["label"], lambda a: a.astype(float), "labels that are float64"),
        (["label"], lambda a: a[:0], "has the labels none; expected 0 to 7"),
        (["label"], lambda a: a + np.int32(1), "has the labels 1 to 8; expected 0 to 7"),
        (["label"], lambda a: np.arange(N, dtype=np.int32) % 8, "changes its label .* times"),
        (
            ["label"],
            lambda a: np.where(a == 3, 0, a).astype(np.int32),
            "has the conditions baseline 6 s, stress",
        ),
        (["label"], lambda a: np.where(a == 7, 2, a).astype(np.int32), "one stretch each"),
        (["signal", "chest", "ACC"], lambda a: a.T.copy(), r"shape \(3, .*expected \(time, 3\)"),
        (
            ["signal", "chest", "ECG"],
            lambda a: a[:, 0].copy(),
            r"shape .* in chest ECG; expected \(time, 1\)",
        ),
        (["signal", "chest", "ECG"], lambda a: a.astype(np.int32), "int32 numbers in chest ECG"),
        (["signal", "chest", "ECG"], lambda a: 3, "no array in chest ECG"),
        (["signal", "chest", "EDA"], lambda a: a * np.inf, "infinite values in chest EDA"),
        (["subject"], lambda a: "S3", "says that it is of 'S3'; expected 'S2'"),
        (["subject"], lambda a: {"name": a}, "no 'subject' at its top; it has 'signal', 'label', 'name'"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in multiply")
def test_a_pickle_that_is_not_as_described_is_said(tmp_path, path, make, sentence):
    write(tmp_path, content=change_at(path, make)(deepcopy(recording())))
    with pytest.raises(DataError, match=sentence):
        list(WESAD_CHEST.read(tmp_path))
    trials, exclusions = read(tmp_path, WESAD_CHEST)
    assert not trials
    assert [e.expected for e in exclusions] == [False]


def test_signals_of_the_wrist_that_last_too_long_are_said(tmp_path):
    content = recording()
    content["signal"]["wrist"]["EDA"], content["signal"]["wrist"]["BVP"] = ramp(64), ramp(4)
    write(tmp_path, content=content)
    with pytest.raises(DataError, match=r"samples in wrist EDA, which last .* s at 4 Hz"):
        list(WESAD.read(tmp_path))


@pytest.mark.parametrize("tenth", range(10))
def test_a_pickle_cut_anywhere_is_refused(tmp_path, tenth):
    path = write(tmp_path) / "S2.pkl"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * tenth // 10])
    with pytest.raises(DataError, match=r"S2\.pkl"):
        list(WESAD.read(tmp_path))


def test_a_pickle_that_calls_something_is_refused(tmp_path):
    folder = write(tmp_path)
    (folder / "S2.pkl").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(DataError, match="os"):
        list(WESAD.read(tmp_path))


def test_files_of_somebody_else_and_orders_that_differ_are_said(tmp_path):
    write(tmp_path, answers=quest("S3"))
    with pytest.raises(DataError, match=r"S2_quest\.csv says that it is of 'S3'; expected 'S2'"):
        list(WESAD.read(tmp_path))
    write(tmp_path, answers=quest(order=["Base", "Fun", "Medi 1", "TSST", "Medi 2"]))
    with pytest.raises(DataError, match=r"its questionnaire baseline, amusement.*expected the same order"):
        list(WESAD.read(tmp_path))


GOOD_PANAS = [[1] * 24, [1] * 26, [1] * 24, [1] * 24, [1] * 24]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"# START": [["7.75", *["1"] * 6]]}, "Base from '7.75' to '26.32'; expected minutes.seconds"),
        ({"# START": [["7,08", *["1"] * 6]]}, "Base from '7,08'"),
        ({"# START": [["-7.08", *["1"] * 6]]}, "Base from '-7.08'"),
        ({"# START": [["7.081", *["1"] * 6]]}, "Base from '7.081'"),
        ({"# START": [["\u0667.08", *["1"] * 6]]}, "Base from"),
        ({"# START": [["27", *["1"] * 6]]}, "Base from '27' to '26.32'; .*the end after the beginning"),
        ({"# START": [["7.08"]]}, "7 conditions, 1 times of START and 7 of END"),
        ({"# ORDER": [["Base", "Base", "Medi 1", "Fun", "Medi 2"]]}, "conditions Base, Base"),
        ({"# ORDER": [[]]}, "has the conditions .none."),
        ({"# ORDER": [[*ORDER, "nap"]]}, "Medi 2, nap; expected Base, TSST"),
        ({"# PANAS": GOOD_PANAS[1:]}, "has 4 rows '# PANAS'; expected 5"),
        ({"# PANAS": [[1] * 24] * 5}, "PANAS after stress, has the answers .*expected 26 whole numbers"),
        ({"# PANAS": [[1] * 23 + [6], *GOOD_PANAS[1:]]}, "PANAS after baseline, .*from 1 to 5"),
        ({"# STAI": [[5] * 6] * 5}, "STAI after baseline, .*expected 6 whole numbers from 1 to 4"),
        ({"# DIM": [[0, 1]] * 5}, "DIM after baseline, .*from 1 to 9"),
        ({"# DIM": [["", 1]] * 5}, "DIM after baseline"),
        ({"# DIM": [["five", 1]] * 5}, "DIM after baseline"),
        ({"# SSSQ": [[1] * 5]}, "SSSQ after stress, .*expected 6"),
        ({"# SSSQ": []}, "has 0 rows '# SSSQ'; expected 1"),
        ({"# Subj": [["S2"], ["S3"]]}, "has 2 rows '# SUBJ'"),
    ],
)
def test_a_questionnaire_that_cannot_be_is_said(tmp_path, changes, sentence):
    write(tmp_path, answers=quest(**changes))
    with pytest.raises(DataError, match=sentence):
        list(WESAD.read(tmp_path))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no SX_quest.csv: it starts with b''"),
        (b"\xff\xfe\x00" * 30, "is no SX_quest.csv"),
        (b"<html>", "is no SX_quest.csv"),
        (b";" * (2**20 + 1), "more than 1024 kB"),
    ],
)
def test_something_else_in_place_of_a_questionnaire_is_said(tmp_path, content, sentence):
    write(tmp_path).joinpath("S2_quest.csv").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        wesad_quest(tmp_path, "S2")


QUEST = quest().encode()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(QUEST)), length=st.integers(0, 12), put=st.binary(max_size=12))
def test_a_damaged_questionnaire_is_our_error_or_in_range(tmp_path, at, length, put):
    folder = tmp_path / "S2"
    folder.mkdir(exist_ok=True)
    (folder / "S2_quest.csv").write_bytes(QUEST[:at] + put + QUEST[at + length :])
    try:
        found = wesad_quest(tmp_path, "S2")
    except DataError:
        return
    assert sorted(found.order) == sorted(found.ratings)
    for ratings in found.ratings.values():
        for name, value in ratings.items():
            low, high = WESAD.ratings[name]
            assert np.isnan(value) or low <= value <= high


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.integers(0, 130), seconds=st.integers(0, 59))
def test_every_time_survives_the_loss_of_its_zeros(tmp_path, minutes, seconds):
    (tmp_path / "S2").mkdir(exist_ok=True)
    text = f"{minutes + seconds / 100:.2f}".rstrip("0").rstrip(".")
    times = [text, *["1"] * 6]
    answers = quest(**{"# START": [times], "# END": [["131"] * 7]})
    (tmp_path / "S2" / "S2_quest.csv").write_text(answers)
    assert wesad_quest(tmp_path, "S2").intervals["Base"].start == 60 * minutes + seconds


def test_a_zip_bomb_in_place_of_the_e4_export_is_refused(tmp_path):
    folder = write(tmp_path)
    with (
        zipfile.ZipFile(folder / "S2_E4_Data.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("EDA.csv", "w") as member,
    ):
        for _ in range(257):
            member.write(bytes(2**20))
    with pytest.raises(DataError, match="more than 256 MB"):
        wesad_e4(tmp_path, "S2")


# Simulated ones


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("wesad"), World(affect=3.0), n_subjects=3, max_seconds=4)


def test_the_pickle_is_what_the_devices_wrote(simulated):
    # The questionnaire counts from the chest's text; the pickle begins 60 s later, and 20 s after the wrist.
    text, quest_ = wesad_respiban(simulated, "S2"), wesad_quest(simulated, "S2")
    wrist_device = wesad_e4(simulated, "S2")
    for chest, wrist in zip(
        WESAD_CHEST.read(simulated, subjects=["S2"]), WESAD.read(simulated, subjects=["S2"]), strict=True
    ):
        names = {"baseline": "Base", "stress": "TSST", "amusement": "Fun"}
        names |= {f"meditation_{n}": f"Medi {n}" for n in (1, 2)}
        interval = quest_.intervals[names[chest.trial]]
        assert chest.elapsed == interval.start + 10 - 60
        for name in chest.signals:
            raw = text.signals[name].crop(interval.start + 10, interval.stop - 10)
            assert_allclose(chest.signal(name).data, raw.data, rtol=1e-6, atol=1e-12)
        assert wrist.elapsed == chest.elapsed
        begin = wrist.elapsed + 20
        for name in wrist.signals:
            whole = wrist_device.signals[name]
            assert isinstance(whole, Signal)
            assert_allclose(
                wrist.signal(name).data, whole.crop(begin, begin + wrist.duration).data, atol=1e-9
            )


def test_simulated_people_have_every_trap_of_the_layout(simulated):
    assert list(WESAD.open(simulated)) == ["S2", "S3", "S4"]
    first, second = ((simulated / s / f"{s}_quest.csv").read_text() for s in ("S2", "S3"))
    assert first.startswith("# Subj;S2;;")
    assert second.startswith("# Subj:;S3;;")
    assert "bRead" in second
    assert "bRead" not in first
    assert all(line.count(";") == 26 for line in first.splitlines())
    head = (simulated / "S2" / "S2_respiban.txt").read_text().splitlines()[:4]
    assert head[0] == "# OpenSignals Text File Format"
    assert '"time": "9:39:1.0", "date": "2017-5-22"' in head[1]
    assert head[3].startswith("0\t0\t")
    assert head[3].endswith("\t")
    with zipfile.ZipFile(simulated / "S2" / "S2_E4_Data.zip") as archive:
        assert archive.read("tags.csv") == b""
        assert archive.read("TEMP.csv").splitlines()[2:7][:4] == [b"382.21"] * 4
        assert b", " in archive.read("ACC.csv").splitlines()[0]
    # Python 2's default protocol, which alone makes of S2's arrays the 975 MB that it has.
    assert (simulated / "S2" / "S2.pkl").read_bytes()[:4] == b"(dp0"
    trials, exclusions = read(simulated)
    assert not exclusions
    assert all(trial.tags == ("simulated",) and trial.duration == 4 for trial in trials)


def test_stress_shows_as_planted(simulated):
    means: dict[str, list[float]] = {}
    for trial in WESAD.read(simulated):
        means.setdefault(trial.condition, []).append(trial.signal("temperature").data.mean())
    assert np.mean(means["stress"]) < np.mean(means["meditation"]) - 0.5


@pytest.mark.slow
def test_s14_meditates_the_other_way_round(tmp_path):
    simulate(tmp_path, n_subjects=12, max_seconds=1, is_raw_written=False)
    trials = list(WESAD.read(tmp_path, subjects=["S14"]))
    assert [t.trial for t in trials if t.condition == "meditation"] == ["meditation_2", "meditation_1"]
    assert "S12" not in WESAD.open(tmp_path)


def test_people_do_not_depend_on_how_many_there_are(tmp_path, simulated):
    again = simulate(tmp_path, World(affect=3.0), n_subjects=1, max_seconds=4)
    for path in sorted((again / "S2").iterdir()):
        assert path.read_bytes() == (simulated / "S2" / path.name).read_bytes()


def test_numbers_out_of_range_and_folders_that_exist_are_refused(tmp_path):
    with pytest.raises(PhysioaffectError, match="needs 1 to 15 subjects and all 5 conditions"):
        simulate(tmp_path, n_subjects=16)
    with pytest.raises(PhysioaffectError, match="as clips, got 1 and 4"):
        simulate(tmp_path, n_subjects=1, n_clips=4)
    with pytest.raises(PhysioaffectError, match="max_seconds must be at least 1 s"):
        simulate(tmp_path, n_subjects=1, max_seconds=0.5)
    Path(tmp_path / "S2").mkdir()
    with pytest.raises(DataError, match="S2 exists and is not overwritten"):
        simulate(tmp_path, n_subjects=1, max_seconds=1)


@pytest.mark.parametrize(
    ("name", "task", "n_trials"), [("wesad", "stress", 9), ("wesad_chest", "affect_3class", 9)]
)
def test_the_command_line_evaluates_what_was_simulated(simulated, tmp_path, name, task, n_trials):
    assert get(name).name == name
    run = CliRunner().invoke(
        app,
        [
            *("evaluate", name, str(simulated), "--task", task, "--window", "2", "--model", "logistic"),
            *("--out", str(tmp_path / "result"), "--jobs", "1", "--json"),
        ],
    )
    assert run.exit_code == 0, run.output
    table = json.loads(run.stdout)["run"]["table"]
    assert (table["n_subjects"], table["n_trials"], table["simulated"]) == (3, n_trials, True)


# A scale that is wrong


def body():
    """A recording as of somebody who sits still."""
    content = recording()
    rng = np.random.default_rng(0)
    sizes = {"ECG": 0.2, "EMG": 0.02, "EDA": 0.1, "Resp": 2.0, "Temp": 0.1, "BVP": 30.0, "TEMP": 0.1}
    offsets = {"EDA": 3.0, "Temp": 33.0, "TEMP": 32.0}
    for device, unit in (("chest", 1.0), ("wrist", 64.0)):
        signals = content["signal"][device]
        for name, array in signals.items():
            noise = rng.standard_normal(array.shape)
            values = sizes.get(name, 0.02) * noise.clip(-4, 4) + offsets.get(name, 0.0)
            if name == "ACC":
                values = unit * (values + np.array([0.0, 0.6, 0.8]))
            signals[name] = values.astype(array.dtype)
    return content


@pytest.mark.parametrize("dataset", [WESAD, WESAD_CHEST], ids=lambda dataset: dataset.name)
def test_somebody_who_sits_still_is_found_good(tmp_path, dataset):
    write(tmp_path, content=body())
    result = check(dataset, tmp_path)
    assert result.deviations == ()
    assert not any(signal.flags.any() for t in read(tmp_path, dataset)[0] for signal in t.signals.values())


@pytest.mark.parametrize(
    ("device", "key", "factor", "sentence"),
    [
        ("wrist", "ACC", 1 / 64, r"acc has a median length of 0\.015\d g, expected 0\.5 to 2\. Is it in"),
        ("wrist", "ACC", 9.81, r"acc has a median length of 9\.8\d g, expected 0\.5 to 2"),
        ("wrist", "EDA", 1e-6, r"eda has a median of 3\.\d*e-06 uS, expected 0\.01 to 100"),
        ("wrist", "TEMP", 1.8, r"temperature has a median of 57\.\d degC, expected 15 to 45"),
        ("chest", "ACC", 64, r"acc has a median length of 64 g, expected 0\.5 to 2"),
        ("chest", "ECG", 1e3, r"ecg has a median distance from its median of 0\.13\d V, expected 1e-06"),
        ("chest", "ECG", 1e-3, r"ecg has a median distance from its median of 1\.3\d*e-07 V"),
        ("chest", "EMG", 1e3, r"emg has a median distance from its median of 0\.013\d* V, expected"),
        ("chest", "EDA", 1e3, r"eda has a median of 3(\.\d*)?e\+03 uS, expected 0\.01 to 100"),
        ("chest", "Temp", 0.1, r"temperature has a median of 3\.3\d? degC, expected 15 to 45"),
    ],
)  # fmt: skip
def test_a_wrong_scale_is_said_of_the_signal_and_of_no_other(tmp_path, device, key, factor, sentence):
    content = body()
    content["signal"][device][key] = content["signal"][device][key] * factor
    write(tmp_path, content=content)
    deviations = check(WESAD if device == "wrist" else WESAD_CHEST, tmp_path).deviations
    assert sum(bool(re.match(f"Subject S2: {sentence}", said)) for said in deviations) == 1
    assert len(deviations) <= 2  # The other says that more than half of it is flagged.
    assert all(f": {sentence.partition(' ')[0]} " in said or " of " in said for said in deviations)


def test_what_a_device_cannot_give_is_flagged(tmp_path):
    content = body()
    begin = FIRST[1]
    content["signal"]["chest"]["ECG"][begin + 5] = 1.51
    content["signal"]["chest"]["EDA"][begin + 7] = 25.5
    content["signal"]["wrist"]["ACC"][round(begin / 700 * 32) + 3] = [0, 0, 200]
    write(tmp_path, content=content)
    chest = read(tmp_path, WESAD_CHEST)[0][0]
    assert np.flatnonzero(chest.signal("ecg").flags).tolist() == [5]
    assert np.flatnonzero(chest.signal("eda").flags).tolist() == [7]
    assert np.flatnonzero(read(tmp_path)[0][0].signal("acc").flags).tolist() == [3]
