"""What the report says, read from its HTML."""

import base64
import hashlib
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.pages import Page, downloads, section
from support.reports import PROTOCOLS, made_result
from support.tables import VALENCE, VALENCE_SCORE, feature_table

from physioaffect.evaluation import Result, evaluate
from physioaffect.evaluation.report import render, write_report
from physioaffect.evaluation.report.downloads import csv_download
from physioaffect.evaluation.report.tallies import calibrations
from physioaffect.evaluation.report.words import probability
from physioaffect.evaluation.statistics import compare_in, with_intervals

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    features = feature_table(effect=2.0)
    hostile = np.where(features["subject"].values == "S2", HOSTILE, features["subject"].values)
    return evaluate(
        features.assign_coords(subject=("window", hostile)),
        models=["logistic", "knn"],
        protocols=["loso", "window_random", "loso_transductive"],
        task=VALENCE,
        out=tmp_path_factory.mktemp("run") / "result",
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return made_result(tmp_path_factory.mktemp("whole"), has_all=True)


@pytest.fixture(scope="module")
def text_of_result(result: Result) -> str:
    return render(result)


@pytest.fixture(scope="module")
def text_of_whole(whole: Result) -> str:
    return render(whole)


@pytest.mark.parametrize("which", ["text_of_result", "text_of_whole"])
def test_the_page_is_well_formed_and_needs_no_network(which, request):
    text = request.getfixturevalue(which)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    for tag, attributes in page.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed"}
        assert "src" not in attributes
        assert "style" not in attributes  # The content security policy would drop it.
        assert not [name for name in attributes if name.startswith("on")]
        target = attributes.get("href") or "#"
        assert target.startswith(("#", "data:text/csv", "data:application/gzip", "data:text/plain"))
    assert "@import" not in text
    assert "url(" not in text
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("href", "aria-labelledby"):
            value = attributes.get(name) or ""
            if name == "aria-labelledby" and value:
                assert value in ids
            if value.startswith("#"):
                assert value[1:] in ids


@pytest.mark.parametrize("which", ["text_of_result", "text_of_whole"])
def test_headings_are_in_order(which, request):
    levels = [
        int(tag[1]) for tag, _ in Page(request.getfixturevalue(which)).tags if re.fullmatch(r"h\d", tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_policy_allows_this_style_and_script_and_nothing_else(text_of_whole):
    text = text_of_whole
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert found is not None
    policy = found[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    for tag, name in (("style", "style-src"), ("script", "script-src")):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        allowed = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name} 'sha256-{allowed}';" in policy


def test_every_figure_is_labelled_and_every_table_has_heads(text_of_whole):
    page = Page(text_of_whole)
    for attributes in page.all("svg"):
        assert attributes.get("aria-hidden") == "true" or (
            attributes["role"] == "img" and len(attributes["aria-label"] or "") > 15
        )
    assert len(page.all("svg")) > 20
    assert all(attributes.get("scope") in {"col", "row", "colgroup"} for attributes in page.all("th"))


def test_texts_from_data_are_escaped(text_of_result, tmp_path):
    assert HOSTILE not in text_of_result
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text_of_result
    hostile = made_result(
        tmp_path,
        n_subjects=3,
        title="<xss title>",
        models=("<xss model>",),
        classes=("<xss class>", "b"),
        names={"S1": "<xss person>"},
        audit={
            "loso": {"findings": [{"kind": "x", "severity": "<xss severity>", "sentence": "<xss finding>"}]}
        },
    )
    hostile.run["table"]["notes"] = ["<xss note>"]
    hostile.run["exclusions"][0]["reason"] = "<xss reason>"
    text = render(hostile)
    assert "<xss" not in text
    for what in ("title", "model", "class", "person", "severity", "finding", "note", "reason"):
        assert f"&lt;xss {what}&gt;" in text
    Page(text)


def test_every_person_is_a_dot_under_every_protocol_and_model_by_trial_and_by_window(result, text_of_result):
    dots = re.findall(r"<circle cx", section(text_of_result, "people"))
    n_models = len(result.run["models"]) + len(result.run["baselines"])
    assert len(dots) == 4 * n_models * 3 * 2


def test_a_dot_lies_where_its_score_is(result, text_of_result):
    keys = ["protocol", "model", "level", "metric", "subject"]
    value = float(result.scores.set_index(keys)["value"]["loso", "knn", "trial", "macro_f1", "S1"])
    strip = section(text_of_result, "people").split(">knn</text>")[1]
    found = re.search(r'cx="([\d.]+)"[^>]*><title>S1: ([\d.]+)', strip)
    assert found is not None
    assert float(found[1]) == pytest.approx(12 + 416 * value, abs=0.1)
    assert float(found[2]) == pytest.approx(value, abs=5e-4)


def test_a_line_joins_the_dots_of_one_person(text_of_whole):
    chart = section(text_of_whole, "people").split("</svg>")[0]
    points = dict(re.findall(r'<polyline points="([^"]+)"><title>([^<]+)', chart))
    points = {person: at for at, person in points.items()}
    for model, number in (("lda", 0), ("dgcnn", 1)):
        strip = chart.split(f">{model}</text>")[1].split("</g>")[0]
        places = {
            p: (x, y) for x, y, p in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"[^>]*><title>(\w+):', strip)
        }
        assert places.keys() == {f"S{n}" for n in range(1, 9)}
        for person, (x, y) in places.items():
            assert points[person].split()[number] == f"{x},{y}"


def test_confusion_counts_every_trial_and_window(text_of_result):
    tables = re.findall(r"<caption>(\w+), by (\w+).*?</caption>(.*?)</table>", text_of_result, re.DOTALL)
    assert len(tables) == 3 * 2 * 2
    for _, level, body in tables:
        counts = [int(count) for count in re.findall(r">(\d+)<small>", body)]
        assert sum(counts) == {"trial": 24, "window": 120}[level]


def test_the_table_shows_mean_and_interval_over_people(whole, text_of_whole):
    table = with_intervals(whole.scores).xs(("loso", "lda", "trial", "macro_f1")).to_dict()
    text = Page(section(text_of_whole, "scores")).text
    assert f"{table['mean']:.2f} {table['low']:.2f} to {table['high']:.2f} {table['sd']:.2f}" in text


def test_comparisons_are_those_of_the_statistics(whole, text_of_whole):
    found = compare_in(whole.scores, "loso", "trial", "macro_f1").iloc[0]
    text = Page(section(text_of_whole, "comparisons")).text
    signed = f"{found['difference']:+.2f}".replace("-", "−")
    assert f"lda dgcnn {signed}" in text
    assert re.search(r"for 80 % it takes \d+ people", text)


def test_a_protocol_without_claim_is_marked_wherever_it_is_shown(text_of_whole):
    text = text_of_whole
    for name in (
        "short",
        "scores",
        "people",
        "comparisons",
        "confusion",
        "calibration",
        "curves",
        "importance",
        "shared",
    ):
        own = section(text, name)
        assert ">no claim<" in own, name
        for figure in re.findall(r"<svg.*?</svg>", own, re.DOTALL):
            if "under window_random" in figure.partition(">")[0]:
                assert ">NO CLAIM</text>" in figure, name
    for name, frame in downloads(text).items():
        marked = frame[frame["protocol"] == "window_random"]
        assert marked["watermark"].str.contains("no claim").all(), name
        assert (
            not frame.loc[frame["protocol"] == "loso", "watermark"].astype(str).str.contains("no claim").any()
        )


def test_simulated_data_are_marked_wherever_they_are_shown(tmp_path):
    text = render(made_result(tmp_path, simulated=True, protocols=("loso",)))
    assert "(simulated data)</title>" in text
    assert "Nothing about people: the data are simulated." in text
    for name in ("short", "scores", "people", "comparisons", "confusion", "calibration", "shared"):
        assert ">simulated data<" in section(text, name), name
    assert "THE DATA ARE SIMULATED" in section(text, "methods")
    for frame in downloads(text).values():
        assert frame["watermark"].str.contains("simulated data").all()


def test_a_clock_that_is_as_good_takes_the_claim_away(tmp_path):
    page = Page(section(render(made_result(tmp_path, clock=3.0, protocols=("loso",))), "short"))
    assert "Not that anything is read from the body: elapsed time and order alone do as well." in page.text
    assert "a model that sees only elapsed time and order in the session is as good" in page.text


def test_no_claim_is_made_where_nothing_is_above_guessing(tmp_path):
    made = made_result(tmp_path, effect=0.0, protocols=("loso",), models=("lda",))
    assert "Nothing yet: no model’s score is told apart from guessing" in Page(render(made)).text


def test_what_is_above_guessing_may_be_claimed(tmp_path):
    made = made_result(tmp_path, effect=2.0, protocols=("loso",))
    text = section(render(made), "short")
    assert f"<b>{PROTOCOLS['loso']['claim']}</b> Shown for lda" in text
    assert "card shown" in text


def test_permutations_stand_beside_the_scores(text_of_whole):
    text = Page(section(text_of_whole, "scores")).text
    assert "0.47 0.38 to 0.56 0.001" in text
    assert (
        "What p tests. A small p says that signals go with the ratings of the same person. "
        "lda, dgcnn: 1 000 permutations, trial within subject; predictions held fixed."
    ) in text


def test_learning_curves_show_folds_and_mean(whole, text_of_whole):
    own = section(text_of_whole, "curves")
    picture = own.split("</svg>")[0]
    assert len(re.findall(r'<polyline class="train" ', picture)) == 8
    assert len(re.findall(r'<polyline class="validation" ', picture)) == 8
    [mean] = re.findall(r'<polyline class="train mean" points="([^"]+)"', picture)
    curves = whole.curves
    own_curves = curves[curves["protocol"] == "loso"]
    values = own_curves[["loss", "validation"]].to_numpy()
    first = own_curves[own_curves["epoch"] == 1]["loss"].mean()
    share = (first - values.min()) / (values.max() - values.min())
    assert float(mean.split()[0].split(",")[1]) == pytest.approx(120 - 120 * share, abs=0.06)


def test_a_map_shows_the_share_of_its_band(whole, text_of_whole):
    own = section(text_of_whole, "importance")
    importance = whole.importance
    is_own = (importance["protocol"] == "loso") & (importance["model"] == "lda")
    is_alpha = importance["feature"].str.endswith(":alpha")
    share = importance[is_own & is_alpha].groupby("fold")["value"].sum().mean()
    assert f"de alpha <small>{100 * share:.0f} %</small>" in own
    assert own.count('class="head"') == 2 * 2 * 3


def test_features_without_electrodes_have_bars_and_no_map(whole):
    importance = whole.importance
    names = {name: f"eda:feature{number}" for number, name in enumerate(importance["feature"].unique())}
    renamed = importance.assign(feature=importance["feature"].map(names))
    own = section(render(replace(whole, importance=renamed)), "importance")
    assert 'class="head"' not in own
    assert "eda:feature0" in own


def test_features_that_share_nothing_have_no_map(whole):
    own = section(render(replace(whole, importance=whole.importance.assign(value=0.0))), "importance")
    assert 'class="head"' not in own
    assert own.count('<th scope="row">de:') > 0


def test_features_of_no_family_have_bars(whole):
    names = {name: name.replace(":", " ") for name in whole.importance["feature"].unique()}
    own = section(
        render(
            replace(whole, importance=whole.importance.assign(feature=whole.importance["feature"].map(names)))
        ),
        "importance",
    )
    assert 'class="head"' not in own
    assert own.count('<th scope="row">de ') > 0


def test_maps_far_apart_are_of_one_colour_each(whole):
    """Bands that work against each other: each map needs colours of its own end of the scale alone."""
    value = whole.importance["feature"].str.rpartition(":")[2].map({"theta": 5.0, "alpha": -5.0, "beta": 0.0})
    own = section(render(replace(whole, importance=whole.importance.assign(value=value))), "importance")
    heads = re.findall(r'<svg class="head".*?</svg>', own, re.DOTALL)
    colours = [set(re.findall(r"#[0-9a-f]{6}", head)) for head in heads[:3]]
    assert all(not a & b for a, b in pairwise(colours))


def test_shares_below_zero_are_drawn_to_the_left(whole):
    importance = whole.importance
    is_one = importance["feature"] == "de:Cz:alpha"
    own = section(
        render(replace(whole, importance=importance.assign(value=np.where(is_one, -0.5, 0.02)))), "importance"
    )
    row = own.split('<th scope="row">de:Cz:alpha</th>')[1].split("</tr>")[0]
    assert "−50.0 %" in row
    [x, width] = re.findall(r'<rect x="([\d.]+)" y="1" width="([\d.]+)"', row)[0]
    [zero] = re.findall(r'class="zero" x1="([\d.]+)"', row)
    assert float(x) == 0
    assert float(width) == float(zero) == pytest.approx(100 * 0.5 / 0.52, abs=0.06)
    assert "#2166ac" in own


def test_findings_of_the_audit_are_told(whole):
    findings = [{"kind": "trial", "severity": "leak", "sentence": "Trials are on both sides."}]
    whole.run["audit"] = {"loso": {"findings": []}, "window_random": {"findings": findings}}
    try:
        text = Page(section(render(whole), "shared")).text
    finally:
        del whole.run["audit"]
    assert "Leakage audit: nothing found." in text
    assert "leak Trials are on both sides." in text


def test_tables_to_download_are_those_of_the_run(whole, text_of_whole):
    frames = downloads(text_of_whole)
    trials = frames["predictions_by_trial.csv"]
    assert len(trials) == 8 * 6 * 6 * 2
    scores = next(frame for name, frame in frames.items() if name.startswith("scores.csv"))
    values = scores["value"].to_numpy()
    np.testing.assert_allclose(values, whole.scores["value"].to_numpy(), atol=1e-6)
    mean = frames["intervals.csv"].set_index(["protocol", "model", "level", "metric"])["mean"]
    expected = with_intervals(whole.scores)["mean"]
    np.testing.assert_allclose(mean.to_numpy(), expected.to_numpy(), atol=1e-6)


def test_a_p_value_that_there_is_not_is_a_dash():
    assert probability(None) == probability(np.nan) == "–"


def test_a_table_that_is_too_large_is_named_and_not_embedded():
    long = csv_download(pd.DataFrame({"a": np.zeros(25_001)}), "a.csv", "zeros")
    assert long == ("a.csv.gz", "zeros", None, "25001 rows")
    noise = pd.DataFrame(np.random.default_rng(0).random((20_000, 6)))
    dense = csv_download(noise, "b.csv", "noise")
    assert dense.uri is None
    assert re.fullmatch(r"\d+ kB", dense.size)


def test_a_page_stays_readable_in_size_with_ten_models_under_six_protocols(tmp_path):
    models = ("lda", "dgcnn", *(f"model_{number}" for number in range(8)))
    made = made_result(
        tmp_path, n_subjects=4, n_windows=1, models=models, protocols=tuple(PROTOCOLS), has_all=True
    )
    text = render(made)
    Page(text)
    assert len(text) < 3e6
    assert section(text, "importance").count('class="head"') <= 60
    assert "left out to keep this page small" in text
    assert text.count("<details open>") <= 5  # The first of each kind.


def test_one_person_is_said_to_be_one(tmp_path):
    page = Page(render(made_result(tmp_path, n_subjects=1, protocols=("loso",))))
    assert "Nothing about other people: the scores are of one person." in page.text
    assert "With one person there is nothing to compare over people." in page.text
    assert "1 people" not in page.text
    assert not re.search(r"\bnan\b", page.text)


def test_undefined_scores_are_dashes_and_counted(tmp_path):
    made = made_result(tmp_path, protocols=("loso",))
    made.scores.loc[(made.scores["model"] == "lda") & (made.scores["subject"] == "S1"), "value"] = np.nan
    made.scores.loc[made.scores["model"] == "dgcnn", "value"] = np.nan
    text = render(made)
    page = Page(text)
    assert "lda 7 people" in page.text
    assert "dgcnn 0 people – – – –" in page.text
    assert not re.search(r"\bnan\b", text.partition("<body>")[2], re.IGNORECASE)


def test_a_model_that_states_no_probabilities_is_not_judged_by_them(tmp_path):
    made = made_result(tmp_path, protocols=("loso",))
    made.predictions.loc[made.predictions["model"] == "lda", ["p_low", "p_high"]] = np.nan
    assert [one.model for one in calibrations(made.predictions, made.models, ["low", "high"])] == ["dgcnn"]


def test_a_regression_has_a_report_too(tmp_path):
    run = evaluate(
        feature_table(effect=1.0),
        models=["ridge"],
        protocols=["loso"],
        task=VALENCE_SCORE,
        out=tmp_path / "r",
    )
    page = Page(write_report(run).read_text())
    assert "CCC" in page.text
    assert "Confusion" not in page.text
    assert "ECE" not in page.text
    assert "Lin LI-K (1989)" in page.text


def test_the_same_result_gives_the_same_page(whole):
    assert render(whole) == render(whole)


def test_a_run_without_curves_importance_and_permutations_has_no_empty_sections(tmp_path):
    text = render(made_result(tmp_path, n_subjects=3, protocols=("loso",)))
    for name in ("curves", "importance"):
        assert f'id="{name}"' not in text
        assert f'href="#{name}"' not in text
    assert "What p tests" not in text


EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "docs" / "reports").glob("*.html"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_in_the_docs_are_whole_and_name_no_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    page = Page(text)
    assert f"physioaffect evaluate {path.stem} PATH --task" in page.text
    for place in ("/work/", "/root", "/tmp", "/home", "/Users"):
        assert place not in page.text
    for name in (
        "short",
        "scores",
        "people",
        "comparisons",
        "calibration",
        "importance",
        "shared",
        "methods",
    ):
        section(text, name)
    assert {"intervals.csv", "comparisons.csv"} <= downloads(text).keys()


def test_there_are_two_examples():
    assert [path.stem for path in EXAMPLES] == ["eegmat", "stress_predict"]
