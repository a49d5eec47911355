"""XDF: clocks, kinds, units, gaps, markers, and files that lie about their lengths."""

import gzip
import struct
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("pyxdf", reason="XDF is an extra")

from support.xdf_files import (
    MAGIC,
    chunk,
    clock_offset,
    file_header,
    samples,
    stream_footer,
    stream_header,
)

from physioaffect.devices.xdf import kind_of, read_xdf, unit_of
from physioaffect.errors import DataError
from physioaffect.recording import Flag

EEG = tuple((name, "EEG", "microvolts") for name in ("Fz", "Cz"))
EDA = (("GSR", "", "microsiemens"),)


def read_any(path):
    return read_xdf(path)


def read(tmp_path, *chunks, name="a.xdf"):
    path = tmp_path / name
    path.write_bytes(MAGIC + b"".join(chunks))
    return read_xdf(path)


def eda_stream(number=1, n=40, begin=1000.0, sfreq=4.0, drop=slice(0, 0), **header):
    stamps = np.delete(begin + np.arange(n) / sfreq, drop)
    values = np.delete(np.arange(n, dtype=float), drop)
    header = {"name": "wrist", "type_": "GSR", "sfreq": sfreq, "channels": EDA} | header
    return stream_header(number, **header) + samples(number, stamps, [values])


def test_streams_become_signals_in_our_units(tmp_path):
    n = 200
    data = np.arange(2 * n, dtype=float).reshape(2, n)
    session = read(
        tmp_path,
        file_header(),
        stream_header(7, name="cap", type_="EEG", sfreq=100, channels=EEG),
        eda_stream(9, begin=50.5),
        samples(7, 50 + np.arange(n) / 100, data),
        stream_footer(7),
    )
    assert session.device == "XDF"
    assert session.started_at == datetime(2022, 6, 2, 17, 12, 37, tzinfo=UTC)
    assert session.utc_offset == timedelta(hours=2)
    eeg, eda = session.signals["eeg"], session.signals["eda"]
    assert (eeg.unit, eeg.sfreq, eeg.ch_names, eeg.start) == ("V", 100, ("Fz", "Cz"), 0)
    assert_allclose(eeg.data, data * 1e-6)
    assert (eda.unit, eda.sfreq) == ("uS", 4)
    assert_allclose(eda.start, 0.5, atol=1e-9)
    assert_array_equal(eda.data[0], np.arange(40))


def test_clock_offsets_bring_two_machines_to_one_clock(tmp_path):
    # The clock of the second machine is 900 s behind the recorder's and runs 100 ppm slow.
    n, sfreq, drift = 4 * 1200, 4.0, 1e-4
    true = 1000 + np.arange(n) / sfreq
    own = (true - 1000) * (1 - drift) + 100
    probes = np.arange(1000, 2201, 5.0)
    offsets = [((probes - 1000) * (1 - drift) + 100, probes)]
    session = read(
        tmp_path,
        file_header(),
        stream_header(1, type_="GSR", sfreq=4, channels=EDA, name="near"),
        stream_header(2, type_="GSR", sfreq=4, channels=EDA, name="far"),
        samples(1, true, [np.arange(n)]),
        *(clock_offset(1, t, 0.0) for t in probes),
        samples(2, own, [np.arange(n)]),
        *(clock_offset(2, a, b - a) for a, b in zip(*offsets[0], strict=True)),
    )
    near, far = session.signals["eda"], session.signals["eda_2"]
    assert_allclose(far.start, near.start, atol=2e-3)
    assert_allclose(far.sfreq, near.sfreq, rtol=2e-6)
    assert not any("no clock offsets" in note for note in session.notes)


def test_streams_without_clock_offsets_say_so(tmp_path):
    session = read(tmp_path, file_header(), eda_stream(1), eda_stream(2))
    assert sum("no clock offsets" in note for note in session.notes) == 2


def test_a_minute_lost_at_4_hz_is_a_gap(tmp_path):
    session = read(tmp_path, file_header(), eda_stream(n=1200, drop=slice(400, 640)))
    eda = session.signals["eda"]
    assert eda.n_times == 1200
    assert np.isnan(eda.data[0, 400:640]).all()
    assert (eda.flags[400:640] == Flag.GAP).all()
    assert_array_equal(eda.data[0, 640:], np.arange(640, 1200))
    assert (eda.flags[:400] == 0).all()


def test_markers_become_tags_with_their_texts_in_the_notes(tmp_path):
    markers = stream_header(2, name="task", type_="Markers", sfreq=0, format_="string")
    session = read(
        tmp_path,
        file_header(),
        eda_stream(begin=100.0),
        markers,
        samples(2, [101.0, 102.5, 104.0], ["rest", "stroop", "rest"], format_="string"),
    )
    tags = session.signals["tags"]
    assert_allclose(tags.times, [1, 2.5, 4])
    assert_array_equal(tags.values, [1, 2, 1])
    assert any("1 = rest, 2 = stroop" in note for note in session.notes)


def test_numeric_markers_keep_their_numbers_and_are_merged_with_others(tmp_path):
    session = read(
        tmp_path,
        file_header(),
        eda_stream(begin=100.0),
        stream_header(2, type_="Markers", sfreq=0, format_="int32")
        + samples(2, [103.0], [[11]], format_="int32"),
        stream_header(3, type_="Markers", sfreq=0, format_="string")
        + samples(3, [101.0], ["7"], format_="string"),
    )
    assert_allclose(session.signals["tags"].times, [1, 3])
    assert_array_equal(session.signals["tags"].values, [7, 11])


def test_one_stream_of_many_kinds_is_taken_apart(tmp_path):
    channels = (("ECG", "ECG", "mV"), ("ACC_X", "ACC", "g"), ("Button", "Misc", ""), ("ACC_Y", "ACC", "g"))
    data = np.arange(80, dtype=float).reshape(4, 20)
    session = read(
        tmp_path,
        file_header(),
        stream_header(1, type_="Physio", sfreq=10, channels=channels),
        samples(1, np.arange(20) / 10, data),
    )
    assert set(session.signals) == {"ecg", "acc"}
    assert_allclose(session.signals["ecg"].data, data[:1] * 1e-3)
    assert session.signals["acc"].ch_names == ("ACC_X", "ACC_Y")
    assert_array_equal(session.signals["acc"].data, data[[1, 3]])


def test_intervals_between_beats_become_events_in_seconds(tmp_path):
    session = read(
        tmp_path,
        file_header(),
        eda_stream(begin=0.0),
        stream_header(2, type_="RR", sfreq=0, channels=(("RR", "", "ms"),)),
        samples(2, [1.0, 1.8, 14.8], [[800, 810, 13_000]]),
    )
    assert_allclose(session.signals["ibi"].times, [1, 1.8, 14.8])
    assert_allclose(session.signals["ibi"].values, [0.8, 0.81, np.nan], rtol=1e-6)


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (stream_header(2, type_="Mouse", sfreq=10) + samples(2, [1.0, 1.1], [[1, 2]]), "no known kind"),
        (stream_header(2, type_="GSR", sfreq=0) + samples(2, [1.0, 1.1], [[1, 2]]), "no sampling rate"),
        (stream_header(2, type_="GSR", sfreq=4), "no samples"),
    ],
)
def test_streams_that_are_no_signal_are_left_out_with_a_note(tmp_path, stream, reason):
    session = read(tmp_path, file_header(), eda_stream(begin=0.0), stream)
    assert set(session.signals) == {"eda"}
    assert any(reason in note for note in session.notes)


def test_unknown_units_stay_unknown(tmp_path):
    session = read(tmp_path, file_header(), eda_stream(channels=(("GSR", "", "ADC"),)))
    assert session.signals["eda"].unit == "au"
    assert unit_of("temperature", "Celsius") == "degC"
    assert kind_of("Accelerometer") == "acc"


def test_a_compressed_file_and_one_without_a_date_are_read(tmp_path):
    path = tmp_path / "a.xdfz"
    path.write_bytes(gzip.compress(MAGIC + file_header("soon") + eda_stream()))
    session = read_any(path)
    assert session.started_at is None
    assert session.signals["eda"].n_times == 40


def test_a_file_cut_in_its_last_chunk_is_read_up_to_there(tmp_path):
    whole = MAGIC + file_header() + eda_stream(n=40) + samples(1, 1010 + np.arange(40) / 4, [np.arange(40)])
    path = tmp_path / "cut.xdf"
    path.write_bytes(whole[:-30])
    session = read_any(path)
    assert session.signals["eda"].n_times == 40
    assert any("was cut off" in note for note in session.notes)


HEAD = file_header() + stream_header(1, type_="GSR", sfreq=4, channels=EDA)
BOMB = struct.pack("<I", 1) + b"\x08" + struct.pack("<Q", 2**40) + b"\0" * 64
TEXTS = stream_header(1, type_="Markers", sfreq=0, format_="string")
LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><info><datetime>&b;</datetime></info>'
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"not an XDF file", "is no XDF file"),
        (MAGIC, "holds no stream"),
        (MAGIC + file_header(), "holds no stream"),
        (MAGIC + HEAD, "no signal of a known kind"),
        (MAGIC + HEAD + b"\x03\x00\x00\x00", "no valid length"),
        (MAGIC + HEAD + b"\x01\x00", "no valid length"),
        (MAGIC + HEAD + chunk(3, BOMB), "1099511627776 samples in 64 bytes"),
        (MAGIC + file_header() + TEXTS + chunk(3, BOMB), "1099511627776 samples in 64 bytes"),
        (MAGIC + HEAD + chunk(3, struct.pack("<I", 1) + b"\x01\x02" + b"\0" * 400), "2 samples in 400 bytes"),
        (MAGIC + HEAD + chunk(3, struct.pack("<I", 5) + b"\x01\x00"), "cannot be read"),
        (MAGIC + HEAD + chunk(3, b"\x01"), "cannot be read"),
        (MAGIC + HEAD + chunk(4, struct.pack("<Id", 1, 0.0)), "cannot be read"),
        (MAGIC + HEAD + stream_header(1), "another stream of number 1"),
        (MAGIC + chunk(1, b"<info><datetime>"), "cannot be read"),
        (MAGIC + chunk(1, LAUGHS), "cannot be read"),
        (MAGIC + chunk(2, struct.pack("<I", 1) + b"<info><name>x</name></info>"), "cannot be read"),
        (MAGIC + stream_header(1, sfreq=-4), "-4.0 Hz"),
        (MAGIC + stream_header(1, sfreq="nan"), "nan Hz"),
        (MAGIC + stream_header(1, format_="object"), "format 'object'"),
        (MAGIC + HEAD + samples(1, [np.nan, 1.0, 2.0], [[1, 2, 3]]), "has no time"),
        (MAGIC + HEAD + samples(1, [0.0, 1e18], [[1, 2]]), "almost all"),
        (MAGIC + HEAD + samples(1, [0.0, 1e8], [[1, 2]]), "almost all"),
        (MAGIC + HEAD + samples(1, [100.0, 5.0, 6.0], [[1, 2, 3]]), "steps back"),
        (gzip.compress(MAGIC + HEAD)[:-9], "damaged gzip"),
    ],
)
def test_damaged_files_are_refused_with_the_reason(tmp_path, content, message):
    path = tmp_path / "bad.xdf"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_xdf(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing.xdf cannot be read: No such file"):
        read_xdf(tmp_path / "nothing.xdf")


GOOD = (
    MAGIC + HEAD + samples(1, np.arange(8) / 4, [np.arange(8)]) + clock_offset(1, 0.0, 0.1) + stream_footer(1)
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(4, len(GOOD) - 1), st.binary(min_size=1, max_size=6), st.booleans())
def test_whatever_is_broken_is_read_or_refused(tmp_path, at, noise, is_cut):
    path = tmp_path / "fuzz.xdf"
    path.write_bytes(GOOD[:at] + noise + (b"" if is_cut else GOOD[at + len(noise) :]))
    try:
        session = read_any(path)
    except DataError:
        return
    assert isinstance(session.signals["eda"].data, np.ndarray)
