"""RespiBAN text: the published formulas, order of columns, lost samples, and damaged files."""

import json
import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.respiban import RespibanSession, read_respiban, respiban_temperature
from physioaffect.errors import DataError
from physioaffect.recording import Flag

SENSORS = ["ECG", "EDA", "EMG", "TEMP", "XYZ", "XYZ", "XYZ", "RESPIRATION"]
MIDDLE = 32768


def device(**changes):
    return {
        "sensor": SENSORS,
        "column": ["nSeq", "DI", *(f"CH{n}" for n in range(1, 9))],
        "sampling rate": 700,
        "resolution": [16] * 8,
        "date": "2017-5-22",
        "time": "9:39:1.0",
    } | changes


def text(rows, about=None, *, first="# OpenSignals Text File Format", third="# EndOfHeader", end="\t\n"):
    header = json.dumps({"00:07:80:D8:AB:46": device() if about is None else about})
    return "\n".join([first, f"# {header}", third, ""]) + "".join(
        "\t".join(map(str, row)) + end for row in rows
    )


def read(path: Path, content: str | bytes) -> RespibanSession:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_respiban(path)


def rows_of(counts, begin=0):
    return [(begin + n, 0, *row) for n, row in enumerate(counts)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "S2_respiban.txt"


def test_counts_become_physical_units_by_the_published_formulas(path):
    counts = np.random.default_rng(0).integers(1, 65535, (50, 8))
    counts[:, 3] = np.linspace(20000, 40000, 50)
    session = read(path, text(rows_of(counts)))
    assert session.started_local == datetime(2017, 5, 22, 9, 39, 1)
    ecg, eda, emg, temp, *axes, breath = counts.T
    assert_allclose(session.signals["ecg"].data[0], (ecg / 2**16 - 0.5) * 3 / 1000)
    assert_allclose(session.signals["emg"].data[0], (emg / 2**16 - 0.5) * 3 / 1000)
    assert_allclose(session.signals["eda"].data[0], (eda / 2**16 * 3) / 0.12)
    assert_allclose(session.signals["resp"].data[0], (breath / 2**16 - 0.5) * 100)
    assert_allclose(session.signals["acc"].data, [(a - 28000) / (38000 - 28000) * 2 - 1 for a in axes])
    for count, celsius in zip(temp, session.signals["temperature"].data[0], strict=True):
        volts = count * 3 / (2**16 - 1)
        log_ohm = math.log(1e4 * volts / (3 - volts))
        kelvin = 1 / (1.12764514e-3 + 2.34282709e-4 * log_ohm + 8.77303013e-8 * log_ohm**3)
        assert celsius == pytest.approx(kelvin - 273.15)
    units = {name: (signal.unit, signal.sfreq) for name, signal in session.signals.items()}
    assert units == {
        **{"ecg": ("V", 700.0), "eda": ("uS", 700.0), "emg": ("V", 700.0), "temperature": ("degC", 700.0)},
        **{"acc": ("g", 700.0), "resp": ("%", 700.0)},
    }


def test_a_thermistor_of_ten_kiloohm_is_about_as_warm_as_a_room():
    assert respiban_temperature(np.array([65535 / 2]))[0] == pytest.approx(25, abs=0.01)


def test_columns_are_taken_from_the_header_and_not_by_their_place(path):
    about = device(
        sensor=["RESPIRATION", "XYZ", "XYZ", "XYZ", "ECG"],
        column=["DI", "CH1", "CH2", "nSeq", "CH3", "CH4", "CH5"],
        resolution=[16] * 5,
    )
    session = read(path, text([(0, 40000, 1000, n, 2000, 3000, MIDDLE) for n in range(3)], about))
    assert set(session.signals) == {"resp", "acc", "ecg"}
    assert_allclose(session.signals["acc"].data[:, 0], [(a - 28000) / 5000 - 1 for a in (1000, 2000, 3000)])
    assert_array_equal(session.signals["ecg"].data, 0)


def test_the_tab_at_the_end_of_a_line_and_windows_line_ends_do_not_matter(path):
    counts = np.full((4, 8), MIDDLE)
    expected = read(path, text(rows_of(counts)))
    for end in ("\n", "\t\r\n", "\r\n"):
        found = read(path, text(rows_of(counts), end=end))
        for name, signal in expected.signals.items():
            assert_array_equal(found.signals[name].data, signal.data)


def test_samples_that_the_counter_skips_are_missing_and_flagged(path):
    rows = [(n, 0, *[MIDDLE + n] * 8) for n in (5, 6, 9, 10)]
    ecg = read(path, text(rows)).signals["ecg"]
    assert_array_equal(np.isnan(ecg.data[0]), [False, False, True, True, False, False])
    assert_array_equal(ecg.flags, [0, 0, Flag.GAP, Flag.GAP, 0, 0])


def test_a_counter_may_start_anew(path):
    rows = [(n % 4, 0, *[MIDDLE + n] * 8) for n in range(11)]
    assert_array_equal(np.diff(read(path, text(rows)).signals["resp"].data[0]), 100 / 2**16)


def test_ends_of_the_scale_and_impossible_temperatures_are_flagged(path):
    counts = np.full((3, 8), MIDDLE)
    counts[1] = 65535
    counts[2] = 0
    signals = read(path, text(rows_of(counts))).signals
    assert_array_equal(signals["ecg"].flags, [0, Flag.CLIPPED, Flag.CLIPPED])
    assert_array_equal(signals["temperature"].flags & Flag.OUT_OF_RANGE > 0, [False, True, True])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"resolution": [12] * 8}, "resolutions .12, 12"),
        ({"sensor": ["ECG"] * 8}, "sensor ECG 8 times"),
        ({"sensor": [*SENSORS[:-1], "LUX"]}, "a sensor 'LUX'; the conversion is known for ECG"),
        ({"sensor": SENSORS[:-1]}, "for the sensors ECG, EDA"),
        ({"sampling rate": 0}, "its sampling rate is 0"),
        ({"sampling rate": True}, "its sampling rate is True"),
        ({"sampling rate": "fast"}, "its sampling rate is fast"),
        ({"column": "nSeq"}, "does not name its columns"),
    ],
)
def test_a_header_that_cannot_be_is_refused(path, changes, sentence):
    with pytest.raises(DataError, match=sentence):
        read(path, text(rows_of(np.full((3, 8), MIDDLE)), device(**changes)))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "starts with ''.*Expected '# OpenSignals"),
        (b"\xff\x00\x12", "is no RespiBAN text file"),
        (text([], first="# Something"), "starts with '# Something'"),
        (text([], third="1\t2"), "its third line is '1"),
        ("# OpenSignals Text File Format\n# {\n# EndOfHeader\n", "its second line is"),
        (f"# OpenSignals Text File Format\n# {'[' * 60000}\n# EndOfHeader\n", "its second line is"),
        ("# OpenSignals Text File Format\n# {}\n# EndOfHeader\n", "exactly one device"),
        ('# OpenSignals Text File Format\n# {"a": 1}\n# EndOfHeader\n', "does not describe a device"),
        (text([]), "ends after its header"),
        (text([(0, 0, *[MIDDLE] * 8), (1, 0, 5)]), "in line 5; expected 10 whole numbers"),
        (text([(0, 0, *[MIDDLE] * 7, 1.5)]), "in line 4; expected 10 whole numbers"),
        (text([(0, 0, *[MIDDLE] * 7, "")]) + "1", "in line 4"),
        (text([(0, 0, *[MIDDLE] * 8), (1, 0, *[MIDDLE] * 7, "1-2")]), "in line 5"),
        (text([(0, 0, *[MIDDLE] * 8)]) + "\n\n", "'.n' in line 5"),
        (text([(0, 0, *[65536] * 8)]), "expected channels from 0 to 65535"),
        (text([(-1, 0, *[MIDDLE] * 8)]), "nothing below 0"),
        (text([(0, 0, *[MIDDLE] * 7, "9" * 30)]), "in line 4"),
        (text([(5, 0, *[MIDDLE] * 8), (3, 0, *[MIDDLE] * 8)]), "counts 5, 3 in lines 4 and 5"),
        (text([(0, 0, *[MIDDLE] * 8), (10**15, 0, *[MIDDLE] * 8)]), "more than half of the recording"),
    ],
)
def test_what_is_wrong_is_said(path, content, sentence):
    with pytest.raises(DataError, match=sentence):
        read(path, content)


def test_a_file_that_is_not_there_is_said(path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_respiban(path)


@pytest.mark.parametrize("clock", [{}, {"date": "2017-13-40"}, {"time": "noon"}, {"date": 5}])
def test_a_clock_that_says_nothing_is_none(path, clock):
    about = device(**clock)
    if not clock:
        del about["date"]
    assert read(path, text(rows_of(np.full((3, 8), MIDDLE)), about)).started_local is None


GOOD = text(rows_of(np.random.default_rng(1).integers(1, 65535, (6, 8)))).encode()


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_file_cut_anywhere_is_an_error_or_shorter(path, tenth):
    try:
        session = read(path, GOOD[: len(GOOD) * tenth // 10])
    except DataError:
        return
    assert 1 <= session.signals["ecg"].n_times < 6


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, len(GOOD) - 1), length=st.integers(0, 20), put=st.binary(max_size=20) | st.just(b"\t-")
)
def test_damage_is_an_error_of_ours_or_a_result(path, at, length, put):
    try:
        session = read(path, GOOD[:at] + put + GOOD[at + length :])
    except DataError:
        return
    assert all(signal.n_times <= 12 for signal in session.signals.values())
