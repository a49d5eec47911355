"""SEED: files laid out by hand, simulated ones, unprocessed recordings, and broken ones."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.io import loadmat, savemat, whosmat
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.data_set import Exclusion
from physioaffect.datasets import SEED, SEED_IV, SEED_RAW, SEED_V, World, check
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Trial

LABELS = [1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1]
SECONDS = [235, 233, 206, 238, 185, 195, 237, 216, 265, 237, 235, 233, 235, 238, 206]
EMOTIONS = {-1: "negative", 0: "neutral", 1: "positive"}
DATES = {
    1: (20131027, 20131030, 20131107),
    2: (20140404, 20140413, 20140419),
    10: (20131130, 20131204, 20131211),
}
# Nothing in a file's name tells its prefix.
PREFIXES = {1: "ab", 2: "b_c", 10: "zed"}
N_TIMES = 201  # 200 T + 1.


def samples(subject: int, session: int, trial: int, n_times: int = N_TIMES) -> NDArray[np.float64]:
    """Numbers that tell where they belong, (channel, time)."""
    begin = 10_000 * subject + 1000 * session + 10 * trial
    return begin + np.arange(62)[:, np.newaxis] / 64 + np.arange(n_times) / 2**20


def session_variables(subject: int, session: int, n_times: int = N_TIMES) -> dict[str, NDArray[np.float64]]:
    order = np.random.default_rng(session).permutation(np.arange(1, 16)).tolist()
    return {
        f"{PREFIXES.get(subject, 'x')}_eeg{trial}": samples(subject, session, trial, n_times)
        for trial in order
    }


def write(path: Path, variables: dict[str, Any], *, compressed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=compressed)
    return path


def by_hand(root: Path, people: tuple[int, ...] = (1, 2, 10)) -> Path:
    folder = root / "SEED_EEG" / "Preprocessed_EEG"
    write(folder / "label.mat", {"label": np.array([LABELS], dtype=np.int16)})
    for subject in people:
        for session, date in enumerate(DATES[subject], start=1):
            write(folder / f"{subject}_{date}.mat", session_variables(subject, session))
    return folder


@pytest.fixture(scope="session")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seed")
    by_hand(root)
    return root


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated_seed")
    SEED.simulate(root, n_subjects=3, n_clips=3, max_seconds=4)  # type: ignore[misc]  # It can be simulated.
    return root


def read(root: Path, **options: Any) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(SEED.read(root, report=exclusions.append, **options)), exclusions


def refuse(root: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        list(SEED.read(root))


# What is in the files


def test_every_sample_comes_back_in_its_place_whatever_the_order_and_prefix(everybody: Path) -> None:
    trials, exclusions = read(everybody)
    assert not exclusions
    ids = [(trial.subject, trial.session, trial.trial) for trial in trials]
    expected = itertools.product(("1", "2", "10"), ("1", "2", "3"), map(str, range(1, 16)))
    assert ids == list(expected)  # 10 comes after 2, and trial 10 after trial 9.
    for trial in trials:
        eeg = trial.signal("eeg")
        assert_array_equal(eeg.data, samples(int(trial.subject), int(trial.session), int(trial.trial)))
        assert (eeg.sfreq, eeg.unit, eeg.n_times, trial.baseline) == (200.0, "au", 200 * 1 + 1, None)
        assert (trial.dataset, trial.order, trial.tags) == ("seed", int(trial.trial) - 1, ())
        assert trial.condition == EMOTIONS[LABELS[trial.order]]
        # The same 15 clips in all sessions.
        assert trial.stimulus == trial.trial


def test_the_task_has_five_trials_of_each_emotion_and_seconds_as_published(everybody: Path) -> None:
    trials, _ = read(everybody, subjects=["10"])
    targets = [SEED.tasks["emotion"].target(trial) for trial in trials]
    assert targets[:15] == targets[15:30] == [EMOTIONS[label] for label in LABELS]
    assert {name: targets.count(name) for name in SEED.tasks["emotion"].classes} == {
        "negative": 15,
        "neutral": 15,
        "positive": 15,
    }


def test_the_electrodes_are_those_of_mne_but_for_two(everybody: Path) -> None:
    import mne

    montage = mne.channels.make_standard_montage(SEED.montage or "")
    assert [name for name in SEED.ch_names["eeg"] if name not in montage.ch_names] == ["CB1", "CB2"]
    assert SEED.ch_names["eeg"][:3] == ("Fp1", "Fpz", "Fp2")
    assert SEED.ch_names["eeg"] == SEED_IV.ch_names["eeg"] == SEED_V.ch_names["eeg"]
    assert len(SEED.ch_names["eeg"]) == 62


@pytest.mark.parametrize("part", [".", "SEED_EEG", "SEED_EEG/Preprocessed_EEG"])
def test_it_is_found_from_the_folders_above(everybody: Path, part: str) -> None:
    assert len(SEED.files(everybody / part)) == 10
    assert len(read(everybody / part, subjects=["2"])[0]) == 45
    assert SEED.fingerprint(everybody / part).startswith("blake3:")


def test_the_list_of_channels_may_lie_in_either_place(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    before, fingerprint = read(tmp_path)[0], SEED.fingerprint(tmp_path)
    for place in (tmp_path, folder.parent, folder):
        (place / "channel-order.xlsx").write_bytes(b"PK, not opened")
        (place / "time.txt").write_text("not opened", encoding="ascii")
    after, exclusions = read(tmp_path)
    assert not exclusions
    assert SEED.fingerprint(tmp_path) == fingerprint
    for one, other in zip(before, after, strict=True):
        assert_array_equal(one.signal("eeg").data, other.signal("eeg").data)


def test_sessions_are_numbered_by_date_even_where_one_is_missing(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    (folder / f"1_{DATES[1][0]}.mat").unlink()
    for date in (20300105, 20300101, 20291231):
        write(folder / f"33_{date}.mat", session_variables(33, date % 100 % 5))
    trials, exclusions = read(tmp_path)
    assert [trial.session for trial in trials if trial.subject == "1"] == ["2"] * 15 + ["3"] * 15
    # The number in the samples is the day's, modulo 5: 31 -> 1, 1 -> 1, 5 -> 0.
    found = [trial.signal("eeg").data[0, 0] // 1000 % 10 for trial in trials if trial.subject == "33"]
    assert found == [1] * 30 + [0] * 15
    assert [item.subject for item in exclusions] == ["1"]
    with pytest.raises(DataError, match="Subject 1 of SEED lacks session 1; the others are read"):
        list(SEED.read(tmp_path))


def test_one_trial_is_in_memory_at_a_time(everybody: Path) -> None:
    import weakref

    held = []
    for trial in SEED.read(everybody, subjects=["1"]):
        held.append(weakref.ref(trial.signal("eeg")))
        del trial
        assert sum(ref() is not None for ref in held) <= 1


@pytest.mark.parametrize("compressed", [True, False])
def test_whole_numbers_that_matlab_stores_in_fewer_bytes_are_read(tmp_path: Path, compressed: bool) -> None:
    folder = by_hand(tmp_path, people=(2,))
    variables = {name: data.astype(np.int16) for name, data in session_variables(2, 1).items()}
    write(folder / f"2_{DATES[2][0]}.mat", variables, compressed=compressed)
    write(folder / "label.mat", {"label": np.array(LABELS, dtype=float).reshape(15, 1)})
    trials, exclusions = read(tmp_path)
    assert not exclusions
    assert_array_equal(trials[0].signal("eeg").data, samples(2, 1, 1).astype(np.int16))


# What the simulator writes


def test_the_simulated_layout_is_the_originals(simulated: Path) -> None:
    folder = simulated / "SEED_EEG" / "Preprocessed_EEG"
    assert_array_equal(loadmat(folder / "label.mat")["label"], [LABELS[:3]])
    recordings = sorted(folder.glob("*_*.mat"))
    assert [path.name for path in recordings[:3]] == [f"1_{date}.mat" for date in DATES[1]]
    prefixes, orders = set(), set()
    for path in recordings:
        names = [name for name, _, _ in whosmat(path)]
        prefixes.add(names[0].partition("_eeg")[0])
        orders.add(tuple(name[-1] for name in names))
        for _, shape, kind in whosmat(path):
            assert (shape, kind) == ((62, 200 * 4 + 1), "double")
    assert len(prefixes) == 3
    assert len(orders) > 1
    features = folder.with_name("ExtractedFeatures_1s")
    assert len(whosmat(next(features.glob("1_*.mat")))) == 12 * 3


def test_whole_clips_last_as_long_as_is_known(tmp_path: Path) -> None:
    assert SEED.simulate is not None
    SEED.simulate(tmp_path, n_subjects=1, n_clips=1, has_features=False)
    trials, exclusions = read(tmp_path)
    assert not exclusions
    assert [trial.signal("eeg").n_times for trial in trials] == [200 * SECONDS[0] + 1] * 3 == [47_001] * 3


def test_simulated_trials_agree_with_scipy_and_say_so(simulated: Path) -> None:
    trials, exclusions = read(simulated)
    assert not exclusions
    assert len(trials) == 3 * 3 * 3
    for trial in trials[:9]:
        date = DATES[1][int(trial.session) - 1]
        content = loadmat(simulated / "SEED_EEG" / "Preprocessed_EEG" / f"1_{date}.mat")
        (name,) = [name for name in content if name.endswith(f"_eeg{trial.trial}")]
        assert_array_equal(trial.signal("eeg").data, content[name])
        assert trial.tags == ("simulated",)
        # Microvolts: electrodes' offsets of SD 82, steps of a 32nd.
        assert_allclose(trial.signal("eeg").data * 32, np.rint(trial.signal("eeg").data * 32))
        assert np.abs(trial.signal("eeg").data).max() < 1000


def test_the_same_world_gives_the_same_bytes_and_nothing_is_overwritten(tmp_path: Path) -> None:
    assert SEED.simulate is not None
    # Shorter than a frame of the features.
    options: dict[str, Any] = {"n_subjects": 1, "n_clips": 1, "max_seconds": 1}
    for name in ("one", "two"):
        SEED.simulate(tmp_path / name, World(seed=4), **options)
    SEED.simulate(tmp_path / "many", World(seed=4), **(options | {"n_subjects": 2}))
    prints = [SEED.fingerprint(tmp_path / name / "SEED_EEG") for name in ("one", "two")]
    assert prints[0] == prints[1]
    for one, other in zip(read(tmp_path / "one")[0], read(tmp_path / "many")[0], strict=False):
        assert_array_equal(one.signal("eeg").data, other.signal("eeg").data)
    with pytest.raises(DataError, match="Preprocessed_EEG exists and is not overwritten"):
        SEED.simulate(tmp_path / "one", **options)


@pytest.mark.parametrize(
    ("dataset", "options", "match"),
    [
        (SEED, {"n_clips": 16}, "SEED needs at least 1 subject and 1 to 15 clips a session, got 15 and 16"),
        (SEED_IV, {"n_clips": 0}, "SEED-IV needs at least 1 subject and 1 to 24 clips"),
        (SEED_V, {"n_subjects": 0}, "SEED-V needs at least 1 subject and 1 to 15 clips"),
        (SEED_RAW, {"max_seconds": 0.5}, r"max_seconds must be at least 1 s, got 0\.5"),
    ],
)
def test_impossible_sizes_are_refused(tmp_path: Path, dataset: Any, options: Any, match: str) -> None:
    with pytest.raises(PhysioaffectError, match=match):
        dataset.simulate(tmp_path, **options)


def test_the_emotions_of_clips_are_planted_in_alpha(tmp_path: Path) -> None:
    """Valence shifts right minus left frontal alpha by 0.3 nats a unit, and so power by 0.6 in logarithm."""
    assert SEED.simulate is not None
    world = World(subject=0, trial=0)
    SEED.simulate(tmp_path, world, n_subjects=1, n_clips=3, max_seconds=30, has_features=False)
    asymmetry: dict[str, list[float]] = {}
    names = SEED.ch_names["eeg"]
    for trial in read(tmp_path)[0]:
        power = np.square(np.abs(np.fft.rfft(trial.signal("eeg").data)))
        freqs = np.fft.rfftfreq(trial.signal("eeg").n_times, 1 / 200)
        alpha = np.log(power[:, (freqs >= 9) & (freqs < 12)].sum(axis=1))
        right, left = ([names.index(f"{row}{n}") for row in ("F", "FC") for n in ns] for ns in ("246", "135"))
        asymmetry.setdefault(trial.condition, []).append(float((alpha[right] - alpha[left]).mean()))
    means = {name: np.mean(values) for name, values in asymmetry.items()}
    assert_allclose(means["positive"] - means["negative"], 1.2, atol=0.25)
    assert_allclose(means["neutral"], 0.0, atol=0.2)


def test_it_goes_all_the_way_from_the_command_line(simulated: Path, tmp_path: Path) -> None:
    arguments = [
        "evaluate",
        "seed",
        str(simulated),
        "--model",
        "lda",
        "--permutations",
        "20",
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, [*arguments, "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert "3 people, 27 trials, 27 windows" in " ".join(result.output.split())
    # The order of the clips is everyone's, so a clock knows the answers; the table must show it.
    assert "clock is" in result.output


# What is wrong


def test_a_missing_or_wrong_folder_is_told(tmp_path: Path) -> None:
    refuse(
        tmp_path / "nowhere", r"nowhere does not exist\. Name the folder of SEED, or Preprocessed_EEG in it"
    )
    refuse(tmp_path, r"is not SEED: it holds nothing, and no folder Preprocessed_EEG lies in it\. Name")
    for number in range(10):
        (tmp_path / f"s{number:02}.dat").touch()
    refuse(tmp_path, r"it holds s00\.dat, .*, s07\.dat and 2 more, and no folder")
    refuse(tmp_path / "s00.dat", "is a file")
    for name in ("a", "b"):
        (tmp_path / name / "Preprocessed_EEG").mkdir(parents=True)
    refuse(tmp_path, "holds Preprocessed_EEG twice")
    refuse(tmp_path / "a", r"holds no recording of SEED: expected 1_20131027\.mat")


def test_missing_labels_are_not_made_up(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    (folder / "label.mat").unlink()
    refuse(tmp_path, r"lacks label\.mat, which says what each clip was chosen for\. Copy it there")


@pytest.mark.parametrize(
    ("label", "match"),
    [
        (np.array([LABELS]) + 1, r"says that label is 2, 1, 0, 0.*; everyone else's says 1, 0, -1, -1"),
        (np.array([[*LABELS, 1]]), "says that label is .*; everyone else's says"),
        (np.array([LABELS]) + 0.5, r"says that label is 1\.5, 0\.5"),
        (np.zeros((1, 0)), "says that label is empty"),
        ("1 0 -1", "has a variable label that holds no numbers"),
    ],
)
def test_labels_that_differ_from_everyone_elses_are_refused(tmp_path: Path, label: Any, match: str) -> None:
    folder = by_hand(tmp_path, people=(1,))
    write(folder / "label.mat", {"label": label})
    refuse(tmp_path, match)


def test_files_of_features_are_not_taken_for_recordings(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    write(folder / f"1_{DATES[1][1]}.mat", {f"de_LDS{trial}": np.ones((62, 2, 5)) for trial in range(1, 16)})
    refuse(
        tmp_path,
        r"holds the trials none, besides de_LDS1, .*; expected 1 to 15, as variables such as xyz_eeg1",
    )


BROKEN = {
    "channels": (
        np.ones((32, 201)),
        r"_eeg4 in .* has shape \(32, 201\); expected \(62, time\), the electrodes",
    ),
    "swapped": (np.ones((201, 62)), r"has shape \(201, 62\), time first; expected \(62, time\)\. Transpose"),
    "nothing": (np.ones((62, 0)), r"has shape \(62, 0\); expected \(62, time\)"),
    "text": ("noise" * 62, r"has shape \(1, 310\)"),
    "cell": (np.full((62, 3), None), "holds no numbers"),
    "nan": (np.where(np.arange(62)[:, None] == 3, np.nan, np.ones((62, 5))), "channel AF3 is all NaN"),
    "infinite": (
        np.where(np.arange(62)[:, None] == 61, np.inf, np.ones((62, 5))),
        "channel CB2 has infinite",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_person_is_left_out_with_a_reason_and_the_others_are_read(tmp_path: Path, name: str) -> None:
    value, match = BROKEN[name]
    if name == "cell":
        value = np.empty((62, 3), dtype=object)
        value[:] = 1.0
    folder = by_hand(tmp_path, people=(1, 2))
    write(folder / f"1_{DATES[1][0]}.mat", session_variables(1, 1) | {"ab_eeg4": value})
    trials, exclusions = read(tmp_path)
    assert [trial.subject for trial in trials if trial.subject == "2"] == ["2"] * 45
    assert [(item.subject, item.expected) for item in exclusions] == [("1", False)]
    with pytest.raises(DataError, match=match):
        raise DataError(exclusions[0].reason)


def test_a_session_that_lacks_a_trial_or_has_it_twice_is_refused(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    variables = session_variables(1, 1)
    write(folder / f"1_{DATES[1][0]}.mat", {k: v for k, v in variables.items() if not k.endswith("eeg10")})
    refuse(tmp_path, r"holds the trials 1, 2, .* 9, 11, .* 15; expected 1 to 15")
    write(folder / f"1_{DATES[1][0]}.mat", variables | {"other_eeg3": samples(1, 1, 3)})
    refuse(tmp_path, r"holds trial 3 twice, as ab_eeg3 and other_eeg3\. Use the file")


def test_files_twice_and_too_many_sessions_are_refused(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1, 2))
    copied = folder / f"01_{DATES[1][1]}.mat"
    write(copied, session_variables(1, 2))
    refuse(
        tmp_path,
        rf"Subject 1 in .* has two files of {DATES[1][1]}: 01_{DATES[1][1]}\.mat, 1_{DATES[1][1]}\.mat",
    )
    copied.rename(folder / "1_20200101.mat")
    refuse(tmp_path, r"has 4 sessions, 1_20131027\.mat, .*1_20200101\.mat; expected 3\. Remove")
    assert {trial.subject for trial in read(tmp_path)[0]} == {"2"}


@pytest.mark.parametrize("tenths", range(10))
@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_session_is_refused_before_anything_of_the_person_is_read(
    tmp_path: Path, tenths: int, compressed: bool
) -> None:
    folder = tmp_path / "Preprocessed_EEG"
    write(folder / "label.mat", {"label": np.array([LABELS])})
    for session, date in enumerate(DATES[1], start=1):
        path = write(folder / f"1_{date}.mat", session_variables(1, session, 9), compressed=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    trials, exclusions = read(tmp_path)
    assert not trials
    match = r"is empty|cannot be read: (it is cut short|it ends in the middle)|holds the trials .* expected"
    with pytest.raises(DataError, match=match):
        raise DataError(exclusions[0].reason)


def test_a_variable_twice_is_refused(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    path = folder / f"1_{DATES[1][0]}.mat"
    content = path.read_bytes()
    path.write_bytes(content + content[128:])
    refuse(tmp_path, "cannot be read: it holds ab_eeg.* twice")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_session_is_refused_in_a_sentence_or_read(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "Preprocessed_EEG"
    path = folder / "7_20200101.mat"
    if not path.exists():
        write(folder / "label.mat", {"label": np.array([LABELS])})
        write(tmp_path / "good.mat", session_variables(7, 1, 4))
    content = bytearray((tmp_path / "good.mat").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            array = content.find(b"\x0e\x00\x00\x00", place)
            place = min(max(array, 0) + data.draw(st.integers(0, 71)), len(content) - 1)
        damage = data.draw(st.sampled_from([b"", b"\xff\xff\xff\xff", b"\x00"]) | st.binary(max_size=8))
        content[place : place + data.draw(st.integers(0, 8))] = damage
    path.write_bytes(content)
    _, exclusions = read(tmp_path)
    assert all(str(path) in item.reason or "lacks session" in item.reason for item in exclusions)


def test_a_file_of_a_date_when_only_somebody_else_was_recorded_is_refused(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1, 2))
    (folder / f"2_{DATES[2][1]}.mat").rename(folder / f"1_{DATES[2][1]}.mat")
    (folder / f"1_{DATES[1][1]}.mat").unlink()
    refuse(tmp_path, rf"has 1_{DATES[2][1]}\.mat: on that date only somebody else was recorded")


def test_files_of_two_people_swapped_under_their_published_names_are_doubted(tmp_path: Path) -> None:
    folder = by_hand(tmp_path)
    one, other = folder / f"1_{DATES[1][1]}.mat", folder / f"10_{DATES[10][2]}.mat"
    assert not [note for note in check(SEED, tmp_path).notes if "swapped" in note]
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    result = check(SEED, tmp_path)
    assert result.deviations == ()  # A copy as distributed could look so.
    doubts = [note for note in result.notes if "swapped" in note]
    assert len(doubts) == 2
    assert (
        f"{one} names its trials zed_eeg1 and so on, as a file of subject 10 does; the other sessions of "
        "subject 1 have ab. The names are people's initials"
    ) in doubts[0]
    assert f"{other} names its trials ab_eeg1 and so on, as a file of subject 1 does" in doubts[1]
    trials, exclusions = read(tmp_path)
    assert len(trials) == 9 * 15
    assert [item.subject for item in exclusions if item.expected] == ["1", "10"]


@pytest.mark.parametrize("prefixes", [("ab", "ab", "q"), ("a", "b", "c")])
def test_initials_that_nobody_else_has_or_that_others_share_are_no_doubt(
    tmp_path: Path, prefixes: Any
) -> None:
    folder = by_hand(tmp_path, people=(2,))
    for session, (date, prefix) in enumerate(zip(DATES[1], prefixes, strict=True), start=1):
        write(
            folder / f"1_{date}.mat",
            {f"{prefix}_eeg{trial}": samples(1, session, trial) for trial in range(1, 16)},
        )
    assert not [note for note in check(SEED, tmp_path).notes if "swapped" in note]
    # Two people of the same initials all along.
    for session, date in enumerate(DATES[10], start=1):
        variables = {f"b_c_eeg{trial}": samples(10, session, trial) for trial in range(1, 16)}
        write(folder / f"10_{date}.mat", variables)
    assert not [note for note in check(SEED, tmp_path).notes if "swapped" in note]
