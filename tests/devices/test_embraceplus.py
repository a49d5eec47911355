"""Raw files of the EmbracePlus: planted values come out as they went in, and what cannot be is refused."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.embraceplus import embraceplus_files, read_embraceplus
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Events, Flag, Signal

fastavro = pytest.importorskip("fastavro")

START = 1_764_153_713_255_728
REAL = Path("realdata") / "embraceplus" / "test_data.avro"


def record_type(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field, "type": kind} for field, kind in fields.items()],
    }


def array(items: str) -> dict[str, str]:
    return {"type": "array", "items": items}


def schema() -> dict[str, Any]:
    """The parts of schema 6.5 that are read, by the same names; a type that was named is used again."""
    version = record_type("Version", major="int", minor="int", patch="int")
    ends = dict.fromkeys(("physicalMin", "physicalMax", "digitalMin", "digitalMax"), "int")
    params = record_type("ImuParams", **ends, conversionFactor="float")
    clock = {"timestampStart": "long", "samplingFrequency": "float"}
    inertial = record_type(
        "InertialMeasurement", **clock, imuParams=params, **dict.fromkeys("xyz", array("int"))
    )
    raw = record_type(
        "RawData",
        accelerometer=inertial,
        gyroscope="empatica.format.avro.InertialMeasurement",
        eda=record_type("Eda", **clock, values=array("float")),
        temperature=record_type("Temperature", **clock, values=array("float")),
        tags=record_type("Tags", tagsTimeMicros=array("long")),
        bvp=record_type("Bvp", **clock, values=array("float")),
        systolicPeaks=record_type("SystolicPeaks", peaksTimeNanos=array("long")),
        steps=record_type("Steps", **clock, values=array("int")),
    )
    return {
        **record_type(
            "Session",
            schemaVersion=version,
            timezone="int",
            enrollment=record_type("Enrollment", participantID="string"),
            deviceSn="string",
            deviceModel={"type": "enum", "name": "DeviceModel", "symbols": ["EMBRACEPLUS", "EMBRACEMINI"]},
            rawData=raw,
        ),
        "namespace": "empatica.format.avro",
    }


def recording(after_s: float = 0.0, **raw: Any) -> dict[str, Any]:
    """Two seconds of everything, ``after_s`` seconds after the first; ``raw`` replaces sensors."""
    start = START + round(after_s * 1e6)
    counts = {"x": [2048] * 128, "y": [-1024] * 128, "z": list(range(128))}
    params = {"physicalMin": -16, "physicalMax": 16, "digitalMin": -32768, "digitalMax": 32768}
    clock = {"timestampStart": start, "samplingFrequency": 64.0}
    return {
        "schemaVersion": {"major": 6, "minor": 5, "patch": 0},
        "timezone": 3600,
        "enrollment": {"participantID": "P01"},
        "deviceSn": "3YK",
        "deviceModel": "EMBRACEPLUS",
        "rawData": {
            "accelerometer": {**clock, "imuParams": {**params, "conversionFactor": 0.000488}, **counts},
            "gyroscope": {
                "timestampStart": 0,
                "samplingFrequency": 0.0,
                "imuParams": dict.fromkeys([*params, "conversionFactor"], 0),
                "x": [],
                "y": [],
                "z": [],
            },
            "eda": {**clock, "samplingFrequency": 4.0, "values": [0.5, 0.25, -1.0, 101.0, 1, 2, 3, 4]},
            "temperature": {**clock, "samplingFrequency": 1.0, "values": [33.5, 9.0]},
            "tags": {"tagsTimeMicros": [start + 1_500_000]},
            "bvp": {**clock, "values": np.sin(np.arange(128) / 10).tolist()},
            "systolicPeaks": {"peaksTimeNanos": [start * 1000 + int(s * 1e9) for s in (0.1, 0.9, 1.7)]},
            "steps": {**clock, "samplingFrequency": 0.5, "values": [3]},
            **raw,
        },
    }


def write(
    path: Path, *records: dict[str, Any], codec: str = "deflate", of: dict[str, Any] | None = None
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        fastavro.writer(stream, of or schema(), records, codec=codec)
    return path


def sampled(session: DeviceSession, name: str) -> Signal:
    signal = session.signals[name]
    assert isinstance(signal, Signal)
    return signal


def events(session: DeviceSession, name: str) -> Events:
    found = session.signals[name]
    assert isinstance(found, Events)
    return found


def changed(sensor: str, **fields: Any) -> dict[str, Any]:
    return {sensor: {**recording()["rawData"][sensor], **fields}}


@pytest.mark.parametrize("codec", ["deflate", "null"])
def test_planted_values_come_out_in_their_units(tmp_path: Path, codec: str) -> None:
    session = read_embraceplus(write(tmp_path / "a.avro", recording(), codec=codec))
    assert session.device == "Empatica EmbracePlus 3YK"
    assert session.subject == "P01"
    assert session.started_at == datetime(2025, 11, 26, 10, 41, 53, 255728, tzinfo=UTC)
    assert session.utc_offset == timedelta(hours=1)
    found = {
        name: (signal.kind, signal.unit, signal.sfreq, signal.data.shape, signal.start)
        for name, signal in session.signals.items()
        if isinstance(signal, Signal)
    }
    assert found == {
        "acc": ("acc", "g", 64.0, (3, 128), 0.0),
        "ppg": ("ppg", "nW", 64.0, (1, 128), 0.0),
        "eda": ("eda", "uS", 4.0, (1, 8), 0.0),
        "temperature": ("temperature", "degC", 1.0, (1, 2), 0.0),
    }
    factor = float(np.float32(0.000488))
    assert_array_equal(sampled(session, "acc").data[:, 5], np.array([2048, -1024, 5]) * factor)
    assert_allclose(sampled(session, "ppg").data[0], np.sin(np.arange(128) / 10), rtol=1e-6, atol=1e-7)
    assert_array_equal(sampled(session, "eda").data[0], [0.5, 0.25, -1, 101, 1, 2, 3, 4])
    odd = int(Flag.OUT_OF_RANGE)
    assert_array_equal(sampled(session, "eda").flags, [0, 0, odd, odd, 0, 0, 0, 0])
    assert_array_equal(sampled(session, "temperature").flags, [0, odd])
    ibi, tags, steps = (events(session, name) for name in ("ibi", "tags", "steps"))
    assert_allclose(ibi.times, [0.1, 0.9, 1.7], atol=1e-9)
    assert_allclose(ibi.values, [np.nan, 0.8, 0.8], atol=1e-9)
    assert (ibi.kind, tags.kind, steps.kind) == ("ibi", "tags", "steps")
    assert_array_equal((tags.times, tags.values), ([1.5], [1]))
    assert_array_equal((steps.times, steps.values), ([0], [3]))


def test_counts_are_converted_as_each_version_of_the_schema_asks(tmp_path: Path) -> None:
    params = {"physicalMin": -16, "physicalMax": 16, "digitalMin": -32768, "digitalMax": 32768}
    raw = recording()["rawData"]
    old = recording(
        accelerometer={**raw["accelerometer"], "imuParams": {**params, "conversionFactor": 0.0}},
        gyroscope={
            **raw["accelerometer"],
            "imuParams": {**params, "physicalMin": -250, "physicalMax": 250, "conversionFactor": 0.0},
        },
    )
    old["schemaVersion"]["minor"] = 4
    session = read_embraceplus(write(tmp_path / "a.avro", old))
    assert_array_equal(sampled(session, "acc").data[:, 5], np.array([2048, -1024, 5]) * 32 / 65536)
    gyro = sampled(session, "gyro")
    assert (gyro.kind, gyro.unit) == ("gyro", "deg/s")
    assert_allclose(gyro.data[:, 5], np.array([2048, -1024, 5]) * 0.07)
    new = recording(gyroscope={**raw["accelerometer"], "imuParams": {**params, "conversionFactor": 0.00875}})
    gyro = sampled(read_embraceplus(write(tmp_path / "b.avro", new)), "gyro")
    assert_allclose(gyro.data[:, 5], np.array([2048, -1024, 5]) * 0.00875, rtol=1e-6)


def test_counts_at_the_ends_are_clipped(tmp_path: Path) -> None:
    counts = [0, 32767, 5, -32768] * 32
    session = read_embraceplus(write(tmp_path / "a.avro", recording(**changed("accelerometer", x=counts))))
    assert_array_equal(sampled(session, "acc").flags, [0, int(Flag.CLIPPED)] * 64)


def test_sensors_start_at_their_own_times(tmp_path: Path) -> None:
    late = changed("eda", timestampStart=START + 1_123_993)
    session = read_embraceplus(write(tmp_path / "a.avro", recording(**late)))
    assert sampled(session, "eda").start == 1.123993
    assert sampled(session, "ppg").start == 0


def test_a_day_of_files_is_one_recording_with_its_gaps(tmp_path: Path) -> None:
    folder = tmp_path / "2025-11-26" / "P01-3YK" / "raw_data" / "v6"
    for number in (3, 0, 1):  # The third file was never uploaded.
        write(folder / f"1-1-P01_{number}.avro", recording(2.0 * number))
    (folder / "notes.txt").write_text("worn on the left")
    assert [file.name for file in embraceplus_files(tmp_path)] == [f"1-1-P01_{i}.avro" for i in (0, 1, 3)]
    session = read_embraceplus(tmp_path)
    ppg, acc = sampled(session, "ppg"), sampled(session, "acc")
    wave = sampled(read_embraceplus(folder / "1-1-P01_0.avro"), "ppg").data[0]
    assert_array_equal(ppg.data[0], np.concatenate([wave, wave, np.full(128, np.nan), wave]))
    assert_array_equal(ppg.flags, np.repeat([0, 0, int(Flag.GAP), 0], 128))
    assert acc.n_times == 512
    assert_array_equal(events(session, "tags").times, [1.5, 3.5, 7.5])
    assert_array_equal(events(session, "tags").values, [1, 2, 3])
    assert_array_equal(events(session, "steps").times, [0, 2, 6])
    # Beats at 0.1, 0.9 and 1.7 s of each file: known from file to file, but not over the gap.
    assert_allclose(
        events(session, "ibi").values, [np.nan, 0.8, 0.8, 0.4, 0.8, 0.8, np.nan, 0.8, 0.8], atol=1e-9
    )
    assert any(note.startswith("ppg: 1 gap, 2 s") for note in session.notes)
    files = read_embraceplus([str(file) for file in embraceplus_files(folder)])
    assert_array_equal(sampled(files, "ppg").data, ppg.data)


def test_a_short_gap_hides_no_beat(tmp_path: Path) -> None:
    # Between 1.7 s and 2.7 s half a second of the pulse is missing: an interval of 1 s would be believed.
    write(tmp_path / "a.avro", recording())
    write(
        tmp_path / "b.avro", recording(2.5, systolicPeaks={"peaksTimeNanos": [START * 1000 + 2_700_000_000]})
    )
    assert_allclose(events(read_embraceplus(tmp_path), "ibi").values, [np.nan, 0.8, 0.8, np.nan], atol=1e-9)


@pytest.mark.parametrize(("step_s", "is_known"), [(0.29, False), (0.31, True), (1.99, True), (2.01, False)])
def test_intervals_that_no_heart_has_are_unknown(tmp_path: Path, step_s: float, is_known: bool) -> None:
    peaks = [START * 1000 + int(i * step_s * 1e9) for i in range(3)]
    session = read_embraceplus(write(tmp_path / "a.avro", recording(systolicPeaks={"peaksTimeNanos": peaks})))
    assert_array_equal(np.isfinite(events(session, "ibi").values), [False, is_known, is_known])


def test_peaks_of_the_half_hour_before_lie_before_the_beginning(tmp_path: Path) -> None:
    peaks = {"peaksTimeNanos": [START * 1000 - 700_000_001, START * 1000 + 1]}
    ibi = events(read_embraceplus(write(tmp_path / "a.avro", recording(systolicPeaks=peaks))), "ibi")
    assert_allclose(ibi.times, [-0.700000001, 1e-9], rtol=0, atol=1e-15)
    assert_allclose(ibi.values, [np.nan, 0.700000002], rtol=0, atol=1e-15)


def test_sensors_that_were_off_are_missing(tmp_path: Path) -> None:
    off = {"timestampStart": 0, "samplingFrequency": 0.0, "values": []}
    record = recording(
        eda=off, temperature=off, steps=off, systolicPeaks={"peaksTimeNanos": []}, tags={"tagsTimeMicros": []}
    )
    session = read_embraceplus(write(tmp_path / "a.avro", record))
    assert session.signals.keys() == {"acc", "ppg", "ibi", "tags"}
    assert len(events(session, "ibi").times) == len(events(session, "tags").times) == 0


def test_an_older_schema_lacks_what_it_did_not_have(tmp_path: Path) -> None:
    small = schema()
    raw = small["fields"][-1]["type"]
    raw["fields"] = [field for field in raw["fields"] if field["name"] in ("eda", "bvp")]
    session = read_embraceplus(write(tmp_path / "a.avro", recording(), of=small))
    assert session.signals.keys() == {"eda", "ppg"}


def test_missing_samples_are_nan(tmp_path: Path) -> None:
    values = [1.0, float("nan"), 2.0, float("inf")]
    eda = sampled(
        read_embraceplus(write(tmp_path / "a.avro", recording(**changed("eda", values=values)))), "eda"
    )
    assert_array_equal(eda.masked, [[1, np.nan, 2, np.nan]])


def test_a_broken_file_of_a_day_is_left_out_only_if_asked(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.avro", recording(2.0 * number))
    cut = tmp_path / "1.avro"
    cut.write_bytes(cut.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"1\.avro is an Avro file that is not whole"):
        read_embraceplus(tmp_path)
    session = read_embraceplus(tmp_path, skip_broken=True)
    assert_array_equal(sampled(session, "ppg").flags, np.repeat([0, int(Flag.GAP), 0], 128))
    assert session.notes[-1].startswith(f"Left out: {cut} is an Avro file that is not whole")
    with pytest.raises(DataError, match=r"1\.avro is an Avro file that is not whole"):
        read_embraceplus(cut, skip_broken=True)


def test_files_of_several_people_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.avro", recording())
    other = recording(2.0)
    other["enrollment"]["participantID"] = "P02"
    write(tmp_path / "b.avro", other)
    with pytest.raises(DataError, match="of 2 subjects, among them P01 and P02"):
        read_embraceplus(tmp_path)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.avro file in .*raw_data/v6"):
        read_embraceplus(tmp_path)
    with pytest.raises(DataError, match=r"nowhere\.avro cannot be read: No such file"):
        read_embraceplus(tmp_path / "nowhere.avro")
    with pytest.raises(DataError, match=r"a\.avro holds no recording"):
        read_embraceplus(write(tmp_path / "a.avro"))


def test_without_fastavro_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.avro", recording())
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(PhysioaffectError, match=r'needs fastavro.*pip install "physioaffect\[wearable\]"'):
        read_embraceplus(path)


def _with(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    record = recording()
    change(record)
    return record


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            _with(lambda r: r["schemaVersion"].update(major=5)),
            r"no raw file of an EmbracePlus.*version 5.*v6",
        ),
        (
            recording(**changed("accelerometer", y=[1])),
            "has 128, 1, 128 samples in the axes of accelerometer",
        ),
        (recording(**changed("eda", timestampStart=0)), "has eda start at 0; expected microseconds.*clock"),
        (recording(**changed("eda", timestampStart=START * 1000)), "has eda start at 17641537"),
        (recording(**changed("eda", timestampStart=-(2**62))), "has eda start at -46116860"),
        (recording(**changed("eda", timestampStart=START + 260_000_000_000)), "has eda start 72.2 h after"),
        (
            recording(**changed("bvp", samplingFrequency=0.0)),
            r"states 0\.0 Hz for bvp; expected 0\.001 to 1000",
        ),
        (recording(**changed("bvp", samplingFrequency=float("nan"))), "states nan Hz for bvp"),
        (recording(**changed("bvp", samplingFrequency=-64.0)), r"states -64\.0 Hz for bvp"),
        (recording(**changed("bvp", samplingFrequency=1e9)), "states 1000000000.0 Hz for bvp"),
        (recording(**changed("steps", samplingFrequency=1e-9)), r"states 9\.99.*e-10 Hz for steps"),
        (
            recording(**changed("steps", samplingFrequency=0.02, values=[0] * 4000)),
            "4000 samples of steps at 0.02 Hz, more than two days",
        ),
        (
            recording(systolicPeaks={"peaksTimeNanos": [START]}),
            r"has one of its systolicPeaks 4.* h from the beginning",
        ),
        (recording(tags={"tagsTimeMicros": [0]}), "has one of its tags 4.* h from the beginning"),
        (_with(lambda r: r.update(timezone=10**6)), "has '1000000' as seconds between UTC and local time"),
        (
            recording(
                **changed(
                    "accelerometer",
                    imuParams=dict.fromkeys(
                        ("physicalMin", "physicalMax", "digitalMin", "digitalMax", "conversionFactor"), 0
                    ),
                )
            ),
            "does not tell what a count of its accelerometer is",
        ),
        (
            recording(
                **{
                    sensor: changed(sensor, **{key: [] for key in keys})[sensor]
                    for sensor, keys in {
                        "accelerometer": "xyz",
                        "eda": ["values"],
                        "temperature": ["values"],
                        "bvp": ["values"],
                    }.items()
                }
            ),
            "holds no samples of accelerometer.*the sensors were off",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.avro", record)
    with pytest.raises(DataError, match=rf"a\.avro .*{message}"):
        read_embraceplus(path)


@pytest.mark.parametrize(
    ("fields", "record", "message"),
    [
        ({"eda": "string"}, {"eda": "no"}, r"no record as rawData\.eda"),
        (
            {"eda": record_type("Eda", values=array("string"))},
            {"eda": {"values": ["0.5"]}},
            r"other than numbers in rawData\.eda\.values",
        ),
        ({"eda": record_type("Eda", values="float")}, {"eda": {"values": 1.0}}, r"has eda start at None"),
        (
            {"tags": record_type("T", tagsTimeMicros=array("double"))},
            {"tags": {"tagsTimeMicros": [0.5]}},
            r"other than whole numbers in rawData\.tags\.tagsTimeMicros",
        ),
    ],
)
def test_fields_of_other_types_are_refused(
    tmp_path: Path, fields: dict[str, Any], record: dict[str, Any], message: str
) -> None:
    of, whole = schema(), recording()
    raw = of["fields"][-1]["type"]
    kept = [field for field in raw["fields"] if field["name"] not in fields]
    raw["fields"] = [*kept, *({"name": name, "type": kind} for name, kind in fields.items())]
    whole["rawData"].update(record)
    with pytest.raises(DataError, match=message):
        read_embraceplus(write(tmp_path / "a.avro", whole, of=of))


def test_another_avro_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avro", {"label": "x"}, of=record_type("Person", label="string"))
    with pytest.raises(DataError, match=r"is no raw file of an EmbracePlus.*found label and version None"):
        read_embraceplus(path)


@pytest.mark.parametrize(
    "content", [b"", b"Obj\1", b"PK\3\4 a zip", b"1644226061.0\n4.0\n", b"Obj\1" + b"\xff" * 99]
)
def test_what_is_no_avro_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.avro"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.avro begins with .*not with the header of an Avro file"):
        read_embraceplus(path)


def test_the_real_file(real_data: Path) -> None:
    session = read_embraceplus(real_data / REAL)
    assert session.device == "Empatica EmbracePlus 3YK3K152XH"
    assert session.subject == "000001"
    assert session.utc_offset == timedelta(hours=1)
    assert session.started_at == datetime(2025, 11, 26, 10, 41, 53, 255728, tzinfo=UTC)
    shapes = {name: s.data.shape for name, s in session.signals.items() if isinstance(s, Signal)}
    assert shapes == {"acc": (3, 115904), "ppg": (1, 115904), "eda": (1, 7244), "temperature": (1, 1811)}
    assert sampled(session, "acc").sfreq == pytest.approx(63.9999, abs=1e-4)
    # A wrist feels gravity and no more; this one is at 28 degC with hardly any contact of the electrodes.
    assert np.median(np.linalg.norm(sampled(session, "acc").data, axis=0)) == pytest.approx(1, abs=0.01)
    assert np.median(sampled(session, "temperature").data) == 28.625
    assert np.median(sampled(session, "eda").data) == pytest.approx(0.0263, abs=1e-4)
    assert not any(s.flags.any() for s in session.signals.values() if isinstance(s, Signal))
    ibi = events(session, "ibi")
    assert len(ibi.times) == 1796
    assert ibi.times[0] == pytest.approx(-4.320119874, abs=1e-9)
    assert np.flatnonzero(np.isnan(ibi.values)).tolist() == [0]
    assert np.nanmedian(ibi.values) == pytest.approx(1.0136, abs=1e-4)
    assert np.nansum(ibi.values) == pytest.approx(ibi.times[-1] - ibi.times[0], abs=1e-6)
    assert events(session, "steps").values.sum() == 140


def test_the_real_file_in_three_pieces_is_what_it_was(real_data: Path, tmp_path: Path) -> None:
    with (real_data / REAL).open("rb") as stream:
        reader = fastavro.reader(stream)
        of = reader.writer_schema
        (whole,) = reader
    for number, minutes in enumerate([(0, 10), (10, 15), (20, 31)]):  # Five minutes are missing.
        write(tmp_path / f"{number}.avro", _cut_out(whole, minutes), of=of)
    before, after = read_embraceplus(real_data / REAL), read_embraceplus(tmp_path)
    assert after.started_at == before.started_at
    for name in ("acc", "ppg", "eda", "temperature"):
        old, new = sampled(before, name), sampled(after, name)
        assert (new.sfreq, new.start, new.n_times) == (old.sfreq, old.start, old.n_times)
        is_gap = new.flags == int(Flag.GAP)
        assert is_gap.sum() / new.sfreq == pytest.approx(300, abs=1.01 / new.sfreq)
        assert 900 - 1 < new.times[is_gap][0] + 1e-6 < 900 + 2.1
        assert np.isnan(new.data[:, is_gap]).all()
        assert_array_equal(new.data[:, ~is_gap], old.data[:, ~is_gap])
    old_ibi, new_ibi = events(before, "ibi"), events(after, "ibi")
    is_kept = np.isin(old_ibi.times.round(6), new_ibi.times.round(6))
    assert is_kept.sum() == len(new_ibi.times)
    is_unknown = np.isnan(new_ibi.values)
    assert_allclose(new_ibi.values[~is_unknown], old_ibi.values[is_kept][~is_unknown], atol=1e-9)
    assert is_unknown.sum() == 2  # The first beat, and the first one after the gap.


def _cut_out(record: dict[str, Any], minutes: tuple[int, int]) -> dict[str, Any]:
    """Give the samples and events of these minutes, each sensor's counted from its own beginning."""
    raw = dict(record["rawData"])
    for name, stream in raw.items():
        sfreq = stream.get("samplingFrequency", 0.0)
        keys = [key for key, values in stream.items() if isinstance(values, list)]
        if sfreq:
            first, last = (round(minute * 60 * sfreq) for minute in minutes)
            shift = round(first / sfreq * 1e6)
            raw[name] = stream | {"timestampStart": stream["timestampStart"] + shift}
            raw[name] |= {key: stream[key][first:last] for key in keys}
    edges = [START * 1000 + minute * 60 * 10**9 for minute in minutes]
    edges[0] -= 10**10 * (minutes[0] == 0)
    peaks = raw["systolicPeaks"]["peaksTimeNanos"]
    raw["systolicPeaks"] = {"peaksTimeNanos": [peak for peak in peaks if edges[0] <= peak < edges[1]]}
    return record | {"rawData": raw}
