"""DREAMER.mat: files laid out by hand, simulated ones, and broken ones."""

import gc
import struct
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.io import loadmat, savemat

from physioaffect.data_set import Exclusion
from physioaffect.datasets import DREAMER, World, get
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Trial

Layout = dict[str, Any]

ELECTRODES = ["AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4"]
N_SUBJECTS, N_CLIPS, SECONDS = 3, 4, 2
SCORES = {"valence": "ScoreValence", "arousal": "ScoreArousal", "dominance": "ScoreDominance"}


def cell(items: list[Any], shape: tuple[int, int]) -> NDArray[np.object_]:
    made = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        made[index] = item
    return made.reshape(shape)


def samples(subject: int, clip: int, n_channels: int, n_times: int, *, is_rest: bool) -> NDArray[np.float64]:
    """Numbers that tell where they belong, (time, channel)."""
    begin = 4000 + 100 * subject + 10 * clip + 5 * is_rest
    return begin + np.arange(n_channels) / 16 + np.arange(n_times)[:, np.newaxis] / 2**20


def by_hand(n_subjects: int = N_SUBJECTS, n_clips: int = N_CLIPS) -> Layout:
    """The struct of DREAMER.mat as it is described, with rests half as long as clips."""
    people = []
    for subject in range(n_subjects):
        person: Layout = {"Age": "25", "Gender": "female"}
        for kind, n_channels, rate in (("EEG", 14, 128), ("ECG", 2, 256)):
            person[kind] = {
                part: cell(
                    [
                        samples(subject, clip, n_channels, rate * seconds, is_rest=part == "baseline")
                        for clip in range(n_clips)
                    ],
                    (n_clips, 1),
                )
                for part, seconds in (("baseline", SECONDS // 2), ("stimuli", SECONDS))
            }
        for shift, field in enumerate(SCORES.values()):
            person[field] = (1.0 + (np.arange(n_clips) + subject + shift) % 5).reshape(n_clips, 1)
        people.append(person)
    return {
        "Data": cell(people, (1, n_subjects)),
        "EEG_SamplingRate": 128.0,
        "ECG_SamplingRate": 256.0,
        "EEG_Electrodes": cell(list(ELECTRODES), (1, 14)),
        "noOfSubjects": float(n_subjects),
        "noOfVideoSequences": float(n_clips),
        "Disclaimer": "None of this was recorded.",
        "Provider": "a test",
        "Version": "1.0.2",
        "Acknowledgement": "",
    }


def write(path: Path, layout: Any, *, compressed: bool = True, name: str = "DREAMER") -> Path:
    savemat(path, {"before": np.arange(3), name: layout}, do_compression=compressed)
    return path


def read(path: Path) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(DREAMER.read(path, report=exclusions.append)), exclusions


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return DREAMER.simulate(  # type: ignore[misc]  # It can be simulated.
        tmp_path_factory.mktemp("dreamer"), World(), n_subjects=2, n_clips=3, max_seconds=4
    )


# What is in the file


@pytest.mark.parametrize("compressed", [True, False])
def test_every_sample_and_rating_comes_back_in_its_place(tmp_path: Path, compressed: bool) -> None:
    path = write(tmp_path / "DREAMER.mat", by_hand(), compressed=compressed)
    trials, exclusions = read(path)
    assert not exclusions
    ids = [(trial.subject, trial.trial, trial.stimulus, trial.order) for trial in trials]
    assert ids == [(str(s + 1), str(c + 1), str(c + 1), c) for s in range(N_SUBJECTS) for c in range(N_CLIPS)]
    for trial in trials:
        subject, clip = int(trial.subject) - 1, trial.order
        assert (trial.dataset, trial.session, trial.condition, trial.elapsed) == ("dreamer", "1", "", None)
        assert not trial.tags
        for shift, scale in enumerate(SCORES):
            assert trial.ratings[scale] == 1 + (clip + subject + shift) % 5
        assert trial.baseline is not None
        for is_rest, signals, seconds in ((False, trial.signals, 2), (True, trial.baseline, 1)):
            assert set(signals) == {"eeg", "ecg"} == set(DREAMER.sfreqs)
            for kind, n_channels, sfreq in (("eeg", 14, 128), ("ecg", 2, 256)):
                signal = signals[kind]
                expected = samples(subject, clip, n_channels, sfreq * seconds, is_rest=is_rest)
                assert_array_equal(signal.data, expected.T)  # type: ignore[union-attr]  # No events here.
                assert (signal.kind, signal.unit, signal.sfreq) == (kind, "au", sfreq)  # type: ignore[union-attr]
        assert trial.signal("eeg").ch_names == tuple(ELECTRODES)
        assert trial.signal("ecg").ch_names == ("ECG1", "ECG2")


def test_it_reads_the_folder_and_the_file_alike(simulated: Path) -> None:
    for one, other in zip(read(simulated)[0], read(simulated.parent)[0], strict=True):
        assert_array_equal(one.signal("eeg").data, other.signal("eeg").data)
    assert DREAMER.files(simulated) == DREAMER.files(simulated.parent) == (simulated,)
    assert DREAMER.fingerprint(simulated) == DREAMER.fingerprint(simulated.parent)


def test_whole_numbers_that_matlab_stores_in_fewer_bytes_are_the_same_numbers(tmp_path: Path) -> None:
    layout = by_hand()
    for person in layout["Data"].flat:
        for kind, dtype in (("EEG", np.uint16), ("ECG", np.int32)):
            for part in person[kind].values():
                for index, data in enumerate(part.flat):
                    part.flat[index] = np.rint(data).astype(dtype)
        for field in SCORES.values():
            person[field] = person[field].astype(np.uint8)
    layout["EEG_SamplingRate"] = np.uint8(128)
    trials, exclusions = read(write(tmp_path / "DREAMER.mat", layout))
    assert not exclusions
    assert trials[0].signal("eeg").data.dtype == np.float64
    assert_array_equal(trials[0].signal("eeg").data, np.rint(samples(0, 0, 14, 256, is_rest=False)).T)
    assert trials[0].ratings == {"valence": 1, "arousal": 2, "dominance": 3}


def test_electrodes_are_taken_by_name(tmp_path: Path) -> None:
    layout = by_hand()
    order = np.random.default_rng(0).permutation(14)
    layout["EEG_Electrodes"] = cell([ELECTRODES[index] for index in order], (1, 14))
    for person in layout["Data"].flat:
        for part in person["EEG"].values():
            for index, data in enumerate(part.flat):
                part.flat[index] = data[:, order]
    expected, _ = read(write(tmp_path / "as_it_is.mat", by_hand()))
    trials, _ = read(write(tmp_path / "permuted.mat", layout))
    for one, other in zip(trials, expected, strict=True):
        assert one.signal("eeg").ch_names == tuple(ELECTRODES)
        assert_array_equal(one.signal("eeg").data, other.signal("eeg").data)


def test_without_names_the_electrodes_are_in_the_documented_order(tmp_path: Path) -> None:
    layout = by_hand()
    del layout["EEG_Electrodes"]
    trials, exclusions = read(write(tmp_path / "DREAMER.mat", layout))
    assert not exclusions
    assert trials[0].signal("eeg").ch_names == tuple(ELECTRODES)


def test_the_montage_knows_every_electrode() -> None:
    import mne

    assert DREAMER.montage is not None
    assert set(ELECTRODES) <= set(mne.channels.make_standard_montage(DREAMER.montage).ch_names)


def test_a_person_is_freed_when_the_next_is_read(simulated: Path) -> None:
    held: dict[str, weakref.ref[Any]] = {}
    for trial in DREAMER.read(simulated):
        if trial.subject == "2":
            del trial
            break
        base = trial.signal("eeg").data.base
        held[trial.trial] = weakref.ref(base if isinstance(base, np.ndarray) else trial.signal("eeg").data)
        del trial, base
    gc.collect()
    assert len(held) == 3
    assert not any(ref() is not None for ref in held.values())


# What is to be predicted


def rated(rating: float) -> Trial:
    ratings = dict.fromkeys(SCORES, rating)
    return Trial(dataset="dreamer", subject="1", trial="1", stimulus="1", signals={}, ratings=ratings)


def test_thresholds_lie_where_the_tasks_say() -> None:
    scales = ("valence", "arousal")
    expected: dict[str, list[Any]] = {name: ["low", "low", "low", "high", "high"] for name in SCORES}
    expected |= {f"{name}_ge3": ["low", "low", "high", "high", "high"] for name in scales}
    expected |= {f"{name}_5class": ["1", "2", "3", "4", "5"] for name in scales}
    expected |= {f"{name}_score": [1.0, 2.0, 3.0, 4.0, 5.0] for name in scales}
    found = {
        name: [task.target(rated(rating)) for rating in range(1, 6)] for name, task in DREAMER.tasks.items()
    }
    assert found == expected
    assert next(iter(DREAMER.tasks)) == "valence"
    for name, task in DREAMER.tasks.items():
        assert task.name == name
        assert not set(found[name]) - set(task.classes) or task.kind == "regression"
        unrated = Trial(dataset="dreamer", subject="1", trial="1", stimulus="1", signals={})
        assert task.target(unrated) is None


def test_it_is_known_by_name() -> None:
    assert get("dreamer") is DREAMER


# What the simulator writes


def test_the_simulated_file_nests_as_the_original(simulated: Path) -> None:
    original = write(simulated.with_name("by_hand.mat"), by_hand(2, 3))
    for path in (simulated, original):
        top = loadmat(path)["DREAMER"]
        assert top.shape == top["Data"][0, 0][0, 1].shape == (1, 1)
        assert top.dtype.names == tuple(by_hand())
        assert top[0, 0]["Data"].shape == (1, 2)
        assert top[0, 0]["EEG_Electrodes"].shape == (1, 14)
        assert [str(name[0]) for name in top[0, 0]["EEG_Electrodes"][0]] == ELECTRODES
        person = top[0, 0]["Data"][0, 1][0, 0]
        fields = ("Age", "Gender", "EEG", "ECG", "ScoreValence", "ScoreArousal", "ScoreDominance")
        assert person.dtype.names == fields
        assert person["Age"].dtype.kind == person["Gender"].dtype.kind == "U"
        assert person["ScoreValence"].shape == (3, 1)
        for kind, n_channels in (("EEG", 14), ("ECG", 2)):
            assert person[kind].dtype.names == ("baseline", "stimuli")
            for part in ("baseline", "stimuli"):
                cells = person[kind][0, 0][part]
                assert cells.shape == (3, 1)
                assert cells[2, 0].dtype == np.float64
                assert cells[2, 0].shape[1] == n_channels
        squeezed = loadmat(path, squeeze_me=True, struct_as_record=False)["DREAMER"]
        assert squeezed.Data[1].EEG.stimuli[2].shape[1] == 14
        assert squeezed.noOfSubjects == 2
        assert squeezed.noOfVideoSequences == 3
        assert squeezed.Version == "1.0.2"
    original.unlink()


def test_reading_agrees_with_scipy(simulated: Path) -> None:
    data = loadmat(simulated, squeeze_me=True, struct_as_record=False)["DREAMER"].Data
    for trial in read(simulated)[0]:
        person = data[int(trial.subject) - 1]
        assert_array_equal(trial.signal("eeg").data, person.EEG.stimuli[trial.order].T)
        assert_array_equal(trial.signal("ecg").data, person.ECG.stimuli[trial.order].T)
        assert trial.ratings["arousal"] == person.ScoreArousal[trial.order]
        assert trial.tags == ("simulated",)


def test_simulated_samples_have_the_steps_and_the_offset_of_the_device(simulated: Path) -> None:
    for trial in read(simulated)[0]:
        counts = trial.signal("eeg").data * 2**14 / 8400
        assert_array_equal(counts, np.rint(counts))
        # 8192 counts, give or take electrode offsets of SD 82 uV.
        assert_allclose(trial.signal("eeg").data.mean(axis=1), 4200, atol=4 * 82)
        ecg = trial.signal("ecg").data
        assert_array_equal(ecg, np.rint(ecg))
        assert ecg.min() >= 0
        assert ecg.max() < 2**12


def test_uncut_clips_last_as_long_as_is_known(tmp_path: Path) -> None:
    assert DREAMER.simulate is not None
    trials, _ = read(DREAMER.simulate(tmp_path, n_subjects=1))
    seconds = [trial.signal("eeg").duration for trial in trials]
    assert len(seconds) == 18
    assert trials[0].signal("eeg").n_times == 25_472
    assert [min(seconds), max(seconds), sum(seconds) / 18] == [67, 393, 199]
    for trial in trials:
        assert trial.signal("ecg").n_times == 2 * trial.signal("eeg").n_times
        assert trial.baseline is not None
        assert trial.baseline["eeg"].n_times == 7808  # type: ignore[union-attr]  # No events here.
        assert trial.baseline["ecg"].n_times == 15_616  # type: ignore[union-attr]


def test_a_person_and_a_clip_do_not_depend_on_how_many_others_there_are(tmp_path: Path) -> None:
    assert DREAMER.simulate is not None
    many, _ = read(DREAMER.simulate(tmp_path / "many", n_subjects=3, n_clips=3, max_seconds=1))
    few, _ = read(DREAMER.simulate(tmp_path / "few", n_subjects=2, n_clips=2, max_seconds=1))
    by_id = {(trial.subject, trial.trial): trial for trial in many}
    for trial in few:
        same = by_id[trial.subject, trial.trial]
        assert trial.ratings == same.ratings
        for kind in ("eeg", "ecg"):
            assert_array_equal(trial.signal(kind).data, same.signal(kind).data)
    assert len({trial.signal("eeg").data[0, 0] for trial in many}) > 1


def test_the_same_world_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    assert DREAMER.simulate is not None
    small: dict[str, Any] = {"n_subjects": 1, "n_clips": 1, "max_seconds": 1}
    one, same, other = (
        DREAMER.simulate(tmp_path / name, World.null(seed), **small).read_bytes()
        for name, seed in (("one", 0), ("same", 0), ("other", 1))
    )
    assert one == same != other


def test_it_overwrites_nothing_and_leaves_nothing_else(simulated: Path) -> None:
    assert DREAMER.simulate is not None
    before = simulated.read_bytes()
    with pytest.raises(DataError, match=r"DREAMER\.mat exists and is not overwritten\. Remove it, or choose"):
        DREAMER.simulate(simulated.parent, n_subjects=1, n_clips=1, max_seconds=1)
    assert simulated.read_bytes() == before
    assert list(simulated.parent.iterdir()) == [simulated]


@pytest.mark.parametrize("wrong", [{"n_subjects": 0}, {"n_clips": 0}, {"n_clips": 19}])
def test_it_simulates_one_to_eighteen_clips(tmp_path: Path, wrong: dict[str, int]) -> None:
    assert DREAMER.simulate is not None
    with pytest.raises(PhysioaffectError, match="DREAMER needs at least 1 subject and 1 to 18 clips, got"):
        DREAMER.simulate(tmp_path, **wrong)
    with pytest.raises(PhysioaffectError, match="max_seconds must be at least 1 s, got"):
        DREAMER.simulate(tmp_path, max_seconds=0.5)


# What is wrong with the whole file


def refuse(path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read(path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    refuse(
        tmp_path / "nowhere", r"There is no .*nowhere\. Pass the folder that holds DREAMER\.mat, or the file"
    )


def test_a_wrong_folder_is_told_by_what_it_holds(tmp_path: Path) -> None:
    refuse(tmp_path, r"has no DREAMER\.mat; it has nothing\. Pass the folder .*zenodo\.org/records/546113")
    for number in range(10):
        (tmp_path / f"s{number:02}.dat").touch()
    refuse(tmp_path, r"it has s00\.dat, s01\.dat, .*, s07\.dat and 2 more\.")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "DREAMER.mat").touch()
    refuse(tmp_path, r"DREAMER\.mat is empty\. Download or copy it again\.")


def test_a_header_alone_is_refused(tmp_path: Path, simulated: Path) -> None:
    path = tmp_path / "DREAMER.mat"
    path.write_bytes(simulated.read_bytes()[:128])
    refuse(
        path, r"cannot be read: it is a header with nothing after it\. Download or copy it again, and compare"
    )


@pytest.mark.parametrize(
    "start", [b"MATLAB 7.3 MAT-file, Platform: PCWIN64", b"\x89HDF\r\n\x1a\n"], ids=["matlab", "hdf5"]
)
def test_version_7_3_is_refused_with_the_way_to_save_it_again(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "DREAMER.mat"
    path.write_bytes(start.ljust(124) + b"\x00\x02IM" + bytes(512))
    refuse(path, r"version 7\.3, which is HDF5; .*save\('DREAMER\.mat', 'DREAMER', '-v7'\)")


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>" + bytes(500), b"x", bytes(200)])
def test_what_is_no_matlab_file_is_shown_by_its_first_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "DREAMER.mat").write_bytes(content)
    refuse(tmp_path, r"is not a MATLAB v5 file: it begins with b'.*Download it again; a web page")


def test_another_variable_is_refused_with_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "DREAMER.mat", np.ones(3), name="djc_eeg1")
    refuse(path, r"has no variable DREAMER; it has before, djc_eeg1\. Is it another data set\?")


@pytest.mark.parametrize("layout", [np.ones((2, 2)), "text", cell([by_hand(1, 1)], (1, 1))])
def test_a_variable_that_is_no_struct_is_refused(tmp_path: Path, layout: Any) -> None:
    refuse(write(tmp_path / "DREAMER.mat", layout), "has no field EEG_SamplingRate; it is no single struct")


@pytest.mark.parametrize(
    "field", ["Data", "EEG_SamplingRate", "ECG_SamplingRate", "noOfSubjects", "noOfVideoSequences"]
)
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    layout = by_hand()
    del layout[field]
    refuse(
        write(tmp_path / "DREAMER.mat", layout), f"has no field {field}; it has .*Version.* Use the file as"
    )


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("EEG_SamplingRate", 256.0, "has EEG_SamplingRate 256; expected 128 Hz"),
        ("ECG_SamplingRate", 128.0, "has ECG_SamplingRate 128; expected 256 Hz"),
        ("EEG_SamplingRate", "128", "has a field EEG_SamplingRate that is no single number"),
        ("noOfSubjects", 23.0, r"has 3 cells in Data; expected 23\. Use the file as it was distributed"),
        ("noOfSubjects", np.nan, "has a field noOfSubjects that is no single number"),
        ("Data", np.ones((1, 23)), "has a field Data that is no cell array; expected 3 cells"),
        (
            "EEG_Electrodes",
            cell(["Fp1", "Fp2"], (1, 2)),
            "names the electrodes Fp1, Fp2; expected, in any order",
        ),
        ("EEG_Electrodes", cell([*ELECTRODES[:13], "AF3"], (1, 14)), "AF3; expected, in any order, AF3, F7"),
    ],
)
def test_a_wrong_fact_about_the_whole_file_is_refused(
    tmp_path: Path, field: str, value: Any, match: str
) -> None:
    refuse(write(tmp_path / "DREAMER.mat", by_hand() | {field: value}), match)


@pytest.mark.parametrize("tenths", range(1, 10))
@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_file_is_refused(tmp_path: Path, tenths: int, compressed: bool) -> None:
    path = write(tmp_path / "DREAMER.mat", by_hand(1, 2), compressed=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    refuse(path, "cannot be read: (it is cut short|it ends in the middle)|is not a MATLAB v5 file")


def test_a_damaged_checksum_is_refused(tmp_path: Path, simulated: Path) -> None:
    content = bytearray(simulated.read_bytes())
    content[-1] ^= 1
    path = tmp_path / "DREAMER.mat"
    path.write_bytes(content)
    refuse(path, "its compressed data are damaged .*incorrect data check")


def compress_again(source: Path, path: Path, change: Callable[[bytes], bytes]) -> Path:
    """Change the compressed stream of a file's only variable."""
    content = source.read_bytes()
    stream = change(content[136:])
    path.write_bytes(content[:128] + struct.pack("<II", 15, len(stream)) + stream)
    return path


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda z: z[:-4], "was read although the checksum of its compressed data is missing"),
        (
            lambda z: zlib.compress(zlib.decompress(z) + bytes(8)),
            "more compressed data than the variable needs",
        ),
    ],
    ids=["without checksum", "with bytes to spare"],
)
def test_what_is_odd_but_whole_is_read_with_one_note(
    tmp_path: Path, simulated: Path, change: Callable[[bytes], bytes], match: str
) -> None:
    path = compress_again(simulated, tmp_path / "DREAMER.mat", change)
    trials, exclusions = read(path)
    assert len(trials) == 6
    assert [(item.subject, item.expected) for item in exclusions] == [("1", True)]
    with pytest.raises(DataError, match=match):
        raise DataError(exclusions[0].reason)
    # Whoever is read first brings the note, and without anyone to report to it is no reason to stop.
    only: list[Exclusion] = []
    assert len(list(DREAMER.read(path, subjects=["2"], report=only.append))) == 3
    assert [item.subject for item in only] == ["2"]
    assert len(list(DREAMER.read(path))) == 6


def matrix(kind: int, shape: tuple[int, int], body: bytes, name: bytes = b"") -> bytes:
    content = struct.pack("<IIII", 6, 8, kind, 0) + struct.pack("<IIii", 5, 8, *shape)
    content += struct.pack("<II", 1, len(name)) + name.ljust(-len(name) % 8 + len(name), b"\0") + body
    return struct.pack("<II", 14, len(content)) + content


def hostile(path: Path, variable: bytes) -> Path:
    stream = zlib.compress(variable)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(header + struct.pack("<II", 15, len(stream)) + stream)
    return path


def test_cells_nested_so_deep_that_they_would_end_the_interpreter_are_refused(tmp_path: Path) -> None:
    # Lengths are made up: building 20 000 true ones takes time and memory.
    shell = matrix(1, (1, 1), b"")[8:]
    body = (struct.pack("<II", 14, 1 << 24) + shell) * 20_000
    path = hostile(tmp_path / "DREAMER.mat", matrix(1, (1, 1), body + bytes(1 << 25), b"DREAMER"))
    refuse(path, "cannot be read: (its arrays nest too deep|an element is longer)")
    body = b""
    for _ in range(30):
        body = matrix(1, (1, 1), body)
    refuse(hostile(path, matrix(1, (1, 1), body, b"DREAMER")), "its arrays nest too deep")


@pytest.mark.parametrize(
    ("variable", "match"),
    [
        (
            struct.pack("<II", 14, 2**32 - 8) + matrix(6, (1, 1), b"", b"DREAMER")[8:],
            "expands to 4294967288 bytes",
        ),
        (matrix(1, (2**30, 1), b"", b"DREAMER"), "claim more cells than there are"),
        (matrix(6, (2**30, 2**20), b"", b"DREAMER"), r"an array claims the shape \(1073741824, 1048576\)"),
        (matrix(6, (-1, 1), b"", b"DREAMER"), r"an array claims the shape \(-1, 1\)"),
        (
            matrix(6, (9, 9), struct.pack("<II", 9, 8) + bytes(8), b"DREAMER"),
            r"shape \(9, 9\) has 8 bytes of float64",
        ),
        (
            matrix(6, (1, 1), struct.pack("<II", 99, 8) + bytes(8), b"DREAMER"),
            "numbers of a type that is none",
        ),
        (
            matrix(6 | 8 << 8, (1, 1), struct.pack("<II", 9, 8) + bytes(8), b"DREAMER"),
            "it holds complex numbers",
        ),
        (
            matrix(4, (1, 1), struct.pack("<II", 99, 8) + bytes(8), b"DREAMER"),
            "characters are stored as type 99",
        ),
        (matrix(17, (1, 1), bytes(8), b"DREAMER"), "it holds a sparse array, an object or a function"),
        (matrix(1, (1, 1), struct.pack("<II", 9, 0), b"DREAMER"), "a cell holds something that is no array"),
        (matrix(1, (1, 1), bytes(4), b"DREAMER"), "claim more cells than there are"),
        (
            matrix(6, (1, 1), struct.pack("<HHI", 9, 8, 0), b"DREAMER"),
            "a short element is longer than 4 bytes",
        ),
        (matrix(6, (1, 1), b"", b"D" * 64), "a name or a size is longer than it may be"),
        (struct.pack("<II", 9, 8) + bytes(8), "it holds something that is no variable"),
        (
            matrix(6, (1, 1), b"", b"DREAMER")[:40],
            "its data end before everything that they announce has come",
        ),
    ],
)
def test_claims_are_not_trusted(tmp_path: Path, variable: bytes, match: str) -> None:
    refuse(hostile(tmp_path / "DREAMER.mat", variable), match)


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "DREAMER.mat", by_hand(1, 1))

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    refuse(path, r"DREAMER\.mat cannot be read: Permission denied\.")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_in_a_sentence_or_read(
    tmp_path: Path, plain_bytes: bytes, data: st.DataObject
) -> None:
    content = bytearray(plain_bytes)
    for _ in range(data.draw(st.integers(1, 4))):
        # Most bytes are samples; those near the start of an array decide about the rest.
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            array = content.find(b"\x0e\x00\x00\x00", place)
            place = min(max(array, 0) + data.draw(st.integers(0, 71)), len(content) - 1)
        damage = data.draw(
            st.sampled_from([b"", b"\xff\xff\xff\xff", b"\x00", b"\x0f"]) | st.binary(max_size=8)
        )
        content[place : place + data.draw(st.integers(0, 8))] = damage
    path = tmp_path / "DREAMER.mat"
    path.write_bytes(content)
    reason = ""
    try:
        read(path)
    except DataError as error:
        reason = str(error)
    assert not reason or str(path) in reason


@pytest.fixture(scope="session")
def plain_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    layout = by_hand(2, 2)
    for person in layout["Data"].flat:
        for kind in ("EEG", "ECG"):
            for part in person[kind].values():
                for index, samples_of_part in enumerate(part.flat):
                    part.flat[index] = samples_of_part[: 8 if kind == "EEG" else 16]
    return write(tmp_path_factory.mktemp("plain") / "x.mat", layout, compressed=False).read_bytes()


# What is wrong with one person


def spoil(person: Layout, *keys: Any, value: Any) -> None:
    for key in keys[:-1]:
        person = person[key]
    person[keys[-1]] = value


def with_nan(channel: int, kind: str = "EEG") -> NDArray[np.float64]:
    data = samples(1, 2, 14 if kind == "EEG" else 2, 256 if kind == "EEG" else 512, is_rest=False)
    data[:, channel] = np.nan
    return data


BROKEN = {
    "missing kind": (("ECG",), None, r"has no field ECG; it has Age, Gender, EEG, Score"),
    "missing part": (("EEG", "baseline"), None, r"EEG, has no field baseline; it has stimuli"),
    "missing rating": (("ScoreArousal",), None, r"has no field ScoreArousal"),
    "no struct": (
        ("EEG",),
        1.0,
        r"has no field baseline; it is no single struct|has no field stimuli; it is no",
    ),
    "no cells": (
        ("EEG", "stimuli"),
        np.ones((4, 1)),
        r"has a field stimuli that is no cell array; expected 4",
    ),
    "clips": (("EEG", "stimuli"), cell([1.0] * 3, (3, 1)), r"EEG, has 3 cells in stimuli; expected 4\."),
    "rests": (("ECG", "baseline"), cell([1.0] * 5, (5, 1)), r"ECG, has 5 cells in baseline; expected 4\."),
    "swapped": (
        ("EEG", "stimuli", (2, 0)),
        np.ones((14, 256)),
        r"stimuli of clip 3, EEG has shape \(14, 256\), channels first; expected \(time, 14\)\. Transpose",
    ),
    "channels": (
        ("EEG", "baseline", (0, 0)),
        np.ones((128, 32)),
        r"baseline of clip 1, EEG has shape \(128, 32\); expected \(time, 14\), AF3, F7",
    ),
    "leads": (
        ("ECG", "stimuli", (3, 0)),
        np.ones((512, 1)),
        r"ECG has shape \(512, 1\); expected \(time, 2\)",
    ),
    "nothing": (("EEG", "stimuli", (1, 0)), np.ones((0, 14)), r"has shape \(0, \d+\); expected \(time, 14\)"),
    "no numbers": (("EEG", "stimuli", (1, 0)), "noise", r"stimuli of clip 2, EEG holds no numbers"),
    "rate": (
        ("ECG", "stimuli", (0, 0)),
        np.ones((256, 2)),
        r"clip 1 has 256 samples of EEG \(2 s\) and 256 of ECG \(1 s\); expected twice as many of ECG",
    ),
    "nan": (
        ("EEG", "stimuli", (2, 0)),
        with_nan(4),
        r"clip 3, EEG: channel T7 is all NaN\. Restore it, or leave the subject out\.",
    ),
    "nan lead": (("ECG", "stimuli", (2, 0)), with_nan(1, "ECG"), r"clip 3, ECG: channel ECG2 is all NaN"),
    "infinite": (
        ("EEG", "stimuli", (2, 0)),
        np.where(np.isnan(with_nan(0)), np.inf, 1.0),
        r"channel AF3 has infinite values",
    ),
    "too high": (
        ("ScoreValence",),
        np.array([[1.0], [2], [6], [3]]),
        r"rating 6\.0 in ScoreValence; expected whole",
    ),
    "too low": (
        ("ScoreArousal",),
        np.array([[0.0], [2], [5], [3]]),
        r"rating 0\.0 in ScoreArousal; .* from 1 to 5",
    ),
    "half": (
        ("ScoreArousal",),
        np.array([[1.5], [2], [5], [3]]),
        r"rating 1\.5 in ScoreArousal; expected whole",
    ),
    "unrated": (
        ("ScoreArousal",),
        np.array([[np.nan], [2], [5], [3]]),
        r"has the rating nan in ScoreArousal",
    ),
    "ratings": (("ScoreDominance",), np.ones((3, 1)), r"has 3 values in ScoreDominance; expected 4"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_person_is_left_out_with_a_reason_and_the_others_are_read(tmp_path: Path, name: str) -> None:
    keys, value, match = BROKEN[name]
    layout = by_hand()
    person = layout["Data"][0, 1]
    if value is None:
        for key in keys[:-1]:
            person = person[key]
        del person[keys[-1]]
    else:
        spoil(person, *keys, value=value)
    path = write(tmp_path / "DREAMER.mat", layout)
    trials, exclusions = read(path)
    assert [trial.subject for trial in trials] == ["1"] * N_CLIPS + ["3"] * N_CLIPS
    assert [(item.subject, item.expected) for item in exclusions] == [("2", False)]
    with pytest.raises(DataError, match=match) as caught:
        list(DREAMER.read(path))
    assert str(caught.value) == exclusions[0].reason
    assert exclusions[0].reason.startswith(f"Subject 2 in {path}")


def test_some_missing_samples_stay_missing(tmp_path: Path) -> None:
    layout = by_hand()
    layout["Data"][0, 0]["EEG"]["stimuli"][0, 0][5:9, 3] = np.nan
    trials, exclusions = read(write(tmp_path / "DREAMER.mat", layout))
    assert not exclusions
    missing = np.argwhere(np.isnan(trials[0].signal("eeg").data))
    assert_array_equal(missing, [[3, time] for time in range(5, 9)])


def test_numbers_too_large_to_be_added_are_read_as_they_are(tmp_path: Path) -> None:
    layout = by_hand(1, 1)
    layout["Data"][0, 0]["EEG"]["stimuli"][0, 0][:] = 1e308
    trials, exclusions = read(write(tmp_path / "DREAMER.mat", layout))
    assert not exclusions
    assert np.all(trials[0].signal("eeg").data == 1e308)


def test_an_ecg_that_ends_a_little_early_is_taken(tmp_path: Path) -> None:
    layout = by_hand()
    layout["Data"][0, 0]["ECG"]["stimuli"][0, 0] = np.ones((500, 2))
    trials, exclusions = read(write(tmp_path / "DREAMER.mat", layout))
    assert not exclusions
    assert trials[0].signal("ecg").n_times == 500


def test_an_unknown_subject_is_refused(simulated: Path) -> None:
    with pytest.raises(DataError, match=r"DREAMER at .* has no subject '23'; it has 1, 2\."):
        list(DREAMER.read(simulated, subjects=["23"]))
