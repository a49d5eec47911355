"""Every device with a heart in it gets a heart rate: its own where it tells one, else that of its beats."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal
from support.hearts import ecg_of, ppg_of
from support.wearables import write_folder, write_zip

from physioaffect.data_set import DataSet
from physioaffect.datasets import get, wearable
from physioaffect.errors import DataError
from physioaffect.features import default_recipe, extract, features_of_trial
from physioaffect.features.recipe import Recipe
from physioaffect.quality_report.session_view import view_of
from physioaffect.recording import Events
from physioaffect.signals.beats import BeatsFromECG, BeatsFromPPG, BeatsOfHeart
from physioaffect.signals.quality import MarkQuality

MADE_OF_PPG = "heart rate made of the beats in its ppg"


def write_pulse(
    folder: Path,
    *,
    name: str = "ppg",
    sfreq: float = 64.0,
    duration: float = 240,
    gap: tuple[float, float] | None = None,
    make: Callable[..., np.ndarray] = ppg_of,
) -> Path:
    """Write a text table of a heart that beats once a second, and its map."""
    x = make(np.arange(0.5, duration, 1.0), sfreq=sfreq, duration=duration)
    if gap is not None:
        x[slice(*(round(edge * sfreq) for edge in gap))] = np.nan
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "physioaffect.toml").write_text(
        f'device = "Clip"\n[[signals]]\nname = "{name}"\ncolumns = ["light"]\nunit = "au"\nsfreq = {sfreq}\n'
    )
    values = ("" if np.isnan(value) else f"{value:.5f}" for value in x)
    (folder / "a.csv").write_text("light\n" + "\n".join(value or '""' for value in values) + "\n")
    return folder


def table_of(root: Path, recipe: Recipe, dataset: DataSet | None = None) -> xr.Dataset:
    return extract(dataset or wearable(root), root, recipe, strict=True).features


def finder(recipe: Recipe) -> object:
    return recipe.cleaning[-1]


def names(recipe: Recipe) -> set[str]:
    return {family.name for family in recipe.features}


@pytest.mark.parametrize(
    ("name", "sfreq", "make", "step"),
    [("ppg", 64.0, ppg_of, BeatsFromPPG), ("ecg", 250.0, ecg_of, BeatsFromECG)],
)
def test_a_heart_that_beats_once_a_second_has_60_bpm_but_in_the_gap(
    name: str, sfreq: float, make: Callable[..., np.ndarray], step: type, tmp_path: Path
) -> None:
    root = write_pulse(tmp_path / "P1", name=name, sfreq=sfreq, make=make, gap=(90, 150))
    recipe = default_recipe(wearable(root), window=30, step=30)
    assert names(recipe) == {"hr", "hrv"}
    assert finder(recipe) == step(rate_sfreq=1.0)
    table = table_of(root, recipe)
    coverage, mean = table["coverage_hr"].values, table["hr"].sel(hr_feature="mean").values
    # Windows 3 and 4 are the gap. Some seconds on either side a beat lacks the others it is held against.
    assert_array_equal(coverage[3:5], 0)
    assert (coverage < 1).sum() >= 4
    is_covered = coverage >= 0.8
    assert is_covered.sum() >= 4
    np.testing.assert_allclose(mean[is_covered], 60, atol=0.2)
    assert np.isnan(table["hr"].values[~is_covered]).all()
    # Nothing need be said where all rates come from beats: the recipe does.
    assert set(table["tags"].values) == {"device Clip"}


def test_hr_may_be_asked_for_alone(tmp_path: Path) -> None:
    root = write_pulse(tmp_path / "P1")
    recipe = default_recipe(wearable(root), families=["hr"])
    assert recipe.cleaning == (MarkQuality(), BeatsFromPPG(rate_sfreq=1.0))
    assert table_of(root, recipe)["hr"].sel(hr_feature="mean").values[5] == pytest.approx(60, abs=0.2)


def test_of_an_e4_the_devices_rate_stays_as_it_is(tmp_path: Path) -> None:
    write_zip(tmp_path / "S01.zip", 180)
    dataset = wearable(tmp_path)
    alone = default_recipe(dataset, families=["hr"], cleaning=(MarkQuality(),))
    assert finder(alone) == BeatsFromPPG(rate_sfreq=1.0, keeps_own_rate=True)
    every = default_recipe(dataset)
    without = default_recipe(dataset, families=["hr"], cleaning=(MarkQuality(), BeatsFromPPG()))
    expected = table_of(tmp_path, without)
    assert np.isfinite(expected["hr"].values).all()
    for recipe in (alone, every):
        table = table_of(tmp_path, recipe)
        assert_array_equal(table["hr"].values, expected["hr"].values)
        assert_array_equal(table["coverage_hr"].values, expected["coverage_hr"].values)
        assert set(table["tags"].values) == {"device Empatica E4"}
    # Other keys, so that nobody is served a table in which recordings without a rate have none.
    assert alone.to_json() != without.to_json()


def test_in_one_folder_each_recording_has_its_own_rate_or_that_of_its_beats(tmp_path: Path) -> None:
    write_zip(tmp_path / "S01.zip", 240)
    (write_folder(tmp_path / "S02", 240) / "HR.csv").unlink()
    (write_folder(tmp_path / "S03", 240) / "HR.csv").write_text("nonsense")
    write_pulse(tmp_path / "clip", gap=(120, 240))
    dataset = wearable(tmp_path)
    recipe = default_recipe(dataset, families=["hr", "temperature"])
    assert Recipe.from_json(recipe.to_json()) == recipe
    found = extract(dataset, tmp_path, recipe)
    # HR.csv of S03 is lost and said; nothing else is.
    assert [one.subject for one in found.exclusions] == ["S03"]
    own = dict(found.features.groupby("subject"))
    tags = {who: {*"; ".join(set(part["tags"].values)).split("; ")} for who, part in own.items()}
    assert tags["S01"] == {"device Empatica E4"}
    assert tags["clip"] == {"device Clip", MADE_OF_PPG}
    assert MADE_OF_PPG in tags["S02"] & tags["S03"]
    means = {who: part["hr"].sel(hr_feature="mean").values for who, part in own.items()}
    [device] = [trial.signal("hr") for trial in dataset.read(tmp_path, subjects=["S01"])]
    own_mean = device.data[0, (device.times >= 60) & (device.times < 120)].mean()
    assert means["S01"][6] == pytest.approx(own_mean, rel=1e-12)
    # The same heart as that of S01: beats 0.8 s apart.
    np.testing.assert_allclose(means["S02"][6], 75, atol=1)
    assert_array_equal(means["S02"], means["S03"])
    np.testing.assert_allclose(means["clip"][2], 60, atol=0.2)
    assert np.isnan(means["clip"][12:]).all()
    assert_array_equal(own["clip"]["coverage_hr"].values[13:], 0)


def test_ecg_and_pulse_in_one_folder_and_a_recording_of_neither(tmp_path: Path) -> None:
    write_zip(tmp_path / "S01.zip", 180)
    write_pulse(tmp_path / "chest", name="ecg", sfreq=250.0, make=ecg_of, duration=180)
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "physioaffect.toml").write_text(
        '[[signals]]\nname = "temperature"\ncolumns = ["t"]\nunit = "degC"\nsfreq = 4.0\n'
    )
    (tmp_path / "ring" / "a.csv").write_text("t\n" + "33.0\n33.1\n" * 360)
    dataset = wearable(tmp_path)
    recipe = default_recipe(dataset, families=["hr"])
    assert isinstance(finder(recipe), BeatsOfHeart)
    table = table_of(tmp_path, recipe)
    by_person = dict(table.groupby("subject"))
    assert by_person["chest"]["hr"].sel(hr_feature="mean").values[5] == pytest.approx(60, abs=0.2)
    assert "heart rate made of the beats in its ecg" in by_person["chest"]["tags"].values[0]
    assert np.isnan(by_person["ring"]["hr"].values).all()
    assert_array_equal(by_person["ring"]["coverage_hr"].values, 0)
    assert by_person["S01"]["coverage_hr"].values[5] == 1


def test_a_pulse_too_slow_for_beats_costs_nothing_but_them(tmp_path: Path) -> None:
    root = tmp_path / "P1"
    root.mkdir()
    (root / "physioaffect.toml").write_text(
        "".join(
            f'[[signals]]\nname = "{name}"\ncolumns = ["{name}"]\nunit = "{unit}"\nsfreq = 10.0\n'
            for name, unit in (("ppg", "au"), ("eda", "uS"))
        )
    )
    (root / "a.csv").write_text("ppg,eda\n" + "1.0,2.0\n1.1,2.0\n" * 600)
    dataset = wearable(root)
    recipe = default_recipe(dataset)
    assert names(recipe) == {"eda"}
    assert table_of(root, recipe).sizes["window"] == 7
    for family, lacking in (("hr", "hr"), ("hrv", "ibi")):
        with pytest.raises(
            DataError,
            match=rf"Features {family} need {lacking}; .* has eda, ppg\. Beats are found in an ecg of 50 Hz "
            r"or a ppg of 20 Hz or more; BeatsFromECG\(rate_sfreq=1\)",
        ):
            default_recipe(dataset, families=[family])


def test_a_step_given_that_finds_beats_says_whether_there_is_a_rate(tmp_path: Path) -> None:
    dataset = wearable(write_pulse(tmp_path / "P1"))
    assert names(default_recipe(dataset, cleaning=(BeatsFromPPG(),))) == {"hrv"}
    with pytest.raises(DataError, match=r"Features hr need hr; .*BeatsFromPPG\(rate_sfreq=1\) among the"):
        default_recipe(dataset, families=["hr"], cleaning=(BeatsFromPPG(),))
    steps = (BeatsFromPPG(rate_sfreq=2.0),)
    recipe = default_recipe(dataset, cleaning=steps)
    assert (names(recipe), recipe.cleaning) == ({"hr", "hrv"}, steps)


def test_data_sets_that_somebody_looked_through_are_as_they_were() -> None:
    for name in ("wesad", "wesad_chest", "stress_predict", "dreamer", "deap"):
        dataset = get(name)
        recipe = default_recipe(dataset)
        assert recipe.cleaning == ()
        assert ("hr" in names(recipe)) == ("hr" in dataset.sfreqs)
        if "hr" not in dataset.sfreqs:
            with pytest.raises(DataError, match="Features hr need hr; "):
                default_recipe(dataset, families=["hr"])
    with_beats = json.loads(default_recipe(get("wesad_chest"), families=["hrv"]).to_json())
    assert with_beats["cleaning"][0]["settings"]["rate_sfreq"] is None


def test_the_page_shows_the_rate_and_says_where_it_comes_from(tmp_path: Path) -> None:
    write_zip(tmp_path / "S01.zip", 240)
    (write_folder(tmp_path / "S02", 240) / "HR.csv").unlink()
    dataset = wearable(tmp_path)
    told, made = (view_of(trial, default_recipe(dataset)) for trial in dataset.read(tmp_path))
    assert told.coverage["hr"] > 0.9
    assert MADE_OF_PPG not in told.notes
    assert made.coverage["hr"] > 0.9
    assert MADE_OF_PPG in made.notes
    assert not made.lacking


# Real recordings.


def test_a_real_embraceplus_has_the_rate_of_its_beats(real_data: Path) -> None:
    pytest.importorskip("fastavro")
    root = real_data / "realdata" / "embraceplus"
    dataset = wearable(root)
    recipe = default_recipe(dataset)
    assert "hr" in names(recipe)
    [trial] = dataset.read(root)
    table = features_of_trial(trial, recipe)
    for step in recipe.cleaning:
        trial = step(trial)
    ibi, hr = trial.signals["ibi"], trial.signal("hr")
    assert isinstance(ibi, Events)
    n_compared = 0
    for window in np.flatnonzero(table["coverage_hr"].values >= 0.8):
        start = table["start"].values[window]
        within = ibi.crop(start, start + 60).values
        expected = 60 / np.nanmean(within)
        assert table["hr"].sel(hr_feature="mean").values[window] == pytest.approx(expected, rel=0.02)
        n_compared += 1
    assert n_compared > 3
    # A wrist that moves: where no interval is trusted there is no rate.
    assert np.isfinite(hr.data).mean() == pytest.approx(np.nansum(ibi.values) / hr.duration, abs=0.01)


def test_a_real_ecg_without_a_heart_has_a_rate_without_numbers(real_data: Path) -> None:
    # The electrodes of this recording hang loose.
    path = real_data / "realdata" / "devicely" / "faros_testfile_read.EDF"
    recipe = default_recipe(wearable(path), window=20, step=10)
    assert names(recipe) == {"hr", "motion", "hrv"}
    table = table_of(path, recipe)
    assert table.sizes["window"] == 6
    assert np.isnan(table["hr"].values).all()
    assert_array_equal(table["coverage_hr"].values, 0)
    assert np.isfinite(table["motion"].values).any()


def test_a_real_e4_keeps_its_rate(real_data: Path) -> None:
    path = real_data / "realdata" / "stress_predict" / "S13_E4.zip"
    dataset = wearable(path)
    own, without = (
        table_of(path, default_recipe(dataset, families=["hr"], cleaning=steps))
        for steps in ((), (BeatsFromPPG(),))
    )
    assert_array_equal(own["hr"].values, without["hr"].values)
    [trial] = dataset.read(path)
    assert finder(default_recipe(dataset))(trial).signals["hr"] is trial.signals["hr"]  # type: ignore[operator]
