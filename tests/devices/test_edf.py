"""EDF, EDF+ and BDF: real recordings, units, kinds, flags, and what is refused."""

import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np
import pyedflib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.edf import Annotation, read_edf
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal


class Channel(NamedTuple):
    """What goes into a file: counts of all records, and the header's fields as text."""

    label: str
    dimension: str
    counts: list[int]
    physical: tuple[object, object] = (-100, 100)
    digital: tuple[object, object] = (-1000, 1000)


ECG = Channel("ECG", "uV", list(range(8)))
HEAD = {"version": "0", "patient": "", "recording": "", "start": "02.03.2004.05.06", "reserved": ""}


def edf(*channels, n_records=2, bits=16, **changes):
    """A file as the standard describes it; any field of the header can be put wrong."""
    head = HEAD | {"n_header": 256 * (len(channels) + 1), "record": 1, "n_signals": len(channels)}
    head |= {"n_records": n_records} | changes
    widths = {"version": 8, "patient": 80, "recording": 80, "start": 16, "n_header": 8, "reserved": 44}
    widths |= {"n_records": 8, "record": 8, "n_signals": 4}
    raw = b"".join(str(head[name]).ljust(width).encode("latin1") for name, width in widths.items())
    raw = (b"\xffBIOSEMI" if bits == 24 else raw[:8]) + raw[8:]
    columns = [(16, [c.label for c in channels]), (80, [""] * len(channels))]
    columns += [(8, [c.dimension for c in channels])]
    columns += [(8, [c.physical[end] for c in channels]) for end in (0, 1)]
    columns += [(8, [c.digital[end] for c in channels]) for end in (0, 1)]
    columns += [(80, [""] * len(channels)), (8, [len(c.counts) // n_records for c in channels])]
    columns += [(32, [""] * len(channels))]
    for width, texts in columns:
        raw += b"".join(str(text).ljust(width).encode("latin1") for text in texts)
    blocks = [np.reshape(c.counts, (n_records, -1)) for c in channels]
    for record in range(n_records):
        for block in blocks:
            raw += b"".join(int(x).to_bytes(bits // 8, "little", signed=True) for x in block[record])
    return raw


def read(path, content, **options):
    path.write_bytes(content)
    return read_edf(path, **options)


def sampled(recording, name) -> Signal:
    signal = recording.signals[name]
    assert isinstance(signal, Signal)
    return signal


def events(recording, name) -> Events:
    found = recording.signals[name]
    assert isinstance(found, Events)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.edf"


def test_a_real_faros_has_every_sensor_at_its_own_rate(real_data):
    recording = read_edf(real_data / "realdata" / "devicely" / "faros_testfile_read.EDF")
    assert recording.recorded_at == datetime(2018, 10, 12, 14, 54, 12, tzinfo=UTC)  # 16:54:12, TZ=+0200.
    assert recording.annotations == ()
    assert list(recording.signals) == ["ecg", "acc", "tags", "ibi"]
    ecg, acc = sampled(recording, "ecg"), sampled(recording, "acc")
    assert (ecg.sfreq, ecg.unit, ecg.data.shape, ecg.duration) == (500, "V", (1, 39000), 78)
    assert (acc.sfreq, acc.unit, acc.data.shape, acc.duration) == (25, "g", (3, 1950), 78)
    assert acc.ch_names == ("Accelerometer_X", "Accelerometer_Y", "Accelerometer_Z")
    assert_allclose(ecg.data[0, :4] * 1e6, [-2134, -1631, -944, -45])
    assert_allclose([ecg.data.min(), ecg.data.max()], [-32768e-6, 32767e-6])
    assert_allclose(acc.data[:, 0], [0.3085, -0.645, -0.5235])
    assert_allclose(acc.data.min(axis=1), [-0.141, -1.211, -1.297])
    assert_allclose(acc.data.max(axis=1), [1.0115, 0.654, 1.539])
    # It is worn: gravity and no more.
    assert np.median(np.linalg.norm(acc.data, axis=0)) == pytest.approx(1.0, abs=0.03)
    assert not acc.flags.any()


def test_a_real_faros_is_clipped_where_it_is_saturated(real_data):
    ecg = sampled(read_edf(real_data / "realdata" / "devicely" / "faros_testfile_read.EDF"), "ecg")
    assert_array_equal(ecg.flags == Flag.CLIPPED, np.abs(ecg.data[0] * 1e6) > 32766.5)
    assert (ecg.flags > 0).sum() == 26


def test_the_intervals_of_a_real_faros_are_the_times_between_its_beats(real_data):
    recording = read_edf(real_data / "realdata" / "devicely" / "faros_testfile_read.EDF")
    beats, tags = events(recording, "ibi"), events(recording, "tags")
    assert (beats.kind, len(beats.times)) == ("ibi", 20)
    # The device missed beats: it tells of 6.46 s before the first.
    assert np.isnan(beats.values[0])
    # Both ends of an interval are told to one of five samples a second.
    between = np.diff(beats.times)
    is_known = np.isfinite(beats.values[1:])
    assert_allclose(beats.values[1:][is_known], [0.356, 1.218, 1.022, 0.362, 0.3, 0.82], rtol=1e-6)
    assert_allclose(between[is_known], beats.values[1:][is_known], rtol=0, atol=0.22)
    assert (between[~is_known] > 2 - 0.22).all()
    assert (tags.kind, tags.times.tolist(), tags.values.tolist()) == ("tags", [72], [1])


@pytest.mark.parametrize("name", ["eegmat/Subject00_2.edf", "eegmmidb_S001/S001R01.edf"])
def test_volts_are_those_of_mne(real_data, name):
    path = real_data / "realeeg" / name
    recording = read_edf(path)
    with mne.io.read_raw_edf(path, verbose="error") as raw:
        for signal in recording.signals.values():
            assert isinstance(signal, Signal)
            expected = raw.get_data(picks=list(signal.ch_names))
            assert (signal.unit, signal.sfreq) == ("V", raw.info["sfreq"])
            assert_allclose(signal.data, expected, rtol=0, atol=1e-15)
        assert sum(s.n_channels for s in recording.signals.values() if isinstance(s, Signal)) == len(
            raw.ch_names
        )
        notes = [(note["onset"], note["description"]) for note in raw.annotations]
    assert [(note.onset, note.text) for note in recording.annotations] == notes


def test_real_eeg_scaled_to_its_own_range_is_not_clipped(real_data):
    recording = read_edf(real_data / "realeeg" / "eegmat" / "Subject00_1.edf")
    eeg = sampled(recording, "eeg")
    assert (eeg.n_channels, eeg.sfreq, eeg.duration) == (20, 500, 182)
    assert recording.recorded_at == datetime(2011, 1, 1)
    with pyedflib.EdfReader(str(real_data / "realeeg" / "eegmat" / "Subject00_1.edf")) as reader:
        highest = np.array([[reader.physical_max(row)] for row in range(20)]) * 1e-6
    assert (np.isclose(eeg.data, highest, rtol=1e-9, atol=0).sum(axis=1) == 1).sum() >= 18
    assert not eeg.flags.any()


@pytest.mark.parametrize("kind", [pyedflib.FILETYPE_EDFPLUS, pyedflib.FILETYPE_BDFPLUS])
def test_what_pyedflib_writes_comes_back(tmp_path, kind):
    path = tmp_path / "written"
    rng = np.random.default_rng(0)
    written = {
        "ECG": ("mV", 250, 2.0, rng.uniform(-2, 2, 1000)),
        "ACC X": ("g", 50, 4.0, rng.uniform(-4, 4, 200)),
        "ACC Y": ("g", 50, 4.0, rng.uniform(-4, 4, 200)),
        "GSR": ("uS", 4, 100.0, rng.uniform(0, 100, 16)),
    }
    top = 2**23 - 1 if kind == pyedflib.FILETYPE_BDFPLUS else 2**15 - 1
    with pyedflib.EdfWriter(str(path), len(written), file_type=kind) as writer:
        for index, (label, (unit, sfreq, limit, _)) in enumerate(written.items()):
            header: dict[str, str | int | float | None] = {"label": label, "dimension": unit}
            header |= {"sample_frequency": sfreq, "transducer": "", "prefilter": ""}
            header |= {"physical_min": -limit, "physical_max": limit}
            header |= {"digital_min": -top - 1, "digital_max": top}
            writer.setSignalHeader(index, header)
        writer.setStartdatetime(datetime(2024, 2, 29, 23, 59, 58))
        writer.writeSamples([data for *_, data in written.values()])
        writer.writeAnnotation(2.5, 0.75, "glücklich")
        writer.writeAnnotation(0.25, -1, "start")
    recording = read_edf(path)
    assert recording.recorded_at == datetime(2024, 2, 29, 23, 59, 58)
    assert recording.annotations == (
        Annotation(0.25, None, "start"),
        Annotation(2.5, 0.75, "glücklich"),
    )
    for name, labels, factor in (("ecg", ["ECG"], 1e-3), ("acc", ["ACC X", "ACC Y"], 1), ("eda", ["GSR"], 1)):
        signal = sampled(recording, name)
        assert list(signal.ch_names) == labels
        assert signal.sfreq == written[labels[0]][1]
        for row, label in zip(signal.data, labels, strict=True):
            limit, data = written[label][2:]
            # The writer rounds towards zero, so a whole step may be lost.
            assert_allclose(row, data * factor, rtol=0, atol=2.01 * limit / (2 * top) * factor)


@pytest.mark.parametrize(
    ("label", "dimension", "name", "unit", "factor"),
    [
        ("ecg II", "V", "ecg", "V", 1),
        ("EKG-1", "mV", "ecg", "V", 1e-3),
        ("EEG Fpz-Cz", "uV", "eeg", "V", 1e-6),
        ("EEG1", "", "eeg", "au", 1),
        ("Fc5.", "uV", "eeg", "V", 1e-6),
        ("FP1-F7", "nV", "eeg", "V", 1e-9),
        ("EMG chin", "uV", "emg", "V", 1e-6),
        ("HEOG", "uV", "eog", "V", 1e-6),
        ("ACC_X", "m/s2", "acc", "g", 1 / 9.80665),
        ("Accelerometer", "mg", "acc", "g", 1e-3),
        ("Gyro X", "deg/s", "gyro", "deg/s", 1),
        ("GSR", "nS", "eda", "uS", 1e-3),
        ("EDA", "S", "eda", "uS", 1e6),
        ("EDA", "uV", "eda", "uV", 1),
        ("Temp skin", "degC", "temperature", "degC", 1),
        ("Temperature", "degF", "temperature", "degF", 1),
        ("HR", "BPM", "hr", "bpm", 1),
        ("BVP", "", "ppg", "au", 1),
        ("Pleth", "mV", "ppg", "mV", 1),
        ("Resp chest", "%", "resp", "%", 1),
    ],
)
def test_label_and_dimension_tell_kind_and_unit(path, label, dimension, name, unit, factor):
    signal = sampled(read(path, edf(Channel(label, dimension, [-1000, 0, 10, 1000]))), name)
    assert (signal.kind, signal.unit, signal.ch_names, signal.sfreq) == (name, unit, (label,), 2)
    assert_allclose(signal.data[0], np.array([-100, 0, 1, 100]) * factor, atol=1e-12 * factor)


def test_rates_and_units_belong_to_the_name_where_a_kind_has_several(path):
    counts = list(range(4))
    recording = read(path, edf(Channel("EEG 1", "uV", counts), ECG, Channel("EEG 2", "mV", counts * 2)))
    assert {name: s.n_times for name, s in recording.signals.items() if isinstance(s, Signal)} == {
        "eeg_2Hz": 4,
        "ecg": 8,
        "eeg_4Hz": 8,
    }
    recording = read(path, edf(Channel("EEG 1", "uV", counts), Channel("EEG 2", "", counts), record=0.1))
    assert list(recording.signals) == ["eeg_V", "eeg_au"]
    assert sampled(recording, "eeg_au").sfreq == 20


def test_samples_that_stay_at_an_end_are_clipped_for_the_whole_signal(path):
    low, high = [-1000, -1000, 5, -1000, 5, 5, 1000, 5], [5, 5, 5, 1000, 5, 5, 1000, 5]
    eeg = sampled(read(path, edf(Channel("EEG 1", "uV", low), Channel("EEG 2", "uV", high))), "eeg")
    assert_array_equal(eeg.flags, np.array([2, 2, 0, 2, 0, 0, 0, 0]))
    beyond = sampled(read(path, edf(Channel("EEG", "uV", [1001, 0, -1000, 1000]))), "eeg")
    assert_array_equal(beyond.flags, [Flag.OUT_OF_RANGE, 0, 0, 0])


def test_a_range_that_is_upside_down_turns_the_signal(path):
    upside_down = Channel("ECG", "V", [-1000, 0, 500, 1000], physical=(100, -100))
    assert_allclose(sampled(read(path, edf(upside_down)), "ecg").data[0], [100, 0, -50, -100], atol=1e-12)


def test_beats_and_marks_are_what_is_not_zero(path):
    # Count 3 is 5.6e-17 s by rounding.
    beat = Channel("HRV", "s", [3, 3, 11, 3], physical=(-0.3, 1.7), digital=(0, 20))
    mark = Channel("Marker", "", [0, 7, 7, 3], physical=(-0.7, 0.7), digital=(-7, 7))
    recording = read(path, edf(beat, mark, record=0.5))
    assert_allclose(events(recording, "ibi").times, [0.5])
    assert_allclose(events(recording, "ibi").values, [0.8])
    assert_allclose(events(recording, "tags").times, [0.25, 0.75])
    assert_allclose(events(recording, "tags").values, [0.7, 0.3])


def test_kinds_names_what_labels_do_not_tell(path):
    content = edf(
        ECG, Channel("ch1", "uV", [0] * 4), Channel("SpO2", "%", [0] * 2), Channel("RR", "s", [10, 0])
    )
    with pytest.raises(DataError, match=r"kind of the channel: 'ch1', 'SpO2', 'RR'.*kinds=\{'ch1': \.\.\.\}"):
        read(path, content)
    kinds = {"ch1": "eeg", "SpO2": None, "RR": "ibi", "ECG": "emg", "Fz": None}
    recording = read(path, content, kinds=kinds)
    assert list(recording.signals) == ["emg", "eeg", "ibi"]
    assert_allclose(events(recording, "ibi").values, [1.0])
    with pytest.raises(DataError, match="no channels but those that kinds leaves out"):
        read(path, edf(ECG), kinds={"ECG": None})
    with pytest.raises(ValueError, match="Unknown kind 'EEG' in kinds: use None or one of acc, ecg"):
        read(path, content, kinds={"ch1": "EEG"})


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ([Channel("GSR", "kOhm", [0, 0])], r"'GSR' as a resistance in kOhm.*inverse.*kinds=\{'GSR': None\}"),
        ([Channel("HRV", "", [0, 0])], "intervals 'HRV' in ''; expected ms or s"),
        ([ECG, ECG], "has 'ECG', 'ECG' as ecg, which cannot be told apart"),
        ([Channel("Marker", "", [0, 0]), Channel("Marker 2", "", [0] * 4)], "as tags, which cannot be told"),
        ([ECG._replace(digital=(0, 0))], "a range from -100 to 100 uV in 0 steps"),
        ([ECG._replace(physical=("-1e999", "1e999"))], "'ECG' a range from -inf to inf"),
        ([ECG._replace(physical=(1, 1))], r"by pyedflib: .*\(Physical Maximum\)\. Open it in EDFbrowser"),
        ([ECG._replace(physical=("low", 1))], r"by pyedflib: .*\(Physical Minimum\)"),
        ([Channel("O2", "%", [0, 0])], "kind of the channel: 'O2'"),
        ([Channel("", "uV", [0, 0])], "kind of the channel: ''"),
        ([Channel("EEG", "µV", [0, 0])], "bytes in its header that EDF does not allow, such as a µ"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(path, channels, message):
    with pytest.raises(DataError, match=message):
        read(path, edf(*channels))


@pytest.mark.parametrize(
    ("start", "recording", "expected"),
    [
        ("02.03.2004.05.06", "", datetime(2020, 3, 2, 4, 5, 6)),
        ("31.12.8404.05.06", "", datetime(2084, 12, 31, 4, 5, 6)),
        ("31.12.8504.05.06", "", datetime(1985, 12, 31, 4, 5, 6)),
        ("02.03.2000.30.00", "DEVTYPE=Faros360_TZ=-0330", datetime(2020, 3, 2, 4, tzinfo=UTC)),
        ("02.03.2000.30.00", "DEVTYPE=Faros360 TZ=+0100 X", datetime(2020, 3, 1, 23, 30, tzinfo=UTC)),
        ("02.03.2000.30.00", "BTZ=+0100 _TZ=0100 _TZ=+01000", datetime(2020, 3, 2, 0, 30)),
        ("01.01.8500.00.00", "", None),
        ("02.03.2000.00.00", "Startdate X X X X", None),
        ("30.02.2000.00.00", "", None),
    ],
)
def test_the_beginning_is_utc_only_where_the_file_tells(path, start, recording, expected):
    assert read(path, edf(ECG, start=start, recording=recording)).recorded_at == expected


def plus(first="+0.25", second="+1.25", **changes):
    """EDF+ whose records carry their times."""
    notes = "".join(f"{onset}\x14\x14".ljust(20, "\0") for onset in (first, second)).encode()
    note = Channel("EDF Annotations", "", np.frombuffer(notes, "<i2").tolist(), (-1, 1), (-32768, 32767))
    head = {"patient": "X X X X", "recording": "Startdate 02-MAR-2020 X X X", "reserved": "EDF+C"}
    return edf(ECG, note, **head | changes)


def test_the_first_record_tells_the_fraction_of_a_second(path):
    recording = read(path, plus())
    assert recording.recorded_at == datetime(2020, 3, 2, 4, 5, 6, 250_000)
    assert sampled(recording, "ecg").start == 0


def test_records_that_do_not_follow_each_other_are_refused(path):
    with pytest.raises(DataError, match=r"is discontinuous \(EDF\+D\).*Cut it at its gaps with EDFbrowser"):
        read(path, plus(reserved="EDF+D"))
    with pytest.raises(DataError, match=r"cannot be read by pyedflib: .*format errors"):
        read(path, plus(second="+7.25"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"\(0 bytes\) begins with b'', not with the header of an EDF"),
        (b"time,ecg\n" * 100, "begins with b'time,ecg'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "not with the header of an EDF or BDF file"),
        (edf(ECG, n_records=2)[:400], "has 400 bytes, but its header announces 2 records of 1 signals"),
        (edf(ECG) + b"\0\0", "has 530 bytes, .* 528 bytes in all. It was cut off or changed: copy it again"),
        (edf(ECG)[:236] + b"-1".ljust(8) + edf(ECG)[244:], "-1 records: its recording did not end well"),
        (edf(ECG)[:236] + b"99999999" + edf(ECG)[244:], "announces 99999999 records"),
        (edf(ECG)[:236] + b"0".ljust(8) + edf(ECG)[244:], "announces 0 records"),
        (edf(ECG, n_signals=9999), "of 9999 signals"),
        (edf(ECG, n_signals=-1), "of -1 signals"),
        (edf(ECG, n_signals="two"), "has b'two ' as the number of signals in its header; expected a whole"),
        (edf(ECG, n_header=256), "but its header announces"),
        (edf(ECG)[:472] + b"99999999" + edf(ECG)[480:], "announces 2 records of 1 signals, 400000508 bytes"),
        (edf(ECG)[:472] + b"4.5     " + edf(ECG)[480:], "b'4.5     ' as the number of samples in a record"),
        (edf(ECG, record=0), "has '0' as the length of its records.*holds notes only"),
        (edf(ECG, record=-1), "has '-1' as the length"),
        (edf(ECG, record="1e-3"), "has '1e-3' as the length"),
        (edf(ECG, record="nan"), "has 'nan' as the length"),
        (edf(ECG, start="02:03:2004:05:06"), "by pyedflib: .*startdate is incorrect"),
        (edf(ECG, patient="Müller"), "has bytes in its header that EDF does not allow"),
    ],
)
def test_what_is_no_whole_file_is_refused(path, content, message):
    with pytest.raises(DataError, match=message):
        read(path, content)


def test_there_is_no_such_file(tmp_path):
    for nothing in (tmp_path, tmp_path / "nowhere.edf"):
        with pytest.raises(DataError, match=r"There is no file .*: give an EDF or BDF file"):
            read_edf(nothing)


@pytest.mark.parametrize("tenth", range(10))
def test_a_real_file_cut_anywhere_is_refused(real_data, path, tenth):
    content = (real_data / "realdata" / "devicely" / "faros_testfile_read.EDF").read_bytes()
    with pytest.raises(DataError, match=r"its header announces 78 records of 6 signals|begins with b''"):
        read(path, content[: len(content) * tenth // 10])


def test_a_file_of_more_than_two_gibibytes_is_refused(path):
    n_records = 2**20 + 1
    content = edf(Channel("ECG", "uV", [0] * 1024), n_records=1, n_header=512)
    with path.open("wb") as stream:  # A hole: it takes no room.
        stream.write(content[:236] + str(n_records).ljust(8).encode() + content[244:512])
        stream.truncate(512 + n_records * 2048)
    with pytest.raises(DataError, match=r"has 2 GiB or more\. Cut it with EDFbrowser"):
        read_edf(path)


def test_files_that_others_have_open_are_left_alone(tmp_path, path, capfd):
    path.write_bytes(edf(ECG))
    with pyedflib.EdfReader(str(path)) as other:
        with pytest.raises(DataError, match="cannot be read by pyedflib"):
            read(tmp_path / "b.edf", edf(ECG, start="99.99.9999.99.99"))
        with pytest.raises(DataError, match="is already open in pyedflib: close it there first"):
            read_edf(path)
        assert_allclose(other.readSignal(0), np.arange(8) / 10, atol=1e-12)
    assert read_edf(path).signals
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def hasty_threads():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_wait_for_each_other(tmp_path, path, capfd, hasty_threads):
    path.write_bytes(edf(ECG))
    found: list[np.ndarray] = []

    def read_some(number):
        for _ in range(50):
            found.append(sampled(read_edf(path), "ecg").data[0])
            with pytest.raises(DataError):
                read(tmp_path / f"bad{number}.edf", edf(ECG, start="99.99.9999.99.99"))

    threads = [threading.Thread(target=read_some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_allclose(found, np.tile(np.arange(8) * 1e-7, (200, 1)), atol=1e-18)
    assert capfd.readouterr() == ("", "")


def test_samples_that_pyedflib_did_not_read_are_no_zeros(path, monkeypatch):
    monkeypatch.setattr(pyedflib.EdfReader, "read_digital_signal", lambda *_: None)
    with pytest.raises(DataError, match="was closed or cut off while it was read"):
        read(path, edf(ECG))


CONTENTS = [edf(ECG, Channel("Marker", "", [0, 1])), plus(), edf(ECG, bits=24)]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.sampled_from(CONTENTS),
    at=st.integers(0, max(map(len, CONTENTS)) - 1),
    put=st.binary(max_size=8) | st.text("+-.0123456789eX \x14\x15\0", max_size=8).map(str.encode),
    n_lost=st.integers(0, 8) | st.none(),
)
def test_damage_is_an_error_of_ours_or_a_result(path, content, at, put, n_lost):
    end = at + (len(put) if n_lost is None else n_lost)
    try:
        recording = read(path, content[:at] + put + content[end:])
    except DataError:
        return
    for signal in recording.signals.values():
        assert np.isfinite(signal.data if isinstance(signal, Signal) else signal.values).all()


CRUSHER = """
import random, sys
from pathlib import Path
from physioaffect.devices.edf import read_edf
from physioaffect.errors import DataError
rng, path = random.Random(0), Path(sys.argv[1]) / "crushed.edf"
for source in sys.argv[2:]:
    content = Path(source).read_bytes()
    for _ in range(1000):
        crushed = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            crushed[rng.randrange(len(crushed))] = rng.choice((rng.randrange(256), rng.randrange(32, 127)))
        path.write_bytes(crushed)
        try:
            read_edf(path)
        except DataError:
            pass
"""


def test_nothing_crashes_or_prints(tmp_path):
    sources = [tmp_path / f"{n}.edf" for n in range(len(CONTENTS))]
    for source, content in zip(sources, CONTENTS, strict=True):
        source.write_bytes(content)
    command = [sys.executable, "-W", "error", "-X", "faulthandler", "-c", CRUSHER]
    run = subprocess.run([*command, tmp_path, *sources], capture_output=True, check=False, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
