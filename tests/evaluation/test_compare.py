import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.multitest import multipletests
from support.tables import VALENCE, feature_table

from physioaffect.errors import ProtocolError, RunError
from physioaffect.evaluation import Result, evaluate
from physioaffect.evaluation.sweeps.compare import compare, records
from physioaffect.evaluation.sweeps.compare_page import _axis, render_comparisons, write_comparisons

HOLDS_OUT = {"loso": "subject", "within_subject_trial": "trial", "window_random": "window"}
BASELINES = ("majority", "clock_1nn")
PEOPLE = [f"S{number}" for number in range(1, 10)]


def made(  # noqa: PLR0913  All but two are named.
    folder: Path,
    values: dict[str, Any],
    *,
    name: str = "study",
    seed: int = 0,
    metric: str = "macro_f1",
    people: list[str] | None = None,
    protocols: tuple[str, ...] = ("loso",),
    features: str = "de",
    changes: dict[str, Any] | None = None,
) -> Path:
    """Write a run as evaluate leaves it, whose models' scores by trial and by window are ``values``."""
    people = people or PEOPLE
    models = [model for model in values if model not in BASELINES]
    run: dict[str, Any] = {
        "request": {
            "data": {"dataset": name, "source_hash": f"of {name}"},
            "recipe": {"features": [{"name": features}]},
            "models": {model: {"class": model} for model in models},
            "seed": seed,
            "versions": {"numpy": "2.0"},
        },
        "dataset": {"name": name},
        "task": {
            "name": "valence",
            "kind": "binary",
            "classes": ["low", "high"],
            "description": "",
            "source": "",
        },
        "table": {"labels": f"labels of {name}", "n_windows": 90, "simulated": False},
        "protocols": [
            {
                "name": protocol,
                "holds_out": HOLDS_OUT[protocol],
                "claim": None if protocol == "window_random" else "A claim.",
                "folds": f"f{seed}",
            }
            for protocol in protocols
        ],
        "models": models,
        "baselines": [model for model in values if model in BASELINES],
        "exclusions": [],
    }
    for path, value in (changes or {}).items():
        *above, last = path.split(".")
        inner = run
        for key in above:
            inner = inner[int(key)] if isinstance(inner, list) else inner[key]
        inner[last] = value
    rows = [
        (protocol, model, level, subject, metric, value, 10)
        for protocol in protocols
        for model, scores in values.items()
        for level in ("trial", "window")
        for subject, value in [
            ("(pooled)", 0.123),
            *zip(people, np.broadcast_to(scores, len(people)), strict=True),
        ]
    ]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    columns = ["protocol", "model", "level", "subject", "metric", "value", "n"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "scores.parquet")
    pd.DataFrame({"subject": people}).to_parquet(folder / "predictions.parquet")
    return folder


def scores_of(rng: np.random.Generator, mean: float) -> np.ndarray:
    return np.clip(mean + 0.1 * rng.standard_normal(len(PEOPLE)), 0, 1)


@pytest.fixture
def three_seeds(tmp_path):
    """Three seeds of three models and two baselines, and their scores as an array (seed, model, person)."""
    rng = np.random.default_rng(1)
    models = {"good": 0.7, "fair": 0.65, "bad": 0.5, "majority": 0.4, "clock_1nn": 0.6}
    values = np.array([[scores_of(rng, mean) for mean in models.values()] for _ in range(3)])
    for seed in range(3):
        own = dict(zip(models, values[seed], strict=True))
        made(tmp_path / f"run{seed}", own, seed=seed, protocols=("loso", "within_subject_trial"))
    return tmp_path, values


@pytest.mark.parametrize(
    ("protocol", "factor"),
    # Nadeau & Bengio 2003, with one person in nine tested: 1/9 + 1/8 instead of 1/9.
    [("loso", 1 / 9 + 1 / 8), ("within_subject_trial", 1 / 9)],
)
def test_the_table_equals_pandas_and_scipy_by_hand(three_seeds, protocol, factor):
    folder, values = three_seeds
    table = compare([folder]).table.query("protocol == @protocol").set_index("model")
    assert list(table.index) == ["good", "fair", "bad", "majority", "clock_1nn"]
    for number, model in enumerate(table.index):
        by_person = values[:, number].mean(axis=0)
        sd = by_person.std(ddof=1)
        low, high = stats.t.interval(0.95, 8, by_person.mean(), sd * np.sqrt(factor))
        row = table.loc[model]
        assert_allclose(
            row[["mean", "low", "high", "sd", "sd_seeds"]].astype(float),
            [by_person.mean(), low, high, sd, values[:, number].mean(axis=1).std(ddof=1)],
            rtol=1e-12,
        )
        assert (row["n_subjects"], row["n_seeds"]) == (9, 3)
    assert table["is_baseline"].tolist() == [False, False, False, True, True]


def test_the_pairs_equal_scipy_and_statsmodels_by_hand(three_seeds):
    folder, values = three_seeds
    means = dict(zip(["good", "fair", "bad"], values.mean(axis=0), strict=False))
    for protocol, pairs in compare([folder]).pairs.groupby("protocol"):
        expected, decisive = [], []
        for a, b in (("good", "fair"), ("good", "bad"), ("fair", "bad")):
            d = means[a] - means[b]
            factor = 1 / 9 + 1 / 8 if protocol == "loso" else 1 / 9
            low, high = stats.t.interval(0.95, 8, d.mean(), d.std(ddof=1) * np.sqrt(factor))
            flips = stats.permutation_test(
                (means[a], means[b]),
                lambda x, y: np.mean(x - y),
                permutation_type="samples",
                n_resamples=1000,
            )
            wilcoxon = stats.wilcoxon(d, zero_method="pratt").pvalue
            expected.append((d.mean(), low, high, wilcoxon, flips.pvalue, d.mean() / d.std(ddof=1)))
            corrected = 2 * stats.t.sf(abs(d.mean()) / (d.std(ddof=1) * np.sqrt(factor)), 8)
            decisive.append(corrected if protocol == "loso" else flips.pvalue)
        shown = ["difference", "low", "high", "p_wilcoxon", "p_sign_flip", "effect_size"]
        assert_allclose(pairs[shown].to_numpy(dtype=float), expected, rtol=1e-9)
        assert_allclose(pairs["p"], multipletests(decisive, method="holm")[1], rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "holds_out", "method"),
    [
        ("loso_10fold", "subject", "corrected"),
        ("loso_stimulus_3fold", "subject, stimulus", "corrected"),
        ("cross_dataset", "dataset", "corrected"),
        ("calibrated_trials_3", "trial", "corrected"),
        ("front_back_9", "trial", "t"),
        ("cross_session", "session", "t"),
    ],
)
def test_the_interval_knows_where_people_share_training_people(tmp_path, name, holds_out, method):
    scores = scores_of(np.random.default_rng(0), 0.6)
    made(
        tmp_path / "r", {"a": scores}, changes={"protocols.0.name": name, "protocols.0.holds_out": holds_out}
    )
    path = tmp_path / "r" / "scores.parquet"
    pd.read_parquet(path).assign(protocol=name).to_parquet(path)
    assert compare([tmp_path]).table["method"].tolist() == [method]


def test_seeds_are_no_people(tmp_path):
    """Ten seeds of the same scores must not make an interval narrower."""
    scores = {"a": scores_of(np.random.default_rng(0), 0.6), "b": 0.5}
    for seed in range(10):
        made(tmp_path / f"run{seed}", scores, seed=seed)
    one, ten = compare([tmp_path / "run0"]), compare([tmp_path])
    names = ["mean", "low", "high", "sd", "n_subjects"]
    pd.testing.assert_frame_equal(one.table[names], ten.table[names])
    pd.testing.assert_frame_equal(one.pairs, ten.pairs)
    assert ten.table["sd_seeds"].tolist() == [0, 0]
    assert one.table["sd_seeds"].isna().all()


@settings(max_examples=25)
@given(st.permutations(range(3)), st.integers(0, 1000))
def test_the_order_of_the_runs_and_of_seeds_changes_nothing(tmp_path_factory, order, start):
    folder = tmp_path_factory.mktemp("order")
    rng = np.random.default_rng(start)
    paths = [
        made(folder / f"r{seed}", {"a": scores_of(rng, 0.6), "b": scores_of(rng, 0.5)}, seed=seed)
        for seed in range(3)
    ]
    straight, mixed = compare(paths), compare([paths[number] for number in order])
    pd.testing.assert_frame_equal(straight.table, mixed.table)
    pd.testing.assert_frame_equal(straight.pairs, mixed.pairs)
    assert straight.table["mean"].between(straight.table["low"], straight.table["high"]).all()


def test_baselines_are_in_the_table_and_in_pairs_if_asked_for(three_seeds):
    folder, _ = three_seeds
    assert len(compare([folder]).pairs) == 2 * 3
    assert len(compare([folder], baselines=True).pairs) == 2 * 10


def test_the_clock_is_named_where_it_is_as_good_as_the_mean_over_seeds(tmp_path):
    made(tmp_path / "r0", {"a": 0.6, "b": 0.9, "clock_1nn": 0.7}, seed=0)
    made(tmp_path / "r1", {"a": 0.7, "b": 0.4, "clock_1nn": 0.5}, seed=1)
    flags = compare([tmp_path]).table.set_index("model")["flags"]
    assert flags.to_dict() == {"a": "", "b": "", "clock_1nn": ""}  # 0.65 and 0.65 over 0.60.
    assert compare([tmp_path / "r0"]).table["flags"].tolist() == ["clock is as good", "", ""]


def test_a_large_error_is_not_better_than_the_clock(tmp_path):
    made(tmp_path / "r", {"a": 2.0, "b": 1.0, "clock_1nn": 1.5}, metric="rmse")
    assert compare([tmp_path]).table["flags"].tolist() == ["clock is as good", "", ""]


def test_watermarks_stand_beside_every_score_and_pair(tmp_path):
    made(
        tmp_path / "r",
        {"a": 0.6, "b": scores_of(np.random.default_rng(0), 0.5)},
        protocols=("loso", "window_random"),
        changes={"table.simulated": True},
    )
    found = compare([tmp_path])
    assert found.table["flags"].tolist() == ["simulated"] * 2 + ["no claim; simulated"] * 2
    assert found.pairs["flags"].tolist() == ["simulated", "no claim; simulated"]
    assert found.claims["study", "valence", "window_random"] is None
    page = render_comparisons(found)
    assert "Simulated data (study)" in page
    assert "no claim" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table.labels": "others"}, "the labels of their windows differ"),
        ({"table.n_windows": 45}, r"their numbers of windows differ \(90 and 45\)"),
        ({"request.data.source_hash": "others"}, "the files differ"),
        ({"task.classes": ["high", "low"]}, "their classes, or what the task is, differ"),
        ({"task.description": "Above 5."}, "their classes, or what the task is, differ"),
        ({"protocols.0.folds": "others"}, "under loso with seed 0 their folds differ"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, changes, said):
    made(tmp_path / "one", {"a": 0.6})
    made(tmp_path / "two", {"b": 0.6}, changes=changes)
    with pytest.raises(RunError, match=f"one and two cannot be compared: .*{said}"):
        compare([tmp_path])


def test_other_people_with_the_same_labels_are_refused(tmp_path):
    made(tmp_path / "one", {"a": 0.6}, people=["1", "2"])
    made(tmp_path / "two", {"b": 0.6}, people=["3", "4"])
    with pytest.raises(RunError, match="under loso with seed 0 their people differ"):
        compare([tmp_path])


def test_folds_may_differ_between_seeds_tasks_and_data_sets(tmp_path):
    made(tmp_path / "one", {"a": 0.6, "b": 0.5}, seed=0)
    made(tmp_path / "two", {"a": 0.6, "b": 0.5}, seed=1)
    made(tmp_path / "three", {"a": 0.6, "b": 0.5}, name="other")
    made(tmp_path / "four", {"a": 0.6, "b": 0.5}, changes={"task.name": "arousal", "table.labels": "others"})
    table = compare([tmp_path]).table
    assert table[["dataset", "task"]].drop_duplicates().to_numpy().tolist() == [
        ["study", "arousal"], ["study", "valence"], ["other", "valence"]
    ]  # fmt: skip


def test_models_of_two_runs_are_compared_over_the_same_people(tmp_path):
    rng = np.random.default_rng(0)
    a, b = scores_of(rng, 0.7), scores_of(rng, 0.5)
    made(tmp_path / "one", {"a": a, "majority": 0.4})
    made(tmp_path / "two", {"b": b[::-1], "majority": 0.4}, people=PEOPLE[::-1])
    found = compare([tmp_path])
    assert found.table["model"].tolist() == ["a", "majority", "b"]
    assert_allclose(found.pairs["difference"], np.mean(a - b))
    assert_allclose(found.pairs["effect_size"], np.mean(a - b) / np.std(a - b, ddof=1))


def test_the_same_model_of_other_features_or_settings_is_told_apart_by_name(tmp_path):
    made(tmp_path / "one", {"a": 0.6}, features="de")
    made(tmp_path / "two", {"a": 0.7}, features="band_power")
    assert compare([tmp_path]).table["model"].tolist() == ["a (de)", "a (band_power)"]
    made(tmp_path / "three", {"a": 0.5}, features="de", changes={"request.models.a": {"class": "a", "C": 2}})
    assert sorted(compare([tmp_path]).table["model"]) == ["a (#1)", "a (#2)", "a (#3)"]


def test_the_same_run_twice_counts_once_and_with_other_scores_is_refused(tmp_path):
    path = made(tmp_path / "one", {"a": 0.6, "b": 0.5})
    made(tmp_path / "copy", {"a": 0.6, "b": 0.5})
    pd.testing.assert_frame_equal(compare([path]).scores, compare([path, tmp_path, tmp_path / "copy"]).scores)
    made(tmp_path / "other", {"a": 0.7, "b": 0.5})
    with pytest.raises(RunError, match="are both a with seed 0 under loso, but their scores differ"):
        compare([tmp_path])


def test_other_versions_and_devices_are_named(tmp_path):
    made(tmp_path / "one", {"a": 0.6})
    made(tmp_path / "two", {"b": 0.5}, changes={"request.versions.numpy": "2.1", "devices": ["cuda"]})
    made(tmp_path / "three", {"c": 0.5}, changes={"devices": ["cpu"]})
    warnings = compare([tmp_path]).warnings
    assert [warning.partition(". ")[0] for warning in warnings] == [
        "Runs differ in numpy: 2.0 in one, three; 2.1 in two",
        "Runs differ in the device: cpu in three; cuda in two",
    ]


def test_pairs_use_the_seeds_that_both_have(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (np.array([scores_of(rng, 0.6) for _ in range(3)]) for _ in range(2))
    for seed in range(3):
        made(tmp_path / f"a{seed}", {"a": a[seed]}, seed=seed)
    made(tmp_path / "b0", {"b": b[0]}, seed=0)
    made(tmp_path / "b2", {"b": b[2]}, seed=2)
    found = compare([tmp_path])
    assert found.table.set_index("model")["n_seeds"].to_dict() == {"a": 3, "b": 2}
    assert_allclose(found.pairs["difference"], np.mean(a[[0, 2]] - b[[0, 2]]))
    [warning] = found.warnings
    assert "valence of study under loso have different seeds: only their 2 common seeds are" in warning


def test_without_common_seeds_there_are_no_pairs(tmp_path):
    made(tmp_path / "a", {"a": 0.6}, seed=0)
    made(tmp_path / "b", {"b": 0.5}, seed=1)
    found = compare([tmp_path])
    assert found.pairs.empty
    assert "they are not compared in pairs" in found.warnings[0]
    assert "There are no two models to compare" in render_comparisons(found)


def test_people_without_a_score_do_not_count_and_are_told(tmp_path):
    scores = scores_of(np.random.default_rng(0), 0.6)
    lacking = np.where(np.arange(9) < 2, np.nan, scores)
    made(tmp_path / "r", {"a": lacking, "b": 0.5, "never": np.nan})
    made(tmp_path / "s", {"a": scores, "b": 0.5, "never": np.nan}, seed=1)
    found = compare([tmp_path / "r"])
    assert found.table["n_subjects"].tolist() == [7, 9, 0]
    assert_allclose(found.table["mean"], [np.mean(scores[2:]), 0.5, np.nan])
    assert "9 of 9 people of valence of study under loso lack a score of some model" in found.warnings[0]
    # Who lacks a score is left out of that model's pairs, and a model without scores has none.
    assert found.pairs[["model_a", "model_b", "n"]].to_numpy().tolist() == [["a", "b", 7]]
    assert_allclose(found.pairs["difference"], np.mean(scores[2:] - 0.5))
    # Over two seeds a person has a mean of those that are there, but is compared only if all are.
    assert compare([tmp_path]).table["n_subjects"].tolist() == [9, 9, 0]
    assert "–" in render_comparisons(found)


def test_models_without_people_in_common_have_no_pairs(tmp_path):
    is_first = np.arange(9) < 4
    made(tmp_path / "r", {"a": np.where(is_first, 0.6, np.nan), "b": np.where(is_first, np.nan, 0.5)})
    found = compare([tmp_path / "r"])
    assert found.pairs.empty
    assert found.warnings[-1].startswith("Models of valence of study under loso are not compared in pairs. ")
    made(tmp_path / "s", {"a": 0.6, "never": np.nan})
    assert compare([tmp_path / "s"]).pairs.empty


def test_records_are_json():
    frame = pd.DataFrame({"n": [1, 2], "p": [0.5, np.nan], "t": [("a", "b"), ("c",)], "high": [np.inf, 1.0]})
    assert json.loads(json.dumps(records(frame), allow_nan=False)) == [
        {"n": 1, "p": 0.5, "t": ["a", "b"], "high": None},
        {"n": 2, "p": None, "t": ["c"], "high": 1.0},
    ]
    mixed = pd.DataFrame({"n": np.array([np.int64(1)], dtype=object)})
    assert json.dumps(records(mixed)) == '[{"n": 1}]'


def test_one_person_has_no_interval(tmp_path):
    made(tmp_path / "r", {"a": [0.6], "b": [0.5]}, people=["only"])
    row = compare([tmp_path]).table.iloc[0]
    assert row["mean"] == 0.6
    assert np.isnan([row["low"], row["high"]]).all()
    render_comparisons(compare([tmp_path]))


def test_from_six_data_sets_on_ranks_are_compared(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        values = {"best": scores_of(rng, 0.9), "middle": scores_of(rng, 0.6), "worst": scores_of(rng, 0.3)}
        made(tmp_path / f"r{number}", values, name=f"set{number}")
    ranks = compare([tmp_path]).ranks["loso"]
    assert not isinstance(ranks, str)
    assert ranks.ranks.to_dict() == {"best": 1, "middle": 2, "worst": 3}
    # Table 5a of Demsar 2006: q = 2.343 for three classifiers at 0.05.
    assert_allclose(ranks.difference, 2.343 * np.sqrt(3 * 4 / (6 * 6)), rtol=1e-3)
    page = render_comparisons(compare([tmp_path]))
    assert "mean rank" in page
    few = compare([tmp_path / f"r{number}" for number in range(5)]).ranks["loso"]
    assert "needs at least 6 data sets, got 5" in str(few)


def test_models_that_a_data_set_lacks_are_not_ranked_and_named(tmp_path):
    for number in range(6):
        more = {"rare": 0.5} if number else {}
        made(tmp_path / f"r{number}", {"a": 0.9, "b": 0.8, "c": 0.7} | more, name=f"set{number}")
    found = compare([tmp_path])
    assert list(found.ranks["loso"].ranks) == [1, 2, 3]  # type: ignore[union-attr]
    assert found.warnings == (
        "Not ranked over data sets under loso, since not every data set has them: rare.",
    )


def test_the_same_data_set_under_two_names_or_two_metrics_is_not_ranked(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "experiment.toml").write_text(
        'models = ["a"]\nprotocols = ["loso"]\n[datasets.one]\npath = "."\n[datasets.two]\npath = "."\n'
    )
    for label in ("one", "two"):
        made(tmp_path / "sweep" / f"{label}-valence-seed0", {"a": 0.6, "b": 0.5}, features=label)
    found = compare([tmp_path / "sweep"])
    assert found.table["dataset"].tolist() == ["one", "one", "two", "two"]
    assert found.table["model"].tolist() == ["a", "b", "a", "b"]
    assert "one and two are the same data set" in str(found.ranks["loso"])
    made(tmp_path / "r", {"a": 0.6, "b": 0.5})
    made(tmp_path / "s", {"a": 0.6, "b": 0.5}, name="other", metric="rmse")
    both = compare([tmp_path / "r", tmp_path / "s"])
    assert "different metrics" in str(both.ranks["loso"])
    assert "--metric" not in render_comparisons(both)
    assert "--metric macro_f1" in render_comparisons(compare([tmp_path / "r"]))


def test_errors_are_drawn_from_zero_to_the_largest(tmp_path):
    made(tmp_path / "r", {"a": 1.0, "b": 3.0, "c": 4.0}, metric="rmse")
    table = compare([tmp_path]).table
    assert _axis("rmse", table) == (0.0, 4.0)
    assert _axis("macro_f1", table) == (0.0, 1.0)
    assert _axis("gain", table.assign(mean=[-2.0, 1.0, 3.0], low=np.nan, high=4.0)) == (-2.0, 4.0)
    assert "rmse" in render_comparisons(compare([tmp_path])).lower()


def test_errors_rank_the_other_way(tmp_path):
    for number in range(6):
        made(tmp_path / f"r{number}", {"a": 1.0, "b": 2.0, "c": 3.0}, name=f"set{number}", metric="rmse")
    ranks = compare([tmp_path]).ranks["loso"]
    assert not isinstance(ranks, str)
    assert ranks.ranks.to_dict() == {"a": 1, "b": 2, "c": 3}


def test_intervals_end_where_the_scores_do(tmp_path):
    made(tmp_path / "r", {"a": [1, 1, 1, 1, 1, 1, 1, 1, 0.6]})
    row = compare([tmp_path]).table.iloc[0]
    assert row["high"] == 1.0
    assert stats.t.interval(0.95, 8, row["mean"], row["sd"] / 3)[1] > 1


def test_unfinished_runs_are_left_out_of_an_experiment_and_refused_by_name(tmp_path):
    made(tmp_path / "done", {"a": 0.6})
    begun = made(tmp_path / "begun", {"a": 0.6}, seed=1)
    (begun / "scores.parquet").unlink()
    assert compare([tmp_path]).warnings == (f"Left out, because unfinished: {begun}.",)
    with pytest.raises(RunError, match="is unfinished"):
        compare([begun])
    with pytest.raises(RunError, match=r"it has no run\.json"):
        compare([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="holds no finished run"):
        compare([tmp_path / "empty"])
    with pytest.raises(RunError, match="at least one folder"):
        compare([])


@pytest.mark.parametrize("key", ["request", "table", "protocols", "dataset", "baselines"])
def test_a_broken_run_is_told_as_one(tmp_path, key):
    path = made(tmp_path / "r", {"a": 0.6})
    run = json.loads((path / "run.json").read_text())
    del run[key]
    (path / "run.json").write_text(json.dumps(run))
    with pytest.raises(RunError, match=r"The run in .* cannot be read \(KeyError"):
        compare([path])
    (path / "scores.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(RunError, match="cannot be read"):
        compare([path])


def test_metrics_levels_and_confidence_are_checked(tmp_path):
    path = made(tmp_path / "r", {"a": 0.6})
    with pytest.raises(
        ProtocolError, match=r"has no metric 'ccc', since its task valence is binary: use one of macro"
    ):
        compare([path], metric="ccc")
    with pytest.raises(ValueError, match="level must be trial or window, got 'fold'"):
        compare([path], level="fold")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, got 95"):
        compare([path], confidence=95)


def test_real_results_are_compared_as_they_say_themselves(tmp_path):
    features = feature_table(n_subjects=5, effect=1.0)
    for seed in (0, 1):
        evaluate(
            features,
            models=["lda", "knn"],
            protocols=["loso"],
            task=VALENCE,
            seed=seed,
            out=tmp_path / f"seed{seed}",
        )
    found = compare([tmp_path], metric="balanced_accuracy", level="window")
    results = [Result.load(tmp_path / f"seed{seed}") for seed in (0, 1)]
    for row in found.table.to_dict("records"):
        cells = [result.cells()["loso", row["model"], "window", "balanced_accuracy"] for result in results]
        assert_allclose(row["mean"], np.mean([cell.mean for cell in cells]))
    assert set(found.table["model"]) == {"lda", "knn", "majority", "prior", "clock_forest", "clock_1nn"}


class Reading(HTMLParser):
    """Collects what a page would load, run, or link to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_page_needs_nothing_from_outside_and_escapes_what_files_say(tmp_path):
    evil = '<script>alert("1")</script>'
    made(
        tmp_path / "r",
        {evil: 0.6, "b": 0.5},
        name=f"set{evil}",
        changes={"protocols.0.claim": evil, "task.name": evil},
    )
    path = write_comparisons(compare([tmp_path]), tmp_path / "compare.html")
    page = Reading()
    page.feed(path.read_text())
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert page.links
    assert all(link.startswith(("data:text/csv", "#")) for link in page.links)
    assert evil not in path.read_text()


def test_the_same_runs_give_the_same_page(three_seeds):
    folder, _ = three_seeds
    assert render_comparisons(compare([folder])) == render_comparisons(compare([folder]))
