import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support.tables import VALENCE, VALENCE_SCORE, feature_table

from physioaffect.evaluation import Result, evaluate
from physioaffect.evaluation.report import render, write_report


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    features = feature_table(effect=2.0)
    hostile = np.where(
        features["subject"].values == "S2", "<script>alert(1)</script>", features["subject"].values
    )
    return evaluate(
        features.assign_coords(subject=("window", hostile)),
        models=["logistic", "knn"],
        protocols=["loso", "window_random", "loso_transductive"],
        task=VALENCE,
        out=tmp_path_factory.mktemp("run") / "result",
    )


class Page(HTMLParser):
    """Collects tags, checks that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_no_network(result):
    page = Page(render(result))
    assert not page.open
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "img", "iframe"}
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:text/csv"))
    assert "@import" not in render(result)
    assert "url(" not in render(result)


def test_texts_from_data_are_escaped(result):
    text = render(result)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_every_person_is_a_dot_under_every_protocol_and_model(result):
    dots = [attributes for tag, attributes in Page(render(result)).tags if tag == "circle"]
    n_models = len(result.run["models"]) + len(result.run["baselines"])
    assert len(dots) == 4 * n_models * 3


def test_a_dot_lies_where_its_score_is(result):
    text = render(result)
    keys = ["protocol", "model", "level", "metric", "subject"]
    value = float(result.scores.set_index(keys)["value"]["loso", "knn", "window", "macro_f1", "S1"])
    strip = text[text.index(">knn</text>") :]
    found = re.search(r'cx="([\d.]+)"[^>]*><title>S1: ([\d.]+)', strip)
    assert found is not None
    assert float(found[1]) == pytest.approx(150 + 540 * value, abs=0.1)
    assert float(found[2]) == pytest.approx(value, abs=5e-4)


def test_confusion_counts_every_trial_and_window(result):
    text = render(result)
    tables = re.findall(r"<caption>(\w+), by (\w+)</caption>(.*?)</table>", text, re.DOTALL)
    assert len(tables) == 3 * 2 * 2
    for _, level, body in tables:
        counts = [int(count) for count in re.findall(r">(\d+)<small>", body)]
        assert sum(counts) == {"trial": 24, "window": 120}[level]


def test_claims_sharing_seed_and_versions_are_said(result):
    text = render(result)
    for about in result.run["protocols"]:
        assert about["shares"].replace("’", "'") in text.replace("&#39;", "'")
    assert text.count("no claim") >= 2
    assert "Seed 0" in text
    assert "scikit-learn" in text
    assert "standardised within each person" in text


def test_a_regression_has_a_report_too(tmp_path):
    run = evaluate(
        feature_table(effect=1.0),
        models=["ridge"],
        protocols=["loso"],
        task=VALENCE_SCORE,
        out=tmp_path / "r",
    )
    page = write_report(run).read_text()
    Page(page)
    assert "CCC" in page
    assert "Confusion" not in page
