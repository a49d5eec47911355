"""Several data sets in one table: what is kept, what is refused, and what evaluation makes of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal
from support.tables import VALENCE, feature_table

from physioaffect.datasets import DEAP, DREAMER, SEED, World
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import evaluate, make_table
from physioaffect.evaluation.joined import common_task, join_features
from physioaffect.features import default_recipe, extract
from physioaffect.recording import Trial


def table(name: str, channels: tuple[str, ...] = ("F3", "Cz", "F4"), **sizes: Any) -> xr.Dataset:
    made = feature_table(**sizes)
    made = made.assign_coords(dataset=("window", np.full(made.sizes["window"], name)))
    return made.assign_coords(channel=list(channels))


def test_common_channels_are_kept_by_name_in_the_order_of_the_first():
    one, two = table("one", ("F3", "Cz", "F4")), table("two", ("F4", "Oz", "F3"), seed=1)
    joined = join_features([one, two])
    assert joined["channel"].values.tolist() == ["F3", "F4"]
    n_windows = one.sizes["window"]
    assert joined.sizes["window"] == n_windows + two.sizes["window"]
    assert_array_equal(joined["de"].values[:n_windows], one["de"].values[:, [0, 2]])
    assert_array_equal(joined["de"].values[n_windows:], two["de"].values[:, [2, 0]])
    for name in one.coords:
        if one[name].dims == ("window",) and name != "tags":  # What was dropped is added to these.
            assert_array_equal(joined[name].values[:n_windows], one[name].values)


def test_what_was_dropped_is_said_and_reaches_the_notes_of_a_run():
    one, two = table("one", ("F3", "Cz", "F4")), table("two", ("F4", "Oz", "F3"))
    two = two.assign_coords(tags=("window", np.full(two.sizes["window"], "simulated")))
    joined = join_features([one, two])
    assert joined.attrs["joined"] == (
        "Of one, joined with others, 1 of its 3 channels were dropped (Cz). "
        "Of two, joined with others, 1 of its 3 channels were dropped (Oz)."
    )
    assert set(joined["tags"].values) == {
        "of one, joined with others, 1 of its 3 channels were dropped (Cz)",
        "simulated; of two, joined with others, 1 of its 3 channels were dropped (Oz)",
    }
    same = join_features([one, table("two")])
    assert same.attrs["joined"] == "Nothing was dropped, and nothing differs."
    assert set(same["tags"].values) == {""}


def test_units_that_differ_are_said():
    one, two = table("one"), table("two")
    one["de"].attrs |= {"unit": "nat", "signal_unit": "au"}
    two["de"].attrs |= {"unit": "nat", "signal_unit": "V"}
    joined = join_features([one, two])
    assert "its recordings are in V and those of one in au" in joined.attrs["joined"]
    assert joined["de"].attrs == {"unit": "nat"}


def test_ratings_are_united():
    two = table("two")
    two = two.assign_coords(liking=("window", np.full(two.sizes["window"], 3.0)))
    joined = join_features([table("one"), two])
    assert np.isnan(joined["liking"].values[: len(joined["liking"]) // 2]).all()
    assert (joined["liking"].values[len(joined["liking"]) // 2 :] == 3).all()
    assert np.isfinite(joined["valence"].values).all()


def of_pairs(name: str, pairs: list[str]) -> xr.Dataset:
    made = table(name).drop_dims(["channel", "band"])
    values = np.zeros((made.sizes["window"], len(pairs)))
    return made.assign(covariance=xr.DataArray(values, dims=("window", "pair"), coords={"pair": pairs}))


def test_pairs_of_electrodes_are_matched_by_name_and_never_turned():
    one, two = of_pairs("one", ["F3-F4", "F3-Cz", "F4-Cz"]), of_pairs("two", ["F3-F4", "F3-Oz"])
    assert join_features([one, two])["pair"].values.tolist() == ["F3-F4"]
    with pytest.raises(DataError, match=r"has the pair F3-F4 and another F4-F3: .*features of channels"):
        join_features([one, of_pairs("two", ["F4-F3", "F3-Cz"])])


def other_bands(made: xr.Dataset) -> xr.Dataset:
    return made.assign_coords(band=["theta", "beta"])


def other_length(made: xr.Dataset) -> xr.Dataset:
    return made.assign_coords(duration=("window", np.full(made.sizes["window"], 4.0)))


def other_setting(made: xr.Dataset) -> xr.Dataset:
    made["de"].attrs["estimator"] = "welch"
    return made


def other_smoothing(made: xr.Dataset) -> xr.Dataset:
    return made.assign_attrs(recipe='{"smoothing": ["lds"]}')


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (other_bands, r"the bands of de are alpha, beta and theta, beta\. Extract both with one recipe"),
        (other_length, r"windows last \[2\.0\] s and \[4\.0\] s"),
        (other_setting, r'estimator of de is "stft" and "welch"'),
        (other_smoothing, r'smoothing is \[\] and \["lds"\]'),
        (lambda made: made.rename(de="power"), "one has the families de, two has power"),
        (lambda made: made.isel(band=0, drop=True), "de is window x channel x band and window x channel"),
        (
            lambda made: made.assign_coords(channel=["a", "b", "c"]),
            r"one and two have no channel in common: F3, Cz",
        ),
    ],
)
def test_what_must_not_differ_is_refused(change, sentence):
    one, two = table("one"), table("two")
    for made in (one, two):
        made["de"].attrs["estimator"] = "stft"
        made.attrs["recipe"] = '{"smoothing": []}'
    with pytest.raises(DataError, match=sentence):
        join_features([one, change(two)])


def test_features_of_the_sampling_rate_are_refused_between_rates():
    assert DREAMER.sfreqs["eeg"] == DEAP.sfreqs["eeg"] != SEED.sfreqs["eeg"]
    made = {name: table(name).rename(de="line_length") for name in ("dreamer", "deap", "seed")}
    join_features([made["dreamer"], made["deap"]])
    with pytest.raises(
        DataError, match=r"line_length depends on the sampling rate, which is \[128.*\] Hz and \[200"
    ):
        join_features([made["dreamer"], made["seed"]])


@pytest.mark.parametrize("names", [("one", "one"), ("deap", "deap_original"), ("wesad", "wesad_chest")])
def test_the_same_people_are_not_joined(names):
    with pytest.raises(
        DataError, match=rf"{names[0]} and {names[1]} have people in common.*Join one of them"
    ):
        join_features([table(name) for name in names])


def test_one_table_is_not_joined():
    with pytest.raises(DataError, match="at least two feature tables, got 1"):
        join_features([table("one")])
    with pytest.raises(DataError, match="lacks the coordinate dataset"):
        join_features([table("one").drop_vars("dataset"), table("two")])


def trial(dataset: str, valence: float) -> Trial:
    return Trial(
        dataset=dataset, subject="1", trial="1", stimulus="1", signals={}, ratings={"valence": valence}
    )


def test_each_trial_is_labelled_by_the_rule_of_its_own_data_set():
    task = common_task([DREAMER, "deap"], "valence")
    assert (task.kind, task.classes, task.source) == ("binary", ("low", "high"), "rating")
    # Of DREAMER's five grades 4 is high; of DEAP's nine 5 is still low.
    assert task.target(trial("dreamer", 4)) == "high"
    assert task.target(trial("deap", 4)) == "low"
    assert task.target(trial("deap", 5.1)) == "high"
    assert DREAMER.tasks["valence"].description in task.description
    assert DEAP.tasks["valence"].description in task.description
    with pytest.raises(
        ProtocolError, match="labels trials of dreamer, deap, but the table has trials of seed"
    ):
        task.target(trial("seed", 4))


@pytest.mark.parametrize(
    ("datasets", "name", "sentence"),
    [
        (["dreamer"], "valence", "at least two data sets"),
        ("dreamer", "valence", "at least two data sets"),
        (["dreamer", "deep"], "valence", "There is no data set 'deep': use one of deap"),
        (["dreamer", "deap"], "liking", "DREAMER has no task 'liking': it has valence"),
        (["seed", "seed_iv"], "emotion", "emotion of seed_iv has the classes .*not the same task"),
    ],
)
def test_tasks_that_do_not_agree_are_refused(datasets, name, sentence):
    with pytest.raises(ProtocolError, match=sentence):
        common_task(datasets, name)


def test_ratings_and_stimuli_are_no_common_source():
    from_stimulus = replace(DEAP.tasks["valence"], source="stimulus")
    other = replace(DEAP, tasks={"valence": from_stimulus})
    with pytest.raises(
        ProtocolError, match="valence of deap has the source stimulus, that of dreamer rating"
    ):
        common_task([DREAMER, other], "valence")


def test_people_of_one_name_in_two_data_sets_stay_two():
    joined = join_features([table("one", n_subjects=2), table("two", n_subjects=2)])
    made, _ = make_table(joined, VALENCE)
    assert sorted(set(made.people)) == ["one/S1", "one/S2", "two/S1", "two/S2"]


@pytest.fixture(scope="module")
def dreamer_and_deap(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Six people each, in worlds where affect is strong and people hardly differ otherwise."""
    root: Path = tmp_path_factory.mktemp("joined")
    recipe = default_recipe(DEAP)
    tables = []
    for dataset in (DREAMER, DEAP):
        assert dataset.simulate is not None
        where = dataset.simulate(
            root / dataset.name,
            World(affect=4.0, subject=0.5, trial=0.5),
            n_subjects=6,
            n_clips=12,
            max_seconds=15.0,
        )
        tables.append(extract(dataset, where, recipe).features)
    return join_features(tables)


def test_dreamer_to_deap_and_back_the_whole_way(dreamer_and_deap, tmp_path):
    joined, protocols = dreamer_and_deap, ["cross_dataset", "cross_dataset_transductive"]
    assert joined.sizes["channel"] == 14  # All of DREAMER's are among DEAP's.
    assert "18 of its 32 channels were dropped" in joined.attrs["joined"]
    assert "its recordings are in V and those of dreamer in au" in joined.attrs["joined"]
    result = evaluate(
        joined,
        task=common_task([DREAMER, DEAP], "valence"),
        protocols=protocols,
        models=["lda"],
        out=tmp_path / "out",
    )
    own = result.predictions.query("model == 'lda'")
    assert set(own["fold"]) == {"dreamer", "deap"}
    assert (own["fold"] == own["dataset"]).all()
    cells = result.cells()
    # 144 trials: a coin lies within 0.5 +- 0.12 in 99.7 % of all worlds. Standardised within each person the
    # offset between the units is gone, and affect is found.
    assert cells["cross_dataset_transductive", "lda", "trial", "balanced_accuracy"].mean > 0.62
    assert any("18 of its 32 channels were dropped" in note for note in result.run["table"]["notes"])


def test_one_data_set_is_not_crossed(tmp_path):
    with pytest.raises(ProtocolError, match=r"there is only made\. Join the feature tables of several"):
        evaluate(
            feature_table(), task=VALENCE, protocols=["cross_dataset"], models=["lda"], out=tmp_path / "out"
        )
