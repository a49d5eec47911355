"""Maps of text tables: TOML says the same as Python, and what is misspelt or impossible is refused."""

from typing import Any

import numpy as np
import pytest

from physioaffect.devices.csv_file import read_csv
from physioaffect.devices.csv_map import CsvMap, EventMap, FlagMap, SignalMap, TimeMap
from physioaffect.devices.map_file import MAP_NAME, read_map
from physioaffect.errors import DataError
from physioaffect.recording import Signal

WATCH = """
device = "My watch"
delimiter = ";"
decimal = ","
header_line = 2
first_line = 4
missing = ["", "-1"]

[time]
column = "Unix"
unit = "ms"

[[signals]]
name = "acc"
columns = ["x", "y", "z"]
ch_names = ["ACC_X", "ACC_Y", "ACC_Z"]
unit = "mg"
sfreq = 50
factor = 0.5

[[signals]]
name = "wrist"
kind = "eda"
columns = ["gsr"]
unit = "kOhm"
sfreq = [4, 8.0]

[[events]]
column = "rr"
kind = "ibi"
unit = "ms"

[[flags]]
column = "worn"
bad = [0]
signals = ["wrist"]
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / MAP_NAME


def load(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_map(path)


def test_toml_says_the_same_as_python(path):
    assert load(path, WATCH) == CsvMap(
        device="My watch",
        delimiter=";",
        decimal=",",
        header_line=2,
        first_line=4,
        missing=("", "-1"),
        time=TimeMap(column="Unix", unit="ms"),
        signals=(
            SignalMap(
                name="acc",
                columns=("x", "y", "z"),
                ch_names=("ACC_X", "ACC_Y", "ACC_Z"),
                unit="mg",
                sfreq=50,
                factor=0.5,
            ),
            SignalMap(name="wrist", kind="eda", columns=("gsr",), unit="kOhm", sfreq=(4, 8.0)),
        ),
        events=(EventMap(column="rr", kind="ibi", unit="ms"),),
        flags=(FlagMap(column="worn", bad=(0,), signals=("wrist",)),),
    )


def test_a_table_is_read_by_its_map(path):
    csv_map = load(path, WATCH)
    rows = "".join(f"{1_600_000_000_000 + 20 * n};{n},5;0;2000;-1;;1\n" for n in range(4))
    log = path.with_name("log.csv")
    log.write_text("watch of 2024\nUnix;x;y;z;gsr;rr;worn\nms;mg;mg;mg;kOhm;ms;\n" + rows)
    session = read_csv(log, csv_map)
    acc = session.signals["acc"]
    assert isinstance(acc, Signal)
    np.testing.assert_allclose(acc.data, np.stack([0.5e-3 * (np.arange(4) + 0.5), np.zeros(4), np.ones(4)]))
    assert "signal wrist has no value" in session.notes[0]


TIME = '[time]\ncolumn = "t"\nunit = "s"\n'
SIGNAL = '[[signals]]\nname = "eda"\ncolumns = ["a"]\nunit = "uS"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device = ", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        ("a = " + "[" * 5000, "is no TOML"),
        ("", "at least one signal"),
        ('devise = "x"\n' + SIGNAL, "the map has a key 'devise' that nothing reads; known are signals, time"),
        (SIGNAL + "sfrec = 4\n", r"\[\[signals\]\] has a key 'sfrec'"),
        ('[time]\ncolumn = "t"\nunits = "s"\n' + SIGNAL, r"\[time\] has a key 'units'"),
        ('[[signals]]\nname = "eda"\ncolumns = ["a"]\n', r"\[\[signals\]\] lacks unit"),
        (SIGNAL.replace("[[", "[").replace("]]", "]"), r"write \[\[signals\]\], not \[signals\]"),
        ("time = 3\n" + SIGNAL, r"\[time\] must be a table"),
        ("signals = [1]\n", r"\[\[signals\]\] must be a table"),
        (SIGNAL + 'sfreq = "4"\n', "sfreq must be a number or a list, each item a number; got '4'"),
        (SIGNAL + "sfreq = true\n", "sfreq must be a number"),
        (SIGNAL.replace('["a"]', '"a"'), "columns must be a list, each item a text"),
        ("header_line = 1.5\n" + SIGNAL, "header_line must be a whole number"),
        ("may_end_early = 1\n" + SIGNAL, "may_end_early must be true or false"),
        ('delimiter = ";;"\n' + TIME + SIGNAL, "delimiter must be one ASCII character"),
        (SIGNAL, "Signal 'eda' needs a sampling rate"),
        (TIME + SIGNAL.replace("uS", "pounds"), "the unit of eda must be one of uS, .*'pounds'"),
    ],
)
def test_a_map_with_a_mistake_is_refused(path, text, message):
    with pytest.raises(DataError, match=message) as error:
        load(path, text)
    assert MAP_NAME in str(error.value)


def test_a_map_that_is_missing_or_huge_is_refused(path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_map(path)
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(DataError, match="it is no map"):
        read_map(path)


WRONG: Any = "x"
EDA = SignalMap(name="eda", columns=("a",), unit="uS", sfreq=4)
T = TimeMap(column="t", unit="s")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeMap(column="t", unit="days"), "unit of time must be one of"),
        (lambda: TimeMap(column="t", unit=0), "tick must last more than 0 s"),
        (lambda: TimeMap(column="t", unit="s", since=WRONG), "since must be one of"),
        (lambda: TimeMap(column="t", unit="s", stamps=WRONG), "stamps must be one of"),
        (lambda: TimeMap(column="t", unit="s", tolerance=-1), "tolerance must be above 0"),
        (lambda: TimeMap(column="t", unit="s", zone="UTC"), "zone and pattern belong to dates"),
        (lambda: TimeMap(column="t", unit="text", zone="Middle/Earth"), "Unknown time zone 'Middle/Earth'"),
        (lambda: TimeMap(column="t", unit="text", zone="../../etc/passwd"), "Unknown time zone"),
        (lambda: TimeMap(column="t", unit="text", zone="+99:00"), "Unknown time zone"),
        (lambda: SignalMap(name="mood", columns=("a",), unit="au"), "kind must be one of"),
        (lambda: SignalMap(name="eda", columns=(), unit="uS"), "one channel name for each"),
        (lambda: SignalMap(name="acc", columns=("a", "a"), unit="g"), "twice"),
        (
            lambda: SignalMap(name="eda", columns=("a",), unit="uS", factor=0),
            "factor must be finite and not 0",
        ),
        (lambda: SignalMap(name="eda", columns=("a",), unit="uS", sfreq=-1), "sfreq must be above 0"),
        (lambda: SignalMap(name="eda", columns=("a",), unit="uS", sfreq=()), "sfreq must be above 0"),
        (lambda: SignalMap(name="eda", columns=("a",), unit="uS", every=0), "every must be 1 or more"),
        (
            lambda: SignalMap(name="eda", columns=("a",), unit="uS", shared=WRONG),
            "shared must be one of",
        ),
        (lambda: EventMap(column="a", kind=WRONG), "kind of events must be one of"),
        (lambda: EventMap(column="a", kind="ibi", unit="years"), "unit of events must be one of"),
        (lambda: FlagMap(column="a", bad=()), "at least one bad value"),
        (lambda: FlagMap(column="a", bad=(1,), reason="tired"), "reason must be one of off_body"),
        (lambda: CsvMap(signals=()), "at least one signal"),
        (lambda: CsvMap(signals=(EDA, EDA)), "called 'eda'"),
        (lambda: CsvMap(signals=(EDA,), events=(EventMap(column="a", kind="tags"),)), "column of time"),
        (lambda: CsvMap(signals=(EDA,), decimal=",", delimiter=","), "both cells and decimals"),
        (lambda: CsvMap(signals=(EDA,), decimal=WRONG), "decimal must be one of"),
        (lambda: CsvMap(signals=(EDA,), encoding="utf-9"), "Unknown encoding 'utf-9'"),
        (lambda: CsvMap(signals=(EDA,), header_line=3, first_line=3), "first_line after it"),
        (lambda: CsvMap(signals=(EDA,), key="k"), "key and value belong together"),
        (
            lambda: CsvMap(
                signals=(EDA,), time=T, key="k", value="v", flags=(FlagMap(column="a", bad=(1,)),)
            ),
            "there are no flags",
        ),
        (
            lambda: CsvMap(signals=(EDA,), flags=(FlagMap(column="a", bad=(1,), signals=("acc",)),)),
            "signal 'acc' that the map does not have",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
