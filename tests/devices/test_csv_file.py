"""Text tables by a stated map: values, units, rates, times, events, and every way in which a file is "
"broken."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.csv_file import read_csv
from physioaffect.devices.csv_map import CsvMap, EventMap, FlagMap, SignalMap, TimeMap
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

NOON = 1_600_000_000  # 2020-09-13 12:26:40 UTC.
EDA = SignalMap(name="eda", columns=("gsr",), unit="uS")
HR = SignalMap(name="hr", columns=("pulse",), unit="bpm")
SECONDS = TimeMap(column="t", unit="s")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.csv"


def read(path, text, csv_map=None, **kwargs):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    about: dict[str, Any] = {"time": SECONDS, "signals": (EDA,)} | kwargs
    return read_csv(path, csv_map or CsvMap(**about))


def column(values, begin=NOON, step=0.25):
    return "t,gsr\n" + "".join(f"{begin + step * n:.3f},{value}\n" for n, value in enumerate(values))


def test_values_rate_and_start(path):
    session = read(path, column([1, 2.5, "3e0", -4]), device="Logger")
    eda = session.signals["eda"]
    assert session.device == "Logger"
    assert session.started_at == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
    assert (session.utc_offset, session.notes) == (None, ())
    assert (eda.sfreq, eda.unit, eda.kind, eda.ch_names, eda.start) == (4, "uS", "eda", ("gsr",), 0)
    assert_array_equal(eda.data, [[1, 2.5, 3, -4]])
    assert not eda.flags.any()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=60),
    style=st.sampled_from([(",", "."), (";", ","), ("\t", "."), ("|", ",")]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    trailing=st.sampled_from(["", "\n", "\r\n\r\n"]),
)
def test_what_was_written_comes_back(path, values, style, end, encoding, trailing):
    delimiter, decimal = style
    lines = [f"t{delimiter}gsr [µS]"]
    lines += [f"{NOON + n}{delimiter}{value!r}".replace(".", decimal) for n, value in enumerate(values)]
    trailing = end if trailing == "\n" else trailing * (end != "\r")
    csv_map = CsvMap(
        time=SECONDS,
        signals=(SignalMap(name="eda", columns=("gsr [µS]",), unit="uS"),),
        delimiter=delimiter,
        decimal=decimal,
        encoding=encoding,
    )
    session = read(path, (end.join(lines) + trailing).encode(encoding), csv_map)
    assert_array_equal(session.signals["eda"].data[0], values)


@pytest.mark.parametrize(
    ("name", "unit", "numbers", "expected", "ours"),
    [
        ("eda", "kOhm", [400.0, 0.0], [2.5, np.nan], "uS"),
        ("eda", "nS", [2500.0], [2.5], "uS"),
        ("acc", "m/s2", [9.80665], [1.0], "g"),
        ("acc", "mg", [-1000.0], [-1.0], "g"),
        ("gyro", "rad/s", [np.pi], [180.0], "deg/s"),
        ("temperature", "degF", [98.6], [37.0], "degC"),
        ("temperature", "K", [310.15], [37.0], "degC"),
        ("ecg", "mV", [1.5], [1.5e-3], "V"),
        ("hr", "Hz", [1.2], [72.0], "bpm"),
        ("resp", "%", [50.0], [50.0], "%"),
        ("ppg", "au", [7.0], [7.0], "au"),
    ],
)
def test_units_of_the_file_become_ours(path, name, unit, numbers, expected, ours):
    text = "t,x\n" + "".join(f"{NOON + n},{number!r}\n" for n, number in enumerate([*numbers, 1, 1, 1]))
    signal = read(path, text, signals=(SignalMap(name=name, columns=("x",), unit=unit),)).signals[name]
    assert signal.unit == ours
    assert_allclose(signal.data[0, : len(numbers)], expected, rtol=1e-12)


def test_counts_become_a_unit_by_factor_and_offset(path):
    about = SignalMap(name="acc", columns=("gsr",), unit="mg", factor=1000 / 64, offset=-2000)
    assert_allclose(read(path, column([128, 192, 64]), signals=(about,)).signals["acc"].data, [[0, 1, -1]])


@pytest.mark.parametrize(("unit", "per_second"), [("ms", 1e3), ("us", 1e6), ("s", 1), (1 / 32768, 32768)])
def test_units_of_time_since_1970(path, unit, per_second):
    text = "t,gsr\n" + "".join(f"{round((NOON + 0.25 * n) * per_second)},{n}\n" for n in range(0, 80, 4))
    session = read(path, text, time=TimeMap(column="t", unit=unit))
    assert session.started_at == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
    assert session.signals["eda"].sfreq == 1


def test_a_counter_of_the_device_tells_no_utc(path):
    session = read(path, column(range(8), begin=12.5), time=TimeMap(column="t", unit="s", since="start"))
    assert session.started_at is None
    assert session.signals["eda"].start == 0
    assert "Time 0 is 12.5 s by the clock of the file" in session.notes[0]


@pytest.mark.parametrize(
    ("stamp", "kwargs", "expected", "offset"),
    [
        ("2021-04-05T15:48:0{}.834Z", {}, "2021-04-05T15:48:00.834000+00:00", 0),
        ("2021-04-05T15:48:0{}.834+02:00", {}, "2021-04-05T13:48:00.834000+00:00", 2),
        ("2021-04-05 15:48:0{}-0330", {}, "2021-04-05T19:18:00+00:00", -3.5),
        ("2021-04-05 15:48:0{}.5", {"zone": "Europe/Berlin"}, "2021-04-05T13:48:00.500000+00:00", 2),
        ("2021-01-05 15:48:0{}.5", {"zone": "Europe/Berlin"}, "2021-01-05T14:48:00.500000+00:00", 1),
        ("2021-04-05 15:48:0{}", {"zone": "-05:00"}, "2021-04-05T20:48:00+00:00", -5),
        (
            "05.04.2021 15:48:0{}",
            {"pattern": "%d.%m.%Y %H:%M:%S", "zone": "UTC"},
            "2021-04-05T15:48:00+00:00",
            0,
        ),
        ("15:48:0{} 05/04/21 +0200", {"pattern": "%H:%M:%S %d/%m/%y %z"}, "2021-04-05T13:48:00+00:00", 2),
    ],
)
def test_dates_in_text(path, stamp, kwargs, expected, offset):
    text = "t,gsr\n" + "".join(f"{stamp.format(n)},{n}\n" for n in range(5))
    session = read(path, text, time=TimeMap(column="t", unit="text", **kwargs))
    assert session.started_at == datetime.fromisoformat(expected)
    assert session.utc_offset == timedelta(hours=offset)
    assert session.signals["eda"].sfreq == 1


def test_local_time_without_a_zone_gives_no_utc(path):
    text = "t,gsr\n" + "".join(f"2021-04-05 15:48:0{n},{n}\n" for n in range(5))
    session = read(path, text, time=TimeMap(column="t", unit="text"))
    assert session.started_at is None
    assert "2021-04-05 15:48:00.000 by a local clock" in session.notes[0]


def test_local_time_goes_through_the_change_to_summer_without_a_gap(path):
    # On 28 March 2021, 02:00 in Berlin became 03:00.
    stamps = ["01:59:58", "01:59:59", "03:00:00", "03:00:01"]
    text = "t,gsr\n" + "".join(f"2021-03-28 {stamp},1\n" for stamp in stamps)
    session = read(path, text, time=TimeMap(column="t", unit="text", zone="Europe/Berlin"))
    assert session.signals["eda"].n_times == 4


def test_an_hour_that_came_twice_is_refused(path):
    text = "t,gsr\n" + "".join(f"2021-10-31 02:30:0{n},1\n" for n in range(4))
    with pytest.raises(DataError, match=r"clocks of Europe/Berlin were changed.*State zone as an offset"):
        read(path, text, time=TimeMap(column="t", unit="text", zone="Europe/Berlin"))


def test_missing_rows_and_cells_are_gaps_and_missing_values(path):
    text = "t,a,b\n0,1,1\n1,2,\n2,,NaN\n5,6,-1\n"
    about = SignalMap(name="acc", columns=("a", "b"), unit="g")
    session = read(
        path, text, time=TimeMap(column="t", unit="s", since="start"), signals=(about,), missing=("NaN", "-1")
    )
    acc = session.signals["acc"]
    assert_array_equal(acc.data, [[1, 2, np.nan, np.nan, np.nan, 6], [1, *[np.nan] * 5]])
    assert_array_equal(acc.flags, [0, 0, Flag.GAP, Flag.GAP, Flag.GAP, 0])
    assert "3 of 6 instants have no row" in session.notes[0]


def test_sensors_of_different_rates_share_a_file(path):
    text = "t,gsr,pulse\n" + "".join(
        f"{NOON + n / 4},{n},{60 + n // 4 if n % 4 == 2 else ''}\n" for n in range(40)
    )
    session = read(path, text, signals=(EDA, HR))
    assert session.signals["eda"].sfreq == 4
    assert session.signals["hr"].sfreq == 1
    assert session.signals["hr"].start == 0.5
    assert_array_equal(session.signals["hr"].data[0], 60 + np.arange(10))


def test_a_repeated_value_is_taken_every_so_many_rows(path):
    about = SignalMap(name="temperature", columns=("gsr",), unit="degC", every=4)
    session = read(path, column(np.repeat([30, 31, 32], 4)), signals=(about,))
    assert session.signals["temperature"].sfreq == 1
    assert_array_equal(session.signals["temperature"].data, [[30, 31, 32]])


@pytest.mark.parametrize(("shared", "expected"), [("first", [1, 2, 4]), ("last", [1, 3, 4])])
def test_of_two_rows_on_one_instant_the_stated_one_counts(path, shared, expected):
    about = SignalMap(name="hr", columns=("gsr",), unit="bpm", sfreq=1, shared=shared)
    text = f"t,gsr\n{NOON},1\n{NOON + 1},2\n{NOON + 1.2},3\n{NOON + 2},4\n"
    session = read(path, text, signals=(about,))
    assert_array_equal(session.signals["hr"].data[0], expected)
    assert any("1 rows share their instant" in note for note in session.notes)


def test_a_table_without_times_has_the_stated_rate(path):
    about = SignalMap(name="ecg", columns=("2",), unit="mV", sfreq=1000, ch_names=("II",))
    session = read(path, "# made by hand\n# twice\n5;1,5\n6;\n7;2,5\n", CsvMap(
        signals=(about,), header_line=0, comment="#", delimiter=";", decimal=",",
    ))  # fmt: skip
    ecg = session.signals["ecg"]
    assert (ecg.sfreq, ecg.ch_names, session.started_at) == (1000, ("II",), None)
    assert_allclose(ecg.data, [[1.5e-3, np.nan, 2.5e-3]])


def test_beats_and_tags(path):
    cells = [(0, "1,,"), (0.2, ",810,"), (1, "2,-1,start"), (2, "3,2001,stop"), (3, "4,,start")]
    text = "t,gsr,rr,mark\n" + "".join(f"{NOON + time},{row}\n" for time, row in cells)
    events = (
        EventMap(column="rr", kind="ibi", unit="ms"),
        EventMap(column="mark", kind="tags", ignore=("stop",)),
    )
    session = read(path, text, events=events)
    ibi, tags = session.signals["ibi"], session.signals["tags"]
    assert isinstance(ibi, Events)
    assert isinstance(tags, Events)
    assert_allclose(ibi.times, [0.2, 1, 2], atol=1e-6)
    assert_allclose(ibi.values, [0.81, np.nan, np.nan])
    assert_allclose(tags.times, [1, 3])
    assert_array_equal(tags.values, [1, 1])
    assert any("tags are 1 = start" in note for note in session.notes)


def test_tags_that_are_numbers_stay_and_events_are_sorted(path):
    text = f"t,mark\n{NOON + 2},22\n{NOON},0\n{NOON + 1},21\n"
    session = read(
        path,
        text,
        CsvMap(time=SECONDS, signals=(), events=(EventMap(column="mark", kind="tags", ignore=("0",)),)),
    )
    tags = session.signals["tags"]
    assert isinstance(tags, Events)
    assert_array_equal(tags.values, [21, 22])
    assert_allclose(tags.times, [0, 1])
    assert any("have been sorted" in note for note in session.notes)


def test_columns_of_quality_become_flags(path):
    text = "t,gsr,pulse,on\n" + "".join(f"{NOON + n},1,60,{int(n < 3)}\n" for n in range(5))
    flags = (FlagMap(column="on", bad=(0,)), FlagMap(column="on", bad=(1,), reason="motion", signals=("hr",)))
    session = read(path, text, signals=(EDA, HR), flags=flags)
    assert_array_equal(session.signals["eda"].flags, [0, 0, 0, Flag.OFF_BODY, Flag.OFF_BODY])
    assert_array_equal(session.signals["hr"].flags, [Flag.MOTION] * 3 + [Flag.OFF_BODY] * 2)


def test_one_measurement_a_row(path):
    text = f"{NOON};HR;61\n{NOON};RR;980\n{NOON + 0.5};STEPS;many\n{NOON + 1};HR;62\n{NOON + 3};HR;64\n"
    session = read(path, text, CsvMap(
        time=TimeMap(column="1", unit="s"), key="2", value="3", header_line=0, delimiter=";",
        signals=(SignalMap(name="hr", columns=("HR",), unit="bpm"),),
        events=(EventMap(column="RR", kind="ibi", unit="ms"),),
    ))  # fmt: skip
    assert_array_equal(session.signals["hr"].data, [[61, 62, np.nan, 64]])
    assert_allclose(session.signals["ibi"].values, [0.98])


def test_rows_may_end_early(path):
    session = read(
        path, f"t,gsr,x,y\r\n{NOON},1\r\n{NOON + 1},2,3\r\n{NOON + 2},3,4,5\r\n", may_end_early=True
    )
    assert_array_equal(session.signals["eda"].data, [[1, 2, 3]])
    with pytest.raises(DataError, match=r"5 cells; expected 4 cells in line 3"):
        read(path, f"t,gsr,x,y\n{NOON},1\n{NOON},1,2,3,4\n", may_end_early=True)
    with pytest.raises(DataError, match=r"nothing; expected 4 cells in line 3"):
        read(path, f"t,gsr,x,y\n{NOON},1\n\n{NOON},1\n", may_end_early=True)


def test_a_sensor_that_recorded_nothing_is_left_out_with_a_note(path):
    session = read(path, f"t,gsr,pulse\n{NOON},1,\n{NOON + 1},2,\n{NOON + 2},2,\n", signals=(EDA, HR))
    assert set(session.signals) == {"eda"}
    assert any("signal hr has no value and is left out" in note for note in session.notes)


def test_a_compressed_table_is_read(path):
    assert read(path, gzip.compress(column(range(5)).encode())).signals["eda"].n_times == 5


GOOD = column(range(100))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\r\n  \n", "is empty"),
        ("t,gsr\n", "holds no line of data"),
        ("t,pulse\n1600000000,1\n", "has no column 'gsr'; its columns are t, pulse"),
        ("t,gsr,gsr\n1600000000,1,2\n", "has 2 columns called 'gsr'"),
        ("t;gsr\n1600000000;1\n", "has no column 'gsr'; its columns are t;gsr"),
        (GOOD[: GOOD.rindex(",")], r"1 cells; expected 2 cells in line 101. It is the last line"),
        (GOOD.replace(",50\n", ",5o\n"), r"'5o' in column 'gsr'; expected a number in line 52"),
        (GOOD.replace(",50\n", ",1e999\n"), r"'1e999' in column 'gsr'; expected a number in line 52"),
        (GOOD.replace(",50\n", ",inf\n"), r"'inf' in column 'gsr'; expected a number in line 52"),
        (GOOD.replace(",50\n", ",50,7\n"), r"3 cells; expected 2 cells in line 52"),
        (GOOD.replace(",50\n", ",50\n\n"), r"nothing; expected 2 cells in line 53"),
        (GOOD.replace(",50\n", ',"50\n'), r"in line \d+|cannot be read as a table"),
        (GOOD.replace(",5\n", ",0x5\n"), r"'0x5' in column 'gsr'; expected a number in line 7"),
        (GOOD.encode("utf-16"), "is no text in utf-8"),
        (GOOD.encode("utf-16-le"), "is no text in utf-8"),
        (GOOD.encode() + b"\xff", "is not in the encoding utf-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "encoding"),
        (gzip.compress(GOOD.encode())[:-20], "damaged gzip"),
        (column(range(9), begin=NOON * 1000), r"expected 's' since 1970. They could be ms"),
        (column(range(9), begin=0), "A counter has since = 'start'"),
        (column(range(9)).replace("1600000001.000", ""), "signal eda: line 6 has no time"),
        (column([""] * 9), "has no value in any column of a signal"),
        ("t,gsr\n,1\n,2\n", "holds no time at all"),
        (column(range(3)) + column(range(3)).split("\n", 1)[1], "steps back by 0.5 s in line 5"),
    ],
)
def test_broken_tables_are_refused_with_line_and_reason(path, text, message):
    with pytest.raises(DataError, match=message) as error:
        read(path, text)
    assert "log.csv" in str(error.value)


@pytest.mark.parametrize(
    ("kwargs", "rows", "message"),
    [
        ({}, ["2021-04-05 10:00:00", "yesterday"], r"'yesterday' for the time in line 3"),
        ({}, ["2021-04-05 10:00:00", "2021-04-05 10:00:01+02:00"], r"for the time in line 3"),
        ({}, ["0001-01-01 00:00:00", "0001-01-01 00:00:01"], r"in line 2"),
        ({"pattern": "%H:%M"}, ["10:00:00"], r"expected '%H:%M'"),
        ({"pattern": "%H:%M"}, ["10:00"], r"expected one from 1973"),
    ],
)
def test_broken_dates_are_refused_with_line_and_reason(path, kwargs, rows, message):
    text = "t,gsr\n" + "".join(f"{row},1\n" for row in rows)
    with pytest.raises(DataError, match=message):
        read(path, text, time=TimeMap(column="t", unit="text", **kwargs))


def test_a_broken_number_in_a_table_of_one_measurement_a_row_is_named(path):
    csv_map = CsvMap(
        time=SECONDS, key="what", value="x", signals=(SignalMap(name="hr", columns=("HR",), unit="bpm"),)
    )
    with pytest.raises(DataError, match=r"'many' in line 3; expected a number"):
        read(path, f"t,what,x\n{NOON},HR,60\n{NOON + 1},HR,many\n", csv_map)


def test_files_that_cannot_be_opened_are_named(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match=r"cannot be read: (No such file|Is a directory)"):
            read_csv(path, CsvMap(time=SECONDS, signals=(EDA,)))


def test_a_gzip_bomb_is_stopped(path, monkeypatch):
    monkeypatch.setattr("physioaffect.devices._text_table.LARGEST_FILE", 2**20)
    with pytest.raises(DataError, match="holds more than"):
        read(path, gzip.compress(b"0" * 2**22))


def test_two_rows_a_year_apart_do_not_ask_for_gigabytes(path):
    about = SignalMap(name="eda", columns=("gsr",), unit="uS", sfreq=256)
    with pytest.raises(DataError, match="almost all of the recording would be a gap"):
        read(path, f"t,gsr\n{NOON},1\n{NOON + 3e7},2\n", signals=(about,))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(GOOD) - 1), noise=st.binary(min_size=1, max_size=4))
def test_whatever_is_broken_is_read_or_refused(path, at, noise):
    content = GOOD.encode()
    try:
        session = read(path, content[:at] + noise + content[at + len(noise) :])
    except DataError as error:
        assert "log.csv" in str(error)  # noqa: PT017  Most of these fail, which is as good.
    else:
        assert isinstance(session.signals["eda"], Signal)


def test_garmin_log_of_flirt(real_data):
    csv_map = CsvMap(
        device="Garmin",
        time=TimeMap(column="1", unit="text"),
        key="2",
        value="3",
        header_line=0,
        delimiter=";",
        signals=(SignalMap(name="hr", columns=("HEART_RATE",), unit="bpm", sfreq=1, shared="last"),),
        events=(EventMap(column="HEART_RATE_VARIABILITY", kind="ibi", unit="ms"),),
    )
    session = read_csv(real_data / "realdata/flirt_e4/garmin_data.csv.gz", csv_map)
    hr, ibi = session.signals["hr"], session.signals["ibi"]
    assert isinstance(hr, Signal)
    assert isinstance(ibi, Events)
    assert session.utc_offset == timedelta(hours=2)
    assert len(ibi.values) == 14_316
    assert_allclose(ibi.values[:3], [0.821, 0.848, 0.771])
    assert np.isfinite(hr.data).sum() == 8748 - 68


def test_ppg_with_windows_clock_stamps_of_heartpy(real_data):
    csv_map = CsvMap(
        time=TimeMap(column="datetime", unit="text", zone="Europe/Amsterdam", stamps="received"),
        signals=(SignalMap(name="ppg", columns=("hr",), unit="au", sfreq=100),),
    )
    session = read_csv(real_data / "realdata/heartpy/data3.csv.gz", csv_map)
    ppg = session.signals["ppg"]
    assert isinstance(ppg, Signal)
    assert ppg.n_times == 68_476
    assert_allclose(ppg.duration, 682.2, atol=0.2)
    assert not ppg.flags.any()
