"""The report as a browser shows it: needs Debian's chromium and playwright."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import CONTRASTS, Opened
from support.reports import PROTOCOLS, made_result

from physioaffect.evaluation.report import write_report

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(made_result(tmp_path_factory.mktemp("shown"), simulated=False, has_all=True))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = ("lda", "dgcnn", *(f"a_model_with_a_long_name_{number}" for number in range(8)))
    result = made_result(
        tmp_path_factory.mktemp("many"),
        n_subjects=4,
        n_windows=1,
        models=models,
        protocols=tuple(PROTOCOLS),
        names={"S1": "a-person-with-a-name-that-does-not-end-" * 3},
        title="AVeryLongNameOfADataSetWithoutAnySpaceInItAtAll",
        simulated=True,
    )
    return write_report(result)


@pytest.mark.parametrize("which", ["report", "many"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_errors_no_requests_and_contrast(which, scheme, browser, request):
    path = request.getfixturevalue(which)
    with Opened(browser, path, color_scheme=scheme) as opened:
        opened.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        contrasts = opened.page.evaluate(CONTRASTS)
        assert opened.said == []
        assert opened.asked == [path.as_uri()]
        assert len(contrasts) > 300
        assert [found for found in contrasts if found[0] < 4.5] == []


def test_the_network_is_forbidden(report, browser):
    with Opened(browser, report) as opened:
        refused = opened.page.evaluate("fetch('https://example.org').then(() => 'came', (e) => 'refused')")
        assert refused == "refused"
        assert "Content Security Policy" in " ".join(opened.said)


def test_dark_differs_from_light(report, browser):
    colours = {}
    for scheme in ("light", "dark"):
        with Opened(browser, report, color_scheme=scheme) as opened:
            colours[scheme] = opened.page.evaluate(
                "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
            )
    assert colours["light"][0] == "rgb(255, 255, 255)"
    assert colours["dark"][0] != colours["light"][0]
    assert colours["dark"][1] != colours["light"][1]


@pytest.fixture
def example() -> Path:
    """Real data: features without electrodes, whose names are long."""
    return Path(__file__).resolve().parents[2] / "docs" / "reports" / "stress_predict.html"


@pytest.mark.parametrize("which", ["report", "many", "example"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_of_the_screen(which, width, browser, request):
    with Opened(browser, request.getfixturevalue(which), viewport={"width": width, "height": 844}) as opened:
        opened.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        # Text in figures stays readable on a phone.
        if width == 390:
            sizes = opened.page.evaluate(
                """[...document.querySelectorAll("svg text:not(.stamp)")].map((t) => {
                    const m = t.getScreenCTM();
                    return parseFloat(getComputedStyle(t).fontSize) * Math.hypot(m.a, m.b);
                })"""
            )
            assert min(sizes) >= 7.5


COLUMN = """table => [...table.tBodies[0].rows].map(
    (row) => row.cells[%d].dataset.value ?? row.cells[%d].textContent.trim())"""


def test_tables_sort_by_click(report, browser):
    with Opened(browser, report) as opened:
        table = opened.page.locator("#scores table.sortable").nth(1)
        head = table.locator("th[data-column='1']")
        before = table.evaluate(COLUMN % (0, 0))
        values = [float(value) for value in table.evaluate(COLUMN % (1, 1))]
        for direction, expected in (
            ("descending", sorted(values, reverse=True)),
            ("ascending", sorted(values)),
        ):
            head.locator("button").click()
            assert head.get_attribute("aria-sort") == direction
            assert [float(value) for value in table.evaluate(COLUMN % (1, 1))] == expected
        head.locator("button").click()
        assert head.get_attribute("aria-sort") is None
        assert table.evaluate(COLUMN % (0, 0)) == before
        # Rows stay whole: the model's name moves with its score.
        head.locator("button").click()
        names = table.evaluate(COLUMN % (0, 0))
        by_name = dict(zip(before, values, strict=True))
        assert [by_name[name] for name in names] == sorted(values, reverse=True)


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_tables_sort_by_keyboard(key, report, browser):
    with Opened(browser, report) as opened:
        table = opened.page.locator("#comparisons table.sortable").first
        head = table.locator("th[data-column='0']")
        head.locator("button").focus()
        opened.page.keyboard.press("Tab")
        focused = opened.page.evaluate("document.activeElement.closest('th').dataset.column")
        assert focused == "1"
        opened.page.keyboard.press("Shift+Tab")
        opened.page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == "descending"
        names = table.evaluate(COLUMN % (0, 0))
        assert names == sorted(names, reverse=True)
        opened.page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == "ascending"
        assert len(opened.page.query_selector_all("[aria-sort]")) == 1


def test_every_column_of_every_table_sorts(report, browser):
    with Opened(browser, report) as opened:
        opened.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        for table in opened.page.locator("table.sortable").all():
            n_cells = table.evaluate("t => t.tBodies[0].rows[0].cells.length")
            columns = table.evaluate(
                "t => [...t.querySelectorAll('th[data-column]')].map(h => +h.dataset.column)"
            )
            assert sorted(columns) == list(range(n_cells))
            table.evaluate("t => { for (const b of t.querySelectorAll('thead button')) b.click(); }")
        assert opened.said == []


def test_the_page_says_the_same_without_scripts(report, browser):
    with Opened(browser, report, java_script_enabled=False) as opened:
        assert opened.page.locator("thead button").count() == 0
        assert "Works for a new person" in opened.page.locator("#short").inner_text()
        opened.page.locator("#people summary").click()
        assert opened.page.locator("#people details svg").first.is_visible()


def test_a_table_can_be_downloaded(report, browser, tmp_path):
    with Opened(browser, report, accept_downloads=True) as opened:
        with opened.page.expect_download() as waiting:
            opened.page.locator("a[download='comparisons.csv']").click()
        waiting.value.save_as(tmp_path / "comparisons.csv")
    assert (
        (tmp_path / "comparisons.csv").read_text().startswith("protocol,family,model_a,model_b,n,difference")
    )


def test_on_paper_it_is_light_whole_and_as_wide_as_the_sheet(report, browser, tmp_path):
    with Opened(browser, report, color_scheme="dark", viewport={"width": 680, "height": 960}) as opened:
        page = opened.page
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert not page.locator("nav").is_visible()
        # A4 less margins of 15 mm is 680 pixels wide.
        assert page.evaluate("document.documentElement.scrollWidth") <= 680
        assert (
            page.evaluate(
                """[...document.querySelectorAll(".scroll")].filter(
                    (e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.ariaLabel)"""
            )
            == []
        )
        page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    content = (tmp_path / "page.pdf").read_bytes()
    boxes = {
        tuple(round(float(x)) for x in m.split()) for m in re.findall(rb"/MediaBox \[([\d. ]+)\]", content)
    }
    assert boxes == {(0, 0, 595, 842)}


def test_what_is_folded_is_printed(many, browser):
    with Opened(browser, many) as opened:
        opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator("details:not([open])").count() == 0
        opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert opened.page.locator("details:not([open])").count() > 10


def test_figures_and_regions_have_names(report, browser):
    with Opened(browser, report) as opened:
        unnamed = opened.page.evaluate(
            """[...document.querySelectorAll("svg[role=img], [role=region], nav, article, section")].filter(
                (e) => !e.getAttribute("aria-label")
                    && !document.getElementById(e.getAttribute("aria-labelledby"))).length"""
        )
        assert unnamed == 0
