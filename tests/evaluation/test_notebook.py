"""What results show of themselves in notebooks."""

import re

import numpy as np
from support.feature_worlds import world_table
from support.reports import made_result

from physioaffect.datasets import DREAMER, check
from physioaffect.evaluation import get_protocol
from physioaffect.evaluation.leakage import audit_folds

HOSTILE = "<script>alert(1)</script>"


def test_every_model_and_protocol_has_a_row_with_its_mean_and_interval(tmp_path):
    result = made_result(tmp_path, simulated=True)
    page = result._repr_html_()
    n_models = len(result.run["models"]) + len(result.run["baselines"])
    assert page.count("<tr") == 1 + 2 * n_models
    row = result.intervals().to_dict("index")["loso", "lda", "trial", result.metrics[0]]
    assert f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in page
    assert "SIMULATED DATA" in page
    assert page.count("window_random (no claim)") == n_models


def test_text_from_files_is_escaped_and_there_is_no_script_or_style(tmp_path):
    page = made_result(tmp_path, title=HOSTILE, models=(HOSTILE, "lda"))._repr_html_()
    assert "&lt;script&gt;" in page
    assert not re.search(r"<script|<style|onload|http", page)


def test_one_person_has_no_interval(tmp_path):
    page = made_result(tmp_path, n_subjects=1, protocols=("loso",))._repr_html_()
    assert "[95 %]" in page
    assert not re.search(r"\d \[", page)
    assert "nan" not in page


def test_long_notes_are_not_cut(tmp_path):
    name = "a_model_with_a_name_of_more_than_fifty_letters_as_wrappers_make_them"
    page = made_result(tmp_path, models=(name, "lda"), protocols=("loso",))._repr_html_()
    assert name in page
    assert "..." not in page


def test_it_is_small(tmp_path):
    assert len(made_result(tmp_path)._repr_html_()) < 5000


def test_an_audit_shows_what_it_found_and_what_it_could_not_check(tmp_path):
    table = world_table(0, n_subjects=4, n_trials=4)
    folds = list(get_protocol("window_random").split(table.coords, np.random.default_rng(0)))
    found = audit_folds(table.coords, folds)
    page = found._repr_html_()
    assert found.findings
    for finding in found.findings:
        assert finding.kind in page
    assert page.count("not checked") == len(found.not_made)


def test_a_check_shows_its_verdict(tmp_path):
    assert DREAMER.simulate is not None
    root = DREAMER.simulate(tmp_path / HOSTILE.replace("/", ""), n_subjects=2, n_clips=2, max_seconds=5)
    page = check(DREAMER, root)._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "subjects" in page
