"""What is broken costs no more than itself: a recording, one of its signals, or the tables of one map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.wearables import CLIP, STARTED, session, write_folder, write_zip

from physioaffect.data_set import Exclusion
from physioaffect.datasets import find_recordings, wearable
from physioaffect.errors import DataError
from physioaffect.features import default_recipe, open_features, read_exclusions, save_features
from physioaffect.recording import Events, Flag, Trial

# Too slow for a pulse to be found in it.
SLOW_PPG = CLIP + '[[signals]]\nname = "ppg"\ncolumns = ["light"]\nunit = "au"\nsfreq = 10.0\n'


def write_clip(folder: Path, csv_map: str) -> Path:
    """A text table of 120 s beside its map."""
    folder.mkdir(parents=True)
    (folder / "physioaffect.toml").write_text(csv_map)
    (folder / "clip.csv").write_text("gsr,light\n" + "3.0,1.0\n3.5,2.0\n" * 600)
    return folder / "clip.csv"


def read(root: Path) -> tuple[dict[tuple[str, str], Trial], list[Exclusion]]:
    """The trials by person and file, and what was left out."""
    left: list[Exclusion] = []
    trials = wearable(root).read(root, report=left.append)
    return {(trial.subject, trial.trial): trial for trial in trials}, left


@pytest.mark.parametrize("n_broken", [8, 20])
def test_however_many_are_broken_the_first_that_can_be_read_counts(n_broken, tmp_path):
    for number in range(n_broken):
        (tmp_path / f"S{number:02d}.zip").write_bytes(b"PK\x03\x04 cut")
    write_zip(tmp_path / "S99.zip", 70)
    dataset = wearable(tmp_path)
    assert set(dataset.sfreqs) == {"acc", "ppg", "eda", "temperature", "hr"}
    trials, left = read(tmp_path)
    assert [*trials] == [("S99", "S99.zip")]
    assert len(left) == n_broken


def test_a_sensor_that_only_the_last_recording_has_is_in_the_table(tmp_path):
    for number in range(1, 5):
        folder = write_folder(tmp_path / f"S{number:02d}", 130, seed=number)
        if number < 4:
            (folder / "EDA.csv").unlink()
    dataset = wearable(tmp_path)
    assert set(default_recipe(dataset).signals) >= {"eda", "temperature"}
    recipe = default_recipe(dataset, families=["eda", "temperature"])
    table = open_features(
        save_features(dataset, tmp_path, recipe, tmp_path.with_name(f"{tmp_path.name}.zarr"))
    )
    has_eda = np.isfinite(table["eda"].values).any(axis=1)
    assert set(table["subject"].values[has_eda].tolist()) == {"S04"}
    assert len(set(table["subject"].values.tolist())) == 4


def test_of_several_rates_the_commonest_is_the_usual_one(tmp_path):
    write_clip(tmp_path / "A", CLIP.replace("4.0", "8.0"))
    write_zip(tmp_path / "B.zip", 70)
    write_zip(tmp_path / "C.zip", 70)
    assert wearable(tmp_path).sfreqs["eda"] == 4.0


def test_a_session_that_fails_in_cleaning_leaves_its_person_the_others(tmp_path):
    root = tmp_path / "in"
    write_zip(root / "P1" / "morning.zip", 130)
    write_zip(root / "P1" / "noon.zip", 130, started=STARTED + 9000)
    write_clip(root / "P1" / "clip", SLOW_PPG)
    write_zip(root / "P2.zip", 130)
    dataset = wearable(root)
    out = save_features(dataset, root, default_recipe(dataset), tmp_path / "out.zarr")
    table = open_features(out)
    kept = {*zip(table["subject"].values.tolist(), table["trial"].values.tolist(), strict=True)}
    assert kept == {("P1", "morning.zip"), ("P1", "noon.zip"), ("P2", "P2.zip")}
    [left] = read_exclusions(out)
    assert (left.subject, left.trial, left.expected) == ("P1", "clip.csv", False)
    assert "10 Hz" in left.reason
    with pytest.raises(DataError, match="10 Hz"):
        save_features(dataset, root, default_recipe(dataset), tmp_path / "strict.zarr", strict=True)


def test_a_session_without_a_sample_leaves_its_person_the_others(tmp_path):
    write_zip(tmp_path / "P1" / "a.zip", 70)
    table = write_clip(tmp_path / "P1" / "clip", CLIP)
    table.write_text("gsr,light\n")
    trials, [left] = read(tmp_path)
    assert [*trials] == [("P1", "a.zip")]
    assert (left.subject, left.trial) == ("P1", "clip.csv")


def test_a_broken_map_costs_the_tables_it_is_for(tmp_path):
    write_zip(tmp_path / "S01.zip", 70)
    write_clip(tmp_path / "S02", "nonsense")
    write_zip(tmp_path / "S02" / "wrist.zip", 70)
    (tmp_path / "S02" / "below").mkdir()
    (tmp_path / "S02" / "below" / "more.csv").write_text("gsr\n3.0\n")
    write_clip(tmp_path / "S03", CLIP)
    trials, left = read(tmp_path)
    assert {*trials} == {("S01", "S01.zip"), ("S02", "wrist.zip"), ("S03", "clip.csv")}
    assert {(one.subject, one.trial) for one in left} == {("S02", "clip.csv"), ("S02", "more.csv")}
    for one in left:
        assert str(tmp_path / "S02" / "physioaffect.toml") in one.reason
        assert "is no TOML" in one.reason
    # When it is mended, everything is made anew.
    assert tmp_path / "S02" / "physioaffect.toml" in wearable(tmp_path).files(tmp_path)


def test_a_broken_map_of_nothing_is_listed(tmp_path):
    write_zip(tmp_path / "S01.zip", 70)
    (tmp_path / "physioaffect.toml").write_text("nonsense")
    [listed] = find_recordings(tmp_path).passed_over
    assert listed.path == tmp_path / "physioaffect.toml"
    assert "is no TOML" in listed.reason
    assert wearable(tmp_path).layout.endswith(f"1 other files and folders were passed over. {listed.reason}")
    assert [*read(tmp_path)[0]] == [("S01", "S01.zip")]
    # Nor does one recording that needs no map fail for it.
    assert [*read(tmp_path / "S01.zip")[0]] == [("S01", "S01.zip")]


def test_a_map_below_a_broken_one_counts(tmp_path):
    (tmp_path / "physioaffect.toml").write_text("nonsense")
    write_clip(tmp_path / "S01", CLIP)
    assert [*read(tmp_path)[0]] == [("S01", "clip.csv")]


def test_tables_below_a_broken_map_are_not_read_by_one_further_above(tmp_path):
    write_clip(tmp_path / "S01", CLIP)
    (tmp_path / "physioaffect.toml").write_text(CLIP)
    (tmp_path / "S01" / "physioaffect.toml").write_text("nonsense")
    with pytest.raises(DataError, match=r"none can be read.*is no TOML"):
        wearable(tmp_path)


LOST = {
    "hr": {"HR.csv": ""},
    "hr without samples": {"HR.csv": f"{STARTED}.0\n1.0\n"},
    "tags": {"tags.csv": "hello\n"},
    "ibi": {"IBI.csv": session(70)["IBI.csv"].rstrip() + "\n2"},
}


@pytest.mark.parametrize("how", LOST)
def test_what_the_device_derived_costs_its_own_signal_only(how, tmp_path):
    [(name, text)] = LOST[how].items()
    folder = write_folder(tmp_path / "S02", 70)
    (folder / name).write_text(text)
    write_zip(tmp_path / "S03.zip", 70)
    trials, [left] = read(tmp_path)
    trial, whole = trials["S02", "S02"], trials["S03", "S03.zip"]
    signal = how.split()[0]
    assert (left.subject, left.trial, left.expected) == ("S02", "S02", False)
    assert left.reason.startswith(str(folder / name))
    assert left.reason.endswith(f"The session is read without {signal}.")
    assert any(name in tag for tag in trial.tags)
    if signal == "hr":
        assert (trial.signal("hr").flags == Flag.GAP).all()
    else:
        assert isinstance(whole.signals[signal], Events)
        assert signal not in trial.signals
    for one in ("eda", "ppg", "acc", "temperature"):
        assert np.isfinite(trial.signal(one).data).all()


def test_a_lost_signal_is_in_the_table_with_its_reason(tmp_path):
    root = tmp_path / "in"
    (write_folder(root / "S01", 70) / "HR.csv").write_text("")
    write_zip(root / "S02.zip", 70)
    dataset = wearable(root)
    recipe = default_recipe(dataset, families=["eda", "hr"], cleaning=())
    out = save_features(dataset, root, recipe, tmp_path / "out.zarr")
    table = open_features(out)
    is_first = table["subject"].values == "S01"
    assert np.isfinite(table["eda"].values[is_first]).any()
    # That of the beats stands in for the device's, and the tags say so.
    assert np.isfinite(table["hr"].values[is_first]).all()
    tags = [str(text) for text in table["tags"].values]
    assert [tag.endswith("heart rate made of the beats in its ppg") for tag in tags] == is_first.tolist()
    # Without beats there is none.
    without = replace(recipe, cleaning=())
    table = open_features(save_features(dataset, root, without, tmp_path / "without.zarr"))
    assert np.isnan(table["hr"].values[is_first]).all()
    assert (table["coverage_hr"].values[is_first] == 0).all()
    [left] = read_exclusions(out)
    assert (left.subject, left.trial) == ("S01", "S01")
    with pytest.raises(DataError, match=r"HR.csv holds no samples"):
        [*dataset.read(root)]


def cut(text: str) -> str:
    return text[: len(text) // 2] + "\n,,"


MEASURED = {
    "empty": {"EDA.csv": ""},
    "cut": {"ACC.csv": cut(session(70)["ACC.csv"])},
    "a broken line": {"TEMP.csv": session(70)["TEMP.csv"].replace("33.", "33,", 1)},
    "no header": {"BVP.csv": session(70)["BVP.csv"].split("\n", 2)[2]},
    "milliseconds": {"EDA.csv": session(70, started=STARTED * 1000)["EDA.csv"]},
    "another day": {"EDA.csv": session(70, started=STARTED + 10 * 86_400)["EDA.csv"]},
    "another encoding": {"EDA.csv": "\ufeff" + session(70)["EDA.csv"]},
}


@pytest.mark.parametrize("how", MEASURED)
def test_every_broken_export_is_reported_and_the_rest_is_read(how, tmp_path):
    folder = write_folder(tmp_path / "S02", 70)
    for name, text in MEASURED[how].items():
        (folder / name).write_text(text, encoding="utf-16-le" if how == "another encoding" else "utf-8")
    write_zip(tmp_path / "S03.zip", 70)
    left: list[Exclusion] = []
    assert [trial.subject for trial in wearable(tmp_path).read(tmp_path, report=left.append)] == ["S03"]
    assert [one.subject for one in left] == ["S02"]
    assert str(folder / next(iter(MEASURED[how]))) in left[0].reason


def test_a_missing_file_costs_its_signal_only(tmp_path):
    (write_folder(tmp_path / "S02", 70) / "EDA.csv").unlink()
    write_zip(tmp_path / "S03.zip", 70)
    first, second = wearable(tmp_path).read(tmp_path)
    assert np.isnan(first.signal("eda").data).all()
    assert np.isfinite(first.signal("acc").data).all()
    assert np.isfinite(second.signal("eda").data).all()
