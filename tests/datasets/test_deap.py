"""DEAP: the preprocessed release and the original recordings, by hand, simulated and broken."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.io import savemat
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.data_set import DataSet, Exclusion, raise_unless_expected
from physioaffect.datasets import DEAP, DEAP_ORIGINAL, World, check, get, unpickle
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.features import Bands, DifferentialEntropy, Recipe, extract
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Windowing

N_CLIPS, SECONDS = 4, 2
SCALES = ("valence", "arousal", "dominance", "liking")
GENEVA = [
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
]
TWENTE = [
    *("Fp1", "AF3", "F7", "F3", "FC1", "FC5", "T7", "C3", "CP1", "CP5", "P7", "P3", "Pz", "PO3", "O1", "Oz"),
    *("O2", "PO4", "P4", "P8", "CP6", "CP2", "C4", "T8", "FC6", "FC2", "F4", "F8", "AF4", "Fp2", "Fz", "Cz"),
]
AUX = [*(f"EXG{number}" for number in range(1, 9)), *["GSR1", "GSR2", "Erg1", "Erg2", "Resp", "Plet", "Temp"]]


# Streams as Python 2 wrote them


def array(numbers: NDArray[Any], order: bytes = b"<") -> bytes:
    sizes = b"".join(b"J" + int(size).to_bytes(4, "little") for size in numbers.shape)
    payload = np.ascontiguousarray(numbers).tobytes()
    code = numbers.dtype.str[1:].encode()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01("
        + sizes
        + b"tcnumpy\ndtype\n(U"
        + bytes([len(code)])
        + code
        + b"K\x00K\x01tR(K\x03U\x01"
        + order
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(payload).to_bytes(4, "little")
        + payload
        + b"tb"
    )


def write_dat(path: Path, data: NDArray[Any], labels: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x80\x02}(U\x06labels" + array(labels) + b"U\x04data" + array(data) + b"u.")
    return path


def samples(number: int, n_clips: int = N_CLIPS, seconds: int = SECONDS) -> NDArray[Any]:
    """Numbers that tell person, clip, channel and sample."""
    clip, channel, time = np.ogrid[:n_clips, :40, : 384 + 128 * seconds]
    numbers: NDArray[Any] = 1000.0 * number + 100 * clip + channel + time / 4096.0
    return numbers


def scores(number: int, n_clips: int = N_CLIPS) -> NDArray[Any]:
    return 1 + (np.arange(4 * n_clips).reshape(n_clips, 4) * 1.37 + number) % 8


def write_csv(path: Path, orders: dict[int, list[int]], header: list[str] | None = None) -> None:
    """Rows in the order in which clips were seen: ``orders`` tells the Experiment_ids by participant."""
    lines = [
        header
        or [
            "Participant_id",
            "Trial",
            "Experiment_id",
            "Start_time",
            "Valence",
            "Arousal",
            "Dominance",
            "Liking",
            "Familiarity",
        ]
    ]
    for number, clips in orders.items():
        rated = scores(number, max(clips))
        for trial, clip in enumerate(clips, start=1):
            familiarity = "" if number == 2 else "3"
            lines.append(
                [
                    str(number),
                    str(trial),
                    str(clip),
                    str(trial * 90_000_000),
                    *(f"{score:.2f}" for score in rated[clip - 1]),
                    familiarity,
                ]
            )
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    """Two people, four clips of 2 s, marked as cut short."""
    folder = tmp_path / "deap" / "data_preprocessed_python"
    for number in (1, 2):
        write_dat(folder / f"s{number:02d}.dat", samples(number), scores(number))
    (folder / "SIMULATED.txt").touch()
    return folder.parent


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return DEAP.simulate(  # type: ignore[misc]  # It can be simulated.
        tmp_path_factory.mktemp("deap"), World(), n_subjects=3, n_clips=40, max_seconds=2
    )


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """s01 of Twente; s24, s28 and s29 of Geneva, with every spelling of the status channel."""
    return DEAP_ORIGINAL.simulate(  # type: ignore[misc]
        tmp_path_factory.mktemp("original"), World(), n_subjects=6, n_clips=3, max_seconds=2
    )


def read(dataset: DataSet, root: Path) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(dataset.read(root, report=exclusions.append)), exclusions


def refuse(dataset: DataSet, root: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        list(dataset.read(root))


# The preprocessed release


def test_every_sample_and_rating_comes_back_in_its_place(by_hand: Path) -> None:
    trials, exclusions = read(DEAP, by_hand)
    assert not exclusions
    assert [(t.subject, t.trial, t.stimulus, t.order) for t in trials] == [
        (f"s{number:02d}", str(clip + 1), str(clip + 1), clip) for number in (1, 2) for clip in range(N_CLIPS)
    ]
    firsts = {"eeg": 0, "eog": 32, "emg": 34, "gsr": 36, "resp": 37, "ppg": 38, "skin_temperature": 39}
    for trial in trials:
        number, clip = int(trial.subject[1:]), int(trial.trial) - 1
        assert (trial.dataset, trial.session, trial.elapsed, trial.tags) == (
            "deap",
            "1",
            None,
            ("simulated",),
        )
        assert trial.ratings == pytest.approx(dict(zip(SCALES, scores(number)[clip], strict=True)))
        assert trial.baseline is not None
        assert set(trial.signals) == set(trial.baseline) == set(firsts) == set(DEAP.sfreqs)
        for name, first in firsts.items():
            signal, rest = trial.signal(name), trial.baseline[name]
            assert isinstance(rest, Signal)
            scale = 1e-6 if signal.unit == "V" else 1.0
            expected = scale * samples(number)[clip, first : first + signal.n_channels]
            assert_allclose(rest.data, expected[:, :384], rtol=1e-6)
            assert_allclose(signal.data, expected[:, 384:], rtol=1e-6)
            assert signal.data.dtype == np.float32
            assert (signal.sfreq, signal.duration, rest.duration) == (128, 2, 3)
            assert signal.ch_names == rest.ch_names == DEAP.ch_names[name]
        assert trial.signal("eeg").ch_names == tuple(GENEVA)
    units = {name: signal.unit for name, signal in trials[0].signals.items() if isinstance(signal, Signal)}
    assert [name for name, unit in units.items() if unit == "V"] == ["eeg", "eog", "emg"]
    assert {unit for name, unit in units.items() if name not in {"eeg", "eog", "emg"}} == {"au"}


def test_the_folder_and_the_folder_around_it_and_matlab_files_are_alike(
    by_hand: Path, tmp_path: Path
) -> None:
    folder = by_hand / "data_preprocessed_python"
    matlab = tmp_path / "matlab" / "data_preprocessed_matlab"
    matlab.mkdir(parents=True)
    for number in (1, 2):
        content = {"data": samples(number), "labels": scores(number)}
        savemat(matlab / f"s{number:02d}.mat", content, do_compression=number == 1)
    (matlab / "SIMULATED.txt").touch()
    expected, _ = read(DEAP, by_hand)
    for root in (folder, matlab, matlab.parent):
        for one, other in zip(read(DEAP, root)[0], expected, strict=True):
            assert one.ratings == other.ratings
            for name in DEAP.sfreqs:
                assert_array_equal(one.signal(name).data, other.signal(name).data)
    assert DEAP.fingerprint(folder) != DEAP.fingerprint(matlab)
    assert [path.name for path in DEAP.files(by_hand)] == ["s01.dat", "s02.dat"]


def test_ratings_are_joined_by_experiment_id_and_tell_the_order(by_hand: Path) -> None:
    orders = {1: [3, 1, 4, 2], 2: [2, 4, 1, 3]}
    write_csv(by_hand / "participant_ratings.csv", orders)
    trials, exclusions = read(DEAP, by_hand)
    assert not exclusions
    seen = {number: [int(t.stimulus) for t in trials if t.subject == f"s{number:02d}"] for number in orders}
    assert seen == orders
    for trial in trials:
        assert trial.elapsed == pytest.approx(90 * (trial.order + 1))
        number, clip = int(trial.subject[1:]), int(trial.trial) - 1
        assert_allclose(trial.signal("resp").data, samples(number)[clip, 37:38, 384:], rtol=1e-6)
    assert by_hand / "participant_ratings.csv" in DEAP.files(by_hand)
    metadata = by_hand / "metadata_csv"
    metadata.mkdir()
    (by_hand / "participant_ratings.csv").rename(metadata / "participant_ratings.csv")
    assert [t.stimulus for t in read(DEAP, by_hand)[0]] == [t.stimulus for t in trials]


def test_full_size_is_demanded_unless_the_files_say_that_they_are_simulated(by_hand: Path) -> None:
    (by_hand / "data_preprocessed_python" / "SIMULATED.txt").unlink()
    refuse(
        DEAP, by_hand, r"data of shape \(4, 40, 640\); expected \(40, 40, 8064\), \(clip, channel, sample\)\."
    )


def test_full_size_files_are_read_clip_by_clip(tmp_path: Path) -> None:
    path = write_dat(tmp_path / "s07.dat", samples(7, 40, 60).astype(np.float32), scores(7, 40))
    trials = list(DEAP.read(path.parent))
    assert len(trials) == DEAP.n_trials == 40
    assert {trial.duration for trial in trials} == {60.0}
    assert_allclose(trials[-1].signal("ppg").data, samples(7, 40, 60)[39, 38:39, 384:], rtol=1e-6)
    assert trials[0].tags == ()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (samples(1)[:, :32], "has 4 .*32.* channels instead|it has 32 channels instead of 32 EEG and 8"),
        (samples(1).swapaxes(1, 2), "its axes are swapped. Transpose them back"),
        (samples(1).transpose(2, 0, 1), "its axes are swapped"),
        (samples(1)[0], r"data of shape \(40, 640\); expected"),
        (samples(1)[..., :300], r"data of shape \(4, 40, 300\); expected \(4, 40, 8064\)"),
        (samples(1).astype(np.int32), "has int32 as data; expected an array of floats"),
    ],
)
def test_arrays_of_another_shape_are_refused(by_hand: Path, data: NDArray[Any], match: str) -> None:
    write_dat(by_hand / "data_preprocessed_python" / "s01.dat", data, scores(1))
    refuse(DEAP, by_hand, match)
    trials, exclusions = read(DEAP, by_hand)
    assert {trial.subject for trial in trials} == {"s02"}
    assert [(item.subject, item.expected) for item in exclusions] == [("s01", False)]


@pytest.mark.parametrize("value", [0.0, 9.5, np.nan, np.inf])
def test_ratings_outside_the_scale_are_refused(by_hand: Path, value: float) -> None:
    labels = scores(1)
    labels[2, 1] = value
    write_dat(by_hand / "data_preprocessed_python" / "s01.dat", samples(1), labels)
    refuse(
        DEAP, by_hand, rf"has the rating {value:g} of arousal for clip 3; expected 1 to 9\. Use the file as"
    )


def test_labels_of_another_shape_are_refused(by_hand: Path) -> None:
    write_dat(by_hand / "data_preprocessed_python" / "s01.dat", samples(1), scores(1)[:3])
    refuse(
        DEAP, by_hand, r"labels of shape \(3, 4\); expected \(4, 4\), a row per clip with valence, arousal"
    )


@pytest.mark.parametrize(("value", "what"), [(np.inf, "has infinite values"), (1e300, "has infinite values")])
def test_samples_that_are_no_numbers_are_refused(by_hand: Path, value: float, what: str) -> None:
    data = samples(1)
    data[1, 36, 500] = value
    path = write_dat(by_hand / "data_preprocessed_python" / "s01.dat", data, scores(1))
    refuse(DEAP, by_hand, f"s01.dat, clip 2: channel GSR {what}. Restore it from the original")
    data[1, 36, 500] = np.nan
    write_dat(path, data, scores(1))
    assert np.isnan(next(t for t in DEAP.read(by_hand) if t.trial == "2").signal("gsr").data).sum() == 1
    data[1, 36, :384] = np.nan
    write_dat(path, data, scores(1))
    refuse(DEAP, by_hand, "clip 2, before it: channel GSR is all NaN")


def test_signals_asked_for_are_those_of_reading_all(by_hand: Path) -> None:
    assert DEAP.select is not None
    subject, source = next(iter(DEAP.sources(by_hand).items()))
    for has_rest in (False, True):
        some = DEAP.select(source, {"eeg", "resp"}, has_rest)
        trials = [*DEAP.trials(subject, some, raise_unless_expected)]
        for trial, whole in zip(trials, DEAP.read(by_hand, subjects=[subject]), strict=True):
            assert (trial.trial, trial.order, trial.ratings) == (whole.trial, whole.order, whole.ratings)
            assert whole.baseline is not None
            parts = [(trial.signals, whole.signals)]
            if has_rest:
                assert trial.baseline is not None
                parts.append((trial.baseline, whole.baseline))
            else:
                assert trial.baseline is None
            for found, expected in parts:
                assert list(found) == ["eeg", "resp"]
                for name, signal in found.items():
                    other = expected[name]
                    assert isinstance(signal, Signal)
                    assert isinstance(other, Signal)
                    assert_array_equal(signal.data, other.data)
                    assert (signal.ch_names, signal.unit, signal.start) == (
                        other.ch_names, other.unit, other.start,
                    )  # fmt: skip


def test_features_of_the_eeg_do_not_mind_a_broken_belt(by_hand: Path) -> None:
    family = DifferentialEntropy(bands=Bands.of(alpha=(8, 13)))
    recipe = Recipe(windows=Windowing(duration=1), features=(family,))
    expected = extract(DEAP, by_hand, recipe).features
    data = samples(1)
    data[1, 37] = np.inf
    write_dat(by_hand / "data_preprocessed_python" / "s01.dat", data, scores(1))
    found, exclusions, _ = extract(DEAP, by_hand, recipe, strict=True)
    assert exclusions == ()
    assert_array_equal(found["de"], expected["de"])
    refuse(DEAP, by_hand, "clip 2: channel Resp has infinite values")


def test_a_pickle_that_would_act_is_refused_and_the_others_are_read(by_hand: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    (by_hand / "data_preprocessed_python" / "s01.dat").write_bytes(evil)
    refuse(
        DEAP, by_hand, r"s01\.dat is refused at byte 11: it names the global 'os\.system', which no data set"
    )
    trials, exclusions = read(DEAP, by_hand)
    assert (len(trials), len(exclusions)) == (N_CLIPS, 1)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("stream", "match"),
    [
        (b"]q\x00.", "holds no dict; expected a dict with data and labels"),
        (b"}U\x04dataNs.", "holds a dict with data; expected a dict with data and labels"),
        (b"}(U\x04dataNU\x06labelsNu.", "has NoneType as data; expected an array of floats"),
    ],
)
def test_another_pickle_is_told_by_what_it_holds(by_hand: Path, stream: bytes, match: str) -> None:
    (by_hand / "data_preprocessed_python" / "s01.dat").write_bytes(stream)
    refuse(DEAP, by_hand, match)


@pytest.mark.parametrize("tenth", range(10))
def test_files_cut_short_are_refused(by_hand: Path, tenth: int) -> None:
    path = by_hand / "data_preprocessed_python" / "s02.dat"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenth // 10])
    refuse(DEAP, by_hand, r"s02\.dat (is refused at byte|is empty)")


def test_a_subject_file_twice_is_refused(by_hand: Path) -> None:
    folder = by_hand / "data_preprocessed_python"
    shutil.copy(folder / "s01.dat", folder / "s01 (1).dat")
    refuse(DEAP, by_hand, r"s01 has 2 files in .*: s01 \(1\)\.dat, s01\.dat\. Keep one of them")
    (folder / "s01 (1).dat").rename(folder / "s03.dat")
    trials, exclusions = read(DEAP, by_hand)
    assert {trial.subject for trial in trials} == {"s02"}
    assert [item.subject for item in exclusions] == ["s01", "s03"]
    assert all("s01.dat and s03.dat in" in item.reason for item in exclusions)
    refuse(DEAP, by_hand, "are the same recording under two names. Download both again")


def test_wrong_folders_are_told_by_what_they_hold(tmp_path: Path) -> None:
    refuse(DEAP, tmp_path / "nowhere", r"There is no folder .*nowhere\. Pass the folder that holds data_pre")
    refuse(
        DEAP, tmp_path, r"has neither s01\.dat nor s01\.mat, nor .*it has nothing\. For the \.bdf files use"
    )
    refuse(
        DEAP_ORIGINAL, tmp_path / "nowhere", r"There is no folder .*nowhere\. Pass the folder that holds data"
    )
    for number in range(10):
        (tmp_path / f"x{number}").touch()
    refuse(DEAP, tmp_path, "it has x0, x1, .*, x7 and 2 more")
    refuse(DEAP_ORIGINAL, tmp_path, r"has neither s01\.bdf nor a folder data_original that has; it has x0")


# participant_ratings.csv


HEADER = b"Participant_id,Trial,Experiment_id,Start_time,Valence,Arousal,Dominance,Liking,Familiarity\n"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "has the column 'Participant_id' nowhere in its first line"),
        (HEADER, "has a header and no rows. Download it again"),
        (
            HEADER + b"1,1,1,0,5,5,5,5,3\n1,2,1,0,5,5,5,5,3\n",
            "line 3: participant 1 has Experiment_id 1 or Trial 2",
        ),
        (
            HEADER + b"1,1,1,0,5,5,5,5,3\n1,1,2,0,5,5,5,5,3\n",
            "line 3: participant 1 has Experiment_id 2 or Trial 1",
        ),
        (
            HEADER + b"1,1,41,0,5,5,5,5,3\n",
            "line 2, has '1, 1, 41, 0, 5, 5, 5, 5'; expected Participant_id, Trial",
        ),
        (HEADER + b"1,1,1,0,0.5,5,5,5,3\n", "and ratings from 1 to 9. Mend that line"),
        (HEADER + b"1,1,1,0,nan,5,5,5,3\n", "and ratings from 1 to 9"),
        (HEADER + b"1,1,1,-5,5,5,5,5,3\n", "microseconds"),
        (HEADER + b"1,1,1,0,5,5\n", "line 2, has 6 fields; expected 9 as in the header"),
        (HEADER + b"\xff,1,1,0,5,5,5,5,\n", "line 2, has 'ÿ, 1, 1, 0"),
    ],
)
def test_a_broken_ratings_file_is_told_by_its_line(by_hand: Path, content: bytes, match: str) -> None:
    (by_hand / "participant_ratings.csv").write_bytes(content)
    refuse(DEAP, by_hand, match)


def test_ratings_that_do_not_belong_to_the_recordings_are_refused(by_hand: Path) -> None:
    path = by_hand / "participant_ratings.csv"
    write_csv(path, {1: [1, 2, 3]})
    refuse(DEAP, by_hand, "has no row for participant 1 and Experiment_id 4, which .*s01.dat holds")
    write_csv(path, {1: [1, 2, 3, 4], 2: [1, 2, 3, 4]})
    path.write_text(path.read_text().replace("2,1,1,90000000,3.00", "2,1,1,90000000,7.00"))
    refuse(
        DEAP,
        by_hand,
        r"Participant 2 rated Experiment_id 1 7\.00, .*csv, but 3\.00, .*do not belong together",
    )
    other = by_hand / "metadata"
    other.mkdir()
    shutil.copy(path, other)
    refuse(DEAP, by_hand, r"has participant_ratings\.csv 2 times: .*Keep one of them")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.integers(0, 200), st.booleans())
def test_whatever_the_ratings_file_holds_is_read_or_refused(
    by_hand: Path, junk: bytes, place: int, is_inserted: bool
) -> None:
    path = by_hand / "participant_ratings.csv"
    write_csv(path, {1: [3, 1, 4, 2], 2: [2, 4, 1, 3]})
    content = path.read_bytes()
    path.write_bytes(content[:place] + junk + content[place:] if is_inserted else HEADER + junk)
    try:
        trials, _ = read(DEAP, by_hand)
    except DataError:
        return
    assert all(1 <= score <= 9 for trial in trials for score in trial.ratings.values())


# What is to be predicted


def rated(valence: float, arousal: float = 5.0) -> Trial:
    ratings = {"valence": valence, "arousal": arousal, "dominance": valence, "liking": valence}
    return Trial(dataset="deap", subject="s01", trial="1", stimulus="1", signals={}, ratings=ratings)


def test_thresholds_lie_where_the_tasks_say() -> None:
    assert list(DEAP.tasks)[:4] == list(SCALES)
    assert DEAP.tasks == DEAP_ORIGINAL.tasks
    for name in ("valence", "dominance", "liking"):
        found = [DEAP.tasks[name].target(rated(score)) for score in (1, 5, 5.01, 9)]
        assert found == ["low", "low", "high", "high"]
        assert "low up to 5, high above" in DEAP.tasks[name].description
        assert DEAP.tasks[f"{name}_score"].target(rated(6.25)) == 6.25
    quadrants = DEAP.tasks["quadrants"]
    corners = [(5, 5), (5.01, 5), (5, 5.01), (5.01, 5.01)]
    assert [quadrants.target(rated(*corner)) for corner in corners] == list(quadrants.classes)
    assert quadrants.classes == ("LALV", "LAHV", "HALV", "HAHV")
    thirds = [DEAP.tasks["valence_3class"].target(rated(score)) for score in (1, 3.49, 3.5, 6.49, 6.5, 9)]
    assert thirds == ["low", "low", "middle", "middle", "high", "high"]
    unrated = Trial(dataset="deap", subject="s01", trial="1", stimulus="1", signals={})
    assert {task.target(unrated) for task in DEAP.tasks.values()} == {None}
    assert (get("deap"), get("deap_original")) == (DEAP, DEAP_ORIGINAL)


# The simulators


def test_the_simulated_files_are_python_2_streams_that_anyone_reads(simulated: Path) -> None:
    path = simulated / "data_preprocessed_python" / "s01.dat"
    content = path.read_bytes()
    assert content[:2] == b"\x80\x02"
    assert content.count(b"cnumpy.core.multiarray\n_reconstruct\n") == 1
    assert b"_codecs" not in content
    found = unpickle.load(path)
    assert set(found) == {"data", "labels"}
    assert (found["data"].shape, found["labels"].shape) == ((40, 40, 384 + 256), (40, 4))
    assert {found["data"].dtype, found["labels"].dtype} == {np.dtype("<f8")}


def test_the_simulated_ratings_are_shuffled_and_lack_familiarity_where_the_originals_do(
    simulated: Path,
) -> None:
    with (simulated / "participant_ratings.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * 40
    for number in ("1", "2", "3"):
        own = [row for row in rows if row["Participant_id"] == number]
        assert [row["Trial"] for row in own] == [str(trial) for trial in range(1, 41)]
        clips = [int(row["Experiment_id"]) for row in own]
        assert sorted(clips) == list(range(1, 41)) != clips
        assert {row["Familiarity"] == "" for row in own} == {number == "2"}


def test_a_person_does_not_depend_on_how_many_others_there_are(simulated: Path, tmp_path: Path) -> None:
    assert DEAP.simulate is not None
    DEAP.simulate(tmp_path, World(), n_subjects=1, max_seconds=2)
    name = "data_preprocessed_python/s01.dat"
    assert (tmp_path / name).read_bytes() == (simulated / name).read_bytes()
    with pytest.raises(DataError, match=r"data_preprocessed_python exists and is not overwritten"):
        DEAP.simulate(tmp_path)


@pytest.mark.parametrize("dataset", [DEAP, DEAP_ORIGINAL], ids=lambda dataset: str(dataset.name))
def test_simulators_refuse_what_cannot_be(dataset: DataSet, tmp_path: Path) -> None:
    assert dataset.simulate is not None
    for wrong in ({"n_subjects": 0}, {"n_subjects": 33}, {"n_clips": 0}, {"n_clips": 41}):
        with pytest.raises(PhysioaffectError, match="DEAP needs 1 to 32 subjects and 1 to 40 clips, got"):
            dataset.simulate(tmp_path, **wrong)
    with pytest.raises(PhysioaffectError, match="max_seconds must be at least 1 s, got"):
        dataset.simulate(tmp_path, max_seconds=0.5)


@pytest.mark.parametrize("name", ["deap", "deap_original"])
def test_what_is_simulated_is_good_and_can_be_evaluated(
    name: str, simulated: Path, original: Path, tmp_path: Path
) -> None:
    root = {"deap": simulated, "deap_original": original}[name]
    result = check(get(name), root)
    assert result.is_good, result.deviations
    run = CliRunner().invoke(
        app,
        [
            *("evaluate", name, str(root), "--model", "lda", "--protocol", "loso", "--task", "arousal"),
            *("--window", "1", "--features", "de", "--jobs", "1", "--out", str(tmp_path / "out"), "--json"),
        ],
    )
    assert run.exit_code == 0, run.output
    assert '"simulated": true' in run.output
    assert (tmp_path / "out" / "report.html").is_file()


def test_it_can_be_simulated_from_the_command_line(tmp_path: Path) -> None:
    options = ["--subjects", "1", "--clips", "1", "--seconds", "1"]
    for name, file in (
        ("deap", "data_preprocessed_python/s01.dat"),
        ("deap_original", "data_original/s01.bdf"),
    ):
        run = CliRunner().invoke(app, ["simulate", name, str(tmp_path / name), *options])
        assert run.exit_code == 0, run.output
        assert (tmp_path / name / file).is_file()


# The original recordings


class Bdf:
    """A BDF file with known numbers, written byte by byte."""

    def __init__(self, order: list[str], *, gsr: str, status: str = "Status", high_bits: int = 0) -> None:
        self.labels = [*order, *AUX, status]
        self.units = ["uV"] * 40 + [gsr, "uV", "uV", "uV", "uV", "uV", "degC", "Boolean"]
        self.high_bits, self.rate = high_bits, 512

    def write(self, path: Path, codes: NDArray[Any]) -> Path:
        n_signals, n_records = len(self.labels), len(codes) // self.rate
        counts = np.empty((n_records, n_signals, self.rate), dtype="<i4")
        ramp = np.arange(len(codes)).reshape(n_records, self.rate)
        for place, label in enumerate(self.labels[:-1]):
            counts[:, place] = value_of(label) - ramp
        counts[:, -1] = (codes | self.high_bits).reshape(n_records, self.rate)
        fields: list[tuple[list[str], int]] = [
            (self.labels, 16),
            ([""] * n_signals, 80),
            (self.units, 8),
            *(([text] * n_signals, 8) for text in ("-8388608", "8388607", "-8388608", "8388607")),
            ([""] * n_signals, 80),
            ([str(self.rate)] * n_signals, 8),
            ([""] * n_signals, 32),
        ]
        head = b"\xffBIOSEMI" + b" " * 160 + b"01.01.0900.00.00" + f"{256 * (n_signals + 1):<8}".encode()
        head += b"24BIT".ljust(44) + f"{n_records:<8}{1:<8}{n_signals:<4}".encode()
        head += b"".join(text.ljust(width).encode() for texts, width in fields for text in texts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + counts.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
        return path


def value_of(label: str) -> int:
    """A number for each channel; that of GSR1 stays above zero."""
    return 2_000_000 if label == "GSR1" else 10_000 * [*GENEVA, *AUX].index(label) - 200_000


def session(n_clips: int = 2, *, n_pulse: int | None = None) -> tuple[NDArray[np.int64], list[int]]:
    """Codes of a session, and the onsets of its clips."""
    parts, onsets, at = [np.ones(1024)], [], 1024
    for _ in range(n_clips):
        clip = np.full(60 * 512, 4)
        if n_pulse is not None:
            clip[n_pulse:] = 0
        parts += [np.full(5 * 512, 3), clip, np.full(3 * 512, 5), np.full(512, 1)]
        onsets.append(at + 5 * 512)
        at += 69 * 512
    return np.concatenate(parts).astype(np.int64), onsets


ORDERS = {1: [2, 1], 24: [1, 2], 28: [2, 1], 29: [1, 2]}
VARIANTS = {
    1: Bdf(TWENTE, gsr="nS"),
    24: Bdf(GENEVA, gsr="Ohm", status="", high_bits=0x18FF00),
    28: Bdf(GENEVA, gsr="Ohm", status="", high_bits=0x58FF00),
    29: Bdf(GENEVA, gsr="Ohm", status="-1", high_bits=0x18FF00),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded")
    for number, variant in VARIANTS.items():
        variant.write(root / "data_original" / f"s{number:02d}.bdf", session()[0])
    write_csv(root / "participant_ratings.csv", ORDERS)
    return root


def test_both_sites_and_every_status_channel_give_the_same_trials(recorded: Path) -> None:
    trials, exclusions = read(DEAP_ORIGINAL, recorded)
    assert not exclusions
    onsets = session()[1]
    assert [t.subject for t in trials] == [f"s{number:02d}" for number in ORDERS for _ in range(2)]
    for trial in trials:
        number, onset = int(trial.subject[1:]), onsets[trial.order]
        clip = ORDERS[number][trial.order]
        assert (trial.trial, trial.stimulus, trial.elapsed) == (str(clip), str(clip), onset / 512)
        assert trial.ratings == pytest.approx(
            dict(zip(SCALES, scores(number, 2)[clip - 1].round(2), strict=True))
        )
        assert trial.baseline is not None
        assert not trial.tags
        for signals, first, n_times in ((trial.signals, onset, 30_720), (trial.baseline, onset - 1536, 1536)):
            ramp = np.arange(first, first + n_times)
            eeg, eda = signals["eeg"], signals["eda"]
            assert isinstance(eeg, Signal)
            assert isinstance(eda, Signal)
            assert eeg.ch_names == tuple(GENEVA)
            expected = np.array([[value_of(name)] for name in GENEVA]) - ramp
            assert_allclose(eeg.data, 1e-6 * expected, rtol=0, atol=1e-12)
            for name in ("eog", "emg"):  # EXG1 - EXG2 and so on: the ramp falls out.
                assert_allclose(signals[name].data, -0.01, atol=1e-9)  # type: ignore[union-attr]
            gsr = value_of("GSR1") - ramp
            assert_allclose(eda.data[0], gsr * 1e-3 if number == 1 else 1e6 / gsr, rtol=1e-9)
            assert (eda.unit, eda.ch_names) == ("uS", ("EDA",))
            assert not eda.flags.any()
        assert trial.signal("skin_temperature").unit == "degC"
        assert {trial.signal(name).unit for name in ("resp", "ppg")} == {"au"}


def test_pulses_mark_onsets_as_levels_do(recorded: Path, tmp_path: Path) -> None:
    VARIANTS[24].write(tmp_path / "s24.bdf", session(n_pulse=20)[0])
    write_csv(tmp_path / "participant_ratings.csv", ORDERS)
    expected = [t for t in read(DEAP_ORIGINAL, recorded)[0] if t.subject == "s24"]
    for one, other in zip(read(DEAP_ORIGINAL, tmp_path)[0], expected, strict=True):
        assert_array_equal(one.signal("eeg").data, other.signal("eeg").data)


def test_the_header_decides_the_unit_of_gsr_and_the_site_where_it_is_silent(tmp_path: Path) -> None:
    write_csv(tmp_path / "participant_ratings.csv", ORDERS)
    found = {}
    for number, unit in ((1, "uV"), (24, "uV"), (28, "nS")):
        Bdf(GENEVA, gsr=unit).write(tmp_path / f"s{number:02d}.bdf", session()[0])
    for trial in DEAP_ORIGINAL.read(tmp_path):
        found[trial.subject] = trial.signal("eda").data[0, 0]
    gsr = value_of("GSR1") - session()[1][1]
    assert_allclose(list(found.values()), [gsr * 1e-3, 1e6 / gsr, gsr * 1e-3])


def test_a_resistance_that_no_skin_has_is_flagged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "value_of", lambda label: 5000 if label == "GSR1" else 0)
    VARIANTS[24].write(tmp_path / "s24.bdf", session()[0])
    write_csv(tmp_path / "participant_ratings.csv", ORDERS)
    first = next(DEAP_ORIGINAL.read(tmp_path)).signal("eda")
    n_good = 5000 - session()[1][0]
    assert (first.flags[:n_good] == 0).all()
    assert (first.flags[n_good:] == Flag.OUT_OF_RANGE).all()
    assert np.isnan(first.data[0, n_good:]).all()


def broken(tmp_path: Path, bdf: Bdf, codes: NDArray[Any] | None = None) -> Path:
    write_csv(tmp_path / "participant_ratings.csv", {1: [2, 1]})
    return bdf.write(tmp_path / "s01.bdf", session()[0] if codes is None else codes)


def test_missing_electrodes_and_other_rates_are_refused(tmp_path: Path) -> None:
    few = Bdf(TWENTE, gsr="nS")
    few.labels, few.units = few.labels[:30] + few.labels[32:], few.units[:30] + few.units[32:]
    broken(tmp_path, few)
    refuse(
        DEAP_ORIGINAL, tmp_path, r"s01\.bdf has 46 channels and lacks Fz, Cz; expected 48: 32 electrodes by"
    )
    slow = Bdf(TWENTE, gsr="nS")
    slow.rate = 256
    broken(tmp_path, slow)
    refuse(DEAP_ORIGINAL, tmp_path, r"s01\.bdf has channels at 256 Hz; expected all at 512")
    odd = Bdf(TWENTE, gsr="nS")
    odd.units[3] = "kV"
    broken(tmp_path, odd)
    refuse(DEAP_ORIGINAL, tmp_path, r"s01\.bdf has F3 in 'kV'; expected uV")


def test_onsets_must_be_as_many_as_ratings(tmp_path: Path) -> None:
    broken(tmp_path, VARIANTS[1], session(n_clips=3)[0])
    refuse(
        DEAP_ORIGINAL,
        tmp_path,
        r"marks 3 onsets of clips \(status 4\), but .*csv has 2 trials of participant 1;",
    )
    write_csv(tmp_path / "participant_ratings.csv", {2: [1, 2]})
    refuse(DEAP_ORIGINAL, tmp_path, r"csv has no rows for participant 1, of whom .*s01\.bdf is")
    (tmp_path / "participant_ratings.csv").unlink()
    refuse(
        DEAP_ORIGINAL, tmp_path, r"has the recordings but no participant_ratings\.csv, without which nobody"
    )


def test_a_clip_that_the_recording_does_not_hold_whole_is_reported(tmp_path: Path) -> None:
    codes, onsets = session()
    broken(tmp_path, VARIANTS[1], codes[: onsets[1] + 30 * 512])
    trials, exclusions = read(DEAP_ORIGINAL, tmp_path)
    assert [trial.trial for trial in trials] == ["2"]
    assert [(item.trial, item.expected) for item in exclusions] == [("1", False)]
    assert "trial 2 (Experiment_id 1): the recording does not hold it whole" in exclusions[0].reason


@pytest.mark.parametrize("tenth", range(10))
def test_recordings_cut_short_are_refused(recorded: Path, tmp_path: Path, tenth: int) -> None:
    content = (recorded / "data_original" / "s01.bdf").read_bytes()
    (tmp_path / "s01.bdf").write_bytes(content[: len(content) * tenth // 10])
    write_csv(tmp_path / "participant_ratings.csv", ORDERS)
    refuse(DEAP_ORIGINAL, tmp_path, r"s01\.bdf \(?.*bytes")


@pytest.fixture(scope="module")
def short_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("short")
    VARIANTS[24].write(root / "s24.bdf", np.repeat([3, 4, 5, 3, 4, 5], 4 * 512))
    write_csv(root / "participant_ratings.csv", {24: [2, 1]})
    (root / "SIMULATED.txt").touch()
    assert len(list(DEAP_ORIGINAL.read(root))) == 2
    return root


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 256 * 49 - 1),
    st.binary(min_size=1, max_size=8) | st.sampled_from([b"9e307", b"-1", b"nan"]),
)
def test_whatever_a_header_holds_is_read_or_refused(short_recording: Path, place: int, junk: bytes) -> None:
    path = short_recording / "s24.bdf"
    content = path.read_bytes()
    path.write_bytes(content[:place] + junk + content[place + len(junk) :])
    try:
        trials = list(DEAP_ORIGINAL.read(short_recording, report=lambda _: None))
    except DataError:
        return
    finally:
        path.write_bytes(content)
    assert all(np.isfinite(trial.signal("eeg").data).any(axis=1).all() for trial in trials)


def test_a_recording_twice_is_refused(recorded: Path, tmp_path: Path) -> None:
    for name in ("s01.bdf", "s1.bdf"):
        (tmp_path / name).symlink_to(recorded / "data_original" / "s01.bdf")
    write_csv(tmp_path / "participant_ratings.csv", ORDERS)
    refuse(DEAP_ORIGINAL, tmp_path, r"s01 has 2 files in .*: s01\.bdf, s1\.bdf\. Keep one of them")


def test_simulated_recordings_have_the_peculiarities_of_the_originals(original: Path) -> None:
    heads = {path.stem: path.read_bytes()[: 256 * 49] for path in (original / "data_original").glob("*.bdf")}
    assert sorted(heads) == ["s01", "s02", "s03", "s24", "s28", "s29"]
    labels = {
        name: [head[256 + 16 * place :][:16].decode().strip() for place in range(48)]
        for name, head in heads.items()
    }
    assert labels["s01"] == [*TWENTE, *AUX, "Status"]
    assert labels["s24"] == labels["s28"] == [*GENEVA, *AUX, ""]
    assert labels["s29"][-1] == "-1"
    eda = [trial.signal("eda").data for trial in DEAP_ORIGINAL.read(original)]
    assert len(eda) == 6 * 3
    assert all(0.5 < signal.mean() < 50 for signal in eda)


def test_both_releases_are_of_the_same_people(simulated: Path, original: Path) -> None:
    ratings = {(t.subject, t.stimulus): t.ratings for t in read(DEAP, simulated)[0]}
    for trial in read(DEAP_ORIGINAL, original)[0]:
        if trial.subject in {"s01", "s02", "s03"}:
            assert trial.ratings == pytest.approx(ratings[trial.subject, trial.stimulus])


def test_the_simulator_writes_the_same_people_in_both_layouts(tmp_path: Path) -> None:
    simulate = DEAP.simulate
    assert simulate is not None
    small = {"n_subjects": 1, "n_clips": 3, "max_seconds": 4.0}
    for layout in ("python", "matlab"):
        simulate(tmp_path / layout, layout=layout, **small)
    assert (tmp_path / "matlab" / "data_preprocessed_matlab" / "s01.mat").is_file()
    one, other = (read(DEAP, tmp_path / layout)[0] for layout in ("python", "matlab"))
    for ours, theirs in zip(one, other, strict=True):
        assert ours.ratings == theirs.ratings
        for name in DEAP.sfreqs:
            assert_array_equal(ours.signal(name).data, theirs.signal(name).data)
    with pytest.raises(PhysioaffectError, match="layouts 'python' and 'matlab', got 'hdf5'"):
        simulate(tmp_path / "other", layout="hdf5", **small)
