"""A folder of exports is a data set: whose is what, what is left out, and one table of all."""

import os
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from support.wearables import CLIP, STARTED, write_folder, write_zip

from physioaffect.data_set import Exclusion
from physioaffect.datasets import check, find_recordings, get, wearable
from physioaffect.errors import DataError
from physioaffect.features import default_recipe, open_features, read_exclusions, save_features
from physioaffect.recording import Flag
from physioaffect.signals.quality import MarkQuality


def people(root: Path) -> dict[str, list[str]]:
    return {who: [one.session for one in own] for who, own in find_recordings(root).people.items()}


def zips(*names: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for number, name in enumerate(names):
            write_zip(root / name, 12, started=STARTED + 3600 * number)

    return make


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["S01_E4.zip", "S02_E4.zip", "S10_E4.zip"], {"S01": ["1"], "S02": ["1"], "S10": ["1"]}),
        (["S2.zip", "S10.zip"], {"S2": ["1"], "S10": ["1"]}),
        (["S01_visit1_E4.zip", "S01_visit2_E4.zip"], {"S01": ["visit1", "visit2"]}),
        (["sub-01_ses-02.zip"], {"sub-01": ["1"]}),
        (["P1/1644226061_A1.zip", "P1/1644229661_A1.zip"], {"P1": ["1644226061_A1", "1644229661_A1"]}),
        (["Raw_data/S01.zip", "Raw_data/S02.zip"], {"S01": ["1"], "S02": ["1"]}),
        (["data/P1/E4/a.zip", "data/P2/E4/a.zip"], {"P1": ["1"], "P2": ["1"]}),
        (["2022-02-07/P1/a.zip", "2022-02-08/P1/a.zip"], {"P1": ["2022-02-07/a", "2022-02-08/a"]}),
        (["P1/day1/a.zip", "P1/day2/a.zip"], {"P1": ["day1/a", "day2/a"]}),
    ],
)
def test_whose_a_recording_is(names, expected, tmp_path):
    zips(*names)(tmp_path)
    assert people(tmp_path) == expected


def test_folders_of_csv_files_are_recordings(tmp_path):
    write_folder(tmp_path / "Raw_data" / "S01", 12)
    write_folder(tmp_path / "Raw_data" / "S02", 12)
    assert people(tmp_path) == {"S01": ["1"], "S02": ["1"]}
    # So is the folder itself.
    assert people(tmp_path / "Raw_data" / "S01") == {"S01": ["1"]}


def test_a_zip_and_a_folder_of_one_person_are_two_sessions(tmp_path):
    write_zip(tmp_path / "S01_E4.zip", 12)
    write_folder(tmp_path / "S01", 12)
    assert people(tmp_path) == {"S01": ["S01", "S01_E4"]}
    # They hold the same, which check sees.
    assert any("one is a copy" in said for said in check(wearable(tmp_path), tmp_path).deviations)


def test_sessions_tsv_says_it_better(tmp_path):
    zips("a/1.zip", "b/2.zip", "c/3.zip")(tmp_path)
    (tmp_path / "sessions.tsv").write_text("file\tsubject\tsession\na/1.zip\tAnn\tfirst\nb\tAnn\tsecond\n")
    assert people(tmp_path) == {"Ann": ["first", "second"]}
    [left] = find_recordings(tmp_path).passed_over
    assert (left.path.name, left.reason) == ("3.zip", "not in sessions.tsv")
    assert tmp_path / "sessions.tsv" in wearable(tmp_path).files(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\tsubject\nb.zip\tAnn\n", r"names b.zip, where there is no recording"),
        ("file\tsubject\na.zip\t\n", "names no subject for a.zip"),
        ("file\tsubject\na.zip\tA\na.zip\tB\n", "names a.zip twice"),
        ("name\tsubject\na.zip\tA\n", "lacks the column file"),
        ("file\tsubject\n", "names no recording"),
    ],
)
def test_a_wrong_sessions_tsv_is_an_error(text, message, tmp_path):
    zips("a.zip")(tmp_path)
    (tmp_path / "sessions.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        find_recordings(tmp_path)


def test_what_is_no_recording_is_passed_over_and_listed(tmp_path):
    zips("S01.zip", ".hidden.zip", "__MACOSX/._S01.zip")(tmp_path)
    (tmp_path / "notes.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / ".DS_Store").write_bytes(b"")
    found = find_recordings(tmp_path)
    assert list(found.people) == ["S01"]
    assert [(one.path.name, one.reason) for one in found.passed_over] == [
        ("notes.xlsx", "no recording of a known format")
    ]


def test_links_are_not_followed_out_of_the_folder(tmp_path):
    elsewhere = write_zip(tmp_path / "elsewhere" / "S09.zip", 12)
    root = tmp_path / "root"
    zips("S01.zip")(root)
    (root / "S02.zip").symlink_to(elsewhere)
    (root / "S03").symlink_to(elsewhere.parent)
    (root / "round").symlink_to(root)
    found = find_recordings(root)
    assert list(found.people) == ["S01"]
    assert {one.path.name: one.reason for one in found.passed_over} == {
        "S02.zip": "a link to another place, which is not followed",
        "S03": "a link to another place, which is not followed",
        "round": "a link to another folder of this one, which is not followed",
    }
    # The folder itself may be a link.
    (tmp_path / "link").symlink_to(root)
    assert list(find_recordings(tmp_path / "link").people) == ["S01"]


def test_depth_is_bounded(tmp_path):
    zips("S01.zip", "/".join("abcdefghi") + "/S02.zip")(tmp_path)
    found = find_recordings(tmp_path)
    assert list(found.people) == ["S01"]
    assert [one.reason for one in found.passed_over] == ["deeper than 8 folders"]


def test_the_number_of_files_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("physioaffect.datasets.wearable_files._MOST_FILES", 3)
    zips("1.zip", "2.zip", "3.zip", "4.zip")(tmp_path)
    with pytest.raises(DataError, match="more than 3 files"):
        find_recordings(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "There is no recording in .*: it holds nothing. Known are Empatica E4, "),
        (lambda root: (root / "a.txt").write_text("x"), r"it holds a.txt.*a.txt: no recording"),
        (lambda root: (root / "a.zip").write_bytes(b"PK"), r"none can be read.*not a readable zip"),
    ],
)
def test_folders_without_a_recording_are_errors(make, message, tmp_path):
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        get("wearable", tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"There is no .*lost"):
        wearable(tmp_path / "lost")
    with pytest.raises(DataError, match="Where is the data set wearable"):
        get("wearable")


def test_a_single_recording_is_a_data_set_too(tmp_path):
    path = write_zip(tmp_path / "S01_E4.zip", 70)
    dataset = wearable(path)
    [trial] = dataset.read(path)
    assert (trial.subject, trial.session, trial.trial) == ("S01", "1", "S01_E4.zip")
    assert dataset.fingerprint(path).startswith("blake3:")


def test_a_trial_says_when_and_with_what_it_was_recorded(tmp_path):
    # The later one comes first by name.
    write_zip(tmp_path / "P1" / "a.zip", 70, started=STARTED + 86_400)
    write_zip(tmp_path / "P1" / "b.zip", 70)
    later, sooner = reversed([*wearable(tmp_path).read(tmp_path)])
    assert (sooner.trial, later.trial) == ("b.zip", "a.zip")
    assert sooner.recorded_at == datetime.fromtimestamp(STARTED, UTC)
    for trial in (sooner, later):
        assert (trial.elapsed, trial.order, trial.condition, trial.stimulus) == (0.0, 0, "", "none")
        assert trial.tags == ("device Empatica E4",)


def test_a_broken_file_stops_nobody_else(tmp_path):
    whole = write_zip(tmp_path / "S01.zip", 70)
    write_zip(tmp_path / "S03.zip", 70, seed=3)
    (tmp_path / "S02.zip").write_bytes(whole.read_bytes()[:5000])
    write_zip(tmp_path / "S04" / "a.zip", 70, seed=4)
    (tmp_path / "S04" / "b.zip").write_bytes(b"PK")
    left: list[Exclusion] = []
    dataset = wearable(tmp_path)
    assert [trial.subject for trial in dataset.read(tmp_path, report=left.append)] == ["S01", "S03", "S04"]
    assert [(one.subject, one.trial, one.expected) for one in left] == [
        ("S02", "", False),
        ("S04", "b.zip", False),
    ]
    assert all("not a readable zip" in one.reason for one in left)
    recipe = default_recipe(dataset, families=["eda", "temperature"])
    with parallel_config(backend="threading"):
        out = save_features(dataset, tmp_path, recipe, tmp_path.with_name(f"{tmp_path.name}.zarr"), n_jobs=2)
    table = open_features(out)
    assert sorted(set(table["subject"].values.tolist())) == ["S01", "S03", "S04"]
    assert [(one.subject, one.trial) for one in read_exclusions(out)] == [("S02", ""), ("S04", "b.zip")]
    # Mended and asked again, it is there.
    write_zip(tmp_path / "S02.zip", 70, seed=2)
    save_features(dataset, tmp_path, recipe, out)
    assert sorted(set(open_features(out)["subject"].values.tolist())) == ["S01", "S02", "S03", "S04"]


def test_a_session_of_three_seconds_is_left_out_as_expected(tmp_path):
    write_zip(tmp_path / "S01.zip", 3)
    write_zip(tmp_path / "S02.zip", 70)
    dataset = wearable(tmp_path)
    trial, _ = dataset.read(tmp_path)
    lengths = {trial.signal(name).duration for name in ("acc", "ppg", "eda", "temperature")}
    assert lengths == {trial.duration} == {3.0}
    out = save_features(
        dataset,
        tmp_path,
        default_recipe(dataset, families=["eda"]),
        tmp_path.with_name(f"{tmp_path.name}.zarr"),
    )
    [left] = read_exclusions(out)
    assert (left.subject, left.expected) == ("S01", True)
    assert left.reason == "The trial lasts 3 s, a window 60 s."


def test_one_table_holds_devices_with_different_signals(tmp_path):
    write_zip(tmp_path / "S01.zip", 70)
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "physioaffect.toml").write_text(CLIP)
    (tmp_path / "clip" / "S02.csv").write_text("gsr\n" + "3.0\n3.5\n" * 160)
    dataset = wearable(tmp_path)
    assert dataset.files(tmp_path)[-1] == tmp_path / "clip" / "physioaffect.toml"
    trials = {trial.subject: trial for trial in dataset.read(tmp_path)}
    assert trials["clip"].tags[0] == "device Finger clip"
    nothing = trials["clip"].signal("temperature")
    assert (nothing.sfreq, nothing.unit, nothing.n_times) == (4.0, "degC", 320)
    assert np.isnan(nothing.data).all()
    assert (nothing.flags == Flag.GAP).all()
    recipe = default_recipe(dataset, families=["eda", "temperature"], cleaning=())
    table = open_features(
        save_features(dataset, tmp_path, recipe, tmp_path.with_name(f"{tmp_path.name}.zarr"))
    )
    own = table.isel(window=np.flatnonzero(table["subject"].values == "clip"))
    assert np.isnan(own["temperature"].values).all()
    np.testing.assert_allclose(own["eda"].sel(eda_feature="mean").values, 3.25, rtol=1e-6)
    assert not np.isnan(table["temperature"].values[table["subject"].values == "S01"]).all()


def test_a_map_may_be_passed(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "P1.csv").write_text("gsr\n" + "3.0\n" * 280)
    stated = folder / "my.toml"
    stated.write_text(CLIP)
    with pytest.raises(DataError, match="There is no recording in"):
        wearable(folder)
    dataset = wearable(folder, csv_map=stated)
    assert [trial.subject for trial in dataset.read(folder)] == ["P1"]
    assert dataset.files(folder) == [folder / "P1.csv", stated]
    before = dataset.fingerprint(folder)
    stated.write_text(CLIP.replace("4.0", "8.0"))
    assert dataset.fingerprint(folder) != before
    with pytest.raises(DataError, match=r"my.toml lies outside .*Put it into that folder"):
        wearable(write_zip(tmp_path / "other" / "S01.zip", 70).parent, csv_map=stated)
    stated.write_text("nonsense")
    with pytest.raises(DataError, match="is no TOML"):
        wearable(folder, csv_map=stated)


def test_names_that_no_text_can_hold_are_shown_all_the_same(tmp_path):
    root = tmp_path / "in"
    write_zip(root / "good.zip", 70)
    (root / "good.zip").rename(root / os.fsdecode(b"S\xff.zip"))
    dataset = wearable(root)
    [trial] = dataset.read(root)
    assert (trial.subject, trial.trial) == ("S\ufffd", "S\ufffd.zip")
    recipe = default_recipe(dataset, families=["eda"])
    out = save_features(dataset, root, recipe, tmp_path / "out.zarr")
    assert set(open_features(out)["subject"].values.tolist()) == {"S\ufffd"}


def test_nothing_is_written_outside_the_output_folder(tmp_path):
    root, out = tmp_path / "in", tmp_path / "out.zarr"
    write_zip(root / "S01.zip", 70)
    with zipfile.ZipFile(root / "S01.zip", "a") as archive:
        archive.writestr("../../evil.csv", "x")
        archive.writestr("/evil.csv", "x")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    dataset = wearable(root)
    save_features(dataset, root, default_recipe(dataset, families=["eda"]), out)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.zarr"]


def test_check_reads_it_all(tmp_path):
    write_zip(tmp_path / "S01.zip", 70)
    write_zip(tmp_path / "S02.zip", 70, seed=2)
    good = check(wearable(tmp_path), tmp_path)
    assert good.is_good
    assert [row.found for row in good.rows if row.what == "subjects"] == ["2"]
    (tmp_path / "S02.zip").write_bytes(b"PK")
    assert any(
        said.startswith(f"{tmp_path / 'S02.zip'} is not")
        for said in check(wearable(tmp_path), tmp_path).deviations
    )


def test_the_real_wristbands(real_data):
    root = real_data / "realdata" / "stress_predict"
    dataset = get("wearable", root)
    assert dataset.n_subjects == 25
    assert dict(dataset.sfreqs) == {"acc": 32.0, "ppg": 64.0, "eda": 4.0, "temperature": 4.0, "hr": 1.0}
    assert dataset.layout == (
        "25 sessions of 25 people: 25 Empatica E4. People: S01, S02, S03, S04, S05, S06 and 19 more. 4 other "
        "files and folders were passed over."
    )
    assert [one.path.name for one in find_recordings(root).passed_over] == [
        "Improved_All_Combined_hr_rsp_binary.csv.gz",
        "LICENSE",
        "Questionnaires_scores.xlsx",
        "Time_logs.xlsx",
    ]


def test_avro_files_of_a_day_are_one_session_even_if_one_is_broken(real_data, tmp_path):
    pytest.importorskip("fastavro")
    whole = real_data / "realdata" / "embraceplus" / "test_data.avro"
    day = tmp_path / "participant_data" / "2025-11-26" / "001-3YK3K152XH" / "raw_data" / "v6"
    day.mkdir(parents=True)
    shutil.copy(whole, day / "1-1-001_1764153713.avro")
    (day / "1-1-001_1764155600.avro").write_bytes(whole.read_bytes()[:9000])
    (day / "1-1-001_1764240100.avro").write_bytes(b"Obj\x01")
    dataset = wearable(tmp_path)
    left: list[Exclusion] = []
    [trial] = dataset.read(tmp_path, report=left.append)
    assert (trial.subject, trial.session) == ("1-1-001", "2025-11-26")
    assert trial.trial == "1-1-001_1764153713.avro and 1 more"
    assert trial.tags[1] == "local start 2025-11-26 11:41:53 (UTC+1 h)"
    assert [one.trial for one in left] == ["1-1-001_1764240100.avro", "1-1-001_1764155600.avro"]


def test_a_wristband_in_a_drawer_has_windows_and_no_numbers(tmp_path):
    folder = write_folder(tmp_path / "S01", 180)
    write_zip(tmp_path / "S02.zip", 180)
    head = f"{STARTED}.0\n4.0\n"
    (folder / "EDA.csv").write_text(head + "0.0\n" * 720)
    (folder / "TEMP.csv").write_text(head + "21.0\n" * 720)
    (folder / "ACC.csv").write_text(f"{STARTED}.0,{STARTED}.0,{STARTED}.0\n32,32,32\n" + "0,0,64\n" * 5760)
    # No light comes back from skin.
    noise = np.random.default_rng(0).normal(size=64 * 180)
    (folder / "BVP.csv").write_text(f"{STARTED}.0\n64.0\n" + "".join(f"{value:.2f}\n" for value in noise))
    dataset = wearable(tmp_path)
    recipe = default_recipe(dataset)
    assert any(isinstance(step, MarkQuality) for step in recipe.cleaning)
    table = open_features(
        save_features(dataset, tmp_path, recipe, tmp_path.with_name(f"{tmp_path.name}.zarr"))
    )
    assert {*map(str, table.data_vars)} == {"eda", "hr", "temperature", "motion", "hrv", "eda_heart"}
    is_drawer = table["subject"].values == "S01"
    assert is_drawer.sum() == 13
    for name, values in table.data_vars.items():
        assert np.isnan(values.values[is_drawer]).all(), name
        assert (table[f"coverage_{name}"].values[is_drawer] == 0).all(), name
        assert np.isfinite(values.values[~is_drawer]).any(), name
