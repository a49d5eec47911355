"""SEED-IV: files laid out by hand, simulated ones, the parser of ReadMe.txt, and broken ones."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy.io import savemat, whosmat
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.data_set import Exclusion
from physioaffect.datasets import SEED_IV
from physioaffect.errors import DataError
from physioaffect.recording import Trial

LABELS = [
    [1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3],
    [2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1],
    [1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0],
]
NAMES = ("neutral", "sad", "fear", "happy")
DATES = {1: ("20160518", "20161125", "20161126"), 10: ("20151014", "20151021", "20151023")}
README = "\n".join(
    ["The labels:", *(f"session{n}_label = {LABELS[n - 1]};" for n in (1, 2, 3)), "0 is neutral."]
)


def samples(subject: int, session: int, trial: int) -> NDArray[np.float64]:
    return 10_000.0 * subject + 1000 * session + 10 * trial + np.arange(62)[:, None] / 64 + np.zeros(9)


def write_session(path: Path, subject: int, session: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(subject + session).permutation(np.arange(1, 25)).tolist()
    savemat(path, {f"q{subject}_eeg{trial}": samples(subject, session, trial) for trial in order})


def by_hand(root: Path, people: tuple[int, ...] = (1, 10)) -> Path:
    folder = root / "eeg_raw_data"
    for subject in people:
        for session, date in enumerate(DATES[subject], start=1):
            write_session(folder / str(session) / f"{subject}_{date}.mat", subject, session)
    (root / "ReadMe.txt").write_text(README)
    return folder


@pytest.fixture(scope="session")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seed_iv")
    by_hand(root)
    return root


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated_seed_iv")
    # Four clips of the first two sessions have all four emotions.
    SEED_IV.simulate(root, n_subjects=3, n_clips=4, max_seconds=4)  # type: ignore[misc]  # It can be.
    return root


def read(root: Path, **options: Any) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(SEED_IV.read(root, report=exclusions.append, **options)), exclusions


def refuse(root: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        list(SEED_IV.read(root))


@pytest.mark.parametrize("part", [".", "eeg_raw_data"])
def test_every_trial_comes_back_in_its_place(everybody: Path, part: str) -> None:
    trials, exclusions = read(everybody / part)
    assert not exclusions
    ids = [(trial.subject, trial.session, trial.trial) for trial in trials]
    assert ids == [(s, n, str(k)) for s in ("1", "10") for n in "123" for k in range(1, 25)]
    for trial in trials:
        assert_array_equal(
            trial.signal("eeg").data, samples(int(trial.subject), int(trial.session), int(trial.trial))
        )
        # Each session has clips of its own.
        assert trial.stimulus == f"{trial.session}-{trial.trial}"
        assert SEED_IV.tasks["emotion"].target(trial) == NAMES[LABELS[int(trial.session) - 1][trial.order]]
    assert len({trial.stimulus for trial in trials}) == 72 == SEED_IV.n_trials
    assert SEED_IV.fingerprint(everybody / part).startswith("blake3:")


def test_the_labels_may_lie_in_the_folder_or_beside_it_and_be_spaced_in_any_way(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    text = README.replace(", ", " ").replace(" = ", "=").replace("\n", "\r\n")
    (tmp_path / "ReadMe.txt").unlink()
    (folder / "readme.txt").write_text(text)
    assert len(read(folder)[0]) == 72
    assert folder / "readme.txt" in SEED_IV.files(folder)


def test_the_simulated_layout_is_the_originals(simulated: Path) -> None:
    assert "session2_label = [2,1,3,0];" in (simulated / "ReadMe.txt").read_text()
    for session in "123":
        names = sorted(path.name for path in (simulated / "eeg_raw_data" / session).iterdir())
        assert names[0] == f"1_{DATES[1][int(session) - 1]}.mat"
        assert len(names) == 3
    path = simulated / "eeg_feature_smooth" / "1" / f"1_{DATES[1][0]}.mat"
    assert {name: shape for name, shape, _ in whosmat(path)} == {
        f"{family}_{smoothing}{trial}": (62, 1, 5)
        for family in ("de", "psd")
        for smoothing in ("movingAve", "LDS")
        for trial in range(1, 5)
    }
    trials, exclusions = read(simulated)
    assert not exclusions
    assert len(trials) == 36
    assert {trial.tags for trial in trials} == {("simulated",)}
    assert {trial.signal("eeg").n_times for trial in trials} == {800}


def test_it_goes_all_the_way_from_the_command_line(simulated: Path, tmp_path: Path) -> None:
    arguments = [
        "evaluate",
        "seed_iv",
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
    assert "3 people, 36 trials, 36 windows" in " ".join(result.output.split())


# What is wrong


def test_a_missing_readme_is_told_with_what_it_must_say(tmp_path: Path) -> None:
    by_hand(tmp_path, people=(1,))
    (tmp_path / "ReadMe.txt").unlink()
    refuse(tmp_path, r"has ReadMe\.txt, .* write one yourself: session1_label = \[1,2,3,0,.*session3_label")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (
            "session2_label",
            "Session 2",
            r"has no line session2_label = \[1,2,\.\.\.\]; expected one for each",
        ),
        ("session2_label", "session1_label", "has a line session1_label twice, or one that holds other"),
        ("[2, 1, 3", "[2, happy, 3", r"holds other things than digits \('2, happy, 3"),
        ("[2, 1, 3", "[2, 2, 3", r"says that session2_label is 2, 2, 3.*; everyone else's says 2, 1, 3"),
        ("[2, 1, 3", "[2, 1, 3, 3", "says that session2_label is 2, 1, 3, 3"),
    ],
)
def test_a_readme_that_says_something_else_is_refused(tmp_path: Path, old: str, new: str, match: str) -> None:
    by_hand(tmp_path, people=(1,))
    (tmp_path / "ReadMe.txt").write_text(README.replace(old, new))
    refuse(tmp_path, match)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.binary(max_size=400) | st.text().map(str.encode) | st.just(README.encode()),
    at=st.integers(0, 400),
)
def test_any_readme_is_understood_or_refused_in_a_sentence(tmp_path: Path, text: bytes, at: int) -> None:
    (tmp_path / "eeg_raw_data" / "1").mkdir(parents=True, exist_ok=True)
    path = tmp_path / "eeg_raw_data" / "1" / "1_20160518.mat"
    if not path.exists():
        write_session(path, 1, 1)
    (tmp_path / "ReadMe.txt").write_bytes(README.encode()[:at] + text + README.encode()[at:])
    reason = ""
    try:
        SEED_IV.open(tmp_path)
    except DataError as error:
        reason = str(error)
    assert not reason or "ReadMe.txt" in reason


def test_a_file_in_another_sessions_folder_is_refused(tmp_path: Path) -> None:
    folder = by_hand(tmp_path)
    (folder / "1" / f"1_{DATES[1][0]}.mat").unlink()
    shutil.move(folder / "2" / f"1_{DATES[1][1]}.mat", folder / "1" / f"1_{DATES[1][1]}.mat")
    refuse(tmp_path, r"has 1_20161125\.mat in folder 1, but that day was session 2, with other clips")
    assert {trial.subject for trial in read(tmp_path)[0]} == {"10"}


def test_sessions_out_of_the_order_of_dates_are_refused(tmp_path: Path) -> None:
    folder = by_hand(tmp_path, people=(1,))
    for session, date in ((1, 20200102), (2, 20200101), (3, 20200103)):
        write_session(folder / str(session) / f"77_{date}.mat", 77, session)
    trials, exclusions = read(tmp_path)
    assert len(trials) == 72
    with pytest.raises(DataError, match="has sessions on 20200102, 20200101, 20200103; expected each later"):
        raise DataError(exclusions[0].reason)


def test_a_session_twice_and_one_that_is_missing_are_told(tmp_path: Path) -> None:
    folder = by_hand(tmp_path)
    shutil.copy(folder / "1" / f"1_{DATES[1][0]}.mat", folder / "1" / "1_20160519.mat")
    (folder / "3" / f"10_{DATES[10][2]}.mat").unlink()
    trials, exclusions = read(tmp_path)
    assert len(trials) == 48
    first, second = (item.reason for item in exclusions)
    with pytest.raises(DataError, match=r"has two files of one session: 1.1_20160518\.mat, 1.1_20160519"):
        raise DataError(first)
    with pytest.raises(DataError, match="Subject 10 of SEED-IV lacks session 3; the others are read"):
        raise DataError(second)


def test_folders_without_recordings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "eeg_raw_data" / "1").mkdir(parents=True)
    refuse(tmp_path, "holds no recording of SEED-IV: expected folders 1, 2 and 3 with 1_20160518.mat")
    refuse(tmp_path / "eeg_raw_data" / "1", "is not SEED-IV: it holds nothing, and no folder eeg_raw_data")


def test_files_of_two_people_swapped_under_their_published_names_are_doubted(tmp_path: Path) -> None:
    folder = by_hand(tmp_path)
    for subject, dates in DATES.items():
        for session, date in enumerate(dates, start=1):
            owner = {1: 10, 10: 1}[subject] if session == 2 else subject
            variables = {f"p{owner}_eeg{trial}": samples(subject, session, trial) for trial in range(1, 25)}
            savemat(folder / str(session) / f"{subject}_{date}.mat", variables)
    trials, exclusions = read(tmp_path)
    assert len(trials) == 2 * 3 * 24
    assert [(item.subject, item.expected) for item in exclusions] == [("1", True), ("10", True)]
    assert (
        "1_20161125.mat names its trials p10_eeg1 and so on, as a file of subject 10" in exclusions[0].reason
    )
