"""Pictures of a result show the numbers of its tables and of its report."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.reports import made_result

from physioaffect.errors import DataError
from physioaffect.evaluation.scoring import by_trial
from physioaffect.evaluation.statistics import expected_calibration_error, reliability
from physioaffect.evaluation.sweeps.compare import Comparisons
from physioaffect.plots import plot_confusion, plot_reliability, plot_subjects


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return made_result(tmp_path_factory.mktemp("r"), n_subjects=7, n_trials=8, effect=0.5)


@pytest.fixture(scope="module")
def permuted(tmp_path_factory):
    return made_result(tmp_path_factory.mktemp("p"), has_all=True, protocols=("loso",))


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    return made_result(tmp_path_factory.mktemp("g"), classes=())


def trials(result, protocol: str, model: str) -> pd.DataFrame:
    own = result.predictions
    return by_trial(own[(own["protocol"] == protocol) & (own["model"] == model)], "binary")


# Confusion.


def test_cells_are_the_counts_and_rows_their_shares(result):
    figure = plot_confusion(result)
    axes = figure.axes[:4]
    assert [ax.get_title().split("\n")[0] for ax in axes] == [
        "lda, loso",
        "dgcnn, loso",
        "lda, window_random",
        "dgcnn, window_random",
    ]
    for ax in axes:
        model, protocol = ax.get_title().split("\n")[0].split(", ")
        own = trials(result, protocol, model)
        counts = pd.crosstab(own["truth"], own["prediction"]).loc[["low", "high"], ["low", "high"]].to_numpy()
        assert [int(text.get_text().split("\n")[0]) for text in ax.texts] == counts.ravel().tolist()
        assert_allclose(ax.images[0].get_array(), counts / counts.sum(axis=1, keepdims=True))
    assert ["(no claim)" in ax.get_title() for ax in axes] == [False, False, True, True]


def test_windows_are_counted_if_asked(result):
    figure = plot_confusion(result, protocols="loso", models=["dgcnn"], level="window")
    counts = [int(text.get_text().split("\n")[0]) for text in figure.axes[0].texts]
    assert sum(counts) == 7 * 8 * 3
    assert figure.get_suptitle() == "DREAMER: valence, by window"


def test_a_class_that_nobody_had_is_a_grey_row_not_zeros(result):
    run = result.run | {"task": result.run["task"] | {"classes": ["low", "never", "high"]}}
    figure = plot_confusion(replace(result, run=run), protocols="loso", models="lda")
    is_masked = np.ma.getmaskarray(figure.axes[0].images[0].get_array())
    assert_array_equal(is_masked, [[False] * 3, [True] * 3, [False] * 3])


def test_of_many_classes_only_colours_are_drawn(tmp_path):
    names = tuple(f"c{number}" for number in range(9))
    figure = plot_confusion(made_result(tmp_path, classes=names, n_trials=9, n_subjects=2), protocols="loso")
    assert not figure.axes[0].texts


# Reliability.


def test_dots_are_the_reliability_of_the_statistics_and_bars_its_counts(result):
    figure = plot_reliability(result, models="lda", protocols="loso")
    own = trials(result, "loso", "lda")
    p = own[["p_low", "p_high"]].to_numpy()
    expected = reliability(own["truth"], p, ["low", "high"], subjects=own["subject"])
    upper, lower = figure.axes
    assert_allclose(upper.lines[1].get_xydata(), expected[["stated", "observed"]])
    assert_allclose(upper.lines[0].get_xydata(), [[0, 0], [1, 1]])
    segments = [segment[:, 1] for segment in upper.collections[0].get_segments()]
    assert_allclose(segments, expected[["low", "high"]])
    assert [int(text.get_text()) for text in lower.texts] == expected["n"].tolist()
    assert sum(bar.get_height() for bar in lower.patches) == len(own) == 56
    edges = [(bar.get_x() + bar.get_width() / 2) for bar in lower.patches]
    assert_allclose(edges, (expected["lower"] + expected["upper"]) / 2)
    error = expected_calibration_error(own["truth"], p, ["low", "high"])
    assert f"ECE {error:.2f} (" in upper.get_title()


def test_a_model_without_probabilities_is_said_to_have_none(result):
    predictions = result.predictions.copy()
    predictions.loc[predictions["model"] == "lda", ["p_low", "p_high"]] = np.nan
    lacking = replace(result, predictions=predictions)
    figure = plot_reliability(lacking, protocols="loso")
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles[0] == "lda, loso\nstates no probabilities"
    assert "ECE" in titles[1]
    with pytest.raises(DataError, match="None of the chosen models states probabilities"):
        plot_reliability(lacking, protocols="loso", models="lda")


# People.


def dots(ax) -> list[np.ndarray]:
    """Scores of each column."""
    return [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]


def test_every_person_has_a_dot_at_the_score_and_a_line_that_joins_them(result):
    figure = plot_subjects(result)
    assert [ax.get_title() for ax in figure.axes] == ["loso", "window_random\n(no claim)"]
    scores = result.scores.query("level == 'trial' and metric == 'macro_f1' and subject != '(pooled)'")
    table = scores.pivot(index="subject", columns=["protocol", "model"], values="value")
    for ax, protocol in zip(figure.axes, ("loso", "window_random"), strict=True):
        own = [table[protocol, model].to_numpy() for model in ("lda", "dgcnn")]
        for drawn, expected in zip(dots(ax), own, strict=True):
            assert_allclose(drawn[:, 1], expected)
        joined = [line.get_ydata() for line in ax.lines if line.get_color() == "0.75"]
        assert_allclose(sorted(map(tuple, joined)), sorted(zip(*own, strict=True)))


def test_means_and_intervals_are_those_of_the_result(result):
    figure = plot_subjects(result, protocols="loso")
    table = result.intervals()
    for number, model in enumerate(("lda", "dgcnn")):
        row = table.loc["loso", model, "trial", "macro_f1"][["mean", "low", "high"]].astype(float)
        bar = figure.axes[0].containers[number]
        assert_allclose(bar.lines[0].get_ydata().astype(float), [row["mean"]])
        assert_allclose(bar.lines[2][0].get_segments()[0][:, 1], [row["low"], row["high"]])
        below = figure.axes[0].get_xticklabels()[number].get_text()
        assert below.startswith(f"{model}\n{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")


def dashed(ax) -> list[float]:
    return [float(line.get_ydata()[0]) for line in ax.lines if line.get_linestyle() == "--"]


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_chance_is_what_permuted_labels_reach_else_a_guess(result, permuted):
    figure = plot_subjects(permuted)
    table = permuted.permutations.query("level == 'trial' and metric == 'macro_f1'").set_index("model")
    assert_allclose(dashed(figure.axes[0]), table.loc[["lda", "dgcnn"], "chance"])
    assert words(figure)[2:] == ["permuted labels", "95 % of them"]
    figure = plot_subjects(result, protocols="loso", level="window", metric="accuracy")
    guess = result.summary().loc["loso", "prior", "window", "accuracy"]["mean"]
    assert_allclose(dashed(figure.axes[0]), [guess, guess])
    assert words(figure)[2:] == ["guess: class prior"]
    assert figure.axes[0].get_ylabel() == "accuracy by window"


def test_protocols_of_one_model_stand_side_by_side(result):
    figure = plot_subjects(result, models="lda")
    assert [ax.get_title() for ax in figure.axes] == ["lda"]
    names = [label.get_text().split("\n")[0] for label in figure.axes[0].get_xticklabels()]
    assert names == ["loso", "window_random"]
    assert len(dots(figure.axes[0])) == 2


def test_what_limits_a_score_stands_below_it(tmp_path):
    figure = plot_subjects(made_result(tmp_path, effect=0.0, clock=2.0, simulated=True), protocols="loso")
    assert "clock is as good" in figure.axes[0].get_xticklabels()[0].get_text()
    assert "simulated data" in figure.axes[0].get_title()
    assert "SIMULATED DATA" in figure.get_suptitle()


def test_a_person_without_a_score_is_not_drawn_but_counted(result):
    is_one = (result.scores["subject"] == "S1") & (result.scores["model"] == "lda")
    scores = result.scores.assign(value=result.scores["value"].mask(is_one))
    figure = plot_subjects(replace(result, scores=scores), protocols="loso")
    assert [len(drawn) for drawn in dots(figure.axes[0])] == [6, 7]
    assert "1 undefined" in figure.axes[0].get_xticklabels()[0].get_text()


def test_ratings_are_drawn_too(regression):
    figure = plot_subjects(regression, protocols="loso")
    assert figure.axes[0].get_ylabel() == "CCC by trial"
    assert words(figure)[2:] == ["guess: mean of training"]


def comparisons() -> Comparisons:
    where = {"dataset": "d", "task": "valence", "protocol": "loso"}
    scores = pd.DataFrame(
        [
            {
                **where,
                "model": model,
                "is_baseline": model == "prior",
                "metric": "macro_f1",
                "subject": who,
                "value": v,
            }
            for model, values in {"a": (0.6, 0.8), "b": (0.5, 0.9), "prior": (0.5, 0.5)}.items()
            for who, v in zip(("S1", "S2"), values, strict=True)
        ]
    )
    table = pd.DataFrame(
        [
            {**where, "model": model, "is_baseline": model == "prior", "metric": "macro_f1", "mean": mean}
            for model, mean in {"a": 0.7, "b": 0.7, "prior": 0.5}.items()
        ]
    ).assign(low=0.4, high=0.95, flags="")
    empty = pd.DataFrame()
    return Comparisons(
        table=table,
        pairs=empty,
        scores=scores,
        ranks={},
        claims={},
        runs=empty,
        warnings=(),
        level="trial",
        confidence=0.95,
    )


def test_compared_runs_are_drawn_with_the_means_of_their_table():
    figure = plot_subjects(comparisons())
    ax = figure.axes[0]
    assert ax.get_title() == "loso"
    assert [drawn[:, 1].tolist() for drawn in dots(ax)] == [[0.6, 0.8], [0.5, 0.9]]
    assert dashed(ax) == [0.5, 0.5]
    assert ax.get_xticklabels()[0].get_text() == "a\n0.70 [0.40, 0.95]"
    assert figure.get_suptitle() == "d: valence"
    with pytest.raises(ValueError, match="Comparisons are of one metric and level: give both to compare"):
        plot_subjects(comparisons(), level="window")


# What none of them draws.


@pytest.mark.parametrize("draw", [plot_confusion, plot_reliability, plot_subjects])
def test_names_that_are_not_there_are_refused(result, draw):
    with pytest.raises(
        ValueError, match=re.escape("The result has no model svm; it has lda, dgcnn, majority")
    ):
        draw(result, models=["svm", "lda"])
    with pytest.raises(ValueError, match="The result has no protocol loto; it has loso, window_random"):
        draw(result, protocols="loto")
    with pytest.raises(ValueError, match="level must be trial or window, got 'epoch'"):
        draw(result, level="epoch")
    with pytest.raises(ValueError, match="No model was named to draw"):
        draw(result, models=[])


@pytest.mark.parametrize("draw", [plot_confusion, plot_reliability])
def test_pictures_of_classes_are_not_drawn_of_ratings(regression, draw):
    with pytest.raises(ValueError, match="is of classes, and valence is a regression: use plot_subjects"):
        draw(regression)


def test_metrics_that_are_not_there_are_refused(result):
    with pytest.raises(ValueError, match="The result has no metric ccc; it has macro_f1, "):
        plot_subjects(result, metric="ccc")


def test_more_panels_than_a_figure_holds_are_refused(result):
    run = result.run | {"models": [f"m{number}" for number in range(13)]}
    with pytest.raises(ValueError, match="26 panels are more than a figure holds: choose among protocols"):
        plot_confusion(replace(result, run=run))
