"""Features on disk: what was made comes back, nothing else does, and nothing of others is touched."""

import errno
import itertools
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.data_set import DataSet, Exclusion
from physioaffect.datasets import EEGMAT
from physioaffect.errors import DataError, PhysioaffectError, RunError
from physioaffect.features import SEED_IV_BANDS, DifferentialEntropy, Recipe, default_recipe, extract
from physioaffect.features.store import save_features
from physioaffect.features.store_folder import Pending, StoreFolder
from physioaffect.features.stored import open_features, read_exclusions
from physioaffect.features.zarr_group import Encoded, write_arrays
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

BANDS = SEED_IV_BANDS.within((4, 30))
RECIPE = Recipe(windows=Windowing(duration=2), features=(DifferentialEntropy(bands=BANDS),))
# The rounding to single precision, with a last bit of double precision to spare.
SINGLE = 2**-24 * 1.001


def made(
    folder: Path, *, change: Callable[[Trial], Trial] = lambda trial: trial, n_subjects: int = 4
) -> tuple[DataSet, list[str]]:
    """People of three trials, whose loudness stands in a file each; and a list of who has been read."""
    read: list[str] = []
    folder.mkdir(exist_ok=True)
    for number in range(1, n_subjects + 1):
        path = folder / f"{number}.txt"
        if not path.exists():
            path.write_text(str(number))

    def trials(subject: str, source: Path, report: object) -> Iterator[Trial]:
        read.append(subject)
        noise = np.random.default_rng(int(subject)).standard_normal((3, 3, 1280))
        for number in range(3):
            data = float(source.read_text()) * 1e-5 * noise[number]
            eeg = Signal(data=data, sfreq=128.0, ch_names=("F3", "Cz", "F4"), kind="eeg", unit="V")
            yield change(
                Trial(
                    dataset="made",
                    subject=subject,
                    trial=str(number),
                    stimulus=f"clip {number}",
                    signals={"eeg": eeg},
                    ratings={"valence": number + 1.0},
                    tags=("tagged",) * number,
                    order=number,
                )
            )

    dataset = DataSet(
        name="made", title="Made", doi="", licence="", how_to_get="", layout="", n_subjects=n_subjects,
        window=2, step=2, sfreqs={"eeg": 128.0}, tasks={}, trials=trials,
        files=lambda root: sorted(root.glob("*.txt")),
        open=lambda root: {path.stem: path for path in sorted(root.glob("*.txt"))},
    )  # fmt: skip
    return dataset, read


def broken_for(*subjects: str) -> Callable[[Trial], Trial]:
    """Make a change that lets nothing of these people be used."""

    def change(trial: Trial) -> Trial:
        if trial.subject in subjects:
            raise DataError("The electrodes fell off.")
        return trial

    return change


def just_before_it_is_taken(
    monkeypatch: pytest.MonkeyPatch, path: Path, meddle: Callable[[], object]
) -> None:
    """Let another process act when this group or file of a store is about to be renamed away, once."""
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        if self == path:
            monkeypatch.setattr(Path, "rename", rename)
            meddle()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)


def once_somebody_is_published(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[], object]) -> None:
    """Let something happen when the first groups of a store have their place."""
    publish = StoreFolder.publish

    def watched(self: StoreFolder, waiting: Sequence[Pending], store_key: str) -> None:
        publish(self, waiting, store_key)
        if waiting:
            monkeypatch.setattr(StoreFolder, "publish", publish)
            meddle()

    monkeypatch.setattr(StoreFolder, "publish", watched)


def assert_same(stored: xr.Dataset, exact: xr.Dataset) -> None:
    """Check that coordinates and attributes are equal and the values were rounded to single precision."""
    assert stored.drop_vars(list(stored.data_vars)).identical(exact.drop_vars(list(exact.data_vars)))
    assert list(stored.data_vars) == list(exact.data_vars)
    for name, family in exact.data_vars.items():
        assert stored[name].dtype == np.float32
        assert stored[name].dims == family.dims
        assert json.dumps(stored[name].attrs) == json.dumps(family.attrs)
        assert_allclose(stored[name].values, family.values, rtol=SINGLE)


def data_files(path: Path) -> dict[str, bytes]:
    return {str(item.relative_to(path)): item.read_bytes() for item in path.rglob("*") if item.is_file()}


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a group's metadata as a stranger might."""
    content = json.loads((path / "zarr.json").read_text())
    change(content)
    (path / "zarr.json").write_text(json.dumps(content))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_was_extracted_comes_back(tmp_path, n_jobs):
    assert EEGMAT.simulate is not None
    EEGMAT.simulate(tmp_path / "raw", n_subjects=3, max_seconds=60)
    recipe = default_recipe(EEGMAT, families=None if n_jobs == 1 else ["de"])
    exact, exclusions, _ = extract(EEGMAT, tmp_path / "raw", recipe)
    out = save_features(EEGMAT, tmp_path / "raw", recipe, tmp_path / "out.zarr", n_jobs=n_jobs)
    assert_same(open_features(out), exact)
    assert read_exclusions(out) == exclusions
    assert sorted(item.name for item in out.iterdir()) == ["s0001", "s0002", "s0003", "zarr.json"]


def test_xarray_and_zarr_open_it_too(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    ours = open_features(out)
    theirs = xr.open_zarr(out, group="s0002").load()
    second = ours.isel(window=(ours["subject"] == "2").values)
    assert set(theirs.coords) == set(second.coords)
    for name, variable in second.variables.items():
        assert theirs[name].dims == variable.dims
        assert_array_equal(np.asarray(theirs[name].values, dtype=variable.dtype), variable.values)
    assert theirs["de"].attrs == ours["de"].attrs
    root = zarr.open_group(out, mode="r")
    assert sorted(root.group_keys()) == ["s0001", "s0002", "s0003", "s0004"]
    plain = zarr.open_group(out / "s0003", mode="r", use_consolidated=False)
    assert set(plain.array_keys()) == set(second.variables)
    assert root.attrs["recipe"] == RECIPE.to_json()


def test_only_the_families_asked_for_are_read(tmp_path):
    dataset, _ = made(tmp_path / "raw")

    class Other(DifferentialEntropy):
        name = "other"

    recipe = replace(RECIPE, features=(*RECIPE.features, Other(bands=BANDS)))
    out = save_features(dataset, tmp_path / "raw", recipe, tmp_path / "out.zarr")
    both = open_features(out)
    for group in range(1, 5):
        (out / f"s000{group}" / "other" / "c.0.0.0").write_bytes(b"damaged")
    one = open_features(out, families=["de"])
    assert one.identical(both.drop_vars("other"))
    with pytest.raises(DataError, match=r"has 7 bytes, not those of float32 of shape \(15, 3, 3\)"):
        open_features(out)
    assert set(open_features(out, families=[]).variables) == set(both.coords) - {"channel", "band"}
    with pytest.raises(DataError, match=r"holds no features 'eda'; it holds de, other\."):
        open_features(out, families=["eda"])


def test_a_second_call_reads_nobody_again(tmp_path):
    dataset, read = made(tmp_path / "raw")
    told: list[tuple[str, int, int]] = []
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    before = data_files(out)
    save_features(dataset, tmp_path / "raw", RECIPE, out, progress=lambda *args: told.append(args))
    assert read == ["1", "2", "3", "4"]
    assert told == [("features", done, 4) for done in (1, 2, 3, 4)]
    assert data_files(out) == before


def test_a_changed_file_or_recipe_never_gives_old_numbers(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    (tmp_path / "raw" / "2.txt").write_text("9")
    save_features(dataset, tmp_path / "raw", RECIPE, out)
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)
    other = replace(RECIPE, windows=Windowing(duration=5))
    save_features(dataset, tmp_path / "raw", other, out)
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", other).features)
    assert sorted(item.name for item in out.iterdir()) == ["s0001", "s0002", "s0003", "s0004", "zarr.json"]


def test_another_recipe_is_told_and_leaves_nothing_of_the_old_one(tmp_path, caplog):
    dataset, read = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    save_features(dataset, tmp_path / "raw", RECIPE, out, subjects=["1"])
    assert caplog.messages == []
    assert (out / "s0002").exists()
    other = replace(RECIPE, windows=Windowing(duration=5))
    save_features(dataset, tmp_path / "raw", other, out, subjects=["1"])
    [told] = caplog.messages
    assert told == f"The features in {out} are of another recipe: those of all people are replaced."
    assert sorted(item.name for item in out.iterdir()) == ["s0001", "zarr.json"]
    caplog.clear()
    (tmp_path / "raw" / "4.txt").write_text("9")
    save_features(dataset, tmp_path / "raw", other, out)
    assert "are of other source files, or of files since changed" in caplog.text
    assert read[-4:] == ["1", "2", "3", "4"]


def test_features_of_another_data_set_are_left_alone(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    before = data_files(out)
    with pytest.raises(RunError, match=r"out\.zarr holds features of made, and these are of else\. Choose"):
        save_features(replace(dataset, name="else"), tmp_path / "raw", RECIPE, out, subjects=["1"])
    assert data_files(out) == before


def test_a_store_of_another_study_is_left_alone(tmp_path, caplog):
    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    before = data_files(out)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "7.txt").write_text("7")
    study, read = made(tmp_path / "else", n_subjects=0)
    sentence = r"out\.zarr holds features of other people than this made has, such as 4: it is another study"
    with pytest.raises(RunError, match=sentence):
        save_features(study, tmp_path / "else", RECIPE, out)
    assert data_files(out) == before
    assert read == []
    # Somebody of the same name: it may be the same study, which has grown.
    (tmp_path / "else" / "1.txt").write_text("1")
    save_features(study, tmp_path / "else", RECIPE, out)
    assert "are of other source files, or of files since changed" in caplog.text
    assert set(open_features(out)["subject"].values) == {"1", "7"}


def test_who_finishes_before_the_old_groups_go_keeps_all_of_its_own(tmp_path, monkeypatch):
    dataset, _ = made(tmp_path / "raw")
    other = replace(RECIPE, windows=Windowing(duration=5))
    sweep = StoreFolder.sweep

    def late(self: StoreFolder, store_key: str) -> None:
        monkeypatch.undo()
        save_features(dataset, tmp_path / "raw", other, tmp_path / "out.zarr")
        sweep(self, store_key)

    monkeypatch.setattr(StoreFolder, "sweep", late)
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", other).features)


@pytest.mark.parametrize("duration", [2, 4, 5])
def test_a_group_that_another_process_put_in_the_place_of_an_old_one_goes_back(
    tmp_path, monkeypatch, duration
):
    dataset, _ = made(tmp_path / "raw")
    old = replace(RECIPE, windows=Windowing(duration=4))
    out = save_features(dataset, tmp_path / "raw", old, tmp_path / "out.zarr")
    theirs = replace(RECIPE, windows=Windowing(duration=duration))

    def meddle() -> None:
        save_features(dataset, tmp_path / "raw", theirs, out)

    just_before_it_is_taken(monkeypatch, out / "s0002", meddle)
    save_features(dataset, tmp_path / "raw", RECIPE, out, subjects=["1"])
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", theirs).features)


def test_of_two_recipes_at_once_the_first_to_finish_stays_and_the_other_loses_no_work(tmp_path, monkeypatch):
    dataset, read = made(tmp_path / "raw")
    other = replace(RECIPE, windows=Windowing(duration=5))
    out = tmp_path / "out.zarr"

    def overtake() -> None:
        save_features(dataset, tmp_path / "raw", RECIPE, out, subjects=["1"])

    once_somebody_is_published(monkeypatch, overtake)
    with pytest.raises(RunError, match=r"Another process writes other features into .*out\.zarr\. Choose"):
        save_features(dataset, tmp_path / "raw", other, out, subjects=["2", "3"])
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE, subjects=["1"]).features)
    read.clear()
    save_features(dataset, tmp_path / "raw", other, out, subjects=["2", "3"])
    assert read == []
    assert sorted(item.name for item in out.iterdir()) == ["s0002", "s0003", "zarr.json"]


def test_people_written_by_several_processes_of_one_recipe_all_stay(tmp_path):
    first, _ = made(tmp_path / "raw")
    out = tmp_path / "out.zarr"

    def overtake(trial: Trial) -> Trial:
        if trial.subject == "3" and trial.trial == "0":
            save_features(first, tmp_path / "raw", RECIPE, out, subjects=["1", "4"])
        return trial

    second, _ = made(tmp_path / "raw", change=overtake)
    save_features(second, tmp_path / "raw", RECIPE, out, subjects=["2", "3"])
    whole, read = made(tmp_path / "raw")
    save_features(whole, tmp_path / "raw", RECIPE, out)
    assert read == []
    assert_same(open_features(out), extract(whole, tmp_path / "raw", RECIPE).features)


@pytest.mark.parametrize(
    ("subjects", "said"),
    [
        ([], r"There is nothing to store .* subjects names nobody: leave it out for all"),
        (["2"], "There is nothing to store"),
    ],
)
@pytest.mark.parametrize("is_mine", [False, True])
def test_who_gives_nothing_leaves_no_store_and_takes_no_folder(tmp_path, subjects, said, is_mine):
    dataset, _ = made(tmp_path / "raw", change=broken_for("2"))
    out = tmp_path / "none.zarr"
    if is_mine:
        out.mkdir()
    with pytest.raises(DataError, match=said):
        save_features(dataset, tmp_path / "raw", RECIPE, out, subjects=subjects)
    assert out.exists() == is_mine
    assert not list(tmp_path.glob("none.zarr/*"))


def test_who_gives_nothing_leaves_what_others_gave(tmp_path):
    dataset, _ = made(tmp_path / "raw", change=broken_for("2"))
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr", subjects=["1"])
    with pytest.raises(DataError, match="There is nothing to store"):
        save_features(dataset, tmp_path / "raw", RECIPE, out, subjects=["2"])
    assert set(open_features(out)["subject"].values) == {"1"}


def test_who_gives_nothing_leaves_what_others_gave_meanwhile(tmp_path):
    first, _ = made(tmp_path / "raw")
    out = tmp_path / "out.zarr"

    def overtake(trial: Trial) -> Trial:
        save_features(first, tmp_path / "raw", RECIPE, out, subjects=["1"])
        raise DataError("The electrodes fell off.")

    dataset, _ = made(tmp_path / "raw", change=overtake)
    with pytest.raises(DataError, match="There is nothing to store"):
        save_features(dataset, tmp_path / "raw", RECIPE, out, subjects=["2"])
    assert set(open_features(out)["subject"].values) == {"1"}


@pytest.mark.parametrize("name", [".partial-other/group", "notes/today"])
@pytest.mark.parametrize("taken", [None, "s0002", "zarr.json"])
def test_who_gives_nothing_leaves_a_store_that_others_are_in(tmp_path, monkeypatch, name, taken):
    out = tmp_path / "out.zarr"

    def come() -> None:
        (out / name).mkdir(parents=True, exist_ok=True)

    def broken(trial: Trial) -> Trial:
        if taken is None:
            come()
        raise DataError("The electrodes fell off.")

    dataset, _ = made(tmp_path / "raw", change=broken)
    if taken is not None:
        # They come after this process has looked whether anybody is there.
        just_before_it_is_taken(monkeypatch, out / taken, come)
    with pytest.raises(DataError, match="There is nothing to store"):
        save_features(dataset, tmp_path / "raw", RECIPE, out, subjects=["2"])
    assert sorted(item.name for item in out.iterdir()) == sorted([name.split("/")[0], "s0002", "zarr.json"])
    with pytest.raises(DataError, match="not finished"):
        open_features(out)


def test_a_group_of_another_recipe_is_not_returned(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    other = replace(RECIPE, windows=Windowing(duration=5))
    another = save_features(dataset, tmp_path / "raw", other, tmp_path / "other.zarr")
    (out / "s0002").rename(tmp_path / "gone")
    (another / "s0002").rename(out / "s0002")
    with pytest.raises(DataError, match="s0002 is missing or holds other features"):
        open_features(out)
    # A group in the place of another subject's is no better.
    (out / "s0002").rename(tmp_path / "gone, too")
    (out / "s0003").rename(out / "s0002")
    with pytest.raises(DataError, match="s0002 is missing or holds other features"):
        open_features(out)
    save_features(dataset, tmp_path / "raw", RECIPE, out)
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)


def test_files_that_change_before_anybody_is_stored_leave_no_store(tmp_path, monkeypatch):
    def late(folder: Path, arrays: Sequence[Encoded]) -> None:
        time.sleep(0.2)  # The disk is still at work when the call has failed.
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder, arrays)

    monkeypatch.setattr("physioaffect.features.store_folder.write_arrays", late)

    def meddle(trial: Trial) -> Trial:
        (tmp_path / "raw" / "1.txt").write_text("1.25")
        return trial

    dataset, _ = made(tmp_path / "raw", change=meddle)
    with pytest.raises(DataError, match=r"changed while they were read\. Make the features anew"):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


def test_files_that_change_while_they_are_read_are_refused(tmp_path, monkeypatch):
    dataset, _ = made(tmp_path / "raw")
    once_somebody_is_published(monkeypatch, lambda: (tmp_path / "raw" / "1.txt").write_text("1.25"))
    with pytest.raises(DataError, match=r"changed while they were read\. Make the features anew"):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    with pytest.raises(DataError, match="not finished"):
        open_features(tmp_path / "out.zarr")


def test_an_interrupted_call_is_continued(tmp_path):
    def interrupt(trial: Trial) -> Trial:
        time.sleep(0.02)  # The hash of the files is there after the first trial.
        if trial.subject == "3":
            raise KeyboardInterrupt
        return trial

    dataset, read = made(tmp_path / "raw", change=interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    with pytest.raises(DataError, match="not finished: call save_features again, it continues"):
        open_features(tmp_path / "out.zarr")
    whole, read = made(tmp_path / "raw")
    save_features(whole, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert read == ["3", "4"]
    exact = extract(whole, tmp_path / "raw", RECIPE).features
    assert_same(open_features(tmp_path / "out.zarr"), exact)


def test_a_damaged_group_is_made_anew(tmp_path):
    dataset, read = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    (out / "s0003" / "start" / "c.0").write_bytes(b"")
    with pytest.raises(DataError, match="has 0 bytes"):
        open_features(out)
    save_features(dataset, tmp_path / "raw", RECIPE, out)
    assert read == ["1", "2", "3", "4", "3"]
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)


def test_what_a_killed_process_left_goes_after_a_day(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    for name, age in {".partial-old": 90_000, ".partial-new": 60}.items():
        (tmp_path / "out.zarr" / name / "group").mkdir(parents=True)
        then = time.time() - age
        os.utime(tmp_path / "out.zarr" / name, (then, then))
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert [item.name for item in out.glob(".*")] == [".partial-new"]
    assert open_features(out).sizes["window"] == 60


def test_some_subjects_keep_the_groups_of_the_others(tmp_path):
    dataset, read = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr", subjects=["4", "2"])
    exact = extract(dataset, tmp_path / "raw", RECIPE, subjects=["4", "2"]).features
    assert_same(open_features(out), exact)
    assert (out / "s0004").exists()
    read.clear()
    save_features(dataset, tmp_path / "raw", RECIPE, out)
    assert read == ["1", "3"]
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)


@pytest.fixture
def many(tmp_path):
    """Start processes that save features of a simulated data set, all imports done once before."""
    assert EEGMAT.simulate is not None
    EEGMAT.simulate(tmp_path / "raw", n_subjects=4, max_seconds=60)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["physioaffect.features.store", "physioaffect.datasets"])

    def start(recipe: Recipe) -> Any:
        args = (EEGMAT, tmp_path / "raw", recipe, tmp_path / "out.zarr")
        process = context.Process(target=save_features, args=args)
        process.start()
        return process

    return start


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_a_store_or_an_honest_error(tmp_path, many):
    recipe = default_recipe(EEGMAT, families=["de"])
    exact = extract(EEGMAT, tmp_path / "raw", recipe).features
    begun = time.perf_counter()
    whole = many(recipe)
    whole.join()
    seconds = time.perf_counter() - begun
    other = replace(recipe, windows=Windowing(duration=4))
    rng = np.random.default_rng(0)
    for number in range(6):
        # An even round destroys what an odd one made.
        process = many(recipe if number % 2 else other)
        time.sleep(rng.uniform(0, seconds))
        process.kill()
        process.join()
        try:
            found = open_features(tmp_path / "out.zarr")
        except DataError as error:
            assert "save_features" in str(error)  # noqa: PT017  Either is right.
            continue
        if json.loads(found.attrs["recipe"]) == json.loads(recipe.to_json()):
            assert_same(found, exact)
        else:
            assert found.attrs["recipe"] == other.to_json()
    save_features(EEGMAT, tmp_path / "raw", recipe, tmp_path / "out.zarr")
    assert_same(open_features(tmp_path / "out.zarr"), exact)


def test_two_processes_at_once_write_the_bytes_of_one(tmp_path, many):
    recipe = default_recipe(EEGMAT, families=["de"])
    processes = [many(recipe), many(recipe)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    alone = save_features(EEGMAT, tmp_path / "raw", recipe, tmp_path / "alone.zarr")
    assert data_files(tmp_path / "out.zarr") == data_files(alone)


def test_the_subject_that_differs_is_left_out_as_extract_does(tmp_path):
    def louder(trial: Trial) -> Trial:
        eeg = trial.signal("eeg")
        return replace(trial, signals={"eeg": eeg.scaled(1e6, unit="au")}) if trial.subject == "1" else trial

    dataset, _ = made(tmp_path / "raw", change=louder)
    exact, exclusions, _ = extract(dataset, tmp_path / "raw", RECIPE)
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert_same(open_features(out), exact)
    assert read_exclusions(out) == exclusions
    assert exclusions[0].subject == "1"
    with pytest.raises(DataError, match=r"Subject 1: The unit of de differs.*Without strict"):
        save_features(dataset, tmp_path / "raw", RECIPE, out, strict=True)


def test_who_cannot_be_used_is_remembered(tmp_path):
    def broken(trial: Trial) -> Trial:
        if trial.subject == "2":
            raise DataError("The electrodes fell off.")
        return trial

    dataset, read = made(tmp_path / "raw", change=broken)
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert read_exclusions(out) == (Exclusion(subject="2", reason="The electrodes fell off."),)
    assert set(open_features(out)["subject"].values) == {"1", "3", "4"}
    save_features(dataset, tmp_path / "raw", RECIPE, out)
    assert read == ["1", "2", "3", "4"]
    with pytest.raises(DataError, match=r"Subject 2: The electrodes fell off\..*Without strict"):
        save_features(dataset, tmp_path / "raw", RECIPE, out, strict=True)
    with pytest.raises(DataError, match=r"nothing to store.*2: The electrodes fell off"):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "none.zarr", subjects=["2"])


@pytest.mark.parametrize(
    "name", ["../stress", "zarr.json", "c", "a/b", "Grösse in cm", "arousal.valence", "__init__", "50 %"]
)
def test_a_rating_may_be_called_anything(tmp_path, name):
    dataset, _ = made(tmp_path / "raw", change=lambda trial: replace(trial, ratings={name: 3.0}))
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out.zarr", "raw"]
    assert (
        xr.open_zarr(out, group="s0001").load()["de"].values == open_features(out)["de"].values[:15]
    ).all()


def test_any_text_comes_back(tmp_path):
    texts = ["", "µ", "日本語 " * 30, "line\nbreak", "a"]
    dataset, _ = made(
        tmp_path / "raw",
        change=lambda t: replace(t, stimulus=texts[int(t.trial)], condition=texts[2 + int(t.trial)]),
    )
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)


def test_a_rating_that_only_some_have_is_nan_for_the_others(tmp_path):
    dataset, _ = made(tmp_path / "raw", change=lambda t: replace(t, ratings={}) if t.subject == "1" else t)
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert_array_equal(
        np.isnan(open_features(out)["valence"].values), open_features(out)["subject"].values == "1"
    )


def test_another_version_of_the_package_makes_everything_anew(tmp_path, monkeypatch):
    dataset, read = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    monkeypatch.setattr("physioaffect.features.store.version", lambda _: "99.0")
    monkeypatch.setattr("physioaffect.features.extraction.version", lambda _: "99.0")
    save_features(dataset, tmp_path / "raw", RECIPE, out)
    assert read == ["1", "2", "3", "4"] * 2
    assert open_features(out).attrs["physioaffect"] == "99.0"


def test_an_interrupted_replacement_leaves_no_metadata_of_the_old_features(tmp_path):
    def interrupt(trial: Trial) -> Trial:
        if trial.subject == "3":
            raise KeyboardInterrupt
        return trial

    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    interrupted, _ = made(tmp_path / "raw", change=interrupt)
    bits = replace(RECIPE, features=(DifferentialEntropy(bands=BANDS, log_base=2),))
    with pytest.raises(KeyboardInterrupt):
        save_features(interrupted, tmp_path / "raw", bits, out)
    # The shapes are the same, so that nothing but the metadata tells bits from nats.
    with pytest.raises(DataError, match="not finished"):
        open_features(out)
    root = zarr.open_group(out, mode="r")
    assert list(root.group_keys()) == []
    with pytest.raises(KeyError):
        xr.open_zarr(out, group="s0001")


def test_a_text_that_has_no_utf8_is_refused_and_in_a_reason_kept(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    dataset, _ = made(tmp_path / "raw", change=lambda trial: replace(trial, stimulus=name))
    with pytest.raises(DataError, match="is not text that UTF-8 can hold"):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")

    def broken(trial: Trial) -> Trial:
        if trial.subject == "2":
            raise DataError(f"{name} cannot be read.")
        return trial

    dataset, _ = made(tmp_path / "raw", change=broken)
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "other.zarr")
    assert read_exclusions(out)[0].reason == f"{name} cannot be read."


class Scaled(DifferentialEntropy):
    """Variances of a size that single precision cannot hold."""

    name = "scaled"

    def __call__(self, trial, intervals):
        entropy = super().__call__(trial, intervals)
        return entropy * (1e-40 if trial.subject == "2" else 1.0)


def test_numbers_outside_single_precision_keep_double_precision(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    recipe = replace(RECIPE, features=(Scaled(bands=BANDS),))
    out = save_features(dataset, tmp_path / "raw", recipe, tmp_path / "out.zarr")
    exact = extract(dataset, tmp_path / "raw", recipe).features["scaled"].values
    assert_allclose(open_features(out)["scaled"].values, exact, rtol=SINGLE)
    assert_array_equal(open_features(out)["scaled"].values[15:30], exact[15:30])


class Objects(DifferentialEntropy):
    """A family that holds what only a pickle can."""

    name = "objects"

    def __call__(self, trial, intervals):
        entropy = super().__call__(trial, intervals)
        return entropy.copy(data=np.full(entropy.shape, {}, dtype=object))


def test_python_objects_are_refused(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    recipe = replace(RECIPE, features=(Objects(bands=BANDS),))
    with pytest.raises(DataError, match="objects cannot be stored: it is object"):
        save_features(dataset, tmp_path / "raw", recipe, tmp_path / "out.zarr")


def as_file(out: Path) -> None:
    out.write_text("mine")


def as_folder(out: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("mine")


def as_zarr(out: Path) -> None:
    xr.Dataset({"x": ("t", [1.0])}).to_zarr(out, consolidated=False)


def as_broken(out: Path) -> None:
    out.mkdir()
    (out / "zarr.json").write_text("{")


def as_newer(out: Path) -> None:
    out.mkdir()
    node = {"zarr_format": 3, "node_type": "group", "attributes": {"physioaffect_features": 2}}
    (out / "zarr.json").write_text(json.dumps(node))


@pytest.mark.parametrize(
    ("occupy", "sentence"),
    [
        (as_file, "is a file; features need a folder. Choose another"),
        (as_folder, "is not empty and holds no features. Choose another"),
        (as_zarr, "is not a store of features, and is left alone"),
        (as_broken, "is not a store of features, and is left alone"),
        (as_newer, "has format 2, this version writes format 1"),
    ],
)
def test_what_is_not_ours_is_never_overwritten(tmp_path, occupy, sentence):
    dataset, read = made(tmp_path / "raw")
    occupy(tmp_path / "out")
    before = data_files(tmp_path)
    with pytest.raises(RunError, match=sentence):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out")
    assert data_files(tmp_path) == before
    assert read == []


@pytest.mark.parametrize("occupy", [as_file, as_folder, as_zarr, as_broken])
def test_a_stranger_in_the_place_of_a_group_is_left_alone(tmp_path, occupy):
    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr", subjects=["1"])
    occupy(out / "s0002")
    before = data_files(out)
    with pytest.raises(RunError, match="s0002 is not a group of features, and is left alone"):
        save_features(dataset, tmp_path / "raw", RECIPE, out)
    assert data_files(out) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    dataset, _ = made(tmp_path / "raw")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written: .*Choose another place"):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "file" / "out.zarr")


def test_the_wrong_folder_writes_nothing(tmp_path):
    with pytest.raises(DataError):
        save_features(EEGMAT, tmp_path / "nowhere", default_recipe(EEGMAT), tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
    dataset, _ = made(tmp_path / "raw")
    with pytest.raises(DataError, match="has no subject '9'"):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr", subjects=["9"])
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("name", ["nothing", "file", "folder"])
def test_what_is_no_store_is_not_opened(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="holds no features: make them with save_features"):
        open_features(tmp_path / name)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    dataset, _ = made(folder / "raw")
    return save_features(dataset, folder / "raw", RECIPE, folder / "out.zarr")


@pytest.fixture
def out(written, tmp_path):
    """A store to be damaged."""
    return Path(shutil.copytree(written, tmp_path / "out.zarr"))


def metadata(content: dict[str, Any]) -> Any:
    return content["consolidated_metadata"]["metadata"]


ROOT: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda c: c["attributes"].update(physioaffect_features=2), "is not a store of features in format 1"),
    (lambda c: c["attributes"].update(groups={"../s0001": "1"}), "does not say what is in it"),
    (lambda c: c["attributes"].update(groups={"s0001/../s0002": "1"}), "does not say what is in it"),
    (lambda c: c["attributes"].update(groups=[]), "does not say what is in it"),
    (lambda c: c["attributes"].update(groups={"s0001": ["1"]}), "does not say what is in it"),
    (lambda c: c["attributes"].pop("recipe"), "does not say what is in it"),
    (lambda c: c.update(attributes=[]), "is not a group as physioaffect writes it"),
    (lambda c: c.update(node_type="array"), "is not a group as physioaffect writes it"),
]
GROUP: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda c: metadata(c)["de"].update(shape=[10**12, 3, 3]), "is not a group as physioaffect writes it"),
    (lambda c: metadata(c)["de"]["codecs"].append({"name": "zstd"}), "is not a group as physioaffect"),
    (lambda c: metadata(c)["de"].update(data_type="object"), "is not a group as physioaffect writes it"),
    (lambda c: metadata(c)["de"].update(data_type=[1]), "is not a group as physioaffect writes it"),
    (lambda c: metadata(c)["de"].update(dimension_names=None), "is not a group as physioaffect writes it"),
    (lambda c: metadata(c).update({"../../de": metadata(c)["de"]}), "is not a group as physioaffect"),
    (lambda c: metadata(c).update({"de": 5}), "is not a group as physioaffect writes it"),
    (lambda c: c.pop("consolidated_metadata"), "is not a group as physioaffect writes it"),
    (lambda c: metadata(c).pop("de"), "does not say what is in it"),
    (lambda c: metadata(c).pop("window"), "does not say what is in it"),
    (lambda c: c["attributes"].update(families="de"), "does not say what is in it"),
    (lambda c: c["attributes"].update(key="0"), "is missing or holds other features"),
]


@pytest.mark.parametrize(
    ("where", "change", "sentence"), [(".", *case) for case in ROOT] + [("s0002", *case) for case in GROUP]
)
def test_a_store_that_lies_is_refused(out, where, change, sentence):
    edit(out / where, change)
    with pytest.raises(DataError, match=sentence):
        open_features(out)


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_circle(path: Path) -> None:
    path.symlink_to(path.name)


def as_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and devices")
@pytest.mark.parametrize("place", ["zarr.json", "s0002/zarr.json", "s0002/trial/c.0", "s0002/de/c.0.0.0"])
@pytest.mark.parametrize("becomes", [Path.mkdir, as_pipe, as_circle, as_endless])
def test_only_files_are_read(out, place, becomes):
    (out / place).unlink()
    becomes(out / place)
    with pytest.raises(DataError, match=r"is not a file\. Delete it|Too many levels"):
        open_features(out)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["attributes"].pop("exclusions"),
        lambda c: c["attributes"].update(exclusions=[{"reason": "none"}]),
        lambda c: c["attributes"].update(columns=["de"]),
        lambda c: c["attributes"].update(n_trials=None),
        lambda c: c["attributes"].update(families=["other"]),
    ],
)
def test_a_group_with_the_right_key_that_lies_is_made_anew(tmp_path, change):
    dataset, read = made(tmp_path / "raw")
    store = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    edit(store / "s0002", change)
    save_features(dataset, tmp_path / "raw", RECIPE, store)
    assert read == ["1", "2", "3", "4", "2"]
    assert_same(open_features(store), extract(dataset, tmp_path / "raw", RECIPE).features)


@pytest.mark.skipif(os.name != "posix", reason="needs limits")
@pytest.mark.parametrize("n_bytes", [0, 600, 4000])
def test_a_full_disk_is_said_plainly_and_leaves_nothing_wrong(tmp_path, n_bytes):
    import resource

    dataset, _ = made(tmp_path / "raw")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        with pytest.raises(RunError, match=r"cannot be written: File too large\. Choose another place"):
            save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(DataError, match=r"holds no features|not finished"):
        open_features(tmp_path / "out.zarr")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)


def test_all_files_of_a_group_are_on_the_disk_before_it_has_its_place(tmp_path, monkeypatch):
    dataset, _ = made(tmp_path / "raw", n_subjects=1)
    synced: list[int] = []
    lacking: list[set[str]] = []
    fsync, rename = os.fsync, Path.rename

    def note(handle: int) -> None:
        fsync(handle)
        synced.append(os.fstat(handle).st_ino)

    def watched(self: Path, target: Path) -> Path:
        files = {str(item.relative_to(self)): item.stat().st_ino for item in self.rglob("*")}
        is_file = {name for name in files if (self / name).is_file()}
        lacking.append({name for name in is_file if files[name] not in synced})
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "rename", watched)
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert lacking == [set()]
    assert len(data_files(out / "s0001")) > 20


@pytest.mark.parametrize("failing", [0, 1, 7])
def test_a_disk_that_fails_while_it_is_waited_for_leaves_nothing_wrong(tmp_path, monkeypatch, failing):
    dataset, _ = made(tmp_path / "raw", n_subjects=1)
    calls = itertools.count()
    fsync = os.fsync

    def broken(handle: int) -> None:
        if next(calls) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(RunError, match=r"cannot be written: Input/output error\. Choose another place"):
        save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    with pytest.raises(DataError, match=r"holds no features|not finished"):
        open_features(tmp_path / "out.zarr")
    monkeypatch.undo()
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    assert_same(open_features(out), extract(dataset, tmp_path / "raw", RECIPE).features)


def test_an_array_as_large_as_it_says_has_a_file_that_large(out):

    def swell(content: dict[str, Any]) -> None:
        for node in metadata(content).values():
            if node["dimension_names"][0] == "window":
                node["shape"][0] = node["chunk_grid"]["configuration"]["chunk_shape"][0] = 10**11

    edit(out / "s0001", swell)
    with pytest.raises(DataError, match="bytes, not those of"):
        open_features(out)


@pytest.mark.parametrize(
    "chunk", [b"\x0f\0\0\0" + b"\xff" * 200, b"\0" * 200, b"\x0f\0\0\0" + b"\1\0\0\0\xff" * 15]
)
def test_damaged_text_is_refused(out, chunk):
    (out / "s0001" / "trial" / "c.0").write_bytes(chunk)
    with pytest.raises(DataError, match="is damaged: it does not hold 15 texts"):
        open_features(out)


def test_texts_do_not_take_more_memory_than_they_may(out):
    long = b"a" * (2**28 // 15 + 1)
    content = (15).to_bytes(4, "little") + len(long).to_bytes(4, "little") + long + bytes(4 * 14)
    (out / "s0001" / "trial" / "c.0").write_bytes(content)
    with pytest.raises(DataError, match="too long to lie in one column"):
        open_features(out)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"zarr_format": 3', "", "null"])
def test_metadata_that_is_not_metadata_is_refused(out, text):
    (out / "s0002" / "zarr.json").write_text(text)
    with pytest.raises(PhysioaffectError, match="is not a group as physioaffect writes it"):
        open_features(out)


def test_with_dask_the_features_stay_on_disk_until_they_are_needed(tmp_path):
    pytest.importorskip("dask")
    dataset, _ = made(tmp_path / "raw")
    out = save_features(dataset, tmp_path / "raw", RECIPE, tmp_path / "out.zarr")
    features = open_features(out)
    assert features["de"].chunks is not None
    assert len(features["de"].chunks[0]) == 4
    assert_same(features.load(), extract(dataset, tmp_path / "raw", RECIPE).features)
