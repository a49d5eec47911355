"""Mind Monitor recordings of Muse: microvolts, contact, motion that repeats, blinks, and broken files."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.muse import is_muse, read_muse
from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal

ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
COLUMNS = [
    "TimeStamp",
    "Alpha_TP9",
    *(f"RAW_{name}" for name in ELECTRODES),
    *(f"Accelerometer_{axis}" for axis in "XYZ"),
    "HeadBandOn",
    *(f"HSI_{name}" for name in ELECTRODES),
    "Elements",
]


def recording(n_rows=640, *, on=lambda n: 1, contact=lambda n: (1, 1, 1, 1), events=(), sfreq=256.0):
    """Rows end before the column of elements unless they hold one, as the app writes them."""
    begin = datetime(2021, 4, 5, 15, 48, 4)
    lines = [",".join(COLUMNS)]
    for n in range(n_rows):
        # Bundles of twelve samples arrive together.
        stamp = begin + timedelta(seconds=(n // 12 * 12 + 11) / sfreq)
        for _, name in (event for event in events if event[0] == n):
            lines.append(f"{stamp:%Y-%m-%d %H:%M:%S.%f}"[:-3] + "," * (len(COLUMNS) - 1) + name)
        raw = ",".join(str(800 + n + 10 * channel) for channel in range(4))
        acc = f"{n // 16 / 100},0.0,1.0"
        quality = f"{on(n)}," + ",".join(f"{float(value)}" for value in contact(n))
        lines.append(f"{stamp:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f",0.5,{raw},{acc},{quality}")
    return "\n".join(lines) + "\n"


def read(tmp_path, text, **kwargs):
    path = tmp_path / "museMonitor.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_muse(path, **kwargs)


def test_eeg_is_in_volts_and_motion_at_a_sixteenth_of_the_rate(tmp_path):
    session = read(tmp_path, recording(), zone="Europe/Berlin")
    eeg, acc = session.signals["eeg"], session.signals["acc"]
    assert (eeg.sfreq, eeg.ch_names, eeg.unit, eeg.n_times) == (256, ELECTRODES, "V", 640)
    assert_allclose(eeg.data[1], (810 + np.arange(640)) * 1e-6)
    assert acc.sfreq == 16
    assert_allclose(acc.data[0], np.arange(40) / 100)
    assert not eeg.flags.any()
    assert session.utc_offset == timedelta(hours=2)
    assert session.started_at is not None
    assert abs(session.started_at - datetime(2021, 4, 5, 13, 48, 4, tzinfo=UTC)) < timedelta(seconds=0.05)


def test_without_a_zone_utc_is_not_known(tmp_path):
    session = read(tmp_path, recording())
    assert session.started_at is None
    assert any("by a local clock" in note for note in session.notes)


def test_the_headband_of_2014_has_220_hz(tmp_path):
    assert read(tmp_path, recording(2000, sfreq=220.0)).signals["eeg"].sfreq == 220


def test_a_headband_that_is_off_flags_everything(tmp_path):
    session = read(tmp_path, recording(on=lambda n: int(n < 320)))
    assert_array_equal(session.signals["eeg"].flags, np.repeat([0, Flag.OFF_BODY], 320))
    assert_array_equal(session.signals["acc"].flags, np.repeat([0, Flag.OFF_BODY], 20))


def test_bad_contact_of_an_electrode_taken_flags_the_eeg(tmp_path):
    text = recording(contact=lambda n: (1, 2, 1, 4 if n >= 600 else 1))
    session = read(tmp_path, text)
    assert_array_equal(np.flatnonzero(session.signals["eeg"].flags == Flag.OFF_BODY), np.arange(600, 640))
    assert not session.signals["acc"].flags.any()
    without = read(tmp_path, text, ch_names=("AF7", "AF8"))
    assert without.signals["eeg"].ch_names == ("AF7", "AF8")
    assert not without.signals["eeg"].flags.any()


def test_blinks_and_jaw_clenches_become_tags_and_are_no_samples(tmp_path):
    events = (
        (100, "/muse/elements/blink"),
        (300, "/muse/elements/jaw_clench"),
        (500, "/muse/elements/blink"),
    )
    session = read(tmp_path, recording(events=events))
    tags = session.signals["tags"]
    assert session.signals["eeg"].n_times == 640
    assert_array_equal(tags.values, [1, 2, 1])
    assert_allclose(tags.times, np.array([100, 300, 500]) / 256, atol=0.05)
    assert any("1 = /muse/elements/blink, 2 = /muse/elements/jaw_clench" in note for note in session.notes)


def test_a_lost_connection_is_a_gap(tmp_path):
    lines = recording(256 * 20).split("\n")
    session = read(tmp_path, "\n".join(lines[: 256 * 5 + 1] + lines[256 * 8 + 1 :]))
    eeg = session.signals["eeg"]
    assert isinstance(eeg, Signal)
    assert_allclose(eeg.n_times, 256 * 20, atol=13)
    assert_allclose(np.count_nonzero(eeg.flags == Flag.GAP), 256 * 3, atol=13)


GOOD = recording(100)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (GOOD.split("\n")[0], "holds no line of data"),
        (GOOD.replace("RAW_TP9", "TP9"), "no recording of Mind Monitor with raw EEG"),
        (GOOD.replace("TimeStamp", "Time"), "no recording of Mind Monitor with raw EEG"),
        (GOOD.replace(",850,", ",85o,"), r"'85o' in column 'RAW_TP10'; expected a number in line 22"),
        (GOOD.replace(",850,", ",1,2,3,4,5,6,7,"), r"20 cells; expected 15 cells in line 22"),
        (GOOD.replace("2021-04-05 15:48:04.0", "05/04/21 15:48:04.0"), r"for the time in line \d"),
        (GOOD.encode("utf-16"), "is no text in utf-8"),
        (GOOD.replace("0.5", '"0.5"'), "quoted cells"),
        (GOOD[: GOOD.rindex(",0.0,1.0,")], r"ends within its last line, which has 7 cells"),
    ],
)
def test_broken_recordings_are_refused_with_the_reason(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, text)
    assert "museMonitor.csv" in str(error.value)


def test_unknown_electrodes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no electrode 'Cz': choose from TP9"):
        read(tmp_path, GOOD, ch_names=("Cz",))


def test_headers_are_told_from_others():
    assert is_muse(tuple(COLUMNS))
    assert not is_muse(("Shimmer_40AC_Timestamp_Unix_CAL",))


def test_real_recording(real_data):
    session = read_muse(real_data / "realdata/devicely/muse_read_test_data.csv")
    assert set(session.signals) == {"eeg", "acc", "gyro", "tags"}
    eeg, acc = session.signals["eeg"], session.signals["acc"]
    assert isinstance(eeg, Signal)
    assert isinstance(acc, Signal)
    assert (eeg.n_times, eeg.sfreq, acc.sfreq) == (418, 256, 16)
    assert_allclose(eeg.data[:, 0], np.array([832.4542, 798.60803, 794.17584, 835.6777]) * 1e-6)
    assert_allclose(np.linalg.norm(acc.data, axis=0), 1.0, atol=0.02)
    assert len(session.signals["tags"].times) == 1
    assert not eeg.flags.any()
