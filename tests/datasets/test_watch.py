"""A folder of a watch: what is read, what was planted, and what is said of broken files."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from physioaffect.data_set import Exclusion
from physioaffect.datasets import WATCH, World, check
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.features import Motion
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals

QUIET = World(subject=0.0, trial=0.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WATCH.simulate(tmp_path_factory.mktemp("watch") / "w", n_subjects=2, n_clips=4, max_seconds=20)  # type: ignore[misc]


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(made, tmp_path / "w"))


def read(root: Path) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(WATCH.read(root, report=exclusions.append)), exclusions


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_trials_are_what_the_files_hold(made: Path) -> None:
    trials, exclusions = read(made)
    assert exclusions == []
    assert len(trials) == 2 * 4
    assert [trial.order for trial in trials] == [1, 2, 3, 4] * 2
    assert {trial.stimulus for trial in trials} == {"clip01", "clip02", "clip03", "clip04"}
    first = trials[0]
    rows = np.loadtxt(made / "P01" / f"{first.trial}_gyro.csv", delimiter=",", skiprows=1)
    gyro = first.signal("gyro")
    assert (gyro.kind, gyro.unit, gyro.sfreq, gyro.n_times) == ("gyro", "deg/s", 50.0, 1000)
    assert_allclose(gyro.data, rows[:, 1:].T)
    assert first.baseline is not None
    rest = np.loadtxt(made / "P01" / "neutral_hr.csv", delimiter=",", skiprows=1)
    at_rest = first.baseline["hr"]
    assert isinstance(at_rest, Signal)
    assert_allclose(at_rest.data[0], rest[:, 1])
    line = next(
        own
        for own in (made / "ratings.csv").read_text().split()
        if own.startswith("P01,") and f",{first.trial}," in own.replace("P01", "", 1)
    )
    fields = line.split(",")
    assert (first.condition, first.elapsed) == (fields[2], float(fields[4]))
    assert first.ratings == {"valence": float(fields[5]), "arousal": float(fields[6])}
    assert first.tags == ("simulated",)


@pytest.mark.parametrize(("rating", "label"), [(1, "low"), (4, "low"), (5, None), (6, "high"), (9, "high")])
def test_the_middle_rating_has_no_label(rating: float, label: str | None) -> None:
    about = {"dataset": "watch", "subject": "1", "trial": "1", "stimulus": "1", "signals": {}}
    trial = Trial(**about, ratings={"valence": rating})  # type: ignore[arg-type]
    assert WATCH.tasks["valence"].target(trial) == label
    assert WATCH.tasks["valence"].target(Trial(**about)) is None  # type: ignore[arg-type]


def gyro_sd(trials: list[Trial]) -> np.ndarray:
    return np.array([trial.signal("gyro").data.std(axis=1).mean() for trial in trials])


def test_valence_is_planted_in_heart_and_movement(tmp_path: Path) -> None:
    for name, affect in (("none", 0.0), ("much", 3.0)):
        WATCH.simulate(tmp_path / name, replace(QUIET, affect=affect), n_subjects=4)  # type: ignore[misc]
    for name, is_planted in (("none", False), ("much", True)):
        trials, _ = read(tmp_path / name)
        valence = np.array([(trial.ratings["valence"] - 5) / 4 for trial in trials])
        arousal = np.array([(trial.ratings["arousal"] - 5) / 4 for trial in trials])
        heart = np.array([trial.signal("hr").data.mean() for trial in trials])
        design = np.stack([np.ones_like(valence), valence, arousal], axis=1)
        slopes = np.linalg.lstsq(design, heart)[0]
        # 4 bpm per unit of valence and 8 per unit of arousal, three times as strong; nothing else is there.
        expected = (70, 12, 24) if is_planted else (70, 0, 0)
        assert_allclose(slopes, expected, atol=0.6)
        found = np.corrcoef(valence, np.log(gyro_sd(trials)))[0, 1]
        assert (found > 0.6) if is_planted else (abs(found) < 0.25)


def test_a_clip_of_its_own_shows_without_affect(tmp_path: Path) -> None:
    world = replace(QUIET, affect=0.0, stimulus=3.0)
    WATCH.simulate(tmp_path / "clips", world, n_subjects=6, n_clips=6)  # type: ignore[misc]
    trials, _ = read(tmp_path / "clips")
    heart = np.array([trial.signal("hr").data.mean() for trial in trials])
    clips = np.array([trial.stimulus for trial in trials])
    means = [heart[clips == clip].mean() for clip in np.unique(clips)]
    within = np.mean([heart[clips == clip].std() for clip in np.unique(clips)])
    assert np.std(means) > 5 * within


def test_acceleration_is_gravity_that_the_turns_tilt(made: Path) -> None:
    for trial in read(made)[0]:
        acc, gyro = trial.signal("acc").data, np.radians(trial.signal("gyro").data)
        found = Motion(only=("magnitude_mean", "magnitude_sd"))(trial, Intervals(np.zeros(1), 20.0)).values[0]
        assert_allclose(found, [1, 0.01], atol=0.06)
        # A sensor that turns sees gravity turn the other way: d acc / dt = acc x omega.
        gravity = acc.mean(axis=1)
        change = np.cumsum(np.cross(gravity, (gyro - np.median(gyro, axis=1, keepdims=True)).T), axis=0) / 50
        together = [np.corrcoef(change[:, axis], acc[axis])[0, 1] for axis in range(3)]
        if gyro.std() > np.radians(3):
            assert np.max(together) > 0.7


def test_people_and_clips_do_not_depend_on_how_many_there_are(made: Path, tmp_path: Path) -> None:
    more = WATCH.simulate(tmp_path / "more", n_subjects=3, n_clips=6, max_seconds=20)  # type: ignore[misc]
    for name in ("P02/clip03_acc.csv", "P01/neutral_gyro.csv"):
        assert (more / name).read_text() == (made / name).read_text()


def test_missing_rows_are_gaps(folder: Path) -> None:
    path = folder / "P01" / "clip01_acc.csv"
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:101], *lines[151:]]))
    trials, exclusions = read(folder)
    assert exclusions == []
    [acc] = [t.signal("acc") for t in trials if (t.subject, t.trial) == ("P01", "clip01")]
    assert acc.n_times == 1000
    assert np.flatnonzero(acc.flags).tolist() == list(range(100, 150))
    assert set(acc.flags[100:150]) == {Flag.GAP}
    assert np.isnan(acc.data[:, 100:150]).all()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seconds,x,y,z", "t,x,y,z", r"starts with 't,x,y,z'; expected the line 'seconds,x,y,z'"),
        ("\n0.02,", "\nabc,", r"has a row that is not 4 numbers"),
        ("\n0.04,", "\n0.02,", r"goes from 0.02 s to 0.02 s in line 4; expected times that rise by 0.02 s"),
        ("\n0.00,", "\n-1.00,", r"has times outside of 0 to 21600 s"),
        ("\n1.00,", "\n1e300,", r"has times outside of 0 to 21600 s"),
        ("\n1.00,", "\nnan,", r"has times outside of 0 to 21600 s"),
        ("\n19.98,", "\n99999,", r"has times outside of 0 to 21600 s"),
    ],
)
def test_a_broken_clip_is_left_out_and_the_others_are_read(
    folder: Path, old: str, new: str, sentence: str
) -> None:
    rewrite(folder / "P01" / "clip02_gyro.csv", old, new)
    trials, exclusions = read(folder)
    assert len(trials) == 7
    [left_out] = exclusions
    assert (left_out.subject, left_out.trial) == ("P01", "clip02")
    assert re.search(sentence, left_out.reason)
    with pytest.raises(DataError, match=sentence):
        list(WATCH.read(folder))


def test_files_that_are_missing_empty_or_no_text_are_reported(folder: Path) -> None:
    (folder / "P01" / "clip01_hr.csv").unlink()
    (folder / "P01" / "clip02_hr.csv").write_text("seconds,bpm\n")
    (folder / "P02" / "clip03_acc.csv").write_bytes(bytes(range(256)) * 50)
    trials, exclusions = read(folder)
    assert len(trials) == 5
    reasons = {(item.subject, item.trial): item.reason for item in exclusions}
    assert "cannot be read" in reasons["P01", "clip01"]
    assert "a header but no row" in reasons["P01", "clip02"]
    assert "expected the line 'seconds,x,y,z'" in reasons["P02", "clip03"]


def test_without_the_neutral_clip_there_is_no_rest(folder: Path) -> None:
    (folder / "P02" / "neutral_acc.csv").unlink()
    trials, [left_out] = read(folder)
    assert len(trials) == 8
    assert [trial.subject for trial in trials if trial.baseline is None] == ["P02"] * 4
    assert "read without a rest before them" in left_out.reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pleasant", "nice"),
        ("P01,", "../P01,"),
        ("P01,clip", "P01,a/clip"),
        ("P01,clip", "P01,..\\clip"),
        (",1,", ",first,"),
    ],
)
def test_ratings_that_cannot_be_are_refused_with_their_line(folder: Path, old: str, new: str) -> None:
    rewrite(folder / "ratings.csv", old, new)
    with pytest.raises(DataError, match=r"in line \d; expected person, clip, category.*Mend that line"):
        WATCH.open(folder)


def test_ratings_outside_the_scale_and_twice_are_refused(folder: Path) -> None:
    text = (folder / "ratings.csv").read_text()
    lines = text.strip().split("\n")
    (folder / "ratings.csv").write_text("\n".join([lines[0], lines[1].rpartition(",")[0] + ",10"]))
    with pytest.raises(DataError, match="ratings from 1 to 9"):
        WATCH.open(folder)
    (folder / "ratings.csv").write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(DataError, match=r"has P02 rate clip\d\d twice, in line 10"):
        WATCH.open(folder)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no folder of a watch: it holds nothing\. Expected ratings\.csv"):
        WATCH.files(tmp_path)
    with pytest.raises(DataError, match="it is no folder"):
        WATCH.files(tmp_path / "nowhere")


def test_check_finds_it_good_and_sees_what_is_missing(made: Path, folder: Path) -> None:
    assert check(WATCH, made).deviations == ()
    (folder / "P01" / "clip01_hr.csv").unlink()
    assert any("clip01" in str(row) for row in check(WATCH, folder).deviations)


def test_nothing_is_overwritten_and_numbers_have_ranges(made: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists: nothing is overwritten"):
        WATCH.simulate(made)  # type: ignore[misc]
    for options, sentence in (
        ({"n_subjects": 0}, "1 to 99 subjects, got 0"),
        ({"n_clips": 1}, "2 to 12 clips, got 1"),
        ({"max_seconds": 0.5}, "at least 1 s, got 0.5"),
    ):
        with pytest.raises(PhysioaffectError, match=sentence):
            WATCH.simulate(tmp_path / "x", **options)  # type: ignore[misc]
