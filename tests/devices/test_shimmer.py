"""Consensys exports: columns by name, units by their row, and exports that are not what they seem."""

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.shimmer import is_shimmer, read_shimmer
from physioaffect.errors import DataError
from physioaffect.recording import Signal

PREFIX = "Shimmer_1234_"


def export(columns, *, n_rows=100, sfreq=51.2, sep=True, delimiter="\t", end="\r\n", begin=1_600_000_000_000):
    """``columns`` is a mapping of a name to a unit and a function of the row."""
    columns = {"Timestamp_Unix": ("ms", lambda n: f"{begin + round(1000 * n / sfreq):.1f}")} | columns
    lines = [
        *(["sep=" + delimiter] if sep else []),
        delimiter.join(f"{PREFIX}{name}_CAL" for name in columns) + delimiter,
        delimiter.join(unit for unit, _ in columns.values()) + delimiter,
        *(delimiter.join(str(value(n)) for _, value in columns.values()) + delimiter for n in range(n_rows)),
    ]
    return end.join(lines) + end


EDA = {"GSR_Skin_Conductance": ("uS", lambda n: 2 + n / 1000)}
RESISTANCE = {"GSR_Skin_Resistance": ("kOhms", lambda n: 400)}
ACC = {f"Accel_WR_{axis}": ("m/(s^2)", lambda n: 9.80665) for axis in "XYZ"}
LOW_NOISE = {f"Accel_LN_{axis}": ("m/(s^2)", lambda n: -9.80665) for axis in "XYZ"}


def read(tmp_path, text, **kwargs):
    path = tmp_path / "session.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_shimmer(path, **kwargs)


@pytest.mark.parametrize("style", [{}, {"sep": False, "delimiter": ","}, {"delimiter": ";", "end": "\n"}])
def test_units_come_from_the_third_line(tmp_path, style):
    session = read(tmp_path, export(EDA | ACC, **style))
    assert session.started_at is not None
    assert abs((session.started_at - datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)).total_seconds()) < 1e-3
    assert session.signals["eda"].sfreq == 51.2
    assert_allclose(session.signals["eda"].data[0], 2 + np.arange(100) / 1000)
    assert_allclose(session.signals["acc"].data, 1)
    assert session.signals["acc"].ch_names == ("ACC_X", "ACC_Y", "ACC_Z")


def test_conductance_goes_before_resistance_and_the_low_noise_accelerometer_before_the_other(tmp_path):
    session = read(tmp_path, export(RESISTANCE | ACC))
    assert_allclose(session.signals["eda"].data, 2.5)
    session = read(tmp_path, export(RESISTANCE | EDA | ACC | LOW_NOISE))
    assert_allclose(session.signals["eda"].data[0, 0], 2)
    assert_allclose(session.signals["acc"].data, -1)


def test_a_rate_that_consensys_does_not_offer_is_stated(tmp_path):
    text = export(EDA, sfreq=10.0, n_rows=1000)
    with pytest.raises(DataError, match=r"rows come at 10 Hz .* not at 10.24 Hz"):
        read(tmp_path, text)
    assert read(tmp_path, text, sfreq=10.0).signals["eda"].sfreq == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("sep=;\n", "is no Consensys export"),
        (export(EDA).replace("_Unix", ""), "has no column that ends in Timestamp_Unix_CAL"),
        (export({"Battery": ("mV", lambda n: 4000)}), "none of the calibrated columns"),
        (
            export({"GSR_Skin_Conductance": ("no_units", lambda n: 4000)}),
            r"in 'no_units'; expected uS or kOhm",
        ),
        (export(EDA).replace("ms\t", "s\t"), r"time stamps in 's'; expected ms"),
        (export(EDA).replace("uS\t", ""), "names 3 columns, line 3 has 2 units"),
        (export(EDA)[:-9], "in line 103. It is the last line"),
        (export(EDA).replace("\t2.05\t", "\t2.o5\t"), r"'2.o5' in column .* in line 54"),
        (export(EDA, n_rows=0), "holds no line of data"),
        (export(EDA).replace("ms\t", "m\rs\t"), "a header that cannot be read"),
        (export(EDA).encode("utf-16"), "is no text in utf-8"),
        (export(EDA).replace("1600000000000.0", "12.0"), "expected 'ms' since 1970"),
    ],
)
def test_broken_exports_are_refused_with_the_reason(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, text)
    assert "session.csv" in str(error.value)


def test_headers_are_told_from_others():
    assert is_shimmer(("Shimmer_40AC_Timestamp_Unix_CAL", "x"))
    assert not is_shimmer(("TimeStamp", "RAW_TP9"))


def test_real_export(real_data):
    path = real_data / "realdata/devicely/shimmer_read_test_data.csv"
    session = read_shimmer(path)
    assert set(session.signals) == {"eda", "acc", "gyro"}
    assert session.device == "Shimmer"
    eda, acc, gyro = (session.signals[name] for name in ("eda", "acc", "gyro"))
    assert isinstance(eda, Signal)
    assert isinstance(acc, Signal)
    assert isinstance(gyro, Signal)
    assert (eda.n_times, eda.sfreq, eda.unit) == (90, 51.2, "uS")
    # The first line of the file, and its stamp 1.595933810034E12 ms; stamps scatter by some 10 ms.
    assert_allclose(eda.data[0, 0], 2.493040293040293)
    assert_allclose(acc.data[:, 0], np.array([-1.434782608695652, 10.0, 0.5543478260869565]) / 9.80665)
    assert_allclose(gyro.data[:, 0], [0.13740458015267176, 1.8778625954198473, -0.183206106870229])
    assert session.started_at is not None
    assert_allclose(session.started_at.timestamp(), 1595933810.034, atol=0.02)
    assert_allclose(np.linalg.norm(acc.data, axis=0), 1.03, atol=0.01)
    # Its own conversion of resistance agrees with the one of the device.
    columns = np.genfromtxt(path, delimiter=";", skip_header=3)
    assert_array_equal(columns[:, 10], eda.data[0])
    assert_allclose(1e3 / columns[:, 11], eda.data[0], rtol=1e-6)
