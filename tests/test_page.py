"""Pages are made of templates that are compiled once, and never of another page's."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

from physioaffect.page.assembling import environment, render_page


def lab(folder: Path, text: str) -> Path:
    own = folder / "lab_of_pages" / "page"
    own.mkdir(parents=True, exist_ok=True)
    (own / "hello.html").write_text(text)
    (own / "hello.css").write_text("")
    return folder


def page_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **values: Any) -> str:
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.startswith("lab_of_pages")]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    return render_page("lab_of_pages.page", "hello.html", style="hello.css", **values)


def test_another_folder_of_the_same_name_has_its_own_templates(tmp_path, monkeypatch):
    first, second = lab(tmp_path / "1", "one {{ x }}"), lab(tmp_path / "2", "two {{ x }}")
    assert page_in(first, monkeypatch, x="<") == "one &lt;"
    assert page_in(second, monkeypatch, x=2) == "two 2"


def test_filters_of_one_page_are_not_those_of_another():
    def shout(text: str) -> str:
        return text.upper()

    package = "physioaffect.quality_report"
    assert environment(package, {"number": shout}).from_string("{{ 'a' | number }}").render() == "A"
    assert environment(package).from_string("{{ 1.5 | number }}").render() != "A"


def test_a_page_is_compiled_once(monkeypatch):
    environment("physioaffect.quality_report").get_template("quality.html")
    monkeypatch.delattr(Environment, "compile")
    environment("physioaffect.quality_report").get_template("quality.html")
