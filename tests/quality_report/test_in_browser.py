"""The quality report as a browser shows it: needs Debian's chromium and playwright."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import CONTRASTS, Opened

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_errors_no_requests_and_contrast(scheme, study, browser):
    with Opened(browser, study.page, color_scheme=scheme) as opened:
        opened.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        contrasts = opened.page.evaluate(CONTRASTS)
        assert opened.said == []
        assert opened.asked == [study.page.as_uri()]
        assert len(contrasts) > 150
        assert [found for found in contrasts if found[0] < 4.5] == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_of_the_screen(width, study, browser):
    with Opened(browser, study.page, viewport={"width": width, "height": 844}) as opened:
        opened.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        # All pictures of a session begin and end at the same place, so that one can look down.
        edges = opened.page.evaluate(
            """[...document.querySelectorAll("#s2 .plot, #s2 .strip")].map((e) => {
                const box = e.getBoundingClientRect();
                return [box.left, box.right].map(Math.round).join(); })"""
        )
        assert len(edges) >= 6
        assert len(set(edges)) == 1


def test_the_table_sorts_and_leads_to_the_session(study, browser):
    with Opened(browser, study.page) as opened:
        table = opened.page.locator("table.sessions")
        n_columns = table.evaluate("t => t.tBodies[0].rows[0].cells.length")
        heads = table.evaluate("t => [...t.querySelectorAll('th[data-column]')].map(h => +h.dataset.column)")
        assert sorted(heads) == list(range(n_columns))
        minutes = opened.page.locator("th", has_text="minutes").locator("button")
        minutes.click()
        first = table.locator("tbody tr").first
        assert first.inner_text().startswith("a-person")  # Five minutes, the longest.
        first.locator("a").click()
        assert opened.page.evaluate("location.hash") == "#s1"
        assert opened.said == []


def test_figures_and_regions_have_names(study, browser):
    with Opened(browser, study.page) as opened:
        unnamed = opened.page.evaluate(
            """[...document.querySelectorAll("svg[role=img], [role=region], nav, article, section")].filter(
                (e) => !e.getAttribute("aria-label")
                    && !document.getElementById(e.getAttribute("aria-labelledby"))).length"""
        )
        assert unnamed == 0


def test_on_paper_it_is_light(study, browser, tmp_path):
    with Opened(browser, study.page, color_scheme="dark", viewport={"width": 680, "height": 960}) as opened:
        page = opened.page
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert not page.locator("nav").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 680
        page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert (tmp_path / "page.pdf").stat().st_size > 10_000


def test_the_network_is_forbidden(study, browser):
    with Opened(browser, study.page) as opened:
        refused = opened.page.evaluate("fetch('https://example.org').then(() => 'came', (e) => 'refused')")
        assert refused == "refused"


def test_the_page_says_the_same_without_scripts(study, browser):
    with Opened(browser, study.page, java_script_enabled=False) as opened:
        assert opened.page.locator("thead button").count() == 0
        assert opened.page.locator("#s2 .plot").first.is_visible()
