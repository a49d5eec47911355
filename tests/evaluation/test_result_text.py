"""A result as text: the table of the command line, what a score would show, and who was left out."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from support.reports import made_result

from physioaffect.cli_output import OUT, print_result
from physioaffect.data_set import Exclusion
from physioaffect.datasets import EEGMAT
from physioaffect.evaluation import Result, evaluate
from physioaffect.features import Hjorth, Recipe
from physioaffect.windows import Windowing

LOSO = "Works for a new person who meets stimuli like those of the training people."
LOGGER = "physioaffect.evaluation.evaluating"


def with_broken(result: Result, n: int) -> Result:
    broken = [
        {"subject": f"S{number}", "trial": "", "reason": f"S{number}.edf is cut <off>.", "expected": False}
        for number in range(n)
    ]
    return replace(result, run=result.run | {"exclusions": [*result.run["exclusions"], *broken]})


# ---- The table


def test_every_model_has_a_line_with_its_interval_under_every_protocol(tmp_path):
    result = made_result(tmp_path, has_all=True, clock=3.0)
    lines = str(result).splitlines()
    found, metric = result.intervals().to_dict("index"), result.metrics[0]
    rows = [line.split("  ") for line in lines]
    for model in (*result.models, *result.baselines):
        own = [line for line, cells in zip(lines, rows, strict=True) if cells[0] == model]
        assert len(own) == len(result.protocols)
        for protocol, line in zip(result.protocols, own, strict=True):
            row = found[protocol, model, "trial", metric]
            assert f" {row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}] " in line
            assert ("clock is as good" in line) == (model in result.models)
    assert lines[0] == "DREAMER: valence"
    assert "8 people, 48 trials, 144 windows; mean over people and its 95 % interval" in lines
    assert repr(result) == str(result)
    assert len(lines) < 30


def test_it_is_what_the_command_line_prints(tmp_path):
    result = with_broken(made_result(tmp_path, has_all=True), 2)
    with OUT.capture() as printed:
        print_result(result, as_json=False)
    words = printed.get().split()
    for line in str(result).splitlines()[:-1]:
        own = line.split()
        assert any(words[at : at + len(own)] == own for at in range(len(words))), line


def test_columns_stand_below_their_titles(tmp_path):
    lines = str(made_result(tmp_path, protocols=("loso",), has_all=True)).splitlines()
    [end] = [line.index("macro-F1") + len("macro-F1") for line in lines if line.startswith("model")]
    assert {line[:end].rstrip()[-1] for line in lines if line.startswith(("lda", "majority"))} == {"]"}


def test_what_a_terminal_would_obey_is_escaped(tmp_path):
    text = str(made_result(tmp_path, title="\x1b[31mDREAMER", models=("\x1b[2J", "[red]lda[/red]")))
    assert "\x1b" not in text
    assert r"\x1b[31mDREAMER" in text
    assert "[red]lda[/red]" in text


# ---- What a score would show


def test_the_claim_is_said_of_a_good_score_not_of_this_one(tmp_path):
    result = made_result(tmp_path, effect=0.0)
    told = f"A good score under loso would show: {LOSO}"
    nothing = "A good score under window_random would show nothing: it tells what leakage is worth."
    with OUT.capture() as printed:
        print_result(result, as_json=False)
    for text in (str(result), " ".join(printed.get().split()), result._repr_html_()):
        assert told in text
        assert nothing in text
        assert text.count("Works for") == 1
    assert ">yes<" not in result._repr_html_()


# ---- Who was left out


def test_who_was_left_out_is_told_in_text_and_in_notebooks(tmp_path):
    result = made_result(tmp_path)
    assert "Left out" not in str(result)
    assert "Left out" not in result._repr_html_()
    one = with_broken(result, 1)
    assert "Left out: S0. S0.edf is cut <off>." in str(one)
    assert "<p>Left out: S0. S0.edf is cut &lt;off&gt;.</p>" in one._repr_html_()
    many = with_broken(result, 40)
    assert str(many).count("Left out: ") == 3
    assert "37 more were left out: see Result.exclusions." in str(many)
    assert "37 more were left out: see Result.exclusions." in many._repr_html_()


def test_exclusions_are_values(tmp_path):
    result = with_broken(made_result(tmp_path), 1)
    assert result.exclusions == (
        Exclusion(subject="S99", reason="S99 has no ratings.", expected=True),
        Exclusion(subject="S0", reason="S0.edf is cut <off>."),
    )


@pytest.fixture(scope="module")
def broken_eegmat(tmp_path_factory) -> Path:
    assert EEGMAT.simulate is not None
    folder = EEGMAT.simulate(tmp_path_factory.mktemp("eegmat"), n_subjects=5, max_seconds=60)
    recording = folder / "Subject03_2.edf"
    recording.write_bytes(recording.read_bytes()[:20_000])
    return folder


def test_a_broken_person_is_warned_of_once_a_call(broken_eegmat, tmp_path, caplog):
    recipe = Recipe(windows=Windowing(duration=4), features=(Hjorth(),))
    for _ in ("computed", "given back"):
        caplog.clear()
        result = evaluate(
            "eegmat", broken_eegmat, models=["lda"], protocols=["loso"], permutations=0, recipe=recipe,
            out=tmp_path / "out",
        )  # fmt: skip
        [record] = [record for record in caplog.records if record.name.startswith("physioaffect")]
        assert (record.name, record.levelno) == (LOGGER, logging.WARNING)
        assert record.getMessage().startswith("Left out: Subject03. ")
        assert "Subject03_2.edf" in record.getMessage()
    assert [item.subject for item in result.exclusions if not item.expected] == ["Subject03"]
    assert "Left out: Subject03" in result._repr_html_()
