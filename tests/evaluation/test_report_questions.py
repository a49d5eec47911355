"""Ten questions that a reader who knows the field asks, each answered by the text of the report alone."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.pages import Page, section
from support.reports import made_result
from typer.testing import CliRunner

from physioaffect import evaluation
from physioaffect.cli import app
from physioaffect.datasets import DREAMER
from physioaffect.evaluation.report import render
from physioaffect.evaluation.report.command import command_of, repeat_of
from physioaffect.evaluation.scoring import score
from physioaffect.features import default_recipe


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("asked")
    return render(made_result(path, protocols=("loso", "window_random"), effect=1.0, has_all=True))


@pytest.fixture(scope="module")
def cards(html: str) -> list[str]:
    """What is said of each protocol: loso, window_random."""
    return [Page(card).text for card in re.findall(r"<article.*?</article>", html, re.DOTALL)]


def test_1_on_what_was_it_trained(cards):
    assert (
        "Trained Anew in each of 8 folds, on windows of people other than those tested in the fold."
        in cards[0]
    )
    assert "on windows of the tested people themselves, from the same sessions and trials" in cards[1]


def test_2_on_what_was_it_tested(cards):
    said = "144 windows of 48 trials of 8 people in all."
    assert f"Tested On people held out of that training, in turn: {said}" in cards[0]
    assert f"Tested On windows held out of that training, in turn: {said}" in cards[1]


def test_3_what_did_training_and_test_have_in_common(html):
    text = Page(section(html, "shared")).text
    assert "loso subject 0 % 0 % 0 % 100 % 0 % 8" in text
    assert "window_random no claim window 100 % 100 % 100 % 100 % 25 % 8" in text


def test_4_what_may_be_claimed(cards):
    claim = "Works for a new person who meets stimuli like those of the training people."
    assert f"May be claimed {claim} Shown for lda" in cards[0]
    assert "May be claimed Nothing. This protocol shows what leakage is worth" in cards[1]


def test_5_what_may_not_be_claimed(html, cards):
    text = Page(section(html, "short")).text
    assert "That it works for other stimuli or tasks: 100 % of the test windows" in text
    assert "That it works elsewhere, with another device or population: all data are of DREAMER." in text
    assert "That it measures what people felt: the label is what they reported on a scale." in text
    assert "25 % of the test windows overlap in time with one of training" in cards[1]


def test_6_how_good_is_it_and_how_sure(html, cards):
    found = re.search(
        r"macro-F1 by trial (\S+) \(mean over 8 people; 95 % interval (\S+) to (\S+)\)", cards[0]
    )
    assert found is not None
    low, mean, high = float(found[2]), float(found[1]), float(found[3])
    assert low < mean <= high <= 1
    assert "expected score of this procedure on a new person of the same population" in Page(html).text


def test_7_what_would_guessing_reach(cards):
    assert re.search(
        r"Without looking at the body: majority \S+, prior \S+, clock_forest \S+, clock_1nn \S+", cards[0]
    )
    assert "With permuted labels: 0.47 (mean of 1 000 permutations, trial within subject)." in cards[0]


def test_8_which_model_is_better_and_how_many_people_would_show_it(html, cards):
    assert "That one of these models is better than another: the only difference is not certain" in cards[0]
    text = Page(section(html, "comparisons")).text
    assert re.search(r"lda dgcnn \S+ \S+ to \S+ \S+ [\d.]+ [\d.]+ [\d.]+ 8", text)
    assert re.search(r"Power\. With 8 people and an SD of \S+ a true difference of 0\.05", text)


def test_9_what_went_in_and_what_was_left_out(html):
    short, data = Page(section(html, "short")).text, Page(section(html, "data")).text
    assert "predicted valence from 27 features (de) of windows of 5 s of 8 people of DREAMER" in short
    assert "Valence above 3 is high. Source: rating." in data
    assert re.search(r"low: 24 trials, 72 windows; high: 24 trials, 72 windows", data)
    assert "S99 all S99 has no ratings." in data


def test_10_how_is_it_repeated_and_cited(html):
    repeat, methods = Page(section(html, "repeat")).text, Page(section(html, "methods")).text
    assert "Seed 7; every fold ran on 1 thread." in repeat
    assert "numpy 2.4.6" in repeat
    assert "blake3:00ff" in repeat
    assert "evaluate(" in repeat or "physioaffect evaluate dreamer PATH" in repeat
    assert "We analysed DREAMER [1] (doi:10.1109/JBHI.2017.2688239): 48 trials of 8 people of 23" in methods
    assert (
        "theta 4–7 Hz, alpha 8–13 Hz, beta 14–30 Hz; short-time Fourier transform in frames of 2 s" in methods
    )
    assert "Katsigiannis S, Ramzan N (2018). DREAMER" in methods
    for name in ("Holm S (1979)", "Wilcoxon F (1945)", "Phipson B, Smyth GK (2010)", "Pedregosa F"):
        assert name in methods


def test_every_reference_is_cited_and_every_citation_is_there(html):
    own = section(html, "methods")
    paragraphs, references = own.split("<h3>References</h3>")
    marks = [
        int(number) for group in re.findall(r"\[([\d, ]+)\]", paragraphs) for number in group.split(", ")
    ]
    assert sorted(set(marks)) == list(range(1, references.count("<li>") + 1))
    # In the order in which they are first met.
    assert list(dict.fromkeys(marks)) == sorted(set(marks))


OPTIONS = [
    "--features de --window 5 --step 2.5",
    "--features de,band_power --clean --baseline subtract --smooth lds_causal --subjects S1,S2 --strict",
    "--features de --smooth mean:5 --task valence --permutations 20 --refit all",
    "--features eda",
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_command_shown_asks_for_the_same_again(options, tmp_path, monkeypatch):
    """Given to the command line, it makes the very recipe and request that the run was made with."""
    asked: list[dict[str, Any]] = []

    def record(dataset, path, **arguments):
        recipe = json.loads(arguments["recipe"].to_json())
        for step in ("duration", "step"):
            recipe["windows"][step] = recipe["windows"][step] or recipe["windows"]["duration"]
        asked.append(
            {
                **arguments,
                "recipe": recipe,
                "progress": None,
                "out": None,
                "n_jobs": None,
                "dataset": dataset.name,
            }
        )
        raise RuntimeError("recorded")

    monkeypatch.setattr(evaluation, "evaluate", record)
    name = "wesad" if "eda" in options else "dreamer"
    first = (
        f"evaluate {name} {tmp_path} --model lda,coral+lda --protocol loso,window_random --seed 3 {options}"
    )
    CliRunner().invoke(app, shlex.split(first))
    [said] = asked
    run = made_result(tmp_path / "r", n_subjects=1).run
    run["dataset"]["name"] = name
    run["request"] |= {
        "data": {"dataset": name, "source_hash": "x"},
        "recipe": said["recipe"],
        "subjects": said["subjects"],
        "task": said["task"] or "valence",
        "models": dict.fromkeys(list(said["models"])),
        "protocols": said["protocols"],
        "seed": said["seed"],
        "permutations": said["permutations"],
        "refit": said["refit"],
        "strict": said["strict"],
    }
    repeat = repeat_of(run)
    assert repeat.is_command, repeat
    program, *arguments = shlex.split(repeat.text.replace("PATH", str(tmp_path)))
    assert program == "physioaffect"
    CliRunner().invoke(app, arguments)
    assert asked[1] | {"task": None} == said | {"task": None}
    assert asked[1]["task"] == (said["task"] or "valence")


def usual_run(path: Path) -> dict[str, Any]:
    """A run whose recipe options say."""
    run = made_result(path, n_subjects=1).run
    run["request"]["recipe"] = json.loads(default_recipe(DREAMER).to_json())
    assert repeat_of(run).is_command
    return run


def test_what_was_asked_besides_is_repeated_too(tmp_path):
    run = usual_run(tmp_path)
    request = run["request"] | {"missing": "keep", "subjects": ["S1"], "strict": True}
    command = command_of(run | {"request": request})
    assert command.endswith("--permutations 1000 --refit linear --missing keep --subjects S1 --strict")
    mine = command_of(run | {"request": request | {"models": {"mine": {"class": "my.Model"}}}})
    compile(mine, "shown", "exec")
    asked = ("permutations=1000", "refit='linear'", "missing='keep'", "subjects=['S1']", "strict=True")
    assert all(f"\n    {one},\n" in mine for one in asked)


def test_what_was_not_asked_is_not_repeated(tmp_path):
    """Runs of before there were permutations, or more ways with what is missing, say nothing of them."""
    run = usual_run(tmp_path)
    for name in ("permutations", "refit"):
        del run["request"][name]
    for model in ("lda", "mine"):
        repeat = repeat_of(run | {"request": run["request"] | {"models": {model: {}}}})
        assert repeat.is_command == (model == "lda")
        assert "permutations" not in repeat.text
        assert "missing" not in repeat.text


LDS_STEP = {"name": "lds", "settings": {"causal": False}}
BEYOND_OPTIONS: dict[str, dict[str, Any]] = {
    "smoothed twice": {"smoothing": [LDS_STEP, LDS_STEP]},
    "a family that no option names": {"features": [{"name": "mine", "settings": {}, "version": 1}]},
}


@pytest.mark.parametrize("which", list(BEYOND_OPTIONS))
def test_recipes_beyond_the_options_are_repeated_from_python(tmp_path, which):
    run = usual_run(tmp_path)
    run["request"]["recipe"] |= BEYOND_OPTIONS[which]
    repeat = repeat_of(run)
    assert not repeat.is_command
    assert repeat.remark == "The recipe has settings that no option of the command line says."


def test_what_no_option_says_is_repeated_from_python(tmp_path):
    run = made_result(tmp_path, n_subjects=1).run
    run["request"]["recipe"]["features"][0]["settings"]["frame"] = 1.0
    repeat = repeat_of(run)
    assert not repeat.is_command
    assert "recipe=recipe" in repeat.text
    compile(repeat.text, "shown", "exec")
    run["request"]["models"]["mine"] = {"class": "my.Model"}
    assert "mine" in repeat_of(run).remark


# ---- The words for what few runs have


def card(path: Path, *, shared: dict[str, float] | None = None, **task: Any) -> str:
    """What is said of a protocol that shares what is named, and of a task."""
    made = made_result(path, n_subjects=4, protocols=("loso",))
    about = made.run["protocols"][0]
    about["shared"] = about["shared"] | (shared or {})
    made.run["task"] |= task
    return Page(section(render(made), "short")).text


def test_of_tested_people_on_other_days_training_says_so(tmp_path):
    said = card(tmp_path, shared={"subject": 1.0, "session": 0.0, "trial": 0.0})
    assert "Trained Anew in each of 4 folds, on windows of the tested people themselves." in said


def test_of_some_of_the_tested_people_training_says_how_many(tmp_path):
    said = card(tmp_path, shared={"subject": 0.5})
    assert "on windows of which some are of the tested people (of 50 % of the test)." in said


def test_a_label_made_with_other_ratings_is_no_label_without_them(tmp_path):
    said = card(tmp_path, uses_own_ratings=True)
    assert "That it works without ratings: the label depends on the test person’s other ratings." in said


def test_without_any_score_nothing_is_reached(tmp_path):
    made = made_result(tmp_path, n_subjects=4, protocols=("loso",))
    undefined = made.scores["value"].where(~made.scores["model"].isin(made.models), np.nan)
    text = Page(section(render(replace(made, scores=made.scores.assign(value=undefined))), "short")).text
    assert "No score is defined." in text


def test_more_than_four_certain_differences_are_counted(tmp_path):
    good = made_result(tmp_path, models=("a", "b", "c"), protocols=("loso",), effect=5.0)
    poor = made_result(tmp_path, models=("d", "e"), protocols=("loso",), effect=0.0)
    predictions = pd.concat([good.predictions, poor.predictions.query("model in ['d', 'e']")])
    run = good.run | {"models": [*"abcde"]}
    run["request"] = run["request"] | {"models": dict.fromkeys("abcde", run["request"]["models"]["a"])}
    both = replace(good, run=run, predictions=predictions, scores=score(predictions, "binary"))
    text = Page(section(render(both), "short")).text
    assert "Differences between models other than 6 of 10: see the comparisons." in text


def methods(path: Path, *, recipe: dict[str, Any], **changes: Any) -> str:
    made = made_result(path, n_subjects=4, protocols=("loso",))
    made.run["request"] |= {"recipe": made.run["request"]["recipe"] | recipe}
    for part, values in changes.items():
        made.run[part] = made.run[part] | values if isinstance(values, dict) else values
    return Page(section(render(made), "methods")).text


def test_the_methods_say_every_step_of_the_recipe(tmp_path):
    recipe = {
        "cleaning": [{"name": "clean_eeg", "settings": {}}],
        "baseline": "ratio",
        "smoothing": [{"name": "moving_average", "settings": {}}],
    }
    said = methods(tmp_path, recipe=recipe, table={"missing": {"de": 0.25}})
    assert (
        ", one every 2.5 s. Features with less than 80 % of good samples were treated as missing "
        "(de in 25 % of the windows). Signals were cleaned first (clean_eeg)." in said
    )
    assert "They were taken divided by the rest before each trial." in said
    assert "They were smoothed within each trial (moving average)." in said


def test_the_methods_say_the_settings_of_every_family(tmp_path):
    families = {
        "frontal_asymmetry": {"edges": [8.0, 13.0], "estimator": "welch", "segment": 2.0},
        "band_power": {"estimator": "welch"},
        "coupling": {"method": "plv"},
        "eda": {"decompose": "highpass", "threshold": 0.05},
    }
    features = [{"name": name, "settings": settings} for name, settings in families.items()]
    said = methods(tmp_path, recipe={"features": features})
    for details in (
        "(8–13 Hz; Welch’s method with segments of 2 s)",
        "(Welch’s method)",
        "(plv)",
        "(decomposition: highpass; responses above 0.05 µS)",
    ):
        assert details in re.sub(r" \[[\d, ]+\]", "", said)


def test_the_methods_of_a_whole_data_set_without_paper_or_clock(tmp_path):
    said = methods(tmp_path, recipe={}, dataset={"n_subjects": 4, "doi": ""}, baselines=["majority", "prior"])
    assert said.startswith("Methods")
    assert "We analysed DREAMER: 24 trials of 4 people. The label was" in said
    assert "elapsed time" not in said.split("Pedregosa")[0].split("We compared")[1].split(".")[1]


def test_a_model_that_is_said_in_words_keeps_them(tmp_path):
    made = made_result(tmp_path, n_subjects=4, protocols=("loso",))
    made.run["request"]["models"]["lda"] = "as in the paper"
    assert "lda (as in the paper)" in Page(section(render(made), "methods")).text
