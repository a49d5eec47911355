"""The page holds every session, every reason and nothing that a file could smuggle in."""

import re

import pytest
from joblib import parallel_config
from support.pages import Page

from physioaffect.errors import DataError, RunError
from physioaffect.features import default_recipe, save_features
from physioaffect.quality_report import write_quality_report


def test_it_is_one_whole_page_that_needs_nothing_else(study):
    page = Page(study.page.read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == tags.count("style") == 1
    assert not {"img", "link", "iframe", "object"} & set(tags)
    assert not [attrs for _, attrs in page.tags if {"style", "onclick", "src"} & set(attrs)]
    links = [str(attrs["href"]) for tag, attrs in page.tags if tag == "a"]
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert all(link[0] == "#" and link[1:] in ids for link in links)


def test_every_session_has_a_line_and_pictures(study):
    html = study.page.read_text(encoding="utf-8")
    for who in ("S01", "S02", "S03", "S05"):
        assert f">{who}</a></th>" in html
    assert html.count("<article") == 6
    assert "5 people · 6 sessions · 15.3 minutes" in html.replace("\u202f", " ")
    assert html.count("2022-02-07 10:27:41 UTC") == 1
    # Six signals of each E4 session, and one of the clip.
    assert html.count('class="signal"') == 5 * 6 + 1
    assert "not recorded: intervals between beats" not in html
    assert "Finger &lt;clip&gt;" in html
    assert "not recorded: pulse wave, heart rate, skin temperature, acceleration" in html


def test_windows_are_counted_family_by_family(study):
    html = study.page.read_text(encoding="utf-8")
    rows = re.findall(r"<tr><th scope=\"row\"><a.*?</tr>", html)
    cells = [re.findall(r"<td data-value=\"([^\"]*)\"", row)[-3:] for row in rows]
    # 150 s hold ten windows of 60 s, one every 10 s; the finger has 300 s and no temperature; 20 s none.
    assert sorted(cells) == sorted([["10", "10", "10"]] * 4 + [["25", "25", "0"], ["0", "0", "0"]])


def test_what_was_left_out_and_passed_over_is_said(study):
    html = study.page.read_text(encoding="utf-8")
    left_out = html[html.index('id="left-out"') : html.index('id="one-by-one"')]
    assert re.search(
        r"S04</th><td>all</td><td><span class=\"pill bad\">broken</span> .*not a readable zip", left_out
    )
    assert "The trial lasts 20 s, a window 60 s." in left_out
    assert "notes &lt;i&gt;.xlsx: no recording of a known format" in left_out


def test_what_was_done_is_said(study):
    html = study.page.read_text(encoding="utf-8")
    done = html[html.index('id="done"') :]
    assert "60 s, a new one every 10 s; a family of features is missing where less than 80 % of" in done
    assert "eda, version" in done
    assert "threshold 0.02" in done
    assert "Features of skin conductance in microsiemens." in done
    assert "physioaffect features wearable study -o features.zarr --report" in done
    assert "blake3:" in done


def test_names_from_files_are_escaped(study):
    html = study.page.read_text(encoding="utf-8")
    assert "<b onclick" not in html
    assert "&lt;b onclick=x&gt;name" in html


def test_it_is_small(study):
    assert study.page.stat().st_size < 6 * 60_000


def test_jobs_make_no_difference(study, tmp_path):
    with parallel_config(backend="threading"):
        again = write_quality_report(
            study.dataset, study.root, study.recipe, study.store, tmp_path / "again.html", n_jobs=2
        )
    alone = write_quality_report(study.dataset, study.root, study.recipe, study.store, tmp_path / "a.html")
    assert again.read_bytes() == alone.read_bytes()


def test_only_so_many_are_drawn(study, tmp_path):
    told = []
    page = write_quality_report(
        study.dataset,
        study.root,
        study.recipe,
        study.store,
        tmp_path / "page.html",
        most_drawn=2,
        progress=lambda *done: told.append(done),
    )
    html = page.read_text(encoding="utf-8")
    assert html.count("<article") == 6
    assert html.count('class="plot"') == 1 + 6  # The clip, whose name comes first, and S01.
    assert "Only the first 2 sessions are drawn." in html
    assert told == [("report", done, 6) for done in range(1, 7)]


def test_a_chosen_subject(study, tmp_path):
    page = write_quality_report(
        study.dataset, study.root, study.recipe, study.store, tmp_path / "page.html", subjects=["S02"]
    )
    assert page.read_text(encoding="utf-8").count("<article") == 1


def test_errors_are_plain(study, tmp_path):
    with pytest.raises(DataError, match="holds no features"):
        write_quality_report(
            study.dataset, study.root, study.recipe, tmp_path / "no.zarr", tmp_path / "a.html"
        )
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written: "):
        write_quality_report(
            study.dataset, study.root, study.recipe, study.store, tmp_path / "file" / "a.html"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_usual_recipe_has_a_page_too(study, tmp_path):
    recipe = default_recipe(study.dataset)
    store = save_features(study.dataset, study.root, recipe, tmp_path / "usual.zarr", subjects=["S01"])
    page = write_quality_report(
        study.dataset, study.root, recipe, store, tmp_path / "usual.html", subjects=["S01"]
    )
    html = page.read_text(encoding="utf-8")
    assert "convex" in html
    assert "mark_quality" in html or "marked" in html
